/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-object.h - what flows refer to on the NIC, besides ports: meters and
 * bonds.
 *
 * The datapath says how a meter or bond is to be (agilio-meter.c,
 * agilio-bond.c).  Here it is remembered, put into a slot of the NIC, put
 * there again when the NIC comes back, and what NICs counted for it added up.
 *
 *     known --slot free, SET sent--> on the NIC --NIC lost--> known
 *       `-- no slot, or refused, or it cannot be: 'reason' says why
 *
 * Requests are done in order, so a flow that is put after the SET was sent can
 * use the id at once.  If the id, or whether there is one, changes, all flows
 * are translated again.
 *
 * Everything is under agilio_residency_mutex, which translation holds too.
 */

#ifndef AGILIO_OBJECT_H
#define AGILIO_OBJECT_H 1

#include "agilio-map.h"
#include "agilio-residency.h"

enum agilio_object_kind {
    AGILIO_METER,
    AGILIO_BOND,
    AGILIO_N_OBJECTS
};

struct agilio_object_class {
    enum agilio_msg_type set, del;
    size_t n_counts;            /* Numbers in its slot in the region. */
    bool anew;                  /* Set again, it counts from 0 again. */
    const char *no_slot;        /* Reason: the NIC has no room for it. */

    /* How many slots a NIC has, and what has been counted in one. */
    uint32_t (*n_slots)(const struct agilio_map *);
    void (*read)(const struct agilio_map *, uint32_t slot, uint64_t counts[]);

    /* Makes the body of a SET of 'config', but for the id, which is its first
     * member; returns its length, 0 and '*reason' if the NIC cannot do it. */
    size_t (*compose)(const void *config, const char *dpif_type,
                      void *body, const char **reason);
};
extern const struct agilio_object_class agilio_meter_class;
extern const struct agilio_object_class agilio_bond_class;

/* ## For the datapath. ## */

/* 'dp' owns the objects of its own; 'dpif_type' says which flows mean these
 * (see agilio-shadow.h).  'config' is copied. */
void agilio_object_set(enum agilio_object_kind, const void *dp,
                       const char *dpif_type, uint32_t id,
                       const void *config, size_t len)
    OVS_REQUIRES(agilio_residency_mutex);
void agilio_object_del(enum agilio_object_kind, const void *dp, uint32_t id)
    OVS_REQUIRES(agilio_residency_mutex);

/* What NICs counted for it; false if there is no such object. */
bool agilio_object_get(enum agilio_object_kind, const void *dp, uint32_t id,
                       uint64_t counts[])
    OVS_REQUIRES(agilio_residency_mutex);

/* ## For the translation of flows. ## */

/* Finds the object that a flow of 'dpif_type' means.  Returns NULL and its id
 * on the NIC (0 if the datapath has no such object, or no NIC is ours now), or
 * the reason why the NIC has not got it. */
const char *agilio_object_find(enum agilio_object_kind, const char *dpif_type,
                               uint32_t id, uint32_t *nic_id)
    OVS_REQUIRES(agilio_residency_mutex);

/* ## Upkeep, for agilio.c and agilio-residency.c. ## */

/* The NIC is lost. */
void agilio_objects_lost(void)
    OVS_REQUIRES(agilio_residency_mutex);

/* The NIC behind 'map' is to be ours, and has no objects: fills it.  To be
 * called before the first flow is put. */
void agilio_objects_take_over(const struct agilio_map *map)
    OVS_REQUIRES(agilio_residency_mutex);

/* The ports on the NIC have changed. */
void agilio_objects_ports_changed(void)
    OVS_REQUIRES(agilio_residency_mutex);

/* Sends what the NIC did not take before; what has to be waited for.  Main
 * thread. */
void agilio_objects_run(void);
void agilio_objects_wait(void);

#endif /* agilio-object.h */
