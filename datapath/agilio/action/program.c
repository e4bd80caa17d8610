/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - compiles action programs and runs them.
 *
 * The control thread compiles when a flow is installed; a worker runs the
 * program for each packet of the flow.  Compiling copies the wire form once
 * and checks the copy, so what runs is what was checked.
 */

#include "action/program.h"

const struct agl_action_class *const agl_actions[AGILIO_N_ACTIONS] = {
#define AGILIO_ACTION(ENUM, NAME, HELP) \
    [AGILIO_ACTION_##ENUM] = &agl_action_##NAME,
    AGILIO_ACTIONS(AGILIO_ACTION)
#undef AGILIO_ACTION
};

bool
agl_check_way(struct agl_check *check)
{
    if (check->n_outputs >= AGILIO_MAX_OUTPUTS) {
        check->reason = "the action program has too many outputs";
        return false;
    }
    check->n_outputs++;
    return true;
}

static const struct agilio_action *
action_at(const struct agl_program *program, size_t ofs)
{
    return (const void *) (program->code + ofs);
}

/* Checks the action in the 'left' bytes at 'action'. */
static int
check_action(const struct agilio_action *action, size_t left,
             struct agl_check *check)
{
    const struct agl_action_class *class;
    uint16_t type;

    if (left < sizeof *action) {
        check->reason = "the action program ends within an action";
        return AGILIO_E_INVAL;
    }
    type = agilio_from_le16(action->type);
    class = type < AGILIO_N_ACTIONS ? agl_actions[type] : NULL;
    if (!class) {
        check->reason = "the NIC does not know one of the actions";
        return AGILIO_E_OPNOTSUPP;
    }
    if (agilio_from_le16(action->len) != class->len || class->len > left) {
        check->reason = "an action has the wrong length";
        return AGILIO_E_INVAL;
    }
    return !class->check || class->check(action, check)
           ? AGILIO_E_OK : AGILIO_E_INVAL;
}

/* Checks 'program', its code being the wire form, and fills in the rest. */
static int
check_program(struct agl_program *program, struct agl_check *check)
{
    size_t ofs = 0, end = 0;

    while (ofs < program->len) {
        const struct agilio_action *action = action_at(program, ofs);
        uint16_t type;
        int error;

        error = check_action(action, program->len - ofs, check);
        if (error) {
            return error;
        }
        type = agilio_from_le16(action->type);
        if (type == AGILIO_ACTION_TO_HOST) {
            const struct agilio_action_to_host *to_host
                = (const struct agilio_action_to_host *) action;

            if (program->len != sizeof *to_host) {
                check->reason = "TO_HOST is not the only action";
                return AGILIO_E_INVAL;
            }
            program->kind = AGL_PROGRAM_TO_HOST;
            program->reason = agilio_from_le32(to_host->reason);
        }
        ofs += agilio_from_le16(action->len);
        program->needs_hash |= (type == AGILIO_ACTION_HASH
                                || type == AGILIO_ACTION_RECIRC);
        if (type == AGILIO_ACTION_OUTPUT || type == AGILIO_ACTION_RECIRC) {
            program->kind = AGL_PROGRAM_RUN;
            program->ends_here = type == AGILIO_ACTION_OUTPUT;
            end = ofs;
        }
    }
    program->n_clones = check->n_outputs ? check->n_outputs - 1 : 0;
    program->len = end;
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
    program->ends_here = true;
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

/* Lets 'pkt' go the way that an OUTPUT or RECIRC says. */
static void
go(const struct agilio_action *action, struct agl_pkt *pkt,
   struct agl_run *run)
{
    if (agilio_from_le16(action->type) == AGILIO_ACTION_OUTPUT) {
        const struct agilio_action_output *output
            = (const struct agilio_action_output *) action;

        run->output(run, agilio_from_le32(output->port), pkt);
    } else {
        const struct agilio_action_recirc *recirc
            = (const struct agilio_action_recirc *) action;

        run->recirc(run, agilio_from_le32(recirc->recirc_id), pkt);
    }
}

void
agl_program_run(const struct agl_program *program, struct agl_pkt *pkt,
                struct agl_run *run)
{
    size_t ofs = 0;

    while (ofs < program->len) {
        const struct agilio_action *action = action_at(program, ofs);
        uint16_t type = agilio_from_le16(action->type);
        const struct agl_action_class *class = agl_actions[type];

        ofs += class->len;
        if (class->run) {
            class->run(action, pkt);
        } else if (ofs < program->len) {
            go(action, agl_pkt_clone(run->pool, pkt), run);
        } else {
            /* Code ends with such an action: there goes the packet. */
            go(action, pkt, run);
        }
    }
}
