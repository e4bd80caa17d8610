// SPDX-License-Identifier: GPL-2.0-only
/*
 * meter.c - openvswitch.ko's meters on the NIC.
 *
 * A meter comes to the NIC with the first flow that uses it, and goes when it
 * is changed or deleted, or with the NIC: openvswitch.ko says so, and puts the
 * flows again.  What the NIC has counted is added to the meter's counters.
 *
 * A meter that both the NIC and openvswitch.ko carry packets for has its
 * buckets twice; its counters are the sum.
 *
 * A struct agk_meter is dp_meter.offload: made and freed with ovs_mutex, its
 * counters are read with the meter's lock.
 */

#include <linux/slab.h>

#include "actions.h"
#include "datapath.h"
#include "meter.h"
#include "offload.h"

struct agk_meter {
	struct agk_nic *nic;
	u32 id;				/* The NIC's for it. */
	struct ovs_offload_meter_counts counts;	/* Handed on already. */
};

/* What has come since that was last asked. */
static u64 since(agilio_le64 *counter, u64 *before)
{
	u64 now = agilio_from_le64(agilio_load_relaxed(counter));
	u64 more = now - *before;

	*before = now;
	return more;
}

void agk_meter_counts(void *offload, struct ovs_offload_meter_counts *c)
{
	struct agk_meter *m = offload;
	struct agilio_meter_stats *s = &m->nic->meters[agilio_slot(m->id)];

	c->packets = since(&s->in.packets, &m->counts.packets);
	c->bytes = since(&s->in.bytes, &m->counts.bytes);
	c->dropped_packets = since(&s->bands[0].packets,
				   &m->counts.dropped_packets);
	c->dropped_bytes = since(&s->bands[0].bytes, &m->counts.dropped_bytes);
}

void agk_meter_stop(void *offload)
{
	struct agk_meter *m = offload;
	agilio_le32 id = agilio_to_le32(m->id);

	agk_ctl_call(m->nic, AGILIO_MSG_METER_DEL, &id, sizeof(id));
}

void agk_meter_free(void *offload)
{
	struct agk_meter *m = offload;

	ida_free(&m->nic->meter_slots, agilio_slot(m->id));
	kfree(m);
}

bool agk_meter_is_of(const void *offload, const void *nic)
{
	const struct agk_meter *m = offload;

	return m->nic == nic;
}

/* An id that no flow on the NIC can still have; or a negative errno. */
static int new_id(struct agk_nic *nic)
{
	int slot = nic->max_meters ? ida_alloc_max(&nic->meter_slots,
						   nic->max_meters - 1,
						   GFP_KERNEL) : -ENOSPC;

	if (slot < 0)
		return slot;
	nic->meter_incarnation = nic->meter_incarnation % 0x7fff + 1;
	return nic->meter_incarnation << 16 | slot;
}

/* Puts a meter of one band, which is all that openvswitch.ko has. */
static int put(const struct agk_meter *m, const struct dp_meter *meter)
{
	const struct agilio_meter_set set = {
		.id = agilio_to_le32(m->id),
		.flags = agilio_to_le16(meter->kbps ? 0 : AGILIO_METER_PKTPS),
		.n_bands = agilio_to_le16(1),
	};
	const struct agilio_meter_band band = {
		.rate = agilio_to_le32(meter->bands[0].rate),
		.burst = agilio_to_le32(meter->bands[0].burst_size),
	};
	u8 body[sizeof(set) + sizeof(band)];

	memcpy(body, &set, sizeof(set));
	memcpy(body + sizeof(set), &band, sizeof(band));
	return agk_ctl_call(m->nic, AGILIO_MSG_METER_SET, body, sizeof(body));
}

static struct agk_meter *make(struct agk_nic *nic, struct dp_meter *meter)
{
	struct agk_meter *m = kzalloc(sizeof(*m), GFP_KERNEL);
	int id = m ? new_id(nic) : -ENOMEM;

	if (id < 0) {
		kfree(m);
		return NULL;
	}
	m->nic = nic;
	m->id = id;
	if (put(m, meter)) {
		agk_meter_free(m);
		return NULL;
	}
	return m;
}

/* A meter that is not there lets all pass.  One that never drops, or has more
 * bands, is not made by vswitchd.
 */
const char *agk_translate_meter(struct agk_translation *t, u32 meter_id)
{
	struct dp_meter *meter = ovs_offload_meter_find(t->dp, meter_id);
	struct agilio_action_meter action = { { 0 } };
	struct agk_meter *m;

	if (!meter)
		return NULL;
	if (meter->n_bands != 1 ||
	    meter->bands[0].type != OVS_METER_BAND_TYPE_DROP)
		return "meter: not of one drop band";
	m = meter->offload;
	if (!m) {
		m = make(t->nic, meter);
		WRITE_ONCE(meter->offload, m);
	}
	if (!m || m->nic != t->nic)
		return "meter: not on the NIC";
	action.meter = agilio_to_le32(m->id);
	agk_put_action(t, AGILIO_ACTION_METER, &action, sizeof(action));
	return NULL;
}
