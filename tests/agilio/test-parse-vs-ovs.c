/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-parse-vs-ovs.c - the NIC's parser against OVS's, byte for byte.
 *
 *     test-parse-vs-ovs [N [SEED]]
 *
 * Both read the frames of frames.h, every truncation of them, and N random
 * variants, with all numbers of VLAN tags that a host may parse; any
 * difference is a failure and is printed with its frame in hex.
 */

#include <config.h>

#include "dp-packet.h"
#include "flow.h"
#include "hash.h"
#include "packets.h"

#include "check.h"
#include "frames.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

#define IN_PORT 0x10007

static int n_cases;
static unsigned long n_random = 20000;

/* What of OVS's view of a packet the NIC has too. */
static void
key_from_flow(const struct flow *flow, struct agilio_key *key)
{
    memset(key, 0, sizeof *key);
    key->in_port = agilio_to_le32(odp_to_u32(flow->in_port.odp_port));
    key->recirc_id = agilio_to_le32(flow->recirc_id);
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
           && same_number("tcp_flags", pkt->tcp_flags, ntohs(flow->tcp_flags));
}

/* Parses the frame in memory of just its size, for AddressSanitizer. */
static void
ours(const uint8_t *bytes, size_t n, uint32_t max_vlans, struct agl_pkt *pkt,
     struct agilio_key *key)
{
    struct agl_parse_options options = { .max_vlans = max_vlans };

    memset(key, 0xa5, sizeof *key);
    pkt->data = malloc(n);
    pkt->len = n;
    pkt->in_port = IN_PORT;
    memcpy(pkt->data, bytes, n);
    agl_parse(pkt, &options, key);
    free(pkt->data);
}

/* What the host would choose a bucket by. */
static bool
same_hash(const struct agilio_key *key, const struct flow *flow)
{
    uint32_t hash = agl_key_hash(key);

    return (hash == flow_hash_5tuple(flow, 0)
            && agl_hash_mix(hash, n_cases) == hash_int(hash, n_cases));
}

static void
compare(const uint8_t *bytes, size_t n, uint32_t max_vlans)
{
    static struct agl_pkt pkt;
    struct agilio_key key, expected;
    struct dp_packet *packet;
    struct flow flow;

    n_cases++;
    ours(bytes, n, max_vlans, &pkt, &key);

    packet = dp_packet_clone_data_with_headroom(bytes, n, 128);
    pkt_metadata_init(&packet->md, u32_to_odp(IN_PORT));
    /* flow_limit_vlans(0) would mean "as many as there may be". */
    flow_vlan_limit = max_vlans;
    flow_extract(packet, &flow);
    key_from_flow(&flow, &expected);

    if (!same_keys(&key, &expected) || !same_offsets(&pkt, packet, &flow)
        || !same_hash(&key, &flow)) {
        n_checks_failed++;
        printf("with max_vlans=%u: ", max_vlans);
        frame_print(bytes, n);
    }
    dp_packet_delete(packet);
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
    uint8_t bytes[FRAME_MAX];

    for (unsigned long i = 0; i < n_random && n_checks_failed < 20; i++) {
        const struct frame *frame = &frames[frame_random(N_FRAMES)];
        size_t n = frame_mutate(bytes, frame_decode(frame->hex, bytes));

        compare(bytes, n, frame_random(3));
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
