/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-trace.c - what the NIC would do with a frame; see agilio-trace.h. */

#include <config.h>

#include "agilio-trace.h"

#include "agilio-dump.h"
#include "agilio-format.h"
#include "agilio-shadow.h"
#include "agilio-table.h"
#include "agilio-view.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "uuid.h"

struct pass {
    struct agilio_trace t;
    uint32_t level, n_passes, flow_id, fate, reason;
    const uint8_t *program;
    size_t program_len;
};

/* Reads a reply, of which nothing is believed.  False if it is none. */
static bool
read_pass(struct pass *p, const uint8_t *reply, size_t len)
{
    if (len < sizeof p->t) {
        return false;
    }
    memcpy(&p->t, reply, sizeof p->t);
    p->level = agilio_from_le32(p->t.level);
    p->n_passes = agilio_from_le32(p->t.n_passes);
    p->flow_id = agilio_from_le32(p->t.flow_id);
    p->fate = agilio_from_le32(p->t.fate);
    p->reason = agilio_from_le32(p->t.reason);
    p->program = reply + sizeof p->t;
    p->program_len = agilio_from_le32(p->t.program_len);
    return (p->program_len <= len - sizeof p->t
            && p->n_passes <= AGILIO_MAX_RECIRC + 1
            && (p->level == AGILIO_TRACE_MISS) == !p->n_passes);
}

/* Whether the packet is looked up again when the program has run. */
static bool
looks_again(const struct pass *p)
{
    struct agilio_action action;
    size_t len;

    for (size_t ofs = 0; ofs + sizeof action <= p->program_len; ofs += len) {
        uint16_t type;

        memcpy(&action, p->program + ofs, sizeof action);
        type = agilio_from_le16(action.type) & AGILIO_ACTION_TYPE;
        len = MAX(agilio_from_le16(action.len), sizeof action);
        if (type == AGILIO_ACTION_RECIRC
            || type == AGILIO_ACTION_TUNNEL_POP) {
            return true;
        }
    }
    return false;
}

/* What is said: text, or in JSON the cells of two tables. */
struct output {
    struct ds *ds;
    bool json;
    struct table nic, passes;
};

static void
put_levels(struct output *out, const struct pass *p)
{
    bool l1 = p->level == AGILIO_TRACE_L1;
    bool l2 = p->level == AGILIO_TRACE_L2;
    struct ds packet = DS_EMPTY_INITIALIZER;

    agilio_format_match(&packet, &p->t.packet, NULL);
    if (out->json) {
        table_add_row(&out->nic);
        agilio_table_text(&out->nic, ds_cstr(&packet));
        agilio_table_text(&out->nic, l1 ? "l1" : l2 ? "l2" : "miss");
    } else {
        ds_put_format(out->ds, "packet: %s\nL1 exact match flow tracker: "
                      "%s\n", ds_cstr(&packet), l1 ? "hit" : "miss");
        if (!l1) {
            ds_put_format(out->ds, "L2 mask tables: %s\n",
                          l2 ? "hit" : "miss");
        }
    }
    ds_destroy(&packet);
}

static void
put_flow(struct output *out, const struct pass *p, agilio_trace_name *name,
         void *aux)
{
    struct ds match = DS_EMPTY_INITIALIZER;
    struct ds program = DS_EMPTY_INITIALIZER;
    struct ds ufid = DS_EMPTY_INITIALIZER;
    struct ds actions = DS_EMPTY_INITIALIZER;
    bool named = name && name(p->flow_id, &ufid, &actions, aux);

    agilio_format_match(&match, &p->t.key, &p->t.mask);
    agilio_format_program(&program, p->program, p->program_len);
    if (out->json) {
        table_add_row(&out->passes);
        agilio_table_number(&out->passes, p->flow_id);
        agilio_table_text(&out->passes, ds_cstr(&match));
        agilio_table_text(&out->passes, ds_cstr(&program));
        agilio_table_text(&out->passes, named ? ds_cstr(&ufid) : NULL);
        agilio_table_text(&out->passes, named ? ds_cstr(&actions) : NULL);
    } else {
        ds_put_format(out->ds, "flow %"PRIu32": %s\n", p->flow_id,
                      ds_cstr(&match));
        if (named) {
            ds_put_format(out->ds, "  mega_ufid:%s, actions:%s\n",
                          ds_cstr(&ufid), ds_cstr(&actions));
        }
        ds_put_format(out->ds, "actions: %s\n", ds_cstr(&program));
    }
    ds_destroy(&match);
    ds_destroy(&program);
    ds_destroy(&ufid);
    ds_destroy(&actions);
}

static void
put_verdict(struct output *out, const char *fate, const char *verdict)
{
    if (!out->json) {
        ds_put_format(out->ds, "verdict: %s\n", verdict);
        return;
    }
    if (!out->nic.n_rows) {
        table_add_row(&out->nic);
        agilio_table_text(&out->nic, NULL);
        agilio_table_text(&out->nic, NULL);
    }
    agilio_table_text(&out->nic, fate);
    agilio_table_text(&out->nic, verdict);
}

/* What the last pass that is known comes to. */
static void
judge(struct output *out, const struct pass *p)
{
    if (p->level == AGILIO_TRACE_MISS || p->fate == AGILIO_TRACE_TO_HOST) {
        put_verdict(out, "host", p->reason == AGILIO_FALLBACK_HOST
                    ? "to the host: for the host itself"
                    : p->reason == AGILIO_FALLBACK_UNABLE
                    ? "to the host: not possible on the NIC"
                    : "to the host: not learned yet");
    } else if (p->fate == AGILIO_TRACE_DROP) {
        put_verdict(out, "dropped", "dropped by its flow");
    } else if (looks_again(p)) {
        put_verdict(out, "again",
                    "carried by the NIC so far, and looked up again");
    } else {
        put_verdict(out, "carried", "carried by the NIC");
    }
}

static void
ask_all(struct output *out, agilio_trace_ask *ask, agilio_trace_name *name,
        void *aux)
{
    uint8_t reply[AGILIO_TRACE_MAX];
    struct pass p = { .n_passes = 0 };
    uint32_t i = 0;

    do {
        size_t len = 0;
        char *error = ask(i, reply, &len, aux);

        if (!error && !read_pass(&p, reply, len)) {
            error = xstrdup("the NIC's reply makes no sense");
        }
        if (error) {
            char *verdict = xasprintf("unknown (%s)", error);

            put_verdict(out, "unknown", verdict);
            free(verdict);
            free(error);
            return;
        }
        if (!i) {
            put_levels(out, &p);
        }
        if (p.n_passes) {
            put_flow(out, &p, name, aux);
        }
    } while (++i < p.n_passes);
    judge(out, &p);
}

static void
output_init(struct output *out, struct ds *ds, const struct table_style *style)
{
    out->ds = ds;
    out->json = style->format == TF_JSON;
    agilio_table_init(&out->nic, "packet level fate verdict");
    agilio_table_init(&out->passes, "flow match actions ufid dp_actions");
}

static void
output_finish(struct output *out, const struct table_style *style)
{
    if (out->json) {
        agilio_table_put(out->ds, &out->nic, "nic", style);
        agilio_table_put(out->ds, &out->passes, "passes", style);
    } else {
        table_destroy(&out->nic);
        table_destroy(&out->passes);
    }
}

void
agilio_trace(struct ds *ds, const struct table_style *style,
             agilio_trace_ask *ask, agilio_trace_name *name, void *aux)
{
    struct output out;

    output_init(&out, ds, style);
    ask_all(&out, ask, name, aux);
    output_finish(&out, style);
}

void
agilio_trace_not(struct ds *ds, const struct table_style *style,
                 const char *fate, const char *verdict)
{
    struct output out;

    output_init(&out, ds, style);
    put_verdict(&out, fate, verdict);
    output_finish(&out, style);
}

/* ## ------------- ##
 * ## ovs-vswitchd. ##
 * ## ------------- ## */

struct request {
    struct {
        agilio_le32 port, pass;
        uint8_t frame[AGILIO_MAX_FRAME];
    } body;
    size_t len;                 /* Of the frame. */
    const struct agilio_view *view;
};

static char *
ask_nic(uint32_t pass, void *reply, size_t *reply_len, void *request_)
{
    struct request *r = request_;
    char *reason;

    r->body.pass = agilio_to_le32(pass);
    agilio_view_call(r->view, AGILIO_MSG_TRACE, &r->body,
                     offsetof(struct request, body.frame) + r->len,
                     reply, AGILIO_TRACE_MAX, reply_len, &reason);
    return reason;
}

struct search {
    const struct agilio_view *view;
    uint32_t flow_id;
    bool found;
    struct ds *ufid, *actions;
};

/* Whether the flow is one of the NIC that is asked. */
static bool
is_of(const struct agilio_shadow_flow *flow, const struct agilio_view *view)
{
    const struct agilio_kernel_nic *nic = flow->kernel_nic;

    return view->kernel ? nic && !strcmp(nic->name, view->name) : !nic;
}

static void
name_if_found(const struct agilio_shadow_flow *flow, void *search_)
{
    struct search *search = search_;

    if (flow->nic_id == search->flow_id && !search->found
        && is_of(flow, search->view)) {
        search->found = true;
        ds_put_format(search->ufid, UUID_FMT,
                      UUID_ARGS((struct uuid *) &flow->ufid));
        format_odp_actions(search->actions, flow->actions,
                           flow->actions_len, NULL);
    }
}

/* The datapath's flow that is this one on the NIC. */
static bool
name_flow(uint32_t flow_id, struct ds *ufid, struct ds *actions, void *request)
{
    const struct agilio_view *view = ((struct request *) request)->view;
    struct search search = {
        .view = view, .flow_id = flow_id, .ufid = ufid, .actions = actions,
    };
    struct agilio_kernel kernel;

    if (!view->kernel) {
        agilio_shadow_for_each(name_if_found, &search);
    } else {
        agilio_kernel_init(&kernel);        /* As it is now. */
        agilio_dump_for_each(&kernel, name_if_found, &search);
        agilio_kernel_destroy(&kernel);
    }
    return search.found;
}

void
agilio_trace_nic(struct ds *ds, const struct table_style *style,
                 const struct agilio_view *view, uint32_t port,
                 const void *frame, size_t len)
{
    const size_t max = (AGILIO_MAX_MSG - sizeof(struct agilio_msg)
                        - offsetof(struct request, body.frame));
    struct request r = {
        .body.port = agilio_to_le32(port), .len = len, .view = view,
    };

    if (len > max) {
        char *verdict = xasprintf("unknown (the NIC can be asked of frames "
                                  "of up to %"PRIuSIZE" bytes)", max);

        agilio_trace_not(ds, style, "unknown", verdict);
        free(verdict);
        return;
    }
    memcpy(r.body.frame, frame, len);
    agilio_trace(ds, style, ask_nic, name_flow, &r);
}
