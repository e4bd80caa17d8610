/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netdev-agilio.c - netdev class "agilio": the representor of a NIC port.
 *
 * A physical port or a VF, as Open vSwitch sees it.  The NIC carries its
 * traffic; what the NIC cannot finish is received here, and what the host has
 * to send is sent here.  The main thread polls (not a PMD thread), and sleeps
 * until the NIC's doorbell rings.
 *
 * A representor lives without its port, with the link down, and comes up when
 * the NIC and the port are there.  It follows both through an observer, which
 * is called in the agilio thread.  Locks: see netdev-agilio-private.h.
 */

#include <config.h>

#include "netdev-agilio.h"

#include <errno.h>

#include "agilio-hooks.h"
#include "agilio-nic.h"
#include "agilio-rx.h"
#include "agilio.h"
#include "connectivity.h"
#include "dp-packet.h"
#include "netdev-agilio-private.h"
#include "openvswitch/poll-loop.h"
#include "seq.h"
#include "smap.h"

static struct ovs_mutex netdevs_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list netdevs OVS_GUARDED_BY(netdevs_mutex)
    = OVS_LIST_INITIALIZER(&netdevs);

struct netdev_rxq_agilio {
    struct netdev_rxq up;
    struct agilio_rxq q;
    uint32_t resumed;           /* Port id that the last batch is to be resumed
                                 * as from, or AGILIO_PORT_NONE. */
};

struct netdev_agilio *
netdev_agilio_cast(const struct netdev *netdev)
{
    ovs_assert(netdev_is_agilio(netdev));
    return CONTAINER_OF(netdev, struct netdev_agilio, up);
}

static struct netdev_rxq_agilio *
netdev_rxq_agilio_cast(const struct netdev_rxq *rxq)
{
    ovs_assert(netdev_is_agilio(rxq->netdev));
    return CONTAINER_OF(rxq, struct netdev_rxq_agilio, up);
}

bool
netdev_is_agilio(const struct netdev *netdev)
{
    return netdev->netdev_class == &netdev_agilio_class;
}

uint32_t
netdev_agilio_port_id(const struct netdev *netdev)
{
    uint32_t id;

    atomic_read(&netdev_agilio_cast(netdev)->port_id, &id);
    return id;
}

/* ## ----------------------- ##
 * ## The port comes and goes ##
 * ## ----------------------- ## */

/* The map of a NIC that is there, else NULL. */
static const struct agilio_map *
live_map(void)
{
    return (agilio_nic_status() == AGILIO_NIC_DOWN
            ? NULL : agilio_nic_map());
}

static void
refresh(struct netdev_agilio *dev, const struct agilio_map *map)
    OVS_REQUIRES(dev->mutex)
{
    bool link_up = agilio_port_link_up(&dev->port);
    bool changed = agilio_port_refresh(&dev->port, map);

    atomic_store(&dev->port_id, dev->port.id);
    dev->carrier_resets += agilio_port_link_up(&dev->port) != link_up;
    if (changed) {
        netdev_change_seq_changed(&dev->up);
        /* That wakes the main thread before it counts the change, which the
         * main thread may then miss, since this is another one. */
        seq_change(connectivity_seq_get());
    }
}

/* Observer of ports and connection. */
static void
refresh_all(const struct agilio_map *map)
{
    struct netdev_agilio *dev;

    ovs_mutex_lock(&netdevs_mutex);
    LIST_FOR_EACH (dev, list_node, &netdevs) {
        ovs_mutex_lock(&dev->mutex);
        refresh(dev, map);
        ovs_mutex_unlock(&dev->mutex);
    }
    ovs_mutex_unlock(&netdevs_mutex);
}

static void
nic_attached(const struct agilio_map *map, uint32_t n_flows OVS_UNUSED)
{
    refresh_all(map);
}

static void
nic_down(void)
{
    uint64_t stats[AGILIO_PORT_WORDS];
    struct netdev_agilio *dev;

    ovs_mutex_lock(&netdevs_mutex);
    LIST_FOR_EACH (dev, list_node, &netdevs) {
        ovs_mutex_lock(&dev->mutex);
        agilio_port_read_stats(&dev->port, agilio_nic_map(), stats);
        refresh(dev, NULL);
        ovs_mutex_unlock(&dev->mutex);
    }
    ovs_mutex_unlock(&netdevs_mutex);
}

static const struct agilio_nic_observer observer = {
    .attached = nic_attached,
    .down = nic_down,
    .ports_changed = refresh_all,
};

static int
netdev_agilio_init(void)
{
    agilio_nic_observe(&observer);
    agilio_init();
    return 0;
}

/* ## ------------- ##
 * ## Life, options ##
 * ## ------------- ## */

static struct netdev *
netdev_agilio_alloc(void)
{
    struct netdev_agilio *dev = xzalloc(sizeof *dev);

    return &dev->up;
}

/* The port is up unless the operator wants it down: nobody else could bring
 * it up. */
static int
netdev_agilio_construct(struct netdev *netdev)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);

    ovs_mutex_init(&dev->mutex);
    ovs_mutex_init(&dev->tx_mutex);
    dev->flags = NETDEV_UP | NETDEV_PROMISC;
    dev->port.admin_up = true;
    atomic_init(&dev->port_id, AGILIO_PORT_NONE);

    ovs_mutex_lock(&netdevs_mutex);
    ovs_list_push_back(&netdevs, &dev->list_node);
    ovs_mutex_unlock(&netdevs_mutex);
    return 0;
}

static void
netdev_agilio_destruct(struct netdev *netdev)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);

    ovs_mutex_lock(&netdevs_mutex);
    ovs_list_remove(&dev->list_node);
    ovs_mutex_unlock(&netdevs_mutex);

    free(dev->port.name);
    ovs_mutex_destroy(&dev->mutex);
    ovs_mutex_destroy(&dev->tx_mutex);
}

static void
netdev_agilio_dealloc(struct netdev *netdev)
{
    free(netdev_agilio_cast(netdev));
}

static int
netdev_agilio_get_config(const struct netdev *netdev, struct smap *args)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    if (dev->port.name && strcmp(dev->port.name, netdev_get_name(netdev))) {
        smap_add(args, "agilio-port", dev->port.name);
    }
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

/* The other netdev that represents NIC port 'name', NULL if there is none. */
static struct netdev_agilio *
find_rival(const struct netdev_agilio *self, const char *name)
    OVS_REQUIRES(netdevs_mutex)
{
    struct netdev_agilio *dev;

    LIST_FOR_EACH (dev, list_node, &netdevs) {
        if (dev != self) {
            bool same;

            ovs_mutex_lock(&dev->mutex);
            same = dev->port.name && !strcmp(dev->port.name, name);
            ovs_mutex_unlock(&dev->mutex);
            if (same) {
                return dev;
            }
        }
    }
    return NULL;
}

static int
netdev_agilio_set_config(struct netdev *netdev, const struct smap *args,
                         char **errp)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    const char *name = smap_get_def(args, "agilio-port",
                                    netdev_get_name(netdev));
    struct netdev_agilio *rival;

    if (!*name || strlen(name) >= AGILIO_PORT_NAME_LEN) {
        *errp = xasprintf("%s: the name of a NIC port has 1 to %d bytes, and "
                          "\"%s\" has %"PRIuSIZE"; see options:agilio-port",
                          netdev_get_name(netdev), AGILIO_PORT_NAME_LEN - 1,
                          name, strlen(name));
        return EINVAL;
    }

    ovs_mutex_lock(&netdevs_mutex);
    rival = find_rival(dev, name);
    if (rival) {
        *errp = xasprintf("%s: NIC port \"%s\" already is interface %s",
                          netdev_get_name(netdev), name,
                          netdev_get_name(&rival->up));
    } else {
        ovs_mutex_lock(&dev->mutex);
        if (!dev->port.name || strcmp(dev->port.name, name)) {
            agilio_port_rename(&dev->port, name);
            refresh(dev, live_map());
        }
        ovs_mutex_unlock(&dev->mutex);
    }
    ovs_mutex_unlock(&netdevs_mutex);
    return rival ? EBUSY : 0;
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

static struct netdev_rxq *
netdev_agilio_rxq_alloc(void)
{
    struct netdev_rxq_agilio *rx = xzalloc(sizeof *rx);

    return &rx->up;
}

/* Binds 'rx' to the port as it is now.  Returns the map, NULL if the port is
 * not there. */
static const struct agilio_map *
bind_rxq(struct netdev_rxq_agilio *rx)
{
    uint32_t id = netdev_agilio_port_id(rx->up.netdev);
    const struct agilio_map *map = live_map();

    if (!map || id == AGILIO_PORT_NONE) {
        return NULL;
    }
    agilio_rxq_bind(&rx->q, map, id);
    return map;
}

static int
netdev_agilio_rxq_construct(struct netdev_rxq *rxq)
{
    struct netdev_rxq_agilio *rx = netdev_rxq_agilio_cast(rxq);

    agilio_rxq_init(&rx->q);
    if (bind_rxq(rx)) {
        agilio_rxq_drain(&rx->q);       /* Left by a former representor. */
    }
    return 0;
}

static void
netdev_agilio_rxq_destruct(struct netdev_rxq *rxq)
{
    agilio_rxq_destroy(&netdev_rxq_agilio_cast(rxq)->q, agilio_nic_map());
}

static void
netdev_agilio_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(netdev_rxq_agilio_cast(rxq));
}

static int
netdev_agilio_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
                       int *qfill)
{
    struct netdev_rxq_agilio *rx = netdev_rxq_agilio_cast(rxq);
    struct netdev_agilio *dev = netdev_agilio_cast(rxq->netdev);
    const struct agilio_map *map = bind_rxq(rx);
    uint64_t n_bad = rx->q.n_bad;
    const char *broken;

    if (qfill) {
        *qfill = -ENOTSUP;
    }
    if (!map) {
        return EAGAIN;
    }
    broken = agilio_rxq_recv(&rx->q, map, batch, &rx->resumed);
    if (broken) {
        agilio_nic_fail(map, broken);
    }
    if (rx->q.n_bad != n_bad) {
        ovs_mutex_lock(&dev->mutex);
        dev->rx_errors += rx->q.n_bad - n_bad;
        ovs_mutex_unlock(&dev->mutex);
    }
    return dp_packet_batch_is_empty(batch) ? EAGAIN : 0;
}

/* While there is no port, nothing is waited for: a change of the netdev, which
 * wakes the main loop, comes first. */
static void
netdev_agilio_rxq_wait(struct netdev_rxq *rxq)
{
    struct netdev_rxq_agilio *rx = netdev_rxq_agilio_cast(rxq);
    const struct agilio_map *map = bind_rxq(rx);

    if (map) {
        if (!agilio_rxq_sleep(&rx->q)) {
            poll_immediate_wake();
        }
        poll_fd_wait(map->packets_fd, POLLIN);
    }
}

static int
netdev_agilio_rxq_drain(struct netdev_rxq *rxq)
{
    struct netdev_rxq_agilio *rx = netdev_rxq_agilio_cast(rxq);

    if (bind_rxq(rx)) {
        agilio_rxq_drain(&rx->q);
    }
    return 0;
}

bool
agilio_batch_is_resumed(const struct netdev_rxq *rxq,
                        struct dp_packet_batch *batch, odp_port_t port_no)
{
    struct dp_packet *packet;
    uint32_t in_port;

    if (!netdev_is_agilio(rxq->netdev)) {
        return false;
    }
    in_port = netdev_rxq_agilio_cast(rxq)->resumed;
    if (in_port == AGILIO_PORT_NONE) {
        return false;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        agilio_rx_set_in_port(packet, in_port, port_no);
    }
    return true;
}

static int
netdev_agilio_send(struct netdev *netdev, int qid OVS_UNUSED,
                   struct dp_packet_batch *batch,
                   bool concurrent_txq OVS_UNUSED)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    uint32_t id = netdev_agilio_port_id(netdev);
    const struct agilio_map *map = live_map();
    size_t n_sent = 0;
    int error = ENODEV;

    if (map && id != AGILIO_PORT_NONE) {
        ovs_mutex_lock(&dev->tx_mutex);
        agilio_txq_bind(&dev->txq, map, id);
        n_sent = agilio_txq_send(&dev->txq, map, batch, &error);
        if (dev->txq.n_ends && dev->txq.end.broken) {
            agilio_nic_fail(map, "a ring of packets to the NIC makes no "
                            "sense");
        }
        ovs_mutex_unlock(&dev->tx_mutex);
    }
    if (error) {
        ovs_mutex_lock(&dev->mutex);
        dev->tx_dropped += dp_packet_batch_size(batch) - n_sent;
        ovs_mutex_unlock(&dev->mutex);
    }
    dp_packet_delete_batch(batch, true);
    return error;
}

const struct netdev_class netdev_agilio_class = {
    .type = "agilio",
    .is_pmd = false,
    .init = netdev_agilio_init,
    .alloc = netdev_agilio_alloc,
    .construct = netdev_agilio_construct,
    .destruct = netdev_agilio_destruct,
    .dealloc = netdev_agilio_dealloc,
    .get_config = netdev_agilio_get_config,
    .set_config = netdev_agilio_set_config,
    .send = netdev_agilio_send,
    .set_etheraddr = netdev_agilio_set_etheraddr,
    .get_etheraddr = netdev_agilio_get_etheraddr,
    .get_mtu = netdev_agilio_get_mtu,
    .set_mtu = netdev_agilio_set_mtu,
    .get_ifindex = netdev_agilio_get_ifindex,
    .get_carrier = netdev_agilio_get_carrier,
    .get_carrier_resets = netdev_agilio_get_carrier_resets,
    .get_stats = netdev_agilio_get_stats,
    .get_features = netdev_agilio_get_features,
    .get_status = netdev_agilio_get_status,
    .update_flags = netdev_agilio_update_flags,
    .rxq_alloc = netdev_agilio_rxq_alloc,
    .rxq_construct = netdev_agilio_rxq_construct,
    .rxq_destruct = netdev_agilio_rxq_destruct,
    .rxq_dealloc = netdev_agilio_rxq_dealloc,
    .rxq_recv = netdev_agilio_rxq_recv,
    .rxq_wait = netdev_agilio_rxq_wait,
    .rxq_drain = netdev_agilio_rxq_drain,
};
