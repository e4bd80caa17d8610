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
 * A hash leads to a bucket, and there to the ways whose tag is that hash; the
 * key of such a way is then compared in full.  A lookup touches the bucket's
 * line, and of a hit the entry, which is another line or two, and the flow's
 * slot; and the rest of the path only where there is one.  Where many packets
 * are to be looked up, agl_tracker_prefetch() has these lines on their way
 * before they are needed.
 *
 * Keys have only the words that the interest has, n of them, and the entries
 * lie one after the other, as close as the policy allows.  When the interest
 * changes so does n, and nothing in the tracker means anything any more.
 * 'epoch' then takes the new seq of the interest; a bucket that has an older
 * one counts as empty, and is made so when it is next used.
 *
 * The front (front.h) knows entries by number and serial number.
 *
 * Memory: 40 bytes per entry, 64 in the front, 48 for the rest of the path and
 * up to 504 for the key, of which only what the policy needs is ever touched.
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
    uint32_t serial;            /* Another one whenever 'key' is. */
    uint64_t key[];             /* select.n words. */
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
    struct agl_select select;
    uint32_t n_buckets;         /* A power of two. */
    struct agl_front *front;
    uint8_t *entries;           /* Of entry_size() bytes each. */
    struct rest *rests;         /* One per entry. */
    struct bucket buckets[] __attribute__((aligned(AGILIO_CACHE_LINE)));
};

static size_t
entry_size(uint32_t n_words)
{
    return sizeof(struct entry) + n_words * sizeof(uint64_t);
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
                      + (size_t) n * sizeof(struct rest)
                      + (size_t) n * entry_size(AGILIO_KEY_WORDS));
    if (!t) {
        return NULL;
    }
    t->seed = agl_env_random();
    t->n_buckets = n / WAYS;
    t->rests = (struct rest *) &t->buckets[t->n_buckets];
    t->entries = (uint8_t *) &t->rests[n];
    t->front = agl_front_create(n);
    if (!t->front) {
        agl_env_free(t);
        return NULL;
    }
    return t;
}

void
agl_tracker_destroy(struct agl_tracker *t)
{
    if (t) {
        agl_front_destroy(t->front);
        agl_env_free(t);
    }
}

uint32_t
agl_tracker_capacity(const struct agl_tracker *t)
{
    return t->n_buckets * WAYS;
}

/* Follows the interest of 'flows'; all entries are stale if it changed. */
static void
follow_interest(struct agl_tracker *t, const struct agl_flow_table *flows)
{
    const struct agilio_key *interest;
    uint64_t seq;

    interest = agl_flow_table_interest(flows, &seq);
    if (AGILIO_LIKELY(t->epoch == seq)) {
        return;
    }
    t->epoch = seq;
    t->select.n = 0;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        uint64_t bits = agl_key_word(interest, i);

        if (bits) {
            agl_select_add(&t->select, i, bits);
        }
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

/* A hash's tag, which is not 0.  (Its low bits lead to the bucket, so where
 * there is more than one bucket they tell nothing inside of it.) */
static uint32_t
tag_of(uint32_t hash)
{
    return hash | 1;
}

static size_t
index_of(const struct agl_tracker *t, const struct bucket *bucket,
         uint32_t way)
{
    return (size_t) (bucket - t->buckets) * WAYS + way;
}

static struct entry *
entry_at(const struct agl_tracker *t, size_t i)
{
    return (struct entry *) (void *)
        (t->entries + i * entry_size(t->select.n));
}

static struct entry *
entry_of(const struct agl_tracker *t, const struct bucket *bucket,
         uint32_t way)
{
    return entry_at(t, index_of(t, bucket, way));
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
    uint32_t ways = find_tag(bucket, tag_of(tk->hash));

    for (; ways; ways &= ways - 1) {
        uint32_t way = (uint32_t) __builtin_ctz(ways);

        if (agl_words_equal(entry_of(t, bucket, way)->key, tk->words,
                            t->select.n)) {
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

void
agl_tracker_key(struct agl_tracker *t, const struct agl_flow_table *flows,
                const struct agilio_key *key, struct agl_tracker_key *tk)
{
    follow_interest(t, flows);
    tk->epoch = t->epoch;
    tk->hash = agl_select_key(&t->select, key, t->seed, tk->words);
    __builtin_prefetch(&t->buckets[tk->hash & (t->n_buckets - 1)]);
}

void
agl_tracker_prefetch(const struct agl_tracker *t,
                     const struct agl_tracker_key *tk)
{
    const struct bucket *bucket = &t->buckets[tk->hash & (t->n_buckets - 1)];
    uint32_t ways = find_tag(bucket, tag_of(tk->hash));

    if (ways) {
        const uint8_t *entry = (const uint8_t *)
            entry_of(t, bucket, (uint32_t) __builtin_ctz(ways));

        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + entry_size(t->select.n) - 1);
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
        bucket->tags[way] = tag_of(tk->hash);
        entry = entry_of(t, bucket, way);
        memcpy(entry->key, tk->words, t->select.n * sizeof tk->words[0]);
        entry->packets = 0;
        entry->serial++;
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

/* ## ----- ##
 * ## Front ##
 * ## ----- ## */

void
agl_tracker_hints(struct agl_tracker *t, const struct agl_flow_table *flows,
                  struct agl_pkt *const pkts[], uint32_t n,
                  const struct agl_parse_options *options,
                  struct agl_hint hints[])
{
    const struct agilio_key *interest;
    uint64_t seq;

    follow_interest(t, flows);
    interest = agl_flow_table_interest(flows, &seq);
    agl_front_follow(t->front, interest, seq);
    for (uint32_t i = 0; i < n; i++) {
        agl_front_start(t->front, pkts[i], options, &hints[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        agl_front_find(t->front, &hints[i]);
        if (hints[i].entry != AGL_FRONT_NONE) {
            __builtin_prefetch(entry_at(t, hints[i].entry), 1);
        }
    }
}

struct agl_flow *
agl_tracker_hit(struct agl_tracker *t, const struct agl_flow_table *flows,
                const struct agl_hint *hint, uint64_t now)
{
    struct entry *entry = entry_at(t, hint->entry);
    struct agl_flow *flow;

    if (entry->serial != hint->serial) {
        return NULL;
    }
    flow = flow_of(flows, &entry->flow);
    if (!flow || !flow->program->keyless) {
        return NULL;
    }
    entry->used = now;
    entry->packets++;
    return flow;
}

void
agl_tracker_keep(struct agl_tracker *t, const struct agl_hint *hint,
                 const struct agl_tracker_key *tk, const struct agl_flow *flow)
{
    struct bucket *bucket;
    uint32_t way;

    if (!hint->shape || !flow->program->keyless || tk->epoch != t->epoch) {
        return;
    }
    bucket = bucket_of(t, tk->hash);
    way = find_way(t, bucket, tk);
    if (way != WAYS) {
        agl_front_learn(t->front, hint,
                        (uint32_t) index_of(t, bucket, way),
                        entry_of(t, bucket, way)->serial);
    }
}

/* ## ---- ##
 * ## Dump ##
 * ## ---- ## */

static void
dump_entry(const struct agl_tracker *t, const struct bucket *bucket,
           uint32_t way, struct agilio_tracker_entry *out)
{
    const struct entry *entry = entry_of(t, bucket, way);
    const uint64_t *words = entry->key;

    memset(out, 0, sizeof *out);
    out->flow_id = agilio_to_le32(entry->flow.id);
    out->n_flows = agilio_to_le32(bucket->lens[way]);
    out->packets = agilio_to_le64(entry->packets);
    out->used = agilio_to_le64(entry->used);
    for (uint32_t i = 0; i < t->select.n; i++) {
        memcpy((uint8_t *) &out->key + t->select.index[i] * sizeof words[i],
               &words[i], sizeof words[i]);
    }
}

uint32_t
agl_tracker_dump(const struct agl_tracker *t,
                 const struct agl_flow_table *flows, uint32_t *cursor,
                 struct agilio_tracker_entry *out, uint32_t max)
{
    uint32_t capacity = agl_tracker_capacity(t);
    uint32_t i = *cursor;
    uint32_t n = 0;
    uint64_t seq;

    agl_flow_table_interest(flows, &seq);
    if (seq != t->epoch) {
        i = capacity;           /* No entry is live. */
    }
    for (uint32_t step = 0; i < capacity && n < max && step < DUMP_STEP;
         i++, step++) {
        const struct bucket *bucket = &t->buckets[i / WAYS];
        uint32_t way = i % WAYS;

        if (bucket->epoch == t->epoch && !is_stale(t, flows, bucket, way)) {
            dump_entry(t, bucket, way, &out[n++]);
        }
    }
    *cursor = i < capacity ? i : 0;
    return n;
}
