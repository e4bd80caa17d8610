/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tunnelled.c - frames with a shape as a whole in a tunnel
 * (pkt/tunnelled.c, table/tracker-key.c) against the long way: parsing, the
 * action TUNNEL_POP, and parsing again.
 */

#include "frames.h"
#include "model.h"
#include "pkt/csum.h"
#include "pkt/tunnel.h"
#include "table/tracker-key.h"

#define N_RANDOM 300000
#define HEAD 50                 /* Ethernet, IPv4, UDP, VXLAN or Geneve. */
#define POPPED 9                /* Port of the tunnel. */

static const struct agl_parse_options options = { .max_vlans = 1 };
static struct agl_tunnel_ports ports;

/* Makes a frame of an inner one of 'n' bytes; returns its length. */
static size_t
wrap(uint8_t *bytes, const uint8_t *inner, size_t n, bool geneve,
     uint32_t n_opts, bool with_csum)
{
    static const uint8_t head[HEAD] = {
        2, 0, 0, 0, 0, 3,  2, 0, 0, 0, 0, 4,  8, 0,
        0x45, 0, 0, 0,  0, 0, 0x40, 0,  64, 17, 0, 0,
        10, 0, 1, 1,  10, 0, 2, 2,
    };
    uint8_t *ip = bytes + 14, *udp = bytes + 34, *tunnel = bytes + 42;
    uint32_t len = HEAD + n_opts * 4 + (uint32_t) n;

    memcpy(bytes, head, sizeof head);
    ip[1] = frame_random_byte();
    agl_put_be16(ip + 2, agilio_to_be16((uint16_t) (len - 14)));
    agl_put_be16(ip + 10, agilio_to_be16(
        agl_csum_finish(agl_csum_add(0, ip, 20))));
    agl_put_be16(udp, agilio_to_be16((uint16_t) (32768 + frame_random(9))));
    agl_put_be16(udp + 2, geneve ? ports.geneve : ports.vxlan);
    agl_put_be16(udp + 4, agilio_to_be16((uint16_t) (len - 34)));
    if (geneve) {
        tunnel[0] = (uint8_t) n_opts;
        agl_put_be16(tunnel + 2, agilio_to_be16(0x6558));
    } else {
        tunnel[0] = 8;
    }
    tunnel[6] = (uint8_t) frame_random(4);
    for (uint32_t i = 0; i < n_opts * 4; i++) {
        bytes[HEAD + i] = frame_random_byte();
    }
    memcpy(bytes + HEAD + n_opts * 4, inner, n);
    if (with_csum) {
        uint32_t sum = agl_csum_add_pseudo(0, ip, false);

        agl_put_be16(udp + 6, agilio_to_be16(
            agl_csum_finish(agl_csum_add(sum, udp, len - 34))));
    }
    return len;
}

static size_t
random_frame(uint8_t *bytes)
{
    const struct frame *f = &frames[frame_random(N_FRAMES)];
    uint8_t inner[FRAME_MAX] = { 0 };
    size_t n = frame_decode(f->hex, inner);
    bool geneve = frame_random(2);

    if (n > 14 && !frame_random(4)) {
        memmove(inner + 16, inner + 12, n - 12);
        memcpy(inner + 12, "\x81\0\0\x07", 4);
        n += 4;
    }
    return wrap(bytes, inner, n < 60 ? 60 : n, geneve,
                geneve ? frame_random(8) : 0, frame_random(2));
}

static void
set_frame(struct agl_pkt *pkt, const uint8_t *bytes, size_t n)
{
    agl_pkt_init(pkt, pkt->room + AGL_PKT_HEADROOM, (uint32_t) n);
    memcpy(pkt->data, bytes, n);
    pkt->md.in_port = agilio_to_le32(7);
}

/* ## ------------ ##
 * ## The long way ##
 * ## ------------ ## */

static bool was_dropped;

static void
note_drop(struct agl_run *run, enum agilio_counter reason,
          struct agl_pkt *pkt)
{
    (void) run;
    (void) pkt;
    CHECK(reason == AGILIO_COUNTER_DROP_TUNNEL);
    was_dropped = true;
}

static void
note_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    (void) run;
    (void) pkt;
}

/* True if the packet came out of the tunnel.  Sets the keys of both passes. */
static bool
pop(struct agl_pkt *pkt, bool geneve, struct agilio_key keys[2])
{
    const struct agilio_action_tunnel_pop action = {
        .type = agilio_to_le32(geneve ? AGILIO_TUNNEL_GENEVE
                               : AGILIO_TUNNEL_VXLAN),
        .port = agilio_to_le32(POPPED),
    };
    struct agl_run r = { .drop = note_drop, .recirc = note_recirc };

    agl_parse(pkt, &options, &keys[0]);
    was_dropped = false;
    agl_action_tunnel_pop.go(&action.action, pkt, &r);
    if (!was_dropped) {
        agl_parse(pkt, &options, &keys[1]);
    }
    return !was_dropped;
}

/* ## -------- ##
 * ## One pop. ##
 * ## -------- ## */

/* A frame, looked at in both ways. */
struct view {
    struct agl_pkt pkt;
    struct agl_tunnelled t;
    bool good;                  /* It has a shape as a whole. */
    struct agilio_key keys[2];
};

static bool
may_be(struct agl_pkt *pkt)
{
    return agl_shape_of(pkt, &options) == AGL_SHAPE_SOME
           && agl_tunnelled_may_be(pkt, &ports);
}

static void
look(struct view *v, const uint8_t *bytes, size_t n)
{
    set_frame(&v->pkt, bytes, n);
    v->good = (may_be(&v->pkt)
               && agl_tunnelled_look(&v->pkt, &ports, &options, &v->t));
}

static void
look_twice(struct view *v, const uint8_t *bytes, size_t n)
{
    static struct agl_pkt popped;
    static struct agl_pkt quick;

    look(v, bytes, n);
    if (!v->good) {
        return;
    }
    set_frame(&popped, bytes, n);
    CHECK(pop(&popped, v->t.shape & AGL_SHAPE_GENEVE, v->keys));
    set_frame(&quick, bytes, n);
    agl_tunnelled_pop(&quick, &v->t, agilio_to_le32(POPPED));
    CHECK(!memcmp(&quick.md, &popped.md, sizeof quick.md));
    CHECK(quick.len == popped.len);
    CHECK(quick.data - quick.room == popped.data - popped.room);
    CHECK(quick.tcp_flags == popped.tcp_flags);
    CHECK(!memcmp(quick.tun_opts, popped.tun_opts, quick.md.tunnel.opts_len));
    agl_shape_settle(&quick, v->t.shape & (AGL_N_SHAPES - 1), &options);
    CHECK(quick.l3_ofs == popped.l3_ofs && quick.l3_type == popped.l3_type);
    CHECK(quick.l4_ofs == popped.l4_ofs && quick.l4_len == popped.l4_len);
    CHECK(quick.pad_len == popped.pad_len);
    CHECK(!quick.has_hash && !popped.has_hash);
}

/* What is broken is none of these, and what is not is one. */
static void
test_against_pop(void)
{
    static struct view v;
    uint32_t n_shapes[3 * AGL_N_SHAPES] = { 0 }, n_odd = 0;

    for (uint32_t i = 0; i < N_RANDOM; i++) {
        uint8_t bytes[FRAME_MAX] = { 0 };
        size_t n = random_frame(bytes);
        bool broken = i % 2;

        if (broken && frame_random(4)) {
            bytes[12 + frame_random(HEAD)] ^= (uint8_t) (1
                                                         << frame_random(8));
        } else if (broken) {
            n = frame_mutate(bytes, n);
        }
        look_twice(&v, bytes, n);
        n_odd += broken && !v.good;
        if (v.good) {
            n_shapes[v.t.shape]++;
        }
    }
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape += 2) {
        CHECK(n_shapes[AGL_SHAPE_VXLAN | shape] > 20);
        CHECK(n_shapes[AGL_SHAPE_GENEVE | shape] > 20);
    }
    CHECK(n_odd > N_RANDOM / 8);
}

/* What makes such a frame none. */
static void
test_refused(void)
{
    static const struct {
        uint16_t ofs;
        uint8_t bits;
        bool geneve;
    } rows[] = {
        { 12, 1, false },       /* Another Ethernet type. */
        { 14, 1, false },       /* IP options. */
        { 20, 0x20, false },    /* A fragment. */
        { 22, 1, false },       /* TTL, so a bad IP checksum. */
        { 36, 1, false },       /* Another port. */
        { 42, 1, false },       /* VXLAN: OAM of GPE, and other flags... */
        { 42, 8, false },       /* ...no VNI... */
        { 49, 1, false },       /* ...what is reserved. */
        { 42, 0x40, true },     /* Geneve: its version... */
        { 43, 0x80, true },     /* ...OAM... */
        { 44, 1, true },        /* ...no Ethernet inside. */
        { HEAD + 12, 1, false },        /* No IPv4 inside. */
        { HEAD + 20, 0x20, false },     /* A fragment inside. */
    };
    uint8_t inner[FRAME_MAX] = { 0 }, bytes[FRAME_MAX] = { 0 };
    static struct view v;
    size_t n;

    frame_get("udp4", inner);
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(rows); i++) {
        n = wrap(bytes, inner, 60, rows[i].geneve, 0, false);
        look(&v, bytes, n);
        CHECK(v.good);
        bytes[rows[i].ofs] ^= rows[i].bits;
        look(&v, bytes, n);
        CHECK(!v.good);
    }
    n = wrap(bytes, inner, 60, false, 0, true);
    look(&v, bytes, n);
    CHECK(v.good && v.t.has_csum);
    bytes[n - 1] ^= 1;          /* A bad UDP checksum. */
    look(&v, bytes, n);
    CHECK(!v.good);
    n = wrap(bytes, inner, 60, false, 0, false);
    look(&v, bytes, n);
    CHECK(v.good && !v.t.has_csum);
    look(&v, bytes, n - 40);    /* Cut off. */
    CHECK(!v.good);
    agl_put_be16(bytes + 36, agilio_to_be16(0));
    set_frame(&v.pkt, bytes, n);        /* No port stands for none. */
    CHECK(!agl_tunnelled_may_be(&v.pkt,
                                &(struct agl_tunnel_ports) { .vxlan = 0 }));
    agl_put_be16(bytes + 36, ports.vxlan);
    memset(bytes + 30, 0, 4);   /* Nobody's address: OVS knows no tunnel. */
    agl_put_be16(bytes + 24, agilio_to_be16(0));
    agl_put_be16(bytes + 24, agilio_to_be16(
        agl_csum_finish(agl_csum_add(0, bytes + 14, 20))));
    look(&v, bytes, n);
    CHECK(!v.good);
}

/* ## ---- ##
 * ## Keys ##
 * ## ---- ## */

static void
random_interest(struct agilio_key *mask)
{
    uint8_t *m = (uint8_t *) mask;
    uint32_t n = 1 + frame_random(40);

    memset(mask, 0, sizeof *mask);
    if (!frame_random(8)) {
        memset(mask, 0xff, sizeof *mask);
    }
    while (n--) {
        m[frame_random(sizeof *mask)] = (uint8_t) (1 << frame_random(8));
        m[24 + frame_random(256)] = 0xff;
    }
    mask->md.in_port = mask->md.recirc_id = agilio_to_le32(UINT32_MAX);
}

static bool
same_keys(const struct view *a, const struct view *b,
          const struct agl_flow_table *t)
{
    for (int pass = 0; pass < 2; pass++) {
        const uint8_t *x = (const uint8_t *) &a->keys[pass];
        const uint8_t *y = (const uint8_t *) &b->keys[pass];
        const uint8_t *m = (const uint8_t *) agl_flow_table_interest_by(
            t, pass);

        for (size_t i = 0; i < sizeof a->keys[pass]; i++) {
            if ((x[i] ^ y[i]) & m[i]) {
                return false;
            }
        }
    }
    return true;
}

static bool
same_words(const struct agl_tracker_key *a, const struct agl_tracker_key *b)
{
    return a->n == b->n && a->hash == b->hash && a->tag == b->tag
           && !memcmp(a->words, b->words, a->n * sizeof a->words[0]);
}

static void
make_key(const struct agl_key_maker *m, struct view *v,
         struct agl_traversal *t)
{
    struct agl_pkt *pkt = &v->pkt;

    agl_key_maker_shapes(m, &pkt, 1, &options, t);
    CHECK(t->tk.n <= AGILIO_KEY_WORDS && t->tk.n <= m->n_words);
    CHECK(t->tk.tunnelled.shape == (v->good ? v->t.shape : AGL_SHAPE_NONE));
}

/* Two frames that agree in the words agree, as far as the policy can tell, in
 * the keys of both passes, and the other way round. */
static void
test_keys(void)
{
    struct agl_flow_table *table = agl_flow_table_create(8, 8);
    static struct agl_key_maker maker;
    static struct agl_traversal ta, tb;
    static struct view a, b;
    uint32_t n_equal = 0, n_differ = 0;

    table->tunnels = ports;
    for (uint32_t i = 0; i < N_RANDOM; i++) {
        uint8_t bytes[FRAME_MAX] = { 0 };
        size_t n = random_frame(bytes);
        uint32_t ofs;

        random_interest(&table->interest_by[AGL_FROM_NIC].key);
        random_interest(&table->interest_by[AGL_FROM_HOST].key);
        agl_key_maker_follow(&maker, table);
        look_twice(&a, bytes, n);
        ofs = (uint32_t) (frame_random(2) ? 26 + frame_random(80)
                          : frame_random((uint32_t) n));
        bytes[ofs] ^= (uint8_t) (1 << frame_random(8));
        if (ofs < 34) {         /* The checksum follows. */
            agl_put_be16(bytes + 24, agilio_to_be16(0));
            agl_put_be16(bytes + 24, agilio_to_be16(
                agl_csum_finish(agl_csum_add(0, bytes + 14, 20))));
        }
        look_twice(&b, bytes, n);
        if (!a.good || !b.good || a.t.shape != b.t.shape) {
            continue;
        }
        make_key(&maker, &a, &ta);
        make_key(&maker, &b, &tb);
        if (same_words(&ta.tk, &tb.tk)) {
            CHECK(same_keys(&a, &b, table));
            n_equal++;
        } else {
            CHECK(!same_keys(&a, &b, table)
                  || a.t.has_csum != b.t.has_csum
                  || a.t.opts_len != b.t.opts_len);
            n_differ++;
        }
    }
    CHECK(n_equal > 1000 && n_differ > 1000);
    agl_flow_table_destroy(table);
    CHECK(!env_n_blocks);
}

int
main(void)
{
    ports.vxlan = agilio_to_be16(4789);
    ports.geneve = agilio_to_be16(6081);
    RUN(test_against_pop);
    RUN(test_refused);
    RUN(test_keys);
    return summary();
}
