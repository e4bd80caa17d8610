/* SPDX-License-Identifier: Apache-2.0 */

/* The shadow of requested flows (lib/agilio-shadow.c, agilio-residency.c,
 * agilio-tally.c) on a fake NIC in place of lib/agilio-nic.c.
 *
 * The fake NIC keeps requests in a queue until nic_answer() or a call, and
 * executes them as agilio/msg.h says.  It counts packets when told to, and
 * checks itself what no host may do to it. */

#include <config.h>
#undef NDEBUG

#include "agilio-shadow.h"

#include <errno.h>

#include "agilio-nic.h"
#include "agilio-residency.h"
#include "check.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"

#define MAX_FLOWS 3
#define MAX_REQUESTS 64
#define MSEC (1000 * 1000)      /* In NIC clock. */

/* ## ------------- ##
 * ## The fake NIC. ##
 * ## ------------- ## */

struct request {
    enum agilio_msg_type type;
    uint8_t body[AGILIO_MAX_MSG];
    size_t len;
    agilio_reply_cb *cb;
    void *aux;
};

struct nic {
    struct agilio_map map;
    struct agilio_region region;
    struct agilio_flow_stats stats[MAX_FLOWS];
    bool present[MAX_FLOWS];
    uint32_t to_host[MAX_FLOWS];        /* Its program is TO_HOST. */
    bool dying[MAX_FLOWS];              /* A DEL is not yet answered. */
};

static struct nic nics[2], *nic;
static enum agilio_nic_status status;
static struct request queue[MAX_REQUESTS];
static size_t n_requests, n_puts, n_dels;
static int busy_error;                  /* If set, no request is taken. */
static const char *refuse_puts;         /* If set, why. */
static uint64_t count_on_del;           /* Packets just before a deletion. */
static void (*during_call)(void);       /* What other threads do meanwhile. */

static void
nic_boot(struct nic *n)
{
    static uint64_t boot_id;

    memset(n, 0, sizeof *n);
    n->map.boot_id = n->map.generation = ++boot_id;
    n->map.max_flows = MAX_FLOWS;
    n->map.n_workers = 1;
    n->map.region = &n->region;
    n->map.flows = n->stats;
    n->region.clock = agilio_to_le64(1000 * (uint64_t) MSEC);
    nic = n;
    status = AGILIO_NIC_ATTACHED;
}

static void
nic_add(agilio_le64 *x, uint64_t n)
{
    *x = agilio_to_le64(agilio_from_le64(*x) + n);
}

static void
nic_count(uint32_t id, uint64_t n_packets)
{
    struct agilio_flow_stats *s = &nic->stats[id];

    CHECK(nic->present[id]);
    nic_add(&s->packets, n_packets);
    nic_add(&s->bytes, n_packets * 100);
    s->used = nic->region.clock;
    s->tcp_flags |= agilio_to_le16(0x10);
}

/* The id that the body of a PUT or DEL starts with. */
static uint32_t
body_id(const void *body)
{
    agilio_le32 id;

    memcpy(&id, body, sizeof id);
    CHECK(agilio_from_le32(id) < MAX_FLOWS);
    return agilio_from_le32(id) % MAX_FLOWS;
}

static int
nic_put(const struct request *r, const char **reason)
{
    uint32_t id = body_id(r->body);
    struct agilio_flow_put put;
    struct agilio_action action;

    memcpy(&put, r->body, sizeof put);
    if (refuse_puts) {
        *reason = refuse_puts;
        return EOPNOTSUPP;
    }
    if (!nic->present[id]) {
        memset(&nic->stats[id], 0, sizeof nic->stats[id]);
    }
    nic->present[id] = true;
    nic->to_host[id] = false;
    if (agilio_from_le16(put.program_len) >= sizeof action) {
        memcpy(&action, r->body + r->len - agilio_from_le16(put.program_len),
               sizeof action);
        nic->to_host[id] = (agilio_from_le16(action.type)
                            == AGILIO_ACTION_TO_HOST);
    }
    return 0;
}

static int
nic_del(const struct request *r)
{
    uint32_t id = body_id(r->body);

    nic->dying[id] = false;
    if (!nic->present[id]) {
        return ENOENT;
    }
    nic_count(id, count_on_del);
    nic->present[id] = false;
    return 0;
}

/* Takes the oldest request off the queue and answers it. */
static void
nic_answer_one(int lost)
{
    struct request r = queue[0];
    const char *reason = "because";
    int error = lost;

    memmove(&queue[0], &queue[1], --n_requests * sizeof queue[0]);
    if (!error && r.type == AGILIO_MSG_FLOW_PUT) {
        error = nic_put(&r, &reason);
    } else if (!error && r.type == AGILIO_MSG_FLOW_DEL) {
        error = nic_del(&r);
    }
    if (r.cb) {
        r.cb(error, reason, NULL, r.aux);
    }
}

static void
nic_answer(void)
{
    while (n_requests) {
        nic_answer_one(0);
    }
}

/* The connection is lost: 'first' says what the host hears first. */
static void
nic_lose(bool replies_first)
{
    status = AGILIO_NIC_DOWN;
    if (!replies_first) {
        agilio_residency_lost();
    }
    while (n_requests) {
        nic_answer_one(ENODEV);
    }
    if (replies_first) {
        agilio_residency_lost();
    }
    memset(nic->dying, 0, sizeof nic->dying);
}

/* What agilio.c does for a NIC that is attached. */
static void
nic_take_over(void)
{
    memset(nic->present, 0, sizeof nic->present);
    CHECK(agilio_residency_take_over(agilio_nic_map()->generation, MAX_FLOWS));
    agilio_residency_run();
}

static size_t
nic_n_flows(void)
{
    size_t n = 0;

    for (size_t i = 0; i < MAX_FLOWS; i++) {
        n += nic->present[i];
    }
    return n;
}

/* ## lib/agilio-nic.h ## */

void
agilio_nic_connect(const char *path OVS_UNUSED)
{
}

void
agilio_nic_disconnect(void)
{
}

void
agilio_nic_observe(const struct agilio_nic_observer *observer OVS_UNUSED)
{
}

void
agilio_nic_fail(const struct agilio_map *map OVS_UNUSED,
                const char *reason OVS_UNUSED)
{
}

char *
agilio_nic_path(void)
{
    return xstrdup("fake");
}

void
agilio_nic_describe(struct ds *ds OVS_UNUSED)
{
}

enum agilio_nic_status
agilio_nic_status(void)
{
    return status;
}

void
agilio_nic_take_over(void)
{
    CHECK(status == AGILIO_NIC_ATTACHED);
    status = AGILIO_NIC_ACTIVE;
}

const struct agilio_map *
agilio_nic_map(void)
{
    return nic ? &nic->map : NULL;
}

int
agilio_nic_send(enum agilio_msg_type type, const void *body, size_t len,
                agilio_reply_cb *cb, void *aux)
{
    struct request *r = &queue[n_requests];

    if (status == AGILIO_NIC_DOWN) {
        return ENODEV;
    } else if (busy_error) {
        return busy_error;
    }

    CHECK(n_requests < MAX_REQUESTS);
    r->type = type;
    memcpy(r->body, body, len);
    r->len = len;
    r->cb = cb;
    r->aux = aux;
    n_requests++;
    if (type == AGILIO_MSG_FLOW_PUT) {
        /* The id may be another flow's only after the answer to its DEL. */
        CHECK(!nic->dying[body_id(body)]);
        n_puts++;
    } else if (type == AGILIO_MSG_FLOW_DEL) {
        nic->dying[body_id(body)] = true;
        n_dels++;
    }
    return 0;
}

int
agilio_nic_call(enum agilio_msg_type type, const void *body OVS_UNUSED,
                size_t len OVS_UNUSED, void *reply OVS_UNUSED,
                size_t reply_size OVS_UNUSED, size_t *reply_len OVS_UNUSED,
                char **reason OVS_UNUSED)
{
    CHECK(type == AGILIO_MSG_KEEPALIVE);
    if (status == AGILIO_NIC_DOWN) {
        return ENODEV;
    }
    nic_answer();
    if (during_call) {
        during_call();
    }
    return 0;
}

void
agilio_nic_run(void)
{
}

void
agilio_nic_wait(void)
{
}

/* ## ---------- ##
 * ## The tests. ##
 * ## ---------- ## */

static const char dp_type[] = "netdev";
static const struct netdev *const netdev1 = (const struct netdev *) "1";
static const struct netdev *const netdev2 = (const struct netdev *) "2";

static const ovs_u128 A = { .u32 = { 1, 1, 1, 1 } };
static const ovs_u128 B = { .u32 = { 2, 2, 2, 2 } };
static const ovs_u128 C = { .u32 = { 1, 4, 4, 4 } };    /* Hash of A. */
static const ovs_u128 D = { .u32 = { 5, 5, 5, 5 } };

/* Datapath port N is NIC port 100 + N. */
static void
set_ports(uint32_t n)
{
    struct agilio_port_pair pairs[8];

    for (uint32_t i = 0; i < n; i++) {
        pairs[i] = (struct agilio_port_pair) {
            .dpif_type = dp_type,
            .odp_port = u32_to_odp(i + 1),
            .ref.id = 101 + i,
        };
    }
    agilio_residency_set_ports(pairs, n);
    agilio_residency_run();
}

static void
init_match(struct match *match, uint32_t in_port)
{
    match_init_catchall(match);
    match->flow.in_port.odp_port = u32_to_odp(in_port);
    match->wc.masks.in_port.odp_port = ODPP_NONE;
    match->wc.masks.recirc_id = UINT32_MAX;
    match->wc.masks.packet_type = OVS_BE32_MAX;
    match_set_dl_type(match, htons(ETH_TYPE_IP));
}

/* Puts a flow from 'in_port' to 'out_port', an empty one if that is 0. */
static void
put_match(const ovs_u128 *ufid, const struct match *match, uint32_t out_port)
{
    uint64_t stub[16];
    struct ofpbuf actions;

    ofpbuf_use_stub(&actions, stub, sizeof stub);
    if (out_port) {
        nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT,
                            u32_to_odp(out_port));
    }
    agilio_shadow_put(match->flow.in_port.odp_port == u32_to_odp(2)
                      ? netdev2 : netdev1,
                      dp_type, match, actions.data, actions.size, ufid);
    ofpbuf_uninit(&actions);
}

static void
put(const ovs_u128 *ufid, uint32_t in_port, uint32_t out_port)
{
    struct match match;

    init_match(&match, in_port);
    put_match(ufid, &match, out_port);
}

struct seen {
    ovs_u128 ufid;
    bool found;
    uint32_t id;
    enum agilio_residency residency;
    char reason[128];
};

static void
see(const struct agilio_shadow_flow *flow, void *seen_)
{
    struct seen *seen = seen_;

    if (ovs_u128_equals(flow->ufid, seen->ufid)) {
        CHECK(!seen->found);
        seen->found = true;
        seen->id = flow->nic_id;
        seen->residency = flow->residency;
        ovs_strlcpy(seen->reason, flow->reason ? flow->reason : "",
                    sizeof seen->reason);
    }
}

static struct seen
look(const ovs_u128 *ufid)
{
    struct seen seen = { .ufid = *ufid };

    agilio_shadow_for_each(see, &seen);
    return seen;
}

/* Whether 'reason' is in the table of agilio-residency.c. */
static bool
is_listed(const char *reason)
{
    for (size_t i = 0; agilio_residency_reasons[i].reason; i++) {
        if (!strcmp(agilio_residency_reasons[i].reason, reason)) {
            return true;
        }
    }
    return false;
}

static bool
is(const ovs_u128 *ufid, enum agilio_residency residency, const char *reason)
{
    struct seen seen = look(ufid);
    bool ok = (seen.found && seen.residency == residency
               && !strcmp(seen.reason, reason)
               && (residency != AGILIO_PENDING || is_listed(reason)));

    if (!ok) {
        printf("found %d residency %d reason '%s'\n", seen.found,
               seen.residency, seen.reason);
    }
    return ok;
}

/* The statistics of the flow are 'n' packets, and it is on the NIC or not. */
static bool
counts(const ovs_u128 *ufid, uint64_t n, bool offloaded)
{
    struct dpif_flow_stats stats;
    struct dpif_flow_attrs attrs;
    bool ok = !agilio_shadow_get(ufid, &stats, &attrs)
              && stats.n_packets == n && stats.n_bytes == n * 100
              && stats.tcp_flags == (n ? 0x10 : 0)
              && (stats.used > 0) == (n > 0)
              && attrs.offloaded == offloaded && !attrs.dp_extra_info
              && !strcmp(attrs.dp_layer, offloaded ? "agilio" : "ovs");

    if (!ok) {
        printf("packets %"PRIu64" offloaded %d\n", stats.n_packets,
               attrs.offloaded);
    }
    return ok;
}

static bool
stops_at(const ovs_u128 *ufid, uint64_t n)
{
    struct dpif_flow_stats stats;
    struct dpif_flow_attrs attrs;

    agilio_shadow_stop(ufid);
    return (!agilio_shadow_get(ufid, &stats, &attrs)
            && stats.n_packets == n);
}

/* Ends each test: nothing of it may be left. */
static void
clean_up(void)
{
    agilio_shadow_del(&A);
    agilio_shadow_del(&B);
    agilio_shadow_del(&C);
    agilio_shadow_del(&D);
    agilio_residency_run();
    nic_answer();
    CHECK(!nic_n_flows());
    CHECK(agilio_shadow_del(&A) == ENOENT);
    nic_lose(true);
    set_ports(0);
    busy_error = 0;
    refuse_puts = NULL;
    count_on_del = n_puts = n_dels = 0;
}

/* Each test starts with a NIC and three ports. */
static void
start(void)
{
    nic_boot(&nics[0]);
    nic_take_over();
    set_ports(3);
    n_puts = n_dels = 0;
}

static void
put_resident(const ovs_u128 *ufid, uint32_t in_port, uint32_t out_port)
{
    put(ufid, in_port, out_port);
    nic_answer();
    CHECK(is(ufid, AGILIO_RESIDENT, ""));
}

static void
test_put_and_count(void)
{
    start();
    put(&A, 1, 2);
    CHECK(is(&A, AGILIO_PENDING, "nic: not answered yet"));
    CHECK(counts(&A, 0, false));
    nic_answer();
    CHECK(is(&A, AGILIO_RESIDENT, "") && counts(&A, 0, true));
    nic_count(look(&A).id, 5);
    CHECK(counts(&A, 5, true));

    put_resident(&C, 2, 1);
    CHECK(look(&A).id != look(&C).id);
    CHECK(counts(&C, 0, true) && counts(&A, 5, true));
    CHECK(n_puts == 2 && !n_dels);
    CHECK(!agilio_shadow_del(&A));
    nic_answer();
    CHECK(!look(&A).found && nic_n_flows() == 1);
    clean_up();
}

static void
test_modify(void)
{
    uint32_t id;

    start();
    put_resident(&A, 1, 2);
    id = look(&A).id;
    nic_count(id, 5);
    put_resident(&A, 1, 3);
    CHECK(look(&A).id == id && n_puts == 2 && !n_dels);
    nic_count(id, 2);
    CHECK(counts(&A, 7, true));

    put(&A, 1, 3);
    CHECK(n_puts == 2 && !n_requests);          /* Nothing new in this. */

    put(&A, 1, 9);
    nic_answer();
    CHECK(is(&A, AGILIO_HOST, "output: host port"));
    CHECK(nic->present[id] && nic->to_host[id] && counts(&A, 7, false));

    put_resident(&A, 1, 2);
    nic_count(id, 1);
    CHECK(!nic->to_host[id] && counts(&A, 8, true) && stops_at(&A, 8));
    clean_up();
}

/* Changes while a PUT is not yet answered wait for the answer, and only the
 * last one counts. */
static void
test_modify_in_flight(void)
{
    start();
    put(&A, 1, 2);
    put(&A, 1, 9);
    put(&A, 1, 0);
    CHECK(n_requests == 1);
    nic_answer_one(0);
    CHECK(n_requests == 1 && n_puts == 2);
    nic_answer();
    CHECK(n_puts == 2 && is(&A, AGILIO_RESIDENT, ""));
    clean_up();
}

static void
test_host_flows(void)
{
    struct match match;

    start();
    put(&A, 1, 9);
    nic_answer();
    CHECK(is(&A, AGILIO_HOST, "output: host port"));
    CHECK(nic->to_host[look(&A).id] && counts(&A, 0, false));

    /* A NIC that has no room for it either is not why it is the host's. */
    refuse_puts = "too many masks";
    put(&A, 1, 9);
    agilio_shadow_del(&A);
    nic_answer();
    put(&A, 1, 9);
    nic_answer();
    CHECK(is(&A, AGILIO_HOST, "output: host port"));
    refuse_puts = NULL;

    init_match(&match, 1);
    match_set_ct_state(&match, 1);
    put_match(&B, &match, 2);
    CHECK(is(&B, AGILIO_HOST, "match: ct_state") && !n_requests);
    CHECK(counts(&B, 0, false) && stops_at(&B, 0));
    clean_up();
}

static void
test_refused(void)
{
    start();
    refuse_puts = "no more\nmasks";
    put(&A, 1, 2);
    nic_answer();
    CHECK(is(&A, AGILIO_REFUSED, "no more?masks") && counts(&A, 0, false));
    CHECK(!n_dels && look(&A).id == UINT32_MAX);

    /* It is tried again; also when it is changed. */
    put(&A, 1, 3);
    CHECK(n_requests == 1);
    nic_answer();
    CHECK(is(&A, AGILIO_REFUSED, "no more?masks"));
    refuse_puts = NULL;
    xnanosleep(1010 * MSEC);
    agilio_residency_run();
    nic_answer();
    CHECK(is(&A, AGILIO_RESIDENT, ""));
    clean_up();
}

/* The NIC keeps the old version of a flow whose new one it refuses. */
static void
test_refused_modification(void)
{
    start();
    put_resident(&A, 1, 2);
    nic_count(look(&A).id, 5);
    refuse_puts = "no";
    count_on_del = 3;
    put(&A, 1, 3);
    nic_answer();
    CHECK(n_dels == 1 && !nic_n_flows());
    CHECK(is(&A, AGILIO_REFUSED, "no") && counts(&A, 8, false));

    refuse_puts = NULL;
    put_resident(&A, 1, 3);
    nic_count(look(&A).id, 1);
    CHECK(counts(&A, 9, true));
    clean_up();
}

static void
test_stop(void)
{
    uint64_t lost = agilio_residency_n_lost();

    start();
    put_resident(&A, 1, 2);
    nic_count(look(&A).id, 5);
    CHECK(counts(&A, 5, true));
    count_on_del = 2;           /* Between that look and the deletion. */
    CHECK(stops_at(&A, 7));
    CHECK(n_dels == 1 && !nic_n_flows() && counts(&A, 7, false));
    CHECK(stops_at(&A, 7) && n_dels == 1);

    put(&A, 1, 3);              /* Too late. */
    CHECK(!n_requests && counts(&A, 7, false));
    CHECK(!agilio_shadow_del(&A) && n_dels == 1);
    CHECK(agilio_residency_n_lost() == lost);

    CHECK(!stops_at(&B, 0));

    /* In flight. */
    put(&B, 1, 2);
    CHECK(stops_at(&B, 2) && !nic_n_flows());
    CHECK(!agilio_shadow_del(&B) && agilio_residency_n_lost() == lost);

    /* Deleted without being stopped: that is noticed. */
    put_resident(&C, 1, 2);
    nic_count(look(&C).id, 4);
    CHECK(counts(&C, 4, true));
    CHECK(!agilio_shadow_del(&C));
    nic_answer();
    CHECK(agilio_residency_n_lost() == lost + 2);
    clean_up();
}

static void
flush_port1(void)
{
    agilio_shadow_flush(netdev1);
}

/* The port goes away while the flow is being stopped. */
static void
test_stop_and_flush(void)
{
    uint64_t lost = agilio_residency_n_lost();

    start();
    put_resident(&A, 1, 2);
    nic_count(look(&A).id, 5);
    during_call = flush_port1;
    CHECK(stops_at(&A, 5));
    during_call = NULL;
    CHECK(!nic_n_flows() && stops_at(&A, 5));
    CHECK(!agilio_shadow_del(&A));
    CHECK(!look(&A).found && !stops_at(&A, 5));
    CHECK(agilio_residency_n_lost() == lost);
    clean_up();
}

/* Another NIC takes the place of one that died. */
static void
test_other_nic(void)
{
    start();
    put_resident(&A, 1, 2);
    put_resident(&B, 2, 3);
    nic_count(look(&A).id, 5);
    nic_count(look(&B).id, 50);
    put(&D, 1, 3);
    nic_lose(false);
    CHECK(is(&A, AGILIO_PENDING, "nic: not ready"));
    CHECK(is(&D, AGILIO_PENDING, "nic: not ready"));
    CHECK(counts(&A, 5, false) && counts(&B, 50, false));
    CHECK(stops_at(&B, 50) && !agilio_shadow_del(&B));

    nic_boot(&nics[1]);
    nics[0] = (struct nic) { .map.boot_id = 0 };
    CHECK(counts(&A, 5, false));
    put(&C, 1, 2);
    CHECK(!n_requests && is(&C, AGILIO_PENDING, "nic: not ready"));
    nic_take_over();
    CHECK(n_requests == 3);
    nic_answer();
    CHECK(is(&A, AGILIO_RESIDENT, "") && is(&C, AGILIO_RESIDENT, "")
          && is(&D, AGILIO_RESIDENT, ""));
    nic_count(look(&A).id, 6);
    nic_count(look(&D).id, 60);
    CHECK(counts(&A, 11, true) && counts(&C, 0, true) && counts(&D, 60, true));
    CHECK(stops_at(&A, 11));
    clean_up();
}

/* The connection breaks, and the NIC counts on. */
static void
test_same_nic(void)
{
    uint32_t id;

    start();
    put_resident(&A, 1, 2);
    put_resident(&B, 1, 3);
    id = look(&A).id;
    nic_count(id, 5);
    nic_count(look(&B).id, 9);
    put(&A, 1, 3);
    nic_lose(true);
    nic_count(id, 2);
    CHECK(counts(&A, 7, false));
    CHECK(stops_at(&B, 9) && !agilio_shadow_del(&B));

    status = AGILIO_NIC_ATTACHED;
    nic->map.generation++;
    nic_count(id, 1);
    CHECK(counts(&A, 8, false));
    /* What was flushed is not this one. */
    CHECK(!agilio_residency_take_over(nic->map.generation - 1, MAX_FLOWS));
    CHECK(status == AGILIO_NIC_ATTACHED && counts(&A, 8, false));
    nic_take_over();
    nic_answer();
    nic_count(look(&A).id, 1);
    CHECK(nic_n_flows() == 1 && counts(&A, 9, true) && stops_at(&A, 9));
    clean_up();
}

static void
test_lost_in_flight(void)
{
    uint32_t id;

    start();
    put_resident(&A, 1, 2);
    id = look(&A).id;
    set_ports(0);
    CHECK(n_requests == 1 && n_dels == 1);
    nic_lose(true);             /* The NIC never gets that deletion. */
    nic_count(id, 2);
    CHECK(counts(&A, 2, false));
    nic_boot(&nics[0]);
    clean_up();

    for (int replies_first = 0; replies_first < 2; replies_first++) {
        start();
        put_resident(&A, 1, 2);
        nic_count(look(&A).id, 5);
        put(&B, 1, 3);
        CHECK(!agilio_shadow_del(&A));
        CHECK(n_requests == 2);
        nic_lose(replies_first);
        CHECK(!look(&A).found && is(&B, AGILIO_PENDING, "nic: not ready"));
        nic_boot(&nics[1]);
        nic_take_over();
        nic_answer();
        CHECK(is(&B, AGILIO_RESIDENT, "") && nic_n_flows() == 1);
        clean_up();
    }
}

static void
test_ids(void)
{
    uint32_t id;

    start();
    put_resident(&A, 1, 2);
    put_resident(&B, 1, 3);
    put_resident(&C, 2, 3);
    put(&D, 3, 1);
    CHECK(!n_requests && is(&D, AGILIO_REFUSED, "size: flow table full"));

    id = look(&A).id;
    nic_count(id, 5);
    CHECK(!agilio_shadow_del(&A));
    put(&D, 3, 1);
    CHECK(is(&D, AGILIO_REFUSED, "size: flow table full"));
    nic_answer();
    put_resident(&D, 3, 1);
    CHECK(look(&D).id == id && counts(&D, 0, true));

    /* The flow comes back while its old self is being deleted. */
    CHECK(!agilio_shadow_del(&D));
    CHECK(!agilio_shadow_del(&B));
    nic_answer_one(0);
    put(&D, 3, 1);
    nic_answer();
    CHECK(is(&D, AGILIO_RESIDENT, "") && nic_n_flows() == 2);
    CHECK(!agilio_shadow_del(&C));
    put(&C, 2, 1);
    CHECK(!agilio_shadow_del(&C));              /* In flight. */
    nic_answer();
    CHECK(nic_n_flows() == 1);
    clean_up();
}

static void
test_ports(void)
{
    static const char other_type[] = "other";
    struct match match;
    uint32_t id;

    start();
    put_resident(&A, 1, 3);
    put_resident(&B, 1, 2);
    id = look(&A).id;
    nic_count(id, 5);
    set_ports(3);
    CHECK(n_puts == 2 && !n_requests);          /* No news. */

    set_ports(2);
    CHECK(n_puts == 3 && n_requests == 1);      /* Only A has changed. */
    nic_answer();
    CHECK(is(&A, AGILIO_HOST, "output: host port") && nic->to_host[id]);
    set_ports(3);
    nic_answer();
    CHECK(is(&A, AGILIO_RESIDENT, "") && counts(&A, 5, true));

    set_ports(0);
    nic_answer();
    CHECK(is(&A, AGILIO_PENDING, "in_port: not on the NIC"));
    CHECK(!nic_n_flows() && counts(&A, 5, false));
    set_ports(3);
    nic_answer();
    nic_count(look(&A).id, 1);
    CHECK(is(&A, AGILIO_RESIDENT, "") && counts(&A, 6, true));

    /* Port 1 of another datapath. */
    init_match(&match, 1);
    agilio_shadow_put(netdev2, other_type, &match, NULL, 0, &C);
    CHECK(is(&C, AGILIO_PENDING, "in_port: not on the NIC"));
    clean_up();
}

static void
test_n_flows_and_flush(void)
{
    uint64_t n_flows[1] = { 0 };

    start();
    put_resident(&A, 1, 2);
    put_resident(&B, 2, 1);
    put(&C, 1, 9);
    put(&D, 1, 3);
    nic_answer();
    agilio_shadow_count(netdev1, n_flows);
    CHECK(n_flows[0] == 1);                     /* D found no room. */
    agilio_shadow_count(netdev2, n_flows);
    CHECK(n_flows[0] == 2);
    nic_count(look(&A).id, 7);
    agilio_shadow_flush(netdev1);
    agilio_shadow_flush(netdev1);
    nic_answer();
    CHECK(nic_n_flows() == 1 && is(&B, AGILIO_RESIDENT, ""));
    CHECK(is(&A, AGILIO_PENDING, "flow: being deleted"));

    /* What they had counted can be read until the datapath removes them. */
    CHECK(stops_at(&A, 7));
    CHECK(!agilio_shadow_del(&A) && agilio_shadow_del(&A) == ENOENT);

    /* Its port is back: the flow is, and what it had counted. */
    nic_count(look(&B).id, 3);
    agilio_shadow_flush(netdev2);
    nic_answer();
    CHECK(!nic_n_flows() && counts(&B, 3, false));
    put(&B, 2, 1);
    nic_answer();
    CHECK(nic_n_flows() == 1 && counts(&B, 3, true));
    clean_up();
}

/* Whether the main thread wakes for what other threads have left to it. */
static bool
is_woken(void)
{
    long long int start_msec = time_msec();

    agilio_residency_wait();
    poll_timer_wait(5000);
    poll_block();
    return time_msec() - start_msec < 4000;
}

/* A NIC that takes no requests for a while. */
static void
test_busy(void)
{
    start();
    put_resident(&A, 1, 2);
    agilio_residency_run();
    busy_error = ENOBUFS;
    put(&A, 1, 3);
    CHECK(is_woken());
    busy_error = 0;
    agilio_residency_run();
    nic_answer();
    put_resident(&A, 1, 2);
    nic_count(look(&A).id, 5);
    busy_error = ENOBUFS;
    CHECK(!agilio_shadow_del(&A));
    put(&B, 1, 3);
    agilio_residency_run();
    CHECK(!n_requests && is(&B, AGILIO_PENDING, "nic: not answered yet"));
    busy_error = 0;
    agilio_residency_run();
    nic_answer();
    CHECK(is(&B, AGILIO_RESIDENT, "") && nic_n_flows() == 1);
    clean_up();
}

/* An idle flow must not look used because clocks are converted again. */
static void
test_used(void)
{
    struct dpif_flow_stats first, second;
    struct dpif_flow_attrs attrs;
    long long int now;

    start();
    put_resident(&A, 1, 2);
    nic_count(look(&A).id, 5);
    nic_add(&nic->region.clock, 300 * MSEC);
    now = time_msec();
    CHECK(!agilio_shadow_get(&A, &first, &attrs));
    CHECK(first.used >= now - 300 && first.used <= time_msec() - 300);
    xnanosleep(20 * MSEC);
    nic_add(&nic->region.clock, 5 * MSEC);      /* It is late. */
    CHECK(!agilio_shadow_get(&A, &second, &attrs));
    CHECK(second.used == first.used);
    nic_count(look(&A).id, 1);
    CHECK(!agilio_shadow_get(&A, &second, &attrs));
    CHECK(second.used > first.used);
    clean_up();
}

int
main(void)
{
    RUN(test_put_and_count);
    RUN(test_modify);
    RUN(test_modify_in_flight);
    RUN(test_host_flows);
    RUN(test_refused);
    RUN(test_refused_modification);
    RUN(test_stop);
    RUN(test_stop_and_flush);
    RUN(test_other_nic);
    RUN(test_same_nic);
    RUN(test_lost_in_flight);
    RUN(test_ids);
    RUN(test_ports);
    RUN(test_n_flows_and_flush);
    RUN(test_busy);
    RUN(test_used);
    ovsrcu_exit();
    return summary();
}
