/* SPDX-License-Identifier: Apache-2.0 */
/* key-hash.h - OVS's hash of a flow's addresses and ports. */

#ifndef AGL_KEY_HASH_H
#define AGL_KEY_HASH_H 1

#include "agilio/abi.h"

/* The hash of 'key' that OVS's userspace datapath takes for a packet's RSS
 * hash when a device gave it none (flow_hash_5tuple() with basis 0). */
uint32_t agl_key_hash(const struct agilio_key *key);

/* 'hash' mixed with 'basis', as the datapath's hash action does. */
uint32_t agl_hash_mix(uint32_t hash, uint32_t basis);

#endif /* pkt/key-hash.h */
