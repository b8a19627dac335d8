"""What every run has: directories, programs, the servers that scripts/bench has started; and how it speaks."""
import os
import signal
import subprocess
import sys
import time

import processes
import stores

START = time.monotonic()


def say(text):
    print(f"bench: {time.monotonic() - START:6.1f} s  {text}", file=sys.stderr, flush=True)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def parse_numbers(text):
    """Of a list with commas."""
    return tuple(int(part) for part in text.split(","))


def parse_options(parser, works):
    """The parser's own arguments and those that scripts/bench gives to every program that measures; `only` lists works by name. From here on
    SIGTERM ends the program as an exit does, so that what it started is stopped."""
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    for name in ("out", "directory", "memory-directory", "rsvpd", "redis-socket", "postgres-programs", "postgres-socket"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("postgres-pid", "redis-pid"):
        parser.add_argument(f"--{name}", required=True, type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.only = options.only.split(",") if options.only else [work.name for work in works]
    return options


class Environment:
    def __init__(self, options):
        self.directory, self.memory_directory = options.directory, options.memory_directory
        self.rsvpd = options.rsvpd
        self.redis_socket = options.redis_socket
        self.postgres = stores.Postgres(options.postgres_programs, options.postgres_socket)
        self.server_pids = {"postgres": options.postgres_pid, "redis": options.redis_pid}
        self.workers = len(os.sched_getaffinity(0))
        self.checkpoint = None  # the last one before the measurements, among which there is none

    def forget_counts(self):
        """Redis keeps counts by event, whatever database they came from."""
        subprocess.run(["redis-cli", "-s", self.redis_socket, "flushall"], check=True, stdout=subprocess.DEVNULL)

    def whole_pages(self, value):
        """Whether a page goes whole into the log when it first changes. Without, works are measured as long after a checkpoint."""
        self.postgres.sql("postgres", f"ALTER SYSTEM SET full_page_writes = {value}", "SELECT pg_reload_conf()", "CHECKPOINT")
        self.checkpoint = self.postgres.last_checkpoint()

    def processor_times(self, runner):
        """Seconds, of the servers and of whom is measured."""
        times = {name: processes.processor_time_s(pid) for name, pid in self.server_pids.items()}
        times["service"] = processes.processor_time_s(runner.child.pid) if runner.child else 0
        return times

    def load(self, runner, clients, seconds, stream):
        """Puts the runner under load; its result with the processor time that each group took per request."""
        used = self.processor_times(runner)
        result = runner.load(clients, seconds, stream)
        now = self.processor_times(runner)
        spent = {name: now[name] - used[name] for name in now} | {"load": result.pop("load_cpu_s")}
        result["cpu_us_per_request"] = {name: round(value * 1e6 / max(result["requests"], 1), 2) for name, value in spent.items()}
        return result
