/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-rx.h - from a record of a packet ring to a packet of the datapath.
 *
 * A packet is fresh, as if it had just come off the wire, or resumed: the NIC
 * has already recirculated or decapsulated it and the host goes on from there,
 * with the metadata that stands between descriptor and frame (struct
 * agilio_metadata).  A sampled one is a copy that comes with actions of its
 * own (agilio-sample.h).
 *
 * Pure functions of a ring; netdev-agilio.c calls them in the thread that
 * polls the queue.
 */

#ifndef AGILIO_RX_H
#define AGILIO_RX_H 1

#include "agilio/abi.h"
#include "openvswitch/types.h"

struct dp_packet;
struct dp_packet_batch;

enum agilio_rx_kind {
    AGILIO_RX_FRESH,
    AGILIO_RX_RESUMED,
    AGILIO_RX_SAMPLED,
    AGILIO_RX_STALE,            /* For a former port of this slot. */
    AGILIO_RX_BAD,              /* A record that makes no sense. */
};

/* A record as it was when it was looked at; what the NIC writes there later
 * can change the frame's bytes, and nothing else. */
struct agilio_rx {
    enum agilio_rx_kind kind;
    uint32_t len;               /* Of the whole record. */
    uint32_t frame_ofs;
    uint32_t hash;              /* The packet's RSS hash; 0: none. */
    uint32_t cut;               /* Bytes that TRUNC said to cut off. */
    struct {                    /* If RESUMED or SAMPLED. */
        struct agilio_metadata md;
        uint8_t rest[AGILIO_MAX_META - sizeof(struct agilio_metadata)];
    } meta;
    uint32_t rest_len;          /* Bytes in 'rest': tunnel options, then the
                                 * actions of a sample. */
};
AGILIO_ASSERT_OFFSET(struct agilio_rx, meta.rest,
                     offsetof(struct agilio_rx, meta)
                     + sizeof(struct agilio_metadata));

/* Looks at the next record of 'end', the ring of the port with id 'port',
 * without taking it.  False if there is none or the ring is broken. */
bool agilio_rx_peek(struct agilio_ring_end *end, uint32_t port,
                    struct agilio_rx *);

/* Takes the record that agilio_rx_peek() just looked at off the ring.  Returns
 * the packet, NULL for STALE and BAD.  The metadata of a packet that is not
 * fresh is complete but for in_port and orig_in_port, which are ODPP_NONE. */
struct dp_packet *agilio_rx_take(struct agilio_ring_end *end,
                                 const struct agilio_rx *);

/* Makes the port with id 'in_port' the one that 'packet' comes from; it was
 * received on NIC port 'port_no', which 'in_port' is unless it is a port of
 * the host's. */
void agilio_rx_set_in_port(struct dp_packet *packet, uint32_t in_port,
                           odp_port_t port_no);

#endif /* agilio-rx.h */
