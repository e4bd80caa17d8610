/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker.c - L1: the exact match flow tracker of one worker.
 *
 *     buckets                      entries                         rests
 *     +----------------------+     +-------------------------+     +--------+
 *     | epoch, 8 tags,       |     | flow, use, count, key:  |     | 8      |
 *     | 8 lengths, 1 line    |     | n words; 8 of them      |     | rests  |
 *     +----------------------+     +-------------------------+     +--------+
 *     | ...                  |     | ...                     |     | ...    |
 *
 * A hash leads to a bucket, and there to the ways whose tag is that hash and
 * the shape; the key of such a way is then compared in full.  A lookup touches
 * the bucket's line, and of a hit the entry, whose first line has five words
 * of the key, mostly all, and the flow's slot; and the rest of the path only
 * where there is one.  Where many packets are to be looked up,
 * agl_tracker_prefetch() has these lines on their way before they are needed.
 *
 * Keys have only the words that the interest has, and the entries are as long
 * as the longest.  When the interest changes so does that, and nothing in the
 * tracker means anything any more.  'epoch' then takes the new seq of the
 * interest; a bucket that has an older one counts as empty, and is made so
 * when it is next used.
 *
 * Memory: 8 bytes per entry in the bucket, 48 for the rest of the path, and up
 * to 576 for the entry, of which only as many cache lines are ever touched as
 * the policy needs.
 *
 * Owned by one worker, which calls lookup and learn for each packet and dump
 * between bursts; nothing locks.
 */

#include "table/tracker.h"

#if defined __SSE2__ && !defined AGL_PLAIN_C
#include <emmintrin.h>
#endif

#include "table/hash.h"

#define WAYS 8
#define MAX_ENTRIES (UINT32_C(1) << 28)
#define DUMP_STEP 4096          /* Entries that one dump looks at. */

struct flow_ref {
    uint32_t id;
    uint32_t generation;        /* Of the flow's slot when it was learned. */
};

struct entry {
    struct flow_ref flow;       /* The first of the path. */
    uint64_t used;
    uint64_t packets;
    uint64_t key[];             /* As many words as its tag's shape has. */
};

struct bucket {
    uint64_t epoch;
    uint32_t tags[WAYS];        /* 0: empty. */
    uint8_t lens[WAYS];         /* Of the paths. */
    bool parts[WAYS];           /* As in struct agl_path. */
    uint8_t pad[8];
};
AGILIO_ASSERT_SIZE(struct bucket, AGILIO_CACHE_LINE);

/* What comes after the first flow of a path. */
struct rest {
    struct flow_ref flows[AGILIO_MAX_RECIRC];
};

struct agl_tracker {
    uint64_t seed;
    uint64_t epoch;             /* The seq of the interest in 'select'. */
    struct agl_select select;   /* Of parsed keys. */
    struct agl_shape_select shapes[AGL_N_SHAPES];
    uint32_t n_buckets;         /* A power of two. */
    uint32_t entry_len;         /* A multiple of a cache line. */
    uint8_t *entries;
    struct rest *rests;         /* One per entry. */
    struct bucket buckets[] __attribute__((aligned(AGILIO_CACHE_LINE)));
};

static uint32_t
entry_len(uint32_t n_words)
{
    return (uint32_t) AGILIO_ROUND_UP(sizeof(struct entry)
                                      + n_words * sizeof(uint64_t),
                                      AGILIO_CACHE_LINE);
}

struct agl_tracker *
agl_tracker_create(uint32_t n_entries)
{
    struct agl_tracker *t;
    uint32_t n = WAYS;

    if (n_entries > MAX_ENTRIES) {
        return NULL;
    }
    while (n < n_entries) {
        n *= 2;
    }
    t = agl_env_alloc(sizeof *t + (size_t) n / WAYS * sizeof t->buckets[0]
                      + (size_t) n * entry_len(AGILIO_KEY_WORDS)
                      + (size_t) n * sizeof(struct rest));
    if (!t) {
        return NULL;
    }
    t->seed = agl_env_random();
    t->n_buckets = n / WAYS;
    t->entries = (uint8_t *) &t->buckets[t->n_buckets];
    t->rests = (struct rest *) (void *)
        (t->entries + (size_t) n * entry_len(AGILIO_KEY_WORDS));
    return t;
}

void
agl_tracker_destroy(struct agl_tracker *t)
{
    agl_env_free(t);
}

uint32_t
agl_tracker_capacity(const struct agl_tracker *t)
{
    return t->n_buckets * WAYS;
}

/* Makes 'select' and 'shapes' of a new interest. */
static void
set_interest(struct agl_tracker *t, const struct agilio_key *interest)
{
    uint32_t n;

    t->select.n = 0;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        uint64_t bits = agl_key_word(interest, i);

        if (bits) {
            agl_select_add(&t->select, i, bits);
        }
    }
    n = t->select.n;
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape++) {
        struct agl_shape_select *select = &t->shapes[shape];

        agl_shape_select(shape, interest, select);
        n = select->n >= n ? select->n + 1 : n; /* And the port. */
    }
    t->entry_len = entry_len(n);
}

/* Follows the interest of 'flows'; all entries are stale if it changed. */
static inline void
follow_interest(struct agl_tracker *t, const struct agl_flow_table *flows)
{
    const struct agilio_key *interest;
    uint64_t seq;

    interest = agl_flow_table_interest(flows, &seq);
    if (AGILIO_UNLIKELY(t->epoch != seq)) {
        t->epoch = seq;
        set_interest(t, interest);
    }
}

/* The bucket for 'hash', without what is left in it from another epoch. */
static struct bucket *
bucket_of(struct agl_tracker *t, uint32_t hash)
{
    struct bucket *bucket = &t->buckets[hash & (t->n_buckets - 1)];

    if (bucket->epoch != t->epoch) {
        memset(bucket->tags, 0, sizeof bucket->tags);
        bucket->epoch = t->epoch;
    }
    return bucket;
}

/* A key's tag, which is not 0.  (A hash's low bits lead to the bucket, so
 * where there are many they tell nothing inside of it.) */
static uint32_t
tag_of(const struct agl_tracker_key *tk)
{
    AGILIO_ASSERT(AGL_N_SHAPES == 16);
    return (tk->hash & ~UINT32_C(31)) | AGL_N_SHAPES | tk->shape;
}

static size_t
index_of(const struct agl_tracker *t, const struct bucket *bucket,
         uint32_t way)
{
    return (size_t) (bucket - t->buckets) * WAYS + way;
}

static struct entry *
entry_of(const struct agl_tracker *t, const struct bucket *bucket,
         uint32_t way)
{
    return (struct entry *) (void *)
        (t->entries + index_of(t, bucket, way) * t->entry_len);
}

/* The ways of 'bucket' with this tag: a bit for each. */
static uint32_t
find_tag(const struct bucket *bucket, uint32_t tag)
{
#if defined __SSE2__ && !defined AGL_PLAIN_C
    const __m128i *tags = (const __m128i *) (const void *) bucket->tags;
    __m128i wanted = _mm_set1_epi32((int) tag);
    __m128i low = _mm_cmpeq_epi32(_mm_loadu_si128(&tags[0]), wanted);
    __m128i high = _mm_cmpeq_epi32(_mm_loadu_si128(&tags[1]), wanted);

    return (uint32_t) _mm_movemask_epi8(_mm_packs_epi16(
        _mm_packs_epi32(low, high), _mm_setzero_si128()));
#else
    uint32_t ways = 0;

    for (uint32_t way = 0; way < WAYS; way++) {
        ways |= (uint32_t) (bucket->tags[way] == tag) << way;
    }
    return ways;
#endif
}

/* The way in 'bucket' that has the key of 'tk', WAYS if none. */
static uint32_t
find_way(const struct agl_tracker *t, const struct bucket *bucket,
         const struct agl_tracker_key *tk)
{
    uint32_t ways = find_tag(bucket, tag_of(tk));

    for (; ways; ways &= ways - 1) {
        uint32_t way = (uint32_t) __builtin_ctz(ways);

        if (agl_words_equal(entry_of(t, bucket, way)->key, tk->words, tk->n)) {
            return way;
        }
    }
    return WAYS;
}

static struct agl_flow *
flow_of(const struct agl_flow_table *flows, const struct flow_ref *ref)
{
    return agl_flow_table_get(flows, ref->id, ref->generation);
}

static struct flow_ref
ref_to(const struct agl_flow_table *flows, const struct agl_flow *flow)
{
    return (struct flow_ref) {
        .id = flow->id,
        .generation = agl_flow_table_generation(flows, flow->id),
    };
}

/* Whether the entry at 'way' is of no use any more. */
static bool
is_stale(const struct agl_tracker *t, const struct agl_flow_table *flows,
         const struct bucket *bucket, uint32_t way)
{
    return !bucket->tags[way]
           || !flow_of(flows, &entry_of(t, bucket, way)->flow);
}

/* Fills in the flows from the second on, up to the first that is gone. */
static void
follow_rest(const struct agl_tracker *t, const struct agl_flow_table *flows,
            const struct bucket *bucket, uint32_t way, struct agl_path *path)
{
    const struct rest *rest = &t->rests[index_of(t, bucket, way)];

    while (path->n < bucket->lens[way]) {
        struct agl_flow *flow = flow_of(flows, &rest->flows[path->n - 1]);

        if (!flow) {
            return;
        }
        path->flows[path->n++] = flow;
    }
    path->parts = bucket->parts[way];
}

static void
prefetch_bucket(const struct agl_tracker *t, uint32_t hash)
{
    __builtin_prefetch(&t->buckets[hash & (t->n_buckets - 1)]);
}

void
agl_tracker_key(struct agl_tracker *t, const struct agl_flow_table *flows,
                const struct agilio_key *key, struct agl_tracker_key *tk)
{
    follow_interest(t, flows);
    tk->epoch = t->epoch;
    tk->shape = AGL_SHAPE_NONE;
    tk->n = t->select.n;
    tk->hash = agl_select_key(&t->select, key, t->seed, tk->words);
    prefetch_bucket(t, tk->hash);
}

bool
agl_tracker_shape_key(struct agl_tracker *t,
                      const struct agl_flow_table *flows, struct agl_pkt *pkt,
                      const struct agl_parse_options *options,
                      struct agl_tracker_key *tk)
{
    uint32_t shape = agl_shape_of(pkt, options);
    const struct agl_shape_select *select = &t->shapes[shape];
    uint64_t hash;

    if (!shape) {
        return false;
    }
    follow_interest(t, flows);
    tk->epoch = t->epoch;
    tk->shape = shape;
    tk->n = select->n + 1;
    tk->words[0] = agilio_from_le32(pkt->md.in_port);
    hash = agl_hash_add(t->seed + shape, tk->words[0]);
    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word = agl_shape_word(select, i, pkt->data);

        tk->words[i + 1] = word;
        hash = agl_hash_add(hash, word);
    }
    tk->hash = agl_hash_finish(hash);
    prefetch_bucket(t, tk->hash);
    return true;
}

void
agl_tracker_prefetch(const struct agl_tracker *t,
                     const struct agl_tracker_key *tk)
{
    const struct bucket *bucket = &t->buckets[tk->hash & (t->n_buckets - 1)];
    uint32_t ways = find_tag(bucket, tag_of(tk));

    if (ways) {
        __builtin_prefetch(entry_of(t, bucket,
                                    (uint32_t) __builtin_ctz(ways)), 1);
    }
}

bool
agl_tracker_lookup(struct agl_tracker *t, const struct agl_flow_table *flows,
                   const struct agl_tracker_key *tk, uint64_t now,
                   struct agl_path *path)
{
    struct agl_flow *flow;
    struct bucket *bucket;
    struct entry *entry;
    uint32_t way;

    path->n = 0;
    path->parts = false;

    follow_interest(t, flows);
    if (tk->epoch != t->epoch) {
        return false;
    }
    bucket = bucket_of(t, tk->hash);
    way = find_way(t, bucket, tk);
    if (way == WAYS) {
        return false;
    }
    entry = entry_of(t, bucket, way);
    flow = flow_of(flows, &entry->flow);
    if (!flow) {
        return false;
    }
    entry->used = now;
    entry->packets++;
    path->flows[path->n++] = flow;
    follow_rest(t, flows, bucket, way, path);
    return true;
}

/* The way to learn something new in: empty or stale, else the one unused for
 * longest, and then '*live'. */
static uint32_t
find_victim(const struct agl_tracker *t, const struct agl_flow_table *flows,
            const struct bucket *bucket, bool *live)
{
    uint64_t least = UINT64_MAX;
    uint32_t oldest = 0;

    for (uint32_t way = 0; way < WAYS; way++) {
        uint64_t used = entry_of(t, bucket, way)->used;

        if (is_stale(t, flows, bucket, way)) {
            *live = false;
            return way;
        }
        if (used < least) {
            least = used;
            oldest = way;
        }
    }
    *live = true;
    return oldest;
}

bool
agl_tracker_learn(struct agl_tracker *t, const struct agl_flow_table *flows,
                  const struct agl_tracker_key *tk,
                  const struct agl_path *path, uint64_t now)
{
    struct flow_ref refs[AGILIO_MAX_RECIRC + 1];
    struct bucket *bucket;
    struct entry *entry;
    bool evicts = false;
    uint32_t way;

    if (tk->epoch != t->epoch) {
        return false;
    }
    for (uint32_t i = 0; i < path->n; i++) {
        refs[i] = ref_to(flows, path->flows[i]);
        if (flow_of(flows, &refs[i]) != path->flows[i]) {
            return false;
        }
    }

    bucket = bucket_of(t, tk->hash);
    way = find_way(t, bucket, tk);
    if (way == WAYS) {
        way = find_victim(t, flows, bucket, &evicts);
        bucket->tags[way] = tag_of(tk);
        entry = entry_of(t, bucket, way);
        memcpy(entry->key, tk->words, tk->n * sizeof tk->words[0]);
        entry->packets = 0;
    }
    entry = entry_of(t, bucket, way);
    if (entry->flow.id != refs[0].id
        || entry->flow.generation != refs[0].generation) {
        entry->packets = 0;
    }
    entry->packets += !entry->packets;
    entry->flow = refs[0];
    entry->used = now;
    bucket->lens[way] = (uint8_t) path->n;
    bucket->parts[way] = path->parts;
    memcpy(&t->rests[index_of(t, bucket, way)], &refs[1],
           (path->n - 1) * sizeof refs[1]);
    return evicts;
}

/* ## ---- ##
 * ## Dump ##
 * ## ---- ## */

/* The key of an entry under 'interest'. */
static void
dump_key(const struct agl_tracker *t, const struct agilio_key *interest,
         uint32_t shape, const uint64_t words[], struct agilio_key *key)
{
    if (shape) {
        agl_shape_key(shape, &t->shapes[shape], words + 1, interest, key);
        key->md.in_port = agilio_to_le32((uint32_t) words[0]);
        return;
    }
    for (uint32_t i = 0; i < t->select.n; i++) {
        memcpy((uint8_t *) key + t->select.index[i] * sizeof words[i],
               &words[i], sizeof words[i]);
    }
}

static void
dump_entry(const struct agl_tracker *t, const struct agilio_key *interest,
           const struct bucket *bucket, uint32_t way,
           struct agilio_tracker_entry *out)
{
    const struct entry *entry = entry_of(t, bucket, way);

    memset(out, 0, sizeof *out);
    out->flow_id = agilio_to_le32(entry->flow.id);
    out->n_flows = agilio_to_le32(bucket->lens[way]);
    out->packets = agilio_to_le64(entry->packets);
    out->used = agilio_to_le64(entry->used);
    dump_key(t, interest, bucket->tags[way] % AGL_N_SHAPES, entry->key,
             &out->key);
}

uint32_t
agl_tracker_dump(const struct agl_tracker *t,
                 const struct agl_flow_table *flows, uint32_t *cursor,
                 struct agilio_tracker_entry *out, uint32_t max)
{
    uint32_t capacity = agl_tracker_capacity(t);
    uint32_t i = *cursor;
    uint32_t n = 0;
    const struct agilio_key *interest;
    uint64_t seq;

    interest = agl_flow_table_interest(flows, &seq);
    if (seq != t->epoch) {
        i = capacity;           /* No entry is live. */
    }
    for (uint32_t step = 0; i < capacity && n < max && step < DUMP_STEP;
         i++, step++) {
        const struct bucket *bucket = &t->buckets[i / WAYS];
        uint32_t way = i % WAYS;

        if (bucket->epoch == t->epoch && !is_stale(t, flows, bucket, way)) {
            dump_entry(t, interest, bucket, way, &out[n++]);
        }
    }
    *cursor = i < capacity ? i : 0;
    return n;
}
