/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-abi.c - the golden copy of the ABI.
 *
 * Hosts and NICs of different ages meet, so nothing here changes by accident:
 * whoever changes include/agilio/ must change this file too, on purpose, and
 * think of AGILIO_ABI_MAX while doing so.
 *
 * Each struct has a row with its size and alignment, then one row for each
 * member with its offset and size.  The members must follow each other without
 * a hole and fill the struct: what the compiler would add in silence, another
 * compiler might add elsewhere.
 */

#include "agilio/msg.h"
#include "check.h"

/* ## -------- ##
 * ## Layouts. ##
 * ## -------- ## */

struct row {
    const char *name;
    bool is_struct;
    size_t ofs, size, align;            /* As compiled. */
    size_t golden_ofs, golden_size, golden_align;
};

#define S(STRUCT, SIZE, ALIGN)                                              \
    { #STRUCT, true, 0, sizeof(struct agilio_##STRUCT),                     \
      _Alignof(struct agilio_##STRUCT), 0, SIZE, ALIGN }
#define M(STRUCT, MEMBER, OFS, SIZE)                                        \
    { #STRUCT "." #MEMBER, false, offsetof(struct agilio_##STRUCT, MEMBER), \
      sizeof ((struct agilio_##STRUCT *) 0)->MEMBER, 0, OFS, SIZE, 0 }

static const struct row rows[] = {
    S(ring, 128, 4),
    M(ring, prod, 0, 4),
    M(ring, pad0, 4, 60),
    M(ring, cons, 64, 4),
    M(ring, sleeping, 68, 4),
    M(ring, pad1, 72, 56),

    S(ring_place, 24, 8),
    M(ring_place, ring_ofs, 0, 8),
    M(ring_place, body_ofs, 8, 8),
    M(ring_place, n_granules, 16, 4),
    M(ring_place, pad, 20, 4),

    S(region, 320, 8),
    M(region, magic, 0, 8),
    M(region, abi_min, 8, 2),
    M(region, abi_max, 10, 2),
    M(region, type, 12, 4),
    M(region, features, 16, 8),
    M(region, region_size, 24, 8),
    M(region, boot_id, 32, 8),
    M(region, pad0, 40, 24),
    M(region, ports_ofs, 64, 8),
    M(region, counters_ofs, 72, 8),
    M(region, flows_ofs, 80, 8),
    M(region, qps_ofs, 88, 8),
    M(region, n_ports, 96, 4),
    M(region, n_counters, 100, 4),
    M(region, max_flows, 104, 4),
    M(region, n_workers, 108, 4),
    M(region, n_qps, 112, 4),
    M(region, max_masks, 116, 4),
    M(region, max_meters, 120, 4),
    M(region, max_bonds, 124, 4),
    M(region, control, 128, 48),
    M(region, meters_ofs, 176, 8),
    M(region, bonds_ofs, 184, 8),
    M(region, state, 192, 4),
    M(region, port_seq, 196, 4),
    M(region, clock, 200, 8),
    M(region, heartbeat, 208, 8),
    M(region, port_stats_ofs, 216, 8),
    M(region, pad3, 224, 32),
    M(region, host_epoch, 256, 8),
    M(region, pad4, 264, 56),

    S(port_stats, 64, 8),
    M(port_stats, rx_packets, 0, 8),
    M(port_stats, rx_bytes, 8, 8),
    M(port_stats, rx_dropped, 16, 8),
    M(port_stats, rx_errors, 24, 8),
    M(port_stats, tx_packets, 32, 8),
    M(port_stats, tx_bytes, 40, 8),
    M(port_stats, tx_dropped, 48, 8),
    M(port_stats, tx_errors, 56, 8),

    S(port, 64, 4),
    M(port, seq, 0, 4),
    M(port, id, 4, 4),
    M(port, flags, 8, 4),
    M(port, mtu, 12, 4),
    M(port, speed, 16, 4),
    M(port, mac, 20, 6),
    M(port, pad0, 26, 6),
    M(port, name, 32, 32),

    S(qp, 64, 8),
    M(qp, port_slot, 0, 4),
    M(qp, worker, 4, 4),
    M(qp, to_host, 8, 24),
    M(qp, from_host, 32, 24),
    M(qp, pad, 56, 8),

    S(tunnel, 72, 8),
    M(tunnel, id, 0, 8),
    M(tunnel, ip_src, 8, 4),
    M(tunnel, ip_dst, 12, 4),
    M(tunnel, ipv6_src, 16, 16),
    M(tunnel, ipv6_dst, 32, 16),
    M(tunnel, flags, 48, 2),
    M(tunnel, tos, 50, 1),
    M(tunnel, ttl, 51, 1),
    M(tunnel, tp_src, 52, 2),
    M(tunnel, tp_dst, 54, 2),
    M(tunnel, gbp_id, 56, 2),
    M(tunnel, gbp_flags, 58, 1),
    M(tunnel, opts_len, 59, 1),
    M(tunnel, erspan_idx, 60, 4),
    M(tunnel, erspan_ver, 64, 1),
    M(tunnel, erspan_dir, 65, 1),
    M(tunnel, erspan_hwid, 66, 1),
    M(tunnel, gtpu_flags, 67, 1),
    M(tunnel, gtpu_msgtype, 68, 1),
    M(tunnel, pad, 69, 3),

    S(metadata, 96, 8),
    M(metadata, in_port, 0, 4),
    M(metadata, recirc_id, 4, 4),
    M(metadata, dp_hash, 8, 4),
    M(metadata, skb_priority, 12, 4),
    M(metadata, pkt_mark, 16, 4),
    M(metadata, packet_type, 20, 4),
    M(metadata, tunnel, 24, 72),

    S(desc, 32, 8),
    M(desc, len, 0, 4),
    M(desc, flags, 4, 2),
    M(desc, meta_len, 6, 2),
    M(desc, port, 8, 4),
    M(desc, reason, 12, 4),
    M(desc, timestamp, 16, 8),
    M(desc, hash, 24, 4),
    M(desc, cut, 28, 4),

    S(flow_stats, 32, 8),
    M(flow_stats, packets, 0, 8),
    M(flow_stats, bytes, 8, 8),
    M(flow_stats, used, 16, 8),
    M(flow_stats, tcp_flags, 24, 2),
    M(flow_stats, pad, 26, 6),

    S(count, 16, 8),
    M(count, packets, 0, 8),
    M(count, bytes, 8, 8),

    S(meter_stats, 144, 8),
    M(meter_stats, in, 0, 16),
    M(meter_stats, bands, 16, 128),

    S(bond_stats, 4096, 8),
    M(bond_stats, buckets, 0, 4096),

    S(vlan, 4, 2),
    M(vlan, tpid, 0, 2),
    M(vlan, tci, 2, 2),

    S(nsh, 24, 4),
    M(nsh, flags, 0, 1),
    M(nsh, ttl, 1, 1),
    M(nsh, mdtype, 2, 1),
    M(nsh, np, 3, 1),
    M(nsh, path_hdr, 4, 4),
    M(nsh, context, 8, 16),

    S(key, 504, 8),
    M(key, md, 0, 96),
    M(key, eth_dst, 96, 6),
    M(key, eth_type, 102, 2),
    M(key, eth_src, 104, 6),
    M(key, tcp_flags, 110, 2),
    M(key, vlan, 112, 8),
    M(key, mpls_lse, 120, 12),
    M(key, nw_proto, 132, 1),
    M(key, nw_tos, 133, 1),
    M(key, nw_ttl, 134, 1),
    M(key, nw_frag, 135, 1),
    M(key, nw_src, 136, 4),
    M(key, nw_dst, 140, 4),
    M(key, ipv6_src, 144, 16),
    M(key, ipv6_dst, 160, 16),
    M(key, ipv6_label, 176, 4),
    M(key, tp_src, 180, 2),
    M(key, tp_dst, 182, 2),
    M(key, nd_target, 184, 16),
    M(key, arp_sha, 200, 6),
    M(key, pad0, 206, 2),
    M(key, arp_tha, 208, 6),
    M(key, pad1, 214, 2),
    M(key, igmp_group, 216, 4),
    M(key, nsh, 220, 24),
    M(key, pad2, 244, 4),
    M(key, tun_opts, 248, 252),
    M(key, pad3, 500, 4),

    S(action, 4, 4),
    M(action, type, 0, 2),
    M(action, len, 2, 2),

    S(action_output, 8, 4),
    M(action_output, action, 0, 4),
    M(action_output, port, 4, 4),

    S(action_to_host, 8, 4),
    M(action_to_host, action, 0, 4),
    M(action_to_host, reason, 4, 4),

    S(action_push_vlan, 8, 4),
    M(action_push_vlan, action, 0, 4),
    M(action_push_vlan, tpid, 4, 2),
    M(action_push_vlan, tci, 6, 2),

    S(action_pop_vlan, 4, 4),
    M(action_pop_vlan, action, 0, 4),

    S(action_set_eth, 28, 4),
    M(action_set_eth, action, 0, 4),
    M(action_set_eth, src, 4, 6),
    M(action_set_eth, dst, 10, 6),
    M(action_set_eth, src_mask, 16, 6),
    M(action_set_eth, dst_mask, 22, 6),

    S(action_set_ipv4, 24, 4),
    M(action_set_ipv4, action, 0, 4),
    M(action_set_ipv4, src, 4, 4),
    M(action_set_ipv4, dst, 8, 4),
    M(action_set_ipv4, src_mask, 12, 4),
    M(action_set_ipv4, dst_mask, 16, 4),
    M(action_set_ipv4, tos, 20, 1),
    M(action_set_ipv4, ttl, 21, 1),
    M(action_set_ipv4, tos_mask, 22, 1),
    M(action_set_ipv4, ttl_mask, 23, 1),

    S(action_set_ipv6, 80, 4),
    M(action_set_ipv6, action, 0, 4),
    M(action_set_ipv6, src, 4, 16),
    M(action_set_ipv6, dst, 20, 16),
    M(action_set_ipv6, src_mask, 36, 16),
    M(action_set_ipv6, dst_mask, 52, 16),
    M(action_set_ipv6, label, 68, 4),
    M(action_set_ipv6, label_mask, 72, 4),
    M(action_set_ipv6, tclass, 76, 1),
    M(action_set_ipv6, hlimit, 77, 1),
    M(action_set_ipv6, tclass_mask, 78, 1),
    M(action_set_ipv6, hlimit_mask, 79, 1),

    S(action_set_ports, 12, 4),
    M(action_set_ports, action, 0, 4),
    M(action_set_ports, src, 4, 2),
    M(action_set_ports, dst, 6, 2),
    M(action_set_ports, src_mask, 8, 2),
    M(action_set_ports, dst_mask, 10, 2),

    S(action_set_icmp, 8, 4),
    M(action_set_icmp, action, 0, 4),
    M(action_set_icmp, type, 4, 1),
    M(action_set_icmp, code, 5, 1),
    M(action_set_icmp, type_mask, 6, 1),
    M(action_set_icmp, code_mask, 7, 1),

    S(action_set_arp, 48, 4),
    M(action_set_arp, action, 0, 4),
    M(action_set_arp, spa, 4, 4),
    M(action_set_arp, tpa, 8, 4),
    M(action_set_arp, spa_mask, 12, 4),
    M(action_set_arp, tpa_mask, 16, 4),
    M(action_set_arp, sha, 20, 6),
    M(action_set_arp, tha, 26, 6),
    M(action_set_arp, sha_mask, 32, 6),
    M(action_set_arp, tha_mask, 38, 6),
    M(action_set_arp, op, 44, 2),
    M(action_set_arp, op_mask, 46, 2),

    S(action_set_nd, 60, 4),
    M(action_set_nd, action, 0, 4),
    M(action_set_nd, target, 4, 16),
    M(action_set_nd, target_mask, 20, 16),
    M(action_set_nd, sll, 36, 6),
    M(action_set_nd, tll, 42, 6),
    M(action_set_nd, sll_mask, 48, 6),
    M(action_set_nd, tll_mask, 54, 6),

    S(action_hash, 12, 4),
    M(action_hash, action, 0, 4),
    M(action_hash, basis, 4, 4),
    M(action_hash, alg, 8, 4),

    S(action_recirc, 8, 4),
    M(action_recirc, action, 0, 4),
    M(action_recirc, recirc_id, 4, 4),

    S(action_copy_to_host, 8, 4),
    M(action_copy_to_host, action, 0, 4),
    M(action_copy_to_host, len, 4, 4),

    S(action_lb_output, 8, 4),
    M(action_lb_output, action, 0, 4),
    M(action_lb_output, bond, 4, 4),

    S(action_tunnel_pop, 12, 4),
    M(action_tunnel_pop, action, 0, 4),
    M(action_tunnel_pop, type, 4, 4),
    M(action_tunnel_pop, port, 8, 4),

    S(action_tunnel_push, 20, 4),
    M(action_tunnel_push, action, 0, 4),
    M(action_tunnel_push, type, 4, 4),
    M(action_tunnel_push, port, 8, 4),
    M(action_tunnel_push, header_len, 12, 2),
    M(action_tunnel_push, udp_min, 14, 2),
    M(action_tunnel_push, udp_max, 16, 2),
    M(action_tunnel_push, pad, 18, 2),

    S(action_clone, 4, 4),
    M(action_clone, action, 0, 4),

    S(action_sample, 8, 4),
    M(action_sample, action, 0, 4),
    M(action_sample, probability, 4, 4),

    S(action_check_pkt_len, 8, 4),
    M(action_check_pkt_len, action, 0, 4),
    M(action_check_pkt_len, pkt_len, 4, 2),
    M(action_check_pkt_len, greater_len, 6, 2),

    S(action_meter, 8, 4),
    M(action_meter, action, 0, 4),
    M(action_meter, meter, 4, 4),

    S(action_trunc, 8, 4),
    M(action_trunc, action, 0, 4),
    M(action_trunc, max_len, 4, 4),

    S(action_push_mpls, 12, 4),
    M(action_push_mpls, action, 0, 4),
    M(action_push_mpls, lse, 4, 4),
    M(action_push_mpls, eth_type, 8, 2),
    M(action_push_mpls, at_front, 10, 1),
    M(action_push_mpls, pad, 11, 1),

    S(action_pop_mpls, 8, 4),
    M(action_pop_mpls, action, 0, 4),
    M(action_pop_mpls, eth_type, 4, 2),
    M(action_pop_mpls, pad, 6, 2),

    S(action_push_eth, 16, 4),
    M(action_push_eth, action, 0, 4),
    M(action_push_eth, src, 4, 6),
    M(action_push_eth, dst, 10, 6),

    S(action_pop_eth, 4, 4),
    M(action_pop_eth, action, 0, 4),

    S(action_push_nsh, 8, 4),
    M(action_push_nsh, action, 0, 4),
    M(action_push_nsh, header_len, 4, 4),

    S(action_pop_nsh, 4, 4),
    M(action_pop_nsh, action, 0, 4),

    S(action_set_meta, 36, 4),
    M(action_set_meta, action, 0, 4),
    M(action_set_meta, priority, 4, 4),
    M(action_set_meta, priority_mask, 8, 4),
    M(action_set_meta, mark, 12, 4),
    M(action_set_meta, mark_mask, 16, 4),
    M(action_set_meta, dp_hash, 20, 4),
    M(action_set_meta, dp_hash_mask, 24, 4),
    M(action_set_meta, recirc_id, 28, 4),
    M(action_set_meta, recirc_id_mask, 32, 4),

    S(action_set_tunnel, 76, 4),
    M(action_set_tunnel, action, 0, 4),
    M(action_set_tunnel, tunnel, 4, 72),

    S(action_set_mpls, 12, 4),
    M(action_set_mpls, action, 0, 4),
    M(action_set_mpls, lse, 4, 4),
    M(action_set_mpls, lse_mask, 8, 4),

    S(action_set_nsh, 52, 4),
    M(action_set_nsh, action, 0, 4),
    M(action_set_nsh, nsh, 4, 24),
    M(action_set_nsh, nsh_mask, 28, 24),

    S(action_set_nd_ext, 16, 4),
    M(action_set_nd_ext, action, 0, 4),
    M(action_set_nd_ext, reserved, 4, 4),
    M(action_set_nd_ext, reserved_mask, 8, 4),
    M(action_set_nd_ext, opt_type, 12, 1),
    M(action_set_nd_ext, opt_type_mask, 13, 1),
    M(action_set_nd_ext, pad, 14, 2),

    S(msg, 16, 4),
    M(msg, len, 0, 4),
    M(msg, type, 4, 2),
    M(msg, flags, 6, 2),
    M(msg, id, 8, 4),
    M(msg, session, 12, 4),

    S(flow_put, 16, 8),
    M(flow_put, id, 0, 4),
    M(flow_put, n_words, 4, 2),
    M(flow_put, program_len, 6, 2),
    M(flow_put, map, 8, 8),

    S(meter_set, 8, 4),
    M(meter_set, id, 0, 4),
    M(meter_set, flags, 4, 2),
    M(meter_set, n_bands, 6, 2),

    S(meter_band, 8, 4),
    M(meter_band, rate, 0, 4),
    M(meter_band, burst, 4, 4),

    S(bond_set, 1028, 4),
    M(bond_set, id, 0, 4),
    M(bond_set, ports, 4, 1024),

    S(tracker_entry, 528, 8),
    M(tracker_entry, flow_id, 0, 4),
    M(tracker_entry, n_flows, 4, 4),
    M(tracker_entry, packets, 8, 8),
    M(tracker_entry, used, 16, 8),
    M(tracker_entry, key, 24, 504),
};

#undef S
#undef M

static void
check_equal(const char *name, const char *what, size_t is, size_t golden)
{
    if (is != golden) {
        printf("%s: %s is %zu, was %zu\n", name, what, is, golden);
        n_checks_failed++;
    }
}

static void
test_layouts(void)
{
    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];

        check_equal(r->name, "size", r->size, r->golden_size);
        check_equal(r->name, "offset", r->ofs, r->golden_ofs);
        check_equal(r->name, "alignment", r->align, r->golden_align);
    }
}

/* No holes: each member begins where the last one ended, and the last one ends
 * where its struct does. */
static void
test_no_padding(void)
{
    size_t size = 0, end = 0;

    for (size_t i = 0; i < AGILIO_ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];

        if (r->is_struct) {
            check_equal(r->name, "end of the struct before", end, size);
            size = r->size;
            end = 0;
        } else {
            check_equal(r->name, "begin", r->ofs, end);
            end += r->size;
        }
    }
    check_equal("the last struct", "end", end, size);
}

/* What two sides write at the same time stands on lines of its own. */
static void
test_cache_lines(void)
{
    CHECK(sizeof(struct agilio_ring) % AGILIO_CACHE_LINE == 0);
    CHECK(offsetof(struct agilio_ring, cons) % AGILIO_CACHE_LINE == 0);
    CHECK(offsetof(struct agilio_region, state) % AGILIO_CACHE_LINE == 0);
    CHECK(offsetof(struct agilio_region, host_epoch) % AGILIO_CACHE_LINE == 0);
    CHECK(sizeof(struct agilio_region) % AGILIO_CACHE_LINE == 0);
    CHECK(AGILIO_COUNTER_ROW * 8 % AGILIO_CACHE_LINE == 0);
    CHECK(AGILIO_COUNTER_ROW == 32);
    CHECK(sizeof(struct agilio_port) % AGILIO_CACHE_LINE == 0);
    CHECK(AGILIO_GRANULE == 64 && AGILIO_CACHE_LINE == 64);
}

/* The rows of AGILIO_FIELDS name every byte of the key that is not padding,
 * once and in order; tunnel options, the last, are 252. */
static void
test_fields(void)
{
    size_t end = 0, pad = 0;

#define FIELD(NAME, MEMBER, FORMAT)                                     \
    CHECK(offsetof(struct agilio_key, MEMBER) >= end);                  \
    pad += offsetof(struct agilio_key, MEMBER) - end;                   \
    end = offsetof(struct agilio_key, MEMBER)                           \
          + sizeof ((struct agilio_key *) 0)->MEMBER;
    AGILIO_FIELDS(FIELD)
#undef FIELD
    pad += sizeof(struct agilio_key) - end;
    CHECK(pad == 3 + 2 + 2 + 4 + 4);
    CHECK(sizeof(struct agilio_key) == AGILIO_KEY_WORDS * 8);
}

/* ## -------------- ##
 * ## Numbered names. ##
 * ## -------------- ## */

struct number {
    const char *name;
    uint64_t is, golden;
};

static void
check_numbers(const struct number *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (numbers[i].is != numbers[i].golden) {
            printf("%s is %#llx, was %#llx\n", numbers[i].name,
                   (unsigned long long) numbers[i].is,
                   (unsigned long long) numbers[i].golden);
            n_checks_failed++;
        }
    }
}

/* Those of an enum: each of its values has a row. */
static void
check_enum(const struct number *numbers, size_t n)
{
    check_numbers(numbers, n);
    for (size_t i = 0; i < n; i++) {
        CHECK(numbers[i].golden == i);
    }
}

#define N(NAME, VALUE) { #NAME, (uint64_t) AGILIO_##NAME, VALUE }

static void
test_constants(void)
{
    static const struct number constants[] = {
        N(ABI_MIN, 3),
        N(ABI_MAX, 3),
        N(F_TRACE, 1),
        N(FEATURES, 1),
        N(FUNCTION_PF, 1),
        N(FUNCTION_VF, 2),
        N(NIC_BOOTING, 0),
        N(NIC_READY, 1),
        N(NIC_STOPPED, 2),
        N(PEER_NIC, 0),
        N(PEER_HOST, 1),
        N(VECTOR_CONTROL, 0),
        N(VECTOR_PACKETS, 1),
        N(N_VECTORS, 2),
        N(MAX_PORTS, 64),
        N(PORT_NAME_LEN, 32),
        N(PORT_NONE, 0),
        N(PORT_ADMIN_UP, 1),
        N(PORT_LINK_UP, 2),
        N(MAX_FRAME, 9728),
        N(DESC_RESUMED, 1),
        N(FALLBACK_MISS, 0),
        N(FALLBACK_HOST, 1),
        N(FALLBACK_UNABLE, 2),
        N(N_FALLBACKS, 3),
        N(MAX_META, 860),
        N(MAX_RECORD, 10620),
        N(KEY_WORDS, 63),
        N(MAX_PROGRAM, 2048),
        N(MAX_OUTPUTS, 64),
        N(MSG_F_REPLY, 1),
        N(MSG_F_ERROR, 2),
        N(MSG_F_EVENT, 4),
        N(METER_PKTPS, 1),
        N(MAX_BANDS, 8),
        N(BOND_BUCKETS, 256),
        N(MAX_MSG, 8192),
        N(E_OK, 0),
        N(E_NOENT, 2),
        N(E_BUSY, 16),
        N(E_EXIST, 17),
        N(E_INVAL, 22),
        N(E_NOSPC, 28),
        N(E_PROTO, 71),
        N(E_OPNOTSUPP, 95),
        N(E_NOBUFS, 105),
        N(PORT_SET_FLAGS, 1),
        N(PORT_SET_MTU, 2),
        N(PORT_SET_MAC, 4),
        N(PORT_HOST, 2147483648),
        N(MAX_INCARNATION, 32767),
        N(MAX_TUNNEL_OPTS, 252),
        N(DESC_SAMPLED, 2),
        N(MAX_SAMPLE, 512),
        N(ACTION_TYPE, 16383),
        N(MAX_NESTING, 8),
        N(MAX_GROWTH, 512),
        N(MAX_RECIRC, 6),
        N(HASH_L4, 0),
        N(HASH_SYM_L4, 1),
        N(TUNNEL_NONE, 0),
        N(TUNNEL_VXLAN, 1),
        N(TUNNEL_GRE, 2),
        N(TUNNEL_GENEVE, 3),
        N(TUNNEL_ERSPAN, 4),
        N(TUNNEL_GTPU, 5),
        N(N_TUNNELS, 6),
    };
    agilio_le64 magic = agilio_to_le64(AGILIO_MAGIC);

    check_numbers(constants, AGILIO_ARRAY_SIZE(constants));
    CHECK(!memcmp(&magic, "AGILIO01", 8));
    CHECK(agilio_port_id(5, 3) == 0x30005);
    CHECK(agilio_port_slot(0x30005) == 5);
    CHECK(!(agilio_port_id(AGILIO_MAX_PORTS - 1, AGILIO_MAX_INCARNATION)
            & AGILIO_PORT_HOST));
}

static void
test_messages(void)
{
    static const struct number messages[] = {
        N(MSG_NONE, 0),
        N(MSG_HELLO, 1),
        N(MSG_KEEPALIVE, 2),
        N(MSG_OPTIONS, 3),
        N(MSG_PORT_SET, 4),
        N(MSG_PORT_EVENT, 5),
        N(MSG_FLOW_PUT, 6),
        N(MSG_FLOW_DEL, 7),
        N(MSG_FLOW_FLUSH, 8),
        N(MSG_TRACKER_DUMP, 9),
        N(MSG_METER_SET, 10),
        N(MSG_METER_DEL, 11),
        N(MSG_BOND_SET, 12),
        N(MSG_BOND_DEL, 13),
        N(MSG_TRACE, 14),
        N(N_MSGS, 15),
    };

    check_enum(messages, AGILIO_ARRAY_SIZE(messages));
}

static void
test_actions(void)
{
    static const struct number actions[] = {
        N(ACTION_NONE, 0),
        N(ACTION_OUTPUT, 1),
        N(ACTION_TO_HOST, 2),
        N(ACTION_COPY_TO_HOST, 3),
        N(ACTION_LB_OUTPUT, 4),
        N(ACTION_RECIRC, 5),
        N(ACTION_TUNNEL_POP, 6),
        N(ACTION_TUNNEL_PUSH, 7),
        N(ACTION_CLONE, 8),
        N(ACTION_SAMPLE, 9),
        N(ACTION_CHECK_PKT_LEN, 10),
        N(ACTION_METER, 11),
        N(ACTION_TRUNC, 12),
        N(ACTION_HASH, 13),
        N(ACTION_PUSH_VLAN, 14),
        N(ACTION_POP_VLAN, 15),
        N(ACTION_PUSH_MPLS, 16),
        N(ACTION_POP_MPLS, 17),
        N(ACTION_PUSH_ETH, 18),
        N(ACTION_POP_ETH, 19),
        N(ACTION_PUSH_NSH, 20),
        N(ACTION_POP_NSH, 21),
        N(ACTION_SET_META, 22),
        N(ACTION_SET_TUNNEL, 23),
        N(ACTION_SET_ETH, 24),
        N(ACTION_SET_MPLS, 25),
        N(ACTION_SET_NSH, 26),
        N(ACTION_SET_IPV4, 27),
        N(ACTION_SET_IPV6, 28),
        N(ACTION_SET_TCP, 29),
        N(ACTION_SET_UDP, 30),
        N(ACTION_SET_SCTP, 31),
        N(ACTION_SET_ICMP, 32),
        N(ACTION_SET_ARP, 33),
        N(ACTION_SET_ND, 34),
        N(ACTION_SET_ND_EXT, 35),
        N(N_ACTIONS, 36),
    };

    check_enum(actions, AGILIO_ARRAY_SIZE(actions));
}

static void
test_counters(void)
{
    static const struct number counters[] = {
        N(COUNTER_L1_HIT, 0),
        N(COUNTER_L2_HIT, 1),
        N(COUNTER_FALLBACK_MISS, 2),
        N(COUNTER_FALLBACK_HOST, 3),
        N(COUNTER_FALLBACK_UNABLE, 4),
        N(COUNTER_HOST_TX, 5),
        N(COUNTER_CARRIED, 6),
        N(COUNTER_RECIRC, 7),
        N(COUNTER_SAMPLED, 8),
        N(COUNTER_LEARNED, 9),
        N(COUNTER_EVICTED, 10),
        N(COUNTER_DROP_RUNT, 11),
        N(COUNTER_DROP_RX_DOWN, 12),
        N(COUNTER_DROP_POLICY, 13),
        N(COUNTER_DROP_METER, 14),
        N(COUNTER_DROP_TUNNEL, 15),
        N(COUNTER_DROP_NSH, 16),
        N(COUNTER_DROP_NO_BOND, 17),
        N(COUNTER_DROP_RECIRC, 18),
        N(COUNTER_DROP_NO_HOST, 19),
        N(COUNTER_DROP_HOST_FULL, 20),
        N(COUNTER_DROP_HOST_TOO_BIG, 21),
        N(COUNTER_DROP_TX_GONE, 22),
        N(COUNTER_DROP_TX_DOWN, 23),
        N(COUNTER_DROP_TX_MTU, 24),
        N(COUNTER_DROP_TX_FULL, 25),
        N(COUNTER_DROP_TX_ERROR, 26),
        N(COUNTER_DROP_NO_BUFFER, 27),
        N(COUNTER_DROP_HOST_BAD, 28),
        N(COUNTER_DROP_WORKER_FULL, 29),
        N(N_COUNTERS, 30),
    };

    check_enum(counters, AGILIO_ARRAY_SIZE(counters));
}

/* Bytes on the wire, whatever this machine's byte order. */
static void
test_byte_order(void)
{
    agilio_le16 le16 = agilio_to_le16(0x0102);
    agilio_le32 le32 = agilio_to_le32(0x01020304);
    agilio_le64 le64 = agilio_to_le64(UINT64_C(0x0102030405060708));
    agilio_be16 be16 = agilio_to_be16(0x0102);
    agilio_be32 be32 = agilio_to_be32(0x01020304);
    agilio_be64 be64 = agilio_to_be64(UINT64_C(0x0102030405060708));

    CHECK(!memcmp(&le16, "\2\1", 2));
    CHECK(!memcmp(&le32, "\4\3\2\1", 4));
    CHECK(!memcmp(&le64, "\10\7\6\5\4\3\2\1", 8));
    CHECK(!memcmp(&be16, "\1\2", 2));
    CHECK(!memcmp(&be32, "\1\2\3\4", 4));
    CHECK(!memcmp(&be64, "\1\2\3\4\5\6\7\10", 8));
    CHECK(agilio_from_le16(le16) == 0x0102);
    CHECK(agilio_from_le32(le32) == 0x01020304);
    CHECK(agilio_from_le64(le64) == UINT64_C(0x0102030405060708));
    CHECK(agilio_from_be16(be16) == 0x0102);
    CHECK(agilio_from_be32(be32) == 0x01020304);
    CHECK(agilio_from_be64(be64) == UINT64_C(0x0102030405060708));
}

int
main(void)
{
    RUN(test_layouts);
    RUN(test_no_padding);
    RUN(test_cache_lines);
    RUN(test_fields);
    RUN(test_constants);
    RUN(test_messages);
    RUN(test_actions);
    RUN(test_counters);
    RUN(test_byte_order);
    return summary();
}
