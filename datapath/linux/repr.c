// SPDX-License-Identifier: GPL-2.0-only
/*
 * repr.c - representors: a network device "agl_PORT" for each port of the NIC.
 *
 * What is sent through a representor leaves the NIC by its port.  What comes
 * out of it is what the port received and the NIC could not finish; in a
 * bridge, openvswitch.ko takes it up from there.  Its counters are the port's:
 * all packets, whoever carried them.
 *
 * A virtual function's only port has an ordinary network card, "eth%d": the
 * NIC's host decides on its link and largest MTU, and proposes its MAC address.
 *
 * The watch makes and removes representors, with rtnl; NAPI (rx.c) finds them by
 * RCU.
 */

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>

#include "agk.h"

/* ## ------- ##
 * ## Sending ##
 * ## ------- ##
 */

static netdev_tx_t start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct agk_repr *r = netdev_priv(dev);
	struct agilio_ring_end *ring = &r->from_host;
	u32 len = sizeof(struct agilio_desc) + skb->len;
	u32 n = agilio_ring_granules(len);
	struct agilio_desc desc = {
		.len = agilio_to_le32(len),
		.port = agilio_to_le32(r->port),
	};

	if (skb_linearize(skb) || skb->len > AGILIO_MAX_FRAME ||
	    agilio_ring_free(ring) < n) {
		agk_count(r->nic, AGK_COUNTER_tx_full);
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	agilio_ring_write(ring, 0, &desc, sizeof(desc));
	agilio_ring_write(ring, sizeof(desc), skb->data, skb->len);
	skb_tx_timestamp(skb);
	if (agilio_ring_produce(ring, n))
		agk_ring_doorbell(r->nic, AGILIO_VECTOR_PACKETS);
	consume_skb(skb);
	return NETDEV_TX_OK;
}

/* ## ------------------ ##
 * ## Settings, counters ##
 * ## ------------------ ##
 */

/* Sets what 'what' says of the NIC's port. */
static int port_set(struct agk_repr *r, u32 what, bool up, u32 mtu,
		    const u8 *mac)
{
	struct agilio_writer w;
	u8 body[22];

	if (!agk_is_pf(r->nic))
		return 0;		/* Of the guest's end only. */
	w = (struct agilio_writer) { body, body + sizeof(body), false };
	agilio_put_u32(&w, r->port);
	agilio_put_u32(&w, what);
	agilio_put_u32(&w, up ? AGILIO_PORT_ADMIN_UP : 0);
	agilio_put_u32(&w, mtu);
	agilio_put_bytes(&w, mac, ETH_ALEN);
	return agk_ctl_call(r->nic, AGILIO_MSG_PORT_SET, body, sizeof(body));
}

static int agk_open(struct net_device *dev)
{
	struct agk_repr *r = netdev_priv(dev);

	netif_start_queue(dev);
	return port_set(r, AGILIO_PORT_SET_FLAGS, true, 0, dev->dev_addr);
}

static int agk_stop(struct net_device *dev)
{
	struct agk_repr *r = netdev_priv(dev);

	netif_stop_queue(dev);
	/* A NIC that is gone has no port to take down. */
	port_set(r, AGILIO_PORT_SET_FLAGS, false, 0, dev->dev_addr);
	return 0;
}

static int change_mtu(struct net_device *dev, int mtu)
{
	struct agk_repr *r = netdev_priv(dev);
	int err = port_set(r, AGILIO_PORT_SET_MTU, false, mtu, dev->dev_addr);

	if (!err)
		dev->mtu = mtu;
	return err;
}

static int set_mac(struct net_device *dev, void *address)
{
	struct agk_repr *r = netdev_priv(dev);
	struct sockaddr *sa = address;
	int err = eth_prepare_mac_addr_change(dev, address);

	if (!err)
		err = port_set(r, AGILIO_PORT_SET_MAC, false, 0,
			       (const u8 *)sa->sa_data);
	if (!err)
		eth_commit_mac_addr_change(dev, address);
	return err;
}

static void get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	const struct agk_repr *r = netdev_priv(dev);
	const struct agk_nic *nic = r->nic;
	const struct agilio_port_stats *p =
		&nic->port_stats[r->entry - nic->ports];
	u32 w;

	for (w = 0; w < nic->n_workers; w++, p += nic->n_ports) {
#define ADD(MEMBER) \
		s->MEMBER += agilio_from_le64(agilio_load_relaxed(&p->MEMBER))
		ADD(rx_packets);
		ADD(rx_bytes);
		ADD(rx_dropped);
		ADD(rx_errors);
		ADD(tx_packets);
		ADD(tx_bytes);
		ADD(tx_dropped);
		ADD(tx_errors);
#undef ADD
	}
}

static int phys_port_name(struct net_device *dev, char *name, size_t len)
{
	const struct agk_repr *r = netdev_priv(dev);

	return snprintf(name, len, "%s", r->name) < len ? 0 : -EINVAL;
}

static const struct net_device_ops netdev_ops = {
	.ndo_open = agk_open,
	.ndo_stop = agk_stop,
	.ndo_start_xmit = start_xmit,
	.ndo_change_mtu = change_mtu,
	.ndo_set_mac_address = set_mac,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = get_stats64,
	.ndo_get_phys_port_name = phys_port_name,
};

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	const struct agk_repr *r = netdev_priv(dev);

	strscpy(info->driver, "agilio", sizeof(info->driver));
	strscpy(info->bus_info, pci_name(r->nic->pdev),
		sizeof(info->bus_info));
}

/* No wire to ask; bonding wants a speed, and full duplex for LACP. */
static int get_link_ksettings(struct net_device *dev,
			      struct ethtool_link_ksettings *settings)
{
	settings->base.speed = SPEED_10000;
	settings->base.duplex = DUPLEX_FULL;
	settings->base.port = PORT_OTHER;
	settings->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

/* The driver's counters, then the NIC's: those of all ports. */
static const char counter_names[][ETH_GSTRING_LEN] = {
#define AGK_COUNTER(NAME, HELP) #NAME,
	AGK_COUNTERS(AGK_COUNTER)
#undef AGK_COUNTER
#define AGILIO_COUNTER(ENUM, KIND, HELP) "nic_" #ENUM,
	AGILIO_COUNTERS(AGILIO_COUNTER)
#undef AGILIO_COUNTER
};

static int get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? ARRAY_SIZE(counter_names) : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 sset, u8 *strings)
{
	if (sset == ETH_SS_STATS)
		memcpy(strings, counter_names, sizeof(counter_names));
}

static void get_ethtool_stats(struct net_device *dev,
			      struct ethtool_stats *stats, u64 *data)
{
	const struct agk_repr *r = netdev_priv(dev);
	struct agk_nic *nic = r->nic;
	u32 i;

	for (i = 0; i < AGK_N_COUNTERS; i++)
		*data++ = atomic64_read(&nic->counts[i]);
	for (i = 0; i < AGILIO_N_COUNTERS; i++)
		*data++ = agk_nic_counter(nic, i);
}

static const struct ethtool_ops ethtool_ops = {
	.get_drvinfo = get_drvinfo,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_ethtool_stats,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = get_link_ksettings,
};

struct agk_repr *agk_repr_of(const struct net_device *dev)
{
	return dev && dev->netdev_ops == &netdev_ops ? netdev_priv(dev) : NULL;
}

/* ## ------------ ##
 * ## Coming, going ##
 * ## ------------ ##
 */

/* A copy of a port's entry that the NIC did not write meanwhile. */
static bool read_entry(const struct agilio_port *entry,
		       struct agilio_port *copy)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		/* Pairs with the release of the NIC's second store. */
		u32 seq = agilio_from_le32(agilio_load_acquire(&entry->seq));

		memcpy(copy, entry, sizeof(*copy));
		agilio_fence();		/* The copy, then the second look. */
		if (!(seq & 1) &&
		    seq == agilio_from_le32(agilio_load_relaxed(&entry->seq))) {
			copy->name[sizeof(copy->name) - 1] = '\0';
			return true;
		}
		cpu_relax();
	}
	return false;
}

static bool open_rings(struct agk_repr *r, u32 slot)
{
	struct agk_nic *nic = r->nic;
	u32 i;

	for (i = 0; i < nic->n_qps; i++) {
		struct agilio_qp *qp = &nic->qps[i];

		if (agilio_from_le32(qp->port_slot) == slot)
			return agk_ring_at(nic, &qp->to_host, false,
					   &r->to_host) &&
			       agk_ring_at(nic, &qp->from_host, true,
					   &r->from_host);
	}
	return false;
}

static void setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &netdev_ops;
	dev->ethtool_ops = &ethtool_ops;
	dev->needs_free_netdev = true;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = AGILIO_MAX_FRAME - VLAN_ETH_HLEN;
}

static void show_link(struct net_device *dev, u32 flags)
{
	if (flags & AGILIO_PORT_LINK_UP)
		netif_carrier_on(dev);
	else
		netif_carrier_off(dev);
}

/* A name that a device can have. */
static void name_device(struct agk_repr *r, u32 slot)
{
	struct net_device *dev = r->dev;
	const char *port = r->name;

	if (!agk_is_pf(r->nic)) {
		strscpy(dev->name, "eth%d", IFNAMSIZ);
		return;
	}
	snprintf(dev->name, IFNAMSIZ, "agl_%s", port);
	if (strlen(port) + 4 >= IFNAMSIZ || !dev_valid_name(dev->name))
		snprintf(dev->name, IFNAMSIZ, "agl%u", slot);
}

static int add(struct agk_nic *nic, u32 slot, const struct agilio_port *entry)
{
	struct net_device *dev = alloc_netdev(sizeof(struct agk_repr), "agl%d",
					      NET_NAME_USER, setup);
	struct agk_repr *r;
	int err = -EPROTO;

	if (!dev)
		return -ENOMEM;
	r = netdev_priv(dev);
	r->nic = nic;
	r->dev = dev;
	r->port = agilio_from_le32(entry->id);
	r->entry = &nic->ports[slot];
	memcpy(r->name, entry->name, sizeof(r->name));
	name_device(r, slot);
	SET_NETDEV_DEV(dev, &nic->pdev->dev);
	eth_hw_addr_set(dev, entry->mac);
	if (!is_valid_ether_addr(dev->dev_addr))
		eth_hw_addr_random(dev);
	dev->mtu = clamp_t(u32, agilio_from_le32(entry->mtu), dev->min_mtu,
			   dev->max_mtu);
	if (!agk_is_pf(nic))
		dev->max_mtu = dev->mtu;
	netif_carrier_off(dev);
	if (open_rings(r, slot))
		err = register_netdevice(dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	show_link(dev, agilio_from_le32(entry->flags));
	rcu_assign_pointer(nic->reprs[slot], r);
	return 0;
}

/* With rtnl. */
static void del(struct agk_nic *nic, u32 slot)
{
	struct agk_repr *r = rtnl_dereference(nic->reprs[slot]);

	if (r) {
		RCU_INIT_POINTER(nic->reprs[slot], NULL);
		synchronize_net();
		unregister_netdevice(r->dev);
	}
}

static void update(struct agk_nic *nic, u32 slot)
{
	struct agk_repr *r = rtnl_dereference(nic->reprs[slot]);
	struct agilio_port entry;
	u32 id;
	int err;

	if (!read_entry(&nic->ports[slot], &entry)) {
		agk_watch_soon(nic);
		return;
	}
	id = agilio_from_le32(entry.id);
	if (r && r->port != id) {
		del(nic, slot);
		r = NULL;
	}
	if (r) {
		show_link(r->dev, agilio_from_le32(entry.flags));
	} else if (id != AGILIO_PORT_NONE && agilio_port_slot(id) == slot) {
		err = add(nic, slot, &entry);
		if (err)
			dev_err(&nic->pdev->dev, "port %s: no device (%d)\n",
				entry.name, err);
	}
}

void agk_reprs_update(struct agk_nic *nic)
{
	u32 i;

	rtnl_lock();
	for (i = 0; i < nic->n_ports; i++)
		update(nic, i);
	rtnl_unlock();
	/* New rings want a consumer that asks to be woken. */
	local_bh_disable();
	napi_schedule(&nic->napi);
	local_bh_enable();
}

void agk_reprs_down(struct agk_nic *nic)
{
	u32 i;

	rtnl_lock();
	for (i = 0; i < nic->n_ports; i++) {
		struct agk_repr *r = rtnl_dereference(nic->reprs[i]);

		if (r)
			netif_carrier_off(r->dev);
	}
	rtnl_unlock();
}

bool agk_repr_show(struct agk_nic *nic, u32 slot, struct agilio_port *port,
		   char name[IFNAMSIZ])
{
	struct agk_repr *r;
	u32 id;

	if (!read_entry(&nic->ports[slot], port))
		return false;
	rtnl_lock();
	r = rtnl_dereference(nic->reprs[slot]);
	id = agilio_from_le32(port->id);
	strscpy(name, r && r->port == id ? r->dev->name : "", IFNAMSIZ);
	rtnl_unlock();
	return id != AGILIO_PORT_NONE && agilio_port_slot(id) == slot;
}

static u32 ring_fill(const struct agilio_ring_end *end)
{
	u32 prod = agilio_from_le32(agilio_load_relaxed(&end->ring->prod));
	u32 cons = agilio_from_le32(agilio_load_relaxed(&end->ring->cons));

	return end->n ? min_t(u64, 100, 100ULL * (prod - cons) / end->n) : 0;
}

u32 agk_reprs_ring_fill(struct agk_nic *nic)
{
	u32 i, fill = 0;

	rcu_read_lock();
	for (i = 0; i < nic->n_ports; i++) {
		const struct agk_repr *r = rcu_dereference(nic->reprs[i]);

		if (r)
			fill = max3(fill, ring_fill(&r->to_host),
				    ring_fill(&r->from_host));
	}
	rcu_read_unlock();
	return fill;
}

void agk_reprs_remove(struct agk_nic *nic)
{
	u32 i;

	rtnl_lock();
	for (i = 0; i < nic->n_ports; i++)
		del(nic, i);
	rtnl_unlock();
}
