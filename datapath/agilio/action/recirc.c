/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recirc.c - RECIRC and HASH: looking a packet up again.
 *
 * RECIRC is a way that a packet goes, as OUTPUT is, so program.c does it; only
 * its check() is here.
 */

#include "action/program.h"
#include "pkt/key-hash.h"

static bool
check_recirc(const struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_recirc *recirc
        = (const struct agilio_action_recirc *) action;

    if (!agilio_from_le32(recirc->recirc_id)) {
        check->reason = "RECIRC needs a recirc_id";
        return false;
    }
    return agl_check_way(check);
}

const struct agl_action_class agl_action_recirc = {
    .len = sizeof(struct agilio_action_recirc),
    .check = check_recirc,
};

static void
run_hash(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_hash *hash
        = (const struct agilio_action_hash *) action;

    pkt->dp_hash = agl_hash_mix(pkt->flow_hash,
                                agilio_from_le32(hash->basis));
}

const struct agl_action_class agl_action_hash = {
    .len = sizeof(struct agilio_action_hash),
    .run = run_hash,
};
