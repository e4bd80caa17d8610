/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/packet-socket.c - raw packet sockets: see packet-socket.h.
 *
 * A socket gets all that its interface receives from when it is bound until it
 * is one of a group.  So those of a group have a filter that lets nothing pass
 * before the group is complete; after that it keeps out what the interface
 * sends, as a group does not by itself before Linux 6.2.
 *
 * Control thread only.
 */

#define _GNU_SOURCE 1           /* dup3() */
#include "port/packet-socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agilio/platform.h"

/* The queue in the kernel, in its own reckoning of memory. */
#define RCVBUF (8 << 20)

/* All of these return 0 or a positive errno. */

static int
set_option(int fd, int level, int option, const void *value, socklen_t len)
{
    return setsockopt(fd, level, option, value, len) < 0 ? errno : 0;
}

/* Lets a socket receive what comes in, or nothing. */
static int
set_filter(int fd, bool open)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, open ? UINT32_MAX : 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = { AGILIO_ARRAY_SIZE(code), code };

    return set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                      sizeof program);
}

static int
set_options(int fd)
{
    static const int options[] = {
        PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING
    };
    const int size = RCVBUF, one = 1;
    int err = 0;

    for (size_t i = 0; !err && i < AGILIO_ARRAY_SIZE(options); i++) {
        err = set_option(fd, SOL_PACKET, options[i], &one, sizeof one);
    }
    /* Best effort: beyond the system's limit if that is allowed. */
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    return err;
}

/* Makes a socket, which receives nothing before it is bound, in the place of
 * '*fd' unless that is -1. */
static int
make_socket(int *fd)
{
    int new = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int err;

    if (new < 0) {
        return errno;
    }
    err = set_options(new);
    if (*fd < 0) {
        *fd = new;
        return err;
    }
    if (!err && dup3(new, *fd, O_CLOEXEC) < 0) {
        err = errno;
    }
    close(new);
    return err;
}

static int
bind_socket(int fd, int ifindex)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = ifindex,
    };
    struct packet_mreq mreq = {
        .mr_ifindex = ifindex,
        .mr_type = PACKET_MR_PROMISC,
    };

    if (bind(fd, (struct sockaddr *) &sll, sizeof sll) < 0) {
        return errno;
    }
    return set_option(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
                      sizeof mreq);
}

/* Makes a group of the sockets, which are closed so far, and opens them. */
static int
make_group(const int fds[], uint32_t n)
{
    int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    socklen_t len = sizeof group;
    int err = 0;

    for (uint32_t i = 0; !err && i < n; i++) {
        err = set_option(fds[i], SOL_PACKET, PACKET_FANOUT, &group, len);
        if (!err && !i && getsockopt(fds[i], SOL_PACKET, PACKET_FANOUT, &group,
                                     &len) < 0) {
            err = errno;
        }
    }
    for (uint32_t i = 0; !err && i < n; i++) {
        err = set_filter(fds[i], true);
    }
    return err;
}

/* A single socket can be bound anew; those of a group cannot, and others take
 * their places. */
int
agl_packet_sockets_attach(int fds[], uint32_t n, int ifindex)
{
    bool grouped = n > 1;
    int err = 0;

    for (uint32_t i = 0; !err && i < n; i++) {
        err = grouped || fds[i] < 0 ? make_socket(&fds[i]) : 0;
        err = !err && grouped ? set_filter(fds[i], false) : err;
        err = err ? err : bind_socket(fds[i], ifindex);
    }
    return !err && grouped ? make_group(fds, n) : err;
}
