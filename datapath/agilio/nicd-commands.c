/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-commands.c - `ovs-appctl -t agilio-nicd nic/...'.
 *
 * Commands run in the control thread.  What they want to know of the workers
 * they have them tell by calls.  Who looks at a NIC whose worker hangs is to
 * see that; so nicd_get_fill() waits for no worker longer than FILL_MS.
 */

#include <config.h>

#include "nicd.h"

#include <sched.h>
#include <stdlib.h>

#include "agilio-format.h"
#include "agilio-table.h"
#include "openvswitch/dynamic-string.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

#define FILL_MS 200             /* Until a worker is said to be silent. */

static void
apply_fill(struct agl_worker *w, void *fill_)
{
    struct nicd_fill *fill = fill_;

    fill->n_flows = agl_flow_table_n_flows(w->table);
    fill->n_masks = agl_flow_table_n_masks(w->table);
    fill->tracker_capacity = agl_tracker_capacity(w->tracker);
    fill->n_packets = w->pool.n;
    fill->n_free = w->pool.n_free;
}

/* Has 'w' tell by 'deadline' what it has; false if it does not. */
static bool
ask_fill(struct agl_worker *w, struct nicd_fill_call *call, long long deadline)
{
    if (agl_worker_has_done(w, call->number)) {
        call->number = agl_worker_post(w, apply_fill, &call->answer);
    }
    if (!call->number) {
        return false;           /* It has more to do than fits in. */
    }
    while (!agl_worker_has_done(w, call->number)) {
        if (time_msec() >= deadline) {
            return false;
        }
        sched_yield();
    }
    call->last = call->answer;
    return true;
}

void
nicd_get_fill(struct agl_nicd *nicd, struct nicd_fill *fill)
{
    const struct agl_team *team = &nicd->nic->team;
    long long deadline = time_msec() + FILL_MS;

    *fill = (struct nicd_fill) { .n_flows = 0 };
    for (uint32_t i = 0; i < team->n; i++) {
        struct nicd_fill_call *call = &nicd->fill_calls[i];

        fill->n_silent += !ask_fill(team->workers[i], call, deadline);
        fill->n_flows = MAX(fill->n_flows, call->last.n_flows);
        fill->n_masks = MAX(fill->n_masks, call->last.n_masks);
        fill->tracker_capacity += call->last.tracker_capacity;
        fill->n_packets += call->last.n_packets;
        fill->n_free += call->last.n_free;
    }
}

#define FOR_EACH_PORT(PORT, NIC) \
    for (const struct agl_nic_port *PORT = (NIC)->ports; \
         PORT < (NIC)->ports + AGILIO_MAX_PORTS; PORT++) \
        if (PORT->id != AGILIO_PORT_NONE)

static const char *
up_or_down(bool up)
{
    return up ? "up" : "down";
}

static const char *
host_state(const struct agl_nicd *nicd)
{
    return agl_function_attached(nicd->pf) ? "attached" : "absent";
}

/* Of a port's device, each another worker's. */
static uint32_t
count_queues(const struct agl_nic_port *port)
{
    const struct agl_dev_class *class = port->dev->class;
    uint32_t n = 1;

    while (class->queue && class->queue(port->dev, n)) {
        n++;
    }
    return n;
}

static void
format_show(struct ds *ds, const struct agl_nicd *nicd,
            const struct nicd_fill *fill)
{
    const struct agl_nic *nic = nicd->nic;
    const struct agl_geometry *g = &nic->region->geometry;

    ds_put_format(ds, "function pf at %s: host %s\n", nicd->pf->path,
                  host_state(nicd));
    ds_put_format(ds, "  flows: %"PRIu32" of %"PRIu32"\n",
                  fill->n_flows, g->max_flows);
    ds_put_format(ds, "  masks: %"PRIu32" of %"PRIu32"\n",
                  fill->n_masks, g->max_masks);
    ds_put_format(ds, "  tracker: %"PRIu32" entries\n",
                  fill->tracker_capacity);
    ds_put_format(ds, "  packet buffers: %"PRIu32" free of %"PRIu32"\n",
                  fill->n_free, fill->n_packets);
    if (fill->n_silent) {
        ds_put_format(ds, "  workers that do not answer: %"PRIu32" of %"PRIu32
                      ", whose figures are from before\n",
                      fill->n_silent, nic->team.n);
    }
    FOR_EACH_PORT (port, nic) {
        ds_put_format(ds, "  port %s: id %#"PRIx32", %s, admin %s, link %s, "
                      "mtu %"PRIu32", queues %"PRIu32"\n",
                      port->name, port->id, port->dev->class->type,
                      up_or_down(port->admin_up),
                      up_or_down(port->status.link_up), port->status.mtu,
                      count_queues(port));
    }
}

/* Adds how full one of the NIC's tables is; -1 if that is not known. */
static void
put_fill(struct table *table, const char *name, long long int used,
         uint32_t limit)
{
    table_add_row(table);
    agilio_table_text(table, name);
    if (used >= 0) {
        agilio_table_number(table, used);
    } else {
        agilio_table_text(table, NULL);
    }
    agilio_table_number(table, limit);
}

static void
put_tables(struct ds *ds, const struct agl_nic *nic,
           const struct nicd_fill *fill, const struct table_style *style)
{
    const struct agl_geometry *g = &nic->region->geometry;
    struct table table;

    agilio_table_init(&table, "table used limit");
    put_fill(&table, "flows", fill->n_flows, g->max_flows);
    put_fill(&table, "masks", fill->n_masks, g->max_masks);
    put_fill(&table, "tracker", -1, fill->tracker_capacity);
    put_fill(&table, "packet_buffers", fill->n_packets - fill->n_free,
             fill->n_packets);
    agilio_table_put(ds, &table, "tables", style);
}

static void
put_show(struct ds *ds, const struct agl_nicd *nicd,
         const struct nicd_fill *fill, const struct table_style *style)
{
    struct table table;

    agilio_table_init(&table, "function socket host");
    table_add_row(&table);
    agilio_table_text(&table, "pf");
    agilio_table_text(&table, nicd->pf->path);
    agilio_table_text(&table, host_state(nicd));
    agilio_table_put(ds, &table, "functions", style);

    put_tables(ds, nicd->nic, fill, style);

    agilio_table_init(&table, "id name type link admin mtu queues");
    FOR_EACH_PORT (port, nicd->nic) {
        table_add_row(&table);
        agilio_table_number(&table, port->id);
        agilio_table_text(&table, port->name);
        agilio_table_text(&table, port->dev->class->type);
        agilio_table_text(&table, up_or_down(port->status.link_up));
        agilio_table_text(&table, up_or_down(port->admin_up));
        agilio_table_number(&table, port->status.mtu);
        agilio_table_number(&table, count_queues(port));
    }
    agilio_table_put(ds, &table, "ports", style);
}

/* The only option of a command; false, after an error reply, if there is
 * another. */
static bool
parse_format(struct unixctl_conn *conn, int argc, const char *argv[],
             struct table_style *style)
{
    if (!agilio_table_format(conn, &argc, argv, style)) {
        return false;
    }
    if (argc > 1) {
        unixctl_command_reply_error(conn, "the only option is --format=json");
        return false;
    }
    return true;
}

static void
nic_show(struct unixctl_conn *conn, int argc, const char *argv[], void *nicd_)
{
    struct agl_nicd *nicd = nicd_;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct table_style style;
    struct nicd_fill fill;

    if (!parse_format(conn, argc, argv, &style)) {
        return;
    }
    nicd_get_fill(nicd, &fill);
    if (style.format == TF_JSON) {
        put_show(&ds, nicd, &fill, &style);
    } else {
        format_show(&ds, nicd, &fill);
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
nic_port_add(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *nicd)
{
    char *error = nicd_port_add(nicd, argv[1], argv[2]);

    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
nic_port_del(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[], void *nicd)
{
    if (nicd_port_del(nicd, argv[1])) {
        unixctl_command_reply(conn, NULL);
    } else {
        unixctl_command_reply_error(conn, "no such port");
    }
}

static void
format_stats(struct ds *ds, const struct agl_nic *nic)
{
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        ds_put_format(ds, "%-20s %12"PRIu64"  %s\n", agilio_counter_name(c),
                      agl_region_counter(nic->region, c),
                      agilio_counter_help(c));
    }
    FOR_EACH_PORT (port, nic) {
        struct agilio_port_stats s;

        agl_region_port_stats(nic->region, port - nic->ports, &s);
        ds_put_format(ds, "port %s:\n"
                      "  rx packets %"PRIu64" bytes %"PRIu64
                      " dropped %"PRIu64" errors %"PRIu64"\n"
                      "  tx packets %"PRIu64" bytes %"PRIu64
                      " dropped %"PRIu64" errors %"PRIu64"\n", port->name,
                      agilio_from_le64(s.rx_packets),
                      agilio_from_le64(s.rx_bytes),
                      agilio_from_le64(s.rx_dropped),
                      agilio_from_le64(s.rx_errors),
                      agilio_from_le64(s.tx_packets),
                      agilio_from_le64(s.tx_bytes),
                      agilio_from_le64(s.tx_dropped),
                      agilio_from_le64(s.tx_errors));
    }
}

static void
put_stats(struct ds *ds, const struct agl_nic *nic,
          const struct table_style *style)
{
    struct table table;

    agilio_table_init(&table, AGILIO_TABLE_COUNTERS);
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        agilio_table_counter(&table, agilio_counter_name(c),
                             agl_region_counter(nic->region, c),
                             agilio_counter_help(c));
    }
    agilio_table_put(ds, &table, "counters", style);

    agilio_table_init(&table, "port rx_packets rx_bytes rx_dropped rx_errors "
                      "tx_packets tx_bytes tx_dropped tx_errors");
    FOR_EACH_PORT (port, nic) {
        struct agilio_port_stats s;

        agl_region_port_stats(nic->region, port - nic->ports, &s);
        table_add_row(&table);
        agilio_table_text(&table, port->name);
        agilio_table_number(&table, agilio_from_le64(s.rx_packets));
        agilio_table_number(&table, agilio_from_le64(s.rx_bytes));
        agilio_table_number(&table, agilio_from_le64(s.rx_dropped));
        agilio_table_number(&table, agilio_from_le64(s.rx_errors));
        agilio_table_number(&table, agilio_from_le64(s.tx_packets));
        agilio_table_number(&table, agilio_from_le64(s.tx_bytes));
        agilio_table_number(&table, agilio_from_le64(s.tx_dropped));
        agilio_table_number(&table, agilio_from_le64(s.tx_errors));
    }
    agilio_table_put(ds, &table, "ports", style);
}

static void
nic_stats(struct unixctl_conn *conn, int argc, const char *argv[], void *nicd_)
{
    struct agl_nicd *nicd = nicd_;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct table_style style;

    if (!parse_format(conn, argc, argv, &style)) {
        return;
    }
    if (style.format == TF_JSON) {
        put_stats(&ds, nicd->nic, &style);
    } else {
        format_stats(&ds, nicd->nic);
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

void
nicd_commands_init(struct agl_nicd *nicd)
{
    unixctl_command_register("nic/show", "[--format=json]", 0, 1, nic_show,
                             nicd);
    unixctl_command_register("nic/port-add", "NAME TYPE[:ARG]", 2, 2,
                             nic_port_add, nicd);
    unixctl_command_register("nic/port-del", "NAME", 1, 1, nic_port_del,
                             nicd);
    unixctl_command_register("nic/stats", "[--format=json]", 0, 1, nic_stats,
                             nicd);
    nicd_metrics_init(nicd);
    nicd_trace_init(nicd);
}
