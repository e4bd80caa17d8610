/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random-actions.h - random datapath actions of OVS, one at a time, and
 * whether OVS may be asked what they do to a packet.
 *
 * OVS trusts that the flow matched on the header that an action is about, and
 * else aborts, or reads and writes anywhere.  Where the packet does not have
 * the header, the NIC must leave the packet alone and OVS is not asked.
 */

#ifndef AGL_RANDOM_ACTIONS_H
#define AGL_RANDOM_ACTIONS_H 1

#include "dp-packet.h"
#include "frames.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/nsh.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"

/* ## ---------------- ##
 * ## Making an action ##
 * ## ---------------- ## */

/* Random operands.  All ones and all zeros are frequent: they are the masks
 * that are used most, and where checksums go wrong. */
static void
random_field(void *field, size_t n)
{
    uint32_t kind = frame_random(4);

    for (size_t i = 0; i < n; i++) {
        ((uint8_t *) field)[i] = kind == 0 ? 0
                                 : kind == 1 ? 0xff : frame_random(256);
    }
}

/* A value and its mask; the value has no bit that the mask has not, as OVS
 * wants it. */
static void
random_masked(void *value_, void *mask_, size_t n)
{
    uint8_t *value = value_, *mask = mask_;

    random_field(value, n);
    random_field(mask, n);
    for (size_t i = 0; i < n; i++) {
        value[i] &= mask[i];
    }
}

/* Puts a set, with a mask or, if 'masked' is false, without one. */
static void
put_set(struct ofpbuf *odp, uint16_t type, const void *key, const void *mask,
        size_t n, bool masked)
{
    size_t ofs = nl_msg_start_nested(odp, masked ? OVS_ACTION_ATTR_SET_MASKED
                                          : OVS_ACTION_ATTR_SET);
    uint8_t pair[2 * sizeof(struct ovs_key_ipv6)];

    memcpy(pair, key, n);
    memcpy(pair + n, mask, n);
    nl_msg_put_unspec(odp, type, pair, n << masked);
    nl_msg_end_nested(odp, ofs);
}

/* Members of the struct 'key' and of its twin 'mask'. */
#define RANDOM(MEMBER) \
    random_masked(&key.MEMBER, &mask.MEMBER, sizeof key.MEMBER)
#define KEY_AND_MASK(STRUCT) \
    struct STRUCT key, mask; \
    memset(&key, 0, sizeof key); \
    memset(&mask, 0, sizeof mask)

static void
make_set_eth(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_ethernet);

    RANDOM(eth_src);
    RANDOM(eth_dst);
    put_set(odp, OVS_KEY_ATTR_ETHERNET, &key, &mask, sizeof key,
            frame_random(4));
}

static void
make_set_ipv4(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_ipv4);

    RANDOM(ipv4_src);
    RANDOM(ipv4_dst);
    RANDOM(ipv4_tos);
    RANDOM(ipv4_ttl);
    put_set(odp, OVS_KEY_ATTR_IPV4, &key, &mask, sizeof key, frame_random(4));
}

static void
make_set_ipv6(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_ipv6);

    RANDOM(ipv6_src);
    RANDOM(ipv6_dst);
    RANDOM(ipv6_label);
    RANDOM(ipv6_tclass);
    RANDOM(ipv6_hlimit);
    key.ipv6_label &= htonl(IPV6_LABEL_MASK);
    put_set(odp, OVS_KEY_ATTR_IPV6, &key, &mask, sizeof key, frame_random(4));
}

static void
make_set_ports(struct ofpbuf *odp, uint16_t type)
{
    KEY_AND_MASK(ovs_key_tcp);  /* UDP and SCTP look the same. */

    RANDOM(tcp_src);
    RANDOM(tcp_dst);
    put_set(odp, type, &key, &mask, sizeof key, frame_random(4));
}

static void
make_set_tcp(struct ofpbuf *odp)
{
    make_set_ports(odp, OVS_KEY_ATTR_TCP);
}

static void
make_set_udp(struct ofpbuf *odp)
{
    make_set_ports(odp, OVS_KEY_ATTR_UDP);
}

static void
make_set_sctp(struct ofpbuf *odp)
{
    make_set_ports(odp, OVS_KEY_ATTR_SCTP);
}

/* OVS has no masks here. */
static void
make_set_icmp(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_icmp);

    RANDOM(icmp_type);
    RANDOM(icmp_code);
    put_set(odp, frame_random(2) ? OVS_KEY_ATTR_ICMP : OVS_KEY_ATTR_ICMPV6,
            &key, &mask, sizeof key, false);
}

static void
make_set_arp(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_arp);

    RANDOM(arp_sip);
    RANDOM(arp_tip);
    RANDOM(arp_op);
    RANDOM(arp_sha);
    RANDOM(arp_tha);
    put_set(odp, OVS_KEY_ATTR_ARP, &key, &mask, sizeof key, frame_random(4));
}

static void
make_set_nd(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_nd);

    RANDOM(nd_target);
    RANDOM(nd_sll);
    RANDOM(nd_tll);
    put_set(odp, OVS_KEY_ATTR_ND, &key, &mask, sizeof key, frame_random(4));
}

static void
make_set_nd_ext(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_nd_extensions);

    RANDOM(nd_reserved);
    RANDOM(nd_options_type);
    put_set(odp, OVS_KEY_ATTR_ND_EXTENSIONS, &key, &mask, sizeof key,
            frame_random(2));
}

static void
make_set_mpls(struct ofpbuf *odp)
{
    KEY_AND_MASK(ovs_key_mpls);

    RANDOM(mpls_lse);
    put_set(odp, OVS_KEY_ATTR_MPLS, &key, &mask, sizeof key, frame_random(2));
}

static void
make_set_meta(struct ofpbuf *odp)
{
    static const uint16_t types[] = {
        OVS_KEY_ATTR_PRIORITY, OVS_KEY_ATTR_SKB_MARK, OVS_KEY_ATTR_DP_HASH,
        OVS_KEY_ATTR_RECIRC_ID,
    };
    uint32_t key, mask;

    random_masked(&key, &mask, sizeof key);
    put_set(odp, types[frame_random(ARRAY_SIZE(types))], &key, &mask,
            sizeof key, frame_random(2));
}

/* Of MD type 1, with the words of context; or without, for another type, the
 * packet's being the same. */
static void
make_set_nsh(struct ofpbuf *odp, uint8_t mdtype)
{
    bool masked = frame_random(2);
    size_t set = nl_msg_start_nested(odp, masked ? OVS_ACTION_ATTR_SET_MASKED
                                          : OVS_ACTION_ATTR_SET);
    size_t nsh = nl_msg_start_nested(odp, OVS_KEY_ATTR_NSH);
    struct ovs_nsh_key_base base[2];
    struct ovs_nsh_key_md1 md1[2];

    random_masked(&base[0], &base[1], sizeof base[0]);
    random_masked(&md1[0], &md1[1], sizeof md1[0]);
    base[0].mdtype = mdtype;
    base[1].mdtype = UINT8_MAX;
    nl_msg_put_unspec(odp, OVS_NSH_KEY_ATTR_BASE, base,
                      sizeof base[0] << masked);
    if (mdtype == NSH_M_TYPE1) {
        nl_msg_put_unspec(odp, OVS_NSH_KEY_ATTR_MD1, md1,
                          sizeof md1[0] << masked);
    }
    nl_msg_end_nested(odp, nsh);
    nl_msg_end_nested(odp, set);
}

static void
make_set_nsh1(struct ofpbuf *odp)
{
    make_set_nsh(odp, NSH_M_TYPE1);
}

static void
make_set_nsh2(struct ofpbuf *odp)
{
    make_set_nsh(odp, NSH_M_TYPE2);
}

static void
make_push_vlan(struct ofpbuf *odp)
{
    struct ovs_action_push_vlan vlan;

    vlan.vlan_tpid = htons(frame_random(2) ? 0x8100 : 0x88a8);
    random_field(&vlan.vlan_tci, sizeof vlan.vlan_tci);
    nl_msg_put_unspec(odp, OVS_ACTION_ATTR_PUSH_VLAN, &vlan, sizeof vlan);
}

static void
make_pop_vlan(struct ofpbuf *odp)
{
    nl_msg_put_flag(odp, OVS_ACTION_ATTR_POP_VLAN);
}

/* One in eight has a type that OVS takes no notice of. */
static ovs_be16
mpls_type(void)
{
    return htons(frame_random(8) ? 0x8847 + frame_random(2) : 0x0800);
}

static void
make_push_mpls(struct ofpbuf *odp)
{
    struct ovs_action_push_mpls mpls;

    memset(&mpls, 0, sizeof mpls);
    random_field(&mpls.mpls_lse, sizeof mpls.mpls_lse);
    mpls.mpls_ethertype = mpls_type();
    nl_msg_put_unspec(odp, OVS_ACTION_ATTR_PUSH_MPLS, &mpls, sizeof mpls);
}

static void
make_add_mpls(struct ofpbuf *odp, uint16_t flags)
{
    struct ovs_action_add_mpls mpls;

    random_field(&mpls.mpls_lse, sizeof mpls.mpls_lse);
    mpls.mpls_ethertype = mpls_type();
    mpls.tun_flags = flags;
    nl_msg_put_unspec(odp, OVS_ACTION_ATTR_ADD_MPLS, &mpls, sizeof mpls);
}

static void
make_add_mpls_l2(struct ofpbuf *odp)
{
    make_add_mpls(odp, 0xfffe);
}

static void
make_add_mpls_l3(struct ofpbuf *odp)
{
    make_add_mpls(odp, OVS_MPLS_L3_TUNNEL_FLAG_MASK);
}

static void
make_pop_mpls(struct ofpbuf *odp)
{
    static const uint16_t types[] = {
        0x0800, 0x8847, 0x6558, 0x86dd, 0x894f, 0x0806,
    };

    nl_msg_put_be16(odp, OVS_ACTION_ATTR_POP_MPLS,
                    htons(types[frame_random(ARRAY_SIZE(types))]));
}

static void
make_push_eth(struct ofpbuf *odp)
{
    struct ovs_action_push_eth eth;

    random_field(&eth, sizeof eth);
    nl_msg_put_unspec(odp, OVS_ACTION_ATTR_PUSH_ETH, &eth, sizeof eth);
}

static void
make_pop_eth(struct ofpbuf *odp)
{
    nl_msg_put_flag(odp, OVS_ACTION_ATTR_POP_ETH);
}

static void
make_push_nsh(struct ofpbuf *odp)
{
    size_t push = nl_msg_start_nested(odp, OVS_ACTION_ATTR_PUSH_NSH);
    size_t nsh = nl_msg_start_nested(odp, OVS_KEY_ATTR_NSH);
    struct ovs_nsh_key_base base;
    uint8_t md[64];

    random_field(&base, sizeof base);
    random_field(md, sizeof md);
    base.mdtype = 1 + frame_random(3);
    nl_msg_put_unspec(odp, OVS_NSH_KEY_ATTR_BASE, &base, sizeof base);
    if (base.mdtype == NSH_M_TYPE1 && frame_random(4)) {
        nl_msg_put_unspec(odp, OVS_NSH_KEY_ATTR_MD1, md,
                          sizeof(struct ovs_nsh_key_md1));
    } else if (base.mdtype == NSH_M_TYPE2) {
        nl_msg_put_unspec(odp, OVS_NSH_KEY_ATTR_MD2, md,
                          frame_random(sizeof md));
    }
    nl_msg_end_nested(odp, nsh);
    nl_msg_end_nested(odp, push);
}

static void
make_pop_nsh(struct ofpbuf *odp)
{
    nl_msg_put_flag(odp, OVS_ACTION_ATTR_POP_NSH);
}

static void
make_hash(struct ofpbuf *odp, enum ovs_hash_alg alg)
{
    struct ovs_action_hash *hash;

    hash = nl_msg_put_unspec_uninit(odp, OVS_ACTION_ATTR_HASH, sizeof *hash);
    hash->hash_alg = alg;
    hash->hash_basis = frame_random(UINT32_MAX);
}

static void
make_hash_l4(struct ofpbuf *odp)
{
    make_hash(odp, OVS_HASH_ALG_L4);
}

static void
make_hash_sym(struct ofpbuf *odp)
{
    make_hash(odp, OVS_HASH_ALG_SYM_L4);
}

static void
make_trunc(struct ofpbuf *odp)
{
    nl_msg_put_u32(odp, OVS_ACTION_ATTR_TRUNC, frame_random(128));
}

static void
make_output(struct ofpbuf *odp)
{
    nl_msg_put_odp_port(odp, OVS_ACTION_ATTR_OUTPUT,
                        u32_to_odp(1 + frame_random(3)));
}

static void
make_recirc(struct ofpbuf *odp)
{
    nl_msg_put_u32(odp, OVS_ACTION_ATTR_RECIRC, 1 + frame_random(9));
}

/* ## ---------------- ##
 * ## May OVS be asked ##
 * ## ---------------- ## */

/* The packet that goes ahead.  In a block it is a copy, which OVS makes with
 * no room behind its end. */
struct ahead {
    struct dp_packet *packet;
    uint16_t l3_type;           /* As it was parsed. */
    uint32_t tail;
};

enum answer {
    ASK,                        /* OVS and NIC do the same. */
    LEAVE,                      /* The NIC must leave the packet alone. */
    SKIP,                       /* No answer is right. */
};

static enum answer
ask_if(bool may)
{
    return may ? ASK : LEAVE;
}

static enum answer
judge_always(const struct ahead *a OVS_UNUSED)
{
    return ASK;
}

/* What was cut may be gone meanwhile. */
static enum answer
judge_output(const struct ahead *a)
{
    return dp_packet_get_cutlen(a->packet) <= dp_packet_size(a->packet)
           ? ASK : SKIP;
}

static enum answer
judge_set_eth(const struct ahead *a)
{
    return ask_if(!dp_packet_eth(a->packet)
                  || dp_packet_size(a->packet) >= 2 * ETH_ADDR_LEN);
}

static bool
has_l3(const struct ahead *a, uint16_t type, size_t n)
{
    return a->l3_type == type
           && a->packet->l3_ofs + n <= dp_packet_size(a->packet);
}

static enum answer
judge_set_ipv4(const struct ahead *a)
{
    return ask_if(has_l3(a, ETH_TYPE_IP, IP_HEADER_LEN)
                  && dp_packet_l4(a->packet));
}

static enum answer
judge_set_ipv6(const struct ahead *a)
{
    return ask_if(has_l3(a, ETH_TYPE_IPV6, IPV6_HEADER_LEN)
                  && dp_packet_l4(a->packet));
}

static enum answer
judge_set_arp(const struct ahead *a)
{
    return ask_if(has_l3(a, ETH_TYPE_ARP, ARP_ETH_HEADER_LEN)
                  || has_l3(a, ETH_TYPE_RARP, ARP_ETH_HEADER_LEN));
}

/* Whether layer 4, if there is one, is still in the packet. */
static enum answer
judge_l4(const struct ahead *a)
{
    return ask_if(!dp_packet_l4(a->packet)
                  || a->packet->l4_ofs <= dp_packet_size(a->packet));
}

/* OVS may look for options behind the end, because it takes from what is left
 * the length of the option that it comes to. */
static bool
has_nd_options(const struct dp_packet *packet)
{
    const uint8_t *data = dp_packet_data(packet);
    size_t size = dp_packet_size(packet), ofs = packet->l4_ofs + ND_MSG_LEN;
    int left = dp_packet_l4_size(packet) - ND_MSG_LEN;

    while (left >= ND_LLA_OPT_LEN) {
        if (ofs + ND_LLA_OPT_LEN > size) {
            return false;
        }
        if (!data[ofs + 1] || (data[ofs + 1] == 1
                               && (data[ofs] == 1 || data[ofs] == 2))) {
            return true;
        }
        ofs += data[ofs + 1] * ND_LLA_OPT_LEN;
        if (ofs + 2 > size) {
            return false;
        }
        left -= data[ofs + 1] * ND_LLA_OPT_LEN;
    }
    return true;
}

static enum answer
judge_set_nd(const struct ahead *a)
{
    if (judge_l4(a) == LEAVE || !dp_packet_get_nd_payload(a->packet)) {
        return judge_l4(a);
    }
    return has_nd_options(a->packet) ? ASK : SKIP;
}

/* OVS reads the first option's type before it looks at lengths, and writes
 * it in any case. */
static enum answer
judge_set_nd_ext(const struct ahead *a)
{
    uint32_t size = dp_packet_size(a->packet);

    if (!dp_packet_l4(a->packet) || a->packet->l4_ofs > size
        || a->packet->l3_ofs > size) {
        return LEAVE;
    }
    return a->packet->l4_ofs + ND_MSG_LEN + 1 <= size + a->tail ? ASK : SKIP;
}

/* OVS writes a whole header, of MD type 1 if it looks like that. */
static enum answer
judge_set_nsh(const struct ahead *a, uint8_t mdtype)
{
    uint32_t size = dp_packet_size(a->packet);
    const struct nsh_hdr *nsh = dp_packet_l3(a->packet);

    if (!has_l3(a, ETH_TYPE_NSH, 0)) {
        return LEAVE;
    }
    if (a->packet->l3_ofs + NSH_M_TYPE1_LEN > size + a->tail) {
        return SKIP;
    }
    return (nsh_md_type(nsh) == NSH_M_TYPE1) == (mdtype == NSH_M_TYPE1)
           ? ASK : SKIP;
}

static enum answer
judge_set_nsh1(const struct ahead *a)
{
    return judge_set_nsh(a, NSH_M_TYPE1);
}

static enum answer
judge_set_nsh2(const struct ahead *a)
{
    return judge_set_nsh(a, NSH_M_TYPE2);
}

static enum answer
judge_push_vlan(const struct ahead *a)
{
    return ask_if(dp_packet_size(a->packet) >= 2 * ETH_ADDR_LEN);
}

/* Where OVS takes labels to begin, or to have to. */
static uint16_t
l2_5_or_l3(const struct dp_packet *packet)
{
    return (packet->l2_5_ofs != UINT16_MAX ? packet->l2_5_ofs
            : packet->l3_ofs);
}

/* OVS writes the Ethernet type wherever it should be. */
static bool
has_eth_type(const struct ahead *a)
{
    return !dp_packet_eth(a->packet)
           || (dp_packet_size(a->packet) >= ETH_HEADER_LEN
               && (a->tail || l2_5_or_l3(a->packet) >= 2));
}

static enum answer
judge_push_mpls(const struct ahead *a)
{
    if (l2_5_or_l3(a->packet) > dp_packet_size(a->packet)) {
        return LEAVE;
    }
    return has_eth_type(a) ? ASK : SKIP;
}

static enum answer
judge_set_mpls(const struct ahead *a)
{
    uint32_t size = dp_packet_size(a->packet);

    if (a->packet->l2_5_ofs == UINT16_MAX) {
        return ASK;
    }
    if (a->packet->l2_5_ofs > size) {
        return LEAVE;
    }
    return a->packet->l2_5_ofs + MPLS_HLEN <= size + a->tail ? ASK : SKIP;
}

/* Of a label that is cut off, OVS reads the rest behind the packet. */
static enum answer
judge_pop_mpls(const struct ahead *a)
{
    uint32_t size = dp_packet_size(a->packet);
    uint32_t ofs = a->packet->l2_5_ofs;
    const uint8_t *lse = dp_packet_l2_5(a->packet);

    if (ofs == UINT16_MAX) {
        return ASK;
    }
    if (ofs > size
        || size < MPLS_HLEN + dp_packet_l2_pad_size(a->packet)) {
        return LEAVE;
    }
    return has_eth_type(a) && ofs + MPLS_HLEN <= size + a->tail
           && (ofs + 2 < size || !(lse[2] & 1)) ? ASK : SKIP;
}

static enum answer
judge_push_eth(const struct ahead *a)
{
    return ask_if(!dp_packet_is_eth(a->packet));
}

static enum answer
judge_pop_eth(const struct ahead *a)
{
    uint32_t ofs = l2_5_or_l3(a->packet);

    return ask_if(dp_packet_eth(a->packet) && ofs >= 2
                  && ofs + dp_packet_l2_pad_size(a->packet)
                     <= dp_packet_size(a->packet));
}

static enum answer
judge_push_nsh(const struct ahead *a)
{
    uint32_t pt = ntohl(a->packet->packet_type);

    return ask_if(pt == PT_ETH || pt == PT_IPV4 || pt == PT_IPV6
                  || pt == PT_NSH);
}

/* The NIC drops what OVS pops more of than there is. */
static enum answer
judge_pop_nsh(const struct ahead *a)
{
    const struct nsh_hdr *nsh = dp_packet_l3(a->packet);
    uint32_t size = dp_packet_size(a->packet);

    return a->packet->packet_type != htonl(PT_NSH)
           || a->packet->l3_ofs == UINT16_MAX
           || (a->packet->l3_ofs + NSH_BASE_HDR_LEN <= size
               && nsh_hdr_len(nsh) <= size) ? ASK : SKIP;
}

static struct kind {
    void (*make)(struct ofpbuf *odp);
    enum answer (*judge)(const struct ahead *);
    int n[SKIP + 1];            /* How often the answer was so. */
} kinds[] = {
    { make_set_eth, judge_set_eth, { 0 } },
    { make_set_ipv4, judge_set_ipv4, { 0 } },
    { make_set_ipv6, judge_set_ipv6, { 0 } },
    { make_set_tcp, judge_l4, { 0 } },
    { make_set_udp, judge_l4, { 0 } },
    { make_set_sctp, judge_l4, { 0 } },
    { make_set_icmp, judge_l4, { 0 } },
    { make_set_arp, judge_set_arp, { 0 } },
    { make_set_nd, judge_set_nd, { 0 } },
    { make_set_nd_ext, judge_set_nd_ext, { 0 } },
    { make_set_mpls, judge_set_mpls, { 0 } },
    { make_set_nsh1, judge_set_nsh1, { 0 } },
    { make_set_nsh2, judge_set_nsh2, { 0 } },
    { make_set_meta, judge_always, { 0 } },
    { make_push_vlan, judge_push_vlan, { 0 } },
    { make_pop_vlan, judge_always, { 0 } },
    { make_push_mpls, judge_push_mpls, { 0 } },
    { make_add_mpls_l2, judge_always, { 0 } },
    { make_add_mpls_l3, judge_push_mpls, { 0 } },
    { make_pop_mpls, judge_pop_mpls, { 0 } },
    { make_push_eth, judge_push_eth, { 0 } },
    { make_pop_eth, judge_pop_eth, { 0 } },
    { make_push_nsh, judge_push_nsh, { 0 } },
    { make_pop_nsh, judge_pop_nsh, { 0 } },
    { make_hash_l4, judge_always, { 0 } },
    { make_hash_sym, judge_always, { 0 } },
    { make_trunc, judge_always, { 0 } },
    { make_output, judge_output, { 0 } },
    { make_recirc, judge_always, { 0 } },
};

#endif /* random-actions.h */
