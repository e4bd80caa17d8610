/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-map.c - the NIC's region: mapping, checking, reading.
 *
 * See agilio-map.h.  abi.h draws the region; this file looks at every offset,
 * size and count of it before anything else does.  Nothing here depends on the
 * connection or takes a lock; a fuzzer can call agilio_map_init() with any
 * bytes.
 *
 * What cannot be checked: a NIC that truncates the file behind the mapping
 * kills whoever reads there.  The PF's NIC is the operator's own.
 */

#include <config.h>

#include "agilio-map.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agilio/msg.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Bounds on what the NIC may claim, far above any use: with them no product
 * below overflows and no table takes absurd amounts of memory. */
#define MAX_REGION_SIZE (UINT64_C(1) << 40)
#define MAX_WORKERS 1024
#define MAX_COUNTERS 65536
#define MAX_FLOWS (1u << 26)
#define MAX_SLOTS (1u << 16)    /* Of meters or bonds. */
#define MAX_QPS (AGILIO_MAX_PORTS * 64)
/* agilio_ring_read() and _write() count a body's bytes in 32 bits. */
#define MAX_GRANULES (1u << 25)

/* ## -------- ##
 * ## Checking ##
 * ## -------- ## */

/* True if 'n' elements of 'size' bytes at 'ofs' lie in the map. */
static bool
fits(const struct agilio_map *map, uint64_t ofs, uint64_t n, uint64_t size)
{
    return ofs % AGILIO_CACHE_LINE == 0
           && ofs >= sizeof(struct agilio_region)
           && ofs <= map->size
           && n <= (map->size - ofs) / size;
}

/* True if '*place', a private copy, is a ring in the map of at least 'min'
 * granules. */
static bool
ring_fits(const struct agilio_map *map, const struct agilio_ring_place *place,
          uint32_t min)
{
    uint32_t n = agilio_from_le32(place->n_granules);

    return n >= min && n <= MAX_GRANULES && !(n & (n - 1))
           && fits(map, agilio_from_le64(place->ring_ofs),
                   1, sizeof(struct agilio_ring))
           && fits(map, agilio_from_le64(place->body_ofs),
                   n, AGILIO_GRANULE);
}

/* The part of the header that holds still for all versions. */
static char *
check_identity(const struct agilio_region *r, uint64_t size)
{
    uint16_t abi_min = agilio_from_le16(r->abi_min);
    uint16_t abi_max = agilio_from_le16(r->abi_max);

    if (agilio_from_le64(r->magic) != AGILIO_MAGIC) {
        return xstrdup("this is not an Agilio NIC");
    }
    if (abi_min > AGILIO_ABI_MAX || abi_max < AGILIO_ABI_MIN) {
        return xasprintf("it speaks ABI versions %u to %u, we speak %d to %d",
                         abi_min, abi_max, AGILIO_ABI_MIN, AGILIO_ABI_MAX);
    }
    if (agilio_from_le32(r->type) != AGILIO_FUNCTION_PF) {
        return xstrdup("this is not the physical function");
    }
    if (agilio_from_le64(r->region_size) > size) {
        return xasprintf("its region claims %"PRIu64" bytes and has %"PRIu64,
                         agilio_from_le64(r->region_size), size);
    }
    return NULL;
}

static char *
check_objects(struct agilio_map *map, const struct agilio_region *r)
{
    uint64_t meters = agilio_from_le64(r->meters_ofs);
    uint64_t bonds = agilio_from_le64(r->bonds_ofs);

    map->max_meters = agilio_from_le32(r->max_meters);
    map->max_bonds = agilio_from_le32(r->max_bonds);
    if (map->max_meters > MAX_SLOTS || map->max_bonds > MAX_SLOTS) {
        return xasprintf("its region claims %"PRIu32" meters, %"PRIu32
                         " bonds", map->max_meters, map->max_bonds);
    }
    if (!fits(map, meters, map->max_meters, sizeof *map->meters)
        || !fits(map, bonds, (uint64_t) map->n_workers * map->max_bonds,
                 sizeof *map->bonds)) {
        return xstrdup("the meters or bonds lie outside of its region");
    }
    map->meters = (const void *) (map->base + meters);
    map->bonds = (const void *) (map->base + bonds);
    return NULL;
}

static char *
check_tables(struct agilio_map *map, const struct agilio_region *r)
{
    uint64_t ports = agilio_from_le64(r->ports_ofs);
    uint64_t port_stats = agilio_from_le64(r->port_stats_ofs);
    uint64_t counters = agilio_from_le64(r->counters_ofs);
    uint64_t flows = agilio_from_le64(r->flows_ofs);

    map->n_ports = agilio_from_le32(r->n_ports);
    map->n_counters = agilio_from_le32(r->n_counters);
    map->n_workers = agilio_from_le32(r->n_workers);
    map->max_flows = agilio_from_le32(r->max_flows);
    map->max_masks = agilio_from_le32(r->max_masks);
    if (!map->n_workers || map->n_workers > MAX_WORKERS
        || map->n_ports > AGILIO_MAX_PORTS || map->n_counters > MAX_COUNTERS
        || map->max_flows > MAX_FLOWS) {
        return xasprintf("its region claims %"PRIu32" workers, %"PRIu32
                         " ports, %"PRIu32" counters, %"PRIu32" flows",
                         map->n_workers, map->n_ports, map->n_counters,
                         map->max_flows);
    }
    if (!fits(map, ports, map->n_ports, sizeof *map->ports)
        || !fits(map, port_stats, (uint64_t) map->n_workers * map->n_ports,
                 sizeof *map->port_stats)
        || !fits(map, counters, (uint64_t) map->n_workers * map->n_counters,
                 sizeof *map->counters)
        || !fits(map, flows, (uint64_t) map->n_workers * map->max_flows,
                 sizeof *map->flows)) {
        return xstrdup("a table lies outside of its region");
    }
    map->ports = (const void *) (map->base + ports);
    map->port_stats = (const void *) (map->base + port_stats);
    map->counters = (const void *) (map->base + counters);
    map->flows = (const void *) (map->base + flows);
    return check_objects(map, r);
}

static char *
check_rings(struct agilio_map *map, const struct agilio_region *r)
{
    const uint32_t min_control = agilio_ring_granules(AGILIO_MAX_MSG);
    uint64_t ofs = agilio_from_le64(r->qps_ofs);
    uint32_t i;

    map->control[0] = r->control[0];
    map->control[1] = r->control[1];
    if (!ring_fits(map, &map->control[0], min_control)
        || !ring_fits(map, &map->control[1], min_control)) {
        return xstrdup("a control ring lies outside of its region");
    }

    map->n_qps = agilio_from_le32(r->n_qps);
    if (map->n_qps > MAX_QPS
        || !fits(map, ofs, map->n_qps, sizeof *map->qps)) {
        return xasprintf("its region claims %"PRIu32" queue pairs",
                         map->n_qps);
    }
    map->qps = xmemdup(map->base + ofs, map->n_qps * sizeof *map->qps);
    for (i = 0; i < map->n_qps; i++) {
        if (!ring_fits(map, &map->qps[i].to_host, 1)
            || !ring_fits(map, &map->qps[i].from_host, 1)) {
            free(map->qps);
            return xasprintf("queue pair %"PRIu32" lies outside of its region",
                             i);
        }
    }
    return NULL;
}

char *
agilio_map_init(struct agilio_map *map, void *base, uint64_t size)
{
    struct agilio_region r;
    char *error;

    if (size < sizeof r || size > MAX_REGION_SIZE) {
        return xasprintf("its region has %"PRIu64" bytes", size);
    }
    memcpy(&r, base, sizeof r);
    error = check_identity(&r, size);
    if (error) {
        return error;
    }

    *map = (struct agilio_map) {
        .region = base,
        .base = base,
        .size = size,
        .boot_id = agilio_from_le64(r.boot_id),
        .packets_fd = -1,
        .nic_packets_fd = -1,
    };
    error = check_tables(map, &r);
    return error ? error : check_rings(map, &r);
}

/* ## ---- ##
 * ## Life ##
 * ## ---- ## */

char *
agilio_map_create(int fd, struct agilio_map **mapp)
{
    struct agilio_map *map;
    struct stat s;
    char *error;
    void *base;

    if (fstat(fd, &s)) {
        return xasprintf("its region cannot be looked at: %s",
                         ovs_strerror(errno));
    }
    if (s.st_size < (off_t) sizeof(struct agilio_region)) {
        return xasprintf("its region has %lld bytes", (long long) s.st_size);
    }
    base = mmap(NULL, s.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        return xasprintf("its region cannot be mapped: %s",
                         ovs_strerror(errno));
    }

    map = xmalloc(sizeof *map);
    error = agilio_map_init(map, base, s.st_size);
    if (error) {
        munmap(base, s.st_size);
        free(map);
        return error;
    }
    *mapp = map;
    return NULL;
}

void
agilio_map_destroy(struct agilio_map *map)
{
    if (map) {
        munmap(map->base, map->size);
        if (map->packets_fd >= 0) {
            close(map->packets_fd);
        }
        if (map->nic_packets_fd >= 0) {
            close(map->nic_packets_fd);
        }
        free(map->qps);
        free(map);
    }
}

/* ## ----- ##
 * ## Rings ##
 * ## ----- ## */

void
agilio_map_producer(const struct agilio_map *map,
                    const struct agilio_ring_place *place,
                    struct agilio_ring_end *end)
{
    uint8_t *ring = map->base + agilio_from_le64(place->ring_ofs);
    uint8_t *body = map->base + agilio_from_le64(place->body_ofs);

    agilio_ring_init_producer(end, (void *) ring, body,
                              agilio_from_le32(place->n_granules));
}

void
agilio_map_consumer(const struct agilio_map *map,
                    const struct agilio_ring_place *place,
                    struct agilio_ring_end *end)
{
    uint8_t *ring = map->base + agilio_from_le64(place->ring_ofs);
    uint8_t *body = map->base + agilio_from_le64(place->body_ofs);

    agilio_ring_init_consumer(end, (void *) ring, body,
                              agilio_from_le32(place->n_granules));
}

/* ## ------- ##
 * ## Reading ##
 * ## ------- ## */

/* Sums up 'n' counters of each worker, whose rows of 'row_len' begin at
 * 'from'.  They are 64-bit words that a worker stores whole. */
static void
sum_rows(const struct agilio_map *map, const agilio_le64 *from, size_t row_len,
         uint64_t sums[], size_t n)
{
    memset(sums, 0, n * sizeof *sums);
    for (uint32_t w = 0; w < map->n_workers; w++, from += row_len) {
        for (size_t i = 0; i < n; i++) {
            sums[i] += agilio_from_le64(agilio_load_relaxed(&from[i]));
        }
    }
}

void
agilio_map_port_stats(const struct agilio_map *map, uint32_t slot,
                      uint64_t stats[AGILIO_PORT_WORDS])
{
    if (slot < map->n_ports) {
        sum_rows(map, &map->port_stats[slot].rx_packets,
                 map->n_ports * AGILIO_PORT_WORDS, stats, AGILIO_PORT_WORDS);
    } else {
        memset(stats, 0, AGILIO_PORT_WORDS * sizeof *stats);
    }
}

/* One try to copy the entry; false if the NIC was writing it. */
static bool
copy_port(const struct agilio_port *entry, struct agilio_port *port)
{
    agilio_le32 before = agilio_load_acquire(&entry->seq);

    if (agilio_from_le32(before) & 1) {
        return false;
    }
    memcpy(port, entry, sizeof *port);
    agilio_fence();             /* The copy comes before the second look. */
    return agilio_load_relaxed(&entry->seq) == before;
}

bool
agilio_map_port(const struct agilio_map *map, uint32_t slot,
                struct agilio_port *port)
{
    int i;

    if (slot >= map->n_ports) {
        return false;
    }
    for (i = 0; !copy_port(&map->ports[slot], port); i++) {
        if (i >= 200) {
            return false;
        } else if (i >= 100) {
            /* The writer may have lost its CPU half-way. */
            xnanosleep_no_quiesce(100 * 1000);
        }
    }
    port->name[sizeof port->name - 1] = '\0';
    return agilio_from_le32(port->id) != AGILIO_PORT_NONE
           && agilio_port_slot(agilio_from_le32(port->id)) == slot;
}

uint32_t
agilio_map_find_port(const struct agilio_map *map, const char *name,
                     struct agilio_port *port)
{
    uint32_t slot;

    for (slot = 0; slot < map->n_ports; slot++) {
        if (agilio_map_port(map, slot, port) && !strcmp(port->name, name)) {
            return agilio_from_le32(port->id);
        }
    }
    return AGILIO_PORT_NONE;
}

uint32_t
agilio_map_count_ports(const struct agilio_map *map)
{
    struct agilio_port port;
    uint32_t slot, n = 0;

    for (slot = 0; slot < map->n_ports; slot++) {
        n += agilio_map_port(map, slot, &port);
    }
    return n;
}

void
agilio_map_describe(const struct agilio_map *map, const char *where,
                    bool active, struct ds *ds)
{
    ds_put_format(ds, "NIC at %s: %s, boot id %016"PRIx64", %"PRIu32
                  " ports, %"PRIu32" workers, room for %"PRIu32" flows\n",
                  where, active ? "active" : "attached", map->boot_id,
                  agilio_map_count_ports(map),
                  map->n_workers, map->max_flows);
}

uint64_t
agilio_map_counter(const struct agilio_map *map, enum agilio_counter c)
{
    uint64_t sum = 0;

    if (c < map->n_counters) {
        sum_rows(map, &map->counters[c], map->n_counters, &sum, 1);
    }
    return sum;
}

void
agilio_map_flow_counts(const struct agilio_map *map, uint32_t id,
                       struct agilio_flow_counts *counts)
{
    uint64_t clock;
    uint32_t i;

    *counts = (struct agilio_flow_counts) { .age_ms = LLONG_MAX };
    if (id >= map->max_flows) {
        return;
    }
    for (i = 0; i < map->n_workers; i++) {
        const struct agilio_flow_stats *s
            = &map->flows[(size_t) i * map->max_flows + id];
        uint64_t used = agilio_from_le64(agilio_load_relaxed(&s->used));

        counts->n_packets += agilio_from_le64(
            agilio_load_relaxed(&s->packets));
        counts->n_bytes += agilio_from_le64(agilio_load_relaxed(&s->bytes));
        counts->used = MAX(counts->used, used);
        counts->tcp_flags |= agilio_from_le16(
            agilio_load_relaxed(&s->tcp_flags));
    }
    if (counts->used) {
        /* The clock is published now and then, and may be behind. */
        clock = agilio_from_le64(agilio_load_relaxed(&map->region->clock));
        counts->age_ms = (clock > counts->used
                          ? (clock - counts->used) / (1000 * 1000) : 0);
    }
}

void
agilio_map_meter_counts(const struct agilio_map *map, uint32_t slot,
                        uint64_t counts[])
{
    memset(counts, 0, AGILIO_METER_WORDS * sizeof *counts);
    if (slot < map->max_meters) {
        const agilio_le64 *from = (const agilio_le64 *) &map->meters[slot];

        for (size_t i = 0; i < AGILIO_METER_WORDS; i++) {
            counts[i] = agilio_from_le64(agilio_load_relaxed(&from[i]));
        }
    }
}

void
agilio_map_bond_counts(const struct agilio_map *map, uint32_t slot,
                       uint64_t counts[])
{
    if (slot < map->max_bonds) {
        sum_rows(map, &map->bonds[slot].buckets[0].packets,
                 map->max_bonds * AGILIO_BOND_WORDS, counts,
                 AGILIO_BOND_WORDS);
    } else {
        memset(counts, 0, AGILIO_BOND_WORDS * sizeof *counts);
    }
}
