/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * offload.h - what openvswitch.ko tells a driver that carries its flows.
 *
 * Part of openvswitch.ko: upstream/linux/ inserts the calls of the functions
 * in the first half, offload.c has them, and a driver uses the second half.
 * Without a driver each hook is a test of a pointer.
 *
 * The driver keeps what it knows of a flow in sw_flow.offload.  A flow without
 * is not offloaded, and costs nothing more.
 *
 * Counting.  What the NIC has carried is added to the flow's own counters
 * whenever somebody is about to look at them, so nothing else in openvswitch.ko
 * has to know that there are two.  The lock of the flow's first counters
 * (sw_flow.stats[0]) guards sw_flow.offload against those who count: they have
 * it, and so has who sets the pointer to NULL.
 *
 * Locks: ovs_mutex, then whatever the driver has.  The driver never asks for
 * ovs_mutex, or calls a function that does, with a lock of its own held which
 * an operation takes.
 */

#ifndef OVS_OFFLOAD_H
#define OVS_OFFLOAD_H 1

#include <linux/types.h>

struct datapath;
struct dp_meter;
struct ip_tunnel_info;
struct net_device;
struct sk_buff;
struct sw_flow;
struct sw_flow_id;
struct vport;

/* ## The hooks.  All with ovs_mutex, but ovs_offload_flow_stats(): or RCU. ## */

/* A flow is in the table of 'dp', new or with other actions. */
void ovs_offload_flow_put(struct datapath *dp, struct sw_flow *flow);
/* A flow is about to go: see below. */
/* Somebody is about to look at the flow's counters, or to clear them. */
void ovs_offload_flow_stats(const struct sw_flow *flow);
/* A port has come; a port is out of the table and about to go. */
void ovs_offload_vport_new(struct vport *vport);
void ovs_offload_vport_del(struct vport *vport);
/* A meter, which may be NULL, is about to go or to be changed; one has come. */
void ovs_offload_meter_del(struct dp_meter *meter);
void ovs_offload_meter_new(struct datapath *dp);
/* Somebody is about to look at the meter's counters. */
void ovs_offload_meter_stats(struct dp_meter *meter);
/* The datapath is about to go; its ports and flows have. */
void ovs_offload_dp_del(struct datapath *dp);

/* ## For the driver. ## */

/* What the NIC has counted since it was last asked. */
struct ovs_offload_counts {
	struct datapath *dp;	/* The flow's. */
	u64 packets;
	u64 bytes;
	unsigned long used;	/* jiffies; 0: never. */
	__be16 tcp_flags;
};

/* Likewise, of a meter. */
struct ovs_offload_meter_counts {
	u64 packets, bytes;	/* All that came to it. */
	u64 dropped_packets, dropped_bytes;
};

struct ovs_offload_ops {
	/* The flow is new, has other actions, or a port that it may name has
	 * come or gone.  May sleep.  Sets flow->offload if it is NULL and the
	 * driver wants to hear of this flow again.
	 */
	void (*flow_put)(struct datapath *dp, struct sw_flow *flow);
	/* Takes the flow off the NIC.  May sleep; when it returns, no packet
	 * is counted any more.
	 */
	void (*flow_stop)(void *offload);
	/* Adds up.  In any context, bottom halves off, a spinlock held. */
	void (*flow_counts)(void *offload, struct ovs_offload_counts *counts);
	/* After flow_stop(), and nobody counts any more. */
	void (*flow_free)(void *offload);
	/* Whether flows depend on this device being a port. */
	bool (*is_port)(const struct net_device *dev);
	/* As flow_stop(), flow_counts() and flow_free(), of dp_meter.offload,
	 * which the driver sets when a flow first needs the meter.
	 */
	void (*meter_stop)(void *offload);
	void (*meter_counts)(void *offload,
			     struct ovs_offload_meter_counts *counts);
	void (*meter_free)(void *offload);
};

/* From now on the driver hears of every flow, first of those that are there.
 * Returns -EBUSY if there is a driver.
 */
int ovs_offload_register(const struct ovs_offload_ops *ops);
/* All flows are off the NIC when this returns. */
void ovs_offload_unregister(const struct ovs_offload_ops *ops);
/* Puts every flow again: what they depend on has changed.  With 'which', only
 * offloaded ones of which that is true.  May sleep; takes ovs_mutex.
 */
void ovs_offload_refresh(bool (*which)(const void *offload));

/* Takes off each meter of which that is true.  As the one before. */
void ovs_offload_meters_drop(bool (*which)(const void *offload,
					   const void *aux), const void *aux);
/* The meter of that number, or NULL.  With ovs_mutex. */
struct dp_meter *ovs_offload_meter_find(const struct datapath *dp, u32 id);

/* What the NIC has made of a packet that the host is to take up. */
struct ovs_offload_resume {
	u32 recirc_id;
	u32 dp_hash;
	u32 cutlen;		/* Bytes to leave of it on output, or U32_MAX. */
	struct ip_tunnel_info *tun_info;	/* Or NULL. */
};

/* Takes up a packet, which is as it would be given to netif_receive_skb(), in
 * the port that skb->dev is.  With bottom halves off and RCU.  Consumes it;
 * -ENODEV if the device is in no datapath.
 */
int ovs_offload_receive(struct sk_buff *skb,
			const struct ovs_offload_resume *resume);

/* Takes a flow off for good: from now on it has no 'offload'.  With ovs_mutex;
 * also the hook for a flow that is about to go.
 */
void ovs_offload_flow_del(struct sw_flow *flow);

/* Puts what names a flow: 16 bytes of 'ufid_attr'; or, if it has no ufid, its
 * key, nested in 'key_attr'.  Returns 0 or -EMSGSIZE.
 */
int ovs_offload_put_id(struct sk_buff *skb, const struct sw_flow_id *id,
		       int ufid_attr, int key_attr);

/* The device that is port 'port_no' of 'dp', or NULL.  With ovs_mutex. */
struct net_device *ovs_offload_port_dev(const struct datapath *dp,
					u16 port_no);

#endif /* offload.h */
