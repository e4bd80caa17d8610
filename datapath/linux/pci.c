// SPDX-License-Identifier: GPL-2.0-only
/*
 * pci.c - the PCI device of an Agilio function: QEMU's ivshmem-doorbell.
 *
 *     BAR 0   registers: the doorbell at 12
 *     BAR 2   the region of abi.h
 *     MSI-X   one vector for the control channel, one for packets
 *
 * Other ivshmem devices have the same PCI ids: ours has the magic number at
 * the beginning of its region.
 *
 * What a probe opens in order, a removal closes in reverse.  In between, the
 * watch looks twice a second, or when the NIC says so, at ports and heartbeat.
 * A NIC that stopped or fell silent is dead: its memory is still there, so its
 * last counters are read.  If it lives again it is filled again; if not, another
 * device will come.
 */

#include <linux/debugfs.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>

#include "agk.h"

#define PCI_VENDOR_QUMRANET 0x1af4
#define PCI_DEVICE_IVSHMEM 0x1110

#define REG_DOORBELL 12

#define MAX_WORKERS 64

/* ## ------------ ##
 * ## The region.  ##
 * ## ------------ ##
 */

void *agk_region_at(const struct agk_nic *nic, agilio_le64 ofs_, u64 n,
		    size_t size)
{
	u64 ofs = agilio_from_le64(ofs_);

	if (ofs > nic->size || ofs % AGILIO_CACHE_LINE ||
	    n > (nic->size - ofs) / size)
		return NULL;
	return (u8 *)nic->region + ofs;
}

bool agk_ring_at(const struct agk_nic *nic,
		 const struct agilio_ring_place *shared, bool producer,
		 struct agilio_ring_end *end)
{
	struct agilio_ring_place place = *shared;
	u32 n = agilio_from_le32(place.n_granules);
	void *ring = agk_region_at(nic, place.ring_ofs, 1,
				   sizeof(struct agilio_ring));
	void *body = agk_region_at(nic, place.body_ofs, n, AGILIO_GRANULE);

	if (!ring || !body || n & (n - 1) || n > U32_MAX / AGILIO_GRANULE)
		return false;
	if (producer)
		agilio_ring_init_producer(end, ring, body, n);
	else
		agilio_ring_init_consumer(end, ring, body, n);
	return true;
}

static int check_identity(struct agk_nic *nic)
{
	const struct agilio_region *region = nic->region;
	if (nic->size < sizeof(*region) ||
	    agilio_from_le64(region->magic) != AGILIO_MAGIC)
		return -ENODEV;		/* Some other ivshmem device. */
	if (agilio_from_le16(region->abi_min) > AGILIO_ABI_MAX ||
	    agilio_from_le16(region->abi_max) < AGILIO_ABI_MIN) {
		dev_err(&nic->pdev->dev, "no ABI version in common\n");
		return -EPROTO;
	}
	nic->type = agilio_from_le32(region->type);
	if (nic->type != AGILIO_FUNCTION_PF &&
	    nic->type != AGILIO_FUNCTION_VF) {
		dev_err(&nic->pdev->dev, "function type %u is unknown\n",
			nic->type);
		return -EPROTO;
	}
	return 0;
}

static int read_geometry(struct agk_nic *nic)
{
	struct agilio_region *region = nic->region;

	nic->n_ports = agilio_from_le32(region->n_ports);
	nic->max_flows = agilio_from_le32(region->max_flows);
	nic->n_workers = agilio_from_le32(region->n_workers);
	nic->n_qps = agilio_from_le32(region->n_qps);
	nic->ports = agk_region_at(nic, region->ports_ofs, nic->n_ports,
				   sizeof(struct agilio_port));
	nic->flows = agk_region_at(nic, region->flows_ofs,
				   (u64)nic->n_workers * nic->max_flows,
				   sizeof(struct agilio_flow_stats));
	nic->max_meters = agilio_from_le32(region->max_meters);
	nic->meters = agk_region_at(nic, region->meters_ofs, nic->max_meters,
				    sizeof(struct agilio_meter_stats));
	nic->qps = agk_region_at(nic, region->qps_ofs, nic->n_qps,
				 sizeof(struct agilio_qp));
	nic->counters = agk_region_at(nic, region->counters_ofs,
				      (u64)nic->n_workers * AGILIO_COUNTER_ROW,
				      sizeof(agilio_le64));
	nic->port_stats = agk_region_at(nic, region->port_stats_ofs,
					(u64)nic->n_workers * nic->n_ports,
					sizeof(struct agilio_port_stats));
	if (!nic->ports || !nic->port_stats || !nic->flows || !nic->qps ||
	    !nic->counters || !nic->meters || nic->max_meters > U16_MAX ||
	    nic->n_ports > AGILIO_MAX_PORTS ||
	    !nic->n_workers || nic->n_workers > MAX_WORKERS ||
	    nic->n_qps > AGILIO_MAX_PORTS ||
	    agilio_from_le32(region->n_counters) != AGILIO_COUNTER_ROW) {
		dev_err(&nic->pdev->dev, "the region makes no sense\n");
		return -EPROTO;
	}
	return 0;
}

/* ## ----------------------- ##
 * ## Doorbells, both ways.   ##
 * ## ----------------------- ##
 */

void agk_ring_doorbell(struct agk_nic *nic, enum agilio_vector vector)
{
	writel(AGILIO_PEER_NIC << 16 | vector, nic->regs + REG_DOORBELL);
}

static irqreturn_t control_irq(int irq, void *nic_)
{
	agk_ctl_rung(nic_);
	return IRQ_HANDLED;
}

static irqreturn_t packets_irq(int irq, void *nic_)
{
	struct agk_nic *nic = nic_;

	napi_schedule_irqoff(&nic->napi);
	return IRQ_HANDLED;
}

static int open_vectors(struct agk_nic *nic)
{
	static irq_handler_t const handlers[AGILIO_N_VECTORS] = {
		[AGILIO_VECTOR_CONTROL] = control_irq,
		[AGILIO_VECTOR_PACKETS] = packets_irq,
	};
	int i, err;

	err = pci_alloc_irq_vectors(nic->pdev, AGILIO_N_VECTORS,
				    AGILIO_N_VECTORS, PCI_IRQ_MSIX);
	if (err < 0)
		return err;
	for (i = 0; i < AGILIO_N_VECTORS; i++) {
		err = request_irq(pci_irq_vector(nic->pdev, i), handlers[i], 0,
				  "agilio", nic);
		if (err)
			goto undo;
	}
	return 0;
undo:
	while (i--)
		free_irq(pci_irq_vector(nic->pdev, i), nic);
	pci_free_irq_vectors(nic->pdev);
	return err;
}

static void close_vectors(struct agk_nic *nic)
{
	int i;

	for (i = 0; i < AGILIO_N_VECTORS; i++)
		free_irq(pci_irq_vector(nic->pdev, i), nic);
	pci_free_irq_vectors(nic->pdev);
}

/* ## ---------- ##
 * ## The watch. ##
 * ## ---------- ##
 */

void agk_watch_soon(struct agk_nic *nic)
{
	mod_delayed_work(system_wq, &nic->watch, 0);
}

void agk_nic_fail(struct agk_nic *nic, const char *why, bool for_good)
{
	if (for_good)
		WRITE_ONCE(nic->broken, true);
	if (READ_ONCE(nic->up)) {
		WRITE_ONCE(nic->why, why);
		WRITE_ONCE(nic->up, false);
		dev_err(&nic->pdev->dev, "the NIC is lost: %s\n", why);
		agk_watch_soon(nic);
	}
}

/* Whether the NIC's control thread has been alive within the time. */
static bool beats(struct agk_nic *nic)
{
	u64 heartbeat = agilio_from_le64(
		agilio_load_relaxed(&nic->region->heartbeat));

	if (heartbeat != nic->heartbeat) {
		nic->heartbeat = heartbeat;
		nic->heard = jiffies;
	}
	return time_before(jiffies, nic->heard + AGK_TIMEOUT) &&
	       agilio_from_le32(agilio_load_relaxed(&nic->region->state)) !=
	       AGILIO_NIC_STOPPED;
}

/* A dead NIC: leaves it, and tries again if its heart beats. */
static bool revive(struct agk_nic *nic)
{
	u64 heartbeat = nic->heartbeat;

	agk_flows_nic_down(nic);
	agk_endpoints_update(nic);
	agk_reprs_down(nic);
	if (!beats(nic) || nic->heartbeat == heartbeat ||
	    READ_ONCE(nic->broken))
		return false;
	if (!agk_is_pf(nic))
		WRITE_ONCE(nic->up, true);
	else if (agk_ctl_hello(nic))
		return false;
	dev_info(&nic->pdev->dev, "the NIC is back\n");
	agk_reprs_update(nic);
	if (agk_is_pf(nic)) {
		agk_flows_nic_up(nic);
		WRITE_ONCE(nic->moved, true);	/* It has no endpoints. */
	}
	return true;
}

static void look_at_tunnels(struct agk_nic *nic)
{
	unsigned long wait = READ_ONCE(nic->moved) ? AGK_LOOK_MIN : AGK_LOOK;

	if (time_before(jiffies, nic->looked + wait))
		return;
	nic->looked = jiffies;
	WRITE_ONCE(nic->moved, false);	/* What comes now is for the next. */
	agk_endpoints_update(nic);
	agk_flows_poll(nic);
}

static void watch(struct work_struct *work)
{
	struct agk_nic *nic = container_of(to_delayed_work(work),
					   struct agk_nic, watch);
	u32 seq;

	if (!READ_ONCE(nic->open))
		return;
	agk_ctl_drain(nic);
	if (nic->up && !beats(nic))
		agk_nic_fail(nic, "no heartbeat", false);
	agk_devlink_update(nic);
	if (!nic->up && !revive(nic))
		goto again;
	agk_devlink_update(nic);
	seq = agilio_from_le32(agilio_load_acquire(&nic->region->port_seq));
	if (seq != nic->port_seq) {
		nic->port_seq = seq;
		agk_reprs_update(nic);
	}
	if (agk_is_pf(nic))
		look_at_tunnels(nic);
again:
	/* If somebody has asked meanwhile, that is sooner. */
	queue_delayed_work(system_wq, &nic->watch,
			   READ_ONCE(nic->up) && READ_ONCE(nic->moved) ?
			   AGK_LOOK_MIN : AGK_WATCH);
}

/* ## ------------- ##
 * ## Coming, going ##
 * ## ------------- ##
 */

static int open_bars(struct agk_nic *nic)
{
	struct pci_dev *pdev = nic->pdev;
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	err = pci_request_regions(pdev, "agilio");
	if (err)
		return err;
	pci_set_master(pdev);
	nic->regs = pcim_iomap(pdev, 0, 0);
	nic->size = pci_resource_len(pdev, 2);
	/* Shared memory, not registers: cached, as it is for the NIC. */
	nic->region = devm_memremap(&pdev->dev, pci_resource_start(pdev, 2),
				    nic->size, MEMREMAP_WB);
	if (!nic->regs)
		return -ENOMEM;
	return PTR_ERR_OR_ZERO(nic->region);
}

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct agk_nic *nic;
	int err;

	nic = devm_kzalloc(&pdev->dev, sizeof(*nic), GFP_KERNEL);
	if (!nic)
		return -ENOMEM;
	nic->pdev = pdev;
	pci_set_drvdata(pdev, nic);
	INIT_DELAYED_WORK(&nic->watch, watch);
	xa_init_flags(&nic->flow_ids, XA_FLAGS_ALLOC);
	ida_init(&nic->meter_slots);
	agk_ctl_init(nic);
	nic->heard = nic->looked = jiffies;
	init_dummy_netdev(&nic->napi_dev);
	err = open_bars(nic);
	if (!err)
		err = check_identity(nic);
	if (!err)
		err = read_geometry(nic);
	if (err)
		return err;

	netif_napi_add(&nic->napi_dev, &nic->napi, agk_rx_poll);
	napi_enable(&nic->napi);
	err = open_vectors(nic);
	if (err)
		goto no_vectors;
	err = agk_is_pf(nic) ? agk_ctl_open(nic) : 0;
	if (err)
		goto no_session;
	err = agk_devlink_add(nic);
	if (err)
		goto no_devlink;
	WRITE_ONCE(nic->up, true);
	if (agk_is_pf(nic)) {
		agk_flows_nic_up(nic);
		agk_flows_show(nic);
		agk_netlink_add(nic);
	}
	WRITE_ONCE(nic->open, true);
	if (agk_is_pf(nic))
		agk_follow_add(nic);
	agk_watch_soon(nic);
	dev_info(&pdev->dev, "Agilio %s function, %u ports, %u flows\n",
		 agk_is_pf(nic) ? "physical" : "virtual", nic->n_ports,
		 nic->max_flows);
	return 0;

no_devlink:
	agk_ctl_close(nic);
no_session:
	close_vectors(nic);
	cancel_delayed_work_sync(&nic->watch);
no_vectors:
	napi_disable(&nic->napi);
	netif_napi_del(&nic->napi);
	return err;
}

static void remove(struct pci_dev *pdev)
{
	struct agk_nic *nic = pci_get_drvdata(pdev);

	if (agk_is_pf(nic))
		agk_netlink_del(nic);
	debugfs_remove(nic->debugfs);
	if (agk_is_pf(nic))
		agk_follow_del(nic);
	WRITE_ONCE(nic->open, false);
	cancel_delayed_work_sync(&nic->watch);
	agk_devlink_del(nic);
	agk_flows_nic_down(nic);
	agk_endpoints_update(nic);
	agk_reprs_remove(nic);
	agk_ctl_close(nic);
	close_vectors(nic);
	cancel_delayed_work_sync(&nic->watch);
	napi_disable(&nic->napi);
	netif_napi_del(&nic->napi);
	ida_destroy(&nic->meter_slots);
	xa_destroy(&nic->flow_ids);
}

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_QUMRANET, PCI_DEVICE_IVSHMEM) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
	.name = "agilio",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};

static int __init agk_init(void)
{
	int err = agk_flows_init();

	if (err)
		return err;
	err = agk_follow_init();
	if (err)
		goto no_follow;
	err = agk_netlink_init();
	if (err)
		goto no_netlink;
	err = pci_register_driver(&driver);
	if (err)
		goto no_driver;
	return 0;

no_driver:
	agk_netlink_exit();
no_netlink:
	agk_follow_exit();
no_follow:
	agk_flows_exit();
	return err;
}

static void __exit agk_exit(void)
{
	pci_unregister_driver(&driver);
	agk_netlink_exit();
	agk_follow_exit();
	agk_flows_exit();
}

module_init(agk_init);
module_exit(agk_exit);
MODULE_DESCRIPTION("Agilio NIC: representors and Open vSwitch offload");
MODULE_LICENSE("GPL");
