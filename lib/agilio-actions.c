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
 */

#include <config.h>

#include "agilio-actions.h"

#include "odp-netlink.h"
#include "packets.h"
#include "util.h"

/* What a NIC cannot do, by enum ovs_action_attr. */
static const char *const unable_actions[] = {
    [OVS_ACTION_ATTR_CT] = "action: ct",
};

static const char *translate_list(struct translation *,
                                  const struct nlattr *, size_t len);

void
agilio_put_action(struct translation *t, enum agilio_action_type type,
                  void *action, size_t len, const void *rest, size_t n)
{
    static const uint8_t zeros[4];
    size_t padded = ROUND_UP(n, 4);
    const struct agilio_action head = {
        .type = agilio_to_le16(type),
        .len = agilio_to_le16(len + padded),
    };

    memcpy(action, &head, sizeof head);
    agilio_put_bytes(&t->program, action, len);
    if (n) {
        agilio_put_bytes(&t->program, rest, n);
        agilio_put_bytes(&t->program, zeros, padded - n);
    }
}

/* ## ---------------- ##
 * ## Ways of a packet ##
 * ## ---------------- ## */

static const char *
count_way(struct translation *t)
{
    return ++t->n_ways > AGILIO_MAX_OUTPUTS ? "size: outputs" : NULL;
}

static const char *
translate_output(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_output output = { .port = 0 };
    struct agilio_port_ref port;

    if (nl_attr_get_size(a) != sizeof(odp_port_t)) {
        return MALFORMED;
    }
    port = t->lookup(nl_attr_get_odp_port(a), t->aux);
    if (port.id & AGILIO_PORT_HOST) {
        t->for_host = true;
        return "output: host port";
    }
    output.port = agilio_to_le32(port.id);
    agilio_put_action(t, AGILIO_ACTION_OUTPUT, &output, sizeof output,
                      NULL, 0);
    return count_way(t);
}

static const char *
translate_lb_output(struct translation *t, const struct nlattr *a)
{
    const char *why = agilio_translate_lb_output(t, a);

    return why ? why : count_way(t);
}

static const char *
translate_recirc(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_recirc recirc = { .recirc_id = 0 };

    if (nl_attr_get_size(a) != sizeof(uint32_t) || !nl_attr_get_u32(a)) {
        return MALFORMED;
    }
    recirc.recirc_id = agilio_to_le32(nl_attr_get_u32(a));
    agilio_put_action(t, AGILIO_ACTION_RECIRC, &recirc, sizeof recirc,
                      NULL, 0);
    return count_way(t);
}

static const char *
translate_tunnel_pop(struct translation *t, const struct nlattr *a)
{
    const char *why = agilio_translate_tunnel_pop(t, a);

    return why ? why : count_way(t);
}

/* Of a sampled packet, the host gets a copy and does there what is said here;
 * otherwise the whole flow is the host's. */
static const char *
translate_userspace(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_copy_to_host copy = {
        .len = agilio_to_le32(a->nla_len),
    };

    if (!t->sampling) {
        t->for_host = true;
        return "action: userspace";
    }
    if (a->nla_len > AGILIO_MAX_SAMPLE) {
        return "size: sample";
    }
    agilio_put_action(t, AGILIO_ACTION_COPY_TO_HOST, &copy, sizeof copy,
                      a, a->nla_len);
    return count_way(t);
}

/* ## ------ ##
 * ## Blocks ##
 * ## ------ ## */

/* Translates the 'len' bytes of actions of a block. */
static const char *
translate_block(struct translation *t, const struct nlattr *actions,
                size_t len)
{
    const char *why;

    if (t->depth == AGILIO_MAX_NESTING) {
        return "size: nesting";
    }
    t->depth++;
    why = translate_list(t, actions, len);
    t->depth--;
    return why;
}

/* Sets the length of the action at 'start', which ends here. */
static void
end_block(struct translation *t, uint8_t *start)
{
    agilio_le16 len = agilio_to_le16(t->program.p - start);

    if (!t->program.bad) {
        memcpy(start + offsetof(struct agilio_action, len), &len, sizeof len);
    }
}

static const char *
translate_clone(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_clone clone;
    uint8_t *start = t->program.p;
    const char *why;

    agilio_put_action(t, AGILIO_ACTION_CLONE, &clone, sizeof clone, NULL, 0);
    why = translate_block(t, nl_attr_get(a), nl_attr_get_size(a));
    end_block(t, start);
    return why ? why : count_way(t);
}

/* Finds nested attributes by type, of which there may be 'n' - 1 kinds.  False
 * if they are not well formed. */
static bool
find_nested(const struct nlattr *a, const struct nlattr *found[], size_t n)
{
    const struct nlattr *nested;
    size_t left;

    NL_NESTED_FOR_EACH (nested, left, a) {
        if (nl_attr_type(nested) >= n) {
            return false;
        }
        found[nl_attr_type(nested)] = nested;
    }
    return !left;
}

static const char *
translate_sample(struct translation *t, const struct nlattr *a)
{
    const struct nlattr *nested[OVS_SAMPLE_ATTR_MAX + 1] = { NULL };
    const struct nlattr *probability, *actions;
    struct agilio_action_sample sample;
    uint8_t *start = t->program.p;
    bool sampling = t->sampling;
    const char *why;

    if (!find_nested(a, nested, ARRAY_SIZE(nested))) {
        return MALFORMED;
    }
    probability = nested[OVS_SAMPLE_ATTR_PROBABILITY];
    actions = nested[OVS_SAMPLE_ATTR_ACTIONS];
    if (!probability || !actions
        || nl_attr_get_size(probability) != sizeof(uint32_t)) {
        return MALFORMED;
    }
    sample.probability = agilio_to_le32(nl_attr_get_u32(probability));
    agilio_put_action(t, AGILIO_ACTION_SAMPLE, &sample, sizeof sample,
                      NULL, 0);
    t->sampling = true;
    why = translate_block(t, nl_attr_get(actions), nl_attr_get_size(actions));
    t->sampling = sampling;
    end_block(t, start);
    return why ? why : count_way(t);
}

static const char *
translate_check_pkt_len(struct translation *t, const struct nlattr *a)
{
    const struct nlattr *nested[OVS_CHECK_PKT_LEN_ATTR_MAX + 1] = { NULL };
    struct agilio_action_check_pkt_len cpl = { .greater_len = 0 };
    const struct nlattr *len, *greater, *less;
    uint8_t *start = t->program.p;
    const char *why;

    if (!find_nested(a, nested, ARRAY_SIZE(nested))) {
        return MALFORMED;
    }
    len = nested[OVS_CHECK_PKT_LEN_ATTR_PKT_LEN];
    greater = nested[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER];
    less = nested[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL];
    if (!len || !greater || !less
        || nl_attr_get_size(len) != sizeof(uint16_t)) {
        return MALFORMED;
    }
    cpl.pkt_len = agilio_to_le16(nl_attr_get_u16(len));
    agilio_put_action(t, AGILIO_ACTION_CHECK_PKT_LEN, &cpl, sizeof cpl,
                      NULL, 0);
    why = translate_block(t, nl_attr_get(greater), nl_attr_get_size(greater));
    if (!t->program.bad) {
        cpl.greater_len = agilio_to_le16(t->program.p - start - sizeof cpl);
        memcpy(start + offsetof(struct agilio_action_check_pkt_len,
                                greater_len),
               &cpl.greater_len, sizeof cpl.greater_len);
    }
    if (!why) {
        why = translate_block(t, nl_attr_get(less), nl_attr_get_size(less));
    }
    end_block(t, start);
    return why ? why : count_way(t);
}

/* ## ---------- ##
 * ## The others ##
 * ## ---------- ## */

static const char *
translate_hash(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_hash *hash = nl_attr_get(a);
    struct agilio_action_hash action = { .basis = 0 };

    if (nl_attr_get_size(a) != sizeof *hash) {
        return MALFORMED;
    }
    switch (hash->hash_alg) {
    case OVS_HASH_ALG_L4:
        action.alg = agilio_to_le32(AGILIO_HASH_L4);
        break;
    case OVS_HASH_ALG_SYM_L4:
        action.alg = agilio_to_le32(AGILIO_HASH_SYM_L4);
        break;
    default:
        return MALFORMED;       /* OVS would abort. */
    }
    action.basis = agilio_to_le32(hash->hash_basis);
    agilio_put_action(t, AGILIO_ACTION_HASH, &action, sizeof action, NULL, 0);
    return NULL;
}

static const char *
translate_trunc(struct translation *t, const struct nlattr *a)
{
    const struct ovs_action_trunc *trunc = nl_attr_get(a);
    struct agilio_action_trunc action;

    if (nl_attr_get_size(a) != sizeof *trunc) {
        return MALFORMED;
    }
    action.max_len = agilio_to_le32(MAX(trunc->max_len, ETH_HEADER_LEN));
    agilio_put_action(t, AGILIO_ACTION_TRUNC, &action, sizeof action,
                      NULL, 0);
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
    agilio_put_action(t, AGILIO_ACTION_PUSH_VLAN, &push, sizeof push,
                      NULL, 0);
    return NULL;
}

static const char *
translate_pop_vlan(struct translation *t)
{
    struct agilio_action_pop_vlan pop;

    agilio_put_action(t, AGILIO_ACTION_POP_VLAN, &pop, sizeof pop, NULL, 0);
    return NULL;
}

/* Adds what 'a' does to the program.  Returns NULL, or why it cannot. */
static const char *
translate_action(struct translation *t, const struct nlattr *a)
{
    size_t attr = nl_attr_type(a);

    switch (attr) {
    case OVS_ACTION_ATTR_OUTPUT:
        return translate_output(t, a);
    case OVS_ACTION_ATTR_USERSPACE:
        return translate_userspace(t, a);
    case OVS_ACTION_ATTR_LB_OUTPUT:
        return translate_lb_output(t, a);
    case OVS_ACTION_ATTR_METER:
        return agilio_translate_meter(t, a);
    case OVS_ACTION_ATTR_RECIRC:
        return translate_recirc(t, a);
    case OVS_ACTION_ATTR_TUNNEL_PUSH:
        return agilio_translate_tunnel_push(t, a);
    case OVS_ACTION_ATTR_TUNNEL_POP:
        return translate_tunnel_pop(t, a);
    case OVS_ACTION_ATTR_CLONE:
        return translate_clone(t, a);
    case OVS_ACTION_ATTR_SAMPLE:
        return translate_sample(t, a);
    case OVS_ACTION_ATTR_CHECK_PKT_LEN:
        return translate_check_pkt_len(t, a);
    case OVS_ACTION_ATTR_HASH:
        return translate_hash(t, a);
    case OVS_ACTION_ATTR_TRUNC:
        return translate_trunc(t, a);
    case OVS_ACTION_ATTR_CT_CLEAR:
        return NULL;    /* A packet on the NIC has not been through ct(). */
    case OVS_ACTION_ATTR_PUSH_VLAN:
        return translate_push_vlan(t, a);
    case OVS_ACTION_ATTR_POP_VLAN:
        return translate_pop_vlan(t);
    case OVS_ACTION_ATTR_PUSH_MPLS:
        return agilio_translate_push_mpls(t, a);
    case OVS_ACTION_ATTR_ADD_MPLS:
        return agilio_translate_add_mpls(t, a);
    case OVS_ACTION_ATTR_POP_MPLS:
        return agilio_translate_pop_mpls(t, a);
    case OVS_ACTION_ATTR_PUSH_ETH:
        return agilio_translate_push_eth(t, a);
    case OVS_ACTION_ATTR_POP_ETH:
        return agilio_translate_pop_eth(t);
    case OVS_ACTION_ATTR_PUSH_NSH:
        return agilio_translate_push_nsh(t, a);
    case OVS_ACTION_ATTR_POP_NSH:
        return agilio_translate_pop_nsh(t);
    case OVS_ACTION_ATTR_SET:
    case OVS_ACTION_ATTR_SET_MASKED:
        return agilio_translate_set(t, a,
                                    attr == OVS_ACTION_ATTR_SET_MASKED);
    }
    if (attr < ARRAY_SIZE(unable_actions) && unable_actions[attr]) {
        return unable_actions[attr];
    }
    return "action: unknown";
}

/* A list of actions.  A reason that makes the flow the host's counts for more
 * than one that is about the NIC. */
static const char *
translate_list(struct translation *t, const struct nlattr *actions, size_t len)
{
    const char *unable = NULL;
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, len) {
        const char *why;

        if (nl_attr_type(a) == OVS_ACTION_ATTR_DROP) {
            return unable;      /* OVS does not look at what follows. */
        }
        why = translate_action(t, a);
        if (t->for_host) {
            return why;
        }
        unable = unable ? unable : why;
    }
    return unable ? unable : left ? MALFORMED : NULL;
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

    *reason = translate_list(&t, actions, actions_len);
    if (!*reason && t.program.bad) {
        *reason = "size: program";
    }
    *len = t.program.p - (uint8_t *) program;
    return !*reason ? AGILIO_ON_NIC
           : t.for_host ? AGILIO_FOR_HOST : AGILIO_UNABLE;
}
