/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-program-vs-ovs.c - the NIC's actions against OVS's, byte for byte.
 *
 *     test-program-vs-ovs [N [SEED]]
 *
 * N times, random actions, nested ones too, are executed on a random variant
 * of a frame of frames.h, with its Ethernet header or without: here by
 * agl_program_run(), after translation, there by odp_execute_actions().  The
 * packets that come out must be the same, and what is known of them.
 *
 * The actions are also executed one by one while they are made, on a packet
 * that goes ahead, and by what OVS knows of that packet each is judged: see
 * random-actions.h.
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
#include "agilio-translate.h"
#include "check.h"
#include "frames.h"
#include "pkt/headers.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"
#include "random-actions.h"

#define MAX_ACTIONS 6
#define MAX_DEPTH 3
#define MAX_OUT AGILIO_MAX_OUTPUTS
#define TAILROOM 4096           /* Zeros behind the frame, for OVS to read. */
#define HEADROOM 2048
#define RECIRC_PORT UINT32_C(0x80000000)

static unsigned long n_random = 20000;

/* ## -------------- ##
 * ## Making a list. ##
 * ## -------------- ## */

/* The actions for the NIC, and those for OVS. */
struct program {
    struct ofpbuf ours, theirs;
};

static void make_actions(struct program *, struct ahead *, int depth);

static struct ahead
copy_ahead(const struct ahead *a)
{
    struct ahead copy = *a;

    copy.packet = dp_packet_clone(a->packet);
    copy.tail = 0;
    return copy;
}

static bool
is_symmetric(const struct nlattr *action)
{
    const struct ovs_action_hash *hash = nl_attr_get(action);

    return hash->hash_alg == OVS_HASH_ALG_SYM_L4;
}

/* Has OVS do one action.  False if that was the packet's end. */
static bool
go_ahead(struct ahead *a, const struct nlattr *action)
{
    uint16_t type = nl_attr_type(action);
    bool had_hash = dp_packet_rss_valid(a->packet);
    struct dp_packet_batch batch;
    struct flow flow;

    dp_packet_batch_init_packet(&batch, a->packet);
    odp_execute_actions(NULL, &batch, false, action,
                        NLA_ALIGN(action->nla_len), NULL);
    if (dp_packet_batch_is_empty(&batch)) {
        a->packet = NULL;
        return false;
    }
    if (type == OVS_ACTION_ATTR_PUSH_NSH) {
        a->l3_type = ETH_TYPE_NSH;
    } else if (type == OVS_ACTION_ATTR_HASH
               && (!had_hash || is_symmetric(action))) {
        flow_extract(a->packet, &flow);         /* As that has done. */
        a->l3_type = ntohs(flow.dl_type);
    }
    return true;
}

/* One that has no others in it.  False if that was the packet's end. */
static bool
make_simple(struct program *p, struct ahead *a)
{
    struct kind *kind = &kinds[frame_random(ARRAY_SIZE(kinds))];
    enum answer answer = kind->judge(a);
    size_t ofs = p->ours.size;
    const struct nlattr *action;

    kind->n[answer]++;
    if (answer == SKIP) {
        return true;
    }
    kind->make(&p->ours);
    if (answer == LEAVE) {
        return true;
    }
    action = ofpbuf_at_assert(&p->ours, ofs, NLA_HDRLEN);
    ofpbuf_put(&p->theirs, action, p->ours.size - ofs);
    return go_ahead(a, action);
}

static void
start_nested(struct program *p, uint16_t type, size_t ofs[2])
{
    ofs[0] = nl_msg_start_nested(&p->ours, type);
    ofs[1] = nl_msg_start_nested(&p->theirs, type);
}

static void
end_nested(struct program *p, size_t ofs[2])
{
    nl_msg_end_nested(&p->ours, ofs[0]);
    nl_msg_end_nested(&p->theirs, ofs[1]);
}

static void
make_block(struct program *p, const struct ahead *a, uint16_t type, int depth)
{
    struct ahead copy = copy_ahead(a);
    size_t ofs[2];

    start_nested(p, type, ofs);
    make_actions(p, &copy, depth);
    end_nested(p, ofs);
    dp_packet_delete(copy.packet);
}

/* One that has. */
static void
make_nested(struct program *p, const struct ahead *a, int depth)
{
    uint32_t probability = frame_random(2) ? UINT32_MAX : 0;
    uint16_t len = frame_random(80);
    size_t ofs[2];

    switch (frame_random(3)) {
    case 0:
        make_block(p, a, OVS_ACTION_ATTR_CLONE, depth);
        break;
    case 1:
        start_nested(p, OVS_ACTION_ATTR_SAMPLE, ofs);
        nl_msg_put_u32(&p->ours, OVS_SAMPLE_ATTR_PROBABILITY, probability);
        nl_msg_put_u32(&p->theirs, OVS_SAMPLE_ATTR_PROBABILITY, probability);
        make_block(p, a, OVS_SAMPLE_ATTR_ACTIONS, depth);
        end_nested(p, ofs);
        break;
    default:
        start_nested(p, OVS_ACTION_ATTR_CHECK_PKT_LEN, ofs);
        nl_msg_put_u16(&p->ours, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, len);
        nl_msg_put_u16(&p->theirs, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, len);
        make_block(p, a, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER, depth);
        make_block(p, a, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL, depth);
        end_nested(p, ofs);
        break;
    }
}

/* Makes random actions, for as long as there is a packet. */
static void
make_actions(struct program *p, struct ahead *a, int depth)
{
    for (uint32_t n = frame_random(MAX_ACTIONS + 1); n; n--) {
        if (depth < MAX_DEPTH && !frame_random(8)) {
            make_nested(p, a, depth + 1);
        } else if (!make_simple(p, a)) {
            return;
        }
    }
    if (frame_random(8) && judge_output(a) == ASK) {
        size_t ofs = p->ours.size;

        make_output(&p->ours);
        ofpbuf_put(&p->theirs, ofpbuf_at_assert(&p->ours, ofs, NLA_HDRLEN),
                   p->ours.size - ofs);
    }
}

/* ## ----------------- ##
 * ## A frame, two ways ##
 * ## ----------------- ## */

/* What came out of the NIC, and what of OVS. */
static struct {
    uint32_t port[MAX_OUT];
    struct agl_pkt *pkt[MAX_OUT];
    size_t n, n_dropped;
} ours;
static struct {
    uint32_t port[MAX_OUT];
    struct dp_packet *packet[MAX_OUT];
    bool cut[MAX_OUT];
    size_t n;
} theirs;

static struct agl_pkt *memory[MAX_OUT + 1];
static struct agl_pool pool;

static void
catch_output(struct agl_run *run OVS_UNUSED, uint32_t port,
             struct agl_pkt *pkt)
{
    ours.port[ours.n] = port;
    ours.pkt[ours.n++] = pkt;
}

static void
catch_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    catch_output(run, RECIRC_PORT, pkt);
}

static void
catch_drop(struct agl_run *run OVS_UNUSED, enum agilio_counter reason,
           struct agl_pkt *pkt)
{
    CHECK(reason == AGILIO_COUNTER_DROP_NSH);
    ours.n_dropped++;
    agl_pkt_free(&pool, pkt);
}

/* What dpif-netdev does with cuts and copies (odp_execute_cb). */
static void
do_theirs(void *aux OVS_UNUSED, struct dp_packet_batch *batch,
          const struct nlattr *a, bool steal)
{
    bool is_output = nl_attr_type(a) == OVS_ACTION_ATTR_OUTPUT;
    struct dp_packet_batch copies;
    struct dp_packet *packet;

    if (!steal) {
        dp_packet_batch_clone(&copies, batch);
        if (is_output) {
            dp_packet_batch_reset_cutlen(batch);
        }
        batch = &copies;
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        theirs.cut[theirs.n] = is_output && batch->trunc;
        if (!is_output) {
            packet->md.recirc_id = nl_attr_get_u32(a);
        }
        theirs.port[theirs.n] = is_output ? nl_attr_get_u32(a) : RECIRC_PORT;
        theirs.packet[theirs.n++] = packet;
    }
    if (is_output) {
        dp_packet_batch_apply_cutlen(batch);
    }
}

/* Puts the frame to the very end of the packet's memory, where a step too far
 * is seen by AddressSanitizer, and parses it. */
static struct agl_pkt *
start_ours(const uint8_t *bytes, size_t n, uint16_t l3_type)
{
    static const struct agl_parse_options options = { .max_vlans = 2 };
    struct agilio_key key;
    struct agl_pkt *pkt;

    memset(&pool, 0, sizeof pool);
    for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
        agl_pkt_free(&pool, memory[i]);
    }
    pool.n = ARRAY_SIZE(memory);
    pkt = agl_pkt_new(&pool);
    pkt->data = pkt->room + sizeof pkt->room - n;
    pkt->len = n;
    memcpy(pkt->data, bytes, n);
    if (l3_type) {
        pkt->md.packet_type = agl_packet_type(l3_type);
    }
    agl_parse(pkt, &options, &key);
    agl_pkt_set_hash(pkt, &key);
    return pkt;
}

static struct dp_packet *
start_theirs(const uint8_t *bytes, size_t n, uint16_t l3_type,
             struct flow *flow)
{
    struct dp_packet *packet
        = dp_packet_new_with_headroom(n + TAILROOM, HEADROOM);

    dp_packet_put(packet, bytes, n);
    dp_packet_put_zeros(packet, TAILROOM);
    dp_packet_set_size(packet, n);
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    if (l3_type) {
        packet->packet_type = PACKET_TYPE_BE(OFPHTN_ETHERTYPE, l3_type);
    }
    flow_vlan_limit = 2;
    flow_extract(packet, flow);
    if (!dp_packet_rss_valid(packet)) {
        dp_packet_set_rss_hash(packet, flow_hash_5tuple(flow, 0));
    }
    return packet;
}

/* A packet that was cut has no more of layer 4 than is left, for OVS. */
static bool
same_layers(const struct agl_pkt *pkt, const struct dp_packet *packet,
            bool cut)
{
    return pkt->l2_5_ofs == packet->l2_5_ofs
           && pkt->l3_ofs == packet->l3_ofs && pkt->l4_ofs == packet->l4_ofs
           && pkt->pad_len == dp_packet_l2_pad_size(packet)
           && (cut || pkt->l4_len == (uint16_t) dp_packet_l4_size(packet));
}

static bool
same_packets(const struct agl_pkt *pkt, const struct dp_packet *packet,
             bool cut)
{
    const struct agilio_metadata *md = &pkt->md;

    return pkt->len == dp_packet_size(packet)
           && (!pkt->len
               || !memcmp(pkt->data, dp_packet_data(packet), pkt->len))
           && same_layers(pkt, packet, cut)
           && md->packet_type == packet->packet_type
           && agilio_from_le32(md->dp_hash) == packet->md.dp_hash
           && agilio_from_le32(md->recirc_id) == packet->md.recirc_id
           && agilio_from_le32(md->skb_priority) == packet->md.skb_priority
           && agilio_from_le32(md->pkt_mark) == packet->md.pkt_mark;
}

static bool
same_results(void)
{
    bool same = ours.n == theirs.n;

    for (size_t i = 0; same && i < ours.n; i++) {
        same = (ours.port[i] == theirs.port[i]
                && same_packets(ours.pkt[i], theirs.packet[i],
                                theirs.cut[i]));
    }
    return same;
}

static void
print_results(void)
{
    for (size_t i = 0; i < ours.n; i++) {
        const struct agl_pkt *pkt = ours.pkt[i];

        printf("ours:   %u l2.5=%u l3=%u l4=%u len=%u pad=%u type=%x ",
               ours.port[i], pkt->l2_5_ofs, pkt->l3_ofs, pkt->l4_ofs,
               pkt->l4_len, pkt->pad_len, ntohl(pkt->md.packet_type));
        frame_print(pkt->data, pkt->len);
    }
    for (size_t i = 0; i < theirs.n; i++) {
        const struct dp_packet *packet = theirs.packet[i];

        printf("theirs: %u l2.5=%u l3=%u l4=%u len=%u pad=%u type=%x ",
               theirs.port[i], packet->l2_5_ofs, packet->l3_ofs,
               packet->l4_ofs, (uint16_t) dp_packet_l4_size(packet),
               dp_packet_l2_pad_size(packet), ntohl(packet->packet_type));
        frame_print(dp_packet_data(packet), dp_packet_size(packet));
    }
}

static struct agilio_port_ref
lookup(odp_port_t port, void *aux OVS_UNUSED)
{
    return (struct agilio_port_ref) { .id = odp_to_u32(port) };
}

/* The NIC's program; NULL if there may be no such program. */
static struct agl_program *
translate(const struct ofpbuf *odp)
{
    uint8_t wire[AGILIO_MAX_PROGRAM];
    struct agl_program *program = NULL;
    enum agilio_verdict verdict;
    const char *reason;
    size_t len;

    verdict = agilio_translate_actions(odp->data, odp->size, lookup, NULL,
                                       wire, &len, &reason);
    if (verdict == AGILIO_ON_NIC) {
        CHECK(!agl_program_compile(wire, len, &program, &reason)
              || !strcmp(reason, "the action program pushes too much"));
    } else {
        CHECK(!strncmp(reason, "size: ", 6));
    }
    return program;
}

static void
run_ours(const struct agl_program *program, struct agl_pkt *pkt)
{
    struct agl_run run = {
        .pool = &pool,
        .random = 1,
        .output = catch_output,
        .recirc = catch_recirc,
        .drop = catch_drop,
    };

    ours.n = ours.n_dropped = 0;
    if (program->kind == AGL_PROGRAM_RUN) {
        CHECK(agl_pool_reserve(&pool, program->n_clones));
        agl_program_run(program, pkt, &run);
    } else {
        agl_pkt_free(&pool, pkt);
    }
    CHECK(pool.n_free + ours.n == pool.n);
}

static void
run_theirs(const struct ofpbuf *odp, struct dp_packet *packet)
{
    struct dp_packet_batch batch;

    theirs.n = 0;
    dp_packet_batch_init_packet(&batch, packet);
    odp_execute_actions(NULL, &batch, true, odp->data, odp->size, do_theirs);
}

static void
compare(const uint8_t *bytes, size_t n, uint16_t l3_type)
{
    struct agl_program *program;
    struct ahead ahead;
    struct program p;
    struct flow flow;

    ahead.packet = start_theirs(bytes, n, l3_type, &flow);
    ahead.l3_type = ntohs(flow.dl_type);
    ahead.tail = TAILROOM;
    ofpbuf_init(&p.ours, 4096);
    ofpbuf_init(&p.theirs, 4096);
    make_actions(&p, &ahead, 0);
    dp_packet_delete(ahead.packet);

    program = translate(&p.ours);
    if (program) {
        run_ours(program, start_ours(bytes, n, l3_type));
        run_theirs(&p.theirs, start_theirs(bytes, n, l3_type, &flow));
        if (!same_results()) {
            n_checks_failed++;
            printf("before: %x ", l3_type);
            frame_print(bytes, n);
            printf("program: ");
            frame_print(program->code, program->len);
            print_results();
        }
        agl_env_free(program);
        for (size_t i = 0; i < theirs.n; i++) {
            dp_packet_delete(theirs.packet[i]);
        }
    }
    ofpbuf_uninit(&p.ours);
    ofpbuf_uninit(&p.theirs);
}

/* With its Ethernet header, or without. */
static void
compare_frame(const uint8_t *bytes, size_t n)
{
    if (frame_random(3)) {
        compare(bytes, n, 0);
    } else {
        compare(bytes + ETH_HEADER_LEN, n - ETH_HEADER_LEN,
                bytes[12] << 8 | bytes[13]);
    }
}

/* Each frame as it is, many times over. */
static void
handmade(void)
{
    uint8_t bytes[FRAME_MAX];

    for (size_t i = 0; i < N_FRAMES; i++) {
        size_t n = frame_decode(frames[i].hex, bytes);

        for (int j = 0; j < 1000 && n_checks_failed < 20; j++) {
            compare_frame(bytes, n);
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
            compare_frame(bytes, n);
        }
    }
}

/* OVS was asked about everything, often. */
static void
coverage(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].n[ASK] < 100) {
            printf("kind %"PRIuSIZE" was asked %d times, left %d, skipped "
                   "%d\n", i, kinds[i].n[ASK], kinds[i].n[LEAVE],
                   kinds[i].n[SKIP]);
            CHECK(false);
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
    for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
        memory[i] = xmalloc(sizeof *memory[i]);
        memory[i]->give_back = NULL;
    }
    odp_execute_init();
    RUN(handmade);
    RUN(random_variants);
    RUN(coverage);
    for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
        free(memory[i]);
    }
    return summary();
}
