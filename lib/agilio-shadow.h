/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-shadow.h - the flows that the datapath wants on the NIC.
 *
 * dpif-netdev asks for an offload once, when a flow is made, and never again.
 * The shadow remembers what was asked, so that a NIC can be brought up to date
 * at any time: after its restart, after a port came or went, after a refusal
 * (agilio-residency.h).  The NIC's table is a subset of the shadow.
 *
 * A flow's statistics are what NICs counted for it while the flow was known
 * here, over any number of changes and restarts (agilio-tally.h).
 *
 * Who calls: netdev-offload-agilio.c (main and PMD threads, offload threads),
 * agilio.c (revalidators), agilio-dump.c, agilio-health.c (main thread).
 * Everything is thread-safe.  Nothing but agilio_shadow_stop() waits for the
 * NIC.
 */

#ifndef AGILIO_SHADOW_H
#define AGILIO_SHADOW_H 1

#include "dpif.h"
#include "openvswitch/match.h"
#include "openvswitch/types.h"

struct agilio_kernel_nic;
struct netdev;
struct nlattr;

/* Adds the flow 'ufid', or changes it.  'netdev' is the port that it comes in
 * by: an identity, for agilio_shadow_flush() and agilio_shadow_count(), never
 * looked into.  'dpif_type' says which datapath's port numbers these are; the
 * pointer counts, not the string (see netdev_get_dpif_type()). */
void agilio_shadow_put(const struct netdev *netdev, const char *dpif_type,
                       const struct match *, const struct nlattr *actions,
                       size_t actions_len, const ovs_u128 *ufid);

/* What the NIC counted for the flow, and whether it carries it: then the layer
 * is agilio_layer_nic, else agilio_layer_host.  That these, and no equal
 * strings, stand there, tells a flow of the shadow's from any other.  Takes no
 * lock.  Returns 0 or ENOENT. */
extern const char agilio_layer_nic[];   /* "agilio" */
extern const char agilio_layer_host[];  /* "ovs" */
int agilio_shadow_get(const ovs_u128 *ufid, struct dpif_flow_stats *,
                      struct dpif_flow_attrs *);

/* Takes the flow off the NIC and waits, a second at most, until that is done:
 * then what agilio_shadow_get() gives is final.  Does nothing if there is no
 * such flow.
 *
 * Does not quiesce: a revalidator calls this in the middle of its ukeys. */
void agilio_shadow_stop(const ovs_u128 *ufid);

/* The datapath has no such flow any more: forgets it.  Returns 0 or ENOENT.
 *
 * To be called at once: a flow that is made anew, with the same ufid, must not
 * find the statistics of the one before it. */
int agilio_shadow_del(const ovs_u128 *ufid);

/* Takes all flows that were put for 'netdev', which goes away, off the NIC.
 * They are not forgotten, for the datapath has yet to read their statistics
 * and to delete them. */
void agilio_shadow_flush(const struct netdev *);

/* Adds to n_flows[i] the number of flows of 'netdev' that the NIC carries and
 * offload thread i looks after. */
void agilio_shadow_count(const struct netdev *, uint64_t n_flows[]);

/* ## For the operator. ## */

enum agilio_residency {
    AGILIO_RESIDENT,            /* The NIC carries it. */
    AGILIO_PENDING,             /* It would, but for 'reason': waits for a NIC,
                                 * a port, or the reply that is to come. */
    AGILIO_HOST,                /* It is the host's, for 'reason'. */
    AGILIO_REFUSED,             /* The NIC did not take it, for 'reason'. */
    AGILIO_N_RESIDENCIES
};

struct agilio_shadow_flow {
    ovs_u128 ufid;
    bool offered;               /* To the NIC; ufid is that of the megaflow. */
    uint32_t nic_id;            /* UINT32_MAX if it has none. */
    enum agilio_residency residency;
    const char *reason;         /* NULL only for AGILIO_RESIDENT. */
    const struct agilio_kernel_nic *kernel_nic; /* Of agilio.ko; or NULL. */
    struct dpif_flow_stats stats;
    const struct nlattr *actions;
    size_t actions_len;
    struct match match;
};

/* Calls 'visit' for each flow.  What it is shown is gone when it returns. */
typedef void agilio_shadow_visit(const struct agilio_shadow_flow *, void *aux);
void agilio_shadow_for_each(agilio_shadow_visit *, void *aux);

#endif /* agilio-shadow.h */
