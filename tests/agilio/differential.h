/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential.h - the parts of test-differential, and what they share.
 *
 *     differential-frames.c   random frames
 *     differential-encap.c    frames within frames
 *     differential-gen.c      random megaflows, as if from ofproto
 *     differential-actions.c  random action lists, likewise
 *     differential-sets.c     ...of these, set actions
 *     differential-headers.c  ...MPLS, Ethernet and NSH headers
 *     differential-tunnels.c  ...tunnels
 *     differential-ports.c    ports of a datapath, and the clock
 *     differential-dp.c       datapaths of OVS's: the judge, and our host
 *     differential-nic.c      the NIC
 *     differential-objects.c  meters and bonds of all three
 *     differential-judge.c    what is the same
 *     differential-report.c   what was covered, and how a difference looks
 *     test-differential.c     brings them together
 *
 * All sides have DIFF_N_PORTS ports: datapath port i + 1 is the NIC's port i.
 * The next DIFF_N_TUNNELS are tunnels, datapath port 0 is LOCAL; these are the
 * host's.  One thread does it all.
 */

#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H 1

#include "agilio/msg.h"
#include "dpif.h"
#include "openvswitch/match.h"

#include "agilio-rx.h"
#include "agilio-translate.h"

struct dp_packet;

#define DIFF_N_PORTS 4
#define DIFF_N_TUNNELS 7
#define DIFF_N_METERS 3         /* Ids 1 to 3; no. 3 is often not there. */
#define DIFF_N_BONDS 3          /* Likewise. */
#define DIFF_MAX_FRAME 2560     /* Bytes of a frame that is received. */
#define DIFF_MAX_FLOWS 16       /* In one table. */
#define DIFF_MAX_ACTIONS 16384  /* Bytes of Netlink actions. */

/* Datapath port. */
#define DIFF_TUNNEL(I) (DIFF_N_PORTS + 1 + (I))

struct diff_frame {
    uint32_t len;
    uint8_t bytes[DIFF_MAX_FRAME];
};

/* ## ------ ##
 * ## Fates. ##
 * ## ------ ##
 *
 * What became of one frame: an event for each thing that somebody outside can
 * see.  The frames, and what else belongs to an event, are in 'bytes'. */

enum diff_event_kind {
    DIFF_SENT,                  /* To a port. */
    DIFF_MISS,                  /* Upcall: no flow.  With struct flow. */
    DIFF_ACTION,                /* Upcall: userspace action.  With struct flow
                                 * and userdata. */
};

struct diff_event {
    enum diff_event_kind kind;
    uint32_t port;              /* SENT: datapath port; else 0. */
    uint32_t ofs, len;          /* The frame. */
    uint32_t extra_len;         /* What else there is comes after it. */
};

#define DIFF_MAX_EVENTS 512     /* What is recirculated can become many. */
#define DIFF_MANY 64            /* The NIC's devices keep no more. */
#define DIFF_MAX_BYTES (1 << 20)

struct diff_fate {
    uint32_t n, n_bytes;
    bool full;                  /* There were more. */
    struct diff_event events[DIFF_MAX_EVENTS];
    uint8_t bytes[DIFF_MAX_BYTES];
};

void diff_fate_add(struct diff_fate *, enum diff_event_kind, uint32_t port,
                   const void *frame, uint32_t len,
                   const struct flow *, const void *userdata, size_t n);

/* ## ------ ##
 * ## Flows. ##
 * ## ------ ## */

/* OVS's datapaths: the judge; the one behind the NIC; and one from whose
 * misses flows are made, which has nothing to do with the others. */
enum diff_side {
    DIFF_STOCK,
    DIFF_HOST,
    DIFF_TEACHER,
    DIFF_N_SIDES
};
#define DIFF_N_JUDGED 2         /* The first two. */

/* Statistics; 'used' in ms of the clock. */
struct diff_stats {
    uint64_t n_packets, n_bytes;
    long long int used;
    uint16_t tcp_flags;
};

/* A megaflow. */
struct diff_flow {
    struct match match;         /* As netdev_flow_put() would be given it. */
    uint64_t actions[DIFF_MAX_ACTIONS / 8];     /* Netlink. */
    size_t actions_len;
    ovs_u128 ufid;
    uint32_t id;                /* On the NIC; its place in the table. */

    /* The datapaths that have it, and what they did for its first packet,
     * which OVS does not count there. */
    bool installed[DIFF_N_SIDES];
    struct diff_stats first[DIFF_N_SIDES];

    /* The NIC's view. */
    enum agilio_verdict verdict;
    const char *reason;         /* NULL, or for the verdict. */
    bool resident;              /* The NIC has it. */
    struct diff_stats past;     /* What it counted before it was taken off. */
    struct agilio_key mask;
    uint8_t program[AGILIO_MAX_PROGRAM];
    size_t program_len;

    /* With the present actions. */
    uint64_t nic_base;          /* What the NIC had counted before. */
    uint64_t n_given;           /* Packets that the NIC gave to the host. */

    /* Of all packets that came fresh: TCP flags that OVS's two parsers agree
     * on; those that one of them sees. */
    uint16_t tcp_flags_both, tcp_flags_any;
};

struct diff_table {
    size_t n;
    struct diff_flow *flows[DIFF_MAX_FLOWS];
    bool loops;                 /* A packet may come back to the same flow. */
    bool objects;               /* Meters and bonds; flows for the NIC only. */
};

/* What ofproto would do about a packet that missed: makes a flow that it
 * hits and that overlaps no flow of 'table', and adds it.  Returns NULL if
 * that cannot be done, or the table is full. */
struct diff_flow *diff_table_learn(struct diff_table *, const struct flow *);
/* The flow that 'flow' hits, or NULL. */
struct diff_flow *diff_table_find(const struct diff_table *,
                                  const struct flow *);
/* Takes the flow out, without freeing it. */
void diff_table_remove(struct diff_table *, struct diff_flow *);

/* ## ------- ##
 * ## Frames. ##
 * ## ------- ## */

void diff_seed(uint64_t);
uint32_t diff_random(uint32_t range);   /* 0 ... range - 1. */
void diff_random_field(void *, size_t);
void diff_frames_start(void);
/* A frame of any kind. */
void diff_frame_any(struct diff_frame *);
/* A frame that is much like 'base', or the same. */
void diff_frame_like(struct diff_frame *, const struct diff_frame *base);
/* Puts the frame into a tunnel, or behind labels or a service header; leaves
 * it alone if that would make it longer than 'max'. */
void diff_encap(struct diff_frame *, uint32_t max);

/* ## -------- ##
 * ## Actions. ##
 * ## -------- ## */

/* Writes actions for packets that 'match->flow' is one of.  Where they need
 * the packets to have something, the match is narrowed to that; or if 'fixed',
 * such actions are left out.  A packet will do with all of 'match->wc'. */
void diff_actions_make(const struct diff_table *, struct diff_flow *,
                       bool fixed);

/* An action list in the making, and what is surely so for all packets. */
struct diff_maker {
    const struct diff_table *table;
    struct match *match;
    bool fixed;                 /* The match cannot be narrowed. */
    struct ofpbuf *odp;
    int depth;                  /* Of nesting. */
    uint32_t packet_type;
    bool no_hash;               /* OVS has no hash for ports and members. */
    bool trunc;                 /* Something may be cut off what is sent. */
    int n_vlans, n_labels;      /* So many are there. */

    bool has_l3;                /* OVS knows where layer 3 is... */
    bool l3;                    /* ...and there is what the parser saw,... */
    bool nsh;                   /* ...or an NSH header that was pushed,... */
    uint16_t dl_type;           /* ...or that of a tunnel, or 0. */
    uint8_t proto;
};

/* Has the flow match exactly on 'size' bytes at 'ofs' of struct flow.  Returns
 * false if that cannot be. */
bool diff_need(struct diff_maker *, size_t ofs, size_t size);
#define DIFF_NEED(M, MEMBER) diff_need(M, offsetof(struct flow, MEMBER), \
                                       MEMBER_SIZEOF(struct flow, MEMBER))
bool diff_need_l3(struct diff_maker *, uint16_t dl_type);
bool diff_need_l4(struct diff_maker *, uint16_t dl_type, uint8_t proto);
/* The packet is of this type now, and what is in it is not known. */
void diff_forget(struct diff_maker *, uint32_t packet_type);

/* A member of a struct that is a set action's key. */
struct diff_member {
    size_t ofs, size;
};
#define DIFF_MEMBER(TYPE, NAME) { offsetof(struct TYPE, NAME), \
                                  MEMBER_SIZEOF(struct TYPE, NAME) }
/* Appends a set of key attribute 'attr', a struct of 'size' bytes of which the
 * 'n' members may be set: by SET all of them, by SET_MASKED some. */
void diff_put_set(struct diff_maker *, uint16_t attr, size_t size,
                  const struct diff_member *, size_t n);

/* Each appends random actions; false, and nothing, if they are not for the
 * flow. */
bool diff_make_any(struct diff_maker *);
bool diff_make_output(struct diff_maker *);
bool diff_make_set(struct diff_maker *);
bool diff_make_push_mpls(struct diff_maker *);
bool diff_make_add_mpls(struct diff_maker *);
bool diff_make_pop_mpls(struct diff_maker *);
bool diff_make_push_eth(struct diff_maker *);
bool diff_make_pop_eth(struct diff_maker *);
bool diff_make_push_nsh(struct diff_maker *);
bool diff_make_pop_nsh(struct diff_maker *);
bool diff_make_set_mpls(struct diff_maker *);
bool diff_make_set_nsh(struct diff_maker *);
bool diff_make_tunnel_push(struct diff_maker *);
bool diff_make_tunnel_pop(struct diff_maker *);
bool diff_make_only_pop(struct diff_maker *);
bool diff_make_set_tunnel(struct diff_maker *);

/* UDP ports (IANA). */
#define DIFF_VXLAN_PORT 4789
#define DIFF_GENEVE_PORT 6081

struct diff_tunnel {
    const char *netdev_type;
    enum agilio_tunnel_type nic;
    uint8_t proto;              /* IPPROTO_UDP, IPPROTO_GRE. */
    uint16_t udp_port;
};
extern const struct diff_tunnel diff_tunnels[DIFF_N_TUNNELS];
void diff_tunnels_start(void);

/* ## ---------- ##
 * ## The sides. ##
 * ## ---------- ## */

/* The clock of all sides, us. */
extern long long int diff_now;

/* differential-ports.c. */
void diff_ports_start(void);
/* What ports of 'side' send goes to 'fate'; NULL: it is forgotten. */
void diff_ports_listen(enum diff_side, struct diff_fate *);
/* 'packet' is what 'side' receives next on 'port' (0...); 'in_port' is not
 * AGILIO_PORT_NONE if it is to be resumed. */
void diff_ports_arrive(enum diff_side, uint32_t port, struct dp_packet *,
                       uint32_t in_port);
/* A packet of these bytes, as a device would give it. */
struct dp_packet *diff_packet_new(const void *frame, uint32_t len);

/* differential-dp.c.  'want' is asked for the flow of a packet that missed;
 * NULL: there is none. */
typedef struct diff_flow *diff_want_cb(enum diff_side, const struct flow *);
void diff_dp_start(diff_want_cb *);
struct dpif *diff_dpif(enum diff_side);
void diff_dp_receive(enum diff_side, uint32_t port, struct dp_packet *,
                     uint32_t in_port, struct diff_fate *);
/* Executes what the NIC has sampled. */
void diff_dp_samples(struct diff_fate *);
/* Changes a flow's actions.  Returns false if Netlink cannot name it. */
bool diff_dp_modify(enum diff_side, const struct diff_flow *);
void diff_dp_del(enum diff_side, const struct diff_flow *,
                 struct diff_stats *);
/* Whether a packet has been recirculated too often since the last call. */
bool diff_dp_too_deep(void);

/* differential-nic.c. */
struct diff_given {             /* A record that the NIC gave its host. */
    enum agilio_rx_kind kind;
    enum agilio_fallback reason;
    struct flow flow;
    bool same;                  /* The frame is as it was received. */
};
#define DIFF_MAX_GIVEN 512

void diff_nic_start(void);
void diff_nic_set_max_vlans(uint32_t);
int diff_nic_ask(enum agilio_msg_type, const void *body, size_t len);
const struct agl_region *diff_nic_region(void);
uint32_t diff_nic_port(uint32_t port);
/* Translates a flow and puts it; fills in the NIC's view. */
void diff_nic_put(struct diff_flow *);
void diff_nic_del(struct diff_flow *, struct diff_stats *);
uint64_t diff_nic_n_packets(const struct diff_flow *);
/* The NIC receives a frame, and its host whatever the NIC gives it; returns
 * how many records these are. */
uint32_t diff_nic_receive(uint32_t port, const struct diff_frame *,
                          struct diff_fate *, const struct diff_given **);
/* As the NIC knows the datapath's ports. */
agilio_port_lookup diff_nic_lookup;

/* differential-objects.c. */
/* Sets all meters (which are full then) and bonds. */
void diff_objects_make(void);
/* What is wrong with the statistics, NULL if nothing is. */
const char *diff_objects_judge(void);
/* Whether the host has metered anything. */
bool diff_meters_host_used(void);

/* ## ---------- ##
 * ## Judgement. ##
 * ## ---------- ## */

enum diff_known {
    DIFF_TWO_READINGS,
    DIFF_TOO_DEEP,
    DIFF_TOO_MANY,
    DIFF_TWO_METERS,
    DIFF_SHORT_SAMPLE,
    DIFF_CUT_TUNNEL,
    DIFF_N_KNOWN
};

/* Counts a known, explained difference. */
void diff_know(enum diff_known);
void diff_print_known(void);

/* Returns what is wrong with the fate of a frame, or NULL if nothing is.
 * 'given' is what the host was given by the NIC. */
const char *diff_judge(const struct diff_fate *stock,
                       const struct diff_fate *ours, bool in_order);
const char *diff_judge_given(const struct diff_table *,
                             const struct diff_given *);
/* Whether a flow's statistics are the same. */
bool diff_judge_stats(const struct diff_flow *, const struct diff_stats *stock,
                      const struct diff_stats *ours);

/* ## ------- ##
 * ## Report. ##
 * ## ------- ## */

/* Takes note of a flow that has done its work. */
void diff_cover(const struct diff_flow *);
/* Prints what was covered; false if something never was. */
bool diff_cover_print(void);
void diff_print_flow(const struct diff_flow *);
void diff_print_frame(const char *title, uint32_t port,
                      const void *frame, uint32_t len);
void diff_print_fate(const char *title, const struct diff_fate *);

#endif /* differential.h */
