/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/unix.c - "unix:PATH[,PEER]": a datagram socket as a port.
 *
 * For tests without root: a datagram is a frame.  The NIC binds a Unix socket
 * to PATH, replacing one that nobody has any more, and sends to the socket at
 * PEER, or without PEER to whoever sent the last frame.  Nobody there is a
 * full device.
 *
 * The kernel queues few datagrams (net.unix.max_dgram_qlen) for a receiver,
 * except from the very socket that it is connected to: a peer that connects
 * to PATH can be sent whole bursts.
 *
 * Link is always up.  Address and MTU are the port's own and bind nobody.
 *
 * Threads: 'mtu' and 'mac' are the control thread's, the rest the worker's.
 *
 * Source: unix(7).
 */

#define _GNU_SOURCE 1           /* recvmmsg() */
#include "port/common.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Kernel memory for frames on their way to a slow peer. */
#define SNDBUF (4 << 20)

struct unix_dev {
    struct agl_dev dev;
    int fd;
    struct sockaddr_un path;    /* Bound to; empty before that. */
    uint32_t mtu;
    uint8_t mac[6];

    struct sockaddr_un peer;    /* Where frames go. */
    socklen_t peer_len;         /* 0 if there is no peer yet. */
    bool peer_is_fixed;

    struct mmsghdr msgs[AGL_BURST];
    struct iovec iov[AGL_BURST];
    struct sockaddr_un from[AGL_BURST];
};

static struct unix_dev *
unix_cast(const struct agl_dev *dev)
{
    return (struct unix_dev *) dev;
}

static int
set_path(struct sockaddr_un *sun, const char *path, size_t len, char **error)
{
    memset(sun, 0, sizeof *sun);
    sun->sun_family = AF_UNIX;
    if (!len) {
        return agl_dev_fail(error, EINVAL, "unix: a path is missing");
    } else if (len >= sizeof sun->sun_path) {
        return agl_dev_fail(error, ENAMETOOLONG,
                            "unix: path %.*s is longer than the %zu bytes "
                            "that a socket's may have", (int) len, path,
                            sizeof sun->sun_path - 1);
    }
    memcpy(sun->sun_path, path, len);
    return 0;
}

static int
parse_paths(struct unix_dev *d, struct sockaddr_un *path, const char *arg,
            char **error)
{
    size_t len = strcspn(arg, ",");
    int err = set_path(path, arg, len, error);

    if (!err && arg[len] == ',') {
        err = set_path(&d->peer, arg + len + 1, strlen(arg + len + 1), error);
        d->peer_len = sizeof d->peer;
        d->peer_is_fixed = true;
    }
    return err;
}

static int
make_socket(struct unix_dev *d, const struct sockaddr_un *path, char **error)
{
    const struct sockaddr *addr = (const struct sockaddr *) path;
    const char *name = path->sun_path;
    int size = SNDBUF;
    struct stat s;

    d->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) {
        return agl_dev_fail(error, errno, "unix: no socket (%s)",
                            strerror(errno));
    }
    /* Best effort: the kernel caps it. */
    setsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (!lstat(name, &s) && S_ISSOCK(s.st_mode)
        && connect(d->fd, addr, sizeof *path) < 0 && errno == ECONNREFUSED) {
        unlink(name);           /* If this fails then bind() says so. */
    }
    if (bind(d->fd, addr, sizeof *path) < 0) {
        return agl_dev_fail(error, errno, "unix: cannot bind to %s (%s)", name,
                            strerror(errno));
    }
    d->path = *path;
    return 0;
}

static void
unix_close(struct agl_dev *dev)
{
    struct unix_dev *d = unix_cast(dev);

    if (d->path.sun_path[0]) {
        unlink(d->path.sun_path);
    }
    if (d->fd >= 0) {
        close(d->fd);
    }
    free(d);
}

static void
init_messages(struct unix_dev *d)
{
    uint32_t i;

    for (i = 0; i < AGL_BURST; i++) {
        d->msgs[i].msg_hdr.msg_iov = &d->iov[i];
        d->msgs[i].msg_hdr.msg_iovlen = 1;
    }
}

static int
unix_open(const char *name, const char *arg, uint32_t n_workers,
          struct agl_dev **devp, char **error)
{
    struct unix_dev *d = calloc(1, sizeof *d);
    struct sockaddr_un path;
    int err;

    (void) n_workers;
    if (!d) {
        return agl_dev_fail(error, ENOMEM, "unix: out of memory");
    }
    d->dev.class = &agl_dev_unix;
    d->fd = -1;
    d->mtu = 1500;
    agl_dev_stable_mac(name, arg, d->mac);
    init_messages(d);
    err = parse_paths(d, &path, arg, error);
    if (!err) {
        err = make_socket(d, &path, error);
    }
    if (err) {
        unix_close(&d->dev);
        return err;
    }
    *devp = &d->dev;
    return 0;
}

/* Room for up to 'max' frames: as many packets as the pool gives. */
static uint32_t
prepare(struct unix_dev *d, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    uint32_t n;

    for (n = 0; n < max && n < AGL_BURST; n++) {
        struct agl_pkt *pkt = agl_pkt_new(pool);

        if (!pkt) {
            break;
        }
        pkts[n] = pkt;
        d->iov[n].iov_base = pkt->data;
        d->iov[n].iov_len = AGILIO_MAX_FRAME;
        d->msgs[n].msg_hdr.msg_name = &d->from[n];
        d->msgs[n].msg_hdr.msg_namelen = sizeof d->from[n];
    }
    return n;
}

/* Whether the frame received with 'msg' is one; notes who sent it. */
static bool
accept_frame(struct unix_dev *d, const struct mmsghdr *msg)
{
    const struct msghdr *hdr = &msg->msg_hdr;

    /* The length of an unbound sender's name is that of its family alone. */
    if (!d->peer_is_fixed
        && hdr->msg_namelen > offsetof(struct sockaddr_un, sun_path)) {
        memcpy(&d->peer, hdr->msg_name, sizeof d->peer);
        d->peer_len = hdr->msg_namelen;
    }
    return msg->msg_len && !(hdr->msg_flags & MSG_TRUNC);
}

static uint32_t
unix_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    struct unix_dev *d = unix_cast(dev);
    uint32_t room = prepare(d, pool, pkts, max);
    int received = recvmmsg(d->fd, d->msgs, room, MSG_DONTWAIT, NULL);
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < room; i++) {
        struct agl_pkt *pkt = pkts[i];

        if (received < 0 || i >= (uint32_t) received) {
            agl_pkt_free(pool, pkt);
        } else if (accept_frame(d, &d->msgs[i])) {
            pkt->len = d->msgs[i].msg_len;
            pkts[n++] = pkt;
        } else {
            dev->rx_errors++;
            agl_pkt_free(pool, pkt);
        }
    }
    return n;
}

/* Sends a few; returns how many, or a negative errno if not even the first. */
static int
send_some(struct unix_dev *d, struct agl_pkt *const pkts[], uint32_t n)
{
    uint32_t i;
    int sent;

    n = n < AGL_BURST ? n : AGL_BURST;
    for (i = 0; i < n; i++) {
        d->iov[i].iov_base = pkts[i]->data;
        d->iov[i].iov_len = pkts[i]->len;
        d->msgs[i].msg_hdr.msg_name = &d->peer;
        d->msgs[i].msg_hdr.msg_namelen = d->peer_len;
    }
    sent = sendmmsg(d->fd, d->msgs, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static uint32_t
unix_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct unix_dev *d = unix_cast(dev);
    uint32_t done = 0;

    while (d->peer_len && done < n) {
        int sent = send_some(d, &pkts[done], n - done);

        if (sent > 0) {
            done += sent;
        } else if (sent == -EMSGSIZE) {
            pkts[done++]->len = 0;
        } else {
            break;              /* Full, or nobody there. */
        }
    }
    return done;
}

static int
unix_fd(const struct agl_dev *dev)
{
    return unix_cast(dev)->fd;
}

static void
unix_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    const struct unix_dev *d = unix_cast(dev);

    *status = (struct agl_dev_status) { .link_up = true, .mtu = d->mtu };
    memcpy(status->mac, d->mac, sizeof status->mac);
}

static int
unix_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    if (mtu > AGL_DEV_MAX_MTU) {
        return EINVAL;
    }
    unix_cast(dev)->mtu = mtu;
    return 0;
}

static int
unix_set_mac(struct agl_dev *dev, const uint8_t mac[6])
{
    memcpy(unix_cast(dev)->mac, mac, 6);
    return 0;
}

const struct agl_dev_class agl_dev_unix = {
    .type = "unix",
    .usage = "PATH[,PEER] (datagram sockets)",
    .open = unix_open,
    .close = unix_close,
    .rx = unix_rx,
    .tx = unix_tx,
    .fd = unix_fd,
    .status = unix_status,
    .set_mtu = unix_set_mtu,
    .set_mac = unix_set_mac,
};
