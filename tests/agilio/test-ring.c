/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-ring.c - the rings between NIC and host.
 *
 * First with both ends in one thread, then with a peer that lies in every way
 * it can, then with two threads that pass a million records and wake each
 * other by eventfds.
 *
 * A ring's body is malloc'd, so that AddressSanitizer guards its borders.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agilio/msg.h"
#include "check.h"

struct fixture {
    struct agilio_ring *ring;
    uint8_t *body;
    struct agilio_ring_end producer, consumer;
};

/* A ring of 'n' granules whose cursors both stand at 'start'. */
static struct fixture
fixture_open(uint32_t n, uint32_t start)
{
    struct fixture f;

    f.ring = calloc(1, sizeof *f.ring);
    f.body = calloc(n, AGILIO_GRANULE);
    if (!f.ring || !f.body) {
        abort();
    }
    f.ring->prod = f.ring->cons = agilio_to_le32(start);
    agilio_ring_init_producer(&f.producer, f.ring, f.body, n);
    agilio_ring_init_consumer(&f.consumer, f.ring, f.body, n);
    return f;
}

static void
fixture_close(struct fixture *f)
{
    free(f->body);
    free(f->ring);
}

static uint32_t
next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Record 'seq': its length, then bytes that depend on 'seq' and place. */
static uint32_t
make_record(uint8_t *record, uint32_t seq, uint32_t len)
{
    agilio_le32 wire = agilio_to_le32(len);

    for (uint32_t i = 4; i < len; i++) {
        record[i] = (uint8_t) (seq * 31 + i * 7);
    }
    memcpy(record, &wire, sizeof wire);
    return len;
}

static bool
record_ok(const uint8_t *record, uint32_t seq, uint32_t len)
{
    for (uint32_t i = 4; i < len; i++) {
        if (record[i] != (uint8_t) (seq * 31 + i * 7)) {
            return false;
        }
    }
    return true;
}

static void
test_granules(void)
{
    CHECK(agilio_ring_granules(0) == 0);
    CHECK(agilio_ring_granules(1) == 1);
    CHECK(agilio_ring_granules(64) == 1);
    CHECK(agilio_ring_granules(65) == 2);
    CHECK(agilio_ring_granules(UINT32_MAX) == 1u << 26);
}

static void
test_empty_and_full(void)
{
    struct fixture f = fixture_open(4, 0);
    uint8_t record[64], copy[64];

    CHECK(agilio_ring_ready(&f.consumer) == 0);
    CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 0);
    for (uint32_t seq = 0; seq < 4; seq++) {
        CHECK(agilio_ring_free(&f.producer) == 4 - seq);
        agilio_ring_write(&f.producer, 0, record,
                          make_record(record, seq, 60));
        agilio_ring_produce(&f.producer, 1);
    }
    CHECK(agilio_ring_free(&f.producer) == 0);
    for (uint32_t seq = 0; seq < 4; seq++) {
        CHECK(agilio_ring_ready(&f.consumer) == 4 - seq);
        CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 60);
        agilio_ring_read(&f.consumer, 0, copy, 60);
        CHECK(record_ok(copy, seq, 60));
        agilio_ring_consume(&f.consumer, 1);
        CHECK(agilio_ring_free(&f.producer) == seq + 1);
    }
    CHECK(agilio_ring_ready(&f.consumer) == 0);
    CHECK(!f.producer.broken && !f.consumer.broken);
    fixture_close(&f);
}

/* Records of all lengths, some as long as the ring, over the end of the body
 * and over the end of 32 bits of cursor. */
static void
test_wrap(void)
{
    enum { N = 8, SIZE = N * AGILIO_GRANULE };
    struct fixture f = fixture_open(N, UINT32_MAX - 1000);
    uint8_t record[SIZE], copy[SIZE];

    for (uint32_t seq = 0; seq < 4000; seq++) {
        uint32_t len = 4 + seq % (SIZE - 3);
        uint32_t n = agilio_ring_granules(len);

        CHECK(agilio_ring_free(&f.producer) == N);
        agilio_ring_write(&f.producer, 0, record,
                          make_record(record, seq, len));
        agilio_ring_produce(&f.producer, n);
        CHECK(agilio_ring_peek(&f.consumer, 4, SIZE) == len);
        agilio_ring_read(&f.consumer, 0, copy, len);
        CHECK(record_ok(copy, seq, len));
        agilio_ring_consume(&f.consumer, n);
    }
    CHECK(agilio_from_le32(f.ring->prod) < 1u << 31);
    fixture_close(&f);
}

/* A record written and read in pieces, as packets are. */
static void
test_pieces(void)
{
    struct fixture f = fixture_open(4, 3);
    uint8_t record[200], copy[200];

    make_record(record, 1, 200);
    for (uint32_t i = 0; i < 200; i += 50) {
        agilio_ring_write(&f.producer, i, record + i, 50);
    }
    agilio_ring_produce(&f.producer, 4);
    for (uint32_t i = 0; i < 200; i += 40) {
        agilio_ring_read(&f.consumer, i, copy + i, 40);
    }
    CHECK(!memcmp(record, copy, 200));
    fixture_close(&f);
}

/* An end that is opened anew goes on where the ring stands. */
static void
test_adopt(void)
{
    struct fixture f = fixture_open(4, 0);
    uint8_t record[64];

    agilio_ring_write(&f.producer, 0, record, make_record(record, 0, 20));
    agilio_ring_produce(&f.producer, 1);
    agilio_ring_init_producer(&f.producer, f.ring, f.body, 4);
    CHECK(agilio_ring_free(&f.producer) == 3);
    agilio_ring_write(&f.producer, 0, record, make_record(record, 1, 21));
    agilio_ring_produce(&f.producer, 1);
    CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 20);
    agilio_ring_consume(&f.consumer, 1);
    agilio_ring_init_consumer(&f.consumer, f.ring, f.body, 4);
    CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 21);
    fixture_close(&f);
}

/* A VF has no control rings: rings without a body. */
static void
test_no_body(void)
{
    struct fixture f = fixture_open(0, 0);

    CHECK(agilio_ring_free(&f.producer) == 0);
    CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 0);
    CHECK(agilio_msg_send(&f.producer, "1234", 4) == -1);
    f.ring->prod = agilio_to_le32(1);
    CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 0);
    CHECK(f.consumer.broken);
    fixture_close(&f);
}

/* ## --------- ##
 * ## Hostility. ##
 * ## --------- ## */

/* Whatever distance the peer's cursor has, at whatever place: in 0...n it is
 * taken at its word, otherwise the end is broken and stays so. */
static void
test_hostile_cursors(void)
{
    static const uint32_t starts[] = { 0, 3, 0x7ffffffe, UINT32_MAX - 2 };
    static const uint32_t offs[] = {
        0, 1, 7, 8, 9, 16, 0x7fffffff, 0x80000000, UINT32_MAX - 7, UINT32_MAX
    };

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(starts); i++) {
        for (size_t j = 0; j < AGILIO_ARRAY_SIZE(offs); j++) {
            struct fixture f = fixture_open(8, starts[i]);
            bool good = offs[j] <= 8;

            f.ring->prod = agilio_to_le32(starts[i] + offs[j]);
            CHECK(agilio_ring_ready(&f.consumer) == (good ? offs[j] : 0));
            CHECK(f.consumer.broken == !good);
            f.ring->prod = agilio_to_le32(starts[i] + 1);
            CHECK(agilio_ring_ready(&f.consumer) == (good ? 1 : 0));

            f.ring->cons = agilio_to_le32(starts[i] - offs[j]);
            CHECK(agilio_ring_free(&f.producer) == (good ? 8 - offs[j] : 0));
            CHECK(f.producer.broken == !good);
            f.ring->cons = agilio_to_le32(starts[i]);
            CHECK(agilio_ring_free(&f.producer) == (good ? 8 : 0));
            fixture_close(&f);
        }
    }
}

/* A side goes by its private cursor, whatever the peer does to the copy. */
static void
test_hostile_own_cursor(void)
{
    struct fixture f = fixture_open(8, 0);
    uint8_t record[64];

    f.ring->prod = agilio_to_le32(77);
    agilio_ring_write(&f.producer, 0, record, make_record(record, 0, 64));
    agilio_ring_produce(&f.producer, 1);
    CHECK(agilio_from_le32(f.ring->prod) == 1);
    f.ring->cons = agilio_to_le32(99);
    CHECK(agilio_ring_peek(&f.consumer, 4, 64) == 64);
    agilio_ring_consume(&f.consumer, 1);
    CHECK(agilio_from_le32(f.ring->cons) == 1);
    fixture_close(&f);
}

static void
test_hostile_lengths(void)
{
    static const struct { uint32_t len; bool good; } rows[] = {
        { 0, false }, { 1, false }, { 15, false }, { 16, true }, { 64, true },
        { 65, true }, { 128, true }, { 129, false }, { 192, false },
        { 200, false }, { 201, false }, { 512, false }, { 0x7fffffff, false },
        { 0x80000010, false }, { UINT32_MAX - 63, false },
        { UINT32_MAX, false },
    };

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(rows); i++) {
        struct fixture f = fixture_open(4, 3);
        uint8_t record[64];

        make_record(record, 0, 64);
        agilio_ring_write(&f.producer, 0, record, 64);
        agilio_ring_write(&f.producer, 0,
                          &(agilio_le32) { agilio_to_le32(rows[i].len) }, 4);
        agilio_ring_produce(&f.producer, 2);    /* 128 bytes. */
        CHECK(agilio_ring_peek(&f.consumer, 16, 200)
              == (rows[i].good ? rows[i].len : 0));
        CHECK(f.consumer.broken == !rows[i].good);
        fixture_close(&f);
    }
}

/* Both ends, with random bytes in the shared line and in the records, after
 * every step: nothing outside of the body is ever touched. */
static void
test_random_bytes(void)
{
    enum { N = 16, SIZE = N * AGILIO_GRANULE };
    struct fixture f = fixture_open(N, 0);
    uint8_t buf[SIZE];
    uint32_t state = 2463534242u, n_broken = 0, n_taken = 0, n_given = 0;

    memset(buf, 0xa5, sizeof buf);
    for (int i = 0; i < 100000; i++) {
        uint32_t r = next_random(&state);
        uint32_t range = r & 1 ? UINT32_MAX : N + N / 4;
        uint32_t len, n;

        f.ring->prod = agilio_to_le32(f.consumer.cursor
                                      + next_random(&state) % range);
        f.ring->cons = agilio_to_le32(f.producer.cursor
                                      - next_random(&state) % range);
        f.ring->sleeping = agilio_to_le32(next_random(&state));
        for (uint32_t g = 0; g < N; g++) {
            uint32_t word = next_random(&state);

            word = r & 2 ? word : word % (SIZE + 32);
            memcpy(f.body + g * AGILIO_GRANULE, &word, sizeof word);
        }

        len = agilio_ring_peek(&f.consumer, 4, SIZE);
        if (len) {
            agilio_ring_read(&f.consumer, 0, buf, len);
            agilio_ring_consume(&f.consumer, agilio_ring_granules(len));
            n_taken++;
        }
        len = 4 + next_random(&state) % (SIZE - 3);
        n = agilio_ring_granules(len);
        if (agilio_ring_free(&f.producer) >= n) {
            agilio_ring_write(&f.producer, 0, buf, len);
            agilio_ring_produce(&f.producer, n);
            n_given++;
        }
        agilio_ring_sleep(&f.consumer);
        n_broken += f.consumer.broken + f.producer.broken;
        f.consumer.broken = f.producer.broken = false;
    }
    CHECK(n_broken > 10000 && n_taken > 1000 && n_given > 1000);
    fixture_close(&f);
}

/* ## ------------ ##
 * ## Two threads. ##
 * ## ------------ ## */

#define N_RECORDS 1000000
#define MAX_RECORD 256

struct transfer {
    struct fixture f;
    int to_consumer;            /* Eventfd: there is something to read. */
    uint32_t n_records;
    bool strict;                /* One record at a time: each may be slept
                                 * before. */
    uint32_t n_rings;           /* Doorbells that the producer rang. */
};

static uint32_t
record_len(uint32_t *state)
{
    return 4 + next_random(state) % (MAX_RECORD - 3);
}

static void *
produce_all(void *t_)
{
    struct transfer *t = t_;
    struct agilio_ring_end *end = &t->f.producer;
    uint8_t record[MAX_RECORD];
    uint32_t state = 1;

    for (uint32_t seq = 0; seq < t->n_records; seq++) {
        uint32_t len = make_record(record, seq, record_len(&state));
        uint32_t n = agilio_ring_granules(len);

        for (uint32_t i = 1;
             agilio_ring_free(end) < (t->strict ? end->n : n); i++) {
            if (i % 64 == 0) {
                sched_yield();
            }
        }
        agilio_ring_write(end, 0, record, len);
        if (agilio_ring_produce(end, n)) {
            t->n_rings++;
            if (eventfd_write(t->to_consumer, 1)) {
                abort();
            }
        }
    }
    return NULL;
}

/* Spends a little time, so that the two threads meet at all angles. */
static void
dawdle(uint32_t n)
{
    for (volatile uint32_t i = 0; i < n; i++) {
        continue;
    }
}

/* Waits for the doorbell.  False if it is lost: 5 s are an eternity. */
static bool
wait_for_bell(struct transfer *t)
{
    struct pollfd pfd = { .fd = t->to_consumer, .events = POLLIN };
    eventfd_t count;

    return poll(&pfd, 1, 5000) == 1 && !eventfd_read(t->to_consumer, &count);
}

/* Takes the records; returns how many were right before one was not. */
static uint32_t
consume_all(struct transfer *t)
{
    struct agilio_ring_end *end = &t->f.consumer;
    uint8_t record[MAX_RECORD];
    uint32_t state = 1, jitter = 2, seq = 0;

    while (seq < t->n_records) {
        uint32_t len = agilio_ring_peek(end, 4, MAX_RECORD);

        if (len) {
            agilio_ring_read(end, 0, record, len);
            if (len != record_len(&state) || !record_ok(record, seq, len)) {
                break;
            }
            agilio_ring_consume(end, agilio_ring_granules(len));
            seq++;
        } else if (end->broken) {
            break;
        } else {
            if (t->strict) {
                dawdle(next_random(&jitter) % 64);
            }
            if (agilio_ring_sleep(end) && !wait_for_bell(t)) {
                break;
            }
            agilio_ring_awake(end);
        }
    }
    return seq;
}

static void
run_transfer(uint32_t n_granules, uint32_t n_records, bool strict)
{
    struct transfer t = {
        .f = fixture_open(n_granules, UINT32_MAX - 500),
        .to_consumer = eventfd(0, EFD_NONBLOCK),
        .n_records = n_records,
        .strict = strict,
    };
    uint32_t n_ok;
    pthread_t thread;

    if (t.to_consumer < 0 || pthread_create(&thread, NULL, produce_all, &t)) {
        abort();
    }
    n_ok = consume_all(&t);
    CHECK(n_ok == n_records);
    if (n_ok != n_records) {
        exit(summary());        /* The producer would wait for ever. */
    }
    pthread_join(thread, NULL);
    CHECK(agilio_ring_ready(&t.f.consumer) == 0);
    CHECK(!t.f.consumer.broken && !t.f.producer.broken);
    if (strict) {
        CHECK(t.n_rings > 0);
    }
    close(t.to_consumer);
    fixture_close(&t.f);
}

static void
test_million_records(void)
{
    run_transfer(1024, N_RECORDS, false);
}

/* The ring is empty before each record, so the consumer goes to sleep as often
 * as it can: this is where a wake-up would get lost.  (Without one of the two
 * fences, about every second run of this test fails.) */
static void
test_sleep_and_wake(void)
{
    run_transfer(4, 30000, true);
}

int
main(void)
{
    RUN(test_granules);
    RUN(test_empty_and_full);
    RUN(test_wrap);
    RUN(test_pieces);
    RUN(test_adopt);
    RUN(test_no_body);
    RUN(test_hostile_cursors);
    RUN(test_hostile_own_cursor);
    RUN(test_hostile_lengths);
    RUN(test_random_bytes);
    RUN(test_million_records);
    RUN(test_sleep_and_wake);
    return summary();
}
