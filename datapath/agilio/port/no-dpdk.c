/* SPDX-License-Identifier: Apache-2.0 */
/* port/no-dpdk.c - stands in for dpdk.c in a build without DPDK. */

#include "port/dpdk.h"

#include <errno.h>

#include "port/common.h"

void
agl_dpdk_set_args(const char *args)
{
    (void) args;
}

static int
no_open(const char *name, const char *arg, uint32_t n_workers,
        struct agl_dev **devp, char **error)
{
    (void) name;
    (void) arg;
    (void) n_workers;
    (void) devp;
    return agl_dev_fail(error, ENOTSUP,
                        "dpdk: this NIC was built without DPDK");
}

const struct agl_dev_class agl_dev_dpdk = {
    .type = "dpdk",
    .usage = "DEVARGS (a DPDK device; not in this build)",
    .open = no_open,
};
