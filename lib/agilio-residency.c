/* SPDX-License-Identifier: Apache-2.0 */

/* A flow's way to the NIC and back: see agilio-residency.h for the states.
 *
 * Each flow is on one list: on 'todo' if agilio_residency_run() is to look
 * after it, on 'refused' if the NIC did not take it, else on 'settled'.  To
 * translate everything again, or to fill a NIC, all go to 'todo'.
 *
 * Threads: everything is under the mutex.  Replies come in the agilio thread,
 * those of one connection all before the next one can be taken over; so none
 * can be mistaken for one to a later request. */

#include <config.h>

#include "agilio-residency.h"

#include <ctype.h>
#include <errno.h>

#include "agilio-nic.h"
#include "agilio-object.h"
#include "hash.h"
#include "id-fpool.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio_residency);

#define NO_ID UINT32_MAX
#define RUN_MAX 1000            /* Flows that one run does. */
#define RETRY_MAX 64            /* Refused flows tried again at a time... */
#define RETRY_MSEC 1000         /* ...and how often. */
#define BUSY_MSEC 10            /* Pause when the NIC takes no requests. */
#define MAX_REFUSAL 80          /* Bytes kept of what a NIC says. */

struct ovs_mutex agilio_residency_mutex = OVS_MUTEX_INITIALIZER;
#define MUTEX agilio_residency_mutex

static struct ovs_list settled OVS_GUARDED_BY(MUTEX)
    = OVS_LIST_INITIALIZER(&settled);
static struct ovs_list refused OVS_GUARDED_BY(MUTEX)
    = OVS_LIST_INITIALIZER(&refused);
static struct ovs_list todo OVS_GUARDED_BY(MUTEX)
    = OVS_LIST_INITIALIZER(&todo);
static struct id_fpool *ids OVS_GUARDED_BY(MUTEX);  /* One user. */
static struct agilio_port_pair *ports OVS_GUARDED_BY(MUTEX);
static size_t n_ports OVS_GUARDED_BY(MUTEX);
static uint64_t n_lost OVS_GUARDED_BY(MUTEX);

/* Main thread. */
static long long int retry_at;
static long long int run_at = LLONG_MAX;
static uint64_t due_seen;

static bool advance(struct agilio_resident *, const struct match *)
    OVS_REQUIRES(MUTEX);
static void file(struct agilio_resident *, bool done) OVS_REQUIRES(MUTEX);

/* ## --------- ##
 * ## One flow. ##
 * ## --------- ## */

struct agilio_resident *
agilio_resident_create(void)
{
    struct agilio_resident *r = xzalloc(sizeof *r);

    r->id = NO_ID;
    agilio_tally_init(&r->tally);
    atomic_init(&r->carried, false);
    atomic_init(&r->n_reported, 0);
    ovs_list_push_back(&todo, &r->list_node);
    return r;
}

static void
destroy_rcu(struct agilio_resident *r)
{
    agilio_tally_destroy(&r->tally);
    minimatch_destroy(&r->match);
    free(r->actions);
    free(r->refusal);
    free(r);
}

static void
destroy(struct agilio_resident *r)
    OVS_REQUIRES(MUTEX)
{
    unsigned long long int n_reported;
    struct dpif_flow_stats stats;

    agilio_tally_get(&r->tally, &stats);
    atomic_read_relaxed(&r->n_reported, &n_reported);
    if (stats.n_packets > n_reported) {
        n_lost += stats.n_packets - n_reported;
    }
    ovs_list_remove(&r->list_node);
    ovsrcu_postpone(destroy_rcu, r);
}

/* Foreign text: made short and printable. */
static void
refuse(struct agilio_resident *r, const char *reason)
    OVS_REQUIRES(MUTEX)
{
    free(r->refusal);
    r->refusal = xmemdup0(reason, strnlen(reason, MAX_REFUSAL));
    for (char *p = r->refusal; *p; p++) {
        if (!isprint((unsigned char) *p)) {
            *p = '?';
        }
    }
}

static void
pardon(struct agilio_resident *r)
    OVS_REQUIRES(MUTEX)
{
    free(r->refusal);
    r->refusal = NULL;
}

/* Changes when a flow was left to agilio_residency_run(), in any thread. */
static struct seq *
due_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

/* Takes the NIC closer to 'r', or has agilio_residency_run() do so later. */
static void
advance_or_leave(struct agilio_resident *r, const struct match *match)
    OVS_REQUIRES(MUTEX)
{
    bool done = advance(r, match);

    file(r, done);
    if (!done) {
        seq_change(due_seq());
    }
}

void
agilio_resident_put(struct agilio_resident *r, const struct match *match,
                    const struct nlattr *actions, size_t actions_len)
{
    minimatch_destroy(&r->match);
    minimatch_init(&r->match, match);
    free(r->actions);
    r->actions = actions_len ? xmemdup(actions, actions_len) : NULL;
    r->actions_len = actions_len;
    pardon(r);
    advance_or_leave(r, match);
}

void
agilio_resident_update(struct agilio_resident *r)
{
    advance_or_leave(r, NULL);
}

const char *
agilio_resident_pending(const struct agilio_resident *r)
{
    return (r->stopped ? "flow: being deleted"
            : agilio_nic_status() != AGILIO_NIC_ACTIVE ? "nic: not ready"
            : r->reason ? r->reason
            : "nic: not answered yet");
}

/* Each round with 'r' ends here: puts it on the list where it belongs, which
 * is 'todo' unless advance() is 'done' with it; or frees it. */
static void
file(struct agilio_resident *r, bool done)
{
    bool there = (r->presence == AGILIO_PRESENT
                  || (r->presence == AGILIO_PUTTING && r->replaces));

    atomic_store_relaxed(&r->carried, there && !r->refusal
                                      && r->verdict == AGILIO_ON_NIC);
    if (r->gone && r->presence == AGILIO_ABSENT && !r->n_users) {
        destroy(r);
        return;
    }
    ovs_list_remove(&r->list_node);
    ovs_list_push_back(!done ? &todo : r->refusal ? &refused : &settled,
                       &r->list_node);
}

/* ## ------------------- ##
 * ## To the NIC and back. ##
 * ## ------------------- ## */

static void
free_id(struct agilio_resident *r)
    OVS_REQUIRES(MUTEX)
{
    id_fpool_free_id(ids, 0, r->id);
    r->id = NO_ID;
}

/* ENODEV tells nothing of the flow: agilio_residency_lost() deals with it. */
static void
put_done(int error, const char *reason, struct agilio_reader *body OVS_UNUSED,
         void *r_)
{
    struct agilio_resident *r = r_;

    ovs_mutex_lock(&MUTEX);
    r->n_users--;
    if (!error && r->presence != AGILIO_ABSENT) {
        agilio_tally_start(&r->tally, r->id);
    }
    if (r->presence == AGILIO_PUTTING && error != ENODEV) {
        r->presence = (error && !r->replaces ? AGILIO_ABSENT
                       : AGILIO_PRESENT);
        if (error) {
            refuse(r, reason ? reason : ovs_strerror(error));
        }
        if (r->presence == AGILIO_ABSENT) {
            free_id(r);
        }
    }

    /* What is still there after a refusal is out of date and must go. */
    if (r->stale || r->refusal) {
        advance_or_leave(r, NULL);
    } else {
        file(r, true);
    }
    ovs_mutex_unlock(&MUTEX);
}

static void
del_done(int error, const char *reason, struct agilio_reader *body OVS_UNUSED,
         void *r_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct agilio_resident *r = r_;

    ovs_mutex_lock(&MUTEX);
    r->n_users--;
    if (r->presence == AGILIO_DELETING && error != ENODEV) {
        agilio_tally_fold(&r->tally);
        r->presence = AGILIO_ABSENT;
        if (!error || error == ENOENT) {
            free_id(r);
        } else {
            VLOG_WARN_RL(&rl, "the NIC did not delete flow %"PRIu32" (%s)",
                         r->id, reason ? reason : ovs_strerror(error));
            r->id = NO_ID;
        }
    }
    advance_or_leave(r, NULL);
    ovs_mutex_unlock(&MUTEX);
}

/* send_del() and send_put() return false if it is worth another try. */
static bool
send_del(struct agilio_resident *r)
    OVS_REQUIRES(MUTEX)
{
    agilio_le32 id = agilio_to_le32(r->id);
    int error = agilio_nic_send(AGILIO_MSG_FLOW_DEL, &id, sizeof id,
                                del_done, r);

    if (error) {
        return error == ENODEV;
    }
    r->presence = AGILIO_DELETING;
    r->n_users++;
    return true;
}

static bool
send_put(struct agilio_resident *r, struct agilio_flow_put *put, size_t len,
         const ovs_u128 *hash)
    OVS_REQUIRES(MUTEX)
{
    bool is_new = r->presence == AGILIO_ABSENT;
    int error;

    if (is_new && !id_fpool_new_id(ids, 0, &r->id)) {
        refuse(r, "size: flow table full");
        return true;
    }

    put->id = agilio_to_le32(r->id);
    error = agilio_nic_send(AGILIO_MSG_FLOW_PUT, put, len, put_done, r);
    if (error) {
        if (is_new) {
            free_id(r);
        }
        return error == ENODEV;
    }
    r->replaces = !is_new;
    r->presence = AGILIO_PUTTING;
    r->sent = *hash;
    r->n_users++;
    return true;
}

struct agilio_port_ref
agilio_residency_lookup_port(odp_port_t odp_port, void *dpif_type)
{
    for (size_t i = 0; i < n_ports; i++) {
        if (ports[i].odp_port == odp_port && ports[i].dpif_type == dpif_type) {
            return ports[i].ref;
        }
    }
    return agilio_host_port(odp_port);
}

/* Translates to the body of a PUT, with id 0.  Returns false if the flow
 * cannot be on the NIC. */
static bool
translate(struct agilio_resident *r, const struct match *match,
          void *body, size_t *len)
    OVS_REQUIRES(MUTEX)
{
    void *dpif_type = CONST_CAST(char *, r->dpif_type);
    struct agilio_port_ref in_port;
    struct match expanded;

    r->stale = false;
    if (!match) {
        minimatch_expand(&r->match, &expanded);
        match = &expanded;
    }
    in_port = agilio_residency_lookup_port(match->flow.in_port.odp_port,
                                           dpif_type);
    if (in_port.id & AGILIO_PORT_HOST && !in_port.tunnel) {
        r->verdict = AGILIO_ON_NIC;
        r->reason = "in_port: not on the NIC";
        return false;
    }

    r->reason = NULL;
    r->verdict = agilio_translate_flow(match, r->actions, r->actions_len, 0,
                                       in_port.id,
                                       agilio_residency_lookup_port,
                                       dpif_type, body, len, &r->reason);
    return r->verdict != AGILIO_UNMATCHABLE;
}

/* Sends what takes the NIC closer to what 'r' should be.  'match' is r->match,
 * or NULL.  Returns false if this must be tried again, because the NIC takes
 * no requests now. */
static bool
advance(struct agilio_resident *r, const struct match *match)
{
    union {
        struct agilio_flow_put put;
        uint8_t bytes[AGILIO_MAX_MSG];
    } body;
    bool leaves = r->gone || r->stopped;
    ovs_u128 hash;
    size_t len;

    if (r->presence == AGILIO_DELETING
        || (r->presence == AGILIO_PUTTING && !leaves)) {
        r->stale = true;        /* The reply brings us back here. */
        return true;
    }
    if (leaves || !translate(r, match, &body, &len) || r->refusal) {
        return r->presence == AGILIO_ABSENT || send_del(r);
    }
    if (agilio_nic_status() != AGILIO_NIC_ACTIVE) {
        return true;
    }

    hash_bytes128(&body, len, 0, &hash);
    return ((r->presence == AGILIO_PRESENT && ovs_u128_equals(hash, r->sent))
            || send_put(r, &body.put, len, &hash));
}

/* ## ---------- ##
 * ## All flows. ##
 * ## ---------- ## */

static void
all_todo(void)
    OVS_REQUIRES(MUTEX)
{
    ovs_list_push_back_all(&todo, &settled);
    ovs_list_push_back_all(&todo, &refused);
}

void
agilio_residency_retranslate(void)
{
    all_todo();
}

void
agilio_residency_set_ports(const struct agilio_port_pair *new, size_t n)
{
    ovs_mutex_lock(&MUTEX);
    if (n != n_ports || (n && memcmp(new, ports, n * sizeof *new))) {
        free(ports);
        ports = n ? xmemdup(new, n * sizeof *new) : NULL;
        n_ports = n;
        agilio_objects_ports_changed();
        all_todo();
    }
    ovs_mutex_unlock(&MUTEX);
}

bool
agilio_residency_find_port(uint32_t id, const char **dpif_type,
                           odp_port_t *odp_port)
{
    bool found = false;

    ovs_mutex_lock(&MUTEX);
    for (size_t i = 0; i < n_ports && !found; i++) {
        if (ports[i].ref.id == id) {
            *dpif_type = ports[i].dpif_type;
            *odp_port = ports[i].odp_port;
            found = true;
        }
    }
    ovs_mutex_unlock(&MUTEX);
    return found;
}

/* No flow is on the NIC any more: does 'settle' with their tallies. */
static void
all_absent(void (*settle)(struct agilio_tally *))
    OVS_REQUIRES(MUTEX)
{
    struct agilio_resident *r;

    all_todo();
    LIST_FOR_EACH_SAFE (r, list_node, &todo) {
        settle(&r->tally);
        r->presence = AGILIO_ABSENT;
        r->id = NO_ID;
        file(r, true);
    }
    all_todo();
}

void
agilio_residency_lost(void)
{
    ovs_mutex_lock(&MUTEX);
    all_absent(agilio_tally_hold);
    agilio_objects_lost();
    ovs_mutex_unlock(&MUTEX);
}

/* A connection does not follow another before agilio_residency_lost() has had
 * the mutex, so it is still the same one when the NIC becomes ACTIVE. */
bool
agilio_residency_take_over(uint64_t generation, uint32_t max_flows)
{
    bool is_same;

    ovs_mutex_lock(&MUTEX);
    is_same = agilio_nic_map()->generation == generation;
    if (is_same) {
        all_absent(agilio_tally_fold);
        if (ids) {
            id_fpool_destroy(ids);
        }
        ids = id_fpool_create(1, 0, max_flows);
        agilio_objects_take_over(agilio_nic_map());
        agilio_nic_take_over();
    }
    ovs_mutex_unlock(&MUTEX);
    return is_same;
}

/* Some of the refused flows get another chance: there may be room now. */
static void
retry(long long int now)
    OVS_REQUIRES(MUTEX)
{
    if (now >= retry_at) {
        for (int i = 0; i < RETRY_MAX && !ovs_list_is_empty(&refused); i++) {
            ovs_list_push_back(&todo, ovs_list_pop_front(&refused));
        }
        retry_at = now + RETRY_MSEC;
    }
}

void
agilio_residency_run(void)
{
    long long int now = time_msec();
    bool done = true;

    due_seen = seq_read(due_seq());
    ovs_mutex_lock(&MUTEX);
    retry(now);
    for (int i = 0; i < RUN_MAX && done && !ovs_list_is_empty(&todo); i++) {
        struct agilio_resident *r = CONTAINER_OF(ovs_list_front(&todo),
                                                 struct agilio_resident,
                                                 list_node);

        pardon(r);
        done = advance(r, NULL);
        file(r, done);
    }
    run_at = (!done ? now + BUSY_MSEC
              : !ovs_list_is_empty(&todo) ? now
              : !ovs_list_is_empty(&refused) ? retry_at
              : LLONG_MAX);
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_residency_wait(void)
{
    seq_wait(due_seq(), due_seen);
    if (run_at != LLONG_MAX) {
        poll_timer_wait_until(run_at);
    }
}

uint64_t
agilio_residency_n_lost(void)
{
    uint64_t n;

    ovs_mutex_lock(&MUTEX);
    n = n_lost;
    ovs_mutex_unlock(&MUTEX);
    return n;
}

const struct agilio_reason agilio_residency_reasons[] = {
    { "offload: off", "other_config:hw-offload is not true" },
    { "offload: not offered", "was made before hw-offload was true" },
    { "in_port: host port", "comes in by a port that is not of the NIC" },
    { "in_port: not on the NIC", "comes in by a representor without a NIC "
                                 "port" },
    { "nic: not ready", "waits for a NIC, or for its flow table" },
    { "nic: not answered yet", "is on its way to the NIC" },
    { "flow: being deleted", "is off the NIC, to be deleted by the datapath" },
    { "size: flow table full", "one flow more than the NIC has room for" },
    { NULL, NULL },
};
