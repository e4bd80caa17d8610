/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-objects.c - the meters and bonds of both datapaths and the NIC.
 *
 * The datapaths get them as from ofproto, the NIC by control messages.  Which
 * id they have on the NIC is a matter of lib/agilio-object.c in ovs-vswitchd,
 * where it depends on a connection; here of a function that takes its place.
 *
 * What passes a meter on the NIC and on the host passes two, with a bucket
 * each.  So a table with meters has flows for the NIC only.
 */

#include <config.h>

#include "differential.h"

#include "agilio-object.h"
#include "openflow/openflow.h"
#include "odp-util.h"
#include "openvswitch/ofp-meter.h"
#include "util.h"

#include "check.h"
#include "nic.h"

struct meter {
    bool present;
    uint32_t nic_id;
    uint16_t flags;
    uint16_t n_bands;
    struct ofputil_meter_band bands[AGILIO_MAX_BANDS];
};

struct bond {
    bool present;
    uint32_t nic_id;
    odp_port_t members[AGILIO_BOND_BUCKETS];
};

static struct meter meters[DIFF_N_METERS];      /* Id - 1. */
static struct bond bonds[DIFF_N_BONDS];
static uint32_t generation = 1;

/* Words of struct agilio_meter_stats. */
#define N_COUNTS (2 + 2 * AGILIO_MAX_BANDS)

const char *__wrap_agilio_object_find(enum agilio_object_kind, const char *,
                                      uint32_t id, uint32_t *nic_id);

const char *
__wrap_agilio_object_find(enum agilio_object_kind kind,
                          const char *dpif_type OVS_UNUSED, uint32_t id,
                          uint32_t *nic_id)
{
    size_t i = id - 1;

    *nic_id = 0;
    if (kind == AGILIO_METER) {
        if (i < DIFF_N_METERS && meters[i].present) {
            *nic_id = meters[i].nic_id;
        }
    } else if (i < DIFF_N_BONDS && bonds[i].present) {
        *nic_id = bonds[i].nic_id;
    }
    return NULL;
}

/* ## ------ ##
 * ## Meters ##
 * ## ------ ## */

static ofproto_meter_id
meter_id(size_t i)
{
    return (ofproto_meter_id) { .uint32 = i + 1 };
}

static void
randomize_meter(struct meter *meter)
{
    meter->flags = diff_random(2) ? OFPMF13_PKTPS : OFPMF13_KBPS;
    if (diff_random(2)) {
        meter->flags |= OFPMF13_BURST | OFPMF13_STATS;
    }
    meter->n_bands = 1 + (diff_random(3) ? 0 : diff_random(AGILIO_MAX_BANDS));
    for (size_t i = 0; i < meter->n_bands; i++) {
        meter->bands[i] = (struct ofputil_meter_band) {
            .type = OFPMBT13_DROP,
            .rate = 1 + diff_random(diff_random(2) ? 50 : 5000),
            .burst_size = diff_random(3) ? diff_random(20) : 0,
        };
    }
}

static void
nic_set_meter(const struct meter *meter)
{
    struct {
        struct agilio_meter_set set;
        struct agilio_meter_band bands[AGILIO_MAX_BANDS];
    } body = {
        .set.id = agilio_to_le32(meter->nic_id),
        .set.flags = agilio_to_le16(meter->flags & OFPMF13_PKTPS
                                    ? AGILIO_METER_PKTPS : 0),
        .set.n_bands = agilio_to_le16(meter->n_bands),
    };

    for (size_t i = 0; i < meter->n_bands; i++) {
        body.bands[i].rate = agilio_to_le32(meter->bands[i].rate);
        body.bands[i].burst = agilio_to_le32(meter->bands[i].burst_size);
    }
    CHECK(!diff_nic_ask(AGILIO_MSG_METER_SET, &body,
                        sizeof body.set
                        + meter->n_bands * sizeof body.bands[0]));
}

/* What the NIC counted, as words. */
static void
nic_count_meter(const struct meter *meter, uint64_t *counts)
{
    const struct agilio_meter_stats *stats
        = &diff_nic_region()->meters[agilio_slot(meter->nic_id)];
    const agilio_le64 *words = (const agilio_le64 *) stats;

    for (size_t i = 0; i < N_COUNTS; i++) {
        counts[i] = agilio_from_le64(words[i]);
    }
}

static void
set_meter(size_t i)
{
    struct meter *meter = &meters[i];

    for (enum diff_side side = 0; side < DIFF_N_JUDGED; side++) {
        struct ofputil_meter_band bands[AGILIO_MAX_BANDS];
        struct ofputil_meter_config config = {
            .meter_id = i + 1,
            .flags = meter->flags,
            .n_bands = meter->n_bands,
            .bands = bands,
        };

        memcpy(bands, meter->bands, sizeof bands);
        CHECK(!dpif_meter_set(diff_dpif(side), meter_id(i), &config));
        memcpy(meter->bands, bands, sizeof bands);      /* Default bursts. */
    }
    nic_set_meter(meter);
}

static void
get_meter(enum diff_side side, size_t i, uint64_t *counts)
{
    struct ofputil_meter_band_stats bands[AGILIO_MAX_BANDS];
    struct ofputil_meter_stats stats = { .bands = bands };

    memset(bands, 0, sizeof bands);
    CHECK(!dpif_meter_get(diff_dpif(side), meter_id(i), &stats,
                          AGILIO_MAX_BANDS));
    counts[0] = stats.packet_in_count;
    counts[1] = stats.byte_in_count;
    for (size_t j = 0; j < AGILIO_MAX_BANDS; j++) {
        counts[2 + 2 * j] = bands[j].packet_count;
        counts[3 + 2 * j] = bands[j].byte_count;
    }
}

bool
diff_meters_host_used(void)
{
    uint64_t counts[N_COUNTS];

    for (size_t i = 0; i < DIFF_N_METERS; i++) {
        if (meters[i].present) {
            get_meter(DIFF_HOST, i, counts);
            if (counts[0]) {
                return true;
            }
        }
    }
    return false;
}

static bool
judge_meter(size_t i)
{
    uint64_t stock[N_COUNTS], host[N_COUNTS], nic[N_COUNTS];

    get_meter(DIFF_STOCK, i, stock);
    get_meter(DIFF_HOST, i, host);
    nic_count_meter(&meters[i], nic);
    for (size_t j = 0; j < N_COUNTS; j++) {
        if (stock[j] != host[j] + nic[j]) {
            printf("  meter %"PRIuSIZE", number %"PRIuSIZE": stock %"PRIu64
                   ", ours %"PRIu64" + %"PRIu64"\n", i + 1, j, stock[j],
                   host[j], nic[j]);
            return false;
        }
    }
    return true;
}

/* ## ----- ##
 * ## Bonds ##
 * ## ----- ## */

/* A member may be a port that is not there. */
static void
randomize_bond(struct bond *bond)
{
    for (size_t i = 0; i < AGILIO_BOND_BUCKETS; i++) {
        bond->members[i] = (diff_random(16)
                            ? u32_to_odp(1 + diff_random(DIFF_N_PORTS))
                            : ODPP_NONE);
    }
}

static void
set_bond(size_t i)
{
    const struct bond *bond = &bonds[i];
    struct agilio_bond_set body = { .id = agilio_to_le32(bond->nic_id) };

    for (enum diff_side side = 0; side < DIFF_N_JUDGED; side++) {
        odp_port_t members[AGILIO_BOND_BUCKETS];

        memcpy(members, bond->members, sizeof members);
        CHECK(!dpif_bond_add(diff_dpif(side), i + 1, members));
    }
    for (size_t j = 0; j < AGILIO_BOND_BUCKETS; j++) {
        if (bond->members[j] != ODPP_NONE) {
            body.ports[j] = agilio_to_le32(
                diff_nic_lookup(bond->members[j], NULL).id);
        }
    }
    CHECK(!diff_nic_ask(AGILIO_MSG_BOND_SET, &body, sizeof body));
}

static bool
judge_bond(size_t i)
{
    const struct agl_region *region = diff_nic_region();
    const struct agilio_bond_stats *nic
        = &region->bonds[agilio_slot(bonds[i].nic_id)];
    uint64_t bytes[DIFF_N_JUDGED][AGILIO_BOND_BUCKETS];

    memset(bytes, 0, sizeof bytes);
    for (enum diff_side side = 0; side < DIFF_N_JUDGED; side++) {
        CHECK(!dpif_bond_stats_get(diff_dpif(side), i + 1, bytes[side]));
    }
    for (size_t j = 0; j < AGILIO_BOND_BUCKETS; j++) {
        uint64_t ours = 0;

        for (uint32_t w = 0; w < region->geometry.n_workers; w++) {
            ours += agilio_from_le64(
                nic[w * region->geometry.max_bonds].buckets[j].bytes);
        }
        if (bytes[DIFF_STOCK][j] != bytes[DIFF_HOST][j] + ours) {
            printf("  bond %"PRIuSIZE", bucket %"PRIuSIZE": stock %"PRIu64
                   ", ours %"PRIu64" + %"PRIu64"\n", i + 1, j,
                   bytes[DIFF_STOCK][j], bytes[DIFF_HOST][j], ours);
            return false;
        }
    }
    return true;
}

/* ## ---- ##
 * ## Both ##
 * ## ---- ## */

static void
remove_object(enum agilio_msg_type del, uint32_t nic_id, size_t i)
{
    agilio_le32 body = agilio_to_le32(nic_id);

    for (enum diff_side side = 0; side < DIFF_N_JUDGED; side++) {
        if (del == AGILIO_MSG_METER_DEL) {
            CHECK(!dpif_meter_del(diff_dpif(side), meter_id(i), NULL, 0));
        } else {
            CHECK(!dpif_bond_del(diff_dpif(side), i + 1));
        }
    }
    CHECK(!diff_nic_ask(del, &body, sizeof body));
}

void
diff_objects_make(void)
{
    generation = generation % UINT16_MAX + 1;
    for (size_t i = 0; i < DIFF_N_METERS; i++) {
        if (meters[i].present) {
            remove_object(AGILIO_MSG_METER_DEL, meters[i].nic_id, i);
        }
        meters[i].present = i < DIFF_N_METERS - 1 || diff_random(2);
        meters[i].nic_id = generation << 16 | i;
        if (meters[i].present) {
            randomize_meter(&meters[i]);
            set_meter(i);
        }
    }
    for (size_t i = 0; i < DIFF_N_BONDS; i++) {
        if (bonds[i].present) {
            remove_object(AGILIO_MSG_BOND_DEL, bonds[i].nic_id, i);
        }
        bonds[i].present = i < DIFF_N_BONDS - 1 || diff_random(2);
        bonds[i].nic_id = generation << 16 | i;
        if (bonds[i].present) {
            randomize_bond(&bonds[i]);
            set_bond(i);
        }
    }
}

const char *
diff_objects_judge(void)
{
    for (size_t i = 0; i < DIFF_N_METERS; i++) {
        if (meters[i].present && !judge_meter(i)) {
            return "meter statistics";
        }
    }
    for (size_t i = 0; i < DIFF_N_BONDS; i++) {
        if (bonds[i].present && !judge_bond(i)) {
            return "bond statistics";
        }
    }
    return NULL;
}
