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


def check_counts(machine, a):
    machine.run('. /lab-env; ovs-ofctl add-flow br0 '
                'priority=9,icmp,nw_src=10.1.0.1,actions=normal')
    if a.ping('10.1.0.2', 40, 0.05) != 40:
        raise lab.Failure('packets were lost')
    lab.wait_until('40 packets of 40 counted', lambda:
                   n_packets(machine, 'icmp') == 40, 10)


def check_idle(k, machine, a):
    """A ping each second keeps its flow; then it goes."""
    before = k.nic_stats()['fallback_miss']
    a.ping('10.1.0.2', 2 * IDLE, 1)
    missed = k.nic_stats()['fallback_miss'] - before
    # ARP may ask again.
    if missed > 2:
        raise lab.Failure('a flow in use went: %d misses' % missed)
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
    machine.run('. /lab-env; ovs-vsctl --no-wait set Open_vSwitch . '
                'other_config:max-idle=%d' % (IDLE * 1000))
    lab.wait_until('a path', lambda: a.ping('10.1.0.2', 1), 15)
    said = check_share(k, a, b)
    check_counts(machine, a)
    check_idle(k, machine, a)
    return said
