/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */
/*
 * msg.h - control messages, and the cursors that write and read them.
 *
 * A message is one record of a control ring: struct agilio_msg, then a body
 * that depends on the type.  The host asks, the NIC answers every request with
 * exactly one reply (AGILIO_MSG_REPLY; AGILIO_MSG_ERROR as well if it failed)
 * that carries the request's type and id; replies come in the order of the
 * requests.  A NIC also sends events, with id 0.
 *
 *     0        4        8       12       16
 *     +--------+--------+--------+--------+---------------
 *     | len    |typ flag| id     | session| body ...
 *     +--------+--------+--------+--------+---------------
 *
 * 'session' is the low half of the epoch of the HELLO in force.  A side drops
 * what carries another session: it is left from a host that is no more.
 *
 * Reading never trusts: a struct agilio_reader past its end turns 'bad' and
 * yields zeros, so a decoder reads all it wants and checks once.
 */

#ifndef AGILIO_MSG_H
#define AGILIO_MSG_H 1

#include "agilio/abi.h"

/* Type, name, body of the request -> body of the reply. */
#define AGILIO_MESSAGES(MSG)                                                 \
    /* abi_min:16 abi_max:16 pad:32 features:64 epoch:64                     \
     * -> version:16 pad:16 n_flows:32 features:64                           \
     * Starts a session.  Flows of an earlier session stay and work until    \
     * FLOW_FLUSH; n_flows says how many there are. */                       \
    MSG(HELLO, hello)                                                        \
    /* Nothing -> nothing.  The NIC's control thread is alive. */            \
    MSG(KEEPALIVE, keepalive)                                                \
    /* max_vlans:32 [flags:32] -> nothing.  How many VLAN tags the host      \
     * parses (0-2); AGILIO_OPTION_*, 0 if it says nothing. */               \
    MSG(OPTIONS, options)                                                    \
    /* port:32 what:32 flags:32 mtu:32 mac:6 -> nothing.  'what': which of   \
     * the others to set, AGILIO_PORT_SET_*. */                              \
    MSG(PORT_SET, port_set)                                                  \
    /* Event, no body: the port table changed. */                            \
    MSG(PORT_EVENT, port_event)                                              \
    /* struct agilio_flow_put, words, program -> nothing. */                 \
    MSG(FLOW_PUT, flow_put)                                                  \
    /* id:32 -> nothing.  When the reply comes, the flow's counters are      \
     * final.  Error ENOENT if there is no such flow. */                     \
    MSG(FLOW_DEL, flow_del)                                                  \
    /* Nothing -> nothing.  Deletes all flows, meters and bonds, of all      \
     * sessions. */                                                          \
    MSG(FLOW_FLUSH, flow_flush)                                              \
    /* cursor:32 max:32 -> next cursor:32 (0 = end) n:32, n times struct     \
     * agilio_tracker_entry. */                                              \
    MSG(TRACKER_DUMP, tracker_dump)                                          \
    /* struct agilio_meter_set, bands -> nothing. */                         \
    MSG(METER_SET, meter_set)                                                \
    /* id:32 -> nothing.  Error ENOENT if there is no such meter. */         \
    MSG(METER_DEL, meter_del)                                                \
    /* struct agilio_bond_set -> nothing. */                                 \
    MSG(BOND_SET, bond_set)                                                  \
    /* id:32 -> nothing.  Error ENOENT if there is no such bond. */          \
    MSG(BOND_DEL, bond_del)                                                  \
    /* port:32 pass:32, frame -> struct agilio_trace, program.  What would   \
     * become of a frame that the port received; nothing is done to it.      \
     * Error ENOENT if there is no such pass. */                             \
    MSG(TRACE, trace)

enum agilio_msg_type {
    AGILIO_MSG_NONE,
#define AGILIO_MESSAGE(ENUM, NAME) AGILIO_MSG_##ENUM,
    AGILIO_MESSAGES(AGILIO_MESSAGE)
#undef AGILIO_MESSAGE
    AGILIO_N_MSGS
};

#define AGILIO_MSG_F_REPLY (1u << 0)
#define AGILIO_MSG_F_ERROR (1u << 1)    /* Body: errno:32, reason string. */
#define AGILIO_MSG_F_EVENT (1u << 2)

#define AGILIO_MAX_MSG 8192             /* Bytes, header included. */

struct agilio_msg {
    agilio_le32 len;            /* Header + body, in bytes. */
    agilio_le16 type;           /* enum agilio_msg_type. */
    agilio_le16 flags;          /* AGILIO_MSG_F_*. */
    agilio_le32 id;             /* The request's, echoed by its reply. */
    agilio_le32 session;
};
AGILIO_ASSERT_SIZE(struct agilio_msg, 16);

/* errno on the wire, the same numbers whatever system a side runs on. */
enum agilio_error {
    AGILIO_E_OK = 0,
    AGILIO_E_NOENT = 2,
    AGILIO_E_BUSY = 16,
    AGILIO_E_EXIST = 17,
    AGILIO_E_INVAL = 22,
    AGILIO_E_NOSPC = 28,
    AGILIO_E_PROTO = 71,
    AGILIO_E_OPNOTSUPP = 95,
    AGILIO_E_NOBUFS = 105,
};

/* PORT_SET's 'what'. */
#define AGILIO_PORT_SET_FLAGS (1u << 0) /* AGILIO_PORT_ADMIN_UP. */
#define AGILIO_PORT_SET_MTU (1u << 1)
#define AGILIO_PORT_SET_MAC (1u << 2)

/* FLOW_PUT.  Words of the key whose bit in 'map' is 1 follow, first all of
 * the key, then all of the mask (as struct agilio_key has them in memory),
 * then 'program_len' bytes of actions.  The key has no bit that the mask has
 * not.  A flow of the same id is replaced, all at once for each packet; its
 * counters go on.  A new flow's counters start from 0. */
struct agilio_flow_put {
    agilio_le32 id;             /* < max_flows. */
    agilio_le16 n_words;        /* Bits in 'map'. */
    agilio_le16 program_len;
    agilio_le64 map;            /* Bit i: word i of struct agilio_key. */
};
AGILIO_ASSERT_SIZE(struct agilio_flow_put, 16);

#define AGILIO_OPTION_HASH (1u << 0)    /* OPTIONS: the host wants the hash of
                                         * each packet that it is given. */

/* METER_SET.  'n_bands' times struct agilio_meter_band follow.  Takes the
 * place of what is in the slot.  The buckets are full; the counters start from
 * 0 unless the meter has the id of the one before it. */
#define AGILIO_METER_PKTPS (1u << 0)    /* Rates are packets/s, else kb/s. */

struct agilio_meter_set {
    agilio_le32 id;
    agilio_le16 flags;          /* AGILIO_METER_*. */
    agilio_le16 n_bands;        /* 1 to AGILIO_MAX_BANDS. */
};
AGILIO_ASSERT_SIZE(struct agilio_meter_set, 8);

struct agilio_meter_band {
    agilio_le32 rate;           /* Not 0. */
    agilio_le32 burst;          /* What a bucket holds: packets or kb. */
};
AGILIO_ASSERT_SIZE(struct agilio_meter_band, 8);

/* BOND_SET.  Takes the place of what is in the slot, all at once for each
 * packet.  The counters start from 0 unless the bond has the id of the one
 * before it. */
struct agilio_bond_set {
    agilio_le32 id;
    agilio_le32 ports[AGILIO_BOND_BUCKETS];     /* Port ids; AGILIO_PORT_NONE:
                                                 * this bucket drops. */
};
AGILIO_ASSERT_SIZE(struct agilio_bond_set, 1028);

/* TRACKER_DUMP: one live entry.  Words of the key that the tracker looks at
 * are as in the packet, the others are 0. */
struct agilio_tracker_entry {
    agilio_le32 flow_id;
    agilio_le32 n_flows;        /* It, and those met by recirculation. */
    agilio_le64 packets;
    agilio_le64 used;           /* NIC clock. */
    struct agilio_key key;
};
AGILIO_ASSERT_SIZE(struct agilio_tracker_entry, 24 + AGILIO_KEY_WORDS * 8);

/* TRACE: how a pass of the frame through the NIC, the first one being 0, would
 * end. */
enum agilio_trace_level {
    AGILIO_TRACE_MISS,          /* Nobody knows its flow. */
    AGILIO_TRACE_L1,            /* The tracker does, also that of later
                                 * passes. */
    AGILIO_TRACE_L2,            /* The mask tables do. */
};

enum agilio_trace_fate {
    AGILIO_TRACE_RUN,           /* The program says. */
    AGILIO_TRACE_DROP,
    AGILIO_TRACE_TO_HOST,
};

struct agilio_trace {
    agilio_le32 level;          /* enum agilio_trace_level. */
    agilio_le32 n_passes;       /* That are known; 0 for AGILIO_TRACE_MISS. */
    agilio_le32 flow_id;        /* That of this pass; what follows is its. */
    agilio_le32 fate;           /* enum agilio_trace_fate. */
    agilio_le32 reason;         /* enum agilio_fallback, of AGILIO_TRACE_MISS
                                 * and AGILIO_TRACE_TO_HOST. */
    agilio_le32 program_len;
    struct agilio_key packet;   /* The frame, as parsed in its first pass. */
    struct agilio_key key, mask;
};
AGILIO_ASSERT_SIZE(struct agilio_trace, 24 + 3 * AGILIO_KEY_WORDS * 8);

/* ## -------- ##
 * ## Writing. ##
 * ## -------- ## */

struct agilio_writer {
    uint8_t *p, *end;
    bool bad;                   /* It did not fit. */
};

static inline void
agilio_put_bytes(struct agilio_writer *w, const void *src, size_t n)
{
    if (w->bad || n > (size_t) (w->end - w->p)) {
        w->bad = true;
        return;
    }
    memcpy(w->p, src, n);
    w->p += n;
}

static inline void
agilio_put_u16(struct agilio_writer *w, uint16_t x)
{
    agilio_le16 le = agilio_to_le16(x);

    agilio_put_bytes(w, &le, sizeof le);
}

static inline void
agilio_put_u32(struct agilio_writer *w, uint32_t x)
{
    agilio_le32 le = agilio_to_le32(x);

    agilio_put_bytes(w, &le, sizeof le);
}

static inline void
agilio_put_u64(struct agilio_writer *w, uint64_t x)
{
    agilio_le64 le = agilio_to_le64(x);

    agilio_put_bytes(w, &le, sizeof le);
}

/* Starts a message in the 'size' bytes at 'buf'. */
static inline void
agilio_msg_start(struct agilio_writer *w, void *buf, size_t size,
                 enum agilio_msg_type type, uint16_t flags,
                 uint32_t id, uint32_t session)
{
    w->p = buf;
    w->end = w->p + size;
    w->bad = false;
    agilio_put_u32(w, 0);
    agilio_put_u16(w, type);
    agilio_put_u16(w, flags);
    agilio_put_u32(w, id);
    agilio_put_u32(w, session);
}

/* Ends the message at 'buf': fills in its length and returns it, 0 if the
 * message did not fit. */
static inline uint32_t
agilio_msg_end(struct agilio_writer *w, void *buf)
{
    uint32_t len = (uint32_t) (w->p - (uint8_t *) buf);
    agilio_le32 le = agilio_to_le32(len);

    if (w->bad) {
        return 0;
    }
    memcpy(buf, &le, sizeof le);
    return len;
}

/* ## -------- ##
 * ## Reading. ##
 * ## -------- ## */

struct agilio_reader {
    const uint8_t *p, *end;
    bool bad;                   /* Something was read past the end. */
};

/* Returns the next 'n' bytes, NULL if there are not so many. */
static inline const void *
agilio_get_bytes(struct agilio_reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->bad || n > (size_t) (r->end - r->p)) {
        r->bad = true;
        return NULL;
    }
    r->p += n;
    return p;
}

static inline uint16_t
agilio_get_u16(struct agilio_reader *r)
{
    const void *p = agilio_get_bytes(r, 2);
    agilio_le16 le = 0;

    if (p) {
        memcpy(&le, p, sizeof le);
    }
    return agilio_from_le16(le);
}

static inline uint32_t
agilio_get_u32(struct agilio_reader *r)
{
    const void *p = agilio_get_bytes(r, 4);
    agilio_le32 le = 0;

    if (p) {
        memcpy(&le, p, sizeof le);
    }
    return agilio_from_le32(le);
}

static inline uint64_t
agilio_get_u64(struct agilio_reader *r)
{
    const void *p = agilio_get_bytes(r, 8);
    agilio_le64 le = 0;

    if (p) {
        memcpy(&le, p, sizeof le);
    }
    return agilio_from_le64(le);
}

/* ## ------------------------- ##
 * ## Messages through a ring.  ##
 * ## ------------------------- ## */

/* Sends the 'len' bytes of 'msg', as agilio_msg_end() returned them.  Returns
 * -1 if the ring has no room, is broken, or 'len' is 0 (the message did not
 * fit its buffer); 0 if it is sent, 1 if the consumer's doorbell must be rung
 * too. */
static inline int
agilio_msg_send(struct agilio_ring_end *end, const void *msg, uint32_t len)
{
    uint32_t n = agilio_ring_granules(len);

    if (!n || agilio_ring_free(end) < n) {
        return -1;
    }
    agilio_ring_write(end, 0, msg, len);
    return agilio_ring_produce(end, n);
}

/* Takes the next message into 'buf', of AGILIO_MAX_MSG bytes, and sets 'r' to
 * its body.  Returns its length, 0 if there is none or the ring is broken. */
static inline uint32_t
agilio_msg_receive(struct agilio_ring_end *end, void *buf,
                   struct agilio_msg *msg, struct agilio_reader *r)
{
    uint32_t len = agilio_ring_peek(end, sizeof *msg, AGILIO_MAX_MSG);

    if (len) {
        agilio_ring_read(end, 0, buf, len);
        agilio_ring_consume(end, agilio_ring_granules(len));
        memcpy(msg, buf, sizeof *msg);
        msg->len = agilio_to_le32(len);
        r->p = (const uint8_t *) buf + sizeof *msg;
        r->end = (const uint8_t *) buf + len;
        r->bad = false;
    }
    return len;
}

#endif /* agilio/msg.h */
