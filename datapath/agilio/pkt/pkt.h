/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt.h - a packet in the NIC, and the pool that it comes from.
 *
 * A packet is one buffer with headroom for what actions push.  It has one
 * owner at a time and never moves: rx takes it from the worker's pool, tx or a
 * drop gives it back.  A pool belongs to one worker; nothing here locks.
 *
 * A driver whose device has buffers of its own may hand out packets that lie
 * in these, 'room' being as long as the device makes it; agl_pkt_free() gives
 * such a one back to the driver.
 */

#ifndef AGL_PKT_H
#define AGL_PKT_H 1

#include "agilio/abi.h"

#define AGL_PKT_HEADROOM 640    /* A program's growth, and some VLAN tags. */
#define AGL_PKT_TAILROOM 256    /* With it, a whole record for the host. */
#define AGL_OFS_NONE UINT16_MAX /* The packet has no such header. */
#define AGL_BURST 32            /* Packets that move together. */

struct agl_parse_options;
struct virtio_net_hdr;

struct agl_pkt {
    /* Frees a packet that is not a pool's but a driver's; else NULL.  The same
     * for all of the packet's lives. */
    void (*give_back)(struct agl_pkt *);

    uint8_t *data;              /* First byte of the frame. */
    uint32_t len;               /* Bytes of frame, without FCS. */
    uint32_t rx_port;           /* Id of the port that it was received on. */
    struct agilio_metadata md;

    /* Set by agl_parse() and kept by actions as OVS keeps them; offsets from
     * 'data', modulo 2**16, so that one which is not less than 'len' is of a
     * header that went away. */
    const struct agl_parse_options *options;    /* That it was parsed with. */
    uint16_t l2_5_ofs;          /* MPLS label stack. */
    uint16_t l3_ofs;
    uint16_t l3_type;           /* Ethernet type of what is there. */
    uint16_t l4_ofs;            /* Of IPv4 and IPv6 only. */
    uint16_t l4_len;            /* Without what pads the frame; 0 if none. */
    uint16_t pad_len;           /* What pads it behind an IP packet. */
    uint16_t tcp_flags;         /* As in the key, so with ND's stand-in for
                                 * them, which OVS counts, too. */

    /* TRUNC: 'cut' bytes are not to be sent, once, while 'trunc' is set. */
    uint32_t cut;
    bool trunc;

    bool has_hash;              /* 'flow_hash' is that of the packet now. */
    uint32_t flow_hash;         /* agl_key_hash() as received or popped. */
    uint32_t n_recirc;          /* Passes before this one. */
    struct agl_pkt *next_free;  /* While in the pool. */

    /* What is left to do with an unfinished frame, which lies in its driver's
     * memory, not in 'room'; NULL for all others (port/port.h).  'wire_len' is
     * the length of the longest frame that will come of it. */
    const struct virtio_net_hdr *vnet;
    uint32_t wire_len;

    uint8_t tun_opts[AGILIO_MAX_TUNNEL_OPTS];   /* md.tunnel.opts_len. */
    uint8_t pad[16];
    uint8_t room[AGL_PKT_HEADROOM + AGILIO_MAX_FRAME + AGL_PKT_TAILROOM];
};

struct agl_pool {
    struct agl_pkt *free;       /* Last in, first out: the warm ones first. */
    uint32_t n_free;
    uint32_t n_reserved;        /* Of those, for clones that are to come. */
    uint32_t n;
};

/* The environment gives memory, at start-up and for control changes only.
 * agl_env_alloc() returns zeroed memory aligned to a cache line, or NULL. */
void *agl_env_alloc(size_t size);
void agl_env_free(void *);

/* Makes a pool of 'n' packets in 'memory', n * sizeof(struct agl_pkt) bytes
 * that the caller keeps until no packet is out. */
void agl_pool_init(struct agl_pool *, void *memory, uint32_t n);

/* An empty packet ('len' 0, all the headroom), NULL if the pool is empty. */
struct agl_pkt *agl_pkt_new(struct agl_pool *);

/* Sets 'n' free packets aside for agl_pkt_clone(); false if there are not so
 * many.  Who reserves clones as often. */
bool agl_pool_reserve(struct agl_pool *, uint32_t n);

/* A copy of a packet, offsets and all, in one that was reserved. */
struct agl_pkt *agl_pkt_clone(struct agl_pool *, const struct agl_pkt *);

void agl_pkt_free(struct agl_pool *, struct agl_pkt *);

/* Sets 64 bytes to 0: a compiler makes as few stores of it as the CPU that it
 * compiles for can do it in.  (Of a longer memset() it would make a string
 * instruction, which takes longer to begin than this to end.) */
static inline void
agl_clear_64(void *p)
{
    typedef uint64_t line __attribute__((vector_size(64), aligned(1),
                                         may_alias));

    *(line *) p = (line) { 0 };
}

/* For a driver that has a frame in 'room' already: makes a packet of it. */
static inline void
agl_pkt_init(struct agl_pkt *pkt, uint8_t *data, uint32_t len)
{
    enum { n = offsetof(struct agl_pkt, tun_opts)
               - offsetof(struct agl_pkt, data) };
    uint8_t *p = (uint8_t *) &pkt->data;

    AGILIO_ASSERT(n > 128 && n <= 192);
    agl_clear_64(p);
    agl_clear_64(p + 64);
    agl_clear_64(p + n - 64);
    pkt->data = data;
    pkt->len = len;
    pkt->l2_5_ofs = pkt->l3_ofs = pkt->l4_ofs = AGL_OFS_NONE;
}

/* Forgets a packet's metadata; in steps, likewise. */
static inline void
agl_pkt_clear_md(struct agl_pkt *pkt)
{
    memset(&pkt->md, 0, 64);
    memset((uint8_t *) &pkt->md + 64, 0, sizeof pkt->md - 64);
}

/* Cuts off what TRUNC said; forgets what it said. */
void agl_pkt_cut(struct agl_pkt *);
void agl_pkt_uncut(struct agl_pkt *);

static inline uint32_t
agl_pkt_headroom(const struct agl_pkt *pkt)
{
    return (uint32_t) (pkt->data - pkt->room);
}

/* Grows a frame by 'n' bytes at the front (the caller knows that there is the
 * room).  Offsets follow. */
void agl_pkt_push(struct agl_pkt *, uint32_t n);

/* Shrinks it (the caller knows that it is so long). */
void agl_pkt_pull(struct agl_pkt *, uint32_t n);

#endif /* pkt/pkt.h */
