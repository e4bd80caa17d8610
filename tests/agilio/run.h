/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - puts an action program together, compiles it, runs it on a frame and
 * keeps what was sent, for the tests of action/.
 */

#ifndef AGL_TEST_RUN_H
#define AGL_TEST_RUN_H 1

#include "action/program.h"
#include "check.h"
#include "frames.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

/* ## ----------------- ##
 * ## Making a program. ##
 * ## ----------------- ## */

static uint8_t wire[AGILIO_MAX_PROGRAM + 64];
static size_t wire_len;

/* Appends an action: the header is filled in here. */
static inline void
put(uint16_t type, const void *action_, size_t len)
{
    struct agilio_action action = {
        .type = agilio_to_le16(type),
        .len = agilio_to_le16((uint16_t) len),
    };

    memcpy(wire + wire_len, action_, len);
    memcpy(wire + wire_len, &action, sizeof action);
    wire_len += len;
}

#define PUT(ENUM, STRUCT, ...)                                  \
    put(AGILIO_ACTION_##ENUM,                                   \
        &(const struct agilio_action_##STRUCT) { __VA_ARGS__ }, \
        sizeof(struct agilio_action_##STRUCT))

static inline void
put_output(uint32_t port)
{
    PUT(OUTPUT, output, .port = agilio_to_le32(port));
}

static inline void
put_push_vlan(uint16_t tpid, uint16_t tci)
{
    PUT(PUSH_VLAN, push_vlan, .tpid = agilio_to_be16(tpid),
        .tci = agilio_to_be16(tci));
}

static inline void
put_pop_vlan(void)
{
    PUT(POP_VLAN, pop_vlan, .action = { 0 });
}

/* Compiles what was put, and starts anew. */
static inline struct agl_program *
compile(void)
{
    struct agl_program *program = NULL;
    const char *reason = NULL;
    int error;

    error = agl_program_compile(wire, wire_len, &program, &reason);
    CHECK(!error && program && !reason);
    wire_len = 0;
    return program;
}

/* ## -------------- ##
 * ## Running it on. ##
 * ## -------------- ## */

#define MAX_SENT 4

static struct agl_pool pool;
static struct agl_pkt memory[MAX_SENT];
static struct sent {
    uint32_t port;
    struct agl_pkt *pkt;
} sent[MAX_SENT];
static int n_sent;

static inline void
catch_output(struct agl_run *run, uint32_t port, struct agl_pkt *pkt)
{
    CHECK(run->pool == &pool);
    CHECK(n_sent < MAX_SENT && pkt);
    if (n_sent < MAX_SENT) {
        sent[n_sent++] = (struct sent) { port, pkt };
    }
}

/* A recirculated packet is one sent to port 0x80000000 + recirc_id. */
static inline void
catch_recirc(struct agl_run *run, uint32_t recirc_id, struct agl_pkt *pkt)
{
    catch_output(run, UINT32_C(0x80000000) + recirc_id, pkt);
}

/* Runs 'program' on the frame and frees it; the results are in 'sent'. */
static inline void
run_bytes(struct agl_program *program, const uint8_t *bytes, size_t n)
{
    struct agl_parse_options options = { .max_vlans = 2 };
    struct agl_run run = { &pool, catch_output, catch_recirc };
    struct agilio_key key;
    struct agl_pkt *pkt;

    n_sent = 0;
    agl_pool_init(&pool, memory, MAX_SENT);
    pkt = agl_pkt_new(&pool);
    memcpy(pkt->data, bytes, n);
    pkt->len = (uint32_t) n;
    agl_parse(pkt, &options, &key);
    pkt->flow_hash = agl_key_hash(&key);
    CHECK(agl_pool_reserve(&pool, program->n_clones));
    agl_program_run(program, pkt, &run);
    CHECK(n_sent && sent[n_sent - 1].pkt == pkt);
    agl_env_free(program);
}

static inline void
run_frame(const char *name)
{
    uint8_t bytes[FRAME_MAX];

    put_output(1);
    run_bytes(compile(), bytes, frame_get(name, bytes));
}

/* True if packet 'i' that was sent is the frame in 'hex'. */
static inline bool
is_sent(int i, uint32_t port, const char *hex)
{
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_decode(hex, bytes);

    return i < n_sent && sent[i].port == port && sent[i].pkt->len == n
           && !memcmp(sent[i].pkt->data, bytes, n);
}

/* True if the packet left as the frame called 'name' is. */
static inline bool
is_unchanged(const char *name)
{
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_get(name, bytes);

    return sent[0].pkt->len == n && !memcmp(sent[0].pkt->data, bytes, n);
}

#endif /* run.h */
