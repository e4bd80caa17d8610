# SPDX-License-Identifier: Apache-2.0

"""A NIC on this machine, the network at its ports, and a switch in a VM.

    this machine, a network namespace of its own    the VM
    +------------------------------------------+    +---------------------+
    |  host e0 --veth-- p0 \                   |    | agl_p0 \            |
    |                       agilio-nicd ========PCI==         ovs-vswitchd|
    |  host e1 --veth-- p1 /                   |    | agl_p1 /  (system)  |
    +------------------------------------------+    +---------------------+

Each host is a namespace: a process that sleeps there.  All of it goes with the
process of the test, whatever becomes of that.
"""

import os
import re
import subprocess
import tempfile
import time

import kernel
import vm

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILT = os.path.join(TOP, 'openvswitch')
Failure = vm.Failure

# In the guest: the programs of the build.
#
# Until the clock, which starts at boot, is at 10 s, ovs-vswitchd 3.1 believes
# that there are no CPUs: count_cpu_cores() counts them when 10 s have passed
# since 0.  If it opens the kernel's datapath then, it makes no sockets for
# upcalls, then or later, and all are lost; Debian's own does, too, with
# Debian's module.
GUEST = r'''
until [ $(cut -d. -f1 /proc/uptime) -ge 10 ]; do sleep 0.1; done
cat >/lab-env <<'END'
export PATH=%(built)s/utilities:%(built)s/vswitchd:%(built)s/ovsdb:$PATH
export OVS_RUNDIR=/run OVS_LOGDIR=/run OVS_DBDIR=/run OVS_SYSCONFDIR=/run
END
'''


def run(*command, check=True, timeout=60):
    """Runs a command and returns what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, text=True, errors='replace')
    if check and done.returncode:
        raise Failure('%s: %s' % (' '.join(command), done.stdout))
    return done.stdout


def wait_until(what, condition, timeout=30):
    """Returns what 'condition' returns as soon as it is true."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure('not within %d s: %s' % (timeout, what))
        time.sleep(0.2)


class Host:
    """A network namespace, with one end of a veth pair, 'eth0'."""

    def __init__(self, lab, port, address):
        self.port, self.address = port, address
        self._process = subprocess.Popen(
            ['unshare', '-n', 'sleep', 'infinity'], stdin=subprocess.DEVNULL)
        lab.processes.append(self._process)
        pid = str(self._process.pid)
        outside = os.readlink('/proc/self/ns/net')
        wait_until('a namespace', lambda:
                   os.readlink('/proc/%s/ns/net' % pid) != outside)
        run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0',
            'netns', pid)
        run('ip', 'link', 'set', port, 'up')
        self._enter = ['nsenter', '-t', pid, '-n']
        for command in ('link set lo up', 'link set eth0 up',
                        'addr add %s dev eth0' % address):
            self.run('ip', *command.split())

    def run(self, *command, **options):
        return run(*self._enter, *command, **options)

    def mac(self):
        return re.search(r'link/ether (\S+)',
                         self.run('ip', 'link', 'show', 'eth0')).group(1)

    def start(self, *command):
        """Starts a command in the background."""
        return subprocess.Popen(self._enter + list(command),
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def start_reading(self, *command):
        """Likewise, to read what it says."""
        return subprocess.Popen(self._enter + list(command),
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    def ping(self, address, count=3, interval=0.2, wait=3):
        """Returns how many replies came."""
        said = self.run('ping', '-n', '-q', '-c', str(count), '-i',
                        str(interval), '-W', str(wait), address,
                        check=False)
        return int(re.search(r'(\d+) received', said).group(1))

    def iperf(self, server, seconds=3):
        """A TCP transfer to another host; returns its bits per second."""
        daemon = server.start('iperf3', '-s', '-1')
        address = server.address.split('/')[0]
        try:
            wait_until('iperf3 -s', lambda: ':5201' in server.run(
                'ss', '-ltn'))
            said = self.run('iperf3', '-c', address, '-t', str(seconds),
                            '-i', '0', '-f', 'k')
        finally:
            daemon.terminate()
            daemon.wait()
        return int(re.search(r'(\d+) Kbits/sec +receiver',
                             said).group(1)) * 1000


class Lab:
    """All of one test; a context manager."""

    def __init__(self):
        self.kernel = kernel.Kernel(os.path.join(TOP, '_lab'))
        self.processes, self.vms = [], []
        self.hosts = {}
        self.nic = self.nic_socket = None
        self.keep = False       # What is in the folder.

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='kernel-lab.', dir='/tmp')
        self.nic_socket = os.path.join(self.folder, 'nic.sock')
        return self

    def __exit__(self, kind, value, trace):
        for machine in self.vms:
            machine.stop()
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for host in self.hosts:
            run('ip', 'link', 'del', host, check=False)
        if not self.keep:
            run('rm', '-rf', self.folder)

    def add_host(self, port, address):
        self.hosts[port] = Host(self, port, address)
        return self.hosts[port]

    def start_nic(self, *arguments):
        """Starts agilio-nicd with a port for each host."""
        log = os.path.join(self.folder, 'nic.log')
        if os.path.exists(self.nic_socket):
            os.unlink(self.nic_socket)  # Of one that was killed.
        environment = dict(os.environ, OVS_RUNDIR=self.folder)
        stderr = open(os.path.join(self.folder, 'nic.err'), 'w')
        self.nic = nic = subprocess.Popen(
            [BUILT + '/datapath/agilio/agilio-nicd', '--socket',
             self.nic_socket, '--log-file=' + log, '-vconsole:off',
             '--pidfile']
            + ['--port=%s=afpacket:%s' % (p, p) for p in self.hosts]
            + list(arguments), env=environment, stdin=subprocess.DEVNULL,
            stderr=stderr)
        stderr.close()
        self.processes.append(nic)
        wait_until('the NIC', lambda: os.path.exists(self.nic_socket)
                   or nic.poll() is not None)
        return nic

    def nic_appctl(self, *command):
        return run(BUILT + '/utilities/ovs-appctl', '-t', os.path.join(
            self.folder, 'agilio-nicd.%d.ctl' % self.nic.pid),
            *command)

    def nic_stats(self):
        """The NIC's counters, by name."""
        return {words[0]: int(words[1]) for words in
                map(str.split, self.nic_appctl('nic/stats').split('\n'))
                if len(words) > 1 and words[1].isdigit()}

    def share_of(self, traffic):
        """Of the packets that the NIC receives while 'traffic' runs, those
        that it carries itself."""
        before = self.nic_stats()
        traffic()
        after = self.nic_stats()
        host = sum(after[name] - before[name] for name in after
                   if name.startswith('fallback_'))
        carried = after['carried'] - before['carried']
        return carried / (carried + host) if carried else 0

    def kill(self, process):
        process.kill()
        process.wait()
        self.processes.remove(process)

    def start_vm(self, nic=None, **options):
        """A VM with the NIC's physical function, another one, a list of
        them, or none."""
        nics = nic if isinstance(nic, list) else [] if nic is False else [
            nic or self.nic_socket]
        machine = vm.Vm(self.kernel, self.folder, nics=nics, **options)
        self.vms.append(machine)
        machine.run(GUEST % {'built': BUILT})
        return machine

    def start_switch(self, machine, options='', driver=True):
        """agilio.ko, ovsdb-server, and a stock ovs-vswitchd."""
        if driver:
            machine.run('modprobe agilio')
        machine.run('''. /lab-env
            ovsdb-tool create /run/conf.db %s/vswitchd/vswitch.ovsschema
            ovsdb-server /run/conf.db --remote=punix:/run/db.sock --detach \
                --pidfile --log-file -vconsole:off
            ovs-vsctl --no-wait init
            ovs-vswitchd --detach --pidfile --log-file -vconsole:off %s \
                unix:/run/db.sock''' % (BUILT, options))

    def add_bridge(self, machine, *ports):
        """Bridge br0 of the kernel datapath with these representors."""
        lab_ports = ' '.join('-- add-port br0 ' + port for port in ports)
        for port in ports:
            wait_until(port, lambda: port in machine.run('ip link'), 15)
        machine.run('. /lab-env; ovs-vsctl -t 20 add-br br0 ' + lab_ports)
        for port in ports:
            machine.run('ip link set %s up' % port)

    def check_health(self):
        for machine in self.vms:
            machine.check_log()
