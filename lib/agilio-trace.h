/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-trace.h - what the NIC would do with a frame, in words.
 *
 * For agilio/trace (ofproto/agilio-trace.c), which asks a NIC by
 * AGILIO_MSG_TRACE, and nic/trace (nicd-trace.c), which is in it.
 */

#ifndef AGILIO_TRACE_H
#define AGILIO_TRACE_H 1

#include <stddef.h>
#include <stdint.h>

struct ds;

#define AGILIO_TRACE_MAX 8192   /* Bytes that a reply may have. */

/* Asks for a pass: writes a struct agilio_trace and its program to 'reply', of
 * AGILIO_TRACE_MAX bytes, and their length.  Returns NULL, or what is wrong
 * (malloc'd). */
typedef char *agilio_trace_ask(uint32_t pass, void *reply, size_t *reply_len,
                               void *aux);

/* Appends what else there is to say of a flow of the NIC's. */
typedef void agilio_trace_name(struct ds *, uint32_t flow_id);

/* Asks for all passes, and appends level by level what they meet, and the
 * verdict at the end.  'name' may be NULL.  Replies are not trusted. */
void agilio_trace(struct ds *, agilio_trace_ask *ask, agilio_trace_name *name,
                  void *aux);

/* The same, of the NIC that is connected.  Main thread of ovs-vswitchd. */
void agilio_trace_nic(struct ds *, uint32_t port, const void *frame,
                      size_t len);

#endif /* agilio-trace.h */
