/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-rx.c - from ring records to packets: lib/agilio-rx.c.
 *
 * A NIC is played by a producer's end of a small ring.  Whatever is in the
 * ring, a packet that comes out has sound lengths and complete metadata; run
 * it under ASan to see what that is worth.
 */

#include <config.h>

#include "agilio-rx.h"

#include "check.h"
#include "dp-packet.h"
#include "odp-util.h"
#include "packets.h"
#include "random.h"
#include "util.h"

#define PORT 0x30002
#define N_GRANULES 512

static struct agilio_ring ring;
static uint8_t body[N_GRANULES * AGILIO_GRANULE];
static struct agilio_ring_end nic, host;

/* A record, in the making. */
static uint8_t record[AGILIO_MAX_RECORD + 64];
static struct agilio_desc desc;
static struct agilio_metadata md;
static uint8_t rest[AGILIO_MAX_TUNNEL_OPTS + AGILIO_MAX_SAMPLE + 64];
static uint8_t frame[AGILIO_MAX_FRAME + 1];

/* Sets a ring whose cursors stand at 'cursor', and a record that is all right,
 * of a fresh packet. */
static void
start(uint32_t cursor)
{
    size_t i;

    memset(&ring, 0, sizeof ring);
    ring.prod = ring.cons = agilio_to_le32(cursor);
    agilio_ring_init_producer(&nic, &ring, body, N_GRANULES);
    agilio_ring_init_consumer(&host, &ring, body, N_GRANULES);
    for (i = 0; i < sizeof frame; i++) {
        frame[i] = i * 7 + 1;
    }
    for (i = 0; i < sizeof rest; i++) {
        rest[i] = i + 100;
    }
    desc = (struct agilio_desc) { .port = agilio_to_le32(PORT) };
    md = (struct agilio_metadata) { .in_port = agilio_to_le32(PORT) };
}

/* Sends a record that claims 'len' bytes and a metadata length of 'meta_len',
 * and takes as many granules as the claim needs.  'n_rest' bytes follow the
 * metadata that it really has; UINT32_MAX: it has none. */
static void
send_claim(uint32_t len, uint32_t meta_len, uint32_t n_rest)
{
    uint32_t n = agilio_ring_granules(len);
    uint8_t *p = record + sizeof desc;

    desc.len = agilio_to_le32(len);
    desc.meta_len = agilio_to_le16(meta_len);
    memcpy(record, &desc, sizeof desc);
    if (n_rest != UINT32_MAX) {
        memcpy(p, &md, sizeof md);
        memcpy(p + sizeof md, rest, n_rest);
        p += sizeof md + n_rest;
    }
    memcpy(p, frame, MIN(sizeof frame, record + sizeof record - p));
    if (agilio_ring_free(&nic) >= n) {
        agilio_ring_write(&nic, 0, record, MIN(len, sizeof record));
        agilio_ring_produce(&nic, n);
    }
}

static void
send_fresh(uint32_t frame_len)
{
    desc.flags = 0;
    send_claim(sizeof desc + frame_len, 0, UINT32_MAX);
}

/* With the metadata's options and 'n_actions' bytes of actions. */
static void
send_flagged(uint16_t flags, uint32_t n_actions, uint32_t frame_len)
{
    uint32_t n_rest = md.tunnel.opts_len + n_actions;

    desc.flags = agilio_to_le16(flags);
    send_claim(sizeof desc + sizeof md + n_rest + frame_len,
               sizeof md + n_rest, n_rest);
}

static void
send_resumed(uint32_t frame_len)
{
    send_flagged(AGILIO_DESC_RESUMED, 0, frame_len);
}

static void
send_sampled(uint32_t n_actions, uint32_t frame_len)
{
    send_flagged(AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED, n_actions,
                 frame_len);
}

/* Receives one record; NULL if there is no packet in it. */
static struct dp_packet *
receive(struct agilio_rx *rx)
{
    return (agilio_rx_peek(&host, PORT, rx)
            ? agilio_rx_take(&host, rx) : NULL);
}

static void
check_frame(const struct dp_packet *packet, uint32_t len)
{
    CHECK(packet != NULL);
    if (packet) {
        CHECK(dp_packet_size(packet) == len);
        CHECK(dp_packet_headroom(packet) >= 4);
        CHECK(dp_packet_tailroom(packet) >= 45);
        CHECK(!memcmp(dp_packet_data(packet), frame, len));
    }
}

/* True if the record that was just sent is refused as 'kind', and the ring is
 * in order thereafter. */
static bool
refused(enum agilio_rx_kind kind)
{
    struct dp_packet *packet;
    struct agilio_rx rx;
    bool ok;

    packet = receive(&rx);
    ok = !packet && rx.kind == kind && !host.broken;
    dp_packet_delete(packet);

    start(nic.cursor);
    send_fresh(60);
    packet = receive(&rx);
    ok = ok && packet && rx.kind == AGILIO_RX_FRESH;
    dp_packet_delete(packet);
    return ok;
}

static void
test_fresh(void)
{
    static const uint32_t lens[] = { 14, 15, 60, 64, 1514, 9728 };
    struct dp_packet *packet;
    struct agilio_rx rx;
    size_t i;

    /* Over the end of the ring, and of the cursors. */
    start(UINT32_MAX - 40);
    for (i = 0; i < 20 * ARRAY_SIZE(lens); i++) {
        uint32_t len = lens[i % ARRAY_SIZE(lens)];

        send_fresh(len);
        packet = receive(&rx);
        CHECK(rx.kind == AGILIO_RX_FRESH);
        check_frame(packet, len);
        dp_packet_delete(packet);
    }
    CHECK(!agilio_rx_peek(&host, PORT, &rx) && !host.broken);
    CHECK(agilio_ring_free(&nic) == N_GRANULES);
}

static void
test_resumed(void)
{
    struct pkt_metadata *got;
    struct dp_packet *packet;
    struct agilio_rx rx;

    start(3);
    md.recirc_id = agilio_to_le32(5);
    md.dp_hash = agilio_to_le32(0x12345678);
    md.pkt_mark = agilio_to_le32(6);
    md.skb_priority = agilio_to_le32(7);
    send_resumed(100);

    packet = receive(&rx);
    CHECK(rx.kind == AGILIO_RX_RESUMED);
    check_frame(packet, 100);
    got = &packet->md;
    CHECK(got->recirc_id == 5);
    CHECK(got->dp_hash == 0x12345678);
    CHECK(got->pkt_mark == 6);
    CHECK(got->skb_priority == 7);
    CHECK(!got->ct_state && !got->ct_zone && !got->ct_mark);
    CHECK(ovs_u128_is_zero(got->ct_label));
    CHECK(got->conn == NULL);
    CHECK(!got->ct_orig_tuple_ipv6 && !got->ct_orig_tuple.ipv4.ipv4_proto);
    CHECK(got->in_port.odp_port == ODPP_NONE);
    CHECK(!flow_tnl_dst_is_set(&got->tunnel));
    CHECK(dp_packet_is_eth(packet));
    dp_packet_delete(packet);
}

/* The hash that the NIC has computed is the packet's, fresh or not; without
 * one the datapath computes its own. */
static void
test_hash(void)
{
    static const uint32_t hashes[] = { 0, 1, 0x80000000, UINT32_MAX };
    struct dp_packet *packet;
    struct agilio_rx rx;

    for (size_t i = 0; i < 2 * ARRAY_SIZE(hashes); i++) {
        uint32_t hash = hashes[i / 2];

        start(i);
        desc.hash = agilio_to_le32(hash);
        (i % 2 ? send_fresh : send_resumed)(60);
        packet = receive(&rx);
        check_frame(packet, 60);
        CHECK(dp_packet_rss_valid(packet) == (hash != 0));
        CHECK(!hash || dp_packet_get_rss_hash(packet) == hash);
        dp_packet_delete(packet);
    }
}

/* A packet without Ethernet header may be shorter than one. */
static void
test_l3_packet(void)
{
    static const uint32_t lens[] = { 1, 13, 14, 100 };
    struct dp_packet *packet;
    struct agilio_rx rx;

    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        start(i);
        md.packet_type = agilio_to_be32(PT_IPV4);
        send_resumed(lens[i]);
        packet = receive(&rx);
        CHECK(rx.kind == AGILIO_RX_RESUMED);
        check_frame(packet, lens[i]);
        CHECK(packet->packet_type == htonl(PT_IPV4));
        dp_packet_delete(packet);
    }
}

/* Receives a resumed packet out of the tunnel that 'md' describes. */
static struct flow_tnl
receive_tunnel(void)
{
    struct flow_tnl tnl;
    struct dp_packet *packet;
    struct agilio_rx rx;

    memset(&tnl, 0, sizeof tnl);
    send_resumed(77);
    packet = receive(&rx);
    check_frame(packet, 77);
    if (packet) {
        tnl = packet->md.tunnel;
    }
    dp_packet_delete(packet);
    return tnl;
}

static void
test_tunnel_ipv4(void)
{
    struct flow_tnl tnl;

    start(500);
    md.tunnel = (struct agilio_tunnel) {
        .id = agilio_to_be64(0x1234),
        .ip_src = agilio_to_be32(0x0a000001),
        .ip_dst = agilio_to_be32(0x0a000002),
        .flags = agilio_to_le16(0xffff),
        .tos = 3,
        .ttl = 64,
        .tp_src = agilio_to_be16(1000),
        .tp_dst = agilio_to_be16(6081),
        .gbp_id = agilio_to_be16(2000),
        .gbp_flags = 0x41,
        .opts_len = 252,
        .erspan_idx = agilio_to_le32(0x54321),
        .erspan_ver = 2,
        .erspan_dir = 1,
        .erspan_hwid = 7,
        .gtpu_flags = 0x30,
        .gtpu_msgtype = 255,
    };

    tnl = receive_tunnel();
    CHECK(tnl.ip_src == htonl(0x0a000001));
    CHECK(tnl.ip_dst == htonl(0x0a000002));
    CHECK(!ipv6_addr_is_set(&tnl.ipv6_dst));
    CHECK(tnl.tun_id == htonll(0x1234));
    CHECK(tnl.flags == (FLOW_TNL_F_MASK | FLOW_TNL_F_UDPIF));
    CHECK(tnl.ip_tos == 3 && tnl.ip_ttl == 64);
    CHECK(tnl.tp_src == htons(1000) && tnl.tp_dst == htons(6081));
    CHECK(tnl.gbp_id == htons(2000) && tnl.gbp_flags == 0x41);
    CHECK(tnl.erspan_idx == 0x54321 && tnl.erspan_ver == 2);
    CHECK(tnl.erspan_dir == 1 && tnl.erspan_hwid == 7);
    CHECK(tnl.gtpu_flags == 0x30 && tnl.gtpu_msgtype == 255);
    CHECK(tnl.metadata.present.map == 252);
    CHECK(!memcmp(tnl.metadata.opts.gnv, rest, 252));
    CHECK(tnl.metadata.tab == NULL);
}

/* What the datapath then does with Geneve options must find them in raw form,
 * whatever the flags said. */
static void
test_tunnel_ipv6(void)
{
    struct flow_tnl tnl;

    start(11);
    memset(md.tunnel.ipv6_src, 0x11, 16);
    memset(md.tunnel.ipv6_dst, 0x22, 16);
    md.tunnel.opts_len = 8;
    tnl = receive_tunnel();
    CHECK(!tnl.ip_dst && !tnl.ip_src);
    CHECK(!memcmp(&tnl.ipv6_src, md.tunnel.ipv6_src, 16));
    CHECK(!memcmp(&tnl.ipv6_dst, md.tunnel.ipv6_dst, 16));
    CHECK(tnl.flags == FLOW_TNL_F_UDPIF);
    CHECK(tnl.metadata.present.map == 8);
    CHECK(!memcmp(tnl.metadata.opts.gnv, rest, 8));

    /* No options: nothing is present, in either form. */
    md.tunnel.opts_len = 0;
    tnl = receive_tunnel();
    CHECK(tnl.flags == 0 && tnl.metadata.present.map == 0);

    /* A Geneve packet without options is one that may have had some. */
    md.tunnel.flags = agilio_to_le16(FLOW_TNL_F_UDPIF | FLOW_TNL_F_KEY);
    tnl = receive_tunnel();
    CHECK(tnl.flags == (FLOW_TNL_F_UDPIF | FLOW_TNL_F_KEY));
}

static void
test_in_port(void)
{
    struct dp_packet *packet;
    struct agilio_rx rx;

    start(0);
    send_resumed(60);
    packet = receive(&rx);
    agilio_rx_set_in_port(packet, PORT, u32_to_odp(9));
    CHECK(packet->md.in_port.odp_port == u32_to_odp(9));
    CHECK(packet->md.orig_in_port == u32_to_odp(9));
    dp_packet_delete(packet);

    /* A tunnel's, on the same port of the NIC. */
    md.in_port = agilio_to_le32(AGILIO_PORT_HOST | 12);
    send_resumed(60);
    packet = receive(&rx);
    CHECK(rx.meta.md.in_port == agilio_to_le32(AGILIO_PORT_HOST | 12));
    agilio_rx_set_in_port(packet, AGILIO_PORT_HOST | 12, u32_to_odp(9));
    CHECK(packet->md.in_port.odp_port == u32_to_odp(12));
    CHECK(packet->md.orig_in_port == u32_to_odp(9));
    dp_packet_delete(packet);
}

/* A copy with actions, which stand behind the options. */
static void
test_sampled(void)
{
    static const uint32_t lens[] = { 1, 4, 20, AGILIO_MAX_SAMPLE };
    struct dp_packet *packet;
    struct agilio_rx rx;

    for (size_t i = 0; i < 2 * ARRAY_SIZE(lens); i++) {
        uint32_t n_actions = lens[i / 2];
        uint32_t opts_len = i % 2 * AGILIO_MAX_TUNNEL_OPTS;

        start(i);
        md.recirc_id = agilio_to_le32(3);
        md.tunnel.ip_dst = agilio_to_be32(0x0a000002);
        md.tunnel.opts_len = opts_len;
        send_sampled(n_actions, 80);
        packet = receive(&rx);
        CHECK(rx.kind == AGILIO_RX_SAMPLED);
        check_frame(packet, 80);
        CHECK(packet->md.recirc_id == 3);
        CHECK(packet->md.tunnel.metadata.present.len == opts_len);
        CHECK(rx.rest_len == opts_len + n_actions);
        CHECK(!memcmp(rx.meta.rest, rest, rx.rest_len));
        dp_packet_delete(packet);
    }
}

static void
test_bad_sampled(void)
{
    start(0);                   /* Without actions. */
    send_sampled(0, 60);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* With too many. */
    send_sampled(AGILIO_MAX_SAMPLE + 1, 60);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* ...beside options. */
    md.tunnel.opts_len = AGILIO_MAX_TUNNEL_OPTS;
    send_sampled(AGILIO_MAX_SAMPLE + 1, 60);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* Without metadata. */
    desc.flags = agilio_to_le16(AGILIO_DESC_SAMPLED);
    send_claim(200, 0, UINT32_MAX);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* Actions of a packet that is no sample. */
    send_flagged(AGILIO_DESC_RESUMED, 4, 60);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* Half an Ethernet header. */
    send_sampled(20, 13);
    CHECK(refused(AGILIO_RX_BAD));
}

static void
test_stale(void)
{
    start(0);
    desc.port = agilio_to_le32(0x20002);        /* The one before. */
    send_fresh(60);
    CHECK(refused(AGILIO_RX_STALE));
}

static void
test_bad(void)
{
    static const uint32_t frame_lens[] = { 0, 1, 13 };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(frame_lens); i++) {
        start(i);
        send_fresh(frame_lens[i]);
        CHECK(refused(AGILIO_RX_BAD));
        start(i);
        send_resumed(frame_lens[i]);
        CHECK(refused(AGILIO_RX_BAD));
    }
    start(0);                   /* Longer than any frame. */
    send_fresh(AGILIO_MAX_FRAME + 1);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* A fresh packet with metadata. */
    send_claim(200, 20, UINT32_MAX);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* A flag that we do not know. */
    desc.flags = agilio_to_le16(0x8000);
    send_claim(200, 0, UINT32_MAX);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* To be resumed on another port. */
    md.in_port = agilio_to_le32(PORT + 1);
    send_resumed(60);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* An L3 packet of no bytes at all. */
    md.packet_type = agilio_to_be32(PT_IPV4);
    send_resumed(0);
    CHECK(refused(AGILIO_RX_BAD));
}

/* All metadata lengths that a record can claim, right ones excepted. */
static void
test_bad_meta_len(void)
{
    uint32_t opts_len, meta_len;

    for (opts_len = 0; opts_len <= 255; opts_len += 51) {
        for (meta_len = 0; meta_len <= UINT16_MAX;
             meta_len += meta_len < 1000 ? 1 : 999) {
            if (meta_len == sizeof md + opts_len && opts_len % 4 == 0) {
                continue;
            }
            start(meta_len);
            md.tunnel.opts_len = opts_len;
            desc.flags = agilio_to_le16(AGILIO_DESC_RESUMED);
            send_claim(1000, meta_len, opts_len);
            CHECK(refused(AGILIO_RX_BAD));
        }
    }
}

/* Lengths that break the ring: too short, too long, more than published. */
static void
test_broken_ring(void)
{
    static const uint32_t lens[] = {
        0, 1, sizeof desc - 1, AGILIO_MAX_RECORD + 1, UINT32_MAX, 65, 128
    };
    struct agilio_rx rx;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(lens); i++) {
        agilio_le32 len = agilio_to_le32(lens[i]);

        start(i);
        agilio_ring_write(&nic, 0, &len, sizeof len);
        agilio_ring_produce(&nic, 1);
        CHECK(!agilio_rx_peek(&host, PORT, &rx));
        CHECK(host.broken);
    }

    start(0);
    ring.prod = agilio_to_le32(N_GRANULES + 1);
    CHECK(!agilio_rx_peek(&host, PORT, &rx));
    CHECK(host.broken);
}

/* Random records: mostly garbage, sometimes near a good one. */
static void
test_fuzz(void)
{
    int n_packets = 0;
    int i;

    random_set_seed(1);
    for (i = 0; i < 20000; i++) {
        struct dp_packet *packet;
        struct agilio_rx rx;

        start(random_uint32());
        random_bytes(&md, sizeof md);
        if (random_range(4)) {
            md.in_port = agilio_to_le32(random_range(2) ? PORT
                                        : AGILIO_PORT_HOST | 5);
            md.tunnel.opts_len = random_range(256);
        }
        if (random_range(2)) {
            send_resumed(random_range(200));
        } else if (random_range(2)) {
            send_sampled(random_range(AGILIO_MAX_SAMPLE + 20),
                         random_range(200));
        } else {
            desc.flags = random_range(3) ? agilio_to_le16(1) : random_uint16();
            send_claim(random_range(AGILIO_MAX_RECORD + 40),
                       random_range(500), random_range(100));
        }
        packet = receive(&rx);
        if (packet) {
            n_packets++;
            CHECK(dp_packet_size(packet)
                  >= (dp_packet_is_eth(packet) ? ETH_HEADER_LEN : 1));
            CHECK(dp_packet_size(packet) <= AGILIO_MAX_FRAME);
            CHECK(rx.kind == AGILIO_RX_FRESH
                  || flow_tnl_size(&packet->md.tunnel)
                     <= sizeof packet->md.tunnel);
        }
        dp_packet_delete(packet);
    }
    CHECK(n_packets > 100);
}

int
main(void)
{
    RUN(test_fresh);
    RUN(test_resumed);
    RUN(test_hash);
    RUN(test_l3_packet);
    RUN(test_tunnel_ipv4);
    RUN(test_tunnel_ipv6);
    RUN(test_in_port);
    RUN(test_sampled);
    RUN(test_bad_sampled);
    RUN(test_stale);
    RUN(test_bad);
    RUN(test_bad_meta_len);
    RUN(test_broken_ring);
    RUN(test_fuzz);
    return summary();
}
