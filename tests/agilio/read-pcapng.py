# SPDX-License-Identifier: Apache-2.0

"""read-pcapng.py FILE - one line for each block of a pcapng file:

    interface NAME LINK-TYPE
    packet in|out LENGTH N-LOST COMMENT
    lost N

Knows no more of the format than its specification, and nothing of who wrote
the file.  "truncated" at the end if the last block is not whole."""

import struct
import sys

FLAGS = {1: 'in', 2: 'out'}


def options(data):
    """{code: value}"""
    found = {}
    while data:
        code, length = struct.unpack_from('=HH', data)
        found[code] = data[4:4 + length]
        data = data[4 + (length + 3) // 4 * 4:]
    assert found.pop(0) == b''
    return found


def describe(kind, body):
    if kind == 0x0a0d0d0a:
        magic, major, minor, length = struct.unpack_from('=IHHq', body)
        assert (magic, major, minor, length) == (0x1a2b3c4d, 1, 0, -1)
        options(body[16:])
        return 'section'
    if kind == 1:
        link, _, _ = struct.unpack_from('=HHI', body)
        found = options(body[8:])
        assert found[9] == b'\x09'
        return 'interface %s %d' % (found[2].decode(), link)
    if kind == 6:
        interface, high, low, n, length = struct.unpack_from('=IIIII', body)
        assert interface == 0 and n <= length
        assert 1.7e18 < (high << 32 | low) < 2.5e18
        found = options(body[20 + (n + 3) // 4 * 4:])
        return 'packet %s %d %d %s' % (
            FLAGS[struct.unpack('=I', found[2])[0]], length,
            struct.unpack('=Q', found.get(4, bytes(8)))[0],
            found[1].decode())
    if kind == 5:
        return 'lost %d' % struct.unpack('=Q', options(body[12:])[5])[0]
    return 'block %d' % kind


def main():
    with open(sys.argv[1], 'rb') as f:
        data = f.read()
    while data:
        kind, length = struct.unpack_from('=II', data)
        if length > len(data):
            print('truncated')
            break
        assert struct.unpack_from('=I', data, length - 4)[0] == length
        print(describe(kind, data[8:length - 4]))
        data = data[length:]


main()
