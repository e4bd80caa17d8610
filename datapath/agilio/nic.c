/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic.c - the NIC's ports and its host, for the control thread.
 *
 * A port is in three places: in agl_nic_port (ours), in the region's port
 * table (for the host to read), and in agl_port (one of each worker).
 * change_port() and publish() are the only ways from the first to the others.
 */

#include "nic.h"

#include "tx.h"

int
agl_nic_create(struct agl_nic **nicp, const struct agl_nic_ops *ops,
               struct agl_region *region, uint32_t n_packets,
               uint32_t n_tracker)
{
    struct agl_nic *nic = agl_env_alloc(sizeof *nic);
    int error;

    *nicp = NULL;
    if (!nic) {
        return AGILIO_E_NOBUFS;
    }
    nic->ops = ops;
    nic->region = region;
    error = agl_team_init(&nic->team, ops, region, n_packets, n_tracker);
    if (error) {
        agl_env_free(nic);
        return error;
    }
    agilio_store_release(&region->header->state,
                         agilio_to_le32(AGILIO_NIC_READY));
    *nicp = nic;
    return 0;
}

void
agl_nic_destroy(struct agl_nic *nic)
{
    agilio_store_release(&nic->region->header->state,
                         agilio_to_le32(AGILIO_NIC_STOPPED));
    agl_control_reset(nic);
    agl_team_destroy(&nic->team);
    agl_env_free(nic);
}

/* ## ----- ##
 * ## Ports ##
 * ## ----- ## */

static uint32_t
port_flags(const struct agl_nic_port *port)
{
    return (port->admin_up ? AGILIO_PORT_ADMIN_UP : 0)
           | (port->status.link_up ? AGILIO_PORT_LINK_UP : 0);
}

/* Writes the port table entry of 'slot' for the host, which sees it whole or
 * sees by 'seq' that it did not. */
static void
publish(struct agl_nic *nic, uint32_t slot)
{
    const struct agl_nic_port *port = &nic->ports[slot];
    struct agilio_port *entry = &nic->region->ports[slot];
    uint32_t seq = agilio_from_le32(entry->seq);

    agilio_store_relaxed(&entry->seq, agilio_to_le32(seq + 1));
    agilio_fence();             /* Pairs with the reader's copy. */
    entry->id = agilio_to_le32(port->id);
    entry->flags = agilio_to_le32(port_flags(port));
    entry->mtu = agilio_to_le32(port->status.mtu);
    entry->speed = agilio_to_le32(port->status.speed);
    memcpy(entry->mac, port->status.mac, sizeof entry->mac);
    memcpy(entry->name, port->name, sizeof entry->name);
    agilio_store_release(&entry->seq, agilio_to_le32(seq + 2));

    agilio_store_release(&nic->region->header->port_seq,
                         agilio_to_le32(++nic->port_seq));
    agl_control_event(nic, AGILIO_MSG_PORT_EVENT);
}

/* What each worker is to know of a port. */
struct port_change {
    uint32_t slot;
    struct agl_port port;
};

/* Worker: takes the port over as it is now.  What waits for it goes first; a
 * new port's counters start from 0. */
static void
apply_port(struct agl_worker *w, void *change_)
{
    struct port_change *change = change_;
    struct agl_port *port = &w->ports[change->slot];
    bool is_new = port->id != change->port.id;

    agl_tx_take_over(w);
    if (is_new) {
        *port = change->port;
        memset(port->stats, 0, sizeof *port->stats);
    } else {
        port->flags = change->port.flags;
        port->mtu = change->port.mtu;
    }
    if (change->slot >= w->n_ports) {
        w->n_ports = change->slot + 1;
    }
}

/* Queue 'i' of a device, NULL if it has not so many. */
static struct agl_dev *
queue_of(struct agl_dev *dev, uint32_t i)
{
    return !dev || !i ? dev
           : dev->class->queue ? dev->class->queue(dev, i) : NULL;
}

/* The owner has the first queue, those after it the next ones.  It is told
 * first of a port that comes, and last of one that goes: then it has taken
 * over what the others have for the host. */
static void
change_port(struct agl_nic *nic, uint32_t slot)
{
    const struct agl_nic_port *port = &nic->ports[slot];
    uint32_t owner = agl_port_owner(&nic->region->geometry, slot);
    uint32_t first = port->dev ? 0 : 1;
    struct port_change change = {
        .slot = slot,
        .port = {
            .id = port->id,
            .flags = port_flags(port),
            .mtu = port->status.mtu,
            .owner = owner,
        },
    };

    for (uint32_t i = first; i < first + nic->team.n; i++) {
        uint32_t queue = i % nic->team.n;
        uint32_t index = (owner + queue) % nic->team.n;

        change.port.dev = queue_of(port->dev, queue);
        change.port.qp = port->dev && !queue ? &nic->region->qps[slot] : NULL;
        change.port.stats = &nic->region->port_stats[
            index * nic->region->geometry.n_ports + slot];
        agl_worker_call(nic->team.workers[index], apply_port, &change);
    }
    publish(nic, slot);
}

static struct agl_nic_port *
find_port(struct agl_nic *nic, const char name[AGILIO_PORT_NAME_LEN])
{
    uint32_t i;

    for (i = 0; i < nic->region->geometry.n_ports; i++) {
        struct agl_nic_port *port = &nic->ports[i];

        if (port->id != AGILIO_PORT_NONE
            && !memcmp(port->name, name, AGILIO_PORT_NAME_LEN)) {
            return port;
        }
    }
    return NULL;
}

/* Copies 'name' null-padded; false if it is empty or too long. */
static bool
pad_name(char padded[AGILIO_PORT_NAME_LEN], const char *name)
{
    uint32_t i;

    memset(padded, 0, AGILIO_PORT_NAME_LEN);
    for (i = 0; name[i]; i++) {
        if (i == AGILIO_PORT_NAME_LEN - 1) {
            return false;
        }
        padded[i] = name[i];
    }
    return i > 0;
}

int
agl_nic_port_add(struct agl_nic *nic, const char *name, struct agl_dev *dev,
                 uint32_t *id)
{
    char padded[AGILIO_PORT_NAME_LEN];
    struct agl_nic_port *port;
    uint32_t slot;

    if (!pad_name(padded, name)) {
        return AGILIO_E_INVAL;
    }
    if (find_port(nic, padded)) {
        return AGILIO_E_EXIST;
    }
    for (slot = 0; slot < nic->region->geometry.n_ports; slot++) {
        if (nic->ports[slot].id == AGILIO_PORT_NONE) {
            break;
        }
    }
    if (slot == nic->region->geometry.n_ports) {
        return AGILIO_E_NOSPC;
    }

    port = &nic->ports[slot];
    port->incarnation = port->incarnation % AGILIO_MAX_INCARNATION + 1;
    port->id = agilio_port_id(slot, port->incarnation);
    port->admin_up = true;
    port->dev = dev;
    memcpy(port->name, padded, sizeof port->name);
    dev->class->status(dev, &port->status);
    change_port(nic, slot);
    *id = port->id;
    return 0;
}

struct agl_dev *
agl_nic_port_del(struct agl_nic *nic, const char *name)
{
    char padded[AGILIO_PORT_NAME_LEN];
    struct agl_nic_port *port;
    struct agl_dev *dev;

    port = pad_name(padded, name) ? find_port(nic, padded) : NULL;
    if (!port) {
        return NULL;
    }
    dev = port->dev;
    port->id = AGILIO_PORT_NONE;
    port->admin_up = false;
    port->dev = NULL;
    memset(port->name, 0, sizeof port->name);
    memset(&port->status, 0, sizeof port->status);
    change_port(nic, (uint32_t) (port - nic->ports));
    return dev;
}

int
agl_nic_port_set(struct agl_nic *nic, uint32_t id, uint32_t what,
                 uint32_t flags, uint32_t mtu, const uint8_t mac[6],
                 const char **reason)
{
    uint32_t slot = agilio_port_slot(id);
    const struct agl_dev_class *class;
    struct agl_nic_port *port;
    struct agl_dev *dev;

    if (id == AGILIO_PORT_NONE || slot >= nic->region->geometry.n_ports
        || nic->ports[slot].id != id) {
        *reason = "no such port";
        return AGILIO_E_NOENT;
    }
    port = &nic->ports[slot];
    dev = port->dev;
    class = dev->class;

    if (what & AGILIO_PORT_SET_MTU
        && (mtu < 68 || mtu > AGILIO_MAX_FRAME - 22
            || !class->set_mtu || class->set_mtu(dev, mtu))) {
        *reason = "the device does not take this MTU";
        return AGILIO_E_INVAL;
    }
    if (what & AGILIO_PORT_SET_MAC
        && (!class->set_mac || class->set_mac(dev, mac))) {
        *reason = "the device does not take this MAC address";
        return AGILIO_E_INVAL;
    }
    if (what & AGILIO_PORT_SET_FLAGS) {
        bool up = (flags & AGILIO_PORT_ADMIN_UP) != 0;

        if (class->set_up && class->set_up(dev, up)) {
            *reason = "the device cannot be brought up or down";
            return AGILIO_E_INVAL;
        }
        port->admin_up = up;
    }
    class->status(dev, &port->status);
    change_port(nic, slot);
    return 0;
}

static bool
same_status(const struct agl_dev_status *a, const struct agl_dev_status *b)
{
    return a->link_up == b->link_up && a->mtu == b->mtu
           && a->speed == b->speed && !memcmp(a->mac, b->mac, sizeof a->mac);
}

void
agl_nic_refresh_ports(struct agl_nic *nic)
{
    uint32_t slot;

    for (slot = 0; slot < nic->region->geometry.n_ports; slot++) {
        struct agl_nic_port *port = &nic->ports[slot];
        struct agl_dev_status status;

        if (port->id == AGILIO_PORT_NONE) {
            continue;
        }
        port->dev->class->status(port->dev, &status);
        if (!same_status(&status, &port->status)) {
            port->status = status;
            change_port(nic, slot);
        }
    }
    nic->heartbeat++;
    agilio_store_relaxed(&nic->region->header->heartbeat,
                         agilio_to_le64(nic->heartbeat));
}

/* ## ---- ##
 * ## Host ##
 * ## ---- ## */

static void
apply_count(struct agl_worker *w, void *n)
{
    *(uint32_t *) n = agl_flow_table_n_flows(w->table);
}

uint32_t
agl_nic_n_flows(struct agl_nic *nic)
{
    uint32_t n;

    agl_worker_call(nic->team.workers[0], apply_count, &n);
    return n;
}

static void
apply_attached(struct agl_worker *w, void *region_)
{
    struct agl_region *region = region_;
    uint32_t i;

    for (i = 0; i < region->geometry.n_qps; i++) {
        if (agl_port_owner(&region->geometry, i) == w->index) {
            agl_region_reset_qp(&region->qps[i]);
        }
    }
    agilio_store_relaxed(&w->host_broken, false);
    w->host_attached = true;
}

static void
apply_gone(struct agl_worker *w, void *aux)
{
    (void) aux;
    w->host_attached = false;
}

void
agl_nic_host_attached(struct agl_nic *nic)
{
    agl_control_reset(nic);
    agl_region_reset_control(nic->region);
    agl_team_call(&nic->team, apply_attached, nic->region);
}

/* What it asked for and did not see answered is done all the same; nothing
 * waits for it any longer. */
void
agl_nic_host_gone(struct agl_nic *nic)
{
    agl_control_reset(nic);
    agl_region_reset_control(nic->region);
    agl_team_call(&nic->team, apply_gone, NULL);
}

bool
agl_nic_host_is_broken(const struct agl_nic *nic)
{
    bool broken = nic->region->request.broken || nic->region->reply.broken;

    for (uint32_t i = 0; i < nic->team.n; i++) {
        broken |= agilio_load_relaxed(&nic->team.workers[i]->host_broken);
    }
    return broken;
}
