/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-nic.c - the whole NIC in one thread: frames in, frames out.
 *
 * The devices are arrays, the region is memory, the host is this test, which
 * talks to the NIC through the region's rings and nothing else.  Each row of
 * AGILIO_COUNTERS that is a drop or a fallback has its test here.
 */

#include "nic.h"

#include "check.h"

#define IN 0
#define OUT 1
#define N_DEVS 3

/* A device that the test fills and empties. */
struct mem_dev {
    struct agl_dev up;
    struct agl_dev_status status;
    uint8_t rx[64][2048];
    uint32_t rx_len[64];
    uint32_t n_rx;
    uint8_t tx[64][2048];
    uint32_t tx_len[64];
    uint32_t n_tx;
    uint32_t room;              /* Frames that tx still takes. */
    bool refuse;                /* It refuses frames for good. */
};

static struct mem_dev devs[N_DEVS];
static struct agl_region region;
static struct agl_qp qps[AGILIO_MAX_PORTS];
static struct agl_nic *nic;
static uint32_t ids[N_DEVS];
static uint64_t fake_clock;

static struct agilio_ring_end request, reply;
static struct agilio_ring_end from_nic[N_DEVS], to_nic[N_DEVS];
static uint32_t n_kicks[AGILIO_N_VECTORS];
static uint32_t session;

/* ## ------- ##
 * ## Devices ##
 * ## ------- ## */

static uint32_t
mem_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
       uint32_t max)
{
    struct mem_dev *d = (struct mem_dev *) dev;
    uint32_t i;

    for (i = 0; i < d->n_rx && i < max; i++) {
        pkts[i] = agl_pkt_new(pool);
        if (!pkts[i]) {
            break;
        }
        memcpy(pkts[i]->data, d->rx[i], d->rx_len[i]);
        pkts[i]->len = d->rx_len[i];
    }
    d->n_rx = 0;
    return i;
}

static uint32_t
mem_tx(struct agl_dev *dev, struct agl_pkt *const pkts[], uint32_t n)
{
    struct mem_dev *d = (struct mem_dev *) dev;
    uint32_t i;

    for (i = 0; i < n && d->room; i++, d->room--) {
        if (d->refuse) {
            pkts[i]->len = 0;
            continue;
        }
        memcpy(d->tx[d->n_tx], pkts[i]->data, pkts[i]->len);
        d->tx_len[d->n_tx++] = pkts[i]->len;
    }
    return i;
}

static int
mem_fd(const struct agl_dev *dev)
{
    (void) dev;
    return -1;
}

static void
mem_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    *status = ((struct mem_dev *) dev)->status;
}

static int
mem_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    ((struct mem_dev *) dev)->status.mtu = mtu;
    return 0;
}

static const struct agl_dev_class mem_class = {
    .type = "mem",
    .rx = mem_rx,
    .tx = mem_tx,
    .fd = mem_fd,
    .status = mem_status,
    .set_mtu = mem_set_mtu,
};

/* ## --- ##
 * ## NIC ##
 * ## --- ## */

static uint64_t
ops_clock(void *aux)
{
    (void) aux;
    return fake_clock;
}

static void
ops_kick_host(void *aux, enum agilio_vector vector)
{
    (void) aux;
    n_kicks[vector]++;
}

static void
ops_nothing(void *aux)
{
    (void) aux;
}

static void
ops_wait_worker(void *aux, struct agl_worker *w)
{
    (void) aux;
    agl_worker_round(w);
}

static const struct agl_nic_ops ops = {
    .clock = ops_clock,
    .kick_host = ops_kick_host,
    .kick_worker = ops_nothing,
    .kick_control = ops_nothing,
    .wait_worker = ops_wait_worker,
};

static void
open_ring(const struct agilio_ring_place *place, bool producer,
          struct agilio_ring_end *end)
{
    struct agilio_ring *ring;
    void *body = region.base + agilio_from_le64(place->body_ofs);

    ring = (void *) (region.base + agilio_from_le64(place->ring_ofs));
    if (producer) {
        agilio_ring_init_producer(end, ring, body,
                                  agilio_from_le32(place->n_granules));
    } else {
        agilio_ring_init_consumer(end, ring, body,
                                  agilio_from_le32(place->n_granules));
    }
}

/* Has the NIC do whatever it can. */
static void
settle(void)
{
    for (int i = 0; i < 4; i++) {
        agl_control_run(nic);
        agl_worker_round(&nic->worker);
    }
    agl_control_run(nic);
}

/* Sends a request. */
static void
tell(enum agilio_msg_type type, const void *body, size_t len)
{
    static uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_writer w;

    agilio_msg_start(&w, buf, sizeof buf, type, 0, 7, session);
    agilio_put_bytes(&w, body, len);
    CHECK(agilio_msg_send(&request, buf, agilio_msg_end(&w, buf)) >= 0);
}

/* Sends a request; returns the error of its reply, -1 if there is none.  The
 * reply's body goes to 'out' unless NULL. */
static int
ask(enum agilio_msg_type type, const void *body, size_t len, void *out)
{
    static uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_reader r;
    struct agilio_msg msg;

    tell(type, body, len);
    settle();
    while (agilio_msg_receive(&reply, buf, &msg, &r)) {
        uint16_t flags = agilio_from_le16(msg.flags);

        if (flags & AGILIO_MSG_F_EVENT) {
            continue;
        }
        CHECK(agilio_from_le32(msg.id) == 7);
        CHECK(flags & AGILIO_MSG_F_REPLY);
        if (flags & AGILIO_MSG_F_ERROR) {
            int error = agilio_get_u32(&r);

            CHECK(error && r.end > r.p);        /* There is a reason. */
            return error;
        }
        if (out) {
            memcpy(out, r.p, r.end - r.p);
        }
        return 0;
    }
    return -1;
}

static int
hello(uint16_t abi_min, uint16_t abi_max, uint8_t answer[16])
{
    uint8_t body[24];
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u16(&w, abi_min);
    agilio_put_u16(&w, abi_max);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, 42);
    session = 42;
    return ask(AGILIO_MSG_HELLO, body, sizeof body, answer);
}

static void
attach(void)
{
    const struct agilio_qp *qp = (const void *)
        (region.base + agilio_from_le64(region.header->qps_ofs));

    agl_nic_host_attached(nic);
    open_ring(&region.header->control[0], true, &request);
    open_ring(&region.header->control[1], false, &reply);
    for (int i = 0; i < N_DEVS; i++) {
        open_ring(&qp[i].to_host, false, &from_nic[i]);
        open_ring(&qp[i].from_host, true, &to_nic[i]);
    }
}

/* Starts a NIC with N_DEVS ports; 'host': one is attached. */
static void
start(uint32_t n_packets, bool host)
{
    struct agl_geometry geometry = {
        .type = AGILIO_FUNCTION_PF,
        .n_ports = 8,
        .n_qps = 8,
        .max_flows = 64,
        .max_masks = 4,
        .n_workers = 1,
        .control_granules = 256,
        .packet_granules = 32,
    };
    char name[] = "p0";

    session = 0;
    fake_clock = 1000;
    memset(n_kicks, 0, sizeof n_kicks);
    memset(devs, 0, sizeof devs);
    agl_region_init(&region, &geometry, agl_env_alloc(agl_region_size(
                        &geometry)), qps, 1);
    CHECK(!agl_nic_create(&nic, &ops, &region, n_packets, 256));
    for (int i = 0; i < N_DEVS; i++) {
        devs[i].up.class = &mem_class;
        devs[i].status = (struct agl_dev_status) { true, 1500, 0, { 0 } };
        devs[i].room = 64;
        name[1] = '0' + i;
        CHECK(!agl_nic_port_add(nic, name, &devs[i].up, &ids[i]));
    }
    if (host) {
        attach();
        CHECK(!hello(AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    }
}

static void
stop(void)
{
    char name[] = "p0";

    for (int i = 0; i < N_DEVS; i++) {
        name[1] = '0' + i;
        agl_nic_port_del(nic, name);
    }
    CHECK(nic->worker.pool.n_free == nic->worker.pool.n);
    agl_nic_destroy(nic);
    agl_env_free(region.base);
}

static uint64_t
counter(enum agilio_counter c)
{
    return agilio_from_le64(region.counters[c]);
}

/* A frame of 'len' bytes to 'dst' appears at device 'dev'. */
static void
inject(int dev, uint8_t dst, uint32_t len)
{
    struct mem_dev *d = &devs[dev];
    uint8_t *frame = d->rx[d->n_rx];

    memset(frame, 0, len);
    if (len > 5) {
        frame[5] = dst;
    }
    if (len > 13) {
        frame[12] = 0x88;
        frame[13] = 0xb5;
    }
    d->rx_len[d->n_rx++] = len;
}

/* Puts flow 'id': frames from IN to MAC ::dst, with 'n' bytes of 'program'. */
static int
put_flow(uint32_t id, uint8_t dst, const void *program, size_t len)
{
    struct agilio_key key = { .in_port = agilio_to_le32(ids[IN]) };
    struct agilio_key mask = {
        .in_port = agilio_to_le32(UINT32_MAX),
        .recirc_id = agilio_to_le32(UINT32_MAX),
    };
    struct agilio_flow_put put = {
        .id = agilio_to_le32(id),
        .n_words = agilio_to_le16(2),
        .program_len = agilio_to_le16(len),
        .map = agilio_to_le64(3),
    };
    uint8_t body[4096];
    struct agilio_writer w = { body, body + sizeof body, false };

    key.eth_dst[5] = dst;
    memset(mask.eth_dst, 0xff, sizeof mask.eth_dst);
    agilio_put_bytes(&w, &put, sizeof put);
    agilio_put_bytes(&w, &key, 16);
    agilio_put_bytes(&w, &mask, 16);
    agilio_put_bytes(&w, program, len);
    return ask(AGILIO_MSG_FLOW_PUT, body, w.p - body, NULL);
}

/* The same with outputs to the 'n' ports in 'ports'. */
static int
put_output(uint32_t id, uint8_t dst, const uint32_t ports[], int n)
{
    struct agilio_action_output program[64];

    for (int i = 0; i < n; i++) {
        program[i].action.type = agilio_to_le16(AGILIO_ACTION_OUTPUT);
        program[i].action.len = agilio_to_le16(sizeof program[i]);
        program[i].port = agilio_to_le32(ports[i]);
    }
    return put_flow(id, dst, program, n * sizeof program[0]);
}

static int
del_flow(uint32_t id)
{
    agilio_le32 body = agilio_to_le32(id);

    return ask(AGILIO_MSG_FLOW_DEL, &body, sizeof body, NULL);
}

/* Takes one record off port 'i's ring; returns the frame's length. */
static uint32_t
take(int i, struct agilio_desc *desc)
{
    uint32_t len = agilio_ring_peek(&from_nic[i], sizeof *desc,
                                    AGILIO_MAX_RECORD);

    if (!len) {
        return 0;
    }
    agilio_ring_read(&from_nic[i], 0, desc, sizeof *desc);
    agilio_ring_consume(&from_nic[i], agilio_ring_granules(len));
    return len - sizeof *desc;
}

/* ## ----- ##
 * ## Tests ##
 * ## ----- ## */

static void
test_learn_and_count(void)
{
    const struct agilio_flow_stats *stats;

    start(64, true);
    stats = &region.flows[5];
    CHECK(!put_output(5, 9, &ids[OUT], 1));
    inject(IN, 9, 60);
    inject(IN, 9, 100);
    fake_clock = 5000;
    settle();
    CHECK(devs[OUT].n_tx == 2 && devs[OUT].tx_len[1] == 100);
    CHECK(counter(AGILIO_COUNTER_L2_HIT) == 1);
    CHECK(counter(AGILIO_COUNTER_L1_HIT) == 1);
    CHECK(counter(AGILIO_COUNTER_LEARNED) == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 2);
    CHECK(agilio_from_le64(stats->packets) == 2);
    CHECK(agilio_from_le64(stats->bytes) == 160);
    CHECK(agilio_from_le64(stats->used) == 5000);
    CHECK(agilio_from_le64(region.ports[IN].stats.rx_packets) == 2);
    CHECK(agilio_from_le64(region.ports[OUT].stats.tx_bytes) == 160);

    /* Replaced: at once, and the counters go on. */
    CHECK(!put_output(5, 9, &ids[2], 1));
    inject(IN, 9, 60);
    settle();
    CHECK(devs[OUT].n_tx == 2 && devs[2].n_tx == 1);
    CHECK(agilio_from_le64(stats->packets) == 3);

    /* Deleted: the counters hold still.  New: from 0. */
    CHECK(!del_flow(5));
    CHECK(del_flow(5) == AGILIO_E_NOENT);
    inject(IN, 9, 60);
    settle();
    CHECK(agilio_from_le64(stats->packets) == 3);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 1);
    CHECK(!put_output(5, 9, &ids[2], 1));
    CHECK(agilio_from_le64(stats->packets) == 0);
    stop();
}

static void
test_miss(void)
{
    struct agilio_desc desc;

    start(64, true);
    fake_clock = 7000;
    inject(IN, 1, 70);
    agilio_ring_sleep(&from_nic[IN]);
    settle();
    CHECK(n_kicks[AGILIO_VECTOR_PACKETS] == 1);
    CHECK(take(IN, &desc) == 70);
    CHECK(agilio_from_le32(desc.port) == ids[IN]);
    CHECK(agilio_from_le32(desc.reason) == AGILIO_FALLBACK_MISS);
    CHECK(agilio_from_le64(desc.timestamp) == 7000);
    CHECK(!take(IN, &desc) && !from_nic[IN].broken);
    stop();
}

static void
test_to_host(void)
{
    struct agilio_action_to_host program = {
        .action = { agilio_to_le16(AGILIO_ACTION_TO_HOST),
                    agilio_to_le16(sizeof program) },
    };
    struct agilio_desc desc;

    start(64, true);
    for (uint32_t reason = AGILIO_FALLBACK_HOST;
         reason <= AGILIO_FALLBACK_UNABLE; reason++) {
        program.reason = agilio_to_le32(reason);
        CHECK(!put_flow(1, 9, &program, sizeof program));
        inject(IN, 9, 60);
        settle();
        CHECK(take(IN, &desc) == 60);
        CHECK(agilio_from_le32(desc.reason) == reason);
    }
    CHECK(counter(AGILIO_COUNTER_FALLBACK_HOST) == 1);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_UNABLE) == 1);
    CHECK(agilio_from_le64(region.flows[1].packets) == 0);  /* The host's. */
    stop();
}

static void
test_host_tx(void)
{
    uint8_t frame[60] = { 0 };
    struct agilio_desc desc = {
        .len = agilio_to_le32(sizeof desc + sizeof frame),
        .port = agilio_to_le32(0),
    };

    start(64, true);
    for (int i = 0; i < 3; i++) {
        desc.port = agilio_to_le32(i == 1 ? 0x12340001 : ids[OUT]);
        desc.flags = agilio_to_le16(i == 2);
        agilio_ring_write(&to_nic[OUT], 0, &desc, sizeof desc);
        agilio_ring_write(&to_nic[OUT], sizeof desc, frame, sizeof frame);
        agilio_ring_produce(&to_nic[OUT], 2);
    }
    settle();
    CHECK(devs[OUT].n_tx == 1 && devs[OUT].tx_len[0] == 60);
    CHECK(counter(AGILIO_COUNTER_HOST_TX) == 2);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_BAD) == 1);

    /* No port is no port, not an empty slot. */
    CHECK(agl_nic_port_del(nic, "p0"));
    desc.port = agilio_to_le32(AGILIO_PORT_NONE);
    desc.flags = agilio_to_le16(0);
    agilio_ring_write(&to_nic[OUT], 0, &desc, sizeof desc);
    agilio_ring_write(&to_nic[OUT], sizeof desc, frame, sizeof frame);
    agilio_ring_produce(&to_nic[OUT], 2);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 2);
    stop();
}

static void
test_drops_at_reception(void)
{
    uint8_t body[22] = { 0 };
    struct agilio_writer w = { body, body + sizeof body, false };

    start(64, true);
    inject(IN, 1, 13);
    inject(IN, 1, 0);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_RUNT) == 2);

    agilio_put_u32(&w, ids[IN]);
    agilio_put_u32(&w, AGILIO_PORT_SET_FLAGS);
    CHECK(!ask(AGILIO_MSG_PORT_SET, body, sizeof body, NULL));
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_RX_DOWN) == 1);
    CHECK(agilio_from_le64(region.ports[IN].stats.rx_dropped) == 1);
    stop();
}

static void
test_drops_to_host(void)
{
    struct agilio_desc desc;

    start(64, false);
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_NO_HOST) == 1);
    stop();

    start(64, true);
    for (int i = 0; i < 20; i++) {      /* The ring has room for 16. */
        inject(IN, 1, 60);
    }
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_FULL) == 4);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 16);
    CHECK(take(IN, &desc) == 60);
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 17);
    inject(IN, 1, 2047);                /* Longer than the whole ring. */
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_TOO_BIG) == 1);
    stop();
}

static void
test_drops_at_output(void)
{
    uint32_t gone;

    start(64, true);
    gone = ids[OUT] + 0x10000;
    CHECK(!put_output(1, 1, &ids[OUT], 1));
    CHECK(!put_output(2, 2, &gone, 1));
    CHECK(!put_flow(3, 3, "", 0));

    inject(IN, 2, 60);
    inject(IN, 3, 60);
    inject(IN, 1, 1514);
    inject(IN, 1, 1515);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_POLICY) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_MTU) == 1);
    CHECK(devs[OUT].n_tx == 1);

    devs[OUT].room = 1;
    inject(IN, 1, 60);
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_FULL) == 1);

    devs[OUT].room = 64;
    devs[OUT].refuse = true;
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_ERROR) == 1);
    CHECK(agilio_from_le64(region.ports[OUT].stats.tx_errors) == 1);
    CHECK(agilio_from_le64(region.ports[OUT].stats.tx_packets) == 2);

    devs[OUT].status.link_up = false;
    agl_nic_refresh_ports(nic);
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_DOWN) == 1);
    CHECK(agilio_from_le64(region.ports[OUT].stats.tx_dropped) == 3);
    stop();
}

static void
test_copies(void)
{
    start(4, true);

    const uint32_t ports[3] = { ids[OUT], ids[2], ids[OUT] };

    CHECK(!put_output(1, 1, ports, 3));
    inject(IN, 1, 60);
    settle();
    CHECK(devs[OUT].n_tx == 2 && devs[2].n_tx == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 1);

    /* Two packets of the pool's four in flight leave too few for copies: all
     * or nothing. */
    inject(IN, 1, 60);
    inject(IN, 1, 60);
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_NO_BUFFER) > 0);
    CHECK(devs[OUT].n_tx == 2 * devs[2].n_tx);
    CHECK(devs[2].n_tx + counter(AGILIO_COUNTER_DROP_NO_BUFFER) == 4);
    stop();
}

/* Packets that only wait for the end of the burst are sent when their buffers
 * are needed: for copies, for another port's frames, for the host's. */
static void
test_buffers_in_queues(void)
{
    uint8_t frame[60] = { 0 };
    struct agilio_desc desc = {
        .len = agilio_to_le32(sizeof desc + sizeof frame),
    };

    start(4, true);

    const uint32_t ports[3] = { ids[OUT], ids[2], ids[OUT] };

    CHECK(!put_output(1, 1, ports, 3));
    CHECK(!put_output(2, 2, &ids[OUT], 1));
    inject(IN, 2, 60);
    inject(IN, 2, 60);
    inject(IN, 1, 60);
    settle();
    CHECK(devs[OUT].n_tx == 4 && devs[2].n_tx == 1);

    for (int i = 0; i < 4; i++) {
        inject(IN, 2, 60);
    }
    inject(OUT, 1, 60);
    desc.port = agilio_to_le32(ids[2]);
    for (int i = 0; i < 5; i++) {
        agilio_ring_write(&to_nic[OUT], 0, &desc, sizeof desc);
        agilio_ring_write(&to_nic[OUT], sizeof desc, frame, sizeof frame);
        agilio_ring_produce(&to_nic[OUT], 2);
    }
    settle();
    CHECK(devs[OUT].n_tx == 8 && devs[2].n_tx == 6);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_BUFFER) == 0);
    stop();
}

/* Puts flow 'id': what comes to IN with 'recirc_id' runs 'program'. */
static int
put_recirc_flow(uint32_t id, uint32_t recirc_id, const void *program,
                size_t len)
{
    const struct agilio_key key = {
        .in_port = agilio_to_le32(ids[IN]),
        .recirc_id = agilio_to_le32(recirc_id),
    };
    const struct agilio_key mask = {
        .in_port = agilio_to_le32(UINT32_MAX),
        .recirc_id = agilio_to_le32(UINT32_MAX),
    };
    struct agilio_flow_put put = {
        .id = agilio_to_le32(id),
        .n_words = agilio_to_le16(1),
        .program_len = agilio_to_le16(len),
        .map = agilio_to_le64(1),
    };
    uint8_t body[4096];
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_bytes(&w, &put, sizeof put);
    agilio_put_bytes(&w, &key, 8);
    agilio_put_bytes(&w, &mask, 8);
    agilio_put_bytes(&w, program, len);
    return ask(AGILIO_MSG_FLOW_PUT, body, w.p - body, NULL);
}

#define ACTION(ENUM, STRUCT, MEMBER, VALUE)                             \
    (struct agilio_action_##STRUCT) {                                   \
        .action = { agilio_to_le16(AGILIO_ACTION_##ENUM),               \
                    agilio_to_le16(sizeof(struct agilio_action_##STRUCT)) }, \
        .MEMBER = agilio_to_le32(VALUE)                                 \
    }

/* Output, hash, recirculate; then output.  A miss in between is resumed. */
static void
test_recirc(void)
{
    struct {
        struct agilio_action_output output;
        struct agilio_action_hash hash;
        struct agilio_action_recirc recirc;
    } first;
    struct agilio_resume resume;
    struct agilio_desc desc;
    uint32_t len;

    start(64, true);
    first.output = ACTION(OUTPUT, output, port, ids[2]);
    first.hash = ACTION(HASH, hash, basis, 5);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put_recirc_flow(1, 0, &first, sizeof first));
    inject(IN, 1, 60);
    settle();
    CHECK(devs[2].n_tx == 1 && devs[OUT].n_tx == 0);
    len = agilio_ring_peek(&from_nic[IN], sizeof desc, AGILIO_MAX_RECORD);
    CHECK(len == sizeof desc + sizeof resume + 60);
    agilio_ring_read(&from_nic[IN], 0, &desc, sizeof desc);
    agilio_ring_read(&from_nic[IN], sizeof desc, &resume, sizeof resume);
    agilio_ring_consume(&from_nic[IN], agilio_ring_granules(len));
    CHECK(agilio_from_le16(desc.flags) == AGILIO_DESC_RESUMED);
    CHECK(agilio_from_le16(desc.meta_len) == sizeof resume);
    CHECK(agilio_from_le32(resume.recirc_id) == 7);
    CHECK(agilio_from_le32(resume.in_port) == ids[IN]);
    CHECK(agilio_from_le32(resume.dp_hash) != 0);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 0);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 1);

    first.output = ACTION(OUTPUT, output, port, ids[OUT]);
    CHECK(!put_recirc_flow(2, 7, &first, sizeof first.output));
    inject(IN, 1, 60);
    settle();
    CHECK(devs[2].n_tx == 2 && devs[OUT].n_tx == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 1);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 2);
    CHECK(agilio_from_le64(region.flows[1].packets) == 2);
    CHECK(agilio_from_le64(region.flows[2].packets) == 1);

    /* Round and round: at most six times. */
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put_recirc_flow(2, 7, &first.recirc, sizeof first.recirc));
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_RECIRC) == 1);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 2 + AGILIO_MAX_RECIRC);
    stop();
}

/* Copies that a recirculated packet's flow makes do not take the buffers that
 * its first flow still needs. */
static void
test_recirc_copies(void)
{
    struct {
        struct agilio_action_recirc recirc;
        struct agilio_action_output output[2];
    } first;
    struct agilio_action_output second[3];

    start(4, true);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    for (int i = 0; i < 3; i++) {
        second[i] = ACTION(OUTPUT, output, port, ids[OUT]);
        first.output[i % 2] = ACTION(OUTPUT, output, port, ids[2]);
    }
    CHECK(!put_recirc_flow(1, 0, &first, sizeof first));
    CHECK(!put_recirc_flow(2, 7, second, sizeof second));
    inject(IN, 1, 60);
    settle();
    CHECK(devs[2].n_tx == 2 && devs[OUT].n_tx == 0);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_BUFFER) == 1);
    CHECK(nic->worker.pool.n_reserved == 0);
    stop();
}

static void
test_headless(void)
{
    start(64, true);
    CHECK(!put_output(1, 1, &ids[OUT], 1));
    agl_nic_host_gone(nic);
    inject(IN, 1, 60);
    inject(IN, 2, 60);
    settle();
    CHECK(devs[OUT].n_tx == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_HOST) == 1);

    /* The next host is told that there are flows, and may flush them. */
    attach();
    uint8_t answer[16];
    CHECK(!hello(1, 1, answer));
    CHECK(answer[4] == 1);
    CHECK(!ask(AGILIO_MSG_FLOW_FLUSH, "", 0, NULL));
    CHECK(!hello(1, 1, answer));
    CHECK(answer[4] == 0);
    inject(IN, 1, 60);
    settle();
    CHECK(devs[OUT].n_tx == 1);
    stop();
}

/* A host that does not take its replies, and goes: what it asked for counts,
 * what it did not get round to is forgotten. */
static void
test_gone_amid_requests(void)
{
    uint8_t answer[16];

    start(64, true);
    agilio_store_relaxed(&reply.ring->cons,
                         agilio_to_le32(region.reply.cursor - region.reply.n));
    CHECK(put_output(1, 1, &ids[OUT], 1) == -1);
    CHECK(nic->control.blocked && !region.reply.broken);
    tell(AGILIO_MSG_HELLO, "", 0);
    agl_nic_host_gone(nic);
    CHECK(!nic->control.blocked);
    settle();
    CHECK(region.request.cursor == 0 && region.reply.cursor == 0);

    attach();
    CHECK(!hello(1, 1, answer));
    CHECK(answer[4] == 1);
    stop();
}

/* A host that asks without end is not all that the control thread is for. */
static void
test_busy_host(void)
{
    start(64, true);
    for (int i = 0; i < 200; i++) {
        tell(AGILIO_MSG_KEEPALIVE, "", 0);
    }
    agl_control_run(nic);
    CHECK(agilio_ring_ready(&region.request) > 100);
    CHECK(!agl_control_sleep(nic));
    settle();
    CHECK(!agilio_ring_ready(&region.request) && agl_control_sleep(nic));
    CHECK(agilio_ring_ready(&reply) == 200);
    stop();
}

/* Whichever ring it is that a host breaks, it is found out. */
static void
test_broken_host(void)
{
    struct agilio_ring *rings[4];

    start(64, true);
    rings[0] = request.ring;
    rings[1] = reply.ring;
    rings[2] = from_nic[IN].ring;
    rings[3] = to_nic[OUT].ring;
    for (int i = 0; i < 4; i++) {
        settle();
        CHECK(!agl_nic_host_is_broken(nic));
        if (i == 0 || i == 3) {
            rings[i]->prod = agilio_to_le32(0x7fffffff);
        } else {
            rings[i]->cons = agilio_to_le32(0x7fffffff);
        }
        inject(IN, 1, 60);
        agl_control_event(nic, AGILIO_MSG_PORT_EVENT);
        settle();
        CHECK(agl_nic_host_is_broken(nic));
        agl_nic_host_gone(nic);
        attach();
        CHECK(!hello(1, 1, NULL));
    }
    stop();
}

static void
test_port_incarnations(void)
{
    uint32_t old, id;

    start(64, true);
    old = ids[OUT];
    CHECK(!put_output(1, 1, &ids[OUT], 1));
    CHECK(agl_nic_port_add(nic, "p1", &devs[1].up, &id) == AGILIO_E_EXIST);
    CHECK(agl_nic_port_add(nic, "", &devs[1].up, &id) == AGILIO_E_INVAL);
    CHECK(agl_nic_port_del(nic, "p1") == &devs[1].up);
    CHECK(!agl_nic_port_del(nic, "p1"));
    CHECK(!agl_nic_port_add(nic, "q1", &devs[1].up, &id));
    CHECK(agilio_port_slot(id) == agilio_port_slot(old) && id != old);
    inject(IN, 1, 60);
    settle();
    CHECK(devs[OUT].n_tx == 0);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 1);
    CHECK(agl_nic_port_del(nic, "q1"));
    CHECK(!agl_nic_port_add(nic, "p1", &devs[1].up, &ids[OUT]));
    stop();
}

static void
test_refusals(void)
{
    uint8_t body[64] = { 0 };

    start(64, true);
    CHECK(hello(AGILIO_ABI_MAX + 1, AGILIO_ABI_MAX + 9, NULL)
          == AGILIO_E_PROTO);
    CHECK(!hello(0, AGILIO_ABI_MAX + 9, NULL));
    CHECK(ask(AGILIO_N_MSGS, "", 0, NULL) == AGILIO_E_OPNOTSUPP);
    CHECK(ask(AGILIO_MSG_NONE, "", 0, NULL) == AGILIO_E_OPNOTSUPP);
    CHECK(ask(AGILIO_MSG_PORT_EVENT, "", 0, NULL) == AGILIO_E_INVAL);
    for (int type = AGILIO_MSG_HELLO; type < AGILIO_N_MSGS; type++) {
        if (type != AGILIO_MSG_KEEPALIVE && type != AGILIO_MSG_FLOW_FLUSH) {
            CHECK(ask(type, body, 1, NULL) > 0);
        }
    }
    CHECK(!hello(1, 1, NULL));
    memset(body, 0xff, sizeof body);
    CHECK(del_flow(64) == AGILIO_E_INVAL);
    CHECK(ask(AGILIO_MSG_OPTIONS, body, 4, NULL) == AGILIO_E_INVAL);
    CHECK(ask(AGILIO_MSG_PORT_SET, body, 22, NULL) == AGILIO_E_NOENT);
    CHECK(put_output(64, 1, &ids[OUT], 1) == AGILIO_E_INVAL);
    CHECK(put_flow(1, 1, body, 8) > 0);
    CHECK(!ask(AGILIO_MSG_KEEPALIVE, "", 0, NULL));

    /* What is of another session is not answered. */
    session = 43;
    CHECK(ask(AGILIO_MSG_KEEPALIVE, "", 0, NULL) == -1);
    stop();
}

static void
test_tracker_dump(void)
{
    struct agilio_tracker_entry entry;
    uint8_t answer[AGILIO_MAX_MSG];
    agilio_le32 body[2] = { 0, agilio_to_le32(1000) };
    agilio_le32 head[2];

    start(64, true);
    CHECK(!put_output(5, 9, &ids[OUT], 1));
    inject(IN, 9, 60);
    settle();
    CHECK(!ask(AGILIO_MSG_TRACKER_DUMP, body, sizeof body, answer));
    memcpy(head, answer, sizeof head);
    CHECK(agilio_from_le32(head[1]) == 1);
    memcpy(&entry, answer + 8, sizeof entry);
    CHECK(agilio_from_le32(entry.flow_id) == 5);
    CHECK(entry.key.eth_dst[5] == 9);
    stop();
}

/* A host that never takes its replies stops nothing but its own requests. */
static void
test_reply_ring_full(void)
{
    uint8_t buf[sizeof(struct agilio_msg)];
    struct agilio_writer w;
    int n = 0;

    start(64, true);
    agilio_msg_start(&w, buf, sizeof buf, AGILIO_MSG_KEEPALIVE, 0, 7, session);
    agilio_msg_end(&w, buf);
    while (n < 5000 && agilio_msg_send(&request, buf, 16) >= 0) {
        settle();
        n++;
    }
    CHECK(n < 5000);
    CHECK(nic->control.blocked && agl_control_sleep(nic));
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 0);
    inject(IN, 9, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 1);
    stop();
}

/* Nothing that stands in the host's half of the region can hurt. */
static void
test_hostile_region(void)
{
    uint32_t seed = 1;

    start(64, true);
    for (int i = 0; i < 20000; i++) {
        uint32_t *word;

        seed = seed * 1664525 + 1013904223;
        switch (seed >> 28) {
        case 0:
            word = (uint32_t *) &request.ring->prod;
            break;
        case 1:
            word = (uint32_t *) &reply.ring->cons;
            break;
        case 2:
            word = (uint32_t *) &to_nic[OUT].ring->prod;
            break;
        case 3:
            word = (uint32_t *) &from_nic[IN].ring->cons;
            break;
        case 4: case 5: case 6:
            word = (uint32_t *) (void *) request.body + (seed >> 8) % 4096;
            break;
        default:
            word = (uint32_t *) (void *) to_nic[OUT].body + (seed >> 8) % 512;
            break;
        }
        *word = seed >> 20 & 1 ? *word + (seed >> 12 & 7)
                : seed >> 21 & 1 ? seed >> 12 & 0xff : seed;
        inject(IN, seed & 3, 60);
        settle();
        devs[OUT].n_tx = 0;
        devs[OUT].room = 64;
        if (i % 16 == 0) {      /* A new host makes all rings good again. */
            agl_nic_host_gone(nic);
            agl_nic_host_attached(nic);
            nic->control.in_session = true;
            nic->control.session = seed;
        }
    }
    CHECK(nic->worker.pool.n_free == nic->worker.pool.n);
    stop();
}

int
main(void)
{
    RUN(test_learn_and_count);
    RUN(test_miss);
    RUN(test_to_host);
    RUN(test_host_tx);
    RUN(test_drops_at_reception);
    RUN(test_drops_to_host);
    RUN(test_drops_at_output);
    RUN(test_copies);
    RUN(test_recirc);
    RUN(test_recirc_copies);
    RUN(test_buffers_in_queues);
    RUN(test_headless);
    RUN(test_gone_amid_requests);
    RUN(test_busy_host);
    RUN(test_broken_host);
    RUN(test_port_incarnations);
    RUN(test_refusals);
    RUN(test_tracker_dump);
    RUN(test_reply_ring_full);
    RUN(test_hostile_region);
    return summary();
}
