/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.c - fuzz target: a program, run on a frame.
 *
 * The program is compiled; what is taken is run on the frame, twice, the
 * second time with other bytes before and behind the frame.  guard.h sees to
 * the packets.  Here it is seen to that
 *
 *   - none is lost, and no more were cloned than had been reserved;
 *   - the headroom that the program claims is enough;
 *   - both runs have the very same outcome, so no byte was read that is not of
 *     the packet.
 */

#include "action/bond.h"
#include "action/meter.h"
#include "action/program.h"
#include "generate.h"
#include "guard.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

#define N_PACKETS (AGILIO_MAX_OUTPUTS + 2)
#define N_OBJECTS 4
#define MAX_FRAME 2048

/* What came of a run: all that was given away, one after the other. */
struct outcome {
    uint32_t n;                 /* Packets. */
    size_t len;
    uint8_t bytes[1 << 20];
};

static struct outcome outcomes[2], *outcome;
static struct agl_pkt packets[N_PACKETS];
static struct agl_pool pool;
static const uint32_t ports[] = { 0x10000, 0x10001, AGILIO_PORT_HOST | 5 };
static const struct fuzz_names names = {
    .n_ports = AGILIO_ARRAY_SIZE(ports),
    .ports = ports,
    .n_recirc_ids = 3,
    .n_objects = N_OBJECTS - 1,
};

static void
note(const void *bytes, size_t n)
{
    if (n <= sizeof outcome->bytes - outcome->len) {
        memcpy(outcome->bytes + outcome->len, bytes, n);
        outcome->len += n;
    }
}

static void
note_packet(char how, uint32_t what, const struct agl_pkt *pkt)
{
    guard_check(pkt);
    note(&how, sizeof how);
    note(&what, sizeof what);
    note(&pkt->md, sizeof pkt->md);
    note(pkt->tun_opts, pkt->md.tunnel.opts_len);
    note(pkt->data, pkt->len);
    outcome->n++;
}

/* ## ------------- ##
 * ## Where it goes ##
 * ## ------------- ## */

static void
run_output(struct agl_run *run, uint32_t port_id, struct agl_pkt *pkt)
{
    note_packet('o', port_id, pkt);
    agl_pkt_free(run->pool, pkt);
}

static void
run_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    note_packet('r', pkt->has_hash ? pkt->flow_hash : 0, pkt);
    agl_pkt_free(run->pool, pkt);
}

static void
run_sample(struct agl_run *run, const void *actions, uint32_t len,
           struct agl_pkt *pkt)
{
    FUZZ_MUST(len && len <= AGILIO_MAX_SAMPLE);
    note(actions, len);
    note_packet('s', len, pkt);
    agl_pkt_free(run->pool, pkt);
}

static void
run_drop(struct agl_run *run, enum agilio_counter reason, struct agl_pkt *pkt)
{
    FUZZ_MUST(reason < AGILIO_N_COUNTERS);
    note_packet('d', reason, pkt);
    agl_pkt_free(run->pool, pkt);
}

/* ## ------- ##
 * ## Running ##
 * ## ------- ## */

static void
set_bond(struct agl_bonds *bonds, uint32_t id)
{
    struct agl_bond bond = { .id = agilio_port_id(id, 1) };

    for (uint32_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        bond.ports[i] = i % 4 ? ports[i % 2] : AGILIO_PORT_NONE;
    }
    agl_bonds_set(bonds, &bond);
}

/* A meter that lets one packet pass. */
static void
set_meter(struct agl_meters *meters, uint32_t id)
{
    struct agl_meter meter = {
        .id = agilio_port_id(id, 1),
        .pktps = true,
        .n_bands = 1,
        .max_delta = 1000,
        .bands = { { .rate = 1, .burst = 1, .bucket = 1000 } },
    };

    agl_meters_set(meters, &meter, 0);
}

/* A packet of the frame, before and behind which all is 'filler'. */
static struct agl_pkt *
make_packet(const uint8_t *frame, uint32_t len, uint8_t filler)
{
    struct agl_pkt *pkt;

    guard_reset(packets, sizeof packets);
    memset(packets, filler, sizeof packets);
    agl_pool_init(&pool, packets, N_PACKETS);
    pkt = agl_pkt_new(&pool);
    memcpy(pkt->data, frame, len);
    pkt->len = len;
    pkt->rx_port = ports[0];
    pkt->md.in_port = agilio_to_le32(ports[0]);
    return pkt;
}

static void
run_program(const struct agl_program *program, struct agl_pkt *pkt,
            const struct agl_parse_options *options, struct agl_run *run)
{
    struct agilio_key key;

    agl_parse(pkt, options, &key);
    if (program->needs_hash) {
        pkt->flow_hash = agl_key_hash(&key);
        pkt->has_hash = true;
    }
    FUZZ_MUST(program->growth <= AGILIO_MAX_GROWTH);
    FUZZ_MUST(program->n_clones < AGILIO_MAX_OUTPUTS);
    FUZZ_MUST(agl_pool_reserve(&pool, program->n_clones));
    agl_program_run(program, pkt, run);
    FUZZ_MUST(!guard_n_out());
    FUZZ_MUST(pool.n_free == N_PACKETS);
    FUZZ_MUST(pool.n_reserved <= program->n_clones);
    FUZZ_MUST(outcome->n <= program->n_clones + 1);
}

static void
run_once(const struct agl_program *program, const uint8_t *frame,
         uint32_t len, uint32_t max_vlans, uint32_t which)
{
    static struct agilio_meter_stats meter_stats[N_OBJECTS];
    static struct agilio_bond_stats bond_stats[N_OBJECTS];
    const struct agl_parse_options options = { .max_vlans = max_vlans };
    struct agl_run run = {
        .pool = &pool,
        .meters = agl_meters_create(meter_stats, N_OBJECTS),
        .bonds = agl_bonds_create(bond_stats, N_OBJECTS),
        .now = 1000,
        .random = 1,
        .output = run_output,
        .recirc = run_recirc,
        .sample = run_sample,
        .drop = run_drop,
    };

    outcome = &outcomes[which];
    outcome->n = 0;
    outcome->len = 0;
    for (uint32_t i = 1; i < N_OBJECTS - 1; i++) {      /* One is missing. */
        set_meter(run.meters, i);
        set_bond(run.bonds, i);
    }
    run_program(program, make_packet(frame, len, which ? 0xff : 0), &options,
                &run);
    agl_meters_destroy(run.meters);
    agl_bonds_destroy(run.bonds);
}

void
fuzz_programs(const uint8_t *data, size_t size)
{
    uint8_t code[AGILIO_MAX_PROGRAM] __attribute__((aligned(8)));
    struct fuzz_input in = { data, data + size }, of_program;
    struct agl_program *program;
    uint8_t frame[MAX_FRAME];
    const char *reason;
    uint8_t max_vlans;
    uint32_t len;

    if (!fuzz_operation(&in, &max_vlans, &of_program)) {
        return;
    }
    len = fuzz_program(&of_program, &names, code);
    if (agl_program_compile(code, len, &program, &reason)) {
        FUZZ_MUST(*reason);
        return;
    }
    len = fuzz_bytes(&in, frame, sizeof frame);
    if (program->kind == AGL_PROGRAM_RUN && len >= 14) {
        run_once(program, frame, len, max_vlans % 3, 0);
        run_once(program, frame, len, max_vlans % 3, 1);
        FUZZ_MUST(outcomes[0].len == outcomes[1].len);
        FUZZ_MUST(!memcmp(outcomes[0].bytes, outcomes[1].bytes,
                          outcomes[0].len));
    }
    agl_env_free(program);
}
