/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rounds.c - what a packet takes in all: the worker's round on frames in
 * memory, and the floor beneath it, which receives and sends only.
 */

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const policy_names[] = {
    [BENCH_NARROW] = "addresses",
    [BENCH_WIDE] = "5-tuple",
    [BENCH_DECAP] = "VXLAN decap",
    [BENCH_ENCAP] = "VXLAN encap",
};

static uint64_t
floor_round(struct bench_load *load)
{
    struct agl_worker *w = load->nic.nic->team.workers[0];
    struct agl_pkt *pkts[AGL_BURST];
    uint64_t start = bench_now();

    bench_load_receive(load, pkts);
    load->out.class->tx(&load->out, pkts, AGL_BURST);
    for (uint32_t i = 0; i < AGL_BURST; i++) {
        agl_pkt_free(&w->pool, pkts[i]);
    }
    return bench_now() - start;
}

static uint64_t
whole_round(struct bench_load *load)
{
    uint64_t start = bench_now();

    agl_worker_round(load->nic.nic->team.workers[0]);
    return bench_now() - start;
}

/* Until the tracker knows what it will ever know, and the masks are in the
 * order of their use. */
static void
warm_up(struct bench_load *load)
{
    for (uint32_t i = 0; i < 2 * load->n_frames / AGL_BURST; i++) {
        agl_worker_round(load->nic.nic->team.workers[0]);
    }
    agl_flow_table_rank(load->nic.nic->team.workers[0]->table);
}

static uint64_t
n_learned(const struct bench_load *load)
{
    return agilio_from_le64(load->nic.nic->team.workers[0]->counters
                            [AGILIO_COUNTER_LEARNED]);
}

void
bench_new_flows(uint32_t n_flows, uint32_t n)
{
    static struct bench_load load;
    struct bench_series series;
    uint64_t learned;

    bench_load_start(&load, n_flows, 1, BENCH_WIDE, 4 * n_flows);
    bench_series_init(&series, n);
    learned = n_learned(&load);
    for (uint32_t i = 0; i < n; i++) {
        bench_series_add(&series, whole_round(&load));
        if (load.next < AGL_BURST) {
            bench_load_forget(&load);
        }
    }
    learned = n_learned(&load) - learned;
    if (learned < (uint64_t) n * AGL_BURST * 99 / 100) {
        fprintf(stderr, "bench: only %"PRIu64" of %"PRIu64" packets were the "
                "first of their flow\n", learned, (uint64_t) n * AGL_BURST);
        exit(EXIT_FAILURE);
    }
    printf("{\"case\": \"in process, new flows\", \"flows\": %"PRIu32", "
           "\"masks\": 1, \"value\": %.1f, \"unit\": \"%s\"}\n", n_flows,
           bench_series_end(&series), BENCH_UNIT);
    bench_load_stop(&load);
}

void
bench_rounds(uint32_t n_flows, uint32_t n_masks, enum bench_policy policy,
             uint32_t n)
{
    static struct bench_load load;
    struct bench_series whole, below;
    double cycles, floor_cycles;
    uint64_t n_sent;

    bench_load_start(&load, n_flows, n_masks, policy, 4 * n_flows);
    bench_series_init(&whole, n);
    bench_series_init(&below, n);
    warm_up(&load);
    for (uint32_t i = 0; i < n; i++) {
        bench_series_add(&below, floor_round(&load));
    }
    n_sent = load.n_sent;
    for (uint32_t i = 0; i < n; i++) {
        bench_series_add(&whole, whole_round(&load));
    }
    n_sent = load.n_sent - n_sent;
    cycles = bench_series_end(&whole);
    floor_cycles = bench_series_end(&below);
    if (n_sent != (uint64_t) n * AGL_BURST) {
        fprintf(stderr, "bench: %"PRIu64" of %"PRIu64" packets were sent\n",
                n_sent, (uint64_t) n * AGL_BURST);
        exit(EXIT_FAILURE);
    }
    printf("{\"case\": \"in process, %s\", \"flows\": %"PRIu32", "
           "\"masks\": %"PRIu32", \"ours_cycles\": %.1f, "
           "\"floor_cycles\": %.1f}\n", policy_names[policy], n_flows,
           n_masks, cycles, floor_cycles);
    bench_load_stop(&load);
}
