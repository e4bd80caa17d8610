/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */
/*
 * ring.h - a ring of records between two parties that do not trust each other.
 *
 * Every ring of the function region, control or packet, is one of these.  One
 * side produces, the other consumes (SPSC).  The body is an array of 64-byte
 * granules; a record takes as many consecutive granules as its bytes need, and
 * wraps at the end of the body.  The first 32 bits of a record are its length.
 *
 *     struct agilio_ring       body, n granules (a power of two)
 *     +----------------+       +----+----+----+----+----+----+----+----+
 *     | prod           |       |    | record A     | B  |    |    |    |
 *     +- - - - - - - - +       +----+----+----+----+----+----+----+----+
 *     | cons, sleeping |            ^ cons              ^ prod
 *     +----------------+
 *
 * Cursors run freely through 32 bits and stand on cache lines of their own;
 * prod - cons is what is used.  prod belongs to the producer, the second line
 * to the consumer.  A side writes its cursor from its private copy and never
 * reads it back; it reads the other's cursor with acquire and checks it: a
 * distance larger than the ring means that the peer is broken, the end is
 * marked so for good, and nothing more passes.
 *
 * Sleep and wake: the consumer sets `sleeping', fences, looks once more, and
 * sleeps.  The producer publishes prod, fences, and rings the doorbell if
 * `sleeping' is set.  The two fences pair, so no wake-up is lost.  Once awake,
 * the consumer clears the doorbell first and looks into the ring then: a ring
 * of the bell in between is one too many, never one too few.
 *
 * Where cursors start: the NIC sets those of all rings of a function to 0, and
 * repairs its broken ends, before it lets a host attach.  The host starts from
 * the cursors that it finds: 0 after attaching, where it left off if a driver
 * is reloaded in a VM that stayed attached.
 *
 * A struct agilio_ring_end is one side's private view: one thread at a time.
 * Who fills it in has checked the place that the ring has in the region: all
 * of it inside, aligned to a cache line, 'n' a power of two (or 0: no ring,
 * nothing ever passes).
 */

#ifndef AGILIO_RING_H
#define AGILIO_RING_H 1

#include "agilio/platform.h"

#define AGILIO_GRANULE 64

/* The shared part. */
struct agilio_ring {
    agilio_le32 prod;           /* Written by the producer only. */
    uint8_t pad0[60];
    agilio_le32 cons;           /* Written by the consumer only. */
    agilio_le32 sleeping;       /* Likewise: nonzero asks for a doorbell. */
    uint8_t pad1[56];
};
AGILIO_ASSERT_SIZE(struct agilio_ring, 128);
AGILIO_ASSERT_OFFSET(struct agilio_ring, cons, 64);

/* One side's private view. */
struct agilio_ring_end {
    struct agilio_ring *ring;
    uint8_t *body;
    uint32_t n;                 /* Granules in 'body', a power of two. */
    uint32_t cursor;            /* Ours: prod or cons. */
    bool broken;                /* The peer's cursor made no sense. */
};

/* Granules that a record of 'len' bytes takes. */
static inline uint32_t
agilio_ring_granules(uint32_t len)
{
    return (len >> 6) + ((len & (AGILIO_GRANULE - 1)) != 0);
}

/* Makes 'end' the producer's view of 'ring', going on from the cursor that is
 * there. */
static inline void
agilio_ring_init_producer(struct agilio_ring_end *end,
                          struct agilio_ring *ring, void *body, uint32_t n)
{
    end->ring = ring;
    end->body = body;
    end->n = n;
    end->cursor = agilio_from_le32(agilio_load_relaxed(&ring->prod));
    end->broken = false;
}

/* Likewise for the consumer. */
static inline void
agilio_ring_init_consumer(struct agilio_ring_end *end,
                          struct agilio_ring *ring, void *body, uint32_t n)
{
    end->ring = ring;
    end->body = body;
    end->n = n;
    end->cursor = agilio_from_le32(agilio_load_relaxed(&ring->cons));
    end->broken = false;
}

/* Granules free for the producer; 0 if the ring is full or broken. */
static inline uint32_t
agilio_ring_free(struct agilio_ring_end *end)
{
    /* Pairs with the release in agilio_ring_consume(). */
    uint32_t cons = agilio_from_le32(agilio_load_acquire(&end->ring->cons));
    uint32_t used = end->cursor - cons;

    if (AGILIO_UNLIKELY(used > end->n)) {
        end->broken = true;
    }
    return end->broken ? 0 : end->n - used;
}

/* Granules ready for the consumer; 0 if the ring is empty or broken. */
static inline uint32_t
agilio_ring_ready(struct agilio_ring_end *end)
{
    /* Pairs with the release in agilio_ring_produce(). */
    uint32_t prod = agilio_from_le32(agilio_load_acquire(&end->ring->prod));
    uint32_t used = prod - end->cursor;

    if (AGILIO_UNLIKELY(used > end->n)) {
        end->broken = true;
    }
    return end->broken ? 0 : used;
}

/* Copies 'len' bytes to or from the bytes 'ofs' after the cursor.  The caller
 * has seen that the granules they lie in are free (or ready). */
static inline void
agilio_ring_write(struct agilio_ring_end *end, uint32_t ofs,
                  const void *src, uint32_t len)
{
    uint32_t size = end->n * AGILIO_GRANULE;
    uint32_t at = (end->cursor * AGILIO_GRANULE + ofs) & (size - 1);
    uint32_t first = len < size - at ? len : size - at;

    memcpy(end->body + at, src, first);
    memcpy(end->body, (const uint8_t *) src + first, len - first);
}

static inline void
agilio_ring_read(const struct agilio_ring_end *end, uint32_t ofs,
                 void *dst, uint32_t len)
{
    uint32_t size = end->n * AGILIO_GRANULE;
    uint32_t at = (end->cursor * AGILIO_GRANULE + ofs) & (size - 1);
    uint32_t first = len < size - at ? len : size - at;

    memcpy(dst, end->body + at, first);
    memcpy((uint8_t *) dst + first, end->body, len - first);
}

/* Publishes 'n' granules.  True if the consumer wants its doorbell rung. */
static inline bool
agilio_ring_produce(struct agilio_ring_end *end, uint32_t n)
{
    end->cursor += n;
    agilio_store_release(&end->ring->prod, agilio_to_le32(end->cursor));
    agilio_fence();             /* Pairs with agilio_ring_sleep(). */
    return agilio_load_relaxed(&end->ring->sleeping) != 0;
}

/* Gives 'n' granules back to the producer. */
static inline void
agilio_ring_consume(struct agilio_ring_end *end, uint32_t n)
{
    end->cursor += n;
    agilio_store_release(&end->ring->cons, agilio_to_le32(end->cursor));
}

/* The consumer asks to be woken.  True if it may sleep; false if there is
 * something to do first (the request then still stands). */
static inline bool
agilio_ring_sleep(struct agilio_ring_end *end)
{
    agilio_store_relaxed(&end->ring->sleeping, agilio_to_le32(1));
    agilio_fence();             /* Pairs with agilio_ring_produce(). */
    return agilio_ring_ready(end) == 0;
}

static inline void
agilio_ring_awake(struct agilio_ring_end *end)
{
    agilio_store_relaxed(&end->ring->sleeping, agilio_to_le32(0));
}

/* Looks at the record under the consumer's cursor: its length in bytes, 0 if
 * there is none.  A length below 'min', above 'max' or longer than what the
 * producer has published marks the end as broken.  The length is read once
 * (by an atomic load: a memcpy() may be compiled to a second look);
 * the caller copies the record with agilio_ring_read() and overwrites its
 * first word with what this returned. */
static inline uint32_t
agilio_ring_peek(struct agilio_ring_end *end, uint32_t min, uint32_t max)
{
    uint32_t ready = agilio_ring_ready(end);
    const void *record;
    uint32_t len;

    if (!ready) {
        return 0;
    }
    record = end->body
             + (size_t) (end->cursor & (end->n - 1)) * AGILIO_GRANULE;
    len = agilio_from_le32(agilio_load_relaxed((const agilio_le32 *) record));
    if (len < min || len > max || agilio_ring_granules(len) > ready) {
        end->broken = true;
        return 0;
    }
    return len;
}

#endif /* agilio/ring.h */
