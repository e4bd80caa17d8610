/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tunnel-vs-ovs.c - the NIC's tunnels against OVS's, byte for byte.
 *
 *     test-tunnel-vs-ovs [N [SEED]]
 *
 * N times, a random frame is pushed into a random tunnel: here by
 * TUNNEL_PUSH, there by netdev_push_header() of a netdev of that type, which
 * made the header; then it is mutated and popped, here by TUNNEL_POP, there by
 * netdev_pop_header().  What comes out, bytes and metadata, must be the same.
 *
 * OVS reads behind the end of some malformed packets.  So it is asked twice,
 * with other bytes there; where that makes a difference, or it comes to more
 * bytes than there were, no answer is right but the NIC's, to drop.
 */

#include <config.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "netdev-native-tnl.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovs-router.h"
#include "packets.h"
#include "seq.h"
#include "smap.h"

#include "action/program.h"
#include "agilio-translate.h"
#include "check.h"
#include "frames.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

#define PORT_NO 7
#define PORT (AGILIO_PORT_HOST | PORT_NO)
#define TAILROOM 256            /* Behind the frame, for OVS to read. */

static unsigned long n_random = 20000;

static struct tunnel {
    const char *type;
    enum agilio_tunnel_type ours;
    const char *key, *value;    /* A further option. */
    bool is_udp;
    struct netdev *netdev;
} tunnels[] = {
    { "vxlan", AGILIO_TUNNEL_VXLAN, NULL, NULL, true, NULL },
    { "vxlan", AGILIO_TUNNEL_VXLAN, "exts", "gpe", true, NULL },
    { "geneve", AGILIO_TUNNEL_GENEVE, NULL, NULL, true, NULL },
    { "gtpu", AGILIO_TUNNEL_GTPU, "packet_type", "legacy_l3", true, NULL },
    { "gre", AGILIO_TUNNEL_GRE, NULL, NULL, false, NULL },
    { "ip6gre", AGILIO_TUNNEL_GRE, NULL, NULL, false, NULL },
    { "gre", AGILIO_TUNNEL_GRE, "seq", "true", false, NULL },
    { "erspan", AGILIO_TUNNEL_ERSPAN, "erspan_ver", "flow", false, NULL },
};
#define N_TUNNELS ARRAY_SIZE(tunnels)

static void
open_tunnels(void)
{
    for (size_t i = 0; i < N_TUNNELS; i++) {
        struct smap args = SMAP_INITIALIZER(&args);
        char name[16], *error = NULL;

        snprintf(name, sizeof name, "tunnel%"PRIuSIZE, i);
        CHECK(!netdev_open(name, tunnels[i].type, &tunnels[i].netdev));
        smap_add(&args, "remote_ip", "flow");
        if (strcmp(tunnels[i].type, "gtpu") || !tunnels[i].key) {
            smap_add(&args, "key", "flow");
        }
        if (tunnels[i].key) {
            smap_add(&args, tunnels[i].key, tunnels[i].value);
        }
        CHECK(!netdev_set_config(tunnels[i].netdev, &args, &error));
        if (error) {
            printf("%s\n", error);
        }
        free(error);
        smap_destroy(&args);
    }
}

static bool
has_seq(const struct tunnel *t)
{
    return t->ours == AGILIO_TUNNEL_ERSPAN
           || (t->key && !strcmp(t->key, "seq"));
}

/* ## ------ ##
 * ## Header ##
 * ## ------ ## */

static void
random_bytes_at(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *) p)[i] = frame_random(256);
    }
}

/* Geneve options, any bytes, behind the header. */
static void
add_options(struct ovs_action_push_tnl *data)
{
    uint32_t n_words = frame_random(4) ? frame_random(8) : frame_random(64);
    uint8_t *header = (uint8_t *) data->header;

    random_bytes_at(header + data->header_len, n_words * 4);
    header[data->header_len - sizeof(struct genevehdr)] |= n_words;
    data->header_len += n_words * 4;
}

/* Has OVS make a random header for 't'; packets of 'packet_type' are to go
 * into the tunnel. */
static bool
make_header(const struct tunnel *t, ovs_be32 packet_type,
            struct ovs_action_push_tnl *data)
{
    const struct eth_addr dmac = ETH_ADDR_C(02,00,00,00,00,01);
    const struct eth_addr smac = ETH_ADDR_C(02,00,00,00,00,02);
    bool ipv6 = !strcmp(t->type, "ip6gre") || frame_random(2);
    struct netdev_tnl_build_header_params params;
    struct in6_addr src;
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    memset(data, 0, sizeof *data);
    random_bytes_at(&src, sizeof src);
    if (ipv6) {
        random_bytes_at(&flow.tunnel.ipv6_dst, 16);
    } else {
        in6_addr_set_mapped_ipv4(&src, htonl(frame_random(UINT32_MAX)));
        random_bytes_at(&flow.tunnel.ip_dst, 4);
    }
    flow.packet_type = packet_type;
    flow.tunnel.ip_tos = frame_random(256);
    flow.tunnel.ip_ttl = frame_random(256);
    flow.tunnel.flags = frame_random(16);
    flow.tunnel.tun_id = htonll(frame_random(1024));
    flow.tunnel.erspan_ver = 1 + frame_random(2);
    flow.tunnel.erspan_idx = frame_random(1 << 20);
    flow.tunnel.erspan_dir = frame_random(2);
    flow.tunnel.erspan_hwid = frame_random(64);
    netdev_init_tnl_build_header_params(&params, &flow, &src, dmac, smac);
    if (netdev_build_header(t->netdev, data, &params)) {
        return false;
    }
    if (t->ours == AGILIO_TUNNEL_GENEVE) {
        add_options(data);
    }
    data->tnl_port = u32_to_odp(PORT_NO + 1);
    data->out_port = u32_to_odp(PORT_NO);
    return true;
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

struct sink {
    struct agl_run run;
    struct agl_pkt *pkt;        /* What was output or looked up again. */
    int n_dropped;
};

static void
catch_output(struct agl_run *run, uint32_t port OVS_UNUSED,
             struct agl_pkt *pkt)
{
    ((struct sink *) run)->pkt = pkt;
}

static void
catch_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    ((struct sink *) run)->pkt = pkt;
}

static void
catch_drop(struct agl_run *run, enum agilio_counter counter,
           struct agl_pkt *pkt OVS_UNUSED)
{
    CHECK(counter == AGILIO_COUNTER_DROP_TUNNEL);
    ((struct sink *) run)->n_dropped++;
}

/* Puts the frame to the very end of the packet's memory, where a step too far
 * is seen by AddressSanitizer, and parses it. */
static struct agl_pkt *
start_ours(const uint8_t *bytes, size_t n, ovs_be32 packet_type)
{
    static const struct agl_parse_options options = { .max_vlans = 2 };
    struct agl_pkt *pkt = malloc(sizeof *pkt);
    struct agilio_key key;

    memset(pkt, 0, offsetof(struct agl_pkt, room));
    pkt->data = pkt->room + sizeof pkt->room - n;
    pkt->len = n;
    pkt->md.packet_type = (OVS_FORCE agilio_be32) packet_type;
    pkt->md.recirc_id = pkt->md.dp_hash = agilio_to_le32(1);
    pkt->md.pkt_mark = pkt->md.skb_priority = agilio_to_le32(1);
    pkt->md.tunnel.ip_dst = agilio_to_be32(1);
    memcpy(pkt->data, bytes, n);
    agl_parse(pkt, &options, &key);
    pkt->flow_hash = agl_key_hash(&key);
    pkt->has_hash = true;
    return pkt;
}

static struct dp_packet *
start_theirs(const uint8_t *bytes, size_t n, ovs_be32 packet_type,
             uint8_t tail)
{
    struct dp_packet *packet = dp_packet_new_with_headroom(n + TAILROOM, 640);
    struct flow flow;

    dp_packet_put(packet, bytes, n);
    memset(dp_packet_put_uninit(packet, TAILROOM), tail, TAILROOM);
    dp_packet_set_size(packet, n);
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    packet->packet_type = packet_type;
    flow_vlan_limit = 2;
    flow_extract(packet, &flow);
    dp_packet_set_rss_hash(packet, flow_hash_5tuple(&flow, 0));
    return packet;
}

/* Runs a program of TRUNC, if 'max_len', the action, and an output. */
static struct sink
run_ours(struct agl_pkt *pkt, uint32_t max_len, const void *action, size_t n)
{
    struct sink sink = { .run = { .output = catch_output,
                                  .recirc = catch_recirc,
                                  .drop = catch_drop } };
    struct agilio_action_trunc trunc = {
        .action.type = agilio_to_le16(AGILIO_ACTION_TRUNC),
        .action.len = agilio_to_le16(sizeof trunc),
        .max_len = agilio_to_le32(max_len),
    };
    struct agilio_action_output output = {
        .action.type = agilio_to_le16(AGILIO_ACTION_OUTPUT),
        .action.len = agilio_to_le16(sizeof output),
        .port = agilio_to_le32(0x10001),
    };
    const struct agilio_action *a = action;
    bool is_pop = a->type == agilio_to_le16(AGILIO_ACTION_TUNNEL_POP);
    struct agl_program *program = NULL;
    uint8_t wire[AGILIO_MAX_PROGRAM];
    const char *reason = NULL;
    size_t len = 0;

    if (max_len) {
        memcpy(wire, &trunc, sizeof trunc);
        len = sizeof trunc;
    }
    memcpy(wire + len, action, n);
    len += n;
    if (!is_pop) {
        memcpy(wire + len, &output, sizeof output);
        len += sizeof output;
    }
    CHECK(!agl_program_compile(wire, len, &program, &reason));
    if (program) {
        agl_program_run(program, pkt, &sink.run);
    }
    agl_env_free(program);
    return sink;
}

static void
print_case(const char *name, const uint8_t *bytes, size_t n,
           const struct agl_pkt *pkt, const struct dp_packet *packet)
{
    n_checks_failed++;
    printf("%s, before: ", name);
    frame_print(bytes, n);
    printf("ours:   ");
    frame_print(pkt ? pkt->data : NULL, pkt ? pkt->len : 0);
    printf("theirs: ");
    frame_print(packet ? dp_packet_data(packet) : NULL,
                packet ? MIN(dp_packet_size(packet), 2048) : 0);
}

static bool
same_bytes(const struct agl_pkt *pkt, const struct dp_packet *packet)
{
    return pkt->len == dp_packet_size(packet)
           && !memcmp(pkt->data, dp_packet_data(packet), pkt->len)
           && (OVS_FORCE ovs_be32) pkt->md.packet_type == packet->packet_type
           && pkt->md.in_port == agilio_to_le32(PORT)
           && !pkt->md.recirc_id && !packet->md.recirc_id
           && !pkt->md.dp_hash && !packet->md.dp_hash
           && !pkt->md.pkt_mark && !packet->md.pkt_mark
           && !pkt->md.skb_priority && !packet->md.skb_priority;
}

static bool
same_tunnel(const struct agl_pkt *pkt, const struct flow_tnl *theirs)
{
    const struct agilio_tunnel *ours = &pkt->md.tunnel;

    if (!flow_tnl_dst_is_set(theirs)) {
        return is_all_zeros(ours, sizeof *ours);
    }
    return (OVS_FORCE ovs_be64) ours->id == theirs->tun_id
           && (OVS_FORCE ovs_be32) ours->ip_src == theirs->ip_src
           && (OVS_FORCE ovs_be32) ours->ip_dst == theirs->ip_dst
           && !memcmp(ours->ipv6_src, &theirs->ipv6_src, 16)
           && !memcmp(ours->ipv6_dst, &theirs->ipv6_dst, 16)
           && agilio_from_le16(ours->flags) == theirs->flags
           && ours->tos == theirs->ip_tos && ours->ttl == theirs->ip_ttl
           && (OVS_FORCE ovs_be16) ours->tp_src == theirs->tp_src
           && (OVS_FORCE ovs_be16) ours->tp_dst == theirs->tp_dst
           && !ours->gbp_id && !theirs->gbp_id
           && !ours->gbp_flags && !theirs->gbp_flags
           && ours->opts_len == theirs->metadata.present.map
           && !memcmp(pkt->tun_opts, theirs->metadata.opts.gnv,
                      ours->opts_len)
           && agilio_from_le32(ours->erspan_idx) == theirs->erspan_idx
           && ours->erspan_ver == theirs->erspan_ver
           && ours->erspan_dir == theirs->erspan_dir
           && ours->erspan_hwid == theirs->erspan_hwid
           && ours->gtpu_flags == theirs->gtpu_flags
           && ours->gtpu_msgtype == theirs->gtpu_msgtype;
}

/* ## ---- ##
 * ## Push ##
 * ## ---- ## */

static size_t
make_push(const struct tunnel *t, const struct ovs_action_push_tnl *data,
          uint8_t *wire)
{
    struct agilio_action_tunnel_push push = {
        .action.type = agilio_to_le16(AGILIO_ACTION_TUNNEL_PUSH),
        .action.len = agilio_to_le16(sizeof push
                                     + ROUND_UP(data->header_len, 4)),
        .type = agilio_to_le32(t->ours),
        .port = agilio_to_le32(PORT),
        .header_len = agilio_to_le16(data->header_len),
        .udp_min = agilio_to_le16(tnl_udp_port_min),
        .udp_max = agilio_to_le16(tnl_udp_port_max),
    };

    memcpy(wire, &push, sizeof push);
    memcpy(wire + sizeof push, data->header, ROUND_UP(data->header_len, 4));
    return sizeof push + ROUND_UP(data->header_len, 4);
}

static void
push_theirs(const struct tunnel *t, const struct ovs_action_push_tnl *data,
            struct dp_packet *packet, uint32_t max_len)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    if (max_len) {
        dp_packet_set_cutlen(packet, max_len);
        batch.trunc = true;
    }
    dp_packet_batch_apply_cutlen(&batch);
    CHECK(!netdev_push_header(t->netdev, &batch, data));
}

/* Pushes the frame, compares, and leaves the result in 'bytes'. */
static size_t
check_push(const struct tunnel *t, const struct ovs_action_push_tnl *data,
           uint8_t *bytes, size_t n, ovs_be32 packet_type)
{
    uint32_t max_len = frame_random(6) ? 0 : 14 + frame_random(80);
    struct dp_packet *packet = start_theirs(bytes, n, packet_type, 0);
    struct agl_pkt *pkt = start_ours(bytes, n, packet_type);
    uint8_t wire[sizeof(struct agilio_action_tunnel_push)
                 + TNL_PUSH_HEADER_SIZE];

    push_theirs(t, data, packet, max_len);
    if (!has_seq(t)) {
        size_t len = make_push(t, data, wire);
        struct sink sink = run_ours(pkt, max_len, wire, len);

        CHECK(sink.pkt == pkt);
        if (!same_bytes(pkt, packet) || !same_tunnel(pkt, &packet->md.tunnel)
            || pkt->l2_5_ofs != packet->l2_5_ofs
            || pkt->l3_ofs != packet->l3_ofs || pkt->l4_ofs != packet->l4_ofs
            || pkt->l4_len != dp_packet_l4_size(packet)) {
            print_case("push", bytes, n, pkt, packet);
        }
    }
    n = dp_packet_size(packet);
    memcpy(bytes, dp_packet_data(packet), n);
    dp_packet_delete(packet);
    free(pkt);
    return n;
}

/* ## --- ##
 * ## Pop ##
 * ## --- ## */

static struct dp_packet *
pop_theirs(const struct tunnel *t, const uint8_t *bytes, size_t n,
           uint32_t max_len, uint8_t tail)
{
    struct dp_packet *packet = start_theirs(bytes, n, htonl(PT_ETH), tail);
    struct dp_packet_batch batch;

    if (max_len && max_len < n) {
        dp_packet_set_size(packet, max_len);
        memset((uint8_t *) dp_packet_data(packet) + max_len, tail,
               n - max_len);
    }
    dp_packet_batch_init_packet(&batch, packet);
    netdev_pop_header(t->netdev, &batch);
    if (dp_packet_batch_is_empty(&batch)) {
        return NULL;
    }
    packet->md.in_port.odp_port = u32_to_odp(PORT_NO);
    CHECK(!dp_packet_rss_valid(packet));
    return packet;
}

/* Whether OVS, cutting a packet off there, goes through memory at random. */
static bool
is_deadly(const struct agl_pkt *pkt, uint32_t max_len)
{
    return max_len && pkt->l4_ofs != AGL_OFS_NONE
           && max_len < pkt->l4_ofs;
}

static bool
same_dp_packets(const struct dp_packet *a, const struct dp_packet *b)
{
    size_t n = offsetof(struct pkt_metadata, tunnel.metadata.opts);

    return (!a == !b
            && (!a || (dp_packet_size(a) == dp_packet_size(b)
                       && a->packet_type == b->packet_type
                       && !memcmp(&a->md, &b->md, n)
                       && !memcmp(a->md.tunnel.metadata.opts.u8,
                                  b->md.tunnel.metadata.opts.u8,
                                  a->md.tunnel.metadata.present.len))));
}

static unsigned long n_popped, n_dropped, n_garbage;

static void
judge(const uint8_t *bytes, size_t n, const struct agl_pkt *pkt,
      struct dp_packet *theirs[2])
{
    struct dp_packet *packet = theirs[0];

    if (!same_dp_packets(theirs[0], theirs[1])
        || (packet && dp_packet_size(packet) > n)) {
        n_garbage++;
        packet = NULL;
    } else if (packet && dp_packet_size(packet) < ETH_HEADER_LEN && !pkt) {
        packet = NULL;          /* It would be dropped in the next pass. */
    }
    n_popped += packet != NULL;
    n_dropped += packet == NULL;
    if (!pkt != !packet
        || (pkt && (!same_bytes(pkt, packet) || pkt->has_hash
                    || !same_tunnel(pkt, &packet->md.tunnel)))) {
        print_case("pop", bytes, n, pkt, packet);
    }
}

static void
check_pop(const struct tunnel *t, const uint8_t *bytes, size_t n)
{
    struct agilio_action_tunnel_pop pop = {
        .action.type = agilio_to_le16(AGILIO_ACTION_TUNNEL_POP),
        .action.len = agilio_to_le16(sizeof pop),
        .type = agilio_to_le32(t->ours),
        .port = agilio_to_le32(PORT),
    };
    uint32_t max_len = frame_random(8) ? 0 : 14 + frame_random(n);
    struct agl_pkt *pkt = start_ours(bytes, n, htonl(PT_ETH));
    struct dp_packet *theirs[2] = { NULL, NULL };
    struct sink sink;

    if (!is_deadly(pkt, max_len)) {
        for (size_t i = 0; i < ARRAY_SIZE(theirs); i++) {
            theirs[i] = pop_theirs(t, bytes, n, max_len, i ? 0x6e : 0x41);
        }
    }
    sink = run_ours(pkt, max_len, &pop, sizeof pop);
    CHECK(sink.n_dropped == (sink.pkt ? 0 : 1));
    judge(bytes, n, sink.pkt, theirs);
    dp_packet_delete(theirs[0]);
    dp_packet_delete(theirs[1]);
    free(pkt);
}

/* ## --------- ##
 * ## Mutations ##
 * ## --------- ## */

/* Puts an IPv6 extension header between IPv6 and what follows. */
static size_t
insert_extension(uint8_t *bytes, size_t n)
{
    uint8_t *ip = bytes + ETH_HEADER_LEN;
    uint8_t ext[8] = { ip[6], 0, 1, 4, 0, 0, 0, 0 };
    uint16_t plen = (ip[4] << 8 | ip[5]) + sizeof ext;

    memmove(ip + 40 + sizeof ext, ip + 40, n - 54);
    memcpy(ip + 40, ext, sizeof ext);
    ip[4] = plen >> 8;
    ip[5] = plen;
    ip[6] = 0;
    return n + sizeof ext;
}

/* Puts options into an IPv4 header, with the right checksum. */
static size_t
insert_ip_options(uint8_t *bytes, size_t n)
{
    struct ip_header *ip = (void *) (bytes + ETH_HEADER_LEN);
    static const uint8_t nops[4] = { 1, 1, 1, 0 };

    memmove(bytes + 34 + sizeof nops, bytes + 34, n - 34);
    memcpy(bytes + 34, nops, sizeof nops);
    ip->ip_ihl_ver = IP_IHL_VER(6, 4);
    ip->ip_tot_len = htons(ntohs(ip->ip_tot_len) + sizeof nops);
    ip->ip_csum = 0;
    ip->ip_csum = csum(ip, IP_HEADER_LEN + sizeof nops);
    return n + sizeof nops;
}

/* Makes the checksums right again, most of the time: or nothing else that is
 * wrong would be looked at. */
static void
mend(uint8_t *bytes, size_t n)
{
    uint8_t *ip = bytes + ETH_HEADER_LEN;
    bool ipv6 = netdev_tnl_is_header_ipv6(bytes);
    struct udp_header *udp = (void *) (ip + (ipv6 ? 40 : 20));
    uint32_t partial;

    if (!ipv6 && n >= 34 && frame_random(8)) {
        struct ip_header *ih = (void *) ip;

        ih->ip_csum = 0;
        ih->ip_csum = csum(ih, sizeof *ih);
    }
    if (n < 62 || !frame_random(8) || ip[ipv6 ? 6 : 9] != IPPROTO_UDP) {
        return;
    }
    udp->udp_csum = 0;
    if (frame_random(3)) {
        partial = (ipv6 ? packet_csum_pseudoheader6((void *) ip)
                   : packet_csum_pseudoheader((void *) ip));
        partial = csum_continue(partial, udp,
                                bytes + n - (uint8_t *) udp);
        udp->udp_csum = csum_finish(partial);
    }
}

/* Bytes of the tunnel's own header are worth a change. */
static size_t
mutate(const struct tunnel *t, uint8_t *bytes, size_t n)
{
    bool ipv6 = netdev_tnl_is_header_ipv6(bytes);
    size_t l4 = ETH_HEADER_LEN + (ipv6 ? 40 : 20);
    size_t len = t->is_udp ? 16 : 8;

    if (frame_random(3)) {
        n = frame_mutate(bytes, n);
    } else if (!frame_random(4)) {
        return (ipv6 ? insert_extension : insert_ip_options)(bytes, n);
    }
    for (uint32_t i = frame_random(3); i && n >= l4 + len; i--) {
        static const uint8_t good[] = { 0x08, 0x0c, 0x0d, 0x3c, 0x88, 0x30,
                                        0x32, 0x20, 0x10, 0xff, 0x01, 0x04,
                                        0x65 };

        bytes[l4 + (t->is_udp ? 8 : 0) + frame_random(2) * frame_random(8)]
            = good[frame_random(sizeof good)];
    }
    if (!frame_random(32) && n >= l4) {         /* To nowhere. */
        memset(bytes + l4 - (ipv6 ? 16 : 4), 0, ipv6 ? 16 : 4);
    }
    if (n >= ETH_HEADER_LEN) {
        mend(bytes, n);
    }
    return n;
}

/* ## ----- ##
 * ## Tests ##
 * ## ----- ## */

/* A random frame, or the payload of one. */
static size_t
make_frame(const struct tunnel *t, uint8_t *bytes, ovs_be32 *packet_type)
{
    const struct frame *frame = &frames[frame_random(N_FRAMES)];
    size_t n = frame_mutate(bytes, frame_decode(frame->hex, bytes));
    bool l3 = strcmp(t->type, "geneve") && !has_seq(t)
              && t->ours != AGILIO_TUNNEL_VXLAN && frame_random(2);

    *packet_type = htonl(PT_ETH);
    if (t->ours == AGILIO_TUNNEL_GTPU || l3
        || (t->value && !strcmp(t->value, "gpe") && frame_random(2))) {
        uint16_t dl_type = n >= 14 ? bytes[12] << 8 | bytes[13] : 0;

        if (n > 34 && (dl_type == ETH_TYPE_IP || dl_type == ETH_TYPE_IPV6)) {
            n -= ETH_HEADER_LEN;
            memmove(bytes, bytes + ETH_HEADER_LEN, n);
            *packet_type = PACKET_TYPE_BE(OFPHTN_ETHERTYPE, dl_type);
        }
    }
    return n;
}

static void
round_trip(const struct tunnel *t)
{
    struct ovs_action_push_tnl data;
    uint8_t bytes[FRAME_MAX + 1024];
    ovs_be32 packet_type;
    size_t n;

    n = make_frame(t, bytes, &packet_type);
    if (n < ETH_HEADER_LEN || !make_header(t, packet_type, &data)) {
        return;
    }
    n = check_push(t, &data, bytes, n, packet_type);
    if (frame_random(4)) {
        n = mutate(t, bytes, n);
    }
    if (n) {
        check_pop(&tunnels[frame_random(16) ? t - tunnels
                           : frame_random(N_TUNNELS)], bytes, n);
    }
}

static void
test_random(void)
{
    for (unsigned long i = 0; i < n_random && n_checks_failed < 10; i++) {
        round_trip(&tunnels[i % N_TUNNELS]);
    }
    printf("%lu popped, %lu dropped, %lu of them where OVS is lost\n",
           n_popped, n_dropped, n_garbage);
    CHECK(n_popped > n_random / 8 && n_dropped > n_random / 8);
}

/* A UDP checksum of 0 is sent as the other form of zero.  (A frame of no known
 * type has the same hash, so the same ports, whatever its bytes.) */
static void
test_zero_csum(void)
{
    for (size_t i = 0; i < 100 * N_TUNNELS; i++) {
        const struct tunnel *t = &tunnels[i % N_TUNNELS];
        struct ovs_action_push_tnl data;
        uint8_t bytes[1024], frame[64];
        size_t csum_ofs, n;

        if (!t->is_udp || t->ours == AGILIO_TUNNEL_GTPU
            || !make_header(t, htonl(PT_ETH), &data)) {
            continue;
        }
        csum_ofs = (netdev_tnl_is_header_ipv6(data.header) ? 54 : 34) + 6;
        memset(frame, 0, sizeof frame);
        do {
            memcpy(bytes, frame, sizeof frame);
            n = check_push(t, &data, bytes, sizeof frame, htonl(PT_ETH));
        } while (n < sizeof frame + data.header_len);           /* Cut. */
        if (bytes[csum_ofs] || bytes[csum_ofs + 1]) {
            memcpy(frame + 40, bytes + csum_ofs, 2);
            do {
                memcpy(bytes, frame, sizeof frame);
                n = check_push(t, &data, bytes, sizeof frame, htonl(PT_ETH));
            } while (n < sizeof frame + data.header_len);
            CHECK(bytes[csum_ofs] == 0xff && bytes[csum_ofs + 1] == 0xff);
        }
    }
}

/* Packets that are no frames from a tunnel at all. */
static void
test_other_frames(void)
{
    uint8_t bytes[FRAME_MAX];

    for (unsigned long i = 0; i < n_random / 4; i++) {
        const struct frame *frame = &frames[frame_random(N_FRAMES)];
        size_t n = frame_mutate(bytes, frame_decode(frame->hex, bytes));

        if (n >= ETH_HEADER_LEN) {
            check_pop(&tunnels[i % N_TUNNELS], bytes, n);
        }
    }
}

/* ## ----------- ##
 * ## set(tunnel) ##
 * ## ----------- ## */

static void
put_random(struct ofpbuf *b, uint16_t type, size_t n)
{
    random_bytes_at(nl_msg_put_unspec_uninit(b, type, n), n);
}

/* A random set of attributes, TTL among them. */
static void
put_set_tunnel(struct ofpbuf *b)
{
    size_t set = nl_msg_start_nested(b, OVS_ACTION_ATTR_SET);
    size_t tunnel = nl_msg_start_nested(b, OVS_KEY_ATTR_TUNNEL);
    static const struct {
        uint16_t type, size;
    } attrs[] = {
        { OVS_TUNNEL_KEY_ATTR_ID, 8 },
        { OVS_TUNNEL_KEY_ATTR_IPV4_SRC, 4 },
        { OVS_TUNNEL_KEY_ATTR_IPV4_DST, 4 },
        { OVS_TUNNEL_KEY_ATTR_IPV6_SRC, 16 },
        { OVS_TUNNEL_KEY_ATTR_IPV6_DST, 16 },
        { OVS_TUNNEL_KEY_ATTR_TOS, 1 },
        { OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT, 0 },
        { OVS_TUNNEL_KEY_ATTR_CSUM, 0 },
        { OVS_TUNNEL_KEY_ATTR_OAM, 0 },
        { OVS_TUNNEL_KEY_ATTR_TP_SRC, 2 },
        { OVS_TUNNEL_KEY_ATTR_TP_DST, 2 },
        { OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS, 0 },
        { OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS, 4 },
        { OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS, AGILIO_MAX_TUNNEL_OPTS },
        { OVS_TUNNEL_KEY_ATTR_GTPU_OPTS, sizeof(struct gtpu_metadata) },
    };

    for (uint32_t i = frame_random(8); i; i--) {
        size_t j = frame_random(ARRAY_SIZE(attrs));

        put_random(b, attrs[j].type, attrs[j].size);
    }
    put_random(b, OVS_TUNNEL_KEY_ATTR_TTL, 1);
    nl_msg_end_nested(b, tunnel);
    nl_msg_end_nested(b, set);
}

static struct agilio_port_ref
no_ports(odp_port_t port, void *aux OVS_UNUSED)
{
    return agilio_host_port(port);
}

/* Translates the action, runs it, and compares with what OVS makes of it. */
static void
test_set_tunnel(void)
{
    static const uint8_t bytes[64];
    uint8_t wire[AGILIO_MAX_PROGRAM];
    struct flow_tnl tnl;
    struct ofpbuf b;
    size_t len;

    ofpbuf_init(&b, 0);
    for (unsigned long i = 0; i < n_random / 4; i++) {
        const char *reason = NULL;
        const struct nlattr *a;
        struct agl_pkt *pkt;

        ofpbuf_clear(&b);
        put_set_tunnel(&b);
        CHECK(agilio_translate_actions(b.data, b.size, no_ports, NULL, wire,
                                       &len, &reason) == AGILIO_ON_NIC);
        a = nl_attr_get(b.data);
        CHECK(odp_tun_key_from_attr(a, &tnl, NULL) == ODP_FIT_PERFECT);
        pkt = start_ours(bytes, sizeof bytes, htonl(PT_ETH));
        CHECK(run_ours(pkt, 0, wire, len).pkt == pkt);
        CHECK(same_tunnel(pkt, &tnl));
        free(pkt);
    }
    ofpbuf_uninit(&b);
}

/* ## ------- ##
 * ## Refused ##
 * ## ------- ## */

/* True if no program with this push is taken. */
static bool
is_refused(const void *wire, size_t len)
{
    struct agl_program *program = NULL;
    const char *reason = NULL;
    int error = agl_program_compile(wire, len, &program, &reason);

    agl_env_free(program);
    return error && reason;
}

/* Actions that no host sends. */
static void
test_nonsense(void)
{
    struct agilio_action_tunnel_pop pop = {
        .action.type = agilio_to_le16(AGILIO_ACTION_TUNNEL_POP),
        .action.len = agilio_to_le16(sizeof pop),
    };
    struct {
        struct agilio_action_set_tunnel set;
        uint8_t opts[256];
    } s = { .set.action.type = agilio_to_le16(AGILIO_ACTION_SET_TUNNEL) };
    struct agilio_tunnel tunnel;

    for (uint32_t type = 0; type < 8; type++) {
        pop.type = agilio_to_le32(type);
        pop.port = agilio_to_le32(PORT);
        CHECK(is_refused(&pop, sizeof pop)
              == (type == 0 || type >= AGILIO_N_TUNNELS));
        pop.port = agilio_to_le32(PORT_NO);
        CHECK(is_refused(&pop, sizeof pop));
    }
    memset(&tunnel, 0, sizeof tunnel);
    for (size_t opts_len = 0; opts_len < 256; opts_len++) {
        for (size_t len = 0; len <= 256; len += 4) {
            tunnel.opts_len = opts_len;
            memcpy(s.set.tunnel, &tunnel, sizeof tunnel);
            s.set.action.len = agilio_to_le16(sizeof s.set + len);
            CHECK(is_refused(&s, sizeof s.set + len)
                  == (opts_len != len || len > AGILIO_MAX_TUNNEL_OPTS));
        }
    }
}

/* A packet without Ethernet header, on which OVS would abort. */
static void
test_l3_packet(void)
{
    struct agilio_action_tunnel_pop pop = {
        .action.type = agilio_to_le16(AGILIO_ACTION_TUNNEL_POP),
        .action.len = agilio_to_le16(sizeof pop),
        .port = agilio_to_le32(PORT),
    };

    for (size_t i = 0; i < N_TUNNELS; i++) {
        struct ovs_action_push_tnl data;
        struct sink sink;
        uint8_t bytes[1024];
        struct agl_pkt *pkt;
        size_t n = 0;

        CHECK(make_header(&tunnels[i], htonl(PT_ETH), &data)
              || tunnels[i].ours == AGILIO_TUNNEL_GTPU);
        memset(bytes, 0, sizeof bytes);
        if (!has_seq(&tunnels[i])) {
            n = check_push(&tunnels[i], &data, bytes, 64, htonl(PT_ETH));
        }
        if (n > ETH_HEADER_LEN) {
            n -= ETH_HEADER_LEN;
            memmove(bytes, bytes + ETH_HEADER_LEN, n);
            pop.type = agilio_to_le32(tunnels[i].ours);
            pkt = start_ours(bytes, n, htonl(bytes[0] >> 4 == 4
                                             ? PT_IPV4 : PT_IPV6));
            sink = run_ours(pkt, 0, &pop, sizeof pop);
            CHECK(sink.n_dropped == 1
                  || (tunnels[i].ours != AGILIO_TUNNEL_VXLAN
                      && tunnels[i].ours != AGILIO_TUNNEL_GTPU));
            free(pkt);
        }
    }
}

/* Headers that the NIC cannot fill in.  With any other byte changed than those
 * that matter it is none the worse. */
static void
test_refused(void)
{
    for (size_t i = 0; i < 40 * N_TUNNELS; i++) {
        const struct tunnel *t = &tunnels[i % N_TUNNELS];
        struct ovs_action_push_tnl data;
        uint8_t wire[1024];
        size_t len, l4;

        CHECK(make_header(t, t->ours == AGILIO_TUNNEL_GTPU
                             ? htonl(PT_IPV4) : htonl(PT_ETH), &data));
        len = make_push(t, &data, wire);
        CHECK(is_refused(wire, len) == has_seq(t));
        l4 = netdev_tnl_is_header_ipv6(data.header) ? 54 : 34;
        for (size_t j = 0; !has_seq(t) && j < data.header_len; j++) {
            bool matters = j == 12 || j == 13 || j == (l4 == 54 ? 20 : 23)
                           || (j == 14) || (!t->is_udp && j == l4);

            wire[sizeof(struct agilio_action_tunnel_push) + j] ^= 0x50;
            CHECK(is_refused(wire, len) == matters);
            wire[sizeof(struct agilio_action_tunnel_push) + j] ^= 0x50;
        }
        for (data.header_len--; !has_seq(t) && data.header_len >= 4;
             data.header_len--) {
            len = make_push(t, &data, wire);
            CHECK(is_refused(wire, len) || t->ours == AGILIO_TUNNEL_GENEVE);
        }
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
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    tnl_conf_seq = seq_create();
    ovs_router_init();
    open_tunnels();
    RUN(test_random);
    RUN(test_other_frames);
    RUN(test_zero_csum);
    RUN(test_l3_packet);
    RUN(test_set_tunnel);
    RUN(test_refused);
    RUN(test_nonsense);
    for (size_t i = 0; i < N_TUNNELS; i++) {
        netdev_close(tunnels[i].netdev);
    }
    return summary();
}
