/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-headers.c - random actions on MPLS, Ethernet and NSH headers.
 *
 * OVS aborts, or writes somewhere, if an Ethernet header is pushed onto a
 * packet that has one, or a label popped that is not there; ofproto sees to it
 * that this does not happen, and so do we (struct diff_maker).  What is known
 * of layer 3 is as good as before only where OVS's offsets follow.
 */

#include <config.h>

#include "differential.h"

#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/nsh.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

#define UNKNOWN_TYPE UINT32_MAX         /* Without Ethernet, anyway. */

/* ## ---- ##
 * ## MPLS ##
 * ## ---- ## */

static ovs_be16
mpls_type(void)
{
    return htons(diff_random(2) ? ETH_TYPE_MPLS : ETH_TYPE_MPLS_MCAST);
}

static ovs_be32
random_lse(void)
{
    uint32_t lse;

    diff_random_field(&lse, sizeof lse);
    return htonl(lse);
}

/* Of OVS's two readings of a packet (DIFF_TWO_READINGS) one has layer 3 begin
 * before the labels that were received. */
static bool
need_l3_ofs(struct diff_maker *m)
{
    return m->has_l3 && (!eth_type_mpls(m->match->flow.dl_type)
                         || DIFF_NEED(m, mpls_lse[0]));
}

/* OVS puts the first label where layer 3 is. */
static bool
can_push_label(struct diff_maker *m)
{
    return m->n_labels || need_l3_ofs(m);
}

/* There is one label more, and layer 3 is not looked at behind it. */
static void
has_pushed(struct diff_maker *m)
{
    m->n_labels++;
    m->l3 = false;
    m->dl_type = 0;
}

bool
diff_make_push_mpls(struct diff_maker *m)
{
    struct ovs_action_push_mpls mpls = {
        .mpls_lse = random_lse(),
        .mpls_ethertype = mpls_type(),
    };

    if (!can_push_label(m)) {
        return false;
    }
    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_PUSH_MPLS, &mpls, sizeof mpls);
    has_pushed(m);
    return true;
}

/* Like push_mpls; or before everything. */
bool
diff_make_add_mpls(struct diff_maker *m)
{
    struct ovs_action_add_mpls mpls = {
        .mpls_lse = random_lse(),
        .mpls_ethertype = mpls_type(),
        .tun_flags = diff_random(2) ? OVS_MPLS_L3_TUNNEL_FLAG_MASK : 0,
    };

    if (mpls.tun_flags && !can_push_label(m)) {
        return false;
    }
    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_ADD_MPLS, &mpls, sizeof mpls);
    if (mpls.tun_flags) {
        has_pushed(m);
    } else {
        diff_forget(m, PACKET_TYPE(OFPHTN_ETHERTYPE,
                                   ntohs(mpls.mpls_ethertype)));
        m->has_l3 = false;      /* The offsets have not followed. */
        m->n_labels = 1;
    }
    return true;
}

/* Has the packets have labels; a label of 0 looks like none. */
static bool
need_labels(struct diff_maker *m)
{
    const struct flow *flow = &m->match->flow;
    int n = 0;

    if (m->n_labels) {
        return true;
    }
    if (!m->l3 || !eth_type_mpls(flow->dl_type)) {
        return false;
    }
    while (n < FLOW_MAX_MPLS_LABELS && flow->mpls_lse[n]
           && DIFF_NEED(m, mpls_lse[n])) {
        n++;
    }
    m->n_labels = n;
    return n && DIFF_NEED(m, dl_type);
}

/* OVS forgets the hash here; where it makes a copy of the packet then, it
 * is whatever is in memory. */
bool
diff_make_pop_mpls(struct diff_maker *m)
{
    static const uint16_t types[] = { ETH_TYPE_IP, ETH_TYPE_IPV6, ETH_TYPE_TEB,
                                      ETH_TYPE_MPLS };
    uint16_t type = types[diff_random(ARRAY_SIZE(types))];

    if (m->trunc || !need_labels(m)) {
        return false;
    }
    nl_msg_put_be16(m->odp, OVS_ACTION_ATTR_POP_MPLS, htons(type));
    m->n_labels--;
    m->l3 = false;
    m->no_hash = true;
    if (m->packet_type != PT_ETH) {
        m->packet_type = (type == ETH_TYPE_TEB ? PT_ETH
                          : PACKET_TYPE(OFPHTN_ETHERTYPE, type));
        m->has_l3 = false;
    }
    return true;
}

bool
diff_make_set_mpls(struct diff_maker *m)
{
    static const struct diff_member lse[] = { { 0, sizeof(ovs_be32) } };

    if (!need_labels(m)) {
        return false;
    }
    diff_put_set(m, OVS_KEY_ATTR_MPLS, sizeof(ovs_be32), lse, 1);
    return true;
}

/* ## -------- ##
 * ## Ethernet ##
 * ## -------- ## */

bool
diff_make_push_eth(struct diff_maker *m)
{
    struct ovs_action_push_eth eth;

    if (m->packet_type == PT_ETH) {
        return false;
    }
    diff_random_field(&eth, sizeof eth);
    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_PUSH_ETH, &eth, sizeof eth);
    m->packet_type = PT_ETH;
    m->n_vlans = 0;
    return true;
}

/* What becomes of it is known if the type is. */
bool
diff_make_pop_eth(struct diff_maker *m)
{
    ovs_be16 type = m->match->flow.dl_type;

    if (m->packet_type != PT_ETH || m->trunc || !need_l3_ofs(m)) {
        return false;
    }
    nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_POP_ETH);
    m->packet_type = UNKNOWN_TYPE;
    if (m->l3 && ntohs(type) >= ETH_TYPE_MIN && DIFF_NEED(m, dl_type)) {
        m->packet_type = PACKET_TYPE(OFPHTN_ETHERTYPE, ntohs(type));
    }
    m->n_vlans = 0;
    return true;
}

/* ## --- ##
 * ## NSH ##
 * ## --- ## */

static void
random_nsh(struct ovs_nsh_key_base *base, uint8_t mdtype)
{
    diff_random_field(base, sizeof *base);
    base->flags &= 3;
    base->ttl &= 63;
    base->mdtype = mdtype;
}

bool
diff_make_push_nsh(struct diff_maker *m)
{
    uint8_t metadata[NSH_CTX_HDRS_MAX_LEN];
    struct ovs_nsh_key_base base;
    size_t outer, inner;

    if (m->packet_type != PT_ETH && m->packet_type != PT_IPV4
        && m->packet_type != PT_IPV6 && m->packet_type != PT_NSH) {
        return false;           /* OVS aborts. */
    }
    random_nsh(&base, diff_random(2) ? NSH_M_TYPE1 : NSH_M_TYPE2);
    diff_random_field(metadata, sizeof metadata);
    outer = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_PUSH_NSH);
    inner = nl_msg_start_nested(m->odp, OVS_KEY_ATTR_NSH);
    nl_msg_put_unspec(m->odp, OVS_NSH_KEY_ATTR_BASE, &base, sizeof base);
    if (base.mdtype == NSH_M_TYPE1) {
        nl_msg_put_unspec(m->odp, OVS_NSH_KEY_ATTR_MD1, metadata,
                          sizeof(struct ovs_nsh_key_md1));
    } else if (diff_random(4)) {
        nl_msg_put_unspec(m->odp, OVS_NSH_KEY_ATTR_MD2, metadata,
                          4 * (1 + diff_random(diff_random(4) ? 4 : 61)));
    }
    nl_msg_end_nested(m->odp, inner);
    nl_msg_end_nested(m->odp, outer);
    diff_forget(m, PT_NSH);
    m->has_l3 = m->nsh = true;
    return true;
}

/* A whole NSH header where layer 3 is. */
static bool
need_nsh(struct diff_maker *m)
{
    const struct flow *flow = &m->match->flow;

    return m->nsh
           || (m->l3 && flow->dl_type == htons(ETH_TYPE_NSH)
               && flow->nsh.mdtype && DIFF_NEED(m, dl_type)
               && DIFF_NEED(m, nsh.mdtype));
}

/* OVS leaves a packet alone that has an Ethernet header. */
bool
diff_make_pop_nsh(struct diff_maker *m)
{
    static const uint32_t types[] = {
        [NSH_P_IPV4] = PT_IPV4,
        [NSH_P_IPV6] = PT_IPV6,
        [NSH_P_ETHERNET] = PT_ETH,
        [NSH_P_NSH] = PT_NSH,
    };
    uint8_t np = m->match->flow.nsh.np;

    if (m->packet_type == PT_ETH) {
        nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_POP_NSH);
        return !diff_random(32);
    }
    if (m->packet_type != PT_NSH || m->nsh || m->trunc || !need_nsh(m)
        || !DIFF_NEED(m, nsh.np)) {
        return false;
    }
    nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_POP_NSH);
    diff_forget(m, np < ARRAY_SIZE(types) ? types[np] : UNKNOWN_TYPE);
    m->has_l3 = false;
    return true;
}

/* Puts a part of the header: by SET as it is, by SET_MASKED with a mask. */
static void
put_nsh(struct diff_maker *m, uint16_t attr, void *value, size_t n,
        bool masked)
{
    uint8_t pair[2 * sizeof(struct ovs_nsh_key_md1)];
    uint8_t *mask = pair + n;

    memcpy(pair, value, n);
    diff_random_field(mask, n);
    for (size_t i = 0; masked && i < n; i++) {
        pair[i] &= mask[i];
    }
    nl_msg_put_unspec(m->odp, attr, pair, n << masked);
}

bool
diff_make_set_nsh(struct diff_maker *m)
{
    uint8_t mdtype = m->match->flow.nsh.mdtype; /* And four other bits. */
    bool masked = diff_random(4) > 0;
    struct ovs_nsh_key_base base;
    struct ovs_nsh_key_md1 md1;
    size_t outer, inner;

    if (m->nsh || !need_nsh(m)) {
        return false;
    }
    random_nsh(&base, mdtype);
    diff_random_field(&md1, sizeof md1);
    outer = nl_msg_start_nested(m->odp, masked ? OVS_ACTION_ATTR_SET_MASKED
                                               : OVS_ACTION_ATTR_SET);
    inner = nl_msg_start_nested(m->odp, OVS_KEY_ATTR_NSH);
    put_nsh(m, OVS_NSH_KEY_ATTR_BASE, &base, sizeof base, masked);
    if ((mdtype & 0x0f) == NSH_M_TYPE1 || masked) {
        put_nsh(m, OVS_NSH_KEY_ATTR_MD1, &md1, sizeof md1, masked);
    }
    nl_msg_end_nested(m->odp, inner);
    nl_msg_end_nested(m->odp, outer);
    return true;
}
