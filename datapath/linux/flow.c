// SPDX-License-Identifier: GPL-2.0-only
/*
 * flow.c - the flows of openvswitch.ko on the NIC.
 *
 * openvswitch.ko is the master: it tells of every flow, and again of all when
 * something has changed that they depend on.  put() translates the flow anew;
 * if that is what the NIC has, nothing happens.  So a port that comes or goes,
 * a NIC that comes, a neighbour that moves are all the same: put it again.
 *
 * A flow whose in_port is on no NIC is none of ours.  One that the NIC cannot
 * do, or that is the host's, is on the NIC too, as "give these to the host", so
 * that the packets are counted by kind.  One that the NIC refuses, or whose
 * packets it could not tell, is not there: its packets miss, and come too.
 *
 * A struct agk_flow is sw_flow.offload: made and freed with ovs_mutex; its
 * counters are read with the sw_flow's stats lock (see offload.h).
 */

#include <linux/slab.h>

#include "agk.h"
#include "flow.h"
#include "offload.h"

struct agk_flow {
	struct agk_nic *nic;
	u32 id;
	bool there;			/* On the NIC. */
	u64 packets, bytes;		/* Handed on already. */
	void *body;			/* As last put: of FLOW_PUT. */
	size_t len;
};

/* Where a flow is translated; with ovs_mutex. */
static struct {
	struct agilio_key key, mask;
	u8 program[AGILIO_MAX_PROGRAM] __aligned(8);
	u8 body[AGILIO_MAX_MSG];
	size_t len;
} scratch;

/* ## -------- ##
 * ## Counting ##
 * ## -------- ##
 */

/* When the NIC's clock showed 'used', in jiffies. */
static unsigned long to_jiffies(const struct agk_nic *nic, u64 used)
{
	u64 clock = agilio_from_le64(agilio_load_relaxed(&nic->region->clock));
	unsigned long then = jiffies;

	if (clock > used)
		then -= nsecs_to_jiffies(clock - used);
	return then ? then : 1;
}

static void flow_counts(void *offload, struct ovs_offload_counts *c)
{
	struct agk_flow *f = offload;
	u64 packets = 0, bytes = 0, used = 0;
	u32 i;

	for (i = 0; i < f->nic->n_workers; i++) {
		struct agilio_flow_stats *s =
			&f->nic->flows[(size_t)i * f->nic->max_flows + f->id];

		packets += agilio_from_le64(agilio_load_relaxed(&s->packets));
		bytes += agilio_from_le64(agilio_load_relaxed(&s->bytes));
		used = max(used, agilio_from_le64(
				   agilio_load_relaxed(&s->used)));
		c->tcp_flags |= htons(agilio_from_le16(
				      agilio_load_relaxed(&s->tcp_flags)));
	}
	c->packets += packets - f->packets;
	c->bytes += bytes - f->bytes;
	f->packets = packets;
	f->bytes = bytes;
	if (used)
		c->used = to_jiffies(f->nic, used);
}

/* ## ----------- ##
 * ## Translating ##
 * ## ----------- ##
 */

/* Writes the words of 'from' that 'map' names. */
static void put_words(struct agilio_writer *w, const void *from, u64 map)
{
	const u64 *words = from;
	int i;

	for (i = 0; i < AGILIO_KEY_WORDS; i++)
		if (map & 1ULL << i)
			agilio_put_bytes(w, &words[i], sizeof(words[i]));
}

/* Makes the body of FLOW_PUT of scratch's key, mask and 'len' bytes of
 * program.  False if that is too large.
 */
static bool make_body(u32 id, size_t len)
{
	const u64 *mask = (const u64 *)&scratch.mask;
	struct agilio_flow_put put = {
		.id = agilio_to_le32(id),
		.program_len = agilio_to_le16(len),
	};
	struct agilio_writer w = {
		scratch.body,
		scratch.body + AGILIO_MAX_MSG - sizeof(struct agilio_msg),
		false
	};
	u64 map = 0;
	int i;

	for (i = 0; i < AGILIO_KEY_WORDS; i++)
		if (mask[i])
			map |= 1ULL << i;
	put.n_words = agilio_to_le16(hweight64(map));
	put.map = agilio_to_le64(map);
	agilio_put_bytes(&w, &put, sizeof(put));
	put_words(&w, &scratch.key, map);
	put_words(&w, &scratch.mask, map);
	agilio_put_bytes(&w, scratch.program, len);
	scratch.len = w.p - scratch.body;
	return !w.bad;
}

/* A program that leaves the packets to the host. */
static size_t make_to_host(enum agilio_fallback reason)
{
	const struct agilio_action_to_host a = {
		.action.type = agilio_to_le16(AGILIO_ACTION_TO_HOST),
		.action.len = agilio_to_le16(sizeof(a)),
		.reason = agilio_to_le32(reason),
	};

	memcpy(scratch.program, &a, sizeof(a));
	return sizeof(a);
}

/* Into scratch, as flow 'id'.  False if it cannot be on the NIC at all. */
static bool translate(const struct datapath *dp, const struct sw_flow *flow,
		      struct agk_repr *in, u32 id)
{
	const struct sw_flow_actions *acts =
		rcu_dereference_raw(flow->sf_acts);
	struct agk_nic *nic = in->nic;
	const char *reason;
	size_t len;

	reason = agk_translate_match(flow, in->port, &scratch.key,
				     &scratch.mask);
	if (reason) {
		agk_count(nic, AGK_COUNTER_flows_unable);
		return false;
	}
	switch (agk_translate_actions(nic, dp, acts, scratch.program, &len,
				      &reason)) {
	case AGK_ON_NIC:
		agk_count(nic, AGK_COUNTER_flows_on_nic);
		break;
	case AGK_FOR_HOST:
		agk_count(nic, AGK_COUNTER_flows_for_host);
		len = make_to_host(AGILIO_FALLBACK_HOST);
		break;
	case AGK_UNABLE:
		agk_count(nic, AGK_COUNTER_flows_unable);
		len = make_to_host(AGILIO_FALLBACK_UNABLE);
		break;
	}
	return make_body(id, len);
}

/* ## ---------- ##
 * ## The flows. ##
 * ## ---------- ##
 */

static void flow_stop(void *offload)
{
	struct agk_flow *f = offload;
	agilio_le32 id = agilio_to_le32(f->id);

	/* A NIC that is gone counts no more, either. */
	if (f->there)
		agk_ctl_call(f->nic, AGILIO_MSG_FLOW_DEL, &id, sizeof(id));
	f->there = false;
}

static void flow_free(void *offload)
{
	struct agk_flow *f = offload;

	ida_free(&f->nic->ids, f->id);
	kfree(f->body);
	kfree(f);
}

static struct agk_flow *flow_alloc(struct agk_nic *nic)
{
	struct agk_flow *f = kzalloc(sizeof(*f), GFP_KERNEL);
	int id;

	if (!f || !nic->max_flows)
		goto error;
	id = ida_alloc_max(&nic->ids, nic->max_flows - 1, GFP_KERNEL);
	if (id < 0)
		goto error;
	f->nic = nic;
	f->id = id;
	return f;
error:
	agk_count(nic, AGK_COUNTER_flows_refused);
	kfree(f);
	return NULL;
}

/* Puts what is in scratch, in the place of what is there.  False if the flow
 * is not on the NIC as it should be.
 */
static bool send(struct agk_flow *f)
{
	void *body;
	int err;

	if (f->there && f->len == scratch.len &&
	    !memcmp(f->body, scratch.body, f->len))
		return true;
	body = kmemdup(scratch.body, scratch.len, GFP_KERNEL);
	if (!body)
		return false;
	err = agk_ctl_call(f->nic, AGILIO_MSG_FLOW_PUT, body, scratch.len);
	if (err) {
		agk_count(f->nic, AGK_COUNTER_flows_refused);
		dev_warn_ratelimited(&f->nic->pdev->dev,
				     "a flow was refused: %s (%d)\n",
				     f->nic->ctl.reason, err);
		kfree(body);
		return false;
	}
	kfree(f->body);
	f->body = body;
	f->len = scratch.len;
	f->there = true;
	return true;
}

/* The representor that is the flow's in_port, if its NIC takes flows. */
static struct agk_repr *find_in_port(const struct datapath *dp,
				     const struct sw_flow *flow)
{
	struct agk_repr *r =
		agk_repr_of(ovs_offload_port_dev(dp, flow->key.phy.in_port));

	return r && READ_ONCE(r->nic->flows_on) ? r : NULL;
}

static void flow_put(struct datapath *dp, struct sw_flow *flow)
{
	struct agk_repr *in = find_in_port(dp, flow);
	struct agk_flow *f = flow->offload;

	if (f && (!in || in->nic != f->nic)) {
		ovs_offload_flow_del(flow);
		f = NULL;
	}
	if (!in)
		return;
	if (!f) {
		f = flow_alloc(in->nic);
		if (!f)
			return;
	}
	if (translate(dp, flow, in, f->id) && send(f))
		WRITE_ONCE(flow->offload, f);
	else if (flow->offload)
		ovs_offload_flow_del(flow);
	else
		flow_free(f);
}

static bool is_port(const struct net_device *dev)
{
	return agk_repr_of(dev);
}

static const struct ovs_offload_ops ops = {
	.flow_put = flow_put,
	.flow_stop = flow_stop,
	.flow_counts = flow_counts,
	.flow_free = flow_free,
	.is_port = is_port,
};

int agk_flows_init(void)
{
	return ovs_offload_register(&ops);
}

void agk_flows_exit(void)
{
	ovs_offload_unregister(&ops);
}

void agk_flows_nic_up(struct agk_nic *nic)
{
	WRITE_ONCE(nic->flows_on, true);
	ovs_offload_refresh();
}

void agk_flows_nic_down(struct agk_nic *nic)
{
	if (READ_ONCE(nic->flows_on)) {
		WRITE_ONCE(nic->flows_on, false);
		ovs_offload_refresh();
	}
}
