/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-vnet.c - frames that the kernel left unfinished, and what comes out.
 *
 * Every segment is checked on its own, as a receiver would: lengths, both
 * checksums by the plain method of RFC 1071, sequence, flags, payload.
 */

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "port/vnet.h"

enum { GSO_UDP_L4 = 5, FIN_PSH_CWR_ACK = 0x99 };

/* What a test makes a frame of. */
struct shape {
    bool ipv6, udp;
    int n_vlans;
    uint32_t payload, mss;
};

struct frame {
    uint8_t bytes[70000];
    uint32_t len;
    struct virtio_net_hdr hdr;
};

static uint32_t
get(const uint8_t *p, int n)
{
    uint32_t x = 0;

    while (n--) {
        x = x << 8 | *p++;
    }
    return x;
}

static void
put(uint8_t *p, int n, uint32_t x)
{
    while (n--) {
        p[n] = x;
        x >>= 8;
    }
}

/* Ones' complement sum, 0xffff for what carries its own checksum. */
static uint16_t
ones_sum(const uint8_t *p, uint32_t n, uint32_t sum)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t
l3_ofs(const struct shape *s)
{
    return 14 + 4 * s->n_vlans;
}

static uint32_t
l4_ofs(const struct shape *s)
{
    return l3_ofs(s) + (s->ipv6 ? 40 : 24);     /* IPv4 with an option. */
}

static uint32_t
payload_ofs(const struct shape *s)
{
    return l4_ofs(s) + (s->udp ? 8 : 32);
}

static uint16_t
pseudo_sum(const struct shape *s, const uint8_t *ip, uint32_t l4_len)
{
    uint32_t sum = l4_len + (s->udp ? 17 : 6);

    return ones_sum(ip + (s->ipv6 ? 8 : 12), s->ipv6 ? 32 : 8, sum);
}

static void
make_ip(const struct shape *s, uint8_t *ip, uint32_t ip_len)
{
    if (s->ipv6) {
        put(ip, 4, 0x60000000);
        put(ip + 4, 4, (ip_len - 40) << 16 | (s->udp ? 17 : 6) << 8 | 64);
        memset(ip + 8, 0xfd, 16);
        memset(ip + 24, 0xfc, 16);
    } else {
        put(ip, 4, 0x46000000 | (ip_len & 0xffff));
        put(ip + 4, 4, 0xfffe4000);             /* The id will wrap. */
        put(ip + 8, 4, 0x40000000 | (s->udp ? 17 : 6) << 16 | 0xbad);
        put(ip + 12, 4, 0x0a000001);
        put(ip + 16, 4, 0x0a0000fe);
        put(ip + 20, 4, 0x01010101);
    }
}

/* As the kernel makes it: the checksum is the pseudo header's. */
static void
make_frame(struct frame *f, const struct shape *s)
{
    uint8_t *ip = f->bytes + l3_ofs(s);
    uint8_t *l4 = f->bytes + l4_ofs(s);
    uint32_t i;

    memset(f, 0, sizeof *f);
    f->len = payload_ofs(s) + s->payload;
    for (i = 0; i < (uint32_t) s->n_vlans; i++) {
        put(f->bytes + 12 + 4 * i, 4, (i ? 0x81000000 : 0x88a80000) | i);
    }
    put(ip - 2, 2, s->ipv6 ? 0x86dd : 0x0800);
    make_ip(s, ip, f->len - l3_ofs(s));
    put(l4, 4, 0x12345678);
    if (s->udp) {
        put(l4 + 4, 2, f->len - l4_ofs(s));
    } else {
        put(l4 + 4, 4, 0xfffffff0);             /* The sequence wraps too. */
        put(l4 + 12, 4, 0x80000000 | FIN_PSH_CWR_ACK << 16 | 0x100);
    }
    put(l4 + (s->udp ? 6 : 16), 2, pseudo_sum(s, ip, f->len - l4_ofs(s)));
    for (i = payload_ofs(s); i < f->len; i++) {
        f->bytes[i] = i * 7 + (i >> 8);
    }
    f->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    f->hdr.csum_start = l4_ofs(s);
    f->hdr.csum_offset = s->udp ? 6 : 16;
    f->hdr.gso_size = s->mss;
    f->hdr.gso_type = (!s->mss ? VIRTIO_NET_HDR_GSO_NONE
                       : s->udp ? GSO_UDP_L4
                       : s->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
                       : VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
}

/* Segment 'i' of 'f', 'len' bytes at 'out'. */
static void
check_segment(const struct shape *s, const struct frame *f,
              const uint8_t *out, uint32_t len, uint32_t i, bool last)
{
    const uint8_t *ip = out + l3_ofs(s), *l4 = out + l4_ofs(s);
    uint32_t ip_len = len - l3_ofs(s), l4_len = len - l4_ofs(s);
    uint32_t done = i * s->mss;

    CHECK(!memcmp(out, f->bytes, l3_ofs(s)));
    CHECK(!memcmp(out + payload_ofs(s), f->bytes + payload_ofs(s) + done,
                  len - payload_ofs(s)));
    if (s->ipv6) {
        CHECK(get(ip + 4, 2) == ip_len - 40);
    } else {
        CHECK(get(ip + 2, 2) == ip_len && ones_sum(ip, 24, 0) == 0xffff);
        CHECK(get(ip + 4, 2) == ((0xfffe + i) & 0xffff));
    }
    CHECK(ones_sum(l4, l4_len, pseudo_sum(s, ip, l4_len)) == 0xffff);
    if (s->udp) {
        CHECK(get(l4 + 4, 2) == l4_len);
    } else {
        CHECK(get(l4 + 4, 4) == 0xfffffff0 + done);
        CHECK(l4[13] == (0x10 | (i ? 0 : 0x80) | (last ? 0x09 : 0)));
    }
}

static void
test_gso(void)
{
    static uint8_t out[AGILIO_MAX_FRAME];
    static struct frame f;
    int v;

    for (v = 0; v < 24; v++) {
        const struct shape s = {
            .ipv6 = v & 1, .udp = v & 2, .n_vlans = v / 8,
            .mss = 1449, .payload = v & 4 ? 64000 : 3 * 1449,
        };
        uint32_t i, n = (s.payload + s.mss - 1) / s.mss;
        struct agl_vnet vnet;

        make_frame(&f, &s);
        CHECK(agl_vnet_start(&vnet, f.bytes, f.len, &f.hdr));
        for (i = 0; agl_vnet_more(&vnet); i++) {
            uint32_t len = agl_vnet_next(&vnet, out);

            CHECK(len == payload_ofs(&s) + (i < n - 1 ? s.mss
                  : s.payload - (n - 1) * s.mss));
            check_segment(&s, &f, out, len, i, i == n - 1);
        }
        CHECK(i == n);
    }
}

static void
test_csum(void)
{
    static uint8_t out[AGILIO_MAX_FRAME];
    static struct frame f;
    struct agl_vnet vnet;
    int v;

    for (v = 0; v < 16; v++) {
        const struct shape s = { .ipv6 = v & 1, .udp = v & 2,
                                 .payload = 1001 + (v >> 2) };
        const uint8_t *l4 = out + l4_ofs(&s);

        make_frame(&f, &s);
        CHECK(agl_vnet_start(&vnet, f.bytes, f.len, &f.hdr));
        CHECK(agl_vnet_next(&vnet, out) == f.len && !agl_vnet_more(&vnet));
        CHECK(ones_sum(l4, f.len - l4_ofs(&s),
                       pseudo_sum(&s, out + l3_ofs(&s), f.len - l4_ofs(&s)))
              == 0xffff);
    }

    /* A checksum that comes to 0 is written 0xffff. */
    memset(f.bytes, 0, 60);
    put(f.bytes + 40, 2, 0xffff);
    f.hdr = (struct virtio_net_hdr) { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                      .csum_start = 34, .csum_offset = 6 };
    CHECK(agl_vnet_start(&vnet, f.bytes, 60, &f.hdr));
    CHECK(agl_vnet_next(&vnet, out) == 60 && get(out + 40, 2) == 0xffff);
}

/* The frames that came of an unfinished one. */
struct collection {
    struct agl_pool *pool;
    uint32_t n, n_bytes;
};

static void
collect(void *collection_, struct agl_pkt *pkt)
{
    struct collection *c = collection_;

    c->n++;
    c->n_bytes += pkt->len;
    agl_pkt_free(c->pool, pkt);
}

/* What can wait stays in its place; what cannot is copied. */
static void
test_receive(void)
{
    static const struct shape gso = { .payload = 3000, .mss = 1000 };
    static const struct shape csum = { .payload = 1000 };
    static struct agl_pkt packets[2];
    static struct frame f;
    struct agl_pool pool;
    struct collection c = { .pool = &pool };
    struct agl_pkt *pkt;

    agl_pool_init(&pool, packets, 2);
    pkt = agl_pkt_new(&pool);
    make_frame(&f, &gso);
    CHECK(agl_vnet_receive(pkt, f.bytes, f.len, &f.hdr));
    CHECK(pkt->data == f.bytes && pkt->len == f.len && pkt->vnet == &f.hdr);
    CHECK(pkt->wire_len == payload_ofs(&gso) + 1000);
    CHECK(agl_vnet_finish(pkt, &pool, collect, &c));
    CHECK(c.n == 3 && c.n_bytes == 3 * payload_ofs(&gso) + 3000);
    agl_pkt_new(&pool);
    CHECK(!agl_vnet_finish(pkt, &pool, collect, &c) && c.n == 3);

    agl_pool_init(&pool, packets, 2);
    pkt = agl_pkt_new(&pool);
    make_frame(&f, &csum);
    CHECK(agl_vnet_receive(pkt, f.bytes, f.len, &f.hdr));
    CHECK(pkt->data == f.bytes && pkt->wire_len == f.len);
    CHECK(agl_vnet_finish(pkt, &pool, collect, &c) && c.n == 4);

    pkt = agl_pkt_new(&pool);
    f.hdr.flags = 0;            /* Finished. */
    CHECK(agl_vnet_receive(pkt, f.bytes, f.len, &f.hdr));
    CHECK(pkt->data != f.bytes && pkt->len == f.len && !pkt->vnet
          && !memcmp(pkt->data, f.bytes, f.len));
    make_frame(&f, &gso);
    f.hdr.flags = 0;            /* GSO with nothing to sum makes no sense. */
    CHECK(!agl_vnet_receive(pkt, f.bytes, f.len, &f.hdr));
}

/* RFC 3720, appendix B.4, gives the CRC32c of 32 bytes of zeros. */
static void
test_sctp(void)
{
    static const struct shape s = { .payload = 0 };
    static struct frame f;
    uint8_t out[128], *l4 = f.bytes + l4_ofs(&s);
    struct agl_vnet vnet;

    make_frame(&f, &s);
    f.bytes[l3_ofs(&s) + 9] = 132;
    memset(l4, 0, 32);
    f.len = l4_ofs(&s) + 32;
    f.hdr.csum_offset = 8;
    CHECK(agl_vnet_start(&vnet, f.bytes, f.len, &f.hdr));
    CHECK(agl_vnet_next(&vnet, out) == f.len);
    CHECK(get(out + l4_ofs(&s) + 8, 4) == 0xaa36918a);
    CHECK(!out[l4_ofs(&s) + 6] && !out[l4_ofs(&s) + 7]);
}

/* Does agl_vnet_start() refuse the TCP frame after this one change? */
static bool
refused(uint32_t ofs, int n, uint32_t value, uint32_t len,
        struct virtio_net_hdr change)
{
    static const struct shape s = { .payload = 3000, .mss = 1000 };
    static struct frame f;
    struct agl_vnet vnet;

    make_frame(&f, &s);
    put(f.bytes + ofs, n, value);
    f.hdr.gso_type += change.gso_type;
    f.hdr.gso_size += change.gso_size;
    f.hdr.csum_start += change.csum_start;
    f.hdr.flags ^= change.flags;
    return !agl_vnet_start(&vnet, f.bytes, len ? len : f.len, &f.hdr)
           && !agl_vnet_more(&vnet);
}

static void
test_refused(void)
{
    const struct virtio_net_hdr same = { 0 };
    struct virtio_net_hdr h;
    static uint8_t long_frame[AGILIO_MAX_FRAME + 1];
    struct agl_vnet vnet;

    CHECK(!refused(0, 0, 0, 0, same));
    CHECK(refused(14 + 9, 1, 17, 0, same));     /* UDP: a tunnel's. */
    CHECK(refused(12, 2, 0x86dd, 0, same));
    CHECK(refused(12, 2, 0x0806, 0, same));
    CHECK(refused(14, 1, 0x44, 0, same));       /* Short headers. */
    CHECK(refused(38 + 12, 1, 0x40, 0, same));
    CHECK(refused(0, 0, 0, 38 + 32, same));     /* No payload. */
    CHECK(refused(0, 0, 0, 38 + 19, same));
    CHECK(refused(0, 0, 0, 15, same));
    h = (struct virtio_net_hdr) { .gso_size = -1000 };
    CHECK(refused(0, 0, 0, 0, h));
    h = (struct virtio_net_hdr) { .gso_size = AGILIO_MAX_FRAME - 1000 - 69 };
    CHECK(refused(0, 0, 0, 0, h));
    h.gso_size--;
    CHECK(!refused(0, 0, 0, 0, h));
    h = (struct virtio_net_hdr) { .gso_type = 2 }; /* UFO. */
    CHECK(refused(0, 0, 0, 0, h));
    h = (struct virtio_net_hdr) { .csum_start = 50 };
    CHECK(refused(0, 0, 0, 0, h));
    h = (struct virtio_net_hdr) { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
    CHECK(refused(0, 0, 0, 0, h));

    CHECK(!agl_vnet_start(&vnet, long_frame, sizeof long_frame, &same));
    CHECK(agl_vnet_start(&vnet, long_frame, AGILIO_MAX_FRAME, &same));
    h = (struct virtio_net_hdr) { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                  .csum_start = 50, .csum_offset = 9 };
    CHECK(!agl_vnet_start(&vnet, long_frame, 60, &h));
    h.csum_start = 61;
    CHECK(!agl_vnet_start(&vnet, long_frame, 60, &h));
}

/* Random damage, in memory of exactly the frame's size: ASan watches. */
static void
test_hostile(void)
{
    static uint8_t out[AGILIO_MAX_FRAME];
    static struct frame f;
    int i, j;

    srand(1);
    for (i = 0; i < 20000; i++) {
        const struct shape s = {
            .ipv6 = rand() & 1, .udp = rand() & 1, .n_vlans = rand() % 3,
            .mss = rand() % 3 ? 1 + rand() % 200 : 0, .payload = rand() % 300,
        };
        struct agl_vnet vnet;
        uint8_t *exact;

        make_frame(&f, &s);
        for (j = rand() % 4; j > 0; j--) {
            f.bytes[12 + rand() % 80] = rand();
        }
        for (j = rand() % 3; j > 0; j--) {
            ((uint8_t *) &f.hdr)[rand() % sizeof f.hdr] = rand();
        }
        f.len = rand() % 4 ? f.len : (uint32_t) (14 + rand() % 90);
        exact = malloc(f.len);
        memcpy(exact, f.bytes, f.len);
        if (agl_vnet_start(&vnet, exact, f.len, &f.hdr)) {
            while (agl_vnet_more(&vnet)) {
                CHECK(agl_vnet_next(&vnet, out) <= sizeof out);
            }
        }
        free(exact);
    }

    /* Tags to the end of the longest frame. */
    f.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    for (i = 12; i + 4 <= 66000; i += 4) {
        put(f.bytes + i, 4, 0x81000000);
    }
    CHECK(!agl_vnet_start(&(struct agl_vnet) { 0 }, f.bytes, 66000, &f.hdr));
}

int
main(void)
{
    RUN(test_gso);
    RUN(test_csum);
    RUN(test_receive);
    RUN(test_sctp);
    RUN(test_refused);
    RUN(test_hostile);
    return summary();
}
