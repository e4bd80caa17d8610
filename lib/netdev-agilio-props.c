/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netdev-agilio-props.c - properties of a representor: address, MTU, flags,
 * carrier, counters, status.
 *
 * Members of the netdev class, called in any thread, most of them in the main
 * thread for the bridge.  What the operator sets is kept (agilio-port.h), and
 * asked of the NIC at once if the port is there.
 */

#include <config.h>

#include "netdev-agilio-private.h"

#include <errno.h>

#include "agilio-nic.h"
#include "netdev-agilio.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"

VLOG_DEFINE_THIS_MODULE(netdev_agilio);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

#define MIN_MTU 68
#define MAX_MTU (AGILIO_MAX_FRAME - 22) /* Ethernet header and two tags. */
#define DEFAULT_MTU 1500

/* ## -------- ##
 * ## Settings ##
 * ## -------- ## */

/* Asks the NIC for an MTU or (if that is 0) a MAC.  Returns 0 if it took it,
 * ENODEV if there is no port to ask, else an errno, and logs why. */
static int
ask_port(struct netdev_agilio *dev, int mtu, const struct eth_addr *mac)
    OVS_EXCLUDED(dev->mutex)
{
    uint32_t id = netdev_agilio_port_id(&dev->up);
    char *reason = NULL;
    int error = ENODEV;

    if (id != AGILIO_PORT_NONE) {
        error = agilio_port_call(id, mtu, mac, &reason);
    }
    if (reason && error != ENODEV) {
        VLOG_WARN_RL(&rl, "%s: the NIC did not take the %s (%s)",
                     netdev_get_name(&dev->up), mtu ? "MTU" : "MAC address",
                     reason);
    }
    free(reason);
    return error;
}

int
netdev_agilio_set_etheraddr(struct netdev *netdev, const struct eth_addr mac)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    bool changed;

    ovs_mutex_lock(&dev->mutex);
    changed = !dev->port.has_mac || !eth_addr_equals(dev->port.mac, mac);
    dev->port.mac = mac;
    dev->port.has_mac = true;
    ovs_mutex_unlock(&dev->mutex);

    if (changed) {
        /* Should the NIC not take it, the datapath goes by it all the same. */
        ask_port(dev, 0, &mac);
        netdev_change_seq_changed(netdev);
    }
    return 0;
}

int
netdev_agilio_get_etheraddr(const struct netdev *netdev, struct eth_addr *mac)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    int error = 0;

    ovs_mutex_lock(&dev->mutex);
    if (dev->port.has_mac) {
        *mac = dev->port.mac;
    } else if (dev->port.seen) {
        memcpy(mac, dev->port.entry.mac, sizeof *mac);
    } else {
        error = ENODEV;
    }
    ovs_mutex_unlock(&dev->mutex);
    return error;
}

int
netdev_agilio_get_mtu(const struct netdev *netdev, int *mtup)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    *mtup = (dev->port.id != AGILIO_PORT_NONE
             ? agilio_from_le32(dev->port.entry.mtu)
             : dev->port.mtu ? dev->port.mtu : DEFAULT_MTU);
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

int
netdev_agilio_set_mtu(struct netdev *netdev, int mtu)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    int error;

    if (mtu < MIN_MTU || mtu > MAX_MTU) {
        return EINVAL;
    }
    error = ask_port(dev, mtu, NULL);
    if (error && error != ENODEV) {
        return error;
    }

    ovs_mutex_lock(&dev->mutex);
    dev->port.mtu = mtu;
    if (!error) {
        dev->port.entry.mtu = agilio_to_le32(mtu);
    }
    ovs_mutex_unlock(&dev->mutex);
    netdev_change_seq_changed(netdev);
    return 0;
}

int
netdev_agilio_update_flags(struct netdev *netdev, enum netdev_flags off,
                           enum netdev_flags on, enum netdev_flags *old)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    enum netdev_flags flags;

    if ((off | on) & ~(NETDEV_UP | NETDEV_PROMISC)) {
        return EINVAL;
    }

    ovs_mutex_lock(&dev->mutex);
    *old = dev->flags;
    flags = (dev->flags | on) & ~off;
    if (flags != dev->flags) {
        bool up = (flags & NETDEV_UP) != 0;

        if (up != dev->port.admin_up && dev->port.id != AGILIO_PORT_NONE) {
            agilio_port_send_admin(dev->port.id, dev->port.name, up);
        }
        dev->port.admin_up = up;
        dev->flags = flags;
        netdev_change_seq_changed(netdev);
    }
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

/* ## ----- ##
 * ## State ##
 * ## ----- ## */

int
netdev_agilio_get_ifindex(const struct netdev *netdev OVS_UNUSED)
{
    return -EOPNOTSUPP;         /* Else linux_tc might claim our ports. */
}

int
netdev_agilio_get_carrier(const struct netdev *netdev, bool *carrier)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    *carrier = agilio_port_link_up(&dev->port);
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

long long int
netdev_agilio_get_carrier_resets(const struct netdev *netdev)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    long long int carrier_resets;

    ovs_mutex_lock(&dev->mutex);
    carrier_resets = dev->carrier_resets;
    ovs_mutex_unlock(&dev->mutex);
    return carrier_resets;
}

int
netdev_agilio_get_stats(const struct netdev *netdev,
                        struct netdev_stats *stats)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    uint64_t n[AGILIO_PORT_WORDS];

#define STAT(NAME) n[offsetof(struct agilio_port_stats, NAME) / 8]
    ovs_mutex_lock(&dev->mutex);
    agilio_port_read_stats(&dev->port, agilio_nic_map(), n);
    stats->rx_packets = STAT(rx_packets);
    stats->rx_bytes = STAT(rx_bytes);
    stats->rx_dropped = STAT(rx_dropped);
    stats->rx_errors = STAT(rx_errors) + dev->rx_errors;
    stats->tx_packets = STAT(tx_packets);
    stats->tx_bytes = STAT(tx_bytes);
    stats->tx_dropped = STAT(tx_dropped) + dev->tx_dropped;
    stats->tx_errors = STAT(tx_errors);
    ovs_mutex_unlock(&dev->mutex);
#undef STAT
    return 0;
}

int
netdev_agilio_get_features(const struct netdev *netdev,
                           enum netdev_features *current,
                           enum netdev_features *advertised,
                           enum netdev_features *supported,
                           enum netdev_features *peer)
{
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    uint32_t mbps = 0;

    ovs_mutex_lock(&dev->mutex);
    if (dev->port.id != AGILIO_PORT_NONE) {
        mbps = agilio_from_le32(dev->port.entry.speed);
    }
    ovs_mutex_unlock(&dev->mutex);

    *current = (mbps == 10 ? NETDEV_F_10MB_FD
                : mbps == 100 ? NETDEV_F_100MB_FD
                : mbps == 1000 ? NETDEV_F_1GB_FD
                : mbps == 10000 ? NETDEV_F_10GB_FD
                : mbps == 40000 ? NETDEV_F_40GB_FD
                : mbps == 100000 ? NETDEV_F_100GB_FD : NETDEV_F_OTHER);
    *advertised = *supported = *peer = 0;
    return mbps ? 0 : EOPNOTSUPP;
}

int
netdev_agilio_get_status(const struct netdev *netdev, struct smap *smap)
{
    static const char *const names[] = {
        [AGILIO_NIC_DOWN] = "down",
        [AGILIO_NIC_ATTACHED] = "attached",
        [AGILIO_NIC_ACTIVE] = "active",
    };
    struct netdev_agilio *dev = netdev_agilio_cast(netdev);
    enum agilio_nic_status status = agilio_nic_status();
    char *path = agilio_nic_path();

    smap_add(smap, "driver_name", "agilio");
    smap_add(smap, "nic", path ? path : "none");
    smap_add(smap, "nic-status", names[status]);
    free(path);

    ovs_mutex_lock(&dev->mutex);
    if (dev->port.name) {
        smap_add(smap, "port", dev->port.name);
    }
    if (dev->port.id != AGILIO_PORT_NONE) {
        smap_add_format(smap, "port-id", "0x%08"PRIx32, dev->port.id);
    } else if (status != AGILIO_NIC_DOWN) {
        smap_add(smap, "port-status", "no such port on the NIC");
    }
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}
