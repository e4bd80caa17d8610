/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */
/*
 * platform.h - what the compiler and the environment must give.
 *
 * Floor 0.  The NIC core, ovs-vswitchd and agilio.ko all compile this file, so
 * it names the few things in which they differ: fixed-width types, byte order,
 * acquire/release accesses to memory that another party writes, and memcpy().
 *
 * Wire types: `agilio_leN' for headers and metadata (little-endian),
 * `agilio_beN' for what is shaped like a packet (network order).  They are
 * distinct types to sparse and plain integers to the compiler.
 */

#ifndef AGILIO_PLATFORM_H
#define AGILIO_PLATFORM_H 1

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/string.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <asm/barrier.h>
#ifndef UINT32_C
#define UINT32_C(X) X##U
#endif
#ifndef UINT64_C
#define UINT64_C(X) X##ULL
#endif
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

#ifdef __CHECKER__
#define AGILIO_BITWISE __attribute__((bitwise))
#define AGILIO_FORCE __attribute__((force))
#else
#define AGILIO_BITWISE
#define AGILIO_FORCE
#endif

typedef uint16_t AGILIO_BITWISE agilio_le16;
typedef uint32_t AGILIO_BITWISE agilio_le32;
typedef uint64_t AGILIO_BITWISE agilio_le64;
typedef uint16_t AGILIO_BITWISE agilio_be16;
typedef uint32_t AGILIO_BITWISE agilio_be32;
typedef uint64_t AGILIO_BITWISE agilio_be64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define AGILIO_LE16__(X) (X)
#define AGILIO_LE32__(X) (X)
#define AGILIO_LE64__(X) (X)
#define AGILIO_BE16__(X) __builtin_bswap16(X)
#define AGILIO_BE32__(X) __builtin_bswap32(X)
#define AGILIO_BE64__(X) __builtin_bswap64(X)
#else
#define AGILIO_LE16__(X) __builtin_bswap16(X)
#define AGILIO_LE32__(X) __builtin_bswap32(X)
#define AGILIO_LE64__(X) __builtin_bswap64(X)
#define AGILIO_BE16__(X) (X)
#define AGILIO_BE32__(X) (X)
#define AGILIO_BE64__(X) (X)
#endif

/* agilio_to_le32(5) is 5 on the wire; agilio_from_le32() is the way back. */
#define AGILIO_WIRE_TYPE(NAME, BITS, SWAP)                                  \
    static inline agilio_##NAME                                             \
    agilio_to_##NAME(uint##BITS##_t x)                                      \
    {                                                                       \
        return (AGILIO_FORCE agilio_##NAME) SWAP(x);                        \
    }                                                                       \
    static inline uint##BITS##_t                                            \
    agilio_from_##NAME(agilio_##NAME x)                                     \
    {                                                                       \
        return SWAP((AGILIO_FORCE uint##BITS##_t) x);                       \
    }
AGILIO_WIRE_TYPE(le16, 16, AGILIO_LE16__)
AGILIO_WIRE_TYPE(le32, 32, AGILIO_LE32__)
AGILIO_WIRE_TYPE(le64, 64, AGILIO_LE64__)
AGILIO_WIRE_TYPE(be16, 16, AGILIO_BE16__)
AGILIO_WIRE_TYPE(be32, 32, AGILIO_BE32__)
AGILIO_WIRE_TYPE(be64, 64, AGILIO_BE64__)

/* Accesses to memory that another party reads or writes at the same time.  To
 * a kernel it is another machine's, even if it has but one processor. */
#ifdef __KERNEL__
#define agilio_load_relaxed(P) READ_ONCE(*(P))
#define agilio_load_acquire(P) virt_load_acquire(P)
#define agilio_store_relaxed(P, V) WRITE_ONCE(*(P), V)
#define agilio_store_release(P, V) virt_store_release(P, V)
#define agilio_fence() virt_mb()
#else
#define agilio_load_relaxed(P) __atomic_load_n(P, __ATOMIC_RELAXED)
#define agilio_load_acquire(P) __atomic_load_n(P, __ATOMIC_ACQUIRE)
#define agilio_store_relaxed(P, V) __atomic_store_n(P, V, __ATOMIC_RELAXED)
#define agilio_store_release(P, V) __atomic_store_n(P, V, __ATOMIC_RELEASE)
#define agilio_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* In a loop that waits for another thread, which will not be long. */
#ifdef __x86_64__
#define agilio_relax() __builtin_ia32_pause()
#else
#define agilio_relax() agilio_fence()
#endif

#define AGILIO_ASSERT(EXPR) _Static_assert(EXPR, #EXPR)
#define AGILIO_ASSERT_SIZE(TYPE, SIZE) \
    _Static_assert(sizeof(TYPE) == (SIZE), "size of " #TYPE)
#define AGILIO_ASSERT_OFFSET(TYPE, MEMBER, OFFSET) \
    _Static_assert(offsetof(TYPE, MEMBER) == (OFFSET), \
                   "offset of " #TYPE "." #MEMBER)

#define AGILIO_ARRAY_SIZE(A) (sizeof (A) / sizeof (A)[0])
#define AGILIO_DIV_ROUND_UP(X, Y) (((X) + ((Y) - 1)) / (Y))
#define AGILIO_ROUND_UP(X, Y) (AGILIO_DIV_ROUND_UP(X, Y) * (Y))
#define AGILIO_CACHE_LINE 64

#define AGILIO_LIKELY(X) __builtin_expect(!!(X), 1)
#define AGILIO_UNLIKELY(X) __builtin_expect(!!(X), 0)

#endif /* agilio/platform.h */
