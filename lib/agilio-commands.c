/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/show", "ovs-appctl agilio/stats": what the NIC is, has
 * and does.
 *
 * Registered by agilio_init(), run in the main thread.  They do not ask the
 * NIC but read its region and the shadow, and so they work for a NIC that is
 * gone as well.  Text that comes from the NIC is printed as agilio-map.c and
 * agilio-residency.c have cleaned it. */

#include <config.h>

#include "agilio.h"

#include "agilio-dump.h"
#include "agilio-format.h"
#include "agilio-hooks.h"
#include "agilio-residency.h"
#include "agilio-sample.h"
#include "agilio-shadow.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "netdev-agilio.h"
#include "netdev-provider.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* Replies and returns NULL if there never was a NIC. */
static const struct agilio_map *
get_map(struct unixctl_conn *conn)
{
    const struct agilio_map *map = agilio_nic_map();

    if (!map) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        agilio_nic_describe(&ds);
        unixctl_command_reply_error(conn, ds_cstr(&ds));
        ds_destroy(&ds);
    }
    return map;
}

static void
reply(struct unixctl_conn *conn, struct ds *ds)
{
    unixctl_command_reply(conn, ds_cstr(ds));
    ds_destroy(ds);
}

/* ## ----------- ##
 * ## agilio/show ##
 * ## ----------- ## */

/* A port of the NIC, as it is shown. */
struct port_view {
    uint32_t id;
    char name[AGILIO_PORT_NAME_LEN + 1];
    const char *link, *admin;
    uint32_t mtu;
    uint32_t speed;             /* Mb/s; 0 if it is not known. */
    const char *representor;    /* NULL: it has none. */
    const char *at;             /* The NIC. */
};

static void
format_port(const struct port_view *port, void *ds)
{
    ds_put_format(ds, "  0x%-8"PRIx32" %-16s %-4s %-5s %5"PRIu32" ",
                  port->id, port->name, port->link, port->admin, port->mtu);
    if (port->speed) {
        ds_put_format(ds, "%8"PRIu32" ", port->speed);
    } else {
        ds_put_cstr(ds, "       - ");
    }
    ds_put_format(ds, "%s\n", port->representor ? port->representor : "-");
}

static void
put_port(const struct port_view *port, void *table)
{
    table_add_row(table);
    agilio_table_number(table, port->id);
    agilio_table_text(table, port->name);
    agilio_table_text(table, port->link);
    agilio_table_text(table, port->admin);
    agilio_table_number(table, port->mtu);
    if (port->speed) {
        agilio_table_number(table, port->speed);
    } else {
        agilio_table_text(table, NULL);
    }
    agilio_table_text(table, port->representor);
    agilio_table_text(table, port->at);
}

static const char *
find_representor(const struct agilio_view *view, const struct shash *netdevs,
                 uint32_t port_id)
{
    struct shash_node *node;

    if (view->kernel) {
        const char *device = view->kernel->devices[agilio_port_slot(port_id)];

        return device[0] ? device : NULL;
    }
    SHASH_FOR_EACH (node, netdevs) {
        if (netdev_agilio_port_id(node->data) == port_id) {
            return node->name;
        }
    }
    return NULL;
}

static void
show_ports(const struct agilio_view *view,
           void (*show)(const struct port_view *, void *aux), void *aux)
{
    const struct agilio_map *map = view->map;
    struct shash netdevs = SHASH_INITIALIZER(&netdevs);
    struct shash_node *node;
    struct agilio_port port;

    netdev_get_devices(&netdev_agilio_class, &netdevs);
    for (uint32_t slot = 0; slot < map->n_ports; slot++) {
        if (agilio_map_port(map, slot, &port)) {
            uint32_t flags = agilio_from_le32(port.flags);
            struct port_view port_view = {
                .at = view->name,
                .id = agilio_from_le32(port.id),
                .link = flags & AGILIO_PORT_LINK_UP ? "up" : "down",
                .admin = flags & AGILIO_PORT_ADMIN_UP ? "up" : "down",
                .mtu = agilio_from_le32(port.mtu),
                .speed = agilio_from_le32(port.speed),
            };

            memcpy(port_view.name, port.name, AGILIO_PORT_NAME_LEN);
            port_view.representor = find_representor(view, &netdevs,
                                                     port_view.id);
            show(&port_view, aux);
        }
    }
    SHASH_FOR_EACH (node, &netdevs) {
        netdev_close(node->data);
    }
    shash_destroy(&netdevs);
}

/* Flows by NIC, with a row for those of none, and by residency. */
struct show {
    struct agilio_views views;
    size_t (*counts)[AGILIO_N_RESIDENCIES];
};

/* If there is but one NIC, all count for that. */
static void
count_residency(const struct agilio_shadow_flow *flow, void *show_)
{
    struct show *show = show_;
    size_t row = (show->views.n > 1
                  ? agilio_views_find(&show->views, flow) : 0);

    show->counts[row][flow->residency]++;
}

static const char *
feature_name(const struct agilio_map *map)
{
    return map->features & AGILIO_F_TRACE ? "trace" : "none";
}

static void
format_residencies(struct ds *ds, const char *what,
                   const size_t counts[AGILIO_N_RESIDENCIES],
                   const struct agilio_map *map)
{
    ds_put_format(ds, "%s:", what);
    for (int i = 0; i < AGILIO_N_RESIDENCIES; i++) {
        ds_put_format(ds, " %"PRIuSIZE" %s,", counts[i],
                      agilio_residency_name(i));
    }
    ds_chomp(ds, ',');
    if (map) {
        ds_put_format(ds, " (room for %"PRIu32", with %"PRIu32" masks)",
                      map->max_flows, map->max_masks);
    }
    ds_put_char(ds, '\n');
}

static void
format_nic(struct ds *ds, const struct agilio_view *view,
           const size_t counts[AGILIO_N_RESIDENCIES])
{
    const struct agilio_map *map = view->map;

    agilio_view_describe(view, ds);
    if (map) {
        ds_put_format(ds, "ABI: version %d to %d, features %s\n",
                      agilio_from_le16(map->region->abi_min),
                      agilio_from_le16(map->region->abi_max),
                      feature_name(map));
        ds_put_format(ds, "ports%s:\n  id         name             link admin"
                      "   mtu     Mb/s representor\n",
                      view->status == AGILIO_NIC_DOWN ? " (last seen)" : "");
        show_ports(view, format_port, ds);
    }
    format_residencies(ds, "flows", counts, map);
}

static void
format_show(struct ds *ds, const struct show *show)
{
    const struct agilio_views *views = &show->views;

    for (size_t i = 0; i < views->n; i++) {
        format_nic(ds, &views->items[i], show->counts[i]);
    }
    if (views->n > 1) {
        format_residencies(ds, "flows from other ports",
                           show->counts[views->n], NULL);
    }
    if (views->kernel.error) {
        ds_put_format(ds, "%s\n", views->kernel.error);
    }
}

/* A row, what agilio_view_describe() says in it. */
static void
put_nic(struct table *table, const struct agilio_view *view)
{
    static const char *const names[] = {
        [AGILIO_NIC_DOWN] = "down", [AGILIO_NIC_ATTACHED] = "attached",
        [AGILIO_NIC_ACTIVE] = "active",
    };
    const struct agilio_map *map = view->map;
    struct ds text = DS_EMPTY_INITIALIZER;

    agilio_view_describe(view, &text);
    ds_chomp(&text, '\n');
    table_add_row(table);
    agilio_table_text(table, view->name);
    agilio_table_text(table, names[view->status]);
    agilio_table_text(table, ds_cstr(&text));
    if (map) {
        agilio_table_number(table, agilio_from_le16(map->region->abi_min));
        agilio_table_number(table, agilio_from_le16(map->region->abi_max));
        agilio_table_text(table, feature_name(map));
        agilio_table_number(table, map->n_workers);
        agilio_table_number(table, map->max_flows);
        agilio_table_number(table, map->max_masks);
    }
    ds_destroy(&text);
}

/* Those of agilio.ko, when it cannot be asked: a row for all. */
static void
put_error(struct table *table, const char *error)
{
    table_add_row(table);
    agilio_table_text(table, NULL);
    agilio_table_text(table, "down");
    agilio_table_text(table, error);
}

static void
put_residencies(struct table *table,
                const size_t counts[AGILIO_N_RESIDENCIES], const char *at)
{
    for (int i = 0; i < AGILIO_N_RESIDENCIES; i++) {
        table_add_row(table);
        agilio_table_text(table, agilio_residency_name(i));
        agilio_table_number(table, counts[i]);
        agilio_table_text(table, at);
    }
}

static void
put_show(struct ds *ds, const struct show *show,
         const struct table_style *style)
{
    const struct agilio_views *views = &show->views;
    struct table nics, ports, flows;

    agilio_table_init(&nics, "socket status description abi_min abi_max "
                      "features workers flows_limit masks_limit");
    agilio_table_init(&ports, "id name link admin mtu speed_mbps representor "
                      "at");
    agilio_table_init(&flows, "nic flows at");
    for (size_t i = 0; i < views->n; i++) {
        const struct agilio_view *view = &views->items[i];

        put_nic(&nics, view);
        if (view->map) {
            show_ports(view, put_port, &ports);
        }
        put_residencies(&flows, show->counts[i], view->name);
    }
    if (views->n > 1) {
        put_residencies(&flows, show->counts[views->n], NULL);
    }
    if (views->kernel.error) {
        put_error(&nics, views->kernel.error);
    }
    agilio_table_put(ds, &nics, "nic", style);
    agilio_table_put(ds, &ports, "ports", style);
    agilio_table_put(ds, &flows, "flows", style);
}

static void
agilio_show(struct unixctl_conn *conn, int argc, const char *argv[],
            void *aux OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct table_style style;
    struct show show;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc > 1) {
        unixctl_command_reply_error(conn, "the only option is --format=json");
        return;
    }
    agilio_views_init(&show.views);
    show.counts = xcalloc(show.views.n + 1, sizeof *show.counts);
    agilio_dump_for_each(&show.views.kernel, count_residency, &show);
    if (style.format == TF_JSON) {
        put_show(&ds, &show, &style);
    } else {
        format_show(&ds, &show);
    }
    free(show.counts);
    agilio_views_destroy(&show.views);
    reply(conn, &ds);
}

/* ## ------------ ##
 * ## agilio/stats ##
 * ## ------------ ## */

static void
format_share(struct ds *ds, uint64_t part, uint64_t all)
{
    ds_put_format(ds, "%20"PRIu64"  %6.2f %%", part,
                  all ? 100.0 * part / all : 0.0);
}

/* Which level dealt with the packets.  One that L1 or L2 finds to be for the
 * host counts there and for L3. */
static void
format_levels(struct ds *ds, const struct agilio_map *map)
{
    uint64_t l1 = agilio_map_counter(map, AGILIO_COUNTER_L1_HIT);
    uint64_t l2 = agilio_map_counter(map, AGILIO_COUNTER_L2_HIT);
    uint64_t l3 = (agilio_map_counter(map, AGILIO_COUNTER_FALLBACK_MISS)
                   + agilio_map_counter(map, AGILIO_COUNTER_FALLBACK_HOST)
                   + agilio_map_counter(map, AGILIO_COUNTER_FALLBACK_UNABLE));
    uint64_t carried = agilio_map_counter(map, AGILIO_COUNTER_CARRIED);
    uint64_t found = (l1 + l2
                      + agilio_map_counter(map,
                                           AGILIO_COUNTER_FALLBACK_MISS));

    ds_put_cstr(ds, "L1 exact match      ");
    format_share(ds, l1, found);
    ds_put_cstr(ds, "\nL2 mask tables      ");
    format_share(ds, l2, found);
    ds_put_cstr(ds, "\nL3 host             ");
    format_share(ds, l3, found);
    ds_put_cstr(ds, "\ncarried             ");
    format_share(ds, carried, carried + l3);
    ds_put_char(ds, '\n');
}

static void
format_number(struct ds *ds, const char *name, uint64_t n, const char *help)
{
    ds_put_format(ds, "%-20s%20"PRIu64"  %s\n", name, n, help);
}

static void
format_counters(struct ds *ds, const struct agilio_map *map,
                enum agilio_counter_kind kind, bool all)
{
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        uint64_t value = agilio_map_counter(map, c);

        if (agilio_counter_kind(c) == kind && (value || all)) {
            format_number(ds, agilio_counter_name(c), value,
                          agilio_counter_help(c));
        }
    }
}

#define STATS_LOST_HELP "counted for flows deleted before they were read"
#define SAMPLES_LOST_HELP "copies given to the host that it could not act on"

/* What was lost on the host: agilio.ko reads a flow's counters before the flow
 * goes, and takes no samples. */
static uint64_t
n_stats_lost(const struct agilio_view *view)
{
    return view->kernel ? 0 : agilio_residency_n_lost();
}

static uint64_t
n_samples_lost(const struct agilio_view *view)
{
    return view->kernel ? 0 : agilio_sample_n_lost();
}

static void
put_stats(struct table *table, const struct agilio_view *view)
{
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        agilio_table_counter(table, agilio_counter_name(c),
                             agilio_map_counter(view->map, c),
                             agilio_counter_help(c));
        agilio_table_text(table, view->name);
    }
    agilio_table_counter(table, "stats_lost", n_stats_lost(view),
                         STATS_LOST_HELP);
    agilio_table_text(table, view->name);
    agilio_table_counter(table, "samples_lost", n_samples_lost(view),
                         SAMPLES_LOST_HELP);
    agilio_table_text(table, view->name);
}

static void
format_stats(struct ds *ds, const struct agilio_view *view, bool all)
{
    format_levels(ds, view->map);
    format_counters(ds, view->map, AGILIO_KIND_FALLBACK, true);
    format_counters(ds, view->map, AGILIO_KIND_INFO, true);
    format_counters(ds, view->map, AGILIO_KIND_DROP, all);
    format_number(ds, "stats_lost", n_stats_lost(view), STATS_LOST_HELP);
    format_number(ds, "samples_lost", n_samples_lost(view),
                  SAMPLES_LOST_HELP);
}

/* Of all NICs that there are or were; of several, which one is said. */
static void
show_stats(struct ds *ds, const struct agilio_views *views,
           const struct table_style *style, bool all)
{
    struct table table;

    agilio_table_init(&table, AGILIO_TABLE_COUNTERS " at");
    for (size_t i = 0; i < views->n; i++) {
        const struct agilio_view *view = &views->items[i];

        if (!view->map) {
            continue;
        }
        if (style->format == TF_JSON) {
            put_stats(&table, view);
        } else {
            if (views->n > 1) {
                ds_put_format(ds, "NIC at %s:\n", view->name);
            }
            format_stats(ds, view, all);
        }
    }
    if (style->format == TF_JSON) {
        agilio_table_put(ds, &table, "counters", style);
    } else {
        table_destroy(&table);
    }
}

static void
agilio_stats(struct unixctl_conn *conn, int argc, const char *argv[],
             void *aux OVS_UNUSED)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct agilio_views views;
    struct table_style style;
    bool all;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    all = argc > 1;
    if (argc > 2 || (all && strcmp(argv[1], "-a"))) {
        unixctl_command_reply_error(conn, "the only options are -a and "
                                    "--format=json");
        return;
    }
    agilio_views_init(&views);
    if (views.n > 1 || views.items[0].kernel || get_map(conn)) {
        show_stats(&ds, &views, &style, all);
        reply(conn, &ds);
    }
    agilio_views_destroy(&views);
}

void
agilio_commands_init(void)
{
    unixctl_command_register("agilio/show", "[--format=json]", 0, 1,
                             agilio_show, NULL);
    unixctl_command_register("agilio/stats", "[-a] [--format=json]", 0, 2,
                             agilio_stats, NULL);
}
