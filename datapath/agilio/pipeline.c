/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c - the life of a packet on the NIC.
 *
 *     rx -> admit -> prepare -> exact_lookup -> (miss) mask_lookup -> learn
 *                       ^ -> (miss in both) upcall, or account -> run -> tx
 *                       `------------------------- recirc ---------'
 *
 * A burst is received in agl_pipeline_receive(), and all of it is looked up
 * before the first packet is carried: a frame of a common shape needs no
 * parsing for that.  What becomes of a packet then is told by carry(); and
 * agl_pipeline_recirc() has it take the path again, at most AGILIO_MAX_RECIRC
 * times.  Each packet has one fate: it is sent as its flow says, or given to
 * the host, or dropped; the latter two under one counter each.
 *
 * One lookup in the tracker serves a whole traversal, that is, all the passes
 * of a packet whose flows the tracker has as one path.  Where that cannot be,
 * as behind a hash, the packets of a burst that are to be looked up again are
 * the next burst.  Worker thread only.
 */

#include "pipeline.h"

#include "forward.h"
#include "host-queue.h"
#include "pkt/key-hash.h"

/* A program that a packet has room for now has it in AGL_PKT_HEADROOM. */
AGILIO_ASSERT(AGILIO_MAX_GROWTH <= AGL_PKT_HEADROOM);

/* Sets aside the buffers for the copies that a program makes. */
static bool
reserve(struct agl_worker *w, uint32_t n)
{
    if (AGILIO_LIKELY(agl_pool_reserve(&w->pool, n))) {
        return true;
    }
    agl_tx_flush(w);
    return agl_pool_reserve(&w->pool, n);
}

/* False if a received packet goes no further, and then counts it. */
static inline bool
admit(struct agl_worker *w, struct agl_port *port, struct agl_pkt *pkt)
{
    if (AGILIO_UNLIKELY(!(port->flags & AGILIO_PORT_ADMIN_UP))) {
        agl_stat_add(&port->stats->rx_dropped, 1);
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_RX_DOWN);
        return false;
    }
    if (AGILIO_UNLIKELY(pkt->len < 14)) {
        agl_stat_add(&port->stats->rx_errors, 1);
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_RUNT);
        return false;
    }
    pkt->rx_port = port->id;
    pkt->md.in_port = agilio_to_le32(port->id);
    return true;
}

static void
learn(struct agl_worker *w, const struct agl_traversal *t)
{
    enum agl_learned learned = agl_tracker_learn(w->tracker, w->table, &t->tk,
                                                 &t->path, w->now);

    if (learned != AGL_LEARNED_NOT) {
        agl_worker_count(w, AGILIO_COUNTER_LEARNED);
    }
    if (learned == AGL_LEARNED_EVICTING) {
        agl_worker_count(w, AGILIO_COUNTER_EVICTED);
    }
}

/* The mask tables say where the path goes on.  NULL if they do not know. */
static struct agl_flow *
mask_lookup(struct agl_worker *w, struct agl_traversal *t,
            const struct agilio_key *key)
{
    struct agl_flow *flow = agl_flow_table_lookup(w->table, key);

    w->n_mask_lookups++;
    if (flow) {
        t->path.flows[t->path.n++] = flow;
        t->at = t->path.n;
        learn(w, t);
        agl_worker_count(w, AGILIO_COUNTER_L2_HIT);
    }
    return flow;
}

/* The flow of a packet that begins a traversal; NULL if the tracker does not
 * know it, even by what it has learned since the whole burst was looked up. */
static inline struct agl_flow *
exact_lookup(struct agl_worker *w, struct agl_traversal *t)
{
    t->at = 1;
    t->shape = t->tk.shape;
    t->settled = false;
    return (t->path.n || agl_tracker_lookup(w->tracker, w->table, &t->tk,
                                            w->now, &t->path)
            ? t->path.flows[0] : NULL);
}

/* The program of the pass that a packet is in. */
static const struct agl_program *
program_of(const struct agl_traversal *t)
{
    return t->path.flows[t->at - 1]->program;
}

static inline void
account(struct agl_worker *w, const struct agl_flow *flow,
        const struct agl_pkt *pkt)
{
    agl_account(w, flow, 1, pkt->len, pkt->tcp_flags);
}

/* Sets what running the first program of a traversal needs of a packet: what
 * parsing would set, if that was not done, and its hash. */
static void
settle(struct agl_worker *w, const struct agl_program *program,
       const struct agilio_key *key, struct agl_pkt *pkt,
       const struct agl_traversal *t)
{
    if (!key) {
        agl_shape_settle(pkt, t->shape, &w->options);
    }
    if (program->needs_hash && !pkt->has_hash && !t->path.plain) {
        if (key) {
            agl_pkt_set_hash(pkt, key);
        } else {
            agl_pkt_set_shape_hash(pkt);
        }
    }
}

/* Runs the program of a packet's flow.  The copies that it makes are set aside
 * before; what it does not need of them is given back. */
static void __attribute__((noinline))
run(struct agl_worker *w, const struct agl_program *program,
    const struct agilio_key *key, struct agl_pkt *pkt,
    struct agl_traversal *traversal)
{
    uint32_t n_reserved = w->pool.n_reserved;

    if (!reserve(w, program->n_clones)) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_NO_BUFFER);
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
        return;
    }
    if (!traversal->settled) {
        traversal->settled = true;
        settle(w, program, key, pkt, traversal);
    }
    w->traversal = traversal;
    if (agl_program_run(program, pkt, &w->run)) {
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
    }
    w->traversal = NULL;
    w->pool.n_reserved = n_reserved;
}

static void carry_whole(struct agl_worker *, const struct agl_pkt *);

/* Whether 'flow' does no more with an unfinished frame than send it to a port
 * that takes such. */
static bool
passes_whole(const struct agl_worker *w, const struct agl_flow *flow)
{
    uint32_t id = flow ? flow->program->port : AGILIO_PORT_NONE;
    uint32_t slot = agilio_port_slot(id);
    const struct agl_port *port = &w->ports[slot < w->n_ports ? slot : 0];

    return id != AGILIO_PORT_NONE && port->id == id && port->dev
           && port->dev->class->takes_unfinished;
}

/* What becomes of a packet that belongs to 'flow', NULL if to none.  'key' is
 * NULL if the packet is not parsed. */
static inline void
carry(struct agl_worker *w, struct agl_pkt *pkt, const struct agilio_key *key,
      struct agl_flow *flow, struct agl_traversal *traversal)
{
    const struct agl_program *program;

    if (AGILIO_UNLIKELY(pkt->vnet != NULL) && !passes_whole(w, flow)) {
        carry_whole(w, pkt);
        agl_pkt_free(&w->pool, pkt);
        return;
    }
    if (!flow) {
        agl_host_queue_upcall(w, pkt, AGILIO_FALLBACK_MISS);
        return;
    }
    if (flow->port != AGILIO_PORT_NONE) {
        account(w, flow, pkt);
        agl_tx_output(w, flow->port, pkt);
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
        return;
    }
    program = flow->program;
    if (program->kind == AGL_PROGRAM_TO_HOST) {
        agl_host_queue_upcall(w, pkt, program->reason);
        return;
    }
    if (program->growth > agl_pkt_headroom(pkt)) {
        /* Earlier passes took it. */
        agl_host_queue_upcall(w, pkt, AGILIO_FALLBACK_UNABLE);
        return;
    }

    account(w, flow, pkt);
    if (program->kind == AGL_PROGRAM_DROP) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_POLICY);
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
    } else {
        run(w, program, key, pkt, traversal);
    }
}

/* Looks up 'n' packets that begin a traversal.  Those that have no shape are
 * parsed, into 'keys'; they, and what was not found, are to be looked up one
 * by one. */
static inline void
prepare(struct agl_worker *w, struct agl_pkt *const pkts[], uint32_t n,
        struct agl_traversal ts[], struct agilio_key keys[])
{
    agl_tracker_lookup_burst(w->tracker, w->table, pkts, n, &w->options,
                             w->now, ts);
    for (uint32_t i = 0; i < n; i++) {
        if (AGILIO_UNLIKELY(!ts[i].tk.shape)) {
            agl_parse(pkts[i], &w->options, &keys[i]);
            agl_tracker_key(w->tracker, w->table, &keys[i], &ts[i].tk);
        }
    }
}

/* What 't' says of a packet that has been taken out of its tunnel. */
static inline void
leave_tunnel(struct agl_traversal *t)
{
    t->shape = t->tk.tunnelled.shape & (AGL_N_SHAPES - 1);
    t->settled = false;
}

/* Takes a packet whose path begins so out of its tunnel.  If all that is left
 * to do is to send it, nobody looks at its metadata any more. */
static inline struct agl_flow *
pop(struct agl_worker *w, struct agl_pkt *pkt, struct agl_traversal *t)
{
    const struct agl_program *program = t->path.flows[0]->program;
    struct agl_flow *next = t->path.flows[1];

    account(w, t->path.flows[0], pkt);
    if (next->port != AGILIO_PORT_NONE) {
        agl_tunnelled_strip(pkt, &t->tk.tunnelled);
    } else {
        agl_tunnelled_pop(pkt, &t->tk.tunnelled, program->pop_port);
    }
    leave_tunnel(t);
    t->at = 2;
    pkt->n_recirc++;
    agl_worker_count(w, AGILIO_COUNTER_RECIRC);
    return next;
}

/* Takes a packet through the passes that do no more than look it up again, out
 * of a tunnel perhaps, as long as the answer is known.  Returns the flow after
 * these.  An unfinished frame does not go there: each of what comes of it
 * will. */
static inline struct agl_flow *
hop(struct agl_worker *w, struct agl_pkt *pkt, struct agl_traversal *t)
{
    struct agl_flow *flow = t->path.flows[0];

    if (AGILIO_UNLIKELY(t->path.n > 1) && flow->program->pop && !pkt->vnet) {
        flow = pop(w, pkt, t);
    }
    while (AGILIO_UNLIKELY(t->at < t->path.n) && t->path.plain
           && flow->program->recirc_id && !pkt->vnet
           && pkt->n_recirc < AGILIO_MAX_RECIRC) {
        account(w, flow, pkt);
        pkt->md.recirc_id = flow->program->recirc_id;
        pkt->n_recirc++;
        agl_worker_count(w, AGILIO_COUNTER_RECIRC);
        flow = t->path.flows[t->at++];
    }
    return flow;
}

/* Carries a packet that was made ready.  True if the tracker knew it. */
static inline bool
start(struct agl_worker *w, struct agl_pkt *pkt, struct agl_traversal *t,
      struct agilio_key *key)
{
    struct agl_flow *flow = exact_lookup(w, t);
    bool parsed = !t->tk.shape, known = flow != NULL;

    if (AGILIO_LIKELY(known)) {
        flow = hop(w, pkt, t);
    } else {
        if (!parsed) {
            agl_parse(pkt, &w->options, key);
            parsed = true;
        }
        flow = mask_lookup(w, t, key);
    }
    carry(w, pkt, parsed ? key : NULL, flow, t);
    return known;
}

/* Goes on with a traversal whose next pass is as certain as its first. */
static void
go_on(struct agl_worker *w, struct agl_pkt *pkt, struct agl_traversal *t)
{
    struct agilio_key key;

    if (t->at < t->path.n) {
        carry(w, pkt, NULL, t->path.flows[t->at++], t);
    } else {
        agl_parse(pkt, &w->options, &key);
        carry(w, pkt, &key, mask_lookup(w, t, &key), t);
    }
}

/* Whether the first pass takes a packet out of the tunnel that its shape has:
 * then the shape tells all that the next pass sees. */
static bool
pops_as_known(const struct agl_traversal *t)
{
    uint32_t tunnel = t->tk.tunnelled.shape & ~(AGL_N_SHAPES - 1);

    switch (program_of(t)->pop) {
    case AGILIO_TUNNEL_VXLAN:
        return t->at == 1 && tunnel == AGL_SHAPE_VXLAN;
    case AGILIO_TUNNEL_GENEVE:
        return t->at == 1 && tunnel == AGL_SHAPE_GENEVE;
    default:
        return false;
    }
}

/* The first recirculation of a program may go on with its packet's traversal;
 * a second one, of a copy, begins another. */
void
agl_pipeline_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    struct agl_worker *w = agl_worker_of(run);
    struct agl_traversal *t = w->traversal;

    w->traversal = NULL;
    if (pkt->n_recirc == AGILIO_MAX_RECIRC) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_RECIRC);
        return;
    }
    if (pkt->len < 14) {        /* OVS: even without an Ethernet header. */
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_RUNT);
        return;
    }
    pkt->n_recirc++;
    pkt->trunc = false;         /* As in OVS, whose 'cut' stays. */
    agl_worker_count(w, AGILIO_COUNTER_RECIRC);

    if (t) {
        t->alone &= !program_of(t)->n_clones;
    }
    if (t && t->tk.shape && program_of(t)->steady) {
        go_on(w, pkt, t);
    } else if (t && pops_as_known(t)) {
        leave_tunnel(t);
        go_on(w, pkt, t);
    } else if (t && t->alone) {
        w->again[w->n_again++] = pkt;
    } else {
        struct agl_traversal fresh;
        struct agilio_key key;

        fresh.alone = false;
        prepare(w, &pkt, 1, &fresh, &key);
        agl_worker_add(w, AGILIO_COUNTER_L1_HIT,
                       start(w, pkt, &fresh, &key));
    }
}

void
agl_pipeline_drop(struct agl_run *run, enum agilio_counter reason,
                  struct agl_pkt *pkt)
{
    agl_worker_drop(agl_worker_of(run), pkt, reason);
}

/* An unfinished packet that is being finished. */
struct whole {
    struct agl_worker *w;
    const struct agl_pkt *pkt;
};

/* Carries a frame that has come of it. */
static void
carry_finished(void *whole_, struct agl_pkt *pkt)
{
    struct whole *whole = whole_;
    struct agl_worker *w = whole->w;
    struct agl_traversal t;
    struct agilio_key key;

    t.alone = false;
    pkt->rx_port = whole->pkt->rx_port;
    pkt->md.in_port = whole->pkt->md.in_port;
    prepare(w, &pkt, 1, &t, &key);
    agl_worker_add(w, AGILIO_COUNTER_L1_HIT, start(w, pkt, &t, &key));
    agl_tx_spare(w, 1);
}

/* Carries all frames that come of an unfinished packet, which may not go as it
 * is. */
static void
carry_whole(struct agl_worker *w, const struct agl_pkt *pkt)
{
    struct agl_port *port = &w->ports[agilio_port_slot(pkt->rx_port)];
    struct whole whole = { w, pkt };

    agl_tx_spare(w, 1);
    if (!port->dev->class->finish(pkt, &w->pool, carry_finished, &whole)) {
        agl_stat_add(&port->stats->rx_dropped, 1);
        agl_worker_count(w, AGILIO_COUNTER_DROP_NO_BUFFER);
    }
}

/* Whether all that is to be done with a packet is to send it. */
static inline bool
is_forwarded(const struct agl_pkt *pkt, const struct agl_traversal *t)
{
    return (t->path.n && t->path.flows[0]->port != AGILIO_PORT_NONE
            && !pkt->vnet);
}

/* Carries 'n' packets. */
static void
carry_burst(struct agl_worker *w, struct agl_pkt *const pkts[], uint32_t n)
{
    struct agl_row row = { .flow = NULL };
    uint32_t n_forwarded = 0, n_known = 0, i;

    prepare(w, pkts, n, w->traversals, w->keys);
    for (i = 0; i < n; i++) {
        struct agl_traversal *t = &w->traversals[i];

        if (AGILIO_LIKELY(is_forwarded(pkts[i], t))) {
            agl_forward(w, &row, t->path.flows[0], pkts[i]);
            n_forwarded++;
        } else {
            t->alone = true;
            n_known += start(w, pkts[i], t, &w->keys[i]);
        }
    }
    agl_row_end(w, &row);
    agl_worker_add(w, AGILIO_COUNTER_L1_HIT, n_forwarded + n_known);
    agl_worker_add(w, AGILIO_COUNTER_CARRIED, n_forwarded);
}

/* Carries what 'port' received of 'pkts', in which it may move them. */
static void
admit_burst(struct agl_worker *w, struct agl_port *port,
            struct agl_pkt *pkts[], uint32_t n)
{
    uint32_t n_admitted = 0;
    uint64_t n_bytes = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (admit(w, port, pkts[i])) {
            n_bytes += pkts[i]->len;
            pkts[n_admitted++] = pkts[i];
        }
    }
    if (n_admitted) {
        agl_stat_add(&port->stats->rx_packets, n_admitted);
        agl_stat_add(&port->stats->rx_bytes, n_bytes);
        carry_burst(w, pkts, n_admitted);
    }
    while (w->n_again) {
        n_admitted = w->n_again;
        memcpy(pkts, w->again, n_admitted * sizeof pkts[0]);
        w->n_again = 0;
        carry_burst(w, pkts, n_admitted);
    }
}

/* The same while somebody watches the port: one by one, so that what the
 * counters say is of one packet. */
static void
admit_watched(struct agl_worker *w, struct agl_port *port,
              struct agl_pkt *pkts[], uint32_t n)
{
    w->watched = port->capture;
    for (uint32_t i = 0; i < n; i++) {
        agl_capture_begin(w->watched, pkts[i], w->counters, w->now);
        admit_burst(w, port, &pkts[i], 1);
        agl_capture_end(w->watched, w->counters);
    }
    w->watched = NULL;
}

uint32_t
agl_pipeline_receive(struct agl_worker *w, struct agl_port *port, uint32_t max)
{
    struct agl_pkt *pkts[AGL_BURST];
    uint64_t rx_errors;
    uint32_t n;

    agl_tx_spare(w, AGL_BURST); /* If not, the device keeps its frames. */
    n = port->dev->class->rx(port->dev, &w->pool, pkts, max);
    if (AGILIO_LIKELY(!port->capture)) {
        admit_burst(w, port, pkts, n);
    } else {
        admit_watched(w, port, pkts, n);
    }

    rx_errors = port->dev->rx_errors;
    if (rx_errors != port->driver_rx_errors) {
        agl_stat_add(&port->stats->rx_errors,
                     rx_errors - port->driver_rx_errors);
        port->driver_rx_errors = rx_errors;
    }
    return n;
}
