/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - words of a key, cut out and hashed.
 *
 * Both tables look at a key in the same way: take some of its 64-bit words,
 * only some bits of each, hash them, and compare all of them where the hash
 * leads.  A struct agl_select says which words and bits; agl_select_key() cuts
 * and hashes in one pass.
 *
 * The hash takes one 64 x 64 -> 128 bit multiplication per word and folds the
 * product's halves together: the "mum" step of Vladimir Makarov's mum-hash and
 * of Wang Yi's wyhash.  It is no cryptographic hash.  Each table starts it
 * from a random number of its own, so that somebody who chooses the packets
 * still cannot choose which of them share a bucket, and a collision is never
 * more than a lost moment: no table trusts a hash without comparing the words.
 *
 * Needs a compiler with a 128-bit integer, that is, a 64-bit machine.
 */

#ifndef AGL_HASH_H
#define AGL_HASH_H 1

#include "agilio/abi.h"

/* The environment gives random numbers that nobody outside can guess. */
uint64_t agl_env_random(void);

/* Some bits of some words of a key. */
struct agl_select {
    uint32_t n;                         /* Words. */
    uint8_t index[AGILIO_KEY_WORDS];    /* Where in the key each one is. */
    uint64_t bits[AGILIO_KEY_WORDS];    /* And which of its bits count. */
};

static inline void
agl_select_add(struct agl_select *select, unsigned int index, uint64_t bits)
{
    select->index[select->n] = (uint8_t) index;
    select->bits[select->n] = bits;
    select->n++;
}

/* Word 'index' of 'key', its bytes in the order of memory. */
static inline uint64_t
agl_key_word(const struct agilio_key *key, unsigned int index)
{
    uint64_t word;

    memcpy(&word, (const uint8_t *) key + index * sizeof word, sizeof word);
    return word;
}

/* Takes one more word into 'hash', which began as a random number. */
static inline uint64_t
agl_hash_add(uint64_t hash, uint64_t word)
{
    /* Odd, with its ones evenly spread: the golden ratio's fraction. */
    unsigned __int128 product = (unsigned __int128) (hash ^ word)
                                * UINT64_C(0x9e3779b97f4a7c15);

    return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static inline uint32_t
agl_hash_finish(uint64_t hash)
{
    return (uint32_t) (hash ^ hash >> 32);
}

static inline uint32_t
agl_hash_words(const uint64_t words[], uint32_t n, uint64_t seed)
{
    uint64_t hash = seed;

    for (uint32_t i = 0; i < n; i++) {
        hash = agl_hash_add(hash, words[i]);
    }
    return agl_hash_finish(hash);
}

/* Puts what 'select' takes from 'key' into 'words', select->n of them, and
 * returns the same as agl_hash_words() does for these. */
static inline uint32_t
agl_select_key(const struct agl_select *select, const struct agilio_key *key,
               uint64_t seed, uint64_t words[])
{
    uint64_t hash = seed;

    for (uint32_t i = 0; i < select->n; i++) {
        words[i] = agl_key_word(key, select->index[i]) & select->bits[i];
        hash = agl_hash_add(hash, words[i]);
    }
    return agl_hash_finish(hash);
}

static inline bool
agl_words_equal(const uint64_t a[], const uint64_t b[], uint32_t n)
{
    uint64_t differ = 0;

    for (uint32_t i = 0; i < n; i++) {
        differ |= a[i] ^ b[i];
    }
    return !differ;
}

#endif /* table/hash.h */
