/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/stats": what the NIC has counted.
 *
 * Registered by agilio_init(), run in the main thread.  The counters are read
 * where the NIC keeps them, so the command works for a NIC that is gone, too:
 * it shows the last ones. */

#include <config.h>

#include "agilio.h"

#include "agilio-format.h"
#include "agilio-residency.h"
#include "agilio-sample.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
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

        if (agilio_counter_kind(c) == kind && (value || all)
            && c != AGILIO_COUNTER_CARRIED) {   /* format_levels() has it. */
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
        unixctl_command_reply(conn, ds_cstr(&ds));
        ds_destroy(&ds);
    }
    agilio_views_destroy(&views);
}

void
agilio_stats_init(void)
{
    unixctl_command_register("agilio/stats", "[-a] [--format=json]", 0, 2,
                             agilio_stats, NULL);
}
