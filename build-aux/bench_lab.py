# SPDX-License-Identifier: Apache-2.0

"""What the parts of "make bench" share: a folder, the programs that run in
it, and the CPU time that their threads take.

CPU time is what the kernel accounts: other programs on the machine can take
the core away from a thread, but not add to its figures.
"""

import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile
import time


class Failed(Exception):
    """Something that the run needs is not there; the text says what."""


def tsc_ghz():
    with open('/proc/cpuinfo') as f:
        return float(re.search(r'cpu MHz\s*: ([\d.]+)', f.read()).group(1)) \
            / 1000


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed('%s did not come' % what)
        time.sleep(0.1)


# CPU time.

def thread_of(pid, pattern):
    for comm in glob.glob('/proc/%d/task/*/comm' % pid):
        with open(comm) as f:
            if re.match(pattern, f.read()):
                return os.path.dirname(comm)
    return None


def cpu_ns(task):
    """Of one thread, a folder in /proc; of a process, by its number."""
    if isinstance(task, int):
        return sum(map(cpu_ns, glob.glob('/proc/%d/task/*' % task)))
    with open(task + '/schedstat') as f:
        return int(f.read().split()[0])


# Programs.

class Lab:
    """A folder and a network namespace, and the programs that run there.  For
    root."""

    def __init__(self, tree, stack):
        self.tree = os.path.abspath(tree)
        self.stack = stack
        self.dir = tempfile.mkdtemp(prefix='agilio-bench.')
        stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.namespace = 'bench-%d' % os.getpid()
        stack.callback(subprocess.run, ['ip', 'netns', 'del', self.namespace])
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir,
                        OVS_DBDIR=self.dir, OVS_SYSCONFDIR=self.dir)
        for command in (['add', self.namespace],
                        ['exec', self.namespace, 'ip', 'link', 'set', 'lo',
                         'up']):
            subprocess.run(['ip', 'netns', *command], check=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def command(self, *args):
        """Runs a command in the lab's namespace; returns what it says."""
        result = subprocess.run(['ip', 'netns', 'exec', self.namespace, *args],
                                env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE,
                                universal_newlines=True)
        if result.returncode:
            raise Failed('%s: %s' % (' '.join(args), result.stderr.strip()))
        return result.stdout

    def run(self, program, *args):
        folder = 'ovsdb' if program == 'ovsdb-tool' else 'utilities'
        return self.command(os.path.join(self.tree, folder, program), *args)

    def appctl(self, *args, target=None):
        return self.run('ovs-appctl', '-t',
                        target or self.path('vswitchd.ctl'), *args)

    @contextlib.contextmanager
    def daemon(self, *command, cpu='0,1', stdin=subprocess.DEVNULL,
               stdout=subprocess.DEVNULL):
        with open(self.path('stderr'), 'a') as log:
            process = subprocess.Popen(
                ['ip', 'netns', 'exec', self.namespace, 'taskset', '-c',
                 str(cpu), *command],
                env=self.env, stdin=stdin, stdout=stdout, stderr=log)
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
    def nic(self, *args, cpu='0,1'):
        """An agilio-nicd."""
        with self.daemon(self.tree + '/datapath/agilio/agilio-nicd',
                         '--pidfile', '-vconsole:off', *args,
                         cpu=cpu) as process:
            wait_for(lambda: process.poll() is not None
                     or thread_of(process.pid, 'worker'), 'NIC')
            if process.returncode is not None:
                with open(self.path('stderr')) as log:
                    raise Failed('agilio-nicd ended: ' + log.read()[-300:])
            yield process

    @contextlib.contextmanager
    def switch(self, vswitchd, *args, cpu='0,1', **config):
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
                             + self.path('vswitchd.log'), *args,
                             cpu=cpu) as process:
                yield process

    def ovs_bridge(self, name, ports, rules, mac=None):
        """A bridge with these ports, (name, settings), numbered from 1."""
        args = ['--timeout=20', 'add-br', name, '--', 'set', 'bridge', name,
                'datapath_type=netdev']
        if mac:
            args += ['other_config:hwaddr=' + mac]
        for i, (port, settings) in enumerate(ports, 1):
            args += ['--', 'add-port', name, port, '--', 'set', 'interface',
                     port, 'ofport_request=%d' % i, *settings]
        self.run('ovs-vsctl', *args)
        self.run('ovs-ofctl', 'del-flows', name)
        for rule in rules:
            self.run('ovs-ofctl', 'add-flow', name, rule)
