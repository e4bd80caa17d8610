/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-view.h - the NICs that agilio/... commands are about.
 *
 * That is the one of ovs-vswitchd's own (agilio-nic.h), for the userspace
 * datapath, and those of agilio.ko (agilio-kernel.h), for the kernel's.  The
 * first is left out if none is configured and there are others.  So there is
 * always one, and what is printed for it is the same for both kinds.
 *
 * Main thread.
 */

#ifndef AGILIO_VIEW_H
#define AGILIO_VIEW_H 1

#include "agilio-kernel.h"
#include "agilio-nic.h"

struct agilio_view {
    const char *name;           /* Path or PCI address; NULL: not configured,
                                 * and the only one. */
    const struct agilio_kernel_nic *kernel;     /* NULL: our own. */
    const struct agilio_map *map;       /* NULL if there never was a NIC. */
    enum agilio_nic_status status;
};

struct agilio_views {
    struct agilio_view *items;
    size_t n;                   /* At least 1. */
    struct agilio_kernel kernel;
    char *path;
};

void agilio_views_init(struct agilio_views *);
void agilio_views_destroy(struct agilio_views *);

/* The number of the NIC that a flow is on or offered to; 'n', if there is
 * none. */
size_t agilio_views_find(const struct agilio_views *,
                         const struct agilio_shadow_flow *);

/* Appends a line: which NIC it is, or why there is none. */
void agilio_view_describe(const struct agilio_view *, struct ds *);

/* Asks the NIC, as agilio_nic_call() does; only what changes nothing there. */
int agilio_view_call(const struct agilio_view *, enum agilio_msg_type,
                     const void *body, size_t len,
                     void *reply, size_t reply_size, size_t *reply_len,
                     char **reason);

#endif /* agilio-view.h */
