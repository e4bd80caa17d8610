/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-trace.c - what the NIC would do with a frame; see agilio-trace.h. */

#include <config.h>

#include "agilio-trace.h"

#include "agilio-format.h"
#include "agilio-nic.h"
#include "agilio-shadow.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

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

static void
format_levels(struct ds *ds, const struct pass *p)
{
    ds_put_cstr(ds, "packet: ");
    agilio_format_match(ds, &p->t.packet, NULL);
    ds_put_format(ds, "\nL1 exact match flow tracker: %s\n",
                  p->level == AGILIO_TRACE_L1 ? "hit" : "miss");
    if (p->level != AGILIO_TRACE_L1) {
        ds_put_format(ds, "L2 mask tables: %s\n",
                      p->level == AGILIO_TRACE_L2 ? "hit" : "miss");
    }
}

static void
format_flow(struct ds *ds, const struct pass *p, agilio_trace_name *name)
{
    ds_put_format(ds, "flow %"PRIu32": ", p->flow_id);
    agilio_format_match(ds, &p->t.key, &p->t.mask);
    ds_put_char(ds, '\n');
    if (name) {
        name(ds, p->flow_id);
    }
    ds_put_cstr(ds, "actions: ");
    agilio_format_program(ds, p->program, p->program_len);
    ds_put_char(ds, '\n');
}

static const char *
verdict(const struct pass *p)
{
    if (p->level == AGILIO_TRACE_MISS || p->fate == AGILIO_TRACE_TO_HOST) {
        return (p->reason == AGILIO_FALLBACK_HOST
                ? "to the host: for the host itself"
                : p->reason == AGILIO_FALLBACK_UNABLE
                ? "to the host: not possible on the NIC"
                : "to the host: not learned yet");
    }
    return (p->fate == AGILIO_TRACE_DROP ? "dropped by its flow"
            : looks_again(p) ? "carried by the NIC so far, and looked up "
            "again" : "carried by the NIC");
}

void
agilio_trace(struct ds *ds, agilio_trace_ask *ask, agilio_trace_name *name,
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
            ds_put_format(ds, "verdict: unknown (%s)\n", error);
            free(error);
            return;
        }
        if (!i) {
            format_levels(ds, &p);
        }
        if (p.n_passes) {
            format_flow(ds, &p, name);
        }
    } while (++i < p.n_passes);
    ds_put_format(ds, "verdict: %s\n", verdict(&p));
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
};

static char *
ask_nic(uint32_t pass, void *reply, size_t *reply_len, void *request_)
{
    struct request *r = request_;
    char *reason = NULL;
    int error;

    r->body.pass = agilio_to_le32(pass);
    error = agilio_nic_call(AGILIO_MSG_TRACE, &r->body,
                            offsetof(struct request, body.frame) + r->len,
                            reply, AGILIO_TRACE_MAX, reply_len, &reason);
    return !error ? NULL : reason ? reason : xstrdup(ovs_strerror(error));
}

struct search {
    struct ds *ds;
    uint32_t flow_id;
};

static void
name_if_found(const struct agilio_shadow_flow *flow, void *search_)
{
    const struct search *search = search_;

    if (flow->nic_id == search->flow_id) {
        ds_put_cstr(search->ds, "  mega_");
        odp_format_ufid(&flow->ufid, search->ds);
        ds_put_cstr(search->ds, ", actions:");
        format_odp_actions(search->ds, flow->actions, flow->actions_len,
                           NULL);
        ds_put_char(search->ds, '\n');
    }
}

/* The datapath's flow that is this one on the NIC. */
static void
name_by_shadow(struct ds *ds, uint32_t flow_id)
{
    struct search search = { ds, flow_id };

    agilio_shadow_for_each(name_if_found, &search);
}

void
agilio_trace_nic(struct ds *ds, uint32_t port, const void *frame, size_t len)
{
    const size_t max = (AGILIO_MAX_MSG - sizeof(struct agilio_msg)
                        - offsetof(struct request, body.frame));
    struct request r = { .body.port = agilio_to_le32(port), .len = len };

    if (len > max) {
        ds_put_format(ds, "verdict: unknown (the NIC can be asked of frames "
                      "of up to %"PRIuSIZE" bytes)\n", max);
        return;
    }
    memcpy(r.body.frame, frame, len);
    agilio_trace(ds, ask_nic, name_by_shadow, &r);
}
