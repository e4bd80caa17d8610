/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-kernel.h - what agilio.ko tells of its NICs: of the kernel datapath.
 *
 * There the kernel has the flows and talks to the NIC, and ovs-vswitchd knows
 * of neither.  So that agilio/... commands answer nevertheless, they ask by
 * generic netlink (agilio/netlink.h) and get a snapshot.  A NIC in it looks
 * as one of ours does: with a struct agilio_map, of counters that stand still.
 *
 * Main thread.  Where agilio.ko is not loaded nothing is asked, and there are
 * no NICs.
 */

#ifndef AGILIO_KERNEL_H
#define AGILIO_KERNEL_H 1

#include <net/if.h>

#include "agilio-map.h"
#include "agilio-shadow.h"
#include "agilio/msg.h"
#include "agilio/netlink.h"
#include "openvswitch/hmap.h"
#include "sset.h"

#define AGILIO_KERNEL_WORKERS 64        /* That agilio.ko bears with. */

struct agilio_kernel_nic {
    char *name;                 /* PCI address. */
    enum agilio_genl_state state;
    char *why;                  /* It is down, or NULL. */
    struct agilio_map map;      /* Of what follows; no flows, no rings. */
    struct agilio_region region;
    /* Of all workers: the first row has the sums, the others stay 0. */
    agilio_le64 counters[AGILIO_KERNEL_WORKERS][AGILIO_N_COUNTERS];
    struct agilio_port ports[AGILIO_MAX_PORTS];
    char devices[AGILIO_MAX_PORTS][IFNAMSIZ];   /* Representors, or "". */
    uint32_t ring_fill;         /* Percent, of the fullest one. */
    size_t n_flows;             /* Once they were asked for. */
};

struct agilio_kernel_flow {
    struct hmap_node node;      /* In struct agilio_kernel's 'flows'. */
    ovs_u128 ufid;              /* Or odp_flow_key_hash(), as dpif has it. */
    const struct agilio_kernel_nic *nic;
    uint32_t nic_id;            /* UINT32_MAX unless AGILIO_RESIDENT. */
    enum agilio_residency residency;
    const char *reason;         /* NULL only for AGILIO_RESIDENT. */
};

struct agilio_kernel {
    struct agilio_kernel_nic **nics;
    size_t n_nics;
    struct hmap flows;
    struct sset reasons;
    char *error;                /* Why not all is here, or NULL. */
};

/* Asks for the NICs and their ports. */
void agilio_kernel_init(struct agilio_kernel *);
void agilio_kernel_destroy(struct agilio_kernel *);

/* Asks for the flows, too. */
void agilio_kernel_get_flows(struct agilio_kernel *);
const struct agilio_kernel_flow *agilio_kernel_find_flow(
    const struct agilio_kernel *, const ovs_u128 *ufid);

const struct agilio_kernel_nic *agilio_kernel_find_nic(
    const struct agilio_kernel *, const char *name);

/* The NIC by a port of which device 'name' is the representor, or NULL. */
const struct agilio_kernel_nic *agilio_kernel_find_device(
    const struct agilio_kernel *, const char *name);

/* The id of the port of which device 'name' is the representor, or
 * AGILIO_PORT_NONE. */
uint32_t agilio_kernel_port_id(const struct agilio_kernel_nic *,
                               const char *name);

/* Asks NIC 'name' for a sign of life, which may take seconds.  Returns 0 or a
 * positive errno. */
int agilio_kernel_keepalive(const char *name);

/* As agilio_nic_call(), of NIC 'name'; only what changes nothing there. */
int agilio_kernel_call(const char *name, enum agilio_msg_type,
                       const void *body, size_t len,
                       void *reply, size_t reply_size, size_t *reply_len,
                       char **reason);

#endif /* agilio-kernel.h */
