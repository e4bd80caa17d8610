/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker-vector.c - keys of frames of the common shapes, made in vectors of
 * 64 bytes, by CPUs that have such (AVX-512 and VAES).
 *
 * Such a frame's headers fit into one vector.  It is compared with what frames
 * of the shape have in common: packets of a burst mostly have the shape of the
 * one before.  One permutation then puts all that the policy looks at where it
 * is in the key, whose words are the same as without vectors; its hash is
 * another, of rounds of AES with a secret of the tracker's own.  Which shapes
 * can be treated so is told when the interest changes, and then all their keys
 * are made here.
 *
 * The worker calls, by tracker-key.c.
 */

#include "table/tracker-key.h"

#if AGL_HAVE_VECTORS
#include <immintrin.h>

#define NO_HASH 0               /* No tag: it is not set yet. */

#define VECTOR_TARGET \
    __attribute__((target("avx512f,avx512bw,avx512vbmi,vaes,aes,bmi2")))

bool
agl_key_vectors_are_supported(void)
{
    return (__builtin_cpu_supports("avx512f")
            && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512vbmi")
            && __builtin_cpu_supports("vaes")
            && __builtin_cpu_supports("aes")
            && __builtin_cpu_supports("bmi2"));
}

void
agl_key_vector_init(struct agl_key_vector *v, uint32_t shape,
                    const struct agl_shape_select *select)
{
    agl_shape_test_init(&v->test, shape);
    v->shape = shape;
    memset(v->from, 0, sizeof v->from);
    memset(v->bits, 0, sizeof v->bits);
    v->n = 0;
    if (select->n >= sizeof v->bits / 8) {
        return;
    }
    for (uint32_t i = 0; i < select->n; i++) {
        uint32_t first = (1 + i) * 8;

        if (select->ofs[i] + 8 > sizeof v->bits) {
            return;
        }
        for (uint32_t j = 0; j < 8; j++) {
            v->from[first + j] = (uint8_t) (select->ofs[i] + j);
        }
        memcpy(&v->bits[first], &select->bits[i], 8);
    }
    v->n = 1 + select->n;
}

/* The first 64 bytes of a frame; zeros behind a shorter one. */
static inline VECTOR_TARGET __m512i
load_head(const struct agl_pkt *pkt)
{
    uint32_t len = pkt->len < 64 ? pkt->len : 64;

    return _mm512_maskz_loadu_epi8(_bzhi_u64(UINT64_MAX, len), pkt->data);
}

/* Whether a packet, on its first pass, has the shape of 'v'; then sets its TCP
 * flags. */
static inline VECTOR_TARGET bool
has_shape(const struct agl_key_vector *v, __m512i head, struct agl_pkt *pkt)
{
    /* 0x28: (head ^ value) & bits. */
    __m512i differ = _mm512_ternarylogic_epi64(
        head, _mm512_load_si512(v->test.value),
        _mm512_load_si512(v->test.bits), 0x28);

    return (!_mm512_test_epi64_mask(differ, differ) && !pkt->n_recirc
            && agl_shape_test_lengths(&v->test, pkt));
}

/* The hash of a key: each 16 bytes take two rounds of AES, after which each
 * bit of them depends on all; what comes of them is folded, and takes two
 * more. */
static inline VECTOR_TARGET uint32_t
hash_key(const struct agl_key_vector *v, __m512i words)
{
    __m512i secret = _mm512_load_si512(v->secret);
    __m128i end = _mm512_castsi512_si128(secret), x;
    __m256i half;

    words = _mm512_xor_si512(words, secret);
    words = _mm512_aesenc_epi128(words, secret);
    words = _mm512_aesenc_epi128(words, secret);
    half = _mm256_xor_si256(_mm512_castsi512_si256(words),
                            _mm512_extracti64x4_epi64(words, 1));
    x = _mm_xor_si128(_mm256_castsi256_si128(half),
                      _mm256_extracti128_si256(half, 1));
    x = _mm_aesenc_si128(_mm_aesenc_si128(x, end), end);
    return (uint32_t) _mm_cvtsi128_si32(x);
}

/* Makes the words of a key. */
static inline VECTOR_TARGET void
make_words(const struct agl_key_vector *v, __m512i head,
           const struct agl_pkt *pkt, struct agl_tracker_key *tk)
{
    __m512i words = _mm512_and_si512(
        _mm512_permutexvar_epi8(_mm512_load_si512(v->from), head),
        _mm512_load_si512(v->bits));

    words = _mm512_mask_set1_epi64(words, 1,
                                   agilio_from_le32(pkt->md.in_port));
    _mm512_store_si512(tk->words, words);
    tk->n = v->n;
    tk->shape = v->shape;
    tk->tunnelled.shape = AGL_SHAPE_NONE;
    tk->tag = NO_HASH;
}

/* The vector for a packet; NULL if its key cannot be made so, and then makes
 * it. */
static VECTOR_TARGET const struct agl_key_vector *
find_vector(const struct agl_key_maker *m, struct agl_pkt *pkt,
            const struct agl_parse_options *options,
            struct agl_tracker_key *tk)
{
    uint32_t shape = agl_shape_of(pkt, options);

    if (m->vectors[shape].n && !pkt->n_recirc) {
        return &m->vectors[shape];
    } else if (!agl_key_maker_shape(m, shape, pkt, options, tk)) {
        tk->shape = AGL_SHAPE_NONE;
        tk->tag = AGL_KIND_PARSED;
    }
    return NULL;
}

VECTOR_TARGET void
agl_key_maker_vectors(const struct agl_key_maker *m,
                      struct agl_pkt *const pkts[], uint32_t n,
                      const struct agl_parse_options *options,
                      struct agl_traversal ts[])
{
    const struct agl_key_vector *usual = &m->vectors[AGL_SHAPE_SOME], *v;
    struct agl_tracker_key *tk;
    uint32_t i;

    for (i = 0; i < n; i++) {
        __m512i head = load_head(pkts[i]);

        tk = &ts[i].tk;
        v = usual;
        if (AGILIO_UNLIKELY(!has_shape(v, head, pkts[i]))) {
            v = find_vector(m, pkts[i], options, tk);
            if (!v) {
                continue;
            }
            usual = v;
        }
        if (!agl_key_maker_tunnelled(m, v->shape, pkts[i], options, tk)) {
            make_words(v, head, pkts[i], tk);
        }
    }
    /* Hashes take long, but many can be in the making. */
    for (i = 0; i < n; i++) {
        tk = &ts[i].tk;
        if (AGILIO_LIKELY(tk->tag == NO_HASH)) {
            v = &m->vectors[tk->shape];
            agl_key_maker_set_hash(m, tk, hash_key(
                v, _mm512_load_si512(tk->words)), tk->shape);
        }
    }
}
#endif /* AGL_HAVE_VECTORS */
