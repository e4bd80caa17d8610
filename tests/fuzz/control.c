/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - fuzz target: requests to the NIC.
 *
 * The host writes whole messages with any content, does or does not take its
 * replies, goes and comes; control thread and worker run by turns; memory runs
 * out.  Every request of the session has one reply, in the order of the
 * requests, of its type, and of the form that msg.h gives; the laws of watch.h
 * hold all the while.
 */

#include "env.h"
#include "fuzz.h"
#include "watch.h"

#define MAX_OPS 200
#define MAX_WAITING 512

/* Requests without a reply. */
static struct waiting {
    uint16_t type;
    uint32_t id;
    uint32_t session;
} waiting[MAX_WAITING];
static uint32_t n_waiting;

/* What the NIC will think when it has read all that is in the ring. */
static bool in_session;
static uint32_t session;

/* ## -------- ##
 * ## Requests ##
 * ## -------- ## */

/* Whether a HELLO with this body starts a session; which. */
static bool
is_good_hello(const uint8_t *body, uint32_t len, uint32_t *epoch)
{
    struct agilio_reader r = { body, body + len, false };
    uint16_t abi_min = agilio_get_u16(&r);
    uint16_t abi_max = agilio_get_u16(&r);

    agilio_get_u32(&r);
    agilio_get_u64(&r);
    *epoch = (uint32_t) agilio_get_u64(&r);
    return !r.bad && abi_min <= AGILIO_ABI_MAX && abi_max >= AGILIO_ABI_MIN;
}

static void
expect(uint16_t type, uint32_t id, uint32_t as, const uint8_t *body,
       uint32_t len)
{
    uint32_t epoch;

    if (type == AGILIO_MSG_HELLO && is_good_hello(body, len, &epoch)) {
        session = as = epoch;
        in_session = true;
    } else if (type != AGILIO_MSG_HELLO && (!in_session || as != session)) {
        return;                 /* Nobody answers this. */
    }
    FUZZ_MUST(n_waiting < MAX_WAITING);
    waiting[n_waiting++] = (struct waiting) { type, id, as };
}

/* Asks in the name of session 'as'. */
static void
ask(uint16_t type, uint16_t flags, uint32_t as, const uint8_t *body,
    uint32_t len)
{
    static uint32_t last_id;
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_writer w;

    agilio_msg_start(&w, buf, sizeof buf, type, flags, ++last_id, as);
    agilio_put_bytes(&w, body, len);
    if (n_waiting < MAX_WAITING
        && agilio_msg_send(&watch.request, buf, agilio_msg_end(&w, buf))
           >= 0) {
        expect(type, last_id, as, body, len);
    }
}

static void
op_request(struct fuzz_input *in)
{
    uint8_t body[AGILIO_MAX_MSG - sizeof(struct agilio_msg)];
    uint16_t type = fuzz_u8(in);
    uint8_t how = fuzz_u8(in);
    uint32_t len = fuzz_bytes(in, body, sizeof body);

    if (type < 224) {
        type %= AGILIO_N_MSGS + 1;
    }
    ask(type, how >> 4, session ^ (how % 16 == 1), body, len);
}

/* A flow that is often good, or was until a few bytes were changed. */
static void
op_flow_put(struct fuzz_input *in)
{
    uint8_t body[AGILIO_MAX_MSG];
    uint8_t n_changes = fuzz_u8(in);
    uint32_t len;

    len = (uint32_t) watch_flow(in, body);
    if (n_changes >= 192) {
        for (n_changes %= 4; n_changes; n_changes--) {
            uint32_t at = fuzz_u16(in) % len;

            body[at] = fuzz_u8(in);
        }
    }
    ask(AGILIO_MSG_FLOW_PUT, 0, session, body, len);
}

static void
op_hello(struct fuzz_input *in)
{
    uint8_t body[24] = { 0 };
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u16(&w, AGILIO_ABI_MIN);
    agilio_put_u16(&w, AGILIO_ABI_MAX);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, 1 + fuzz_u8(in));
    ask(AGILIO_MSG_HELLO, 0, 0, body, sizeof body);
}

/* ## ------- ##
 * ## Replies ##
 * ## ------- ## */

static void
check_error(struct agilio_reader *r)
{
    FUZZ_MUST(agilio_get_u32(r) > 0);
    FUZZ_MUST(r->p < r->end);
    while (r->p < r->end) {
        FUZZ_MUST(*r->p >= ' ' && *r->p <= '~');
        r->p++;
    }
}

static void
check_body(uint16_t type, struct agilio_reader *r)
{
    if (type == AGILIO_MSG_HELLO) {
        agilio_get_bytes(r, 16);
    } else if (type == AGILIO_MSG_TRACKER_DUMP) {
        uint32_t n;

        agilio_get_u32(r);
        n = agilio_get_u32(r);
        agilio_get_bytes(r, n * sizeof(struct agilio_tracker_entry));
    }
    FUZZ_MUST(!r->bad && r->p == r->end);
}

/* Takes up to 'max' messages. */
static void
take_replies(uint32_t max)
{
    static uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_reader r;
    struct agilio_msg msg;

    while (max-- && agilio_msg_receive(&watch.reply, buf, &msg, &r)) {
        uint16_t flags = agilio_from_le16(msg.flags);
        uint16_t type = agilio_from_le16(msg.type);

        if (flags == AGILIO_MSG_F_EVENT) {
            FUZZ_MUST(type == AGILIO_MSG_PORT_EVENT && !msg.id);
            continue;
        }
        FUZZ_MUST(n_waiting);
        FUZZ_MUST(type == waiting[0].type);
        FUZZ_MUST(agilio_from_le32(msg.id) == waiting[0].id);
        FUZZ_MUST(agilio_from_le32(msg.session) == waiting[0].session);
        if (flags & AGILIO_MSG_F_ERROR) {
            check_error(&r);
        } else {
            FUZZ_MUST(flags == AGILIO_MSG_F_REPLY);
            check_body(type, &r);
        }
        memmove(waiting, waiting + 1, --n_waiting * sizeof waiting[0]);
    }
    FUZZ_MUST(!watch.reply.broken);
}

static void
op_take(struct fuzz_input *in)
{
    take_replies(fuzz_u8(in));
}

/* ## ---- ##
 * ## Time ##
 * ## ---- ## */

static void
op_control(struct fuzz_input *in)
{
    (void) in;
    agl_control_run(watch.nic);
    agl_control_sleep(watch.nic);
}

static void
op_worker(struct fuzz_input *in)
{
    watch.clock += fuzz_u8(in) * UINT64_C(1000000);
    agl_worker_round(watch.nic->team.workers[0]);
    watch_check();
    watch_take();
}

static void
op_host(struct fuzz_input *in)
{
    if (fuzz_u8(in) & 1) {
        agl_nic_host_gone(watch.nic);
        agl_worker_round(watch.nic->team.workers[0]);
    }
    inproc_attach(&watch);
    n_waiting = 0;
    in_session = false;
}

/* The allocation from which on memory is there again. */
static void
op_no_memory(struct fuzz_input *in)
{
    env_fail_at = fuzz_u8(in) % 8;
}

void
fuzz_control(const uint8_t *data, size_t size)
{
    static fuzz_op *const ops[] = {
        op_request, op_flow_put, op_control, op_worker, op_take, op_hello,
        watch_op_frame, op_host, op_no_memory, watch_op_port,
    };
    struct fuzz_input in = { data, data + size };
    unsigned int n_blocks = env_n_blocks;

    watch_start(32);
    n_waiting = 0;
    in_session = true;
    session = watch.session;
    fuzz_operate(&in, ops, AGILIO_ARRAY_SIZE(ops), MAX_OPS);
    env_fail_at = 0;
    for (int i = 0; i < MAX_OPS && n_waiting; i++) {
        inproc_settle(&watch);
        take_replies(UINT32_MAX);
    }
    FUZZ_MUST(!n_waiting);
    inproc_settle(&watch);
    watch_check();
    watch_stop();
    FUZZ_MUST(env_n_blocks == n_blocks);
}
