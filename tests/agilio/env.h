/* SPDX-License-Identifier: Apache-2.0 */
/* env.h - how a unit test steers the environment of the NIC core. */

#ifndef AGL_ENV_H
#define AGL_ENV_H 1

#include <stdint.h>

extern unsigned int env_fail_at;    /* The allocation, counted from the next
                                     * one as 1, that fails; 0: none does. */
extern unsigned int env_n_blocks;   /* Allocated and not yet freed. */
extern uint64_t env_random;         /* What agl_env_random() gives next. */

#endif /* env.h */
