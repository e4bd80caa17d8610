/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - the NIC that is measured, its policy and its traffic.
 *
 * Traffic: UDP over IPv4 from 10.0.0.0/12 to 11.0.0.0/24, flow I to the host
 * I mod 256.  Policy: with M megaflows, a power of two up to 64, number I has
 * the destinations whose last byte begins with I, and a mask of its own: the
 * source's prefix is one of four lengths, and four other fields are looked at
 * or not.
 */

#include "bench.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void
must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

/* ## ------- ##
 * ## Devices ##
 * ## ------- ## */

static struct bench_load *
load_of_in(struct agl_dev *dev)
{
    return (struct bench_load *) (void *)
        ((char *) dev - offsetof(struct bench_load, in));
}

static struct bench_load *
load_of_out(struct agl_dev *dev)
{
    return (struct bench_load *) (void *)
        ((char *) dev - offsetof(struct bench_load, out));
}

static uint32_t
in_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
      uint32_t max)
{
    struct bench_load *load = load_of_in(dev);
    uint32_t n;

    max = load->n_frames ? max : 0;
    for (n = 0; n < max && (pkts[n] = agl_pkt_new(pool)); n++) {
        memcpy(pkts[n]->data, load->frames[load->next], BENCH_FRAME);
        pkts[n]->len = BENCH_FRAME;
        if (++load->next == load->n_frames) {
            load->next = 0;
        }
    }
    return n;
}

static uint32_t
out_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
       uint32_t max)
{
    (void) dev;
    (void) pool;
    (void) pkts;
    (void) max;
    return 0;
}

static uint32_t
in_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    (void) dev;
    (void) pkts;
    (void) n;
    return 0;
}

static uint32_t
out_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    (void) pkts;
    load_of_out(dev)->n_sent += n;
    return n;
}

static int
no_fd(const struct agl_dev *dev)
{
    (void) dev;
    return -1;
}

static void
get_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    (void) dev;
    *status = (struct agl_dev_status) { .link_up = true, .mtu = 1500 };
}

static const struct agl_dev_class in_class = {
    .type = "bench-in", .rx = in_rx, .tx = in_tx, .fd = no_fd,
    .status = get_status,
};
static const struct agl_dev_class out_class = {
    .type = "bench-out", .rx = out_rx, .tx = out_tx, .fd = no_fd,
    .status = get_status,
};

/* ## ------- ##
 * ## Traffic ##
 * ## ------- ## */

/* Marsaglia's xorshift: the same traffic in each run. */
static uint32_t
next_random(void)
{
    static uint64_t x = UINT64_C(88172645463325252);

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t) (x >> 32);
}

static void
put16(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t) (x >> 8);
    p[1] = (uint8_t) x;
}

static void
make_frame(uint8_t frame[BENCH_FRAME], uint32_t flow)
{
    static const uint8_t head[] = {
        2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  8, 0,
        0x45, 0, 0, 46,  0, 0, 0, 0,  64, 17, 0, 0,  10, 0, 0, 0,  11, 0, 0, 0,
        0, 0, 0, 0,  0, 26, 0, 0,
    };

    memset(frame, 0, BENCH_FRAME);
    memcpy(frame, head, sizeof head);
    frame[27] = next_random() & 0x0f;
    put16(&frame[28], next_random());
    frame[33] = (uint8_t) flow;
    put16(&frame[34], 1024 + next_random() % 60000);
    put16(&frame[36], 1024 + next_random() % 60000);
}

static void
shuffle(uint32_t order[], uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = next_random() % i, x = order[i - 1];

        order[i - 1] = order[j];
        order[j] = x;
    }
}

/* Every flow once, in random order, then again in another one. */
static void
make_frames(struct bench_load *load, uint32_t n_flows)
{
    uint32_t n = n_flows > 4096 ? n_flows : 4096;
    uint8_t (*flows)[BENCH_FRAME] = calloc(n_flows, sizeof *flows);
    uint32_t *order = calloc(n_flows, sizeof *order);

    load->n_frames = (uint32_t) AGILIO_ROUND_UP(n, AGL_BURST);
    load->frames = calloc(load->n_frames, sizeof *load->frames);
    must(flows && order && load->frames, "not enough memory");
    for (uint32_t i = 0; i < n_flows; i++) {
        make_frame(flows[i], i);
        order[i] = i;
    }
    for (uint32_t i = 0; i < load->n_frames; i++) {
        if (i % n_flows == 0) {
            shuffle(order, n_flows);
        }
        memcpy(load->frames[i], flows[order[i % n_flows]], BENCH_FRAME);
    }
    free(order);
    free(flows);
}

/* ## ------ ##
 * ## Policy ##
 * ## ------ ## */

static void
put_flow(struct bench_load *load, uint32_t id, const struct agilio_key *key,
         const struct agilio_key *mask)
{
    const struct agilio_action_output output = {
        .action = {
            .type = agilio_to_le16(AGILIO_ACTION_OUTPUT),
            .len = agilio_to_le16(sizeof output),
        },
        .port = agilio_to_le32(load->out_port),
    };

    must(!inproc_put_flow(&load->nic, id, key, mask, &output, sizeof output),
         "the NIC refuses a flow");
}

/* What every megaflow of OVS's userspace datapath looks at, for IPv4. */
static void
match_basics(const struct bench_load *load, struct agilio_key *key,
             struct agilio_key *mask)
{
    memset(key, 0, sizeof *key);
    memset(mask, 0, sizeof *mask);
    key->md.in_port = agilio_to_le32(load->in_port);
    mask->md.in_port = agilio_to_le32(UINT32_MAX);
    mask->md.recirc_id = agilio_to_le32(UINT32_MAX);
    mask->md.packet_type = agilio_to_be32(UINT32_MAX);
    key->eth_type = agilio_to_be16(0x0800);
    mask->eth_type = agilio_to_be16(UINT16_MAX);
    mask->nw_frag = 3;
}

static void
put_megaflow(struct bench_load *load, uint32_t i, uint32_t n_masks)
{
    uint32_t block = 256 / n_masks;
    struct agilio_key key, mask;

    match_basics(load, &key, &mask);
    if (n_masks > 1) {
        key.nw_src = agilio_to_be32(0x0a000000);
        mask.nw_src = agilio_to_be32(~(UINT32_C(0x00ffffff) >> i % 4));
        key.nw_dst = agilio_to_be32(0x0b000000 | i * block);
        mask.nw_dst = agilio_to_be32(0xffffffff - (block - 1));
    }
    if (i & 4) {
        key.nw_proto = 17;
        mask.nw_proto = UINT8_MAX;
    }
    if (i & 8) {
        key.nw_ttl = 64;
        mask.nw_ttl = UINT8_MAX;
    }
    if (i & 16) {
        mask.nw_tos = UINT8_MAX;
    }
    if (i & 32) {
        memcpy(key.eth_src, "\2\0\0\0\0\2", 6);
        memset(mask.eth_src, 0xff, 6);
    }
    put_flow(load, i, &key, &mask);
}

static void
put_wide_flow(struct bench_load *load)
{
    struct agilio_key key, mask;

    match_basics(load, &key, &mask);
    key.nw_src = agilio_to_be32(0x01020304);
    key.nw_proto = 17;
    mask.nw_proto = UINT8_MAX;
    mask.nw_src = mask.nw_dst = agilio_to_be32(UINT32_MAX);
    mask.tp_src = mask.tp_dst = agilio_to_be16(UINT16_MAX);
    put_flow(load, load->wide_flow, &key, &mask);
}

/* ## --- ##
 * ## All ##
 * ## --- ## */

void
bench_load_start(struct bench_load *load, uint32_t n_flows, uint32_t n_masks,
                 enum bench_policy policy, uint32_t n_tracker)
{
    struct agl_geometry geometry = inproc_geometry;

    memset(load, 0, sizeof *load);
    load->wide_flow = n_masks;
    load->in.class = &in_class;
    load->out.class = &out_class;
    geometry.max_flows = 128;
    geometry.max_masks = 128;
    inproc_start(&load->nic, &geometry, 512, n_tracker, 0);
    must(!agl_nic_port_add(load->nic.nic, "in", &load->in,
                           &load->in_port)
         && !agl_nic_port_add(load->nic.nic, "out", &load->out,
                              &load->out_port),
         "a port cannot be added");
    inproc_attach(&load->nic);
    must(!inproc_hello(&load->nic, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL),
         "no session");
    for (uint32_t i = 0; i < n_masks; i++) {
        put_megaflow(load, i, n_masks);
    }
    if (policy == BENCH_WIDE) {
        put_wide_flow(load);
    }
    make_frames(load, n_flows);         /* From here on they arrive. */
}

void
bench_load_stop(struct bench_load *load)
{
    agl_nic_port_del(load->nic.nic, "in");
    agl_nic_port_del(load->nic.nic, "out");
    inproc_stop(&load->nic);
    free(load->frames);
}

/* What the policy looks at changes, and then is as before. */
void
bench_load_forget(struct bench_load *load)
{
    inproc_del_flow(&load->nic, load->wide_flow);
    agl_flow_table_rank(load->nic.nic->team.workers[0]->table);
    put_wide_flow(load);
}

void
bench_load_receive(struct bench_load *load, struct agl_pkt *pkts[])
{
    struct agl_worker *w = load->nic.nic->team.workers[0];
    uint32_t n = in_rx(&load->in, &w->pool, pkts, AGL_BURST);

    must(n == AGL_BURST, "a packet's buffer is lost");
    for (uint32_t i = 0; i < n; i++) {
        pkts[i]->rx_port = load->in_port;
        pkts[i]->md.in_port = agilio_to_le32(load->in_port);
    }
}
