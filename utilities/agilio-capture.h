/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-capture.h - the client of a capture at a port of the NIC.
 *
 * Speaks the protocol of include/agilio/capture.h with agilio-nicd; of
 * agilio-tcpdump only, and so what goes wrong ends the program with a sentence
 * that says so.
 */

#ifndef AGILIO_CAPTURE_CLIENT_H
#define AGILIO_CAPTURE_CLIENT_H 1

#include <stdbool.h>

#include "agilio/capture.h"

#define AGILIO_CAPTURE_MAX_RINGS 64

struct agilio_capture {
    int fd;                     /* Of the connection. */
    uint32_t n_rings;
    struct agilio_ring_end rings[AGILIO_CAPTURE_MAX_RINGS]; /* Consumer. */
    const struct agilio_capture_ring *shared[AGILIO_CAPTURE_MAX_RINGS];
    uint64_t clock_ofs;         /* Unix time less NIC clock, ns. */
};

struct agilio_frame {
    struct agilio_capture_record header;
    uint8_t bytes[AGILIO_MAX_FRAME];
};

/* 'socket' is that of the NIC's function; 'port' is a port's name. */
void agilio_capture_begin(struct agilio_capture *, const char *socket,
                          const char *port, uint32_t directions,
                          uint32_t snaplen);

/* Ends it; returns how many frames were lost, all in all. */
uint64_t agilio_capture_end(struct agilio_capture *);

/* Takes the oldest frame that is there; false if there is none. */
bool agilio_capture_next(struct agilio_capture *, struct agilio_frame *);

/* There was none: sleeps for some milliseconds.  False if the NIC has ended
 * the capture, and nothing can come after what is there. */
bool agilio_capture_wait(struct agilio_capture *);

#endif /* agilio-capture.h */
