/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-map.h - the NIC's region, mapped: what may be believed of it.
 *
 * The geometry is read once, checked against the size of the mapping, and
 * kept in private memory; whatever the NIC writes there later changes nothing.
 * Port table, counters and flow statistics are read where they stand: any
 * value is possible, none can lead out of the mapping.
 *
 * A map is constant, and reading it needs no lock.  agilio-nic.c publishes it
 * under RCU and destroys it after a grace period.
 */

#ifndef AGILIO_MAP_H
#define AGILIO_MAP_H 1

#include "agilio/abi.h"

struct ds;

/* A mapped region; all geometry checked against its size and constant. */
struct agilio_map {
    const struct agilio_region *region;
    uint8_t *base;
    uint64_t size;
    uint64_t boot_id;
    uint64_t features;          /* Negotiated. */
    uint64_t generation;        /* Never the same for two connections. */
    uint32_t n_ports;
    uint32_t n_counters;
    uint32_t n_workers;
    uint32_t n_qps;
    uint32_t max_flows;
    uint32_t max_masks;
    uint32_t max_meters;
    uint32_t max_bonds;
    const struct agilio_port *ports;    /* [n_ports] */
    const struct agilio_port_stats *port_stats; /* [n_workers][n_ports] */
    const agilio_le64 *counters;        /* [n_workers][n_counters] */
    const struct agilio_flow_stats *flows;      /* [n_workers][max_flows] */
    const struct agilio_meter_stats *meters;    /* [max_meters] */
    const struct agilio_bond_stats *bonds;      /* [n_workers][max_bonds] */
    struct agilio_qp *qps;      /* [n_qps], a private copy. */
    struct agilio_ring_place control[2];        /* Likewise. */
    uint64_t first_clock;       /* What the NIC's clock showed... */
    long long int first_msec;   /* ...when we attached, by our own. */
    int packets_fd;             /* Eventfd that the NIC rings for packets. */
    int nic_packets_fd;         /* Eventfd that we ring. */
};

/* ## Life. ## */

/* Checks that the 'size' bytes at 'base' are the region of a PF, and fills in
 * 'map' but for 'features', 'generation' and the descriptors, which become 0
 * and -1.  Returns NULL, or why this is no region that we can use (malloc'd);
 * then there is nothing to clean up. */
char *agilio_map_init(struct agilio_map *map, void *base, uint64_t size);

/* Maps the region behind 'fd', which stays the caller's.  Returns NULL and
 * '*map', or the reason why not (malloc'd). */
char *agilio_map_create(int fd, struct agilio_map **map);

/* Unmaps the region, and closes the descriptors in the map. */
void agilio_map_destroy(struct agilio_map *);

/* ## Rings. ## */

/* Makes 'end' the host's view of a ring of this map. */
void agilio_map_producer(const struct agilio_map *,
                         const struct agilio_ring_place *,
                         struct agilio_ring_end *end);
void agilio_map_consumer(const struct agilio_map *,
                         const struct agilio_ring_place *,
                         struct agilio_ring_end *end);

/* ## What the region says. ## */

/* A consistent copy of port table entry 'slot'; false if it is empty or the
 * NIC does not leave it in peace. */
bool agilio_map_port(const struct agilio_map *, uint32_t slot,
                     struct agilio_port *);

/* Finds a port by name; returns its id and fills in '*port', or returns
 * AGILIO_PORT_NONE. */
uint32_t agilio_map_find_port(const struct agilio_map *, const char *name,
                              struct agilio_port *port);

/* Appends a line: which is up; 'active' if its flows are ours. */
void agilio_map_describe(const struct agilio_map *, const char *where,
                         bool active, struct ds *);

/* How many ports there are. */
uint32_t agilio_map_count_ports(const struct agilio_map *);

/* The counters of port table entry 'slot' as they are now, in host order and
 * that of struct agilio_port_stats, summed over the workers. */
#define AGILIO_PORT_WORDS \
    (sizeof(struct agilio_port_stats) / sizeof(agilio_le64))
void agilio_map_port_stats(const struct agilio_map *, uint32_t slot,
                           uint64_t stats[AGILIO_PORT_WORDS]);

/* Counter 'c', summed over the workers. */
uint64_t agilio_map_counter(const struct agilio_map *, enum agilio_counter c);

/* Statistics of flow 'id' in host order, summed over the workers.  'age_ms' is
 * the time since the last packet, LLONG_MAX if there was none. */
struct agilio_flow_counts {
    uint64_t n_packets;
    uint64_t n_bytes;
    uint64_t used;              /* NIC clock; changes with every packet. */
    long long int age_ms;
    uint16_t tcp_flags;
};
void agilio_map_flow_counts(const struct agilio_map *, uint32_t id,
                            struct agilio_flow_counts *);

/* The counters in a slot for meters or bonds: AGILIO_METER_WORDS or
 * AGILIO_BOND_WORDS numbers in the order of struct agilio_meter_stats or
 * struct agilio_bond_stats, summed over the workers. */
#define AGILIO_METER_WORDS \
    (sizeof(struct agilio_meter_stats) / sizeof(agilio_le64))
#define AGILIO_BOND_WORDS \
    (sizeof(struct agilio_bond_stats) / sizeof(agilio_le64))
void agilio_map_meter_counts(const struct agilio_map *, uint32_t slot,
                             uint64_t counts[]);
void agilio_map_bond_counts(const struct agilio_map *, uint32_t slot,
                            uint64_t counts[]);

#endif /* agilio-map.h */
