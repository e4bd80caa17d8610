/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csum.c - incremental internet checksums, used by the actions.
 *
 * RFC 1624, equation 3: HC' = ~(~HC + ~m + m').  A wrong checksum so stays
 * exactly as wrong as it was, and the receiver still sees that.
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
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    agl_put_be16(csum, agilio_to_be16((uint16_t) ~sum));
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
