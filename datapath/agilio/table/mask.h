/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.h - the flows that have one mask: a hash table, private to L2.
 *
 * Flows are chained through their 'next'.  The bucket array doubles when there
 * are more flows than buckets; how and when is mask.c's own affair.  Hashes
 * are the table's: agl_hash_words() from the table's seed, over the key's
 * words under this mask.
 *
 * Belongs to a flow table, and so to one worker; nothing here locks.
 */

#ifndef AGL_MASK_H
#define AGL_MASK_H 1

#include "table/flow.h"
#include "table/hash.h"

struct agl_mask {
    struct agl_select select;
    uint64_t map;               /* As in its flows. */
    uint64_t hits;              /* Since the last ranking. */
    uint64_t rank;              /* Hits up to it, older ones decayed. */
    uint32_t n_flows;
    uint32_t n_by[AGL_N_SOURCES];       /* Of these, by the flows' source. */
    uint32_t n_buckets;         /* A power of two. */
    struct agl_flow **buckets;
};

/* The mask of 'flow', without a flow in it; NULL if there is no memory. */
struct agl_mask *agl_mask_create(const struct agl_flow *flow);

/* Does nothing to the flows. */
void agl_mask_destroy(struct agl_mask *);

/* True if 'flow' looks at the same bits. */
bool agl_mask_is(const struct agl_mask *, const struct agl_flow *flow);

/* The flow with these words, select.n of them, NULL if none. */
struct agl_flow *agl_mask_lookup(const struct agl_mask *,
                                 const uint64_t words[], uint32_t hash);

/* Links 'flow', whose 'hash' is set, or takes it out again. */
void agl_mask_link(struct agl_mask *, struct agl_flow *flow);
void agl_mask_unlink(struct agl_mask *, struct agl_flow *flow);

#endif /* table/mask.h */
