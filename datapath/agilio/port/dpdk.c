/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/dpdk.c - "dpdk:[mbufs=N,][mtu=N,][queues=N,]DEVARGS": a DPDK device as
 * a port.
 *
 * DEVARGS is what DPDK calls a device: the PCI address of a NIC, or a virtual
 * device and its arguments (net_tap0,iface=x; net_pcap0,rx_pcap=FILE; ...).
 * The device is probed when the port is added and removed with it.
 *
 * Packets lie in the device's own buffers, mbufs (dpdk.h has the picture), and
 * go through the NIC there; one that goes out by a DPDK port again was never
 * copied.  A packet of the worker's pool, from another driver or a copy that a
 * flow made, is copied into an mbuf of this port.
 *
 * Rx and tx are polled; by a worker that is idle, less and less often.
 * Checksums and tags are the packets', as on a wire; the device is asked for
 * no offloads but RSS, by which it spreads flows over its queues.  If it can,
 * there are as many of these as there are workers, else one.  More may be
 * asked for; whoever feeds such a device then has to keep a flow on one queue.
 *
 * Threads: rx and tx of a queue are its worker's, which registers with DPDK
 * for a cache of its own; 'lost' is counted by the control thread for the
 * first queue's.
 */

#include "port/dpdk.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_config.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "port/common.h"

#define N_DESC 1024             /* As asked for; the device may have less. */
#define MIN_MBUFS 8192          /* Unless there are so many queues that... */
#define QUEUE_MBUFS 4096        /* ...they need more. */
#define DEFAULT_MTU 1500

struct queue {
    struct agl_dev dev;
    struct dpdk *d;
    uint16_t index;
    bool is_served;             /* By a thread that is known to DPDK. */
};

struct dpdk {
    uint16_t port;              /* RTE_MAX_ETHPORTS: none is open. */
    uint16_t n_queues;          /* 0 at first: not chosen. */
    uint16_t max_queues;        /* A worker each. */
    struct rte_mempool *pool;
    uint32_t n_mbufs;           /* 0: as many as the queues need. */
    uint32_t max_mtu;           /* That an mbuf has room for. */
    uint64_t lost;              /* By the device, since it was opened. */
    uint64_t counted;           /* Of those, in 'rx_errors'. */
    struct queue queues[];      /* The first is the device. */
};

static struct queue *
queue_cast(const struct agl_dev *dev)
{
    return (struct queue *) (void *) dev;
}

static struct dpdk *
dpdk_cast(const struct agl_dev *dev)
{
    return queue_cast(dev)->d;
}

/* Bytes of a frame with an IP packet of 'mtu' bytes and two tags. */
static uint32_t
frame_len(uint32_t mtu)
{
    return mtu + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
}

static struct agl_pkt *
pkt_of(struct rte_mbuf *mbuf)
{
    return rte_mbuf_to_priv(mbuf);
}

static struct rte_mbuf *
mbuf_of(const struct agl_pkt *pkt)
{
    return (struct rte_mbuf *) (void *) pkt - 1;
}

/* ## ---- ##
 * ## Open ##
 * ## ---- ## */

static int
parse(struct dpdk *d, const char **arg, char **error)
{
    uint32_t n_queues = 0;

    d->max_mtu = DEFAULT_MTU;
    if (!agl_dev_parse_number(arg, "mbufs", 1024, 1 << 22, &d->n_mbufs)
        || !agl_dev_parse_number(arg, "mtu", 68, AGL_DEV_MAX_MTU, &d->max_mtu)
        || !agl_dev_parse_number(arg, "queues", 1, d->max_queues, &n_queues)) {
        return agl_dev_fail(error, EINVAL, "dpdk: \"%s\" does not begin with "
                            "mbufs=1024..%d, mtu=68..%d or queues=1..%d (as "
                            "many as workers), a comma, and a device", *arg,
                            1 << 22, AGL_DEV_MAX_MTU, d->max_queues);
    } else if (!**arg) {
        return agl_dev_fail(error, EINVAL, "dpdk: a device is missing");
    }
    d->n_queues = (uint16_t) n_queues;
    return 0;
}

/* Finds the device that 'devargs' names, and takes it for this port. */
static int
probe(struct dpdk *d, const char *devargs, char **error)
{
    struct rte_dev_iterator iterator;
    uint16_t port;
    int err;

    RTE_ETH_FOREACH_MATCHING_DEV (port, devargs, &iterator) {
        rte_eth_iterator_cleanup(&iterator);
        return agl_dev_fail(error, EBUSY, "dpdk: device %s is in use",
                            devargs);
    }
    err = rte_dev_probe(devargs);
    if (err) {
        /* DPDK's errors tell no more: -EFAULT, -1, ... */
        return agl_dev_fail(error, ENODEV, "dpdk: no device %s", devargs);
    }
    RTE_ETH_FOREACH_MATCHING_DEV (port, devargs, &iterator) {
        rte_eth_iterator_cleanup(&iterator);
        d->port = port;
        return 0;
    }
    return agl_dev_fail(error, ENODEV, "dpdk: %s is no Ethernet device",
                        devargs);
}

/* What of RSS there is that keeps a flow on a queue. */
static uint64_t
usable_rss(const struct rte_eth_dev_info *info)
{
    return info->flow_type_rss_offloads
           & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
}

/* Chooses the number of queues unless it was asked for.  A device that tells
 * of RSS, but has no table of which flows go where, leaves it to others: with
 * net_tap the kernel may move a flow to another queue. */
static int
choose_queues(struct dpdk *d, const struct rte_eth_dev_info *info,
              char **error)
{
    uint16_t n = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

    if (d->n_queues > n) {
        return agl_dev_fail(error, EINVAL, "dpdk: queues=%d, but the device "
                            "has %d", d->n_queues, n);
    }
    if (!d->n_queues) {
        d->n_queues = usable_rss(info) && info->reta_size
                      ? RTE_MIN(n, d->max_queues) : 1;
    }
    if (!d->n_mbufs) {
        d->n_mbufs = RTE_MAX(MIN_MBUFS, QUEUE_MBUFS * d->n_queues);
    }
    return 0;
}

/* Sets the queues up, each both ways; 0 or a negative errno. */
static int
set_up_queues(struct dpdk *d, const struct rte_eth_dev_info *info)
{
    struct rte_eth_conf conf = { .rxmode = { .mtu = d->max_mtu } };
    uint16_t n_rx = N_DESC, n_tx = N_DESC;
    int err;

    if (d->n_queues > 1 && usable_rss(info)) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = usable_rss(info);
    }
    err = rte_eth_dev_configure(d->port, d->n_queues, d->n_queues, &conf);
    err = err ? err : rte_eth_dev_adjust_nb_rx_tx_desc(d->port, &n_rx, &n_tx);
    for (uint16_t i = 0; !err && i < d->n_queues; i++) {
        err = rte_eth_rx_queue_setup(d->port, i, n_rx, SOCKET_ID_ANY, NULL,
                                     d->pool);
        err = err ? err : rte_eth_tx_queue_setup(d->port, i, n_tx,
                                                 SOCKET_ID_ANY, NULL);
    }
    return err;
}

static int
start(struct dpdk *d, const char *devargs, char **error)
{
    struct rte_eth_dev_info info;
    int err = probe(d, devargs, error);

    if (!err && rte_eth_dev_info_get(d->port, &info)) {
        err = agl_dev_fail(error, EIO, "dpdk: %s tells nothing of itself",
                           devargs);
    }
    err = err ? err : choose_queues(d, &info, error);
    if (err) {
        return err;
    }
    d->pool = agl_dpdk_pool_create(d->n_mbufs, frame_len(d->max_mtu));
    if (!d->pool) {
        return agl_dev_fail(error, rte_errno, "dpdk: no memory for %"PRIu32
                            " mbufs (%s)", d->n_mbufs,
                            rte_strerror(rte_errno));
    }
    err = set_up_queues(d, &info);
    err = err ? err : rte_eth_dev_start(d->port);
    if (err) {
        return agl_dev_fail(error, -err, "dpdk: cannot start %s (%s)", devargs,
                            rte_strerror(-err));
    }
    rte_eth_promiscuous_enable(d->port);    /* Virtual ones cannot. */
    return 0;
}

static void
dpdk_close(struct agl_dev *dev)
{
    struct dpdk *d = dpdk_cast(dev);
    struct rte_eth_dev_info info;

    if (d->port != RTE_MAX_ETHPORTS
        && !rte_eth_dev_info_get(d->port, &info)) {
        rte_eth_dev_stop(d->port);
        rte_eth_dev_close(d->port);
        rte_dev_remove(info.device);
    }
    if (d->pool) {
        agl_dpdk_pool_destroy(d->pool);
    }
    free(d);
}

static int
dpdk_open(const char *name, const char *arg, uint32_t n_workers,
          struct agl_dev **devp, char **error)
{
    struct dpdk *d = calloc(1, sizeof *d + n_workers * sizeof d->queues[0]);
    int err;

    (void) name;
    if (!d) {
        return agl_dev_fail(error, ENOMEM, "dpdk: out of memory");
    }
    d->max_queues = (uint16_t) n_workers;
    for (uint16_t i = 0; i < n_workers; i++) {
        d->queues[i].dev.class = &agl_dev_dpdk;
        d->queues[i].d = d;
        d->queues[i].index = i;
    }
    d->port = RTE_MAX_ETHPORTS;
    err = parse(d, &arg, error);
    err = err ? err : agl_dpdk_start(error);
    err = err ? err : start(d, arg, error);
    if (err) {
        dpdk_close(&d->queues[0].dev);
        return err;
    }
    *devp = &d->queues[0].dev;
    return 0;
}

static struct agl_dev *
dpdk_queue(struct agl_dev *dev, uint32_t i)
{
    struct dpdk *d = dpdk_cast(dev);

    return i < d->n_queues ? &d->queues[i].dev : NULL;
}

/* ## --- ##
 * ## I/O ##
 * ## --- ## */

/* What the control thread saw the device lose. */
static void
count_losses(struct queue *q)
{
    uint64_t lost = agilio_load_relaxed(&q->d->lost);

    q->dev.rx_errors += lost - q->d->counted;
    q->d->counted = lost;
}

/* A thread that is not DPDK's own has no cache of mbufs before it is known to
 * DPDK; if there are too many threads then it goes without. */
static void
serve(struct queue *q)
{
    static __thread bool registered;

    if (AGILIO_UNLIKELY(!q->is_served)) {
        if (!registered) {
            rte_thread_register();
            registered = true;
        }
        q->is_served = true;
    }
}

/* One piece, in the mbuf's own buffer: what the device was set up for. */
static bool
is_plain(const struct rte_mbuf *mbuf)
{
    return mbuf->nb_segs == 1 && RTE_MBUF_DIRECT(mbuf)
           && mbuf->data_len <= AGILIO_MAX_FRAME;
}

/* Has wide vectors where the CPU has: packets are big, and to be cleared. */
#if defined __x86_64__ && !defined AGL_PLAIN_C
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static uint32_t
dpdk_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    struct queue *q = queue_cast(dev);
    struct rte_mbuf *mbufs[AGL_BURST];
    uint32_t n_received, n = 0;

    (void) pool;
    serve(q);
    if (!q->index) {
        count_losses(q);
    }
    n_received = rte_eth_rx_burst(q->d->port, q->index, mbufs,
                                  max < AGL_BURST ? max : AGL_BURST);
    for (uint32_t i = 0; i < n_received; i++) {
        __builtin_prefetch(pkt_of(mbufs[i]), 1);
        __builtin_prefetch(rte_pktmbuf_mtod(mbufs[i], uint8_t *));
    }
    for (uint32_t i = 0; i < n_received; i++) {
        struct rte_mbuf *mbuf = mbufs[i];

        if (AGILIO_UNLIKELY(!is_plain(mbuf))) {
            dev->rx_errors++;
            rte_pktmbuf_free(mbuf);
            continue;
        }
        pkts[n] = pkt_of(mbuf);
        agl_pkt_init(pkts[n++], rte_pktmbuf_mtod(mbuf, uint8_t *),
                     mbuf->data_len);
    }
    return n;
}

/* A copy of a packet of the worker's pool.  NULL if there is no mbuf; 'pkt'
 * gets length 0 if one is too short for it. */
static struct rte_mbuf *
copy(struct dpdk *d, struct agl_pkt *pkt)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(d->pool);
    char *data = mbuf ? rte_pktmbuf_append(mbuf, (uint16_t) pkt->len) : NULL;

    if (data) {
        memcpy(data, pkt->data, pkt->len);
    } else if (mbuf) {
        pkt->len = 0;
        rte_pktmbuf_free(mbuf);
        mbuf = NULL;
    }
    return mbuf;
}

/* Whether all of the frame lies in an mbuf, where DPDK can see it. */
static bool
lies_in_mbuf(const struct agl_pkt *pkt)
{
    return (pkt->give_back
            && pkt->data >= (const uint8_t *) mbuf_of(pkt)->buf_addr);
}

/* The mbuf that 'pkt' lies in.  A frame that grew beyond the mbuf's own
 * headroom moves back to where DPDK can see it.  NULL, and length 0, if there
 * is no room for that. */
static struct rte_mbuf *
hand_over(struct agl_pkt *pkt)
{
    struct rte_mbuf *mbuf = mbuf_of(pkt);
    uint8_t *buffer = mbuf->buf_addr;

    if (AGILIO_UNLIKELY(pkt->data < buffer)) {
        if (pkt->len > mbuf->buf_len) {
            pkt->len = 0;
            return NULL;
        }
        memmove(buffer, pkt->data, pkt->len);
        pkt->data = buffer;
    }
    mbuf->data_off = (uint16_t) (pkt->data - buffer);
    mbuf->data_len = (uint16_t) pkt->len;
    mbuf->pkt_len = pkt->len;
    return mbuf;
}

/* The same as dpdk_tx(), where some may be of another driver, or too long. */
static uint32_t
send_mixed(struct queue *q, struct agl_pkt *pkts[], uint32_t n)
{
    struct dpdk *d = q->d;
    struct rte_mbuf *mbufs[AGL_BURST];
    uint32_t places[AGL_BURST];         /* Of 'mbufs' in 'pkts'. */
    uint32_t n_mbufs = 0, n_done, i;

    for (i = 0; i < n && n_mbufs < AGL_BURST; i++) {
        bool ours = pkts[i]->give_back != NULL;
        struct rte_mbuf *mbuf = ours ? hand_over(pkts[i]) : copy(d, pkts[i]);

        if (mbuf) {
            pkts[i] = ours ? NULL : pkts[i];
            places[n_mbufs] = i;
            mbufs[n_mbufs++] = mbuf;
        } else if (pkts[i]->len) {
            break;              /* No mbuf: as good as a full device. */
        }
    }
    if (!n_mbufs) {
        return i;
    }
    n_done = rte_eth_tx_burst(d->port, q->index, mbufs, (uint16_t) n_mbufs);
    while (AGILIO_UNLIKELY(n_mbufs > n_done)) {
        i = places[--n_mbufs];
        if (!pkts[i]) {
            pkts[i] = pkt_of(mbufs[n_mbufs]);
        } else {
            rte_pktmbuf_free(mbufs[n_mbufs]);
        }
    }
    return i;
}

static uint32_t
dpdk_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct queue *q = queue_cast(dev);
    struct rte_mbuf *mbufs[AGL_BURST];
    uint32_t n_done, i;

    serve(q);
    for (i = 0; i < n && i < AGL_BURST; i++) {
        if (AGILIO_UNLIKELY(!lies_in_mbuf(pkts[i]))) {
            return send_mixed(q, pkts, n);
        }
        mbufs[i] = hand_over(pkts[i]);
    }
    n_done = rte_eth_tx_burst(q->d->port, q->index, mbufs, (uint16_t) i);
    memset(pkts, 0, n_done * sizeof pkts[0]);
    return n_done;
}

static int
dpdk_fd(const struct agl_dev *dev)
{
    (void) dev;
    return -1;
}

/* ## ------- ##
 * ## Control ##
 * ## ------- ## */

static void
dpdk_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    struct dpdk *d = dpdk_cast(dev);
    struct rte_ether_addr mac;
    struct rte_eth_stats stats;
    struct rte_eth_link link;
    uint16_t mtu;

    memset(status, 0, sizeof *status);
    if (!rte_eth_link_get_nowait(d->port, &link)) {
        status->link_up = link.link_status == RTE_ETH_LINK_UP;
        status->speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN
                        ? 0 : link.link_speed;
    }
    if (!rte_eth_dev_get_mtu(d->port, &mtu)) {
        status->mtu = mtu < d->max_mtu ? mtu : d->max_mtu;
    }
    if (!rte_eth_macaddr_get(d->port, &mac)) {
        memcpy(status->mac, mac.addr_bytes, sizeof status->mac);
    }
    if (!rte_eth_stats_get(d->port, &stats)) {
        agilio_store_relaxed(&d->lost, stats.imissed + stats.ierrors
                                       + stats.rx_nombuf);
    }
}

static int
dpdk_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    struct dpdk *d = dpdk_cast(dev);

    return mtu > d->max_mtu ? EINVAL
           : -rte_eth_dev_set_mtu(d->port, (uint16_t) mtu);
}

static int
dpdk_set_mac(struct agl_dev *dev, const uint8_t mac[6])
{
    struct rte_ether_addr addr;

    memcpy(addr.addr_bytes, mac, sizeof addr.addr_bytes);
    return -rte_eth_dev_default_mac_addr_set(dpdk_cast(dev)->port, &addr);
}

const struct agl_dev_class agl_dev_dpdk = {
    .type = "dpdk",
    .usage = "[mbufs=N,][mtu=N,][queues=N,]DEVARGS (a DPDK device)",
    .open = dpdk_open,
    .close = dpdk_close,
    .queue = dpdk_queue,
    .rx = dpdk_rx,
    .tx = dpdk_tx,
    .fd = dpdk_fd,
    .status = dpdk_status,
    .set_mtu = dpdk_set_mtu,
    .set_mac = dpdk_set_mac,
};
