/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.c - CLONE, SAMPLE and CHECK_PKT_LEN, which have actions in them, and
 * TRUNC.
 *
 * A block's actions fill the rest of the action, whose length is known to be
 * right; program.c runs them.
 */

#include "action/program.h"
#include "pkt/headers.h"

/* The rest of an action that begins with 'head' bytes. */
static struct agl_code
rest(const struct agilio_action *action, size_t head)
{
    return (struct agl_code) {
        .p = (const uint8_t *) action + head,
        .len = agilio_from_le16(action->len) - head,
    };
}

static bool
check_rest(struct agilio_action *action, size_t head, struct agl_check *check)
{
    return agl_check_block(check, (uint8_t *) action + head,
                           agilio_from_le16(action->len) - head);
}

/* ## ----- ##
 * ## CLONE ##
 * ## ----- ## */

static bool
check_clone(struct agilio_action *action, struct agl_check *check)
{
    return check_rest(action, sizeof(struct agilio_action_clone), check);
}

static struct agl_code
block_clone(const struct agilio_action *action, struct agl_pkt *pkt,
            struct agl_run *run)
{
    (void) pkt;
    (void) run;
    return rest(action, sizeof(struct agilio_action_clone));
}

const struct agl_action_class agl_action_clone = {
    .len = sizeof(struct agilio_action_clone),
    .variable = true,
    .cuts = true,
    .check = check_clone,
    .block = block_clone,
};

/* ## ------ ##
 * ## SAMPLE ##
 * ## ------ ## */

static bool
check_sample(struct agilio_action *action, struct agl_check *check)
{
    return check_rest(action, sizeof(struct agilio_action_sample), check);
}

static struct agl_code
block_sample(const struct agilio_action *action, struct agl_pkt *pkt,
             struct agl_run *run)
{
    const struct agilio_action_sample *sample
        = (const struct agilio_action_sample *) action;

    (void) pkt;
    return agl_run_random(run) < agilio_from_le32(sample->probability)
           ? rest(action, sizeof *sample)
           : (struct agl_code) { NULL, 0 };
}

const struct agl_action_class agl_action_sample = {
    .len = sizeof(struct agilio_action_sample),
    .variable = true,
    .check = check_sample,
    .block = block_sample,
};

/* ## ------------- ##
 * ## CHECK_PKT_LEN ##
 * ## ------------- ## */

static bool
check_check_pkt_len(struct agilio_action *action, struct agl_check *check)
{
    struct agilio_action_check_pkt_len *cpl
        = (struct agilio_action_check_pkt_len *) action;
    size_t len = agilio_from_le16(action->len) - sizeof *cpl;
    size_t greater_len = agilio_from_le16(cpl->greater_len);
    uint8_t *p = (uint8_t *) (cpl + 1);

    if (greater_len > len || greater_len % 4) {
        check->reason = "the blocks of a CHECK_PKT_LEN have the wrong length";
        return false;
    }
    return agl_check_block(check, p, greater_len)
           && agl_check_block(check, p + greater_len, len - greater_len);
}

/* What pads the frame behind the packet does not count. */
static struct agl_code
block_check_pkt_len(const struct agilio_action *action, struct agl_pkt *pkt,
                    struct agl_run *run)
{
    const struct agilio_action_check_pkt_len *cpl
        = (const struct agilio_action_check_pkt_len *) action;
    uint32_t greater_len = agilio_from_le16(cpl->greater_len);
    struct agl_code code = rest(action, sizeof *cpl);
    uint32_t len = pkt->len - pkt->cut - pkt->pad_len;

    (void) run;
    if (len > agilio_from_le16(cpl->pkt_len)) {
        code.len = greater_len;
    } else {
        code.p += greater_len;
        code.len -= greater_len;
    }
    return code;
}

const struct agl_action_class agl_action_check_pkt_len = {
    .len = sizeof(struct agilio_action_check_pkt_len),
    .variable = true,
    .check = check_check_pkt_len,
    .block = block_check_pkt_len,
};

/* ## ----- ##
 * ## TRUNC ##
 * ## ----- ## */

static bool
check_trunc(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_trunc *trunc
        = (const struct agilio_action_trunc *) action;

    if (agilio_from_le32(trunc->max_len) < AGL_ETH_LEN) {
        check->reason = "TRUNC would cut the Ethernet header";
        return false;
    }
    return true;
}

static void
run_trunc(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_trunc *trunc
        = (const struct agilio_action_trunc *) action;
    uint32_t max_len = agilio_from_le32(trunc->max_len);

    pkt->trunc = true;
    pkt->cut = pkt->len > max_len ? pkt->len - max_len : 0;
}

const struct agl_action_class agl_action_trunc = {
    .len = sizeof(struct agilio_action_trunc),
    .steady = true,
    .check = check_trunc,
    .run = run_trunc,
};
