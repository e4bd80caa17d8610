/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rings.c - fuzz target: a host that writes what it likes into its region.
 *
 * Which is all of it: the NIC's half of the rings, header, port table and
 * counters are as open to it as its own half.  The NIC must come to no harm,
 * lose no packet's buffer, and serve the next host as if nothing had been; in
 * between, frames arrive and flows that were good carry them.
 */

#include "guard.h"
#include "watch.h"

#define MAX_OPS 100

static size_t used;             /* Bytes of the region that mean anything. */

/* Whoever reads or writes behind the last ring fails under ASan. */
static void
guard_region(void)
{
    const struct agilio_ring_end *last
        = &watch.region.qps[WATCH_DEVS - 1].from_host;
    const uint8_t *end = last->body + last->n * AGILIO_GRANULE;

    used = (size_t) (end - watch.region.base);
    guard_forbid(end, watch.region.size - used);
}

/* Any bytes anywhere. */
static void
op_scribble(struct fuzz_input *in)
{
    size_t at = fuzz_u32(in) % used;
    uint8_t bytes[256];
    uint32_t n = fuzz_bytes(in, bytes, sizeof bytes);

    if (n > used - at) {
        n = (uint32_t) (used - at);
    }
    memcpy(watch.region.base + at, bytes, n);
}

static struct agilio_ring_end *
choose_ring(struct fuzz_input *in)
{
    uint8_t which = fuzz_u8(in);
    uint32_t dev = which / 4 % WATCH_DEVS;

    return which % 4 == 0 ? &watch.request
           : which % 4 == 1 ? &watch.reply
           : which % 4 == 2 ? &watch.from_nic[dev] : &watch.to_nic[dev];
}

/* A cursor, near where it was or far off. */
static void
op_cursor(struct fuzz_input *in)
{
    struct agilio_ring *ring = choose_ring(in)->ring;
    uint8_t which = fuzz_u8(in);
    agilio_le32 *cursor = which % 3 == 0 ? &ring->prod
                          : which % 3 == 1 ? &ring->cons : &ring->sleeping;
    uint32_t x = which & 128 ? fuzz_u32(in)
                 : agilio_from_le32(*cursor) + fuzz_u8(in) - 8;

    agilio_store_relaxed(cursor, agilio_to_le32(x));
}

/* A record, of a length that need not be the one it says. */
static void
op_record(struct fuzz_input *in)
{
    struct agilio_ring_end *ring = choose_ring(in);
    uint32_t n_granules = fuzz_u8(in);
    uint8_t bytes[2048];
    uint32_t n = fuzz_bytes(in, bytes, sizeof bytes);

    if (n && n <= ring->n * AGILIO_GRANULE) {
        agilio_ring_write(ring, 0, bytes, n);
        agilio_ring_produce(ring, n_granules < 128 ? agilio_ring_granules(n)
                                  : n_granules % 128);
    }
}

/* A packet for a port, of a length that need not be the one it says. */
static void
op_packet(struct fuzz_input *in)
{
    uint32_t dev = fuzz_u8(in) % WATCH_DEVS;
    struct agilio_ring_end *ring = &watch.to_nic[dev];
    uint32_t claim = fuzz_claim(in), n = agilio_ring_granules(claim);
    const struct agilio_desc desc = {
        .len = agilio_to_le32(claim),
        .port = agilio_to_le32(watch.ids[fuzz_u8(in) % WATCH_DEVS]),
    };

    agilio_ring_write(ring, 0, &desc, sizeof desc);
    agilio_ring_produce(ring, n <= ring->n && !(fuzz_u8(in) & 1) ? n : 1);
}

/* A message that is in order, of the session or not. */
static void
op_message(struct fuzz_input *in)
{
    uint8_t body[AGILIO_MAX_MSG];
    uint8_t type = fuzz_u8(in);

    if (type == AGILIO_MSG_FLOW_PUT) {
        inproc_tell(&watch, type, body, watch_flow(in, body));
    } else {
        inproc_tell(&watch, type, body, fuzz_bytes(in, body, 1024));
    }
}

static void
op_run(struct fuzz_input *in)
{
    (void) in;
    inproc_settle(&watch);
    agl_control_sleep(watch.nic);
    agl_worker_sleep(watch.nic->team.workers[0]);
    agl_worker_awake(watch.nic->team.workers[0]);
    agl_nic_host_is_broken(watch.nic);
    FUZZ_MUST(!guard_n_out());
}

static void
renew(struct agilio_ring_end *end)
{
    end->cursor = 0;
    end->broken = false;
}

/* A new host.  Where the rings are it knows from the one before: the header
 * may say anything by now. */
static void
op_new_host(struct fuzz_input *in)
{
    (void) in;
    agl_nic_host_gone(watch.nic);
    agl_nic_host_attached(watch.nic);
    watch.nic->control.in_session = true;
    watch.nic->control.session = watch.session;
    renew(&watch.request);
    renew(&watch.reply);
    for (uint32_t i = 0; i < WATCH_DEVS; i++) {
        renew(&watch.from_nic[i]);
        renew(&watch.to_nic[i]);
    }
}

/* Undoes what a PORT_SET of the hostile host may have done. */
static void
set_port(uint32_t id)
{
    uint8_t body[22] = { 0 };
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u32(&w, id);
    agilio_put_u32(&w, AGILIO_PORT_SET_FLAGS | AGILIO_PORT_SET_MTU);
    agilio_put_u32(&w, AGILIO_PORT_ADMIN_UP);
    agilio_put_u32(&w, 1500);
    FUZZ_MUST(!inproc_ask(&watch, AGILIO_MSG_PORT_SET, body, sizeof body,
                          NULL));
}

/* The NIC is alive and well: it takes a flow and carries a frame. */
static void
check_alive(void)
{
    struct agilio_key key = { .md.in_port = agilio_to_le32(watch.ids[0]) };
    struct agilio_key mask = {
        .md.in_port = agilio_to_le32(UINT32_MAX),
        .md.recirc_id = agilio_to_le32(UINT32_MAX),
    };
    struct agilio_action_output program = {
        .action = { agilio_to_le16(AGILIO_ACTION_OUTPUT),
                    agilio_to_le16(sizeof program) },
        .port = agilio_to_le32(watch.ids[1]),
    };
    const uint8_t frame[60] = { 0 };

    inproc_settle(&watch);
    set_port(watch.ids[0]);
    set_port(watch.ids[1]);
    FUZZ_MUST(!inproc_ask(&watch, AGILIO_MSG_FLOW_FLUSH, "", 0, NULL));
    FUZZ_MUST(!inproc_put_flow(&watch, 1, &key, &mask, &program,
                               sizeof program));
    inproc_clear_tx(&watch);
    FUZZ_MUST(inproc_inject(&watch, 0, frame, sizeof frame));
    inproc_settle(&watch);
    FUZZ_MUST(watch.devs[1].n_tx == 1 && watch.devs[1].tx_len[0] == 60);
}

void
fuzz_rings(const uint8_t *data, size_t size)
{
    static fuzz_op *const ops[] = {
        op_cursor, op_run, op_record, op_message, watch_op_frame,
        op_scribble, op_new_host, watch_op_host_frame, op_packet,
    };
    struct fuzz_input in = { data, data + size };

    watch_start(fuzz_u8(&in) & 1 ? 32 : 256);
    guard_region();
    fuzz_operate(&in, ops, AGILIO_ARRAY_SIZE(ops), MAX_OPS);
    op_run(&in);
    op_new_host(&in);
    check_alive();
    watch_stop();
}
