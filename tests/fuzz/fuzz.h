/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is a function of this folder that takes any bytes, does with them
 * what its file's head says, and aborts if that goes wrong.  libfuzzer.c makes
 * a program of libFuzzer out of one ("make check-fuzz"), run-corpus.c runs all
 * of them on the inputs in corpus/ ("make check").
 *
 * The bytes are a list of operations with operands.  An operation that wants
 * more bytes than it has gets zeros: so every input means something, and a
 * shorter one is most often a simpler one.
 */

#ifndef FUZZ_H
#define FUZZ_H 1

#include "agilio/abi.h"

/* Name, what it is about. */
#define FUZZ_TARGETS(TARGET)                                        \
    TARGET(frames, "flows and frames through the NIC")              \
    TARGET(control, "requests to the NIC")                          \
    TARGET(rings, "a host that writes what it likes")               \
    TARGET(vf, "a guest that writes what it likes")                 \
    TARGET(host, "a NIC that writes what it likes, for lib/")       \
    TARGET(programs, "programs on frames")

#define FUZZ_TARGET_FUNCTION(NAME, HELP) \
    void fuzz_##NAME(const uint8_t *data, size_t size);
FUZZ_TARGETS(FUZZ_TARGET_FUNCTION)
#undef FUZZ_TARGET_FUNCTION

/* Ends the program, with a line that says where, if COND is false. */
#define FUZZ_MUST(COND) fuzz_must(COND, #COND, __FILE__, __LINE__)
void fuzz_must(bool ok, const char *cond, const char *file, int line);

/* ## What is left of the input. ## */

struct fuzz_input {
    const uint8_t *p, *end;
};

static inline size_t
fuzz_left(const struct fuzz_input *in)
{
    return (size_t) (in->end - in->p);
}

static inline uint64_t
fuzz_uint(struct fuzz_input *in, uint32_t n_bytes)
{
    uint64_t x = 0;

    for (uint32_t i = 0; i < n_bytes && in->p < in->end; i++) {
        x |= (uint64_t) *in->p++ << (8 * i);
    }
    return x;
}

static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
    return (uint8_t) fuzz_uint(in, 1);
}

static inline uint16_t
fuzz_u16(struct fuzz_input *in)
{
    return (uint16_t) fuzz_uint(in, 2);
}

static inline uint32_t
fuzz_u32(struct fuzz_input *in)
{
    return (uint32_t) fuzz_uint(in, 4);
}

static inline uint64_t
fuzz_u64(struct fuzz_input *in)
{
    return fuzz_uint(in, 8);
}

/* Takes 'n' bytes, or as many as there are; returns how many. */
static inline uint32_t
fuzz_bytes(struct fuzz_input *in, void *to, uint32_t n)
{
    if (n > fuzz_left(in)) {
        n = (uint32_t) fuzz_left(in);
    }
    if (n) {
        memcpy(to, in->p, n);
        in->p += n;
    }
    return n;
}

/* A length that a packet's record may claim: often one on an edge. */
static inline uint32_t
fuzz_claim(struct fuzz_input *in)
{
    static const uint32_t edges[] = {
        0, sizeof(struct agilio_desc) - 1, sizeof(struct agilio_desc),
        sizeof(struct agilio_desc) + 13, sizeof(struct agilio_desc) + 14,
        sizeof(struct agilio_desc) + AGILIO_MAX_FRAME,
        sizeof(struct agilio_desc) + AGILIO_MAX_FRAME + 1,
        AGILIO_MAX_RECORD, AGILIO_MAX_RECORD + 1, UINT32_MAX,
    };
    uint32_t choice = fuzz_u8(in);

    return choice < 192 ? edges[choice % AGILIO_ARRAY_SIZE(edges)]
           : fuzz_u16(in);
}

/* An operation: its number, how many bytes of operands (16 bits), those.
 * False if there is none left. */
static inline bool
fuzz_operation(struct fuzz_input *in, uint8_t *number,
               struct fuzz_input *operands)
{
    uint32_t n;

    if (in->p == in->end) {
        return false;
    }
    *number = fuzz_u8(in);
    n = fuzz_u16(in);
    operands->p = in->p;
    in->p += n < fuzz_left(in) ? n : fuzz_left(in);
    operands->end = in->p;
    return true;
}

/* Makes the operations of 'ops' that the input is, but not more than 'max'. */
typedef void fuzz_op(struct fuzz_input *operands);
static inline void
fuzz_operate(struct fuzz_input *in, fuzz_op *const ops[], size_t n_ops,
             uint32_t max)
{
    struct fuzz_input operands;
    uint8_t number;

    while (max-- && fuzz_operation(in, &number, &operands)) {
        ops[number % n_ops](&operands);
    }
}

#endif /* fuzz.h */
