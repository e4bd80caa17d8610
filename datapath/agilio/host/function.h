/* SPDX-License-Identifier: Apache-2.0 */
/*
 * function.h - one function of the NIC as the NIC sees it: its region, its
 * rings, its doorbells, and the Unix socket where a host gets hold of them.
 *
 * region.c lays the region out; ivshmem.c is the server.  The control thread
 * owns a function; the ring ends of a queue pair belong to the worker that
 * owns the port.  agl_function_attached(), agl_function_kick() and
 * agl_function_clear() may be called by any thread.
 *
 * One host at a time: a second connection is refused while the first lives.
 * The region outlives its hosts, so flows and counters go on between them.
 * The rings do not: every host starts with empty ones, so that nothing which
 * its predecessor left (half-written records, cursors that make no sense) can
 * harm it.  Their owners empty them while the host is kept waiting:
 *
 *     control thread   agl_function_run() says AGL_HOST_WAITING
 *     control thread   agl_region_reset_control()
 *     each worker      agl_region_reset_qp() for its queue pairs
 *     control thread   agl_function_welcome(), which hands the host the region
 *                      and the doorbells
 *
 * A reset also takes back a consumer's wish to be woken: whoever wants to
 * sleep after it asks again (agilio_ring_sleep()).
 *
 * A former host may still have the region mapped and scribble on the rings;
 * the NIC's ends then see cursors without sense, and pass nothing until the
 * next host is welcomed.  A host that is there and does so is dropped
 * (agl_function_drop_host()): it may come again and find good rings.
 */

#ifndef AGL_FUNCTION_H
#define AGL_FUNCTION_H 1

#include "agilio/msg.h"

struct agl_geometry {
    enum agilio_function_type type;
    uint32_t n_ports;           /* Slots of the port table. */
    uint32_t n_qps;             /* Queue pairs; pair i is of port slot i. */
    uint32_t max_flows;         /* 0 for a VF. */
    uint32_t max_masks;
    uint32_t max_meters;        /* 0 for a VF. */
    uint32_t max_bonds;         /* 0 for a VF. */
    uint32_t n_workers;
    uint32_t control_granules;  /* Each way, a power of two; 0 for a VF. */
    uint32_t packet_granules;   /* Each way of each queue pair, likewise. */
};

/* The NIC's ends of a queue pair. */
struct agl_qp {
    struct agilio_ring_end to_host;     /* Producer. */
    struct agilio_ring_end from_host;   /* Consumer. */
};

struct agl_region {
    struct agl_geometry geometry;
    uint8_t *base;
    uint64_t size;              /* A power of two. */
    struct agilio_region *header;
    struct agilio_port *ports;          /* [n_ports] */
    struct agilio_port_stats *port_stats;       /* [n_workers][n_ports] */
    agilio_le64 *counters;              /* [n_workers][AGILIO_COUNTER_ROW] */
    struct agilio_flow_stats *flows;    /* [n_workers][max_flows] */
    struct agilio_meter_stats *meters;  /* [max_meters] */
    struct agilio_bond_stats *bonds;    /* [n_workers][max_bonds] */
    struct agl_qp *qps;                 /* [n_qps], private. */
    struct agilio_ring_end request;     /* Consumer. */
    struct agilio_ring_end reply;       /* Producer. */
};

/* The worker that owns the port in 'slot', and its queue pair. */
static inline uint32_t
agl_port_owner(const struct agl_geometry *g, uint32_t slot)
{
    return slot % g->n_workers;
}

/* What all workers counted in row 'i' of AGILIO_COUNTERS; at the port in
 * 'slot'. */
uint64_t agl_region_counter(const struct agl_region *, enum agilio_counter i);
void agl_region_port_stats(const struct agl_region *, uint32_t slot,
                           struct agilio_port_stats *sum);

/* Bytes that a region of this geometry takes, a power of two; 0 if there can
 * be no such region. */
uint64_t agl_region_size(const struct agl_geometry *);

/* Lays out a region of that size in zeroed memory at 'base', aligned to a
 * cache line.  'qps' is the caller's memory for n_qps private ring ends. */
void agl_region_init(struct agl_region *, const struct agl_geometry *,
                     void *base, struct agl_qp *qps, uint64_t boot_id);

/* Empties the control rings and forgets the host's epoch; called by the
 * control thread while no host is attached. */
void agl_region_reset_control(struct agl_region *);

/* Empties the rings of a queue pair; called by the worker that owns it while
 * no host is attached. */
void agl_region_reset_qp(struct agl_qp *);

/* ## The server. ## */

enum agl_function_event {
    AGL_HOST_NONE,              /* Nothing happened. */
    AGL_HOST_WAITING,           /* A host came: reset and welcome it. */
    AGL_HOST_GONE,              /* The host left, welcomed or not. */
};

struct agl_function {
    struct agl_region region;
    struct agl_qp *qps;
    char *path;                 /* Of the socket, once it is ours. */
    int listen_fd;
    int conn_fd;                /* -1: no host. */
    bool attached;              /* The host on conn_fd has been welcomed. */
    int region_fd;
    int nic_fds[AGILIO_N_VECTORS];      /* Eventfds: the host rings these. */
    int host_fds[AGILIO_N_VECTORS];     /* We ring these. */
    uint64_t n_refused;         /* Connections turned away. */
};

/* Creates the function: region, doorbells, socket at 'path' (mode 0600, and
 * 0660 for a VF, whose guest another user of our group may run; an old socket
 * file there is replaced; a live server there is an error).
 * Returns 0 and '*function', or a positive errno with '*error' a malloc'd
 * sentence (NULL if there was no memory for that). */
int agl_function_create(const char *path, const struct agl_geometry *,
                        struct agl_function **function, char **error);
/* Disconnects the host and removes the socket; NULL is fine. */
void agl_function_destroy(struct agl_function *);

/* Accepts and loses hosts, without ever blocking.  To be called when listen_fd
 * or conn_fd is readable; returns one event a time, so what happened at once
 * keeps them readable. */
enum agl_function_event agl_function_run(struct agl_function *);

/* Hands the region and the doorbells to the host that is waiting; all rings
 * have been reset.  Returns 0; ENOTCONN if none is waiting (any more);
 * or another positive errno if the host did not take them.  It is gone then,
 * without AGL_HOST_GONE. */
int agl_function_welcome(struct agl_function *);

/* Disconnects the host, if there is one, without AGL_HOST_GONE: one that broke
 * a ring, and would wait for ever. */
void agl_function_drop_host(struct agl_function *);

bool agl_function_attached(const struct agl_function *);

/* Rings a doorbell of the host; clears one of ours. */
void agl_function_kick(const struct agl_function *, enum agilio_vector);
void agl_function_clear(const struct agl_function *, enum agilio_vector);

/* Sends 'size' bytes over a Unix socket, with 'fd' if that is not -1, and does
 * not wait.  Returns 0 or a positive errno. */
int agl_send_fd(int sock, const void *bytes, size_t size, int fd);

#endif /* host/function.h */
