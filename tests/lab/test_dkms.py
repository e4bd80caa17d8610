# SPDX-License-Identifier: Apache-2.0

"""What the package agilio-dkms installs: DKMS builds it, and Debian's kernel
takes the modules in the place of its own."""

import glob
import os
import shutil

import kernel
import lab

# A build from nothing; minutes, if the machine does other things as well.
limit = 1000
BUILD_LIMIT = 800
MODULES = 'agilio', 'openvswitch', 'vport-geneve', 'vport-gre', 'vport-vxlan'


def build(k):
    """Returns the folder of the modules that DKMS has built."""
    if not shutil.which('dkms'):
        raise lab.Failure('no dkms: run build-aux/install-deps')
    release = k.kernel.release
    sources, tree = (os.path.join(k.folder, name) for name in ('src', 'dkms'))
    os.mkdir(tree)
    lab.run(lab.TOP + '/build-aux/install-dkms', sources + '/agilio-1', '1')
    where = ['--sourcetree', sources, '--dkmstree', tree]
    lab.run('dkms', 'add', *where, '-m', 'agilio', '-v', '1')
    lab.run('dkms', 'build', *where, '-m', 'agilio', '-v', '1', '-k', release,
            '--kernelsourcedir', kernel.HEADERS % release, timeout=BUILD_LIMIT)
    return os.path.join(tree, 'agilio/1', release)


def test(k):
    built = build(k)
    found = {os.path.basename(path)[:-len('.ko')]: path for path in
             glob.glob(built + '/*/module/*.ko')}
    if sorted(found) != sorted(MODULES):
        raise lab.Failure('DKMS built %s' % sorted(found))

    a = k.add_host('p0', '10.1.0.1/24')
    k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm()
    # depmod would read the whole kernel, as slowly as the guest reads files.
    # It has read these, of the same names, that kernel.py installs.
    updates = '/lib/modules/%s/updates' % k.kernel.release
    machine.run('rm %s/*; cp %s %s' % (
        updates, ' '.join(found.values()), updates))
    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0', 'agl_p1')
    machine.run('modprobe vport-vxlan; modprobe vport-geneve; '
                'modprobe vport-gre')
    lab.wait_until('a path', lambda: a.ping('10.1.0.2', 1), 15)
    lab.wait_until('packets carried', lambda: k.share_of(
        lambda: a.ping('10.1.0.2', 50, 0.02)) > 0.95)
    return '%d modules' % len(found)
