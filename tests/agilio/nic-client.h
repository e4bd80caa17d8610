/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic-client.h - a small host for tests: it attaches to a NIC's socket, says
 * HELLO, makes requests one at a time, and sends and receives packets.
 *
 *     struct nic_client c;
 *     uint32_t n_flows;
 *
 *     nic_client_init(&c, pump, nic);             NULL, NULL for agilio-nicd
 *     CHECK(!nic_client_connect(&c, path));
 *     CHECK(!nic_client_hello(&c, 1, &n_flows));
 *     ...
 *     nic_client_close(&c);
 *
 * 'pump' lets NIC and host live in one thread: it is called whenever the
 * client waits, and gives the NIC a turn.  All functions that wait do so for
 * 'timeout_ms' at the most.  All that return an int return 0, a positive errno
 * or the number of the NIC's error reply; c.reason then says why.
 *
 * The client trusts the NIC (tests of distrust have lib/agilio-nic.c).  It
 * belongs to one thread.
 */

#ifndef NIC_CLIENT_H
#define NIC_CLIENT_H 1

#include "agilio/msg.h"

struct nic_client_qp {
    struct agilio_ring_end from_nic;    /* Consumer. */
    struct agilio_ring_end to_nic;      /* Producer. */
};

struct nic_client {
    void (*pump)(void *aux);
    void *aux;
    int timeout_ms;             /* 2000 after nic_client_init(). */
    char reason[256];           /* Of the last error. */

    int sock;                   /* -1: not connected. */
    int region_fd;
    int nic_fds[AGILIO_N_VECTORS];      /* We ring these. */
    int host_fds[AGILIO_N_VECTORS];     /* The NIC rings these. */
    uint8_t *base;
    uint64_t size;
    struct agilio_region *region;

    struct agilio_ring_end request;     /* Producer. */
    struct agilio_ring_end reply;       /* Consumer. */
    struct nic_client_qp qps[AGILIO_MAX_PORTS];     /* By port slot. */
    uint32_t session;
    uint32_t last_id;
    uint32_t n_events;          /* Events that nic_client_call() passed by. */
    uint8_t in[AGILIO_MAX_MSG]; /* The last message received. */
};

void nic_client_init(struct nic_client *, void (*pump)(void *), void *aux);

/* Connects, receives the handshake and maps the region.  ECONNRESET: the NIC
 * refused, since it has another host. */
int nic_client_connect(struct nic_client *, const char *path);
void nic_client_close(struct nic_client *);

/* The two halves of nic_client_connect(): the bare connection, and one word of
 * the handshake; '*fd' is -1 if none came along. */
int nic_client_dial(struct nic_client *, const char *path);
int nic_client_read_word(struct nic_client *, int64_t *word, int *fd);

/* ## Messages. ## */

/* Sends a message without waiting; '_raw' sends the bytes as they are. */
int nic_client_send(struct nic_client *, enum agilio_msg_type,
                    const void *body, size_t len);
int nic_client_send_raw(struct nic_client *, const void *msg, uint32_t len);

/* Waits for the next reply or event. */
int nic_client_receive(struct nic_client *, struct agilio_msg *,
                       struct agilio_reader *body);

/* Sends a request and waits for its reply, whose body goes to 'reply' unless
 * that is NULL. */
int nic_client_call(struct nic_client *, enum agilio_msg_type,
                    const void *body, size_t len, struct agilio_reader *reply);

int nic_client_hello(struct nic_client *, uint64_t epoch, uint32_t *n_flows);
int nic_client_flow_put(struct nic_client *, uint32_t id,
                        const struct agilio_key *key,
                        const struct agilio_key *mask,
                        const void *program, size_t len);
int nic_client_flow_del(struct nic_client *, uint32_t id);
/* 'what': AGILIO_PORT_SET_*; 'mac' may be NULL if that is not set. */
int nic_client_port_set(struct nic_client *, uint32_t port_id, uint32_t what,
                        uint32_t flags, uint32_t mtu, const uint8_t mac[6]);

/* ## Packets. ## */

struct nic_client_packet {
    struct agilio_desc desc;
    uint8_t meta[AGILIO_MAX_META];      /* desc.meta_len bytes. */
    uint8_t frame[AGILIO_MAX_FRAME];
    uint32_t frame_len;
};

/* Sends a frame out of a port. */
int nic_client_tx(struct nic_client *, uint32_t port_id,
                  const void *frame, uint32_t len);
/* Waits for a packet that came in on a port. */
int nic_client_rx(struct nic_client *, uint32_t port_id,
                  struct nic_client_packet *);
/* True if there is a packet of the port (or its ring is broken). */
bool nic_client_has_rx(struct nic_client *, uint32_t port_id);

/* ## What the region says. ## */

/* The id of the port of that name, AGILIO_PORT_NONE if there is none; copies
 * its entry to '*port' unless that is NULL. */
uint32_t nic_client_port(const struct nic_client *, const char *name,
                         struct agilio_port *port);

/* Summed over the workers, in host byte order. */
uint64_t nic_client_counter(const struct nic_client *, enum agilio_counter);
struct nic_client_flow_stats {
    uint64_t packets, bytes, used;
    uint16_t tcp_flags;
};
void nic_client_flow_stats(const struct nic_client *, uint32_t flow_id,
                           struct nic_client_flow_stats *);

#endif /* nic-client.h */
