/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key-hash.c - OVS's hash of a flow's addresses and ports.
 *
 * A packet must fall into the same bucket of a select group, and to the same
 * member of a bond, whether NIC or host looks at it.  So this is the host's
 * hash: MurmurHash3's 32-bit rounds (Appleby, public domain) over the words
 * that OVS takes, in its order.  An OVS built for CRC32 instructions
 * (-msse4.2) has another one; then only the choice differs, and stays
 * consistent for the packets that the NIC carries.
 */

#include "pkt/key-hash.h"

#include "pkt/headers.h"

static uint32_t
rotate(uint32_t x, unsigned int n)
{
    return x << n | x >> (32 - n);
}

static uint32_t
add(uint32_t hash, uint32_t word)
{
    word = rotate(word * 0xcc9e2d51, 15) * 0x1b873593;
    return rotate(hash ^ word, 13) * 5 + 0xe6546b64;
}

static uint32_t
finish(uint32_t hash)
{
    hash = (hash ^ hash >> 16) * 0x85ebca6b;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35;
    return hash ^ hash >> 16;
}

static bool
has_ports(uint8_t nw_proto)
{
    return nw_proto == AGL_PROTO_TCP || nw_proto == AGL_PROTO_UDP
           || nw_proto == AGL_PROTO_SCTP || nw_proto == AGL_PROTO_ICMP
           || nw_proto == AGL_PROTO_ICMPV6;
}

uint32_t
agl_key_hash(const struct agilio_key *key)
{
    uint16_t eth_type = agilio_from_be16(key->eth_type);
    uint32_t words[8], ports, hash = 0;

    if (eth_type == AGL_TYPE_IPV6) {
        memcpy(words, key->ipv6_src, 16);
        memcpy(words + 4, key->ipv6_dst, 16);
        for (size_t i = 0; i < AGILIO_ARRAY_SIZE(words); i++) {
            hash = add(hash, words[i]);
        }
    } else if (eth_type == AGL_TYPE_IPV4 || eth_type == AGL_TYPE_ARP) {
        hash = add(hash, (AGILIO_FORCE uint32_t) key->nw_src);
        hash = add(hash, (AGILIO_FORCE uint32_t) key->nw_dst);
    } else {
        return finish(hash ^ 42);
    }
    hash = add(hash, key->nw_proto);
    if (has_ports(key->nw_proto)) {
        memcpy(&ports, &key->tp_src, sizeof ports);
        hash = add(hash, ports);
    }
    return finish(hash ^ 42);
}

uint32_t
agl_hash_mix(uint32_t hash, uint32_t basis)
{
    return finish(add(add(hash, 0), basis) ^ 8);
}
