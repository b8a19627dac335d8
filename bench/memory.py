"""How much memory a process takes: with many idle connections, and over time."""
import contextlib
import http.client
import re
import resource
import socket
import statistics
import threading
import time

SOURCES = 8  # loopback addresses that connections come from, so that no address runs out of ports
GROWTH_SHARE_MAX, GROWTH_KIB_MAX = 0.01, 1024  # what is no growth


def resident_kib(pid):
    """{"rss", "pss"} of a process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        text = file.read()
    return {name.lower(): int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) for name in ("Rss", "Pss")}


def kernel_kib():
    """{"slab", "buffers"} of the whole machine: the kernel's objects, and what lies in buffers of TCP."""
    with open("/proc/meminfo", encoding="ascii") as file:
        slab = int(re.search(r"^Slab:\s+(\d+) kB", file.read(), re.M)[1])
    with open("/proc/net/sockstat", encoding="ascii") as file:
        pages = int(re.search(r"^TCP:.* mem (\d+)", file.read(), re.M)[1])
    return {"slab": slab, "buffers": pages * resource.getpagesize() // 1024}


def steady_kib(pid):
    """Once it does not change any more."""
    before = resident_kib(pid)
    for _ in range(50):
        time.sleep(0.2)
        now = resident_kib(pid)
        if now == before:
            break
        before = now
    return before


def allow_descriptors(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(f"{wanted} open files are needed and {hard} allowed: raise the limit (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _connect(port, number):
    return socket.create_connection(("127.0.0.1", port), 10, (f"127.0.0.{1 + number % SOURCES}", 0))


def _use(connection, request):
    """Makes one request and reads all of its answer; raises where that is none."""
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    body = answer.read()
    answer.close()
    if answer.status != 200 or answer.will_close:
        raise RuntimeError(f"a connection to be held open was answered {answer.status} {body!r}")


def _is_open(connection):
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return bool(connection.recv(1))
    return True


def of_idle_connections(pid, port, count, request):
    """What so many connections cost that have made a request each and wait for the next: KiB of each."""
    allow_descriptors(count + 100)
    before, kernel_before = steady_kib(pid), kernel_kib()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(_connect(port, number)) for number in range(count)]
        for connection in connections:
            _use(connection, request)
        after, kernel_after = steady_kib(pid), kernel_kib()
        alive = sum(map(_is_open, connections))
    return {"connections": count, "before_kib": before, "after_kib": after,
            "kib_per_connection": {name: (after[name] - before[name]) / count for name in after},
            "kernel_kib_per_connection": {name: (kernel_after[name] - kernel_before[name]) / count for name in kernel_after},
            "faults": [] if alive == count else [f"{count - alive} of {count} connections were closed meanwhile"]}


class Sampler:
    """Takes the resident size of a process at times, beside whatever goes on."""

    def __init__(self, pid, every_s):
        self.pid, self.every_s = pid, every_s
        self.samples = []  # (seconds, KiB)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        start = time.monotonic()
        while not self.over.wait(self.every_s):
            self.samples.append((time.monotonic() - start, resident_kib(self.pid)["rss"]))


def growth(samples, warmup_s):
    """Of samples past the warm-up: the first, the last, the slope of the line that fits best, and whether the median of the
    last third is more than that of the first."""
    kept = [sample for sample in samples if sample[0] >= warmup_s]
    if len(kept) < 3:
        return {"samples": samples, "faults": [f"{len(kept)} samples past the warm-up are too few"]}
    third = len(kept) // 3
    first = statistics.median(kib for _, kib in kept[:third])
    last = statistics.median(kib for _, kib in kept[-third:])
    slope = statistics.linear_regression(*zip(*kept)).slope
    return {"samples": samples, "first_kib": kept[0][1], "last_kib": kept[-1][1], "first_third_kib": first,
            "last_third_kib": last, "slope_kib_per_hour": slope * 3600,
            "grows": last - first > max(GROWTH_SHARE_MAX * first, GROWTH_KIB_MAX), "faults": []}
