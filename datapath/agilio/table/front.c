/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front.c - the way to a tracker entry that a frame of a common shape takes.
 *
 *     set of four slots: as many cache lines as the policy needs, mostly two
 *     +--------+-------+---------+--------+-------+---------+-----+------
 *     | target | place | n words | target | place | n words | ... | pad
 *     +--------+-------+---------+--------+-------+---------+-----+------
 *
 * 'target' is the entry, its serial number and the frame's shape; 'place' is
 * the port, and what the policy is known by.  The words are those of the frame
 * that have a bit that the policy looks at, masked; n is that of the shape
 * with the most of them.
 *
 * A new policy finds nothing that an old one left, and so nobody has to clear
 * it away: a policy is known by a random number, which who sends packets
 * cannot have put into them to be found in its place.
 *
 * Called by tracker.c, on the worker.
 */

#include "table/front.h"

#include "table/hash.h"

#define WAYS 4
#define HEAD 2                  /* Words before the key's. */
#define LINE (AGILIO_CACHE_LINE / sizeof(uint64_t))
#define MAX_SET (AGILIO_ROUND_UP(WAYS * (HEAD + AGL_SHAPE_WORDS), LINE))

/* Bits of a frame, as struct agl_select has those of a key. */
struct frame_select {
    uint32_t n;
    uint8_t index[AGL_SHAPE_WORDS];
    uint64_t bits[AGL_SHAPE_WORDS];
};

struct agl_front {
    uint64_t seed;
    uint64_t seq;               /* Of the interest in 'selects'. */
    uint64_t policy;            /* Random; that interest is known by it. */
    uint32_t way_len;           /* Words of a slot. */
    uint32_t set_len;           /* Of a set, a multiple of LINE. */
    uint32_t set_mask;
    size_t n_words;             /* That there are for sets. */
    struct frame_select selects[AGL_N_SHAPES];
    uint64_t sets[] __attribute__((aligned(AGILIO_CACHE_LINE)));
};

struct agl_front *
agl_front_create(uint32_t n)
{
    size_t n_words = (size_t) n * LINE;
    struct agl_front *f;

    if (n_words < MAX_SET) {
        n_words = MAX_SET;
    }
    f = agl_env_alloc(sizeof *f + n_words * sizeof f->sets[0]);
    if (f) {
        f->seed = agl_env_random();
        f->n_words = n_words;
    }
    return f;
}

void
agl_front_destroy(struct agl_front *f)
{
    agl_env_free(f);
}

/* ## ------ ##
 * ## Policy ##
 * ## ------ ## */

static void
init_select(struct frame_select *select, uint32_t shape,
            const struct agilio_key *interest)
{
    uint64_t words[AGL_SHAPE_WORDS];

    agl_shape_mask(shape, interest, words);
    select->n = 0;
    for (uint32_t i = 0; i < AGL_SHAPE_WORDS; i++) {
        if (words[i]) {
            select->index[select->n] = (uint8_t) i;
            select->bits[select->n++] = words[i];
        }
    }
}

void
agl_front_follow(struct agl_front *f, const struct agilio_key *interest,
                 uint64_t seq)
{
    uint32_t n_sets = 1, n = 0;

    if (AGILIO_LIKELY(f->seq == seq)) {
        return;
    }
    f->seq = seq;
    f->policy = agl_env_random();
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape++) {
        init_select(&f->selects[shape], shape, interest);
        n = f->selects[shape].n > n ? f->selects[shape].n : n;
    }
    f->way_len = HEAD + n;
    f->set_len = (uint32_t) AGILIO_ROUND_UP(WAYS * f->way_len, LINE);
    while ((size_t) 2 * n_sets * f->set_len <= f->n_words) {
        n_sets *= 2;
    }
    f->set_mask = n_sets - 1;
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

void
agl_front_start(const struct agl_front *f, struct agl_pkt *pkt,
                const struct agl_parse_options *options,
                struct agl_hint *hint)
{
    const struct frame_select *select;
    uint64_t hash;

    hint->entry = AGL_FRONT_NONE;
    hint->shape = agl_shape_parse(pkt, options);
    if (!hint->shape) {
        return;
    }
    select = &f->selects[hint->shape];
    hint->words[0] = f->policy ^ agilio_from_le32(pkt->md.in_port);
    hash = agl_hash_add(f->seed + hint->shape, hint->words[0]);
    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word;

        memcpy(&word, pkt->data + select->index[i] * sizeof word, sizeof word);
        word &= select->bits[i];
        hint->words[1 + i] = word;
        hash = agl_hash_add(hash, word);
    }
    hint->set = (uint64_t *) &f->sets[(size_t) (agl_hash_finish(hash)
                                                & f->set_mask) * f->set_len];
    __builtin_prefetch(hint->set);
    __builtin_prefetch(hint->set + LINE);
}

static uint64_t
target_of(uint32_t shape, uint32_t entry, uint32_t serial)
{
    return (uint64_t) serial << 32 | entry << 4 | shape;
}

void
agl_front_find(const struct agl_front *f, struct agl_hint *hint)
{
    uint32_t n = f->selects[hint->shape].n;

    if (!hint->shape) {
        return;
    }
    for (uint32_t way = 0; way < WAYS; way++) {
        const uint64_t *slot = hint->set + way * f->way_len;

        if (agl_words_equal(slot + 1, hint->words, n + 1)
            && (slot[0] & 0xf) == hint->shape) {
            hint->entry = (uint32_t) slot[0] >> 4;
            hint->serial = (uint32_t) (slot[0] >> 32);
            return;
        }
    }
}

/* The newest comes first, and the oldest goes.  (Of two slots with one key the
 * first is found, which is the newer.) */
void
agl_front_learn(struct agl_front *f, const struct agl_hint *hint,
                uint32_t entry, uint32_t serial)
{
    uint32_t n = f->selects[hint->shape].n;
    uint64_t *slot = hint->set;

    memmove(slot + f->way_len, slot,
            (WAYS - 1) * f->way_len * sizeof *slot);
    slot[0] = target_of(hint->shape, entry, serial);
    memcpy(slot + 1, hint->words, (n + 1) * sizeof *slot);
}
