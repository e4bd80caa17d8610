/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-tunnel.c - tunnels become TUNNEL_PUSH, TUNNEL_POP and SET_TUNNEL.
 *
 * In the userspace datapath a packet gets into a tunnel by an action that has
 * the whole header, and out of it by one that names the tunnel's port, from
 * which it is then looked up again.  Of what kind the tunnel is, OVS decides
 * by the class of that port's netdev, and so do we.
 *
 * A UDP source port is chosen in the range that tnl/egress_port_range sets.
 * The range goes into the program; agilio.c has all flows translated again
 * when it changes.
 */

#include <config.h>

#include "agilio-tunnel.h"

#include "agilio-actions.h"
#include "flow.h"
#include "netdev-native-tnl.h"
#include "netdev-provider.h"
#include "netdev-vport.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "packets.h"
#include "util.h"

#define NOT_KNOWN "tunnel: not known"
#define SEQUENCE_NUMBERS "tunnel: sequence numbers"

enum agilio_tunnel_type
agilio_tunnel_type(const struct netdev *netdev)
{
    static const struct {
        const char *netdev_type;
        enum agilio_tunnel_type type;
    } types[] = {
        { "vxlan", AGILIO_TUNNEL_VXLAN },
        { "geneve", AGILIO_TUNNEL_GENEVE },
        { "gre", AGILIO_TUNNEL_GRE },
        { "ip6gre", AGILIO_TUNNEL_GRE },
        { "erspan", AGILIO_TUNNEL_ERSPAN },
        { "ip6erspan", AGILIO_TUNNEL_ERSPAN },
        { "gtpu", AGILIO_TUNNEL_GTPU },
    };

    if (netdev_vport_is_vport_class(netdev->netdev_class)) {
        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
            if (!strcmp(netdev_get_type(netdev), types[i].netdev_type)) {
                return types[i].type;
            }
        }
    }
    return AGILIO_TUNNEL_NONE;
}

/* Whether OVS writes a sequence number into this header, which is well formed
 * or will be refused by the NIC. */
static bool
has_sequence_number(enum agilio_tunnel_type type, const uint8_t *header,
                    size_t len)
{
    size_t l4 = (ETH_HEADER_LEN + (netdev_tnl_is_header_ipv6(header)
                                   ? IPV6_HEADER_LEN : IP_HEADER_LEN));
    struct gre_base_hdr gre;

    switch (type) {
    case AGILIO_TUNNEL_ERSPAN:
        return true;
    case AGILIO_TUNNEL_GTPU:
        return len > l4 + UDP_HEADER_LEN + sizeof(struct gtpuhdr);
    case AGILIO_TUNNEL_GRE:
        if (len < l4 + sizeof gre) {
            return false;
        }
        memcpy(&gre, header + l4, sizeof gre);
        return gre.flags & htons(GRE_SEQ);
    case AGILIO_TUNNEL_VXLAN:
    case AGILIO_TUNNEL_GENEVE:
    case AGILIO_TUNNEL_NONE:
    case AGILIO_N_TUNNELS:
    default:
        return false;
    }
}

const char *
agilio_translate_tunnel_push(struct translation *t, const struct nlattr *a)
{
    const size_t head_len = offsetof(struct ovs_action_push_tnl, header);
    const struct ovs_action_push_tnl *data = nl_attr_get(a);
    struct agilio_action_tunnel_push push = { .type = 0 };
    const uint8_t *header = (const uint8_t *) data->header;
    struct agilio_port_ref out_port, tunnel;
    size_t size = nl_attr_get_size(a);

    if (size < head_len || data->header_len > size - head_len
        || data->header_len < ETH_HEADER_LEN
        || data->header_len > TNL_PUSH_HEADER_SIZE) {
        return MALFORMED;
    }
    tunnel = t->lookup(data->tnl_port, t->aux);
    out_port = t->lookup(data->out_port, t->aux);
    if (!tunnel.tunnel || !(out_port.id & AGILIO_PORT_HOST)) {
        return NOT_KNOWN;
    }
    if (has_sequence_number(tunnel.tunnel, header, data->header_len)) {
        return SEQUENCE_NUMBERS;
    }
    push.type = agilio_to_le32(tunnel.tunnel);
    push.port = agilio_to_le32(out_port.id);
    push.header_len = agilio_to_le16(data->header_len);
    push.udp_min = agilio_to_le16(tnl_udp_port_min);
    push.udp_max = agilio_to_le16(tnl_udp_port_max);
    agilio_put_action(t, AGILIO_ACTION_TUNNEL_PUSH, &push, sizeof push,
                      header, data->header_len);
    return NULL;
}

const char *
agilio_translate_tunnel_pop(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_tunnel_pop pop = { .type = 0 };
    struct agilio_port_ref tunnel;

    if (nl_attr_get_size(a) != sizeof(odp_port_t)) {
        return MALFORMED;
    }
    tunnel = t->lookup(nl_attr_get_odp_port(a), t->aux);
    if (!tunnel.tunnel) {
        return NOT_KNOWN;
    }
    pop.type = agilio_to_le32(tunnel.tunnel);
    pop.port = agilio_to_le32(tunnel.id);
    agilio_put_action(t, AGILIO_ACTION_TUNNEL_POP, &pop, sizeof pop, NULL, 0);
    return NULL;
}

/* ## ----------- ##
 * ## set(tunnel) ##
 * ## ----------- ## */

/* OVS 3.1 does not look at the length of most attributes, and aborts or writes
 * too far if it is wrong. */
static bool
is_sound_attr(uint16_t type, size_t size)
{
    static const uint8_t sizes[] = {
        [OVS_TUNNEL_KEY_ATTR_ID] = sizeof(ovs_be64),
        [OVS_TUNNEL_KEY_ATTR_IPV4_SRC] = sizeof(ovs_be32),
        [OVS_TUNNEL_KEY_ATTR_IPV4_DST] = sizeof(ovs_be32),
        [OVS_TUNNEL_KEY_ATTR_TOS] = 1,
        [OVS_TUNNEL_KEY_ATTR_TTL] = 1,
        [OVS_TUNNEL_KEY_ATTR_TP_SRC] = sizeof(ovs_be16),
        [OVS_TUNNEL_KEY_ATTR_TP_DST] = sizeof(ovs_be16),
        [OVS_TUNNEL_KEY_ATTR_IPV6_SRC] = sizeof(struct in6_addr),
        [OVS_TUNNEL_KEY_ATTR_IPV6_DST] = sizeof(struct in6_addr),
        [OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS] = sizeof(struct erspan_metadata),
        [OVS_TUNNEL_KEY_ATTR_GTPU_OPTS] = sizeof(struct gtpu_metadata),
    };

    if (type == OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS) {
        return size <= AGILIO_MAX_TUNNEL_OPTS && size % 4 == 0;
    }
    return type >= ARRAY_SIZE(sizes) || !sizes[type] || sizes[type] == size;
}

static bool
parse_tunnel(const struct nlattr *a, struct flow_tnl *tnl)
{
    enum odp_key_fitness fitness;
    const struct nlattr *nested;
    char *error = NULL;
    size_t left;

    NL_NESTED_FOR_EACH (nested, left, a) {
        if (!is_sound_attr(nl_attr_type(nested), nl_attr_get_size(nested))) {
            return false;
        }
    }
    fitness = odp_tun_key_from_attr(a, tnl, &error);
    free(error);
    return fitness != ODP_FIT_ERROR;
}

static struct agilio_tunnel
make_tunnel(const struct flow_tnl *tnl)
{
    struct agilio_tunnel ours = {
        .id = (OVS_FORCE agilio_be64) tnl->tun_id,
        .ip_src = (OVS_FORCE agilio_be32) tnl->ip_src,
        .ip_dst = (OVS_FORCE agilio_be32) tnl->ip_dst,
        .flags = agilio_to_le16(tnl->flags),
        .tos = tnl->ip_tos,
        .ttl = tnl->ip_ttl,
        .tp_src = (OVS_FORCE agilio_be16) tnl->tp_src,
        .tp_dst = (OVS_FORCE agilio_be16) tnl->tp_dst,
        .gbp_id = (OVS_FORCE agilio_be16) tnl->gbp_id,
        .gbp_flags = tnl->gbp_flags,
        .opts_len = tnl->metadata.present.len,
        .erspan_idx = agilio_to_le32(tnl->erspan_idx),
        .erspan_ver = tnl->erspan_ver,
        .erspan_dir = tnl->erspan_dir,
        .erspan_hwid = tnl->erspan_hwid,
        .gtpu_flags = tnl->gtpu_flags,
        .gtpu_msgtype = tnl->gtpu_msgtype,
    };

    memcpy(ours.ipv6_src, &tnl->ipv6_src, sizeof ours.ipv6_src);
    memcpy(ours.ipv6_dst, &tnl->ipv6_dst, sizeof ours.ipv6_dst);
    return ours;
}

const char *
agilio_translate_set_tunnel(struct translation *t, const struct nlattr *a)
{
    struct agilio_action_set_tunnel set;
    struct agilio_tunnel tunnel;
    struct flow_tnl tnl;

    if (!parse_tunnel(a, &tnl)) {
        return MALFORMED;
    }
    tunnel = make_tunnel(&tnl);
    memcpy(set.tunnel, &tunnel, sizeof set.tunnel);
    agilio_put_action(t, AGILIO_ACTION_SET_TUNNEL, &set, sizeof set,
                      tnl.metadata.opts.gnv, tunnel.opts_len);
    return NULL;
}
