/* SPDX-License-Identifier: Apache-2.0 */
/* test-vf.c - the vf port and a guest, nic-client.c, that is not always nice.
 * Control thread, worker and guest take turns in one thread, except in the
 * last test. */

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nic-client.h"
#include "ports.h"

#define PORT_ID agilio_port_id(0, 1)

static char dir[] = "/tmp/test-vf.XXXXXX";
static char path[64];

/* ## ------- ##
 * ## Helpers ##
 * ## ------- ## */

static struct agl_dev_status
status_of(struct agl_dev *dev)
{
    struct agl_dev_status status;

    dev->class->status(dev, &status);
    return status;
}

static bool
link_up(struct agl_dev *dev)
{
    return status_of(dev).link_up;
}

/* A turn for the control thread, and one for the worker. */
static void
turn(void *dev)
{
    status_of(dev);
    drain(dev);
}

static bool
attach(struct nic_client *c, struct agl_dev *dev)
{
    int err;

    nic_client_init(c, turn, dev);
    err = nic_client_connect(c, path);
    if (err) {
        printf("%s\n", c->reason);
    }
    return !err && link_up(dev);
}

static void
detach(struct nic_client *c, struct agl_dev *dev)
{
    nic_client_close(c);
    CHECK(!link_up(dev));
}

/* The guest sends a frame of 'len' bytes, all of them 'byte'. */
static int
guest_send(struct nic_client *c, int byte, uint32_t len)
{
    uint8_t frame[AGILIO_MAX_FRAME + 1];

    memset(frame, byte, len);
    return nic_client_tx(c, PORT_ID, frame, len);
}

/* The guest puts a record that claims to be of 'claim' bytes, and hands over
 * 'granules'. */
static void
guest_put(struct nic_client *c, uint32_t claim, uint16_t flags, uint16_t meta,
          uint32_t granules)
{
    struct agilio_ring_end *ring = &c->qps[0].to_nic;
    struct agilio_desc desc = {
        .len = agilio_to_le32(claim),
        .flags = agilio_to_le16(flags),
        .meta_len = agilio_to_le16(meta),
        .port = agilio_to_le32(0xdeadbeef),
    };

    agilio_ring_write(ring, 0, &desc, sizeof desc);
    if (agilio_ring_produce(ring, granules)) {
        CHECK(!eventfd_write(c->nic_fds[AGILIO_VECTOR_PACKETS], 1));
    }
}

/* Whether the port receives just one frame, of 'len' times 'byte'. */
static bool
receives(struct agl_dev *dev, int byte, uint32_t len)
{
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n = dev->class->rx(dev, &pool, pkts, AGL_BURST);
    bool ok = n == 1 && pkts[0]->len == len && pkts[0]->data[0] == byte
              && !memcmp(pkts[0]->data, pkts[0]->data + 1, len - 1);

    free_pkts(pkts, n);
    return ok && pool.n_free == N_PKTS;
}

static uint32_t
port_send(struct agl_dev *dev, int byte, uint32_t len)
{
    uint8_t frame[AGILIO_MAX_FRAME + 1];

    memset(frame, byte, len);
    return send_one(dev, frame, len, NULL);
}

/* Whether the guest receives a frame of 'len' times 'byte' next. */
static bool
guest_receives(struct nic_client *c, int byte, uint32_t len)
{
    static struct nic_client_packet p;

    return !nic_client_rx(c, PORT_ID, &p) && p.frame_len == len
           && p.frame[0] == byte && !memcmp(p.frame, p.frame + 1, len - 1)
           && agilio_from_le32(p.desc.port) == PORT_ID && !p.desc.flags
           && !p.desc.meta_len && !p.desc.reason && !p.desc.timestamp;
}

static bool
fd_readable(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, 0) == 1;
}

/* Frames pass both ways. */
static void
check_passes(struct nic_client *c, struct agl_dev *dev)
{
    CHECK(!guest_send(c, 0x11, 60) && receives(dev, 0x11, 60));
    CHECK(port_send(dev, 0x22, 61) == 1 && guest_receives(c, 0x22, 61));
}

/* ## ------------------ ##
 * ## Guests come and go ##
 * ## ------------------ ## */

static void
test_open(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct agl_dev_status a = status_of(dev);
    struct agl_dev_status b;

    CHECK(!a.link_up && a.mtu == 1500 && (a.mac[0] & 3) == 2);
    CHECK(!readable(dev, 0) && !drain(dev) && port_send(dev, 1, 60) == 0);
    CHECK(open_fails(&agl_dev_vf, "", EINVAL, "path is missing"));
    CHECK(open_fails(&agl_dev_vf, path, EADDRINUSE, "another program"));
    CHECK(open_fails(&agl_dev_vf, "/nowhere/s", ENOENT, "/nowhere/s"));
    dev->class->close(dev);
    CHECK(access(path, F_OK) < 0);

    dev = open_dev(&agl_dev_vf, path);
    b = status_of(dev);
    CHECK(!memcmp(a.mac, b.mac, sizeof a.mac));
    dev->class->close(dev);
}

static void
test_region(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct agl_dev_status status;
    struct agilio_port port;
    struct nic_client c;
    uint64_t heartbeat;

    CHECK(attach(&c, dev));
    status = status_of(dev);
    CHECK(agilio_from_le32(c.region->type) == AGILIO_FUNCTION_VF);
    CHECK(agilio_from_le32(c.region->state) == AGILIO_NIC_READY);
    CHECK(agilio_from_le32(c.region->n_ports) == 1);
    CHECK(agilio_from_le32(c.region->n_qps) == 1);
    CHECK(!c.region->max_flows && !c.region->control[0].n_granules);
    CHECK(nic_client_port(&c, "p0", &port) == PORT_ID);
    CHECK(agilio_from_le32(port.flags)
          == (AGILIO_PORT_ADMIN_UP | AGILIO_PORT_LINK_UP));
    CHECK(agilio_from_le32(port.mtu) == 1500);
    CHECK(!memcmp(port.mac, status.mac, sizeof port.mac));
    CHECK(agilio_from_le32(port.seq) % 2 == 0);

    heartbeat = agilio_from_le64(c.region->heartbeat);
    status_of(dev);
    CHECK(agilio_from_le64(c.region->heartbeat) > heartbeat);
    dev->class->close(dev);
    CHECK(agilio_from_le32(c.region->state) == AGILIO_NIC_STOPPED);
    nic_client_close(&c);
}

static void
test_come_and_go(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c, other;
    int i;

    for (i = 0; i < 5; i++) {
        CHECK(attach(&c, dev));
        check_passes(&c, dev);
        nic_client_init(&other, turn, dev);
        CHECK(nic_client_connect(&other, path) == ECONNRESET);
        check_passes(&c, dev);
        CHECK(!guest_send(&c, 0x33, 60) && port_send(dev, 0x44, 60) == 1);
        detach(&c, dev);
        CHECK(port_send(dev, 0x55, 60) == 0 && !drain(dev));
    }
    /* The next is there before the last one's going was seen. */
    CHECK(attach(&c, dev));
    nic_client_close(&c);
    CHECK(attach(&other, dev));
    check_passes(&other, dev);
    detach(&other, dev);
    dev->class->close(dev);
}

/* A guest waits for the worker, which is woken; it may lose patience. */
static void
test_handshake_waits_for_worker(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    int i;

    for (i = 0; i < 3; i++) {
        nic_client_init(&c, NULL, NULL);
        CHECK(!nic_client_dial(&c, path));
        CHECK(!readable(dev, 0) && !link_up(dev) && readable(dev, 0));
        CHECK(!link_up(dev) && !link_up(dev) && !fd_readable(c.sock));
        if (i != 1) {
            CHECK(!drain(dev) && !readable(dev, 0));
        }
        if (i == 2) {
            CHECK(link_up(dev) && fd_readable(c.sock));
        }
        nic_client_close(&c);
        CHECK(!link_up(dev));
        drain(dev);
    }
    CHECK(attach(&c, dev));
    check_passes(&c, dev);
    nic_client_close(&c);
    dev->class->close(dev);
}

static void
test_settings(void)
{
    static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    const struct agl_dev_class *class = dev->class;
    struct agilio_port port;
    struct nic_client c;
    uint32_t seq;

    CHECK(!class->set_mtu(dev, 1400));
    CHECK(attach(&c, dev));
    nic_client_port(&c, "p0", &port);
    CHECK(agilio_from_le32(port.mtu) == 1400);
    seq = agilio_from_le32(c.region->port_seq);

    CHECK(!class->set_mtu(dev, 9000) && class->set_mtu(dev, 9707) == EINVAL);
    CHECK(!class->set_mac(dev, mac) && !class->set_up(dev, false));
    CHECK(status_of(dev).mtu == 9000);
    CHECK(!memcmp(status_of(dev).mac, mac, sizeof mac));
    CHECK(agilio_from_le32(c.region->port_seq) != seq);
    CHECK(fd_readable(c.host_fds[AGILIO_VECTOR_CONTROL]));
    nic_client_port(&c, "p0", &port);
    CHECK(agilio_from_le32(port.mtu) == 9000);
    CHECK(!memcmp(port.mac, mac, sizeof mac));
    CHECK(agilio_from_le32(port.flags) == AGILIO_PORT_ADMIN_UP);
    CHECK(agilio_from_le32(port.seq) % 2 == 0);
    CHECK(!class->set_up(dev, true));
    nic_client_port(&c, "p0", &port);
    CHECK(agilio_from_le32(port.flags) & AGILIO_PORT_LINK_UP);
    nic_client_close(&c);
    class->close(dev);
}

/* ## ------ ##
 * ## Frames ##
 * ## ------ ## */

static void
test_frames(void)
{
    static const uint32_t lens[] = { 14, 32, 33, 60, 1514, AGILIO_MAX_FRAME };
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    uint32_t i, len;

    CHECK(attach(&c, dev));
    for (i = 0; i < 1200; i++) {        /* Some rounds of the rings. */
        len = lens[i % AGILIO_ARRAY_SIZE(lens)];
        CHECK(!guest_send(&c, i & 0xff, len));
        CHECK(receives(dev, i & 0xff, len));
        CHECK(port_send(dev, ~i & 0xff, len) == 1);
        CHECK(guest_receives(&c, ~i & 0xff, len));
    }
    CHECK(!dev->rx_errors);
    nic_client_close(&c);
    dev->class->close(dev);
}

static void
test_bursts(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct agl_pkt *pkts[N_PKTS];
    struct nic_client c;
    uint32_t i, n;

    CHECK(attach(&c, dev));
    make_pkts(pkts, AGL_BURST, 100);
    pkts[7]->len = AGILIO_MAX_FRAME + 1;
    CHECK(dev->class->tx(dev, pkts, AGL_BURST) == AGL_BURST);
    CHECK(pkts[7]->len == 0 && pkts[8]->len == 100);
    free_pkts(pkts, AGL_BURST);
    for (i = 0; i < AGL_BURST; i++) {
        CHECK(i == 7 || guest_receives(&c, i, 100));
    }
    CHECK(!nic_client_has_rx(&c, PORT_ID));

    for (i = 0; i < 40; i++) {
        CHECK(!guest_send(&c, i, 60 + i));
    }
    CHECK(dev->class->rx(dev, &pool, pkts, 3) == 3 && pkts[2]->len == 62);
    n = 3 + dev->class->rx(dev, &pool, pkts + 3, AGL_BURST);
    CHECK(n == 3 + AGL_BURST && pkts[n - 1]->data[0] == n - 1);
    free_pkts(pkts, n);
    CHECK(drain(dev) == 5 && pool.n_free == N_PKTS);
    nic_client_close(&c);
    dev->class->close(dev);
}

/* A guest that takes nothing. */
static void
test_full(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct agl_pkt *pkts[AGL_BURST];
    struct nic_client c;
    uint32_t sent, n;
    uint32_t i;

    CHECK(attach(&c, dev));
    make_pkts(pkts, AGL_BURST, 1514);
    for (sent = 0; sent < 10000; sent += n) {
        n = dev->class->tx(dev, pkts, AGL_BURST);
        if (n < AGL_BURST) {
            sent += n;
            break;
        }
    }
    CHECK(sent == 16384 / 25 && !dev->class->tx(dev, pkts, AGL_BURST));
    CHECK(pkts[0]->len == 1514 && link_up(dev));
    for (i = 0; i < 3; i++) {
        CHECK(guest_receives(&c, i, 1514));
    }
    CHECK(dev->class->tx(dev, pkts, AGL_BURST) == 3);
    for (i = 3; i < sent; i++) {
        CHECK(guest_receives(&c, i % AGL_BURST, 1514));
    }
    CHECK(guest_receives(&c, 0, 1514) && guest_receives(&c, 1, 1514)
          && guest_receives(&c, 2, 1514));
    free_pkts(pkts, AGL_BURST);
    check_passes(&c, dev);
    nic_client_close(&c);
    dev->class->close(dev);
}

static void
test_no_buffers(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct agl_pkt *pkts[N_PKTS];
    struct nic_client c;

    CHECK(attach(&c, dev) && !drain(dev));
    make_pkts(pkts, N_PKTS, 60);
    CHECK(!guest_send(&c, 1, 60) && readable(dev, 0));
    CHECK(!drain(dev) && readable(dev, 0) && !drain(dev) && readable(dev, 0));
    free_pkts(pkts, N_PKTS);
    CHECK(receives(dev, 1, 60) && !drain(dev) && !readable(dev, 0));
    CHECK(!dev->rx_errors);
    nic_client_close(&c);
    dev->class->close(dev);
}

/* ## -------------- ##
 * ## Sleep and wake ##
 * ## -------------- ## */

static void
test_readable(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    int i;

    /* A frame that comes as soon as can be, before the worker's next turn. */
    CHECK(attach(&c, dev) && !guest_send(&c, 1, 60));
    for (i = 0; i < 3; i++) {
        CHECK(readable(dev, 0) && drain(dev) == 1 && !readable(dev, 0));
        CHECK(!guest_send(&c, 1, 60));
    }
    CHECK(drain(dev) == 1);

    /* A bell for nothing; while the worker is awake, none. */
    CHECK(!eventfd_write(c.nic_fds[AGILIO_VECTOR_PACKETS], 7));
    CHECK(readable(dev, 0) && !drain(dev) && !readable(dev, 0));
    CHECK(!guest_send(&c, 1, 60) && receives(dev, 1, 60));
    CHECK(!c.qps[0].to_nic.ring->sleeping);
    CHECK(!guest_send(&c, 2, 60) && receives(dev, 2, 60));

    /* The other way. */
    CHECK(!fd_readable(c.host_fds[AGILIO_VECTOR_PACKETS]));
    CHECK(port_send(dev, 3, 60) == 1);
    CHECK(!fd_readable(c.host_fds[AGILIO_VECTOR_PACKETS]));
    CHECK(guest_receives(&c, 3, 60));
    CHECK(agilio_ring_sleep(&c.qps[0].from_nic));
    CHECK(port_send(dev, 4, 60) == 1);
    CHECK(fd_readable(c.host_fds[AGILIO_VECTOR_PACKETS]));
    nic_client_close(&c);
    dev->class->close(dev);
}

/* Sends back all that comes, and sleeps without a time limit in between. */
static bool over;

static void *
echo_worker(void *dev_)
{
    struct agl_dev *dev = dev_;
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n;

    while (!agilio_load_acquire(&over)) {
        while ((n = dev->class->rx(dev, &pool, pkts, AGL_BURST))) {
            dev->class->tx(dev, pkts, n);
            free_pkts(pkts, n);
        }
        readable(dev, -1);
    }
    return NULL;
}

static void
control_turn(void *dev)
{
    status_of(dev);
}

static void
test_threads(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    pthread_t worker;
    int round, i;

    CHECK(!pthread_create(&worker, NULL, echo_worker, dev));
    for (round = 0; round < 5; round++) {
        nic_client_init(&c, control_turn, dev);
        CHECK(!nic_client_connect(&c, path));
        c.pump = NULL;          /* From here only doorbells wake anyone. */
        for (i = 0; i < 1000; i++) {
            if (guest_send(&c, i & 0xff, 60 + i)
                || !guest_receives(&c, i & 0xff, 60 + i)) {
                break;
            }
        }
        CHECK(i == 1000);
        nic_client_close(&c);
    }
    nic_client_init(&c, control_turn, dev);
    CHECK(!nic_client_connect(&c, path));
    agilio_store_release(&over, true);
    CHECK(!eventfd_write(c.nic_fds[AGILIO_VECTOR_PACKETS], 1));
    CHECK(!pthread_join(worker, NULL));
    nic_client_close(&c);
    dev->class->close(dev);
}

/* ## ------- ##
 * ## Malice  ##
 * ## ------- ## */

static void
test_bad_records(void)
{
    const uint32_t desc = sizeof(struct agilio_desc);
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    int i;

    CHECK(attach(&c, dev) && !drain(dev));
    guest_put(&c, desc + 60, AGILIO_DESC_RESUMED, 0, 2);
    CHECK(!drain(dev) && dev->rx_errors == 1);
    guest_put(&c, desc + 60, 0, 8, 2);
    CHECK(!drain(dev) && dev->rx_errors == 2);
    guest_put(&c, desc + 13, 0, 0, 1);
    CHECK(!drain(dev) && dev->rx_errors == 3);
    guest_put(&c, desc, 0, 0, 1);
    CHECK(!drain(dev) && dev->rx_errors == 4);
    guest_put(&c, desc + AGILIO_MAX_FRAME + 1, 0, 0, 153);
    CHECK(!drain(dev) && dev->rx_errors == 5);
    guest_put(&c, AGILIO_MAX_RECORD, 0, 0,
              agilio_ring_granules(AGILIO_MAX_RECORD));
    CHECK(!drain(dev) && dev->rx_errors == 6);
    guest_put(&c, desc + 14, 0, 0, 1);  /* To whatever port: a good one. */
    CHECK(drain(dev) == 1 && dev->rx_errors == 6);

    /* They do not hold up what comes behind them. */
    CHECK(!drain(dev) && !readable(dev, 0));
    for (i = 0; i < 3 * AGL_BURST; i++) {
        guest_put(&c, desc + 1, 0, 0, 1);
    }
    CHECK(!guest_send(&c, 9, 60));
    for (i = 0; i < 3; i++) {
        CHECK(readable(dev, 0) && !drain(dev));
    }
    CHECK(readable(dev, 0) && receives(dev, 9, 60));
    CHECK(!drain(dev) && !readable(dev, 0));
    CHECK(dev->rx_errors == 6 + 3 * AGL_BURST && pool.n_free == N_PKTS);
    CHECK(link_up(dev));
    check_passes(&c, dev);
    nic_client_close(&c);
    dev->class->close(dev);
}

/* What a guest may do to break a ring. */
static void
break_ring(struct nic_client *c, struct agl_dev *dev, int how)
{
    struct agilio_ring *to_nic = c->qps[0].to_nic.ring;
    struct agilio_ring *from_nic = c->qps[0].from_nic.ring;

    switch (how) {
    case 0:
        guest_put(c, sizeof(struct agilio_desc) - 1, 0, 0, 1);
        break;
    case 1:
        guest_put(c, AGILIO_MAX_RECORD + 1, 0, 0,
                  agilio_ring_granules(AGILIO_MAX_RECORD + 1));
        break;
    case 2:
        guest_put(c, 0, 0, 0, 1);
        break;
    case 3:
        guest_put(c, 65, 0, 0, 1);
        break;
    case 4:
        agilio_store_relaxed(&to_nic->prod, agilio_to_le32(16385));
        break;
    case 5:
        agilio_store_relaxed(&to_nic->prod, agilio_to_le32(UINT32_MAX));
        break;
    case 6:
        agilio_store_relaxed(&from_nic->cons, agilio_to_le32(1));
        CHECK(port_send(dev, 1, 60) == 0);
        break;
    }
}

static void
test_broken_rings(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    int how;

    for (how = 0; how <= 6; how++) {
        CHECK(attach(&c, dev));
        CHECK(!drain(dev));
        break_ring(&c, dev, how);
        CHECK(!drain(dev) && port_send(dev, 1, 60) == 0 && !readable(dev, 0));
        CHECK(!fd_readable(c.sock));
        CHECK(!link_up(dev) && fd_readable(c.sock));
        CHECK(!drain(dev) && port_send(dev, 1, 60) == 0);
        nic_client_close(&c);
        CHECK(attach(&c, dev));
        check_passes(&c, dev);
        CHECK(link_up(dev));
        detach(&c, dev);
    }
    CHECK(!dev->rx_errors && pool.n_free == N_PKTS);
    dev->class->close(dev);
}

static bool
is_clean(const struct agilio_ring_end *end)
{
    uint32_t size = end->n * AGILIO_GRANULE;

    return !end->body[0] && !memcmp(end->body, end->body + 1, size - 1);
}

/* A guest writes all over its region, and the next one sees nothing of that,
 * nor of the frames. */
static void
test_trampled_region(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    uint64_t boot_id, seed = 1;
    struct nic_client c;
    size_t i;
    int round;

    CHECK(attach(&c, dev));
    boot_id = agilio_from_le64(c.region->boot_id);
    CHECK(boot_id >> 32);       /* It is random. */
    for (round = 0; round < 8; round++) {
        for (i = 0; i < c.size / 8; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            ((uint64_t *) (void *) c.base)[i]
                = round == 0 ? UINT64_MAX : seed >> round;
        }
        drain(dev);
        port_send(dev, 0x77, 1500);
        status_of(dev);
        drain(dev);
        CHECK(!dev->class->set_mtu(dev, 1500 + round));
        nic_client_close(&c);
        status_of(dev);

        CHECK(attach(&c, dev));
        CHECK(agilio_from_le64(c.region->boot_id) == boot_id);
        CHECK(nic_client_port(&c, "p0", NULL) == PORT_ID);
        CHECK(is_clean(&c.qps[0].to_nic) && is_clean(&c.qps[0].from_nic));
        check_passes(&c, dev);
    }
    CHECK(pool.n_free == N_PKTS);
    nic_client_close(&c);
    dev->class->close(dev);
}

/* A guest whose connection is gone still has the memory and the doorbell. */
static void
test_former_guest(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_vf, path);
    struct nic_client c;
    struct agilio_ring_end end;
    uint8_t *base;
    int bell;

    CHECK(attach(&c, dev));
    base = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_SHARED, c.region_fd,
                0);
    bell = dup(c.nic_fds[AGILIO_VECTOR_PACKETS]);
    CHECK(base != MAP_FAILED && bell >= 0);
    end = c.qps[0].to_nic;
    end.ring = (void *) (base + ((uint8_t *) end.ring - c.base));
    end.body = base + (end.body - c.base);
    detach(&c, dev);

    agilio_ring_produce(&end, 5);
    CHECK(!eventfd_write(bell, 1) && readable(dev, 0));
    CHECK(!drain(dev) && !readable(dev, 0) && !dev->rx_errors);

    /* It is the next guest's trouble, but the next guest's only. */
    CHECK(attach(&c, dev));
    check_passes(&c, dev);
    agilio_store_relaxed(&end.ring->prod, agilio_to_le32(UINT32_MAX));
    CHECK(!drain(dev) && !link_up(dev));
    nic_client_close(&c);
    munmap(base, c.size);
    close(bell);
    dev->class->close(dev);
}

int
main(void)
{
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    make_pool();
    RUN(test_open);
    RUN(test_region);
    RUN(test_come_and_go);
    RUN(test_handshake_waits_for_worker);
    RUN(test_settings);
    RUN(test_frames);
    RUN(test_bursts);
    RUN(test_full);
    RUN(test_no_buffers);
    RUN(test_readable);
    RUN(test_bad_records);
    RUN(test_broken_rings);
    RUN(test_trampled_region);
    RUN(test_former_guest);
    RUN(test_threads);
    rmdir(dir);
    return summary();
}
