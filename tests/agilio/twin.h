/* SPDX-License-Identifier: Apache-2.0 */
/*
 * twin.h - a datapath of stock OVS and a NIC, side by side: what both must do
 * alike.
 *
 * A dpif-netdev of type "dummy" is told of meters and bonds; its hooks tell
 * lib/agilio-object.c, which tells a whole NIC in this process
 * (inproc-nic.h), whose connection is a few lines here in place of
 * lib/agilio-nic.c.  Then the same frames go through both at the same
 * microsecond, for clock_gettime() is ours, and must have the same fate.
 *
 * Included by test-meter.c and test-bond.c.
 */

#ifndef TWIN_H
#define TWIN_H 1

#undef NDEBUG

#include "agilio-object.h"

#include <errno.h>
#include <time.h>

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
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "random.h"
#include "timeval.h"

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
static inline void
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

static inline void
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

static inline void
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
agilio_nic_run(void)
{
}

void
agilio_nic_wait(void)
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

static inline struct netdev *
port_alloc(void)
{
    return xzalloc(sizeof(struct netdev));
}

static inline int
port_construct(struct netdev *netdev OVS_UNUSED)
{
    return 0;
}

static inline void
port_destruct(struct netdev *netdev OVS_UNUSED)
{
}

static inline void
port_dealloc(struct netdev *netdev)
{
    free(netdev);
}

static inline int
port_update_flags(struct netdev *netdev OVS_UNUSED,
                  enum netdev_flags off OVS_UNUSED,
                  enum netdev_flags on OVS_UNUSED, enum netdev_flags *old)
{
    *old = NETDEV_UP | NETDEV_PROMISC;
    return 0;
}

static inline int
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

static inline struct netdev_rxq *
port_rxq_alloc(void)
{
    return xzalloc(sizeof(struct netdev_rxq));
}

static inline int
port_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

static inline void
port_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static inline void
port_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(rxq);
}

static inline int
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

static inline void
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

static inline int
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

static inline void
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
static inline void
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
static inline void
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
static inline void
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

static inline void
nic_take_over(void)
{
    CHECK(agilio_residency_take_over(map.generation, 64));
    answer();
}

/* It is gone, as is what it counted when the next one comes. */
static inline void
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

static inline struct agilio_port_ref
lookup_port(odp_port_t odp_port, void *type_)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    return agilio_residency_lookup_port(odp_port, type_);
}

/* What becomes of the actions on the NIC. */
static inline enum agilio_verdict
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

static inline const char *
why_not(void)
{
    uint8_t program[AGILIO_MAX_PROGRAM];
    const char *reason;
    size_t len;

    translate(program, &len, &reason);
    return reason ? reason : "";
}

/* Puts the flow on the NIC. */
static inline void
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

static inline void
through_stock(void)
{
    memset(stock_fate, 0, sizeof stock_fate);
    arrived = true;
    dpif_run(dpif);
    CHECK(!arrived);
}

static inline void
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

static inline bool
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
static inline void
make_frames(int n)
{
    n_frames = 0;
    while (n--) {
        make_frame(100, 1000);
    }
}

static inline uint32_t
n_passed_by(const uint32_t fate[])
{
    uint32_t n = 0;

    for (int i = 0; i < n_frames; i++) {
        n += fate[i] != 0;
    }
    return n;
}

/* Asks the NIC for something to be done with an object. */
static inline int
ask_id(enum agilio_msg_type msg, uint32_t id)
{
    agilio_le32 body = agilio_to_le32(id);

    return inproc_ask(&sim, msg, &body, sizeof body, NULL);
}

#endif /* twin.h */
