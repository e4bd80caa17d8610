/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/dump-tracker": what the NIC has learned.
 *
 * The NIC tells a page of entries at a time, each of which its worker copies
 * out between two bursts, so entries may come and go between the pages.  What
 * a page says is read as bytes of a stranger.  Runs in the main thread. */

#include <config.h>

#include "agilio.h"

#include "agilio-format.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

/* Those that fit into a message with its header. */
#define PAGE_ENTRIES ((AGILIO_MAX_MSG - 64) \
                      / sizeof(struct agilio_tracker_entry))
#define DEFAULT_ENTRIES 1000
#define MAX_PAGES 100000        /* A NIC may not keep us for ever. */

struct dump {
    struct agilio_views views;
    const struct agilio_view *view;     /* The one that is asked. */
    struct ds ds;
    struct table table;         /* In JSON, the same. */
    bool json;
};

/* How long ago an entry was used, in ms.  While a page was waited for, our own
 * NIC may have become another one. */
static double
used_ms(const struct agilio_view *view, const struct agilio_tracker_entry *e)
{
    const struct agilio_map *map = (view->kernel ? view->map
                                    : agilio_nic_map());
    uint64_t now = agilio_from_le64(agilio_load_relaxed(&map->region->clock));
    uint64_t used = agilio_from_le64(e->used);

    return now > used ? (now - used) / 1e6 : 0.0;
}

static void
dump_entry(struct dump *dump, const struct agilio_tracker_entry *e)
{
    double used = used_ms(dump->view, e);
    uint32_t flow_id = agilio_from_le32(e->flow_id);
    uint32_t n_flows = agilio_from_le32(e->n_flows);
    uint64_t packets = agilio_from_le64(e->packets);
    struct ds match = DS_EMPTY_INITIALIZER;

    agilio_format_match(&match, &e->key, NULL);
    if (dump->json) {
        table_add_row(&dump->table);
        agilio_table_number(&dump->table, flow_id);
        agilio_table_number(&dump->table, n_flows);
        agilio_table_text(&dump->table, ds_cstr(&match));
        agilio_table_number(&dump->table, packets);
        agilio_table_number(&dump->table, used);
        agilio_table_text(&dump->table, dump->view->name);
    } else {
        ds_put_format(&dump->ds, "flow:%"PRIu32", passes:%"PRIu32", %s, "
                      "packets:%"PRIu64", used:%.3fs\n", flow_id, n_flows,
                      ds_cstr(&match), packets, used / 1e3);
    }
    ds_destroy(&match);
}

/* Asks for a page from '*cursor' on, and dumps it.  Returns the number of
 * its entries, or sets '*error' (malloc'd). */
static uint32_t
dump_page(struct dump *dump, uint32_t *cursor, uint32_t max, char **error)
{
    uint8_t buf[AGILIO_MAX_MSG];
    agilio_le32 request[2] = { agilio_to_le32(*cursor), agilio_to_le32(max) };
    struct agilio_tracker_entry e;
    struct agilio_reader r;
    uint32_t n, i;
    size_t len;

    if (agilio_view_call(dump->view, AGILIO_MSG_TRACKER_DUMP,
                         request, sizeof request, buf, sizeof buf, &len,
                         error)) {
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
        dump_entry(dump, &e);
    }
    return i;
}

/* Dumps up to 'max' entries.  Returns NULL, or what is wrong (malloc'd). */
static char *
dump_tracker(struct dump *dump, uint32_t max)
{
    uint32_t cursor = 0;
    char *error = NULL;

    if (!dump->view->map) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        agilio_view_describe(dump->view, &ds);
        ds_chomp(&ds, '\n');
        return ds_steal_cstr(&ds);
    }
    if (!(dump->view->map->features & AGILIO_F_TRACE)) {
        return xstrdup("this NIC does not show its tracker");
    }
    for (int page = 0; page < MAX_PAGES && max && !error; page++) {
        max -= dump_page(dump, &cursor, MIN(max, PAGE_ENTRIES), &error);
        if (!cursor) {
            break;
        }
    }
    if (cursor && !dump->json) {
        ds_put_cstr(&dump->ds, "(there may be more)\n");
    }
    return error;
}

/* Dumps up to 'max' entries of each NIC.  Of one alone, returns what is wrong;
 * of several, says so where its entries would be. */
static char *
dump_trackers(struct dump *dump, uint32_t max)
{
    const bool several_texts = dump->views.n > 1 && !dump->json;
    char *error = NULL;

    for (size_t i = 0; i < dump->views.n && !error; i++) {
        dump->view = &dump->views.items[i];
        if (several_texts) {
            ds_put_format(&dump->ds, "NIC at %s:\n", dump->view->name);
        }
        error = dump_tracker(dump, max);
        if (error && several_texts) {
            ds_put_format(&dump->ds, "%s\n", error);
            free(error);
            error = NULL;
        }
    }
    return error;
}

static void
agilio_dump_tracker(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *aux OVS_UNUSED)
{
    struct dump dump = { .ds = DS_EMPTY_INITIALIZER };
    unsigned int max = DEFAULT_ENTRIES;
    struct table_style style;
    char *error;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc > 2 || (argc > 1 && !str_to_uint(argv[1], 10, &max))) {
        unixctl_command_reply_error(conn, "MAX is a number of entries");
        return;
    }
    dump.json = style.format == TF_JSON;
    agilio_table_init(&dump.table, "flow passes match packets used_ms at");
    agilio_views_init(&dump.views);
    error = dump_trackers(&dump, max);
    agilio_views_destroy(&dump.views);
    if (error) {
        unixctl_command_reply_error(conn, error);
        table_destroy(&dump.table);
        free(error);
    } else if (dump.json) {
        agilio_table_put(&dump.ds, &dump.table, "tracker", &style);
        unixctl_command_reply(conn, ds_cstr(&dump.ds));
    } else {
        table_destroy(&dump.table);
        unixctl_command_reply(conn, ds_cstr(&dump.ds));
    }
    ds_destroy(&dump.ds);
}

void
agilio_tracker_init(void)
{
    unixctl_command_register("agilio/dump-tracker", "[MAX] [--format=json]",
                             0, 2, agilio_dump_tracker, NULL);
}
