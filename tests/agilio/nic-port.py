#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The far end of a NIC port of type `unix', for tests; or, if SOCKET is "if:"
and a name, of one that is a veth: the peer, which is an interface here.

nic-port.py send SOCKET COUNT FRAME...   COUNT times each FRAME (hex) to the
                                         port that is bound to SOCKET
nic-port.py listen SOCKET FILE NIC       binds SOCKET; writes what arrives from
                                         the port that is bound to NIC to FILE,
                                         a frame a line in hex, until it is
                                         killed
nic-port.py capture INTERFACE FILE       the same for a veth
nic-port.py stream SOCKET FILE FRAME     sends FRAME until killed, writes how
                                         many were sent to FILE at the end
nic-port.py frame KIND SRC DST [LEN]     prints a frame from host SRC to host
                                         DST (1-9): udp, syn, ack, icmp, arp;
                                         with LEN bytes of payload (18)
"""

import os
import signal
import socket
import struct
import sys
import time

# <linux/if_packet.h>, <linux/if_ether.h>
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 1 << 4
ETH_P_ALL = 3


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", 0xffff & ~total)


def ipv4(proto, src, dst, l4, check):
    """An IPv4 packet; the checksum of 'l4' is put at its byte 'check'."""
    pseudo = src + dst + struct.pack("!HH", proto, len(l4))
    total = checksum((b"" if proto == 1 else pseudo) + l4)
    l4 = l4[:check] + total + l4[check + 2:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), 1, 0x4000, 64,
                     proto, 0) + src + dst
    return ip[:10] + checksum(ip) + ip[12:] + l4


def frame(kind, src, dst, length=18):
    mac, ip = [], []
    for host in src, dst:
        mac.append(bytes.fromhex("5054000000%02x" % host))
        ip.append(bytes([10, 0, 0, host]))
    payload = bytes(i % 256 for i in range(length))
    if kind == "arp":
        return (b"\xff" * 6 + mac[0] + b"\x08\x06"
                + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1)
                + mac[0] + ip[0] + bytes(6) + ip[1])
    if kind == "udp":
        l4 = struct.pack("!HHHH", 1000, 2000, 8 + len(payload), 0) + payload
        packet = ipv4(17, ip[0], ip[1], l4, 6)
    elif kind == "icmp":
        l4 = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + payload
        packet = ipv4(1, ip[0], ip[1], l4, 2)
    else:
        l4 = struct.pack("!HHIIBBHHH", 1000, 80, 1, 1, 0x50,
                         {"syn": 2, "ack": 16}[kind], 8192, 0, 0)
        packet = ipv4(6, ip[0], ip[1], l4, 16)
    return mac[1] + mac[0] + b"\x08\x00" + packet


def connect(path):
    """A socket to send by."""
    if path.startswith("if:"):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind((path[3:], 0))
    else:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.connect(path)
    return sock


def send(path, count, frames):
    sock = connect(path)
    for _ in range(count):
        for frame in frames:
            sock.send(frame)


def receive(sock):
    """A frame from a packet socket.  The kernel gives the outer VLAN tag apart
    (struct tpacket_auxdata); it goes back to where it was."""
    data, messages = sock.recvmsg(65536, 64)[:2]
    for level, kind, aux in messages:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", aux)
            if status & TP_STATUS_VLAN_VALID:
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def capture(interface, output):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.bind((interface, ETH_P_ALL))
    with open(output, "w", buffering=1) as f:
        while True:
            try:
                f.write(receive(sock).hex() + "\n")
            except OSError:
                time.sleep(0.01)        # The interface is down.


def listen(path, output, nic):
    """The kernel queues only a few datagrams for a receiver that is not
    connected to the sender, so this is; anew if the NIC is a new one."""
    if os.path.exists(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind(path)
    sock.settimeout(0.02)
    known = None
    with open(output, "w", buffering=1) as f:
        while True:
            try:
                stat = os.stat(nic)
                if (stat.st_ino, stat.st_ctime_ns) != known:
                    sock.connect(nic)
                    known = (stat.st_ino, stat.st_ctime_ns)
            except OSError:
                pass
            try:
                f.write(sock.recv(65536).hex() + "\n")
            except (socket.timeout, ConnectionError):
                pass


def stream(path, output, frame):
    def stop(signum, stack):
        with open(output + ".tmp", "w") as f:
            f.write("%d\n" % sent)
        os.rename(output + ".tmp", output)
        os._exit(0)

    sent = 0
    signal.signal(signal.SIGTERM, stop)
    while True:
        try:
            sock = connect(path)
            break
        except OSError:
            time.sleep(0.01)
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        sock.send(frame)
        sent += 1
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        time.sleep(0.001)


def main(argv):
    if len(argv) >= 5 and argv[1] == "send":
        send(argv[2], int(argv[3]), [bytes.fromhex(f) for f in argv[4:]])
    elif len(argv) == 5 and argv[1] == "listen":
        listen(*argv[2:])
    elif len(argv) == 4 and argv[1] == "capture":
        capture(argv[2], argv[3])
    elif len(argv) == 5 and argv[1] == "stream":
        stream(argv[2], argv[3], bytes.fromhex(argv[4]))
    elif len(argv) in (5, 6) and argv[1] == "frame":
        print(frame(argv[2], *map(int, argv[3:])).hex())
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv)
