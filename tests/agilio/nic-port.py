#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The far end of a NIC port of type `unix', for tests.

nic-port.py send SOCKET COUNT FRAME...   COUNT times each FRAME (hex) to the
                                         port that is bound to SOCKET
nic-port.py listen SOCKET FILE           binds SOCKET; writes what arrives to
                                         FILE, a frame a line in hex, until
                                         it is killed
nic-port.py stream SOCKET FILE FRAME     sends FRAME until killed, writes how
                                         many were sent to FILE at the end
"""

import os
import signal
import socket
import sys
import time


def send(path, count, frames):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.connect(path)
    for _ in range(count):
        for frame in frames:
            sock.send(frame)


def listen(path, output):
    if os.path.exists(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind(path)
    with open(output, "w", buffering=1) as f:
        while True:
            f.write(sock.recv(65536).hex() + "\n")


def stream(path, output, frame):
    def stop(signum, stack):
        with open(output + ".tmp", "w") as f:
            f.write("%d\n" % sent)
        os.rename(output + ".tmp", output)
        os._exit(0)

    sent = 0
    signal.signal(signal.SIGTERM, stop)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        try:
            sock.connect(path)
            break
        except OSError:
            time.sleep(0.01)
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        sock.send(frame)
        sent += 1
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        time.sleep(0.001)


def main(argv):
    if len(argv) >= 5 and argv[1] == "send":
        send(argv[2], int(argv[3]), [bytes.fromhex(f) for f in argv[4:]])
    elif len(argv) == 4 and argv[1] == "listen":
        listen(argv[2], argv[3])
    elif len(argv) == 5 and argv[1] == "stream":
        stream(argv[2], argv[3], bytes.fromhex(argv[4]))
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv)
