/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker-private.h - the tracker's memory, for its own files: tracker.c looks
 * up, tracker-learn.c learns and evicts, tracker-dump.c tells.
 *
 *     buckets                      entries                       rests
 *     +----------------------+     +-----------------------+     +----------+
 *     | epoch; 8 tags, 8     |     | flow, use, count, and |     | rest of  |
 *     | places, lengths      |     | key: 5 words, 1 line  |     | key and  |
 *     +----------------------+     +-----------------------+     | path     |
 *     | ...                  |     | ...                   |     +----------+
 *
 * A hash leads to a bucket, and there to the ways whose tag is that hash and
 * the key's kind; the key of such a way is then compared in full.  A lookup
 * touches the bucket's line, the entry's of a hit, and the flow's slot; what
 * is in 'rests' only where the key or the path is longer.  The lines that a
 * burst needs are on their way before they are needed.  A way gets the place
 * of its entry when it is first used, so that few flows have theirs side by
 * side, in few pages, however large the tracker is.
 *
 * Keys have only the words that the interest has; rests are as long as the
 * longest needs them.  When the interest changes so does that, and nothing in
 * the tracker means anything any more.  'epoch' then takes the new seq of the
 * interest, and places are given out anew; a bucket that has an older one
 * counts as empty, and is made so when it is next learned into.
 *
 * Memory: 72 bytes per entry, and up to 512 in 'rests', of which only as many
 * cache lines are ever touched as the policy needs.
 */

#ifndef AGL_TRACKER_PRIVATE_H
#define AGL_TRACKER_PRIVATE_H 1

#include "table/tracker-key.h"

#if defined __SSE2__ && !defined AGL_PLAIN_C
#include <emmintrin.h>
#endif

#define WAYS 8
#define NOWHERE UINT32_MAX      /* The place of no entry. */

struct flow_ref {
    uint32_t id;
    uint32_t generation;        /* Of the flow's slot when it was learned. */
};

struct entry {
    struct flow_ref flow;       /* The first of the path. */
    uint64_t used;
    uint64_t packets;
    uint64_t key[AGL_KEY_HEAD]; /* And more in the rest. */
};
AGILIO_ASSERT_SIZE(struct entry, AGILIO_CACHE_LINE);

struct bucket {
    uint64_t epoch;
    uint16_t tags[WAYS];        /* 0: empty. */
    uint32_t places[WAYS];      /* Of the entries; NOWHERE: none yet. */
    uint8_t paths[WAYS];        /* Length; and PLAIN, as in agl_path. */
};
AGILIO_ASSERT_SIZE(struct bucket, AGILIO_CACHE_LINE);
#define PLAIN 0x80

struct agl_tracker {
    struct agl_key_maker keys;
    uint32_t bucket_mask;       /* Their number is a power of two. */
    uint32_t n_places;          /* That are given out. */
    struct entry *entries;
    /* One for each entry: the rest of its key, 'n_rest' words as the longest
     * key has them, and of its path, up to AGILIO_MAX_RECIRC flows. */
    uint8_t *rests;
    uint32_t n_rest;
    uint32_t rest_len;          /* Bytes, a multiple of a cache line. */
    struct bucket buckets[] __attribute__((aligned(AGILIO_CACHE_LINE)));
};

static inline struct bucket *
bucket_of(const struct agl_tracker *t, uint64_t hash)
{
    return (struct bucket *) &t->buckets[hash & t->bucket_mask];
}

static inline struct entry *
entry_of(const struct agl_tracker *t, const struct bucket *bucket,
         uint32_t way)
{
    return &t->entries[bucket->places[way]];
}

static inline size_t
place_of(const struct agl_tracker *t, const struct entry *entry)
{
    return (size_t) (entry - t->entries);
}

static inline uint64_t *
rest_of_key(const struct agl_tracker *t, size_t place)
{
    return (uint64_t *) (void *) (t->rests + place * t->rest_len);
}

static inline struct flow_ref *
rest_of_path(const struct agl_tracker *t, size_t place)
{
    return (struct flow_ref *) (void *) (rest_of_key(t, place) + t->n_rest);
}

static inline struct agl_flow *
flow_of(const struct agl_flow_table *flows, const struct flow_ref *ref)
{
    return agl_flow_table_get(flows, ref->id, ref->generation);
}

/* Whether the entry at 'way' is of no use any more. */
static inline bool
is_stale(const struct agl_tracker *t, const struct agl_flow_table *flows,
         const struct bucket *bucket, uint32_t way)
{
    return !bucket->tags[way]
           || !flow_of(flows, &entry_of(t, bucket, way)->flow);
}

/* The way in 'bucket' that has the key of 'tk', WAYS if none. */
uint32_t agl_tracker_find_way(const struct agl_tracker *,
                              const struct bucket *,
                              const struct agl_tracker_key *tk);

/* Whether 'tk' was made for what the interest is now, and not for another. */
static inline bool
is_current(const struct agl_tracker_key *tk,
           const struct agl_flow_table *flows)
{
    uint64_t seq;

    agl_flow_table_interest(flows, &seq);
    return tk->epoch == seq;
}

/* Fills in the flows from the second on, up to the first that is gone. */
bool agl_tracker_follow_rest(const struct agl_tracker *,
                             const struct agl_flow_table *, size_t place,
                             uint32_t n, struct agl_path *);

/* agl_tracker_lookup_burst(), in vectors; if AGL_HAVE_VECTORS. */
void agl_tracker_lookup_vectors(const struct agl_tracker *,
                                const struct agl_flow_table *,
                                struct agl_pkt *const pkts[], uint32_t n,
                                const struct agl_parse_options *,
                                uint64_t now, struct agl_traversal ts[]);

/* The ways of 'bucket' with this tag: a bit for each. */
static inline uint32_t
find_tag(const struct bucket *bucket, uint32_t tag)
{
#if defined __SSE2__ && !defined AGL_PLAIN_C
    __m128i tags = _mm_loadu_si128((const __m128i *)
                                   (const void *) bucket->tags);
    __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((int16_t) tag));

    return (uint32_t) _mm_movemask_epi8(_mm_packs_epi16(
        equal, _mm_setzero_si128()));
#else
    uint32_t ways = 0;

    for (uint32_t way = 0; way < WAYS; way++) {
        ways |= (uint32_t) (bucket->tags[way] == tag) << way;
    }
    return ways;
#endif
}

/* Whether an entry has the first words of 'tk'. */
static inline bool
has_head(const struct entry *entry, const struct agl_tracker_key *tk)
{
    const uint64_t *a = entry->key, *b = tk->words;
    uint64_t differ = ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])
                       | (a[3] ^ b[3]) | (a[4] ^ b[4]));

    AGILIO_ASSERT(AGL_KEY_HEAD == 5);
    return !differ;
}

/* Whether it has all of them. */
static inline bool
has_key(const struct agl_tracker *t, const struct entry *entry,
        const struct agl_tracker_key *tk)
{
    return has_head(entry, tk)
           && (tk->n <= AGL_KEY_HEAD
               || agl_words_equal(rest_of_key(t, place_of(t, entry)),
                                  tk->words + AGL_KEY_HEAD,
                                  tk->n - AGL_KEY_HEAD));
}

/* What is known of a packet whose key 'entry' has, and whose path has such a
 * length. */
static inline bool
hit(const struct agl_tracker *t, const struct agl_flow_table *flows,
    struct entry *entry, uint32_t length, uint64_t now, struct agl_path *path)
{
    struct agl_flow *flow = flow_of(flows, &entry->flow);
    uint32_t n = length & ~PLAIN;

    if (!flow) {
        return false;
    }
    entry->used = now;
    entry->packets++;
    path->n = 1;
    path->plain = length >= PLAIN;
    path->flows[0] = flow;
    return (n == 1
            || agl_tracker_follow_rest(t, flows, place_of(t, entry), n, path));
}

/* The first entry of 'ways', which is likely that of a current key of 'n'
 * words; NULL if there is none.  Sets the length of its path.  It will be
 * looked at soon. */
static inline struct entry *
likely_entry(const struct agl_tracker *t, const struct bucket *bucket,
             uint32_t ways, uint32_t n, uint8_t *length)
{
    struct entry *entry;
    uint32_t way;

    if (AGILIO_UNLIKELY(!ways || bucket->epoch != t->keys.epoch)) {
        return NULL;
    }
    way = (uint32_t) __builtin_ctz(ways);
    entry = entry_of(t, bucket, way);
    *length = bucket->paths[way];
    __builtin_prefetch(entry, 1);
    if (n > AGL_KEY_HEAD) {
        __builtin_prefetch(rest_of_key(t, bucket->places[way]));
    }
    if (AGILIO_UNLIKELY((*length & ~PLAIN) > 1)) {
        __builtin_prefetch(rest_of_path(t, bucket->places[way]));
    }
    return entry;
}

#endif /* table/tracker-private.h */
