/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-dump.c - all flows of the datapaths, on the NIC or not, and
 * "ovs-appctl agilio/dump-flows", which prints them.
 *
 * The shadow knows the flows that dpif-netdev offered.  It offers none that
 * come in by a port without our flow API (the bridge's own, a dummy, another
 * vendor's), and none at all without hw-offload, nor later those that were
 * made without it; an operator who asks why a flow is not on the NIC may well
 * ask about one of these.  So the datapaths are asked too; and agilio.ko, of
 * the kernel datapath's flows, which are on a NIC (agilio-kernel.h).
 *
 * Called by the other commands too, in the main thread.
 */

#include <config.h>

#include "agilio-dump.h"

#include "agilio.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "netdev.h"
#include "netdev-offload.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

/* ## --------- ##
 * ## All flows ##
 * ## --------- ## */

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

/* What is being gone through. */
struct walk {
    const struct agilio_kernel *kernel;
    agilio_shadow_visit *visit;
    void *aux;
    struct dpif *dpif;
    const char *dpif_type;
};

/* What agilio.ko does with a flow of which it says nothing. */
static void
judge_unknown(const struct walk *walk, struct agilio_shadow_flow *view)
{
    odp_port_t in_port = view->match.flow.in_port.odp_port;
    struct dpif_port port;

    view->residency = AGILIO_HOST;
    view->reason = "in_port: host port";
    if (dpif_port_query_by_number(walk->dpif, in_port, &port)) {
        return;                 /* It has gone in the meantime. */
    }
    view->kernel_nic = agilio_kernel_find_device(walk->kernel, port.name);
    dpif_port_destroy(&port);
    if (view->kernel_nic) {
        view->residency = AGILIO_PENDING;
        view->reason = (view->kernel_nic->state != AGILIO_GENL_ACTIVE
                        ? "nic: not ready"
                        : view->kernel_nic->n_flows
                          >= view->kernel_nic->map.max_flows
                        ? "size: flow table full" : "nic: not answered yet");
    }
}

/* Whose a flow of the kernel datapath is. */
static void
judge_kernel(const struct walk *walk, struct agilio_shadow_flow *view)
{
    const struct agilio_kernel_flow *flow
        = agilio_kernel_find_flow(walk->kernel, &view->ufid);

    if (flow) {
        view->kernel_nic = flow->nic;
        view->nic_id = flow->nic_id;
        view->residency = flow->residency;
        view->reason = flow->reason;
    } else {
        judge_unknown(walk, view);
    }
}

static void
show(const struct walk *walk, const struct dpif_flow *f)
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
    if (!strcmp(walk->dpif_type, "system")) {
        judge_kernel(walk, &view);
    } else {
        view.reason = why_not_offered(view.match.flow.in_port.odp_port,
                                      walk->dpif_type);
    }
    walk->visit(&view, walk->aux);
}

static void
show_datapath(struct walk *walk, const char *name, const char *type)
{
    struct dpif_flow_dump_thread *thread;
    struct dpif_flow_dump *dump;
    struct dpif_flow f;

    if (dpif_open(name, type, &walk->dpif)) {
        return;                 /* Gone in the meantime. */
    }
    walk->dpif_type = dpif_normalize_type(dpif_type(walk->dpif));
    dump = dpif_flow_dump_create(walk->dpif, false, NULL);
    thread = dpif_flow_dump_thread_create(dump);
    while (dpif_flow_dump_next(thread, &f, 1)) {
        show(walk, &f);
    }
    dpif_flow_dump_thread_destroy(thread);
    dpif_flow_dump_destroy(dump);
    dpif_close(walk->dpif);
}

void
agilio_dump_for_each(struct agilio_kernel *kernel, agilio_shadow_visit *visit,
                     void *aux)
{
    struct walk walk = { .kernel = kernel, .visit = visit, .aux = aux };
    struct sset types = SSET_INITIALIZER(&types);
    const char *type;

    agilio_shadow_for_each(visit, aux);
    if (kernel->n_nics) {
        agilio_kernel_get_flows(kernel);
    }
    dp_enumerate_types(&types);
    SSET_FOR_EACH (type, &types) {
        struct sset names = SSET_INITIALIZER(&names);
        const char *name;

        /* The kernel's flows are not ours to judge without its NIC. */
        if (strcmp(type, "system") || kernel->n_nics) {
            dp_enumerate_names(type, &names);
        }
        SSET_FOR_EACH (name, &names) {
            show_datapath(&walk, name, type);
        }
        sset_destroy(&names);
    }
    sset_destroy(&types);
}

/* ## ----------------- ##
 * ## agilio/dump-flows ##
 * ## ----------------- ## */

struct dump {
    struct ds ds;
    struct agilio_views views;
    struct table table;         /* In JSON, the same. */
    bool json;
    bool why;                   /* Only flows that the NIC does not carry. */
    struct shash reasons;       /* Counts them: data is a uintptr_t. */
};

const char *
agilio_residency_name(enum agilio_residency residency)
{
    static const char *const names[AGILIO_N_RESIDENCIES] = {
        [AGILIO_RESIDENT] = "resident",
        [AGILIO_PENDING] = "pending",
        [AGILIO_HOST] = "host",
        [AGILIO_REFUSED] = "refused",
    };

    return names[residency];
}

void
agilio_dump_match(struct ds *ds, const struct match *match)
{
    struct ofpbuf key, mask;
    struct odp_flow_key_parms parms = {
        .flow = &match->flow,
        .mask = &match->wc.masks,
        .support = {
            .max_vlan_headers = SIZE_MAX, .max_mpls_depth = SIZE_MAX,
            .recirc = true,
            .ct_state = true, .ct_zone = true, .ct_mark = true,
            .ct_label = true, .ct_state_nat = true,
            .ct_orig_tuple = true, .ct_orig_tuple6 = true,
        },
    };

    ofpbuf_init(&key, 0);
    ofpbuf_init(&mask, 0);
    odp_flow_key_from_flow(&parms, &key);
    parms.key_buf = &key;
    odp_flow_key_from_mask(&parms, &mask);
    odp_flow_format(key.data, key.size, mask.data, mask.size, NULL, ds,
                    false);
    ofpbuf_uninit(&key);
    ofpbuf_uninit(&mask);
}

static void
count_reason(struct shash *reasons, const char *name, const char *reason)
{
    char *key = reason ? xasprintf("%s(%s)", name, reason) : xstrdup(name);
    struct shash_node *node = shash_find(reasons, key);

    if (node) {
        node->data = (void *) ((uintptr_t) node->data + 1);
    } else {
        shash_add(reasons, key, (void *) 1);
    }
    free(key);
}

/* The NIC that a flow is on or offered to, or NULL. */
static const char *
nic_name(const struct dump *dump, const struct agilio_shadow_flow *flow)
{
    size_t i = agilio_views_find(&dump->views, flow);

    return i < dump->views.n ? dump->views.items[i].name : NULL;
}

/* 'at' is the NIC's name if there are several, or NULL. */
static void
format_flow(struct ds *ds, const struct agilio_shadow_flow *flow,
            const char *at)
{
    if (flow->offered) {
        ds_put_cstr(ds, "mega_");       /* Not the one that dpctl shows. */
    }
    odp_format_ufid(&flow->ufid, ds);
    ds_put_cstr(ds, ", ");
    agilio_dump_match(ds, &flow->match);
    ds_put_cstr(ds, ", ");
    dpif_flow_stats_format(&flow->stats, ds);
    ds_put_format(ds, ", nic:%s", agilio_residency_name(flow->residency));
    if (flow->reason) {
        ds_put_format(ds, "(%s)", flow->reason);
    }
    if (at) {
        ds_put_format(ds, ", at:%s", at);
    }
    ds_put_cstr(ds, ", actions:");
    format_odp_actions(ds, flow->actions, flow->actions_len, NULL);
    ds_put_char(ds, '\n');
}

/* Adds what was formatted in 'ds', which is empty again then. */
static void
put_text(struct table *table, struct ds *ds)
{
    agilio_table_text(table, ds_cstr(ds));
    ds_clear(ds);
}

static void
put_flow(struct table *table, const struct agilio_shadow_flow *flow,
         const char *at)
{
    const struct dpif_flow_stats *stats = &flow->stats;
    struct ds ds = DS_EMPTY_INITIALIZER;

    table_add_row(table);
    ds_put_format(&ds, UUID_FMT, UUID_ARGS((struct uuid *) &flow->ufid));
    agilio_table_text(table, flow->offered ? "mega_ufid" : "ufid");
    put_text(table, &ds);
    agilio_table_text(table, agilio_residency_name(flow->residency));
    agilio_table_text(table, flow->reason);
    agilio_table_number(table, stats->n_packets);
    agilio_table_number(table, stats->n_bytes);
    if (stats->used) {
        agilio_table_number(table, MAX(time_msec() - stats->used, 0));
    } else {
        agilio_table_text(table, NULL);
    }
    packet_format_tcp_flags(&ds, stats->tcp_flags);
    put_text(table, &ds);
    agilio_dump_match(&ds, &flow->match);
    put_text(table, &ds);
    format_odp_actions(&ds, flow->actions, flow->actions_len, NULL);
    put_text(table, &ds);
    agilio_table_text(table, at);
    ds_destroy(&ds);
}

static void
dump_flow(const struct agilio_shadow_flow *flow, void *dump_)
{
    struct dump *dump = dump_;

    if (dump->why) {
        if (flow->residency == AGILIO_RESIDENT) {
            return;
        }
        count_reason(&dump->reasons, agilio_residency_name(flow->residency),
                     flow->reason);
    }
    if (dump->json) {
        put_flow(&dump->table, flow, nic_name(dump, flow));
    } else {
        format_flow(&dump->ds, flow,
                    dump->views.n > 1 ? nic_name(dump, flow) : NULL);
    }
}

static void
format_reasons(struct ds *ds, const struct shash *reasons)
{
    const struct shash_node **nodes = shash_sort(reasons);

    ds_put_cstr(ds, "reasons:\n");
    for (size_t i = 0; i < shash_count(reasons); i++) {
        ds_put_format(ds, "%8"PRIuPTR" %s\n", (uintptr_t) nodes[i]->data,
                      nodes[i]->name);
    }
    free(nodes);
}

static void
agilio_dump_flows(struct unixctl_conn *conn, int argc, const char *argv[],
                  void *aux OVS_UNUSED)
{
    struct dump dump = { .ds = DS_EMPTY_INITIALIZER };
    struct table_style style;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    dump.json = style.format == TF_JSON;
    dump.why = argc > 1;
    if (argc > 2 || (dump.why && strcmp(argv[1], "--why"))) {
        unixctl_command_reply_error(conn, "the only options are --why and "
                                    "--format=json");
        return;
    }
    agilio_table_init(&dump.table, "ufid_type ufid nic reason packets bytes "
                      "used_ms tcp_flags match actions at");
    shash_init(&dump.reasons);
    agilio_views_init(&dump.views);
    agilio_dump_for_each(&dump.views.kernel, dump_flow, &dump);
    agilio_views_destroy(&dump.views);
    if (dump.json) {
        agilio_table_put(&dump.ds, &dump.table, "flows", &style);
    } else {
        table_destroy(&dump.table);
        if (dump.why) {
            format_reasons(&dump.ds, &dump.reasons);
        }
    }
    shash_destroy(&dump.reasons);
    unixctl_command_reply(conn, ds_cstr(&dump.ds));
    ds_destroy(&dump.ds);
}

void
agilio_dump_init(void)
{
    unixctl_command_register("agilio/dump-flows", "[--why] [--format=json]",
                             0, 2, agilio_dump_flows, NULL);
}
