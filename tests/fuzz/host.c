/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - fuzz target: a NIC that writes what it likes into its region, and
 * lib/ that reads it: agilio-map, -rx, -queue, -ctl, and agilio-format for
 * what operators see of it.
 *
 * The region is memory of exactly its size, so that ASan sees every step
 * outside.  A packet that comes out is one that the datapath can take, and
 * every request has one answer, from the NIC or at the end.
 */

#include <config.h>

#include "agilio-ctl.h"
#include "agilio-format.h"
#include "agilio-map.h"
#include "agilio-queue.h"
#include "agilio-rx.h"
#include "agilio-sample.h"

#include "dp-packet.h"
#include "flow.h"
#include "fuzz.h"
#include "host/function.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"

#define MAX_OPS 100
#define N_PORTS 2
#define SESSION 42
#define PORT agilio_port_id(1, 1)

static const struct agl_geometry geometry = {
    .type = AGILIO_FUNCTION_PF,
    .n_ports = N_PORTS,
    .n_qps = N_PORTS,
    .max_flows = 8,
    .max_masks = 4,
    .max_meters = 2,
    .max_bonds = 2,
    .n_workers = 1,
    .control_granules = 256,
    .packet_granules = 256,
};

static struct agl_region nic;
static struct agl_qp qps[N_PORTS];
static struct agilio_map map;
static struct agilio_ctl ctl;
static struct agilio_rxq rxq;
static struct agilio_txq txq;
static struct agilio_ring_end reply, to_host;   /* The NIC's. */
static uint32_t n_asked, n_answered;
static bool broken;             /* Who sees that drops the NIC. */

/* ## ------- ##
 * ## The NIC ##
 * ## ------- ## */

static void
scribble(struct fuzz_input *in, size_t at, size_t size)
{
    uint8_t bytes[512];
    uint32_t n = fuzz_bytes(in, bytes, sizeof bytes);

    memcpy(nic.base + at, bytes, MIN(n, size - at));
}

static void
op_scribble(struct fuzz_input *in)
{
    size_t at = fuzz_u32(in) % nic.size;

    scribble(in, at, nic.size);
}

static void
op_cursor(struct fuzz_input *in)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    uint8_t which = fuzz_u8(in);
    struct agilio_ring_end *ends[] = {
        &reply, &to_host, &ctl.to_nic, txq.n_ends ? &txq.end : &reply,
    };
    struct agilio_ring *ring = ends[which % 4]->ring;
    agilio_le32 *cursor = which & 4 ? &ring->prod : &ring->cons;
    uint32_t x = which & 128 ? fuzz_u32(in)
                 : agilio_from_le32(*cursor) + fuzz_u8(in) - 8;

    agilio_store_relaxed(cursor, agilio_to_le32(x));
}

/* Puts 'len' bytes into a ring, and hands over as many granules as 'claim'
 * bytes take. */
static void
produce(struct agilio_ring_end *end, const void *record, uint32_t len,
        uint32_t claim)
{
    uint32_t n = agilio_ring_granules(claim);

    if (len && n <= end->n) {
        agilio_ring_write(end, 0, record, len);
        agilio_ring_produce(end, n);
    }
}

/* A message of the session: the answer to the oldest request, or any. */
static void
op_reply(struct fuzz_input *in)
{
    uint8_t type = fuzz_u8(in);
    uint8_t how = fuzz_u8(in);
    uint8_t buf[AGILIO_MAX_MSG], body[1024];
    struct agilio_writer w;
    uint32_t id = n_answered + 1 + (how & 8 ? fuzz_u32(in) : 0);
    uint32_t len = fuzz_bytes(in, body, sizeof body);

    agilio_msg_start(&w, buf, sizeof buf,
                     how & 16 ? type : AGILIO_MSG_KEEPALIVE,
                     how & 16 ? how & 7 : AGILIO_MSG_F_REPLY | (how & 2), id,
                     how & 32 ? fuzz_u32(in) : SESSION);
    agilio_put_bytes(&w, body, len);
    len = agilio_msg_end(&w, buf);
    produce(&reply, buf, len, len);
}

/* A packet's record, whose lengths may not add up. */
static void
op_packet(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);
    uint8_t opts_len = how & 1 ? fuzz_u8(in) : 0;
    uint32_t meta_len = how & 2 ? fuzz_u16(in) : how & 4
                        ? sizeof(struct agilio_metadata) + opts_len : 0;
    uint32_t flags = how & 8 ? fuzz_u8(in) : how & 4 ? 1 : 0;
    uint32_t claim = how & 16 ? fuzz_claim(in) : 0;
    struct {
        struct agilio_desc desc;
        struct agilio_metadata md;
        uint8_t rest[3072];
    } r;
    uint32_t len;

    memset(&r, 0, sizeof r);
    len = sizeof r.desc + fuzz_bytes(in, &r.md, sizeof r - sizeof r.desc);
    if (!(how & 16)) {
        claim = len;
    }
    r.desc.len = agilio_to_le32(claim);
    r.desc.flags = agilio_to_le16(flags);
    r.desc.meta_len = agilio_to_le16(meta_len);
    r.desc.port = agilio_to_le32(how & 32 ? fuzz_u32(in) : PORT);
    r.desc.hash = agilio_to_le32(how);
    if (flags && !(how & 64)) {
        r.md.in_port = agilio_to_le32(how & 128 ? AGILIO_PORT_HOST | 3 : PORT);
        r.md.tunnel.opts_len = opts_len;
    }
    produce(&to_host, &r, len, how & 128 ? len : claim);
}

/* ## -------- ##
 * ## The host ##
 * ## -------- ## */

static void
answered(int error, const char *reason, struct agilio_reader *body,
         void *number)
{
    FUZZ_MUST((uintptr_t) number == ++n_answered);
    FUZZ_MUST(!error == !reason);
    FUZZ_MUST(error || body->p <= body->end);
}

/* If not, a request would wait for it. */
static bool
has_room(uint32_t len)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    len += sizeof(struct agilio_msg);
    return agilio_ring_free(&ctl.to_nic) >= agilio_ring_granules(len);
}

static void
op_ask(struct fuzz_input *in)
{
    uint8_t body[256];
    uint32_t len = fuzz_bytes(in, body, sizeof body);

    if (has_room(len)) {
        uintptr_t number = ++n_asked;

        FUZZ_MUST(!agilio_ctl_send(&ctl, AGILIO_MSG_KEEPALIVE, body, len,
                                   answered, (void *) number));
    }
}

static void
op_run(struct fuzz_input *in OVS_UNUSED)
{
    bool port_event;

    broken |= agilio_ctl_run(&ctl, &port_event) != NULL;
    agilio_ctl_oldest(&ctl);
}

/* What the datapath and an upcall do with a packet. */
static void
use_packet(struct dp_packet *packet)
{
    struct odp_flow_key_parms parms = { .support = { .recirc = true } };
    struct ofpbuf key;
    struct flow flow;

    FUZZ_MUST(dp_packet_size(packet) <= AGILIO_MAX_FRAME);
    FUZZ_MUST(dp_packet_headroom(packet) >= 4);
    agilio_rx_set_in_port(packet, AGILIO_PORT_HOST | 3, u32_to_odp(1));
    flow_extract(packet, &flow);
    parms.flow = &flow;
    ofpbuf_init(&key, 0);
    odp_flow_key_from_flow(&parms, &key);
    ofpbuf_uninit(&key);
}

static void
op_receive(struct fuzz_input *in OVS_UNUSED)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    uint32_t resumed;

    dp_packet_batch_init(&batch);
    broken |= agilio_rxq_recv(&rxq, &map, &batch, &resumed) != NULL;
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        use_packet(packet);
    }
    dp_packet_delete_batch(&batch, true);
    agilio_sample_run();
    agilio_rxq_sleep(&rxq);
}

static void
op_drain(struct fuzz_input *in OVS_UNUSED)
{
    agilio_rxq_drain(&rxq);
}

static void
op_send(struct fuzz_input *in)
{
    uint8_t frame[2048];
    uint32_t len = fuzz_bytes(in, frame, sizeof frame);
    struct dp_packet_batch batch;
    int error;

    dp_packet_batch_init_packet(&batch, dp_packet_clone_data(frame, len));
    agilio_txq_send(&txq, &map, &batch, &error);
    dp_packet_delete_batch(&batch, true);
}

/* Reads what the region says.  A port whose entry is being written is waited
 * for; so as not to, that is seldom so. */
static void
op_read(struct fuzz_input *in)
{
    uint64_t words[AGILIO_BOND_WORDS];
    struct agilio_flow_counts counts;
    struct agilio_port port;
    uint32_t slot = fuzz_u8(in) % (N_PORTS + 1);

    BUILD_ASSERT(AGILIO_METER_WORDS <= AGILIO_BOND_WORDS);

    if (slot < N_PORTS && slot < map.n_ports && fuzz_u8(in) < 250) {
        *(uint8_t *) (uintptr_t) &map.ports[slot].seq &= ~1;
    }
    if (agilio_map_port(&map, slot, &port)) {
        FUZZ_MUST(memchr(port.name, 0, sizeof port.name));
    }
    for (int i = 0; i < AGILIO_N_COUNTERS; i++) {
        agilio_map_counter(&map, i);
    }
    agilio_map_flow_counts(&map, fuzz_u32(in), &counts);
    agilio_map_flow_counts(&map, map.max_flows - 1, &counts);
    slot = fuzz_u32(in);
    agilio_map_meter_counts(&map, slot, words);
    agilio_map_meter_counts(&map, map.max_meters - 1, words);
    agilio_map_bond_counts(&map, slot, words);
    agilio_map_bond_counts(&map, map.max_bonds - 1, words);
}

/* A tracker's entry, as an operator sees it. */
static void
op_format(struct fuzz_input *in)
{
    struct agilio_key key[2];
    struct ds ds = DS_EMPTY_INITIALIZER;

    memset(key, 0, sizeof key);
    fuzz_bytes(in, key, sizeof key);
    agilio_format_match(&ds, &key[0], &key[1]);
    ds_destroy(&ds);
}

/* ## ---------- ##
 * ## The target ##
 * ## ---------- ## */

/* Writes into header and queue pairs, then has the host look at them. */
static bool
attach(struct fuzz_input *in)
{
    const size_t qps_ofs = agilio_from_le64(nic.header->qps_ofs);
    struct fuzz_input operands;
    uint8_t number;
    char *error;

    for (int i = 0; i < 4 && fuzz_operation(in, &number, &operands)
                    && number & 128; i++) {
        size_t ofs = fuzz_u8(&operands) % 80 * 4;

        scribble(&operands, number & 1 ? qps_ofs + ofs % 128 : ofs, nic.size);
    }
    error = agilio_map_init(&map, nic.base, nic.size);
    FUZZ_MUST(!error || *error);
    free(error);
    map.generation = 1;
    return !error;
}

static void
detach(void)
{
    agilio_ctl_close(&ctl);
    FUZZ_MUST(n_answered == n_asked);
    agilio_rxq_destroy(&rxq, &map);
    ovs_mutex_destroy(&ctl.mutex);
}

static void
operate(struct fuzz_input *in)
{
    static fuzz_op *const ops[] = {
        op_reply, op_run, op_packet, op_receive, op_ask, op_cursor, op_send,
        op_scribble, op_read, op_drain, op_format,
    };
    struct fuzz_input operands;
    uint8_t number;

    for (int i = 0; i < MAX_OPS && !broken
                    && fuzz_operation(in, &number, &operands); i++) {
        ops[number % ARRAY_SIZE(ops)](&operands);
    }
    op_run(in);
    op_receive(in);
}

void
fuzz_host(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, data + size };
    size_t region_size = agl_region_size(&geometry);
    void *base;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    base = xmalloc_pagealign(region_size);
    memset(base, 0, region_size);
    agl_region_init(&nic, &geometry, base, qps, 4711);
    n_asked = n_answered = 0;
    broken = false;
    if (attach(&in)) {
        agilio_ctl_init(&ctl);
        agilio_ctl_open(&ctl, &map, -1, SESSION);
        agilio_rxq_init(&rxq);
        agilio_rxq_bind(&rxq, &map, PORT);
        memset(&txq, 0, sizeof txq);
        agilio_txq_bind(&txq, &map, PORT);
        reply = nic.reply;
        to_host = nic.qps[agilio_port_slot(PORT)].to_host;
        operate(&in);
        detach();
        free(map.qps);
    }
    free_pagealign(base);
}
