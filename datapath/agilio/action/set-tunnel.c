/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set-tunnel.c - SET_TUNNEL: the tunnel's metadata, which the next pass sees.
 *
 * All of it is set, nothing stays.
 */

#include "action/tunnel.h"

static struct agilio_tunnel
tunnel_of(const struct agilio_action_set_tunnel *set)
{
    struct agilio_tunnel tnl;

    memcpy(&tnl, set->tunnel, sizeof tnl);
    return tnl;
}

static bool
check_set_tunnel(struct agilio_action *action, struct agl_check *check)
{
    const struct agilio_action_set_tunnel *set
        = (const struct agilio_action_set_tunnel *) action;
    uint32_t opts_len = tunnel_of(set).opts_len;

    if (opts_len % 4 || opts_len > AGILIO_MAX_TUNNEL_OPTS
        || agilio_from_le16(action->len) != sizeof *set + opts_len) {
        check->reason = "the options of a SET_TUNNEL have the wrong length";
        return false;
    }
    return true;
}

static void
run_set_tunnel(const struct agilio_action *action, struct agl_pkt *pkt)
{
    const struct agilio_action_set_tunnel *set
        = (const struct agilio_action_set_tunnel *) action;

    pkt->md.tunnel = tunnel_of(set);
    agl_tunnel_settle(&pkt->md.tunnel);
    memcpy(pkt->tun_opts, set + 1, pkt->md.tunnel.opts_len);
}

const struct agl_action_class agl_action_set_tunnel = {
    .len = sizeof(struct agilio_action_set_tunnel),
    .variable = true,
    .check = check_set_tunnel,
    .run = run_set_tunnel,
};
