/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-encap.c - frames in tunnels, behind labels, behind an NSH.
 *
 * What is made here is valid: lengths and checksums are right, and what the
 * outer header says is inside is there.  differential-frames.c then breaks
 * some of it.
 */

#include <config.h>

#include "differential.h"

#include "csum.h"
#include "dp-packet.h"
#include "openvswitch/nsh.h"
#include "packets.h"
#include "util.h"

/* Both are written from the end: a header goes in front of what is there. */
struct pile {
    uint32_t len;
    uint8_t *p;                 /* First byte; the last is bytes[MAX - 1]. */
    uint8_t bytes[2 * DIFF_MAX_FRAME];
};

static uint8_t *
push(struct pile *pile, const void *data, size_t n)
{
    pile->p -= n;
    pile->len += n;
    memcpy(pile->p, data, n);
    return pile->p;
}

static void
push_be16(struct pile *pile, uint16_t x)
{
    ovs_be16 be = htons(x);

    push(pile, &be, sizeof be);
}

static void
push_be32(struct pile *pile, uint32_t x)
{
    ovs_be32 be = htonl(x);

    push(pile, &be, sizeof be);
}

/* Takes the Ethernet header off what is there, if it is an untagged one of an
 * IP or NSH packet, and if chance will; returns the type, else
 * ETH_TYPE_TEB. */
static uint16_t
bare(struct pile *pile)
{
    uint16_t type = pile->len > 14 ? pile->p[12] << 8 | pile->p[13] : 0;

    if ((type != ETH_TYPE_IP && type != ETH_TYPE_IPV6 && type != ETH_TYPE_NSH)
        || !diff_random(3)) {
        return ETH_TYPE_TEB;
    }
    pile->p += ETH_HEADER_LEN;
    pile->len -= ETH_HEADER_LEN;
    return type;
}

/* ## ----- ##
 * ## Outer ##
 * ## ----- ## */

static void
push_eth_header(struct pile *pile, uint16_t type)
{
    static const uint8_t macs[] = { 2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4 };

    push_be16(pile, type);
    if (!diff_random(8)) {
        push_be16(pile, diff_random(65536));
        push_be16(pile, diff_random(4) ? ETH_TYPE_VLAN_8021Q
                                       : ETH_TYPE_VLAN_8021AD);
    }
    push(pile, macs, sizeof macs);
}

/* A checksum that comes to 'sum', in the field that is left 0 at 'field'. */
static void
set_csum(uint8_t *field, ovs_be16 sum)
{
    memcpy(field, &sum, sizeof sum);
}

static void
push_ipv4(struct pile *pile, uint8_t proto)
{
    uint8_t *ip;

    push_be32(pile, 0x0a000200 + diff_random(4));       /* To... */
    push_be32(pile, 0x0a000100 + diff_random(4));       /* ...and from. */
    push_be16(pile, 0);
    push_be16(pile, (diff_random(256) << 8) | proto);   /* TTL. */
    push_be16(pile, diff_random(2) ? IP_DONT_FRAGMENT : 0);
    push_be16(pile, diff_random(65536));
    push_be16(pile, pile->len + 12 - 8);
    push_be16(pile, 0x4500 | diff_random(256));
    ip = pile->p;
    set_csum(ip + 10, csum(ip, IP_HEADER_LEN));
}

static void
push_ipv6(struct pile *pile, uint8_t proto)
{
    static const uint8_t addrs[2][16] = { { 0xfd, [15] = 1 },
                                          { 0xfd, [15] = 2 } };
    uint32_t len = pile->len;

    push(pile, addrs, sizeof addrs);
    push_be16(pile, proto << 8 | diff_random(256));
    push_be16(pile, len);
    push_be32(pile, 6u << 28 | diff_random(1 << 28));
}

/* IP and Ethernet. */
static void
push_underlay(struct pile *pile, uint8_t proto, bool ipv6)
{
    if (ipv6) {
        push_ipv6(pile, proto);
    } else {
        push_ipv4(pile, proto);
    }
    push_eth_header(pile, ipv6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
}

static void
push_udp(struct pile *pile, uint16_t port)
{
    uint32_t l4_len = pile->len + UDP_HEADER_LEN;
    bool ipv6 = diff_random(2), with_csum = diff_random(2);
    size_t ip_len = ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN;
    uint32_t sum, ip[IPV6_HEADER_LEN / 4];      /* Aligned. */
    uint8_t *udp;

    push_be16(pile, 0);
    push_be16(pile, l4_len);
    push_be16(pile, port);
    push_be16(pile, 32768 + diff_random(1024));
    udp = pile->p;
    push_underlay(pile, IPPROTO_UDP, ipv6);
    if (with_csum) {
        memcpy(ip, udp - ip_len, ip_len);
        sum = ipv6 ? packet_csum_pseudoheader6((void *) ip)
                   : packet_csum_pseudoheader((void *) ip);
        set_csum(udp + 6, csum_finish(csum_continue(sum, udp, l4_len)));
    }
}

/* ## ------- ##
 * ## Tunnels ##
 * ## ------- ## */

static void
encap_vxlan(struct pile *pile)
{
    uint32_t flags = VXLAN_FLAGS;

    if (diff_random(2)) {
        switch (bare(pile)) {
        case ETH_TYPE_IP:
            flags |= VXLAN_GPE_NP_IPV4;
            break;
        case ETH_TYPE_IPV6:
            flags |= VXLAN_GPE_NP_IPV6;
            break;
        case ETH_TYPE_NSH:
            flags |= VXLAN_GPE_NP_NSH;
            break;
        default:
            flags |= VXLAN_GPE_NP_ETHERNET;
            break;
        }
        flags |= VXLAN_HF_NP;
    }
    push_be32(pile, diff_random(8) << 8);
    push_be32(pile, flags);
    push_udp(pile, DIFF_VXLAN_PORT);
}

static void
encap_geneve(struct pile *pile)
{
    uint32_t n = diff_random(3) ? diff_random(6) : diff_random(64);
    uint8_t options[252];

    diff_random_field(options, sizeof options);
    push(pile, options, 4 * n);
    push_be32(pile, diff_random(8) << 8);
    push_be16(pile, ETH_TYPE_TEB);
    push_be16(pile, n << 8 | (diff_random(4) ? 0 : 0xc0));
    push_udp(pile, DIFF_GENEVE_PORT);
}

static void
encap_gtpu(struct pile *pile)
{
    bool pdu = diff_random(4), s = diff_random(2);
    uint32_t len;

    if (pdu) {
        bare(pile);
    }
    if (s) {
        push_be32(pile, diff_random(65536) << 16);
    }
    len = pile->len;
    push_be32(pile, diff_random(8));
    push_be16(pile, len);
    push_be16(pile, (GTPU_FLAGS_DEFAULT | (s ? GTPU_S_MASK : 0)) << 8
                    | (pdu ? GTPU_MSGTYPE_GPDU : GTPU_MSGTYPE_REQ));
    push_udp(pile, GTPU_DST_PORT);
}

static void
encap_gre(struct pile *pile)
{
    uint16_t flags = (diff_random(2) ? GRE_CSUM : 0)
                     | (diff_random(2) ? GRE_KEY : 0)
                     | (diff_random(4) ? 0 : GRE_SEQ);
    uint16_t type = bare(pile);
    uint8_t *gre;

    if (flags & GRE_SEQ) {
        push_be32(pile, diff_random(100));
    }
    if (flags & GRE_KEY) {
        push_be32(pile, diff_random(8));
    }
    if (flags & GRE_CSUM) {
        push_be32(pile, 0);
    }
    push_be16(pile, type);
    push_be16(pile, flags);
    gre = pile->p;
    if (flags & GRE_CSUM) {
        set_csum(gre + 4, csum(gre, pile->len));
    }
    push_underlay(pile, IPPROTO_GRE, diff_random(2));
}

static void
encap_erspan(struct pile *pile)
{
    uint32_t version = 1 + diff_random(2);

    if (version == 2) {
        push_be16(pile, diff_random(65536));    /* hwid, direction. */
        push_be16(pile, 0);
        push_be32(pile, diff_random(65536));    /* Timestamp. */
    } else {
        push_be32(pile, diff_random(1 << 20));  /* Index. */
    }
    push_be16(pile, diff_random(1024));
    push_be16(pile, version << 12);
    push_be32(pile, diff_random(100));          /* Sequence number. */
    push_be16(pile, version == 1 ? ETH_TYPE_ERSPAN1 : ETH_TYPE_ERSPAN2);
    push_be16(pile, GRE_SEQ);
    push_underlay(pile, IPPROTO_GRE, diff_random(2));
}

/* ## ------ ##
 * ## Others ##
 * ## ------ ## */

static void
encap_nsh(struct pile *pile)
{
    uint8_t np, context[16];
    bool md1 = diff_random(3);
    uint32_t n = md1 ? 4 : diff_random(5);

    switch (bare(pile)) {
    case ETH_TYPE_IP:
        np = NSH_P_IPV4;
        break;
    case ETH_TYPE_IPV6:
        np = NSH_P_IPV6;
        break;
    case ETH_TYPE_NSH:
        np = NSH_P_NSH;
        break;
    default:
        np = NSH_P_ETHERNET;
        break;
    }
    diff_random_field(context, sizeof context);
    push(pile, context, 4 * n);
    push_be32(pile, diff_random(4) << 8 | 255);
    push_be16(pile, (md1 ? NSH_M_TYPE1 : NSH_M_TYPE2) << 8 | np);
    push_be16(pile, diff_random(4) << 12 | diff_random(64) << 6 | (2 + n));
    push_eth_header(pile, ETH_TYPE_NSH);
}

static void
encap_mpls(struct pile *pile)
{
    bare(pile);
    for (uint32_t n = 1 + diff_random(4), i = 0; i < n; i++) {
        push_be32(pile, diff_random(4) << 12 | diff_random(8) << 9
                        | (i ? 0 : 1 << 8) | diff_random(256));
    }
    push_eth_header(pile, diff_random(2) ? ETH_TYPE_MPLS
                                         : ETH_TYPE_MPLS_MCAST);
}

void
diff_encap(struct diff_frame *frame, uint32_t max)
{
    static void (*const encaps[])(struct pile *) = {
        encap_vxlan, encap_vxlan, encap_vxlan,
        encap_geneve, encap_geneve, encap_geneve,
        encap_gtpu,
        encap_gre,
        encap_erspan,
        encap_nsh,
        encap_mpls,
    };
    struct pile pile = { .p = pile.bytes + sizeof pile.bytes };
    bool pad = diff_random(2);  /* As on the wire that it came by. */

    while (pad && frame->len < ETH_TOTAL_MIN) {
        frame->bytes[frame->len++] = 0;
    }
    push(&pile, frame->bytes, frame->len);
    encaps[diff_random(ARRAY_SIZE(encaps))](&pile);
    if (pile.len <= max) {
        memcpy(frame->bytes, pile.p, pile.len);
        frame->len = pile.len;
    }
}
