/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-nic.c - the NIC's side: the NIC in this process (inproc-nic.h).
 *
 * Flows come to it as in ovs-vswitchd: translated by lib/agilio-translate.h,
 * and put by a FLOW_PUT through the control ring.  What it gives to its host
 * goes the way that it goes there, too: lib/agilio-rx.h makes packets of it,
 * which the host's datapath receives or resumes, and lib/agilio-sample.h takes
 * those that are sampled.
 */

#include <config.h>

#include "differential.h"

#include "agilio-sample.h"
#include "dp-packet.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/types.h"
#include "util.h"

#include "check.h"
#include "inproc-nic.h"

BUILD_ASSERT_DECL(DIFF_MANY == INPROC_QUEUE);

#define N_WORKERS 3             /* Of which two have a queue of a port. */
#define N_PACKETS 1024
#define N_TRACKER 256           /* Few: entries shall be pushed out, too. */

static struct inproc nic = { .queues = true };

/* ## ----- ##
 * ## Start ##
 * ## ----- ## */

/* So that the MTU, of which OVS's datapath knows nothing, is no matter. */
static void
lift_mtu(uint32_t port)
{
    uint8_t body[24];
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u32(&w, nic.ids[port]);
    agilio_put_u32(&w, AGILIO_PORT_SET_MTU);
    agilio_put_u32(&w, 0);
    agilio_put_u32(&w, AGILIO_MAX_FRAME - 22);
    agilio_put_bytes(&w, "\0\0\0\0\0\0", 6);
    CHECK(!diff_nic_ask(AGILIO_MSG_PORT_SET, body, w.p - body));
}

void
diff_nic_start(void)
{
    static const struct agl_geometry geometry = {
        .type = AGILIO_FUNCTION_PF,
        .n_ports = DIFF_N_PORTS,
        .n_qps = DIFF_N_PORTS,
        .max_flows = DIFF_MAX_FLOWS,
        .max_masks = DIFF_MAX_FLOWS,
        .max_meters = DIFF_N_METERS + 1,
        .max_bonds = DIFF_N_BONDS + 1,
        .n_workers = N_WORKERS,
        .control_granules = 256,
        .packet_granules = 65536,
    };

    inproc_start(&nic, &geometry, N_PACKETS, N_TRACKER, DIFF_N_PORTS);
    inproc_attach(&nic);
    CHECK(!inproc_hello(&nic, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        lift_mtu(i);
    }
}

int
diff_nic_ask(enum agilio_msg_type type, const void *body, size_t len)
{
    return inproc_ask(&nic, type, body, len, NULL);
}

const struct agl_region *
diff_nic_region(void)
{
    return &nic.region;
}

uint32_t
diff_nic_port(uint32_t port)
{
    return nic.ids[port];
}

void
diff_nic_set_max_vlans(uint32_t max_vlans)
{
    agilio_le32 body = agilio_to_le32(max_vlans);

    CHECK(!diff_nic_ask(AGILIO_MSG_OPTIONS, &body, sizeof body));
}

/* ## ----- ##
 * ## Flows ##
 * ## ----- ## */

struct agilio_port_ref
diff_nic_lookup(odp_port_t port, void *aux OVS_UNUSED)
{
    struct agilio_port_ref ref = agilio_host_port(port);
    uint32_t i = odp_to_u32(port) - 1;

    if (i < DIFF_N_PORTS) {
        ref.id = nic.ids[i];
    } else if (i - DIFF_N_PORTS < DIFF_N_TUNNELS) {
        ref.tunnel = diff_tunnels[i - DIFF_N_PORTS].nic;
    }
    return ref;
}

/* What worker 'w' counted of the flow. */
static const struct agilio_flow_stats *
stats_of(const struct diff_flow *flow, uint32_t w)
{
    return &nic.region.flows[w * DIFF_MAX_FLOWS + flow->id];
}

/* Takes a flow off the NIC, and what it counted into the flow. */
static void
take_off(struct diff_flow *flow)
{
    struct diff_stats *past = &flow->past;

    CHECK(!inproc_del_flow(&nic, flow->id));
    for (uint32_t w = 0; w < N_WORKERS; w++) {
        const struct agilio_flow_stats *s = stats_of(flow, w);

        past->n_packets += agilio_from_le64(s->packets);
        past->n_bytes += agilio_from_le64(s->bytes);
        past->used = MAX(past->used, agilio_from_le64(s->used) / 1000000);
        past->tcp_flags |= agilio_from_le16(s->tcp_flags);
    }
}

/* A flow that the NIC refuses is not there, as in ovs-vswitchd. */
void
diff_nic_put(struct diff_flow *flow)
{
    uint32_t in_port = diff_nic_lookup(flow->match.flow.in_port.odp_port,
                                       NULL).id;
    static uint8_t body[AGILIO_MAX_MSG];
    struct agilio_flow_put put;
    struct agilio_key key;
    bool was = flow->resident;
    size_t len;

    flow->verdict = agilio_translate_flow(
        &flow->match, (const void *) flow->actions, flow->actions_len,
        flow->id, in_port, diff_nic_lookup, NULL, body, &len, &flow->reason);
    flow->resident = false;
    if (flow->verdict != AGILIO_UNMATCHABLE) {
        agilio_translate_match(&flow->match, in_port, &key, &flow->mask);
        memcpy(&put, body, sizeof put);
        flow->program_len = agilio_from_le16(put.program_len);
        memcpy(flow->program, body + len - flow->program_len,
               flow->program_len);
        flow->resident = !diff_nic_ask(AGILIO_MSG_FLOW_PUT, body, len);
    }
    if (was && !flow->resident) {
        take_off(flow);
    }
}

uint64_t
diff_nic_n_packets(const struct diff_flow *flow)
{
    uint64_t n = 0;

    for (uint32_t w = 0; w < N_WORKERS; w++) {
        n += agilio_from_le64(stats_of(flow, w)->packets);
    }
    return n;
}

void
diff_nic_del(struct diff_flow *flow, struct diff_stats *stats)
{
    if (flow->resident) {
        take_off(flow);
    }
    *stats = flow->past;
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

/* Takes note of what was given: 'packet', if it was received on 'port' as
 * 'frame'. */
static void
note_given(struct diff_given *given, const struct agilio_rx *rx,
           uint32_t reason, uint32_t port, const struct diff_frame *frame,
           const struct dp_packet *packet)
{
    struct dp_packet *copy = dp_packet_clone(packet);

    given->kind = rx->kind;
    given->reason = reason;
    given->same = (dp_packet_size(packet) == frame->len
                   && !memcmp(dp_packet_data(packet), frame->bytes,
                              frame->len));
    if (rx->kind == AGILIO_RX_FRESH) {
        pkt_metadata_init(&copy->md, u32_to_odp(port + 1));
    } else {
        agilio_rx_set_in_port(copy, agilio_from_le32(rx->meta.md.in_port),
                              u32_to_odp(port + 1));
    }
    flow_extract(copy, &given->flow);
    dp_packet_delete(copy);
}

/* Room behind a packet, with zeros, as diff_packet_new() gives. */
static struct dp_packet *
with_room(struct dp_packet *packet, bool fresh)
{
    struct dp_packet *new = diff_packet_new(dp_packet_data(packet),
                                            dp_packet_size(packet));

    if (!fresh) {
        new->md = packet->md;
        new->packet_type = packet->packet_type;
        new->cutlen = packet->cutlen;
        dp_packet_reset_offload(new);
    }
    if (dp_packet_rss_valid(packet)) {
        dp_packet_set_rss_hash(new, dp_packet_get_rss_hash(packet));
    }
    dp_packet_delete(packet);
    return new;
}

static uint32_t
host_receive(uint32_t port, const struct diff_frame *frame,
             struct diff_fate *fate, struct diff_given given[])
{
    struct agilio_ring_end *ring = &nic.from_nic[port];
    struct agilio_desc desc;
    struct agilio_rx rx;
    uint32_t n = 0;

    while (agilio_rx_peek(ring, nic.ids[port], &rx)) {
        struct dp_packet *packet;

        agilio_ring_read(ring, 0, &desc, sizeof desc);
        packet = agilio_rx_take(ring, &rx);
        /* Nothing of it is malformed; but see DIFF_SHORT_SAMPLE. */
        CHECK(packet || rx.len - rx.frame_ofs < ETH_HEADER_LEN);
        if (!packet) {
            continue;
        }
        if (n == DIFF_MAX_GIVEN) {
            fate->full = true;
            dp_packet_delete(packet);
            continue;
        }
        note_given(&given[n++], &rx, agilio_from_le32(desc.reason), port,
                   frame, packet);
        packet = with_room(packet, rx.kind == AGILIO_RX_FRESH);
        if (rx.kind == AGILIO_RX_SAMPLED) {
            agilio_sample_put(packet, nic.ids[port], &rx);
            diff_dp_samples(fate);
        } else {
            diff_dp_receive(DIFF_HOST, port, packet,
                            rx.kind == AGILIO_RX_FRESH ? AGILIO_PORT_NONE
                            : agilio_from_le32(rx.meta.md.in_port), fate);
        }
    }
    return n;
}

/* What a queue of a port's device sent. */
static void
collect_queue(struct diff_fate *fate, uint32_t port, struct inproc_dev *dev)
{
    for (uint32_t j = 0; j < MIN(dev->n_tx, INPROC_QUEUE); j++) {
        diff_fate_add(fate, DIFF_SENT, port + 1, dev->tx[j], dev->tx_len[j],
                      NULL, NULL, 0);
    }
    fate->full |= dev->n_tx > INPROC_QUEUE;
    dev->n_tx = 0;
    dev->room = UINT32_MAX;
}

static void
collect(struct diff_fate *fate)
{
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        collect_queue(fate, i, &nic.devs[i]);
        collect_queue(fate, i, &nic.second[i]);
    }
}

/* The queue that a frame comes by: like frames by the same. */
static struct inproc_dev *
spread(uint32_t port, const struct diff_frame *frame)
{
    return (hash_bytes(frame->bytes, frame->len, 0) & 1
            ? &nic.second[port] : &nic.devs[port]);
}

static void
go_round(void)
{
    for (uint32_t w = 0; w < N_WORKERS; w++) {
        agl_worker_round(nic.nic->team.workers[w]);
    }
}

uint32_t
diff_nic_receive(uint32_t port, const struct diff_frame *frame,
                 struct diff_fate *fate, const struct diff_given **givenp)
{
    static struct diff_given given[DIFF_MAX_GIVEN];
    struct inproc_dev *queue = spread(port, frame);

    collect(fate);
    fate->n = fate->n_bytes = 0;
    fate->full = false;
    nic.clock = diff_now * 1000;
    CHECK(inproc_inject_queue(queue, frame->bytes, frame->len));
    go_round();                 /* One receives, another sends, */
    go_round();                 /* and gives the buffer back. */
    collect(fate);
    *givenp = given;

    /* Nothing is lost. */
    CHECK(!queue->n_rx);
    for (uint32_t w = 0; w < N_WORKERS; w++) {
        const struct agl_pool *pool = &nic.nic->team.workers[w]->pool;

        CHECK(pool->n_free == pool->n && !pool->n_reserved);
    }
    return host_receive(port, frame, fate, given);
}
