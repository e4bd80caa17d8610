/* SPDX-License-Identifier: Apache-2.0 */
/* tracker-learn.c - what the tracker learns, and what has to go for it. */

#include "table/tracker-private.h"

static struct flow_ref
ref_to(const struct agl_flow_table *flows, const struct agl_flow *flow)
{
    return (struct flow_ref) {
        .id = flow->id,
        .generation = agl_flow_table_generation(flows, flow->id),
    };
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
        bool last = i == path->n - 1;

        if (program->reads_hash || program->looks_again == last
            || (!last && !program->steady && !program->pop)) {
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
           AGL_KEY_HEAD * sizeof tk->words[0]);
    if (tk->n > AGL_KEY_HEAD) {
        memcpy(rest_of_key(t, place), tk->words + AGL_KEY_HEAD,
               (tk->n - AGL_KEY_HEAD) * sizeof tk->words[0]);
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
    way = agl_tracker_find_way(t, bucket, tk);
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
