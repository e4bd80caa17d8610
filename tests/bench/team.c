/* SPDX-License-Identifier: Apache-2.0 */
/*
 * team.c - what others cost: a port that floods, a second worker.
 *
 * A NIC with frames in memory on its input ports, N_FLOWS microflows of one
 * megaflow each.  Flood: one worker, the time for the same number of packets
 * of the first port, alone and while the second brings nothing but new
 * microflows.  Workers: packets per second of one and of two, each in a thread
 * of its own, for which two cores have to be free.
 */

#include "bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define N_FLOWS 1024            /* A power of two. */
#define N_PORTS 4               /* In, in, out, out. */
#define BATCH 64                /* Rounds that are timed together. */
#define FRAME 60

struct port {
    struct agl_dev up;
    uint32_t id;
    bool on, floods;
    uint32_t next;              /* Number of the next frame. */
    uint64_t n_sent;
} __attribute__((aligned(AGILIO_CACHE_LINE)));

static struct inproc nic;
static struct port ports[N_PORTS];
static bool stopping;

/* Another address for each flow; a flood never has the same twice. */
static uint32_t
port_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    static const uint8_t head[] = {
        2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  8, 0,
        0x45, 0, 0, 46,  0, 0, 0, 0,  64, 17, 0, 0,
    };
    struct port *p = (struct port *) (void *) dev;
    uint32_t n;

    for (n = 0; p->on && n < max && (pkts[n] = agl_pkt_new(pool)); n++) {
        uint32_t flow = p->next++ * UINT32_C(2654435761);

        flow = p->floods ? flow : flow % N_FLOWS;
        memset(pkts[n]->data, 0, FRAME);
        memcpy(pkts[n]->data, head, sizeof head);
        memcpy(pkts[n]->data + 26, &flow, sizeof flow);
        pkts[n]->len = FRAME;
    }
    return n;
}

static uint32_t
port_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    (void) pkts;
    ((struct port *) (void *) dev)->n_sent += n;
    return n;
}

static int
port_fd(const struct agl_dev *dev)
{
    (void) dev;
    return -1;
}

static void
port_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    (void) dev;
    *status = (struct agl_dev_status) { .link_up = true, .mtu = 1500 };
}

static const struct agl_dev_class port_class = {
    .type = "bench", .rx = port_rx, .tx = port_tx, .fd = port_fd,
    .status = port_status,
};

static void
must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

/* All of port 'in' to port 'out', looking at the source as well. */
static void
put_flow(uint32_t in, uint32_t out)
{
    const struct agilio_action_output output = {
        .action = { agilio_to_le16(AGILIO_ACTION_OUTPUT),
                    agilio_to_le16(sizeof output) },
        .port = agilio_to_le32(ports[out].id),
    };
    struct agilio_key key, mask;

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    mask.md.in_port = mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    key.md.in_port = agilio_to_le32(ports[in].id);
    must(!inproc_put_flow(&nic, in, &key, &mask, &output, sizeof output),
         "the NIC refuses a flow");
    mask.nw_src = agilio_to_be32(UINT32_MAX);
    key.nw_src = agilio_to_be32(0xffffffff);
    must(!inproc_put_flow(&nic, in + N_PORTS, &key, &mask, "", 0),
         "the NIC refuses a flow");
}

/* Each in-port's flows leave by the out-port 'shift' further. */
static void
start(uint32_t n_workers, uint32_t shift)
{
    struct agl_geometry geometry = inproc_geometry;

    memset(ports, 0, sizeof ports);
    geometry.n_workers = n_workers;
    inproc_start(&nic, &geometry, 2048, 16384, 0);
    for (uint32_t i = 0; i < N_PORTS; i++) {
        char name[] = { (char) ('a' + i), '\0' };

        ports[i].up.class = &port_class;
        must(!agl_nic_port_add(nic.nic, name, &ports[i].up, &ports[i].id),
             "a port cannot be added");
    }
    inproc_attach(&nic);
    must(!inproc_hello(&nic, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL),
         "no session");
    put_flow(0, 2 + shift);
    put_flow(1, 3 - shift);
    ports[0].on = true;
}

static void
stop(void)
{
    ports[0].on = ports[1].on = false;
    for (uint32_t i = 0; i < N_PORTS; i++) {
        char name[] = { (char) ('a' + i), '\0' };

        agl_nic_port_del(nic.nic, name);
    }
    inproc_stop(&nic);
}

/* ## ----- ##
 * ## Flood ##
 * ## ----- ## */

/* Time that a packet of the first port's takes, with all that goes on. */
static double
time_per_packet(uint32_t n)
{
    struct bench_series series;

    bench_series_init(&series, n);
    for (uint32_t i = 0; i < 2 * n; i++) {
        uint64_t begin = bench_now();
        uint64_t sent = ports[2].n_sent;

        for (int j = 0; j < BATCH; j++) {
            nic.clock += 1000;
            agl_worker_round(nic.nic->team.workers[0]);
        }
        sent = ports[2].n_sent - sent;
        must(sent > 0, "nothing was sent");
        if (i >= n) {           /* The first half is to warm up. */
            bench_series_add(&series,
                             (bench_now() - begin) * AGL_BURST / sent);
        }
    }
    return bench_series_end(&series);
}

void
bench_flood(uint32_t n)
{
    double alone, flooded;

    start(1, 0);
    alone = time_per_packet(n / BATCH + 1);
    ports[1].on = ports[1].floods = true;
    flooded = time_per_packet(n / BATCH + 1);
    must(ports[3].n_sent > 0, "the flood got nothing through");
    stop();
    printf("{\"case\": \"rate while another port floods\", "
           "\"flows\": %d, \"masks\": 2, \"value\": %.1f, "
           "\"unit\": \"%% of the rate\"}\n", N_FLOWS,
           100 * alone / flooded);
}

/* ## ------- ##
 * ## Workers ##
 * ## ------- ## */

static void *
run_worker(void *w)
{
    while (!agilio_load_relaxed(&stopping)) {
        agl_worker_round(w);
    }
    return NULL;
}

/* Packets per microsecond of 'n' workers in 'seconds'. */
static double
rate(uint32_t n_workers, uint32_t shift, double seconds)
{
    struct timespec nap = { (time_t) seconds,
                            (long) (seconds * 1e9) % 1000000000 };
    pthread_t threads[2];
    uint64_t n_sent;

    start(2, shift);
    ports[1].on = n_workers > 1;
    agilio_store_relaxed(&stopping, false);
    for (uint32_t i = 0; i < 2; i++) {
        if (i < n_workers || shift) {
            pthread_create(&threads[i], NULL, run_worker,
                           nic.nic->team.workers[i]);
        }
    }
    nanosleep(&nap, NULL);
    agilio_store_relaxed(&stopping, true);
    for (uint32_t i = 0; i < 2; i++) {
        if (i < n_workers || shift) {
            pthread_join(threads[i], NULL);
        }
    }
    n_sent = ports[2].n_sent + ports[3].n_sent;
    stop();
    return (double) n_sent / (seconds * 1e6);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}

/* In pairs, of which the median is told: what else the machine does comes and
 * goes. */
void
bench_workers(uint32_t n)
{
    enum { N_PAIRS = 9 };
    double ratios[2][N_PAIRS], seconds = n / 200000.;

    for (int i = 0; i < N_PAIRS; i++) {
        double one = rate(1, 0, seconds);

        ratios[0][i] = rate(2, 0, seconds) / one;
        ratios[1][i] = rate(2, 1, seconds) / one;
    }
    for (int i = 0; i < 2; i++) {
        qsort(ratios[i], N_PAIRS, sizeof ratios[i][0], compare);
        printf("{\"case\": \"two workers%s\", \"flows\": %d, \"masks\": 2, "
               "\"value\": %.2f, \"unit\": \"times one\"}\n",
               i ? ", by each other's port" : "", N_FLOWS,
               ratios[i][N_PAIRS / 2]);
    }
}
