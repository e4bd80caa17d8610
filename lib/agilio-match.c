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
 *   - the field is 0 in every packet on the NIC ('absent': conntrack, ...): to
 *     want 0 is to want nothing, and anything else is a reason not to be on
 *     the NIC;
 *
 *   - the rest is a reason.  So a field that is new in struct flow cannot get
 *     lost.
 *
 * Most of a mask is 0: the tables say of fields where they go, and are made
 * into one that says so of each byte, for the few words that are not.
 */

#include <config.h>

#include "agilio-translate.h"

#include "agilio-copy.h"
#include "flow.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"

/* Fields that the NIC matches on; both sides keep them in network order. */
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
    CARRIED(nsh, nsh),
    CARRIED(packet_type, md.packet_type),
    CARRIED(in_port, md.in_port),       /* Of which the NIC has an id. */
    CARRIED(tunnel.tun_id, md.tunnel.id),
    CARRIED(tunnel.ip_src, md.tunnel.ip_src),
    CARRIED(tunnel.ip_dst, md.tunnel.ip_dst),
    CARRIED(tunnel.ipv6_src, md.tunnel.ipv6_src),
    CARRIED(tunnel.ipv6_dst, md.tunnel.ipv6_dst),
    CARRIED(tunnel.ip_tos, md.tunnel.tos),
    CARRIED(tunnel.ip_ttl, md.tunnel.ttl),
    CARRIED(tunnel.tp_src, md.tunnel.tp_src),
    CARRIED(tunnel.tp_dst, md.tunnel.tp_dst),
    CARRIED(tunnel.gbp_id, md.tunnel.gbp_id),
    CARRIED(tunnel.gbp_flags, md.tunnel.gbp_flags),
    CARRIED(tunnel.erspan_ver, md.tunnel.erspan_ver),
    CARRIED(tunnel.erspan_dir, md.tunnel.erspan_dir),
    CARRIED(tunnel.erspan_hwid, md.tunnel.erspan_hwid),
    CARRIED(tunnel.gtpu_flags, md.tunnel.gtpu_flags),
    CARRIED(tunnel.gtpu_msgtype, md.tunnel.gtpu_msgtype),
    CARRIED(tunnel.metadata.present.len, md.tunnel.opts_len),
    { offsetof(struct flow, tunnel.metadata.opts.gnv),
      offsetof(struct agilio_key, tun_opts), AGILIO_MAX_TUNNEL_OPTS },
};
BUILD_ASSERT_DECL(FLOW_MAX_VLAN_HEADERS == 2 && FLOW_MAX_MPLS_LABELS == 3);
BUILD_ASSERT_DECL(TLV_TOT_OPT_SIZE == AGILIO_MAX_TUNNEL_OPTS);
BUILD_ASSERT_DECL(sizeof(struct ovs_key_nsh) == sizeof(struct agilio_nsh));
BUILD_ASSERT_DECL(offsetof(struct ovs_key_nsh, context)
                  == offsetof(struct agilio_nsh, context));

/* Those that OVS keeps in the host's byte order. */
static const struct agilio_copy host_order[] = {
    CARRIED(recirc_id, md.recirc_id),
    CARRIED(dp_hash, md.dp_hash),
    CARRIED(skb_priority, md.skb_priority),
    CARRIED(pkt_mark, md.pkt_mark),
    CARRIED(tunnel.flags, md.tunnel.flags),
    CARRIED(tunnel.erspan_idx, md.tunnel.erspan_idx),
};

/* Fields that are 0 in every packet on the NIC. */
struct absent {
    size_t ofs, size;
    const char *reason;
};

#define ABSENT(MEMBER, REASON) \
    { offsetof(struct flow, MEMBER), MEMBER_SIZEOF(struct flow, MEMBER), \
      "match: " REASON }

static const struct absent absent[] = {
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
    ABSENT(tunnel.metadata.present, "metadata"),        /* Beyond 'len'. */
    ABSENT(tunnel.metadata.tab, "metadata"),
    ABSENT(metadata, "metadata"),
    ABSENT(regs, "metadata"),
    ABSENT(conj_id, "metadata"),
    ABSENT(actset_output, "metadata"),
};

/* Where each byte of struct flow goes: a byte of struct agilio_key. */
#define NOWHERE UINT16_MAX
static uint16_t places[sizeof(struct flow)];

static void
place_fields(const struct agilio_copy *fields, size_t n, bool reverse)
{
    for (const struct agilio_copy *c = fields; c < fields + n; c++) {
        for (size_t i = 0; i < c->size; i++) {
            places[c->from + i] = c->to + (reverse ? c->size - 1 - i : i);
        }
    }
}

static void
init_places(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        memset(places, 0xff, sizeof places);
        place_fields(carried, ARRAY_SIZE(carried), false);
        place_fields(host_order, ARRAY_SIZE(host_order),
                     (OVS_FORCE uint32_t) agilio_to_le32(1) != 1);
        ovsthread_once_done(&once);
    }
}

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

/* There is more in the match than the key carries.  Returns NULL, or why the
 * NIC cannot tell such packets. */
static const char *
explain_rest(const struct match *match)
{
    const uint8_t *flow = (const uint8_t *) &match->flow;
    uint8_t left[sizeof(struct flow)];

    memcpy(left, &match->wc.masks, sizeof left);
    for (size_t i = 0; i < sizeof left; i++) {
        if (places[i] != NOWHERE) {
            left[i] = 0;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        size_t ofs = absent[i].ofs;

        if (wants_more_than_0(flow + ofs, left + ofs, absent[i].size)) {
            return absent[i].reason;
        }
        memset(left + ofs, 0, absent[i].size);
    }
    return is_all_zeros(left, sizeof left) ? NULL : "match: unknown";
}

/* Puts what is wanted of 8 bytes of a struct flow, from 'ofs' on, into key and
 * mask.  Returns false if there is more than they carry. */
static bool
carry(const struct match *match, size_t ofs, uint8_t *key, uint8_t *mask)
{
    const uint8_t *flow = (const uint8_t *) &match->flow;
    const uint8_t *wc = (const uint8_t *) &match->wc.masks;
    bool all = true;

    for (size_t i = ofs; i < ofs + 8; i++) {
        if (places[i] != NOWHERE) {
            key[places[i]] = flow[i] & wc[i];
            mask[places[i]] = wc[i];
        } else if (wc[i]) {
            all = false;
        }
    }
    return all;
}

const char *
agilio_translate_match(const struct match *match, uint32_t in_port,
                       struct agilio_key *key, struct agilio_key *mask)
{
    bool all = true;

    init_places();
    memset(key, 0, sizeof *key);
    memset(mask, 0, sizeof *mask);
    for (size_t i = 0; i < FLOW_U64S; i++) {
        if (flow_u64_value(&match->wc.masks, i)) {
            all &= carry(match, i * 8, (uint8_t *) key, (uint8_t *) mask);
        }
    }
    key->md.in_port = agilio_to_le32(in_port);
    mask->md.in_port = agilio_to_le32(UINT32_MAX);
    return all ? NULL : explain_rest(match);
}
