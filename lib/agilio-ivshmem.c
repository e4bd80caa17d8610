/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-ivshmem.c - client of the ivshmem server protocol.
 *
 * Used by the agilio thread only (agilio-nic.c), but for the two functions on
 * doorbells, which any thread may call.  The words come in a fixed order, so
 * the number of words received is the whole state; take_word() is the table
 * in agilio-ivshmem.h.
 */

#include <config.h>

#include "agilio-ivshmem.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "socket-util.h"
#include "util.h"

#define WORD_REGION UINT64_MAX          /* -1. */
#define N_WORDS (3 + 2 * AGILIO_N_VECTORS)

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

int
agilio_ivshmem_open(struct agilio_ivshmem *c, const char *path)
{
    int sock = make_unix_socket(SOCK_STREAM, true, NULL, path);
    int i;

    if (sock < 0) {
        return -sock;
    }
    c->sock = sock;
    c->region_fd = c->fd = -1;
    for (i = 0; i < AGILIO_N_VECTORS; i++) {
        c->nic_fds[i] = c->host_fds[i] = -1;
    }
    c->n_words = c->n_bytes = 0;
    return 0;
}

void
agilio_ivshmem_close(struct agilio_ivshmem *c)
{
    int i;

    close_fd(&c->sock);
    close_fd(&c->region_fd);
    close_fd(&c->fd);
    for (i = 0; i < AGILIO_N_VECTORS; i++) {
        close_fd(&c->nic_fds[i]);
        close_fd(&c->host_fds[i]);
    }
}

/* Keeps the first descriptor in 'msg' as c->fd, and closes any other. */
static void
take_fds(struct agilio_ivshmem *c, struct msghdr *msg)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        const unsigned char *p = CMSG_DATA(cmsg);
        size_t left = cmsg->cmsg_len - CMSG_LEN(0);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (; left >= sizeof(int); left -= sizeof(int), p += sizeof(int)) {
            int fd;

            memcpy(&fd, p, sizeof fd);
            if (c->fd < 0) {
                c->fd = fd;
            } else {
                close(fd);
            }
        }
    }
}

/* Receives bytes of the current word, no further.  Returns how many, 0 at the
 * end of the stream, -1 with errno. */
static ssize_t
receive(struct agilio_ivshmem *c)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec iov = {
        .iov_base = c->word + c->n_bytes,
        .iov_len = sizeof c->word - c->n_bytes,
    };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t n = recvmsg(c->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n >= 0) {
        take_fds(c, &msg);
    }
    return n;
}

/* Stores the descriptor that came with the word in '*fd'. */
static const char *
take_fd(struct agilio_ivshmem *c, int *fd)
{
    if (c->fd < 0) {
        return "it sent no descriptor where one was due";
    }
    *fd = c->fd;
    c->fd = -1;
    return NULL;
}

static const char *
take_doorbell(struct agilio_ivshmem *c, int *fd)
{
    const char *error = take_fd(c, fd);

    /* Reading a doorbell that did not ring must not block. */
    return error ? error : set_nonblocking(*fd) ? "bad doorbell" : NULL;
}

/* Word number c->n_words has come, with the value 'word'. */
static const char *
take_word(struct agilio_ivshmem *c, uint64_t word)
{
    uint32_t i = c->n_words;

    if (i == 0) {
        return word ? "it speaks another version of the ivshmem protocol"
                    : NULL;
    } else if (i == 1) {
        return word == AGILIO_PEER_HOST ? NULL : "it gave us a strange id";
    } else if (i == 2) {
        return (word == WORD_REGION ? take_fd(c, &c->region_fd)
                : "it sent no region");
    }
    i -= 3;
    if (i < AGILIO_N_VECTORS) {
        return (word == AGILIO_PEER_NIC ? take_doorbell(c, &c->nic_fds[i])
                : "it sent too few doorbells of the NIC");
    }
    i -= AGILIO_N_VECTORS;
    if (i < AGILIO_N_VECTORS) {
        return (word == AGILIO_PEER_HOST ? take_doorbell(c, &c->host_fds[i])
                : "it sent too few doorbells of the host");
    }

    /* Peers may come and go; only one of them matters. */
    return word == AGILIO_PEER_NIC && c->fd < 0 ? "the NIC has left" : NULL;
}

const char *
agilio_ivshmem_run(struct agilio_ivshmem *c)
{
    int i;

    for (i = 0; i < 64; i++) {  /* A peer that floods us does not hold us. */
        const char *error;
        agilio_le64 word;
        ssize_t n = receive(c);

        if (n < 0) {
            return (errno == EAGAIN || errno == EINTR ? NULL
                    : "the socket is broken");
        } else if (n == 0) {
            return "closed by peer";
        }
        c->n_bytes += n;
        if (c->n_bytes < sizeof c->word) {
            continue;
        }
        memcpy(&word, c->word, sizeof word);
        error = take_word(c, agilio_from_le64(word));
        close_fd(&c->fd);       /* If nobody wanted it. */
        c->n_bytes = 0;
        if (error) {
            return error;
        }
        c->n_words = MIN(c->n_words + 1, N_WORDS);
    }
    return NULL;
}

void
agilio_ivshmem_wait(const struct agilio_ivshmem *c)
{
    poll_fd_wait(c->sock, POLLIN);
}

bool
agilio_ivshmem_is_complete(const struct agilio_ivshmem *c)
{
    return c->n_words == N_WORDS;
}

/* A doorbell is full only if it has not been looked at for 2^64 times, and
 * empty if another thread was faster: neither matters. */

void
agilio_ivshmem_kick(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);

    ignore(n == sizeof one);
}

void
agilio_ivshmem_clear(int fd)
{
    uint64_t n_rings;
    ssize_t n = read(fd, &n_rings, sizeof n_rings);

    ignore(n == sizeof n_rings);
}
