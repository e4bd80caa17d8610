# SPDX-License-Identifier: Apache-2.0

"""What ovs-vswitchd says of a NIC that is the kernel's.

The same commands as for one of its own; what they say is compared with what
the NIC says of itself, and with what is known of the traffic.
"""

import re
import signal

import lab

# In the guest: requests of AGILIO_CMD_ASK (5) with NIC (1), MSG (13) and BODY
# (14).  Prints what is wrong, or the reply's WHY (3).
ASK = r"""
python3 - <<'END'
import os, socket, struct

def attr(kind, data):
    return (struct.pack('=HH', 4 + len(data), kind) + data
            + bytes(-len(data) % 4))

def call(family, cmd, *attrs):
    body = struct.pack('=BBH', cmd, 1, 0) + b''.join(attrs)
    s.send(struct.pack('=IHHII', 16 + len(body), family, 1, 1, 0) + body)
    said, found = s.recv(65536), {}
    if struct.unpack_from('=H', said, 4)[0] == 2:
        return os.strerror(-struct.unpack_from('=i', said, 16)[0])
    at = 20
    while at < len(said):
        size, kind = struct.unpack_from('=HH', said, at)
        found[kind] = said[at + 4:at + size]
        at += (size + 3) & ~3
    return found

def ask(msg, body, nic=b'0000:00:03.0'):
    said = call(family, 5, attr(1, nic + b'\0'),
                attr(13, struct.pack('=I', msg)), attr(14, body))
    return said if isinstance(said, str) else said[3].decode().strip('\0')

s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
family, = struct.unpack('=H', call(16, 3, attr(2, b'agilio\0'))[1])
flush, dump, trace = 8, 9, 14
print(ask(flush, b''))
print(ask(trace, b'', b'none'))
print(ask(trace, bytes(8177)))
print(call(family, 5, attr(1, b'0000:00:03.0\0'),
           attr(13, struct.pack('=I', trace))))
print(ask(trace, struct.pack('<II', 0x99999, 0)))
print(ask(dump, struct.pack('<II', 0xffffffff, 1)))
END"""


def ask(machine, command, check=True):
    return machine.run('. /lab-env; ovs-appctl ' + command, check=check)


def expect(what, pattern, text):
    """The groups of 'pattern' where it is in 'text'."""
    match = re.search(pattern, text, re.M)
    if not match:
        raise lab.Failure('%s: no %s in:\n%s' % (what, pattern, text))
    return match.groups()


def check_show(k, machine):
    said = ask(machine, 'agilio/show')
    expect('show', r'^NIC at 0000:00:[0-9a-f]{2}\.0: active, boot id '
           r'[0-9a-f]{16}, 3 ports, 1 workers, room for \d+ flows$', said)
    expect('show', r'^ABI: version 3 to 3, features trace$', said)
    for port in 'p0', 'p1':
        expect('show', r'^  0x1000[01] +%s +up +up +1500 .*agl_%s$'
               % (port, port), said)
    resident, = expect('show', r'^flows: (\d+) resident, 0 pending, '
                       r'\d+ host, 0 refused \(room for \d+', said)
    if resident == '0':
        raise lab.Failure('no flow is on the NIC:\n' + said)
    if said.count('NIC at ') != 1:
        raise lab.Failure('there is but one NIC:\n' + said)


def packets_of(said, host):
    """What dump-flows counts for the pings that a host sends."""
    return int(expect('dump-flows', r'src=10\.1\.0\.%d.*proto=1,.*, '
                      r'packets:(\d+), .*, nic:resident, actions:\d+$'
                      % host, said)[0])


def check_counts(machine, a):
    """Of flows that are there, each packet is counted at once."""
    machine.run('''. /lab-env
        ovs-ofctl add-flow br0 priority=9,icmp,nw_src=10.1.0.1,actions=normal
        ovs-ofctl add-flow br0 priority=9,icmp,nw_src=10.1.0.2,actions=normal
        ovs-appctl revalidator/wait''')
    a.ping('10.1.0.2', 10, 0.2)
    before = ask(machine, 'agilio/dump-flows')
    if a.ping('10.1.0.2', 30, 0.05) != 30:
        raise lab.Failure('packets were lost')
    after = ask(machine, 'agilio/dump-flows')
    for host in 1, 2:
        n = packets_of(after, host) - packets_of(before, host)
        if n != 30:
            raise lab.Failure('%d packets of 30 counted:\n%s\n%s'
                              % (n, before, after))
    if 'at:' in after:
        raise lab.Failure('there is but one NIC:\n' + after)


def check_why(machine, a):
    """A flow of the host says why it is one."""
    machine.run('. /lab-env; ovs-ofctl add-flow br0 '
                'priority=10,udp,tp_dst=7777,actions=ct,normal')
    a.run('bash', '-c', 'for i in 1 2 3 4 5; do '
          'echo x >/dev/udp/10.1.0.2/7777; sleep 0.2; done')
    why = ask(machine, 'agilio/dump-flows --why')
    expect('--why', r'proto=17.*, nic:host\(action: unknown\), actions:ct',
           why)
    expect('--why', r'^reasons:(?:\n.*)*^ +\d+ host\(action: unknown\)$', why)
    if 'nic:resident' in why or 'proto=1,' in why:
        raise lab.Failure('--why shows what the NIC carries:\n' + why)
    expect('reasons', r'^\d+ +action: unknown$', ask(machine,
                                                     'agilio/reasons'))
    top = ask(machine, 'agilio/fallback top')
    expect('fallback top', r'^\d+ +\d+ +recirc_id.*proto=17', top)
    if 'proto=1,' in top:
        raise lab.Failure('fallback top shows what the NIC carries:\n' + top)


def check_anonymous(machine):
    """Flows without ufid, as older programs make them, are found too; in a
    datapath in which vswitchd does not delete what it did not make.  The NIC
    takes no flow that does not match recirc_id."""
    machine.run('''. /lab-env
        ovs-dpctl add-dp lab agl_p2
        ovs-dpctl add-flow lab "recirc_id(0),in_port(1),eth(),\
eth_type(0x1234)" 1
        ovs-dpctl add-flow lab "in_port(1),eth(),eth_type(0x1235)" 1''')
    said = ask(machine, 'agilio/dump-flows')
    expect('dump-flows', r'eth_type\(0x1234\).*, nic:resident, actions:1$',
           said)
    expect('dump-flows', r'eth_type\(0x1235\).*, '
           r'nic:refused\(refused by the NIC\), actions:1$', said)
    expect('show', r'^flows: .* 1 refused', ask(machine, 'agilio/show'))
    machine.run('. /lab-env; '
                'ovs-dpctl del-flow lab "in_port(1),eth(),eth_type(0x1235)"')


def check_stats(k, machine):
    """As the NIC has them, in a moment in which none changes."""
    names = 'carried', 'fallback_miss', 'host_tx', 'learned'

    def compare():
        before = k.nic_stats()
        said = ask(machine, 'agilio/stats -a')
        after = k.nic_stats()
        shown = {name: int(expect('stats', r'^%s +(\d+)  ' % name, said)[0])
                 for name in names}
        return (all(before[name] == after[name] for name in names)
                and [(before, shown)])

    before, shown = lab.wait_until('a quiet moment', compare)[0]
    for name in names:
        if before[name] != shown[name]:
            raise lab.Failure('%s: the NIC says %d, vswitchd %d'
                              % (name, before[name], shown[name]))


def check_trace(machine, a, b):
    """What the NIC would do with a packet, and what it has learned."""
    flow = ('in_port=agl_p0,dl_src=%s,dl_dst=%s,icmp,nw_src=10.1.0.1,'
            'nw_dst=10.1.0.2' % (a.mac(), b.mac()))
    said = ask(machine, 'agilio/trace br0 ' + flow)
    expect('trace', r'^== NIC\npacket: in_port=0x10000,.*nw_proto=1,.*\n'
           'L1 exact match flow tracker: (?:hit|miss\nL2 mask tables: hit)\n'
           r'flow \d+: in_port=0x10000,.*\n'
           r'  mega_ufid:[-0-9a-f]{36}, actions:\d+\n'
           r'actions: output\(0x10001\)\nverdict: carried by the NIC$', said)
    for packet, verdict in (
            ('in_port=agl_p0,udp', 'to the host: not learned yet'),
            ('in_port=LOCAL,udp', "the host's (what this port receives does "
             'not come by the NIC)')):
        expect('trace', '^verdict: %s$' % re.escape(verdict),
               ask(machine, 'agilio/trace br0 ' + packet))
    entry = (r'^flow:\d+, passes:1, in_port=0x10000,.*nw_proto=1,.*, '
             r'packets:[1-9]\d*, used:\d+\.\d+s$')
    expect('dump-tracker', entry, ask(machine, 'agilio/dump-tracker'))
    said = ask(machine, 'agilio/dump-tracker 1')
    expect('dump-tracker 1', r'\Aflow:.*\n\(there may be more\)\Z', said)


def check_bad_questions(machine):
    """What could change something is not passed on to the NIC; what it does
    not understand, it says."""
    said = machine.run(ASK).split('\n')
    if said != ['Operation not supported', 'No such device',
                'Numerical result out of range', 'Invalid argument',
                'no such port', 'the cursor is not one of a dump']:
        raise lab.Failure('bad questions: %s' % said)


def check_health(k, machine):
    """All is well; a NIC that stands still is noticed; then all is well."""
    said = ask(machine, 'agilio/health')
    for item in ('detected', 'flow table taken over', 'heartbeat advances',
                 r'control channel responsive \(\d+\.\d ms\)',
                 'workers responsive, clock advances',
                 r'ports have a representor \(0 of 3 do not\)'):
        expect('health', r'^NIC: %s +\.\.\. \[PASS\]$' % item, said)
    expect('health', r'^Overall System State +\[PASS\]$', said)

    k.nic.send_signal(signal.SIGSTOP)
    said = ask(machine, 'agilio/health 2>&1', check=False)
    expect('health', r'^NIC: (?:detected|control channel responsive .*) +'
           r'\.\.\. \[FAIL\]$', said)
    lab.wait_until('the loss shown', lambda: ': down (' in ask(
        machine, 'agilio/show'), 15)
    expect('dump-flows', r'0x1234.*, nic:pending\(nic: not ready\)',
           ask(machine, 'agilio/dump-flows'))
    expect('trace', r'^verdict: unknown \(No such device\)$',
           ask(machine, 'agilio/trace br0 in_port=agl_p0,udp'))
    k.nic.send_signal(signal.SIGCONT)
    lab.wait_until('all well again', lambda: '[PASS]' in ask(
        machine, 'agilio/health 2>&1', check=False).split('\n')[-1], 15)


def check_devlink(k, machine, lost):
    """The function as devlink has it, and what it keeps of a loss."""
    device = 'pci/0000:00:03.0'
    said = machine.run('devlink dev info ' + device)
    expect('devlink', r'^  driver agilio$', said)
    expect('devlink', r'^ +fw\.mgmt\.api 3-3$', said)
    expect('devlink', r'^ +boot_id [0-9a-f]{16}$', said)
    said = machine.run('devlink health show %s reporter control' % device)
    expect('devlink', r'state healthy error %d ' % lost, said)
    expect('devlink', r'state: up', machine.run(
        'devlink health diagnose %s reporter control' % device))
    if lost:
        said = machine.run('devlink health dump show %s reporter control'
                           % device)
        expect('devlink', r'state: down why: (no heartbeat|it does not '
               'answer) heard_ms_ago: [0-9]+', said)


def wait_carried(k, a):
    lab.wait_until('packets carried', lambda: k.share_of(
        lambda: a.ping('10.1.0.2', 20, 0.02)) > 0.9)


def check_both(k, machine, a):
    """With a NIC of vswitchd's own, which is not there, beside it, each is
    told of by name."""
    own, other = '/run/none.sock', '0000:00:03.0'
    wait_carried(k, a)          # Its tracker was emptied when it was lost.
    machine.run('. /lab-env; ovs-vsctl --no-wait set Open_vSwitch . '
                'other_config:agilio-nic=' + own)
    lab.wait_until('a NIC of its own', lambda: re.search(
        r'^NIC at %s: down .*\n(.*\n)+NIC at %s: active, .*\n(.*\n)+'
        r'^flows: [1-9].* resident, .*\nflows from other ports: 0 resident, '
        % (own, other), ask(machine, 'agilio/show'), re.M))
    expect('dump-flows', r'0x1234.*, nic:resident, at:%s, ' % other,
           ask(machine, 'agilio/dump-flows'))
    expect('stats', r'^NIC at %s:$' % other, ask(machine, 'agilio/stats'))
    expect('dump-tracker', r'^NIC at %s:\n.*: down .*\nNIC at %s:\n'
           r'(?:flow:.*\n?)+\Z' % (own, other),
           ask(machine, 'agilio/dump-tracker'))
    expect('stats', r'\[\["[a-z]+[^]]*, ?"%s"\]' % other,
           ask(machine, 'agilio/stats --format=json'))
    expect('health', r'^NIC: detected at %s .*FAIL\S\n(?:.*\n)+'
           r'^NIC: detected at %s .*PASS' % (own, other),
           ask(machine, 'agilio/health 2>&1', check=False))


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    b = k.add_host('p1', '10.1.0.2/24')
    k.add_host('p2', '10.1.0.3/24')
    k.start_nic()
    machine = k.start_vm()
    k.start_switch(machine)
    k.add_bridge(machine, 'agl_p0', 'agl_p1')
    # A busy machine takes more than 10 s from one question to the next.
    machine.run('. /lab-env; ovs-vsctl --no-wait set Open_vSwitch . '
                'other_config:max-idle=600000')
    lab.wait_until('a path', lambda: a.ping('10.1.0.2', 1), 15)
    wait_carried(k, a)
    check_show(k, machine)
    check_counts(machine, a)
    check_trace(machine, a, b)
    check_bad_questions(machine)
    check_why(machine, a)
    check_anonymous(machine)
    check_stats(k, machine)
    check_devlink(k, machine, 0)
    check_health(k, machine)
    check_devlink(k, machine, 1)
    check_both(k, machine, a)
    return ('show, dump-flows, trace, dump-tracker, reasons, stats, health, '
            'devlink, two NICs')
