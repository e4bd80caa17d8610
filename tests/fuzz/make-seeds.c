/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make-seeds.c - something for a fuzzer to begin with.
 *
 *     make-seeds DIRECTORY
 *
 * makes a folder for each target in DIRECTORY, with inputs that are random
 * operations on the frames of tests/agilio/frames.h.
 */

#include "frames.h"
#include "fuzz.h"

#include <sys/stat.h>

#define N_SEEDS 128             /* Of each target. */
#define MAX_OPS 12
#define MAX_OPERANDS 256

static uint8_t seed[MAX_OPS * (MAX_OPERANDS + FRAME_MAX)];
static size_t seed_len;

static void
put(const void *bytes, size_t n)
{
    memcpy(seed + seed_len, bytes, n);
    seed_len += n;
}

static void
put_random(size_t n)
{
    while (n--) {
        uint8_t byte = frame_random_byte();

        put(&byte, 1);
    }
}

static void
put_frame(void)
{
    uint8_t frame[FRAME_MAX];

    put(frame, frame_decode(frames[frame_random(N_FRAMES)].hex, frame));
}

/* An operation: some bytes, a frame, or both. */
static void
put_operation(uint8_t number)
{
    size_t begin = seed_len;
    uint32_t what = frame_random(3);
    uint16_t n;

    put(&number, sizeof number);
    put("", 1);
    put("", 1);
    put_random(what ? frame_random(MAX_OPERANDS) : 1);
    if (what < 2) {
        put_frame();
    }
    n = (uint16_t) (seed_len - begin - 3);
    seed[begin + 1] = (uint8_t) n;
    seed[begin + 2] = (uint8_t) (n >> 8);
}

static void
make(const char *target)
{
    uint32_t n_ops = 1 + frame_random(MAX_OPS - 1);

    seed_len = 0;
    if (!strcmp(target, "programs")) {
        put_operation(frame_random_byte());
        put_frame();
        return;
    }
    while (n_ops--) {
        /* Each operation, and then the one that has the NIC take notice. */
        put_operation((uint8_t) frame_random(16));
        put_operation((uint8_t) frame_random(4));
    }
}

static void
save(const char *directory, const char *target, int number)
{
    char name[512];
    FILE *f;

    snprintf(name, sizeof name, "%s/%s", directory, target);
    mkdir(name, 0777);
    snprintf(name, sizeof name, "%s/%s/seed-%d", directory, target, number);
    f = fopen(name, "wb");
    if (!f || fwrite(seed, seed_len, 1, f) != 1 || fclose(f)) {
        perror(name);
        exit(EXIT_FAILURE);
    }
}

int
main(int argc, char *argv[])
{
    static const char *const targets[] = {
#define FUZZ_TARGET_NAME(NAME, HELP) #NAME,
        FUZZ_TARGETS(FUZZ_TARGET_NAME)
#undef FUZZ_TARGET_NAME
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return EXIT_FAILURE;
    }
    mkdir(argv[1], 0777);
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(targets); i++) {
        for (int j = 0; j < N_SEEDS; j++) {
            make(targets[i]);
            save(argv[1], targets[i], j);
        }
    }
    return EXIT_SUCCESS;
}
