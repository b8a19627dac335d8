"""A PostgreSQL, a Redis and an rsvpd of the test's own, in a private directory, and HTTP to talk to them."""
import contextlib
import ctypes
import glob
import http.client
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import namedtuple

Answer = namedtuple("Answer", "status headers body")  # headers: [(name, value)]

START_S = 60  # bounds for what is polled; generous because of sanitizer builds on busy machines
STOP_S = 30
REQUEST_S = 30
DEADLINE_MS = 1000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def until(what, probe, limit_s=START_S):
    """Polls until probe() is true and returns that."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if result := probe():
            return result
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {limit_s} s")


def free_ports(count):
    """Loopback ports below the ephemeral range that nobody listens on."""
    with contextlib.ExitStack() as held:
        ports = []
        while len(ports) < count:
            candidate = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", random.randrange(20000, 31000)))
                ports.append(candidate.getsockname()[1])
        return ports


def send(port, method, target, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_S)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


class Servers:
    """with Servers(binary) as servers: all three are up, the schema is there; everything goes at the end."""

    def __init__(self, binary):
        self.binary = binary
        self.directory = tempfile.mkdtemp(prefix="rsvpd-openapi-", dir="/tmp")
        self.children = {}
        self.owner = {}  # who runs PostgreSQL, which refuses to be root
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self):
        try:
            self.start_postgres()
            self.start_redis()
            self.start_rsvpd()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(list(self.children)):
            self.stop(name, signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self, name):
        with contextlib.suppress(FileNotFoundError), open(f"{self.directory}/{name}.log", errors="replace") as log:
            return log.read()
        return ""

    def spawn(self, name, command, last_signal=signal.SIGKILL, **options):
        with open(f"{self.directory}/{name}.log", "ab") as log:
            self.children[name] = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, last_signal), **options)

    def stop(self, name, how):
        """Signals the child, waits for its end and returns its exit status."""
        child = self.children.pop(name)
        child.send_signal(how)
        try:
            return child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return None

    def run(self, command, **options):
        done = subprocess.run(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=START_S, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: exit status {done.returncode}\n{done.stdout}")

    def start_postgres(self):
        programs = max(glob.glob("/usr/lib/postgresql/*/bin"),
                       key=lambda path: [int(part) for part in re.findall(r"\d+", path)])
        data = f"{self.directory}/data"
        self.run([f"{programs}/initdb", "--pgdata", data, "--username=rsvpd", "--auth=trust",
                  "--encoding=UTF8", "--no-locale", "--no-sync"], **self.owner)
        self.spawn("postgres", [f"{programs}/postgres", "-D", data, "-k", self.directory, "-c", "listen_addresses=",
                                "-c", "fsync=off"], signal.SIGQUIT, **self.owner)
        connect = ["-h", self.directory, "-U", "rsvpd"]
        until("PostgreSQL", lambda: subprocess.run([f"{programs}/pg_isready", *connect],
                                                   stdout=subprocess.DEVNULL).returncode == 0)
        self.run([f"{programs}/createdb", *connect, "rsvpd"])

    def start_redis(self):
        path = f"{self.directory}/redis.sock"
        self.spawn("redis", ["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                             "--appendonly", "no", "--dir", self.directory])
        until("Redis", lambda: os.path.exists(path))

    def start_rsvpd(self):
        self.port, self.admin_port = free_ports(2)
        environment = {name: value for name, value in os.environ.items()
                       if name == "PATH" or name.endswith("SAN_OPTIONS")}
        environment |= {
            "DATABASE_URL": f"postgresql:///rsvpd?host={self.directory}&user=rsvpd",
            "REDIS_URL": f"unix://{self.directory}/redis.sock",
            "PORT": str(self.port), "ADMIN_PORT": str(self.admin_port), "WORKERS": "2",
            "REQUEST_DEADLINE_MS": str(DEADLINE_MS), "SHUTDOWN_DRAIN_MS": "2000"}
        self.run([self.binary, "migrate"], env=environment)
        self.spawn("rsvpd", [self.binary, "serve"], env=environment)
        until("rsvpd", self.is_ready)

    def is_ready(self):
        if (status := self.children["rsvpd"].poll()) is not None:
            raise RuntimeError(f"rsvpd ended with status {status}\n{self.log('rsvpd')}")
        with contextlib.suppress(OSError):
            return send(self.admin_port, "GET", "/readyz").status == 200
        return False
