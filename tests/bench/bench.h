/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.h - what the parts of bench-core share: a clock, medians, the load.
 *
 * All is measured per burst of AGL_BURST packets, and the median of the bursts
 * is told: a burst in which this thread lost its core, or the core its cache,
 * is then one of many and does not count.  A result is one line of JSON on
 * standard output; build-aux/bench collects these.
 *
 * One thread; figures are only as good as its core is its own.
 */

#ifndef AGL_BENCH_H
#define AGL_BENCH_H 1

#include "inproc-nic.h"

#include <time.h>

#define BENCH_FRAME 64          /* Bytes of each frame, as peers are fed... */
#define BENCH_TUNNEL 50         /* ...and of the headers of one in VXLAN. */

/* Time in the unit of BENCH_UNIT. */
#ifdef __x86_64__
#define BENCH_UNIT "cycles/packet"
static inline uint64_t
bench_now(void)
{
    return __builtin_ia32_rdtsc();
}
#else
#define BENCH_UNIT "ns/packet"
static inline uint64_t
bench_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}
#endif

/* ## bench-core.c ## */

/* Times of bursts. */
struct bench_series {
    uint32_t n, n_max;
    uint32_t *times;
};

void bench_series_init(struct bench_series *, uint32_t n_max);
/* A full series takes no more. */
void bench_series_add(struct bench_series *, uint64_t time);
/* The median per packet, less what reading the clock takes.  Frees it. */
double bench_series_end(struct bench_series *);

/* ## load.c ## */

/* What the megaflows look at. */
enum bench_policy {
    /* Each packet belongs to one of 'n_masks' megaflows, each with a mask of
     * its own, of addresses and other fields; none looks at ports. */
    BENCH_NARROW,
    /* The same, and one more that no packet belongs to, which looks at the
     * whole 5-tuple: the tracker has to tell all microflows apart. */
    BENCH_WIDE,
    /* All packets come in VXLAN, or go into it; one megaflow a pass. */
    BENCH_DECAP,
    BENCH_ENCAP,
};

/* A NIC with policy, and the frames to feed it with. */
struct bench_load {
    struct inproc nic;
    uint32_t in_port, out_port;
    uint32_t wide_flow;         /* Id of the one that no packet has. */
    uint8_t *frames;                    /* In the order of arrival... */
    uint32_t frame_len;                 /* ...each of this length. */
    uint32_t n_frames;                  /* A multiple of AGL_BURST. */
    uint32_t next;                      /* That is received next. */
    struct agl_dev in, out;             /* "in" gives frames, "out" takes. */
    uint64_t n_sent;
};

/* 'n_tracker' is the size of the tracker. */
void bench_load_start(struct bench_load *, uint32_t n_flows, uint32_t n_masks,
                      enum bench_policy, uint32_t n_tracker);
void bench_load_stop(struct bench_load *);
/* Of a BENCH_WIDE load: has the tracker forget all that it learned. */
void bench_load_forget(struct bench_load *);
/* Receives AGL_BURST packets from "in". */
void bench_load_receive(struct bench_load *, struct agl_pkt *pkts[]);

/* ## stages.c, rounds.c ## */

/* Each stage of the pipeline by itself, in 'n' bursts. */
void bench_stages(uint32_t n_flows, uint32_t n_masks, enum bench_policy,
                  uint32_t n);
/* What learning one flow takes. */
void bench_learn(uint32_t n_flows, uint32_t n);
/* A worker's whole round if each packet is the first of its flow. */
void bench_new_flows(uint32_t n_flows, uint32_t n);
/* A worker's whole round, and the floor: a round that only receives and
 * sends. */
void bench_rounds(uint32_t n_flows, uint32_t n_masks, enum bench_policy,
                  uint32_t n);

/* ## fill.c, team.c ## */

/* What entries of full tables take. */
void bench_fill(void);
/* What is left of a port's rate while another one floods, of 'n' bursts. */
void bench_flood(uint32_t n);
/* What two workers do, in times of what one does; for so long as 'n' bursts
 * take. */
void bench_workers(uint32_t n);

#endif /* bench.h */
