"""Clients that pipeline: several requests of a connection are on their way at once.

What becomes of a request is told apart by what RFC 9112 lets a client do:

* After an answer with `Connection: close` the server must not process further requests of that connection (section 9.6). So those
  behind it are sent again elsewhere, and have not failed. That they were not processed is checked: a write that is sent again must
  be the first of its kind.
* Where a connection ends before the first answer to what was sent on it while nothing was on its way, the end may have crossed the
  request (section 9.5): it is sent again as well, and counted as `crossed`.
* Whatever else is without a whole answer, or has another one than was due, has failed.
"""
import collections
import contextlib
import itertools
import json
import socket
import ssl
import threading
import time

DEPTH = 8  # requests that are sent at once
ANSWER_S = 20
END_S = 5  # within which a server ends the connection that it says it will


class Ended(Exception):
    """The connection, and whether a part of an answer had come."""

    def __init__(self, in_answer):
        super().__init__("the connection ended")
        self.in_answer = in_answer


Operation = collections.namedtuple("Operation", "method target status changed user")


class Pipeliner:
    """One client, with an event of its own. places() gives the addresses that it may ask, of which it takes the next one whenever a
    connection ends; context is that of TLS, or None."""

    def __init__(self, name, places, context, header, rate):
        self.name, self.places, self.context, self.header = name, places, context, header
        self.pause_s = DEPTH / rate
        self.operations = self.make_operations()
        self.members = set()  # by the answers
        self.figures = collections.Counter()
        self.failures = []
        self.waiting = collections.deque()  # those without an answer, in their order
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.turn = 0
        self.socket = self.file = None

    # ---- what is asked ----

    def make_operations(self):
        event = f"/v1/events/{self.name}"
        for number in itertools.count():
            user = f"{self.name}.{number}"
            yield Operation("POST", f"{event}/rsvp?user_id={user}", 201, True, user)
            yield Operation("GET", f"{event}/users/{user}", 200, None, user)
            if number % 2:
                yield Operation("DELETE", f"{event}/rsvp?user_id={user}", 200, True, user)
            yield Operation("GET", f"{event}/rsvp_count", 200, None, None)

    def write(self, operation):
        return f"{operation.method} {operation.target} HTTP/1.1\r\nHost: localhost\r\n{self.header}\r\n\r\n".encode()

    # ---- the connection ----

    def connect(self):
        """False where nobody listens: nothing was sent, so nothing has failed."""
        places = self.places()
        host, port = places[self.turn % len(places)]
        self.turn += 1
        try:
            self.socket = socket.create_connection((host, port), ANSWER_S)
            if self.context:
                self.socket = self.context.wrap_socket(self.socket, server_hostname="localhost")
        except OSError:
            self.figures["not connected"] += 1
            return False
        self.file = self.socket.makefile("rb")
        self.figures["connections"] += 1
        return True

    def disconnect(self):
        if self.socket:
            self.file.close()
            self.socket.close()
        self.socket = None

    def send(self, operations):
        with contextlib.suppress(OSError):  # answers that are here already can still be read
            self.socket.sendall(b"".join(map(self.write, operations)))

    def line(self, first=False):
        try:
            line = self.file.readline()
        except OSError as error:
            raise Ended(not first) from error
        if not line.endswith(b"\n"):
            raise Ended(not first or bool(line))
        return line.decode().rstrip("\r\n")

    def answer(self):
        """(status, body, whether the server closes) of the next one."""
        status = int(self.line(first=True).split()[1])
        size, closes = 0, False
        while field := self.line():
            name, _, value = field.partition(":")
            size = int(value) if name.lower() == "content-length" else size
            closes = closes or (name.lower(), value.strip().lower()) == ("connection", "close")
        try:
            body = self.file.read(size)
        except OSError as error:
            raise Ended(True) from error
        if len(body) < size:
            raise Ended(True)
        try:
            return status, json.loads(body), closes
        except ValueError:  # HAProxy's own answers are of HTML
            return status, {}, closes

    # ---- what was answered ----

    def fail(self, operation, *what):
        self.figures["failed"] += 1
        self.failures.append(f"{self.name}, {operation.method} {operation.target}: " + " ".join(map(str, what)))

    def judge(self, operation, status, body):
        self.figures["answered"] += 1
        if status != operation.status or (operation.changed is not None and body.get("changed") != operation.changed):
            self.fail(operation, status, body)
        elif operation.method == "GET" and operation.user and not body["has_rsvped"]:
            self.fail(operation, "a write that was acknowledged before is not seen")
        if operation.method == "POST" and status in (200, 201):
            self.members.add(operation.user)
        elif operation.method == "DELETE" and status == 200:
            self.members.discard(operation.user)

    def await_end(self):
        """The server has said that it closes: nothing more may come. Being reset is its fault: RFC 9112 section 9.6 has it wait."""
        self.socket.settimeout(END_S)
        try:
            if self.file.read(1):
                self.fail(self.waiting[0] if self.waiting else Operation("", "", 0, None, None), "answered behind the last answer")
        except TimeoutError:
            self.figures["left open"] += 1
        except OSError:
            self.figures["reset"] += 1

    def read_answers(self):
        """Those to all that waits. False where the connection is at its end."""
        first = True
        while self.waiting:
            try:
                status, body, closes = self.answer()
            except Ended as ended:
                if first and not ended.in_answer:
                    self.figures["crossed"] += 1
                else:
                    self.fail(self.waiting[0], "the connection ended", "in" if ended.in_answer else "before", "its answer")
                return False
            first = False
            self.judge(self.waiting.popleft(), status, body)
            if closes:
                self.figures["closed"] += 1
                self.figures["sent again"] += len(self.waiting)
                self.await_end()
                return False
        return True

    def run(self):
        due = time.monotonic()
        while not self.ending.is_set():
            if not self.socket and not self.connect():
                self.ending.wait(0.05)
                continue
            again = list(self.waiting)
            new = [next(self.operations) for _ in range(DEPTH - len(again))]
            self.waiting.extend(new)
            self.send([*again, *new])
            if not self.read_answers():
                self.disconnect()
                continue
            due = max(due + self.pause_s, time.monotonic() - self.pause_s)
            self.ending.wait(due - time.monotonic())
        while self.waiting and (self.socket or self.connect()):  # nothing is left without an answer
            self.send(self.waiting)
            if not self.read_answers():
                self.disconnect()
        self.disconnect()


class Pipeliners:
    """with Pipeliners(...) as clients: some ask through HAProxy, by TLS, the others the processes themselves."""

    def __init__(self, stack, number, rate):
        self.stack = stack
        context = ssl.create_default_context(cafile=stack.certificate)
        context.set_alpn_protocols(["http/1.1"])
        header = stack.bearer()
        self.groups = {
            "through HAProxy": [Pipeliner(f"piped-{index}", self.balancer, context, header, rate) for index in range(number)],
            "directly": [Pipeliner(f"direct-{index}", self.processes, None, header, rate) for index in range(number)]}

    def balancer(self):
        return [("127.0.0.1", self.stack.https)]

    def processes(self):
        return [(address, self.stack.port) for address in self.stack.addresses.values()]

    def all(self):
        return [client for group in self.groups.values() for client in group]

    def __enter__(self):
        for client in self.all():
            client.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for client in self.all():
            client.ending.set()
        for client in self.all():
            client.thread.join()

    def wrong_members(self):
        """Those who are not in as the answers said: lost, or there though nobody was told; and counts that are not theirs."""
        for client in self.all():
            there = set(users(self.stack, client.name))
            count = count_of(self.stack, client.name)
            if there != client.members or count != len(there):
                yield (f"{client.name}: {len(client.members - there)} are lost, {len(there - client.members)} nobody was told of, "
                       f"and the count of {len(there)} is {count}")

    def forget(self):
        """Removes all that they have written."""
        names = ", ".join(f"'{client.name}'" for client in self.all())
        self.stack.run([f"{self.stack.programs}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1",
                        *(word for table in ("rsvps", "rsvp_counters")
                          for word in ("-c", f"DELETE FROM {table} WHERE event_id IN ({names})")),
                        self.stack.secret("owner_database_url")])


def count_of(stack, event):
    return json.loads(stack.ask("GET", f"/v1/events/{event}/rsvp_count?max_stale_ms=0", headers=stack.headers())[2])["rsvp_count"]


def users(stack, event):
    """All who are in, page by page."""
    target = f"/v1/events/{event}/users?page_size=1000"
    token = ""
    while token is not None:
        status, _, body = stack.ask("GET", target + token, headers=stack.headers())
        if status != 200:
            raise RuntimeError(f"GET {target}: {status} {body}")
        page = json.loads(body)
        yield from (one["user_id"] for one in page["users"])
        token = f"&page_token={page['next_page_token']}" if "next_page_token" in page else None
