// SPDX-License-Identifier: GPL-2.0-only
/*
 * endpoint.c - tunnel devices, and the way out of a tunnel.
 *
 * vswitchd makes a tunnel device for each kind and UDP port, which takes the
 * tunnel's metadata from and gives it to each packet; that device is a port of
 * the datapath.  On the NIC, such a port is AGILIO_PORT_HOST | its ifindex.
 *
 * An endpoint is a flow that we make ourselves, for packets that a NIC port
 * receives, to its device's MAC and one of its IP addresses, and to the
 * tunnel's UDP port (or GRE): TUNNEL_POP.  Only if the device is no port of a
 * datapath, so these flows and openvswitch.ko's do not overlap.
 *
 * Packets whose outer header may change the inner one, by its ECN bits (RFC
 * 6040: ECT(1) and CE), are the kernel's, as is what is for a link-local or a
 * multicast address.
 *
 * The watch compares endpoints with the kernel's devices and addresses when
 * follow.c has heard of a change.  All with rtnl.
 */

#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/geneve.h>
#include <net/gre.h>
#include <net/if_inet6.h>
#include <net/netlink.h>
#include <net/vxlan.h>

#include "agk.h"

/* The bit of ECT(1) and CE, in the outer header. */
#define ECN_CHANGES 1

/* ## ---------------- ##
 * ## Tunnel devices.  ##
 * ## ---------------- ##
 */

struct kind {
	bool (*is)(const struct net_device *dev);
	enum agilio_tunnel_type type;
	bool ipv4, ipv6;		/* Its underlay may be. */
	u16 port, metadata;		/* Attributes of IFLA_INFO_DATA. */
	u16 bad[2];			/* With one of these, not for us. */
};

static bool is_vxlan(const struct net_device *dev)
{
	return netif_is_vxlan(dev);
}

static bool is_geneve(const struct net_device *dev)
{
	return netif_is_geneve(dev);
}

static bool is_gre(const struct net_device *dev)
{
	return netif_is_gretap(dev);
}

static bool is_gre6(const struct net_device *dev)
{
	return netif_is_ip6gretap(dev);
}

static const struct kind kinds[] = {
	{ is_vxlan, AGILIO_TUNNEL_VXLAN, true, true, IFLA_VXLAN_PORT,
	  IFLA_VXLAN_COLLECT_METADATA, { IFLA_VXLAN_GBP, IFLA_VXLAN_GPE } },
	{ is_geneve, AGILIO_TUNNEL_GENEVE, true, true, IFLA_GENEVE_PORT,
	  IFLA_GENEVE_COLLECT_METADATA, },
	{ is_gre, AGILIO_TUNNEL_GRE, true, false, 0,
	  IFLA_GRE_COLLECT_METADATA, },
	{ is_gre6, AGILIO_TUNNEL_GRE, false, true, 0,
	  IFLA_GRE_COLLECT_METADATA, },
};

/* What attribute of a device's link is there; it is in 'info'. */
static const struct nlattr *find(const struct sk_buff *info, u16 type)
{
	return type ? nla_find((const struct nlattr *)info->data, info->len,
			       type) : NULL;
}

static bool look(const struct kind *kind, const struct sk_buff *info,
		 struct agk_tunnel *tunnel)
{
	const struct nlattr *metadata = find(info, kind->metadata);
	const struct nlattr *port = find(info, kind->port);

	/* A flag for some, a number for others. */
	if (!metadata || (nla_len(metadata) && !nla_get_u8(metadata)))
		return false;
	if (find(info, kind->bad[0]) || find(info, kind->bad[1]))
		return false;
	if (kind->port && (!port || nla_len(port) != sizeof(__be16)))
		return false;
	tunnel->type = kind->type;
	tunnel->ipv4 = kind->ipv4;
	tunnel->ipv6 = kind->ipv6;
	tunnel->port = port ? nla_get_be16(port) : 0;
	return true;
}

bool agk_is_tunnel(const struct net_device *dev)
{
	const struct kind *kind;

	for (kind = kinds; kind < kinds + ARRAY_SIZE(kinds); kind++)
		if (kind->is(dev))
			return true;
	return false;
}

bool agk_tunnel_of(const struct net_device *dev, struct agk_tunnel *tunnel)
{
	const struct kind *kind;
	struct sk_buff *info;
	bool ok = false;

	if (!dev)
		return false;
	for (kind = kinds; kind < kinds + ARRAY_SIZE(kinds); kind++) {
		if (!kind->is(dev))
			continue;
		info = alloc_skb(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
		ok = info && !dev->rtnl_link_ops->fill_info(info, dev) &&
		     look(kind, info, tunnel);
		kfree_skb(info);
	}
	return ok;
}

/* ## ---------- ##
 * ## Endpoints. ##
 * ## ---------- ##
 */

struct wanted {
	struct agk_endpoint list[AGK_MAX_ENDPOINTS];
	u32 n;
};

static void want(struct wanted *w, const struct agk_repr *r,
		 const struct net_device *dev, const struct agk_tunnel *tunnel,
		 const struct in6_addr *local)
{
	struct agk_endpoint *e = &w->list[w->n];

	if (w->n == AGK_MAX_ENDPOINTS)
		return;
	memset(e, 0, sizeof(*e));
	e->in_port = r->port;
	e->tunnel_port = AGILIO_PORT_HOST | dev->ifindex;
	e->tunnel_type = tunnel->type;
	e->tunnel_udp = tunnel->port;
	e->local = *local;
	ether_addr_copy(e->mac, r->dev->dev_addr);
	w->n++;
}

static void want_ipv4(struct wanted *w, const struct agk_repr *r,
		      const struct net_device *dev,
		      const struct agk_tunnel *tunnel)
{
	struct in_device *in = __in_dev_get_rtnl(r->dev);
	const struct in_ifaddr *ifa;
	struct in6_addr local;

	if (!in)
		return;
	in_dev_for_each_ifa_rtnl(ifa, in) {
		ipv6_addr_set_v4mapped(ifa->ifa_local, &local);
		want(w, r, dev, tunnel, &local);
	}
}

static void want_ipv6(struct wanted *w, const struct agk_repr *r,
		      const struct net_device *dev,
		      const struct agk_tunnel *tunnel)
{
	struct inet6_dev *in = __in6_dev_get(r->dev);
	const struct inet6_ifaddr *ifa;

	if (!in)
		return;
	read_lock_bh(&in->lock);
	list_for_each_entry(ifa, &in->addr_list, if_list)
		if (!(ipv6_addr_type(&ifa->addr) & IPV6_ADDR_LINKLOCAL))
			want(w, r, dev, tunnel, &ifa->addr);
	read_unlock_bh(&in->lock);
}

/* The endpoints of a device at a port of the NIC. */
static void want_all(struct wanted *w, const struct agk_repr *r,
		     const struct net_device *dev)
{
	struct agk_tunnel tunnel;

	if (!netif_is_ovs_port(dev) || !agk_tunnel_of(dev, &tunnel))
		return;
	if (tunnel.ipv4)
		want_ipv4(w, r, dev, &tunnel);
	if (tunnel.ipv6)
		want_ipv6(w, r, dev, &tunnel);
}

/* With rtnl. */
static void find_wanted(struct agk_nic *nic, struct wanted *w)
{
	struct net_device *dev;
	u32 i;

	for (i = 0; i < nic->n_ports; i++) {
		struct agk_repr *r = rtnl_dereference(nic->reprs[i]);

		if (!r || netif_is_ovs_port(r->dev) || !netif_running(r->dev))
			continue;
		for_each_netdev(dev_net(r->dev), dev)
			want_all(w, r, dev);
	}
}

static void match_local(const struct in6_addr *local, struct agilio_key *key,
			struct agilio_key *mask)
{
	if (ipv6_addr_v4mapped(local)) {
		key->eth_type = agilio_to_be16(ETH_P_IP);
		key->nw_dst = (__force agilio_be32)local->s6_addr32[3];
		mask->nw_dst = (__force agilio_be32)~0U;
	} else {
		key->eth_type = agilio_to_be16(ETH_P_IPV6);
		memcpy(key->ipv6_dst, local, sizeof(*local));
		memset(mask->ipv6_dst, 0xff, sizeof(*local));
	}
}

/* The flow of an endpoint. */
static void make_endpoint(const struct agk_endpoint *e,
			  struct agilio_key *key, struct agilio_key *mask,
			  struct agilio_action_tunnel_pop *pop)
{
	bool gre = e->tunnel_type == AGILIO_TUNNEL_GRE;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	key->md.in_port = agilio_to_le32(e->in_port);
	mask->md.in_port = agilio_to_le32(U32_MAX);
	mask->md.packet_type = (__force agilio_be32)~0U;
	mask->md.recirc_id = agilio_to_le32(U32_MAX);
	ether_addr_copy(key->eth_dst, e->mac);
	eth_broadcast_addr(mask->eth_dst);
	mask->eth_type = agilio_to_be16(U16_MAX);
	mask->vlan[0].tci = agilio_to_be16(U16_MAX);
	match_local(&e->local, key, mask);
	key->nw_proto = gre ? IPPROTO_GRE : IPPROTO_UDP;
	mask->nw_proto = U8_MAX;
	mask->nw_tos = ECN_CHANGES;
	mask->nw_frag = 3;
	if (!gre) {
		key->tp_dst = (__force agilio_be16)e->tunnel_udp;
		mask->tp_dst = agilio_to_be16(U16_MAX);
	}
	memset(pop, 0, sizeof(*pop));
	pop->action.type = agilio_to_le16(AGILIO_ACTION_TUNNEL_POP);
	pop->action.len = agilio_to_le16(sizeof(*pop));
	pop->type = agilio_to_le32(e->tunnel_type);
	pop->port = agilio_to_le32(e->tunnel_port);
}

static bool same(const struct agk_endpoint *a, const struct agk_endpoint *b)
{
	return !memcmp(a, b, offsetof(struct agk_endpoint, id));
}

/* Whether 'e' is among the 'n' of 'list'. */
static bool among(const struct agk_endpoint *e,
		  const struct agk_endpoint *list, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (same(e, &list[i]))
			return true;
	return false;
}

static void add(struct agk_nic *nic, const struct agk_endpoint *e)
{
	static struct agk_scratch scratch;	/* With rtnl. */
	struct agilio_action_tunnel_pop pop;
	int id;

	if (nic->n_endpoints == AGK_MAX_ENDPOINTS)
		return;
	id = agk_flow_id(nic, NULL);
	if (id < 0)
		return;
	make_endpoint(e, &scratch.key, &scratch.mask, &pop);
	memcpy(scratch.program, &pop, sizeof(pop));
	if (!agk_make_flow_put(&scratch, id, sizeof(pop)) ||
	    agk_ctl_call(nic, AGILIO_MSG_FLOW_PUT, scratch.body,
			 scratch.len)) {
		agk_flow_id_free(nic, id);
		return;
	}
	nic->endpoints[nic->n_endpoints] = *e;
	nic->endpoints[nic->n_endpoints++].id = id;
}

static void del(struct agk_nic *nic, u32 i)
{
	agilio_le32 id = agilio_to_le32(nic->endpoints[i].id);

	agk_ctl_call(nic, AGILIO_MSG_FLOW_DEL, &id, sizeof(id));
	agk_flow_id_free(nic, nic->endpoints[i].id);
	nic->endpoints[i] = nic->endpoints[--nic->n_endpoints];
}

void agk_endpoints_update(struct agk_nic *nic)
{
	static struct wanted w;			/* With rtnl. */
	u32 i;

	rtnl_lock();
	w.n = 0;
	if (READ_ONCE(nic->flows_on) && READ_ONCE(nic->open))
		find_wanted(nic, &w);
	for (i = nic->n_endpoints; i--; )
		if (!among(&nic->endpoints[i], w.list, w.n))
			del(nic, i);
	for (i = 0; i < w.n; i++)
		if (!among(&w.list[i], nic->endpoints, nic->n_endpoints))
			add(nic, &w.list[i]);
	rtnl_unlock();
}
