/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-rx.h - from a record of a packet ring to a packet of the datapath.
 *
 * A packet is fresh, as if it had just come off the wire, or resumed: the NIC
 * has already recirculated or decapsulated it and the host goes on from there,
 * with the metadata that stands between descriptor and frame (struct
 * agilio_resume).
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
    AGILIO_RX_STALE,            /* For a former port of this slot. */
    AGILIO_RX_BAD,              /* A record that makes no sense. */
};

/* A record as it was when it was looked at; what the NIC writes there later
 * can change the frame's bytes, and nothing else. */
struct agilio_rx {
    enum agilio_rx_kind kind;
    uint32_t len;               /* Of the whole record. */
    uint32_t frame_ofs;
    struct {
        struct agilio_resume resume;
        uint8_t opts[252];
    } meta;                     /* If RESUMED. */
};
AGILIO_ASSERT_OFFSET(struct agilio_rx, meta.opts,
                     offsetof(struct agilio_rx, meta)
                     + sizeof(struct agilio_resume));

/* Looks at the next record of 'end', the ring of the port with id 'port',
 * without taking it.  False if there is none or the ring is broken. */
bool agilio_rx_peek(struct agilio_ring_end *end, uint32_t port,
                    struct agilio_rx *);

/* Takes the record that agilio_rx_peek() just looked at off the ring.  Returns
 * the packet, NULL for STALE and BAD.  A resumed packet's metadata is complete
 * but for in_port and orig_in_port, which are ODPP_NONE. */
struct dp_packet *agilio_rx_take(struct agilio_ring_end *end,
                                 const struct agilio_rx *);

/* Makes 'port_no' the port that all packets of 'batch' came in by. */
void agilio_rx_set_in_port(struct dp_packet_batch *batch, odp_port_t port_no);

#endif /* agilio-rx.h */
