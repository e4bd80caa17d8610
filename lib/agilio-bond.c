/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-bond.c - OVS's bonds with lb_output on the NIC.
 *
 * dpif-netdev tells which port carries which part of a bond's packets
 * (agilio-hooks.h), in any thread; flows that use one are translated here.
 * agilio-object.c does the rest.
 */

#include <config.h>

#include "agilio-actions.h"
#include "agilio-hooks.h"
#include "agilio-object.h"
#include "odp-util.h"
#include "util.h"

#define MUTEX agilio_residency_mutex

static const char host_port[] = "output: host port";

static uint32_t
bond_n_slots(const struct agilio_map *map)
{
    return map->max_bonds;
}

/* A bond with a member that is not on the NIC is the host's. */
static size_t
bond_compose(const void *members_, const char *dpif_type, void *body,
             const char **reason)
    OVS_NO_THREAD_SAFETY_ANALYSIS       /* As agilio_object_set() says. */
{
    const odp_port_t *members = members_;
    struct agilio_bond_set *set = body;

    for (size_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        struct agilio_port_ref port = { .id = AGILIO_PORT_NONE };

        if (members[i] != ODPP_NONE) {
            port = agilio_residency_lookup_port(members[i],
                                                CONST_CAST(char *, dpif_type));
        }
        if (port.id & AGILIO_PORT_HOST) {
            *reason = host_port;
            return 0;
        }
        set->ports[i] = agilio_to_le32(port.id);
    }
    return sizeof *set;
}

const struct agilio_object_class agilio_bond_class = {
    .set = AGILIO_MSG_BOND_SET,
    .del = AGILIO_MSG_BOND_DEL,
    .n_counts = AGILIO_BOND_WORDS,
    .no_slot = "bond: not on the NIC",
    .n_slots = bond_n_slots,
    .read = agilio_map_bond_counts,
    .compose = bond_compose,
};

/* ## ------------ ##
 * ## The datapath ##
 * ## ------------ ## */

void
agilio_bond_add(const void *dp, const char *dpif_type, uint32_t id,
                const odp_port_t members[])
{
    ovs_mutex_lock(&MUTEX);
    agilio_object_set(AGILIO_BOND, dp, dpif_type, id, members,
                      AGILIO_BOND_BUCKETS * sizeof *members);
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_bond_del(const void *dp, uint32_t id)
{
    ovs_mutex_lock(&MUTEX);
    agilio_object_del(AGILIO_BOND, dp, id);
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_bond_stats_get(const void *dp, uint32_t id, uint64_t n_bytes[])
{
    uint64_t counts[AGILIO_BOND_WORDS];
    bool found;

    ovs_mutex_lock(&MUTEX);
    found = agilio_object_get(AGILIO_BOND, dp, id, counts);
    ovs_mutex_unlock(&MUTEX);
    for (size_t i = 0; i < AGILIO_BOND_BUCKETS && found; i++) {
        n_bytes[i] += counts[2 * i + 1];
    }
}

/* ## ----- ##
 * ## Flows ##
 * ## ----- ## */

/* A bond that does not exist gets id 0, so that the NIC drops its packets as
 * the datapath would.  Translation is done under the mutex, out of the
 * analysis's sight. */
const char *
agilio_translate_lb_output(struct translation *t, const struct nlattr *a)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct agilio_action_lb_output lb_output;
    const char *reason;
    uint32_t nic_id;

    if (nl_attr_get_size(a) != sizeof(uint32_t)) {
        return MALFORMED;
    }
    reason = agilio_object_find(AGILIO_BOND, t->aux, nl_attr_get_u32(a),
                                &nic_id);
    if (reason) {
        t->for_host |= reason == host_port;
        return reason;
    }
    lb_output.bond = agilio_to_le32(nic_id);
    agilio_put_action(t, AGILIO_ACTION_LB_OUTPUT, &lb_output,
                      sizeof lb_output, NULL, 0);
    return NULL;
}
