/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/health": is everything as it should be, line by line.
 *
 * A FAIL says that the NIC does not do its work, a WARN that it may do it
 * better than it does.  ovs-appctl exits with 2 if the system state is FAIL.
 *
 * Runs in the main thread; takes 1.5 s at most, if the NIC hangs. */

#include <config.h>

#include "agilio.h"

#include "agilio-hooks.h"
#include "agilio-nic.h"
#include "agilio-residency.h"
#include "agilio-shadow.h"
#include "netdev-agilio.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

#define HEARTBEAT_MSEC 500      /* A NIC's heart beats several times. */
#define FULL_PERCENT 90         /* The flow table is said to be full. */

enum grade {
    PASS,
    WARN,
    FAIL,
};

struct report {
    struct ds ds;
    enum grade worst;
};

static const char *
grade_name(enum grade grade)
{
    return grade == PASS ? "PASS" : grade == WARN ? "WARN" : "FAIL";
}

/* Adds the line "NIC: ...   ... [PASS]". */
static void OVS_PRINTF_FORMAT(3, 4)
say(struct report *report, enum grade grade, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    ds_put_format(&report->ds, "NIC: %-55s ... [%s]\n", text,
                  grade_name(grade));
    free(text);
    report->worst = MAX(report->worst, grade);
}

/* ## ------- ##
 * ## The NIC ##
 * ## ------- ## */

static uint64_t
read_heartbeat(const struct agilio_map *map)
{
    return agilio_from_le64(agilio_load_relaxed(&map->region->heartbeat));
}

static void
check_alive(struct report *report, const struct agilio_map *map)
{
    uint64_t heartbeat = read_heartbeat(map);
    long long int start = time_usec();
    char *reason = NULL;

    if (agilio_nic_call(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, 0, NULL,
                        &reason)) {
        say(report, FAIL, "control channel responsive (%s)",
            reason ? reason : "no answer");
    } else {
        say(report, PASS, "control channel responsive (%.1f ms)",
            (time_usec() - start) / 1000.0);
    }
    free(reason);

    for (int i = 0; i < HEARTBEAT_MSEC / 10
                    && read_heartbeat(map) == heartbeat; i++) {
        xnanosleep_no_quiesce(10 * 1000 * 1000);
    }
    say(report, read_heartbeat(map) == heartbeat ? FAIL : PASS,
        "heartbeat advances");
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
    say(report, n_down ? WARN : PASS, "ports have link (%d of %d are down)",
        n_down, n);
}

static void
check_drops(struct report *report, const struct agilio_map *map)
{
    uint64_t n = (agilio_map_counter(map, AGILIO_COUNTER_DROP_HOST_FULL)
                  + agilio_map_counter(map, AGILIO_COUNTER_DROP_HOST_BAD));

    say(report, n ? WARN : PASS,
        "packets reach the host (%"PRIu64" lost on the way)", n);
}

/* ## -------- ##
 * ## The host ##
 * ## -------- ## */

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
    say(report, n_homeless ? WARN : PASS,
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
check_flows(struct report *report, const struct agilio_map *map)
{
    size_t counts[AGILIO_N_RESIDENCIES] = { 0 };
    size_t n;

    agilio_shadow_for_each(count_flow, counts);
    n = counts[AGILIO_RESIDENT] + counts[AGILIO_HOST];
    say(report, n > map->max_flows / 100.0 * FULL_PERCENT ? WARN : PASS,
        "flow table has room (%"PRIuSIZE" of %"PRIu32")", n, map->max_flows);
    say(report, counts[AGILIO_REFUSED] ? WARN : PASS,
        "flows are accepted (%"PRIuSIZE" refused)", counts[AGILIO_REFUSED]);
}

static void
check_statistics(struct report *report)
{
    uint64_t n = agilio_residency_n_lost();

    say(report, n ? WARN : PASS,
        "flow statistics complete (%"PRIu64" packets lost)", n);
}

static void
agilio_health(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct report report = { .ds = DS_EMPTY_INITIALIZER, .worst = PASS };
    const struct agilio_map *map = agilio_nic_map();
    enum agilio_nic_status status = agilio_nic_status();

    ds_put_cstr(&report.ds, "SDN Health Report:\n------------------\n");
    if (!map || status == AGILIO_NIC_DOWN) {
        say(&report, FAIL, "connected");
    } else {
        say(&report, PASS, "connected");
        say(&report, PASS, "ABI version supported (%d to %d)",
            agilio_from_le16(map->region->abi_min),
            agilio_from_le16(map->region->abi_max));
        say(&report, status == AGILIO_NIC_ACTIVE ? PASS : WARN,
            "flow table taken over");
        check_alive(&report, map);
        check_ports(&report, map);
        check_drops(&report, map);
        check_flows(&report, map);
    }
    check_representors(&report);
    check_statistics(&report);
    ds_put_format(&report.ds, "Overall System State [%s]\n",
                  grade_name(report.worst));

    if (report.worst == FAIL) {
        unixctl_command_reply_error(conn, ds_cstr(&report.ds));
    } else {
        unixctl_command_reply(conn, ds_cstr(&report.ds));
    }
    ds_destroy(&report.ds);
}

void
agilio_health_init(void)
{
    unixctl_command_register("agilio/health", "", 0, 0, agilio_health, NULL);
}
