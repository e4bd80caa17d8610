/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-shape.c - frames of the common shapes (pkt/shape.c) against the parser,
 * which knows better.  What a shape sets of a packet is what parsing sets; and
 * a frame's masked words say exactly as much as its masked key, which can be
 * had from them.  Then the tracker by these words, against the flow table.
 */

#include "frames.h"
#include "model.h"
#include "pkt/key-hash.h"
#include "pkt/shape.h"
#include "table/tracker-private.h"

#define N_RANDOM 200000

static const struct agl_parse_options options[] = {
    { .max_vlans = 0 }, { .max_vlans = 1 }, { .max_vlans = 2 },
};

/* A frame with what is made of it. */
struct view {
    struct agl_pkt pkt;
    struct agilio_key key;
    uint32_t shape;
};

static void
set_frame(struct agl_pkt *pkt, const uint8_t *bytes, size_t n)
{
    agl_pkt_init(pkt, pkt->room + AGL_PKT_HEADROOM, (uint32_t) n);
    memcpy(pkt->data, bytes, n);
    pkt->md.in_port = agilio_to_le32(7);
}

static void
look(struct view *v, const uint8_t *bytes, size_t n,
     const struct agl_parse_options *o)
{
    set_frame(&v->pkt, bytes, n);
    v->shape = agl_shape_of(&v->pkt, o);
    if (v->shape) {
        agl_shape_settle(&v->pkt, v->shape, o);
    }
}

/* Also checks that there is one truth. */
static void
look_twice(struct view *v, const uint8_t *bytes, size_t n,
           const struct agl_parse_options *o)
{
    static struct agl_pkt parsed;

    look(v, bytes, n, o);
    set_frame(&parsed, bytes, n);
    agl_parse(&parsed, o, &v->key);
    if (v->shape) {
        CHECK(v->pkt.options == parsed.options);
        CHECK(v->pkt.l2_5_ofs == parsed.l2_5_ofs);
        CHECK(v->pkt.l3_ofs == parsed.l3_ofs);
        CHECK(v->pkt.l3_type == parsed.l3_type);
        CHECK(v->pkt.l4_ofs == parsed.l4_ofs);
        CHECK(v->pkt.l4_len == parsed.l4_len);
        CHECK(v->pkt.pad_len == parsed.pad_len);
        CHECK(v->pkt.tcp_flags == parsed.tcp_flags);
        agl_pkt_set_shape_hash(&v->pkt);
        agl_pkt_set_hash(&parsed, &v->key);
        CHECK(v->pkt.flow_hash == parsed.flow_hash);
    }
}

/* Also checks that the words tell the masked key. */
static bool
same_words(const struct view *a, const struct view *b,
           const struct agilio_key *mask)
{
    uint64_t words[AGL_SHAPE_WORDS], differ = 0;
    struct agl_shape_select select;
    struct agilio_key key, masked;

    agl_shape_select(a->shape, mask, &select);
    for (uint32_t i = 0; i < select.n; i++) {
        CHECK(select.bits[i] != 0);
        CHECK(select.ofs[i] + sizeof words[i] <= a->pkt.len);
        words[i] = agl_shape_word(&select, i, a->pkt.data);
        differ |= words[i] ^ agl_shape_word(&select, i, b->pkt.data);
    }
    agl_shape_key(a->shape, &select, words, mask, &key);
    masked = a->key;
    memset(&masked.md, 0, sizeof masked.md);
    for (size_t i = 0; i < sizeof key; i++) {
        ((uint8_t *) &masked)[i] &= ((const uint8_t *) mask)[i];
    }
    CHECK(!memcmp(&key, &masked, sizeof key));
    return !differ;
}

static bool
same_key(const struct view *a, const struct view *b,
         const struct agilio_key *mask)
{
    const uint8_t *x = (const uint8_t *) &a->key, *m = (const uint8_t *) mask;
    const uint8_t *y = (const uint8_t *) &b->key;

    for (size_t i = 0; i < sizeof *mask; i++) {
        if ((x[i] ^ y[i]) & m[i]) {
            return false;
        }
    }
    return true;
}

/* Few bits or many. */
static void
random_mask(struct agilio_key *mask)
{
    uint8_t *m = (uint8_t *) mask;
    uint32_t n = 1 + frame_random(24);

    memset(mask, 0, sizeof *mask);
    if (!frame_random(4)) {
        memset(mask, 0xff, sizeof *mask);
        return;
    }
    while (n--) {
        m[frame_random(sizeof *mask)] = (uint8_t) (1 << frame_random(8));
        m[96 + frame_random(120)] = 0xff;
    }
}

static void
test_against_parser(void)
{
    static struct view a, b;
    uint32_t n_shapes[AGL_N_SHAPES] = { 0 }, n_equal = 0, n_differ = 0;

    for (uint32_t i = 0; i < N_RANDOM; i++) {
        const struct frame *f = &frames[i % AGILIO_ARRAY_SIZE(frames)];
        const struct agl_parse_options *o = &options[frame_random(3)];
        uint8_t bytes[FRAME_MAX];
        struct agilio_key mask;
        size_t n;

        n = frame_mutate(bytes, frame_decode(f->hex, bytes));
        while (i % 2 && n < 64) {
            bytes[n++] = frame_random_byte();   /* As on a wire. */
        }
        look_twice(&a, bytes, n, o);
        n_shapes[a.shape]++;
        bytes[frame_random((uint32_t) n)] ^= (uint8_t) (1 << frame_random(8));
        look_twice(&b, bytes, n, o);
        if (!a.shape || a.shape != b.shape) {
            continue;
        }
        random_mask(&mask);
        CHECK(same_words(&a, &b, &mask) == same_key(&a, &b, &mask));
        n_equal += same_key(&a, &b, &mask);
        n_differ += !same_key(&a, &b, &mask);
    }
    /* It was not for nothing: each shape, equal keys and different ones. */
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape += 2) {
        CHECK(n_shapes[shape] > 20);
    }
    CHECK(n_equal > 1000 && n_differ > 1000);
}

static uint32_t
shape_of(const char *name, const struct agl_parse_options *o)
{
    static struct view v;
    uint8_t bytes[FRAME_MAX] = { 0 };
    size_t n = frame_get(name, bytes);

    look(&v, bytes, n < 64 ? 64 : n, o);        /* As on a wire. */
    return v.shape;
}

static void
test_shapes(void)
{
    const struct agl_parse_options *o = &options[1];

    CHECK(shape_of("udp4", o) == AGL_SHAPE_SOME);
    CHECK(shape_of("tcp4", o) == (AGL_SHAPE_SOME | AGL_SHAPE_TCP));
    CHECK(shape_of("vlan tcp4", o)
          == (AGL_SHAPE_SOME | AGL_SHAPE_VLAN | AGL_SHAPE_TCP));
    CHECK(shape_of("vlan tcp4", &options[0]) == AGL_SHAPE_NONE);
    CHECK(shape_of("qinq udp4", &options[2]) == AGL_SHAPE_NONE);
    CHECK(shape_of("udp6", o) == (AGL_SHAPE_SOME | AGL_SHAPE_IPV6));
    CHECK(shape_of("arp", o) == AGL_SHAPE_NONE);
    CHECK(shape_of("icmp4", o) == AGL_SHAPE_NONE);
}

/* ## ---- ##
 * ## Keys ##
 * ## ---- ## */

/* A burst of random frames. */
static uint32_t
make_burst(struct agl_pkt pkts[], struct agl_pkt *burst[])
{
    uint32_t n = 1 + frame_random(AGL_BURST);

    for (uint32_t i = 0; i < n; i++) {
        const struct frame *f = &frames[frame_random(
            AGILIO_ARRAY_SIZE(frames))];
        uint8_t bytes[FRAME_MAX];
        size_t len = frame_decode(f->hex, bytes);

        len = frame_random(2) ? len : frame_mutate(bytes, len);
        while (frame_random(4) && len < 64) {
            bytes[len++] = frame_random_byte();
        }
        set_frame(&pkts[i], bytes, len);
        pkts[i].n_recirc = !frame_random(8);
        burst[i] = &pkts[i];
    }
    return n;
}

/* A policy that looks at 'mask'. */
static void
set_policy(struct agl_flow_table *flows, const struct agilio_key *mask)
{
    flows->seq++;
    flows->interest.key = flows->interest_by[AGL_FROM_NIC].key = *mask;
    flows->tunnels.vxlan = agilio_to_be16(frame_random(2) ? 4789 : 0);
}

/* What makes two keys one. */
static bool
is_same(const struct agl_tracker_key *a, const struct agl_tracker_key *b)
{
    uint32_t n = a->n < AGL_KEY_HEAD ? AGL_KEY_HEAD : a->n;

    return (a->shape == b->shape && a->n == b->n
            && a->tag % AGL_N_KINDS == b->tag % AGL_N_KINDS
            && agl_words_equal(a->words, b->words, n));
}

/* However keys are made, in vectors (if the CPU has such) or not, they are the
 * same; and their hash is if they are. */
static void
test_vectors(void)
{
    static struct agl_pkt pkts[AGL_BURST];
    static struct agl_traversal a[AGL_BURST], b[AGL_BURST];
    struct agl_flow_table *flows = agl_flow_table_create(8, 8);
    struct agl_tracker *plain = agl_tracker_create(8);
    struct agl_tracker *vectors = agl_tracker_create(8);
    struct agl_pkt *burst[AGL_BURST];
    struct agilio_key mask;
    uint32_t n_made = 0, n_same = 0;

    plain->keys.has_vectors = false;
    for (uint32_t i = 0; i < 20000; i++) {
        const struct agl_parse_options *o = &options[frame_random(3)];
        uint32_t n = make_burst(pkts, burst);

        random_mask(&mask);
        memset(&mask.md, 0, sizeof mask.md);
        set_policy(flows, &mask);
        agl_tracker_lookup_burst(plain, flows, burst, n, o, 1, a);
        for (uint32_t j = 0; j < n; j++) {
            pkts[j].tcp_flags = 0xffff;         /* Of packets with a shape. */
        }
        agl_tracker_lookup_burst(vectors, flows, burst, n, o, 1, b);
        for (uint32_t j = 0; j < n; j++) {
            uint32_t shape = a[j].tk.shape;

            CHECK(b[j].tk.shape == shape && !a[j].path.n && !b[j].path.n);
            if (!shape) {
                continue;
            }
            CHECK(is_same(&a[j].tk, &b[j].tk));
            CHECK(a[j].tk.epoch == b[j].tk.epoch);
            CHECK(a[j].tk.tunnelled.shape == b[j].tk.tunnelled.shape);
            CHECK(pkts[j].tcp_flags != 0xffff);
            n_made += vectors->keys.vectors[shape].n != 0;
            for (uint32_t k = 0; k < j; k++) {
                if (b[k].tk.shape && is_same(&b[j].tk, &b[k].tk)) {
                    CHECK(b[j].tk.hash == b[k].tk.hash);
                    CHECK(b[j].tk.tag == b[k].tk.tag);
                    n_same++;
                }
            }
        }
    }
    CHECK((n_made > 10000 || !vectors->keys.has_vectors) && n_same > 1000);
    agl_tracker_destroy(plain);
    agl_tracker_destroy(vectors);
    agl_flow_table_destroy(flows);
}

/* ## ------- ##
 * ## Tracker ##
 * ## ------- ## */

static struct agl_flow_table *table;
static struct agl_tracker *tracker;
static uint64_t now = 100;

/* A match on packets of port 7 whose destination port ends in 'x', and that
 * looks at 'mask' of the source port. */
static struct match
ports_match(uint16_t x, uint16_t mask)
{
    struct agilio_key key, bits;
    struct match m;

    memset(&key, 0, sizeof key);
    memset(&bits, 0, sizeof bits);
    key.md.in_port = agilio_to_le32(7);
    bits.md.in_port = bits.md.recirc_id = agilio_to_le32(UINT32_MAX);
    key.tp_dst = agilio_to_be16(x);
    bits.tp_dst = agilio_to_be16(7);
    bits.tp_src = agilio_to_be16(mask);
    memcpy(m.key, &key, sizeof key);
    memcpy(m.mask, &bits, sizeof bits);
    return m;
}

static void
start(uint32_t n_entries)
{
    table = agl_flow_table_create(100, 10);
    tracker = agl_tracker_create(n_entries);
    put_new(table, 0, ports_match(0, 0));
    put_new(table, 1, ports_match(1, 0));
}

static void
stop(void)
{
    agl_tracker_destroy(tracker);
    agl_flow_table_destroy(table);
    CHECK(!env_n_blocks);
}

/* Frame 'name' with these ports, as received on port 7. */
static void
make_udp(struct agl_pkt *pkt, const char *name, uint16_t src, uint16_t dst)
{
    agilio_be16 ports[] = { agilio_to_be16(src), agilio_to_be16(dst) };
    uint8_t bytes[FRAME_MAX] = { 0 };

    frame_get(name, bytes);
    memcpy(bytes + 34, ports, sizeof ports);
    set_frame(pkt, bytes, 64);
}

/* What the tracker makes of a packet: its flow's id, or -1. */
static int
meet(struct agl_pkt *pkt, struct agl_traversal *t)
{
    agl_tracker_lookup_burst(tracker, table, &pkt, 1, &options[1], now, t);
    if (!t->tk.shape) {
        struct agilio_key key;

        agl_parse(pkt, &options[1], &key);
        agl_tracker_key(tracker, table, &key, &t->tk);
    }
    return (t->path.n
            || agl_tracker_lookup(tracker, table, &t->tk, now, &t->path)
            ? (int) t->path.flows[0]->id : -1);
}

/* The long way, in which a packet is learned.  Returns the same. */
static int
look_up(struct agl_pkt *pkt, const struct agl_traversal *t)
{
    struct agl_path path = { .n = 1 };
    struct agilio_key key;

    agl_parse(pkt, &options[1], &key);
    path.flows[0] = agl_flow_table_lookup(table, &key);
    if (!path.flows[0]) {
        return -1;
    }
    agl_tracker_learn(tracker, table, &t->tk, &path, now);
    return (int) path.flows[0]->id;
}

/* Both, for a UDP packet. */
static int
track(uint16_t src, uint16_t dst)
{
    static struct agl_pkt pkt;
    struct agl_traversal t;

    make_udp(&pkt, "udp4", src, dst);
    return meet(&pkt, &t);
}

static int
teach(uint16_t src, uint16_t dst)
{
    static struct agl_pkt pkt;
    struct agl_traversal t;

    make_udp(&pkt, "udp4", src, dst);
    meet(&pkt, &t);
    return look_up(&pkt, &t);
}

static void
test_tracker(void)
{
    start(64);
    CHECK(track(5, 0) == -1);
    CHECK(teach(5, 0) == 0 && track(5, 0) == 0);
    CHECK(track(6, 8) == 0);            /* The policy sees no difference. */
    CHECK(track(5, 1) == -1 && teach(5, 1) == 1 && track(5, 1) == 1);
    CHECK(teach(5, 2) == -1 && track(5, 2) == -1);
    stop();
}

static void
test_tracker_is_not_stale(void)
{
    start(64);
    CHECK(teach(5, 0) == 0);
    replace(table, 0, ports_match(0, 0));
    CHECK(track(5, 0) == -1 && teach(5, 0) == 0 && track(5, 0) == 0);
    agl_flow_destroy(agl_flow_table_del(table, 0));
    CHECK(track(5, 0) == -1);

    CHECK(teach(5, 1) == 1 && track(5, 1) == 1);
    put_new(table, 2, ports_match(2, 0xff));    /* Now ports tell. */
    CHECK(track(5, 1) == -1 && teach(5, 1) == 1);
    CHECK(track(5, 1) == 1 && track(6, 1) == -1);
    stop();
}

/* Like looks, unlike shape: each has an entry of its own. */
static void
test_tracker_and_shapes(void)
{
    struct agilio_tracker_entry out[8];
    static struct agl_pkt udp, icmp, tcp;
    struct agl_traversal t;
    uint32_t cursor = 0;

    start(8);
    make_udp(&udp, "udp4", 5, 0);
    make_udp(&tcp, "tcp4", 5, 0);
    make_udp(&icmp, "icmp4", 0x500, 0);    /* Code 0. */
    CHECK(meet(&udp, &t) == -1 && look_up(&udp, &t) == 0);
    CHECK(meet(&udp, &t) == 0);
    CHECK(meet(&tcp, &t) == -1 && look_up(&tcp, &t) == 0);
    CHECK(meet(&icmp, &t) == -1 && look_up(&icmp, &t) == 0);
    CHECK(meet(&udp, &t) == 0 && meet(&tcp, &t) == 0 && meet(&icmp, &t) == 0);
    CHECK(agl_tracker_dump(tracker, table, &cursor, out, 8) == 3);
    for (int i = 0; i < 3; i++) {
        CHECK(!memcmp(&out[i].key, &out[0].key, sizeof out[i].key));
        CHECK(agilio_from_le32(out[i].key.md.in_port) == 7);
        CHECK(agilio_from_le64(out[i].packets) == (i ? 2 : 3));
    }
    udp.md.in_port = agilio_to_le32(8);
    CHECK(meet(&udp, &t) == -1 && look_up(&udp, &t) == -1);
    stop();
}

/* What comes out of a tunnel has its metadata in the key, too. */
static void
test_tracker_and_metadata(void)
{
    struct agilio_tracker_entry out[8];
    static struct agl_pkt pkt;
    struct match m = ports_match(1, 0xffff);
    struct agl_traversal t;
    struct agilio_key key;
    uint32_t cursor = 0;

    start(8);
    memcpy(&key, m.mask, sizeof key);
    key.md.tunnel.id = agilio_to_be64(UINT64_MAX);
    key.md.tunnel.ip_dst = agilio_to_be32(UINT32_MAX);
    memcpy(m.mask, &key, sizeof key);
    memcpy(&key, m.key, sizeof key);
    key.md.tunnel.id = agilio_to_be64(42);
    key.md.tunnel.ip_dst = agilio_to_be32(99);
    memcpy(m.key, &key, sizeof key);
    replace(table, 1, m);

    make_udp(&pkt, "udp4", 0, 1);
    pkt.n_recirc = 1;
    pkt.md.tunnel = key.md.tunnel;
    CHECK(meet(&pkt, &t) == -1 && t.tk.shape && look_up(&pkt, &t) == 1);
    CHECK(meet(&pkt, &t) == 1);
    CHECK(agl_tracker_dump(tracker, table, &cursor, out, 8) == 1);
    CHECK(!memcmp(&out[0].key, &key, sizeof key));

    pkt.md.tunnel.id = agilio_to_be64(43);
    CHECK(meet(&pkt, &t) == -1 && look_up(&pkt, &t) == -1);
    pkt.md.tunnel = key.md.tunnel;
    pkt.n_recirc = 0;           /* Not that metadata could be there then. */
    CHECK(meet(&pkt, &t) == -1);
    pkt.n_recirc = 1;
    pkt.md.packet_type = agilio_to_be32(0x10800);
    CHECK(meet(&pkt, &t) == -1 && !t.tk.shape);
    pkt.md.packet_type = agilio_to_be32(0);
    pkt.md.tunnel.opts_len = 4;
    CHECK(meet(&pkt, &t) == -1 && !t.tk.shape);
    stop();
}

/* Packets, and changes of the policy, as chance has it: a hit is what the flow
 * table says. */
static void
test_tracker_random(void)
{
    static struct agl_pkt pkt;
    uint32_t n_hits = 0;

    start(16);
    for (uint32_t i = 0; i < 500000; i++) {
        uint32_t id = frame_random(8);
        struct agl_traversal t;
        struct agl_flow *flow;
        struct agilio_key key;
        int found;

        if (!frame_random(64)) {
            agl_flow_destroy(agl_flow_table_del(table, id));
            if (frame_random(3)) {
                put_new(table, id, ports_match((uint16_t) id, 0x10));
            }
        }
        make_udp(&pkt, frame_random(8) ? "udp4" : "tcp4",
                 (uint16_t) frame_random(64), (uint16_t) frame_random(8));
        now++;
        found = meet(&pkt, &t);
        agl_parse(&pkt, &options[1], &key);
        flow = agl_flow_table_lookup(table, &key);
        CHECK(found == -1 || (flow && found == (int) flow->id));
        n_hits += found != -1;
        if (found == -1) {
            look_up(&pkt, &t);
        }
    }
    CHECK(n_hits > 100000);
    stop();
}

int
main(void)
{
    RUN(test_against_parser);
    RUN(test_shapes);
    RUN(test_vectors);
    RUN(test_tracker);
    RUN(test_tracker_is_not_stale);
    RUN(test_tracker_and_shapes);
    RUN(test_tracker_and_metadata);
    RUN(test_tracker_random);
    return summary();
}
