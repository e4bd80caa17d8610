/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker-vector.c - lookup of frames of the common shapes in vectors of 64
 * bytes, by CPUs that have such (AVX-512 and VAES).
 *
 * Such a frame's headers fit into one vector.  It is compared with what frames
 * of the shape have in common: packets of a burst mostly have the shape of the
 * one before.  One permutation then puts all that the policy looks at where it
 * is in the key, whose words are the same as without vectors; its hash is
 * another, of rounds of AES with a secret of the tracker's own.  Which shapes
 * can be treated so is told when the interest changes, and then all their keys
 * are made here.
 *
 * The worker calls, by tracker.c.
 */

#include "table/tracker-private.h"

#if AGL_HAVE_VECTORS
#include <cpuid.h>
#include <immintrin.h>

#define VECTOR_TARGET \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,"       \
                          "vaes,aes,bmi,bmi2")))

/* Whether the system keeps the registers of vectors of 64 bytes. */
static bool
system_has_vectors(void)
{
    const uint32_t states = 0xe6;       /* SSE, AVX, and AVX-512's three. */
    uint32_t low, high;

    __asm__ ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
    return (low & states) == states;
}

bool
agl_key_vectors_are_supported(void)
{
    const uint32_t ecx_1 = bit_OSXSAVE | bit_AES;
    const uint32_t ebx_7 = (bit_AVX512F | bit_AVX512BW | bit_AVX512VL
                            | bit_BMI | bit_BMI2);
    const uint32_t ecx_7 = bit_AVX512VBMI | bit_VAES;
    uint32_t a, b, c, d;

    return (__get_cpuid(1, &a, &b, &c, &d) && (c & ecx_1) == ecx_1
            && __get_cpuid_count(7, 0, &a, &b, &c, &d)
            && (b & ebx_7) == ebx_7 && (c & ecx_7) == ecx_7
            && system_has_vectors());
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
    return (AGILIO_LIKELY(pkt->len >= 64) ? _mm512_loadu_si512(pkt->data)
            : _mm512_maskz_loadu_epi8(_bzhi_u64(UINT64_MAX, pkt->len),
                                      pkt->data));
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

    return (AGILIO_LIKELY(!_mm512_test_epi64_mask(differ, differ))
            && AGILIO_LIKELY(!pkt->n_recirc)
            && AGILIO_LIKELY(agl_shape_test_lengths(&v->test, pkt)));
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

/* Makes the words of a key, and what else a hit may need of it. */
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
    tk->shape = v->shape;
    tk->tunnelled.shape = AGL_SHAPE_NONE;
}

/* The vector for a packet whose shape is not that of the one before.  NULL if
 * its key cannot be made so, and then makes it. */
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
    }
    return NULL;
}

/* First stage: makes the words of keys.  In 'vs' NULL is for those keys that
 * are whole already, if there are any. */
static inline VECTOR_TARGET void
make_keys(const struct agl_key_maker *m, struct agl_pkt *const pkts[],
          uint32_t n, const struct agl_parse_options *options,
          struct agl_traversal ts[], const struct agl_key_vector *vs[])
{
    const struct agl_key_vector *usual = &m->vectors[AGL_SHAPE_SOME], *v;

    for (uint32_t i = 0; i < n; i++) {
        struct agl_tracker_key *tk = &ts[i].tk;
        __m512i head = load_head(pkts[i]);

        v = usual;
        if (AGILIO_UNLIKELY(!has_shape(v, head, pkts[i]))) {
            v = find_vector(m, pkts[i], options, tk);
            usual = v ? v : usual;
        }
        if (AGILIO_UNLIKELY(v && agl_key_maker_tunnelled(
                                m, v->shape, pkts[i], options, tk))) {
            v = NULL;
        }
        if (AGILIO_LIKELY(v != NULL)) {
            make_words(v, head, pkts[i], tk);
        }
        vs[i] = v;
    }
}

/* Whether an entry has a key, the first words of which are a vector's. */
static inline VECTOR_TARGET bool
has_words(const struct agl_tracker *t, const struct entry *entry,
          const struct agl_tracker_key *tk, uint32_t n)
{
    /* No more than the key: the CPU may still be storing what is around. */
    __m256i key = _mm256_loadu_si256((const __m256i *)
                                     (const void *) entry->key);
    __m256i words = _mm256_load_si256((const __m256i *)
                                      (const void *) tk->words);

    AGILIO_ASSERT(AGL_KEY_HEAD == 5);
    return (!_mm256_cmpneq_epi64_mask(key, words)
            && entry->key[4] == tk->words[4]
            && (n <= AGL_KEY_HEAD
                || agl_words_equal(rest_of_key(t, place_of(t, entry)),
                                   tk->words + AGL_KEY_HEAD,
                                   n - AGL_KEY_HEAD)));
}

/* The same as find_tag(). */
static inline VECTOR_TARGET uint32_t
find_tag_vector(const struct bucket *bucket, uint32_t tag)
{
    return _mm_cmpeq_epi16_mask(
        _mm_loadu_si128((const __m128i *) (const void *) bucket->tags),
        _mm_set1_epi16((int16_t) tag));
}

/* Fills in the path of one flow which is all that a packet meets, as most do;
 * false if it is another, or not known. */
static inline bool
hit_plain(const struct agl_flow_table *flows, struct entry *entry,
          uint32_t length, uint64_t now, struct agl_path *path)
{
    struct agl_flow *flow = flow_of(flows, &entry->flow);

    if (AGILIO_UNLIKELY(length != (1 | PLAIN) || !flow)) {
        return false;
    }
    entry->used = now;
    entry->packets++;
    path->n = 1;
    path->plain = true;
    path->flows[0] = flow;
    return true;
}

/* Stages, each for all packets: what one waits for the others do not. */
VECTOR_TARGET void
agl_tracker_lookup_vectors(const struct agl_tracker *t,
                           const struct agl_flow_table *flows,
                           struct agl_pkt *const pkts[], uint32_t n,
                           const struct agl_parse_options *options,
                           uint64_t now, struct agl_traversal ts[])
{
    const struct agl_key_vector *vs[AGL_BURST], *v;
    const struct bucket *buckets[AGL_BURST];
    struct entry *entries[AGL_BURST];
    uint32_t hashes[AGL_BURST], i;
    uint8_t lengths[AGL_BURST];

    make_keys(&t->keys, pkts, n, options, ts, vs);
    for (i = 0; i < n; i++) {
        const struct agl_tracker_key *tk = &ts[i].tk;

        hashes[i] = (AGILIO_LIKELY(vs[i] != NULL)
                     ? hash_key(vs[i], _mm512_load_si512(tk->words))
                     : tk->hash);
        buckets[i] = bucket_of(t, hashes[i]);
        __builtin_prefetch(buckets[i]);
    }
    for (i = 0; i < n; i++) {
        const struct agl_tracker_key *tk = &ts[i].tk;
        uint32_t tag, n_words;

        v = vs[i];
        if (AGILIO_LIKELY(v != NULL)) {
            tag = agl_key_tag(hashes[i], v->shape);
            n_words = v->n;
        } else if (tk->shape) {
            tag = tk->tag;
            n_words = tk->n;
        } else {
            entries[i] = NULL;
            continue;
        }
        entries[i] = likely_entry(t, buckets[i],
                                  find_tag_vector(buckets[i], tag), n_words,
                                  &lengths[i]);
    }
    for (i = 0; i < n; i++) {
        struct agl_tracker_key *tk = &ts[i].tk;
        struct agl_path *path = &ts[i].path;
        bool has_entry;

        v = vs[i];
        path->n = 0;
        has_entry = (entries[i]
                     && has_words(t, entries[i], tk, v ? v->n : tk->n));
        if (AGILIO_LIKELY(has_entry && hit_plain(flows, entries[i],
                                                 lengths[i], now, path))) {
            continue;
        }
        if (has_entry) {
            hit(t, flows, entries[i], lengths[i], now, path);
        }
        if (v) {                /* It may yet be learned. */
            tk->n = v->n;
            agl_key_maker_set_hash(&t->keys, tk, hashes[i], v->shape);
        }
    }
}
#endif /* AGL_HAVE_VECTORS */
