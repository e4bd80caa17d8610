/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.c - the tables full: a million megaflows, 128 masks, four million
 * tracker entries.  What memory each takes, and that more is refused with a
 * reason.
 */

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define N_FLOWS (UINT32_C(1) << 20)
#define N_MASKS 128
#define N_ENTRIES (UINT32_C(4) << 20)
#define FRAME 60

static struct inproc nic;
static struct agl_dev dev;
static uint32_t port, next, n_frames;

static void
must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

/* Bytes of this process that are in memory. */
static uint64_t
resident(void)
{
    unsigned long total, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    must(f && fscanf(f, "%lu %lu", &total, &pages) == 2, "no /proc");
    fclose(f);
    return (uint64_t) pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

/* Frame 'i' is of megaflow i mod N_FLOWS, by its destination, and of another
 * microflow by the second byte of its source; but for the one mask that looks
 * there, so that the tracker does. */
static bool
is_last_mask(uint32_t flow)
{
    return flow % N_MASKS == N_MASKS - 1;
}

static uint32_t
fill_rx(struct agl_dev *d, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    static const uint8_t head[] = {
        2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  8, 0,
        0x45, 0, 0, 46,  0, 0, 0, 0,  64, 17, 0, 0,
    };
    uint32_t n;

    (void) d;
    for (n = 0; n < max && n_frames && (pkts[n] = agl_pkt_new(pool));
         n++, next++, n_frames--) {
        uint32_t dst = next % N_FLOWS;
        uint32_t src = is_last_mask(dst) ? 0 : next / N_FLOWS << 8;

        memset(pkts[n]->data, 0, FRAME);
        memcpy(pkts[n]->data, head, sizeof head);
        memcpy(pkts[n]->data + 26, &src, sizeof src);
        memcpy(pkts[n]->data + 30, &dst, sizeof dst);
        pkts[n]->len = FRAME;
    }
    return n;
}

static uint32_t
fill_tx(struct agl_dev *d, struct agl_pkt *pkts[], uint32_t n)
{
    (void) d;
    (void) pkts;
    return n;
}

static int
fill_fd(const struct agl_dev *d)
{
    (void) d;
    return -1;
}

static void
fill_status(struct agl_dev *d, struct agl_dev_status *status)
{
    (void) d;
    *status = (struct agl_dev_status) { .link_up = true, .mtu = 1500 };
}

static const struct agl_dev_class fill_class = {
    .type = "bench", .rx = fill_rx, .tx = fill_tx, .fd = fill_fd,
    .status = fill_status,
};

/* Flow 'id': one destination, and bits of the source that no frame has, others
 * for each mask. */
static int
put_flow(uint32_t id, uint32_t mask_number)
{
    const struct agilio_action_output output = {
        .action = { agilio_to_le16(AGILIO_ACTION_OUTPUT),
                    agilio_to_le16(sizeof output) },
        .port = agilio_to_le32(port),
    };
    struct agilio_key key, mask;

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    key.md.in_port = agilio_to_le32(port);
    mask.md.in_port = mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    memcpy(&key.nw_dst, &id, sizeof id);
    mask.nw_dst = agilio_to_be32(UINT32_MAX);
    mask_number |= is_last_mask(id) ? 0xff00 : 0;
    memcpy(&mask.nw_src, &mask_number, sizeof mask_number);
    return inproc_put_flow(&nic, id, &key, &mask, &output, sizeof output);
}

static void
start(void)
{
    struct agl_geometry geometry = inproc_geometry;

    geometry.max_flows = N_FLOWS;
    geometry.max_masks = N_MASKS;
    inproc_start(&nic, &geometry, 256, N_ENTRIES, 0);
    dev.class = &fill_class;
    must(!agl_nic_port_add(nic.nic, "a", &dev, &port), "no port");
    inproc_attach(&nic);
    must(!inproc_hello(&nic, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL),
         "no session");
}

static void
put(const char *name, uint32_t n, double value, const char *unit)
{
    printf("{\"case\": \"%s\", \"flows\": %"PRIu32", \"masks\": %d, "
           "\"value\": %.2f, \"unit\": \"%s\"}\n", name, n, N_MASKS, value,
           unit);
}

static void
fill_flows(void)
{
    uint64_t before = resident();

    for (uint32_t id = 0; id < N_FLOWS; id++) {
        must(!put_flow(id, id % N_MASKS), "the NIC refuses a flow");
    }
    put("megaflows", N_FLOWS, (double) (resident() - before) / N_FLOWS,
        "bytes each");
    must(put_flow(N_FLOWS, 0) == AGILIO_E_INVAL, "one flow too many is taken");
    must(put_flow(5, N_MASKS) == AGILIO_E_NOSPC, "one mask too many is taken");
    must(agl_nic_n_flows(nic.nic) == N_FLOWS, "a flow is lost");
}

static void
fill_tracker(void)
{
    const uint32_t n = N_ENTRIES - (N_ENTRIES - N_FLOWS) / N_MASKS;
    struct agl_worker *w = nic.nic->team.workers[0];
    uint64_t before = resident(), learned, evicted;

    for (n_frames = N_ENTRIES; n_frames; ) {
        nic.clock += 1000;
        agl_worker_round(w);
    }
    learned = inproc_counter(&nic, AGILIO_COUNTER_LEARNED);
    evicted = inproc_counter(&nic, AGILIO_COUNTER_EVICTED);
    must(learned >= n, "not all microflows were learned");
    must(!inproc_counter(&nic, AGILIO_COUNTER_FALLBACK_MISS),
         "a frame has no flow");
    put("tracker entries", n,
        (double) (resident() - before) / (double) (learned - evicted),
        "bytes each");
    put("tracker entries", n, 100. * (double) evicted / n,
        "% pushed out when full");
}

void
bench_fill(void)
{
    start();
    fill_flows();
    fill_tracker();
    agl_nic_port_del(nic.nic, "a");
    inproc_stop(&nic);
}
