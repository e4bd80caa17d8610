/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/common.h - what the port drivers share.
 *
 * Error sentences, addresses for ports that have none of their own, and the
 * control of a Linux network interface by name.  The drivers call all of this
 * from the control thread; a socket for ioctls of its own (struct agl_netif)
 * keeps it apart from what the worker does with the device.
 */

#ifndef AGL_PORT_COMMON_H
#define AGL_PORT_COMMON_H 1

#include <net/if.h>

#include "port/port.h"

/* An MTU up to this fits AGILIO_MAX_FRAME with two VLAN tags. */
#define AGL_DEV_MAX_MTU (AGILIO_MAX_FRAME - 14 - 2 * 4)

/* Stores a sentence, malloc'd (NULL without memory), in '*error', and returns
 * 'err', so that a driver can end with it. */
int agl_dev_fail(char **error, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes "NAME=NUMBER," off the front of '*arg', if it is there.  False if the
 * number is not one from 'min' to 'max'. */
bool agl_dev_parse_number(const char **arg, const char *name, uint32_t min,
                          uint32_t max, uint32_t *number);

/* A local unicast address that is the same each time for the same port. */
void agl_dev_stable_mac(const char *name, const char *arg, uint8_t mac[6]);

/* A network interface, known by its name in the namespace in which it was
 * opened.  It may come and go. */
struct agl_netif {
    int fd;                     /* Any socket, for ioctls; -1 if none. */
    char name[IFNAMSIZ];
};

/* Does not need the interface to exist.  'type' begins the error sentence.
 * To be closed in any case. */
int agl_netif_open(struct agl_netif *, const char *type, const char *name,
                   char **error);
void agl_netif_close(struct agl_netif *);

/* Index of the interface, 0 if there is none of that name now. */
int agl_netif_index(const struct agl_netif *);

bool agl_netif_is_ethernet(const struct agl_netif *);

/* All of '*status'; link down and zeros if there is no such interface. */
void agl_netif_status(const struct agl_netif *, struct agl_dev_status *status);

/* 0 or a positive errno. */
int agl_netif_set_mtu(const struct agl_netif *, uint32_t mtu);
int agl_netif_set_mac(const struct agl_netif *, const uint8_t mac[6]);
int agl_netif_bring_up(const struct agl_netif *);

#endif /* port/common.h */
