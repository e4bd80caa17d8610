/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c - the life of a packet on the NIC.
 *
 *     rx -> admit -> parse -> exact_lookup -> (miss) mask_lookup -> learn
 *                      ^ -> (miss in both) upcall, or account -> run -> tx
 *                      `------------------------- recirc ---------'
 *
 * carry() is that life, top to bottom; recirculation goes through it again, at
 * most AGILIO_MAX_RECIRC times.  Each packet has one fate: it is sent
 * as its flow says, or given to the host, or dropped; the latter two under
 * one counter each.  Worker thread only.
 */

#include "pipeline.h"

#include "pkt/key-hash.h"

static void
drop(struct agl_worker *w, struct agl_pkt *pkt, enum agilio_counter reason)
{
    agl_worker_count(w, reason);
    agl_pkt_free(&w->pool, pkt);
}

static inline void
add(agilio_le64 *counter, uint64_t n)
{
    agilio_store_relaxed(counter,
                         agilio_to_le64(agilio_from_le64(*counter) + n));
}

/* Packets that wait for the end of the burst must not be why there is no
 * buffer. */
static bool
have_buffers(struct agl_worker *w, uint32_t n)
{
    if (AGILIO_UNLIKELY(w->pool.n_free < n)) {
        agl_pipeline_flush(w);
    }
    return w->pool.n_free >= n;
}

/* Sets aside the buffers for the copies that a program makes. */
static bool
reserve(struct agl_worker *w, uint32_t n)
{
    if (AGILIO_LIKELY(agl_pool_reserve(&w->pool, n))) {
        return true;
    }
    agl_pipeline_flush(w);
    return agl_pool_reserve(&w->pool, n);
}

/* Counts a received packet; false if it goes no further. */
static bool
admit(struct agl_worker *w, struct agl_port *port, struct agl_pkt *pkt)
{
    if (!(port->flags & AGILIO_PORT_ADMIN_UP)) {
        add(&port->stats->rx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_RX_DOWN);
        return false;
    }
    if (pkt->len < 14) {
        add(&port->stats->rx_errors, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_RUNT);
        return false;
    }
    add(&port->stats->rx_packets, 1);
    add(&port->stats->rx_bytes, pkt->len);
    return true;
}

/* The flow of a packet from either level, NULL on a miss in both. */
static struct agl_flow *
lookup(struct agl_worker *w, const struct agilio_key *key)
{
    struct agl_tracker_key tk;
    struct agl_flow *flow;

    flow = agl_tracker_lookup(w->tracker, w->table, key, w->now, &tk);
    if (flow) {
        agl_worker_count(w, AGILIO_COUNTER_L1_HIT);
        return flow;
    }
    flow = agl_flow_table_lookup(w->table, key);
    if (flow) {
        agl_worker_count(w, AGILIO_COUNTER_L2_HIT);
        agl_worker_count(w, AGILIO_COUNTER_LEARNED);
        if (agl_tracker_learn(w->tracker, w->table, &tk, flow, w->now)) {
            agl_worker_count(w, AGILIO_COUNTER_EVICTED);
        }
    }
    return flow;
}

/* Gives a packet to the host: from its beginning, or, if it was recirculated,
 * at the point that it has got to. */
static void
upcall(struct agl_worker *w, struct agl_port *port, struct agl_pkt *pkt,
       enum agilio_fallback reason)
{
    struct agilio_ring_end *ring = &port->qp->to_host;
    const struct agilio_resume resume = {
        .recirc_id = agilio_to_le32(pkt->recirc_id),
        .dp_hash = agilio_to_le32(pkt->dp_hash),
        .in_port = agilio_to_le32(pkt->in_port),
    };
    uint32_t meta_len = pkt->recirc_id ? sizeof resume : 0;
    uint32_t len = sizeof(struct agilio_desc) + meta_len + pkt->len;
    const struct agilio_desc desc = {
        .len = agilio_to_le32(len),
        .flags = agilio_to_le16(meta_len ? AGILIO_DESC_RESUMED : 0),
        .meta_len = agilio_to_le16(meta_len),
        .port = agilio_to_le32(port->id),
        .reason = agilio_to_le32(reason),
        .timestamp = agilio_to_le64(w->now),
    };
    uint32_t n = agilio_ring_granules(len);

    if (!w->host_attached) {
        drop(w, pkt, AGILIO_COUNTER_DROP_NO_HOST);
    } else if (pkt->len > AGILIO_MAX_FRAME || n > ring->n) {
        drop(w, pkt, AGILIO_COUNTER_DROP_HOST_TOO_BIG);
    } else if (agilio_ring_free(ring) < n) {
        drop(w, pkt, AGILIO_COUNTER_DROP_HOST_FULL);
    } else {
        agilio_ring_write(ring, 0, &desc, sizeof desc);
        agilio_ring_write(ring, sizeof desc, &resume, meta_len);
        agilio_ring_write(ring, sizeof desc + meta_len, pkt->data, pkt->len);
        w->kick_host |= agilio_ring_produce(ring, n);
        agl_worker_count(w, AGILIO_COUNTER_FALLBACK_MISS + reason);
        agl_pkt_free(&w->pool, pkt);
    }
}

static void
account(struct agl_worker *w, const struct agl_flow *flow,
        const struct agl_pkt *pkt)
{
    struct agilio_flow_stats *stats = flow->stats;
    uint16_t tcp_flags = agilio_from_le16(stats->tcp_flags);

    if (flow->program->ends_here) {
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
    }
    add(&stats->packets, 1);
    add(&stats->bytes, pkt->len);
    agilio_store_relaxed(&stats->used, agilio_to_le64(w->now));
    if (pkt->tcp_flags & ~tcp_flags) {
        tcp_flags |= pkt->tcp_flags;
        agilio_store_relaxed(&stats->tcp_flags, agilio_to_le16(tcp_flags));
    }
}

/* The life of a packet, once for each time that it is looked up. */
static void
carry(struct agl_worker *w, struct agl_port *port, struct agl_pkt *pkt)
{
    const struct agl_program *program;
    struct agl_flow *flow;
    struct agilio_key key;

    agl_parse(pkt, &w->options, &key);

    flow = lookup(w, &key);
    if (!flow) {
        upcall(w, port, pkt, AGILIO_FALLBACK_MISS);
        return;
    }
    program = flow->program;
    if (program->kind == AGL_PROGRAM_TO_HOST) {
        upcall(w, port, pkt, program->reason);
        return;
    }

    account(w, flow, pkt);
    if (program->kind == AGL_PROGRAM_DROP) {
        drop(w, pkt, AGILIO_COUNTER_DROP_POLICY);
    } else if (!reserve(w, program->n_clones)) {
        drop(w, pkt, AGILIO_COUNTER_DROP_NO_BUFFER);
    } else {
        if (program->needs_hash && !pkt->n_recirc) {
            pkt->flow_hash = agl_key_hash(&key);
        }
        agl_program_run(program, pkt, &w->run);
    }
}

void
agl_pipeline_recirc(struct agl_run *run, uint32_t recirc_id,
                    struct agl_pkt *pkt)
{
    struct agl_worker *w = (struct agl_worker *) (void *) run;

    if (pkt->n_recirc == AGILIO_MAX_RECIRC) {
        drop(w, pkt, AGILIO_COUNTER_DROP_RECIRC);
        return;
    }
    pkt->n_recirc++;
    pkt->recirc_id = recirc_id;
    agl_worker_count(w, AGILIO_COUNTER_RECIRC);
    carry(w, &w->ports[agilio_port_slot(pkt->in_port)], pkt);
}

uint32_t
agl_pipeline_receive(struct agl_worker *w, struct agl_port *port)
{
    struct agl_pkt *pkts[AGL_BURST];
    uint64_t rx_errors;
    uint32_t n, i;

    have_buffers(w, AGL_BURST); /* If not, the device keeps its frames. */
    n = port->dev->class->rx(port->dev, &w->pool, pkts, AGL_BURST);
    for (i = 0; i < n; i++) {
        pkts[i]->in_port = port->id;
        if (admit(w, port, pkts[i])) {
            carry(w, port, pkts[i]);
        }
    }

    rx_errors = port->dev->rx_errors;
    if (rx_errors != port->driver_rx_errors) {
        add(&port->stats->rx_errors, rx_errors - port->driver_rx_errors);
        port->driver_rx_errors = rx_errors;
    }
    return n;
}

/* One record of the host's: to the port that it names, and to no other. */
static void
host_record(struct agl_worker *w, struct agl_port *port, uint32_t len)
{
    struct agilio_ring_end *ring = &port->qp->from_host;
    struct agilio_desc desc;
    uint32_t frame_len = len - sizeof desc;
    struct agl_pkt *pkt;

    agilio_ring_read(ring, 0, &desc, sizeof desc);
    if (desc.flags || desc.meta_len || frame_len < 14
        || frame_len > AGILIO_MAX_FRAME) {
        agl_worker_count(w, AGILIO_COUNTER_DROP_HOST_BAD);
    } else if (!have_buffers(w, 1)) {
        agl_worker_count(w, AGILIO_COUNTER_DROP_NO_BUFFER);
    } else {
        pkt = agl_pkt_new(&w->pool);
        agilio_ring_read(ring, sizeof desc, pkt->data, frame_len);
        pkt->len = frame_len;
        agl_worker_count(w, AGILIO_COUNTER_HOST_TX);
        agl_pipeline_output(&w->run, agilio_from_le32(desc.port), pkt);
    }
    agilio_ring_consume(ring, agilio_ring_granules(len));
}

uint32_t
agl_pipeline_host_tx(struct agl_worker *w, struct agl_port *port)
{
    struct agilio_ring_end *ring = &port->qp->from_host;
    uint32_t n, len;

    for (n = 0; n < AGL_BURST; n++) {
        len = agilio_ring_peek(ring, sizeof(struct agilio_desc),
                               AGILIO_MAX_RECORD);
        if (!len) {
            break;
        }
        host_record(w, port, len);
    }
    return n;
}

static void
flush_port(struct agl_worker *w, struct agl_port *port)
{
    uint32_t i, sent;

    sent = port->dev->class->tx(port->dev, port->tx, port->n_tx);
    for (i = 0; i < port->n_tx; i++) {
        struct agl_pkt *pkt = port->tx[i];

        if (i < sent && !pkt->len) {
            add(&port->stats->tx_errors, 1);
            drop(w, pkt, AGILIO_COUNTER_DROP_TX_ERROR);
        } else if (i < sent) {
            add(&port->stats->tx_packets, 1);
            add(&port->stats->tx_bytes, pkt->len);
            agl_pkt_free(&w->pool, pkt);
        } else {
            add(&port->stats->tx_dropped, 1);
            drop(w, pkt, AGILIO_COUNTER_DROP_TX_FULL);
        }
    }
    port->n_tx = 0;
}

/* Bytes of Ethernet header that do not count against the MTU: of VLAN tags
 * the outer one, as in the kernel datapath and as devices have it. */
static uint32_t
l2_len(const struct agl_pkt *pkt)
{
    uint16_t type = pkt->data[12] << 8 | pkt->data[13];

    return type == 0x8100 || type == 0x88a8 ? 18 : 14;
}

void
agl_pipeline_output(struct agl_run *run, uint32_t port_id, struct agl_pkt *pkt)
{
    struct agl_worker *w = (struct agl_worker *) (void *) run;
    uint32_t slot = agilio_port_slot(port_id);
    struct agl_port *port = &w->ports[slot < w->n_ports ? slot : 0];
    const uint32_t up = AGILIO_PORT_ADMIN_UP | AGILIO_PORT_LINK_UP;

    if (port_id == AGILIO_PORT_NONE || port->id != port_id) {
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_GONE);
    } else if ((port->flags & up) != up) {
        add(&port->stats->tx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_DOWN);
    } else if (pkt->len > port->mtu + l2_len(pkt)) {
        add(&port->stats->tx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_MTU);
    } else {
        port->tx[port->n_tx++] = pkt;
        if (port->n_tx == AGL_BURST) {
            flush_port(w, port);
        }
    }
}

void
agl_pipeline_flush(struct agl_worker *w)
{
    uint32_t i;

    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].n_tx) {
            flush_port(w, &w->ports[i]);
        }
    }
    if (w->kick_host) {
        w->kick_host = false;
        w->ops->kick_host(w->ops->aux, AGILIO_VECTOR_PACKETS);
    }
}
