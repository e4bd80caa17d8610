/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headers.h - where what is in a packet: lengths, offsets and numbers.
 *
 * Floor pkt.  Headers in a frame have no alignment to rely on, so there are no
 * structs here: parse.c and the actions take bytes at an offset.  Loads and
 * stores of the agilio_be types keep network order.
 *
 * Sources: IEEE 802.3, 802.1Q, 802.2 (LLC) with RFC 1042 (SNAP); RFC 3032
 * (MPLS), 8300 (NSH), 826 (ARP), 791 (IPv4), 8200 (IPv6), 4302 (AH), 9293
 * (TCP), 768 (UDP), 9260 (SCTP), 792 (ICMP), 4443 (ICMPv6), 4861 (ND), 3376
 * (IGMP).
 */

#ifndef AGL_HEADERS_H
#define AGL_HEADERS_H 1

#include "pkt/pkt.h"

/* Ethernet. */
#define AGL_ETH_LEN 14
#define AGL_ETH_ADDRS_LEN 12            /* Both addresses, dst first. */
#define AGL_ETH_SRC 6
#define AGL_ETH_TYPE 12
#define AGL_VLAN_LEN 4
#define AGL_VLAN_VID_MASK 0x0fff
#define AGL_VLAN_CFI 0x1000
#define AGL_SNAP_LEN 8                  /* LLC, OUI and type. */
#define AGL_SNAP_TYPE 6

#define AGL_TYPE_MIN 0x0600             /* Less is a length. */
#define AGL_TYPE_NONE 0x05ff            /* OVS: no Ethernet II type. */
#define AGL_TYPE_IPV4 0x0800
#define AGL_TYPE_ARP 0x0806
#define AGL_TYPE_RARP 0x8035
#define AGL_TYPE_VLAN 0x8100
#define AGL_TYPE_QINQ 0x88a8
#define AGL_TYPE_IPV6 0x86dd
#define AGL_TYPE_MPLS 0x8847
#define AGL_TYPE_MPLS_MCAST 0x8848
#define AGL_TYPE_TEB 0x6558             /* A whole Ethernet frame. */
#define AGL_TYPE_NSH 0x894f

#define AGL_MPLS_LEN 4
#define AGL_MPLS_BOS 0x100              /* Bottom of stack. */

/* Network service header: a base, and what its MD type says. */
#define AGL_NSH_LEN 8
#define AGL_NSH_MAX_LEN 256             /* More than its length can say. */
#define AGL_NSH_VERSION(BASE) ((BASE) >> 14)
#define AGL_NSH_FLAGS(BASE) ((BASE) >> 12 & 3)
#define AGL_NSH_TTL(BASE) ((BASE) >> 6 & 63)
#define AGL_NSH_BYTES(BASE) (((BASE) & 63) * 4)
#define AGL_NSH_MDTYPE 2
#define AGL_NSH_NEXT 3
#define AGL_NSH_PATH 4
#define AGL_NSH_CONTEXT 8               /* Of MD type 1: 4 words. */
#define AGL_NSH_MD1 1
#define AGL_NSH_MD1_LEN 24
#define AGL_NSH_MD2 2

enum agl_nsh_next {
    AGL_NSH_NEXT_IPV4 = 1,
    AGL_NSH_NEXT_IPV6 = 2,
    AGL_NSH_NEXT_ETH = 3,
    AGL_NSH_NEXT_NSH = 4,
};

/* ARP for IPv4 on Ethernet. */
#define AGL_ARP_LEN 28
#define AGL_ARP_OP 6
#define AGL_ARP_SHA 8
#define AGL_ARP_SPA 14
#define AGL_ARP_THA 18
#define AGL_ARP_TPA 24

/* IPv4. */
#define AGL_IPV4_LEN 20
#define AGL_IPV4_TOS 1
#define AGL_IPV4_TOTAL 2
#define AGL_IPV4_FRAG 6
#define AGL_IPV4_MORE 0x2000
#define AGL_IPV4_OFS_MASK 0x1fff
#define AGL_IPV4_TTL 8
#define AGL_IPV4_PROTO 9
#define AGL_IPV4_CSUM 10
#define AGL_IPV4_SRC 12
#define AGL_IPV4_DST 16

/* IPv6.  Extension headers are at least 8 bytes long. */
#define AGL_IPV6_LEN 40
#define AGL_IPV6_PLEN 4
#define AGL_IPV6_NEXT 6
#define AGL_IPV6_HLIMIT 7
#define AGL_IPV6_SRC 8
#define AGL_IPV6_DST 24
#define AGL_IPV6_LABEL_MASK 0xfffff
#define AGL_IPV6_EXT_MIN 8
#define AGL_IPV6_FRAG_OFS 2
#define AGL_IPV6_MORE 0x0001
#define AGL_IPV6_OFS_MASK 0xfff8
#define AGL_IPV6_SEGMENTS_LEFT 3        /* Of a routing header. */

/* What a key's nw_frag is made of (OVS: FLOW_NW_FRAG_*). */
#define AGL_FRAG_ANY (1u << 0)
#define AGL_FRAG_LATER (1u << 1)

enum agl_proto {
    AGL_PROTO_HOPOPTS = 0,
    AGL_PROTO_ICMP = 1,
    AGL_PROTO_IGMP = 2,
    AGL_PROTO_TCP = 6,
    AGL_PROTO_UDP = 17,
    AGL_PROTO_ROUTING = 43,
    AGL_PROTO_FRAGMENT = 44,
    AGL_PROTO_AH = 51,
    AGL_PROTO_ICMPV6 = 58,
    AGL_PROTO_DSTOPTS = 60,
    AGL_PROTO_SCTP = 132,
};

/* Layer 4.  Source and destination port come first in TCP, UDP and SCTP. */
#define AGL_L4_SRC 0
#define AGL_L4_DST 2
#define AGL_TCP_LEN 20
#define AGL_TCP_CTL 12                  /* Header length, flags. */
#define AGL_TCP_FLAGS_MASK 0x0fff
#define AGL_TCP_CSUM 16
#define AGL_UDP_LEN 8
#define AGL_UDP_CSUM 6
#define AGL_SCTP_LEN 12
#define AGL_SCTP_CSUM 8
#define AGL_ICMP_LEN 8                  /* ICMP, ICMPv6 and IGMP alike. */
#define AGL_ICMP_TYPE 0
#define AGL_ICMP_CODE 1
#define AGL_ICMP_CSUM 2
#define AGL_IGMP_GROUP 4

/* Neighbour discovery, in ICMPv6.  Options count their length in units. */
#define AGL_ND_LEN 24
#define AGL_ND_SOLICIT 135
#define AGL_ND_ADVERT 136
#define AGL_ND_FLAGS 4
#define AGL_ND_TARGET 8
#define AGL_ND_OPT_UNIT 8
#define AGL_ND_OPT_TYPE 0
#define AGL_ND_OPT_UNITS 1
#define AGL_ND_OPT_MAC 2
#define AGL_ND_OPT_SLL 1                /* Source link-layer address. */
#define AGL_ND_OPT_TLL 2                /* Target link-layer address. */

static inline agilio_be16
agl_get_be16(const uint8_t *p)
{
    agilio_be16 x;

    memcpy(&x, p, sizeof x);
    return x;
}

static inline agilio_be32
agl_get_be32(const uint8_t *p)
{
    agilio_be32 x;

    memcpy(&x, p, sizeof x);
    return x;
}

static inline void
agl_put_be16(uint8_t *p, agilio_be16 x)
{
    memcpy(p, &x, sizeof x);
}

static inline void
agl_put_be32(uint8_t *p, agilio_be32 x)
{
    memcpy(p, &x, sizeof x);
}

/* The same in host order. */
static inline uint16_t
agl_get_u16(const uint8_t *p)
{
    return agilio_from_be16(agl_get_be16(p));
}

static inline uint32_t
agl_get_u32(const uint8_t *p)
{
    return agilio_from_be32(agl_get_be32(p));
}

static inline bool
agl_is_vlan_type(uint16_t eth_type)
{
    return eth_type == AGL_TYPE_VLAN || eth_type == AGL_TYPE_QINQ;
}

static inline bool
agl_is_ipv6_ext(uint8_t proto)
{
    return proto == AGL_PROTO_HOPOPTS || proto == AGL_PROTO_ROUTING
           || proto == AGL_PROTO_DSTOPTS || proto == AGL_PROTO_AH
           || proto == AGL_PROTO_FRAGMENT;
}

/* Bytes of the extension header of kind 'proto' at 'ext', of which the first
 * AGL_IPV6_EXT_MIN are there. */
static inline uint32_t
agl_ipv6_ext_len(uint8_t proto, const uint8_t *ext)
{
    switch (proto) {
    case AGL_PROTO_FRAGMENT:
        return AGL_IPV6_EXT_MIN;
    case AGL_PROTO_AH:
        return (ext[1] + 2) * 4;
    default:
        return (ext[1] + 1) * 8;
    }
}

/* The packet_type (OVS: OFPHTN_ETHERTYPE) of a packet that begins with what
 * 'eth_type' stands for. */
static inline agilio_be32
agl_packet_type(uint16_t eth_type)
{
    return agilio_to_be32(UINT32_C(1) << 16 | eth_type);
}

/* The Ethernet header if agl_parse() found one and 'n' bytes are there, else
 * NULL. */
static inline uint8_t *
agl_eth(const struct agl_pkt *pkt, uint32_t n)
{
    return !pkt->md.packet_type && pkt->l3_ofs != AGL_OFS_NONE && pkt->len >= n
           ? pkt->data : NULL;
}

/* The IP header of a packet that agl_parse() found to be an IP packet of this
 * type, else NULL. */
static inline uint8_t *
agl_ip(const struct agl_pkt *pkt, uint16_t eth_type)
{
    return pkt->l4_ofs != AGL_OFS_NONE && pkt->l3_type == eth_type
           && pkt->l3_ofs < pkt->len
           ? pkt->data + pkt->l3_ofs : NULL;
}

/* The layer 4 header if 'n' > 0 bytes of it are there, else NULL. */
static inline uint8_t *
agl_l4(const struct agl_pkt *pkt, uint32_t n)
{
    return pkt->l4_len >= n && pkt->l4_ofs < pkt->len
           ? pkt->data + pkt->l4_ofs : NULL;
}

#endif /* pkt/headers.h */
