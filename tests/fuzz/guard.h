/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - watches the packets of the NIC.
 *
 * The functions of pkt/pkt.h and agl_parse() that the NIC calls are these
 * here, by the linker's --wrap, which then call the real ones:
 *
 *   - each packet is known, and freed once, by who has it;
 *   - a clone has been reserved, a pull has its bytes;
 *   - a packet's offsets are in the frame and in order when it was parsed;
 *   - under ASan, free packets are poisoned, and of a packet that was parsed
 *     or cloned what lies behind the frame, in which other packets have left
 *     their bytes.
 */

#ifndef FUZZ_GUARD_H
#define FUZZ_GUARD_H 1

#include "pkt/pkt.h"

#define GUARD_KEYS 8

/* Forgets all packets.  The 'n' bytes at 'memory' become a new pool's. */
void guard_reset(void *memory, size_t n);
/* Nobody is to touch the 'n' bytes at 'p' until they are freed. */
void guard_forbid(const void *p, size_t n);

/* How many packets are out. */
uint32_t guard_n_out(void);

/* The key of the packet that was parsed 'i' packets ago (at most GUARD_KEYS
 * are remembered); all 0 if there was none. */
const struct agilio_key *guard_key(uint32_t i);

/* The packet is out and sound. */
void guard_check(const struct agl_pkt *);
/* Whether the packet is a clone that has not been given a life of its own by
 * guard_adopt(). */
bool guard_is_clone(const struct agl_pkt *);
void guard_adopt(const struct agl_pkt *);

#endif /* guard.h */
