/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-program.c - what agl_program_compile() takes and refuses, and how a
 * program sends packets.  test-actions.c has what actions do to them.
 */

#include "run.h"

/* Puts an action that has what 'put_block' puts as its block, and as operands,
 * if any, 'word'. */
static void
put_nested(uint16_t type, uint32_t word, void (*put_block)(void))
{
    const struct agilio_action_sample head = {
        .probability = agilio_to_le32(word),
    };
    size_t start = wire_len;
    agilio_le16 len;

    put(type, &head, agl_actions[type]->len);
    put_block();
    len = agilio_to_le16((uint16_t) (wire_len - start));
    memcpy(wire + start + offsetof(struct agilio_action, len), &len,
           sizeof len);
}

/* ## ---------- ##
 * ## Compiling. ##
 * ## ---------- ## */

static void
kinds(void)
{
    struct agl_program *p;

    p = compile();
    CHECK(p->kind == AGL_PROGRAM_DROP && !p->len && !p->n_clones);
    agl_env_free(p);

    put_pop_vlan();             /* Without an output, none will know. */
    put_nested(AGILIO_ACTION_CLONE, 0, put_pop_vlan);
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_DROP && !p->n_clones);
    agl_env_free(p);

    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_FALLBACK_UNABLE));
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_TO_HOST);
    CHECK(p->reason == AGILIO_FALLBACK_UNABLE && !p->n_clones);
    agl_env_free(p);

    put_output(1);
    put_output(2);
    put_pop_vlan();             /* Never run. */
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_RUN && p->len == 20 && p->n_clones == 1);
    CHECK(!p->needs_hash && !p->growth);
    agl_env_free(p);

    PUT(POP_NSH, pop_nsh, .action = { 0 });     /* It may count a drop. */
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_RUN && !p->n_clones);
    agl_env_free(p);
    put_output(1);
    PUT(POP_NSH, pop_nsh, .action = { 0 });
    p = compile();
    CHECK(p->n_clones == 1);    /* The packet itself goes on to POP_NSH. */
    agl_env_free(p);
}

/* Whether what was put does the same to all packets with one key, and then
 * looks again. */
static bool
is_steady(void)
{
    struct agl_program *p = compile();
    bool steady = p->steady;

    agl_env_free(p);
    return steady;
}

static void
put_recirc(uint32_t id)
{
    PUT(RECIRC, recirc, .recirc_id = agilio_to_le32(id));
}

static void
put_recirc_5(void)
{
    put_recirc(5);
}

static void
steady(void)
{
    struct agl_program *p;

    put_recirc(5);
    p = compile();
    CHECK(p->steady && p->looks_again && p->needs_hash && !p->reads_hash);
    CHECK(agilio_from_le32(p->recirc_id) == 5 && p->port == AGILIO_PORT_NONE);
    agl_env_free(p);

    put_output(1);
    PUT(SET_ETH, set_eth, .src = { 1 });
    put_recirc(5);
    p = compile();
    CHECK(p->steady && !p->recirc_id && p->n_clones == 1);
    agl_env_free(p);

    put_output(1);
    p = compile();
    CHECK(!p->steady && !p->looks_again && !p->recirc_id && p->port == 1);
    agl_env_free(p);

    put_recirc(5);              /* Which of the two comes next? */
    put_recirc(6);
    CHECK(!is_steady());
    put_pop_vlan();             /* What was behind the tag? */
    put_recirc(5);
    CHECK(!is_steady());
    put_nested(AGILIO_ACTION_SAMPLE, UINT32_MAX / 2, put_recirc_5);
    CHECK(!is_steady());
    PUT(HASH, hash, .alg = agilio_to_le32(AGILIO_HASH_L4));
    put_recirc(5);
    p = compile();
    CHECK(!p->steady && p->looks_again && p->reads_hash);
    agl_env_free(p);

    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_FALLBACK_HOST));
    p = compile();
    CHECK(!p->steady && p->reads_hash && !p->needs_hash);
    agl_env_free(p);
}

/* Compiles what was put, which must fail for a reason with 'why' in it. */
static void
refuse(int expected, const char *why)
{
    struct agl_program *program = NULL;
    const char *reason = NULL;
    int error;

    error = agl_program_compile(wire, wire_len, &program, &reason);
    CHECK(error == expected && !program);
    if (!reason || !strstr(reason, why)) {
        printf("\"%s\" is not about \"%s\"\n", reason ? reason : "", why);
        CHECK(false);
    }
    wire_len = 0;
}

static void
malformed(void)
{
    put_output(1);
    wire_len -= 1;
    refuse(AGILIO_E_INVAL, "length");
    put_output(1);
    wire[wire_len++] = 0;
    refuse(AGILIO_E_INVAL, "ends within");
    put(AGILIO_ACTION_POP_VLAN, wire, 8);
    refuse(AGILIO_E_INVAL, "length");
    put(AGILIO_ACTION_NONE, wire, 4);
    refuse(AGILIO_E_OPNOTSUPP, "does not know");
    put(AGILIO_N_ACTIONS, wire, 4);
    refuse(AGILIO_E_OPNOTSUPP, "does not know");
    put(UINT16_MAX, wire, 4);
    refuse(AGILIO_E_OPNOTSUPP, "does not know");
    wire_len = AGILIO_MAX_PROGRAM + 4;
    refuse(AGILIO_E_INVAL, "too long");
}

static void
invalid(void)
{
    put_output(AGILIO_PORT_NONE);
    refuse(AGILIO_E_INVAL, "no port");
    put_push_vlan(0x0800, 0);
    refuse(AGILIO_E_INVAL, "802.1Q");
    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_FALLBACK_MISS));
    refuse(AGILIO_E_INVAL, "reason");
    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_N_FALLBACKS));
    refuse(AGILIO_E_INVAL, "reason");
    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_FALLBACK_HOST));
    put_output(1);
    refuse(AGILIO_E_INVAL, "only action");
    put_output(1);
    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_FALLBACK_HOST));
    refuse(AGILIO_E_INVAL, "only action");
    PUT(RECIRC, recirc, .recirc_id = 0);
    refuse(AGILIO_E_INVAL, "recirc_id");
    PUT(HASH, hash, .alg = agilio_to_le32(AGILIO_HASH_KERNEL + 1));
    refuse(AGILIO_E_INVAL, "hash");
    PUT(TRUNC, trunc, .max_len = agilio_to_le32(13));
    refuse(AGILIO_E_INVAL, "TRUNC");
    PUT(PUSH_MPLS, push_mpls, .eth_type = agilio_to_be16(0x8849));
    refuse(AGILIO_E_INVAL, "MPLS");
    PUT(CHECK_PKT_LEN, check_pkt_len, .greater_len = agilio_to_le16(4));
    refuse(AGILIO_E_INVAL, "CHECK_PKT_LEN");
}

static void
put_nsh(uint32_t header_len, uint32_t n)
{
    uint8_t bytes[sizeof(struct agilio_action_push_nsh) + 512] = { 0 };
    agilio_le32 len = agilio_to_le32(header_len);

    memcpy(bytes + offsetof(struct agilio_action_push_nsh, header_len), &len,
           sizeof len);
    put(AGILIO_ACTION_PUSH_NSH, bytes,
        sizeof(struct agilio_action_push_nsh) + n);
}

static void
invalid_nsh(void)
{
    static const struct {
        uint32_t header_len, n;
    } rows[] = {
        { 4, 4 }, { 260, 260 }, { 8, 12 }, { 12, 8 }, { 9, 12 },
        { UINT32_MAX, 8 }, { 8, 0 }, { 0, 0 },
    };

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(rows); i++) {
        put_nsh(rows[i].header_len, rows[i].n);
        refuse(AGILIO_E_INVAL, "PUSH_NSH");
    }
    put_nsh(256, 256);
    put_nsh(256, 256);
    agl_env_free(compile());
    put_nsh(256, 256);
    put_nsh(252, 252);
    put_nsh(8, 8);
    refuse(AGILIO_E_INVAL, "pushes too much");
}

static void
limits(void)
{
    struct agl_program *p;

    for (int i = 0; i < AGILIO_MAX_OUTPUTS; i++) {
        put_output(1);
    }
    p = compile();
    CHECK(p->n_clones == AGILIO_MAX_OUTPUTS - 1);
    agl_env_free(p);
    for (int i = 0; i <= AGILIO_MAX_OUTPUTS; i++) {
        put_output(1);
    }
    refuse(AGILIO_E_INVAL, "too many outputs");

    for (int i = 0; i < AGILIO_MAX_GROWTH / 4; i++) {
        put_push_vlan(0x8100, 1);
    }
    put_output(1);
    p = compile();
    CHECK(p->growth == AGILIO_MAX_GROWTH);
    agl_env_free(p);
    for (int i = 0; i < AGILIO_MAX_GROWTH / 4; i++) {
        put_push_vlan(0x8100, 1);
        put_pop_vlan();         /* Without effect if there is no tag. */
    }
    put_push_vlan(0x8100, 1);
    put_output(1);
    refuse(AGILIO_E_INVAL, "pushes too much");
}

static int depth;

static void
put_deeper(void)
{
    if (depth--) {
        put_nested(AGILIO_ACTION_CLONE, 0, put_deeper);
    } else {
        put_output(1);
    }
}

static void
nesting(void)
{
    struct agl_program *p;

    depth = AGILIO_MAX_NESTING;
    put_deeper();
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_RUN && !p->n_clones);
    agl_env_free(p);
    depth = AGILIO_MAX_NESTING + 1;
    put_deeper();
    refuse(AGILIO_E_INVAL, "nests");
}

static void
push_eth(void)
{
    PUT(PUSH_ETH, push_eth, .src = { 2 });
}

/* An L3 packet loses nothing to POP_VLAN, and grows more and more. */
static void
no_room(void)
{
    const uint8_t bytes[64] = { 0x45 };
    struct agl_program *p;

    for (uint32_t i = 0; i < AGILIO_MAX_GROWTH / 4; i++) {
        put_push_vlan(0x8100, 1);
        put_pop_vlan();
    }
    put_output(1);
    p = compile();
    CHECK(p->growth == AGILIO_MAX_GROWTH);
    run_l3_type = 0x0800;
    run_bytes(p, bytes, sizeof bytes);
    run_l3_type = 0;
    CHECK(sent[0].pkt->len == sizeof bytes + AGILIO_MAX_GROWTH);
}

/* A block works on a copy, and so does not grow what comes after it. */
static void
growth(void)
{
    struct agl_program *p;

    put_nested(AGILIO_ACTION_CLONE, 0, push_eth);
    put_nested(AGILIO_ACTION_SAMPLE, 0, push_eth);
    put_push_vlan(0x8100, 1);
    put_output(1);
    p = compile();
    CHECK(p->growth == 14 && !p->n_clones);
    agl_env_free(p);
}

static void put_random_actions(void);

/* An action of any bytes, and most often of a length that it may have. */
static void
put_random_action(void)
{
    uint16_t type = frame_random(AGILIO_N_ACTIONS + 1);
    const struct agl_action_class *class
        = type < AGILIO_N_ACTIONS ? agl_actions[type] : NULL;
    uint8_t bytes[128];
    size_t len;

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = frame_random_byte();
    }
    if (!class || !frame_random(32)) {
        len = 4 + frame_random(80);
    } else {
        len = class->len + (class->variable ? 4 * frame_random(8) : 0);
    }
    if (type == AGILIO_ACTION_PUSH_MPLS && frame_random(8)) {
        bytes[8] = 0x88;
        bytes[9] = 0x47;
    } else if (type == AGILIO_ACTION_PUSH_NSH && frame_random(8)) {
        agilio_le32 n = agilio_to_le32((uint32_t) len - 8);

        memcpy(bytes + 4, &n, sizeof n);
    }
    if (class && class->block && frame_random(8) && depth++ < 4) {
        put_nested(type, frame_random(UINT16_MAX) * frame_random(2),
                   put_random_actions);
    } else {
        put(type, bytes, len);
    }
}

static void
put_random_actions(void)
{
    for (uint32_t n = frame_random(5); n && wire_len < 1024; n--) {
        put_random_action();
    }
}

/* Whatever the bytes: an answer, and what compiles runs. */
static void
random_wire(void)
{
    uint8_t bytes[FRAME_MAX];
    int n_runs = 0;

    for (int i = 0; i < 50000; i++) {
        struct agl_program *program = NULL;
        const char *reason = NULL;

        wire_len = depth = 0;
        put_random_actions();
        wire_len -= wire_len && !frame_random(16);
        if (agl_program_compile(wire, wire_len, &program, &reason)) {
            CHECK(!program && reason);
        } else if (program->kind == AGL_PROGRAM_RUN) {
            const char *hex = frames[frame_random(N_FRAMES)].hex;

            run_l3_type = frame_random(2) ? frame_random(UINT16_MAX) : 0;
            run_program(program, bytes, frame_decode(hex, bytes));
            n_runs++;
        } else {
            agl_env_free(program);
        }
    }
    CHECK(n_runs > 1000);
    wire_len = run_l3_type = 0;
}

/* ## -------- ##
 * ## Running. ##
 * ## -------- ## */

static void
outputs(void)
{
    uint8_t bytes[FRAME_MAX], unaligned[64];
    struct agl_program *program;
    const char *reason;
    size_t n = frame_get("loopback", bytes);

    put_output(0x10001);
    put_push_vlan(0x88a8, 0xf123);
    put_output(0x10002);
    put_push_vlan(0x8100, 5);
    put_pop_vlan();
    put_pop_vlan();
    put_pop_vlan();
    put_output(0x10003);
    memcpy(unaligned + 1, wire, wire_len);
    CHECK(!agl_program_compile(unaligned + 1, wire_len, &program, &reason));
    wire_len = 0;
    CHECK(program->n_clones == 2);
    run_bytes(program, bytes, n);
    CHECK(n_sent == 3 && pool.n_free == MAX_SENT - 3 && !pool.n_reserved);
    CHECK(is_sent(0, 0x10001, MACS "90000000"));
    CHECK(is_sent(1, 0x10002, MACS "88a8e123" "90000000"));
    CHECK(is_sent(2, 0x10003, MACS "90000000"));
}

static void
put_outputs(void)
{
    put_output(2);
    put_output(3);
}

/* A block has a copy; the last of a program has the packet. */
static void
blocks(void)
{
    struct agl_program *program;
    uint8_t bytes[FRAME_MAX];
    size_t n = frame_get("loopback", bytes);

    put_nested(AGILIO_ACTION_CLONE, 0, put_outputs);
    put_output(1);
    put_nested(AGILIO_ACTION_SAMPLE, 0, put_outputs);
    put_nested(AGILIO_ACTION_CHECK_PKT_LEN, 0xffff, put_outputs);
    program = compile();
    CHECK(program->n_clones == 6);
    run_bytes(program, bytes, n);
    CHECK(n_sent == 5 && pool.n_free == MAX_SENT - 5);
    CHECK(sent[0].port == 2 && sent[1].port == 3 && sent[2].port == 1);
    CHECK(sent[3].port == 2 && sent[4].port == 3);

    put_output(1);
    put_nested(AGILIO_ACTION_SAMPLE, 0, put_outputs);
    run_program(compile(), bytes, n);
    CHECK(n_sent == 1 && !n_dropped);
}

static void
recirc(void)
{
    struct agl_program *program;
    uint8_t bytes[FRAME_MAX];

    PUT(HASH, hash, .basis = agilio_to_le32(7));
    PUT(RECIRC, recirc, .recirc_id = agilio_to_le32(5));
    put_output(1);
    PUT(RECIRC, recirc, .recirc_id = agilio_to_le32(6));
    program = compile();
    CHECK(program->needs_hash && program->n_clones == 2);
    run_bytes(program, bytes, frame_get("tcp4", bytes));
    CHECK(n_sent == 3 && sent[0].port == RECIRC_PORT + 5);
    CHECK(sent[1].port == 1 && sent[2].port == RECIRC_PORT + 6);
    CHECK(sent[0].pkt->md.dp_hash == agilio_to_le32(
              agl_hash_mix(sent[0].pkt->flow_hash, 7)));
    CHECK(sent[2].pkt->md.dp_hash == sent[0].pkt->md.dp_hash);
}

static void
vlan(void)
{
    put_pop_vlan();
    run_frame("vlan tcp4");
    CHECK(is_sent(0, 1, MACS "0800" IP4("002c", "0000", "06") TCP
                  "61626364"));
    CHECK(sent[0].pkt->l3_ofs == 14 && sent[0].pkt->l4_ofs == 34);
    put_pop_vlan();
    run_frame("vlan cut");
    CHECK(is_sent(0, 1, MACS "8100"));
    put_pop_vlan();
    run_frame("vlan tag only");
    CHECK(is_unchanged("vlan tag only"));
    put_push_vlan(0x8100, 1);
    run_frame("mpls 1");
    CHECK(sent[0].pkt->l2_5_ofs == 18 && sent[0].pkt->l3_ofs == 22);
    CHECK(sent[0].pkt->l4_ofs == AGL_OFS_NONE);
    for (int i = 0; i < 6; i++) {
        put_pop_vlan();
    }
    run_frame("six tags");
    CHECK(is_sent(0, 1, MACS "0800"));
}

int
main(void)
{
    RUN(kinds);
    RUN(steady);
    RUN(malformed);
    RUN(invalid);
    RUN(invalid_nsh);
    RUN(limits);
    RUN(nesting);
    RUN(no_room);
    RUN(growth);
    RUN(random_wire);
    RUN(outputs);
    RUN(blocks);
    RUN(recirc);
    RUN(vlan);
    return summary();
}
