/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/classes.c - the port drivers that this NIC was built with.
 *
 * A new driver is one file and one row here.
 */

#include "port/port.h"

const struct agl_dev_class *const agl_dev_classes[] = {
    &agl_dev_afpacket,
    &agl_dev_tap,
    &agl_dev_unix,
    &agl_dev_pcap,
    &agl_dev_vf,
    &agl_dev_dpdk,
    NULL,
};
