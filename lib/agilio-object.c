/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-object.c - meters and bonds, on the way to the NIC and back: see
 * agilio-object.h.
 *
 * Threads: everything is under the mutex.  Replies come in the agilio thread,
 * those of one connection all before the next one is taken over.
 */

#include <config.h>

#include "agilio-object.h"

#include <errno.h>

#include "agilio-counts.h"
#include "agilio-hooks.h"
#include "agilio-nic.h"
#include "hash.h"
#include "id-pool.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio_object);

#define BUSY_MSEC 10            /* Pause when the NIC takes no requests. */
#define MUTEX agilio_residency_mutex

struct object {
    struct hmap_node node;
    const struct agilio_object_class *class;
    const void *dp;
    const char *dpif_type;
    uint32_t id;                /* The datapath's. */
    void *config;

    uint32_t nic_id;            /* 0: in no slot. */
    const char *reason;         /* Why it cannot be on the NIC, or NULL. */
    bool dirty;                 /* The NIC is to be told. */
    bool sent;                  /* It was told of this id before. */
    bool found;                 /* A flow was translated with it. */
    bool gone;                  /* Freed with the last reply. */
    unsigned int n_replies;     /* That are still to come. */
    void *body;                 /* Last composed, 'len' bytes; or NULL. */
    size_t len;
    struct agilio_counts counts;
};

/* One for each kind. */
static struct table {
    struct hmap objects;
    struct id_pool *slots;      /* NULL until there was a NIC. */
    uint32_t incarnation;       /* Last used. */
    bool crowded;               /* Something found no slot. */
    bool missed;                /* A flow found no object. */
} tables[AGILIO_N_OBJECTS] OVS_GUARDED_BY(MUTEX) = {
    [AGILIO_METER].objects = HMAP_INITIALIZER(&tables[AGILIO_METER].objects),
    [AGILIO_BOND].objects = HMAP_INITIALIZER(&tables[AGILIO_BOND].objects),
};
static const struct agilio_object_class *const classes[AGILIO_N_OBJECTS] = {
    [AGILIO_METER] = &agilio_meter_class,
    [AGILIO_BOND] = &agilio_bond_class,
};

static bool ready OVS_GUARDED_BY(MUTEX);        /* The NIC is ours. */
static bool busy OVS_GUARDED_BY(MUTEX);         /* It takes no requests. */

/* Main thread. */
static uint64_t work_seen;
static long long int run_at = LLONG_MAX;

/* Changes when the main thread has to look. */
static struct seq *
work_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

static struct table *
table_of(const struct object *o)
    OVS_REQUIRES(MUTEX)
{
    return &tables[o->class == &agilio_meter_class ? AGILIO_METER
                   : AGILIO_BOND];
}

static void
translate_flows_again(void)
    OVS_REQUIRES(MUTEX)
{
    agilio_residency_retranslate();
    seq_change(work_seq());
}

static void update(struct object *) OVS_REQUIRES(MUTEX);

/* ## ---------- ##
 * ## To the NIC ##
 * ## ---------- ## */

static void
destroy(struct object *o)
    OVS_REQUIRES(MUTEX)
{
    if (!o->n_replies) {
        free(o->config);
        free(o->body);
        agilio_counts_destroy(&o->counts);
        free(o);
    }
}

static void
leave_slot(struct object *o)
    OVS_REQUIRES(MUTEX)
{
    if (o->nic_id) {
        id_pool_free_id(table_of(o)->slots, agilio_slot(o->nic_id));
        o->nic_id = 0;
    }
}

/* True if it has a slot, or is given one. */
static bool
take_slot(struct object *o)
    OVS_REQUIRES(MUTEX)
{
    struct table *table = table_of(o);
    uint32_t slot;

    if (o->nic_id) {
        return true;
    }
    if (!id_pool_alloc_id(table->slots, &slot)) {
        table->crowded = true;
        return false;
    }
    table->incarnation = table->incarnation % 0xffff + 1;
    o->nic_id = table->incarnation << 16 | slot;
    return true;
}

static void
set_done(int error, const char *reason, struct agilio_reader *body OVS_UNUSED,
         void *o_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct object *o = o_;

    ovs_mutex_lock(&MUTEX);
    o->n_replies--;
    if (o->gone) {
        destroy(o);
    } else if (!error) {
        agilio_counts_start(&o->counts, agilio_slot(o->nic_id));
        if (!o->sent) {         /* An earlier one was refused. */
            o->sent = true;
            update(o);
        }
    } else if (error != ENODEV) {
        VLOG_WARN_RL(&rl, "the NIC did not take an object (%s)",
                     reason ? reason : ovs_strerror(error));
        o->sent = false;
        o->reason = o->class->no_slot;
        translate_flows_again();
    }
    ovs_mutex_unlock(&MUTEX);
}

/* ENODEV is not for us to deal with: agilio_objects_lost() comes. */
static void
send_set(struct object *o)
    OVS_REQUIRES(MUTEX)
{
    agilio_le32 nic_id = agilio_to_le32(o->nic_id);
    int error;

    if (busy) {
        return;                 /* agilio_objects_run() will. */
    }
    memcpy(o->body, &nic_id, sizeof nic_id);
    error = agilio_nic_send(o->class->set, o->body, o->len, set_done, o);
    if (!error) {
        o->dirty = false;
        o->sent = true;
        o->n_replies++;
    } else if (error != ENODEV) {
        busy = true;
        seq_change(work_seq());
    }
}

/* Finds out what the NIC should be told.  Returns NULL or why nothing. */
static const char *
compose(struct object *o)
    OVS_REQUIRES(MUTEX)
{
    union {
        agilio_le32 id;
        uint8_t bytes[AGILIO_MAX_MSG];
    } body;
    const char *reason = NULL;
    size_t len;

    len = o->class->compose(o->config, o->dpif_type, &body, &reason);
    if (!len) {
        return reason;
    }
    body.id = agilio_to_le32(o->nic_id);
    if (len != o->len || memcmp(o->body, &body, len)) {
        free(o->body);
        o->body = xmemdup(&body, len);
        o->len = len;
        o->dirty = true;
    }
    return take_slot(o) ? NULL : o->class->no_slot;
}

/* Tells the NIC what it should know of 'o', and whoever has to know. */
static void
update(struct object *o)
    OVS_REQUIRES(MUTEX)
{
    const char *reason = o->reason;
    uint32_t nic_id = o->nic_id;

    if (!ready) {
        return;
    }
    o->reason = compose(o);
    if (!o->reason && o->dirty) {
        send_set(o);
    }
    if (!o->reason && !o->sent) {
        o->reason = o->class->no_slot;
    }
    if (o->found && (o->reason != reason || o->nic_id != nic_id)) {
        translate_flows_again();
    }
}

static void
update_all(enum agilio_object_kind kind)
    OVS_REQUIRES(MUTEX)
{
    struct object *o;

    tables[kind].crowded = false;
    HMAP_FOR_EACH (o, node, &tables[kind].objects) {
        update(o);
    }
}

/* ## ------------ ##
 * ## The datapath ##
 * ## ------------ ## */

/* The object 'id' of 'dp', or of any datapath of 'dpif_type'. */
static struct object *
find(enum agilio_object_kind kind, const void *dp, const char *dpif_type,
     uint32_t id)
    OVS_REQUIRES(MUTEX)
{
    struct object *o;

    HMAP_FOR_EACH_WITH_HASH (o, node, hash_int(id, 0),
                             &tables[kind].objects) {
        if (o->id == id && (o->dp == dp || o->dpif_type == dpif_type)) {
            return o;
        }
    }
    return NULL;
}

void
agilio_object_set(enum agilio_object_kind kind, const void *dp,
                  const char *dpif_type, uint32_t id,
                  const void *config, size_t len)
{
    const struct agilio_object_class *class = classes[kind];
    struct object *o = find(kind, dp, NULL, id);

    if (!o) {
        o = xzalloc(sizeof *o);
        o->class = class;
        o->dp = dp;
        o->dpif_type = dpif_type;
        o->id = id;
        agilio_counts_init(&o->counts, class->n_counts, class->read);
        hmap_insert(&tables[kind].objects, &o->node, hash_int(id, 0));
        if (tables[kind].missed) {
            tables[kind].missed = false;
            translate_flows_again();
        }
    } else if (class->anew) {
        agilio_counts_reset(&o->counts);
    }
    free(o->config);
    o->config = xmemdup(config, len);
    o->dirty = true;
    update(o);
}

/* If the DEL cannot be sent, the NIC keeps something that no flow means, until
 * its slot is used again. */
static void
delete(enum agilio_object_kind kind, struct object *o)
    OVS_REQUIRES(MUTEX)
{
    agilio_le32 nic_id = agilio_to_le32(o->nic_id);

    hmap_remove(&tables[kind].objects, &o->node);
    if (o->nic_id && ready
        && agilio_nic_send(o->class->del, &nic_id, sizeof nic_id, NULL,
                           NULL)) {
        VLOG_DBG("the NIC was not told that object %"PRIu32" is gone",
                 o->nic_id);
    }
    leave_slot(o);
    if (o->found) {
        translate_flows_again();
    }
    o->gone = true;
    destroy(o);
    if (tables[kind].crowded) {
        update_all(kind);
    }
}

void
agilio_object_del(enum agilio_object_kind kind, const void *dp, uint32_t id)
{
    struct object *o = find(kind, dp, NULL, id);

    if (o) {
        delete(kind, o);
    }
}

void
agilio_dp_destroyed(const void *dp)
{
    ovs_mutex_lock(&MUTEX);
    for (int kind = 0; kind < AGILIO_N_OBJECTS; kind++) {
        struct object *o;

        HMAP_FOR_EACH_SAFE (o, node, &tables[kind].objects) {
            if (o->dp == dp) {
                delete(kind, o);
            }
        }
    }
    ovs_mutex_unlock(&MUTEX);
}

bool
agilio_object_get(enum agilio_object_kind kind, const void *dp, uint32_t id,
                  uint64_t counts[])
{
    const struct object *o = find(kind, dp, NULL, id);

    if (o) {
        agilio_counts_get(&o->counts, counts);
    }
    return o != NULL;
}

const char *
agilio_object_find(enum agilio_object_kind kind, const char *dpif_type,
                   uint32_t id, uint32_t *nic_id)
{
    struct object *o = find(kind, NULL, dpif_type, id);

    *nic_id = 0;
    if (!o) {
        tables[kind].missed = true;
        return NULL;
    }
    o->found = true;
    *nic_id = o->nic_id;
    return o->reason;
}

/* ## ------ ##
 * ## Upkeep ##
 * ## ------ ## */

void
agilio_objects_lost(void)
{
    ready = busy = false;
    for (int kind = 0; kind < AGILIO_N_OBJECTS; kind++) {
        struct object *o;

        HMAP_FOR_EACH (o, node, &tables[kind].objects) {
            agilio_counts_hold(&o->counts);
            o->reason = NULL;
        }
    }
}

void
agilio_objects_take_over(const struct agilio_map *map)
{
    ready = true;
    busy = false;
    for (int kind = 0; kind < AGILIO_N_OBJECTS; kind++) {
        struct table *table = &tables[kind];
        struct object *o;

        id_pool_destroy(table->slots);
        table->slots = id_pool_create(0, classes[kind]->n_slots(map));
        HMAP_FOR_EACH (o, node, &table->objects) {
            agilio_counts_fold(&o->counts);
            o->nic_id = 0;
            o->sent = false;
            o->dirty = true;
        }
        update_all(kind);
    }
}

void
agilio_objects_ports_changed(void)
{
    update_all(AGILIO_BOND);
}

void
agilio_objects_run(void)
{
    work_seen = seq_read(work_seq());

    ovs_mutex_lock(&MUTEX);
    if (busy && time_msec() >= run_at) {
        busy = false;
        for (int kind = 0; kind < AGILIO_N_OBJECTS; kind++) {
            update_all(kind);
        }
    }
    run_at = busy ? time_msec() + BUSY_MSEC : LLONG_MAX;
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_objects_wait(void)
{
    seq_wait(work_seq(), work_seen);
    if (run_at != LLONG_MAX) {
        poll_timer_wait_until(run_at);
    }
}
