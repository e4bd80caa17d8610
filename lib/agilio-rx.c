/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-rx.c - from a record of a packet ring to a packet of the datapath.
 *
 * See agilio-rx.h; abi.h has the record.  Every length is checked against the
 * record's, which agilio_ring_peek() has checked against the ring.  What the
 * datapath must be able to rely on is enforced here: Geneve options only in
 * raw form and never more than struct tun_metadata has room for, no unknown
 * tunnel flags, no pointer but NULL.
 */

#include <config.h>

#include "agilio-rx.h"

#include "dp-packet.h"
#include "dpif-netdev.h"
#include "odp-util.h"
#include "packets.h"
#include "util.h"

BUILD_ASSERT_DECL(sizeof ((struct agilio_rx *) 0)->meta.opts
                  == TLV_TOT_OPT_SIZE);

/* ## ------- ##
 * ## Looking ##
 * ## ------- ## */

/* Reads the metadata of 'rx', of 'meta_len' bytes, and says if it can be. */
static bool
read_meta(const struct agilio_ring_end *end, uint32_t meta_len, uint32_t port,
          struct agilio_rx *rx)
{
    const struct agilio_resume *resume = &rx->meta.resume;

    if (meta_len < sizeof *resume || meta_len > sizeof rx->meta) {
        return false;
    }
    agilio_ring_read(end, sizeof(struct agilio_desc), &rx->meta, meta_len);

    /* Geneve options come in words of 4 bytes.  A packet that is to go on at
     * another port than it came by would need that port's number. */
    return meta_len == sizeof *resume + resume->opts_len
           && resume->opts_len % 4 == 0
           && agilio_from_le32(resume->in_port) == port;
}

static enum agilio_rx_kind
look(const struct agilio_ring_end *end, uint32_t port, struct agilio_rx *rx)
{
    uint32_t meta_len, flags, frame_len;
    struct agilio_desc desc;

    agilio_ring_read(end, 0, &desc, sizeof desc);
    meta_len = agilio_from_le16(desc.meta_len);
    flags = agilio_from_le16(desc.flags);
    rx->frame_ofs = sizeof desc + meta_len;
    frame_len = rx->len - rx->frame_ofs;        /* Wraps: then it is huge. */
    if (frame_len < ETH_HEADER_LEN || frame_len > AGILIO_MAX_FRAME) {
        return AGILIO_RX_BAD;
    }

    if (agilio_from_le32(desc.port) != port) {
        return AGILIO_RX_STALE;
    } else if (flags & AGILIO_DESC_RESUMED) {
        return (read_meta(end, meta_len, port, rx)
                ? AGILIO_RX_RESUMED : AGILIO_RX_BAD);
    }
    return flags || meta_len ? AGILIO_RX_BAD : AGILIO_RX_FRESH;
}

bool
agilio_rx_peek(struct agilio_ring_end *end, uint32_t port,
               struct agilio_rx *rx)
{
    rx->len = agilio_ring_peek(end, sizeof(struct agilio_desc),
                               AGILIO_MAX_RECORD);
    if (!rx->len) {
        return false;
    }
    rx->kind = look(end, port, rx);
    return true;
}

/* ## ------ ##
 * ## Taking ##
 * ## ------ ## */

static void
resume_tunnel(const struct agilio_rx *rx, struct flow_tnl *tnl)
{
    static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
    const struct agilio_resume *r = &rx->meta.resume;

    if (is_all_zeros(r->tun_dst, sizeof r->tun_dst)) {
        return;
    }
    if (!memcmp(r->tun_dst, v4_mapped, sizeof v4_mapped)) {
        memcpy(&tnl->ip_dst, &r->tun_dst[12], 4);
        memcpy(&tnl->ip_src, &r->tun_src[12], 4);
    } else {
        memcpy(&tnl->ipv6_dst, r->tun_dst, sizeof tnl->ipv6_dst);
        memcpy(&tnl->ipv6_src, r->tun_src, sizeof tnl->ipv6_src);
    }
    tnl->tun_id = (OVS_FORCE ovs_be64) r->tun_id;
    tnl->flags = (agilio_from_le16(r->tun_flags)
                  & (FLOW_TNL_F_MASK | FLOW_TNL_F_UDPIF));
    tnl->ip_tos = r->tun_tos;
    tnl->ip_ttl = r->tun_ttl;
    tnl->tp_src = (OVS_FORCE ovs_be16) r->tun_tp_src;
    tnl->tp_dst = (OVS_FORCE ovs_be16) r->tun_tp_dst;
    tnl->gbp_id = (OVS_FORCE ovs_be16) r->gbp_id;
    tnl->gbp_flags = r->gbp_flags;
    if (r->opts_len) {
        tnl->flags |= FLOW_TNL_F_UDPIF;
        tnl->metadata.present.len = r->opts_len;
        memcpy(tnl->metadata.opts.gnv, rx->meta.opts, r->opts_len);
    }
}

static void
resume_metadata(const struct agilio_rx *rx, struct pkt_metadata *md)
{
    const struct agilio_resume *r = &rx->meta.resume;

    memset(md, 0, sizeof *md);
    pkt_metadata_init(md, ODPP_NONE);
    md->recirc_id = agilio_from_le32(r->recirc_id);
    md->dp_hash = agilio_from_le32(r->dp_hash);
    md->pkt_mark = agilio_from_le32(r->pkt_mark);
    md->skb_priority = agilio_from_le32(r->skb_priority);
    md->ct_state = r->ct_state;
    md->ct_zone = agilio_from_le16(r->ct_zone);
    md->ct_mark = agilio_from_le32(r->ct_mark);
    md->ct_label.u64.hi = agilio_from_be64(r->ct_label[0]);
    md->ct_label.u64.lo = agilio_from_be64(r->ct_label[1]);
    /* The original tuple's addresses are not told; its protocol says whether
     * it is valid, so it must stay 0. */
    resume_tunnel(rx, &md->tunnel);
}

struct dp_packet *
agilio_rx_take(struct agilio_ring_end *end, const struct agilio_rx *rx)
{
    struct dp_packet *packet = NULL;

    if (rx->kind == AGILIO_RX_FRESH || rx->kind == AGILIO_RX_RESUMED) {
        uint32_t len = rx->len - rx->frame_ofs;

        packet = dp_packet_new_with_headroom(len, DP_NETDEV_HEADROOM);
        agilio_ring_read(end, rx->frame_ofs, dp_packet_put_uninit(packet, len),
                         len);
        if (rx->kind == AGILIO_RX_RESUMED) {
            resume_metadata(rx, &packet->md);
        }
    }
    agilio_ring_consume(end, agilio_ring_granules(rx->len));
    return packet;
}

void
agilio_rx_set_in_port(struct dp_packet_batch *batch, odp_port_t port_no)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        packet->md.in_port.odp_port = port_no;
        packet->md.orig_in_port = port_no;
    }
}
