/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-tunnels.c - random tunnel actions.
 *
 * The header that is pushed is the one that OVS's netdev_build_header() makes
 * for a random tunnel of a random configuration, as ofproto has it made.  What
 * is popped has the protocol and, mostly, the UDP port of the tunnel, which
 * ofproto matches on too.
 */

#include <config.h>

#include "differential.h"

#include "flow.h"
#include "netdev.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "smap.h"
#include "util.h"

#include "check.h"

const struct diff_tunnel diff_tunnels[DIFF_N_TUNNELS] = {
    { "vxlan", AGILIO_TUNNEL_VXLAN, IPPROTO_UDP, DIFF_VXLAN_PORT },
    { "geneve", AGILIO_TUNNEL_GENEVE, IPPROTO_UDP, DIFF_GENEVE_PORT },
    { "gre", AGILIO_TUNNEL_GRE, IPPROTO_GRE, 0 },
    { "ip6gre", AGILIO_TUNNEL_GRE, IPPROTO_GRE, 0 },
    { "erspan", AGILIO_TUNNEL_ERSPAN, IPPROTO_GRE, 0 },
    { "ip6erspan", AGILIO_TUNNEL_ERSPAN, IPPROTO_GRE, 0 },
    { "gtpu", AGILIO_TUNNEL_GTPU, IPPROTO_UDP, GTPU_DST_PORT },
};

/* Tunnels as an operator configures them; a third option, or none. */
static struct builder {
    uint32_t tunnel;            /* In diff_tunnels[]. */
    const char *option, *value;
    struct netdev *netdev;
} builders[] = {
    { 0, NULL, NULL, NULL },
    { 0, "exts", "gpe", NULL },
    { 1, NULL, NULL, NULL },
    { 2, NULL, NULL, NULL },
    { 2, "seq", "true", NULL },
    { 3, NULL, NULL, NULL },
    { 4, "erspan_ver", "flow", NULL },
    { 5, "erspan_ver", "flow", NULL },
    { 6, NULL, NULL, NULL },
    { 6, "seq", "true", NULL },
};

void
diff_tunnels_start(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(builders); i++) {
        struct builder *b = &builders[i];
        struct smap args = SMAP_INITIALIZER(&args);
        char name[] = { 'b', '0' + i, '\0' };
        char *error = NULL;

        smap_add(&args, "remote_ip", "flow");
        smap_add(&args, "key", "flow");
        if (b->option) {
            smap_add(&args, b->option, b->value);
        }
        CHECK(!netdev_open(name, diff_tunnels[b->tunnel].netdev_type,
                           &b->netdev));
        CHECK(!netdev_set_config(b->netdev, &args, &error));
        CHECK(!error);
        smap_destroy(&args);
    }
}

/* ## ------ ##
 * ## Tunnel ##
 * ## ------ ## */

static void
random_ends(struct flow_tnl *tnl)
{
    if (diff_random(2)) {
        tnl->ip_src = htonl(0x0a000001);
        tnl->ip_dst = htonl(0x0a000100 + diff_random(256));
    } else {
        diff_random_field(&tnl->ipv6_src, sizeof tnl->ipv6_src);
        diff_random_field(&tnl->ipv6_dst, sizeof tnl->ipv6_dst);
        tnl->ipv6_dst.s6_addr[0] = 0xfd;
    }
}

static void
random_options(struct flow_tnl *tnl)
{
    tnl->metadata.present.len = 4 * diff_random(diff_random(4) ? 5 : 64);
    diff_random_field(tnl->metadata.opts.gnv, tnl->metadata.present.len);
    if (tnl->metadata.present.len) {
        tnl->flags |= FLOW_TNL_F_UDPIF;
    }
}

static void
random_tunnel(struct flow_tnl *tnl)
{
    memset(tnl, 0, sizeof *tnl);
    random_ends(tnl);
    tnl->tun_id = htonll(diff_random(1 << 24));
    tnl->ip_tos = diff_random(256);
    tnl->ip_ttl = diff_random(256);
    tnl->flags = (diff_random(2) ? FLOW_TNL_F_KEY : 0)
                 | (diff_random(2) ? FLOW_TNL_F_CSUM : 0)
                 | (diff_random(2) ? FLOW_TNL_F_DONT_FRAGMENT : 0)
                 | (diff_random(2) ? FLOW_TNL_F_OAM : 0);
    tnl->erspan_ver = 1 + diff_random(2);
    tnl->erspan_idx = tnl->erspan_ver == 1 ? diff_random(1 << 20) : 0;
    tnl->erspan_dir = tnl->erspan_ver == 2 ? diff_random(2) : 0;
    tnl->erspan_hwid = tnl->erspan_ver == 2 ? diff_random(64) : 0;
}

/* ## ---- ##
 * ## Push ##
 * ## ---- ## */

/* As netdev_build_header() would have it from options that OpenFlow knows. */
static void
add_geneve_options(struct ovs_action_push_tnl *data)
{
    uint8_t *end = (uint8_t *) data->header + data->header_len;
    struct genevehdr *gnh = (void *) (end - sizeof *gnh);
    uint32_t n = diff_random(diff_random(4) ? 5 : 64);

    gnh->opt_len = n;
    diff_random_field(end, 4 * n);
    data->header_len += 4 * n;
}

static bool
build(const struct diff_maker *m, struct ovs_action_push_tnl *data)
{
    const struct builder *b = &builders[diff_random(ARRAY_SIZE(builders))];
    struct flow flow = { .packet_type = htonl(m->packet_type) };
    struct netdev_tnl_build_header_params params;
    struct eth_addr macs[2];
    struct in6_addr src;

    random_tunnel(&flow.tunnel);
    diff_random_field(macs, sizeof macs);
    src = flow.tunnel.ipv6_src;
    if (flow.tunnel.ip_dst) {
        in6_addr_set_mapped_ipv4(&src, flow.tunnel.ip_src);
    }
    if (diff_tunnels[b->tunnel].nic == AGILIO_TUNNEL_ERSPAN) {
        flow.tunnel.tun_id = htonll(diff_random(1024));
    }
    netdev_init_tnl_build_header_params(&params, &flow, &src, macs[0],
                                        macs[1]);
    memset(data, 0, sizeof *data);
    if (netdev_build_header(b->netdev, data, &params)) {
        return false;
    }
    if (diff_tunnels[b->tunnel].nic == AGILIO_TUNNEL_GENEVE) {
        add_geneve_options(data);
    }
    data->tnl_port = u32_to_odp(DIFF_TUNNEL(b->tunnel));
    data->out_port = ODPP_LOCAL;
    return true;
}

static void
put_push(struct diff_maker *m, const struct ovs_action_push_tnl *data)
{
    const struct eth_header *eth = (const void *) data->header;
    const struct diff_tunnel *tunnel
        = &diff_tunnels[odp_to_u32(data->tnl_port) - DIFF_TUNNEL(0)];

    nl_msg_put_unspec(m->odp, OVS_ACTION_ATTR_TUNNEL_PUSH, data,
                      offsetof(struct ovs_action_push_tnl, header)
                      + data->header_len);
    diff_forget(m, PT_ETH);
    m->has_l3 = true;
    m->dl_type = ntohs(eth->eth_type);
    m->proto = tunnel->proto;
}

/* Mostly in a clone, in which the output follows. */
bool
diff_make_tunnel_push(struct diff_maker *m)
{
    struct ovs_action_push_tnl data;
    struct diff_maker inner = *m;
    size_t ofs;

    if (m->no_hash || !build(m, &data)) {
        return false;
    }
    if (!diff_random(4)) {
        put_push(m, &data);
        return true;
    }
    ofs = nl_msg_start_nested(m->odp, OVS_ACTION_ATTR_CLONE);
    inner.depth++;
    put_push(&inner, &data);
    if (!diff_random(4)) {
        size_t size = m->odp->size;

        if (!diff_make_any(&inner)) {
            m->odp->size = size;
        }
    }
    diff_make_output(&inner);
    nl_msg_end_nested(m->odp, ofs);
    return true;
}

/* ## --------- ##
 * ## The others ##
 * ## --------- ## */

static bool
need_tunnel(struct diff_maker *m, const struct diff_tunnel *tunnel)
{
    const struct flow *flow = &m->match->flow;

    if (tunnel->proto == IPPROTO_UDP) {
        return (!m->l3 || flow->tp_dst == htons(tunnel->udp_port)
                || !diff_random(8))
               && (diff_need_l4(m, ETH_TYPE_IP, IPPROTO_UDP)
                   || diff_need_l4(m, ETH_TYPE_IPV6, IPPROTO_UDP));
    }
    if (!m->l3) {
        return m->proto == tunnel->proto;
    }
    return flow->nw_proto == tunnel->proto
           && !(flow->nw_frag & FLOW_NW_FRAG_LATER)
           && (diff_need_l3(m, ETH_TYPE_IP) || diff_need_l3(m, ETH_TYPE_IPV6))
           && DIFF_NEED(m, nw_frag);
}

bool
diff_make_tunnel_pop(struct diff_maker *m)
{
    uint32_t i = diff_random(DIFF_N_TUNNELS);

    if (m->packet_type != PT_ETH || !need_tunnel(m, &diff_tunnels[i])) {
        return false;
    }
    nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_TUNNEL_POP, DIFF_TUNNEL(i));
    return true;
}

/* What ofproto makes for a tunnel's packets, by their port, which is no more
 * than this. */
bool
diff_make_only_pop(struct diff_maker *m)
{
    ovs_be16 port = m->match->flow.tp_dst;

    for (uint32_t i = 0; i < DIFF_N_TUNNELS; i++) {
        const struct diff_tunnel *tunnel = &diff_tunnels[i];

        if (tunnel->udp_port && port == htons(tunnel->udp_port)
            && m->packet_type == PT_ETH && need_tunnel(m, tunnel)
            && DIFF_NEED(m, tp_dst)) {
            nl_msg_put_u32(m->odp, OVS_ACTION_ATTR_TUNNEL_POP,
                           DIFF_TUNNEL(i));
            return true;
        }
    }
    return false;
}

bool
diff_make_set_tunnel(struct diff_maker *m)
{
    struct flow_tnl tnl;

    random_tunnel(&tnl);
    if (diff_random(2)) {
        tnl.tp_src = htons(diff_random(65536));
        tnl.tp_dst = htons(diff_random(65536));
    }
    switch (diff_random(4)) {
    case 0:
        random_options(&tnl);
        break;
    case 1:
        tnl.gbp_id = htons(diff_random(65536));
        tnl.gbp_flags = diff_random(256);
        break;
    case 2:
        tnl.gtpu_flags = diff_random(256);
        tnl.gtpu_msgtype = diff_random(256);
        break;
    }
    odp_put_tunnel_action(&tnl, m->odp, NULL);
    return true;
}
