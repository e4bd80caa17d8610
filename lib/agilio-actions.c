/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-actions.c - OVS's datapath actions become a program for the NIC.
 *
 * Called for every flow that is offered to the NIC, from any thread; pure.
 * The measure is what the userspace datapath does (lib/odp-execute.c): a
 * program has the effect of the actions on every packet, or there is no
 * program.  The actions are Netlink attributes (enum ovs_action_attr), and
 * come from ofproto, but also from whoever uses dpctl/add-flow: lengths are
 * checked here, and what OVS itself would abort on is "action: malformed".
 *
 * A set action nests one attribute: a struct ovs_key_*, or two of them, value
 * and mask.  A set without mask is one with a mask of all ones, as all members
 * that have no row in set_fields[] (protocol, fragment type) cannot be set.
 */

#include <config.h>

#include "agilio-translate.h"

#include "agilio-copy.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "packets.h"
#include "util.h"

#define MALFORMED "action: malformed"

struct translation {
    struct agilio_writer program;
    size_t n_outputs;
    bool for_host;              /* The reason is one for AGILIO_FOR_HOST. */
    agilio_port_lookup *lookup;
    void *aux;
};

/* What a NIC cannot do, by enum ovs_action_attr. */
static const char *const unable_actions[] = {
    [OVS_ACTION_ATTR_SAMPLE] = "action: sample",
    [OVS_ACTION_ATTR_PUSH_MPLS] = "action: push_mpls",
    [OVS_ACTION_ATTR_POP_MPLS] = "action: pop_mpls",
    [OVS_ACTION_ATTR_CT] = "action: ct",
    [OVS_ACTION_ATTR_TRUNC] = "action: trunc",
    [OVS_ACTION_ATTR_PUSH_ETH] = "action: push_eth",
    [OVS_ACTION_ATTR_POP_ETH] = "action: pop_eth",
    [OVS_ACTION_ATTR_PUSH_NSH] = "action: push_nsh",
    [OVS_ACTION_ATTR_POP_NSH] = "action: pop_nsh",
    [OVS_ACTION_ATTR_METER] = "action: meter",
    [OVS_ACTION_ATTR_CLONE] = "action: clone",
    [OVS_ACTION_ATTR_CHECK_PKT_LEN] = "action: check_pkt_len",
    [OVS_ACTION_ATTR_ADD_MPLS] = "action: add_mpls",
    [OVS_ACTION_ATTR_TUNNEL_PUSH] = "action: tnl_push",
    [OVS_ACTION_ATTR_TUNNEL_POP] = "action: tnl_pop",
    [OVS_ACTION_ATTR_LB_OUTPUT] = "action: lb_output",
};

/* What a NIC cannot set, by enum ovs_key_attr. */
static const char *const unable_sets[] = {
    [OVS_KEY_ATTR_PRIORITY] = "action: set(skb_priority)",
    [OVS_KEY_ATTR_SKB_MARK] = "action: set(skb_mark)",
    [OVS_KEY_ATTR_TUNNEL] = "action: set(tunnel)",
    [OVS_KEY_ATTR_DP_HASH] = "action: set(dp_hash)",
    [OVS_KEY_ATTR_RECIRC_ID] = "action: set(recirc_id)",
    [OVS_KEY_ATTR_MPLS] = "action: set(mpls)",
    [OVS_KEY_ATTR_NSH] = "action: set(nsh)",
    [OVS_KEY_ATTR_ND_EXTENSIONS] = "action: set(nd_extensions)",
};

/* What it can set: key attribute, size of its struct -> action. */
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
};

/* The largest of each. */
#define MAX_KEY sizeof(struct ovs_key_ipv6)
#define MAX_SET sizeof(struct agilio_action_set_ipv6)

static void
put_action(struct translation *t, uint16_t type, void *action, size_t len)
{
    const struct agilio_action head = {
        .type = agilio_to_le16(type),
        .len = agilio_to_le16(len),
    };

    memcpy(action, &head, sizeof head);
    agilio_put_bytes(&t->program, action, len);
}

static const char *
translate_output(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_output output = { .port = 0 };
    uint32_t port;

    if (nl_attr_get_size(a) != sizeof(odp_port_t)) {
        return MALFORMED;
    }
    port = t->lookup(nl_attr_get_odp_port(a), t->aux);
    if (port == AGILIO_PORT_NONE) {
        t->for_host = true;
        return "output: host port";
    }
    if (++t->n_outputs > AGILIO_MAX_OUTPUTS) {
        return "size: outputs";
    }
    output.port = agilio_to_le32(port);
    put_action(t, AGILIO_ACTION_OUTPUT, &output, sizeof output);
    return NULL;
}

static const char *
translate_recirc(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_recirc recirc = { .recirc_id = 0 };

    if (nl_attr_get_size(a) != sizeof(uint32_t) || !nl_attr_get_u32(a)) {
        return MALFORMED;
    }
    if (++t->n_outputs > AGILIO_MAX_OUTPUTS) {
        return "size: outputs";
    }
    recirc.recirc_id = agilio_to_le32(nl_attr_get_u32(a));
    put_action(t, AGILIO_ACTION_RECIRC, &recirc, sizeof recirc);
    return NULL;
}

static const char *
translate_hash(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_hash *hash = nl_attr_get(a);
    struct agilio_action_hash action = { .basis = 0 };

    if (nl_attr_get_size(a) != sizeof *hash) {
        return MALFORMED;
    }
    if (hash->hash_alg != OVS_HASH_ALG_L4) {
        return "action: hash";
    }
    action.basis = agilio_to_le32(hash->hash_basis);
    put_action(t, AGILIO_ACTION_HASH, &action, sizeof action);
    return NULL;
}

static const char *
translate_push_vlan(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_push_vlan *vlan = nl_attr_get(a);
    struct agilio_action_push_vlan push = { .tpid = 0 };

    if (nl_attr_get_size(a) != sizeof *vlan
        || !eth_type_vlan(vlan->vlan_tpid)) {
        return MALFORMED;
    }
    push.tpid = vlan->vlan_tpid;
    push.tci = vlan->vlan_tci;
    put_action(t, AGILIO_ACTION_PUSH_VLAN, &push, sizeof push);
    return NULL;
}

/* Bits of a value that are not in its mask would be ORed into the packet; OVS
 * never makes such a set. */
static bool
is_within_mask(const uint8_t *key, const uint8_t *mask, size_t n)
{
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
    put_action(t, set->type, &action, set->len);
    return NULL;
}

/* Translates the one attribute inside of set action 'a'. */
static const char *
translate_set(struct translation *t, const struct nlattr *a, bool masked)
{
    const struct nlattr *nested = nl_attr_get(a);
    size_t left = nl_attr_get_size(a);
    const struct set_action *set;
    uint8_t mask[MAX_KEY];
    const uint8_t *key;
    uint16_t attr;

    if (!nl_attr_is_valid(nested, left)
        || nl_attr_len_pad(nested, left) != left) {
        return MALFORMED;
    }
    attr = nl_attr_type(nested);
    if (attr < ARRAY_SIZE(unable_sets) && unable_sets[attr]) {
        return unable_sets[attr];
    }
    set = find_set(attr);
    if (!set || (masked && !set->maskable)
        || nl_attr_get_size(nested) != (size_t) set->key_size << masked) {
        return MALFORMED;
    }

    key = nl_attr_get(nested);
    memset(mask, 0xff, set->key_size);
    if (masked) {
        memcpy(mask, key + set->key_size, set->key_size);
    }
    return (is_within_mask(key, mask, set->key_size)
            ? put_set(t, set, key, mask)
            : MALFORMED);
}

/* Adds what 'a' does to the program.  Returns NULL, or why it cannot. */
static const char *
translate_action(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_pop_vlan pop;
    size_t attr = nl_attr_type(a);

    switch (attr) {
    case OVS_ACTION_ATTR_OUTPUT:
        return translate_output(t, a);

    case OVS_ACTION_ATTR_USERSPACE:
        t->for_host = true;
        return "action: userspace";

    case OVS_ACTION_ATTR_RECIRC:
        return translate_recirc(t, a);

    case OVS_ACTION_ATTR_HASH:
        return translate_hash(t, a);

    case OVS_ACTION_ATTR_CT_CLEAR:
        /* A packet that is on the NIC has not been through ct(). */
        return NULL;

    case OVS_ACTION_ATTR_PUSH_VLAN:
        return translate_push_vlan(t, a);

    case OVS_ACTION_ATTR_POP_VLAN:
        put_action(t, AGILIO_ACTION_POP_VLAN, &pop, sizeof pop);
        return NULL;

    case OVS_ACTION_ATTR_SET:
    case OVS_ACTION_ATTR_SET_MASKED:
        return translate_set(t, a, attr == OVS_ACTION_ATTR_SET_MASKED);
    }
    if (attr < ARRAY_SIZE(unable_actions) && unable_actions[attr]) {
        return unable_actions[attr];
    }
    return "action: unknown";
}

enum agilio_verdict
agilio_translate_actions(const struct nlattr *actions, size_t actions_len,
                         agilio_port_lookup *lookup, void *aux,
                         void *program, size_t *len, const char **reason)
{
    struct translation t = {
        .program.p = program,
        .program.end = (uint8_t *) program + AGILIO_MAX_PROGRAM,
        .lookup = lookup,
        .aux = aux,
    };
    const char *unable = NULL;
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        const char *why;

        if (nl_attr_type(a) == OVS_ACTION_ATTR_DROP) {
            left = 0;           /* OVS does not look at what follows. */
            break;
        }
        why = translate_action(&t, a);
        if (t.for_host) {
            *reason = why;
            return AGILIO_FOR_HOST;
        }
        unable = unable ? unable : why;
    }
    if (!unable) {
        unable = left ? MALFORMED : t.program.bad ? "size: program" : NULL;
    }
    *len = t.program.p - (uint8_t *) program;
    *reason = unable;
    return unable ? AGILIO_UNABLE : AGILIO_ON_NIC;
}
