/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-pcapng.h - writes a capture file with one interface.
 *
 * The format is that of draft-ietf-opsawg-pcapng, in the machine's byte order:
 * the kind of file in which a packet has a direction and a comment.  libpcap,
 * which reads it, does not write it.
 */

#ifndef AGILIO_PCAPNG_H
#define AGILIO_PCAPNG_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pcapng_packet {
    uint64_t time;              /* Unix time, ns. */
    uint32_t frame_len;
    uint32_t n_bytes;           /* Of the frame that are here: <= frame_len. */
    const uint8_t *bytes;
    bool out;                   /* Sent, not received. */
    uint32_t n_lost;            /* Packets lost since the one before. */
    const char *comment;
};

/* All write to 'file' and do not look whether that went well: ferror(). */
void pcapng_start(FILE *file, const char *interface, uint32_t snaplen);
void pcapng_put(FILE *file, const struct pcapng_packet *);
void pcapng_finish(FILE *file, uint64_t time, uint64_t n_lost);

#endif /* agilio-pcapng.h */
