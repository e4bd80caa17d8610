/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-meter.c - meters and bonds, in the datapath and on the NIC.
 *
 * A dpif-netdev of type "dummy" is told of meters and bonds; its hooks tell
 * lib/agilio-object.c, which tells a whole NIC in this process
 * (inproc-nic.h), whose connection is a few lines here in place of
 * lib/agilio-nic.c.  Then the same frames go through both at the same
 * microsecond, for clock_gettime() is ours, and must have the same fate.
 */

#include <config.h>
#undef NDEBUG

#include "agilio-object.h"

#include <errno.h>
#include <time.h>

#include "agilio-hooks.h"
#include "agilio-nic.h"
#include "agilio-translate.h"
#include "check.h"
#include "dp-packet.h"
#include "dpif-netdev.h"
#include "dummy.h"
#include "inproc-nic.h"
#include "netdev-provider.h"
#include "odp-execute.h"
#include "odp-util.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "random.h"
#include "timeval.h"
#include "unixctl.h"

#define N_PORTS 4
#define MAX_FRAMES 32           /* At a time. */
#define MAX_FRAME 1514
#define MUTEX agilio_residency_mutex

/* ## -------- ##
 * ## The time ##
 * ## -------- ## */

static long long int fake_usec = 1000 * 1000;

int
clock_gettime(clockid_t id OVS_UNUSED, struct timespec *ts)
{
    ts->tv_sec = fake_usec / 1000000;
    ts->tv_nsec = fake_usec % 1000000 * 1000;
    return 0;
}

/* ## ------- ##
 * ## Frames. ##
 * ## ------- ## */

struct frame {
    uint32_t len;
    uint8_t bytes[MAX_FRAME];
};

static struct frame frames[MAX_FRAMES];
static int n_frames;
/* By frame: the ports that it was sent to, as bits. */
static uint32_t stock_fate[MAX_FRAMES], nic_fate[MAX_FRAMES];

/* UDP from port 'sport', which knows its number. */
static void
make_frame(uint32_t len, uint16_t sport)
{
    static const uint8_t head[] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
        0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0, 0, 0, 53, 0, 26, 0, 0,
    };
    struct frame *f = &frames[n_frames];

    memset(f->bytes, 0, len);
    memcpy(f->bytes, head, sizeof head);
    f->bytes[34] = sport >> 8;
    f->bytes[35] = sport;
    f->bytes[42] = n_frames++;
    f->len = len;
}

static void
note(uint32_t fate[], const uint8_t *bytes, uint32_t len, uint32_t port)
{
    CHECK(len > 42 && bytes[42] < n_frames && frames[bytes[42]].len == len);
    fate[bytes[42] % MAX_FRAMES] |= 1u << port;
}

/* ## --------------------- ##
 * ## lib/agilio-nic.h: NIC ##
 * ## --------------------- ## */

static struct inproc sim;
static struct agilio_map map;
static enum agilio_nic_status status = AGILIO_NIC_DOWN;
static bool nic_busy, nic_refuses;
static uint64_t generation;

static struct reply {
    agilio_reply_cb *cb;
    void *aux;
    int error;
} replies[64];
static size_t n_replies;

static void
answer(void)
{
    for (size_t i = 0; i < n_replies; i++) {
        if (replies[i].cb) {
            replies[i].cb(replies[i].error, "no", NULL, replies[i].aux);
        }
    }
    n_replies = 0;
}

int
agilio_nic_send(enum agilio_msg_type type, const void *body, size_t len,
                agilio_reply_cb *cb, void *aux)
{
    if (status == AGILIO_NIC_DOWN) {
        return ENODEV;
    } else if (nic_busy) {
        return ENOBUFS;
    }
    ovs_assert(n_replies < ARRAY_SIZE(replies));
    sim.clock = fake_usec * 1000;
    replies[n_replies++] = (struct reply) {
        cb, aux, nic_refuses ? EINVAL : inproc_ask(&sim, type, body, len, NULL)
    };
    CHECK(nic_refuses || !replies[n_replies - 1].error);
    return 0;
}

enum agilio_nic_status
agilio_nic_status(void)
{
    return status;
}

void
agilio_nic_take_over(void)
{
    status = AGILIO_NIC_ACTIVE;
}

const struct agilio_map *
agilio_nic_map(void)
{
    return map.base ? &map : NULL;
}

int
agilio_nic_call(enum agilio_msg_type type OVS_UNUSED,
                const void *body OVS_UNUSED, size_t len OVS_UNUSED,
                void *reply OVS_UNUSED, size_t reply_size OVS_UNUSED,
                size_t *reply_len OVS_UNUSED, char **reason OVS_UNUSED)
{
    return ENODEV;
}

char *
agilio_nic_path(void)
{
    return NULL;
}

void
agilio_nic_connect(const char *path OVS_UNUSED)
{
}

void
agilio_nic_disconnect(void)
{
}

void
agilio_nic_observe(const struct agilio_nic_observer *observer OVS_UNUSED)
{
}

void
agilio_nic_fail(const struct agilio_map *map_ OVS_UNUSED,
                const char *reason OVS_UNUSED)
{
}

void
agilio_nic_describe(struct ds *ds OVS_UNUSED)
{
}

/* ## ------------------ ##
 * ## The stock datapath ##
 * ## ------------------ ## */

static struct dpif *dpif;
static const char *type;        /* Of 'dpif'; the pointer counts. */
static bool arrived;            /* 'frames' are not received yet. */
static struct ofpbuf actions;   /* Of all flows. */

static struct netdev *
port_alloc(void)
{
    return xzalloc(sizeof(struct netdev));
}

static int
port_construct(struct netdev *netdev OVS_UNUSED)
{
    return 0;
}

static void
port_destruct(struct netdev *netdev OVS_UNUSED)
{
}

static void
port_dealloc(struct netdev *netdev)
{
    free(netdev);
}

static int
port_update_flags(struct netdev *netdev OVS_UNUSED,
                  enum netdev_flags off OVS_UNUSED,
                  enum netdev_flags on OVS_UNUSED, enum netdev_flags *old)
{
    *old = NETDEV_UP | NETDEV_PROMISC;
    return 0;
}

static int
port_send(struct netdev *netdev, int qid OVS_UNUSED,
          struct dp_packet_batch *batch, bool concurrent OVS_UNUSED)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        note(stock_fate, dp_packet_data(packet), dp_packet_size(packet),
             netdev_get_name(netdev)[1] - '0');
    }
    dp_packet_delete_batch(batch, true);
    return 0;
}

static struct netdev_rxq *
port_rxq_alloc(void)
{
    return xzalloc(sizeof(struct netdev_rxq));
}

static int
port_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

static void
port_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static void
port_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(rxq);
}

static int
port_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
              int *qfill)
{
    if (qfill) {
        *qfill = 0;
    }
    if (!arrived || strcmp(netdev_get_name(rxq->netdev), "m0")) {
        return EAGAIN;
    }
    arrived = false;
    dp_packet_batch_init(batch);
    for (int i = 0; i < n_frames; i++) {
        struct dp_packet *packet = dp_packet_new(frames[i].len);

        dp_packet_put(packet, frames[i].bytes, frames[i].len);
        dp_packet_batch_add(batch, packet);
    }
    return 0;
}

static void
port_rxq_wait(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static const struct netdev_class port_class = {
    .type = "meter",
    .alloc = port_alloc,
    .construct = port_construct,
    .destruct = port_destruct,
    .dealloc = port_dealloc,
    .update_flags = port_update_flags,
    .send = port_send,
    .rxq_alloc = port_rxq_alloc,
    .rxq_construct = port_rxq_construct,
    .rxq_destruct = port_rxq_destruct,
    .rxq_dealloc = port_rxq_dealloc,
    .rxq_recv = port_rxq_recv,
    .rxq_wait = port_rxq_wait,
};

static int
upcall(const struct dp_packet *packet OVS_UNUSED,
       const struct flow *flow OVS_UNUSED, ovs_u128 *ufid,
       unsigned int pmd_id OVS_UNUSED,
       enum dpif_upcall_type upcall_type OVS_UNUSED,
       const struct nlattr *userdata OVS_UNUSED, struct ofpbuf *odp_actions,
       struct flow_wildcards *wc, struct ofpbuf *put_actions OVS_UNUSED,
       void *aux OVS_UNUSED)
{
    *ufid = (ovs_u128) { .u32 = { 1, 2, 3, 4 } };
    flow_wildcards_init_catchall(wc);
    WC_MASK_FIELD(wc, in_port);
    WC_MASK_FIELD(wc, recirc_id);
    ofpbuf_put(odp_actions, actions.data, actions.size);
    return 0;
}

static void
start_datapath(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
    ovs_numa_init();
    odp_execute_init();
    dummy_enable(NULL);
    CHECK(!netdev_register_provider(&port_class));
    CHECK(!dpif_create("meter", "dummy", &dpif));
    type = dpif_normalize_type(dpif_type(dpif));
    for (uint32_t i = 0; i < N_PORTS; i++) {
        odp_port_t port_no = u32_to_odp(i + 1);
        char name[] = "m0";
        struct netdev *netdev;

        name[1] += i;
        CHECK(!netdev_open(name, port_class.type, &netdev));
        CHECK(!dpif_port_add(dpif, netdev, &port_no));
        netdev_close(netdev);
    }
    dpif_register_upcall_cb(dpif, upcall, NULL);
    dpif_enable_upcall(dpif);
    dpif_run(dpif);
    ofpbuf_init(&actions, 64);
}

/* The flow's actions, from now on. */
static void
set_actions(const char *s)
{
    ofpbuf_clear(&actions);
    CHECK(!odp_actions_from_string(s, NULL, &actions));
    dpif_flow_flush(dpif);
}

/* ## ------- ##
 * ## The NIC ##
 * ## ------- ## */

/* Datapath port i + 1 is device i of the NIC, for the first 'n' ports. */
static void
set_ports(uint32_t n)
{
    struct agilio_port_pair pairs[N_PORTS];

    memset(pairs, 0, sizeof pairs);
    for (uint32_t i = 0; i < n; i++) {
        pairs[i].dpif_type = type;
        pairs[i].odp_port = u32_to_odp(i + 1);
        pairs[i].ref.id = sim.ids[i];
    }
    agilio_residency_set_ports(pairs, n);
}

/* A NIC comes, of which nobody knows yet. */
static void
nic_boot(uint32_t max_meters)
{
    struct agl_geometry geometry = inproc_geometry;

    geometry.max_meters = max_meters;
    geometry.max_bonds = 2;
    geometry.control_granules = 1024;
    geometry.packet_granules = 1024;
    inproc_start(&sim, &geometry, 256, 256, N_PORTS);
    inproc_attach(&sim);
    CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    free(agilio_map_init(&map, sim.region.base, sim.region.size));
    map.boot_id = map.generation = ++generation;
    status = AGILIO_NIC_ATTACHED;
}

static void
nic_take_over(void)
{
    agilio_residency_take_over(64);
    answer();
}

/* It is gone, as is what it counted when the next one comes. */
static void
nic_lose(void)
{
    status = AGILIO_NIC_DOWN;
    for (size_t i = 0; i < n_replies; i++) {
        replies[i].error = ENODEV;
    }
    answer();
    agilio_residency_lost();
    free(map.qps);
    memset(&map, 0, sizeof map);
    inproc_stop(&sim);
}

static struct agilio_port_ref
lookup_port(odp_port_t odp_port, void *type_)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    return agilio_residency_lookup_port(odp_port, type_);
}

/* What becomes of the actions on the NIC. */
static enum agilio_verdict
translate(uint8_t program[AGILIO_MAX_PROGRAM], size_t *len,
          const char **reason)
{
    enum agilio_verdict verdict;

    ovs_mutex_lock(&MUTEX);
    verdict = agilio_translate_actions(actions.data, actions.size,
                                       lookup_port, CONST_CAST(char *, type),
                                       program, len, reason);
    ovs_mutex_unlock(&MUTEX);
    return verdict;
}

static const char *
why_not(void)
{
    uint8_t program[AGILIO_MAX_PROGRAM];
    const char *reason;
    size_t len;

    translate(program, &len, &reason);
    return reason ? reason : "";
}

/* Puts the flow on the NIC. */
static void
put_flow(void)
{
    uint8_t program[AGILIO_MAX_PROGRAM];
    struct agilio_key key, mask;
    const char *reason;
    size_t len;

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    key.md.in_port = agilio_to_le32(sim.ids[0]);
    mask.md.in_port = agilio_to_le32(UINT32_MAX);
    mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    CHECK(translate(program, &len, &reason) == AGILIO_ON_NIC);
    CHECK(!inproc_put_flow(&sim, 5, &key, &mask, program, len));
}

/* ## --------- ##
 * ## Together. ##
 * ## --------- ## */

static void
through_stock(void)
{
    memset(stock_fate, 0, sizeof stock_fate);
    arrived = true;
    dpif_run(dpif);
    CHECK(!arrived);
}

static void
through_nic(void)
{
    memset(nic_fate, 0, sizeof nic_fate);
    sim.clock = fake_usec * 1000;
    for (int i = 0; i < n_frames; i++) {
        CHECK(inproc_inject(&sim, 0, frames[i].bytes, frames[i].len));
    }
    inproc_settle(&sim);
    for (int port = 0; port < N_PORTS; port++) {
        const struct inproc_dev *d = &sim.devs[port];

        for (int i = 0; i < d->n_tx; i++) {
            note(nic_fate, d->tx[i], d->tx_len[i], port);
        }
    }
    inproc_clear_tx(&sim);
}

static bool
same_fate(void)
{
    for (int i = 0; i < n_frames; i++) {
        if (stock_fate[i] != nic_fate[i]) {
            printf("frame %d of %d: stock %x, NIC %x\n", i, n_frames,
                   stock_fate[i], nic_fate[i]);
            return false;
        }
    }
    return true;
}

/* 'n' frames that are alike. */
static void
make_frames(int n)
{
    n_frames = 0;
    while (n--) {
        make_frame(100, 1000);
    }
}

static uint32_t
n_passed_by(const uint32_t fate[])
{
    uint32_t n = 0;

    for (int i = 0; i < n_frames; i++) {
        n += fate[i] != 0;
    }
    return n;
}

/* ## ------ ##
 * ## Meters ##
 * ## ------ ## */

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

/* ## ----- ##
 * ## Bonds ##
 * ## ----- ## */

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

static int
ask_id(enum agilio_msg_type msg, uint32_t id)
{
    agilio_le32 body = agilio_to_le32(id);

    return inproc_ask(&sim, msg, &body, sizeof body, NULL);
}

static void
test_requests(void)
{
    struct agilio_bond_set bond = { .id = agilio_to_le32(0x10001) };

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
    RUN(test_bond);
    RUN(test_bond_ports);
    return summary();
}
