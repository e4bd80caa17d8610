/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-residency.h - a flow's way to the NIC and back.
 *
 * What should be on the NIC follows from the flow; what is there follows from
 * the NIC's replies:
 *
 *              PUT sent           reply: done
 *     ABSENT ------------> PUTTING ------------> PRESENT ---- PUT sent --.
 *       ^                  |  ^  `-- reply: refused (replacement) -'     |
 *       |                  |  `------------------------------------------'
 *       | reply            | DEL sent (from PRESENT as well)
 *       |                  v
 *       `-------------- DELETING            any state -- NIC lost --> ABSENT
 *
 * agilio_residency_update() looks at both and sends what takes the NIC one
 * step closer; it can be called at any time and for any reason.  One PUT at a
 * time is under way for a flow, so a reply always tells of the newest one.
 *
 * A flow's id on the NIC is given back when the NIC has confirmed the deletion
 * and the tally is folded.  When the NIC is lost all ids are void; a new pool
 * starts with the next take-over.
 *
 * Only agilio-shadow.c knows the inside of struct agilio_resident; others call
 * the upkeep functions at the end.
 *
 * Lock order: agilio_residency_mutex, then the ones inside agilio-nic.c.
 */

#ifndef AGILIO_RESIDENCY_H
#define AGILIO_RESIDENCY_H 1

#include "agilio-tally.h"
#include "agilio-translate.h"
#include "cmap.h"
#include "openvswitch/list.h"
#include "ovs-thread.h"

extern struct ovs_mutex agilio_residency_mutex;

enum agilio_nic_presence {
    AGILIO_ABSENT,
    AGILIO_PUTTING,
    AGILIO_PRESENT,
    AGILIO_DELETING,
};

struct agilio_resident {
    /* For each reading of statistics, without the mutex; together. */
    struct cmap_node node;      /* The shadow's. */
    ovs_u128 ufid;              /* Likewise. */
    atomic_ullong n_reported;   /* Packets that somebody was told of. */
    atomic_bool carried;        /* The NIC executes the flow. */
    struct agilio_tally tally;

    /* The shadow's business, too. */
    const struct netdev *netdev;        /* NULL: went away before the flow. */
    const char *dpif_type;

    /* What should be. */
    struct minimatch match;
    struct nlattr *actions;
    size_t actions_len;
    enum agilio_verdict verdict;
    const char *reason;         /* For the verdict, constant; or NULL. */
    char *refusal;              /* Why the NIC did not take it, or NULL. */
    bool gone;                  /* Deleted: freed as soon as possible. */
    bool stopped;               /* As good as deleted: never there again. */
    bool stale;                 /* Changed while a reply is awaited. */

    /* What is. */
    enum agilio_nic_presence presence;
    bool replaces;              /* PUTTING: an older version is there. */
    uint32_t id;                /* On the NIC; UINT32_MAX if ABSENT. */
    ovs_u128 sent;              /* Hash of the last PUT. */
    unsigned int n_users;       /* Replies and threads that will come back. */
    struct ovs_list list_node;  /* In one of agilio-residency.c's lists. */
};

/* A new flow, of which agilio_resident_put() has to tell the rest. */
struct agilio_resident *agilio_resident_create(void)
    OVS_REQUIRES(agilio_residency_mutex);

/* Gives it match and actions, instead of all earlier ones, and takes the NIC
 * closer to that.  A refusal is forgotten.  Both are copied. */
void agilio_resident_put(struct agilio_resident *, const struct match *,
                         const struct nlattr *actions, size_t actions_len)
    OVS_REQUIRES(agilio_residency_mutex);

/* Takes the NIC closer to what the flow should be.  This frees a flow that is
 * gone, absent and without users: to be the last thing that a caller does. */
void agilio_resident_update(struct agilio_resident *)
    OVS_REQUIRES(agilio_residency_mutex);

/* Why a flow that the NIC can do is not there yet, or not any more: a row of
 * agilio_residency_reasons[].  To be asked of no other flow. */
const char *agilio_resident_pending(const struct agilio_resident *)
    OVS_REQUIRES(agilio_residency_mutex);

/* The reasons that are not about what a flow matches or does, beside those of
 * agilio_translate_reasons[].  The last has a NULL 'reason'. */
extern const struct agilio_reason agilio_residency_reasons[];

/* Has all flows translated again, in agilio_residency_run(). */
void agilio_residency_retranslate(void)
    OVS_REQUIRES(agilio_residency_mutex);

/* Looks a datapath port up. */
struct agilio_port_ref agilio_residency_lookup_port(odp_port_t,
                                                    void *dpif_type)
    OVS_REQUIRES(agilio_residency_mutex);

/* ## Upkeep, for agilio.c. ## */

/* A datapath port that is a port of the NIC, or a tunnel. */
struct agilio_port_pair {
    const char *dpif_type;      /* The pointer counts, not the string. */
    struct agilio_port_ref ref;
    odp_port_t odp_port;
    uint32_t pad;               /* 0: there is no other padding. */
};

/* Says which datapath ports are on the NIC, or tunnels.  If this is news, all
 * flows are translated again, in agilio_residency_run(). */
void agilio_residency_set_ports(const struct agilio_port_pair *, size_t n);

/* Finds the datapath port that NIC port 'id' is. */
bool agilio_residency_find_port(uint32_t id, const char **dpif_type,
                                odp_port_t *odp_port);

/* The NIC is lost.  Its flows may live on, but are not ours to change. */
void agilio_residency_lost(void);

/* The NIC of connection 'generation' is to be ours, and its table of
 * 'max_flows' is empty: goes on to ACTIVE.  It is filled in
 * agilio_residency_run().  Returns false, and does nothing, if the connection
 * is another one now. */
bool agilio_residency_take_over(uint64_t generation, uint32_t max_flows);

/* Does a bounded part of the work that is due, and says when to be called
 * again.  Main thread only. */
void agilio_residency_run(void);
void agilio_residency_wait(void);

/* Packets that the NIC counted for flows, and that nobody had asked for when
 * the flow was deleted. */
uint64_t agilio_residency_n_lost(void);

#endif /* agilio-residency.h */
