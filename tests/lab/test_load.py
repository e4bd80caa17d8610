# SPDX-License-Identifier: Apache-2.0

"""The modules come and go, alone and under a running switch."""

import lab

TIMES = 50


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm()
    machine.run('''
        for i in $(seq %d); do
            modprobe agilio
            ip link set agl_p0 up 2>/dev/null || :
            rmmod agilio
            rmmod openvswitch
        done''' % TIMES, timeout=200)

    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0', 'agl_p1')
    lab.wait_until('a path', lambda: a.ping('10.1.0.2', 1), 15)
    # The representors go; new ones come, are set up as any new device must
    # be, and vswitchd takes them into the bridge.
    machine.run('rmmod agilio; modprobe agilio')
    for port in 'agl_p0', 'agl_p1':
        lab.wait_until(port, lambda: port in machine.run('ip link'), 15)
        machine.run('ip link set %s up' % port)
    lab.wait_until('a path again', lambda: a.ping('10.1.0.2', 1), 30)
    # Addresses are learned, then known flows are carried.
    lab.wait_until('packets carried', lambda: k.share_of(
        lambda: a.ping('10.1.0.2', 50, 0.02)) > 0.95)
    return '%d times' % TIMES
