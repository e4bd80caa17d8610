/* SPDX-License-Identifier: Apache-2.0 */
/* count.h - counts a packet of 'len' bytes in the region, for actions that do
 * so.  Only one thread writes the counter. */

#ifndef AGL_COUNT_H
#define AGL_COUNT_H 1

#include "agilio/abi.h"

static inline void
agl_count(struct agilio_count *c, uint32_t len)
{
    uint64_t packets = agilio_from_le64(c->packets) + 1;
    uint64_t bytes = agilio_from_le64(c->bytes) + len;

    agilio_store_relaxed(&c->packets, agilio_to_le64(packets));
    agilio_store_relaxed(&c->bytes, agilio_to_le64(bytes));
}

#endif /* action/count.h */
