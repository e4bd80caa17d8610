# SPDX-License-Identifier: Apache-2.0

"""The modules come and go, alone and under a running switch, and leave
nothing behind.

Debian packages no kernel with kmemleak or lockdep.  Instead of the first:

    slab     the allocator notes who has what from it (slub_debug=U); when the
             modules have gone, nobody may have anything from code that is no
             longer there
    vmalloc  the areas that are listed
    percpu   how many were given away, less those that came back, as traced

That each would be seen is tried with leak.c, which loses one of a kind in each
round.  Not seen are pages, which the modules do not take themselves, and what
the kernel's functions take from a slab for them (an sk_buff).
"""

import os
import shutil

import kernel
import lab

TIMES = 50
limit = 900

TRACE = '''
mount -t debugfs none /sys/kernel/debug 2>/dev/null || :
mount -t tracefs none /sys/kernel/tracing 2>/dev/null || :
for what in alloc free; do
    echo hist:keys=common_pid \\
        >/sys/kernel/tracing/events/percpu/percpu_${what}_percpu/trigger
done
'''

ROUNDS = '''
for i in $(seq %d); do
    modprobe agilio
    ip link set agl_p0 up 2>/dev/null || :
    rmmod agilio
    rmmod openvswitch
done'''

LEAK = '''
for i in $(seq %d); do
    insmod %s/leak.ko from=%s
    rmmod leak
done'''

# Objects of unknown code, and of the modules while they are there.
OBJECTS = '''
sleep 1
cat /sys/kernel/debug/slab/*/alloc_traces 2>/dev/null | awk '
    $2 ~ /^0x/ { unknown += $1 }
    $3 ~ /agilio|openvswitch/ { ours += $1 }
    END { print "slab", unknown + 0; print "ours", ours + 0 }'
echo vmalloc $(wc -l </proc/vmallocinfo)
cd /sys/kernel/tracing/events/percpu
awk '$1 == "Hits:" { n += FILENAME ~ /alloc/ ? $2 : -$2 }
    END { print "percpu", n }' percpu_alloc_percpu/hist percpu_free_percpu/hist
'''

# How many more there must be to be a leak: of the others some, which are not
# the modules', come and go.
KINDS = {'slab': 1, 'vmalloc': TIMES // 2, 'percpu': TIMES // 2}


def objects(machine):
    return {name: int(n) for name, n in
            map(str.split, machine.run(OBJECTS).split('\n'))}


def lost(machine, rounds):
    """The kinds of which 'rounds' lose something, and how many."""
    before = objects(machine)
    machine.run(rounds, timeout=500)
    after = objects(machine)
    more = {kind: after[kind] - before[kind] for kind in KINDS}
    return {kind: n for kind, n in more.items() if n >= KINDS[kind]}


def check_rounds(machine):
    machine.run(TRACE)
    machine.run('modprobe agilio')
    present = objects(machine)
    machine.run('rmmod agilio; rmmod openvswitch')
    gone = objects(machine)
    if not present['ours'] or present['slab'] or gone['slab'] or gone['ours']:
        raise lab.Failure('whose memory is it? %s %s' % (present, gone))
    leaks = lost(machine, ROUNDS % TIMES)
    if leaks:
        raise lab.Failure('%d rounds left behind: %s' % (TIMES, leaks))
    return '%d times, of %d objects none is left' % (TIMES, present['ours'])


def check_leaks(k, machine):
    """What is lost on purpose is found."""
    folder = os.path.join(k.folder, 'leak')
    os.mkdir(folder)
    shutil.copy(os.path.join(os.path.dirname(__file__), 'leak.c'), folder)
    with open(os.path.join(folder, 'Kbuild'), 'w') as f:
        f.write('obj-m := leak.o\n')
    lab.run('make', '-C', kernel.HEADERS % k.kernel.release, 'M=' + folder,
            'modules', timeout=300)
    for kind in KINDS:
        found = lost(machine, LEAK % (TIMES, folder, kind))
        if list(found) != [kind]:
            raise lab.Failure('leaks of %s: found %s' % (kind, found))


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm(arguments='slub_debug=U')
    said = check_rounds(machine)
    check_leaks(k, machine)

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
