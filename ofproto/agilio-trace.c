/* SPDX-License-Identifier: Apache-2.0 */

/* "ovs-appctl agilio/trace": what becomes of a packet, in Open vSwitch and on
 * the NIC, side by side.
 *
 * Open vSwitch's part is that of ofproto/trace.  The NIC is asked of the same
 * packet, as if the port had received it; nothing is sent.  Registered by
 * bridge_init(), runs in the main thread. */

#include <config.h>

#include "agilio-hooks.h"
#include "agilio-table.h"
#include "agilio-trace.h"
#include "agilio-view.h"
#include "dp-packet.h"
#include "flow.h"
#include "netdev-agilio.h"
#include "ofproto/ofproto-dpif.h"
#include "ofproto/ofproto-dpif-trace.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "unixctl.h"
#include "util.h"

#include "agilio/abi.h"

/* Reads FLOW, and FRAME unless NULL, or makes a packet of FLOW.  Returns NULL
 * and '*packet', or what is wrong (malloc'd). */
static char *
parse(struct ofproto_dpif *ofproto, const char *flow_s, const char *frame,
      struct flow *flow, struct dp_packet **packet)
{
    struct ofputil_port_map map = OFPUTIL_PORT_MAP_INITIALIZER(&map);
    const char *problem;
    char *error;

    ofproto_append_ports_to_map(&map, ofproto->up.ports);
    error = parse_ofp_exact_flow(flow, NULL,
                                 ofproto_get_tun_tab(&ofproto->up), flow_s,
                                 &map);
    ofputil_port_map_destroy(&map);
    if (error) {
        return error;
    }
    if (!frame) {
        *packet = dp_packet_new(0);
        flow_compose(*packet, flow, NULL, 64);
        return NULL;
    }
    problem = eth_from_hex(frame, packet);
    if (problem) {
        return xasprintf("FRAME: %s", problem);
    }
    pkt_metadata_from_flow(&(*packet)->md, flow);
    flow_extract(*packet, flow);
    return NULL;
}

static void
put_ofproto(struct ds *ds, const struct table_style *style, const char *text)
{
    struct table table;

    if (style->format == TF_JSON) {
        agilio_table_init(&table, "text");
        table_add_row(&table);
        agilio_table_text(&table, text);
        agilio_table_put(ds, &table, "ofproto", style);
    } else {
        ds_put_format(ds, "== Open vSwitch\n%s\n\n== NIC\n", text);
    }
}

/* The NIC's id of the port of which 'netdev' is the representor, or
 * AGILIO_PORT_NONE. */
static uint32_t
port_id(const struct agilio_view *view, const struct netdev *netdev)
{
    return (view->kernel
            ? agilio_kernel_port_id(view->kernel, netdev_get_name(netdev))
            : netdev_is_agilio(netdev) ? netdev_agilio_port_id(netdev)
            : AGILIO_PORT_NONE);
}

/* No NIC has the port, which may be NULL. */
static void
put_no_nic(struct ds *ds, const struct table_style *style,
           const struct ofport *port, const char *kernel_error)
{
    bool is_ours = port && netdev_is_agilio(port->netdev);
    char *verdict = xasprintf("%s%s%s", is_ours
                              ? "none (the NIC has no such port)"
                              : "the host's (what this port receives does "
                              "not come by the NIC)",
                              kernel_error ? "; " : "",
                              kernel_error ? kernel_error : "");

    agilio_trace_not(ds, style, is_ours ? "none" : "host", verdict);
    free(verdict);
}

/* 'port' may be NULL. */
static void
put_nic(struct ds *ds, const struct table_style *style,
        const struct ofport *port, const struct dp_packet *packet)
{
    struct agilio_views views;
    size_t i;

    agilio_views_init(&views);
    for (i = 0; i < views.n; i++) {
        uint32_t id = (port ? port_id(&views.items[i], port->netdev)
                       : AGILIO_PORT_NONE);

        if (id != AGILIO_PORT_NONE) {
            agilio_trace_nic(ds, style, &views.items[i], id,
                             dp_packet_data(packet), dp_packet_size(packet));
            break;
        }
    }
    if (i == views.n) {
        put_no_nic(ds, style, port, views.kernel.error);
    }
    agilio_views_destroy(&views);
}

static void
trace(struct unixctl_conn *conn, const struct table_style *style,
      struct ofproto_dpif *ofproto, const struct flow *flow,
      struct dp_packet *packet)
{
    struct ovs_list ct_states = OVS_LIST_INITIALIZER(&ct_states);
    struct ds text = DS_EMPTY_INITIALIZER;
    struct ds ds = DS_EMPTY_INITIALIZER;

    ofproto_trace(ofproto, flow, packet, NULL, 0, &ct_states, &text, false);
    ds_chomp(&text, '\n');
    put_ofproto(&ds, style, ds_cstr(&text));
    put_nic(&ds, style, ofproto_get_port(&ofproto->up, flow->in_port.ofp_port),
            packet);
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&text);
    ds_destroy(&ds);
}

static void
agilio_trace_command(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *aux OVS_UNUSED)
{
    struct dp_packet *packet = NULL;
    struct ofproto_dpif *ofproto;
    struct table_style style;
    struct flow flow;
    char *error;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc < 3 || argc > 4) {
        unixctl_command_reply_error(conn, "expected: BRIDGE FLOW [FRAME]");
        return;
    }
    ofproto = ofproto_dpif_lookup_by_name(argv[1]);
    if (!ofproto) {
        unixctl_command_reply_error(conn, "BRIDGE: no such bridge");
        return;
    }
    error = parse(ofproto, argv[2], argc > 3 ? argv[3] : NULL, &flow,
                  &packet);
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        trace(conn, &style, ofproto, &flow, packet);
    }
    dp_packet_delete(packet);
}

void
agilio_trace_init(void)
{
    unixctl_command_register("agilio/trace",
                             "BRIDGE FLOW [FRAME] [--format=json]", 2, 4,
                             agilio_trace_command, NULL);
}
