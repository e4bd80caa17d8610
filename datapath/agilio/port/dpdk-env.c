/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/dpdk-env.c - DPDK's environment in this process, and pools of mbufs.
 *
 * The environment is started with the first port: it takes huge pages and
 * reads what devices there are, which a NIC without such ports shall not do.
 * The control thread does all of this; none of it is for the worker.
 *
 * Source: DPDK Programmer's Guide 22.11, "Environment Abstraction Layer" and
 * "Mbuf Library".
 */

#define _GNU_SOURCE 1           /* sched_getaffinity() */
#include "port/dpdk.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "port/common.h"

#define MAX_ARGS 64
#define MAX_POOLS 64
#define POOL_CACHE 256          /* Mbufs that a thread keeps at hand. */

AGILIO_ASSERT(AGL_PKT_HEADROOM >= RTE_PKTMBUF_HEADROOM);

static const char *user_args;

void
agl_dpdk_set_args(const char *args)
{
    user_args = args;
}

/* ## ----------- ##
 * ## Environment ##
 * ## ----------- ## */

/* Splits 'words' in place at spaces. */
static int
add_words(char *argv[], int argc, char *words)
{
    char *save = NULL;
    char *word;

    for (word = strtok_r(words, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        if (argc == MAX_ARGS) {
            return -1;
        }
        argv[argc++] = word;
    }
    return argc;
}

/* A core that this thread may run on, for the environment to call lcore 0.  It
 * pins nobody: start_env() sees to that. */
static int
some_cpu(const cpu_set_t *cpus)
{
    int cpu;

    for (cpu = 0; cpu < CPU_SETSIZE - 1; cpu++) {
        if (CPU_ISSET(cpu, cpus)) {
            break;
        }
    }
    return cpu;
}

/* Shares nothing with other DPDK programs on the machine, and leaves nothing
 * behind.  The environment keeps the arguments, so they are not freed. */
static int
start_env(char **error)
{
    const char *user = user_args ? user_args : "";
    const char *alone = strstr(user, "--no-huge") ? "--no-shconf"
                                                  : "--in-memory";
    static char *argv[MAX_ARGS + 1];
    char *words = NULL;
    cpu_set_t cpus;
    int argc;

    if (sched_getaffinity(0, sizeof cpus, &cpus)
        || asprintf(&words, "agilio-nicd %s --no-telemetry --log-level=error "
                    "--lcores=0@%d %s", alone, some_cpu(&cpus), user) < 0) {
        return agl_dev_fail(error, errno, "dpdk: cannot start DPDK (%s)",
                            strerror(errno));
    }
    argc = add_words(argv, 0, words);
    if (argc < 0) {
        return agl_dev_fail(error, E2BIG, "dpdk: too many arguments for DPDK");
    }
    if (rte_eal_init(argc, argv) < 0) {
        return agl_dev_fail(error, rte_errno ? rte_errno : EINVAL,
                            "dpdk: DPDK did not start (%s); without huge "
                            "pages it needs --dpdk=--no-huge",
                            rte_strerror(rte_errno));
    }
    sched_setaffinity(0, sizeof cpus, &cpus);
    return 0;
}

int
agl_dpdk_start(char **error)
{
    static int result = -1;

    if (result > 0) {
        return agl_dev_fail(error, result, "dpdk: DPDK did not start before, "
                            "and cannot be started twice");
    }
    if (result < 0) {
        result = start_env(error);
    }
    return result;
}

/* ## ----- ##
 * ## Pools ##
 * ## ----- ## */

/* Destroyed, but a device may have mbufs yet. */
static struct rte_mempool *leaving[MAX_POOLS];

static void
sweep(void)
{
    for (size_t i = 0; i < MAX_POOLS; i++) {
        if (leaving[i] && rte_mempool_full(leaving[i])) {
            rte_mempool_free(leaving[i]);
            leaving[i] = NULL;
        }
    }
}

/* To the pool that 'pkt' lies in. */
static void
give_back(struct agl_pkt *pkt)
{
    rte_pktmbuf_free_seg((struct rte_mbuf *) (void *) pkt - 1);
}

static void
init_pkt(struct rte_mempool *pool, void *aux, void *mbuf, unsigned int i)
{
    struct agl_pkt *pkt = rte_mbuf_to_priv(mbuf);

    (void) pool;
    (void) aux;
    (void) i;
    pkt->give_back = give_back;
}

struct rte_mempool *
agl_dpdk_pool_create(uint32_t n, uint32_t len)
{
    static unsigned int serial;
    struct rte_mempool *pool;
    char name[RTE_MEMPOOL_NAMESIZE];

    sweep();
    snprintf(name, sizeof name, "agilio%u", serial++);
    pool = rte_pktmbuf_pool_create(name, n, POOL_CACHE,
                                   offsetof(struct agl_pkt, room)
                                   + AGL_PKT_HEADROOM - RTE_PKTMBUF_HEADROOM,
                                   (uint16_t) (RTE_PKTMBUF_HEADROOM + len),
                                   SOCKET_ID_ANY);
    if (pool) {
        rte_mempool_obj_iter(pool, init_pkt, NULL);
    }
    return pool;
}

void
agl_dpdk_pool_destroy(struct rte_mempool *pool)
{
    sweep();
    for (size_t i = 0; pool && i < MAX_POOLS; i++) {
        if (!leaving[i]) {
            leaving[i] = pool;
            break;              /* Else it stays: better than a crash. */
        }
    }
    sweep();
}
