/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front.h - the way to a tracker entry that a frame of a common shape takes.
 *
 * Where a frame has a shape (pkt/shape.h), the bits of it that the policy
 * looks at are a key, as good as the parsed one and had for a few
 * instructions.  The front is a cache from these to entries of the tracker.
 * It says where an entry was; its serial number tells whether it still is the
 * same one.
 *
 * Packets go through it in bursts: start() for all of them, which has the CPU
 * fetch their sets; then find() for all, which does so for the entries.
 *
 * Part of a tracker, and like it of one worker; nothing here locks.
 */

#ifndef AGL_FRONT_H
#define AGL_FRONT_H 1

#include "pkt/shape.h"

struct agl_front;

#define AGL_FRONT_NONE UINT32_MAX       /* No entry. */

/* What is known of a packet before it is looked up. */
struct agl_hint {
    uint32_t shape;
    uint32_t entry, serial;             /* Of the tracker; or _NONE. */
    uint64_t *set;                      /* Where its slot is or would be. */
    uint64_t words[1 + AGL_SHAPE_WORDS];        /* Its key. */
};

/* For a tracker with 'n' entries; takes a cache line for each.  NULL if there
 * is no memory. */
struct agl_front *agl_front_create(uint32_t n);
void agl_front_destroy(struct agl_front *);

/* Looks at these bits from now on; forgets all if 'seq' is not the last. */
void agl_front_follow(struct agl_front *, const struct agilio_key *interest,
                      uint64_t seq);

void agl_front_start(const struct agl_front *, struct agl_pkt *,
                     const struct agl_parse_options *, struct agl_hint *);
void agl_front_find(const struct agl_front *, struct agl_hint *);

/* Remembers the way for a packet that has a shape.  'entry' has 28 bits. */
void agl_front_learn(struct agl_front *, const struct agl_hint *,
                     uint32_t entry, uint32_t serial);

#endif /* table/front.h */
