/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-sets.c - random SET and SET_MASKED actions.
 *
 * OVS trusts its actions: a set of a TCP port writes to where the parser said
 * that TCP is, and where there is none it writes to memory at random.  So a
 * set that needs a header has the flow match on what only packets with that
 * header have, as ofproto does.
 */

#include <config.h>

#include "differential.h"

#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

/* ## ----------------- ##
 * ## What packets have ##
 * ## ----------------- ## */

bool
diff_need(struct diff_maker *m, size_t ofs, size_t size)
{
    uint8_t *mask = (uint8_t *) &m->match->wc.masks + ofs;

    if (m->fixed) {
        return is_all_ones(mask, size);
    }
    memset(mask, 0xff, size);
    return true;
}

/* A layer 3 of 'dl_type', complete: its protocol is not 0. */
bool
diff_need_l3(struct diff_maker *m, uint16_t dl_type)
{
    const struct flow *flow = &m->match->flow;

    if (!m->l3) {
        return m->dl_type == dl_type;
    }
    return flow->dl_type == htons(dl_type) && flow->nw_proto
           && DIFF_NEED(m, dl_type) && DIFF_NEED(m, nw_proto);
}

/* A layer 4 of 'proto', complete: one of its first two fields is not 0. */
bool
diff_need_l4(struct diff_maker *m, uint16_t dl_type, uint8_t proto)
{
    const struct flow *flow = &m->match->flow;

    if (!m->l3) {
        return m->dl_type == dl_type && m->proto == proto;
    }
    return flow->nw_proto == proto && !(flow->nw_frag & FLOW_NW_FRAG_LATER)
           && (flow->tp_src || flow->tp_dst) && diff_need_l3(m, dl_type)
           && DIFF_NEED(m, nw_frag) && DIFF_NEED(m, tp_src)
           && DIFF_NEED(m, tp_dst);
}

static bool
need_l4_of_any(struct diff_maker *m, uint8_t proto)
{
    return diff_need_l4(m, ETH_TYPE_IP, proto)
           || diff_need_l4(m, ETH_TYPE_IPV6, proto);
}

/* ## -------- ##
 * ## Operands ##
 * ## -------- ## */

void
diff_put_set(struct diff_maker *m, uint16_t attr, size_t size,
             const struct diff_member members[], size_t n)
{
    uint8_t pair[2 * sizeof(struct ovs_key_ipv6)] = { 0 };
    bool masked = diff_random(4) > 0;
    size_t ofs;

    for (size_t i = 0; i < n; i++) {
        uint8_t *value = pair + members[i].ofs;
        uint8_t *mask = value + size;

        diff_random_field(value, members[i].size);
        diff_random_field(mask, members[i].size);
        if (attr == OVS_KEY_ATTR_IPV6
            && members[i].ofs == offsetof(struct ovs_key_ipv6, ipv6_label)) {
            value[0] = mask[0] = 0;
            value[1] &= 0x0f;
        }
        for (size_t j = 0; masked && j < members[i].size; j++) {
            value[j] &= mask[j];
        }
    }
    ofs = nl_msg_start_nested(m->odp, masked ? OVS_ACTION_ATTR_SET_MASKED
                                             : OVS_ACTION_ATTR_SET);
    nl_msg_put_unspec(m->odp, attr, pair, size << masked);
    nl_msg_end_nested(m->odp, ofs);
}

#define PUT_SET(M, ATTR, TYPE, ...)                                       \
    do {                                                                  \
        static const struct diff_member members[] = { __VA_ARGS__ };      \
                                                                          \
        diff_put_set(M, OVS_KEY_ATTR_##ATTR, sizeof(struct TYPE),         \
                     members, ARRAY_SIZE(members));                       \
    } while (0)

/* An unmasked set; OVS knows no other for these. */
static void
put_set_exact(struct diff_maker *m, uint16_t attr, size_t size)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_SET);
    uint8_t key[64];

    diff_random_field(key, size);
    nl_msg_put_unspec(m->odp, attr, key, size);
    nl_msg_end_nested(m->odp, ofs);
}

/* ## ---- ##
 * ## Sets ##
 * ## ---- ## */

static bool
make_set_eth(struct diff_maker *m)
{
    if (m->packet_type == PT_ETH && !m->has_l3) {
        return false;
    }
    PUT_SET(m, ETHERNET, ovs_key_ethernet,
            DIFF_MEMBER(ovs_key_ethernet, eth_src),
            DIFF_MEMBER(ovs_key_ethernet, eth_dst));
    return true;
}

/* A SET of all of IPv4 names protocol and fragment type, too, and OVS passes
 * over them; so do 0s. */
static bool
make_set_ipv4(struct diff_maker *m)
{
    if (!diff_need_l3(m, ETH_TYPE_IP)) {
        return false;
    }
    PUT_SET(m, IPV4, ovs_key_ipv4, DIFF_MEMBER(ovs_key_ipv4, ipv4_src),
            DIFF_MEMBER(ovs_key_ipv4, ipv4_dst),
            DIFF_MEMBER(ovs_key_ipv4, ipv4_tos),
            DIFF_MEMBER(ovs_key_ipv4, ipv4_ttl));
    return true;
}

static bool
make_set_ipv6(struct diff_maker *m)
{
    if (!diff_need_l3(m, ETH_TYPE_IPV6)) {
        return false;
    }
    PUT_SET(m, IPV6, ovs_key_ipv6, DIFF_MEMBER(ovs_key_ipv6, ipv6_src),
            DIFF_MEMBER(ovs_key_ipv6, ipv6_dst),
            DIFF_MEMBER(ovs_key_ipv6, ipv6_label),
            DIFF_MEMBER(ovs_key_ipv6, ipv6_tclass),
            DIFF_MEMBER(ovs_key_ipv6, ipv6_hlimit));
    return true;
}

static bool
make_set_tcp(struct diff_maker *m)
{
    if (!need_l4_of_any(m, IPPROTO_TCP)) {
        return false;
    }
    PUT_SET(m, TCP, ovs_key_tcp, DIFF_MEMBER(ovs_key_tcp, tcp_src),
            DIFF_MEMBER(ovs_key_tcp, tcp_dst));
    return true;
}

static bool
make_set_udp(struct diff_maker *m)
{
    if (!need_l4_of_any(m, IPPROTO_UDP)) {
        return false;
    }
    PUT_SET(m, UDP, ovs_key_udp, DIFF_MEMBER(ovs_key_udp, udp_src),
            DIFF_MEMBER(ovs_key_udp, udp_dst));
    return true;
}

static bool
make_set_sctp(struct diff_maker *m)
{
    if (!need_l4_of_any(m, IPPROTO_SCTP)) {
        return false;
    }
    PUT_SET(m, SCTP, ovs_key_sctp, DIFF_MEMBER(ovs_key_sctp, sctp_src),
            DIFF_MEMBER(ovs_key_sctp, sctp_dst));
    return true;
}

static bool
make_set_icmp(struct diff_maker *m)
{
    if (diff_need_l4(m, ETH_TYPE_IP, IPPROTO_ICMP)) {
        put_set_exact(m, OVS_KEY_ATTR_ICMP, sizeof(struct ovs_key_icmp));
    } else if (diff_need_l4(m, ETH_TYPE_IPV6, IPPROTO_ICMPV6)) {
        put_set_exact(m, OVS_KEY_ATTR_ICMPV6, sizeof(struct ovs_key_icmpv6));
    } else {
        return false;
    }
    return true;
}

static bool
make_set_arp(struct diff_maker *m)
{
    if (!diff_need_l3(m, ETH_TYPE_ARP) && !diff_need_l3(m, ETH_TYPE_RARP)) {
        return false;
    }
    PUT_SET(m, ARP, ovs_key_arp, DIFF_MEMBER(ovs_key_arp, arp_sip),
            DIFF_MEMBER(ovs_key_arp, arp_tip),
            DIFF_MEMBER(ovs_key_arp, arp_op),
            DIFF_MEMBER(ovs_key_arp, arp_sha),
            DIFF_MEMBER(ovs_key_arp, arp_tha));
    return true;
}

static bool
need_nd(struct diff_maker *m)
{
    const struct flow *flow = &m->match->flow;

    return m->l3 && is_nd(flow, NULL) && !ipv6_is_zero(&flow->nd_target)
           && diff_need_l4(m, ETH_TYPE_IPV6, IPPROTO_ICMPV6)
           && DIFF_NEED(m, nd_target);
}

static bool
make_set_nd(struct diff_maker *m)
{
    if (!need_nd(m)) {
        return false;
    }
    PUT_SET(m, ND, ovs_key_nd, DIFF_MEMBER(ovs_key_nd, nd_target),
            DIFF_MEMBER(ovs_key_nd, nd_sll), DIFF_MEMBER(ovs_key_nd, nd_tll));
    return true;
}

static bool
make_set_nd_ext(struct diff_maker *m)
{
    if (!need_nd(m)) {
        return false;
    }
    PUT_SET(m, ND_EXTENSIONS, ovs_key_nd_extensions,
            DIFF_MEMBER(ovs_key_nd_extensions, nd_reserved),
            DIFF_MEMBER(ovs_key_nd_extensions, nd_options_type));
    return true;
}

static const struct diff_member u32[] = { { 0, sizeof(uint32_t) } };

static bool
make_set_mark(struct diff_maker *m)
{
    diff_put_set(m, OVS_KEY_ATTR_SKB_MARK, sizeof(uint32_t), u32, 1);
    return true;
}

static bool
make_set_priority(struct diff_maker *m)
{
    diff_put_set(m, OVS_KEY_ATTR_PRIORITY, sizeof(uint32_t), u32, 1);
    return true;
}

static bool (*const makers[])(struct diff_maker *) = {
    make_set_eth,
    make_set_ipv4,
    make_set_ipv6,
    make_set_tcp,
    make_set_udp,
    make_set_sctp,
    make_set_icmp,
    make_set_arp,
    make_set_nd,
    make_set_nd_ext,
    make_set_mark,
    make_set_priority,
    diff_make_set_mpls,
    diff_make_set_nsh,
};

bool
diff_make_set(struct diff_maker *m)
{
    return makers[diff_random(ARRAY_SIZE(makers))](m);
}
