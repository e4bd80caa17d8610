/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-queue.h - the host's ends of the packet rings of one NIC port.
 *
 * A queue is bound to a port of a map, and bound again when that changes: all
 * functions take the map that is current, do nothing with rings of another
 * one, and must not quiesce with it.  A port has a pair of rings for each NIC
 * worker; the receive queue reads all of them in turn, the transmit queue uses
 * the first.
 *
 * A queue is used by one thread at a time.
 *
 * The doorbell for packets is one for all ports.  So that no queue clears it
 * under the nose of another, only agilio_rxq_recv() does, in the polling phase
 * of the main loop, and agilio_rxq_sleep(), in its waiting phase, looks at the
 * rings once more: what comes before that look is seen, what comes after it
 * rings the doorbell, and nothing clears it until all are polled again.
 */

#ifndef AGILIO_QUEUE_H
#define AGILIO_QUEUE_H 1

#include "agilio-map.h"

struct dp_packet_batch;

/* What a queue is bound to. */
struct agilio_binding {
    uint64_t generation;        /* Of the map; 0: bound to nothing. */
    uint32_t port;              /* Id. */
};

struct agilio_rxq {
    struct agilio_binding binding;
    struct agilio_ring_end *ends;       /* One for each worker. */
    size_t n_ends;
    size_t next;                /* Whose turn it is. */
    bool asleep;                /* The doorbell was asked for. */
    uint64_t n_bad;             /* Records that made no sense. */
    uint64_t n_stale;           /* Records of a former port. */
};

void agilio_rxq_init(struct agilio_rxq *);
void agilio_rxq_destroy(struct agilio_rxq *, const struct agilio_map *);

/* Binds 'q' to port 'port' of 'map' if it is not.  True if it was not. */
bool agilio_rxq_bind(struct agilio_rxq *, const struct agilio_map *map,
                     uint32_t port);

/* Adds up to NETDEV_MAX_BURST packets to the empty 'batch'.  They are either
 * all fresh, and '*resumed' is AGILIO_PORT_NONE, or all to be resumed as from
 * the port with the id '*resumed'.  Sampled packets go to agilio-sample.c.
 * Returns NULL or what is wrong with the rings. */
const char *agilio_rxq_recv(struct agilio_rxq *, const struct agilio_map *,
                            struct dp_packet_batch *batch, uint32_t *resumed);

/* Throws away what is there. */
void agilio_rxq_drain(struct agilio_rxq *);

/* Asks for the doorbell.  False if there is something to receive already. */
bool agilio_rxq_sleep(struct agilio_rxq *);

struct agilio_txq {
    struct agilio_binding binding;
    struct agilio_ring_end end; /* Valid if 'n_ends'. */
    size_t n_ends;              /* 0 or 1. */
};

void agilio_txq_bind(struct agilio_txq *, const struct agilio_map *,
                     uint32_t port);

/* Sends what it can of 'batch', which stays the caller's.  Returns how many
 * packets were sent, and sets '*error' to why others were not: EMSGSIZE,
 * EPFNOSUPPORT, or EAGAIN if there was no room. */
size_t agilio_txq_send(struct agilio_txq *, const struct agilio_map *,
                       const struct dp_packet_batch *batch, int *error);

#endif /* agilio-queue.h */
