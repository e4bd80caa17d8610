/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-capture.c - the socket where agilio-tcpdump gets a port's frames; the
 * protocol is in include/agilio/capture.h, the copying in capture.c.
 *
 * A session is a connection, with memory that both sides have mapped.  The
 * worker writes there as long as the session lives; this thread, the control
 * thread, only begins and ends sessions.  One session a port; a second one is
 * refused.  Nothing here waits for a client.
 *
 *     accepted --request--> begin(): the workers have it
 *        |                        |
 *        `------ closed ----------'--> end(): they have it no more; freed
 */

#include <config.h>

#include "nicd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fatal-signal.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(nicd_capture);

#define MAX_SESSIONS 64         /* At a time; more are turned away. */
#define N_GRANULES 65536        /* Of each ring: 4 MB. */

struct nicd_captures {
    struct agl_nicd *nicd;
    char *path;
    int listen_fd;
    struct ovs_list sessions;
    size_t n_sessions;
};

struct session {
    struct ovs_list node;
    int fd;
    char port[AGILIO_PORT_NAME_LEN + 1];
    uint32_t port_id;           /* AGILIO_PORT_NONE: it has not begun. */
    uint32_t n_workers;
    struct agl_capture *captures;       /* [n_workers] */
    int memory_fd;
    void *memory;
    size_t size;
};

/* ## ------- ##
 * ## Workers ##
 * ## ------- ## */

/* That worker is to have 'capture', NULL for none, at the port. */
struct change {
    uint32_t port_id;
    struct agl_capture *capture;
};

static void
apply_capture(struct agl_worker *w, void *change_)
{
    const struct change *change = change_;
    struct agl_port *port = &w->ports[agilio_port_slot(change->port_id)];

    if (port->id == change->port_id) {
        port->capture = change->capture;
    }
}

static void
tell_workers(struct agl_nicd *nicd, const struct session *s, bool on)
{
    for (uint32_t i = 0; i < s->n_workers; i++) {
        struct change change = {
            .port_id = s->port_id,
            .capture = on ? &s->captures[i] : NULL,
        };

        agl_worker_call(nicd->nic->team.workers[i], apply_capture,
                        &change);
    }
}

/* ## -------- ##
 * ## Sessions ##
 * ## -------- ## */

static void
end(struct nicd_captures *all, struct session *s)
{
    if (s->port_id != AGILIO_PORT_NONE) {
        tell_workers(all->nicd, s, false);
        VLOG_INFO("capture at port %s ended", s->port);
    }
    if (s->memory) {
        munmap(s->memory, s->size);
    }
    if (s->memory_fd >= 0) {
        close(s->memory_fd);
    }
    close(s->fd);
    ovs_list_remove(&s->node);
    all->n_sessions--;
    free(s->captures);
    free(s);
}

/* Answers the request; the client is to have the memory unless refused.
 * Returns 0 or a positive errno. */
static int
answer(const struct session *s, struct agilio_capture_reply *reply)
{
    reply->magic = agilio_to_le32(AGILIO_CAPTURE_MAGIC);
    return agl_send_fd(s->fd, reply, sizeof *reply,
                       reply->reason[0] ? -1 : s->memory_fd);
}

static int
make_memory(struct session *s)
{
    s->size = s->n_workers * agilio_capture_stride(N_GRANULES);
    s->memory_fd = memfd_create("agilio-capture",
                                MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s->memory_fd < 0 || ftruncate(s->memory_fd, s->size)
        || fcntl(s->memory_fd, F_ADD_SEALS,
                 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        return errno;
    }
    s->memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     s->memory_fd, 0);
    if (s->memory == MAP_FAILED) {
        s->memory = NULL;
        return errno;
    }
    return 0;
}

/* Finds the port that 's' is to be of.  Returns NULL, or what is wrong. */
static const char *
find_port(struct nicd_captures *all, const struct session *s, uint32_t *id)
{
    const struct agl_nic *nic = all->nicd->nic;
    const struct session *other;

    LIST_FOR_EACH (other, node, &all->sessions) {
        if (other->port_id != AGILIO_PORT_NONE
            && !strcmp(other->port, s->port)) {
            return "somebody captures at this port already";
        }
    }
    for (size_t i = 0; i < AGILIO_MAX_PORTS; i++) {
        if (nic->ports[i].id != AGILIO_PORT_NONE
            && !strcmp(nic->ports[i].name, s->port)) {
            *id = nic->ports[i].id;
            return NULL;
        }
    }
    return "the NIC has no such port";
}

/* Does what a request asks.  Returns NULL, or why not. */
static const char *
begin(struct nicd_captures *all, struct session *s,
      const struct agilio_capture_request *request,
      struct agilio_capture_reply *reply)
{
    uint32_t directions = agilio_from_le32(request->directions);
    uint32_t snaplen = agilio_from_le32(request->snaplen);
    const struct agl_nic_ops *ops = &all->nicd->ops;
    uint32_t id = AGILIO_PORT_NONE;
    const char *problem;
    struct timespec now;

    memcpy(s->port, request->port, sizeof request->port);
    if (!directions
        || directions & ~(AGILIO_CAPTURE_IN | AGILIO_CAPTURE_OUT)) {
        return "no such direction";
    }
    problem = find_port(all, s, &id);
    if (problem) {
        return problem;
    }
    s->n_workers = all->nicd->nic->region->geometry.n_workers;
    if (make_memory(s)) {
        return "no memory";
    }
    s->captures = xcalloc(s->n_workers, sizeof *s->captures);
    for (uint32_t i = 0; i < s->n_workers; i++) {
        agl_capture_init(&s->captures[i], s->memory, i, N_GRANULES,
                         MIN(snaplen, AGILIO_MAX_FRAME), directions);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    reply->n_rings = agilio_to_le32(s->n_workers);
    reply->n_granules = agilio_to_le32(N_GRANULES);
    reply->clock_ofs = agilio_to_le64(now.tv_sec * UINT64_C(1000000000)
                                      + now.tv_nsec - ops->clock(ops->aux));
    s->port_id = id;
    tell_workers(all->nicd, s, true);
    VLOG_INFO("capture at port %s began", s->port);
    return NULL;
}

/* Reads what a client says, which is one request.  False if the session is to
 * end. */
static bool
listen_to(struct nicd_captures *all, struct session *s)
{
    struct agilio_capture_reply reply;
    struct agilio_capture_request request;
    const char *problem;
    ssize_t n;

    n = recv(s->fd, &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n != sizeof request || s->port_id != AGILIO_PORT_NONE
        || agilio_from_le32(request.magic) != AGILIO_CAPTURE_MAGIC) {
        return false;           /* Gone, or does not speak this protocol. */
    }
    memset(&reply, 0, sizeof reply);
    problem = begin(all, s, &request, &reply);
    if (problem) {
        ovs_strzcpy(reply.reason, problem, sizeof reply.reason);
    }
    return !answer(s, &reply) && !problem;
}

static void
accept_one(struct nicd_captures *all, int fd)
{
    struct session *s;

    if (all->n_sessions >= MAX_SESSIONS || set_nonblocking(fd)) {
        close(fd);
        return;
    }
    s = xzalloc(sizeof *s);
    s->fd = fd;
    s->port_id = AGILIO_PORT_NONE;
    s->memory_fd = -1;
    ovs_list_push_back(&all->sessions, &s->node);
    all->n_sessions++;
}

/* ## --------- ##
 * ## Interface ##
 * ## --------- ## */

struct nicd_captures *
nicd_captures_create(struct agl_nicd *nicd, const char *socket)
{
    struct nicd_captures *all = xzalloc(sizeof *all);

    all->nicd = nicd;
    all->path = xasprintf("%s%s", socket, AGILIO_CAPTURE_SUFFIX);
    ovs_list_init(&all->sessions);
    all->listen_fd = make_unix_socket(SOCK_SEQPACKET, true, all->path, NULL);
    if (all->listen_fd < 0) {
        ovs_fatal(-all->listen_fd, "%s: cannot create the socket", all->path);
    }
    if (listen(all->listen_fd, 8)) {
        ovs_fatal(errno, "%s: cannot listen", all->path);
    }
    return all;
}

void
nicd_captures_run(struct nicd_captures *all)
{
    struct session *s;
    int fd;

    while ((fd = accept(all->listen_fd, NULL, NULL)) >= 0) {
        accept_one(all, fd);
    }
    LIST_FOR_EACH_SAFE (s, node, &all->sessions) {
        if (!listen_to(all, s)) {
            end(all, s);
        }
    }
}

void
nicd_captures_wait(struct nicd_captures *all)
{
    const struct session *s;

    poll_fd_wait(all->listen_fd, POLLIN);
    LIST_FOR_EACH (s, node, &all->sessions) {
        poll_fd_wait(s->fd, POLLIN);
    }
}

void
nicd_captures_end_port(struct nicd_captures *all, const char *port)
{
    struct session *s;

    LIST_FOR_EACH_SAFE (s, node, &all->sessions) {
        if (s->port_id != AGILIO_PORT_NONE && !strcmp(s->port, port)) {
            end(all, s);
        }
    }
}

void
nicd_captures_destroy(struct nicd_captures *all)
{
    struct session *s;

    LIST_FOR_EACH_SAFE (s, node, &all->sessions) {
        end(all, s);
    }
    close(all->listen_fd);
    fatal_signal_unlink_file_now(all->path);
    free(all->path);
    free(all);
}
