/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/common.c - what the port drivers share.
 *
 * Control thread only.  Interfaces are controlled with the ioctls of
 * netdevice(7); the speed comes from ETHTOOL_GLINKSETTINGS, see
 * <linux/ethtool.h>.
 */

#define _GNU_SOURCE 1           /* vasprintf() */
#include "port/common.h"

#include <errno.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int
agl_dev_fail(char **error, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (vasprintf(error, format, args) < 0) {
        *error = NULL;
    }
    va_end(args);
    return err;
}

bool
agl_dev_parse_number(const char **arg, const char *name, uint32_t min,
                     uint32_t max, uint32_t *number)
{
    size_t len = strlen(name);
    unsigned long n;
    char *end;

    if (strncmp(*arg, name, len) || (*arg)[len] != '=') {
        return true;
    }
    n = strtoul(*arg + len + 1, &end, 10);
    if (*end != ',' || n < min || n > max) {
        return false;
    }
    *number = (uint32_t) n;
    *arg = end + 1;
    return true;
}

void
agl_dev_stable_mac(const char *name, const char *arg, uint8_t mac[6])
{
    const char *strings[] = { name, "/", arg };
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a. */
    size_t i;

    for (i = 0; i < AGILIO_ARRAY_SIZE(strings); i++) {
        const char *p;

        for (p = strings[i]; *p; p++) {
            hash = (hash ^ (uint8_t) *p) * UINT64_C(0x100000001b3);
        }
    }
    for (i = 0; i < 6; i++) {
        mac[i] = hash >> (8 * i);
    }
    mac[0] = (mac[0] & ~1u) | 2;
}

int
agl_netif_open(struct agl_netif *netif, const char *type, const char *name,
               char **error)
{
    size_t len = strlen(name);

    netif->fd = -1;
    if (!len || len >= sizeof netif->name) {
        return agl_dev_fail(error, EINVAL,
                            "%s: \"%s\" cannot be the name of an interface",
                            type, name);
    }
    memcpy(netif->name, name, len + 1);
    netif->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (netif->fd < 0) {
        return agl_dev_fail(error, errno, "%s: no socket (%s)", type,
                            strerror(errno));
    }
    return 0;
}

void
agl_netif_close(struct agl_netif *netif)
{
    if (netif->fd >= 0) {
        close(netif->fd);
    }
}

/* An ioctl with 'ifr' after it was given the name; 0 or a positive errno. */
static int
netif_ioctl(const struct agl_netif *netif, unsigned long cmd,
            struct ifreq *ifr)
{
    memcpy(ifr->ifr_name, netif->name, sizeof ifr->ifr_name);
    return ioctl(netif->fd, cmd, ifr) < 0 ? errno : 0;
}

int
agl_netif_index(const struct agl_netif *netif)
{
    struct ifreq ifr = { 0 };

    return netif_ioctl(netif, SIOCGIFINDEX, &ifr) ? 0 : ifr.ifr_ifindex;
}

bool
agl_netif_is_ethernet(const struct agl_netif *netif)
{
    struct ifreq ifr = { 0 };

    return !netif_ioctl(netif, SIOCGIFHWADDR, &ifr)
           && ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

/* In Mb/s, 0 if not known.  The kernel first has to be asked how long its
 * link mode masks are, and takes the real request only with that length. */
static uint32_t
netif_speed(const struct agl_netif *netif)
{
    union {
        struct ethtool_link_settings settings;
        uint8_t room[sizeof(struct ethtool_link_settings)
                     + 3 * SCHAR_MAX * sizeof(uint32_t)]; /* The masks. */
    } request = { .settings.cmd = ETHTOOL_GLINKSETTINGS };
    struct ethtool_link_settings *settings = &request.settings;
    struct ifreq ifr = { .ifr_data = (void *) &request };

    if (netif_ioctl(netif, SIOCETHTOOL, &ifr)
        || settings->link_mode_masks_nwords >= 0) {
        return 0;
    }
    settings->link_mode_masks_nwords *= -1;
    settings->cmd = ETHTOOL_GLINKSETTINGS;
    if (netif_ioctl(netif, SIOCETHTOOL, &ifr)
        || settings->speed == (uint32_t) SPEED_UNKNOWN) {
        return 0;
    }
    return settings->speed;
}

void
agl_netif_status(const struct agl_netif *netif, struct agl_dev_status *status)
{
    const short int up = IFF_UP | IFF_RUNNING;
    struct ifreq ifr = { 0 };

    memset(status, 0, sizeof *status);
    if (netif_ioctl(netif, SIOCGIFFLAGS, &ifr)) {
        return;
    }
    status->link_up = (ifr.ifr_flags & up) == up;
    if (!netif_ioctl(netif, SIOCGIFMTU, &ifr)) {
        status->mtu = ifr.ifr_mtu;
    }
    if (!netif_ioctl(netif, SIOCGIFHWADDR, &ifr)) {
        memcpy(status->mac, ifr.ifr_hwaddr.sa_data, sizeof status->mac);
    }
    status->speed = netif_speed(netif);
}

int
agl_netif_set_mtu(const struct agl_netif *netif, uint32_t mtu)
{
    struct ifreq ifr = { .ifr_mtu = mtu };

    if (mtu > AGL_DEV_MAX_MTU) {
        return EINVAL;
    }
    return netif_ioctl(netif, SIOCSIFMTU, &ifr);
}

int
agl_netif_set_mac(const struct agl_netif *netif, const uint8_t mac[6])
{
    struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

    memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
    return netif_ioctl(netif, SIOCSIFHWADDR, &ifr);
}

int
agl_netif_bring_up(const struct agl_netif *netif)
{
    struct ifreq ifr = { 0 };
    int err = netif_ioctl(netif, SIOCGIFFLAGS, &ifr);

    if (err || ifr.ifr_flags & IFF_UP) {
        return err;
    }
    ifr.ifr_flags |= IFF_UP;
    return netif_ioctl(netif, SIOCSIFFLAGS, &ifr);
}
