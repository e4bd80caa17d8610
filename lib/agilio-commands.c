/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/...": what the NIC is, has and does.
 *
 * Registered by agilio_init(), run in the main thread.  Only
 * agilio/dump-tracker asks the NIC; the others read its region and the shadow,
 * and so they work for a NIC that is gone as well.  Text that comes from the
 * NIC is printed as agilio-map.c and agilio-residency.c have cleaned it. */

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

static const char *const residency_names[AGILIO_N_RESIDENCIES] = {
    [AGILIO_RESIDENT] = "resident",
    [AGILIO_PENDING] = "pending",
    [AGILIO_HOST] = "host",
    [AGILIO_REFUSED] = "refused",
};

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

/* Appends the name of the representor of 'nic_port', "-" if it has none. */
static void
format_representor(struct ds *ds, const struct shash *netdevs,
                   uint32_t nic_port)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, netdevs) {
        if (netdev_agilio_port_id(node->data) == nic_port) {
            ds_put_cstr(ds, node->name);
            return;
        }
    }
    ds_put_char(ds, '-');
}

static void
format_port(struct ds *ds, const struct shash *netdevs,
            const struct agilio_port *port)
{
    uint32_t flags = agilio_from_le32(port->flags);
    uint32_t speed = agilio_from_le32(port->speed);

    ds_put_format(ds, "  0x%-8"PRIx32" %-16.*s %-4s %-5s %5"PRIu32" ",
                  agilio_from_le32(port->id),
                  AGILIO_PORT_NAME_LEN, port->name,
                  flags & AGILIO_PORT_LINK_UP ? "up" : "down",
                  flags & AGILIO_PORT_ADMIN_UP ? "up" : "down",
                  agilio_from_le32(port->mtu));
    if (speed) {
        ds_put_format(ds, "%8"PRIu32" ", speed);
    } else {
        ds_put_cstr(ds, "       - ");
    }
    format_representor(ds, netdevs, agilio_from_le32(port->id));
    ds_put_char(ds, '\n');
}

static void
format_ports(struct ds *ds, const struct agilio_map *map)
{
    struct shash netdevs = SHASH_INITIALIZER(&netdevs);
    struct shash_node *node;
    struct agilio_port port;

    netdev_get_devices(&netdev_agilio_class, &netdevs);
    ds_put_format(ds, "ports%s:\n  id         name             link admin"
                  "   mtu     Mb/s representor\n",
                  agilio_nic_status() == AGILIO_NIC_DOWN ? " (last seen)"
                  : "");
    for (uint32_t slot = 0; slot < map->n_ports; slot++) {
        if (agilio_map_port(map, slot, &port)) {
            format_port(ds, &netdevs, &port);
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

static void
agilio_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    size_t counts[AGILIO_N_RESIDENCIES] = { 0 };
    const struct agilio_map *map = agilio_nic_map();
    struct ds ds = DS_EMPTY_INITIALIZER;

    agilio_nic_describe(&ds);
    if (map) {
        ds_put_format(&ds, "ABI: version %d to %d, features%s\n",
                      agilio_from_le16(map->region->abi_min),
                      agilio_from_le16(map->region->abi_max),
                      map->features & AGILIO_F_TRACE ? " trace" : " none");
        format_ports(&ds, map);
    }

    agilio_dump_for_each(count_residency, counts);
    ds_put_cstr(&ds, "flows:");
    for (int i = 0; i < AGILIO_N_RESIDENCIES; i++) {
        ds_put_format(&ds, " %"PRIuSIZE" %s,", counts[i], residency_names[i]);
    }
    ds_chomp(&ds, ',');
    if (map) {
        ds_put_format(&ds, " (room for %"PRIu32", with %"PRIu32" masks)",
                      map->max_flows, map->max_masks);
    }
    ds_put_char(&ds, '\n');
    reply(conn, &ds);
}

/* ## ----------------- ##
 * ## agilio/dump-flows ##
 * ## ----------------- ## */

struct dump {
    struct ds ds;
    bool why;                   /* Only flows that the NIC does not carry. */
    struct shash reasons;       /* Counts them: data is a uintptr_t. */
};

static void
format_match(struct ds *ds, const struct match *match)
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

static void
dump_flow(const struct agilio_shadow_flow *flow, void *dump_)
{
    const char *name = residency_names[flow->residency];
    struct dump *dump = dump_;
    struct ds *ds = &dump->ds;

    if (dump->why) {
        if (flow->residency == AGILIO_RESIDENT) {
            return;
        }
        count_reason(&dump->reasons, name, flow->reason);
    }

    if (flow->offered) {
        ds_put_cstr(ds, "mega_");       /* Not the one that dpctl shows. */
    }
    odp_format_ufid(&flow->ufid, ds);
    ds_put_cstr(ds, ", ");
    format_match(ds, &flow->match);
    ds_put_cstr(ds, ", ");
    dpif_flow_stats_format(&flow->stats, ds);
    ds_put_format(ds, ", nic:%s", name);
    if (flow->reason) {
        ds_put_format(ds, "(%s)", flow->reason);
    }
    ds_put_cstr(ds, ", actions:");
    format_odp_actions(ds, flow->actions, flow->actions_len, NULL);
    ds_put_char(ds, '\n');
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
    struct dump dump = { .ds = DS_EMPTY_INITIALIZER, .why = argc > 1 };

    if (dump.why && strcmp(argv[1], "--why")) {
        unixctl_command_reply_error(conn, "the only option is --why");
        return;
    }
    shash_init(&dump.reasons);
    agilio_dump_for_each(dump_flow, &dump);
    if (dump.why) {
        format_reasons(&dump.ds, &dump.reasons);
    }
    shash_destroy(&dump.reasons);
    reply(conn, &dump.ds);
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

static void
put_stats_row(struct table *table, const char *name, uint64_t value,
              const char *help)
{
    table_add_row(table);
    agilio_table_text(table, name);
    agilio_table_number(table, value);
    agilio_table_text(table, help);
}

#define STATS_LOST_HELP "counted for flows deleted before they were read"
#define SAMPLES_LOST_HELP "copies given to the host that it could not act on"

static void
put_stats_table(struct ds *ds, const struct agilio_map *map,
                const struct table_style *style)
{
    struct table table;

    table_init(&table);
    table_add_column(&table, "counter");
    table_add_column(&table, "value");
    table_add_column(&table, "meaning");
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        put_stats_row(&table, agilio_counter_name(c),
                      agilio_map_counter(map, c), agilio_counter_help(c));
    }
    put_stats_row(&table, "stats_lost", agilio_residency_n_lost(),
                  STATS_LOST_HELP);
    put_stats_row(&table, "samples_lost", agilio_sample_n_lost(),
                  SAMPLES_LOST_HELP);
    agilio_table_put(ds, &table, style);
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

/* ## ------------------- ##
 * ## agilio/dump-tracker ##
 * ## ------------------- ## */

/* Those that fit into a message with its header. */
#define PAGE_ENTRIES ((AGILIO_MAX_MSG - 64) \
                      / sizeof(struct agilio_tracker_entry))
#define DEFAULT_ENTRIES 1000
#define MAX_PAGES 100000        /* A NIC may not keep us for ever. */

static void
format_tracker_entry(struct ds *ds, const struct agilio_map *map,
                     const struct agilio_tracker_entry *e)
{
    uint64_t now = agilio_from_le64(agilio_load_relaxed(&map->region->clock));
    uint64_t used = agilio_from_le64(e->used);

    ds_put_format(ds, "flow:%"PRIu32", passes:%"PRIu32", ",
                  agilio_from_le32(e->flow_id), agilio_from_le32(e->n_flows));
    agilio_format_match(ds, &e->key, NULL);
    ds_put_format(ds, ", packets:%"PRIu64", used:%.3fs\n",
                  agilio_from_le64(e->packets),
                  now > used ? (now - used) / 1e9 : 0.0);
}

/* Asks for a page from '*cursor' on, and formats it.  Returns the number of
 * its entries, or sets '*error' (malloc'd). */
static uint32_t
dump_page(struct ds *ds, uint32_t *cursor, uint32_t max, char **error)
{
    uint8_t buf[AGILIO_MAX_MSG];
    agilio_le32 request[2] = { agilio_to_le32(*cursor), agilio_to_le32(max) };
    struct agilio_tracker_entry e;
    struct agilio_reader r;
    uint32_t n, i;
    size_t len;
    int retval;

    retval = agilio_nic_call(AGILIO_MSG_TRACKER_DUMP, request, sizeof request,
                             buf, sizeof buf, &len, error);
    if (retval) {
        if (!*error) {
            *error = xstrdup(ovs_strerror(retval));
        }
        return 0;
    }

    r = (struct agilio_reader) { buf, buf + len, false };
    *cursor = agilio_get_u32(&r);
    n = agilio_get_u32(&r);
    n = MIN(n, max);
    for (i = 0; i < n; i++) {
        const void *p = agilio_get_bytes(&r, sizeof e);

        if (!p) {
            *error = xstrdup("the NIC's reply makes no sense");
            break;
        }
        memcpy(&e, p, sizeof e);
        format_tracker_entry(ds, agilio_nic_map(), &e);
    }
    return i;
}

static void
agilio_dump_tracker(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *aux OVS_UNUSED)
{
    unsigned int left = DEFAULT_ENTRIES;
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct agilio_map *map;
    uint32_t cursor = 0;
    char *error = NULL;

    if (argc > 1 && !str_to_uint(argv[1], 10, &left)) {
        unixctl_command_reply_error(conn, "MAX is a number of entries");
        return;
    }
    map = get_map(conn);
    if (!map) {
        return;
    }
    if (!(map->features & AGILIO_F_TRACE)) {
        unixctl_command_reply_error(conn, "this NIC does not show its "
                                    "tracker");
        return;
    }

    for (int page = 0; page < MAX_PAGES && left && !error; page++) {
        left -= dump_page(&ds, &cursor, MIN(left, PAGE_ENTRIES), &error);
        if (!cursor) {
            break;
        }
    }
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
        ds_destroy(&ds);
        return;
    }
    if (cursor) {
        ds_put_cstr(&ds, "(there may be more)\n");
    }
    reply(conn, &ds);
}

void
agilio_commands_init(void)
{
    unixctl_command_register("agilio/show", "", 0, 0, agilio_show, NULL);
    unixctl_command_register("agilio/dump-flows", "[--why]", 0, 1,
                             agilio_dump_flows, NULL);
    unixctl_command_register("agilio/stats", "[-a] [--format=json]", 0, 2,
                             agilio_stats, NULL);
    unixctl_command_register("agilio/dump-tracker", "[MAX]", 0, 1,
                             agilio_dump_tracker, NULL);
}
