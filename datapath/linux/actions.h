/* SPDX-License-Identifier: GPL-2.0-only */
/* actions.h - a translation under way, which actions.c and those below share. */

#ifndef AGK_ACTIONS_H
#define AGK_ACTIONS_H 1

#include "agk.h"

struct ip_tunnel_info;
struct nlattr;
struct ovs_action_add_mpls;
struct ovs_action_push_mpls;
struct ovs_action_push_vlan;

struct agk_translation {
	struct agk_nic *nic;
	const struct datapath *dp;
	struct agilio_writer program;
	u32 n_ways;			/* Copies that it makes. */
	u32 depth;			/* Blocks around. */
	/* VLAN tags of the packet at this point; false: or more. */
	u32 n_tags;
	bool exact_tags;
	u32 max_len;			/* Of what is sent next; 0: all. */
	bool hashed;			/* Its hash is still the NIC's. */
	bool for_host;
	bool moves;			/* See agk_translate_actions(). */
	const struct ip_tunnel_info *tun_info;	/* As set last, or NULL. */
};

/* Adds an action, of which 'len' bytes are at 'action'; fills in its head. */
void agk_put_action(struct agk_translation *t, enum agilio_action_type type,
		    void *action, size_t len);
/* Likewise; 'n' bytes at 'rest' follow, and are padded. */
void agk_put_action_with(struct agk_translation *t,
			 enum agilio_action_type type, void *action, size_t len,
			 const void *rest, size_t n);
/* Begins a CHECK_PKT_LEN; returns where.  First comes the block for longer
 * packets, up to agk_end_greater().
 */
u8 *agk_put_check(struct agk_translation *t, u16 pkt_len);
void agk_end_greater(struct agk_translation *t, u8 *start);
/* Ends the action at 'start', whose blocks are the rest. */
void agk_end_block(struct agk_translation *t, u8 *start);
/* Puts TRUNC for what is put next; '*max_len' is how much the NIC leaves. */
const char *agk_put_trunc(struct agk_translation *t, u32 *max_len);
/* Output to a tunnel, in a block, so of a copy. */
const char *agk_translate_push(struct agk_translation *t,
			       const struct net_device *dev);
/* Of the actions of those names. */
const char *agk_translate_push_vlan(struct agk_translation *t,
				    const struct ovs_action_push_vlan *vlan);
const char *agk_translate_pop_vlan(struct agk_translation *t);
const char *agk_translate_push_mpls(struct agk_translation *t,
				    const struct ovs_action_push_mpls *mpls);
const char *agk_translate_add_mpls(struct agk_translation *t,
				   const struct ovs_action_add_mpls *add);
const char *agk_translate_pop_mpls(struct agk_translation *t, __be16 eth_type);
/* Of OVS_ACTION_ATTR_METER. */
const char *agk_translate_meter(struct agk_translation *t, u32 meter_id);
/* Of OVS_ACTION_ATTR_SET_MASKED and _SET_TO_MASKED.  NULL, or why not. */
const char *agk_translate_set(struct agk_translation *t,
			      const struct nlattr *a);

#endif /* actions.h */
