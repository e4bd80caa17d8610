/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential-ports.c - ports of a datapath, and the clock.
 *
 * A netdev class of our own, whose receive queue is one packet and whose
 * transmission is an event in the fate of that packet.  "s0" is port 0 of the
 * judge's datapath, "h0" that of our host's, "t0" that of the teacher.
 *
 * Some functions of libopenvswitch are replaced by ours (ld's --wrap, see
 * agilio.mk): those that tell the time, and the one by which a datapath asks
 * netdev-agilio.c whether packets are to be resumed, which our ports answer.
 */

#include <config.h>

#include "differential.h"

#include <errno.h>

#include "agilio-hooks.h"
#include "dp-packet.h"
#include "flow.h"
#include "netdev-native-tnl.h"
#include "netdev-provider.h"
#include "odp-netlink.h"
#include "timeval.h"

#include "check.h"

#define TAILROOM (UINT8_MAX * 8)        /* The longest option. */

struct port {
    struct netdev up;
    enum diff_side side;
    uint32_t index;
    struct dp_packet *arrived;  /* Not yet received, or NULL... */
    uint32_t in_port;           /* ...and as from where it is resumed. */
};

struct port_rxq {
    struct netdev_rxq up;
};

long long int diff_now = 1000 * 1000 * 1000;

static struct diff_fate *fates[DIFF_N_SIDES];
static struct port *ports[DIFF_N_SIDES][DIFF_N_PORTS];

/* ## ----- ##
 * ## Clock ##
 * ## ----- ## */

long long int __wrap_time_usec(void);
long long int __wrap_time_msec(void);
long long int __real_time_msec(void);

long long int
__wrap_time_usec(void)
{
    return diff_now;
}

long long int
__wrap_time_msec(void)
{
    return diff_now / 1000;
}

/* ## ----- ##
 * ## Class ##
 * ## ----- ## */

static struct port *
port_cast(const struct netdev *netdev)
{
    return CONTAINER_OF(netdev, struct port, up);
}

static struct netdev *
port_alloc(void)
{
    struct port *port = xzalloc(sizeof *port);

    return &port->up;
}

static int
port_construct(struct netdev *netdev)
{
    const char *name = netdev_get_name(netdev);
    struct port *port = port_cast(netdev);

    port->side = (name[0] == 's' ? DIFF_STOCK
                  : name[0] == 'h' ? DIFF_HOST : DIFF_TEACHER);
    port->index = strtoul(name + 1, NULL, 10);
    ports[port->side][port->index] = port;
    return 0;
}

static void
port_destruct(struct netdev *netdev OVS_UNUSED)
{
}

static void
port_dealloc(struct netdev *netdev)
{
    free(port_cast(netdev));
}

static int
port_update_flags(struct netdev *netdev OVS_UNUSED,
                  enum netdev_flags off OVS_UNUSED,
                  enum netdev_flags on OVS_UNUSED, enum netdev_flags *old)
{
    *old = NETDEV_UP | NETDEV_PROMISC;
    return 0;
}

/* A device takes frames.  What OVS's do with a packet that has no Ethernet
 * header, which ofproto never sends to one, is their own affair. */
static bool
is_frame(const struct dp_packet *packet)
{
    return dp_packet_is_eth(packet)
           && dp_packet_size(packet) >= ETH_HEADER_LEN;
}

static int
port_send(struct netdev *netdev, int qid OVS_UNUSED,
          struct dp_packet_batch *batch, bool concurrent OVS_UNUSED)
{
    const struct port *port = port_cast(netdev);
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (fates[port->side] && is_frame(packet)) {
            diff_fate_add(fates[port->side], DIFF_SENT, port->index + 1,
                          dp_packet_data(packet), dp_packet_size(packet),
                          NULL, NULL, 0);
        }
    }
    dp_packet_delete_batch(batch, true);
    return 0;
}

static struct netdev_rxq *
port_rxq_alloc(void)
{
    struct port_rxq *rxq = xzalloc(sizeof *rxq);

    return &rxq->up;
}

static int
port_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

static void
port_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static void
port_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(CONTAINER_OF(rxq, struct port_rxq, up));
}

static int
port_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
              int *qfill)
{
    struct port *port = port_cast(rxq->netdev);

    if (qfill) {
        *qfill = 0;
    }
    if (!port->arrived) {
        return EAGAIN;
    }
    dp_packet_batch_init_packet(batch, port->arrived);
    port->arrived = NULL;
    return 0;
}

static void
port_rxq_wait(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static const struct netdev_class port_class = {
    .type = "differential",
    .alloc = port_alloc,
    .construct = port_construct,
    .destruct = port_destruct,
    .dealloc = port_dealloc,
    .update_flags = port_update_flags,
    .send = port_send,
    .rxq_alloc = port_rxq_alloc,
    .rxq_construct = port_rxq_construct,
    .rxq_destruct = port_rxq_destruct,
    .rxq_dealloc = port_rxq_dealloc,
    .rxq_recv = port_rxq_recv,
    .rxq_wait = port_rxq_wait,
};

bool __wrap_agilio_batch_is_resumed(const struct netdev_rxq *,
                                    struct dp_packet_batch *, odp_port_t);

/* What netdev-agilio.c does for its own. */
bool
__wrap_agilio_batch_is_resumed(const struct netdev_rxq *rxq,
                               struct dp_packet_batch *batch,
                               odp_port_t port_no)
{
    uint32_t in_port = port_cast(rxq->netdev)->in_port;

    if (in_port == AGILIO_PORT_NONE) {
        return false;
    }
    agilio_rx_set_in_port(batch->packets[0], in_port, port_no);
    return true;
}

/* ## ------- ##
 * ## Packets ##
 * ## ------- ## */

/* With the RSS hash that a device would give, or else OVS: which would so at
 * one of several points, by what flows there are.
 *
 * With zeros behind it: packet_set_nd() follows the length of an option to
 * wherever it points, and would find options of earlier frames there.  And
 * with all metadata 0: OVS leaves what is not used of it as it was. */
struct dp_packet *
diff_packet_new(const void *frame, uint32_t len)
{
    struct dp_packet *packet
        = dp_packet_new_with_headroom(len + TAILROOM, 1024);

    dp_packet_put(packet, frame, len);
    memset(dp_packet_tail(packet), 0, TAILROOM);
    memset(&packet->md, 0, sizeof packet->md);
    if (len >= ETH_HEADER_LEN) {
        struct flow flow;

        flow_extract(packet, &flow);
        if (!dp_packet_rss_valid(packet)) {
            dp_packet_set_rss_hash(packet, flow_hash_5tuple(&flow, 0));
        }
    }
    return packet;
}

typedef struct dp_packet *clone_packet(const struct dp_packet *);
clone_packet __wrap_dp_packet_clone, __real_dp_packet_clone;

static struct dp_packet *
add_room(struct dp_packet *packet)
{
    dp_packet_prealloc_tailroom(packet, TAILROOM);
    memset(dp_packet_tail(packet), 0, TAILROOM);
    return packet;
}

/* A copy that OVS makes has the zeros behind it, too. */
struct dp_packet *
__wrap_dp_packet_clone(const struct dp_packet *packet)
{
    return add_room(__real_dp_packet_clone(packet));
}

typedef struct dp_packet *clone_with_headroom(const struct dp_packet *,
                                              size_t);
clone_with_headroom __wrap_dp_packet_clone_with_headroom;
clone_with_headroom __real_dp_packet_clone_with_headroom;

struct dp_packet *
__wrap_dp_packet_clone_with_headroom(const struct dp_packet *packet,
                                     size_t headroom)
{
    return add_room(__real_dp_packet_clone_with_headroom(packet, headroom));
}

void
diff_ports_arrive(enum diff_side side, uint32_t port,
                  struct dp_packet *packet, uint32_t in_port)
{
    CHECK(!ports[side][port]->arrived);
    ports[side][port]->arrived = packet;
    ports[side][port]->in_port = in_port;
}

void
diff_ports_listen(enum diff_side side, struct diff_fate *fate)
{
    fates[side] = fate;
}

void
diff_ports_start(void)
{
    __real_time_msec();         /* Initializes timeval.c. */
    CHECK(!netdev_register_provider(&port_class));
}

/* ## ------- ##
 * ## Tunnels ##
 * ## ------- ## */

typedef struct dp_packet *pop_header(struct dp_packet *);

/* OVS does not look whether the header is there if the packet was cut short
 * after it was parsed, and computes checksums beyond its end; nor whether the
 * optional part of GTP-U's is, and takes off more than there is. */
static bool
is_cut(const struct dp_packet *packet, size_t len)
{
    const uint8_t *l4 = dp_packet_l4(packet);
    size_t left = l4 ? (uint8_t *) dp_packet_tail(packet) - l4 : 0;

    if (l4 && left <= dp_packet_size(packet) && len == 4 * 5) {
        len -= l4[UDP_HEADER_LEN] & GTPU_S_MASK ? 0 : 4;
    }
    return !l4 || left > dp_packet_size(packet) || left < len;
}

static struct dp_packet *
pop(struct dp_packet *packet, size_t len, pop_header *real)
{
    if (is_cut(packet, len)) {
        diff_know(DIFF_CUT_TUNNEL);
        dp_packet_delete(packet);
        return NULL;
    }
    return real(packet);
}

#define POP_HEADER(TYPE, LEN)                           \
    pop_header __wrap_netdev_##TYPE##_pop_header;       \
    pop_header __real_netdev_##TYPE##_pop_header;       \
                                                        \
    struct dp_packet *                                  \
    __wrap_netdev_##TYPE##_pop_header(struct dp_packet *packet) \
    {                                                   \
        return pop(packet, LEN, __real_netdev_##TYPE##_pop_header); \
    }
POP_HEADER(vxlan, 16)
POP_HEADER(geneve, 16)
POP_HEADER(gtpu, 20)
POP_HEADER(gre, 4)
POP_HEADER(erspan, 12)

typedef void push_header(const struct netdev *, struct dp_packet *,
                         const struct ovs_action_push_tnl *);
push_header __wrap_netdev_gre_push_header, __real_netdev_gre_push_header;
push_header __wrap_netdev_erspan_push_header;
push_header __real_netdev_erspan_push_header;

/* Undoes what OVS has written into the last 'n' bytes of the header: sequence
 * numbers, which both datapaths have from one counter, and the time. */
static void
undo(struct dp_packet *packet, const struct ovs_action_push_tnl *data,
     size_t n)
{
    size_t ofs = data->header_len - n;

    memcpy((uint8_t *) dp_packet_data(packet) + ofs,
           (const uint8_t *) data->header + ofs, n);
}

void
__wrap_netdev_gre_push_header(const struct netdev *netdev,
                              struct dp_packet *packet,
                              const struct ovs_action_push_tnl *data)
{
    const struct gre_base_hdr *gre;

    __real_netdev_gre_push_header(netdev, packet, data);
    gre = dp_packet_l4(packet);
    if (gre->flags & htons(GRE_SEQ)) {
        undo(packet, data, 4);
    }
}

void
__wrap_netdev_erspan_push_header(const struct netdev *netdev,
                                 struct dp_packet *packet,
                                 const struct ovs_action_push_tnl *data)
{
    const uint8_t *gre;

    __real_netdev_erspan_push_header(netdev, packet, data);
    gre = dp_packet_l4(packet);
    undo(packet, data, (const uint8_t *) dp_packet_data(packet)
                       + data->header_len - gre);
}
