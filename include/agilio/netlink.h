/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */
/*
 * netlink.h - the generic netlink family "agilio": what agilio.ko tells of its
 * NICs to ovs-vswitchd, whose agilio/... commands print it.
 *
 * A NIC is a physical function, named by its PCI address, "0000:00:04.0", as
 * in devlink; each message says whose it is.  Dumps come in several parts,
 * each of a bounded size, with a message for each NIC, port or flow:
 *
 *     NIC_GET     NIC, STATE, [WHY], REGION, COUNTERS, RING_FILL
 *     PORT_GET    NIC, PORT, [DEVICE]
 *     FLOW_GET    NIC, UFID or KEY, RESIDENCY, [WHY], [ID]
 *
 * KEEPALIVE has the NIC that it names asked for a sign of life, and is
 * acknowledged when that has come, or fails: ENODEV if there is no such NIC
 * or it is dead.
 *
 * ASK passes a question on to the NIC: a MSG that changes nothing (TRACE or
 * TRACKER_DUMP) and its BODY.  The reply has the BODY of the NIC's, or WHY it
 * has none.
 *
 * All want CAP_NET_ADMIN in the first user namespace: what a NIC does is not
 * the business of a container, whatever it may do in a network of its own.
 *
 * Attributes are in host order but for copies of structures of abi.h.  New
 * ones are added at the end, and unknown ones ignored; the version changes
 * when that does not suffice.  Of an array that is longer or shorter than
 * known, the common part counts.
 */

#ifndef AGILIO_NETLINK_H
#define AGILIO_NETLINK_H 1

#define AGILIO_GENL_NAME "agilio"
#define AGILIO_GENL_VERSION 1

enum agilio_genl_cmd {
    AGILIO_CMD_UNSPEC,
    AGILIO_CMD_NIC_GET,         /* Dump. */
    AGILIO_CMD_PORT_GET,        /* Dump. */
    AGILIO_CMD_FLOW_GET,        /* Dump. */
    AGILIO_CMD_KEEPALIVE,       /* Request: NIC.  No reply but the ack. */
    AGILIO_CMD_ASK,             /* Request: NIC, MSG, BODY.  Reply: NIC, BODY
                                 * or WHY. */
};

enum agilio_genl_attr {
    AGILIO_ATTR_UNSPEC,
    AGILIO_ATTR_NIC,            /* String: PCI address. */
    AGILIO_ATTR_STATE,          /* u32: enum agilio_genl_state. */
    AGILIO_ATTR_WHY,            /* String, if there is a reason. */
    AGILIO_ATTR_REGION,         /* struct agilio_region, as it is now. */
    AGILIO_ATTR_COUNTERS,       /* agilio_le64[], as in AGILIO_COUNTERS. */
    AGILIO_ATTR_RING_FILL,      /* u32: percent, of the fullest one. */
    AGILIO_ATTR_PORT,           /* struct agilio_port. */
    AGILIO_ATTR_DEVICE,         /* String: the representor's name. */
    AGILIO_ATTR_UFID,           /* 16 bytes, as OVS_FLOW_ATTR_UFID. */
    AGILIO_ATTR_KEY,            /* Nested OVS_KEY_ATTR_*, of a flow that has no
                                 * ufid: as OVS_FLOW_ATTR_KEY. */
    AGILIO_ATTR_RESIDENCY,      /* u32: enum agilio_genl_residency. */
    AGILIO_ATTR_ID,             /* u32: the NIC's, of a RESIDENT flow. */
    AGILIO_ATTR_MSG,            /* u32: enum agilio_msg_type. */
    AGILIO_ATTR_BODY,           /* What follows the header of a message. */
    AGILIO_N_ATTRS
};
#define AGILIO_ATTR_MAX (AGILIO_N_ATTRS - 1)

enum agilio_genl_state {
    AGILIO_GENL_DOWN,           /* The NIC is dead; WHY. */
    AGILIO_GENL_ATTACHED,       /* Its flow table is not ours yet. */
    AGILIO_GENL_ACTIVE,
};

/* Of a flow that comes in by a port of the NIC. */
enum agilio_genl_residency {
    AGILIO_GENL_RESIDENT,       /* The NIC carries it. */
    AGILIO_GENL_PENDING,        /* It is not there yet. */
    AGILIO_GENL_HOST,           /* It is the host's; WHY. */
    AGILIO_GENL_REFUSED,        /* The NIC did not take it; WHY. */
};

#endif /* agilio/netlink.h */
