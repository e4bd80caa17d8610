/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.h - packets of a flow that only sends them, as most are.
 *
 * What they need of the flow and of its port is looked at once for all those
 * in a row, and counted once.  Worker thread only, within a burst.
 */

#ifndef AGL_FORWARD_H
#define AGL_FORWARD_H 1

#include "tx.h"

/* Packets in a row. */
struct agl_row {
    const struct agl_flow *flow;        /* NULL: there are none yet. */
    struct agl_port *port;              /* NULL: they cannot be sent. */
    uint32_t n_packets;
    uint16_t tcp_flags;
    uint64_t n_bytes;
};

/* Counts packets of 'flow'. */
static inline void
agl_account(const struct agl_worker *w, const struct agl_flow *flow,
            uint32_t n_packets, uint64_t n_bytes, uint16_t more_tcp_flags)
{
    struct agilio_flow_stats *stats = flow->stats;
    uint16_t tcp_flags = agilio_from_le16(stats->tcp_flags);

    agl_stat_add(&stats->packets, n_packets);
    agl_stat_add(&stats->bytes, n_bytes);
    agilio_store_relaxed(&stats->used, agilio_to_le64(w->now));
    if (more_tcp_flags & ~tcp_flags) {
        tcp_flags |= more_tcp_flags;
        agilio_store_relaxed(&stats->tcp_flags, agilio_to_le16(tcp_flags));
    }
}

/* Counts the packets of the row, which is over. */
static inline void
agl_row_end(const struct agl_worker *w, const struct agl_row *row)
{
    if (row->flow) {
        agl_account(w, row->flow, row->n_packets, row->n_bytes,
                    row->tcp_flags);
    }
}

/* Sends a packet of 'flow', whose 'port' is not AGILIO_PORT_NONE. */
static inline void
agl_forward(struct agl_worker *w, struct agl_row *row,
            const struct agl_flow *flow, struct agl_pkt *pkt)
{
    if (flow != row->flow) {
        struct agl_port *port = agl_tx_port(w, flow->port);

        agl_row_end(w, row);
        *row = (struct agl_row) {
            .flow = flow,
            .port = agl_tx_is_ready(port, flow->port) ? port : NULL,
        };
    }
    row->n_packets++;
    row->n_bytes += pkt->len;
    row->tcp_flags |= pkt->tcp_flags;
    if (AGILIO_LIKELY(row->port && agl_tx_fits(row->port, pkt))) {
        agl_tx_enqueue(w, row->port, pkt);
    } else {
        agl_tx_output(w, flow->port, pkt);
    }
}

#endif /* forward.h */
