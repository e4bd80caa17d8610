# SPDX-License-Identifier: Apache-2.0

"""The control plane: how fast flows come to the NIC, and what that costs.

The channel: TREE/tests/bench/bench-control speaks the protocol, through the
rings, with an agilio-nicd that has no ports, and asks as fast as it is
answered.  Each of the three threads (client, control, worker) takes some CPU
time for a flow; the one that takes most limits the rate that they reach with
a core each, which is what is told.  "in all" is the rate by the clock on the
wall, on whatever cores there are.

The first round of additions has the NIC take the memory from the kernel; the
later ones are told as "again".  Statistics lie in the region, so reading them
asks nothing of the NIC.
"""

import json
import os
import statistics
import subprocess

import bench_lab

ROUNDS = 3


def threads_ns(pid):
    return {name: bench_lab.cpu_ns(bench_lab.thread_of(pid, name))
            for name in ('agilio-nicd', 'worker')}


def resident_bytes(pid):
    with open('/proc/%d/statm' % pid) as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def act(lab, nic, operation, n, masks):
    """Seconds by CPU time of the busiest thread, and by the wall's clock."""
    before = threads_ns(nic.pid)
    out = subprocess.run(
        [lab.tree + '/tests/bench/bench-control', lab.path('agilio-nic.sock'),
         operation, str(n), str(masks)],
        env=lab.env, check=True, stdout=subprocess.PIPE).stdout
    client = json.loads(out)
    after = threads_ns(nic.pid)
    busiest = max([client['cpu']] + [after[name] - before[name]
                                     for name in before])
    return busiest / 1e9, client['wall'] / 1e9


def channel(lab, n, masks):
    """Yields (case, value, unit)."""
    times = {}
    with lab.nic('--max-flows=%d' % n) as nic:
        empty = resident_bytes(nic.pid)
        for i in range(ROUNDS):
            for operation in 'add', 'stats', 'delete':
                name = ('add again' if i and operation == 'add' else operation)
                times.setdefault(name, []).append(
                    act(lab, nic, operation, n, masks))
                if name == 'add':
                    full = resident_bytes(nic.pid)
    for name, pairs in times.items():
        busiest, wall = zip(*pairs)
        yield 'control ' + name, n / statistics.median(busiest), 'flows/s'
        yield ('control %s, in all' % name, n / statistics.median(wall),
               'flows/s')
    yield 'memory, NIC, megaflow', (full - empty) / n, 'bytes/flow'


def results(lab, quick):
    n = 200000 if quick else 1000000
    for masks in (1,) if quick else (1, 64):
        for case, value, unit in channel(lab, n, masks):
            yield {'case': case, 'flows': n, 'masks': masks, 'value': value,
                   'unit': unit}
