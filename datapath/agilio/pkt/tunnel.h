/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tunnel.h - where what is in a tunnel's header, as in headers.h, and the
 * values of struct agilio_tunnel's flags.
 *
 * Sources: RFC 7348 (VXLAN), draft-ietf-nvo3-vxlan-gpe, RFC 2784 and 2890
 * (GRE), 8926 (Geneve), draft-foschiano-erspan, 3GPP TS 29.281 (GTP-U).
 */

#ifndef AGL_TUNNEL_H
#define AGL_TUNNEL_H 1

#include "pkt/headers.h"

#define AGL_UDP_TOTAL 4                 /* Length of header and payload. */
#define AGL_PROTO_GRE 47

#define AGL_VXLAN_LEN 8
#define AGL_VXLAN_VNI 4                 /* And 8 bits that must be 0. */
#define AGL_VXLAN_I 0x08000000u         /* There is a VNI. */
#define AGL_VXLAN_P 0x04000000u         /* GPE: there is a next protocol. */
#define AGL_VXLAN_O 0x01000000u         /* GPE: not a packet to be carried. */
#define AGL_VXLAN_GPE_MASK 0x350000ffu  /* What GPE makes use of, version and
                                         * next protocol too. */
enum agl_vxlan_next {                   /* The last byte of the flags. */
    AGL_VXLAN_NEXT_IPV4 = 1,
    AGL_VXLAN_NEXT_IPV6 = 2,
    AGL_VXLAN_NEXT_ETH = 3,
    AGL_VXLAN_NEXT_NSH = 4,
};

#define AGL_GRE_LEN 4
#define AGL_GRE_PROTO 2                 /* An Ethernet type. */
#define AGL_GRE_CSUM 0x8000
#define AGL_GRE_KEY 0x2000
#define AGL_GRE_SEQ 0x1000

#define AGL_GENEVE_LEN 8
#define AGL_GENEVE_VER_MASK 0xc0        /* First byte: version, ... */
#define AGL_GENEVE_OPT_MASK 0x3f        /* ...words of options. */
#define AGL_GENEVE_OAM 0x80             /* Second byte. */
#define AGL_GENEVE_PROTO 2
#define AGL_GENEVE_VNI 4

/* ERSPAN, types II and III, which have version 1 and 2: behind 8 bytes of GRE
 * with a sequence number. */
#define AGL_TYPE_ERSPAN1 0x88be
#define AGL_TYPE_ERSPAN2 0x22eb
#define AGL_ERSPAN_GRE_LEN 8
#define AGL_ERSPAN_LEN 4
#define AGL_ERSPAN_SID_MASK 0x03ff
#define AGL_ERSPAN1_MD_LEN 4
#define AGL_ERSPAN2_MD_LEN 8
#define AGL_ERSPAN2_INFO 6              /* Of the metadata: hardware id, ... */
#define AGL_ERSPAN2_DIR 0x0008          /* ...direction. */

#define AGL_GTPU_LEN 8
#define AGL_GTPU_TYPE 1
#define AGL_GTPU_TOTAL 2
#define AGL_GTPU_TEID 4
#define AGL_GTPU_S 0x02                 /* There is a sequence number... */
#define AGL_GTPU_OPT_LEN 4              /* ...and so much more header. */
#define AGL_GTPU_GPDU 255               /* A packet of a user's. */

/* struct agilio_tunnel's flags. */
#define AGL_TNL_OAM (1u << 0)
#define AGL_TNL_CSUM (1u << 2)
#define AGL_TNL_KEY (1u << 3)
#define AGL_TNL_RAW_OPTS (1u << 4)      /* Options as in the packet. */

static inline uint32_t
agl_gre_len(uint16_t flags)
{
    return AGL_GRE_LEN + (flags & AGL_GRE_CSUM ? 4 : 0)
           + (flags & AGL_GRE_KEY ? 4 : 0) + (flags & AGL_GRE_SEQ ? 4 : 0);
}

/* For OVS a tunnel without destination is none, whatever else is set. */
static inline void
agl_tunnel_settle(struct agilio_tunnel *tnl)
{
    static const uint8_t none[sizeof tnl->ipv6_dst];

    if (!tnl->ip_dst && !memcmp(tnl->ipv6_dst, none, sizeof none)) {
        memset(tnl, 0, sizeof *tnl);
    }
}

#endif /* pkt/tunnel.h */
