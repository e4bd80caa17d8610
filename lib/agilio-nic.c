/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-nic.c - the NIC as the rest of ovs-vswitchd sees it.
 *
 * The agilio thread runs the connection (agilio-conn.c), publishes its map,
 * and tells the observers.  What is shared between threads:
 *
 *     status, current_map     read without a lock; the map is under RCU
 *     ctl                     has a mutex of its own (agilio-ctl.c)
 *     what 'mutex' guards     with a change of 'work_seq' whenever the agilio
 *                             thread has to look
 *
 * Neither mutex is held while a callback or an observer runs.
 */

#include <config.h>

#include "agilio-nic.h"

#include <errno.h>

#include "agilio-conn.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"

#define CALL_TIMEOUT_MS 1000
#define CALL_STEP_NS (10 * 1000)
#define MAX_OBSERVERS 4

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static char *wanted OVS_GUARDED_BY(mutex);      /* Path, NULL for none. */
static char *down_reason OVS_GUARDED_BY(mutex); /* Copy of conn->reason. */
static char *failure OVS_GUARDED_BY(mutex);     /* From agilio_nic_fail(). */
static uint64_t failed_generation OVS_GUARDED_BY(mutex);
static const struct agilio_nic_observer *observers[MAX_OBSERVERS]
    OVS_GUARDED_BY(mutex);
static size_t n_observers OVS_GUARDED_BY(mutex);

static atomic_int status = ATOMIC_VAR_INIT(AGILIO_NIC_DOWN);
static OVSRCU_TYPE(struct agilio_map *) current_map;
static struct agilio_ctl ctl;
static struct seq *work_seq;
static pthread_t agilio_thread;

/* ## --------- ##
 * ## Observers ##
 * ## --------- ## */

void
agilio_nic_observe(const struct agilio_nic_observer *observer)
{
    ovs_mutex_lock(&mutex);
    ovs_assert(n_observers < MAX_OBSERVERS);
    observers[n_observers++] = observer;
    ovs_mutex_unlock(&mutex);
}

/* Observer 'i', NULL if there are not so many. */
static const struct agilio_nic_observer *
get_observer(size_t i)
{
    const struct agilio_nic_observer *observer;

    ovs_mutex_lock(&mutex);
    observer = i < n_observers ? observers[i] : NULL;
    ovs_mutex_unlock(&mutex);
    return observer;
}

static void
tell(enum agilio_conn_event event, const struct agilio_map *map,
     uint32_t n_foreign_flows)
{
    const struct agilio_nic_observer *o;
    size_t i;

    for (i = 0; (o = get_observer(i)) != NULL; i++) {
        if (event == AGILIO_CONN_CAME_UP && o->attached) {
            o->attached(map, n_foreign_flows);
        } else if (event == AGILIO_CONN_WENT_DOWN && o->down) {
            o->down();
        } else if (event == AGILIO_CONN_PORTS_CHANGED && o->ports_changed) {
            o->ports_changed(map);
        }
    }
}

/* ## ---------- ##
 * ## The thread ##
 * ## ---------- ## */

static void
publish(struct agilio_map *map)
{
    struct agilio_map *old = ovsrcu_get_protected(struct agilio_map *,
                                                  &current_map);

    ovsrcu_set(&current_map, map);
    if (old) {
        ovsrcu_postpone(agilio_map_destroy, old);
    }
}

static void
handle(struct agilio_conn *c, enum agilio_conn_event event)
{
    if (event == AGILIO_CONN_CAME_UP) {
        publish(c->map);
        atomic_store(&status, AGILIO_NIC_ATTACHED);
    } else if (event == AGILIO_CONN_WENT_DOWN) {
        atomic_store(&status, AGILIO_NIC_DOWN);
    }

    ovs_mutex_lock(&mutex);
    if (!nullable_string_is_equal(down_reason, c->reason)) {
        free(down_reason);
        down_reason = nullable_xstrdup(c->reason);
    }
    ovs_mutex_unlock(&mutex);

    if (event != AGILIO_CONN_NOTHING) {
        tell(event, c->map, c->n_foreign_flows);
    }
}

/* Does what other threads have asked for. */
static void
obey(struct agilio_conn *c)
{
    enum agilio_conn_event event = AGILIO_CONN_NOTHING;
    bool move, fail;
    char *path, *reason;

    ovs_mutex_lock(&mutex);
    move = !nullable_string_is_equal(wanted, c->path);
    path = nullable_xstrdup(wanted);
    reason = failure;
    failure = NULL;
    fail = (reason && c->phase == AGILIO_CONN_UP
            && failed_generation == c->generation);
    ovs_mutex_unlock(&mutex);

    if (move) {
        event = agilio_conn_set_path(c, path);
    } else if (fail) {
        event = agilio_conn_fail(c, reason);
    }
    free(path);
    free(reason);
    handle(c, event);
}

static void *
agilio_main(void *aux OVS_UNUSED)
{
    struct agilio_conn c;

    agilio_conn_init(&c, &ctl);
    for (;;) {
        uint64_t seq = seq_read(work_seq);

        obey(&c);
        handle(&c, agilio_conn_run(&c));

        seq_wait(work_seq, seq);
        agilio_conn_wait(&c);
        poll_block();
    }
    return NULL;
}

static void
start_thread(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        agilio_ctl_init(&ctl);
        work_seq = seq_create();
        agilio_thread = ovs_thread_create("agilio", agilio_main, NULL);
        ovsthread_once_done(&once);
    }
}

static void
set_wanted(const char *path)
{
    bool changed;

    ovs_mutex_lock(&mutex);
    changed = !nullable_string_is_equal(path, wanted);
    if (changed) {
        free(wanted);
        wanted = nullable_xstrdup(path);
    }
    ovs_mutex_unlock(&mutex);

    if (changed) {
        start_thread();
        seq_change(work_seq);
    }
}

void
agilio_nic_connect(const char *path)
{
    set_wanted(path);
}

void
agilio_nic_disconnect(void)
{
    set_wanted(NULL);
}

void
agilio_nic_fail(const struct agilio_map *map, const char *reason)
{
    if (agilio_nic_status() == AGILIO_NIC_DOWN) {
        return;
    }
    ovs_mutex_lock(&mutex);
    free(failure);
    failure = xstrdup(reason);
    failed_generation = map->generation;
    ovs_mutex_unlock(&mutex);
    seq_change(work_seq);
}

/* ## ----- ##
 * ## State ##
 * ## ----- ## */

enum agilio_nic_status
agilio_nic_status(void)
{
    int s;

    atomic_read(&status, &s);
    return s;
}

char *
agilio_nic_path(void)
{
    char *path;

    ovs_mutex_lock(&mutex);
    path = nullable_xstrdup(wanted);
    ovs_mutex_unlock(&mutex);
    return path;
}

void
agilio_nic_take_over(void)
{
    int expected = AGILIO_NIC_ATTACHED;

    /* If it is not ATTACHED, the connection has just been lost. */
    atomic_compare_exchange_strong(&status, &expected, AGILIO_NIC_ACTIVE);
}

const struct agilio_map *
agilio_nic_map(void)
{
    return ovsrcu_get(struct agilio_map *, &current_map);
}

void
agilio_nic_describe(struct ds *ds)
{
    const struct agilio_map *map = agilio_nic_map();
    enum agilio_nic_status s = agilio_nic_status();

    ovs_mutex_lock(&mutex);
    if (!wanted) {
        ds_put_cstr(ds, "no NIC is configured\n");
    } else if (s == AGILIO_NIC_DOWN || !map) {
        ds_put_format(ds, "NIC at %s: down (%s)\n", wanted,
                      down_reason ? down_reason : "connecting");
    } else {
        agilio_map_describe(map, wanted, s == AGILIO_NIC_ACTIVE, ds);
    }
    ovs_mutex_unlock(&mutex);
}

/* ## -------- ##
 * ## Requests ##
 * ## -------- ## */

int
agilio_nic_send(enum agilio_msg_type type, const void *body, size_t len,
                agilio_reply_cb *cb, void *aux)
{
    if (agilio_nic_status() == AGILIO_NIC_DOWN) {
        return ENODEV;
    }
    return agilio_ctl_send(&ctl, type, body, len, cb, aux);
}

void
agilio_nic_run(void)
{
    if (agilio_nic_status() != AGILIO_NIC_DOWN) {
        agilio_ctl_poll(&ctl);
    }
}

void
agilio_nic_wait(void)
{
    if (agilio_nic_status() != AGILIO_NIC_DOWN) {
        agilio_ctl_poll_wait(&ctl);
    }
}

/* A call that waits for its reply: the caller's and the callback's.  Whoever
 * of them comes last frees it. */
struct call {
    bool done;                  /* The callback was there. */
    bool abandoned;             /* The caller is gone. */
    int error;
    char *reason;
    void *reply;                /* The caller's, unless 'abandoned'. */
    size_t size, len;
};
static struct ovs_mutex call_mutex = OVS_MUTEX_INITIALIZER;

static void
free_call(struct call *call)
{
    free(call->reason);
    free(call);
}

static void
call_cb(int error, const char *reason, struct agilio_reader *body, void *call_)
{
    struct call *call = call_;

    ovs_mutex_lock(&call_mutex);
    if (call->abandoned) {
        free_call(call);
    } else {
        call->done = true;
        call->error = error;
        call->reason = nullable_xstrdup(reason);
        if (!error && call->size) {
            call->len = MIN(call->size, body->end - body->p);
            nullable_memcpy(call->reply, body->p, call->len);
        }
    }
    ovs_mutex_unlock(&call_mutex);
}

/* Waits until 'call' is done, without quiescing: the caller may be in the
 * middle of something under RCU.  Returns false, and the call is no longer
 * the caller's, if that takes too long. */
static bool
wait_for_call(struct call *call)
{
    long long int deadline = agilio_now_ms() + CALL_TIMEOUT_MS;
    bool done;

    for (;;) {
        ovs_mutex_lock(&call_mutex);
        done = call->done;
        if (!done && agilio_now_ms() >= deadline) {
            call->abandoned = true;
            ovs_mutex_unlock(&call_mutex);
            return false;
        }
        ovs_mutex_unlock(&call_mutex);
        if (done) {
            return true;
        }
        xnanosleep_no_quiesce(CALL_STEP_NS);
    }
}

/* Ends a call that came to nothing. */
static int
fail_call(int error, const char *why, char **reason)
{
    if (reason) {
        *reason = xstrdup(why);
    }
    return error;
}

int
agilio_nic_call(enum agilio_msg_type type, const void *body, size_t len,
                void *reply, size_t reply_size, size_t *reply_len,
                char **reason)
{
    const struct agilio_map *map = agilio_nic_map();
    struct call *call;
    int error;

    ovs_assert(!map || !pthread_equal(pthread_self(), agilio_thread));
    call = xzalloc(sizeof *call);
    call->reply = reply;
    call->size = reply ? reply_size : 0;
    error = agilio_nic_send(type, body, len, call_cb, call);
    if (error) {
        free(call);
        return fail_call(error, error == ENODEV ? "there is no NIC"
                         : "the NIC takes no requests", reason);
    }
    if (!wait_for_call(call)) {
        agilio_nic_fail(map, "it does not answer");
        return fail_call(ETIMEDOUT, "the NIC does not answer", reason);
    }

    error = call->error;
    if (reply_len) {
        *reply_len = call->len;
    }
    if (error && reason) {
        *reason = xstrdup(call->reason);
    }
    free_call(call);
    return error;
}
