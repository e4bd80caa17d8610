/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-counts.h - what NICs counted for one meter or bond: a row of numbers.
 *
 * As with a flow's tally (agilio-tally.h): the sum over the times that it was
 * in a slot, and the live counters of the slot where it is.  Sums wrap around,
 * so 'past' can be less than nothing: that of a meter that is set anew and
 * counts on in its slot.
 *
 * Nothing here locks.
 */

#ifndef AGILIO_COUNTS_H
#define AGILIO_COUNTS_H 1

#include "agilio-map.h"

struct agilio_counts {
    size_t n;
    void (*read)(const struct agilio_map *, uint32_t slot, uint64_t live[]);
    uint64_t *past;             /* [n], in slots that it left. */
    uint64_t *held;             /* [n], in this one, when last lost. */
    uint64_t boot_id;           /* The NIC that counts... */
    uint32_t slot;              /* ...here, unless UINT32_MAX. */
};

/* 'read' gives the 'n' numbers of a slot. */
void agilio_counts_init(struct agilio_counts *, size_t n,
                        void (*read)(const struct agilio_map *, uint32_t slot,
                                     uint64_t live[]));
void agilio_counts_destroy(struct agilio_counts *);

/* The NIC that is connected counts in 'slot', from 0 unless it did before. */
void agilio_counts_start(struct agilio_counts *, uint32_t slot);

/* The NIC is lost, perhaps for good: keeps what it counted so far. */
void agilio_counts_hold(struct agilio_counts *);

/* It is in the slot no more. */
void agilio_counts_fold(struct agilio_counts *);

/* From now on all are 0. */
void agilio_counts_reset(struct agilio_counts *);

void agilio_counts_get(const struct agilio_counts *, uint64_t sums[]);

#endif /* agilio-counts.h */
