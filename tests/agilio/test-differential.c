/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-differential.c - the NIC against stock OVS, packet by packet.
 *
 *     test-differential [N [SEED [CASE]]]
 *
 * A case is one frame through one table of flows: through OVS's userspace
 * datapath, and through the NIC with what lib/agilio-translate.h makes of the
 * same flows.  What each port sends must be the same, byte for byte and in the
 * same order; what misses there must miss here, and be given to the host as it
 * came.  When a flow goes, its packets, bytes and TCP flags must be the same.
 * A flow that stays on the host must be given to it, for the right reason.
 *
 * Each table is good for CASES_PER_TABLE cases, and is made from the seed and
 * its number alone: with CASE, which a difference prints, only the table of
 * that case is run, in the same way.
 *
 * Left out by construction: flows that overlap, and actions on headers that a
 * flow does not match on, both of which OVS leaves undefined.
 */

#include <config.h>

#include "differential.h"

#include "dp-packet.h"
#include "flow.h"
#include "util.h"

#include "check.h"

#define CASES_PER_TABLE 32
#define MAX_DIFFERENCES 20      /* Then it is enough. */

static uint64_t n_cases = 100000, seed = 1;
static uint64_t only = UINT64_MAX;      /* CASE. */
static uint64_t current;                /* The case that is run. */
static uint64_t n_run, n_differences;
static struct diff_table table;

/* Of the table: frames that others are made from; the first 'n_learned' are
 * those that it was learned from. */
static struct diff_frame bases[DIFF_MAX_FLOWS];
static uint32_t base_ports[DIFF_MAX_FLOWS];
static uint32_t n_learned;

static struct diff_fate stock, ours;

/* ## ----------- ##
 * ## Differences ##
 * ## ----------- ## */

static void
difference(const char *what)
{
    n_differences++;
    printf("difference: %s; SEED=%"PRIu64" CASE=%"PRIu64
           ", max_vlans=%"PRIuSIZE"\n", what, seed, current,
           (size_t) flow_vlan_limit);
}

static void
print_stats(const char *title, const struct dpif_flow_stats *stats)
{
    printf("  %s: packets %"PRIu64", bytes %"PRIu64", tcp_flags 0x%x\n", title,
           stats->n_packets, stats->n_bytes, stats->tcp_flags);
}

/* ## ------ ##
 * ## Tables ##
 * ## ------ ## */

/* The flow that a frame hits, as OVS reads the frame; 'tcp_flags' is set to
 * OVS's two readings of them. */
static struct diff_flow *
classify(uint32_t port, const struct diff_frame *frame, uint16_t tcp_flags[2])
{
    struct dp_packet packet;
    struct flow flow;

    if (frame->len < ETH_HEADER_LEN) {
        return NULL;
    }
    dp_packet_use_const(&packet, frame->bytes, frame->len);
    pkt_metadata_init(&packet.md, u32_to_odp(port + 1));
    flow_extract(&packet, &flow);
    tcp_flags[0] = ntohs(flow.tcp_flags);
    tcp_flags[1] = parse_tcp_flags(&packet, NULL, NULL, NULL);
    return diff_table_find(&table, &flow);
}

static struct diff_flow *
learn(const struct flow *flow, void *aux OVS_UNUSED)
{
    struct diff_flow *new = diff_table_learn(&table, flow);

    if (new) {
        diff_nic_put(new);
        diff_judge_flow(new);
    }
    return new;
}

/* What stock counts while it learns, for flows that the learned ones lead to,
 * is the host's: adds (or, before, subtracts) what it has counted by now. */
static void
credit_host(int sign)
{
    for (size_t i = 0; i < table.n; i++) {
        struct diff_flow *flow = table.flows[i];
        struct dpif_flow_stats stats;

        if (flow->match.flow.recirc_id) {
            diff_stock_stats(flow, &stats);
            flow->host.n_packets += sign * (int64_t) stats.n_packets;
            flow->host.n_bytes += sign * (int64_t) stats.n_bytes;
            flow->host.tcp_flags |= sign > 0 ? stats.tcp_flags : 0;
        }
    }
}

/* A frame that hits already teaches nothing, and would be counted. */
static void
add_flow(void)
{
    uint32_t i = n_learned < DIFF_MAX_FLOWS ? n_learned++
                                            : diff_random(DIFF_MAX_FLOWS);
    uint16_t tcp_flags[2];

    if (!classify(base_ports[i], &bases[i], tcp_flags)) {
        credit_host(-1);
        diff_stock_learn(base_ports[i], &bases[i], learn, NULL);
        credit_host(1);
    }
}

static void
del_flow(struct diff_flow *flow)
{
    struct dpif_flow_stats theirs, nic;

    diff_stock_del(flow, &theirs);
    if (flow->resident) {
        diff_nic_del(flow, &nic);
        nic.n_packets += flow->host.n_packets;
        nic.n_bytes += flow->host.n_bytes;
        nic.tcp_flags |= flow->host.tcp_flags;
        if (!diff_judge_stats(flow, &theirs, &nic)) {
            difference("statistics");
            diff_print_flow(flow);
            print_stats("stock", &theirs);
            print_stats("ours", &nic);
        }
    }
    diff_cover(flow);
    diff_table_remove(&table, flow);
    free(flow);
}

/* New actions for the same packets. */
static void
modify_flow(struct diff_flow *flow)
{
    struct diff_flow *new = xmemdup(flow, sizeof *flow);

    diff_actions_make(new, true);
    if (diff_stock_modify(new)) {
        diff_cover(flow);
        *flow = *new;
        flow->n_hits = 0;
        diff_nic_put(flow);
        diff_judge_flow(flow);
    }
    free(new);
}

static void
make_table(void)
{
    flow_limit_vlans(diff_random(3));
    diff_nic_set_max_vlans(flow_vlan_limit);
    for (size_t i = 0; i < DIFF_MAX_FLOWS; i++) {
        diff_frame_any(&bases[i]);
        base_ports[i] = diff_random(DIFF_N_PORTS);
    }
    n_learned = 0;
    for (uint32_t n = 1 + diff_random(8); n; n--) {
        add_flow();
    }
}

static void
change_table(void)
{
    struct diff_flow *flow;

    if (!table.n || !diff_random(4)) {
        add_flow();
        return;
    }
    flow = table.flows[diff_random(table.n)];
    if (diff_random(2)) {
        modify_flow(flow);
    } else {
        del_flow(flow);
    }
}

/* ## ----- ##
 * ## Cases ##
 * ## ----- ## */

/* Keeps the books that the host keeps about a flow. */
static void
tally(struct diff_flow *flow, const struct diff_frame *frame,
      const uint16_t tcp_flags[2])
{
    flow->n_hits++;
    flow->tcp_flags |= tcp_flags[0];
    flow->tcp_flags_both |= tcp_flags[0] & tcp_flags[1];
    flow->tcp_flags_any |= tcp_flags[0] | tcp_flags[1];
    if (flow->resident && flow->verdict != AGILIO_ON_NIC) {
        flow->host.n_packets++;
        flow->host.n_bytes += frame->len;
        flow->host.tcp_flags |= tcp_flags[0];
    }
}

static void
run_case(void)
{
    static struct diff_frame frame;
    uint16_t tcp_flags[2];
    struct diff_flow *flow;
    const char *wrong;
    uint32_t port, i;

    i = diff_random(diff_random(16) ? n_learned : DIFF_MAX_FLOWS);
    port = diff_random(16) ? base_ports[i] : diff_random(DIFF_N_PORTS);
    if (diff_random(16)) {
        diff_frame_like(&frame, &bases[i]);
    } else {
        diff_frame_any(&frame);
    }
    diff_stock_send(port, &frame, &stock);
    diff_nic_send(port, &frame, &ours);

    flow = classify(port, &frame, tcp_flags);
    if (flow) {
        tally(flow, &frame, tcp_flags);
    }
    wrong = diff_judge(&frame, flow, &stock, &ours);
    n_run++;
    if (wrong) {
        difference(wrong);
        if (flow) {
            diff_print_flow(flow);
        }
        diff_print_frame("frame at port", port + 1, &frame);
        diff_print_fate("stock", &stock);
        diff_print_fate("ours", &ours);
    }
}

static void
run_table(uint64_t number)
{
    uint64_t end = MIN((number + 1) * CASES_PER_TABLE, n_cases);
    bool changes;

    current = number * CASES_PER_TABLE;
    diff_seed(seed * UINT64_C(1000003) + number);
    diff_judge_start();
    make_table();
    changes = !diff_random(3);
    for (; current < end; current++) {
        run_case();
        if (changes && !diff_random(8)) {
            change_table();
        }
    }
    current--;
    while (table.n) {
        del_flow(table.flows[0]);
    }
}

static void
test_cases(void)
{
    uint64_t first = 0;

    if (only != UINT64_MAX) {
        n_cases = only + 1;
        first = only / CASES_PER_TABLE;
    }
    for (uint64_t i = first; i * CASES_PER_TABLE < n_cases
                             && n_differences < MAX_DIFFERENCES; i++) {
        run_table(i);
    }
    CHECK(!n_differences);
}

static void
test_coverage(void)
{
    if (only != UINT64_MAX) {
        SKIP("a single case");
    }
    CHECK(diff_cover_print());
}

int
main(int argc, char *argv[])
{
    uint64_t *const numbers[] = { &n_cases, &seed, &only };

    for (int i = 1; i < argc && i <= 3; i++) {
        *numbers[i - 1] = strtoull(argv[i], NULL, 10);
    }
    diff_frames_start();
    diff_stock_start();
    diff_nic_start();
    RUN(test_cases);
    RUN(test_coverage);
    diff_print_known();
    printf("differential: %"PRIu64" cases, %"PRIu64" differences\n", n_run,
           n_differences);
    return summary();
}
