/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-parse-vs-ovs.c - the NIC's parser against OVS's, byte for byte.
 *
 *     test-parse-vs-ovs [N [SEED]]
 *
 * Both read the frames of frames.h, every truncation of them, and N random
 * variants, with all numbers of VLAN tags that a host may parse, with and
 * without their Ethernet header and other metadata; any difference is a
 * failure and is printed with its frame in hex.
 */

#include <config.h>

#include "dp-packet.h"
#include "flow.h"
#include "hash.h"
#include "packets.h"

#include "check.h"
#include "frames.h"
#include "pkt/headers.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

#define IN_PORT 0x10007

static int n_cases;
static unsigned long n_random = 20000;

static void
tunnel_from_flow(const struct flow_tnl *theirs, struct agilio_tunnel *tnl)
{
    tnl->id = theirs->tun_id;
    tnl->ip_src = theirs->ip_src;
    tnl->ip_dst = theirs->ip_dst;
    memcpy(tnl->ipv6_src, &theirs->ipv6_src, sizeof tnl->ipv6_src);
    memcpy(tnl->ipv6_dst, &theirs->ipv6_dst, sizeof tnl->ipv6_dst);
    tnl->flags = agilio_to_le16(theirs->flags);
    tnl->tos = theirs->ip_tos;
    tnl->ttl = theirs->ip_ttl;
    tnl->tp_src = theirs->tp_src;
    tnl->tp_dst = theirs->tp_dst;
    tnl->gbp_id = theirs->gbp_id;
    tnl->gbp_flags = theirs->gbp_flags;
    tnl->opts_len = theirs->metadata.present.len;
    tnl->erspan_idx = agilio_to_le32(theirs->erspan_idx);
    tnl->erspan_ver = theirs->erspan_ver;
    tnl->erspan_dir = theirs->erspan_dir;
    tnl->erspan_hwid = theirs->erspan_hwid;
    tnl->gtpu_flags = theirs->gtpu_flags;
    tnl->gtpu_msgtype = theirs->gtpu_msgtype;
}

/* What of OVS's view of a packet the NIC has too. */
static void
key_from_flow(const struct flow *flow, struct agilio_key *key)
{
    memset(key, 0, sizeof *key);
    key->md.in_port = agilio_to_le32(odp_to_u32(flow->in_port.odp_port));
    key->md.recirc_id = agilio_to_le32(flow->recirc_id);
    key->md.dp_hash = agilio_to_le32(flow->dp_hash);
    key->md.skb_priority = agilio_to_le32(flow->skb_priority);
    key->md.pkt_mark = agilio_to_le32(flow->pkt_mark);
    key->md.packet_type = flow->packet_type;
    tunnel_from_flow(&flow->tunnel, &key->md.tunnel);
    memcpy(key->tun_opts, flow->tunnel.metadata.opts.gnv,
           flow->tunnel.metadata.present.len);
    memcpy(key->eth_dst, &flow->dl_dst, sizeof key->eth_dst);
    memcpy(key->eth_src, &flow->dl_src, sizeof key->eth_src);
    key->eth_type = flow->dl_type;
    key->tcp_flags = flow->tcp_flags;
    for (int i = 0; i < 2; i++) {
        key->vlan[i].tpid = flow->vlans[i].tpid;
        key->vlan[i].tci = flow->vlans[i].tci;
    }
    for (int i = 0; i < 3; i++) {
        key->mpls_lse[i] = flow->mpls_lse[i];
    }
    key->nw_proto = flow->nw_proto;
    key->nw_tos = flow->nw_tos;
    key->nw_ttl = flow->nw_ttl;
    key->nw_frag = flow->nw_frag;
    key->nw_src = flow->nw_src;
    key->nw_dst = flow->nw_dst;
    memcpy(key->ipv6_src, &flow->ipv6_src, sizeof key->ipv6_src);
    memcpy(key->ipv6_dst, &flow->ipv6_dst, sizeof key->ipv6_dst);
    key->ipv6_label = flow->ipv6_label;
    key->tp_src = flow->tp_src;
    key->tp_dst = flow->tp_dst;
    memcpy(key->nd_target, &flow->nd_target, sizeof key->nd_target);
    memcpy(key->arp_sha, &flow->arp_sha, sizeof key->arp_sha);
    memcpy(key->arp_tha, &flow->arp_tha, sizeof key->arp_tha);
    key->igmp_group = flow->igmp_group_ip4;
    memcpy(&key->nsh, &flow->nsh, sizeof key->nsh);
}

static bool
same_keys(const struct agilio_key *ours, const struct agilio_key *theirs)
{
    bool same = true;

#define AGILIO_FIELD(NAME, MEMBER, FORMAT)                              \
    if (memcmp(&ours->MEMBER, &theirs->MEMBER, sizeof ours->MEMBER)) {  \
        printf("field %s differs\n", #NAME);                            \
        same = false;                                                   \
    }
    AGILIO_FIELDS(AGILIO_FIELD)
#undef AGILIO_FIELD
    return same && !memcmp(ours, theirs, sizeof *ours);
}

static bool
same_number(const char *name, uint32_t ours, uint32_t theirs)
{
    if (ours != theirs) {
        printf("%s: %u, OVS says %u\n", name, ours, theirs);
    }
    return ours == theirs;
}

static bool
same_offsets(const struct agl_pkt *pkt, const struct dp_packet *packet,
             const struct flow *flow)
{
    return same_number("l2_5_ofs", pkt->l2_5_ofs, packet->l2_5_ofs)
           && same_number("l3_ofs", pkt->l3_ofs, packet->l3_ofs)
           && same_number("l4_ofs", pkt->l4_ofs, packet->l4_ofs)
           && same_number("l4_len", pkt->l4_len, dp_packet_l4_size(packet))
           && same_number("pad_len", pkt->pad_len,
                          dp_packet_l2_pad_size(packet))
           && same_number("l3_type",
                          pkt->l3_ofs == AGL_OFS_NONE ? 0 : pkt->l3_type,
                          ntohs(flow->dl_type))
           && same_number("tcp_flags", pkt->tcp_flags, ntohs(flow->tcp_flags));
}

/* A packet's metadata, as both have it. */
struct metadata {
    struct agilio_metadata ours;
    uint8_t tun_opts[AGILIO_MAX_TUNNEL_OPTS];
    struct pkt_metadata theirs;
};

static void
random_edges(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *) p)[i] = frame_random_byte();
    }
}

/* A tunnel's metadata.  It has a destination, or it is none. */
static void
random_tunnel(struct metadata *md)
{
    struct flow_tnl *tnl = &md->theirs.tunnel;

    random_edges(tnl, offsetof(struct flow_tnl, metadata));
    memset(tnl->pad1, 0, sizeof tnl->pad1);
    tnl->flags |= FLOW_TNL_F_UDPIF;
    if (frame_random(2)) {
        tnl->ip_dst = htonl(0x01020304);
        tnl->ipv6_src = tnl->ipv6_dst = in6addr_any;
    } else {
        tnl->ip_dst = tnl->ip_src = 0;
        tnl->ipv6_dst.s6_addr[0] = 0xfd;
    }
    tnl->metadata.present.len = 4 * frame_random(64);
    random_edges(tnl->metadata.opts.gnv, tnl->metadata.present.len);
    tunnel_from_flow(tnl, &md->ours.tunnel);
    memcpy(md->tun_opts, tnl->metadata.opts.gnv, tnl->metadata.present.len);
}

/* None but the port, or all random; and without an Ethernet header if there is
 * an 'l3_type'. */
static void
make_metadata(struct metadata *md, bool random, uint16_t l3_type)
{
    memset(md, 0, sizeof *md);
    pkt_metadata_init(&md->theirs, u32_to_odp(IN_PORT));
    md->ours.in_port = agilio_to_le32(IN_PORT);
    if (l3_type) {
        md->ours.packet_type = agl_packet_type(l3_type);
    }
    if (random) {
        random_edges(&md->theirs.recirc_id, sizeof md->theirs.recirc_id);
        random_edges(&md->theirs.dp_hash, sizeof md->theirs.dp_hash);
        random_edges(&md->theirs.skb_priority,
                     sizeof md->theirs.skb_priority);
        random_edges(&md->theirs.pkt_mark, sizeof md->theirs.pkt_mark);
        md->ours.recirc_id = agilio_to_le32(md->theirs.recirc_id);
        md->ours.dp_hash = agilio_to_le32(md->theirs.dp_hash);
        md->ours.skb_priority = agilio_to_le32(md->theirs.skb_priority);
        md->ours.pkt_mark = agilio_to_le32(md->theirs.pkt_mark);
    }
    if (random && frame_random(2)) {
        random_tunnel(md);
    }
}

/* Parses the frame in memory of just its size, for AddressSanitizer. */
static void
ours(const uint8_t *bytes, size_t n, const struct metadata *md,
     uint32_t max_vlans, struct agl_pkt *pkt, struct agilio_key *key)
{
    struct agl_parse_options options = { .max_vlans = max_vlans };

    memset(key, 0xa5, sizeof *key);
    memset(pkt, 0xa5, offsetof(struct agl_pkt, room));
    pkt->data = malloc(n + !n);
    pkt->len = n;
    pkt->md = md->ours;
    memcpy(pkt->tun_opts, md->tun_opts, md->ours.tunnel.opts_len);
    memcpy(pkt->data, bytes, n);
    agl_parse(pkt, &options, key);
    pkt->flow_hash = 0;
    pkt->has_hash = false;
    if (agl_pkt_is_hashed(pkt, key)) {
        agl_pkt_set_hash(pkt, key);
    }
    free(pkt->data);
}

/* The hash that OVS gives a packet, or does not, as it parses it. */
static bool
same_rss_hash(const struct agl_pkt *pkt, const struct dp_packet *packet)
{
    return same_number("has_hash", pkt->has_hash, dp_packet_rss_valid(packet))
           && same_number("RSS hash", pkt->flow_hash,
                          pkt->has_hash ? dp_packet_get_rss_hash(packet) : 0);
}

/* What the host would choose a bucket by. */
static bool
same_hash(const struct agilio_key *key, const struct flow *flow)
{
    uint32_t hash = agl_key_hash(key);

    return (same_number("hash", hash, flow_hash_5tuple(flow, 0))
            && same_number("hash with basis", agl_key_hash_basis(key, n_cases),
                           flow_hash_5tuple(flow, n_cases))
            && same_number("mixed hash", agl_hash_mix(hash, n_cases),
                           hash_int(hash, n_cases))
            && same_number("symmetric hash",
                           agl_key_hash_symmetric(key, n_cases),
                           flow_hash_symmetric_l3l4(flow, n_cases, false)));
}

static void
compare__(const uint8_t *bytes, size_t n, const struct metadata *md,
          uint32_t max_vlans)
{
    static struct agl_pkt pkt;
    struct agilio_key key, expected;
    struct dp_packet *packet;
    struct flow flow;

    n_cases++;
    ours(bytes, n, md, max_vlans, &pkt, &key);

    packet = dp_packet_clone_data_with_headroom(bytes, n, 128);
    packet->md = md->theirs;
    packet->packet_type = md->ours.packet_type;
    /* flow_limit_vlans(0) would mean "as many as there may be". */
    flow_vlan_limit = max_vlans;
    flow_extract(packet, &flow);
    key_from_flow(&flow, &expected);

    if (!same_keys(&key, &expected) || !same_offsets(&pkt, packet, &flow)
        || !same_rss_hash(&pkt, packet) || !same_hash(&key, &flow)) {
        n_checks_failed++;
        printf("with max_vlans=%u, packet_type=0x%x: ", max_vlans,
               ntohl(md->ours.packet_type));
        frame_print(bytes, n);
    }
    dp_packet_delete(packet);
}

/* With Ethernet header and without. */
static void
compare(const uint8_t *bytes, size_t n, uint32_t max_vlans)
{
    struct metadata md;

    make_metadata(&md, false, 0);
    compare__(bytes, n, &md, max_vlans);
    if (n >= ETH_HEADER_LEN) {
        make_metadata(&md, false, bytes[12] << 8 | bytes[13]);
        if (md.ours.packet_type) {
            compare__(bytes + ETH_HEADER_LEN, n - ETH_HEADER_LEN, &md,
                      max_vlans);
        }
    }
}

static void
compare_all_limits(const uint8_t *bytes, size_t n)
{
    for (uint32_t max_vlans = 0; max_vlans <= 2; max_vlans++) {
        compare(bytes, n, max_vlans);
    }
}

static void
handmade(void)
{
    uint8_t bytes[FRAME_MAX];

    for (size_t i = 0; i < N_FRAMES; i++) {
        compare_all_limits(bytes, frame_decode(frames[i].hex, bytes));
    }
}

static void
truncated(void)
{
    uint8_t bytes[FRAME_MAX];

    for (size_t i = 0; i < N_FRAMES; i++) {
        for (size_t n = frame_decode(frames[i].hex, bytes); n > 0; n--) {
            compare_all_limits(bytes, n);
        }
    }
}

/* Every value of every byte: lengths, versions, types, and all else. */
static void
every_byte(void)
{
    uint8_t bytes[FRAME_MAX];

    for (size_t i = 0; i < N_FRAMES; i++) {
        size_t n = frame_decode(frames[i].hex, bytes);

        for (size_t ofs = 12; ofs < n; ofs++) {
            uint8_t was = bytes[ofs];

            for (int value = 0; value < 256; value += 1 + value / 64) {
                bytes[ofs] = value;
                compare(bytes, n, 2);
            }
            bytes[ofs] = was;
        }
    }
}

static void
random_variants(void)
{
    static const uint16_t types[] = {
        ETH_TYPE_IP, ETH_TYPE_IPV6, ETH_TYPE_MPLS, ETH_TYPE_NSH, ETH_TYPE_ARP,
        ETH_TYPE_VLAN_8021Q,
    };
    uint8_t bytes[FRAME_MAX];

    for (unsigned long i = 0; i < n_random && n_checks_failed < 20; i++) {
        const struct frame *frame = &frames[frame_random(N_FRAMES)];
        size_t n = frame_mutate(bytes, frame_decode(frame->hex, bytes));
        uint16_t l3_type = frame_random(2) ? types[frame_random(6)] : 0;
        struct metadata md;

        compare(bytes, n, frame_random(3));
        make_metadata(&md, true, l3_type);
        compare__(bytes, n, &md, 2);
    }
}

int
main(int argc, char *argv[])
{
    if (argc > 1) {
        n_random = strtoul(argv[1], NULL, 10);
    }
    if (argc > 2) {
        frame_seed = strtoull(argv[2], NULL, 10) | 1;
    }
    RUN(handmade);
    RUN(truncated);
    RUN(every_byte);
    RUN(random_variants);
    printf("%d frames compared\n", n_cases);
    return summary();
}
