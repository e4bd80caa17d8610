/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-queue.c - the host's ends of the packet rings of one NIC port.
 *
 * See agilio-queue.h for who may do what when.  Called by netdev-agilio.c:
 * receive queues in the main thread, transmit queues in any thread, under the
 * netdev's lock for sending.
 */

#include <config.h>

#include "agilio-queue.h"

#include <errno.h>

#include "agilio-ivshmem.h"
#include "agilio-rx.h"
#include "agilio-sample.h"
#include "dp-packet.h"
#include "util.h"

/* Records looked at for one batch: a flood of bad ones must not hold up the
 * other ports. */
#define MAX_RECORDS (4 * NETDEV_MAX_BURST)

/* Makes '*b' a binding to 'port' of 'map'.  True if it was another. */
static bool
rebind(struct agilio_binding *b, const struct agilio_map *map, uint32_t port)
{
    if (b->generation == map->generation && b->port == port) {
        return false;
    }
    b->generation = map->generation;
    b->port = port;
    return true;
}

/* The first queue pair from number 'i' on that is of 'port'; n_qps if there
 * is none. */
static uint32_t
find_qp(const struct agilio_map *map, uint32_t port, uint32_t i)
{
    while (i < map->n_qps
           && (agilio_from_le32(map->qps[i].port_slot)
               != agilio_port_slot(port))) {
        i++;
    }
    return i;
}

/* ## ------- ##
 * ## Receive ##
 * ## ------- ## */

void
agilio_rxq_init(struct agilio_rxq *q)
{
    memset(q, 0, sizeof *q);
}

static void
wake(struct agilio_rxq *q)
{
    size_t i;

    for (i = 0; i < q->n_ends; i++) {
        agilio_ring_awake(&q->ends[i]);
    }
    q->asleep = false;
}

void
agilio_rxq_destroy(struct agilio_rxq *q, const struct agilio_map *map)
{
    if (map && q->binding.generation == map->generation) {
        wake(q);                /* Nobody listens to the doorbell now. */
    }
    free(q->ends);
}

bool
agilio_rxq_bind(struct agilio_rxq *q, const struct agilio_map *map,
                uint32_t port)
{
    uint32_t i;

    if (!rebind(&q->binding, map, port)) {
        return false;
    }
    free(q->ends);
    q->ends = xcalloc(map->n_qps, sizeof *q->ends);
    q->n_ends = q->next = 0;
    q->asleep = false;
    for (i = find_qp(map, port, 0); i < map->n_qps;
         i = find_qp(map, port, i + 1)) {
        agilio_map_consumer(map, &map->qps[i].to_host,
                            &q->ends[q->n_ends++]);
    }
    return true;
}

/* Receives from one ring. */
static void
recv_from(struct agilio_rxq *q, struct agilio_ring_end *end,
          struct dp_packet_batch *batch, uint32_t *resumed)
{
    struct agilio_rx rx;
    int i;

    for (i = 0; i < MAX_RECORDS && !dp_packet_batch_is_full(batch)
                && agilio_rx_peek(end, q->binding.port, &rx); i++) {
        if (rx.kind == AGILIO_RX_BAD) {
            q->n_bad++;
            agilio_rx_take(end, &rx);
        } else if (rx.kind == AGILIO_RX_STALE) {
            q->n_stale++;
            agilio_rx_take(end, &rx);
        } else if (rx.kind == AGILIO_RX_SAMPLED) {
            agilio_sample_put(agilio_rx_take(end, &rx), q->binding.port, &rx);
        } else {
            uint32_t in_port = (rx.kind == AGILIO_RX_RESUMED
                                ? agilio_from_le32(rx.meta.md.in_port)
                                : AGILIO_PORT_NONE);

            if (dp_packet_batch_is_empty(batch)) {
                *resumed = in_port;
            } else if (*resumed != in_port) {
                break;
            }
            dp_packet_batch_add(batch, agilio_rx_take(end, &rx));
        }
    }
}

const char *
agilio_rxq_recv(struct agilio_rxq *q, const struct agilio_map *map,
                struct dp_packet_batch *batch, uint32_t *resumed)
{
    size_t i;

    if (q->asleep) {
        wake(q);
        agilio_ivshmem_clear(map->packets_fd);
    }
    for (i = 0; i < q->n_ends && dp_packet_batch_is_empty(batch); i++) {
        struct agilio_ring_end *end = &q->ends[q->next];

        q->next = (q->next + 1) % q->n_ends;
        recv_from(q, end, batch, resumed);
        if (end->broken) {
            return "a ring of packets to the host makes no sense";
        }
    }
    return NULL;
}

void
agilio_rxq_drain(struct agilio_rxq *q)
{
    size_t i;

    for (i = 0; i < q->n_ends; i++) {
        agilio_ring_consume(&q->ends[i], agilio_ring_ready(&q->ends[i]));
    }
}

bool
agilio_rxq_sleep(struct agilio_rxq *q)
{
    bool may_sleep = true;
    size_t i;

    q->asleep = true;
    for (i = 0; i < q->n_ends; i++) {
        may_sleep &= agilio_ring_sleep(&q->ends[i]);
    }
    return may_sleep;
}

/* ## -------- ##
 * ## Transmit ##
 * ## -------- ## */

void
agilio_txq_bind(struct agilio_txq *q, const struct agilio_map *map,
                uint32_t port)
{
    uint32_t i;

    if (rebind(&q->binding, map, port)) {
        i = find_qp(map, port, 0);
        q->n_ends = i < map->n_qps;
        if (q->n_ends) {
            agilio_map_producer(map, &map->qps[i].from_host, &q->end);
        }
    }
}

/* Sends one packet.  Returns 0 or an errno; sets '*kick' if the NIC sleeps. */
static int
send_packet(struct agilio_txq *q, const struct dp_packet *packet, bool *kick)
{
    uint32_t size = dp_packet_size(packet);
    struct agilio_desc desc = {
        .len = agilio_to_le32(sizeof desc + size),
        .port = agilio_to_le32(q->binding.port),
    };
    uint32_t n = agilio_ring_granules(sizeof desc + size);

    if (!dp_packet_is_eth(packet)) {
        return EPFNOSUPPORT;
    } else if (size < ETH_HEADER_LEN || size > AGILIO_MAX_FRAME) {
        return EMSGSIZE;
    } else if (!q->n_ends || agilio_ring_free(&q->end) < n) {
        return EAGAIN;
    }
    agilio_ring_write(&q->end, 0, &desc, sizeof desc);
    agilio_ring_write(&q->end, sizeof desc, dp_packet_data(packet), size);
    *kick |= agilio_ring_produce(&q->end, n);
    return 0;
}

size_t
agilio_txq_send(struct agilio_txq *q, const struct agilio_map *map,
                const struct dp_packet_batch *batch, int *error)
{
    const struct dp_packet *packet;
    size_t n_sent = 0;
    bool kick = false;

    *error = 0;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        int e = send_packet(q, packet, &kick);

        n_sent += !e;
        *error = e ? e : *error;
    }
    if (kick) {
        agilio_ivshmem_kick(map->nic_packets_fd);
    }
    return n_sent;
}
