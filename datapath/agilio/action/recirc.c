/* SPDX-License-Identifier: Apache-2.0 */
/* recirc.c - RECIRC and HASH: looking a packet up again. */

#include "action/program.h"
#include "pkt/key-hash.h"
#include "pkt/parse.h"

static bool
check_recirc(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_recirc *recirc
        = (const struct agilio_action_recirc *) action;

    if (!agilio_from_le32(recirc->recirc_id)) {
        check->reason = "RECIRC needs a recirc_id";
        return false;
    }
    check->recirculates = true;
    return true;
}

static void
go_recirc(const struct agilio_action *action, struct agl_pkt *pkt,
          struct agl_run *run)
{
    const struct agilio_action_recirc *recirc
        = (const struct agilio_action_recirc *) action;

    pkt->md.recirc_id = recirc->recirc_id;
    run->recirc(run, pkt);
}

const struct agl_action_class agl_action_recirc = {
    .len = sizeof(struct agilio_action_recirc),
    .looks_again = true,
    .steady = true,
    .check = check_recirc,
    .go = go_recirc,
};

static bool
check_hash(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_hash *hash
        = (const struct agilio_action_hash *) action;
    uint32_t alg = agilio_from_le32(hash->alg);

    if (alg > AGILIO_HASH_KERNEL) {
        check->reason = "the NIC does not know a hash algorithm";
        return false;
    }
    check->needs_hash = true;
    return true;
}

static uint32_t
hash_kernel(struct agl_pkt *pkt, uint32_t basis)
{
    if (!pkt->has_hash) {
        struct agilio_key key;

        agl_parse(pkt, pkt->options, &key);
        agl_pkt_set_hash(pkt, &key);
    }
    return agl_hash_mix_kernel(pkt->flow_hash, basis);
}

static void
run_hash(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_hash *hash
        = (const struct agilio_action_hash *) action;
    bool symmetric = agilio_from_le32(hash->alg) == AGILIO_HASH_SYM_L4;
    uint32_t basis = agilio_from_le32(hash->basis);
    uint32_t dp_hash;

    if (agilio_from_le32(hash->alg) == AGILIO_HASH_KERNEL) {
        dp_hash = hash_kernel(pkt, basis);
    } else if (symmetric || !pkt->has_hash) {
        struct agilio_key key;

        agl_parse(pkt, pkt->options, &key);     /* As it is by now. */
        dp_hash = (symmetric ? agl_key_hash_symmetric(&key, basis)
                   : agl_key_hash_basis(&key, basis));
        if (!pkt->has_hash && agl_pkt_is_hashed(pkt, &key)) {
            agl_pkt_set_hash(pkt, &key);
        }
    } else {
        dp_hash = agl_hash_mix(pkt->flow_hash, basis);
    }
    pkt->md.dp_hash = agilio_to_le32(dp_hash);
}

const struct agl_action_class agl_action_hash = {
    .len = sizeof(struct agilio_action_hash),
    .check = check_hash,
    .run = run_hash,
};
