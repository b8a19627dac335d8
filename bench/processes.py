"""Processes of the benchmark's own: started, watched, asked over HTTP, and stopped by their id."""
import contextlib
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
READY_S = 30
STOP_S = 10


def end_with_parent():
    """For a child's preexec_fn: however this process ends, the child does as well."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, log, **options):
    """A server in a session of its own, so that Ctrl-C reaches this program alone, which then stops it in order."""
    with open(log, "ab") as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                                preexec_fn=end_with_parent, **options)


def stop(child):
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def run_load(command, limit_s):
    """Runs a load generator to its end; answers its output and the seconds of processor time that it took."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True, preexec_fn=end_with_parent)
    before = os.times()
    try:
        output, errors = child.communicate(timeout=limit_s)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    after = os.times()
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {child.returncode}\n{output}{errors}")
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    return output, used_s


def free_port():
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return candidate.getsockname()[1]


def ask(port, method, target, body=None):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read().decode()
    finally:
        connection.close()


def wait_until_ready(child, name, probe, log):
    """Until the probe succeeds; raises with the log's end where the process ends or takes too long."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end and child.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if probe():
                return
        time.sleep(0.05)
    with open(log, encoding="utf-8", errors="replace") as file:
        raise RuntimeError(f"{name} did not come up\n{file.read()[-2000:]}")


def _stat(pid):
    """The fields of /proc/PID/stat that follow the process's name."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _stats():
    """{pid: fields} of all processes."""
    fields = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields[int(name)] = _stat(name)
    return fields


def _family(root, fields):
    family, grown = {root}, True
    while grown:
        more = {pid for pid, stat in fields.items() if int(stat[1]) in family} - family
        family, grown = family | more, bool(more)
    return family


def descendants(root):
    return _family(root, _stats()) - {root}


def processor_time_s(root):
    """Seconds of processor time of a process, its descendants, and those of them that have ended."""
    fields = _stats()
    ticks = sum(sum(map(int, fields[pid][11:15])) for pid in _family(root, fields) if pid in fields)
    return ticks / CLOCK_TICKS_PER_S
