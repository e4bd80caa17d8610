/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - a flow's actions, checked once and then run unchecked.
 *
 * Each action of AGILIO_ACTIONS has one file here with its class: check()
 * looks at the wire form when the flow is installed, run() changes a packet.
 * The program keeps its own copy of the wire form; run() reads its operands
 * from there.  What comes after the last OUTPUT or RECIRC has no effect that
 * anybody can see, and is cut off.
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

/* What a running program needs of the worker. */
struct agl_run {
    struct agl_pool *pool;
    /* Takes 'pkt' over and sends it, or drops and counts it. */
    void (*output)(struct agl_run *, uint32_t port_id, struct agl_pkt *pkt);
    /* Takes 'pkt' over and looks it up again. */
    void (*recirc)(struct agl_run *, uint32_t recirc_id, struct agl_pkt *pkt);
};

/* Told by the program to its check() functions and back. */
struct agl_check {
    uint32_t growth;            /* Bytes pushed so far, at the most. */
    uint32_t n_outputs;         /* OUTPUTs and RECIRCs. */
    const char *reason;         /* Set by a check() that fails. */
};

/* An action: its length on the wire, check() (true = good; NULL if the length
 * says it all) and run() (NULL for OUTPUT, RECIRC and TO_HOST, which are not
 * about the packet but its way; program.c does these). */
struct agl_action_class {
    uint16_t len;
    bool (*check)(const struct agilio_action *, struct agl_check *);
    void (*run)(const struct agilio_action *, struct agl_pkt *);
};
#define AGILIO_ACTION(ENUM, NAME, HELP) \
    extern const struct agl_action_class agl_action_##NAME;
AGILIO_ACTIONS(AGILIO_ACTION)
#undef AGILIO_ACTION

/* For check(): counts one more way that the packet, or a copy, goes. */
bool agl_check_way(struct agl_check *);

/* All of them, by enum agilio_action_type; [0] is NULL. */
extern const struct agl_action_class *const agl_actions[AGILIO_N_ACTIONS];

enum agl_program_kind {
    AGL_PROGRAM_DROP,           /* Nothing is output. */
    AGL_PROGRAM_TO_HOST,        /* 'reason' says why. */
    AGL_PROGRAM_RUN,
};

struct agl_program {
    enum agl_program_kind kind;
    enum agilio_fallback reason;        /* For AGL_PROGRAM_TO_HOST. */
    uint32_t n_clones;          /* Packets that a run takes from the pool. */
    bool ends_here;             /* The packet's last way is no RECIRC. */
    bool needs_hash;            /* HASH or RECIRC: set flow_hash before, in
                                 * the first pass. */
    uint32_t len;               /* Bytes of 'code'. */
    uint8_t code[] __attribute__((aligned(8)));
};

/* Checks the 'len' bytes of actions at 'wire' and makes a program of them.
 * Returns 0 and sets '*program' (free with agl_env_free()), or an enum
 * agilio_error and sets '*reason' to a constant string. */
int agl_program_compile(const void *wire, size_t len,
                        struct agl_program **program, const char **reason);

/* Runs an AGL_PROGRAM_RUN program on 'pkt', which it takes over.  The caller
 * has parsed 'pkt' and reserved n_clones packets: nothing can fail from here
 * on. */
void agl_program_run(const struct agl_program *, struct agl_pkt *pkt,
                     struct agl_run *);

#endif /* action/program.h */
