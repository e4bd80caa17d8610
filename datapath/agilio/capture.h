/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h - copies of a port's frames for whoever watches it.
 *
 * pipeline.c calls this for a port that has a capture, and asks for that once
 * a burst.  A received frame is copied before anything happens to it, and its
 * record is published when its fate is known: what the worker's counters say
 * more then than before.  A frame that is sent is copied before the device
 * gets it.
 *
 *     begin --> ring: [in ?]      open, unpublished
 *       send, sent --> [in ?][out drop_tx_full]     of the same port
 *     end   --> ring: [in l1_hit carried][out ...]  all published
 *
 * A capture is the control thread's (nicd-capture.c) until the worker has it
 * by agl_worker_call(), the worker's then, and the control thread's again when
 * the worker has been told to give it up.
 */

#ifndef AGL_CAPTURE_H
#define AGL_CAPTURE_H 1

#include "agilio/capture.h"
#include "pkt/pkt.h"

struct agl_capture {
    struct agilio_ring_end ring;        /* Producer. */
    struct agilio_capture_ring *shared;
    uint32_t snaplen;
    uint32_t directions;        /* AGILIO_CAPTURE_*. */

    uint32_t n_written;         /* Granules, not yet published. */
    uint32_t n_lost;            /* Not yet told of in a record. */
    uint64_t n_lost_all;
    uint32_t in_at;             /* Granule of the open record... */
    bool open;                  /* ...of a frame that is being carried. */
    uint64_t before[AGILIO_N_COUNTERS];
    uint32_t out_at[AGL_BURST]; /* Granules of those that are being sent. */
};

/* Makes a capture into ring 'i' of the zeroed memory at 'base'. */
void agl_capture_init(struct agl_capture *, void *base, uint32_t i,
                      uint32_t n_granules, uint32_t snaplen,
                      uint32_t directions);

/* Around what becomes of a received frame.  'counters' are the worker's. */
void agl_capture_begin(struct agl_capture *, const struct agl_pkt *,
                       const agilio_le64 counters[], uint64_t now);
void agl_capture_end(struct agl_capture *, const agilio_le64 counters[]);

/* Some other packet than the one that was begun was counted meanwhile. */
void agl_capture_except(struct agl_capture *, enum agilio_counter);

/* Who counts the packet that was begun is another worker. */
void agl_capture_elsewhere(struct agl_capture *, enum agilio_counter);

/* Around the sending of 'n' packets, of which the device was done with the
 * first 'n_done'; 'pkts' as struct agl_dev_class has them afterwards. */
void agl_capture_send(struct agl_capture *, struct agl_pkt *const pkts[],
                      uint32_t n, uint64_t now);
void agl_capture_sent(struct agl_capture *, struct agl_pkt *const pkts[],
                      uint32_t n, uint32_t n_done);

#endif /* capture.h */
