/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */
/*
 * abi.h - all that a NIC and its host agree on.  This file is the ABI's
 * document; ring.h has the rings, msg.h the control messages.
 *
 * A "function" is one shared-memory region plus doorbells: BAR2 and MSI-X of
 * an ivshmem PCI device for a VM, a mapped fd and eventfds for a process (both
 * by the ivshmem server protocol on one Unix socket).  The physical function
 * (PF) controls the NIC; a virtual function (VF) only has packets.
 *
 *     region                                           offsets are in bytes
 *     +--------------------------+ 0
 *     | struct agilio_region     |  identity, offsets, NIC state, clock
 *     +--------------------------+ control[0].ring_ofs ...
 *     | control rings            |  host to NIC, NIC to host         (PF only)
 *     +--------------------------+ ports_ofs
 *     | struct agilio_port[]     |  what ports there are
 *     +--------------------------+ port_stats_ofs
 *     | struct agilio_port_stats |  one row of n_ports per worker
 *     +--------------------------+ counters_ofs
 *     | agilio_le64[]            |  AGILIO_COUNTERS, one row per worker
 *     +--------------------------+ flows_ofs
 *     | struct agilio_flow_stats |  one row of max_flows per worker  (PF only)
 *     +--------------------------+ meters_ofs
 *     | struct agilio_meter_stats|  max_meters of them               (PF only)
 *     +--------------------------+ bonds_ofs
 *     | struct agilio_bond_stats |  one row of max_bonds per worker  (PF only)
 *     +--------------------------+ qps_ofs
 *     | struct agilio_qp[]       |  one queue pair per port
 *     +--------------------------+
 *     | packet rings             |
 *     +--------------------------+ region_size
 *
 * Who writes what: the NIC writes everything but the host's half of each ring
 * and struct agilio_region's host line.  Neither side believes what it reads
 * from memory that the other can write: it copies once, checks the copy, and
 * uses only the copy.
 */

#ifndef AGILIO_ABI_H
#define AGILIO_ABI_H 1

#include "agilio/platform.h"
#include "agilio/ring.h"

/* ## ------- ##
 * ## Region. ##
 * ## ------- ## */

#define AGILIO_MAGIC UINT64_C(0x31304f494c494741)       /* "AGILIO01" */
#define AGILIO_ABI_MIN 3
#define AGILIO_ABI_MAX 3

/* Feature bits; what both sides have is negotiated in HELLO. */
#define AGILIO_F_TRACE (UINT64_C(1) << 0)               /* TRACKER_DUMP. */
#define AGILIO_FEATURES AGILIO_F_TRACE

enum agilio_function_type {
    AGILIO_FUNCTION_PF = 1,
    AGILIO_FUNCTION_VF = 2,
};

enum agilio_nic_state {
    AGILIO_NIC_BOOTING = 0,
    AGILIO_NIC_READY = 1,
    AGILIO_NIC_STOPPED = 2,
};

/* ivshmem peer ids and doorbell vectors, the same in both directions. */
#define AGILIO_PEER_NIC 0
#define AGILIO_PEER_HOST 1
enum agilio_vector {
    AGILIO_VECTOR_CONTROL = 0,
    AGILIO_VECTOR_PACKETS = 1,
    AGILIO_N_VECTORS
};

/* Where a ring lies. */
struct agilio_ring_place {
    agilio_le64 ring_ofs;       /* struct agilio_ring. */
    agilio_le64 body_ofs;       /* Its granules. */
    agilio_le32 n_granules;     /* A power of two. */
    agilio_le32 pad;
};
AGILIO_ASSERT_SIZE(struct agilio_ring_place, 24);

/* The head of the region.  The first 64 bytes hold still for all versions. */
struct agilio_region {
    agilio_le64 magic;          /* AGILIO_MAGIC. */
    agilio_le16 abi_min;        /* Versions that the NIC speaks. */
    agilio_le16 abi_max;
    agilio_le32 type;           /* enum agilio_function_type. */
    agilio_le64 features;       /* AGILIO_F_*: what the NIC can do. */
    agilio_le64 region_size;
    agilio_le64 boot_id;        /* Random; another one is another NIC. */
    uint8_t pad0[24];

    /* Line 1: geometry, constant while the function lives. */
    agilio_le64 ports_ofs;
    agilio_le64 counters_ofs;
    agilio_le64 flows_ofs;
    agilio_le64 qps_ofs;
    agilio_le32 n_ports;        /* Entries at ports_ofs. */
    agilio_le32 n_counters;     /* Of a row; >= what we know, or less. */
    agilio_le32 max_flows;      /* Flow ids run from 0 to max_flows - 1. */
    agilio_le32 n_workers;
    agilio_le32 n_qps;
    agilio_le32 max_masks;
    agilio_le32 max_meters;     /* Slots for meters... */
    agilio_le32 max_bonds;      /* ...and for bonds. */

    /* Line 2: the control rings, [0] host to NIC, [1] NIC to host. */
    struct agilio_ring_place control[2];
    agilio_le64 meters_ofs;
    agilio_le64 bonds_ofs;

    /* Written by the NIC as it runs. */
    agilio_le32 state;          /* enum agilio_nic_state. */
    agilio_le32 port_seq;       /* Changes whenever a port's entry does. */
    agilio_le64 clock;          /* NIC time, ns since it started. */
    agilio_le64 heartbeat;      /* Rises while the control thread lives. */
    agilio_le64 port_stats_ofs; /* Constant, as on line 1. */
    uint8_t pad3[32];

    /* Written by the host. */
    agilio_le64 host_epoch;     /* As in its last HELLO; 0 = no host. */
    uint8_t pad4[56];
};
AGILIO_ASSERT_SIZE(struct agilio_region, 320);
AGILIO_ASSERT_OFFSET(struct agilio_region, ports_ofs, 64);
AGILIO_ASSERT_OFFSET(struct agilio_region, control, 128);
AGILIO_ASSERT_OFFSET(struct agilio_region, meters_ofs, 176);
AGILIO_ASSERT_OFFSET(struct agilio_region, state, 192);
AGILIO_ASSERT_OFFSET(struct agilio_region, host_epoch, 256);

/* ## ------ ##
 * ## Ports. ##
 * ## ------ ##
 *
 * A port id names a port for the NIC's whole life: the slot in the port table
 * in the low half, the slot's incarnation (15 bits, never 0) in the high half.
 * A flow that names a port that is gone can therefore not hit a new one by
 * accident.  0 is no port.
 *
 * A datapath port that is not on the NIC has an id as well, with the top bit
 * set: the host's number for it, which tells the NIC nothing.  A packet that
 * was decapsulated comes from such a port, the tunnel's. */

#define AGILIO_MAX_PORTS 64
#define AGILIO_PORT_NAME_LEN 32
#define AGILIO_PORT_NONE 0
#define AGILIO_PORT_HOST (UINT32_C(1) << 31)
#define AGILIO_MAX_INCARNATION 0x7fff

static inline uint32_t
agilio_port_slot(uint32_t port_id)
{
    return port_id & 0xffff;
}

static inline uint32_t
agilio_port_id(uint32_t slot, uint32_t incarnation)
{
    return incarnation << 16 | slot;
}

#define AGILIO_PORT_ADMIN_UP (1u << 0)  /* The host wants it up. */
#define AGILIO_PORT_LINK_UP (1u << 1)   /* There is carrier. */

/* One per port slot and worker, written by the worker.  The host sums the
 * workers' rows. */
struct agilio_port_stats {
    agilio_le64 rx_packets;
    agilio_le64 rx_bytes;
    agilio_le64 rx_dropped;
    agilio_le64 rx_errors;
    agilio_le64 tx_packets;
    agilio_le64 tx_bytes;
    agilio_le64 tx_dropped;
    agilio_le64 tx_errors;
};
AGILIO_ASSERT_SIZE(struct agilio_port_stats, 64);

struct agilio_port {
    agilio_le32 seq;            /* Odd while the NIC is writing the line. */
    agilio_le32 id;             /* AGILIO_PORT_NONE: the slot is empty. */
    agilio_le32 flags;          /* AGILIO_PORT_*. */
    agilio_le32 mtu;            /* Bytes of IP packet. */
    agilio_le32 speed;          /* Mb/s, 0 if not known. */
    uint8_t mac[6];
    uint8_t pad0[6];
    char name[AGILIO_PORT_NAME_LEN];    /* Null-padded and -terminated. */
};
AGILIO_ASSERT_SIZE(struct agilio_port, 64);

/* A queue pair carries packets between one port and the host: what the port
 * received and the NIC could not finish, and what the host sends. */
struct agilio_qp {
    agilio_le32 port_slot;
    agilio_le32 worker;         /* That owns the port. */
    struct agilio_ring_place to_host;
    struct agilio_ring_place from_host;
    uint8_t pad[8];
};
AGILIO_ASSERT_SIZE(struct agilio_qp, 64);

/* ## --------- ##
 * ## Metadata. ##
 * ## --------- ##
 *
 * What is known of a packet beyond its bytes.  The meaning of each member is
 * that of the same-named one of OVS's struct flow and struct flow_tnl.  In a
 * packet that comes fresh from a wire all is 0 but in_port.
 *
 *           0       1       2       3       4       5       6       7
 *       +-------------------------------+-------------------------------+
 *  w0   | in_port                       | recirc_id                     |
 *  w1   | dp_hash                       | skb_priority                  |
 *  w2   | pkt_mark                      | packet_type                   |
 *       +-------------------------------+-------------------------------+
 *  w3   | tunnel.id                                                     |
 *  w4   | ip_src                        | ip_dst                        |
 *  w5-6 | ipv6_src                                                      |
 *  w7-8 | ipv6_dst                                                      |
 *  w9   | flags         | tos   | ttl   | tp_src        | tp_dst        |
 *  w10  | gbp_id        |gbp_fl.|opts_l.| erspan_idx                    |
 *  w11  |ersp_v.|ersp_d.|ersp_h.|gtpu_f.|gtpu_m.| 0                     |
 *       +---------------------------------------------------------------+ */

#define AGILIO_MAX_TUNNEL_OPTS 252      /* Bytes of Geneve options. */

/* The tunnel that a packet came out of; without one, all of it is 0. */
struct agilio_tunnel {
    agilio_be64 id;
    agilio_be32 ip_src, ip_dst;
    uint8_t ipv6_src[16], ipv6_dst[16];
    agilio_le16 flags;          /* FLOW_TNL_F_*. */
    uint8_t tos, ttl;
    agilio_be16 tp_src, tp_dst;
    agilio_be16 gbp_id;
    uint8_t gbp_flags;
    uint8_t opts_len;           /* Bytes of Geneve options; they stand where
                                 * this struct's user says. */
    agilio_le32 erspan_idx;
    uint8_t erspan_ver, erspan_dir, erspan_hwid;
    uint8_t gtpu_flags, gtpu_msgtype;
    uint8_t pad[3];
};
AGILIO_ASSERT_SIZE(struct agilio_tunnel, 72);
AGILIO_ASSERT_OFFSET(struct agilio_tunnel, flags, 48);
AGILIO_ASSERT_OFFSET(struct agilio_tunnel, erspan_ver, 64);

struct agilio_metadata {
    agilio_le32 in_port;        /* Port id. */
    agilio_le32 recirc_id;
    agilio_le32 dp_hash;
    agilio_le32 skb_priority;
    agilio_le32 pkt_mark;
    agilio_be32 packet_type;    /* 0: Ethernet. */
    struct agilio_tunnel tunnel;
};
AGILIO_ASSERT_SIZE(struct agilio_metadata, 96);
AGILIO_ASSERT_OFFSET(struct agilio_metadata, tunnel, 24);

/* ## ----------------- ##
 * ## Packets to a host ##
 * ## ----------------- ##
 *
 * A record of a packet ring: this descriptor, 'meta_len' bytes that depend on
 * its flags, then the frame, without FCS.
 *
 *     0        4        8       12       16                24       28
 *     +--------+--------+--------+--------+-----------------+--------+------+
 *     | len    |flg meta| port   | reason | timestamp       | hash   | cut  |
 *     +--------+--------+--------+--------+-----------------+--------+------+
 *
 * AGILIO_DESC_RESUMED: the NIC has already recirculated or decapsulated the
 * packet, and the host is to take it up where the metadata says.  The frame is
 * preceded by struct agilio_metadata and its tunnel's 'opts_len' options.
 *
 * AGILIO_DESC_SAMPLED, always together with RESUMED: what comes is a copy that
 * the host is to execute some actions on, and then forget.  They stand between
 * metadata and frame, a whole number of Netlink attributes (COPY_TO_HOST). */

#define AGILIO_MAX_FRAME 9728           /* Bytes, without FCS. */
#define AGILIO_DESC_RESUMED (1u << 0)
#define AGILIO_DESC_SAMPLED (1u << 1)

struct agilio_desc {
    agilio_le32 len;            /* Descriptor + metadata + frame, in bytes. */
    agilio_le16 flags;          /* AGILIO_DESC_*. */
    agilio_le16 meta_len;
    agilio_le32 port;           /* To the host: id of the port received on.
                                 * From the host: id of the port to send on. */
    agilio_le32 reason;         /* To the host: enum agilio_fallback. */
    agilio_le64 timestamp;      /* To the host: NIC clock at reception. */
    agilio_le32 hash;           /* To the host: OVS's hash of the packet as
                                 * received or popped; 0: not known. */
    agilio_le32 cut;            /* To the host, RESUMED: bytes that a TRUNC of
                                 * an earlier pass said to cut off. */
};
AGILIO_ASSERT_SIZE(struct agilio_desc, 32);

/* Why a packet comes to the host. */
enum agilio_fallback {
    AGILIO_FALLBACK_MISS = 0,   /* No flow on the NIC: not learned yet. */
    AGILIO_FALLBACK_HOST = 1,   /* A flow that is for the host itself. */
    AGILIO_FALLBACK_UNABLE = 2, /* A flow that the NIC cannot do. */
    AGILIO_N_FALLBACKS
};

#define AGILIO_MAX_SAMPLE 512           /* Bytes of a sample's actions. */
#define AGILIO_MAX_META \
    (sizeof(struct agilio_metadata) + AGILIO_MAX_TUNNEL_OPTS \
     + AGILIO_MAX_SAMPLE)
#define AGILIO_MAX_RECORD \
    (sizeof(struct agilio_desc) + AGILIO_MAX_META + AGILIO_MAX_FRAME)

/* ## ---------------- ##
 * ## Flow statistics. ##
 * ## ---------------- ##
 *
 * One per flow id and worker, written by the worker with plain 64-bit stores
 * as it counts.  The host sums the workers' rows.  'used' is in the NIC's
 * clock: a host converts the age (region clock - used), never the time. */
struct agilio_flow_stats {
    agilio_le64 packets;
    agilio_le64 bytes;
    agilio_le64 used;           /* NIC clock at the last packet, 0 = never. */
    agilio_le16 tcp_flags;      /* All that were seen, ORed, low 12 bits. */
    uint8_t pad[6];
};
AGILIO_ASSERT_SIZE(struct agilio_flow_stats, 32);

/* ## ----------------- ##
 * ## Meters and bonds. ##
 * ## ----------------- ##
 *
 * What flows refer to by an id, besides ports.  The host gives the ids, the
 * way that the NIC does for ports: the slot in the low half, below max_meters
 * or max_bonds; in the high half a number that is never 0 and differs from
 * that of the slot's last user.  A flow that names a meter that is gone can
 * therefore not hit a new one by accident.
 *
 * A meter has a bucket for each of its bands.  A packet that does not find a
 * bucket full enough is dropped by that band, by the one of the highest rate
 * if there are several.  How full they are is OVS's (dp_netdev_run_meter()).
 *
 * The counters are those of the id that is in the slot, or was last. */

#define AGILIO_MAX_BANDS 8
#define AGILIO_BOND_BUCKETS 256

static inline uint32_t
agilio_slot(uint32_t id)
{
    return id & 0xffff;
}

struct agilio_count {
    agilio_le64 packets;
    agilio_le64 bytes;
};
AGILIO_ASSERT_SIZE(struct agilio_count, 16);

struct agilio_meter_stats {
    struct agilio_count in;     /* What came to the meter. */
    struct agilio_count bands[AGILIO_MAX_BANDS];        /* Dropped by each. */
};
AGILIO_ASSERT_SIZE(struct agilio_meter_stats, 144);

struct agilio_bond_stats {
    struct agilio_count buckets[AGILIO_BOND_BUCKETS];   /* Sent by each. */
};
AGILIO_ASSERT_SIZE(struct agilio_bond_stats, 4096);

/* ## -------------- ##
 * ## Key and match. ##
 * ## -------------- ##
 *
 * What a packet looks like to a flow.  Fields that a packet does not have are
 * zero.  The meaning of each is that of the same-named member of OVS's struct
 * flow (so VLAN TCIs carry the CFI bit when there is a tag; ICMP type and code
 * are in tp_src and tp_dst; ARP addresses in nw_src and nw_dst; nw_frag is
 * FLOW_NW_FRAG_*).
 *
 *           0       1       2       3       4       5       6       7
 *       +---------------------------------------------------------------+
 *  w0-11| struct agilio_metadata                                        |
 *       +---------------------------------------------------------------+
 *  w12  | eth_dst                                       | eth_type      |
 *  w13  | eth_src                                       | tcp_flags     |
 *  w14  | vlan[0] tpid  | tci           | vlan[1] tpid  | tci           |
 *  w15  | mpls_lse[0]                   | mpls_lse[1]                   |
 *  w16  | mpls_lse[2]                   | proto | tos   | ttl   | frag  |
 *  w17  | nw_src                        | nw_dst                        |
 *  w18-9| ipv6_src                                                      |
 *  w20-1| ipv6_dst                                                      |
 *  w22  | ipv6_label                    | tp_src        | tp_dst        |
 *  w23-4| nd_target                                                     |
 *  w25  | arp_sha                                       | 0             |
 *  w26  | arp_tha                                       | 0             |
 *  w27  | igmp_group                    | nsh: flags, ttl, mdtype, np   |
 *  w28  | path_hdr                      | context[0]                    |
 *  w29  | context[1]                    | context[2]                    |
 *  w30  | context[3]                    | 0                             |
 *       +-------------------------------+-------------------------------+
 *  w31..| tunnel options, as in the packet; then 0                      |
 *  ..w62| (252 bytes and 4 that are 0)                                  |
 *       +---------------------------------------------------------------+ */

struct agilio_vlan {
    agilio_be16 tpid;
    agilio_be16 tci;
};

/* A network service header (RFC 8300). */
struct agilio_nsh {
    uint8_t flags, ttl, mdtype, np;
    agilio_be32 path_hdr;       /* Service path and index. */
    agilio_be32 context[4];     /* Of MD type 1. */
};
AGILIO_ASSERT_SIZE(struct agilio_nsh, 24);

struct agilio_key {
    struct agilio_metadata md;
    uint8_t eth_dst[6];
    agilio_be16 eth_type;
    uint8_t eth_src[6];
    agilio_be16 tcp_flags;
    struct agilio_vlan vlan[2];
    agilio_be32 mpls_lse[3];
    uint8_t nw_proto;
    uint8_t nw_tos;
    uint8_t nw_ttl;
    uint8_t nw_frag;
    agilio_be32 nw_src;
    agilio_be32 nw_dst;
    uint8_t ipv6_src[16];
    uint8_t ipv6_dst[16];
    agilio_be32 ipv6_label;
    agilio_be16 tp_src;
    agilio_be16 tp_dst;
    uint8_t nd_target[16];
    uint8_t arp_sha[6];
    uint8_t pad0[2];
    uint8_t arp_tha[6];
    uint8_t pad1[2];
    agilio_be32 igmp_group;
    struct agilio_nsh nsh;
    uint8_t pad2[4];
    uint8_t tun_opts[AGILIO_MAX_TUNNEL_OPTS];
    uint8_t pad3[4];
} __attribute__((aligned(8)));
#define AGILIO_KEY_WORDS 63
AGILIO_ASSERT_SIZE(struct agilio_key, AGILIO_KEY_WORDS * 8);
AGILIO_ASSERT_OFFSET(struct agilio_key, eth_src, 13 * 8);
AGILIO_ASSERT_OFFSET(struct agilio_key, mpls_lse, 15 * 8);
AGILIO_ASSERT_OFFSET(struct agilio_key, nw_src, 17 * 8);
AGILIO_ASSERT_OFFSET(struct agilio_key, ipv6_label, 22 * 8);
AGILIO_ASSERT_OFFSET(struct agilio_key, igmp_group, 27 * 8);
AGILIO_ASSERT_OFFSET(struct agilio_key, tun_opts, 31 * 8);

/* Every field of the key: name, member, how to print it. */
#define AGILIO_FIELDS(FIELD)                            \
    FIELD(in_port, md.in_port, LE32)                    \
    FIELD(recirc_id, md.recirc_id, LE32)                \
    FIELD(dp_hash, md.dp_hash, LE32)                    \
    FIELD(skb_priority, md.skb_priority, LE32)          \
    FIELD(pkt_mark, md.pkt_mark, LE32)                  \
    FIELD(packet_type, md.packet_type, HEX32)           \
    FIELD(tun_id, md.tunnel.id, HEX64)                  \
    FIELD(tun_src, md.tunnel.ip_src, IPV4)              \
    FIELD(tun_dst, md.tunnel.ip_dst, IPV4)              \
    FIELD(tun_ipv6_src, md.tunnel.ipv6_src, IPV6)       \
    FIELD(tun_ipv6_dst, md.tunnel.ipv6_dst, IPV6)       \
    FIELD(tun_flags, md.tunnel.flags, LE16)             \
    FIELD(tun_tos, md.tunnel.tos, HEX8)                 \
    FIELD(tun_ttl, md.tunnel.ttl, DEC8)                 \
    FIELD(tun_tp_src, md.tunnel.tp_src, DEC16)          \
    FIELD(tun_tp_dst, md.tunnel.tp_dst, DEC16)          \
    FIELD(tun_gbp_id, md.tunnel.gbp_id, DEC16)          \
    FIELD(tun_gbp_flags, md.tunnel.gbp_flags, HEX8)     \
    FIELD(tun_opts_len, md.tunnel.opts_len, DEC8)       \
    FIELD(erspan_idx, md.tunnel.erspan_idx, LE32)       \
    FIELD(erspan_ver, md.tunnel.erspan_ver, DEC8)       \
    FIELD(erspan_dir, md.tunnel.erspan_dir, DEC8)       \
    FIELD(erspan_hwid, md.tunnel.erspan_hwid, DEC8)     \
    FIELD(gtpu_flags, md.tunnel.gtpu_flags, HEX8)       \
    FIELD(gtpu_msgtype, md.tunnel.gtpu_msgtype, DEC8)   \
    FIELD(eth_dst, eth_dst, MAC)                        \
    FIELD(eth_type, eth_type, HEX16)                    \
    FIELD(eth_src, eth_src, MAC)                        \
    FIELD(tcp_flags, tcp_flags, HEX16)                  \
    FIELD(vlan0_tpid, vlan[0].tpid, HEX16)              \
    FIELD(vlan0_tci, vlan[0].tci, HEX16)                \
    FIELD(vlan1_tpid, vlan[1].tpid, HEX16)              \
    FIELD(vlan1_tci, vlan[1].tci, HEX16)                \
    FIELD(mpls_lse0, mpls_lse[0], HEX32)                \
    FIELD(mpls_lse1, mpls_lse[1], HEX32)                \
    FIELD(mpls_lse2, mpls_lse[2], HEX32)                \
    FIELD(nw_proto, nw_proto, DEC8)                     \
    FIELD(nw_tos, nw_tos, HEX8)                         \
    FIELD(nw_ttl, nw_ttl, DEC8)                         \
    FIELD(nw_frag, nw_frag, HEX8)                       \
    FIELD(nw_src, nw_src, IPV4)                         \
    FIELD(nw_dst, nw_dst, IPV4)                         \
    FIELD(ipv6_src, ipv6_src, IPV6)                     \
    FIELD(ipv6_dst, ipv6_dst, IPV6)                     \
    FIELD(ipv6_label, ipv6_label, HEX32)                \
    FIELD(tp_src, tp_src, DEC16)                        \
    FIELD(tp_dst, tp_dst, DEC16)                        \
    FIELD(nd_target, nd_target, IPV6)                   \
    FIELD(arp_sha, arp_sha, MAC)                        \
    FIELD(arp_tha, arp_tha, MAC)                        \
    FIELD(igmp_group, igmp_group, HEX32)                \
    FIELD(nsh_flags, nsh.flags, HEX8)                   \
    FIELD(nsh_ttl, nsh.ttl, DEC8)                       \
    FIELD(nsh_mdtype, nsh.mdtype, DEC8)                 \
    FIELD(nsh_np, nsh.np, DEC8)                         \
    FIELD(nsh_path_hdr, nsh.path_hdr, HEX32)            \
    FIELD(nsh_c1, nsh.context[0], HEX32)                \
    FIELD(nsh_c2, nsh.context[1], HEX32)                \
    FIELD(nsh_c3, nsh.context[2], HEX32)                \
    FIELD(nsh_c4, nsh.context[3], HEX32)                \
    FIELD(tun_opts, tun_opts, BYTES)

/* ## ---------------- ##
 * ## Action programs. ##
 * ## ---------------- ##
 *
 * A flow's program is a list of these, in the order of execution; each starts
 * with struct agilio_action and its length is a multiple of 4.  An empty
 * program drops.  SET_* actions change the bits that are 1 in the mask, fix
 * the checksums that cover them, and leave a packet alone that does not have
 * the header (as OVS does).
 *
 * CLONE, SAMPLE and CHECK_PKT_LEN hold programs in turn, "blocks", that fill
 * the rest of their length.  A block works on a copy: what it changes is not
 * seen after it. */

#define AGILIO_ACTIONS(ACTION)                                          \
    ACTION(OUTPUT, output, "send a copy to a port")                     \
    ACTION(TO_HOST, to_host, "give the packet to the host")             \
    ACTION(COPY_TO_HOST, copy_to_host, "give the host a copy, to act on") \
    ACTION(LB_OUTPUT, lb_output, "send a copy to a bond's member")      \
    ACTION(RECIRC, recirc, "look a copy up again, with a recirc_id")    \
    ACTION(TUNNEL_POP, tunnel_pop, "decapsulate a copy, look it up again") \
    ACTION(TUNNEL_PUSH, tunnel_push, "encapsulate")                     \
    ACTION(CLONE, clone, "run a block on a copy")                       \
    ACTION(SAMPLE, sample, "run a block on a copy of some packets")     \
    ACTION(CHECK_PKT_LEN, check_pkt_len, "run one of two blocks by length") \
    ACTION(METER, meter, "drop what exceeds a rate")                    \
    ACTION(TRUNC, trunc, "cut short what is sent next")                 \
    ACTION(HASH, hash, "set dp_hash from addresses and ports")          \
    ACTION(PUSH_VLAN, push_vlan, "push an 802.1Q or 802.1ad tag")       \
    ACTION(POP_VLAN, pop_vlan, "pop the outer tag")                     \
    ACTION(PUSH_MPLS, push_mpls, "push an MPLS label")                  \
    ACTION(POP_MPLS, pop_mpls, "pop the outer MPLS label")              \
    ACTION(PUSH_ETH, push_eth, "push an Ethernet header")               \
    ACTION(POP_ETH, pop_eth, "pop the Ethernet header")                 \
    ACTION(PUSH_NSH, push_nsh, "push a network service header")         \
    ACTION(POP_NSH, pop_nsh, "pop a network service header")            \
    ACTION(SET_META, set_meta, "set priority, mark, dp_hash, recirc_id") \
    ACTION(SET_TUNNEL, set_tunnel, "set the tunnel's metadata")         \
    ACTION(SET_ETH, set_eth, "set Ethernet addresses")                  \
    ACTION(SET_MPLS, set_mpls, "set the outer MPLS label")              \
    ACTION(SET_NSH, set_nsh, "set a network service header")            \
    ACTION(SET_IPV4, set_ipv4, "set IPv4 addresses, TOS, TTL")          \
    ACTION(SET_IPV6, set_ipv6, "set IPv6 addresses, label, class, hops") \
    ACTION(SET_TCP, set_tcp, "set TCP ports")                           \
    ACTION(SET_UDP, set_udp, "set UDP ports")                           \
    ACTION(SET_SCTP, set_sctp, "set SCTP ports")                        \
    ACTION(SET_ICMP, set_icmp, "set ICMP or ICMPv6 type and code")      \
    ACTION(SET_ARP, set_arp, "set ARP addresses and operation")         \
    ACTION(SET_ND, set_nd, "set ND target and link-layer addresses")    \
    ACTION(SET_ND_EXT, set_nd_ext, "set ND flags and option type")

enum agilio_action_type {
    AGILIO_ACTION_NONE,
#define AGILIO_ACTION(ENUM, NAME, HELP) AGILIO_ACTION_##ENUM,
    AGILIO_ACTIONS(AGILIO_ACTION)
#undef AGILIO_ACTION
    AGILIO_N_ACTIONS
};

#define AGILIO_MAX_PROGRAM 2048         /* Bytes of program on the wire. */
#define AGILIO_MAX_OUTPUTS 64           /* Copies that one makes, and 1. */
#define AGILIO_MAX_NESTING 8            /* Blocks within blocks. */
#define AGILIO_MAX_GROWTH 512           /* Bytes that one pushes. */
#define AGILIO_MAX_RECIRC 6             /* RECIRCs and TUNNEL_POPs in a
                                         * packet's life. */

/* Bits of an action's type; the others are 0 on the wire, and the NIC's own
 * in the copy of a program that it runs. */
#define AGILIO_ACTION_TYPE 0x3fff

struct agilio_action {
    agilio_le16 type;           /* enum agilio_action_type. */
    agilio_le16 len;            /* Bytes, this header included. */
} __attribute__((aligned(4)));
AGILIO_ASSERT_SIZE(struct agilio_action, 4);

struct agilio_action_output {
    struct agilio_action action;
    agilio_le32 port;           /* Port id. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_output, 8);

/* Must be the only action of its program.  The host counts the packet. */
struct agilio_action_to_host {
    struct agilio_action action;
    agilio_le32 reason;         /* AGILIO_FALLBACK_HOST or _UNABLE. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_to_host, 8);

struct agilio_action_push_vlan {
    struct agilio_action action;
    agilio_be16 tpid;
    agilio_be16 tci;            /* The CFI bit (of OVS) is not sent. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_push_vlan, 8);

struct agilio_action_pop_vlan {
    struct agilio_action action;
};
AGILIO_ASSERT_SIZE(struct agilio_action_pop_vlan, 4);

struct agilio_action_set_eth {
    struct agilio_action action;
    uint8_t src[6], dst[6];
    uint8_t src_mask[6], dst_mask[6];
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_eth, 28);

struct agilio_action_set_ipv4 {
    struct agilio_action action;
    agilio_be32 src, dst;
    agilio_be32 src_mask, dst_mask;
    uint8_t tos, ttl;
    uint8_t tos_mask, ttl_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_ipv4, 24);

struct agilio_action_set_ipv6 {
    struct agilio_action action;
    uint8_t src[16], dst[16];
    uint8_t src_mask[16], dst_mask[16];
    agilio_be32 label, label_mask;
    uint8_t tclass, hlimit;
    uint8_t tclass_mask, hlimit_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_ipv6, 80);

/* SET_TCP, SET_UDP, SET_SCTP. */
struct agilio_action_set_ports {
    struct agilio_action action;
    agilio_be16 src, dst;
    agilio_be16 src_mask, dst_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_ports, 12);

struct agilio_action_set_icmp {
    struct agilio_action action;
    uint8_t type, code;
    uint8_t type_mask, code_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_icmp, 8);

struct agilio_action_set_arp {
    struct agilio_action action;
    agilio_be32 spa, tpa;
    agilio_be32 spa_mask, tpa_mask;
    uint8_t sha[6], tha[6];
    uint8_t sha_mask[6], tha_mask[6];
    agilio_be16 op, op_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_arp, 48);

struct agilio_action_set_nd {
    struct agilio_action action;
    uint8_t target[16], target_mask[16];
    uint8_t sll[6], tll[6];
    uint8_t sll_mask[6], tll_mask[6];
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_nd, 60);

/* dp_hash = what OVS's userspace datapath computes; or its kernel datapath, of
 * a packet with the hash that the NIC gives the host with it (jhash_1word();
 * never 0).  That is the same for a packet on both sides as long as it has not
 * been changed or popped. */
enum agilio_hash_alg {
    AGILIO_HASH_L4 = 0,         /* OVS_HASH_ALG_L4. */
    AGILIO_HASH_SYM_L4 = 1,     /* OVS_HASH_ALG_SYM_L4. */
    AGILIO_HASH_KERNEL = 2,     /* OVS_HASH_ALG_L4 of the kernel's. */
};

struct agilio_action_hash {
    struct agilio_action action;
    agilio_le32 basis;
    agilio_le32 alg;            /* enum agilio_hash_alg. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_hash, 12);

struct agilio_action_recirc {
    struct agilio_action action;
    agilio_le32 recirc_id;      /* Not 0. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_recirc, 8);

/* What follows is 'len' bytes of actions for the host, padded to a multiple of
 * 4: a whole number of Netlink attributes, which mean nothing to the NIC. */
struct agilio_action_copy_to_host {
    struct agilio_action action;
    agilio_le32 len;            /* 1 to AGILIO_MAX_SAMPLE. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_copy_to_host, 8);

/* The member is the one of bucket (hash as received or popped) % 256. */
struct agilio_action_lb_output {
    struct agilio_action action;
    agilio_le32 bond;           /* Id; what is sent to no bond is dropped. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_lb_output, 8);

enum agilio_tunnel_type {
    AGILIO_TUNNEL_NONE,
    AGILIO_TUNNEL_VXLAN,        /* RFC 7348, and draft-ietf-nvo3-vxlan-gpe. */
    AGILIO_TUNNEL_GRE,          /* RFC 2784, 2890; with a key: RFC 7637. */
    AGILIO_TUNNEL_GENEVE,       /* RFC 8926. */
    AGILIO_TUNNEL_ERSPAN,
    AGILIO_TUNNEL_GTPU,
    AGILIO_N_TUNNELS
};

/* The packet is looked up again as received from 'port', with recirc_id 0. */
struct agilio_action_tunnel_pop {
    struct agilio_action action;
    agilio_le32 type;           /* enum agilio_tunnel_type. */
    agilio_le32 port;           /* Port id of the tunnel. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_tunnel_pop, 12);

/* 'header_len' bytes of header follow, padded to a multiple of 4: Ethernet,
 * IP and so on, in which the NIC fills in lengths, checksums and, between
 * udp_min and udp_max, the UDP source port. */
struct agilio_action_tunnel_push {
    struct agilio_action action;
    agilio_le32 type;           /* enum agilio_tunnel_type. */
    agilio_le32 port;           /* Becomes the packet's in_port. */
    agilio_le16 header_len;
    agilio_le16 udp_min, udp_max;
    uint8_t pad[2];
};
AGILIO_ASSERT_SIZE(struct agilio_action_tunnel_push, 20);

/* The block is the rest. */
struct agilio_action_clone {
    struct agilio_action action;
};
AGILIO_ASSERT_SIZE(struct agilio_action_clone, 4);

struct agilio_action_sample {
    struct agilio_action action;
    agilio_le32 probability;    /* Of 2**32: runs for random numbers below. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_sample, 8);

/* The first 'greater_len' bytes of the rest are the block for packets longer
 * than 'pkt_len', what follows is the one for the others. */
struct agilio_action_check_pkt_len {
    struct agilio_action action;
    agilio_le16 pkt_len;
    agilio_le16 greater_len;
};
AGILIO_ASSERT_SIZE(struct agilio_action_check_pkt_len, 8);

struct agilio_action_meter {
    struct agilio_action action;
    agilio_le32 meter;          /* Id; what meets no meter passes. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_meter, 8);

/* What is next sent to a port or tunnel, or given to the host, is at most so
 * long as 'max_len' would make the packet now. */
struct agilio_action_trunc {
    struct agilio_action action;
    agilio_le32 max_len;        /* Bytes, at least 14. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_trunc, 8);

/* Behind the Ethernet header and VLAN tags; or, if 'at_front', before all,
 * which makes it a packet without Ethernet header. */
struct agilio_action_push_mpls {
    struct agilio_action action;
    agilio_be32 lse;
    agilio_be16 eth_type;       /* 0x8847 or 0x8848. */
    uint8_t at_front;
    uint8_t pad;
};
AGILIO_ASSERT_SIZE(struct agilio_action_push_mpls, 12);

struct agilio_action_pop_mpls {
    struct agilio_action action;
    agilio_be16 eth_type;       /* Of what comes to light. */
    uint8_t pad[2];
};
AGILIO_ASSERT_SIZE(struct agilio_action_pop_mpls, 8);

struct agilio_action_push_eth {
    struct agilio_action action;
    uint8_t src[6], dst[6];
};
AGILIO_ASSERT_SIZE(struct agilio_action_push_eth, 16);

struct agilio_action_pop_eth {
    struct agilio_action action;
};
AGILIO_ASSERT_SIZE(struct agilio_action_pop_eth, 4);

/* 'header_len' bytes of header follow, a multiple of 4; the NIC fills in the
 * next protocol. */
struct agilio_action_push_nsh {
    struct agilio_action action;
    agilio_le32 header_len;     /* 8 to 256. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_push_nsh, 8);

struct agilio_action_pop_nsh {
    struct agilio_action action;
};
AGILIO_ASSERT_SIZE(struct agilio_action_pop_nsh, 4);

struct agilio_action_set_meta {
    struct agilio_action action;
    agilio_le32 priority, priority_mask;
    agilio_le32 mark, mark_mask;
    agilio_le32 dp_hash, dp_hash_mask;
    agilio_le32 recirc_id, recirc_id_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_meta, 36);

/* tunnel.opts_len bytes of options follow, a multiple of 4. */
struct agilio_action_set_tunnel {
    struct agilio_action action;
    uint8_t tunnel[sizeof(struct agilio_tunnel)];       /* Aligned to 4. */
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_tunnel, 76);

struct agilio_action_set_mpls {
    struct agilio_action action;
    agilio_be32 lse, lse_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_mpls, 12);

struct agilio_action_set_nsh {
    struct agilio_action action;
    struct agilio_nsh nsh, nsh_mask;
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_nsh, 52);

struct agilio_action_set_nd_ext {
    struct agilio_action action;
    agilio_be32 reserved, reserved_mask;
    uint8_t opt_type, opt_type_mask;
    uint8_t pad[2];
};
AGILIO_ASSERT_SIZE(struct agilio_action_set_nd_ext, 16);

/* ## --------- ##
 * ## Counters. ##
 * ## --------- ##
 *
 * One 64-bit counter per row and worker, at counters_ofs.  A packet that was
 * received raises a HIT row for each lookup that finds a flow, and ends in
 * CARRIED or in exactly one FALLBACK or DROP row (what a flow recirculates and
 * outputs too, each copy).  What is CARRIED, and what is HOST_TX, may raise
 * DROP rows besides: one for the whole of it, or one for each copy that was
 * not sent.
 * New rows go to the end of their kind only together with a new
 * AGILIO_ABI_MAX. */

#define AGILIO_COUNTERS(COUNTER)                                             \
    COUNTER(L1_HIT, HIT, "found in the exact match flow tracker")            \
    COUNTER(L2_HIT, HIT, "found in the mask tables, and learned")            \
    COUNTER(FALLBACK_MISS, FALLBACK, "not learned yet")                      \
    COUNTER(FALLBACK_HOST, FALLBACK, "for the host itself")                  \
    COUNTER(FALLBACK_UNABLE, FALLBACK, "not possible on the NIC")            \
    COUNTER(HOST_TX, INFO, "sent for the host")                              \
    COUNTER(CARRIED, INFO, "finished on the NIC")                            \
    COUNTER(RECIRC, INFO, "looked up again by a flow")                       \
    COUNTER(SAMPLED, INFO, "copies given to the host by a flow")             \
    COUNTER(LEARNED, INFO, "entries made in the tracker")                    \
    COUNTER(EVICTED, INFO, "live tracker entries pushed out")                \
    COUNTER(DROP_RUNT, DROP, "shorter than an Ethernet header")              \
    COUNTER(DROP_RX_DOWN, DROP, "received on a port that is down")           \
    COUNTER(DROP_POLICY, DROP, "dropped by its flow")                        \
    COUNTER(DROP_METER, DROP, "above the rate of a meter")                   \
    COUNTER(DROP_TUNNEL, DROP, "not to be decapsulated: malformed")          \
    COUNTER(DROP_NSH, DROP, "no network service header to pop")              \
    COUNTER(DROP_NO_BOND, DROP, "to a bond that does not exist")             \
    COUNTER(DROP_RECIRC, DROP, "recirculated too often")                     \
    COUNTER(DROP_NO_HOST, DROP, "for the host, and no host is attached")     \
    COUNTER(DROP_HOST_FULL, DROP, "for the host, whose ring is full")        \
    COUNTER(DROP_HOST_TOO_BIG, DROP, "for the host, and too long for it")    \
    COUNTER(DROP_TX_GONE, DROP, "to a port that no longer exists")           \
    COUNTER(DROP_TX_DOWN, DROP, "to a port that is down")                    \
    COUNTER(DROP_TX_MTU, DROP, "longer than the MTU of its output port")     \
    COUNTER(DROP_TX_FULL, DROP, "the output port's queue is full")           \
    COUNTER(DROP_TX_ERROR, DROP, "the output port's device refused it")      \
    COUNTER(DROP_NO_BUFFER, DROP, "no buffer for a copy, or for a segment")  \
    COUNTER(DROP_HOST_BAD, DROP, "malformed record from the host")           \
    COUNTER(DROP_WORKER_FULL, DROP, "the port's worker is behind")

enum agilio_counter {
#define AGILIO_COUNTER(ENUM, KIND, HELP) AGILIO_COUNTER_##ENUM,
    AGILIO_COUNTERS(AGILIO_COUNTER)
#undef AGILIO_COUNTER
    AGILIO_N_COUNTERS
};

/* Counters of a worker's row: it shares no cache line with another one's. */
#define AGILIO_COUNTER_ROW AGILIO_ROUND_UP(AGILIO_N_COUNTERS, 8)

#endif /* agilio/abi.h */
