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
    M(region, pad1, 120, 8),
    M(region, control, 128, 48),
    M(region, pad2, 176, 16),
    M(region, state, 192, 4),
    M(region, port_seq, 196, 4),
    M(region, clock, 200, 8),
    M(region, heartbeat, 208, 8),
    M(region, pad3, 216, 40),
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

    S(port, 128, 8),
    M(port, seq, 0, 4),
    M(port, id, 4, 4),
    M(port, flags, 8, 4),
    M(port, mtu, 12, 4),
    M(port, speed, 16, 4),
    M(port, mac, 20, 6),
    M(port, pad0, 26, 6),
    M(port, name, 32, 32),
    M(port, stats, 64, 64),

    S(qp, 64, 8),
    M(qp, port_slot, 0, 4),
    M(qp, worker, 4, 4),
    M(qp, to_host, 8, 24),
    M(qp, from_host, 32, 24),
    M(qp, pad, 56, 8),

    S(desc, 32, 8),
    M(desc, len, 0, 4),
    M(desc, flags, 4, 2),
    M(desc, meta_len, 6, 2),
    M(desc, port, 8, 4),
    M(desc, reason, 12, 4),
    M(desc, timestamp, 16, 8),
    M(desc, pad, 24, 8),

    S(resume, 104, 8),
    M(resume, recirc_id, 0, 4),
    M(resume, dp_hash, 4, 4),
    M(resume, pkt_mark, 8, 4),
    M(resume, skb_priority, 12, 4),
    M(resume, in_port, 16, 4),
    M(resume, ct_state, 20, 1),
    M(resume, ct_nw_proto, 21, 1),
    M(resume, ct_zone, 22, 2),
    M(resume, ct_mark, 24, 4),
    M(resume, pad0, 28, 4),
    M(resume, ct_label, 32, 16),
    M(resume, tun_id, 48, 8),
    M(resume, tun_src, 56, 16),
    M(resume, tun_dst, 72, 16),
    M(resume, tun_flags, 88, 2),
    M(resume, tun_tos, 90, 1),
    M(resume, tun_ttl, 91, 1),
    M(resume, tun_tp_src, 92, 2),
    M(resume, tun_tp_dst, 94, 2),
    M(resume, gbp_id, 96, 2),
    M(resume, gbp_flags, 98, 1),
    M(resume, opts_len, 99, 1),
    M(resume, pad1, 100, 4),

    S(flow_stats, 32, 8),
    M(flow_stats, packets, 0, 8),
    M(flow_stats, bytes, 8, 8),
    M(flow_stats, used, 16, 8),
    M(flow_stats, tcp_flags, 24, 2),
    M(flow_stats, pad, 26, 6),

    S(vlan, 4, 2),
    M(vlan, tpid, 0, 2),
    M(vlan, tci, 2, 2),

    S(key, 136, 8),
    M(key, in_port, 0, 4),
    M(key, recirc_id, 4, 4),
    M(key, eth_dst, 8, 6),
    M(key, eth_type, 14, 2),
    M(key, eth_src, 16, 6),
    M(key, tcp_flags, 22, 2),
    M(key, vlan, 24, 8),
    M(key, mpls_lse, 32, 12),
    M(key, nw_proto, 44, 1),
    M(key, nw_tos, 45, 1),
    M(key, nw_ttl, 46, 1),
    M(key, nw_frag, 47, 1),
    M(key, nw_src, 48, 4),
    M(key, nw_dst, 52, 4),
    M(key, ipv6_src, 56, 16),
    M(key, ipv6_dst, 72, 16),
    M(key, ipv6_label, 88, 4),
    M(key, tp_src, 92, 2),
    M(key, tp_dst, 94, 2),
    M(key, nd_target, 96, 16),
    M(key, arp_sha, 112, 6),
    M(key, pad0, 118, 2),
    M(key, arp_tha, 120, 6),
    M(key, pad1, 126, 2),
    M(key, igmp_group, 128, 4),
    M(key, dp_hash, 132, 4),

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

    S(action_hash, 8, 4),
    M(action_hash, action, 0, 4),
    M(action_hash, basis, 4, 4),

    S(action_recirc, 8, 4),
    M(action_recirc, action, 0, 4),
    M(action_recirc, recirc_id, 4, 4),

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

    S(tracker_entry, 160, 8),
    M(tracker_entry, flow_id, 0, 4),
    M(tracker_entry, pad, 4, 4),
    M(tracker_entry, packets, 8, 8),
    M(tracker_entry, used, 16, 8),
    M(tracker_entry, key, 24, 136),
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
    CHECK(offsetof(struct agilio_port, stats) % AGILIO_CACHE_LINE == 0);
    CHECK(sizeof(struct agilio_port) % AGILIO_CACHE_LINE == 0);
    CHECK(AGILIO_GRANULE == 64 && AGILIO_CACHE_LINE == 64);
}

/* The rows of AGILIO_FIELDS name every byte of the key that is not padding,
 * once and in order. */
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
    CHECK(pad == 2 + 2);
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

#define N(NAME, VALUE) { #NAME, (uint64_t) AGILIO_##NAME, VALUE }

static void
test_constants(void)
{
    static const struct number constants[] = {
        N(ABI_MIN, 1),
        N(ABI_MAX, 1),
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
        N(MAX_META, 356),
        N(MAX_RECORD, 10116),
        N(KEY_WORDS, 17),
        N(MAX_PROGRAM, 2048),
        N(MAX_OUTPUTS, 64),
        N(MSG_F_REPLY, 1),
        N(MSG_F_ERROR, 2),
        N(MSG_F_EVENT, 4),
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
    };
    agilio_le64 magic = agilio_to_le64(AGILIO_MAGIC);

    check_numbers(constants, AGILIO_ARRAY_SIZE(constants));
    CHECK(!memcmp(&magic, "AGILIO01", 8));
    CHECK(agilio_port_id(5, 3) == 0x30005);
    CHECK(agilio_port_slot(0x30005) == 5);
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
        N(N_MSGS, 10),
    };

    check_numbers(messages, AGILIO_ARRAY_SIZE(messages));
}

static void
test_actions(void)
{
    static const struct number actions[] = {
        N(ACTION_NONE, 0),
        N(ACTION_OUTPUT, 1),
        N(ACTION_TO_HOST, 2),
        N(ACTION_PUSH_VLAN, 3),
        N(ACTION_POP_VLAN, 4),
        N(ACTION_SET_ETH, 5),
        N(ACTION_SET_IPV4, 6),
        N(ACTION_SET_IPV6, 7),
        N(ACTION_SET_TCP, 8),
        N(ACTION_SET_UDP, 9),
        N(ACTION_SET_SCTP, 10),
        N(ACTION_SET_ICMP, 11),
        N(ACTION_SET_ARP, 12),
        N(ACTION_SET_ND, 13),
        N(ACTION_HASH, 14),
        N(ACTION_RECIRC, 15),
        N(N_ACTIONS, 16),
    };

    check_numbers(actions, AGILIO_ARRAY_SIZE(actions));
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
        N(COUNTER_LEARNED, 8),
        N(COUNTER_EVICTED, 9),
        N(COUNTER_DROP_RUNT, 10),
        N(COUNTER_DROP_RX_DOWN, 11),
        N(COUNTER_DROP_POLICY, 12),
        N(COUNTER_DROP_RECIRC, 13),
        N(COUNTER_DROP_NO_HOST, 14),
        N(COUNTER_DROP_HOST_FULL, 15),
        N(COUNTER_DROP_HOST_TOO_BIG, 16),
        N(COUNTER_DROP_TX_GONE, 17),
        N(COUNTER_DROP_TX_DOWN, 18),
        N(COUNTER_DROP_TX_MTU, 19),
        N(COUNTER_DROP_TX_FULL, 20),
        N(COUNTER_DROP_TX_ERROR, 21),
        N(COUNTER_DROP_NO_BUFFER, 22),
        N(COUNTER_DROP_HOST_BAD, 23),
        N(N_COUNTERS, 24),
    };

    check_numbers(counters, AGILIO_ARRAY_SIZE(counters));
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
