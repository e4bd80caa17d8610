/* SPDX-License-Identifier: Apache-2.0 */
/* nicd.h - the daemon around the NIC: nicd.c's and nicd-commands.c's. */

#ifndef AGL_NICD_H
#define AGL_NICD_H 1

#include "nic.h"

struct unixctl_server;

struct agl_nicd {
    struct agl_nic *nic;
    struct agl_function *pf;
    struct unixctl_server *unixctl;
    struct agl_nic_ops ops;
    int worker_fd;              /* Eventfd: wakes the worker. */
    int control_fd;             /* Eventfd: wakes the control thread. */
    bool control_asleep;
    bool exiting;
    uint64_t started;           /* CLOCK_MONOTONIC, ns. */
};

/* Adds port NAME on device TYPE:ARG (or TYPE).  Returns NULL, or a malloc'd
 * sentence that says what is wrong. */
char *nicd_port_add(struct agl_nicd *, const char *name, const char *device);
/* Removes it.  False if there is no such port. */
bool nicd_port_del(struct agl_nicd *, const char *name);

/* Registers nic/... with unixctl. */
void nicd_commands_init(struct agl_nicd *);

#endif /* nicd.h */
