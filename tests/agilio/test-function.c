/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-function.c - a function's region and its ivshmem server.
 *
 * Server and clients are in one thread, so a server that waited for a client
 * would hang; alarm() then ends the test.
 */

#define _GNU_SOURCE 1

#include "host/function.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "nic-client.h"

static const struct agl_geometry pf = {
    .type = AGILIO_FUNCTION_PF,
    .n_ports = 8,
    .n_qps = 8,
    .max_flows = 1000,
    .max_meters = 7,
    .max_bonds = 3,
    .max_masks = 16,
    .n_workers = 2,
    .control_granules = 256,
    .packet_granules = 64,
};

static const struct agl_geometry vf = {
    .type = AGILIO_FUNCTION_VF,
    .n_ports = 1,
    .n_qps = 1,
    .n_workers = 1,
    .packet_granules = 256,
};

static char dir[] = "/tmp/test-function.XXXXXX";
static char path[64];

static struct agl_function *
open_function(const struct agl_geometry *g)
{
    struct agl_function *f;
    char *error = NULL;

    if (agl_function_create(path, g, &f, &error)) {
        printf("%s\n", error);
        exit(EXIT_FAILURE);
    }
    return f;
}

/* Does for a waiting host what control thread and workers do. */
static int
welcome(struct agl_function *f)
{
    agl_region_reset_control(&f->region);
    for (uint32_t i = 0; i < f->region.geometry.n_qps; i++) {
        agl_region_reset_qp(&f->region.qps[i]);
    }
    return agl_function_welcome(f);
}

/* The NIC's turn, for nic_client_init(). */
static void
pump(void *f)
{
    if (agl_function_run(f) == AGL_HOST_WAITING) {
        welcome(f);
    }
}

static int
count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static bool
readable(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, 0) == 1;
}

/* ## ----------- ##
 * ## The region. ##
 * ## ----------- ## */

struct extent {
    uint64_t begin, end;
};

static int
compare_extents(const void *a_, const void *b_)
{
    const struct extent *a = a_, *b = b_;

    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static void
add_extent(struct extent *e, size_t *n, agilio_le64 ofs, uint64_t size)
{
    e[*n].begin = agilio_from_le64(ofs);
    e[*n].end = e[*n].begin + size;
    (*n)++;
}

static void
add_ring(struct extent *e, size_t *n, const struct agilio_ring_place *place)
{
    add_extent(e, n, place->ring_ofs, sizeof(struct agilio_ring));
    add_extent(e, n, place->body_ofs, (uint64_t) AGILIO_GRANULE
               * agilio_from_le32(place->n_granules));
}

/* All that the header names is inside of the region, on cache lines of its
 * own, and does not overlap.  As a host sees it: from the bytes alone. */
static void
check_extents(const struct agl_geometry *g, const uint8_t *base, uint64_t size)
{
    const struct agilio_region *h = (const void *) base;
    const struct agilio_qp *qps;
    struct extent e[64];
    size_t n = 0;

    add_extent(e, &n, agilio_to_le64(0), sizeof *h);
    add_ring(e, &n, &h->control[0]);
    add_ring(e, &n, &h->control[1]);
    add_extent(e, &n, h->ports_ofs, g->n_ports * sizeof(struct agilio_port));
    add_extent(e, &n, h->port_stats_ofs, (uint64_t) g->n_workers * g->n_ports
               * sizeof(struct agilio_port_stats));
    add_extent(e, &n, h->counters_ofs,
               g->n_workers * agilio_from_le32(h->n_counters) * 8);
    add_extent(e, &n, h->flows_ofs, (uint64_t) g->n_workers * g->max_flows
               * sizeof(struct agilio_flow_stats));
    add_extent(e, &n, h->meters_ofs,
               g->max_meters * sizeof(struct agilio_meter_stats));
    add_extent(e, &n, h->bonds_ofs, (uint64_t) g->n_workers * g->max_bonds
               * sizeof(struct agilio_bond_stats));
    add_extent(e, &n, h->qps_ofs, g->n_qps * sizeof(struct agilio_qp));
    qps = (const void *) (base + agilio_from_le64(h->qps_ofs));
    for (uint32_t i = 0; i < g->n_qps; i++) {
        CHECK(agilio_from_le32(qps[i].port_slot) == i);
        CHECK(agilio_from_le32(qps[i].worker) == i % g->n_workers);
        CHECK(agilio_from_le32(qps[i].to_host.n_granules)
              == g->packet_granules);
        CHECK(agilio_from_le32(qps[i].from_host.n_granules)
              == g->packet_granules);
        add_ring(e, &n, &qps[i].to_host);
        add_ring(e, &n, &qps[i].from_host);
    }
    qsort(e, n, sizeof e[0], compare_extents);
    for (size_t i = 0; i < n; i++) {
        CHECK(e[i].begin % AGILIO_CACHE_LINE == 0);
        CHECK(i == 0 || e[i].begin >= e[i - 1].end);
        CHECK(e[i].end <= size);
    }
}

static void
check_region(const struct agl_geometry *g)
{
    uint64_t size = agl_region_size(g);
    uint8_t *base = aligned_alloc(AGILIO_CACHE_LINE, size);
    struct agl_qp qps[AGILIO_MAX_PORTS];
    const struct agilio_region *h = (const void *) base;
    struct agl_region r;

    CHECK(size && !(size & (size - 1)));
    memset(base, 0, size);
    agl_region_init(&r, g, base, qps, 0x1122);
    CHECK(r.size == size && r.base == base);
    CHECK(agilio_from_le64(h->magic) == AGILIO_MAGIC);
    CHECK(agilio_from_le64(h->region_size) == size);
    CHECK(agilio_from_le64(h->boot_id) == 0x1122);
    CHECK(agilio_from_le32(h->type) == g->type);
    CHECK(agilio_from_le32(h->state) == AGILIO_NIC_BOOTING);
    CHECK(agilio_from_le32(h->max_flows) == g->max_flows);
    CHECK(agilio_from_le32(h->n_workers) == g->n_workers);
    CHECK(agilio_from_le32(h->n_counters) == AGILIO_COUNTER_ROW);
    CHECK((uint8_t *) r.ports == base + agilio_from_le64(h->ports_ofs));
    CHECK((uint8_t *) r.port_stats
          == base + agilio_from_le64(h->port_stats_ofs));
    CHECK((uint8_t *) r.counters == base + agilio_from_le64(h->counters_ofs));
    CHECK((uint8_t *) r.flows == base + agilio_from_le64(h->flows_ofs));
    CHECK(agilio_from_le32(h->max_meters) == g->max_meters);
    CHECK(agilio_from_le32(h->max_bonds) == g->max_bonds);
    CHECK((uint8_t *) r.meters == base + agilio_from_le64(h->meters_ofs));
    CHECK((uint8_t *) r.bonds == base + agilio_from_le64(h->bonds_ofs));
    CHECK((uint8_t *) r.request.ring
          == base + agilio_from_le64(h->control[0].ring_ofs));
    CHECK((uint8_t *) r.reply.ring
          == base + agilio_from_le64(h->control[1].ring_ofs));
    CHECK(agilio_ring_free(&r.reply) == g->control_granules);
    for (uint32_t i = 0; i < g->n_qps; i++) {
        CHECK(agilio_ring_free(&qps[i].to_host) == g->packet_granules);
        CHECK(agilio_ring_ready(&qps[i].from_host) == 0);
    }
    check_extents(g, base, size);
    free(base);
}

static void
test_region(void)
{
    check_region(&pf);
    check_region(&vf);
}

static void
test_bad_geometry(void)
{
    struct agl_geometry g = pf;

    g.packet_granules = 65;
    CHECK(!agl_region_size(&g));
    g = pf, g.control_granules = 1u << 31;
    CHECK(!agl_region_size(&g));
    g = pf, g.n_workers = 0;
    CHECK(!agl_region_size(&g));
    g = pf, g.n_workers = g.max_flows = UINT32_MAX;
    CHECK(!agl_region_size(&g));
    g = pf, g.n_ports = AGILIO_MAX_PORTS + 1;
    CHECK(!agl_region_size(&g));
    g = pf, g.n_qps = g.n_ports + 1;
    CHECK(!agl_region_size(&g));
}

/* ## ---------- ##
 * ## Attaching. ##
 * ## ---------- ## */

/* The words that QEMU's ivshmem-doorbell device reads, in its order. */
static void
test_handshake(void)
{
    static const struct { int64_t word; bool fd; } expected[] = {
        { 0, false }, { 1, false }, { -1, true },
        { 0, true }, { 0, true }, { 1, true }, { 1, true },
    };
    struct agl_function *f = open_function(&pf);
    struct nic_client c;
    int fds[7];

    nic_client_init(&c, NULL, NULL);
    CHECK(agl_function_run(f) == AGL_HOST_NONE);
    CHECK(!nic_client_dial(&c, path));
    CHECK(agl_function_run(f) == AGL_HOST_WAITING);
    CHECK(agl_function_run(f) == AGL_HOST_NONE);
    CHECK(!readable(c.sock) && !agl_function_attached(f));
    CHECK(welcome(f) == 0 && agl_function_attached(f));
    CHECK(welcome(f) == ENOTCONN);
    for (int i = 0; i < 7; i++) {
        int64_t word;

        CHECK(!nic_client_read_word(&c, &word, &fds[i]));
        CHECK(word == expected[i].word);
        CHECK((fds[i] >= 0) == expected[i].fd);
    }
    CHECK(!readable(c.sock));

    CHECK(eventfd_write(fds[4], 1) == 0);
    CHECK(readable(f->nic_fds[AGILIO_VECTOR_PACKETS]));
    CHECK(!readable(f->nic_fds[AGILIO_VECTOR_CONTROL]));
    agl_function_clear(f, AGILIO_VECTOR_PACKETS);
    CHECK(!readable(f->nic_fds[AGILIO_VECTOR_PACKETS]));
    agl_function_kick(f, AGILIO_VECTOR_CONTROL);
    CHECK(readable(fds[5]) && !readable(fds[6]));

    for (int i = 2; i < 7; i++) {
        close(fds[i]);
    }
    nic_client_close(&c);
    CHECK(agl_function_run(f) == AGL_HOST_GONE);
    CHECK(!agl_function_attached(f));
    agl_function_destroy(f);
}

/* No host can take memory away under the NIC. */
static void
test_seals(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c;

    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, path));
    CHECK(c.size == f->region.size);
    CHECK(ftruncate(c.region_fd, 0) < 0);
    CHECK(ftruncate(c.region_fd, (off_t) c.size * 2) < 0);
    CHECK(fcntl(c.region_fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
    nic_client_close(&c);
    agl_function_destroy(f);
}

static void
test_second_host(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client first, second;

    nic_client_init(&first, pump, f);
    nic_client_init(&second, pump, f);
    CHECK(!nic_client_connect(&first, path));
    CHECK(nic_client_connect(&second, path) == ECONNRESET);
    CHECK(f->n_refused == 1 && agl_function_attached(f));
    nic_client_close(&first);
    CHECK(!nic_client_connect(&second, path));
    CHECK(f->n_refused == 1 && agl_function_attached(f));
    nic_client_close(&second);
    CHECK(agl_function_run(f) == AGL_HOST_GONE);
    agl_function_destroy(f);
}

/* A host that is dropped sees the end of the connection, and may come again.
 */
static void
test_dropped_host(void)
{
    struct agl_function *f = open_function(&pf);
    struct agilio_reader body;
    struct agilio_msg msg;
    struct nic_client c;

    agl_function_drop_host(f);  /* There is none. */
    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, path));
    agl_function_drop_host(f);
    CHECK(!agl_function_attached(f));
    CHECK(nic_client_receive(&c, &msg, &body) == ENODEV);
    CHECK(agl_function_run(f) == AGL_HOST_NONE);
    nic_client_close(&c);
    CHECK(!nic_client_connect(&c, path));
    CHECK(agl_function_attached(f));
    nic_client_close(&c);
    agl_function_destroy(f);
}

/* What a host leaves behind, its successor does not find: not its messages,
 * nor its cursors, nor its doorbells, nor its epoch. */
static void
test_next_host(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c;

    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, path));
    CHECK(!nic_client_send(&c, AGILIO_MSG_KEEPALIVE, NULL, 0));
    CHECK(agilio_ring_peek(&f->region.request, 16, 64) == 16);
    c.region->host_epoch = agilio_to_le64(5);
    agilio_store_relaxed(&c.request.ring->prod, agilio_to_le32(0x4444));
    agilio_store_relaxed(&c.qps[3].from_nic.ring->cons, agilio_to_le32(77));
    agilio_store_relaxed(&c.qps[3].to_nic.ring->prod, agilio_to_le32(0x8000));
    CHECK(agilio_ring_ready(&f->region.request) == 0);
    CHECK(agilio_ring_free(&f->region.qps[3].to_host) == 0);
    CHECK(agilio_ring_ready(&f->region.qps[3].from_host) == 0);
    CHECK(f->region.request.broken && f->region.qps[3].from_host.broken);
    CHECK(!eventfd_write(c.nic_fds[0], 1) && !eventfd_write(c.host_fds[1], 1));
    nic_client_close(&c);

    CHECK(!nic_client_connect(&c, path));
    CHECK(c.region->host_epoch == agilio_to_le64(0));
    CHECK(c.request.cursor == 0 && c.qps[3].from_nic.cursor == 0);
    CHECK(!f->region.request.broken && !f->region.qps[3].from_host.broken);
    CHECK(!readable(f->nic_fds[0]) && !readable(c.host_fds[1]));
    CHECK(agilio_ring_free(&f->region.qps[3].to_host) == 64);
    CHECK(!nic_client_send(&c, AGILIO_MSG_HELLO, NULL, 0));
    CHECK(agilio_ring_peek(&f->region.request, 16, 64) == 16);
    CHECK(!nic_client_tx(&c, agilio_port_id(3, 1), "frame", 5));
    CHECK(agilio_ring_peek(&f->region.qps[3].from_host, 32, 64) == 37);
    nic_client_close(&c);
    agl_function_destroy(f);
}

/* ## ------------ ##
 * ## Bad clients. ##
 * ## ------------ ## */

static void
test_garbage(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c;

    for (int welcomed = 0; welcomed < 2; welcomed++) {
        nic_client_init(&c, NULL, NULL);
        CHECK(!nic_client_dial(&c, path));
        CHECK(agl_function_run(f) == AGL_HOST_WAITING);
        CHECK(!welcomed || welcome(f) == 0);
        CHECK(send(c.sock, "GET / HTTP/1.0\r\n\r\n", 18, 0) == 18);
        CHECK(agl_function_run(f) == AGL_HOST_GONE);
        CHECK(agl_function_run(f) == AGL_HOST_NONE);
        nic_client_close(&c);
    }
    agl_function_destroy(f);
}

/* A client that leaves before it is welcomed, seen before and not. */
static void
test_impatient(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c;

    nic_client_init(&c, NULL, NULL);
    CHECK(!nic_client_dial(&c, path));
    CHECK(agl_function_run(f) == AGL_HOST_WAITING);
    nic_client_close(&c);
    CHECK(agl_function_run(f) == AGL_HOST_GONE);
    CHECK(welcome(f) == ENOTCONN);

    CHECK(!nic_client_dial(&c, path));
    CHECK(agl_function_run(f) == AGL_HOST_WAITING);
    nic_client_close(&c);
    CHECK(welcome(f) == EPIPE);
    CHECK(agl_function_run(f) == AGL_HOST_NONE);
    CHECK(!agl_function_attached(f));
    agl_function_destroy(f);
}

/* A client that never reads: the handshake fits, or the client goes. */
static void
test_never_reads(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c;
    int tiny = 1;

    nic_client_init(&c, NULL, NULL);
    CHECK(!nic_client_dial(&c, path));
    CHECK(agl_function_run(f) == AGL_HOST_WAITING);
    CHECK(welcome(f) == 0);
    nic_client_close(&c);
    CHECK(agl_function_run(f) == AGL_HOST_GONE);

    CHECK(!nic_client_dial(&c, path));
    CHECK(agl_function_run(f) == AGL_HOST_WAITING);
    CHECK(!setsockopt(f->conn_fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny));
    CHECK(welcome(f) == EAGAIN);
    CHECK(!agl_function_attached(f) && f->conn_fd < 0);
    nic_client_close(&c);
    agl_function_destroy(f);
}

/* A hundred connections at once cost each call of run() only a few. */
static void
test_crowd(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c, crowd[100];
    int n_runs = 0, n_dialled = 0;

    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, path));
    for (int i = 0; i < 100; i++) {
        nic_client_init(&crowd[i], NULL, NULL);
        n_dialled += !nic_client_dial(&crowd[i], path);
    }
    CHECK(n_dialled > 0);
    while (readable(f->listen_fd) && n_runs < 100) {
        CHECK(agl_function_run(f) == AGL_HOST_NONE);
        n_runs++;
    }
    CHECK(n_runs < 100 && f->n_refused == (uint64_t) n_dialled);
    CHECK(agl_function_attached(f));
    for (int i = 0; i < 100; i++) {
        nic_client_close(&crowd[i]);
    }
    nic_client_close(&c);
    agl_function_destroy(f);
}

/* O_NONBLOCK belongs to the doorbell, not to the descriptor: the host can
 * clear it (and QEMU does, for a moment). */
static void
test_blocking_doorbells(void)
{
    struct agl_function *f = open_function(&pf);
    struct nic_client c;

    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, path));
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        CHECK(!fcntl(c.nic_fds[v], F_SETFL, 0));
        CHECK(!fcntl(c.host_fds[v], F_SETFL, 0));
        agl_function_clear(f, (enum agilio_vector) v);
        agl_function_kick(f, (enum agilio_vector) v);
    }
    nic_client_close(&c);
    CHECK(!nic_client_connect(&c, path));
    nic_client_close(&c);
    agl_function_destroy(f);
}

/* ## ----------- ##
 * ## The socket. ##
 * ## ----------- ## */

/* Creating a function at 'name' fails with 'err' and a sentence that has
 * 'words' in it. */
static void
check_refused(const char *name, const struct agl_geometry *g, int err,
              const char *words)
{
    struct agl_function *f;
    char *error = NULL;

    CHECK(agl_function_create(name, g, &f, &error) == err);
    CHECK(!f && error && strstr(error, words) && strstr(error, name));
    free(error);
}

static void
test_bad_paths(void)
{
    struct agl_geometry g = pf;
    char longest[256];
    int fd;

    check_refused("", &pf, EINVAL, "1 to 107 bytes");
    memset(longest, 'x', sizeof longest);
    longest[108] = '\0';
    check_refused(longest, &pf, ENAMETOOLONG, "1 to 107 bytes");
    check_refused("/nonexistent/nic.sock", &pf, ENOENT,
                  "cannot create the socket (No such file");
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
    check_refused(path, &pf, EEXIST, "not a socket");
    CHECK(unlink(path) == 0);
    g.packet_granules = 3;
    check_refused(path, &g, EINVAL, "cannot make the region");
    CHECK(access(path, F_OK) < 0);
}

/* The longest path that there can be is good. */
static void
test_longest_path(void)
{
    struct sockaddr_un sun;
    char name[sizeof sun.sun_path];
    struct agl_function *f;
    struct nic_client c;
    struct stat st;
    char *error;

    memset(name, 'x', sizeof name);
    memcpy(name, dir, strlen(dir));
    name[strlen(dir)] = '/';
    name[sizeof name - 1] = '\0';
    CHECK(agl_function_create(name, &vf, &f, &error) == 0);
    CHECK(!stat(name, &st) && (st.st_mode & 07777) == 0660);
    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, name));
    nic_client_close(&c);
    agl_function_destroy(f);
    CHECK(access(name, F_OK) < 0);
}

static void
test_live_and_stale(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct agl_function *f = open_function(&pf);
    struct nic_client c;
    struct stat st;
    int fd;

    CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0600);
    check_refused(path, &pf, EADDRINUSE, "another program");
    CHECK(!access(path, F_OK));
    agl_function_destroy(f);
    CHECK(access(path, F_OK) < 0);

    /* A server that was killed leaves its socket there. */
    strcpy(sun.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && !bind(fd, (const struct sockaddr *) &sun, sizeof sun));
    close(fd);
    CHECK(!access(path, F_OK));
    f = open_function(&pf);
    CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0600);
    nic_client_init(&c, pump, f);
    CHECK(!nic_client_connect(&c, path));
    nic_client_close(&c);
    agl_function_destroy(f);
}

static void
test_no_leak(void)
{
    int before = count_fds();

    test_handshake();
    test_next_host();
    test_garbage();
    test_impatient();
    test_never_reads();
    test_bad_paths();
    test_live_and_stale();
    agl_function_destroy(NULL);
    CHECK(count_fds() == before);
}

/* Every server removed its socket. */
static void
test_nothing_left(void)
{
    CHECK(rmdir(dir) == 0);
}

int
main(void)
{
    if (!mkdtemp(dir)) {
        perror(dir);
        return EXIT_FAILURE;
    }
    snprintf(path, sizeof path, "%s/nic.sock", dir);
    alarm(30);
    RUN(test_region);
    RUN(test_bad_geometry);
    RUN(test_handshake);
    RUN(test_seals);
    RUN(test_second_host);
    RUN(test_dropped_host);
    RUN(test_next_host);
    RUN(test_garbage);
    RUN(test_impatient);
    RUN(test_never_reads);
    RUN(test_crowd);
    RUN(test_blocking_doorbells);
    RUN(test_bad_paths);
    RUN(test_longest_path);
    RUN(test_live_and_stale);
    RUN(test_no_leak);
    RUN(test_nothing_left);
    return summary();
}
