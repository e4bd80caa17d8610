/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-format.c - the ABI's keys, programs and counters as text.
 *
 * A key is a list of fields, an action a list of operands; both are rows that
 * say where the bytes are and how they are written, and one function writes
 * such a row, "name=value/mask".
 */

#include <config.h>

#include "agilio-format.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>

#include "openvswitch/dynamic-string.h"

/* How a field is written, the last column of AGILIO_FIELDS. */
enum style {
    LE16, LE32,                 /* Little-endian; all others are not. */
    DEC8, DEC16,
    HEX8, HEX16, HEX32, HEX64,
    MAC, IPV4, IPV6,
    BYTES,                      /* Without the zeros at the end. */
    REASON,                     /* LE32 enum agilio_fallback. */
};

struct field {
    const char *name;
    uint16_t ofs, size;         /* Bytes. */
    enum style style;
};

#define SIZE_OF(STRUCT, MEMBER) sizeof(((STRUCT *) NULL)->MEMBER)

static bool
all_bytes_are(const uint8_t *p, size_t n, uint8_t byte)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != byte) {
            return false;
        }
    }
    return true;
}

static uint16_t
get_le16(const uint8_t *p)
{
    agilio_le16 le;

    memcpy(&le, p, sizeof le);
    return agilio_from_le16(le);
}

static uint32_t
get_le32(const uint8_t *p)
{
    agilio_le32 le;

    memcpy(&le, p, sizeof le);
    return agilio_from_le32(le);
}

static void
format_joined(struct ds *ds, const uint8_t *p, size_t n, const char *format,
              char between)
{
    for (size_t i = 0; i < n; i++) {
        if (i) {
            ds_put_char(ds, between);
        }
        ds_put_format(ds, format, p[i]);
    }
}

static void
format_fallback(struct ds *ds, uint32_t reason)
{
    if (reason == AGILIO_FALLBACK_HOST) {
        ds_put_cstr(ds, "host");
    } else if (reason == AGILIO_FALLBACK_UNABLE) {
        ds_put_cstr(ds, "unable");
    } else {
        ds_put_format(ds, "%#x", reason);
    }
}

static void
format_value(struct ds *ds, enum style style, const uint8_t *p, size_t n)
{
    char ipv6[INET6_ADDRSTRLEN];

    switch (style) {
    case LE16:
        ds_put_format(ds, "%#x", get_le16(p));
        break;
    case LE32:
        ds_put_format(ds, "%#x", get_le32(p));
        break;
    case DEC8:
        ds_put_format(ds, "%u", p[0]);
        break;
    case DEC16:
        ds_put_format(ds, "%u", p[0] << 8 | p[1]);
        break;
    case HEX8:
    case HEX16:
    case HEX32:
    case HEX64:
    case BYTES:
        while (style == BYTES && n > 1 && !p[n - 1]) {
            n--;
        }
        ds_put_cstr(ds, "0x");
        for (size_t i = 0; i < n; i++) {
            ds_put_format(ds, "%02x", p[i]);
        }
        break;
    case MAC:
        format_joined(ds, p, n, "%02x", ':');
        break;
    case IPV4:
        format_joined(ds, p, n, "%u", '.');
        break;
    case IPV6:
        ds_put_cstr(ds, inet_ntop(AF_INET6, p, ipv6, sizeof ipv6));
        break;
    case REASON:
        format_fallback(ds, get_le32(p));
        break;
    }
}

/* Appends "name=value" or "name=value/mask", after a comma unless this is the
 * first since 'start'; nothing if the mask is 0. */
static void
format_field(struct ds *ds, size_t start, const struct field *f,
             const uint8_t *value, const uint8_t *mask)
{
    if (all_bytes_are(mask, f->size, 0)) {
        return;
    }
    if (ds->length > start) {
        ds_put_char(ds, ',');
    }
    if (f->name) {
        ds_put_format(ds, "%s=", f->name);
    }
    format_value(ds, f->style, value, f->size);
    if (!all_bytes_are(mask, f->size, 0xff)) {
        bool decimal = f->style == DEC8 || f->style == DEC16;

        ds_put_char(ds, '/');
        format_value(ds, decimal ? HEX32 : f->style, mask, f->size);
    }
}

/* ## ----- ##
 * ## Keys. ##
 * ## ----- ## */

static const struct field key_fields[] = {
#define FIELD(NAME, MEMBER, STYLE)                                      \
    { #NAME, offsetof(struct agilio_key, MEMBER),                       \
      SIZE_OF(struct agilio_key, MEMBER), STYLE },
    AGILIO_FIELDS(FIELD)
#undef FIELD
};

void
agilio_format_match(struct ds *ds, const struct agilio_key *key,
                    const struct agilio_key *mask)
{
    uint8_t exact[sizeof *key];
    size_t start = ds->length;

    memset(exact, 0xff, sizeof exact);
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(key_fields); i++) {
        const struct field *f = &key_fields[i];
        const uint8_t *value = (const uint8_t *) key + f->ofs;

        if (mask) {
            format_field(ds, start, f, value,
                         (const uint8_t *) mask + f->ofs);
        } else if (!all_bytes_are(value, f->size, 0)) {
            format_field(ds, start, f, value, exact);
        }
    }
}

/* ## --------- ##
 * ## Programs. ##
 * ## --------- ## */

static const char *const action_names[AGILIO_N_ACTIONS] = {
#define ACTION(ENUM, NAME, HELP) [AGILIO_ACTION_##ENUM] = #NAME,
    AGILIO_ACTIONS(ACTION)
#undef ACTION
};

/* Length on the wire; and what follows that many bytes, if anything can. */
enum tail { NOTHING, BYTES_TAIL, BLOCK, TWO_BLOCKS };
static const struct {
    uint16_t len;
    enum tail tail;
} layouts[AGILIO_N_ACTIONS] = {
#define LAYOUT(ENUM, STRUCT, TAIL) \
    [AGILIO_ACTION_##ENUM] = { sizeof(struct agilio_action_##STRUCT), TAIL }
    LAYOUT(OUTPUT, output, NOTHING),
    LAYOUT(TO_HOST, to_host, NOTHING),
    LAYOUT(COPY_TO_HOST, copy_to_host, BYTES_TAIL),
    LAYOUT(LB_OUTPUT, lb_output, NOTHING),
    LAYOUT(RECIRC, recirc, NOTHING),
    LAYOUT(TUNNEL_POP, tunnel_pop, NOTHING),
    LAYOUT(TUNNEL_PUSH, tunnel_push, BYTES_TAIL),
    LAYOUT(CLONE, clone, BLOCK),
    LAYOUT(SAMPLE, sample, BLOCK),
    LAYOUT(CHECK_PKT_LEN, check_pkt_len, TWO_BLOCKS),
    LAYOUT(METER, meter, NOTHING),
    LAYOUT(TRUNC, trunc, NOTHING),
    LAYOUT(HASH, hash, NOTHING),
    LAYOUT(PUSH_VLAN, push_vlan, NOTHING),
    LAYOUT(POP_VLAN, pop_vlan, NOTHING),
    LAYOUT(PUSH_MPLS, push_mpls, NOTHING),
    LAYOUT(POP_MPLS, pop_mpls, NOTHING),
    LAYOUT(PUSH_ETH, push_eth, NOTHING),
    LAYOUT(POP_ETH, pop_eth, NOTHING),
    LAYOUT(PUSH_NSH, push_nsh, BYTES_TAIL),
    LAYOUT(POP_NSH, pop_nsh, NOTHING),
    LAYOUT(SET_META, set_meta, NOTHING),
    LAYOUT(SET_TUNNEL, set_tunnel, BYTES_TAIL),
    LAYOUT(SET_ETH, set_eth, NOTHING),
    LAYOUT(SET_MPLS, set_mpls, NOTHING),
    LAYOUT(SET_NSH, set_nsh, NOTHING),
    LAYOUT(SET_IPV4, set_ipv4, NOTHING),
    LAYOUT(SET_IPV6, set_ipv6, NOTHING),
    LAYOUT(SET_TCP, set_ports, NOTHING),
    LAYOUT(SET_UDP, set_ports, NOTHING),
    LAYOUT(SET_SCTP, set_ports, NOTHING),
    LAYOUT(SET_ICMP, set_icmp, NOTHING),
    LAYOUT(SET_ARP, set_arp, NOTHING),
    LAYOUT(SET_ND, set_nd, NOTHING),
    LAYOUT(SET_ND_EXT, set_nd_ext, NOTHING),
};

struct operand {
    enum agilio_action_type type;
    struct field field;
    uint16_t mask_ofs;          /* 0: it has no mask. */
};

/* An operand without mask, and one with; the names are the ABI's. */
#define PLAIN(TYPE, STRUCT, NAME, MEMBER, STYLE)                        \
    { AGILIO_ACTION_##TYPE,                                             \
      { NAME, offsetof(struct agilio_action_##STRUCT, MEMBER),          \
        SIZE_OF(struct agilio_action_##STRUCT, MEMBER), STYLE }, 0 }
#define MASKED(TYPE, STRUCT, MEMBER, STYLE)                             \
    { AGILIO_ACTION_##TYPE,                                             \
      { #MEMBER, offsetof(struct agilio_action_##STRUCT, MEMBER),       \
        SIZE_OF(struct agilio_action_##STRUCT, MEMBER), STYLE },        \
      offsetof(struct agilio_action_##STRUCT, MEMBER##_mask) }

static const struct operand operands[] = {
    PLAIN(OUTPUT, output, NULL, port, LE32),
    PLAIN(TO_HOST, to_host, NULL, reason, REASON),
    PLAIN(LB_OUTPUT, lb_output, NULL, bond, LE32),
    PLAIN(RECIRC, recirc, NULL, recirc_id, LE32),
    PLAIN(TUNNEL_POP, tunnel_pop, "type", type, LE32),
    PLAIN(TUNNEL_POP, tunnel_pop, "port", port, LE32),
    PLAIN(TUNNEL_PUSH, tunnel_push, "type", type, LE32),
    PLAIN(TUNNEL_PUSH, tunnel_push, "port", port, LE32),
    PLAIN(SAMPLE, sample, "probability", probability, LE32),
    PLAIN(CHECK_PKT_LEN, check_pkt_len, "len", pkt_len, LE16),
    PLAIN(METER, meter, NULL, meter, LE32),
    PLAIN(TRUNC, trunc, NULL, max_len, LE32),
    PLAIN(HASH, hash, "basis", basis, LE32),
    PLAIN(HASH, hash, "alg", alg, LE32),
    PLAIN(PUSH_MPLS, push_mpls, "lse", lse, HEX32),
    PLAIN(PUSH_MPLS, push_mpls, "eth_type", eth_type, HEX16),
    PLAIN(PUSH_MPLS, push_mpls, "at_front", at_front, DEC8),
    PLAIN(POP_MPLS, pop_mpls, "eth_type", eth_type, HEX16),
    PLAIN(PUSH_ETH, push_eth, "src", src, MAC),
    PLAIN(PUSH_ETH, push_eth, "dst", dst, MAC),
    PLAIN(PUSH_VLAN, push_vlan, "tpid", tpid, HEX16),
    PLAIN(PUSH_VLAN, push_vlan, "tci", tci, HEX16),
    MASKED(SET_ETH, set_eth, src, MAC),
    MASKED(SET_ETH, set_eth, dst, MAC),
    MASKED(SET_IPV4, set_ipv4, src, IPV4),
    MASKED(SET_IPV4, set_ipv4, dst, IPV4),
    MASKED(SET_IPV4, set_ipv4, tos, HEX8),
    MASKED(SET_IPV4, set_ipv4, ttl, DEC8),
    MASKED(SET_IPV6, set_ipv6, src, IPV6),
    MASKED(SET_IPV6, set_ipv6, dst, IPV6),
    MASKED(SET_IPV6, set_ipv6, label, HEX32),
    MASKED(SET_IPV6, set_ipv6, tclass, HEX8),
    MASKED(SET_IPV6, set_ipv6, hlimit, DEC8),
    MASKED(SET_TCP, set_ports, src, DEC16),
    MASKED(SET_TCP, set_ports, dst, DEC16),
    MASKED(SET_UDP, set_ports, src, DEC16),
    MASKED(SET_UDP, set_ports, dst, DEC16),
    MASKED(SET_SCTP, set_ports, src, DEC16),
    MASKED(SET_SCTP, set_ports, dst, DEC16),
    MASKED(SET_ICMP, set_icmp, type, DEC8),
    MASKED(SET_ICMP, set_icmp, code, DEC8),
    MASKED(SET_ARP, set_arp, spa, IPV4),
    MASKED(SET_ARP, set_arp, tpa, IPV4),
    MASKED(SET_ARP, set_arp, sha, MAC),
    MASKED(SET_ARP, set_arp, tha, MAC),
    MASKED(SET_ARP, set_arp, op, DEC16),
    MASKED(SET_ND, set_nd, target, IPV6),
    MASKED(SET_ND, set_nd, sll, MAC),
    MASKED(SET_ND, set_nd, tll, MAC),
    MASKED(SET_ND_EXT, set_nd_ext, reserved, HEX32),
    MASKED(SET_ND_EXT, set_nd_ext, opt_type, DEC8),
    MASKED(SET_META, set_meta, priority, LE32),
    MASKED(SET_META, set_meta, mark, LE32),
    MASKED(SET_META, set_meta, dp_hash, LE32),
    MASKED(SET_META, set_meta, recirc_id, LE32),
    MASKED(SET_MPLS, set_mpls, lse, HEX32),
    MASKED(SET_NSH, set_nsh, nsh, BYTES),
    PLAIN(SET_TUNNEL, set_tunnel, "tunnel", tunnel, BYTES),
};

static void format_list(struct ds *, const uint8_t *p, size_t len);

/* A block, after a comma unless it is the first since 'start'. */
static void
format_block(struct ds *ds, size_t start, const uint8_t *p, size_t len)
{
    if (ds->length > start) {
        ds_put_char(ds, ',');
    }
    ds_put_char(ds, '{');
    format_list(ds, p, len);
    ds_put_char(ds, '}');
}

/* What follows the fixed part of 'action': 'len' bytes at 'p'. */
static void
format_tail(struct ds *ds, size_t start, enum tail tail, const uint8_t *action,
            const uint8_t *p, size_t len)
{
    struct agilio_action_check_pkt_len cpl;

    switch (tail) {
    case NOTHING:
        break;
    case BYTES_TAIL:
        ds_put_cstr(ds, ds->length > start ? "," : "");
        format_value(ds, BYTES, p, len);
        break;
    case BLOCK:
        format_block(ds, start, p, len);
        break;
    case TWO_BLOCKS:
        memcpy(&cpl, action, sizeof cpl);
        if (agilio_from_le16(cpl.greater_len) <= len) {
            size_t greater_len = agilio_from_le16(cpl.greater_len);

            format_block(ds, start, p, greater_len);
            format_block(ds, start, p + greater_len, len - greater_len);
        }
        break;
    }
}

/* An action of 'len' bytes. */
static void
format_action(struct ds *ds, enum agilio_action_type type,
              const uint8_t *action, size_t len)
{
    uint8_t exact[AGILIO_MAX_TUNNEL_OPTS];
    size_t start;

    ds_put_cstr(ds, action_names[type]);
    if (len == sizeof(struct agilio_action)) {
        return;
    }
    memset(exact, 0xff, sizeof exact);
    ds_put_char(ds, '(');
    start = ds->length;
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(operands); i++) {
        const struct operand *o = &operands[i];

        if (o->type == type) {
            format_field(ds, start, &o->field, action + o->field.ofs,
                         o->mask_ofs ? action + o->mask_ofs : exact);
        }
    }
    format_tail(ds, start, layouts[type].tail, action,
                action + layouts[type].len, len - layouts[type].len);
    ds_put_char(ds, ')');
}

/* The type and '*len' of the action at 'p' if a whole one is within 'left'
 * bytes. */
static enum agilio_action_type
peek_action(const uint8_t *p, size_t left, size_t *len)
{
    struct agilio_action head;
    uint16_t type;

    if (left < sizeof head) {
        return AGILIO_ACTION_NONE;
    }
    memcpy(&head, p, sizeof head);
    type = agilio_from_le16(head.type) & AGILIO_ACTION_TYPE;
    *len = agilio_from_le16(head.len);
    if (type >= AGILIO_N_ACTIONS || *len < sizeof head || *len > left
        || *len < layouts[type].len
        || (*len > layouts[type].len && layouts[type].tail == NOTHING)) {
        return AGILIO_ACTION_NONE;
    }
    return type;
}

static void
format_list(struct ds *ds, const uint8_t *p, size_t len)
{
    size_t left = len;

    if (!len) {
        ds_put_cstr(ds, "drop");
    }
    while (left) {
        size_t n;
        enum agilio_action_type type = peek_action(p, left, &n);

        if (left < len) {
            ds_put_char(ds, ',');
        }
        if (type == AGILIO_ACTION_NONE) {
            ds_put_cstr(ds, "malformed");
            break;
        }
        format_action(ds, type, p, n);
        p += n;
        left -= n;
    }
}

void
agilio_format_program(struct ds *ds, const void *program, size_t len)
{
    format_list(ds, program, len);
}

/* ## --------- ##
 * ## Counters. ##
 * ## --------- ## */

static const struct {
    const char *help;
    enum agilio_counter_kind kind;
} counters[AGILIO_N_COUNTERS] = {
#define COUNTER(ENUM, KIND, HELP) \
    [AGILIO_COUNTER_##ENUM] = { HELP, AGILIO_KIND_##KIND },
    AGILIO_COUNTERS(COUNTER)
#undef COUNTER
};

static char counter_names[AGILIO_N_COUNTERS][24] = {
#define COUNTER(ENUM, KIND, HELP) [AGILIO_COUNTER_##ENUM] = #ENUM,
    AGILIO_COUNTERS(COUNTER)
#undef COUNTER
};

static void
lower_counter_names(void)
{
    for (size_t i = 0; i < AGILIO_N_COUNTERS; i++) {
        for (char *p = counter_names[i]; *p; p++) {
            *p = tolower((unsigned char) *p);
        }
    }
}

const char *
agilio_counter_name(enum agilio_counter c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, lower_counter_names);
    return c < AGILIO_N_COUNTERS ? counter_names[c] : "unknown";
}

const char *
agilio_counter_help(enum agilio_counter c)
{
    return c < AGILIO_N_COUNTERS ? counters[c].help : "unknown";
}

enum agilio_counter_kind
agilio_counter_kind(enum agilio_counter c)
{
    return c < AGILIO_N_COUNTERS ? counters[c].kind : AGILIO_KIND_INFO;
}
