/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.c - the flows that have one mask.
 *
 * Called by flow-table.c only: link and unlink at a burst boundary, lookup for
 * each packet that the tracker does not know.
 *
 * Doubling happens inside link, all at once: a put now and then takes as long
 * as the mask has flows.  Where there is no memory for it the chains just
 * become longer; the next link tries again.
 */

#include "table/mask.h"

#define MIN_BUCKETS 8

struct agl_mask *
agl_mask_create(const struct agl_flow *flow)
{
    const uint64_t *bits = &flow->words[flow->n_words];
    struct agl_mask *mask = agl_env_alloc(sizeof *mask);

    if (!mask) {
        return NULL;
    }
    mask->buckets = agl_env_alloc(MIN_BUCKETS * sizeof *mask->buckets);
    if (!mask->buckets) {
        agl_env_free(mask);
        return NULL;
    }
    mask->n_buckets = MIN_BUCKETS;
    mask->map = flow->map;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        if (flow->map & UINT64_C(1) << i) {
            agl_select_add(&mask->select, i, *bits++);
        }
    }
    return mask;
}

void
agl_mask_destroy(struct agl_mask *mask)
{
    agl_env_free(mask->buckets);
    agl_env_free(mask);
}

bool
agl_mask_is(const struct agl_mask *mask, const struct agl_flow *flow)
{
    return mask->map == flow->map
           && agl_words_equal(mask->select.bits, &flow->words[flow->n_words],
                              flow->n_words);
}

static struct agl_flow **
bucket_of(const struct agl_mask *mask, uint32_t hash)
{
    return &mask->buckets[hash & (mask->n_buckets - 1)];
}

struct agl_flow *
agl_mask_lookup(const struct agl_mask *mask, const uint64_t words[],
                uint32_t hash)
{
    struct agl_flow *flow = *bucket_of(mask, hash);

    while (flow && (flow->hash != hash
                    || !agl_words_equal(flow->words, words,
                                        mask->select.n))) {
        flow = flow->next;
    }
    return flow;
}

static void
push(struct agl_mask *mask, struct agl_flow *flow)
{
    struct agl_flow **bucket = bucket_of(mask, flow->hash);

    flow->next = *bucket;
    *bucket = flow;
}

static void
grow(struct agl_mask *mask)
{
    uint32_t n_old = mask->n_buckets;
    struct agl_flow **old = mask->buckets;
    struct agl_flow **new = agl_env_alloc(2 * (size_t) n_old * sizeof *new);

    if (!new) {
        return;
    }
    mask->buckets = new;
    mask->n_buckets = 2 * n_old;
    for (uint32_t i = 0; i < n_old; i++) {
        while (old[i]) {
            struct agl_flow *flow = old[i];

            old[i] = flow->next;
            push(mask, flow);
        }
    }
    agl_env_free(old);
}

void
agl_mask_link(struct agl_mask *mask, struct agl_flow *flow)
{
    if (mask->n_flows >= mask->n_buckets) {
        grow(mask);
    }
    push(mask, flow);
    flow->mask = mask;
    mask->n_flows++;
}

void
agl_mask_unlink(struct agl_mask *mask, struct agl_flow *flow)
{
    struct agl_flow **p = bucket_of(mask, flow->hash);

    while (*p != flow) {
        p = &(*p)->next;
    }
    *p = flow->next;
    flow->next = NULL;
    flow->mask = NULL;
    mask->n_flows--;
}
