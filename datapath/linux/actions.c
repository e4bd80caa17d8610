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
 * Lengths.  openvswitch.ko keeps the outer VLAN tag beside the packet and does
 * not count it, the NIC does: so it must be known whether there is one.
 *
 * HASH must be the same for all packets of a connection, whether the NIC or
 * openvswitch.ko looks at them.  The latter starts from skb_get_hash(), which is
 * the NIC's hash of the packet as it came (rx.c), until an action clears it or a
 * tunnel hides it; then it is one that nobody else can compute, and the flow is
 * the host's.
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

static const char *count_ways(struct agk_translation *t, u32 n)
{
	t->n_ways += n;
	return t->n_ways > AGILIO_MAX_OUTPUTS ? "size: outputs" : NULL;
}

static const char *count_way(struct agk_translation *t)
{
	return count_ways(t, 1);
}

void agk_end_block(struct agk_translation *t, u8 *start)
{
	agilio_le16 len = agilio_to_le16(t->program.p - start);

	if (!t->program.bad)
		memcpy(start + offsetof(struct agilio_action, len), &len,
		       sizeof(len));
}

u8 *agk_put_check(struct agk_translation *t, u16 pkt_len)
{
	struct agilio_action_check_pkt_len check = {
		.pkt_len = agilio_to_le16(pkt_len),
	};
	u8 *start = t->program.p;

	agk_put_action(t, AGILIO_ACTION_CHECK_PKT_LEN, &check, sizeof(check));
	return start;
}

void agk_end_greater(struct agk_translation *t, u8 *start)
{
	agilio_le16 len = agilio_to_le16(
		t->program.p - start -
		sizeof(struct agilio_action_check_pkt_len));

	if (!t->program.bad)
		memcpy(start + offsetof(struct agilio_action_check_pkt_len,
					greater_len), &len, sizeof(len));
}

/* A length of the kernel's is the NIC's plus '*more'.  Or why not. */
static const char *count_tag(const struct agk_translation *t, u32 *more)
{
	*more = t->n_tags ? VLAN_HLEN : 0;
	return t->n_tags || t->exact_tags ? NULL : "match: unknown VLAN tags";
}

/* openvswitch.ko cuts what it sends when it sends it, the NIC what it has when
 * it is told to: that is now.
 */
const char *agk_put_trunc(struct agk_translation *t, u32 *max_len)
{
	struct agilio_action_trunc trunc = { { 0 } };
	const char *why;
	u32 more;

	why = count_tag(t, &more);
	*max_len = t->max_len + more;
	trunc.max_len = agilio_to_le32(*max_len);
	agk_put_action(t, AGILIO_ACTION_TRUNC, &trunc, sizeof(trunc));
	return why;
}

static const char *output_to_port(struct agk_translation *t, u32 port)
{
	struct agilio_action_output output = {
		.port = agilio_to_le32(port),
	};
	const char *why = NULL;
	u32 max_len;

	if (t->max_len)
		why = agk_put_trunc(t, &max_len);
	agk_put_action(t, AGILIO_ACTION_OUTPUT, &output, sizeof(output));
	return why ? why : count_way(t);
}

static const char *output_to_tunnel(struct agk_translation *t,
				    const struct net_device *dev)
{
	const char *why = agk_translate_push(t, dev);

	/* A block, and a way in each that it has. */
	return why ? why : count_ways(t, 3);
}

static const char *translate_output(struct agk_translation *t, u32 port_no)
{
	const struct net_device *dev = ovs_offload_port_dev(t->dp, port_no);
	struct agk_repr *r = agk_repr_of(dev);
	const char *why;

	if (r && r->nic == t->nic) {
		why = output_to_port(t, r->port);
	} else if (dev && t->tun_info) {
		why = output_to_tunnel(t, dev);
	} else {
		t->for_host = true;
		why = "output: host port";
	}
	t->max_len = 0;
	return why;
}

static const char *translate_recirc(struct agk_translation *t, u32 recirc_id)
{
	struct agilio_action_recirc recirc = {
		.recirc_id = agilio_to_le32(recirc_id),
	};

	if (!recirc_id)
		return "action: recirc(0)";
	if (t->max_len)
		return "action: trunc before recirc";	/* Likewise. */
	if (t->tun_info)
		return "tunnel: set before recirc";	/* It would be lost. */
	agk_put_action(t, AGILIO_ACTION_RECIRC, &recirc, sizeof(recirc));
	return count_way(t);
}

/* A block of actions. */
static const char *translate_block(struct agk_translation *t,
				   const struct nlattr *actions, int len)
{
	const struct agk_translation before = *t;
	const char *why;

	if (t->depth == AGILIO_MAX_NESTING)
		return "size: nesting";
	t->depth++;
	why = translate_list(t, actions, len);
	t->depth--;
	/* It worked on a copy. */
	t->max_len = before.max_len;
	t->tun_info = before.tun_info;
	t->n_tags = before.n_tags;
	t->exact_tags = before.exact_tags;
	t->hashed = before.hashed;
	return why;
}

/* One whose action has been put at 'start', which it ends. */
static const char *translate_last_block(struct agk_translation *t, u8 *start,
					const struct nlattr *actions, int len)
{
	const char *why = translate_block(t, actions, len);

	agk_end_block(t, start);
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
	return translate_last_block(t, start, actions, left);
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
	return translate_last_block(t, start, actions, left);
}

static const char *translate_check_pkt_len(struct agk_translation *t,
					   const struct nlattr *a)
{
	/* The argument, then those for longer packets as the last. */
	const struct nlattr *arg = nla_data(a);
	const struct check_pkt_len_arg *how = nla_data(arg);
	int left = nla_len(a);
	const struct nlattr *less = nla_next(arg, &left);
	const struct nlattr *greater = nla_next(less, &left);
	const char *why;
	u32 more;
	u8 *start;

	why = count_tag(t, &more);
	if (why)
		return why;
	start = agk_put_check(t, min_t(u32, how->pkt_len + more, U16_MAX));
	why = translate_block(t, nla_data(greater), nla_len(greater));
	agk_end_greater(t, start);
	if (why)
		return why;
	return translate_last_block(t, start, nla_data(less), nla_len(less));
}

/* ## ---------- ##
 * ## The others ##
 * ## ---------- ##
 */

/* Not one whose bytes the kernel would count otherwise. */
static const char *translate_meter(struct agk_translation *t, u32 meter_id)
{
	u32 more;
	const char *why = count_tag(t, &more);

	if (!why && more)
		why = "meter: of tagged packets";
	return why ? why : agk_translate_meter(t, meter_id);
}

static const char *translate_hash(struct agk_translation *t,
				  const struct ovs_action_hash *how)
{
	struct agilio_action_hash hash = {
		.basis = agilio_to_le32(how->hash_basis),
		.alg = agilio_to_le32(AGILIO_HASH_KERNEL),
	};

	if (how->hash_alg != OVS_HASH_ALG_L4)
		return "action: unknown";
	if (!t->hashed)
		return "action: hash of a changed packet";
	agk_put_action(t, AGILIO_ACTION_HASH, &hash, sizeof(hash));
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
				    const struct nlattr *a)
{
	const struct ovs_action_trunc *trunc;

	switch (nla_type(a)) {
	case OVS_ACTION_ATTR_OUTPUT:
		return translate_output(t, nla_get_u32(a));
	case OVS_ACTION_ATTR_USERSPACE:
		t->for_host = true;
		return "action: userspace";
	case OVS_ACTION_ATTR_RECIRC:
		return translate_recirc(t, nla_get_u32(a));
	case OVS_ACTION_ATTR_CLONE:
		return translate_clone(t, a);
	case OVS_ACTION_ATTR_SAMPLE:
		return translate_sample(t, a);
	case OVS_ACTION_ATTR_CHECK_PKT_LEN:
		return translate_check_pkt_len(t, a);
	case OVS_ACTION_ATTR_TRUNC:
		trunc = nla_data(a);
		t->max_len = trunc->max_len;
		return NULL;
	case OVS_ACTION_ATTR_HASH:
		return translate_hash(t, nla_data(a));
	case OVS_ACTION_ATTR_METER:
		return translate_meter(t, nla_get_u32(a));
	case OVS_ACTION_ATTR_PUSH_MPLS:
		return agk_translate_push_mpls(t, nla_data(a));
	case OVS_ACTION_ATTR_ADD_MPLS:
		return agk_translate_add_mpls(t, nla_data(a));
	case OVS_ACTION_ATTR_POP_MPLS:
		return agk_translate_pop_mpls(t, nla_get_be16(a));
	case OVS_ACTION_ATTR_PUSH_VLAN:
		return agk_translate_push_vlan(t, nla_data(a));
	case OVS_ACTION_ATTR_POP_VLAN:
		return agk_translate_pop_vlan(t);
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
		const char *why = translate_action(t, a);

		if (t->for_host)
			return why;
		unable = unable ? unable : why;
	}
	return unable;
}

/* How many VLAN tags a flow's packets have.  False: or more. */
static bool count_tags(const struct sw_flow *flow, u32 *n)
{
	const struct vlan_head *key[] = { &flow->key.eth.vlan,
					  &flow->key.eth.cvlan };
	const struct vlan_head *mask[] = { &flow->mask->key.eth.vlan,
					   &flow->mask->key.eth.cvlan };

	for (*n = 0; *n < ARRAY_SIZE(key); ++*n) {
		if (!(mask[*n]->tci & htons(VLAN_CFI_MASK)))
			return false;
		if (!(key[*n]->tci & htons(VLAN_CFI_MASK)))
			return true;
	}
	return false;
}

enum agk_verdict agk_translate_actions(struct agk_nic *nic,
				       const struct datapath *dp,
				       const struct sw_flow *flow,
				       u8 *program, size_t *len,
				       const char **reason, bool *moves)
{
	const struct sw_flow_actions *acts =
		rcu_dereference_raw(flow->sf_acts);
	struct agk_translation t = {
		.nic = nic,
		.dp = dp,
		.program = { program, program + AGILIO_MAX_PROGRAM, false },
		.hashed = !flow->key.recirc_id && !flow->key.tun_proto,
	};

	t.exact_tags = count_tags(flow, &t.n_tags);

	*reason = translate_list(&t, acts->actions, acts->actions_len);
	if (!*reason && t.program.bad)
		*reason = "size: program";
	*len = t.program.p - program;
	*moves = t.moves;
	return !*reason ? AGK_ON_NIC : t.for_host ? AGK_FOR_HOST : AGK_UNABLE;
}
