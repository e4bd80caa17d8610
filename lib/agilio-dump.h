/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-dump.h - all flows of the datapaths, on the NIC or not. */

#ifndef AGILIO_DUMP_H
#define AGILIO_DUMP_H 1

#include "agilio-kernel.h"
#include "agilio-shadow.h"

struct ds;

/* Calls 'visit' for each flow of the shadow, then for each that was never
 * offered to the NIC, which is the host's, then for those of the kernel
 * datapath if 'kernel' has a NIC.  Main thread.
 * A flow that comes or goes meanwhile may be missed. */
void agilio_dump_for_each(struct agilio_kernel *kernel,
                          agilio_shadow_visit *visit, void *aux);

/* "resident", "pending", "host", "refused". */
const char *agilio_residency_name(enum agilio_residency);

/* Appends "recirc_id(0),in_port(1),...". */
void agilio_dump_match(struct ds *, const struct match *);

#endif /* agilio-dump.h */
