/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-map.c - the region as the host maps and reads it: lib/agilio-map.c.
 *
 * The region is one that the NIC lays out, in memory of exactly its size, so
 * that ASan sees every step outside.
 */

#include <config.h>

#include "agilio-map.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agilio/msg.h"
#include "check.h"
#include "host/function.h"
#include "random.h"
#include "util.h"

#define N_PORTS 4
#define MAX_FLOWS 64
#define MAX_METERS 16
#define MAX_BONDS 2
#define N_WORKERS 3

static const struct agl_geometry geometry = {
    .type = AGILIO_FUNCTION_PF,
    .n_ports = N_PORTS,
    .n_qps = N_PORTS,
    .max_flows = MAX_FLOWS,
    .max_masks = 8,
    .max_meters = MAX_METERS,
    .max_bonds = MAX_BONDS,
    .n_workers = N_WORKERS,
    .control_granules = 256,
    .packet_granules = 256,
};

static struct agl_region nic;
static struct agl_qp qps[N_PORTS];

static void
start(void)
{
    size_t size = agl_region_size(&geometry);
    void *base = aligned_alloc(AGILIO_CACHE_LINE, size);

    memset(base, 0, size);
    agl_region_init(&nic, &geometry, base, qps, 4711);
}

static void
stop(void)
{
    free(nic.base);
}

/* Makes a map of the region as it is now.  True if it was taken. */
static bool
map_region(struct agilio_map *map)
{
    char *error = agilio_map_init(map, nic.base, nic.size);

    free(error);
    return !error;
}

/* Reads and writes all that a map leads to. */
static void
use_ring(const struct agilio_map *map, const struct agilio_ring_place *place)
{
    struct agilio_ring_end end;
    uint8_t buf[AGILIO_MAX_RECORD];

    agilio_map_consumer(map, place, &end);
    end.cursor = end.n - 1;
    agilio_ring_read(&end, 0, buf, MIN(sizeof buf, end.n * AGILIO_GRANULE));
    agilio_ring_ready(&end);
    agilio_map_producer(map, place, &end);
    end.cursor = end.n - 1;
    agilio_ring_write(&end, 0, buf, MIN(sizeof buf, end.n * AGILIO_GRANULE));
    agilio_ring_free(&end);
}

static void
use_map(const struct agilio_map *map)
{
    struct agilio_flow_counts counts;
    uint64_t stats[AGILIO_PORT_WORDS];
    struct agilio_port port;
    uint64_t meter[AGILIO_METER_WORDS], bond[AGILIO_BOND_WORDS];
    uint32_t i;

    CHECK((uintptr_t) map->ports % AGILIO_CACHE_LINE == 0);
    CHECK((uintptr_t) map->counters % AGILIO_CACHE_LINE == 0);
    CHECK((uintptr_t) map->flows % AGILIO_CACHE_LINE == 0);
    agilio_map_find_port(map, "nobody", &port);
    for (i = 0; i <= map->n_ports; i++) {
        agilio_map_port(map, i, &port);
        agilio_map_port_stats(map, i, stats);
    }
    for (i = 0; i < AGILIO_N_COUNTERS; i++) {
        agilio_map_counter(map, i);
    }
    agilio_map_flow_counts(map, 0, &counts);
    agilio_map_flow_counts(map, map->max_flows / 2, &counts);
    agilio_map_flow_counts(map, map->max_flows - 1, &counts);
    agilio_map_flow_counts(map, map->max_flows, &counts);
    agilio_map_meter_counts(map, 0, meter);
    agilio_map_meter_counts(map, map->max_meters - 1, meter);
    agilio_map_meter_counts(map, map->max_meters, meter);
    agilio_map_bond_counts(map, 0, bond);
    agilio_map_bond_counts(map, map->max_bonds - 1, bond);
    agilio_map_bond_counts(map, map->max_bonds, bond);
    use_ring(map, &map->control[0]);
    use_ring(map, &map->control[1]);
    for (i = 0; i < map->n_qps; i++) {
        use_ring(map, &map->qps[i].to_host);
        use_ring(map, &map->qps[i].from_host);
    }
}

static void
test_geometry(void)
{
    struct agilio_map map;

    start();
    CHECK(map_region(&map));
    CHECK(map.boot_id == 4711);
    CHECK(map.n_ports == N_PORTS && map.n_qps == N_PORTS);
    CHECK(map.n_workers == N_WORKERS && map.max_flows == MAX_FLOWS);
    CHECK(map.n_counters == AGILIO_COUNTER_ROW && map.max_masks == 8);
    CHECK((const void *) map.ports == nic.ports);
    CHECK((const void *) map.counters == nic.counters);
    CHECK((const void *) map.flows == nic.flows);
    CHECK(map.max_meters == MAX_METERS && map.max_bonds == MAX_BONDS);
    CHECK((const void *) map.meters == nic.meters);
    CHECK((const void *) map.bonds == nic.bonds);
    CHECK(map.packets_fd == -1 && map.nic_packets_fd == -1);
    use_map(&map);
    free(map.qps);
    stop();
}

/* The reason tells an operator what is wrong. */
static void
check_refusal(const char *expected)
{
    struct agilio_map map;
    char *error = agilio_map_init(&map, nic.base, nic.size);

    CHECK(error && strstr(error, expected));
    if (error && !strstr(error, expected)) {
        printf("\"%s\" lacks \"%s\"\n", error, expected);
    }
    free(error);
    stop();
}

static void
test_refusals(void)
{
    start();
    nic.header->magic++;
    check_refusal("not an Agilio NIC");
    start();
    nic.header->abi_min = agilio_to_le16(7);
    nic.header->abi_max = agilio_to_le16(9);
    check_refusal("ABI versions 7 to 9, we speak 3 to 3");
    start();
    nic.header->type = agilio_to_le32(AGILIO_FUNCTION_VF);
    check_refusal("not the physical function");
    start();
    nic.header->region_size = agilio_to_le64(nic.size + 1);
    check_refusal("its region claims");
    start();
    nic.header->port_stats_ofs = agilio_to_le64(nic.size - 64);
    check_refusal("a table lies outside");
    start();
    nic.header->ports_ofs = agilio_to_le64(64);
    check_refusal("a table lies outside");
    start();
    nic.header->n_ports = agilio_to_le32(AGILIO_MAX_PORTS + 1);
    check_refusal("65 ports");
    start();
    nic.header->max_meters = agilio_to_le32(65537);
    check_refusal("65537 meters");
    start();
    nic.header->bonds_ofs = agilio_to_le64(nic.size - 64);
    check_refusal("meters or bonds lie outside");
    start();
    nic.header->control[1].n_granules = agilio_to_le32(0);
    check_refusal("a control ring");
    start();
    ((struct agilio_qp *) (void *) (nic.base
                           + agilio_from_le64(nic.header->qps_ofs)))[2]
        .from_host.n_granules = agilio_to_le32(3);
    check_refusal("queue pair 2");
}

/* Puts each of many nasty values into each word of the header and of the queue
 * pairs, and uses what is accepted. */
static void
fuzz_word(uint8_t *at, size_t size)
{
    uint64_t nasty[] = {
        0, 1, 2, 63, 64, 65, 127, 128, 320, 384, 1 << 16, 1 << 20, 1 << 25,
        1 << 26, INT32_MAX, UINT32_MAX - 63, UINT32_MAX, UINT64_C(1) << 32,
        UINT64_C(1) << 58, INT64_MAX, UINT64_MAX - 63, UINT64_MAX,
        nic.size, nic.size - 64, nic.size - 128, nic.size + 64, 0, 0, 0, 0,
    };
    uint64_t old = 0;
    size_t i;

    memcpy(&old, at, size);
    nasty[26] = old + 64;
    nasty[27] = old - 64;
    nasty[28] = old * 2;
    nasty[29] = old + 1;
    for (i = 0; i < ARRAY_SIZE(nasty); i++) {
        struct agilio_map map;

        memcpy(at, &nasty[i], size);
        if (map_region(&map)) {
            use_map(&map);
            free(map.qps);
        }
        memcpy(at, &old, size);
    }
}

static void
test_every_word(void)
{
    struct agilio_map map;
    uint64_t qps_ofs;
    size_t i;

    start();
    qps_ofs = agilio_from_le64(nic.header->qps_ofs);
    for (i = 0; i < sizeof(struct agilio_region); i += 4) {
        fuzz_word(nic.base + i, 4);
        fuzz_word(nic.base + (i & ~7), 8);
    }
    for (i = 0; i < N_PORTS * sizeof(struct agilio_qp); i += 4) {
        fuzz_word(nic.base + qps_ofs + i, 4);
        fuzz_word(nic.base + qps_ofs + (i & ~7), 8);
    }
    CHECK(map_region(&map));    /* All as it was. */
    free(map.qps);
    stop();
}

/* Several random words at once. */
static void
test_random(void)
{
    struct agilio_map map;
    int i, n_taken = 0;

    random_set_seed(2);
    for (i = 0; i < 3000; i++) {
        int n = random_range(4) + 1;

        start();
        while (n--) {
            uint32_t x = (random_range(3) ? random_range(4096)
                          : random_uint32());

            memcpy(nic.base + 64 + random_range(32) * 4, &x, sizeof x);
        }
        if (map_region(&map)) {
            n_taken++;
            use_map(&map);
            free(map.qps);
        }
        stop();
    }
    CHECK(n_taken > 0);
}

/* The geometry is read once: what the NIC writes later has no effect. */
static void
test_private_copy(void)
{
    struct agilio_map map;

    start();
    CHECK(map_region(&map));
    memset(nic.base + 64, 0xff, 128);
    memset((void *) nic.ports, 0xff, sizeof *nic.ports);
    use_map(&map);
    CHECK(map.n_qps == N_PORTS && map.max_flows == MAX_FLOWS);
    free(map.qps);
    stop();
}

/* ## ------- ##
 * ## Reading ##
 * ## ------- ## */

static void
set_port(uint32_t slot, uint32_t id, const char *name)
{
    struct agilio_port *port = &nic.ports[slot];

    memset(port, 0, sizeof *port);
    port->id = agilio_to_le32(id);
    port->mtu = agilio_to_le32(1500);
    ovs_strzcpy(port->name, name, sizeof port->name);
    for (int i = 0; i < N_WORKERS; i++) {
        nic.port_stats[i * N_PORTS + slot].tx_errors
            = agilio_to_le64(7 + slot + i);
    }
}

static void
test_ports(void)
{
    uint64_t stats[AGILIO_PORT_WORDS];
    struct agilio_port port;
    struct agilio_map map;

    start();
    set_port(1, agilio_port_id(1, 1), "p0");
    set_port(2, agilio_port_id(2, 5), "p1");
    set_port(3, agilio_port_id(2, 1), "impostor");      /* Not slot 2. */
    CHECK(map_region(&map));

    CHECK(!agilio_map_port(&map, 0, &port));
    CHECK(!agilio_map_port(&map, N_PORTS, &port));
    CHECK(!agilio_map_port(&map, UINT32_MAX, &port));
    CHECK(agilio_map_count_ports(&map) == 2);
    CHECK(agilio_map_find_port(&map, "p1", &port) == agilio_port_id(2, 5));
    CHECK(port.mtu == agilio_to_le32(1500));
    agilio_map_port_stats(&map, 2, stats);
    CHECK(stats[offsetof(struct agilio_port_stats, tx_errors) / 8]
          == N_WORKERS * 9 + N_WORKERS * (N_WORKERS - 1) / 2);
    CHECK(agilio_map_find_port(&map, "p", &port) == AGILIO_PORT_NONE);
    CHECK(agilio_map_find_port(&map, "impostor", &port) == AGILIO_PORT_NONE);

    /* An entry that the NIC never leaves in peace. */
    nic.ports[2].seq = agilio_to_le32(1);
    CHECK(agilio_map_find_port(&map, "p1", &port) == AGILIO_PORT_NONE);
    nic.ports[2].seq = agilio_to_le32(2);
    CHECK(agilio_map_find_port(&map, "p1", &port) != AGILIO_PORT_NONE);

    /* A name without an end. */
    memset(nic.ports[1].name, 'x', sizeof nic.ports[1].name);
    CHECK(agilio_map_port(&map, 1, &port));
    CHECK(strlen(port.name) == AGILIO_PORT_NAME_LEN - 1);
    free(map.qps);
    stop();
}

static void
test_counters(void)
{
    struct agilio_map map;
    int i;

    start();
    for (i = 0; i < N_WORKERS; i++) {
        nic.counters[i * AGILIO_COUNTER_ROW + AGILIO_COUNTER_CARRIED]
            = agilio_to_le64(100 + i);
    }
    CHECK(map_region(&map));
    CHECK(agilio_map_counter(&map, AGILIO_COUNTER_CARRIED) == 303);
    CHECK(agilio_map_counter(&map, AGILIO_COUNTER_L1_HIT) == 0);
    CHECK(agilio_map_counter(&map, AGILIO_N_COUNTERS) == 0);
    free(map.qps);

    /* A NIC of an older version has fewer of them. */
    nic.header->n_counters = agilio_to_le32(AGILIO_COUNTER_CARRIED);
    CHECK(map_region(&map));
    CHECK(agilio_map_counter(&map, AGILIO_COUNTER_CARRIED) == 0);
    free(map.qps);
    stop();
}

static void
test_flow_counts(void)
{
    struct agilio_flow_counts counts;
    struct agilio_map map;
    int i;

    start();
    for (i = 0; i < N_WORKERS; i++) {
        nic.flows[i * MAX_FLOWS + 5] = (struct agilio_flow_stats) {
            .packets = agilio_to_le64(10 + i),
            .bytes = agilio_to_le64(UINT64_C(1) << (32 + i)),
            .used = agilio_to_le64(1000 * 1000 * (i + 1)),
            .tcp_flags = agilio_to_le16(1 << i),
        };
    }
    nic.header->clock = agilio_to_le64(8999999);
    CHECK(map_region(&map));

    agilio_map_flow_counts(&map, 5, &counts);
    CHECK(counts.n_packets == 33);
    CHECK(counts.n_bytes == UINT64_C(7) << 32);
    CHECK(counts.used == 3000000);
    CHECK(counts.age_ms == 5);
    CHECK(counts.tcp_flags == 7);

    /* The clock is behind. */
    nic.header->clock = agilio_to_le64(2999999);
    agilio_map_flow_counts(&map, 5, &counts);
    CHECK(counts.age_ms == 0);

    /* Never used; no such flow. */
    agilio_map_flow_counts(&map, 6, &counts);
    CHECK(counts.n_packets == 0 && counts.age_ms == LLONG_MAX);
    agilio_map_flow_counts(&map, MAX_FLOWS + 5, &counts);
    CHECK(counts.n_packets == 0 && counts.age_ms == LLONG_MAX);
    free(map.qps);
    stop();
}

static void
test_meter_and_bond_counts(void)
{
    uint64_t meter[AGILIO_METER_WORDS], bond[AGILIO_BOND_WORDS];
    struct agilio_map map;
    int i;

    start();
    nic.meters[5].in.packets = agilio_to_le64(7);
    nic.meters[5].in.bytes = agilio_to_le64(UINT64_C(1) << 40);
    nic.meters[5].bands[7].bytes = agilio_to_le64(9);
    for (i = 0; i < N_WORKERS; i++) {
        nic.bonds[i * MAX_BONDS + 1].buckets[255] = (struct agilio_count) {
            .packets = agilio_to_le64(1),
            .bytes = agilio_to_le64(10 + i),
        };
    }
    CHECK(map_region(&map));
    agilio_map_meter_counts(&map, 5, meter);
    CHECK(meter[0] == 7 && meter[1] == UINT64_C(1) << 40);
    CHECK(meter[2] == 0 && meter[AGILIO_METER_WORDS - 1] == 9);
    agilio_map_meter_counts(&map, MAX_METERS + 5, meter);
    CHECK(meter[0] == 0 && meter[AGILIO_METER_WORDS - 1] == 0);
    agilio_map_bond_counts(&map, 1, bond);
    CHECK(bond[510] == 3 && bond[511] == 33 && bond[509] == 0);
    agilio_map_bond_counts(&map, MAX_BONDS + 1, bond);
    CHECK(bond[511] == 0);
    free(map.qps);
    stop();
}

/* ## ----------- ##
 * ## Descriptors ##
 * ## ----------- ## */

static void
test_create(void)
{
    int fd = memfd_create("test-map", MFD_CLOEXEC);
    struct agilio_map *map = NULL;
    char *error;

    start();
    error = agilio_map_create(fd, &map);
    CHECK(error && strstr(error, "0 bytes"));
    free(error);

    CHECK(write(fd, nic.base, nic.size) == nic.size);
    error = agilio_map_create(fd, &map);
    CHECK(!error);
    if (!error) {
        CHECK(map->size == nic.size);
        use_map(map);
        agilio_map_destroy(map);
    }
    free(error);

    /* Half of it is missing. */
    ignore(!ftruncate(fd, nic.size / 2));
    error = agilio_map_create(fd, &map);
    CHECK(error && strstr(error, "claims"));
    free(error);

    close(fd);
    error = agilio_map_create(fd, &map);
    CHECK(error && strstr(error, ovs_strerror(EBADF)));
    free(error);
    agilio_map_destroy(NULL);
    stop();
}

int
main(void)
{
    RUN(test_geometry);
    RUN(test_refusals);
    RUN(test_every_word);
    RUN(test_random);
    RUN(test_private_copy);
    RUN(test_ports);
    RUN(test_counters);
    RUN(test_flow_counts);
    RUN(test_meter_and_bond_counts);
    RUN(test_create);
    return summary();
}
