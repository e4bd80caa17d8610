/* SPDX-License-Identifier: Apache-2.0 */
/* tracker-key.c - what the tracker looks a packet up by: see tracker-key.h. */

#include "table/tracker-key.h"

static void
select_all(struct agl_select *select, const struct agilio_key *mask)
{
    select->n = 0;
    for (unsigned int i = 0; i < AGILIO_KEY_WORDS; i++) {
        uint64_t bits = agl_key_word(mask, i);

        if (bits) {
            agl_select_add(select, i, bits);
        }
    }
}

/* Makes the selects of frames of each shape; returns the most words that one
 * has. */
static uint32_t
set_shapes(struct agl_shape_select selects[AGL_N_SHAPES],
           const struct agilio_key *interest)
{
    uint32_t n = 0;

    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape++) {
        agl_shape_select(shape, interest, &selects[shape]);
        n = selects[shape].n > n ? selects[shape].n : n;
    }
    return n;
}

/* The same for frames in tunnels, if there are tunnels. */
static uint32_t
set_tunnelled(struct agl_key_maker *m, const struct agl_flow_table *flows)
{
    const struct agilio_key *inner = agl_flow_table_interest_by(
        flows, AGL_FROM_HOST);
    struct agilio_key outer = *agl_flow_table_interest_by(flows,
                                                          AGL_FROM_NIC);
    struct agilio_key opts;

    if (!m->tunnels.vxlan && !m->tunnels.geneve) {
        return 0;
    }
    memset(&opts, 0, sizeof opts);
    memcpy(opts.tun_opts, inner->tun_opts, sizeof opts.tun_opts);
    select_all(&m->opts, &opts);
    outer.md.tunnel = inner->md.tunnel;
    agl_tunnelled_select(&outer, &m->outer);
    return (m->outer.n + m->opts.n
            + set_shapes(m->by[AGL_FROM_HOST], inner));
}

static uint32_t
max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Makes the selects of a new interest. */
static void
set_interest(struct agl_key_maker *m, const struct agl_flow_table *flows,
             const struct agilio_key *interest)
{
    struct agilio_key meta = { .md = interest->md };
    uint32_t n;

    meta.md.packet_type = agilio_to_be32(0);    /* What has a shape has 0. */
    select_all(&m->select, interest);
    select_all(&m->meta, &meta);
    n = 1 + set_shapes(m->by[AGL_FROM_NIC],
                       agl_flow_table_interest_by(flows, AGL_FROM_NIC));
    n = max(n, m->meta.n + set_shapes(m->any, interest));
    n = max(n, 1 + set_tunnelled(m, flows));
    m->n_words = max(max(n, m->select.n), AGL_KEY_HEAD);
}

/* How keys of first passes are made in vectors. */
static void
set_vectors(struct agl_key_maker *m)
{
#if AGL_HAVE_VECTORS
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape++) {
        agl_key_vector_init(&m->vectors[shape], shape,
                            &m->by[AGL_FROM_NIC][shape]);
    }
#else
    (void) m;
#endif
}

void
agl_key_maker_init(struct agl_key_maker *m)
{
    m->seed = agl_env_random();
#if AGL_HAVE_VECTORS
    m->has_vectors = agl_key_vectors_are_supported();
    for (uint32_t shape = AGL_SHAPE_SOME; shape < AGL_N_SHAPES; shape++) {
        for (uint32_t i = 0; i < AGL_SHAPE_HEAD; i += sizeof(uint64_t)) {
            uint64_t random = agl_env_random();

            memcpy(&m->vectors[shape].secret[i], &random, sizeof random);
        }
    }
#endif
}

void
agl_key_maker_follow(struct agl_key_maker *m,
                     const struct agl_flow_table *flows)
{
    const struct agilio_key *interest;

    interest = agl_flow_table_interest(flows, &m->epoch);
    agl_flow_table_tunnels(flows, &m->tunnels);
    set_interest(m, flows, interest);
    set_vectors(m);
}

void
agl_key_maker_parsed(const struct agl_key_maker *m,
                     const struct agilio_key *key, struct agl_tracker_key *tk)
{
    tk->shape = tk->tunnelled.shape = AGL_SHAPE_NONE;
    tk->n = m->select.n;
    memset(tk->words, 0, AGL_KEY_HEAD * sizeof tk->words[0]);
    agl_key_maker_set_hash(m, tk, agl_select_key(&m->select, key, m->seed,
                                                 tk->words),
                           AGL_KIND_PARSED);
}

/* Begins the key of a packet with its metadata; false if it has some that a
 * shape does not go with. */
static bool
add_meta(const struct agl_key_maker *m, const struct agl_pkt *pkt,
         struct agl_tracker_key *tk, uint64_t *hash)
{
    const struct agl_select *select = &m->meta;

    if (pkt->md.packet_type || pkt->md.tunnel.opts_len) {
        return false;
    }
    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word;

        memcpy(&word, (const uint8_t *) &pkt->md
                      + select->index[i] * sizeof word, sizeof word);
        tk->words[i] = word & select->bits[i];
        *hash = agl_hash_add(*hash, tk->words[i]);
    }
    tk->n = select->n;
    return true;
}

/* Adds the words of 'select' to a key. */
static inline uint64_t
add_words(const struct agl_shape_select *select, const uint8_t *frame,
          struct agl_tracker_key *tk, uint64_t hash)
{
    for (uint32_t i = 0; i < select->n; i++) {
        uint64_t word = agl_shape_word(select, i, frame);

        tk->words[tk->n++] = word;
        hash = agl_hash_add(hash, word);
    }
    return hash;
}

/* Adds what the policy looks at of a tunnel's options; those that a packet has
 * not are 0, as in its key. */
static uint64_t
add_opts(const struct agl_key_maker *m, const uint8_t *opts, uint32_t len,
         struct agl_tracker_key *tk, uint64_t hash)
{
    const uint32_t first = offsetof(struct agilio_key, tun_opts) / 8;

    for (uint32_t i = 0; i < m->opts.n; i++) {
        uint32_t ofs = (m->opts.index[i] - first) * 8;
        uint64_t word = 0;

        if (ofs < len) {
            memcpy(&word, opts + ofs, len - ofs < 8 ? len - ofs : 8);
        }
        tk->words[tk->n] = word & m->opts.bits[i];
        hash = agl_hash_add(hash, tk->words[tk->n++]);
    }
    return hash;
}

bool
agl_key_maker_in_tunnel(const struct agl_key_maker *m, struct agl_pkt *pkt,
                        const struct agl_parse_options *options,
                        struct agl_tracker_key *tk)
{
    struct agl_tunnelled *t = &tk->tunnelled;
    const uint8_t *inner = pkt->data;
    uint64_t hash;

    if (!agl_tunnelled_look(pkt, &m->tunnels, options, t)) {
        return false;
    }
    inner += t->strip;
    memset(tk->words, 0, AGL_KEY_HEAD * sizeof tk->words[0]);
    tk->words[0] = (agilio_from_le32(pkt->md.in_port)
                    | (uint64_t) t->has_csum << 32
                    | (uint64_t) t->opts_len << 40);
    tk->n = 1;
    hash = agl_hash_add(m->seed + t->shape, tk->words[0]);
    hash = add_words(&m->outer, pkt->data, tk, hash);
    if (m->opts.n) {
        hash = add_opts(m, inner - t->opts_len, t->opts_len, tk, hash);
    }
    hash = add_words(&m->by[AGL_FROM_HOST][t->shape & (AGL_N_SHAPES - 1)],
                     inner, tk, hash);
    tk->shape = AGL_SHAPE_SOME;
    agl_key_maker_set_hash(m, tk, agl_hash_finish(hash), t->shape);
    return true;
}

bool
agl_key_maker_shape(const struct agl_key_maker *m, uint32_t shape,
                    struct agl_pkt *pkt,
                    const struct agl_parse_options *options,
                    struct agl_tracker_key *tk)
{
    const struct agl_shape_select *select = &m->by[AGL_FROM_NIC][shape];
    uint32_t kind = shape;
    uint64_t hash;

    if (!shape) {
        return false;
    }
    if (!pkt->n_recirc && agl_key_maker_tunnelled(m, shape, pkt, options,
                                                  tk)) {
        return true;
    }
    tk->tunnelled.shape = AGL_SHAPE_NONE;
    memset(tk->words, 0, AGL_KEY_HEAD * sizeof tk->words[0]);
    if (AGILIO_LIKELY(!pkt->n_recirc)) {
        hash = m->seed + kind;
        tk->words[0] = agilio_from_le32(pkt->md.in_port);
        hash = agl_hash_add(hash, tk->words[0]);
        tk->n = 1;
    } else {
        kind |= AGL_KIND_META;
        select = &m->any[shape];
        hash = m->seed + kind;
        if (!add_meta(m, pkt, tk, &hash)) {
            return false;
        }
    }
    hash = add_words(select, pkt->data, tk, hash);
    tk->shape = shape;
    agl_key_maker_set_hash(m, tk, agl_hash_finish(hash), kind);
    return true;
}

void
agl_key_maker_shapes(const struct agl_key_maker *m,
                     struct agl_pkt *const pkts[], uint32_t n,
                     const struct agl_parse_options *options,
                     struct agl_traversal ts[])
{
    for (uint32_t i = 0; i < n; i++) {
        if (!agl_key_maker_shape(m, agl_shape_of(pkts[i], options), pkts[i],
                                 options, &ts[i].tk)) {
            ts[i].tk.shape = AGL_SHAPE_NONE;
        }
    }
}

/* Writes the words of 'select' where they belong in 'key'. */
static void
put_words(const struct agl_select *select, const uint64_t words[],
          struct agilio_key *key)
{
    for (uint32_t i = 0; i < select->n; i++) {
        memcpy((uint8_t *) key + select->index[i] * sizeof words[i],
               &words[i], sizeof words[i]);
    }
}

void
agl_key_maker_unmake(const struct agl_key_maker *m,
                     const struct agilio_key *interest, uint32_t tag,
                     const uint64_t words[], struct agilio_key *key)
{
    uint32_t kind = tag % AGL_N_KINDS, shape = kind & (AGL_N_SHAPES - 1);
    uint32_t meta = kind & AGL_KIND_META;

    if (kind == AGL_KIND_PARSED) {
        put_words(&m->select, words, key);
    } else if (meta == AGL_KIND_META) {
        agl_shape_key(shape, &m->any[shape], words + m->meta.n, interest,
                      key);
        put_words(&m->meta, words, key);
    } else {
        agl_shape_key(meta ? AGL_SHAPE_SOME : shape,
                      meta ? &m->outer : &m->by[AGL_FROM_NIC][shape],
                      words + 1, interest, key);
        key->md.in_port = agilio_to_le32((uint32_t) words[0]);
    }
}
