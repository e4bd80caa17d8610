/* SPDX-License-Identifier: Apache-2.0 */

/* What NICs counted for one flow: see agilio-tally.h.
 *
 * The state of a tally is one object under RCU, which is replaced and never
 * changed, so a reader has a consistent one without a lock.  The counters
 * themselves are read from the NIC's region at any time, fresh. */

#include <config.h>

#include "agilio-tally.h"

#include <limits.h>

#include "agilio-nic.h"
#include "timeval.h"
#include "util.h"

#define NO_SLOT UINT32_MAX

/* Of a flow that has not been on a NIC; nobody's, and never freed. */
static struct agilio_tally_state blank = { .slot = NO_SLOT };

void
agilio_tally_init(struct agilio_tally *tally)
{
    ovsrcu_init(&tally->state, &blank);
    atomic_init(&tally->used_stamp, 0);
    atomic_init(&tally->used_msec, 0);
}

static bool
is_of_its_own(const struct agilio_tally *tally,
              const struct agilio_tally_state *state)
{
    return state != &blank && state != &tally->first;
}

void
agilio_tally_destroy(struct agilio_tally *tally)
{
    struct agilio_tally_state *state
        = ovsrcu_get_protected(struct agilio_tally_state *, &tally->state);

    if (is_of_its_own(tally, state)) {
        free(state);
    }
}

static void
replace(struct agilio_tally *tally, const struct agilio_tally_state *new)
{
    struct agilio_tally_state *old
        = ovsrcu_get_protected(struct agilio_tally_state *, &tally->state);

    if (old == &blank) {
        tally->first = *new;            /* Never before, so nobody reads it. */
        ovsrcu_set(&tally->state, &tally->first);
        return;
    }
    ovsrcu_set(&tally->state, xmemdup(new, sizeof *new));
    if (is_of_its_own(tally, old)) {
        ovsrcu_postpone(free, old);
    }
}

/* Converts the time of last use to ours, once: each conversion is off by a
 * little, and an idle flow must not look used because of that. */
static long long int
convert_used(struct agilio_tally *tally,
             const struct agilio_flow_counts *counts)
{
    unsigned long long int stamp;
    long long int msec;

    /* Pairs with the release below: who sees the stamp sees the time. */
    atomic_read_explicit(&tally->used_stamp, &stamp, memory_order_acquire);
    if (stamp == counts->used) {
        atomic_read_relaxed(&tally->used_msec, &msec);
    } else {
        msec = MAX(time_msec() - counts->age_ms, 1);
        atomic_store_relaxed(&tally->used_msec, msec);
        atomic_store_explicit(&tally->used_stamp, counts->used,
                              memory_order_release);
    }
    return msec;
}

/* What its present slot counted.  The region is there even if the NIC is not,
 * until another NIC takes its place. */
static void
read_slot(struct agilio_tally *tally, const struct agilio_tally_state *state,
          struct dpif_flow_stats *stats)
{
    const struct agilio_map *map = agilio_nic_map();
    struct agilio_flow_counts counts;

    if (!map || map->boot_id != state->boot_id) {
        *stats = state->held;
        return;
    }
    agilio_map_flow_counts(map, state->slot, &counts);
    stats->n_packets = counts.n_packets;
    stats->n_bytes = counts.n_bytes;
    stats->used = (counts.age_ms == LLONG_MAX ? 0
                   : convert_used(tally, &counts));
    stats->tcp_flags = counts.tcp_flags;
}

static void
add_up(struct agilio_tally *tally, const struct agilio_tally_state *state,
       struct dpif_flow_stats *sum)
{
    *sum = state->past;
    if (state->slot != NO_SLOT) {
        struct dpif_flow_stats present;

        read_slot(tally, state, &present);
        sum->n_packets += present.n_packets;
        sum->n_bytes += present.n_bytes;
        sum->used = MAX(sum->used, present.used);
        sum->tcp_flags |= present.tcp_flags;
    }
}

void
agilio_tally_get(struct agilio_tally *tally, struct dpif_flow_stats *stats)
{
    const struct agilio_tally_state *state, *next;

    next = ovsrcu_get(struct agilio_tally_state *, &tally->state);
    do {
        state = next;
        add_up(tally, state, stats);

        /* The slot may have become another flow's meanwhile; but before that,
         * replace() was called (pairs with its ovsrcu_set()). */
        atomic_thread_fence(memory_order_acquire);
        next = ovsrcu_get(struct agilio_tally_state *, &tally->state);
    } while (next != state);
}

void
agilio_tally_start(struct agilio_tally *tally, uint32_t slot)
{
    const struct agilio_map *map = agilio_nic_map();
    struct agilio_tally_state new
        = *ovsrcu_get_protected(struct agilio_tally_state *, &tally->state);

    if (map) {
        new.boot_id = map->boot_id;
        new.slot = slot;
        replace(tally, &new);
    }
}

void
agilio_tally_hold(struct agilio_tally *tally)
{
    struct agilio_tally_state new
        = *ovsrcu_get_protected(struct agilio_tally_state *, &tally->state);

    if (new.slot != NO_SLOT) {
        read_slot(tally, &new, &new.held);
        replace(tally, &new);
    }
}

void
agilio_tally_fold(struct agilio_tally *tally)
{
    const struct agilio_tally_state *old
        = ovsrcu_get_protected(struct agilio_tally_state *, &tally->state);

    if (old->slot != NO_SLOT) {
        struct agilio_tally_state new = *old;

        add_up(tally, old, &new.past);
        new.slot = NO_SLOT;
        replace(tally, &new);
    }
}
