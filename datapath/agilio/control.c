/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the control channel, the NIC's side.
 *
 * agl_control_run() reads a request, does or posts what it asks, and queues
 * the reply behind those of earlier requests; a reply leaves when the worker
 * has done what it waits for.  So replies keep the order of the requests, any
 * number of requests can be under way, and a host that does not take its
 * replies stops nobody but itself.
 *
 * Nothing of a request is believed: readers are bounded, every value checked,
 * and every refusal has a reason.
 */

#include "nic.h"

#include "action/bond.h"
#include "action/meter.h"

#define MAX_TURNS 64            /* Of one run: a busy host is not all. */

/* So a request always finds room for what it posts: one call each, and
 * agl_worker_call()'s. */
AGILIO_ASSERT(AGL_MAX_CALLS > AGL_MAX_REQUESTS);

static int
refuse(struct agl_request *r, int error, const char *reason)
{
    r->reason = reason;
    return error;
}

/* ## -------------------------- ##
 * ## Requests, one function each ##
 * ## -------------------------- ##
 *
 * Each reads its body, and returns 0 or an enum agilio_error with the reason
 * in the request.  A reader that went bad is noticed by dispatch(). */

static int
handle_hello(struct agl_nic *nic, struct agl_request *r,
             struct agilio_reader *body)
{
    uint16_t abi_min = agilio_get_u16(body);
    uint16_t abi_max = agilio_get_u16(body);
    uint32_t pad = agilio_get_u32(body);
    uint64_t features = agilio_get_u64(body);
    uint64_t epoch = agilio_get_u64(body);
    struct agilio_writer w;

    (void) pad;
    if (body->bad || abi_min > AGILIO_ABI_MAX || abi_max < AGILIO_ABI_MIN) {
        return refuse(r, AGILIO_E_PROTO, "no ABI version in common");
    }
    nic->control.session = (uint32_t) epoch;
    nic->control.in_session = true;
    r->msg.session = agilio_to_le32((uint32_t) epoch);

    r->body = agl_env_alloc(16);
    if (!r->body) {
        return refuse(r, AGILIO_E_NOBUFS, "no memory");
    }
    w = (struct agilio_writer) { r->body, r->body + 16, false };
    agilio_put_u16(&w, abi_max < AGILIO_ABI_MAX ? abi_max : AGILIO_ABI_MAX);
    agilio_put_u16(&w, 0);
    agilio_put_u32(&w, agl_nic_n_flows(nic));
    agilio_put_u64(&w, features & AGILIO_FEATURES);
    r->body_len = 16;
    return 0;
}

static int
handle_keepalive(struct agl_nic *nic, struct agl_request *r,
                 struct agilio_reader *body)
{
    (void) nic;
    (void) r;
    (void) body;
    return 0;
}

static void
apply_options(struct agl_worker *w, void *options)
{
    w->options = *(struct agl_parse_options *) options;
}

static int
handle_options(struct agl_nic *nic, struct agl_request *r,
               struct agilio_reader *body)
{
    struct agl_parse_options options = { .max_vlans = agilio_get_u32(body) };

    if (options.max_vlans > 2) {
        return refuse(r, AGILIO_E_INVAL, "max_vlans must be 0, 1 or 2");
    }
    if (!body->bad) {
        agl_worker_call(&nic->worker, apply_options, &options);
    }
    return 0;
}

static int
handle_port_set(struct agl_nic *nic, struct agl_request *r,
                struct agilio_reader *body)
{
    uint32_t id = agilio_get_u32(body);
    uint32_t what = agilio_get_u32(body);
    uint32_t flags = agilio_get_u32(body);
    uint32_t mtu = agilio_get_u32(body);
    const uint8_t *mac = agilio_get_bytes(body, 6);

    return mac ? agl_nic_port_set(nic, id, what, flags, mtu, mac, &r->reason)
               : 0;
}

static int
handle_port_event(struct agl_nic *nic, struct agl_request *r,
                  struct agilio_reader *body)
{
    (void) nic;
    (void) body;
    return refuse(r, AGILIO_E_INVAL, "this is an event, not a request");
}

/* Worker: puts r->flow in; afterwards r->flow is what has to be freed. */
static void
apply_flow_put(struct agl_worker *w, void *r_)
{
    struct agl_request *r = r_;

    r->error = agl_flow_table_put(w->table, r->flow, &r->old);
    if (r->error) {
        r->reason = r->error == AGILIO_E_NOSPC ? "too many masks"
                    : r->error == AGILIO_E_EXIST
                    ? "another flow has the same match"
                    : "no memory";
        return;
    }
    if (!r->old) {
        memset(r->flow->stats, 0, sizeof *r->flow->stats);
    }
    r->flow = NULL;
}

static int
handle_flow_put(struct agl_nic *nic, struct agl_request *r,
                struct agilio_reader *body)
{
    int error = agl_flow_create(body, nic->region->geometry.max_flows,
                                &r->flow, &r->reason);

    if (!error) {
        r->flow->stats = &nic->worker.flow_stats[r->flow->id];
        r->after = agl_worker_post(&nic->worker, apply_flow_put, r);
    }
    return error;
}

static void
apply_flow_del(struct agl_worker *w, void *r_)
{
    struct agl_request *r = r_;

    r->old = agl_flow_table_del(w->table, r->id);
    if (!r->old) {
        r->error = refuse(r, AGILIO_E_NOENT, "no such flow");
    }
}

static int
handle_flow_del(struct agl_nic *nic, struct agl_request *r,
                struct agilio_reader *body)
{
    r->id = agilio_get_u32(body);
    if (r->id >= nic->region->geometry.max_flows) {
        return refuse(r, AGILIO_E_INVAL, "flow id out of range");
    }
    if (!body->bad) {
        r->after = agl_worker_post(&nic->worker, apply_flow_del, r);
    }
    return 0;
}

static void
apply_flow_flush(struct agl_worker *w, void *r_)
{
    struct agl_request *r = r_;
    uint32_t id;

    agl_meters_flush(w->run.meters);
    agl_bonds_flush(w->run.bonds);
    for (id = 0; agl_flow_table_n_flows(w->table); id++) {
        struct agl_flow *flow = agl_flow_table_del(w->table, id);

        if (flow) {
            flow->next = r->flushed;
            r->flushed = flow;
        }
    }
}

static int
handle_flow_flush(struct agl_nic *nic, struct agl_request *r,
                  struct agilio_reader *body)
{
    (void) body;
    r->after = agl_worker_post(&nic->worker, apply_flow_flush, r);
    return 0;
}

/* A page of the tracker, copied out by the worker. */
struct dump {
    uint32_t cursor, n, max;
    struct agilio_tracker_entry *entries;
};

static void
apply_tracker_dump(struct agl_worker *w, void *dump_)
{
    struct dump *dump = dump_;

    dump->n = agl_tracker_dump(w->tracker, w->table, &dump->cursor,
                               dump->entries, dump->max);
}

static int
handle_tracker_dump(struct agl_nic *nic, struct agl_request *r,
                    struct agilio_reader *body)
{
    const uint32_t room = AGILIO_MAX_MSG - sizeof(struct agilio_msg) - 8;
    struct dump dump = {
        .cursor = agilio_get_u32(body),
        .max = agilio_get_u32(body),
    };
    struct agilio_writer w;

    if (body->bad) {
        return 0;
    }
    if (dump.max > room / sizeof *dump.entries) {
        dump.max = room / sizeof *dump.entries;
    }
    r->body = agl_env_alloc(8 + dump.max * sizeof *dump.entries);
    if (!r->body) {
        return refuse(r, AGILIO_E_NOBUFS, "no memory");
    }
    dump.entries = (struct agilio_tracker_entry *) (void *) (r->body + 8);
    agl_worker_call(&nic->worker, apply_tracker_dump, &dump);

    w = (struct agilio_writer) { r->body, r->body + 8, false };
    agilio_put_u32(&w, dump.cursor);
    agilio_put_u32(&w, dump.n);
    r->body_len = 8 + dump.n * sizeof *dump.entries;
    return 0;
}

static void
apply_meter_set(struct agl_worker *w, void *meter)
{
    agl_meters_set(w->run.meters, meter, w->now);
}

static int
handle_meter_set(struct agl_nic *nic, struct agl_request *r,
                 struct agilio_reader *body)
{
    struct agl_meter meter;
    int error = agl_meter_read(&meter, body,
                               nic->region->geometry.max_meters, &r->reason);

    if (!error && !body->bad) {
        agl_worker_call(&nic->worker, apply_meter_set, &meter);
    }
    return error;
}

static void
apply_bond_set(struct agl_worker *w, void *bond)
{
    agl_bonds_set(w->run.bonds, bond);
}

static int
handle_bond_set(struct agl_nic *nic, struct agl_request *r,
                struct agilio_reader *body)
{
    struct agl_bond bond;
    int error = agl_bond_read(&bond, body, nic->region->geometry.max_bonds,
                              &r->reason);

    if (!error && !body->bad) {
        agl_worker_call(&nic->worker, apply_bond_set, &bond);
    }
    return error;
}

/* What is to be deleted, and whether it was there. */
struct deletion {
    uint32_t id;
    bool done;
};

static void
apply_meter_del(struct agl_worker *w, void *d_)
{
    struct deletion *d = d_;

    d->done = agl_meters_del(w->run.meters, d->id);
}

static int
handle_meter_del(struct agl_nic *nic, struct agl_request *r,
                 struct agilio_reader *body)
{
    struct deletion d = { .id = agilio_get_u32(body) };

    agl_worker_call(&nic->worker, apply_meter_del, &d);
    return d.done ? 0 : refuse(r, AGILIO_E_NOENT, "no such meter");
}

static void
apply_bond_del(struct agl_worker *w, void *d_)
{
    struct deletion *d = d_;

    d->done = agl_bonds_del(w->run.bonds, d->id);
}

static int
handle_bond_del(struct agl_nic *nic, struct agl_request *r,
                struct agilio_reader *body)
{
    struct deletion d = { .id = agilio_get_u32(body) };

    agl_worker_call(&nic->worker, apply_bond_del, &d);
    return d.done ? 0 : refuse(r, AGILIO_E_NOENT, "no such bond");
}

/* ## ----------------- ##
 * ## Between the rings ##
 * ## ----------------- ## */

typedef int handler(struct agl_nic *, struct agl_request *,
                    struct agilio_reader *);

static handler *const handlers[AGILIO_N_MSGS] = {
#define AGILIO_MESSAGE(ENUM, NAME) [AGILIO_MSG_##ENUM] = handle_##NAME,
    AGILIO_MESSAGES(AGILIO_MESSAGE)
#undef AGILIO_MESSAGE
};

/* Starts on the request that 'r' was made for. */
static void
dispatch(struct agl_nic *nic, struct agl_request *r,
         struct agilio_reader *body)
{
    uint16_t type = agilio_from_le16(r->msg.type);
    int error;

    if (type >= AGILIO_N_MSGS || !handlers[type]) {
        error = refuse(r, AGILIO_E_OPNOTSUPP, "no such message type");
    } else {
        error = handlers[type](nic, r, body);
        if (body->bad) {
            error = refuse(r, AGILIO_E_INVAL, "message is too short");
        }
    }
    if (error) {                /* Else a worker may be writing r->error. */
        r->error = error;
    }
}

/* Takes one request off the ring.  False if there is none, or no place. */
static bool
receive(struct agl_nic *nic)
{
    struct agl_control *c = &nic->control;
    struct agl_request *r = &c->requests[c->tail % AGL_MAX_REQUESTS];
    struct agilio_reader body;
    struct agilio_msg msg;

    if (c->tail - c->head == AGL_MAX_REQUESTS
        || !agilio_msg_receive(&nic->region->request, c->buf, &msg, &body)) {
        return false;
    }
    if (agilio_from_le16(msg.type) != AGILIO_MSG_HELLO
        && (!c->in_session
            || agilio_from_le32(msg.session) != c->session)) {
        return true;            /* Of a host that is no more. */
    }
    memset(r, 0, sizeof *r);
    r->msg = msg;
    c->tail++;
    dispatch(nic, r, &body);
    return true;
}

static void
release(struct agl_request *r)
{
    if (r->flow) {
        agl_flow_destroy(r->flow);
    }
    if (r->old) {
        agl_flow_destroy(r->old);
    }
    while (r->flushed) {
        struct agl_flow *next = r->flushed->next;

        agl_flow_destroy(r->flushed);
        r->flushed = next;
    }
    agl_env_free(r->body);
    memset(r, 0, sizeof *r);
}

static size_t
length(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

/* Writes the reply to 'r' into 'buf'; returns its length. */
static uint32_t
compose(const struct agl_request *r, uint8_t buf[AGILIO_MAX_MSG])
{
    uint16_t flags = AGILIO_MSG_F_REPLY | (r->error ? AGILIO_MSG_F_ERROR : 0);
    struct agilio_writer w;

    agilio_msg_start(&w, buf, AGILIO_MAX_MSG, agilio_from_le16(r->msg.type),
                     flags, agilio_from_le32(r->msg.id),
                     agilio_from_le32(r->msg.session));
    if (r->error) {
        agilio_put_u32(&w, r->error);
        agilio_put_bytes(&w, r->reason, length(r->reason));
    } else if (r->body_len) {
        agilio_put_bytes(&w, r->body, r->body_len);
    }
    return agilio_msg_end(&w, buf);
}

/* Answers the oldest request.  False if it must wait; 'blocked' then says
 * whether it waits for the host. */
static bool
answer(struct agl_nic *nic, bool *kick)
{
    struct agl_control *c = &nic->control;
    struct agl_request *r = &c->requests[c->head % AGL_MAX_REQUESTS];
    int sent;

    c->blocked = false;
    if (c->head == c->tail || !agl_worker_has_done(&nic->worker, r->after)) {
        return false;
    }
    sent = agilio_msg_send(&nic->region->reply, c->buf, compose(r, c->buf));
    if (sent < 0) {
        c->blocked = true;
        return false;
    }
    *kick |= sent;
    release(r);
    c->head++;
    return true;
}

void
agl_control_run(struct agl_nic *nic)
{
    bool progress = true;
    bool kick = false;
    uint32_t n;

    for (n = 0; n < MAX_TURNS && progress; n++) {
        progress = answer(nic, &kick);
        progress |= receive(nic);
    }
    if (kick) {
        nic->ops->kick_host(nic->ops->aux, AGILIO_VECTOR_CONTROL);
    }
}

bool
agl_control_sleep(struct agl_nic *nic)
{
    const struct agl_control *c = &nic->control;
    const struct agl_request *r = &c->requests[c->head % AGL_MAX_REQUESTS];

    return c->blocked
           || (agilio_ring_sleep(&nic->region->request)
               && (c->head == c->tail
                   || !agl_worker_has_done(&nic->worker, r->after)));
}

/* Forgets all that is under way, once the worker has done it. */
void
agl_control_reset(struct agl_nic *nic)
{
    struct agl_control *c = &nic->control;

    while (c->head != c->tail) {
        struct agl_request *r = &c->requests[c->head++ % AGL_MAX_REQUESTS];

        while (!agl_worker_has_done(&nic->worker, r->after)) {
            nic->ops->wait_worker(nic->ops->aux, &nic->worker);
        }
        release(r);
    }
    c->in_session = false;
    c->blocked = false;
}

/* Events are hints: one that finds no room is not missed, for the host looks
 * at the port table whenever it gets any. */
void
agl_control_event(struct agl_nic *nic, enum agilio_msg_type type)
{
    uint8_t buf[sizeof(struct agilio_msg)];
    struct agilio_writer w;

    if (!nic->control.in_session) {
        return;
    }
    agilio_msg_start(&w, buf, sizeof buf, type, AGILIO_MSG_F_EVENT, 0,
                     nic->control.session);
    if (agilio_msg_send(&nic->region->reply, buf, agilio_msg_end(&w, buf))
        > 0) {
        nic->ops->kick_host(nic->ops->aux, AGILIO_VECTOR_CONTROL);
    }
}
