# SPDX-License-Identifier: Apache-2.0

"""What offload costs ovs-vswitchd for a flow that comes.

The policy makes each microflow a megaflow of its own.  One packet of each
comes into the NIC, at a steady rate; it misses, goes up to the host, causes an
upcall, and the megaflow is installed: in the host's datapath, and, if
hw-offload is true, on the NIC too.  Told is the CPU time of all threads of
ovs-vswitchd, from the first packet until some time after the last, by the
number of flows, with offload and without, which have their turn in each round.
"""

import socket
import statistics
import time

import bench_traffic as traffic
from bench_control import resident_bytes
from bench_lab import Failed, cpu_ns

RATE = 5000                     # Packets a second, in bursts.
BURST = 50
SETTLE = 2                      # Seconds; upkeep of the flows counts too.
POLICY = 'in_port=1,ip,actions=multipath(symmetric_l4,1024,modulo_n,1,0,' \
    'NXM_NX_REG0[0..7]),output:2'


def send(path, frames):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(path)
        start = time.monotonic()
        for i, frame in enumerate(frames):
            if i % BURST == 0:
                time.sleep(max(0, start + i / RATE - time.monotonic()))
            sock.send(frame)


def n_flows(lab, offload):
    if offload:
        shown = lab.appctl('nic/show', target='agilio-nicd')
        return int(shown.split('flows: ')[1].split()[0])
    return lab.appctl('dpctl/dump-flows').count(' actions:')


def run(lab, frames, offload):
    """CPU ns and bytes of memory that ovs-vswitchd took for a flow."""
    with lab.nic('--max-flows=%d' % (2 * len(frames)),
                 '--port=p0=unix:' + lab.path('p0'),
                 '--port=p1=pcap:tx=' + lab.path('out.pcap')), \
         lab.switch(lab.tree + '/vswitchd/ovs-vswitchd',
                    hw_offload=str(offload).lower(),
                    max_idle='3600000') as host:
        lab.ovs_bridge('br0', [('p0', ['type=agilio']),
                               ('p1', ['type=agilio'])], [POLICY])
        time.sleep(2)
        memory, before = resident_bytes(host.pid), cpu_ns(host.pid)
        send(lab.path('p0'), frames)
        time.sleep(SETTLE)
        spent = cpu_ns(host.pid) - before
        memory = resident_bytes(host.pid) - memory
        n = n_flows(lab, offload)
        if n < 0.98 * len(frames):
            raise Failed('%d of %d flows were installed' % (n, len(frames)))
        return spent / n, memory / n


def results(lab):
    n = 10000                   # More are beyond what OVS allows at first.
    frames = traffic.udp_frames(n)
    rounds = [[run(lab, frames, offload) for offload in (False, True)]
              for _ in range(5)]
    median = statistics.median
    for name, i, value, unit in (
            ('host, a new flow', 0, 1e-3, 'us CPU'),
            ('host, memory', 1, 1, 'bytes/flow')):
        for j, which in enumerate(('', ', offloaded')):
            yield {'case': name + which, 'flows': n, 'masks': 1, 'unit': unit,
                   'value': value * median(one[j][i] for one in rounds)}
    yield {'case': 'host, offload adds', 'flows': n, 'masks': 1, 'unit': '%',
           'value': median(100 * (one[1][0] / one[0][0] - 1)
                           for one in rounds)}
