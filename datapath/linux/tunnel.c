// SPDX-License-Identifier: GPL-2.0-only
/*
 * tunnel.c - the way into a tunnel: VXLAN, Geneve and GRE over IPv4 and IPv6.
 *
 * set(tunnel), output becomes TUNNEL_PUSH, with a header for which the kernel
 * is asked for route and neighbour, and OUTPUT.  When one of those changes,
 * follow.c has the flow translated again; asking for a neighbour that is not
 * known to be alive has the kernel look after it.
 *
 * A packet that is too long for the way comes back to the host, which does
 * what the kernel does with those: it answers to the sender, or fragments
 * (agk_tunnel_send()).
 *
 * Not on the NIC: what IPsec is to see, what OVS's userspace has no header for,
 * and IPv4 packets that routers may fragment, which would need identifiers.
 */

#include <linux/inetdevice.h>
#include <net/dst_metadata.h>
#include <net/geneve.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/ipv6_stubs.h>
#include <net/neighbour.h>
#include <net/route.h>
#include <net/vxlan.h>

#include "actions.h"
#include "flow.h"

#define MAX_HEADER_LEN (ETH_HLEN + 40 + 8 + 8 + AGILIO_MAX_TUNNEL_OPTS)

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

/* How the outer packet goes. */
struct way {
	union {
		struct flowi4 ip4;
		struct flowi6 ip6;
	} fl;
	const void *daddr;		/* In fl. */
	struct dst_entry *dst;
	struct agk_repr *out;		/* Where it leaves the NIC. */
};

static struct dst_entry *route_ipv4(struct net *net,
				    const struct ip_tunnel_key *key, u8 proto,
				    struct way *w)
{
	struct rtable *rt;

	w->fl.ip4 = (struct flowi4) {
		.daddr = key->u.ipv4.dst,
		.saddr = key->u.ipv4.src,
		.flowi4_tos = RT_TOS(key->tos),
		.flowi4_proto = proto,
	};
	w->daddr = &w->fl.ip4.daddr;
	rt = ip_route_output_key(net, &w->fl.ip4);
	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *route_ipv6(struct net *net,
				    const struct ip_tunnel_key *key, u8 proto,
				    struct way *w)
{
	struct dst_entry *dst;

	w->fl.ip6 = (struct flowi6) {
		.daddr = key->u.ipv6.dst,
		.saddr = key->u.ipv6.src,
		.flowlabel = ip6_make_flowinfo(RT_TOS(key->tos), key->label),
		.flowi6_proto = proto,
	};
	w->daddr = &w->fl.ip6.daddr;
	dst = ipv6_stub->ipv6_dst_lookup_flow(net, NULL, &w->fl.ip6, NULL);
	return IS_ERR(dst) ? NULL : dst;
}

/* Puts the Ethernet header.  The kernel is asked to resolve a neighbour, and
 * to see whether it is still there.
 */
static const char *put_eth(const struct way *w, bool ipv6, struct header *h)
{
	struct neighbour *neigh = dst_neigh_lookup(w->dst, w->daddr);
	struct ethhdr *eth = extend(h, sizeof(*eth));
	const char *why = "tunnel: no neighbour";

	if (neigh) {
		neigh_event_send(neigh, NULL);
		if (READ_ONCE(neigh->nud_state) & NUD_VALID) {
			neigh_ha_snapshot(eth->h_dest, neigh, w->out->dev);
			why = NULL;
		}
		neigh_release(neigh);
	}
	ether_addr_copy(eth->h_source, w->out->dev->dev_addr);
	eth->h_proto = htons(ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	return why;
}

static void put_ipv4(const struct ip_tunnel_key *key, const struct flowi4 *fl,
		     struct header *h)
{
	struct iphdr *ip = extend(h, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = key->tos;
	ip->ttl = key->ttl;
	ip->protocol = fl->flowi4_proto;
	ip->frag_off = htons(IP_DF);
	ip->saddr = fl->saddr;
	ip->daddr = fl->daddr;
	/* The NIC adds the length. */
	ip->check = ip_fast_csum(ip, ip->ihl);
}

static void put_ipv6(const struct ip_tunnel_key *key, const struct flowi6 *fl,
		     struct header *h)
{
	struct ipv6hdr *ip = extend(h, sizeof(*ip));

	ip6_flow_hdr(ip, key->tos, key->label);
	ip->nexthdr = fl->flowi6_proto;
	ip->hop_limit = key->ttl;
	ip->saddr = fl->saddr;
	ip->daddr = fl->daddr;
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

/* Puts Ethernet and IP headers of what goes by 'w'. */
static const char *put_way(struct agk_translation *t, const struct way *w,
			   const struct ip_tunnel_info *info, struct header *h)
{
	bool ipv6 = ip_tunnel_info_af(info) == AF_INET6;
	const char *why;

	/* What has a transformation is IPsec's. */
	if (!w->out || w->out->nic != t->nic || netif_is_ovs_port(w->out->dev) ||
	    dst_xfrm(w->dst))
		return "tunnel: not by the NIC";
	why = put_eth(w, ipv6, h);
	if (why)
		return why;
	if (ipv6)
		put_ipv6(&info->key, &w->fl.ip6, h);
	else
		put_ipv4(&info->key, &w->fl.ip4, h);
	return NULL;
}

/* Makes the header; '*mtu' is how long the outer IP packet may be. */
static const char *make_header(struct agk_translation *t, struct net *net,
			       const struct ip_tunnel_info *info,
			       const struct agk_tunnel *tunnel,
			       struct header *h, struct way *w, u32 *mtu)
{
	u8 proto = tunnel->type == AGILIO_TUNNEL_GRE ? IPPROTO_GRE
						     : IPPROTO_UDP;
	bool ipv6 = ip_tunnel_info_af(info) == AF_INET6;
	const struct ip_tunnel_key *key = &info->key;
	const char *why;

	if (ipv6 ? !tunnel->ipv6 : !tunnel->ipv4)
		return "tunnel: not known";
	if (!ipv6 && !(key->tun_flags & TUNNEL_DONT_FRAGMENT))
		return "tunnel: fragments";
	if (!key->ttl || key->tp_src || key->tun_flags & TUNNEL_SEQ)
		return "tunnel: not known";
	w->dst = ipv6 ? route_ipv6(net, key, proto, w)
		      : route_ipv4(net, key, proto, w);
	if (!w->dst)
		return "tunnel: no route";
	w->out = agk_repr_of(w->dst->dev);
	*mtu = dst_mtu(w->dst);
	why = put_way(t, w, info, h);
	dst_release(w->dst);
	return why ? why : put_tunnel(info, tunnel, h);
}

/* Puts COPY_TO_HOST, for agk_tunnel_send(). */
static void put_detour(struct agk_translation *t, const struct net_device *dev,
		       const struct ip_tunnel_info *info)
{
	struct agilio_action_copy_to_host copy = { { 0 } };
	struct agk_detour detour;
	size_t len = offsetof(struct agk_detour, opts) + info->options_len;

	memset(&detour, 0, sizeof(detour));
	detour.attr.nla_len = len;
	detour.attr.nla_type = AGK_DETOUR;
	detour.ifindex = dev->ifindex;
	detour.key = info->key;
	detour.ipv6 = ip_tunnel_info_af(info) == AF_INET6;
	ip_tunnel_info_opts_get(detour.opts, info);
	copy.len = agilio_to_le32(len);
	agk_put_action_with(t, AGILIO_ACTION_COPY_TO_HOST, &copy, sizeof(copy),
			    &detour, len);
}

static void put_push(struct agk_translation *t, const struct net_device *dev,
		     u32 type, const struct header *h,
		     const struct agk_repr *out)
{
	struct agilio_action_tunnel_push push = { { 0 } };
	struct agilio_action_output output = { { 0 } };
	int min, max;

	inet_get_local_port_range(dev_net(dev), &min, &max);
	push.type = agilio_to_le32(type);
	push.port = agilio_to_le32(AGILIO_PORT_HOST | dev->ifindex);
	push.header_len = agilio_to_le16(h->len);
	push.udp_min = agilio_to_le16(min);
	push.udp_max = agilio_to_le16(max);
	agk_put_action_with(t, AGILIO_ACTION_TUNNEL_PUSH, &push, sizeof(push),
			    h->bytes, h->len);
	output.port = agilio_to_le32(out->port);
	agk_put_action(t, AGILIO_ACTION_OUTPUT, &output, sizeof(output));
}

/* Pushes if a packet is not longer than 'limit'; otherwise it is the host's. */
static void put_checked(struct agk_translation *t, const struct net_device *dev,
			u32 type, const struct header *h,
			const struct agk_repr *out, u32 limit)
{
	u8 *start = agk_put_check(t, min_t(u32, limit, U16_MAX));

	put_detour(t, dev, t->tun_info);
	agk_end_greater(t, start);
	put_push(t, dev, type, h, out);
	agk_end_block(t, start);
}

/* Pushes what is first cut to a length that fits. */
static const char *put_cut(struct agk_translation *t,
			   const struct net_device *dev, u32 type,
			   const struct header *h, const struct agk_repr *out,
			   u32 limit)
{
	struct agilio_action_clone clone = { { 0 } };
	u8 *start = t->program.p;
	const char *why;
	u32 max_len;

	agk_put_action(t, AGILIO_ACTION_CLONE, &clone, sizeof(clone));
	why = agk_put_trunc(t, &max_len);
	put_push(t, dev, type, h, out);
	agk_end_block(t, start);
	return !why && max_len > limit ? "tunnel: trunc" : why;
}

const char *agk_translate_push(struct agk_translation *t,
			       const struct net_device *dev)
{
	struct header h = { .len = 0 };
	struct agk_tunnel tunnel;
	const char *why;
	struct way way;
	u32 mtu;

	if (!t->tun_info || !agk_tunnel_of(dev, &tunnel))
		return "tunnel: not known";
	t->moves = true;
	why = make_header(t, dev_net(dev), t->tun_info, &tunnel, &h, &way,
			  &mtu);
	if (why)
		return why;
	if (mtu + ETH_HLEN < h.len)
		return "tunnel: not by the NIC";
	mtu += ETH_HLEN - h.len;	/* Of the inner frame, now. */
	if (t->max_len)
		return put_cut(t, dev, tunnel.type, &h, way.out, mtu);
	put_checked(t, dev, tunnel.type, &h, way.out, mtu);
	return NULL;
}

/* ## ----------------------- ##
 * ## What was too long for it ##
 * ## ----------------------- ##
 */

int agk_tunnel_send(struct sk_buff *skb, const struct agk_detour *detour,
		    size_t opts_len)
{
	struct net_device *dev = dev_get_by_index_rcu(dev_net(skb->dev),
						      detour->ifindex);
	struct metadata_dst *dst;
	int err = -ENODEV;

	/* As openvswitch.ko leaves it: the outer tag beside the packet. */
	skb_reset_network_header(skb);
	if (eth_type_vlan(skb->protocol)) {
		skb = skb_vlan_untag(skb);
		if (!skb)
			return -ENOMEM;
	}
	if (!dev || !netif_is_ovs_port(dev) || !agk_is_tunnel(dev))
		goto drop;
	err = -ENOMEM;
	dst = metadata_dst_alloc(opts_len, METADATA_IP_TUNNEL, GFP_ATOMIC);
	if (!dst)
		goto drop;
	dst->u.tun_info.mode = IP_TUNNEL_INFO_TX |
			       (detour->ipv6 ? IP_TUNNEL_INFO_IPV6 : 0);
	dst->u.tun_info.key = detour->key;
	ip_tunnel_info_opts_set(&dst->u.tun_info, detour->opts, opts_len, 0);
	skb_dst_set(skb, &dst->dst);
	skb_push(skb, ETH_HLEN);
	skb->dev = dev;
	dev_queue_xmit(skb);
	return 0;
drop:
	kfree_skb(skb);
	return err;
}
