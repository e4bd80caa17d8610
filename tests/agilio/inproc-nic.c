/* SPDX-License-Identifier: Apache-2.0 */
/* inproc-nic.c - see inproc-nic.h. */

#include "inproc-nic.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define EPOCH 42
#define REQUEST_ID 7

const struct agl_geometry inproc_geometry = {
    .type = AGILIO_FUNCTION_PF,
    .n_ports = 8,
    .n_qps = 8,
    .max_flows = 64,
    .max_masks = 4,
    .max_meters = 4,
    .max_bonds = 4,
    .n_workers = 1,
    .control_granules = 256,
    .packet_granules = 32,
};

static void
must(bool ok, const char *what)
{
    if (!ok) {
        printf("inproc-nic: %s\n", what);
        abort();
    }
}

/* ## ------- ##
 * ## Devices ##
 * ## ------- ## */

static uint32_t
dev_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
       uint32_t max)
{
    struct inproc_dev *d = (struct inproc_dev *) dev;
    uint32_t i;

    for (i = 0; i < max && d->n_rx; i++, d->n_rx--) {
        uint32_t len = d->rx_len[d->rx_next];

        pkts[i] = agl_pkt_new(pool);
        if (!pkts[i]) {
            break;
        }
        memcpy(pkts[i]->data, d->rx[d->rx_next], len);
        pkts[i]->len = len;
        d->rx_next = (d->rx_next + 1) % INPROC_QUEUE;
    }
    return i;
}

static uint32_t
dev_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct inproc_dev *d = (struct inproc_dev *) dev;
    uint32_t i;

    for (i = 0; i < n && d->room; i++, d->room--) {
        if (d->refuse) {
            pkts[i]->len = 0;
            continue;
        }
        must(pkts[i]->len <= AGILIO_MAX_FRAME, "a frame is too long");
        if (d->n_tx < INPROC_QUEUE) {
            memcpy(d->tx[d->n_tx], pkts[i]->data, pkts[i]->len);
            d->tx_len[d->n_tx] = pkts[i]->len;
        }
        d->n_tx++;
    }
    return i;
}

static struct agl_dev *
dev_queue(struct agl_dev *dev, uint32_t i)
{
    struct inproc_dev *d = (struct inproc_dev *) dev;

    while (d && i--) {
        d = d->next;
    }
    return d ? &d->up : NULL;
}

static int
dev_fd(const struct agl_dev *dev)
{
    (void) dev;
    return -1;
}

static void
dev_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    *status = ((struct inproc_dev *) dev)->status;
}

static int
dev_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    ((struct inproc_dev *) dev)->status.mtu = mtu;
    return 0;
}

static const struct agl_dev_class dev_class = {
    .type = "inproc",
    .queue = dev_queue,
    .rx = dev_rx,
    .tx = dev_tx,
    .fd = dev_fd,
    .status = dev_status,
    .set_mtu = dev_set_mtu,
};

/* Received as unfinished: what it points to is nobody's business but ours. */
static uint32_t
whole_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
         uint32_t max)
{
    uint32_t n = dev_rx(dev, pool, pkts, max);

    for (uint32_t i = 0; i < n; i++) {
        pkts[i]->vnet = (const void *) dev;
        pkts[i]->wire_len = pkts[i]->len / 2;
    }
    return n;
}

/* Two halves: both the first one. */
static bool
whole_finish(const struct agl_pkt *whole, struct agl_pool *pool,
             void (*emit)(void *aux, struct agl_pkt *), void *aux)
{
    for (int i = 0; i < 2; i++) {
        struct agl_pkt *pkt = agl_pkt_new(pool);

        if (!pkt) {
            return false;
        }
        pkt->len = whole->wire_len;
        memcpy(pkt->data, whole->data, pkt->len);
        emit(aux, pkt);
    }
    return true;
}

const struct agl_dev_class inproc_whole_class = {
    .type = "inproc-whole",
    .rx = whole_rx,
    .tx = dev_tx,
    .takes_unfinished = true,
    .finish = whole_finish,
    .fd = dev_fd,
    .status = dev_status,
    .set_mtu = dev_set_mtu,
};

/* ## ----------- ##
 * ## Surrounding ##
 * ## ----------- ## */

static uint64_t
ops_clock(void *n)
{
    return ((struct inproc *) n)->clock;
}

static void
ops_kick_host(void *n, enum agilio_vector vector)
{
    ((struct inproc *) n)->n_kicks[vector]++;
}

static void
ops_kick_worker(void *n, struct agl_worker *w)
{
    (void) w;
    ((struct inproc *) n)->n_wakes++;
}

static void
ops_kick_control(void *n)
{
    (void) n;
}

static void
ops_wait_worker(void *n, struct agl_worker *w)
{
    if (((struct inproc *) n)->threads) {
        sched_yield();
    } else {
        agl_worker_round(w);
    }
}

/* ## --- ##
 * ## NIC ##
 * ## --- ## */

static void
port_name(char name[3], uint32_t dev)
{
    name[0] = 'p';
    name[1] = (char) ('0' + dev);
    name[2] = '\0';
}

static void
init_dev(struct inproc_dev *d, struct inproc_dev *next)
{
    d->up = (struct agl_dev) { .class = &dev_class };
    d->next = next;
    d->status = (struct agl_dev_status) { .link_up = true, .mtu = 1500 };
    d->room = INPROC_QUEUE;
    d->refuse = false;
    d->rx_next = d->n_rx = d->n_tx = 0;
}

void
inproc_add_port(struct inproc *n, uint32_t dev)
{
    char name[3];

    port_name(name, dev);
    must(!agl_nic_port_add(n->nic, name, &n->devs[dev].up, &n->ids[dev]),
         "a port cannot be added");
}

void
inproc_start(struct inproc *n, const struct agl_geometry *geometry,
             uint32_t n_packets, uint32_t n_tracker, uint32_t n_devs)
{
    void *base = agl_env_alloc(agl_region_size(geometry));

    must(base, "no memory for the region");
    n->ops = (struct agl_nic_ops) {
        .clock = ops_clock,
        .kick_host = ops_kick_host,
        .kick_worker = ops_kick_worker,
        .kick_control = ops_kick_control,
        .wait_worker = ops_wait_worker,
        .aux = n,
    };
    n->clock = 1000;
    n->session = 0;
    n->n_devs = n_devs;
    n->n_wakes = 0;
    n->threads = false;
    memset(n->n_kicks, 0, sizeof n->n_kicks);
    agl_region_init(&n->region, geometry, base, n->qps, 1);
    must(!agl_nic_create(&n->nic, &n->ops, &n->region, n_packets, n_tracker),
         "the NIC cannot be made");
    for (uint32_t i = 0; i < n_devs; i++) {
        init_dev(&n->devs[i], n->queues ? &n->second[i] : NULL);
        init_dev(&n->second[i], NULL);
        inproc_add_port(n, i);
    }
}

/* A round of each worker. */
static void
go_round(struct inproc *n)
{
    for (uint32_t i = 0; i < n->nic->team.n; i++) {
        ops_wait_worker(n, n->nic->team.workers[i]);
    }
}

void
inproc_stop(struct inproc *n)
{
    for (uint32_t i = 0; i < n->n_devs; i++) {
        char name[3];

        port_name(name, i);
        agl_nic_port_del(n->nic, name);
    }
    go_round(n);                /* What one has, */
    go_round(n);                /* the other gets back. */
    for (uint32_t i = 0; i < n->nic->team.n; i++) {
        const struct agl_pool *pool = &n->nic->team.workers[i]->pool;

        must(pool->n_free == pool->n, "a packet's buffer is lost");
        must(!pool->n_reserved, "buffers are still reserved");
    }
    agl_nic_destroy(n->nic);
    agl_env_free(n->region.base);
}

void
inproc_settle(struct inproc *n)
{
    for (int i = 0; i < 4; i++) {
        agl_control_run(n->nic);
        go_round(n);
    }
    agl_control_run(n->nic);
}

bool
inproc_inject(struct inproc *n, uint32_t dev, const void *frame, uint32_t len)
{
    return inproc_inject_queue(&n->devs[dev], frame, len);
}

bool
inproc_inject_queue(struct inproc_dev *d, const void *frame, uint32_t len)
{
    uint32_t i = (d->rx_next + d->n_rx) % INPROC_QUEUE;

    if (d->n_rx == INPROC_QUEUE || len > AGILIO_MAX_FRAME) {
        return false;
    }
    memcpy(d->rx[i], frame, len);
    d->rx_len[i] = len;
    d->n_rx++;
    return true;
}

void
inproc_clear_tx(struct inproc *n)
{
    for (uint32_t i = 0; i < n->n_devs; i++) {
        n->devs[i].n_tx = n->second[i].n_tx = 0;
        n->devs[i].room = n->second[i].room = INPROC_QUEUE;
    }
}

uint64_t
inproc_counter(const struct inproc *n, enum agilio_counter c)
{
    return agl_region_counter(&n->region, c);
}

/* ## ---- ##
 * ## Host ##
 * ## ---- ## */

static void
open_ring(struct inproc *n, const struct agilio_ring_place *place,
          bool producer, struct agilio_ring_end *end)
{
    uint8_t *base = n->region.base;
    void *ring = base + agilio_from_le64(place->ring_ofs);
    void *body = base + agilio_from_le64(place->body_ofs);
    uint32_t n_granules = agilio_from_le32(place->n_granules);

    if (producer) {
        agilio_ring_init_producer(end, ring, body, n_granules);
    } else {
        agilio_ring_init_consumer(end, ring, body, n_granules);
    }
}

void
inproc_attach(struct inproc *n)
{
    const struct agilio_region *h = n->region.header;
    const struct agilio_qp *qps = (const void *)
        (n->region.base + agilio_from_le64(h->qps_ofs));

    agl_nic_host_attached(n->nic);
    open_ring(n, &h->control[0], true, &n->request);
    open_ring(n, &h->control[1], false, &n->reply);
    for (uint32_t i = 0; i < n->n_devs; i++) {
        const struct agilio_qp *qp = &qps[agilio_port_slot(n->ids[i])];

        open_ring(n, &qp->to_host, false, &n->from_nic[i]);
        open_ring(n, &qp->from_host, true, &n->to_nic[i]);
    }
}

int
inproc_hello(struct inproc *n, uint16_t abi_min, uint16_t abi_max,
             uint8_t answer[16])
{
    uint8_t body[24], out[AGILIO_MAX_MSG];
    struct agilio_writer w = { body, body + sizeof body, false };
    int error;

    agilio_put_u16(&w, abi_min);
    agilio_put_u16(&w, abi_max);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, EPOCH);
    n->session = EPOCH;
    error = inproc_ask(n, AGILIO_MSG_HELLO, body, sizeof body, out);
    if (!error && answer) {
        memcpy(answer, out, 16);
    }
    return error;
}

bool
inproc_tell(struct inproc *n, enum agilio_msg_type type, const void *body,
            size_t len)
{
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_writer w;

    agilio_msg_start(&w, buf, sizeof buf, type, 0, REQUEST_ID, n->session);
    if (len) {
        agilio_put_bytes(&w, body, len);
    }
    return agilio_msg_send(&n->request, buf, agilio_msg_end(&w, buf)) >= 0;
}

/* The error that a reply tells; -1 if it is malformed. */
static int
reply_error(const struct agilio_msg *msg, struct agilio_reader *r)
{
    uint16_t flags = agilio_from_le16(msg->flags);
    int error;

    if (!(flags & AGILIO_MSG_F_REPLY)
        || agilio_from_le32(msg->id) != REQUEST_ID) {
        return -1;
    }
    if (!(flags & AGILIO_MSG_F_ERROR)) {
        return 0;
    }
    error = (int) agilio_get_u32(r);
    return error > 0 && r->end > r->p ? error : -1;     /* With a reason. */
}

/* Takes messages off the ring until the reply to our request: its error, -1 if
 * it is not there. */
static int
take_reply(struct inproc *n, void *out)
{
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_reader r;
    struct agilio_msg msg;

    while (agilio_msg_receive(&n->reply, buf, &msg, &r)) {
        if (!(agilio_from_le16(msg.flags) & AGILIO_MSG_F_EVENT)) {
            int error = reply_error(&msg, &r);

            if (!error && out) {
                memcpy(out, r.p, r.end - r.p);
            }
            return error;
        }
    }
    return -1;
}

int
inproc_ask(struct inproc *n, enum agilio_msg_type type, const void *body,
           size_t len, void *out)
{
    int error;

    must(inproc_tell(n, type, body, len), "a request finds no room");
    do {
        inproc_settle(n);
        error = take_reply(n, out);
    } while (error < 0 && n->threads);
    return error;
}

size_t
inproc_flow_body(uint8_t *body, uint32_t id, const struct agilio_key *key,
                 const struct agilio_key *mask, const void *program,
                 size_t len)
{
    uint64_t words[2][AGILIO_KEY_WORDS], map = 0;
    struct agilio_writer w = { body, body + AGILIO_MAX_MSG, false };
    uint16_t n_words = 0;

    memcpy(words[0], key, sizeof words[0]);
    memcpy(words[1], mask, sizeof words[1]);
    for (int i = 0; i < AGILIO_KEY_WORDS; i++) {
        map |= (uint64_t) (words[1][i] != 0) << i;
        n_words += words[1][i] != 0;
    }
    agilio_put_u32(&w, id);
    agilio_put_u16(&w, n_words);
    agilio_put_u16(&w, (uint16_t) len);
    agilio_put_u64(&w, map);
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < AGILIO_KEY_WORDS; i++) {
            if (map >> i & 1) {
                agilio_put_bytes(&w, &words[half][i], sizeof words[half][i]);
            }
        }
    }
    if (len) {
        agilio_put_bytes(&w, program, len);
    }
    must(!w.bad, "a FLOW_PUT is too long");
    return (size_t) (w.p - body);
}

int
inproc_put_flow(struct inproc *n, uint32_t id, const struct agilio_key *key,
                const struct agilio_key *mask, const void *program, size_t len)
{
    uint8_t body[AGILIO_MAX_MSG];
    size_t body_len = inproc_flow_body(body, id, key, mask, program, len);

    return inproc_ask(n, AGILIO_MSG_FLOW_PUT, body, body_len, NULL);
}

int
inproc_del_flow(struct inproc *n, uint32_t id)
{
    agilio_le32 body = agilio_to_le32(id);

    return inproc_ask(n, AGILIO_MSG_FLOW_DEL, &body, sizeof body, NULL);
}

uint32_t
inproc_take(struct inproc *n, uint32_t dev, void *record)
{
    struct agilio_ring_end *ring = &n->from_nic[dev];
    uint32_t len = agilio_ring_peek(ring, sizeof(struct agilio_desc),
                                    AGILIO_MAX_RECORD);

    if (len) {
        agilio_ring_read(ring, 0, record, len);
        agilio_ring_consume(ring, agilio_ring_granules(len));
    }
    return len;
}

bool
inproc_send(struct inproc *n, uint32_t dev, uint32_t port, uint16_t flags,
            const void *frame, uint32_t len)
{
    struct agilio_ring_end *ring = &n->to_nic[dev];
    const struct agilio_desc desc = {
        .len = agilio_to_le32(sizeof desc + len),
        .flags = agilio_to_le16(flags),
        .port = agilio_to_le32(port),
    };
    uint32_t n_granules = agilio_ring_granules(sizeof desc + len);

    if (agilio_ring_free(ring) < n_granules) {
        return false;
    }
    agilio_ring_write(ring, 0, &desc, sizeof desc);
    if (len) {
        agilio_ring_write(ring, sizeof desc, frame, len);
    }
    agilio_ring_produce(ring, n_granules);
    return true;
}
