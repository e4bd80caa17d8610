# SPDX-License-Identifier: Apache-2.0

"""Side by side: DPDK's testpmd, OVS-DPDK and agilio-nicd, on the same frames.

All three read the same capture file from memory, by DPDK's net_pcap with
infinite_rx, and send to net_null.  testpmd only moves packets, which is the
floor; OVS-DPDK is the distribution's package, unpacked into a folder and not
installed, with its exact match cache (EMC) and with its signature match cache
(SMC); agilio-nicd is ours, under our ovs-vswitchd.

What counts is the CPU time of the thread that carries the packets, as the
kernel accounts it, by the packets that it carried meanwhile, as the program
counts them: so other programs on the machine can take the core away, but not
add to the figures.  Needs root, huge pages (taken for the run) and two cores.
"""

import contextlib
import glob
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import tempfile
import time

PACKAGES = ('openvswitch-switch-dpdk', 'dpdk-dev')
HUGE_PAGES = '/proc/sys/vm/nr_hugepages'
N_HUGE_PAGES = 1100
EAL = '--in-memory --no-pci --no-telemetry --log-level=error'
FRAME_LEN = 64


class Failed(Exception):
    """Something that the run needs is not there; the text says what."""


def tsc_ghz():
    with open('/proc/cpuinfo') as f:
        return float(re.search(r'cpu MHz\s*: ([\d.]+)', f.read()).group(1)) \
            / 1000


# Traffic.

def checksum(header):
    total = sum(struct.unpack('!%dH' % (len(header) // 2), header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def udp_frame(flow, rand):
    """From somewhere in 10.0.0.0/12 to 11.0.0.(flow mod 256)."""
    def ip(csum):
        return struct.pack('!BBHHHBBHII', 0x45, 0, FRAME_LEN - 14 - 4, 0, 0,
                           64, 17, csum, source, 0x0b000000 | flow % 256)
    source = 0x0a000000 | rand.getrandbits(20)
    udp = struct.pack('!HHHH', rand.randrange(1024, 65536),
                      rand.randrange(1024, 65536), FRAME_LEN - 14 - 4 - 20, 0)
    frame = (bytes.fromhex('020000000001020000000002') + b'\x08\x00'
             + ip(checksum(ip(0))) + udp)
    return frame.ljust(FRAME_LEN, b'\0')


def write_pcap(path, n_flows):
    """Each flow in turn, in random order, and again in another one."""
    rand = random.Random(n_flows)
    flows = [udp_frame(i, rand) for i in range(n_flows)]
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for _ in range(max(1, 16384 // n_flows)):
            rand.shuffle(flows)
            for frame in flows:
                f.write(struct.pack('<IIII', 0, 0, FRAME_LEN, FRAME_LEN)
                        + frame)


def rules(n_masks):
    """OpenFlow rules that give so many megaflow masks."""
    if n_masks == 1:
        return ['in_port=1,actions=output:2']
    fields = ('ip', 'udp', 'udp,nw_ttl=64', 'ip,dl_src=02:00:00:00:00:02')
    return ['priority=%d,in_port=1,%s,nw_src=10.0.0.0/%d,nw_dst=11.0.0.%d/28,'
            'actions=output:2' % (100 + i, fields[i // 4], 8 + i % 4, i * 16)
            for i in range(16)]


# Programs.

class Bench:
    """A folder, and the programs that run in it."""

    def __init__(self, tree, stack):
        self.tree = os.path.abspath(tree)
        self.stack = stack
        self.dir = tempfile.mkdtemp(prefix='agilio-bench.')
        stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = fetch_peer()
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir,
                        OVS_DBDIR=self.dir, OVS_SYSCONFDIR=self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def pcap(self, n_flows):
        path = self.path('%d.pcap' % n_flows)
        if not os.path.exists(path):
            write_pcap(path, n_flows)
        return path

    def run(self, program, *args):
        folder = 'ovsdb' if program == 'ovsdb-tool' else 'utilities'
        return subprocess.run(
            [os.path.join(self.tree, folder, program), *args], env=self.env,
            check=True, stdout=subprocess.PIPE,
            universal_newlines=True).stdout

    @contextlib.contextmanager
    def daemon(self, *command, cpu=0, stdin=subprocess.DEVNULL,
               stdout=subprocess.DEVNULL):
        with open(self.path('stderr'), 'a') as log:
            process = subprocess.Popen(
                ['taskset', '-c', str(cpu), *command], env=self.env,
                stdin=stdin, stdout=stdout, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def switch(self, vswitchd, **config):
        """ovsdb-server and an ovs-vswitchd."""
        db = self.path('conf.db')
        with contextlib.suppress(FileNotFoundError):
            os.unlink(db)
        self.run('ovsdb-tool', 'create', db, self.tree
                 + '/vswitchd/vswitch.ovsschema')
        with self.daemon(self.tree + '/ovsdb/ovsdb-server', db,
                         '--remote=punix:' + self.path('db.sock')):
            wait_for(lambda: os.path.exists(self.path('db.sock')), 'ovsdb')
            self.run('ovs-vsctl', '--no-wait', 'init', '--', 'set',
                     'Open_vSwitch', '.',
                     *('other_config:%s="%s"' % (key.replace('_', '-'), value)
                       for key, value in config.items()))
            with self.daemon(vswitchd, 'unix:' + self.path('db.sock'),
                             '--unixctl=' + self.path('vswitchd.ctl'),
                             '--pidfile', '-vconsole:off', '--log-file='
                             + self.path('vswitchd.log'),
                             cpu='0,1') as process:
                yield process

    def ovs_bridge(self, ports, n_masks):
        args = ['--timeout=60', 'add-br', 'br0', '--', 'set', 'bridge', 'br0',
                'datapath_type=netdev']
        for i, (name, settings) in enumerate(ports, 1):
            args += ['--', 'add-port', 'br0', name, '--', 'set', 'interface',
                     name, 'ofport_request=%d' % i, *settings]
        self.run('ovs-vsctl', *args)
        self.run('ovs-ofctl', 'del-flows', 'br0')
        for rule in rules(n_masks):
            self.run('ovs-ofctl', 'add-flow', 'br0', rule)


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed('%s did not come' % what)
        time.sleep(0.1)


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


# Measuring.

def thread_of(pid, pattern):
    for comm in glob.glob('/proc/%d/task/*/comm' % pid):
        with open(comm) as f:
            if re.match(pattern, f.read()):
                return os.path.dirname(comm)
    return None


def cpu_ns(task):
    with open(task + '/schedstat') as f:
        return int(f.read().split()[0])


def measure(process, thread, count, seconds, n_samples):
    """The median of a few samples, cycles per packet."""
    wait_for(lambda: thread_of(process.pid, thread), thread)
    task = thread_of(process.pid, thread)

    def sample():
        before = cpu_ns(task)
        n = count()
        return (before + cpu_ns(task)) / 2, n

    cycles = []
    start = sample()
    for _ in range(n_samples):
        time.sleep(seconds)
        end = sample()
        if end[1] == start[1]:
            raise Failed('%s carries no packets' % thread)
        cycles.append((end[0] - start[0]) / (end[1] - start[1]) * tsc_ghz())
        start = end
    return statistics.median(cycles)


def floor(bench, pcap, seconds, n_samples):
    command = ['stdbuf', '-oL', bench.root + '/usr/bin/dpdk-testpmd',
               *EAL.split(),
               '--lcores=0@0,1@1',
               '--vdev=net_pcap0,rx_pcap=%s,infinite_rx=1' % pcap,
               '--vdev=net_null1,no-rx=1', '--', '--interactive',
               '--forward-mode=io', '--total-num-mbufs=262144',
               '--no-lsc-interrupt']
    with bench.daemon(*command, cpu='0,1', stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE) as process:
        def count():
            process.stdin.write(b'show port stats 0\n')
            process.stdin.flush()
            while True:
                line = process.stdout.readline()
                if not line:
                    raise Failed('testpmd ended')
                found = re.search(rb'RX-packets: (\d+)', line)
                if found:
                    return int(found.group(1))

        process.stdin.write(b'start\n')
        process.stdin.flush()
        time.sleep(1)
        count()
        return measure(process, 'rte-worker|lcore-worker', count, seconds,
                       n_samples)


def peer(bench, pcap, n_masks, smc, seconds, n_samples):
    vswitchd = bench.root + '/usr/lib/openvswitch-switch-dpdk/' \
        'ovs-vswitchd-dpdk'
    config = {'dpdk_init': 'true', 'dpdk_lcore_mask': '1',
              'pmd_cpu_mask': '2', 'dpdk_extra': EAL}
    if smc:
        config.update(smc_enable='true', emc_insert_inv_prob='0')
    with bench.switch(vswitchd, **config) as process:
        bench.ovs_bridge(
            [(name, ['type=dpdk', 'options:dpdk-devargs="%s"' % devargs])
             for name, devargs in
             [('p0', 'net_pcap0,rx_pcap=%s,infinite_rx=1' % pcap),
              ('p1', 'net_null1,no-rx=1')]], n_masks)
        time.sleep(3)

        def count():
            stats = bench.run('ovs-appctl', '-t', bench.path('vswitchd.ctl'),
                              'dpif-netdev/pmd-stats-show')
            return sum(map(int, re.findall(r'packets received: (\d+)', stats)))

        return measure(process, 'pmd-', count, seconds, n_samples)


def ours(bench, pcap, n_masks, seconds, n_samples):
    nicd = bench.tree + '/datapath/agilio/agilio-nicd'
    with bench.daemon(nicd, '--pidfile', '-vconsole:off', '--dpdk=' + EAL,
                      '--port=p1=dpdk:mbufs=1024,net_null1,no-rx=1',
                      '--port=p0=dpdk:mbufs=262144,net_pcap0,rx_pcap=%s,'
                      'infinite_rx=1' % pcap, cpu=1) as process:
        wait_for(lambda: os.path.exists(bench.path('agilio-nicd.pid')), 'NIC')
        with bench.switch(bench.tree + '/vswitchd/ovs-vswitchd',
                          hw_offload='true'):
            bench.ovs_bridge([('p0', ['type=agilio']),
                              ('p1', ['type=agilio'])], n_masks)
            time.sleep(3)

            def count():
                stats = bench.run('ovs-appctl', '-t', 'agilio-nicd',
                                  'nic/stats')
                return int(re.search(r'^carried\s+(\d+)', stats,
                                     re.M).group(1))

            return measure(process, 'worker', count, seconds, n_samples)


def cases(quick):
    for n_masks in 1, 16:
        for n_flows in (10000,) if quick else (100, 10000, 100000):
            yield n_flows, n_masks


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


def results(tree, quick):
    """Yields one object per case; raises Failed if it cannot be done here."""
    if os.geteuid():
        raise Failed('only root can have huge pages')
    if os.cpu_count() < 2:
        raise Failed('it needs two cores')
    seconds, n_samples = (1, 3) if quick else (2, 5)
    with contextlib.ExitStack() as stack:
        bench = Bench(tree, stack)
        stack.enter_context(huge_pages())
        for n_flows, n_masks in cases(quick):
            pcap = bench.pcap(n_flows)
            low = floor(bench, pcap, seconds, n_samples)
            modes = {mode: peer(bench, pcap, n_masks, mode == 'smc', seconds,
                                n_samples) for mode in ('emc', 'smc')}
            best = min(modes, key=modes.get)
            cycles = ours(bench, pcap, n_masks, seconds, n_samples)
            yield {
                'case': 'output', 'flows': n_flows, 'masks': n_masks,
                'ours_cycles': cycles, 'peer_cycles': modes[best],
                'peer_mode': best, 'floor_cycles': low,
                'ours_mpps': tsc_ghz() * 1000 / cycles,
                'peer_mpps': tsc_ghz() * 1000 / modes[best],
                'ratio': (cycles - low) / (modes[best] - low)}
