/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter.c - METER: token buckets.
 *
 * What OVS's dp_netdev_run_meter() does for a batch of packets that come at
 * the same time, done for one packet after the other: time counts in whole
 * milliseconds, a bucket gets 'rate' of its units (1/1000 packets or bits) for
 * each, up to its burst, and so does one that another band's bucket keeps from
 * being drained.  A packet is dropped by the band of the highest rate that it
 * exceeds; it drains the others.
 *
 * A slot, its lock and its bands are on cache lines of their own; the lock
 * guards the slot's counters in the region as well.
 */

#include "action/meter.h"

#include "action/count.h"
#include "action/program.h"

#define NS_PER_MS 1000000u

struct slot {
    bool locked;
    struct agl_meter meter;
} __attribute__((aligned(AGILIO_CACHE_LINE)));

struct agl_meters {
    uint32_t n;
    struct agilio_meter_stats *stats;   /* [n] */
    struct slot slots[];
};

struct agl_meters *
agl_meters_create(struct agilio_meter_stats *stats, uint32_t n)
{
    struct agl_meters *meters;

    meters = agl_env_alloc(sizeof *meters + n * sizeof meters->slots[0]);
    if (meters) {
        meters->n = n;
        meters->stats = stats;
    }
    return meters;
}

void
agl_meters_destroy(struct agl_meters *meters)
{
    agl_env_free(meters);
}

static void
lock(struct slot *slot)
{
    while (__atomic_exchange_n(&slot->locked, true, __ATOMIC_ACQUIRE)) {
        while (agilio_load_relaxed(&slot->locked)) {
            agilio_relax();
        }
    }
}

static void
unlock(struct slot *slot)
{
    agilio_store_release(&slot->locked, false);
}

/* The slot of the meter of this id, locked; NULL if there is no such meter. */
static struct slot *
find(struct agl_meters *meters, uint32_t id)
{
    struct slot *slot = &meters->slots[agilio_slot(id)];

    if (!id || agilio_slot(id) >= meters->n) {
        return NULL;
    }
    lock(slot);
    if (slot->meter.id != id) {
        unlock(slot);
        return NULL;
    }
    return slot;
}

/* ## ------------- ##
 * ## Configuration ##
 * ## ------------- ## */

/* With a full bucket.  False if it makes no sense. */
static bool
read_band(struct agl_meter *meter, struct agl_meter_band *band,
          struct agilio_reader *body)
{
    uint32_t delta;

    band->rate = agilio_get_u32(body);
    band->burst = agilio_get_u32(body);
    if (!band->rate) {
        return false;
    }
    band->bucket = band->burst * UINT64_C(1000);
    delta = (uint32_t) (band->bucket / band->rate);     /* Cut off, in OVS. */
    if (delta > meter->max_delta) {
        meter->max_delta = delta;
    }
    return true;
}

int
agl_meter_read(struct agl_meter *meter, struct agilio_reader *body, uint32_t n,
               const char **reason)
{
    uint16_t flags;

    memset(meter, 0, sizeof *meter);
    meter->id = agilio_get_u32(body);
    flags = agilio_get_u16(body);
    meter->pktps = (flags & AGILIO_METER_PKTPS) != 0;
    meter->n_bands = agilio_get_u16(body);
    if (agilio_slot(meter->id) >= n || agilio_slot(meter->id) == meter->id) {
        *reason = "meter id out of range";
        return AGILIO_E_INVAL;
    }
    if (flags & ~AGILIO_METER_PKTPS || !meter->n_bands
        || meter->n_bands > AGILIO_MAX_BANDS) {
        *reason = "the NIC does not know such a meter";
        return AGILIO_E_INVAL;
    }
    for (uint32_t i = 0; i < meter->n_bands; i++) {
        if (!read_band(meter, &meter->bands[i], body)) {
            *reason = "a band of the meter has no rate";
            return AGILIO_E_INVAL;
        }
    }
    return AGILIO_E_OK;
}

void
agl_meters_set(struct agl_meters *meters, const struct agl_meter *meter,
               uint64_t now)
{
    uint32_t i = agilio_slot(meter->id);
    struct slot *slot = &meters->slots[i];

    lock(slot);
    if (slot->meter.id != meter->id) {
        memset(&meters->stats[i], 0, sizeof meters->stats[i]);
    }
    slot->meter = *meter;
    slot->meter.used = now;
    unlock(slot);
}

bool
agl_meters_del(struct agl_meters *meters, uint32_t id)
{
    struct slot *slot = find(meters, id);

    if (slot) {
        slot->meter.id = 0;
        unlock(slot);
    }
    return slot != NULL;
}

void
agl_meters_flush(struct agl_meters *meters)
{
    for (uint32_t i = 0; i < meters->n; i++) {
        lock(&meters->slots[i]);
        meters->slots[i].meter.id = 0;
        unlock(&meters->slots[i]);
    }
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

/* Milliseconds since the meter was last used; not more than matter. */
static uint32_t
elapse(struct agl_meter *meter, uint64_t now)
{
    uint64_t before = meter->used / NS_PER_MS;
    uint64_t after = now / NS_PER_MS;

    if (now < meter->used) {    /* Another worker got ahead of us. */
        return 0;
    }
    meter->used = now;
    return after - before < meter->max_delta ? (uint32_t) (after - before)
                                             : meter->max_delta;
}

/* Takes 'volume' out of the bucket; false if there is not so much. */
static bool
drain(struct agl_meter_band *band, uint32_t delta, uint64_t volume)
{
    uint64_t max = band->burst * UINT64_C(1000);

    band->bucket += (uint64_t) delta * band->rate;
    if (band->bucket > max) {
        band->bucket = max;
    }
    if (band->bucket < volume) {
        return false;
    }
    band->bucket -= volume;
    return true;
}

/* Of a meter that is locked. */
static bool
admit(struct agl_meter *meter, struct agilio_meter_stats *stats, uint32_t len,
      uint64_t now)
{
    uint32_t exceeded = AGILIO_MAX_BANDS, rate = 0;
    uint32_t delta = elapse(meter, now);

    agl_count(&stats->in, len);
    for (uint32_t i = 0; i < meter->n_bands; i++) {
        struct agl_meter_band *band = &meter->bands[i];

        if (!drain(band, delta, meter->pktps ? 1000 : (uint64_t) len * 8)
            && band->rate > rate) {
            rate = band->rate;
            exceeded = i;
        }
    }
    if (exceeded == AGILIO_MAX_BANDS) {
        return true;
    }
    agl_count(&stats->bands[exceeded], len);
    return false;
}

bool
agl_meters_admit(struct agl_meters *meters, uint32_t id, uint32_t len,
                 uint64_t now)
{
    struct slot *slot = find(meters, id);
    bool admitted = true;

    if (slot) {
        admitted = admit(&slot->meter, &meters->stats[agilio_slot(id)], len,
                         now);
        unlock(slot);
    }
    return admitted;
}

static bool
admit_meter(const struct agilio_action *action, struct agl_pkt *pkt,
            struct agl_run *run)
{
    const struct agilio_action_meter *meter
        = (const struct agilio_action_meter *) action;

    if (agl_meters_admit(run->meters, agilio_from_le32(meter->meter),
                         pkt->len, run->now)) {
        return true;
    }
    run->drop(run, AGILIO_COUNTER_DROP_METER, pkt);
    return false;
}

const struct agl_action_class agl_action_meter = {
    .len = sizeof(struct agilio_action_meter),
    .steady = true,
    .admit = admit_meter,
};
