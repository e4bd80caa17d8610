/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-meter.c - OVS's meters on the NIC.
 *
 * dpif-netdev tells of its meters (agilio-hooks.h), in any thread; flows that
 * use one are translated here.  agilio-object.c does the rest.
 *
 * A meter that both datapath and NIC carry packets for has its buckets twice.
 * A flow's packets pass one of them at a time, and each of them keeps the
 * rate; the statistics are the sum.
 */

#include <config.h>

#include "agilio-actions.h"
#include "agilio-hooks.h"
#include "agilio-object.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-meter.h"
#include "util.h"

#define MUTEX agilio_residency_mutex

/* The body of a METER_SET. */
struct meter_body {
    struct agilio_meter_set set;
    struct agilio_meter_band bands[AGILIO_MAX_BANDS];
};

static uint32_t
meter_n_slots(const struct agilio_map *map)
{
    return map->max_meters;
}

static size_t
meter_compose(const void *config, const char *dpif_type OVS_UNUSED,
              void *body, const char **reason OVS_UNUSED)
{
    const struct meter_body *meter = config;
    size_t len = offsetof(struct meter_body,
                          bands[agilio_from_le16(meter->set.n_bands)]);

    memcpy(body, meter, len);
    return len;
}

const struct agilio_object_class agilio_meter_class = {
    .set = AGILIO_MSG_METER_SET,
    .del = AGILIO_MSG_METER_DEL,
    .n_counts = AGILIO_METER_WORDS,
    .anew = true,
    .no_slot = "meter: not on the NIC",
    .n_slots = meter_n_slots,
    .read = agilio_map_meter_counts,
    .compose = meter_compose,
};

/* ## ------------ ##
 * ## The datapath ##
 * ## ------------ ## */

/* The datapath has seen to it that there are not more bands than it, and we,
 * know of, and that none is without a rate. */
void
agilio_meter_set(const void *dp, const char *dpif_type, uint32_t id,
                 const struct ofputil_meter_config *config)
{
    size_t n = MIN(config->n_bands, AGILIO_MAX_BANDS);
    struct meter_body meter = {
        .set.flags = agilio_to_le16(config->flags & OFPMF13_PKTPS
                                    ? AGILIO_METER_PKTPS : 0),
        .set.n_bands = agilio_to_le16(n),
    };

    for (size_t i = 0; i < n; i++) {
        meter.bands[i].rate = agilio_to_le32(config->bands[i].rate);
        meter.bands[i].burst = agilio_to_le32(config->bands[i].burst_size);
    }
    ovs_mutex_lock(&MUTEX);
    agilio_object_set(AGILIO_METER, dp, dpif_type, id, &meter, sizeof meter);
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_meter_del(const void *dp, uint32_t id)
{
    ovs_mutex_lock(&MUTEX);
    agilio_object_del(AGILIO_METER, dp, id);
    ovs_mutex_unlock(&MUTEX);
}

void
agilio_meter_get(const void *dp, uint32_t id,
                 struct ofputil_meter_stats *stats)
{
    uint64_t counts[AGILIO_METER_WORDS];
    bool found;

    ovs_mutex_lock(&MUTEX);
    found = agilio_object_get(AGILIO_METER, dp, id, counts);
    ovs_mutex_unlock(&MUTEX);
    if (!found) {
        return;
    }
    stats->packet_in_count += counts[0];
    stats->byte_in_count += counts[1];
    for (size_t i = 0; i < stats->n_bands && i < AGILIO_MAX_BANDS; i++) {
        stats->bands[i].packet_count += counts[2 + 2 * i];
        stats->bands[i].byte_count += counts[3 + 2 * i];
    }
}

/* ## ----- ##
 * ## Flows ##
 * ## ----- ## */

/* Packets that come to a meter that does not exist pass.  Translation is done
 * under the mutex, out of the analysis's sight. */
const char *
agilio_translate_meter(struct translation *t, const struct nlattr *a)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct agilio_action_meter meter;
    const char *reason;
    uint32_t nic_id;

    if (nl_attr_get_size(a) != sizeof(uint32_t)) {
        return MALFORMED;
    }
    reason = agilio_object_find(AGILIO_METER, t->aux, nl_attr_get_u32(a),
                                &nic_id);
    if (!reason && nic_id) {
        meter.meter = agilio_to_le32(nic_id);
        agilio_put_action(t, AGILIO_ACTION_METER, &meter, sizeof meter,
                          NULL, 0);
    }
    return reason;
}
