/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-program-vs-ovs.c - the NIC's actions against OVS's, byte for byte.
 *
 *     test-program-vs-ovs [N [SEED]]
 *
 * N times, a random program of up to four actions runs on a random variant of
 * a frame of frames.h: here by agl_program_run(), there, in Netlink form, by
 * odp_execute_actions().  The frames that come out must be the same.
 *
 * OVS's SET actions trust that the flow matched on the header and write to
 * memory at random without one.  Where the packet does not have it, the NIC
 * must leave the packet alone and OVS is not asked.
 */

#include <config.h>

#include "dp-packet.h"
#include "flow.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"

#include "action/program.h"
#include "check.h"
#include "frames.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

#define MAX_ACTIONS 4
#define OUT_PORT 0x10001
#define TAILROOM 4096           /* Zeros behind the frame, for OVS to read. */

static unsigned long n_random = 20000;

/* ## -------------------------------- ##
 * ## One action, in both of its forms ##
 * ## -------------------------------- ## */

union wire_action {
    struct agilio_action action;
    struct agilio_action_output output;
    struct agilio_action_push_vlan push_vlan;
    struct agilio_action_pop_vlan pop_vlan;
    struct agilio_action_set_eth set_eth;
    struct agilio_action_set_ipv4 set_ipv4;
    struct agilio_action_set_ipv6 set_ipv6;
    struct agilio_action_set_ports set_ports;
    struct agilio_action_set_icmp set_icmp;
    struct agilio_action_set_arp set_arp;
    struct agilio_action_set_nd set_nd;
    struct agilio_action_hash hash;
};

/* Random operands.  All ones and all zeros are frequent: they are the masks
 * that are used most, and where checksums go wrong. */
static void
random_field(void *field, size_t n)
{
    uint32_t kind = frame_random(4);

    for (size_t i = 0; i < n; i++) {
        ((uint8_t *) field)[i] = kind == 0 ? 0
                                 : kind == 1 ? 0xff : frame_random(256);
    }
}

/* A value and its mask; the value has no bit that the mask has not, as OVS
 * wants it. */
static void
random_masked(void *value_, void *mask_, size_t n)
{
    uint8_t *value = value_, *mask = mask_;

    random_field(value, n);
    random_field(mask, n);
    for (size_t i = 0; i < n; i++) {
        value[i] &= mask[i];
    }
}

#define RANDOM_MASKED(SET, FIELD) \
    random_masked(&(SET)->FIELD, &(SET)->FIELD##_mask, sizeof (SET)->FIELD)
#define COPY(KEY, MASK, THEIRS, SET, OURS)                                  \
    (memcpy(&(KEY)->THEIRS, &(SET)->OURS, sizeof (KEY)->THEIRS),            \
     memcpy(&(MASK)->THEIRS, &(SET)->OURS##_mask, sizeof (MASK)->THEIRS))

/* Appends a masked set of key attribute 'type'; 'pair' is key and mask. */
static void
put_set_masked(struct ofpbuf *odp, uint16_t type, const void *pair, size_t n)
{
    size_t ofs = nl_msg_start_nested(odp, OVS_ACTION_ATTR_SET_MASKED);

    nl_msg_put_unspec(odp, type, pair, n);
    nl_msg_end_nested(odp, ofs);
}

static void
make_push_vlan(union wire_action *a, struct ofpbuf *odp)
{
    struct ovs_action_push_vlan vlan;

    a->push_vlan.tpid = htons(frame_random(2) ? 0x8100 : 0x88a8);
    random_field(&a->push_vlan.tci, sizeof a->push_vlan.tci);
    vlan.vlan_tpid = a->push_vlan.tpid;
    vlan.vlan_tci = a->push_vlan.tci;
    nl_msg_put_unspec(odp, OVS_ACTION_ATTR_PUSH_VLAN, &vlan, sizeof vlan);
}

static void
make_pop_vlan(union wire_action *a OVS_UNUSED, struct ofpbuf *odp)
{
    nl_msg_put_flag(odp, OVS_ACTION_ATTR_POP_VLAN);
}

static void
make_set_eth(union wire_action *a, struct ofpbuf *odp)
{
    struct agilio_action_set_eth *set = &a->set_eth;
    struct ovs_key_ethernet pair[2];

    RANDOM_MASKED(set, src);
    RANDOM_MASKED(set, dst);
    COPY(&pair[0], &pair[1], eth_src, set, src);
    COPY(&pair[0], &pair[1], eth_dst, set, dst);
    put_set_masked(odp, OVS_KEY_ATTR_ETHERNET, pair, sizeof pair);
}

static void
make_set_ipv4(union wire_action *a, struct ofpbuf *odp)
{
    struct agilio_action_set_ipv4 *set = &a->set_ipv4;
    struct ovs_key_ipv4 pair[2];

    memset(pair, 0, sizeof pair);
    RANDOM_MASKED(set, src);
    RANDOM_MASKED(set, dst);
    RANDOM_MASKED(set, tos);
    RANDOM_MASKED(set, ttl);
    COPY(&pair[0], &pair[1], ipv4_src, set, src);
    COPY(&pair[0], &pair[1], ipv4_dst, set, dst);
    COPY(&pair[0], &pair[1], ipv4_tos, set, tos);
    COPY(&pair[0], &pair[1], ipv4_ttl, set, ttl);
    put_set_masked(odp, OVS_KEY_ATTR_IPV4, pair, sizeof pair);
}

static void
make_set_ipv6(union wire_action *a, struct ofpbuf *odp)
{
    struct agilio_action_set_ipv6 *set = &a->set_ipv6;
    struct ovs_key_ipv6 pair[2];

    memset(pair, 0, sizeof pair);
    RANDOM_MASKED(set, src);
    RANDOM_MASKED(set, dst);
    RANDOM_MASKED(set, label);
    RANDOM_MASKED(set, tclass);
    RANDOM_MASKED(set, hlimit);
    set->label &= htonl(IPV6_LABEL_MASK);
    set->label_mask &= htonl(IPV6_LABEL_MASK);
    COPY(&pair[0], &pair[1], ipv6_src, set, src);
    COPY(&pair[0], &pair[1], ipv6_dst, set, dst);
    COPY(&pair[0], &pair[1], ipv6_label, set, label);
    COPY(&pair[0], &pair[1], ipv6_tclass, set, tclass);
    COPY(&pair[0], &pair[1], ipv6_hlimit, set, hlimit);
    put_set_masked(odp, OVS_KEY_ATTR_IPV6, pair, sizeof pair);
}

static void
make_set_ports(union wire_action *a, struct ofpbuf *odp, uint16_t key_type)
{
    struct agilio_action_set_ports *set = &a->set_ports;
    struct ovs_key_tcp pair[2]; /* UDP and SCTP look the same. */

    RANDOM_MASKED(set, src);
    RANDOM_MASKED(set, dst);
    COPY(&pair[0], &pair[1], tcp_src, set, src);
    COPY(&pair[0], &pair[1], tcp_dst, set, dst);
    put_set_masked(odp, key_type, pair, sizeof pair);
}

static void
make_set_tcp(union wire_action *a, struct ofpbuf *odp)
{
    make_set_ports(a, odp, OVS_KEY_ATTR_TCP);
}

static void
make_set_udp(union wire_action *a, struct ofpbuf *odp)
{
    make_set_ports(a, odp, OVS_KEY_ATTR_UDP);
}

static void
make_set_sctp(union wire_action *a, struct ofpbuf *odp)
{
    make_set_ports(a, odp, OVS_KEY_ATTR_SCTP);
}

/* OVS has no masks here. */
static void
make_set_icmp(union wire_action *a, struct ofpbuf *odp)
{
    struct agilio_action_set_icmp *set = &a->set_icmp;
    struct ovs_key_icmp key;
    size_t ofs;

    random_field(&set->type, sizeof set->type);
    random_field(&set->code, sizeof set->code);
    set->type_mask = set->code_mask = UINT8_MAX;
    key.icmp_type = set->type;
    key.icmp_code = set->code;
    ofs = nl_msg_start_nested(odp, OVS_ACTION_ATTR_SET);
    nl_msg_put_unspec(odp, OVS_KEY_ATTR_ICMP, &key, sizeof key);
    nl_msg_end_nested(odp, ofs);
}

static void
make_set_arp(union wire_action *a, struct ofpbuf *odp)
{
    struct agilio_action_set_arp *set = &a->set_arp;
    struct ovs_key_arp pair[2];

    memset(pair, 0, sizeof pair);
    RANDOM_MASKED(set, spa);
    RANDOM_MASKED(set, tpa);
    RANDOM_MASKED(set, sha);
    RANDOM_MASKED(set, tha);
    RANDOM_MASKED(set, op);
    COPY(&pair[0], &pair[1], arp_sip, set, spa);
    COPY(&pair[0], &pair[1], arp_tip, set, tpa);
    COPY(&pair[0], &pair[1], arp_sha, set, sha);
    COPY(&pair[0], &pair[1], arp_tha, set, tha);
    COPY(&pair[0], &pair[1], arp_op, set, op);
    put_set_masked(odp, OVS_KEY_ATTR_ARP, pair, sizeof pair);
}

static void
make_set_nd(union wire_action *a, struct ofpbuf *odp)
{
    struct agilio_action_set_nd *set = &a->set_nd;
    struct ovs_key_nd pair[2];

    memset(pair, 0, sizeof pair);
    RANDOM_MASKED(set, target);
    RANDOM_MASKED(set, sll);
    RANDOM_MASKED(set, tll);
    COPY(&pair[0], &pair[1], nd_target, set, target);
    COPY(&pair[0], &pair[1], nd_sll, set, sll);
    COPY(&pair[0], &pair[1], nd_tll, set, tll);
    put_set_masked(odp, OVS_KEY_ATTR_ND, pair, sizeof pair);
}

static void
make_hash(union wire_action *a, struct ofpbuf *odp)
{
    struct ovs_action_hash *hash;

    hash = nl_msg_put_unspec_uninit(odp, OVS_ACTION_ATTR_HASH, sizeof *hash);
    hash->hash_alg = OVS_HASH_ALG_L4;
    hash->hash_basis = frame_random(UINT32_MAX);
    a->hash.basis = agilio_to_le32(hash->hash_basis);
}

/* Not the ways that a packet goes, which odp_execute_actions() does not. */
static void (*const makers[AGILIO_N_ACTIONS])(union wire_action *,
                                              struct ofpbuf *) = {
    [AGILIO_ACTION_PUSH_VLAN] = make_push_vlan,
    [AGILIO_ACTION_POP_VLAN] = make_pop_vlan,
    [AGILIO_ACTION_SET_ETH] = make_set_eth,
    [AGILIO_ACTION_SET_IPV4] = make_set_ipv4,
    [AGILIO_ACTION_SET_IPV6] = make_set_ipv6,
    [AGILIO_ACTION_SET_TCP] = make_set_tcp,
    [AGILIO_ACTION_SET_UDP] = make_set_udp,
    [AGILIO_ACTION_SET_SCTP] = make_set_sctp,
    [AGILIO_ACTION_SET_ICMP] = make_set_icmp,
    [AGILIO_ACTION_SET_ARP] = make_set_arp,
    [AGILIO_ACTION_SET_ND] = make_set_nd,
    [AGILIO_ACTION_HASH] = make_hash,
};

/* True if OVS may be asked to run an action of 'type' on the packet. */
static bool
is_fit(uint16_t type, const struct dp_packet *packet, const struct flow *flow)
{
    switch (type) {
    case AGILIO_ACTION_SET_IPV4:
        return flow->dl_type == htons(ETH_TYPE_IP)
               && packet->l4_ofs != UINT16_MAX;
    case AGILIO_ACTION_SET_IPV6:
        return flow->dl_type == htons(ETH_TYPE_IPV6)
               && packet->l4_ofs != UINT16_MAX;
    case AGILIO_ACTION_SET_ARP:
        return (flow->dl_type == htons(ETH_TYPE_ARP)
                || flow->dl_type == htons(ETH_TYPE_RARP))
               && dp_packet_l3_size(packet) >= ARP_ETH_HEADER_LEN;
    default:
        return true;
    }
}

/* ## ----------------- ##
 * ## A frame, two ways ##
 * ## ----------------- ## */

struct sink {
    struct agl_run run;
    struct agl_pkt *pkt;        /* What was output last. */
};

static void
catch_output(struct agl_run *run, uint32_t port, struct agl_pkt *pkt)
{
    CHECK(port == OUT_PORT);
    ((struct sink *) run)->pkt = pkt;
}

/* Puts the frame to the very end of the packet's memory, where a step too far
 * is seen by AddressSanitizer, and parses it. */
static void
start_ours(struct agl_pkt *pkt, const uint8_t *bytes, size_t n)
{
    struct agl_parse_options options = { .max_vlans = 2 };
    struct agilio_key key;

    memset(pkt, 0, offsetof(struct agl_pkt, room));
    pkt->data = pkt->room + sizeof pkt->room - n;
    pkt->len = n;
    memcpy(pkt->data, bytes, n);
    agl_parse(pkt, &options, &key);
    pkt->flow_hash = agl_key_hash(&key);
}

static struct dp_packet *
start_theirs(const uint8_t *bytes, size_t n, struct flow *flow)
{
    struct dp_packet *packet = dp_packet_new_with_headroom(n + TAILROOM, 256);

    dp_packet_put(packet, bytes, n);
    dp_packet_put_zeros(packet, TAILROOM);
    dp_packet_set_size(packet, n);
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    flow_vlan_limit = 2;
    flow_extract(packet, flow);
    dp_packet_set_rss_hash(packet, flow_hash_5tuple(flow, 0));
    return packet;
}

static bool
same_ofs(uint16_t ours, uint16_t theirs)
{
    /* A header that went away is elsewhere for OVS: before the frame. */
    return ours == theirs
           || (ours == AGL_OFS_NONE && theirs > AGILIO_MAX_FRAME);
}

static bool
same_packets(const struct agl_pkt *pkt, const struct dp_packet *packet)
{
    return pkt->len == dp_packet_size(packet)
           && !memcmp(pkt->data, dp_packet_data(packet), pkt->len)
           && same_ofs(pkt->l2_5_ofs, packet->l2_5_ofs)
           && same_ofs(pkt->l3_ofs, packet->l3_ofs)
           && same_ofs(pkt->l4_ofs, packet->l4_ofs)
           && pkt->l4_len == dp_packet_l4_size(packet)
           && pkt->dp_hash == packet->md.dp_hash;
}

static size_t
put_wire(uint8_t *wire, size_t ofs, union wire_action *a, uint16_t type)
{
    uint16_t len = agl_actions[type]->len;

    a->action.type = agilio_to_le16(type);
    a->action.len = agilio_to_le16(len);
    memcpy(wire + ofs, a, len);
    return ofs + len;
}

/* Makes a random program, for OVS without what it must not be asked. */
static size_t
make_program(uint8_t *wire, struct ofpbuf *odp,
             const struct dp_packet *packet, const struct flow *flow)
{
    union wire_action a = { .output.port = agilio_to_le32(OUT_PORT) };
    size_t len = 0;

    for (uint32_t n = 1 + frame_random(MAX_ACTIONS); n; n--) {
        size_t odp_len = odp->size;
        uint16_t type;

        do {
            type = frame_random(AGILIO_N_ACTIONS);
        } while (!makers[type]);
        memset(&a, 0, sizeof a);
        makers[type](&a, odp);
        if (!is_fit(type, packet, flow)) {
            odp->size = odp_len;
        }
        len = put_wire(wire, len, &a, type);
    }
    memset(&a, 0, sizeof a);
    a.output.port = agilio_to_le32(OUT_PORT);
    return put_wire(wire, len, &a, AGILIO_ACTION_OUTPUT);
}

static void
compare(const uint8_t *bytes, size_t n)
{
    struct agl_pkt *pkt = malloc(sizeof *pkt);
    struct sink sink = { .run = { .output = catch_output } };
    uint8_t wire[AGILIO_MAX_PROGRAM];
    struct agl_program *program;
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    const char *reason;
    struct ofpbuf odp;
    struct flow flow;
    size_t len;

    packet = start_theirs(bytes, n, &flow);
    ofpbuf_init(&odp, 0);
    len = make_program(wire, &odp, packet, &flow);
    dp_packet_batch_init_packet(&batch, packet);
    odp_execute_actions(NULL, &batch, false, odp.data, odp.size, NULL);

    start_ours(pkt, bytes, n);
    CHECK(!agl_program_compile(wire, len, &program, &reason));
    agl_program_run(program, pkt, &sink.run);

    CHECK(sink.pkt == pkt);
    if (!same_packets(pkt, packet)) {
        n_checks_failed++;
        printf("before: ");
        frame_print(bytes, n);
        printf("program: ");
        frame_print(wire, len);
        printf("ours:   ");
        frame_print(pkt->data, pkt->len);
        printf("theirs: ");
        frame_print(dp_packet_data(packet), dp_packet_size(packet));
    }
    agl_env_free(program);
    ofpbuf_uninit(&odp);
    dp_packet_delete(packet);
    free(pkt);
}

/* Each frame as it is, many times over. */
static void
handmade(void)
{
    uint8_t bytes[FRAME_MAX];

    for (size_t i = 0; i < N_FRAMES; i++) {
        size_t n = frame_decode(frames[i].hex, bytes);

        for (int j = 0; j < 500; j++) {
            compare(bytes, n);
        }
    }
}

/* Words of zeros and ones are planted where checksums may meet them. */
static void
random_variants(void)
{
    uint8_t bytes[FRAME_MAX];

    for (unsigned long i = 0; i < n_random && n_checks_failed < 20; i++) {
        const struct frame *frame = &frames[frame_random(N_FRAMES)];
        size_t n = frame_mutate(bytes, frame_decode(frame->hex, bytes));

        for (uint32_t j = frame_random(8); n > 32 && j; j--) {
            size_t ofs = 14 + 2 * frame_random((uint32_t) (n - 16) / 2);

            memset(bytes + ofs, frame_random(2) ? 0xff : 0, 2);
        }
        if (n >= ETH_HEADER_LEN) {
            compare(bytes, n);
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
    odp_execute_init();
    RUN(handmade);
    RUN(random_variants);
    return summary();
}
