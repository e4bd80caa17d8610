/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-trace.c - lib/agilio-trace.c: what is said of a NIC's replies, good
 * ones and others.
 */

#include <config.h>

#include "agilio-trace.h"

#include "agilio/msg.h"
#include "check.h"
#include "openvswitch/dynamic-string.h"
#include "table.h"
#include "util.h"

/* What the NIC replies to each pass. */
struct nic {
    struct agilio_trace t;
    struct {
        struct agilio_action a;
        agilio_le32 arg;
    } program[2];
    size_t len;                 /* Of the reply. */
    const char *error;
    uint32_t n_asked;
};

static char *
ask(uint32_t pass, void *reply, size_t *reply_len, void *nic_)
{
    struct nic *nic = nic_;

    CHECK(pass == nic->n_asked);
    nic->n_asked++;
    if (nic->error) {
        return xstrdup(nic->error);
    }
    memcpy(reply, &nic->t, sizeof nic->t);
    memcpy((uint8_t *) reply + sizeof nic->t, nic->program,
           sizeof nic->program);
    *reply_len = nic->len;
    return NULL;
}

static bool
name(uint32_t flow_id, struct ds *ufid, struct ds *actions,
     void *nic OVS_UNUSED)
{
    ds_put_format(ufid, "(%"PRIu32")", flow_id);
    ds_put_cstr(actions, "2");
    return true;
}

static struct nic
make(enum agilio_trace_level level, uint32_t n_passes,
     enum agilio_trace_fate fate, enum agilio_action_type type)
{
    struct nic nic = {
        .t = {
            .level = agilio_to_le32(level),
            .n_passes = agilio_to_le32(n_passes),
            .flow_id = agilio_to_le32(7),
            .fate = agilio_to_le32(fate),
            .program_len = agilio_to_le32(2 * sizeof nic.program[0]),
        },
    };

    for (int i = 0; i < 2; i++) {
        /* With a bit that is the NIC's own. */
        nic.program[i].a.type = agilio_to_le16(0x8000 | (i ? type
                                               : AGILIO_ACTION_OUTPUT));
        nic.program[i].a.len = agilio_to_le16(sizeof nic.program[i]);
    }
    nic.len = sizeof nic.t + sizeof nic.program;
    return nic;
}

/* Whether agilio_trace() ends with verdict 'expected', and has 'n' flows. */
static bool
says(struct nic *nic, uint32_t n, const char *expected)
{
    char *line = xasprintf("\nverdict: %s\n", expected);
    struct table_style style = TABLE_STYLE_DEFAULT;
    struct ds ds = DS_EMPTY_INITIALIZER;
    const char *s;
    bool ok;

    ds_put_char(&ds, '\n');
    agilio_trace(&ds, &style, ask, name, nic);
    s = ds_cstr(&ds);
    ok = strlen(s) >= strlen(line)
         && !strcmp(s + strlen(s) - strlen(line), line);
    while ((s = strstr(s, "\nflow 7: ")) != NULL) {
        s++;
        n--;
    }
    if (!ok || n) {
        printf("%s", ds_cstr(&ds));
    }
    ds_destroy(&ds);
    free(line);
    return ok && !n;
}

static void
test_verdicts(void)
{
    struct nic nic = make(AGILIO_TRACE_L2, 1, AGILIO_TRACE_RUN,
                          AGILIO_ACTION_OUTPUT);

    CHECK(says(&nic, 1, "carried by the NIC"));
    nic = make(AGILIO_TRACE_L1, 3, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    CHECK(says(&nic, 3, "carried by the NIC"));
    CHECK(nic.n_asked == 3);
    nic = make(AGILIO_TRACE_L2, 1, AGILIO_TRACE_RUN, AGILIO_ACTION_RECIRC);
    CHECK(says(&nic, 1, "carried by the NIC so far, and looked up again"));
    nic = make(AGILIO_TRACE_L2, 1, AGILIO_TRACE_RUN,
               AGILIO_ACTION_TUNNEL_POP);
    CHECK(says(&nic, 1, "carried by the NIC so far, and looked up again"));
    nic = make(AGILIO_TRACE_L1, 1, AGILIO_TRACE_DROP, AGILIO_ACTION_OUTPUT);
    CHECK(says(&nic, 1, "dropped by its flow"));
    nic = make(AGILIO_TRACE_L1, 1, AGILIO_TRACE_TO_HOST,
               AGILIO_ACTION_OUTPUT);
    nic.t.reason = agilio_to_le32(AGILIO_FALLBACK_UNABLE);
    CHECK(says(&nic, 1, "to the host: not possible on the NIC"));
    nic = make(AGILIO_TRACE_MISS, 0, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    CHECK(says(&nic, 0, "to the host: not learned yet"));
}

#define NONSENSE "unknown (the NIC's reply makes no sense)"

static void
test_nonsense(void)
{
    struct nic nic = { .error = "there is no NIC" };

    CHECK(says(&nic, 0, "unknown (there is no NIC)"));
    nic = make(AGILIO_TRACE_L1, 1, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    nic.len = sizeof nic.t - 1;
    CHECK(says(&nic, 0, NONSENSE));
    nic = make(AGILIO_TRACE_L1, 1, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    nic.t.program_len = agilio_to_le32(sizeof nic.program + 1);
    CHECK(says(&nic, 0, NONSENSE));
    nic = make(AGILIO_TRACE_L1, UINT32_MAX, AGILIO_TRACE_RUN,
               AGILIO_ACTION_OUTPUT);
    CHECK(says(&nic, 0, NONSENSE));
    nic = make(AGILIO_TRACE_MISS, 1, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    CHECK(says(&nic, 0, NONSENSE));
    nic = make(AGILIO_TRACE_L1, 0, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    CHECK(says(&nic, 0, NONSENSE));

    /* Numbers that nobody knows, lengths that lead nowhere. */
    nic = make(77, 1, 77, 777);
    nic.t.reason = agilio_to_le32(77);
    CHECK(says(&nic, 1, "carried by the NIC"));
    nic = make(AGILIO_TRACE_L2, 1, AGILIO_TRACE_RUN, AGILIO_ACTION_OUTPUT);
    nic.program[0].a.len = agilio_to_le16(0);
    CHECK(says(&nic, 1, "carried by the NIC"));
    nic.n_asked = 0;
    nic.program[0].a.len = agilio_to_le16(UINT16_MAX);
    CHECK(says(&nic, 1, "carried by the NIC"));
}

static void
test_json(void)
{
    static const char expected[] =
        "\"headings\":[\"packet\",\"level\",\"fate\",\"verdict\"]}\n"
        "{\"caption\":\"passes\",\"data\":[";
    struct table_style style = TABLE_STYLE_DEFAULT;
    struct nic nic = make(77, 1, 77, 777);
    struct ds ds = DS_EMPTY_INITIALIZER;

    style.format = TF_JSON;
    agilio_trace(&ds, &style, ask, name, &nic);
    CHECK(strstr(ds_cstr(&ds), "\"miss\",\"carried\","));
    CHECK(strstr(ds_cstr(&ds), expected));
    CHECK(strstr(ds_cstr(&ds), ",\"(7)\",\"2\"]]"));

    ds_clear(&ds);
    nic.n_asked = 0;
    nic.error = "no \"NIC\"";
    agilio_trace(&ds, &style, ask, NULL, &nic);
    CHECK(strstr(ds_cstr(&ds), "[null,null,\"unknown\","
                 "\"unknown (no \\\"NIC\\\")\"]"));
    CHECK(strstr(ds_cstr(&ds), "\"data\":[]"));
    ds_destroy(&ds);
}

int
main(void)
{
    RUN(test_verdicts);
    RUN(test_nonsense);
    RUN(test_json);
    return summary();
}
