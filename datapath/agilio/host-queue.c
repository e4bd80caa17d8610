/* SPDX-License-Identifier: Apache-2.0 */
/* host-queue.c - packets between a port and the host: see host-queue.h. */

#include "host-queue.h"

#include "pkt/key-hash.h"
#include "tx.h"

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

/* Writes 'pkt', behind 'p' unless that is NULL, to the ring of 'port', which
 * is ours, and counts 'fate' or why it could not.  Takes 'pkt' over. */
static void
write_record(struct agl_worker *w, struct agl_port *port,
             const struct preamble *p, struct agl_pkt *pkt,
             enum agilio_counter fate)
{
    struct agilio_ring_end *ring = &port->qp->to_host;
    uint32_t p_len = p ? p->len : 0;
    uint32_t n = agilio_ring_granules(p_len + pkt->len);

    if (n > ring->n) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_HOST_TOO_BIG);
    } else if (agilio_ring_free(ring) < n) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_HOST_FULL);
    } else {
        if (p) {
            agilio_ring_write(ring, 0, p->bytes, p_len);
        }
        agilio_ring_write(ring, p_len, pkt->data, pkt->len);
        w->kick_host |= agilio_ring_produce(ring, n);
        agl_worker_count(w, fate);
        agl_pkt_free(&w->pool, pkt);
    }
}

/* Hands a record over to the owner of 'port', which writes and counts it; in a
 * buffer of our pool, since what 'p' tells may not be there any more when that
 * happens.  It takes nothing from the copies that are to come: 'pkt' is one of
 * them, and gives its buffer back, or there are none.  Takes 'pkt' over. */
static void
pass_on(struct agl_worker *w, const struct agl_port *port,
        const struct preamble *p, struct agl_pkt *pkt,
        enum agilio_counter fate)
{
    struct agl_pkt *record = agl_tx_spare(w, 1) ? agl_pkt_new(&w->pool) : NULL;

    AGILIO_ASSERT(sizeof record->room >= AGILIO_MAX_RECORD);
    if (!record) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_NO_BUFFER);
        return;
    }
    record->data = record->room;
    record->len = p->len + pkt->len;
    memcpy(record->data, p->bytes, p->len);
    memcpy(record->data + p->len, pkt->data, pkt->len);
    if (!agl_tx_hand_over(w, port, record, fate)) {
        agl_pkt_free(&w->pool, record);
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_WORKER_FULL);
        return;
    }
    agl_pkt_free(&w->pool, pkt);
    if (w->watched) {
        agl_capture_elsewhere(w->watched, fate);
    }
}

void
agl_host_queue_record(struct agl_worker *w, uint32_t port_id,
                      struct agl_pkt *record, enum agilio_counter fate)
{
    struct agl_port *port = &w->ports[agilio_port_slot(port_id)];

    if (!w->host_attached) {    /* Any more. */
        agl_worker_drop(w, record, AGILIO_COUNTER_DROP_NO_HOST);
    } else {
        write_record(w, port, NULL, record, fate);
    }
}

/* Gives 'pkt' to the host by the port that it came by, and takes it over. */
static void
give(struct agl_worker *w, struct preamble *p, struct agl_pkt *pkt,
     enum agilio_counter fate)
{
    struct agl_port *port = &w->ports[agilio_port_slot(pkt->rx_port)];

    p->desc.len = agilio_to_le32(p->len + pkt->len);
    p->desc.meta_len = agilio_to_le16(p->len - sizeof p->desc);
    p->desc.port = agilio_to_le32(port->id);
    p->desc.timestamp = agilio_to_le64(w->now);
    p->desc.hash = agilio_to_le32(pkt->has_hash ? pkt->flow_hash : 0);

    if (!w->host_attached) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_NO_HOST);
    } else if (pkt->len > AGILIO_MAX_FRAME) {
        agl_worker_drop(w, pkt, AGILIO_COUNTER_DROP_HOST_TOO_BIG);
    } else if (port->qp) {
        write_record(w, port, p, pkt, fate);
    } else {
        pass_on(w, port, p, pkt, fate);
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

void
agl_host_queue_upcall(struct agl_worker *w, struct agl_pkt *pkt,
                      enum agilio_fallback reason)
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

void
agl_host_queue_sample(struct agl_run *run, const void *actions, uint32_t len,
                      struct agl_pkt *pkt)
{
    struct preamble p;

    memset(&p.desc, 0, sizeof p.desc);
    p.len = sizeof p.desc;
    p.desc.flags = agilio_to_le16(AGILIO_DESC_SAMPLED);
    p.desc.reason = agilio_to_le32(AGILIO_FALLBACK_HOST);
    add_resume(&p, pkt);
    add_meta(&p, actions, len);
    give(agl_worker_of(run), &p, pkt, AGILIO_COUNTER_SAMPLED);
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
    } else if (!agl_tx_spare(w, 1)) {
        agl_worker_count(w, AGILIO_COUNTER_DROP_NO_BUFFER);
    } else {
        pkt = agl_pkt_new(&w->pool);
        agilio_ring_read(ring, sizeof desc, pkt->data, frame_len);
        pkt->len = frame_len;
        agl_worker_count(w, AGILIO_COUNTER_HOST_TX);
        agl_tx_output(w, agilio_from_le32(desc.port), pkt);
    }
    agilio_ring_consume(ring, agilio_ring_granules(len));
}

uint32_t
agl_host_queue_receive(struct agl_worker *w, struct agl_port *port)
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
