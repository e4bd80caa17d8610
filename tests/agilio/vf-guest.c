/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vf-guest.c - a guest on a VF, as a process, for autotests.
 *
 *     vf-guest SOCKET NAME
 *
 * Attaches to the port of type `vf' at SOCKET; then makes the FIFO NAME.in,
 * and sends each line that is written there, a frame in hex, to the port.
 * What comes from the port goes to NAME.out, a frame a line, in hex.  Sleeps
 * on the doorbell, the FIFO and the connection; ends when it is killed, or
 * with exit code 0 when the NIC hangs up.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nic-client.h"

#define PORT_ID agilio_port_id(0, 1)

static struct nic_client guest;

static void __attribute__((noreturn))
die(const char *what, const char *why)
{
    fprintf(stderr, "vf-guest: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* A frame for which there is no room waits for the NIC to make some. */
static void
send_line(const char *line)
{
    uint8_t frame[AGILIO_MAX_FRAME];
    unsigned int byte;
    uint32_t len = 0;
    int err;

    while (len < sizeof frame && sscanf(line + 2 * len, "%2x", &byte) == 1) {
        frame[len++] = (uint8_t) byte;
    }
    while ((err = nic_client_tx(&guest, PORT_ID, frame, len)) == ENOBUFS
           && !guest.qps[0].to_nic.broken) {
        usleep(1000);
    }
    if (err) {
        die("cannot send", guest.reason);
    }
}

/* Sends the lines that are complete of what the FIFO has now. */
static void
run_input(int in)
{
    static char buf[1 << 16];
    static size_t len;
    ssize_t n = read(in, buf + len, sizeof buf - len);
    char *line = buf;
    char *end;

    len += n > 0 ? (size_t) n : 0;
    while ((end = memchr(line, '\n', len - (size_t) (line - buf)))) {
        *end = '\0';
        send_line(line);
        line = end + 1;
    }
    len -= (size_t) (line - buf);
    memmove(buf, line, len);
}

static void
run_output(FILE *out)
{
    static struct nic_client_packet p;
    eventfd_t count;

    /* Fails if it was not rung, which is fine. */
    eventfd_read(guest.host_fds[AGILIO_VECTOR_PACKETS], &count);
    while (nic_client_has_rx(&guest, PORT_ID)) {
        if (nic_client_rx(&guest, PORT_ID, &p)) {
            die("cannot receive", guest.reason);
        }
        for (uint32_t i = 0; i < p.frame_len; i++) {
            fprintf(out, "%02x", p.frame[i]);
        }
        fputc('\n', out);
    }
    fflush(out);
}

/* Open for writing too, the FIFO has no end when a writer leaves.  It appears
 * when all is ready. */
static int
open_input(const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s.in", name);
    unlink(path);
    if (mkfifo(path, 0600)
        || (fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) {
        die(path, strerror(errno));
    }
    return fd;
}

static FILE *
open_output(const char *name)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof path, "%s.out", name);
    out = fopen(path, "w");
    if (!out) {
        die(path, strerror(errno));
    }
    return out;
}

int
main(int argc, char *argv[])
{
    FILE *out;
    int in;

    if (argc != 3) {
        die("usage", "vf-guest SOCKET NAME");
    }
    nic_client_init(&guest, NULL, NULL);
    if (nic_client_connect(&guest, argv[1])) {
        die("cannot attach", guest.reason);
    }
    out = open_output(argv[2]);
    in = open_input(argv[2]);

    for (;;) {
        struct pollfd fds[] = {
            { .fd = guest.sock, .events = POLLIN },
            { .fd = in, .events = POLLIN },
            { .fd = guest.host_fds[AGILIO_VECTOR_PACKETS], .events = POLLIN },
        };

        run_input(in);
        run_output(out);
        if (agilio_ring_sleep(&guest.qps[0].from_nic)) {
            poll(fds, 3, -1);
        }
        agilio_ring_awake(&guest.qps[0].from_nic);
        if (fds[0].revents) {
            run_output(out);
            return EXIT_SUCCESS;
        }
    }
}
