# SPDX-License-Identifier: Apache-2.0

"""The guest's kernel: Debian's package, unpacked, with an initramfs.

Everything is made once per version, in the folder _lab/.  The image is not
installed: only downloaded, by apt-get, in the version of the headers that are
installed here, for which the modules are built.
"""

import glob
import os
import re
import shutil
import subprocess

# What the guest needs before it has its root.
EARLY = ('virtio_pci', '9pnet_virtio', '9p', 'overlay')
HEADERS = '/usr/src/linux-headers-%s'

# The first process: takes the host's root below a tmpfs, and waits for
# commands on the second serial port (see vm.py).
INIT = r'''#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules); do
    insmod /early/$module
done
mkdir -p /lower /upper /root
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 \
    root /lower
mount -t tmpfs -o size=50% tmpfs /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work \
    overlay /root
for folder in proc sys dev; do
    mount --move /$folder /root/$folder
done
cp /agent /root/lab-agent
cp /tree /root/lab-tree
umount /lower
exec switch_root /root /bin/bash /lab-agent
'''

AGENT = r'''#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
modules=/lib/modules/$(uname -r)
mkdir -p /run/netns "$modules"
mount --bind "$(cat /lab-tree)" "$modules"
ip link set lo up
stty raw -echo </dev/ttyS1
exec 3<>/dev/ttyS1
echo ready >&3
while read -r -u 3 command; do
    said=$(base64 -d <<<"$command" | bash -s 2>&1 3>&-)
    status=$?
    echo "$status $(base64 -w 0 <<<"$said")" >&3
done
'''


class Missing(Exception):
    """The lab cannot be had on this machine; the text says why."""


def version():
    """The kernel release whose headers are installed, the newest."""
    found = sorted(glob.glob(HEADERS % '*-amd64'),
                   key=lambda path: list(map(int, re.findall(r'\d+', path))))
    if not found:
        raise Missing('no linux-headers-amd64')
    return os.path.basename(found[-1])[len('linux-headers-'):]


class Kernel:
    """Paths of what make() has made."""

    def __init__(self, lab):
        self.release = version()
        self.folder = os.path.join(lab, self.release)
        self.image = os.path.join(self.folder, 'boot/vmlinuz-' + self.release)
        self.config = os.path.join(self.folder, 'boot/config-' + self.release)
        self.initrd = os.path.join(self.folder, 'initrd')
        self.modules = os.path.join(self.folder, 'lib/modules', self.release)

    def make(self):
        for tool in ('qemu-system-x86_64', 'busybox', 'cpio', 'depmod'):
            if not shutil.which(tool):
                raise Missing('no ' + tool)
        if not os.path.exists(self.image):
            self._unpack()
        self._make_initrd()

    def _unpack(self):
        """Downloads and unpacks the image, of the headers' version."""
        headers = 'linux-headers-' + self.release
        package = subprocess.run(
            ['dpkg-query', '-W', '-f', '${Version}', headers],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        new = self.folder + '.new'
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        got = subprocess.run(
            ['apt-get', 'download', '-q',
             'linux-image-%s=%s' % (self.release, package)], cwd=new,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if got.returncode:
            raise Missing('cannot download linux-image-%s %s: %s' % (
                self.release, package, got.stdout.strip()))
        deb = glob.glob(os.path.join(new, '*.deb'))[0]
        subprocess.run(['dpkg-deb', '-x', deb, new], check=True)
        os.unlink(deb)
        subprocess.run(['depmod', '-b', new, self.release], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.rename(new, self.folder)

    def install(self, built):
        """Puts modules in the place of the package's of the same names."""
        updates = os.path.join(self.modules, 'updates')
        shutil.rmtree(updates, ignore_errors=True)
        os.makedirs(updates)
        for path in glob.glob(os.path.join(built, '*/*.ko')):
            shutil.copy(path, updates)
        subprocess.run(['depmod', '-b', self.folder, self.release],
                       check=True)

    def stock(self):
        """The package's modules, without those of install(): a folder."""
        folder = self.folder + '.stock'
        modules = os.path.join(folder, 'lib/modules', self.release)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.modules, modules, copy_function=os.link,
                        ignore=shutil.ignore_patterns('updates', 'modules.*'))
        for path in glob.glob(os.path.join(self.modules, 'modules.*')):
            shutil.copy(path, modules)
        subprocess.run(['depmod', '-b', folder, self.release], check=True)
        return modules

    def _early_modules(self):
        """Files of EARLY and what they depend on, in order of loading."""
        files = []
        for name in EARLY:
            said = subprocess.run(
                ['modprobe', '-d', self.folder, '-S', self.release,
                 '--show-depends', name],
                check=True, stdout=subprocess.PIPE, text=True).stdout
            for line in said.split('\n'):
                if line.startswith('insmod '):
                    path = line.split()[1]
                    if path not in files:
                        files.append(path)
        return files

    def _make_initrd(self):
        root = os.path.join(self.folder, 'initramfs')
        shutil.rmtree(root, ignore_errors=True)
        for folder in ('bin', 'early', 'proc', 'sys', 'dev'):
            os.makedirs(os.path.join(root, folder))
        shutil.copy(shutil.which('busybox'), os.path.join(root, 'bin'))
        modules = self._early_modules()
        for path in modules:
            shutil.copy(path, os.path.join(root, 'early'))
        for name, text in (
                ('modules', '\n'.join(map(os.path.basename, modules))),
                ('init', INIT), ('agent', AGENT), ('tree', self.modules)):
            with open(os.path.join(root, name), 'w') as f:
                f.write(text)
        os.chmod(os.path.join(root, 'init'), 0o755)
        with open(self.initrd, 'wb') as out:
            subprocess.run('find . | cpio --quiet -o -H newc', shell=True,
                           cwd=root, check=True, stdout=out)
