# SPDX-License-Identifier: Apache-2.0

"""Actions of the kernel datapath that the NIC does: headers, VLANs, and
recirculation, from which a packet that is not known there goes on in the
kernel, at that point.
"""

import lab


def check_carried(k, what, traffic):
    share = k.share_of(traffic)
    if share < 0.95:
        raise lab.Failure('%s: the NIC carried %.2f %%' % (what, share * 100))


def sniff(host, expression, traffic):
    """What tcpdump says of the first packet that comes to 'host'."""
    process = host.start_reading(
        'timeout', '20', 'tcpdump', '-l', '-n', '-e', '-v', '-i', 'eth0',
        '-Q', 'in', '-c', '1', expression)
    traffic()
    return process.communicate(timeout=25)[0]


def set_flows(machine, flows):
    machine.run('. /lab-env; ovs-ofctl del-flows br0\n'
                'ovs-ofctl add-flows br0 - <<END\n%s\nEND' % flows)


def check_recirc(k, machine, a, b):
    """The first pass is known, the second one is not, for each protocol."""
    set_flows(machine, '''
        priority=1,arp,actions=normal
        priority=1,ip,in_port=agl_p0,actions=debug_recirc,resubmit(,1)
        priority=1,ip,in_port=agl_p1,actions=agl_p0
        table=1,priority=2,icmp,nw_src=10.1.0.1,actions=agl_p1
        table=1,priority=2,tcp,tp_dst=5201,actions=agl_p1
        table=1,priority=2,udp,actions=drop''')
    if a.ping('10.1.0.2', 20, 0.1) != 20:
        raise lab.Failure('recirculation: packets were lost')
    recirculated = k.nic_stats()['recirc']
    check_carried(k, 'recirculation', lambda: a.iperf(b, 3))
    if k.nic_stats()['recirc'] == recirculated:
        raise lab.Failure('the NIC recirculated nothing')
    bad = machine.run('ethtool -S agl_p0 | grep -w rx_bad')
    if bad.split()[-1] != '0':
        raise lab.Failure('records that the driver does not understand')


def check_set(k, machine, a, b):
    """Addresses, TTL, TOS, there and back."""
    set_flows(machine, '''
        priority=1,arp,actions=normal
        priority=2,ip,nw_dst=10.9.9.9,actions=mod_nw_dst:10.1.0.2,'''
              '''mod_nw_tos:32,dec_ttl,mod_nw_src:10.8.8.8,agl_p1
        priority=2,ip,nw_dst=10.8.8.8,actions=mod_nw_dst:10.1.0.1,'''
              '''mod_nw_src:10.9.9.9,agl_p0''')
    a.run('ip', 'neigh', 'replace', '10.9.9.9', 'lladdr', b.mac(),
          'dev', 'eth0')
    a.run('ip', 'route', 'replace', '10.9.9.9', 'dev', 'eth0')
    b.run('ip', 'neigh', 'replace', '10.8.8.8', 'lladdr', a.mac(),
          'dev', 'eth0')
    b.run('ip', 'route', 'replace', '10.8.8.8', 'dev', 'eth0')
    if a.ping('10.9.9.9', 5) != 5:
        raise lab.Failure('set: packets were lost')
    check_carried(k, 'set', lambda: a.ping('10.9.9.9', 60, 0.02))
    said = sniff(b, 'icmp', lambda: a.ping('10.9.9.9', 5))
    for word in 'tos 0x20', 'ttl 63', '10.8.8.8 > 10.1.0.2':
        if word not in said:
            raise lab.Failure('set: no "%s" in: %s' % (word, said))


def check_vlan(k, machine, a, b):
    set_flows(machine, 'in_port=agl_p0,actions=mod_vlan_vid:10,agl_p1')
    a.run('ip', 'neigh', 'replace', '10.1.0.2', 'lladdr', '02:00:00:00:00:02',
          'dev', 'eth0')
    a.ping('10.1.0.2', 3, 0.2)
    check_carried(k, 'VLAN', lambda: a.ping('10.1.0.2', 60, 0.02))
    said = sniff(b, 'vlan', lambda: a.ping('10.1.0.2', 5))
    if 'vlan 10,' not in said:
        raise lab.Failure('VLAN: ' + said)


def check_why(machine, a):
    """A flow that is the host's is there with its reason, and works."""
    set_flows(machine, 'actions=normal')
    machine.run('ip addr add 10.1.0.3/24 dev br0; ip link set br0 up')
    a.run('ip', 'neigh', 'flush', 'all')
    lab.wait_until('a path to the host', lambda: a.ping('10.1.0.3', 1), 10)
    said = machine.run('mount -t debugfs debugfs /sys/kernel/debug; '
                       'cat /sys/kernel/debug/agilio/*/flows')
    if 'output: host port' not in said:
        raise lab.Failure('no reason: ' + said)


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    b = k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm()
    # For the action debug_recirc.
    k.start_switch(machine, '--enable-dummy')
    k.add_bridge(machine, 'agl_p0', 'agl_p1')
    lab.wait_until('a path', lambda: a.ping('10.1.0.2', 1), 15)
    check_recirc(k, machine, a, b)
    check_set(k, machine, a, b)
    check_vlan(k, machine, a, b)
    check_why(machine, a)
    return 'recirculation, set, VLAN, reasons'
