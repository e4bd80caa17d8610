/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-format.h - the ABI's keys, programs and counters as text.
 *
 * For ovs-vswitchd (agilio/dump-flows, agilio/stats) and agilio-nicd
 * (nic/stats, nic/trace) alike; any thread.  Needs nothing of OVS but its
 * strings.  What is formatted may be hostile bytes.
 */

#ifndef AGILIO_FORMAT_H
#define AGILIO_FORMAT_H 1

#include "agilio/abi.h"

struct ds;

/* Appends "in_port=0x10001,eth_type=0x0800,nw_dst=10.0.0.0/255.0.0.0": the
 * fields that have a bit in 'mask', and the mask where it is not all ones.
 * Without 'mask' the key is exact, and fields that are 0 are left out. */
void agilio_format_match(struct ds *, const struct agilio_key *key,
                         const struct agilio_key *mask);

/* Appends "set_eth(dst=00:00:00:00:00:02),output(0x10002)"; "drop" if the
 * program is empty, and "malformed" in place of what makes no sense. */
void agilio_format_program(struct ds *, const void *program, size_t len);

enum agilio_counter_kind {
    AGILIO_KIND_HIT,            /* A packet found its flow. */
    AGILIO_KIND_FALLBACK,       /* A packet for the host. */
    AGILIO_KIND_DROP,           /* A packet that went nowhere. */
    AGILIO_KIND_INFO,           /* Anything else. */
};

/* Name (lower case, as in "drop_tx_down"), meaning and kind.  A counter that
 * is newer than this program is "unknown". */
const char *agilio_counter_name(enum agilio_counter);
const char *agilio_counter_help(enum agilio_counter);
enum agilio_counter_kind agilio_counter_kind(enum agilio_counter);

#endif /* agilio-format.h */
