/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.c - where everything lies in a function's region.
 *
 * abi.h has the picture; lay_out() draws it, once, for both the size and the
 * addresses.  What the NIC needs to know of the geometry it keeps in private
 * memory: the header in the region is only told, never asked.
 *
 * Called by the control thread at start-up, and for each new host; see
 * function.h for who resets what.  Freestanding: memory is the caller's.
 */

#include "host/function.h"

/* Bounds that keep sums and products in range and mistakes from taking all
 * memory; far above any use. */
#define MAX_FLOWS (1u << 24)
#define MAX_METERS (1u << 16)
#define MAX_BONDS 1024u
#define MAX_WORKERS 64u
#define MAX_GRANULES (1u << 20)

struct layout {
    uint64_t control;           /* Both control rings, bodies and all. */
    uint64_t ports;
    uint64_t port_stats;
    uint64_t counters;
    uint64_t flows;
    uint64_t meters;
    uint64_t bonds;
    uint64_t qps;
    uint64_t packets;           /* All packet rings. */
    uint64_t size;
};

/* Bytes of a ring and its body. */
static uint64_t
ring_size(uint32_t n_granules)
{
    return sizeof(struct agilio_ring) + (uint64_t) n_granules * AGILIO_GRANULE;
}

/* Takes 'n' elements of 'size' bytes at '*at', on cache lines of their own.
 * Returns where they begin. */
static uint64_t
take(uint64_t *at, uint64_t n, uint64_t size)
{
    uint64_t begin = *at;

    *at += AGILIO_ROUND_UP(n * size, AGILIO_CACHE_LINE);
    return begin;
}

static void
lay_out(const struct agl_geometry *g, struct layout *l)
{
    uint64_t at = 0;

    take(&at, 1, sizeof(struct agilio_region));
    l->control = take(&at, 2, ring_size(g->control_granules));
    l->ports = take(&at, g->n_ports, sizeof(struct agilio_port));
    l->port_stats = take(&at, (uint64_t) g->n_workers * g->n_ports,
                         sizeof(struct agilio_port_stats));
    l->counters = take(&at, (uint64_t) g->n_workers * AGILIO_COUNTER_ROW,
                       sizeof(agilio_le64));
    l->flows = take(&at, (uint64_t) g->n_workers * g->max_flows,
                    sizeof(struct agilio_flow_stats));
    l->meters = take(&at, g->max_meters, sizeof(struct agilio_meter_stats));
    l->bonds = take(&at, (uint64_t) g->n_workers * g->max_bonds,
                    sizeof(struct agilio_bond_stats));
    l->qps = take(&at, g->n_qps, sizeof(struct agilio_qp));
    l->packets = take(&at, UINT64_C(2) * g->n_qps,
                      ring_size(g->packet_granules));
    for (l->size = 4096; l->size < at; l->size *= 2) {
        continue;
    }
}

/* A power of two that is not too large, or 0. */
static bool
granules_ok(uint32_t n)
{
    return n <= MAX_GRANULES && !(n & (n - 1));
}

uint64_t
agl_region_size(const struct agl_geometry *g)
{
    struct layout l;

    if (g->n_ports > AGILIO_MAX_PORTS || g->n_qps > g->n_ports
        || g->max_flows > MAX_FLOWS || g->max_meters > MAX_METERS
        || g->max_bonds > MAX_BONDS
        || !g->n_workers || g->n_workers > MAX_WORKERS
        || !granules_ok(g->control_granules)
        || !granules_ok(g->packet_granules)) {
        return 0;
    }
    lay_out(g, &l);
    return l.size;
}

static void *
at(const struct agl_region *r, uint64_t ofs)
{
    return r->base + ofs;
}

/* Describes the ring of 'n' granules at 'ofs'. */
static void
place_ring(struct agilio_ring_place *place, uint64_t ofs, uint32_t n)
{
    place->ring_ofs = agilio_to_le64(ofs);
    place->body_ofs = agilio_to_le64(ofs + sizeof(struct agilio_ring));
    place->n_granules = agilio_to_le32(n);
}

/* Makes 'end' our view, as producer or as consumer, of the ring of 'n'
 * granules at 'ofs', in which all is 0. */
static void
open_ring(struct agl_region *r, struct agilio_ring_end *end, uint64_t ofs,
          uint32_t n)
{
    end->ring = at(r, ofs);
    end->body = at(r, ofs + sizeof(struct agilio_ring));
    end->n = n;
    end->cursor = 0;
    end->broken = false;
}

static void
init_header(struct agilio_region *h, const struct agl_geometry *g,
            const struct layout *l, uint64_t boot_id)
{
    h->magic = agilio_to_le64(AGILIO_MAGIC);
    h->abi_min = agilio_to_le16(AGILIO_ABI_MIN);
    h->abi_max = agilio_to_le16(AGILIO_ABI_MAX);
    h->type = agilio_to_le32(g->type);
    h->features = agilio_to_le64(AGILIO_FEATURES);
    h->region_size = agilio_to_le64(l->size);
    h->boot_id = agilio_to_le64(boot_id);

    h->ports_ofs = agilio_to_le64(l->ports);
    h->port_stats_ofs = agilio_to_le64(l->port_stats);
    h->counters_ofs = agilio_to_le64(l->counters);
    h->flows_ofs = agilio_to_le64(l->flows);
    h->meters_ofs = agilio_to_le64(l->meters);
    h->bonds_ofs = agilio_to_le64(l->bonds);
    h->qps_ofs = agilio_to_le64(l->qps);
    h->n_ports = agilio_to_le32(g->n_ports);
    h->n_counters = agilio_to_le32(AGILIO_COUNTER_ROW);
    h->max_flows = agilio_to_le32(g->max_flows);
    h->n_workers = agilio_to_le32(g->n_workers);
    h->n_qps = agilio_to_le32(g->n_qps);
    h->max_masks = agilio_to_le32(g->max_masks);
    h->max_meters = agilio_to_le32(g->max_meters);
    h->max_bonds = agilio_to_le32(g->max_bonds);
    h->state = agilio_to_le32(AGILIO_NIC_BOOTING);
}

static void
init_control(struct agl_region *r, const struct layout *l)
{
    uint32_t n = r->geometry.control_granules;
    uint64_t to_nic = l->control;
    uint64_t to_host = to_nic + ring_size(n);

    place_ring(&r->header->control[0], to_nic, n);
    place_ring(&r->header->control[1], to_host, n);
    open_ring(r, &r->request, to_nic, n);
    open_ring(r, &r->reply, to_host, n);
}

/* Queue pair 'i' carries the packets of port slot 'i'. */
static void
init_qp(struct agl_region *r, const struct layout *l, uint32_t i)
{
    struct agilio_qp *qp = (struct agilio_qp *) at(r, l->qps) + i;
    uint32_t n = r->geometry.packet_granules;
    uint64_t to_host = l->packets + 2 * i * ring_size(n);
    uint64_t from_host = to_host + ring_size(n);

    qp->port_slot = agilio_to_le32(i);
    qp->worker = agilio_to_le32(agl_port_owner(&r->geometry, i));
    place_ring(&qp->to_host, to_host, n);
    place_ring(&qp->from_host, from_host, n);
    open_ring(r, &r->qps[i].to_host, to_host, n);
    open_ring(r, &r->qps[i].from_host, from_host, n);
}

void
agl_region_init(struct agl_region *r, const struct agl_geometry *g,
                void *base, struct agl_qp *qps, uint64_t boot_id)
{
    struct layout l;

    lay_out(g, &l);
    r->geometry = *g;
    r->base = base;
    r->size = l.size;
    r->header = base;
    r->ports = at(r, l.ports);
    r->port_stats = at(r, l.port_stats);
    r->counters = at(r, l.counters);
    r->flows = at(r, l.flows);
    r->meters = at(r, l.meters);
    r->bonds = at(r, l.bonds);
    r->qps = qps;

    init_header(r->header, g, &l, boot_id);
    init_control(r, &l);
    for (uint32_t i = 0; i < g->n_qps; i++) {
        init_qp(r, &l, i);
    }
}

/* Empties a ring and repairs our end of it.  The cursor is set and not read
 * back: a former host may still be writing there. */
static void
reset_ring(struct agilio_ring_end *end)
{
    agilio_store_relaxed(&end->ring->prod, agilio_to_le32(0));
    agilio_store_relaxed(&end->ring->cons, agilio_to_le32(0));
    agilio_store_relaxed(&end->ring->sleeping, agilio_to_le32(0));
    end->cursor = 0;
    end->broken = false;
}

void
agl_region_reset_control(struct agl_region *r)
{
    reset_ring(&r->request);
    reset_ring(&r->reply);
    agilio_store_relaxed(&r->header->host_epoch, agilio_to_le64(0));
}

void
agl_region_reset_qp(struct agl_qp *qp)
{
    reset_ring(&qp->to_host);
    reset_ring(&qp->from_host);
}

uint64_t
agl_region_counter(const struct agl_region *r, enum agilio_counter i)
{
    uint64_t sum = 0;

    for (uint32_t w = 0; w < r->geometry.n_workers; w++) {
        sum += agilio_from_le64(agilio_load_relaxed(
            &r->counters[(size_t) w * AGILIO_COUNTER_ROW + i]));
    }
    return sum;
}

void
agl_region_port_stats(const struct agl_region *r, uint32_t slot,
                      struct agilio_port_stats *sum)
{
    agilio_le64 *to = (agilio_le64 *) sum;

    memset(sum, 0, sizeof *sum);
    for (uint32_t w = 0; w < r->geometry.n_workers; w++) {
        const agilio_le64 *from = (const agilio_le64 *)
            &r->port_stats[(size_t) w * r->geometry.n_ports + slot];

        for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) {
            to[i] = agilio_to_le64(
                agilio_from_le64(to[i])
                + agilio_from_le64(agilio_load_relaxed(&from[i])));
        }
    }
}
