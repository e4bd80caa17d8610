/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-stock.c - the judge: OVS's userspace datapath, in this process.
 *
 * A dpif-netdev of type "dummy" with ports of a netdev class of our own, whose
 * receive queue is one frame and whose transmission is a copy into the fate of
 * that frame.  No hardware offload is on, so none of our hooks does anything.
 * Frames go through one at a time: what is sent is then surely of that frame.
 *
 * A flow comes into the datapath the way it does in ovs-vswitchd: a frame
 * misses, and the upcall returns the wildcards and the actions.  That, other
 * than dpif_flow_put(), takes any match, not only what Netlink can express.
 */

#include <config.h>

#include "differential.h"

#include <errno.h>

#include "dp-packet.h"
#include "dpdk.h"
#include "dpif-netdev.h"
#include "dummy.h"
#include "netdev-provider.h"
#include "odp-execute.h"
#include "odp-util.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"

#include "check.h"

#define TAILROOM (UINT8_MAX * 8)        /* The longest option. */

struct port {
    struct netdev up;
    uint32_t index;
};

struct port_rxq {
    struct netdev_rxq up;
};

static struct dpif *dpif;
static const struct diff_frame *arrived[DIFF_N_PORTS];  /* Not yet received. */
static struct diff_fate *fate;          /* NULL: it does not matter. */
static diff_learn_cb *learn;            /* NULL: nothing may be learned. */
static void *learn_aux;

/* ## ----- ##
 * ## Ports ##
 * ## ----- ## */

static struct port *
port_cast(const struct netdev *netdev)
{
    return CONTAINER_OF(netdev, struct port, up);
}

static struct netdev *
port_alloc(void)
{
    struct port *port = xzalloc(sizeof *port);

    return &port->up;
}

static int
port_construct(struct netdev *netdev)
{
    port_cast(netdev)->index = strtoul(netdev_get_name(netdev) + 1, NULL, 10);
    return 0;
}

static void
port_destruct(struct netdev *netdev OVS_UNUSED)
{
}

static void
port_dealloc(struct netdev *netdev)
{
    free(port_cast(netdev));
}

static int
port_update_flags(struct netdev *netdev OVS_UNUSED,
                  enum netdev_flags off OVS_UNUSED,
                  enum netdev_flags on OVS_UNUSED, enum netdev_flags *old)
{
    *old = NETDEV_UP | NETDEV_PROMISC;
    return 0;
}

static void
note(struct diff_frame *frame, const struct dp_packet *packet)
{
    frame->len = dp_packet_size(packet);
    ovs_assert(frame->len <= sizeof frame->bytes);
    memcpy(frame->bytes, dp_packet_data(packet), frame->len);
}

static int
port_send(struct netdev *netdev, int qid OVS_UNUSED,
          struct dp_packet_batch *batch, bool concurrent OVS_UNUSED)
{
    uint32_t i = port_cast(netdev)->index;
    struct dp_packet *packet;

    if (fate) {
        DP_PACKET_BATCH_FOR_EACH (j, packet, batch) {
            if (fate->n_sent[i] < DIFF_MAX_SENT) {
                note(&fate->sent[i][fate->n_sent[i]], packet);
            }
            fate->n_sent[i]++;
        }
    }
    dp_packet_delete_batch(batch, true);
    return 0;
}

static struct netdev_rxq *
port_rxq_alloc(void)
{
    struct port_rxq *rxq = xzalloc(sizeof *rxq);

    return &rxq->up;
}

static int
port_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

static void
port_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static void
port_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(CONTAINER_OF(rxq, struct port_rxq, up));
}

/* With the RSS hash that a device would give: without one, OVS computes it at
 * one of several points, by what flows there are.
 *
 * With zeros behind it: packet_set_nd() follows the length of an option to
 * wherever it points, and would find options of earlier frames there. */
static struct dp_packet *
new_packet(const struct diff_frame *frame)
{
    struct dp_packet *packet
        = dp_packet_new_with_headroom(frame->len + TAILROOM,
                                      DP_NETDEV_HEADROOM);

    dp_packet_put(packet, frame->bytes, frame->len);
    memset(dp_packet_tail(packet), 0, TAILROOM);
    if (frame->len >= ETH_HEADER_LEN) {
        struct flow flow;

        flow_extract(packet, &flow);
        dp_packet_set_rss_hash(packet, flow_hash_5tuple(&flow, 0));
    }
    return packet;
}

static int
port_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
              int *qfill)
{
    uint32_t i = port_cast(rxq->netdev)->index;
    const struct diff_frame *frame = arrived[i];

    if (qfill) {
        *qfill = 0;
    }
    if (!frame) {
        return EAGAIN;
    }
    arrived[i] = NULL;
    dp_packet_batch_init_packet(batch, new_packet(frame));
    return 0;
}

static void
port_rxq_wait(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static const struct netdev_class port_class = {
    .type = "differential",
    .alloc = port_alloc,
    .construct = port_construct,
    .destruct = port_destruct,
    .dealloc = port_dealloc,
    .update_flags = port_update_flags,
    .send = port_send,
    .rxq_alloc = port_rxq_alloc,
    .rxq_construct = port_rxq_construct,
    .rxq_destruct = port_rxq_destruct,
    .rxq_dealloc = port_rxq_dealloc,
    .rxq_recv = port_rxq_recv,
    .rxq_wait = port_rxq_wait,
};

/* ## -------- ##
 * ## Datapath ##
 * ## -------- ## */

static int
upcall(const struct dp_packet *packet, const struct flow *flow,
       ovs_u128 *ufid, unsigned int pmd_id OVS_UNUSED,
       enum dpif_upcall_type type, const struct nlattr *userdata OVS_UNUSED,
       struct ofpbuf *actions, struct flow_wildcards *wc,
       struct ofpbuf *put_actions OVS_UNUSED, void *aux OVS_UNUSED)
{
    const struct diff_flow *new;

    if (type != DPIF_UC_MISS) {
        return EINVAL;          /* A USERSPACE action: goes no further. */
    }
    new = learn ? learn(flow, learn_aux) : NULL;
    if (!new) {
        if (fate) {
            fate->n_host++;
            fate->reason = AGILIO_FALLBACK_MISS;
            note(&fate->host, packet);
        }
        return EINVAL;
    }
    *ufid = new->ufid;
    *wc = new->match.wc;
    ofpbuf_put(actions, new->actions, new->actions_len);
    return 0;
}

void
diff_stock_start(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    ovs_numa_init();
    odp_execute_init();
    dummy_enable(NULL);
    CHECK(!netdev_register_provider(&port_class));
    CHECK(!dpif_create("differential", "dummy", &dpif));
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        odp_port_t port_no = u32_to_odp(i + 1);
        char name[] = "d0";
        struct netdev *netdev;

        name[1] += i;
        CHECK(!netdev_open(name, port_class.type, &netdev));
        CHECK(!dpif_port_add(dpif, netdev, &port_no));
        CHECK(port_no == u32_to_odp(i + 1));
        netdev_close(netdev);
    }
    dpif_register_upcall_cb(dpif, upcall, NULL);
    dpif_enable_upcall(dpif);
    dpif_run(dpif);
}

void
diff_stock_learn(uint32_t port, const struct diff_frame *frame,
                 diff_learn_cb *cb, void *aux)
{
    fate = NULL;
    learn = cb;
    learn_aux = aux;
    arrived[port] = frame;
    dpif_run(dpif);
    learn = NULL;
}

void
diff_stock_send(uint32_t port, const struct diff_frame *frame,
                struct diff_fate *fate_)
{
    memset(fate_->n_sent, 0, sizeof fate_->n_sent);
    fate_->n_host = 0;
    fate = fate_;
    arrived[port] = frame;
    dpif_run(dpif);
    fate = NULL;
}

/* Netlink's form of the flow's key.  Returns false if what it leaves out (for
 * IGMP, say, all of layer 4) is something that the flow matches on. */
static bool
put_key(struct ofpbuf *key, const struct diff_flow *flow)
{
    const struct odp_flow_key_parms parms = {
        .flow = &flow->match.flow,
        .support.max_vlan_headers = FLOW_MAX_VLAN_HEADERS,
        .support.max_mpls_depth = FLOW_MAX_MPLS_LABELS,
        .support.recirc = true,
        .support.nd_ext = true,
    };
    struct flow back;

    odp_flow_key_from_flow(&parms, key);
    return odp_flow_key_to_flow(key->data, key->size, &back, NULL)
               != ODP_FIT_ERROR
           && flow_equal_except(&back, &flow->match.flow, &flow->match.wc);
}

bool
diff_stock_modify(const struct diff_flow *flow)
{
    struct ofpbuf key;
    bool ok;

    ofpbuf_init(&key, 512);
    ok = put_key(&key, flow)
         && !dpif_flow_put(dpif, DPIF_FP_MODIFY, key.data, key.size, NULL, 0,
                           (const void *) flow->actions, flow->actions_len,
                           &flow->ufid, NON_PMD_CORE_ID, NULL);
    ofpbuf_uninit(&key);
    return ok;
}

void
diff_stock_stats(const struct diff_flow *flow, struct dpif_flow_stats *stats)
{
    uint64_t buf[DIFF_MAX_ACTIONS];
    struct dpif_flow found;
    struct ofpbuf b;

    ofpbuf_use_stub(&b, buf, sizeof buf);
    CHECK(!dpif_flow_get(dpif, NULL, 0, &flow->ufid, NON_PMD_CORE_ID, &b,
                         &found));
    *stats = found.stats;
    ofpbuf_uninit(&b);
}

void
diff_stock_del(const struct diff_flow *flow, struct dpif_flow_stats *stats)
{
    CHECK(!dpif_flow_del(dpif, NULL, 0, &flow->ufid, NON_PMD_CORE_ID, stats));
    ovsrcu_quiesce();           /* Or nothing deleted would ever be freed. */
}
