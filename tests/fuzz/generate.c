/* SPDX-License-Identifier: Apache-2.0 */
/* generate.c - see generate.h. */

#include "generate.h"

#include "action/program.h"
#include "frames.h"
#include "pkt/pkt.h"

#define MAX_ACTIONS 12          /* Of a program or a block. */
#define MAX_DEPTH 3             /* Of blocks. */
#define MAX_REST 320            /* Bytes behind an action's struct. */
#define RAW 32                  /* One in so many programs is not checked. */

/* Operands that would hardly ever be right by chance. */
enum kind {
    PORT,                       /* One of the names' ports, often. */
    RECIRC_ID,
    OBJECT,
    FEW,                        /* A small number. */
    LENGTH,                     /* Somewhat larger. */
    REST,                       /* How many bytes follow the struct. */
    MPLS,                       /* An Ethernet type of MPLS. */
};

static const struct hint {
    uint16_t type, ofs, size;
    enum kind kind;
} hints[] = {
#define HINT(ENUM, STRUCT, MEMBER, KIND)                            \
    { AGILIO_ACTION_##ENUM,                                         \
      offsetof(struct agilio_action_##STRUCT, MEMBER),              \
      sizeof ((struct agilio_action_##STRUCT *) NULL)->MEMBER, KIND }
    HINT(OUTPUT, output, port, PORT),
    HINT(TO_HOST, to_host, reason, FEW),
    HINT(COPY_TO_HOST, copy_to_host, len, REST),
    HINT(LB_OUTPUT, lb_output, bond, OBJECT),
    HINT(RECIRC, recirc, recirc_id, RECIRC_ID),
    HINT(TUNNEL_POP, tunnel_pop, type, FEW),
    HINT(TUNNEL_POP, tunnel_pop, port, PORT),
    HINT(TUNNEL_PUSH, tunnel_push, port, PORT),
    HINT(TUNNEL_PUSH, tunnel_push, header_len, REST),
    HINT(CHECK_PKT_LEN, check_pkt_len, pkt_len, LENGTH),
    HINT(METER, meter, meter, OBJECT),
    HINT(TRUNC, trunc, max_len, LENGTH),
    HINT(HASH, hash, alg, FEW),
    HINT(PUSH_MPLS, push_mpls, eth_type, MPLS),
    HINT(PUSH_MPLS, push_mpls, at_front, FEW),
    HINT(PUSH_NSH, push_nsh, header_len, REST),
    HINT(SET_TUNNEL, set_tunnel,
         tunnel[offsetof(struct agilio_tunnel, opts_len)], REST),
#undef HINT
};

/* What may follow the struct of an action: the input only changes it. */
static const struct template {
    uint16_t type;
    uint16_t subtype;           /* At offset 4, if not 0. */
    const char *hex;
} templates[] = {
#define UDP_TO(PORT) "0000" PORT "0000" "0000"
    { AGILIO_ACTION_TUNNEL_PUSH, AGILIO_TUNNEL_VXLAN,
      MACS "0800" IP4("0000", "4000", "11") UDP_TO("12b5")
      "0800000000007b00" },
    { AGILIO_ACTION_TUNNEL_PUSH, AGILIO_TUNNEL_GENEVE,
      MACS "86dd" IP6("0000", "11") "0000" "17c1" "0000" "ffff"
      "0240655800007b00" "0102800112345678" },
    { AGILIO_ACTION_TUNNEL_PUSH, AGILIO_TUNNEL_GTPU,
      MACS "0800" IP4("0000", "4000", "11") UDP_TO("0868")
      "30ff000000000007" },
    { AGILIO_ACTION_TUNNEL_PUSH, AGILIO_TUNNEL_GRE,
      MACS "0800" IP4("0000", "4000", "2f") "b0006558" "00000000"
      "00007b00" },
    { AGILIO_ACTION_TUNNEL_PUSH, AGILIO_TUNNEL_ERSPAN,
      MACS "86dd" IP6("0000", "2f") "100088be" "00000000" "1000000a"
      "00000000" },
    { AGILIO_ACTION_PUSH_NSH, 0,
      "0fc60103" "00000aff" "00000001" "00000002" "00000003" "00000004" },
    { AGILIO_ACTION_PUSH_NSH, 0, "0fc40203" "00000aff" "0103010411223344" },
#undef UDP_TO
};

/* A program in the making. */
struct generator {
    struct fuzz_input *in;
    const struct fuzz_names *names;
    uint8_t *code;
    size_t len;
};

static uint32_t
fitting(struct generator *g, const struct hint *hint, size_t rest)
{
    uint32_t x = fuzz_u8(g->in);

    switch (hint->kind) {
    case PORT:
        return x < 240 ? g->names->ports[x % g->names->n_ports]
               : fuzz_u32(g->in);
    case RECIRC_ID:
        return 1 + x % g->names->n_recirc_ids;
    case OBJECT:
        return agilio_port_id(x % g->names->n_objects, 1);
    case FEW:
        return x % 8;
    case LENGTH:
        return x < 200 ? x * 8 : fuzz_u16(g->in);
    case REST:
        return (uint32_t) rest;
    case MPLS:
        return agilio_to_be16(x & 1 ? 0x8848 : 0x8847);
    default:
        return x;
    }
}

/* Gives the operands of 'action' values that fit.  'rest': the bytes behind
 * its struct. */
static void
apply_hints(struct generator *g, uint16_t type, uint8_t *action, size_t rest)
{
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(hints); i++) {
        const struct hint *hint = &hints[i];

        if (hint->type == type) {
            agilio_le32 x = agilio_to_le32(fitting(g, hint, rest));

            memcpy(action + hint->ofs, &x, hint->size);
        }
    }
}

static bool
is_good(const struct generator *g, size_t from)
{
    struct agl_program *program;
    const char *reason;

    if (agl_program_compile(g->code + from, g->len - from, &program,
                            &reason)) {
        FUZZ_MUST(reason && *reason);
        return false;
    }
    agl_env_free(program);
    return true;
}

static void generate_actions(struct generator *, uint32_t depth, bool raw);

/* The blocks of the action that begins at 'begin'. */
static void
generate_blocks(struct generator *g, size_t begin, uint16_t type,
                uint32_t depth, bool raw)
{
    size_t first = g->len;

    generate_actions(g, depth + 1, raw);
    if (type == AGILIO_ACTION_CHECK_PKT_LEN) {
        const size_t ofs = offsetof(struct agilio_action_check_pkt_len,
                                    greater_len);
        agilio_le16 len = agilio_to_le16((uint16_t) (g->len - first));

        memcpy(g->code + begin + ofs, &len, sizeof len);
        generate_actions(g, depth + 1, raw);
    }
}

/* Puts behind the struct of 'action', of 'len' bytes, what may follow it, with
 * a few changes.  Returns its length, 0 if there is no template. */
static size_t
apply_template(struct generator *g, uint16_t type, uint8_t *action,
               size_t len)
{
    uint32_t choice = fuzz_u8(g->in);

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(templates); i++) {
        const struct template *t
            = &templates[(choice + i) % AGILIO_ARRAY_SIZE(templates)];

        if (t->type == type) {
            agilio_le32 subtype = agilio_to_le32(t->subtype);
            size_t n = frame_decode(t->hex, action + len);

            if (t->subtype) {
                memcpy(action + 4, &subtype, sizeof subtype);
            }
            for (uint32_t j = fuzz_u8(g->in) % 4; j; j--) {
                uint32_t at = fuzz_u8(g->in) % n;

                action[len + at] = fuzz_u8(g->in);
            }
            return n;
        }
    }
    return 0;
}

/* Appends an action with all that is in it but its header and its blocks.
 * Returns false if there is no room. */
static bool
generate_plain(struct generator *g, uint16_t type)
{
    const struct agl_action_class *class = agl_actions[type];
    uint8_t *action = g->code + g->len;
    size_t rest = 0;

    if (g->len + class->len + MAX_REST > AGILIO_MAX_PROGRAM) {
        return false;
    }
    memset(action, 0, class->len + MAX_REST);
    fuzz_bytes(g->in, action + sizeof(struct agilio_action),
               class->len - sizeof(struct agilio_action));
    if (class->variable && !class->block) {
        rest = apply_template(g, type, action, class->len);
        if (!rest) {
            rest = fuzz_u16(g->in) % (MAX_REST + 1);
            fuzz_bytes(g->in, action + class->len, (uint32_t) rest);
        }
    }
    apply_hints(g, type, action, rest);
    g->len += class->len + AGILIO_ROUND_UP(rest, 4);
    return true;
}

/* Appends an action with all that is in it. */
static void
generate_action(struct generator *g, uint16_t type, uint32_t depth, bool raw)
{
    size_t begin = g->len;
    struct agilio_action action;

    if (!generate_plain(g, type)) {
        return;
    }
    if (agl_actions[type]->block && depth < MAX_DEPTH) {
        generate_blocks(g, begin, type, depth, raw);
    }
    action = (struct agilio_action) {
        .type = agilio_to_le16(type),
        .len = agilio_to_le16((uint16_t) (g->len - begin)),
    };
    memcpy(g->code + begin, &action, sizeof action);
}

/* Appends a few actions.  If not 'raw', only such as can be. */
static void
generate_actions(struct generator *g, uint32_t depth, bool raw)
{
    uint32_t n = fuzz_u8(g->in) % (MAX_ACTIONS + 1);
    size_t begin = g->len;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t choice = fuzz_u8(g->in);
        size_t before = g->len;

        generate_action(g, 1 + choice % (AGILIO_N_ACTIONS - 1), depth, raw);
        if (!raw && !is_good(g, begin)) {
            g->len = before;
        }
    }
}

size_t
fuzz_program(struct fuzz_input *in, const struct fuzz_names *names,
             uint8_t *code)
{
    struct generator g = { .in = in, .names = names, .code = code };

    generate_actions(&g, 0, fuzz_u8(in) % RAW == RAW - 1);
    return g.len;
}

void
fuzz_match(struct fuzz_input *in, const struct fuzz_names *names,
           const struct agilio_key *packet,
           struct agilio_key *key, struct agilio_key *mask)
{
    uint32_t recirc_id = fuzz_u8(in);
    uint64_t map = fuzz_u64(in), bits = UINT64_MAX;
    uint64_t words[AGILIO_KEY_WORDS];

    if (map >> 63) {
        bits = fuzz_u64(in);
    }
    memset(words, 0, sizeof words);
    for (uint32_t i = 0; i < AGILIO_KEY_WORDS; i++) {
        words[i] = map >> i & 1 ? bits : 0;
    }
    memcpy(mask, words, sizeof *mask);
    mask->md.in_port = mask->md.recirc_id = agilio_to_le32(UINT32_MAX);

    *key = *packet;
    if (!key->md.in_port) {
        key->md.in_port = agilio_to_le32(names->ports[0]);
    }
    if (recirc_id < 128) {
        recirc_id %= names->n_recirc_ids + 1;
        key->md.recirc_id = agilio_to_le32(recirc_id);
    }
    memcpy(words, key, sizeof words);
    for (uint32_t i = 0; i < AGILIO_KEY_WORDS; i++) {
        uint64_t word;

        memcpy(&word, (const uint8_t *) mask + i * sizeof word, sizeof word);
        words[i] &= word;
    }
    memcpy(key, words, sizeof words);
}
