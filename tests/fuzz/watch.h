/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h - a NIC in this process whose laws are watched.
 *
 * Every way that a packet goes in the pipeline passes by here, where the
 * packet is checked (guard.h) and counted; watch_check() then compares with
 * what the NIC says it did.  DESIGN.md, section 5: each packet has one fate,
 * and each is counted once.
 */

#ifndef FUZZ_WATCH_H
#define FUZZ_WATCH_H 1

#include "fuzz.h"
#include "generate.h"
#include "inproc-nic.h"

#define WATCH_DEVS 3

extern struct inproc watch;
extern const struct fuzz_names watch_names;

/* Starts the NIC, with a host that has said HELLO.  Packet rings have
 * 'packet_granules'. */
void watch_start(uint32_t packet_granules);
/* Ends if a packet is lost. */
void watch_stop(void);

/* Ends if a law is broken.  The NIC is at rest: no frame waits in it. */
void watch_check(void);

/* Takes what the host was given, and looks if it is what abi.h says. */
void watch_take(void);

/* Operations that several targets have. */
void watch_op_frame(struct fuzz_input *);       /* A frame arrives. */
void watch_op_host_frame(struct fuzz_input *);  /* The host sends one. */
void watch_op_port(struct fuzz_input *);        /* A port changes. */
/* Writes a FLOW_PUT's body to 'body', of AGILIO_MAX_MSG bytes; its length. */
size_t watch_flow(struct fuzz_input *, uint8_t *body);

#endif /* watch.h */
