/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-counts.c - see agilio-counts.h. */

#include <config.h>

#include "agilio-counts.h"

#include "agilio-nic.h"
#include "util.h"

#define NO_SLOT UINT32_MAX

void
agilio_counts_init(struct agilio_counts *c, size_t n,
                   void (*read)(const struct agilio_map *, uint32_t slot,
                                uint64_t live[]))
{
    c->n = n;
    c->read = read;
    c->past = xcalloc(n, sizeof *c->past);
    c->held = xcalloc(n, sizeof *c->held);
    c->boot_id = 0;
    c->slot = NO_SLOT;
}

void
agilio_counts_destroy(struct agilio_counts *c)
{
    free(c->past);
    free(c->held);
}

void
agilio_counts_start(struct agilio_counts *c, uint32_t slot)
{
    const struct agilio_map *map = agilio_nic_map();

    if (map) {
        c->boot_id = map->boot_id;
        c->slot = slot;
    }
}

/* What its slot counted.  The region is there even if the NIC is not, until
 * another NIC takes its place. */
static void
read_slot(const struct agilio_counts *c, uint64_t live[])
{
    const struct agilio_map *map = agilio_nic_map();

    if (map && map->boot_id == c->boot_id) {
        c->read(map, c->slot, live);
    } else {
        memcpy(live, c->held, c->n * sizeof *live);
    }
}

void
agilio_counts_hold(struct agilio_counts *c)
{
    if (c->slot != NO_SLOT) {
        read_slot(c, c->held);
    }
}

void
agilio_counts_get(const struct agilio_counts *c, uint64_t sums[])
{
    memset(sums, 0, c->n * sizeof *sums);
    if (c->slot != NO_SLOT) {
        read_slot(c, sums);
    }
    for (size_t i = 0; i < c->n; i++) {
        sums[i] += c->past[i];
    }
}

void
agilio_counts_fold(struct agilio_counts *c)
{
    uint64_t *sums = xmalloc(c->n * sizeof *sums);

    agilio_counts_get(c, sums);
    free(c->past);
    c->past = sums;
    c->slot = NO_SLOT;
}

void
agilio_counts_reset(struct agilio_counts *c)
{
    uint64_t *sums = xmalloc(c->n * sizeof *sums);

    agilio_counts_get(c, sums);
    for (size_t i = 0; i < c->n; i++) {
        c->past[i] -= sums[i];
    }
    free(sums);
}
