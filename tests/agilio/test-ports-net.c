/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-ports-net.c - the port drivers that need root: afpacket and tap.
 *
 * Everything happens in network namespaces of this process and its children,
 * which end with them; the machine's own interfaces are not seen from there.
 * The last test is the judge of offloads: two namespaces talk TCP and UDP, all
 * offloads on, through two of our ports.
 */

#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ports.h"

#define ETH_P_TEST 0x88b5       /* For local experiments. */

/* Runs a command of the shell. */
static bool __attribute__((format(printf, 1, 2)))
sh(const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return !system(command);
}

/* In a namespace of our own, without IPv6's chatter on new interfaces; NULL,
 * or why that cannot be. */
static const char *
enter_namespace(void)
{
    static const char *why;
    static bool done;

    if (!done) {
        done = true;
        if (unshare(CLONE_NEWNET)) {
            why = "no right to make a network namespace";
        } else if (!sh("ip link add ag0 type veth peer name ag1 2>&1")) {
            why = "no veth interfaces here (or no ip command)";
        } else {
            sh("ip link del ag0; for i in all default; do"
               " echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done"
               " 2>/dev/null");
        }
    }
    return why;
}

static bool
make_veth(void)
{
    return sh("ip link add ag0 type veth peer name ag1"
              " && ip link set ag0 up && ip link set ag1 up");
}

/* Whether the link is, or in due time will be, as it should: the kernel tells
 * of the other end's state a little later. */
static bool
link_is(struct agl_dev *dev, bool up)
{
    struct agl_dev_status status;
    int i;

    for (i = 0; i < 300; i++) {
        dev->class->status(dev, &status);
        if (status.link_up == up) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

/* A packet socket at the other end: what it sends, the NIC receives. */
static int
raw_socket(const char *ifname)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    struct sockaddr_ll sll = { .sll_family = AF_PACKET,
                               .sll_protocol = htons(ETH_P_ALL),
                               .sll_ifindex = if_nametoindex(ifname) };
    int one = 1;

    CHECK(!setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
                      sizeof one));
    CHECK(!bind(fd, (struct sockaddr *) &sll, sizeof sll));
    return fd;
}

/* A broadcast frame of 'len' bytes with 'n_tags' tags. */
static void
make_frame(uint8_t *frame, uint32_t len, int n_tags)
{
    static const uint8_t tags[] = { 0x88, 0xa8, 0x60, 0x64,
                                    0x81, 0x00, 0x3f, 0xff };
    uint32_t i;

    for (i = 0; i < len; i++) {
        frame[i] = i * 7;
    }
    memset(frame, 0xff, 6);
    frame[6] = 2;
    memcpy(frame + 12, n_tags == 2 ? tags : tags + 4, 4 * n_tags);
    frame[12 + 4 * n_tags] = ETH_P_TEST >> 8;
    frame[13 + 4 * n_tags] = ETH_P_TEST & 0xff;
}

/* Sent by 'fd', does the frame come out of 'dev' as it was? */
static bool
comes_in(struct agl_dev *dev, int fd, const uint8_t *frame, uint32_t len)
{
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n;
    bool ok;

    if (send(fd, frame, len, 0) != (ssize_t) len || !readable(dev, 1000)) {
        return false;
    }
    n = dev->class->rx(dev, &pool, pkts, AGL_BURST);
    ok = n == 1 && pkts[0]->len == len && !memcmp(pkts[0]->data, frame, len);
    free_pkts(pkts, n);
    return ok && !readable(dev, 0);
}

/* Sent by 'dev', does it come out of 'fd' so?  (The kernel takes one tag off
 * before a packet socket sees it.) */
static bool
goes_out(struct agl_dev *dev, int fd, const uint8_t *frame, uint32_t len)
{
    uint8_t buf[AGILIO_MAX_FRAME];

    return send_one(dev, frame, len, NULL) == 1
           && recv(fd, buf, sizeof buf, 0) == (ssize_t) len
           && !memcmp(buf, frame, len);
}

static void
test_afpacket_open(void)
{
    if (enter_namespace()) {
        SKIP(enter_namespace());
    }
    CHECK(open_fails(&agl_dev_afpacket, "veth9", ENODEV,
                     "afpacket: interface veth9 does not exist"));
    CHECK(open_fails(&agl_dev_afpacket, "lo", EINVAL, "not an Ethernet"));
    CHECK(open_fails(&agl_dev_afpacket, "", EINVAL, "cannot be the name"));
    CHECK(open_fails(&agl_dev_afpacket, "a-name-with-16-ch", EINVAL,
                     "cannot be the name"));
}

static void
test_afpacket_frames(void)
{
    uint8_t frame[AGILIO_MAX_FRAME + 100];
    struct agl_dev *dev;
    uint32_t len, i;
    int n_tags, fd, host_fd;

    if (enter_namespace()) {
        SKIP(enter_namespace());
    }
    CHECK(make_veth() && sh("ip link set ag1 mtu 10000"));
    CHECK(sh("ip link set ag0 mtu 10000"));
    dev = open_dev(&agl_dev_afpacket, "ag0");
    fd = raw_socket("ag1");
    CHECK(!readable(dev, 0) && !drain(dev));
    for (n_tags = 0; n_tags <= 2; n_tags++) {
        for (len = 60; len <= AGILIO_MAX_FRAME; len += 4834) {
            make_frame(frame, len, n_tags);
            CHECK(comes_in(dev, fd, frame, len));
            if (!n_tags) {
                CHECK(goes_out(dev, fd, frame, len));
            }
        }
    }

    /* Too long for us, by one and with its tag; too long for the MTU. */
    CHECK(!dev->rx_errors);
    make_frame(frame, AGILIO_MAX_FRAME + 1, 0);
    CHECK(!comes_in(dev, fd, frame, AGILIO_MAX_FRAME + 1));
    make_frame(frame, AGILIO_MAX_FRAME + 1, 1);
    CHECK(!comes_in(dev, fd, frame, AGILIO_MAX_FRAME + 1));
    CHECK(dev->rx_errors == 2);
    CHECK(!dev->class->set_mtu(dev, 1500));
    make_frame(frame, 1515, 0);
    CHECK(send_one(dev, frame, 1515, &len) == 1 && !len);

    /* What goes out does not come back, whoever sent it. */
    make_frame(frame, 60, 0);
    host_fd = raw_socket("ag0");
    CHECK(send(host_fd, frame, 60, 0) == 60
          && send_one(dev, frame, 60, NULL) == 1 && !readable(dev, 10));
    close(host_fd);

    /* More frames than a burst. */
    for (i = 0; i < 40; i++) {
        CHECK(send(fd, frame, 60, 0) == 60);
    }
    CHECK(readable(dev, 1000) && drain(dev) == 40);
    CHECK(pool.n_free == N_PKTS);
    dev->class->close(dev);
    close(fd);
    CHECK(sh("ip link del ag0"));
}

static void
test_afpacket_control(void)
{
    static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
    struct agl_dev_status status;
    struct agl_dev *dev;

    if (enter_namespace()) {
        SKIP(enter_namespace());
    }
    CHECK(sh("ip link add ag0 type veth peer name ag1 && ip link set ag1 up"));
    dev = open_dev(&agl_dev_afpacket, "ag0");
    dev->class->status(dev, &status);
    CHECK(!status.link_up && status.mtu == 1500 && status.speed == 10000);
    CHECK(!dev->class->set_up(dev, true) && !dev->class->set_mtu(dev, 9000)
          && !dev->class->set_mac(dev, mac));
    CHECK(link_is(dev, true));
    dev->class->status(dev, &status);
    CHECK(status.link_up && status.mtu == 9000 && !memcmp(status.mac, mac, 6));
    CHECK(sh("ip -d link show ag0 | grep -q 'promiscuity 1'"));
    CHECK(!dev->class->set_up(dev, false)
          && dev->class->set_mtu(dev, AGILIO_MAX_FRAME) == EINVAL);
    CHECK(link_is(dev, true));
    CHECK(sh("ip link set ag1 down"));
    CHECK(link_is(dev, false));
    dev->class->close(dev);
    CHECK(sh("ip link del ag0"));
}

/* The interface goes away in use, and comes back. */
static void
test_afpacket_vanish(void)
{
    uint8_t frame[60];
    struct agl_dev_status status;
    struct agl_dev *dev;
    uint32_t len;
    int fd;

    if (enter_namespace()) {
        SKIP(enter_namespace());
    }
    CHECK(make_veth());
    make_frame(frame, sizeof frame, 0);
    dev = open_dev(&agl_dev_afpacket, "ag0");
    CHECK(sh("ip link set ag0 down"));
    CHECK(send_one(dev, frame, sizeof frame, &len) == 0 && len);
    CHECK(!drain(dev) && !readable(dev, 0));
    CHECK(sh("ip link del ag0"));
    CHECK(!drain(dev) && !readable(dev, 0));
    CHECK(send_one(dev, frame, sizeof frame, &len) == 0 && len);
    CHECK(!drain(dev) && !readable(dev, 0));
    dev->class->status(dev, &status);
    CHECK(!status.link_up && dev->class->set_up(dev, true) == ENODEV
          && dev->class->set_mtu(dev, 1500) == ENODEV);

    CHECK(make_veth());
    CHECK(link_is(dev, true));
    fd = raw_socket("ag1");
    CHECK(comes_in(dev, fd, frame, sizeof frame)
          && goes_out(dev, fd, frame, sizeof frame));
    dev->class->close(dev);
    close(fd);
    CHECK(sh("ip link del ag0"));
}

/* ---- Queues. ---- */

#define N_FLOWS 31               /* Odd: taking turns is not spreading. */
#define N_EACH 4

/* An IPv4 packet, number 'n' of a UDP flow; or back; 'frag' as in its header.
 */
static void
make_udp(uint8_t frame[60], uint8_t flow, uint8_t n, bool back, uint16_t frag)
{
    static const uint8_t header[] = { 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17 };

    memset(frame, 0, 60);
    memset(frame, 0xff, 6);
    frame[6] = 2;
    frame[12] = ETH_P_IP >> 8;
    memcpy(frame + 14, header, sizeof header);
    frame[20] = frag >> 8;
    frame[21] = frag & 0xff;
    frame[14 + 15] = back ? 2 : 1;
    frame[14 + 19] = back ? 1 : 2;
    frame[14 + 20 + (back ? 3 : 1)] = flow;
    frame[14 + 20 + (back ? 1 : 3)] = 53;
    frame[14 + 20 + 5] = 26;
    frame[58] = flow;
    frame[59] = n;
}

/* Takes what there is at a queue, which is to be all of some flows, in order;
 * returns how many frames that were. */
static uint32_t
take_flows(struct agl_dev *queue, uint8_t next[N_FLOWS])
{
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t n, total = 0;

    memset(next, 0, N_FLOWS);
    while ((n = queue->class->rx(queue, &pool, pkts, AGL_BURST))) {
        for (uint32_t i = 0; i < n; i++) {
            CHECK(pkts[i]->len == 60);
            CHECK(pkts[i]->data[59] == next[pkts[i]->data[58]]++);
        }
        free_pkts(pkts, n);
        total += n;
    }
    return total;
}

/* Each flow comes by one queue, whole, both ways; each frame once. */
static void
check_spread(struct agl_dev *dev, struct agl_dev *queue, int fd)
{
    uint8_t next[2][N_FLOWS], frame[60];
    uint32_t n[2];

    for (uint8_t i = 0; i < N_EACH; i++) {
        for (uint8_t flow = 0; flow < N_FLOWS; flow++) {
            make_udp(frame, flow, i, i % 2, 0);
            CHECK(send(fd, frame, sizeof frame, 0) == sizeof frame);
        }
    }
    CHECK(readable(dev, 1000) && readable(queue, 1000));
    n[0] = take_flows(dev, next[0]);
    n[1] = take_flows(queue, next[1]);
    CHECK(n[0] && n[1] && n[0] + n[1] == N_FLOWS * N_EACH);
    for (int flow = 0; flow < N_FLOWS; flow++) {
        CHECK(next[0][flow] + next[1][flow] == N_EACH);
        CHECK(!next[0][flow] || !next[1][flow]);
    }

    /* Fragments go by their addresses, the first like the last. */
    for (uint8_t flow = 0; flow < N_FLOWS; flow++) {
        make_udp(frame, flow, 0, false, flow % 2 ? 0x2000 : 0x0010);
        CHECK(send(fd, frame, sizeof frame, 0) == sizeof frame);
    }
    CHECK(readable(dev, 100) != readable(queue, 100));
    CHECK(drain(dev) + drain(queue) == N_FLOWS);
}

static void
test_afpacket_queues(void)
{
    struct agl_dev *dev, *queue;
    struct agl_dev_status status;
    int fd, host_fd;
    uint8_t frame[60];

    if (enter_namespace()) {
        SKIP(enter_namespace());
    }
    CHECK(make_veth());
    n_workers = 2;
    CHECK(open_fails(&agl_dev_afpacket, "queues=3,ag0", EINVAL,
                     "queues=1..2"));
    CHECK(open_fails(&agl_dev_afpacket, "queues=2", EINVAL, "a comma"));
    dev = open_dev(&agl_dev_afpacket, "ag0");
    CHECK(!dev->class->queue(dev, 1));
    dev->class->close(dev);

    dev = open_dev(&agl_dev_afpacket, "queues=2,ag0");
    queue = dev->class->queue(dev, 1);
    CHECK(queue && !dev->class->queue(dev, 2));
    CHECK(link_is(dev, true));
    fd = raw_socket("ag1");
    check_spread(dev, queue, fd);
    make_frame(frame, sizeof frame, 0);
    CHECK(goes_out(dev, fd, frame, sizeof frame));
    CHECK(goes_out(queue, fd, frame, sizeof frame));

    /* What goes out does not come back, whoever sent it. */
    host_fd = raw_socket("ag0");
    for (uint8_t flow = 0; flow < N_FLOWS; flow++) {
        make_udp(frame, flow, 0, false, 0);
        CHECK(send(host_fd, frame, sizeof frame, 0) == sizeof frame);
    }
    CHECK(!readable(dev, 10) && !readable(queue, 10));
    close(host_fd);
    close(fd);

    /* The interface goes away, and comes back. */
    CHECK(sh("ip link del ag0"));
    CHECK(!drain(dev) && !drain(queue));
    dev->class->status(dev, &status);
    CHECK(!status.link_up);
    CHECK(make_veth());
    CHECK(link_is(dev, true));
    fd = raw_socket("ag1");
    check_spread(dev, queue, fd);
    CHECK(!dev->rx_errors && !queue->rx_errors && pool.n_free == N_PKTS);
    dev->class->close(dev);
    close(fd);
    CHECK(sh("ip link del ag0"));
    n_workers = 1;
}

static void
test_tap(void)
{
    uint8_t frame[AGILIO_MAX_FRAME + 1];
    struct agl_dev_status status;
    struct agl_pkt *pkts[3];
    struct agl_dev *dev;
    int i, n_tags, fd;

    if (enter_namespace()) {
        SKIP(enter_namespace());
    } else if (access("/dev/net/tun", R_OK | W_OK)) {
        SKIP("no /dev/net/tun");
    }
    CHECK(open_fails(&agl_dev_tap, "a-name-with-16-ch", EINVAL, "cannot be"));
    CHECK(open_fails(&agl_dev_tap, "lo", EINVAL, "cannot make interface lo"));
    dev = open_dev(&agl_dev_tap, "ag2");
    CHECK(open_fails(&agl_dev_tap, "ag2", EBUSY, "cannot make interface ag2"));
    dev->class->status(dev, &status);
    CHECK(!status.link_up && status.mtu == 1500);
    make_frame(frame, sizeof frame, 0);
    CHECK(!send_one(dev, frame, 60, NULL) && !drain(dev) && !readable(dev, 0));
    CHECK(!dev->class->set_up(dev, true) && !dev->class->set_mtu(dev, 9700));
    dev->class->status(dev, &status);
    CHECK(status.link_up && status.mtu == 9700);

    fd = raw_socket("ag2");
    CHECK(goes_out(dev, fd, frame, 60));
    for (n_tags = 0; n_tags <= 2; n_tags++) {
        make_frame(frame, 9000, n_tags);
        CHECK(comes_in(dev, fd, frame, 60) && comes_in(dev, fd, frame, 9000));
    }
    CHECK(sh("ip link set ag2 mtu 9800"));
    make_frame(frame, sizeof frame, 0);
    CHECK(!comes_in(dev, fd, frame, AGILIO_MAX_FRAME + 1)
          && dev->rx_errors == 1);
    CHECK(comes_in(dev, fd, frame, AGILIO_MAX_FRAME));

    /* A burst of long ones ends like any other. */
    for (i = 0; i < 3; i++) {
        CHECK(send(fd, frame, AGILIO_MAX_FRAME + 1, 0) > 0);
    }
    CHECK(send(fd, frame, 60, 0) == 60 && readable(dev, 1000));
    CHECK(!dev->class->rx(dev, &pool, pkts, 3) && dev->rx_errors == 4);
    CHECK(drain(dev) == 1);
    close(fd);

    CHECK(sh("ip link del ag2"));
    CHECK(!drain(dev) && !readable(dev, 0));
    CHECK(!send_one(dev, frame, 60, NULL) && !drain(dev));
    dev->class->status(dev, &status);
    CHECK(!status.link_up && pool.n_free == N_PKTS);
    dev->class->close(dev);
}

/* ---- Two namespaces talk through two ports. ---- */

#define TCP_BYTES (4 << 20)
#define UDP_SEGMENTS 10
#define UDP_SEGMENT_LEN 1000

static volatile bool stop;
static struct agl_dev *bridge[2];

/* Carries all that comes in on one port to the other. */
static void *
bridge_main(void *arg)
{
    struct pollfd pfds[2];
    int i;

    for (i = 0; i < 2; i++) {
        pfds[i].fd = bridge[i]->class->fd(bridge[i]);
        pfds[i].events = POLLIN;
    }
    while (!stop) {
        struct agl_pkt *pkts[AGL_BURST];
        uint32_t total = 0;

        for (i = 0; i < 2; i++) {
            struct agl_dev *to = bridge[!i];
            uint32_t n = bridge[i]->class->rx(bridge[i], &pool, pkts,
                                              AGL_BURST);

            to->class->tx(to, pkts, n);
            free_pkts(pkts, n);
            total += n;
        }
        if (!total) {
            poll(pfds, 2, 20);
        }
    }
    return arg;
}

/* Both ends send a stream and expect that of the other, at the same time. */
static bool
exchange(int fd)
{
    static uint8_t out[65536], in[65536];
    size_t sent = 0, received = 0, i;
    struct pollfd pfd = { .fd = fd };
    ssize_t n;

    for (i = 0; i < sizeof out; i++) {
        out[i] = i * 7 + (i >> 8);
    }
    while (sent < TCP_BYTES || received < TCP_BYTES) {
        pfd.events = POLLIN | (sent < TCP_BYTES ? POLLOUT : 0);
        if (poll(&pfd, 1, 10000) != 1) {
            return false;
        }
        if (pfd.revents & POLLOUT) {
            i = sent % sizeof out;
            n = send(fd, out + i, sizeof out - i, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += n > 0 ? n : 0;
        }
        if (pfd.revents & POLLIN) {
            i = received % sizeof out;
            n = recv(fd, in, sizeof in - i, MSG_DONTWAIT);
            if (n <= 0 || memcmp(in, out + i, n)) {
                return false;
            }
            received += n;
        }
    }
    return sent == TCP_BYTES && received == TCP_BYTES;
}

/* The end of one address family: 0 listens, 1 connects. */
static bool
talk(int me, int family)
{
    struct sockaddr_storage ss = { .ss_family = family };
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
                                      : sizeof(struct sockaddr_in6);
    int tcp = socket(family, SOCK_STREAM, 0);
    int udp = socket(family, SOCK_DGRAM, 0);
    uint8_t buf[UDP_SEGMENTS * UDP_SEGMENT_LEN] = { 0 };
    struct timeval limit = { .tv_sec = 10 };
    int segment = UDP_SEGMENT_LEN;
    int i, fd;

    setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *) &ss;

        sin->sin_port = htons(4000);
        inet_pton(family, "10.0.0.1", &sin->sin_addr);
    } else {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) &ss;

        sin6->sin6_port = htons(4000);
        inet_pton(family, "fd00::1", &sin6->sin6_addr);
    }
    if (!me) {
        if (bind(udp, (struct sockaddr *) &ss, len)
            || bind(tcp, (struct sockaddr *) &ss, len) || listen(tcp, 1)
            || (fd = accept(tcp, NULL, NULL)) < 0 || !exchange(fd)) {
            return false;
        }
        for (i = 0; i < UDP_SEGMENTS; i++) {
            if (recv(udp, buf, sizeof buf, 0) != UDP_SEGMENT_LEN) {
                return false;
            }
        }
        return true;
    }
    for (i = 0; connect(tcp, (struct sockaddr *) &ss, len); i++) {
        if (i == 100) {
            return false;
        }
        usleep(100000);
    }
    return exchange(tcp)
           && !setsockopt(udp, IPPROTO_UDP, UDP_SEGMENT, &segment,
                          sizeof segment)
           && sendto(udp, buf, sizeof buf, 0, (struct sockaddr *) &ss, len)
              == sizeof buf;
}

/* A child in a namespace of its own, where interface "eth" will come up. */
static pid_t
start_talker(int me, int ready_fd)
{
    pid_t pid = fork();
    int i;

    if (pid) {
        return pid;
    }
    alarm(60);
    if (unshare(CLONE_NEWNET) || write(ready_fd, "", 1) != 1) {
        _exit(2);
    }
    for (i = 0; !if_nametoindex("eth"); i++) {
        if (i == 500) {
            _exit(3);
        }
        usleep(10000);
    }
    if (!sh("ip addr add 10.0.0.%d/24 dev eth && ip link set eth up", me + 1)
        || !talk(me, AF_INET)) {
        _exit(4);
    }
    if (!access("/proc/sys/net/ipv6", F_OK)
        && (!sh("ip addr add fd00::%d/64 dev eth nodad", me + 1)
            || !talk(me, AF_INET6))) {
        _exit(5);
    }
    _exit(0);
}

static void
test_talk(void)
{
    pid_t pids[2];
    pthread_t thread;
    int ready[2];
    int i, status;
    char c;

    if (enter_namespace()) {
        SKIP(enter_namespace());
    }
    fflush(stdout);
    CHECK(!pipe(ready));
    for (i = 0; i < 2; i++) {
        char name[8] = { 'a', 'g', '0' + i, '\0' };

        pids[i] = start_talker(i, ready[1]);
        CHECK(read(ready[0], &c, 1) == 1);
        CHECK(sh("ip link add %s type veth peer name eth netns %d", name,
                 (int) pids[i]));
        bridge[i] = open_dev(&agl_dev_afpacket, name);
        CHECK(!bridge[i]->class->set_up(bridge[i], true));
    }
    stop = false;
    CHECK(!pthread_create(&thread, NULL, bridge_main, NULL));
    for (i = 0; i < 2; i++) {
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && !status);
    }
    stop = true;
    pthread_join(thread, NULL);
    for (i = 0; i < 2; i++) {
        CHECK(!bridge[i]->rx_errors);
        bridge[i]->class->close(bridge[i]);
        close(ready[i]);
    }
    CHECK(pool.n_free == N_PKTS);
}

int
main(void)
{
    make_pool();
    RUN(test_afpacket_open);
    RUN(test_afpacket_frames);
    RUN(test_afpacket_control);
    RUN(test_afpacket_vanish);
    RUN(test_afpacket_queues);
    RUN(test_tap);
    RUN(test_talk);
    return summary();
}
