# SPDX-License-Identifier: Apache-2.0

"""Upstream's traffic suites in a VM, whose kernel has all the devices that
they want: with the NIC, and beside it as stock Open vSwitch has it.

build-aux/check-agilio runs the tests in the guest, and says there what the
NIC carried; its lines come out by the guest's console as they are written.
What passed with stock is remembered in _lab/, for the versions of kernel and
Open vSwitch, and not run again: stock does not change.
"""

import base64
import importlib.machinery
import importlib.util
import json
import os
import re
import shlex
import subprocess
import time

import kernel
import lab

LIMIT = 20 * 60         # Seconds without a word from the guest.
MEMORY = 3072           # MB; half is for files that the tests write.
END = 'the suite has ended'
# In the guest.  Of the kernel only an oops shall be among the tests' lines;
# the rest of what it says is looked at by Vm.check_log().
RUN = '''
dmesg -n 1
cd %(top)s
(SUITE=%(suite)s JOBS=%(jobs)d build-aux/check-agilio openvswitch %(tests)s ||
     :
 echo; echo '%(end)s') </dev/null >/dev/ttyS0 2>&1 &
'''
# For the userspace datapath, and for check-kernel.
DEVICES = 'modprobe -a tun 8021q bonding geneve vxlan ip_gre ip6_gre'
FUNCTIONS = 8
KERNEL = '''
cp %s /boot
mount -t debugfs debugfs /sys/kernel/debug
mkdir /run/agilio-taken
modprobe agilio
'''
STOCK_KERNEL = '''
cp %s /boot
mount --bind %s /lib/modules/$(uname -r)
'''
RENAME = '''
for name in $(cd /sys/class/net && echo eth*); do
    ip link set $name name agl_vf$(cut -d. -f2 \
        /sys/class/net/$name/phys_port_name)
done
'''
# Of check-agilio's table: test, result, carried, five more, share, title.
ROW = re.compile(r' *(\d+) \S+ +(\d+)(?: +\d+){5} +([0-9.]+ %|-)  ')
SHARE = re.compile(r'FAILED: .*the NIC (carried|was unable)')
LEFT = re.compile(r'FAILED: .* \(see (/\S+)\)$')


def load_check_agilio():
    path = os.path.join(lab.TOP, 'build-aux/check-agilio')
    loader = importlib.machinery.SourceFileLoader('check_agilio', path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader('check_agilio', loader))
    loader.exec_module(module)
    return module


check_agilio = load_check_agilio()


class Outcome:
    """What a run of a suite said; 'keep' is called with the results so far
    whenever there is one more."""

    def __init__(self, label, keep):
        self.label, self.keep = label, keep
        self.results, self.shares = {}, {}      # By the test's number.
        self.left = []          # Where failed tests have worked.
        self.summary = ''
        self.problem = None     # What is wrong with all of it.

    def note(self, line):
        result = check_agilio.RESULT.match(line)
        row, left = ROW.match(line), LEFT.match(line)
        if result:
            self.results[int(result.group(1))] = result.group(3)
            print('%-5s %s' % (self.label, line), flush=True)
            self.keep(self.results)
        elif row:
            self.shares[int(row.group(1))] = row.group(2, 3)
        elif left:
            self.left.append(left.group(1))
        elif line.startswith('carried '):
            self.summary = line
        elif SHARE.match(line):
            self.problem = line[len('FAILED: '):]


def follow(machine, console):
    """Yields the lines of the guest's console until END, as they come."""
    now = heard = looked = time.monotonic()
    rest = ''
    while now < heard + LIMIT:
        lines = (rest + console.read().replace('\r', '')).split('\n')
        rest = lines.pop()
        for line in lines:
            if line == END:
                return
            yield line
            heard = now
        time.sleep(1)
        now = time.monotonic()
        if now > looked + 60:
            machine.check_log()         # Often: it forgets.
            looked = now
    raise lab.Failure('nothing heard for %d s' % LIMIT)


def fetch(machine, folder, outcome):
    """Copies what failed tests left in the guest into 'folder'."""
    for path in outcome.left:
        data = machine.run('tar -cz -C %s . | base64 -w 0' % path,
                           timeout=300)
        there = os.path.join(folder, outcome.label, os.path.basename(path))
        os.makedirs(there)
        subprocess.run(['tar', '-xz', '-C', there],
                       input=base64.b64decode(data), check=True)
        print('%-5s see %s' % (outcome.label, there), flush=True)


def start_devices(k):
    """A VM whose kernel has the devices that the tests make."""
    machine = k.start_vm(nic=False, memory=MEMORY, steady=True)
    machine.run(DEVICES, timeout=300)
    return machine


def start_stock_kernel(k):
    """A VM for check-kernel, with the package's modules."""
    machine = start_devices(k)
    machine.run(STOCK_KERNEL % (k.kernel.config, k.kernel.stock()),
                timeout=300)
    return machine


def start_kernel(k):
    """A VM for check-kernel, with our modules and a NIC.  Both ends of the
    wires that the tests make are in the guest: a virtual function, and its
    representor."""
    sockets = {'v0.%d' % i: os.path.join(k.folder, 'v0.%d.sock' % i)
               for i in range(1, FUNCTIONS + 1)}
    k.start_nic('--port=p0=tap:suites-p0', *(
        '--port=%s=vf:%s' % pair for pair in sockets.items()))
    lab.wait_until('the sockets', lambda: all(map(os.path.exists,
                                                  sockets.values())))
    machine = k.start_vm(nic=[k.nic_socket, *sockets.values()],
                         memory=MEMORY, steady=True)
    machine.run(DEVICES, timeout=300)
    machine.run(KERNEL % k.kernel.config, timeout=300)
    lab.wait_until('the functions', lambda: len(re.findall(
        r'(agl_|eth)', machine.run('ls /sys/class/net'))) == 2 * FUNCTIONS + 1)
    machine.run(RENAME)
    return machine


# By the name in "make check-lab SUITE=NAME": with the NIC, and stock.
SUITES = {
    'agilio': (('system-agilio', start_devices),
               ('system-userspace', start_devices)),
    'kernel': (('system-agilio-kmod', start_kernel),
               ('system-kmod', start_stock_kernel)),
}


def run_suite(suite, label, tests, jobs, keep=lambda results: None):
    """Runs tests of a suite, named as for check-agilio, in a VM of their own;
    returns an Outcome."""
    name, start_vm = suite
    outcome = Outcome(label, keep)
    with lab.Lab() as k:
        try:
            machine = start_vm(k)
            with open(machine.console, errors='replace') as console:
                console.seek(0, os.SEEK_END)
                machine.run(RUN % {
                    'top': lab.TOP, 'suite': name,
                    'jobs': jobs,
                    'tests': ' '.join(shlex.quote(str(t)) for t in tests),
                    'end': END})
                for line in follow(machine, console):
                    outcome.note(line)
            fetch(machine, k.folder, outcome)
            machine.check_log()
        except lab.Failure as problem:
            outcome.problem = str(problem)
            print('%-5s %s' % (label, problem), flush=True)
        k.keep = bool(outcome.left or outcome.problem)
    return outcome


class Stock:
    """Tests that have passed with stock, kept in a file."""

    def __init__(self, suite):
        release = kernel.version()
        version = subprocess.run(
            ['dpkg-query', '-W', '-f', '${Version}', 'openvswitch-source'],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        self.name = 'Open vSwitch %s on Linux %s' % (version, release)
        self.path = os.path.join(lab.TOP, '_lab', '%s-%s-%s.json' % (
            suite, version, release))
        self.passed = set()
        if os.path.exists(self.path):
            with open(self.path) as f:
                self.passed = set(json.load(f))

    def add(self, results):
        self.passed |= {n for n in results if results[n] == 'ok'}
        with open(self.path + '.new', 'w') as f:
            json.dump(sorted(self.passed), f)
        os.rename(self.path + '.new', self.path)


def run_stock(suite, tests, jobs):
    """Returns the Outcome of the tests, and says which are from memory."""
    stock = Stock(suite[0])
    known = stock.passed.intersection(tests)
    outcome = Outcome('stock', stock.add)
    others = [n for n in tests if n not in known]
    if others:
        outcome = run_suite(suite, 'stock', others, jobs, stock.add)
    outcome.results.update(dict.fromkeys(known, 'ok'))
    print('\nstock: %s; of %d tests, %d had passed before (%s)' % (
        stock.name, len(tests), len(known), stock.path))
    return outcome


def show(titles, chosen, nic, stock):
    print('\n%4s %-8s %-8s %8s %8s  title' % (
        'test', 'NIC', 'stock', 'carried', 'share'))
    for number in chosen:
        print('%4d %-8s %-8s %8s %8s  %s' % (
            number, nic.results.get(number, '-'),
            stock.results.get(number, '-'),
            *nic.shares.get(number, ('-', '-')), titles[number]))
    print('\n' + nic.summary)


def judge(titles, chosen, nic, stock):
    """Names what is not as it should be; returns how many tests passed,
    failed, were skipped."""
    excluded = check_agilio.known_failures()[1]
    passed = failed = skipped = 0
    print()
    for number in chosen:
        title, result = titles[number], nic.results.get(number)
        test = '%d: %s' % (number, title)
        if result in ('ok', 'expected failure'):
            passed += 1
        elif result == 'skipped' and stock.results.get(number) != 'ok':
            skipped += 1
        elif not result and title in excluded:
            print('excluded: %s: %s' % (test, excluded[title]))
            skipped += 1
        elif result and stock.results.get(number) == 'FAILED':
            print('fails with stock too, counted as skipped: ' + test)
            skipped += 1
        else:
            print('FAILED: %s: %s' % (test, result or 'no result'))
            failed += 1
    for outcome in nic, stock:
        if outcome.problem:
            print('FAILED: %s: %s' % (outcome.label, outcome.problem))
            failed += 1
    return passed, failed, skipped


def run(name, words):
    """Runs what SUITE=NAME stands for, or the tests of it that 'words' select,
    as for check-agilio.  Returns how many passed, failed, were skipped."""
    ours, theirs = (check_agilio.Suite(lab.BUILT, suite)
                    for suite, _ in SUITES[name])
    # There is one datapath in the kernel.
    jobs = int(os.environ.get('JOBS', '2')) if ours.enter else 1
    chosen = ours.select(words)
    if not chosen:
        print('FAILED: no test is named so')
        return 0, 1, 0
    nic = run_suite(SUITES[name][0], 'NIC', words, jobs)
    if not nic.summary:
        nic.problem = nic.problem or 'check-agilio came to no end'
    stock = run_stock(SUITES[name][1],
                      [n for n in chosen if n in theirs.titles], jobs)
    show(ours.titles, chosen, nic, stock)
    return judge(ours.titles, chosen, nic, stock)
