/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-workers.c - several workers, in one thread: who does what when.
 *
 * Port I belongs to worker I mod 3.  The test makes each worker's rounds, so
 * that what lies between two workers can be looked at.
 */

#include "inproc-nic.h"

#include "check.h"
#include "env.h"

#define N_WORKERS 3
#define N_DEVS 4                /* The last has the worker of the first. */

static struct inproc sim;
static struct inproc_dev *const devs = sim.devs;
static uint32_t *const ids = sim.ids;

static void
start(uint32_t n_packets)
{
    struct agl_geometry geometry = inproc_geometry;

    geometry.n_workers = N_WORKERS;
    inproc_start(&sim, &geometry, n_packets, 64, N_DEVS);
    inproc_attach(&sim);
    CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
}

static void
go(int worker)
{
    agl_worker_round(sim.nic->team.workers[worker]);
}

static uint64_t
counter(enum agilio_counter c)
{
    return inproc_counter(&sim, c);
}

/* A frame with number 'n' in it appears at device 'dev'. */
static void
inject(uint32_t dev, uint32_t n)
{
    uint8_t frame[60] = { [12] = 0x88, [13] = 0xb5 };

    memcpy(&frame[20], &n, sizeof n);
    CHECK(inproc_inject(&sim, dev, frame, sizeof frame));
}

/* The number in frame 'i' that 'dev' sent. */
static uint32_t
sent(uint32_t dev, uint32_t i)
{
    uint32_t n;

    memcpy(&n, &devs[dev].tx[i][20], sizeof n);
    return n;
}

static struct agilio_action_output
output_to(uint32_t dev)
{
    return (struct agilio_action_output) {
        .action = { agilio_to_le16(AGILIO_ACTION_OUTPUT),
                    agilio_to_le16(sizeof(struct agilio_action_output)) },
        .port = agilio_to_le32(ids[dev]),
    };
}

/* The body of a FLOW_PUT: all from device 'from' does 'program'. */
static size_t
flow_body(uint8_t *body, uint32_t id, uint32_t from, const void *program,
          size_t len)
{
    const struct agilio_key key = { .md.in_port = agilio_to_le32(ids[from]) };
    const struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };

    return inproc_flow_body(body, id, &key, &mask, program, len);
}

static int
put(uint32_t id, uint32_t from, const void *program, size_t len)
{
    uint8_t body[AGILIO_MAX_MSG];
    size_t n = flow_body(body, id, from, program, len);

    return inproc_ask(&sim, AGILIO_MSG_FLOW_PUT, body, n, NULL);
}

static int
put_output(uint32_t id, uint32_t from, uint32_t to)
{
    struct agilio_action_output output = output_to(to);

    return put(id, from, &output, sizeof output);
}

/* Flow 'id's packets, in the row of each worker. */
static uint64_t
flow_packets(uint32_t id, uint32_t worker)
{
    return agilio_from_le64(sim.region.flows[worker * 64 + id].packets);
}

/* Whether the NIC has answered; what, goes to '*error'. */
static bool
answered(int *error)
{
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_reader r;
    struct agilio_msg msg;

    agl_control_run(sim.nic);
    if (!agilio_msg_receive(&sim.reply, buf, &msg, &r)) {
        return false;
    }
    *error = agilio_from_le16(msg.flags) & AGILIO_MSG_F_ERROR
             ? (int) agilio_get_u32(&r) : 0;
    return true;
}

/* ## ----- ##
 * ## Tests ##
 * ## ----- ## */

static void
test_hand_over(void)
{
    struct agilio_port_stats stats;

    start(64);
    CHECK(!put_output(1, 0, 1));
    CHECK(!put_output(2, 1, 3));
    inject(0, 7);
    inject(0, 8);
    inject(1, 9);
    go(0);
    CHECK(!devs[1].n_tx && !devs[3].n_tx);
    go(1);
    CHECK(devs[1].n_tx == 2 && sent(1, 0) == 7 && sent(1, 1) == 8);
    go(0);
    CHECK(devs[3].n_tx == 1 && sent(3, 0) == 9);

    CHECK(counter(AGILIO_COUNTER_CARRIED) == 3);
    CHECK(flow_packets(1, 0) == 2 && !flow_packets(1, 1));
    CHECK(flow_packets(2, 1) == 1 && !flow_packets(2, 0));
    agl_region_port_stats(&sim.region, 1, &stats);
    CHECK(agilio_from_le64(stats.tx_packets) == 2);
    CHECK(agilio_from_le64(stats.tx_bytes) == 120);
    CHECK(agilio_from_le64(stats.rx_packets) == 1);
    inproc_stop(&sim);          /* Checks that all buffers are back. */
}

/* To two ports of two workers, one of which refuses it. */
static void
test_copies(void)
{
    struct agilio_action_output outputs[3];

    start(64);
    for (uint32_t i = 0; i < 3; i++) {
        outputs[i] = output_to(i + 1);
    }
    CHECK(!put(1, 0, outputs, sizeof outputs));
    devs[2].refuse = true;
    inject(0, 5);
    inproc_settle(&sim);
    CHECK(devs[1].n_tx == 1 && sent(1, 0) == 5);
    CHECK(!devs[2].n_tx);
    CHECK(devs[3].n_tx == 1 && sent(3, 0) == 5);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_ERROR) == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 1);
    inproc_stop(&sim);
}

/* A worker that does not run keeps nobody from running: what there is no room
 * for is dropped and counted, the rest arrives, in order. */
static void
test_full(void)
{
    const uint32_t n = AGL_HANDOVER + 2 * AGL_BURST;
    struct agilio_port_stats stats;
    uint32_t i, next = 0;

    start(1024);
    CHECK(!put_output(1, 0, 1));
    for (i = 0; i < n; i++) {
        inject(0, i);
        go(0);
    }
    CHECK(counter(AGILIO_COUNTER_DROP_WORKER_FULL) == 2 * AGL_BURST);
    agl_region_port_stats(&sim.region, 1, &stats);
    CHECK(agilio_from_le64(stats.tx_dropped) == 2 * AGL_BURST);

    devs[1].room = AGL_HANDOVER;
    go(1);
    CHECK(devs[1].n_tx == AGL_HANDOVER);
    for (i = 0; i < INPROC_QUEUE; i++) {
        CHECK(sent(1, i) == next++);
    }
    inject(0, n);
    go(0);
    inproc_clear_tx(&sim);
    go(1);
    CHECK(devs[1].n_tx == 1 && sent(1, 0) == n);
    CHECK(counter(AGILIO_COUNTER_DROP_WORKER_FULL) == 2 * AGL_BURST);
    inproc_stop(&sim);
}

/* What has been handed over goes before the port does. */
static void
test_port_gone(void)
{
    start(64);
    CHECK(!put_output(1, 0, 1));
    inject(0, 1);
    go(0);
    CHECK(agl_nic_port_del(sim.nic, "p1"));
    inject(0, 2);
    inproc_settle(&sim);
    CHECK(devs[1].n_tx == 1 && sent(1, 0) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 1);
    inproc_stop(&sim);
}

/* A flow is there when all workers have it; it is gone when none has. */
static void
test_all_or_none(void)
{
    uint8_t body[AGILIO_MAX_MSG];
    agilio_le32 id = agilio_to_le32(1);
    int error = -1;
    size_t len;

    start(64);
    len = flow_body(body, 1, 0, "", 0);
    CHECK(inproc_tell(&sim, AGILIO_MSG_FLOW_PUT, body, len));
    agl_control_run(sim.nic);
    for (int i = 0; i < N_WORKERS; i++) {
        CHECK(!answered(&error));
        go(i);
    }
    CHECK(answered(&error) && !error);

    CHECK(inproc_tell(&sim, AGILIO_MSG_FLOW_DEL, &id, sizeof id));
    agl_control_run(sim.nic);
    for (int i = N_WORKERS - 1; i >= 0; i--) {
        CHECK(!answered(&error));
        go(i);
    }
    CHECK(answered(&error) && !error);
    CHECK(inproc_del_flow(&sim, 1) == AGILIO_E_NOENT);
    inproc_stop(&sim);
}

/* The last worker has no memory for the flow's mask. */
static void
test_out_of_memory(void)
{
    uint8_t body[AGILIO_MAX_MSG];
    unsigned int n_blocks;
    int error = -1;
    size_t len;

    start(64);
    len = flow_body(body, 1, 0, "", 0);
    n_blocks = env_n_blocks;
    CHECK(inproc_tell(&sim, AGILIO_MSG_FLOW_PUT, body, len));
    agl_control_run(sim.nic);
    go(0);
    go(1);
    env_fail_at = 1;
    go(2);
    CHECK(answered(&error) && error == AGILIO_E_NOBUFS);
    CHECK(env_n_blocks == n_blocks);
    for (int i = 0; i < N_WORKERS; i++) {
        CHECK(!agl_flow_table_n_flows(sim.nic->team.workers[i]->table));
    }

    /* Nor is there any for the copies of the flow. */
    for (unsigned int i = 1; i <= 4; i++) {
        env_fail_at = i;
        CHECK(inproc_ask(&sim, AGILIO_MSG_FLOW_PUT, body, len, NULL)
              == AGILIO_E_NOBUFS);
    }
    CHECK(!env_fail_at && env_n_blocks == n_blocks);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_FLOW_PUT, body, len, NULL));
    inproc_stop(&sim);
}

/* A flow is replaced, with memory for it on the first two only: the old one
 * may stay where it was, but nobody is left with the new one. */
static void
test_replace_out_of_memory(void)
{
    struct agilio_action_output output;
    struct agilio_key key = { .md.in_port = 0 }, mask = key;
    uint8_t body[AGILIO_MAX_MSG];
    int error = -1;
    size_t len;

    start(64);
    CHECK(!put_output(1, 0, 3));
    output = output_to(1);
    key.md.in_port = agilio_to_le32(ids[0]);
    mask.md.in_port = mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    mask.eth_type = agilio_to_be16(UINT16_MAX);
    key.eth_type = agilio_to_be16(0x88b5);
    len = inproc_flow_body(body, 1, &key, &mask, &output, sizeof output);
    CHECK(inproc_tell(&sim, AGILIO_MSG_FLOW_PUT, body, len));
    agl_control_run(sim.nic);
    go(0);
    go(1);
    env_fail_at = 1;
    go(2);
    CHECK(answered(&error) && error == AGILIO_E_NOBUFS);
    inject(0, 1);
    inproc_settle(&sim);
    CHECK(!devs[1].n_tx && !devs[3].n_tx);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 1);
    CHECK(!inproc_del_flow(&sim, 1));
    CHECK(inproc_del_flow(&sim, 1) == AGILIO_E_NOENT);
    inproc_stop(&sim);
}

/* What one worker's flow may use of a meter, the other's may not use again. */
static void
test_meter(void)
{
    struct {
        struct agilio_action_meter meter;
        struct agilio_action_output output;
    } program = {
        .meter = {
            .action = { agilio_to_le16(AGILIO_ACTION_METER),
                        agilio_to_le16(sizeof program.meter) },
            .meter = agilio_to_le32(0x10001),
        },
    };
    uint8_t body[64];
    struct agilio_writer w = { body, body + sizeof body, false };

    start(64);
    program.output = output_to(2);
    agilio_put_u32(&w, 0x10001);
    agilio_put_u16(&w, AGILIO_METER_PKTPS);
    agilio_put_u16(&w, 1);
    agilio_put_u32(&w, 1000);   /* Rate, packets/s. */
    agilio_put_u32(&w, 5);      /* Burst. */
    CHECK(!inproc_ask(&sim, AGILIO_MSG_METER_SET, body, (size_t) (w.p - body),
                      NULL));
    CHECK(!put(1, 0, &program, sizeof program));
    CHECK(!put(2, 1, &program, sizeof program));
    for (uint32_t i = 0; i < 4; i++) {
        inject(0, i);
        inject(1, i);
    }
    inproc_settle(&sim);
    CHECK(devs[2].n_tx == 5);
    CHECK(counter(AGILIO_COUNTER_DROP_METER) == 3);
    CHECK(agilio_from_le64(sim.region.meters[1].in.packets) == 8);
    CHECK(agilio_from_le64(sim.region.meters[1].bands[0].packets) == 3);

    sim.clock += 2000000;       /* 2 ms: two more packets. */
    for (uint32_t i = 0; i < 2; i++) {
        inject(0, i);
        inject(1, i);
    }
    inproc_settle(&sim);
    CHECK(devs[2].n_tx == 7);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_FLOW_FLUSH, NULL, 0, NULL));
    CHECK(inproc_ask(&sim, AGILIO_MSG_METER_DEL, body, 4, NULL)
          == AGILIO_E_NOENT);
    inproc_stop(&sim);
}

/* A dump goes through the trackers of all workers. */
static void
test_tracker_dump(void)
{
    uint8_t out[AGILIO_MAX_MSG];
    agilio_le32 body[2] = { 0, agilio_to_le32(2) };
    agilio_le32 head[2];
    uint32_t n = 0, turns = 0;

    start(64);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(!put(1 + i, i, "", 0));
        inject(i, i);
    }
    inproc_settle(&sim);
    do {
        CHECK(!inproc_ask(&sim, AGILIO_MSG_TRACKER_DUMP, body, sizeof body,
                          out));
        memcpy(head, out, sizeof head);
        n += agilio_from_le32(head[1]);
        body[0] = head[0];
    } while (agilio_from_le32(head[0]) && ++turns < 100);
    CHECK(n == N_DEVS);
    body[0] = agilio_to_le32(N_WORKERS << 28);
    CHECK(inproc_ask(&sim, AGILIO_MSG_TRACKER_DUMP, body, sizeof body, out)
          == AGILIO_E_INVAL);
    inproc_stop(&sim);
}

/* Who hands over wakes who sleeps; who has something does not fall asleep. */
static void
test_sleep(void)
{
    struct agl_worker *w;

    start(64);
    w = sim.nic->team.workers[1];
    CHECK(!put_output(1, 0, 1));
    CHECK(agl_worker_sleep(w));
    sim.n_wakes = 0;
    inject(2, 1);               /* Not for worker 1. */
    go(2);
    CHECK(!sim.n_wakes);
    inject(0, 1);
    go(0);
    CHECK(sim.n_wakes == 1);
    agl_worker_awake(w);
    CHECK(!agl_worker_sleep(w));
    agl_worker_awake(w);
    go(1);
    CHECK(devs[1].n_tx == 1);
    CHECK(agl_worker_sleep(w));
    agl_worker_awake(w);
    inproc_stop(&sim);
}

/* The host's clock goes when all workers do. */
static void
test_clock(void)
{
    const agilio_le64 *clock;

    start(64);
    clock = &sim.region.header->clock;
    sim.clock = 5000000;
    inproc_settle(&sim);
    CHECK(agilio_from_le64(*clock) == 5000000);
    sim.clock = 9000000;
    go(0);
    go(1);
    go(0);
    CHECK(agilio_from_le64(*clock) == 5000000);
    go(2);
    go(0);
    CHECK(agilio_from_le64(*clock) == 9000000);
    inproc_stop(&sim);
}

/* The host's packets go by the worker that has the port; a new host finds all
 * rings empty, those of all workers. */
static void
test_host(void)
{
    static uint8_t record[AGILIO_MAX_RECORD];
    uint8_t frame[60] = { 0 };

    start(64);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        inject(i, i);
        CHECK(inproc_send(&sim, i, ids[i], 0, frame, sizeof frame));
        /* By another port's ring it gets there too. */
        CHECK(inproc_send(&sim, i, ids[(i + 1) % N_DEVS], 0, frame,
                          sizeof frame));
    }
    inproc_settle(&sim);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(devs[i].n_tx == 2);
        CHECK(inproc_take(&sim, i, record));
        inject(i, i);
    }
    inproc_settle(&sim);
    agl_nic_host_gone(sim.nic);
    inproc_attach(&sim);
    for (uint32_t i = 0; i < N_DEVS; i++) {
        CHECK(!inproc_take(&sim, i, record));
    }
    inproc_stop(&sim);
}

int
main(void)
{
    RUN(test_hand_over);
    RUN(test_copies);
    RUN(test_full);
    RUN(test_port_gone);
    RUN(test_all_or_none);
    RUN(test_out_of_memory);
    RUN(test_replace_out_of_memory);
    RUN(test_meter);
    RUN(test_tracker_dump);
    RUN(test_sleep);
    RUN(test_clock);
    RUN(test_host);
    return summary();
}
