/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport.c - SET_TCP, SET_UDP, SET_SCTP: ports, and the checksums that
 * cover them.
 *
 * The ports are at the same place in all three.  The flow has matched on the
 * protocol; here only the length of the header is looked at.
 */

#include "action/set.h"

typedef void update_func(uint8_t *csum, const void *old, const void *new,
                         size_t n);

static void
set_port(uint8_t *port, agilio_be16 value, agilio_be16 mask, uint8_t *csum,
         update_func *update)
{
    agilio_be16 old = agl_get_be16(port);
    agilio_be16 new = AGL_MERGE(old, value, mask);

    if (new != old) {
        update(csum, &old, &new, sizeof new);
        agl_put_be16(port, new);
    }
}

static void
run_set_tcp(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_ports *set
        = (const struct agilio_action_set_ports *) action;
    uint8_t *tcp = agl_l4(pkt, AGL_TCP_LEN);
    uint32_t len = tcp ? (tcp[AGL_TCP_CTL] >> 4) * 4 : 0;

    if (len >= AGL_TCP_LEN && len <= pkt->l4_len) {
        set_port(tcp + AGL_L4_SRC, set->src, set->src_mask,
                 tcp + AGL_TCP_CSUM, agl_csum_update);
        set_port(tcp + AGL_L4_DST, set->dst, set->dst_mask,
                 tcp + AGL_TCP_CSUM, agl_csum_update);
    }
}

static void
run_set_udp(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_ports *set
        = (const struct agilio_action_set_ports *) action;
    uint8_t *udp = agl_l4(pkt, AGL_UDP_LEN);

    if (udp) {
        set_port(udp + AGL_L4_SRC, set->src, set->src_mask,
                 udp + AGL_UDP_CSUM, agl_csum_update_udp);
        set_port(udp + AGL_L4_DST, set->dst, set->dst_mask,
                 udp + AGL_UDP_CSUM, agl_csum_update_udp);
    }
}

/* CRC32c (RFC 9260, appendix A), 4 bits at a time: entry i is what i leaves
 * behind after 4 steps with the polynomial 0x82f63b78 (bits reversed). */
static const uint32_t crc_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
    0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

/* SCTP's checksum is a CRC over the whole of the packet.  A CRC is linear: the
 * difference of two is the CRC, begun with 0, of the difference between what
 * they are of.  Here that is 4 bytes of ports and then zeros, so the payload
 * need not be read, and a wrong checksum stays wrong. */
static void
update_sctp(uint8_t *csum, uint32_t difference, size_t len)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < len; i++) {
        crc ^= i < 4 ? difference >> (24 - 8 * i) & 0xff : 0;
        crc = crc_table[crc & 15] ^ crc >> 4;
        crc = crc_table[crc & 15] ^ crc >> 4;
    }
    for (size_t i = 0; i < 4; i++) {
        csum[i] ^= (uint8_t) (crc >> 8 * i);    /* Low byte first. */
    }
}

static void
run_set_sctp(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_ports *set
        = (const struct agilio_action_set_ports *) action;
    uint8_t *sctp = agl_l4(pkt, AGL_SCTP_LEN);
    agilio_be16 src, dst;
    uint32_t old, new;

    if (!sctp) {
        return;
    }
    old = agl_get_u32(sctp);
    src = agl_get_be16(sctp + AGL_L4_SRC);
    dst = agl_get_be16(sctp + AGL_L4_DST);
    agl_put_be16(sctp + AGL_L4_SRC, AGL_MERGE(src, set->src, set->src_mask));
    agl_put_be16(sctp + AGL_L4_DST, AGL_MERGE(dst, set->dst, set->dst_mask));
    new = agl_get_u32(sctp);
    if (new != old) {
        update_sctp(sctp + AGL_SCTP_CSUM, new ^ old, pkt->l4_len);
    }
}

const struct agl_action_class agl_action_set_tcp = {
    .len = sizeof(struct agilio_action_set_ports),
    .steady = true,
    .run = run_set_tcp,
};

const struct agl_action_class agl_action_set_udp = {
    .len = sizeof(struct agilio_action_set_ports),
    .steady = true,
    .run = run_set_udp,
};

const struct agl_action_class agl_action_set_sctp = {
    .len = sizeof(struct agilio_action_set_ports),
    .run = run_set_sctp,
};
