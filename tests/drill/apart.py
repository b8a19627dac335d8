"""A process with namespaces of its own: all that it starts, and what it sets in its network, ends with it, however it ends.

There is a loopback interface in them, and nothing else: no port is taken, and nobody else is reached.
"""
import ctypes
import os
import signal
import subprocess

from servers import LIBC, end_with_parent

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "namespaces cannot be made: run this as root, outside of a container that forbids them")


def forward(pid, numbers):
    """To that process, once it can be told something."""
    for number in numbers:
        signal.signal(number, lambda got, _: os.kill(pid, got))


def prepare():
    """In the first process of the namespaces."""
    check(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    check(LIBC.mount(b"proc", b"/proc", b"proc", 0, None))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wait_for(pid):
    """Like the first process of a machine: takes whatever ends, until this one does. Returns its exit status."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def run(main):
    """Returns the status that main returns there."""
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells main itself
    first = os.fork()
    if first:
        forward(first, (signal.SIGTERM, signal.SIGHUP))
        return wait_for(first)
    end_with_parent()()
    prepare()
    worker = os.fork()
    if worker == 0:
        return main()
    forward(worker, (signal.SIGTERM, signal.SIGHUP))
    os._exit(max(wait_for(worker), -1) & 0xFF)
