/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-match.c - OVS's struct match becomes the NIC's key and mask.
 *
 * Called for every flow that is offered to the NIC, from any thread; pure.
 * The match is one as dpif-netdev hands it to netdev_flow_put(): in_port is
 * exact, and 'flow' may have bits that 'wc' has not.
 *
 * Each bit of the mask ends in one of three places:
 *
 *   - the NIC's parser sees the field ('carried'): it goes into key and mask;
 *
 *   - the field is 0 in every packet that comes fresh from a wire ('absent':
 *     recirc_id, tunnel, conntrack, ...): to want 0 is to want nothing, and
 *     anything else is a reason not to be on the NIC;
 *
 *   - the rest, NSH above all, is a reason.  So a field that is new in struct
 *     flow cannot get lost.
 */

#include <config.h>

#include "agilio-translate.h"

#include "agilio-copy.h"
#include "packets.h"
#include "util.h"

/* Fields that the NIC matches on; both sides keep them in network order.
 * in_port, recirc_id and dp_hash, which they do not, are done by hand. */
#define CARRIED(FLOW, KEY) \
    AGILIO_COPY(struct flow, FLOW, struct agilio_key, KEY)

static const struct agilio_copy carried[] = {
    CARRIED(dl_dst, eth_dst),
    CARRIED(dl_src, eth_src),
    CARRIED(dl_type, eth_type),
    CARRIED(vlans[0].tpid, vlan[0].tpid),
    CARRIED(vlans[0].tci, vlan[0].tci),
    CARRIED(vlans[1].tpid, vlan[1].tpid),
    CARRIED(vlans[1].tci, vlan[1].tci),
    CARRIED(mpls_lse[0], mpls_lse[0]),
    CARRIED(mpls_lse[1], mpls_lse[1]),
    CARRIED(mpls_lse[2], mpls_lse[2]),
    CARRIED(nw_proto, nw_proto),
    CARRIED(nw_tos, nw_tos),
    CARRIED(nw_ttl, nw_ttl),
    CARRIED(nw_frag, nw_frag),
    CARRIED(nw_src, nw_src),
    CARRIED(nw_dst, nw_dst),
    CARRIED(ipv6_src, ipv6_src),
    CARRIED(ipv6_dst, ipv6_dst),
    CARRIED(ipv6_label, ipv6_label),
    CARRIED(tcp_flags, tcp_flags),
    CARRIED(tp_src, tp_src),
    CARRIED(tp_dst, tp_dst),
    CARRIED(nd_target, nd_target),
    CARRIED(arp_sha, arp_sha),
    CARRIED(arp_tha, arp_tha),
    CARRIED(igmp_group_ip4, igmp_group),
};
BUILD_ASSERT_DECL(FLOW_MAX_VLAN_HEADERS == 2 && FLOW_MAX_MPLS_LABELS == 3);

/* Fields that are 0 in a fresh packet.  (packet_type 0 is Ethernet.) */
struct absent {
    size_t ofs, size;
    const char *reason;
};

#define ABSENT(MEMBER, REASON) \
    { offsetof(struct flow, MEMBER), MEMBER_SIZEOF(struct flow, MEMBER), \
      "match: " REASON }

static const struct absent absent[] = {
    ABSENT(tunnel, "tunnel"),
    ABSENT(skb_priority, "skb_priority"),
    ABSENT(pkt_mark, "pkt_mark"),
    ABSENT(packet_type, "packet_type"),
    ABSENT(ct_state, "ct_state"),
    ABSENT(ct_zone, "ct_zone"),
    ABSENT(ct_mark, "ct_mark"),
    ABSENT(ct_label, "ct_label"),
    ABSENT(ct_nw_proto, "ct_tuple"),
    ABSENT(ct_nw_src, "ct_tuple"),
    ABSENT(ct_nw_dst, "ct_tuple"),
    ABSENT(ct_ipv6_src, "ct_tuple"),
    ABSENT(ct_ipv6_dst, "ct_tuple"),
    ABSENT(ct_tp_src, "ct_tuple"),
    ABSENT(ct_tp_dst, "ct_tuple"),
    ABSENT(metadata, "metadata"),
    ABSENT(regs, "metadata"),
    ABSENT(conj_id, "metadata"),
    ABSENT(actset_output, "metadata"),
};
BUILD_ASSERT_DECL(PT_ETH == 0);

/* Whether a packet in which 'n' bytes are all 0 differs from 'flow' in a bit
 * of 'mask'. */
static bool
wants_more_than_0(const uint8_t *flow, const uint8_t *mask, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (flow[i] & mask[i]) {
            return true;
        }
    }
    return false;
}

/* 'left' is a struct flow's mask without the fields that the key carries; it
 * is used up.  Returns NULL, or why the NIC cannot tell such packets. */
static const char *
explain_rest(const uint8_t *flow, uint8_t *left)
{
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        size_t ofs = absent[i].ofs;

        if (wants_more_than_0(flow + ofs, left + ofs, absent[i].size)) {
            return absent[i].reason;
        }
        memset(left + ofs, 0, absent[i].size);
    }
    if (!is_all_zeros(left + offsetof(struct flow, nsh),
                      MEMBER_SIZEOF(struct flow, nsh))) {
        return "match: nsh";
    }
    return is_all_zeros(left, sizeof(struct flow)) ? NULL : "match: unknown";
}

const char *
agilio_translate_match(const struct match *match, uint32_t in_port,
                       struct agilio_key *key, struct agilio_key *mask)
{
    const uint8_t *flow = (const uint8_t *) &match->flow;
    uint8_t left[sizeof(struct flow)];

    memcpy(left, &match->wc.masks, sizeof left);
    memset(key, 0, sizeof *key);
    memset(mask, 0, sizeof *mask);
    for (size_t i = 0; i < ARRAY_SIZE(carried); i++) {
        const struct agilio_copy *c = &carried[i];

        for (size_t j = 0; j < c->size; j++) {
            uint8_t bits = left[c->from + j];

            ((uint8_t *) key)[c->to + j] = flow[c->from + j] & bits;
            ((uint8_t *) mask)[c->to + j] = bits;
            left[c->from + j] = 0;
        }
    }

    key->in_port = agilio_to_le32(in_port);
    mask->in_port = agilio_to_le32(UINT32_MAX);
    key->recirc_id = agilio_to_le32(match->flow.recirc_id
                                    & match->wc.masks.recirc_id);
    mask->recirc_id = agilio_to_le32(match->wc.masks.recirc_id);
    key->dp_hash = agilio_to_le32(match->flow.dp_hash
                                  & match->wc.masks.dp_hash);
    mask->dp_hash = agilio_to_le32(match->wc.masks.dp_hash);
    memset(left + offsetof(struct flow, in_port), 0,
           sizeof match->flow.in_port);
    memset(left + offsetof(struct flow, recirc_id), 0,
           sizeof match->flow.recirc_id);
    memset(left + offsetof(struct flow, dp_hash), 0,
           sizeof match->flow.dp_hash);

    return explain_rest(flow, left);
}
