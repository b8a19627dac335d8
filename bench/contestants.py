"""Who is measured: rsvpd, pgbench, nginx and the service on Fastify, each started on a database of its own and put
under load by the same few functions.

A result is a dictionary: throughput_per_s, requests, latency_us, clients, and `faults`, the reasons for which the
figure does not count; there are none in a good run.
"""
import glob
import json
import os
import re
import tempfile

import processes
import stores

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 10
CONNECTS_PER_S = 128  # pgbench makes its connections inside its time, but computes the throughput without them
POOL_DEFAULT = 10  # of pg, per process
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def run_wrk(port, clients, seconds, stream, must_last, threads=2):
    """must_last: the stream may not begin again, because its users must be new."""
    threads = min(threads, clients)
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", f"{TIMEOUT_S}s", "-s",
               f"{HERE}/stream.lua", f"http://127.0.0.1:{port}", "--", stream, str(threads)]
    output, used_s = processes.run_load(command, seconds + 3 * TIMEOUT_S)
    report = json.loads(output.strip().splitlines()[-1])
    faults = [f"{number} {kind} errors" for kind, number in report["errors"].items() if number]
    if must_last and report["wraps"]:
        faults.append("the stream was too short")
    if not report["requests"]:
        faults.append("no request was answered")
    return {"throughput_per_s": report["requests"] / (report["duration_us"] / 1e6), "requests": report["requests"],
            "latency_us": report["latency_us"], "clients": clients, "load_cpu_s": used_s, "faults": faults}


class Service:
    """What all that serve HTTP have in common."""

    compiles_itself = False  # while it runs, so that it is slow at first

    def __init__(self, bench, work):
        self.bench, self.work = bench, work
        self.database = None
        self.child = None
        self.port = processes.free_port()
        self.log = f"{bench.directory}/{self.name}.log"
        self.setup = {}  # what the figures were measured with

    def spawn(self, command, **environment):
        self.child = processes.spawn(command, self.log, env=os.environ | environment)

    def stop(self):
        if self.child:
            processes.stop(self.child)
            self.child = None

    def load(self, clients, seconds, stream):
        return run_wrk(self.port, clients, seconds, stream, self.work.new_users)


class Rsvpd(Service):
    name = "rsvpd"

    @property
    def program(self):
        return self.bench.rsvpd

    @property
    def source(self):
        return stores.SOURCE

    def start(self, **environment):
        """The environment is what this one is set to beyond the defaults."""
        self.admin_port = processes.free_port()
        self.setup = {"WORKERS": self.bench.workers, "ACCESS_LOG_EVERY": 0} | environment
        self.spawn([self.program, "serve"], DATABASE_URL=self.bench.postgres.url(self.database, stores.SERVICE),
                   REDIS_URL=f"unix://{self.bench.redis_socket}", PORT=str(self.port), ADMIN_PORT=str(self.admin_port),
                   WORKERS=str(self.bench.workers), ACCESS_LOG_EVERY="0", SHUTDOWN_DRAIN_MS="0", **environment)
        processes.wait_until_ready(self.child, self.name, lambda: processes.ask(self.admin_port, "GET", "/readyz")[0] == 200,
                                   self.log)
        self.check()

    def check(self):
        """It does what it is measured at."""
        check_answers(self.port, self.name)

    def admit(self, event=stores.HOT_EVENT):
        """Gives the event a capacity that is never reached."""
        self.change_settings("PUT", event, json.dumps({"capacity": stores.HOT_CAPACITY}))

    def release(self, event):
        """Takes it away again."""
        self.change_settings("DELETE", event)

    def change_settings(self, method, event, body=None):
        status, _, answer = processes.ask(self.port, method, f"/v1/events/{event}", body)
        if status != 200:
            raise RuntimeError(f"{method} of the settings of {event}: {status} {answer}")


class RsvpdOfRun(Rsvpd):
    """One that is set up in some way, on the one database of this run, for as long as a `with` block lasts."""

    def __init__(self, bench, name, **environment):
        self.name = name
        super().__init__(bench, None)
        self.database = bench.database
        self.environment = environment

    def __enter__(self):
        try:
            self.start(**self.environment)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()


class Fastify(Service):
    name = "fastify"
    compiles_itself = True

    def __init__(self, bench, work):
        super().__init__(bench, work)
        self.pool_size = POOL_DEFAULT

    def choices(self, connections):
        """What a calibration tries: the connections to PostgreSQL, shared out among the processes."""
        return [number // self.bench.workers for number in connections]

    def choose(self, pool_size):
        self.stop()
        self.pool_size = pool_size
        self.start()

    def start(self):
        self.setup = {"processes": self.bench.workers, "pool_size": self.pool_size}
        self.spawn(["node", f"{HERE}/peers/fastify/service.js"], NODE_ENV="production", WORKERS=str(self.bench.workers),
                   PORT=str(self.port), POOL_SIZE=str(self.pool_size), PGHOST=self.bench.postgres.socket_directory,
                   PGUSER=stores.OWNER, PGDATABASE=self.database, REDIS_SOCKET=self.bench.redis_socket)
        processes.wait_until_ready(self.child, self.name,
                                   lambda: processes.ask(self.port, "GET", "/v1/events/none/users/none")[0] == 200, self.log)
        check_answers(self.port, self.name)


class Nginx(Service):
    """Gives one answer to everything: that of rsvpd, byte by byte, but for what nginx puts there itself."""

    name = "nginx"
    OWN_FIELDS = ("date", "content-length", "content-type", "connection")

    def start(self):
        self.setup = {"worker_processes": self.bench.workers}
        directory = tempfile.mkdtemp(prefix="nginx.", dir=self.bench.directory)
        status, headers, body = self.bench.sample_answer
        if status != 200 or "'" in body or "$" in body:
            raise RuntimeError(f"not an answer that nginx can be given: {status} {body}")
        with open(f"{directory}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(self.configuration(directory, dict(headers), body))
        program = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
        self.spawn([program, "-p", directory, "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"])
        processes.wait_until_ready(self.child, self.name, lambda: self.answers_alike(headers, body), self.log)

    def configuration(self, directory, headers, body):
        fields = "\n".join(f"      add_header {name} '{value}';" for name, value in headers.items()
                           if name.lower() not in self.OWN_FIELDS)
        temporary = "\n".join(f"  {kind}_temp_path {directory}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""daemon off;
pid {directory}/pid;
worker_processes {self.bench.workers};
events {{ worker_connections 1024; }}
http {{
{temporary}
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  default_type {headers['Content-Type']};
  server {{
    listen 127.0.0.1:{self.port} reuseport;
    location / {{
{fields}
      return 200 '{body}';
    }}
  }}
}}
"""

    def answers_alike(self, headers, body):
        status, own_headers, own_body = processes.ask(self.port, "GET", "/v1/events/1/rsvp_count")
        own = dict(own_headers)
        differ = [name for name, value in headers if name.lower() != "date" and own.get(name) != value]
        if status != 200 or own_body != body or differ:
            raise RuntimeError(f"nginx answers otherwise than rsvpd: {status} {own} {own_body}")
        return True


class Pgbench:
    name = "pgbench"
    compiles_itself = False

    def __init__(self, bench, work):
        self.bench, self.work = bench, work
        self.database = None
        self.clients = 32
        self.child = None
        self.setup = {}

    def start(self):
        self.setup = {"clients": self.clients}

    def stop(self):
        pass

    def choices(self, connections):
        return connections

    def choose(self, clients):
        self.clients = clients
        self.setup = {"clients": clients}

    def load(self, clients, seconds, _stream=None):
        """The latencies are those of one transaction in ten."""
        postgres = self.bench.postgres
        with tempfile.TemporaryDirectory(dir=self.bench.memory_directory) as logs:
            variables = {"n": 0, "rows": self.bench.scale.rows, "members": self.bench.scale.members}
            command = [f"{postgres.programs}/pgbench", "-n", "-M", "prepared", "-h", postgres.socket_directory, "-U",
                       stores.OWNER, "-j", str(min(2, clients)), "-c", str(clients), "-T",
                       str(seconds + clients // CONNECTS_PER_S), "-f",
                       f"{HERE}/pgbench/{self.work.name}.sql", "-l", f"--log-prefix={logs}/log", "--sampling-rate=0.1",
                       *(f"--define={name}={value}" for name, value in variables.items()), self.database]
            output, used_s = processes.run_load(command, seconds + 3 * TIMEOUT_S)
            latency_us = self.latencies(logs)
        return self.result(output, clients, latency_us, used_s)

    def result(self, output, clients, latency_us, used_s):
        def figure(pattern):
            found = re.search(pattern, output, re.M)
            return float(found[1]) if found else 0.0  # pgbench leaves out what it could not compute

        throughput = figure(r"^tps = ([\d.]+)")
        requests = int(figure(r"^number of transactions actually processed: (\d+)"))
        failed = int(figure(r"^number of failed transactions: (\d+)"))
        faults = [f"{failed} failed transactions"] if failed else []
        if not throughput:
            faults.append("no transaction was done")
        return {"throughput_per_s": throughput, "requests": requests, "latency_us": latency_us, "clients": clients,
                "load_cpu_s": used_s, "faults": faults}

    @staticmethod
    def latencies(directory):
        values = []
        for path in glob.glob(f"{directory}/log*"):
            with open(path, encoding="ascii") as file:
                values += [int(line.split()[2]) for line in file]
        values.sort()
        if not values:
            return {}
        return {name: values[min(len(values) - 1, int(share * len(values)))] for name, share in QUANTILES.items()}


def check_answers(port, name):
    """Holds a service to the contract's answers before it is measured."""
    event, user = "check", "7"
    status = {True: "going", False: "none"}

    def membership(inside, **more):
        return {"event_id": event, "user_id": user, "has_rsvped": inside, "status": status[inside], **more}

    rsvp, body = f"/v1/events/{event}/rsvp", json.dumps({"user_id": user})
    steps = (
        ("POST", rsvp, body, 201, membership(True, changed=True, rsvp_count=1)),
        ("POST", rsvp, body, 200, membership(True, changed=False, rsvp_count=1)),
        ("GET", f"/v1/events/{event}/users/{user}", None, 200, membership(True)),
        ("GET", f"/v1/events/{event}/rsvp_count", None, 200, {"event_id": event, "rsvp_count": 1, "stale": False}),
        ("DELETE", f"{rsvp}?user_id={user}", None, 200, membership(False, changed=True, rsvp_count=0)),
        ("DELETE", f"{rsvp}?user_id={user}", None, 200, membership(False, changed=False, rsvp_count=0)),
        ("GET", f"/v1/events/{event}/users/{user}", None, 200, membership(False)),
        ("POST", rsvp, '{"user_id":"not an identifier"}', 400, None),
    )
    for method, target, sent, expected_status, expected in steps:
        got_status, _, text = processes.ask(port, method, target, sent)
        got = json.loads(text)
        got.pop("as_of", None)
        if got_status != expected_status or (expected is not None and got != expected):
            raise RuntimeError(f"{name}: {method} {target} answers {got_status} {text}, not {expected_status} {expected}")
