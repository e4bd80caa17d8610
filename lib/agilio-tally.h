/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-tally.h - what NICs counted for one flow, each packet once.
 *
 * A flow may be on the NIC several times in its life, in another slot or on
 * another NIC each time.  Its tally is the sum over the times that are past,
 * and the live counters of the present one:
 *
 *     start ---------> counting in a slot ---------> fold: added to the sum
 *                        |           ^
 *         NIC lost: hold `-----------' (the same NIC came back)
 *
 * Readers take no lock and may be in any thread.  Writers (all but
 * agilio_tally_get()) exclude one another by means of their own.
 */

#ifndef AGILIO_TALLY_H
#define AGILIO_TALLY_H 1

#include "dpif.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"

struct agilio_tally_state {
    uint64_t boot_id;                   /* The NIC that counts... */
    uint32_t slot;                      /* ...here, unless UINT32_MAX. */
    struct dpif_flow_stats past;        /* In slots that it left. */
    struct dpif_flow_stats held;        /* In this one, when last lost. */
};

struct agilio_tally {
    /* The last conversion from NIC time to ours. */
    atomic_ullong used_stamp;
    atomic_llong used_msec;

    OVSRCU_TYPE(struct agilio_tally_state *) state;
    struct agilio_tally_state first;    /* For most flows, the only one. */
};

void agilio_tally_init(struct agilio_tally *);

/* To be called when no reader can be left. */
void agilio_tally_destroy(struct agilio_tally *);

/* The NIC that is connected has put the flow into 'slot', and counts there
 * from 0 (or goes on, if the flow was in that slot before). */
void agilio_tally_start(struct agilio_tally *, uint32_t slot);

/* The NIC is lost, perhaps for good: keeps what it counted so far. */
void agilio_tally_hold(struct agilio_tally *);

/* The flow is in the slot no more, whose counters are final.  Does nothing if
 * none is counting. */
void agilio_tally_fold(struct agilio_tally *);

void agilio_tally_get(struct agilio_tally *, struct dpif_flow_stats *);

#endif /* agilio-tally.h */
