/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.c - fuzz target: flows and frames through the whole NIC.
 *
 * The host is one that keeps to the rules.  It puts and deletes flows, meters
 * and bonds, frames arrive, ports change, time passes; watch.h sees to the
 * laws.
 */

#include "fuzz.h"
#include "watch.h"

#define MAX_OPS 200

static void
op_flow_put(struct fuzz_input *in)
{
    uint8_t body[AGILIO_MAX_MSG];
    size_t len = watch_flow(in, body);

    FUZZ_MUST(inproc_ask(&watch, AGILIO_MSG_FLOW_PUT, body, len, NULL) >= 0);
}

static void
op_flow_del(struct fuzz_input *in)
{
    FUZZ_MUST(inproc_del_flow(&watch, fuzz_u8(in)) >= 0);
}

/* Any request but HELLO. */
static void
op_request(struct fuzz_input *in)
{
    uint32_t type = AGILIO_MSG_HELLO
                    + fuzz_u8(in) % (AGILIO_N_MSGS - AGILIO_MSG_HELLO);
    uint8_t body[AGILIO_MAX_MSG - sizeof(struct agilio_msg)];
    uint32_t len = fuzz_bytes(in, body, sizeof body);

    if (type != AGILIO_MSG_HELLO) {
        FUZZ_MUST(inproc_ask(&watch, type, body, len, NULL) >= 0);
    }
}

static void
op_time(struct fuzz_input *in)
{
    watch.clock += (uint64_t) fuzz_u16(in) * 1000000;
}

/* The host goes, and may come back. */
static void
op_host(struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    agl_nic_host_gone(watch.nic);
    if (what & 1) {
        inproc_settle(&watch);
    }
    inproc_attach(&watch);
    FUZZ_MUST(!inproc_hello(&watch, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
}

/* What is on its way arrives. */
static void
op_settle(struct fuzz_input *in)
{
    (void) in;
    inproc_settle(&watch);
    watch_check();
    watch_take();
}

static void
op_clear(struct fuzz_input *in)
{
    (void) in;
    inproc_clear_tx(&watch);
}

void
fuzz_frames(const uint8_t *data, size_t size)
{
    static fuzz_op *const ops[] = {
        watch_op_frame, op_settle, op_flow_put, op_flow_del, op_request,
        op_time, op_host, op_clear, watch_op_port, watch_op_host_frame,
    };
    struct fuzz_input in = { data, data + size };

    watch_start(32);
    fuzz_operate(&in, ops, AGILIO_ARRAY_SIZE(ops), MAX_OPS);
    op_settle(&in);
    watch_stop();
}
