# SPDX-License-Identifier: Apache-2.0

"""Actions of the kernel datapath that the NIC does: headers, VLANs, and
recirculation, from which a packet that is not known there goes on in the
kernel, at that point.
"""

import re

import lab

limit = 500

# UDP: from a port, how many, so many a second; first one alone.
SEND = '''
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
for i in range(int(sys.argv[2])):
    s.sendto(b"x", ("10.1.0.2", 7))
    time.sleep(1 / int(sys.argv[3]) + (i < 1))
'''

# UDP in MPLS: from MAC, to MAC, how many, labels.
SEND_MPLS = '''
import socket, struct, sys, time
macs = [bytes.fromhex(mac.replace(":", "")) for mac in sys.argv[1:3]]
labels = [int(label) << 12 | 64 for label in sys.argv[4:]]
labels[-1] |= 0x100
ip = struct.pack("!BBHHHBBH4B4B", 0x45, 0, 48, 1, 0x4000, 64, 17, 0x26b7,
                 10, 1, 0, 1, 10, 1, 0, 2)
udp = struct.pack("!HHHH", 4000, 7, 28, 0) + bytes(20)
frame = macs[1] + macs[0] + b"\\x88\\x47" + struct.pack(
    "!%dI" % len(labels), *labels) + ip + udp
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for i in range(int(sys.argv[3])):
    s.send(frame)
    time.sleep(0.02 + (i < 1))
'''


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


def set_flows(machine, flows, version='OpenFlow10'):
    machine.run('. /lab-env; ovs-ofctl del-flows br0\n'
                'ovs-ofctl -O %s add-flows br0 - <<END\n%s\nEND'
                % (version, flows))


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


def check_mpls(k, machine, a, b):
    a.run('ip', 'neigh', 'replace', '10.1.0.2', 'lladdr', b.mac(),
          'dev', 'eth0')
    set_flows(machine, '''
        priority=1,arp,actions=normal
        priority=1,ip,in_port=agl_p0,actions=push_mpls:0x8847,'''
              '''set_field:55->mpls_label,agl_p1
        priority=1,ip,in_port=agl_p1,actions=agl_p0''')
    a.ping('10.1.0.2', 3, 0.2, wait=1)
    check_carried(k, 'push_mpls', lambda: a.ping('10.1.0.2', 60, 0.02, wait=1))
    said = sniff(b, 'mpls', lambda: a.ping('10.1.0.2', 5, wait=1))
    if 'MPLS (label 55,' not in said:
        raise lab.Failure('push_mpls: ' + said)
    # A label is changed, a stack shortened, the last one popped.
    set_flows(machine, '''
        mpls,mpls_label=11,actions=set_field:77->mpls_label,agl_p1
        mpls,mpls_label=12,actions=pop_mpls:0x8847,agl_p1
        mpls,mpls_label=13,actions=pop_mpls:0x0800,resubmit(,1)
        table=1,ip,nw_src=10.1.0.1,actions=mod_nw_tos:64,agl_p1''')
    for labels, expected in (((11, 12), 'MPLS (label 77,'),
                             ((12, 55), 'MPLS (label 55,'),
                             ((13,), 'tos 0x40')):
        def send(count=5):
            a.run('python3', '-c', SEND_MPLS, a.mac(), b.mac(), str(count),
                  *map(str, labels))
        send()
        check_carried(k, 'MPLS', lambda: send(60))
        said = sniff(b, 'not ip6', send)
        if expected not in said:
            raise lab.Failure('label %s: %s' % (labels, said))


def check_lengths(k, machine, a, b):
    """What is longer than something; and cut to something, tag or not."""
    set_flows(machine, '''
        priority=1,arp,actions=normal
        priority=1,ip,in_port=agl_p1,actions=agl_p0
        priority=1,ip,in_port=agl_p0,actions=check_pkt_larger(500)->reg0[0],'''
              '''resubmit(,1)
        table=1,reg0=0x1/0x1,actions=mod_nw_tos:4,agl_p1
        table=1,reg0=0x0/0x1,actions=mod_nw_tos:8,agl_p1''')
    for size, tos in (458, 8), (459, 4):        # With 42 bytes of headers.
        def ping(count=5):
            a.run('ping', '-q', '-c', str(count), '-i', '0.02', '-W', '1',
                  '-s', str(size), '10.1.0.2')
        ping()
        check_carried(k, 'check_pkt_larger', lambda: ping(60))
        said = sniff(b, 'icmp', ping)
        if 'tos 0x%x,' % tos not in said:
            raise lab.Failure('%d bytes: %s' % (size + 42, said))

    for tag in '', 'mod_vlan_vid:10,':
        set_flows(machine, '''
            priority=1,arp,actions=normal
            priority=1,ip,in_port=agl_p1,actions=agl_p0
            priority=1,ip,in_port=agl_p0,actions=%s'''
                  '''output(port=agl_p1,max_len=100)''' % tag)
        a.ping('10.1.0.2', 3, 0.1, wait=1)
        ping = a.start('ping', '-i', '0.02', '-s', '400', '10.1.0.2')
        check_carried(k, 'trunc', lambda: b.run('sleep', '2'))
        said = sniff(b, 'vlan' if tag else 'icmp', lambda: None)
        ping.kill()
        ping.wait()
        # The kernel does not count the tag.
        if 'length %d:' % (104 if tag else 100) not in said:
            raise lab.Failure('trunc: ' + said)


def check_hash(k, machine, a, b):
    """A connection's packets all go to one bucket, also the first, which the
    host takes there; not all connections go to the same."""
    machine.run('''. /lab-env; ovs-ofctl -O OpenFlow15 add-group br0 '''
                '''group_id=1,type=select,selection_method=dp_hash,'''
                '''bucket=bucket_id:1,set_field:8-\\>ip_dscp,output:agl_p1,'''
                '''bucket=bucket_id:2,set_field:16-\\>ip_dscp,output:agl_p1''')
    set_flows(machine, '''
        priority=1,arp,actions=normal
        priority=1,ip,in_port=agl_p1,actions=agl_p0
        priority=1,ip,in_port=agl_p0,actions=group:1''')
    dump = b.start_reading('timeout', '99', 'tcpdump', '-l', '-n', '-v', '-i',
                           'eth0', '-Q', 'in', '-c', '120', 'udp')
    carried = k.nic_stats()['carried']
    for port in range(4000, 4012):
        if port % 4 == 0:
            machine.run('. /lab-env; ovs-appctl revalidator/purge')
        a.run('python3', '-c', SEND, str(port), '10', '20')
    carried = k.nic_stats()['carried'] - carried
    said = dump.communicate(timeout=100)[0]
    tos = {}
    for packet in re.findall(r'tos (0x[0-9a-f]+),.*?\.(40\d\d) > ', said,
                             re.S):
        tos.setdefault(packet[1], []).append(packet[0])
    if (len(tos) != 12 or any(len(set(seen)) > 1 for seen in tos.values())
            or len({seen[0] for seen in tos.values()}) != 2):
        raise lab.Failure('buckets: %s' % tos)
    if carried < 80:
        raise lab.Failure('hash: the NIC carried %d packets of 120' % carried)


def udp_received(host):
    said = host.run('cat', '/proc/net/snmp')
    names, values = re.findall(r'^Udp: (.*)$', said, re.M)
    return int(dict(zip(names.split(), values.split()))['NoPorts'])


def check_meter(k, machine, a, b):
    """What the meter says is what came and what did not get through."""
    def n(name):
        said = machine.run('. /lab-env; ovs-ofctl -O OpenFlow13 meter-stats '
                           'br0 meter=1')
        return int(re.search(r'\b%s:(\d+)' % name, said).group(1))

    machine.run('. /lab-env; ovs-ofctl -O OpenFlow13 add-meter br0 meter=1,'
                'pktps,burst,stats,bands=type=drop,rate=20,burst_size=20')
    set_flows(machine, '''
        priority=1,arp,actions=normal
        priority=1,ip,in_port=agl_p1,actions=agl_p0
        priority=1,udp,in_port=agl_p0,actions=meter:1,agl_p1''',
              'OpenFlow13')
    before, dropped = udp_received(b), k.nic_stats()['drop_meter']
    check_carried(k, 'meter', lambda: a.run('python3', '-c', SEND, '4000',
                                            '301', '200'))
    came = udp_received(b) - before
    dropped = k.nic_stats()['drop_meter'] - dropped
    said = [n(name) for name in ('packet_in_count', 'byte_in_count',
                                 'packet_count', 'byte_count')]
    if said != [301, 301 * 43, 301 - came, (301 - came) * 43]:
        raise lab.Failure('301 packets of 43 bytes, of which %d came: %s'
                          % (came, said))
    if came > 150 or dropped != 301 - came:
        raise lab.Failure('of 301 packets %d came, %d dropped by the NIC'
                          % (came, dropped))
    # Another meter takes its place, then none.
    machine.run('. /lab-env; ovs-ofctl -O OpenFlow13 mod-meter br0 meter=1,'
                'pktps,burst,stats,bands=type=drop,rate=100000,'
                'burst_size=100000')
    before = udp_received(b)
    check_carried(k, 'meter', lambda: a.run('python3', '-c', SEND, '4000',
                                            '101', '200'))
    if udp_received(b) - before != 101 or n('packet_in_count') != 101:
        raise lab.Failure('of 101 packets %d came, %d counted'
                          % (udp_received(b) - before, n('packet_in_count')))


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
    check_mpls(k, machine, a, b)
    check_lengths(k, machine, a, b)
    check_hash(k, machine, a, b)
    check_meter(k, machine, a, b)
    check_why(machine, a)
    return 'recirculation, set, VLAN, MPLS, lengths, hash, meter, '\
        'reasons'
