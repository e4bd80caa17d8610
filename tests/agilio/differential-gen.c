/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-gen.c - random megaflows, in the role of ofproto.
 *
 * A flow is made for a packet: it matches on random bits of whatever fields
 * the packet has.  The fields are those of flow_wildcards_init_for_packet(),
 * so a field that OVS knows and a frame has is matched on without being named
 * here.  As in ofproto, in_port, recirc_id, packet type and nearly always the
 * Ethernet type are matched exactly; and all flows of a table are disjoint,
 * since which of two that overlap is hit is undefined.
 */

#include <config.h>

#include "differential.h"

#include "flow.h"
#include "packets.h"
#include "util.h"

/* How much of a packet a flow looks at: one in so many words of it. */
static const uint32_t densities[] = { 1, 2, 4, 8, 16, 32, UINT32_MAX / 2 };

/* Random bits, in the ways in which masks are usual and unusual. */
static uint64_t
random_mask(void)
{
    uint64_t all = UINT64_MAX, bits = 0;

    switch (diff_random(8)) {
    case 0:                     /* A prefix. */
        return (OVS_FORCE uint64_t) htonll(all << diff_random(64));
    case 1:                     /* A bit. */
        return UINT64_C(1) << diff_random(64);
    case 2:                     /* A byte. */
        return UINT64_C(0xff) << 8 * diff_random(8);
    case 3:                     /* A half. */
        return diff_random(2) ? all << 32 : all >> 32;
    case 4:                     /* Anything. */
        for (int i = 0; i < 64; i += 16) {
            bits |= (uint64_t) diff_random(1 << 16) << i;
        }
        return bits;
    default:
        return all;
    }
}

static bool
has_nd_options(const struct flow *flow)
{
    return is_nd(flow, NULL) && !(flow->nw_frag & FLOW_NW_FRAG_LATER);
}

/* Everything that a flow may look at in such a packet.  dpif-netdev drops from
 * a mask what flow_wc_map() does not have.  A packet without Ethernet header
 * has its type twice. */
static void
all_fields(const struct flow *flow, struct flow_wildcards *wc)
{
    uint64_t *words = (uint64_t *) &wc->masks;
    struct flowmap map;

    flow_wildcards_init_for_packet(wc, flow);
    if (has_nd_options(flow)) {
        WC_MASK_FIELD(wc, tcp_flags);           /* nd_options_type */
        WC_MASK_FIELD(wc, igmp_group_ip4);      /* nd_reserved */
    }
    flow_wc_map(flow, &map);
    for (size_t i = 0; i < FLOW_U64S; i++) {
        if (!flowmap_is_set(&map, i)) {
            words[i] = 0;
        }
    }
}

static void
random_wildcards(const struct flow *flow, struct flow_wildcards *wc)
{
    uint32_t density = densities[diff_random(ARRAY_SIZE(densities))];
    uint64_t *words = (uint64_t *) &wc->masks;

    all_fields(flow, wc);
    for (size_t i = 0; i < FLOW_U64S; i++) {
        if (words[i]) {
            words[i] = diff_random(density) ? 0 : words[i] & random_mask();
        }
    }

    WC_MASK_FIELD(wc, in_port);
    WC_MASK_FIELD(wc, recirc_id);
    WC_MASK_FIELD(wc, packet_type);
    if (diff_random(16)) {
        WC_MASK_FIELD(wc, dl_type);
    }
    if (is_ip_any(flow) && diff_random(16)) {
        WC_MASK_FIELD_MASK(wc, nw_frag, FLOW_NW_FRAG_MASK);
    }
    if (!wc->masks.vlans[0].tci) {
        /* So dpif-netdev does, for a flow that has no opinion. */
        wc->masks.vlans[0].tci = htons(VLAN_VID_MASK | VLAN_CFI);
    }
}

/* Narrows 'new' so that no packet hits both.  Returns false if they differ
 * only in fields that the packets of 'new' do not have: OVS cannot match on
 * these. */
static bool
keep_apart(struct match *new, const struct match *old)
{
    uint64_t *mask = (uint64_t *) &new->wc.masks;
    const uint64_t *old_mask = (const uint64_t *) &old->wc.masks;
    const uint64_t *a = (const uint64_t *) &new->flow;
    const uint64_t *b = (const uint64_t *) &old->flow;
    uint32_t from = diff_random(FLOW_U64S);
    struct flow_wildcards all;

    for (size_t i = 0; i < FLOW_U64S; i++) {
        if ((a[i] ^ b[i]) & mask[i] & old_mask[i]) {
            return true;
        }
    }
    all_fields(&new->flow, &all);
    for (size_t i = 0; i < FLOW_U64S; i++) {
        size_t j = (from + i) % FLOW_U64S;
        uint64_t differ = ((a[j] ^ b[j]) & old_mask[j]
                           & ((const uint64_t *) &all.masks)[j]);

        if (differ) {
            mask[j] |= differ;
            return true;
        }
    }
    return false;
}

/* Whether 'match' looks at more than packets of this type have. */
static bool
looks_beyond(const struct match *match, ovs_be16 dl_type, uint8_t nw_proto)
{
    const uint64_t *mask = (const uint64_t *) &match->wc.masks;
    struct flow flow = match->flow;
    struct flowmap map;

    flow.dl_type = dl_type;
    flow.nw_proto = nw_proto;
    flow_wc_map(&flow, &map);
    for (size_t i = 0; i < FLOW_U64S; i++) {
        if (mask[i] && !flowmap_is_set(&map, i)) {
            return true;
        }
    }
    return false;
}

/* Has 'match' look at what says that a packet has such fields, as ofproto
 * does: dpif-netdev drops from a flow those that the packet which asked for it
 * does not have. */
static void
add_prerequisites(struct match *match)
{
    if (looks_beyond(match, match->flow.dl_type, 0)) {
        WC_MASK_FIELD(&match->wc, nw_proto);
    }
    if (looks_beyond(match, 0, 0)) {
        WC_MASK_FIELD(&match->wc, dl_type);
    }
}

static uint32_t
free_id(const struct diff_table *table)
{
    uint32_t used = 0;

    for (size_t i = 0; i < table->n; i++) {
        used |= 1u << table->flows[i]->id;
    }
    return ctz32(~used);
}

struct diff_flow *
diff_table_learn(struct diff_table *table, const struct flow *flow)
{
    static uint64_t n_ufids;
    struct diff_flow *new;

    if (table->n >= DIFF_MAX_FLOWS) {
        return NULL;
    }
    new = xzalloc(sizeof *new);
    new->match.flow = *flow;
    random_wildcards(flow, &new->match.wc);
    diff_actions_make(table, new, false);
    for (size_t i = 0; i < table->n; i++) {
        if (!keep_apart(&new->match, &table->flows[i]->match)) {
            free(new);
            return NULL;
        }
    }
    add_prerequisites(&new->match);
    new->id = free_id(table);
    new->ufid.u64.lo = ++n_ufids;
    new->ufid.u64.hi = n_ufids;
    table->flows[table->n++] = new;
    return new;
}

struct diff_flow *
diff_table_find(const struct diff_table *table, const struct flow *flow)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct match *match = &table->flows[i]->match;

        if (flow_equal_except(flow, &match->flow, &match->wc)) {
            return table->flows[i];
        }
    }
    return NULL;
}

void
diff_table_remove(struct diff_table *table, struct diff_flow *flow)
{
    for (size_t i = 0; i < table->n; i++) {
        if (table->flows[i] == flow) {
            table->flows[i] = table->flows[--table->n];
            return;
        }
    }
    OVS_NOT_REACHED();
}
