/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.c - copies of a port's frames for whoever watches it; see capture.h.
 *
 * Nothing waits: without room in the ring a frame is not copied, and that is
 * counted.
 */

#include "capture.h"

#define NOWHERE UINT32_MAX

void
agl_capture_init(struct agl_capture *c, void *base, uint32_t i,
                 uint32_t n_granules, uint32_t snaplen, uint32_t directions)
{
    uint8_t *p = (uint8_t *) base + i * agilio_capture_stride(n_granules);

    memset(c, 0, sizeof *c);
    c->shared = (struct agilio_capture_ring *) (void *) p;
    c->snaplen = snaplen;
    c->directions = directions;
    agilio_ring_init_producer(&c->ring, &c->shared->ring,
                              p + sizeof *c->shared, n_granules);
}

/* Copies a frame.  Returns the granule where its record begins, from the
 * cursor on, or NOWHERE. */
static uint32_t
copy(struct agl_capture *c, const struct agl_pkt *pkt, uint32_t direction,
     uint64_t now)
{
    uint32_t n_bytes = pkt->len < c->snaplen ? pkt->len : c->snaplen;
    struct agilio_capture_record record = {
        .len = agilio_to_le32((uint32_t) sizeof record + n_bytes),
        .frame_len = agilio_to_le32(pkt->len),
        .timestamp = agilio_to_le64(now),
        .n_lost = agilio_to_le32(c->n_lost),
        .direction = agilio_to_le32(direction),
    };
    uint32_t n = agilio_ring_granules((uint32_t) sizeof record + n_bytes);
    uint32_t n_free = agilio_ring_free(&c->ring);
    uint32_t at = c->n_written;

    if (n_free < at + n) {
        c->n_lost++;
        agilio_store_relaxed(&c->shared->n_lost,
                             agilio_to_le64(++c->n_lost_all));
        return NOWHERE;
    }
    agilio_ring_write(&c->ring, at * AGILIO_GRANULE, &record, sizeof record);
    agilio_ring_write(&c->ring,
                      at * AGILIO_GRANULE + (uint32_t) sizeof record,
                      pkt->data, n_bytes);
    c->n_written += n;
    c->n_lost = 0;
    return at;
}

/* Says in a record, which is not yet published, what counted its frame. */
static void
judge(struct agl_capture *c, uint32_t at, uint64_t counters)
{
    agilio_le64 le = agilio_to_le64(counters);

    if (at != NOWHERE) {
        agilio_ring_write(
            &c->ring,
            at * AGILIO_GRANULE
            + (uint32_t) offsetof(struct agilio_capture_record, counters),
            &le, sizeof le);
    }
}

static void
publish(struct agl_capture *c)
{
    if (c->n_written) {
        agilio_ring_produce(&c->ring, c->n_written);
        c->n_written = 0;
    }
}

void
agl_capture_begin(struct agl_capture *c, const struct agl_pkt *pkt,
                  const agilio_le64 counters[], uint64_t now)
{
    uint32_t i;

    if (!(c->directions & AGILIO_CAPTURE_IN)) {
        return;
    }
    c->open = true;
    c->in_at = copy(c, pkt, AGILIO_CAPTURE_IN, now);
    for (i = 0; i < AGILIO_N_COUNTERS; i++) {
        c->before[i] = agilio_from_le64(counters[i]);
    }
}

void
agl_capture_end(struct agl_capture *c, const agilio_le64 counters[])
{
    uint64_t counted = 0;
    uint32_t i;

    if (!c->open) {
        return;
    }
    for (i = 0; i < AGILIO_N_COUNTERS; i++) {
        if (agilio_from_le64(counters[i]) != c->before[i]) {
            counted |= UINT64_C(1) << i;
        }
    }
    judge(c, c->in_at, counted);
    c->open = false;
    publish(c);
}

void
agl_capture_except(struct agl_capture *c, enum agilio_counter counter)
{
    c->before[counter]++;
}

void
agl_capture_elsewhere(struct agl_capture *c, enum agilio_counter counter)
{
    c->before[counter]--;
}

void
agl_capture_send(struct agl_capture *c, struct agl_pkt *const pkts[],
                 uint32_t n, uint64_t now)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        c->out_at[i] = (c->directions & AGILIO_CAPTURE_OUT
                        ? copy(c, pkts[i], AGILIO_CAPTURE_OUT, now)
                        : NOWHERE);
    }
}

void
agl_capture_sent(struct agl_capture *c, struct agl_pkt *const pkts[],
                 uint32_t n, uint32_t n_done)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (i >= n_done) {
            judge(c, c->out_at[i],
                  UINT64_C(1) << AGILIO_COUNTER_DROP_TX_FULL);
        } else if (pkts[i] && !pkts[i]->len) {
            judge(c, c->out_at[i],
                  UINT64_C(1) << AGILIO_COUNTER_DROP_TX_ERROR);
        }
    }
    if (!c->open) {
        publish(c);
    }
}
