/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.c - frames of the common shapes, recognised at once.
 *
 * Called by the worker for each received packet, and for masks when the policy
 * changes.  What is a shape here, agl_parse() parses to the end; what it has
 * doubts about is none.  tests/agilio/test-shape.c holds the two together.
 */

#include "pkt/shape.h"

#include "pkt/headers.h"

/* No word with ports ends behind these. */
#define MIN_IPV4 48
#define MIN_IPV6 64

/* Sets what lies behind an IP header whose payload is 'len' bytes; 0 if that
 * is not TCP or UDP, or not whole. */
static uint32_t
parse_l4(struct agl_pkt *pkt, uint32_t l4_ofs, uint32_t len, uint8_t proto)
{
    const uint8_t *l4 = pkt->data + l4_ofs;
    uint32_t shape = AGL_SHAPE_SOME;
    uint16_t flags = 0;

    if (l4_ofs + len > pkt->len) {
        return AGL_SHAPE_NONE;
    }
    if (proto == AGL_PROTO_TCP && len >= AGL_TCP_LEN) {
        uint16_t ctl = agl_get_u16(l4 + AGL_TCP_CTL);
        uint32_t tcp_len = (ctl >> 12) * 4;

        if (tcp_len < AGL_TCP_LEN || tcp_len > len) {
            return AGL_SHAPE_NONE;
        }
        flags = ctl & AGL_TCP_FLAGS_MASK;
        shape |= AGL_SHAPE_TCP;
    } else if (proto != AGL_PROTO_UDP || len < AGL_UDP_LEN) {
        return AGL_SHAPE_NONE;
    }
    pkt->l4_ofs = (uint16_t) l4_ofs;
    pkt->l4_len = (uint16_t) len;
    pkt->pad_len = (uint16_t) (pkt->len - l4_ofs - len);
    pkt->tcp_flags = flags;
    return shape;
}

static uint32_t
parse_ipv4(struct agl_pkt *pkt, uint32_t l3_ofs)
{
    const uint8_t *ip = pkt->data + l3_ofs;
    uint16_t total, frag;

    if (ip[0] != 0x45) {
        return AGL_SHAPE_NONE;
    }
    total = agl_get_u16(ip + AGL_IPV4_TOTAL);
    frag = agl_get_u16(ip + AGL_IPV4_FRAG);
    if (total < AGL_IPV4_LEN
        || frag & (AGL_IPV4_MORE | AGL_IPV4_OFS_MASK)) {
        return AGL_SHAPE_NONE;
    }
    return parse_l4(pkt, l3_ofs + AGL_IPV4_LEN, total - AGL_IPV4_LEN,
                    ip[AGL_IPV4_PROTO]);
}

static uint32_t
parse_ipv6(struct agl_pkt *pkt, uint32_t l3_ofs)
{
    const uint8_t *ip = pkt->data + l3_ofs;
    uint32_t shape;

    if (pkt->len < MIN_IPV6) {
        return AGL_SHAPE_NONE;
    }
    shape = parse_l4(pkt, l3_ofs + AGL_IPV6_LEN,
                     agl_get_u16(ip + AGL_IPV6_PLEN), ip[AGL_IPV6_NEXT]);
    return shape ? shape | AGL_SHAPE_IPV6 : AGL_SHAPE_NONE;
}

uint32_t
agl_shape_parse(struct agl_pkt *pkt, const struct agl_parse_options *options)
{
    uint32_t l3_ofs = AGL_ETH_LEN, shape;
    uint16_t type;

    if (pkt->len < MIN_IPV4) {
        return AGL_SHAPE_NONE;
    }
    type = agl_get_u16(pkt->data + AGL_ETH_TYPE);
    if (agl_is_vlan_type(type) && options->max_vlans) {
        l3_ofs += AGL_VLAN_LEN;
        type = agl_get_u16(pkt->data + AGL_ETH_TYPE + AGL_VLAN_LEN);
    }
    shape = type == AGL_TYPE_IPV4 ? parse_ipv4(pkt, l3_ofs)
            : type == AGL_TYPE_IPV6 ? parse_ipv6(pkt, l3_ofs)
            : AGL_SHAPE_NONE;
    if (!shape) {
        return AGL_SHAPE_NONE;
    }
    pkt->options = options;
    pkt->l2_5_ofs = AGL_OFS_NONE;
    pkt->l3_ofs = (uint16_t) l3_ofs;
    pkt->l3_type = type;
    return shape | (l3_ofs != AGL_ETH_LEN ? AGL_SHAPE_VLAN : 0);
}

/* ## ----- ##
 * ## Masks ##
 * ## ----- ## */

static void
put(uint8_t *frame, uint32_t ofs, const void *field, size_t n)
{
    memcpy(frame + ofs, field, n);
}

static void
put_ipv6(uint8_t *ip, const struct agilio_key *mask)
{
    uint32_t label = agilio_from_be32(mask->ipv6_label) & AGL_IPV6_LABEL_MASK;
    uint32_t word = (uint32_t) mask->nw_tos << 20 | label;

    ip[0] = (uint8_t) (word >> 24);
    ip[1] = (uint8_t) (word >> 16);
    ip[2] = (uint8_t) (word >> 8);
    ip[3] = (uint8_t) word;
    ip[AGL_IPV6_HLIMIT] = mask->nw_ttl;
    put(ip, AGL_IPV6_SRC, mask->ipv6_src, sizeof mask->ipv6_src);
    put(ip, AGL_IPV6_DST, mask->ipv6_dst, sizeof mask->ipv6_dst);
}

static void
put_ipv4(uint8_t *ip, const struct agilio_key *mask)
{
    ip[AGL_IPV4_TOS] = mask->nw_tos;
    ip[AGL_IPV4_TTL] = mask->nw_ttl;
    put(ip, AGL_IPV4_SRC, &mask->nw_src, sizeof mask->nw_src);
    put(ip, AGL_IPV4_DST, &mask->nw_dst, sizeof mask->nw_dst);
}

/* The tag's CFI bit is not in the key: there it says that there is a tag. */
static uint32_t
put_eth(uint8_t *frame, uint32_t shape, const struct agilio_key *mask)
{
    agilio_be16 tci = mask->vlan[0].tci & ~agilio_to_be16(AGL_VLAN_CFI);

    put(frame, 0, mask->eth_dst, sizeof mask->eth_dst);
    put(frame, AGL_ETH_SRC, mask->eth_src, sizeof mask->eth_src);
    if (!(shape & AGL_SHAPE_VLAN)) {
        return AGL_ETH_LEN;
    }
    put(frame, AGL_ETH_TYPE, &mask->vlan[0].tpid, sizeof mask->vlan[0].tpid);
    put(frame, AGL_ETH_TYPE + 2, &tci, sizeof tci);
    return AGL_ETH_LEN + AGL_VLAN_LEN;
}

void
agl_shape_mask(uint32_t shape, const struct agilio_key *mask,
               uint64_t words[AGL_SHAPE_WORDS])
{
    agilio_be16 tcp_flags = mask->tcp_flags
                            & agilio_to_be16(AGL_TCP_FLAGS_MASK);
    uint8_t frame[AGL_SHAPE_WORDS * sizeof *words] = { 0 };
    uint32_t ofs = put_eth(frame, shape, mask);

    if (shape & AGL_SHAPE_IPV6) {
        put_ipv6(frame + ofs, mask);
        ofs += AGL_IPV6_LEN;
    } else {
        put_ipv4(frame + ofs, mask);
        ofs += AGL_IPV4_LEN;
    }
    put(frame, ofs, &mask->tp_src, sizeof mask->tp_src);
    put(frame, ofs + 2, &mask->tp_dst, sizeof mask->tp_dst);
    if (shape & AGL_SHAPE_TCP) {
        put(frame, ofs + AGL_TCP_CTL, &tcp_flags, sizeof tcp_flags);
    }
    memcpy(words, frame, sizeof frame);
}
