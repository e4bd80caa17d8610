/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - OUTPUT, COPY_TO_HOST and TO_HOST: where a packet goes.
 *
 * An output to a port that does not exist (any longer) is counted when it
 * happens, not refused: ports come and go under a flow.
 */

#include "action/program.h"

static bool
check_output(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_output *output
        = (const struct agilio_action_output *) action;

    if (agilio_from_le32(output->port) == AGILIO_PORT_NONE) {
        check->reason = "an output names no port";
        return false;
    }
    return true;
}

static void
go_output(const struct agilio_action *action, struct agl_pkt *pkt,
          struct agl_run *run)
{
    const struct agilio_action_output *output
        = (const struct agilio_action_output *) action;

    run->output(run, agilio_from_le32(output->port), pkt);
}

const struct agl_action_class agl_action_output = {
    .len = sizeof(struct agilio_action_output),
    .cuts = true,
    .steady = true,
    .check = check_output,
    .go = go_output,
};

static bool
check_copy_to_host(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_copy_to_host *copy
        = (const struct agilio_action_copy_to_host *) action;
    uint32_t len = agilio_from_le32(copy->len);

    if (!len || len > AGILIO_MAX_SAMPLE
        || agilio_from_le16(action->len)
           != sizeof *copy + AGILIO_ROUND_UP(len, 4)) {
        check->reason = "the actions of a COPY_TO_HOST have the wrong length";
        return false;
    }
    check->needs_hash = true;
    return true;
}

static void
go_copy_to_host(const struct agilio_action *action, struct agl_pkt *pkt,
                struct agl_run *run)
{
    const struct agilio_action_copy_to_host *copy
        = (const struct agilio_action_copy_to_host *) action;

    run->sample(run, copy + 1, agilio_from_le32(copy->len), pkt);
}

const struct agl_action_class agl_action_copy_to_host = {
    .len = sizeof(struct agilio_action_copy_to_host),
    .variable = true,
    .cuts = true,
    .check = check_copy_to_host,
    .go = go_copy_to_host,
};

static bool
check_to_host(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_to_host *to_host
        = (const struct agilio_action_to_host *) action;
    uint32_t reason = agilio_from_le32(to_host->reason);

    if (reason != AGILIO_FALLBACK_HOST && reason != AGILIO_FALLBACK_UNABLE) {
        check->reason = "TO_HOST gives no valid reason";
        return false;
    }
    check->to_host = sizeof *to_host;
    check->fallback = reason;
    return true;
}

const struct agl_action_class agl_action_to_host = {
    .len = sizeof(struct agilio_action_to_host),
    .check = check_to_host,
};
