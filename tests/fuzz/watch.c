/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - see watch.h. */

#include "watch.h"

#include "guard.h"

#define N_PACKETS 24
#define N_TRACKER 64

/* The last ring is at the end of the region, but for what rounds that up. */
static struct agl_geometry geometry = {
    .type = AGILIO_FUNCTION_PF,
    .n_ports = WATCH_DEVS,
    .n_qps = WATCH_DEVS,
    .max_flows = 64,
    .max_masks = 4,
    .max_meters = 4,
    .max_bonds = 4,
    .n_workers = 1,
    .control_granules = 256,
};

struct inproc watch;
const struct fuzz_names watch_names = {
    .n_ports = WATCH_DEVS,
    .ports = watch.ids,
    .n_recirc_ids = 3,
    .n_objects = 3,
};

static struct agl_run ways;     /* The worker's own. */

/* A life begins when a packet is admitted, or a copy looked up again; it has
 * one end, which is counted once. */
static struct {
    uint64_t lives;             /* Of copies. */
    uint64_t ended;             /* Counted as drops of a copy only. */
    uint64_t outputs;
    uint64_t dropped;
} seen;

/* ## -------- ##
 * ## Counters ##
 * ## -------- ## */

static uint64_t
count(enum agilio_counter c)
{
    return inproc_counter(&watch, c);
}

/* What was not given to the host that was to be. */
static uint64_t
count_not_given(void)
{
    return count(AGILIO_COUNTER_DROP_NO_HOST)
           + count(AGILIO_COUNTER_DROP_HOST_FULL)
           + count(AGILIO_COUNTER_DROP_HOST_TOO_BIG);
}

static uint64_t
count_not_sent(void)
{
    return count(AGILIO_COUNTER_DROP_TX_GONE)
           + count(AGILIO_COUNTER_DROP_TX_DOWN)
           + count(AGILIO_COUNTER_DROP_TX_MTU)
           + count(AGILIO_COUNTER_DROP_TX_FULL)
           + count(AGILIO_COUNTER_DROP_TX_ERROR);
}

static uint64_t
count_all(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < AGILIO_N_COUNTERS; i++) {
        sum += count(i);
    }
    return sum;
}

/* ## ---- ##
 * ## Ways ##
 * ## ---- ## */

static void
watch_output(struct agl_run *run, uint32_t port_id, struct agl_pkt *pkt)
{
    guard_check(pkt);
    seen.outputs++;
    ways.output(run, port_id, pkt);
}

static void
watch_recirc(struct agl_run *run, struct agl_pkt *pkt)
{
    guard_check(pkt);
    if (guard_is_clone(pkt)) {
        guard_adopt(pkt);
        seen.lives++;
    }
    ways.recirc(run, pkt);
}

/* A copy for the host, which has one fate. */
static void
watch_sample(struct agl_run *run, const void *actions, uint32_t len,
             struct agl_pkt *pkt)
{
    uint64_t not_given = count_not_given();
    uint64_t given = count(AGILIO_COUNTER_SAMPLED);
    uint64_t all = count_all();

    guard_check(pkt);
    FUZZ_MUST(len && len <= AGILIO_MAX_SAMPLE);
    ways.sample(run, actions, len, pkt);
    not_given = count_not_given() - not_given;
    given = count(AGILIO_COUNTER_SAMPLED) - given;
    FUZZ_MUST(given + not_given == 1 && count_all() - all == 1);
    seen.ended += not_given;
}

static void
watch_drop(struct agl_run *run, enum agilio_counter reason,
           struct agl_pkt *pkt)
{
    uint64_t before = count(reason);

    guard_check(pkt);
    if (reason == AGILIO_COUNTER_DROP_TUNNEL && guard_is_clone(pkt)) {
        seen.lives++;           /* A short one. */
    }
    seen.dropped++;
    ways.drop(run, reason, pkt);
    FUZZ_MUST(count(reason) == before + 1);
}

/* ## --- ##
 * ## NIC ##
 * ## --- ## */

void
watch_start(uint32_t packet_granules)
{
    struct agl_run *run;

    guard_reset(NULL, 0);    /* It takes memory anew. */
    memset(&seen, 0, sizeof seen);
    geometry.packet_granules = packet_granules;
    inproc_start(&watch, &geometry, N_PACKETS, N_TRACKER, WATCH_DEVS);
    run = &watch.nic->team.workers[0]->run;
    run->random = 1;
    ways = *run;
    run->output = watch_output;
    run->recirc = watch_recirc;
    run->sample = watch_sample;
    run->drop = watch_drop;
    inproc_attach(&watch);
    FUZZ_MUST(!inproc_hello(&watch, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
}

void
watch_stop(void)
{
    inproc_stop(&watch);
    FUZZ_MUST(!guard_n_out());
}

/* All that came in has one end. */
static void
check_ends(void)
{
    uint64_t ends = count(AGILIO_COUNTER_CARRIED)
                    + count(AGILIO_COUNTER_FALLBACK_MISS)
                    + count(AGILIO_COUNTER_FALLBACK_HOST)
                    + count(AGILIO_COUNTER_FALLBACK_UNABLE)
                    + count(AGILIO_COUNTER_DROP_RECIRC)
                    + count(AGILIO_COUNTER_DROP_TUNNEL)
                    + count(AGILIO_COUNTER_DROP_RUNT)
                    + count_not_given() - seen.ended;
    uint64_t lives = seen.lives;

    for (uint32_t i = 0; i < WATCH_DEVS; i++) {
        const struct agilio_port_stats *s = &watch.region.port_stats[i];

        lives += agilio_from_le64(s->rx_packets)
                 + agilio_from_le64(s->rx_errors);      /* Runts. */
    }
    FUZZ_MUST(ends == lives);
}

/* All that went out was sent or dropped.  Who has a flow that does no more is
 * sent without anybody being asked. */
static void
check_outputs(void)
{
    uint64_t sent = 0, counted = 0, unseen;

    for (uint32_t i = 0; i < WATCH_DEVS; i++) {
        const struct agilio_port_stats *s = &watch.region.port_stats[i];

        sent += agilio_from_le64(s->tx_packets);
        counted += agilio_from_le64(s->tx_packets)
                   + agilio_from_le64(s->tx_dropped)
                   + agilio_from_le64(s->tx_errors);
    }
    unseen = (sent + count_not_sent() - seen.outputs
              - count(AGILIO_COUNTER_HOST_TX));
    FUZZ_MUST(unseen <= count(AGILIO_COUNTER_CARRIED));
    FUZZ_MUST(counted + count(AGILIO_COUNTER_DROP_TX_GONE)
              == sent + count_not_sent());
}

void
watch_check(void)
{
    const struct agl_pool *pool = &watch.nic->team.workers[0]->pool;

    FUZZ_MUST(!guard_n_out());
    FUZZ_MUST(pool->n_free == pool->n && !pool->n_reserved);
    check_ends();
    check_outputs();
}

/* ## ---- ##
 * ## Host ##
 * ## ---- ## */

static void
check_record(uint32_t dev, const uint8_t *record, uint32_t len)
{
    struct agilio_metadata md;
    struct agilio_desc desc;
    uint32_t meta_len, flags, least = 0;

    memcpy(&desc, record, sizeof desc);
    meta_len = agilio_from_le16(desc.meta_len);
    flags = agilio_from_le16(desc.flags);
    FUZZ_MUST(agilio_from_le32(desc.len) == len);
    FUZZ_MUST(agilio_from_le32(desc.port) == watch.ids[dev]);
    FUZZ_MUST(agilio_from_le32(desc.reason) < AGILIO_N_FALLBACKS);
    FUZZ_MUST(agilio_from_le64(desc.timestamp) <= watch.clock);
    FUZZ_MUST(!flags || flags == AGILIO_DESC_RESUMED
              || flags == (AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED));
    FUZZ_MUST(sizeof desc + meta_len <= len);
    FUZZ_MUST(len - sizeof desc - meta_len <= AGILIO_MAX_FRAME);
    if (flags & AGILIO_DESC_RESUMED) {
        FUZZ_MUST(meta_len >= sizeof md);
        memcpy(&md, record + sizeof desc, sizeof md);
        FUZZ_MUST(md.tunnel.opts_len % 4 == 0);
        least = sizeof md + md.tunnel.opts_len;
    }
    FUZZ_MUST(flags & AGILIO_DESC_SAMPLED
              ? meta_len > least && meta_len <= least + AGILIO_MAX_SAMPLE
              : meta_len == least);
}

void
watch_take(void)
{
    static uint8_t record[AGILIO_MAX_RECORD];

    for (uint32_t i = 0; i < WATCH_DEVS; i++) {
        uint32_t len;

        while ((len = inproc_take(&watch, i, record))) {
            check_record(i, record, len);
        }
        FUZZ_MUST(!watch.from_nic[i].broken);
    }
}

/* ## ---------- ##
 * ## Operations ##
 * ## ---------- ## */

void
watch_op_frame(struct fuzz_input *in)
{
    static uint8_t frame[AGILIO_MAX_FRAME];
    uint32_t dev = fuzz_u8(in) % WATCH_DEVS;
    uint32_t len = fuzz_bytes(in, frame, sizeof frame);

    inproc_inject(&watch, dev, frame, len);
}

void
watch_op_host_frame(struct fuzz_input *in)
{
    static uint8_t frame[AGILIO_MAX_FRAME];
    uint32_t dev = fuzz_u8(in) % WATCH_DEVS;
    uint32_t port = fuzz_u8(in);
    uint16_t flags = fuzz_u8(in) >> 7;
    uint32_t len = fuzz_bytes(in, frame, sizeof frame);

    port = port < 200 ? watch.ids[port % WATCH_DEVS] : port << 8;
    inproc_send(&watch, dev, port, flags, frame, len);
}

void
watch_op_port(struct fuzz_input *in)
{
    static const uint32_t mtus[] = { 1500, 68, 9000, AGILIO_MAX_FRAME - 22 };
    struct inproc_dev *d = &watch.devs[fuzz_u8(in) % WATCH_DEVS];
    uint8_t what = fuzz_u8(in);

    d->status.link_up = !(what & 1);
    d->refuse = what & 2;
    d->status.mtu = mtus[what >> 2 & 3];
    d->room = what >> 4;
    agl_nic_refresh_ports(watch.nic);
}

size_t
watch_flow(struct fuzz_input *in, uint8_t *body)
{
    uint8_t code[AGILIO_MAX_PROGRAM] __attribute__((aligned(8)));
    uint32_t id = fuzz_u8(in) % 68;
    struct agilio_key key, mask;
    size_t len;

    fuzz_match(in, &watch_names, guard_key(fuzz_u8(in) % GUARD_KEYS), &key,
               &mask);
    len = fuzz_program(in, &watch_names, code);
    return inproc_flow_body(body, id, &key, &mask, code, len);
}
