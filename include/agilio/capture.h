/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */
/*
 * capture.h - how agilio-tcpdump gets the frames of a port from the NIC.
 *
 * The NIC listens at a SOCK_SEQPACKET socket, that of its function with
 * AGILIO_CAPTURE_SUFFIX.  The client sends one struct agilio_capture_request,
 * the NIC answers with one struct agilio_capture_reply and, if it does not
 * refuse, a descriptor (SCM_RIGHTS): a sealed memfd with a ring (ring.h) for
 * each worker, in which the NIC produces.
 *
 *     struct agilio_capture_ring   granules of ring 0
 *     +---------+-----------------+----+----+----+-   -+---------+----
 *     | ring    | n_lost          |    |    |    | ... | ring 1  | ...
 *     +---------+-----------------+----+----+----+-   -+---------+----
 *     |<-- agilio_capture_stride() ------------------->|
 *
 * The capture goes on until one side closes the connection: the client when it
 * has enough, the NIC when the port goes away.  A frame for which there is no
 * room in the ring is lost to the client, and to nobody else; it is counted.
 *
 * Neither side believes the other (ring.h).
 */

#ifndef AGILIO_CAPTURE_H
#define AGILIO_CAPTURE_H 1

#include "agilio/abi.h"

#define AGILIO_CAPTURE_SUFFIX ".capture"
#define AGILIO_CAPTURE_MAGIC 0x43504741         /* "AGPC" */

#define AGILIO_CAPTURE_IN (1u << 0)     /* Received by the port. */
#define AGILIO_CAPTURE_OUT (1u << 1)    /* Sent by it. */

struct agilio_capture_request {
    agilio_le32 magic;
    agilio_le32 directions;     /* AGILIO_CAPTURE_*, one or both. */
    agilio_le32 snaplen;        /* Bytes of a frame at most. */
    agilio_le32 pad;
    char port[AGILIO_PORT_NAME_LEN];    /* Null-padded. */
};
AGILIO_ASSERT_SIZE(struct agilio_capture_request, 16 + AGILIO_PORT_NAME_LEN);

struct agilio_capture_reply {
    agilio_le32 magic;
    agilio_le32 n_rings;
    agilio_le32 n_granules;     /* Of each. */
    agilio_le32 pad;
    agilio_le64 clock_ofs;      /* Unix time less NIC clock, ns. */
    char reason[72];            /* Why the NIC refuses; "": it does not. */
};
AGILIO_ASSERT_SIZE(struct agilio_capture_reply, 96);

struct agilio_capture_ring {
    struct agilio_ring ring;
    agilio_le64 n_lost;         /* Frames, of all the capture. */
    uint8_t pad[56];
};
AGILIO_ASSERT_SIZE(struct agilio_capture_ring, 192);

/* Bytes from one ring to the next. */
static inline uint64_t
agilio_capture_stride(uint32_t n_granules)
{
    return (sizeof(struct agilio_capture_ring)
            + (uint64_t) n_granules * AGILIO_GRANULE);
}

/* A record: this, and the first bytes of the frame. */
struct agilio_capture_record {
    agilio_le32 len;            /* Header + bytes. */
    agilio_le32 frame_len;      /* Of the whole frame. */
    agilio_le64 timestamp;      /* NIC clock. */
    agilio_le64 counters;       /* Bit i: AGILIO_COUNTERS's i counted it. */
    agilio_le32 n_lost;         /* Since the record before. */
    agilio_le32 direction;      /* AGILIO_CAPTURE_IN or _OUT. */
};
AGILIO_ASSERT_SIZE(struct agilio_capture_record, 32);
AGILIO_ASSERT(AGILIO_N_COUNTERS <= 64);

#endif /* agilio/capture.h */
