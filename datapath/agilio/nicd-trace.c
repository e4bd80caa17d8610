/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-trace.c - `ovs-appctl -t agilio-nicd nic/trace': what the NIC would do
 * with a frame.
 *
 * Runs in the control thread.  trace.c has the worker look the frame up,
 * lib/agilio-trace.c says it in words, as in ovs-vswitchd's agilio/trace.
 */

#include <config.h>

#include "nicd.h"
#include "trace.h"

#include "agilio-table.h"
#include "agilio-trace.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

/* Reads hex digits.  Returns the number of bytes, 0 if they are no frame. */
static uint32_t
frame_from_hex(const char *hex, uint8_t frame[AGILIO_MAX_FRAME])
{
    uint32_t n = 0;
    bool ok = true;

    while (*hex && ok && n < AGILIO_MAX_FRAME) {
        frame[n++] = hexits_value(hex, 2, &ok);
        hex += ok ? 2 : 0;
    }
    return *hex || !ok || n < 14 ? 0 : n;
}

static uint32_t
find_port(const struct agl_nicd *nicd, const char *name)
{
    for (size_t i = 0; i < AGILIO_MAX_PORTS; i++) {
        const struct agl_nic_port *p = &nicd->nic->ports[i];

        if (p->id != AGILIO_PORT_NONE && !strcmp(p->name, name)) {
            return p->id;
        }
    }
    return AGILIO_PORT_NONE;
}

/* Where agilio_trace() asks. */
struct asker {
    struct agl_nicd *nicd;
    uint32_t port;
    const uint8_t *frame;
    uint32_t len;
};

static char *
ask(uint32_t pass, void *reply, size_t *reply_len, void *asker_)
{
    const struct asker *asker = asker_;
    const char *reason = NULL;
    uint32_t len = 0;

    if (agl_trace(asker->nicd->nic, asker->port, asker->frame,
                  asker->len, pass, reply, &len, &reason)) {
        return xstrdup(reason);
    }
    *reply_len = len;
    return NULL;
}

static void
nic_trace(struct unixctl_conn *conn, int argc, const char *argv[], void *nicd)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    uint8_t frame[AGILIO_MAX_FRAME];
    struct asker asker = { .nicd = nicd, .frame = frame };
    struct table_style style;

    if (!agilio_table_format(conn, &argc, argv, &style)) {
        return;
    }
    if (argc != 3) {
        unixctl_command_reply_error(conn, "expected: PORT FRAME");
        return;
    }
    asker.port = find_port(nicd, argv[1]);
    asker.len = frame_from_hex(argv[2], frame);
    if (asker.port == AGILIO_PORT_NONE) {
        unixctl_command_reply_error(conn, "no such port");
    } else if (!asker.len) {
        unixctl_command_reply_error(conn, "FRAME: expected hex digits of at "
                                    "least 14 bytes");
    } else {
        agilio_trace(&ds, &style, ask, NULL, &asker);
        unixctl_command_reply(conn, ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

void
nicd_trace_init(struct agl_nicd *nicd)
{
    unixctl_command_register("nic/trace", "PORT FRAME [--format=json]", 2, 3,
                             nic_trace, nicd);
}
