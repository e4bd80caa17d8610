// SPDX-License-Identifier: GPL-2.0-only
/*
 * offload.c - the hooks of openvswitch.ko for a driver; see offload.h.
 */

#include <linux/netdevice.h>
#include <linux/openvswitch.h>
#include <linux/rwsem.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "datapath.h"
#include "flow.h"
#include "flow_netlink.h"
#include "flow_table.h"
#include "meter.h"
#include "offload.h"
#include "vport.h"
#include "vport-netdev.h"

/* Changes with ovs_mutex.  ovs_offload_flow_stats() reads it without: there it
 * is not NULL as long as any flow has something in 'offload'.
 */
static const struct ovs_offload_ops *ovs_ops;

static struct list_head *datapaths(const struct net *net)
{
	struct ovs_net *ovs_net = net_generic(net, ovs_net_id);

	return &ovs_net->dps;
}

/* With ovs_mutex and net_rwsem. */
#define for_each_datapath(net, dp)					\
	for_each_net(net)						\
		list_for_each_entry(dp, datapaths(net), list_node)

/* ## -------- ##
 * ## Counting ##
 * ## -------- ##
 */

/* Every packet that the NIC carries by a flow has hit it. */
static void count_hits(struct datapath *dp, u64 n)
{
	struct dp_stats_percpu *stats = this_cpu_ptr(dp->stats_percpu);

	u64_stats_update_begin(&stats->syncp);
	stats->n_hit += n;
	stats->n_mask_hit += n;
	u64_stats_update_end(&stats->syncp);
}

/* Adds what has come to the counters; with the lock of stats[0]. */
static void count(const struct sw_flow *flow, struct sw_flow_stats *stats)
{
	struct ovs_offload_counts c = { 0 };

	if (!flow->offload)
		return;
	READ_ONCE(ovs_ops)->flow_counts(flow->offload, &c);
	if (c.used && (!stats->used || time_after(c.used, stats->used)))
		stats->used = c.used;
	stats->packet_count += c.packets;
	stats->byte_count += c.bytes;
	stats->tcp_flags |= c.tcp_flags;
	if (c.packets)
		count_hits(c.dp, c.packets);
}

void ovs_offload_flow_stats(const struct sw_flow *flow)
{
	struct sw_flow_stats *stats;

	if (!READ_ONCE(flow->offload))
		return;
	/* There from the flow's beginning to its end. */
	stats = rcu_dereference_raw(flow->stats[0]);
	spin_lock_bh(&stats->lock);
	count(flow, stats);
	spin_unlock_bh(&stats->lock);
}

/* ## ----- ##
 * ## Flows ##
 * ## ----- ##
 */

void ovs_offload_flow_put(struct datapath *dp, struct sw_flow *flow)
{
	if (ovs_ops)
		ovs_ops->flow_put(dp, flow);
}

void ovs_offload_flow_del(struct sw_flow *flow)
{
	struct sw_flow_stats *stats;
	void *offload = flow->offload;

	if (!offload)
		return;
	ovs_ops->flow_stop(offload);
	stats = rcu_dereference_raw(flow->stats[0]);
	spin_lock_bh(&stats->lock);
	count(flow, stats);
	flow->offload = NULL;
	spin_unlock_bh(&stats->lock);
	ovs_ops->flow_free(offload);
}
EXPORT_SYMBOL_GPL(ovs_offload_flow_del);

typedef void flow_function(struct datapath *dp, struct sw_flow *flow);
typedef bool flow_test(const void *offload);

static void each_flow(struct datapath *dp, flow_function *f, flow_test *which)
{
	struct table_instance *ti = ovsl_dereference(dp->table.ti);
	int i;

	for (i = 0; i < ti->n_buckets; i++) {
		struct sw_flow *flow;

		hlist_for_each_entry(flow, &ti->buckets[i],
				     flow_table.node[ti->node_ver])
			if (!which || (flow->offload && which(flow->offload)))
				f(dp, flow);
	}
}

static void each_flow_of_all(flow_function *f, flow_test *which)
{
	struct datapath *dp;
	struct net *net;

	down_read(&net_rwsem);
	for_each_datapath(net, dp)
		each_flow(dp, f, which);
	up_read(&net_rwsem);
}

static void del(struct datapath *dp, struct sw_flow *flow)
{
	ovs_offload_flow_del(flow);
}

int ovs_offload_put_id(struct sk_buff *skb, const struct sw_flow_id *id,
		       int ufid_attr, int key_attr)
{
	if (ovs_identifier_is_ufid(id))
		return nla_put(skb, ufid_attr, id->ufid_len, id->ufid);
	return ovs_nla_put_key(id->unmasked_key, id->unmasked_key, key_attr,
			       false, skb);
}
EXPORT_SYMBOL_GPL(ovs_offload_put_id);

/* ## ----- ##
 * ## Ports ##
 * ## ----- ##
 */

/* Flows that name the port mean something else from now on. */
static void vport_changed(struct vport *vport)
{
	if (ovs_ops && ovs_ops->is_port(vport->dev))
		each_flow(vport->dp, ovs_offload_flow_put, NULL);
}

void ovs_offload_vport_new(struct vport *vport)
{
	vport_changed(vport);
}

void ovs_offload_vport_del(struct vport *vport)
{
	vport_changed(vport);
}

struct net_device *ovs_offload_port_dev(const struct datapath *dp, u16 port_no)
{
	struct vport *vport = ovs_vport_ovsl(dp, port_no);

	return vport ? vport->dev : NULL;
}
EXPORT_SYMBOL_GPL(ovs_offload_port_dev);

/* ## ------ ##
 * ## Meters ##
 * ## ------ ##
 */

/* Adds what has come to the counters; with the meter's lock. */
static void count_meter(struct dp_meter *meter)
{
	struct ovs_offload_meter_counts c = { 0 };

	if (!meter->offload)
		return;
	ovs_ops->meter_counts(meter->offload, &c);
	meter->stats.n_packets += c.packets;
	meter->stats.n_bytes += c.bytes;
	meter->bands[0].stats.n_packets += c.dropped_packets;
	meter->bands[0].stats.n_bytes += c.dropped_bytes;
}

void ovs_offload_meter_stats(struct dp_meter *meter)
{
	spin_lock_bh(&meter->lock);
	count_meter(meter);
	spin_unlock_bh(&meter->lock);
}

void ovs_offload_meter_del(struct dp_meter *meter)
{
	void *offload = meter ? meter->offload : NULL;

	if (!offload)
		return;
	ovs_ops->meter_stop(offload);
	ovs_offload_meter_stats(meter);
	meter->offload = NULL;
	ovs_ops->meter_free(offload);
}

void ovs_offload_meter_new(struct datapath *dp)
{
	if (ovs_ops)
		each_flow(dp, ovs_offload_flow_put, NULL);
}

typedef bool meter_test(const void *offload, const void *aux);

static void drop_meters(struct datapath *dp, meter_test *which,
			const void *aux)
{
	struct dp_meter_instance *ti = ovsl_dereference(dp->meter_tbl.ti);
	u32 i;

	for (i = 0; i < ti->n_meters; i++) {
		struct dp_meter *meter = ovsl_dereference(ti->dp_meters[i]);

		if (meter && meter->offload &&
		    (!which || which(meter->offload, aux)))
			ovs_offload_meter_del(meter);
	}
}

static void drop_meters_of_all(meter_test *which, const void *aux)
{
	struct datapath *dp;
	struct net *net;

	down_read(&net_rwsem);
	for_each_datapath(net, dp)
		drop_meters(dp, which, aux);
	up_read(&net_rwsem);
}

void ovs_offload_dp_del(struct datapath *dp)
{
	drop_meters(dp, NULL, NULL);
}

struct dp_meter *ovs_offload_meter_find(const struct datapath *dp, u32 id)
{
	struct dp_meter_instance *ti = ovsl_dereference(dp->meter_tbl.ti);
	struct dp_meter *meter =
		ovsl_dereference(ti->dp_meters[id % ti->n_meters]);

	return meter && meter->id == id ? meter : NULL;
}
EXPORT_SYMBOL_GPL(ovs_offload_meter_find);

/* ## ------- ##
 * ## Packets ##
 * ## ------- ##
 */

int ovs_offload_receive(struct sk_buff *skb,
			const struct ovs_offload_resume *resume)
{
	struct vport *vport = ovs_netdev_get_vport(skb->dev);
	struct sw_flow_key key;
	int err = -ENODEV;

	if (!vport)
		goto drop;
	skb_push_rcsum(skb, ETH_HLEN);
	OVS_CB(skb)->input_vport = vport;
	OVS_CB(skb)->mru = 0;
	OVS_CB(skb)->cutlen = resume->cutlen;
	err = ovs_flow_key_extract(resume->tun_info, skb, &key);
	if (err)
		goto drop;
	key.recirc_id = resume->recirc_id;
	key.ovs_flow_hash = resume->dp_hash;
	ovs_dp_process_packet(skb, &key);
	return 0;
drop:
	kfree_skb(skb);
	return err;
}
EXPORT_SYMBOL_GPL(ovs_offload_receive);

/* ## ---------- ##
 * ## The driver ##
 * ## ---------- ##
 */

int ovs_offload_register(const struct ovs_offload_ops *ops)
{
	int err = 0;

	ovs_lock();
	if (ovs_ops) {
		err = -EBUSY;
	} else {
		WRITE_ONCE(ovs_ops, ops);
		each_flow_of_all(ovs_offload_flow_put, NULL);
	}
	ovs_unlock();
	return err;
}
EXPORT_SYMBOL_GPL(ovs_offload_register);

void ovs_offload_unregister(const struct ovs_offload_ops *ops)
{
	ovs_lock();
	if (ovs_ops == ops) {
		each_flow_of_all(del, NULL);
		drop_meters_of_all(NULL, NULL);
		WRITE_ONCE(ovs_ops, NULL);
	}
	ovs_unlock();
}
EXPORT_SYMBOL_GPL(ovs_offload_unregister);

void ovs_offload_refresh(bool (*which)(const void *offload))
{
	ovs_lock();
	if (ovs_ops)
		each_flow_of_all(ovs_offload_flow_put, which);
	ovs_unlock();
}
EXPORT_SYMBOL_GPL(ovs_offload_refresh);

void ovs_offload_meters_drop(meter_test *which, const void *aux)
{
	ovs_lock();
	if (ovs_ops)
		drop_meters_of_all(which, aux);
	ovs_unlock();
}
EXPORT_SYMBOL_GPL(ovs_offload_meters_drop);
