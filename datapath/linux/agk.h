/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * agk.h - agilio.ko, the driver of an Agilio function, from the inside.
 *
 *     pci.c       the PCI device: region, doorbells, interrupts, life and death
 *     ctl.c       the control channel: requests and their replies
 *     repr.c      representors: a network device for each port of the NIC; or
 *                 the one that a guest has of a virtual function
 *     rx.c        packets from the NIC
 *     flow.c      what is on the NIC: a copy of openvswitch.ko's flows
 *     endpoint.c  tunnels: their devices, and the way out of them
 *     tunnel.c    the way into them
 *     follow.c    ...and what of the kernel's that depends on
 *     meter.c     meters
 *     match.c     sw_flow key and mask become the NIC's
 *     actions.c, header.c, set.c   sw_flow actions become a program for the NIC
 *     netlink.c   what vswitchd asks
 *     devlink.c   what devlink asks
 *
 * The region is memory that the NIC writes too.  Where things lie in it is read
 * once, when the function is opened, and checked; a record or message is copied
 * out and then used from the copy.
 *
 * Locks, in this order:
 *
 *     nics lock      (netlink.c's) the list of NICs
 *     ovs_mutex      (openvswitch.ko's) struct agk_flow, all flows
 *     rtnl           representors come and go
 *     ctl.mutex      one request at a time
 *     stats lock     (a sw_flow's) the counters of a struct agk_flow
 *
 * NAPI alone reads the to_host rings; a representor's transmit queue lock
 * guards its from_host ring.
 */

#ifndef AGK_H
#define AGK_H 1

#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/workqueue.h>
#include <net/ip_tunnels.h>

#include "agilio/msg.h"

/* Before the NIC is taken for dead. */
#define AGK_TIMEOUT (3 * HZ)
#define AGK_WATCH (HZ / 2)
/* Tunnels are looked at, in case that something was not heard of. */
#define AGK_LOOK (5 * HZ)
#define AGK_LOOK_MIN (HZ / 20)		/* Between two. */

/* Reasons why something went to or stayed with the host, and errors. */
#define AGK_COUNTERS(COUNTER)						\
	COUNTER(rx_bad, "malformed records from the NIC")		\
	COUNTER(rx_stale, "packets of a port that is gone")		\
	COUNTER(rx_no_memory, "packets for which there was no memory")	\
	COUNTER(rx_no_port, "packets in mid-way of a port in no bridge")	\
	COUNTER(rx_no_tunnel, "packets for a tunnel that is gone")	\
	COUNTER(tx_full, "packets to the NIC, whose ring was full")	\
	COUNTER(flows_on_nic, "flows put on the NIC")			\
	COUNTER(flows_for_host, "flows that are the host's")		\
	COUNTER(flows_unable, "flows that the NIC cannot do")		\
	COUNTER(flows_refused, "flows that the NIC refused")		\
	COUNTER(ctl_errors, "requests that failed")

enum agk_counter {
#define AGK_COUNTER(NAME, HELP) AGK_COUNTER_##NAME,
	AGK_COUNTERS(AGK_COUNTER)
#undef AGK_COUNTER
	AGK_N_COUNTERS
};

struct agk_flow;
struct agk_repr;
struct datapath;
struct devlink;
struct devlink_health_reporter;
struct sw_flow;
struct sw_flow_actions;
struct sw_flow_id;

/* A tunnel device that takes the metadata from each packet. */
struct agk_tunnel {
	u32 type;			/* enum agilio_tunnel_type. */
	__be16 port;			/* UDP; of GRE, 0. */
	bool ipv4, ipv6;		/* Its underlay may be. */
};

/* Where a tunnel ends: a flow of our own. */
struct agk_endpoint {
	u32 in_port, tunnel_port;	/* Port ids. */
	u32 tunnel_type;		/* enum agilio_tunnel_type. */
	__be16 tunnel_udp;		/* Port; of GRE, 0. */
	u8 mac[6];
	struct in6_addr local;		/* IPv4: mapped. */
	u32 id;				/* Flow id; what is before is its key. */
};

#define AGK_MAX_ENDPOINTS 64

/* Where a flow is translated. */
struct agk_scratch {
	struct agilio_key key, mask;
	u8 program[AGILIO_MAX_PROGRAM] __aligned(8);
	u8 body[AGILIO_MAX_MSG];	/* Of a FLOW_PUT. */
	size_t len;
};

struct agk_ctl {
	struct mutex mutex;
	struct agilio_ring_end request, reply;
	wait_queue_head_t wq;		/* The doorbell rang. */
	u32 session;
	u32 id;				/* Of the last request. */
	u8 *out, *in;			/* AGILIO_MAX_MSG bytes each. */
	struct agilio_reader body;	/* Of the last reply, in 'in'. */
	char reason[128];		/* Of the last error. */
};

struct agk_nic {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct agilio_region *region;
	u64 size;			/* Bytes of region. */
	u32 type;			/* enum agilio_function_type. */

	/* Geometry, checked. */
	struct agilio_port *ports;
	u32 n_ports;
	struct agilio_port_stats *port_stats;	/* A row for each worker, */
	agilio_le64 *counters;			/* likewise, */
	struct agilio_flow_stats *flows;	/* likewise. */
	u32 max_flows;
	u32 n_workers;
	struct agilio_meter_stats *meters;
	u32 max_meters;
	struct agilio_qp *qps;
	u32 n_qps;

	struct agk_ctl ctl;
	bool up;			/* Speaks with us. */
	bool flows_on;			/* Takes flows. */
	bool open;			/* Probed, and not being removed. */
	bool broken;			/* Not to be used again. */
	const char *why;		/* It was last lost. */

	struct devlink *devlink;
	struct devlink_health_reporter *control;	/* Of a PF. */
	bool reported;			/* To devlink, that it is lost. */

	struct list_head netlink_node;	/* In netlink.c's list... */
	unsigned long serial;		/* ...in the order of these. */

	/* Representors, by port slot; changed by the watch, with rtnl. */
	struct agk_repr __rcu *reprs[AGILIO_MAX_PORTS];
	u32 port_seq;			/* What 'reprs' shows. */
	u64 heartbeat;
	unsigned long heard;		/* When it last changed, in jiffies. */
	struct delayed_work watch;

	struct net_device napi_dev;
	struct napi_struct napi;

	struct xarray flow_ids;		/* Of struct agk_flow; or reserved. */
	struct ida meter_slots;		/* With ovs_mutex. */
	u16 meter_incarnation;		/* The last one given. */
	struct dentry *debugfs;
	struct list_head node;		/* Of follow.c. */
	bool moved;			/* Tunnels, perhaps. */
	unsigned long looked;		/* At tunnels, in jiffies. */
	struct agk_endpoint endpoints[AGK_MAX_ENDPOINTS];	/* With rtnl. */
	u32 n_endpoints;

	atomic64_t counts[AGK_N_COUNTERS];
};

static inline bool agk_is_pf(const struct agk_nic *nic)
{
	return nic->type == AGILIO_FUNCTION_PF;
}

static inline void agk_count(struct agk_nic *nic, enum agk_counter counter)
{
	atomic64_inc(&nic->counts[counter]);
}

/* One of the NIC's own, summed over its workers. */
static inline u64 agk_nic_counter(const struct agk_nic *nic, u32 counter)
{
	u64 sum = 0;
	u32 w;

	for (w = 0; w < nic->n_workers; w++)
		sum += agilio_from_le64(agilio_load_relaxed(
			&nic->counters[w * AGILIO_COUNTER_ROW + counter]));
	return sum;
}

/* ## pci.c ## */

void agk_ring_doorbell(struct agk_nic *nic, enum agilio_vector vector);
/* Looks at ports and heartbeat soon. */
void agk_watch_soon(struct agk_nic *nic);
/* The NIC is dead: no more requests, flows or carrier, until it lives again;
 * or 'for_good'.
 */
void agk_nic_fail(struct agk_nic *nic, const char *why, bool for_good);
/* 'n' elements of 'size' bytes, 'ofs' bytes into the region; NULL if they are
 * not all in there and aligned to a cache line.
 */
void *agk_region_at(const struct agk_nic *nic, agilio_le64 ofs, u64 n,
		    size_t size);
/* The ring that 'place' tells of; false if it is not all in the region. */
bool agk_ring_at(const struct agk_nic *nic, const struct agilio_ring_place *p,
		 bool producer, struct agilio_ring_end *end);

/* ## ctl.c ## */

void agk_ctl_init(struct agk_nic *nic);
/* The physical function's control rings, and HELLO.  0 or a negative errno. */
int agk_ctl_open(struct agk_nic *nic);
void agk_ctl_close(struct agk_nic *nic);
/* Starts a session with a NIC that is then up and empty. */
int agk_ctl_hello(struct agk_nic *nic);
/* Sends a request, waits for its reply.  Returns 0, -ENODEV if the NIC is
 * dead, or what it says: then ctl.reason is why.
 */
int agk_ctl_call(struct agk_nic *nic, enum agilio_msg_type type,
		 const void *body, size_t len);

/* What the NIC said: the body of its reply, or why there is none. */
struct agk_reply {
	size_t len;
	bool refused;
	u8 bytes[AGILIO_MAX_MSG];	/* If refused, a string. */
};

/* The same, and sets '*reply' if the NIC has answered. */
int agk_ctl_ask(struct agk_nic *nic, enum agilio_msg_type type,
		const void *body, size_t len, struct agk_reply *reply);
/* The doorbell rang; in an interrupt. */
void agk_ctl_rung(struct agk_nic *nic);
/* Takes events; where nobody waits for a reply. */
void agk_ctl_drain(struct agk_nic *nic);

/* ## repr.c ## */

/* A representor's private part. */
struct agk_repr {
	struct agk_nic *nic;
	struct net_device *dev;
	u32 port;			/* Its id. */
	struct agilio_port *entry;
	struct agilio_ring_end to_host, from_host;
	char name[AGILIO_PORT_NAME_LEN];
};

/* The representor that a device is, or NULL. */
struct agk_repr *agk_repr_of(const struct net_device *dev);
/* Makes the representors those of the NIC's ports.  Takes rtnl. */
void agk_reprs_update(struct agk_nic *nic);
void agk_reprs_remove(struct agk_nic *nic);
void agk_reprs_down(struct agk_nic *nic);
/* The port in a slot, and the name of its representor, empty if it has none.
 * False if there is no port.  Takes rtnl.
 */
bool agk_repr_show(struct agk_nic *nic, u32 slot, struct agilio_port *port,
		   char name[IFNAMSIZ]);
/* How full the fullest packet ring is, in percent. */
u32 agk_reprs_ring_fill(struct agk_nic *nic);

/* ## rx.c ## */

/* The NAPI poll of all to_host rings. */
int agk_rx_poll(struct napi_struct *napi, int budget);

/* ## flow.c ## */

int agk_flows_init(void);
void agk_flows_exit(void);
/* The NIC has come and is empty: fills it.  It goes: flows come off. */
void agk_flows_nic_up(struct agk_nic *nic);
void agk_flows_nic_down(struct agk_nic *nic);

/* The NIC's folder in debugfs. */
void agk_flows_show(struct agk_nic *nic);
/* Translates flows again that depend on more than ports. */
void agk_flows_poll(struct agk_nic *nic);
/* Reserves a flow id for 'flow', or for what is not to be shown if that is
 * NULL.  Returns it, or a negative errno.
 */
int agk_flow_id(struct agk_nic *nic, struct agk_flow *flow);
void agk_flow_id_free(struct agk_nic *nic, u32 id);
/* Makes scratch's body of its key, mask and 'len' bytes of program.  False if
 * it is too large.
 */
bool agk_make_flow_put(struct agk_scratch *scratch, u32 id, size_t len);

/* What there is to say about a flow. */
struct agk_flow_info {
	const struct sw_flow_id *id;
	const char *why;		/* Not carried by the NIC; or NULL. */
	bool there, refused;
	u32 nic_id;
};

/* Shows the flows from '*id' on, until 'visit' returns other than 0: returns
 * that, and '*id' is the flow's.  'visit' runs under a spinlock.
 */
int agk_flows_visit(struct agk_nic *nic, unsigned long *id,
		    int (*visit)(const struct agk_flow_info *info, void *aux),
		    void *aux);

/* ## netlink.c ## */

int agk_netlink_init(void);
void agk_netlink_exit(void);
/* From when it can be asked about, to when it cannot any more. */
void agk_netlink_add(struct agk_nic *nic);
void agk_netlink_del(struct agk_nic *nic);

/* ## devlink.c ## */

int agk_devlink_add(struct agk_nic *nic);
void agk_devlink_del(struct agk_nic *nic);
/* Tells devlink whether the NIC is lost.  For the watch. */
void agk_devlink_update(struct agk_nic *nic);

/* ## meter.c: of struct ovs_offload_ops ## */

struct ovs_offload_meter_counts;

void agk_meter_stop(void *offload);
void agk_meter_counts(void *offload, struct ovs_offload_meter_counts *c);
void agk_meter_free(void *offload);
/* Whether it is a meter of that NIC. */
bool agk_meter_is_of(const void *offload, const void *nic);

/* ## endpoint.c ## */

/* Whether a device is a tunnel that the NIC can do. */
bool agk_tunnel_of(const struct net_device *dev, struct agk_tunnel *tunnel);
/* Whether it is of such a kind.  In any context. */
bool agk_is_tunnel(const struct net_device *dev);
/* Makes the NIC's endpoints those that there are.  Takes rtnl. */
void agk_endpoints_update(struct agk_nic *nic);

/* ## tunnel.c ## */

#define AGK_DETOUR 1

/* What a packet is to go into that is too long for it: what COPY_TO_HOST
 * brings back.
 */
struct agk_detour {
	struct nlattr attr;		/* AGK_DETOUR, all of this. */
	u32 ifindex;			/* Of the tunnel device. */
	struct ip_tunnel_key key;
	u8 ipv6;
	u8 pad[3];
	u8 opts[AGILIO_MAX_TUNNEL_OPTS];	/* Up to attr's end. */
} __aligned(8);

/* Sends a packet as received from a representor into a tunnel.  With RCU.
 * Consumes it; a negative errno if there is no such tunnel.
 */
int agk_tunnel_send(struct sk_buff *skb, const struct agk_detour *detour,
		    size_t opts_len);

/* ## follow.c ## */

int agk_follow_init(void);
void agk_follow_exit(void);
/* From now on the NIC hears of what tunnels depend on; not any more. */
void agk_follow_add(struct agk_nic *nic);
void agk_follow_del(struct agk_nic *nic);

/* ## match.c, actions.c ## */

enum agk_verdict {
	AGK_ON_NIC,
	AGK_FOR_HOST,			/* Not all of it is the NIC's. */
	AGK_UNABLE,			/* The NIC cannot do that. */
};

/* NULL, or why the NIC cannot tell such packets. */
const char *agk_translate_match(const struct sw_flow *flow, u32 in_port,
				struct agilio_key *key,
				struct agilio_key *mask);
/* Writes a program of up to AGILIO_MAX_PROGRAM bytes and its length; if it is
 * not AGK_ON_NIC, '*reason' says why.  '*moves': it may become another one
 * without any change of the flow or of ports.  With ovs_mutex.
 */
enum agk_verdict agk_translate_actions(struct agk_nic *nic,
				       const struct datapath *dp,
				       const struct sw_flow *flow,
				       u8 *program, size_t *len,
				       const char **reason, bool *moves);

#endif /* agk.h */
