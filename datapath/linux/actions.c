// SPDX-License-Identifier: GPL-2.0-only
/*
 * actions.c - the actions of a sw_flow become a program for the NIC.
 *
 * Called with ovs_mutex for every flow whose in_port is on a NIC.  The measure
 * is what openvswitch.ko does (net/openvswitch/actions.c): a program has the
 * effect of the actions on every packet, or there is no program.  The actions
 * are Netlink attributes that openvswitch.ko has checked.
 */

#include <linux/openvswitch.h>
#include <net/netlink.h>

#include "agk.h"
#include "flow.h"
#include "offload.h"

struct translation {
	struct agk_nic *nic;
	const struct datapath *dp;
	struct agilio_writer program;
	u32 n_ways;			/* Copies that it makes. */
	bool for_host;
};

/* Adds an action, of which 'len' bytes are at 'action'. */
static void put(struct translation *t, enum agilio_action_type type,
		void *action, size_t len)
{
	const struct agilio_action head = {
		.type = agilio_to_le16(type),
		.len = agilio_to_le16(len),
	};

	memcpy(action, &head, sizeof(head));
	agilio_put_bytes(&t->program, action, len);
}

static const char *count_way(struct translation *t)
{
	return ++t->n_ways > AGILIO_MAX_OUTPUTS ? "size: outputs" : NULL;
}

static const char *translate_output(struct translation *t, u32 port_no)
{
	struct agk_repr *r = agk_repr_of(ovs_offload_port_dev(t->dp, port_no));
	struct agilio_action_output output = { 0 };

	if (!r || r->nic != t->nic) {
		t->for_host = true;
		return "output: host port";
	}
	output.port = agilio_to_le32(r->port);
	put(t, AGILIO_ACTION_OUTPUT, &output, sizeof(output));
	return count_way(t);
}

static const char *translate_action(struct translation *t,
				    const struct nlattr *a)
{
	switch (nla_type(a)) {
	case OVS_ACTION_ATTR_OUTPUT:
		return translate_output(t, nla_get_u32(a));
	case OVS_ACTION_ATTR_USERSPACE:
		t->for_host = true;
		return "action: userspace";
	default:
		return "action: unknown";
	}
}

/* A reason that makes the flow the host's counts for more than one that is
 * about the NIC.
 */
static const char *translate_list(struct translation *t,
				  const struct nlattr *actions, int len)
{
	const char *unable = NULL;
	const struct nlattr *a;
	int left;

	nla_for_each_attr(a, actions, len, left) {
		const char *why = translate_action(t, a);

		if (t->for_host)
			return why;
		unable = unable ? unable : why;
	}
	return unable;
}

enum agk_verdict agk_translate_actions(struct agk_nic *nic,
				       const struct datapath *dp,
				       const struct sw_flow_actions *acts,
				       u8 *program, size_t *len,
				       const char **reason)
{
	struct translation t = {
		.nic = nic,
		.dp = dp,
		.program = { program, program + AGILIO_MAX_PROGRAM, false },
	};

	*reason = translate_list(&t, acts->actions, acts->actions_len);
	if (!*reason && t.program.bad)
		*reason = "size: program";
	*len = t.program.p - program;
	return !*reason ? AGK_ON_NIC : t.for_host ? AGK_FOR_HOST : AGK_UNABLE;
}
