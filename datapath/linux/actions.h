/* SPDX-License-Identifier: GPL-2.0-only */
/* actions.h - a translation under way, which actions.c and set.c share. */

#ifndef AGK_ACTIONS_H
#define AGK_ACTIONS_H 1

#include "agk.h"

struct nlattr;

struct agk_translation {
	struct agk_nic *nic;
	const struct datapath *dp;
	struct agilio_writer program;
	u32 n_ways;			/* Copies that it makes. */
	u32 depth;			/* Blocks around. */
	bool for_host;
};

/* Adds an action, of which 'len' bytes are at 'action'; fills in its head. */
void agk_put_action(struct agk_translation *t, enum agilio_action_type type,
		    void *action, size_t len);
/* Of OVS_ACTION_ATTR_SET_MASKED and _SET_TO_MASKED.  NULL, or why not. */
const char *agk_translate_set(struct agk_translation *t,
			      const struct nlattr *a);

#endif /* actions.h */
