/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h - what the NIC would do with a frame. */

#ifndef AGL_TRACE_H
#define AGL_TRACE_H 1

#include "nic.h"

/* A struct agilio_trace and a program. */
#define AGL_TRACE_MAX (sizeof(struct agilio_trace) + AGILIO_MAX_PROGRAM)

/* Asks the port's worker, and waits for it, what pass 'pass' of the 'len'
 * bytes of 'frame' would meet if 'port' received them.  Nothing is sent, and
 * nothing counted, but that the tracker's entry was used.  Returns 0 and
 * writes '*reply_len' bytes, AGL_TRACE_MAX at most, to 'reply'; or an enum
 * agilio_error and '*reason'.  Control thread. */
int agl_trace(struct agl_nic *, uint32_t port, const void *frame,
              uint32_t len, uint32_t pass, void *reply, uint32_t *reply_len,
              const char **reason);

#endif /* trace.h */
