/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-actions.c - random action lists, in the role of ofproto.
 *
 * Each row of makers[] appends one action of OVS's, if that makes sense for
 * the flow's packets; where it needs them to have something, it has the flow
 * match on that.
 *
 * What the NIC can do today is not written here.  Most flows are made only of
 * what lib/agilio-translate.h accepts; the others must go to the host.  An
 * action that the NIC learns is therefore compared from that day on.
 */

#include <config.h>

#include "differential.h"

#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

#define MAX_OUTPUTS 8           /* Frames sent for one frame, roughly. */

/* ## ------ ##
 * ## Makers ##
 * ## ------ ## */

static bool
make_output(struct diff_maker *m)
{
    uint32_t port = diff_random(64) ? 1 + diff_random(DIFF_N_PORTS) : 0;

    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_OUTPUT, port);
    return true;
}

static bool
make_push_vlan(struct diff_maker *m)
{
    struct ovs_action_push_vlan vlan;

    diff_random_field(&vlan.vlan_tci, sizeof vlan.vlan_tci);
    vlan.vlan_tci |= htons(VLAN_CFI);
    vlan.vlan_tpid = htons(diff_random(2) ? ETH_TYPE_VLAN_8021Q
                                          : ETH_TYPE_VLAN_8021AD);
    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_PUSH_VLAN, &vlan, sizeof vlan);
    m->n_vlans++;
    return true;
}

static bool
make_pop_vlan(struct diff_maker *m)
{
    if (!m->n_vlans) {
        if (!m->match->flow.vlans[0].tci || !DIFF_NEED(m, vlans[0].tci)) {
            return false;
        }
        m->n_vlans = flow_count_vlan_headers(&m->match->flow);
    }
    nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_POP_VLAN);
    m->n_vlans--;
    return true;
}

static bool
make_push_mpls(struct diff_maker *m)
{
    struct ovs_action_push_mpls mpls = {
        .mpls_lse = htonl(diff_random(1 << 30)),
        .mpls_ethertype = htons(diff_random(2) ? ETH_TYPE_MPLS
                                               : ETH_TYPE_MPLS_MCAST),
    };

    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_PUSH_MPLS, &mpls, sizeof mpls);
    m->l3 = false;
    return true;
}

static bool
make_pop_mpls(struct diff_maker *m)
{
    if (!diff_need_mpls(m)) {
        return false;
    }
    nl_msg_put_be16(m->odp, OVS_ACTION_ATTR_POP_MPLS, htons(ETH_TYPE_IP));
    m->l3 = false;
    return true;
}

/* What follows is the output to a mirror. */
static bool
make_trunc(struct diff_maker *m)
{
    struct ovs_action_trunc *trunc;

    trunc = nl_msg_put_unspec_uninit(m->odp, OVS_ACTION_ATTR_TRUNC,
                                     sizeof *trunc);
    trunc->max_len = ETH_HEADER_LEN + diff_random(100);
    return make_output(m);
}

static bool
make_clone(struct diff_maker *m)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_CLONE);

    diff_make_set(m);
    make_output(m);
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

/* Chance has no judge: all or none. */
static bool
make_sample(struct diff_maker *m)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_SAMPLE);
    size_t inner;

    nl_msg_put_u32(m->odp, OVS_SAMPLE_ATTR_PROBABILITY,
                   diff_random(2) ? UINT32_MAX : 0);
    inner = nl_msg_start_nested(m->odp, OVS_SAMPLE_ATTR_ACTIONS);
    diff_make_set(m);
    make_output(m);
    nl_msg_end_nested(m->odp, inner);
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

static bool
make_check_pkt_len(struct diff_maker *m)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_CHECK_PKT_LEN);
    size_t inner;

    nl_msg_put_u16(m->odp, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, diff_random(120));
    for (int i = 0; i < 2; i++) {
        inner = nl_msg_start_nested(
            m->odp, i ? OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER
                      : OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL);
        make_output(m);
        nl_msg_end_nested(m->odp, inner);
    }
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

static bool
make_recirc(struct diff_maker *m)
{
    struct ovs_action_hash hash = {
        .hash_alg = diff_random(2) ? OVS_HASH_ALG_L4 : OVS_HASH_ALG_SYM_L4,
        .hash_basis = diff_random(4),
    };

    if (diff_random(2)) {
        nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_HASH, &hash, sizeof hash);
    }
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_RECIRC, 1 + diff_random(3));
    return true;
}

static bool
make_ct_clear(struct diff_maker *m)
{
    nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_CT_CLEAR);
    return true;
}

static bool
make_userspace(struct diff_maker *m)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_USERSPACE);

    nl_msg_put_u32(m->odp, OVS_USERSPACE_ATTR_PID, 0);
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

static bool
make_drop(struct diff_maker *m)
{
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_DROP, 0);
    return true;
}

static const struct {
    bool (*make)(struct diff_maker *);
    uint32_t weight;
} makers[] = {
    { make_output, 30 },
    { make_push_vlan, 8 },
    { make_pop_vlan, 10 },
    { diff_make_set, 90 },
    { make_push_mpls, 2 },
    { make_pop_mpls, 3 },
    { make_trunc, 2 },
    { make_clone, 2 },
    { make_sample, 2 },
    { make_check_pkt_len, 2 },
    { make_recirc, 2 },
    { make_ct_clear, 2 },
    { make_userspace, 1 },
    { make_drop, 1 },
};

/* ## ----- ##
 * ## Lists ##
 * ## ----- ## */

static bool
make_any(struct diff_maker *m)
{
    uint32_t total = 0, pick;

    for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
        total += makers[i].weight;
    }
    pick = diff_random(total);
    for (size_t i = 0;; i++) {
        if (pick < makers[i].weight) {
            return makers[i].make(m);
        }
        pick -= makers[i].weight;
    }
}

static bool
fits_nic(const struct ofpbuf *odp)
{
    uint8_t program[AGILIO_MAX_PROGRAM];
    const char *reason;
    size_t len;

    return agilio_translate_actions(odp->data, odp->size, diff_nic_lookup,
                                    NULL, program, &len, &reason)
           == AGILIO_ON_NIC;
}

void
diff_actions_make(struct diff_flow *flow, bool fixed)
{
    bool for_nic = diff_random(8) > 0;
    uint32_t n = diff_random(16) ? 1 + diff_random(MAX_OUTPUTS) : 0;
    struct ofpbuf odp = OFPBUF_STUB_INITIALIZER(flow->actions);
    struct diff_maker m = { &flow->match, fixed, &odp, 0, true };

    for (uint32_t tries = 0; n && tries < 64; tries++) {
        const struct diff_maker before = m;
        size_t size = odp.size;

        if (make_any(&m) && (!for_nic || fits_nic(&odp))) {
            n--;
        } else {
            m = before;
            odp.size = size;
        }
    }
    if (diff_random(8) && odp.size) {
        nl_msg_put_u32(&odp, OVS_ACTION_ATTR_OUTPUT,
                       1 + diff_random(DIFF_N_PORTS));
    }
    ovs_assert(odp.base == flow->actions);
    flow->actions_len = odp.size;
}
