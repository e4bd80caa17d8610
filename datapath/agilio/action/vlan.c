/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vlan.c - PUSH_VLAN and POP_VLAN.
 *
 * A tag stands between the Ethernet addresses and the type (IEEE 802.1Q), so
 * pushing and popping move the addresses by its length.  Of the two, only
 * popping cares whether the packet is known to be an Ethernet frame; so it is
 * in OVS.
 */

#include "action/program.h"
#include "pkt/headers.h"

static bool
check_push_vlan(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_push_vlan *push
        = (const struct agilio_action_push_vlan *) action;

    if (!agl_is_vlan_type(agilio_from_be16(push->tpid))) {
        check->reason = "a VLAN tag is neither 802.1Q nor 802.1ad";
        return false;
    }
    return agl_check_grows(check, AGL_VLAN_LEN);
}

static void
run_push_vlan(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_push_vlan *push
        = (const struct agilio_action_push_vlan *) action;
    uint8_t *tag;

    if (pkt->len < AGL_ETH_ADDRS_LEN) {
        return;
    }
    agl_pkt_push(pkt, AGL_VLAN_LEN);
    memmove(pkt->data, pkt->data + AGL_VLAN_LEN, AGL_ETH_ADDRS_LEN);
    tag = pkt->data + AGL_ETH_TYPE;
    agl_put_be16(tag, push->tpid);
    agl_put_be16(tag + 2, push->tci & ~agilio_to_be16(AGL_VLAN_CFI));
}

const struct agl_action_class agl_action_push_vlan = {
    .len = sizeof(struct agilio_action_push_vlan),
    .check = check_push_vlan,
    .run = run_push_vlan,
};

/* Does nothing to a frame without a tag. */
static void
run_pop_vlan(const struct agilio_action *action, struct agl_pkt *pkt)
{
    uint8_t *eth = agl_eth(pkt, AGL_ETH_LEN + AGL_VLAN_LEN);

    (void) action;
    if (eth && agl_is_vlan_type(agl_get_u16(eth + AGL_ETH_TYPE))) {
        memmove(eth + AGL_VLAN_LEN, eth, AGL_ETH_ADDRS_LEN);
        agl_pkt_pull(pkt, AGL_VLAN_LEN);
    }
}

const struct agl_action_class agl_action_pop_vlan = {
    .len = sizeof(struct agilio_action_pop_vlan),
    .run = run_pop_vlan,
};
