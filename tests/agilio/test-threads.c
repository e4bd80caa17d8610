/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-threads.c - workers at the same time, while the control thread does all
 * that it ever does to them.  Also built with ThreadSanitizer, by
 * build-aux/check-tsan.
 *
 * Port I belongs to worker I mod 3, and its second queue to the next worker.
 * Each queue receives N_FRAMES frames of several flows, which go out by the
 * port after the next, by a queue or handed over, and some that miss, which go
 * to the host, whose part the control thread plays.  All must come in order or
 * be counted; a worker that is not woken when it should be leaves the test
 * waiting.
 */

#include "inproc-nic.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#include "check.h"
#include "env.h"

#define N_WORKERS 3
#define N_PORTS 4
#define N_QUEUES 2
#define N_SOURCES ((N_PORTS + 1) * N_QUEUES)
#define N_FRAMES 25000
#define MISS_EACH 16            /* So many'th frame is of no flow. */
#define N_MISSES (N_FRAMES / MISS_EACH * N_PORTS * N_QUEUES)
#define METER 0x10001

/* Notes what comes from each queue. */
struct sink {
    uint32_t n_taken, n_disordered;
    uint32_t next[N_SOURCES];
};

/* Gives frames, and takes those of one other port. */
struct queue {
    struct agl_dev up;
    uint32_t source;
    uint32_t n_given;           /* Atomic. */
    struct sink sink;
};

static struct inproc sim;
static struct queue devices[N_SOURCES];      /* A port's lie together. */
static struct sink host;
static uint32_t *const ids = sim.ids;
static sem_t wakes[N_WORKERS];
static bool stopping;
static uint64_t n_visits;        /* Frames of the port that comes and goes. */

/* ## ------- ##
 * ## Devices ##
 * ## ------- ## */

static void
sink_take(struct sink *s, const uint8_t *frame)
{
    uint32_t number;

    memcpy(&number, &frame[20], sizeof number);
    s->n_disordered += frame[14] >= N_SOURCES || number < s->next[frame[14]];
    s->next[frame[14]] = number + 1;
    s->n_taken++;
}

static uint32_t
device_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
          uint32_t max)
{
    struct queue *d = (struct queue *) (void *) dev;
    uint32_t given = agilio_load_relaxed(&d->n_given), n;

    for (n = 0; n < max && given < N_FRAMES; n++, given++) {
        pkts[n] = agl_pkt_new(pool);
        if (!pkts[n]) {
            break;
        }
        memset(pkts[n]->data, 0, 60);
        pkts[n]->data[11] = given % 7;
        pkts[n]->data[12] = 0x88;
        pkts[n]->data[13] = given % MISS_EACH == MISS_EACH - 1;
        pkts[n]->data[14] = (uint8_t) d->source;
        memcpy(&pkts[n]->data[20], &given, sizeof given);
        pkts[n]->len = 60;
    }
    agilio_store_relaxed(&d->n_given, given);
    return n;
}

static uint32_t
device_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        sink_take(&((struct queue *) (void *) dev)->sink, pkts[i]->data);
    }
    return n;
}

static struct agl_dev *
device_queue(struct agl_dev *dev, uint32_t i)
{
    return i < N_QUEUES ? &((struct queue *) (void *) dev)[i].up : NULL;
}

static int
device_fd(const struct agl_dev *dev)
{
    (void) dev;
    return -1;
}

static void
device_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    (void) dev;
    *status = (struct agl_dev_status) { .link_up = true, .mtu = 1500 };
}

static const struct agl_dev_class device_class = {
    .type = "test", .rx = device_rx, .tx = device_tx, .fd = device_fd,
    .queue = device_queue, .status = device_status,
};

/* ## ------- ##
 * ## Threads ##
 * ## ------- ## */

static void
kick_worker(void *aux, struct agl_worker *w)
{
    (void) aux;
    sem_post(&wakes[w->index]);
}

static void
kick_host(void *aux, enum agilio_vector vector)
{
    (void) aux;
    (void) vector;
}

static void *
run_worker(void *w_)
{
    struct agl_worker *w = w_;

    while (!agilio_load_acquire(&stopping)) {
        if (!agl_worker_round(w)) {
            if (agl_worker_sleep(w)) {
                sem_wait(&wakes[w->index]);
            }
            agl_worker_awake(w);
        }
    }
    agl_worker_round(w);
    return NULL;
}

static bool
all_given(void)
{
    for (int i = 0; i < N_PORTS * N_QUEUES; i++) {
        if (agilio_load_relaxed(&devices[i].n_given) < N_FRAMES) {
            return false;
        }
    }
    return true;
}

/* ## ------- ##
 * ## Control ##
 * ## ------- ## */

/* Port 'i's flow, with one of three programs: output, with or without a meter
 * before it, and from the third, drop. */
static void
put_flow(uint32_t i, uint32_t variant)
{
    struct {
        struct agilio_action_meter meter;
        struct agilio_action_output output;
    } program = {
        .meter = { { agilio_to_le16(AGILIO_ACTION_METER),
                     agilio_to_le16(sizeof program.meter) },
                   agilio_to_le32(METER) },
        .output = { { agilio_to_le16(AGILIO_ACTION_OUTPUT),
                      agilio_to_le16(sizeof program.output) },
                    agilio_to_le32(ids[(i + 2) % N_PORTS]) },
    };
    const uint8_t *p = (const uint8_t *) &program;
    size_t skip = variant ? 0 : sizeof program.meter;
    struct agilio_key key, mask;

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    key.md.in_port = agilio_to_le32(ids[i]);
    key.eth_type = agilio_to_be16(0x8800);
    mask.md.in_port = mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    mask.eth_type = agilio_to_be16(UINT16_MAX);
    CHECK(!inproc_put_flow(&sim, i, &key, &mask, p + skip,
                           sizeof program - skip));
}

/* A flow that no packet has, but for which the trackers begin anew. */
static void
put_other_flow(uint32_t turn)
{
    struct agilio_key key, mask;

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    mask.md.in_port = mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    memset(mask.eth_src, turn % 2 ? 0xff : 0x0f, sizeof mask.eth_src);
    CHECK(!inproc_put_flow(&sim, 20, &key, &mask, "", 0));
}

static void
set_meter(uint32_t rate)
{
    uint8_t body[16];
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u32(&w, METER);
    agilio_put_u16(&w, AGILIO_METER_PKTPS);
    agilio_put_u16(&w, 1);
    agilio_put_u32(&w, rate);
    agilio_put_u32(&w, 100);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_METER_SET, body, sizeof body, NULL));
}

/* Another port comes, gives a few frames, all of which miss, and goes while it
 * does. */
static void
visit(void)
{
    struct queue *d = &devices[N_PORTS * N_QUEUES];
    uint32_t id;

    for (int i = 0; i < N_QUEUES; i++) {
        agilio_store_relaxed(&d[i].n_given, N_FRAMES - 50);
    }
    CHECK(!agl_nic_port_add(sim.nic, "more", &d->up, &id));
    agl_nic_refresh_ports(sim.nic);
    CHECK(agl_nic_port_del(sim.nic, "more") == &d->up);
    for (int i = 0; i < N_QUEUES; i++) {
        n_visits += d[i].n_given - (N_FRAMES - 50);
    }
}

/* The host takes what it is given. */
static void
receive(void)
{
    static uint8_t record[AGILIO_MAX_RECORD];

    for (uint32_t i = 0; i < N_PORTS; i++) {
        uint32_t len;

        while ((len = inproc_take(&sim, i, record))) {
            CHECK(len == sizeof(struct agilio_desc) + 60);
            sink_take(&host, record + sizeof(struct agilio_desc));
        }
    }
}

/* All that a control thread does, once. */
static void
meddle(uint32_t turn)
{
    const agilio_le32 cursor[2] = { 0, agilio_to_le32(5) };
    uint8_t out[AGILIO_MAX_MSG];

    put_flow(turn % N_PORTS, turn % 2);
    put_other_flow(turn);
    set_meter(1 + turn);
    CHECK(!inproc_ask(&sim, AGILIO_MSG_TRACKER_DUMP, cursor, sizeof cursor,
                      out));
    CHECK(!inproc_del_flow(&sim, 20));
    visit();
    receive();
    if (turn % 8 == 0) {
        agl_nic_host_gone(sim.nic);
        inproc_attach(&sim);
        CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    }
}

/* ## ---- ##
 * ## Test ##
 * ## ---- ## */

static uint64_t
counter(enum agilio_counter c)
{
    return inproc_counter(&sim, c);
}

static void
start(void)
{
    struct agl_geometry geometry = inproc_geometry;

    geometry.n_workers = N_WORKERS;
    inproc_start(&sim, &geometry, 1024, 64, 0);
    sim.threads = true;
    sim.ops.kick_worker = kick_worker;
    sim.ops.kick_host = kick_host;
}

static void
add_ports(void)
{
    for (uint32_t i = 0; i < N_SOURCES; i++) {
        devices[i].up.class = &device_class;
        devices[i].source = i;
        agilio_store_relaxed(&devices[i].n_given, N_FRAMES);
    }
    for (uint32_t i = 0; i < N_PORTS; i++) {
        char name[] = { 'p', (char) ('0' + i), '\0' };

        CHECK(!agl_nic_port_add(sim.nic, name, &devices[i * N_QUEUES].up,
                                &ids[i]));
    }
    sim.n_devs = N_PORTS;
}

static void
check_counts(void)
{
    const uint64_t n_all = N_PORTS * N_QUEUES * N_FRAMES;
    uint64_t n_taken = 0, n_flow = 0, n_to_host;

    for (uint32_t i = 0; i < N_PORTS; i++) {
        for (uint32_t q = 0; q < N_QUEUES; q++) {
            const struct sink *sink = &devices[i * N_QUEUES + q].sink;

            CHECK(!sink->n_disordered);
            n_taken += sink->n_taken;
        }
        for (uint32_t w = 0; w < N_WORKERS; w++) {
            n_flow += agilio_from_le64(sim.region.flows[w * 64 + i].packets);
        }
    }
    n_to_host = counter(AGILIO_COUNTER_FALLBACK_MISS)
                + counter(AGILIO_COUNTER_DROP_HOST_FULL)
                + counter(AGILIO_COUNTER_DROP_NO_HOST)
                + counter(AGILIO_COUNTER_DROP_NO_BUFFER);
    CHECK(counter(AGILIO_COUNTER_CARRIED) == n_all - N_MISSES);
    CHECK(n_flow == n_all - N_MISSES);
    CHECK(n_taken + n_to_host + counter(AGILIO_COUNTER_DROP_METER)
          + counter(AGILIO_COUNTER_DROP_WORKER_FULL) == n_all + n_visits);
    CHECK(!host.n_disordered && host.n_taken > 0);
    CHECK(host.n_taken <= counter(AGILIO_COUNTER_FALLBACK_MISS));
    CHECK(agilio_from_le64(sim.region.meters[1].bands[0].packets)
          == counter(AGILIO_COUNTER_DROP_METER));
    CHECK(counter(AGILIO_COUNTER_L1_HIT) + counter(AGILIO_COUNTER_L2_HIT)
          == n_flow);
    CHECK(n_taken > 0);
    printf("%llu frames sent, %llu to the host, which took %lu, %llu behind a "
           "worker, %llu above the meter\n", (unsigned long long) n_taken,
           (unsigned long long) n_to_host, (unsigned long) host.n_taken,
           (unsigned long long) counter(AGILIO_COUNTER_DROP_WORKER_FULL),
           (unsigned long long) counter(AGILIO_COUNTER_DROP_METER));
}

static void
test_threads(void)
{
    pthread_t threads[N_WORKERS];
    uint32_t turn = 0;

    start();
    for (int i = 0; i < N_WORKERS; i++) {
        sem_init(&wakes[i], 0, 0);
        pthread_create(&threads[i], NULL, run_worker,
                       sim.nic->team.workers[i]);
    }
    add_ports();
    inproc_attach(&sim);
    CHECK(!inproc_hello(&sim, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
    set_meter(1);
    for (uint32_t i = 0; i < N_PORTS; i++) {
        put_flow(i, 0);
    }
    for (int i = 0; i < N_PORTS * N_QUEUES; i++) {
        agilio_store_relaxed(&devices[i].n_given, 0);
    }
    for (int i = 0; i < N_WORKERS; i++) {
        sem_post(&wakes[i]);    /* These devices do not. */
    }
    while (!all_given() || turn < 20) {
        meddle(turn++);
    }
    for (int i = 0; i < 3; i++) {
        put_flow(0, 0);         /* Each worker has had its rounds. */
    }
    agilio_store_release(&stopping, true);
    for (int i = 0; i < N_WORKERS; i++) {
        sem_post(&wakes[i]);
        pthread_join(threads[i], NULL);
    }
    sim.threads = false;
    inproc_settle(&sim);
    check_counts();
    inproc_stop(&sim);
    CHECK(!env_n_blocks);
}

int
main(void)
{
    alarm(300);                 /* A wake-up that is lost ends here. */
    RUN(test_threads);
    return summary();
}
