/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-dump.c - all flows of the datapaths, on the NIC or not.
 *
 * The shadow knows the flows that dpif-netdev offered.  It offers none that
 * come in by a port without our flow API (the bridge's own, a dummy, another
 * vendor's), and none at all without hw-offload, nor later those that were
 * made without it; an operator who asks why a flow is not on the NIC may well
 * ask about one of these.  So the datapaths are asked too.
 *
 * Called by agilio-commands.c and agilio-fallback.c, in the main thread.
 */

#include <config.h>

#include "agilio-dump.h"

#include "agilio.h"
#include "netdev.h"
#include "netdev-offload.h"
#include "odp-util.h"
#include "sset.h"
#include "util.h"

/* Why a flow that comes in by 'port' was not offered. */
static const char *
why_not_offered(odp_port_t port, const char *dpif_type)
{
    struct netdev *netdev;
    bool offloads;

    if (!netdev_is_flow_api_enabled()) {
        return "offload: off";
    }
    netdev = netdev_ports_get(port, dpif_type);
    offloads = netdev && agilio_offloads(netdev);
    netdev_close(netdev);
    return offloads ? "offload: not offered" : "in_port: host port";
}

static void
show(const struct dpif_flow *f, const char *dpif_type,
     agilio_shadow_visit *visit, void *aux)
{
    struct agilio_shadow_flow view = {
        .ufid = f->ufid,
        .nic_id = UINT32_MAX,
        .residency = AGILIO_HOST,
        .stats = f->stats,
        .actions = f->actions,
        .actions_len = f->actions_len,
    };

    if (f->attrs.dp_layer == agilio_layer_nic
        || f->attrs.dp_layer == agilio_layer_host) {
        return;                 /* The shadow's. */
    }
    odp_flow_key_to_flow(f->key, f->key_len, &view.match.flow, NULL);
    odp_flow_key_to_mask(f->mask, f->mask_len, &view.match.wc,
                         &view.match.flow, NULL);
    view.reason = why_not_offered(view.match.flow.in_port.odp_port, dpif_type);
    visit(&view, aux);
}

static void
show_datapath(const char *name, const char *type, agilio_shadow_visit *visit,
              void *aux)
{
    struct dpif_flow_dump_thread *thread;
    struct dpif_flow_dump *dump;
    struct dpif_flow f;
    struct dpif *dpif;

    if (dpif_open(name, type, &dpif)) {
        return;                 /* Gone in the meantime. */
    }
    dump = dpif_flow_dump_create(dpif, false, NULL);
    thread = dpif_flow_dump_thread_create(dump);
    while (dpif_flow_dump_next(thread, &f, 1)) {
        show(&f, dpif_normalize_type(dpif_type(dpif)), visit, aux);
    }
    dpif_flow_dump_thread_destroy(thread);
    dpif_flow_dump_destroy(dump);
    dpif_close(dpif);
}

void
agilio_dump_for_each(agilio_shadow_visit *visit, void *aux)
{
    struct sset types = SSET_INITIALIZER(&types);
    const char *type;

    agilio_shadow_for_each(visit, aux);
    dp_enumerate_types(&types);
    SSET_FOR_EACH (type, &types) {
        struct sset names = SSET_INITIALIZER(&names);
        const char *name;

        if (strcmp(type, "system")) {   /* The kernel's: not ours to offer. */
            dp_enumerate_names(type, &names);
        }
        SSET_FOR_EACH (name, &names) {
            show_datapath(name, type, visit, aux);
        }
        sset_destroy(&names);
    }
    sset_destroy(&types);
}
