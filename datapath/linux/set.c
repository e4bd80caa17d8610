// SPDX-License-Identifier: GPL-2.0-only
/*
 * set.c - the set actions of a sw_flow become SET_* actions of the NIC.
 *
 * openvswitch.ko keeps every set action but that of a tunnel as one attribute
 * with two structs, value and mask (flow_netlink.c checks both), whether it was
 * given with a mask or without.  The table is that of lib/agilio-set.c, for
 * what openvswitch.ko of this version can set.
 */

#include <linux/openvswitch.h>
#include <net/netlink.h>

#include "actions.h"

/* A member of a struct ovs_key_*, and where value and mask go. */
static const struct {
	u16 attr, type, len;		/* Key attribute, action, its size. */
	u16 key_size;
	u16 from, to, mask_to, size;
} fields[] = {
#define FIELD(ATTR, KEY, FROM, TYPE, ACTION, TO)			\
	{ OVS_KEY_ATTR_##ATTR, AGILIO_ACTION_SET_##TYPE,		\
	  sizeof(struct agilio_action_set_##ACTION),			\
	  sizeof(struct ovs_key_##KEY),					\
	  offsetof(struct ovs_key_##KEY, FROM),				\
	  offsetof(struct agilio_action_set_##ACTION, TO),		\
	  offsetof(struct agilio_action_set_##ACTION, TO##_mask),	\
	  sizeof_field(struct ovs_key_##KEY, FROM) +			\
	  BUILD_BUG_ON_ZERO(sizeof_field(struct ovs_key_##KEY, FROM) !=	\
		sizeof_field(struct agilio_action_set_##ACTION, TO)) }
	FIELD(ETHERNET, ethernet, eth_src, ETH, eth, src),
	FIELD(ETHERNET, ethernet, eth_dst, ETH, eth, dst),
	FIELD(MPLS, mpls, mpls_lse, MPLS, mpls, lse),
	FIELD(IPV4, ipv4, ipv4_src, IPV4, ipv4, src),
	FIELD(IPV4, ipv4, ipv4_dst, IPV4, ipv4, dst),
	FIELD(IPV4, ipv4, ipv4_tos, IPV4, ipv4, tos),
	FIELD(IPV4, ipv4, ipv4_ttl, IPV4, ipv4, ttl),
	FIELD(IPV6, ipv6, ipv6_src, IPV6, ipv6, src),
	FIELD(IPV6, ipv6, ipv6_dst, IPV6, ipv6, dst),
	FIELD(IPV6, ipv6, ipv6_label, IPV6, ipv6, label),
	FIELD(IPV6, ipv6, ipv6_tclass, IPV6, ipv6, tclass),
	FIELD(IPV6, ipv6, ipv6_hlimit, IPV6, ipv6, hlimit),
	FIELD(TCP, tcp, tcp_src, TCP, ports, src),
	FIELD(TCP, tcp, tcp_dst, TCP, ports, dst),
	FIELD(UDP, udp, udp_src, UDP, ports, src),
	FIELD(UDP, udp, udp_dst, UDP, ports, dst),
	FIELD(SCTP, sctp, sctp_src, SCTP, ports, src),
	FIELD(SCTP, sctp, sctp_dst, SCTP, ports, dst),
#undef FIELD
};

/* Bits that the members in the table do not cover must not be set. */
static bool covers(u16 attr, const u8 *mask, size_t size)
{
	u8 left[sizeof(struct ovs_key_ipv6)];
	size_t i;

	if (size > sizeof(left))
		return false;
	memcpy(left, mask, size);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].attr == attr)
			memset(left + fields[i].from, 0, fields[i].size);
	return !memchr_inv(left, 0, size);
}

static const char *put_members(struct agk_translation *t, u16 attr,
			       const u8 *key, size_t key_size)
{
	union {
		struct agilio_action head;
		struct agilio_action_set_ipv6 largest;
		u8 bytes[sizeof(struct agilio_action_set_ipv6)];
	} a = { .largest = { { 0 } } };
	const u8 *mask = key + key_size;
	size_t i, j, len = 0;
	u16 type = 0;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].attr != attr || fields[i].key_size != key_size)
			continue;
		type = fields[i].type;
		len = fields[i].len;
		for (j = 0; j < fields[i].size; j++) {
			u8 bits = mask[fields[i].from + j];

			a.bytes[fields[i].to + j] =
				key[fields[i].from + j] & bits;
			a.bytes[fields[i].mask_to + j] = bits;
		}
	}
	if (!len)
		return "action: set unknown";
	if (!covers(attr, mask, key_size))
		return "action: set of a part";
	agk_put_action(t, type, &a, len);
	if (attr != OVS_KEY_ATTR_ETHERNET && attr != OVS_KEY_ATTR_MPLS)
		t->hashed = false;	/* Addresses or ports, perhaps. */
	return NULL;
}

static const char *put_meta(struct agk_translation *t, u16 attr,
			    const u32 *value)
{
	struct agilio_action_set_meta set = { { 0 } };
	agilio_le32 mask = agilio_to_le32(value[1]);

	if (attr == OVS_KEY_ATTR_PRIORITY) {
		set.priority = agilio_to_le32(value[0] & value[1]);
		set.priority_mask = mask;
	} else {
		set.mark = agilio_to_le32(value[0] & value[1]);
		set.mark_mask = mask;
	}
	agk_put_action(t, AGILIO_ACTION_SET_META, &set, sizeof(set));
	return NULL;
}

const char *agk_translate_set(struct agk_translation *t,
			      const struct nlattr *a)
{
	const struct nlattr *nested = nla_data(a);
	u16 attr = nla_type(nested);

	switch (attr) {
	case OVS_KEY_ATTR_PRIORITY:
	case OVS_KEY_ATTR_SKB_MARK:
		return put_meta(t, attr, nla_data(nested));
	default:
		return put_members(t, attr, nla_data(nested),
				   nla_len(nested) / 2);
	}
}
