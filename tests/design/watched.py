"""Two instances of the service in front of one PostgreSQL and one Redis, and all that they say to each other.

PostgreSQL logs each statement, Redis tells MONITOR each command, a collector takes the spans. What a request caused is found by
the time of the request, of which there is one at a time, and by the events and posts that are named.
"""
import base64
import contextlib
import datetime
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/../openapi", f"{HERE}/../traces"]
from collector import Collector  # noqa: E402
from servers import ENVIRONMENT, Servers, end_with_parent, free_ports, send, until  # noqa: E402

Transaction = namedtuple("Transaction", "begun_at statements error")  # statements: [(name, parameters)]
Command = namedtuple("Command", "at by_script words")  # at: seconds since 1970, likewise above

SETTINGS = {"WORKERS": "1", "PG_WRITE_CONNECTIONS": "1", "REQUEST_DEADLINE_MS": "60000", "SHUTDOWN_DRAIN_MS": "0",
            "MAX_CONNECTIONS": "100"}
RELAY_SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, ok").decode()


class Lines:
    """The whole lines of a growing file, each as parse() gives it; None of it is left out."""

    def __init__(self, path, parse):
        self.path, self.parse, self.position, self.lines = path, parse, 0, []

    def read(self):
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            file.seek(self.position)
            whole = file.read().rpartition(b"\n")
            self.position += len(whole[0]) + len(whole[1])
            parsed = (self.parse(line.decode()) for line in whole[0].split(b"\n") if line)
            self.lines += [line for line in parsed if line is not None]
        return self.lines


def write_line(child, line):
    child.stdin.write(line + "\n")
    child.stdin.flush()


def end(child):
    """One that reads its input to the end."""
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    child.wait()


def parse_object(line):
    return json.loads(line) if line.startswith("{") else None


class Watched(Servers):
    """with Watched(binary) as watched: instances "A" and "B" are up."""

    postgres_settings = ("logging_collector=on", "log_destination=jsonlog", "log_filename=statements", "log_statement=all",
                         "log_rotation_age=0", "log_rotation_size=0", "log_timezone=UTC")

    def __enter__(self):
        self.collector = Collector()
        self.settings = SETTINGS | {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url}
        self.marks, self.ports = 0, {}
        self.logs = {name: Lines(f"{self.directory}/{file}", parse) for name, file, parse in (
            ("A", "rsvpd.log", parse_object), ("B", "another.log", parse_object), ("Redis", "monitor.log", str),
            ("PostgreSQL", "data/log/statements.json", parse_object))}
        super().__enter__()
        try:
            self.start_monitor()
            self.sql_marker = self.open_session(stdout=subprocess.DEVNULL)
            self.start_another()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_rsvpd(self, settings=None, ready=200, ports=None):
        super().start_rsvpd(self.settings | (settings or {}), ready, ports)
        self.ports["A"] = (self.port, self.admin_port)

    def start_another(self):
        self.ports["B"] = port, admin_port = free_ports(2)
        environment = self.environment(self.settings | {"PORT": str(port), "ADMIN_PORT": str(admin_port)})
        environment["DATABASE_URL"] = self.service_url()
        self.spawn("another", [self.binary, "serve"], env=environment)
        until("instance B", lambda: self.is_up("B"))

    def is_up(self, instance):
        with contextlib.suppress(OSError):
            return send(self.ports[instance][1], "GET", "/readyz").status == 200
        return False

    def __exit__(self, *_):
        for marker in ("sql_marker", "redis_marker"):
            if hasattr(self, marker):
                end(getattr(self, marker))
        super().__exit__()

    def end_services(self):
        """In order, so that the collector gets the last spans."""
        for name in ("another", "rsvpd"):
            if self.stop(name, signal.SIGTERM) != 0:
                raise RuntimeError(f"{name} did not end well\n{self.log(name)}")

    def log_of(self, instance):
        """What the instance logged, an object a line."""
        return self.logs[instance].read()

    # -- PostgreSQL

    def open_session(self, **options):
        return subprocess.Popen([f"{self.programs}/psql", "-h", self.directory, "-U", "rsvpd", "-qAtX"], text=True,
                                env=ENVIRONMENT, stdin=subprocess.PIPE, preexec_fn=end_with_parent(), **options)

    def mark_statements(self):
        """Until the log has all statements of before; returns how many lines it has."""
        self.marks += 1
        write_line(self.sql_marker, f"SELECT 'mark {self.marks}';")
        sought = f"statement: SELECT 'mark {self.marks}';"
        return until("the log of PostgreSQL", lambda: next(
            (i + 1 for i, line in enumerate(self.statement_log()) if line["message"] == sought), None))

    def statement_log(self):
        return self.logs["PostgreSQL"].read()

    def transactions(self, first, last, entities):
        """Those of the service in these lines of the log that are about these entities, as they began."""
        groups = {}
        for line in self.statement_log()[first:last]:
            if line.get("user") == "service" and line.get("vxid"):
                groups.setdefault((line["pid"], line["vxid"]), []).append(line)
        for lines in groups.values():
            statements = [self.read_statement(line) for line in lines if line["error_severity"] == "LOG"]
            if any(entity in parameters for _, parameters in statements for entity in entities):
                begun_at = datetime.datetime.strptime(lines[0]["timestamp"][:23] + "+0000", "%Y-%m-%d %H:%M:%S.%f%z").timestamp()
                yield Transaction(begun_at, statements, next(
                    (line["message"] for line in lines if line["error_severity"] == "ERROR"), None))

    @staticmethod
    def read_statement(line):
        kind, _, text = line["message"].partition(": ")
        name = kind.removeprefix("execute ") if kind.startswith("execute ") else ""
        if name in ("", "<unnamed>"):
            name = " ".join(line for line in text.splitlines() if not line.startswith("--"))
        return name, line.get("detail", "").partition(": ")[2]

    def has_begun(self, first, entity):
        """Whether a write of this entity is with PostgreSQL since then."""
        return any("_write: " in line["message"] and entity in line.get("detail", "") for line in self.statement_log()[first:])

    # -- Redis

    def start_monitor(self):
        self.redis_is_up = True
        client = ["redis-cli", "-s", f"{self.directory}/redis.sock"]
        told = len(self.command_log())
        self.spawn("monitor", [*client, "monitor"])
        until("MONITOR", lambda: "OK" in self.command_log()[told:])  # commands of the services may follow it at once
        self.redis_marker = subprocess.Popen(client, cwd="/", text=True, env=ENVIRONMENT, stdin=subprocess.PIPE,
                                             stdout=subprocess.DEVNULL, preexec_fn=end_with_parent())

    def stop_monitor(self):
        self.redis_is_up = False
        self.stop("monitor", signal.SIGKILL)
        end(self.redis_marker)

    def mark_commands(self):
        """Until MONITOR has told all commands of before, if Redis is up; returns how many lines it has."""
        if not self.redis_is_up:
            return len(self.command_log())
        self.marks += 1
        sought = f'"mark {self.marks}"'
        write_line(self.redis_marker, f'ECHO "mark {self.marks}"')
        return until("MONITOR", lambda: next((i + 1 for i, line in enumerate(self.command_log()) if sought in line), None))

    def command_log(self):
        return self.logs["Redis"].read()

    def commands(self, first, last, entities):
        """Those about these entities."""
        for line in self.command_log()[first:last]:
            head, _, words = line.partition("] ")
            words = json.loads("[" + words.replace('" "', '", "') + "]") if head else []
            if any(word.endswith(f":{entity}") for word in words for entity in entities):
                yield Command(float(head.split()[0]), head.endswith(" lua"), words)

    @contextlib.contextmanager
    def stopped_redis(self):
        """It forgets what it knows."""
        self.stop_monitor()
        self.stop("redis", signal.SIGTERM)
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{self.directory}/redis.sock")
            self.start_redis()
            self.start_monitor()

    @contextlib.contextmanager
    def frozen_redis(self):
        """It takes what comes, and answers nothing."""
        self.redis_is_up = False
        self.children["redis"].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.children["redis"].send_signal(signal.SIGCONT)
            self.redis_is_up = True

    def readiness(self, instance):
        """(the status, a line for the service and one for each store)"""
        answer = send(self.ports[instance][1], "GET", "/readyz?verbose")
        return answer.status, answer.body.decode().splitlines()

    def is_published(self, first, entity):
        return any(command.by_script and command.words[0] == "SET" for command in self.commands(first, None, [entity]))

    # -- what waits

    def queued_writes(self, instance):
        """How many writes wait for PostgreSQL, or are with it."""
        metrics = send(self.ports[instance][1], "GET", "/metrics").body.decode()
        return int(re.search(r'rsvpd_queue_depth\{queue="writes"\} (\d+)', metrics)[1])

    @contextlib.contextmanager
    def locked_counter(self, event):
        """Whoever changes the number of this event's RSVPs waits meanwhile."""
        with self.open_session(stdout=subprocess.PIPE) as psql:
            psql.stdin.write(f"BEGIN; SELECT 'locked' FROM rsvp_counters WHERE event_id = '{event}' FOR UPDATE;\n")
            psql.stdin.flush()
            if psql.stdout.readline() != "locked\n":
                raise RuntimeError("psql did not lock the counter")
            yield  # psql ends when the with statement closes its input

    # -- the relay

    @contextlib.contextmanager
    def relay(self, receiver):
        self.command("relay", "--create")
        (port,) = free_ports(1)
        environment = self.environment({"ADMIN_PORT": str(port), "RELAY_TARGET": receiver.url, "RELAY_SECRET": RELAY_SECRET})
        self.spawn("relay", [self.binary, "relay"], env=environment)
        yield
        if self.stop("relay", signal.SIGTERM) != 0:
            raise RuntimeError(f"the relay did not end well\n{self.log('relay')}")
        self.command("relay", "--drop")

    def is_confirmed(self, lsn):
        """Whether the relay's slot would not tell again what was committed by then."""
        return self.sql(f"SELECT confirmed_flush_lsn >= '{lsn}' FROM pg_replication_slots").strip() == "t"

    def lsn(self):
        return self.sql("SELECT pg_current_wal_lsn()").strip()


class Receiver:
    """Of webhooks, on loopback: answers with the statuses of its plan, then with 204."""

    def __init__(self, *plan):
        self.requests, self.plan = [], list(plan)  # requests: [(status, headers, body)]
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802: the name is the module's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.plan.pop(0) if receiver.plan else 204
                receiver.requests.append((status, list(self.headers.items()), body.decode()))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def in_thread(function, *arguments):
    """Calls it in a thread of its own; the result is what the returned function returns, after the end."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)))
    thread.start()

    def wait():
        thread.join()
        return result[0]
    return wait
