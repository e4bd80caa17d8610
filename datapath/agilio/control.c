/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the control channel, the NIC's side.
 *
 * agl_control_run() reads a request, has request.c do or post what it asks,
 * and queues the reply behind those of earlier requests; a reply leaves when
 * all workers have done what it waits for.  So replies keep the order of the
 * requests, any number of requests can be under way, and a host that does not
 * take its replies stops nobody but itself.
 */

#include "nic.h"

/* So a request always finds room for what it posts: one call each, and
 * agl_worker_call()'s. */
AGILIO_ASSERT(AGL_MAX_CALLS > AGL_MAX_REQUESTS);

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
    agl_request_start(nic, r, &body);
    return true;
}

static void
release(struct agl_request *r)
{
    for (uint32_t i = 0; i < AGL_MAX_WORKERS; i++) {
        struct agl_part *part = &r->parts[i];

        agl_flow_destroy(part->flow);
        while (part->gone) {
            struct agl_flow *next = part->gone->next;

            agl_flow_destroy(part->gone);
            part->gone = next;
        }
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
    if (c->head == c->tail || !agl_request_is_done(nic, r)) {
        return false;
    }
    agl_request_end(nic, r);
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

/* As much as there are places for: a busy host is not all.  What a run costs
 * besides (a look at all descriptors, a doorbell or two) is for many requests
 * then. */
void
agl_control_run(struct agl_nic *nic)
{
    bool kick = false;
    uint32_t n;

    for (n = 0; n < AGL_MAX_REQUESTS && answer(nic, &kick); n++) {
        continue;
    }
    for (n = 0; n < AGL_MAX_REQUESTS && receive(nic); n++) {
        continue;
    }
    if (kick) {
        nic->ops->kick_host(nic->ops->aux, AGILIO_VECTOR_CONTROL);
    }
}

/* While there is no place for a request, whether there is one does not
 * matter. */
bool
agl_control_sleep(struct agl_nic *nic)
{
    const struct agl_control *c = &nic->control;
    const struct agl_request *r = &c->requests[c->head % AGL_MAX_REQUESTS];

    return c->blocked
           || ((c->head == c->tail || !agl_request_is_done(nic, r))
               && (c->tail - c->head == AGL_MAX_REQUESTS
                   || agilio_ring_sleep(&nic->region->request)));
}

/* Forgets all that is under way, once the workers have done it. */
void
agl_control_reset(struct agl_nic *nic)
{
    struct agl_control *c = &nic->control;

    while (c->head != c->tail) {
        struct agl_request *r = &c->requests[c->head++ % AGL_MAX_REQUESTS];

        for (uint32_t i = 0; i < nic->team.n; i++) {
            agl_worker_wait(nic->team.workers[i], r->parts[i].after);
        }
        agl_request_end(nic, r);
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
