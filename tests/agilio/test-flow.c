/* SPDX-License-Identifier: Apache-2.0 */
/* test-flow.c - from a FLOW_PUT message to a flow (table/flow.c). */

#include "model.h"

#define PORT 5

static int
create(uint8_t *buf, size_t len, struct agl_flow **flow, const char **reason)
{
    uint8_t *copy = malloc(len ? len : 1);      /* Its end is guarded. */
    struct agilio_reader r = { .p = copy, .end = copy + len };
    int error;

    memcpy(copy, buf, len);
    *reason = NULL;
    error = agl_flow_create(&r, 1000, flow, reason);
    CHECK(!!error == !*flow);
    CHECK(!!error == !!*reason);
    free(copy);
    return error;
}

static void
test_create(void)
{
    struct match m = one_word(PORT, 11, 0x5000, 0xf000);
    struct agl_flow *flow;
    const char *reason;
    uint8_t buf[AGILIO_MAX_MSG];
    size_t len;

    /* Word 6 comes along with a mask of 0 and is left out. */
    len = put_body(buf, 999, 1 | 1 << 6 | 1 << 11, &m);
    CHECK(!create(buf, len, &flow, &reason));
    CHECK(flow->id == 999 && flow->program && !flow->stats);
    CHECK(flow->n_words == 2 && flow->map == (1 | 1 << 11));
    CHECK(flow->words[0] == PORT && flow->words[1] == 0x5000);
    CHECK(flow->words[2] == UINT64_MAX && flow->words[3] == 0xf000);
    agl_flow_destroy(flow);
    CHECK(!env_n_blocks);
}

/* Each of these makes one mistake. */
struct mistake {
    uint32_t id;
    uint64_t map;               /* On top of words 0 and 11. */
    int n_words;                /* To add to their number. */
    int n_bytes;                /* To add to the message. */
    uint64_t port_mask;
    uint64_t key;               /* Of word 11; its mask is 0xf000. */
    int error;
};

/* Returns the reason that is given for 'mistake', "" if there is none. */
static const char *
make_mistake(const struct mistake *mistake)
{
    struct match m = one_word(PORT & mistake->port_mask, 11, 0, 0xf000);
    uint64_t map = 1 | 1 << 11 | mistake->map;
    uint8_t buf[AGILIO_MAX_MSG] = { 0 };
    struct agl_flow *flow;
    const char *reason;
    size_t len;

    m.key[11] = mistake->key;
    m.mask[0] = mistake->port_mask;
    len = put_body(buf, mistake->id, map, &m);
    buf[4] = (uint8_t) (2 + mistake->n_words);
    CHECK(create(buf, len + mistake->n_bytes, &flow, &reason)
          == mistake->error);
    agl_flow_destroy(flow);
    return reason ? reason : "";
}

static void
test_create_mistakes(void)
{
    static const struct mistake mistakes[] = {
        { 0, 0, 0, 0, UINT64_MAX, 0x5000, 0 },
        { 1000, 0, 0, 0, UINT64_MAX, 0x5000, AGILIO_E_INVAL },
        { 0, 1 << 17, 0, 0, UINT64_MAX, 0x5000, AGILIO_E_INVAL },
        { 0, UINT64_C(1) << 63, 0, 0, UINT64_MAX, 0x5000, AGILIO_E_INVAL },
        { 0, 0, 1, 0, UINT64_MAX, 0x5000, AGILIO_E_INVAL },
        { 0, 0, -1, 0, UINT64_MAX, 0x5000, AGILIO_E_INVAL },
        { 0, 0, 0, -1, UINT64_MAX, 0x5000, AGILIO_E_PROTO },
        { 0, 0, 0, -33, UINT64_MAX, 0x5000, AGILIO_E_PROTO },
        { 0, 0, 0, 1, UINT64_MAX, 0x5000, AGILIO_E_PROTO },
        { 0, 0, 0, 0, UINT64_MAX - 4, 0x5000, AGILIO_E_INVAL },
        { 0, 0, 0, 0, UINT64_MAX / 2, 0x5000, AGILIO_E_INVAL },
        { 0, 0, 0, 0, UINT64_MAX, 0x5001, AGILIO_E_INVAL },
    };
    const char *reasons[AGILIO_ARRAY_SIZE(mistakes)];
    int n_reasons = 0;

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(mistakes); i++) {
        bool is_new = i > 0;

        reasons[i] = make_mistake(&mistakes[i]);
        for (size_t j = 1; j < i; j++) {
            is_new = is_new && strcmp(reasons[i], reasons[j]);
        }
        n_reasons += is_new;
    }
    /* Two rows each are about the map and the number of words. */
    CHECK(n_reasons == 9);
    CHECK(!env_n_blocks);
}

static void
test_create_no_word_0(void)
{
    struct match m = one_word(PORT, 11, 0, 0xf000);
    struct agl_flow *flow;
    const char *reason;
    uint8_t buf[AGILIO_MAX_MSG];

    CHECK(create(buf, put_body(buf, 0, 1 << 11, &m), &flow, &reason)
          == AGILIO_E_INVAL);
    CHECK(create(buf, put_body(buf, 0, 0, &m), &flow, &reason)
          == AGILIO_E_INVAL);
    CHECK(!env_n_blocks);
}

/* Whatever the bytes are: an answer, nothing read beyond them, no leak. */
static void
test_create_hostile(void)
{
    struct match m = one_word(PORT, 11, 0x5000, 0xf000);
    struct agl_flow *flow;
    const char *reason;
    uint8_t buf[AGILIO_MAX_MSG];
    size_t len = put_body(buf, 0, 1 | 1 << 11, &m);

    for (size_t n = 0; n < len; n++) {
        CHECK(create(buf, n, &flow, &reason) == AGILIO_E_PROTO);
    }
    for (int i = 0; i < 20000; i++) {
        len = put_body(buf, 0, 1 | 1 << 11, &m);
        for (uint32_t n = model_random(4); n; n--) {
            buf[model_random((uint32_t) len)] = (uint8_t) model_random(256);
        }
        create(buf, len - !model_random(4), &flow, &reason);
        agl_flow_destroy(flow);
    }
    CHECK(!env_n_blocks);
}

static void
test_create_no_memory(void)
{
    struct match m = one_word(PORT, 11, 0x5000, 0xf000);
    struct agl_flow *flow = NULL;
    const char *reason;
    uint8_t buf[AGILIO_MAX_MSG];
    size_t len = put_body(buf, 0, 1 | 1 << 11, &m);
    unsigned int n;

    for (n = 1; !flow; n++) {
        int error;

        env_fail_at = n;
        error = create(buf, len, &flow, &reason);
        CHECK(error == (flow ? 0 : AGILIO_E_NOBUFS));
        CHECK(flow || !env_n_blocks);
    }
    CHECK(n > 2);
    env_fail_at = 0;
    agl_flow_destroy(flow);
}

int
main(void)
{
    RUN(test_create);
    RUN(test_create_mistakes);
    RUN(test_create_no_word_0);
    RUN(test_create_hostile);
    RUN(test_create_no_memory);
    return summary();
}
