# SPDX-License-Identifier: Apache-2.0

"""The NIC carries what passes a bridge of the kernel datapath.

Shares, counts, and the life of a flow: it goes when it is idle, and stays
while the NIC sees packets of which the kernel sees none.
"""

import re

import lab

IDLE = 3                        # Seconds until vswitchd deletes a flow.


def n_packets(machine, match):
    """What OpenFlow counts for the flow of br0 that is written so."""
    said = machine.run('. /lab-env; ovs-ofctl dump-flows br0 ' + match)
    return int(re.search(r'n_packets=(\d+)', said).group(1))


def check_share(k, a, b):
    carried = k.share_of(lambda: a.iperf(b, 5))
    if carried < 0.99:
        raise lab.Failure('the NIC carried %.2f %%' % (carried * 100))
    return 'iperf3: carried %.2f %%' % (carried * 100)


def set_idle(machine, seconds):
    machine.run('. /lab-env; ovs-vsctl --no-wait set Open_vSwitch . '
                'other_config:max-idle=%d' % (seconds * 1000))


def datapath_counts(machine, direction):
    """Packets and bytes that ovs-dpctl shows for the one flow of pings in a
    direction, 'src' or 'dst' being 10.1.0.1; None if there is none."""
    said = machine.run('. /lab-env; ovs-dpctl dump-flows | grep '
                       '"ipv4([^)]*%s=10.1.0.1" || :' % direction)
    counts = re.findall(r'packets:(\d+), bytes:(\d+)', said)
    if len(counts) > 1:
        raise lab.Failure('one flow expected: ' + said)
    return tuple(map(int, counts[0])) if counts else None


def check_counts(machine, a):
    """Each packet once, in OpenFlow, in the datapath, and its bytes."""
    set_idle(machine, 60)
    # What flows have counted goes to the rule that there was.
    machine.run('. /lab-env; ovs-appctl revalidator/purge; '
                'ovs-ofctl add-flow br0 '
                'priority=9,icmp,nw_src=10.1.0.1,actions=normal; '
                'ovs-ofctl add-flow br0 '
                'priority=9,icmp,nw_dst=10.1.0.1,actions=normal')
    # The packet that makes a flow is not counted by it.
    if a.ping('10.1.0.2', 41, 0.05) != 41:
        raise lab.Failure('packets were lost')
    for direction in 'src', 'dst':
        rule = 'icmp,nw_%s=10.1.0.1' % direction
        lab.wait_until('41 packets counted',
                       lambda: n_packets(machine, rule) >= 41, 10)
        n = n_packets(machine, rule)
        if n != 41:
            raise lab.Failure('of 41 packets, OpenFlow says %d' % n)
        counts = datapath_counts(machine, direction)
        if counts != (40, 40 * 98):
            raise lab.Failure('of 40 packets, %d bytes, ovs-dpctl says %s'
                              % (40 * 98, counts))


def check_idle(k, machine, a):
    """A ping each second keeps its flow, which counts on; then it goes."""
    set_idle(machine, IDLE)
    # The flow that there was may have been idle for longer.
    lab.wait_until('a flow', lambda: a.ping('10.1.0.2', 1)
                   and datapath_counts(machine, 'src'), 10)
    before = datapath_counts(machine, 'src')[0]
    a.ping('10.1.0.2', 3 * IDLE, 1)
    after = datapath_counts(machine, 'src')
    if not after or after[0] - before != 3 * IDLE:
        raise lab.Failure('a flow in use went: %d packets, then %s'
                          % (before, after))
    a.run('ip', 'link', 'set', 'eth0', 'down')
    lab.wait_until('no flow on the NIC', lambda: 'flows: 0 of'
                   in k.nic_appctl('nic/show'), 4 * IDLE + 10)
    if 'eth_type(0x0800)' in machine.run(
            '. /lab-env; ovs-appctl dpctl/dump-flows'):
        raise lab.Failure('a flow is in the kernel, and not on the NIC')


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    b = k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm()
    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0', 'agl_p1')
    lab.wait_until('a path', lambda: a.ping('10.1.0.2', 1), 15)
    # No ARP from here on.
    for one, other in (a, b), (b, a):
        one.run('ip', 'neigh', 'replace', other.address.split('/')[0],
                'lladdr', other.mac(), 'dev', 'eth0')
    said = check_share(k, a, b)
    check_counts(machine, a)
    check_idle(k, machine, a)
    return said
