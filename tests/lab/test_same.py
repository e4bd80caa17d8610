# SPDX-License-Identifier: Apache-2.0

"""Without a NIC, our openvswitch.ko does what Debian's does.

The same scenario in two VMs, which differ in that module alone: what the
datapath, OpenFlow and the kernel say of it must be the same, counts and all.
"""

import concurrent.futures
import difflib
import re

import lab

limit = 700

# The module of the kernel's package, with what it depends on.
LOAD_STOCK = '''
module=/lib/modules/$(uname -r)/kernel/net/openvswitch/openvswitch.ko
for name in $(modinfo -F depends $module | tr , ' '); do
    modprobe $name
done
insmod $module
'''

# Hosts h1 and h2, namespaces, at a bridge.
SETUP = '''. /lab-env
no_ipv6() {
    for which in all default; do
        "$@" sysctl -qw net.ipv6.conf.$which.disable_ipv6=1
    done
}
no_ipv6
ovs-vsctl -t 20 set Open_vSwitch . other_config:max-idle=300000 \\
    -- add-br br0 -- set bridge br0 other_config:hwaddr=02:00:00:00:ff:01
for i in 1 2; do
    ip netns add h$i
    no_ipv6 ip netns exec h$i
    ip link add h$i type veth peer name eth0 netns h$i
    ip -n h$i link set eth0 address 02:00:00:00:00:0$i
    ip -n h$i link set eth0 up
    ip -n h$i addr add 10.1.0.$i/24 dev eth0
    for j in 1 2 3; do
        ip -n h$i neigh replace 10.1.0.$j dev eth0 lladdr 02:00:00:00:00:0$j
    done
    ip link set h$i up
    ovs-vsctl -t 20 add-port br0 h$i -- set interface h$i ofport_request=$i
done
'''

# A host in a tunnel, whose other end is in namespace h3.
SETUP_TUNNEL = '''. /lab-env
ip netns add h3
for which in all default; do
    ip netns exec h3 sysctl -qw net.ipv6.conf.$which.disable_ipv6=1
done
ip link add underlay type veth peer name eth0 netns h3
ip link set underlay up
ip addr add 172.16.0.1/24 dev underlay
ip -n h3 link set eth0 up
ip -n h3 addr add 172.16.0.2/24 dev eth0
'''

TUNNEL = '''. /lab-env
ovs-vsctl -t 20 add-port br0 tun -- set interface tun type=%(kind)s \\
    options:remote_ip=172.16.0.2 options:key=42 ofport_request=3
ip -n h3 link add tun type %(other)s
ip -n h3 link set tun address 02:00:00:00:00:03 mtu 1400 up
ip -n h3 addr add 10.1.0.3/24 dev tun
ip -n h3 neigh replace 10.1.0.1 dev tun lladdr 02:00:00:00:00:01
'''

PINGS = '''. /lab-env
ovs-ofctl del-flows br0
ovs-ofctl -O %s add-flows br0 - <<END
%s
END
ovs-appctl revalidator/purge
to=%s
# The packets that make flows come one at a time, however slow that is.
ip netns exec h1 ping -n -q -c 1 -W 1 $to >/dev/null || :
sleep 1
ip netns exec h1 ping -n -q -c 20 -i 0.05 -W 1 $to | grep transmitted \\
    | sed 's/, time.*//' || :
ovs-dpctl dump-flows | grep -v 'eth_type(0x0806)' || :
ovs-appctl revalidator/wait
ovs-ofctl -O OpenFlow13 dump-flows br0
'''

# Masks are hit in an order that depends on hashes, and their cache is one for
# each CPU; ours is the larger module.
ENDED = '''. /lab-env
ovs-dpctl del-flows
ovs-dpctl dump-flows
ovs-ofctl dump-ports br0 h2
ovs-dpctl show | grep -vE '^ *(masks|cache):'
ovs-appctl exit --cleanup
# The kernel frees what the process had when that has ended, and RCU's readers.
for i in $(seq 50); do
    [ $(cat /sys/module/openvswitch/refcnt) = 0 ] || sleep 0.1
done
lsmod | awk '$1 == "openvswitch" { print $1, $3 }'
rmmod openvswitch
dmesg | grep -E 'openvswitch|vxlan|geneve|gre|promiscuous|WARN|BUG' \\
    | sed 's/^\\[[^]]*\\] //'
'''

# Flows of each, and whom h1 pings there.
POLICIES = {
    'normal': ('actions=normal', '10.1.0.2'),
    'set, VLAN': ('''in_port=1,actions=mod_vlan_vid:7,resubmit(,1)
        in_port=2,actions=1
        table=1,dl_vlan=7,actions=strip_vlan,mod_nw_tos:32,dec_ttl,2''',
                  '10.1.0.2'),
    'tagged': ('in_port=1,actions=mod_vlan_vid:7,2', '10.1.0.2'),
    'ct': ('''in_port=1,ip,actions=ct(commit,table=1,zone=5)
        in_port=2,ip,actions=ct(table=1,zone=5)
        table=1,in_port=1,ct_state=+trk,actions=2
        table=1,in_port=2,ct_state=+est,actions=1''', '10.1.0.2'),
    'MPLS': ('''in_port=1,ip,actions=push_mpls:0x8847,'''
             '''set_field:55->mpls_label,resubmit(,1)
        in_port=2,actions=1
        table=1,mpls,mpls_label=55,actions=pop_mpls:0x0800,resubmit(,2)
        table=2,ip,nw_src=10.1.0.1,actions=2''', '10.1.0.2'),
    'meter': ('in_port=1,ip,actions=meter:1,2\nin_port=2,actions=1',
              '10.1.0.2'),
    'trunc': ('in_port=1,actions=output(port=2,max_len=60)', '10.1.0.2'),
    'length': ('''in_port=1,ip,actions=check_pkt_larger(90)->reg0[0],'''
               '''resubmit(,1)
        in_port=2,actions=1
        table=1,reg0=1,actions=mod_nw_tos:4,2''', '10.1.0.2'),
    'drop': ('actions=drop', '10.1.0.2'),
}

TUNNELS = {
    'vxlan': 'vxlan id 42 remote 172.16.0.1 dstport 4789',
    'geneve': 'geneve id 42 remote 172.16.0.1',
    'gre': 'gretap key 42 remote 172.16.0.1 local 172.16.0.2',
}


def normal(said):
    """What is of the moment is taken out; in a fixed order."""
    # How a command of OVS complains of a slow machine.
    said = re.sub(r'(?m)^[-\d]+T\S+Z\|\d+\|(timeval|coverage|poll_loop)\|.*$',
                  '', said)
    said = re.sub(r'(duration|used|idle_age|cookie)[:=][^ ,]*', r'\1', said)
    said = re.sub(r'recirc(_id)?\(0x[1-9a-f][0-9a-f]*\)', r'recirc\1(N)', said)
    said = re.sub(r'tp_src=\d+', 'tp_src=N', said)      # By a hash.
    return sorted(line.strip() for line in said.split('\n') if line.strip())


def scenario(machine):
    """What it says, part by part."""
    said = {'start': machine.run(SETUP)}
    machine.run('. /lab-env; ovs-ofctl -O OpenFlow13 add-meter br0 '
                'meter=1,pktps,stats,bands=type=drop,rate=10000')
    for name, (flows, address) in POLICIES.items():
        version = 'OpenFlow13' if name == 'meter' else 'OpenFlow10'
        said[name] = machine.run(PINGS % (version, flows, address))
    said['meters'] = machine.run('. /lab-env; ovs-ofctl -O OpenFlow13 '
                                 'meter-stats br0')
    said['masks'] = machine.run('. /lab-env; ovs-dpctl show | grep lookups')
    machine.run(SETUP_TUNNEL)
    for kind, other in TUNNELS.items():
        machine.run(TUNNEL % {'kind': kind, 'other': other})
        said[kind] = machine.run(PINGS % ('OpenFlow10', 'actions=normal',
                                          '10.1.0.3'))
        machine.run('. /lab-env; ovs-vsctl -t 20 del-port tun; '
                    'ip -n h3 link del tun')
    said['end'] = machine.run(ENDED)
    return {name: normal(text) for name, text in said.items()}


def start(k, name, load):
    machine = k.start_vm(nic=False, name=name)
    machine.run(load)
    k.start_switch(machine, driver=False)
    return machine


def test(k):
    stock = start(k, 'stock', LOAD_STOCK)
    ours = start(k, 'ours', 'modprobe openvswitch')
    for machine, inside in (stock, ''), (ours, 'O'):
        if (machine.run('cat /sys/module/openvswitch/taint').strip('E')
                != inside):
            raise lab.Failure('%s: not that module' % machine.name)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        one, other = pool.map(scenario, (stock, ours))
    wrong = []
    for name, lines in one.items():
        # Ours says at its start that it is not Debian's.
        mine = [line for line in other[name] if 'taint' not in line]
        different = list(difflib.unified_diff(lines, mine, 'stock', 'ours',
                                              lineterm='', n=0))
        if different:
            wrong += ['%s:' % name] + different
    if wrong:
        raise lab.Failure('\n'.join(wrong))
    counted = sum('packets:20,' in line for lines in one.values()
                  for line in lines)
    if counted < 12:
        raise lab.Failure('little was counted: %s' % one)
    return '%d parts, %d lines' % (len(one), sum(map(len, one.values())))
