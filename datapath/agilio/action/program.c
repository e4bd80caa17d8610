/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - compiles action programs and runs them.
 *
 * The control thread compiles when a flow is installed; a worker runs the
 * program for each packet of the flow.  Compiling copies the wire form once
 * and checks the copy, so what runs is what was checked.  Two bits of an
 * action's type say what checking found out:
 *
 *   LAST   nothing after it in its block has an effect: the packet itself may
 *          go, no copy is needed.
 *   IDLE   a block that does nothing.
 */

#include "action/program.h"

#define LAST (1u << 15)
#define IDLE (1u << 14)
AGILIO_ASSERT(!((LAST | IDLE) & AGILIO_ACTION_TYPE));

const struct agl_action_class *const agl_actions[AGILIO_N_ACTIONS] = {
#define AGILIO_ACTION(ENUM, NAME, HELP) \
    [AGILIO_ACTION_##ENUM] = &agl_action_##NAME,
    AGILIO_ACTIONS(AGILIO_ACTION)
#undef AGILIO_ACTION
};

/* ## -------- ##
 * ## Checking ##
 * ## -------- ## */

static void
mark(struct agilio_action *action, uint16_t bit)
{
    action->type = agilio_to_le16(agilio_from_le16(action->type) | bit);
}

bool
agl_check_grows(struct agl_check *check, uint32_t n)
{
    check->growth += n;
    if (check->growth > AGILIO_MAX_GROWTH) {
        check->reason = "the action program pushes too much";
        return false;
    }
    if (check->growth > check->max_growth) {
        check->max_growth = check->growth;
    }
    return true;
}

/* Checks the action in the 'left' bytes at 'action'. */
static int
check_action(struct agilio_action *action, size_t left,
             struct agl_check *check)
{
    const struct agl_action_class *class;
    uint16_t type, len;

    if (left < sizeof *action) {
        check->reason = "the action program ends within an action";
        return AGILIO_E_INVAL;
    }
    type = agilio_from_le16(action->type);
    len = agilio_from_le16(action->len);
    class = type < AGILIO_N_ACTIONS ? agl_actions[type] : NULL;
    if (!class) {
        check->reason = "the NIC does not know one of the actions";
        return AGILIO_E_OPNOTSUPP;
    }
    if (len > left || len % 4 || len < class->len
        || (len > class->len && !class->variable)) {
        check->reason = "an action has the wrong length";
        return AGILIO_E_INVAL;
    }
    return !class->check || class->check(action, check)
           ? AGILIO_E_OK : AGILIO_E_INVAL;
}

/* Counts one more way that the packet, or a copy, goes. */
static bool
check_way(struct agl_check *check)
{
    if (check->n_ways >= AGILIO_MAX_OUTPUTS) {
        check->reason = "the action program has too many outputs";
        return false;
    }
    check->n_ways++;
    return true;
}

/* Checks a program or a block, and marks its actions. */
static int
check_code(uint8_t *p, size_t len, struct agl_check *check)
{
    struct agilio_action *last = NULL;
    size_t ofs = 0;

    while (ofs < len) {
        struct agilio_action *action = (void *) (p + ofs);
        const struct agl_action_class *class;
        uint32_t n_effects = check->n_effects;
        int error;

        error = check_action(action, len - ofs, check);
        if (error) {
            return error;
        }
        class = agl_actions[agilio_from_le16(action->type)];
        ofs += agilio_from_le16(action->len);
        check->n_effects += class->go || class->admit;
        check->unsteady |= !class->steady;
        check->n_looks += class->looks_again;
        if (class->block && check->n_effects == n_effects) {
            mark(action, IDLE);
        } else if (class->block || class->go) {
            if (!check_way(check)) {
                return AGILIO_E_INVAL;
            }
            last = action;
        } else if (class->admit) {
            last = NULL;        /* It counts what it lets pass. */
        }
    }
    if (last) {
        mark(last, LAST);
        check->n_last++;
    }
    return AGILIO_E_OK;
}

bool
agl_check_block(struct agl_check *check, uint8_t *p, size_t len)
{
    uint32_t growth = check->growth;
    bool ok;

    if (check->depth == AGILIO_MAX_NESTING) {
        check->reason = "the action program nests too deeply";
        return false;
    }
    check->depth++;
    ok = !check_code(p, len, check);
    check->depth--;
    check->growth = growth;     /* It worked on a copy. */
    return ok;
}

/* The port of a program that is one OUTPUT. */
static uint32_t
only_output(const struct agl_program *program)
{
    const struct agilio_action_output *output = (const void *) program->code;

    if (program->len != sizeof *output
        || output->action.type
           != agilio_to_le16(AGILIO_ACTION_OUTPUT | LAST)) {
        return AGILIO_PORT_NONE;
    }
    return agilio_from_le32(output->port);
}

/* The id of a program that is one RECIRC. */
static agilio_le32
only_recirc(const struct agl_program *program)
{
    const struct agilio_action_recirc *recirc = (const void *) program->code;

    if (program->len != sizeof *recirc
        || recirc->action.type
           != agilio_to_le16(AGILIO_ACTION_RECIRC | LAST)) {
        return agilio_to_le32(0);
    }
    return recirc->recirc_id;
}

/* The TUNNEL_POP of a program that is one, else NULL. */
static const struct agilio_action_tunnel_pop *
only_pop(const struct agl_program *program)
{
    const struct agilio_action_tunnel_pop *pop = (const void *) program->code;

    return (program->len == sizeof *pop
            && pop->action.type == agilio_to_le16(AGILIO_ACTION_TUNNEL_POP
                                                  | LAST) ? pop : NULL);
}

/* Checks 'program', its code being the wire form, and fills in the rest. */
static int
check_program(struct agl_program *program, struct agl_check *check)
{
    int error = check_code(program->code, program->len, check);
    const struct agilio_action_tunnel_pop *pop;

    if (error) {
        return error;
    }
    if (check->to_host) {
        if (program->len != check->to_host) {
            check->reason = "TO_HOST is not the only action";
            return AGILIO_E_INVAL;
        }
        program->kind = AGL_PROGRAM_TO_HOST;
        program->reason = check->fallback;
    } else if (check->n_effects) {
        program->kind = AGL_PROGRAM_RUN;
    }
    program->n_clones = check->n_ways - check->n_last;
    program->growth = check->max_growth;
    program->reads_hash = (check->needs_hash
                           || program->kind == AGL_PROGRAM_TO_HOST);
    program->looks_again = check->n_looks > 0;
    program->needs_hash = check->needs_hash || check->recirculates;
    program->steady = check->n_looks == 1 && !check->unsteady;
    program->port = only_output(program);
    program->recirc_id = only_recirc(program);
    pop = only_pop(program);
    if (pop) {
        program->pop = agilio_from_le32(pop->type);
        program->pop_port = pop->port;
    }
    return AGILIO_E_OK;
}

int
agl_program_compile(const void *wire, size_t len,
                    struct agl_program **programp, const char **reason)
{
    struct agl_check check = { .reason = NULL };
    struct agl_program *program;
    int error;

    if (len > AGILIO_MAX_PROGRAM) {
        *reason = "the action program is too long";
        return AGILIO_E_INVAL;
    }
    program = agl_env_alloc(sizeof *program + len);
    if (!program) {
        *reason = "the NIC is out of memory";
        return AGILIO_E_NOBUFS;
    }
    program->kind = AGL_PROGRAM_DROP;
    program->n_users = 1;
    program->len = (uint32_t) len;
    if (len) {
        memcpy(program->code, wire, len);
    }
    error = check_program(program, &check);
    if (error) {
        agl_env_free(program);
        *reason = check.reason;
        return error;
    }
    *programp = program;
    return AGILIO_E_OK;
}

/* ## ------- ##
 * ## Running ##
 * ## ------- ## */

uint32_t
agl_run_random(struct agl_run *run)
{
    /* xorshift64* (Marsaglia 2003, Vigna 2016). */
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return (uint32_t) ((run->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

/* The packet that an action gets: 'pkt' itself or a copy.  What TRUNC said of
 * it holds for the first that 'cuts', and not in a block that does not. */
static struct agl_pkt *
take(const struct agl_action_class *class, bool last, struct agl_pkt *pkt,
     struct agl_run *run)
{
    struct agl_pkt *taken = last ? pkt : agl_pkt_clone(run->pool, pkt);

    if (!class->cuts) {
        taken->trunc = false;
    } else if (!last) {
        agl_pkt_uncut(pkt);
    }
    return taken;
}

/* Runs 'code' on 'pkt', which it takes over.  True if that was its end. */
static bool
run_code(struct agl_code code, struct agl_pkt *pkt, struct agl_run *run)
{
    while (code.len) {
        const struct agilio_action *action = (const void *) code.p;
        uint16_t type = agilio_from_le16(action->type);
        uint16_t len = agilio_from_le16(action->len);
        const struct agl_action_class *class = agl_actions[type
                                                         & AGILIO_ACTION_TYPE];
        bool last = type & LAST;

        code.p += len;
        code.len -= len;
        if (class->run) {
            class->run(action, pkt);
        } else if (class->admit) {
            if (!class->admit(action, pkt, run)) {
                return true;
            }
        } else if (class->go) {
            struct agl_pkt *taken = take(class, last, pkt, run);

            if (class->cuts) {
                agl_pkt_cut(taken);
            }
            class->go(action, taken, run);
            if (last) {
                return !class->looks_again;
            }
        } else if (type & IDLE) {
            if (class->cuts) {
                agl_pkt_uncut(pkt);     /* The copy that it would get. */
            }
        } else {
            struct agl_code block = class->block(action, pkt, run);

            if (block.len && last) {
                code = block;
                take(class, true, pkt, run);
            } else if (block.len) {
                run_code(block, take(class, false, pkt, run), run);
            }
        }
    }
    agl_pkt_free(run->pool, pkt);
    return true;
}

bool
agl_program_run(const struct agl_program *program, struct agl_pkt *pkt,
                struct agl_run *run)
{
    const struct agl_code code = { program->code, program->len };

    return run_code(code, pkt, run);
}
