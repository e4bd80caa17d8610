/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-judge.c - what is the same, and what is a difference.
 *
 * Known and explained differences stand in the list here, and nowhere else.
 */

#include <config.h>

#include "differential.h"

#include "packets.h"
#include "util.h"

enum known {
    TWO_READINGS,
    N_KNOWN
};

static struct {
    const char *why;
    uint64_t n;
} known[N_KNOWN] = {
    [TWO_READINGS].why =
        "OVS reads TCP flags in two ways, which do not agree on malformed TCP "
        "and on neighbor\n    discovery: one for input ports none of whose "
        "flows matches on more than type,\n    VLAN and fragments, and one "
        "for all others; the NIC reads them in the latter.",
};

static bool
same_frame(const struct diff_frame *a, const struct diff_frame *b)
{
    return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static bool
same_sent(const struct diff_fate *a, const struct diff_fate *b)
{
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        if (a->n_sent[i] != b->n_sent[i]) {
            return false;
        }
        for (uint32_t j = 0; j < MIN(a->n_sent[i], DIFF_MAX_SENT); j++) {
            if (!same_frame(&a->sent[i][j], &b->sent[i][j])) {
                return false;
            }
        }
    }
    return true;
}

/* Whether 'stock' sent what 'ours' did, in that order, and perhaps more (too
 * much to be seen, even). */
static bool
is_part(const struct diff_fate *ours, const struct diff_fate *stock)
{
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        uint32_t n = MIN(stock->n_sent[i], DIFF_MAX_SENT);
        uint32_t k = 0;

        for (uint32_t j = 0; j < MIN(ours->n_sent[i], DIFF_MAX_SENT); j++) {
            while (k < n && !same_frame(&ours->sent[i][j],
                                        &stock->sent[i][k])) {
                k++;
            }
            if (k++ >= n) {
                return stock->n_sent[i] > DIFF_MAX_SENT;
            }
        }
    }
    return true;
}

static bool
is_sent(const struct diff_fate *fate)
{
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        if (fate->n_sent[i]) {
            return true;
        }
    }
    return false;
}

/* Of this table: it has, or had, a flow that the NIC cannot tell, so a miss on
 * the NIC need not be one; the host went on with packets that it may have
 * looked up again, so counts of their later flows are the host's, too. */
static bool has_unmatchable, host_went_on;

void
diff_judge_start(void)
{
    has_unmatchable = host_went_on = false;
}

void
diff_judge_flow(const struct diff_flow *flow)
{
    has_unmatchable |= flow->verdict == AGILIO_UNMATCHABLE;
}

/* Whether a flow of the host's was, or may have been, met with in
 * mid-pipeline. */
static bool
is_taken_over(const struct diff_fate *ours)
{
    return ours->n_host && (ours->reason != AGILIO_FALLBACK_MISS
                            || has_unmatchable);
}

/* As diff_judge(), for a flow that the NIC does wholly.  A packet that misses
 * in mid-pipeline comes to the host as it is by then, there and here.  One
 * that there meets a flow of the host's is stock's to finish: here only what
 * was done before can be seen. */
static const char *
judge_nic(const struct diff_fate *stock, const struct diff_fate *ours)
{
    if (is_taken_over(ours)) {
        return is_part(ours, stock) ? NULL : "sent before the host took over";
    }
    return !same_sent(stock, ours) ? "sent"
           : stock->n_host != ours->n_host ? "given to the host"
           : ours->n_host && !same_frame(&stock->host, &ours->host)
           ? "what is given to the host"
           : NULL;
}

/* Likewise for all others, whose packets come to the host as they are. */
static const char *
judge_host(const struct diff_frame *frame, const struct diff_fate *ours,
           enum agilio_fallback reason)
{
    return is_sent(ours) || ours->n_host != 1
           ? "not wholly given to the host"
           : ours->reason != reason ? "given to the host for a wrong reason"
           : !same_frame(&ours->host, frame) ? "changed on its way to the host"
           : NULL;
}

const char *
diff_judge(const struct diff_frame *frame, const struct diff_flow *flow,
           const struct diff_fate *stock, const struct diff_fate *ours)
{
    static const enum agilio_fallback reasons[] = {
        [AGILIO_FOR_HOST] = AGILIO_FALLBACK_HOST,
        [AGILIO_UNABLE] = AGILIO_FALLBACK_UNABLE,
        [AGILIO_UNMATCHABLE] = AGILIO_FALLBACK_MISS,
    };

    if (frame->len < ETH_HEADER_LEN) {
        return is_sent(ours) || ours->n_host ? "a runt goes on" : NULL;
    }
    if (!flow) {
        return is_sent(stock) || stock->n_host != 1
               ? "a hit that the test does not expect"
               : judge_host(frame, ours, AGILIO_FALLBACK_MISS);
    }
    host_went_on |= (flow->verdict != AGILIO_ON_NIC
                     || is_taken_over(ours));
    return flow->verdict == AGILIO_ON_NIC
           ? judge_nic(stock, ours)
           : judge_host(frame, ours, reasons[flow->verdict]);
}

/* Whether 'stock' can be explained by the two readings, and 'ours' is one. */
static bool
is_two_readings(const struct diff_flow *flow, uint16_t stock, uint16_t ours)
{
    if (ours == flow->tcp_flags && !(flow->tcp_flags_both & ~stock)
        && !(stock & ~flow->tcp_flags_any)) {
        known[TWO_READINGS].n++;
        return true;
    }
    return false;
}

bool
diff_judge_stats(const struct diff_flow *flow,
                 const struct dpif_flow_stats *stock,
                 const struct dpif_flow_stats *ours)
{
    if (host_went_on && flow->match.flow.recirc_id) {
        return (stock->n_packets >= ours->n_packets
                && stock->n_bytes >= ours->n_bytes);
    }
    return stock->n_packets == ours->n_packets
           && stock->n_bytes == ours->n_bytes
           && (stock->tcp_flags == ours->tcp_flags
               || is_two_readings(flow, stock->tcp_flags, ours->tcp_flags));
}

void
diff_print_known(void)
{
    for (size_t i = 0; i < N_KNOWN; i++) {
        printf("known: %"PRIu64" times: %s\n", known[i].n, known[i].why);
    }
}
