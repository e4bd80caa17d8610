# SPDX-License-Identifier: Apache-2.0

"""A virtual machine that runs Debian's own kernel over this machine's files.

The guest's root is the root of this machine, read-only through 9p, below a
tmpfs: every tool and the whole build tree are there.  Kernel and initramfs
come from kernel.py.  No KVM is needed: QEMU emulates, and boots in seconds.

Commands go in and results come out over the guest's second serial port, one
line each way, in base64.  The first serial port is the console, kept in a
file: what the kernel says there is part of the result.
"""

import base64
import os
import select
import socket
import subprocess
import time

# What a kernel says when something is wrong with it.
COMPLAINTS = ('BUG:', 'WARNING:', 'Oops', 'Call Trace', 'kmemleak',
              'unregister_netdevice: waiting', 'general protection',
              'possible recursive locking', 'INFO: task', 'rcu: INFO')


class Failure(Exception):
    """A check did not hold; the text says which."""


class Vm:
    """One virtual machine.  'nics' are the ivshmem sockets of the functions
    that it is to have as PCI devices; their servers must be running.  One that
    is 'steady' has a CPU of 1 GIPS to itself: its clock counts instructions,
    so what shares this machine makes it slow, but no timer of its programs
    early.  'arguments' are further ones for its kernel."""

    def __init__(self, kernel, folder, name='vm', nics=(), memory=1024,
                 steady=False, arguments=''):
        self.name = name
        self.console = os.path.join(folder, name + '.console')
        self._agent = os.path.join(folder, name + '.agent')
        self._monitor = os.path.join(folder, name + '.monitor')
        self._received = b''
        command = [
            'qemu-system-x86_64', '-accel', 'tcg',
            *(['-icount', 'shift=0'] if steady else ['-smp', '2']),
            # Debian's DPDK, in agilio-nicd, wants SSE 4.2.
            '-cpu', 'Nehalem',
            '-m', str(memory), '-display', 'none', '-no-reboot',
            '-nodefaults', '-kernel', kernel.image, '-initrd', kernel.initrd,
            # Emulated late on a busy machine, the timer would fail its check.
            # A mitigation is a flush of the emulated TLB in each system call.
            '-append', 'console=ttyS0 quiet panic=-1 no_timer_check '
            'mitigations=off ' + arguments,
            '-virtfs', 'local,path=/,mount_tag=root,security_model=none,'
            'readonly=on,multidevs=remap',
            '-serial', 'file:' + self.console,
            '-serial', 'unix:%s,server=on,wait=off' % self._agent,
            '-monitor', 'unix:%s,server=on,wait=off' % self._monitor]
        for i, path in enumerate(nics):
            command += ['-chardev', 'socket,path=%s,id=nic%d' % (path, i),
                        '-device', 'ivshmem-doorbell,vectors=2,'
                        'chardev=nic%d,id=function%d' % (i, i)]
        with open(os.path.join(folder, name + '.qemu'), 'w') as log:
            self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        self._talk = self._connect(self._agent)
        self._read_line(120)                    # It is up.

    def _connect(self, path):
        for _ in range(600):
            if self._qemu.poll() is not None:
                break
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                return s
            except OSError:
                s.close()
                time.sleep(0.1)
        raise Failure('%s: QEMU did not start (see %s.qemu)'
                      % (self.name, self.name))

    def _read_line(self, timeout):
        deadline = time.monotonic() + timeout
        while b'\n' not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._talk], [], [], left)[0]:
                raise Failure('%s: no answer within %d s\n%s'
                              % (self.name, timeout, self.console_end()))
            data = self._talk.recv(65536)
            if not data:
                raise Failure('%s is gone\n%s'
                              % (self.name, self.console_end()))
            self._received += data
        line, self._received = self._received.split(b'\n', 1)
        return line.decode()

    def run(self, script, timeout=60, check=True):
        """Runs 'script' in the guest's bash, up to the first command that
        fails, and returns what it said.  Such a failure is one of the test,
        unless 'check' is False."""
        script = 'set -e\n' + script
        self._talk.sendall(base64.b64encode(script.encode()) + b'\n')
        status, _, text = self._read_line(timeout).partition(' ')
        said = base64.b64decode(text).decode(errors='replace').rstrip('\n')
        if check and status != '0':
            raise Failure('%s: exit status %s of: %s\n%s'
                          % (self.name, status, script, said))
        return said

    def monitor(self, command):
        """One command to QEMU itself; returns what it answered."""
        with self._connect(self._monitor) as s:
            s.settimeout(10)
            said = b''
            while not said.endswith(b'(qemu) '):
                said += s.recv(65536)
            s.sendall(command.encode() + b'\n')
            said = b''
            while not said.endswith(b'(qemu) '):
                said += s.recv(65536)
        # Without the echo of the command.
        return said.decode(errors='replace').partition('\r\n')[2]

    def unplug(self):
        """Makes the guest give up its Agilio functions.  QEMU keeps them: 7.2
        crashes when an ivshmem device is taken out."""
        self.run('for device in /sys/bus/pci/drivers/agilio/0*; do '
                 'echo 1 >$device/remove; done')

    def plug(self, device, path):
        """Puts a function in, whose server is at 'path'."""
        for command in ('chardev-add socket,path=%s,id=%s-chardev'
                        % (path, device),
                        'device_add ivshmem-doorbell,vectors=2,'
                        'chardev=%s-chardev,id=%s' % (device, device)):
            said = self.monitor(command)
            if 'rror' in said:
                raise Failure(said)

    def console_end(self):
        with open(self.console, errors='replace') as f:
            return f.read()[-3000:]

    def check_log(self):
        """Fails if the kernel has complained."""
        log = self.run('dmesg')
        for i, line in enumerate(log.split('\n')):
            if any(word in line for word in COMPLAINTS):
                raise Failure('%s: the kernel says:\n%s' % (
                    self.name, '\n'.join(log.split('\n')[i:i + 40])))

    def stop(self):
        if self._qemu.poll() is None:
            self._qemu.kill()
        self._qemu.wait()
        self._talk.close()
