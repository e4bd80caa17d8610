/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - what the host can ask of the NIC: one function for each message.
 *
 * control.c, in the control thread, gives us the requests; what they want of
 * the workers these do between two bursts, called one after the other or,
 * where the host may ask for much of it, posted to all.
 *
 * Nothing of a request is believed: readers are bounded, every value checked,
 * and every refusal has a reason.
 */

#include "nic.h"

#include "action/bond.h"
#include "action/meter.h"
#include "trace.h"

static int
refuse(struct agl_request *r, int error, const char *reason)
{
    r->reason = reason;
    return error;
}

/* ## -------- ##
 * ## Messages ##
 * ## -------- ##
 *
 * Each function reads the body, and returns 0 or an enum agilio_error with the
 * reason in the request.  That the reader went bad need not be noticed here.
 */

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
    uint32_t flags = body->p < body->end ? agilio_get_u32(body) : 0;

    if (options.max_vlans > 2) {
        return refuse(r, AGILIO_E_INVAL, "max_vlans must be 0, 1 or 2");
    }
    if (flags & ~AGILIO_OPTION_HASH) {
        return refuse(r, AGILIO_E_INVAL, "the NIC does not know an option");
    }
    options.hash = flags & AGILIO_OPTION_HASH;
    if (!body->bad) {
        agl_team_call(&nic->team, apply_options, &options);
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

/* Has each worker do its part of 'r' when it gets there. */
static void
post(struct agl_nic *nic, struct agl_request *r,
     void (*fn)(struct agl_worker *, void *))
{
    for (uint32_t i = 0; i < nic->team.n; i++) {
        r->parts[i].after = agl_worker_post(nic->team.workers[i], fn, r);
    }
}

/* Worker: puts its flow in. */
static void
apply_flow_put(struct agl_worker *w, void *r)
{
    struct agl_part *part = &((struct agl_request *) r)->parts[w->index];

    part->error = agl_flow_table_put(w->table, part->flow, &part->gone);
    if (!part->error) {
        if (!part->gone) {
            memset(part->flow->stats, 0, sizeof *part->flow->stats);
        }
        part->put = part->flow;
        part->flow = NULL;
    }
}

/* A flow for each worker; the first is there.  False if out of memory. */
static bool
copy_flow(struct agl_nic *nic, struct agl_request *r)
{
    struct agl_flow *flow = r->parts[0].flow;

    for (uint32_t i = 0; i < nic->team.n; i++) {
        struct agl_part *part = &r->parts[i];

        part->flow = i ? agl_flow_copy(flow) : flow;
        if (!part->flow) {
            return false;
        }
        part->flow->stats = &nic->team.workers[i]->flow_stats[flow->id];
    }
    return true;
}

static int
handle_flow_put(struct agl_nic *nic, struct agl_request *r,
                struct agilio_reader *body)
{
    int error = agl_flow_create(body, nic->region->geometry.max_flows,
                                &r->parts[0].flow, &r->reason);

    if (error) {
        return error;
    }
    r->id = r->parts[0].flow->id;
    if (!copy_flow(nic, r)) {
        return refuse(r, AGILIO_E_NOBUFS, "no memory for the flow");
    }
    post(nic, r, apply_flow_put);
    return 0;
}

static void
apply_flow_del(struct agl_worker *w, void *r_)
{
    struct agl_request *r = r_;
    struct agl_part *part = &r->parts[w->index];

    part->gone = agl_flow_table_del(w->table, r->id);
    part->error = part->gone ? 0 : AGILIO_E_NOENT;
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
        post(nic, r, apply_flow_del);
    }
    return 0;
}

static void
apply_flow_flush(struct agl_worker *w, void *r)
{
    struct agl_part *part = &((struct agl_request *) r)->parts[w->index];
    uint32_t id;

    agl_bonds_flush(w->run.bonds);
    for (id = 0; agl_flow_table_n_flows(w->table); id++) {
        struct agl_flow *flow = agl_flow_table_del(w->table, id);

        if (flow) {
            flow->next = part->gone;
            part->gone = flow;
        }
    }
}

/* Meters go when no worker has a flow any more that may name them. */
static int
handle_flow_flush(struct agl_nic *nic, struct agl_request *r,
                  struct agilio_reader *body)
{
    (void) body;
    agl_team_call(&nic->team, apply_flow_flush, r);
    agl_meters_flush(nic->team.meters);
    return 0;
}

/* A page of a tracker, copied out by its worker.  In the cursor the worker
 * comes before the tracker's own. */
#define CURSOR_BITS 28
AGILIO_ASSERT(AGL_MAX_WORKERS <= 1 << (32 - CURSOR_BITS));

struct dump {
    uint32_t cursor, n, max;
    struct agilio_tracker_entry *entries;
};

static void
apply_tracker_dump(struct agl_worker *w, void *dump_)
{
    struct dump *dump = dump_;
    uint32_t cursor = dump->cursor & ((UINT32_C(1) << CURSOR_BITS) - 1);

    dump->n = agl_tracker_dump(w->tracker, w->table, &cursor, dump->entries,
                               dump->max);
    if (cursor) {
        dump->cursor = w->index << CURSOR_BITS | cursor;
    } else if (w->index + 1 < w->team->n) {
        dump->cursor = (w->index + 1) << CURSOR_BITS;
    } else {
        dump->cursor = 0;
    }
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
    uint32_t index = dump.cursor >> CURSOR_BITS;
    struct agilio_writer w;

    if (body->bad) {
        return 0;
    }
    if (index >= nic->team.n) {
        return refuse(r, AGILIO_E_INVAL, "the cursor is not one of a dump");
    }
    if (dump.max > room / sizeof *dump.entries) {
        dump.max = room / sizeof *dump.entries;
    }
    r->body = agl_env_alloc(8 + dump.max * sizeof *dump.entries);
    if (!r->body) {
        return refuse(r, AGILIO_E_NOBUFS, "no memory");
    }
    dump.entries = (struct agilio_tracker_entry *) (void *) (r->body + 8);
    agl_worker_call(nic->team.workers[index], apply_tracker_dump, &dump);

    w = (struct agilio_writer) { r->body, r->body + 8, false };
    agilio_put_u32(&w, dump.cursor);
    agilio_put_u32(&w, dump.n);
    r->body_len = 8 + dump.n * sizeof *dump.entries;
    return 0;
}

static void
apply_nothing(struct agl_worker *w, void *aux)
{
    (void) w;
    (void) aux;
}

/* Meters are all workers', and lock.  What was asked for before them comes
 * before them all the same. */
static int
handle_meter_set(struct agl_nic *nic, struct agl_request *r,
                 struct agilio_reader *body)
{
    struct agl_meter meter;
    int error = agl_meter_read(&meter, body,
                               nic->region->geometry.max_meters, &r->reason);

    if (!error && !body->bad) {
        agl_team_call(&nic->team, apply_nothing, NULL);
        agl_meters_set(nic->team.meters, &meter,
                       nic->ops->clock(nic->ops->aux));
    }
    return error;
}

static int
handle_meter_del(struct agl_nic *nic, struct agl_request *r,
                 struct agilio_reader *body)
{
    uint32_t id = agilio_get_u32(body);

    agl_team_call(&nic->team, apply_nothing, NULL);
    return (agl_meters_del(nic->team.meters, id) ? 0
            : refuse(r, AGILIO_E_NOENT, "no such meter"));
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
        agl_team_call(&nic->team, apply_bond_set, &bond);
    }
    return error;
}

/* What is to be deleted, and whether it was there. */
struct deletion {
    uint32_t id;
    bool done;
};

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

    agl_team_call(&nic->team, apply_bond_del, &d);
    return d.done ? 0 : refuse(r, AGILIO_E_NOENT, "no such bond");
}

static int
handle_trace(struct agl_nic *nic, struct agl_request *r,
             struct agilio_reader *body)
{
    uint32_t id = agilio_get_u32(body);
    uint32_t pass = agilio_get_u32(body);
    uint32_t slot = agilio_port_slot(id);
    uint32_t len = (uint32_t) (body->end - body->p);

    if (body->bad) {
        return 0;
    }
    if (id == AGILIO_PORT_NONE || slot >= nic->region->geometry.n_ports
        || nic->ports[slot].id != id) {
        return refuse(r, AGILIO_E_NOENT, "no such port");
    }
    r->body = agl_env_alloc(AGL_TRACE_MAX);
    if (!r->body) {
        return refuse(r, AGILIO_E_NOBUFS, "no memory");
    }
    return agl_trace(nic, id, agilio_get_bytes(body, len), len, pass,
                     r->body, &r->body_len, &r->reason);
}

/* ## -------- ##
 * ## Requests ##
 * ## -------- ## */

typedef int handler(struct agl_nic *, struct agl_request *,
                    struct agilio_reader *);

static handler *const handlers[AGILIO_N_MSGS] = {
#define AGILIO_MESSAGE(ENUM, NAME) [AGILIO_MSG_##ENUM] = handle_##NAME,
    AGILIO_MESSAGES(AGILIO_MESSAGE)
#undef AGILIO_MESSAGE
};

void
agl_request_start(struct agl_nic *nic, struct agl_request *r,
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
    r->error = error;
}

bool
agl_request_is_done(const struct agl_nic *nic, const struct agl_request *r)
{
    for (uint32_t i = 0; i < nic->team.n; i++) {
        if (!agl_worker_has_done(nic->team.workers[i], r->parts[i].after)) {
            return false;
        }
    }
    return true;
}

/* Why a worker could not put a flow. */
static const char *
put_reason(int error)
{
    return error == AGILIO_E_NOSPC ? "too many masks"
           : error == AGILIO_E_EXIST ? "another flow has the same match"
           : "no memory";
}

/* Worker: what it put is to go, unless that has happened since. */
static void
apply_undo(struct agl_worker *w, void *r_)
{
    struct agl_request *r = r_;
    struct agl_part *part = &r->parts[w->index];
    uint32_t generation = agl_flow_table_generation(w->table, r->id);

    if (part->put
        && agl_flow_table_get(w->table, r->id, generation) == part->put) {
        part->put = agl_flow_table_del(w->table, r->id);
        part->put->next = part->gone;
        part->gone = part->put;
    }
}

/* The workers' tables are alike, and so are their answers, unless only some of
 * them find memory.  What not all could put nobody shall have; what some had
 * to delete is gone. */
void
agl_request_end(struct agl_nic *nic, struct agl_request *r)
{
    bool deletes = agilio_from_le16(r->msg.type) == AGILIO_MSG_FLOW_DEL;
    uint32_t n_failed = 0;
    int error = 0;

    for (uint32_t i = 0; i < nic->team.n; i++) {
        if (r->parts[i].error) {
            error = r->parts[i].error;
            n_failed++;
        }
    }
    if (!n_failed || (deletes && n_failed < nic->team.n)) {
        return;
    }
    if (n_failed < nic->team.n) {
        agl_team_call(&nic->team, apply_undo, r);
    }
    r->error = refuse(r, error, deletes ? "no such flow" : put_reason(error));
}
