/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - OUTPUT and TO_HOST: where a packet goes.
 *
 * Only their check() is here.  program.c does what they say, since it owns the
 * packet.  An output to a port that does not exist (any longer) is counted
 * when it happens, not refused: ports come and go under a flow.
 */

#include "action/program.h"

static bool
check_output(const struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_output *output
        = (const struct agilio_action_output *) action;

    if (agilio_from_le32(output->port) == AGILIO_PORT_NONE) {
        check->reason = "an output names no port";
        return false;
    }
    return agl_check_way(check);
}

const struct agl_action_class agl_action_output = {
    .len = sizeof(struct agilio_action_output),
    .check = check_output,
};

static bool
check_to_host(const struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_to_host *to_host
        = (const struct agilio_action_to_host *) action;
    uint32_t reason = agilio_from_le32(to_host->reason);

    if (reason != AGILIO_FALLBACK_HOST && reason != AGILIO_FALLBACK_UNABLE) {
        check->reason = "TO_HOST gives no valid reason";
        return false;
    }
    return true;
}

const struct agl_action_class agl_action_to_host = {
    .len = sizeof(struct agilio_action_to_host),
    .check = check_to_host,
};
