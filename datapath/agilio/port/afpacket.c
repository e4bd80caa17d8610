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
 * Several queues are as many sockets, over which the kernel spreads flows by
 * their addresses and ports, both ways alike (PACKET_FANOUT_HASH).  Of a
 * fragment it sees the addresses only: it may go by another queue than a whole
 * packet of its flow, and then overtake it.  So there is one queue unless more
 * are asked for.
 *
 * Threads: 'netif' and 'ifindex' are the control thread's, a queue is its
 * worker's; its 'fd' is used by both, each for its own.
 */

#define _GNU_SOURCE 1           /* recvmmsg() */
#include "port/common.h"
#include "port/vnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is received for one frame: the longest that the kernel makes, and not a
 * multiple of the page, so that the slots spread over the cache. */
#define SLOT_SIZE (65536 + 9 * 64)
#define TAG_LEN 4               /* Of a VLAN: room for it in front. */

/* The queue in the kernel, in its own reckoning of memory. */
#define RCVBUF (8 << 20)

union auxdata {
    struct cmsghdr align;
    uint8_t buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct queue {
    struct agl_dev dev;
    struct afpacket *d;
    int fd;

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

/* ## ------- ##
 * ## Sockets ##
 * ## ------- ## */

static int
set_option(int fd, int option, int value)
{
    return setsockopt(fd, SOL_PACKET, option, &value, sizeof value) < 0
           ? errno : 0;
}

/* What a socket receives: nothing, or what comes in. */
static int
set_filter(int fd, bool open)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, open ? UINT32_MAX : 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = { AGILIO_ARRAY_SIZE(code), code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                      sizeof program) < 0 ? errno : 0;
}

/* Binds to the interface of that index; 0 or a positive errno. */
static int
bind_queue(struct queue *q, int ifindex)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = ifindex,
    };
    struct packet_mreq mreq = {
        .mr_ifindex = ifindex,
        .mr_type = PACKET_MR_PROMISC,
    };

    if (bind(q->fd, (struct sockaddr *) &sll, sizeof sll) < 0
        || setsockopt(q->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
                      sizeof mreq) < 0) {
        return errno;
    }
    return 0;
}

/* A socket with all its options, which receives nothing before it is bound; in
 * the place of the queue's last one, if there was one.  0 or a positive
 * errno. */
static int
make_socket(struct queue *q)
{
    static const int options[] = {
        PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING
    };
    const int size = RCVBUF;
    int fd, err = 0;
    size_t i;

    fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    for (i = 0; !err && i < AGILIO_ARRAY_SIZE(options); i++) {
        err = set_option(fd, options[i], 1);
    }
    /* Best effort: beyond the system's limit if that is allowed. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (q->fd < 0) {
        q->fd = fd;
    } else {
        err = err ? err : dup3(fd, q->fd, O_CLOEXEC) < 0 ? errno : 0;
        close(fd);
    }
    return err;
}

/* Makes one group of the sockets.  What they get until all of them are in it
 * has been filtered out, since more than one got it. */
static int
make_group(struct afpacket *d)
{
    int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    socklen_t len = sizeof group;
    int err = 0;

    for (uint32_t i = 0; !err && i < d->n_queues; i++) {
        err = set_option(d->queues[i].fd, PACKET_FANOUT, group);
        if (!err && !i && getsockopt(d->queues[i].fd, SOL_PACKET,
                                     PACKET_FANOUT, &group, &len) < 0) {
            err = errno;
        }
    }
    for (uint32_t i = 0; !err && i < d->n_queues; i++) {
        err = set_filter(d->queues[i].fd, true);
    }
    return err;
}

/* Has the sockets receive from the interface of that index.  A single one can
 * be bound anew; those of a group cannot, others take their place.  0 or a
 * positive errno. */
static int
attach(struct afpacket *d, int ifindex)
{
    bool grouped = d->n_queues > 1;
    int err = 0;

    for (uint32_t i = 0; !err && i < d->n_queues; i++) {
        struct queue *q = &d->queues[i];

        err = grouped || q->fd < 0 ? make_socket(q) : 0;
        err = !err && grouped ? set_filter(q->fd, false) : err;
        err = err ? err : bind_queue(q, ifindex);
    }
    err = !err && grouped ? make_group(d) : err;
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
        if (d->queues[i].fd >= 0) {
            close(d->queues[i].fd);
        }
    }
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
    if (!d) {
        return agl_dev_fail(error, ENOMEM, "afpacket: out of memory");
    }
    d->n_queues = n;
    while (n--) {
        d->queues[n].dev.class = &agl_dev_afpacket;
        d->queues[n].d = d;
        d->queues[n].fd = -1;
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

    if (!getsockopt(q->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len)) {
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
    n = recvmmsg(q->fd, q->rx_msgs, AGL_BURST, MSG_DONTWAIT, NULL);
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
    sent = sendmmsg(q->fd, q->tx_msgs, n, MSG_DONTWAIT);
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
    return queue_cast(dev)->fd;
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
