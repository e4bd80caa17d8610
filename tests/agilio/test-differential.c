/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-differential.c - the NIC and its host against stock OVS, packet by
 * packet.
 *
 *     test-differential [N [SEED [CASE]]]
 *
 * A case is one frame through one table of flows: through OVS's userspace
 * datapath; and through the NIC, with what lib/agilio-translate.h makes of the
 * same flows, and the datapath behind it, to which the NIC gives what it
 * cannot do.  What all ports send must be the same in the end, byte for byte,
 * and so must the upcalls: packet, key and userdata.  What the NIC gives to
 * the host it must give for the right reason, and nothing else.  When a flow
 * goes, its packets, bytes, TCP flags and time of last use must be the same in
 * sum; likewise the statistics of meters and bonds.
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
static bool blurred;            /* A known difference has changed its state. */

static struct diff_fate stock, ours;
static uint64_t hits[DIFF_MAX_FLOWS];   /* Of the flows before the case. */

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
print_stats(const char *title, const struct diff_stats *stats)
{
    printf("  %s: packets %"PRIu64", bytes %"PRIu64", used %lld, "
           "tcp_flags 0x%x\n", title, stats->n_packets, stats->n_bytes,
           stats->used, stats->tcp_flags);
}

/* Prints the flows that the NIC has met with since note_hits(). */
static void
print_hits(void)
{
    for (size_t i = 0; i < table.n; i++) {
        struct diff_flow *flow = table.flows[i];

        if (hits[i] != diff_nic_n_packets(flow) + flow->n_given) {
            diff_print_flow(flow);
        }
    }
}

static void
note_hits(void)
{
    for (size_t i = 0; i < table.n; i++) {
        struct diff_flow *flow = table.flows[i];

        hits[i] = diff_nic_n_packets(flow) + flow->n_given;
    }
}

/* ## ----- ##
 * ## Flows ##
 * ## ----- ## */

/* The flow of a packet that missed in a datapath. */
static struct diff_flow *
want(enum diff_side side, const struct flow *flow)
{
    struct diff_flow *found = diff_table_find(&table, flow);

    if (!found && side == DIFF_TEACHER) {
        found = diff_table_learn(&table, flow);
        if (found) {
            diff_nic_put(found);
        }
    }
    return found;
}

/* Takes note of the TCP flags of a frame that 'port' receives, in OVS's two
 * readings. */
static void
tally(uint32_t port, const struct diff_frame *frame)
{
    struct diff_flow *hit;
    uint16_t flags[2];
    struct dp_packet packet;
    struct flow flow;

    if (frame->len < ETH_HEADER_LEN) {
        return;
    }
    dp_packet_use_const(&packet, frame->bytes, frame->len);
    pkt_metadata_init(&packet.md, u32_to_odp(port + 1));
    flow_extract(&packet, &flow);
    hit = diff_table_find(&table, &flow);
    if (hit) {
        flags[0] = ntohs(flow.tcp_flags);
        flags[1] = parse_tcp_flags(&packet, NULL, NULL, NULL);
        hit->tcp_flags_both |= flags[0] & flags[1];
        hit->tcp_flags_any |= flags[0] | flags[1];
    }
}

static void
del_flow(struct diff_flow *flow)
{
    struct diff_stats theirs, host, nic, none;

    diff_cover(flow);
    diff_dp_del(DIFF_TEACHER, flow, &none);
    diff_dp_del(DIFF_STOCK, flow, &theirs);
    diff_dp_del(DIFF_HOST, flow, &host);
    diff_nic_del(flow, &nic);
    nic.n_packets += host.n_packets;
    nic.n_bytes += host.n_bytes;
    nic.used = MAX(nic.used, host.used);
    nic.tcp_flags |= host.tcp_flags;
    if (!blurred && !diff_judge_stats(flow, &theirs, &nic)) {
        difference("statistics");
        diff_print_flow(flow);
        print_stats("stock", &theirs);
        print_stats("ours", &nic);
        print_stats("of these, the host's", &host);
    }
    diff_table_remove(&table, flow);
    free(flow);
}

/* New actions for the same packets. */
static void
modify_flow(struct diff_flow *flow)
{
    struct diff_flow *new = xmemdup(flow, sizeof *flow);

    diff_actions_make(&table, new, true);
    if (diff_dp_modify(DIFF_STOCK, new)) {
        CHECK(!new->installed[DIFF_HOST] || diff_dp_modify(DIFF_HOST, new));
        diff_cover(flow);
        *flow = *new;
        flow->n_given = 0;
        flow->nic_base = flow->resident ? diff_nic_n_packets(flow) : 0;
        diff_nic_put(flow);
    }
    free(new);
}

/* ## ----- ##
 * ## Cases ##
 * ## ----- ## */

/* Judges what the NIC gave to the host; NULL if it is good. */
static const char *
judge_given(const struct diff_given given[], uint32_t n)
{
    const char *wrong = NULL;

    for (uint32_t i = 0; i < n; i++) {
        struct diff_flow *flow = diff_table_find(&table, &given[i].flow);
        const char *why = diff_judge_given(&table, &given[i]);

        wrong = wrong ? wrong : why;
        if (flow && given[i].kind != AGILIO_RX_SAMPLED) {
            flow->n_given++;
        }
    }
    return wrong;
}

/* Whether all is compared, or something known has come in between. */
static bool
is_clear(uint32_t n_given)
{
    bool too_deep = diff_dp_too_deep();

    if (!blurred && too_deep && n_given) {
        diff_know(DIFF_TOO_DEEP);
        blurred = true;
    }
    if (!blurred && table.objects && n_given && diff_meters_host_used()) {
        diff_know(DIFF_TWO_METERS);
        blurred = true;
    }
    return !blurred;
}

static void
run_frame(uint32_t port, const struct diff_frame *frame)
{
    const struct diff_given *given;
    const char *wrong;
    uint32_t n;

    diff_now += diff_random(4) ? diff_random(2000) : diff_random(100000);
    diff_dp_too_deep();
    note_hits();
    stock.n = stock.n_bytes = 0;
    stock.full = false;
    diff_dp_receive(DIFF_STOCK, port,
                    diff_packet_new(frame->bytes, frame->len),
                    AGILIO_PORT_NONE, &stock);
    n = diff_nic_receive(port, frame, &ours, &given);

    wrong = judge_given(given, n);
    wrong = wrong ? wrong : diff_judge(&stock, &ours, !n);
    n_run++;
    if (wrong && is_clear(n)) {
        difference(wrong);
        print_hits();
        diff_print_frame("frame at port", port + 1, frame->bytes,
                         frame->len);
        diff_print_fate("stock", &stock);
        diff_print_fate("ours", &ours);
        printf("  given to the host: %"PRIu32"\n", n);
    }
    is_clear(n);
    tally(port, frame);
}

/* Makes flows for a base frame, and then has it carried. */
static void
add_flow(void)
{
    uint32_t i = n_learned < DIFF_MAX_FLOWS ? n_learned++
                                            : diff_random(DIFF_MAX_FLOWS);
    const struct diff_frame *frame = &bases[i];

    diff_dp_receive(DIFF_TEACHER, base_ports[i],
                    diff_packet_new(frame->bytes, frame->len),
                    AGILIO_PORT_NONE, NULL);
    run_frame(base_ports[i], frame);
}

static void
make_table(void)
{
    flow_limit_vlans(diff_random(3));
    diff_nic_set_max_vlans(flow_vlan_limit);
    blurred = false;
    table.loops = !diff_random(16);
    table.objects = !diff_random(4);
    if (table.objects) {
        diff_objects_make();
    }
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

static void
run_case(void)
{
    static struct diff_frame frame;
    uint32_t port, i;

    i = diff_random(diff_random(16) ? n_learned : DIFF_MAX_FLOWS);
    port = diff_random(16) ? base_ports[i] : diff_random(DIFF_N_PORTS);
    if (diff_random(16)) {
        diff_frame_like(&frame, &bases[i]);
    } else {
        diff_frame_any(&frame);
    }
    run_frame(port, &frame);
}

static void
run_table(uint64_t number)
{
    uint64_t end = MIN((number + 1) * CASES_PER_TABLE, n_cases);
    const char *wrong;
    bool changes;

    current = number * CASES_PER_TABLE;
    diff_seed(seed * UINT64_C(1000003) + number);
    make_table();
    changes = !diff_random(3);
    for (; current < end; current++) {
        run_case();
        if (changes && !diff_random(8)) {
            change_table();
        }
    }
    current--;
    wrong = table.objects && !blurred ? diff_objects_judge() : NULL;
    if (wrong) {
        difference(wrong);
    }
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
    diff_nic_start();
    diff_dp_start(want);
    diff_tunnels_start();
    RUN(test_cases);
    RUN(test_coverage);
    diff_print_known();
    printf("differential: %"PRIu64" cases, %"PRIu64" differences\n", n_run,
           n_differences);
    return summary();
}
