# SPDX-License-Identifier: Apache-2.0

"""The NIC stands still for a while; it dies and another one is plugged in; the
switch is restarted.

QEMU cannot reconnect a device to another NIC: as with a card, the dead one is
pulled out and the new one put in.  Nothing that was counted is lost.
"""

import re
import signal

import lab

HUNG = 40                       # Requests to a NIC that does not answer.
ADD_FLOWS = r'''. /lab-env
out=$(ovs-dpctl show | sed -n 's/^ *port \([0-9]*\): agl_p1$/\1/p')
for i in $(seq 10 %d); do
    echo "in_port(agl_p0),eth(src=02:00:00:00:00:$i),eth_type(0x88b5) $out"
done >/run/flows
start=$(date +%%s.%%N)
ovs-dpctl add-flows /run/flows
echo $(date +%%s.%%N) $start | awk '{ print $1 - $2 }'
''' % (HUNG + 9)


def n_packets(machine):
    said = machine.run('. /lab-env; ovs-ofctl dump-flows br0 icmp')
    return sum(map(int, re.findall(r'n_packets=(\d+)', said)))


def up(machine):
    for port in 'agl_p0', 'agl_p1':
        lab.wait_until(port, lambda: port in machine.run('ip link'), 20)
        machine.run('ip link set %s up' % port)


def carries(k, a):
    return k.share_of(lambda: a.ping('10.1.0.2', 50, 0.02)) > 0.95


def check_hung(machine, nic):
    """Who wants something of a NIC that stands still waits once, in all."""
    machine.run('dmesg -C')
    nic.send_signal(signal.SIGSTOP)
    seconds = float(machine.run(ADD_FLOWS, timeout=HUNG * 4))
    machine.run('. /lab-env; ovs-appctl -T 10 version; '
                'ovs-vsctl -t 10 add-br br1 -- del-br br1')
    lost = machine.run('dmesg | grep "the NIC is lost"')
    if lost.count('the NIC is lost') != 1:
        raise lab.Failure('the loss is to be noticed once: ' + lost)
    if seconds > 10 or ('does not answer' in lost and seconds < 2):
        raise lab.Failure('%d flows took %.1f s: %s' % (HUNG, seconds, lost))
    return seconds


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.add_host('p1', '10.1.0.2/24')
    nic = k.start_nic()
    machine = k.start_vm()
    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0', 'agl_p1')
    machine.run('. /lab-env; ovs-ofctl add-flow br0 '
                'priority=9,icmp,nw_src=10.1.0.1,actions=normal')
    lab.wait_until('a path', lambda: carries(k, a))

    waited = check_hung(machine, nic)
    nic.send_signal(signal.SIGCONT)
    lab.wait_until('carried by a NIC that woke up', lambda: carries(k, a))

    machine.run('dmesg -C')
    machine.run('. /lab-env; ovs-ofctl del-flows br0 icmp; ovs-ofctl '
                'add-flow br0 priority=9,icmp,nw_src=10.1.0.1,actions=normal')
    counted = a.ping('10.1.0.2', 20, 0.05)
    k.kill(nic)
    lab.wait_until('the loss noticed', lambda: 'the NIC is lost' in
                   machine.run('dmesg'), 15)
    lab.wait_until('no carrier', lambda: 'NO-CARRIER' in
                   machine.run('ip link show agl_p0'))
    lab.wait_until('the packets counted that the dead one carried',
                   lambda: n_packets(machine) == counted, 10)

    machine.unplug()
    if 'agl_p0' in machine.run('ip link'):
        raise lab.Failure('the device is gone, and its representor is not')
    k.start_nic()
    machine.plug('function1', k.nic_socket)
    up(machine)
    lab.wait_until('carried again', lambda: carries(k, a))

    before = k.nic_stats()['fallback_miss']
    machine.run('. /lab-env; ovs-appctl exit --cleanup; sleep 1\n'
                'ovs-vswitchd --detach --pidfile --log-file -vconsole:off '
                'unix:/run/db.sock')
    up(machine)
    lab.wait_until('carried by a new switch', lambda: carries(k, a))
    if k.nic_stats()['fallback_miss'] == before:
        raise lab.Failure('flows survived the switch that had made them')
    return 'NIC and switch; 40 requests of a dead NIC: %.1f s' % waited
