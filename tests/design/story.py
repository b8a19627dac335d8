"""What requests cause, told in numbered steps that are the same in each run."""
import hashlib
import http.client
import json
import re
from collections import namedtuple

from collector import attributes
from servers import send, until
from watched import in_thread

Request = namedtuple("Request", "who instance method target headers body")
Step = namedtuple("Step", "title lines")  # lines: strings, or functions that give some at the end

# Fixed words for what is another in each run.
FIXED = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),
    (r"\b(\d{19}):\d{16}:(\d+)", r"\1:<time in µs>:\2"),
    (r'"(duration|latency)_ms":[\d.]+', r'"\1_ms":<ms>'),
    (r'(X-Request-Id: |"request_id":")[\w.-]+', r"\1<request id>"),
    (r"(webhook-(?:signature|timestamp): )\S+.*", r"\1<value>"),
    (r"rsvpd:2:[^:\"\s]+:", "rsvpd:2:<database>:"),
    (r"(_admit\(.*\$3 = )'\{[\d,]+\}'", r"\1<order of arrival>"),
    (r'W/"[^"]*"', 'W/"<tag>"'),
    (r'"id":"[0-9A-F]+/[0-9A-F]+/(\d+)"', r'"id":"<LSN>/\1"'),
)
HIDDEN_HEADERS = ("date", "connection", "content-length", "x-content-type-options", "vary")  # nothing is told by them here
HIDDEN_OF_WEBHOOKS = HIDDEN_HEADERS + ("host", "accept", "accept-encoding", "user-agent")
PUBLISHED_S = 5  # far more than a count is kept for publication
CLOCKS_APART_S = 0.002  # PostgreSQL's log has milliseconds


class Untimely(Exception):
    """This machine was too slow for what the story is about: it has to be told again."""


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Story:
    """entities: the events or posts that it is about, which no other story names. Another attempt has other ones, and other
    traces; what is rendered has those of the first. also: what else the statements may name instead."""

    def __init__(self, watched, name, attempt, *entities, also=()):
        self.watched, self.name, self.attempt, self.also = watched, name, attempt, list(also)
        self.entities = [entity[:-1] + chr(ord("A") + attempt - 1) if attempt else entity for entity in entities]
        self.shown = dict(zip(self.entities, entities))  # what is used: what is rendered
        self.steps, self.asked, self.webhooks, self.line = [], 0, 0, {}
        for instance in ("A", "B"):  # the attempt before may have left its breaker open
            until(f"{instance} with all its stores", lambda: '"status":"ready"' in watched.readiness(instance)[1][0])
        self.marks = watched.mark_statements(), watched.mark_commands()
        self.logged = {instance: len(watched.log_of(instance)) for instance in ("A", "B")}

    def tell(self, title, *lines):
        self.steps.append(Step(title, lines))

    # -- asking

    def parent(self):
        """The traceparent of the next request."""
        self.asked += 1

        def digits(count, *words):
            return hashlib.sha256(" ".join(words).encode()).hexdigest()[:count]
        used, shown = ((digits(32, self.name, attempt), digits(16, self.name, attempt, str(self.asked)))
                       for attempt in (str(self.attempt), "0"))
        self.shown |= zip(used, shown)
        return f"00-{used[0]}-{used[1]}-01"

    def request(self, who, instance, method, target, body, headers=None):
        fields = {"traceparent": self.parent()} | ({"Content-Type": "application/json"} if body else {}) | (headers or {})
        return Request(who, instance, method, target, fields, compact(body) if body else None)

    def send(self, request):
        return send(self.watched.ports[request.instance][0], request.method, request.target, request.headers, request.body)

    def ask(self, who, instance, method, target, body=None, headers=None, status=200, publishes=None, spans=False):
        """One request, and all that it causes. publishes: whose count gets to Redis by it."""
        request = self.request(who, instance, method, target, body, headers)
        answer = self.send(request)
        if answer.status != status:
            raise AssertionError(f"{self.name}: {method} {target}: {answer.status}, not {status}\n{answer.body.decode()}")
        self.tell(f"{who} → {instance}", f"{method} {target} HTTP/1.1",
                  *(f"{name}: {value}" for name, value in request.headers.items()), *filter(None, [request.body]))
        commands, transactions = self.settle(publishes)
        self.tell_stores(instance, commands, transactions)
        fields = [f"{name}: {value}" for name, value in answer.headers if name.lower() not in HIDDEN_HEADERS]
        self.tell(f"{instance} → {who}", f"HTTP/1.1 {status} {http.client.responses[status]}", *fields,
                  answer.body.decode().strip())
        self.tell_access(request)
        self.tell_publications(instance, commands, transactions)
        if spans:
            self.tell_spans(request)

    def prepare(self, *arguments, **more):
        """As ask, but nothing of it is told."""
        told = len(self.steps)
        self.ask(*arguments, **more)
        del self.steps[told:]

    def ask_many(self, instance, method, target, users, status, entity):
        """Writes that come while the first of them is with PostgreSQL, and so share a batch."""
        watched, held = self.watched, []
        requests = [self.request(user, instance, method, target, {"user_id": user}) for user in users]
        with watched.locked_counter(entity):
            for count, request in enumerate(requests, 1):
                held.append(in_thread(self.send, request))
                until("the first request at PostgreSQL, the others in the queue",
                      lambda: watched.queued_writes(instance) == count and watched.has_begun(self.marks[0], entity))
        answers = [wait() for wait in held]
        if any(answer.status != status for answer in answers):
            raise Untimely(f"{self.name}: answered {[answer.status for answer in answers]}")
        _, transactions = self.settle()
        if len(transactions) != 2:
            raise Untimely(f"{self.name}: {len(transactions)} transactions instead of 2")
        for now, transaction in ((slice(0, 1), transactions[:1]), (slice(1, None), transactions[1:])):
            self.tell(f"{', '.join(users[now])} → {instance}{', meanwhile' if now.start else ''}",
                      *(f"{method} {target} HTTP/1.1, with {request.body}" for request in requests[now]))
            self.tell_stores(instance, [], transaction)
        self.tell(f"{instance} → {', '.join(users)}", *(
            f"HTTP/1.1 {answer.status} {http.client.responses[answer.status]}, with {answer.body.decode()}" for answer in answers))
        for request in requests[:2]:
            self.tell_spans(request)

    def settle(self, publishes=None):
        """All that was caused since the last time: the commands and the transactions."""
        watched, (statements, commands) = self.watched, self.marks
        if publishes:
            try:
                until("publication", lambda: watched.is_published(commands, publishes), PUBLISHED_S)
            except TimeoutError:
                raise Untimely(f"{self.name}: the count of {publishes} was late, and not published") from None
        self.marks = watched.mark_statements(), watched.mark_commands()
        return (list(watched.commands(commands, self.marks[1], self.entities)),
                list(watched.transactions(statements, self.marks[0], self.entities + self.also)))

    # -- telling

    def tell_stores(self, instance, commands, transactions):
        for command in commands:
            if not command.by_script and command.words[0] == "MGET":
                assert all(command.at < one.begun_at + CLOCKS_APART_S for one in transactions), (command, transactions)
                self.tell(f"{instance} → Redis", " ".join(command.words))
        for _, statements, error in transactions:
            lines = [f"{name}({parameters})" if parameters else name for name, parameters in statements]
            self.tell(f"{instance} → PostgreSQL, one transaction", *lines, *((f"ERROR: {error}",) if error else ()))

    def tell_publications(self, instance, commands, transactions):
        for at, by_script, words in commands:
            if by_script:
                title, lines = self.steps[-1]
                self.steps[-1] = Step(title, (*lines, "  by the script: " + " ".join(words)))
            elif words[0] == "EVAL":
                assert all(at > one.begun_at - CLOCKS_APART_S for one in transactions), (at, transactions)
                self.tell(f"{instance} → Redis, and no request waits for it", " ".join(["EVAL <publish>", *words[2:]]))

    def tell_access(self, request):
        parent = request.headers["traceparent"]
        self.line = until("the access log", lambda: next(
            (line for line in self.watched.log_of(request.instance) if line.get("traceparent") == parent), None))
        self.tell(f"log of {request.instance}", compact(self.line))

    def tell_event(self, instance, message):
        """The first line of the log with this message since the story began, once there is one."""
        line = until(message, lambda: next(
            (line for line in self.watched.log_of(instance)[self.logged[instance]:] if line["message"] == message), None))
        self.tell(f"log of {instance}", compact(line))

    def tell_readiness(self, instance, word):
        until(f"an instance that is {word}", lambda: f'"status":"{word}"' in self.watched.readiness(instance)[1][0])
        status, lines = self.watched.readiness(instance)
        self.tell(f"the load balancer asks {instance} for /readyz?verbose",
                  f"HTTP/1.1 {status} {http.client.responses[status]}", *lines)

    def tell_webhooks(self, receiver, count):
        """What arrives until there were so many, and what the relay's slot has confirmed then."""
        lsn, told, self.webhooks = self.watched.lsn(), self.webhooks, count
        until("webhooks", lambda: len(receiver.requests) >= count)
        for status, headers, body in receiver.requests[told:count]:
            fields = [f"{name}: {value}" for name, value in headers if name.lower() not in HIDDEN_OF_WEBHOOKS]
            self.tell("relay → the other system", "POST /hooks HTTP/1.1", *fields, body)
            self.tell("the other system → relay", f"HTTP/1.1 {status} {http.client.responses[status]}")
        until("the slot", lambda: self.watched.is_confirmed(lsn))
        self.tell("relay → PostgreSQL", "the slot's confirmed_flush_lsn is past this commit: it is not told again")

    def tell_spans(self, request):
        self.tell(f"spans of {request.who}'s request", lambda: self.read_spans(request.headers["traceparent"]))

    def read_spans(self, parent):
        """The spans below the caller's, and the batches that they are linked to."""
        spans = self.watched.collector.spans()
        _, trace, caller, _ = parent.split("-")
        (server,) = [span for span in spans if span["traceId"] == trace and span.get("parentSpanId") == caller]
        yield f"{server['name']}: server"
        for span in sorted((span for span in spans if span.get("parentSpanId") == server["spanId"]),
                           key=lambda span: int(span["startTimeUnixNano"])):
            linked = [batch for link in span.get("links", ()) for batch in spans if batch["spanId"] == link["spanId"]]
            sizes = "".join(f", linked to the transaction of {attributes(batch).get('db.operation.batch.size', 1)}"
                            for batch in linked)
            yield f"  {span['name']}{sizes}"

    def last_asked(self, store):
        """Whether the last request asked Redis or PostgreSQL."""
        first = max(i for i, (_, lines) in enumerate(self.steps) if lines and str(lines[0]).endswith(" HTTP/1.1"))
        return any(f" → {store}" in title for title, _ in self.steps[first:])

    def render(self):
        """Once the services have ended, so that all spans are here."""
        text = []
        for number, (title, lines) in enumerate(self.steps, 1):
            margin = " " * (len(str(number)) + 2)
            text.append(f"{number}. {title}")
            for line in lines:
                text += [margin + one for one in ((line,) if isinstance(line, str) else line())]
        text = "\n".join(text) + "\n"
        for number, used in enumerate(dict.fromkeys(re.findall(r"webhook-id: (\S+)", text)), 1):
            self.shown[used] = f"<id {number}>"
        for used, shown in self.shown.items():
            text = re.sub(rf"\b{re.escape(used)}\b", shown, text)
        for pattern, words in FIXED:
            text = re.sub(pattern, words, text)
        return text
