/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bond.h - the bonds that LB_OUTPUT actions name: which member carries which
 * part of the packets.
 *
 * The control thread reads a BOND_SET and has the worker take it over between
 * two bursts; all else is the worker's, which has its own row of counters.
 */

#ifndef AGL_BOND_H
#define AGL_BOND_H 1

#include "agilio/msg.h"

struct agl_bonds;

struct agl_bond {
    uint32_t id;                /* 0: the slot is empty. */
    uint32_t ports[AGILIO_BOND_BUCKETS];
};

/* 'n' empty slots, which count in 'stats'.  NULL if out of memory. */
struct agl_bonds *agl_bonds_create(struct agilio_bond_stats *stats,
                                   uint32_t n);
void agl_bonds_destroy(struct agl_bonds *);

/* Makes a bond of the body of a BOND_SET, for one of 'n' slots.  Returns 0, or
 * an enum agilio_error and sets '*reason' to a constant string. */
int agl_bond_read(struct agl_bond *, struct agilio_reader *body, uint32_t n,
                  const char **reason);

void agl_bonds_set(struct agl_bonds *, const struct agl_bond *);
/* False if there is no such bond. */
bool agl_bonds_del(struct agl_bonds *, uint32_t id);
void agl_bonds_flush(struct agl_bonds *);

#endif /* action/bond.h */
