/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-program.c - what agl_program_compile() takes and refuses, and how a
 * program sends packets.  test-actions.c has what actions do to them.
 */

#include "run.h"

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
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_DROP && !p->len && !p->n_clones);
    agl_env_free(p);

    PUT(TO_HOST, to_host, .reason = agilio_to_le32(AGILIO_FALLBACK_UNABLE));
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_TO_HOST);
    CHECK(p->reason == AGILIO_FALLBACK_UNABLE && !p->n_clones);
    agl_env_free(p);

    put_output(1);
    put_output(2);
    put_pop_vlan();             /* Cut off. */
    p = compile();
    CHECK(p->kind == AGL_PROGRAM_RUN && p->len == 16 && p->n_clones == 1);
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

    for (int i = 0; i < AGL_PKT_HEADROOM / 4; i++) {
        put_push_vlan(0x8100, 1);
    }
    put_pop_vlan();
    put_push_vlan(0x8100, 1);
    put_output(1);
    agl_env_free(compile());
    put_pop_vlan();             /* A frame without a tag gains no room. */
    for (int i = 0; i <= AGL_PKT_HEADROOM / 4; i++) {
        put_push_vlan(0x8100, 1);
    }
    refuse(AGILIO_E_INVAL, "VLAN");
}

/* Whatever the bytes: an answer, and what compiles runs. */
static void
random_wire(void)
{
    uint8_t bytes[FRAME_MAX];

    for (int i = 0; i < 20000; i++) {
        struct agl_program *program = NULL;
        const char *reason = NULL;

        wire_len = 0;
        for (uint32_t n = frame_random(4); n; n--) {
            uint16_t type = frame_random(AGILIO_N_ACTIONS + 1);

            for (int j = 0; j < 80; j++) {
                wire[wire_len + j] = frame_random_byte();
            }
            put(type, wire + wire_len,
                type && type < AGILIO_N_ACTIONS && frame_random(16)
                ? agl_actions[type]->len : 4 + frame_random(80));
        }
        wire_len -= wire_len && !frame_random(8);
        if (agl_program_compile(wire, wire_len, &program, &reason)) {
            CHECK(!program && reason);
        } else if (program->kind == AGL_PROGRAM_RUN) {
            const char *hex = frames[frame_random(N_FRAMES)].hex;

            run_bytes(program, bytes, frame_decode(hex, bytes));
        } else {
            agl_env_free(program);
        }
    }
    wire_len = 0;
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
    CHECK(n_sent == 3 && pool.n_free == MAX_SENT - 3);
    CHECK(is_sent(0, 0x10001, MACS "90000000"));
    CHECK(is_sent(1, 0x10002, MACS "88a8e123" "90000000"));
    CHECK(is_sent(2, 0x10003, MACS "90000000"));
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
    RUN(malformed);
    RUN(invalid);
    RUN(limits);
    RUN(random_wire);
    RUN(outputs);
    RUN(vlan);
    return summary();
}
