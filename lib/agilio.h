/* SPDX-License-Identifier: Apache-2.0 */
/* agilio.h - what joins the parts of Agilio in ovs-vswitchd.  What Open
 * vSwitch itself calls is in agilio-hooks.h. */

#ifndef AGILIO_H
#define AGILIO_H 1

#include <stdbool.h>

struct netdev;

/* Registers the flow API and the commands.  Called by the init() of netdev
 * class "agilio", in every program that opens a netdev: does nothing more. */
void agilio_init(void);

/* lib/netdev-offload-agilio.c */
extern const struct netdev_flow_api netdev_offload_agilio;

/* Whether flows that come in by 'netdev', a datapath's port, are offered to
 * the NIC: it is a representor, or a tunnel of the userspace datapath, for a
 * packet that the NIC decapsulates is one of that port's. */
bool agilio_offloads(const struct netdev *netdev);

/* Tells of a type of datapath that has ports of ours, as a pointer from
 * netdev_get_dpif_type().  Any thread. */
void agilio_add_dpif_type(const char *dpif_type);

/* "agilio/..." for ovs-appctl: lib/agilio-dump.c, -fallback.c, -health.c,
 * -show.c, -stats.c, -tracker.c. */
void agilio_dump_init(void);
void agilio_fallback_init(void);
void agilio_health_init(void);
void agilio_show_init(void);
void agilio_stats_init(void);
void agilio_tracker_init(void);

#endif /* agilio.h */
