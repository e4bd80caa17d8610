/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-actions.c - what actions do to packets, checksums and metadata.
 *
 * test-program-vs-ovs.c is the one that judges the bytes; this one needs no
 * OVS, and checks checksums against the whole sum, computed here.
 */

#include "run.h"

/* ## --------------------- ##
 * ## Checksums, from zero. ##
 * ## --------------------- ## */

static uint32_t
sum_of(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += i & 1 ? p[i] : (uint32_t) p[i] << 8;
    }
    return sum;
}

static uint16_t
fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t) sum;
}

/* The sum of layer 4 and its pseudo-header: 0xffff if the checksum is right.
 * 'ip' is 14 bytes into the frame and 'l4' where the caller says. */
static uint16_t
l4_sum(const uint8_t *frame, size_t l4, size_t len, uint8_t proto)
{
    bool is_v6 = frame[12] == 0x86;
    uint32_t addrs = is_v6 ? sum_of(frame + 22, 32) : sum_of(frame + 26, 8);
    uint32_t pseudo = proto == 1 ? 0 : addrs + (uint32_t) len + proto;

    return fold(pseudo + sum_of(frame + l4, len));
}

/* A frame whose layer 4 checksum, 'csum' bytes into it, is to stay right. */
struct sample {
    const char *name;
    size_t l4, len, csum;
    uint8_t proto;
};

/* Makes the checksums of the frame right, runs the program that was put on
 * it, and checks that they are right again. */
static void
run_sample(const struct sample *s)
{
    bool is_v4 = !strstr(s->name, "6") && !strstr(s->name, "advert");
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_get(s->name, bytes);
    uint8_t *csum = bytes + s->l4 + s->csum;
    const uint8_t *after;
    uint16_t x;

    memset(csum, 0, 2);
    x = (uint16_t) ~l4_sum(bytes, s->l4, s->len, s->proto);
    csum[0] = x >> 8;
    csum[1] = x & 0xff;
    if (is_v4) {
        memset(bytes + 24, 0, 2);
        x = (uint16_t) ~fold(sum_of(bytes + 14, 20));
        bytes[24] = x >> 8;
        bytes[25] = x & 0xff;
    }
    put_output(1);
    run_bytes(compile(), bytes, n);
    after = sent[n_sent - 1].pkt->data;
    CHECK(memcmp(after, bytes, n));
    CHECK(l4_sum(after, s->l4, s->len, s->proto) == 0xffff);
    CHECK(!is_v4 || fold(sum_of(after + 14, 20)) == 0xffff);
}

static const struct sample tcp4 = { "tcp4", 34, 24, 16, 6 };
static const struct sample udp4 = { "udp4 padded", 34, 12, 6, 17 };
static const struct sample icmp4 = { "icmp4", 34, 12, 2, 1 };
static const struct sample tcp6 = { "tcp6 hopopts", 62, 24, 16, 6 };
static const struct sample udp6 = { "udp6", 54, 12, 6, 17 };
static const struct sample echo6 = { "icmp6 echo", 54, 12, 2, 58 };
static const struct sample advert = { "advert", 54, 32, 2, 58 };

/* ## ------------ ##
 * ## The actions. ##
 * ## ------------ ## */

static void
set_eth(void)
{
    PUT(SET_ETH, set_eth, .dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
        .dst_mask = { 0x0f }, .src = { [5] = 0x55 },
        .src_mask = { [5] = 0xff });
    run_frame("loopback");
    CHECK(is_sent(0, 1, "0f0000000002" "020000000055" "90000000"));
}

static void
put_set_ipv4(void)
{
    PUT(SET_IPV4, set_ipv4, .src = 0x01020304, .dst = 0x0a0b0c0d,
        .src_mask = UINT32_MAX, .dst_mask = 0x00ff00ff, .tos = 3, .ttl = 7,
        .tos_mask = UINT8_MAX, .ttl_mask = UINT8_MAX);
}

static void
set_ipv4(void)
{
    put_set_ipv4();
    run_sample(&tcp4);
    CHECK(sent[0].pkt->data[15] == 3 && sent[0].pkt->data[22] == 7);
    put_set_ipv4();
    run_sample(&udp4);
    put_set_ipv4();
    run_sample(&icmp4);

    put_set_ipv4();
    run_frame("udp4 no checksum");
    CHECK(!sent[0].pkt->data[40] && !sent[0].pkt->data[41]);
    put_set_ipv4();
    run_frame("ip4 too long");
    CHECK(is_unchanged("ip4 too long"));
    put_set_ipv4();
    run_frame("tcp6");
    CHECK(is_unchanged("tcp6"));
    put_set_ipv4();
    run_frame("arp");
    CHECK(is_unchanged("arp"));
}

static void
put_set_ipv6(void)
{
    PUT(SET_IPV6, set_ipv6, .src = { 0xfd, [15] = 7 }, .dst = { 0xfd },
        .src_mask = { 0xff, [15] = 0xff }, .dst_mask = { 0xff },
        .tclass = 0x21, .tclass_mask = 0xf3, .hlimit = 3, .hlimit_mask = 0xff,
        .label = agilio_to_be32(0xfff00ccc),
        .label_mask = agilio_to_be32(0xfff00fff));
}

static void
set_ipv6(void)
{
    put_set_ipv6();
    run_sample(&tcp6);
    CHECK(!memcmp(sent[0].pkt->data + 14, "\x62\x91\x2c\xcc", 4));
    CHECK(sent[0].pkt->data[21] == 3);
    put_set_ipv6();
    run_sample(&udp6);
    put_set_ipv6();
    run_sample(&echo6);
    put_set_ipv6();
    run_sample(&advert);

    put_set_ipv6();
    run_frame("tcp6 routing");
    CHECK(!memcmp(sent[0].pkt->data + 94, "\xbe\xef", 2));
    put_set_ipv6();
    run_frame("ip6 cut chain");
    CHECK(is_unchanged("ip6 cut chain"));
    put_set_ipv6();
    run_frame("tcp4");
    CHECK(is_unchanged("tcp4"));
}

static void
put_ports(enum agilio_action_type type)
{
    struct agilio_action_set_ports set = {
        .src = agilio_to_be16(4711), .src_mask = UINT16_MAX,
        .dst = agilio_to_be16(0x00aa), .dst_mask = agilio_to_be16(0x00ff),
    };

    put(type, &set, sizeof set);
}

static void
set_ports(void)
{
    put_ports(AGILIO_ACTION_SET_TCP);
    run_sample(&tcp4);
    CHECK(!memcmp(sent[0].pkt->data + 34, "\x12\x67\x00\xaa", 4));
    put_ports(AGILIO_ACTION_SET_TCP);
    run_sample(&tcp6);
    put_ports(AGILIO_ACTION_SET_UDP);
    run_sample(&udp4);
    put_ports(AGILIO_ACTION_SET_UDP);
    run_sample(&udp6);
    put_ports(AGILIO_ACTION_SET_TCP);
    run_frame("tcp4 short offset");
    CHECK(is_unchanged("tcp4 short offset"));
    put_ports(AGILIO_ACTION_SET_UDP);
    run_frame("udp4 half");
    CHECK(is_unchanged("udp4 half"));
    put_ports(AGILIO_ACTION_SET_UDP);
    run_frame("mpls 1");
    CHECK(is_unchanged("mpls 1"));
}

/* UDP writes a checksum that comes out as 0 as 0xffff. */
static void
udp_zero(void)
{
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_get("udp4", bytes);

    PUT(SET_UDP, set_ports, .src = agilio_to_be16(1001),
        .src_mask = UINT16_MAX);
    put_output(1);
    memset(bytes + 40, 0, 2);
    bytes[41] = 1;              /* The port rises by 1, this falls by 1. */
    run_bytes(compile(), bytes, n);
    CHECK(!memcmp(sent[0].pkt->data + 40, "\xff\xff", 2));
}

/* CRC32c bit by bit. */
static uint32_t
crc32c(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
    }
    return ~crc;
}

static void
sctp_checksum(uint8_t *sctp, size_t n, uint8_t csum[4])
{
    uint8_t was[4];
    uint32_t crc;

    memcpy(was, sctp + 8, 4);
    memset(sctp + 8, 0, 4);
    crc = crc32c(sctp, n);
    memcpy(sctp + 8, was, 4);
    for (int i = 0; i < 4; i++) {
        csum[i] = (uint8_t) (crc >> 8 * i);
    }
}

static void
set_sctp(void)
{
    uint8_t bytes[FRAME_MAX], csum[4];
    size_t n = frame_get("sctp4 padded", bytes);

    CHECK(crc32c((const uint8_t *) "123456789", 9) == 0xe3069283);
    sctp_checksum(bytes + 34, 24, csum);
    memcpy(bytes + 42, csum, 4);
    put_ports(AGILIO_ACTION_SET_SCTP);
    put_output(1);
    run_bytes(compile(), bytes, n);
    CHECK(!memcmp(sent[0].pkt->data + 34, "\x12\x67\x0b\xaa", 4));
    sctp_checksum(sent[0].pkt->data + 34, 24, csum);
    CHECK(!memcmp(sent[0].pkt->data + 42, csum, 4));
}

static void
set_icmp(void)
{
    PUT(SET_ICMP, set_icmp, .type = 3, .type_mask = 0xff, .code = 0xff,
        .code_mask = 4);
    run_sample(&icmp4);
    CHECK(!memcmp(sent[0].pkt->data + 34, "\x03\x04", 2));
    PUT(SET_ICMP, set_icmp, .type = 3, .type_mask = 0xff);
    run_sample(&echo6);
}

static void
set_arp(void)
{
    PUT(SET_ARP, set_arp, .op = agilio_to_be16(2), .op_mask = UINT16_MAX,
        .spa = agilio_to_be32(0x01020304), .spa_mask = UINT32_MAX,
        .tpa = agilio_to_be32(0xff), .tpa_mask = agilio_to_be32(0xff),
        .sha = { 0xaa }, .sha_mask = { 0xff }, .tha = { [5] = 0xbb },
        .tha_mask = { [5] = 0xff });
    run_frame("vlan arp");
    CHECK(is_sent(0, 1, MACS QTAG "0806" "00010800060400" "02"
                  "aa0000000001" "01020304" "0000000000bb" "0a0000ff"));
    PUT(SET_ARP, set_arp, .op = agilio_to_be16(2), .op_mask = UINT16_MAX);
    run_frame("udp4");
    CHECK(is_unchanged("udp4"));
}

/* After three pops, the layer 3 that was behind two tags is said to be 10
 * bytes into the frame, where an address looks like the type of ARP. */
static void
set_arp_popped(void)
{
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_decode("020000000002" "020008060001" QTAG QTAG QTAG
                            "0806" ARP("0001"), bytes);

    for (int i = 0; i < 3; i++) {
        put_pop_vlan();
    }
    PUT(SET_ARP, set_arp, .op = agilio_to_be16(2), .op_mask = UINT16_MAX);
    put_output(1);
    run_bytes(compile(), bytes, n);
    CHECK(is_sent(0, 1, "020000000002" "020008060001" "0806" ARP("0001")));
}

static void
put_set_nd(void)
{
    PUT(SET_ND, set_nd, .target = { [15] = 0x77 },
        .target_mask = { [15] = 0xff }, .sll = { [5] = 0x11 },
        .sll_mask = { [5] = 0xff }, .tll = { [5] = 0x22 },
        .tll_mask = { [5] = 0xff });
}

static void
set_nd(void)
{
    put_set_nd();
    run_sample(&advert);
    CHECK(sent[0].pkt->data[77] == 0x77 && sent[0].pkt->data[85] == 0x22);
    put_set_nd();
    run_frame("solicit nonce");
    CHECK(sent[0].pkt->data[93] == 0x11);
    put_set_nd();
    run_frame("icmp6 echo");
    CHECK(is_unchanged("icmp6 echo"));
}

/* The checksum becomes right, whatever it was; the flags and the type of the
 * first option are set, and of the rest of the frame nothing. */
static void
set_nd_ext(void)
{
    PUT(SET_ND_EXT, set_nd_ext, .reserved = agilio_to_be32(0xe0000001),
        .reserved_mask = UINT32_MAX, .opt_type = 1, .opt_type_mask = 0xff);
    run_sample(&advert);
    CHECK(!memcmp(sent[0].pkt->data + 58, "\xe0\0\0\1", 4));
    CHECK(sent[0].pkt->data[78] == 1 && sent[0].pkt->data[79] == 1);

    PUT(SET_ND_EXT, set_nd_ext, .reserved = agilio_to_be32(0xe0000001),
        .reserved_mask = UINT32_MAX);
    run_frame("advert");        /* Whose checksum is not right. */
    CHECK(sent[0].pkt->data[78] == 2);
    CHECK(l4_sum(sent[0].pkt->data, 54, 32, 58) == 0xffff);

    PUT(SET_ND_EXT, set_nd_ext, .reserved_mask = UINT32_MAX);
    run_frame("icmp6 echo");    /* Too short. */
    CHECK(is_unchanged("icmp6 echo"));
}

/* ## -------- ##
 * ## Headers. ##
 * ## -------- ## */

#define IP_UDP IP4("0020", "0000", "11") UDP

static void
put_push_mpls(uint32_t lse, uint8_t at_front)
{
    PUT(PUSH_MPLS, push_mpls, .lse = agilio_to_be32(lse),
        .eth_type = agilio_to_be16(0x8847), .at_front = at_front);
}

static void
put_pop_mpls(uint16_t eth_type)
{
    PUT(POP_MPLS, pop_mpls, .eth_type = agilio_to_be16(eth_type));
}

static bool
are_offsets(uint16_t l2_5, uint16_t l3, uint16_t l4)
{
    const struct agl_pkt *pkt = sent[n_sent - 1].pkt;

    return pkt->l2_5_ofs == l2_5 && pkt->l3_ofs == l3 && pkt->l4_ofs == l4;
}

static bool
is_packet_type(uint32_t packet_type)
{
    return sent[n_sent - 1].pkt->md.packet_type == agilio_to_be32(packet_type);
}

static void
push_mpls(void)
{
    put_push_mpls(0x00010140, 0);
    put_push_mpls(0x00020040, 0);
    run_frame("udp4");
    CHECK(is_sent(0, 1, MACS "8847" "00020040" "00010140" IP_UDP));
    CHECK(are_offsets(14, 22, 42) && is_packet_type(0));

    put_push_mpls(0x00010140, 0);       /* Behind the tag. */
    run_frame("vlan arp");
    CHECK(is_sent(0, 1, MACS QTAG "8847" "00010140" ARP("0001")));

    put_push_mpls(0x00010140, 1);
    run_frame("udp4");
    CHECK(is_sent(0, 1, "00010140" MACS "0800" IP_UDP));
    CHECK(are_offsets(0, 14, 34) && is_packet_type(0x18847));
    CHECK(sent[0].pkt->l4_len == 16);
}

static void
pop_mpls(void)
{
    put_pop_mpls(0x0800);
    run_frame("mpls 1");
    CHECK(is_sent(0, 1, MACS "0800" IP_UDP));
    CHECK(are_offsets(AGL_OFS_NONE, 14, AGL_OFS_NONE));
    CHECK(!sent[0].pkt->has_hash);

    put_pop_mpls(0x8847);
    run_frame("mpls 2");
    CHECK(is_sent(0, 1, MACS "8847" "00020140" "45000000"));
    CHECK(are_offsets(14, 18, AGL_OFS_NONE));

    put_pop_mpls(0x0800);
    run_frame("udp4");
    CHECK(is_unchanged("udp4"));
    put_pop_mpls(0x0800);       /* Half a label. */
    run_frame("mpls none");
    CHECK(is_sent(0, 1, "020000000002" "020000000001"));

    /* A whole Ethernet frame comes to light. */
    put_push_mpls(0x00010140, 1);
    put_pop_mpls(0x6558);
    run_frame("udp4");
    CHECK(is_unchanged("udp4") && is_packet_type(0));
    put_push_mpls(0x00010140, 1);
    put_pop_mpls(0x0800);
    run_frame("udp4");
    CHECK(is_unchanged("udp4") && is_packet_type(0x10800));
}

/* The sequence that OVS makes if a patch port or a bucket pushes, and what
 * comes after it sets layer 3. */
static void
push_pop_set(void)
{
    put_push_mpls(0x00010140, 0);
    put_output(2);
    put_pop_mpls(0x0800);
    put_set_ipv4();
    run_sample(&tcp4);
    CHECK(n_sent == 2 && sent[0].port == 2 && sent[1].port == 1);
}

static void
set_mpls(void)
{
    PUT(SET_MPLS, set_mpls, .lse = agilio_to_be32(0x00f000ff),
        .lse_mask = agilio_to_be32(0x00f000ff));
    run_frame("mpls 2");
    CHECK(is_sent(0, 1, MACS "8847" "00f100ff" "00020140" "45000000"));
    PUT(SET_MPLS, set_mpls, .lse_mask = UINT32_MAX);
    run_frame("mpls none");
    CHECK(is_sent(0, 1, MACS "8847" "0000"));
    PUT(SET_MPLS, set_mpls, .lse_mask = UINT32_MAX);
    run_frame("udp4");
    CHECK(is_unchanged("udp4"));
}

static void
put_push_eth(void)
{
    PUT(PUSH_ETH, push_eth, .src = { 2, [5] = 1 }, .dst = { 2, [5] = 2 });
}

static void
put_pop_eth(void)
{
    PUT(POP_ETH, pop_eth, .action = { 0 });
}

static void
eth_header(void)
{
    put_pop_eth();
    run_frame("vlan tcp4");
    CHECK(is_sent(0, 1, IP4("002c", "0000", "06") TCP "61626364"));
    CHECK(is_packet_type(0x10800) && are_offsets(AGL_OFS_NONE, 0, 20));
    put_pop_eth();
    put_pop_eth();
    put_pop_vlan();
    put_push_eth();
    put_push_eth();
    run_frame("udp4");
    CHECK(is_unchanged("udp4") && is_packet_type(0));
    CHECK(are_offsets(AGL_OFS_NONE, 14, 34));
    put_pop_eth();
    run_frame("mpls 2");
    CHECK(is_sent(0, 1, "00010040" "00020140" "45000000"));
    CHECK(is_packet_type(0x18847) && are_offsets(0, 8, AGL_OFS_NONE));
    put_push_eth();
    run_frame("udp4");          /* It has one. */
    CHECK(is_unchanged("udp4"));
}

/* Layer 3 is set as well where there is no Ethernet header. */
static void
set_without_eth(void)
{
    put_pop_eth();
    put_set_ipv4();
    put_push_eth();
    run_sample(&tcp4);
    CHECK(sent[0].pkt->data[22] == 7);
    put_pop_eth();
    PUT(SET_ETH, set_eth, .dst_mask = { 0xff });
    PUT(SET_ARP, set_arp, .op = agilio_to_be16(2), .op_mask = UINT16_MAX);
    put_push_eth();
    run_frame("arp");
    CHECK(is_sent(0, 1, MACS "0806" ARP("0002")));
}

/* ## ---- ##
 * ## NSH. ##
 * ## ---- ## */

#define NSH(NEXT) "0fc601" NEXT "00000aff" "00000001" "00000002" "00000003" \
    "00000004"

static void
put_push_nsh(const char *hex)
{
    uint8_t bytes[sizeof(struct agilio_action_push_nsh) + 256];
    size_t head = sizeof(struct agilio_action_push_nsh);
    size_t n = frame_decode(hex, bytes + head);
    agilio_le32 len = agilio_to_le32((uint32_t) n);

    memcpy(bytes + offsetof(struct agilio_action_push_nsh, header_len), &len,
           sizeof len);
    put(AGILIO_ACTION_PUSH_NSH, bytes, head + n);
}

static void
push_nsh(void)
{
    put_push_nsh(NSH("ff"));
    run_frame("udp4 padded");
    CHECK(is_sent(0, 1, NSH("03") MACS "0800" IP_UDP "ff00ff00ff"));
    CHECK(is_packet_type(0x1894f));
    CHECK(are_offsets(AGL_OFS_NONE, 0, AGL_OFS_NONE));
    CHECK(!sent[0].pkt->pad_len && !sent[0].pkt->l4_len);

    put_pop_eth();
    put_push_nsh("0fc20200" "00000101");
    put_push_nsh("0fc20200" "00000102");
    put_push_eth();
    run_frame("udp4");
    CHECK(is_sent(0, 1, MACS "894f" "0fc20204" "00000102" "0fc20201"
                  "00000101" IP_UDP));
    CHECK(are_offsets(AGL_OFS_NONE, 14, AGL_OFS_NONE));
    put_pop_eth();
    put_push_nsh("0fc20200" "00000101");
    run_frame("udp6");
    CHECK(sent[0].pkt->data[3] == 2);
    put_pop_eth();              /* No next protocol stands for MPLS. */
    put_push_nsh("0fc20200" "00000101");
    put_push_eth();
    run_frame("mpls 1");
    CHECK(is_unchanged("mpls 1"));
}

/* Runs POP_NSH on the NSH packet 'hex'. */
static void
run_pop_nsh(const char *hex)
{
    uint8_t bytes[FRAME_MAX];

    PUT(POP_NSH, pop_nsh, .action = { 0 });
    put_output(1);
    run_l3_type = 0x894f;
    run_program(compile(), bytes, frame_decode(hex, bytes));
    run_l3_type = 0;
}

static bool
is_nsh_dropped(void)
{
    return !n_sent && n_dropped == 1 && dropped == AGILIO_COUNTER_DROP_NSH;
}

static void
pop_nsh(void)
{
    run_pop_nsh(NSH("03") MACS "0800" IP_UDP);
    CHECK(is_sent(0, 1, MACS "0800" IP_UDP) && is_packet_type(0));
    CHECK(are_offsets(AGL_OFS_NONE, AGL_OFS_NONE, AGL_OFS_NONE));
    run_pop_nsh(NSH("01") IP_UDP);
    CHECK(is_sent(0, 1, IP_UDP) && is_packet_type(0x10800));
    run_pop_nsh("0fc20202" "00000101" "60");
    CHECK(is_sent(0, 1, "60") && is_packet_type(0x186dd));
    run_pop_nsh("0fc20204" "00000101" NSH("03"));
    CHECK(is_sent(0, 1, NSH("03")) && is_packet_type(0x1894f));
    run_pop_nsh("0fc20204" "00000101");
    CHECK(is_sent(0, 1, ""));

    run_pop_nsh(NSH("05") "00010140");  /* MPLS: not in OVS. */
    CHECK(is_nsh_dropped());
    run_pop_nsh("0fc60103" "00000aff" "0000");
    CHECK(is_nsh_dropped());
    run_pop_nsh("0fc201");
    CHECK(is_nsh_dropped());
    run_pop_nsh("");
    CHECK(is_nsh_dropped());

    PUT(POP_NSH, pop_nsh, .action = { 0 });
    run_frame("nsh");           /* It begins with Ethernet. */
    CHECK(is_unchanged("nsh"));
}

static void
set_nsh(void)
{
    PUT(SET_NSH, set_nsh,
        .nsh = { .flags = 2, .ttl = 5, .path_hdr = agilio_to_be32(0x1200),
                 .context = { [3] = agilio_to_be32(0xf0) } },
        .nsh_mask = { .flags = 3, .ttl = 0x3f,
                      .path_hdr = agilio_to_be32(0xff00),
                      .context = { [3] = agilio_to_be32(0xf0) } });
    run_frame("nsh");
    CHECK(is_sent(0, 1, MACS "894f" "21460103" "000012ff" "00000001"
                  "00000002" "00000003" "000000f4" "0800"));
    PUT(SET_NSH, set_nsh, .nsh = { .ttl = 1 },
        .nsh_mask = { .ttl = 1, .context = { UINT32_MAX } });
    run_frame("nsh md2");
    CHECK(is_unchanged("nsh md2"));     /* Its context is none. */
    PUT(SET_NSH, set_nsh, .nsh_mask = { .ttl = 0xff });
    run_frame("udp4");
    CHECK(is_unchanged("udp4"));
}

static void
set_meta(void)
{
    const struct agilio_metadata *md;

    PUT(SET_META, set_meta, .priority = agilio_to_le32(0x1234),
        .priority_mask = UINT32_MAX, .mark = agilio_to_le32(0x0f),
        .mark_mask = agilio_to_le32(0xff), .dp_hash = agilio_to_le32(9),
        .dp_hash_mask = UINT32_MAX);
    PUT(SET_META, set_meta, .mark = agilio_to_le32(0x50),
        .mark_mask = agilio_to_le32(0xf0), .recirc_id = agilio_to_le32(7),
        .recirc_id_mask = UINT32_MAX);
    run_frame("udp4");
    md = &sent[0].pkt->md;
    CHECK(is_unchanged("udp4"));
    CHECK(agilio_from_le32(md->skb_priority) == 0x1234);
    CHECK(agilio_from_le32(md->pkt_mark) == 0x5f);
    CHECK(agilio_from_le32(md->dp_hash) == 9);
    CHECK(agilio_from_le32(md->recirc_id) == 7);
}

int
main(void)
{
    RUN(set_eth);
    RUN(set_ipv4);
    RUN(set_ipv6);
    RUN(set_ports);
    RUN(udp_zero);
    RUN(set_sctp);
    RUN(set_icmp);
    RUN(set_arp);
    RUN(set_arp_popped);
    RUN(set_nd);
    RUN(set_nd_ext);
    RUN(push_mpls);
    RUN(pop_mpls);
    RUN(push_pop_set);
    RUN(set_mpls);
    RUN(eth_header);
    RUN(set_without_eth);
    RUN(push_nsh);
    RUN(pop_nsh);
    RUN(set_nsh);
    RUN(set_meta);
    return summary();
}
