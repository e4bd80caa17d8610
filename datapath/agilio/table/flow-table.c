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

static enum agl_source
source_of(const struct agl_flow *flow)
{
    agilio_le32 in_port = agilio_to_le32(0);

    if (flow->map & 1) {
        memcpy(&in_port, flow->words, sizeof in_port);
    }
    return (agilio_from_le32(in_port) & AGILIO_PORT_HOST ? AGL_FROM_HOST
            : AGL_FROM_NIC);
}

/* Takes 'flow' out of its mask, and the mask out of the table if it was the
 * last flow there. */
static void
mask_unlink(struct agl_flow_table *t, struct agl_flow *flow)
{
    struct agl_mask *mask = flow->mask;
    uint32_t i = 0;

    agl_mask_unlink(mask, flow);
    t->mask_gone |= !--mask->n_by[source_of(flow)];
    if (mask->n_flows) {
        return;
    }
    while (t->masks[i] != mask) {
        i++;
    }
    t->n_masks--;
    memmove(&t->masks[i], &t->masks[i + 1],
            (t->n_masks - i) * sizeof t->masks[0]);
    agl_mask_destroy(mask);
}

/* ## --------- ##
 * ## Interest. ##
 * ## --------- ## */

static void
interest_add(union agl_interest *interest, const struct agl_mask *mask)
{
    const struct agl_select *select = &mask->select;

    for (uint32_t i = 0; i < select->n; i++) {
        interest->words[select->index[i]] |= select->bits[i];
    }
}

static void
interest_set(struct agl_flow_table *t,
             const union agl_interest by[AGL_N_SOURCES])
{
    if (memcmp(t->interest_by, by, sizeof t->interest_by)) {
        memcpy(t->interest_by, by, sizeof t->interest_by);
        for (uint32_t i = 0; i < AGILIO_KEY_WORDS; i++) {
            t->interest.words[i] = (by[AGL_FROM_NIC].words[i]
                                    | by[AGL_FROM_HOST].words[i]);
        }
        t->seq++;
    }
}

static void
interest_grow(struct agl_flow_table *t, const struct agl_mask *mask,
              enum agl_source source)
{
    union agl_interest by[AGL_N_SOURCES];

    memcpy(by, t->interest_by, sizeof by);
    interest_add(&by[source], mask);
    interest_set(t, by);
}

static void
interest_recompute(struct agl_flow_table *t)
{
    union agl_interest by[AGL_N_SOURCES];

    memset(by, 0, sizeof by);
    for (uint32_t i = 0; i < t->n_masks; i++) {
        for (int source = 0; source < AGL_N_SOURCES; source++) {
            if (t->masks[i]->n_by[source]) {
                interest_add(&by[source], t->masks[i]);
            }
        }
    }
    interest_set(t, by);
}

/* Puts 'flow' into 'mask', of which there may be none from there yet. */
static void
mask_link(struct agl_flow_table *t, struct agl_mask *mask,
          struct agl_flow *flow)
{
    enum agl_source source = source_of(flow);

    agl_mask_link(mask, flow);
    if (!mask->n_by[source]++) {
        interest_grow(t, mask, source);
    }
}

/* ## -------- ##
 * ## Tunnels. ##
 * ## -------- ## */

/* The UDP destination port that 'flow' matches; 0 if it does not. */
static agilio_be16
udp_dst_of(const struct agl_flow *flow)
{
    const unsigned int ofs = offsetof(struct agilio_key, tp_dst);
    uint32_t i = 0;
    agilio_be16 port, mask;

    if (!(flow->map >> ofs / 8 & 1)) {
        return agilio_to_be16(0);
    }
    for (unsigned int word = 0; word < ofs / 8; word++) {
        i += flow->map >> word & 1;
    }
    memcpy(&port, (const uint8_t *) &flow->words[i] + ofs % 8, sizeof port);
    memcpy(&mask, (const uint8_t *) &flow->words[i + flow->n_words] + ofs % 8,
           sizeof mask);
    return mask == agilio_to_be16(UINT16_MAX) ? port : agilio_to_be16(0);
}

/* The kind of tunnel that 'flow' takes packets out of, and its UDP port: sets
 * '*port' to that which is noted of the kind, and '*n' to the number of its
 * flows.  0 if there is none. */
static agilio_be16
tunnel_of(struct agl_flow_table *t, const struct agl_flow *flow,
          agilio_be16 **port, uint32_t **n)
{
    switch (flow->program->pop) {
    case AGILIO_TUNNEL_VXLAN:
        *port = &t->tunnels.vxlan;
        *n = &t->n_tunnel_flows[0];
        return udp_dst_of(flow);
    case AGILIO_TUNNEL_GENEVE:
        *port = &t->tunnels.geneve;
        *n = &t->n_tunnel_flows[1];
        return udp_dst_of(flow);
    default:
        return agilio_to_be16(0);
    }
}

static void
tunnels_add(struct agl_flow_table *t, const struct agl_flow *flow)
{
    agilio_be16 *port, udp_dst;
    uint32_t *n;

    udp_dst = tunnel_of(t, flow, &port, &n);
    if (udp_dst && !*n && *port != udp_dst) {
        *port = udp_dst;
        t->seq++;
    }
    if (udp_dst && *port == udp_dst) {
        ++*n;
    }
}

/* (One that was there before the port was noted may count here and not there;
 * then another port is noted too early, which is no harm.) */
static void
tunnels_remove(struct agl_flow_table *t, const struct agl_flow *flow)
{
    agilio_be16 *port, udp_dst;
    uint32_t *n;

    udp_dst = tunnel_of(t, flow, &port, &n);
    if (udp_dst && *port == udp_dst && *n) {
        --*n;
    }
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
    mask_link(t, mask, flow);
    tunnels_add(t, flow);
    if (slot->flow) {
        *old = slot->flow;
        tunnels_remove(t, slot->flow);
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
        tunnels_remove(t, flow);
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
