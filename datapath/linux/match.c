// SPDX-License-Identifier: GPL-2.0-only
/*
 * match.c - the key and mask of a sw_flow become the NIC's.
 *
 * Called with ovs_mutex for every flow whose in_port is on a NIC.  Each bit of
 * the mask ends in one of three places, as in lib/agilio-match.c:
 *
 *   - the NIC's parser sees the field: it goes into key and mask;
 *   - the field is 0 in every packet on the NIC (conntrack, ...): to want 0 is
 *     to want nothing, and anything else is a reason not to be on the NIC;
 *   - the rest is a reason.  So a field that is new in struct sw_flow_key
 *     cannot get lost.
 *
 * openvswitch.ko's key differs from OVS's struct flow, which the NIC's follows,
 * in these: fragments are an enumeration and not flags; the type of an 802.3
 * frame is 0x0004 and not 0x05ff; what follows the Ethernet type is a union.
 */

#include <linux/if_ether.h>
#include <linux/mpls.h>
#include <net/ip_tunnels.h>

#include "agk.h"
#include "flow.h"

/* Of struct flow: FLOW_NW_FRAG_*, FLOW_DL_TYPE_NONE. */
#define NW_FRAG_ANY 1
#define NW_FRAG_LATER 2
#define DL_TYPE_NONE 0x05ff

struct copy {
	u16 from, to, size;
};

#define COPY(FROM, TO)						\
	{ offsetof(struct sw_flow_key, FROM),			\
	  offsetof(struct agilio_key, TO),			\
	  sizeof_field(struct sw_flow_key, FROM) +		\
	  BUILD_BUG_ON_ZERO(sizeof_field(struct sw_flow_key, FROM) !=	\
			    sizeof_field(struct agilio_key, TO)) }

/* In network order on both sides. */
static const struct copy of_all[] = {
	COPY(eth.src, eth_src),
	COPY(eth.dst, eth_dst),
	COPY(eth.vlan.tpid, vlan[0].tpid),
	COPY(eth.vlan.tci, vlan[0].tci),
	COPY(eth.cvlan.tpid, vlan[1].tpid),
	COPY(eth.cvlan.tci, vlan[1].tci),
	COPY(eth.type, eth_type),
	COPY(ip.proto, nw_proto),
	COPY(ip.tos, nw_tos),
	COPY(ip.ttl, nw_ttl),
	COPY(tp.src, tp_src),
	COPY(tp.dst, tp_dst),
	COPY(tp.flags, tcp_flags),
};

static const struct copy of_ipv4[] = {
	COPY(ipv4.addr.src, nw_src),
	COPY(ipv4.addr.dst, nw_dst),
};

static const struct copy of_arp[] = {
	COPY(ipv4.addr.src, nw_src),
	COPY(ipv4.addr.dst, nw_dst),
	COPY(ipv4.arp.sha, arp_sha),
	COPY(ipv4.arp.tha, arp_tha),
};

static const struct copy of_mpls[] = {
	COPY(mpls.lse, mpls_lse),
};

static const struct copy of_ipv6[] = {
	COPY(ipv6.addr.src, ipv6_src),
	COPY(ipv6.addr.dst, ipv6_dst),
	COPY(ipv6.label, ipv6_label),
};

static const struct copy of_nd[] = {
	COPY(ipv6.nd.target, nd_target),
	COPY(ipv6.nd.sll, arp_sha),
	COPY(ipv6.nd.tll, arp_tha),
};

/* In the host's order there, little-endian here. */
static const struct copy numbers[] = {
	COPY(recirc_id, md.recirc_id),
	COPY(ovs_flow_hash, md.dp_hash),
	COPY(phy.priority, md.skb_priority),
	COPY(phy.skb_mark, md.pkt_mark),
};

/* Of a tunnel; the addresses are a union as well. */
static const struct copy of_tunnel[] = {
	COPY(tun_key.tun_id, md.tunnel.id),
	COPY(tun_key.tos, md.tunnel.tos),
	COPY(tun_key.ttl, md.tunnel.ttl),
	COPY(tun_key.tp_src, md.tunnel.tp_src),
	COPY(tun_key.tp_dst, md.tunnel.tp_dst),
	COPY(tun_opts_len, md.tunnel.opts_len),
};

static const struct copy of_tunnel_ipv4[] = {
	COPY(tun_key.u.ipv4.src, md.tunnel.ip_src),
	COPY(tun_key.u.ipv4.dst, md.tunnel.ip_dst),
};

static const struct copy of_tunnel_ipv6[] = {
	COPY(tun_key.u.ipv6.src, md.tunnel.ipv6_src),
	COPY(tun_key.u.ipv6.dst, md.tunnel.ipv6_dst),
};

/* 0 in every packet on the NIC. */
static const struct {
	u16 ofs, size;
	const char *reason;
} absent[] = {
#define ABSENT(MEMBER, REASON) \
	{ offsetof(struct sw_flow_key, MEMBER), \
	  sizeof_field(struct sw_flow_key, MEMBER), "match: " REASON }
	ABSENT(ct_state, "ct_state"),
	ABSENT(ct_zone, "ct_zone"),
	ABSENT(ct_orig_proto, "ct_tuple"),
	ABSENT(ct, "ct"),
	ABSENT(tun_key, "tunnel"),
	ABSENT(tun_opts, "tunnel"),
#undef ABSENT
};

struct match {
	const u8 *flow;			/* A struct sw_flow_key. */
	struct sw_flow_key left;	/* Bits of the mask, not yet placed. */
	struct agilio_key *key, *mask;
};

static void carry(struct match *m, const struct copy *c, size_t n)
{
	u8 *left = (u8 *)&m->left;
	size_t i;

	for (; n--; c++) {
		for (i = 0; i < c->size; i++) {
			u8 bits = left[c->from + i];

			((u8 *)m->key)[c->to + i] = m->flow[c->from + i] & bits;
			((u8 *)m->mask)[c->to + i] = bits;
			left[c->from + i] = 0;
		}
	}
}

static void carry_numbers(struct match *m)
{
	size_t i;

	carry(m, numbers, ARRAY_SIZE(numbers));
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		u32 *key = (u32 *)((u8 *)m->key + numbers[i].to);
		u32 *mask = (u32 *)((u8 *)m->mask + numbers[i].to);

		*key = (__force u32)agilio_to_le32(*key);
		*mask = (__force u32)agilio_to_le32(*mask);
	}
}

static const char *carry_frag(struct match *m)
{
	const struct sw_flow_key *key = (const void *)m->flow;
	u8 bits = m->left.ip.frag & (OVS_FRAG_TYPE_FIRST | OVS_FRAG_TYPE_LATER);
	u8 frag = key->ip.frag & bits;

	m->left.ip.frag = 0;
	if (bits & OVS_FRAG_TYPE_FIRST) {
		if (bits == OVS_FRAG_TYPE_FIRST && !frag)
			return "match: frag";	/* None, or a later one. */
		m->mask->nw_frag = NW_FRAG_ANY | NW_FRAG_LATER;
	} else if (bits) {
		m->mask->nw_frag = NW_FRAG_LATER;
	}
	m->key->nw_frag = (frag == OVS_FRAG_TYPE_FIRST ? NW_FRAG_ANY
			   : frag ? NW_FRAG_ANY | NW_FRAG_LATER : 0) &
			  m->mask->nw_frag;
	return NULL;
}

/* Flags of a tunnel's metadata, there and in OVS (FLOW_TNL_F_*). */
static const struct {
	__be16 flag;
	u16 ours;
} tunnel_flags[] = {
	{ TUNNEL_OAM, 1 << 0 },
	{ TUNNEL_DONT_FRAGMENT, 1 << 1 },
	{ TUNNEL_CSUM, 1 << 2 },
	{ TUNNEL_KEY, 1 << 3 },
};

static void carry_tunnel_flags(struct match *m)
{
	const struct sw_flow_key *key = (const void *)m->flow;
	u16 flags = 0, bits = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tunnel_flags); i++) {
		__be16 flag = tunnel_flags[i].flag;

		if (m->left.tun_key.tun_flags & flag) {
			bits |= tunnel_flags[i].ours;
			if (key->tun_key.tun_flags & flag)
				flags |= tunnel_flags[i].ours;
		}
		m->left.tun_key.tun_flags &= ~flag;
	}
	/* It says no more than that there are options. */
	m->left.tun_key.tun_flags &= ~TUNNEL_GENEVE_OPT;
	m->key->md.tunnel.flags = agilio_to_le16(flags);
	m->mask->md.tunnel.flags = agilio_to_le16(bits);
}

static void carry_tunnel(struct match *m)
{
	const struct sw_flow_key *key = (const void *)m->flow;
	struct copy opts = {
		TUN_METADATA_OFFSET(key->tun_opts_len),
		offsetof(struct agilio_key, tun_opts), key->tun_opts_len,
	};

	m->left.tun_proto = 0;
	if (!key->tun_proto)
		return;
	carry_tunnel_flags(m);
	carry(m, of_tunnel, ARRAY_SIZE(of_tunnel));
	if (key->tun_proto == AF_INET)
		carry(m, of_tunnel_ipv4, ARRAY_SIZE(of_tunnel_ipv4));
	else
		carry(m, of_tunnel_ipv6, ARRAY_SIZE(of_tunnel_ipv6));
	if (opts.size <= AGILIO_MAX_TUNNEL_OPTS)
		carry(m, &opts, 1);
}

/* There is another label if the one before does not say that it is the last:
 * so the NIC counts labels.
 */
static void carry_mpls(struct match *m)
{
	const agilio_be32 bottom = (__force agilio_be32)htonl(MPLS_LS_S_MASK);
	const struct sw_flow_key *key = (const void *)m->flow;
	u32 bits = m->left.mpls.num_labels_mask & ~BIT(0);
	int i;

	m->left.mpls.num_labels_mask = 0;
	carry(m, of_mpls, ARRAY_SIZE(of_mpls));
	for (i = 1; i < MPLS_LABEL_DEPTH; i++) {
		if (!(bits & BIT(i)))
			continue;
		if (!(key->mpls.num_labels_mask & BIT(i)) ||
		    m->key->mpls_lse[i - 1] & bottom)
			m->left.mpls.num_labels_mask |= BIT(i);
		m->mask->mpls_lse[i - 1] |= bottom;
	}
}

/* What the Ethernet type makes of the union. */
static void carry_network(struct match *m)
{
	const struct sw_flow_key *key = (const void *)m->flow;

	switch (ntohs(key->eth.type)) {
	case ETH_P_IP:
		carry(m, of_ipv4, ARRAY_SIZE(of_ipv4));
		break;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		carry_mpls(m);
		break;
	case ETH_P_ARP:
	case ETH_P_RARP:
		carry(m, of_arp, ARRAY_SIZE(of_arp));
		break;
	case ETH_P_IPV6:
		carry(m, of_ipv6, ARRAY_SIZE(of_ipv6));
		if (sw_flow_key_is_nd(key))
			carry(m, of_nd, ARRAY_SIZE(of_nd));
		break;
	}
}

/* Whether a packet in which a field is all 0 does not match. */
static const char *explain_rest(struct match *m)
{
	u8 *left = (u8 *)&m->left;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(absent); i++) {
		for (j = absent[i].ofs; j < absent[i].ofs + absent[i].size; j++)
			if (m->flow[j] & left[j])
				return absent[i].reason;
		memset(left + absent[i].ofs, 0, absent[i].size);
	}
	return memchr_inv(left, 0, sizeof(m->left)) ? "match: unknown" : NULL;
}

const char *agk_translate_match(const struct sw_flow *flow, u32 in_port,
				struct agilio_key *key,
				struct agilio_key *mask)
{
	static struct match m;		/* Large; with ovs_mutex. */
	const char *reason;

	m.flow = (const u8 *)&flow->key;
	m.left = flow->mask->key;
	m.key = key;
	m.mask = mask;
	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));

	if (ovs_key_mac_proto(&flow->key) != MAC_PROTO_ETHERNET)
		return "match: no Ethernet";
	m.left.mac_proto = 0;
	mask->md.packet_type = (__force agilio_be32)~0U;
	m.left.phy.in_port = 0;
	key->md.in_port = agilio_to_le32(in_port);
	mask->md.in_port = agilio_to_le32(U32_MAX);

	carry_tunnel(&m);
	carry_numbers(&m);
	carry_network(&m);
	reason = carry_frag(&m);
	if (reason)
		return reason;
	carry(&m, of_all, ARRAY_SIZE(of_all));
	if (flow->key.eth.type == htons(ETH_P_802_2))
		key->eth_type = agilio_to_be16(DL_TYPE_NONE) & mask->eth_type;
	return explain_rest(&m);
}
