/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow-table.c - L2: the flows of one worker, by id and by match.
 *
 *     slots, by flow id          masks, by rank
 *     +------+------------+      +---+---+---+---
 *     | flow | generation |      | . | . | . |          up to max_masks
 *     +------+------------+      +-|-+---+---+---
 *     | flow | generation |        v
 *     +------+------------+      struct agl_mask: words and bits
 *     | ...                        buckets -> flow -> flow -> flow
 *
 * A flow is in its slot and in one chain of its mask (mask.h).  A mask lives
 * as long as a flow uses it.
 *
 * The scheme is tuple space search: Srinivasan, Suri and Varghese, "Packet
 * Classification using Tuple Space Search", SIGCOMM 1999.
 *
 * Owned by one worker, nothing locks.  Called by the pipeline for each packet
 * that the tracker does not know, and by the worker for control changes.
 */

#include "table/mask.h"

/* ## ------ ##
 * ## Masks. ##
 * ## ------ ## */

/* The mask of 'flow', NULL if no flow in the table has it. */
static struct agl_mask *
mask_find(const struct agl_flow_table *t, const struct agl_flow *flow)
{
    for (uint32_t i = 0; i < t->n_masks; i++) {
        if (agl_mask_is(t->masks[i], flow)) {
            return t->masks[i];
        }
    }
    return NULL;
}

/* Takes 'flow' out of its mask, and the mask out of the table if it was the
 * last flow there. */
static void
mask_unlink(struct agl_flow_table *t, struct agl_flow *flow)
{
    struct agl_mask *mask = flow->mask;
    uint32_t i = 0;

    agl_mask_unlink(mask, flow);
    if (mask->n_flows) {
        return;
    }
    while (t->masks[i] != mask) {
        i++;
    }
    t->n_masks--;
    memmove(&t->masks[i], &t->masks[i + 1],
            (t->n_masks - i) * sizeof t->masks[0]);
    t->mask_gone = true;
    agl_mask_destroy(mask);
}

/* ## --------- ##
 * ## Interest. ##
 * ## --------- ## */

static void
interest_add(uint64_t interest[], const struct agl_mask *mask)
{
    const struct agl_select *select = &mask->select;

    for (uint32_t i = 0; i < select->n; i++) {
        interest[select->index[i]] |= select->bits[i];
    }
}

static void
interest_set(struct agl_flow_table *t, const uint64_t words[])
{
    if (!agl_words_equal(t->interest.words, words, AGILIO_KEY_WORDS)) {
        memcpy(t->interest.words, words, sizeof t->interest.words);
        t->seq++;
    }
}

static void
interest_grow(struct agl_flow_table *t, const struct agl_mask *mask)
{
    uint64_t words[AGILIO_KEY_WORDS];

    memcpy(words, t->interest.words, sizeof words);
    interest_add(words, mask);
    interest_set(t, words);
}

static void
interest_recompute(struct agl_flow_table *t)
{
    uint64_t words[AGILIO_KEY_WORDS] = { 0 };

    for (uint32_t i = 0; i < t->n_masks; i++) {
        interest_add(words, t->masks[i]);
    }
    interest_set(t, words);
}

/* ## ---------- ##
 * ## The table. ##
 * ## ---------- ## */

struct agl_flow_table *
agl_flow_table_create(uint32_t max_flows, uint32_t max_masks)
{
    struct agl_flow_table *t;

    t = agl_env_alloc(sizeof *t
                      + (size_t) max_flows * sizeof t->slots[0]
                      + ((size_t) max_masks + 1) * sizeof t->masks[0]);
    if (t) {
        t->seed = agl_env_random();
        t->seq = 1;
        t->max_flows = max_flows;
        t->max_masks = max_masks;
        t->masks = (struct agl_mask **) &t->slots[max_flows];
    }
    return t;
}

void
agl_flow_table_destroy(struct agl_flow_table *t)
{
    if (!t) {
        return;
    }
    for (uint32_t i = 0; i < t->max_flows; i++) {
        agl_flow_destroy(t->slots[i].flow);
    }
    for (uint32_t i = 0; i < t->n_masks; i++) {
        agl_mask_destroy(t->masks[i]);
    }
    agl_env_free(t);
}

/* Finds or makes the mask that 'flow' will be linked to in place of 'old'. */
static int
find_place(struct agl_flow_table *t, const struct agl_flow *flow,
           const struct agl_flow *old, struct agl_mask **maskp)
{
    struct agl_mask *mask = mask_find(t, flow);

    if (mask) {
        struct agl_flow *twin = agl_mask_lookup(mask, flow->words, flow->hash);

        if (twin && twin != old) {
            return AGILIO_E_EXIST;
        }
    } else {
        bool frees_one = old && old->mask->n_flows == 1;

        if (t->n_masks - frees_one >= t->max_masks) {
            return AGILIO_E_NOSPC;
        }
        mask = agl_mask_create(flow);
        if (!mask) {
            return AGILIO_E_NOBUFS;
        }
        t->masks[t->n_masks++] = mask;
        interest_grow(t, mask);
    }
    *maskp = mask;
    return 0;
}

int
agl_flow_table_put(struct agl_flow_table *t, struct agl_flow *flow,
                   struct agl_flow **old)
{
    struct agl_mask *mask;
    struct agl_slot *slot;
    int error;

    *old = NULL;
    if (flow->id >= t->max_flows) {
        return AGILIO_E_INVAL;
    }
    slot = &t->slots[flow->id];
    flow->hash = agl_hash_words(flow->words, flow->n_words, t->seed);
    error = find_place(t, flow, slot->flow, &mask);
    if (error) {
        return error;
    }

    /* The new one first: a mask that both have must not go in between.  So
     * for a moment there can be one mask more than max_masks. */
    agl_mask_link(mask, flow);
    if (slot->flow) {
        *old = slot->flow;
        mask_unlink(t, slot->flow);
        slot->generation++;
    } else {
        t->n_flows++;
    }
    slot->flow = flow;
    return 0;
}

struct agl_flow *
agl_flow_table_del(struct agl_flow_table *t, uint32_t id)
{
    struct agl_flow *flow = id < t->max_flows ? t->slots[id].flow : NULL;

    if (flow) {
        mask_unlink(t, flow);
        t->slots[id].flow = NULL;
        t->slots[id].generation++;
        t->n_flows--;
    }
    return flow;
}

struct agl_flow *
agl_flow_table_lookup(struct agl_flow_table *t, const struct agilio_key *key)
{
    uint64_t words[AGILIO_KEY_WORDS];

    for (uint32_t i = 0; i < t->n_masks; i++) {
        struct agl_mask *mask = t->masks[i];
        uint32_t hash = agl_select_key(&mask->select, key, t->seed, words);
        struct agl_flow *flow = agl_mask_lookup(mask, words, hash);

        if (flow) {
            mask->hits++;
            return flow;
        }
    }
    return NULL;
}

uint32_t
agl_flow_table_n_flows(const struct agl_flow_table *t)
{
    return t->n_flows;
}

uint32_t
agl_flow_table_n_masks(const struct agl_flow_table *t)
{
    return t->n_masks;
}

void
agl_flow_table_rank(struct agl_flow_table *t)
{
    /* Insertion sort: few masks, and nearly sorted since the last time. */
    for (uint32_t i = 0; i < t->n_masks; i++) {
        struct agl_mask *mask = t->masks[i];
        uint32_t j;

        mask->rank = mask->rank / 2 + mask->hits;
        mask->hits = 0;
        for (j = i; j && t->masks[j - 1]->rank < mask->rank; j--) {
            t->masks[j] = t->masks[j - 1];
        }
        t->masks[j] = mask;
    }

    if (t->mask_gone) {
        t->mask_gone = false;
        interest_recompute(t);
    }
}
