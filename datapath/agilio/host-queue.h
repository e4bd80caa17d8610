/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-queue.h - packets between a port and the host, by the port's pair of
 * rings, which its owner has.
 *
 * Up goes what the NIC cannot finish, each packet with what has become of it
 * (struct agilio_desc); down comes what the host sends by the port.  What the
 * host writes is not trusted.  Worker thread only.
 */

#ifndef AGL_HOST_QUEUE_H
#define AGL_HOST_QUEUE_H 1

#include "pipeline.h"

/* Gives a packet to the host: from its beginning, or, if it was recirculated,
 * at the point that it has got to.  Takes it over. */
void agl_host_queue_upcall(struct agl_worker *, struct agl_pkt *,
                           enum agilio_fallback);
/* struct agl_run's way. */
void agl_host_queue_sample(struct agl_run *, const void *actions,
                           uint32_t len, struct agl_pkt *);
/* Owner: writes a record that another worker has handed over, before it let go
 * of the port (nic.c).  'fate' counts it. */
void agl_host_queue_record(struct agl_worker *, uint32_t port_id,
                           struct agl_pkt *record, enum agilio_counter fate);
/* Owner: sends a burst that the host has for 'port'; returns how many packets
 * that were. */
uint32_t agl_host_queue_receive(struct agl_worker *, struct agl_port *);

#endif /* host-queue.h */
