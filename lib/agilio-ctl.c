/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-ctl.c - the control channel: requests to the NIC and their replies.
 *
 * See agilio-ctl.h for the picture, agilio/msg.h for the messages.
 *
 * ctl->mutex is held for a few microseconds at a time, and never while a
 * callback runs; ctl->calling is taken before it.  Whoever waits for room in
 * the request ring takes replies off the other one meanwhile, whatever thread
 * it is: a NIC that cannot answer would not take requests either.
 */

#include <config.h>

#include "agilio-ctl.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "agilio-ivshmem.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio_ctl);

/* How long a sender waits for room, and how often it looks. */
#define SEND_TIMEOUT_MS 1000
#define SEND_STEP_NS (50 * 1000)

/* How long an answer that nobody waits for, or the doorbell, may be left to
 * the polling thread's next round, and how often the agilio thread looks,
 * while flows come and go, whether that thread has got stuck. */
#define POLL_MS 20
#define LAZY_MS 100

/* How often that thread rings at once nevertheless: a round in which many
 * flows come may take long. */
#define PROMPT_MS 4

struct request {
    struct ovs_list node;       /* In ctl->waiting, then in ->answered. */
    uint32_t id;
    uint16_t type;
    long long int sent;         /* agilio_now_ms(). */
    agilio_reply_cb *cb;
    void *aux;

    /* The answer. */
    int error;
    char *reason;               /* If 'error'. */
    uint8_t *body;              /* Else; NULL if empty. */
    size_t len;
};

static bool
is_urgent(uint16_t type)
{
    return type != AGILIO_MSG_FLOW_PUT && type != AGILIO_MSG_FLOW_DEL;
}

long long int
agilio_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (long long int) ts.tv_sec * 1000 + ts.tv_nsec / (1000 * 1000);
}

void
agilio_ctl_init(struct agilio_ctl *ctl)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_init(&ctl->calling);
    ovs_mutex_init(&ctl->mutex);
    ctl->open = false;
    ctl->poller = OVSTHREAD_ID_UNSET;
    ctl->last_id = 0;
    ovs_list_init(&ctl->waiting);
    ovs_list_init(&ctl->answered);
}

void
agilio_ctl_open(struct agilio_ctl *ctl, const struct agilio_map *map,
                int kick_fd, uint64_t epoch)
{
    ovs_mutex_lock(&ctl->mutex);
    agilio_map_producer(map, &map->control[0], &ctl->to_nic);
    agilio_map_consumer(map, &map->control[1], &ctl->from_nic);
    ctl->kick_fd = kick_fd;
    ctl->session = (uint32_t) epoch;
    ctl->n_urgent = 0;
    ctl->busy = ctl->bell = ctl->kick_due = false;
    ctl->prompt_at = 0;
    ctl->port_event = false;
    ctl->broken = NULL;
    ctl->open = true;
    ovs_mutex_unlock(&ctl->mutex);
}

/* ## -------- ##
 * ## Doorbell ##
 * ## -------- ## */

static void
kick(struct agilio_ctl *ctl)
    OVS_REQUIRES(ctl->mutex)
{
    ctl->kick_due = false;
    agilio_ivshmem_kick(ctl->kick_fd);
}

/* The NIC sleeps, and there is a request for it. */
static void
kick_for(struct agilio_ctl *ctl, const struct request *r)
    OVS_REQUIRES(ctl->mutex)
{
    if (is_urgent(r->type) || ctl->poller != ovsthread_id_self()) {
        kick(ctl);
    } else if (r->sent >= ctl->prompt_at) {
        ctl->prompt_at = r->sent + PROMPT_MS;
        kick(ctl);
    } else {
        ctl->kick_due = true;
    }
}

/* What was put off is done. */
static void
kick_if_due(struct agilio_ctl *ctl)
    OVS_REQUIRES(ctl->mutex)
{
    if (ctl->kick_due) {
        kick(ctl);
    }
}

/* ## ------- ##
 * ## Replies ##
 * ## ------- ## */

/* Linux's numbers for enum agilio_error are the wire's; what we do not know
 * is still an error. */
static int
error_from_wire(uint32_t wire)
{
    switch (wire) {
    case AGILIO_E_NOENT: return ENOENT;
    case AGILIO_E_BUSY: return EBUSY;
    case AGILIO_E_EXIST: return EEXIST;
    case AGILIO_E_INVAL: return EINVAL;
    case AGILIO_E_NOSPC: return ENOSPC;
    case AGILIO_E_OPNOTSUPP: return EOPNOTSUPP;
    case AGILIO_E_NOBUFS: return ENOBUFS;
    default: return EPROTO;
    }
}

/* Keeps what the reply says in 'r'. */
static void
take_answer(struct request *r, uint16_t flags, struct agilio_reader *body)
{
    if (flags & AGILIO_MSG_F_ERROR) {
        r->error = error_from_wire(agilio_get_u32(body));
        r->reason = body->p < body->end
                    ? xmemdup0((const char *) body->p, body->end - body->p)
                    : xstrdup("the NIC gave no reason");
    } else {
        r->len = body->end - body->p;
        r->body = r->len ? xmemdup(body->p, r->len) : NULL;
    }
}

/* The next message has come.  Returns NULL or what is wrong with it. */
static const char *
take_message(struct agilio_ctl *ctl, const struct agilio_msg *msg,
             struct agilio_reader *body)
    OVS_REQUIRES(ctl->mutex)
{
    uint16_t flags = agilio_from_le16(msg->flags);
    struct request *r;

    if (agilio_from_le32(msg->session) != ctl->session) {
        return NULL;            /* To a host that is no more. */
    } else if (flags & AGILIO_MSG_F_EVENT) {
        ctl->port_event |= (agilio_from_le16(msg->type)
                            == AGILIO_MSG_PORT_EVENT);
        return NULL;
    } else if (ovs_list_is_empty(&ctl->waiting)) {
        return "it answered what was not asked";
    }

    r = CONTAINER_OF(ovs_list_front(&ctl->waiting), struct request, node);
    if (!(flags & AGILIO_MSG_F_REPLY)
        || agilio_from_le32(msg->id) != r->id
        || agilio_from_le16(msg->type) != r->type) {
        return "it answered out of order";
    }
    take_answer(r, flags, body);
    if (is_urgent(r->type)) {
        ctl->n_urgent--;
    } else {
        ctl->busy = true;
    }
    ovs_list_remove(&r->node);
    ovs_list_push_back(&ctl->answered, &r->node);
    return NULL;
}

/* Takes the messages off the ring, at most one ring full. */
static void
receive(struct agilio_ctl *ctl)
    OVS_REQUIRES(ctl->mutex)
{
    struct agilio_reader body;
    struct agilio_msg msg;
    uint32_t i;

    for (i = 0; i < ctl->from_nic.n && !ctl->broken; i++) {
        if (!agilio_msg_receive(&ctl->from_nic, ctl->buf, &msg, &body)) {
            break;
        }
        ctl->broken = take_message(ctl, &msg, &body);
    }
    if (ctl->from_nic.broken || ctl->to_nic.broken) {
        ctl->broken = "a control ring makes no sense";
    }
}

/* Calls the callbacks of 'answered', and frees what is in it. */
static void
call_back(struct ovs_list *answered)
{
    struct request *r;

    LIST_FOR_EACH_POP (r, node, answered) {
        if (r->cb) {
            struct agilio_reader body = {
                r->body, r->body ? r->body + r->len : NULL, false
            };

            r->cb(r->error, r->error ? r->reason : NULL, &body, r->aux);
        } else if (r->error) {
            VLOG_DBG("NIC: %s", r->reason);
        }
        free(r->reason);
        free(r->body);
        free(r);
    }
}

const char *
agilio_ctl_run(struct agilio_ctl *ctl, bool *port_event)
{
    struct ovs_list answered;
    const char *broken;

    ovs_mutex_lock(&ctl->calling);
    ovs_mutex_lock(&ctl->mutex);
    kick_if_due(ctl);
    ctl->bell = false;
    agilio_ring_awake(&ctl->from_nic);
    receive(ctl);
    ovs_list_move(&answered, &ctl->answered);
    ovs_list_init(&ctl->answered);
    *port_event = ctl->port_event;
    ctl->port_event = false;
    broken = ctl->broken;
    ovs_mutex_unlock(&ctl->mutex);

    call_back(&answered);
    ovs_mutex_unlock(&ctl->calling);
    return broken;
}

/* Moves what is answered to 'answered', up to the first urgent request: those
 * are the agilio thread's. */
static void
take_lazy(struct agilio_ctl *ctl, struct ovs_list *answered)
    OVS_REQUIRES(ctl->mutex)
{
    struct request *r;

    LIST_FOR_EACH_SAFE (r, node, &ctl->answered) {
        if (is_urgent(r->type)) {
            break;
        }
        ovs_list_remove(&r->node);
        ovs_list_push_back(answered, &r->node);
    }
}

void
agilio_ctl_poll(struct agilio_ctl *ctl)
{
    struct ovs_list answered = OVS_LIST_INITIALIZER(&answered);

    if (ovs_mutex_trylock(&ctl->calling)) {
        return;                 /* The agilio thread is at it. */
    }
    ovs_mutex_lock(&ctl->mutex);
    ctl->poller = ovsthread_id_self();
    if (ctl->open) {
        kick_if_due(ctl);
        receive(ctl);
        take_lazy(ctl, &answered);
    }
    ovs_mutex_unlock(&ctl->mutex);

    call_back(&answered);
    ovs_mutex_unlock(&ctl->calling);
}

void
agilio_ctl_poll_wait(struct agilio_ctl *ctl)
{
    ovs_mutex_lock(&ctl->mutex);
    if (ctl->open && !ctl->bell && !ovs_list_is_empty(&ctl->waiting)) {
        poll_timer_wait(POLL_MS);
    }
    ovs_mutex_unlock(&ctl->mutex);
}

/* Has the NIC ring for its next answer.  False if that is there already. */
static bool
ask_for_bell(struct agilio_ctl *ctl)
    OVS_REQUIRES(ctl->mutex)
{
    ctl->bell = true;
    return agilio_ring_sleep(&ctl->from_nic);
}

void
agilio_ctl_wait(struct agilio_ctl *ctl)
{
    ovs_mutex_lock(&ctl->mutex);
    if (!ovs_list_is_empty(&ctl->answered) || ctl->port_event
        || ctl->broken) {
        poll_immediate_wake();
    } else if (!ctl->n_urgent
               && (ctl->busy || !ovs_list_is_empty(&ctl->waiting))) {
        poll_timer_wait(LAZY_MS);
    } else if (!ask_for_bell(ctl)) {
        poll_immediate_wake();
    }
    ctl->busy = false;
    ovs_mutex_unlock(&ctl->mutex);
}

void
agilio_ctl_close(struct agilio_ctl *ctl)
{
    struct ovs_list answered;
    struct request *r;

    ovs_mutex_lock(&ctl->calling);
    ovs_mutex_lock(&ctl->mutex);
    ctl->open = ctl->kick_due = false;
    ovs_list_move(&answered, &ctl->answered);
    ovs_list_init(&ctl->answered);
    LIST_FOR_EACH_POP (r, node, &ctl->waiting) {
        r->error = ENODEV;
        r->reason = xstrdup("the connection to the NIC was lost");
        ovs_list_push_back(&answered, &r->node);
    }
    ovs_mutex_unlock(&ctl->mutex);

    call_back(&answered);
    ovs_mutex_unlock(&ctl->calling);
}

long long int
agilio_ctl_oldest(struct agilio_ctl *ctl)
{
    long long int sent = LLONG_MAX;

    ovs_mutex_lock(&ctl->mutex);
    if (!ovs_list_is_empty(&ctl->waiting)) {
        sent = CONTAINER_OF(ovs_list_front(&ctl->waiting),
                            struct request, node)->sent;
    }
    ovs_mutex_unlock(&ctl->mutex);
    return sent;
}

/* ## -------- ##
 * ## Requests ##
 * ## -------- ## */

/* Waits until 'n' granules are free in the request ring; but not for a
 * FLOW_PUT, whose sender has packets to carry. */
static int
wait_for_room(struct agilio_ctl *ctl, enum agilio_msg_type type, uint32_t n)
    OVS_REQUIRES(ctl->mutex)
{
    long long int deadline = 0;

    while (ctl->open && agilio_ring_free(&ctl->to_nic) < n) {
        kick_if_due(ctl);
        receive(ctl);
        if (!deadline) {
            deadline = agilio_now_ms() + SEND_TIMEOUT_MS;
        }
        if (ctl->broken || type == AGILIO_MSG_FLOW_PUT
            || agilio_now_ms() >= deadline) {
            return ENOBUFS;
        }
        ovs_mutex_unlock(&ctl->mutex);
        xnanosleep_no_quiesce(SEND_STEP_NS);
        ovs_mutex_lock(&ctl->mutex);
    }
    return ctl->open ? 0 : ENODEV;
}

int
agilio_ctl_send(struct agilio_ctl *ctl, enum agilio_msg_type type,
                const void *body, size_t len, agilio_reply_cb *cb, void *aux)
{
    uint8_t msg[AGILIO_MAX_MSG];
    struct agilio_writer w;
    struct request *r;
    uint32_t msg_len;
    int error;

    if (len > sizeof msg - sizeof(struct agilio_msg)) {
        return EMSGSIZE;
    }
    msg_len = sizeof(struct agilio_msg) + len;

    ovs_mutex_lock(&ctl->mutex);
    error = wait_for_room(ctl, type, agilio_ring_granules(msg_len));
    if (!error) {
        r = xzalloc(sizeof *r);
        r->id = ++ctl->last_id;
        r->type = type;
        r->sent = agilio_now_ms();
        r->cb = cb;
        r->aux = aux;
        ovs_list_push_back(&ctl->waiting, &r->node);
        if (is_urgent(type)) {
            ctl->n_urgent++;
            ask_for_bell(ctl);
        }

        agilio_msg_start(&w, msg, sizeof msg, type, 0, r->id, ctl->session);
        if (len) {
            agilio_put_bytes(&w, body, len);
        }
        msg_len = agilio_msg_end(&w, msg);
        if (agilio_msg_send(&ctl->to_nic, msg, msg_len) > 0) {
            kick_for(ctl, r);
        }
    }
    ovs_mutex_unlock(&ctl->mutex);
    return error;
}
