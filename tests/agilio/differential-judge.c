/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-judge.c - what is the same, and what is a difference.
 *
 * Known and explained differences stand in the list here, and nowhere else.
 */

#include <config.h>

#include "differential.h"

#include "flow.h"
#include "packets.h"
#include "util.h"

static struct {
    const char *why;
    uint64_t n;
} known[DIFF_N_KNOWN] = {
    [DIFF_TWO_READINGS].why =
        "OVS reads TCP flags in two ways, which do not agree on malformed TCP "
        "and on neighbor\n    discovery: one for input ports none of whose "
        "flows matches on more than type,\n    VLAN and fragments, and one "
        "for all others; the NIC reads them in the latter.",
    [DIFF_TOO_DEEP].why =
        "A packet that is looked up again more often than it may is dropped; "
        "one that misses on\n    the NIC before that is not, for the host "
        "counts anew.",
    [DIFF_TOO_MANY].why =
        "More became of a packet than the test can keep; that was not "
        "compared.",
    [DIFF_TWO_METERS].why =
        "A packet was metered on the host, whose buckets are not those of "
        "the NIC; what such a\n    table does was not compared from there "
        "on.",
    [DIFF_SHORT_SAMPLE].why =
        "A userspace action on less than an Ethernet header (or without it, "
        "that is): the host\n    has dpif_execute() do it for a packet that "
        "the NIC sampled, which refuses it.",
    [DIFF_CUT_TUNNEL].why =
        "OVS reads on behind the end of a packet that ends within its tunnel "
        "header, or takes\n    more off than there is; the NIC drops it, and "
        "here OVS is kept from it.",
};

void
diff_know(enum diff_known i)
{
    known[i].n++;
}

void
diff_print_known(void)
{
    for (size_t i = 0; i < DIFF_N_KNOWN; i++) {
        printf("known: %"PRIu64" times: %s\n", known[i].n, known[i].why);
    }
}

/* ## ----- ##
 * ## Fates ##
 * ## ----- ## */

void
diff_fate_add(struct diff_fate *fate, enum diff_event_kind kind, uint32_t port,
              const void *frame, uint32_t len, const struct flow *flow,
              const void *userdata, size_t n)
{
    uint32_t extra_len = (flow ? sizeof *flow : 0) + n;
    struct diff_event *e = &fate->events[fate->n];
    uint8_t *p = fate->bytes + fate->n_bytes;

    if (kind == DIFF_ACTION && len < ETH_HEADER_LEN) {
        diff_know(DIFF_SHORT_SAMPLE);
        return;
    }
    if (fate->n == DIFF_MAX_EVENTS
        || extra_len + len > DIFF_MAX_BYTES - fate->n_bytes) {
        fate->full = true;
        return;
    }
    *e = (struct diff_event) { kind, port, fate->n_bytes, len, extra_len };
    memcpy(p, frame, len);
    if (flow) {
        memcpy(p + len, flow, sizeof *flow);
        memcpy(p + len + sizeof *flow, userdata ? userdata : "", n);
    }
    fate->n++;
    fate->n_bytes += len + extra_len;
}

static bool
same_event(const struct diff_fate *a, uint32_t i,
           const struct diff_fate *b, uint32_t j)
{
    const struct diff_event *x = &a->events[i], *y = &b->events[j];

    return x->kind == y->kind && x->port == y->port && x->len == y->len
           && x->extra_len == y->extra_len
           && !memcmp(a->bytes + x->ofs, b->bytes + y->ofs,
                      x->len + x->extra_len);
}

/* Whether the same comes of both, in any order. */
static bool
same_set(const struct diff_fate *a, const struct diff_fate *b)
{
    bool taken[DIFF_MAX_EVENTS] = { false };

    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t j = 0;

        while (j < b->n && (taken[j] || !same_event(a, i, b, j))) {
            j++;
        }
        if (j == b->n) {
            return false;
        }
        taken[j] = true;
    }
    return true;
}

/* The number of the next event of this kind and port, from 'i' on. */
static uint32_t
next(const struct diff_fate *fate, uint32_t i, const struct diff_event *e)
{
    while (i < fate->n && (fate->events[i].kind != e->kind
                           || fate->events[i].port != e->port)) {
        i++;
    }
    return i;
}

/* Whether in two fates that are the same set, what goes to each port comes in
 * the same order. */
static bool
same_order(const struct diff_fate *a, const struct diff_fate *b)
{
    for (uint32_t i = 0; i < a->n; i++) {
        const struct diff_event *e = &a->events[i];
        uint32_t j = 0;

        for (uint32_t k = next(a, 0, e); k < i; k = next(a, k + 1, e)) {
            j = next(b, j, e) + 1;
        }
        if (!same_event(a, i, b, next(b, j, e))) {
            return false;
        }
    }
    return true;
}

const char *
diff_judge(const struct diff_fate *stock, const struct diff_fate *ours,
           bool in_order)
{
    if (stock->full || (ours->full && stock->n >= DIFF_MANY)) {
        diff_know(DIFF_TOO_MANY);
        return NULL;
    }
    return !same_set(stock, ours) ? "what becomes of it"
           : in_order && !same_order(stock, ours) ? "the order"
           : NULL;
}

/* ## ----- ##
 * ## Given ##
 * ## ----- ## */

/* Whether the NIC gave the host what it had to, and said why. */
const char *
diff_judge_given(const struct diff_table *table,
                 const struct diff_given *given)
{
    static const enum agilio_fallback reasons[] = {
        [AGILIO_ON_NIC] = AGILIO_FALLBACK_UNABLE,       /* No headroom. */
        [AGILIO_FOR_HOST] = AGILIO_FALLBACK_HOST,
        [AGILIO_UNABLE] = AGILIO_FALLBACK_UNABLE,
        [AGILIO_UNMATCHABLE] = AGILIO_FALLBACK_MISS,
    };
    const struct diff_flow *flow;

    if (given->kind == AGILIO_RX_SAMPLED) {
        return NULL;            /* Its upcall is compared. */
    }
    if (given->kind == AGILIO_RX_FRESH && !given->same) {
        return "changed on its way to the host";
    }
    flow = diff_table_find(table, &given->flow);
    if (given->reason != (flow && flow->resident ? reasons[flow->verdict]
                          : AGILIO_FALLBACK_MISS)) {
        return "given to the host for a wrong reason";
    }
    return flow && flow->resident && flow->verdict == AGILIO_ON_NIC
           && given->kind == AGILIO_RX_FRESH
           ? "given to the host" : NULL;
}

/* ## ---------- ##
 * ## Statistics ##
 * ## ---------- ## */

/* Whether 'flags' is what the flow's packets have in one of two readings. */
static bool
is_a_reading(const struct diff_flow *flow, uint16_t flags)
{
    return !(flow->tcp_flags_both & ~flags)
           && !(flags & ~flow->tcp_flags_any);
}

bool
diff_judge_stats(const struct diff_flow *flow, const struct diff_stats *stock,
                 const struct diff_stats *ours)
{
    if (stock->n_packets != ours->n_packets || stock->n_bytes != ours->n_bytes
        || stock->used != ours->used) {
        return false;
    }
    if (stock->tcp_flags == ours->tcp_flags) {
        return true;
    }
    if (is_a_reading(flow, stock->tcp_flags)
        && is_a_reading(flow, ours->tcp_flags)) {
        diff_know(DIFF_TWO_READINGS);
        return true;
    }
    return false;
}
