/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker.h - the exact match flow tracker: L1.
 *
 * A set-associative cache from a packet's key, cut down to the bits that any
 * installed flow looks at (agl_flow_table_interest()), to the flow that it
 * belongs to.  It is learned by the worker alone.  An entry names its flow by
 * id and generation; when the flow is deleted or replaced the entry is stale,
 * and is found so at its next use.  A new interest empties the whole tracker
 * (one number changes; no walk).
 *
 * Belongs to one worker; nothing here locks.
 */

#ifndef AGL_TRACKER_H
#define AGL_TRACKER_H 1

#include "table/flow.h"

struct agl_tracker;

/* 'n_entries': rounded up to a power of two, at least 8, at most 2**28.  NULL
 * if it is more or there is no memory. */
struct agl_tracker *agl_tracker_create(uint32_t n_entries);
void agl_tracker_destroy(struct agl_tracker *);

/* What a lookup computed and a following learn needs. */
struct agl_tracker_key {
    uint32_t hash;
    uint64_t epoch;                     /* The interest it was made for. */
    uint64_t words[AGILIO_KEY_WORDS];   /* Those the interest has, masked. */
};

/* The flow for 'key', NULL on a miss; either way fills in 'tk'.  Notes the
 * use at 'now' (NIC clock) in the entry. */
struct agl_flow *agl_tracker_lookup(struct agl_tracker *,
                                    const struct agl_flow_table *,
                                    const struct agilio_key *key,
                                    uint64_t now, struct agl_tracker_key *tk);

/* Remembers that what was looked up as 'tk' belongs to 'flow'.  Takes a stale
 * or empty entry of the bucket if there is one, else the one unused for
 * longest; the packet that teaches counts in the entry.  Nothing that a lookup
 * could find is learned if the interest changed since 'tk' was made, or if
 * 'flow' (which must still exist) is no longer in the table.  Returns true if
 * it pushed out a live entry. */
bool agl_tracker_learn(struct agl_tracker *, const struct agl_flow_table *,
                       const struct agl_tracker_key *tk,
                       const struct agl_flow *flow, uint64_t now);

/* Walks the live entries: writes up to 'max' of them to 'out', starting at
 * '*cursor' (0 at first), sets '*cursor' to where to go on (0 = end), returns
 * how many.  One call looks at a bounded number of entries, so that packets do
 * not wait for it: it may write less than 'max', even nothing, before the
 * end. */
uint32_t agl_tracker_dump(const struct agl_tracker *,
                          const struct agl_flow_table *, uint32_t *cursor,
                          struct agilio_tracker_entry *out, uint32_t max);

uint32_t agl_tracker_capacity(const struct agl_tracker *);

#endif /* table/tracker.h */
