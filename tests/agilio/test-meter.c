/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-meter.c - meters, in the datapath and on the NIC: see twin.h.
 */

#include <config.h>

#include "twin.h"

#include "openflow/openflow.h"
#include "openvswitch/ofp-meter.h"
#include "ovs-rcu.h"

struct meter {
    struct ofputil_meter_config config;
    struct ofputil_meter_band bands[AGILIO_MAX_BANDS];
};

static void
set_meter(uint32_t id, struct meter *m)
{
    m->config.bands = m->bands;
    CHECK(!dpif_meter_set(dpif, (ofproto_meter_id) { id }, &m->config));
}

/* Packets/s, with a bucket of as many. */
static void
set_simple_meter(uint32_t id, uint32_t rate)
{
    struct meter m = {
        .config = { .flags = OFPMF13_PKTPS, .n_bands = 1 },
        .bands = { { .type = OFPMBT13_DROP, .rate = rate } },
    };

    set_meter(id, &m);
}

static void
get_meter(uint32_t id, struct ofputil_meter_stats *stats,
          struct ofputil_meter_band_stats bands[AGILIO_MAX_BANDS])
{
    memset(stats, 0, sizeof *stats);
    stats->bands = bands;
    CHECK(!dpif_meter_get(dpif, (ofproto_meter_id) { id }, stats,
                          AGILIO_MAX_BANDS));
}

/* What a meter has counted: packets in, and dropped by all bands. */
static bool
has_counted(uint32_t id, uint64_t in, uint64_t dropped)
{
    struct ofputil_meter_band_stats bands[AGILIO_MAX_BANDS];
    struct ofputil_meter_stats stats;
    uint64_t sum = 0;

    get_meter(id, &stats, bands);
    for (int i = 0; i < stats.n_bands; i++) {
        sum += bands[i].packet_count;
    }
    if (stats.packet_in_count != in || sum != dropped) {
        printf("counted %"PRIu64" in, %"PRIu64" dropped\n",
               stats.packet_in_count, sum);
    }
    return stats.packet_in_count == in && sum == dropped;
}

static void
del_meter(uint32_t id)
{
    CHECK(!dpif_meter_del(dpif, (ofproto_meter_id) { id }, NULL, 0));
}

static uint32_t
random_rate(void)
{
    static const uint32_t sizes[] = { 3, 100, 5000, 1000000 };

    return random_range(20)
           ? random_range(sizes[random_range(ARRAY_SIZE(sizes))]) + 1
           : random_uint32() | 1;
}

static void
random_meter(struct meter *m)
{
    memset(m, 0, sizeof *m);
    m->config.flags = random_range(2) ? OFPMF13_PKTPS : OFPMF13_KBPS;
    m->config.n_bands = random_range(3) ? 1
                        : random_range(AGILIO_MAX_BANDS) + 1;
    for (int i = 0; i < m->config.n_bands; i++) {
        m->bands[i].type = OFPMBT13_DROP;
        m->bands[i].rate = random_rate();
        m->bands[i].burst_size = random_range(2) ? random_rate() : 0;
    }
}

static void
random_frames(void)
{
    int n = random_range(MAX_FRAMES) + 1;

    n_frames = 0;
    while (n--) {
        make_frame(60 + random_range(MAX_FRAME - 60), random_range(9));
    }
}

static void
random_wait(void)
{
    static const uint32_t usec[] = { 1, 700, 3000, 50000, 2000000 };

    if (random_range(4)) {
        fake_usec += random_range(usec[random_range(ARRAY_SIZE(usec))]);
    }
}

/* What the NIC counted, as it stands in the region, and the datapath the
 * same: both counted each packet. */
static void
check_stats(uint32_t id, const struct agilio_meter_stats *nic)
{
    struct ofputil_meter_band_stats bands[AGILIO_MAX_BANDS];
    struct ofputil_meter_stats stats;

    get_meter(id, &stats, bands);
    CHECK(stats.packet_in_count == 2 * agilio_from_le64(nic->in.packets));
    CHECK(stats.byte_in_count == 2 * agilio_from_le64(nic->in.bytes));
    for (int i = 0; i < stats.n_bands; i++) {
        const struct agilio_count *c = &nic->bands[i];

        CHECK(bands[i].packet_count == 2 * agilio_from_le64(c->packets));
        CHECK(bands[i].byte_count == 2 * agilio_from_le64(c->bytes));
    }
}

static void
test_random_meters(void)
{
    int n_dropped = 0, n_sent = 0;

    nic_boot(4);
    set_ports(N_PORTS);
    nic_take_over();
    random_set_seed(1);
    for (int i = 0; i < 400 && !n_checks_failed; i++) {
        struct agilio_meter_stats *stats = NULL;
        struct meter m;

        random_meter(&m);
        set_meter(3, &m);
        answer();
        set_actions("meter(3),2");
        put_flow();
        for (int j = 0; j < 40 && !n_checks_failed; j++) {
            random_wait();
            random_frames();
            through_stock();
            through_nic();
            CHECK(same_fate());
            n_sent += n_passed_by(nic_fate);
            n_dropped += n_frames - n_passed_by(nic_fate);
        }
        for (int slot = 0; slot < 4; slot++) {
            if (sim.region.meters[slot].in.packets) {
                CHECK(!stats);
                stats = &sim.region.meters[slot];
            }
        }
        check_stats(3, stats);
        del_meter(3);           /* The next is another meter. */
        memset(sim.region.meters, 0, 4 * sizeof *stats);
        ovsrcu_quiesce();
    }
    CHECK(n_dropped > 10000 && n_sent > 10000);
    nic_lose();
}

/* A meter is known before there is a NIC, and counts over several of them. */
static void
test_meter_life(void)
{
    set_simple_meter(7, 10);
    set_actions("meter(7),2");
    make_frames(15);
    fake_usec += 1000000;
    through_stock();
    CHECK(has_counted(7, 15, 5));

    nic_boot(4);
    set_ports(N_PORTS);
    nic_take_over();
    put_flow();
    through_nic();
    CHECK(n_passed_by(nic_fate) == 10);
    CHECK(has_counted(7, 30, 10));

    /* A NIC without the meter; it has to be told first. */
    nic_lose();
    CHECK(has_counted(7, 30, 10));
    nic_boot(4);
    set_ports(N_PORTS);
    CHECK(has_counted(7, 30, 10));
    nic_take_over();
    put_flow();
    through_nic();
    CHECK(n_passed_by(nic_fate) == 10);
    CHECK(has_counted(7, 45, 15));

    /* The same NIC, another session: its meters are flushed. */
    status = AGILIO_NIC_DOWN;
    agilio_residency_lost();
    status = AGILIO_NIC_ATTACHED;
    CHECK(!inproc_ask(&sim, AGILIO_MSG_FLOW_FLUSH, NULL, 0, NULL));
    nic_take_over();
    put_flow();
    through_nic();
    CHECK(n_passed_by(nic_fate) == 10);
    CHECK(has_counted(7, 60, 20));

    /* Changed: OVS counts anew, and under the same flow. */
    set_simple_meter(7, 3);
    CHECK(has_counted(7, 0, 0));
    through_nic();
    CHECK(n_passed_by(nic_fate) == 3);
    CHECK(has_counted(7, 15, 12));

    /* Deleted: packets pass; its slot's next user is not meant. */
    del_meter(7);
    set_simple_meter(8, 1);
    answer();
    through_nic();
    CHECK(n_passed_by(nic_fate) == 15);
    CHECK(has_counted(8, 0, 0));
    del_meter(8);
    nic_lose();
}

static void
test_no_room(void)
{
    nic_boot(2);
    set_ports(N_PORTS);
    nic_take_over();
    set_actions("meter(3),2");
    CHECK(!strcmp(why_not(), ""));      /* No such meter: packets pass. */
    for (uint32_t id = 1; id <= 3; id++) {
        set_simple_meter(id, 1);
    }
    answer();
    CHECK(!strcmp(why_not(), "meter: not on the NIC"));
    set_actions("meter(2),2");
    CHECK(!strcmp(why_not(), ""));

    /* Room for it. */
    del_meter(2);
    set_actions("meter(3),2");
    CHECK(!strcmp(why_not(), ""));
    put_flow();
    make_frames(5);
    through_nic();
    CHECK(n_passed_by(nic_fate) == 1);
    answer();
    CHECK(has_counted(3, 5, 4));
    del_meter(1);
    del_meter(3);

    /* A NIC without meters. */
    nic_lose();
    nic_boot(0);
    set_ports(N_PORTS);
    set_simple_meter(1, 1);
    nic_take_over();
    set_actions("meter(1),2");
    CHECK(!strcmp(why_not(), "meter: not on the NIC"));
    del_meter(1);
    nic_lose();
}

/* No flow may use a meter that the NIC was not told of yet. */
static void
test_busy(void)
{
    nic_boot(2);
    set_ports(N_PORTS);
    nic_take_over();
    set_actions("meter(1),2");
    nic_busy = true;
    set_simple_meter(1, 1);
    CHECK(!strcmp(why_not(), "meter: not on the NIC"));
    agilio_objects_run();
    fake_usec += 11 * 1000;
    agilio_objects_run();
    CHECK(!strcmp(why_not(), "meter: not on the NIC"));
    nic_busy = false;
    fake_usec += 11 * 1000;
    agilio_objects_run();
    answer();
    CHECK(!strcmp(why_not(), ""));
    put_flow();
    make_frames(3);
    through_nic();
    CHECK(has_counted(1, 3, 2));
    del_meter(1);
    nic_lose();
}

/* What the NIC does not take, flows cannot use; until it takes something
 * else, be that on its way already. */
static void
test_refused(void)
{
    nic_boot(2);
    set_ports(N_PORTS);
    nic_take_over();
    set_actions("meter(1),2");
    set_simple_meter(1, 1);
    answer();
    CHECK(!strcmp(why_not(), ""));

    nic_refuses = true;
    set_simple_meter(1, 2);
    answer();
    CHECK(!strcmp(why_not(), "meter: not on the NIC"));
    nic_refuses = false;
    set_simple_meter(1, 3);
    answer();
    CHECK(!strcmp(why_not(), ""));

    nic_refuses = true;
    set_simple_meter(1, 4);
    nic_refuses = false;
    set_simple_meter(1, 5);
    answer();
    CHECK(!strcmp(why_not(), ""));
    put_flow();
    make_frames(9);
    through_nic();
    CHECK(has_counted(1, 9, 4));

    /* Deleted before it was refused. */
    nic_refuses = true;
    set_simple_meter(1, 6);
    nic_refuses = false;
    del_meter(1);
    answer();
    nic_lose();
}

/* ## ----------------- ##
 * ## Requests to a NIC ##
 * ## ----------------- ## */

static int
ask_meter(uint32_t id, uint16_t flags, uint16_t n_bands, uint32_t rate,
          size_t len)
{
    uint8_t body[8 + 9 * 8];
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u32(&w, id);
    agilio_put_u16(&w, flags);
    agilio_put_u16(&w, n_bands);
    for (int i = 0; i < 9; i++) {
        agilio_put_u32(&w, rate);
        agilio_put_u32(&w, 1);
    }
    return inproc_ask(&sim, AGILIO_MSG_METER_SET, body, len, NULL);
}

static void
test_requests(void)
{
    nic_boot(4);
    CHECK(ask_meter(0x10003, 1, 1, 5, 16) == 0);
    CHECK(ask_meter(0x10004, 1, 1, 5, 16) == AGILIO_E_INVAL);
    CHECK(ask_meter(0x00003, 1, 1, 5, 16) == AGILIO_E_INVAL);
    CHECK(ask_meter(0x10003, 2, 1, 5, 16) == AGILIO_E_INVAL);
    CHECK(ask_meter(0x10003, 1, 0, 5, 16) == AGILIO_E_INVAL);
    CHECK(ask_meter(0x10003, 1, 9, 5, 80) == AGILIO_E_INVAL);
    CHECK(ask_meter(0x10003, 1, 1, 0, 16) == AGILIO_E_INVAL);
    for (size_t len = 0; len < 8 + 3 * 8; len++) {
        CHECK(ask_meter(0x10003, 1, 3, 5, len) == AGILIO_E_INVAL);
    }
    CHECK(ask_id(AGILIO_MSG_METER_DEL, 0x20003) == AGILIO_E_NOENT);
    CHECK(ask_id(AGILIO_MSG_METER_DEL, 0) == AGILIO_E_NOENT);
    CHECK(ask_id(AGILIO_MSG_METER_DEL, UINT32_MAX) == AGILIO_E_NOENT);
    CHECK(ask_id(AGILIO_MSG_METER_DEL, 0x10003) == 0);
    CHECK(ask_id(AGILIO_MSG_METER_DEL, 0x10003) == AGILIO_E_NOENT);
    CHECK(ask_meter(0x10003, 1, 1, 5, 16) == 0);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_FLOW_FLUSH, NULL, 0, NULL));
    CHECK(ask_id(AGILIO_MSG_METER_DEL, 0x10003) == AGILIO_E_NOENT);
    nic_lose();
}

int
main(void)
{
    start_datapath();
    RUN(test_requests);
    RUN(test_random_meters);
    RUN(test_meter_life);
    RUN(test_no_room);
    RUN(test_busy);
    RUN(test_refused);
    return summary();
}
