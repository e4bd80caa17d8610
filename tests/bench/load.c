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
        memcpy(pkts[n]->data,
               load->frames + (size_t) load->next * load->frame_len,
               load->frame_len);
        pkts[n]->len = load->frame_len;
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

/* The headers of VXLAN, without the source port. */
static const uint8_t tunnel_head[BENCH_TUNNEL] = {
    2, 0, 0, 0, 0, 0x71,  2, 0, 0, 0, 0, 0x72,  8, 0,
    0x45, 0, 0, 100,  0, 0, 0, 0,  64, 17, 0x22, 0x66,
    172, 16, 0, 2,  172, 16, 0, 1,
    0, 0, 0x12, 0xb5,  0, 80, 0, 0,
    8, 0, 0, 0,  0, 0, 42, 0,
};

/* Every flow once, in random order, then again in another one. */
static void
make_frames(struct bench_load *load, uint32_t n_flows, uint32_t head_len)
{
    uint32_t n = n_flows > 4096 ? n_flows : 4096;
    uint8_t (*flows)[BENCH_FRAME] = calloc(n_flows, sizeof *flows);
    uint32_t *order = calloc(n_flows, sizeof *order);
    uint8_t *frame;

    load->n_frames = (uint32_t) AGILIO_ROUND_UP(n, AGL_BURST);
    load->frame_len = head_len + BENCH_FRAME;
    load->frames = calloc(load->n_frames, load->frame_len);
    must(flows && order && load->frames, "not enough memory");
    for (uint32_t i = 0; i < n_flows; i++) {
        make_frame(flows[i], i);
        order[i] = i;
    }
    for (uint32_t i = 0; i < load->n_frames; i++) {
        if (i % n_flows == 0) {
            shuffle(order, n_flows);
        }
        frame = load->frames + (size_t) i * load->frame_len;
        memcpy(frame, tunnel_head, head_len);
        memcpy(frame + head_len, flows[order[i % n_flows]], BENCH_FRAME);
        if (head_len) {         /* Entropy. */
            put16(frame + 34, 49152 + order[i % n_flows] % 16384);
        }
    }
    free(order);
    free(flows);
}

/* ## ------ ##
 * ## Policy ##
 * ## ------ ## */

static void
put_program(struct bench_load *load, uint32_t id,
            const struct agilio_key *key, const struct agilio_key *mask,
            const void *program, size_t len)
{
    must(!inproc_put_flow(&load->nic, id, key, mask, program, len),
         "the NIC refuses a flow");
}

static struct agilio_action
action(enum agilio_action_type type, size_t len)
{
    return (struct agilio_action) {
        .type = agilio_to_le16(type),
        .len = agilio_to_le16((uint16_t) len),
    };
}

static struct agilio_action_output
output_to(uint32_t port)
{
    return (struct agilio_action_output) {
        .action = action(AGILIO_ACTION_OUTPUT,
                         sizeof(struct agilio_action_output)),
        .port = agilio_to_le32(port),
    };
}

static void
put_flow(struct bench_load *load, uint32_t id, const struct agilio_key *key,
         const struct agilio_key *mask)
{
    const struct agilio_action_output output = output_to(load->out_port);

    put_program(load, id, key, mask, &output, sizeof output);
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

#define TUNNEL_PORT (AGILIO_PORT_HOST | 1)

/* Out of the tunnel; what was in it, to the other port. */
static void
put_decap(struct bench_load *load)
{
    const struct agilio_action_tunnel_pop pop = {
        .action = action(AGILIO_ACTION_TUNNEL_POP, sizeof pop),
        .type = agilio_to_le32(AGILIO_TUNNEL_VXLAN),
        .port = agilio_to_le32(TUNNEL_PORT),
    };
    struct agilio_key key, mask;

    match_basics(load, &key, &mask);
    memcpy(key.eth_dst, tunnel_head, sizeof key.eth_dst);
    memset(mask.eth_dst, 0xff, sizeof mask.eth_dst);
    memcpy(&key.nw_dst, tunnel_head + 30, sizeof key.nw_dst);
    mask.nw_dst = agilio_to_be32(UINT32_MAX);
    key.nw_proto = 17;
    mask.nw_proto = UINT8_MAX;
    key.tp_dst = agilio_to_be16(4789);
    mask.tp_dst = agilio_to_be16(UINT16_MAX);
    put_program(load, 0, &key, &mask, &pop, sizeof pop);

    match_basics(load, &key, &mask);
    key.md.in_port = agilio_to_le32(TUNNEL_PORT);
    key.md.tunnel.id = agilio_to_be64(42);
    mask.md.tunnel.id = agilio_to_be64(UINT64_MAX);
    memcpy(&key.md.tunnel.ip_src, tunnel_head + 26, 8);
    memset(&mask.md.tunnel.ip_src, 0xff, 8);
    put_flow(load, 1, &key, &mask);
}

/* Into the tunnel, and to the other port. */
static void
put_encap(struct bench_load *load)
{
    const uint16_t clone_len = sizeof(struct agilio_action_clone)
        + sizeof(struct agilio_action_tunnel_push)
        + AGILIO_ROUND_UP(BENCH_TUNNEL, 4)
        + sizeof(struct agilio_action_output);
    struct {
        struct agilio_action_clone clone;
        struct agilio_action_tunnel_push push;
        uint8_t header[AGILIO_ROUND_UP(BENCH_TUNNEL, 4)];
        struct agilio_action_output output;
    } program = {
        .clone.action = action(AGILIO_ACTION_CLONE, clone_len),
        .push = {
            .action = action(AGILIO_ACTION_TUNNEL_PUSH,
                             sizeof program.push + sizeof program.header),
            .type = agilio_to_le32(AGILIO_TUNNEL_VXLAN),
            .port = agilio_to_le32(TUNNEL_PORT),
            .header_len = agilio_to_le16(BENCH_TUNNEL),
            .udp_min = agilio_to_le16(32768),
            .udp_max = agilio_to_le16(61000),
        },
        .output = output_to(load->out_port),
    };
    struct agilio_key key, mask;

    memcpy(program.header, tunnel_head, sizeof tunnel_head);
    memset(program.header + 16, 0, 2);          /* Length, ... */
    put16(program.header + 24, 0x22ca);         /* ...checksum without it. */
    memset(program.header + 38, 0, 2);
    match_basics(load, &key, &mask);
    put_program(load, 0, &key, &mask, &program, clone_len);
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
    if (policy == BENCH_DECAP) {
        put_decap(load);
    } else if (policy == BENCH_ENCAP) {
        put_encap(load);
    } else {
        for (uint32_t i = 0; i < n_masks; i++) {
            put_megaflow(load, i, n_masks);
        }
    }
    if (policy == BENCH_WIDE) {
        put_wide_flow(load);
    }
    /* From here on they arrive. */
    make_frames(load, n_flows, policy == BENCH_DECAP ? BENCH_TUNNEL : 0);
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
