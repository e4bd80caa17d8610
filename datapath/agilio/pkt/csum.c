/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csum.c - internet checksums, used by the actions.
 *
 * Of something that changes: RFC 1624, equation 3: HC' = ~(~HC + ~m + m').  A
 * wrong checksum so stays exactly as wrong as it was, and the receiver still
 * sees that.  Of a whole packet, for tunnels: RFC 1071.
 */

#include "pkt/csum.h"
#include "pkt/headers.h"

void
agl_csum_update(uint8_t *csum, const void *old, const void *new, size_t n)
{
    uint32_t sum = (uint16_t) ~agl_get_u16(csum);

    for (size_t i = 0; i < n; i += 2) {
        sum += (uint16_t) ~agl_get_u16((const uint8_t *) old + i);
        sum += agl_get_u16((const uint8_t *) new + i);
    }
    agl_put_be16(csum, agilio_to_be16(agl_csum_finish(sum)));
}

void
agl_csum_update_udp(uint8_t *csum, const void *old, const void *new, size_t n)
{
    if (agl_get_u16(csum)) {
        agl_csum_update(csum, old, new, n);
        if (!agl_get_u16(csum)) {
            agl_put_be16(csum, agilio_to_be16(0xffff));
        }
    }
}

void
agl_csum_update_pseudo(struct agl_pkt *pkt, uint8_t proto,
                       const void *old, const void *new, size_t n)
{
    uint8_t *l4 = pkt->data + pkt->l4_ofs;

    if (proto == AGL_PROTO_TCP && pkt->l4_len >= AGL_TCP_LEN) {
        agl_csum_update(l4 + AGL_TCP_CSUM, old, new, n);
    } else if (proto == AGL_PROTO_UDP && pkt->l4_len >= AGL_UDP_LEN) {
        agl_csum_update_udp(l4 + AGL_UDP_CSUM, old, new, n);
    } else if (proto == AGL_PROTO_ICMPV6
               && pkt->l4_len >= AGL_ICMP_CSUM + 2) {
        agl_csum_update(l4 + AGL_ICMP_CSUM, old, new, n);
    }
}

/* Adds up 32 bits at a time, which comes to the same, 2**16 being 1 here. */
uint32_t
agl_csum_add(uint32_t sum, const uint8_t *p, size_t n)
{
    uint64_t total = sum;

    for (; n >= 4; p += 4, n -= 4) {
        total += agl_get_u32(p);
    }
    if (n >= 2) {
        total += agl_get_u16(p);
        p += 2;
        n -= 2;
    }
    if (n) {
        total += (uint32_t) (*p << 8);
    }
    total = (total & UINT32_MAX) + (total >> 32);
    return (uint32_t) ((total & UINT16_MAX) + (total >> 16));
}

uint32_t
agl_csum_add_pseudo(uint32_t sum, const uint8_t *ip, bool ipv6)
{
    if (ipv6) {
        sum = agl_csum_add(sum, ip + AGL_IPV6_SRC, 32);
        return sum + ip[AGL_IPV6_NEXT] + agl_get_u16(ip + AGL_IPV6_PLEN);
    }
    sum = agl_csum_add(sum, ip + AGL_IPV4_SRC, 8);
    sum += ip[AGL_IPV4_PROTO];
    return sum + (uint16_t) (agl_get_u16(ip + AGL_IPV4_TOTAL)
                             - (ip[0] & 0x0f) * 4);
}

uint16_t
agl_csum_finish(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) ~sum;
}
