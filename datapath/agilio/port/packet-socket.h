/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/packet-socket.h - raw packet sockets that share what an interface
 * receives: the queues of an afpacket port.
 *
 * The kernel hashes addresses and ports, both ways alike, and so keeps a flow
 * on one socket (PACKET_FANOUT_HASH).  Of a fragment, even the first, it takes
 * the addresses alone.  Each socket tells beside a frame what of it the kernel
 * has kept (PACKET_AUXDATA, PACKET_VNET_HDR), and does not get what goes out.
 *
 * Source: packet(7), socket(7).
 */

#ifndef AGL_PORT_PACKET_SOCKET_H
#define AGL_PORT_PACKET_SOCKET_H 1

#include <stdint.h>

/* Has the 'n' sockets 'fds', each -1 if there is none yet, receive from the
 * interface of that index, and from no other any more.  Returns 0 or a
 * positive errno; then it may be tried again.  Other threads may use the
 * sockets meanwhile.  The caller closes them, in any case. */
int agl_packet_sockets_attach(int fds[], uint32_t n, int ifindex);

#endif /* port/packet-socket.h */
