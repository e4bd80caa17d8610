/* SPDX-License-Identifier: Apache-2.0 */
/* ports.h - what the tests of the port drivers share. */

#ifndef AGL_TEST_PORTS_H
#define AGL_TEST_PORTS_H 1

#include <poll.h>
#include <string.h>

#include "check.h"
#include "port/port.h"

#define N_PKTS 64

static struct agl_pool pool;
static uint32_t n_workers = 1;     /* That devices are opened for. */

static inline void
make_pool(void)
{
    static struct agl_pkt packets[N_PKTS];

    agl_pool_init(&pool, packets, N_PKTS);
}

/* The device, NULL if open fails; then says why. */
static inline struct agl_dev *
open_dev(const struct agl_dev_class *class, const char *arg)
{
    struct agl_dev *dev = NULL;
    char *error = NULL;
    int err = class->open("p0", arg, n_workers, &dev, &error);

    if (err) {
        printf("%s\n", error);
        free(error);
        return NULL;
    }
    return dev;
}

/* Whether open fails with 'err' and a sentence that has 'text' in it. */
static inline bool
open_fails(const struct agl_dev_class *class, const char *arg, int err,
           const char *text)
{
    struct agl_dev *dev = NULL;
    char *error = NULL;
    int got = class->open("p0", arg, n_workers, &dev, &error);
    bool ok = got == err && error && strstr(error, text);

    if (!got) {
        class->close(dev);
    } else if (!ok) {
        printf("error %d: %s\n", got, error ? error : "(none)");
    }
    free(error);
    return ok;
}

static inline bool
readable(const struct agl_dev *dev, int timeout_ms)
{
    struct pollfd pfd = { .fd = dev->class->fd(dev), .events = POLLIN };

    return poll(&pfd, 1, timeout_ms) == 1;
}

static inline void
free_pkts(struct agl_pkt *pkts[], uint32_t n)
{
    while (n--) {
        if (pkts[n]) {          /* The device has not kept it. */
            agl_pkt_free(&pool, pkts[n]);
        }
    }
}

/* Receives and frees what there is; returns the number of frames. */
static inline uint32_t
drain(struct agl_dev *dev)
{
    struct agl_pkt *pkts[AGL_BURST];
    uint32_t total = 0;
    uint32_t n;

    while ((n = dev->class->rx(dev, &pool, pkts, AGL_BURST))) {
        total += n;
        free_pkts(pkts, n);
    }
    return total;
}

/* 'n' packets of 'len' bytes, of which each one's first is its number. */
static inline void
make_pkts(struct agl_pkt *pkts[], uint32_t n, uint32_t len)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        pkts[i] = agl_pkt_new(&pool);
        memset(pkts[i]->data, i, len);
        pkts[i]->len = len;
    }
}

/* Sends one frame; returns what tx returns, and its 'len' after that. */
static inline uint32_t
send_one(struct agl_dev *dev, const void *frame, uint32_t len,
         uint32_t *len_after)
{
    struct agl_pkt *pkt = agl_pkt_new(&pool);
    uint32_t n;

    memcpy(pkt->data, frame, len);
    pkt->len = len;
    n = dev->class->tx(dev, &pkt, 1);
    if (len_after) {
        *len_after = pkt->len;
    }
    agl_pkt_free(&pool, pkt);
    return n;
}

#endif /* ports.h */
