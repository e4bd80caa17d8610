/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tx.h - what goes out of ports.
 *
 * A packet waits in its port until there are AGL_BURST or the round ends, and
 * is sent with the others, by our queue of the port's device; if we have none,
 * it is handed over to the port's owner.  What does not go out is dropped and
 * counted, in the port and under one counter.  Worker thread only.
 */

#ifndef AGL_TX_H
#define AGL_TX_H 1

#include "pipeline.h"
#include "pkt/headers.h"

#define AGL_TX_UP (AGILIO_PORT_ADMIN_UP | AGILIO_PORT_LINK_UP)

/* Sends what waits in 'port'. */
void agl_tx_flush_port(struct agl_worker *, struct agl_port *port);
/* Sends what waits in any, publishes handovers, wakes who is to be woken. */
void agl_tx_flush(struct agl_worker *);
/* Does what others have handed over, and flushes; returns how many packets
 * that were. */
uint32_t agl_tx_take_over(struct agl_worker *);
/* True if the pool has 'n' buffers.  Packets that wait must not be why it has
 * not: they are sent then. */
bool agl_tx_spare(struct agl_worker *, uint32_t n);
/* Hands a packet over to the port's owner.  False if that one is behind: then
 * the packet is the caller's, to be dropped. */
bool agl_tx_hand_over(struct agl_worker *, const struct agl_port *,
                      struct agl_pkt *, uint32_t fate);
/* What becomes of a packet that we cannot send by 'port': it goes to who can,
 * or is dropped, and counted why. */
void agl_tx_divert(struct agl_worker *, struct agl_port *port,
                   uint32_t port_id, struct agl_pkt *);
/* struct agl_run's way. */
void agl_tx_run_output(struct agl_run *, uint32_t port_id, struct agl_pkt *);

/* Bytes of Ethernet header that do not count against the MTU: of VLAN tags
 * the outer one, as in the kernel datapath and as devices have it. */
static inline uint32_t
agl_tx_l2_len(const struct agl_pkt *pkt)
{
    uint16_t type = pkt->data[12] << 8 | pkt->data[13];

    return agl_is_vlan_type(type) ? AGL_ETH_LEN + AGL_VLAN_LEN : AGL_ETH_LEN;
}

/* Bytes of the longest frame that will be on the wire. */
static inline uint32_t
agl_tx_wire_len(const struct agl_pkt *pkt)
{
    return pkt->vnet ? pkt->wire_len : pkt->len;
}

/* The port that may have the id 'port_id'. */
static inline struct agl_port *
agl_tx_port(struct agl_worker *w, uint32_t port_id)
{
    uint32_t slot = agilio_port_slot(port_id);

    return &w->ports[slot < w->n_ports ? slot : 0];
}

/* Whether it has, and packets can be sent by it: so until the end of the
 * burst. */
static inline bool
agl_tx_is_ready(const struct agl_port *port, uint32_t port_id)
{
    return (port->id == port_id && port_id != AGILIO_PORT_NONE && port->dev
            && (port->flags & AGL_TX_UP) == AGL_TX_UP);
}

/* Whether a packet is a frame for such a port. */
static inline bool
agl_tx_fits(const struct agl_port *port, const struct agl_pkt *pkt)
{
    return (!pkt->md.packet_type && pkt->len >= AGL_ETH_LEN
            && (pkt->len <= port->mtu + AGL_ETH_LEN
                || (agl_tx_wire_len(pkt)
                    <= port->mtu + agl_tx_l2_len(pkt))));
}

/* Has such a packet wait in such a port, which takes it over. */
static inline void
agl_tx_enqueue(struct agl_worker *w, struct agl_port *port,
               struct agl_pkt *pkt)
{
    port->tx[port->n_tx++] = pkt;
    if (port->n_tx == AGL_BURST) {
        agl_tx_flush_port(w, port);
    }
}

/* Sends a packet by port 'port_id', and takes it over. */
static inline void
agl_tx_output(struct agl_worker *w, uint32_t port_id, struct agl_pkt *pkt)
{
    struct agl_port *port = agl_tx_port(w, port_id);

    if (AGILIO_LIKELY(agl_tx_is_ready(port, port_id)
                      && agl_tx_fits(port, pkt))) {
        agl_tx_enqueue(w, port, pkt);
    } else {
        agl_tx_divert(w, port, port_id, pkt);
    }
}

#endif /* tx.h */
