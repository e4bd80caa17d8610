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
static struct agilio_resume resume;
static uint8_t opts[256];
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
    for (i = 0; i < sizeof opts; i++) {
        opts[i] = i + 100;
    }
    desc = (struct agilio_desc) { .port = agilio_to_le32(PORT) };
    resume = (struct agilio_resume) { .in_port = agilio_to_le32(PORT) };
}

/* Sends a record that claims 'len' bytes and a metadata length of 'meta_len',
 * and takes as many granules as the claim needs. */
static void
send_claim(uint32_t len, uint32_t meta_len, bool resumed)
{
    uint32_t n = agilio_ring_granules(len);
    uint8_t *p = record + sizeof desc;

    desc.len = agilio_to_le32(len);
    desc.meta_len = agilio_to_le16(meta_len);
    memcpy(record, &desc, sizeof desc);
    if (resumed) {
        memcpy(p, &resume, sizeof resume);
        memcpy(p + sizeof resume, opts, resume.opts_len);
        p += sizeof resume + resume.opts_len;
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
    send_claim(sizeof desc + frame_len, 0, false);
}

static void
send_resumed(uint32_t frame_len)
{
    uint32_t meta_len = sizeof resume + resume.opts_len;

    desc.flags = agilio_to_le16(AGILIO_DESC_RESUMED);
    send_claim(sizeof desc + meta_len + frame_len, meta_len, true);
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
    struct dp_packet *packet;
    struct pkt_metadata *md;
    struct agilio_rx rx;

    start(3);
    resume.recirc_id = agilio_to_le32(5);
    resume.dp_hash = agilio_to_le32(0x12345678);
    resume.pkt_mark = agilio_to_le32(6);
    resume.skb_priority = agilio_to_le32(7);
    resume.ct_state = 0x22;
    resume.ct_zone = agilio_to_le16(8);
    resume.ct_mark = agilio_to_le32(9);
    resume.ct_label[0] = agilio_to_be64(10);
    resume.ct_label[1] = agilio_to_be64(11);
    send_resumed(100);

    packet = receive(&rx);
    CHECK(rx.kind == AGILIO_RX_RESUMED);
    check_frame(packet, 100);
    md = &packet->md;
    CHECK(md->recirc_id == 5);
    CHECK(md->dp_hash == 0x12345678);
    CHECK(md->pkt_mark == 6);
    CHECK(md->skb_priority == 7);
    CHECK(md->ct_state == 0x22);
    CHECK(md->ct_zone == 8);
    CHECK(md->ct_mark == 9);
    CHECK(md->ct_label.u64.hi == 10 && md->ct_label.u64.lo == 11);
    CHECK(md->conn == NULL);
    CHECK(!md->ct_orig_tuple_ipv6 && !md->ct_orig_tuple.ipv4.ipv4_proto);
    CHECK(md->in_port.odp_port == ODPP_NONE);
    CHECK(!flow_tnl_dst_is_set(&md->tunnel));
    dp_packet_delete(packet);
}

/* Receives a resumed packet out of the tunnel that 'resume' describes. */
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
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct flow_tnl tnl;

    start(500);
    memcpy(resume.tun_src, mapped, sizeof mapped);
    memcpy(resume.tun_dst, mapped, sizeof mapped);
    memcpy(resume.tun_src + 12, "\x0a\x00\x00\x01", 4);
    memcpy(resume.tun_dst + 12, "\x0a\x00\x00\x02", 4);
    resume.tun_id = agilio_to_be64(0x1234);
    resume.tun_flags = agilio_to_le16(0xffff);
    resume.tun_tos = 3;
    resume.tun_ttl = 64;
    resume.tun_tp_src = agilio_to_be16(1000);
    resume.tun_tp_dst = agilio_to_be16(6081);
    resume.gbp_id = agilio_to_be16(2000);
    resume.gbp_flags = 0x41;
    resume.opts_len = 252;

    tnl = receive_tunnel();
    CHECK(tnl.ip_src == htonl(0x0a000001));
    CHECK(tnl.ip_dst == htonl(0x0a000002));
    CHECK(!ipv6_addr_is_set(&tnl.ipv6_dst));
    CHECK(tnl.tun_id == htonll(0x1234));
    CHECK(tnl.flags == (FLOW_TNL_F_MASK | FLOW_TNL_F_UDPIF));
    CHECK(tnl.ip_tos == 3 && tnl.ip_ttl == 64);
    CHECK(tnl.tp_src == htons(1000) && tnl.tp_dst == htons(6081));
    CHECK(tnl.gbp_id == htons(2000) && tnl.gbp_flags == 0x41);
    CHECK(tnl.metadata.present.len == 252);
    CHECK(!memcmp(tnl.metadata.opts.gnv, opts, 252));
    CHECK(tnl.metadata.tab == NULL);
}

/* What the datapath then does with Geneve options must find them in raw form,
 * whatever the flags said. */
static void
test_tunnel_ipv6(void)
{
    struct flow_tnl tnl;

    start(11);
    memset(resume.tun_src, 0x11, 16);
    memset(resume.tun_dst, 0x22, 16);
    resume.opts_len = 8;
    tnl = receive_tunnel();
    CHECK(!tnl.ip_dst && !tnl.ip_src);
    CHECK(!memcmp(&tnl.ipv6_src, resume.tun_src, 16));
    CHECK(!memcmp(&tnl.ipv6_dst, resume.tun_dst, 16));
    CHECK(tnl.flags == FLOW_TNL_F_UDPIF);
    CHECK(tnl.metadata.present.map == 8);
    CHECK(!memcmp(tnl.metadata.opts.gnv, opts, 8));

    /* No options: nothing is present, in either form. */
    resume.opts_len = 0;
    tnl = receive_tunnel();
    CHECK(tnl.flags == 0 && tnl.metadata.present.map == 0);
}

static void
test_in_port(void)
{
    struct dp_packet_batch batch;
    struct agilio_rx rx;

    start(0);
    send_resumed(60);
    dp_packet_batch_init_packet(&batch, receive(&rx));
    agilio_rx_set_in_port(&batch, u32_to_odp(9));
    CHECK(batch.packets[0]->md.in_port.odp_port == u32_to_odp(9));
    CHECK(batch.packets[0]->md.orig_in_port == u32_to_odp(9));
    dp_packet_delete_batch(&batch, true);
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
    send_claim(200, 20, false);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* A flag that we do not know. */
    desc.flags = agilio_to_le16(0x8000);
    send_claim(200, 0, false);
    CHECK(refused(AGILIO_RX_BAD));
    start(0);                   /* To be resumed on another port. */
    resume.in_port = agilio_to_le32(PORT + 1);
    send_resumed(60);
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
            if (meta_len == sizeof resume + opts_len && opts_len % 4 == 0) {
                continue;
            }
            start(meta_len);
            resume.opts_len = opts_len;
            desc.flags = agilio_to_le16(AGILIO_DESC_RESUMED);
            send_claim(1000, meta_len, true);
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
        random_bytes(&resume, sizeof resume);
        if (random_range(4)) {
            resume.in_port = agilio_to_le32(PORT);
            resume.opts_len = random_range(256);
        }
        if (random_range(2)) {
            send_resumed(random_range(200));
        } else {
            desc.flags = random_range(3) ? agilio_to_le16(1) : random_uint16();
            send_claim(random_range(AGILIO_MAX_RECORD + 40),
                       random_range(500), true);
        }
        packet = receive(&rx);
        if (packet) {
            n_packets++;
            CHECK(dp_packet_size(packet) >= ETH_HEADER_LEN);
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
    RUN(test_tunnel_ipv4);
    RUN(test_tunnel_ipv6);
    RUN(test_in_port);
    RUN(test_stale);
    RUN(test_bad);
    RUN(test_bad_meta_len);
    RUN(test_broken_ring);
    RUN(test_fuzz);
    return summary();
}
