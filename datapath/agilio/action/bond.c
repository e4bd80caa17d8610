/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bond.c - LB_OUTPUT: to a member of a bond.
 *
 * As dp_execute_lb_output_action() of OVS does: the packet's hash picks one of
 * 256 buckets, and the host has said which port each of them is.  It counts
 * what it gives to a port, not what that port makes of it.
 */

#include "action/bond.h"

#include "action/count.h"
#include "action/program.h"

struct agl_bonds {
    uint32_t n;
    struct agilio_bond_stats *stats;    /* [n] */
    struct agl_bond slots[];
};

struct agl_bonds *
agl_bonds_create(struct agilio_bond_stats *stats, uint32_t n)
{
    struct agl_bonds *bonds;

    bonds = agl_env_alloc(sizeof *bonds + n * sizeof bonds->slots[0]);
    if (bonds) {
        bonds->n = n;
        bonds->stats = stats;
    }
    return bonds;
}

void
agl_bonds_destroy(struct agl_bonds *bonds)
{
    agl_env_free(bonds);
}

/* The bond of this id, NULL if there is none. */
static struct agl_bond *
find(struct agl_bonds *bonds, uint32_t id)
{
    uint32_t slot = agilio_slot(id);

    return id && slot < bonds->n && bonds->slots[slot].id == id
           ? &bonds->slots[slot] : NULL;
}

int
agl_bond_read(struct agl_bond *bond, struct agilio_reader *body, uint32_t n,
              const char **reason)
{
    bond->id = agilio_get_u32(body);
    if (agilio_slot(bond->id) >= n || agilio_slot(bond->id) == bond->id) {
        *reason = "bond id out of range";
        return AGILIO_E_INVAL;
    }
    for (uint32_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        bond->ports[i] = agilio_get_u32(body);
    }
    return AGILIO_E_OK;
}

void
agl_bonds_set(struct agl_bonds *bonds, const struct agl_bond *bond)
{
    uint32_t slot = agilio_slot(bond->id);

    if (bonds->slots[slot].id != bond->id) {
        memset(&bonds->stats[slot], 0, sizeof bonds->stats[slot]);
    }
    bonds->slots[slot] = *bond;
}

bool
agl_bonds_del(struct agl_bonds *bonds, uint32_t id)
{
    struct agl_bond *bond = find(bonds, id);

    if (bond) {
        bond->id = 0;
    }
    return bond != NULL;
}

void
agl_bonds_flush(struct agl_bonds *bonds)
{
    for (uint32_t i = 0; i < bonds->n; i++) {
        bonds->slots[i].id = 0;
    }
}

static bool
check_lb_output(struct agilio_action *action, struct agl_check *check)
{
    (void) action;
    check->needs_hash = true;
    return true;
}

/* What a bucket without a port is given, run->output() drops. */
static void
go_lb_output(const struct agilio_action *action, struct agl_pkt *pkt,
             struct agl_run *run)
{
    const struct agilio_action_lb_output *lb_output
        = (const struct agilio_action_lb_output *) action;
    struct agl_bonds *bonds = run->bonds;
    struct agl_bond *bond = find(bonds, agilio_from_le32(lb_output->bond));
    uint32_t bucket = pkt->flow_hash % AGILIO_BOND_BUCKETS;

    if (!bond) {
        run->drop(run, AGILIO_COUNTER_DROP_NO_BOND, pkt);
        return;
    }
    if (bond->ports[bucket] != AGILIO_PORT_NONE) {
        agl_count(&bonds->stats[agilio_slot(bond->id)].buckets[bucket],
                  pkt->len);
    }
    run->output(run, bond->ports[bucket], pkt);
}

const struct agl_action_class agl_action_lb_output = {
    .len = sizeof(struct agilio_action_lb_output),
    .cuts = true,
    .check = check_lb_output,
    .go = go_lb_output,
};
