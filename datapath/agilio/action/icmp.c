/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c - SET_ICMP: type and code, at the same place in ICMP (RFC 792) and
 * ICMPv6 (RFC 4443).
 *
 * OVS has no masks here: its host sends all ones.
 */

#include "action/set.h"

static void
run_set_icmp(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_icmp *set
        = (const struct agilio_action_set_icmp *) action;
    uint8_t *icmp = agl_l4(pkt, AGL_ICMP_LEN);
    uint8_t new[2];

    if (!icmp) {
        return;
    }
    new[0] = AGL_MERGE(icmp[AGL_ICMP_TYPE], set->type, set->type_mask);
    new[1] = AGL_MERGE(icmp[AGL_ICMP_CODE], set->code, set->code_mask);
    if (memcmp(icmp, new, sizeof new)) {
        agl_csum_update(icmp + AGL_ICMP_CSUM, icmp, new, sizeof new);
        memcpy(icmp, new, sizeof new);
    }
}

const struct agl_action_class agl_action_set_icmp = {
    .len = sizeof(struct agilio_action_set_icmp),
    .run = run_set_icmp,
};
