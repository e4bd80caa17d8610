/* SPDX-License-Identifier: Apache-2.0 */
/* key-hash.h - OVS's hash of a flow's addresses and ports. */

#ifndef AGL_KEY_HASH_H
#define AGL_KEY_HASH_H 1

#include "pkt/pkt.h"

/* The hash of 'key' that OVS calls flow_hash_5tuple(), with basis 0 or with
 * another one. */
uint32_t agl_key_hash(const struct agilio_key *key);
uint32_t agl_key_hash_basis(const struct agilio_key *key, uint32_t basis);

/* Sets the hash of 'pkt', of which agl_parse() just made 'key', to what OVS's
 * userspace datapath takes for a packet's RSS hash when a device gave it
 * none. */
void agl_pkt_set_hash(struct agl_pkt *pkt, const struct agilio_key *key);

/* The same for a packet of a shape (pkt/shape.h), without its key. */
void agl_pkt_set_shape_hash(struct agl_pkt *pkt);

/* True if OVS does that as soon as it parses the packet: it has TCP or UDP,
 * and the header is whole. */
bool agl_pkt_is_hashed(const struct agl_pkt *pkt,
                       const struct agilio_key *key);

/* Its hash that is the same for both directions of a connection
 * (flow_hash_symmetric_l3l4() without UDP ports). */
uint32_t agl_key_hash_symmetric(const struct agilio_key *key, uint32_t basis);

/* 'hash' mixed with 'basis', as the datapath's hash action does; as the
 * kernel's does. */
uint32_t agl_hash_mix(uint32_t hash, uint32_t basis);
uint32_t agl_hash_mix_kernel(uint32_t hash, uint32_t basis);

#endif /* pkt/key-hash.h */
