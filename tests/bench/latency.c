/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency.c - how long frames take from one interface to another.
 *
 *     latency NAMESPACE INTERFACE NAMESPACE INTERFACE RATE SECONDS FLOWS
 *
 * Run by build-aux/bench_latency.py.  Sends UDP frames of 64 bytes out of the
 * first interface, RATE a second (0: as many as it takes), of FLOWS flows in
 * turn, and receives them at the second.  A frame carries the time at which it
 * was handed to the kernel; the kernel says when it came back.  So this
 * program's own delays count on the way out only, and there at most what one
 * batch takes.
 *
 * Prints how many frames were sent and came, and the percentiles, in ns, as
 * JSON.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "csum.h"
#include "packets.h"
#include "util.h"

#define BATCH 32
#define MAX_SAMPLES (UINT32_C(1) << 24)
#define SETTLE_NS UINT64_C(200000000)   /* For the last frames to come. */
#define MAGIC UINT64_C(0x6c6174656e637921)

struct frame {
    struct eth_header eth;
    struct ip_header ip;
    struct udp_header udp;
    uint8_t pad[6];
    uint64_t magic, sent;       /* ns, CLOCK_REALTIME. */
};
BUILD_ASSERT_DECL(sizeof(struct frame) == 64);

struct run {
    int tx, rx;
    uint16_t n_flows;
    uint64_t n_sent, n_received;
    uint32_t *samples;          /* The first ones of 'n_received', in ns. */
};

static uint64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* Turns 'option' of 'sock' on. */
static void
turn_on(int sock, int level, int option)
{
    int on = 1;

    if (setsockopt(sock, level, option, &on, sizeof on)) {
        ovs_fatal(errno, "setsockopt");
    }
}

/* A socket for frames of 'interface' in 'namespace'. */
static int
open_interface(const char *namespace, const char *interface)
{
    char *path = xasprintf("/run/netns/%s", namespace);
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_TYPE_IP),
    };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int sock, size = 8 << 20;

    if (fd < 0 || setns(fd, CLONE_NEWNET)) {
        ovs_fatal(errno, "%s", path);
    }
    close(fd);
    free(path);
    sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sll_ifindex = if_nametoindex(interface);
    if (sock < 0 || !address.sll_ifindex
        || setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)
        || bind(sock, (struct sockaddr *) &address, sizeof address)) {
        ovs_fatal(errno, "%s", interface);
    }
    return sock;
}

/* The next frames, sent at 'sent'. */
static void
fill(struct frame frames[BATCH], const struct run *run, uint64_t sent)
{
    memset(frames, 0, BATCH * sizeof *frames);
    for (size_t i = 0; i < BATCH; i++) {
        struct frame *f = &frames[i];

        f->eth.eth_dst.ea[5] = 2;
        f->eth.eth_src.ea[5] = 1;
        f->eth.eth_type = htons(ETH_TYPE_IP);
        f->ip.ip_ihl_ver = IP_IHL_VER(5, 4);
        f->ip.ip_tot_len = htons(sizeof *f - sizeof f->eth);
        f->ip.ip_ttl = 64;
        f->ip.ip_proto = IPPROTO_UDP;
        put_16aligned_be32(&f->ip.ip_src, htonl(0x0a010101));
        put_16aligned_be32(&f->ip.ip_dst, htonl(0x0a010102));
        f->ip.ip_csum = csum(&f->ip, sizeof f->ip);
        f->udp.udp_src = htons((run->n_sent + i) % run->n_flows);
        f->udp.udp_dst = htons(9);
        f->udp.udp_len = htons(sizeof *f - sizeof f->eth - sizeof f->ip);
        f->magic = MAGIC;
        f->sent = sent;
    }
}

/* Sends 'n' frames, if they find room. */
static void
send_frames(struct run *run, size_t n)
{
    struct frame frames[BATCH];
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    int sent;

    fill(frames, run, now_ns());
    memset(msgs, 0, sizeof msgs);
    for (size_t i = 0; i < n; i++) {
        iov[i] = (struct iovec) { &frames[i], sizeof frames[i] };
        msgs[i].msg_hdr.msg_iov = &iov[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    sent = sendmmsg(run->tx, msgs, n, 0);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
        ovs_fatal(errno, "send");
    }
    run->n_sent += MAX(sent, 0);
}

/* A frame has come; the kernel had it at the time that 'msg' tells. */
static void
note(struct run *run, const struct frame *frame, struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    struct timespec ts;

    if (frame->magic != MAGIC || !c || c->cmsg_type != SCM_TIMESTAMPNS) {
        return;                 /* Somebody else's. */
    }
    memcpy(&ts, CMSG_DATA(c), sizeof ts);
    if (run->n_received < MAX_SAMPLES) {
        run->samples[run->n_received]
            = (ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec) - frame->sent;
    }
    run->n_received++;
}

static void
receive_frames(struct run *run)
{
    char control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    struct frame frames[BATCH];
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    int n;

    memset(msgs, 0, sizeof msgs);
    for (size_t i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec) { &frames[i], sizeof frames[i] };
        msgs[i].msg_hdr = (struct msghdr) {
            .msg_iov = &iov[i], .msg_iovlen = 1,
            .msg_control = control[i], .msg_controllen = sizeof control[i],
        };
    }
    n = recvmmsg(run->rx, msgs, BATCH, 0, NULL);
    for (int i = 0; i < n; i++) {
        if (msgs[i].msg_len == sizeof frames[i]) {
            note(run, &frames[i], &msgs[i].msg_hdr);
        }
    }
}

/* Sends what is due, and receives meanwhile. */
static void
carry(struct run *run, uint64_t rate, uint64_t ns)
{
    uint64_t start = now_ns(), now;

    while ((now = now_ns()) < start + ns) {
        uint64_t due = (rate ? (now - start) / 1000 * rate / 1000000
                        : run->n_sent + BATCH);

        if (due > run->n_sent) {
            send_frames(run, MIN(due - run->n_sent, BATCH));
        }
        receive_frames(run);
    }
    while (now_ns() < start + ns + SETTLE_NS) {
        receive_frames(run);
    }
}

static int
compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static uint32_t
percentile(const struct run *run, size_t n, double which)
{
    return n ? run->samples[(size_t) ((n - 1) * which)] : 0;
}

int
main(int argc, char *argv[])
{
    struct run run = { 0 };
    size_t n;

    if (argc != 8 || !(run.n_flows = atoi(argv[7]))) {
        ovs_fatal(0, "expected NAMESPACE INTERFACE NAMESPACE INTERFACE RATE "
                  "SECONDS FLOWS");
    }
    run.samples = xmalloc(MAX_SAMPLES * sizeof *run.samples);
    run.tx = open_interface(argv[1], argv[2]);
    run.rx = open_interface(argv[3], argv[4]);
    turn_on(run.tx, SOL_PACKET, PACKET_QDISC_BYPASS);
    turn_on(run.rx, SOL_SOCKET, SO_TIMESTAMPNS);

    carry(&run, strtoull(argv[5], NULL, 10),
          atoi(argv[6]) * UINT64_C(1000000000));
    n = MIN(run.n_received, MAX_SAMPLES);
    qsort(run.samples, n, sizeof *run.samples, compare);
    printf("{\"sent\": %"PRIu64", \"received\": %"PRIu64", \"p50\": %"PRIu32
           ", \"p99\": %"PRIu32", \"p99.9\": %"PRIu32"}\n",
           run.n_sent, run.n_received, percentile(&run, n, 0.5),
           percentile(&run, n, 0.99), percentile(&run, n, 0.999));
    return 0;
}
