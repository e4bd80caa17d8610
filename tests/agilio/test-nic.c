/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-nic.c - the whole NIC in one thread: frames in, frames out.
 *
 * The devices are queues, the region is memory, the host is this test
 * (inproc-nic.h), which talks to the NIC through the region's rings and
 * nothing else.  Each row of AGILIO_COUNTERS that is a drop or a fallback has
 * its test here, but for those that one action raises.
 */

#include <config.h>

#include "inproc-nic.h"

#include "check.h"
#include "jhash.h"

#define IN 0
#define OUT 1
#define N_DEVS 3

static struct inproc sim;
static struct inproc_dev *const devs = sim.devs;
static uint32_t *const ids = sim.ids;

/* Starts a NIC with N_DEVS ports; 'host': one is attached. */
static void
start(uint32_t n_packets, bool host)
{
    inproc_start(&sim, &inproc_geometry, n_packets, 256, N_DEVS);
    if (host) {
        inproc_attach(&sim);
        CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    }
}

static void
stop(void)
{
    inproc_stop(&sim);
}

static void
settle(void)
{
    inproc_settle(&sim);
}

static uint64_t
counter(enum agilio_counter c)
{
    return inproc_counter(&sim, c);
}

static int
ask(enum agilio_msg_type type, const void *body, size_t len, void *out)
{
    return inproc_ask(&sim, type, body, len, out);
}

static int
hello(uint8_t answer[16])
{
    return inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, answer);
}

/* A frame of 'len' bytes to 'dst' appears at device 'dev'. */
static void
inject(int dev, uint8_t dst, uint32_t len)
{
    uint8_t frame[4096] = { [5] = dst, [12] = 0x88, [13] = 0xb5 };

    CHECK(inproc_inject(&sim, dev, frame, len));
}

#define ACTION(ENUM, STRUCT, MEMBER, VALUE)                             \
    (struct agilio_action_##STRUCT) {                                   \
        .action = { agilio_to_le16(AGILIO_ACTION_##ENUM),               \
                    agilio_to_le16(sizeof(struct agilio_action_##STRUCT)) }, \
        .MEMBER = agilio_to_le32(VALUE)                                 \
    }

/* Puts flow 'id': frames from IN to MAC ::dst, with 'len' bytes of
 * 'program'. */
static int
put_flow(uint32_t id, uint8_t dst, const void *program, size_t len)
{
    const struct agilio_key key = {
        .md.in_port = agilio_to_le32(ids[IN]),
        .eth_dst = { [5] = dst },
    };
    struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };

    memset(mask.eth_dst, 0xff, sizeof mask.eth_dst);
    return inproc_put_flow(&sim, id, &key, &mask, program, len);
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
    return inproc_del_flow(&sim, id);
}

/* Takes one record off port 'i's ring; returns the frame's length. */
static uint32_t
take(int i, struct agilio_desc *desc)
{
    static uint8_t record[AGILIO_MAX_RECORD];
    uint32_t len = inproc_take(&sim, i, record);

    if (!len) {
        return 0;
    }
    memcpy(desc, record, sizeof *desc);
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
    stats = &sim.region.flows[5];
    CHECK(!put_output(5, 9, &ids[OUT], 1));
    inject(IN, 9, 60);
    inject(IN, 9, 100);
    sim.clock = 5000;
    settle();
    CHECK(devs[OUT].n_tx == 2 && devs[OUT].tx_len[1] == 100);
    CHECK(counter(AGILIO_COUNTER_L2_HIT) == 1);
    CHECK(counter(AGILIO_COUNTER_L1_HIT) == 1);
    CHECK(counter(AGILIO_COUNTER_LEARNED) == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 2);
    CHECK(agilio_from_le64(stats->packets) == 2);
    CHECK(agilio_from_le64(stats->bytes) == 160);
    CHECK(agilio_from_le64(stats->used) == 5000);
    CHECK(agilio_from_le64(sim.region.port_stats[IN].rx_packets) == 2);
    CHECK(agilio_from_le64(sim.region.port_stats[OUT].tx_bytes) == 160);

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

/* More microflows than the tracker has entries. */
static void
test_evict(void)
{
    struct agilio_key key = { .eth_src = { [5] = 0xaa } };
    struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };
    uint8_t frame[60] = { [12] = 0x88, [13] = 0xb5 };

    start(64, true);
    key.md.in_port = agilio_to_le32(ids[IN]);
    memset(mask.eth_src, 0xff, sizeof mask.eth_src);
    CHECK(!inproc_put_flow(&sim, 1, &key, &mask, "", 0));
    memset(key.eth_src, 0, sizeof key.eth_src);
    memset(mask.eth_src, 0, sizeof mask.eth_src);
    CHECK(!inproc_put_flow(&sim, 2, &key, &mask, "", 0));
    for (int i = 0; i < 1000; i++) {
        frame[6] = (uint8_t) (i >> 8);
        frame[7] = (uint8_t) i;
        CHECK(inproc_inject(&sim, IN, frame, sizeof frame));
        settle();
    }
    CHECK(counter(AGILIO_COUNTER_LEARNED) == 1000);
    CHECK(counter(AGILIO_COUNTER_EVICTED)
          >= 1000 - agl_tracker_capacity(sim.nic->team.workers[0]->tracker));
    CHECK(counter(AGILIO_COUNTER_EVICTED) < 1000);
    stop();
}

/* Port IN floods with flows that are all new, port 2 has one that is known.
 * Each has its queue full at all times. */
static void
flood(uint32_t *next, uint32_t n_known)
{
    uint8_t frame[60] = { [12] = 0x88, [13] = 0xb5 };

    while (devs[IN].n_rx < INPROC_QUEUE) {
        memcpy(&frame[6], next, sizeof *next);
        ++*next;
        CHECK(inproc_inject(&sim, IN, frame, sizeof frame));
    }
    while (devs[2].n_rx < n_known) {
        inject(2, 9, 60);
    }
    agl_worker_round(sim.nic->team.workers[0]);
    inproc_clear_tx(&sim);
}

/* A worker whose hands are full with known flows has little time for a port
 * that brings only new ones; but some, and all as soon as they are not. */
static void
test_flood(void)
{
    struct agilio_action_output output = ACTION(OUTPUT, output, port, 0);
    struct agilio_key key = { .md.in_port = 0 }, mask = key;
    const struct agilio_port_stats *stats;
    uint64_t before[N_DEVS], after[N_DEVS];
    uint32_t next = 1;

    start(256, true);
    stats = sim.region.port_stats;
    mask.md.in_port = mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    memset(mask.eth_src, 0xff, sizeof mask.eth_src);
    key.md.in_port = agilio_to_le32(ids[2]);
    output.port = agilio_to_le32(ids[OUT]);
    CHECK(!inproc_put_flow(&sim, 1, &key, &mask, &output, sizeof output));
    memset(mask.eth_src, 0, sizeof mask.eth_src);
    key.md.in_port = agilio_to_le32(ids[IN]);
    CHECK(!inproc_put_flow(&sim, 2, &key, &mask, "", 0));
    inject(2, 9, 60);
    settle();
    flood(&next, INPROC_QUEUE);
    flood(&next, INPROC_QUEUE);
    for (int i = 0; i < N_DEVS; i++) {
        before[i] = agilio_from_le64(stats[i].rx_packets);
    }
    for (int i = 0; i < 160; i++) {
        flood(&next, INPROC_QUEUE);
    }
    for (int i = 0; i < N_DEVS; i++) {
        after[i] = agilio_from_le64(stats[i].rx_packets);
    }
    CHECK(after[2] - before[2] == 160 * AGL_BURST);
    CHECK(after[IN] - before[IN] == 160 / 16 * 4);

    /* The other port leaves something. */
    flood(&next, AGL_BURST - 1);
    devs[2].n_rx = 0;
    flood(&next, 1);
    before[IN] = agilio_from_le64(stats[IN].rx_packets);
    flood(&next, 1);
    CHECK(agilio_from_le64(stats[IN].rx_packets) - before[IN] == AGL_BURST);

    /* The tracker knew no packet of the flood, and all but the first of the
     * other port's. */
    CHECK(counter(AGILIO_COUNTER_L2_HIT) == agilio_from_le64(
              stats[IN].rx_packets) + 1);
    stop();
}

static void
test_miss(void)
{
    struct agilio_desc desc = { .len = 0 };

    start(64, true);
    sim.clock = 7000;
    inject(IN, 1, 70);
    agilio_ring_sleep(&sim.from_nic[IN]);
    settle();
    CHECK(sim.n_kicks[AGILIO_VECTOR_PACKETS] == 1);
    CHECK(take(IN, &desc) == 70);
    CHECK(agilio_from_le32(desc.port) == ids[IN]);
    CHECK(agilio_from_le32(desc.reason) == AGILIO_FALLBACK_MISS);
    CHECK(agilio_from_le64(desc.timestamp) == 7000);
    CHECK(!take(IN, &desc) && !sim.from_nic[IN].broken);
    stop();
}

static void
test_to_host(void)
{
    struct agilio_action_to_host program = {
        .action = { agilio_to_le16(AGILIO_ACTION_TO_HOST),
                    agilio_to_le16(sizeof program) },
    };
    struct agilio_desc desc = { .len = 0 };

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
    /* It is for the host to count. */
    CHECK(agilio_from_le64(sim.region.flows[1].packets) == 0);
    stop();
}

static void
test_host_tx(void)
{
    uint8_t frame[60] = { 0 };

    start(64, true);
    CHECK(inproc_send(&sim, OUT, ids[OUT], 0, frame, sizeof frame));
    CHECK(inproc_send(&sim, OUT, 0x12340001, 0, frame, sizeof frame));
    CHECK(inproc_send(&sim, OUT, ids[OUT], 1, frame, sizeof frame));
    settle();
    CHECK(devs[OUT].n_tx == 1 && devs[OUT].tx_len[0] == 60);
    CHECK(counter(AGILIO_COUNTER_HOST_TX) == 2);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_HOST_BAD) == 1);

    /* No port is no port, not an empty slot. */
    CHECK(agl_nic_port_del(sim.nic, "p0"));
    CHECK(inproc_send(&sim, OUT, AGILIO_PORT_NONE, 0, frame, sizeof frame));
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
    CHECK(agilio_from_le64(sim.region.port_stats[IN].rx_dropped) == 1);
    stop();
}

static void
test_drops_to_host(void)
{
    struct agilio_desc desc = { .len = 0 };

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
    struct {
        struct agilio_action pop_eth;
        struct agilio_action_output output;
    } naked = {
        .pop_eth = { agilio_to_le16(AGILIO_ACTION_POP_ETH),
                     agilio_to_le16(sizeof naked.pop_eth) },
    };
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
    CHECK(agilio_from_le64(sim.region.port_stats[OUT].tx_errors) == 1);
    CHECK(agilio_from_le64(sim.region.port_stats[OUT].tx_packets) == 2);

    /* A packet without Ethernet header is no frame. */
    devs[OUT].refuse = false;
    naked.output = ACTION(OUTPUT, output, port, ids[OUT]);
    CHECK(!put_flow(4, 4, &naked, sizeof naked));
    inject(IN, 4, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_ERROR) == 2);
    CHECK(agilio_from_le64(sim.region.port_stats[OUT].tx_errors) == 2);
    CHECK(agilio_from_le64(sim.region.port_stats[OUT].tx_packets) == 2);

    devs[OUT].status.link_up = false;
    agl_nic_refresh_ports(sim.nic);
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_TX_DOWN) == 1);
    CHECK(agilio_from_le64(sim.region.port_stats[OUT].tx_dropped) == 3);
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
    for (int i = 0; i < 5; i++) {
        CHECK(inproc_send(&sim, OUT, ids[2], 0, frame, sizeof frame));
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
        .md.in_port = agilio_to_le32(ids[IN]),
        .md.recirc_id = agilio_to_le32(recirc_id),
    };
    const struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };

    return inproc_put_flow(&sim, id, &key, &mask, program, len);
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
    struct {
        struct agilio_desc desc;
        struct agilio_metadata md;
        uint8_t frame[AGILIO_MAX_RECORD];
    } record;

    start(64, true);
    first.output = ACTION(OUTPUT, output, port, ids[2]);
    first.hash = ACTION(HASH, hash, basis, 5);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put_recirc_flow(1, 0, &first, sizeof first));
    inject(IN, 1, 60);
    settle();
    CHECK(devs[2].n_tx == 1 && devs[OUT].n_tx == 0);
    CHECK(inproc_take(&sim, IN, &record)
          == sizeof record.desc + sizeof record.md + 60);
    CHECK(agilio_from_le16(record.desc.flags) == AGILIO_DESC_RESUMED);
    CHECK(agilio_from_le16(record.desc.meta_len) == sizeof record.md);
    CHECK(agilio_from_le32(record.desc.hash) != 0);
    CHECK(agilio_from_le32(record.md.recirc_id) == 7);
    CHECK(agilio_from_le32(record.md.in_port) == ids[IN]);
    CHECK(agilio_from_le32(record.md.dp_hash) != 0);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 0);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 1);

    first.output = ACTION(OUTPUT, output, port, ids[OUT]);
    CHECK(!put_recirc_flow(2, 7, &first, sizeof first.output));
    inject(IN, 1, 60);
    settle();
    CHECK(devs[2].n_tx == 2 && devs[OUT].n_tx == 1);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 1);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 2);
    CHECK(agilio_from_le64(sim.region.flows[1].packets) == 2);
    CHECK(agilio_from_le64(sim.region.flows[2].packets) == 1);

    /* Round and round: at most six times. */
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put_recirc_flow(2, 7, &first.recirc, sizeof first.recirc));
    inject(IN, 1, 60);
    settle();
    CHECK(counter(AGILIO_COUNTER_DROP_RECIRC) == 1);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 2 + AGILIO_MAX_RECIRC);
    stop();
}

/* How passes found their flows; those that follow a path look up nothing. */
static bool
looked_up(uint64_t l1, uint64_t l2)
{
    return (counter(AGILIO_COUNTER_L1_HIT) == l1
            && counter(AGILIO_COUNTER_L2_HIT) == l2
            && counter(AGILIO_COUNTER_LEARNED) == l2);
}

/* A UDP packet, from a host that ends in 'src'. */
static void
inject_udp(uint8_t src)
{
    const uint8_t frame[60] = {
        [12] = 0x08, [14] = 0x45, [17] = 46, [22] = 64, [23] = 17, [29] = src,
        [39] = 26,
    };

    CHECK(inproc_inject(&sim, IN, frame, sizeof frame));
}

static void
carry_one(uint8_t src)
{
    inject_udp(src);
    settle();
}

/* One lookup for all passes of a packet, as long as its flows are there. */
static void
test_traversal(void)
{
    struct agilio_action_recirc to_7 = ACTION(RECIRC, recirc, recirc_id, 7);
    struct agilio_action_recirc to_8 = ACTION(RECIRC, recirc, recirc_id, 8);
    struct agilio_action_output out = ACTION(OUTPUT, output, port, ids[OUT]);

    start(64, true);
    out.port = agilio_to_le32(ids[OUT]);
    CHECK(!put_recirc_flow(1, 0, &to_7, sizeof to_7));
    CHECK(!put_recirc_flow(2, 7, &to_8, sizeof to_8));
    carry_one(1);
    CHECK(looked_up(0, 2));             /* As far as there are flows. */
    CHECK(!put_recirc_flow(3, 8, &out, sizeof out));
    carry_one(1);
    CHECK(looked_up(1, 3));
    carry_one(1);
    CHECK(looked_up(2, 3));
    CHECK(agilio_from_le64(sim.region.flows[1].packets) == 3);
    CHECK(agilio_from_le64(sim.region.flows[2].packets) == 3);
    CHECK(agilio_from_le64(sim.region.flows[3].packets) == 2);
    CHECK(devs[OUT].n_tx == 2);

    CHECK(!del_flow(3));
    carry_one(1);
    CHECK(looked_up(3, 3) && counter(AGILIO_COUNTER_FALLBACK_MISS) == 2);
    CHECK(!put_recirc_flow(4, 8, &out, sizeof out));
    carry_one(1);
    carry_one(1);
    CHECK(looked_up(5, 4) && devs[OUT].n_tx == 4);
    stop();
}

/* The port of a tunnel. */
#define TUNNEL (AGILIO_PORT_HOST | 5)

/* Flow 1 takes VXLAN out of its tunnel; another is what comes out of it with
 * 'vni', and goes to the port OUT. */
static int
put_pop_flow(void)
{
    const struct agilio_key key = {
        .md.in_port = agilio_to_le32(ids[IN]),
        .tp_dst = agilio_to_be16(4789),
    };
    const struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
        .tp_dst = agilio_to_be16(UINT16_MAX),
    };
    struct agilio_action_tunnel_pop pop = ACTION(TUNNEL_POP, tunnel_pop, type,
                                                 AGILIO_TUNNEL_VXLAN);

    pop.port = agilio_to_le32(TUNNEL);
    return inproc_put_flow(&sim, 1, &key, &mask, &pop, sizeof pop);
}

static int
put_inner_flow(uint32_t id, uint64_t vni)
{
    struct agilio_action_output out = ACTION(OUTPUT, output, port, ids[OUT]);
    const struct agilio_key key = {
        .md.in_port = agilio_to_le32(TUNNEL),
        .md.tunnel.id = agilio_to_be64(vni),
    };
    const struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
        .md.tunnel.id = agilio_to_be64(UINT64_MAX),
    };

    return inproc_put_flow(&sim, id, &key, &mask, &out, sizeof out);
}

/* A UDP packet in VXLAN; 'ttl' 64 has the right checksum. */
static void
carry_vxlan(uint8_t vni, uint8_t ttl)
{
    const uint8_t frame[110] = {
        [12] = 0x08, [14] = 0x45, [17] = 96, [22] = ttl, [23] = 17,
        [24] = 0x66, [25] = 0x8b, [26] = 10, 0, 0, 1, 10, 0, 0, 2,
        [36] = 0x12, 0xb5, [39] = 76, [42] = 8, [48] = vni,
        [62] = 0x08, [64] = 0x45, [67] = 46, [72] = 64, [73] = 17,
        [89] = 26,
    };

    CHECK(inproc_inject(&sim, IN, frame, sizeof frame));
    settle();
}

/* One lookup for a packet and the one in it, as long as both flows are
 * there; each flow counts what it saw. */
static void
test_tunnel(void)
{
    struct {
        struct agilio_desc desc;
        struct agilio_metadata md;
        uint8_t frame[AGILIO_MAX_RECORD];
    } record;

    start(64, true);
    CHECK(!put_pop_flow());
    CHECK(!put_inner_flow(2, 42));
    carry_vxlan(42, 64);
    CHECK(looked_up(0, 2));
    carry_vxlan(42, 64);
    carry_vxlan(42, 64);
    CHECK(looked_up(2, 2) && devs[OUT].n_tx == 3);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 3);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 3);
    for (uint32_t id = 1; id <= 2; id++) {
        CHECK(agilio_from_le64(sim.region.flows[id].packets) == 3);
        CHECK(agilio_from_le64(sim.region.flows[id].bytes)
              == (id == 1 ? 330 : 180));
    }

    /* One of a bad checksum looks the same to the policy, and is malformed. */
    carry_vxlan(42, 63);
    carry_vxlan(42, 63);
    CHECK(counter(AGILIO_COUNTER_DROP_TUNNEL) == 2 && devs[OUT].n_tx == 3);

    /* Another tunnel: the host gets what was in it, where it has got to. */
    carry_vxlan(43, 64);
    carry_vxlan(43, 64);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 2);
    for (int i = 0; i < 2; i++) {
        CHECK(inproc_take(&sim, IN, &record)
              == sizeof record.desc + sizeof record.md + 60);
        CHECK(agilio_from_le32(record.md.in_port) == TUNNEL);
        CHECK(agilio_from_be64(record.md.tunnel.id) == 43);
    }

    /* The inner flow goes, and comes back. */
    CHECK(!del_flow(2));
    carry_vxlan(42, 64);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 3 && devs[OUT].n_tx == 3);
    CHECK(!put_inner_flow(3, 42));
    carry_vxlan(42, 64);
    carry_vxlan(42, 64);
    CHECK(devs[OUT].n_tx == 5);
    CHECK(agilio_from_le64(sim.region.flows[3].packets) == 2);

    /* So does the outer one: then nothing is taken out of anything. */
    CHECK(!del_flow(1));
    carry_vxlan(42, 64);
    CHECK(devs[OUT].n_tx == 5);
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 4);
    stop();
}

/* Puts flow 'id': what comes to recirculation 7 with an odd or even dp_hash
 * goes to port 'out'. */
static int
put_hashed_flow(uint32_t id, uint32_t odd, int out)
{
    struct agilio_action_output program = ACTION(OUTPUT, output, port,
                                                 ids[out]);
    const struct agilio_key key = {
        .md.in_port = agilio_to_le32(ids[IN]),
        .md.recirc_id = agilio_to_le32(7),
        .md.dp_hash = agilio_to_le32(odd),
    };
    const struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
        .md.dp_hash = agilio_to_le32(1),
    };

    return inproc_put_flow(&sim, id, &key, &mask, &program, sizeof program);
}

/* Where packets that look the same part, each goes its own way. */
static void
test_traversal_parts(void)
{
    struct {
        struct agilio_action_hash hash;
        struct agilio_action_recirc recirc;
    } first;
    uint64_t n_l1;

    start(64, true);
    first.hash = ACTION(HASH, hash, basis, 5);
    first.hash.alg = agilio_to_le32(AGILIO_HASH_SYM_L4);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put_recirc_flow(1, 0, &first, sizeof first));
    CHECK(!put_hashed_flow(2, 0, OUT));
    CHECK(!put_hashed_flow(3, 1, 2));
    for (uint8_t i = 0; i < 100; i++) {
        carry_one(i);
    }
    CHECK(devs[OUT].n_tx > 10 && devs[2].n_tx > 10);
    CHECK(devs[OUT].n_tx + devs[2].n_tx == 100);
    CHECK(agilio_from_le64(sim.region.flows[2].packets) == devs[OUT].n_tx);
    CHECK(agilio_from_le64(sim.region.flows[3].packets) == devs[2].n_tx);
    /* The first packet asked twice for the masks, the first that went another
     * way once; all others knew their way from lookup to lookup. */
    n_l1 = counter(AGILIO_COUNTER_L1_HIT);
    carry_one(0);
    CHECK(looked_up(n_l1 + 2, 3));
    stop();
}

/* The host that wants it is given the hash from which the NIC's kernel hash
 * starts, whatever the packet is; the NIC's is what Linux would make of it. */
static void
test_kernel_hash(void)
{
    struct {
        struct agilio_action_hash hash;
        struct agilio_action_recirc recirc;
    } first;
    uint8_t record[AGILIO_MAX_RECORD];
    struct agilio_metadata md;
    agilio_le32 options[] = { agilio_to_le32(2), agilio_to_le32(2) };
    struct agilio_desc desc = { .len = 0 };
    uint32_t word;

    start(64, true);
    carry_one(1);
    CHECK(take(IN, &desc) && !agilio_from_le32(desc.hash));
    CHECK(ask(AGILIO_MSG_OPTIONS, options, 8, NULL) == AGILIO_E_INVAL);
    options[1] = agilio_to_le32(AGILIO_OPTION_HASH);
    CHECK(!ask(AGILIO_MSG_OPTIONS, options, 8, NULL));
    carry_one(1);
    CHECK(take(IN, &desc));
    word = agilio_from_le32(desc.hash);
    CHECK(word);

    first.hash = ACTION(HASH, hash, basis, 5);
    first.hash.alg = agilio_to_le32(AGILIO_HASH_KERNEL + 1);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(put_recirc_flow(1, 0, &first, sizeof first) == AGILIO_E_INVAL);
    first.hash.alg = agilio_to_le32(AGILIO_HASH_KERNEL);
    CHECK(!put_recirc_flow(1, 0, &first, sizeof first));
    carry_one(1);
    CHECK(inproc_take(&sim, IN, record) > sizeof desc + sizeof md);
    memcpy(&desc, record, sizeof desc);
    memcpy(&md, record + sizeof desc, sizeof md);
    CHECK(agilio_from_le32(desc.hash) == word);
    CHECK(agilio_from_le32(md.dp_hash) == jhash_words(&word, 1, 5));
    stop();
}

/* The packets of a burst that are to be looked up again come out by each port
 * in the order in which they came, and none is lost on the way. */
static void
test_traversal_burst(void)
{
    struct {
        struct agilio_action_hash hash;
        struct agilio_action_recirc recirc;
    } first;

    start(64, true);
    first.hash = ACTION(HASH, hash, basis, 5);
    first.hash.alg = agilio_to_le32(AGILIO_HASH_SYM_L4);
    first.recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    CHECK(!put_recirc_flow(1, 0, &first, sizeof first));
    CHECK(!put_hashed_flow(2, 0, OUT));
    CHECK(!put_hashed_flow(3, 1, 2));
    for (uint8_t i = 0; i < 40; i++) {
        inject_udp(i);          /* More than one burst. */
    }
    settle();
    CHECK(devs[OUT].n_tx > 5 && devs[2].n_tx > 5);
    CHECK(devs[OUT].n_tx + devs[2].n_tx == 40);
    for (int dev = OUT; dev <= 2; dev++) {
        for (uint32_t i = 1; i < devs[dev].n_tx; i++) {
            CHECK(devs[dev].tx[i - 1][29] < devs[dev].tx[i][29]);
        }
    }
    CHECK(agilio_from_le64(sim.region.flows[1].packets) == 40);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 40);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 40);
    stop();
}

/* A program that recirculates twice: each copy is looked up. */
static void
test_traversal_twice(void)
{
    struct agilio_action_recirc first[2] = {
        ACTION(RECIRC, recirc, recirc_id, 7),
        ACTION(RECIRC, recirc, recirc_id, 8),
    };
    struct agilio_action_output out = ACTION(OUTPUT, output, port, 0);

    start(64, true);
    CHECK(!put_recirc_flow(1, 0, first, sizeof first));
    out.port = agilio_to_le32(ids[OUT]);
    CHECK(!put_recirc_flow(2, 7, &out, sizeof out));
    out.port = agilio_to_le32(ids[2]);
    CHECK(!put_recirc_flow(3, 8, &out, sizeof out));
    carry_one(1);
    CHECK(looked_up(0, 3));
    carry_one(1);
    CHECK(looked_up(3, 3));
    CHECK(devs[OUT].n_tx == 2 && devs[2].n_tx == 2);
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
    CHECK(sim.nic->team.workers[0]->pool.n_reserved == 0);
    stop();
}

static void
test_headless(void)
{
    start(64, true);
    CHECK(!put_output(1, 1, &ids[OUT], 1));
    agl_nic_host_gone(sim.nic);
    inject(IN, 1, 60);
    inject(IN, 2, 60);
    settle();
    CHECK(devs[OUT].n_tx == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_HOST) == 1);

    /* The next host is told that there are flows, and may flush them. */
    inproc_attach(&sim);
    uint8_t answer[16];
    CHECK(!hello(answer));
    CHECK(answer[4] == 1);
    CHECK(!ask(AGILIO_MSG_FLOW_FLUSH, "", 0, NULL));
    CHECK(!hello(answer));
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
    agilio_store_relaxed(&sim.reply.ring->cons,
                         agilio_to_le32(sim.region.reply.cursor
                                        - sim.region.reply.n));
    CHECK(put_output(1, 1, &ids[OUT], 1) == -1);
    CHECK(sim.nic->control.blocked && !sim.region.reply.broken);
    inproc_tell(&sim, AGILIO_MSG_HELLO, "", 0);
    agl_nic_host_gone(sim.nic);
    CHECK(!sim.nic->control.blocked);
    settle();
    CHECK(sim.region.request.cursor == 0 && sim.region.reply.cursor == 0);

    inproc_attach(&sim);
    CHECK(!hello(answer));
    CHECK(answer[4] == 1);
    stop();
}

/* A host that asks without end is not all that the control thread is for, nor
 * the worker. */
static void
test_busy_host(void)
{
    struct agl_geometry geometry = inproc_geometry;
    const agilio_le32 id = agilio_to_le32(5);
    const uint32_t n = AGL_MAX_REQUESTS + 100;

    geometry.control_granules = 4096;
    inproc_start(&sim, &geometry, 64, 256, N_DEVS);
    inproc_attach(&sim);
    CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    for (uint32_t i = 0; i < n; i++) {
        CHECK(inproc_tell(&sim, AGILIO_MSG_FLOW_DEL, &id, sizeof id));
    }
    agl_control_run(sim.nic);
    CHECK(agilio_ring_ready(&sim.region.request) == 100);
    CHECK(agl_control_sleep(sim.nic));          /* For the worker is next. */

    agl_worker_round(sim.nic->team.workers[0]);
    CHECK(sim.nic->team.workers[0]->posted - sim.nic->team.workers[0]->done
          > AGL_MAX_REQUESTS / 2);
    CHECK(!agl_control_sleep(sim.nic));
    for (int i = 0; i < 10; i++) {
        settle();
    }
    CHECK(!agilio_ring_ready(&sim.region.request));
    CHECK(agl_control_sleep(sim.nic));
    CHECK(agilio_ring_ready(&sim.reply) == n);
    stop();
}

/* An unfinished frame goes out as it is if all that is to be done with it is
 * to send it, to a port that takes it; else what comes of it goes its way. */
static void
test_unfinished(void)
{
    const struct agilio_flow_stats *stats;
    struct agilio_desc desc;

    start(64, true);
    stats = &sim.region.flows[5];
    devs[IN].up.class = &inproc_whole_class;
    inject(IN, 9, 200);
    settle();
    CHECK(counter(AGILIO_COUNTER_FALLBACK_MISS) == 2);
    CHECK(take(IN, &desc) == 100 && take(IN, &desc) == 100
          && !take(IN, &desc));
    CHECK(agilio_from_le64(sim.region.port_stats[IN].rx_packets) == 1);

    CHECK(!put_output(5, 9, &ids[OUT], 1));
    inject(IN, 9, 200);
    settle();
    CHECK(devs[OUT].n_tx == 2 && devs[OUT].tx_len[1] == 100);
    CHECK(agilio_from_le64(stats->packets) == 2);

    devs[OUT].up.class = &inproc_whole_class;
    inject(IN, 9, 200);
    inject(IN, 9, 300);
    settle();
    CHECK(devs[OUT].n_tx == 4 && devs[OUT].tx_len[2] == 200
          && devs[OUT].tx_len[3] == 300);
    CHECK(agilio_from_le64(stats->packets) == 4);
    CHECK(agilio_from_le64(stats->bytes) == 700);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == 4);

    /* What is to be done besides may be anything. */
    CHECK(!put_output(5, 9, (const uint32_t[]) { ids[OUT], ids[2] }, 2));
    inject(IN, 9, 200);
    settle();
    CHECK(devs[OUT].n_tx == 6 && devs[2].n_tx == 2
          && devs[OUT].tx_len[5] == 100);
    stop();
}

/* Through passes that only look again, each of what comes of it goes alone. */
static void
test_unfinished_recirc(void)
{
    struct agilio_action_recirc recirc = ACTION(RECIRC, recirc, recirc_id, 7);
    struct agilio_action_output output = ACTION(OUTPUT, output, port, 0);

    start(64, true);
    output.port = agilio_to_le32(ids[OUT]);
    CHECK(!put_recirc_flow(1, 0, &recirc, sizeof recirc));
    CHECK(!put_recirc_flow(2, 7, &output, sizeof output));
    for (int i = 0; i < 3; i++) {
        inject_udp(1);
        settle();
    }
    CHECK(counter(AGILIO_COUNTER_L1_HIT) == 2);
    devs[IN].up.class = &inproc_whole_class;
    inject_udp(1);
    settle();
    CHECK(devs[OUT].n_tx == 3 + 2);
    CHECK(counter(AGILIO_COUNTER_RECIRC) == 3 + 2);
    for (int id = 1; id <= 2; id++) {
        CHECK(agilio_from_le64(sim.region.flows[id].packets) == 3 + 2);
    }
    stop();
}

/* The MTU is for what will be on the wire; and there may be no buffer. */
static void
test_unfinished_limits(void)
{
    start(1, true);
    devs[IN].up.class = devs[OUT].up.class = &inproc_whole_class;
    CHECK(!put_output(5, 9, &ids[OUT], 1));
    inject(IN, 9, 2 * 1514);
    inject(IN, 9, 2 * 1515);
    settle();
    CHECK(devs[OUT].n_tx == 1 && devs[OUT].tx_len[0] == 2 * 1514);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_MTU) == 1);

    devs[OUT].up.class = devs[2].up.class;      /* Now it has to be cut. */
    inject(IN, 9, 200);
    settle();
    CHECK(devs[OUT].n_tx == 1);
    CHECK(counter(AGILIO_COUNTER_DROP_NO_BUFFER) == 1);
    CHECK(agilio_from_le64(sim.region.port_stats[IN].rx_dropped) == 1);
    stop();
}

/* Whichever ring it is that a host breaks, it is found out. */
static void
test_broken_host(void)
{
    struct agilio_ring *rings[4];

    start(64, true);
    rings[0] = sim.request.ring;
    rings[1] = sim.reply.ring;
    rings[2] = sim.from_nic[IN].ring;
    rings[3] = sim.to_nic[OUT].ring;
    for (int i = 0; i < 4; i++) {
        settle();
        CHECK(!agl_nic_host_is_broken(sim.nic));
        if (i == 0 || i == 3) {
            rings[i]->prod = agilio_to_le32(0x7fffffff);
        } else {
            rings[i]->cons = agilio_to_le32(0x7fffffff);
        }
        inject(IN, 1, 60);
        agl_control_event(sim.nic, AGILIO_MSG_PORT_EVENT);
        settle();
        CHECK(agl_nic_host_is_broken(sim.nic));
        agl_nic_host_gone(sim.nic);
        inproc_attach(&sim);
        CHECK(!hello(NULL));
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
    CHECK(agl_nic_port_add(sim.nic, "p1", &devs[1].up, &id) == AGILIO_E_EXIST);
    CHECK(agl_nic_port_add(sim.nic, "", &devs[1].up, &id) == AGILIO_E_INVAL);
    CHECK(agl_nic_port_del(sim.nic, "p1") == &devs[1].up);
    CHECK(!agl_nic_port_del(sim.nic, "p1"));
    CHECK(!agl_nic_port_add(sim.nic, "q1", &devs[1].up, &id));
    CHECK(agilio_port_slot(id) == agilio_port_slot(old) && id != old);
    inject(IN, 1, 60);
    settle();
    CHECK(devs[OUT].n_tx == 0);
    CHECK(counter(AGILIO_COUNTER_DROP_TX_GONE) == 1);
    CHECK(agl_nic_port_del(sim.nic, "q1"));
    CHECK(!agl_nic_port_add(sim.nic, "p1", &devs[1].up, &ids[OUT]));
    stop();
}

static void
test_refusals(void)
{
    uint8_t body[64] = { 0 };

    start(64, true);
    CHECK(inproc_hello(&sim, AGILIO_ABI_MAX + 1, AGILIO_ABI_MAX + 9, NULL)
          == AGILIO_E_PROTO);
    CHECK(inproc_hello(&sim, 0, AGILIO_ABI_MIN - 1, NULL) == AGILIO_E_PROTO);
    CHECK(!inproc_hello(&sim, 0, AGILIO_ABI_MAX + 9, NULL));
    CHECK(ask(AGILIO_N_MSGS, "", 0, NULL) == AGILIO_E_OPNOTSUPP);
    CHECK(ask(AGILIO_MSG_NONE, "", 0, NULL) == AGILIO_E_OPNOTSUPP);
    CHECK(ask(AGILIO_MSG_PORT_EVENT, "", 0, NULL) == AGILIO_E_INVAL);
    for (int type = AGILIO_MSG_HELLO; type < AGILIO_N_MSGS; type++) {
        if (type != AGILIO_MSG_KEEPALIVE && type != AGILIO_MSG_FLOW_FLUSH) {
            CHECK(ask(type, body, 1, NULL) > 0);
        }
    }
    CHECK(!hello(NULL));
    memset(body, 0xff, sizeof body);
    CHECK(del_flow(64) == AGILIO_E_INVAL);
    CHECK(ask(AGILIO_MSG_OPTIONS, body, 4, NULL) == AGILIO_E_INVAL);
    CHECK(ask(AGILIO_MSG_PORT_SET, body, 22, NULL) == AGILIO_E_NOENT);
    CHECK(put_output(64, 1, &ids[OUT], 1) == AGILIO_E_INVAL);
    CHECK(put_flow(1, 1, body, 8) > 0);
    CHECK(!ask(AGILIO_MSG_KEEPALIVE, "", 0, NULL));

    /* What is of another session is not answered. */
    sim.session = 43;
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
    int i = 0;

    start(64, true);
    while (i < 5000 && inproc_tell(&sim, AGILIO_MSG_KEEPALIVE, "", 0)) {
        settle();
        i++;
    }
    CHECK(i < 5000);
    CHECK(sim.nic->control.blocked && agl_control_sleep(sim.nic));
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
            word = (uint32_t *) &sim.request.ring->prod;
            break;
        case 1:
            word = (uint32_t *) &sim.reply.ring->cons;
            break;
        case 2:
            word = (uint32_t *) &sim.to_nic[OUT].ring->prod;
            break;
        case 3:
            word = (uint32_t *) &sim.from_nic[IN].ring->cons;
            break;
        case 4: case 5: case 6:
            word = (uint32_t *) (void *) sim.request.body + (seed >> 8) % 4096;
            break;
        default:
            word = (uint32_t *) (void *) sim.to_nic[OUT].body
                   + (seed >> 8) % 512;
            break;
        }
        *word = seed >> 20 & 1 ? *word + (seed >> 12 & 7)
                : seed >> 21 & 1 ? seed >> 12 & 0xff : seed;
        inject(IN, seed & 3, 60);
        settle();
        inproc_clear_tx(&sim);
        if (i % 16 == 0) {      /* A new host makes all rings good again. */
            agl_nic_host_gone(sim.nic);
            agl_nic_host_attached(sim.nic);
            sim.nic->control.in_session = true;
            sim.nic->control.session = seed;
        }
    }
    stop();
}

int
main(void)
{
    RUN(test_learn_and_count);
    RUN(test_evict);
    RUN(test_flood);
    RUN(test_miss);
    RUN(test_to_host);
    RUN(test_host_tx);
    RUN(test_drops_at_reception);
    RUN(test_drops_to_host);
    RUN(test_drops_at_output);
    RUN(test_copies);
    RUN(test_recirc);
    RUN(test_traversal);
    RUN(test_kernel_hash);
    RUN(test_tunnel);
    RUN(test_traversal_parts);
    RUN(test_traversal_burst);
    RUN(test_traversal_twice);
    RUN(test_recirc_copies);
    RUN(test_buffers_in_queues);
    RUN(test_headless);
    RUN(test_gone_amid_requests);
    RUN(test_busy_host);
    RUN(test_unfinished);
    RUN(test_unfinished_recirc);
    RUN(test_unfinished_limits);
    RUN(test_broken_host);
    RUN(test_port_incarnations);
    RUN(test_refusals);
    RUN(test_tracker_dump);
    RUN(test_reply_ring_full);
    RUN(test_hostile_region);
    return summary();
}
