// SPDX-License-Identifier: GPL-2.0-only
/*
 * tunnel.c - tunnels: VXLAN, Geneve and GRE over IPv4, into and out of.
 *
 * vswitchd makes a tunnel device for each kind and UDP port, which takes the
 * tunnel's metadata from and gives it to each packet; that device is a port of
 * the datapath.  On the NIC, such a port is AGILIO_PORT_HOST | its ifindex.
 *
 * Out of a tunnel: an endpoint is a flow that we make ourselves, for packets
 * that a NIC port receives, to its device's MAC and one of its IP addresses,
 * and to the tunnel's UDP port (or GRE): TUNNEL_POP.  Only if the device is no
 * port of a datapath, so these flows and openvswitch.ko's do not overlap.
 *
 * Into a tunnel: set(tunnel), output becomes TUNNEL_PUSH, with a header for
 * which the kernel is asked for route and neighbour, and OUTPUT.
 *
 * The watch comes by twice a second: endpoints are compared with the kernel's
 * devices and addresses, and flows into tunnels are translated again.  So a
 * route, a neighbour or an address that changes is followed within that time,
 * and asking for a neighbour keeps it alive.
 *
 * Not on the NIC: IPv6 underlay, packets that may be fragmented, and what
 * OVS's userspace has no header for.
 */

#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <net/geneve.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/neighbour.h>
#include <net/netlink.h>
#include <net/route.h>
#include <net/vxlan.h>

#include "actions.h"
#include "flow.h"

#define MAX_HEADER_LEN (ETH_HLEN + 20 + 8 + 8 + AGILIO_MAX_TUNNEL_OPTS)

/* ## ---------------- ##
 * ## Tunnel devices.  ##
 * ## ---------------- ##
 */

struct kind {
	bool (*is)(const struct net_device *dev);
	enum agilio_tunnel_type type;
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

static const struct kind kinds[] = {
	{ is_vxlan, AGILIO_TUNNEL_VXLAN, IFLA_VXLAN_PORT,
	  IFLA_VXLAN_COLLECT_METADATA, { IFLA_VXLAN_GBP, IFLA_VXLAN_GPE } },
	{ is_geneve, AGILIO_TUNNEL_GENEVE, IFLA_GENEVE_PORT,
	  IFLA_GENEVE_COLLECT_METADATA, },
	{ is_gre, AGILIO_TUNNEL_GRE, 0, IFLA_GRE_COLLECT_METADATA, },
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
	tunnel->port = port ? nla_get_be16(port) : 0;
	return true;
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
		 const struct net_device *dev, const struct agk_tunnel *tunnel)
{
	struct in_device *in = __in_dev_get_rtnl(r->dev);
	const struct in_ifaddr *ifa;

	if (!in || !netif_running(r->dev))
		return;
	in_dev_for_each_ifa_rtnl(ifa, in) {
		struct agk_endpoint *e = &w->list[w->n];

		if (w->n == AGK_MAX_ENDPOINTS)
			return;
		memset(e, 0, sizeof(*e));
		e->in_port = r->port;
		e->tunnel_port = AGILIO_PORT_HOST | dev->ifindex;
		e->tunnel = *tunnel;
		e->local = ifa->ifa_local;
		ether_addr_copy(e->mac, r->dev->dev_addr);
		w->n++;
	}
}

/* With rtnl. */
static void find_wanted(struct agk_nic *nic, struct wanted *w)
{
	struct agk_tunnel tunnel;
	struct net_device *dev;
	u32 i;

	for (i = 0; i < nic->n_ports; i++) {
		struct agk_repr *r = rtnl_dereference(nic->reprs[i]);

		if (!r || netif_is_ovs_port(r->dev))
			continue;
		for_each_netdev(dev_net(r->dev), dev)
			if (netif_is_ovs_port(dev) &&
			    agk_tunnel_of(dev, &tunnel))
				want(w, r, dev, &tunnel);
	}
}

/* The flow of an endpoint. */
static void make_endpoint(const struct agk_endpoint *e,
			  struct agilio_key *key, struct agilio_key *mask,
			  struct agilio_action_tunnel_pop *pop)
{
	bool gre = e->tunnel.type == AGILIO_TUNNEL_GRE;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	key->md.in_port = agilio_to_le32(e->in_port);
	mask->md.in_port = agilio_to_le32(U32_MAX);
	mask->md.packet_type = (__force agilio_be32)~0U;
	mask->md.recirc_id = agilio_to_le32(U32_MAX);
	ether_addr_copy(key->eth_dst, e->mac);
	eth_broadcast_addr(mask->eth_dst);
	key->eth_type = agilio_to_be16(ETH_P_IP);
	mask->eth_type = agilio_to_be16(U16_MAX);
	mask->vlan[0].tci = agilio_to_be16(U16_MAX);
	key->nw_dst = (__force agilio_be32)e->local;
	mask->nw_dst = (__force agilio_be32)~0U;
	key->nw_proto = gre ? IPPROTO_GRE : IPPROTO_UDP;
	mask->nw_proto = U8_MAX;
	mask->nw_frag = 3;
	if (!gre) {
		key->tp_dst = (__force agilio_be16)e->tunnel.port;
		mask->tp_dst = agilio_to_be16(U16_MAX);
	}
	memset(pop, 0, sizeof(*pop));
	pop->action.type = agilio_to_le16(AGILIO_ACTION_TUNNEL_POP);
	pop->action.len = agilio_to_le16(sizeof(*pop));
	pop->type = agilio_to_le32(e->tunnel.type);
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
	int id = agk_flow_id(nic);

	if (id < 0 || nic->n_endpoints == AGK_MAX_ENDPOINTS)
		return;
	make_endpoint(e, &scratch.key, &scratch.mask, &pop);
	memcpy(scratch.program, &pop, sizeof(pop));
	if (!agk_make_flow_put(&scratch, id, sizeof(pop)) ||
	    agk_ctl_call(nic, AGILIO_MSG_FLOW_PUT, scratch.body,
			 scratch.len)) {
		ida_free(&nic->ids, id);
		return;
	}
	nic->endpoints[nic->n_endpoints] = *e;
	nic->endpoints[nic->n_endpoints++].id = id;
}

static void del(struct agk_nic *nic, u32 i)
{
	agilio_le32 id = agilio_to_le32(nic->endpoints[i].id);

	agk_ctl_call(nic, AGILIO_MSG_FLOW_DEL, &id, sizeof(id));
	ida_free(&nic->ids, nic->endpoints[i].id);
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

/* ## ---------------------- ##
 * ## The header to push.    ##
 * ## ---------------------- ##
 */

struct header {
	u8 bytes[MAX_HEADER_LEN] __aligned(4);
	u16 len;
};

static void *extend(struct header *h, size_t n)
{
	void *p = h->bytes + h->len;

	h->len += n;
	return memset(p, 0, n);
}

/* Asks for route and neighbour.  Sets the representor that leads there. */
static const char *put_eth(struct agk_translation *t, struct net *net,
			   struct flowi4 *fl4, struct header *h,
			   struct agk_repr **out)
{
	struct rtable *rt = ip_route_output_key(net, fl4);
	struct ethhdr *eth = extend(h, sizeof(*eth));
	const char *why = "tunnel: no neighbour";
	struct neighbour *neigh;
	struct agk_repr *r;

	if (IS_ERR(rt))
		return "tunnel: no route";
	r = agk_repr_of(rt->dst.dev);
	if (!r || r->nic != t->nic || netif_is_ovs_port(r->dev)) {
		ip_rt_put(rt);
		return "tunnel: not by the NIC";
	}
	neigh = dst_neigh_lookup(&rt->dst, &fl4->daddr);
	if (neigh) {
		/* Resolves it, or keeps it alive. */
		neigh_event_send(neigh, NULL);
		if (READ_ONCE(neigh->nud_state) & NUD_VALID) {
			neigh_ha_snapshot(eth->h_dest, neigh, r->dev);
			why = NULL;
		}
		neigh_release(neigh);
	}
	ether_addr_copy(eth->h_source, r->dev->dev_addr);
	eth->h_proto = htons(ETH_P_IP);
	ip_rt_put(rt);
	*out = r;
	return why;
}

static void put_ip(const struct ip_tunnel_key *key, const struct flowi4 *fl4,
		   struct header *h)
{
	struct iphdr *ip = extend(h, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = key->tos;
	ip->ttl = key->ttl;
	ip->protocol = fl4->flowi4_proto;
	ip->frag_off = htons(IP_DF);
	ip->saddr = fl4->saddr;
	ip->daddr = fl4->daddr;
	/* The NIC adds the length. */
	ip->check = ip_fast_csum(ip, ip->ihl);
}

static void put_udp(const struct ip_tunnel_key *key,
		    const struct agk_tunnel *tunnel, struct header *h)
{
	struct udphdr *udp = extend(h, sizeof(*udp));

	udp->dest = key->tp_dst ? key->tp_dst : tunnel->port;
	/* Asks the NIC for one. */
	udp->check = key->tun_flags & TUNNEL_CSUM ? CSUM_MANGLED_0 : 0;
}

static const char *put_tunnel(const struct ip_tunnel_info *info,
			      const struct agk_tunnel *tunnel,
			      struct header *h)
{
	const struct ip_tunnel_key *key = &info->key;
	__be32 vni = cpu_to_be32(be64_to_cpu(key->tun_id) << 8);
	struct genevehdr *geneve;
	struct vxlanhdr *vxlan;

	switch (tunnel->type) {
	case AGILIO_TUNNEL_VXLAN:
		if (info->options_len)
			return "tunnel: options";
		put_udp(key, tunnel, h);
		vxlan = extend(h, sizeof(*vxlan));
		vxlan->vx_flags = VXLAN_HF_VNI;
		vxlan->vx_vni = vni;
		return NULL;
	case AGILIO_TUNNEL_GENEVE:
		if (info->options_len > AGILIO_MAX_TUNNEL_OPTS)
			return "tunnel: options";
		put_udp(key, tunnel, h);
		geneve = extend(h, sizeof(*geneve));
		geneve->opt_len = info->options_len / 4;
		geneve->oam = !!(key->tun_flags & TUNNEL_OAM);
		geneve->critical = !!(key->tun_flags & TUNNEL_CRIT_OPT);
		geneve->proto_type = htons(ETH_P_TEB);
		memcpy(geneve->vni, &vni, sizeof(geneve->vni));
		ip_tunnel_info_opts_get(extend(h, info->options_len), info);
		return NULL;
	case AGILIO_TUNNEL_GRE: {
		bool csum = key->tun_flags & TUNNEL_CSUM;
		bool id = key->tun_flags & TUNNEL_KEY;
		__be16 *gre = extend(h, 4 + 4 * csum + 4 * id);
		__be32 k = cpu_to_be32(be64_to_cpu(key->tun_id));

		gre[0] = (csum ? GRE_CSUM : 0) | (id ? GRE_KEY : 0);
		gre[1] = htons(ETH_P_TEB);
		if (id)
			memcpy(&gre[csum ? 4 : 2], &k, sizeof(k));
		return NULL;
	}
	default:
		return "tunnel: not known";
	}
}

static const char *make_header(struct agk_translation *t, struct net *net,
			       const struct ip_tunnel_info *info,
			       const struct agk_tunnel *tunnel,
			       struct header *h, struct agk_repr **out)
{
	const struct ip_tunnel_key *key = &info->key;
	struct flowi4 fl4 = {
		.daddr = key->u.ipv4.dst,
		.saddr = key->u.ipv4.src,
		.flowi4_tos = RT_TOS(key->tos),
		.flowi4_proto = tunnel->type == AGILIO_TUNNEL_GRE ?
				IPPROTO_GRE : IPPROTO_UDP,
	};
	const char *why;

	if (ip_tunnel_info_af(info) != AF_INET)
		return "tunnel: IPv6";
	if (!(key->tun_flags & TUNNEL_DONT_FRAGMENT))
		return "tunnel: fragments";
	if (!key->ttl || key->tp_src || key->tun_flags & TUNNEL_SEQ)
		return "tunnel: not known";
	why = put_eth(t, net, &fl4, h, out);
	if (why)
		return why;
	put_ip(key, &fl4, h);
	return put_tunnel(info, tunnel, h);
}

const char *agk_translate_push(struct agk_translation *t,
			       const struct net_device *dev)
{
	struct agilio_action_tunnel_push push = { { 0 } };
	struct agilio_action_output output = { { 0 } };
	struct header h = { .len = 0 };
	struct agk_tunnel tunnel;
	struct agk_repr *out;
	int min, max;
	const char *why;

	if (!t->tun_info || !agk_tunnel_of(dev, &tunnel))
		return "tunnel: not known";
	t->moves = true;
	why = make_header(t, dev_net(dev), t->tun_info, &tunnel, &h, &out);
	if (why)
		return why;
	inet_get_local_port_range(dev_net(dev), &min, &max);
	push.type = agilio_to_le32(tunnel.type);
	push.port = agilio_to_le32(AGILIO_PORT_HOST | dev->ifindex);
	push.header_len = agilio_to_le16(h.len);
	push.udp_min = agilio_to_le16(min);
	push.udp_max = agilio_to_le16(max);
	agk_put_action_with(t, AGILIO_ACTION_TUNNEL_PUSH, &push, sizeof(push),
			    h.bytes, h.len);
	output.port = agilio_to_le32(out->port);
	agk_put_action(t, AGILIO_ACTION_OUTPUT, &output, sizeof(output));
	return NULL;
}
