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
 * packets it could not tell, is only noted here: its packets miss, and come
 * too.
 *
 * A struct agk_flow is sw_flow.offload: made and freed with ovs_mutex; its
 * counters are read with the sw_flow's stats lock (see offload.h).
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "agk.h"
#include "flow.h"
#include "offload.h"

struct agk_flow {
	struct agk_nic *nic;
	struct datapath *dp;
	struct sw_flow_id ufid;
	const char *why;		/* It is not carried; or NULL. */
	u32 id;
	bool there;			/* On the NIC. */
	bool moves;			/* To be translated by the poll. */
	u64 packets, bytes;		/* Handed on already. */
	void *body;			/* As last put: of FLOW_PUT. */
	size_t len;
};

static struct agk_scratch scratch;	/* With ovs_mutex. */

static const char refused[] = "refused by the NIC";

/* The NIC that carries tunnels.  If there are several, the others give what
 * comes out of one to the host.
 */
static struct agk_nic *tunnel_nic;

static struct dentry *debugfs;		/* The driver's folder. */

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

	if (!f->body)
		return;			/* It was never there. */
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
	c->dp = f->dp;
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

bool agk_make_flow_put(struct agk_scratch *sc, u32 id, size_t len)
{
	const u64 *mask = (const u64 *)&sc->mask;
	struct agilio_flow_put put = {
		.id = agilio_to_le32(id),
		.program_len = agilio_to_le16(len),
	};
	struct agilio_writer w = {
		sc->body, sc->body + AGILIO_MAX_MSG - sizeof(struct agilio_msg),
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
	put_words(&w, &sc->key, map);
	put_words(&w, &sc->mask, map);
	agilio_put_bytes(&w, sc->program, len);
	sc->len = w.p - sc->body;
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

/* Into scratch.  '*why' it is not for the NIC to carry, or NULL.  False if it
 * cannot be on the NIC at all.
 */
static bool translate(const struct datapath *dp, const struct sw_flow *flow,
		      u32 in_port, struct agk_flow *f, const char **why)
{
	struct agk_nic *nic = f->nic;
	size_t len;

	*why = agk_translate_match(flow, in_port, &scratch.key, &scratch.mask);
	if (*why) {
		agk_count(nic, AGK_COUNTER_flows_unable);
		return false;
	}
	switch (agk_translate_actions(nic, dp, flow, scratch.program, &len,
				      why, &f->moves)) {
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
	if (agk_make_flow_put(&scratch, f->id, len))
		return true;
	*why = "size: flow";
	return false;
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

	agk_flow_id_free(f->nic, f->id);
	kfree(f->body);
	kfree(f);
}

int agk_flow_id(struct agk_nic *nic, struct agk_flow *flow)
{
	u32 id;
	int err = -ENOSPC;

	if (nic->max_flows)
		err = xa_alloc(&nic->flow_ids, &id, flow,
			       XA_LIMIT(0, nic->max_flows - 1), GFP_KERNEL);
	return err ? err : id;
}

void agk_flow_id_free(struct agk_nic *nic, u32 id)
{
	xa_erase(&nic->flow_ids, id);
}

static struct agk_flow *flow_alloc(struct agk_nic *nic, struct datapath *dp,
				   const struct sw_flow *flow)
{
	struct agk_flow *f = kzalloc(sizeof(*f), GFP_KERNEL);
	int id;

	if (!f)
		goto error;
	f->nic = nic;
	f->dp = dp;
	f->ufid = flow->id;
	id = agk_flow_id(nic, f);
	if (id < 0)
		goto error;
	f->id = id;
	return f;
error:
	agk_count(nic, AGK_COUNTER_flows_refused);
	kfree(f);
	return NULL;
}

/* Puts what is in scratch, in the place of what is there.  NULL, or why the
 * flow is not on the NIC as it should be.
 */
static const char *send(struct agk_flow *f)
{
	const char *why;
	void *body;
	int err;

	if (f->there && f->len == scratch.len &&
	    !memcmp(f->body, scratch.body, f->len))
		return NULL;
	body = kmemdup(scratch.body, scratch.len, GFP_KERNEL);
	if (!body)
		return "size: memory";
	err = agk_ctl_call(f->nic, AGILIO_MSG_FLOW_PUT, body, scratch.len);
	if (err) {
		agk_count(f->nic, AGK_COUNTER_flows_refused);
		kfree(body);
		why = "the NIC is lost";
		if (err == -ENODEV)
			return why;
		dev_warn_ratelimited(&f->nic->pdev->dev,
				     "a flow was refused: %s (%d)\n",
				     f->nic->ctl.reason, err);
		return refused;
	}
	kfree(f->body);
	f->body = body;
	f->len = scratch.len;
	f->there = true;
	return NULL;
}

/* The NIC that a flow is for, and its in_port there; NULL if there is none. */
static struct agk_nic *find_nic(const struct datapath *dp,
				const struct sw_flow *flow, u32 *in_port)
{
	struct net_device *dev = ovs_offload_port_dev(dp,
						      flow->key.phy.in_port);
	struct agk_repr *r = agk_repr_of(dev);
	struct agk_nic *nic = r ? r->nic : NULL;
	struct agk_tunnel tunnel;

	if (r) {
		*in_port = r->port;
	} else if (agk_tunnel_of(dev, &tunnel)) {
		*in_port = AGILIO_PORT_HOST | dev->ifindex;
		nic = tunnel_nic;
	}
	return nic && READ_ONCE(nic->flows_on) ? nic : NULL;
}

static void flow_put(struct datapath *dp, struct sw_flow *flow)
{
	u32 in_port;
	struct agk_nic *nic = find_nic(dp, flow, &in_port);
	struct agk_flow *f = flow->offload;
	const char *why, *unsent;

	if (f && nic != f->nic) {
		ovs_offload_flow_del(flow);
		f = NULL;
	}
	if (!nic)
		return;
	if (!f) {
		f = flow_alloc(nic, dp, flow);
		if (!f)
			return;
	}
	if (translate(dp, flow, in_port, f, &why))
		unsent = send(f);
	else
		unsent = why;
	if (unsent && f->there) {
		bool moves = f->moves;

		/* Counted to the end, and noted anew. */
		ovs_offload_flow_del(flow);
		f = flow_alloc(nic, dp, flow);
		if (!f)
			return;
		f->moves = moves;
	}
	WRITE_ONCE(f->why, unsent ? unsent : why);
	WRITE_ONCE(flow->offload, f);
}

/* Every flow that is or could be on the NIC, and why it is not carried. */
static int flows_show(struct seq_file *file, void *unused)
{
	struct agk_nic *nic = file->private;
	struct agk_flow *f;
	unsigned long id;

	xa_lock(&nic->flow_ids);
	xa_for_each(&nic->flow_ids, id, f) {
		const char *why = READ_ONCE(f->why);

		seq_printf(file, "%lu", id);
		if (f->ufid.ufid_len)
			seq_printf(file, " ufid:%*phN", f->ufid.ufid_len,
				   f->ufid.ufid);
		seq_printf(file, " %s\n", why ? why :
			   READ_ONCE(f->there) ? "carried" :
			   "pending");
	}
	xa_unlock(&nic->flow_ids);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(flows);

void agk_flows_show(struct agk_nic *nic)
{
	nic->debugfs = debugfs_create_dir(pci_name(nic->pdev), debugfs);
	debugfs_create_file("flows", 0400, nic->debugfs, nic, &flows_fops);
}

int agk_flows_visit(struct agk_nic *nic, unsigned long *id,
		    int (*visit)(const struct agk_flow_info *info, void *aux),
		    void *aux)
{
	struct agk_flow *f;
	int err = 0;

	xa_lock(&nic->flow_ids);
	xa_for_each_start(&nic->flow_ids, *id, f, *id) {
		struct agk_flow_info info = {
			.id = &f->ufid,
			.why = READ_ONCE(f->why),
			.there = READ_ONCE(f->there),
			.nic_id = f->id,
		};

		info.refused = info.why == refused;
		err = visit(&info, aux);
		if (err)
			break;
	}
	xa_unlock(&nic->flow_ids);
	return err;
}

static bool is_port(const struct net_device *dev)
{
	struct agk_tunnel tunnel;

	return agk_repr_of(dev) || agk_tunnel_of(dev, &tunnel);
}

static bool moves(const void *offload)
{
	const struct agk_flow *f = offload;

	return f->moves;
}

static const struct ovs_offload_ops ops = {
	.flow_put = flow_put,
	.flow_stop = flow_stop,
	.flow_counts = flow_counts,
	.flow_free = flow_free,
	.is_port = is_port,
	.meter_stop = agk_meter_stop,
	.meter_counts = agk_meter_counts,
	.meter_free = agk_meter_free,
};

int agk_flows_init(void)
{
	int err = ovs_offload_register(&ops);

	if (!err)
		debugfs = debugfs_create_dir("agilio", NULL);
	return err;
}

void agk_flows_exit(void)
{
	debugfs_remove(debugfs);
	ovs_offload_unregister(&ops);
}

void agk_flows_nic_up(struct agk_nic *nic)
{
	WRITE_ONCE(nic->flows_on, true);
	cmpxchg(&tunnel_nic, NULL, nic);
	ovs_offload_refresh(NULL);
}

void agk_flows_nic_down(struct agk_nic *nic)
{
	if (READ_ONCE(nic->flows_on)) {
		WRITE_ONCE(nic->flows_on, false);
		cmpxchg(&tunnel_nic, nic, NULL);
		ovs_offload_refresh(NULL);
		ovs_offload_meters_drop(agk_meter_is_of, nic);
	}
}

void agk_flows_poll(struct agk_nic *nic)
{
	if (READ_ONCE(tunnel_nic) == nic)
		ovs_offload_refresh(moves);
}
