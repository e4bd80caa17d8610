/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/vnet.c - finishes frames that the kernel left unfinished.
 *
 * Called by the afpacket and tap drivers, on the worker.  The kernel is
 * trusted to mean what it says, but each offset is checked against the frame
 * all the same.  A GSO frame is looked at once, in gso_start(); each segment
 * is then the frame's headers, the next piece of its payload, and a handful of
 * fields to set right.
 */

#include "port/vnet.h"

#include "pkt/headers.h"

/* Newer than the kernel headers that we build with. */
#define GSO_UDP_L4 5

/* Where the checks and finishers below find things. */
#define IPV4_ID 4
#define TCP_SEQ 4
#define TCP_FLAGS 13
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80
#define UDP_LEN 4

static void
put_u16(uint8_t *p, uint16_t x)
{
    agl_put_be16(p, agilio_to_be16(x));
}

/* Adds bytes to a ones' complement sum of 16-bit words as they lie in memory:
 * RFC 1071 shows that byte order does not matter until the sum is used. */
static uint64_t
sum_add(uint64_t sum, const uint8_t *p, uint32_t n)
{
    uint32_t word;

    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        sum += word;
    }
    word = 0;
    memcpy(&word, p, n);
    return sum + word;
}

/* The checksum that a sum comes to, as it is to lie in memory. */
static uint16_t
sum_end(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

/* Likewise for layer 4, where a UDP checksum of 0 would mean that there is
 * none; for TCP the other form of zero is as good. */
static uint16_t
sum_end_l4(uint64_t sum)
{
    uint16_t csum = sum_end(sum);

    return csum ? csum : 0xffff;
}

/* CRC32c, four bits at a time, as SCTP has it (RFC 9260 appendix A); 'n' bytes
 * in which the field itself is zero. */
static uint32_t
crc32c(const uint8_t *p, uint32_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
        0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = UINT32_MAX;

    for (; n; p++, n--) {
        crc ^= *p;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* Finds the transport header of 'v->frame', behind any VLAN tags; returns its
 * protocol, 0 if there is none that we know how to find. */
static uint8_t
find_l4(struct agl_vnet *v)
{
    uint32_t l3 = AGL_ETH_LEN;
    const uint8_t *ip;
    uint16_t type;

    while (l3 + AGL_IPV4_LEN <= v->len
           && agl_is_vlan_type(agl_get_u16(v->frame + l3 - 2))) {
        l3 += AGL_VLAN_LEN;
    }
    if (l3 + AGL_IPV4_LEN > v->len) {
        return 0;
    }
    ip = v->frame + l3;
    type = agl_get_u16(ip - 2);
    v->l3_ofs = l3;
    v->ipv6 = type == AGL_TYPE_IPV6;
    if (type == AGL_TYPE_IPV4 && (ip[0] & 0x0f) >= 5) {
        v->l4_ofs = l3 + 4 * (ip[0] & 0x0f);
        return ip[AGL_IPV4_PROTO];
    } else if (v->ipv6) {
        v->l4_ofs = l3 + AGL_IPV6_LEN;
        return ip[AGL_IPV6_NEXT];
    }
    return 0;
}

static bool
has_csum_field(uint32_t len, const struct virtio_net_hdr *hdr)
{
    return hdr->csum_start + hdr->csum_offset + 2u <= len;
}

/* The field holds the sum of the pseudo header, to be gone on with, or is the
 * one of SCTP. */
static bool
complete_csum(struct agl_vnet *v, uint8_t *frame,
              const struct virtio_net_hdr *hdr)
{
    uint32_t start = hdr->csum_start;
    uint32_t n = start < v->len ? v->len - start : 0;
    uint8_t *field;

    if (!has_csum_field(v->len, hdr)) {
        return false;
    }
    field = frame + start + hdr->csum_offset;
    if (hdr->csum_offset == AGL_SCTP_CSUM && n >= AGL_SCTP_LEN
        && find_l4(v) == AGL_PROTO_SCTP && v->l4_ofs == start) {
        agilio_le32 crc = 0;

        memcpy(field, &crc, sizeof crc);
        crc = agilio_to_le32(crc32c(frame + start, n));
        memcpy(field, &crc, sizeof crc);
    } else {
        uint16_t csum = sum_end_l4(sum_add(0, frame + start, n));

        memcpy(field, &csum, sizeof csum);
    }
    return true;
}

/* The type must say what the outermost headers say: for a tunnelled packet the
 * kernel names the inner protocol, and 'csum_start' is far behind ours. */
static bool
gso_start(struct agl_vnet *v, const struct virtio_net_hdr *hdr)
{
    uint8_t type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    uint32_t tcp_len;

    v->mss = hdr->gso_size;
    v->proto = find_l4(v);
    if (v->proto == AGL_PROTO_TCP && v->l4_ofs + AGL_TCP_LEN <= v->len
        && type == (v->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
                            : VIRTIO_NET_HDR_GSO_TCPV4)) {
        tcp_len = 4 * (v->frame[v->l4_ofs + AGL_TCP_CTL] >> 4);
        if (tcp_len < AGL_TCP_LEN) {
            return false;
        }
        v->hdr_len = v->l4_ofs + tcp_len;
    } else if (v->proto == AGL_PROTO_UDP && type == GSO_UDP_L4) {
        v->hdr_len = v->l4_ofs + AGL_UDP_LEN;
    } else {
        return false;
    }
    v->ofs = v->hdr_len;
    return (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
           && hdr->csum_start == v->l4_ofs
           && v->mss && v->hdr_len + v->mss <= AGILIO_MAX_FRAME
           && v->hdr_len < v->len;
}

bool
agl_vnet_start(struct agl_vnet *v, uint8_t *frame, uint32_t len,
               const struct virtio_net_hdr *hdr)
{
    bool ok;

    *v = (struct agl_vnet) { .frame = frame, .len = len, .mss = len };
    if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        ok = gso_start(v, hdr);
    } else if (len > AGILIO_MAX_FRAME) {
        ok = false;
    } else if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        ok = complete_csum(v, frame, hdr);
    } else {
        ok = true;
    }
    if (!ok) {
        v->len = v->ofs = 0;
    }
    return ok;
}

static void
finish_ip(const struct agl_vnet *v, uint8_t *ip, uint32_t ip_len)
{
    uint16_t csum = 0;

    if (v->ipv6) {
        put_u16(ip + AGL_IPV6_PLEN, ip_len - AGL_IPV6_LEN);
        return;
    }
    put_u16(ip + AGL_IPV4_TOTAL, ip_len);
    put_u16(ip + IPV4_ID, agl_get_u16(ip + IPV4_ID) + v->n_done);
    memcpy(ip + AGL_IPV4_CSUM, &csum, sizeof csum);
    csum = sum_end(sum_add(0, ip, v->l4_ofs - v->l3_ofs));
    memcpy(ip + AGL_IPV4_CSUM, &csum, sizeof csum);
}

static void
finish_tcp(const struct agl_vnet *v, uint8_t *tcp, bool last)
{
    uint32_t seq = agl_get_u32(tcp + TCP_SEQ) + (v->ofs - v->hdr_len);

    agl_put_be32(tcp + TCP_SEQ, agilio_to_be32(seq));
    if (!last) {
        tcp[TCP_FLAGS] &= ~(TCP_FIN | TCP_PSH);
    }
    if (v->n_done) {
        tcp[TCP_FLAGS] &= ~TCP_CWR;
    }
}

/* The sum of the pseudo header and all that follows it. */
static void
finish_l4_csum(const struct agl_vnet *v, const uint8_t *ip, uint8_t *l4,
               uint32_t l4_len)
{
    uint32_t ofs = v->proto == AGL_PROTO_TCP ? AGL_TCP_CSUM : AGL_UDP_CSUM;
    uint8_t rest[4] = { 0, v->proto, l4_len >> 8, l4_len };
    uint64_t sum = sum_add(0, rest, sizeof rest);
    uint16_t csum = 0;

    sum = (v->ipv6 ? sum_add(sum, ip + AGL_IPV6_SRC, 2 * 16)
                   : sum_add(sum, ip + AGL_IPV4_SRC, 2 * 4));
    memcpy(l4 + ofs, &csum, sizeof csum);
    csum = sum_end_l4(sum_add(sum, l4, l4_len));
    memcpy(l4 + ofs, &csum, sizeof csum);
}

uint32_t
agl_vnet_next(struct agl_vnet *v, uint8_t *out)
{
    uint32_t left = v->len - v->ofs;
    uint32_t payload = left < v->mss ? left : v->mss;
    uint32_t len = v->hdr_len + payload;

    memcpy(out, v->frame, v->hdr_len);
    memcpy(out + v->hdr_len, v->frame + v->ofs, payload);
    if (v->hdr_len) {
        uint8_t *ip = out + v->l3_ofs;
        uint8_t *l4 = out + v->l4_ofs;

        finish_ip(v, ip, len - v->l3_ofs);
        if (v->proto == AGL_PROTO_TCP) {
            finish_tcp(v, l4, payload == left);
        } else {
            put_u16(l4 + UDP_LEN, len - v->l4_ofs);
        }
        finish_l4_csum(v, ip, l4, len - v->l4_ofs);
    }
    v->ofs += payload;
    v->n_done++;
    return len;
}

/* Whether an unfinished frame can be passed on as it is: the checksum is that
 * of TCP or UDP (a kernel that is given SCTP's would not know it), and GSO is
 * such as we could do ourselves. */
static bool
can_wait(struct agl_vnet *v, const struct virtio_net_hdr *hdr)
{
    if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        return gso_start(v, hdr);
    }
    return (hdr->csum_offset == AGL_TCP_CSUM
            || hdr->csum_offset == AGL_UDP_CSUM)
           && v->len <= AGILIO_MAX_FRAME && has_csum_field(v->len, hdr);
}

bool
agl_vnet_receive(struct agl_pkt *pkt, uint8_t *frame, uint32_t len,
                 const struct virtio_net_hdr *hdr)
{
    struct agl_vnet v = { .frame = frame, .len = len, .mss = len };

    if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && can_wait(&v, hdr)) {
        pkt->data = frame;
        pkt->len = len;
        pkt->vnet = hdr;
        pkt->wire_len = (v.hdr_len + v.mss < len ? v.hdr_len + v.mss : len);
        return true;
    }
    if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE
        || !agl_vnet_start(&v, frame, len, hdr)) {
        return false;
    }
    pkt->len = agl_vnet_next(&v, pkt->data);
    return true;
}

bool
agl_vnet_finish(const struct agl_pkt *whole, struct agl_pool *pool,
                void (*emit)(void *aux, struct agl_pkt *), void *aux)
{
    struct agl_vnet v;

    if (!agl_vnet_start(&v, whole->data, whole->len, whole->vnet)) {
        return false;           /* Cannot be: agl_vnet_receive() has tried. */
    }
    while (agl_vnet_more(&v)) {
        struct agl_pkt *pkt = agl_pkt_new(pool);

        if (!pkt) {
            return false;
        }
        pkt->len = agl_vnet_next(&v, pkt->data);
        emit(aux, pkt);
    }
    return true;
}
