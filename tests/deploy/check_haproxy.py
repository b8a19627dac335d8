#!/usr/bin/python3
"""Runs docker/haproxy/haproxy.cfg as it is: HAProxy, a name server, two rsvpd, a PostgreSQL and a Redis of the test's own.

Addresses, names and the certificate come by the variables that the configuration has. RSVPD_BINARY is the service. Both
processes listen on one port of two addresses of loopback, where the name server's answer leads.
"""
import collections
import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import sys
import threading
import traceback

sys.dont_write_bytecode = True
from balancer import Balanced  # noqa: E402
from servers import REQUEST_S, SOURCE, free_ports, until  # noqa: E402

ADDRESSES = ("127.0.0.2", "127.0.0.3")
CLIENTS = 8  # of the load
COUNT = "/v1/events/e1/rsvp_count"
WATCHERS = 6  # streams that are open while a process drains


NUMBERS = itertools.count()


def expect(condition, *words):
    if not condition:
        raise AssertionError(" ".join(str(word) for word in words))


class Stack(Balanced):
    """Everything behind HAProxy, and HAProxy. Processes are known by their address."""

    def start_rsvpd(self, settings=None, ready=200):
        self.port, self.admin_port = free_ports(2)
        self.run([self.binary, "migrate"], env=self.environment())
        self.run([f"{self.programs}/psql", "-X", "-h", self.directory, "-U", "rsvpd", "-v", "role=service",
                  "-f", f"{SOURCE}/sql/roles/service_role.sql"])
        self.start_names(ADDRESSES)
        self.start_haproxy(self.port)
        for address in ADDRESSES:
            self.start_process(address, {"RATE_LIMIT_ADDRESS": "20/600"})

    def start_process(self, address, settings=None):
        env = self.environment(settings) | {
            "DATABASE_URL": self.service_url(), "BIND_ADDRESS": address, "ADMIN_BIND_ADDRESS": address,
            "TRUSTED_PROXIES": "127.0.0.1", "SHUTDOWN_DRAIN_MS": "5000", "MAX_CONNECTIONS": "400", "REQUEST_DEADLINE_MS": "2000"}
        self.spawn(address, [self.binary, "serve"], env=env)
        until(f"{address} in HAProxy", lambda: self.is_up(address))

    def is_up(self, address):
        expect(self.children[address].poll() is None, address, "ended:", self.log(address))
        running = sum(name in self.children for name in ADDRESSES)
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(address, self.admin_port, timeout=REQUEST_S)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200 and len(self.server_states("ready")["UP"]) == running
        return False

    def connect_raw(self):
        connection = self.connect()
        connection.connect()
        return connection.sock

    def curl(self, *arguments):
        return self.run(["curl", "-sS", "--max-time", str(REQUEST_S), "--cacert", f"{self.directory}/site.crt", *arguments])


class Load:
    """Clients that keep their connections, write under a key of each write, and read; a request that failed is sent again once."""

    def __init__(self, stack):
        self.stack = stack
        self.stopping = threading.Event()
        self.failures, self.done, self.repeated = [], collections.Counter(), collections.Counter()
        self.threads = [threading.Thread(target=self.run, args=(index,)) for index in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def wait_for_more(self):
        seen = sum(self.done.values())
        until("requests", lambda: sum(self.done.values()) > seen + 20 * CLIENTS)

    def run(self, index):
        connection = self.stack.connect()
        for number in itertools.count():
            if self.stopping.is_set():
                break
            key = {"Idempotency-Key": f"{index}-{number}"}
            body = json.dumps({"user_id": f"u{index}-{number}"})
            for method, target, payload, fields in (("POST", "/v1/events/e1/rsvp", body, key), ("GET", COUNT, None, {})):
                self.request(index, connection, method, target, payload, fields)
        connection.close()

    def request(self, index, connection, method, target, payload, fields):
        seen = None
        for _ in range(2):
            try:
                connection.request(method, target, payload, fields)
                answer = connection.getresponse()
                seen = answer.status, answer.read()
                if answer.status in (200, 201):
                    self.done[index] += 1
                    return
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                seen = error
            self.repeated[index] += 1
        self.failures.append((method, target, seen))


def test_http2(stack):
    """TLS and HTTP/2 to the client; the service's own answers come through as they are."""
    url = f"https://localhost:{stack.https}"
    said = stack.curl("--http2", "-w", " %{http_version} %{http_code}", "--json", '{"user_id":"u1"}', f"{url}/v1/events/e1/rsvp")
    expect(said.endswith("} 2 201") and '"rsvp_count":1' in said, said)
    said = stack.curl("--http1.1", "-w", " %{http_version} %{http_code}", f"{url}{COUNT}")
    expect(said.endswith("} 1.1 200"), said)
    said = stack.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://localhost:{stack.plain}/v1/x?y=z")
    expect(said == f"308 {url}/v1/x?y=z", said)


def test_same_origin(stack):
    """The client's Host comes through: a page of the same origin may write, another one may not."""
    here = f"https://127.0.0.1:{stack.https}"
    for origin, status in ((here, 200), ("https://example.org", 403)):
        seen = stack.ask("POST", "/v1/events/e1/rsvp", '{"user_id":"u1"}', headers={"Origin": origin}, client="127.0.0.7")
        expect(seen[0] == status, origin, seen)


def test_address(stack):
    """Each client is counted by its own address, over both processes, whatever it says of itself."""
    def claim(number):
        return {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"}
    seen = [stack.ask("GET", COUNT, client="127.0.0.5", headers=claim(number))[0] for number in range(60)]
    expect(seen[0] == 200 and seen[-1] == 429 and seen.count(200) <= 40, seen)
    status, fields, _ = stack.ask("GET", COUNT, client="127.0.0.6", headers=claim(1))
    expect(status == 200 and '"address"' in fields["RateLimit"], status, fields)


def test_limits(stack):
    """What is too large is refused by the service as it always is, and by HAProxy where it is larger than that."""
    for size, statuses in ((13_000, {200}), (20_000, {431}), (40_000, {400, 431})):
        status, _, body = stack.ask("GET", COUNT, headers={"X-Large": "x" * size}, client="127.0.0.8")
        expect(status in statuses, size, status, body)
    for size in (17_000, 200_000):
        status, _, body = stack.ask("POST", "/v1/events/e1/rsvp", b" " * size, client="127.0.0.8")
        expect(status == 413, size, status, body)


class Watcher:
    """What a browser's EventSource does: comes back after `retry`, with the version that it has."""

    def __init__(self, stack):
        self.stack = stack
        self.told, self.versions, self.comments, self.begun, self.refused = [], [], 0, 0, []
        self.pause_s, self.last_id = 1, None
        self.ending = threading.Event()
        self.socket = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.watch()
            self.ending.wait(self.pause_s)

    def watch(self):
        fields = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
        with contextlib.closing(self.stack.connect()) as connection:
            connection.request("GET", f"{COUNT}/stream", headers=fields)
            self.socket = connection.sock
            if self.ending.is_set():
                return
            answer = connection.getresponse()
            if answer.status != 200:
                self.refused.append((answer.status, answer.read()))
                return
            self.begun += 1
            while line := answer.readline().decode():
                self.take(line.rstrip("\n"))

    def take(self, line):
        name, _, value = line.partition(": ")
        if line.startswith(":"):
            self.comments += 1
        elif name == "retry":
            self.pause_s = int(value) / 1000
        elif name == "id":
            self.last_id = value
            self.versions.append(int(value))
        elif name == "data":
            self.told.append(json.loads(value)["rsvp_count"])

    def end(self):
        self.ending.set()
        if self.socket is not None:
            with contextlib.suppress(OSError):  # between two streams
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        self.thread.join()

    def wait_for(self, count):
        until(f"the count {count}", lambda: self.told and self.told[-1] == count)


@contextlib.contextmanager
def watchers(stack, number):
    all_of_them = [Watcher(stack) for _ in range(number)]
    try:
        yield all_of_them
    finally:
        for one in all_of_them:
            one.end()


def count_of(stack):
    return json.loads(stack.ask("GET", f"{COUNT}?max_stale_ms=0")[2])["rsvp_count"]


def add(stack):
    """One more RSVP; returns the count then."""
    status, _, body = stack.ask("POST", "/v1/events/e1/rsvp", json.dumps({"user_id": f"s{next(NUMBERS)}"}))
    expect(status == 201, status, body)
    return json.loads(body)["rsvp_count"]


def test_streams_by_curl(stack):
    """Over HTTP/1.1 and HTTP/2: the first event at once, and the next one when there is one."""
    for protocol, version in (("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")):
        name = f"curl{protocol}"
        stack.spawn(name, ["curl", "-sS", "-N", "-i", protocol, "--cacert", stack.certificate,
                           f"https://localhost:{stack.https}{COUNT}/stream"])
        for change in (count_of, add):
            count = change(stack)
            until(f"{count} of {name}", lambda count=count: f'"rsvp_count":{count},' in stack.log(name))
        expect(stack.log(name).startswith(version) and "text/event-stream" in stack.log(name), stack.log(name))
        stack.stop(name, signal.SIGTERM)


def test_silent_streams(stack):
    """Nothing happens for longer than an answer may take: a comment comes, and then the next event of the same stream."""
    with watchers(stack, 1) as [one]:
        one.wait_for(count_of(stack))
        until("a comment", lambda: one.comments)
        one.wait_for(add(stack))
        expect(one.begun == 1, "the stream was cut", one.begun - 1, "times")


def test_streams_in_a_drain(stack):
    """Streams of a process that leaves come back on the other one, and miss nothing."""
    with watchers(stack, WATCHERS) as all_of_them:
        until("streams", lambda: all(one.told for one in all_of_them))
        for address in ADDRESSES:
            begun = sum(one.begun for one in all_of_them)
            status = stack.stop(address, signal.SIGTERM)
            expect(status == 0, address, "ended with status", status, stack.log(address))
            count = add(stack)
            for one in all_of_them:
                one.wait_for(count)
                expect(not one.refused, one.refused)
                expect(one.versions == sorted(set(one.versions)), "versions:", one.versions)
            expect(sum(one.begun for one in all_of_them) > begun, "no stream was on", address)
            stack.start_process(address)


def slow_clients(stack):
    """Two that never finish, one its head and one its body; returns what waits for their answers."""
    head = b"POST /v1/events/e1/rsvp HTTP/1.1\r\nHost: localhost\r\n"
    slow = [stack.connect_raw() for _ in range(2)]
    slow[0].sendall(head)
    slow[1].sendall(head + b"Content-Length: 16\r\n\r\n{")

    def answers():
        for client in slow:
            with contextlib.closing(client):
                expect(client.recv(1000).startswith(b"HTTP/1.1 408 "), "a slow client was not refused")
    return answers


def test_rolling_restart(stack):
    """Both are replaced, one after the other, and no request fails; of those of the killed one, none after its repetition."""
    for address in ADDRESSES:  # without the limit of test_address
        stack.stop(address, signal.SIGKILL)
        until(f"{address} gone", lambda: len(stack.server_states("ready")["UP"]) < 2)
        stack.start_process(address)
    with Load(stack) as load:
        for address in ADDRESSES:
            status = stack.stop(address, signal.SIGTERM)
            expect(status == 0, address, "ended with status", status, stack.log(address))
            load.wait_for_more()
            stack.start_process(address)
        expect(not load.failures and not load.repeated, load.failures, load.repeated)
        stack.stop(ADDRESSES[0], signal.SIGKILL)
        load.wait_for_more()
        stack.start_process(ADDRESSES[0])
        load.wait_for_more()
    expect(not load.failures, load.failures)
    print(f"   {sum(load.done.values())} requests, {sum(load.repeated.values())} repeated by the client")


def test_without_postgres(stack):
    """No process is ready then, and counts are still answered."""
    expect(stack.ask("GET", COUNT)[0] == 200)
    stack.stop("postgres", signal.SIGQUIT)
    until("nobody ready", lambda: not stack.server_states("ready")["UP"])
    expect(len(stack.server_states("alive")["UP"]) == len(ADDRESSES))
    status, _, body = until("a stale count", lambda: (seen := stack.ask("GET", COUNT)) and b'"stale":true' in seen[2] and seen)
    expect(status == 200, status, body)
    status, fields, body = stack.ask("POST", "/v1/events/e1/rsvp", '{"user_id":"u2"}')
    expect(status == 503 and fields["Retry-After"], status, body)


def main():
    failed = 0
    with Stack(os.environ["RSVPD_BINARY"]) as stack:
        slow = slow_clients(stack)
        tests = (test_http2, test_same_origin, test_address, test_limits, test_rolling_restart,
                 test_streams_by_curl, test_silent_streams, test_streams_in_a_drain, test_without_postgres)
        for name, test in ((test.__name__, lambda test=test: test(stack)) for test in tests):
            try:
                test()
                print(f"ok {name}", flush=True)
            except Exception:  # pylint: disable=broad-except # whatever it is, the others have their turn
                failed += 1
                print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        slow()
        if failed:
            print(stack.log("haproxy")[-3000:])
    return 1 if failed else 0


sys.exit(main())
