/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nsh.c - PUSH_NSH, POP_NSH, SET_NSH: the network service header (RFC 8300).
 *
 * The header is the beginning of a packet of its own kind; what carries it,
 * usually Ethernet, is pushed and popped by other actions.  Of what is behind
 * a header that was popped nothing is known until the packet is looked up
 * again.
 */

#include "action/set.h"

/* Of no layer of the packet it is known where it is. */
static void
forget_layers(struct agl_pkt *pkt)
{
    pkt->l2_5_ofs = pkt->l3_ofs = pkt->l4_ofs = AGL_OFS_NONE;
    pkt->l4_len = pkt->pad_len = 0;
}

/* The kind of packet that a next protocol stands for; false if none does. */
static bool
find_packet_type(uint8_t next, agilio_be32 *packet_type)
{
    switch (next) {
    case AGL_NSH_NEXT_ETH:
        *packet_type = 0;
        return true;
    case AGL_NSH_NEXT_IPV4:
        *packet_type = agl_packet_type(AGL_TYPE_IPV4);
        return true;
    case AGL_NSH_NEXT_IPV6:
        *packet_type = agl_packet_type(AGL_TYPE_IPV6);
        return true;
    case AGL_NSH_NEXT_NSH:
        *packet_type = agl_packet_type(AGL_TYPE_NSH);
        return true;
    default:
        return false;
    }
}

/* ## ------- ##
 * ## Pushing ##
 * ## ------- ## */

static bool
check_push_nsh(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_push_nsh *push
        = (const struct agilio_action_push_nsh *) action;
    uint32_t len = agilio_from_le32(push->header_len);

    if (len < AGL_NSH_LEN || len > AGL_NSH_MAX_LEN || len % 4
        || agilio_from_le16(action->len) != sizeof *push + len) {
        check->reason = "the header of a PUSH_NSH has the wrong length";
        return false;
    }
    return agl_check_grows(check, len);
}

/* Does nothing to a packet of a kind that the header has no number for. */
static void
run_push_nsh(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_push_nsh *push
        = (const struct agilio_action_push_nsh *) action;
    uint32_t len = agilio_from_le32(push->header_len);
    uint8_t next = AGL_NSH_NEXT_IPV4;
    agilio_be32 packet_type;

    while (find_packet_type(next, &packet_type)
           && packet_type != pkt->md.packet_type) {
        next++;
    }
    if (next > AGL_NSH_NEXT_NSH) {
        return;
    }
    agl_pkt_push(pkt, len);
    memcpy(pkt->data, push + 1, len);
    pkt->data[AGL_NSH_NEXT] = next;
    pkt->md.packet_type = agl_packet_type(AGL_TYPE_NSH);
    forget_layers(pkt);
    pkt->l3_ofs = 0;
    pkt->l3_type = AGL_TYPE_NSH;
}

const struct agl_action_class agl_action_push_nsh = {
    .len = sizeof(struct agilio_action_push_nsh),
    .variable = true,
    .check = check_push_nsh,
    .run = run_push_nsh,
};

/* ## ------- ##
 * ## Popping ##
 * ## ------- ## */

/* Drops what is not whole, or of no kind that there is.  Does nothing to a
 * packet without the header. */
static bool
admit_pop_nsh(const struct agilio_action *action, struct agl_pkt *pkt,
              struct agl_run *run)
{
    uint32_t ofs = pkt->l3_ofs, len = UINT32_MAX;
    agilio_be32 packet_type = 0;

    (void) action;
    if (pkt->md.packet_type != agl_packet_type(AGL_TYPE_NSH)
        || ofs == AGL_OFS_NONE) {
        return true;
    }
    if (ofs + AGL_NSH_NEXT < pkt->len
        && find_packet_type(pkt->data[ofs + AGL_NSH_NEXT], &packet_type)) {
        len = AGL_NSH_BYTES(agl_get_u16(pkt->data + ofs));
    }
    if (len > pkt->len) {
        run->drop(run, AGILIO_COUNTER_DROP_NSH, pkt);
        return false;
    }
    agl_pkt_pull(pkt, len);
    pkt->md.packet_type = packet_type;
    forget_layers(pkt);
    return true;
}

const struct agl_action_class agl_action_pop_nsh = {
    .len = sizeof(struct agilio_action_pop_nsh),
    .admit = admit_pop_nsh,
};

/* ## ------- ##
 * ## Setting ##
 * ## ------- ## */

static void
set_base(uint8_t *nsh, const struct agilio_nsh *value,
         const struct agilio_nsh *mask)
{
    uint16_t base = agl_get_u16(nsh);
    unsigned int flags = AGL_MERGE(AGL_NSH_FLAGS(base), value->flags,
                                   mask->flags);
    unsigned int ttl = AGL_MERGE(AGL_NSH_TTL(base), value->ttl, mask->ttl);
    agilio_be32 path = agl_get_be32(nsh + AGL_NSH_PATH);

    base = (uint16_t) ((base & 0xc03f) | (flags & 3) << 12 | (ttl & 63) << 6);
    agl_put_be16(nsh, agilio_to_be16(base));
    agl_put_be32(nsh + AGL_NSH_PATH,
                 AGL_MERGE(path, value->path_hdr, mask->path_hdr));
}

/* Sets a copy, of which as much goes back as there is of the header. */
static void
run_set_nsh(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_nsh *set
        = (const struct agilio_action_set_nsh *) action;
    uint8_t nsh[AGL_NSH_MD1_LEN] = { 0 }, *p;
    uint32_t n;

    if (pkt->l3_type != AGL_TYPE_NSH || pkt->l3_ofs >= pkt->len) {
        return;
    }
    p = pkt->data + pkt->l3_ofs;
    n = pkt->len - pkt->l3_ofs;
    n = n < sizeof nsh ? n : sizeof nsh;
    memcpy(nsh, p, n);
    set_base(nsh, &set->nsh, &set->nsh_mask);
    if ((nsh[AGL_NSH_MDTYPE] & 0x0f) == AGL_NSH_MD1) {
        agl_merge(nsh + AGL_NSH_CONTEXT, nsh + AGL_NSH_CONTEXT,
                  (const uint8_t *) set->nsh.context,
                  (const uint8_t *) set->nsh_mask.context,
                  sizeof set->nsh.context);
    }
    memcpy(p, nsh, n);
}

const struct agl_action_class agl_action_set_nsh = {
    .len = sizeof(struct agilio_action_set_nsh),
    .run = run_set_nsh,
};
