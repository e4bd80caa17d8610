/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-frames.c - random frames for test-differential.
 *
 * They grow out of the frames of frames.h, so what is added there is seen
 * here.  All randomness of the test is this file's: a run is its seed.
 */

#include <config.h>

#include "differential.h"

#include "packets.h"
#include "util.h"

#include "frames.h"

#define MAX_BASE 1600           /* frame_mutate() adds up to 52 bytes. */

static struct diff_frame bases[N_FRAMES];

void
diff_seed(uint64_t seed)
{
    /* Neighbouring seeds have little in common (the mixer is splitmix64). */
    seed += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
    frame_seed = (seed ^ seed >> 31) | 1;
}

uint32_t
diff_random(uint32_t range)
{
    return frame_random(range);
}

void
diff_frames_start(void)
{
    for (size_t i = 0; i < N_FRAMES; i++) {
        bases[i].len = frame_decode(frames[i].hex, bases[i].bytes);
    }
}

static void
copy(struct diff_frame *dst, const struct diff_frame *src)
{
    dst->len = src->len;
    memcpy(dst->bytes, src->bytes, src->len);
}

/* Words of zeros and ones, where checksums may meet them. */
static void
plant_words(struct diff_frame *frame)
{
    for (uint32_t i = frame_random(6); frame->len > 32 && i; i--) {
        size_t ofs = 14 + 2 * frame_random((frame->len - 16) / 2);

        memset(frame->bytes + ofs, frame_random(2) ? 0xff : 0, 2);
    }
}

static void
pad(struct diff_frame *frame)
{
    uint32_t n = frame->len + frame_random(MAX_BASE - frame->len);

    while (frame->len < n) {
        frame->bytes[frame->len++] = frame_random_byte();
    }
}

/* Random bytes, or all zeros or ones. */
void
diff_random_field(void *p, size_t n)
{
    uint32_t kind = frame_random(4);

    for (size_t i = 0; i < n; i++) {
        ((uint8_t *) p)[i] = kind == 0 ? 0
                             : kind == 1 ? 0xff : frame_random(256);
    }
}

void
diff_frame_any(struct diff_frame *frame)
{
    copy(frame, &bases[frame_random(N_FRAMES)]);
    while (frame_random(2)) {
        if (!frame_random(8)) {
            frame->len = frame_mutate(frame->bytes, frame->len);
        }
        diff_encap(frame, MAX_BASE);
    }
    switch (frame_random(8)) {
    case 0:
    case 1:
        frame->len = frame_mutate(frame->bytes, frame->len);
        break;
    case 2:
        plant_words(frame);
        break;
    case 3:
        if (!frame_random(4)) {
            pad(frame);
        }
        break;
    }
}

void
diff_frame_like(struct diff_frame *frame, const struct diff_frame *base)
{
    copy(frame, base);
    switch (frame_random(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (frame->len <= MAX_BASE) {
            frame->len = frame_mutate(frame->bytes, frame->len);
        }
        break;
    case 4:
    case 5:
        frame->bytes[frame_random(frame->len)] ^= 1u << frame_random(8);
        break;
    case 6:
        frame->len = 1 + frame_random(frame->len);
        break;
    case 7:
        plant_words(frame);
        break;
    case 8:
    case 9:
        /* The end is mostly payload: it will hit what the base hits. */
        frame->bytes[frame->len - 1 - frame_random(MIN(frame->len, 40))]
            = frame_random_byte();
        break;
    case 10:
        frame->len -= frame_random(MIN(frame->len, 24));
        break;
    }
}
