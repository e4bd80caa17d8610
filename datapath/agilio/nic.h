/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic.h - the NIC: its ports, its workers, and the control channel.
 *
 * Everything here is the control thread's.  What a worker owns is reached
 * through agl_worker_post() only; what each of them has of its own is changed
 * in all, and the change is there when all have it.  control.c reads the
 * host's requests and answers them; request.c does what they ask; nic.c keeps
 * the port table.
 */

#ifndef AGL_NIC_H
#define AGL_NIC_H 1

#include "pipeline.h"

/* A port as the control thread knows it. */
struct agl_nic_port {
    uint32_t id;                /* AGILIO_PORT_NONE: the slot is free. */
    uint32_t incarnation;       /* Of the slot's last port. */
    char name[AGILIO_PORT_NAME_LEN];
    bool admin_up;
    struct agl_dev *dev;
    struct agl_dev_status status;
};

/* What a request wants of one worker. */
struct agl_part {
    uint64_t after;             /* Done when the worker has done so much. */
    int error;                  /* enum agilio_error. */
    struct agl_flow *flow;      /* To put. */
    struct agl_flow *put;       /* That was it, when it is in the table. */
    struct agl_flow *gone;      /* Out of the table, by 'next': to free. */
};

/* A request between its arrival and its reply. */
struct agl_request {
    struct agilio_msg msg;
    int error;                  /* enum agilio_error. */
    const char *reason;
    uint32_t id;                /* Of the flow to delete. */
    uint32_t body_len;          /* Of the reply. */
    uint8_t *body;              /* NULL, or from agl_env_alloc(). */
    struct agl_part parts[AGL_MAX_WORKERS];     /* By index of the worker. */
};
#define AGL_MAX_REQUESTS 1024   /* A power of two. */

struct agl_control {
    bool in_session;
    bool blocked;               /* The reply ring is full. */
    uint32_t session;
    uint32_t head, tail;        /* Of 'requests': answered, received. */
    struct agl_request requests[AGL_MAX_REQUESTS];
    uint8_t buf[AGILIO_MAX_MSG];
};

struct agl_nic {
    const struct agl_nic_ops *ops;
    struct agl_region *region;
    uint32_t port_seq;
    uint64_t heartbeat;
    struct agl_nic_port ports[AGILIO_MAX_PORTS];
    struct agl_control control;
    struct agl_team team;
};

/* ## nic.c ## */

/* Makes a NIC in 'region', which says how many workers it has.  Each of them
 * gets 'n_packets' buffers and 'n_tracker' entries.  Returns 0 or an enum
 * agilio_error. */
int agl_nic_create(struct agl_nic **, const struct agl_nic_ops *,
                   struct agl_region *region, uint32_t n_packets,
                   uint32_t n_tracker);
/* No worker runs any more, the ports are gone. */
void agl_nic_destroy(struct agl_nic *);

/* Adds a port on 'dev', which stays the caller's.  Returns 0 and '*id', or
 * AGILIO_E_INVAL (name), AGILIO_E_EXIST, AGILIO_E_NOSPC. */
int agl_nic_port_add(struct agl_nic *, const char *name, struct agl_dev *dev,
                     uint32_t *id);
/* Removes a port and returns its device, which no worker has any more; NULL
 * if there is no port of that name. */
struct agl_dev *agl_nic_port_del(struct agl_nic *, const char *name);
/* PORT_SET. */
int agl_nic_port_set(struct agl_nic *, uint32_t id, uint32_t what,
                     uint32_t flags, uint32_t mtu, const uint8_t mac[6],
                     const char **reason);
/* Looks how the devices are, tells workers and host what has changed. */
void agl_nic_refresh_ports(struct agl_nic *);

/* How many flows there are. */
uint32_t agl_nic_n_flows(struct agl_nic *);

/* A host has come (queue pairs and control rings start anew) or gone. */
void agl_nic_host_attached(struct agl_nic *);
void agl_nic_host_gone(struct agl_nic *);
/* True if the host wrote into a ring what makes no sense: nothing passes there
 * any more, and only a new host gets new rings. */
bool agl_nic_host_is_broken(const struct agl_nic *);

/* ## request.c ## */

/* Does or posts what the request in 'r' asks, whose body is 'body', read in
 * full.  Sets r->error and r->reason, or the reply and what it waits for. */
void agl_request_start(struct agl_nic *, struct agl_request *,
                       struct agilio_reader *body);
/* Whether all workers have done their part of it. */
bool agl_request_is_done(const struct agl_nic *, const struct agl_request *);
/* After that: sees how it went, sets r->error and r->reason. */
void agl_request_end(struct agl_nic *, struct agl_request *);

/* ## control.c ## */

/* Answers what has been done, reads what has been asked; some of it if it is
 * much.  Sets control.blocked if it cannot get on before the host takes its
 * replies, of which the host does not tell: try again a little later. */
void agl_control_run(struct agl_nic *);
/* Before the control thread sleeps: has the host wake it.  False if there is
 * something to do first. */
bool agl_control_sleep(struct agl_nic *);
void agl_control_reset(struct agl_nic *);
void agl_control_event(struct agl_nic *, enum agilio_msg_type);

#endif /* nic.h */
