/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.c - from a FLOW_PUT message to a flow.
 *
 * The control thread calls this for each message, before any worker hears of
 * the flow: what comes out is right, and the workers use it unchecked.  The
 * message's layout is with struct agilio_flow_put in msg.h.
 *
 * The words of key and mask stay in the order that they have in memory, on the
 * wire, in a flow and in struct agilio_key alike, so they are only ever copied
 * and compared; nothing here depends on byte order.
 */

#include "table/flow.h"

/* What the message says, pointing into it. */
struct put {
    uint32_t id;
    uint32_t n_words;
    uint32_t program_len;
    uint64_t map;
    const uint8_t *key;
    const uint8_t *mask;
    const uint8_t *program;
};

static int
fail(const char **reason, int error, const char *text)
{
    *reason = text;
    return error;
}

static uint64_t
get_word(const uint8_t *words, uint32_t i)
{
    uint64_t word;

    memcpy(&word, words + i * sizeof word, sizeof word);
    return word;
}

static uint32_t
count_words(uint64_t map)
{
    uint32_t n = 0;

    for (; map; map &= map - 1) {
        n++;
    }
    return n;
}

/* Finds the parts of the message and checks that they are all there. */
static int
decode(struct agilio_reader *body, struct put *put, const char **reason)
{
    put->id = agilio_get_u32(body);
    put->n_words = agilio_get_u16(body);
    put->program_len = agilio_get_u16(body);
    put->map = agilio_get_u64(body);
    if (body->bad) {
        return fail(reason, AGILIO_E_PROTO, "the flow's head is cut short");
    }
    if (put->map >> AGILIO_KEY_WORDS) {
        return fail(reason, AGILIO_E_INVAL,
                    "the flow's map names words beyond the key");
    }
    if (put->n_words != count_words(put->map)) {
        return fail(reason, AGILIO_E_INVAL,
                    "the flow's number of words is not that of its map");
    }

    put->key = agilio_get_bytes(body, put->n_words * sizeof(uint64_t));
    put->mask = agilio_get_bytes(body, put->n_words * sizeof(uint64_t));
    put->program = agilio_get_bytes(body, put->program_len);
    if (body->bad) {
        return fail(reason, AGILIO_E_PROTO,
                    "the flow's match or program is cut short");
    }
    if (body->p != body->end) {
        return fail(reason, AGILIO_E_PROTO,
                    "bytes are left over after the flow's program");
    }
    return 0;
}

/* Checks what the match says. */
static int
check(const struct put *put, uint32_t max_flows, const char **reason)
{
    struct agilio_key mask;

    if (put->id >= max_flows) {
        return fail(reason, AGILIO_E_INVAL, "the flow's id is out of range");
    }

    /* Word 0 has the two fields that every flow must match exactly: without
     * them a packet of one port, or of one step of recirculation, could be
     * taken for one of another. */
    memset(&mask, 0, sizeof mask);
    if (put->map & 1) {
        memcpy(&mask, put->mask, sizeof(uint64_t));
    }
    if (agilio_from_le32(mask.md.in_port) != UINT32_MAX) {
        return fail(reason, AGILIO_E_INVAL,
                    "the flow's in_port is not matched exactly");
    }
    if (agilio_from_le32(mask.md.recirc_id) != UINT32_MAX) {
        return fail(reason, AGILIO_E_INVAL,
                    "the flow's recirc_id is not matched exactly");
    }

    for (uint32_t i = 0; i < put->n_words; i++) {
        if (get_word(put->key, i) & ~get_word(put->mask, i)) {
            return fail(reason, AGILIO_E_INVAL,
                        "the flow's key has bits that its mask has not");
        }
    }
    return 0;
}

/* Fills in the match, without the words that do not matter. */
static void
set_match(struct agl_flow *flow, const struct put *put)
{
    uint32_t src = 0, n = 0;

    for (uint32_t i = 0; i < AGILIO_KEY_WORDS; i++) {
        uint64_t bit = UINT64_C(1) << i;

        if (put->map & bit) {
            if (get_word(put->mask, src)) {
                flow->map |= bit;
                flow->words[n++] = get_word(put->key, src);
            }
            src++;
        }
    }
    flow->n_words = n;
    for (src = 0; src < put->n_words; src++) {
        if (get_word(put->mask, src)) {
            flow->words[n++] = get_word(put->mask, src);
        }
    }
}

int
agl_flow_create(struct agilio_reader *body, uint32_t max_flows,
                struct agl_flow **flowp, const char **reason)
{
    struct agl_program *program;
    struct agl_flow *flow;
    struct put put;
    int error;

    *flowp = NULL;
    error = decode(body, &put, reason);
    if (!error) {
        error = check(&put, max_flows, reason);
    }
    if (!error) {
        error = agl_program_compile(put.program, put.program_len, &program,
                                    reason);
    }
    if (error) {
        return error;
    }

    flow = agl_env_alloc(sizeof *flow
                         + 2 * put.n_words * sizeof flow->words[0]);
    if (!flow) {
        agl_env_free(program);
        return fail(reason, AGILIO_E_NOBUFS, "no memory for the flow");
    }
    flow->id = put.id;
    flow->program = program;
    flow->port = program->port;
    set_match(flow, &put);
    *flowp = flow;
    return 0;
}

struct agl_flow *
agl_flow_copy(const struct agl_flow *flow)
{
    size_t size = sizeof *flow + 2 * flow->n_words * sizeof flow->words[0];
    struct agl_flow *copy = agl_env_alloc(size);

    if (copy) {
        memcpy(copy, flow, size);
        copy->program->n_users++;
    }
    return copy;
}

void
agl_flow_destroy(struct agl_flow *flow)
{
    if (flow) {
        if (!--flow->program->n_users) {
            agl_env_free(flow->program);
        }
        agl_env_free(flow);
    }
}
