/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-tunnel.h - which datapath ports are tunnels that the NIC can do. */

#ifndef AGILIO_TUNNEL_H
#define AGILIO_TUNNEL_H 1

#include "agilio/abi.h"

struct netdev;

/* The kind of tunnel that 'netdev' is; AGILIO_TUNNEL_NONE if it is something
 * else, or one that the userspace datapath cannot do. */
enum agilio_tunnel_type agilio_tunnel_type(const struct netdev *);

#endif /* agilio-tunnel.h */
