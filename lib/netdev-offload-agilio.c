/* SPDX-License-Identifier: Apache-2.0 */

/* The flow API of OVS 3.1, for representors of NIC ports and for tunnels.
 *
 * Thin on purpose: upstream has replaced this API since.  All is done by
 * agilio-shadow.c, and what is particular to dpif-netdev stands here:
 *
 *   - A flow of ours does not take the datapath's offload queue, which costs
 *     more than all that is done here: agilio_flow_put() (agilio-hooks.h) is
 *     called by the thread that makes the flow, main or PMD.  The API's own
 *     put and del are called by offload threads, for a flow that was queued
 *     before its port was known to be ours; get by revalidators and dpctl.
 *     None of them may wait.
 *
 *   - An offload that fails is never asked for again, and the flow's deletion
 *     is not told either.  So put always succeeds: a flow that the NIC cannot
 *     have, or not now, is the shadow's to look after.
 *
 *   - 'info' is mostly uninitialised; nothing of it is needed.  So is
 *     match->tun_md, if a flow is changed; tunnel options are raw here. */

#include <config.h>

#include "agilio.h"

#include <errno.h>

#include "agilio-hooks.h"
#include "agilio-shadow.h"
#include "agilio-tunnel.h"
#include "netdev-agilio.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "util.h"

bool
agilio_offloads(const struct netdev *netdev)
{
    return (netdev_is_agilio(netdev)
            || (agilio_tunnel_type(netdev)
                && strcmp(netdev_get_dpif_type(netdev), "system")));
}

static int
netdev_agilio_init_flow_api(struct netdev *netdev)
{
    if (!agilio_offloads(netdev)) {
        return EOPNOTSUPP;
    }
    agilio_add_dpif_type(netdev_get_dpif_type(netdev));
    return 0;
}

static int
netdev_agilio_flow_put(struct netdev *netdev, struct match *match,
                       struct nlattr *actions, size_t actions_len,
                       const ovs_u128 *ufid,
                       struct offload_info *info OVS_UNUSED,
                       struct dpif_flow_stats *stats)
{
    match->tun_md.valid = false;
    agilio_shadow_put(netdev, netdev_get_dpif_type(netdev), match, actions,
                      actions_len, ufid);
    if (stats) {
        memset(stats, 0, sizeof *stats);
    }
    return 0;
}

/* OVS has made us, and no other provider, the one for this port's flows. */
static bool
is_ours(const struct netdev *netdev)
{
    return (ovsrcu_get(const struct netdev_flow_api *, &netdev->flow_api)
            == &netdev_offload_agilio);
}

bool
agilio_flow_put(const char *dpif_type, struct match *match,
                const struct nlattr *actions, size_t actions_len,
                const ovs_u128 *mega_ufid)
{
    struct netdev *netdev = netdev_ports_get(match->flow.in_port.odp_port,
                                             dpif_type);
    bool ours = netdev && is_ours(netdev);

    if (ours) {
        match->tun_md.valid = false;
        agilio_shadow_put(netdev, dpif_type, match, actions, actions_len,
                          mega_ufid);
    }
    netdev_close(netdev);
    return ours;
}

static int
netdev_agilio_flow_get(struct netdev *netdev OVS_UNUSED,
                       struct match *match OVS_UNUSED,
                       struct nlattr **actions OVS_UNUSED,
                       const ovs_u128 *ufid, struct dpif_flow_stats *stats,
                       struct dpif_flow_attrs *attrs,
                       struct ofpbuf *buf OVS_UNUSED)
{
    return agilio_shadow_get(ufid, stats, attrs);
}

static int
netdev_agilio_flow_del(struct netdev *netdev OVS_UNUSED,
                       const ovs_u128 *ufid, struct dpif_flow_stats *stats)
{
    struct dpif_flow_attrs attrs;

    if (stats && agilio_shadow_get(ufid, stats, &attrs)) {
        memset(stats, 0, sizeof *stats);
    }
    return agilio_shadow_del(ufid);
}

static int
netdev_agilio_flow_flush(struct netdev *netdev)
{
    agilio_shadow_flush(netdev);
    return 0;
}

static int
netdev_agilio_flow_get_n_flows(struct netdev *netdev, uint64_t *n_flows)
{
    memset(n_flows, 0, netdev_offload_thread_nb() * sizeof *n_flows);
    agilio_shadow_count(netdev, n_flows);
    return 0;
}

const struct netdev_flow_api netdev_offload_agilio = {
    .type = "agilio",
    .flow_flush = netdev_agilio_flow_flush,
    .flow_put = netdev_agilio_flow_put,
    .flow_get = netdev_agilio_flow_get,
    .flow_del = netdev_agilio_flow_del,
    .flow_get_n_flows = netdev_agilio_flow_get_n_flows,
    .init_flow_api = netdev_agilio_init_flow_api,
};
