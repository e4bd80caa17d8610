/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-sample.h - copies of packets that the NIC sampled for sFlow, IPFIX or
 * a controller.
 *
 * A flow that samples stays on the NIC; only the sampled packet comes here,
 * with the userspace actions of its flow, which the datapath then executes: so
 * the upcall is the one that the host itself would have made.
 *
 * agilio_sample_put() is called by whoever polls a port, agilio_sample_run()
 * by the main thread.  Between them at most a bounded number of copies wait;
 * what comes while so many do is forgotten, and counted.
 */

#ifndef AGILIO_SAMPLE_H
#define AGILIO_SAMPLE_H 1

#include <stdint.h>

struct agilio_rx;
struct dp_packet;

/* Takes 'packet' over, which was received on NIC port 'port' as 'rx' says. */
void agilio_sample_put(struct dp_packet *packet, uint32_t port,
                       const struct agilio_rx *rx);

void agilio_sample_run(void);
void agilio_sample_wait(void);

/* Copies that could not be executed: too many, of no port that is known, or
 * with actions that are not for userspace. */
uint64_t agilio_sample_n_lost(void);

#endif /* agilio-sample.h */
