/* SPDX-License-Identifier: Apache-2.0 */

/* The places where Open vSwitch calls Agilio.
 *
 * Each line that upstream/openvswitch/ inserts into Open vSwitch is a call of
 * something declared here, or the braces around one.  The whole border is on
 * this page; nothing else of ours is known to upstream's files.
 *
 * All of it can be called in every process: utilities and tests
 * link the same library without ever having a NIC. */

#ifndef AGILIO_HOOKS_H
#define AGILIO_HOOKS_H 1

#include <stdbool.h>
#include "mpsc-queue.h"
#include "openvswitch/types.h"

struct dp_packet_batch;
struct dpif_flow_attrs;
struct dpif_flow_stats;
struct flow_wildcards;
struct match;
struct netdev_class;
struct netdev_rxq;
struct nlattr;
struct ofputil_meter_config;
struct ofputil_meter_stats;
struct smap;

/* lib/netdev.c: the class of representors, registered beside netdev_linux.
 * Its init() runs in every program that opens a netdev. */
extern const struct netdev_class netdev_agilio_class;

/* vswitchd/bridge.c: once in each round of the main loop, after the bridges
 * were reconfigured, with Open_vSwitch's 'other_config'; and what that round
 * has to wait for.  Main thread only. */
void agilio_run(const struct smap *other_config);
void agilio_wait(void);

/* vswitchd/bridge.c: the process ends.  Unless it is to 'cleanup', the NIC
 * keeps its flows and carries on.  Main thread. */
void agilio_exit(bool cleanup);

/* vswitchd/bridge.c: registers agilio/trace (ofproto/agilio-trace.c). */
void agilio_trace_init(void);

/* lib/dpif-netdev.c, in the thread that polls 'rxq', which is of datapath port
 * 'port_no': true if 'batch', which was just received from it, holds packets
 * to be resumed in mid-pipeline.  Their metadata is then complete, with one
 * in_port, and they enter the datapath as recirculated packets do.  False for
 * any other class's queues. */
bool agilio_batch_is_resumed(const struct netdev_rxq *rxq,
                             struct dp_packet_batch *batch,
                             odp_port_t port_no);

/* lib/dpif-netdev.c, for a new flow: makes 'mega_ufid', which is a hash of the
 * masked flow, one of the mask 'wc' as well.  10.0.0.8/29 and 10.0.0.8/30 are
 * two flows, which can exist at the same time. */
void agilio_mega_ufid(const struct flow_wildcards *wc, ovs_u128 *mega_ufid);

/* lib/dpif-netdev.c, any thread.  A flow's statistics are read by its ufid,
 * not through its input port and that port's lock, so they are fresh and whole
 * even while ports change and after the port has gone.
 *
 * agilio_flow_get() gives what netdev_flow_get() would; false if the flow is
 * not known.  agilio_flow_stop(), before the last statistics are read, takes
 * the flow off the NIC: what agilio_flow_get() gives from then on is final.
 * It waits for the NIC for a bounded time. */
bool agilio_flow_get(const ovs_u128 *mega_ufid, struct dpif_flow_stats *stats,
                     struct dpif_flow_attrs *attrs);
void agilio_flow_stop(const ovs_u128 *mega_ufid);

/* lib/dpif-netdev.c, any thread, under the flow_mutex of the thread that has
 * the flow: it is new, or changed; the datapath has it no more.  'dpif_type'
 * is the class's pointer.  False if it is not a flow of ours, but one for the
 * offload queue.  agilio_flow_put() does not wait for the NIC. */
bool agilio_flow_put(const char *dpif_type, struct match *match,
                     const struct nlattr *actions, size_t actions_len,
                     const ovs_u128 *mega_ufid);
bool agilio_flow_removed(const ovs_u128 *mega_ufid);

/* lib/dpif-netdev.c: an offload thread that found 'queue' empty sleeps until
 * something is in it, quiescent for RCU; whoever appends says so afterwards.
 * agilio_offload_wake() may be called in any thread. */
void agilio_offload_wait(struct mpsc_queue *queue)
    OVS_REQUIRES(queue->read_lock);
void agilio_offload_wake(void);

/* lib/dpif-netdev.c, any thread: meters and bonds of datapath 'dp', which the
 * NIC is to have too.  'config' and 'members' (BOND_BUCKETS of them) are as
 * the datapath has taken them.  agilio_meter_get() and
 * agilio_bond_stats_get() add what NICs counted to what 'dp' did. */
void agilio_meter_set(const void *dp, const char *dpif_type, uint32_t id,
                      const struct ofputil_meter_config *config);
void agilio_meter_get(const void *dp, uint32_t id,
                      struct ofputil_meter_stats *stats);
void agilio_meter_del(const void *dp, uint32_t id);
void agilio_bond_add(const void *dp, const char *dpif_type, uint32_t id,
                     const odp_port_t members[]);
void agilio_bond_stats_get(const void *dp, uint32_t id, uint64_t n_bytes[]);
void agilio_bond_del(const void *dp, uint32_t id);
void agilio_dp_destroyed(const void *dp);

#endif /* agilio-hooks.h */
