# SPDX-License-Identifier: Apache-2.0

"""Virtual machines whose only network card is a VF of the NIC.

One VM has the physical function and the switch, two have a VF each, with the
same driver.  They talk through the NIC; the host sees the first packets.
"""

import os
import re

import lab


# How often the driver's watch has looked at the function in two seconds.
WATCHED = '''
mount -t tracefs none /sys/kernel/tracing 2>/dev/null || :
cd /sys/kernel/tracing/events/workqueue/workqueue_execute_start
echo hist:keys=function.sym >trigger
sleep 2
awk '/ watch  *\\[agilio\\]/ { n = $NF } END { print n + 0 }' hist
echo '!hist:keys=function.sym' >trigger
'''


def start_guest(k, name, address):
    socket = os.path.join(k.folder, name + '.sock')
    guest = k.start_vm(name=name, nic=socket, memory=512)
    guest.run('modprobe agilio')
    lab.wait_until('a network card', lambda: 'eth0' in guest.run('ip link'))
    # The address is the guest's to choose.
    guest.run('ip link set eth0 address 02:00:00:00:07:%s; '
              'ip link set eth0 up; ip addr add %s dev eth0'
              % (name[-1:].zfill(2), address))
    return guest


def ping(guest, address, count):
    said = guest.run('ping -n -q -c %d -i 0.1 %s' % (count, address),
                     check=False)
    return int(re.search(r'(\d+) received', said).group(1))


def check_idle(guest):
    """A driver that has nothing to do sleeps: it looks every half second, and
    when something has changed."""
    n = int(guest.run(WATCHED))
    if not 0 < n < 100:
        raise lab.Failure('the watch ran %d times in 2 s' % n)


def test(k):
    names = ['v0.1', 'v0.2']
    k.start_nic(*['--port=%s=vf:%s' % (name, os.path.join(
        k.folder, name + '.sock')) for name in names])
    switch = k.start_vm()
    k.start_switch(switch)
    k.add_bridge(switch, *['agl_' + name for name in names])
    one, two = (start_guest(k, name, '10.1.0.%d/24' % (i + 1))
                for i, name in enumerate(names))
    lab.wait_until('a path', lambda: ping(one, '10.1.0.2', 1), 15)
    lab.wait_until('pings carried', lambda: k.share_of(
        lambda: ping(one, '10.1.0.2', 30)) > 0.95)
    for guest in one, two, switch:
        check_idle(guest)
    two.run('iperf3 -s -1 -D; sleep 1')
    share = k.share_of(lambda: one.run('iperf3 -c 10.1.0.2 -t 5', timeout=60))
    if share < 0.99:
        raise lab.Failure('the NIC carried %.2f %%' % (share * 100))
    return 'iperf3 from VM to VM: carried %.2f %%' % (share * 100)
