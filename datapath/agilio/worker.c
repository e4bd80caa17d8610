/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the workers around the pipeline: their round, calls and sleep.
 *
 * The control thread never touches what a worker owns; it posts calls, which
 * the worker makes between two bursts, in order.  'posted' and 'done' are the
 * two cursors of that queue: each is written by one thread, with release, and
 * read by the other with acquire.
 */

#include "pipeline.h"

#include "action/bond.h"
#include "action/meter.h"
#include "host-queue.h"
#include "table/hash.h"
#include "tx.h"

#define CALLS_AT_A_TIME 64
#define CLOCK_LAG 1000000       /* ns until the clock is told again. */
#define CLOCK_ROUNDS 4          /* Until one that is busy reads it again. */

/* Of a port that is passed over in favour of others: what it gets nevertheless
 * is this, every so many rounds. */
#define LEARN_BURST 4
#define LEARN_ROUNDS 16

/* ## -------- ##
 * ## The team ##
 * ## -------- ## */

static int
worker_init(struct agl_worker *w, struct agl_region *region,
            uint32_t n_packets, uint32_t n_tracker)
{
    const struct agl_geometry *g = &region->geometry;

    w->memory = agl_env_alloc((size_t) n_packets * sizeof(struct agl_pkt));
    w->table = agl_flow_table_create(g->max_flows, g->max_masks);
    w->tracker = agl_tracker_create(n_tracker);
    w->run.bonds = agl_bonds_create(region->bonds
                                    + (size_t) w->index * g->max_bonds,
                                    g->max_bonds);
    if (!w->memory || !w->table || !w->tracker || !w->run.bonds) {
        return AGILIO_E_NOBUFS;
    }

    agl_pool_init(&w->pool, w->memory, n_packets);
    w->run.pool = &w->pool;
    w->run.meters = w->team->meters;
    w->run.output = agl_tx_run_output;
    w->run.recirc = agl_pipeline_recirc;
    w->run.sample = agl_host_queue_sample;
    w->run.drop = agl_pipeline_drop;
    w->run.random = agl_env_random() | 1;
    w->options.max_vlans = 1;
    w->header = region->header;
    w->counters = region->counters + (size_t) w->index * AGILIO_COUNTER_ROW;
    w->flow_stats = region->flows + (size_t) w->index * g->max_flows;
    return 0;
}

static void
worker_destroy(struct agl_worker *w)
{
    if (w->tracker) {
        agl_tracker_destroy(w->tracker);
    }
    if (w->table) {
        agl_flow_table_destroy(w->table);
    }
    agl_bonds_destroy(w->run.bonds);
    agl_env_free(w->memory);
    agl_env_free(w);
}

static bool
create_handovers(struct agl_team *team)
{
    for (uint32_t i = 0; i < team->n * team->n; i++) {
        uint32_t giver = i / team->n, taker = i % team->n;

        if (giver != taker) {
            struct agl_handover *h = agl_env_alloc(sizeof *h);

            team->handovers[giver][taker] = h;
            if (!h) {
                return false;
            }
        }
    }
    return true;
}

int
agl_team_init(struct agl_team *team, const struct agl_nic_ops *ops,
              struct agl_region *region, uint32_t n_packets,
              uint32_t n_tracker)
{
    const struct agl_geometry *g = &region->geometry;
    int error = 0;

    memset(team, 0, sizeof *team);
    if (g->n_workers > AGL_MAX_WORKERS) {
        return AGILIO_E_INVAL;
    }
    team->meters = agl_meters_create(region->meters, g->max_meters);
    while (!error && team->n < g->n_workers) {
        struct agl_worker *w = agl_env_alloc(sizeof *w);

        if (!w) {
            break;
        }
        w->index = team->n;
        w->team = team;
        w->ops = ops;
        team->workers[team->n++] = w;
        error = worker_init(w, region, n_packets, n_tracker);
    }
    if (error || team->n < g->n_workers || !team->meters
        || !create_handovers(team)) {
        agl_team_destroy(team);
        return AGILIO_E_NOBUFS;
    }
    return 0;
}

void
agl_team_destroy(struct agl_team *team)
{
    for (uint32_t i = 0; i < team->n; i++) {
        for (uint32_t j = 0; j < team->n; j++) {
            agl_env_free(team->handovers[i][j]);
        }
        worker_destroy(team->workers[i]);
    }
    agl_meters_destroy(team->meters);
    memset(team, 0, sizeof *team);
}

/* ## ----- ##
 * ## Calls ##
 * ## ----- ## */

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
    agl_worker_wake(w);
    return n + 1;
}

bool
agl_worker_has_done(const struct agl_worker *w, uint64_t number)
{
    return agilio_load_acquire(&w->done) >= number;
}

void
agl_worker_wait(struct agl_worker *w, uint64_t number)
{
    while (!agl_worker_has_done(w, number)) {
        w->ops->wait_worker(w->ops->aux, w);
    }
}

void
agl_worker_call(struct agl_worker *w,
                void (*fn)(struct agl_worker *, void *arg), void *arg)
{
    uint64_t number;

    while (!(number = agl_worker_post(w, fn, arg))) {
        w->ops->wait_worker(w->ops->aux, w);
    }
    agl_worker_wait(w, number);
}

void
agl_team_call(struct agl_team *team,
              void (*fn)(struct agl_worker *, void *arg), void *arg)
{
    for (uint32_t i = 0; i < team->n; i++) {
        agl_worker_call(team->workers[i], fn, arg);
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

void
agl_worker_drop(struct agl_worker *w, struct agl_pkt *pkt,
                enum agilio_counter reason)
{
    agl_worker_count(w, reason);
    agl_pkt_free(&w->pool, pkt);
}

/* ## --------- ##
 * ## The round ##
 * ## --------- ## */

/* Now and then, when nothing is in flight: once in 100 ms of NIC time. */
static void
upkeep(struct agl_worker *w)
{
    if (w->now - w->ranked >= 100 * UINT64_C(1000000)) {
        w->ranked = w->now;
        agl_flow_table_rank(w->table);
    }
}

/* The clock that the host sees is that of the worker which is furthest behind:
 * a worker that hangs stops it.  (Who sleeps wakes all the same, now and
 * then.) */
static void
publish_clock(const struct agl_worker *w)
{
    uint64_t published = agilio_from_le64(
        agilio_load_relaxed(&w->header->clock));
    uint64_t clock = w->now;

    if (w->team->n > 1 && clock - published < CLOCK_LAG) {
        return;                 /* The others' lines are theirs. */
    }
    for (uint32_t i = 1; i < w->team->n; i++) {
        uint64_t theirs = agilio_load_relaxed(&w->team->workers[i]->clock);

        clock = theirs < clock ? theirs : clock;
    }
    agilio_store_relaxed(&w->header->clock, agilio_to_le64(clock));
}

static void
read_clock(struct agl_worker *w)
{
    w->now = w->ops->clock(w->ops->aux);
    w->run.now = w->now;
    if (!w->index) {
        publish_clock(w);
    } else {
        agilio_store_relaxed(&w->clock, w->now);
    }
}

/* How much a port may bring.  One that brings what the tracker does not know,
 * each packet of which takes the time of many, gets little of a worker whose
 * hands are full with what it knows: nobody can flood more than his own port.
 * What it does not get waits in its device's queue. */
static uint32_t
allowance(const struct agl_worker *w, struct agl_port *port)
{
    if (!port->learns || !w->crowded) {
        return AGL_BURST;
    }
    port->n_passed = (port->n_passed + 1) % LEARN_ROUNDS;
    return port->n_passed ? 0 : LEARN_BURST;
}

/* Returns how much there was to do; '*crowded' is set if it is a full burst of
 * flows that are known. */
static uint32_t
receive(struct agl_worker *w, struct agl_port *port, bool *crowded)
{
    uint32_t max = allowance(w, port);
    uint64_t n_looked = w->n_mask_lookups;
    uint32_t n = max ? agl_pipeline_receive(w, port, max) : 0;

    if (n) {
        port->learns = w->n_mask_lookups - n_looked > n / 2;
        *crowded |= n == AGL_BURST && !port->learns;
    }
    return max ? n : 1;         /* Passed over: there may be more. */
}

static uint32_t
poll_port(struct agl_worker *w, struct agl_port *port, bool *crowded)
{
    uint32_t n = receive(w, port, crowded);

    if (port->qp) {
        n += agl_host_queue_receive(w, port);
        if (port->qp->to_host.broken || port->qp->from_host.broken) {
            agilio_store_relaxed(&w->host_broken, true);
        }
    }
    return n;
}

uint32_t
agl_worker_round(struct agl_worker *w)
{
    bool crowded = false;
    uint32_t i, n, n_taken;

    if (!w->crowded || ++w->n_clock_rounds == CLOCK_ROUNDS) {
        read_clock(w);
        w->n_clock_rounds = 0;
    }
    n = make_calls(w);
    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].dev) {
            n += poll_port(w, &w->ports[i], &crowded);
        }
    }
    n_taken = agl_tx_take_over(w);
    w->crowded = crowded || n_taken >= AGL_BURST;
    upkeep(w);
    return n + n_taken;
}

/* ## ----- ##
 * ## Sleep ##
 * ## ----- ## */

void
agl_worker_wake(struct agl_worker *w)
{
    agilio_fence();             /* Pairs with agl_worker_sleep(). */
    if (agilio_load_relaxed(&w->asleep)) {
        agilio_store_relaxed(&w->asleep, false);        /* Once is enough. */
        w->ops->kick_worker(w->ops->aux, w);
    }
}

bool
agl_worker_sleep(struct agl_worker *w)
{
    uint32_t i;
    bool may;

    agilio_store_relaxed(&w->asleep, true);
    agilio_fence();             /* Pairs with agl_worker_wake(). */
    may = agilio_load_acquire(&w->posted) == w->done;
    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].qp) {
            may &= agilio_ring_sleep(&w->ports[i].qp->from_host);
        }
    }
    for (i = 0; i < w->team->n; i++) {
        may &= (i == w->index
                || !agl_handover_ready(w->team->handovers[i][w->index]));
    }
    return may;
}

void
agl_worker_awake(struct agl_worker *w)
{
    uint32_t i;

    agilio_store_relaxed(&w->asleep, false);
    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].qp) {
            agilio_ring_awake(&w->ports[i].qp->from_host);
        }
    }
}
