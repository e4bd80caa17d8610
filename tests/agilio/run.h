/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - puts an action program together, compiles it, runs it on a frame and
 * keeps what was sent, for the tests of action/.
 */

#ifndef AGL_TEST_RUN_H
#define AGL_TEST_RUN_H 1

#include "action/bond.h"
#include "action/meter.h"
#include "action/program.h"
#include "check.h"
#include "frames.h"
#include "pkt/headers.h"
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

#define MAX_SENT AGILIO_MAX_OUTPUTS
#define RECIRC_PORT UINT32_C(0x80000000)

static struct agl_pool pool;
static struct agl_pkt memory[MAX_SENT];
static struct sent {
    uint32_t port;
    struct agl_pkt *pkt;
} sent[MAX_SENT];
static int n_sent;
static int n_dropped;
static enum agilio_counter dropped;     /* Why, the last. */
static struct agl_pkt *recirculated;    /* The last. */
static uint16_t run_l3_type;    /* Frames without Ethernet are of this type. */

static inline void
catch_output(struct agl_run *run, uint32_t port, struct agl_pkt *pkt)
{
    CHECK(run->pool == &pool);
    CHECK(n_sent < MAX_SENT && pkt);
    if (n_sent < MAX_SENT) {
        sent[n_sent++] = (struct sent) { port, pkt };
    }
}

/* A recirculated packet is one sent to RECIRC_PORT + recirc_id. */
static inline void
catch_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    recirculated = pkt;
    catch_output(run, RECIRC_PORT + agilio_from_le32(pkt->md.recirc_id), pkt);
}

/* A sample is sent to port 0. */
static inline void
catch_sample(struct agl_run *run, const void *actions, uint32_t len,
             struct agl_pkt *pkt)
{
    CHECK(actions && len);
    catch_output(run, AGILIO_PORT_NONE, pkt);
}

static inline void
catch_drop(struct agl_run *run, enum agilio_counter reason,
           struct agl_pkt *pkt)
{
    CHECK(run->pool == &pool);
    dropped = reason;
    n_dropped++;
    agl_pkt_free(&pool, pkt);
}

static inline struct agl_pkt *
make_pkt(const uint8_t *bytes, size_t n)
{
    static const struct agl_parse_options options = { .max_vlans = 2 };
    struct agilio_key key;
    struct agl_pkt *pkt;

    agl_pool_init(&pool, memory, MAX_SENT);
    pool.n_reserved = 0;
    pkt = agl_pkt_new(&pool);
    memcpy(pkt->data, bytes, n);
    pkt->len = (uint32_t) n;
    if (run_l3_type) {
        pkt->md.packet_type = agl_packet_type(run_l3_type);
    }
    agl_parse(pkt, &options, &key);
    agl_pkt_set_hash(pkt, &key);
    return pkt;
}

/* Runs 'program' on the frame and frees it; the results are in 'sent' and
 * 'dropped'.  No packet is lost, none is taken that was not reserved, and it
 * is said truly whether it was recirculated. */
static inline struct agl_pkt *
run_program(struct agl_program *program, const uint8_t *bytes, size_t n)
{
    struct agl_meters *meters = agl_meters_create(NULL, 0);
    struct agl_bonds *bonds = agl_bonds_create(NULL, 0);
    struct agl_run run = {
        .pool = &pool,
        .meters = meters,
        .bonds = bonds,
        .random = 1,
        .output = catch_output,
        .recirc = catch_recirc,
        .sample = catch_sample,
        .drop = catch_drop,
    };
    struct agl_pkt *pkt = make_pkt(bytes, n);
    bool ended;

    n_sent = n_dropped = 0;
    recirculated = NULL;
    CHECK(program->growth <= agl_pkt_headroom(pkt));
    CHECK(agl_pool_reserve(&pool, program->n_clones));
    ended = agl_program_run(program, pkt, &run);
    CHECK(pool.n_reserved <= program->n_clones);
    CHECK(pool.n_free + n_sent == MAX_SENT);
    CHECK(ended == (recirculated != pkt) || (!ended && n_dropped));
    agl_env_free(program);
    agl_meters_destroy(meters);
    agl_bonds_destroy(bonds);
    return pkt;
}

/* Likewise, for a program whose last action sends the packet itself. */
static inline void
run_bytes(struct agl_program *program, const uint8_t *bytes, size_t n)
{
    struct agl_pkt *pkt = run_program(program, bytes, n);

    CHECK(n_sent && sent[n_sent - 1].pkt == pkt);
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
