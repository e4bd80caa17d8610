/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-nic.c - the NIC's side: the NIC in this process.
 *
 * Its ports are devices that receive the one frame that is being compared and
 * copy what they send into its fate; its region is memory; its clock ticks
 * once a frame.  Flows come to it as in ovs-vswitchd: translated by
 * lib/agilio-translate.h, and put by a FLOW_PUT through the control ring.
 */

#include <config.h>

#include "differential.h"

#include "nic.h"
#include "util.h"

#include "check.h"

#define N_PACKETS 128
#define N_TRACKER 256           /* Few: entries shall be pushed out, too. */
#define EPOCH 42

struct mem_dev {
    struct agl_dev up;
    uint32_t index;
    const struct diff_frame *arrived;   /* NULL, or not yet received. */
};

static struct mem_dev devs[DIFF_N_PORTS];
static uint32_t ids[DIFF_N_PORTS];
static struct agl_region region;
static struct agl_qp qps[AGILIO_MAX_PORTS];
static struct agl_nic *nic;
static struct agilio_ring_end request, reply, to_host[DIFF_N_PORTS];
static struct diff_fate *fate;
static uint64_t now = 1;

/* ## ------- ##
 * ## Devices ##
 * ## ------- ## */

static uint32_t
mem_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
       uint32_t max OVS_UNUSED)
{
    struct mem_dev *d = CONTAINER_OF(dev, struct mem_dev, up);

    if (!d->arrived) {
        return 0;
    }
    pkts[0] = agl_pkt_new(pool);
    ovs_assert(pkts[0]);
    memcpy(pkts[0]->data, d->arrived->bytes, d->arrived->len);
    pkts[0]->len = d->arrived->len;
    d->arrived = NULL;
    return 1;
}

static uint32_t
mem_tx(struct agl_dev *dev, struct agl_pkt *const pkts[], uint32_t n)
{
    uint32_t port = CONTAINER_OF(dev, struct mem_dev, up)->index;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = fate->n_sent[port]++;

        if (j < DIFF_MAX_SENT) {
            struct diff_frame *frame = &fate->sent[port][j];

            frame->len = pkts[i]->len;
            ovs_assert(frame->len <= sizeof frame->bytes);
            memcpy(frame->bytes, pkts[i]->data, frame->len);
        }
    }
    return n;
}

static int
mem_fd(const struct agl_dev *dev OVS_UNUSED)
{
    return -1;
}

static void
mem_status(struct agl_dev *dev OVS_UNUSED, struct agl_dev_status *status)
{
    *status = (struct agl_dev_status) { true, DIFF_MAX_FRAME, 0, { 0 } };
}

static int
mem_set_mtu(struct agl_dev *dev OVS_UNUSED, uint32_t mtu OVS_UNUSED)
{
    return 0;
}

static const struct agl_dev_class mem_class = {
    .type = "mem",
    .rx = mem_rx,
    .tx = mem_tx,
    .fd = mem_fd,
    .status = mem_status,
    .set_mtu = mem_set_mtu,
};

static uint64_t
ops_clock(void *aux OVS_UNUSED)
{
    return now;
}

static void
ops_kick_host(void *aux OVS_UNUSED, enum agilio_vector vector OVS_UNUSED)
{
}

static void
ops_nothing(void *aux OVS_UNUSED)
{
}

static void
ops_wait_worker(void *aux OVS_UNUSED, struct agl_worker *w)
{
    agl_worker_round(w);
}

static const struct agl_nic_ops ops = {
    .clock = ops_clock,
    .kick_host = ops_kick_host,
    .kick_worker = ops_nothing,
    .kick_control = ops_nothing,
    .wait_worker = ops_wait_worker,
};

/* ## -------------- ##
 * ## As a host does ##
 * ## -------------- ## */

/* Sends a request; returns the error of its reply. */
static int
ask(enum agilio_msg_type type, const void *body, size_t len)
{
    static uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_writer w;
    struct agilio_reader r;
    struct agilio_msg msg;

    agilio_msg_start(&w, buf, sizeof buf, type, 0, 7, EPOCH);
    agilio_put_bytes(&w, body, len);
    CHECK(agilio_msg_send(&request, buf, agilio_msg_end(&w, buf)) >= 0);
    agl_control_run(nic);
    agl_worker_round(&nic->worker);
    agl_control_run(nic);
    while (agilio_msg_receive(&reply, buf, &msg, &r)) {
        uint16_t flags = agilio_from_le16(msg.flags);

        if (!(flags & AGILIO_MSG_F_EVENT)) {
            return flags & AGILIO_MSG_F_ERROR ? (int) agilio_get_u32(&r) : 0;
        }
    }
    OVS_NOT_REACHED();          /* Every request has its reply. */
}

static void
open_ring(const struct agilio_ring_place *place, bool producer,
          struct agilio_ring_end *end)
{
    struct agilio_ring *ring
        = (void *) (region.base + agilio_from_le64(place->ring_ofs));
    void *body = region.base + agilio_from_le64(place->body_ofs);
    uint32_t n = agilio_from_le32(place->n_granules);

    if (producer) {
        agilio_ring_init_producer(end, ring, body, n);
    } else {
        agilio_ring_init_consumer(end, ring, body, n);
    }
}

static void
attach(void)
{
    const struct agilio_qp *qp = (const void *)
        (region.base + agilio_from_le64(region.header->qps_ofs));
    uint8_t body[24];
    struct agilio_writer w = { body, body + sizeof body, false };

    agl_nic_host_attached(nic);
    open_ring(&region.header->control[0], true, &request);
    open_ring(&region.header->control[1], false, &reply);
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        open_ring(&qp[i].to_host, false, &to_host[i]);
    }

    agilio_put_u16(&w, AGILIO_ABI_MIN);
    agilio_put_u16(&w, AGILIO_ABI_MAX);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, EPOCH);
    CHECK(!ask(AGILIO_MSG_HELLO, body, sizeof body));
}

void
diff_nic_start(void)
{
    const struct agl_geometry geometry = {
        .type = AGILIO_FUNCTION_PF,
        .n_ports = DIFF_N_PORTS,
        .n_qps = DIFF_N_PORTS,
        .max_flows = DIFF_MAX_FLOWS,
        .max_masks = DIFF_MAX_FLOWS,
        .n_workers = 1,
        .control_granules = 256,
        .packet_granules = 64,
    };

    agl_region_init(&region, &geometry,
                    agl_env_alloc(agl_region_size(&geometry)), qps, 1);
    CHECK(!agl_nic_create(&nic, &ops, &region, N_PACKETS, N_TRACKER));
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        char name[] = "p0";

        name[1] += i;
        devs[i].up.class = &mem_class;
        devs[i].index = i;
        CHECK(!agl_nic_port_add(nic, name, &devs[i].up, &ids[i]));
    }
    attach();
}

void
diff_nic_set_max_vlans(uint32_t max_vlans)
{
    agilio_le32 body = agilio_to_le32(max_vlans);

    CHECK(!ask(AGILIO_MSG_OPTIONS, &body, sizeof body));
}

uint32_t
diff_nic_lookup(odp_port_t port, void *aux OVS_UNUSED)
{
    uint32_t i = odp_to_u32(port) - 1;

    return i < DIFF_N_PORTS ? ids[i] : AGILIO_PORT_NONE;
}

/* Counts what is in the program at the end of a FLOW_PUT's body. */
static void
count_actions(struct diff_flow *flow, const uint8_t *body, size_t len)
{
    struct agilio_flow_put put;
    struct agilio_action action;
    size_t ofs;

    memset(flow->n_actions, 0, sizeof flow->n_actions);
    memcpy(&put, body, sizeof put);
    ofs = sizeof put + 16 * agilio_from_le16(put.n_words);
    for (; ofs < len; ofs += agilio_from_le16(action.len)) {
        memcpy(&action, body + ofs, sizeof action);
        flow->n_actions[agilio_from_le16(action.type)]++;
    }
}

void
diff_nic_put(struct diff_flow *flow)
{
    uint32_t in_port = diff_nic_lookup(flow->match.flow.in_port.odp_port,
                                       NULL);
    static uint8_t body[AGILIO_MAX_MSG];
    struct agilio_key key;
    size_t len;

    flow->verdict = agilio_translate_flow(
        &flow->match, (const void *) flow->actions, flow->actions_len,
        flow->id, in_port, diff_nic_lookup, NULL, body, &len, &flow->reason);
    flow->resident = flow->verdict != AGILIO_UNMATCHABLE;
    if (flow->resident) {
        agilio_translate_match(&flow->match, in_port, &key, &flow->mask);
        count_actions(flow, body, len);
        CHECK(!ask(AGILIO_MSG_FLOW_PUT, body, len));
    }
}

void
diff_nic_del(const struct diff_flow *flow, struct dpif_flow_stats *stats)
{
    const struct agilio_flow_stats *s = &region.flows[flow->id];
    agilio_le32 body = agilio_to_le32(flow->id);

    CHECK(!ask(AGILIO_MSG_FLOW_DEL, &body, sizeof body));
    stats->n_packets = agilio_from_le64(s->packets);
    stats->n_bytes = agilio_from_le64(s->bytes);
    stats->tcp_flags = agilio_from_le16(s->tcp_flags);
}

/* Takes what the host was given off the ring of 'port'. */
static void
receive(uint32_t port)
{
    struct agilio_ring_end *ring = &to_host[port];
    struct agilio_desc desc;
    uint32_t len;

    while ((len = agilio_ring_peek(ring, sizeof desc, AGILIO_MAX_RECORD))) {
        uint32_t head;

        agilio_ring_read(ring, 0, &desc, sizeof desc);
        head = sizeof desc + agilio_from_le16(desc.meta_len);
        CHECK(len - head <= sizeof fate->host.bytes);
        CHECK(agilio_from_le32(desc.port) == ids[port]);
        fate->n_host++;
        fate->reason = MAX(fate->reason, agilio_from_le32(desc.reason));
        fate->host.len = len - head;
        agilio_ring_read(ring, head, fate->host.bytes, fate->host.len);
        agilio_ring_consume(ring, agilio_ring_granules(len));
    }
}

void
diff_nic_send(uint32_t port, const struct diff_frame *frame,
              struct diff_fate *fate_)
{
    fate = fate_;
    memset(fate->n_sent, 0, sizeof fate->n_sent);
    fate->n_host = 0;
    fate->reason = AGILIO_FALLBACK_MISS;
    devs[port].arrived = frame;
    now += 1000;
    agl_worker_round(&nic->worker);
    receive(port);

    /* Nothing is lost. */
    CHECK(!devs[port].arrived);
    CHECK(nic->worker.pool.n_free == nic->worker.pool.n);
}
