/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stages.c - what each stage of the pipeline takes by itself.
 *
 * A burst goes through one stage after the other, as it would in carry() but
 * all packets at once, and the clock is read between two stages.  So a stage
 * has the caches as the others leave them: with many flows, tables are cold.
 */

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

#include "pkt/key-hash.h"
#include "table/hash.h"

enum stage { TRACKER, PARSE, HASH, MASKS, ACTIONS, N_STAGES };
static const char *const stage_names[] = {
    "tracker-hit", "parse", "hash", "mask-lookup", "actions",
};

/* A burst on its way. */
struct burst {
    struct bench_load *load;
    struct agl_select select;   /* Of all that the policy looks at. */
    struct agl_pkt *pkts[AGL_BURST];
    struct agilio_key keys[AGL_BURST];
    struct agl_traversal tracked[AGL_BURST];
    struct agl_flow *flows[AGL_BURST];
    uint64_t hash;              /* So that hashing is not for nothing. */
    uint32_t n_missed;          /* Packets whose flow the tracker had not. */
};

static void
init_select(struct burst *b)
{
    const struct agl_worker *w = b->load->nic.nic->team.workers[0];
    const struct agilio_key *interest;
    uint64_t seq;

    interest = agl_flow_table_interest(w->table, &seq);
    b->select.n = 0;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        if (agl_key_word(interest, i)) {
            agl_select_add(&b->select, i, agl_key_word(interest, i));
        }
    }
}

static void
stage_tracker(struct burst *b, struct agl_worker *w)
{
    agl_tracker_lookup_burst(w->tracker, w->table, b->pkts, AGL_BURST,
                             &w->options, w->now, b->tracked);
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        const struct agl_path *path = &b->tracked[i].path;

        b->flows[i] = path->n ? path->flows[0] : NULL;
    }
}

static void
stage_parse(struct burst *b, struct agl_worker *w)
{
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        agl_parse(b->pkts[i], &w->options, &b->keys[i]);
    }
}

static void
stage_hash(struct burst *b, struct agl_worker *w)
{
    uint64_t words[AGILIO_KEY_WORDS];

    (void) w;
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        b->hash += agl_select_key(&b->select, &b->keys[i], 1, words);
    }
}

static void
stage_masks(struct burst *b, struct agl_worker *w)
{
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        struct agl_flow *flow = agl_flow_table_lookup(w->table, &b->keys[i]);

        b->n_missed += b->flows[i] != flow;
        b->flows[i] = flow;
    }
}

static void
stage_actions(struct burst *b, struct agl_worker *w)
{
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        agl_program_run(b->flows[i]->program, b->pkts[i], &w->run);
    }
}

static void
learn(struct burst *b, struct agl_worker *w)
{
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        const struct agl_path path = { .n = 1, .flows = { b->flows[i] } };

        agl_tracker_learn(w->tracker, w->table, &b->tracked[i].tk, &path,
                          w->now);
    }
}

static void
run_burst(struct burst *b, struct bench_series series[N_STAGES])
{
    static void (*const stages[])(struct burst *, struct agl_worker *) = {
        stage_tracker, stage_parse, stage_hash, stage_masks, stage_actions,
    };
    struct agl_worker *w = b->load->nic.nic->team.workers[0];

    bench_load_receive(b->load, b->pkts);
    for (int stage = 0; stage < N_STAGES; stage++) {
        uint64_t start = bench_now();

        stages[stage](b, w);
        if (series) {
            bench_series_add(&series[stage], bench_now() - start);
        } else if (stage == MASKS) {
            learn(b, w);
        }
    }
}

void
bench_stages(uint32_t n_flows, uint32_t n_masks, enum bench_policy policy,
             uint32_t n)
{
    static struct bench_load load;
    static struct burst b;
    struct bench_series series[N_STAGES];
    uint32_t n_warm;

    bench_load_start(&load, n_flows, n_masks, policy, 4 * n_flows);
    b = (struct burst) { .load = &load };
    init_select(&b);
    n_warm = load.n_frames / AGL_BURST;
    for (uint32_t i = 0; i < n_warm; i++) {
        run_burst(&b, NULL);
    }
    b.n_missed = 0;
    for (int stage = 0; stage < N_STAGES; stage++) {
        bench_series_init(&series[stage], n);
    }
    for (uint32_t i = 0; i < n; i++) {
        run_burst(&b, series);
    }
    for (int stage = 0; stage < N_STAGES; stage++) {
        printf("{\"case\": \"stage %s\", \"flows\": %"PRIu32", "
               "\"masks\": %"PRIu32", \"value\": %.1f, "
               "\"unit\": \"%s\"}\n", stage_names[stage], n_flows, n_masks,
               bench_series_end(&series[stage]), BENCH_UNIT);
    }
    printf("{\"case\": \"tracker misses\", \"flows\": %"PRIu32", "
           "\"masks\": %"PRIu32", \"value\": %.4f, \"unit\": \"%%\"}\n",
           n_flows, n_masks, b.n_missed * 100.0 / ((double) n * AGL_BURST));
    bench_load_stop(&load);
}

/* Every packet is the first of its flow, until the tracker knows all flows;
 * then it is made to forget them. */
void
bench_learn(uint32_t n_flows, uint32_t n)
{
    static struct bench_load load;
    static struct burst b;
    struct bench_series series;
    struct agl_worker *w;

    bench_load_start(&load, n_flows, 1, BENCH_WIDE, 4 * n_flows);
    w = load.nic.nic->team.workers[0];
    b = (struct burst) { .load = &load };
    bench_series_init(&series, n);
    while (series.n < n) {
        uint64_t start;

        bench_load_receive(&load, b.pkts);
        stage_parse(&b, w);
        start = bench_now();
        stage_tracker(&b, w);
        stage_masks(&b, w);
        learn(&b, w);
        bench_series_add(&series, bench_now() - start);
        stage_actions(&b, w);
        if (load.next < AGL_BURST) {
            bench_load_forget(&load);
        }
    }
    printf("{\"case\": \"stage learn\", \"flows\": %"PRIu32", \"masks\": 1, "
           "\"value\": %.1f, \"unit\": \"%s\"}\n", n_flows,
           bench_series_end(&series), BENCH_UNIT);
    bench_load_stop(&load);
}
