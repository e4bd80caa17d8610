/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-ivshmem.h - client of the ivshmem server protocol.
 *
 * How a process gets hold of the NIC: a Unix stream socket on which the server
 * sends 64-bit little-endian words, some with a file descriptor:
 *
 *     0                   version of the protocol
 *     AGILIO_PEER_HOST    who we are
 *     -1        + fd      the region
 *     PEER_NIC  + fd      the NIC's doorbells, one for each vector: we ring
 *     PEER_HOST + fd      our doorbells, likewise: the NIC rings
 *
 * Nothing more is said then.  The end of the stream, or the NIC's id without a
 * descriptor, means that the NIC is gone.
 *
 * The source is QEMU's docs/specs/ivshmem-spec, "Client-Server protocol".
 */

#ifndef AGILIO_IVSHMEM_H
#define AGILIO_IVSHMEM_H 1

#include "agilio/abi.h"

struct agilio_ivshmem {
    int sock;
    int region_fd;
    int nic_fds[AGILIO_N_VECTORS];      /* We ring these. */
    int host_fds[AGILIO_N_VECTORS];     /* The NIC rings these. */
    uint32_t n_words;           /* Taken so far. */
    uint8_t word[8];            /* The one that is being received. */
    uint32_t n_bytes;           /* Of it. */
    int fd;                     /* That came with it, or -1. */
};

/* Connects to the server at 'path'.  Returns 0 or a positive errno. */
int agilio_ivshmem_open(struct agilio_ivshmem *, const char *path);

/* Receives what has come, without blocking.  Returns NULL if all is well, or
 * why the connection is of no more use (a constant string). */
const char *agilio_ivshmem_run(struct agilio_ivshmem *);
void agilio_ivshmem_wait(const struct agilio_ivshmem *);

/* True if region and doorbells are there. */
bool agilio_ivshmem_is_complete(const struct agilio_ivshmem *);

/* Rings the NIC's doorbell; clears ours. */
void agilio_ivshmem_kick(int fd);
void agilio_ivshmem_clear(int fd);

/* Closes all descriptors; those that others have taken are to be -1. */
void agilio_ivshmem_close(struct agilio_ivshmem *);

#endif /* agilio-ivshmem.h */
