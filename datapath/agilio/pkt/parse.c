/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - from a frame to its key: the fields that flows look at.
 *
 * The pipeline parses each received packet once, on its worker.  The key must
 * be what OVS's miniflow_extract() (lib/flow.c of 3.1) makes of the same
 * bytes, for packets that no sane host sends too: the host installs flows by
 * its own reading of a packet, and two readings would be two policies.
 * tests/agilio/test-parse-vs-ovs.c compares the two.
 *
 * A layer is read by a function that takes its header off a cursor.  When a
 * header is not whole or contradicts itself, the function returns false and
 * parsing ends; what was found until then stays in the key.
 */

#include "pkt/parse.h"
#include "pkt/headers.h"

/* What is left of the packet to be read. */
struct cursor {
    const uint8_t *p;
    uint32_t left;
};

/* Takes 'n' bytes off and returns them, NULL if there are fewer. */
static const uint8_t *
pull(struct cursor *c, uint32_t n)
{
    const uint8_t *p = c->p;

    if (c->left < n) {
        return NULL;
    }
    c->p += n;
    c->left -= n;
    return p;
}

/* ## -------- ##
 * ## Layer 2. ##
 * ## -------- ## */

/* Takes off the type, which the caller knows to be there, and the LLC header
 * if it is one that carries a type. */
static uint16_t
parse_eth_type(struct cursor *c)
{
    static const uint8_t snap[AGL_SNAP_TYPE] = { 0xaa, 0xaa, 0x03 };
    uint16_t type = agl_get_u16(pull(c, 2));

    if (type < AGL_TYPE_MIN && c->left >= AGL_SNAP_LEN
        && !memcmp(c->p, snap, sizeof snap)) {
        type = agl_get_u16(pull(c, AGL_SNAP_LEN) + AGL_SNAP_TYPE);
    }
    return type < AGL_TYPE_MIN ? AGL_TYPE_NONE : type;
}

static bool
parse_eth(struct cursor *c, uint32_t max_vlans, struct agilio_key *key)
{
    struct agilio_vlan *vlan = key->vlan;
    const uint8_t *eth, *tag;

    if (c->left < AGL_ETH_LEN) {
        return false;
    }
    eth = pull(c, AGL_ETH_ADDRS_LEN);
    memcpy(key->eth_dst, eth, sizeof key->eth_dst);
    memcpy(key->eth_src, eth + AGL_ETH_SRC, sizeof key->eth_src);

    /* A tag without a type after it is not a tag. */
    while (vlan < &key->vlan[max_vlans] && agl_is_vlan_type(agl_get_u16(c->p))
           && c->left >= AGL_VLAN_LEN + 2) {
        tag = pull(c, AGL_VLAN_LEN);
        vlan->tpid = agl_get_be16(tag);
        vlan->tci = agl_get_be16(tag + 2) | agilio_to_be16(AGL_VLAN_CFI);
        vlan++;
    }
    key->eth_type = agilio_to_be16(parse_eth_type(c));
    return true;
}

static void
parse_mpls(struct cursor *c, struct agilio_key *key)
{
    const uint8_t *lse;
    size_t n = 0;

    while ((lse = pull(c, AGL_MPLS_LEN))) {
        if (n < AGILIO_ARRAY_SIZE(key->mpls_lse)) {
            key->mpls_lse[n++] = agl_get_be32(lse);
        }
        if (agl_get_u32(lse) & AGL_MPLS_BOS) {
            break;
        }
    }
}

/* ## -------- ##
 * ## Layer 3. ##
 * ## -------- ## */

static void
parse_arp(struct cursor *c, struct agilio_key *key)
{
    static const uint8_t ipv4_on_ethernet[] = { 0, 1, 8, 0, 6, 4 };
    const uint8_t *arp = pull(c, AGL_ARP_LEN);
    uint16_t op;

    if (!arp || memcmp(arp, ipv4_on_ethernet, sizeof ipv4_on_ethernet)) {
        return;
    }
    op = agl_get_u16(arp + AGL_ARP_OP);
    key->nw_proto = op <= UINT8_MAX ? op : 0;
    key->nw_src = agl_get_be32(arp + AGL_ARP_SPA);
    key->nw_dst = agl_get_be32(arp + AGL_ARP_TPA);
    memcpy(key->arp_sha, arp + AGL_ARP_SHA, sizeof key->arp_sha);
    memcpy(key->arp_tha, arp + AGL_ARP_THA, sizeof key->arp_tha);
}

static bool
parse_ipv4(struct cursor *c, struct agilio_key *key)
{
    const uint8_t *ip = c->p;
    uint16_t len, total, frag;

    if (c->left < AGL_IPV4_LEN) {
        return false;
    }
    len = (ip[0] & 0x0f) * 4;
    total = agl_get_u16(ip + AGL_IPV4_TOTAL);
    if (len < AGL_IPV4_LEN || len > total || total > c->left) {
        return false;
    }
    c->left = total;            /* The rest of the frame is padding. */
    pull(c, len);

    frag = agl_get_u16(ip + AGL_IPV4_FRAG);
    if (frag & (AGL_IPV4_MORE | AGL_IPV4_OFS_MASK)) {
        key->nw_frag = AGL_FRAG_ANY
                       | (frag & AGL_IPV4_OFS_MASK ? AGL_FRAG_LATER : 0);
    }
    key->nw_src = agl_get_be32(ip + AGL_IPV4_SRC);
    key->nw_dst = agl_get_be32(ip + AGL_IPV4_DST);
    key->nw_tos = ip[AGL_IPV4_TOS];
    key->nw_ttl = ip[AGL_IPV4_TTL];
    key->nw_proto = ip[AGL_IPV4_PROTO];
    return true;
}

/* Takes the extension headers off.  '*proto' is the first header's kind on
 * entry, and what follows them on return; of a later fragment nothing more is
 * known than that it is one. */
static bool
parse_ipv6_exts(struct cursor *c, uint8_t *proto, uint8_t *frag)
{
    while (agl_is_ipv6_ext(*proto)) {
        const uint8_t *ext = c->p;
        uint8_t kind = *proto;
        uint16_t ofs;

        if (c->left < AGL_IPV6_EXT_MIN
            || !pull(c, agl_ipv6_ext_len(kind, ext))) {
            return false;
        }
        *proto = ext[0];
        ofs = agl_get_u16(ext + AGL_IPV6_FRAG_OFS);
        if (kind == AGL_PROTO_FRAGMENT && ofs) {
            *frag = AGL_FRAG_ANY;
            if (ofs & AGL_IPV6_OFS_MASK) {
                *frag |= AGL_FRAG_LATER;
                *proto = AGL_PROTO_FRAGMENT;
                return true;
            }
        }
    }
    return true;
}

static bool
parse_ipv6(struct cursor *c, struct agilio_key *key)
{
    const uint8_t *ip = pull(c, AGL_IPV6_LEN);
    uint8_t proto, frag = 0;
    uint32_t word;
    uint16_t plen;

    if (!ip) {
        return false;
    }
    plen = agl_get_u16(ip + AGL_IPV6_PLEN);
    if (plen > c->left) {
        return false;
    }
    c->left = plen;             /* The rest of the frame is padding. */

    memcpy(key->ipv6_src, ip + AGL_IPV6_SRC, sizeof key->ipv6_src);
    memcpy(key->ipv6_dst, ip + AGL_IPV6_DST, sizeof key->ipv6_dst);
    proto = ip[AGL_IPV6_NEXT];
    if (!parse_ipv6_exts(c, &proto, &frag)) {
        return false;
    }
    word = agl_get_u32(ip);
    key->ipv6_label = agilio_to_be32(word & AGL_IPV6_LABEL_MASK);
    key->nw_tos = (uint8_t) (word >> 20);
    key->nw_ttl = ip[AGL_IPV6_HLIMIT];
    key->nw_proto = proto;
    key->nw_frag = frag;
    return true;
}

/* What follows the base of an MD type other than 1 has no fields. */
static void
parse_nsh(struct cursor *c, struct agilio_key *key)
{
    const uint8_t *nsh = c->p;
    uint8_t mdtype;
    uint32_t len;
    uint16_t base;

    if (c->left < AGL_NSH_LEN) {
        return;
    }
    base = agl_get_u16(nsh);
    len = AGL_NSH_BYTES(base);
    mdtype = nsh[AGL_NSH_MDTYPE];
    if (AGL_NSH_VERSION(base) || len > c->left
        || (mdtype == AGL_NSH_MD1 && len != AGL_NSH_MD1_LEN)
        || (mdtype == AGL_NSH_MD2 && len < AGL_NSH_LEN)) {
        return;
    }
    key->nsh.flags = AGL_NSH_FLAGS(base);
    key->nsh.ttl = AGL_NSH_TTL(base);
    key->nsh.mdtype = mdtype;
    key->nsh.np = nsh[AGL_NSH_NEXT];
    key->nsh.path_hdr = agl_get_be32(nsh + AGL_NSH_PATH);
    if (mdtype == AGL_NSH_MD1) {
        memcpy(key->nsh.context, nsh + AGL_NSH_CONTEXT,
               sizeof key->nsh.context);
    }
}

/* True if there is a layer 4 to go on with. */
static bool
parse_l3(struct cursor *c, struct agilio_key *key)
{
    switch (agilio_from_be16(key->eth_type)) {
    case AGL_TYPE_IPV4:
        return parse_ipv4(c, key);
    case AGL_TYPE_IPV6:
        return parse_ipv6(c, key);
    case AGL_TYPE_ARP:
    case AGL_TYPE_RARP:
        parse_arp(c, key);
        return false;
    case AGL_TYPE_NSH:
        parse_nsh(c, key);
        return false;
    default:
        return false;
    }
}

/* ## -------- ##
 * ## Layer 4. ##
 * ## -------- ## */

static bool
is_zero_mac(const uint8_t mac[6])
{
    static const uint8_t zero[6];

    return !memcmp(mac, zero, sizeof zero);
}

/* The target and link-layer addresses of neighbour discovery.  The kind of the
 * first of those stands in for TCP flags, the flags for an IGMP group. */
static void
parse_nd(struct cursor *c, const uint8_t *nd, struct agilio_key *key)
{
    const uint8_t *target = pull(c, sizeof key->nd_target), *opt;

    key->igmp_group = agl_get_be32(nd + AGL_ND_FLAGS);
    if (!target) {
        return;
    }
    memcpy(key->nd_target, target, sizeof key->nd_target);

    while (c->left >= AGL_ND_OPT_UNIT && c->p[AGL_ND_OPT_UNITS]
           && (opt = pull(c, c->p[AGL_ND_OPT_UNITS] * AGL_ND_OPT_UNIT))) {
        uint8_t kind = opt[AGL_ND_OPT_TYPE];
        uint8_t *mac = kind == AGL_ND_OPT_SLL ? key->arp_sha : key->arp_tha;

        if (opt[AGL_ND_OPT_UNITS] != 1
            || (kind != AGL_ND_OPT_SLL && kind != AGL_ND_OPT_TLL)) {
            continue;
        }
        if (!is_zero_mac(mac)) {
            /* Given twice: then none of it is to be believed. */
            memset(key->nd_target, 0, sizeof key->nd_target);
            memset(key->arp_sha, 0, sizeof key->arp_sha);
            memset(key->arp_tha, 0, sizeof key->arp_tha);
            return;
        }
        memcpy(mac, opt + AGL_ND_OPT_MAC, sizeof key->arp_sha);
        if (!key->tcp_flags) {
            key->tcp_flags = agilio_to_be16(kind);
        }
    }
}

/* ICMP, ICMPv6 and IGMP. */
static void
parse_icmp(struct cursor *c, struct agilio_key *key)
{
    const uint8_t *icmp = pull(c, AGL_ICMP_LEN);
    uint8_t type, code;

    if (!icmp) {
        return;
    }
    type = icmp[AGL_ICMP_TYPE];
    code = icmp[AGL_ICMP_CODE];
    key->tp_src = agilio_to_be16(type);
    key->tp_dst = agilio_to_be16(code);
    if (key->nw_proto == AGL_PROTO_IGMP) {
        key->igmp_group = agl_get_be32(icmp + AGL_IGMP_GROUP);
    } else if (key->nw_proto == AGL_PROTO_ICMPV6 && !code
               && (type == AGL_ND_SOLICIT || type == AGL_ND_ADVERT)) {
        parse_nd(c, icmp, key);
    }
}

/* TCP, UDP and SCTP, whose headers take at least 'len' bytes. */
static void
parse_ports(struct cursor *c, uint32_t len, struct agilio_key *key)
{
    const uint8_t *l4 = c->p;

    if (c->left < len) {
        return;
    }
    if (key->nw_proto == AGL_PROTO_TCP) {
        uint16_t ctl = agl_get_u16(l4 + AGL_TCP_CTL);
        uint32_t tcp_len = (ctl >> 12) * 4;

        if (tcp_len < AGL_TCP_LEN || tcp_len > c->left) {
            return;
        }
        key->tcp_flags = agilio_to_be16(ctl & AGL_TCP_FLAGS_MASK);
    }
    key->tp_src = agl_get_be16(l4 + AGL_L4_SRC);
    key->tp_dst = agl_get_be16(l4 + AGL_L4_DST);
}

/* The protocol number says it all: IPv4 with ICMPv6 in it is read as such. */
static void
parse_l4(struct cursor *c, struct agilio_key *key)
{
    switch (key->nw_proto) {
    case AGL_PROTO_TCP:
        parse_ports(c, AGL_TCP_LEN, key);
        break;
    case AGL_PROTO_UDP:
        parse_ports(c, AGL_UDP_LEN, key);
        break;
    case AGL_PROTO_SCTP:
        parse_ports(c, AGL_SCTP_LEN, key);
        break;
    case AGL_PROTO_ICMP:
    case AGL_PROTO_IGMP:
    case AGL_PROTO_ICMPV6:
        parse_icmp(c, key);
        break;
    default:
        break;
    }
}

void
agl_parse(struct agl_pkt *pkt, const struct agl_parse_options *options,
          struct agilio_key *key)
{
    struct cursor c = { pkt->data, pkt->len };
    uint16_t eth_type;
    bool has_l4;

    memset(key, 0, sizeof *key);
    key->md = pkt->md;
    memcpy(key->tun_opts, pkt->tun_opts, pkt->md.tunnel.opts_len);
    pkt->l2_5_ofs = pkt->l3_ofs = pkt->l4_ofs = AGL_OFS_NONE;
    pkt->l4_len = pkt->pad_len = 0;
    pkt->tcp_flags = 0;
    pkt->options = options;

    if (pkt->md.packet_type) {
        /* No Ethernet header; the low half is the type of what there is. */
        eth_type = (uint16_t) agilio_from_be32(pkt->md.packet_type);
        key->eth_type = agilio_to_be16(eth_type);
    } else if (!parse_eth(&c, options->max_vlans, key)) {
        return;
    }
    eth_type = agilio_from_be16(key->eth_type);
    if (eth_type == AGL_TYPE_MPLS || eth_type == AGL_TYPE_MPLS_MCAST) {
        pkt->l2_5_ofs = c.p - pkt->data;
        parse_mpls(&c, key);
    }
    pkt->l3_ofs = c.p - pkt->data;
    pkt->l3_type = eth_type;
    has_l4 = parse_l3(&c, key);
    pkt->pad_len = pkt->len - (c.p - pkt->data) - c.left;
    if (!has_l4) {
        return;
    }
    pkt->l4_ofs = c.p - pkt->data;
    pkt->l4_len = c.left;
    if (!(key->nw_frag & AGL_FRAG_LATER)) {
        parse_l4(&c, key);
        pkt->tcp_flags = agilio_from_be16(key->tcp_flags);
    }
}
