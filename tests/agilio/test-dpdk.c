/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-dpdk.c - the DPDK port driver, with virtual devices: net_ring, which
 * hands back what it is sent, net_null, net_pcap and net_tap.  Without huge
 * pages, so that it runs everywhere.
 */

#define _GNU_SOURCE 1           /* unshare() */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "port/dpdk.h"
#include "ports.h"

static const struct agl_dev_class *const dpdk = &agl_dev_dpdk;

static struct agl_pkt *
receive_one(struct agl_dev *dev)
{
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n = dev->class->rx(dev, &pool, pkts, AGL_BURST);

    CHECK(n == 1);
    return n == 1 ? pkts[0] : NULL;
}

static bool
is_filled(const struct agl_pkt *pkt, uint8_t x, uint32_t from, uint32_t len)
{
    for (uint32_t i = from; i < from + len; i++) {
        if (pkt->data[i] != x) {
            return false;
        }
    }
    return true;
}

/* Sends a packet of the pool to a ring, and takes it back as an mbuf. */
static struct agl_pkt *
make_mbuf(struct agl_dev *ring, uint8_t x, uint32_t len)
{
    uint8_t frame[AGILIO_MAX_FRAME];

    memset(frame, x, len);
    CHECK(send_one(ring, frame, len, NULL) == 1);
    return receive_one(ring);
}

static void
test_errors(void)
{
    struct agl_dev *dev;

    CHECK(open_fails(dpdk, "", EINVAL, "a device is missing"));
    CHECK(open_fails(dpdk, "mbufs=8192", EINVAL, "mbufs=1024"));
    CHECK(open_fails(dpdk, "mbufs=1,net_null0", EINVAL, "mbufs=1024"));
    CHECK(open_fails(dpdk, "mtu=99999,net_null0", EINVAL, "mtu=68..9706"));
    CHECK(open_fails(dpdk, "net_nothing0", ENODEV, "no device net_nothing0"));
    CHECK(open_fails(dpdk, "mbufs=4194304,net_null0", ENOMEM, "no memory"));

    dev = open_dev(dpdk, "net_null0");
    CHECK(dev != NULL);
    CHECK(open_fails(dpdk, "net_null0", EBUSY, "in use"));
    dev->class->close(dev);
    dev = open_dev(dpdk, "net_null0");      /* As after the failures. */
    CHECK(dev != NULL);
    dev->class->close(dev);
}

static void
test_copied_in_not_again(void)
{
    struct agl_dev *ring = open_dev(dpdk, "net_ring0");
    uint32_t n_free = pool.n_free;
    const uint8_t *data;
    struct agl_pkt *pkt;

    pkt = make_mbuf(ring, 0xaa, 100);
    CHECK(pool.n_free == n_free);       /* It is none of the pool's. */
    CHECK(pkt->len == 100 && is_filled(pkt, 0xaa, 0, 100));
    CHECK(agl_pkt_headroom(pkt) == AGL_PKT_HEADROOM);
    CHECK(!pkt->md.in_port && !pkt->n_recirc && !pkt->has_hash);

    /* From one such port to another: the very same buffer. */
    data = pkt->data;
    CHECK(ring->class->tx(ring, &pkt, 1) == 1 && !pkt);
    pkt = receive_one(ring);
    CHECK(pkt->data == data && is_filled(pkt, 0xaa, 0, 100));
    agl_pkt_free(&pool, pkt);
    CHECK(!drain(ring) && pool.n_free == n_free);
    ring->class->close(ring);
}

/* Pushes 'n' bytes, sends, and takes back; true if all is there. */
static bool
grows(struct agl_dev *ring, uint32_t n, bool in_place)
{
    struct agl_pkt *pkt = make_mbuf(ring, 0xaa, 100);
    const uint8_t *data;
    bool ok;

    agl_pkt_push(pkt, n);
    memset(pkt->data, 0xbb, n);
    data = pkt->data;
    ok = ring->class->tx(ring, &pkt, 1) == 1 && !pkt;
    pkt = receive_one(ring);
    ok = ok && (pkt->data == data) == in_place && pkt->len == 100 + n
         && is_filled(pkt, 0xbb, 0, n) && is_filled(pkt, 0xaa, n, 100);
    agl_pkt_free(&pool, pkt);
    return ok;
}

static void
test_headroom(void)
{
    struct agl_dev *ring = open_dev(dpdk, "net_ring0");
    struct agl_pkt *pkt;

    CHECK(grows(ring, 50, true));       /* As for VXLAN. */
    CHECK(grows(ring, 128, true));      /* All that DPDK knows of. */
    CHECK(grows(ring, 130, false));
    CHECK(grows(ring, AGL_PKT_HEADROOM, false));

    pkt = make_mbuf(ring, 0xaa, 100);
    CHECK(agl_pkt_headroom(pkt) == AGL_PKT_HEADROOM);
    agl_pkt_pull(pkt, 14);
    CHECK(ring->class->tx(ring, &pkt, 1) == 1 && !pkt);
    pkt = receive_one(ring);
    CHECK(pkt->len == 86 && is_filled(pkt, 0xaa, 0, 86));
    agl_pkt_free(&pool, pkt);
    ring->class->close(ring);
}

/* A copy is of the pool, and whole, wherever the frame begins. */
static void
test_clone(void)
{
    struct agl_dev *ring = open_dev(dpdk, "net_ring0");
    struct agl_pkt *pkt = make_mbuf(ring, 0xaa, 100), *copy;
    uint32_t n_free = pool.n_free;

    agl_pkt_push(pkt, 200);
    memset(pkt->data, 0xcc, 200);
    CHECK(agl_pool_reserve(&pool, 1));
    copy = agl_pkt_clone(&pool, pkt);
    CHECK(pool.n_free == n_free - 1);
    CHECK(copy->len == 300 && is_filled(copy, 0xcc, 0, 200));
    CHECK(agl_pkt_headroom(copy) == AGL_PKT_HEADROOM - 200);
    agl_pkt_free(&pool, pkt);
    CHECK(is_filled(copy, 0xaa, 200, 100));
    agl_pkt_free(&pool, copy);
    CHECK(pool.n_free == n_free);
    ring->class->close(ring);
}

/* A ring holds so many; the rest are the caller's again, and not sent. */
static void
test_full(void)
{
    struct agl_dev *ring = open_dev(dpdk, "net_ring0");
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n_sent = 0, n;

    do {
        make_pkts(pkts, AGL_BURST, 60);
        n = ring->class->tx(ring, pkts, AGL_BURST);
        n_sent += n;
        free_pkts(pkts, AGL_BURST);
    } while (n == AGL_BURST && n_sent < 100000);
    CHECK(n_sent == 1023);              /* As net_ring makes them. */

    /* So does a full ring with mbufs, which then are still ours. */
    CHECK(ring->class->rx(ring, &pool, pkts, 2) == 2);
    CHECK(send_one(ring, "01234567890123", 14, NULL) == 1);
    CHECK(ring->class->tx(ring, pkts, 2) == 1);
    CHECK(!pkts[0] && pkts[1] && pkts[1]->len == 60);
    free_pkts(pkts, 2);
    CHECK(drain(ring) == n_sent);
    CHECK(!ring->rx_errors);
    ring->class->close(ring);
}

/* Too long for this port's mbufs: refused, and those around it are sent. */
static void
test_too_long(void)
{
    struct agl_dev *ring = open_dev(dpdk, "net_ring0");
    struct agl_pkt *pkts[3];

    make_pkts(pkts, 3, 60);
    pkts[1]->len = 5000;
    CHECK(ring->class->tx(ring, pkts, 3) == 3);
    CHECK(pkts[0]->len == 60 && !pkts[1]->len && pkts[2]->len == 60);
    free_pkts(pkts, 3);
    CHECK(drain(ring) == 2);
    ring->class->close(ring);
}

/* A port that goes while another has its mbufs. */
static void
test_outlives_port(void)
{
    struct agl_dev *a = open_dev(dpdk, "net_ring0");
    struct agl_dev *b = open_dev(dpdk, "net_ring1");
    struct agl_pkt *pkt = make_mbuf(a, 0x77, 100);

    CHECK(b->class->tx(b, &pkt, 1) == 1 && !pkt);
    a->class->close(a);
    pkt = receive_one(b);
    CHECK(pkt->len == 100 && is_filled(pkt, 0x77, 0, 100));
    agl_pkt_free(&pool, pkt);
    b->class->close(b);
}

static void
test_mtu(void)
{
    struct agl_dev *dev = open_dev(dpdk, "mtu=9000,net_null0");
    struct agl_dev_status status;

    dev->class->status(dev, &status);
    CHECK(status.link_up && status.mtu == 9000);
    CHECK(dev->class->set_mtu(dev, 9001) == EINVAL);
    CHECK(dev->class->fd(dev) == -1);
    dev->class->close(dev);
}

static void
test_null(void)
{
    struct agl_dev *null = open_dev(dpdk, "net_null0,size=60");
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t i;

    /* It never runs dry, nor do the mbufs. */
    for (i = 0; i < 1000; i++) {
        CHECK(null->class->rx(null, &pool, pkts, AGL_BURST) == AGL_BURST);
        CHECK(pkts[31]->len == 60);
        CHECK(null->class->tx(null, pkts, AGL_BURST) == AGL_BURST);
        free_pkts(pkts, AGL_BURST);
    }
    null->class->close(null);
}

/* As many queues as there are workers, if the device spreads flows by RSS or
 * somebody asks for them. */
static void
test_queues(void)
{
    struct agl_pkt *pkts[AGL_BURST];
    struct agl_dev *dev, *queue;

    n_workers = 2;
    CHECK(open_fails(dpdk, "queues=3,net_null0", EINVAL, "queues=1..2"));
    CHECK(open_fails(dpdk, "queues=0,net_null0", EINVAL, "queues=1..2"));

    dev = open_dev(dpdk, "net_null0");
    queue = dev->class->queue(dev, 1);
    CHECK(queue && queue != dev && queue->class == dpdk);
    CHECK(!dev->class->queue(dev, 2));
    CHECK(dpdk->rx(dev, &pool, pkts, 3) == 3);
    CHECK(dpdk->rx(queue, &pool, pkts + 3, 4) == 4);
    CHECK(dpdk->tx(queue, pkts, 7) == 7 && !pkts[0] && !pkts[6]);
    dev->class->close(dev);

    dev = open_dev(dpdk, "queues=1,net_null0");
    CHECK(!dev->class->queue(dev, 1));
    dev->class->close(dev);
    dev = open_dev(dpdk, "net_ring0");
    CHECK(!dev->class->queue(dev, 1));
    dev->class->close(dev);

    /* Each of its queues hands back what it is sent. */
    dev = open_dev(dpdk, "queues=2,net_ring0");
    queue = dev->class->queue(dev, 1);
    CHECK(send_one(queue, "01234567890123", 14, NULL) == 1);
    CHECK(!dpdk->rx(dev, &pool, pkts, AGL_BURST));
    CHECK(drain(queue) == 1);
    dev->class->close(dev);
    n_workers = 1;
    dev = open_dev(dpdk, "net_null0");
    CHECK(!dev->class->queue(dev, 1));
    dev->class->close(dev);
}

/* A capture file with 'n' frames of 80 bytes of 'x'. */
static void
make_pcap(char *file, uint32_t n, uint8_t x)
{
    struct agl_pkt *pkts[AGL_BURST];
    struct agl_dev *dev;
    char arg[128];

    close(mkstemp(file));
    snprintf(arg, sizeof arg, "net_pcap0,tx_pcap=%s", file);
    dev = open_dev(dpdk, arg);
    make_pkts(pkts, n, 80);
    for (uint32_t i = 0; i < n; i++) {
        memset(pkts[i]->data, x, 80);
    }
    CHECK(dev->class->tx(dev, pkts, n) == n);
    free_pkts(pkts, n);
    dev->class->close(dev);
}

/* Each queue has its file. */
static void
test_pcap_queues(void)
{
    char a[] = "/tmp/test-dpdk.XXXXXX", b[] = "/tmp/test-dpdk.XXXXXX";
    struct agl_pkt *pkts[AGL_BURST];
    struct agl_dev *dev;
    char arg[256];

    make_pcap(a, 3, 0xaa);
    make_pcap(b, 5, 0xbb);
    n_workers = 2;
    snprintf(arg, sizeof arg, "queues=2,net_pcap0,rx_pcap=%s", a);
    CHECK(open_fails(dpdk, arg, EINVAL, "queues=2, but the device has 1"));
    snprintf(arg, sizeof arg, "queues=2,net_pcap0,rx_pcap=%s,rx_pcap=%s", a,
             b);
    dev = open_dev(dpdk, arg);
    CHECK(dpdk->rx(dpdk->queue(dev, 1), &pool, pkts, AGL_BURST) == 5);
    CHECK(is_filled(pkts[4], 0xbb, 0, 80));
    free_pkts(pkts, 5);
    CHECK(dpdk->rx(dev, &pool, pkts, AGL_BURST) == 3);
    CHECK(is_filled(pkts[2], 0xaa, 0, 80));
    free_pkts(pkts, 3);
    dev->class->close(dev);
    n_workers = 1;
    unlink(a);
    unlink(b);
}

/* Frames out to a file, and in from it. */
static void
test_pcap(void)
{
    char file[] = "/tmp/test-dpdk.XXXXXX", arg[128];
    uint32_t i, n_received = 0, n;
    struct agl_pkt *pkts[AGL_BURST];
    struct agl_dev *dev;

    close(mkstemp(file));
    snprintf(arg, sizeof arg, "net_pcap0,tx_pcap=%s", file);
    dev = open_dev(dpdk, arg);
    make_pkts(pkts, 20, 80);
    CHECK(dev->class->tx(dev, pkts, 20) == 20);
    free_pkts(pkts, 20);
    dev->class->close(dev);

    snprintf(arg, sizeof arg, "net_pcap0,rx_pcap=%s", file);
    dev = open_dev(dpdk, arg);
    while ((n = dev->class->rx(dev, &pool, pkts, AGL_BURST))) {
        for (i = 0; i < n; i++, n_received++) {
            CHECK(pkts[i]->len == 80);
            CHECK(is_filled(pkts[i], (uint8_t) n_received, 0, 80));
        }
        free_pkts(pkts, n);
    }
    CHECK(n_received == 20);
    dev->class->close(dev);
    unlink(file);
}

static void
test_tap(void)
{
    struct agl_dev_status status;
    struct agl_dev *dev;

    if (access("/dev/net/tun", R_OK | W_OK) || unshare(CLONE_NEWNET)) {
        SKIP("no rights to make a tap");
    }
    dev = open_dev(dpdk, "net_tap0,iface=dpdktap0");
    CHECK(dev != NULL);
    dev->class->status(dev, &status);
    CHECK(status.link_up && status.mtu == 1500);
    CHECK(!dev->class->set_mtu(dev, 1400));
    dev->class->status(dev, &status);
    CHECK(status.mtu == 1400);
    dev->class->close(dev);

    /* The kernel spreads flows over its queues, but may move one. */
    n_workers = 2;
    dev = open_dev(dpdk, "net_tap0,iface=dpdktap0");
    CHECK(dev && !dev->class->queue(dev, 1));
    dev->class->close(dev);
    dev = open_dev(dpdk, "queues=2,net_tap0,iface=dpdktap0");
    CHECK(dev && dev->class->queue(dev, 1));
    dev->class->close(dev);
    n_workers = 1;
}

int
main(void)
{
    agl_dpdk_set_args("--no-huge -m 256 --no-pci");
    make_pool();
    if (open_fails(dpdk, "net_null0", ENOTSUP, "without DPDK")) {
        printf("skip all: this build is without DPDK\n");
        return 77;
    }
    RUN(test_errors);
    RUN(test_copied_in_not_again);
    RUN(test_headroom);
    RUN(test_clone);
    RUN(test_full);
    RUN(test_too_long);
    RUN(test_outlives_port);
    RUN(test_mtu);
    RUN(test_null);
    RUN(test_queues);
    RUN(test_pcap);
    RUN(test_pcap_queues);
    RUN(test_tap);
    return summary();
}
