/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-conn.c - one connection to the NIC, from the socket to HELLO and on.
 *
 * See agilio-conn.h for the phases.  While the NIC has just gone, it is looked
 * for every 100 ms, later once a second; a NIC that comes and goes within that
 * time is looked for slowly from the start.  Once a second a NIC that is up
 * must answer something, and is asked if there was nothing else.
 *
 * The clock is agilio_now_ms(), which no time/warp moves.  The log gets one
 * line for each change; a NIC that stays away is not mentioned again.
 */

#include <config.h>

#include "agilio-conn.h"

#include <errno.h>
#include <limits.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio_conn);

#define RETRY_FAST_MS 100
#define RETRY_FAST_FOR_MS 2000
#define RETRY_SLOW_MS 1000
#define HANDSHAKE_TIMEOUT_MS 3000
#define ANSWER_TIMEOUT_MS 3000
#define KEEPALIVE_MS 1000

void
agilio_conn_init(struct agilio_conn *c, struct agilio_ctl *ctl)
{
    memset(c, 0, sizeof *c);
    c->phase = AGILIO_CONN_IDLE;
    c->ctl = ctl;
}

/* ## ---- ##
 * ## Down ##
 * ## ---- ## */

static void
wait_for_next_try(struct agilio_conn *c)
{
    long long int now = agilio_now_ms();

    c->phase = AGILIO_CONN_WAITING;
    c->next_try = now + (now < c->fast_until
                         ? RETRY_FAST_MS : RETRY_SLOW_MS);
}

/* Takes the connection down, whatever phase it is in. */
static enum agilio_conn_event
take_down(struct agilio_conn *c)
{
    bool was_up = c->phase == AGILIO_CONN_UP;

    if (c->phase >= AGILIO_CONN_HELLO) {
        agilio_ctl_close(c->ctl);
    }
    if (c->phase >= AGILIO_CONN_HANDSHAKE) {
        agilio_ivshmem_close(&c->io);
    }
    if (!was_up) {
        agilio_map_destroy(c->map);
    }
    c->map = NULL;
    free(c->hello_error);
    c->hello_error = NULL;
    return was_up ? AGILIO_CONN_WENT_DOWN : AGILIO_CONN_NOTHING;
}

/* The NIC cannot even be reached: logged if it is news. */
static void
note_unreachable(struct agilio_conn *c)
{
    if (!c->complained) {
        VLOG_WARN("cannot connect to NIC at %s (%s); trying again",
                  c->path, c->reason);
        c->complained = true;
    }
}

/* The NIC is there, and no good: likewise. */
static void
note_refused(struct agilio_conn *c)
{
    if (!c->complaint || strcmp(c->complaint, c->reason)) {
        VLOG_WARN("cannot use NIC at %s (%s); trying again",
                  c->path, c->reason);
        free(c->complaint);
        c->complaint = xstrdup(c->reason);
        c->complained = true;
    }
}

static void
note_lost(struct agilio_conn *c)
{
    long long int now = agilio_now_ms();

    VLOG_WARN("lost connection to NIC at %s (%s); trying to reconnect",
              c->path, c->reason);
    c->complained = true;
    if (now - c->since >= RETRY_FAST_FOR_MS) {
        c->fast_until = now + RETRY_FAST_FOR_MS;
    }
}

/* The connection is lost or was never made, for 'reason'; takes ownership. */
static enum agilio_conn_event
lose(struct agilio_conn *c, char *reason)
{
    enum agilio_conn_event event;

    free(c->reason);
    c->reason = reason;
    if (c->phase == AGILIO_CONN_UP) {
        note_lost(c);
    } else {
        note_refused(c);
    }
    event = take_down(c);
    wait_for_next_try(c);
    return event;
}

enum agilio_conn_event
agilio_conn_fail(struct agilio_conn *c, const char *reason)
{
    return lose(c, xstrdup(reason));
}

enum agilio_conn_event
agilio_conn_set_path(struct agilio_conn *c, const char *path)
{
    enum agilio_conn_event event;

    if (c->phase == AGILIO_CONN_UP) {
        VLOG_INFO("disconnecting from NIC at %s", c->path);
    }
    event = take_down(c);
    free(c->path);
    free(c->complaint);
    free(c->reason);
    c->path = nullable_xstrdup(path);
    c->complaint = NULL;
    c->complained = false;
    c->reason = NULL;
    c->phase = path ? AGILIO_CONN_WAITING : AGILIO_CONN_IDLE;
    c->next_try = agilio_now_ms();
    c->fast_until = c->next_try + RETRY_FAST_FOR_MS;
    return event;
}

/* ## ---------- ##
 * ## Connecting ##
 * ## ---------- ## */

static void
try_connect(struct agilio_conn *c)
{
    int error = agilio_ivshmem_open(&c->io, c->path);

    if (error) {
        free(c->reason);
        c->reason = xstrdup(ovs_strerror(error));
        note_unreachable(c);
        wait_for_next_try(c);
    } else {
        c->phase = AGILIO_CONN_HANDSHAKE;
        c->since = agilio_now_ms();
    }
}

/* Reply to HELLO. */
static void
hello_cb(int error, const char *reason, struct agilio_reader *body, void *c_)
{
    struct agilio_conn *c = c_;

    c->hello_done = true;
    if (error) {
        c->hello_error = xstrdup(reason);
    } else {
        uint16_t version = agilio_get_u16(body);

        agilio_get_u16(body);
        c->n_foreign_flows = agilio_get_u32(body);
        c->map->features = agilio_get_u64(body) & AGILIO_FEATURES;
        if (body->bad
            || version < AGILIO_ABI_MIN || version > AGILIO_ABI_MAX) {
            c->hello_error = xstrdup("its answer to HELLO makes no sense");
        }
    }
}

/* Maps the region; the packets' doorbells become the map's. */
static char *
map_region(struct agilio_conn *c)
{
    int *host_fd = &c->io.host_fds[AGILIO_VECTOR_PACKETS];
    int *nic_fd = &c->io.nic_fds[AGILIO_VECTOR_PACKETS];
    char *error = agilio_map_create(c->io.region_fd, &c->map);

    if (!error) {
        c->map->generation = ++c->generation;
        c->map->first_clock = agilio_from_le64(
            agilio_load_relaxed(&c->map->region->clock));
        c->map->first_msec = agilio_now_ms();
        c->map->packets_fd = *host_fd;
        c->map->nic_packets_fd = *nic_fd;
        *host_fd = *nic_fd = -1;
    }
    return error;
}

/* Region and doorbells are there: says HELLO.  Returns NULL or why it cannot
 * (malloc'd). */
static char *
say_hello(struct agilio_conn *c)
{
    uint64_t epoch = random_uint64() | 1;       /* 0 would mean no host. */
    struct agilio_region *region;
    uint8_t buf[24];
    struct agilio_writer w = { buf, buf + sizeof buf, false };
    char *error = map_region(c);

    if (error) {
        return error;
    }
    agilio_ctl_open(c->ctl, c->map, c->io.nic_fds[AGILIO_VECTOR_CONTROL],
                    epoch);
    c->phase = AGILIO_CONN_HELLO;
    c->hello_done = false;
    region = (void *) c->map->base;
    agilio_store_relaxed(&region->host_epoch, agilio_to_le64(epoch));

    agilio_put_u16(&w, AGILIO_ABI_MIN);
    agilio_put_u16(&w, AGILIO_ABI_MAX);
    agilio_put_u32(&w, 0);
    agilio_put_u64(&w, AGILIO_FEATURES);
    agilio_put_u64(&w, epoch);
    return (agilio_ctl_send(c->ctl, AGILIO_MSG_HELLO, buf, sizeof buf,
                            hello_cb, c)
            ? xstrdup("it takes no requests") : NULL);
}

static char *
run_handshake(struct agilio_conn *c)
{
    if (agilio_ivshmem_is_complete(&c->io)) {
        return say_hello(c);
    }
    return (agilio_now_ms() - c->since > HANDSHAKE_TIMEOUT_MS
            ? xstrdup("it does not hand over its region") : NULL);
}

/* ## -- ##
 * ## Up ##
 * ## -- ## */

static uint32_t
read_port_seq(const struct agilio_map *map)
{
    return agilio_from_le32(agilio_load_acquire(&map->region->port_seq));
}

/* HELLO was answered as we hoped. */
static enum agilio_conn_event
come_up(struct agilio_conn *c)
{
    c->phase = AGILIO_CONN_UP;
    c->since = agilio_now_ms();
    c->next_keepalive = c->since + KEEPALIVE_MS;
    c->port_seq = read_port_seq(c->map);
    c->complained = false;
    free(c->complaint);
    c->complaint = NULL;
    free(c->reason);
    c->reason = NULL;
    VLOG_INFO("connected to NIC at %s (%"PRIu32" ports, %"PRIu32" workers, "
              "room for %"PRIu32" flows)",
              c->path, agilio_map_count_ports(c->map), c->map->n_workers,
              c->map->max_flows);
    return AGILIO_CONN_CAME_UP;
}

/* A request that no answer came to shows that the NIC hangs.  If there is
 * none, makes one. */
static bool
is_alive(struct agilio_conn *c)
{
    long long int oldest = agilio_ctl_oldest(c->ctl);
    long long int now = agilio_now_ms();

    if (now - oldest > ANSWER_TIMEOUT_MS) {
        return false;
    }
    if (c->phase == AGILIO_CONN_UP && now >= c->next_keepalive) {
        c->next_keepalive = now + KEEPALIVE_MS;
        return (oldest != LLONG_MAX
                || !agilio_ctl_send(c->ctl, AGILIO_MSG_KEEPALIVE, NULL, 0,
                                    NULL, NULL));
    }
    return true;
}

/* Runs the control channel.  Returns NULL or why the connection is lost. */
static char *
run_control(struct agilio_conn *c, enum agilio_conn_event *event)
{
    bool port_event;
    const char *error;

    agilio_ivshmem_clear(c->io.host_fds[AGILIO_VECTOR_CONTROL]);
    error = agilio_ctl_run(c->ctl, &port_event);
    if (!error && !is_alive(c)) {
        error = "it does not answer";
    }
    if (error || c->hello_error) {
        return xstrdup(error ? error : c->hello_error);
    }

    if (c->phase == AGILIO_CONN_HELLO) {
        *event = c->hello_done ? come_up(c) : AGILIO_CONN_NOTHING;
    } else if (port_event || read_port_seq(c->map) != c->port_seq) {
        c->port_seq = read_port_seq(c->map);
        *event = AGILIO_CONN_PORTS_CHANGED;
    }
    return NULL;
}

enum agilio_conn_event
agilio_conn_run(struct agilio_conn *c)
{
    enum agilio_conn_event event = AGILIO_CONN_NOTHING;
    const char *error;
    char *reason;

    if (c->phase == AGILIO_CONN_WAITING && agilio_now_ms() >= c->next_try) {
        try_connect(c);
    }
    if (c->phase < AGILIO_CONN_HANDSHAKE) {
        return AGILIO_CONN_NOTHING;
    }

    error = agilio_ivshmem_run(&c->io);
    reason = (error ? xstrdup(error)
              : c->phase == AGILIO_CONN_HANDSHAKE ? run_handshake(c)
              : run_control(c, &event));
    return reason ? lose(c, reason) : event;
}

void
agilio_conn_wait(struct agilio_conn *c)
{
    long long int now = agilio_now_ms();

    if (c->phase == AGILIO_CONN_WAITING) {
        poll_timer_wait(MAX(c->next_try - now, 0));
    } else if (c->phase >= AGILIO_CONN_HANDSHAKE) {
        agilio_ivshmem_wait(&c->io);
        poll_timer_wait(c->phase == AGILIO_CONN_UP
                        ? MAX(c->next_keepalive - now, 0) : KEEPALIVE_MS);
    }
    if (c->phase >= AGILIO_CONN_HELLO) {
        poll_fd_wait(c->io.host_fds[AGILIO_VECTOR_CONTROL], POLLIN);
        agilio_ctl_wait(c->ctl);
    }
}
