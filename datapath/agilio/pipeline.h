/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.h - the worker: everything that one packet-carrying thread owns.
 *
 * A worker polls its queues of the ports, keeps its own tracker and flow
 * table, and writes its own rows of counters.  Nothing in it is shared but the
 * region, the meters, and the queue of calls, through which the control thread
 * has things done at a burst boundary (worker.c).  A port has one owner, whose
 * are the rings between it and the host.  What another worker has for these,
 * or sends by a device that it has no queue of, goes to the owner through a
 * handover, one for each pair of workers.  pipeline.c is the life of a packet;
 * tx.c and host-queue.c are its ways out.
 */

#ifndef AGL_PIPELINE_H
#define AGL_PIPELINE_H 1

#include "action/program.h"
#include "capture.h"
#include "host/function.h"
#include "pkt/handover.h"
#include "pkt/parse.h"
#include "port/port.h"
#include "table/flow.h"
#include "table/tracker.h"

#define AGL_MAX_WORKERS 16

struct agl_worker;

/* What a NIC needs of the thread or process around it. */
struct agl_nic_ops {
    uint64_t (*clock)(void *aux);       /* Monotonic, ns. */
    void (*kick_host)(void *aux, enum agilio_vector);
    /* Wakes a worker that sleeps.  Any thread. */
    void (*kick_worker)(void *aux, struct agl_worker *);
    void (*kick_control)(void *aux);    /* Wakes the control thread. */
    void (*wait_worker)(void *aux, struct agl_worker *);
    void *aux;
};

/* A port as its worker sees it. */
struct agl_port {
    uint32_t id;                /* AGILIO_PORT_NONE: the slot is empty. */
    uint32_t flags;             /* AGILIO_PORT_*. */
    uint32_t mtu;
    uint32_t owner;             /* Index of the worker that has the rings. */
    struct agl_dev *dev;        /* Our queue of its device, NULL if none. */
    struct agl_qp *qp;          /* NULL but for the owner. */
    struct agilio_port_stats *stats;    /* In the region, this worker's. */
    uint64_t driver_rx_errors;  /* Of 'dev', already counted in 'stats'. */
    struct agl_capture *capture;        /* NULL: nobody watches. */
    bool learns;                /* Most of its last burst was new to us. */
    uint32_t n_passed;          /* Rounds that it was passed over in. */
    uint32_t n_tx;
    struct agl_pkt *tx[AGL_BURST];      /* Waiting for the end of the burst. */
};

/* Something that a worker does for the control thread. */
struct agl_call {
    void (*fn)(struct agl_worker *, void *arg);
    void *arg;
};
#define AGL_MAX_CALLS 2048      /* Waiting at a time; a power of two. */

/* The workers of a NIC, which outlive all that they do together. */
struct agl_team {
    uint32_t n;
    struct agl_worker *workers[AGL_MAX_WORKERS];
    struct agl_meters *meters;
    /* [n][n], giver and taker; of one to itself there is none. */
    struct agl_handover *handovers[AGL_MAX_WORKERS][AGL_MAX_WORKERS];
};

struct agl_worker {
    struct agl_run run;         /* First: programs give it back to us. */
    uint32_t index;             /* In 'team'. */
    const struct agl_team *team;
    struct agl_traversal *traversal;    /* Of the packet in 'run'. */
    const struct agl_nic_ops *ops;
    struct agl_pool pool;
    void *memory;               /* Of the pool. */
    struct agl_flow_table *table;
    struct agl_tracker *tracker;
    struct agl_parse_options options;
    struct agilio_region *header;
    agilio_le64 *counters;      /* Our row in the region. */
    struct agilio_flow_stats *flow_stats;
    uint64_t now;               /* NIC clock, at most some rounds old. */
    uint32_t n_clock_rounds;    /* Since the clock was read. */
    uint64_t ranked;            /* When the masks were last ranked. */
    bool crowded;               /* Known flows filled a burst lately. */
    uint64_t n_mask_lookups;    /* What the tracker did not know. */
    bool host_attached;
    bool host_broken;           /* A packet ring is; control thread reads. */
    bool kick_host;             /* The host is to be woken after the burst. */
    struct agl_capture *watched;        /* Of the packet that is carried. */
    struct agl_port ports[AGILIO_MAX_PORTS];
    /* Of the burst that is being carried. */
    struct agilio_key keys[AGL_BURST];  /* Of those that had to be parsed. */
    struct agl_traversal traversals[AGL_BURST];
    struct agl_pkt *again[AGL_BURST];   /* Those that are the next one. */
    uint32_t n_again;
    uint32_t n_ports;           /* Slots in use are below this. */

    /* Calls: 'posted' is the control thread's, 'done' the worker's. */
    struct agl_call calls[AGL_MAX_CALLS];
    uint64_t posted __attribute__((aligned(AGILIO_CACHE_LINE)));
    uint64_t done __attribute__((aligned(AGILIO_CACHE_LINE)));
    bool asleep;                /* A post must wake it.  Set by the worker,
                                 * cleared by it or before it is kicked. */
    uint64_t clock;             /* 'now', for the first worker to read. */
};

/* ## worker.c ## */

/* Makes the workers of 'region', each with 'n_packets' buffers and 'n_tracker'
 * entries.  Returns 0 or an enum agilio_error. */
int agl_team_init(struct agl_team *, const struct agl_nic_ops *,
                  struct agl_region *, uint32_t n_packets,
                  uint32_t n_tracker);
/* None of them runs any more. */
void agl_team_destroy(struct agl_team *);

/* Control thread: has 'fn' called at the worker's next burst boundary.
 * Returns the number that 'done' reaches when it has been, or 0 if too many
 * calls are waiting. */
uint64_t agl_worker_post(struct agl_worker *,
                         void (*fn)(struct agl_worker *, void *arg),
                         void *arg);
bool agl_worker_has_done(const struct agl_worker *, uint64_t number);
void agl_worker_wait(struct agl_worker *, uint64_t number);
/* The same, and waits for it. */
void agl_worker_call(struct agl_worker *,
                     void (*fn)(struct agl_worker *, void *arg), void *arg);
/* The same for each worker, one after the other. */
void agl_team_call(struct agl_team *,
                   void (*fn)(struct agl_worker *, void *arg), void *arg);

/* Worker thread: one round of calls, ports, host rings and handovers.  Returns
 * how much there was to do; 0 means that it may try to sleep. */
uint32_t agl_worker_round(struct agl_worker *);

/* Any thread, when it has published what 'w' may have slept through. */
void agl_worker_wake(struct agl_worker *w);

/* Worker thread, before it sleeps and after it woke.  Sleep is refused (false)
 * if something has come in the meantime. */
bool agl_worker_sleep(struct agl_worker *);
void agl_worker_awake(struct agl_worker *);

/* Frees a packet that goes no further, and counts why. */
void agl_worker_drop(struct agl_worker *, struct agl_pkt *,
                     enum agilio_counter reason);

static inline struct agl_worker *
agl_worker_of(struct agl_run *run)
{
    return (struct agl_worker *) (void *) run;
}

/* Adds to a counter in the region, which nobody else writes. */
static inline void
agl_stat_add(agilio_le64 *counter, uint64_t n)
{
    agilio_store_relaxed(counter,
                         agilio_to_le64(agilio_from_le64(*counter) + n));
}

static inline void
agl_worker_add(struct agl_worker *w, enum agilio_counter c, uint32_t n)
{
    agl_stat_add(&w->counters[c], n);
}

static inline void
agl_worker_count(struct agl_worker *w, enum agilio_counter c)
{
    agl_worker_add(w, c, 1);
}

/* ## pipeline.c ## */

/* Carries a burst that 'port' received, of up to 'max' packets, at most
 * AGL_BURST. */
uint32_t agl_pipeline_receive(struct agl_worker *, struct agl_port *port,
                              uint32_t max);
/* struct agl_run's ways. */
void agl_pipeline_recirc(struct agl_run *, struct agl_pkt *);
void agl_pipeline_drop(struct agl_run *, enum agilio_counter,
                       struct agl_pkt *);

#endif /* pipeline.h */
