# SPDX-License-Identifier: Apache-2.0

"""stop-thread.py PID NAME - stops one thread of a process, while it lives.

NAME is how the thread's name starts.  Prints "stopped" when that is so; the
thread goes on when this program ends.  Exits 77, and says why, where one may
not do that (kernel.yama.ptrace_scope, a sandbox).
"""

import ctypes
import os
import signal
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000


def thread(pid, name):
    for tid in os.listdir('/proc/%s/task' % pid):
        with open('/proc/%s/task/%s/comm' % (pid, tid)) as f:
            if f.read().startswith(name):
                return int(tid)
    sys.exit('no thread %s' % name)


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                            ctypes.c_void_p]
    tid = thread(sys.argv[1], sys.argv[2])
    for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
        if libc.ptrace(request, tid, None, None):
            print('ptrace: %s' % os.strerror(ctypes.get_errno()))
            sys.exit(77)
    os.waitpid(tid, WALL)
    print('stopped', flush=True)
    signal.pause()


main()
