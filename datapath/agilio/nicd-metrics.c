/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-metrics.c - `ovs-appctl -t agilio-nicd nic/metrics': all figures of the
 * NIC for a monitoring system.
 *
 * The text format is Prometheus's (version 0.0.4) or, with --openmetrics, that
 * of OpenMetrics 1.0, which names a counter's family without "_total" and ends
 * with "# EOF".  agilio-exporter serves it by HTTP, agilio-top shows it.
 *
 * Runs in the control thread; names and labels are documented in
 * Documentation/agilio/metrics.rst, which a test compares with this.
 */

#include <config.h>

#include "nicd.h"

#include <time.h>

#include "agilio-format.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

struct metrics {
    struct ds ds;
    struct agl_nicd *nicd;
    bool openmetrics;
};

/* Starts a family.  The name of a counter ends in "_total". */
static void
put_family(struct metrics *m, const char *name, const char *help)
{
    size_t len = strlen(name);
    bool counter = len > 6 && !strcmp(name + len - 6, "_total");

    if (counter && m->openmetrics) {
        len -= 6;
    }
    ds_put_format(&m->ds, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int) len, name,
                  help, (int) len, name, counter ? "counter" : "gauge");
}

static void
put_gauge(struct metrics *m, const char *name, const char *help,
          uint64_t value)
{
    put_family(m, name, help);
    ds_put_format(&m->ds, "%s %"PRIu64"\n", name, value);
}

/* ## -------- ##
 * ## Counters ##
 * ## -------- ## */

/* One family per kind; what the counter's name has beyond that of its kind
 * ("drop_") is the label. */
static void
put_counters(struct metrics *m, enum agilio_counter_kind kind,
             const char *name, const char *help, const char *label,
             const char *prefix)
{
    put_family(m, name, help);
    for (int c = 0; c < AGILIO_N_COUNTERS; c++) {
        const char *s = agilio_counter_name(c);
        size_t len = strlen(prefix);

        if (agilio_counter_kind(c) == kind) {
            ds_put_format(&m->ds, "%s{%s=\"%s\"} %"PRIu64"\n", name, label,
                          strncmp(s, prefix, len) ? s : s + len,
                          agl_region_counter(m->nicd->nic->region, c));
        }
    }
}

/* ## ----- ##
 * ## Ports ##
 * ## ----- ## */

static const struct {
    const char *name, *help;
    size_t ofs;
} port_counters[] = {
#define PORT_COUNTER(NAME, MEMBER, HELP) \
    { "agilio_port_" NAME "_total", HELP, \
      offsetof(struct agilio_port_stats, MEMBER) }
    PORT_COUNTER("receive_packets", rx_packets, "Packets received."),
    PORT_COUNTER("receive_bytes", rx_bytes, "Bytes received."),
    PORT_COUNTER("receive_drop", rx_dropped, "Received packets dropped."),
    PORT_COUNTER("receive_errs", rx_errors, "Errors in receiving."),
    PORT_COUNTER("transmit_packets", tx_packets, "Packets sent."),
    PORT_COUNTER("transmit_bytes", tx_bytes, "Bytes sent."),
    PORT_COUNTER("transmit_drop", tx_dropped, "Packets to send dropped."),
    PORT_COUNTER("transmit_errs", tx_errors, "Errors in sending."),
#undef PORT_COUNTER
};

/* 'name{port="PORT"} ', the port's name quoted as the format wants it. */
static void
put_port_sample(struct ds *ds, const char *name,
                const struct agl_nic_port *port)
{
    ds_put_format(ds, "%s{port=\"", name);
    for (const char *s = port->name; *s; s++) {
        if (*s == '\n') {
            ds_put_cstr(ds, "\\n");
        } else {
            if (*s == '"' || *s == '\\') {
                ds_put_char(ds, '\\');
            }
            ds_put_char(ds, *s);
        }
    }
    ds_put_cstr(ds, "\"} ");
}

#define FOR_EACH_PORT(I, NIC) \
    for (uint32_t I = 0; I < (NIC)->region->geometry.n_ports; I++) \
        if ((NIC)->ports[I].id != AGILIO_PORT_NONE)

static void
put_ports(struct metrics *m)
{
    const struct agl_nic *nic = m->nicd->nic;

    put_family(m, "agilio_port_up", "Whether the port has a link.");
    FOR_EACH_PORT (i, nic) {
        put_port_sample(&m->ds, "agilio_port_up", &nic->ports[i]);
        ds_put_format(&m->ds, "%d\n", nic->ports[i].status.link_up);
    }
    put_family(m, "agilio_port_mtu_bytes", "The port's MTU.");
    FOR_EACH_PORT (i, nic) {
        put_port_sample(&m->ds, "agilio_port_mtu_bytes", &nic->ports[i]);
        ds_put_format(&m->ds, "%"PRIu32"\n", nic->ports[i].status.mtu);
    }
    for (size_t c = 0; c < ARRAY_SIZE(port_counters); c++) {
        put_family(m, port_counters[c].name, port_counters[c].help);
        FOR_EACH_PORT (i, nic) {
            struct agilio_port_stats stats;
            agilio_le64 n;

            agl_region_port_stats(nic->region, i, &stats);
            memcpy(&n, (const char *) &stats + port_counters[c].ofs, sizeof n);
            put_port_sample(&m->ds, port_counters[c].name, &nic->ports[i]);
            ds_put_format(&m->ds, "%"PRIu64"\n", agilio_from_le64(n));
        }
    }
}

/* ## ------ ##
 * ## Tables ##
 * ## ------ ## */

static void
put_tables(struct metrics *m)
{
    struct agl_nic *nic = m->nicd->nic;
    const struct agl_geometry *g = &nic->region->geometry;
    struct nicd_fill fill;

    nicd_get_fill(m->nicd, &fill);
    put_gauge(m, "agilio_flows", "Megaflows in the mask tables.",
              fill.n_flows);
    put_gauge(m, "agilio_flows_limit", "Megaflows that there is room for.",
              g->max_flows);
    put_gauge(m, "agilio_masks", "Different masks of the megaflows.",
              fill.n_masks);
    put_gauge(m, "agilio_masks_limit", "Masks that there is room for.",
              g->max_masks);
    put_gauge(m, "agilio_tracker_entries_limit",
              "Entries of the exact match flow tracker.",
              fill.tracker_capacity);
    put_gauge(m, "agilio_packet_buffers", "Packet buffers.",
              fill.n_packets);
    put_gauge(m, "agilio_packet_buffers_free", "Packet buffers not in use.",
              fill.n_free);
}

/* ## ----------- ##
 * ## The command ##
 * ## ----------- ## */

static void
put_process(struct metrics *m)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    put_family(m, "process_cpu_seconds_total",
               "User and system CPU time spent in seconds.");
    ds_put_format(&m->ds, "process_cpu_seconds_total %lld.%06ld\n",
                  (long long int) cpu.tv_sec, cpu.tv_nsec / 1000);
    put_family(m, "agilio_worker_cpu_seconds_total",
               "CPU time of each worker thread.");
    for (uint32_t i = 0; i < m->nicd->n_worker_clocks; i++) {
        if (!clock_gettime(m->nicd->worker_clocks[i], &cpu)) {
            ds_put_format(&m->ds, "agilio_worker_cpu_seconds_total"
                          "{worker=\"%"PRIu32"\"} %lld.%06ld\n", i,
                          (long long int) cpu.tv_sec, cpu.tv_nsec / 1000);
        }
    }
    put_gauge(m, "agilio_host_attached", "Whether a host is attached.",
              agl_function_attached(m->nicd->pf));
    put_family(m, "agilio_uptime_seconds", "Time since the NIC started.");
    ds_put_format(&m->ds, "agilio_uptime_seconds %.3f\n",
                  m->nicd->ops.clock(m->nicd->ops.aux) / 1e9);
}

static void
nic_metrics(struct unixctl_conn *conn, int argc, const char *argv[],
            void *nicd)
{
    struct metrics m = { DS_EMPTY_INITIALIZER, nicd, argc > 1 };

    if (argc > 1 && strcmp(argv[1], "--openmetrics")) {
        unixctl_command_reply_error(conn, "the only option is --openmetrics");
        return;
    }
    put_process(&m);
    put_tables(&m);
    put_counters(&m, AGILIO_KIND_HIT, "agilio_hit_packets_total",
                 "Packets by the level that found their flow.", "level", "");
    put_counters(&m, AGILIO_KIND_FALLBACK, "agilio_fallback_packets_total",
                 "Packets given to the host, by kind.", "kind", "fallback_");
    put_counters(&m, AGILIO_KIND_DROP, "agilio_drop_packets_total",
                 "Packets dropped, by reason.", "reason", "drop_");
    put_counters(&m, AGILIO_KIND_INFO, "agilio_events_total",
                 "What else the NIC counts, by name.", "event", "");
    put_ports(&m);
    if (m.openmetrics) {
        ds_put_cstr(&m.ds, "# EOF\n");
    }
    unixctl_command_reply(conn, ds_cstr(&m.ds));
    ds_destroy(&m.ds);
}

void
nicd_metrics_init(struct agl_nicd *nicd)
{
    unixctl_command_register("nic/metrics", "[--openmetrics]", 0, 1,
                             nic_metrics, nicd);
}
