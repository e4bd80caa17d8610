/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-report.c - what test-differential says.
 *
 * Coverage is counted by packets.  The rows are those of AGILIO_FIELDS and
 * AGILIO_ACTIONS, for packets that the NIC carried; the kinds of tunnel,
 * likewise; and OVS's actions, wherever they were done.  A new field or action
 * that no packet comes to is a row of zero, and fails the run.
 */

#include <config.h>

#include "differential.h"

#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

struct field {
    const char *name;
    size_t ofs, size;
};

static const struct field fields[] = {
#define FIELD(NAME, MEMBER, FORMAT) \
    { #NAME, offsetof(struct agilio_key, MEMBER), \
      MEMBER_SIZEOF(struct agilio_key, MEMBER) },
    AGILIO_FIELDS(FIELD)
#undef FIELD
};

static const char *const action_names[AGILIO_N_ACTIONS] = {
#define ACTION(ENUM, NAME, HELP) [AGILIO_ACTION_##ENUM] = #NAME,
    AGILIO_ACTIONS(ACTION)
#undef ACTION
};

static const char *const attr_names[] = {
    [OVS_ACTION_ATTR_OUTPUT] = "output",
    [OVS_ACTION_ATTR_USERSPACE] = "userspace",
    [OVS_ACTION_ATTR_SET] = "set",
    [OVS_ACTION_ATTR_PUSH_VLAN] = "push_vlan",
    [OVS_ACTION_ATTR_POP_VLAN] = "pop_vlan",
    [OVS_ACTION_ATTR_SAMPLE] = "sample",
    [OVS_ACTION_ATTR_RECIRC] = "recirc",
    [OVS_ACTION_ATTR_HASH] = "hash",
    [OVS_ACTION_ATTR_PUSH_MPLS] = "push_mpls",
    [OVS_ACTION_ATTR_POP_MPLS] = "pop_mpls",
    [OVS_ACTION_ATTR_SET_MASKED] = "set_masked",
    [OVS_ACTION_ATTR_CT] = "ct",
    [OVS_ACTION_ATTR_TRUNC] = "trunc",
    [OVS_ACTION_ATTR_PUSH_ETH] = "push_eth",
    [OVS_ACTION_ATTR_POP_ETH] = "pop_eth",
    [OVS_ACTION_ATTR_CT_CLEAR] = "ct_clear",
    [OVS_ACTION_ATTR_PUSH_NSH] = "push_nsh",
    [OVS_ACTION_ATTR_POP_NSH] = "pop_nsh",
    [OVS_ACTION_ATTR_METER] = "meter",
    [OVS_ACTION_ATTR_CLONE] = "clone",
    [OVS_ACTION_ATTR_CHECK_PKT_LEN] = "check_pkt_len",
    [OVS_ACTION_ATTR_ADD_MPLS] = "add_mpls",
    [OVS_ACTION_ATTR_TUNNEL_PUSH] = "tnl_push",
    [OVS_ACTION_ATTR_TUNNEL_POP] = "tnl_pop",
    [OVS_ACTION_ATTR_DROP] = "drop",
    [OVS_ACTION_ATTR_LB_OUTPUT] = "lb_output",
};
BUILD_ASSERT_DECL(ARRAY_SIZE(attr_names) == OVS_ACTION_ATTR_MAX + 1);

static const char *const tunnel_names[AGILIO_N_TUNNELS] = {
    [AGILIO_TUNNEL_VXLAN] = "vxlan",
    [AGILIO_TUNNEL_GRE] = "gre",
    [AGILIO_TUNNEL_GENEVE] = "geneve",
    [AGILIO_TUNNEL_ERSPAN] = "erspan",
    [AGILIO_TUNNEL_GTPU] = "gtpu",
};

/* Packets. */
static uint64_t n_fields[ARRAY_SIZE(fields)];
static uint64_t n_actions[AGILIO_N_ACTIONS];
static uint64_t n_attrs[ARRAY_SIZE(attr_names)];
static uint64_t n_pops[AGILIO_N_TUNNELS], n_pushes[AGILIO_N_TUNNELS];
static uint64_t n_verdicts[4];
static uint64_t n_refused;
static uint64_t n_reasons[128];         /* As agilio_translate_reasons[]. */

/* ## -------- ##
 * ## Counting ##
 * ## -------- ## */

static void
count_reason(const char *reason, uint64_t n)
{
    size_t i = 0;

    while (strcmp(agilio_translate_reasons[i].reason, reason)) {
        i++;
    }
    n_reasons[i] += n;
}

/* What an action has in front of its block; 0 if it has none. */
static size_t
block_ofs(uint16_t type)
{
    return type == AGILIO_ACTION_CLONE ? sizeof(struct agilio_action_clone)
           : type == AGILIO_ACTION_SAMPLE
           ? sizeof(struct agilio_action_sample)
           : type == AGILIO_ACTION_CHECK_PKT_LEN
           ? sizeof(struct agilio_action_check_pkt_len) : 0;
}

static void
count_program(const uint8_t *p, size_t len, uint64_t n)
{
    for (size_t ofs = 0; ofs < len; ) {
        struct agilio_action action;
        agilio_le32 tunnel;
        uint16_t type, action_len;

        memcpy(&action, p + ofs, sizeof action);
        type = agilio_from_le16(action.type);
        action_len = agilio_from_le16(action.len);
        n_actions[type] += n;
        if (type == AGILIO_ACTION_TUNNEL_POP
            || type == AGILIO_ACTION_TUNNEL_PUSH) {
            memcpy(&tunnel, p + ofs + sizeof action, sizeof tunnel);
            (type == AGILIO_ACTION_TUNNEL_POP ? n_pops : n_pushes)
                [agilio_from_le32(tunnel)] += n;
        }
        if (block_ofs(type)) {
            count_program(p + ofs + block_ofs(type),
                          action_len - block_ofs(type), n);
        }
        ofs += action_len;
    }
}

static void
count_attrs(const struct nlattr *actions, size_t len, uint64_t n)
{
    const struct nlattr *a, *nested;
    size_t left, nested_left;

    NL_ATTR_FOR_EACH (a, left, actions, len) {
        uint16_t type = nl_attr_type(a);

        n_attrs[type] += n;
        if (type == OVS_ACTION_ATTR_CLONE) {
            count_attrs(nl_attr_get(a), nl_attr_get_size(a), n);
        } else if (type == OVS_ACTION_ATTR_SAMPLE
                   || type == OVS_ACTION_ATTR_CHECK_PKT_LEN) {
            NL_NESTED_FOR_EACH (nested, nested_left, a) {
                if (nl_attr_type(nested) >= OVS_SAMPLE_ATTR_ACTIONS) {
                    count_attrs(nl_attr_get(nested),
                                nl_attr_get_size(nested), n);
                }
            }
        }
    }
}
BUILD_ASSERT_DECL((int) OVS_SAMPLE_ATTR_ACTIONS
                  == (int) OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER);

void
diff_cover(const struct diff_flow *flow)
{
    uint64_t n_nic = (flow->resident
                      ? diff_nic_n_packets(flow) - flow->nic_base : 0);

    n_verdicts[flow->verdict] += (flow->verdict == AGILIO_ON_NIC
                                  ? n_nic : flow->n_given);
    if (flow->reason) {
        count_reason(flow->reason, flow->n_given);
    } else if (!flow->resident) {
        n_refused += flow->n_given;
    }
    count_attrs((const void *) flow->actions, flow->actions_len,
                n_nic + flow->n_given);
    if (!flow->resident) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!is_all_zeros((const uint8_t *) &flow->mask + fields[i].ofs,
                          fields[i].size)) {
            n_fields[i] += n_nic;
        }
    }
    count_program(flow->program, flow->program_len,
                  n_nic + (flow->verdict == AGILIO_ON_NIC
                           ? 0 : flow->n_given));
}

/* ## -------- ##
 * ## Coverage ##
 * ## -------- ## */

static bool
print_row(const char *kind, const char *name, uint64_t n, bool needed)
{
    printf("%-8s%-28s%12"PRIu64"%s\n", kind, name, n,
           n || !needed ? "" : "  never covered");
    return n || !needed;
}

static void
print_verdicts(void)
{
    static const char *const verdicts[] = {
        [AGILIO_ON_NIC] = "on the NIC",
        [AGILIO_FOR_HOST] = "for the host",
        [AGILIO_UNABLE] = "unable",
        [AGILIO_UNMATCHABLE] = "unmatchable",
    };

    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        print_row("verdict", verdicts[i], n_verdicts[i], false);
    }
    for (size_t i = 0; i < ARRAY_SIZE(n_reasons); i++) {
        if (n_reasons[i]) {
            print_row("reason", agilio_translate_reasons[i].reason,
                      n_reasons[i], false);
        }
    }
    print_row("reason", "refused by the NIC", n_refused, false);
}

bool
diff_cover_print(void)
{
    bool full = true;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        full &= print_row("match", fields[i].name, n_fields[i], true);
    }
    for (size_t i = 1; i < AGILIO_N_ACTIONS; i++) {
        full &= print_row("action", action_names[i], n_actions[i], true);
    }
    for (size_t i = 1; i < AGILIO_N_TUNNELS; i++) {
        full &= print_row("pop", tunnel_names[i], n_pops[i], true);
        /* ERSPAN has a sequence number, which is the host's. */
        full &= print_row("push", tunnel_names[i], n_pushes[i],
                          i != AGILIO_TUNNEL_ERSPAN);
    }
    for (size_t i = 1; i < ARRAY_SIZE(attr_names); i++) {
        full &= print_row("OVS", attr_names[i], n_attrs[i], true);
    }
    print_verdicts();
    return full;
}

/* ## ----------- ##
 * ## Differences ##
 * ## ----------- ## */

void
diff_print_flow(const struct diff_flow *flow)
{
    struct odp_flow_key_parms parms = {
        .flow = &flow->match.flow,
        .mask = &flow->match.wc.masks,
        .support.max_vlan_headers = FLOW_MAX_VLAN_HEADERS,
        .support.max_mpls_depth = FLOW_MAX_MPLS_LABELS,
        .support.recirc = true,
        .support.nd_ext = true,
    };
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct ofpbuf key, mask;

    ofpbuf_init(&key, 512);
    ofpbuf_init(&mask, 512);
    odp_flow_key_from_flow(&parms, &key);
    parms.key_buf = &key;
    odp_flow_key_from_mask(&parms, &mask);
    odp_flow_format(key.data, key.size, mask.data, mask.size, NULL, &ds,
                    false);
    ds_put_cstr(&ds, ", actions:");
    format_odp_actions(&ds, (const void *) flow->actions, flow->actions_len,
                       NULL);
    printf("  flow %"PRIu32"%s%s%s: %s\n", flow->id,
           flow->resident ? "" : " (not on the NIC)",
           flow->reason ? ", " : "", flow->reason ? flow->reason : "",
           ds_cstr(&ds));
    ds_destroy(&ds);
    ofpbuf_uninit(&key);
    ofpbuf_uninit(&mask);
}

void
diff_print_frame(const char *title, uint32_t port, const void *frame,
                 uint32_t len)
{
    printf("  %s %"PRIu32": ", title, port);
    for (uint32_t i = 0; i < len; i++) {
        printf("%02x", ((const uint8_t *) frame)[i]);
    }
    printf("\n");
}

void
diff_print_fate(const char *title, const struct diff_fate *fate)
{
    printf("  %s:%s\n", title, fate->full ? " too much" : "");
    for (uint32_t i = 0; i < fate->n; i++) {
        const struct diff_event *e = &fate->events[i];
        const uint8_t *p = fate->bytes + e->ofs;
        struct flow flow;

        diff_print_frame(e->kind == DIFF_SENT ? "  sent to port"
                         : e->kind == DIFF_MISS ? "  missed" : "  userspace",
                         e->port, p, e->len);
        if (e->extra_len) {
            char *s;

            memcpy(&flow, p + e->len, sizeof flow);
            s = flow_to_string(&flow, NULL);
            printf("      %s\n", s);
            free(s);
        }
    }
}
