/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - flows for the tests of the tables, and a table so simple that it
 * must be right: an array that is searched from end to end.
 *
 * model_run() lets chance put, replace, delete and look up in the model and in
 * the real table, with or without a tracker in front, and compares all that
 * they say.  Matches and packets come from a space so small that they meet
 * often.  Deleted flows are freed at once, so that the sanitizer sees whoever
 * still knows them.
 */

#ifndef AGL_MODEL_H
#define AGL_MODEL_H 1

#include "check.h"
#include "env.h"
#include "table/hash.h"
#include "table/tracker.h"

#define MODEL_FLOWS 128
#define MODEL_MASKS 12

struct match {
    uint64_t key[AGILIO_KEY_WORDS];
    uint64_t mask[AGILIO_KEY_WORDS];
};

/* Writes the body of a FLOW_PUT with the words that are in 'map' and an empty
 * program into 'buf', of AGILIO_MAX_MSG bytes; returns its length. */
static inline size_t
put_body(uint8_t *buf, uint32_t id, uint64_t map, const struct match *m)
{
    struct agilio_writer w = { .p = buf, .end = buf + AGILIO_MAX_MSG };
    uint16_t n_words = 0;

    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        n_words += map >> i & 1;
    }
    agilio_put_u32(&w, id);
    agilio_put_u16(&w, n_words);
    agilio_put_u16(&w, 0);
    agilio_put_u64(&w, map);
    for (unsigned int half = 0; half < 2; half++) {
        const uint64_t *words = half ? m->mask : m->key;

        for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
            if (map >> i & 1) {
                agilio_put_bytes(&w, &words[i], sizeof words[i]);
            }
        }
    }
    return (size_t) (w.p - buf);
}

static inline struct agl_flow *
make_flow(uint32_t id, const struct match *m)
{
    struct agilio_reader r;
    struct agl_flow *flow;
    const char *reason;
    uint8_t buf[AGILIO_MAX_MSG];
    uint64_t map = 0;

    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        map |= (uint64_t) (m->mask[i] != 0) << i;
    }
    r = (struct agilio_reader) { .p = buf };
    r.end = buf + put_body(buf, id, map, m);
    if (agl_flow_create(&r, UINT32_MAX, &flow, &reason)) {
        printf("flow %u: %s\n", (unsigned int) id, reason);
        abort();
    }
    return flow;
}

/* A match on in_port, recirc_id and the bits 'mask' of word 'word'. */
static inline struct match
one_word(uint64_t port, unsigned int word, uint64_t key, uint64_t mask)
{
    struct match m = { .key = { [0] = port }, .mask = { [0] = UINT64_MAX } };

    m.key[word] |= key & mask;
    m.mask[word] |= mask;
    return m;
}

static inline struct agilio_key
packet(const uint64_t words[])
{
    struct agilio_key key;

    memcpy(&key, words, sizeof key);
    return key;
}

/* Puts a flow that must go in. */
static inline void
put_new(struct agl_flow_table *t, uint32_t id, struct match m)
{
    struct agl_flow *old;

    CHECK(!agl_flow_table_put(t, make_flow(id, &m), &old));
    CHECK(!old);
}

/* Puts a flow that must replace another. */
static inline void
replace(struct agl_flow_table *t, uint32_t id, struct match m)
{
    struct agl_flow *old;

    CHECK(!agl_flow_table_put(t, make_flow(id, &m), &old));
    CHECK(old && old->id == id);
    agl_flow_destroy(old);
}

/* Puts a flow that must be refused. */
static inline int
put_refused(struct agl_flow_table *t, uint32_t id, struct match m)
{
    struct agl_flow *flow = make_flow(id, &m), *old = flow;
    int error = agl_flow_table_put(t, flow, &old);

    CHECK(error && !old);
    agl_flow_destroy(flow);
    return error;
}

/* The id of the flow for 'words', -1 if none. */
static inline int
lookup_id(struct agl_flow_table *t, const uint64_t words[])
{
    struct agilio_key key = packet(words);
    struct agl_flow *flow = agl_flow_table_lookup(t, &key);

    return flow ? (int) flow->id : -1;
}

/* Two different values of word 'word' in keys that are otherwise 'base', for
 * which the hash from 'seed' over words 0 and 'word' differs in its lowest bit
 * at the most.  (200,000 tries have some five such pairs.) */
static inline void
find_collision(uint64_t seed, uint64_t port, uint64_t pair[2])
{
    enum { N = 1 << 19, TRIES = 200000 };
    static uint32_t seen[N];    /* A try, 0 if there is none. */
    uint64_t words[2] = { port };

    memset(seen, 0, sizeof seen);
    for (uint32_t x = 1; x <= TRIES; x++) {
        uint32_t hash, i;

        words[1] = x;
        hash = agl_hash_words(words, 2, seed) | 1;
        i = hash >> 1 & (N - 1);
        for (; seen[i]; i = (i + 1) & (N - 1)) {
            words[1] = seen[i];
            if ((agl_hash_words(words, 2, seed) | 1) == hash) {
                pair[0] = seen[i];
                pair[1] = x;
                return;
            }
        }
        seen[i] = x;
    }
    abort();
}

/* ## ---------- ##
 * ## The model. ##
 * ## ---------- ## */

struct model {
    struct match matches[MODEL_FLOWS];
    bool present[MODEL_FLOWS];
    uint32_t generation[MODEL_FLOWS];
};

static uint64_t model_random_state;

static inline uint32_t
model_random(uint32_t n)
{
    model_random_state = agl_hash_add(model_random_state, 1) + 1;
    return (uint32_t) (model_random_state >> 16) % n;
}

/* Words that differ, and two bits of each. */
static inline void
random_words(uint64_t words[AGILIO_KEY_WORDS])
{
    static const unsigned int index[] = { 1, 6, 11, 16 };

    memset(words, 0, AGILIO_KEY_WORDS * sizeof words[0]);
    for (unsigned int i = 0; i < 4; i++) {
        words[index[i]] = (model_random(2) ? UINT64_C(1) << 63 : 0)
                          | model_random(2);
    }
}

static inline void
random_match(struct match *m)
{
    random_words(m->key);
    random_words(m->mask);
    m->key[0] = model_random(4);
    m->mask[0] = UINT64_MAX;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        m->key[i] &= m->mask[i];
    }
}

static inline bool
overlap(const struct match *a, const struct match *b)
{
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        if ((a->key[i] ^ b->key[i]) & a->mask[i] & b->mask[i]) {
            return false;
        }
    }
    return true;
}

static inline bool
same_mask(const struct match *a, const struct match *b)
{
    return !memcmp(a->mask, b->mask, sizeof a->mask);
}

/* What the table must say to a put: an error, or -1 if the match overlaps
 * another in part, as no host's does. */
static inline int
model_try(const struct model *model, uint32_t id, const struct match *m)
{
    bool new_mask = true;
    uint32_t n_masks = 0;

    for (uint32_t i = 0; i < MODEL_FLOWS; i++) {
        const struct match *other = &model->matches[i];
        bool first = true;

        if (!model->present[i] || i == id) {
            continue;
        }
        if (overlap(other, m)) {
            return same_mask(other, m) ? AGILIO_E_EXIST : -1;
        }
        new_mask = new_mask && !same_mask(other, m);
        for (uint32_t j = 0; j < i; j++) {
            first = first && (!model->present[j] || j == id
                              || !same_mask(other, &model->matches[j]));
        }
        n_masks += first;
    }
    return n_masks + new_mask > MODEL_MASKS ? AGILIO_E_NOSPC : 0;
}

static inline void
model_put(struct model *model, struct agl_flow_table *t)
{
    uint32_t id = model_random(MODEL_FLOWS);
    struct agl_flow *flow, *old;
    struct match m;
    int expected;

    random_match(&m);
    expected = model_try(model, id, &m);
    if (expected < 0) {
        return;
    }
    flow = make_flow(id, &m);
    CHECK(agl_flow_table_put(t, flow, &old) == expected);
    CHECK(!!old == (!expected && model->present[id]));
    if (expected) {
        agl_flow_destroy(flow);
    } else {
        agl_flow_destroy(old);
        model->generation[id] += model->present[id];
        model->matches[id] = m;
        model->present[id] = true;
    }
}

static inline void
model_del(struct model *model, struct agl_flow_table *t, uint32_t id)
{
    struct agl_flow *flow = agl_flow_table_del(t, id);

    CHECK(!!flow == model->present[id]);
    CHECK(!flow || flow->id == id);
    agl_flow_destroy(flow);
    model->generation[id] += model->present[id];
    model->present[id] = false;
}

/* Looks up a random packet as a worker does; true if the tracker knew it. */
static inline bool
model_lookup(const struct model *model, struct agl_flow_table *t,
             struct agl_tracker *tracker, uint64_t now)
{
    struct agl_path path = { .n = 0 };
    struct agl_flow *flow = NULL;
    struct agl_traversal traversal;
    struct agilio_key key;
    struct match m = { .mask = { 0 } };
    int expected = -1;
    bool hit;

    random_words(m.key);
    m.key[0] = model_random(4);
    memset(m.mask, 0xff, sizeof m.mask);
    for (uint32_t i = 0; i < MODEL_FLOWS; i++) {
        if (model->present[i] && overlap(&model->matches[i], &m)) {
            expected = (int) i;
        }
    }

    key = packet(m.key);
    if (tracker) {
        agl_tracker_key(tracker, t, &key, &traversal.tk);
    }
    hit = tracker && agl_tracker_lookup(tracker, t, &traversal.tk, now, &path);
    if (hit) {
        CHECK(path.n == 1);
        flow = path.flows[0];
    } else {
        flow = agl_flow_table_lookup(t, &key);
        if (flow && tracker) {
            path.n = 1;
            path.flows[0] = flow;
            agl_tracker_learn(tracker, t, &traversal.tk, &path, now);
        }
    }
    CHECK((flow ? (int) flow->id : -1) == expected);
    return hit;
}

/* Returns how many lookups the tracker answered. */
static inline uint32_t
model_run(struct agl_flow_table *t, struct agl_tracker *tracker,
          uint32_t n_steps)
{
    static struct model model;
    uint32_t n_hits = 0, n_flows = 0;

    memset(&model, 0, sizeof model);
    model_random_state = 42;
    for (uint32_t step = 1; step <= n_steps; step++) {
        model_put(&model, t);
        if (!model_random(4)) {
            model_del(&model, t, model_random(MODEL_FLOWS));
        }
        for (int i = 0; i < 8; i++) {
            n_hits += model_lookup(&model, t, tracker, step);
        }
        for (uint32_t i = 0; !(step % 250) && i < MODEL_FLOWS; i++) {
            model_del(&model, t, i);
        }
        if (!(step % 50)) {
            agl_flow_table_rank(t);
        }
    }
    for (uint32_t i = 0; i < MODEL_FLOWS; i++) {
        CHECK(agl_flow_table_generation(t, i) == model.generation[i]);
        n_flows += model.present[i];
    }
    CHECK(agl_flow_table_n_flows(t) == n_flows);
    return n_hits;
}

#endif /* model.h */
