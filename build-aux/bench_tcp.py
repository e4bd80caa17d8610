# SPDX-License-Identifier: Apache-2.0

"""TCP between two containers: through the NIC, and through the distribution's
OVS with its userspace datapath and userspace-tso-enable.

Two network namespaces, an interface of the switch in each, all offloads as
the kernel has them; iperf3 from the one to the other.  With "veth" the switch
has the other end of the pair as a port (ours: afpacket), with "tap" it has
made the interface (theirs: an internal port).  The programs share the cores,
so the figure is that of the machine, not of one core.  All have their turn in
each round, and the medians count; no frame that the switch dropped or cut
shows in them but as a loss of speed.
"""

import contextlib
import json
import shutil
import statistics
import subprocess
import time

from bench_lab import Failed, Lab, cpu_ns, wait_for
from bench_peer import EAL, fetch_peer, huge_pages

ADDRESS = '10.1.1.%d'


class Containers:
    """Namespaces 0 and 1, in each an interface of the switch."""

    def __init__(self, lab, stack):
        self.lab = lab
        self.names = ['%s-%d' % (lab.namespace, i) for i in range(2)]
        for name in self.names:
            subprocess.run(['ip', 'netns', 'add', name], check=True)
            stack.callback(subprocess.run, ['ip', 'netns', 'del', name])

    def ip(self, i, *args):
        subprocess.run(['ip', '-n', self.names[i], *args], check=True)

    def veths(self):
        """The names of the other ends, in the lab's namespace."""
        for i in range(2):
            self.lab.command('ip', 'link', 'add', 'veth%d' % i, 'type', 'veth',
                             'peer', 'name', 'eth0', 'netns', self.names[i])
            self.lab.command('ip', 'link', 'set', 'veth%d' % i, 'up')
        return ['veth0', 'veth1']

    def take(self, interfaces):
        for i, name in enumerate(interfaces):
            self.lab.command('ip', 'link', 'set', name, 'netns', self.names[i],
                             'name', 'eth0')

    def start(self):
        for i in range(2):
            self.ip(i, 'addr', 'add', ADDRESS % i + '/24', 'dev', 'eth0')
            self.ip(i, 'link', 'set', 'eth0', 'up')

    def end(self):
        for i in range(2):
            subprocess.run(['ip', '-n', self.names[i], 'link', 'del', 'eth0'],
                           stderr=subprocess.DEVNULL)

    def speed(self, switch, seconds):
        """Gbit/s, and what the switch's processes took for a Gbit, in ms."""
        server = subprocess.Popen(
            ['ip', 'netns', 'exec', self.names[1], 'iperf3', '-s', '-1'],
            stdout=subprocess.DEVNULL)
        try:
            def client(*args):
                return subprocess.run(
                    ['ip', 'netns', 'exec', self.names[0], *args],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

            wait_for(lambda: not client('ping', '-c1', '-W1',
                                        ADDRESS % 1).returncode,
                     'the other container')
            time.sleep(1)
            before = sum(cpu_ns(process.pid) for process in switch)
            result = client('iperf3', '-J', '-c', ADDRESS % 1, '-t',
                            str(seconds))
            if result.returncode:
                raise Failed('iperf3: %s' % result.stdout.decode()[-300:])
            spent = sum(cpu_ns(process.pid) for process in switch) - before
            received = json.loads(result.stdout)['end']['sum_received']
            gbits = received['bytes'] * 8e-9
            return gbits / received['seconds'], spent / 1e6 / gbits
        finally:
            server.terminate()
            server.wait()


def ours(lab, containers, kind, seconds):
    if kind == 'veth':
        devices = ['afpacket:' + name for name in containers.veths()]
    else:
        devices = ['tap:tap%d' % i for i in range(2)]
    args = ['--port=p%d=%s' % (i, device) for i, device in enumerate(devices)]
    with lab.nic(*args) as nic, \
         lab.switch(lab.tree + '/vswitchd/ovs-vswitchd',
                    hw_offload='true') as host:
        lab.ovs_bridge('br0', [('p%d' % i, ['type=agilio'])
                               for i in range(2)], ['actions=NORMAL'])
        if kind == 'tap':
            containers.take(['tap0', 'tap1'])
        containers.start()
        return containers.speed([nic, host], seconds)


def theirs(lab, root, containers, kind, seconds):
    vswitchd = root + '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
    ports = (containers.veths() if kind == 'veth' else ['port0', 'port1'])
    settings = [] if kind == 'veth' else ['type=internal']
    with lab.switch(vswitchd, dpdk_init='true', userspace_tso_enable='true',
                    dpdk_extra=EAL) as process:
        lab.ovs_bridge('br0', [(name, settings) for name in ports],
                       ['actions=NORMAL'])
        if kind == 'tap':
            containers.take(ports)
        containers.start()
        return containers.speed([process], seconds)


def compare(lab, root, containers, kind, n_rounds, seconds):
    rounds = []
    for _ in range(n_rounds):
        try:
            peer = theirs(lab, root, containers, kind, seconds)
        finally:
            containers.end()
        try:
            own = ours(lab, containers, kind, seconds)
        finally:
            containers.end()
        rounds.append((*own, *peer, own[0] / peer[0]))
    speed, cost, peer_speed, peer_cost, ratio = map(statistics.median,
                                                    zip(*rounds))
    return {'case': 'TCP, ' + kind, 'flows': 1, 'masks': 1, 'value': speed,
            'unit': 'Gbit/s', 'peer_value': peer_speed, 'ratio': ratio,
            'cpu_ms': cost, 'peer_cpu_ms': peer_cost}


def results(tree, quick):
    if not shutil.which('iperf3'):
        raise Failed('there is no iperf3')
    root = fetch_peer()
    with contextlib.ExitStack() as stack:
        lab = Lab(tree, stack)
        stack.enter_context(huge_pages())
        containers = Containers(lab, stack)
        for kind in ('veth',) if quick else ('veth', 'tap'):
            yield compare(lab, root, containers, kind, 1 if quick else 5,
                          3 if quick else 5)
