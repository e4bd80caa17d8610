/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-control.c - how fast the control channel of an agilio-nicd is.
 *
 *     bench-control SOCKET add|delete|stats|flush N MASKS
 *
 * Run by build-aux/bench_control.py.  Attaches to the NIC as ovs-vswitchd
 * would, says HELLO, and does one thing with flows 0 to N-1: puts them, with
 * MASKS different masks; deletes them; or reads their counters.  As many
 * requests are under way as the ring takes.  Every reply is looked at, and one
 * that is an error ends the program.  The flows stay on the NIC when it ends,
 * as they do when a host goes.
 *
 * Prints the time that it took, and this process's CPU time, in ns, as JSON.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agilio-ivshmem.h"
#include "agilio-map.h"
#include "inproc-nic.h"
#include "openvswitch/poll-loop.h"
#include "util.h"

#define SESSION 1
#define ADDRESSES 17            /* Word of the key that has nw_src, nw_dst. */

/* A FLOW_PUT to be completed: all flows of one mask have the same. */
struct template {
    uint8_t body[AGILIO_MAX_MSG];
    size_t len, addresses;
};

struct client {
    struct agilio_ivshmem io;
    struct agilio_map *map;
    struct agilio_ring_end to_nic, from_nic;
    struct template *templates;
    uint32_t n_masks;
    uint32_t n_asked, n_answered;
    uint8_t buf[AGILIO_MAX_MSG];
};

static uint64_t
clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* ## --------- ##
 * ## Messages. ##
 * ## --------- ## */

static bool
ask(struct client *c, enum agilio_msg_type type, const void *body, size_t len)
{
    uint8_t msg[AGILIO_MAX_MSG];
    struct agilio_writer w;
    int sent;

    agilio_msg_start(&w, msg, sizeof msg, type, 0, c->n_asked, SESSION);
    agilio_put_bytes(&w, body, len);
    sent = agilio_msg_send(&c->to_nic, msg, agilio_msg_end(&w, msg));
    if (sent > 0) {
        agilio_ivshmem_kick(c->io.nic_fds[AGILIO_VECTOR_CONTROL]);
    }
    c->n_asked += sent >= 0;
    return sent >= 0;
}

/* Takes the replies that are there. */
static void
take_replies(struct client *c)
{
    struct agilio_reader body;
    struct agilio_msg msg;

    while (agilio_msg_receive(&c->from_nic, c->buf, &msg, &body)) {
        uint16_t flags = agilio_from_le16(msg.flags);

        if (flags & AGILIO_MSG_F_EVENT) {
            continue;
        } else if (flags & AGILIO_MSG_F_ERROR) {
            agilio_get_u32(&body);
            ovs_fatal(0, "request %"PRIu32" failed: %.*s", c->n_answered,
                      (int) (body.end - body.p), body.p);
        } else if (agilio_from_le32(msg.id) != c->n_answered) {
            ovs_fatal(0, "a reply is out of order");
        }
        c->n_answered++;
    }
}

/* Sleeps until there is a reply. */
static void
wait_for_reply(struct client *c)
{
    int fd = c->io.host_fds[AGILIO_VECTOR_CONTROL];
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    if (agilio_ring_sleep(&c->from_nic) && poll(&pfd, 1, 5000) <= 0) {
        ovs_fatal(0, "the NIC does not answer");
    }
    agilio_ring_awake(&c->from_nic);
    agilio_ivshmem_clear(fd);
}

/* Asks for 'n' things, 'ask_one' being false if there is no room for the next
 * now, until all is answered. */
static void
ask_all(struct client *c, uint32_t n, bool (*ask_one)(struct client *,
                                                      uint32_t i))
{
    uint32_t i = 0;

    c->n_asked = c->n_answered = 0;
    while (c->n_answered < n) {
        uint32_t before = c->n_answered;

        while (i < n && ask_one(c, i)) {
            i++;
        }
        take_replies(c);
        if (c->n_answered == before) {
            wait_for_reply(c);
        }
    }
}

/* ## ---------- ##
 * ## Attaching. ##
 * ## ---------- ## */

static bool
hello(struct client *c, uint32_t i OVS_UNUSED)
{
    uint8_t body[24];
    struct agilio_writer w = { body, body + sizeof body, false };

    agilio_put_u16(&w, AGILIO_ABI_MIN);
    agilio_put_u16(&w, AGILIO_ABI_MAX);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, SESSION);
    return ask(c, AGILIO_MSG_HELLO, body, sizeof body);
}

static void
attach(struct client *c, const char *path)
{
    int error = agilio_ivshmem_open(&c->io, path);
    char *reason;

    if (error) {
        ovs_fatal(error, "%s", path);
    }
    while (!agilio_ivshmem_is_complete(&c->io)) {
        const char *broken = agilio_ivshmem_run(&c->io);

        if (broken) {
            ovs_fatal(0, "%s: %s", path, broken);
        }
        if (!agilio_ivshmem_is_complete(&c->io)) {
            agilio_ivshmem_wait(&c->io);
            poll_block();
        }
    }
    reason = agilio_map_create(c->io.region_fd, &c->map);
    if (reason) {
        ovs_fatal(0, "%s: %s", path, reason);
    }
    agilio_map_producer(c->map, &c->map->control[0], &c->to_nic);
    agilio_map_consumer(c->map, &c->map->control[1], &c->from_nic);
    ask_all(c, 1, hello);
}

/* ## ------ ##
 * ## Flows. ##
 * ## ------ ## */

/* IPv4 from one host to another; mask 'i' looks at some bits of a port too. */
static void
make_template(struct template *t, uint32_t i)
{
    const struct agilio_action_output output = {
        .action = {
            .type = agilio_to_le16(AGILIO_ACTION_OUTPUT),
            .len = agilio_to_le16(sizeof output),
        },
        .port = agilio_to_le32(1),
    };
    struct agilio_key key, mask;
    uint64_t words[AGILIO_KEY_WORDS];

    memset(&key, 0, sizeof key);
    memset(&mask, 0, sizeof mask);
    key.md.in_port = agilio_to_le32(2);
    mask.md.in_port = agilio_to_le32(UINT32_MAX);
    mask.md.recirc_id = agilio_to_le32(UINT32_MAX);
    mask.md.packet_type = agilio_to_be32(UINT32_MAX);
    key.eth_type = agilio_to_be16(0x0800);
    mask.eth_type = agilio_to_be16(UINT16_MAX);
    mask.nw_frag = 3;
    mask.nw_src = mask.nw_dst = agilio_to_be32(UINT32_MAX);
    mask.tp_dst = agilio_to_be16(i);
    t->len = inproc_flow_body(t->body, 0, &key, &mask, &output, sizeof output);
    t->addresses = sizeof(struct agilio_flow_put);
    memcpy(words, &mask, sizeof words);
    for (i = 0; i < ADDRESSES; i++) {
        t->addresses += words[i] ? sizeof words[i] : 0;
    }
}

static bool
add(struct client *c, uint32_t i)
{
    struct template *t = &c->templates[i % c->n_masks];
    agilio_le32 id = agilio_to_le32(i);
    agilio_be32 addresses[2] = {
        agilio_to_be32(i), agilio_to_be32(0x0b000000 | i % 256)
    };

    memcpy(t->body, &id, sizeof id);
    memcpy(t->body + t->addresses, addresses, sizeof addresses);
    return ask(c, AGILIO_MSG_FLOW_PUT, t->body, t->len);
}

static bool
delete(struct client *c, uint32_t i)
{
    agilio_le32 id = agilio_to_le32(i);

    return ask(c, AGILIO_MSG_FLOW_DEL, &id, sizeof id);
}

static bool
flush(struct client *c, uint32_t i OVS_UNUSED)
{
    return ask(c, AGILIO_MSG_FLOW_FLUSH, "", 0);
}

/* The sum of all, so that reading is not for nothing. */
static uint64_t
read_stats(const struct client *c, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct agilio_flow_counts counts;

        agilio_map_flow_counts(c->map, i, &counts);
        sum += counts.n_packets + counts.n_bytes + counts.tcp_flags;
    }
    return sum;
}

static void
perform(struct client *c, const char *what, uint32_t n)
{
    if (!strcmp(what, "add")) {
        ask_all(c, n, add);
    } else if (!strcmp(what, "delete")) {
        ask_all(c, n, delete);
    } else if (!strcmp(what, "flush")) {
        ask_all(c, 1, flush);
    } else if (strcmp(what, "stats") || read_stats(c, n)) {
        ovs_fatal(0, "%s: no such thing, or a flow that had packets", what);
    }
}

int
main(int argc, char *argv[])
{
    static struct client c;
    uint64_t wall, cpu;
    uint32_t n;

    set_program_name(argv[0]);
    if (argc != 5) {
        ovs_fatal(0, "usage: %s SOCKET add|delete|stats|flush N MASKS",
                  program_name);
    }
    n = strtoul(argv[3], NULL, 10);
    c.n_masks = strtoul(argv[4], NULL, 10);
    c.templates = xcalloc(c.n_masks, sizeof *c.templates);
    for (uint32_t i = 0; i < c.n_masks; i++) {
        make_template(&c.templates[i], i);
    }
    attach(&c, argv[1]);

    wall = clock_ns(CLOCK_MONOTONIC);
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    perform(&c, argv[2], n);
    printf("{\"wall\": %"PRIu64", \"cpu\": %"PRIu64"}\n",
           clock_ns(CLOCK_MONOTONIC) - wall,
           clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}
