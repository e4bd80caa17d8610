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

/* With 'nw_proto' for the key's, but for whether there are ports. */
static uint32_t
hash_5tuple(const struct agilio_key *key, uint8_t nw_proto, uint32_t basis)
{
    uint16_t eth_type = agilio_from_be16(key->eth_type);
    uint32_t words[8], ports, hash = basis;

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
    hash = add(hash, nw_proto);
    if (has_ports(key->nw_proto)) {
        memcpy(&ports, &key->tp_src, sizeof ports);
        hash = add(hash, ports);
    }
    return finish(hash ^ 42);
}

uint32_t
agl_key_hash(const struct agilio_key *key)
{
    return agl_key_hash_basis(key, 0);
}

uint32_t
agl_key_hash_basis(const struct agilio_key *key, uint32_t basis)
{
    return hash_5tuple(key, key->nw_proto, basis);
}

bool
agl_pkt_is_hashed(const struct agl_pkt *pkt, const struct agilio_key *key)
{
    uint32_t len;

    if (pkt->l4_ofs == AGL_OFS_NONE || key->nw_frag & AGL_FRAG_LATER) {
        return false;
    }
    if (key->nw_proto == AGL_PROTO_TCP && pkt->l4_len >= AGL_TCP_LEN) {
        len = (pkt->data[pkt->l4_ofs + AGL_TCP_CTL] >> 4) * 4;
        return len >= AGL_TCP_LEN && len <= pkt->l4_len;
    }
    return key->nw_proto == AGL_PROTO_UDP && pkt->l4_len >= AGL_UDP_LEN;
}

/* Of IPv6, OVS then hashes the number in the IP header, though that may be of
 * an extension header. */
void
agl_pkt_set_hash(struct agl_pkt *pkt, const struct agilio_key *key)
{
    uint8_t nw_proto = key->nw_proto;

    if (pkt->l3_type == AGL_TYPE_IPV6 && agl_pkt_is_hashed(pkt, key)) {
        nw_proto = pkt->data[pkt->l3_ofs + AGL_IPV6_NEXT];
    }
    pkt->flow_hash = hash_5tuple(key, nw_proto, 0);
    pkt->has_hash = true;
}

/* What has a shape has TCP or UDP, and addresses and ports side by side. */
void
agl_pkt_set_shape_hash(struct agl_pkt *pkt)
{
    const uint8_t *ip = pkt->data + pkt->l3_ofs;
    bool ipv6 = pkt->l3_type == AGL_TYPE_IPV6;
    uint32_t n = ipv6 ? 8 : 2, hash = 0, word;

    for (uint32_t i = 0; i < n; i++) {
        memcpy(&word, ip + (ipv6 ? AGL_IPV6_SRC : AGL_IPV4_SRC)
                      + i * sizeof word, sizeof word);
        hash = add(hash, word);
    }
    hash = add(hash, ip[ipv6 ? AGL_IPV6_NEXT : AGL_IPV4_PROTO]);
    memcpy(&word, pkt->data + pkt->l4_ofs + AGL_L4_SRC, sizeof word);
    pkt->flow_hash = finish(add(hash, word) ^ 42);
    pkt->has_hash = true;
}

uint32_t
agl_hash_mix(uint32_t hash, uint32_t basis)
{
    return finish(add(add(hash, 0), basis) ^ 8);
}

/* x ^= y, less y turned by 'n'. */
static uint32_t
stir(uint32_t x, uint32_t y, int n)
{
    return (x ^ y) - (y << n | y >> (32 - n));
}

/* Bob Jenkins's hashword() of one word ("lookup3", 2006, public domain), which
 * Linux calls jhash_1word(); it is made 1 if it is 0. */
uint32_t
agl_hash_mix_kernel(uint32_t hash, uint32_t basis)
{
    uint32_t c = 0xdeadbeef + 4 + basis;
    uint32_t a = c + hash, b = c;

    c = stir(c, b, 14);
    a = stir(a, c, 11);
    b = stir(b, a, 25);
    c = stir(c, b, 16);
    a = stir(a, c, 4);
    b = stir(b, a, 14);
    c = stir(c, b, 24);
    return c ? c : 1;
}

/* Both addresses, or other equal parts of a key, XORed and taken in. */
static uint32_t
add_both(uint32_t hash, const void *a, const void *b, size_t n)
{
    uint32_t x, y;

    for (size_t i = 0; i < n; i += sizeof x) {
        memcpy(&x, (const uint8_t *) a + i, sizeof x);
        memcpy(&y, (const uint8_t *) b + i, sizeof y);
        hash = add(hash, x ^ y);
    }
    return hash;
}

/* Without IP: the Ethernet header's fields. */
static uint32_t
hash_symmetric_l2(const struct agilio_key *key, uint32_t basis)
{
    const agilio_be16 vid = agilio_to_be16(AGL_VLAN_VID_MASK);
    struct {
        agilio_be16 eth_type, vlan_vid;
        uint8_t mac[6];
        uint8_t pad[2];
    } fields = {
        .eth_type = key->eth_type,
        .vlan_vid = (key->vlan[0].tci ^ key->vlan[1].tci) & vid,
    };
    static const uint8_t zero[sizeof fields];

    if (key->md.packet_type) {
        return 0;
    }
    for (size_t i = 0; i < sizeof fields.mac; i++) {
        fields.mac[i] = key->eth_src[i] ^ key->eth_dst[i];
    }
    return finish(add_both(basis, &fields, zero, sizeof fields) ^ basis);
}

uint32_t
agl_key_hash_symmetric(const struct agilio_key *key, uint32_t basis)
{
    uint16_t eth_type = agilio_from_be16(key->eth_type);
    uint32_t hash;

    if (eth_type == AGL_TYPE_IPV4) {
        hash = add_both(basis, &key->nw_src, &key->nw_dst, 4);
    } else if (eth_type == AGL_TYPE_IPV6) {
        hash = add_both(basis, key->ipv6_src, key->ipv6_dst, 16);
    } else {
        return hash_symmetric_l2(key, basis);
    }
    hash = add(hash, key->nw_proto);
    if (!key->nw_frag && (key->nw_proto == AGL_PROTO_TCP
                          || key->nw_proto == AGL_PROTO_SCTP)) {
        hash = add(hash, (AGILIO_FORCE uint16_t) (key->tp_src ^ key->tp_dst));
    }
    return finish(hash ^ basis);
}
