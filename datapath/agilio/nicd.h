/* SPDX-License-Identifier: Apache-2.0 */
/* nicd.h - the daemon around the NIC: of nicd.c and nicd-*.c. */

#ifndef AGL_NICD_H
#define AGL_NICD_H 1

#include <time.h>

#include "nic.h"
#include "svec.h"

struct unixctl_server;

struct nicd_settings;

/* What the workers have. */
struct nicd_fill {
    uint32_t n_flows, n_masks;  /* The same in each. */
    uint32_t tracker_capacity;  /* Of all together. */
    uint32_t n_packets, n_free; /* Packet buffers, likewise. */
    uint32_t n_silent;          /* Workers that do not answer: what they have
                                 * is what they last told. */
};

/* What one worker is asked of that. */
struct nicd_fill_call {
    uint64_t number;            /* Of the last call that was posted. */
    struct nicd_fill answer;    /* The worker's until it has made that. */
    struct nicd_fill last;      /* The answer before. */
};

struct agl_nicd {
    const struct nicd_settings *settings;
    struct agl_nic *nic;
    struct agl_function *pf;
    struct nicd_captures *captures;
    struct unixctl_server *unixctl;
    struct agl_nic_ops ops;
    int worker_fds[AGL_MAX_WORKERS];    /* Eventfds: each wakes a worker. */
    int control_fd;             /* Eventfd: wakes the control thread. */
    bool control_asleep;
    bool exiting;
    uint64_t started;           /* CLOCK_MONOTONIC, ns. */
    uint32_t n_worker_clocks;   /* For the CPU time that each has had. */
    clockid_t worker_clocks[AGL_MAX_WORKERS];
    struct nicd_fill_call fill_calls[AGL_MAX_WORKERS];
};

/* What the command line says. */
struct nicd_settings {
    char *socket;
    const char *unixctl;        /* NULL: the default. */
    struct svec ports;          /* "NAME=TYPE:ARG". */
    unsigned int max_flows;
    unsigned int max_masks;
    unsigned int tracker_entries;
    unsigned int packets;
    unsigned int workers;
    unsigned int n_cpus;        /* 0: workers are not bound. */
    unsigned int cpus[AGL_MAX_WORKERS];
};

/* Reads the command line; or does what it asks, and exits. */
void nicd_parse_options(int argc, char *argv[], struct nicd_settings *);
void nicd_settings_destroy(struct nicd_settings *);

/* Adds port NAME on device TYPE:ARG (or TYPE).  Returns NULL, or a malloc'd
 * sentence that says what is wrong. */
char *nicd_port_add(struct agl_nicd *, const char *name, const char *device);
/* Removes it.  False if there is no such port. */
bool nicd_port_del(struct agl_nicd *, const char *name);

/* Asks the workers, and waits for them, but not for one that hangs. */
void nicd_get_fill(struct agl_nicd *, struct nicd_fill *);

/* nicd-capture.c: the frames of ports, for agilio-tcpdump.  'socket' is that
 * of the function, beside which the captures' is. */
struct nicd_captures *nicd_captures_create(struct agl_nicd *,
                                           const char *socket);
void nicd_captures_run(struct nicd_captures *);
void nicd_captures_wait(struct nicd_captures *);
/* A port is to be removed. */
void nicd_captures_end_port(struct nicd_captures *, const char *port);
/* The worker still runs. */
void nicd_captures_destroy(struct nicd_captures *);

/* Registers nic/... with unixctl: nicd-commands.c, nicd-metrics.c,
 * nicd-trace.c. */
void nicd_commands_init(struct agl_nicd *);
void nicd_metrics_init(struct agl_nicd *);
void nicd_trace_init(struct agl_nicd *);

#endif /* nicd.h */
