/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - what the NIC would do with a frame: for AGILIO_MSG_TRACE
 * (request.c), with which ovs-vswitchd asks, and for nic/trace (nicd-trace.c).
 *
 * The port's owner looks the frame up between two bursts, as the pipeline
 * does, and runs nothing.  Of later passes it knows what the tracker's entry
 * says; of what another worker, with another queue of the port, has learned it
 * knows nothing.
 */

#include "trace.h"

struct trace {
    struct agl_pkt *pkt;
    uint32_t pass;
    struct agilio_trace *reply;
    uint8_t *program;           /* AGILIO_MAX_PROGRAM bytes. */
};

static void
put_flow(struct trace *t, const struct agl_flow *flow)
{
    const struct agl_program *program = flow->program;
    uint8_t *key = (uint8_t *) &t->reply->key;
    uint8_t *mask = (uint8_t *) &t->reply->mask;
    uint32_t len = program->len, i, n = 0;

    for (i = 0; i < AGILIO_KEY_WORDS; i++) {
        if (flow->map & UINT64_C(1) << i) {
            memcpy(key + i * 8, &flow->words[n], 8);
            memcpy(mask + i * 8, &flow->words[flow->n_words + n], 8);
            n++;
        }
    }
    if (len > AGILIO_MAX_PROGRAM) {
        len = AGILIO_MAX_PROGRAM;
    }
    memcpy(t->program, program->code, len);
    t->reply->program_len = agilio_to_le32(len);
    t->reply->flow_id = agilio_to_le32(flow->id);
    t->reply->fate = agilio_to_le32(
        program->kind == AGL_PROGRAM_TO_HOST ? AGILIO_TRACE_TO_HOST
        : program->kind == AGL_PROGRAM_DROP ? AGILIO_TRACE_DROP
        : AGILIO_TRACE_RUN);
    t->reply->reason = agilio_to_le32(program->reason);
}

static void
apply_trace(struct agl_worker *w, void *trace_)
{
    enum agilio_trace_level level = AGILIO_TRACE_L1;
    struct agl_traversal traversal;
    struct agl_path *path = &traversal.path;
    struct trace *t = trace_;

    agl_parse(t->pkt, &w->options, &t->reply->packet);
    agl_tracker_lookup_burst(w->tracker, w->table, &t->pkt, 1, &w->options,
                             w->now, &traversal);
    if (!traversal.tk.shape) {
        agl_tracker_key(w->tracker, w->table, &t->reply->packet,
                        &traversal.tk);
    }
    if (!path->n && !agl_tracker_lookup(w->tracker, w->table, &traversal.tk,
                                        w->now, path)) {
        path->flows[0] = agl_flow_table_lookup(w->table, &t->reply->packet);
        path->n = path->flows[0] ? 1 : 0;
        level = path->n ? AGILIO_TRACE_L2 : AGILIO_TRACE_MISS;
    }
    t->reply->level = agilio_to_le32(level);
    t->reply->n_passes = agilio_to_le32(path->n);
    t->reply->reason = agilio_to_le32(AGILIO_FALLBACK_MISS);
    if (t->pass < path->n) {
        put_flow(t, path->flows[t->pass]);
    }
}

int
agl_trace(struct agl_nic *nic, uint32_t port, const void *frame,
          uint32_t len, uint32_t pass, void *reply, uint32_t *reply_len,
          const char **reason)
{
    uint32_t owner = agl_port_owner(&nic->region->geometry,
                                    agilio_port_slot(port));
    struct trace t = { .pass = pass, .reply = reply };

    if (len < 14 || len > AGILIO_MAX_FRAME) {
        *reason = "a frame has 14 to 9728 bytes";
        return AGILIO_E_INVAL;
    }
    t.pkt = agl_env_alloc(sizeof *t.pkt);
    if (!t.pkt) {
        *reason = "no memory";
        return AGILIO_E_NOBUFS;
    }
    agl_pkt_init(t.pkt, t.pkt->room + AGL_PKT_HEADROOM, len);
    memcpy(t.pkt->data, frame, len);
    t.pkt->rx_port = port;
    t.pkt->md.in_port = agilio_to_le32(port);
    memset(t.reply, 0, sizeof *t.reply);
    t.program = (uint8_t *) (t.reply + 1);
    agl_worker_call(nic->team.workers[owner], apply_trace, &t);
    agl_env_free(t.pkt);

    if (pass && pass >= agilio_from_le32(t.reply->n_passes)) {
        *reason = "no such pass";
        return AGILIO_E_NOENT;
    }
    *reply_len = (uint32_t) sizeof *t.reply
                 + agilio_from_le32(t.reply->program_len);
    return 0;
}
