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

#define MAX_ACTIONS 8
#define MAX_BYTES (DIFF_MAX_ACTIONS - 4096)     /* Then it is enough. */
#define MAX_DEPTH 10            /* Of nesting; the NIC's is 8. */

/* ## ------ ##
 * ## Simple ##
 * ## ------ ## */

/* A port takes Ethernet frames only. */
bool
diff_make_output(struct diff_maker *m)
{
    uint32_t port = diff_random(64) ? 1 + diff_random(DIFF_N_PORTS) : 0;
    bool bare = m->packet_type != PT_ETH && diff_random(8);
    struct diff_maker inner = *m;
    size_t ofs;

    if (bare) {
        ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_CLONE);
        diff_make_push_eth(&inner);
    }
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_OUTPUT, port);
    if (bare) {
        nl_msg_end_nested(m->odp, ofs);
    }
    return true;
}

/* Sent to a bond that does not exist, OVS goes on cutting (see TRUNC). */
static bool
make_lb_output(struct diff_maker *m)
{
    if (!m->table->objects || m->no_hash) {
        return false;
    }
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_LB_OUTPUT,
                   1 + diff_random(DIFF_N_BONDS - m->trunc));
    return true;
}

static bool
make_meter(struct diff_maker *m)
{
    if (!m->table->objects) {
        return false;
    }
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_METER,
                   1 + diff_random(DIFF_N_METERS));
    return true;
}

static bool
make_push_vlan(struct diff_maker *m)
{
    struct ovs_action_push_vlan vlan;

    if (m->packet_type != PT_ETH || !m->has_l3) {
        return false;           /* Of a header that is not there, garbage. */
    }
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
    if (m->trunc) {
        return false;
    }
    if (!m->n_vlans) {
        if (m->packet_type != PT_ETH || !m->l3
            || !m->match->flow.vlans[0].tci || !DIFF_NEED(m, vlans[0].tci)) {
            return false;
        }
        m->n_vlans = flow_count_vlan_headers(&m->match->flow);
    }
    nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_POP_VLAN);
    m->n_vlans--;
    return true;
}

/* What follows mostly is the output to a mirror.  If not, nothing may be taken
 * off the packet: OVS would cut off more than is left of it. */
static bool
make_trunc(struct diff_maker *m)
{
    struct ovs_action_trunc *trunc;

    trunc = nl_msg_put_unspec_uninit(m->odp, OVS_ACTION_ATTR_TRUNC,
                                     sizeof *trunc);
    trunc->max_len = ETH_HEADER_LEN + diff_random(100);
    if (diff_random(8)) {
        m->trunc = false;
        return diff_make_output(m);
    }
    m->trunc = true;
    return true;
}

/* SYM_L4 has the packet parsed again, and so has L4 without a hash: what had
 * more tags pushed than OVS looks at has no layer 3 any more. */
static bool
make_hash(struct diff_maker *m)
{
    struct ovs_action_hash hash = {
        .hash_alg = diff_random(2) ? OVS_HASH_ALG_L4 : OVS_HASH_ALG_SYM_L4,
        .hash_basis = diff_random(4),
    };

    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_HASH, &hash, sizeof hash);
    if (hash.hash_alg == OVS_HASH_ALG_SYM_L4 || m->no_hash) {
        diff_forget(m, m->packet_type);
    }
    return true;
}

/* As in ofproto, ids only ever lead on to other ids, unless the table has
 * loops. */
static bool
make_recirc(struct diff_maker *m)
{
    uint32_t id = m->match->flow.recirc_id;

    if (m->table->loops || id >= 5) {
        id = 0;
    }
    if (diff_random(2)) {
        make_hash(m);
    }
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_RECIRC, id + 1 + diff_random(2));
    return m->table->loops || m->match->flow.recirc_id < 5;
}

static bool
make_ct_clear(struct diff_maker *m)
{
    nl_msg_put_flag(m->odp, OVS_ACTION_ATTR_CT_CLEAR);
    return true;
}

/* Fragments are left out: conntrack keeps them, and lets them go later. */
static bool
make_ct(struct diff_maker *m)
{
    size_t ofs;

    if (m->depth || m->match->flow.nw_frag
        || !(diff_need_l3(m, ETH_TYPE_IP) || diff_need_l3(m, ETH_TYPE_IPV6))
        || !DIFF_NEED(m, nw_frag)) {
        return false;
    }
    ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_CT);
    if (diff_random(2)) {
        nl_msg_put_flag(m->odp, OVS_CT_ATTR_COMMIT);
    }
    nl_msg_put_u16(m->odp, OVS_CT_ATTR_ZONE, diff_random(3));
    nl_msg_end_nested(m->odp, ofs);
    return diff_random(2) ? make_recirc(m) : true;
}

static bool
make_userspace(struct diff_maker *m)
{
    uint8_t userdata[64];
    size_t ofs;

    diff_random_field(userdata, sizeof userdata);
    ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_USERSPACE);
    nl_msg_put_u32(m->odp, OVS_USERSPACE_ATTR_PID, diff_random(3));
    if (diff_random(8)) {
        nl_msg_put_unspec(m->odp, OVS_USERSPACE_ATTR_USERDATA, userdata,
                          diff_random(sizeof userdata));
    }
    if (!diff_random(4)) {
        nl_msg_put_u32(m->odp, OVS_USERSPACE_ATTR_EGRESS_TUN_PORT, 1);
    }
    if (!diff_random(4)) {
        nl_msg_put_flag(m->odp, OVS_USERSPACE_ATTR_ACTIONS);
    }
    nl_msg_end_nested(m->odp, ofs);
    diff_forget(m, m->packet_type);     /* OVS parses it again. */
    return true;
}

static bool
make_drop(struct diff_maker *m)
{
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_DROP, 0);
    return true;
}

/* ## ------ ##
 * ## Blocks ##
 * ## ------ ## */

/* A few actions in a nested attribute; what they do to the packet is not seen
 * after it. */
static void
make_block(struct diff_maker *m, uint16_t attr)
{
    struct diff_maker inner = *m;
    size_t ofs = nl_msg_start_nested(m->odp, attr);

    inner.depth++;
    for (uint32_t n = diff_random(4); n; n--) {
        size_t size = m->odp->size;
        struct diff_maker before = inner;

        if (!diff_make_any(&inner)) {
            inner = before;
            m->odp->size = size;
        }
    }
    if (diff_random(8)) {
        diff_make_output(&inner);
    }
    nl_msg_end_nested(m->odp, ofs);
}

static bool
make_clone(struct diff_maker *m)
{
    make_block(m, OVS_ACTION_ATTR_CLONE);
    return true;
}

/* Chance has no judge: all or none. */
static bool
make_sample(struct diff_maker *m)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_SAMPLE);
    struct diff_maker copy = *m;
    size_t inner;

    nl_msg_put_u32(m->odp, OVS_SAMPLE_ATTR_PROBABILITY,
                   diff_random(4) ? UINT32_MAX : 0);
    if (diff_random(2)) {
        inner = nl_msg_start_nested(m->odp, OVS_SAMPLE_ATTR_ACTIONS);
        make_userspace(&copy);  /* As for sFlow and IPFIX. */
        nl_msg_end_nested(m->odp, inner);
    } else {
        make_block(m, OVS_SAMPLE_ATTR_ACTIONS);
    }
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

static bool
make_check_pkt_len(struct diff_maker *m)
{
    size_t ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_CHECK_PKT_LEN);

    nl_msg_put_u16(m->odp, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, diff_random(120));
    make_block(m, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER);
    make_block(m, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL);
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

static const struct {
    bool (*make)(struct diff_maker *);
    uint32_t weight;
} makers[] = {
    { diff_make_output, 30 },
    { make_lb_output, 20 },
    { make_meter, 20 },
    { make_push_vlan, 8 },
    { make_pop_vlan, 10 },
    { diff_make_set, 90 },
    { diff_make_push_mpls, 3 },
    { diff_make_add_mpls, 3 },
    { diff_make_pop_mpls, 10 },
    { diff_make_push_eth, 20 },
    { diff_make_pop_eth, 5 },
    { diff_make_push_nsh, 3 },
    { diff_make_pop_nsh, 20 },
    { diff_make_tunnel_push, 10 },
    { diff_make_tunnel_pop, 60 },
    { diff_make_set_tunnel, 2 },
    { make_trunc, 3 },
    { make_clone, 4 },
    { make_sample, 3 },
    { make_check_pkt_len, 3 },
    { make_recirc, 8 },
    { make_hash, 2 },
    { make_ct_clear, 2 },
    { make_ct, 1 },
    { make_userspace, 2 },
    { make_drop, 1 },
};

bool
diff_make_any(struct diff_maker *m)
{
    uint32_t total = 0, pick;

    if (m->depth > MAX_DEPTH || m->odp->size > MAX_BYTES) {
        return false;
    }
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

/* ## ----- ##
 * ## Lists ##
 * ## ----- ## */

void
diff_forget(struct diff_maker *m, uint32_t packet_type)
{
    m->packet_type = packet_type;
    m->n_vlans = m->n_labels = 0;
    m->l3 = m->nsh = false;
    m->dl_type = 0;
    m->proto = 0;
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
diff_actions_make(const struct diff_table *table, struct diff_flow *flow,
                  bool fixed)
{
    bool for_nic = table->objects || diff_random(8);
    uint32_t n = diff_random(16) ? 1 + diff_random(MAX_ACTIONS) : 0;
    struct ofpbuf odp = OFPBUF_STUB_INITIALIZER(flow->actions);
    struct diff_maker m = {
        .table = table,
        .match = &flow->match,
        .fixed = fixed,
        .odp = &odp,
        .packet_type = ntohl(flow->match.flow.packet_type),
        .has_l3 = true,
        .l3 = true,
    };

    if (!fixed && diff_random(8) && diff_make_only_pop(&m)) {
        flow->actions_len = odp.size;
        return;
    }
    for (uint32_t tries = 0; n && tries < 64; tries++) {
        const struct diff_maker before = m;
        size_t size = odp.size;

        if (diff_make_any(&m) && (!for_nic || fits_nic(&odp))) {
            n--;
        } else {
            m = before;
            odp.size = size;
        }
    }
    if (diff_random(8) && odp.size) {
        size_t size = odp.size;

        diff_make_output(&m);
        if (for_nic && !fits_nic(&odp)) {
            odp.size = size;
        }
    }
    ovs_assert(odp.base == flow->actions);
    flow->actions_len = odp.size;
}
