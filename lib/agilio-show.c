/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/show": what the NIC is and has.
 *
 * Registered by agilio_init(), run in the main thread.  It does not ask the
 * NIC but reads its region and the shadow, and so works for a NIC that is
 * gone as well.  Text that comes from the NIC is printed as agilio-map.c and
 * agilio-residency.c have cleaned it. */

#include <config.h>

#include "agilio.h"

#include "agilio-dump.h"
#include "agilio-hooks.h"
#include "agilio-residency.h"
#include "agilio-shadow.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "netdev-agilio.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "unixctl.h"
#include "util.h"

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
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

void
agilio_show_init(void)
{
    unixctl_command_register("agilio/show", "[--format=json]", 0, 1,
                             agilio_show, NULL);
}
