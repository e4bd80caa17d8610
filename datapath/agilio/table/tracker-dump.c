/* SPDX-License-Identifier: Apache-2.0 */
/* tracker-dump.c - the tracker's entries, told to who asks. */

#include "table/tracker-private.h"

#define DUMP_STEP 4096          /* Entries that one dump looks at. */

static void
dump_entry(const struct agl_tracker *t, const struct agilio_key *interest,
           const struct bucket *bucket, uint32_t way,
           struct agilio_tracker_entry *out)
{
    const struct entry *entry = entry_of(t, bucket, way);
    uint64_t words[AGILIO_KEY_WORDS];

    memset(out, 0, sizeof *out);
    out->flow_id = agilio_to_le32(entry->flow.id);
    out->n_flows = agilio_to_le32(bucket->paths[way] & ~PLAIN);
    out->packets = agilio_to_le64(entry->packets);
    out->used = agilio_to_le64(entry->used);
    memcpy(words, entry->key, sizeof entry->key);
    memcpy(words + AGL_KEY_HEAD, rest_of_key(t, bucket->places[way]),
           t->n_rest * sizeof words[0]);
    agl_key_maker_unmake(&t->keys, interest, bucket->tags[way], words,
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
    if (seq != t->keys.epoch) {
        i = capacity;           /* No entry is live. */
    }
    for (uint32_t step = 0; i < capacity && n < max && step < DUMP_STEP;
         i++, step++) {
        const struct bucket *bucket = &t->buckets[i / WAYS];
        uint32_t way = i % WAYS;

        if (bucket->epoch == t->keys.epoch
            && !is_stale(t, flows, bucket, way)) {
            dump_entry(t, interest, bucket, way, &out[n++]);
        }
    }
    *cursor = i < capacity ? i : 0;
    return n;
}
