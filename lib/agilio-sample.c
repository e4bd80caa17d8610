/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-sample.c - executes what is to be done with sampled packets.
 *
 * See agilio-sample.h.  A NIC is not believed: the actions that it sends along
 * must be userspace actions, nothing else.
 */

#include <config.h>

#include "agilio-sample.h"

#include "agilio-residency.h"
#include "agilio-rx.h"
#include "coverage.h"
#include "dp-packet.h"
#include "dpif.h"
#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "ovs-thread.h"
#include "util.h"

COVERAGE_DEFINE(agilio_sampled);
COVERAGE_DEFINE(agilio_sample_lost);

#define MAX_WAITING 1024

struct sample {
    struct ovs_list list_node;
    struct dp_packet *packet;
    uint32_t port;              /* Ids: received on, ... */
    uint32_t in_port;           /* ...and to be looked up as from. */
    size_t actions_len;
    union {
        struct nlattr first;
        uint8_t actions[AGILIO_MAX_SAMPLE];
    };
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list waiting OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&waiting);
static size_t n_waiting OVS_GUARDED_BY(mutex);
static uint64_t n_lost OVS_GUARDED_BY(mutex);

static void
lose(struct sample *s)
    OVS_REQUIRES(mutex)
{
    COVERAGE_INC(agilio_sample_lost);
    n_lost++;
    dp_packet_delete(s->packet);
    free(s);
}

void
agilio_sample_put(struct dp_packet *packet, uint32_t port,
                  const struct agilio_rx *rx)
{
    uint32_t opts_len = rx->meta.md.tunnel.opts_len;
    struct sample *s = xmalloc(sizeof *s);

    s->packet = packet;
    s->port = port;
    s->in_port = agilio_from_le32(rx->meta.md.in_port);
    s->actions_len = rx->rest_len - opts_len;
    memcpy(s->actions, rx->meta.rest + opts_len, s->actions_len);

    ovs_mutex_lock(&mutex);
    if (n_waiting < MAX_WAITING) {
        ovs_list_push_back(&waiting, &s->list_node);
        n_waiting++;
    } else {
        lose(s);
    }
    ovs_mutex_unlock(&mutex);
}

/* Whether the actions are well-formed userspace actions. */
static bool
actions_are_good(const struct sample *s)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, &s->first, s->actions_len) {
        const struct nlattr *nested;
        size_t nested_left;
        bool has_pid = false;

        if (nl_attr_type(a) != OVS_ACTION_ATTR_USERSPACE) {
            return false;
        }
        NL_NESTED_FOR_EACH (nested, nested_left, a) {
            has_pid |= (nl_attr_type(nested) == OVS_USERSPACE_ATTR_PID
                        && nl_attr_get_size(nested) == sizeof(uint32_t));
        }
        if (nested_left || !has_pid) {
            return false;
        }
    }
    return !left;
}

/* The datapath that samples are executed in, while agilio_sample_run() runs:
 * to open one takes a look at each of its ports. */
struct datapath {
    const char *type;           /* NULL at first. */
    struct dpif *dpif;          /* NULL if it cannot be opened. */
};

static struct dpif *
open_datapath(struct datapath *dp, const char *type)
{
    if (dp->type != type) {
        char *name = xasprintf("ovs-%s", type);

        dpif_close(dp->dpif);
        dpif_open(name, type, &dp->dpif);
        dp->type = type;
        free(name);
    }
    return dp->dpif;
}

/* Has the datapath do it.  False if it cannot. */
static bool
execute(struct sample *s, struct datapath *dp)
{
    struct dpif_execute execute;
    const char *dpif_type;
    odp_port_t port_no;
    struct dpif *dpif;
    struct flow flow;

    if (!agilio_residency_find_port(s->port, &dpif_type, &port_no)
        || !actions_are_good(s)) {
        return false;
    }
    dpif = open_datapath(dp, dpif_type);
    if (!dpif) {
        return false;
    }
    agilio_rx_set_in_port(s->packet, s->in_port, port_no);
    flow_extract(s->packet, &flow);
    memset(&execute, 0, sizeof execute);
    execute.actions = &s->first;
    execute.actions_len = s->actions_len;
    execute.packet = s->packet;
    execute.flow = &flow;
    COVERAGE_INC(agilio_sampled);
    return !dpif_execute(dpif, &execute);
}

void
agilio_sample_run(void)
{
    struct ovs_list todo = OVS_LIST_INITIALIZER(&todo);
    struct datapath dp = { .type = NULL };
    struct sample *s;

    ovs_mutex_lock(&mutex);
    ovs_list_push_back_all(&todo, &waiting);
    n_waiting = 0;
    ovs_mutex_unlock(&mutex);

    LIST_FOR_EACH_POP (s, list_node, &todo) {
        if (execute(s, &dp)) {
            dp_packet_delete(s->packet);
            free(s);
        } else {
            ovs_mutex_lock(&mutex);
            lose(s);
            ovs_mutex_unlock(&mutex);
        }
    }
    dpif_close(dp.dpif);
}

void
agilio_sample_wait(void)
{
    ovs_mutex_lock(&mutex);
    if (n_waiting) {
        poll_immediate_wake();
    }
    ovs_mutex_unlock(&mutex);
}

uint64_t
agilio_sample_n_lost(void)
{
    uint64_t n;

    ovs_mutex_lock(&mutex);
    n = n_lost;
    ovs_mutex_unlock(&mutex);
    return n;
}
