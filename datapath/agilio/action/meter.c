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
 */

#include "action/meter.h"

#include "action/count.h"
#include "action/program.h"

#define NS_PER_MS 1000000u

struct agl_meters {
    uint32_t n;
    struct agilio_meter_stats *stats;   /* [n] */
    struct agl_meter slots[];
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

/* The meter of this id, NULL if there is none. */
static struct agl_meter *
find(struct agl_meters *meters, uint32_t id)
{
    uint32_t slot = agilio_slot(id);

    return id && slot < meters->n && meters->slots[slot].id == id
           ? &meters->slots[slot] : NULL;
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
    uint32_t slot = agilio_slot(meter->id);

    if (meters->slots[slot].id != meter->id) {
        memset(&meters->stats[slot], 0, sizeof meters->stats[slot]);
    }
    meters->slots[slot] = *meter;
    meters->slots[slot].used = now;
}

bool
agl_meters_del(struct agl_meters *meters, uint32_t id)
{
    struct agl_meter *meter = find(meters, id);

    if (meter) {
        meter->id = 0;
    }
    return meter != NULL;
}

void
agl_meters_flush(struct agl_meters *meters)
{
    for (uint32_t i = 0; i < meters->n; i++) {
        meters->slots[i].id = 0;
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

    meter->used = now;
    if (after < before) {       /* Another worker got ahead of us. */
        return 0;
    }
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

bool
agl_meters_admit(struct agl_meters *meters, uint32_t id, uint32_t len,
                 uint64_t now)
{
    struct agl_meter *meter = find(meters, id);
    struct agilio_meter_stats *stats;
    uint32_t exceeded = AGILIO_MAX_BANDS, rate = 0;
    uint32_t delta;

    if (!meter) {
        return true;
    }
    stats = &meters->stats[agilio_slot(id)];
    delta = elapse(meter, now);
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
