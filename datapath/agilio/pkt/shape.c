/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c - frames of the common shapes: where what is in them. */

#include "pkt/shape.h"

/* The longest headers: Ethernet with a tag, IPv6, TCP. */
#define MAX_HEADERS (AGL_ETH_LEN + AGL_VLAN_LEN + AGL_IPV6_LEN + AGL_TCP_LEN)

/* A field: where it is in its header and in the key. */
struct place {
    uint8_t ofs, len;
    uint16_t key;
};
#define PLACE(OFS, FIELD)                                               \
    { OFS, sizeof ((struct agilio_key *) NULL)->FIELD,                  \
      offsetof(struct agilio_key, FIELD) }

static const struct place eth_places[] = {
    PLACE(0, eth_dst), PLACE(AGL_ETH_SRC, eth_src),
};
static const struct place tag_places[] = {
    PLACE(0, vlan[0].tpid), PLACE(2, vlan[0].tci),
};
static const struct place ipv4_places[] = {
    PLACE(AGL_IPV4_TOS, nw_tos), PLACE(AGL_IPV4_TTL, nw_ttl),
    PLACE(AGL_IPV4_SRC, nw_src), PLACE(AGL_IPV4_DST, nw_dst),
};
static const struct place ipv6_places[] = {
    PLACE(AGL_IPV6_HLIMIT, nw_ttl),
    PLACE(AGL_IPV6_SRC, ipv6_src), PLACE(AGL_IPV6_DST, ipv6_dst),
};
static const struct place port_places[] = {
    PLACE(AGL_L4_SRC, tp_src), PLACE(AGL_L4_DST, tp_dst),
};
static const struct place tcp_places[] = {
    PLACE(AGL_TCP_CTL, tcp_flags),
};

/* Headers of a shape, and a key: what is in the one is copied to the other. */
struct copy {
    uint8_t headers[MAX_HEADERS];
    struct agilio_key key;
    bool to_key;
};

static uint32_t
l3_ofs(uint32_t shape)
{
    return AGL_ETH_LEN + (shape & AGL_SHAPE_VLAN ? AGL_VLAN_LEN : 0);
}

static uint32_t
l4_ofs(uint32_t shape)
{
    return l3_ofs(shape)
           + (shape & AGL_SHAPE_IPV6 ? AGL_IPV6_LEN : AGL_IPV4_LEN);
}

static uint16_t
l3_type(uint32_t shape)
{
    return shape & AGL_SHAPE_IPV6 ? AGL_TYPE_IPV6 : AGL_TYPE_IPV4;
}

static uint8_t
l4_proto(uint32_t shape)
{
    return shape & AGL_SHAPE_TCP ? AGL_PROTO_TCP : AGL_PROTO_UDP;
}

/* The least that it takes. */
static uint32_t
l4_len(uint32_t shape)
{
    return shape & AGL_SHAPE_TCP ? AGL_TCP_LEN : AGL_UDP_LEN;
}

/* Of a frame that is not too short for a shape. */
static uint32_t
min_len(uint32_t headers_len)
{
    return headers_len < AGL_SHAPE_MIN_LEN ? AGL_SHAPE_MIN_LEN : headers_len;
}

/* A byte of a frame is to have such 'bits'. */
static void
expect(struct agl_shape_test *test, uint32_t ofs, uint8_t bits, uint8_t value)
{
    test->bits[ofs] = bits;
    test->value[ofs] = value;
}

static void
expect_type(struct agl_shape_test *test, uint32_t ofs, uint16_t type)
{
    expect(test, ofs, UINT8_MAX, (uint8_t) (type >> 8));
    expect(test, ofs + 1, UINT8_MAX, (uint8_t) type);
}

void
agl_shape_test_init(struct agl_shape_test *test, uint32_t shape)
{
    uint32_t l3 = l3_ofs(shape);

    memset(test, 0, sizeof *test);
    if (shape & AGL_SHAPE_VLAN) {       /* Or another: agl_shape_of() knows. */
        expect_type(test, AGL_ETH_TYPE, AGL_TYPE_VLAN);
    }
    expect_type(test, l3 - 2, l3_type(shape));
    if (shape & AGL_SHAPE_IPV6) {
        expect(test, l3 + AGL_IPV6_NEXT, UINT8_MAX, l4_proto(shape));
        test->len_ofs = l3 + AGL_IPV6_PLEN;
        test->len_more = l4_len(shape);
    } else {
        expect(test, l3, UINT8_MAX, 0x45);
        expect(test, l3 + AGL_IPV4_FRAG,
               (AGL_IPV4_MORE | AGL_IPV4_OFS_MASK) >> 8, 0);
        expect(test, l3 + AGL_IPV4_FRAG + 1, AGL_IPV4_OFS_MASK & 0xff, 0);
        expect(test, l3 + AGL_IPV4_PROTO, UINT8_MAX, l4_proto(shape));
        test->len_ofs = l3 + AGL_IPV4_TOTAL;
        test->len_more = AGL_IPV4_LEN + l4_len(shape);
    }
    test->tcp_ofs = shape & AGL_SHAPE_TCP ? l4_ofs(shape) : 0;
    test->headers_len = l4_ofs(shape) + l4_len(shape);
    test->min_len = min_len(test->headers_len);
}

static void
copy_places(struct copy *c, uint32_t ofs, const struct place places[],
            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *header = c->headers + ofs + places[i].ofs;
        uint8_t *key = (uint8_t *) &c->key + places[i].key;

        memcpy(c->to_key ? key : header, c->to_key ? header : key,
               places[i].len);
    }
}

/* The first word of IPv6: its version, TOS and label. */
static void
copy_ipv6_word(struct copy *c, uint8_t *ip)
{
    uint32_t label = agilio_from_be32(c->key.ipv6_label);

    if (c->to_key) {
        c->key.nw_tos = (uint8_t) (agl_get_u32(ip) >> 20);
        c->key.ipv6_label = agilio_to_be32(agl_get_u32(ip)
                                           & AGL_IPV6_LABEL_MASK);
    } else {
        agl_put_be32(ip, agilio_to_be32((uint32_t) c->key.nw_tos << 20
                                        | (label & AGL_IPV6_LABEL_MASK)));
    }
}

#define COPY(C, OFS, PLACES) \
    copy_places(C, OFS, PLACES, AGILIO_ARRAY_SIZE(PLACES))

static void
copy_all(struct copy *c, uint32_t shape)
{
    uint32_t l3 = l3_ofs(shape), l4 = l4_ofs(shape);

    COPY(c, 0, eth_places);
    if (shape & AGL_SHAPE_VLAN) {
        COPY(c, AGL_ETH_TYPE, tag_places);
    }
    if (shape & AGL_SHAPE_IPV6) {
        COPY(c, l3, ipv6_places);
        copy_ipv6_word(c, c->headers + l3);
    } else {
        COPY(c, l3, ipv4_places);
    }
    COPY(c, l4, port_places);
    if (shape & AGL_SHAPE_TCP) {
        COPY(c, l4, tcp_places);
    }
}

void
agl_shape_select(uint32_t shape, const struct agilio_key *mask,
                 struct agl_shape_select *select)
{
    agl_shape_select_more(shape, mask, NULL, 0, select);
}

/* Words as few as can be: each begins with a byte that counts, but must end
 * within the shortest frame. */
void
agl_shape_select_more(uint32_t shape, const struct agilio_key *mask,
                      const uint8_t more[], uint32_t n,
                      struct agl_shape_select *select)
{
    uint32_t l4 = l4_ofs(shape), i = 0;
    uint32_t end = l4 + l4_len(shape);
    struct copy c = { .key = *mask, .to_key = false };

    copy_all(&c, shape);
    if (shape & AGL_SHAPE_VLAN) {
        /* Of the key's CFI all that matters is that there is a tag. */
        c.headers[AGL_ETH_TYPE + 2] &= (uint8_t) ~(AGL_VLAN_CFI >> 8);
    }
    if (shape & AGL_SHAPE_TCP) {
        c.headers[l4 + AGL_TCP_CTL] &= AGL_TCP_FLAGS_MASK >> 8;
    }
    for (uint32_t j = 0; j < n; j++) {
        c.headers[end++] = more[j];
    }
    end = min_len(end);
    select->n = 0;
    while (i < MAX_HEADERS) {
        uint64_t *bits = &select->bits[select->n];
        uint32_t ofs = i + sizeof *bits <= end ? i : end - sizeof *bits;

        if (!c.headers[i]) {
            i++;
            continue;
        }
        memcpy(bits, c.headers + ofs, sizeof *bits);
        memset(c.headers + ofs, 0, sizeof *bits);
        select->ofs[select->n++] = (uint8_t) ofs;
        i = ofs + sizeof *bits;
    }
}

void
agl_shape_key(uint32_t shape, const struct agl_shape_select *select,
              const uint64_t words[], const struct agilio_key *mask,
              struct agilio_key *key)
{
    struct copy c = { .to_key = true };

    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word;

        memcpy(&word, c.headers + select->ofs[i], sizeof word);
        word |= words[i];
        memcpy(c.headers + select->ofs[i], &word, sizeof word);
    }
    copy_all(&c, shape);
    c.key.eth_type = agilio_to_be16(l3_type(shape));
    c.key.nw_proto = l4_proto(shape);
    if (shape & AGL_SHAPE_VLAN) {
        c.key.vlan[0].tci |= agilio_to_be16(AGL_VLAN_CFI);
    }
    for (size_t i = 0; i < sizeof *key; i++) {
        ((uint8_t *) key)[i] = ((const uint8_t *) &c.key)[i]
                               & ((const uint8_t *) mask)[i];
    }
}

void
agl_shape_settle(struct agl_pkt *pkt, uint32_t shape,
                 const struct agl_parse_options *options)
{
    const uint8_t *ip = pkt->data + l3_ofs(shape);

    pkt->options = options;
    pkt->l2_5_ofs = AGL_OFS_NONE;
    pkt->l3_ofs = (uint16_t) l3_ofs(shape);
    pkt->l3_type = l3_type(shape);
    pkt->l4_ofs = (uint16_t) l4_ofs(shape);
    pkt->l4_len = (shape & AGL_SHAPE_IPV6 ? agl_get_u16(ip + AGL_IPV6_PLEN)
                   : agl_get_u16(ip + AGL_IPV4_TOTAL) - AGL_IPV4_LEN);
    pkt->pad_len = (uint16_t) (pkt->len - pkt->l4_ofs - pkt->l4_len);
}
