# SPDX-License-Identifier: Apache-2.0

"""Side by side: DPDK's testpmd, OVS-DPDK and agilio-nicd, on the same frames.

All three read the same capture file from memory, by DPDK's net_pcap with
infinite_rx, and send to net_null.  testpmd only moves packets, which is the
floor; OVS-DPDK is the distribution's package, unpacked into a folder and not
installed, with its exact match cache (EMC) and with its signature match cache
(SMC); agilio-nicd is ours, under our ovs-vswitchd.  Both have the same bridges
and the same OpenFlow rules.

What counts is the CPU time of the thread that carries the packets, as the
kernel accounts it, by the packets that it carried meanwhile, as the program
counts them.  The program's other counters must say that this was the work that
was asked for: all packets are sent, they are as long as they should be, and
have been looked up as often.  Needs root, huge pages (taken for the run) and
two cores.
"""

import contextlib
import dataclasses
import glob
import os
import re
import statistics
import subprocess
import time

import bench_traffic as traffic
from bench_lab import Failed, Lab, cpu_ns, thread_of, tsc_ghz, wait_for

PACKAGES = ('openvswitch-switch-dpdk', 'dpdk-dev')
HUGE_PAGES = '/proc/sys/vm/nr_hugepages'
N_HUGE_PAGES = 1100
EAL = '--in-memory --no-pci --no-telemetry --log-level=error'


# Cases.

@dataclasses.dataclass
class Case:
    name: str
    n_flows: int
    n_masks: int = 1
    traffic: dict = dataclasses.field(default_factory=dict)
    growth: int = 0             # Of each packet, between its two ports.
    n_passes: int = 1           # How often a packet is looked up.
    setup: str = 'output'       # A function below.
    action: str = ''            # That OVS-DPDK does to each packet.


def rules(n_masks):
    """OpenFlow rules that give so many megaflow masks, for 10.0.0.0/12 to
    11.0.0.0/24: four prefixes, and each of four other fields or not."""
    if n_masks == 1:
        return ['in_port=1,actions=output:2']
    fields = ('nw_ttl=64', 'dl_src=02:00:00:00:00:02', 'nw_tos=0', 'nw_ecn=0')
    return ['priority=%d,in_port=1,udp,%snw_src=10.0.0.0/%d,nw_dst=11.0.0.%d/'
            '%d,actions=output:2' % (
                100 + i, ''.join(field + ',' for j, field in enumerate(fields)
                                 if i >> 2 >> j & 1),
                8 + i % 4, i * 256 // n_masks, 23 + n_masks.bit_length())
            for i in range(n_masks)]


def output(lab, ports, case):
    lab.ovs_bridge('br0', ports, rules(case.n_masks))


def recirculations(lab, ports, case):
    """Each table matches on something else than the one before."""
    matches = ('ip', 'udp', 'udp,nw_ttl=64', 'ip,nw_dst=11.0.0.0/24')
    lab.ovs_bridge('br0', ports, [
        'table=%d,in_port=1,%s,actions=%s' % (
            i, match, 'output:2' if i == case.n_passes - 1
            else 'debug_recirc,resubmit(,%d)' % (i + 1))
        for i, match in enumerate(matches)])


def underlay(lab, port, rule):
    """The bridge that a tunnel's packets come in by, or go out."""
    lab.ovs_bridge('br-phy', [port], [rule], mac=traffic.LOCAL_MAC)
    lab.command('ip', 'addr', 'replace', traffic.LOCAL_IP + '/24', 'dev',
                'br-phy')
    lab.command('ip', 'link', 'set', 'br-phy', 'up')
    lab.appctl('tnl/neigh/set', 'br-phy', traffic.REMOTE_IP,
               traffic.REMOTE_MAC)


def tunnel_port(kind):
    return 'tunnel', ['type=' + kind, 'options:remote_ip=' + traffic.REMOTE_IP,
                      'options:key=%d' % traffic.VNI]


def decap(lab, ports, case):
    kind = case.traffic['tunnel']
    underlay(lab, ports[0], 'in_port=1,actions=LOCAL')
    lab.ovs_bridge('br0', [tunnel_port(kind), ports[1]], [])
    match = ''
    if kind == 'geneve':
        lab.run('ovs-ofctl', 'add-tlv-map', 'br0',
                '{class=0x102,type=1,len=4}->tun_metadata0')
        match = ',tun_metadata0=0x1234'
    lab.run('ovs-ofctl', 'add-flow', 'br0',
            'in_port=1%s,actions=output:2' % match)


def encap(lab, ports, case):
    underlay(lab, ports[1], 'in_port=LOCAL,actions=output:1')
    lab.ovs_bridge('br0', [ports[0], tunnel_port('vxlan')],
                   ['in_port=1,actions=output:2'])


SETUPS = {f.__name__: f for f in (output, recirculations, decap, encap)}


def cases(quick):
    many = (10000,) if quick else (100, 10000, 100000)
    vxlan, geneve = {'tunnel': 'vxlan'}, {'tunnel': 'geneve'}
    for n_masks in (1, 16) if quick else (1, 16, 64):
        for n_flows in many:
            yield Case('output', n_flows, n_masks)
    for n_flows in many:
        yield Case('VXLAN decap', n_flows, traffic=vxlan, growth=-50,
                   n_passes=2, setup='decap', action='tnl_pop')
        if quick:
            return
        yield Case('3 recirculations', n_flows, n_passes=4,
                   setup='recirculations', action='recirc')
    yield Case('VXLAN encap', 10000, growth=50, setup='encap',
               action='tnl_push')
    yield Case('Geneve decap, options', 10000, traffic=geneve, growth=-58,
               n_passes=2, setup='decap', action='tnl_pop')
    yield Case('64 to 1500 bytes', 10000, traffic={'sizes': 'mixed'})
    yield Case('Zipf', 10000, traffic={'popularity': 'zipf'})


# Programs.

def fetch_peer():
    """The folder that the distribution's packages are unpacked in."""
    cache = os.path.join(os.environ.get('XDG_CACHE_HOME')
                         or os.path.expanduser('~/.cache'), 'agilio-bench')
    root = os.path.join(cache, 'root')
    if not os.path.isdir(root):
        os.makedirs(cache, exist_ok=True)
        try:
            subprocess.run(['apt-get', '-q', 'download', *PACKAGES], cwd=cache,
                           check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            raise Failed('apt-get cannot download ' + ' '.join(PACKAGES))
        for package in glob.glob(cache + '/*.deb'):
            subprocess.run(['dpkg', '-x', package, root], check=True)
    return root


@dataclasses.dataclass
class Sample:
    """What a program has done so far."""
    ns: float                   # Of the thread that carries.
    n: int                      # Packets carried.
    n_passes: int               # Lookups of these.
    tx_packets: int
    tx_bytes: int
    slack: int = 0              # Of 'n', in the moment of 'tx_packets'.

    def __sub__(self, before):
        return Sample(*(a - b for a, b in zip(
            dataclasses.astuple(self), dataclasses.astuple(before))))


def check(case, name, mean_len, done):
    """That this was the work."""
    slack = 0.01 + done.slack / done.n

    def must(what, is_, should_be):
        if abs(is_ - should_be) > slack * should_be:
            raise Failed('%s, %s: %s is %.2f, not %.2f' % (
                case.name, name, what, is_, should_be))
    must('the share of packets sent', done.tx_packets / done.n, 1)
    must('the passes of a packet', done.n_passes / done.n, case.n_passes)
    if done.tx_bytes:           # DPDK's net_null counts none.
        must('the length of a packet sent', done.tx_bytes / done.tx_packets,
             mean_len + case.growth)


def measure(task, sample, seconds, n_samples):
    """Cycles per packet, the median, and all that was done meanwhile."""
    def timed():
        before = cpu_ns(task)
        counts = sample()
        return Sample((before + cpu_ns(task)) / 2, *counts)

    cycles = []
    first = last = timed()
    for _ in range(n_samples):
        time.sleep(seconds)
        now = timed()
        done, last = now - last, now
        if not done.n:
            raise Failed('no packets are carried')
        cycles.append(done.ns / done.n * tsc_ghz())
    done = last - first
    done.slack = last.slack + first.slack
    return statistics.median(cycles), done


def wait_for_thread(process, pattern):
    wait_for(lambda: thread_of(process.pid, pattern), pattern)
    return thread_of(process.pid, pattern)


class Peers:
    """The three of them, on one case."""

    def __init__(self, lab, root, case, times):
        self.lab, self.root, self.case, self.times = lab, root, case, times
        self.pcap, self.mean_len = traffic.write_pcap(lab.dir, case.n_flows,
                                                      **case.traffic)
        self.input = 'net_pcap0,rx_pcap=%s,infinite_rx=1' % self.pcap
        self.output = 'net_null1,no-rx=1'

    def floor(self):
        command = ['stdbuf', '-oL', self.root + '/usr/bin/dpdk-testpmd',
                   *EAL.split(), '--lcores=0@0,1@1', '--vdev=' + self.input,
                   '--vdev=' + self.output, '--', '--interactive',
                   '--forward-mode=io', '--total-num-mbufs=262144',
                   '--no-lsc-interrupt']
        with self.lab.daemon(*command, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE) as process:
            def sample():
                process.stdin.write(b'show port stats 0\n')
                process.stdin.flush()
                for line in process.stdout:
                    found = re.search(rb'RX-packets: (\d+)', line)
                    if found:
                        return int(found.group(1)), 0, 0, 0
                raise Failed('testpmd ended')

            process.stdin.write(b'start\n')
            time.sleep(1)
            sample()
            task = wait_for_thread(process, 'rte-worker|lcore-worker')
            return measure(task, sample, *self.times)[0]

    def set_up(self, ports):
        SETUPS[self.case.setup](self.lab, ports, self.case)

    def check_action(self, n):
        """That OVS-DPDK has done it to so many packets."""
        flows = re.findall(r'packets:(\d+),.* actions:(.*)',
                           self.lab.appctl('dpctl/dump-flows'))
        found = sum(int(packets) for packets, actions in flows
                    if self.case.action in actions)
        if found < n:
            raise Failed('%s: OVS-DPDK did "%s" to %d of %d packets' % (
                self.case.name, self.case.action, found, n))

    def peer(self):
        """Cycles by the mode of its caches."""
        lab = self.lab

        def received():
            pmd = lab.appctl('dpif-netdev/pmd-stats-show')
            n = sum(map(int, re.findall(r'packets received: (\d+)', pmd)))
            again = sum(map(int, re.findall(r'recirculations: (\d+)', pmd)))
            return n, n + again

        def sample():
            before = received()
            port = re.search(r': p1 .*?TX packets:(\d+).*?TX bytes:(\d+)',
                             lab.appctl('dpctl/show', '-s'), re.S)
            after = received()
            return ((before[0] + after[0]) / 2, (before[1] + after[1]) / 2,
                    int(port.group(1)), int(port.group(2)),
                    after[0] - before[0])

        vswitchd = self.root + '/usr/lib/openvswitch-switch-dpdk/' \
            'ovs-vswitchd-dpdk'
        with lab.switch(vswitchd, '--enable-dummy', dpdk_init='true',
                        dpdk_lcore_mask='1', pmd_cpu_mask='2',
                        dpdk_extra=EAL) as process:
            self.set_up([(name, ['type=dpdk',
                                 'options:dpdk-devargs="%s"' % devargs])
                         for name, devargs in [('p0', self.input),
                                               ('p1', self.output)]])
            task = wait_for_thread(process, 'pmd-')
            cycles = {}
            for mode, smc, emc in (('emc', 'false', '100'),
                                   ('smc', 'true', '0')):
                lab.run('ovs-vsctl', 'set', 'Open_vSwitch', '.',
                        'other_config:smc-enable=' + smc,
                        'other_config:emc-insert-inv-prob=' + emc)
                time.sleep(2)
                cycles[mode], done = measure(task, sample, *self.times)
                check(self.case, 'OVS-DPDK', self.mean_len, done)
                self.check_action(done.n)
            return cycles

    def ours(self):
        """Cycles, and the share of a core that the host took."""
        lab = self.lab

        def sample():
            stats = lab.appctl('nic/stats', target='agilio-nicd')

            def counter(name):
                return int(re.search(r'^%s\s+(\d+)' % name, stats,
                                     re.M).group(1))

            port = re.search(r'port p1:.*?tx packets (\d+) bytes (\d+)', stats,
                             re.S)
            n = counter('carried')
            return (n, n + counter('recirc'), int(port.group(1)),
                    int(port.group(2)))

        with lab.nic('--dpdk=' + EAL, '--port=p1=dpdk:mbufs=1024,'
                     + self.output, '--port=p0=dpdk:mbufs=262144,'
                     + self.input, cpu=1) as nic, \
             lab.switch(lab.tree + '/vswitchd/ovs-vswitchd', '--enable-dummy',
                        hw_offload='true') as host:
            self.set_up([('p0', ['type=agilio']), ('p1', ['type=agilio'])])
            time.sleep(3)
            host_ns, since = cpu_ns(host.pid), time.monotonic()
            cycles, done = measure(wait_for_thread(nic, 'worker'), sample,
                                   *self.times)
            share = ((cpu_ns(host.pid) - host_ns) / 1e7
                     / (time.monotonic() - since))
            check(self.case, 'ours', self.mean_len, done)
            return cycles, share


@contextlib.contextmanager
def huge_pages():
    """As many as the run needs, if nobody has provided them."""
    with open(HUGE_PAGES) as f:
        before = int(f.read())
    try:
        if before < N_HUGE_PAGES:
            with open(HUGE_PAGES, 'w') as f:
                f.write('%d\n' % N_HUGE_PAGES)
        yield
    finally:
        with open(HUGE_PAGES, 'w') as f:
            f.write('%d\n' % before)


def compare(lab, root, case, n_rounds, times):
    """The medians of rounds in which each has its turn."""
    peers = Peers(lab, root, case, times)
    rounds = []
    for _ in range(n_rounds):
        floor, theirs = peers.floor(), peers.peer()
        ours, host = peers.ours()
        mode = min(theirs, key=theirs.get)
        rounds.append({'ours_cycles': ours, 'peer_cycles': theirs[mode],
                       'peer_mode': mode, 'floor_cycles': floor,
                       'host_percent': host,
                       'ratio': (ours - floor) / (theirs[mode] - floor)})
    result = {key: statistics.median(one[key] for one in rounds)
              for key in rounds[0] if key != 'peer_mode'}
    os.unlink(peers.pcap)
    return {'case': case.name, 'flows': case.n_flows, 'masks': case.n_masks,
            **result, 'peer_mode': rounds[0]['peer_mode'],
            'ours_mpps': tsc_ghz() * 1000 / result['ours_cycles'],
            'peer_mpps': tsc_ghz() * 1000 / result['peer_cycles']}


def results(tree, quick):
    """Yields one object per case; raises Failed if it cannot be done here."""
    if os.geteuid():
        raise Failed('only root can have huge pages')
    if os.cpu_count() < 2:
        raise Failed('it needs two cores')
    root = fetch_peer()
    with contextlib.ExitStack() as stack:
        lab = Lab(tree, stack)
        stack.enter_context(huge_pages())
        for case in cases(quick):
            yield compare(lab, root, case, 1 if quick else 3,
                          (1, 3) if quick else (2, 3))
