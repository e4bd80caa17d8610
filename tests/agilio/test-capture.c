/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-capture.c - captures at the ports of a NIC in this process: what is
 * copied, in which order, with which verdict, and what a client can do to us.
 */

#include "inproc-nic.h"

#include "check.h"

#define IN 0
#define OUT 1
#define N_GRANULES 64

static struct inproc sim;
static struct agl_capture captures[2];
static struct agilio_ring_end clients[2];
static uint8_t memory[2 * (sizeof(struct agilio_capture_ring)
                           + N_GRANULES * AGILIO_GRANULE)]
    __attribute__((aligned(AGILIO_CACHE_LINE)));

static void
start(uint32_t snaplen, uint32_t directions)
{
    uint64_t stride = agilio_capture_stride(N_GRANULES);

    inproc_start(&sim, &inproc_geometry, 64, 256, 3);
    inproc_attach(&sim);
    CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    memset(memory, 0, sizeof memory);
    for (int i = 0; i < 2; i++) {
        agl_capture_init(&captures[i], memory, i, N_GRANULES, snaplen,
                         directions);
        agilio_ring_init_consumer(
            &clients[i], &captures[i].shared->ring,
            memory + i * stride + sizeof(struct agilio_capture_ring),
            N_GRANULES);
        sim.nic->team.workers[0]->ports[i].capture = &captures[i];
    }
}

/* Flow 'id': frames from IN to MAC ::dst go to port 'to'. */
static void
put_flow(uint32_t id, uint8_t dst, int to)
{
    const struct agilio_action_output program = {
        .action = { agilio_to_le16(AGILIO_ACTION_OUTPUT),
                    agilio_to_le16(sizeof program) },
        .port = agilio_to_le32(sim.ids[to]),
    };
    const struct agilio_key key = {
        .md.in_port = agilio_to_le32(sim.ids[IN]),
        .eth_dst = { [5] = dst },
    };
    struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };

    memset(mask.eth_dst, 0xff, sizeof mask.eth_dst);
    CHECK(!inproc_put_flow(&sim, id, &key, &mask, &program, sizeof program));
}

static void
inject(uint8_t dst, uint32_t len)
{
    uint8_t frame[2048] = { [5] = dst, [12] = 0x88, [13] = 0xb5 };

    CHECK(inproc_inject(&sim, IN, frame, len));
}

/* Takes the next record of capture 'i'; its length is 0 if there is none. */
static struct agilio_capture_record
take(int i)
{
    struct agilio_capture_record r = { .len = agilio_to_le32(0) };
    uint32_t len = agilio_ring_peek(&clients[i], sizeof r, sizeof r + 2048);

    if (len) {
        agilio_ring_read(&clients[i], 0, &r, sizeof r);
        agilio_ring_consume(&clients[i], agilio_ring_granules(len));
    }
    return r;
}

/* Whether capture 'i' has a record of 'n_bytes' of a frame next, with a
 * verdict. */
static bool
is_next(int i, uint32_t direction, uint32_t n_bytes, uint64_t counters)
{
    struct agilio_capture_record r = take(i);

    return (agilio_from_le32(r.len) == sizeof r + n_bytes
            && agilio_from_le32(r.direction) == direction
            && agilio_from_le64(r.counters) == counters);
}

static bool
is_empty(int i)
{
    return !agilio_from_le32(take(i).len) && !clients[i].broken;
}

#define BIT(COUNTER) (UINT64_C(1) << AGILIO_COUNTER_##COUNTER)
#define BOTH (AGILIO_CAPTURE_IN | AGILIO_CAPTURE_OUT)

/* A burst: each frame has its own verdict. */
static void
test_verdicts(void)
{
    start(2048, BOTH);
    put_flow(1, 9, OUT);
    inject(9, 60);
    inject(8, 61);
    inject(9, 62);
    inject(9, 13);
    for (int i = 0; i < 3; i++) {       /* Longer than the MTU; and the ring
                                         * has room for two. */
        inject(9, 1600);
    }
    sim.clock = 1234;
    inproc_settle(&sim);
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 60,
                  BIT(L2_HIT) | BIT(CARRIED) | BIT(LEARNED)));
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 61, BIT(FALLBACK_MISS)));
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 62, BIT(L1_HIT) | BIT(CARRIED)));
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 13, BIT(DROP_RUNT)));
    for (int i = 0; i < 2; i++) {
        CHECK(is_next(IN, AGILIO_CAPTURE_IN, 1600,
                      BIT(L1_HIT) | BIT(CARRIED) | BIT(DROP_TX_MTU)));
    }
    CHECK(is_next(OUT, AGILIO_CAPTURE_OUT, 60, 0));
    CHECK(is_next(OUT, AGILIO_CAPTURE_OUT, 62, 0));
    CHECK(is_empty(IN) && is_empty(OUT));
    CHECK(sim.devs[OUT].n_tx == 2);

    inject(9, 60);
    inproc_settle(&sim);
    CHECK(agilio_from_le32(take(IN).n_lost) == 1);
    CHECK(agilio_from_le64(take(OUT).timestamp) == 1234);
    CHECK(agilio_from_le64(captures[IN].shared->n_lost) == 1);
    inproc_stop(&sim);
}

/* Some bytes of a frame, and the length that it has; the bytes are those that
 * it came with. */
static void
test_snaplen(void)
{
    uint8_t record[sizeof(struct agilio_capture_record) + 20];
    struct agilio_capture_record r;

    start(20, AGILIO_CAPTURE_IN);
    put_flow(1, 9, OUT);
    inject(9, 100);
    inject(9, 14);
    inproc_settle(&sim);
    CHECK(agilio_ring_peek(&clients[IN], 1, 2048) == sizeof record);
    agilio_ring_read(&clients[IN], 0, record, sizeof record);
    CHECK(record[sizeof r + 5] == 9 && record[sizeof r + 13] == 0xb5);
    r = take(IN);
    CHECK(agilio_from_le32(r.frame_len) == 100);
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 14, BIT(L1_HIT) | BIT(CARRIED)));
    CHECK(is_empty(IN) && is_empty(OUT));
    inproc_stop(&sim);
}

/* What leaves by the port that it came by. */
static void
test_hairpin(void)
{
    start(2048, BOTH);
    put_flow(1, 9, IN);
    inject(9, 60);
    inproc_settle(&sim);
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 60,
                  BIT(L2_HIT) | BIT(CARRIED) | BIT(LEARNED)));
    CHECK(is_next(IN, AGILIO_CAPTURE_OUT, 60, 0));
    CHECK(is_empty(IN));
    inproc_stop(&sim);
}

/* The device that a frame leaves by has no room, or refuses it: that is the
 * fate of the frame that leaves, whichever is being received meanwhile. */
static void
test_unsent(void)
{
    start(20, BOTH);
    put_flow(1, 9, OUT);
    inject(9, 60);
    inproc_settle(&sim);
    take(IN);
    take(OUT);

    sim.devs[OUT].room = 1;
    inject(9, 60);
    inject(9, 61);
    inproc_settle(&sim);
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 20, BIT(L1_HIT) | BIT(CARRIED)));
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 20, BIT(L1_HIT) | BIT(CARRIED)));
    CHECK(is_next(OUT, AGILIO_CAPTURE_OUT, 20, 0));
    CHECK(is_next(OUT, AGILIO_CAPTURE_OUT, 20, BIT(DROP_TX_FULL)));

    inproc_clear_tx(&sim);
    sim.devs[OUT].refuse = true;
    inject(9, 60);
    inproc_settle(&sim);
    CHECK(is_next(OUT, AGILIO_CAPTURE_OUT, 20, BIT(DROP_TX_ERROR)));
    CHECK(is_next(IN, AGILIO_CAPTURE_IN, 20, BIT(L1_HIT) | BIT(CARRIED)));
    CHECK(is_empty(IN) && is_empty(OUT));
    inproc_stop(&sim);
}

/* A queue that is sent while the next frame is carried. */
static void
test_unsent_meanwhile(void)
{
    start(20, AGILIO_CAPTURE_IN);
    put_flow(1, 9, OUT);
    sim.devs[OUT].room = 0;
    for (int i = 0; i < AGL_BURST; i++) {
        inject(9, 60);          /* The last of them fills the queue. */
    }
    inproc_settle(&sim);
    CHECK(inproc_counter(&sim, AGILIO_COUNTER_DROP_TX_FULL) == AGL_BURST);
    take(IN);
    for (int i = 1; i < AGL_BURST; i++) {
        CHECK(is_next(IN, AGILIO_CAPTURE_IN, 20, BIT(L1_HIT) | BIT(CARRIED)));
    }
    CHECK(is_empty(IN));
    inproc_stop(&sim);
}

/* A client that writes nonsense harms itself only. */
static void
test_hostile(void)
{
    start(20, BOTH);
    put_flow(1, 9, OUT);
    captures[IN].shared->ring.cons = agilio_to_le32(77);
    inject(9, 60);
    inject(9, 60);
    inproc_settle(&sim);
    CHECK(sim.devs[OUT].n_tx == 2);
    CHECK(captures[IN].ring.broken);
    CHECK(captures[IN].n_lost_all == 2);
    captures[IN].shared->ring.cons = agilio_to_le32(0);
    inject(9, 60);
    inproc_settle(&sim);
    CHECK(is_empty(IN));
    CHECK(sim.devs[OUT].n_tx == 3);
    CHECK(!sim.nic->team.workers[0]->host_broken);
    inproc_stop(&sim);
}

/* A port that goes away is not watched any more, nor one in its place. */
static void
test_port_gone(void)
{
    uint32_t id;

    start(20, BOTH);
    CHECK(agl_nic_port_del(sim.nic, "p0") == &sim.devs[IN].up);
    CHECK(!sim.nic->team.workers[0]->ports[IN].capture);
    CHECK(!agl_nic_port_add(sim.nic, "p0", &sim.devs[IN].up, &id));
    CHECK(!sim.nic->team.workers[0]->ports[IN].capture);
    inproc_stop(&sim);
}

int
main(void)
{
    RUN(test_verdicts);
    RUN(test_snaplen);
    RUN(test_hairpin);
    RUN(test_unsent);
    RUN(test_unsent_meanwhile);
    RUN(test_hostile);
    RUN(test_port_gone);
    return summary();
}
