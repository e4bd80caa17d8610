/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-netdev.c - representors: netdev class "agilio", on a NIC whose ports
 * and workers this test plays (fake-nic.h).
 */

#include <config.h>

#include "netdev-agilio.h"

#include <errno.h>

#include "agilio-hooks.h"
#include "agilio-nic.h"
#include "agilio-residency.h"
#include "agilio-sample.h"
#include "agilio-shadow.h"
#include "agilio.h"
#include "check.h"
#include "dp-packet.h"
#include "dpif.h"
#include "dummy.h"
#include "fake-nic.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

static char *path;

/* ## ------- ##
 * ## Helpers ##
 * ## ------- ## */

static bool
is_up(void)
{
    return agilio_nic_status() != AGILIO_NIC_DOWN;
}

static void
bring_up(void)
{
    fake.mood = FAKE_KIND;
    fake.admin_up = fake.mtu = fake.mac_byte = 0;
    CHECK(fake_start(path));
    agilio_nic_connect(path);
}

static void
bring_down(void)
{
    agilio_nic_disconnect();
    CHECK(WAIT_FOR(!is_up(), 1000));
    fake_stop();
}

/* Opens representor 'name' of NIC port 'port' (NULL: of the same name).
 * Returns what netdev_set_config() does. */
static int
open_netdev(const char *name, const char *port, struct netdev **netdev)
{
    struct smap args = SMAP_INITIALIZER(&args);
    char *error_text = NULL;
    int error;

    CHECK(!netdev_open(name, "agilio", netdev));
    if (port) {
        smap_add(&args, "agilio-port", port);
    }
    error = netdev_set_config(*netdev, &args, &error_text);
    CHECK(!error == !error_text);
    free(error_text);
    smap_destroy(&args);
    return error;
}

static bool
has_port(const struct netdev *netdev)
{
    return netdev_agilio_port_id(netdev) != AGILIO_PORT_NONE;
}

/* The value of 'key' in the status column equals 'value' (NULL: none). */
static bool
status_is(const struct netdev *netdev, const char *key, const char *value)
{
    struct smap smap = SMAP_INITIALIZER(&smap);
    bool same;

    CHECK(!netdev_get_status(netdev, &smap));
    same = nullable_string_is_equal(smap_get(&smap, key), value);
    smap_destroy(&smap);
    return same;
}

static struct netdev_stats
get_stats(const struct netdev *netdev)
{
    struct netdev_stats stats;

    CHECK(!netdev_get_stats(netdev, &stats));
    return stats;
}

static void
set_counters(uint32_t slot, uint64_t base)
{
    struct agilio_port_stats *s = &fake.f->region.port_stats[slot];

    s->rx_packets = agilio_to_le64(base + 1);
    s->rx_bytes = agilio_to_le64(base + 2);
    s->tx_packets = agilio_to_le64(base + 3);
    s->tx_dropped = agilio_to_le64(base + 4);
}

/* A worker of the NIC writes a record of 'len' bytes of frame to the host,
 * with the 'meta_len' bytes at 'meta'. */
static void
write_record(uint32_t slot, struct agilio_desc *desc, const void *meta,
             uint32_t meta_len, uint32_t len)
{
    struct agilio_ring_end *end = &fake.f->region.qps[slot].to_host;
    uint32_t n = agilio_ring_granules(sizeof *desc + meta_len + len);
    uint8_t frame[256];

    desc->len = agilio_to_le32(sizeof *desc + meta_len + len);
    desc->meta_len = agilio_to_le16(meta_len);
    memset(frame, len, sizeof frame);
    agilio_ring_write(end, 0, desc, sizeof *desc);
    if (meta_len) {
        agilio_ring_write(end, sizeof *desc, meta, meta_len);
    }
    agilio_ring_write(end, sizeof *desc + meta_len, frame, len);
    if (agilio_ring_produce(end, n)) {
        agl_function_kick(fake.f, AGILIO_VECTOR_PACKETS);
    }
}

/* A fresh packet. */
static void
to_host(uint32_t slot, uint32_t port_id, uint32_t len)
{
    struct agilio_desc desc = { .port = agilio_to_le32(port_id) };

    write_record(slot, &desc, NULL, 0, len);
}

/* One to be resumed, as from 'in_port'. */
static void
to_host_resumed(uint32_t slot, uint32_t port_id, uint32_t len,
                uint32_t in_port, uint32_t recirc_id)
{
    struct agilio_metadata md = {
        .in_port = agilio_to_le32(in_port),
        .recirc_id = agilio_to_le32(recirc_id),
    };
    struct agilio_desc desc = {
        .port = agilio_to_le32(port_id),
        .flags = agilio_to_le16(AGILIO_DESC_RESUMED),
    };

    write_record(slot, &desc, &md, sizeof md, len);
}

/* A sampled one, out of a tunnel, with 'n' bytes of actions. */
static void
to_host_sampled(uint32_t slot, uint32_t port_id, const void *actions,
                uint32_t n)
{
    struct {
        struct agilio_metadata md;
        uint8_t opts[8];
        uint8_t actions[AGILIO_MAX_SAMPLE];
    } meta = {
        .md.in_port = agilio_to_le32(AGILIO_PORT_HOST | 99),
        .md.tunnel.ip_dst = agilio_to_be32(0x0a000002),
        .md.tunnel.id = agilio_to_be64(0x77),
        .md.tunnel.opts_len = sizeof meta.opts,
        .opts = { 0x01, 0x02, 0x03, 0x01, 0xaa, 0xbb, 0xcc, 0xdd },
    };
    struct agilio_desc desc = {
        .port = agilio_to_le32(port_id),
        .flags = agilio_to_le16(AGILIO_DESC_RESUMED | AGILIO_DESC_SAMPLED),
    };

    memcpy(meta.actions, actions, n);
    write_record(slot, &desc, &meta, offsetof(typeof(meta), actions) + n, 60);
}

/* Receives a batch: returns the number of packets, -1 if all are to be
 * resumed and 0 for none; '*len' is the length of the first, and resumed ones
 * come from datapath port 'in_port'. */
static int
receive_from(struct netdev_rxq *rxq, uint32_t *len, uint32_t in_port)
{
    struct dp_packet_batch batch;
    int n = 0;

    dp_packet_batch_init(&batch);
    if (!netdev_rxq_recv(rxq, &batch, NULL)) {
        bool resumed = agilio_batch_is_resumed(rxq, &batch, u32_to_odp(7));

        n = dp_packet_batch_size(&batch) * (resumed ? -1 : 1);
        *len = dp_packet_size(batch.packets[0]);
        for (int i = 0; resumed && i < -n; i++) {
            struct pkt_metadata *md = &batch.packets[i]->md;

            CHECK(md->in_port.odp_port == u32_to_odp(in_port));
            CHECK(md->orig_in_port == u32_to_odp(7));
        }
        dp_packet_delete_batch(&batch, true);
    }
    return n;
}

/* The same, where the NIC port, datapath port 7, is the only one. */
static int
receive(struct netdev_rxq *rxq, uint32_t *len)
{
    return receive_from(rxq, len, 7);
}

/* Sleeps for at most 'ms' as the main loop does.  True if the queue woke it
 * up, within that time. */
static bool
sleep_wakes(struct netdev_rxq *rxq, struct netdev_rxq *other, int ms)
{
    long long int start = time_msec();

    netdev_rxq_wait(rxq);
    if (other) {
        netdev_rxq_wait(other);
    }
    poll_timer_wait(ms);
    poll_block();
    return time_msec() - start < ms / 2;
}

/* ## ----- ##
 * ## Tests ##
 * ## ----- ## */

static void
test_config(void)
{
    struct netdev *a, *b;
    struct smap args = SMAP_INITIALIZER(&args);

    CHECK(!open_netdev("a", NULL, &a));
    CHECK(netdev_is_agilio(a) && !netdev_is_pmd(a));
    CHECK(!netdev_get_config(a, &args) && smap_is_empty(&args));
    CHECK(open_netdev("b", "a", &b) == EBUSY);
    CHECK(open_netdev("b", "", &b) == EINVAL);
    netdev_close(b);
    CHECK(open_netdev("b", "0123456789012345678901234567890", &b) == 0);
    netdev_close(b);
    CHECK(open_netdev("b", "01234567890123456789012345678901", &b) == EINVAL);
    netdev_close(b);
    netdev_close(b);

    CHECK(!open_netdev("b", "p0", &b));
    CHECK(!netdev_get_config(b, &args));
    CHECK(smap_get(&args, "agilio-port")
          && !strcmp(smap_get(&args, "agilio-port"), "p0"));
    CHECK(netdev_get_ifindex(a) == -EOPNOTSUPP);
    smap_destroy(&args);
    netdev_close(a);
    netdev_close(b);
}

/* A port that is not there, comes, goes, and comes as another one. */
static void
test_port_comes(void)
{
    struct eth_addr mac;
    struct netdev *dev;
    int mtu;

    CHECK(!open_netdev("dev", "p0", &dev));
    CHECK(!netdev_get_carrier(dev));
    CHECK(netdev_get_etheraddr(dev, &mac) == ENODEV);
    CHECK(!netdev_get_mtu(dev, &mtu) && mtu == 1500);
    CHECK(status_is(dev, "nic-status", "down"));

    bring_up();
    CHECK(WAIT_FOR(is_up(), 1000));
    CHECK(!has_port(dev));
    CHECK(status_is(dev, "nic", path));
    CHECK(status_is(dev, "nic-status", "attached"));
    CHECK(status_is(dev, "port-status", "no such port on the NIC"));

    fake_set_port(2, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(netdev_agilio_port_id(dev) == agilio_port_id(2, 1));
    CHECK(status_is(dev, "port-id", "0x00010002"));
    CHECK(status_is(dev, "port-status", NULL));
    CHECK(netdev_get_carrier(dev));
    CHECK(!netdev_get_etheraddr(dev, &mac) && mac.ea[5] == 7);
    CHECK(WAIT_FOR(agilio_load_relaxed(&fake.admin_up), 1000));

    fake_set_port(2, 0, "", 0);
    CHECK(WAIT_FOR(!has_port(dev), 2000));
    CHECK(!netdev_get_carrier(dev));
    CHECK(netdev_get_carrier_resets(dev) == 2);
    fake_set_port(3, 4, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(netdev_agilio_port_id(dev) == agilio_port_id(3, 4));

    bring_down();
    CHECK(!has_port(dev) && !netdev_get_carrier(dev));
    netdev_close(dev);
}

static void
test_settings(void)
{
    struct eth_addr mac = ETH_ADDR_C(02,00,00,00,00,09);
    struct netdev_saved_flags *sf;
    struct eth_addr got;
    struct netdev *dev;
    int mtu;

    CHECK(!open_netdev("p0", NULL, &dev));
    bring_up();
    fake_set_port(0, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(has_port(dev), 2000));

    CHECK(!netdev_set_mtu(dev, 2000));
    CHECK(agilio_load_relaxed(&fake.mtu) == 2000);
    CHECK(!netdev_get_mtu(dev, &mtu) && mtu == 2000);
    CHECK(netdev_set_mtu(dev, 67) == EINVAL);
    CHECK(netdev_set_mtu(dev, 9707) == EINVAL);
    CHECK(!netdev_set_etheraddr(dev, mac));
    CHECK(agilio_load_relaxed(&fake.mac_byte) == 9);
    CHECK(!netdev_turn_flags_off(dev, NETDEV_UP, &sf));
    CHECK(WAIT_FOR(!agilio_load_relaxed(&fake.admin_up), 1000));
    CHECK(!netdev_get_carrier(dev));

    /* What the NIC cannot do. */
    agilio_store_relaxed(&fake.mood, FAKE_REFUSE);
    CHECK(netdev_set_mtu(dev, 3000) == ENOENT);
    CHECK(!netdev_get_mtu(dev, &mtu) && mtu == 2000);
    mac.ea[5] = 10;
    CHECK(!netdev_set_etheraddr(dev, mac));
    CHECK(!netdev_get_etheraddr(dev, &got) && got.ea[5] == 10);

    /* A new NIC is told all of it. */
    bring_down();
    bring_up();
    fake_set_port(0, 1, "p0", AGILIO_PORT_LINK_UP);
    agilio_store_relaxed(&fake.admin_up, 99);
    CHECK(WAIT_FOR(agilio_load_relaxed(&fake.admin_up) == 0, 2000));
    CHECK(fake.mtu == 2000 && fake.mac_byte == 10);
    netdev_restore_flags(sf);
    CHECK(WAIT_FOR(agilio_load_relaxed(&fake.admin_up), 1000));
    bring_down();
    netdev_close(dev);
}

static void
test_stats(void)
{
    struct netdev *dev;

    CHECK(!open_netdev("p0", NULL, &dev));
    CHECK(get_stats(dev).rx_packets == 0);
    bring_up();
    fake_set_port(0, 1, "p0", AGILIO_PORT_LINK_UP);
    set_counters(0, 10);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(get_stats(dev).rx_packets == 11);
    CHECK(get_stats(dev).rx_bytes == 12);
    CHECK(get_stats(dev).tx_packets == 13);
    CHECK(get_stats(dev).tx_dropped == 14);
    CHECK(get_stats(dev).collisions == UINT64_MAX);

    /* The connection is lost, the NIC goes on: so do the counters. */
    agilio_nic_fail(agilio_nic_map(), "test");
    CHECK(WAIT_FOR(!has_port(dev), 1000));
    set_counters(0, 20);
    CHECK(WAIT_FOR(has_port(dev), 3000));
    CHECK(get_stats(dev).rx_packets == 21);

    /* Another port of that name, another NIC: they add up. */
    set_counters(0, 30);
    CHECK(get_stats(dev).rx_packets == 31);
    set_counters(1, 100);
    fake_set_port(0, 0, "", 0);
    fake_set_port(1, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(netdev_agilio_port_id(dev) == agilio_port_id(1, 1), 2000));
    CHECK(get_stats(dev).rx_packets == 132);
    set_counters(1, 200);       /* Nobody looks before the NIC is gone. */
    bring_down();
    bring_up();                 /* The id is the same. */
    fake_set_port(1, 1, "p0", AGILIO_PORT_LINK_UP);
    set_counters(1, 1000);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(get_stats(dev).rx_packets == 31 + 201 + 1001);
    set_counters(1, 2000);      /* The last look is at what a dead NIC left. */
    bring_down();
    CHECK(get_stats(dev).rx_packets == 31 + 201 + 2001);
    netdev_close(dev);
}

static void
test_receive(void)
{
    uint32_t id = agilio_port_id(0, 1);
    struct netdev_rxq *rxq;
    struct netdev *dev;
    uint32_t len = 0;
    int i;

    CHECK(!open_netdev("p0", NULL, &dev));
    CHECK(!netdev_rxq_open(dev, &rxq, 0));
    CHECK(receive(rxq, &len) == 0);
    bring_up();
    fake_set_port(0, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(receive(rxq, &len) == 0);

    /* Bursts are limited, and of one kind. */
    for (i = 0; i < 40; i++) {
        to_host(0, id, 60 + i);
    }
    to_host_resumed(0, id, 200, id, 5);
    to_host_resumed(0, id, 201, id, 6);
    to_host(0, id, 202);
    CHECK(receive(rxq, &len) == NETDEV_MAX_BURST && len == 60);
    CHECK(receive(rxq, &len) == 40 - NETDEV_MAX_BURST && len == 92);
    CHECK(receive(rxq, &len) == -2 && len == 200);
    CHECK(receive(rxq, &len) == 1 && len == 202);
    CHECK(receive(rxq, &len) == 0);

    /* And of one in_port. */
    to_host_resumed(0, id, 203, AGILIO_PORT_HOST | 8, 0);
    to_host_resumed(0, id, 204, AGILIO_PORT_HOST | 8, 5);
    to_host_resumed(0, id, 205, AGILIO_PORT_HOST | 9, 0);
    to_host_resumed(0, id, 206, id, 5);
    to_host_resumed(0, id, 207, AGILIO_PORT_HOST | 9, 0);
    CHECK(receive_from(rxq, &len, 8) == -2 && len == 203);
    CHECK(receive_from(rxq, &len, 9) == -1 && len == 205);
    CHECK(receive_from(rxq, &len, 7) == -1 && len == 206);
    CHECK(receive_from(rxq, &len, 9) == -1 && len == 207);
    CHECK(receive(rxq, &len) == 0);

    /* Bad and stale records are passed over. */
    to_host(0, id, 13);
    to_host(0, agilio_port_id(0, 9), 60);
    to_host(0, id, 61);
    CHECK(receive(rxq, &len) == 1 && len == 61);
    CHECK(get_stats(dev).rx_errors == 1);

    to_host(0, id, 62);
    CHECK(!netdev_rxq_drain(rxq));
    CHECK(receive(rxq, &len) == 0);

    netdev_rxq_close(rxq);
    netdev_close(dev);
    bring_down();
}

/* ## ------- ##
 * ## Samples ##
 * ## ------- ## */

#define SAMPLE_PORT_NO 7

static int n_sampled;

/* What a datapath calls for the userspace action of a sample. */
static int
sample_upcall(const struct dp_packet *packet, const struct flow *flow,
              ovs_u128 *ufid OVS_UNUSED, unsigned int pmd_id OVS_UNUSED,
              enum dpif_upcall_type type, const struct nlattr *userdata,
              struct ofpbuf *actions OVS_UNUSED,
              struct flow_wildcards *wc OVS_UNUSED,
              struct ofpbuf *put_actions OVS_UNUSED, void *aux OVS_UNUSED)
{
    n_sampled++;
    CHECK(type == DPIF_UC_ACTION);
    CHECK(dp_packet_size(packet) == 60);
    CHECK(flow->in_port.odp_port == u32_to_odp(99));
    CHECK(flow->tunnel.ip_dst == htonl(0x0a000002));
    CHECK(flow->tunnel.tun_id == htonll(0x77));
    CHECK(flow->tunnel.metadata.present.len == 8);
    CHECK(userdata && nl_attr_get_u64(userdata) == 0x1122334455667788);
    return 0;
}

static void
put_sample_actions(struct ofpbuf *actions, uint16_t type)
{
    size_t ofs = nl_msg_start_nested(actions, type);

    nl_msg_put_u32(actions, OVS_USERSPACE_ATTR_PID, 0);
    nl_msg_put_u64(actions, OVS_USERSPACE_ATTR_USERDATA, 0x1122334455667788);
    nl_msg_end_nested(actions, ofs);
}

/* Good ones are executed in the main thread; others, of which no harm comes,
 * are counted. */
static void
check_samples(struct netdev_rxq *rxq, uint32_t id)
{
    uint64_t n_lost = agilio_sample_n_lost();
    struct ofpbuf actions;
    uint32_t len;

    ofpbuf_init(&actions, 0);
    put_sample_actions(&actions, OVS_ACTION_ATTR_USERSPACE);
    to_host_sampled(0, id, actions.data, actions.size);
    to_host(0, id, 61);
    to_host_sampled(0, id, actions.data, actions.size);
    CHECK(receive(rxq, &len) == 1 && len == 61);
    CHECK(receive(rxq, &len) == 0);
    CHECK(n_sampled == 0);
    agilio_sample_run();
    CHECK(n_sampled == 2 && agilio_sample_n_lost() == n_lost);

    /* More at a time than may wait. */
    for (int i = 0; i < 1030; i++) {
        to_host_sampled(0, id, actions.data, actions.size);
        CHECK(receive(rxq, &len) == 0);
    }
    agilio_sample_run();
    CHECK(n_sampled == 2 + 1024);
    n_lost += 6;
    CHECK(agilio_sample_n_lost() == n_lost);
    n_sampled = 2;

    /* Cut short, not for userspace, without pid, rubbish. */
    to_host_sampled(0, id, actions.data, actions.size - 4);
    ofpbuf_clear(&actions);
    put_sample_actions(&actions, OVS_ACTION_ATTR_CLONE);
    to_host_sampled(0, id, actions.data, actions.size);
    ofpbuf_clear(&actions);
    nl_msg_put_flag(&actions, OVS_ACTION_ATTR_USERSPACE);
    to_host_sampled(0, id, actions.data, actions.size);
    to_host_sampled(0, id, "\xff", 1);
    CHECK(receive(rxq, &len) == 0);
    agilio_sample_run();
    CHECK(n_sampled == 2 && agilio_sample_n_lost() == n_lost + 4);
    ofpbuf_uninit(&actions);
}

static void
test_sampled(void)
{
    struct agilio_port_pair pair = {
        .dpif_type = "dummy",
        .ref.id = agilio_port_id(0, 1),
        .odp_port = u32_to_odp(SAMPLE_PORT_NO),
    };
    struct netdev_rxq *rxq;
    struct netdev *dev;
    struct dpif *dpif;

    CHECK(!dpif_create_and_open("ovs-dummy", "dummy", &dpif));
    dpif_register_upcall_cb(dpif, sample_upcall, NULL);
    dpif_enable_upcall(dpif);
    bring_up();
    fake_set_port(0, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(!open_netdev("p0", NULL, &dev));
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(!netdev_rxq_open(dev, &rxq, 0));

    agilio_residency_set_ports(&pair, 1);
    check_samples(rxq, pair.ref.id);
    agilio_residency_set_ports(NULL, 0);

    netdev_rxq_close(rxq);
    netdev_close(dev);
    bring_down();
    dpif_disable_upcall(dpif);
    dpif_delete(dpif);
    dpif_close(dpif);
}

/* Two ports share the doorbell. */
static void
test_sleep(void)
{
    struct netdev_rxq *rxq[2];
    struct netdev *dev[2];
    uint32_t len, i;

    bring_up();
    for (i = 0; i < 2; i++) {
        fake_set_port(i, 1, i ? "p1" : "p0", AGILIO_PORT_LINK_UP);
        CHECK(!open_netdev(i ? "p1" : "p0", NULL, &dev[i]));
        CHECK(WAIT_FOR(has_port(dev[i]), 2000));
        CHECK(!netdev_rxq_open(dev[i], &rxq[i], 0));
        CHECK(receive(rxq[i], &len) == 0);
    }
    CHECK(!sleep_wakes(rxq[0], rxq[1], 200));

    /* A packet comes between the last look and the sleep, for either. */
    for (i = 0; i < 2; i++) {
        CHECK(receive(rxq[0], &len) == 0);
        CHECK(receive(rxq[1], &len) == 0);
        to_host(i, agilio_port_id(i, 1), 60);
        CHECK(sleep_wakes(rxq[0], rxq[1], 1000));
        CHECK(receive(rxq[i], &len) == 1);
        CHECK(receive(rxq[!i], &len) == 0);
    }

    /* And after both have asked for the doorbell; polling the other port,
     * which clears the doorbell, loses nothing. */
    for (i = 0; i < 2; i++) {
        netdev_rxq_wait(rxq[0]);
        netdev_rxq_wait(rxq[1]);
        to_host(i, agilio_port_id(i, 1), 60);
        CHECK(sleep_wakes(rxq[0], rxq[1], 1000));
        CHECK(receive(rxq[!i], &len) == 0);
        CHECK(sleep_wakes(rxq[0], rxq[1], 1000));
        CHECK(receive(rxq[i], &len) == 1);
        CHECK(receive(rxq[!i], &len) == 0);
        CHECK(!sleep_wakes(rxq[0], rxq[1], 100));
        CHECK(receive(rxq[0], &len) == 0);
        CHECK(receive(rxq[1], &len) == 0);
    }

    for (i = 0; i < 2; i++) {
        netdev_rxq_close(rxq[i]);
        netdev_close(dev[i]);
    }
    bring_down();
}

static void
test_broken_ring(void)
{
    struct netdev_rxq *rxq;
    struct netdev *dev;
    uint32_t len;

    CHECK(!open_netdev("p0", NULL, &dev));
    CHECK(!netdev_rxq_open(dev, &rxq, 0));
    bring_up();
    fake_set_port(0, 1, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(receive(rxq, &len) == 0);

    fake.f->region.qps[0].to_host.ring->prod = agilio_to_le32(0x77777777);
    CHECK(receive(rxq, &len) == 0);
    CHECK(WAIT_FOR(!has_port(dev), 1000));
    CHECK(WAIT_FOR(has_port(dev), 3000));       /* With empty rings. */
    to_host(0, agilio_port_id(0, 1), 60);
    CHECK(receive(rxq, &len) == 1);

    netdev_rxq_close(rxq);
    netdev_close(dev);
    bring_down();
}

/* Sends a packet of 'len' bytes; what netdev_send() says. */
static int
send_packet(struct netdev *netdev, uint32_t len)
{
    struct dp_packet *packet = dp_packet_new(len);
    struct dp_packet_batch batch;

    memset(dp_packet_put_uninit(packet, len), 0x5a, len);
    dp_packet_batch_init_packet(&batch, packet);
    return netdev_send(netdev, 0, &batch, true);
}

static void
test_send(void)
{
    struct agilio_ring_end *end;
    struct agilio_desc desc;
    struct netdev *dev;
    uint8_t frame[60];
    uint32_t n_sent = 1;

    CHECK(!open_netdev("p0", NULL, &dev));
    CHECK(send_packet(dev, 60) == ENODEV);
    bring_up();
    fake_set_port(0, 3, "p0", AGILIO_PORT_LINK_UP);
    CHECK(WAIT_FOR(has_port(dev), 2000));
    CHECK(get_stats(dev).tx_dropped == 1);

    end = &fake.f->region.qps[0].from_host;
    CHECK(!send_packet(dev, 60));
    CHECK(agilio_ring_peek(end, sizeof desc, AGILIO_MAX_RECORD) == 92);
    agilio_ring_read(end, 0, &desc, sizeof desc);
    agilio_ring_read(end, sizeof desc, frame, sizeof frame);
    CHECK(agilio_from_le32(desc.port) == agilio_port_id(0, 3));
    CHECK(!desc.flags && !desc.meta_len);
    CHECK(frame[0] == 0x5a && frame[59] == 0x5a);

    CHECK(send_packet(dev, 13) == EMSGSIZE);
    CHECK(send_packet(dev, AGILIO_MAX_FRAME + 1) == EMSGSIZE);
    while (!send_packet(dev, 60)) {
        n_sent++;
    }
    CHECK(n_sent == 128);       /* Of 2 granules; the ring has 256. */
    CHECK(get_stats(dev).tx_dropped == 4);
    agilio_ring_consume(end, 2);
    CHECK(!send_packet(dev, 60));
    CHECK(send_packet(dev, 60) == EAGAIN);

    netdev_close(dev);
    bring_down();
}

static void
check_tun_md(const struct agilio_shadow_flow *flow, void *aux OVS_UNUSED)
{
    CHECK(!flow->match.tun_md.valid);
}

/* What dpif-netdev calls for a flow.  One of a port that is not ours, or not
 * for offload, or not there, is for the offload queue. */
static void
test_flow_put(struct netdev *dev)
{
    struct dpif_port port = { "p1", "agilio", u32_to_odp(7) };
    struct smap config = SMAP_CONST1(&config, "hw-offload", "true");
    ovs_u128 ufid = { .u64 = { 3, 4 } };
    struct dpif_flow_stats stats;
    struct dpif_flow_attrs attrs;
    const char *type = "dummy";
    struct match match;

    netdev_set_dpif_type(dev, type);
    netdev_set_flow_api_enabled(&config);
    match_init_catchall(&match);
    match.flow.in_port.odp_port = port.port_no;
    match.wc.masks.in_port.odp_port = ODPP_NONE;
    CHECK(!agilio_flow_put(type, &match, NULL, 0, &ufid));
    CHECK(!netdev_ports_insert(dev, &port));
    CHECK(agilio_flow_put(type, &match, NULL, 0, &ufid));
    CHECK(agilio_flow_get(&ufid, &stats, &attrs));
    netdev_uninit_flow_api(dev);
    CHECK(!agilio_flow_put(type, &match, NULL, 0, &ufid));
    CHECK(agilio_flow_removed(&ufid));
    CHECK(!agilio_flow_removed(&ufid));
    CHECK(!netdev_ports_remove(port.port_no, type));
}

/* A flow that came through the offload queue: its thread forgets it when it
 * comes to it; one that is made anew meanwhile starts from nothing. */
static void
test_flow_hooks(void)
{
    const struct netdev_flow_api *api = &netdev_offload_agilio;
    ovs_u128 ufid = { .u64 = { 1, 2 } }, other = ufid;
    struct flow_wildcards wc;
    struct dpif_flow_stats stats;
    struct dpif_flow_attrs attrs;
    struct netdev *dev;
    struct match match;

    CHECK(!open_netdev("p1", NULL, &dev));
    match_init_catchall(&match);
    memset(&match.tun_md, 1, sizeof match.tun_md);
    CHECK(!agilio_flow_get(&ufid, &stats, &attrs));
    CHECK(!api->flow_put(dev, &match, NULL, 0, &ufid, NULL, NULL));
    agilio_shadow_for_each(check_tun_md, NULL);
    CHECK(agilio_flow_get(&ufid, &stats, &attrs) && !attrs.offloaded);
    agilio_flow_stop(&ufid);
    CHECK(agilio_flow_get(&ufid, &stats, &attrs));
    CHECK(agilio_flow_removed(&ufid));
    CHECK(!agilio_flow_get(&ufid, &stats, &attrs));
    CHECK(agilio_shadow_del(&ufid) == ENOENT);

    flow_wildcards_init_catchall(&wc);
    agilio_mega_ufid(&wc, &ufid);
    wc.masks.nw_src = OVS_BE32_MAX;
    agilio_mega_ufid(&wc, &other);
    CHECK(!ovs_u128_equals(ufid, other));
    test_flow_put(dev);
    netdev_close(dev);
}

static void
register_class(void)
{
    struct sset types = SSET_INITIALIZER(&types);

    netdev_enumerate_types(&types);
    if (!sset_contains(&types, "agilio")) {
        netdev_register_provider(&netdev_agilio_class);
    }
    sset_destroy(&types);
}

int
main(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    path = xasprintf("/tmp/test-netdev.%d.sock", getpid());
    register_class();
    dummy_enable("");
    ovs_numa_init();
    time_msec();        /* The clock makes a seq, which a seq_wait() cannot. */

    RUN(test_config);
    RUN(test_port_comes);
    RUN(test_settings);
    RUN(test_stats);
    RUN(test_receive);
    RUN(test_sampled);
    RUN(test_sleep);
    RUN(test_broken_ring);
    RUN(test_send);
    RUN(test_flow_hooks);
    return summary();
}
