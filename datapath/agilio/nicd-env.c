/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-env.c - what the NIC core asks of its surroundings, in a process.
 *
 * Part of agilio-nicd, and of the bench, which is to have the same memory.
 * The control thread allocates; worker threads do not.
 */

#include <config.h>

#include <sys/mman.h>

#include "entropy.h"
#include "pkt/pkt.h"
#include "table/hash.h"
#include "util.h"

#define HUGE_PAGE ((size_t) 2 << 20)

/* Memory from calloc() need not be touched to be zero, which tells with tables
 * of hundreds of MB; it is not aligned, so the block's start stands before.
 * Such tables are used at random: in huge pages, if the kernel has some. */
void *
agl_env_alloc(size_t size)
{
    char *block = calloc(1, size + 2 * CACHE_LINE_SIZE);
    void **p;

    if (!block) {
        return NULL;
    }
    if (size >= 2 * HUGE_PAGE) {
        char *start = (char *) ROUND_UP((uintptr_t) block, HUGE_PAGE);

        madvise(start, block + size - start, MADV_HUGEPAGE);
    }
    p = (void **) ROUND_UP((uintptr_t) (block + sizeof *p), CACHE_LINE_SIZE);
    p[-1] = block;
    return p;
}

void
agl_env_free(void *p)
{
    if (p) {
        free(((void **) p)[-1]);
    }
}

/* Not from random.h, of which whoever knows a 32-bit seed knows all. */
uint64_t
agl_env_random(void)
{
    uint64_t random;

    get_entropy_or_die(&random, sizeof random);
    return random;
}
