/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-queues.c - devices with two queues, and three workers, in one thread.
 *
 * Port I's first queue and its rings are worker I mod 3's, its second queue is
 * the next worker's, and the third worker has none.
 */

#include "inproc-nic.h"

#include "check.h"

#define N_WORKERS 3
#define N_DEVS 3

static struct inproc sim = { .queues = true };
static struct inproc_dev *const devs = sim.devs;
static struct inproc_dev *const second = sim.second;
static uint32_t *const ids = sim.ids;

struct record {
    struct agilio_desc desc;
    struct agilio_metadata md;
    uint8_t rest[AGILIO_MAX_RECORD];
};

static void
start_granules(uint32_t n_packets, uint32_t packet_granules)
{
    struct agl_geometry geometry = inproc_geometry;

    geometry.n_workers = N_WORKERS;
    geometry.packet_granules = packet_granules;
    inproc_start(&sim, &geometry, n_packets, 64, N_DEVS);
    inproc_attach(&sim);
    CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
}

static void
start(uint32_t n_packets)
{
    start_granules(n_packets, inproc_geometry.packet_granules);
}

static void
go(int worker)
{
    agl_worker_round(sim.nic->team.workers[worker]);
}

/* What worker 'w' alone counted. */
static uint64_t
counted(uint32_t w, enum agilio_counter c)
{
    return agilio_from_le64(sim.region.counters[w * AGILIO_COUNTER_ROW + c]);
}

static uint64_t
counter(enum agilio_counter c)
{
    return inproc_counter(&sim, c);
}

/* A frame with number 'n' in it appears at a queue. */
static void
inject_len(struct inproc_dev *queue, uint32_t n, uint32_t len)
{
    uint8_t frame[AGILIO_MAX_FRAME] = { [12] = 0x88, [13] = 0xb5 };

    memcpy(&frame[20], &n, sizeof n);
    CHECK(inproc_inject_queue(queue, frame, len));
}

static void
inject(struct inproc_dev *queue, uint32_t n)
{
    inject_len(queue, n, 60);
}

/* The number in the last frame that a queue sent. */
static uint32_t
last_sent(const struct inproc_dev *queue)
{
    uint32_t n;

    memcpy(&n, &queue->tx[queue->n_tx - 1][20], sizeof n);
    return n;
}

/* The number in a record of a frame of 60 bytes. */
static uint32_t
number(const struct record *r, uint32_t len)
{
    uint32_t n;

    memcpy(&n, (const uint8_t *) r + len - 40, sizeof n);
    return n;
}

static int
put(uint32_t id, uint32_t from, uint32_t recirc_id, const void *program,
    size_t len)
{
    const struct agilio_key key = {
        .md.in_port = agilio_to_le32(ids[from]),
        .md.recirc_id = agilio_to_le32(recirc_id),
    };
    const struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };

    return inproc_put_flow(&sim, id, &key, &mask, program, len);
}

#define ACTION(ENUM, NAME, MEMBER, VALUE) \
    (struct agilio_action_##NAME) { \
        .action = { agilio_to_le16(AGILIO_ACTION_##ENUM), \
                    agilio_to_le16(sizeof(struct agilio_action_##NAME)) }, \
        .MEMBER = agilio_to_le32(VALUE), \
    }

static int
put_output(uint32_t id, uint32_t from, uint32_t to)
{
    const struct agilio_action_output output = ACTION(OUTPUT, output, port,
                                                      ids[to]);

    return put(id, from, 0, &output, sizeof output);
}

/* Has all frames of device 'from' given to the host, to do 'len' bytes of 'x'
 * with them. */
static int
put_sample(uint32_t id, uint32_t from, uint8_t x, uint32_t len)
{
    struct {
        struct agilio_action_copy_to_host copy;
        uint8_t actions[AGILIO_MAX_SAMPLE];
    } program = { .copy = ACTION(COPY_TO_HOST, copy_to_host, len, len) };

    program.copy.action.len = agilio_to_le16(sizeof program.copy + len);
    memset(program.actions, x, len);
    return put(id, from, 0, &program, sizeof program.copy + len);
}

/* ## ----- ##
 * ## Tests ##
 * ## ----- ## */

/* A worker sends by its own queue; who has none hands over to the owner. */
static void
test_output(void)
{
    struct agilio_port_stats stats;

    start(64);
    CHECK(!put_output(1, 0, 0));
    CHECK(!put_output(2, 1, 0));
    inject(&devs[0], 10);
    inject(&second[0], 11);
    inject(&second[1], 12);
    go(0);
    CHECK(devs[0].n_tx == 1 && last_sent(&devs[0]) == 10);
    go(1);
    CHECK(second[0].n_tx == 1 && last_sent(&second[0]) == 11);
    go(2);
    CHECK(devs[0].n_tx == 1 && second[0].n_tx == 1);
    go(0);
    CHECK(devs[0].n_tx == 2 && last_sent(&devs[0]) == 12);

    CHECK(counter(AGILIO_COUNTER_CARRIED) == 3);
    agl_region_port_stats(&sim.region, 0, &stats);
    CHECK(agilio_from_le64(stats.rx_packets) == 2);
    CHECK(agilio_from_le64(stats.rx_bytes) == 120);
    CHECK(agilio_from_le64(stats.tx_packets) == 3);
    CHECK(agilio_from_le64(stats.tx_bytes) == 180);
    agl_region_port_stats(&sim.region, 1, &stats);
    CHECK(agilio_from_le64(stats.rx_packets) == 1);
    inproc_stop(&sim);
}

/* What each queue's driver drops is counted, once. */
static void
test_rx_errors(void)
{
    struct agilio_port_stats stats;

    start(64);
    devs[0].up.rx_errors = 3;
    second[0].up.rx_errors = 4;
    inproc_settle(&sim);
    second[0].up.rx_errors++;
    inproc_settle(&sim);
    agl_region_port_stats(&sim.region, 0, &stats);
    CHECK(agilio_from_le64(stats.rx_errors) == 8);
    inproc_stop(&sim);
}

/* Misses come to the host by the port's ring, whoever had them, in the order
 * of each queue, and are counted once. */
static void
test_miss(void)
{
    struct record r;

    start(64);
    CHECK(agilio_ring_sleep(&sim.from_nic[0]));
    inject(&second[0], 20);
    inject(&second[0], 21);
    sim.clock = 5000;
    go(1);
    CHECK(!inproc_take(&sim, 0, &r) && !sim.n_kicks[AGILIO_VECTOR_PACKETS]);
    inject(&devs[0], 22);
    sim.clock = 6000;
    go(0);
    CHECK(inproc_take(&sim, 0, &r) == 92 && number(&r, 92) == 22);
    for (uint32_t i = 20; i < 22; i++) {
        CHECK(inproc_take(&sim, 0, &r) == 92 && number(&r, 92) == i);
        CHECK(agilio_from_le32(r.desc.port) == ids[0]);
        CHECK(agilio_from_le32(r.desc.reason) == AGILIO_FALLBACK_MISS);
        CHECK(agilio_from_le64(r.desc.timestamp) == 5000);
        CHECK(!agilio_from_le16(r.desc.flags));
    }
    CHECK(!inproc_take(&sim, 0, &r));
    CHECK(sim.n_kicks[AGILIO_VECTOR_PACKETS] == 1);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 3);
    CHECK(!counted(1, AGILIO_COUNTER_FALLBACK_MISS));
    inproc_stop(&sim);
}

/* One that misses after its first pass is handed over with what has become of
 * it. */
static void
test_resumed(void)
{
    struct {
        struct agilio_action_hash hash;
        struct agilio_action_recirc recirc;
    } first;
    struct record r[2];

    start(64);
    first.hash = ACTION(HASH, hash, basis, 5);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put(1, 0, 0, &first, sizeof first));
    inject(&devs[0], 1);
    inject(&second[0], 1);
    inproc_settle(&sim);
    for (int i = 0; i < 2; i++) {
        uint32_t len = sizeof r->desc + sizeof r->md + 60;

        CHECK(inproc_take(&sim, 0, &r[i]) == len && number(&r[i], len) == 1);
        CHECK(agilio_from_le16(r[i].desc.flags) == AGILIO_DESC_RESUMED);
        CHECK(agilio_from_le32(r[i].md.recirc_id) == 7);
        CHECK(agilio_from_le32(r[i].md.dp_hash) != 0);
    }
    CHECK(!memcmp(&r[0].desc, &r[1].desc, sizeof r->desc));
    CHECK(!memcmp(&r[0].md, &r[1].md, sizeof r->md));
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 2);
    CHECK(counter(AGILIO_COUNTER_L2_HIT) == 2);
    inproc_stop(&sim);
}

/* A sample carries its actions along: the flow that had them may be gone when
 * the owner gets to it. */
static void
test_sample(void)
{
    struct record r;
    uint32_t len = sizeof r.desc + sizeof r.md + AGILIO_MAX_SAMPLE + 60;

    start(64);
    CHECK(!put_sample(1, 0, 0x11, AGILIO_MAX_SAMPLE));
    inject(&second[0], 30);
    go(1);
    CHECK(!put_sample(1, 0, 0x22, AGILIO_MAX_SAMPLE));
    inproc_settle(&sim);
    CHECK(inproc_take(&sim, 0, &r) == len && number(&r, len) == 30);
    CHECK(agilio_from_le16(r.desc.flags)
          == (AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED));
    for (uint32_t i = 0; i < AGILIO_MAX_SAMPLE; i++) {
        CHECK(r.rest[i] == 0x11);
    }
    CHECK(counter(AGILIO_COUNTER_SAMPLED) == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 1);
    inproc_stop(&sim);
}

/* Each way that one which is handed over can be lost. */
static void
test_lost(void)
{
    struct record r;
    uint32_t n;

    /* The owner has no room in the ring: as for what it has itself. */
    start(1024);
    for (n = 0; n < 20; n++) {
        inject(&second[0], n);
    }
    inject_len(&second[0], n, 2048);        /* Longer than the ring. */
    inproc_settle(&sim);
    for (n = 0; inproc_take(&sim, 0, &r); n++) {
        CHECK(number(&r, 92) == n);
    }
    CHECK(n > 0 && n < 20);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == n);
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_FULL) == 20 - n);
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_TOO_BIG) == 1);

    /* It is behind. */
    for (n = 0; n < AGL_HANDOVER + 3; n++) {
        inject(&second[0], n);
        go(1);
    }
    CHECK(counter(AGILIO_COUNTER_DROP_WORKER_FULL) == 3);

    inproc_settle(&sim);
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_FULL)
          + counter(AGILIO_COUNTER_FALLBACK_MISS) == 20 + AGL_HANDOVER);

    /* There is no host any more; there is none. */
    inject(&second[0], 1);
    go(1);
    agl_nic_host_gone(sim.nic);
    CHECK(counted(0, AGILIO_COUNTER_DROP_NO_HOST) == 1);
    inject(&second[0], 1);
    inproc_settle(&sim);
    CHECK(counted(1, AGILIO_COUNTER_DROP_NO_HOST) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_HOST) == 2);
    inproc_stop(&sim);
}

/* Nobody has a buffer for the record: all are under way. */
static void
test_no_buffer(void)
{
    start(8);
    for (uint32_t i = 0; i < 12; i++) {
        inject(&second[0], i);
        go(1);
    }
    CHECK(counter(AGILIO_COUNTER_DROP_NO_BUFFER) > 0);
    inproc_settle(&sim);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_BUFFER)
          + counter(AGILIO_COUNTER_FALLBACK_MISS)
          + counter(AGILIO_COUNTER_DROP_HOST_FULL) == 12);
    inproc_stop(&sim);
}

/* Nor is there one for all copies of a packet: what there is will do. */
static void
test_reserved(void)
{
    struct {
        struct agilio_action_copy_to_host copy;
        uint32_t actions;
    } program[3] = { { .actions = 0 } };

    for (int i = 0; i < 3; i++) {
        program[i].copy = ACTION(COPY_TO_HOST, copy_to_host, len, 4);
        program[i].copy.action.len = agilio_to_le16(sizeof program[i]);
    }
    for (uint32_t n_packets = 3; n_packets < 8; n_packets++) {
        start(n_packets);
        CHECK(!put(1, 0, 0, program, sizeof program));
        inject(&second[0], 1);
        inproc_settle(&sim);
        CHECK(counter(AGILIO_COUNTER_CARRIED) == 1);
        CHECK(counter(AGILIO_COUNTER_SAMPLED)
              + counter(AGILIO_COUNTER_DROP_NO_BUFFER) == 3);
        inproc_stop(&sim);
    }
}

/* The longest frame has a place in a record; one that grew beyond has none. */
static void
test_too_long(void)
{
    struct {
        struct agilio_action_push_vlan push;
        struct agilio_action_recirc recirc;
    } program;
    struct record r;

    start_granules(64, 1024);
    inject_len(&second[0], 1, AGILIO_MAX_FRAME);
    inproc_settle(&sim);
    CHECK(inproc_take(&sim, 0, &r) == sizeof r.desc + AGILIO_MAX_FRAME);

    program.push = (struct agilio_action_push_vlan) {
        .action = { agilio_to_le16(AGILIO_ACTION_PUSH_VLAN),
                    agilio_to_le16(sizeof program.push) },
        .tpid = agilio_to_be16(0x8100),
        .tci = agilio_to_be16(0x1001),
    };
    program.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put(1, 0, 0, &program, sizeof program));
    inject_len(&second[0], 1, AGILIO_MAX_FRAME);
    inproc_settle(&sim);
    CHECK(!inproc_take(&sim, 0, &r));
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_TOO_BIG) == 1);
    inproc_stop(&sim);
}

/* What other workers do while the control thread waits for one. */
static void
wait_worker(void *aux, struct agl_worker *w)
{
    (void) aux;
    agl_worker_round(w);
    for (int i = 0; i < N_WORKERS; i++) {
        go(i);
    }
}

/* A port goes, and comes again, while packets of its are on the way: none is
 * lost, none is the new port's. */
static void
test_port_again(void)
{
    struct agilio_port_stats stats;
    struct record r;

    start(64);
    sim.ops.wait_worker = wait_worker;
    for (uint32_t i = 0; i < N_DEVS; i++) {
        uint32_t id = ids[i];
        char name[] = { 'p', (char) ('0' + i), '\0' };

        inject(&second[i], i);
        inject(&second[(i + 1) % N_DEVS], 9);   /* Of a port that stays. */
        go((i + 1) % N_WORKERS);
        inject(&second[i], 7);
        CHECK(agl_nic_port_del(sim.nic, name) == &devs[i].up);
        CHECK(inproc_take(&sim, i, &r) && number(&r, 92) == i);
        CHECK(agilio_from_le32(r.desc.port) == id);
        CHECK(!inproc_take(&sim, i, &r));
        CHECK(second[i].n_rx == 1);             /* Nobody asks. */

        inproc_add_port(&sim, i);
        CHECK(ids[i] != id);
        inproc_settle(&sim);
        CHECK(inproc_take(&sim, i, &r) && number(&r, 92) == 7);
        CHECK(agilio_from_le32(r.desc.port) == ids[i]);
        agl_region_port_stats(&sim.region, i, &stats);
        CHECK(agilio_from_le64(stats.rx_packets) == 1);
        while (inproc_take(&sim, (i + 1) % N_DEVS, &r)) {
            CHECK(number(&r, 92) == 9);
        }
    }
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 3 * N_DEVS);
    inproc_stop(&sim);
}

static void
test_down(void)
{
    uint8_t body[24] = { 0 };
    struct agilio_writer w = { body, body + sizeof body, false };

    start(64);
    agilio_put_u32(&w, ids[0]);
    agilio_put_u32(&w, AGILIO_PORT_SET_FLAGS);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_PORT_SET, body, sizeof body, NULL));
    inject(&devs[0], 1);
    inject(&second[0], 2);
    inproc_settle(&sim);
    CHECK(counter(AGILIO_COUNTER_DROP_RX_DOWN) == 2);
    inproc_stop(&sim);
}

/* The host's packets go by the first queue.  A new host finds all rings empty,
 * and gets what is received then. */
static void
test_host(void)
{
    uint8_t frame[60] = { 0 };
    struct record r;

    start(64);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(inproc_send(&sim, i, ids[i], 0, frame, sizeof frame));
        inject(&second[i], i);
    }
    inproc_settle(&sim);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(devs[i].n_tx == 1 && !second[i].n_tx);
    }
    agl_nic_host_gone(sim.nic);
    inproc_attach(&sim);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(!inproc_take(&sim, i, &r));
        inject(&second[i], 40 + i);
    }
    inproc_settle(&sim);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(inproc_take(&sim, i, &r) && number(&r, 92) == 40 + i);
        CHECK(!inproc_take(&sim, i, &r));
    }
    inproc_stop(&sim);
}

/* A miss wakes the owner, who then does not fall asleep. */
static void
test_sleep(void)
{
    struct agl_worker *owner;

    start(64);
    owner = sim.nic->team.workers[0];
    CHECK(agl_worker_sleep(owner));
    sim.n_wakes = 0;
    inject(&second[0], 1);
    go(1);
    CHECK(sim.n_wakes == 1);
    agl_worker_awake(owner);
    CHECK(!agl_worker_sleep(owner));
    agl_worker_awake(owner);
    go(0);
    CHECK(agl_worker_sleep(owner));
    agl_worker_awake(owner);
    inproc_stop(&sim);
}

/* Who has a queue knows what is new there, though the owner counts it: one
 * that floods is passed over in favour of what is known. */
static void
test_flood(void)
{
    struct agl_worker *w;

    start(128);
    w = sim.nic->team.workers[1];
    CHECK(!put_output(1, 1, 1));
    for (uint32_t round = 0; round < 100; round++) {
        while (second[0].n_rx < INPROC_QUEUE) {
            inject(&second[0], 0);
        }
        while (devs[1].n_rx < INPROC_QUEUE) {
            inject(&devs[1], 0);
        }
        inproc_clear_tx(&sim);
        go(1);
        go(0);
    }
    CHECK(w->ports[0].learns && !w->ports[1].learns);
    CHECK(agilio_from_le64(w->ports[1].stats->rx_packets) == 100 * AGL_BURST);
    CHECK(agilio_from_le64(w->ports[0].stats->rx_packets) < 10 * AGL_BURST);
    inproc_stop(&sim);
}

/* Who watches a port learns what becomes of a packet, though the owner counts
 * it. */
static void
test_capture(void)
{
    static uint8_t memory[sizeof(struct agilio_capture_ring)
                          + 64 * AGILIO_GRANULE]
        __attribute__((aligned(AGILIO_CACHE_LINE)));
    struct agilio_capture_record r;
    struct agilio_ring_end client;
    struct agl_capture capture;

    start(64);
    agl_capture_init(&capture, memory, 0, 64, 128, AGILIO_CAPTURE_IN);
    agilio_ring_init_consumer(&client, &capture.shared->ring,
                              memory + sizeof(struct agilio_capture_ring), 64);
    sim.nic->team.workers[1]->ports[0].capture = &capture;
    inject(&second[0], 1);
    inproc_settle(&sim);
    CHECK(agilio_ring_peek(&client, sizeof r, sizeof r + 128));
    agilio_ring_read(&client, 0, &r, sizeof r);
    CHECK(agilio_from_le64(r.counters)
          == UINT64_C(1) << AGILIO_COUNTER_FALLBACK_MISS);
    inproc_stop(&sim);
}

int
main(void)
{
    RUN(test_output);
    RUN(test_rx_errors);
    RUN(test_miss);
    RUN(test_resumed);
    RUN(test_sample);
    RUN(test_lost);
    RUN(test_no_buffer);
    RUN(test_reserved);
    RUN(test_too_long);
    RUN(test_port_again);
    RUN(test_down);
    RUN(test_host);
    RUN(test_sleep);
    RUN(test_flood);
    RUN(test_capture);
    return summary();
}
