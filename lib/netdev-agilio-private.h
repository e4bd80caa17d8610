/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netdev-agilio-private.h - what the two files of netdev class "agilio" share:
 * netdev-agilio.c (life, packets) and netdev-agilio-props.c (properties).
 *
 * Lock order: the list of netdevs, dev->mutex, those inside agilio-nic.c.
 * tx_mutex is only taken alone.  Receive queues belong to the thread that
 * polls them.  No lock is held while we wait for the NIC.
 */

#ifndef NETDEV_AGILIO_PRIVATE_H
#define NETDEV_AGILIO_PRIVATE_H 1

#include "agilio-port.h"
#include "agilio-queue.h"
#include "netdev-provider.h"
#include "openvswitch/list.h"
#include "ovs-thread.h"

struct netdev_agilio {
    struct netdev up;
    struct ovs_list list_node;  /* In the list of netdev-agilio.c. */

    struct ovs_mutex mutex;
    struct agilio_port_view port OVS_GUARDED;
    enum netdev_flags flags OVS_GUARDED;
    long long int carrier_resets OVS_GUARDED;
    uint64_t rx_errors OVS_GUARDED;     /* Bad records. */
    uint64_t tx_dropped OVS_GUARDED;    /* That the NIC did not get. */

    atomic_uint32_t port_id;    /* Copy of port.id for who takes no lock. */

    struct ovs_mutex tx_mutex;
    struct agilio_txq txq OVS_GUARDED;
};

struct netdev_agilio *netdev_agilio_cast(const struct netdev *);

/* Properties: members of struct netdev_class, which says what they do. */
int netdev_agilio_set_etheraddr(struct netdev *, const struct eth_addr);
int netdev_agilio_get_etheraddr(const struct netdev *, struct eth_addr *);
int netdev_agilio_get_mtu(const struct netdev *, int *mtup);
int netdev_agilio_set_mtu(struct netdev *, int mtu);
int netdev_agilio_update_flags(struct netdev *, enum netdev_flags off,
                               enum netdev_flags on, enum netdev_flags *old);
int netdev_agilio_get_ifindex(const struct netdev *);
int netdev_agilio_get_carrier(const struct netdev *, bool *carrier);
long long int netdev_agilio_get_carrier_resets(const struct netdev *);
int netdev_agilio_get_stats(const struct netdev *, struct netdev_stats *);
int netdev_agilio_get_features(const struct netdev *,
                               enum netdev_features *current,
                               enum netdev_features *advertised,
                               enum netdev_features *supported,
                               enum netdev_features *peer);
int netdev_agilio_get_status(const struct netdev *, struct smap *);

#endif /* netdev-agilio-private.h */
