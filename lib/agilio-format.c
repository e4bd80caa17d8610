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
    LE32,                       /* Little-endian; all others are not. */
    DEC8, DEC16,
    HEX8, HEX16, HEX32,
    MAC, IPV4, IPV6,
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

static const uint16_t action_lens[AGILIO_N_ACTIONS] = {
    [AGILIO_ACTION_OUTPUT] = sizeof(struct agilio_action_output),
    [AGILIO_ACTION_TO_HOST] = sizeof(struct agilio_action_to_host),
    [AGILIO_ACTION_PUSH_VLAN] = sizeof(struct agilio_action_push_vlan),
    [AGILIO_ACTION_POP_VLAN] = sizeof(struct agilio_action_pop_vlan),
    [AGILIO_ACTION_SET_ETH] = sizeof(struct agilio_action_set_eth),
    [AGILIO_ACTION_SET_IPV4] = sizeof(struct agilio_action_set_ipv4),
    [AGILIO_ACTION_SET_IPV6] = sizeof(struct agilio_action_set_ipv6),
    [AGILIO_ACTION_SET_TCP] = sizeof(struct agilio_action_set_ports),
    [AGILIO_ACTION_SET_UDP] = sizeof(struct agilio_action_set_ports),
    [AGILIO_ACTION_SET_SCTP] = sizeof(struct agilio_action_set_ports),
    [AGILIO_ACTION_SET_ICMP] = sizeof(struct agilio_action_set_icmp),
    [AGILIO_ACTION_SET_ARP] = sizeof(struct agilio_action_set_arp),
    [AGILIO_ACTION_SET_ND] = sizeof(struct agilio_action_set_nd),
    [AGILIO_ACTION_HASH] = sizeof(struct agilio_action_hash),
    [AGILIO_ACTION_RECIRC] = sizeof(struct agilio_action_recirc),
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
    PLAIN(HASH, hash, "basis", basis, LE32),
    PLAIN(RECIRC, recirc, NULL, recirc_id, LE32),
};

static void
format_action(struct ds *ds, enum agilio_action_type type,
              const uint8_t *action)
{
    static const uint8_t exact[16] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    };
    size_t start;

    ds_put_cstr(ds, action_names[type]);
    if (action_lens[type] == sizeof(struct agilio_action)) {
        return;
    }
    ds_put_char(ds, '(');
    start = ds->length;
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(operands); i++) {
        const struct operand *o = &operands[i];

        if (o->type == type) {
            format_field(ds, start, &o->field, action + o->field.ofs,
                         o->mask_ofs ? action + o->mask_ofs : exact);
        }
    }
    ds_put_char(ds, ')');
}

/* The type of the action at 'p' if a whole one is within 'left' bytes. */
static enum agilio_action_type
peek_action(const uint8_t *p, size_t left)
{
    struct agilio_action head;
    uint16_t type;

    if (left < sizeof head) {
        return AGILIO_ACTION_NONE;
    }
    memcpy(&head, p, sizeof head);
    type = agilio_from_le16(head.type);
    if (type >= AGILIO_N_ACTIONS
        || agilio_from_le16(head.len) != action_lens[type]
        || action_lens[type] < sizeof head || action_lens[type] > left) {
        return AGILIO_ACTION_NONE;
    }
    return type;
}

void
agilio_format_program(struct ds *ds, const void *program, size_t len)
{
    const uint8_t *p = program;
    size_t left = len;

    if (!len) {
        ds_put_cstr(ds, "drop");
    }
    while (left) {
        enum agilio_action_type type = peek_action(p, left);

        if (left < len) {
            ds_put_char(ds, ',');
        }
        if (type == AGILIO_ACTION_NONE) {
            ds_put_cstr(ds, "malformed");
            break;
        }
        format_action(ds, type, p);
        p += action_lens[type];
        left -= action_lens[type];
    }
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
