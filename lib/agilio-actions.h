/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-actions.h - what the files that translate actions share.
 *
 *     agilio-actions.c    the walk over the actions, blocks, ways of a packet
 *     agilio-set.c        set and set_masked
 *     agilio-meter.c      meters
 *     agilio-bond.c       lb_output
 *     agilio-header.c     headers that are pushed and popped
 *     agilio-tunnel.c     tunnels
 *
 * Each function translates one Netlink attribute: it appends to the program
 * and returns NULL, or returns the reason why the NIC cannot do it.
 */

#ifndef AGILIO_ACTIONS_H
#define AGILIO_ACTIONS_H 1

#include "agilio-translate.h"
#include "netlink.h"

#define MALFORMED "action: malformed"

struct translation {
    struct agilio_writer program;
    uint32_t depth;             /* Of the block that is being translated. */
    bool sampling;              /* It is in a sample. */
    size_t n_ways;              /* OUTPUTs and the like, and blocks. */
    bool for_host;              /* The reason is one for AGILIO_FOR_HOST. */
    agilio_port_lookup *lookup;
    void *aux;
};

/* Appends 'action', of 'len' bytes, the head of which is filled in here, and
 * then 'n' more bytes at 'rest', padded to a multiple of 4. */
void agilio_put_action(struct translation *, enum agilio_action_type,
                       void *action, size_t len, const void *rest, size_t n);

/* agilio-set.c.  'set' is an OVS_ACTION_ATTR_SET, or a SET_MASKED. */
const char *agilio_translate_set(struct translation *,
                                 const struct nlattr *set, bool masked);

/* Bits of a value that are not in its mask would be ORed into the packet; OVS
 * never makes such a set. */
bool agilio_is_within_mask(const void *key, const void *mask, size_t n);

/* agilio-header.c. */
const char *agilio_translate_push_mpls(struct translation *,
                                       const struct nlattr *);
const char *agilio_translate_add_mpls(struct translation *,
                                      const struct nlattr *);
const char *agilio_translate_pop_mpls(struct translation *,
                                      const struct nlattr *);
const char *agilio_translate_push_eth(struct translation *,
                                      const struct nlattr *);
const char *agilio_translate_pop_eth(struct translation *);
const char *agilio_translate_push_nsh(struct translation *,
                                      const struct nlattr *);
const char *agilio_translate_pop_nsh(struct translation *);

/* agilio-meter.c and agilio-bond.c, of the datapath type t->aux. */
const char *agilio_translate_meter(struct translation *,
                                   const struct nlattr *);
const char *agilio_translate_lb_output(struct translation *,
                                       const struct nlattr *);

/* agilio-tunnel.c.  'tunnel' is what an OVS_ACTION_ATTR_SET nests. */
const char *agilio_translate_tunnel_push(struct translation *,
                                         const struct nlattr *);
const char *agilio_translate_tunnel_pop(struct translation *,
                                        const struct nlattr *);
const char *agilio_translate_set_tunnel(struct translation *,
                                        const struct nlattr *tunnel);

#endif /* agilio-actions.h */
