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
#include "agilio-nic.h"
#include "agilio-residency.h"
#include "agilio-sample.h"
#include "agilio-shadow.h"
#include "agilio-table.h"
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
}

static const char *
find_representor(const struct shash *netdevs, uint32_t port_id)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, netdevs) {
        if (netdev_agilio_port_id(node->data) == port_id) {
            return node->name;
        }
    }
    return NULL;
}

static void
show_ports(const struct agilio_map *map,
           void (*show)(const struct port_view *, void *aux), void *aux)
{
    struct shash netdevs = SHASH_INITIALIZER(&netdevs);
    struct shash_node *node;
    struct agilio_port port;

    netdev_get_devices(&netdev_agilio_class, &netdevs);
    for (uint32_t slot = 0; slot < map->n_ports; slot++) {
        if (agilio_map_port(map, slot, &port)) {
            uint32_t flags = agilio_from_le32(port.flags);
            struct port_view view = {
                .id = agilio_from_le32(port.id),
                .link = flags & AGILIO_PORT_LINK_UP ? "up" : "down",
                .admin = flags & AGILIO_PORT_ADMIN_UP ? "up" : "down",
                .mtu = agilio_from_le32(port.mtu),
                .speed = agilio_from_le32(port.speed),
            };

            memcpy(view.name, port.name, AGILIO_PORT_NAME_LEN);
            view.representor = find_representor(&netdevs, view.id);
            show(&view, aux);
        }
    }
    SHASH_FOR_EACH (node, &netdevs) {
        netdev_close(node->data);
    }
    shash_destroy(&netdevs);
}

static void
count_residency(const struct agilio_shadow_flow *flow, void *counts_)
{
    size_t *counts = counts_;

    counts[flow->residency]++;
}

static const char *
feature_name(const struct agilio_map *map)
{
    return map->features & AGILIO_F_TRACE ? "trace" : "none";
}

static void
format_show(struct ds *ds, const struct agilio_map *map,
            const size_t counts[AGILIO_N_RESIDENCIES])
{
    agilio_nic_describe(ds);
    if (map) {
        ds_put_format(ds, "ABI: version %d to %d, features %s\n",
                      agilio_from_le16(map->region->abi_min),
                      agilio_from_le16(map->region->abi_max),
                      feature_name(map));
        ds_put_format(ds, "ports%s:\n  id         name             link admin"
                      "   mtu     Mb/s representor\n",
                      agilio_nic_status() == AGILIO_NIC_DOWN ? " (last seen)"
                      : "");
        show_ports(map, format_port, ds);
    }

    ds_put_cstr(ds, "flows:");
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

/* One row, what agilio_nic_describe() says in it; none for no NIC. */
static void
put_nic(struct ds *ds, const struct agilio_map *map,
        const struct table_style *style)
{
    static const char *const names[] = {
        [AGILIO_NIC_DOWN] = "down", [AGILIO_NIC_ATTACHED] = "attached",
        [AGILIO_NIC_ACTIVE] = "active",
    };
    struct ds text = DS_EMPTY_INITIALIZER;
    char *path = agilio_nic_path();
    struct table table;

    agilio_table_init(&table, "socket status description abi_min abi_max "
                      "features workers flows_limit masks_limit");
    agilio_nic_describe(&text);
    ds_chomp(&text, '\n');
    table_add_row(&table);
    agilio_table_text(&table, path);
    agilio_table_text(&table, names[agilio_nic_status()]);
    agilio_table_text(&table, ds_cstr(&text));
    if (map) {
        agilio_table_number(&table, agilio_from_le16(map->region->abi_min));
        agilio_table_number(&table, agilio_from_le16(map->region->abi_max));
        agilio_table_text(&table, feature_name(map));
        agilio_table_number(&table, map->n_workers);
        agilio_table_number(&table, map->max_flows);
        agilio_table_number(&table, map->max_masks);
    }
    agilio_table_put(ds, &table, "nic", style);
    ds_destroy(&text);
    free(path);
}

static void
put_show(struct ds *ds, const struct agilio_map *map,
         const size_t counts[AGILIO_N_RESIDENCIES],
         const struct table_style *style)
{
    struct table table;

    put_nic(ds, map, style);
    agilio_table_init(&table,
                      "id name link admin mtu speed_mbps representor");
    if (map) {
        show_ports(map, put_port, &table);
    }
    agilio_table_put(ds, &table, "ports", style);

    agilio_table_init(&table, "nic flows");
    for (int i = 0; i < AGILIO_N_RESIDENCIES; i++) {
        table_add_row(&table);
        agilio_table_text(&table, agilio_residency_name(i));
        agilio_table_number(&table, counts[i]);
    }
    agilio_table_put(ds, &table, "flows", style);
}

static void
agilio_show(struct unixctl_conn *conn, int argc, const char *argv[],
            void *aux OVS_UNUSED)
{
    size_t counts[AGILIO_N_RESIDENCIES] = { 0 };
    const struct agilio_map *map = agilio_nic_map();
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct table_style style;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc > 1) {
        unixctl_command_reply_error(conn, "the only option is --format=json");
        return;
    }
    agilio_dump_for_each(count_residency, counts);
    if (style.format == TF_JSON) {
        put_show(&ds, map, counts, &style);
    } else {
        format_show(&ds, map, counts);
    }
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

static void
put_stats_table(struct ds *ds, const struct agilio_map *map,
                const struct table_style *style)
{
    struct table table;

    agilio_table_init(&table, AGILIO_TABLE_COUNTERS);
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        agilio_table_counter(&table, agilio_counter_name(c),
                             agilio_map_counter(map, c),
                             agilio_counter_help(c));
    }
    agilio_table_counter(&table, "stats_lost", agilio_residency_n_lost(),
                         STATS_LOST_HELP);
    agilio_table_counter(&table, "samples_lost", agilio_sample_n_lost(),
                         SAMPLES_LOST_HELP);
    agilio_table_put(ds, &table, "counters", style);
}

static void
agilio_stats(struct unixctl_conn *conn, int argc, const char *argv[],
             void *aux OVS_UNUSED)
{
    const struct agilio_map *map;
    struct ds ds = DS_EMPTY_INITIALIZER;
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
    map = get_map(conn);
    if (!map) {
        return;
    }
    if (style.format == TF_JSON) {
        put_stats_table(&ds, map, &style);
        reply(conn, &ds);
        return;
    }
    format_levels(&ds, map);
    format_counters(&ds, map, AGILIO_KIND_FALLBACK, true);
    format_counters(&ds, map, AGILIO_KIND_INFO, true);
    format_counters(&ds, map, AGILIO_KIND_DROP, all);
    format_number(&ds, "stats_lost", agilio_residency_n_lost(),
                  STATS_LOST_HELP);
    format_number(&ds, "samples_lost", agilio_sample_n_lost(),
                  SAMPLES_LOST_HELP);
    reply(conn, &ds);
}

void
agilio_commands_init(void)
{
    unixctl_command_register("agilio/show", "[--format=json]", 0, 1,
                             agilio_show, NULL);
    unixctl_command_register("agilio/stats", "[-a] [--format=json]", 0, 2,
                             agilio_stats, NULL);
}
