/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-conn.c - the host's connection to the NIC: lib/agilio-nic.c with
 * agilio-conn.c, agilio-ctl.c and agilio-ivshmem.c, against a NIC that comes,
 * goes, hangs and lies (fake-nic.h), and against servers that are no NIC.
 */

#include <config.h>

#include "agilio-nic.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "agilio-ctl.h"
#include "agilio-ivshmem.h"
#include "check.h"
#include "fake-nic.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "socket-util.h"
#include "util.h"

static char *path;

/* ## -------- ##
 * ## Observer ##
 * ## -------- ## */

static uint32_t n_attached, n_down, n_ports_changed, n_foreign;
static uint32_t n_to_send;      /* When attached. */
static uint32_t n_answered;     /* Of these. */

static void
count_answer(int error, const char *reason OVS_UNUSED,
             struct agilio_reader *body OVS_UNUSED, void *aux OVS_UNUSED)
{
    CHECK(!error);
    agilio_store_release(&n_answered, n_answered + 1);
}

static void
attached(const struct agilio_map *map, uint32_t n_foreign_flows)
{
    CHECK(map == agilio_nic_map());
    CHECK(agilio_nic_status() == AGILIO_NIC_ATTACHED);
    n_foreign = n_foreign_flows;
    for (; n_to_send; n_to_send--) {
        CHECK(!agilio_nic_send(AGILIO_MSG_KEEPALIVE, NULL, 0, count_answer,
                               NULL));
    }
    agilio_store_release(&n_attached, n_attached + 1);
}

static void
down(void)
{
    CHECK(agilio_nic_status() == AGILIO_NIC_DOWN);
    agilio_store_release(&n_down, n_down + 1);
}

static void
ports_changed(const struct agilio_map *map OVS_UNUSED)
{
    agilio_store_release(&n_ports_changed, n_ports_changed + 1);
}

static const struct agilio_nic_observer observer = {
    attached, down, ports_changed
};

static bool
is_up(void)
{
    return agilio_nic_status() != AGILIO_NIC_DOWN;
}

/* True if agilio_nic_describe() mentions 'what'. */
static bool
described(const char *what)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    bool found;

    agilio_nic_describe(&ds);
    found = strstr(ds_cstr(&ds), what) != NULL;
    ds_destroy(&ds);
    return found;
}

/* Starts with a kind NIC and a connection to it. */
static void
bring_up(void)
{
    uint32_t before = n_attached;

    fake.mood = FAKE_KIND;
    fake.abi_min = fake.abi_max = 0;
    CHECK(fake_start(path));
    agilio_nic_connect(path);
    CHECK(WAIT_FOR(agilio_load_acquire(&n_attached) > before, 2000));
    CHECK(is_up());
}

static void
bring_down(void)
{
    agilio_nic_disconnect();
    CHECK(WAIT_FOR(!is_up() && agilio_load_acquire(&n_down) == n_attached,
                   1000));
    fake_stop();
}

/* ## -------------- ##
 * ## Coming, going. ##
 * ## -------------- ## */

static void
test_absent(void)
{
    CHECK(described("no NIC is configured"));
    CHECK(agilio_nic_send(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, NULL)
          == ENODEV);
    CHECK(agilio_nic_path() == NULL);
    agilio_nic_connect(path);
    CHECK(WAIT_FOR(described(ovs_strerror(ENOENT)), 1000));
    CHECK(!is_up() && !agilio_nic_map());
    agilio_nic_disconnect();
}

static void
test_attach(void)
{
    struct agilio_region *h;
    char *p;

    fake.n_foreign_flows = 3;
    bring_up();
    CHECK(n_foreign == 3);
    CHECK(agilio_nic_map()->features == AGILIO_FEATURES);
    CHECK(agilio_nic_map()->max_flows == 128);
    h = fake.f->region.header;
    CHECK(agilio_load_relaxed(&h->host_epoch) != 0);
    CHECK(described("attached"));
    agilio_nic_take_over();
    CHECK(agilio_nic_status() == AGILIO_NIC_ACTIVE);
    CHECK(described("active"));
    p = agilio_nic_path();
    CHECK(p && !strcmp(p, path));
    free(p);

    bring_down();
    CHECK(described("no NIC is configured"));
    CHECK(agilio_nic_map() != NULL);    /* Its counters can be read. */
    agilio_nic_take_over();             /* Too late: no effect. */
    CHECK(!is_up());
}

static void
count_enodev(int error, const char *reason, struct agilio_reader *body,
             void *n_)
{
    uint32_t *n = n_;

    CHECK(error == ENODEV && reason && body->p == body->end);
    agilio_store_release(n, *n + 1);
}

static void
test_restart(void)
{
    const struct agilio_map *map;
    uint32_t n_lost = 0;
    uint64_t boot_id;
    int i;

    bring_up();
    map = agilio_nic_map();
    boot_id = map->boot_id;
    agilio_store_relaxed(&fake.mood, FAKE_MUTE);
    for (i = 0; i < 5; i++) {
        CHECK(!agilio_nic_send(AGILIO_MSG_FLOW_FLUSH, NULL, 0, count_enodev,
                               &n_lost));
    }
    fake_stop();
    for (i = 0; i < 1000 && is_up(); i++) {
        xnanosleep_no_quiesce(1000 * 1000);
    }
    CHECK(!is_up());
    CHECK(map->region->magic == agilio_to_le64(AGILIO_MAGIC));
    CHECK(WAIT_FOR(agilio_load_acquire(&n_lost) == 5, 1000));
    CHECK(WAIT_FOR(agilio_load_acquire(&n_down) == n_attached, 1000));

    bring_up();                 /* Within 2 s, by itself. */
    CHECK(agilio_nic_map()->boot_id != boot_id);
    CHECK(agilio_nic_status() == AGILIO_NIC_ATTACHED);
    CHECK(n_lost == 5);
    bring_down();
}

static void
test_ports_changed(void)
{
    uint32_t before;

    bring_up();
    before = n_ports_changed;
    fake_set_port(1, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(agilio_load_acquire(&n_ports_changed) > before, 2000));
    CHECK(agilio_map_count_ports(agilio_nic_map()) == 1);
    bring_down();
}

/* ## -------- ##
 * ## Requests ##
 * ## -------- ## */

static void
test_call(void)
{
    long long int start;
    char reply[16];
    char *reason = NULL;
    size_t len;
    int i;

    bring_up();
    CHECK(!agilio_nic_call(AGILIO_MSG_TRACKER_DUMP, "hello", 5, reply,
                           sizeof reply, &len, NULL));
    CHECK(len == 5 && !memcmp(reply, "hello", 5));
    CHECK(!agilio_nic_call(AGILIO_MSG_TRACKER_DUMP, "hello", 5, reply, 2,
                           &len, NULL));
    CHECK(len == 2);

    start = agilio_now_ms();
    for (i = 0; i < 1000; i++) {
        CHECK(!agilio_nic_call(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, 0, NULL,
                               NULL));
    }
    printf("# 1000 calls: %lld ms\n", agilio_now_ms() - start);

    agilio_store_relaxed(&fake.mood, FAKE_REFUSE);
    CHECK(agilio_nic_call(AGILIO_MSG_FLOW_DEL, NULL, 0, NULL, 0, NULL,
                          &reason) == ENOENT);
    CHECK(reason && !strcmp(reason, "not today"));
    free(reason);
    CHECK(agilio_nic_send(AGILIO_MSG_FLOW_PUT, path, AGILIO_MAX_MSG - 15,
                          NULL, NULL) == EMSGSIZE);
    bring_down();
}

static uint32_t next_reply, n_out_of_order;

static void
check_order(int error, const char *reason OVS_UNUSED,
            struct agilio_reader *body, void *aux)
{
    uint32_t x = agilio_get_u32(body);

    if (error || body->bad || x != (uintptr_t) aux || x != next_reply) {
        n_out_of_order++;
    }
    next_reply++;
}

/* Far more requests than the rings hold, each of many granules: nothing is
 * lost, and a call returns after the callbacks of all that went before. */
static void
test_order(void)
{
    static uint8_t body[1000];
    uintptr_t i;

    bring_up();
    next_reply = n_out_of_order = 0;
    for (i = 0; i < 3000; i++) {
        agilio_le32 le = agilio_to_le32(i);

        memcpy(body, &le, sizeof le);
        CHECK(!agilio_nic_send(AGILIO_MSG_TRACKER_DUMP, body,
                               4 + i % (sizeof body - 4), check_order,
                               (void *) i));
    }
    CHECK(!agilio_nic_call(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, 0, NULL,
                           NULL));
    CHECK(next_reply == 3000 && !n_out_of_order);
    bring_down();
}

/* Likewise in the agilio thread, which nobody else takes replies for. */
static void
test_send_from_observer(void)
{
    n_to_send = 2000;
    bring_up();
    CHECK(WAIT_FOR(agilio_load_acquire(&n_answered) == 2000, 2000));
    bring_down();
}

struct polled {
    uint32_t next;              /* Callback that is to come. */
    uint32_t n_wrong;           /* That came instead of another, */
    uint32_t n_here;            /* ...or in this thread, */
    uint32_t n_urgent_here;     /* where these must not. */
    pthread_t here;
};
static struct polled polled;

static void
check_polled(int error, const char *reason OVS_UNUSED,
             struct agilio_reader *body OVS_UNUSED, void *aux)
{
    uint32_t i = (uintptr_t) aux;
    bool here = pthread_equal(pthread_self(), polled.here);

    polled.n_wrong += error || i != polled.next;
    polled.n_here += here;
    polled.n_urgent_here += here && i % 50 == 0;
    agilio_store_release(&polled.next, i + 1);
}

static int
send_polled(uintptr_t i)
{
    return agilio_nic_send(i % 50 ? AGILIO_MSG_FLOW_PUT
                           : AGILIO_MSG_TRACKER_DUMP, NULL, 0, check_polled,
                           (void *) i);
}

/* The main thread takes answers, too: of flows only, and in order.  That it
 * rings seldom makes nothing late. */
static void
test_poll(void)
{
    bring_up();
    polled = (struct polled) { .here = pthread_self() };
    agilio_nic_run();
    for (uintptr_t i = 0; i < 3000; i++) {
        while (send_polled(i) == ENOBUFS) {
            agilio_nic_run();
        }
        if (i % 7 == 0) {
            agilio_nic_run();
        }
    }
    /* The NIC may have been slow.  Here we are there in time. */
    for (uintptr_t i = 3000; !agilio_load_relaxed(&polled.n_here) && i < 3100;
         i++) {
        CHECK(!send_polled(i));
        CHECK(WAIT_FOR((agilio_nic_run(),
                        agilio_load_acquire(&polled.next) == i + 1), 1000));
    }
    CHECK(WAIT_FOR(agilio_load_acquire(&polled.next) >= 3000, 1000));
    CHECK(!polled.n_wrong && polled.n_here && !polled.n_urgent_here);
    printf("# %"PRIu32" of 3000 answers polled\n", polled.n_here);
    bring_down();
    agilio_nic_run();           /* Nothing to do. */
}

static void *
call_often(void *n_)
{
    uint32_t *n_ok = n_;
    int i;

    for (i = 0; i < 300; i++) {
        agilio_le32 request = agilio_to_le32(random_uint32()), reply;
        size_t len;

        *n_ok += (!agilio_nic_call(AGILIO_MSG_TRACKER_DUMP, &request,
                                   sizeof request, &reply, sizeof reply, &len,
                                   NULL)
                  && len == sizeof reply && reply == request);
    }
    return NULL;
}

static void
test_threads(void)
{
    uint32_t n_ok[4] = { 0, 0, 0, 0 };
    pthread_t threads[4];
    int i;

    bring_up();
    for (i = 0; i < 4; i++) {
        threads[i] = ovs_thread_create("caller", call_often, &n_ok[i]);
    }
    for (i = 0; i < 4; i++) {
        xpthread_join(threads[i], NULL);
        CHECK(n_ok[i] == 300);
    }
    bring_down();
}

/* ## --------------- ##
 * ## Bad behaviour. ##
 * ## --------------- ## */

/* The connection is lost for 'reason', and comes back when the NIC is kind. */
static void
check_lost(const char *reason, int timeout_ms)
{
    uint32_t before = n_attached;

    CHECK(WAIT_FOR(!is_up(), timeout_ms));
    CHECK(WAIT_FOR(described(reason), 100));
    agilio_store_relaxed(&fake.mood, FAKE_KIND);
    CHECK(WAIT_FOR(agilio_load_acquire(&n_attached) > before, 6000));
}

static void
test_hang(void)
{
    long long int start;
    char *reason = NULL;

    bring_up();
    agilio_store_relaxed(&fake.mood, FAKE_MUTE);
    check_lost("it does not answer", 6000);     /* Keepalive notices. */

    agilio_store_relaxed(&fake.mood, FAKE_MUTE);
    start = agilio_now_ms();
    CHECK(agilio_nic_call(AGILIO_MSG_FLOW_FLUSH, NULL, 0, NULL, 0, NULL,
                          &reason) == ETIMEDOUT);
    CHECK(agilio_now_ms() - start >= 900 && agilio_now_ms() - start < 3000);
    CHECK(reason && !strcmp(reason, "the NIC does not answer"));
    free(reason);
    check_lost("it does not answer", 500);
    bring_down();
}

/* Whoever deletes a flow waits a second for room; who puts one, does not. */
static void
test_full(void)
{
    static uint8_t body[AGILIO_MAX_MSG - sizeof(struct agilio_msg)];
    long long int start;

    bring_up();
    agilio_store_relaxed(&fake.mood, FAKE_MUTE);
    start = agilio_now_ms();
    while (!agilio_nic_send(AGILIO_MSG_FLOW_PUT, body, sizeof body, NULL,
                            NULL)) {
        continue;
    }
    CHECK(agilio_nic_send(AGILIO_MSG_FLOW_PUT, body, sizeof body, NULL, NULL)
          == ENOBUFS);
    CHECK(agilio_now_ms() - start < 900);
    start = agilio_now_ms();
    CHECK(agilio_nic_send(AGILIO_MSG_FLOW_DEL, body, sizeof body, NULL, NULL)
          == ENOBUFS);
    CHECK(agilio_now_ms() - start >= 900 && agilio_now_ms() - start < 3000);
    check_lost("it does not answer", 6000);
    bring_down();
}

static void
test_lies(void)
{
    bring_up();
    agilio_store_relaxed(&fake.mood, FAKE_WRONG_ID);
    CHECK(!agilio_nic_send(AGILIO_MSG_KEEPALIVE, NULL, 0, NULL, NULL));
    check_lost("out of order", 1000);

    /* Mute, so that it is not back before that it was gone is seen. */
    agilio_store_relaxed(&fake.mood, FAKE_MUTE);
    fake.f->region.reply.ring->prod = agilio_to_le32(123456789);
    agl_function_kick(fake.f, AGILIO_VECTOR_CONTROL);
    check_lost("a control ring makes no sense", 1000);

    agilio_store_relaxed(&fake.mood, FAKE_MUTE);
    agilio_nic_fail(agilio_nic_map(), "I say so");
    check_lost("I say so", 1000);
    bring_down();
}

static void
test_bad_hello(void)
{
    bring_up();
    fake_stop();
    CHECK(WAIT_FOR(!is_up(), 1000));

    fake.mood = FAKE_NONSENSE;
    CHECK(fake_start(path));
    CHECK(WAIT_FOR(described("HELLO makes no sense"), 2000));
    agilio_store_relaxed(&fake.mood, FAKE_REFUSE);
    CHECK(WAIT_FOR(described("not today"), 2000));
    fake_stop();

    fake.mood = FAKE_KIND;
    fake.abi_min = AGILIO_ABI_MAX + 1;
    fake.abi_max = AGILIO_ABI_MAX + 2;
    CHECK(fake_start(path));
    CHECK(WAIT_FOR(described("ABI versions 4 to 5"), 3000));
    CHECK(!is_up());
    agilio_nic_disconnect();
    fake_stop();
}

/* ## -------------- ##
 * ## Other servers. ##
 * ## -------------- ## */

static void
send_word(int sock, uint64_t word, int fd)
{
    agilio_le64 wire = agilio_to_le64(word);
    char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
    struct iovec iov = { &wire, sizeof wire };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        int fds[2] = { fd, fd };        /* One more than is due. */
        struct cmsghdr *cmsg;

        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof fds);
        memcpy(CMSG_DATA(cmsg), fds, sizeof fds);
    }
    ignore(sendmsg(sock, &msg, MSG_NOSIGNAL) == sizeof wire);
}

/* A server that says 'n' words; 'fds' tells which come with a descriptor.
 * Returns what the client has to say of it, and '*complete'. */
static const char *
serve(const int64_t words[], size_t n, uint32_t fds, bool *complete)
{
    struct agilio_ivshmem client;
    const char *error = NULL;
    int listener, sock;
    size_t i;

    listener = make_unix_socket(SOCK_STREAM, false, path, NULL);
    CHECK(listener >= 0 && !listen(listener, 1));
    CHECK(!agilio_ivshmem_open(&client, path));
    sock = accept(listener, NULL, NULL);
    for (i = 0; i < n; i++) {
        send_word(sock, words[i], fds & (1u << i) ? listener : -1);
        if (!error) {
            error = agilio_ivshmem_run(&client);
        }
    }
    *complete = agilio_ivshmem_is_complete(&client);
    close(sock);
    if (!error) {
        error = agilio_ivshmem_run(&client);
    }
    agilio_ivshmem_close(&client);
    close(listener);
    unlink(path);
    return error;
}

static int
count_fds(void)
{
    int fd, n = 0;

    for (fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static void
test_handshake(void)
{
    static const int64_t good[] = { 0, 1, -1, 0, 0, 1, 1, 7, 0 };
    bool complete;
    int n_fds;
    size_t i;

    CHECK(!strcmp(serve(good, 8, 0x7c, &complete), "closed by peer"));
    CHECK(complete);
    n_fds = count_fds();        /* Now that all else is open, too. */
    CHECK(!strcmp(serve(good, 8, 0xfc, &complete), "closed by peer"));
    CHECK(!strcmp(serve(good, 9, 0x7c, &complete), "the NIC has left"));
    CHECK(!strcmp(serve(good, 9, 0xfc, &complete), "the NIC has left"));
    for (i = 0; i < 7; i++) {
        int64_t bad[7];

        /* A word is wrong; a descriptor is missing; the words end. */
        memcpy(bad, good, sizeof bad);
        bad[i] = 9;
        CHECK(serve(bad, 7, 0x7c, &complete) && !complete);
        if (i >= 2) {
            CHECK(!strcmp(serve(good, 7, 0x7c & ~(1u << i), &complete),
                          "it sent no descriptor where one was due"));
        }
        CHECK(!strcmp(serve(good, i, 0x7c, &complete), "closed by peer"));
        CHECK(!complete);
    }
    CHECK(count_fds() == n_fds);        /* Nothing leaks. */
}

int
main(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    path = xasprintf("/tmp/test-conn.%d.sock", getpid());
    agilio_nic_observe(&observer);

    RUN(test_handshake);
    RUN(test_absent);
    RUN(test_attach);
    RUN(test_restart);
    RUN(test_ports_changed);
    RUN(test_call);
    RUN(test_order);
    RUN(test_send_from_observer);
    RUN(test_threads);
    RUN(test_hang);
    RUN(test_poll);
    RUN(test_full);
    RUN(test_lies);
    RUN(test_bad_hello);
    return summary();
}
