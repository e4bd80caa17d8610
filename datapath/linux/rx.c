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

#include "agk.h"
#include "offload.h"

/* A record, as far as it has been looked at. */
struct record {
	u32 frame_ofs, frame_len;
	bool resumed;
	u32 cut;
	struct agilio_metadata md;
};

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
	rec->resumed = flags == AGILIO_DESC_RESUMED;
	rec->cut = agilio_from_le32(desc.cut);
	if (agilio_from_le32(desc.port) != r->port) {
		agk_count(r->nic, AGK_COUNTER_rx_stale);
		return false;
	}
	if (rec->frame_ofs + ETH_HLEN > len ||
	    rec->frame_len > AGILIO_MAX_FRAME || rec->cut > rec->frame_len ||
	    (rec->resumed ? meta_len != sizeof(rec->md) : meta_len || flags)) {
		agk_count(r->nic, AGK_COUNTER_rx_bad);
		return false;
	}
	if (rec->resumed)
		agilio_ring_read(&r->to_host, sizeof(desc), &rec->md,
				 sizeof(rec->md));
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
	return skb;
}

static void resume(struct agk_repr *r, const struct record *rec,
		   struct sk_buff *skb)
{
	const struct ovs_offload_resume how = {
		.recirc_id = agilio_from_le32(rec->md.recirc_id),
		.dp_hash = agilio_from_le32(rec->md.dp_hash),
		.cutlen = rec->cut ? rec->frame_len - rec->cut : U32_MAX,
	};

	skb->mark = agilio_from_le32(rec->md.pkt_mark);
	skb->priority = agilio_from_le32(rec->md.skb_priority);
	if (ovs_offload_receive(skb, &how))
		agk_count(r->nic, AGK_COUNTER_rx_no_port);
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
				agk_nic_fail(nic, "a packet ring makes no sense");
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
