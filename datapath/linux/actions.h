/* SPDX-License-Identifier: GPL-2.0-only */
/* actions.h - a translation under way, which actions.c and set.c share. */

#ifndef AGK_ACTIONS_H
#define AGK_ACTIONS_H 1

#include "agk.h"

struct ip_tunnel_info;
struct nlattr;

struct agk_translation {
	struct agk_nic *nic;
	const struct datapath *dp;
	struct agilio_writer program;
	u32 n_ways;			/* Copies that it makes. */
	u32 depth;			/* Blocks around. */
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
/* Output to a tunnel, of a packet that is not needed any more. */
const char *agk_translate_push(struct agk_translation *t,
			       const struct net_device *dev);
/* Of OVS_ACTION_ATTR_SET_MASKED and _SET_TO_MASKED.  NULL, or why not. */
const char *agk_translate_set(struct agk_translation *t,
			      const struct nlattr *a);

#endif /* actions.h */
