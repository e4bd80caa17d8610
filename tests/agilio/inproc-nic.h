/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inproc-nic.h - a whole NIC in this process and this thread: its devices are
 * queues that the test fills and empties, its region is memory, its host is
 * the test, which talks to it through the region's rings and nothing else.
 *
 *     static struct inproc n;
 *
 *     inproc_start(&n, &inproc_geometry, 64, 256, 3);     three ports
 *     inproc_attach(&n);
 *     CHECK(!inproc_hello(&n, AGILIO_ABI_MIN, AGILIO_ABI_MAX, NULL));
 *     CHECK(!inproc_put_flow(&n, 5, &key, &mask, program, len));
 *     inproc_inject(&n, 0, frame, frame_len);
 *     inproc_settle(&n);
 *     CHECK(n.devs[1].n_tx == 1);
 *     inproc_stop(&n);
 *
 * Nothing here needs Open vSwitch.  What a correct NIC cannot cause (it runs
 * out of memory at start-up, it loses a packet's buffer) ends the program with
 * a line that says so.
 */

#ifndef INPROC_NIC_H
#define INPROC_NIC_H 1

#include "nic.h"

#define INPROC_MAX_DEVS 8
#define INPROC_QUEUE 64         /* Frames that a device holds each way. */

/* A device, or a further queue of one.  A test may write all that it likes. */
struct inproc_dev {
    struct agl_dev up;
    struct inproc_dev *next;    /* The device's next queue. */
    struct agl_dev_status status;
    uint32_t room;              /* Frames that tx still takes. */
    bool refuse;                /* It refuses frames for good. */

    /* Waiting to be received, from 'rx_next' on. */
    uint32_t rx_next, n_rx;
    uint32_t rx_len[INPROC_QUEUE];
    uint8_t rx[INPROC_QUEUE][AGILIO_MAX_FRAME];

    /* Sent; what finds no place here is only counted. */
    uint32_t n_tx;
    uint32_t tx_len[INPROC_QUEUE];
    uint8_t tx[INPROC_QUEUE][AGILIO_MAX_FRAME];
};

/* For 'up.class': what it receives is unfinished, and is finished by halving
 * it; and it takes such frames. */
extern const struct agl_dev_class inproc_whole_class;

struct inproc {
    struct agl_nic *nic;
    struct agl_region region;
    struct agl_qp qps[AGILIO_MAX_PORTS];
    struct agl_nic_ops ops;
    uint64_t clock;             /* The NIC's; the test moves it. */
    uint32_t n_kicks[AGILIO_N_VECTORS]; /* Doorbells of the host, rung. */
    uint32_t n_wakes;           /* How often workers were woken. */
    bool threads;               /* Workers run in threads of the test's: none
                                 * of these functions makes their rounds. */

    uint32_t n_devs;            /* Port "pI" is device I. */
    uint32_t ids[INPROC_MAX_DEVS];
    struct inproc_dev devs[INPROC_MAX_DEVS];
    bool queues;                /* Set before the start: devices have two. */
    struct inproc_dev second[INPROC_MAX_DEVS];

    /* The host. */
    uint32_t session;
    struct agilio_ring_end request, reply;
    struct agilio_ring_end from_nic[INPROC_MAX_DEVS];   /* By device. */
    struct agilio_ring_end to_nic[INPROC_MAX_DEVS];
};

/* Small: rings are soon full, masks soon too many. */
extern const struct agl_geometry inproc_geometry;

/* ## The NIC. ## */

/* Starts a NIC with 'n_devs' ports, up, with an MTU of 1500, and no host.  Its
 * worker has 'n_packets' buffers and 'n_tracker' entries. */
void inproc_start(struct inproc *, const struct agl_geometry *,
                  uint32_t n_packets, uint32_t n_tracker, uint32_t n_devs);
/* Ends if it has lost a packet's buffer. */
void inproc_stop(struct inproc *);

/* Adds the port of device 'dev' again, whose port is gone. */
void inproc_add_port(struct inproc *, uint32_t dev);

/* Has the NIC do whatever it can. */
void inproc_settle(struct inproc *);

/* A frame of up to AGILIO_MAX_FRAME bytes arrives at device 'dev', or at that
 * queue.  False if INPROC_QUEUE of them wait already. */
bool inproc_inject(struct inproc *, uint32_t dev, const void *frame,
                   uint32_t len);
bool inproc_inject_queue(struct inproc_dev *, const void *frame, uint32_t len);
/* Forgets what the devices sent, and has them take as much again. */
void inproc_clear_tx(struct inproc *);

uint64_t inproc_counter(const struct inproc *, enum agilio_counter);

/* ## Its host. ## */

/* A host comes (again): finds its rings, has no session yet. */
void inproc_attach(struct inproc *);

/* Starts session 42.  Like inproc_ask(); 'answer' may be NULL. */
int inproc_hello(struct inproc *, uint16_t abi_min, uint16_t abi_max,
                 uint8_t answer[16]);

/* Sends a request, with id 7 and the session's number.  False if the ring has
 * no room for it. */
bool inproc_tell(struct inproc *, enum agilio_msg_type, const void *body,
                 size_t len);
/* The same, settles, and passes by what the NIC says until the reply.  Returns
 * its error, -1 if there is no reply or one that is malformed.  The reply's
 * body goes to 'out', of AGILIO_MAX_MSG bytes, unless NULL. */
int inproc_ask(struct inproc *, enum agilio_msg_type, const void *body,
               size_t len, void *out);

/* Writes the body of a FLOW_PUT with all words that 'mask' has to 'body', of
 * AGILIO_MAX_MSG bytes; returns its length. */
size_t inproc_flow_body(uint8_t *body, uint32_t id,
                        const struct agilio_key *key,
                        const struct agilio_key *mask,
                        const void *program, size_t len);
int inproc_put_flow(struct inproc *, uint32_t id,
                    const struct agilio_key *key,
                    const struct agilio_key *mask,
                    const void *program, size_t len);
int inproc_del_flow(struct inproc *, uint32_t id);

/* Takes the next record off the ring of device 'dev': up to AGILIO_MAX_RECORD
 * bytes.  Returns its length, 0 if there is none. */
uint32_t inproc_take(struct inproc *, uint32_t dev, void *record);
/* Puts a record with a frame for port 'port' into the ring of device 'dev'.
 * False if it has no room. */
bool inproc_send(struct inproc *, uint32_t dev, uint32_t port, uint16_t flags,
                 const void *frame, uint32_t len);

#endif /* inproc-nic.h */
