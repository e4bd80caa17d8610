/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnelled.h - frames of the common shapes in a tunnel of a common one.
 *
 * A frame in VXLAN or Geneve, over untagged IPv4 and UDP, of which both the
 * outer headers and those of the frame inside have a shape (shape.h), has a
 * shape as a whole: the inner one's with AGL_SHAPE_VXLAN or _GENEVE.  All that
 * makes an action TUNNEL_POP refuse a packet is looked at here, so what has
 * such a shape can be taken out of its tunnel; and what the policy looks at,
 * outside, of the tunnel and inside, is bits of the frame at known places.
 *
 * What is not so (the outer header IPv6, say), or does not check out, has the
 * outer headers' shape only, and is parsed after each step, as ever;
 * tests/agilio/test-tunnelled.c holds this and action/tunnel-pop.c together.
 */

#ifndef AGL_TUNNELLED_H
#define AGL_TUNNELLED_H 1

#include "pkt/shape.h"

/* What tunnels there are: the UDP destination port that tells one, 0 if there
 * is none of the kind. */
struct agl_tunnel_ports {
    agilio_be16 vxlan, geneve;
};

/* What a frame with such a shape has. */
struct agl_tunnelled {
    uint32_t shape;
    uint16_t strip;             /* Bytes of header up to the inner frame. */
    uint16_t tcp_flags;         /* Inner ones. */
    bool has_csum;              /* The outer UDP header has, a good one. */
    uint8_t opts_len;           /* Bytes of Geneve options. */
};

/* Whether a packet of shape AGL_SHAPE_SOME goes to a tunnel's port. */
static inline bool
agl_tunnelled_may_be(const struct agl_pkt *pkt,
                     const struct agl_tunnel_ports *ports)
{
    agilio_be16 port = agl_get_be16(pkt->data + AGL_ETH_LEN + AGL_IPV4_LEN
                                    + AGL_L4_DST);

    return (port == ports->vxlan || port == ports->geneve) && port;
}

/* Looks at a packet for which that is true; false if it has no shape as a
 * whole. */
bool agl_tunnelled_look(struct agl_pkt *, const struct agl_tunnel_ports *,
                        const struct agl_parse_options *,
                        struct agl_tunnelled *);

/* Which bits of such a frame's outer headers and tunnel become bits of 'mask':
 * of its first pass's key, or of the tunnel's metadata in its second, but for
 * what struct agl_tunnelled tells.  (Options are not among these words.) */
void agl_tunnelled_select(const struct agilio_key *mask,
                          struct agl_shape_select *);

/* Takes off the headers of a packet that has 't', which then has the rest of
 * its shape; its metadata stay those of the packet as received. */
static inline void
agl_tunnelled_strip(struct agl_pkt *pkt, const struct agl_tunnelled *t)
{
    pkt->data += t->strip;
    pkt->len -= t->strip;
    pkt->tcp_flags = t->tcp_flags;
    pkt->has_hash = false;      /* It was the outer packet's. */
}

/* The same, and sets the metadata: does all that TUNNEL_POP does.  The packet
 * then comes from port 'in_port'. */
void agl_tunnelled_pop(struct agl_pkt *, const struct agl_tunnelled *t,
                       agilio_le32 in_port);

#endif /* pkt/tunnelled.h */
