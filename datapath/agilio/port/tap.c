/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/tap.c - "tap:IFNAME": a tap interface whose other end is the port.
 *
 * The tap is made if there is none of that name, and then goes away with the
 * port.  It may be moved to another network namespace afterwards: frames, link
 * state and address go by the descriptor and not by the name; only MTU and
 * administrative state are then those of the namespace that has it.  Frames
 * pass with a struct virtio_net_hdr in front, tags and all, and may be
 * unfinished both ways (vnet.h).  A tap moves one frame per system call: the
 * kernel has no other way for it.
 *
 * Link is up while the interface is.  Bringing the port up brings the
 * interface up; bringing it down leaves it alone, as in afpacket.c.
 *
 * Threads: rx and tx use 'fd'; the control thread asks 'fd' for link state and
 * address, which the kernel serialises, and owns 'netif' and 'mtu'.
 *
 * Source: Linux Documentation/networking/tuntap.rst.
 */

#define _GNU_SOURCE 1           /* dup3() */
#include "port/common.h"
#include "port/vnet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The longest frame that the kernel makes, and not a multiple of the page, so
 * that the slots spread over the cache. */
#define SLOT_SIZE (65536 + 9 * 64)

struct tap {
    struct agl_dev dev;
    int fd;
    struct agl_netif netif;
    uint32_t mtu;               /* When last seen. */

    /* Received last, those that are unfinished. */
    uint8_t slots[AGL_BURST][SLOT_SIZE];
    struct virtio_net_hdr hdrs[AGL_BURST];
    struct virtio_net_hdr zeros;        /* Nothing left to do. */
};

static struct tap *
tap_cast(const struct agl_dev *dev)
{
    return (struct tap *) dev;
}

static void
tap_close(struct agl_dev *dev)
{
    struct tap *d = tap_cast(dev);

    if (d->fd >= 0) {
        close(d->fd);
    }
    agl_netif_close(&d->netif);
    free(d);
}

/* All of open that can fail once there is a device to close. */
static int
start(struct tap *d, char **error)
{
    const unsigned long offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6
                                   | TUN_F_TSO_ECN;
    const int hdr_size = sizeof d->zeros;
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

    d->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (d->fd < 0) {
        return agl_dev_fail(error, errno, "tap: cannot open /dev/net/tun (%s)",
                            strerror(errno));
    }
    memcpy(ifr.ifr_name, d->netif.name, sizeof ifr.ifr_name);
    if (ioctl(d->fd, TUNSETIFF, &ifr) < 0) {
        return agl_dev_fail(error, errno, "tap: cannot make interface %s (%s)",
                            d->netif.name, strerror(errno));
    }
    if (ioctl(d->fd, TUNSETVNETHDRSZ, &hdr_size) < 0
        || ioctl(d->fd, TUNSETOFFLOAD, offloads) < 0) {
        return agl_dev_fail(error, errno,
                            "tap: offloads of %s cannot be turned on (%s)",
                            d->netif.name, strerror(errno));
    }
    return 0;
}

static int
tap_open(const char *name, const char *arg, uint32_t n_workers,
         struct agl_dev **devp, char **error)
{
    struct tap *d = calloc(1, sizeof *d);
    int err;

    (void) name;
    (void) n_workers;
    if (!d) {
        return agl_dev_fail(error, ENOMEM, "tap: out of memory");
    }
    d->dev.class = &agl_dev_tap;
    d->fd = -1;
    err = agl_netif_open(&d->netif, "tap", arg, error);
    if (!err) {
        err = start(d, error);
    }
    if (err) {
        tap_close(&d->dev);
        return err;
    }
    *devp = &d->dev;
    return 0;
}

/* The tap was deleted under us, and its descriptor would poll readable from
 * now on.  A socket that is connected to nothing takes its place, under the
 * same number: it gives nothing, takes nothing, and has no address. */
static void
go_silent(struct tap *d)
{
    int silent = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    if (silent >= 0) {
        dup3(silent, d->fd, O_CLOEXEC);
        close(silent);
    }
}

/* Receives one frame into slot 'i'; 'error' is the errno, 0 if it is the frame
 * that is no good. */
static bool
receive(struct tap *d, uint32_t i, struct agl_pkt *pkt, int *error)
{
    struct iovec iov[2] = {
        { &d->hdrs[i], sizeof d->hdrs[i] }, { d->slots[i], SLOT_SIZE },
    };
    ssize_t len = readv(d->fd, iov, 2);

    *error = len < 0 ? errno : len == 0 ? EAGAIN : 0;
    return len > (ssize_t) sizeof d->hdrs[i]
           && agl_vnet_receive(pkt, d->slots[i], len - sizeof d->hdrs[i],
                               &d->hdrs[i]);
}

/* Frames that are no good count as frames of the burst, so that a flood of
 * them does not hold the worker. */
static uint32_t
tap_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
       uint32_t max)
{
    struct tap *d = tap_cast(dev);
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < max && i < AGL_BURST; i++) {
        struct agl_pkt *pkt = agl_pkt_new(pool);
        int error;

        if (!pkt) {
            break;
        }
        if (receive(d, i, pkt, &error)) {
            pkts[n++] = pkt;
            continue;
        }
        agl_pkt_free(pool, pkt);
        if (error) {
            if (error == EBADFD) {
                go_silent(d);
            }
            break;
        }
        dev->rx_errors++;
    }
    return n;
}

static uint32_t
tap_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct tap *d = tap_cast(dev);
    uint32_t i;

    for (i = 0; i < n; i++) {
        const struct iovec iov[2] = {
            { (void *) (pkts[i]->vnet ? pkts[i]->vnet : &d->zeros),
              sizeof d->zeros },
            { pkts[i]->data, pkts[i]->len },
        };

        if (writev(d->fd, iov, 2) >= 0) {
            continue;
        } else if (errno == EINVAL || errno == EMSGSIZE) {
            pkts[i]->len = 0;
        } else {
            break;              /* Full, or down, or gone. */
        }
    }
    return i;
}

static int
tap_fd(const struct agl_dev *dev)
{
    return tap_cast(dev)->fd;
}

/* A tap takes frames exactly while it is up, wherever it has been moved. */
static bool
tap_is_up(const struct tap *d)
{
    struct pollfd pfd = { .fd = d->fd, .events = POLLOUT };

    return poll(&pfd, 1, 0) == 1 && pfd.revents == POLLOUT;
}

static void
tap_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    struct tap *d = tap_cast(dev);
    struct ifreq ifr = { 0 };

    agl_netif_status(&d->netif, status);
    d->mtu = status->mtu ? status->mtu : d->mtu;
    status->mtu = d->mtu;
    status->link_up = false;
    if (!ioctl(d->fd, SIOCGIFHWADDR, &ifr)) {
        memcpy(status->mac, ifr.ifr_hwaddr.sa_data, sizeof status->mac);
        status->link_up = tap_is_up(d);
    }
}

static int
tap_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    return agl_netif_set_mtu(&tap_cast(dev)->netif, mtu);
}

/* No such interface here: it has been moved, and whoever has it brings it
 * up. */
static int
tap_set_up(struct agl_dev *dev, bool up)
{
    int err = up ? agl_netif_bring_up(&tap_cast(dev)->netif) : 0;

    return err == ENODEV ? 0 : err;
}

static int
tap_set_mac(struct agl_dev *dev, const uint8_t mac[6])
{
    return agl_netif_set_mac(&tap_cast(dev)->netif, mac);
}

const struct agl_dev_class agl_dev_tap = {
    .type = "tap",
    .usage = "IFNAME (a tap interface, made if there is none)",
    .open = tap_open,
    .close = tap_close,
    .rx = tap_rx,
    .tx = tap_tx,
    .takes_unfinished = true,
    .finish = agl_vnet_finish,
    .fd = tap_fd,
    .status = tap_status,
    .set_mtu = tap_set_mtu,
    .set_up = tap_set_up,
    .set_mac = tap_set_mac,
};
