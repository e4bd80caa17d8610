/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-parse.c - pkt/: the packet pool, pushing and pulling, and agl_parse().
 *
 * test-parse-vs-ovs.c is the one that judges the parser; this one needs no
 * OVS, and says in words what fields a packet of each kind has.
 */

#include "check.h"
#include "frames.h"
#include "pkt/parse.h"

static struct agl_pkt pkt;
static struct agilio_key key;

/* Parses 'n' bytes in memory of just that size, for AddressSanitizer. */
static void
parse_bytes(const uint8_t *bytes, size_t n, uint32_t max_vlans)
{
    struct agl_parse_options options = { .max_vlans = max_vlans };

    memset(&key, 0xa5, sizeof key);
    pkt.data = malloc(n + !n);
    pkt.len = (uint32_t) n;
    pkt.md.in_port = agilio_to_le32(0x10002);
    memcpy(pkt.data, bytes, n);
    agl_parse(&pkt, &options, &key);
    free(pkt.data);
}

static void
parse(const char *name)
{
    uint8_t bytes[FRAME_MAX];

    parse_bytes(bytes, frame_get(name, bytes), 2);
}

static bool
is16(agilio_be16 field, uint16_t value)
{
    return agilio_from_be16(field) == value;
}

static bool
is32(agilio_be32 field, uint32_t value)
{
    return agilio_from_be32(field) == value;
}

static bool
is_zero(const void *p, size_t n)
{
    static const uint8_t zeros[sizeof key];

    return !memcmp(p, zeros, n);
}

static bool
is_mac(const uint8_t mac[6], uint8_t last)
{
    const uint8_t expected[6] = { 2, 0, 0, 0, 0, last };

    return !memcmp(mac, expected, sizeof expected);
}

static bool
are_offsets(uint16_t l2_5, uint16_t l3, uint16_t l4, uint16_t l4_len)
{
    return pkt.l2_5_ofs == l2_5 && pkt.l3_ofs == l3 && pkt.l4_ofs == l4
           && pkt.l4_len == l4_len;
}

#define NONE AGL_OFS_NONE

static void
pool(void)
{
    struct agl_pkt *memory = malloc(2 * sizeof *memory), *a, *b;
    struct agl_pool pool;

    agl_pool_init(&pool, memory, 2);
    CHECK(pool.n == 2 && pool.n_free == 2);
    a = agl_pkt_new(&pool);
    CHECK(a && !a->len && a->data == a->room + AGL_PKT_HEADROOM);
    CHECK(a->l3_ofs == NONE && a->l4_ofs == NONE && a->l2_5_ofs == NONE);

    a->data -= 6;
    a->len = 4;
    a->rx_port = 7;
    a->md.pkt_mark = agilio_to_le32(9);
    a->md.tunnel.opts_len = 4;
    memcpy(a->tun_opts, "opts", 4);
    a->l3_ofs = 2;
    memcpy(a->data, "abc", 4);
    CHECK(!agl_pool_reserve(&pool, 2) && agl_pool_reserve(&pool, 1));
    CHECK(!agl_pool_reserve(&pool, 1));
    b = agl_pkt_clone(&pool, a);
    CHECK(agl_pool_reserve(&pool, 0) && !pool.n_reserved);
    CHECK(b && b != a && b->len == 4 && !memcmp(b->data, "abc", 4));
    CHECK(b->data == b->room + AGL_PKT_HEADROOM - 6);
    CHECK(b->rx_port == 7 && b->l3_ofs == 2 && b->l4_ofs == NONE);
    CHECK(agilio_from_le32(b->md.pkt_mark) == 9);
    CHECK(b->md.tunnel.opts_len == 4 && !memcmp(b->tun_opts, "opts", 4));

    CHECK(!agl_pkt_new(&pool) && !pool.n_free);
    agl_pkt_free(&pool, a);
    CHECK(pool.n_free == 1 && agl_pkt_new(&pool) == a);
    free(memory);
}

static void
push_pull(void)
{
    struct agl_pkt *p = malloc(sizeof *p);

    memset(p, 0, sizeof *p);
    p->data = p->room + AGL_PKT_HEADROOM;
    p->len = 20;
    p->l2_5_ofs = NONE;
    p->l3_ofs = 2;
    p->l4_ofs = 10;
    CHECK(agl_pkt_headroom(p) == AGL_PKT_HEADROOM);
    agl_pkt_push(p, AGL_PKT_HEADROOM);
    CHECK(!agl_pkt_headroom(p));
    CHECK(p->data == p->room && p->len == 20 + AGL_PKT_HEADROOM);
    CHECK(p->l2_5_ofs == NONE && p->l3_ofs == 2 + AGL_PKT_HEADROOM);
    agl_pkt_pull(p, AGL_PKT_HEADROOM);
    CHECK(p->len == 20 && p->l3_ofs == 2 && p->l4_ofs == 10);
    agl_pkt_pull(p, 4);
    CHECK(p->l2_5_ofs == NONE && p->l3_ofs == 0xfffe && p->l4_ofs == 6);
    free(p);
}

static void
ethernet(void)
{
    parse("loopback");
    CHECK(agilio_from_le32(key.md.in_port) == 0x10002 && !key.md.recirc_id);
    CHECK(is_mac(key.eth_dst, 2) && is_mac(key.eth_src, 1));
    CHECK(is16(key.eth_type, 0x9000) && are_offsets(NONE, 14, NONE, 0));

    parse("snap ip4");
    CHECK(is16(key.eth_type, 0x0800) && is16(key.tp_dst, 53));
    CHECK(are_offsets(NONE, 22, 42, 12));
    parse("snap length");
    CHECK(is16(key.eth_type, 0x05ff));
    parse("stp");
    CHECK(is16(key.eth_type, 0x05ff) && are_offsets(NONE, 14, NONE, 0));
    parse("llc short");
    CHECK(is16(key.eth_type, 0x05ff));
}

static void
nsh(void)
{
    parse("nsh");
    CHECK(is16(key.eth_type, 0x894f) && are_offsets(NONE, 14, NONE, 0));
    CHECK(!key.nsh.flags && key.nsh.ttl == 63 && key.nsh.mdtype == 1);
    CHECK(key.nsh.np == 3 && is32(key.nsh.path_hdr, 0x00000aff));
    CHECK(is32(key.nsh.context[0], 1) && is32(key.nsh.context[3], 4));
    parse("nsh md2");
    CHECK(key.nsh.flags == 2 && key.nsh.ttl == 1 && key.nsh.mdtype == 2);
    CHECK(key.nsh.np == 1 && is32(key.nsh.path_hdr, 0x12345678));
    CHECK(is_zero(key.nsh.context, sizeof key.nsh.context));
    parse("nsh version");
    CHECK(is16(key.eth_type, 0x894f) && is_zero(&key.nsh, sizeof key.nsh));
    parse("nsh md1 short");
    CHECK(is_zero(&key.nsh, sizeof key.nsh));
    parse("nsh too long");
    CHECK(is_zero(&key.nsh, sizeof key.nsh));
}

/* Without Ethernet header, metadata says what there is. */
static void
layer_3(void)
{
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_get("tcp4 padded", bytes);

    pkt.md.packet_type = agilio_to_be32(0x10800);
    parse_bytes(bytes + 14, n - 14, 2);
    CHECK(is32(key.md.packet_type, 0x10800) && is16(key.eth_type, 0x0800));
    CHECK(is_zero(key.eth_dst, 6) && is_zero(key.eth_src, 6));
    CHECK(is16(key.tp_src, 1000) && are_offsets(NONE, 0, 20, 20));
    CHECK(pkt.pad_len == 10 && pkt.l3_type == 0x0800);

    n = frame_get("mpls 2", bytes);
    pkt.md.packet_type = agilio_to_be32(0x18847);
    parse_bytes(bytes + 14, n - 14, 2);
    CHECK(is32(key.mpls_lse[1], 0x00020140) && are_offsets(0, 8, NONE, 0));
    pkt.md.packet_type = agilio_to_be32(0x1894f);
    n = frame_get("nsh", bytes);
    parse_bytes(bytes + 14, n - 14, 2);
    CHECK(key.nsh.ttl == 63 && are_offsets(NONE, 0, NONE, 0));
    parse_bytes(bytes, 0, 2);
    CHECK(is16(key.eth_type, 0x894f) && are_offsets(NONE, 0, NONE, 0));
    pkt.md.packet_type = 0;
}

/* All metadata is in the key, and of the tunnel's options as many as there
 * are. */
static void
metadata(void)
{
    static const uint8_t opts[] = { 1, 2, 3, 4 };
    uint8_t bytes[FRAME_MAX];

    memset(&pkt.md, 0x5a, sizeof pkt.md);
    pkt.md.packet_type = 0;
    pkt.md.tunnel.opts_len = sizeof opts;
    memset(pkt.tun_opts, 0xa5, sizeof pkt.tun_opts);
    memcpy(pkt.tun_opts, opts, sizeof opts);
    parse_bytes(bytes, frame_get("udp4", bytes), 2);
    CHECK(!memcmp(&key.md, &pkt.md, sizeof key.md));
    CHECK(!memcmp(key.tun_opts, opts, sizeof opts));
    CHECK(is_zero(key.tun_opts + sizeof opts,
                  sizeof key.tun_opts - sizeof opts));
    memset(&pkt.md, 0, sizeof pkt.md);
}

static void
vlan(void)
{
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_get("qinq udp4", bytes);

    parse_bytes(bytes, n, 2);
    CHECK(is16(key.vlan[0].tpid, 0x88a8) && is16(key.vlan[0].tci, 0x10c8));
    CHECK(is16(key.vlan[1].tpid, 0x8100) && is16(key.vlan[1].tci, 0x7064));
    CHECK(is16(key.eth_type, 0x0800) && key.nw_proto == 17);
    CHECK(are_offsets(NONE, 22, 42, 12));

    parse_bytes(bytes, n, 1);
    CHECK(is16(key.vlan[0].tpid, 0x88a8) && !key.vlan[1].tpid);
    CHECK(is16(key.eth_type, 0x8100) && are_offsets(NONE, 18, NONE, 0));

    parse_bytes(bytes, n, 0);
    CHECK(!key.vlan[0].tpid && is16(key.eth_type, 0x88a8) && !key.nw_proto);

    parse("vlan tag only");
    CHECK(!key.vlan[0].tpid && is16(key.eth_type, 0x8100));
}

static void
mpls(void)
{
    parse("mpls 1");
    CHECK(is32(key.mpls_lse[0], 0x00010140) && !key.mpls_lse[1]);
    CHECK(!key.nw_src && are_offsets(14, 18, NONE, 0));
    parse("mpls 5");
    CHECK(is32(key.mpls_lse[0], 0x00010040));
    CHECK(is32(key.mpls_lse[2], 0x00030040));
    CHECK(are_offsets(18, 38, NONE, 0));
    parse("mpls none");
    CHECK(!key.mpls_lse[0] && are_offsets(14, 14, NONE, 0));
}

static void
arp(void)
{
    parse("arp");
    CHECK(key.nw_proto == 1 && is32(key.nw_src, 0x0a000001));
    CHECK(is32(key.nw_dst, 0x0a000002) && is_mac(key.arp_sha, 1));
    CHECK(is_zero(key.arp_tha, 6) && are_offsets(NONE, 14, NONE, 0));
    parse("rarp");
    CHECK(key.nw_proto == 3 && is_mac(key.arp_sha, 1));
    parse("arp big op");
    CHECK(!key.nw_proto && is32(key.nw_src, 0x0a000001));
    parse("arp not ip");
    CHECK(!key.nw_proto && !key.nw_src && is_zero(key.arp_sha, 6));
}

static void
ipv4(void)
{
    parse("tcp4 padded");
    CHECK(is32(key.nw_src, 0x0a000001) && is32(key.nw_dst, 0x0a000002));
    CHECK(key.nw_proto == 6 && key.nw_tos == 0x10 && key.nw_ttl == 0x40);
    CHECK(!key.nw_frag && are_offsets(NONE, 14, 34, 20));
    parse("tcp4 options");
    CHECK(is16(key.tp_src, 1000) && are_offsets(NONE, 14, 38, 24));
    parse("tcp4 first");
    CHECK(key.nw_frag == 1 && is16(key.tp_src, 1000));
    parse("tcp4 later");
    CHECK(key.nw_frag == 3 && key.nw_proto == 6 && !key.tp_src);
    CHECK(!key.tcp_flags && !pkt.tcp_flags && are_offsets(NONE, 14, 34, 24));
    parse("ip4 too long");
    CHECK(!key.nw_src && !key.nw_proto && are_offsets(NONE, 14, NONE, 0));
    parse("ip4 too short");
    CHECK(!key.nw_src && !key.nw_proto && are_offsets(NONE, 14, NONE, 0));
}

static void
ipv6(void)
{
    parse("tcp6");
    CHECK(key.ipv6_src[15] == 1 && key.ipv6_dst[15] == 2);
    CHECK(is32(key.ipv6_label, 0x12345) && key.nw_tos == 0xab);
    CHECK(key.nw_ttl == 0x40 && is16(key.tp_dst, 80));
    CHECK(are_offsets(NONE, 14, 54, 24));
    parse("icmp6 chain");
    CHECK(key.nw_proto == 58 && key.nw_frag == 1 && is16(key.tp_src, 128));
    CHECK(are_offsets(NONE, 14, 110, 12));
    parse("udp6 later");
    CHECK(key.nw_proto == 44 && key.nw_frag == 3 && !key.tp_src);
    parse("udp6 atomic");
    CHECK(key.nw_proto == 17 && !key.nw_frag && is16(key.tp_dst, 53));
    parse("udp6 ah");
    CHECK(key.nw_proto == 17 && are_offsets(NONE, 14, 78, 12));
    parse("ip6 cut chain");
    CHECK(key.ipv6_src[15] == 1 && !key.nw_proto && !key.ipv6_label);
    CHECK(are_offsets(NONE, 14, NONE, 0));
    parse("ip6 too long");
    CHECK(!key.ipv6_src[15]);
}

static void
transport(void)
{
    parse("tcp4");
    CHECK(is16(key.tp_src, 1000) && is16(key.tp_dst, 80));
    CHECK(is16(key.tcp_flags, 0x012) && pkt.tcp_flags == 0x012);
    parse("tcp4 short offset");
    CHECK(key.nw_proto == 6 && !key.tp_src && !pkt.tcp_flags);
    parse("udp4");
    CHECK(is16(key.tp_src, 1000) && is16(key.tp_dst, 53) && !pkt.tcp_flags);
    parse("udp4 half");
    CHECK(key.nw_proto == 17 && !key.tp_src);
    parse("sctp4");
    CHECK(is16(key.tp_src, 1000) && is16(key.tp_dst, 2905));
}

static void
icmp(void)
{
    parse("icmp4");
    CHECK(is16(key.tp_src, 8) && !key.tp_dst && !key.igmp_group);
    parse("igmp4");
    CHECK(is16(key.tp_src, 0x16) && is32(key.igmp_group, 0xe0000005));
}

static void
nd(void)
{
    parse("solicit nonce");
    CHECK(is16(key.tp_src, 135) && key.nd_target[15] == 9);
    CHECK(is_mac(key.arp_sha, 0x0a) && is_zero(key.arp_tha, 6));
    CHECK(is16(key.tcp_flags, 1) && pkt.tcp_flags == 1);
    parse("advert both");
    CHECK(is16(key.tp_src, 136) && is32(key.igmp_group, 0x60000000));
    CHECK(is_mac(key.arp_sha, 0x0a) && is_mac(key.arp_tha, 0x0b));
    CHECK(is16(key.tcp_flags, 2));
    parse("solicit twice");
    CHECK(is_zero(key.nd_target, 16) && is_zero(key.arp_sha, 6));
    CHECK(is16(key.tp_src, 135) && is16(key.tcp_flags, 1));
    parse("solicit zero");
    CHECK(key.nd_target[15] == 9 && is_mac(key.arp_sha, 0x0a));
    parse("solicit bare");
    CHECK(key.nd_target[15] == 9 && !key.tcp_flags);
}

/* A whole header is seen, a cut one is not; nothing is read behind the end,
 * and no byte of the key is left as it was. */
static void
truncated(void)
{
    uint8_t bytes[FRAME_MAX];

    for (size_t i = 0; i < N_FRAMES; i++) {
        size_t whole = frame_decode(frames[i].hex, bytes);

        for (size_t n = 0; n <= whole; n++) {
            parse_bytes(bytes, n, 2);
            CHECK(is_zero(key.pad0, sizeof key.pad0)
                  && is_zero(key.pad1, sizeof key.pad1)
                  && is_zero(key.pad2, sizeof key.pad2)
                  && is_zero(key.pad3, sizeof key.pad3));
            CHECK((n < 14) == (pkt.l3_ofs == NONE));
            CHECK(pkt.l3_ofs == NONE || pkt.l3_ofs <= n);
            CHECK(pkt.l4_ofs == NONE || pkt.l4_ofs + pkt.l4_len <= (int) n);
        }
    }
}

int
main(void)
{
    RUN(pool);
    RUN(push_pull);
    RUN(ethernet);
    RUN(nsh);
    RUN(layer_3);
    RUN(metadata);
    RUN(vlan);
    RUN(mpls);
    RUN(arp);
    RUN(ipv4);
    RUN(ipv6);
    RUN(transport);
    RUN(icmp);
    RUN(nd);
    RUN(truncated);
    return summary();
}
