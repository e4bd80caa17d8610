// SPDX-License-Identifier: GPL-2.0-only
/*
 * rx.c - packets from the NIC: to the representor, or to be resumed.
 *
 * NAPI polls the to_host rings of all representors; one doorbell is for all.
 *
 * A record is copied out before it is looked at; every length is checked
 * against the record's, which agilio_ring_peek() has checked against the ring.
 * What is wrong is dropped and counted.  A fresh packet is received by its
 * representor; one that the NIC has already recirculated goes into
 * openvswitch.ko at the point that it has got to.
 */

#include <linux/etherdevice.h>
#include <net/ip_tunnels.h>

#include "agk.h"
#include "offload.h"

/* A record, as far as it has been looked at. */
struct record {
	u32 frame_ofs, frame_len;
	bool resumed;
	bool detoured;			/* Is also resumed. */
	u32 hash;			/* 0: none. */
	u32 cut;
	struct agilio_metadata md;
	u8 opts[AGILIO_MAX_TUNNEL_OPTS];	/* md.tunnel.opts_len of them. */
	size_t detour_opts;		/* Bytes of detour.opts. */
	struct agk_detour detour;	/* If the packet is to go there. */
};

/* struct ip_tunnel_info has its options behind it. */
struct tunnel_info {
	struct ip_tunnel_info info;
	u8 opts[AGILIO_MAX_TUNNEL_OPTS];
};

/* Reads what we had COPY_TO_HOST bring back, 'n' bytes at 'ofs'. */
static bool read_detour(struct agk_repr *r, u32 ofs, u32 n, struct record *rec)
{
	const u32 min = offsetof(struct agk_detour, opts);

	if (n < min || n > sizeof(rec->detour) || n % 4)
		return false;
	agilio_ring_read(&r->to_host, ofs, &rec->detour, n);
	rec->detour_opts = n - min;
	return rec->detour.attr.nla_type == AGK_DETOUR &&
	       rec->detour.attr.nla_len == n;
}

/* Reads 'meta_len' bytes of metadata, and says if they make sense. */
static bool read_meta(struct agk_repr *r, u32 meta_len, struct record *rec)
{
	const u32 ofs = sizeof(struct agilio_desc);
	u32 in_port, n;

	if (meta_len < sizeof(rec->md))
		return false;
	agilio_ring_read(&r->to_host, ofs, &rec->md, sizeof(rec->md));
	n = rec->md.tunnel.opts_len;
	in_port = agilio_from_le32(rec->md.in_port);
	if (meta_len < sizeof(rec->md) + n || n > sizeof(rec->opts) || n % 4 ||
	    (!rec->detoured && meta_len != sizeof(rec->md) + n) ||
	    rec->md.packet_type ||
	    (in_port != r->port && !(in_port & AGILIO_PORT_HOST)))
		return false;
	agilio_ring_read(&r->to_host, ofs + sizeof(rec->md), rec->opts, n);
	return !rec->detoured || read_detour(r, ofs + sizeof(rec->md) + n,
					     meta_len - sizeof(rec->md) - n,
					     rec);
}

/* Reads descriptor and metadata of a record of 'len' bytes. */
static bool look(struct agk_repr *r, u32 len, struct record *rec)
{
	struct agilio_desc desc;
	u32 meta_len, flags;

	agilio_ring_read(&r->to_host, 0, &desc, sizeof(desc));
	meta_len = agilio_from_le16(desc.meta_len);
	flags = agilio_from_le16(desc.flags);
	rec->frame_ofs = sizeof(desc) + meta_len;
	rec->frame_len = len - rec->frame_ofs;
	rec->resumed = flags & AGILIO_DESC_RESUMED;
	rec->detoured = flags == (AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED);
	rec->cut = agilio_from_le32(desc.cut);
	rec->hash = agilio_from_le32(desc.hash);
	if (agilio_from_le32(desc.port) != r->port) {
		agk_count(r->nic, AGK_COUNTER_rx_stale);
		return false;
	}
	if (rec->frame_ofs + ETH_HLEN > len ||
	    rec->frame_len > AGILIO_MAX_FRAME || rec->cut > rec->frame_len ||
	    (flags & ~(AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED)) ||
	    (!rec->resumed && (meta_len || flags)) ||
	    (rec->resumed && !read_meta(r, meta_len, rec))) {
		agk_count(r->nic, AGK_COUNTER_rx_bad);
		return false;
	}
	return true;
}

static struct sk_buff *read_frame(struct agk_repr *r, const struct record *rec)
{
	struct sk_buff *skb = netdev_alloc_skb_ip_align(r->dev,
							rec->frame_len);

	if (!skb) {
		agk_count(r->nic, AGK_COUNTER_rx_no_memory);
		return NULL;
	}
	agilio_ring_read(&r->to_host, rec->frame_ofs,
			 skb_put(skb, rec->frame_len), rec->frame_len);
	skb->protocol = eth_type_trans(skb, r->dev);
	/* The one that the NIC's HASH starts from (actions.c). */
	if (rec->hash)
		skb_set_hash(skb, rec->hash, PKT_HASH_TYPE_L4);
	return skb;
}

static __be16 tunnel_flags(const struct record *rec)
{
	u16 flags = agilio_from_le16(rec->md.tunnel.flags);

	/* FLOW_TNL_F_*, as in match.c. */
	return (flags & 1 << 0 ? TUNNEL_OAM : 0) |
	       (flags & 1 << 2 ? TUNNEL_CSUM : 0) |
	       (flags & 1 << 3 ? TUNNEL_KEY : 0) |
	       (rec->md.tunnel.opts_len ? TUNNEL_GENEVE_OPT : 0);
}

/* The tunnel that a packet came out of; NULL if there was none. */
static struct ip_tunnel_info *tunnel_info(const struct record *rec,
					  struct tunnel_info *t)
{
	const struct agilio_tunnel *from = &rec->md.tunnel;
	struct ip_tunnel_key *key = &t->info.key;

	if (!(agilio_from_le32(rec->md.in_port) & AGILIO_PORT_HOST))
		return NULL;
	memset(&t->info, 0, sizeof(t->info));
	key->tun_id = (__force __be64)from->id;
	if (from->ip_dst) {
		key->u.ipv4.src = (__force __be32)from->ip_src;
		key->u.ipv4.dst = (__force __be32)from->ip_dst;
	} else {
		memcpy(&key->u.ipv6.src, from->ipv6_src, 16);
		memcpy(&key->u.ipv6.dst, from->ipv6_dst, 16);
		t->info.mode = IP_TUNNEL_INFO_IPV6;
	}
	key->tun_flags = tunnel_flags(rec);
	key->tos = from->tos;
	key->ttl = from->ttl;
	key->tp_src = (__force __be16)from->tp_src;
	key->tp_dst = (__force __be16)from->tp_dst;
	t->info.options_len = from->opts_len;
	memcpy(ip_tunnel_info_opts(&t->info), rec->opts, from->opts_len);
	return &t->info;
}

/* The device that the packet is now from. */
static struct net_device *in_dev(struct agk_repr *r, const struct record *rec)
{
	u32 in_port = agilio_from_le32(rec->md.in_port);

	return in_port & AGILIO_PORT_HOST ?
	       dev_get_by_index_rcu(dev_net(r->dev),
				    in_port & ~AGILIO_PORT_HOST) : r->dev;
}

/* Into the tunnel that it was too long for, as far as the NIC knows. */
static void detour(struct agk_repr *r, const struct record *rec,
		   struct sk_buff *skb)
{
	skb->dev = r->dev;
	skb_trim(skb, skb->len - min(rec->cut, skb->len));
	if (agk_tunnel_send(skb, &rec->detour, rec->detour_opts))
		agk_count(r->nic, AGK_COUNTER_rx_no_tunnel);
}

static void resume(struct agk_repr *r, const struct record *rec,
		   struct sk_buff *skb)
{
	struct tunnel_info tunnel;
	const struct ovs_offload_resume how = {
		.recirc_id = agilio_from_le32(rec->md.recirc_id),
		.dp_hash = agilio_from_le32(rec->md.dp_hash),
		.cutlen = rec->cut ? rec->frame_len - rec->cut : U32_MAX,
		.tun_info = tunnel_info(rec, &tunnel),
	};

	skb->dev = in_dev(r, rec);
	skb->mark = agilio_from_le32(rec->md.pkt_mark);
	skb->priority = agilio_from_le32(rec->md.skb_priority);
	if (rec->detoured) {
		detour(r, rec, skb);
	} else if (!skb->dev) {
		kfree_skb(skb);
		agk_count(r->nic, AGK_COUNTER_rx_no_port);
	} else if (ovs_offload_receive(skb, &how)) {
		agk_count(r->nic, AGK_COUNTER_rx_no_port);
	}
}

static int receive(struct agk_repr *r, int budget)
{
	struct agilio_ring_end *ring = &r->to_host;
	int n;

	agilio_ring_awake(ring);
	for (n = 0; n < budget; n++) {
		u32 len = agilio_ring_peek(ring, sizeof(struct agilio_desc),
					   AGILIO_MAX_RECORD);
		struct sk_buff *skb;
		struct record rec;

		if (!len)
			break;
		skb = look(r, len, &rec) ? read_frame(r, &rec) : NULL;
		agilio_ring_consume(ring, agilio_ring_granules(len));
		if (skb && rec.resumed)
			resume(r, &rec, skb);
		else if (skb)
			netif_receive_skb(skb);
	}
	return n;
}

/* All rings are empty: asks for the doorbell, unless one is not any more. */
static bool rest(struct agk_nic *nic)
{
	bool resting = true;
	int i;

	for (i = 0; i < AGILIO_MAX_PORTS; i++) {
		struct agk_repr *r = rcu_dereference(nic->reprs[i]);

		if (r && !agilio_ring_sleep(&r->to_host)) {
			if (r->to_host.broken)
				agk_nic_fail(nic, "a packet ring makes no sense",
					     true);
			else
				resting = false;
		}
	}
	return resting;
}

int agk_rx_poll(struct napi_struct *napi, int budget)
{
	struct agk_nic *nic = container_of(napi, struct agk_nic, napi);
	int i, done = 0;

	rcu_read_lock();
	for (i = 0; i < AGILIO_MAX_PORTS; i++) {
		struct agk_repr *r = rcu_dereference(nic->reprs[i]);

		if (r)
			done += receive(r, budget - done);
	}
	if (done < budget && napi_complete_done(napi, done) && !rest(nic))
		napi_schedule(napi);
	rcu_read_unlock();
	return done;
}
