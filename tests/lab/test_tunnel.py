# SPDX-License-Identifier: Apache-2.0

"""Tunnels of the kernel datapath, whose headers the NIC pushes and pops.

    host a -- p0 |     | v0.1 == VF == another VM, which has
     10.1.0.1    | NIC |               the kernel's own tunnel devices
                           172.16.0.1 - 172.16.0.2, in the tunnel 10.1.0.2
                              fd00::1 - fd00::2
"""

import os
import re
import time

import lab

limit = 700

# What is in OVS, and the devices that it and the other VM have.  The latter's
# IPv6 GRE puts an extension header (encaplimit) before GRE.
KINDS = {
    'vxlan': ('type=vxlan options:remote_ip=172.16.0.2', 'vxlan_sys_4789',
              'vxlan id 42 remote 172.16.0.1 dstport 4789'),
    'geneve': ('type=geneve options:remote_ip=172.16.0.2', 'genev_sys_6081',
               'geneve id 42 remote 172.16.0.1'),
    'gre': ('type=gre options:remote_ip=172.16.0.2', 'gre_sys',
            'gretap key 42 remote 172.16.0.1 local 172.16.0.2'),
    'geneve6': ('type=geneve options:remote_ip=fd00::2 options:csum=true',
                'genev_sys_6081', 'geneve id 42 remote fd00::1'),
    'gre6': ('type=ip6gre options:remote_ip=fd00::2', 'ip6gre_sys',
             'ip6gretap key 42 remote fd00::1 local fd00::2'),
    'vxlan6': ('type=vxlan options:remote_ip=fd00::2', 'vxlan_sys_4789',
               'vxlan id 42 remote fd00::1 dstport 4789 '
               'udp6zerocsumtx udp6zerocsumrx'),
}


def received(machine, device):
    """Packets that a device of the guest received."""
    return int(machine.run('cat /sys/class/net/%s/statistics/rx_packets'
                           % device))


def start_peer(k):
    peer = k.start_vm(name='peer', memory=512,
                      nic=os.path.join(k.folder, 'v0.1.sock'))
    peer.run('modprobe agilio; modprobe vxlan; modprobe geneve; '
             'modprobe ip_gre; modprobe ip6_gre')
    lab.wait_until('a network card', lambda: 'eth0' in peer.run('ip link'))
    peer.run('ip link set eth0 up; ip addr add 172.16.0.2/24 dev eth0; '
             'ip addr add fd00::2/64 dev eth0 nodad')
    return peer


def check_kind(k, kind, machine, peer, a):
    options, device, other = KINDS[kind]
    machine.run('. /lab-env; ovs-vsctl -t 20 --if-exists del-port tun '
                '-- add-port br0 tun -- set interface tun %s '
                'options:key=42' % options)
    peer.run('ip link del tun 2>/dev/null || :; ip link add tun type %s; '
             'ip link set tun up mtu 1400; ip addr add 10.1.0.2/24 dev tun'
             % other)
    a.run('ip', 'neigh', 'flush', 'nud', 'all', 'dev', 'eth0')
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


def check_changes(machine, peer, a, local, remote, blackhole):
    """A neighbour's MAC address and a route change, there and back."""
    def set_mac(mac):
        machine.run('ip neigh replace %s lladdr %s dev agl_v0.1 nud permanent'
                    % (remote, mac))

    mac = peer.run('cat /sys/class/net/tun/address')
    a.run('ip', 'neigh', 'replace', '10.1.0.2', 'lladdr', mac, 'dev', 'eth0')
    mac = peer.run('cat /sys/class/net/eth0/address')
    expect(a, 5, 'nothing')
    set_mac('02:00:00:00:00:99')
    expect(a, 0, 'a MAC address')
    set_mac(mac)
    expect(a, 5, 'the way back of a MAC address')
    machine.run('ip neigh replace %s lladdr %s dev agl_v0.1 nud reachable'
                % (remote, mac))
    machine.run('ip route add %s' % blackhole)
    expect(a, 0, 'a route')
    machine.run('ip route del %s' % blackhole)
    expect(a, 5, 'the way back of a route')
    # The NIC is told of the address by which packets come back.
    machine.run('ip addr del %s dev agl_v0.1' % local)
    expect(a, 0, 'an address')
    machine.run('ip addr add %s dev agl_v0.1%s'
                % (local, ' nodad' if ':' in local else ''))
    expect(a, 5, 'the way back of an address')


def check_keep_alive(k, machine, peer, a, family, remote):
    """The kernel sees no packet, and yet asks the neighbour now and then."""
    # No ARP in the tunnel: what the NIC carries are the pings.
    peer.run('ip neigh replace 10.1.0.1 lladdr %s dev tun' % a.mac())
    machine.run('cd /proc/sys/net/%s/neigh/agl_v0.1; '
                'echo 1000 >base_reachable_time_ms; '
                'echo 1 >delay_first_probe_time; '
                'ip neigh replace %s dev agl_v0.1 lladdr '
                '$(ip neigh show %s dev agl_v0.1 | cut -d" " -f3) '
                'nud stale' % (family, remote, remote))
    # Not the share of all packets: what the neighbour answers is one, too.
    before = k.nic_stats()['carried']
    replies = a.ping('10.1.0.2', 120, 0.1)
    carried = k.nic_stats()['carried'] - before
    said = machine.run('ip -s neigh show %s dev agl_v0.1' % remote)
    # used/confirmed/updated, in seconds.
    age = int(re.search(r'used \d+/(\d+)/\d+', said).group(1))
    if replies != 120 or carried != 240 or age > 6:
        raise lab.Failure('a neighbour in use is not kept alive: of 120 '
                          'pings %d were answered, of 240 packets %d carried; '
                          '%s' % (replies, carried, said))
    machine.run('echo 30000 >/proc/sys/net/%s/neigh/agl_v0.1/'
                'base_reachable_time_ms' % family)


def check_ecn(k, machine, peer):
    """An outer header with ECT(1) may change the inner one: that is for the
    kernel; with ECT(0), never."""
    def ping(tos):
        said = peer.run('ping -n -q -c 40 -i 0.05 -Q %d 10.1.0.1' % tos,
                        check=False)
        if '40 received' not in said:
            raise lab.Failure('ECN %d: %s' % (tos, said))

    ping(2)
    if k.share_of(lambda: ping(2)) < 0.95:
        raise lab.Failure('packets with ECT(0) are not carried')
    before = received(machine, 'vxlan_sys_4789')
    ping(1)
    if received(machine, 'vxlan_sys_4789') - before < 40:
        raise lab.Failure('the kernel did not see ECT(1)')


def check_too_long(k, a):
    """Of a packet that does not fit the host's kernel tells the sender."""
    # The flow may have been idle for long.
    lab.wait_until('packets carried', lambda: k.share_of(
        lambda: a.ping('10.1.0.2', 20, 0.02)) > 0.9)
    before = k.nic_stats()['sampled']
    said = a.run('ping', '-c', '2', '-i', '0.2', '-W', '1', '-M', 'do', '-s',
                 '1470', '10.1.0.2', check=False)
    a.run('ip', 'route', 'flush', 'cache')
    # 1500 without IPv6, UDP, VXLAN and inner Ethernet headers.
    if 'mtu = 1430' not in said and 'mtu=1430' not in said:
        raise lab.Failure('no word of what is too long: ' + said)
    if k.nic_stats()['sampled'] == before:
        raise lab.Failure('the NIC did not give it to the host')


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.start_nic('--port=v0.1=vf:' + os.path.join(k.folder, 'v0.1.sock'))
    machine = k.start_vm()
    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0')
    machine.run('ip link set agl_v0.1 up; '
                'ip addr add 172.16.0.1/24 dev agl_v0.1; '
                'ip addr add fd00::1/64 dev agl_v0.1 nodad')
    peer = start_peer(k)
    said = []
    for kind in KINDS:
        said.append(check_kind(k, kind, machine, peer, a))
        if kind == 'gre':
            check_changes(machine, peer, a, '172.16.0.1/24', '172.16.0.2',
                          'blackhole 172.16.0.2/32')
            check_keep_alive(k, machine, peer, a, 'ipv4', '172.16.0.2')
    check_changes(machine, peer, a, 'fd00::1/64', 'fd00::2',
                  'blackhole fd00::2/128')
    check_keep_alive(k, machine, peer, a, 'ipv6', 'fd00::2')
    check_ecn(k, machine, peer)
    check_too_long(k, a)
    return ', '.join(said)
