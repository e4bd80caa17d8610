/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-conn.h - one connection to the NIC, from the socket to HELLO and on.
 *
 *     IDLE --path--> WAITING --connect--> HANDSHAKE --region--> HELLO --> UP
 *                       ^                     |                   |       |
 *                       +---------------------+-------------------+-------+
 *
 * All of it belongs to the agilio thread; agilio-nic.c runs it, and acts on
 * the events that it returns.
 */

#ifndef AGILIO_CONN_H
#define AGILIO_CONN_H 1

#include "agilio-ctl.h"
#include "agilio-ivshmem.h"

enum agilio_conn_phase {
    AGILIO_CONN_IDLE,           /* No NIC is wanted. */
    AGILIO_CONN_WAITING,        /* For the next try. */
    AGILIO_CONN_HANDSHAKE,      /* Connected; the region is to come. */
    AGILIO_CONN_HELLO,          /* Mapped; HELLO is not yet answered. */
    AGILIO_CONN_UP,
};

enum agilio_conn_event {
    AGILIO_CONN_NOTHING,
    AGILIO_CONN_CAME_UP,        /* The map is now the caller's; it must live
                                 * until the connection has gone down. */
    AGILIO_CONN_WENT_DOWN,      /* Comes once for each CAME_UP. */
    AGILIO_CONN_PORTS_CHANGED,
};

struct agilio_conn {
    enum agilio_conn_phase phase;
    char *path;
    char *reason;               /* Why it is not up; NULL if it is. */
    struct agilio_ctl *ctl;
    struct agilio_ivshmem io;
    struct agilio_map *map;
    uint64_t generation;
    uint32_t n_foreign_flows;   /* On the NIC, as HELLO's answer says. */
    uint32_t port_seq;
    char *hello_error;          /* Why HELLO was refused. */
    bool hello_done;

    long long int since;        /* When the phase began, agilio_now_ms(). */
    long long int next_try;
    long long int fast_until;   /* Until then, tries follow each other fast. */
    long long int next_keepalive;
    bool complained;            /* The log says that the NIC is away. */
    char *complaint;            /* What else the log says is wrong with it. */
};

void agilio_conn_init(struct agilio_conn *, struct agilio_ctl *);

/* Goes over to the NIC at 'path', or to none. */
enum agilio_conn_event agilio_conn_set_path(struct agilio_conn *,
                                            const char *path);

/* Gives the connection up for 'reason', to try again in a while. */
enum agilio_conn_event agilio_conn_fail(struct agilio_conn *,
                                        const char *reason);

enum agilio_conn_event agilio_conn_run(struct agilio_conn *);
void agilio_conn_wait(struct agilio_conn *);

#endif /* agilio-conn.h */
