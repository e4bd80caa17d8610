/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-bond.c - bonds, in the datapath and on the NIC: see twin.h.
 */

#include <config.h>

#include "twin.h"

/* Bucket i is port first + i % n (counted from 1). */
static void
set_bond(uint32_t id, uint32_t first, uint32_t n)
{
    odp_port_t members[AGILIO_BOND_BUCKETS];

    for (uint32_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        members[i] = n ? u32_to_odp(first + i % n) : ODPP_NONE;
    }
    CHECK(!dpif_bond_add(dpif, id, members));
}

static uint64_t
bond_bytes(uint32_t id)
{
    uint64_t n_bytes[AGILIO_BOND_BUCKETS], sum = 0;

    CHECK(!dpif_bond_stats_get(dpif, id, n_bytes));
    for (uint32_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        sum += n_bytes[i];
    }
    return sum;
}

static uint64_t
frame_bytes(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < n_frames; i++) {
        sum += frames[i].len;
    }
    return sum;
}

/* The same member, and bucket by bucket the same bytes. */
static void
test_bond(void)
{
    uint64_t before[AGILIO_BOND_BUCKETS], after[AGILIO_BOND_BUCKETS];
    uint64_t all[AGILIO_BOND_BUCKETS], total;

    nic_boot(4);
    set_ports(N_PORTS);
    nic_take_over();
    set_bond(9, 2, 3);
    answer();
    set_actions("lb_output(9)");
    put_flow();
    n_frames = 0;
    for (int i = 0; i < MAX_FRAMES; i++) {
        make_frame(60 + i, 77 * i);
    }
    CHECK(!dpif_bond_stats_get(dpif, 9, before));
    through_stock();
    CHECK(!dpif_bond_stats_get(dpif, 9, after));
    through_nic();
    CHECK(!dpif_bond_stats_get(dpif, 9, all));
    CHECK(same_fate());
    CHECK(n_passed_by(nic_fate) == n_frames);
    for (int i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        CHECK(before[i] == 0 && all[i] == 2 * after[i]);
    }
    total = 2 * frame_bytes();
    CHECK(bond_bytes(9) == total);

    /* Other members, under the same flow; the counters go on. */
    set_bond(9, 2, 1);
    through_nic();
    total += frame_bytes();
    CHECK(nic_fate[0] == 2 && nic_fate[5] == 2 && nic_fate[31] == 2);
    CHECK(bond_bytes(9) == total);

    /* No member: dropped, and not counted. */
    set_bond(9, 0, 0);
    through_stock();
    through_nic();
    CHECK(n_passed_by(stock_fate) == 0 && same_fate());
    CHECK(bond_bytes(9) == total);

    /* Over to another NIC. */
    nic_lose();
    CHECK(bond_bytes(9) == total);
    set_bond(9, 3, 1);
    nic_boot(4);
    set_ports(N_PORTS);
    nic_take_over();
    put_flow();
    through_nic();
    total += frame_bytes();
    CHECK(nic_fate[0] == 4);
    CHECK(bond_bytes(9) == total);
    CHECK(!dpif_bond_del(dpif, 9));

    /* As the datapath drops what is for a bond that it has not. */
    through_stock();
    through_nic();
    CHECK(n_passed_by(stock_fate) == 0 && same_fate());
    CHECK(inproc_counter(&sim, AGILIO_COUNTER_DROP_NO_BOND) == n_frames);
    put_flow();
    through_nic();
    CHECK(inproc_counter(&sim, AGILIO_COUNTER_DROP_NO_BOND)
          == 2 * n_frames);
    nic_lose();
}

/* A member that is not on the NIC makes the bond the host's. */
static void
test_bond_ports(void)
{
    uint8_t program[AGILIO_MAX_PROGRAM];
    const char *reason;
    size_t len;

    nic_boot(4);
    set_ports(3);
    nic_take_over();
    set_actions("lb_output(9)");
    set_bond(9, 2, 3);
    answer();
    CHECK(translate(program, &len, &reason) == AGILIO_FOR_HOST);
    CHECK(!strcmp(reason, "output: host port"));
    set_ports(4);
    CHECK(!strcmp(why_not(), ""));
    put_flow();
    make_frames(1);
    through_stock();
    through_nic();
    CHECK(same_fate() && n_passed_by(nic_fate));
    set_ports(2);
    CHECK(!strcmp(why_not(), "output: host port"));
    set_bond(9, 2, 1);
    CHECK(!strcmp(why_not(), ""));
    through_nic();
    CHECK(nic_fate[0] == 2);

    /* Two slots, three bonds. */
    set_ports(4);
    set_bond(10, 2, 1);
    set_bond(11, 2, 1);
    answer();
    set_actions("lb_output(11)");
    CHECK(translate(program, &len, &reason) == AGILIO_UNABLE);
    CHECK(!strcmp(reason, "bond: not on the NIC"));
    CHECK(!dpif_bond_del(dpif, 9));
    answer();
    CHECK(!strcmp(why_not(), ""));
    CHECK(!dpif_bond_del(dpif, 10));
    CHECK(!dpif_bond_del(dpif, 11));
    nic_lose();
}

/* ## ----------------- ##
 * ## Requests to a NIC ##
 * ## ----------------- ## */

static void
test_requests(void)
{
    struct agilio_bond_set bond = { .id = agilio_to_le32(0x10001) };

    nic_boot(4);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_BOND_SET, &bond, sizeof bond, NULL));
    for (size_t len = 0; len < sizeof bond; len += 4) {
        CHECK(inproc_ask(&sim, AGILIO_MSG_BOND_SET, &bond, len, NULL)
              == AGILIO_E_INVAL);
    }
    bond.id = agilio_to_le32(0x10002);
    CHECK(inproc_ask(&sim, AGILIO_MSG_BOND_SET, &bond, sizeof bond, NULL)
          == AGILIO_E_INVAL);
    CHECK(ask_id(AGILIO_MSG_BOND_DEL, 0x10002) == AGILIO_E_NOENT);
    CHECK(ask_id(AGILIO_MSG_BOND_DEL, 0x20001) == AGILIO_E_NOENT);
    CHECK(ask_id(AGILIO_MSG_BOND_DEL, 0x10001) == 0);
    bond.id = agilio_to_le32(0x10001);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_BOND_SET, &bond, sizeof bond, NULL));
    CHECK(!inproc_ask(&sim, AGILIO_MSG_FLOW_FLUSH, NULL, 0, NULL));
    CHECK(ask_id(AGILIO_MSG_BOND_DEL, 0x10001) == AGILIO_E_NOENT);
    nic_lose();
}

int
main(void)
{
    start_datapath();
    RUN(test_requests);
    RUN(test_bond);
    RUN(test_bond_ports);
    return summary();
}
