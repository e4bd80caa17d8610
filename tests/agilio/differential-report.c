/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-report.c - what test-differential says.
 *
 * Coverage is counted by packets: of those that the NIC found a flow for, how
 * many met a match on each field and each action.  The rows are those of
 * AGILIO_FIELDS and AGILIO_ACTIONS: a new field or action that no packet comes
 * to is a row of zero, and fails the run.
 */

#include <config.h>

#include "differential.h"

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

/* Packets. */
static uint64_t n_fields[ARRAY_SIZE(fields)];
static uint64_t n_actions[AGILIO_N_ACTIONS];
static uint64_t n_verdicts[4];
static uint64_t n_reasons[64];          /* As agilio_translate_reasons[]. */

static void
count_reason(const char *reason, uint64_t n)
{
    size_t i = 0;

    while (strcmp(agilio_translate_reasons[i].reason, reason)) {
        i++;
    }
    n_reasons[i] += n;
}

void
diff_cover(const struct diff_flow *flow)
{
    n_verdicts[flow->verdict] += flow->n_hits;
    if (flow->reason) {
        count_reason(flow->reason, flow->n_hits);
    }
    if (!flow->resident) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!is_all_zeros((const uint8_t *) &flow->mask + fields[i].ofs,
                          fields[i].size)) {
            n_fields[i] += flow->n_hits;
        }
    }
    for (size_t i = 1; i < AGILIO_N_ACTIONS; i++) {
        n_actions[i] += flow->n_actions[i] * flow->n_hits;
    }
}

static void
print_row(const char *kind, const char *name, uint64_t n)
{
    printf("%-8s%-28s%12"PRIu64"%s\n", kind, name, n,
           n ? "" : "  never covered");
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
        print_row("verdict", verdicts[i], n_verdicts[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(n_reasons); i++) {
        if (n_reasons[i]) {
            print_row("reason", agilio_translate_reasons[i].reason,
                      n_reasons[i]);
        }
    }
}

bool
diff_cover_print(void)
{
    bool full = true;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        print_row("match", fields[i].name, n_fields[i]);
        full &= n_fields[i] != 0;
    }
    for (size_t i = 1; i < AGILIO_N_ACTIONS; i++) {
        print_row("action", action_names[i], n_actions[i]);
        full &= n_actions[i] != 0;
    }
    print_verdicts();
    return full;
}

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
diff_print_frame(const char *title, uint32_t port,
                 const struct diff_frame *frame)
{
    printf("  %s %"PRIu32": ", title, port);
    for (uint32_t i = 0; i < frame->len; i++) {
        printf("%02x", frame->bytes[i]);
    }
    printf("\n");
}

void
diff_print_fate(const char *title, const struct diff_fate *fate)
{
    printf("  %s:\n", title);
    for (uint32_t i = 0; i < DIFF_N_PORTS; i++) {
        for (uint32_t j = 0; j < MIN(fate->n_sent[i], DIFF_MAX_SENT); j++) {
            diff_print_frame("  sent to port", i + 1, &fate->sent[i][j]);
        }
    }
    if (fate->n_host) {
        printf("    %"PRIu32" times to the host\n", fate->n_host);
        diff_print_frame("  last for reason", fate->reason, &fate->host);
    }
}
