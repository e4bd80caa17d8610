/* SPDX-License-Identifier: Apache-2.0 */
/* csum.h - checksums follow what is written to a packet. */

#ifndef AGL_CSUM_H
#define AGL_CSUM_H 1

#include "pkt/pkt.h"

/* Brings the internet checksum at 'csum' up to date for 'n' bytes, an even
 * number of them and at an even distance from it, that change from 'old' to
 * 'new'.  Call it for real changes only: it may write one of the two forms of
 * zero for the other. */
void agl_csum_update(uint8_t *csum, const void *old, const void *new,
                     size_t n);

/* Likewise for the checksum of UDP, which has one form of zero, because the
 * other says that there is no checksum; that is left so. */
void agl_csum_update_udp(uint8_t *csum, const void *old, const void *new,
                         size_t n);

/* Brings up to date the layer 4 checksum of 'pkt', whose layer 4 is 'proto',
 * for a change in the pseudo-header: 'n' bytes of an address.  Does nothing
 * for a protocol without a pseudo-header, or if the header is not whole. */
void agl_csum_update_pseudo(struct agl_pkt *pkt, uint8_t proto,
                            const void *old, const void *new, size_t n);

/* A checksum from nothing: takes 'n' bytes, less than 64 kB, into 'sum', which
 * is 0 at first; or the pseudo-header of the IP header at 'ip', which is taken
 * at its word; and finishes, in host order.  All but the last piece have an
 * even number of bytes.  Of what has its right checksum in it, this is 0. */
uint32_t agl_csum_add(uint32_t sum, const uint8_t *p, size_t n);
uint32_t agl_csum_add_pseudo(uint32_t sum, const uint8_t *ip, bool ipv6);
uint16_t agl_csum_finish(uint32_t sum);

#endif /* pkt/csum.h */
