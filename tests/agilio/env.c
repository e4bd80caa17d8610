/* SPDX-License-Identifier: Apache-2.0 */
/* env.c - the environment of the NIC core, for unit tests: memory that can be
 * made to run out, and random numbers that are the same in each run; or nearly
 * so where several threads want some. */

#include "env.h"

#include "pkt/pkt.h"
#include "table/hash.h"

#include <stdlib.h>
#include <string.h>

unsigned int env_fail_at;
unsigned int env_n_blocks;
uint64_t env_random = 1;

/* No rounding up: the sanitizer then sees the first byte too many. */
void *
agl_env_alloc(size_t size)
{
    void *p;

    if (env_fail_at && !--env_fail_at) {
        return NULL;
    }
    if (posix_memalign(&p, AGILIO_CACHE_LINE, size)) {
        return NULL;
    }
    __atomic_add_fetch(&env_n_blocks, 1, __ATOMIC_RELAXED);
    return memset(p, 0, size);
}

void
agl_env_free(void *p)
{
    if (p) {
        __atomic_sub_fetch(&env_n_blocks, 1, __ATOMIC_RELAXED);
    }
    free(p);
}

/* Knuth's linear congruence: good enough to be unlike the packets. */
uint64_t
agl_env_random(void)
{
    uint64_t r = agilio_load_relaxed(&env_random);

    agilio_store_relaxed(&env_random, r * UINT64_C(6364136223846793005)
                                      + UINT64_C(1442695040888963407));
    return r;
}
