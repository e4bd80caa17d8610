/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-pcapng.c - writes a capture file; see agilio-pcapng.h. */

#include <config.h>

#include "agilio-pcapng.h"

#include "openvswitch/ofpbuf.h"
#include "util.h"

enum block_type {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
};

enum option {
    OPT_END = 0,
    OPT_COMMENT = 1,
    OPT_SECTION_APPLICATION = 4,
    OPT_INTERFACE_NAME = 2,
    OPT_INTERFACE_TIME_UNIT = 9,        /* Minus the power of ten. */
    OPT_PACKET_FLAGS = 2,               /* Bits 0 and 1: 1 in, 2 out. */
    OPT_PACKET_DROPS = 4,
    OPT_STATISTICS_DROPS = 5,
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define LINK_ETHERNET 1

static void
put_u16(struct ofpbuf *b, uint16_t x)
{
    ofpbuf_put(b, &x, sizeof x);
}

static void
put_u32(struct ofpbuf *b, uint32_t x)
{
    ofpbuf_put(b, &x, sizeof x);
}

static void
put_time(struct ofpbuf *b, uint64_t time)
{
    put_u32(b, time >> 32);
    put_u32(b, time);
}

/* Pads what is 'n' bytes long. */
static void
put_padded(struct ofpbuf *b, const void *bytes, size_t n)
{
    ofpbuf_put(b, bytes, n);
    ofpbuf_put_zeros(b, PAD_SIZE(n, 4));
}

static void
put_option(struct ofpbuf *b, enum option option, const void *value, size_t n)
{
    put_u16(b, option);
    put_u16(b, n);
    put_padded(b, value, n);
}

static void
block_start(struct ofpbuf *b, enum block_type type)
{
    ofpbuf_init(b, 256);
    put_u32(b, type);
    put_u32(b, 0);              /* Its length, which is not known yet. */
}

static void
block_end(struct ofpbuf *b, FILE *file)
{
    uint32_t len;

    put_option(b, OPT_END, "", 0);
    len = b->size + sizeof len;
    put_u32(b, len);
    memcpy((char *) b->data + 4, &len, sizeof len);
    ignore(fwrite(b->data, b->size, 1, file));
    ofpbuf_uninit(b);
}

void
pcapng_start(FILE *file, const char *interface, uint32_t snaplen)
{
    static const char application[] = "agilio-tcpdump";
    const uint8_t nanoseconds = 9;
    struct ofpbuf b;

    block_start(&b, BLOCK_SECTION);
    put_u32(&b, BYTE_ORDER_MAGIC);
    put_u16(&b, 1);             /* Version 1.0. */
    put_u16(&b, 0);
    put_u32(&b, UINT32_MAX);    /* The section's length: not known. */
    put_u32(&b, UINT32_MAX);
    put_option(&b, OPT_SECTION_APPLICATION, application,
               sizeof application - 1);
    block_end(&b, file);

    block_start(&b, BLOCK_INTERFACE);
    put_u16(&b, LINK_ETHERNET);
    put_u16(&b, 0);
    put_u32(&b, snaplen);
    put_option(&b, OPT_INTERFACE_NAME, interface, strlen(interface));
    put_option(&b, OPT_INTERFACE_TIME_UNIT, &nanoseconds, 1);
    block_end(&b, file);
}

void
pcapng_put(FILE *file, const struct pcapng_packet *p)
{
    uint32_t flags = p->out ? 2 : 1;
    uint64_t n_lost = p->n_lost;
    struct ofpbuf b;

    block_start(&b, BLOCK_PACKET);
    put_u32(&b, 0);             /* The only interface. */
    put_time(&b, p->time);
    put_u32(&b, p->n_bytes);
    put_u32(&b, p->frame_len);
    put_padded(&b, p->bytes, p->n_bytes);
    put_option(&b, OPT_PACKET_FLAGS, &flags, sizeof flags);
    if (n_lost) {
        put_option(&b, OPT_PACKET_DROPS, &n_lost, sizeof n_lost);
    }
    put_option(&b, OPT_COMMENT, p->comment, strlen(p->comment));
    block_end(&b, file);
}

void
pcapng_finish(FILE *file, uint64_t time, uint64_t n_lost)
{
    struct ofpbuf b;

    block_start(&b, BLOCK_STATISTICS);
    put_u32(&b, 0);
    put_time(&b, time);
    put_option(&b, OPT_STATISTICS_DROPS, &n_lost, sizeof n_lost);
    block_end(&b, file);
}
