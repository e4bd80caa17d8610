# SPDX-License-Identifier: Apache-2.0

"""The modules come and go, alone and under a running switch, and leave
nothing behind.

Debian packages no kernel with kmemleak or lockdep.  Instead of the first, the
allocator notes who has what from it (slub_debug=U): when the modules have
gone, nobody may have anything from code that is no longer there.
"""

import lab

TIMES = 50
limit = 900

ROUNDS = '''
for i in $(seq %d); do
    modprobe agilio
    ip link set agl_p0 up 2>/dev/null || :
    rmmod agilio
    rmmod openvswitch
done'''

# Objects of the modules while they are there, and of unknown code when not;
# how many areas vmalloc() has given away; kB of memory for each CPU.
OBJECTS = '''
sleep 1
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
cat /sys/kernel/debug/slab/*/alloc_traces 2>/dev/null | awk '
    $2 ~ /^0x/ { unknown += $1 }
    $3 ~ /agilio|openvswitch/ { ours += $1 }
    END { print "unknown", unknown + 0; print "ours", ours + 0 }'
echo vmalloc $(wc -l </proc/vmallocinfo)
awk '$1 == "Percpu:" { print "percpu", $2 }' /proc/meminfo
'''


def objects(machine):
    return {name: int(n) for name, n in
            map(str.split, machine.run(OBJECTS).split('\n'))}


def check_rounds(machine):
    machine.run('modprobe agilio')
    present = objects(machine)
    machine.run('rmmod agilio; rmmod openvswitch')
    before = objects(machine)
    machine.run(ROUNDS % TIMES, timeout=500)
    after = objects(machine)
    if not present['ours'] or present['unknown'] or before['ours']:
        raise lab.Failure('whose memory is it? %s %s' % (present, before))
    if (after['unknown'] or after['vmalloc'] - before['vmalloc'] >= TIMES
            or after['percpu'] - before['percpu'] >= TIMES):
        raise lab.Failure('%d rounds left behind: %s, before: %s'
                          % (TIMES, after, before))
    return '%d times, of %d objects none is left' % (TIMES, present['ours'])


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm(arguments='slub_debug=U')
    said = check_rounds(machine)

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
    return said
