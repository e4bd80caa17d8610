/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-translate.c - lib/agilio-match.c, -actions.c, -flow.c and -format.c.
 *
 * Flows and actions as dpctl prints them go through OVS's own parsers, then
 * through the translation, and come back as text.  Links libopenvswitch.
 */

#include <config.h>

#include "agilio-format.h"
#include "agilio-hooks.h"
#include "agilio-object.h"
#include "agilio-translate.h"
#include "check.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

/* Ports 1 to 63 are the NIC's; port 100 + n is a tunnel of type n. */
static struct agilio_port_ref
lookup(odp_port_t port, void *aux OVS_UNUSED)
{
    uint32_t slot = odp_to_u32(port);
    struct agilio_port_ref ref = agilio_host_port(port);

    if (slot && slot < 64) {
        ref.id = agilio_port_id(slot, 1);
    } else if (slot > 100 && slot < 100 + AGILIO_N_TUNNELS) {
        ref.tunnel = slot - 100;
    }
    return ref;
}

/* Which of agilio_translate_reasons[] have been seen. */
static bool seen[128];

static void
note(const char *reason)
{
    size_t i;

    for (i = 0; agilio_translate_reasons[i].reason; i++) {
        if (!strcmp(agilio_translate_reasons[i].reason, reason)) {
            seen[i] = true;
            return;
        }
    }
    printf("not listed: %s\n", reason);
    CHECK(false);
}

/* Does what dpif_netdev_flow_put() does. */
static void
parse_match(const char *s, struct match *match)
{
    struct ofpbuf key, mask;
    char *error = NULL;

    memset(match, 0, sizeof *match);
    ofpbuf_init(&key, 0);
    ofpbuf_init(&mask, 0);
    if (odp_flow_from_string(s, NULL, &key, &mask, &error)
        || odp_flow_key_to_flow(key.data, key.size, &match->flow, NULL)
        || odp_flow_key_to_mask(mask.data, mask.size, &match->wc,
                                &match->flow, NULL)) {
        printf("bad flow: %s (%s)\n", s, error ? error : "no reason");
        CHECK(false);
    }
    if (!match->wc.masks.vlans[0].tci) {
        match->wc.masks.vlans[0].tci = htons(VLAN_VID_MASK | VLAN_CFI);
    }
    CHECK(match->wc.masks.in_port.odp_port == ODPP_NONE);
    free(error);
    ofpbuf_uninit(&key);
    ofpbuf_uninit(&mask);
}

static void
get_words(struct agilio_reader *r, uint64_t map, struct agilio_key *key)
{
    memset(key, 0, sizeof *key);
    for (size_t i = 0; i < 64; i++) {
        if (map >> i & 1) {
            const void *word = agilio_get_bytes(r, 8);

            CHECK(i < AGILIO_KEY_WORDS && word);
            if (i < AGILIO_KEY_WORDS && word) {
                memcpy((uint8_t *) key + i * 8, word, 8);
            }
        }
    }
}

/* Reads a FLOW_PUT as the NIC does, and writes "MATCH -> PROGRAM". */
static void
format_put(struct ds *ds, const void *body, size_t len)
{
    struct agilio_reader r = { body, (const uint8_t *) body + len, false };
    struct agilio_key key, mask;
    size_t n_words, program_len;
    const void *program;
    uint64_t map;

    CHECK(agilio_get_u32(&r) == 1234);
    n_words = agilio_get_u16(&r);
    program_len = agilio_get_u16(&r);
    map = agilio_get_u64(&r);
    CHECK(count_1bits(map) == n_words);
    get_words(&r, map, &key);
    get_words(&r, map, &mask);
    program = agilio_get_bytes(&r, program_len);
    CHECK(!r.bad && r.p == r.end);

    agilio_format_match(ds, &key, &mask);
    ds_put_cstr(ds, " -> ");
    agilio_format_program(ds, program, program_len);
    for (size_t i = 0; i < sizeof key; i++) {
        CHECK(!(((uint8_t *) &key)[i] & ~((uint8_t *) &mask)[i]));
    }
}

/* Translates a flow to text: "MATCH -> PROGRAM", "match: why", or "action: why
 * -> to_host(...)". */
static char *
translate(const struct match *match, const struct nlattr *actions, size_t n)
{
    static uint8_t body[AGILIO_MAX_MSG];
    struct ds ds = DS_EMPTY_INITIALIZER;
    enum agilio_verdict verdict;
    const char *reason;
    size_t len;

    verdict = agilio_translate_flow(
        match, actions, n, 1234,
        lookup(match->flow.in_port.odp_port, NULL).id, lookup, NULL,
        body, &len, &reason);
    CHECK((verdict == AGILIO_ON_NIC) == !reason);
    if (reason) {
        note(reason);
        ds_put_cstr(&ds, reason);
    }
    CHECK((verdict == AGILIO_UNMATCHABLE)
          == (reason && !strncmp(reason, "match: ", 7)));
    if (verdict == AGILIO_ON_NIC) {
        format_put(&ds, body, len);
    } else if (verdict != AGILIO_UNMATCHABLE) {
        struct ds put = DS_EMPTY_INITIALIZER;

        format_put(&put, body, len);
        ds_put_cstr(&ds, strstr(ds_cstr(&put), " -> "));
        ds_destroy(&put);
    }
    return ds_steal_cstr(&ds);
}

static void
check_text(const char *what, char *got, const char *want)
{
    if (strcmp(got, want)) {
        printf("%s:\n  got  %s\n  want %s\n", what, got, want);
        CHECK(false);
    }
    free(got);
}

/* ## ------- ##
 * ## Matches. ##
 * ## ------- ## */

#define IN "in_port(1),eth(),"
#define ANY IN "eth_type(0x1234)"
#define IP4 IN "eth_type(0x800),"
#define IP6 IN "eth_type(0x86dd),"

#define KEY "in_port=0x10001,recirc_id=0,"
#define NO_VLAN "vlan0_tpid=0x0000,vlan0_tci=0x0000"

static void
test_match(void)
{
    static const struct {
        const char *flow, *want;
    } rows[] = {
        { ANY, KEY "eth_type=0x1234," NO_VLAN " -> drop" },
        { "in_port(2),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),"
          "eth_type(0x1234)",
          "in_port=0x10002,recirc_id=0,eth_dst=00:00:00:00:00:02,"
          "eth_type=0x1234,eth_src=00:00:00:00:00:01," NO_VLAN " -> drop" },
        { "in_port(1),eth(dst=01:00:00:00:00:00/01:00:00:00:00:00),"
          "eth_type(0x1234)",
          KEY "eth_dst=01:00:00:00:00:00/01:00:00:00:00:00,eth_type=0x1234,"
          NO_VLAN " -> drop" },
        { "skb_priority(0),skb_mark(0/0xff),ct_state(0),ct_zone(0),"
          "ct_mark(0),ct_label(0),recirc_id(0),dp_hash(0),packet_type(ns=0,"
          "id=0)," ANY,
          KEY "dp_hash=0,skb_priority=0,pkt_mark=0/0xff,"
          "packet_type=0x00000000,eth_type=0x1234," NO_VLAN " -> drop" },
        { IN "eth_type(0x8100),vlan(vid=5,pcp=3),encap(eth_type(0x800),"
          "ipv4(frag=no))",
          KEY "eth_type=0x0800,vlan0_tpid=0x8100,vlan0_tci=0x7005,"
          "nw_frag=0x00/0x03 -> drop" },
        { IN "eth_type(0x8100),vlan(vid=5/0xfff,pcp=0/0),"
          "encap(eth_type(0x800),ipv4(frag=no))",
          KEY "eth_type=0x0800,vlan0_tpid=0x8100,vlan0_tci=0x1005/0x1fff,"
          "nw_frag=0x00/0x03 -> drop" },
        { IN "eth_type(0x88a8),vlan(vid=5,pcp=0),encap(eth_type(0x8100),"
          "vlan(vid=6,pcp=0),encap(eth_type(0x1234)))",
          KEY "eth_type=0x1234,vlan0_tpid=0x88a8,vlan0_tci=0x1005,"
          "vlan1_tpid=0x8100,vlan1_tci=0x1006 -> drop" },
        { IN "eth_type(0x8847),mpls(label=16,tc=1,ttl=64,bos=0,label=17,"
          "tc=0,ttl=2,bos=0,label=18,tc=0,ttl=3,bos=1)",
          KEY "eth_type=0x8847," NO_VLAN ",mpls_lse0=0x00010240,"
          "mpls_lse1=0x00011002,mpls_lse2=0x00012103 -> drop" },
        { IN "eth_type(0x806),arp(sip=10.0.0.1,tip=10.0.0.0/255.255.255.0,"
          "op=1,sha=00:00:00:00:00:01,tha=00:00:00:00:00:02)",
          KEY "eth_type=0x0806," NO_VLAN ",nw_proto=1,nw_src=10.0.0.1,"
          "nw_dst=10.0.0.0/255.255.255.0,arp_sha=00:00:00:00:00:01,"
          "arp_tha=00:00:00:00:00:02 -> drop" },
        { IP4 "ipv4(src=10.0.0.0/255.0.0.0,dst=10.0.0.2,proto=6,"
          "tos=0x10/0xfc,ttl=64,frag=no),tcp(src=80,dst=0x400/0xfc00),"
          "tcp_flags(+syn-ack)",
          KEY "eth_type=0x0800,tcp_flags=0x0002/0x0012," NO_VLAN ","
          "nw_proto=6,nw_tos=0x10/0xfc,nw_ttl=64,nw_frag=0x00/0x03,"
          "nw_src=10.0.0.0/255.0.0.0,nw_dst=10.0.0.2,tp_src=80,"
          "tp_dst=1024/0xfc00 -> drop" },
        { IP4 "ipv4(proto=17,frag=first),udp(dst=53)",
          KEY "eth_type=0x0800," NO_VLAN ",nw_proto=17,nw_frag=0x01/0x03,"
          "tp_dst=53 -> drop" },
        { IP4 "ipv4(proto=17,frag=later)",
          KEY "eth_type=0x0800," NO_VLAN ",nw_proto=17,"
          "nw_frag=0x03/0x03 -> drop" },
        { IP4 "ipv4(proto=132,frag=no),sctp(src=1,dst=2)",
          KEY "eth_type=0x0800," NO_VLAN ",nw_proto=132,nw_frag=0x00/0x03,"
          "tp_src=1,tp_dst=2 -> drop" },
        { IP4 "ipv4(proto=1,frag=no),icmp(type=8,code=0)",
          KEY "eth_type=0x0800," NO_VLAN ",nw_proto=1,nw_frag=0x00/0x03,"
          "tp_src=8/0x00ff,tp_dst=0/0x00ff -> drop" },
        { IP6 "ipv6(src=fc00::1,dst=fc00::/ffff:ffff::,label=0x12345,"
          "proto=58,tclass=0x2,hlimit=255,frag=no),icmpv6(type=135,code=0),"
          "nd(target=fe80::1,sll=00:00:00:00:00:01,tll=00:00:00:00:00:02),"
          "nd_ext(nd_reserved=0x40000000,nd_options_type=1)",
          KEY "eth_type=0x86dd,tcp_flags=0x0001/0x00ff," NO_VLAN ","
          "nw_proto=58,nw_tos=0x02,nw_ttl=255,nw_frag=0x00/0x03,"
          "ipv6_src=fc00::1,ipv6_dst=fc00::/ffff:ffff::,"
          "ipv6_label=0x00012345/0x000fffff,tp_src=135/0x00ff,"
          "tp_dst=0/0x00ff,nd_target=fe80::1,arp_sha=00:00:00:00:00:01,"
          "arp_tha=00:00:00:00:00:02,igmp_group=0x40000000 -> drop" },
        { "recirc_id(0x12)," ANY,
          "in_port=0x10001,recirc_id=0x12,eth_type=0x1234," NO_VLAN
          " -> drop" },
        { "recirc_id(1),dp_hash(0x1/0xf)," ANY,
          "in_port=0x10001,recirc_id=0x1,dp_hash=0x1/0xf,eth_type=0x1234,"
          NO_VLAN " -> drop" },
        { "skb_priority(1),skb_mark(0x10/0xff)," ANY,
          KEY "skb_priority=0x1,pkt_mark=0x10/0xff,eth_type=0x1234," NO_VLAN
          " -> drop" },
        { "tunnel(tun_id=0x1,src=1.1.1.1,dst=1.1.1.2,tos=4,ttl=64,tp_src=1,"
          "tp_dst=4789,flags(key)),in_port(101),eth(),eth_type(0x1234)",
          "in_port=0x80000065,recirc_id=0,tun_id=0x0000000000000001,"
          "tun_src=1.1.1.1,tun_dst=1.1.1.2,tun_flags=0x8/0xf,tun_tos=0x04,"
          "tun_ttl=64,tun_tp_src=1,tun_tp_dst=4789,eth_type=0x1234," NO_VLAN
          " -> drop" },
        { "packet_type(ns=1,id=0x800),in_port(1),eth_type(0x800),"
          "ipv4(frag=no)",
          KEY "packet_type=0x00010800,eth_type=0x0800," NO_VLAN
          ",nw_frag=0x00/0x03 -> drop" },
        { "ct_state(+trk)," ANY, "match: ct_state" },
        { "ct_zone(5)," ANY, "match: ct_zone" },
        { "ct_mark(5)," ANY, "match: ct_mark" },
        { "ct_label(5)," ANY, "match: ct_label" },
        { "ct_tuple4(src=1.1.1.1,dst=0.0.0.0,proto=6,tp_src=1,tp_dst=2)," IP4
          "ipv4(frag=no)",
          "match: ct_tuple" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct match match;

        parse_match(rows[i].flow, &match);
        check_text(rows[i].flow, translate(&match, NULL, 0), rows[i].want);
    }
}

/* A packet's whole flow with some wildcards, as after an upcall: bits that
 * have no mask do not come through. */
static void
test_upcall(void)
{
    struct match match;

    memset(&match, 0, sizeof match);
    memset(&match.flow, 0xa5, sizeof match.flow);
    match.flow.in_port.odp_port = u32_to_odp(2);
    match.wc.masks.in_port.odp_port = ODPP_NONE;
    match.flow.recirc_id = 0;
    match.wc.masks.recirc_id = UINT32_MAX;
    match.wc.masks.dl_type = OVS_BE16_MAX;
    match.wc.masks.nw_dst = htonl(0xffffff00);
    match.wc.masks.vlans[0].tci = htons(VLAN_VID_MASK | VLAN_CFI);
    check_text("upcall", translate(&match, NULL, 0),
               "in_port=0x10002,recirc_id=0,eth_type=0xa5a5,"
               "vlan0_tci=0x05a5/0x1fff,"
               "nw_dst=165.165.165.0/255.255.255.0 -> drop");
}

/* Matches on bit 'bit' of struct flow alone, which must be 'value'.  Returns
 * how many bits of the NIC's mask that takes; -1 if it gives a reason. */
static int
match_one_bit(size_t bit, bool value)
{
    struct agilio_key key, mask;
    struct match match;
    const char *reason;
    int n = 0;

    memset(&match, 0, sizeof match);
    ((uint8_t *) &match.wc.masks)[bit / 8] = 1 << bit % 8;
    ((uint8_t *) &match.flow)[bit / 8] = value << bit % 8;
    reason = agilio_translate_match(&match, 0x10001, &key, &mask);
    if (reason) {
        note(reason);
        return -1;
    }
    CHECK(agilio_from_le32(key.md.in_port) == 0x10001);
    CHECK(agilio_from_le32(mask.md.in_port) == UINT32_MAX);
    key.md.in_port = mask.md.in_port = 0;
    for (size_t i = 0; i < sizeof key; i++) {
        uint8_t m = ((uint8_t *) &mask)[i];

        CHECK(((uint8_t *) &key)[i] == (value ? m : 0));
        n += count_1bits(m);
    }
    return n;
}

/* Whether byte 'ofs' of struct flow is 0 in every packet on the NIC: what
 * belongs to conntrack and OpenFlow. */
static bool
is_always_0(size_t ofs)
{
#define IS_IN(FIRST, LAST)                              \
    (ofs >= offsetof(struct flow, FIRST)                \
     && ofs < OFFSETOFEND(struct flow, LAST))
    return (IS_IN(metadata, regs)
            || (ofs > offsetof(struct flow, tunnel.metadata.present)
                && ofs < offsetof(struct flow, tunnel.metadata.opts))
            || IS_IN(ct_state, ct_mark)
            || IS_IN(ct_label, actset_output)
            || IS_IN(ct_nw_src, ct_nw_dst)
            || IS_IN(ct_ipv6_src, ct_ipv6_dst)
            || IS_IN(ct_tp_src, ct_tp_dst));
#undef IS_IN
}

/* No bit of a mask gets lost: it is in the NIC's mask, or gives a reason, or
 * wants 0 of a field that is always 0. */
static void
test_every_bit(void)
{
    size_t in_port = offsetof(struct flow, in_port);

    for (size_t bit = 0; bit < sizeof(struct flow) * 8; bit++) {
        int n0 = match_one_bit(bit, false);
        int n1 = match_one_bit(bit, true);
        bool good;

        if (bit / 8 >= in_port && bit / 8 < in_port + 4) {
            good = !n0 && !n1;  /* Always exact, and the caller's. */
        } else if (is_always_0(bit / 8)) {
            good = n0 >= 0 && n1 == -1;
        } else {
            good = n0 == n1 && n0 != 0;
        }
        if (!good) {
            printf("bit %"PRIuSIZE" of byte %"PRIuSIZE": %d %d\n",
                   bit % 8, bit / 8, n0, n1);
        }
        CHECK(good);
    }
}

/* There is no field of the key that no flow can match on. */
static void
test_every_field(void)
{
    struct agilio_key key, mask;
    struct match match;

    memset(&match, 0, sizeof match);
    memset(&match.wc.masks, 0xff, sizeof match.wc.masks);
    agilio_translate_match(&match, 0x10001, &key, &mask);
#define FIELD(NAME, MEMBER, STYLE) \
    CHECK(is_all_ones(&mask.MEMBER, sizeof mask.MEMBER));
    AGILIO_FIELDS(FIELD)
#undef FIELD
}

/* ## ------- ##
 * ## Actions. ##
 * ## ------- ## */

#define UNABLE " -> to_host(unable)"
#define HOST " -> to_host(host)"

static char *
translate_actions(const struct ofpbuf *actions)
{
    struct match match;
    char *text, *arrow;

    parse_match(ANY, &match);
    text = translate(&match, actions->data, actions->size);
    arrow = strstr(text, " -> ");
    if (!strncmp(text, "in_port", 7) && arrow) {
        memmove(text, arrow + 4, strlen(arrow + 4) + 1);
    }
    return text;
}

#define TUNNEL_HEADER(SIZE, TYPE, PROTO)                                  \
    "header(size=" SIZE ",type=" TYPE ","                                 \
    "eth(dst=f8:bc:12:44:34:b6,src=f8:bc:12:46:58:e0,dl_type=0x0800),"    \
    "ipv4(src=1.1.2.88,dst=1.1.2.92,proto=" PROTO ",tos=0,ttl=64,"        \
    "frag=0x4000),"
#define VXLAN_HEADER TUNNEL_HEADER("50", "4", "17") \
    "udp(src=0,dst=4789,csum=0x0),vxlan(flags=0x8000000,vni=0x1c7))"
#define GENEVE_HEADER TUNNEL_HEADER("58", "5", "17") \
    "udp(src=0,dst=6081,csum=0x0),geneve(crit,vni=0x1c7," \
    "options({class=0xffff,type=0x80,len=4,0xa})))"
#define GRE_HEADER TUNNEL_HEADER("42", "3", "47") \
    "gre((flags=0x2000,proto=0x6558),key=0x1e241))"
#define GRE_SEQ_HEADER TUNNEL_HEADER("46", "3", "47") \
    "gre((flags=0x3000,proto=0x6558),key=0x1e241,seq=0x0))"

static const struct action_row {
    const char *actions, *want;
} action_rows[] = {
    { "drop", "drop" },
    { "2", "output(0x10002)" },
    { "1,2,3", "output(0x10001),output(0x10002),output(0x10003)" },
    { "100", "output: host port" HOST },
    { "2,100", "output: host port" HOST },
    { "ct,100", "output: host port" HOST },
    { "2,ct,3", "action: ct" UNABLE },
    { "userspace(pid=9765,slow_path(cfm))", "action: userspace" HOST },
    { "push_vlan(vid=12,pcp=1),2,pop_vlan,3",
      "push_vlan(tpid=0x8100,tci=0x300c),output(0x10002),pop_vlan,"
      "output(0x10003)" },
    { "push_vlan(tpid=0x88a8,vid=13,pcp=5,cfi=0)",
      "push_vlan(tpid=0x88a8,tci=0xa00d)" },
    { "push_vlan(tpid=0x9100,vid=13,pcp=5)", "action: malformed" UNABLE },
    { "set(eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)),2",
      "set_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),output(0x10002)" },
    { "set(eth(dst=00:00:00:00:00:02)),2",
      "set_eth(dst=00:00:00:00:00:02),output(0x10002)" },
    { "set(eth(dst=01:00:00:00:00:00/01:00:00:00:00:00)),2",
      "set_eth(dst=01:00:00:00:00:00/01:00:00:00:00:00),output(0x10002)" },
    { "set(ipv4(src=1.2.3.4,dst=5.6.7.8,proto=6,tos=0x80,ttl=63,frag=no))",
      "set_ipv4(src=1.2.3.4,dst=5.6.7.8,tos=0x80,ttl=63)" },
    { "set(ipv4(src=10.0.0.0/255.0.0.0,tos=0x80/0xfc,ttl=63))",
      "set_ipv4(src=10.0.0.0/255.0.0.0,tos=0x80/0xfc,ttl=63)" },
    { "set(ipv4(src=10.0.0.1/255.0.0.0))", "action: malformed" UNABLE },
    { "set(ipv6(src=::1,dst=::2,label=0x12345,proto=6,tclass=0x70,"
      "hlimit=128,frag=no))",
      "set_ipv6(src=::1,dst=::2,label=0x00012345/0x000fffff,tclass=0x70,"
      "hlimit=128)" },
    { "set(ipv6(dst=fc00::/ffff::,label=0x12000/0xff000,hlimit=1))",
      "set_ipv6(dst=fc00::/ffff::,label=0x00012000/0x000ff000,hlimit=1)" },
    { "set(tcp(src=80,dst=8080))", "set_tcp(src=80,dst=8080)" },
    { "set(tcp(dst=0x1f00/0xff00))", "set_tcp(dst=7936/0xff00)" },
    { "set(udp(src=80,dst=8080))", "set_udp(src=80,dst=8080)" },
    { "set(udp(src=81))", "set_udp(src=81)" },
    { "set(sctp(src=80,dst=8080))", "set_sctp(src=80,dst=8080)" },
    { "set(sctp(dst=9))", "set_sctp(dst=9)" },
    { "set(icmp(type=3,code=1))", "set_icmp(type=3,code=1)" },
    { "set(icmp(type=3))", "action: malformed" UNABLE },
    { "set(icmpv6(type=128,code=0))", "set_icmp(type=128,code=0)" },
    { "set(icmpv6(code=1))", "action: malformed" UNABLE },
    { "set(arp(sip=10.0.0.1,tip=10.0.0.2,op=2,sha=00:00:00:00:00:01,"
      "tha=00:00:00:00:00:02)),1",
      "set_arp(spa=10.0.0.1,tpa=10.0.0.2,sha=00:00:00:00:00:01,"
      "tha=00:00:00:00:00:02,op=2),output(0x10001)" },
    { "set(arp(op=2,tha=00:00:00:00:00:02))",
      "set_arp(tha=00:00:00:00:00:02,op=2)" },
    { "set(nd(target=fe80::1,sll=00:00:00:00:00:01,tll=00:00:00:00:00:02))",
      "set_nd(target=fe80::1,sll=00:00:00:00:00:01,tll=00:00:00:00:00:02)" },
    { "set(nd(target=fe80::/ffff::,tll=00:00:00:00:00:02))",
      "set_nd(target=fe80::/ffff::,tll=00:00:00:00:00:02)" },
    { "set(nd_ext(nd_reserved=0x40000000,nd_options_type=1))",
      "set_nd_ext(reserved=0x40000000,opt_type=1)" },
    { "set(skb_priority(1))", "set_meta(priority=0x1)" },
    { "set(skb_mark(1/0xf))", "set_meta(mark=0x1/0xf)" },
    { "set(dp_hash(1))", "set_meta(dp_hash=0x1)" },
    { "set(mpls(label=16,tc=1,ttl=64,bos=1))", "set_mpls(lse=0x00010340)" },
    { "set(nd_ext(nd_reserved=0x40000000/0x40000000))",
      "set_nd_ext(reserved=0x40000000)" },
    { "set(tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(key))),2",
      "set_tunnel(tunnel=0x00000000000000010101010102020202"
      "00000000000000000000000000000000"
      "0000000000000000000000000000000008000040,0x),output(0x10002)" },
    { "set(tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,flags(key))),2",
      "action: malformed" UNABLE },
    { "set(in_port(2))", "action: malformed" UNABLE },
    { "ct(commit,zone=5)", "action: ct" UNABLE },
    { "ct_clear,2", "output(0x10002)" },
    { "2,recirc(18),3", "output(0x10002),recirc(0x12),output(0x10003)" },
    { "lb_output(1),2", "lb_output(0),output(0x10002)" },
    { "lb_output(7)", "bond: not on the NIC" UNABLE },
    { "meter(1),2", "output(0x10002)" },
    { "meter(7)", "meter: not on the NIC" UNABLE },
    { "sample(sample=50.0%,actions(2)),3",
      "sample(probability=0x80000000,{output(0x10002)}),output(0x10003)" },
    { "sample(sample=100.0%,actions(userspace(pid=1))),3",
      "sample(probability=0xffffffff,{copy_to_host("
      "0x400002000800010001000000340002)}),"
      "output(0x10003)" },
    { "sample(sample=1.0%,actions(100))", "output: host port" HOST },
    { "sample(sample=1.0%,actions(2)),userspace(pid=1)",
      "action: userspace" HOST },
    { "trunc(100),2", "trunc(0x64),output(0x10002)" },
    { "clone(push_vlan(vid=12,pcp=0),2),3",
      "clone({push_vlan(tpid=0x8100,tci=0x100c),output(0x10002)}),"
      "output(0x10003)" },
    { "clone(ct,clone(2)),3", "action: ct" UNABLE },
    { "check_pkt_len(size=200,gt(2,3),le(drop))",
      "check_pkt_len(len=0xc8,{output(0x10002),output(0x10003)},{drop})" },
    { "tnl_pop(101)", "tunnel_pop(type=0x1,port=0x80000065)" },
    { "2,tnl_pop(105)",
      "output(0x10002),tunnel_pop(type=0x5,port=0x80000069)" },
    { "tnl_pop(4)", "tunnel: not known" UNABLE },
    { "tnl_pop(100)", "tunnel: not known" UNABLE },
    { "tnl_push(tnl_port(101)," VXLAN_HEADER ",out_port(100)),2",
      "tunnel_push(type=0x1,port=0x80000064,"
      "0xf8bc124434b6f8bc124658e0080045000000000040004011343801010258"
      "0101025c000012b500000000080000000001c7),output(0x10002)" },
    { "tnl_push(tnl_port(6)," VXLAN_HEADER ",out_port(100)),2",
      "tunnel: not known" UNABLE },
    { "tnl_push(tnl_port(101)," VXLAN_HEADER ",out_port(1)),2",
      "tunnel: not known" UNABLE },
    { "tnl_push(tnl_port(102)," GRE_HEADER ",out_port(100)),2",
      "tunnel_push(type=0x2,port=0x80000064,"
      "0xf8bc124434b6f8bc124658e008004500000000004000402f341a01010258"
      "0101025c200065580001e241),output(0x10002)" },
    { "tnl_push(tnl_port(102)," GRE_SEQ_HEADER ",out_port(100)),2",
      "tunnel: sequence numbers" UNABLE },
    { "tnl_push(tnl_port(104)," GRE_HEADER ",out_port(100)),2",
      "tunnel: sequence numbers" UNABLE },
    { "tnl_push(tnl_port(105)," VXLAN_HEADER ",out_port(100)),2",
      "tunnel_push(type=0x5,port=0x80000064,"
      "0xf8bc124434b6f8bc124658e0080045000000000040004011343801010258"
      "0101025c000012b500000000080000000001c7),output(0x10002)" },
    { "tnl_push(tnl_port(105)," GENEVE_HEADER ",out_port(100)),2",
      "tunnel: sequence numbers" UNABLE },
    { "add_mpls(label=200,tc=7,ttl=64,bos=1,eth_type=0x8847)",
      "push_mpls(lse=0x000c8f40,eth_type=0x8847,at_front=1)" },
    { "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1234,si=255,"
      "c1=0x11223344,c2=0x0,c3=0x0,c4=0x0)",
      "push_nsh(0x0fc60103001234ff11223344)" },
    { "push_nsh(flags=2,ttl=1,mdtype=2,np=1,spi=0x1234,si=255,"
      "md2=0x0102030405060708)",
      "push_nsh(0x20440201001234ff0102030405060708)" },
    { "pop_nsh()", "pop_nsh" },
};

static void
parse_actions(const char *s, struct ofpbuf *actions)
{
    ofpbuf_init(actions, 0);
    if (odp_actions_from_string(s, NULL, actions)) {
        printf("bad actions: %s\n", s);
        CHECK(false);
    }
}

static void
test_actions(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(action_rows); i++) {
        const struct action_row *row = &action_rows[i];
        struct ofpbuf actions;

        parse_actions(row->actions, &actions);
        check_text(row->actions, translate_actions(&actions), row->want);
        ofpbuf_uninit(&actions);
    }
}

/* Translates a copy of 'n' bytes that ends where the memory ends. */
static void
translate_exactly(const void *actions, size_t n)
{
    struct ofpbuf copy;

    ofpbuf_init(&copy, n);
    ofpbuf_put(&copy, actions, n);
    free(translate_actions(&copy));
    ofpbuf_uninit(&copy);
}

/* What has no text, or none that says enough: type, or type and nested type,
 * and 'size' bytes of 'byte'. */
static void
test_raw_actions(void)
{
    static const struct {
        uint16_t type, nested;
        size_t size;
        uint8_t byte;
        const char *want;
    } rows[] = {
        { OVS_ACTION_ATTR_UNSPEC, 0, 0, 0, "action: unknown" UNABLE },
        { 1000, 0, 4, 0, "action: unknown" UNABLE },
        { OVS_ACTION_ATTR_HASH, 0, 8, 0, "hash(basis=0,alg=0)" },
        { OVS_ACTION_ATTR_HASH, 0, 8, 1, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_TRUNC, 0, 4, 1, "trunc(0x1010101)" },
        { OVS_ACTION_ATTR_TRUNC, 0, 4, 0, "trunc(0xe)" },
        { OVS_ACTION_ATTR_TRUNC, 0, 2, 1, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_CLONE, 0, 0, 0, "clone" },
        { OVS_ACTION_ATTR_CLONE, 0, 3, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SAMPLE, 0, 0, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SAMPLE, OVS_SAMPLE_ATTR_PROBABILITY, 4, 0,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SAMPLE, 1000, 4, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_CHECK_PKT_LEN, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, 2, 0,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_HASH, 0, 4, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_RECIRC, 0, 4, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_RECIRC, 0, 2, 1, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_PUSH_MPLS, 0, 8, 0, "drop" },
        { OVS_ACTION_ATTR_POP_MPLS, 0, 2, 0, "pop_mpls(eth_type=0x0000)" },
        { OVS_ACTION_ATTR_PUSH_ETH, 0, 12, 0,
          "push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)" },
        { OVS_ACTION_ATTR_POP_ETH, 0, 0, 0, "pop_eth" },
        { OVS_ACTION_ATTR_PUSH_MPLS, 0, 4, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_ADD_MPLS, 0, 4, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_POP_MPLS, 0, 4, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_PUSH_ETH, 0, 11, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_PUSH_NSH, 0, 0, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_PUSH_NSH, OVS_KEY_ATTR_NSH, 6, 1,
          "push_nsh(0x0fc2)" },
        { OVS_ACTION_ATTR_PUSH_NSH, OVS_KEY_ATTR_NSH, 0, 0,
          "push_nsh(0x0fc2)" },
        { OVS_ACTION_ATTR_SET_MASKED, OVS_KEY_ATTR_NSH, 12, 0, "set_nsh()" },
        { OVS_ACTION_ATTR_SET_MASKED, OVS_KEY_ATTR_PRIORITY, 8, 7,
          "set_meta(priority=0x7070707/0x7070707)" },
        { OVS_ACTION_ATTR_SET_MASKED, OVS_KEY_ATTR_PRIORITY, 4, 7,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_OUTPUT, 0, 2, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_OUTPUT, 0, 8, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_PUSH_VLAN, 0, 0, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET, 0, 0, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET, 0, 8, 0, "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_RECIRC_ID, 4, 0,
          "set_meta(recirc_id=0)" },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_NSH, 12, 0,
          "set_nsh()" },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_ETHERNET, 12, 7,
          "set_eth(src=07:07:07:07:07:07,dst=07:07:07:07:07:07)" },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_ETHERNET, 11, 7,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_ETHERNET, 24, 7,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET_MASKED, OVS_KEY_ATTR_ETHERNET, 24, 7,
          "set_eth(src=07:07:07:07:07:07/07:07:07:07:07:07,"
          "dst=07:07:07:07:07:07/07:07:07:07:07:07)" },
        { OVS_ACTION_ATTR_SET_MASKED, OVS_KEY_ATTR_ETHERNET, 24, 0,
          "set_eth()" },
        { OVS_ACTION_ATTR_SET_MASKED, OVS_KEY_ATTR_ETHERNET, 12, 7,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_IPV6, 40, 0,
          "set_ipv6(src=::,dst=::,label=0x00000000/0x000fffff,tclass=0x00,"
          "hlimit=0)" },
        { OVS_ACTION_ATTR_SET, OVS_KEY_ATTR_IPV6, 40, 1,
          "action: malformed" UNABLE },
        { OVS_ACTION_ATTR_SET, 1000, 4, 0, "action: malformed" UNABLE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ofpbuf actions;
        size_t nested;
        char name[16];

        ofpbuf_init(&actions, 0);
        if (rows[i].nested) {
            nested = nl_msg_start_nested(&actions, rows[i].type);
            memset(nl_msg_put_unspec_uninit(&actions, rows[i].nested,
                                            rows[i].size),
                   rows[i].byte, rows[i].size);
            nl_msg_end_nested(&actions, nested);
        } else {
            memset(nl_msg_put_unspec_uninit(&actions, rows[i].type,
                                            rows[i].size),
                   rows[i].byte, rows[i].size);
        }
        snprintf(name, sizeof name, "raw %"PRIuSIZE, i);
        translate_exactly(actions.data, actions.size);
        check_text(name, translate_actions(&actions), rows[i].want);
        ofpbuf_uninit(&actions);
    }
}

/* What is left over at the end is malformed, except after a drop. */
static void
test_tail(void)
{
    struct ofpbuf actions;
    size_t nested;

    parse_actions("2", &actions);
    ofpbuf_put_zeros(&actions, 2);
    check_text("tail", translate_actions(&actions),
               "action: malformed" UNABLE);
    actions.size -= 2;
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_DROP, 0);
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_CT, 0);
    ofpbuf_put_zeros(&actions, 2);
    check_text("drop", translate_actions(&actions), "output(0x10002)");

    ofpbuf_clear(&actions);
    nested = nl_msg_start_nested(&actions, OVS_ACTION_ATTR_SET);
    nl_msg_put_u32(&actions, OVS_KEY_ATTR_TCP, 0);
    nl_msg_put_u32(&actions, OVS_KEY_ATTR_TCP, 0);
    nl_msg_end_nested(&actions, nested);
    check_text("two in one set", translate_actions(&actions),
               "action: malformed" UNABLE);
    ofpbuf_uninit(&actions);
}

/* 'n' times 'action' translates to a text that starts with 'want'. */
static void
check_many(const char *action, size_t n, const char *want)
{
    struct ofpbuf actions, one;
    char *got;

    ofpbuf_init(&actions, 0);
    parse_actions(action, &one);
    for (size_t i = 0; i < n; i++) {
        ofpbuf_put(&actions, one.data, one.size);
    }
    got = translate_actions(&actions);
    CHECK(!strncmp(got, want, strlen(want)));
    free(got);
    ofpbuf_uninit(&actions);
    ofpbuf_uninit(&one);
}

/* 'n' clones, each in the one before. */
static void
check_nested(size_t n, const char *want)
{
    size_t ofs[AGILIO_MAX_NESTING + 1];
    struct ofpbuf actions;
    char *got;

    ofpbuf_init(&actions, 0);
    for (size_t i = 0; i < n; i++) {
        ofs[i] = nl_msg_start_nested(&actions, OVS_ACTION_ATTR_CLONE);
    }
    while (n) {
        nl_msg_end_nested(&actions, ofs[--n]);
    }
    got = translate_actions(&actions);
    CHECK(!strncmp(got, want, strlen(want)));
    free(got);
    ofpbuf_uninit(&actions);
}

/* A sample of a userspace action of 'n' bytes. */
static void
check_sample(size_t n, const char *want)
{
    struct ofpbuf actions;
    size_t sample, nested;
    char *got;

    ofpbuf_init(&actions, 0);
    sample = nl_msg_start_nested(&actions, OVS_ACTION_ATTR_SAMPLE);
    nl_msg_put_u32(&actions, OVS_SAMPLE_ATTR_PROBABILITY, 1);
    nested = nl_msg_start_nested(&actions, OVS_SAMPLE_ATTR_ACTIONS);
    nl_msg_put_unspec_zero(&actions, OVS_ACTION_ATTR_USERSPACE,
                           n - NLA_HDRLEN);
    nl_msg_end_nested(&actions, nested);
    nl_msg_end_nested(&actions, sample);
    got = translate_actions(&actions);
    CHECK(!strncmp(got, want, strlen(want)));
    free(got);
    ofpbuf_uninit(&actions);
}

static void
test_sizes(void)
{
    check_many("2", AGILIO_MAX_OUTPUTS, "output(0x10002),");
    check_many("2", AGILIO_MAX_OUTPUTS + 1, "size: outputs");
    check_many("pop_vlan", AGILIO_MAX_PROGRAM / 4, "pop_vlan,");
    check_many("pop_vlan", AGILIO_MAX_PROGRAM / 4 + 1, "size: program");
    check_nested(AGILIO_MAX_NESTING, "clone({");
    check_nested(AGILIO_MAX_NESTING + 1, "size: nesting");
    check_sample(AGILIO_MAX_SAMPLE, "sample(probability=0x1,{copy_to_host(");
    check_sample(AGILIO_MAX_SAMPLE + 1, "size: sample");
}

/* Whatever the actions are: no read out of bounds, no abort, no reason that
 * is not listed, and a good message. */
static void
test_malformed(void)
{
    uint32_t random = 1;

    for (size_t i = 0; i < ARRAY_SIZE(action_rows); i++) {
        struct ofpbuf actions;

        parse_actions(action_rows[i].actions, &actions);
        for (size_t n = 0; n < actions.size; n++) {
            uint8_t *byte = (uint8_t *) actions.data + n;
            uint8_t saved = *byte;

            translate_exactly(actions.data, n);
            for (size_t j = 0; j < 8; j++) {
                random = random * 1103515245 + 12345;
                *byte = random >> 16;
                translate_exactly(actions.data, actions.size);
            }
            *byte = saved;
        }
        ofpbuf_uninit(&actions);
    }
}

static void
test_reasons(void)
{
    for (size_t i = 0; agilio_translate_reasons[i].reason; i++) {
        if (!seen[i]) {
            printf("never given: %s\n", agilio_translate_reasons[i].reason);
        }
        CHECK(seen[i]);
        CHECK(agilio_translate_reasons[i].help[0]);
    }
}

/* ## ----------- ##
 * ## Formatting. ##
 * ## ----------- ## */

static void
test_format_key(void)
{
    struct agilio_key key = {
        .md.in_port = agilio_to_le32(0x10001),
        .eth_type = htons(0x800),
        .nw_dst = htonl(0x0a000001),
        .nw_proto = 6,
        .tp_dst = htons(80),
    };
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&ds, "key: ");
    agilio_format_match(&ds, &key, NULL);
    check_text("exact key", ds_steal_cstr(&ds),
               "key: in_port=0x10001,eth_type=0x0800,nw_proto=6,"
               "nw_dst=10.0.0.1,tp_dst=80");
}

/* The text of an action of 'type' that says it has 'len' bytes, in memory of
 * 'size' bytes. */
static char *
format_action(uint16_t type, uint16_t len, size_t size)
{
    const struct agilio_action head = {
        .type = agilio_to_le16(type),
        .len = agilio_to_le16(len),
    };
    uint8_t *action = xzalloc(size);
    struct ds ds = DS_EMPTY_INITIALIZER;

    memcpy(action, &head, MIN(size, sizeof head));
    agilio_format_program(&ds, action, size);
    free(action);
    return ds_steal_cstr(&ds);
}

/* Each action has a length that is good, or some, and must be there wholly. */
static void
test_format_program(void)
{
    for (uint16_t type = 0; type <= AGILIO_N_ACTIONS; type++) {
        int n_good = 0;

        for (uint16_t len = 0; len <= 128; len++) {
            char *text = format_action(type, len, MAX(len, 1));

            if (strcmp(text, "malformed")) {
                n_good++;
                check_text("cut short", format_action(type, len, len - 1),
                           "malformed");
            }
            free(text);
        }
        CHECK((n_good > 0) == (type > 0 && type < AGILIO_N_ACTIONS));
    }
}

static void
test_counters(void)
{
    CHECK(!strcmp(agilio_counter_name(AGILIO_COUNTER_L1_HIT), "l1_hit"));
    CHECK(!strcmp(agilio_counter_name(AGILIO_COUNTER_DROP_HOST_TOO_BIG),
                  "drop_host_too_big"));
    CHECK(agilio_counter_kind(AGILIO_COUNTER_DROP_RUNT) == AGILIO_KIND_DROP);
    CHECK(agilio_counter_kind(AGILIO_COUNTER_L2_HIT) == AGILIO_KIND_HIT);
    CHECK(!strcmp(agilio_counter_name(AGILIO_N_COUNTERS), "unknown"));
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        CHECK(agilio_counter_name(c)[0] && agilio_counter_help(c)[0]);
    }
}

/* A meter and a bond with id 7, for which the NIC has no room. */
static void
add_objects(void)
{
    const struct agilio_map no_room = { .max_meters = 0 };
    struct ofputil_meter_config meter = { .flags = OFPMF13_PKTPS };
    odp_port_t members[AGILIO_BOND_BUCKETS];

    memset(members, 0xff, sizeof members);
    agilio_meter_set(NULL, NULL, 7, &meter);
    agilio_bond_add(NULL, NULL, 7, members);
    ovs_mutex_lock(&agilio_residency_mutex);
    agilio_objects_take_over(&no_room);
    ovs_mutex_unlock(&agilio_residency_mutex);
}

int
main(void)
{
    add_objects();
    RUN(test_match);
    RUN(test_upcall);
    RUN(test_every_bit);
    RUN(test_every_field);
    RUN(test_actions);
    RUN(test_raw_actions);
    RUN(test_tail);
    RUN(test_sizes);
    RUN(test_reasons);          /* After all that are made of rows. */
    RUN(test_malformed);
    RUN(test_format_key);
    RUN(test_format_program);
    RUN(test_counters);
    return summary();
}
