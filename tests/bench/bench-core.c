/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-core.c - cycles per packet of the NIC's core, in this process.
 *
 *     bench-core [BURSTS]
 *
 * Run by build-aux/bench ("make bench").  BURSTS is how many bursts each case
 * is measured for.  The traffic is that of OVS-DPDK in the same report: UDP
 * frames of 64 bytes, all flows at the same rate, in random order, in memory
 * from the start.
 */

#include "bench.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

void
bench_series_init(struct bench_series *s, uint32_t n_max)
{
    s->n = 0;
    s->n_max = n_max;
    s->times = calloc(n_max, sizeof *s->times);
    if (!s->times) {
        abort();
    }
}

void
bench_series_add(struct bench_series *s, uint64_t time)
{
    if (s->n < s->n_max) {
        s->times[s->n++] = (uint32_t) time;
    }
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}

static uint32_t
median(struct bench_series *s)
{
    uint32_t result;

    qsort(s->times, s->n, sizeof *s->times, compare);
    result = s->n ? s->times[s->n / 2] : 0;
    free(s->times);
    return result;
}

/* What lies between two readings of the clock with nothing between them. */
static uint32_t
clock_cost(void)
{
    struct bench_series s;

    bench_series_init(&s, 10001);
    while (s.n < s.n_max) {
        uint64_t start = bench_now();

        bench_series_add(&s, bench_now() - start);
    }
    return median(&s);
}

double
bench_series_end(struct bench_series *s)
{
    static uint32_t cost;
    uint32_t time = median(s);

    cost = cost ? cost : clock_cost();
    return time > cost ? (double) (time - cost) / AGL_BURST : 0;
}

/* What an entry of the tracker takes; such tables are mapped, each by
 * itself. */
static void
tracker_memory(uint32_t n)
{
    size_t before = mallinfo2().hblkhd;
    struct agl_tracker *tracker = agl_tracker_create(n);

    printf("{\"case\": \"memory, NIC, tracker entry\", \"flows\": %"PRIu32", "
           "\"masks\": 1, \"value\": %.1f, \"unit\": \"bytes/entry\"}\n", n,
           (double) (mallinfo2().hblkhd - before)
           / agl_tracker_capacity(tracker));
    agl_tracker_destroy(tracker);
}

int
main(int argc, char *argv[])
{
    static const uint32_t flows[] = { 100, 10000, 100000, 1000000 };
    static const uint32_t masks[] = { 1, 16, 64 };
    uint32_t n = argc > 1 ? (uint32_t) strtoul(argv[1], NULL, 10) : 100000;

    if (!n) {
        fprintf(stderr, "usage: %s [BURSTS]\n", argv[0]);
        return EXIT_FAILURE;
    }
    tracker_memory(4 << 20);
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(flows); i++) {
        if (flows[i] >= 10000) {
            bench_new_flows(flows[i], n);
        }
        bench_stages(flows[i], 1, BENCH_WIDE, n);
        bench_learn(flows[i], n);
        bench_rounds(flows[i], 1, BENCH_NARROW, n);
        for (size_t j = 0; j < AGILIO_ARRAY_SIZE(masks); j++) {
            bench_rounds(flows[i], masks[j], BENCH_WIDE, n);
        }
    }
    for (size_t j = 1; j < AGILIO_ARRAY_SIZE(masks); j++) {
        bench_stages(10000, masks[j], BENCH_WIDE, n);
        bench_rounds(10000, masks[j], BENCH_NARROW, n);
    }
    bench_rounds(10000, 1, BENCH_DECAP, n);
    bench_rounds(10000, 1, BENCH_ENCAP, n);
    bench_flood(n);
    bench_workers(n);
    bench_fill();
    return EXIT_SUCCESS;
}
