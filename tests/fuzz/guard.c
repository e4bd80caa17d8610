/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c - see guard.h. */

#include "guard.h"

#include "fuzz.h"
#include "pkt/parse.h"

#if defined __SANITIZE_ADDRESS__
#define ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif

#ifdef ASAN
#include <sanitizer/asan_interface.h>
#define POISON(P, N) __asan_poison_memory_region(P, N)
#define UNPOISON(P, N) __asan_unpoison_memory_region(P, N)
#else
#define POISON(P, N) ((void) (P), (void) (N))
#define UNPOISON(P, N) ((void) (P), (void) (N))
#endif

#define MAX_OUT 256

static struct out {
    const struct agl_pkt *pkt;
    bool clone;
} out[MAX_OUT];
static uint32_t n_out;

static struct agilio_key keys[GUARD_KEYS];
static uint32_t n_keys;

static struct out *
find(const struct agl_pkt *pkt)
{
    for (uint32_t i = 0; i < n_out; i++) {
        if (out[i].pkt == pkt) {
            return &out[i];
        }
    }
    return NULL;
}

void
guard_reset(void *memory, size_t n)
{
    UNPOISON(memory, n);
    n_out = n_keys = 0;
    memset(keys, 0, sizeof keys);
}

void
guard_forbid(const void *p, size_t n)
{
    POISON(p, n);
}

uint32_t
guard_n_out(void)
{
    return n_out;
}

const struct agilio_key *
guard_key(uint32_t i)
{
    return &keys[(n_keys - 1 - i) % GUARD_KEYS];
}

static void
check_frame(const struct agl_pkt *pkt)
{
    const uint8_t *room_end = pkt->room + sizeof pkt->room;

    FUZZ_MUST(pkt->data >= pkt->room && pkt->data <= room_end);
    FUZZ_MUST(pkt->len <= (size_t) (room_end - pkt->data));
    FUZZ_MUST(pkt->md.tunnel.opts_len <= sizeof pkt->tun_opts);
}

void
guard_check(const struct agl_pkt *pkt)
{
    FUZZ_MUST(find(pkt));
    check_frame(pkt);
}

bool
guard_is_clone(const struct agl_pkt *pkt)
{
    FUZZ_MUST(find(pkt));
    return find(pkt)->clone;
}

void
guard_adopt(const struct agl_pkt *pkt)
{
    FUZZ_MUST(find(pkt));
    find(pkt)->clone = false;
}

/* ## ------------------------ ##
 * ## What the NIC calls instead ##
 * ## ------------------------ ## */

#define WRAP(RETURN, NAME, ...)                             \
    __typeof__(NAME) __real_##NAME, __wrap_##NAME;          \
    RETURN __wrap_##NAME(__VA_ARGS__)

static void
remember(const struct agl_pkt *pkt, bool clone)
{
    FUZZ_MUST(!find(pkt) && n_out < MAX_OUT);
    out[n_out++] = (struct out) { pkt, clone };
}

static void
forget(const struct agl_pkt *pkt)
{
    struct out *o = find(pkt);

    FUZZ_MUST(o);
    *o = out[--n_out];
}

/* Nobody may look behind the frame now. */
static void
poison_tail(struct agl_pkt *pkt)
{
    uint8_t *tail = pkt->data + pkt->len;

    POISON(tail, (size_t) (pkt->room + sizeof pkt->room - tail));
}

WRAP(struct agl_pkt *, agl_pkt_new, struct agl_pool *pool)
{
    struct agl_pkt *pkt;

    if (pool->free) {
        UNPOISON(pool->free, sizeof *pool->free);
    }
    pkt = __real_agl_pkt_new(pool);
    FUZZ_MUST(pool->n_free >= pool->n_reserved);
    if (pkt) {
        remember(pkt, false);
    }
    return pkt;
}

WRAP(struct agl_pkt *, agl_pkt_clone, struct agl_pool *pool,
     const struct agl_pkt *src)
{
    struct agl_pkt *pkt;

    FUZZ_MUST(pool->free && pool->n_reserved);
    guard_check(src);
    UNPOISON(pool->free, sizeof *pool->free);
    pkt = __real_agl_pkt_clone(pool, src);
    remember(pkt, true);
    poison_tail(pkt);
    return pkt;
}

WRAP(void, agl_pkt_free, struct agl_pool *pool, struct agl_pkt *pkt)
{
    const size_t after = offsetof(struct agl_pkt, next_free)
                         + sizeof pkt->next_free;

    forget(pkt);
    __real_agl_pkt_free(pool, pkt);
    POISON(pkt, offsetof(struct agl_pkt, next_free));
    POISON((uint8_t *) pkt + after, sizeof *pkt - after);
}

WRAP(void, agl_pkt_push, struct agl_pkt *pkt, uint32_t n)
{
    FUZZ_MUST(n <= agl_pkt_headroom(pkt));
    __real_agl_pkt_push(pkt, n);
    guard_check(pkt);
}

WRAP(void, agl_pkt_pull, struct agl_pkt *pkt, uint32_t n)
{
    FUZZ_MUST(n <= pkt->len);
    __real_agl_pkt_pull(pkt, n);
    guard_check(pkt);
}

WRAP(void, agl_parse, struct agl_pkt *pkt,
     const struct agl_parse_options *options, struct agilio_key *key)
{
    const uint16_t *const ofs[] = { &pkt->l2_5_ofs, &pkt->l3_ofs,
                                    &pkt->l4_ofs };
    uint32_t last = 0;

    check_frame(pkt);
    if (find(pkt)) {            /* No pool has what is traced. */
        poison_tail(pkt);
    }
    memset(key, 0xa5, sizeof *key);
    __real_agl_parse(pkt, options, key);
    keys[n_keys++ % GUARD_KEYS] = *key;
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(ofs); i++) {
        if (*ofs[i] != AGL_OFS_NONE) {
            FUZZ_MUST(*ofs[i] >= last && *ofs[i] <= pkt->len);
            last = *ofs[i];
        }
    }
    FUZZ_MUST(pkt->l4_ofs == AGL_OFS_NONE
              || pkt->l4_ofs + pkt->l4_len <= pkt->len);
    FUZZ_MUST(pkt->pad_len <= pkt->len);
}
