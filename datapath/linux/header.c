// SPDX-License-Identifier: GPL-2.0-only
/*
 * header.c - actions that push and pop VLAN tags and MPLS labels.
 *
 * See actions.c, whose translation keeps count of the tags.
 */

#include <linux/if_ether.h>
#include <linux/openvswitch.h>

#include "actions.h"

const char *agk_translate_push_vlan(struct agk_translation *t,
				    const struct ovs_action_push_vlan *vlan)
{
	struct agilio_action_push_vlan push = {
		.tpid = (__force agilio_be16)vlan->vlan_tpid,
		.tci = (__force agilio_be16)vlan->vlan_tci,
	};

	agk_put_action(t, AGILIO_ACTION_PUSH_VLAN, &push, sizeof(push));
	t->n_tags++;
	return NULL;
}

const char *agk_translate_pop_vlan(struct agk_translation *t)
{
	struct agilio_action_pop_vlan pop = { { 0 } };

	agk_put_action(t, AGILIO_ACTION_POP_VLAN, &pop, sizeof(pop));
	t->n_tags -= !!t->n_tags;
	return NULL;
}

static const char *push_mpls(struct agk_translation *t, __be32 lse,
			     __be16 eth_type)
{
	struct agilio_action_push_mpls push = {
		.lse = (__force agilio_be32)lse,
		.eth_type = (__force agilio_be16)eth_type,
	};

	agk_put_action(t, AGILIO_ACTION_PUSH_MPLS, &push, sizeof(push));
	return NULL;
}

const char *agk_translate_push_mpls(struct agk_translation *t,
				    const struct ovs_action_push_mpls *mpls)
{
	return push_mpls(t, mpls->mpls_lse, mpls->mpls_ethertype);
}

const char *agk_translate_add_mpls(struct agk_translation *t,
				   const struct ovs_action_add_mpls *add)
{
	if (!(add->tun_flags & OVS_MPLS_L3_TUNNEL_FLAG_MASK))
		return "action: unknown";	/* Before the Ethernet header. */
	return push_mpls(t, add->mpls_lse, add->mpls_ethertype);
}

const char *agk_translate_pop_mpls(struct agk_translation *t, __be16 eth_type)
{
	struct agilio_action_pop_mpls pop = {
		.eth_type = (__force agilio_be16)eth_type,
	};

	if (eth_type == htons(ETH_P_TEB))
		return "action: unknown";	/* Ethernet in MPLS. */
	agk_put_action(t, AGILIO_ACTION_POP_MPLS, &pop, sizeof(pop));
	t->hashed = false;	/* The NIC takes it for another packet. */
	return NULL;
}
