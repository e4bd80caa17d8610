/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-ctl.h - the control channel: requests to the NIC and their replies.
 *
 *     any thread                          the agilio thread
 *     agilio_ctl_send() -> request ring
 *                  |                      agilio_ctl_run() <- reply ring
 *                  +-> requests, waiting ----> answered ----> cb()
 *
 * The NIC answers in order, so the requests that wait are a queue, and a reply
 * that is not to the first of them means that the NIC is broken.  Callbacks
 * are called one at a time, in the order of the requests, with no other lock
 * held than 'calling', which is there for just that.
 *
 * Nobody waits for the answer to a FLOW_PUT or FLOW_DEL; all other requests
 * are urgent.  The NIC rings for the first such answer.  While more come, the
 * main thread, which sends most of these requests, takes the answers to the
 * earlier ones in each of its rounds, the last ones a few milliseconds later,
 * and rings once for all that it has sent.  So neither side rings for each,
 * and the agilio thread, which takes what is left over, seldom wakes.
 *
 * Owned by agilio-nic.c, which decides when it is open.
 */

#ifndef AGILIO_CTL_H
#define AGILIO_CTL_H 1

#include "agilio-nic.h"
#include "openvswitch/list.h"
#include "ovs-thread.h"

struct agilio_ctl {
    struct ovs_mutex mutex;
    struct ovs_mutex calling;           /* Taken before 'mutex'. */

    bool open OVS_GUARDED;
    int kick_fd OVS_GUARDED;            /* Doorbell of the NIC. */
    uint32_t session OVS_GUARDED;
    uint32_t last_id OVS_GUARDED;
    struct agilio_ring_end to_nic OVS_GUARDED;
    struct agilio_ring_end from_nic OVS_GUARDED;
    struct ovs_list waiting OVS_GUARDED;        /* struct request. */
    struct ovs_list answered OVS_GUARDED;       /* struct request. */
    size_t n_urgent OVS_GUARDED;        /* Of 'waiting'. */
    bool busy OVS_GUARDED;              /* Others were answered lately. */
    bool bell OVS_GUARDED;              /* The NIC rings for an answer. */
    unsigned int poller OVS_GUARDED;    /* The thread that comes by, */
    bool kick_due OVS_GUARDED;          /* and has to ring then; but rings */
    long long int prompt_at OVS_GUARDED;    /* at once when it is so late. */
    bool port_event OVS_GUARDED;                /* One has come. */
    const char *broken OVS_GUARDED;             /* Why, or NULL. */
    uint8_t buf[AGILIO_MAX_MSG] OVS_GUARDED;
};

void agilio_ctl_init(struct agilio_ctl *);

/* Opens the channel in the rings of 'map' for the session of 'epoch'.  Rings
 * 'kick_fd', which stays the caller's, for the NIC. */
void agilio_ctl_open(struct agilio_ctl *, const struct agilio_map *map,
                     int kick_fd, uint64_t epoch);

/* Closes the channel: nothing is sent any more, and what waits is answered
 * with ENODEV.  Agilio thread. */
void agilio_ctl_close(struct agilio_ctl *);

/* As agilio_nic_send().  In the agilio thread it can be called too: then the
 * replies that come meanwhile are kept, for agilio_ctl_run(). */
int agilio_ctl_send(struct agilio_ctl *, enum agilio_msg_type,
                    const void *body, size_t len,
                    agilio_reply_cb *, void *aux);

/* Takes replies and events, calls callbacks.  Returns NULL or why the
 * connection has to be dropped (a constant string), and sets '*port_event' if
 * the port table changed.  Agilio thread. */
const char *agilio_ctl_run(struct agilio_ctl *, bool *port_event);

/* Takes the answers that nobody waits for, calls their callbacks, and rings
 * for what the calling thread has sent: it is the one who does so often, and
 * the requests that are not urgent are left to this.  Main thread. */
void agilio_ctl_poll(struct agilio_ctl *);

/* Has poll_block() wake up soon if there will be something for it. */
void agilio_ctl_poll_wait(struct agilio_ctl *);

/* Asks the NIC for its doorbell; if there is something to do already, wakes
 * poll_block() at once.  Agilio thread. */
void agilio_ctl_wait(struct agilio_ctl *);

/* When the oldest request without an answer was sent, in agilio_now_ms();
 * LLONG_MAX if there is none. */
long long int agilio_ctl_oldest(struct agilio_ctl *);

/* Milliseconds of real time: neither "ovs-appctl time/warp" nor a change of
 * the date moves it, for the NIC does not know of these. */
long long int agilio_now_ms(void);

#endif /* agilio-ctl.h */
