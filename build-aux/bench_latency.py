# SPDX-License-Identifier: Apache-2.0

"""How long a frame takes from one container to another, at half load.

tests/bench/latency sends frames of 64 bytes into the one's interface and
receives them at the other's: first as many as the switch takes, which is its
load, then half of that.  Where the machine has other work, frames are lost at
that, too: how many is told.  The switch has the other ends of the veth pairs,
as in bench_tcp.py, and a core; the program has the other core.  All have
their turn in each round, and the medians count.
"""

import contextlib
import json
import statistics
import subprocess

from bench_lab import Failed, Lab, wait_for
from bench_peer import EAL, fetch_peer, huge_pages
from bench_tcp import Containers

N_FLOWS = 1000
PERCENTILES = ('p50', 'p99', 'p99.9')
RULE = ['in_port=1,actions=output:2']


def measure(lab, containers, rate, seconds):
    """What tests/bench/latency says; RATE is frames a second, 0: no limit."""
    result = subprocess.run(
        ['taskset', '-c', '1', lab.tree + '/tests/bench/latency',
         containers.names[0], 'eth0', containers.names[1], 'eth0', str(rate),
         str(seconds), str(N_FLOWS)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True)
    if result.returncode:
        raise Failed('latency: ' + result.stderr.strip())
    return json.loads(result.stdout)


def half_load(lab, containers, seconds):
    """The percentiles, in us; the rate at which they were measured, and the
    share of the frames that was lost meanwhile, in %."""
    wait_for(lambda: measure(lab, containers, 1000, 1)['received'] >= 900,
             'a path between the containers')
    whole = measure(lab, containers, 0, seconds)
    half = measure(lab, containers, whole['received'] // seconds // 2, seconds)
    return ([half[p] / 1000 for p in PERCENTILES]
            + [half['sent'] / seconds,
               100 * (1 - half['received'] / half['sent'])])


def ours(lab, containers, seconds):
    devices = containers.veths()
    with lab.nic(*('--port=p%d=afpacket:%s' % pair
                   for pair in enumerate(devices)), cpu=0), \
         lab.switch(lab.tree + '/vswitchd/ovs-vswitchd', hw_offload='true'):
        lab.ovs_bridge('br0', [('p%d' % i, ['type=agilio'])
                               for i in range(2)], RULE)
        containers.start()
        return half_load(lab, containers, seconds)


def theirs(lab, root, containers, seconds):
    vswitchd = root + '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
    with lab.switch(vswitchd, cpu=0, dpdk_init='true', dpdk_extra=EAL):
        lab.ovs_bridge('br0', [(name, []) for name in containers.veths()],
                       RULE)
        containers.start()
        return half_load(lab, containers, seconds)


def in_turn(containers, switch, *args):
    try:
        return switch(*args)
    finally:
        containers.end()


def results(tree, quick):
    seconds = 2 if quick else 5
    root = fetch_peer()
    with contextlib.ExitStack() as stack:
        lab = Lab(tree, stack)
        stack.enter_context(huge_pages())
        containers = Containers(lab, stack)
        rounds = [(in_turn(containers, theirs, lab, root, containers, seconds),
                   in_turn(containers, ours, lab, containers, seconds))
                  for _ in range(1 if quick else 5)]
        for i, (name, unit) in enumerate(
                [(p, 'us') for p in PERCENTILES]
                + [('rate', 'frames/s'), ('lost', '%')]):
            peer, own = (statistics.median(one[side][i] for one in rounds)
                         for side in range(2))
            yield {'case': 'half load, ' + name, 'flows': N_FLOWS, 'masks': 1,
                   'value': own, 'peer_value': peer, 'unit': unit}
