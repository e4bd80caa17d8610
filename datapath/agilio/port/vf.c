/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/vf.c - "vf:SOCKET": a port whose far end is a guest.
 *
 * The guest has a function of its own: a region with one port entry, one queue
 * pair and no control rings, which it gets at SOCKET by the ivshmem protocol,
 * be it a VM (QEMU's ivshmem-doorbell) or a process.  What it puts into its
 * from_host ring is what this port receives; what this port sends goes to its
 * to_host ring.  The link is up while a guest is attached.
 *
 * One guest after another may have the port, and none is trusted, nor is the
 * next to see or to suffer what one has left:
 *
 *     control, in status()    a guest comes: 'session' + 1, wakes the worker
 *     worker, in rx()         sees it: new ring ends, 'ready' = 'session'
 *     control, in status()    sees that: new region, welcomes the guest
 *     worker, in rx(), tx()   a ring makes no sense: 'broken' = this session
 *     control, in status()    sees that: drops the guest
 *
 * A frame that is none is counted as an error and hurts nobody else.
 *
 * Threads: the ring ends of the queue pair are the worker's, which uses them
 * only while a guest is attached; the rest of struct vf is the control
 * thread's, except where it says otherwise.
 */

#include "port/common.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "host/function.h"

static const struct agl_geometry geometry = {
    .type = AGILIO_FUNCTION_VF,
    .n_ports = 1,
    .n_qps = 1,
    .n_workers = 1,
    .packet_granules = 16384,   /* 1 MB each way: 600 full frames. */
};

struct vf {
    struct agl_dev dev;
    struct agl_function *function;
    struct agl_qp *qp;          /* Worker: of the function, its only one. */
    uint64_t boot_id;           /* The region's: a guest can overwrite it. */
    uint64_t heartbeat;
    uint32_t seq;               /* Of the port entry; also port_seq. */
    char name[AGILIO_PORT_NAME_LEN];
    bool up;                    /* The NIC's host wants the port up. */
    uint32_t mtu;
    uint8_t mac[6];

    uint64_t session;           /* The latest guest's; 0: there was none. */
    uint64_t ready;             /* Worker: the ring ends are for this one. */
    uint64_t broken;            /* Worker: this one broke a ring. */
};

static struct vf *
vf_cast(const struct agl_dev *dev)
{
    return (struct vf *) dev;
}

/* ## ---------------------------------- ##
 * ## Control thread: the guest's region. ##
 * ## ---------------------------------- ## */

/* Tells the guest how its port is. */
static void
publish(struct vf *d)
{
    const struct agl_region *r = &d->function->region;
    struct agilio_port *entry = &r->ports[0];
    uint32_t flags = AGILIO_PORT_ADMIN_UP | (d->up ? AGILIO_PORT_LINK_UP : 0);

    agilio_store_relaxed(&entry->seq, agilio_to_le32(++d->seq));
    agilio_fence();             /* Pairs with the reader's copy. */
    entry->id = agilio_to_le32(agilio_port_id(0, 1));
    entry->flags = agilio_to_le32(flags);
    entry->mtu = agilio_to_le32(d->mtu);
    memcpy(entry->mac, d->mac, sizeof entry->mac);
    memcpy(entry->name, d->name, sizeof entry->name);
    agilio_store_release(&entry->seq, agilio_to_le32(++d->seq));
    agilio_store_release(&r->header->port_seq, agilio_to_le32(d->seq));
    agl_function_kick(d->function, AGILIO_VECTOR_CONTROL);
}

/* Makes the region as if no guest had ever been there.  The ring ends that
 * this makes are nobody's: the worker has its own, which are as new. */
static void
make_region(struct vf *d)
{
    const struct agl_region *r = &d->function->region;
    struct agl_region fresh;
    struct agl_qp qp;

    memset(r->base, 0, r->size);
    agl_region_init(&fresh, &geometry, r->base, &qp, d->boot_id);
    publish(d);
    agilio_store_release(&r->header->state, agilio_to_le32(AGILIO_NIC_READY));
}

/* Makes fd() readable. */
static void
wake_worker(const struct vf *d)
{
    /* An error is EAGAIN: it has been rung, and very often. */
    eventfd_write(d->function->nic_fds[AGILIO_VECTOR_PACKETS], 1);
}

/* A guest comes or goes, or has to. */
static void
look_for_guest(struct vf *d)
{
    struct agl_function *f = d->function;

    if (agl_function_attached(f)
        && agilio_load_relaxed(&d->broken) == d->session) {
        agl_function_drop_host(f);
    }
    if (agl_function_run(f) == AGL_HOST_WAITING) {
        agilio_store_relaxed(&d->session, d->session + 1);
        wake_worker(d);
    }
    /* Pairs with the release in vf_rx(). */
    if (f->conn_fd >= 0 && !agl_function_attached(f)
        && agilio_load_acquire(&d->ready) == d->session) {
        make_region(d);
        if (!agl_function_welcome(f)) {
            wake_worker(d);     /* The guest may have rung already. */
        }
    }
}

static void
vf_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    struct vf *d = vf_cast(dev);

    look_for_guest(d);
    agilio_store_relaxed(&d->function->region.header->heartbeat,
                         agilio_to_le64(++d->heartbeat));
    *status = (struct agl_dev_status) {
        .link_up = agl_function_attached(d->function), .mtu = d->mtu,
    };
    memcpy(status->mac, d->mac, sizeof status->mac);
}

static int
vf_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    struct vf *d = vf_cast(dev);

    if (mtu > AGL_DEV_MAX_MTU) {
        return EINVAL;
    }
    d->mtu = mtu;
    publish(d);
    return 0;
}

static int
vf_set_up(struct agl_dev *dev, bool up)
{
    struct vf *d = vf_cast(dev);

    d->up = up;
    publish(d);
    return 0;
}

static int
vf_set_mac(struct agl_dev *dev, const uint8_t mac[6])
{
    struct vf *d = vf_cast(dev);

    memcpy(d->mac, mac, sizeof d->mac);
    publish(d);
    return 0;
}

static void
vf_close(struct agl_dev *dev)
{
    struct vf *d = vf_cast(dev);

    if (d->function) {
        agilio_store_release(&d->function->region.header->state,
                             agilio_to_le32(AGILIO_NIC_STOPPED));
    }
    agl_function_destroy(d->function);
    free(d);
}

static int
vf_open(const char *name, const char *arg, uint32_t n_workers,
        struct agl_dev **devp, char **error)
{
    struct vf *d = calloc(1, sizeof *d);
    size_t len = strlen(name);
    int err;

    (void) n_workers;
    if (!d) {
        return agl_dev_fail(error, ENOMEM, "vf: out of memory");
    }
    d->dev.class = &agl_dev_vf;
    memcpy(d->name, name, len < sizeof d->name ? len : sizeof d->name - 1);
    d->up = true;
    d->mtu = 1500;
    agl_dev_stable_mac(name, arg, d->mac);
    err = *arg ? agl_function_create(arg, &geometry, &d->function, error)
          : agl_dev_fail(error, EINVAL, "vf: a socket's path is missing");
    if (err) {
        vf_close(&d->dev);
        return err;
    }
    d->qp = &d->function->qps[0];
    d->boot_id = agilio_from_le64(d->function->region.header->boot_id);
    *devp = &d->dev;
    return 0;
}

/* ## --------------- ##
 * ## Worker: frames. ##
 * ## --------------- ## */

static bool
passes(const struct vf *d)
{
    return agl_function_attached(d->function) && d->broken != d->ready;
}

static void
check_rings(struct vf *d)
{
    if (d->qp->from_host.broken || d->qp->to_host.broken) {
        agilio_store_relaxed(&d->broken, d->ready);
    }
}

/* Reads a record of 'len' bytes; false if it is not a frame. */
static bool
read_frame(const struct agilio_ring_end *ring, uint32_t len,
           struct agl_pkt *pkt)
{
    struct agilio_desc desc;

    agilio_ring_read(ring, 0, &desc, sizeof desc);
    pkt->len = len - sizeof desc;
    if (desc.flags || desc.meta_len || pkt->len < 14
        || pkt->len > AGILIO_MAX_FRAME) {
        return false;
    }
    agilio_ring_read(ring, sizeof desc, pkt->data, pkt->len);
    return true;
}

/* Reads up to 'max' records, among which may be fewer frames. */
static uint32_t
receive(struct vf *d, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    struct agilio_ring_end *ring = &d->qp->from_host;
    uint32_t n = 0;

    for (uint32_t i = 0; i < max; i++) {
        uint32_t len = agilio_ring_peek(ring, sizeof(struct agilio_desc),
                                        AGILIO_MAX_RECORD);
        struct agl_pkt *pkt = len ? agl_pkt_new(pool) : NULL;

        if (!pkt) {
            break;
        }
        if (read_frame(ring, len, pkt)) {
            pkts[n++] = pkt;
        } else {
            agl_pkt_free(pool, pkt);
            d->dev.rx_errors++;
        }
        agilio_ring_consume(ring, agilio_ring_granules(len));
    }
    return n;
}

/* The doorbell of an idle port is cleared even when there is no guest: former
 * ones can still ring it. */
static uint32_t
vf_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
      uint32_t max)
{
    struct vf *d = vf_cast(dev);
    struct agilio_ring_end *ring = &d->qp->from_host;
    uint64_t session = agilio_load_relaxed(&d->session);
    uint32_t n;

    if (session != d->ready) {
        agl_region_reset_qp(d->qp);
        /* Pairs with the acquire in look_for_guest(). */
        agilio_store_release(&d->ready, session);
    }
    if (!passes(d)) {
        agl_function_clear(d->function, AGILIO_VECTOR_PACKETS);
        return 0;
    }
    n = receive(d, pool, pkts, max);
    if (n) {
        agilio_ring_awake(ring);
    } else {
        agl_function_clear(d->function, AGILIO_VECTOR_PACKETS);
        if (!agilio_ring_sleep(ring)) {
            wake_worker(d);     /* There is more: come again. */
        }
    }
    check_rings(d);
    return n;
}

/* Writes a frame 'ofs' bytes after the cursor.  A guest is not told when or
 * from where it came. */
static void
write_frame(struct agilio_ring_end *ring, uint32_t ofs,
            const struct agl_pkt *pkt)
{
    struct agilio_desc desc = {
        .len = agilio_to_le32(sizeof desc + pkt->len),
        .port = agilio_to_le32(agilio_port_id(0, 1)),
    };

    agilio_ring_write(ring, ofs, &desc, sizeof desc);
    agilio_ring_write(ring, ofs + sizeof desc, pkt->data, pkt->len);
}

static uint32_t
vf_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct vf *d = vf_cast(dev);
    struct agilio_ring_end *ring = &d->qp->to_host;
    uint32_t room = passes(d) ? agilio_ring_free(ring) : 0;
    uint32_t used = 0;
    uint32_t i;

    for (i = 0; i < n && room; i++) {
        uint32_t need = agilio_ring_granules(sizeof(struct agilio_desc)
                                             + pkts[i]->len);

        if (pkts[i]->len > AGILIO_MAX_FRAME) {
            pkts[i]->len = 0;
            continue;
        }
        if (need > room - used) {
            break;
        }
        write_frame(ring, used * AGILIO_GRANULE, pkts[i]);
        used += need;
    }
    if (used && agilio_ring_produce(ring, used)) {
        agl_function_kick(d->function, AGILIO_VECTOR_PACKETS);
    }
    check_rings(d);
    return i;
}

static int
vf_fd(const struct agl_dev *dev)
{
    return vf_cast(dev)->function->nic_fds[AGILIO_VECTOR_PACKETS];
}

const struct agl_dev_class agl_dev_vf = {
    .type = "vf",
    .usage = "SOCKET (a guest attaches there)",
    .open = vf_open,
    .close = vf_close,
    .rx = vf_rx,
    .tx = vf_tx,
    .fd = vf_fd,
    .status = vf_status,
    .set_mtu = vf_set_mtu,
    .set_up = vf_set_up,
    .set_mac = vf_set_mac,
};
