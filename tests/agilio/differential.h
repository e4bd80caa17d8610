/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential.h - the parts of test-differential, and what they share.
 *
 *     differential-frames.c   random frames
 *     differential-gen.c      random megaflows, as if from ofproto
 *     differential-actions.c  random action lists, likewise
 *     differential-sets.c     random set actions
 *     differential-stock.c    OVS's userspace datapath, the judge
 *     differential-nic.c      the NIC
 *     differential-judge.c    what is the same
 *     differential-report.c   what was covered, and how a difference looks
 *     test-differential.c     brings them together
 *
 * Both sides have DIFF_N_PORTS ports: datapath port i + 1 is the NIC's port i;
 * datapath port 0 is LOCAL, which is the host's own.  One thread does it all.
 */

#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H 1

#include "agilio/msg.h"
#include "dpif.h"
#include "openvswitch/match.h"

#include "agilio-translate.h"

#define DIFF_N_PORTS 4
#define DIFF_MAX_FRAME 2304     /* Bytes of a frame, also after pushes. */
#define DIFF_MAX_SENT 32        /* Frames to one port that are compared; what
                                 * is recirculated can become many more. */
#define DIFF_MAX_FLOWS 12       /* In one table. */
#define DIFF_MAX_ACTIONS 2048   /* Bytes of Netlink actions. */

struct diff_frame {
    uint32_t len;
    uint8_t bytes[DIFF_MAX_FRAME];
};

/* What became of one frame on one side. */
struct diff_fate {
    uint32_t n_sent[DIFF_N_PORTS];              /* All. */
    struct diff_frame sent[DIFF_N_PORTS][DIFF_MAX_SENT];
    uint32_t n_host;            /* Times that the host was given it. */
    enum agilio_fallback reason;        /* The gravest; stock: MISS. */
    struct diff_frame host;
};

/* A megaflow. */
struct diff_flow {
    struct match match;         /* As netdev_flow_put() would be given it. */
    uint64_t actions[DIFF_MAX_ACTIONS / 8];     /* Netlink. */
    size_t actions_len;
    ovs_u128 ufid;
    uint32_t id;                /* On the NIC; its place in the table. */

    /* The NIC's view. */
    enum agilio_verdict verdict;
    const char *reason;         /* NULL, or for the verdict. */
    bool resident;              /* The NIC knows it. */
    struct agilio_key mask;
    uint32_t n_actions[AGILIO_N_ACTIONS];       /* In its program. */

    /* Packets of it that the NIC gave to the host, which counts them. */
    struct dpif_flow_stats host;
    uint64_t n_hits;            /* With the present actions. */

    /* Of all its packets: as flow_extract() reads TCP flags; those that OVS's
     * other parser sees, too; those that one of them sees. */
    uint16_t tcp_flags, tcp_flags_both, tcp_flags_any;
};

struct diff_table {
    size_t n;
    struct diff_flow *flows[DIFF_MAX_FLOWS];
};

/* ## Frames. ## */

void diff_seed(uint64_t);
uint32_t diff_random(uint32_t range);   /* 0 ... range - 1. */
void diff_frames_start(void);
/* A frame of any kind. */
void diff_frame_any(struct diff_frame *);
/* A frame that is much like 'base', or the same. */
void diff_frame_like(struct diff_frame *, const struct diff_frame *base);

/* ## Flows. ## */

/* What ofproto would do about a packet that missed: makes a flow that it
 * hits and that overlaps no flow of 'table', and adds it.  Returns NULL if
 * that cannot be done, or the table is full. */
struct diff_flow *diff_table_learn(struct diff_table *, const struct flow *);
/* The flow that 'flow' hits, or NULL. */
struct diff_flow *diff_table_find(const struct diff_table *,
                                  const struct flow *);
/* Takes the flow out, without freeing it. */
void diff_table_remove(struct diff_table *, struct diff_flow *);

/* Writes actions for packets that 'match->flow' is one of.  Where they need
 * the packets to have something, the match is narrowed to that; or if 'fixed',
 * such actions are left out.  A packet will do with all of 'match->wc'. */
void diff_actions_make(struct diff_flow *, bool fixed);

/* An action list in the making. */
struct diff_maker {
    struct match *match;
    bool fixed;                 /* The match cannot be narrowed. */
    struct ofpbuf *odp;
    int n_vlans;                /* Tags that are surely there. */
    bool l3;                    /* Layer 3 is where the parser saw it. */
};

/* Has the flow match exactly on 'size' bytes at 'ofs' of struct flow.  Returns
 * false if that cannot be. */
bool diff_need(struct diff_maker *, size_t ofs, size_t size);
#define DIFF_NEED(M, MEMBER) diff_need(M, offsetof(struct flow, MEMBER), \
                                       MEMBER_SIZEOF(struct flow, MEMBER))
bool diff_need_mpls(struct diff_maker *);
void diff_random_field(void *, size_t);
/* Appends a random set; false, and nothing, if it is not one for the flow. */
bool diff_make_set(struct diff_maker *);

/* ## The sides. ## */

/* OVS's.  'learn' asks for the flow of a packet that missed; NULL: the packet
 * is dropped, and its fate says so. */
typedef struct diff_flow *diff_learn_cb(const struct flow *, void *aux);
void diff_stock_start(void);
/* Has the datapath learn from a frame whatever it needs to forward it. */
void diff_stock_learn(uint32_t port, const struct diff_frame *,
                      diff_learn_cb *, void *aux);
/* Changes a flow's actions.  Returns false if Netlink cannot name it. */
bool diff_stock_modify(const struct diff_flow *);
void diff_stock_stats(const struct diff_flow *, struct dpif_flow_stats *);
void diff_stock_del(const struct diff_flow *, struct dpif_flow_stats *);
void diff_stock_send(uint32_t port, const struct diff_frame *,
                     struct diff_fate *);

/* The NIC's. */
void diff_nic_start(void);
void diff_nic_set_max_vlans(uint32_t);
/* Translates a flow and puts it; fills in the NIC's view. */
void diff_nic_put(struct diff_flow *);
void diff_nic_del(const struct diff_flow *, struct dpif_flow_stats *);
void diff_nic_send(uint32_t port, const struct diff_frame *,
                   struct diff_fate *);
/* As the NIC knows the datapath's ports. */
agilio_port_lookup diff_nic_lookup;

/* ## Judgement. ## */

/* A new table; a flow that comes into it. */
void diff_judge_start(void);
void diff_judge_flow(const struct diff_flow *);
/* Returns what is wrong with the fate of a frame that hits 'flow' (NULL: no
 * flow), or NULL if nothing is. */
const char *diff_judge(const struct diff_frame *, const struct diff_flow *,
                       const struct diff_fate *stock,
                       const struct diff_fate *ours);
/* Whether a flow's statistics are the same. */
bool diff_judge_stats(const struct diff_flow *,
                      const struct dpif_flow_stats *stock,
                      const struct dpif_flow_stats *ours);
void diff_print_known(void);

/* ## Report. ## */

/* Takes note of a flow that has done its work. */
void diff_cover(const struct diff_flow *);
/* Prints what was covered; false if something never was. */
bool diff_cover_print(void);
void diff_print_flow(const struct diff_flow *);
void diff_print_frame(const char *title, uint32_t port,
                      const struct diff_frame *);
void diff_print_fate(const char *title, const struct diff_fate *);

#endif /* differential.h */
