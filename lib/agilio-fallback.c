/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/reasons", "ovs-appctl agilio/fallback top": why the host
 * carries what it carries, and what that is.
 *
 * Reasons are those of agilio/dump-flows --why.  What the host carries is read
 * from the datapath's own flows: of one that it carries itself, its counters
 * are what came by fallback or from a port that is not on the NIC.
 *
 * Both print tables (agilio-table.h).  Run in the main thread. */

#include <config.h>

#include "agilio.h"

#include <stdlib.h>

#include "agilio-dump.h"
#include "agilio-format.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "dpif.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "unixctl.h"
#include "util.h"

#define DEFAULT_TOP 10

static void
reply(struct unixctl_conn *conn, struct ds *ds)
{
    unixctl_command_reply(conn, ds_cstr(ds));
    ds_destroy(ds);
}

/* ## -------------- ##
 * ## agilio/reasons ##
 * ## -------------- ## */

/* How many flows there are for one reason: data of a shash. */
static void
count_reason(const struct agilio_shadow_flow *flow, void *reasons)
{
    struct shash_node *node;

    if (flow->residency != AGILIO_RESIDENT) {
        node = shash_find(reasons, flow->reason);
        if (!node) {
            node = shash_add(reasons, flow->reason, NULL);
        }
        node->data = (void *) ((uintptr_t) node->data + 1);
    }
}

static int
compare_reasons(const void *a_, const void *b_)
{
    const struct shash_node *const *a = a_;
    const struct shash_node *const *b = b_;
    uintptr_t n_a = (uintptr_t) (*a)->data;
    uintptr_t n_b = (uintptr_t) (*b)->data;

    return n_a > n_b ? -1 : n_a < n_b ? 1 : strcmp((*a)->name, (*b)->name);
}

static void
agilio_reasons(struct unixctl_conn *conn, int argc, const char *argv[],
               void *aux OVS_UNUSED)
{
    struct shash reasons = SHASH_INITIALIZER(&reasons);
    struct agilio_kernel kernel;
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct shash_node **nodes;
    struct table_style style;
    struct table table;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc > 1) {
        unixctl_command_reply_error(conn, "the only option is --format=json");
        return;
    }
    agilio_kernel_init(&kernel);
    agilio_dump_for_each(&kernel, count_reason, &reasons);
    agilio_kernel_destroy(&kernel);
    nodes = shash_sort(&reasons);
    if (shash_count(&reasons)) {
        qsort(nodes, shash_count(&reasons), sizeof *nodes, compare_reasons);
    }

    agilio_table_init(&table, "flows reason");
    for (size_t i = 0; i < shash_count(&reasons); i++) {
        table_add_row(&table);
        agilio_table_number(&table, (uintptr_t) nodes[i]->data);
        agilio_table_text(&table, nodes[i]->name);
    }
    agilio_table_put(&ds, &table, "reasons", &style);
    free(nodes);
    shash_destroy(&reasons);
    reply(conn, &ds);
}

/* ## ------------------- ##
 * ## agilio/fallback top ##
 * ## ------------------- ## */

/* A port or flow, and what the host carried of it. */
struct load {
    char *name;
    uint64_t n_packets, n_bytes;
};

struct loads {
    struct load *items;
    size_t n, allocated;
};

/* Takes 'name'. */
static void
loads_add(struct loads *loads, char *name, const struct dpif_flow_stats *stats)
{
    if (loads->n >= loads->allocated) {
        loads->items = x2nrealloc(loads->items, &loads->allocated,
                                  sizeof *loads->items);
    }
    loads->items[loads->n++] = (struct load) {
        name, stats->n_packets, stats->n_bytes
    };
}

static int
compare_loads(const void *a_, const void *b_)
{
    const struct load *a = a_;
    const struct load *b = b_;

    return (a->n_packets > b->n_packets ? -1
            : a->n_packets < b->n_packets ? 1
            : strcmp(a->name, b->name));
}

static int
compare_names(const void *a_, const void *b_)
{
    const struct load *a = a_;
    const struct load *b = b_;

    return strcmp(a->name, b->name);
}

/* Adds up the loads of the same name. */
static void
loads_merge(struct loads *loads)
{
    size_t n = 0;

    if (!loads->n) {
        return;
    }
    qsort(loads->items, loads->n, sizeof *loads->items, compare_names);
    for (size_t i = 1; i < loads->n; i++) {
        struct load *last = &loads->items[n];
        struct load *next = &loads->items[i];

        if (!strcmp(last->name, next->name)) {
            last->n_packets += next->n_packets;
            last->n_bytes += next->n_bytes;
            free(next->name);
        } else {
            loads->items[++n] = *next;
        }
    }
    loads->n = n + 1;
}

/* Formats the 'max' largest as table 'caption', and frees all. */
static void
put_loads(struct ds *ds, struct loads *loads, const char *headings,
          const char *caption, size_t max, const struct table_style *style)
{
    struct table table;

    if (loads->n) {
        qsort(loads->items, loads->n, sizeof *loads->items, compare_loads);
    }
    agilio_table_init(&table, headings);
    for (size_t i = 0; i < loads->n; i++) {
        if (i < max) {
            table_add_row(&table);
            agilio_table_number(&table, loads->items[i].n_packets);
            agilio_table_number(&table, loads->items[i].n_bytes);
            agilio_table_text(&table, loads->items[i].name);
        }
        free(loads->items[i].name);
    }
    free(loads->items);
    agilio_table_put(ds, &table, caption, style);
}

static char *
port_name(struct dpif *dpif, odp_port_t port_no)
{
    struct dpif_port port;
    char *name;

    if (dpif_port_query_by_number(dpif, port_no, &port)) {
        return xasprintf("(port %"PRIu32")", port_no);
    }
    name = xstrdup(port.name);
    dpif_port_destroy(&port);
    return name;
}

/* 'kernel' is NULL if the flow is not of the kernel datapath, which says of no
 * flow that it is offloaded. */
static bool
is_carried(const struct agilio_kernel *kernel, const struct dpif_flow *f)
{
    const struct agilio_kernel_flow *flow
        = kernel ? agilio_kernel_find_flow(kernel, &f->ufid) : NULL;

    return (f->attrs.offloaded
            || (flow && flow->residency == AGILIO_RESIDENT));
}

static void
add_flow(const struct agilio_kernel *kernel, struct dpif *dpif,
         const struct dpif_flow *f, struct loads *ports, struct loads *flows)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct nlattr *in_port;

    if (is_carried(kernel, f) || !f->stats.n_packets) {
        return;
    }
    in_port = nl_attr_find__(f->key, f->key_len, OVS_KEY_ATTR_IN_PORT);
    loads_add(ports, in_port ? port_name(dpif, nl_attr_get_odp_port(in_port))
              : xstrdup("(none)"), &f->stats);

    odp_flow_format(f->key, f->key_len, f->mask, f->mask_len, NULL, &ds,
                    false);
    ds_put_cstr(&ds, ", actions:");
    format_odp_actions(&ds, f->actions, f->actions_len, NULL);
    loads_add(flows, ds_steal_cstr(&ds), &f->stats);
}

static void
dump_datapath(const struct agilio_kernel *kernel, const char *name,
              const char *type, struct loads *ports, struct loads *flows)
{
    struct dpif_flow_dump_types types = { .ovs_flows = true };
    struct dpif_flow_dump_thread *thread;
    struct dpif_flow_dump *dump;
    struct dpif_flow f;
    struct dpif *dpif;

    if (dpif_open(name, type, &dpif)) {
        return;                 /* It has just been deleted. */
    }
    dump = dpif_flow_dump_create(dpif, false, &types);
    thread = dpif_flow_dump_thread_create(dump);
    while (dpif_flow_dump_next(thread, &f, 1)) {
        add_flow(strcmp(type, "system") ? NULL : kernel, dpif, &f, ports,
                 flows);
    }
    dpif_flow_dump_thread_destroy(thread);
    dpif_flow_dump_destroy(dump);
    dpif_close(dpif);
}

static void
dump_datapaths(const struct agilio_kernel *kernel, struct loads *ports,
               struct loads *flows)
{
    struct sset types = SSET_INITIALIZER(&types);
    const char *type;

    dp_enumerate_types(&types);
    SSET_FOR_EACH (type, &types) {
        struct sset names = SSET_INITIALIZER(&names);
        const char *name;

        if (!dp_enumerate_names(type, &names)) {
            SSET_FOR_EACH (name, &names) {
                dump_datapath(kernel, name, type, ports, flows);
            }
        }
        sset_destroy(&names);
    }
    sset_destroy(&types);
}

/* What all NICs have counted. */
static uint64_t
sum_counter(const struct agilio_views *views, enum agilio_counter c)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < views->n; i++) {
        const struct agilio_map *map = views->items[i].map;

        sum += map ? agilio_map_counter(map, c) : 0;
    }
    return sum;
}

/* What came to the host since the NIC started, by kind. */
static void
put_kinds(struct ds *ds, const struct agilio_views *views,
          const struct table_style *style)
{
    bool any = views->n > 1 || views->items[0].map;
    struct table table;

    agilio_table_init(&table, "packets kind");
    for (int c = 0; any && c < AGILIO_N_COUNTERS; c++) {
        if (agilio_counter_kind(c) == AGILIO_KIND_FALLBACK) {
            table_add_row(&table);
            agilio_table_number(&table, sum_counter(views, c));
            agilio_table_text(&table, agilio_counter_help(c));
        }
    }
    agilio_table_put(ds, &table, "kinds", style);
}

static void
agilio_fallback(struct unixctl_conn *conn, int argc, const char *argv[],
                void *aux OVS_UNUSED)
{
    struct loads ports = { NULL, 0, 0 };
    struct loads flows = { NULL, 0, 0 };
    struct ds ds = DS_EMPTY_INITIALIZER;
    unsigned int max = DEFAULT_TOP;
    struct agilio_views views;
    struct table_style style;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc < 2 || argc > 3 || strcmp(argv[1], "top")
        || (argc > 2 && !str_to_uint(argv[2], 10, &max))) {
        unixctl_command_reply_error(conn, "expected: agilio/fallback top "
                                    "[MAX] [--format=json]");
        return;
    }
    agilio_views_init(&views);
    agilio_kernel_get_flows(&views.kernel);
    dump_datapaths(&views.kernel, &ports, &flows);
    put_kinds(&ds, &views, &style);
    agilio_views_destroy(&views);
    loads_merge(&ports);
    put_loads(&ds, &ports, "packets bytes port", "ports", max, &style);
    put_loads(&ds, &flows, "packets bytes flow", "flows", max, &style);
    reply(conn, &ds);
}

void
agilio_fallback_init(void)
{
    unixctl_command_register("agilio/reasons", "[--format=json]", 0, 1,
                             agilio_reasons, NULL);
    unixctl_command_register("agilio/fallback", "top [MAX] [--format=json]",
                             1, 3, agilio_fallback, NULL);
}
