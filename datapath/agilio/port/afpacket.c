/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/afpacket.c - "afpacket:[queues=N,]IFNAME": an existing Linux interface
 * as a port.
 *
 * A raw packet socket, see packet(7).  It sees what comes in on the interface,
 * promiscuously, beside the host's own stack: an interface that belongs to the
 * NIC should have no addresses.  What the kernel keeps beside a frame goes
 * back into it: the VLAN tag that it took off (PACKET_AUXDATA), and checksum
 * and segmentation that it left to the device (PACKET_VNET_HDR, vnet.h).
 *
 * A burst is received into slots of this driver, since a frame can be longer
 * than a packet.  An unfinished one stays there, and goes out as it is if that
 * is by a port like this one: the kernel at the other end has it finished, or
 * does not need it finished.  The others are copied.
 *
 * Link state is the interface's.  Bringing the port up brings the interface
 * up; bringing it down leaves the interface alone, since the pipeline drops on
 * a port that is down.  An interface that goes away is a port without link; if
 * one of that name appears again, status() takes it.
 *
 * Several queues are as many sockets, which share what comes in by flow
 * (packet-socket.h).  As a fragment may be taken for another flow's and then
 * overtake a whole packet, there is one queue unless more are asked for.
 *
 * Threads: 'netif' and 'ifindex' are the control thread's, a queue is its
 * worker's; its socket is used by both, each for its own.
 */

#define _GNU_SOURCE 1           /* recvmmsg() */
#include "port/common.h"
#include "port/packet-socket.h"
#include "port/vnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is received for one frame: the longest that the kernel makes, and not a
 * multiple of the page, so that the slots spread over the cache. */
#define SLOT_SIZE (65536 + 9 * 64)
#define TAG_LEN 4               /* Of a VLAN: room for it in front. */

union auxdata {
    struct cmsghdr align;
    uint8_t buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct queue {
    struct agl_dev dev;
    struct afpacket *d;
    const int *fd;              /* In 'd->fds'. */

    /* The received burst: slots from 'next' to 'n' wait. */
    uint8_t slots[AGL_BURST][SLOT_SIZE];
    struct virtio_net_hdr hdrs[AGL_BURST];
    uint32_t n, next;
    struct mmsghdr rx_msgs[AGL_BURST];
    struct iovec rx_iov[AGL_BURST][2];
    union auxdata aux[AGL_BURST];

    struct mmsghdr tx_msgs[AGL_BURST];
    struct iovec tx_iov[AGL_BURST][2];
    struct virtio_net_hdr zeros; /* Nothing left to do for the kernel. */
};

struct afpacket {
    struct agl_netif netif;
    int ifindex;                /* That the sockets are bound to; 0: none. */
    uint32_t n_queues;
    int *fds;                   /* [n_queues] */
    struct queue queues[];      /* The first is the device. */
};

static struct queue *
queue_cast(const struct agl_dev *dev)
{
    return (struct queue *) dev;
}

static struct afpacket *
afpacket_cast(const struct agl_dev *dev)
{
    return queue_cast(dev)->d;
}

/* Has the sockets receive from the interface of that index; 0 or a positive
 * errno. */
static int
attach(struct afpacket *d, int ifindex)
{
    int err = agl_packet_sockets_attach(d->fds, d->n_queues, ifindex);

    d->ifindex = err ? 0 : ifindex;
    return err;
}

static void
init_messages(struct queue *q)
{
    uint32_t i;

    for (i = 0; i < AGL_BURST; i++) {
        q->rx_iov[i][0].iov_base = &q->hdrs[i];
        q->rx_iov[i][0].iov_len = sizeof q->hdrs[i];
        q->rx_iov[i][1].iov_base = q->slots[i] + TAG_LEN;
        q->rx_iov[i][1].iov_len = SLOT_SIZE - TAG_LEN;
        q->rx_msgs[i].msg_hdr.msg_iov = q->rx_iov[i];
        q->rx_msgs[i].msg_hdr.msg_iovlen = 2;
        q->rx_msgs[i].msg_hdr.msg_control = &q->aux[i];

        q->tx_iov[i][0].iov_len = sizeof q->zeros;
        q->tx_msgs[i].msg_hdr.msg_iov = q->tx_iov[i];
        q->tx_msgs[i].msg_hdr.msg_iovlen = 2;
    }
}

static void
afpacket_close(struct agl_dev *dev)
{
    struct afpacket *d = afpacket_cast(dev);

    for (uint32_t i = 0; i < d->n_queues; i++) {
        if (d->fds[i] >= 0) {
            close(d->fds[i]);
        }
    }
    free(d->fds);
    agl_netif_close(&d->netif);
    free(d);
}

/* All of open that can fail once there is a device to close. */
static int
start(struct afpacket *d, char **error)
{
    const char *ifname = d->netif.name;
    int ifindex = agl_netif_index(&d->netif);
    int err;

    if (!ifindex) {
        return agl_dev_fail(error, ENODEV,
                            "afpacket: interface %s does not exist", ifname);
    } else if (!agl_netif_is_ethernet(&d->netif)) {
        return agl_dev_fail(error, EINVAL,
                            "afpacket: interface %s is not an Ethernet "
                            "interface", ifname);
    }
    err = attach(d, ifindex);
    if (err) {
        return agl_dev_fail(error, err,
                            "afpacket: no packet socket for %s (%s)%s", ifname,
                            strerror(err), err == EPERM
                            ? ": CAP_NET_RAW is needed" : "");
    }
    return 0;
}

static int
afpacket_open(const char *name, const char *arg, uint32_t n_workers,
              struct agl_dev **devp, char **error)
{
    struct afpacket *d;
    uint32_t n = 1;
    int err;

    (void) name;
    if (!agl_dev_parse_number(&arg, "queues", 1, n_workers, &n)) {
        return agl_dev_fail(error, EINVAL, "afpacket: \"%s\" does not begin "
                            "with queues=1..%"PRIu32" (as many as workers) "
                            "and a comma", arg, n_workers);
    }
    d = calloc(1, sizeof *d + n * sizeof d->queues[0]);
    if (!d || !(d->fds = calloc(n, sizeof d->fds[0]))) {
        free(d);
        return agl_dev_fail(error, ENOMEM, "afpacket: out of memory");
    }
    d->n_queues = n;
    while (n--) {
        d->queues[n].dev.class = &agl_dev_afpacket;
        d->queues[n].d = d;
        d->queues[n].fd = &d->fds[n];
        d->fds[n] = -1;
        init_messages(&d->queues[n]);
    }
    err = agl_netif_open(&d->netif, "afpacket", arg, error);
    if (!err) {
        err = start(d, error);
    }
    if (err) {
        afpacket_close(&d->queues[0].dev);
        return err;
    }
    *devp = &d->queues[0].dev;
    return 0;
}

static struct agl_dev *
afpacket_queue(struct agl_dev *dev, uint32_t i)
{
    struct afpacket *d = afpacket_cast(dev);

    return i < d->n_queues ? &d->queues[i].dev : NULL;
}

/* ## --- ##
 * ## I/O ##
 * ## --- ## */

/* What the socket had no room for; reading the count resets it. */
static void
count_losses(struct queue *q)
{
    struct tpacket_stats stats;
    socklen_t len = sizeof stats;

    if (!getsockopt(*q->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len)) {
        q->dev.rx_errors += stats.tp_drops;
    }
}

/* Receives the next burst.  An error is one of the socket as a whole, such as
 * an interface gone down, and reading it clears it, so that the descriptor
 * does not stay readable; only EINVAL also is a frame, one with offloads for
 * which the kernel has no virtio_net_hdr. */
static void
fetch(struct queue *q)
{
    uint32_t i;
    int n;

    for (i = 0; i < AGL_BURST; i++) {
        q->rx_msgs[i].msg_hdr.msg_controllen = sizeof q->aux[i];
    }
    n = recvmmsg(*q->fd, q->rx_msgs, AGL_BURST, MSG_DONTWAIT, NULL);
    if (n < 0 && errno == EINVAL) {
        q->dev.rx_errors++;
    }
    q->next = 0;
    q->n = n > 0 ? n : 0;
    if (q->n == AGL_BURST) {
        count_losses(q);        /* No losses unless there is a queue. */
    }
}

/* The VLAN tag beside a frame, as it stood in it; 0 if there was none. */
static uint32_t
stripped_tag(struct msghdr *msg)
{
    struct tpacket_auxdata aux;
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level == SOL_PACKET
            && cmsg->cmsg_type == PACKET_AUXDATA) {
            memcpy(&aux, CMSG_DATA(cmsg), sizeof aux);
            if (aux.tp_status & TP_STATUS_VLAN_VALID) {
                uint32_t tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID
                                 ? aux.tp_vlan_tpid : ETH_P_8021Q);

                return htonl(tpid << 16 | aux.tp_vlan_tci);
            }
        }
    }
    return 0;
}

/* Makes 'pkt' of what was received in slot 'i'.  A tag goes in behind the
 * addresses, which move down. */
static bool
take_frame(struct queue *q, uint32_t i, struct agl_pkt *pkt)
{
    struct mmsghdr *msg = &q->rx_msgs[i];
    struct virtio_net_hdr *hdr = &q->hdrs[i];
    uint8_t *frame = q->slots[i] + TAG_LEN;
    uint32_t len = msg->msg_len - sizeof *hdr;
    uint32_t tag;

    if (msg->msg_len < sizeof *hdr + ETH_HLEN
        || msg->msg_hdr.msg_flags & MSG_TRUNC) {
        return false;
    }
    tag = stripped_tag(&msg->msg_hdr);
    if (tag) {
        frame -= TAG_LEN;
        len += TAG_LEN;
        hdr->csum_start += TAG_LEN;
        hdr->hdr_len += TAG_LEN;
        memmove(frame, frame + TAG_LEN, 2 * ETH_ALEN);
        memcpy(frame + 2 * ETH_ALEN, &tag, TAG_LEN);
    }
    return agl_vnet_receive(pkt, frame, len, hdr);
}

/* What is left of the last burst, or else the next: a burst that is all errors
 * does not hold the worker; the descriptor tells of what is left. */
static uint32_t
afpacket_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
            uint32_t max)
{
    struct queue *q = queue_cast(dev);
    uint32_t n = 0;

    if (q->next == q->n) {
        fetch(q);
    }
    while (n < max && q->next < q->n && (pkts[n] = agl_pkt_new(pool))) {
        if (take_frame(q, q->next++, pkts[n])) {
            n++;
        } else {
            agl_pkt_free(pool, pkts[n]);
            q->dev.rx_errors++;
        }
    }
    return n;
}

/* Sends a few; returns how many, or a negative errno if not even the first. */
static int
send_some(struct queue *q, struct agl_pkt *const pkts[], uint32_t n)
{
    uint32_t i;
    int sent;

    n = n < AGL_BURST ? n : AGL_BURST;
    for (i = 0; i < n; i++) {
        q->tx_iov[i][0].iov_base = (void *) (pkts[i]->vnet
                                             ? pkts[i]->vnet : &q->zeros);
        q->tx_iov[i][1].iov_base = pkts[i]->data;
        q->tx_iov[i][1].iov_len = pkts[i]->len;
    }
    sent = sendmmsg(*q->fd, q->tx_msgs, n, MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

static uint32_t
afpacket_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct queue *q = queue_cast(dev);
    uint32_t done = 0;

    while (done < n) {
        int sent = send_some(q, &pkts[done], n - done);

        if (sent > 0) {
            done += sent;
        } else if (sent == -EMSGSIZE || sent == -EINVAL) {
            pkts[done++]->len = 0;
        } else {
            break;              /* Full, or down, or gone. */
        }
    }
    return done;
}

static int
afpacket_fd(const struct agl_dev *dev)
{
    return *queue_cast(dev)->fd;
}

static void
afpacket_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    struct afpacket *d = afpacket_cast(dev);
    int ifindex = agl_netif_index(&d->netif);
    bool attached = ifindex && (ifindex == d->ifindex || !attach(d, ifindex));

    agl_netif_status(&d->netif, status);
    status->link_up &= attached;
}

static int
afpacket_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    return agl_netif_set_mtu(&afpacket_cast(dev)->netif, mtu);
}

static int
afpacket_set_up(struct agl_dev *dev, bool up)
{
    return up ? agl_netif_bring_up(&afpacket_cast(dev)->netif) : 0;
}

static int
afpacket_set_mac(struct agl_dev *dev, const uint8_t mac[6])
{
    return agl_netif_set_mac(&afpacket_cast(dev)->netif, mac);
}

const struct agl_dev_class agl_dev_afpacket = {
    .type = "afpacket",
    .usage = "[queues=N,]IFNAME (an existing Ethernet interface)",
    .open = afpacket_open,
    .close = afpacket_close,
    .queue = afpacket_queue,
    .rx = afpacket_rx,
    .tx = afpacket_tx,
    .takes_unfinished = true,
    .finish = agl_vnet_finish,
    .fd = afpacket_fd,
    .status = afpacket_status,
    .set_mtu = afpacket_set_mtu,
    .set_up = afpacket_set_up,
    .set_mac = afpacket_set_mac,
};
