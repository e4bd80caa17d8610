/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-capture.c - the client of a capture; see agilio-capture.h. */

#include <config.h>

#include "agilio-capture.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket-util.h"
#include "util.h"

#define EMPTY_MS 10             /* How long we sleep then. */
#define REPLY_MS 5000           /* How long we wait for the NIC. */

static int
connect_to(const char *socket)
{
    char *path = xasprintf("%s%s", socket, AGILIO_CAPTURE_SUFFIX);
    int fd = make_unix_socket(SOCK_SEQPACKET, false, NULL, path);

    if (fd < 0) {
        ovs_fatal(-fd, "%s: cannot connect to the NIC", path);
    }
    free(path);
    return fd;
}

/* Waits for the NIC's reply; returns the descriptor in it, -1 if none. */
static int
receive_reply(int fd, struct agilio_capture_reply *reply)
{
    struct iovec iov = { .iov_base = reply, .iov_len = sizeof *reply };
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    int memory_fd = -1;
    union {
        char bytes[CMSG_SPACE(sizeof memory_fd)];
        struct cmsghdr align;
    } control;
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    struct cmsghdr *cmsg;

    if (poll(&pfd, 1, REPLY_MS) != 1
        || recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != sizeof *reply
        || agilio_from_le32(reply->magic) != AGILIO_CAPTURE_MAGIC) {
        ovs_fatal(0, "the NIC does not answer, or not as it should");
    }
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_type == SCM_RIGHTS
        && cmsg->cmsg_len == CMSG_LEN(sizeof memory_fd)) {
        memcpy(&memory_fd, CMSG_DATA(cmsg), sizeof memory_fd);
    }
    return memory_fd;
}

static void
map_rings(struct agilio_capture *c, int memory_fd,
          const struct agilio_capture_reply *reply)
{
    uint32_t n_granules = agilio_from_le32(reply->n_granules);
    uint64_t stride = agilio_capture_stride(n_granules);
    struct stat st;
    char *memory;

    c->n_rings = agilio_from_le32(reply->n_rings);
    if (!c->n_rings || c->n_rings > AGILIO_CAPTURE_MAX_RINGS
        || !is_pow2(n_granules)
        || fstat(memory_fd, &st) || st.st_size != c->n_rings * stride) {
        ovs_fatal(0, "the NIC's reply makes no sense");
    }
    memory = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                  memory_fd, 0);
    if (memory == MAP_FAILED) {
        ovs_fatal(errno, "cannot map the NIC's memory");
    }
    for (uint32_t i = 0; i < c->n_rings; i++) {
        struct agilio_capture_ring *shared = ALIGNED_CAST(
            struct agilio_capture_ring *, memory + i * stride);

        c->shared[i] = shared;
        agilio_ring_init_consumer(&c->rings[i], &shared->ring, shared + 1,
                                  n_granules);
    }
    close(memory_fd);
}

void
agilio_capture_begin(struct agilio_capture *c, const char *socket,
                     const char *port, uint32_t directions, uint32_t snaplen)
{
    struct agilio_capture_request request = {
        .magic = agilio_to_le32(AGILIO_CAPTURE_MAGIC),
        .directions = agilio_to_le32(directions),
        .snaplen = agilio_to_le32(snaplen),
    };
    struct agilio_capture_reply reply;
    int memory_fd;

    memset(c, 0, sizeof *c);
    ovs_strzcpy(request.port, port, sizeof request.port);
    c->fd = connect_to(socket);
    if (send(c->fd, &request, sizeof request, MSG_NOSIGNAL) < 0) {
        ovs_fatal(errno, "cannot ask the NIC");
    }
    memory_fd = receive_reply(c->fd, &reply);
    if (memory_fd < 0) {
        ovs_fatal(0, "%s: %.*s", port, (int) sizeof reply.reason,
                  reply.reason);
    }
    map_rings(c, memory_fd, &reply);
    c->clock_ofs = agilio_from_le64(reply.clock_ofs);
}

uint64_t
agilio_capture_end(struct agilio_capture *c)
{
    uint64_t n = 0;

    close(c->fd);
    for (uint32_t i = 0; i < c->n_rings; i++) {
        n += agilio_from_le64(agilio_load_relaxed(&c->shared[i]->n_lost));
    }
    return n;
}

/* Finds the ring with the oldest record; -1 if all are empty. */
static int
find_oldest(struct agilio_capture *c)
{
    uint64_t oldest = UINT64_MAX;
    int found = -1;

    for (uint32_t i = 0; i < c->n_rings; i++) {
        struct agilio_capture_record h;

        if (!agilio_ring_peek(&c->rings[i], sizeof h,
                              sizeof(struct agilio_frame))) {
            if (c->rings[i].broken) {
                ovs_fatal(0, "the NIC writes what makes no sense");
            }
            continue;
        }
        agilio_ring_read(&c->rings[i], 0, &h, sizeof h);
        if (agilio_from_le64(h.timestamp) < oldest) {
            oldest = agilio_from_le64(h.timestamp);
            found = i;
        }
    }
    return found;
}

bool
agilio_capture_next(struct agilio_capture *c, struct agilio_frame *f)
{
    int i = find_oldest(c);
    uint32_t len;

    if (i < 0) {
        return false;
    }
    len = agilio_ring_peek(&c->rings[i], sizeof f->header, sizeof *f);
    agilio_ring_read(&c->rings[i], 0, f, len);
    f->header.len = agilio_to_le32(len);
    agilio_ring_consume(&c->rings[i], agilio_ring_granules(len));
    return len > 0;
}

bool
agilio_capture_wait(struct agilio_capture *c)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

    return poll(&pfd, 1, EMPTY_MS) <= 0;
}
