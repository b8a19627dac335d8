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
STOP_S = 60
REQUEST_S = 60
DEADLINE_MS = 1000
MAX_CONNECTIONS = 20
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Children see nothing of PGHOST, REDIS_URL and the like.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name == "PATH" or name.endswith("SAN_OPTIONS")}


def end_with_parent(how=signal.SIGKILL):
    """For a child's preexec_fn: it gets this signal when this process ends, however it ends."""
    return lambda: LIBC.prctl(PR_SET_PDEATHSIG, how)


def until(what, probe, limit_s=START_S):
    """Polls until probe() is true and returns that."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if result := probe():
            return result
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {limit_s} s")


reserved = []  # a socket for each port


def free_ports(count):
    """Loopback ports below the ephemeral range that nobody listens on, this program's own until it ends.

    Programs in C reserve theirs in the same way (tests/support/service.c). The service binds with SO_REUSEPORT: two of them
    could share a port unseen.
    """
    ports = []
    while len(ports) < count:
        port = random.randrange(20000, 31000)
        lock = socket.socket(socket.AF_UNIX)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            lock.bind(f"\0rsvpd-test-{port}")
            reserved.append(lock)
            candidate.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


def read_body(response):
    """All of it, or of a stream that goes on what comes up to its first event."""
    if response.getheader("Content-Type") != "text/event-stream":
        return response.read()
    body = b""
    while b"data: " not in body or not body.endswith(b"\n\n"):
        line = response.readline()
        if not line:
            break
        body += line
    return body


def send(port, method, target, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_S)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), read_body(response))
    finally:
        connection.close()


def send_raw(port, data):
    """Sends bytes as they are, whether they are a request or not."""
    with socket.create_connection(("127.0.0.1", port), REQUEST_S) as connection:
        connection.sendall(data)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.getheaders(), response.read())


def header(answer, name):
    return next((value for key, value in answer.headers if key.lower() == name.lower()), "")


class Servers:
    """with Servers(binary) as servers: all three are up, the schema is there; everything goes at the end."""

    postgres_settings = ()  # further ones, as name=value

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
        until("removal", self.remove, STOP_S)  # an initdb that was cut short may still be writing

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        return not os.path.exists(self.directory)

    def log(self, name):
        with contextlib.suppress(FileNotFoundError), open(f"{self.directory}/{name}.log", errors="replace") as log:
            return log.read()
        return ""

    def spawn(self, name, command, last_signal=signal.SIGKILL, env=ENVIRONMENT, **options):
        with open(f"{self.directory}/{name}.log", "ab") as log:
            self.children[name] = subprocess.Popen(
                command, cwd=self.directory, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=end_with_parent(last_signal), **options)

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

    def run(self, command, env=ENVIRONMENT, limit_s=START_S, **options):
        done = subprocess.run(command, cwd=self.directory, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit_s,
                              preexec_fn=end_with_parent(), **options)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout

    def find_programs(self):
        self.programs = max(glob.glob("/usr/lib/postgresql/*/bin"),
                            key=lambda path: [int(part) for part in re.findall(r"\d+", path)])
        return self.programs

    def start_postgres(self):
        programs = self.find_programs()
        data = f"{self.directory}/data"
        self.run([f"{programs}/initdb", "--pgdata", data, "--username=rsvpd", "--auth=trust",
                  "--encoding=UTF8", "--no-locale", "--no-sync"], **self.owner)
        self.spawn("postgres", [f"{programs}/postgres", "-D", data, "-k", self.directory, "-c", "listen_addresses=",
                                "-c", "fsync=off", "-c", "wal_level=logical",
                                *(f"-c{setting}" for setting in self.postgres_settings)], signal.SIGQUIT, **self.owner)
        connect = ["-h", self.directory, "-U", "rsvpd"]
        until("PostgreSQL", lambda: subprocess.call([f"{programs}/pg_isready", *connect, "-q"], env=ENVIRONMENT) == 0)
        self.run([f"{programs}/createdb", *connect, "rsvpd"])

    def start_redis(self):
        path = f"{self.directory}/redis.sock"
        self.spawn("redis", ["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                             "--appendonly", "no", "--dir", self.directory])
        until("Redis", lambda: os.path.exists(path))

    def url(self, user):
        """Patient: a busy machine takes longer than the two seconds that are the default."""
        return f"postgresql:///rsvpd?host={self.directory}&user={user}&connect_timeout={START_S}"

    def service_url(self):
        return self.url("service")

    def environment(self, settings=None):
        """Of the service and its commands; `settings` are further variables of its configuration."""
        return ENVIRONMENT | {
            "DATABASE_URL": self.url("rsvpd"),
            "REDIS_URL": f"unix://{self.directory}/redis.sock",
            "PORT": str(self.port), "ADMIN_PORT": str(self.admin_port), "WORKERS": "2",
            "REQUEST_DEADLINE_MS": str(DEADLINE_MS), "SHUTDOWN_DRAIN_MS": "2000",
            "MAX_CONNECTIONS": str(MAX_CONNECTIONS)} | (settings or {})

    def start_rsvpd(self, settings=None, ready=200, ports=None):
        """ready: what /readyz answers once it is up. ports: where it listens, for the API and for the admin."""
        self.port, self.admin_port = ports or free_ports(2)
        environment = self.environment(settings)
        self.run([self.binary, "migrate"], env=environment)
        self.run([f"{self.programs}/psql", "-X", "-h", self.directory, "-U", "rsvpd", "-v", "role=service",
                  "-f", f"{SOURCE}/sql/roles/service_role.sql"])
        environment["DATABASE_URL"] = self.service_url()
        self.spawn("rsvpd", [self.binary, "serve"], env=environment)
        until("rsvpd", lambda: self.is_ready(ready))

    def restart_rsvpd(self, settings, ready=200):
        """With other settings, without a drain."""
        self.stop("rsvpd", signal.SIGKILL)
        self.start_rsvpd(settings, ready)

    def is_ready(self, status=200):
        if (ended := self.children["rsvpd"].poll()) is not None:
            raise RuntimeError(f"rsvpd ended with status {ended}\n{self.log('rsvpd')}")
        with contextlib.suppress(OSError):
            return send(self.admin_port, "GET", "/readyz").status == status
        return False

    def command(self, *arguments):
        """What a command of the service prints."""
        return self.run([self.binary, *arguments], env=self.environment())

    def sql(self, statements):
        """What the statements select."""
        return self.run([f"{self.programs}/psql", "-h", self.directory, "-U", "rsvpd", "-qAt", "-v", "ON_ERROR_STOP=1",
                         "-c", statements])

    @contextlib.contextmanager
    def all_connections(self):
        """Takes all the connections that the service allows."""
        with contextlib.ExitStack() as held:
            for _ in range(MAX_CONNECTIONS):
                held.enter_context(socket.create_connection(("127.0.0.1", self.port), REQUEST_S))
            yield

    def make_waiting(self, event, users):
        """An event without a seat for which so many wait."""
        self.sql(f"""
            INSERT INTO events (event_id, capacity, waitlist, waiting, last_ticket)
                VALUES ('{event}', 0, true, {users}, {users} + 1);
            INSERT INTO rsvp_counters (event_id, count, version, managed) VALUES ('{event}', 0, 0, true);
            INSERT INTO waitlist (event_id, ticket, user_id)
                SELECT '{event}', i + 1, 'w' || i FROM generate_series(1, {users}) AS i""")

    def make_likes(self, user, posts):
        """A user who likes so many posts."""
        self.sql(f"""
            INSERT INTO likes (post_id, user_id) SELECT 'liked-' || i, '{user}' FROM generate_series(1, {posts}) AS i;
            INSERT INTO like_counters (post_id, count, version)
                SELECT 'liked-' || i, 1, 1 FROM generate_series(1, {posts}) AS i""")

    @contextlib.contextmanager
    def locked_tables(self):
        """Keeps everybody else from the tables."""
        with subprocess.Popen([f"{self.programs}/psql", "-h", self.directory, "-U", "rsvpd", "-qAt"], text=True,
                              env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as psql:
            psql.stdin.write("BEGIN; LOCK TABLE rsvps, likes; SELECT 'locked';\n")
            psql.stdin.flush()
            if psql.stdout.readline() != "locked\n":
                raise RuntimeError("psql did not lock the tables")
            yield  # psql ends when the with statement closes its input
