// SPDX-License-Identifier: GPL-2.0-only
/*
 * actions.c - the actions of a sw_flow become a program for the NIC.
 *
 * Called with ovs_mutex for every flow whose in_port is on a NIC.  The measure
 * is what openvswitch.ko does (net/openvswitch/actions.c): a program has the
 * effect of the actions on every packet, or there is no program.  The actions
 * are Netlink attributes that openvswitch.ko has checked, in the form in which
 * it keeps them (flow_netlink.c).
 *
 * Not here, because openvswitch.ko and the NIC disagree: TRUNC and
 * CHECK_PKT_LEN, which do not count a VLAN tag that is beside the packet, and
 * HASH, whose value must be the same for a flow's packets on both.
 */

#include <linux/openvswitch.h>
#include <net/dst_metadata.h>
#include <net/netlink.h>

#include "actions.h"
#include "flow.h"
#include "offload.h"

static const char *translate_list(struct agk_translation *t,
				  const struct nlattr *actions, int len);

void agk_put_action_with(struct agk_translation *t,
			 enum agilio_action_type type, void *action, size_t len,
			 const void *rest, size_t n)
{
	static const u8 zeros[4];
	size_t padded = ALIGN(n, 4);
	const struct agilio_action head = {
		.type = agilio_to_le16(type),
		.len = agilio_to_le16(len + padded),
	};

	memcpy(action, &head, sizeof(head));
	agilio_put_bytes(&t->program, action, len);
	agilio_put_bytes(&t->program, rest, n);
	agilio_put_bytes(&t->program, zeros, padded - n);
}

void agk_put_action(struct agk_translation *t, enum agilio_action_type type,
		    void *action, size_t len)
{
	agk_put_action_with(t, type, action, len, NULL, 0);
}

/* ## ---------------- ##
 * ## Ways of a packet ##
 * ## ---------------- ##
 */

static const char *count_way(struct agk_translation *t)
{
	return ++t->n_ways > AGILIO_MAX_OUTPUTS ? "size: outputs" : NULL;
}

/* Sets the length of the action at 'start', a block that ends here. */
static void end_block(struct agk_translation *t, u8 *start)
{
	agilio_le16 len = agilio_to_le16(t->program.p - start);

	if (!t->program.bad)
		memcpy(start + offsetof(struct agilio_action, len), &len,
		       sizeof(len));
}

/* What is in the tunnel is a copy, unless nothing comes after it. */
static const char *output_to_tunnel(struct agk_translation *t,
				    const struct net_device *dev, bool last)
{
	struct agilio_action_clone clone = { { 0 } };
	u8 *start = t->program.p;
	const char *why;

	if (last)
		return agk_translate_push(t, dev);
	agk_put_action(t, AGILIO_ACTION_CLONE, &clone, sizeof(clone));
	why = agk_translate_push(t, dev);
	end_block(t, start);
	return why ? why : count_way(t);
}

static const char *translate_output(struct agk_translation *t, u32 port_no,
				    bool last)
{
	const struct net_device *dev = ovs_offload_port_dev(t->dp, port_no);
	struct agk_repr *r = agk_repr_of(dev);
	struct agilio_action_output output = { { 0 } };
	const char *why;

	if (r && r->nic == t->nic) {
		output.port = agilio_to_le32(r->port);
		agk_put_action(t, AGILIO_ACTION_OUTPUT, &output,
			       sizeof(output));
		return count_way(t);
	}
	if (dev && t->tun_info) {
		why = output_to_tunnel(t, dev, last);
		return why ? why : count_way(t);
	}
	t->for_host = true;
	return "output: host port";
}

static const char *translate_recirc(struct agk_translation *t, u32 recirc_id)
{
	struct agilio_action_recirc recirc = {
		.recirc_id = agilio_to_le32(recirc_id),
	};

	if (!recirc_id)
		return "action: recirc(0)";
	if (t->tun_info)
		return "tunnel: set before recirc";	/* It would be lost. */
	agk_put_action(t, AGILIO_ACTION_RECIRC, &recirc, sizeof(recirc));
	return count_way(t);
}

/* A block of actions, whose action has been put at 'start'. */
static const char *translate_block(struct agk_translation *t, u8 *start,
				   const struct nlattr *actions, int len)
{
	const struct ip_tunnel_info *tun_info = t->tun_info;
	const char *why;

	if (t->depth == AGILIO_MAX_NESTING)
		return "size: nesting";
	t->depth++;
	why = translate_list(t, actions, len);
	t->depth--;
	t->tun_info = tun_info;
	end_block(t, start);
	return why ? why : count_way(t);
}

/* Both nest an attribute of their own, then the actions. */
static const char *translate_clone(struct agk_translation *t,
				   const struct nlattr *a)
{
	struct agilio_action_clone clone = { { 0 } };
	const struct nlattr *arg = nla_data(a);
	u8 *start = t->program.p;
	int left = nla_len(a);
	const struct nlattr *actions = nla_next(arg, &left);

	agk_put_action(t, AGILIO_ACTION_CLONE, &clone, sizeof(clone));
	return translate_block(t, start, actions, left);
}

static const char *translate_sample(struct agk_translation *t,
				    const struct nlattr *a)
{
	const struct nlattr *arg = nla_data(a);
	const struct sample_arg *how = nla_data(arg);
	struct agilio_action_sample sample = {
		.probability = agilio_to_le32(how->probability),
	};
	u8 *start = t->program.p;
	int left = nla_len(a);
	const struct nlattr *actions = nla_next(arg, &left);

	agk_put_action(t, AGILIO_ACTION_SAMPLE, &sample, sizeof(sample));
	return translate_block(t, start, actions, left);
}

/* ## ---------- ##
 * ## The others ##
 * ## ---------- ##
 */

static const char *translate_push_vlan(struct agk_translation *t,
				       const struct ovs_action_push_vlan *vlan)
{
	struct agilio_action_push_vlan push = {
		.tpid = (__force agilio_be16)vlan->vlan_tpid,
		.tci = (__force agilio_be16)vlan->vlan_tci,
	};

	agk_put_action(t, AGILIO_ACTION_PUSH_VLAN, &push, sizeof(push));
	return NULL;
}

static const char *translate_pop_vlan(struct agk_translation *t)
{
	struct agilio_action_pop_vlan pop = { { 0 } };

	agk_put_action(t, AGILIO_ACTION_POP_VLAN, &pop, sizeof(pop));
	return NULL;
}

/* The only set without mask that there is. */
static const char *translate_set_tunnel(struct agk_translation *t,
					const struct nlattr *nested)
{
	const struct ovs_tunnel_info *tunnel = nla_data(nested);

	if (nla_type(nested) != OVS_KEY_ATTR_TUNNEL_INFO)
		return "action: set unknown";
	t->tun_info = &tunnel->tun_dst->u.tun_info;
	return NULL;
}

static const char *translate_action(struct agk_translation *t,
				    const struct nlattr *a, bool last)
{
	switch (nla_type(a)) {
	case OVS_ACTION_ATTR_OUTPUT:
		return translate_output(t, nla_get_u32(a), last);
	case OVS_ACTION_ATTR_USERSPACE:
		t->for_host = true;
		return "action: userspace";
	case OVS_ACTION_ATTR_RECIRC:
		return translate_recirc(t, nla_get_u32(a));
	case OVS_ACTION_ATTR_CLONE:
		return translate_clone(t, a);
	case OVS_ACTION_ATTR_SAMPLE:
		return translate_sample(t, a);
	case OVS_ACTION_ATTR_PUSH_VLAN:
		return translate_push_vlan(t, nla_data(a));
	case OVS_ACTION_ATTR_POP_VLAN:
		return translate_pop_vlan(t);
	case OVS_ACTION_ATTR_SET:
		return translate_set_tunnel(t, nla_data(a));
	case OVS_ACTION_ATTR_SET_MASKED:
	case OVS_ACTION_ATTR_SET_TO_MASKED:
		return agk_translate_set(t, a);
	case OVS_ACTION_ATTR_CT_CLEAR:
		return NULL;	/* No packet there has been through ct(). */
	default:
		return "action: unknown";
	}
}

/* A reason that makes the flow the host's counts for more than one that is
 * about the NIC.
 */
static const char *translate_list(struct agk_translation *t,
				  const struct nlattr *actions, int len)
{
	const char *unable = NULL;
	const struct nlattr *a;
	int left;

	nla_for_each_attr(a, actions, len, left) {
		const char *why = translate_action(t, a, nla_is_last(a, left));

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
				       const char **reason, bool *moves)
{
	struct agk_translation t = {
		.nic = nic,
		.dp = dp,
		.program = { program, program + AGILIO_MAX_PROGRAM, false },
	};

	*reason = translate_list(&t, acts->actions, acts->actions_len);
	if (!*reason && t.program.bad)
		*reason = "size: program";
	*len = t.program.p - program;
	*moves = t.moves;
	return !*reason ? AGK_ON_NIC : t.for_host ? AGK_FOR_HOST : AGK_UNABLE;
}
