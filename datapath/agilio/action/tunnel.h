/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.h - what the actions of tunnels share. */

#ifndef AGL_ACTION_TUNNEL_H
#define AGL_ACTION_TUNNEL_H 1

#include "action/program.h"
#include "pkt/csum.h"
#include "pkt/tunnel.h"

/* For check(): whether a packet can be in a tunnel of 'type', and then come
 * from 'port', which is one of the host's: a packet that resumes there comes
 * from such a port or from the one that it was received on. */
static inline bool
agl_check_tunnel(struct agl_check *check, agilio_le32 type, agilio_le32 port)
{
    uint32_t t = agilio_from_le32(type);

    if (t == AGILIO_TUNNEL_NONE || t >= AGILIO_N_TUNNELS) {
        check->reason = "the NIC does not know a type of tunnel";
        return false;
    }
    if (!(agilio_from_le32(port) & AGILIO_PORT_HOST)) {
        check->reason = "a tunnel's port is not one of the host's";
        return false;
    }
    return true;
}

#endif /* action/tunnel.h */
