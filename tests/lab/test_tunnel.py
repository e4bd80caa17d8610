# SPDX-License-Identifier: Apache-2.0

"""Tunnels of the kernel datapath, whose headers the NIC pushes and pops.

    host a -- p0 |     | v0.1 == VF == another VM, which has
     10.1.0.1    | NIC |               the kernel's own tunnel devices
                           172.16.0.1 - 172.16.0.2, in the tunnel 10.1.0.2
"""

import os
import time

import lab

# What is in OVS, and the device that the other VM has.
KINDS = {
    'vxlan': ('key=42', 'vxlan_sys_4789',
              'vxlan id 42 remote 172.16.0.1 dstport 4789'),
    'geneve': ('key=42', 'genev_sys_6081', 'geneve id 42 remote 172.16.0.1'),
    'gre': ('key=42', 'gre_sys',
            'gretap key 42 remote 172.16.0.1 local 172.16.0.2'),
}


def received(machine, device):
    """Packets that a device of the guest received."""
    return int(machine.run('cat /sys/class/net/%s/statistics/rx_packets'
                           % device))


def start_peer(k):
    peer = k.start_vm(name='peer', memory=512,
                      nic=os.path.join(k.folder, 'v0.1.sock'))
    peer.run('modprobe agilio; modprobe vxlan; modprobe geneve; '
             'modprobe ip_gre')
    lab.wait_until('a network card', lambda: 'eth0' in peer.run('ip link'))
    peer.run('ip link set eth0 up; ip addr add 172.16.0.2/24 dev eth0')
    return peer


def check_kind(k, kind, machine, peer, a):
    options, device, other = KINDS[kind]
    machine.run('. /lab-env; ovs-vsctl -t 20 --if-exists del-port tun '
                '-- add-port br0 tun -- set interface tun type=%s '
                'options:remote_ip=172.16.0.2 options:%s' % (kind, options))
    peer.run('ip link del tun 2>/dev/null || :; ip link add tun type %s; '
             'ip link set tun up mtu 1400; ip addr add 10.1.0.2/24 dev tun'
             % other)
    a.run('ip', 'neigh', 'flush', 'all')
    lab.wait_until(kind + ': a path', lambda: a.ping('10.1.0.2', 1), 20)
    lab.wait_until(kind + ': packets carried', lambda: k.share_of(
        lambda: a.ping('10.1.0.2', 50, 0.02)) > 0.95)

    before = received(machine, device)
    peer.run('iperf3 -s -1 -D; sleep 1')
    share = k.share_of(lambda: a.run('iperf3', '-c', '10.1.0.2', '-t', '3'))
    if share < 0.99:
        raise lab.Failure('%s: the NIC carried %.2f %%' % (kind, share * 100))
    seen = received(machine, device) - before
    if seen > 50:
        raise lab.Failure('%s: %s saw %d packets' % (kind, device, seen))
    return '%s %.2f %%' % (kind, share * 100)


def expect(a, replies, what):
    """Within a second the NIC has followed."""
    time.sleep(1)
    if a.ping('10.1.0.2', 5, 0.1, wait=1) != replies:
        raise lab.Failure(what + ' is not followed within 1 s')


def check_changes(machine, peer, a):
    """A neighbour's MAC address and a route change, there and back."""
    mac = peer.run('cat /sys/class/net/tun/address')
    a.run('ip', 'neigh', 'replace', '10.1.0.2', 'lladdr', mac, 'dev', 'eth0')
    mac = peer.run('cat /sys/class/net/eth0/address')
    expect(a, 5, 'nothing')
    machine.run('ip neigh replace 172.16.0.2 lladdr 02:00:00:00:00:99 '
                'dev agl_v0.1 nud permanent')
    expect(a, 0, 'a MAC address')
    machine.run('ip neigh replace 172.16.0.2 lladdr %s '
                'dev agl_v0.1 nud permanent' % mac)
    expect(a, 5, 'the way back of a MAC address')
    machine.run('ip route add blackhole 172.16.0.2/32')
    expect(a, 0, 'a route')
    machine.run('ip route del blackhole 172.16.0.2/32')
    expect(a, 5, 'the way back of a route')


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.start_nic('--port=v0.1=vf:' + os.path.join(k.folder, 'v0.1.sock'))
    machine = k.start_vm()
    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0')
    machine.run('ip link set agl_v0.1 up; '
                'ip addr add 172.16.0.1/24 dev agl_v0.1')
    peer = start_peer(k)
    said = [check_kind(k, kind, machine, peer, a) for kind in KINDS]
    check_changes(machine, peer, a)
    return ', '.join(said)
