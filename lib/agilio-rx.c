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

BUILD_ASSERT_DECL(AGILIO_MAX_TUNNEL_OPTS == TLV_TOT_OPT_SIZE);

/* Behind the frame: the connection tracker writes a longer address into FTP's
 * messages, up to 45 bytes of it, and wants the room to be there. */
#define TAILROOM 64

/* ## ------- ##
 * ## Looking ##
 * ## ------- ## */

/* Reads the metadata of 'rx', of 'meta_len' bytes, and says if it can be. */
static bool
read_meta(const struct agilio_ring_end *end, uint32_t meta_len, uint32_t port,
          bool sampled, struct agilio_rx *rx)
{
    const struct agilio_metadata *md = &rx->meta.md;
    uint32_t in_port, actions_len;

    if (meta_len < sizeof *md || meta_len > sizeof rx->meta) {
        return false;
    }
    agilio_ring_read(end, sizeof(struct agilio_desc), &rx->meta, meta_len);
    rx->rest_len = meta_len - sizeof *md;

    /* Geneve options come in words of 4 bytes. */
    if (md->tunnel.opts_len % 4
        || md->tunnel.opts_len > AGILIO_MAX_TUNNEL_OPTS
        || md->tunnel.opts_len > rx->rest_len) {
        return false;
    }
    actions_len = rx->rest_len - md->tunnel.opts_len;
    in_port = agilio_from_le32(md->in_port);
    return (in_port == port || in_port & AGILIO_PORT_HOST)
           && (sampled ? actions_len && actions_len <= AGILIO_MAX_SAMPLE
               : !actions_len);
}

static enum agilio_rx_kind
look(const struct agilio_ring_end *end, uint32_t port, struct agilio_rx *rx)
{
    uint32_t meta_len, flags, frame_len;
    struct agilio_desc desc;
    bool sampled;

    agilio_ring_read(end, 0, &desc, sizeof desc);
    meta_len = agilio_from_le16(desc.meta_len);
    flags = agilio_from_le16(desc.flags);
    rx->hash = agilio_from_le32(desc.hash);
    rx->cut = agilio_from_le32(desc.cut);
    rx->frame_ofs = sizeof desc + meta_len;
    frame_len = rx->len - rx->frame_ofs;        /* Wraps: then it is huge. */
    if (!frame_len || frame_len > AGILIO_MAX_FRAME) {
        return AGILIO_RX_BAD;
    }

    sampled = flags == (AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED);
    if (agilio_from_le32(desc.port) != port) {
        return AGILIO_RX_STALE;
    } else if (sampled || flags == AGILIO_DESC_RESUMED) {
        if (!read_meta(end, meta_len, port, sampled, rx)
            || (!rx->meta.md.packet_type && frame_len < ETH_HEADER_LEN)) {
            return AGILIO_RX_BAD;
        }
        return sampled ? AGILIO_RX_SAMPLED : AGILIO_RX_RESUMED;
    }
    return flags || meta_len || frame_len < ETH_HEADER_LEN
           ? AGILIO_RX_BAD : AGILIO_RX_FRESH;
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
    const struct agilio_tunnel *t = &rx->meta.md.tunnel;

    tnl->ip_src = (OVS_FORCE ovs_be32) t->ip_src;
    tnl->ip_dst = (OVS_FORCE ovs_be32) t->ip_dst;
    memcpy(&tnl->ipv6_src, t->ipv6_src, sizeof tnl->ipv6_src);
    memcpy(&tnl->ipv6_dst, t->ipv6_dst, sizeof tnl->ipv6_dst);
    if (!flow_tnl_dst_is_set(tnl)) {
        return;
    }
    tnl->tun_id = (OVS_FORCE ovs_be64) t->id;
    tnl->flags = (agilio_from_le16(t->flags)
                  & (FLOW_TNL_F_MASK | FLOW_TNL_F_UDPIF));
    tnl->ip_tos = t->tos;
    tnl->ip_ttl = t->ttl;
    tnl->tp_src = (OVS_FORCE ovs_be16) t->tp_src;
    tnl->tp_dst = (OVS_FORCE ovs_be16) t->tp_dst;
    tnl->gbp_id = (OVS_FORCE ovs_be16) t->gbp_id;
    tnl->gbp_flags = t->gbp_flags;
    tnl->erspan_ver = t->erspan_ver;
    tnl->erspan_idx = agilio_from_le32(t->erspan_idx);
    tnl->erspan_dir = t->erspan_dir;
    tnl->erspan_hwid = t->erspan_hwid;
    tnl->gtpu_flags = t->gtpu_flags;
    tnl->gtpu_msgtype = t->gtpu_msgtype;
    if (t->opts_len) {
        tnl->flags |= FLOW_TNL_F_UDPIF;
        tnl->metadata.present.len = t->opts_len;
        memcpy(tnl->metadata.opts.gnv, rx->meta.rest, t->opts_len);
    }
}

static void
resume_metadata(const struct agilio_rx *rx, struct dp_packet *packet)
{
    const struct agilio_metadata *m = &rx->meta.md;
    struct pkt_metadata *md = &packet->md;
    uint32_t len = dp_packet_size(packet);

    dp_packet_set_cutlen(packet, len - MIN(rx->cut, len));
    memset(md, 0, sizeof *md);
    pkt_metadata_init(md, ODPP_NONE);
    md->recirc_id = agilio_from_le32(m->recirc_id);
    md->dp_hash = agilio_from_le32(m->dp_hash);
    md->pkt_mark = agilio_from_le32(m->pkt_mark);
    md->skb_priority = agilio_from_le32(m->skb_priority);
    packet->packet_type = (OVS_FORCE ovs_be32) m->packet_type;
    resume_tunnel(rx, &md->tunnel);
}

struct dp_packet *
agilio_rx_take(struct agilio_ring_end *end, const struct agilio_rx *rx)
{
    struct dp_packet *packet = NULL;

    if (rx->kind != AGILIO_RX_STALE && rx->kind != AGILIO_RX_BAD) {
        uint32_t len = rx->len - rx->frame_ofs;

        packet = dp_packet_new_with_headroom(len + TAILROOM,
                                             DP_NETDEV_HEADROOM);
        agilio_ring_read(end, rx->frame_ofs, dp_packet_put_uninit(packet, len),
                         len);
        if (rx->hash) {
            dp_packet_set_rss_hash(packet, rx->hash);
        }
        if (rx->kind != AGILIO_RX_FRESH) {
            resume_metadata(rx, packet);
        }
    }
    agilio_ring_consume(end, agilio_ring_granules(rx->len));
    return packet;
}

void
agilio_rx_set_in_port(struct dp_packet *packet, uint32_t in_port,
                      odp_port_t port_no)
{
    packet->md.orig_in_port = port_no;
    packet->md.in_port.odp_port
        = (in_port & AGILIO_PORT_HOST
           ? u32_to_odp(in_port & ~AGILIO_PORT_HOST) : port_no);
}
