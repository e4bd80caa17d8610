/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.h - frames of the common shapes, recognised at once.
 *
 * A shape is a row of headers of which each has its usual length: Ethernet
 * with at most one VLAN tag, IPv4 without options or IPv6 without extension
 * headers, no fragment, TCP or UDP, all whole.  In frames of one shape every
 * field has one place.  So what a policy looks at is a fixed set of the
 * frame's own bits, and two frames of a shape that agree in those have the
 * same key as far as the policy can tell: there is no need to parse them.
 *
 * This is for packets as received, whose metadata is 0 but for in_port.
 */

#ifndef AGL_SHAPE_H
#define AGL_SHAPE_H 1

#include "pkt/parse.h"

/* 0, AGL_SHAPE_NONE, or AGL_SHAPE_SOME plus what there is. */
#define AGL_SHAPE_NONE 0
#define AGL_SHAPE_SOME 1
#define AGL_SHAPE_VLAN 2
#define AGL_SHAPE_IPV6 4
#define AGL_SHAPE_TCP 8
#define AGL_N_SHAPES 16

/* 64-bit words at the start of a frame that have all that is in the key.  A
 * word with such a bit lies within the frame. */
#define AGL_SHAPE_WORDS 10

/* The shape of a received packet.  Of one that has a shape, sets all but the
 * key that agl_parse() would. */
uint32_t agl_shape_parse(struct agl_pkt *, const struct agl_parse_options *);

/* Which bits of a frame of 'shape' become those bits of its key that 'mask'
 * has.  Others that it has are the same in all frames of the shape. */
void agl_shape_mask(uint32_t shape, const struct agilio_key *mask,
                    uint64_t words[AGL_SHAPE_WORDS]);

#endif /* pkt/shape.h */
