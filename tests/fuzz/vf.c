/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vf.c - fuzz target: a guest that writes what it likes into the region of its
 * VF, and onto its socket.
 *
 * Control thread and worker take turns as in agilio-nicd.  The port must come
 * to no harm, lose no packet's buffer, receive nothing but frames, and serve
 * the next guest as if nothing had been.
 */

#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "nic-client.h"
#include "pkt/parse.h"
#include "port/port.h"

#define MAX_OPS 100
#define N_PACKETS 40

static char path[64];
static struct agl_dev *dev;
static struct nic_client guest;
static struct agl_pkt packets[N_PACKETS];
static struct agl_pool pool;
static uint32_t n_received;
static uint32_t last_len;

/* ## -------- ##
 * ## The port ##
 * ## -------- ## */

static void
control_turn(void)
{
    struct agl_dev_status status;

    dev->class->status(dev, &status);
}

/* The worker receives what there is, and looks at it. */
static void
worker_turn(void)
{
    const struct agl_parse_options options = { .max_vlans = 1 };
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n = dev->class->rx(dev, &pool, pkts, AGL_BURST);

    FUZZ_MUST(n <= AGL_BURST && guard_n_out() == n);
    n_received += n;
    while (n) {
        struct agl_pkt *pkt = pkts[--n];
        struct agilio_key key;

        FUZZ_MUST(pkt->len >= 14 && pkt->len <= AGILIO_MAX_FRAME);
        last_len = pkt->len;
        agl_parse(pkt, &options, &key);
        agl_pkt_free(&pool, pkt);
    }
}

static void
turn(void *aux)
{
    (void) aux;
    control_turn();
    worker_turn();
}

static void
send_frames(uint32_t n, uint32_t len)
{
    struct agl_pkt *pkts[AGL_BURST] = { NULL };

    for (uint32_t i = 0; i < n; i++) {
        pkts[i] = agl_pkt_new(&pool);
        FUZZ_MUST(pkts[i]);
        memset(pkts[i]->data, (int) i, len);
        pkts[i]->len = len;
    }
    FUZZ_MUST(dev->class->tx(dev, pkts, n) <= n);
    while (n) {
        agl_pkt_free(&pool, pkts[--n]);
    }
}

/* ## --------- ##
 * ## The guest ##
 * ## --------- ## */

static void
op_turn(struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if (!(what & 1)) {
        worker_turn();
    }
    if (!(what & 2)) {
        control_turn();
    }
}

static void
op_send(struct fuzz_input *in)
{
    uint32_t n = fuzz_u8(in) % (AGL_BURST + 1);
    uint32_t len = 14 + fuzz_u16(in) % (AGILIO_MAX_FRAME - 13);

    send_frames(n, len);
}

/* Any bytes anywhere, but seldom in a ring's body. */
static void
op_scribble(struct fuzz_input *in)
{
    uint32_t where = fuzz_u32(in);
    size_t at = where % (where >> 31 ? 4096 : guest.size);
    uint8_t bytes[256];
    uint32_t n = fuzz_bytes(in, bytes, sizeof bytes);

    if (n > guest.size - at) {
        n = (uint32_t) (guest.size - at);
    }
    memcpy(guest.base + at, bytes, n);
}

static void
op_cursor(struct fuzz_input *in)
{
    uint8_t which = fuzz_u8(in);
    struct agilio_ring *ring = (which & 1 ? &guest.qps[0].to_nic
                                : &guest.qps[0].from_nic)->ring;
    agilio_le32 *cursor = which & 2 ? &ring->prod
                          : which & 4 ? &ring->cons : &ring->sleeping;
    uint32_t x = which & 128 ? fuzz_u32(in)
                 : agilio_from_le32(*cursor) + fuzz_u8(in) - 8;

    agilio_store_relaxed(cursor, agilio_to_le32(x));
}

/* A record that is in order, or nearly. */
static void
op_record(struct fuzz_input *in)
{
    struct agilio_ring_end *ring = &guest.qps[0].to_nic;
    uint8_t how = fuzz_u8(in);
    uint8_t bytes[sizeof(struct agilio_desc) + 2048];
    struct agilio_desc desc = { .port = agilio_to_le32(how) };
    uint32_t n, claim;

    claim = how & 1 ? fuzz_claim(in) : 0;
    n = sizeof desc + fuzz_bytes(in, bytes + sizeof desc, 2048);
    if (!(how & 1)) {
        claim = n;
    }
    desc.len = agilio_to_le32(claim);
    desc.flags = agilio_to_le16(how & 2 ? 1 : 0);
    desc.meta_len = agilio_to_le16(how & 4 ? 8 : 0);
    memcpy(bytes, &desc, sizeof desc);
    agilio_ring_write(ring, 0, bytes, n);
    if (how & 8 || claim > ring->n * AGILIO_GRANULE) {
        claim = n;
    }
    agilio_ring_produce(ring, agilio_ring_granules(claim));
}

static void
op_bell(struct fuzz_input *in)
{
    FUZZ_MUST(!eventfd_write(guest.nic_fds[fuzz_u8(in) % AGILIO_N_VECTORS],
                             1));
}

/* Says something, which is not in the protocol. */
static void
op_talk(struct fuzz_input *in)
{
    uint8_t bytes[64];
    uint32_t n = fuzz_bytes(in, bytes, sizeof bytes);

    if (send(guest.sock, bytes, n, MSG_NOSIGNAL) >= 0) {
        control_turn();
    }
}

static void
op_set(struct fuzz_input *in)
{
    uint8_t mac[6] = { 2 };

    fuzz_bytes(in, mac, sizeof mac);
    dev->class->set_mac(dev, mac);
    dev->class->set_up(dev, fuzz_u8(in) & 1);
    dev->class->set_mtu(dev, fuzz_u16(in));
}

/* A new guest, which may find the port after the last one has gone, or before
 * anyone saw that. */
static void
op_new_guest(struct fuzz_input *in)
{
    nic_client_close(&guest);
    if (fuzz_u8(in) & 1) {
        turn(NULL);
    }
    nic_client_init(&guest, turn, NULL);
    FUZZ_MUST(!nic_client_connect(&guest, path));
}

/* ## ---------- ##
 * ## The target ##
 * ## ---------- ## */

static void
clean_up(void)
{
    dev->class->close(dev);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static void
open_port(void)
{
    char *error;

    snprintf(path, sizeof path, "/tmp/fuzz-vf.XXXXXX");
    FUZZ_MUST(mkdtemp(path));
    strcat(path, "/s");
    FUZZ_MUST(!agl_dev_vf.open("p0", path, 1, &dev, &error));
    atexit(clean_up);
}

static void
check_alive(void)
{
    static struct nic_client_packet p;
    const uint32_t port = agilio_port_id(0, 1);
    const uint8_t frame[61] = { 0 };

    n_received = 0;
    FUZZ_MUST(!nic_client_tx(&guest, port, frame, sizeof frame));
    worker_turn();
    FUZZ_MUST(n_received == 1 && last_len == sizeof frame);
    send_frames(1, 62);
    FUZZ_MUST(!nic_client_rx(&guest, port, &p) && p.frame_len == 62);
}

void
fuzz_vf(const uint8_t *data, size_t size)
{
    static fuzz_op *const ops[] = {
        op_turn, op_record, op_cursor, op_send, op_scribble, op_bell, op_talk,
        op_set, op_new_guest,
    };
    struct fuzz_input in = { data, data + size };

    if (!dev) {
        open_port();
    }
    guard_reset(packets, sizeof packets);
    agl_pool_init(&pool, packets, N_PACKETS);
    op_new_guest(&in);
    fuzz_operate(&in, ops, AGILIO_ARRAY_SIZE(ops), MAX_OPS);
    turn(NULL);
    op_new_guest(&in);
    check_alive();
    FUZZ_MUST(pool.n_free == N_PACKETS && !guard_n_out());
    nic_client_close(&guest);
}
