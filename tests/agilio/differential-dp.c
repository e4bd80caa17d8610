/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-dp.c - OVS's userspace datapath, in this process.
 *
 * One is the judge: it receives what the NIC receives, and knows nothing of a
 * NIC.  One is the host behind the NIC: it takes what the NIC gives it.  One
 * has the frames that flows are made for.  They are dpif-netdevs of type
 * "dummy"; no hardware offload is on, so none of our hooks does anything but
 * agilio_batch_is_resumed().  Frames go through one at a time: what is sent is
 * then surely of that frame.
 *
 * A flow comes into a datapath the way it does in ovs-vswitchd: a packet
 * misses, and the upcall returns the wildcards and the actions.  That, other
 * than dpif_flow_put(), takes any match, not only what Netlink can express.
 */

#include <config.h>

#include "differential.h"

#include <errno.h>

#include "agilio-residency.h"
#include "agilio-sample.h"
#include "coverage.h"
#include "dp-packet.h"
#include "dpdk.h"
#include "dpif-netdev.h"
#include "dummy.h"
#include "netdev-vport.h"
#include "odp-execute.h"
#include "odp-util.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"

#include "check.h"

static struct dpif *dpifs[DIFF_N_SIDES];
static struct diff_fate *fates[DIFF_N_SIDES];
static diff_want_cb *want;

/* ## ------ ##
 * ## Upcall ##
 * ## ------ ## */

/* Tunnel options end where their length says. */
static void
tidy(const struct flow *flow, struct flow *tidied)
{
    uint8_t len = flow->tunnel.metadata.present.len;
    uint8_t *opts = (uint8_t *) &tidied->tunnel.metadata.opts;

    *tidied = *flow;
    if (flow->tunnel.flags & FLOW_TNL_F_UDPIF) {
        memset(opts + len, 0, sizeof tidied->tunnel.metadata.opts - len);
    }
}

/* As ofproto would credit the packet that missed. */
static void
credit_first(struct diff_flow *flow, enum diff_side side,
             const struct dp_packet *packet, const struct flow *key)
{
    struct diff_stats *first = &flow->first[side];

    first->n_packets++;
    first->n_bytes += dp_packet_size(packet);
    first->tcp_flags |= ntohs(key->tcp_flags);
    first->used = diff_now / 1000;
}

static int
upcall(const struct dp_packet *packet, const struct flow *flow_,
       ovs_u128 *ufid, unsigned int pmd_id OVS_UNUSED,
       enum dpif_upcall_type type, const struct nlattr *userdata,
       struct ofpbuf *actions, struct flow_wildcards *wc,
       struct ofpbuf *put_actions OVS_UNUSED, void *side_)
{
    enum diff_side side = *(enum diff_side *) side_;
    struct diff_flow *new;
    struct flow flow;

    tidy(flow_, &flow);
    new = type == DPIF_UC_MISS ? want(side, &flow) : NULL;
    if (!new) {
        if (fates[side]) {
            diff_fate_add(fates[side],
                          type == DPIF_UC_MISS ? DIFF_MISS : DIFF_ACTION, 0,
                          dp_packet_data(packet), dp_packet_size(packet),
                          &flow, userdata ? nl_attr_get(userdata) : NULL,
                          userdata ? nl_attr_get_size(userdata) : 0);
        }
        return EINVAL;
    }
    new->installed[side] = true;
    credit_first(new, side, packet, &flow);
    *ufid = new->ufid;
    *wc = new->match.wc;
    ofpbuf_put(actions, new->actions, new->actions_len);
    return 0;
}

/* ## ----- ##
 * ## Start ##
 * ## ----- ## */

static void
add_port(struct dpif *dpif, const char *name, const char *type,
         uint32_t number)
{
    odp_port_t port_no = u32_to_odp(number);
    struct netdev *netdev;

    CHECK(!netdev_open(name, type, &netdev));
    CHECK(!dpif_port_add(dpif, netdev, &port_no));
    CHECK(port_no == u32_to_odp(number));
    netdev_close(netdev);
}

static void
start_side(enum diff_side side, const char *dp_name, char prefix)
{
    static enum diff_side sides[] = { DIFF_STOCK, DIFF_HOST, DIFF_TEACHER };

    CHECK(!dpif_create(dp_name, "dummy", &dpifs[side]));
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        char name[] = { prefix, '0' + i, '\0' };

        add_port(dpifs[side], name, "differential", i + 1);
    }
    for (uint32_t i = 0; i < DIFF_N_TUNNELS; i++) {
        const char *type = diff_tunnels[i].netdev_type;

        add_port(dpifs[side], type, type, DIFF_TUNNEL(i));
    }
    dpif_register_upcall_cb(dpifs[side], upcall, &sides[side]);
    dpif_enable_upcall(dpifs[side]);
    dpif_run(dpifs[side]);
}

/* agilio-sample.c asks which datapath port a NIC port is. */
static void
tell_ports(void)
{
    struct agilio_port_pair pairs[DIFF_N_PORTS];

    memset(pairs, 0, sizeof pairs);
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        pairs[i].dpif_type = dpif_normalize_type("dummy");
        pairs[i].ref.id = diff_nic_port(i);
        pairs[i].odp_port = u32_to_odp(i + 1);
    }
    agilio_residency_set_ports(pairs, DIFF_N_PORTS);
}

void
diff_dp_start(diff_want_cb *want_)
{
    want = want_;
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    ovs_numa_init();
    odp_execute_init();
    dummy_enable(NULL);
    netdev_vport_tunnel_register();
    diff_ports_start();
    start_side(DIFF_STOCK, "differential", 's');
    start_side(DIFF_HOST, "ovs-dummy", 'h');    /* agilio-sample.c's. */
    start_side(DIFF_TEACHER, "teacher", 't');
    tell_ports();
}

struct dpif *
diff_dpif(enum diff_side side)
{
    return dpifs[side];
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

static void
hear(enum diff_side side, struct diff_fate *fate)
{
    fates[side] = fate;
    diff_ports_listen(side, fate);
}

void
diff_dp_receive(enum diff_side side, uint32_t port, struct dp_packet *packet,
                uint32_t in_port, struct diff_fate *fate)
{
    hear(side, fate);
    diff_ports_arrive(side, port, packet, in_port);
    dpif_run(dpifs[side]);
    hear(side, NULL);
}

void
diff_dp_samples(struct diff_fate *fate)
{
    hear(DIFF_HOST, fate);
    agilio_sample_run();
    hear(DIFF_HOST, NULL);
}

/* COVERAGE_DEFINE() of dpif-netdev.c: counts from 0 again when it is read. */
extern struct coverage_counter counter_datapath_drop_recirc_error;

bool
diff_dp_too_deep(void)
{
    return counter_datapath_drop_recirc_error.count() != 0;
}

/* ## ----- ##
 * ## Flows ##
 * ## ----- ## */

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
diff_dp_modify(enum diff_side side, const struct diff_flow *flow)
{
    struct ofpbuf key;
    bool ok;

    ofpbuf_init(&key, 512);
    ok = put_key(&key, flow)
         && !dpif_flow_put(dpifs[side], DPIF_FP_MODIFY, key.data, key.size,
                           NULL, 0, (const void *) flow->actions,
                           flow->actions_len, &flow->ufid, NON_PMD_CORE_ID,
                           NULL);
    ofpbuf_uninit(&key);
    return ok;
}

/* The datapath's count and that of first packets. */
void
diff_dp_del(enum diff_side side, const struct diff_flow *flow,
            struct diff_stats *stats)
{
    struct dpif_flow_stats s;

    *stats = flow->first[side];
    if (flow->installed[side]) {
        CHECK(!dpif_flow_del(dpifs[side], NULL, 0, &flow->ufid,
                             NON_PMD_CORE_ID, &s));
        stats->n_packets += s.n_packets;
        stats->n_bytes += s.n_bytes;
        stats->used = MAX(stats->used, s.used);
        stats->tcp_flags |= s.tcp_flags;
        ovsrcu_quiesce();       /* Or nothing deleted would ever be freed. */
    }
}
