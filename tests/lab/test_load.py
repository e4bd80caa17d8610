# SPDX-License-Identifier: Apache-2.0

"""The modules come and go, alone and under a running switch, and leave
nothing behind.

Debian packages no kernel with kmemleak or lockdep.  Instead of the first: what
all those rounds have left in the allocator's caches, if it is an object for
each or more, is a leak.
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

MEMORY = '''
sync
for i in 1 2 3; do
    echo 3 >/proc/sys/vm/drop_caches
    for cache in /sys/kernel/slab/*; do
        echo 1 >$cache/shrink
    done 2>/dev/null || :
    sleep 1
done
awk '/^(kmalloc|sw_flow)/ { print $1, $2 }' /proc/slabinfo
echo vmalloc $(wc -l </proc/vmallocinfo)
awk '$1 == "Percpu:" { print $1, $2 }' /proc/meminfo
'''


def memory(machine):
    """Objects in use (and kB of per-CPU memory), by cache."""
    return {name: int(n) for name, n in
            map(str.split, machine.run(MEMORY).split('\n'))}


def check_rounds(machine):
    machine.run(ROUNDS % 5)
    before = memory(machine)
    machine.run(ROUNDS % TIMES, timeout=500)
    after = memory(machine)
    grown = {name: n - before.get(name, 0) for name, n in after.items()}
    leaks = {name: n for name, n in grown.items() if n >= TIMES}
    if leaks:
        raise lab.Failure('%d rounds left behind: %s' % (TIMES, leaks))
    name = max(grown, key=grown.get)
    return '%d times, %+d objects in %s at most' % (TIMES, grown[name], name)


def test(k):
    a = k.add_host('p0', '10.1.0.1/24')
    k.add_host('p1', '10.1.0.2/24')
    k.start_nic()
    machine = k.start_vm()
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
