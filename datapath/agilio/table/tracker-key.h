/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker-key.h - what the tracker looks a packet up by.
 *
 * Of a parsed packet, its key cut down to the interest; of a frame of a common
 * shape, the same bits where they are in the frame, and of its metadata.  Of a
 * frame in a tunnel that has a shape as a whole (pkt/tunnelled.h), those of
 * its outer headers, of the tunnel and inside, which tell the flows of both
 * passes.  What words that is, is worked out when the interest changes.
 * Private to the tracker, and the worker's.
 */

#ifndef AGL_TRACKER_KEY_H
#define AGL_TRACKER_KEY_H 1

#include "pkt/tunnelled.h"
#include "table/hash.h"
#include "table/tracker.h"

/* Words that every key has, if only as zeros. */
#define AGL_KEY_HEAD 5

/* Kinds of keys: the shape of a frame, as a whole if it is in a tunnel, or
 * with metadata that is not 0; or parsed, which no shape's number is. */
#define AGL_KIND_META (AGL_SHAPE_VXLAN | AGL_SHAPE_GENEVE)
#define AGL_KIND_PARSED AGL_SHAPE_VXLAN
#define AGL_N_KINDS 64

/* Whether keys can be made in vectors (tracker-vector.c), if the CPU can. */
#if defined __x86_64__ && !defined AGL_PLAIN_C
#define AGL_HAVE_VECTORS 1
#else
#define AGL_HAVE_VECTORS 0
#endif

/* How the key of a frame of some shape is made in a vector. */
struct agl_key_vector {
    struct agl_shape_test test;
    uint8_t from[AGL_SHAPE_HEAD];       /* Where in the frame a byte is... */
    uint8_t bits[AGL_SHAPE_HEAD];       /* ...and which of its bits count. */
    uint8_t secret[AGL_SHAPE_HEAD];     /* Of the hash. */
    uint32_t shape;
    uint32_t n;                         /* Words; 0: it cannot. */
};

struct agl_key_maker {
    uint64_t seed;
    uint64_t epoch;             /* The seq of the interest. */
    uint32_t n_words;           /* Of the longest key. */
    struct agl_select select;   /* Of parsed keys. */
    struct agl_select meta;     /* Of metadata that goes with a shape. */
    struct agl_shape_select any[AGL_N_SHAPES];  /* Of what goes with it. */
    /* Of a frame on its first pass; of one in a tunnel. */
    struct agl_shape_select by[AGL_N_SOURCES][AGL_N_SHAPES];
    struct agl_tunnel_ports tunnels;
    struct agl_shape_select outer;      /* Of what is in one of these... */
    struct agl_select opts;             /* ...and of its options. */
    bool has_vectors;           /* The CPU has. */
    struct agl_key_vector vectors[AGL_N_SHAPES];        /* Of first passes. */
};

/* Begins to make keys; nobody follows an interest yet. */
void agl_key_maker_init(struct agl_key_maker *);

/* Follows the interest of 'flows', which has changed, and with it the keys of
 * all packets. */
void agl_key_maker_follow(struct agl_key_maker *,
                          const struct agl_flow_table *);

/* Makes the 'tk' of a parsed packet; of 'n' that are not, none ('shape' is
 * AGL_SHAPE_NONE) for what has no shape. */
void agl_key_maker_parsed(const struct agl_key_maker *,
                          const struct agilio_key *,
                          struct agl_tracker_key *tk);
void agl_key_maker_shapes(const struct agl_key_maker *,
                          struct agl_pkt *const pkts[], uint32_t n,
                          const struct agl_parse_options *,
                          struct agl_traversal ts[]);

/* The tag of a key of this hash and kind; not 0.  (Low bits of a hash lead to
 * the bucket, and tell nothing inside of it.) */
static inline uint32_t
agl_key_tag(uint32_t hash, uint32_t kind)
{
    return (uint16_t) (hash >> 16 & ~(AGL_N_KINDS - 1)) | kind;
}

static inline void
agl_key_maker_set_hash(const struct agl_key_maker *m,
                       struct agl_tracker_key *tk, uint32_t hash,
                       uint32_t kind)
{
    tk->epoch = m->epoch;
    tk->hash = hash;
    tk->tag = agl_key_tag(hash, kind);
}

/* Makes the key of a packet of 'shape'; false if its metadata does not go with
 * a shape, or it has none. */
bool agl_key_maker_shape(const struct agl_key_maker *, uint32_t shape,
                         struct agl_pkt *, const struct agl_parse_options *,
                         struct agl_tracker_key *);

/* Makes the key of a packet in a tunnel, on its first pass. */
bool agl_key_maker_in_tunnel(const struct agl_key_maker *, struct agl_pkt *,
                             const struct agl_parse_options *,
                             struct agl_tracker_key *);

/* The same of a packet of 'shape', if it is in one and has a shape as a
 * whole. */
static inline bool
agl_key_maker_tunnelled(const struct agl_key_maker *m, uint32_t shape,
                        struct agl_pkt *pkt,
                        const struct agl_parse_options *options,
                        struct agl_tracker_key *tk)
{
    return (shape == AGL_SHAPE_SOME
            && AGILIO_UNLIKELY(agl_tunnelled_may_be(pkt, &m->tunnels))
            && agl_key_maker_in_tunnel(m, pkt, options, tk));
}

/* ## tracker-vector.c: if AGL_HAVE_VECTORS ## */

bool agl_key_vectors_are_supported(void);
/* Sets all but the secret. */
void agl_key_vector_init(struct agl_key_vector *, uint32_t shape,
                         const struct agl_shape_select *);

/* The key, under 'interest', of what has such a tag and words; in a tunnel,
 * that of the outer headers. */
void agl_key_maker_unmake(const struct agl_key_maker *,
                          const struct agilio_key *interest, uint32_t tag,
                          const uint64_t words[], struct agilio_key *);

#endif /* table/tracker-key.h */
