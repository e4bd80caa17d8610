/* SPDX-License-Identifier: Apache-2.0 */
/* test-flow-table.c - the flow table L2 (table/flow-table.c, table/mask.c). */

#include "model.h"

#define PORT 5

static void
test_put_del(void)
{
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    struct match a = one_word(PORT, 11, 1, 0xff);
    struct match b = one_word(PORT, 11, 2, 0xff);
    struct match c = one_word(PORT, 6, 3, UINT64_MAX);

    CHECK(lookup_id(t, a.key) == -1);
    put_new(t, 0, a);
    put_new(t, 9, b);
    CHECK(put_refused(t, 10, c) == AGILIO_E_INVAL);
    CHECK(lookup_id(t, a.key) == 0 && lookup_id(t, b.key) == 9);
    CHECK(agl_flow_table_n_flows(t) == 2 && agl_flow_table_n_masks(t) == 1);

    /* A flow is known by its generation, until it goes. */
    CHECK(agl_flow_table_get(t, 9, 0) && !agl_flow_table_get(t, 9, 1));
    replace(t, 9, c);
    CHECK(agl_flow_table_generation(t, 9) == 1);
    CHECK(!agl_flow_table_get(t, 9, 0) && agl_flow_table_get(t, 9, 1));
    CHECK(lookup_id(t, b.key) == -1 && lookup_id(t, c.key) == 9);
    CHECK(agl_flow_table_n_flows(t) == 2 && agl_flow_table_n_masks(t) == 2);

    agl_flow_destroy(agl_flow_table_del(t, 9));
    CHECK(!agl_flow_table_get(t, 9, 1) && !agl_flow_table_get(t, 9, 2));
    put_new(t, 9, c);
    CHECK(agl_flow_table_generation(t, 9) == 2);
    CHECK(agl_flow_table_generation(t, 0) == 0);

    CHECK(!agl_flow_table_del(t, 1) && !agl_flow_table_del(t, UINT32_MAX));
    CHECK(!agl_flow_table_get(t, 10, 0) && !agl_flow_table_get(t, 1, 0));
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

static void
test_duplicate(void)
{
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    struct match a = one_word(PORT, 11, 1, 0xff);
    struct match b = one_word(PORT, 11, 2, 0xff);
    uint64_t seq, seq_after;

    put_new(t, 0, a);
    put_new(t, 1, b);
    agl_flow_table_interest(t, &seq);
    CHECK(put_refused(t, 2, a) == AGILIO_E_EXIST);
    CHECK(put_refused(t, 1, a) == AGILIO_E_EXIST);
    agl_flow_table_interest(t, &seq_after);
    CHECK(seq == seq_after);
    CHECK(agl_flow_table_n_flows(t) == 2);
    CHECK(agl_flow_table_get(t, 0, 0) && agl_flow_table_get(t, 1, 0));
    CHECK(lookup_id(t, a.key) == 0 && lookup_id(t, b.key) == 1);

    replace(t, 0, a);           /* Itself is no duplicate. */
    CHECK(lookup_id(t, a.key) == 0);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

static void
test_mask_cap(void)
{
    struct agl_flow_table *t = agl_flow_table_create(10, 2);
    struct match a = one_word(PORT, 11, 1, 1);
    struct match b = one_word(PORT, 11, 2, 2);
    struct match b0 = one_word(PORT, 11, 0, 2);
    struct match c = one_word(PORT, 11, 4, 4);
    uint64_t seq, seq_after;

    put_new(t, 0, a);
    put_new(t, 1, b);
    put_new(t, 2, b0);
    agl_flow_table_interest(t, &seq);
    CHECK(put_refused(t, 3, c) == AGILIO_E_NOSPC);
    CHECK(put_refused(t, 1, c) == AGILIO_E_NOSPC);
    agl_flow_table_interest(t, &seq_after);
    CHECK(seq == seq_after);
    CHECK(agl_flow_table_n_flows(t) == 3 && agl_flow_table_n_masks(t) == 2);
    CHECK(lookup_id(t, a.key) == 0 && lookup_id(t, b.key) == 1);

    replace(t, 0, c);           /* Takes its own mask away with it. */
    CHECK(agl_flow_table_n_masks(t) == 2 && agl_flow_table_get(t, 0, 1));
    agl_flow_destroy(agl_flow_table_del(t, 1));
    CHECK(agl_flow_table_n_masks(t) == 2);
    agl_flow_destroy(agl_flow_table_del(t, 2));
    CHECK(agl_flow_table_n_masks(t) == 1 && lookup_id(t, c.key) == 0);
    put_new(t, 1, a);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);

    t = agl_flow_table_create(1, 0);
    CHECK(put_refused(t, 0, a) == AGILIO_E_NOSPC);
    agl_flow_table_destroy(t);
}

/* Two flows overlap here, as a host's do not, to show which is first. */
static void
test_rank(void)
{
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    struct match a = one_word(PORT, 11, 1, 1);
    struct match b = one_word(PORT, 11, 2, 2);
    struct match both = one_word(PORT, 11, 3, 3);

    put_new(t, 0, a);
    put_new(t, 1, b);
    for (int i = 0; i < 8; i++) {
        CHECK(lookup_id(t, b.key) == 1);
    }
    CHECK(lookup_id(t, both.key) == 0);
    agl_flow_table_rank(t);                     /* Ranks: a 1, b 8. */
    CHECK(lookup_id(t, both.key) == 1);

    for (int i = 0; i < 3; i++) {
        CHECK(lookup_id(t, a.key) == 0);
    }
    agl_flow_table_rank(t);                     /* a 3, b 5. */
    CHECK(lookup_id(t, both.key) == 1);
    for (int i = 0; i < 3; i++) {
        CHECK(lookup_id(t, a.key) == 0);
    }
    agl_flow_table_rank(t);                     /* a 4, b 3. */
    CHECK(lookup_id(t, both.key) == 0);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

static void
test_interest(void)
{
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    const struct agilio_key *interest;
    uint64_t seq, before;

    interest = agl_flow_table_interest(t, &before);
    CHECK(before && !agl_key_word(interest, 0));

    put_new(t, 0, one_word(PORT, 11, 1, 1));
    interest = agl_flow_table_interest(t, &seq);
    CHECK(seq != before && agl_key_word(interest, 0) == UINT64_MAX);
    CHECK(agl_key_word(interest, 11) == 1);
    before = seq;
    put_new(t, 1, one_word(PORT, 11, 2, 3));
    interest = agl_flow_table_interest(t, &seq);
    CHECK(seq != before && agl_key_word(interest, 11) == 3);
    before = seq;
    put_new(t, 2, one_word(PORT, 11, 2, 2));    /* Nothing new. */
    agl_flow_table_interest(t, &seq);
    CHECK(seq == before);

    /* Bits stay until the next ranking. */
    agl_flow_destroy(agl_flow_table_del(t, 0));
    agl_flow_destroy(agl_flow_table_del(t, 1));
    interest = agl_flow_table_interest(t, &seq);
    CHECK(seq == before && agl_key_word(interest, 11) == 3);
    agl_flow_table_rank(t);
    interest = agl_flow_table_interest(t, &seq);
    CHECK(seq != before && agl_key_word(interest, 11) == 2);
    before = seq;
    agl_flow_table_rank(t);
    agl_flow_table_interest(t, &seq);
    CHECK(seq == before);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

/* What flows of the host's ports look at, and those of the NIC's, is told
 * apart, though they share a mask. */
static void
test_interest_by_source(void)
{
    const uint64_t tunnel = AGILIO_PORT_HOST | 1;
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    const struct agilio_key *nic = agl_flow_table_interest_by(t,
                                                              AGL_FROM_NIC);
    const struct agilio_key *host = agl_flow_table_interest_by(t,
                                                               AGL_FROM_HOST);
    uint64_t seq, before;

    put_new(t, 0, one_word(PORT, 11, 1, 1));
    agl_flow_table_interest(t, &before);
    CHECK(agl_key_word(nic, 11) == 1 && !agl_key_word(host, 11));
    put_new(t, 1, one_word(tunnel, 11, 1, 1));
    agl_flow_table_interest(t, &seq);
    CHECK(seq != before && agl_flow_table_n_masks(t) == 1);
    CHECK(agl_key_word(nic, 11) == 1 && agl_key_word(host, 11) == 1);
    agl_flow_destroy(agl_flow_table_del(t, 0));
    agl_flow_table_rank(t);
    CHECK(!agl_key_word(nic, 11) && agl_key_word(host, 11) == 1);
    replace(t, 1, one_word(PORT, 11, 1, 1));
    agl_flow_table_rank(t);
    CHECK(agl_key_word(nic, 11) == 1 && !agl_key_word(host, 11));
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

/* Puts a flow that takes VXLAN of UDP port 'port' out of its tunnel. */
static void
put_tunnel(struct agl_flow_table *t, uint32_t id, uint16_t port)
{
    const unsigned int word = offsetof(struct agilio_key, tp_dst) / 8;
    struct agilio_key key = { .tp_dst = agilio_to_be16(port) };
    struct agilio_key mask = { .tp_dst = agilio_to_be16(UINT16_MAX) };
    struct match m = one_word(PORT, word, agl_key_word(&key, word),
                              agl_key_word(&mask, word));
    struct agl_flow *flow = make_flow(id, &m), *old;

    flow->program->pop = AGILIO_TUNNEL_VXLAN;
    CHECK(!agl_flow_table_put(t, flow, &old) && !old);
}

static uint16_t
vxlan_port(const struct agl_flow_table *t)
{
    struct agl_tunnel_ports ports;

    agl_flow_table_tunnels(t, &ports);
    CHECK(!ports.geneve);
    return agilio_from_be16(ports.vxlan);
}

/* The port of the first flow is that of the tunnel, until it is gone; in which
 * order others go does no harm. */
static void
test_tunnels(void)
{
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    uint64_t seq, before;

    CHECK(vxlan_port(t) == 0);
    put_tunnel(t, 0, 4789);
    CHECK(vxlan_port(t) == 4789);
    agl_flow_table_interest(t, &before);
    put_tunnel(t, 1, 8472);
    agl_flow_table_interest(t, &seq);
    CHECK(vxlan_port(t) == 4789 && seq == before);
    agl_flow_destroy(agl_flow_table_del(t, 0));
    agl_flow_destroy(agl_flow_table_del(t, 1));
    CHECK(vxlan_port(t) == 4789);
    put_tunnel(t, 2, 8472);
    agl_flow_table_interest(t, &seq);
    CHECK(vxlan_port(t) == 8472 && seq != before);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

/* Two keys with the same hash under the same mask are still two. */
static void
test_collision(void)
{
    uint64_t seed = env_random;
    struct agl_flow_table *t = agl_flow_table_create(10, 4);
    uint64_t pair[2];
    struct match a, b;

    find_collision(seed, PORT, pair);
    a = one_word(PORT, 11, pair[0], UINT64_MAX);
    b = one_word(PORT, 11, pair[1], UINT64_MAX);
    put_new(t, 0, a);
    CHECK(lookup_id(t, b.key) == -1);
    put_new(t, 1, b);
    CHECK(lookup_id(t, a.key) == 0 && lookup_id(t, b.key) == 1);
    agl_flow_destroy(agl_flow_table_del(t, 0));
    CHECK(lookup_id(t, a.key) == -1 && lookup_id(t, b.key) == 1);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

static void
test_many(void)
{
    enum { N = 5000 };
    struct agl_flow_table *t = agl_flow_table_create(N, 1);

    for (uint32_t i = 0; i < N; i++) {
        put_new(t, i, one_word(PORT, 11, i, UINT64_MAX));
    }
    for (uint32_t i = 0; i < N; i += 2) {
        agl_flow_destroy(agl_flow_table_del(t, i));
    }
    for (uint32_t i = 0; i < N; i++) {
        struct match m = one_word(PORT, 11, i, UINT64_MAX);

        CHECK(lookup_id(t, m.key) == (i % 2 ? (int) i : -1));
    }
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

/* Fills a table of two masks, the second large enough to grow, while the
 * allocation 'fail_at' fails.  Returns true if none did. */
static bool
fill_without_memory(unsigned int fail_at)
{
    enum { N = 20 };
    struct agl_flow *flows[N], *old;
    struct agl_flow_table *t;
    uint32_t n_refused = 0;
    bool done;

    for (uint32_t i = 0; i < N; i++) {
        struct match m = one_word(PORT, 11, i, i ? 0xff : 0xfff);

        flows[i] = make_flow(i, &m);
    }
    env_fail_at = fail_at;
    t = agl_flow_table_create(N, 2);
    for (uint32_t i = 0; i < N; i++) {
        int error = t ? agl_flow_table_put(t, flows[i], &old)
                      : AGILIO_E_NOBUFS;

        CHECK(!error || error == AGILIO_E_NOBUFS);
        if (error) {
            agl_flow_destroy(flows[i]);
            n_refused++;
        }
    }
    done = env_fail_at != 0;
    env_fail_at = 0;
    CHECK(n_refused <= 1 || !t);
    CHECK(!t || agl_flow_table_n_flows(t) == N - n_refused);
    for (uint32_t i = 2; t && i < N; i++) {
        struct match m = one_word(PORT, 11, i, 0xff);

        CHECK(lookup_id(t, m.key) == (int) i);
    }
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
    return done;
}

static void
test_no_memory(void)
{
    unsigned int n = 1;

    while (!fill_without_memory(n)) {
        n++;
    }
    CHECK(n > 6);               /* Table, masks, buckets, growth. */
}

static void
test_random(void)
{
    struct agl_flow_table *t = agl_flow_table_create(MODEL_FLOWS, MODEL_MASKS);

    model_run(t, NULL, 5000);
    agl_flow_table_destroy(t);
    CHECK(!env_n_blocks);
}

int
main(void)
{
    RUN(test_put_del);
    RUN(test_duplicate);
    RUN(test_mask_cap);
    RUN(test_rank);
    RUN(test_interest);
    RUN(test_interest_by_source);
    RUN(test_tunnels);
    RUN(test_collision);
    RUN(test_many);
    RUN(test_no_memory);
    RUN(test_random);
    return summary();
}
