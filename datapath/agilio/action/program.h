/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - a flow's actions, checked once and then run unchecked.
 *
 * Each action of AGILIO_ACTIONS has one file here with its class: check()
 * looks at the wire form when the flow is installed, one of the others does
 * what the action says.  The program keeps its own copy of the wire form, and
 * operands are read from there.  What comes after the last action that anybody
 * can see the effect of is never run.
 *
 * What an action does to a packet is what OVS's userspace datapath does (lib/
 * odp-execute.c, lib/packets.c of 3.1), byte for byte.  The flow has matched
 * on what the action needs (SET_TCP: on TCP), so run() only sees to it that
 * the header is there, for safety.
 */

#ifndef AGL_PROGRAM_H
#define AGL_PROGRAM_H 1

#include "agilio/msg.h"
#include "pkt/pkt.h"

struct agl_bonds;
struct agl_meters;

/* What a running program needs of the worker.  Each function takes 'pkt'
 * over. */
struct agl_run {
    struct agl_pool *pool;
    struct agl_meters *meters;
    struct agl_bonds *bonds;
    uint64_t now;               /* NIC clock, ns. */
    uint64_t random;            /* State of agl_run_random(); not 0. */
    /* Sends it, or drops and counts it. */
    void (*output)(struct agl_run *, uint32_t port_id, struct agl_pkt *pkt);
    /* Looks it up again, its metadata being what the next pass is to see. */
    void (*recirc)(struct agl_run *, struct agl_pkt *pkt);
    /* Gives it to the host, to do 'len' bytes of 'actions' with it. */
    void (*sample)(struct agl_run *, const void *actions, uint32_t len,
                   struct agl_pkt *pkt);
    void (*drop)(struct agl_run *, enum agilio_counter, struct agl_pkt *pkt);
};

/* The next of a sequence of numbers that nobody outside can guess. */
uint32_t agl_run_random(struct agl_run *);

/* A part of a program's code. */
struct agl_code {
    const uint8_t *p;           /* Aligned to 4. */
    size_t len;                 /* 0: there is nothing to run. */
};

/* What check() functions know and tell. */
struct agl_check {
    uint32_t growth;            /* Bytes pushed so far... */
    uint32_t max_growth;        /* ...and the most there ever are. */
    uint32_t n_ways;            /* Ways that the packet or a copy goes. */
    uint32_t n_last;            /* Of those, ways that need no copy. */
    uint32_t depth;             /* Of nested blocks. */
    uint32_t n_effects;         /* Actions that somebody can tell of. */
    uint32_t to_host;           /* Length of a TO_HOST, 0 without one, ... */
    enum agilio_fallback fallback;      /* ...and its reason. */
    bool needs_hash;            /* Set by what reads pkt->flow_hash. */
    bool recirculates;          /* What comes then may read it, too. */
    bool unsteady;              /* Something in it is not steady. */
    uint32_t n_looks;           /* Actions that look again. */
    const char *reason;         /* Set by a check() that fails. */
};

/* An action: its length on the wire (the least, if it is 'variable'), check()
 * (true = good; NULL if the length says it all), and exactly one of the rest,
 * but for TO_HOST, which program.c does:
 *
 *   run      changes the packet.
 *   admit    does so too, but may end the packet's way: false if it has given
 *            the packet to run->drop().
 *   go       is a way that a packet goes.  Takes it over; it is the packet
 *            itself if nothing comes after, else a copy.
 *   block    has nested actions: returns those to run on the packet or a copy.
 *
 * 'looks_again' is for a go() that recirculates.  'cuts' says that what goes
 * there is cut short by TRUNC, and what comes after is not.  'steady' is what
 * does the same to the keys of all packets that have one, under any mask:
 * whatever of it is not as before is told by the action alone. */
struct agl_action_class {
    uint16_t len;
    bool variable;
    bool looks_again;
    bool cuts;
    bool steady;
    bool (*check)(struct agilio_action *, struct agl_check *);
    void (*run)(const struct agilio_action *, struct agl_pkt *);
    bool (*admit)(const struct agilio_action *, struct agl_pkt *,
                  struct agl_run *);
    void (*go)(const struct agilio_action *, struct agl_pkt *,
               struct agl_run *);
    struct agl_code (*block)(const struct agilio_action *, struct agl_pkt *,
                             struct agl_run *);
};
#define AGILIO_ACTION(ENUM, NAME, HELP) \
    extern const struct agl_action_class agl_action_##NAME;
AGILIO_ACTIONS(AGILIO_ACTION)
#undef AGILIO_ACTION

/* For check(): the packet grows by 'n' bytes.  False, with a reason, if
 * programs may not make it so long.  That it shrinks does not count: one that
 * has not what is to be popped does not. */
bool agl_check_grows(struct agl_check *, uint32_t n);

/* For check(): checks the 'len' bytes of a block at 'p' of an action. */
bool agl_check_block(struct agl_check *, uint8_t *p, size_t len);

/* All of them, by enum agilio_action_type; [0] is NULL. */
extern const struct agl_action_class *const agl_actions[AGILIO_N_ACTIONS];

enum agl_program_kind {
    AGL_PROGRAM_DROP,           /* Has no effect. */
    AGL_PROGRAM_TO_HOST,        /* 'reason' says why. */
    AGL_PROGRAM_RUN,
};

struct agl_program {
    enum agl_program_kind kind;
    enum agilio_fallback reason;        /* For AGL_PROGRAM_TO_HOST. */
    uint32_t n_clones;          /* The most packets that a run takes from the
                                 * pool. */
    uint32_t growth;            /* The headroom that a packet must have. */
    bool reads_hash;            /* Of the packet; so does the host. */
    bool looks_again;           /* Recirculates. */
    bool needs_hash;            /* Reads pkt->flow_hash, or a later pass may:
                                 * has_hash must be set. */
    bool steady;                /* Recirculates once, and packets with the same
                                 * key have one key then, too. */
    uint32_t port;              /* All that it does is to send the packet to
                                 * this port; else AGILIO_PORT_NONE. */
    agilio_le32 recirc_id;      /* All that it does is to look it up again with
                                 * this id; else 0. */
    uint32_t pop;               /* All that it does is to take the packet out
                                 * of such a tunnel (enum agilio_tunnel_type),
                                 * whose port is...; else 0. */
    agilio_le32 pop_port;       /* ...this one. */
    uint32_t n_users;           /* Flows, the control thread counts; or 1. */
    uint32_t len;               /* Bytes of 'code'. */
    uint8_t code[] __attribute__((aligned(8)));
};

/* Checks the 'len' bytes of actions at 'wire' and makes a program of them.
 * Returns 0 and sets '*program' (free with agl_env_free()), or an enum
 * agilio_error and sets '*reason' to a constant string. */
int agl_program_compile(const void *wire, size_t len,
                        struct agl_program **program, const char **reason);

/* Runs an AGL_PROGRAM_RUN program on 'pkt', which it takes over.  The caller
 * has parsed 'pkt' and reserved n_clones packets, and gives back what is left
 * of these: nothing can fail from here on.  Returns true if that was the
 * packet's end, false if it was recirculated. */
bool agl_program_run(const struct agl_program *, struct agl_pkt *pkt,
                     struct agl_run *);

#endif /* action/program.h */
