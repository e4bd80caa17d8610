/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/vnet.h - frames that the kernel left unfinished.
 *
 * With checksum and segmentation offload the Linux stack hands over frames
 * whose checksum is only begun, and TCP or UDP frames of up to 64 KB that the
 * device has to cut.  A struct virtio_net_hdr in front says what is left to
 * do.  Between two such devices a frame can pass as it is; for everybody else
 * it is taken apart into the finished frames that a wire would carry.
 *
 *     if (!agl_vnet_receive(pkt, frame, len, &hdr)) { count an error }
 *
 *     if (!agl_vnet_start(&v, frame, len, &hdr)) { count an error }
 *     while (agl_vnet_more(&v)) { n = agl_vnet_next(&v, out); ... }
 *
 * Used by the worker that owns the device; the frame stays the caller's and
 * must live until the last segment is out.
 *
 * Sources: virtio 1.2 section 5.1.6 (the header), RFC 1071 and 9260 (the
 * checksums), 9293 and 3168 (which TCP flags belong to which segment).
 */

#ifndef AGL_PORT_VNET_H
#define AGL_PORT_VNET_H 1

#include <linux/virtio_net.h>

#include "port/port.h"

struct agl_vnet {
    const uint8_t *frame;
    uint32_t len;               /* Bytes of 'frame'. */
    uint32_t ofs;               /* Start of the next segment's payload. */
    uint32_t hdr_len;           /* Repeated in each segment; 0 if not GSO. */
    uint32_t mss;               /* Payload of a segment. */
    uint32_t l3_ofs, l4_ofs;    /* Of GSO, as are those that follow. */
    uint16_t n_done;            /* Segments handed out. */
    uint8_t proto;              /* AGL_PROTO_TCP or AGL_PROTO_UDP. */
    bool ipv6;
};

/* Makes 'pkt', empty as yet, of a frame and its header: a copy if the frame is
 * finished, or can only be finished at once; else an unfinished packet, and
 * frame and header must live as long as that.  Returns false where
 * agl_vnet_start() does. */
bool agl_vnet_receive(struct agl_pkt *, uint8_t *frame, uint32_t len,
                      const struct virtio_net_hdr *);

/* struct agl_dev_class's finish(), for drivers that use the above. */
bool agl_vnet_finish(const struct agl_pkt *, struct agl_pool *,
                     void (*emit)(void *aux, struct agl_pkt *), void *aux);

/* Begins with a frame of 'len' bytes and its header.  Returns false, with
 * nothing to hand out, if the frame is longer than AGILIO_MAX_FRAME or its
 * segments would be, or if it cannot be finished here: GSO of a tunnelled
 * packet, of UDP fragments, of IPv6 with extension headers; a header that
 * contradicts the frame. */
bool agl_vnet_start(struct agl_vnet *, uint8_t *frame, uint32_t len,
                    const struct virtio_net_hdr *);

static inline bool
agl_vnet_more(const struct agl_vnet *v)
{
    return v->ofs < v->len;
}

/* Writes the next whole frame to 'out', room for AGILIO_MAX_FRAME, and returns
 * its length.  agl_vnet_more() must be true. */
uint32_t agl_vnet_next(struct agl_vnet *, uint8_t *out);

#endif /* port/vnet.h */
