/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.h - frames of the common shapes, recognised at once.
 *
 * A shape is a row of headers of which each has its usual length: Ethernet
 * with at most one VLAN tag, IPv4 without options or IPv6 without extension
 * headers, no fragment, TCP or UDP, all whole.  In frames of one shape every
 * field has one place.  So what a policy looks at is a fixed set of the
 * frame's own bits, and two frames of a shape that agree in those have the
 * same key as far as the policy can tell: there is no need to parse them.
 *
 * What is a shape here, agl_parse() parses to the end; what this has doubts
 * about is none.  tests/agilio/test-shape.c holds the two together.
 *
 * agl_shape_of() is for each packet; the masks are made when the policy
 * changes.  The worker calls all of it.
 */

#ifndef AGL_SHAPE_H
#define AGL_SHAPE_H 1

#include "pkt/headers.h"
#include "pkt/parse.h"

/* 0, AGL_SHAPE_NONE, or AGL_SHAPE_SOME plus what there is.  Here without the
 * two tunnels, which are tunnelled.h's. */
#define AGL_SHAPE_NONE 0
#define AGL_SHAPE_SOME 1
#define AGL_SHAPE_VLAN 2
#define AGL_SHAPE_IPV6 4
#define AGL_SHAPE_TCP 8
#define AGL_N_SHAPES 16
#define AGL_SHAPE_VXLAN 16
#define AGL_SHAPE_GENEVE 32

/* No shape's frames are shorter. */
#define AGL_SHAPE_MIN_LEN 48

/* 64-bit words that hold all bits of a frame that are in its key. */
#define AGL_SHAPE_WORDS 10

/* Bits of a frame: those of words at any offset, all within the frame. */
struct agl_shape_select {
    uint32_t n;
    uint8_t ofs[AGL_SHAPE_WORDS];
    uint64_t bits[AGL_SHAPE_WORDS];
};

/* Bytes that hold the headers of all shapes, but for the end of some TCP. */
#define AGL_SHAPE_HEAD 64

/* What tells that a frame has a shape: 'bits' of its first bytes are 'value',
 * and lengths as they should be. */
struct agl_shape_test {
    uint8_t bits[AGL_SHAPE_HEAD];
    uint8_t value[AGL_SHAPE_HEAD];
    uint32_t min_len;           /* Of a frame, ... */
    uint32_t headers_len;       /* ...of which its headers take these. */
    uint32_t len_ofs;           /* Where IP tells its length: as many bytes as
                                 * there are behind the headers, and... */
    uint32_t len_more;          /* ...these. */
    uint32_t tcp_ofs;           /* 0: no TCP. */
} __attribute__((aligned(AGL_SHAPE_HEAD)));

void agl_shape_test_init(struct agl_shape_test *, uint32_t shape);

/* Which bits of a frame of 'shape' become those bits of its key that 'mask'
 * has.  Others that it has are the same in all frames of the shape. */
void agl_shape_select(uint32_t shape, const struct agilio_key *mask,
                      struct agl_shape_select *);

/* The same, and of the 'n' bytes behind the headers those that 'more' has, if
 * frames are so long. */
void agl_shape_select_more(uint32_t shape, const struct agilio_key *mask,
                           const uint8_t more[], uint32_t n,
                           struct agl_shape_select *);

/* The other way: the key, under 'mask', of the frames of 'shape' that have
 * 'words' where 'select' looks.  Its metadata is 0. */
void agl_shape_key(uint32_t shape, const struct agl_shape_select *select,
                   const uint64_t words[], const struct agilio_key *mask,
                   struct agilio_key *key);

/* Sets all that agl_parse() would but the key, of a packet of 'shape'. */
void agl_shape_settle(struct agl_pkt *, uint32_t shape,
                      const struct agl_parse_options *);

/* The frame's TCP header and what is behind it take 'len' bytes. */
static inline bool
agl_shape_has_tcp(struct agl_pkt *pkt, uint32_t l4_ofs, uint32_t len)
{
    uint32_t tcp_len;
    uint16_t ctl;

    if (len < AGL_TCP_LEN) {
        return false;
    }
    ctl = agl_get_u16(pkt->data + l4_ofs + AGL_TCP_CTL);
    tcp_len = (ctl >> 12) * 4;
    pkt->tcp_flags = ctl & AGL_TCP_FLAGS_MASK;
    return tcp_len >= AGL_TCP_LEN && tcp_len <= len;
}

/* What lies behind an IP header whose payload is 'len' bytes. */
static inline uint32_t
agl_shape_of_l4(struct agl_pkt *pkt, uint32_t l4_ofs, uint32_t len,
                uint8_t proto)
{
    if (l4_ofs + len > pkt->len) {
        return AGL_SHAPE_NONE;
    } else if (proto == AGL_PROTO_UDP) {
        return len >= AGL_UDP_LEN ? AGL_SHAPE_SOME : AGL_SHAPE_NONE;
    } else if (proto == AGL_PROTO_TCP) {
        return agl_shape_has_tcp(pkt, l4_ofs, len)
               ? AGL_SHAPE_SOME | AGL_SHAPE_TCP : AGL_SHAPE_NONE;
    }
    return AGL_SHAPE_NONE;
}

/* The shape of a packet that begins with Ethernet.  Of one that has a shape,
 * sets the TCP flags. */
static inline uint32_t
agl_shape_of(struct agl_pkt *pkt, const struct agl_parse_options *options)
{
    const uint8_t *l3 = pkt->data + AGL_ETH_LEN;
    uint32_t shape = 0, ofs = AGL_ETH_LEN, total;
    uint16_t type;

    if (pkt->len < AGL_SHAPE_MIN_LEN) {
        return AGL_SHAPE_NONE;
    }
    pkt->tcp_flags = 0;
    type = agl_get_u16(l3 - 2);
    if (type != AGL_TYPE_IPV4 && agl_is_vlan_type(type)
        && options->max_vlans) {
        shape = AGL_SHAPE_VLAN;
        ofs += AGL_VLAN_LEN;
        l3 += AGL_VLAN_LEN;
        type = agl_get_u16(l3 - 2);
    }
    if (type == AGL_TYPE_IPV4) {
        total = agl_get_u16(l3 + AGL_IPV4_TOTAL);
        if (l3[0] != 0x45 || total < AGL_IPV4_LEN
            || (agl_get_be16(l3 + AGL_IPV4_FRAG)
                & agilio_to_be16(AGL_IPV4_MORE | AGL_IPV4_OFS_MASK))) {
            return AGL_SHAPE_NONE;
        }
        ofs = agl_shape_of_l4(pkt, ofs + AGL_IPV4_LEN, total - AGL_IPV4_LEN,
                              l3[AGL_IPV4_PROTO]);
    } else if (type == AGL_TYPE_IPV6) {
        shape |= AGL_SHAPE_IPV6;
        ofs = agl_shape_of_l4(pkt, ofs + AGL_IPV6_LEN,
                              agl_get_u16(l3 + AGL_IPV6_PLEN),
                              l3[AGL_IPV6_NEXT]);
    } else {
        return AGL_SHAPE_NONE;
    }
    return ofs ? shape | ofs : AGL_SHAPE_NONE;
}

/* Whether a packet whose first bytes are like that has the lengths, too: then
 * it is what agl_shape_of() tells (if a tag is VLAN to its options), and its
 * TCP flags are set. */
static inline bool
agl_shape_test_lengths(const struct agl_shape_test *test, struct agl_pkt *pkt)
{
    uint32_t len;

    if (AGILIO_UNLIKELY(pkt->len < test->min_len)) {
        return false;
    }
    /* If it is less than it should be, this is more than any. */
    len = agl_get_u16(pkt->data + test->len_ofs) - test->len_more;
    if (AGILIO_UNLIKELY(len > pkt->len - test->headers_len)) {
        return false;
    }
    pkt->tcp_flags = 0;
    return (!test->tcp_ofs
            || agl_shape_has_tcp(pkt, test->tcp_ofs, len + AGL_TCP_LEN));
}

/* What 'select' takes from a frame of its shape. */
static inline uint64_t
agl_shape_word(const struct agl_shape_select *select, uint32_t i,
               const uint8_t *frame)
{
    uint64_t word;

    memcpy(&word, frame + select->ofs[i], sizeof word);
    return word & select->bits[i];
}

#endif /* pkt/shape.h */
