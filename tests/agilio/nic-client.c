/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic-client.c - a small host for tests; nic-client.h has the overview.
 *
 * From the socket up: waiting, the handshake, the region, messages, packets,
 * statistics.
 */

#define _GNU_SOURCE 1

#include "nic-client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int
fail(struct nic_client *c, int err, const char *what)
{
    snprintf(c->reason, sizeof c->reason, "%s (%s)", what, strerror(err));
    return err;
}

static int64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Gives the NIC a turn and waits until 'fd' is readable or the NIC has closed
 * the connection; for a millisecond only if there is a pump.  False once the
 * deadline has passed. */
static bool
pause_for(struct nic_client *c, int fd, int64_t deadline)
{
    struct pollfd pfds[] = {
        { .fd = fd, .events = POLLIN },
        { .fd = c->sock, .events = POLLRDHUP },
    };
    int64_t left = deadline - now_ms();

    if (left <= 0) {
        return false;
    }
    if (c->pump) {
        c->pump(c->aux);
        left = 1;
    }
    return poll(pfds, 2, (int) left) >= 0 || errno == EINTR;
}

static bool
hung_up(const struct nic_client *c)
{
    struct pollfd pfd = { .fd = c->sock, .events = POLLRDHUP };

    return poll(&pfd, 1, 0) != 0;
}

/* ## ---------- ##
 * ## Attaching. ##
 * ## ---------- ## */

static void
forget(struct nic_client *c)
{
    c->sock = c->region_fd = -1;
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        c->nic_fds[v] = c->host_fds[v] = -1;
    }
    c->base = NULL;
    c->region = NULL;
    memset(&c->request, 0, sizeof c->request);
    memset(&c->reply, 0, sizeof c->reply);
    memset(c->qps, 0, sizeof c->qps);
}

void
nic_client_init(struct nic_client *c, void (*pump)(void *), void *aux)
{
    memset(c, 0, sizeof *c);
    c->pump = pump;
    c->aux = aux;
    c->timeout_ms = 2000;
    forget(c);
}

static void
close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void
nic_client_close(struct nic_client *c)
{
    if (c->base) {
        munmap(c->base, c->size);
    }
    close_fd(c->sock);
    close_fd(c->region_fd);
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        close_fd(c->nic_fds[v]);
        close_fd(c->host_fds[v]);
    }
    forget(c);
}

int
nic_client_dial(struct nic_client *c, const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof sun.sun_path) {
        return fail(c, ENAMETOOLONG, path);
    }
    strcpy(sun.sun_path, path);
    c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->sock < 0
        || connect(c->sock, (const struct sockaddr *) &sun, sizeof sun)) {
        int err = errno;

        nic_client_close(c);
        return fail(c, err, path);
    }
    return 0;
}

int
nic_client_read_word(struct nic_client *c, int64_t *word, int *fd)
{
    int64_t deadline = now_ms() + c->timeout_ms;
    union {
        char bytes[CMSG_SPACE(sizeof *fd)];
        struct cmsghdr align;
    } control;
    agilio_le64 wire;
    struct iovec iov = { .iov_base = &wire, .iov_len = sizeof wire };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *cmsg;
    ssize_t n;

    do {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        n = recvmsg(c->sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EAGAIN && pause_for(c, c->sock, deadline));
    if (n != sizeof wire) {
        return fail(c, n > 0 ? EPROTO : n == 0 ? ECONNRESET
                       : errno == EAGAIN ? ETIMEDOUT : errno,
                    "no handshake from the NIC");
    }
    *word = (int64_t) agilio_from_le64(wire);
    *fd = -1;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
        memcpy(fd, CMSG_DATA(cmsg), sizeof *fd);
    }
    return 0;
}

/* Reads one word that must be 'expected'; it must bring a descriptor along,
 * which goes to '*fd', unless 'fd' is NULL. */
static int
expect_word(struct nic_client *c, int64_t expected, int *fd)
{
    int64_t word;
    int got;
    int err = nic_client_read_word(c, &word, &got);

    if (err) {
        return err;
    }
    if (word != expected || (got >= 0) != (fd != NULL)) {
        close_fd(got);
        return fail(c, EPROTO, "unexpected word in the NIC's handshake");
    }
    if (fd) {
        *fd = got;
    }
    return 0;
}

static int
receive_handshake(struct nic_client *c)
{
    int err = expect_word(c, 0, NULL);

    if (!err) {
        err = expect_word(c, AGILIO_PEER_HOST, NULL);
    }
    if (!err) {
        err = expect_word(c, -1, &c->region_fd);
    }
    for (int v = 0; v < AGILIO_N_VECTORS && !err; v++) {
        err = expect_word(c, AGILIO_PEER_NIC, &c->nic_fds[v]);
    }
    for (int v = 0; v < AGILIO_N_VECTORS && !err; v++) {
        err = expect_word(c, AGILIO_PEER_HOST, &c->host_fds[v]);
    }
    return err;
}

/* What is at an offset in the region. */
static void *
at(const struct nic_client *c, agilio_le64 ofs)
{
    return c->base + agilio_from_le64(ofs);
}

typedef void ring_init(struct agilio_ring_end *, struct agilio_ring *,
                       void *body, uint32_t n);

static void
open_ring(struct nic_client *c, struct agilio_ring_end *end,
          const struct agilio_ring_place *place, ring_init *init)
{
    init(end, at(c, place->ring_ofs), at(c, place->body_ofs),
         agilio_from_le32(place->n_granules));
}

static int
map_region(struct nic_client *c)
{
    const struct agilio_qp *qps;
    struct stat st;
    void *base;

    if (fstat(c->region_fd, &st)) {
        return fail(c, errno, "no size of the region");
    }
    base = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                c->region_fd, 0);
    if (base == MAP_FAILED) {
        return fail(c, errno, "cannot map the region");
    }
    c->base = base;
    c->size = (uint64_t) st.st_size;
    c->region = base;
    if (agilio_from_le64(c->region->magic) != AGILIO_MAGIC
        || agilio_from_le64(c->region->region_size) != c->size) {
        return fail(c, EPROTO, "this is not an Agilio region");
    }

    open_ring(c, &c->request, &c->region->control[0],
              agilio_ring_init_producer);
    open_ring(c, &c->reply, &c->region->control[1],
              agilio_ring_init_consumer);
    qps = at(c, c->region->qps_ofs);
    for (uint32_t i = 0; i < agilio_from_le32(c->region->n_qps); i++) {
        uint32_t slot = agilio_from_le32(qps[i].port_slot);

        if (slot >= AGILIO_MAX_PORTS) {
            return fail(c, EPROTO, "queue pair of a slot that cannot be");
        }
        open_ring(c, &c->qps[slot].from_nic, &qps[i].to_host,
                  agilio_ring_init_consumer);
        open_ring(c, &c->qps[slot].to_nic, &qps[i].from_host,
                  agilio_ring_init_producer);
    }
    return 0;
}

int
nic_client_connect(struct nic_client *c, const char *path)
{
    int err = nic_client_dial(c, path);

    if (!err) {
        err = receive_handshake(c);
    }
    if (!err) {
        err = map_region(c);
    }
    if (err) {
        nic_client_close(c);
    }
    return err;
}

/* ## --------- ##
 * ## Messages. ##
 * ## --------- ## */

/* Waits until ring end 'end', whose doorbell is 'vector', has a record. */
static int
wait_ready(struct nic_client *c, struct agilio_ring_end *end,
           enum agilio_vector vector)
{
    int64_t deadline = now_ms() + c->timeout_ms;
    eventfd_t count;

    while (!agilio_ring_ready(end)) {
        if (end->broken) {
            return fail(c, EPROTO, "the NIC's cursor makes no sense");
        }
        if (agilio_ring_sleep(end)) {
            if (!pause_for(c, c->host_fds[vector], deadline)) {
                return fail(c, ETIMEDOUT, "the NIC is silent");
            }
            if (!agilio_ring_ready(end) && hung_up(c)) {
                return fail(c, ENODEV, "the NIC has closed the connection");
            }
        }
        /* Fails if it was not rung, which is fine. */
        eventfd_read(c->host_fds[vector], &count);
        agilio_ring_awake(end);
    }
    return 0;
}

int
nic_client_send_raw(struct nic_client *c, const void *msg, uint32_t len)
{
    int retval;

    if (!c->region) {
        return fail(c, ENOTCONN, "not attached to a NIC");
    }
    retval = agilio_msg_send(&c->request, msg, len);
    if (retval < 0) {
        return fail(c, ENOBUFS, "the request ring is full");
    }
    if (retval && eventfd_write(c->nic_fds[AGILIO_VECTOR_CONTROL], 1)) {
        return fail(c, errno, "cannot ring the doorbell");
    }
    return 0;
}

int
nic_client_send(struct nic_client *c, enum agilio_msg_type type,
                const void *body, size_t len)
{
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_writer w;

    agilio_msg_start(&w, buf, sizeof buf, type, 0, ++c->last_id, c->session);
    if (len) {
        agilio_put_bytes(&w, body, len);
    }
    return nic_client_send_raw(c, buf, agilio_msg_end(&w, buf));
}

int
nic_client_receive(struct nic_client *c, struct agilio_msg *msg,
                   struct agilio_reader *body)
{
    int err = c->region ? wait_ready(c, &c->reply, AGILIO_VECTOR_CONTROL)
              : fail(c, ENOTCONN, "not attached to a NIC");

    if (err) {
        return err;
    }
    return agilio_msg_receive(&c->reply, c->in, msg, body)
           ? 0 : fail(c, EPROTO, "a message from the NIC of bad length");
}

int
nic_client_call(struct nic_client *c, enum agilio_msg_type type,
                const void *body, size_t len, struct agilio_reader *reply)
{
    struct agilio_reader r;
    struct agilio_msg msg;
    uint16_t flags;
    int err = nic_client_send(c, type, body, len);

    while (!err) {
        err = nic_client_receive(c, &msg, &r);
        if (!err && agilio_from_le32(msg.id) == c->last_id
            && agilio_from_le16(msg.type) == type) {
            break;
        }
        c->n_events++;
    }
    if (err) {
        return err;
    }
    flags = agilio_from_le16(msg.flags);
    if (flags & AGILIO_MSG_F_ERROR) {
        err = (int) agilio_get_u32(&r);
        snprintf(c->reason, sizeof c->reason, "%.*s",
                 (int) (r.end - r.p), (const char *) r.p);
        return err ? err : EPROTO;
    }
    if (!(flags & AGILIO_MSG_F_REPLY)) {
        return fail(c, EPROTO, "an answer that is no reply");
    }
    if (reply) {
        *reply = r;
    }
    return 0;
}

int
nic_client_hello(struct nic_client *c, uint64_t epoch, uint32_t *n_flows)
{
    struct agilio_writer w;
    struct agilio_reader r;
    uint8_t body[24];
    int err;

    w = (struct agilio_writer) { .p = body, .end = body + sizeof body };
    agilio_put_u16(&w, AGILIO_ABI_MIN);
    agilio_put_u16(&w, AGILIO_ABI_MAX);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, epoch);

    c->session = (uint32_t) epoch;
    if (c->region) {
        agilio_store_relaxed(&c->region->host_epoch, agilio_to_le64(epoch));
    }
    err = nic_client_call(c, AGILIO_MSG_HELLO, body, sizeof body, &r);
    if (!err) {
        agilio_get_u32(&r);
        *n_flows = agilio_get_u32(&r);
        agilio_get_u64(&r);
        err = r.bad ? fail(c, EPROTO, "HELLO's reply is too short") : 0;
    }
    return err;
}

int
nic_client_flow_put(struct nic_client *c, uint32_t id,
                    const struct agilio_key *key,
                    const struct agilio_key *mask,
                    const void *program, size_t len)
{
    uint64_t k[AGILIO_KEY_WORDS], m[AGILIO_KEY_WORDS];
    uint8_t body[AGILIO_MAX_MSG];
    struct agilio_writer w = { .p = body, .end = body + sizeof body };
    uint32_t n = 0;
    uint64_t map = 0;

    memcpy(k, key, sizeof k);
    memcpy(m, mask, sizeof m);
    for (uint32_t i = 0; i < AGILIO_KEY_WORDS; i++) {
        if (m[i]) {
            map |= UINT64_C(1) << i;
            k[n] = k[i];
            m[n++] = m[i];
        }
    }
    agilio_put_u32(&w, id);
    agilio_put_u16(&w, (uint16_t) n);
    agilio_put_u16(&w, (uint16_t) len);
    agilio_put_u64(&w, map);
    agilio_put_bytes(&w, k, n * sizeof k[0]);
    agilio_put_bytes(&w, m, n * sizeof m[0]);
    if (len) {
        agilio_put_bytes(&w, program, len);
    }
    return w.bad ? fail(c, EMSGSIZE, "the program is too long")
           : nic_client_call(c, AGILIO_MSG_FLOW_PUT, body,
                             (size_t) (w.p - body), NULL);
}

int
nic_client_flow_del(struct nic_client *c, uint32_t id)
{
    agilio_le32 wire = agilio_to_le32(id);

    return nic_client_call(c, AGILIO_MSG_FLOW_DEL, &wire, sizeof wire, NULL);
}

int
nic_client_port_set(struct nic_client *c, uint32_t port_id, uint32_t what,
                    uint32_t flags, uint32_t mtu, const uint8_t mac[6])
{
    static const uint8_t zero[6];
    uint8_t body[22];
    struct agilio_writer w = { .p = body, .end = body + sizeof body };

    agilio_put_u32(&w, port_id);
    agilio_put_u32(&w, what);
    agilio_put_u32(&w, flags);
    agilio_put_u32(&w, mtu);
    agilio_put_bytes(&w, mac ? mac : zero, 6);
    return nic_client_call(c, AGILIO_MSG_PORT_SET, body, sizeof body, NULL);
}

/* ## -------- ##
 * ## Packets. ##
 * ## -------- ## */

static struct nic_client_qp *
qp_of(struct nic_client *c, uint32_t port_id)
{
    uint32_t slot = agilio_port_slot(port_id);

    return slot < AGILIO_MAX_PORTS && c->qps[slot].to_nic.ring
           ? &c->qps[slot] : NULL;
}

int
nic_client_tx(struct nic_client *c, uint32_t port_id,
              const void *frame, uint32_t len)
{
    struct nic_client_qp *qp = qp_of(c, port_id);
    struct agilio_desc desc = {
        .len = agilio_to_le32((uint32_t) sizeof desc + len),
        .port = agilio_to_le32(port_id),
    };
    uint32_t n = agilio_ring_granules((uint32_t) sizeof desc + len);

    if (!qp) {
        return fail(c, ENOENT, "the port has no queue pair");
    }
    if (agilio_ring_free(&qp->to_nic) < n) {
        return fail(c, ENOBUFS, "the packet ring is full");
    }
    agilio_ring_write(&qp->to_nic, 0, &desc, sizeof desc);
    agilio_ring_write(&qp->to_nic, sizeof desc, frame, len);
    if (agilio_ring_produce(&qp->to_nic, n)
        && eventfd_write(c->nic_fds[AGILIO_VECTOR_PACKETS], 1)) {
        return fail(c, errno, "cannot ring the doorbell");
    }
    return 0;
}

bool
nic_client_has_rx(struct nic_client *c, uint32_t port_id)
{
    struct nic_client_qp *qp = qp_of(c, port_id);

    return qp && (agilio_ring_ready(&qp->from_nic) || qp->from_nic.broken);
}

int
nic_client_rx(struct nic_client *c, uint32_t port_id,
              struct nic_client_packet *p)
{
    struct nic_client_qp *qp = qp_of(c, port_id);
    uint32_t len, meta_len;
    int err;

    if (!qp) {
        return fail(c, ENOENT, "the port has no queue pair");
    }
    err = wait_ready(c, &qp->from_nic, AGILIO_VECTOR_PACKETS);
    if (err) {
        return err;
    }
    len = agilio_ring_peek(&qp->from_nic, sizeof p->desc, AGILIO_MAX_RECORD);
    if (!len) {
        return fail(c, EPROTO, "a packet record of bad length");
    }
    agilio_ring_read(&qp->from_nic, 0, &p->desc, sizeof p->desc);
    meta_len = agilio_from_le16(p->desc.meta_len);
    if (meta_len > sizeof p->meta
        || meta_len > len - sizeof p->desc
        || len - sizeof p->desc - meta_len > sizeof p->frame) {
        return fail(c, EPROTO, "a packet record that contradicts itself");
    }
    p->frame_len = len - (uint32_t) sizeof p->desc - meta_len;
    agilio_ring_read(&qp->from_nic, sizeof p->desc, p->meta, meta_len);
    agilio_ring_read(&qp->from_nic, (uint32_t) sizeof p->desc + meta_len,
                     p->frame, p->frame_len);
    agilio_ring_consume(&qp->from_nic, agilio_ring_granules(len));
    return 0;
}

/* ## ---------------------- ##
 * ## What the region says.  ##
 * ## ---------------------- ## */

uint32_t
nic_client_port(const struct nic_client *c, const char *name,
                struct agilio_port *port)
{
    const struct agilio_port *ports = at(c, c->region->ports_ofs);

    for (uint32_t i = 0; i < agilio_from_le32(c->region->n_ports); i++) {
        struct agilio_port copy = ports[i];

        if (agilio_from_le32(copy.id) != AGILIO_PORT_NONE
            && !strncmp(copy.name, name, sizeof copy.name)) {
            if (port) {
                *port = copy;
            }
            return agilio_from_le32(copy.id);
        }
    }
    return AGILIO_PORT_NONE;
}

uint64_t
nic_client_counter(const struct nic_client *c, enum agilio_counter counter)
{
    const agilio_le64 *row = at(c, c->region->counters_ofs);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < agilio_from_le32(c->region->n_workers); i++) {
        sum += agilio_from_le64(agilio_load_relaxed(&row[counter]));
        row += agilio_from_le32(c->region->n_counters);
    }
    return sum;
}

void
nic_client_flow_stats(const struct nic_client *c, uint32_t flow_id,
                      struct nic_client_flow_stats *sum)
{
    const struct agilio_flow_stats *row = at(c, c->region->flows_ofs);

    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < agilio_from_le32(c->region->n_workers); i++) {
        const struct agilio_flow_stats *fs = &row[flow_id];
        uint64_t used = agilio_from_le64(agilio_load_relaxed(&fs->used));

        sum->packets += agilio_from_le64(agilio_load_relaxed(&fs->packets));
        sum->bytes += agilio_from_le64(agilio_load_relaxed(&fs->bytes));
        sum->used = used > sum->used ? used : sum->used;
        sum->tcp_flags
            |= agilio_from_le16(agilio_load_relaxed(&fs->tcp_flags));
        row += agilio_from_le32(c->region->max_flows);
    }
}
