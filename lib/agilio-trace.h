/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-trace.h - what the NIC would do with a frame, in words or JSON.
 *
 * For agilio/trace (ofproto/agilio-trace.c), which asks a NIC by
 * AGILIO_MSG_TRACE, and nic/trace (nicd-trace.c), which is in it.
 */

#ifndef AGILIO_TRACE_H
#define AGILIO_TRACE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agilio_view;
struct ds;
struct table_style;

#define AGILIO_TRACE_MAX 8192   /* Bytes that a reply may have. */

/* Asks for a pass: writes a struct agilio_trace and its program to 'reply', of
 * AGILIO_TRACE_MAX bytes, and their length.  Returns NULL, or what is wrong
 * (malloc'd). */
typedef char *agilio_trace_ask(uint32_t pass, void *reply, size_t *reply_len,
                               void *aux);

/* Appends the UUID and the actions of the datapath's flow that is this one on
 * the NIC.  False if it is not known. */
typedef bool agilio_trace_name(uint32_t flow_id, struct ds *ufid,
                               struct ds *actions, void *aux);

/* Asks for all passes, and appends level by level what they meet, and the
 * verdict at the end; in JSON the tables "nic" and "passes".  'name' may be
 * NULL.  Replies are not trusted. */
void agilio_trace(struct ds *, const struct table_style *,
                  agilio_trace_ask *ask, agilio_trace_name *name, void *aux);

/* The same of a packet that no NIC can be asked of. */
void agilio_trace_not(struct ds *, const struct table_style *,
                      const char *fate, const char *verdict);

/* The same, of a NIC of ovs-vswitchd's or of agilio.ko's.  Main thread of
 * ovs-vswitchd. */
void agilio_trace_nic(struct ds *, const struct table_style *,
                      const struct agilio_view *, uint32_t port,
                      const void *frame, size_t len);

#endif /* agilio-trace.h */
