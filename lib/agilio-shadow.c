/* SPDX-License-Identifier: Apache-2.0 */

/* The flows that the datapath wants on the NIC: see agilio-shadow.h.
 *
 * The shadow is a cmap of what agilio-residency.c keeps on the NIC or waits to
 * put there.  Writers hold its mutex.  agilio_shadow_get() and
 * agilio_shadow_count() take no lock: they read the cmap under RCU and what
 * struct agilio_resident says can be read so. */

#include <config.h>

#include "agilio-shadow.h"

#include <errno.h>

#include "agilio-nic.h"
#include "agilio-residency.h"
#include "netdev-offload.h"
#include "util.h"

#define MUTEX agilio_residency_mutex

const char agilio_layer_nic[] = "agilio";
const char agilio_layer_host[] = "ovs";

static struct cmap flows = CMAP_INITIALIZER;    /* struct agilio_resident. */

static struct agilio_resident *
find(const ovs_u128 *ufid)
{
    struct agilio_resident *r;

    CMAP_FOR_EACH_WITH_HASH (r, node, ufid->u32[0], &flows) {
        if (ovs_u128_equals(r->ufid, *ufid)) {
            return r;
        }
    }
    return NULL;
}

void
agilio_shadow_put(const struct netdev *netdev, const char *dpif_type,
                  const struct match *match, const struct nlattr *actions,
                  size_t actions_len, const ovs_u128 *ufid)
{
    struct agilio_resident *r;

    ovs_mutex_lock(&MUTEX);
    r = find(ufid);
    if (!r) {
        r = agilio_resident_create();
        r->ufid = *ufid;
        r->dpif_type = dpif_type;
        cmap_insert(&flows, &r->node, ufid->u32[0]);
    }
    if (!r->netdev) {           /* New, or flushed and its port is back. */
        r->netdev = netdev;
        r->stopped = false;
    }
    agilio_resident_put(r, match, actions, actions_len);
    ovs_mutex_unlock(&MUTEX);
}

int
agilio_shadow_del(const ovs_u128 *ufid)
{
    struct agilio_resident *r;

    if (!find(ufid)) {          /* As with every flow, if there is no NIC. */
        return ENOENT;
    }
    ovs_mutex_lock(&MUTEX);
    r = find(ufid);
    if (r) {
        cmap_remove(&flows, &r->node, ufid->u32[0]);
        r->gone = true;
        agilio_resident_update(r);
    }
    ovs_mutex_unlock(&MUTEX);
    return r ? 0 : ENOENT;
}

void
agilio_shadow_flush(const struct netdev *netdev)
{
    struct agilio_resident *r;

    ovs_mutex_lock(&MUTEX);
    CMAP_FOR_EACH (r, node, &flows) {
        if (r->netdev == netdev) {
            r->netdev = NULL;
            r->stopped = true;
            agilio_resident_update(r);
        }
    }
    ovs_mutex_unlock(&MUTEX);
}

int
agilio_shadow_get(const ovs_u128 *ufid, struct dpif_flow_stats *stats,
                  struct dpif_flow_attrs *attrs)
{
    struct agilio_resident *r = find(ufid);
    bool carried;

    if (!r) {
        return ENOENT;
    }
    agilio_tally_get(&r->tally, stats);
    atomic_store_relaxed(&r->n_reported, stats->n_packets);

    atomic_read_relaxed(&r->carried, &carried);
    attrs->offloaded = carried;
    attrs->dp_layer = carried ? agilio_layer_nic : agilio_layer_host;
    attrs->dp_extra_info = NULL;
    return 0;
}

/* True if the NIC may count packets for 'r' until it says that it does not
 * any more.  For a flow that it gives to the host it counts none. */
static bool
may_count(const struct agilio_resident *r)
    OVS_REQUIRES(MUTEX)
{
    return (r->presence == AGILIO_PRESENT
            ? r->verdict == AGILIO_ON_NIC || r->refusal
            : r->presence != AGILIO_ABSENT);
}

void
agilio_shadow_stop(const ovs_u128 *ufid)
{
    struct agilio_resident *r;
    bool wait;

    if (!find(ufid)) {          /* As with every flow, if there is no NIC. */
        return;
    }
    ovs_mutex_lock(&MUTEX);
    r = find(ufid);
    if (!r) {
        ovs_mutex_unlock(&MUTEX);
        return;
    }
    wait = may_count(r);
    r->stopped = true;
    r->n_users++;
    agilio_resident_update(r);
    ovs_mutex_unlock(&MUTEX);

    if (wait) {
        /* Replies come in order: when this one is here, the flow's have been
         * dealt with.  After an error the NIC is lost, and whatever it counted
         * can be read. */
        agilio_nic_call(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, 0, NULL, NULL);
    }

    ovs_mutex_lock(&MUTEX);
    r->n_users--;
    agilio_resident_update(r);
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_shadow_count(const struct netdev *netdev, uint64_t n_flows[])
{
    struct agilio_resident *r;

    CMAP_FOR_EACH (r, node, &flows) {
        bool carried;

        atomic_read_relaxed(&r->carried, &carried);
        if (r->netdev == netdev && carried) {
            n_flows[netdev_offload_ufid_to_thread_id(r->ufid)]++;
        }
    }
}

/* ## ------------- ##
 * ## The operator. ##
 * ## ------------- ## */

static enum agilio_residency
residency(struct agilio_resident *r)
    OVS_REQUIRES(MUTEX)
{
    bool carried;

    atomic_read_relaxed(&r->carried, &carried);
    return (carried ? AGILIO_RESIDENT
            : r->verdict != AGILIO_ON_NIC ? AGILIO_HOST
            : r->refusal ? AGILIO_REFUSED
            : AGILIO_PENDING);
}

static const char *
why(const struct agilio_resident *r, enum agilio_residency residency)
    OVS_REQUIRES(MUTEX)
{
    return (residency == AGILIO_RESIDENT ? NULL
            : residency == AGILIO_HOST ? r->reason
            : residency == AGILIO_REFUSED ? r->refusal
            : agilio_resident_pending(r));
}

static void
visit_one(struct agilio_resident *r, agilio_shadow_visit *visit, void *aux)
{
    struct agilio_shadow_flow view = { .ufid = r->ufid, .offered = true };
    struct nlattr *actions;
    char *reason;

    ovs_mutex_lock(&MUTEX);
    actions = r->actions_len ? xmemdup(r->actions, r->actions_len) : NULL;
    view.actions_len = r->actions_len;
    view.nic_id = r->id;
    view.residency = residency(r);
    reason = nullable_xstrdup(why(r, view.residency));
    minimatch_expand(&r->match, &view.match);
    agilio_tally_get(&r->tally, &view.stats);
    ovs_mutex_unlock(&MUTEX);

    view.reason = reason;
    view.actions = actions;
    visit(&view, aux);
    free(reason);
    free(actions);
}

void
agilio_shadow_for_each(agilio_shadow_visit *visit, void *aux)
{
    struct agilio_resident *r;

    CMAP_FOR_EACH (r, node, &flows) {
        visit_one(r, visit, aux);
    }
}
