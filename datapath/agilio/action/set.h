/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set.h - what the masked SET_* actions share.
 *
 * A SET_* action reads what is there, merges the new value in under the mask,
 * and does nothing more if that changed nothing: a checksum may only be
 * updated for a real change (csum.h).
 */

#ifndef AGL_SET_H
#define AGL_SET_H 1

#include "action/program.h"
#include "pkt/csum.h"
#include "pkt/headers.h"

/* 'old' with the bits that are 1 in 'mask' taken from 'value'. */
#define AGL_MERGE(OLD, VALUE, MASK) (((VALUE) & (MASK)) | ((OLD) & ~(MASK)))

/* The same for 'n' bytes: from 'old' into 'new', which may be one place. */
static inline void
agl_merge(uint8_t *new, const uint8_t *old, const uint8_t *value,
          const uint8_t *mask, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        new[i] = AGL_MERGE(old[i], value[i], mask[i]);
    }
}

#endif /* action/set.h */
