/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-port.h - a NIC port as its representor sees it, there or not.
 *
 * The operator's wishes (up, MTU, MAC) are kept here, and told to the NIC
 * whenever the port appears: after a restart of the NIC, or when the port is
 * plugged.  What the NIC says of the port is kept too, for as long as the port
 * is there.  Counters never go backward, whatever NIC is behind.
 *
 * The caller (netdev-agilio.c) guards a port with the netdev's mutex; only
 * agilio_port_call() waits for the NIC, and is called without it.
 */

#ifndef AGILIO_PORT_H
#define AGILIO_PORT_H 1

#include "agilio-map.h"
#include "openvswitch/types.h"

struct agilio_port_view {
    char *name;                 /* On the NIC; NULL: not yet configured. */
    uint32_t id;                /* AGILIO_PORT_NONE: the NIC lacks it. */
    struct agilio_port entry;   /* As it was when it was last there. */
    bool seen;                  /* 'entry' is valid. */

    /* Wishes. */
    bool admin_up;
    uint32_t mtu;               /* 0: whatever the NIC has. */
    bool has_mac;
    struct eth_addr mac;

    /* Counters in host order, in the order of struct agilio_port_stats. */
    uint64_t boot_id;           /* Of the NIC that counted 'last'. */
    uint32_t last_id;           /* And the port. */
    uint64_t last[AGILIO_PORT_WORDS]; /* What it said last. */
    uint64_t base[AGILIO_PORT_WORDS]; /* What others counted before it. */
};

/* Looks the port up in 'map', NULL if the NIC is down, and tells the NIC our
 * wishes if it has just appeared.  True if anything has changed. */
bool agilio_port_refresh(struct agilio_port_view *,
                         const struct agilio_map *map);

/* Forgets which port it was; the counters go on. */
void agilio_port_rename(struct agilio_port_view *, const char *name);

bool agilio_port_link_up(const struct agilio_port_view *);

/* Sums up the counters, as far as 'map', which may be that of a dead NIC, or
 * NULL, tells; to be called before a map is replaced. */
void agilio_port_read_stats(struct agilio_port_view *,
                            const struct agilio_map *map,
                            uint64_t stats[AGILIO_PORT_WORDS]);

/* Tells the NIC to take port 'id' up or down; logs it if that fails. */
void agilio_port_send_admin(uint32_t id, const char *name, bool up);

/* Asks for an MTU, or for a MAC if 'mtu' is 0, and waits for the answer.
 * Returns 0 or a positive errno with '*reason' (malloc'd). */
int agilio_port_call(uint32_t id, uint32_t mtu, const struct eth_addr *mac,
                     char **reason);

#endif /* agilio-port.h */
