/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nd.c - SET_ND: the target and one link-layer address of IPv6 neighbour
 * discovery (RFC 4861), which has either the source's or the target's.
 * SET_ND_EXT: its flags and the type of its first option.
 */

#include "action/set.h"

static void
set_bytes(uint8_t *nd, uint8_t *field, const uint8_t *value,
          const uint8_t *mask, size_t n)
{
    uint8_t new[16];

    agl_merge(new, field, value, mask, n);
    if (memcmp(new, field, n)) {
        agl_csum_update(nd + AGL_ICMP_CSUM, field, new, n);
        memcpy(field, new, n);
    }
}

/* The first option that has an address of 6 bytes, NULL if there is none.
 *
 * OVS takes from 'left' not the length of the option that it leaves but of the
 * one that it comes to, so it may look for options behind the last.  It finds
 * padding there, if anything; so do we, but never look beyond the frame. */
static uint8_t *
find_address_option(const struct agl_pkt *pkt, uint8_t *nd)
{
    const uint8_t *end = pkt->data + pkt->len;
    uint8_t *opt = nd + AGL_ND_LEN;
    int left = pkt->l4_len - AGL_ND_LEN;

    while (left >= AGL_ND_OPT_UNIT && end - opt >= AGL_ND_OPT_UNIT) {
        uint8_t kind = opt[AGL_ND_OPT_TYPE];
        uint8_t units = opt[AGL_ND_OPT_UNITS];

        if (units == 1 && (kind == AGL_ND_OPT_SLL || kind == AGL_ND_OPT_TLL)) {
            return opt;
        }
        if (!units || end - opt - units * AGL_ND_OPT_UNIT < AGL_ND_OPT_UNIT) {
            return NULL;
        }
        opt += units * AGL_ND_OPT_UNIT;
        left -= opt[AGL_ND_OPT_UNITS] * AGL_ND_OPT_UNIT;
    }
    return NULL;
}

static void
run_set_nd(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_nd *set
        = (const struct agilio_action_set_nd *) action;
    uint8_t *nd = agl_l4(pkt, AGL_ND_LEN);
    uint8_t *opt;

    if (!nd) {
        return;
    }
    set_bytes(nd, nd + AGL_ND_TARGET, set->target, set->target_mask,
              sizeof set->target);
    opt = find_address_option(pkt, nd);
    if (opt && opt[AGL_ND_OPT_TYPE] == AGL_ND_OPT_SLL) {
        set_bytes(nd, opt + AGL_ND_OPT_MAC, set->sll, set->sll_mask,
                  sizeof set->sll);
    } else if (opt) {
        set_bytes(nd, opt + AGL_ND_OPT_MAC, set->tll, set->tll_mask,
                  sizeof set->tll);
    }
}

const struct agl_action_class agl_action_set_nd = {
    .len = sizeof(struct agilio_action_set_nd),
    .run = run_set_nd,
};

/* OVS takes the checksum from nothing, for IPv6 without extension headers,
 * whatever the packet is; and has no checksum cover an option type that it
 * writes behind the end of the packet. */
static void
run_set_nd_ext(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_nd_ext *set
        = (const struct agilio_action_set_nd_ext *) action;
    uint8_t *nd = agl_l4(pkt, AGL_ND_LEN), *opt;
    agilio_be32 flags;
    uint32_t sum;

    if (!nd || pkt->l3_ofs + AGL_IPV6_LEN > pkt->len) {
        return;
    }
    sum = agl_csum_add_pseudo(0, pkt->data + pkt->l3_ofs, true);
    flags = agl_get_be32(nd + AGL_ND_FLAGS);
    agl_put_be32(nd + AGL_ND_FLAGS,
                 AGL_MERGE(flags, set->reserved, set->reserved_mask));
    opt = nd + AGL_ND_LEN;
    if (opt < pkt->data + pkt->len) {
        *opt = AGL_MERGE(*opt, set->opt_type, set->opt_type_mask);
    }
    agl_put_be16(nd + AGL_ICMP_CSUM, 0);
    sum = agl_csum_add(sum, nd, pkt->l4_len);
    agl_put_be16(nd + AGL_ICMP_CSUM, agilio_to_be16(agl_csum_finish(sum)));
}

const struct agl_action_class agl_action_set_nd_ext = {
    .len = sizeof(struct agilio_action_set_nd_ext),
    .run = run_set_nd_ext,
};
