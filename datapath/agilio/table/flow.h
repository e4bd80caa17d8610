/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - a flow as a worker has it, and the worker's flow table: L2.
 *
 * A flow comes into being when the control thread has checked and compiled it,
 * one for each worker, and does not change until the worker has let it go.  A
 * table belongs to one worker; put and del happen at a burst boundary, so
 * nothing here locks.
 *
 * L2, "repeated hashing": one hash table for each mask in use, tried in the
 * order of their recent use.  Megaflows do not overlap, so the first hit is
 * the only one.  The number of masks is capped.
 *
 * Each flow id has a slot whose generation rises when its flow is deleted or
 * replaced.  A tracker entry remembers (id, generation), so it becomes stale
 * at once without a walk.
 */

#ifndef AGL_FLOW_H
#define AGL_FLOW_H 1

#include "action/program.h"
#include "pkt/tunnelled.h"

struct agl_mask;

struct agl_flow {
    struct agl_flow *next;              /* In the hash chain of its mask. */
    struct agl_mask *mask;              /* Set by the table. */
    uint32_t hash;                      /* Of the masked key; by the table. */
    uint32_t id;
    struct agl_program *program;
    struct agilio_flow_stats *stats;    /* In the region, this worker's. */
    uint64_t map;                       /* Words of the key that matter. */
    uint32_t n_words;                   /* Bits in 'map'. */
    uint32_t port;                      /* The program's, in this line. */
    uint64_t words[];                   /* n_words of key, then of mask. */
};

/* Makes a flow out of the body of a FLOW_PUT message, without 'stats'.  All
 * is checked here: bits of 'map' beyond the key, a key outside its mask, an
 * in_port or recirc_id that is not matched exactly, the program.  Words that
 * the message has but whose mask is 0 are left out, so that a match has one
 * form only.  Returns 0 and sets '*flow' (free with agl_flow_destroy()), or an
 * enum agilio_error (AGILIO_E_PROTO if the body's length is wrong) and sets
 * '*reason' to a constant string. */
int agl_flow_create(struct agilio_reader *body, uint32_t max_flows,
                    struct agl_flow **flow, const char **reason);

/* Another flow of the same id, match and program, which they share; NULL if
 * out of memory.  Only the control thread copies and destroys. */
struct agl_flow *agl_flow_copy(const struct agl_flow *);

/* NULL does nothing, here and for the table. */
void agl_flow_destroy(struct agl_flow *);

/* A flow id's place. */
struct agl_slot {
    struct agl_flow *flow;
    uint32_t generation;
};

/* Where a flow's packets come from: what comes out of a tunnel, and is not on
 * its first pass, comes from a port of the host's. */
enum agl_source {
    AGL_FROM_NIC,
    AGL_FROM_HOST,
    AGL_N_SOURCES
};

union agl_interest {
    struct agilio_key key;
    uint64_t words[AGILIO_KEY_WORDS];
};

/* Private to flow-table.c, but for what the inline functions below read. */
struct agl_flow_table {
    uint64_t seed;
    uint64_t seq;               /* Of the interest. */
    union agl_interest interest;        /* All of it... */
    union agl_interest interest_by[AGL_N_SOURCES];      /* ...and by source. */
    bool mask_gone;             /* 'interest' may have too many bits. */
    struct agl_tunnel_ports tunnels;
    uint32_t n_tunnel_flows[2]; /* That take packets out of those. */
    uint32_t max_flows, n_flows;
    uint32_t max_masks, n_masks;
    struct agl_mask **masks;    /* One more than max_masks: see put. */
    struct agl_slot slots[];    /* [max_flows], then what 'masks' points to. */
};

/* NULL if there is no memory. */
struct agl_flow_table *agl_flow_table_create(uint32_t max_flows,
                                             uint32_t max_masks);
/* Destroys the flows in the table too. */
void agl_flow_table_destroy(struct agl_flow_table *);

/* Adds 'flow', or puts it in the place of the one with its id, which goes to
 * '*old' (else NULL) and is the caller's from then on.  The new flow may have
 * another match than the old.  Returns 0, or, with nothing changed, '*old'
 * NULL and 'flow' still the caller's:
 *
 *     AGILIO_E_EXIST    another id has the very same match
 *     AGILIO_E_NOSPC    it would need one mask too many
 *     AGILIO_E_NOBUFS   there is no memory
 *     AGILIO_E_INVAL    its id is not below max_flows */
int agl_flow_table_put(struct agl_flow_table *, struct agl_flow *flow,
                       struct agl_flow **old);

/* Takes the flow out and returns it, NULL if there is none. */
struct agl_flow *agl_flow_table_del(struct agl_flow_table *, uint32_t id);

/* The flow that 'key' belongs to, NULL if none.  Counts in the ranking. */
struct agl_flow *agl_flow_table_lookup(struct agl_flow_table *,
                                       const struct agilio_key *key);

/* The flow in slot 'id' if the slot's generation is still 'generation'; NULL
 * if not, and for an id beyond the table.  (A generation is 32 bits: to meet
 * the same one again takes 2**32 changes to one id.) */
static inline struct agl_flow *
agl_flow_table_get(const struct agl_flow_table *t, uint32_t id,
                   uint32_t generation)
{
    return (id < t->max_flows && t->slots[id].generation == generation
            ? t->slots[id].flow : NULL);
}

static inline uint32_t
agl_flow_table_generation(const struct agl_flow_table *t, uint32_t id)
{
    return id < t->max_flows ? t->slots[id].generation : 0;
}

/* All bits that any flow looks at, and perhaps some that a flow did until
 * lately: a bit is added as soon as a flow needs it, and dropped only by
 * agl_flow_table_rank().  '*seq', never 0, changes with every such change of
 * the interest: two keys that were one to the tracker may no longer be. */
static inline const struct agilio_key *
agl_flow_table_interest(const struct agl_flow_table *t, uint64_t *seq)
{
    *seq = t->seq;
    return &t->interest.key;
}

/* The same bits, of the flows whose packets come from 'source'. */
static inline const struct agilio_key *
agl_flow_table_interest_by(const struct agl_flow_table *t,
                           enum agl_source source)
{
    return &t->interest_by[source].key;
}

/* The UDP ports by which flows tell what they take out of tunnels: of each
 * kind that which the first of them had.  A change is one of the interest,
 * too. */
static inline void
agl_flow_table_tunnels(const struct agl_flow_table *t,
                       struct agl_tunnel_ports *ports)
{
    *ports = t->tunnels;
}

/* How full, for health and `nic/show'. */
uint32_t agl_flow_table_n_flows(const struct agl_flow_table *);
uint32_t agl_flow_table_n_masks(const struct agl_flow_table *);

/* Sorts the masks anew by their hits since the last time, older ones counting
 * half as much each time, and drops from the interest what no mask has any
 * more.  Called now and then, outside of bursts. */
void agl_flow_table_rank(struct agl_flow_table *);

#endif /* table/flow.h */
