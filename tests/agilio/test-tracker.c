/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tracker.c - the exact match flow tracker L1 (table/tracker.c), with a
 * flow table behind it and a clock that the test turns.
 */

#include "model.h"

#define PORT 5
#define WAYS 8                  /* The smallest tracker is one bucket. */

static struct agl_flow_table *table;
static struct agl_tracker *tracker;
static uint64_t now;

/* A tracker in front of a table that has flow 0, for all packets of PORT with
 * 'x' & 0xff00 == 0 in word 11, and flow 1, for all that have 0x100 there. */
static void
start(uint32_t n_entries)
{
    now = 100;
    table = agl_flow_table_create(100, 10);
    tracker = agl_tracker_create(n_entries);
    put_new(table, 0, one_word(PORT, 11, 0, 0xff00));
    put_new(table, 1, one_word(PORT, 11, 0x100, 0xff00));
    /* From here on the tracker tells packets apart by all of word 11. */
    put_new(table, 2, one_word(PORT, 11, 0xf200, UINT64_MAX));
}

static void
stop(void)
{
    agl_tracker_destroy(tracker);
    agl_flow_table_destroy(table);
    CHECK(!env_n_blocks);
}

static struct agilio_key
packet_of(uint64_t x)
{
    struct match m = one_word(PORT, 11, x, UINT64_MAX);

    return packet(m.key);
}

/* The id of the flow that the tracker has for the packet, -1 if none. */
static int
track(uint64_t x)
{
    struct agilio_key key = packet_of(x);
    struct agl_tracker_key tk;
    struct agl_path path;

    agl_tracker_key(tracker, table, &key, &tk);
    return (agl_tracker_lookup(tracker, table, &tk, now, &path)
            ? (int) path.flows[0]->id : -1);
}

/* Learns a path of one flow. */
static enum agl_learned
learn(const struct agl_tracker_key *tk, struct agl_flow *flow)
{
    const struct agl_path path = { .n = 1, .flows = { flow } };

    return agl_tracker_learn(tracker, table, tk, &path, now);
}

static bool
look_up(const struct agilio_key *key, struct agl_tracker_key *tk)
{
    struct agl_path path;

    agl_tracker_key(tracker, table, key, tk);
    return agl_tracker_lookup(tracker, table, tk, now, &path);
}

/* Misses, looks up and learns. */
static enum agl_learned
teach(uint64_t x)
{
    struct agilio_key key = packet_of(x);
    struct agl_tracker_key tk;
    struct agl_flow *flow;

    CHECK(!look_up(&key, &tk));
    flow = agl_flow_table_lookup(table, &key);
    CHECK(flow != NULL);
    return flow ? learn(&tk, flow) : AGL_LEARNED_NOT;
}

static void
drop_flow(uint32_t id)
{
    agl_flow_destroy(agl_flow_table_del(table, id));
}

/* Dumps all in steps of 'max'; fills 'out', returns how many there are. */
static uint32_t
dump_all(struct agilio_tracker_entry out[], uint32_t max)
{
    uint32_t cursor = 0, n = 0;

    do {
        n += agl_tracker_dump(tracker, table, &cursor, &out[n], max);
    } while (cursor);
    return n;
}

static void
test_hit(void)
{
    start(64);
    CHECK(agl_tracker_capacity(tracker) == 64);
    CHECK(teach(1) == AGL_LEARNED);
    CHECK(teach(0x102) == AGL_LEARNED);
    CHECK(track(1) == 0 && track(0x102) == 1);
    CHECK(track(2) == -1 && track(0x101) == -1);
    stop();
}

/* What no flow looks at makes no difference. */
static void
test_interest_only(void)
{
    struct agilio_key key = packet_of(1);
    struct agl_tracker_key tk;

    start(64);
    teach(1);
    key.nw_ttl = 64;
    CHECK(look_up(&key, &tk));
    key.md.in_port = agilio_to_le32(PORT + 1);
    CHECK(!look_up(&key, &tk));
    stop();
}

static void
test_stale(void)
{
    start(64);
    teach(1);
    teach(0x101);
    drop_flow(0);
    CHECK(track(1) == -1 && track(0x101) == 1);
    put_new(table, 0, one_word(PORT, 11, 0, 0xff00));
    CHECK(track(1) == -1);
    teach(1);
    CHECK(track(1) == 0);
    replace(table, 0, one_word(PORT, 11, 0, 0xff00));
    CHECK(track(1) == -1);
    teach(1);
    CHECK(track(1) == 0);
    stop();
}

static void
test_eviction(void)
{
    start(1);
    CHECK(agl_tracker_capacity(tracker) == WAYS);
    for (uint64_t x = 0; x < WAYS; x++) {
        now++;
        CHECK(teach(x == 3 ? 0x103 : x) == AGL_LEARNED);
    }
    now++;
    CHECK(track(0) == 0);       /* So 1 is the one unused for longest. */
    CHECK(teach(20) == AGL_LEARNED_EVICTING);
    CHECK(track(1) == -1 && track(20) == 0 && track(0x103) == 1);
    for (uint64_t x = 0; x < WAYS; x++) {
        CHECK(x == 1 || x == 3 || track(x) == 0);
    }

    /* A stale entry goes before any live one, though it was used last. */
    now++;
    CHECK(track(0x103) == 1);
    drop_flow(1);
    CHECK(teach(21) == AGL_LEARNED);
    CHECK(track(21) == 0 && track(20) == 0);
    stop();
}

/* What was found again stays for a while, whatever comes: among the rest the
 * newcomers push out each other. */
static void
test_flood(void)
{
    const uint64_t n_live = WAYS - 1;

    start(1);
    for (uint64_t x = 0; x < n_live; x++) {
        teach(x);
        CHECK(track(x) == 0);
    }
    CHECK(teach(0x20) == AGL_LEARNED);
    for (uint64_t x = 0x21; x < 0xff; x++) {
        now++;
        CHECK(teach(x) == AGL_LEARNED_EVICTING);
    }
    for (uint64_t x = 0; x < n_live; x++) {
        CHECK(track(x) == 0);
    }

    /* No place left: nothing is learned. */
    CHECK(track(0xfe) == 0);
    CHECK(teach(0x20) == AGL_LEARNED_NOT);
    CHECK(track(0x20) == -1);

    /* Flow 2 was not used for a while.  For as long as is allowed... */
    now += AGL_TRACKER_HOLD;
    for (uint64_t x = 0; x < n_live; x++) {
        CHECK(x == 2 || track(x) == 0);
    }
    CHECK(track(0xfe) == 0);
    CHECK(teach(0x20) == AGL_LEARNED_NOT);
    /* ...and longer. */
    now++;
    CHECK(teach(0x20) == AGL_LEARNED_EVICTING);
    CHECK(track(2) == -1 && track(0x20) == 0 && track(1) == 0);
    stop();
}

/* Two packets of a burst miss, and both teach the same. */
static void
test_learn_twice(void)
{
    struct agilio_tracker_entry out[2 * WAYS];
    struct agilio_key key = packet_of(7);
    struct agl_tracker_key tk[2];
    struct agl_flow *flow;

    start(WAYS);
    for (int i = 0; i < 2; i++) {
        CHECK(!look_up(&key, &tk[i]));
    }
    flow = agl_flow_table_lookup(table, &key);
    for (int i = 0; i < 2; i++) {
        CHECK(learn(&tk[i], flow) == AGL_LEARNED);
    }
    CHECK(dump_all(out, 2) == 1);
    CHECK(agilio_from_le64(out[0].packets) == 1);

    /* The same key in the place of a stale entry counts from the start. */
    replace(table, 0, one_word(PORT, 11, 0, 0xff00));
    teach(7);
    CHECK(dump_all(out, 2) == 1);
    CHECK(agilio_from_le64(out[0].packets) == 1);
    stop();
}

/* A path is as long as its flows exist. */
static void
test_path(void)
{
    struct agilio_tracker_entry out[WAYS];
    struct agilio_key key = packet_of(7);
    struct agl_path path = { .n = 3 }, got;
    struct agl_tracker_key tk;

    start(WAYS);
    put_new(table, 3, one_word(PORT, 11, 0x200, 0xff00));
    for (uint32_t i = 0; i < 3; i++) {
        struct agilio_key step = packet_of(i << 8);

        path.flows[i] = agl_flow_table_lookup(table, &step);
    }
    CHECK(!look_up(&key, &tk));
    path.n = 2;                 /* Learned bit by bit. */
    CHECK(agl_tracker_learn(tracker, table, &tk, &path, now)
          == AGL_LEARNED);
    CHECK(agl_tracker_lookup(tracker, table, &tk, now, &got));
    CHECK(got.n == 2 && got.flows[1]->id == 1);
    path.n = 3;
    CHECK(agl_tracker_learn(tracker, table, &tk, &path, now)
          == AGL_LEARNED);
    CHECK(agl_tracker_lookup(tracker, table, &tk, now, &got));
    CHECK(got.n == 3 && got.flows[0]->id == 0 && got.flows[2]->id == 3);
    CHECK(dump_all(out, 2) == 1);
    CHECK(agilio_from_le32(out[0].n_flows) == 3);
    CHECK(agilio_from_le64(out[0].packets) == 3);

    replace(table, 1, one_word(PORT, 11, 0x100, 0xff00));
    CHECK(agl_tracker_lookup(tracker, table, &tk, now, &got));
    CHECK(got.n == 1 && !got.plain);
    drop_flow(0);
    CHECK(!agl_tracker_lookup(tracker, table, &tk, now, &got));
    CHECK(got.n == 0);
    stop();
}

/* A lookup's result is too old to learn from. */
static void
test_learn_late(void)
{
    struct agilio_tracker_entry out[WAYS];
    struct agilio_key key = packet_of(7);
    struct agl_tracker_key tk;
    struct agl_flow *flow, *old;
    struct match m = one_word(PORT, 11, 0, 0xff00);

    start(WAYS);
    CHECK(!look_up(&key, &tk));
    flow = agl_flow_table_lookup(table, &key);
    CHECK(!agl_flow_table_put(table, make_flow(0, &m), &old));
    CHECK(old == flow);
    CHECK(learn(&tk, flow) == AGL_LEARNED_NOT);
    CHECK(track(7) == -1 && !dump_all(out, WAYS));
    agl_flow_destroy(old);

    CHECK(!look_up(&key, &tk));
    flow = agl_flow_table_lookup(table, &key);
    put_new(table, 3, one_word(PORT, 6, 1, 1));
    CHECK(learn(&tk, flow) == AGL_LEARNED_NOT);
    CHECK(track(7) == -1 && !dump_all(out, WAYS));
    CHECK(learn(&tk, flow) == AGL_LEARNED_NOT);
    CHECK(track(7) == -1 && !dump_all(out, WAYS));
    stop();
}

/* Two keys that only the full comparison tells apart. */
static void
test_collision(void)
{
    uint64_t pair[2];

    start(WAYS);
    agl_tracker_destroy(tracker);
    find_collision(env_random, PORT, pair);
    tracker = agl_tracker_create(WAYS);
    put_new(table, 3, one_word(PORT, 11, pair[0], UINT64_MAX));
    put_new(table, 4, one_word(PORT, 11, pair[1], UINT64_MAX));
    drop_flow(0);
    drop_flow(1);
    teach(pair[0]);
    CHECK(track(pair[0]) == 3 && track(pair[1]) == -1);
    teach(pair[1]);
    CHECK(track(pair[0]) == 3 && track(pair[1]) == 4);
    stop();
}

static void
test_interest_change(void)
{
    struct agilio_tracker_entry out[WAYS];

    start(64);
    teach(1);
    put_new(table, 3, one_word(PORT, 6, 1, 1));
    CHECK(!dump_all(out, WAYS));
    CHECK(track(1) == -1);
    teach(1);
    CHECK(track(1) == 0);

    drop_flow(3);
    CHECK(track(1) == 0);       /* The bit goes with the next ranking only. */
    agl_flow_table_rank(table);
    CHECK(track(1) == -1);
    teach(1);
    CHECK(track(1) == 0 && dump_all(out, WAYS) == 1);
    stop();
}

static void
test_dump(void)
{
    struct agilio_tracker_entry out[64] = { { .flow_id = 0 } };
    struct agilio_key key = packet_of(0x109);
    uint32_t cursor = UINT32_MAX;

    start(1024);
    CHECK(!dump_all(out, 64));
    for (uint64_t x = 1; x < 20; x++) {
        teach(x);
    }
    now = 200;
    teach(0x109);
    now = 250;
    CHECK(track(0x109) == 1);
    for (uint32_t max = 1; max < 64; max += 5) {
        CHECK(dump_all(out, max) == 20);
    }
    for (int i = 0, n = 0; i < 20; i++) {
        bool is_1 = out[i].flow_id == agilio_to_le32(1);

        n += is_1;
        CHECK(agilio_from_le64(out[i].packets) == (is_1 ? 2 : 1));
        CHECK(agilio_from_le64(out[i].used) == (is_1 ? 250 : 100));
        CHECK(!is_1 || !memcmp(&out[i].key, &key, sizeof key));
        CHECK(i < 19 || n == 1);
    }
    drop_flow(0);
    CHECK(dump_all(out, 64) == 1);

    CHECK(!agl_tracker_dump(tracker, table, &cursor, out, 64) && !cursor);
    cursor = 1024;
    CHECK(!agl_tracker_dump(tracker, table, &cursor, out, 64) && !cursor);
    CHECK(!agl_tracker_dump(tracker, table, &cursor, out, 0) && !cursor);
    stop();
}

/* One call never looks at the whole of a large tracker. */
static void
test_dump_in_steps(void)
{
    struct agilio_tracker_entry out[64];
    uint32_t cursor = 0;

    start(20000);
    CHECK(agl_tracker_capacity(tracker) == 32768);
    teach(1);
    agl_tracker_dump(tracker, table, &cursor, out, 64);
    CHECK(cursor > 0 && cursor <= 32768 / 4);
    CHECK(dump_all(out, 64) == 1);
    stop();
}

static void
test_no_memory(void)
{
    env_fail_at = 1;
    CHECK(!agl_tracker_create(64));
    CHECK(!env_fail_at && !env_n_blocks);
    CHECK(!agl_tracker_create(UINT32_MAX));
    agl_tracker_destroy(NULL);
}

/* Small enough to push out, and large enough not to. */
static void
test_random(void)
{
    static const uint32_t sizes[] = { 8, 64, 4096 };
    uint32_t n_before = 0;

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(sizes); i++) {
        uint32_t n_hits;

        table = agl_flow_table_create(MODEL_FLOWS, MODEL_MASKS);
        tracker = agl_tracker_create(sizes[i]);
        n_hits = model_run(table, tracker, 3000);
        CHECK(n_hits > n_before);
        n_before = n_hits;
        stop();
    }
    CHECK(n_before > 2000);
}

int
main(void)
{
    RUN(test_hit);
    RUN(test_interest_only);
    RUN(test_stale);
    RUN(test_eviction);
    RUN(test_flood);
    RUN(test_learn_twice);
    RUN(test_path);
    RUN(test_learn_late);
    RUN(test_collision);
    RUN(test_interest_change);
    RUN(test_dump);
    RUN(test_dump_in_steps);
    RUN(test_no_memory);
    RUN(test_random);
    return summary();
}
