/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker.c - L1: the exact match flow tracker of one worker.
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
 * is in 'rests' only where the key or the path is longer.  Where many packets
 * are to be looked up, agl_tracker_prefetch() has these lines on their way
 * before they are needed.  A way gets the place of its entry when it is first
 * used, so that few flows have theirs side by side, in few pages, however
 * large the tracker is.
 *
 * Keys have only the words that the interest has; rests are as long as the
 * longest needs them.  When the interest changes so does that, and nothing in
 * the tracker means anything any more.  'epoch' then takes the new seq of the
 * interest, and places are given out anew; a bucket that has an older one
 * counts as empty, and is made so when it is next learned into.
 *
 * Memory: 72 bytes per entry, and up to 512 in 'rests', of which only as many
 * cache lines are ever touched as the policy needs.
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
#define NOWHERE UINT32_MAX      /* The place of no entry. */
#define DUMP_STEP 4096          /* Entries that one dump looks at. */

struct flow_ref {
    uint32_t id;
    uint32_t generation;        /* Of the flow's slot when it was learned. */
};

#define HEAD_WORDS 5
struct entry {
    struct flow_ref flow;       /* The first of the path. */
    uint64_t used;
    uint64_t packets;
    uint64_t key[HEAD_WORDS];   /* And more in the rest. */
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

/* Kinds of keys: the shape of a frame, perhaps with metadata that is not 0. */
#define KIND_META AGL_N_SHAPES
#define N_KINDS (2 * AGL_N_SHAPES)

struct agl_tracker {
    uint64_t seed;
    uint64_t epoch;             /* The seq of the interest in 'select'. */
    uint32_t bucket_mask;       /* Their number is a power of two. */
    uint32_t n_places;          /* That are given out. */
    struct entry *entries;
    /* One for each entry: the rest of its key, 'n_rest' words as the longest
     * key has them, and of its path, up to AGILIO_MAX_RECIRC flows. */
    uint8_t *rests;
    uint32_t n_rest;
    uint32_t rest_len;          /* Bytes, a multiple of a cache line. */
    struct agl_select select;   /* Of parsed keys. */
    struct agl_select meta;     /* Of metadata that goes with a shape. */
    struct agl_shape_select shapes[AGL_N_SHAPES];
    struct bucket buckets[] __attribute__((aligned(AGILIO_CACHE_LINE)));
};

static uint32_t
rest_len(uint32_t n_rest)
{
    return (uint32_t) AGILIO_ROUND_UP(n_rest * sizeof(uint64_t)
                                      + AGILIO_MAX_RECIRC
                                        * sizeof(struct flow_ref),
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
                      + (size_t) n * sizeof t->entries[0]
                      + (size_t) n * rest_len(AGILIO_KEY_WORDS - HEAD_WORDS));
    if (!t) {
        return NULL;
    }
    t->seed = agl_env_random();
    t->bucket_mask = n / WAYS - 1;
    t->entries = (struct entry *) &t->buckets[n / WAYS];
    t->rests = (uint8_t *) &t->entries[n];
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
    return (t->bucket_mask + 1) * WAYS;
}

static void
select_all(struct agl_select *select, const struct agilio_key *mask)
{
    select->n = 0;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        uint64_t bits = agl_key_word(mask, i);

        if (bits) {
            agl_select_add(select, i, bits);
        }
    }
}

/* Makes the selects of a new interest. */
static void __attribute__((noinline))
set_interest(struct agl_tracker *t, const struct agilio_key *interest)
{
    struct agilio_key meta = { .md = interest->md };
    uint32_t n;

    meta.md.packet_type = agilio_to_be32(0);    /* What has a shape has 0. */
    select_all(&t->select, interest);
    select_all(&t->meta, &meta);
    n = t->select.n;
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape++) {
        struct agl_shape_select *select = &t->shapes[shape];
        uint32_t n_words;

        agl_shape_select(shape, interest, select);
        n_words = 1 + t->meta.n + select->n;
        n = n_words > n ? n_words : n;
    }
    t->n_rest = n > HEAD_WORDS ? n - HEAD_WORDS : 0;
    t->rest_len = rest_len(t->n_rest);
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
        t->n_places = 0;
        set_interest(t, interest);
    }
}

/* Whether 'tk' was made for what the interest is now, and not for another. */
static inline bool
is_current(const struct agl_tracker_key *tk,
           const struct agl_flow_table *flows)
{
    uint64_t seq;

    agl_flow_table_interest(flows, &seq);
    return tk->epoch == seq;
}

static inline struct bucket *
bucket_of(const struct agl_tracker *t, uint64_t hash)
{
    return (struct bucket *) &t->buckets[hash & t->bucket_mask];
}

/* Sets hash and tag of a key.  The tag is not 0.  (Low bits of a hash lead to
 * the bucket, and tell nothing inside of it.) */
static inline void
set_hash(const struct agl_tracker *t, struct agl_tracker_key *tk,
         uint32_t hash, uint32_t kind)
{
    tk->epoch = t->epoch;
    tk->hash = hash;
    tk->tag = (uint16_t) (hash >> 16 & ~(2 * N_KINDS - 1)) | N_KINDS | kind;
    tk->way = WAYS;
    __builtin_prefetch(bucket_of(t, hash));
}

static inline struct entry *
entry_of(const struct agl_tracker *t, const struct bucket *bucket,
         uint32_t way)
{
    return &t->entries[bucket->places[way]];
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

/* Whether the entry at 'place' has the first words of 'tk'. */
static inline bool
has_head(const struct agl_tracker *t, size_t place,
         const struct agl_tracker_key *tk)
{
    const uint64_t *a = t->entries[place].key, *b = tk->words;
    uint64_t differ = ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])
                       | (a[3] ^ b[3]) | (a[4] ^ b[4]));

    AGILIO_ASSERT(HEAD_WORDS == 5);
    return !differ;
}

/* Whether it has all of them. */
static inline bool
has_key(const struct agl_tracker *t, size_t place,
        const struct agl_tracker_key *tk)
{
    return has_head(t, place, tk)
           && (tk->n <= HEAD_WORDS
               || agl_words_equal(rest_of_key(t, place),
                                  tk->words + HEAD_WORDS,
                                  tk->n - HEAD_WORDS));
}

/* The way in 'bucket' that has the key of 'tk', WAYS if none. */
static uint32_t
find_way(const struct agl_tracker *t, const struct bucket *bucket,
         const struct agl_tracker_key *tk)
{
    uint32_t ways = find_tag(bucket, tk->tag);

    for (; ways; ways &= ways - 1) {
        uint32_t way = (uint32_t) __builtin_ctz(ways);

        if (has_key(t, bucket->places[way], tk)) {
            return way;
        }
    }
    return WAYS;
}

static inline struct agl_flow *
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
static bool __attribute__((noinline))
follow_rest(const struct agl_tracker *t, const struct agl_flow_table *flows,
            size_t place, uint32_t n, struct agl_path *path)
{
    const struct flow_ref *rest = rest_of_path(t, place);

    while (path->n < n) {
        struct agl_flow *flow = flow_of(flows, &rest[path->n - 1]);

        if (!flow) {
            path->plain = false;
            break;
        }
        path->flows[path->n++] = flow;
    }
    return true;
}

void
agl_tracker_key(struct agl_tracker *t, const struct agl_flow_table *flows,
                const struct agilio_key *key, struct agl_tracker_key *tk)
{
    follow_interest(t, flows);
    tk->shape = AGL_SHAPE_NONE;
    tk->n = t->select.n;
    memset(tk->words, 0, HEAD_WORDS * sizeof tk->words[0]);
    set_hash(t, tk, agl_select_key(&t->select, key, t->seed, tk->words), 0);
}

/* Begins the key of a packet with its metadata; false if it has some that a
 * shape does not go with. */
static bool
add_meta(const struct agl_tracker *t, const struct agl_pkt *pkt,
         struct agl_tracker_key *tk, uint64_t *hash)
{
    const struct agl_select *select = &t->meta;

    if (pkt->md.packet_type || pkt->md.tunnel.opts_len) {
        return false;
    }
    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word;

        memcpy(&word, (const uint8_t *) &pkt->md
                      + select->index[i] * sizeof word, sizeof word);
        tk->words[i] = word & select->bits[i];
        *hash = agl_hash_add(*hash, tk->words[i]);
    }
    tk->n = select->n;
    return true;
}

/* Makes the key of a packet; false if it has no shape. */
static inline bool
shape_key(const struct agl_tracker *t, struct agl_pkt *pkt,
          const struct agl_parse_options *options, struct agl_tracker_key *tk)
{
    uint32_t shape = agl_shape_of(pkt, options), kind = shape, n = 1;
    const struct agl_shape_select *select = &t->shapes[shape];
    uint64_t hash;

    if (!shape) {
        return false;
    }
    memset(tk->words, 0, HEAD_WORDS * sizeof tk->words[0]);
    if (AGILIO_LIKELY(!pkt->n_recirc)) {
        hash = t->seed + kind;
        tk->words[0] = agilio_from_le32(pkt->md.in_port);
        hash = agl_hash_add(hash, tk->words[0]);
    } else {
        kind |= KIND_META;
        hash = t->seed + kind;
        if (!add_meta(t, pkt, tk, &hash)) {
            return false;
        }
        n = tk->n;
    }
    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word = agl_shape_word(select, i, pkt->data);

        tk->words[n++] = word;
        hash = agl_hash_add(hash, word);
    }
    tk->n = n;
    tk->shape = shape;
    set_hash(t, tk, agl_hash_finish(hash), kind);
    return true;
}

void
agl_tracker_shape_keys(struct agl_tracker *t,
                       const struct agl_flow_table *flows,
                       struct agl_pkt *const pkts[], uint32_t n,
                       const struct agl_parse_options *options,
                       struct agl_traversal ts[])
{
    follow_interest(t, flows);
    for (uint32_t i = 0; i < n; i++) {
        if (!shape_key(t, pkts[i], options, &ts[i].tk)) {
            ts[i].tk.shape = AGL_SHAPE_NONE;
        }
    }
}

void
agl_tracker_prefetch(const struct agl_tracker *t, struct agl_traversal ts[],
                     uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct agl_tracker_key *tk = &ts[i].tk;
        const struct bucket *bucket = bucket_of(t, tk->hash);
        uint32_t ways = find_tag(bucket, tk->tag);

        if (ways) {
            uint32_t way = (uint32_t) __builtin_ctz(ways);

            tk->way = way;
            __builtin_prefetch(entry_of(t, bucket, way), 1);
            if (tk->n > HEAD_WORDS || (bucket->paths[way] & ~PLAIN) > 1) {
                __builtin_prefetch(rest_of_key(t, bucket->places[way]));
            }
        }
    }
}

/* What is known of a packet whose key is at 'way' of 'bucket'. */
static inline bool
hit(const struct agl_tracker *t, const struct agl_flow_table *flows,
    const struct bucket *bucket, uint32_t way, uint64_t now,
    struct agl_path *path)
{
    uint32_t place = bucket->places[way], n = bucket->paths[way];
    struct entry *entry = &t->entries[place];
    struct agl_flow *flow = flow_of(flows, &entry->flow);

    if (!flow) {
        return false;
    }
    entry->used = now;
    entry->packets++;
    path->n = 1;
    path->plain = n >= PLAIN;
    path->flows[0] = flow;
    n &= ~PLAIN;
    return n == 1 || follow_rest(t, flows, place, n, path);
}

/* The same as agl_tracker_lookup(), for what prefetching did not find. */
static bool __attribute__((noinline))
search(const struct agl_tracker *t, const struct agl_flow_table *flows,
       const struct agl_tracker_key *tk, uint64_t now, struct agl_path *path)
{
    const struct bucket *bucket = bucket_of(t, tk->hash);
    uint32_t way;

    if (!is_current(tk, flows) || bucket->epoch != tk->epoch) {
        return false;
    }
    way = find_way(t, bucket, tk);
    return way < WAYS && hit(t, flows, bucket, way, now, path);
}

bool
agl_tracker_lookup(struct agl_tracker *t, const struct agl_flow_table *flows,
                   const struct agl_tracker_key *tk, uint64_t now,
                   struct agl_path *path)
{
    const struct bucket *bucket = bucket_of(t, tk->hash);
    uint32_t way = tk->way;

    path->n = 0;
    path->plain = false;
    if (AGILIO_LIKELY(way < WAYS && is_current(tk, flows)
                      && bucket->epoch == tk->epoch
                      && bucket->tags[way] == tk->tag
                      && has_key(t, bucket->places[way], tk))) {
        return hit(t, flows, bucket, way, now, path);
    }
    return search(t, flows, tk, now, path);
}

/* Whether a live entry must leave its place to a new one. */
static bool
may_go(const struct entry *entry, uint64_t now)
{
    return entry->packets <= 1 || now - entry->used > AGL_TRACKER_HOLD;
}

/* The way to learn something new in, WAYS if there is none; '*live' tells
 * whether a live entry goes. */
static uint32_t
find_victim(const struct agl_tracker *t, const struct agl_flow_table *flows,
            const struct bucket *bucket, uint64_t now, bool *live)
{
    uint64_t least = UINT64_MAX;
    uint32_t oldest = WAYS;

    for (uint32_t way = 0; way < WAYS; way++) {
        const struct entry *entry;

        if (is_stale(t, flows, bucket, way)) {
            *live = false;
            return way;
        }
        entry = entry_of(t, bucket, way);
        if (may_go(entry, now) && entry->used < least) {
            least = entry->used;
            oldest = way;
        }
    }
    *live = true;
    return oldest;
}

/* Whether a packet on this way, to its end, never needs a hash.  (Who gives it
 * to the host does.) */
static bool
is_plain(const struct agl_path *path)
{
    for (uint32_t i = 0; i < path->n; i++) {
        const struct agl_program *program = path->flows[i]->program;

        if (program->reads_hash
            || program->steady != (i < path->n - 1)
            || program->looks_again != program->steady) {
            return false;
        }
    }
    return true;
}

static void
set_key(const struct agl_tracker *t, size_t place,
        const struct agl_tracker_key *tk)
{
    memcpy(t->entries[place].key, tk->words,
           HEAD_WORDS * sizeof tk->words[0]);
    if (tk->n > HEAD_WORDS) {
        memcpy(rest_of_key(t, place), tk->words + HEAD_WORDS,
               (tk->n - HEAD_WORDS) * sizeof tk->words[0]);
    }
}

/* Makes the entry at 'way' that of 'tk', with nothing in it yet. */
static void
begin_entry(struct agl_tracker *t, struct bucket *bucket, uint32_t way,
            const struct agl_tracker_key *tk)
{
    if (bucket->places[way] == NOWHERE) {
        bucket->places[way] = t->n_places++;
    }
    bucket->tags[way] = (uint16_t) tk->tag;
    set_key(t, bucket->places[way], tk);
    entry_of(t, bucket, way)->packets = 0;
}

/* Writes the path into the entry; of another first flow it counts anew. */
static void
fill_entry(struct agl_tracker *t, struct bucket *bucket, uint32_t way,
           const struct agl_path *path, const struct flow_ref refs[],
           uint64_t now)
{
    struct entry *entry = entry_of(t, bucket, way);

    if (entry->flow.id != refs[0].id
        || entry->flow.generation != refs[0].generation) {
        entry->packets = 0;
    }
    entry->packets += !entry->packets;
    entry->flow = refs[0];
    entry->used = now;
    bucket->paths[way] = (uint8_t) (path->n | (is_plain(path) ? PLAIN : 0));
    if (path->n > 1) {
        memcpy(rest_of_path(t, bucket->places[way]), &refs[1],
               (path->n - 1) * sizeof refs[1]);
    }
}

enum agl_learned
agl_tracker_learn(struct agl_tracker *t, const struct agl_flow_table *flows,
                  const struct agl_tracker_key *tk,
                  const struct agl_path *path, uint64_t now)
{
    struct flow_ref refs[AGILIO_MAX_RECIRC + 1];
    struct bucket *bucket;
    bool evicts = false;
    uint32_t way;

    if (!is_current(tk, flows)) {
        return AGL_LEARNED_NOT;
    }
    for (uint32_t i = 0; i < path->n; i++) {
        refs[i] = ref_to(flows, path->flows[i]);
        if (flow_of(flows, &refs[i]) != path->flows[i]) {
            return AGL_LEARNED_NOT;
        }
    }

    bucket = bucket_of(t, tk->hash);
    if (bucket->epoch != tk->epoch) {
        memset(bucket->tags, 0, sizeof bucket->tags);
        memset(bucket->places, 0xff, sizeof bucket->places);
        bucket->epoch = tk->epoch;
    }
    way = find_way(t, bucket, tk);
    if (way == WAYS) {
        way = find_victim(t, flows, bucket, now, &evicts);
        if (way == WAYS) {
            return AGL_LEARNED_NOT;
        }
        begin_entry(t, bucket, way, tk);
    }
    fill_entry(t, bucket, way, path, refs, now);
    return evicts ? AGL_LEARNED_EVICTING : AGL_LEARNED;
}

/* ## ---- ##
 * ## Dump ##
 * ## ---- ## */

/* Writes the words of 'select' where they belong in 'key'. */
static void
put_words(const struct agl_select *select, const uint64_t words[],
          struct agilio_key *key)
{
    for (uint32_t i = 0; i < select->n; i++) {
        memcpy((uint8_t *) key + select->index[i] * sizeof words[i],
               &words[i], sizeof words[i]);
    }
}

/* The key, under 'interest', of what has the key 'words' of this kind. */
static void
dump_key(const struct agl_tracker *t, const struct agilio_key *interest,
         uint32_t kind, const uint64_t words[], struct agilio_key *key)
{
    uint32_t shape = kind & (AGL_N_SHAPES - 1);

    if (!shape) {
        put_words(&t->select, words, key);
    } else if (kind & KIND_META) {
        agl_shape_key(shape, &t->shapes[shape], words + t->meta.n, interest,
                      key);
        put_words(&t->meta, words, key);
    } else {
        agl_shape_key(shape, &t->shapes[shape], words + 1, interest, key);
        key->md.in_port = agilio_to_le32((uint32_t) words[0]);
    }
}

static void
dump_entry(const struct agl_tracker *t, const struct agilio_key *interest,
           const struct bucket *bucket, uint32_t way,
           struct agilio_tracker_entry *out)
{
    const struct entry *entry = entry_of(t, bucket, way);
    uint32_t kind = bucket->tags[way] % N_KINDS;
    uint64_t words[AGILIO_KEY_WORDS];

    memset(out, 0, sizeof *out);
    out->flow_id = agilio_to_le32(entry->flow.id);
    out->n_flows = agilio_to_le32(bucket->paths[way] & ~PLAIN);
    out->packets = agilio_to_le64(entry->packets);
    out->used = agilio_to_le64(entry->used);
    memcpy(words, entry->key, sizeof entry->key);
    memcpy(words + HEAD_WORDS, rest_of_key(t, bucket->places[way]),
           t->n_rest * sizeof words[0]);
    dump_key(t, interest, kind, words, &out->key);
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
