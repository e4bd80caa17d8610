/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the worker around the pipeline: its round, its calls, its sleep.
 *
 * The control thread never touches what a worker owns; it posts calls, which
 * the worker makes between two bursts, in order.  'posted' and 'done' are the
 * two cursors of that queue: each is written by one thread, with release, and
 * read by the other with acquire.
 */

#include "pipeline.h"

#include "action/bond.h"
#include "action/meter.h"
#include "table/hash.h"

#define CALLS_AT_A_TIME 64

int
agl_worker_init(struct agl_worker *w, const struct agl_nic_ops *ops,
                struct agl_region *region, uint32_t index,
                uint32_t n_packets, uint32_t n_tracker)
{
    const struct agl_geometry *g = &region->geometry;
    void *memory;

    memset(w, 0, sizeof *w);
    memory = agl_env_alloc((size_t) n_packets * sizeof(struct agl_pkt));
    w->table = agl_flow_table_create(g->max_flows, g->max_masks);
    w->tracker = agl_tracker_create(n_tracker);
    w->memory = memory;
    w->run.meters = agl_meters_create(region->meters, g->max_meters);
    w->run.bonds = agl_bonds_create(region->bonds
                                    + (size_t) index * g->max_bonds,
                                    g->max_bonds);
    if (!memory || !w->table || !w->tracker || !w->run.meters
        || !w->run.bonds) {
        agl_worker_destroy(w);
        return AGILIO_E_NOBUFS;
    }

    agl_pool_init(&w->pool, memory, n_packets);
    w->run.pool = &w->pool;
    w->run.output = agl_pipeline_output;
    w->run.recirc = agl_pipeline_recirc;
    w->run.sample = agl_pipeline_sample;
    w->run.drop = agl_pipeline_drop;
    w->run.random = agl_env_random() | 1;
    w->ops = ops;
    w->options.max_vlans = 1;
    w->header = region->header;
    w->counters = region->counters + (size_t) index * AGILIO_N_COUNTERS;
    w->flow_stats = region->flows + (size_t) index * g->max_flows;
    return 0;
}

void
agl_worker_destroy(struct agl_worker *w)
{
    if (w->tracker) {
        agl_tracker_destroy(w->tracker);
    }
    if (w->table) {
        agl_flow_table_destroy(w->table);
    }
    agl_bonds_destroy(w->run.bonds);
    agl_meters_destroy(w->run.meters);
    agl_env_free(w->memory);
    memset(w, 0, sizeof *w);
}

uint64_t
agl_worker_post(struct agl_worker *w,
                void (*fn)(struct agl_worker *, void *arg), void *arg)
{
    uint64_t n = w->posted;

    /* Pairs with the release in make_calls(). */
    if (n - agilio_load_acquire(&w->done) == AGL_MAX_CALLS) {
        return 0;
    }
    w->calls[n % AGL_MAX_CALLS] = (struct agl_call) { fn, arg };
    agilio_store_release(&w->posted, n + 1);
    agilio_fence();             /* Pairs with agl_worker_sleep(). */
    if (agilio_load_relaxed(&w->asleep)) {
        agilio_store_relaxed(&w->asleep, false);        /* Once is enough. */
        w->ops->kick_worker(w->ops->aux);
    }
    return n + 1;
}

bool
agl_worker_has_done(const struct agl_worker *w, uint64_t number)
{
    return agilio_load_acquire(&w->done) >= number;
}

void
agl_worker_call(struct agl_worker *w,
                void (*fn)(struct agl_worker *, void *arg), void *arg)
{
    uint64_t number;

    while (!(number = agl_worker_post(w, fn, arg))) {
        w->ops->wait_worker(w->ops->aux, w);
    }
    while (!agl_worker_has_done(w, number)) {
        w->ops->wait_worker(w->ops->aux, w);
    }
}

/* Makes some of the calls that are waiting; returns how many.  Packets do not
 * wait for all; the control thread, which has more to do at once then, does
 * before it is woken. */
static uint32_t
make_calls(struct agl_worker *w)
{
    /* Pairs with the release in agl_worker_post(). */
    uint64_t posted = agilio_load_acquire(&w->posted);
    uint64_t done = w->done;
    uint32_t n = 0;

    while (done != posted && n < CALLS_AT_A_TIME) {
        const struct agl_call *call = &w->calls[done % AGL_MAX_CALLS];

        call->fn(w, call->arg);
        agilio_store_release(&w->done, ++done);
        n++;
    }
    if (n && done == posted) {
        w->ops->kick_control(w->ops->aux);
    }
    return n;
}

/* Now and then, when nothing is in flight: once in 100 ms of NIC time. */
static void
upkeep(struct agl_worker *w)
{
    if (w->now - w->ranked >= 100 * UINT64_C(1000000)) {
        w->ranked = w->now;
        agl_flow_table_rank(w->table);
    }
}

uint32_t
agl_worker_round(struct agl_worker *w)
{
    uint32_t i, n;

    w->now = w->ops->clock(w->ops->aux);
    w->run.now = w->now;
    agilio_store_relaxed(&w->header->clock, agilio_to_le64(w->now));

    n = make_calls(w);
    for (i = 0; i < w->n_ports; i++) {
        struct agl_port *port = &w->ports[i];

        if (port->id != AGILIO_PORT_NONE) {
            n += agl_pipeline_receive(w, port);
            n += agl_pipeline_host_tx(w, port);
            if (port->qp->to_host.broken || port->qp->from_host.broken) {
                agilio_store_relaxed(&w->host_broken, true);
            }
        }
    }
    agl_pipeline_flush(w);
    upkeep(w);
    return n;
}

bool
agl_worker_sleep(struct agl_worker *w)
{
    uint32_t i;
    bool may;

    agilio_store_relaxed(&w->asleep, true);
    agilio_fence();             /* Pairs with agl_worker_post(). */
    may = agilio_load_acquire(&w->posted) == w->done;
    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].id != AGILIO_PORT_NONE) {
            may &= agilio_ring_sleep(&w->ports[i].qp->from_host);
        }
    }
    return may;
}

void
agl_worker_awake(struct agl_worker *w)
{
    uint32_t i;

    agilio_store_relaxed(&w->asleep, false);
    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].id != AGILIO_PORT_NONE) {
            agilio_ring_awake(&w->ports[i].qp->from_host);
        }
    }
}
