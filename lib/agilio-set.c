/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-set.c - OVS's set actions become SET_* actions of the NIC.
 *
 * A set action nests one attribute: a struct ovs_key_*, or two of them, value
 * and mask.  A set without mask is one with a mask of all ones, as all members
 * that have no row in set_fields[] (protocol, fragment type) cannot be set.
 * Metadata is set in the same way; the network service header has attributes
 * of its own; tunnels are set next door.
 */

#include <config.h>

#include "agilio-actions.h"

#include "agilio-copy.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "packets.h"
#include "util.h"

/* What is set member by member: key attribute, size of its struct, action. */
struct set_action {
    uint16_t attr;              /* enum ovs_key_attr. */
    uint16_t key_size;
    uint16_t type;              /* enum agilio_action_type. */
    uint16_t len;               /* Of the action. */
    bool maskable;              /* OVS executes it with a mask, too. */
};

#define SET(ATTR, KEY, TYPE, ACTION, MASKABLE)                  \
    { OVS_KEY_ATTR_##ATTR, sizeof(struct ovs_key_##KEY),        \
      AGILIO_ACTION_SET_##TYPE,                                 \
      sizeof(struct agilio_action_set_##ACTION), MASKABLE }

static const struct set_action set_actions[] = {
    SET(ETHERNET, ethernet, ETH, eth, true),
    SET(IPV4, ipv4, IPV4, ipv4, true),
    SET(IPV6, ipv6, IPV6, ipv6, true),
    SET(TCP, tcp, TCP, ports, true),
    SET(UDP, udp, UDP, ports, true),
    SET(SCTP, sctp, SCTP, ports, true),
    SET(ICMP, icmp, ICMP, icmp, false),
    SET(ICMPV6, icmpv6, ICMP, icmp, false),
    SET(ARP, arp, ARP, arp, true),
    SET(ND, nd, ND, nd, true),
    SET(ND_EXTENSIONS, nd_extensions, ND_EXT, nd_ext, true),
    SET(MPLS, mpls, MPLS, mpls, true),
};

/* The members of the structs, and where value and mask go in the action. */
struct set_field {
    uint16_t attr;
    struct agilio_copy value;
    uint16_t mask_to;
};

#define FIELD(ATTR, KEY, FROM, ACTION, TO)                              \
    { OVS_KEY_ATTR_##ATTR,                                              \
      AGILIO_COPY(struct ovs_key_##KEY, FROM,                           \
                  struct agilio_action_set_##ACTION, TO),               \
      offsetof(struct agilio_action_set_##ACTION, TO##_mask) }

static const struct set_field set_fields[] = {
    FIELD(ETHERNET, ethernet, eth_src, eth, src),
    FIELD(ETHERNET, ethernet, eth_dst, eth, dst),
    FIELD(IPV4, ipv4, ipv4_src, ipv4, src),
    FIELD(IPV4, ipv4, ipv4_dst, ipv4, dst),
    FIELD(IPV4, ipv4, ipv4_tos, ipv4, tos),
    FIELD(IPV4, ipv4, ipv4_ttl, ipv4, ttl),
    FIELD(IPV6, ipv6, ipv6_src, ipv6, src),
    FIELD(IPV6, ipv6, ipv6_dst, ipv6, dst),
    FIELD(IPV6, ipv6, ipv6_label, ipv6, label),
    FIELD(IPV6, ipv6, ipv6_tclass, ipv6, tclass),
    FIELD(IPV6, ipv6, ipv6_hlimit, ipv6, hlimit),
    FIELD(TCP, tcp, tcp_src, ports, src),
    FIELD(TCP, tcp, tcp_dst, ports, dst),
    FIELD(UDP, udp, udp_src, ports, src),
    FIELD(UDP, udp, udp_dst, ports, dst),
    FIELD(SCTP, sctp, sctp_src, ports, src),
    FIELD(SCTP, sctp, sctp_dst, ports, dst),
    FIELD(ICMP, icmp, icmp_type, icmp, type),
    FIELD(ICMP, icmp, icmp_code, icmp, code),
    FIELD(ICMPV6, icmpv6, icmpv6_type, icmp, type),
    FIELD(ICMPV6, icmpv6, icmpv6_code, icmp, code),
    FIELD(ARP, arp, arp_sip, arp, spa),
    FIELD(ARP, arp, arp_tip, arp, tpa),
    FIELD(ARP, arp, arp_op, arp, op),
    FIELD(ARP, arp, arp_sha, arp, sha),
    FIELD(ARP, arp, arp_tha, arp, tha),
    FIELD(ND, nd, nd_target, nd, target),
    FIELD(ND, nd, nd_sll, nd, sll),
    FIELD(ND, nd, nd_tll, nd, tll),
    FIELD(ND_EXTENSIONS, nd_extensions, nd_reserved, nd_ext, reserved),
    FIELD(ND_EXTENSIONS, nd_extensions, nd_options_type, nd_ext, opt_type),
    FIELD(MPLS, mpls, mpls_lse, mpls, lse),
};

/* The largest of each. */
#define MAX_KEY sizeof(struct ovs_key_ipv6)
#define MAX_SET sizeof(struct agilio_action_set_ipv6)

bool
agilio_is_within_mask(const void *key_, const void *mask_, size_t n)
{
    const uint8_t *key = key_, *mask = mask_;

    for (size_t i = 0; i < n; i++) {
        if (key[i] & ~mask[i]) {
            return false;
        }
    }
    return true;
}

/* A flow label has 20 bits; OVS would let a longer one run over into the
 * header's version and class, but never makes one. */
static bool
limit_label(struct agilio_action_set_ipv6 *set)
{
    set->label_mask &= htonl(IPV6_LABEL_MASK);
    return !(set->label & ~htonl(IPV6_LABEL_MASK));
}

/* OVS sets all of a member that has any bit in its mask. */
static void
widen_masks(struct agilio_action_set_nd_ext *set)
{
    set->reserved_mask = set->reserved_mask ? OVS_BE32_MAX : 0;
    set->opt_type_mask = set->opt_type_mask ? UINT8_MAX : 0;
}

static const struct set_action *
find_set(uint16_t attr)
{
    for (size_t i = 0; i < ARRAY_SIZE(set_actions); i++) {
        if (set_actions[i].attr == attr) {
            return &set_actions[i];
        }
    }
    return NULL;
}

static const char *
put_set(struct translation *t, const struct set_action *set,
        const uint8_t *key, const uint8_t *mask)
{
    union {
        uint8_t bytes[MAX_SET];
        struct agilio_action_set_ipv6 ipv6;
        struct agilio_action_set_nd_ext nd_ext;
    } action = { .bytes = { 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(set_fields); i++) {
        const struct set_field *f = &set_fields[i];

        if (f->attr == set->attr) {
            memcpy(action.bytes + f->value.to, key + f->value.from,
                   f->value.size);
            memcpy(action.bytes + f->mask_to, mask + f->value.from,
                   f->value.size);
        }
    }
    if (set->type == AGILIO_ACTION_SET_IPV6 && !limit_label(&action.ipv6)) {
        return MALFORMED;
    }
    if (set->type == AGILIO_ACTION_SET_ND_EXT) {
        widen_masks(&action.nd_ext);
    }
    agilio_put_action(t, set->type, &action, set->len, NULL, 0);
    return NULL;
}

/* 'meta' is one of the attributes that are a number in host order. */
static const char *
put_meta(struct translation *t, const struct nlattr *meta, bool masked)
{
    struct agilio_action_set_meta set = { .priority = 0 };
    const uint32_t *key = nl_attr_get(meta);
    agilio_le32 value, mask = agilio_to_le32(UINT32_MAX);

    if (nl_attr_get_size(meta) != sizeof *key << masked) {
        return MALFORMED;
    }
    value = agilio_to_le32(key[0]);
    if (masked) {
        mask = agilio_to_le32(key[1]);
    }
    switch (nl_attr_type(meta)) {
    case OVS_KEY_ATTR_PRIORITY:
        set.priority = value;
        set.priority_mask = mask;
        break;
    case OVS_KEY_ATTR_SKB_MARK:
        set.mark = value;
        set.mark_mask = mask;
        break;
    case OVS_KEY_ATTR_DP_HASH:
        set.dp_hash = value;
        set.dp_hash_mask = mask;
        break;
    default:
        set.recirc_id = value;
        set.recirc_id_mask = mask;
        break;
    }
    agilio_put_action(t, AGILIO_ACTION_SET_META, &set, sizeof set, NULL, 0);
    return value & ~mask ? MALFORMED : NULL;
}

/* The mask of a set without mask: OVS leaves undefined what an attribute that
 * is not there sets; here it sets nothing. */
static void
find_nsh_mask(const struct nlattr *nsh, struct ovs_key_nsh *mask)
{
    if (nl_attr_find_nested(nsh, OVS_NSH_KEY_ATTR_BASE)) {
        mask->flags = mask->ttl = UINT8_MAX;
        mask->path_hdr = OVS_BE32_MAX;
    }
    if (nl_attr_find_nested(nsh, OVS_NSH_KEY_ATTR_MD1)) {
        memset(mask->context, 0xff, sizeof mask->context);
    }
}

/* OVS sets neither MD type nor next protocol. */
static const char *
put_nsh(struct translation *t, const struct nlattr *nsh, bool masked)
{
    struct agilio_action_set_nsh set;
    struct ovs_key_nsh key, mask;

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    if (odp_nsh_key_from_attr(nsh, &key, masked ? &mask : NULL, NULL)
        != ODP_FIT_PERFECT) {
        return MALFORMED;
    }
    if (!masked) {
        find_nsh_mask(nsh, &mask);
    }
    key.mdtype = key.np = mask.mdtype = mask.np = 0;
    memcpy(&set.nsh, &key, sizeof set.nsh);
    memcpy(&set.nsh_mask, &mask, sizeof set.nsh_mask);
    agilio_put_action(t, AGILIO_ACTION_SET_NSH, &set, sizeof set, NULL, 0);
    return agilio_is_within_mask(&key, &mask, sizeof key) ? NULL : MALFORMED;
}

/* What is set member by member. */
static const char *
put_members(struct translation *t, const struct nlattr *nested, bool masked)
{
    const struct set_action *set = find_set(nl_attr_type(nested));
    const uint8_t *key = nl_attr_get(nested);
    uint8_t mask[MAX_KEY];

    if (!set || (masked && !set->maskable)
        || nl_attr_get_size(nested) != (size_t) set->key_size << masked) {
        return MALFORMED;
    }
    memset(mask, 0xff, set->key_size);
    if (masked) {
        memcpy(mask, key + set->key_size, set->key_size);
    }
    return (agilio_is_within_mask(key, mask, set->key_size)
            ? put_set(t, set, key, mask)
            : MALFORMED);
}

const char *
agilio_translate_set(struct translation *t, const struct nlattr *a,
                     bool masked)
{
    const struct nlattr *nested = nl_attr_get(a);
    size_t left = nl_attr_get_size(a);

    if (!nl_attr_is_valid(nested, left)
        || nl_attr_len_pad(nested, left) != left) {
        return MALFORMED;
    }
    switch (nl_attr_type(nested)) {
    case OVS_KEY_ATTR_TUNNEL:
        return masked ? MALFORMED : agilio_translate_set_tunnel(t, nested);
    case OVS_KEY_ATTR_NSH:
        return put_nsh(t, nested, masked);
    case OVS_KEY_ATTR_PRIORITY:
    case OVS_KEY_ATTR_SKB_MARK:
    case OVS_KEY_ATTR_DP_HASH:
    case OVS_KEY_ATTR_RECIRC_ID:
        return put_meta(t, nested, masked);
    default:
        return put_members(t, nested, masked);
    }
}
