/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tx.c - what goes out of ports: see tx.h.
 *
 * Owned by the worker; of what it shares with others only the handovers, of
 * which each has one giver and one taker (pkt/handover.h).
 */

#include "tx.h"

#include "host-queue.h"

bool
agl_tx_spare(struct agl_worker *w, uint32_t n)
{
    if (AGILIO_UNLIKELY(w->pool.n_free < n)) {
        agl_tx_flush(w);
    }
    return w->pool.n_free >= n;
}

/* Gives the device what waits for it; returns with how many it was done. */
static uint32_t
send_burst(struct agl_worker *w, struct agl_port *port)
{
    uint32_t n = port->n_tx, n_done;

    if (AGILIO_LIKELY(!port->capture)) {
        return port->dev->class->tx(port->dev, port->tx, n);
    }
    agl_capture_send(port->capture, port->tx, n, w->now);
    n_done = port->dev->class->tx(port->dev, port->tx, n);
    agl_capture_sent(port->capture, port->tx, n, n_done);
    return n_done;
}

/* Drops a packet that its device did not take.  Which one is carried now may
 * be another. */
static void
drop_unsent(struct agl_worker *w, struct agl_pkt *pkt,
            enum agilio_counter reason)
{
    agl_worker_drop(w, pkt, reason);
    if (w->watched) {
        agl_capture_except(w->watched, reason);
    }
}

void
agl_tx_flush_port(struct agl_worker *w, struct agl_port *port)
{
    uint32_t lens[AGL_BURST], n = port->n_tx, n_done, n_sent, i;
    uint64_t n_bytes = 0;

    for (i = 0; i < n; i++) {
        lens[i] = port->tx[i]->len;     /* The device may keep the packet. */
        n_bytes += lens[i];
    }
    n_sent = n_done = send_burst(w, port);
    for (i = 0; i < n_done; i++) {
        struct agl_pkt *pkt = port->tx[i];

        if (pkt && AGILIO_UNLIKELY(!pkt->len)) {
            n_sent--;
            n_bytes -= lens[i];
            agl_stat_add(&port->stats->tx_errors, 1);
            drop_unsent(w, pkt, AGILIO_COUNTER_DROP_TX_ERROR);
        } else if (pkt) {
            agl_pkt_free(&w->pool, pkt);
        }
    }
    for (; i < n; i++) {
        n_bytes -= port->tx[i]->len;
        agl_stat_add(&port->stats->tx_dropped, 1);
        drop_unsent(w, port->tx[i], AGILIO_COUNTER_DROP_TX_FULL);
    }
    agl_stat_add(&port->stats->tx_packets, n_sent);
    agl_stat_add(&port->stats->tx_bytes, n_bytes);
    port->n_tx = 0;
}

bool
agl_tx_hand_over(struct agl_worker *w, const struct agl_port *port,
                 struct agl_pkt *pkt, uint32_t fate)
{
    return agl_handover_put(
        w->team->handovers[w->index][port->owner], &w->pool,
        (struct agl_handover_slot) { pkt, port->id, fate });
}

void
agl_tx_divert(struct agl_worker *w, struct agl_port *port, uint32_t port_id,
              struct agl_pkt *pkt)
{
    if (port_id == AGILIO_PORT_NONE || port->id != port_id) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_TX_GONE);
    } else if (!port->dev) {
        /* The owner looks at it as we would. */
        if (!agl_tx_hand_over(w, port, pkt, AGL_HANDOVER_OUTPUT)) {
            agl_stat_add(&port->stats->tx_dropped, 1);
            agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_WORKER_FULL);
        }
    } else if ((port->flags & AGL_TX_UP) != AGL_TX_UP) {
        agl_stat_add(&port->stats->tx_dropped, 1);
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_TX_DOWN);
    } else if (pkt->md.packet_type || pkt->len < AGL_ETH_LEN) {
        /* No frame for a port. */
        agl_stat_add(&port->stats->tx_errors, 1);
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_TX_ERROR);
    } else {
        agl_stat_add(&port->stats->tx_dropped, 1);
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_TX_MTU);
    }
}

void
agl_tx_run_output(struct agl_run *run, uint32_t port_id, struct agl_pkt *pkt)
{
    agl_tx_output(agl_worker_of(run), port_id, pkt);
}

/* Does what 'giver' has handed over; returns how many packets that were. */
static uint32_t
take_over(struct agl_worker *w, uint32_t giver)
{
    struct agl_handover *h = w->team->handovers[giver][w->index];
    uint32_t n = agl_handover_ready(h);

    for (uint32_t i = 0; i < n; i++) {
        const struct agl_handover_slot *slot = agl_handover_get(h, i);

        if (slot->fate == AGL_HANDOVER_OUTPUT) {
            agl_tx_output(w, slot->port_id, slot->pkt);
        } else {
            agl_host_queue_record(w, slot->port_id, slot->pkt, slot->fate);
        }
    }
    return n;
}

uint32_t
agl_tx_take_over(struct agl_worker *w)
{
    uint32_t n_taken[AGL_MAX_WORKERS], n = 0, i;

    for (i = 0; i < w->team->n; i++) {
        n_taken[i] = i != w->index ? take_over(w, i) : 0;
        n += n_taken[i];
    }
    agl_tx_flush(w);
    for (i = 0; i < w->team->n; i++) {
        if (n_taken[i]) {       /* They wait for nothing any more. */
            agl_handover_done(w->team->handovers[i][w->index], n_taken[i]);
        }
    }
    return n;
}

/* Has the others see what is handed over to them, and takes back the buffers
 * of what they have done. */
static void
flush_handovers(struct agl_worker *w)
{
    for (uint32_t i = 0; i < w->team->n; i++) {
        struct agl_handover *h = w->team->handovers[w->index][i];

        if (h) {
            agl_handover_reclaim(h, &w->pool);
        }
        if (h && agl_handover_publish(h)) {
            agl_worker_wake(w->team->workers[i]);
        }
    }
}

void
agl_tx_flush(struct agl_worker *w)
{
    uint32_t i;

    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].n_tx) {
            agl_tx_flush_port(w, &w->ports[i]);
        }
    }
    flush_handovers(w);
    if (w->kick_host) {
        w->kick_host = false;
        w->ops->kick_host(w->ops->aux, AGILIO_VECTOR_PACKETS);
    }
}
