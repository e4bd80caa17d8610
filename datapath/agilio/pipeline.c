/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c - the life of a packet on the NIC.
 *
 *     rx -> admit -> prepare -> exact_lookup -> (miss) mask_lookup -> learn
 *                       ^ -> (miss in both) upcall, or account -> run -> tx
 *                       `------------------------- recirc ---------'
 *
 * A burst is received in agl_pipeline_receive(), and all of it prepared before
 * the first packet is looked up: a frame of a common shape needs no parsing
 * for that.  What becomes of a packet then is told by carry(); and
 * agl_pipeline_recirc() has it take the path again, at most AGILIO_MAX_RECIRC
 * times.  Each packet has one fate: it is sent as its flow says, or given to
 * the host, or dropped; the latter two under one counter each.
 *
 * One lookup in the tracker serves a whole traversal, that is, all the passes
 * of a packet whose flows the tracker has as one path.  Where that cannot be,
 * as for what comes out of a tunnel, the packets of a burst that are to be
 * looked up again are the next burst.  Worker thread only.
 */

#include "pipeline.h"

#include "pkt/key-hash.h"

/* A program that a packet has room for now has it in AGL_PKT_HEADROOM. */
AGILIO_ASSERT(AGILIO_MAX_GROWTH <= AGL_PKT_HEADROOM);

#define PORT_UP (AGILIO_PORT_ADMIN_UP | AGILIO_PORT_LINK_UP)

static struct agl_worker *
worker_of(struct agl_run *run)
{
    return (struct agl_worker *) (void *) run;
}

static void __attribute__((noinline))
drop(struct agl_worker *w, struct agl_pkt *pkt, enum agilio_counter reason)
{
    agl_worker_count(w, reason);
    agl_pkt_free(&w->pool, pkt);
}

static inline void
add(agilio_le64 *counter, uint64_t n)
{
    agilio_store_relaxed(counter,
                         agilio_to_le64(agilio_from_le64(*counter) + n));
}

/* Packets that wait for the end of the burst must not be why there is no
 * buffer. */
static bool
have_buffers(struct agl_worker *w, uint32_t n)
{
    if (AGILIO_UNLIKELY(w->pool.n_free < n)) {
        agl_pipeline_flush(w);
    }
    return w->pool.n_free >= n;
}

/* Sets aside the buffers for the copies that a program makes. */
static bool
reserve(struct agl_worker *w, uint32_t n)
{
    if (AGILIO_LIKELY(agl_pool_reserve(&w->pool, n))) {
        return true;
    }
    agl_pipeline_flush(w);
    return agl_pool_reserve(&w->pool, n);
}

/* False if a received packet goes no further, and then counts it. */
static bool
admit(struct agl_worker *w, struct agl_port *port, struct agl_pkt *pkt)
{
    if (AGILIO_UNLIKELY(!(port->flags & AGILIO_PORT_ADMIN_UP))) {
        add(&port->stats->rx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_RX_DOWN);
        return false;
    }
    if (AGILIO_UNLIKELY(pkt->len < 14)) {
        add(&port->stats->rx_errors, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_RUNT);
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

    if (flow) {
        t->path.flows[t->path.n++] = flow;
        t->at = t->path.n;
        learn(w, t);
        agl_worker_count(w, AGILIO_COUNTER_L2_HIT);
    }
    return flow;
}

/* The flow of a packet that begins a traversal, whose 'tk' is made; NULL if
 * the tracker does not know it. */
static inline struct agl_flow *
exact_lookup(struct agl_worker *w, struct agl_traversal *t)
{
    t->at = 1;
    t->settled = false;
    return (agl_tracker_lookup(w->tracker, w->table, &t->tk, w->now, &t->path)
            ? t->path.flows[0] : NULL);
}

/* The program of the pass that a packet is in. */
static const struct agl_program *
program_of(const struct agl_traversal *t)
{
    return t->path.flows[t->at - 1]->program;
}

/* Gives the device what waits for it; returns with how many it was done. */
static uint32_t
send_burst(struct agl_worker *w, struct agl_port *port)
{
    uint32_t n = port->n_tx, n_done;

    if (AGILIO_LIKELY(!port->capture)) {
        return port->dev->class->tx(port->dev, port->tx, n);
    }
    agl_capture_send(port->capture, port->tx, n, w->now);
    n_done = port->dev->class->tx(port->dev, port->tx, n);
    agl_capture_sent(port->capture, port->tx, n, n_done);
    return n_done;
}

/* Drops a packet that its device did not take.  Which one is carried now may
 * be another. */
static void
drop_unsent(struct agl_worker *w, struct agl_pkt *pkt,
            enum agilio_counter reason)
{
    drop(w, pkt, reason);
    if (w->watched) {
        agl_capture_except(w->watched, reason);
    }
}

static void __attribute__((noinline))
flush_port(struct agl_worker *w, struct agl_port *port)
{
    uint32_t lens[AGL_BURST], n_done, n_sent = 0, i;
    uint64_t n_bytes = 0;

    for (i = 0; i < port->n_tx; i++) {
        lens[i] = port->tx[i]->len;     /* The device may keep the packet. */
    }
    n_done = send_burst(w, port);
    for (i = 0; i < port->n_tx; i++) {
        struct agl_pkt *pkt = port->tx[i];

        if (AGILIO_UNLIKELY(i >= n_done)) {
            add(&port->stats->tx_dropped, 1);
            drop_unsent(w, pkt, AGILIO_COUNTER_DROP_TX_FULL);
        } else if (AGILIO_UNLIKELY(pkt && !pkt->len)) {
            add(&port->stats->tx_errors, 1);
            drop_unsent(w, pkt, AGILIO_COUNTER_DROP_TX_ERROR);
        } else {
            n_sent++;
            n_bytes += lens[i];
            if (pkt) {
                agl_pkt_free(&w->pool, pkt);
            }
        }
    }
    add(&port->stats->tx_packets, n_sent);
    add(&port->stats->tx_bytes, n_bytes);
    port->n_tx = 0;
}

/* Bytes of Ethernet header that do not count against the MTU: of VLAN tags
 * the outer one, as in the kernel datapath and as devices have it. */
static uint32_t
l2_len(const struct agl_pkt *pkt)
{
    uint16_t type = pkt->data[12] << 8 | pkt->data[13];

    return agl_is_vlan_type(type) ? AGL_ETH_LEN + AGL_VLAN_LEN : AGL_ETH_LEN;
}

/* Bytes of the longest frame that will be on the wire. */
static uint32_t
wire_len(const struct agl_pkt *pkt)
{
    return pkt->vnet ? pkt->wire_len : pkt->len;
}

/* To the worker that has the port, and looks at it as we would. */
static void __attribute__((noinline))
hand_over(struct agl_worker *w, const struct agl_port *port,
          struct agl_pkt *pkt)
{
    struct agl_handover *h = w->team->handovers[w->index][port->owner];

    if (!agl_handover_put(h, &w->pool, pkt, port->id)) {
        add(&port->stats->tx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_WORKER_FULL);
    }
}

/* What becomes of a packet that we cannot send by 'port': it goes to who has
 * the device, or is dropped, and counted why. */
static void __attribute__((noinline))
divert(struct agl_worker *w, struct agl_port *port, uint32_t port_id,
       struct agl_pkt *pkt)
{
    if (port_id == AGILIO_PORT_NONE || port->id != port_id) {
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_GONE);
    } else if (!port->dev) {
        hand_over(w, port, pkt);
    } else if ((port->flags & PORT_UP) != PORT_UP) {
        add(&port->stats->tx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_DOWN);
    } else if (pkt->md.packet_type || pkt->len < AGL_ETH_LEN) {
        add(&port->stats->tx_errors, 1);        /* No frame for a port. */
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_ERROR);
    } else {
        add(&port->stats->tx_dropped, 1);
        drop(w, pkt, AGILIO_COUNTER_DROP_TX_MTU);
    }
}

static inline void
output(struct agl_worker *w, uint32_t port_id, struct agl_pkt *pkt)
{
    uint32_t slot = agilio_port_slot(port_id);
    struct agl_port *port = &w->ports[slot < w->n_ports ? slot : 0];

    if (AGILIO_UNLIKELY(port->id != port_id || port_id == AGILIO_PORT_NONE
                        || !port->dev || (port->flags & PORT_UP) != PORT_UP
                        || pkt->md.packet_type || pkt->len < AGL_ETH_LEN
                        || (pkt->len > port->mtu + AGL_ETH_LEN
                            && wire_len(pkt) > port->mtu + l2_len(pkt)))) {
        divert(w, port, port_id, pkt);
        return;
    }
    port->tx[port->n_tx++] = pkt;
    if (port->n_tx == AGL_BURST) {
        flush_port(w, port);
    }
}

void
agl_pipeline_output(struct agl_run *run, uint32_t port_id, struct agl_pkt *pkt)
{
    output(worker_of(run), port_id, pkt);
}

/* What stands before the frame in a packet ring. */
struct preamble {
    uint32_t len;
    union {
        struct agilio_desc desc;
        uint8_t bytes[sizeof(struct agilio_desc) + AGILIO_MAX_META];
    };
};

static void
add_meta(struct preamble *p, const void *meta, uint32_t n)
{
    memcpy(p->bytes + p->len, meta, n);
    p->len += n;
}

/* Writes 'pkt' to the ring of the port that it came by, and counts 'fate' or
 * why it could not.  Takes 'pkt' over. */
static void
give(struct agl_worker *w, struct preamble *p, struct agl_pkt *pkt,
     enum agilio_counter fate)
{
    struct agl_port *port = &w->ports[agilio_port_slot(pkt->rx_port)];
    struct agilio_ring_end *ring = &port->qp->to_host;
    uint32_t n = agilio_ring_granules(p->len + pkt->len);

    p->desc.len = agilio_to_le32(p->len + pkt->len);
    p->desc.meta_len = agilio_to_le16(p->len - sizeof p->desc);
    p->desc.port = agilio_to_le32(port->id);
    p->desc.timestamp = agilio_to_le64(w->now);
    p->desc.hash = agilio_to_le32(pkt->has_hash ? pkt->flow_hash : 0);

    if (!w->host_attached) {
        drop(w, pkt, AGILIO_COUNTER_DROP_NO_HOST);
    } else if (pkt->len > AGILIO_MAX_FRAME || n > ring->n) {
        drop(w, pkt, AGILIO_COUNTER_DROP_HOST_TOO_BIG);
    } else if (agilio_ring_free(ring) < n) {
        drop(w, pkt, AGILIO_COUNTER_DROP_HOST_FULL);
    } else {
        agilio_ring_write(ring, 0, p->bytes, p->len);
        agilio_ring_write(ring, p->len, pkt->data, pkt->len);
        w->kick_host |= agilio_ring_produce(ring, n);
        agl_worker_count(w, fate);
        agl_pkt_free(&w->pool, pkt);
    }
}

static void
add_resume(struct preamble *p, const struct agl_pkt *pkt)
{
    p->desc.flags |= agilio_to_le16(AGILIO_DESC_RESUMED);
    p->desc.cut = agilio_to_le32(pkt->cut);
    add_meta(p, &pkt->md, sizeof pkt->md);
    add_meta(p, pkt->tun_opts, pkt->md.tunnel.opts_len);
}

/* Gives a packet to the host: from its beginning, or, if it was recirculated,
 * at the point that it has got to. */
static void __attribute__((noinline))
upcall(struct agl_worker *w, struct agl_pkt *pkt, enum agilio_fallback reason)
{
    struct preamble p;

    memset(&p.desc, 0, sizeof p.desc);
    p.len = sizeof p.desc;
    p.desc.reason = agilio_to_le32(reason);
    if (pkt->n_recirc) {
        add_resume(&p, pkt);
    }
    if (w->options.hash && !pkt->has_hash) {
        struct agilio_key key;

        agl_parse(pkt, &w->options, &key);
        agl_pkt_set_hash(pkt, &key);
    }
    give(w, &p, pkt, AGILIO_COUNTER_FALLBACK_MISS + reason);
}

static inline void
account(struct agl_worker *w, const struct agl_flow *flow,
        const struct agl_pkt *pkt)
{
    struct agilio_flow_stats *stats = flow->stats;
    uint16_t tcp_flags = agilio_from_le16(stats->tcp_flags);

    add(&stats->packets, 1);
    add(&stats->bytes, pkt->len);
    agilio_store_relaxed(&stats->used, agilio_to_le64(w->now));
    if (pkt->tcp_flags & ~tcp_flags) {
        tcp_flags |= pkt->tcp_flags;
        agilio_store_relaxed(&stats->tcp_flags, agilio_to_le16(tcp_flags));
    }
}

/* Sets what running the first program of a traversal needs of a packet: what
 * parsing would set, if that was not done, and its hash. */
static void
settle(struct agl_worker *w, const struct agl_program *program,
       const struct agilio_key *key, struct agl_pkt *pkt,
       const struct agl_traversal *t)
{
    struct agilio_key parsed;

    if (!key) {
        agl_shape_settle(pkt, t->tk.shape, &w->options);
    }
    if (program->needs_hash && !pkt->has_hash && !t->path.plain) {
        if (!key) {
            agl_parse(pkt, &w->options, &parsed);
            key = &parsed;
        }
        agl_pkt_set_hash(pkt, key);
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
        drop(w, pkt, AGILIO_COUNTER_DROP_NO_BUFFER);
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
        upcall(w, pkt, AGILIO_FALLBACK_MISS);
        return;
    }
    if (flow->port != AGILIO_PORT_NONE) {
        account(w, flow, pkt);
        output(w, flow->port, pkt);
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
        return;
    }
    program = flow->program;
    if (program->kind == AGL_PROGRAM_TO_HOST) {
        upcall(w, pkt, program->reason);
        return;
    }
    if (program->growth > agl_pkt_headroom(pkt)) {
        upcall(w, pkt, AGILIO_FALLBACK_UNABLE); /* Earlier passes took it. */
        return;
    }

    account(w, flow, pkt);
    if (program->kind == AGL_PROGRAM_DROP) {
        drop(w, pkt, AGILIO_COUNTER_DROP_POLICY);
        agl_worker_count(w, AGILIO_COUNTER_CARRIED);
    } else {
        run(w, program, key, pkt, traversal);
    }
}

/* Makes 'n' packets that begin a traversal ready for their lookups.  Those
 * that have no shape are parsed, into 'keys'. */
static inline void
prepare(struct agl_worker *w, struct agl_pkt *const pkts[], uint32_t n,
        struct agl_traversal ts[], struct agilio_key keys[])
{
    agl_tracker_shape_keys(w->tracker, w->table, pkts, n, &w->options, ts);
    for (uint32_t i = 0; i < n; i++) {
        if (AGILIO_UNLIKELY(!ts[i].tk.shape)) {
            agl_parse(pkts[i], &w->options, &keys[i]);
            agl_tracker_key(w->tracker, w->table, &keys[i], &ts[i].tk);
        }
    }
}

/* Takes a packet through the passes that do no more than look it up again, as
 * long as the answer is known.  Returns the flow after these.  An unfinished
 * frame does not go there: each of what comes of it will. */
static inline struct agl_flow *
hop(struct agl_worker *w, struct agl_pkt *pkt, struct agl_traversal *t)
{
    struct agl_flow *flow = t->path.flows[0];

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

/* The first recirculation of a program may go on with its packet's traversal;
 * a second one, of a copy, begins another. */
void
agl_pipeline_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    struct agl_worker *w = worker_of(run);
    struct agl_traversal *t = w->traversal;

    w->traversal = NULL;
    if (pkt->n_recirc == AGILIO_MAX_RECIRC) {
        drop(w, pkt, AGILIO_COUNTER_DROP_RECIRC);
        return;
    }
    if (pkt->len < 14) {        /* OVS: even without an Ethernet header. */
        drop(w, pkt, AGILIO_COUNTER_DROP_RUNT);
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
agl_pipeline_sample(struct agl_run *run, const void *actions, uint32_t len,
                    struct agl_pkt *pkt)
{
    struct preamble p;

    memset(&p.desc, 0, sizeof p.desc);
    p.len = sizeof p.desc;
    p.desc.flags = agilio_to_le16(AGILIO_DESC_SAMPLED);
    p.desc.reason = agilio_to_le32(AGILIO_FALLBACK_HOST);
    add_resume(&p, pkt);
    add_meta(&p, actions, len);
    give(worker_of(run), &p, pkt, AGILIO_COUNTER_SAMPLED);
}

void
agl_pipeline_drop(struct agl_run *run, enum agilio_counter reason,
                  struct agl_pkt *pkt)
{
    drop(worker_of(run), pkt, reason);
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
    have_buffers(w, 1);
}

/* Carries all frames that come of an unfinished packet, which may not go as it
 * is. */
static void
carry_whole(struct agl_worker *w, const struct agl_pkt *pkt)
{
    struct agl_port *port = &w->ports[agilio_port_slot(pkt->rx_port)];
    struct whole whole = { w, pkt };

    have_buffers(w, 1);
    if (!port->dev->class->finish(pkt, &w->pool, carry_finished, &whole)) {
        add(&port->stats->rx_dropped, 1);
        agl_worker_count(w, AGILIO_COUNTER_DROP_NO_BUFFER);
    }
}

/* Carries 'n' packets.  What memory they need is on its way when the first one
 * asks for it. */
static void
carry_burst(struct agl_worker *w, struct agl_pkt *const pkts[], uint32_t n)
{
    uint32_t n_known = 0, i;

    prepare(w, pkts, n, w->traversals, w->keys);
    agl_tracker_prefetch(w->tracker, w->traversals, n);
    for (i = 0; i < n; i++) {
        w->traversals[i].alone = true;
        n_known += start(w, pkts[i], &w->traversals[i], &w->keys[i]);
    }
    agl_worker_add(w, AGILIO_COUNTER_L1_HIT, n_known);
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
        add(&port->stats->rx_packets, n_admitted);
        add(&port->stats->rx_bytes, n_bytes);
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

    have_buffers(w, AGL_BURST); /* If not, the device keeps its frames. */
    n = port->dev->class->rx(port->dev, &w->pool, pkts, max);
    if (AGILIO_LIKELY(!port->capture)) {
        admit_burst(w, port, pkts, n);
    } else {
        admit_watched(w, port, pkts, n);
    }

    rx_errors = port->dev->rx_errors;
    if (rx_errors != port->driver_rx_errors) {
        add(&port->stats->rx_errors, rx_errors - port->driver_rx_errors);
        port->driver_rx_errors = rx_errors;
    }
    return n;
}

/* One record of the host's: to the port that it names, and to no other. */
static void
host_record(struct agl_worker *w, struct agl_port *port, uint32_t len)
{
    struct agilio_ring_end *ring = &port->qp->from_host;
    struct agilio_desc desc;
    uint32_t frame_len = len - sizeof desc;
    struct agl_pkt *pkt;

    agilio_ring_read(ring, 0, &desc, sizeof desc);
    if (desc.flags || desc.meta_len || frame_len < 14
        || frame_len > AGILIO_MAX_FRAME) {
        agl_worker_count(w, AGILIO_COUNTER_DROP_HOST_BAD);
    } else if (!have_buffers(w, 1)) {
        agl_worker_count(w, AGILIO_COUNTER_DROP_NO_BUFFER);
    } else {
        pkt = agl_pkt_new(&w->pool);
        agilio_ring_read(ring, sizeof desc, pkt->data, frame_len);
        pkt->len = frame_len;
        agl_worker_count(w, AGILIO_COUNTER_HOST_TX);
        agl_pipeline_output(&w->run, agilio_from_le32(desc.port), pkt);
    }
    agilio_ring_consume(ring, agilio_ring_granules(len));
}

uint32_t
agl_pipeline_host_tx(struct agl_worker *w, struct agl_port *port)
{
    struct agilio_ring_end *ring = &port->qp->from_host;
    uint32_t n, len;

    for (n = 0; n < AGL_BURST; n++) {
        len = agilio_ring_peek(ring, sizeof(struct agilio_desc),
                               AGILIO_MAX_RECORD);
        if (!len) {
            break;
        }
        host_record(w, port, len);
    }
    return n;
}

uint32_t
agl_pipeline_take_over(struct agl_worker *w, uint32_t giver)
{
    struct agl_handover *h = w->team->handovers[giver][w->index];
    uint32_t n = agl_handover_ready(h);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t port_id;
        struct agl_pkt *pkt = agl_handover_get(h, i, &port_id);

        output(w, port_id, pkt);
    }
    return n;
}

/* Has the others see what is handed over to them, and takes back the buffers
 * of what they have done. */
static void
flush_handovers(struct agl_worker *w)
{
    for (uint32_t i = 0; i < w->team->n; i++) {
        struct agl_handover *h = w->team->handovers[w->index][i];

        if (h) {
            agl_handover_reclaim(h, &w->pool);
        }
        if (h && agl_handover_publish(h)) {
            agl_worker_wake(w->team->workers[i]);
        }
    }
}

void
agl_pipeline_flush(struct agl_worker *w)
{
    uint32_t i;

    for (i = 0; i < w->n_ports; i++) {
        if (w->ports[i].n_tx) {
            flush_port(w, &w->ports[i]);
        }
    }
    flush_handovers(w);
    if (w->kick_host) {
        w->kick_host = false;
        w->ops->kick_host(w->ops->aux, AGILIO_VECTOR_PACKETS);
    }
}
