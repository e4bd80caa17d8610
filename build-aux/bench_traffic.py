# SPDX-License-Identifier: Apache-2.0

"""Traffic for "make bench": capture files that DPDK's net_pcap repeats.

UDP over IPv4 from somewhere in 10.0.0.0/12 to 11.0.0.(flow mod 256), all with
seeds of their own, so the same in each run.
"""

import itertools
import os
import random
import struct

SIZES = {'64': (64,), 'mixed': (64, 128, 256, 512, 1024, 1280, 1500)}
MIN_FRAMES = 16384              # For the small numbers of flows.
ZIPF_FRAMES = 131072            # Enough for the rare flows to come.

# The tunnel's ends, ours and the other one.
LOCAL_MAC, REMOTE_MAC = '02:00:00:00:00:71', '02:00:00:00:00:72'
LOCAL_IP, REMOTE_IP = '172.16.0.1', '172.16.0.2'
VNI = 42
GENEVE_OPTION = bytes.fromhex('0102' '01' '01' '00001234')


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def ip_number(text):
    return int.from_bytes(map(int, text.split('.')), 'big')


def checksum(header):
    total = sum(struct.unpack('!%dH' % (len(header) // 2), header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def ipv4(length, source, dest):
    def header(csum):
        return struct.pack('!BBHHHBBHII', 0x45, 0, 20 + length, 0, 0, 64, 17,
                           csum, source, dest)
    return header(checksum(header(0)))


def udp(source, dest, payload):
    return struct.pack('!HHHH', source, dest, 8 + len(payload), 0) + payload


def udp_frame(flow, rand, size):
    """The frame is 4 bytes shorter on the wire's account of 64: its CRC."""
    packet = udp(rand.randrange(1024, 65536), rand.randrange(1024, 65536),
                 bytes(max(size - 4, 60) - 14 - 20 - 8))
    return (mac('02:00:00:00:00:01') + mac('02:00:00:00:00:02') + b'\x08\x00'
            + ipv4(len(packet), 0x0a000000 | rand.getrandbits(20),
                   0x0b000000 | flow % 256) + packet).ljust(size, b'\0')


def tunnelled(frame, kind):
    """As it comes from the other end of a tunnel."""
    if kind == 'vxlan':
        port, header = 4789, struct.pack('!II', 8 << 24, VNI << 8)
    else:
        port, header = 6081, struct.pack('!HHI', len(GENEVE_OPTION) // 4 << 8,
                                         0x6558, VNI << 8) + GENEVE_OPTION
    source = 49152 + (int.from_bytes(frame[26:38], 'big') % 16381)
    packet = udp(source, port, header + frame)
    return (mac(LOCAL_MAC) + mac(REMOTE_MAC) + b'\x08\x00'
            + ipv4(len(packet), ip_number(REMOTE_IP), ip_number(LOCAL_IP))
            + packet)


def order(n_flows, popularity, rand):
    """The flows of the frames, one after the other."""
    if popularity == 'zipf':
        weights = list(itertools.accumulate(1 / i
                                            for i in range(1, n_flows + 1)))
        yield from rand.choices(range(n_flows), cum_weights=weights,
                                k=ZIPF_FRAMES)
        return
    flows = list(range(n_flows))
    for _ in range(max(1, MIN_FRAMES // n_flows)):
        rand.shuffle(flows)     # Each flow in turn, and again otherwise.
        yield from flows


def udp_frames(n_flows, sizes='64'):
    """One frame of each flow."""
    rand = random.Random(n_flows)
    return [udp_frame(i, rand, rand.choice(SIZES[sizes]))
            for i in range(n_flows)]


def write_pcap(folder, n_flows, sizes='64', popularity='uniform', tunnel=None):
    """Returns the file's name and the mean length of its frames."""
    path = os.path.join(folder, '%d-%s-%s-%s.pcap' % (n_flows, sizes,
                                                      popularity, tunnel))
    rand = random.Random(n_flows)
    flows = udp_frames(n_flows, sizes)
    if tunnel:
        flows = [tunnelled(frame, tunnel) for frame in flows]
    n = n_bytes = 0
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for flow in order(n_flows, popularity, rand):
            frame = flows[flow]
            f.write(struct.pack('<IIII', 0, 0, len(frame), len(frame)))
            f.write(frame)
            n += 1
            n_bytes += len(frame)
    return path, n_bytes / n
