/* SPDX-License-Identifier: Apache-2.0 */
/* test-ports.c - the port drivers that need no rights: unix and pcap. */

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ports.h"

static char dir[] = "/tmp/test-ports.XXXXXX";

/* A path in our directory; good until the next but three. */
static const char *
path(const char *name)
{
    static char paths[4][128];
    static unsigned int n;
    char *p = paths[n++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

/* "PREFIX" "DIR/NAME". */
static const char *
option(const char *prefix, const char *name)
{
    static char buf[256];

    snprintf(buf, sizeof buf, "%s%s", prefix, path(name));
    return buf;
}

/* ---- unix ---- */

static struct sockaddr_un
address(const char *name)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };

    strcpy(sun.sun_path, path(name));
    return sun;
}

/* A peer's socket, bound to 'name' if that is not NULL. */
static int
peer_socket(const char *name)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un sun;

    if (name) {
        sun = address(name);
        CHECK(!bind(fd, (struct sockaddr *) &sun, sizeof sun));
    }
    return fd;
}

static ssize_t
peer_send(int fd, const char *to, size_t len)
{
    static uint8_t frame[AGILIO_MAX_FRAME + 1];
    struct sockaddr_un sun = address(to);

    return sendto(fd, frame, len, 0, (struct sockaddr *) &sun, sizeof sun);
}

static void
test_unix_frames(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_unix, path("nic"));
    struct agl_pkt *pkts[AGL_BURST];
    int peer = peer_socket("peer");
    uint8_t buf[128];

    CHECK(dev && !readable(dev, 0) && !drain(dev));
    CHECK(send_one(dev, "nobody is there", 15, NULL) == 0);
    CHECK(peer_send(peer, "nic", 60) == 60 && peer_send(peer, "nic", 61) == 61
          && peer_send(peer, "nic", 62) == 62);
    CHECK(readable(dev, 0));
    CHECK(dev->class->rx(dev, &pool, pkts, 2) == 2);
    CHECK(pkts[0]->len == 60 && pkts[1]->len == 61);
    free_pkts(pkts, 2);
    CHECK(dev->class->rx(dev, &pool, pkts, 2) == 1 && pkts[0]->len == 62);
    free_pkts(pkts, 1);
    CHECK(pool.n_free == N_PKTS && !readable(dev, 0));

    /* The answer goes to the sender. */
    CHECK(send_one(dev, "0123456789abcdef", 16, NULL) == 1);
    CHECK(recv(peer, buf, sizeof buf, 0) == 16
          && !memcmp(buf, "0123456789abcdef", 16));
    close(peer);
    CHECK(send_one(dev, "0123456789abcdef", 16, NULL) == 0);
    dev->class->close(dev);
    unlink(path("peer"));
    CHECK(access(path("nic"), F_OK) < 0);
}

static void
test_unix_fixed_peer(void)
{
    struct agl_pkt *pkts[AGL_BURST];
    int other = peer_socket("other");
    struct sockaddr_un nic;
    struct agl_dev *dev;
    char arg[256];
    uint32_t i, n;
    uint8_t buf[64];
    int peer;

    snprintf(arg, sizeof arg, "%s,%s", path("nic"), path("peer"));
    dev = open_dev(&agl_dev_unix, arg);
    CHECK(dev && send_one(dev, "0123456789abcdef", 16, NULL) == 0);

    /* A connected peer gets a whole burst, and others do not distract. */
    peer = peer_socket("peer");
    nic = address("nic");
    CHECK(!connect(peer, (struct sockaddr *) &nic, sizeof nic));
    CHECK(peer_send(other, "nic", 60) == 60 && drain(dev) == 1);
    make_pkts(pkts, AGL_BURST, 60);
    CHECK(dev->class->tx(dev, pkts, AGL_BURST) == AGL_BURST);
    for (i = 0; recv(peer, buf, sizeof buf, 0) == 60; i++) {
        CHECK(buf[0] == i);
    }
    CHECK(i == AGL_BURST && recv(other, buf, sizeof buf, 0) < 0);

    /* One that does not read fills up. */
    for (i = 0; i < 100000; i += n) {
        n = dev->class->tx(dev, pkts, AGL_BURST);
        if (n < AGL_BURST) {
            break;
        }
    }
    CHECK(i < 100000 && pkts[0]->len == 60);
    free_pkts(pkts, AGL_BURST);
    close(peer);
    close(other);
    unlink(path("peer"));
    unlink(path("other"));
    dev->class->close(dev);
}

static void
test_unix_bad_frames(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_unix, path("nic"));
    struct agl_pkt *pkts[AGL_BURST], *more[AGL_BURST];
    int peer = peer_socket(NULL);

    CHECK(peer_send(peer, "nic", AGILIO_MAX_FRAME + 1) > 0
          && peer_send(peer, "nic", 0) == 0
          && peer_send(peer, "nic", AGILIO_MAX_FRAME) > 0);
    CHECK(dev->class->rx(dev, &pool, pkts, AGL_BURST) == 1
          && pkts[0]->len == AGILIO_MAX_FRAME && dev->rx_errors == 2);
    free_pkts(pkts, 1);
    CHECK(send_one(dev, "to an unnamed peer", 18, NULL) == 0);

    /* No packet left: nothing is lost. */
    CHECK(peer_send(peer, "nic", 60) == 60);
    make_pkts(pkts, AGL_BURST, 0);
    make_pkts(more, AGL_BURST, 0);
    CHECK(!pool.n_free && !drain(dev));
    free_pkts(pkts, AGL_BURST);
    free_pkts(more, AGL_BURST);
    CHECK(drain(dev) == 1 && pool.n_free == N_PKTS);
    close(peer);
    dev->class->close(dev);
}

static void
test_unix_open(void)
{
    struct agl_dev_status status, again;
    struct agl_dev *dev;
    char name[200];
    int old;

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK(open_fails(&agl_dev_unix, name, ENAMETOOLONG, "longer than"));
    CHECK(open_fails(&agl_dev_unix, "", EINVAL, "a path is missing"));
    CHECK(open_fails(&agl_dev_unix, option("", "nic,"), EINVAL, "missing"));
    CHECK(open_fails(&agl_dev_unix, "/nonexistent/nic", ENOENT,
                     "cannot bind to /nonexistent/nic"));
    fclose(fopen(path("file"), "w"));
    CHECK(open_fails(&agl_dev_unix, path("file"), EADDRINUSE, "cannot bind"));
    CHECK(!access(path("file"), F_OK) && !unlink(path("file")));

    old = peer_socket("nic");   /* Another's. */
    CHECK(open_fails(&agl_dev_unix, path("nic"), EADDRINUSE, "cannot bind"));
    CHECK(peer_send(old, "nic", 60) == 60);
    close(old);                 /* Left behind by a NIC that was killed. */
    dev = open_dev(&agl_dev_unix, path("nic"));
    CHECK(dev != NULL);
    dev->class->status(dev, &status);
    CHECK(status.link_up && status.mtu == 1500 && (status.mac[0] & 3) == 2);
    CHECK(!dev->class->set_mtu(dev, 9000));
    CHECK(dev->class->set_mtu(dev, AGILIO_MAX_FRAME) == EINVAL);
    dev->class->close(dev);
    dev = open_dev(&agl_dev_unix, path("nic"));
    dev->class->status(dev, &again);
    CHECK(!memcmp(status.mac, again.mac, 6) && again.mtu == 1500);
    dev->class->close(dev);
}

/* ---- pcap ---- */

/* A capture with frames of 60, AGILIO_MAX_FRAME + 1 and 61 bytes. */
struct capture {
    uint8_t bytes[2 * AGILIO_MAX_FRAME];
    size_t len;
};

static void
put(struct capture *c, uint32_t x, size_t size, bool swap)
{
    uint16_t x16 = swap ? __builtin_bswap16(x) : x;
    uint32_t x32 = swap ? __builtin_bswap32(x) : x;

    memcpy(c->bytes + c->len, size == 2 ? (void *) &x16 : (void *) &x32, size);
    c->len += size;
}

static void
put_record(struct capture *c, uint32_t len, bool swap)
{
    put(c, 1, 4, swap);
    put(c, 2, 4, swap);
    put(c, len, 4, swap);
    put(c, len, 4, swap);
    memset(c->bytes + c->len, len, len);
    c->len += len;
}

static void
make_capture(struct capture *c, uint32_t magic, uint32_t linktype, bool swap)
{
    c->len = 0;
    put(c, magic, 4, swap);
    put(c, 2, 2, swap);
    put(c, 4, 2, swap);
    put(c, 0, 4, swap);
    put(c, 0, 4, swap);
    put(c, 65535, 4, swap);
    put(c, linktype, 4, swap);
    put_record(c, 60, swap);
    put_record(c, AGILIO_MAX_FRAME + 1, swap);
    put_record(c, 61, swap);
}

static void
write_capture(const struct capture *c, size_t len)
{
    FILE *f = fopen(path("in"), "w");

    CHECK(fwrite(c->bytes, 1, len, f) == len && !fclose(f));
}

static void
test_pcap_rx(void)
{
    static const uint32_t magics[] = { 0xa1b2c3d4, 0xa1b23c4d };
    struct agl_pkt *pkts[AGL_BURST];
    struct capture c;
    int i;

    for (i = 0; i < 4; i++) {
        struct agl_dev *dev;

        make_capture(&c, magics[i & 1], 1, i & 2);
        write_capture(&c, c.len);
        dev = open_dev(&agl_dev_pcap, option("rx=", "in"));
        CHECK(dev && readable(dev, 0));
        CHECK(dev->class->rx(dev, &pool, pkts, 1) == 1
              && pkts[0]->len == 60 && pkts[0]->data[59] == 60);
        free_pkts(pkts, 1);
        CHECK(readable(dev, 0));
        CHECK(dev->class->rx(dev, &pool, pkts, AGL_BURST) == 1
              && pkts[0]->len == 61 && pkts[0]->data[60] == 61);
        free_pkts(pkts, 1);
        CHECK(dev->rx_errors == 1 && !readable(dev, 0) && !drain(dev));
        CHECK(send_one(dev, "into the void", 13, NULL) == 1);
        dev->class->close(dev);
    }
}

static void
test_pcap_loop(void)
{
    struct capture c;
    struct agl_dev *dev;
    struct agl_pkt *pkts[AGL_BURST];
    char arg[256];
    uint32_t n, total = 0;

    make_capture(&c, 0xa1b2c3d4, 1, false);
    write_capture(&c, c.len);
    snprintf(arg, sizeof arg, "loop=50,rx=%s", path("in"));
    dev = open_dev(&agl_dev_pcap, arg);
    CHECK(drain(dev) == 100 && dev->rx_errors == 50 && !readable(dev, 0));
    dev->class->close(dev);

    snprintf(arg, sizeof arg, "rx=%s,loop=0", path("in"));
    dev = open_dev(&agl_dev_pcap, arg);
    while (total < 1000 && (n = dev->class->rx(dev, &pool, pkts, AGL_BURST))) {
        total += n;
        free_pkts(pkts, n);
    }
    CHECK(total >= 1000 && readable(dev, 0));
    dev->class->close(dev);

    write_capture(&c, 24);      /* Nothing in it to loop over. */
    dev = open_dev(&agl_dev_pcap, arg);
    CHECK(!drain(dev) && !readable(dev, 0));
    dev->class->close(dev);
}

/* Truncated at each byte, and each byte of a record's header broken. */
static void
test_pcap_hostile(void)
{
    struct capture c;
    struct agl_dev *dev;
    size_t i;

    make_capture(&c, 0xa1b2c3d4, 1, false);
    for (i = 0; i < 150; i++) {
        write_capture(&c, i);
        if (i < 24) {
            CHECK(open_fails(&agl_dev_pcap, option("rx=", "in"), EINVAL,
                             "shorter than"));
            continue;
        }
        dev = open_dev(&agl_dev_pcap, option("rx=", "in"));
        CHECK(drain(dev) == (i >= 100) && !readable(dev, 0));
        CHECK(dev->rx_errors == (i != 24 && i != 100));
        dev->class->close(dev);
    }
    for (i = 0; i < 16; i++) {
        c.bytes[24 + i] ^= 0xff;
        write_capture(&c, c.len);
        dev = open_dev(&agl_dev_pcap, option("rx=", "in"));
        CHECK(drain(dev) <= 2 && !readable(dev, 0));
        CHECK(dev->rx_errors <= 2);
        dev->class->close(dev);
        c.bytes[24 + i] ^= 0xff;
    }
    make_capture(&c, 0xa1b2c3d4, 101, true);
    write_capture(&c, c.len);
    CHECK(open_fails(&agl_dev_pcap, option("rx=", "in"), EINVAL, "type 101"));
    make_capture(&c, 0x0a0d0d0a, 1, false);
    write_capture(&c, c.len);
    CHECK(open_fails(&agl_dev_pcap, option("rx=", "in"), EINVAL, "pcapng"));
}

static void
test_pcap_tx(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_pcap, option("tx=", "out"));
    struct agl_pkt *pkts[AGL_BURST];
    struct agl_dev *reader;

    CHECK(dev && !readable(dev, 0) && !drain(dev));
    make_pkts(pkts, 3, AGILIO_MAX_FRAME);
    CHECK(dev->class->tx(dev, pkts, 3) == 3);
    free_pkts(pkts, 3);

    /* Whole while the writer is still at it. */
    reader = open_dev(&agl_dev_pcap, option("rx=", "out"));
    CHECK(reader->class->rx(reader, &pool, pkts, AGL_BURST) == 3);
    CHECK(pkts[2]->len == AGILIO_MAX_FRAME && pkts[2]->data[9000] == 2);
    free_pkts(pkts, 3);
    CHECK(!drain(reader) && !reader->rx_errors);
    reader->class->close(reader);
    dev->class->close(dev);
    unlink(path("out"));
}

/* A disk with room for one frame: the next is refused, and all after it. */
static void
test_pcap_disk_full(void)
{
    struct agl_dev *dev = open_dev(&agl_dev_pcap, option("tx=", "out"));
    struct rlimit old, limit;
    uint32_t len[3];
    int i;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit) { 24 + 16 + 20, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &limit);
    for (i = 0; i < 3; i++) {
        CHECK(send_one(dev, "0123456789abcdef", 16, &len[i]) == 1);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(len[0] == 16 && !len[2]);
    dev->class->close(dev);

    dev = open_dev(&agl_dev_pcap, option("rx=", "out"));
    CHECK(drain(dev) == 1 && dev->rx_errors == 1);
    dev->class->close(dev);
    unlink(path("out"));
}

static void
test_pcap_open(void)
{
    struct capture c;
    char arg[300];
    struct stat s;

    make_capture(&c, 0xa1b2c3d4, 1, false);
    write_capture(&c, c.len);
    CHECK(open_fails(&agl_dev_pcap, "", EINVAL, "neither"));
    CHECK(open_fails(&agl_dev_pcap, "speed=5", EINVAL, "\"speed=5\" is not"));
    CHECK(open_fails(&agl_dev_pcap, "rx=,tx=x", EINVAL, "is not"));
    CHECK(open_fails(&agl_dev_pcap, "rx=/nonexistent", ENOENT,
                     "cannot open /nonexistent"));
    CHECK(open_fails(&agl_dev_pcap, "rx=/dev/zero", EINVAL, "regular"));
    CHECK(open_fails(&agl_dev_pcap, "tx=/", EISDIR, "cannot open /"));
    snprintf(arg, sizeof arg, "rx=%s,loop=-1", path("in"));
    CHECK(open_fails(&agl_dev_pcap, arg, EINVAL, "loop=-1 is not"));
    snprintf(arg, sizeof arg, "rx=%s,tx=%s", path("in"), path("in"));
    CHECK(open_fails(&agl_dev_pcap, arg, EINVAL, "both rx and tx"));
    CHECK(!stat(path("in"), &s) && (size_t) s.st_size == c.len);
}

int
main(void)
{
    make_pool();
    if (!mkdtemp(dir)) {
        perror(dir);
        return EXIT_FAILURE;
    }
    RUN(test_unix_frames);
    RUN(test_unix_fixed_peer);
    RUN(test_unix_bad_frames);
    RUN(test_unix_open);
    RUN(test_pcap_rx);
    RUN(test_pcap_loop);
    RUN(test_pcap_hostile);
    RUN(test_pcap_tx);
    RUN(test_pcap_disk_full);
    RUN(test_pcap_open);
    unlink(path("in"));
    rmdir(dir);
    return summary();
}
