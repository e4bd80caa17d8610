/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/pcap.c - "pcap:[rx=FILE][,tx=FILE][,loop=N]": capture files as a port.
 *
 * The frames of one file come in, once or 'loop' times (0: without end), as
 * fast as the worker takes them; what is sent goes to the other file, which is
 * complete after each burst, with the real time.  Without 'tx' the port is a
 * sink.  Link is always up, also after the last frame.
 *
 * Input may be of either byte order, with micro- or nanoseconds, and is not
 * trusted: a file that is no Ethernet capture is refused by open; the input
 * ends at the first record that is empty or not whole; a frame longer than
 * AGILIO_MAX_FRAME is passed over.  Both of the latter are rx_errors.
 *
 * Threads: all but 'mtu' is the worker's once the port is open.
 *
 * Source: draft-ietf-opsawg-pcap, "PCAP Capture File Format".
 */

#define _GNU_SOURCE 1           /* getsubopt() */
#include "port/common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC_USEC 0xa1b2c3d4
#define MAGIC_NSEC 0xa1b23c4d
#define LINKTYPE_ETHERNET 1
#define SNAPLEN 262144          /* As tools write that cut nothing off. */

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2];
    uint32_t snaplen;
    uint32_t linktype;          /* In the low 16 bits. */
};
AGILIO_ASSERT_SIZE(struct file_header, 24);

struct record_header {
    uint32_t sec, frac;
    uint32_t captured;          /* Bytes of frame that follow. */
    uint32_t original;          /* Bytes that the frame had. */
};
AGILIO_ASSERT_SIZE(struct record_header, 16);

struct pcap {
    struct agl_dev dev;
    FILE *rx, *tx;              /* NULL if there is none, or no more. */
    bool swap;                  /* 'rx' is of the other byte order. */
    bool endless;
    unsigned long n_loops;      /* Still to come, this one included. */
    bool fruitful;              /* This loop had a frame for us. */
    int fd;                     /* Readable while there is input. */
    uint32_t mtu;               /* The control thread's. */
    uint8_t mac[6];
};

struct options {
    char *rx, *tx, *loop;
};

static struct pcap *
pcap_cast(const struct agl_dev *dev)
{
    return (struct pcap *) dev;
}

static uint32_t
in_order(const struct pcap *d, uint32_t x)
{
    return d->swap ? __builtin_bswap32(x) : x;
}

/* Splits 'arg' in place. */
static int
parse_options(char *arg, struct options *o, char **error)
{
    char *const keys[] = { "rx", "tx", "loop", NULL };
    char *value;

    while (*arg) {
        char *option = arg;
        int key = getsubopt(&arg, keys, &value);

        if (key < 0 || !value || !*value) {
            return agl_dev_fail(error, EINVAL, "pcap: \"%s\" is not rx=FILE, "
                                "tx=FILE or loop=N", option);
        }
        *(key == 0 ? &o->rx : key == 1 ? &o->tx : &o->loop) = value;
    }
    if (!o->rx && !o->tx) {
        return agl_dev_fail(error, EINVAL,
                            "pcap: neither rx=FILE nor tx=FILE is given");
    }
    return 0;
}

static int
set_loops(struct pcap *d, const char *loop, char **error)
{
    size_t n_digits = strspn(loop, "0123456789");

    d->n_loops = strtoul(loop, NULL, 10);
    if (loop[n_digits] || n_digits > 9) {
        return agl_dev_fail(error, EINVAL, "pcap: loop=%s is not a number",
                            loop);
    }
    d->endless = !d->n_loops;
    return 0;
}

/* Opens a regular file: a FIFO or the like would block us. */
static int
open_file(const char *name, int flags, FILE **file, char **error)
{
    int fd = open(name, flags | O_NONBLOCK | O_CLOEXEC, 0666);
    struct stat s;

    if (fd < 0) {
        return agl_dev_fail(error, errno, "pcap: cannot open %s (%s)", name,
                            strerror(errno));
    } else if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
        close(fd);
        return agl_dev_fail(error, EINVAL, "pcap: %s is not a regular file",
                            name);
    }
    *file = fdopen(fd, flags & O_CREAT ? "w" : "r");
    if (!*file) {
        close(fd);
        return agl_dev_fail(error, ENOMEM, "pcap: out of memory");
    }
    return 0;
}

static int
open_rx(struct pcap *d, const char *name, char **error)
{
    struct file_header h;
    uint32_t magic;
    int err = open_file(name, O_RDONLY, &d->rx, error);

    if (err) {
        return err;
    }
    if (fread(&h, sizeof h, 1, d->rx) != 1) {
        return agl_dev_fail(error, EINVAL,
                            "pcap: %s is shorter than a pcap header", name);
    }
    d->swap = h.magic != MAGIC_USEC && h.magic != MAGIC_NSEC;
    magic = in_order(d, h.magic);
    if (magic != MAGIC_USEC && magic != MAGIC_NSEC) {
        return agl_dev_fail(error, EINVAL, "pcap: %s is not a pcap file%s",
                            name, h.magic == 0x0a0d0d0a
                            ? " (but pcapng; see editcap -F pcap)" : "");
    }
    if ((in_order(d, h.linktype) & 0xffff) != LINKTYPE_ETHERNET) {
        return agl_dev_fail(error, EINVAL,
                            "pcap: %s holds link type %u, not Ethernet", name,
                            (unsigned int) in_order(d, h.linktype) & 0xffff);
    }
    return 0;
}

static int
open_tx(struct pcap *d, const char *name, char **error)
{
    const struct file_header h = {
        .magic = MAGIC_USEC,
        .major = 2,
        .minor = 4,
        .snaplen = SNAPLEN,
        .linktype = LINKTYPE_ETHERNET,
    };
    int err = open_file(name, O_WRONLY | O_CREAT, &d->tx, error);
    struct stat rx, tx;

    if (err) {
        return err;
    } else if (d->rx && !fstat(fileno(d->rx), &rx)
               && !fstat(fileno(d->tx), &tx)
               && rx.st_dev == tx.st_dev && rx.st_ino == tx.st_ino) {
        return agl_dev_fail(error, EINVAL, "pcap: %s is both rx and tx", name);
    }
    if (ftruncate(fileno(d->tx), 0) < 0
        || fwrite(&h, sizeof h, 1, d->tx) != 1 || fflush(d->tx)) {
        return agl_dev_fail(error, errno, "pcap: cannot write %s (%s)", name,
                            strerror(errno));
    }
    return 0;
}

static void
pcap_close(struct agl_dev *dev)
{
    struct pcap *d = pcap_cast(dev);

    if (d->rx) {
        fclose(d->rx);
    }
    if (d->tx) {
        fclose(d->tx);          /* Flushed by each tx. */
    }
    if (d->fd >= 0) {
        close(d->fd);
    }
    free(d);
}

static int
start(struct pcap *d, const struct options *o, char **error)
{
    int err = 0;

    if (o->loop) {
        err = set_loops(d, o->loop, error);
    }
    if (!err && o->rx) {
        err = open_rx(d, o->rx, error);
    }
    if (!err && o->tx) {
        err = open_tx(d, o->tx, error);
    }
    if (err) {
        return err;
    }
    d->fd = eventfd(d->rx != NULL, EFD_NONBLOCK | EFD_CLOEXEC);
    if (d->fd < 0) {
        return agl_dev_fail(error, errno, "pcap: no eventfd (%s)",
                            strerror(errno));
    }
    return 0;
}

static int
pcap_open(const char *name, const char *arg, uint32_t n_workers,
          struct agl_dev **devp, char **error)
{
    struct pcap *d = calloc(1, sizeof *d);
    char *args = strdup(arg);
    struct options o = { 0 };
    int err;

    (void) n_workers;
    if (!d || !args) {
        free(d);
        free(args);
        return agl_dev_fail(error, ENOMEM, "pcap: out of memory");
    }
    d->dev.class = &agl_dev_pcap;
    d->n_loops = 1;
    d->mtu = 1500;
    d->fd = -1;
    agl_dev_stable_mac(name, arg, d->mac);
    err = parse_options(args, &o, error);
    if (!err) {
        err = start(d, &o, error);
    }
    free(args);
    if (err) {
        pcap_close(&d->dev);
        return err;
    }
    *devp = &d->dev;
    return 0;
}

/* No more input: the descriptor goes quiet. */
static void
end_input(struct pcap *d)
{
    uint64_t count;
    ssize_t n = read(d->fd, &count, sizeof count);

    (void) n;                   /* 8, or it was quiet already. */
    fclose(d->rx);
    d->rx = NULL;
}

enum record {
    RECORD_FRAME,
    RECORD_SKIPPED,             /* Too long for us. */
    RECORD_BAD,
    RECORD_NONE                 /* The end, between two records. */
};

static enum record
read_record(struct pcap *d, struct agl_pkt *pkt)
{
    struct record_header h;
    size_t n = fread(&h, 1, sizeof h, d->rx);
    uint32_t len = in_order(d, h.captured);

    if (!n && feof(d->rx)) {
        return RECORD_NONE;
    } else if (n != sizeof h || !len) {
        return RECORD_BAD;
    } else if (len > AGILIO_MAX_FRAME) {
        return fseek(d->rx, len, SEEK_CUR) ? RECORD_BAD : RECORD_SKIPPED;
    } else if (fread(pkt->data, len, 1, d->rx) != 1) {
        return RECORD_BAD;
    }
    pkt->len = len;
    return RECORD_FRAME;
}

/* At the end of the file: whether it is to be read again.  Not if there was
 * nothing in it, or an endless loop would keep the worker awake for nothing.
 */
static bool
rewind_input(struct pcap *d)
{
    if (!d->fruitful || (!d->endless && !--d->n_loops)) {
        return false;
    }
    d->fruitful = false;
    return !fseek(d->rx, sizeof(struct file_header), SEEK_SET);
}

/* Each step passes one record or the end of the file, and their number is
 * bounded, so that a file without a frame for us does not hold the worker. */
static uint32_t
pcap_rx(struct agl_dev *dev, struct agl_pool *pool, struct agl_pkt *pkts[],
        uint32_t max)
{
    struct pcap *d = pcap_cast(dev);
    uint32_t n = 0;
    uint32_t step;

    for (step = 0; d->rx && step < 2 * max && n < max; step++) {
        struct agl_pkt *pkt = agl_pkt_new(pool);
        enum record record;

        if (!pkt) {
            break;
        }
        record = read_record(d, pkt);
        if (record == RECORD_FRAME) {
            d->fruitful = true;
            pkts[n++] = pkt;
            continue;
        }
        agl_pkt_free(pool, pkt);
        dev->rx_errors += record != RECORD_NONE;
        if (record == RECORD_BAD
            || (record == RECORD_NONE && !rewind_input(d))) {
            end_input(d);
        }
    }
    return n;
}

/* After a write that failed nothing more is written: the file stays a capture
 * up to there. */
static bool
write_record(FILE *file, const struct agl_pkt *pkt)
{
    struct record_header h = { .captured = pkt->len, .original = pkt->len };
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    h.sec = now.tv_sec;
    h.frac = now.tv_nsec / 1000;
    return !ferror(file) && fwrite(&h, sizeof h, 1, file) == 1
           && fwrite(pkt->data, pkt->len, 1, file) == 1;
}

static uint32_t
pcap_tx(struct agl_dev *dev, struct agl_pkt *pkts[], uint32_t n)
{
    struct pcap *d = pcap_cast(dev);
    uint32_t i;

    if (!d->tx) {
        return n;
    }
    for (i = 0; i < n; i++) {
        if (!write_record(d->tx, pkts[i])) {
            pkts[i]->len = 0;
        }
    }
    fflush(d->tx);              /* On failure, ferror() from here on. */
    return n;
}

static int
pcap_fd(const struct agl_dev *dev)
{
    return pcap_cast(dev)->fd;
}

static void
pcap_status(struct agl_dev *dev, struct agl_dev_status *status)
{
    const struct pcap *d = pcap_cast(dev);

    *status = (struct agl_dev_status) { .link_up = true, .mtu = d->mtu };
    memcpy(status->mac, d->mac, sizeof status->mac);
}

static int
pcap_set_mtu(struct agl_dev *dev, uint32_t mtu)
{
    if (mtu > AGL_DEV_MAX_MTU) {
        return EINVAL;
    }
    pcap_cast(dev)->mtu = mtu;
    return 0;
}

const struct agl_dev_class agl_dev_pcap = {
    .type = "pcap",
    .usage = "[rx=FILE][,tx=FILE][,loop=N] (capture files)",
    .open = pcap_open,
    .close = pcap_close,
    .rx = pcap_rx,
    .tx = pcap_tx,
    .fd = pcap_fd,
    .status = pcap_status,
    .set_mtu = pcap_set_mtu,
};
