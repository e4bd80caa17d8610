/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker.h - the exact match flow tracker: L1.
 *
 * A set-associative cache from a packet's key, cut down to the bits that any
 * installed flow looks at (agl_flow_table_interest()), to the flows that it
 * meets: the one that it belongs to, and those that it comes to from there by
 * recirculation, in order.  A path goes on behind a program that is steady,
 * for then whatever has the key of the first pass has one key in the next; it
 * ends where packets with the same key may part, by a hash or by what is in a
 * tunnel, and each goes on with a lookup of its own; but if the tunnel is one
 * of those of pkt/tunnelled.h, what is inside is in the key, too.
 *
 * The tracker is learned by the worker alone.  An entry names a flow by id and
 * generation; when the first flow is deleted or replaced the entry is stale,
 * and is found so at its next use; when a later one is, the path ends before
 * it.  A new interest empties the whole tracker (one number changes; no walk).
 *
 * A frame of a common shape (pkt/shape.h) is not parsed to be looked up: its
 * key here is what of the frame, and of its metadata, the policy looks at.  So
 * what has two shapes has two entries, even if the policy sees no difference.
 *
 * Belongs to one worker; nothing here locks.
 */

#ifndef AGL_TRACKER_H
#define AGL_TRACKER_H 1

#include "pkt/tunnelled.h"
#include "table/flow.h"

struct agl_tracker;

/* 'n_entries': rounded up to a power of two, at least 8, at most 2**28.  NULL
 * if it is more or there is no memory. */
struct agl_tracker *agl_tracker_create(uint32_t n_entries);
void agl_tracker_destroy(struct agl_tracker *);

/* The flows that a packet meets, one for each pass. */
struct agl_path {
    uint32_t n;
    bool plain;                 /* It ends there, and nothing in it needs the
                                 * packet's hash. */
    struct agl_flow *flows[AGILIO_MAX_RECIRC + 1];
};

/* What a packet is looked up by, and learned. */
struct agl_tracker_key {
    uint64_t epoch;                     /* The interest it was made for. */
    uint32_t n;                         /* Words. */
    uint32_t hash;
    uint32_t tag;                       /* Bits of the hash, and the kind. */
    uint32_t shape;                     /* _NONE: of a parsed key.  Of what
                                         * is in a tunnel, the outer one. */
    struct agl_tunnelled tunnelled;     /* If it has a shape as a whole; else
                                         * its shape is _NONE. */
    /* What the interest has, masked; and zeros, up to the first five. */
    uint64_t words[AGILIO_KEY_WORDS]
        __attribute__((aligned(AGILIO_CACHE_LINE)));
};

/* Makes 'tk' of 'key'. */
void agl_tracker_key(struct agl_tracker *, const struct agl_flow_table *,
                     const struct agilio_key *key, struct agl_tracker_key *tk);

/* A packet's way from its lookup on.  What every packet has comes first. */
struct agl_traversal {
    uint32_t at;                /* In 'path': the flow of the next pass. */
    uint32_t shape;             /* Of the packet in this pass. */
    bool alone;                 /* No copy has to go before or after it. */
    bool settled;               /* The packet is ready for programs. */
    struct agl_path path;
    struct agl_tracker_key tk;
} __attribute__((aligned(AGILIO_CACHE_LINE)));

/* Makes the keys of 'n' packets, at most a burst, that begin a traversal, and
 * looks them up together.  What has no shape has none in its 'tk', and is to
 * be parsed.  If an entry is found at once, that is a use at 'now', and 'path'
 * is the entry's; else it is empty, and agl_tracker_lookup() is to tell. */
void agl_tracker_lookup_burst(struct agl_tracker *,
                              const struct agl_flow_table *,
                              struct agl_pkt *const pkts[], uint32_t n,
                              const struct agl_parse_options *,
                              uint64_t now, struct agl_traversal ts[]);

/* Fills in 'path', as far as it is known: false on a miss, when it is empty.
 * Notes the use at 'now' (NIC clock) in the entry. */
bool agl_tracker_lookup(struct agl_tracker *, const struct agl_flow_table *,
                        const struct agl_tracker_key *tk, uint64_t now,
                        struct agl_path *path);

/* What came of it. */
enum agl_learned {
    AGL_LEARNED_NOT,
    AGL_LEARNED,
    AGL_LEARNED_EVICTING,       /* A live entry is gone for it. */
};

/* An entry that was found again keeps its place for so long after each use. */
#define AGL_TRACKER_HOLD UINT64_C(1000000000)           /* ns. */

/* Remembers that what has the key 'tk' meets the flows of 'path', one at
 * least; the packet that teaches something new counts in the entry.  Takes a
 * stale or empty entry of the bucket if there is one, else, of those that met
 * no packet but the one that taught them or none for AGL_TRACKER_HOLD, the one
 * unused for longest.  If there is none of these either, nothing is learned:
 * so a flood of flows of one packet pushes out nothing but itself.
 *
 * Nor is anything learned that a lookup could find if the interest changed
 * since 'tk' was made, or if a flow (which must still exist) is no longer in
 * the table. */
enum agl_learned agl_tracker_learn(struct agl_tracker *,
                                   const struct agl_flow_table *,
                                   const struct agl_tracker_key *tk,
                                   const struct agl_path *path, uint64_t now);

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
