/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - what every port driver gives to the pipeline.
 *
 * A driver moves frames between a device and packets, in bursts, and never
 * blocks.  A device may have several queues, each for another worker; the
 * first is the device itself.  rx, tx and fd are called by the worker that has
 * the queue, all the rest by the control thread: open and close while no
 * worker has the port, status and the setters also while some are in rx or tx
 * of the same device.  Who spreads what is received over the queues is to keep
 * a flow's packets on one of them.
 * This header is part of the core; the drivers behind it use the system.
 *
 * Unfinished frames: the sender, a kernel, has left checksum or segmentation
 * to the device.  A driver may hand such a frame out as it is, up to 64 KB
 * long, as a packet with 'vnet'; it lies in the driver's memory until the next
 * rx.  Who has such a packet may look at it, send it to a device that takes
 * unfinished frames, free it, or have it finished; nothing else.
 */

#ifndef AGL_PORT_H
#define AGL_PORT_H 1

#include "pkt/pkt.h"

/* A driver's device, or a queue of it; drivers put this first in their own
 * struct. */
struct agl_dev {
    const struct agl_dev_class *class;
    /* Received frames that the driver itself had to drop: too long, GSO that
     * it cannot cut, lost by the device (which counts as the first queue's).
     * Written by the worker. */
    uint64_t rx_errors;
};

struct agl_dev_status {
    bool link_up;
    uint32_t mtu;               /* Bytes of IP packet. */
    uint32_t speed;             /* Mb/s, 0 if not known. */
    uint8_t mac[6];
};

struct agl_dev_class {
    const char *type;           /* "afpacket", "tap", ... */
    const char *usage;          /* Of the argument, for --help. */

    /* Opens a device; 'arg' is what followed "TYPE:" (may be "").  There are
     * 'n_workers' to have a queue each.  Returns 0 and '*dev', or a positive
     * errno and '*error', a malloc'd sentence. */
    int (*open)(const char *name, const char *arg, uint32_t n_workers,
                struct agl_dev **dev, char **error);
    void (*close)(struct agl_dev *);

    /* Queue 'i' of the device, 1 or more, which goes with it; NULL if it has
     * not so many.  NULL for a class that knows of one only. */
    struct agl_dev *(*queue)(struct agl_dev *, uint32_t i);

    /* Fills 'pkts' with up to 'max' received frames from 'pool'. */
    uint32_t (*rx)(struct agl_dev *, struct agl_pool *pool,
                   struct agl_pkt *pkts[], uint32_t max);

    /* Sends frames; returns how many, from the first, the device was done
     * with: the rest found it full or down.  A frame among those that the
     * device will never take (too long, say) gets 'len' 0, which tells it from
     * those sent.  The packets stay the caller's, which frees and counts all,
     * but for one that the device keeps to free it itself: that one's place in
     * 'pkts' becomes NULL. */
    uint32_t (*tx)(struct agl_dev *, struct agl_pkt *pkts[], uint32_t n);

    /* Tx takes unfinished frames. */
    bool takes_unfinished;

    /* Does what is left to do: gives 'emit' each of the frames that come of
     * it, in packets from 'pool'.  The unfinished one stays the caller's.
     * Returns false if it ended early, because the pool was empty.  NULL for
     * a device whose rx has only finished frames. */
    bool (*finish)(const struct agl_pkt *, struct agl_pool *pool,
                   void (*emit)(void *aux, struct agl_pkt *), void *aux);

    /* A descriptor that is readable (level-triggered) when rx has something,
     * or -1 if the device must be polled (which an idle worker does once in
     * four milliseconds).  Ask rx until it returns 0 before a wait: what a
     * driver holds back because of 'max' does not show here. */
    int (*fd)(const struct agl_dev *);

    void (*status)(struct agl_dev *, struct agl_dev_status *);
    /* NULL if the device has no such setting; 0 or a positive errno. */
    int (*set_mtu)(struct agl_dev *, uint32_t mtu);
    int (*set_up)(struct agl_dev *, bool up);
    int (*set_mac)(struct agl_dev *, const uint8_t mac[6]);
};

extern const struct agl_dev_class agl_dev_afpacket;
extern const struct agl_dev_class agl_dev_tap;
extern const struct agl_dev_class agl_dev_unix;
extern const struct agl_dev_class agl_dev_pcap;
extern const struct agl_dev_class agl_dev_vf;
extern const struct agl_dev_class agl_dev_dpdk;

/* All drivers, NULL-terminated (port/classes.c). */
extern const struct agl_dev_class *const agl_dev_classes[];

#endif /* port/port.h */
