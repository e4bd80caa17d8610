/* SPDX-License-Identifier: Apache-2.0 */
/* dpdk.h - what the daemon and the DPDK driver's two files share. */

#ifndef AGL_PORT_DPDK_H
#define AGL_PORT_DPDK_H 1

#include "port/port.h"

struct rte_mempool;

/* Arguments for DPDK's environment layer (EAL), separated by spaces; NULL for
 * none.  Kept, not copied; for before the first port is opened. */
void agl_dpdk_set_args(const char *args);

/* ## dpdk-env.c, for dpdk.c ## */

/* Starts the environment if it has not been yet.  0, or a positive errno and
 * '*error'; after that it never starts. */
int agl_dpdk_start(char **error);

/* A pool of 'n' mbufs for frames of up to 'len' bytes.  The first thing in an
 * mbuf's private area is a struct agl_pkt, and its headroom comes next, so
 * that its 'room' runs over into the mbuf's buffer:
 *
 *     struct rte_mbuf    private area              buffer
 *     +-----------------+-------------------------+---------+-----------
 *     |                 | struct agl_pkt | room ....        | frame
 *     +-----------------+-------------------------+---------+-----------
 *                                        |<- AGL_PKT_HEADROOM ->|
 *
 * NULL, errno in rte_errno, if there is no memory for it. */
struct rte_mempool *agl_dpdk_pool_create(uint32_t n, uint32_t len);

/* Destroys a pool as soon as no device has one of its mbufs. */
void agl_dpdk_pool_destroy(struct rte_mempool *);

#endif /* port/dpdk.h */
