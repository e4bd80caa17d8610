/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-translate.h - from OVS's flows to the NIC's: pure functions.
 *
 * What the NIC cannot match or do is not an error: the flow stays on the host
 * and the operator reads why.  A reason is a constant string of the form
 * "match: FIELD", "action: NAME", "output: what" or "size: what", made for
 * counting by equality (of the text); all are in agilio_translate_reasons[].
 *
 * agilio-match.c, agilio-actions.c and its sisters, agilio-flow.c; any thread.
 */

#ifndef AGILIO_TRANSLATE_H
#define AGILIO_TRANSLATE_H 1

#include "agilio/msg.h"
#include "openvswitch/match.h"
#include "openvswitch/types.h"

struct nlattr;

/* A datapath port as the NIC knows it: a port of its own, or one of the
 * host's, whose id has AGILIO_PORT_HOST, and which may be a tunnel. */
struct agilio_port_ref {
    uint32_t id;
    enum agilio_tunnel_type tunnel;
};

/* Looks datapath ports up. */
typedef struct agilio_port_ref agilio_port_lookup(odp_port_t, void *aux);

/* A port of the host's that is not a tunnel. */
static inline struct agilio_port_ref
agilio_host_port(odp_port_t port)
{
    return (struct agilio_port_ref) {
        .id = AGILIO_PORT_HOST | (OVS_FORCE uint32_t) port,
    };
}

enum agilio_verdict {
    AGILIO_ON_NIC,              /* The NIC does it wholly. */
    AGILIO_FOR_HOST,            /* By its nature it is the host's: output to a
                                 * host port, slow path, controller. */
    AGILIO_UNABLE,              /* The NIC cannot do an action of it. */
    AGILIO_UNMATCHABLE,         /* The NIC cannot even tell its packets. */
};

/* Translates the match of a datapath flow whose in_port has the id 'in_port'
 * into key and mask.  The key has no bit that the mask has not.
 * Returns NULL, or the reason why the NIC cannot tell these packets. */
const char *agilio_translate_match(const struct match *, uint32_t in_port,
                                   struct agilio_key *key,
                                   struct agilio_key *mask);

/* Translates Netlink datapath actions into a program of '*len' bytes in the
 * AGILIO_MAX_PROGRAM bytes at 'program'.  Returns AGILIO_ON_NIC with a NULL
 * '*reason', or AGILIO_FOR_HOST or AGILIO_UNABLE and why.  Where both hold it
 * is AGILIO_FOR_HOST: a NIC that could do more would not change it.
 *
 * The actions may be malformed in any way.  Whether the packets have room for
 * what a program pushes is the NIC's to check. */
enum agilio_verdict agilio_translate_actions(const struct nlattr *actions,
                                             size_t actions_len,
                                             agilio_port_lookup *, void *aux,
                                             void *program, size_t *len,
                                             const char **reason);

/* The whole flow: writes the body of a FLOW_PUT message of '*len' bytes to
 * 'body' (AGILIO_MAX_MSG bytes) unless the verdict is AGILIO_UNMATCHABLE.  For
 * AGILIO_FOR_HOST and AGILIO_UNABLE the program is TO_HOST, so that the NIC
 * counts such packets by their kind. */
enum agilio_verdict agilio_translate_flow(const struct match *,
                                          const struct nlattr *actions,
                                          size_t actions_len, uint32_t id,
                                          uint32_t in_port,
                                          agilio_port_lookup *, void *aux,
                                          void *body, size_t *len,
                                          const char **reason);

/* Every reason that the functions above can give, for counters and for the
 * manual.  The last has a NULL 'reason'. */
struct agilio_reason {
    const char *reason;
    const char *help;           /* What such a flow wants or does. */
};
extern const struct agilio_reason agilio_translate_reasons[];

#endif /* agilio-translate.h */
