#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Frames in tunnels, for tests.

tunnel-frame.py KIND SRC-MAC DST-MAC SRC-IP DST-IP PORT FRAME [OPTIONS]

Prints FRAME (hex) as it is in a tunnel of KIND: vxlan, geneve (with OPTIONS,
hex), gre; with the UDP source port PORT and tunnel id 123.  A "+" after KIND
asks for a checksum of what IP carries, which UDP in IPv6 always has.  MACs
have 12 hex digits.
"""

import socket
import struct
import sys


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", 0xffff & ~total)


def udp(src_ip, dst_ip, port, dst_port, payload, check):
    length = 8 + len(payload)
    header = struct.pack("!HHHH", port, dst_port, length, 0)
    if check:
        pseudo = src_ip + dst_ip + struct.pack("!HH", 17, length)
        total = checksum(pseudo + header + payload)
        header = header[:6] + (total if any(total) else b"\xff\xff")
    return 17, header + payload


def gre(payload, check):
    key = struct.pack("!I", 123)
    if not check:
        return 47, struct.pack("!HH", 0x2000, 0x6558) + key + payload
    header = struct.pack("!HHI", 0xa000, 0x6558, 0) + key
    total = checksum(header + payload)
    return 47, header[:4] + total + header[6:] + payload


def ip(src, dst, proto, l4):
    if len(src) == 16:
        return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(l4), proto,
                                         64) + src + dst + l4
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), 0, 0x4000, 64,
                         proto, 0) + src + dst
    return b"\x08\x00" + header[:10] + checksum(header) + header[12:] + l4


def address(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text)


def main(argv):
    if len(argv) not in (8, 9):
        sys.exit(__doc__)
    kind = argv[1].rstrip("+")
    src, dst = address(argv[4]), address(argv[5])
    check = argv[1].endswith("+")
    frame = bytes.fromhex(argv[7])
    options = bytes.fromhex(argv[8]) if len(argv) > 8 else b""
    if kind == "gre":
        proto, l4 = gre(frame, check)
    else:
        check = check or len(src) == 16
        if kind == "vxlan":
            port, head = 4789, struct.pack("!II", 0x08000000, 123 << 8)
        else:
            crit = any(options[i + 2] & 0x80
                       for i in range(0, len(options), 8))
            port, head = 6081, struct.pack("!BBHI", len(options) // 4,
                                           0x40 if crit else 0, 0x6558,
                                           123 << 8) + options
        proto, l4 = udp(src, dst, int(argv[6]), port, head + frame, check)
    print((bytes.fromhex(argv[3] + argv[2]) + ip(src, dst, proto, l4)).hex())


if __name__ == '__main__':
    main(sys.argv)
