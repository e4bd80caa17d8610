/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-msg.c - the control messages' cursors, and messages through a ring.
 *
 * A table has the shape of the request and the reply of each message type, as
 * the comments in msg.h describe them.  With it every message is written, read
 * back, and refused at each length that is too short.  What the NIC and
 * vswitchd make of the contents is tested where they are.
 */

#include "agilio/msg.h"
#include "check.h"

/* One character for each piece of a body: 2, 4, 8 bytes of number, 'm' a MAC
 * address, 'f' a struct agilio_flow_put with one word of key and of mask and
 * an OUTPUT action, 't' a struct agilio_tracker_entry, 'b' what follows the id
 * in a struct agilio_bond_set. */
struct shape {
    enum agilio_msg_type type;
    uint16_t flags;
    const char *body;
    uint32_t len;               /* Of the whole message. */
};

static const struct shape shapes[] = {
    { AGILIO_MSG_HELLO, 0, "22488", 16 + 24 },
    { AGILIO_MSG_HELLO, AGILIO_MSG_F_REPLY, "2248", 16 + 16 },
    { AGILIO_MSG_KEEPALIVE, 0, "", 16 },
    { AGILIO_MSG_KEEPALIVE, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_OPTIONS, 0, "4", 16 + 4 },
    { AGILIO_MSG_OPTIONS, 0, "44", 16 + 8 },
    { AGILIO_MSG_OPTIONS, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_PORT_SET, 0, "4444m", 16 + 22 },
    { AGILIO_MSG_PORT_SET, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_PORT_EVENT, AGILIO_MSG_F_EVENT, "", 16 },
    { AGILIO_MSG_FLOW_PUT, 0, "f", 16 + 16 + 8 + 8 + 8 },
    { AGILIO_MSG_FLOW_PUT, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_FLOW_DEL, 0, "4", 16 + 4 },
    { AGILIO_MSG_FLOW_DEL, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_FLOW_FLUSH, 0, "", 16 },
    { AGILIO_MSG_FLOW_FLUSH, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_TRACKER_DUMP, 0, "44", 16 + 8 },
    { AGILIO_MSG_TRACKER_DUMP, AGILIO_MSG_F_REPLY, "44tt",
      16 + 8 + 2 * sizeof(struct agilio_tracker_entry) },
    { AGILIO_MSG_METER_SET, 0, "42244", 16 + 8 + 8 },
    { AGILIO_MSG_METER_SET, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_METER_DEL, 0, "4", 16 + 4 },
    { AGILIO_MSG_METER_DEL, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_BOND_SET, 0, "4b", 16 + 4 + 4 * AGILIO_BOND_BUCKETS },
    { AGILIO_MSG_BOND_SET, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_BOND_DEL, 0, "4", 16 + 4 },
    { AGILIO_MSG_BOND_DEL, AGILIO_MSG_F_REPLY, "", 16 },
    { AGILIO_MSG_TRACE, 0, "44", 16 + 8 },
};

/* The piece number 'i' of a body, of 'n' bytes. */
static uint64_t
number(int i, int n)
{
    uint64_t x = UINT64_C(0x8182838485868788) * (uint64_t) (i + 1);

    return x >> (64 - 8 * n);
}

static void
put_flow(struct agilio_writer *w)
{
    struct agilio_flow_put put = {
        .id = agilio_to_le32(7),
        .n_words = agilio_to_le16(1),
        .program_len = agilio_to_le16(8),
        .map = agilio_to_le64(1),
    };
    struct agilio_action_output output = {
        .action.type = agilio_to_le16(AGILIO_ACTION_OUTPUT),
        .action.len = agilio_to_le16(8),
        .port = agilio_to_le32(0x10002),
    };

    agilio_put_bytes(w, &put, sizeof put);
    agilio_put_u64(w, 3);
    agilio_put_u64(w, UINT32_MAX);
    agilio_put_bytes(w, &output, sizeof output);
}

static void
get_flow(struct agilio_reader *r)
{
    const struct agilio_flow_put *put = agilio_get_bytes(r, sizeof *put);
    uint64_t key = agilio_get_u64(r);
    uint64_t mask = agilio_get_u64(r);
    const uint8_t *program = agilio_get_bytes(r, 8);

    if (!r->bad) {
        CHECK(key == 3 && mask == UINT32_MAX);
        CHECK(program[0] == AGILIO_ACTION_OUTPUT && program[2] == 8);
    }
}

static void
put_ports(struct agilio_writer *w)
{
    for (uint32_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        agilio_put_u32(w, 0x10000 + i);
    }
}

static void
get_ports(struct agilio_reader *r)
{
    for (uint32_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        uint32_t port = agilio_get_u32(r);

        CHECK(port == (r->bad ? 0 : 0x10000 + i));
    }
}

static void
put_piece(struct agilio_writer *w, int i, char piece)
{
    struct agilio_tracker_entry entry;
    uint64_t x = number(i, 6);

    switch (piece) {
    case '2':
        agilio_put_u16(w, (uint16_t) number(i, 2));
        break;
    case '4':
        agilio_put_u32(w, (uint32_t) number(i, 4));
        break;
    case '8':
        agilio_put_u64(w, number(i, 8));
        break;
    case 'm':
        agilio_put_bytes(w, &x, 6);
        break;
    case 'f':
        put_flow(w);
        break;
    case 'b':
        put_ports(w);
        break;
    default:
        memset(&entry, i, sizeof entry);
        agilio_put_bytes(w, &entry, sizeof entry);
    }
}

/* Reads a piece and checks it, or checks that a bad reader gives zeros. */
static void
get_piece(struct agilio_reader *r, int i, char piece)
{
    const uint8_t *p;
    uint64_t x = number(i, 6), y;

    switch (piece) {
    case '2':
        y = agilio_get_u16(r);
        CHECK(y == (r->bad ? 0 : number(i, 2)));
        break;
    case '4':
        y = agilio_get_u32(r);
        CHECK(y == (r->bad ? 0 : number(i, 4)));
        break;
    case '8':
        y = agilio_get_u64(r);
        CHECK(y == (r->bad ? 0 : number(i, 8)));
        break;
    case 'm':
        p = agilio_get_bytes(r, 6);
        CHECK(r->bad ? p == NULL : !memcmp(p, &x, 6));
        break;
    case 'f':
        get_flow(r);
        break;
    case 'b':
        get_ports(r);
        break;
    default:
        p = agilio_get_bytes(r, sizeof(struct agilio_tracker_entry));
        CHECK(r->bad ? p == NULL : p[0] == i
              && p[sizeof(struct agilio_tracker_entry) - 1] == i);
    }
}

static uint32_t
write_shape(const struct shape *s, void *buf, size_t size)
{
    struct agilio_writer w;

    agilio_msg_start(&w, buf, size, s->type, s->flags, 0xabcd, 0x1234);
    for (int i = 0; s->body[i]; i++) {
        put_piece(&w, i, s->body[i]);
    }
    return agilio_msg_end(&w, buf);
}

/* ## ------- ##
 * ## Cursors. ##
 * ## ------- ## */

static void
test_header_bytes(void)
{
    uint8_t buf[64];
    struct agilio_writer w;

    agilio_msg_start(&w, buf, sizeof buf, AGILIO_MSG_FLOW_DEL,
                     AGILIO_MSG_F_REPLY, 0x01020304, 0x05060708);
    agilio_put_u32(&w, 0x0a0b0c0d);
    CHECK(agilio_msg_end(&w, buf) == 20);
    CHECK(!memcmp(buf, "\x14\0\0\0" "\7\0" "\1\0" "\4\3\2\1" "\10\7\6\5"
                  "\x0d\x0c\x0b\x0a", 20));
}

static void
test_every_type(void)
{
    for (int type = 1; type < AGILIO_N_MSGS; type++) {
        bool found = false;

        for (size_t i = 0; i < AGILIO_ARRAY_SIZE(shapes); i++) {
            found |= (int) shapes[i].type == type;
        }
        CHECK(found);
    }
}

static void
test_round_trip(void)
{
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(shapes); i++) {
        const struct shape *s = &shapes[i];
        uint8_t buf[AGILIO_MAX_MSG];
        struct agilio_reader r;

        CHECK(write_shape(s, buf, sizeof buf) == s->len);
        r = (struct agilio_reader) { buf + 16, buf + s->len, false };
        for (int j = 0; s->body[j]; j++) {
            get_piece(&r, j, s->body[j]);
        }
        CHECK(!r.bad && r.p == r.end);
        agilio_get_bytes(&r, 1);
        CHECK(r.bad);
    }
}

/* A message that is cut short anywhere is found bad.  Each is in memory of
 * just its length, so reading on would be seen. */
static void
test_truncated(void)
{
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(shapes); i++) {
        const struct shape *s = &shapes[i];
        uint8_t buf[AGILIO_MAX_MSG];

        write_shape(s, buf, sizeof buf);
        for (uint32_t len = 16; len < s->len; len++) {
            uint8_t *copy = malloc(len);
            struct agilio_reader r = { copy + 16, copy + len, false };

            memcpy(copy, buf, len);
            for (int j = 0; s->body[j]; j++) {
                get_piece(&r, j, s->body[j]);
            }
            CHECK(r.bad);
            CHECK(agilio_get_u64(&r) == 0);
            free(copy);
        }
    }
}

/* A message never leaves the buffer that it is written to. */
static void
test_no_room(void)
{
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(shapes); i++) {
        for (size_t size = 0; size <= shapes[i].len; size++) {
            uint8_t *buf = malloc(size);

            CHECK(write_shape(&shapes[i], buf, size)
                  == (size == shapes[i].len ? size : 0));
            free(buf);
        }
    }
}

static void
test_huge_pieces(void)
{
    volatile size_t huge = SIZE_MAX;    /* For compilers that would warn. */
    uint8_t buf[32] = { 0 };
    struct agilio_writer w = { buf, buf + 32, false };
    struct agilio_reader r = { buf, buf + 32, false };

    CHECK(!agilio_get_bytes(&r, huge));
    CHECK(r.bad && r.p == buf && agilio_get_u16(&r) == 0);
    agilio_put_bytes(&w, buf, huge);
    CHECK(w.bad && w.p == buf);
    agilio_put_u16(&w, 1);
    CHECK(w.p == buf);
}

/* ## -------------- ##
 * ## Through a ring. ##
 * ## -------------- ## */

enum { N = 256 };               /* Granules: two of the longest messages. */

struct fixture {
    struct agilio_ring *ring;
    uint8_t *body;
    struct agilio_ring_end producer, consumer;
};

static struct fixture
fixture_open(void)
{
    struct fixture f = {
        .ring = calloc(1, sizeof *f.ring),
        .body = calloc(N, AGILIO_GRANULE),
    };

    if (!f.ring || !f.body) {
        abort();
    }
    agilio_ring_init_producer(&f.producer, f.ring, f.body, N);
    agilio_ring_init_consumer(&f.consumer, f.ring, f.body, N);
    return f;
}

static void
fixture_close(struct fixture *f)
{
    free(f->ring);
    free(f->body);
}

static void
test_through_ring(void)
{
    struct fixture f = fixture_open();
    uint8_t buf[AGILIO_MAX_MSG], in[AGILIO_MAX_MSG];
    struct agilio_reader r = { NULL, NULL, true };
    struct agilio_msg msg;

    CHECK(agilio_msg_receive(&f.consumer, in, &msg, &r) == 0);
    for (size_t i = 0; i < 40 * AGILIO_ARRAY_SIZE(shapes); i++) {
        const struct shape *s = &shapes[i % AGILIO_ARRAY_SIZE(shapes)];
        uint32_t len = write_shape(s, buf, sizeof buf);

        f.ring->sleeping = agilio_to_le32(i & 1);
        CHECK(agilio_msg_send(&f.producer, buf, len) == (int) (i & 1));
        CHECK(agilio_msg_receive(&f.consumer, in, &msg, &r) == len);
        CHECK(agilio_from_le32(msg.len) == len);
        CHECK(agilio_from_le16(msg.type) == s->type);
        CHECK(agilio_from_le16(msg.flags) == s->flags);
        CHECK(agilio_from_le32(msg.id) == 0xabcd);
        CHECK(agilio_from_le32(msg.session) == 0x1234);
        for (int j = 0; s->body[j]; j++) {
            get_piece(&r, j, s->body[j]);
        }
        CHECK(!r.bad && r.p == r.end);
    }
    fixture_close(&f);
}

static void
test_ring_full(void)
{
    struct fixture f = fixture_open();
    uint8_t buf[AGILIO_MAX_MSG] = { 0 }, in[AGILIO_MAX_MSG];
    struct agilio_reader r = { NULL, NULL, true };
    struct agilio_msg msg;

    CHECK(agilio_msg_send(&f.producer, buf, 0) == -1);
    CHECK(agilio_from_le32(f.ring->prod) == 0);
    for (int i = 0; i < 2; i++) {
        struct agilio_writer w;

        agilio_msg_start(&w, buf, sizeof buf, AGILIO_MSG_KEEPALIVE, 0, 0, 0);
        w.p = w.end;            /* The longest there is. */
        CHECK(agilio_msg_end(&w, buf) == AGILIO_MAX_MSG);
        CHECK(agilio_msg_send(&f.producer, buf, AGILIO_MAX_MSG) == 0);
    }
    CHECK(agilio_msg_send(&f.producer, buf, 16) == -1);
    CHECK(agilio_msg_receive(&f.consumer, in, &msg, &r) == AGILIO_MAX_MSG);
    CHECK(agilio_msg_send(&f.producer, buf, 16) == 0);
    f.ring->cons = agilio_to_le32(99999);
    CHECK(agilio_msg_send(&f.producer, buf, 16) == -1);
    fixture_close(&f);
}

/* Lengths that are shorter than a header, longer than the longest message, or
 * longer than what was sent. */
static void
test_bad_length(void)
{
    static const uint32_t bad[] = {
        0, 1, 15, 65, AGILIO_MAX_MSG, AGILIO_MAX_MSG + 1, 1u << 31, UINT32_MAX
    };

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(bad); i++) {
        struct fixture f = fixture_open();
        uint8_t in[AGILIO_MAX_MSG];
        agilio_le32 wire = agilio_to_le32(bad[i]);
        struct agilio_reader r = { NULL, NULL, true };
        struct agilio_msg msg;

        agilio_ring_write(&f.producer, 0, &wire, sizeof wire);
        agilio_ring_produce(&f.producer, 1);
        CHECK(agilio_msg_receive(&f.consumer, in, &msg, &r) == 0);
        CHECK(f.consumer.broken);
        fixture_close(&f);
    }
}

static void
test_error_reply(void)
{
    static const char reason[] = "no room for one more mask";
    struct fixture f = fixture_open();
    uint8_t buf[AGILIO_MAX_MSG], in[AGILIO_MAX_MSG];
    struct agilio_writer w;
    struct agilio_reader r = { NULL, NULL, true };
    struct agilio_msg msg;
    uint32_t len;
    size_t left;

    agilio_msg_start(&w, buf, sizeof buf, AGILIO_MSG_FLOW_PUT,
                     AGILIO_MSG_F_REPLY | AGILIO_MSG_F_ERROR, 9, 1);
    agilio_put_u32(&w, AGILIO_E_NOSPC);
    agilio_put_bytes(&w, reason, strlen(reason));
    len = agilio_msg_end(&w, buf);
    CHECK(agilio_msg_send(&f.producer, buf, len) == 0);

    CHECK(agilio_msg_receive(&f.consumer, in, &msg, &r) == len);
    CHECK(agilio_from_le16(msg.flags)
          == (AGILIO_MSG_F_REPLY | AGILIO_MSG_F_ERROR));
    CHECK(agilio_from_le32(msg.id) == 9);
    CHECK(agilio_get_u32(&r) == AGILIO_E_NOSPC);
    left = (size_t) (r.end - r.p);
    CHECK(left == strlen(reason));
    CHECK(!memcmp(agilio_get_bytes(&r, left), reason, left));
    CHECK(!r.bad);
    fixture_close(&f);
}

int
main(void)
{
    RUN(test_header_bytes);
    RUN(test_every_type);
    RUN(test_round_trip);
    RUN(test_truncated);
    RUN(test_no_room);
    RUN(test_huge_pieces);
    RUN(test_through_ring);
    RUN(test_ring_full);
    RUN(test_bad_length);
    RUN(test_error_reply);
    return summary();
}
