/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter.h - the meters that METER actions name.
 *
 * All workers share one struct agl_meters, since a rate is a rate, whoever has
 * the packets.  Each slot has a lock of its own, which is held for as long as
 * one packet takes; any thread may call any of these.
 */

#ifndef AGL_METER_H
#define AGL_METER_H 1

#include "agilio/msg.h"

struct agl_meters;

struct agl_meter_band {
    uint32_t rate;              /* Packets/s or kb/s. */
    uint32_t burst;             /* Packets or kb. */
    uint64_t bucket;            /* 1/1000 packets or bits. */
};

struct agl_meter {
    uint32_t id;                /* 0: the slot is empty. */
    bool pktps;
    uint32_t n_bands;
    uint32_t max_delta;         /* Fills any bucket; ms. */
    uint64_t used;              /* NIC clock, ns. */
    struct agl_meter_band bands[AGILIO_MAX_BANDS];
};

/* 'n' empty slots, which count in 'stats'.  NULL if out of memory. */
struct agl_meters *agl_meters_create(struct agilio_meter_stats *stats,
                                     uint32_t n);
void agl_meters_destroy(struct agl_meters *);

/* Makes a meter of the body of a METER_SET, for one of 'n' slots.  Returns 0,
 * or an enum agilio_error and sets '*reason' to a constant string. */
int agl_meter_read(struct agl_meter *, struct agilio_reader *body, uint32_t n,
                   const char **reason);

/* Puts the meter into its slot, as last used 'now'. */
void agl_meters_set(struct agl_meters *, const struct agl_meter *,
                    uint64_t now);
/* False if there is no such meter. */
bool agl_meters_del(struct agl_meters *, uint32_t id);
void agl_meters_flush(struct agl_meters *);

/* Counts a packet of 'len' bytes; false if it exceeds a band. */
bool agl_meters_admit(struct agl_meters *, uint32_t id, uint32_t len,
                      uint64_t now);

#endif /* action/meter.h */
