/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - SET_META: what is known of a packet beyond its bytes, as far as
 * flows may set it; set-tunnel.c has the tunnel's part.
 */

#include "action/set.h"

static void
run_set_meta(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_meta *set
        = (const struct agilio_action_set_meta *) action;
    struct agilio_metadata *md = &pkt->md;

    md->skb_priority = AGL_MERGE(md->skb_priority, set->priority,
                                 set->priority_mask);
    md->pkt_mark = AGL_MERGE(md->pkt_mark, set->mark, set->mark_mask);
    md->dp_hash = AGL_MERGE(md->dp_hash, set->dp_hash, set->dp_hash_mask);
    md->recirc_id = AGL_MERGE(md->recirc_id, set->recirc_id,
                              set->recirc_id_mask);
}

const struct agl_action_class agl_action_set_meta = {
    .len = sizeof(struct agilio_action_set_meta),
    .steady = true,
    .run = run_set_meta,
};
