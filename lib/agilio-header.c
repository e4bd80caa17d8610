/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-header.c - OVS's actions that push and pop MPLS labels, Ethernet
 * headers and network service headers.
 *
 * agilio-actions.h says who calls this.
 */

#include <config.h>

#include "agilio-actions.h"

#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/nsh.h"
#include "packets.h"
#include "util.h"

/* OVS takes no notice of a type that is not one of MPLS. */
static const char *
put_push_mpls(struct translation *t, ovs_be32 lse, ovs_be16 eth_type,
              bool at_front)
{
    struct agilio_action_push_mpls push = {
        .lse = lse,
        .eth_type = eth_type,
        .at_front = at_front,
    };

    if (eth_type_mpls(eth_type)) {
        agilio_put_action(t, AGILIO_ACTION_PUSH_MPLS, &push, sizeof push,
                          NULL, 0);
    }
    return NULL;
}

const char *
agilio_translate_push_mpls(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_push_mpls *mpls = nl_attr_get(a);

    return (nl_attr_get_size(a) == sizeof *mpls
            ? put_push_mpls(t, mpls->mpls_lse, mpls->mpls_ethertype, false)
            : MALFORMED);
}

const char *
agilio_translate_add_mpls(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_add_mpls *mpls = nl_attr_get(a);

    return (nl_attr_get_size(a) == sizeof *mpls
            ? put_push_mpls(t, mpls->mpls_lse, mpls->mpls_ethertype,
                            !(mpls->tun_flags & OVS_MPLS_L3_TUNNEL_FLAG_MASK))
            : MALFORMED);
}

const char *
agilio_translate_pop_mpls(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_pop_mpls pop = { .eth_type = 0 };

    if (nl_attr_get_size(a) != sizeof pop.eth_type) {
        return MALFORMED;
    }
    pop.eth_type = nl_attr_get_be16(a);
    agilio_put_action(t, AGILIO_ACTION_POP_MPLS, &pop, sizeof pop, NULL, 0);
    return NULL;
}

const char *
agilio_translate_push_eth(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_push_eth *eth = nl_attr_get(a);
    struct agilio_action_push_eth push;

    if (nl_attr_get_size(a) != sizeof *eth) {
        return MALFORMED;
    }
    memcpy(push.src, &eth->addresses.eth_src, sizeof push.src);
    memcpy(push.dst, &eth->addresses.eth_dst, sizeof push.dst);
    agilio_put_action(t, AGILIO_ACTION_PUSH_ETH, &push, sizeof push, NULL, 0);
    return NULL;
}

const char *
agilio_translate_pop_eth(struct translation *t)
{
    struct agilio_action_pop_eth pop;

    agilio_put_action(t, AGILIO_ACTION_POP_ETH, &pop, sizeof pop, NULL, 0);
    return NULL;
}

const char *
agilio_translate_push_nsh(struct translation *t, const struct nlattr *a)
{
    const struct nlattr *nested = nl_attr_get(a);
    struct agilio_action_push_nsh push;
    uint32_t buffer[NSH_HDR_MAX_LEN / 4];
    struct nsh_hdr *nsh = (struct nsh_hdr *) buffer;
    uint16_t len;

    if (!nl_attr_is_valid(nested, nl_attr_get_size(a))
        || nl_attr_type(nested) != OVS_KEY_ATTR_NSH
        || odp_nsh_hdr_from_attr(nested, nsh, sizeof buffer)
           != ODP_FIT_PERFECT) {
        return MALFORMED;
    }
    len = nsh_hdr_len(nsh);
    push.header_len = agilio_to_le32(len);
    agilio_put_action(t, AGILIO_ACTION_PUSH_NSH, &push, sizeof push, nsh, len);
    return NULL;
}

const char *
agilio_translate_pop_nsh(struct translation *t)
{
    struct agilio_action_pop_nsh pop;

    agilio_put_action(t, AGILIO_ACTION_POP_NSH, &pop, sizeof pop, NULL, 0);
    return NULL;
}
