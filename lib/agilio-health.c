/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/health": is everything as it should be, line by line.
 *
 * A FAIL says that the NIC does not do its work, a WARN that it may do it
 * better than it does; both are followed by what to do about it.  ovs-appctl
 * exits with 2 if the system state is FAIL.  agilio-ctl puts the lines into
 * the report of "ovs-ctl status", so they look as its own do.
 *
 * Runs in the main thread; takes 2 s at most, if a NIC hangs; 4 s, if it is
 * the kernel's. */

#include <config.h>

#include "agilio.h"

#include <errno.h>
#include <stdlib.h>

#include "agilio-ctl.h"
#include "agilio-hooks.h"
#include "agilio-residency.h"
#include "agilio-shadow.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "netdev-agilio.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

#define ALIVE_MSEC 1000         /* A NIC's heart beats several times. */
#define CLOCK_MSEC 900          /* A clock may be off by so much, and 1 %. */
#define FULL_PERCENT 90         /* The flow table is nearly full. */
#define BACKED_UP_PERCENT 75    /* A ring is. */

enum grade {
    SKIPPED,                    /* There is nothing to examine. */
    PASS,
    WARN,
    FAIL,
};

/* The same twice: as text, and as a table for JSON. */
struct report {
    struct ds text;
    struct table table;
    const char *at;             /* The NIC that the lines are about. */
    enum grade worst;
};

static const char *
grade_name(enum grade grade)
{
    static const char *const names[] = {
        [SKIPPED] = "SKIPPED", [PASS] = "PASS", [WARN] = "WARN",
        [FAIL] = "FAIL",
    };

    return names[grade];
}

/* Adds the line "NIC: ...   ... [PASS]", and 'remedy' if it is not that. */
static void OVS_PRINTF_FORMAT(4, 5)
say(struct report *report, enum grade grade, const char *remedy,
    const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    ds_put_format(&report->text, "NIC: %-55s ... [%s]\n", text,
                  grade_name(grade));
    if (grade != PASS) {
        ds_put_format(&report->text, "    %s\n", remedy);
    }
    table_add_row(&report->table);
    agilio_table_text(&report->table, text);
    agilio_table_text(&report->table, grade_name(grade));
    agilio_table_text(&report->table, grade != PASS ? remedy : "");
    agilio_table_text(&report->table, report->at);
    free(text);
    report->worst = MAX(report->worst, grade);
}

/* ## ------- ##
 * ## The NIC ##
 * ## ------- ## */

/* True if there is one to examine further. */
static bool
check_detected(struct report *report, const struct agilio_views *views,
               const struct agilio_view *view)
{
    bool detected = view->map && view->status != AGILIO_NIC_DOWN;
    struct ds why = DS_EMPTY_INITIALIZER;

    agilio_view_describe(view, &why);
    ds_chomp(&why, '\n');
    if (!view->name) {
        ds_put_cstr(&why, ": no interface has type=agilio");
    } else {
        ds_put_cstr(&why, "; is agilio-nicd running (agilio-ctl start)?");
    }
    say(report, detected ? PASS : view->name ? FAIL : SKIPPED, ds_cstr(&why),
        "detected%s%s", views->n > 1 ? " at " : "",
        views->n > 1 ? view->name : "");
    ds_destroy(&why);
    return detected;
}

/* Asks for a sign of life.  On error '*reason' is malloc'd, or NULL. */
static int
keepalive(const struct agilio_view *view, char **reason)
{
    int error;

    *reason = NULL;
    if (!view->kernel) {
        return agilio_nic_call(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, 0, NULL,
                               reason);
    }
    error = agilio_kernel_keepalive(view->name);
    if (error && error != ENODEV) {
        *reason = xstrdup(ovs_strerror(error));
    }
    return error;
}

static void
check_control(struct report *report, const struct agilio_view *view)
{
    long long int start = time_usec();
    char *reason;

    if (keepalive(view, &reason)) {
        say(report, FAIL, "restart the NIC (agilio-ctl restart); its log may "
            "say more", "control channel responsive (%s)",
            reason ? reason : "no answer");
    } else {
        say(report, PASS, NULL, "control channel responsive (%.1f ms)",
            (time_usec() - start) / 1000.0);
    }
    free(reason);
}

struct signs {
    uint64_t heartbeat, clock;
};

/* As they are now; of a NIC of the kernel's a new snapshot is needed. */
static struct signs
read_signs(const struct agilio_view *view)
{
    const struct agilio_region *region = view->map->region;
    struct agilio_kernel kernel;
    struct signs signs;

    if (view->kernel) {
        const struct agilio_kernel_nic *nic;

        agilio_kernel_init(&kernel);
        nic = agilio_kernel_find_nic(&kernel, view->name);
        region = nic ? &nic->region : region;
    }
    signs.heartbeat = agilio_load_relaxed(&region->heartbeat);
    signs.clock = agilio_load_relaxed(&region->clock);
    if (view->kernel) {
        agilio_kernel_destroy(&kernel);
    }
    return signs;
}

/* The heart beats in the NIC's control thread, the clock is put right by its
 * worker, which sleeps for a tenth of a second at most. */
static void
check_threads(struct report *report, const struct agilio_view *view)
{
    struct signs first = read_signs(view);
    bool beats = false, ticks = false;

    for (int i = 0; i < ALIVE_MSEC / 10 && !(beats && ticks); i++) {
        struct signs now;

        xnanosleep_no_quiesce(10 * 1000 * 1000);
        now = read_signs(view);
        beats = beats || now.heartbeat != first.heartbeat;
        ticks = ticks || now.clock != first.clock;
    }
    say(report, beats ? PASS : FAIL, "the NIC's control thread hangs: restart "
        "the NIC (agilio-ctl restart)", "heartbeat advances");
    say(report, ticks ? PASS : FAIL, "a worker hangs, and so do its ports: "
        "restart the NIC (agilio-ctl restart)",
        "workers responsive, clock advances");
}

/* Ages of flows and rates of meters are by the NIC's clock, which is to go as
 * fast as ours since we attached; when agilio.ko did we do not know. */
static void
check_clock(struct report *report, const struct agilio_map *map)
{
    uint64_t clock = agilio_from_le64(agilio_load_relaxed(
        &map->region->clock));
    long long int ours = agilio_now_ms() - map->first_msec;
    long long int its = (int64_t) (clock - map->first_clock) / 1000000;
    long long int off = llabs(its - ours);

    say(report, off > CLOCK_MSEC + ours / 100 ? FAIL : PASS,
        "flows end too early or too late: restart the NIC (agilio-ctl "
        "restart)", "clock keeps time (%lld ms off in %lld s)", off,
        ours / 1000);
}

static void
check_ports(struct report *report, const struct agilio_map *map)
{
    struct agilio_port port;
    int n = 0, n_down = 0;

    for (uint32_t slot = 0; slot < map->n_ports; slot++) {
        if (agilio_map_port(map, slot, &port)) {
            uint32_t flags = agilio_from_le32(port.flags);

            n++;
            n_down += (flags & AGILIO_PORT_ADMIN_UP
                       && !(flags & AGILIO_PORT_LINK_UP));
        }
    }
    say(report, n_down ? WARN : PASS, "see which (agilio/show), then to "
        "cable, interface or guest", "ports have link (%d of %d are down)",
        n_down, n);
}

static void
check_fallback(struct report *report, const struct agilio_map *map)
{
    uint64_t n = (agilio_map_counter(map, AGILIO_COUNTER_DROP_HOST_FULL)
                  + agilio_map_counter(map, AGILIO_COUNTER_DROP_HOST_BAD));

    say(report, n ? WARN : PASS, "more than the host can take: see what goes "
        "there and why (agilio/stats, agilio/reasons)",
        "fallback path clear (%"PRIu64" lost on the way)", n);
}

/* How full a ring is, in percent.  The cursors may say anything. */
static uint32_t
ring_percent(const struct agilio_map *map,
             const struct agilio_ring_place *place)
{
    uint64_t n = agilio_from_le32(place->n_granules);
    const struct agilio_ring *ring = ALIGNED_CAST(
        const struct agilio_ring *,
        map->base + agilio_from_le64(place->ring_ofs));
    uint32_t cons = agilio_from_le32(agilio_load_relaxed(&ring->cons));
    uint32_t prod = agilio_from_le32(agilio_load_relaxed(&ring->prod));

    return n ? MIN(100, UINT64_C(100) * (uint32_t) (prod - cons) / n) : 0;
}

static void
check_rings(struct report *report, const struct agilio_view *view)
{
    const struct agilio_map *map = view->map;
    uint32_t fullest = view->kernel ? view->kernel->ring_fill : 0;

    for (uint32_t i = 0; i < map->n_qps; i++) {
        fullest = MAX(fullest, ring_percent(map, &map->qps[i].to_host));
        fullest = MAX(fullest, ring_percent(map, &map->qps[i].from_host));
    }
    say(report, fullest >= BACKED_UP_PERCENT ? WARN : PASS,
        "one side does not keep up with the other: see who sends so much "
        "(agilio/stats)",
        "rings not backed up (fullest: %"PRIu32" %%)", fullest);
}

/* ## -------- ##
 * ## The host ##
 * ## -------- ## */

/* agilio.ko makes one for each port. */
static void
check_devices(struct report *report, const struct agilio_kernel_nic *nic)
{
    struct agilio_port port;
    int n = 0, n_without = 0;

    for (uint32_t slot = 0; slot < nic->map.n_ports; slot++) {
        if (agilio_map_port(&nic->map, slot, &port)) {
            n++;
            n_without += !nic->devices[slot][0];
        }
    }
    say(report, n_without ? WARN : PASS, "the kernel's log says why (dmesg)",
        "ports have a representor (%d of %d do not)", n_without, n);
}

static void
check_representors(struct report *report)
{
    struct shash netdevs = SHASH_INITIALIZER(&netdevs);
    struct shash_node *node;
    int n_homeless = 0;

    netdev_get_devices(&netdev_agilio_class, &netdevs);
    SHASH_FOR_EACH (node, &netdevs) {
        n_homeless += netdev_agilio_port_id(node->data) == AGILIO_PORT_NONE;
        netdev_close(node->data);
    }
    say(report, n_homeless ? WARN : PASS, "these interfaces carry nothing: "
        "see the NIC's ports (agilio/show), add them (nic/port-add)",
        "representors have a port (%d of %"PRIuSIZE" do not)",
        n_homeless, shash_count(&netdevs));
    shash_destroy(&netdevs);
}

static void
count_flow(const struct agilio_shadow_flow *flow, void *counts_)
{
    size_t *counts = counts_;

    counts[flow->residency]++;
}

static void
check_flows(struct report *report, struct agilio_views *views,
            const struct agilio_view *view)
{
    const struct agilio_map *map = view->map;
    size_t counts[AGILIO_N_RESIDENCIES] = { 0 };
    const struct agilio_kernel_flow *flow;
    size_t n;

    if (!view->kernel) {
        agilio_shadow_for_each(count_flow, counts);
    }
    HMAP_FOR_EACH (flow, node, &views->kernel.flows) {
        counts[flow->residency] += flow->nic == view->kernel;
    }
    n = counts[AGILIO_RESIDENT] + counts[AGILIO_HOST];
    say(report, n >= map->max_flows ? FAIL
        : n > map->max_flows / 100.0 * FULL_PERCENT ? WARN : PASS,
        "the host carries what has no room: start agilio-nicd with a larger "
        "--max-flows",
        "flow table has room (%"PRIuSIZE" of %"PRIu32")", n, map->max_flows);
    say(report, counts[AGILIO_REFUSED] ? WARN : PASS,
        "the host carries them: see why (agilio/reasons)",
        "flows are accepted (%"PRIuSIZE" refused)", counts[AGILIO_REFUSED]);
}

static void
check_statistics(struct report *report)
{
    uint64_t n = agilio_residency_n_lost();

    say(report, n ? WARN : PASS, "the NIC ended badly: see its log",
        "flow statistics complete (%"PRIu64" packets lost)", n);
}

static void
check_driver(struct report *report, const char *error)
{
    char *remedy = xasprintf("%s: load the driver that came with this Open "
                             "vSwitch (modprobe -r agilio; modprobe agilio)",
                             error);

    say(report, FAIL, remedy, "agilio.ko can be asked");
    free(remedy);
}

static void
examine_nic(struct report *report, struct agilio_views *views,
            const struct agilio_view *view)
{
    if (check_detected(report, views, view)) {
        const struct agilio_map *map = view->map;

        say(report, PASS, NULL, "ABI version supported (%d to %d)",
            agilio_from_le16(map->region->abi_min),
            agilio_from_le16(map->region->abi_max));
        say(report, view->status == AGILIO_NIC_ACTIVE ? PASS : WARN,
            "flow-restore-wait is set, or vswitchd is not yet configured",
            "flow table taken over");
        check_control(report, view);
        check_threads(report, view);
        if (map->first_msec) {
            check_clock(report, map);
        }
        check_ports(report, map);
        check_rings(report, view);
        check_fallback(report, map);
        check_flows(report, views, view);
    }
    if (view->kernel) {
        check_devices(report, view->kernel);
    } else {
        check_representors(report);
        check_statistics(report);
    }
}

static void
examine(struct report *report)
{
    struct agilio_views views;

    ds_put_cstr(&report->text, "SDN Health Report:\n------------------\n");
    agilio_views_init(&views);
    agilio_kernel_get_flows(&views.kernel);
    if (views.kernel.error) {
        check_driver(report, views.kernel.error);
    }
    for (size_t i = 0; i < views.n; i++) {
        report->at = views.items[i].name;
        examine_nic(report, &views, &views.items[i]);
    }
    agilio_views_destroy(&views);
    ds_put_format(&report->text, "%-60s     [%s]\n",
                  "Overall System State", grade_name(report->worst));
}

static void
agilio_health(struct unixctl_conn *conn, int argc, const char *argv[],
              void *aux OVS_UNUSED)
{
    struct report report = { .text = DS_EMPTY_INITIALIZER, .worst = PASS };
    struct table_style style;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc > 1) {
        unixctl_command_reply_error(conn, "the only option is --format=json");
        return;
    }
    agilio_table_init(&report.table, "item grade remedy at");
    examine(&report);

    if (style.format == TF_JSON) {
        ds_clear(&report.text);
        agilio_table_put(&report.text, &report.table, "health", &style);
    } else {
        table_destroy(&report.table);
    }
    if (report.worst == FAIL) {
        unixctl_command_reply_error(conn, ds_cstr(&report.text));
    } else {
        unixctl_command_reply(conn, ds_cstr(&report.text));
    }
    ds_destroy(&report.text);
}

void
agilio_health_init(void)
{
    unixctl_command_register("agilio/health", "[--format=json]", 0, 1,
                             agilio_health, NULL);
}
