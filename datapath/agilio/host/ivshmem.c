/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ivshmem.c - the socket where a host gets hold of a function.
 *
 * The server side of the ivshmem protocol (QEMU, docs/specs/ivshmem-spec), so
 * that a VM's QEMU and a plain process are served alike.  The server speaks
 * and the client listens, in 64-bit little-endian words, some of which carry a
 * descriptor (SCM_RIGHTS):
 *
 *     word                descriptor
 *     0                                     version of the protocol
 *     AGILIO_PEER_HOST                      who the client is
 *     -1                  the region        a sealed memfd
 *     AGILIO_PEER_NIC     nic_fds[vector]   for each vector: we wait on these
 *     AGILIO_PEER_HOST    host_fds[vector]  for each vector: the client does
 *
 * The connection then stays open and silent; its end is the end of the host.
 * A client that says anything does not speak this protocol and is dropped.
 *
 * Nothing here blocks on a client.  The socket does not; the handshake is so
 * short that it fits any socket buffer, and a client for which it does not is
 * dropped.  The region cannot be truncated under our feet (seals).  Doorbells
 * are eventfds whose O_NONBLOCK a client process can clear, as QEMU does for a
 * moment, so they are read with RWF_NOWAIT.  Writing has no such flag: it
 * would take a process that sets a doorbell's count to its maximum on purpose.
 * Guests cannot; QEMU and ovs-vswitchd, which hold the descriptors, are
 * trusted not to.
 *
 * Called by the control thread; see function.h for the rest.
 */

#define _GNU_SOURCE 1

#include "host/function.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define IVSHMEM_VERSION 0
#define IVSHMEM_REGION -1
#define BACKLOG 8

/* Sets '*error' to a sentence about 'path', and returns 'err'. */
static int
fail(char **error, int err, const char *path, const char *what)
{
    if (asprintf(error, "%s: %s (%s)", path, what, strerror(err)) < 0) {
        *error = NULL;
    }
    return err;
}

/* ## --------------------- ##
 * ## Creating a function.  ##
 * ## --------------------- ## */

/* Makes the memory of a region of 'size' bytes, and the region in it.  Returns
 * 0 or a positive errno. */
static int
make_region(struct agl_function *f, const struct agl_geometry *g,
            uint64_t size)
{
    uint64_t boot_id;
    void *base;

    f->qps = calloc(g->n_qps + 1, sizeof *f->qps);
    f->region_fd = memfd_create("agilio", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (!f->qps || f->region_fd < 0
        || ftruncate(f->region_fd, (off_t) size)
        || fcntl(f->region_fd, F_ADD_SEALS,
                 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
        || getrandom(&boot_id, sizeof boot_id, 0) < 0) {
        return errno;
    }
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                f->region_fd, 0);
    if (base == MAP_FAILED) {
        return errno;
    }
    agl_region_init(&f->region, g, base, f->qps, boot_id);
    return 0;
}

static int
open_region(struct agl_function *f, const struct agl_geometry *g,
            const char *path, char **error)
{
    uint64_t size = agl_region_size(g);
    int err = size ? make_region(f, g, size) : EINVAL;

    return err ? fail(error, err, path, "cannot make the region") : 0;
}

static int
open_doorbells(struct agl_function *f, const char *path, char **error)
{
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        f->nic_fds[v] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        f->host_fds[v] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (f->nic_fds[v] < 0 || f->host_fds[v] < 0) {
            return fail(error, errno, path, "cannot make the doorbells");
        }
    }
    return 0;
}

/* Removes what is in the way at the address, if it is the socket of a server
 * that is no more. */
static int
remove_stale(const struct sockaddr_un *sun, char **error)
{
    const struct sockaddr *sa = (const struct sockaddr *) sun;
    struct stat st;
    int fd, err;

    if (lstat(sun->sun_path, &st)) {
        return fail(error, errno, sun->sun_path, "cannot look at it");
    }
    if (!S_ISSOCK(st.st_mode)) {
        return fail(error, EEXIST, sun->sun_path, "this is not a socket");
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(error, errno, sun->sun_path, "cannot make a socket");
    }
    err = connect(fd, sa, sizeof *sun) ? errno : 0;
    close(fd);
    if (err != ECONNREFUSED) {
        return fail(error, EADDRINUSE, sun->sun_path,
                    "another program serves this socket");
    }
    if (unlink(sun->sun_path)) {
        return fail(error, errno, sun->sun_path,
                    "cannot remove the old socket");
    }
    return 0;
}

/* Binds the socket, in the place of a stale one if need be. */
static int
claim(int fd, const struct sockaddr_un *sun, char **error)
{
    const struct sockaddr *sa = (const struct sockaddr *) sun;
    int err;

    err = bind(fd, sa, sizeof *sun) ? errno : 0;
    if (err == EADDRINUSE) {
        err = remove_stale(sun, error);
        if (err) {
            return err;
        }
        err = bind(fd, sa, sizeof *sun) ? errno : 0;
    }
    return err ? fail(error, err, sun->sun_path, "cannot create the socket")
               : 0;
}

static int
open_socket(struct agl_function *f, const char *path, char **error)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    int err;

    if (!len || len >= sizeof sun.sun_path) {
        return fail(error, len ? ENAMETOOLONG : EINVAL, path,
                    "a socket's path has 1 to 107 bytes");
    }
    memcpy(sun.sun_path, path, len);

    /* bind() gives the file the mode of the socket, so nobody else gets in
     * between. */
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                          0);
    if (f->listen_fd < 0 || fchmod(f->listen_fd, 0600)) {
        return fail(error, errno, path, "cannot make a socket");
    }
    err = claim(f->listen_fd, &sun, error);
    if (err) {
        return err;
    }
    if (f->region.geometry.type == AGILIO_FUNCTION_VF && chmod(path, 0660)) {
        err = fail(error, errno, path, "cannot let guests in");
        unlink(path);
        return err;
    }
    f->path = strdup(path);
    if (!f->path) {
        unlink(path);
        return fail(error, ENOMEM, path, "cannot remember the path");
    }
    if (listen(f->listen_fd, BACKLOG)) {
        return fail(error, errno, path, "cannot listen");
    }
    return 0;
}

int
agl_function_create(const char *path, const struct agl_geometry *g,
                    struct agl_function **function, char **error)
{
    struct agl_function *f = calloc(1, sizeof *f);
    int err;

    *function = NULL;
    if (!f) {
        return fail(error, ENOMEM, path, "cannot make the function");
    }
    f->listen_fd = f->conn_fd = f->region_fd = -1;
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        f->nic_fds[v] = f->host_fds[v] = -1;
    }

    err = open_region(f, g, path, error);
    if (!err) {
        err = open_doorbells(f, path, error);
    }
    if (!err) {
        err = open_socket(f, path, error);
    }
    if (err) {
        agl_function_destroy(f);
    } else {
        *function = f;
    }
    return err;
}

static void
close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void
agl_function_destroy(struct agl_function *f)
{
    if (!f) {
        return;
    }
    if (f->path) {
        unlink(f->path);
    }
    close_fd(f->conn_fd);
    close_fd(f->listen_fd);
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        close_fd(f->nic_fds[v]);
        close_fd(f->host_fds[v]);
    }
    if (f->region.base) {
        munmap(f->region.base, f->region.size);
    }
    close_fd(f->region_fd);
    free(f->qps);
    free(f->path);
    free(f);
}

/* ## --------------- ##
 * ## Hosts come, go. ##
 * ## --------------- ## */

void
agl_function_drop_host(struct agl_function *f)
{
    close_fd(f->conn_fd);
    f->conn_fd = -1;
    agilio_store_relaxed(&f->attached, false);
}

/* True while the host keeps the connection open and says nothing. */
static bool
host_lives(const struct agl_function *f)
{
    char byte;

    return recv(f->conn_fd, &byte, 1, MSG_DONTWAIT) < 0
           && (errno == EAGAIN || errno == EINTR);
}

enum agl_function_event
agl_function_run(struct agl_function *f)
{
    enum agl_function_event event = AGL_HOST_NONE;

    if (f->conn_fd >= 0 && !host_lives(f)) {
        agl_function_drop_host(f);
        return AGL_HOST_GONE;
    }
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(f->listen_fd, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            /* No one there, or whoever was there has left, or there are no
             * descriptors now: the next run tries again. */
            break;
        } else if (f->conn_fd < 0) {
            f->conn_fd = fd;
            event = AGL_HOST_WAITING;
        } else {
            close(fd);
            f->n_refused++;
        }
    }
    return event;
}

int
agl_send_fd(int sock, const void *bytes, size_t size, int fd)
{
    struct iovec iov = { .iov_base = (void *) bytes, .iov_len = size };
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *cmsg;

        memset(&control, 0, sizeof control);
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    }
    n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? errno : (size_t) n != size ? EAGAIN : 0;
}

/* Sends one word of the handshake, with 'fd' if that is not -1. */
static int
send_word(const struct agl_function *f, int64_t word, int fd)
{
    agilio_le64 wire = agilio_to_le64((uint64_t) word);

    return agl_send_fd(f->conn_fd, &wire, sizeof wire, fd);
}

static int
send_handshake(const struct agl_function *f)
{
    const struct { int64_t word; int fd; } words[] = {
        { IVSHMEM_VERSION, -1 },
        { AGILIO_PEER_HOST, -1 },
        { IVSHMEM_REGION, f->region_fd },
        { AGILIO_PEER_NIC, f->nic_fds[AGILIO_VECTOR_CONTROL] },
        { AGILIO_PEER_NIC, f->nic_fds[AGILIO_VECTOR_PACKETS] },
        { AGILIO_PEER_HOST, f->host_fds[AGILIO_VECTOR_CONTROL] },
        { AGILIO_PEER_HOST, f->host_fds[AGILIO_VECTOR_PACKETS] },
    };
    int err = 0;

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(words) && !err; i++) {
        err = send_word(f, words[i].word, words[i].fd);
    }
    return err;
}

/* Sets the count of a doorbell to 0.  That it is 0 already is no error. */
static void
clear_doorbell(int fd)
{
    uint64_t count;
    struct iovec iov = { .iov_base = &count, .iov_len = sizeof count };

    while (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EINTR) {
        continue;
    }
}

int
agl_function_welcome(struct agl_function *f)
{
    int err;

    if (f->conn_fd < 0 || f->attached) {
        return ENOTCONN;
    }
    for (int v = 0; v < AGILIO_N_VECTORS; v++) {
        clear_doorbell(f->nic_fds[v]);
        clear_doorbell(f->host_fds[v]);
    }
    err = send_handshake(f);
    if (err) {
        agl_function_drop_host(f);
        return err;
    }
    /* Pairs with the acquire in agl_function_attached(). */
    agilio_store_release(&f->attached, true);
    return 0;
}

bool
agl_function_attached(const struct agl_function *f)
{
    return agilio_load_acquire(&f->attached);
}

/* ## ---------- ##
 * ## Doorbells. ##
 * ## ---------- ## */

void
agl_function_kick(const struct agl_function *f, enum agilio_vector vector)
{
    /* An error is EAGAIN: it has been rung already, and very often. */
    eventfd_write(f->host_fds[vector], 1);
}

void
agl_function_clear(const struct agl_function *f, enum agilio_vector vector)
{
    clear_doorbell(f->nic_fds[vector]);
}
