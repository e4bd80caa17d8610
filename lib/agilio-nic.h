/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-nic.h - the NIC as ovs-vswitchd sees it: one connection.
 *
 * A thread of its own ("agilio") connects to the NIC's socket, maps its
 * region, says HELLO, reads replies and events, notices when the NIC goes
 * away, and tries again (every 100 ms at first, then once a second).  Any
 * thread may send requests; a FLOW_PUT never blocks, the others for no longer
 * than a second.
 *
 * States, and who moves them:
 *
 *     DOWN --connected, HELLO answered--> ATTACHED --agilio_nic_take_over()-->
 *     ACTIVE --connection lost--> DOWN
 *
 * ATTACHED: ports can be used; the NIC may still carry flows of a vswitchd
 * that is no more, and the flow table is not ours yet.  ACTIVE: we have
 * flushed those, and put ours.
 *
 * The region's mapping outlives the connection: readers hold it under RCU
 * (struct agilio_map), so counters of a NIC that died can still be read.
 *
 * Lock order: an observer's own lock, then the one inside agilio-nic.c.
 */

#ifndef AGILIO_NIC_H
#define AGILIO_NIC_H 1

#include "agilio-map.h"
#include "agilio/msg.h"

struct ds;

enum agilio_nic_status {
    AGILIO_NIC_DOWN,
    AGILIO_NIC_ATTACHED,
    AGILIO_NIC_ACTIVE,
};

/* Told of changes, from the agilio thread, one call at a time, in the order in
 * which the observers were added.  'down' comes once for each 'attached', and
 * after the callbacks of the requests that were lost.  May send requests; may
 * not block for replies. */
struct agilio_nic_observer {
    void (*attached)(const struct agilio_map *, uint32_t n_foreign_flows);
    void (*down)(void);
    void (*ports_changed)(const struct agilio_map *);
};

/* Starts the connection to the socket at 'path', or goes over to it.  Cheap if
 * it is the same as before. */
void agilio_nic_connect(const char *path);
void agilio_nic_disconnect(void);

/* Adds an observer, a constant; before agilio_nic_connect(). */
void agilio_nic_observe(const struct agilio_nic_observer *);

/* The socket's path (malloc'd), or NULL if there is to be no connection. */
char *agilio_nic_path(void);

enum agilio_nic_status agilio_nic_status(void);
/* ATTACHED becomes ACTIVE. */
void agilio_nic_take_over(void);

/* The map of the NIC that is or was last connected; NULL if there never was
 * one.  Valid until the calling thread quiesces. */
const struct agilio_map *agilio_nic_map(void);

/* The NIC behind 'map' does what it must not: drops the connection, and tries
 * again in a while.  Any thread; without effect if 'map' is not in use. */
void agilio_nic_fail(const struct agilio_map *map, const char *reason);

/* ## Requests. ##
 *
 * Replies come in the order of the requests, and so do the callbacks, which
 * never run at the same time.  A callback runs with no lock of the sender's
 * held; since a call returns after the callbacks of all earlier requests, who
 * calls must not hold a lock that a callback or an observer takes. */

/* Called when the reply is there, from the agilio thread, or, for a FLOW_PUT
 * or FLOW_DEL, from agilio_nic_run() as well: 'error' 0 or a
 * positive errno with a 'reason'; 'body' is valid only if 'error' is 0.  When
 * the connection is lost all that wait are called with ENODEV. */
typedef void agilio_reply_cb(int error, const char *reason,
                             struct agilio_reader *body, void *aux);

/* Sends a request with 'len' bytes of 'body', at most AGILIO_MAX_MSG less the
 * header.  Returns 0, and then 'cb' (which may be NULL) is called exactly
 * once; or a positive errno (ENODEV: no NIC; ENOBUFS: it does not take
 * requests any more), and then never. */
int agilio_nic_send(enum agilio_msg_type, const void *body, size_t len,
                    agilio_reply_cb *cb, void *aux);

/* Sends a request and waits for its reply, a second at most (ETIMEDOUT, and
 * the connection is dropped: that NIC hangs).  Copies up to 'reply_size' bytes
 * of the reply's body to 'reply' and sets '*reply_len', unless NULL.  On error
 * sets '*reason' to a malloc'd sentence, unless NULL.  Not to be called from
 * the agilio thread. */
int agilio_nic_call(enum agilio_msg_type, const void *body, size_t len,
                    void *reply, size_t reply_size, size_t *reply_len,
                    char **reason);

/* Takes the replies to FLOW_PUTs and FLOW_DELs, and rings for those that the
 * main thread has sent: once in each of its rounds; and what it has to wait
 * for. */
void agilio_nic_run(void);
void agilio_nic_wait(void);

/* Why there is no connection, or which one there is, for agilio/show. */
void agilio_nic_describe(struct ds *);

#endif /* agilio-nic.h */
