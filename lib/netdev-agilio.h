/* SPDX-License-Identifier: Apache-2.0 */
/* netdev-agilio.h - representors of NIC ports, for the offload provider. */

#ifndef NETDEV_AGILIO_H
#define NETDEV_AGILIO_H 1

#include <stdbool.h>
#include <stdint.h>

struct netdev;

bool netdev_is_agilio(const struct netdev *);

/* The id of the NIC port behind 'netdev', AGILIO_PORT_NONE while the NIC does
 * not have it. */
uint32_t netdev_agilio_port_id(const struct netdev *);

#endif /* netdev-agilio.h */
