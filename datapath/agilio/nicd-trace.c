/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-trace.c - `ovs-appctl -t agilio-nicd nic/trace': what the NIC would do
 * with a frame.
 *
 * Runs in the control thread, which has the port's worker look it up by a call
 * (agl_worker_call()).  Nothing is sent, and nothing counted.
 */

#include <config.h>

#include "nicd.h"

#include <stdlib.h>

#include "agilio-format.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

/* What would become of a frame: asked of the port's worker, which looks it up
 * (this counts as a use of the tracker's entry) and does no more. */
struct trace {
    struct agl_pkt *pkt;
    struct agilio_key key;
    bool in_tracker;
    bool hit;
    struct agilio_key flow_key, flow_mask;
    uint32_t flow_id;
    uint8_t code[AGILIO_MAX_PROGRAM];
    uint32_t code_len;
    enum agl_program_kind kind;
    enum agilio_fallback reason;
};

static void
apply_trace(struct agl_worker *w, void *trace_)
{
    struct agl_traversal traversal;
    struct trace *t = trace_;
    struct agl_flow *flow;
    uint32_t i, n = 0;

    agl_parse(t->pkt, &w->options, &t->key);
    agl_tracker_shape_keys(w->tracker, w->table, &t->pkt, 1, &w->options,
                           &traversal);
    if (!traversal.tk.shape) {
        agl_tracker_key(w->tracker, w->table, &t->key, &traversal.tk);
    }
    t->in_tracker = agl_tracker_lookup(w->tracker, w->table, &traversal.tk,
                                       w->now, &traversal.path);
    flow = (t->in_tracker ? traversal.path.flows[0]
            : agl_flow_table_lookup(w->table, &t->key));
    t->hit = flow != NULL;
    if (!flow) {
        return;
    }
    for (i = 0; i < AGILIO_KEY_WORDS; i++) {
        if (flow->map & UINT64_C(1) << i) {
            memcpy((uint8_t *) &t->flow_key + i * 8, &flow->words[n], 8);
            memcpy((uint8_t *) &t->flow_mask + i * 8,
                   &flow->words[flow->n_words + n], 8);
            n++;
        }
    }
    t->flow_id = flow->id;
    t->kind = flow->program->kind;
    t->reason = flow->program->reason;
    t->code_len = MIN(flow->program->len, sizeof t->code);
    memcpy(t->code, flow->program->code, t->code_len);
}

static void
put_trace(struct ds *ds, const struct trace *t)
{
    static const char *const verdicts[] = {
        [AGILIO_FALLBACK_MISS] = "to the host: not learned yet",
        [AGILIO_FALLBACK_HOST] = "to the host: for the host itself",
        [AGILIO_FALLBACK_UNABLE] = "to the host: not possible on the NIC",
    };

    ds_put_cstr(ds, "packet: ");
    agilio_format_match(ds, &t->key, NULL);
    ds_put_format(ds, "\nL1 exact match flow tracker: %s\n",
                  t->in_tracker ? "hit" : "miss");
    if (!t->in_tracker) {
        ds_put_format(ds, "L2 mask tables: %s\n", t->hit ? "hit" : "miss");
    }
    if (!t->hit) {
        ds_put_format(ds, "verdict: %s\n", verdicts[AGILIO_FALLBACK_MISS]);
        return;
    }
    ds_put_format(ds, "flow %"PRIu32": ", t->flow_id);
    agilio_format_match(ds, &t->flow_key, &t->flow_mask);
    ds_put_cstr(ds, "\nactions: ");
    agilio_format_program(ds, t->code, t->code_len);
    ds_put_format(ds, "\nverdict: %s\n",
                  t->kind == AGL_PROGRAM_TO_HOST ? verdicts[t->reason]
                  : t->kind == AGL_PROGRAM_DROP ? "dropped by its flow"
                  : "carried by the NIC");
}

/* Reads hex digits into a packet; NULL if they are no frame. */
static struct agl_pkt *
frame_from_hex(const char *hex)
{
    struct agl_pkt *pkt = xzalloc(sizeof *pkt);
    bool ok = true;

    pkt->data = pkt->room + AGL_PKT_HEADROOM;
    while (*hex && ok && pkt->len < AGILIO_MAX_FRAME) {
        pkt->data[pkt->len++] = hexits_value(hex, 2, &ok);
        hex += ok ? 2 : 0;
    }
    if (*hex || !ok || pkt->len < 14) {
        free(pkt);
        return NULL;
    }
    return pkt;
}

static void
nic_trace(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[], void *nicd_)
{
    struct agl_nicd *nicd = nicd_;
    struct ds ds = DS_EMPTY_INITIALIZER;
    uint32_t port = AGILIO_PORT_NONE, owner;
    struct trace *trace;

    for (size_t i = 0; i < AGILIO_MAX_PORTS; i++) {
        const struct agl_nic_port *p = &nicd->nic->ports[i];

        if (p->id != AGILIO_PORT_NONE && !strcmp(p->name, argv[1])) {
            port = p->id;
        }
    }
    if (port == AGILIO_PORT_NONE) {
        unixctl_command_reply_error(conn, "no such port");
        return;
    }

    trace = xzalloc(sizeof *trace);
    trace->pkt = frame_from_hex(argv[2]);
    if (!trace->pkt) {
        unixctl_command_reply_error(conn, "FRAME: expected hex digits of at "
                                    "least 14 bytes");
    } else {
        trace->pkt->rx_port = port;
        trace->pkt->md.in_port = agilio_to_le32(port);
        owner = agl_port_owner(&nicd->nic->region->geometry,
                               agilio_port_slot(port));
        agl_worker_call(nicd->nic->team.workers[owner], apply_trace, trace);
        put_trace(&ds, trace);
        unixctl_command_reply(conn, ds_cstr(&ds));
        free(trace->pkt);
    }
    free(trace);
    ds_destroy(&ds);
}

void
nicd_trace_init(struct agl_nicd *nicd)
{
    unixctl_command_register("nic/trace", "PORT FRAME", 2, 2, nic_trace,
                             nicd);
}
