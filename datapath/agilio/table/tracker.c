/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker.c - L1: the exact match flow tracker of one worker (tracker.h; its
 * memory: tracker-private.h).
 *
 * Owned by one worker, which calls lookup and learn for each packet and dump
 * between bursts; nothing locks.
 */

#include "table/tracker-private.h"

#define MAX_ENTRIES (UINT32_C(1) << 28)

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
                      + (size_t) n * rest_len(AGILIO_KEY_WORDS
                                              - AGL_KEY_HEAD));
    if (!t) {
        return NULL;
    }
    agl_key_maker_init(&t->keys);
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

/* Follows the interest of 'flows'; all entries are stale if it changed. */
static inline void
follow_interest(struct agl_tracker *t, const struct agl_flow_table *flows)
{
    uint64_t seq;

    agl_flow_table_interest(flows, &seq);
    if (AGILIO_UNLIKELY(t->keys.epoch != seq)) {
        agl_key_maker_follow(&t->keys, flows);
        t->n_places = 0;
        t->n_rest = t->keys.n_words - AGL_KEY_HEAD;
        t->rest_len = rest_len(t->n_rest);
    }
}

void
agl_tracker_key(struct agl_tracker *t, const struct agl_flow_table *flows,
                const struct agilio_key *key, struct agl_tracker_key *tk)
{
    follow_interest(t, flows);
    agl_key_maker_parsed(&t->keys, key, tk);
    __builtin_prefetch(bucket_of(t, tk->hash));
}

uint32_t
agl_tracker_find_way(const struct agl_tracker *t, const struct bucket *bucket,
                     const struct agl_tracker_key *tk)
{
    uint32_t ways = find_tag(bucket, tk->tag);

    for (; ways; ways &= ways - 1) {
        uint32_t way = (uint32_t) __builtin_ctz(ways);

        if (has_key(t, entry_of(t, bucket, way), tk)) {
            return way;
        }
    }
    return WAYS;
}

bool
agl_tracker_follow_rest(const struct agl_tracker *t,
                        const struct agl_flow_table *flows, size_t place,
                        uint32_t n, struct agl_path *path)
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

/* Fills in the paths of those that have a key, without vectors. */
static void
lookup_keys(const struct agl_tracker *t, const struct agl_flow_table *flows,
            struct agl_traversal ts[], uint32_t n, uint64_t now)
{
    struct entry *entries[AGL_BURST];
    uint8_t lengths[AGL_BURST];
    uint32_t i;

    for (i = 0; i < n; i++) {
        const struct agl_tracker_key *tk = &ts[i].tk;

        const struct bucket *bucket = bucket_of(t, tk->hash);

        entries[i] = tk->shape ? likely_entry(t, bucket,
                                              find_tag(bucket, tk->tag),
                                              tk->n, &lengths[i]) : NULL;
    }
    for (i = 0; i < n; i++) {
        ts[i].path.n = 0;
        if (AGILIO_LIKELY(entries[i] && has_key(t, entries[i], &ts[i].tk))) {
            hit(t, flows, entries[i], lengths[i], now, &ts[i].path);
        }
    }
}

void
agl_tracker_lookup_burst(struct agl_tracker *t,
                         const struct agl_flow_table *flows,
                         struct agl_pkt *const pkts[], uint32_t n,
                         const struct agl_parse_options *options,
                         uint64_t now, struct agl_traversal ts[])
{
    follow_interest(t, flows);
#if AGL_HAVE_VECTORS
    if (AGILIO_LIKELY(t->keys.has_vectors)) {
        agl_tracker_lookup_vectors(t, flows, pkts, n, options, now, ts);
        return;
    }
#endif
    agl_key_maker_shapes(&t->keys, pkts, n, options, ts);
    for (uint32_t i = 0; i < n; i++) {
        if (ts[i].tk.shape) {
            __builtin_prefetch(bucket_of(t, ts[i].tk.hash));
        }
    }
    lookup_keys(t, flows, ts, n, now);
}

bool
agl_tracker_lookup(struct agl_tracker *t, const struct agl_flow_table *flows,
                   const struct agl_tracker_key *tk, uint64_t now,
                   struct agl_path *path)
{
    const struct bucket *bucket = bucket_of(t, tk->hash);
    uint32_t way;

    path->n = 0;
    path->plain = false;
    if (!is_current(tk, flows) || bucket->epoch != tk->epoch) {
        return false;
    }
    way = agl_tracker_find_way(t, bucket, tk);
    return way < WAYS && hit(t, flows, entry_of(t, bucket, way),
                             bucket->paths[way], now, path);
}
