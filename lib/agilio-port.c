/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-port.c - a NIC port as its representor sees it, there or not.
 *
 * See agilio-port.h.  Called by netdev-agilio.c, in any thread.
 */

#include <config.h>

#include "agilio-port.h"

#include <errno.h>

#include "agilio-nic.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio_port);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* ## ------ ##
 * ## Wishes ##
 * ## ------ ## */

#define PORT_SET_LEN 22

static size_t
compose_port_set(uint8_t buf[PORT_SET_LEN], uint32_t id, uint32_t what,
                 bool up, uint32_t mtu, struct eth_addr mac)
{
    struct agilio_writer w = { buf, buf + PORT_SET_LEN, false };

    agilio_put_u32(&w, id);
    agilio_put_u32(&w, what);
    agilio_put_u32(&w, up ? AGILIO_PORT_ADMIN_UP : 0);
    agilio_put_u32(&w, mtu);
    agilio_put_bytes(&w, &mac, sizeof mac);
    return w.p - buf;
}

/* Reply to a PORT_SET that nobody waits for; 'what_' says what it was. */
static void
port_set_cb(int error, const char *reason,
            struct agilio_reader *body OVS_UNUSED, void *what_)
{
    char *what = what_;

    if (error && error != ENODEV) {
        VLOG_WARN_RL(&rl, "%s (%s)", what, reason);
    }
    free(what);
}

/* Sends a PORT_SET; 'what' (malloc'd) is for the log if it fails. */
static void
send_port_set(const uint8_t buf[PORT_SET_LEN], char *what)
{
    int error = agilio_nic_send(AGILIO_MSG_PORT_SET, buf, PORT_SET_LEN,
                                port_set_cb, what);

    if (error) {
        /* Without a NIC, the wish is told when there is one. */
        port_set_cb(error, "it takes no requests", NULL, what);
    }
}

void
agilio_port_send_admin(uint32_t id, const char *name, bool up)
{
    uint8_t buf[PORT_SET_LEN];

    compose_port_set(buf, id, AGILIO_PORT_SET_FLAGS, up, 0, eth_addr_zero);
    send_port_set(buf, xasprintf("NIC port %s was not taken %s", name,
                                 up ? "up" : "down"));
}

/* The port has appeared.  Each wish is a request of its own, so that one which
 * the NIC cannot fulfil does not take the others with it. */
static void
send_wishes(const struct agilio_port_view *view)
{
    uint8_t buf[PORT_SET_LEN];

    if (view->mtu) {
        compose_port_set(buf, view->id, AGILIO_PORT_SET_MTU, false,
                         view->mtu, eth_addr_zero);
        send_port_set(buf, xasprintf("NIC port %s did not get MTU %"PRIu32,
                                     view->name, view->mtu));
    }
    if (view->has_mac) {
        compose_port_set(buf, view->id, AGILIO_PORT_SET_MAC, false, 0,
                         view->mac);
        send_port_set(buf, xasprintf("NIC port %s did not get its address",
                                     view->name));
    }
    agilio_port_send_admin(view->id, view->name, view->admin_up);
}

int
agilio_port_call(uint32_t id, uint32_t mtu, const struct eth_addr *mac,
                 char **reason)
{
    uint8_t buf[PORT_SET_LEN];

    compose_port_set(buf, id,
                     mtu ? AGILIO_PORT_SET_MTU : AGILIO_PORT_SET_MAC,
                     false, mtu, mac ? *mac : eth_addr_zero);
    return agilio_nic_call(AGILIO_MSG_PORT_SET, buf, sizeof buf, NULL, 0, NULL,
                           reason);
}

/* ## -------- ##
 * ## Counters ##
 * ## -------- ## */

/* Brings 'last' up to date, if 'map' still has the port that it is of. */
static void
read_last(struct agilio_port_view *view, const struct agilio_map *map)
{
    uint32_t slot = agilio_port_slot(view->last_id);

    if (map->boot_id != view->boot_id || slot >= map->n_ports
        || (agilio_from_le32(agilio_load_relaxed(&map->ports[slot].id))
            != view->last_id)) {
        return;
    }
    agilio_map_port_stats(map, slot, view->last);
}

/* Port view->id of 'map' goes on counting: from where it was if it is the one
 * that counted before, else from 0. */
static void
begin_stats(struct agilio_port_view *view, const struct agilio_map *map)
{
    size_t i;

    if (view->boot_id != map->boot_id || view->last_id != view->id) {
        view->boot_id = map->boot_id;
        view->last_id = view->id;
        for (i = 0; i < AGILIO_PORT_WORDS; i++) {
            view->base[i] += view->last[i];
            view->last[i] = 0;
        }
    }
}

void
agilio_port_read_stats(struct agilio_port_view *view,
                       const struct agilio_map *map,
                       uint64_t stats[AGILIO_PORT_WORDS])
{
    size_t i;

    if (map && view->last_id != AGILIO_PORT_NONE) {
        read_last(view, map);
    }
    for (i = 0; i < AGILIO_PORT_WORDS; i++) {
        stats[i] = view->base[i] + view->last[i];
    }
}

/* ## ---- ##
 * ## Port ##
 * ## ---- ## */

bool
agilio_port_link_up(const struct agilio_port_view *view)
{
    return (view->id != AGILIO_PORT_NONE
            && agilio_from_le32(view->entry.flags) & AGILIO_PORT_LINK_UP);
}

/* Compares what an operator can see of two entries. */
static bool
same_entry(const struct agilio_port *a, const struct agilio_port *b)
{
    return (a->id == b->id && a->flags == b->flags && a->mtu == b->mtu
            && a->speed == b->speed
            && !memcmp(a->mac, b->mac, sizeof a->mac));
}

bool
agilio_port_refresh(struct agilio_port_view *view,
                    const struct agilio_map *map)
{
    uint32_t old_id = view->id;
    struct agilio_port entry;
    bool changed;

    view->id = (map && view->name
                ? agilio_map_find_port(map, view->name, &entry)
                : AGILIO_PORT_NONE);
    if (view->id == AGILIO_PORT_NONE) {
        return old_id != AGILIO_PORT_NONE;
    }

    changed = view->id != old_id || !same_entry(&entry, &view->entry);
    view->entry = entry;
    view->seen = true;
    if (view->id != old_id) {
        begin_stats(view, map);
        send_wishes(view);
    }
    return changed;
}

void
agilio_port_rename(struct agilio_port_view *view, const char *name)
{
    free(view->name);
    view->name = xstrdup(name);
    view->id = AGILIO_PORT_NONE;
    view->seen = false;
}
