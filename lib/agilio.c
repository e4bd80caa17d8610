/* SPDX-License-Identifier: Apache-2.0 */

/* Agilio in ovs-vswitchd's main loop: decides when to connect to the NIC, when
 * to take over its flow table, and which datapath ports are on it.
 *
 * Called by vswitchd/bridge.c and, for agilio_flow_*(), dpif-netdev.c (see
 * agilio-hooks.h).  All in the main thread but for the observer, which is
 * called in the agilio thread, and agilio_flow_*().
 *
 * A process without a representor and without other_config:agilio-nic never
 * gets further than looking for them. */

#include <config.h>

#include "agilio.h"

#include "agilio-hooks.h"
#include "agilio-nic.h"
#include "agilio-object.h"
#include "agilio-residency.h"
#include "agilio-sample.h"
#include "agilio-shadow.h"
#include "agilio-tunnel.h"
#include "dirs.h"
#include "hash.h"
#include "netdev-agilio.h"
#include "netdev-native-tnl.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

#define SEARCH_MSEC 100         /* How often to look for representors. */
#define RETRY_MSEC 1000         /* After a take-over that failed. */
#define EXIT_MSEC 1000          /* To disconnect, at most. */

/* Changes when the agilio thread has news.  NULL until there is a NIC. */
static struct seq *news;
static uint64_t news_seen;

static bool search_due;
static long long int search_at;
static long long int take_over_at;
static int max_vlans_sent;      /* 0 if the NIC does not know yet. */
static bool ran;                /* agilio_run() was called in this round. */

/* ## ------- ##
 * ## Connect ##
 * ## ------- ## */

static void
attached(const struct agilio_map *map OVS_UNUSED, uint32_t n_foreign_flows)
{
    if (n_foreign_flows) {
        VLOG_INFO("the NIC carries %"PRIu32" flows of an earlier host",
                  n_foreign_flows);
    }
    seq_change(news);
}

static void
down(void)
{
    agilio_residency_lost();
    seq_change(news);
}

static void
ports_changed(const struct agilio_map *map OVS_UNUSED)
{
    seq_change(news);
}

static const struct agilio_nic_observer observer = {
    .attached = attached,
    .down = down,
    .ports_changed = ports_changed,
};

static bool
have_representor(void)
{
    struct shash devices = SHASH_INITIALIZER(&devices);
    struct shash_node *node;
    bool found;

    netdev_get_devices(&netdev_agilio_class, &devices);
    found = !shash_is_empty(&devices);
    SHASH_FOR_EACH (node, &devices) {
        netdev_close(node->data);
    }
    shash_destroy(&devices);
    return found;
}

/* A NIC is wanted from when it is configured or has a port, and from then on.
 * Looking for ports is not free with thousands of them, so not every round
 * does it; one that does not is followed by one that will. */
static bool
want_nic(const char *path)
{
    if (!news && !path) {
        search_due = time_msec() < search_at;
        if (search_due) {
            return false;
        }
        search_at = time_msec() + SEARCH_MSEC;
        if (!have_representor()) {
            return false;
        }
    }
    if (!news) {
        news = seq_create();
        agilio_nic_observe(&observer);
    }
    return true;
}

static void
connect_nic(const char *path)
{
    char *default_path = xasprintf("%s/agilio-nic.sock", ovs_rundir());

    agilio_nic_connect(path ? path : default_path);
    free(default_path);
}

/* ## ----- ##
 * ## Ports ##
 * ## ----- ## */

#define MAX_DPIF_TYPES 4        /* "netdev", and the dummies of the tests. */

static struct ovs_mutex types_mutex = OVS_MUTEX_INITIALIZER;
static const char *dpif_types[MAX_DPIF_TYPES] OVS_GUARDED_BY(types_mutex);

void
agilio_add_dpif_type(const char *dpif_type)
{
    ovs_mutex_lock(&types_mutex);
    for (size_t i = 0; i < MAX_DPIF_TYPES; i++) {
        if (!dpif_types[i]) {
            dpif_types[i] = dpif_type;
        }
        if (dpif_types[i] == dpif_type) {
            break;
        }
    }
    ovs_mutex_unlock(&types_mutex);
}

struct port_list {
    struct agilio_port_pair *pairs;
    size_t n, allocated;
    const char *dpif_type;
};

static bool
add_port(struct netdev *netdev, odp_port_t odp_port, void *list_)
{
    struct port_list *list = list_;
    struct agilio_port_ref ref = agilio_host_port(odp_port);

    if (netdev_is_agilio(netdev)) {
        ref.id = netdev_agilio_port_id(netdev);
    } else {
        ref.tunnel = agilio_tunnel_type(netdev);
    }
    if (netdev_is_agilio(netdev) ? ref.id != AGILIO_PORT_NONE : ref.tunnel) {
        if (list->n >= list->allocated) {
            list->pairs = x2nrealloc(list->pairs, &list->allocated,
                                     sizeof *list->pairs);
        }
        list->pairs[list->n++] = (struct agilio_port_pair) {
            .dpif_type = list->dpif_type,
            .odp_port = odp_port,
            .ref = ref,
        };
    }
    return false;
}

/* Looks which datapath ports are on the NIC, or tunnels.  In every round, as
 * neither the datapath nor netdev_ports tells of a change; it takes
 * microseconds.  Not while there is no NIC, when no port is on it: nothing
 * depends on it then. */
static void
refresh_ports(void)
{
    static struct port_list list;
    const char *types[MAX_DPIF_TYPES];

    ovs_mutex_lock(&types_mutex);
    memcpy(types, dpif_types, sizeof types);
    ovs_mutex_unlock(&types_mutex);

    list.n = 0;
    for (size_t i = 0; i < MAX_DPIF_TYPES && types[i]; i++) {
        list.dpif_type = types[i];
        netdev_ports_traverse(types[i], add_port, &list);
    }
    agilio_residency_set_ports(list.pairs, list.n);
}

/* The range of UDP source ports that tunnels use is in the programs. */
static void
refresh_tunnels(void)
{
    static uint16_t min, max;

    if (min != tnl_udp_port_min || max != tnl_udp_port_max) {
        min = tnl_udp_port_min;
        max = tnl_udp_port_max;
        ovs_mutex_lock(&agilio_residency_mutex);
        agilio_residency_retranslate();
        ovs_mutex_unlock(&agilio_residency_mutex);
    }
}

/* ## --------- ##
 * ## Take over ##
 * ## --------- ## */

/* Empties the NIC's flow table; then it is ours. */
static void
take_over(void)
{
    const struct agilio_map *map = agilio_nic_map();
    uint64_t generation = map->generation;
    uint32_t max_flows = map->max_flows;
    char *reason = NULL;
    int error;

    if (time_msec() < take_over_at) {
        return;
    }
    error = agilio_nic_call(AGILIO_MSG_FLOW_FLUSH, NULL, 0, NULL, 0, NULL,
                            &reason);
    if (error) {
        VLOG_WARN_RL(&rl, "the NIC's flow table cannot be flushed (%s)",
                     reason ? reason : ovs_strerror(error));
        take_over_at = time_msec() + RETRY_MSEC;
    } else if (agilio_residency_take_over(generation, max_flows)) {
        max_vlans_sent = 0;
    }
    free(reason);
}

static void
options_done(int error, const char *reason,
             struct agilio_reader *body OVS_UNUSED, void *aux OVS_UNUSED)
{
    if (error) {
        VLOG_WARN_RL(&rl, "the NIC does not take the host's options (%s)",
                     reason ? reason : ovs_strerror(error));
    }
}

/* The NIC must see as many VLAN tags as the host's parser does. */
static void
send_options(void)
{
    if (flow_vlan_limit != max_vlans_sent) {
        agilio_le32 max_vlans = agilio_to_le32(flow_vlan_limit);

        if (!agilio_nic_send(AGILIO_MSG_OPTIONS, &max_vlans, sizeof max_vlans,
                             options_done, NULL)) {
            max_vlans_sent = flow_vlan_limit;
        }
    }
}

/* ## ------------- ##
 * ## agilio-hooks.h ##
 * ## ------------- ## */

void
agilio_run(const struct smap *other_config)
{
    const char *path = smap_get(other_config, "agilio-nic");

    ran = true;
    if (!want_nic(path)) {
        return;
    }
    news_seen = seq_read(news);
    connect_nic(path);
    if (agilio_nic_status() != AGILIO_NIC_DOWN) {
        refresh_ports();
        refresh_tunnels();
    }
    if (agilio_nic_status() == AGILIO_NIC_ATTACHED
        && !smap_get_bool(other_config, "flow-restore-wait", false)) {
        take_over();
    }
    if (agilio_nic_status() == AGILIO_NIC_ACTIVE) {
        send_options();
    }
    agilio_objects_run();
    agilio_residency_run();
    agilio_nic_run();
    agilio_sample_run();
}

/* A round in which the bridge did not get as far as agilio_run(), as without a
 * database, does not wait for what it has not looked at: it would spin. */
void
agilio_wait(void)
{
    if (!ran) {
        return;
    }
    ran = false;
    if (news) {
        seq_wait(news, news_seen);
        agilio_objects_wait();
        agilio_residency_wait();
        agilio_nic_wait();
        agilio_sample_wait();
        if (agilio_nic_status() == AGILIO_NIC_ATTACHED
            && time_msec() < take_over_at) {
            poll_timer_wait_until(take_over_at);
        }
    } else if (search_due) {
        poll_timer_wait_until(search_at);
    }
}

/* What the datapath deletes from now on, the NIC does not hear of. */
void
agilio_exit(bool cleanup)
{
    long long int deadline = time_msec() + EXIT_MSEC;

    if (!news || cleanup) {
        return;
    }
    agilio_nic_disconnect();
    for (;;) {
        uint64_t seen = seq_read(news);

        if (agilio_nic_status() == AGILIO_NIC_DOWN
            || time_msec() >= deadline) {
            break;
        }
        seq_wait(news, seen);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}

void
agilio_mega_ufid(const struct flow_wildcards *wc, ovs_u128 *mega_ufid)
{
    ovs_u128 hash;

    hash_bytes128(wc, sizeof *wc, mega_ufid->u32[0], &hash);
    mega_ufid->u64.hi ^= hash.u64.hi;
    mega_ufid->u64.lo ^= hash.u64.lo;
}

void
agilio_flow_stop(const ovs_u128 *mega_ufid)
{
    agilio_shadow_stop(mega_ufid);
}

bool
agilio_flow_get(const ovs_u128 *mega_ufid, struct dpif_flow_stats *stats,
                struct dpif_flow_attrs *attrs)
{
    return !agilio_shadow_get(mega_ufid, stats, attrs);
}

bool
agilio_flow_removed(const ovs_u128 *mega_ufid)
{
    return !agilio_shadow_del(mega_ufid);
}

void
agilio_init(void)
{
    netdev_register_flow_api_provider(&netdev_offload_agilio);
    agilio_dump_init();
    agilio_fallback_init();
    agilio_health_init();
    agilio_show_init();
    agilio_stats_init();
    agilio_tracker_init();
}
