#!/usr/bin/python3
"""Runs the relay in front of a receiver of webhooks, and looks at what arrives there.

RSVPD_BINARY is the service. The receiver answers as a test tells it to, and verifies each request as Standard Webhooks
has it (https://www.standardwebhooks.com), with code of its own. Where WEBHOOK_RECEIVER names receiver/verify.js with its
package, that verifies each request besides (scripts/webhooks).
"""
import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "openapi"))
from servers import Servers, free_ports, send, until  # noqa: E402

SECRETS = ["whsec_" + base64.b64encode(os.urandom(size)).decode() for size in (32, 24, 64)]
BATCH_MAX = 10
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def expect(what, got, wanted=True):
    if got != wanted:
        sys.exit(f"{what}: {got!r}, expected {wanted!r}")


class Receiver:
    """On loopback. `plan` says how to answer the next requests, one after the other; then with 200."""

    def __init__(self, certificate=None):
        """certificate: a file with one and its key; then it takes HTTPS alone."""
        self.lock, self.requests, self.plan, self.connections = threading.Lock(), [], [], 0
        self.let_go = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                receiver.connections += 1

            def do_POST(self):  # noqa: N802: the name is the module's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    how = receiver.plan.pop(0) if receiver.plan else "200"
                    receiver.requests.append((time.monotonic(), how, dict(self.headers), body))
                receiver.answer(self, how)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/sesame"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.url = f"https://localhost:{self.server.server_port}/hooks/sesame"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, how):
        """A status, maybe with Retry-After behind a blank; or "hang up", "silent", "endless"."""
        if how == "hang up":
            handler.close_connection = True
            return
        if how == "silent":
            self.let_go.wait()
            handler.close_connection = True
            return
        status, *after = how.split(" ") if how != "endless" else ["200"]
        handler.send_response(int(status))
        if after:
            handler.send_header("Retry-After", after[0])
        if status == "307":
            handler.send_header("Location", self.url)
        if how == "endless":
            handler.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    handler.wfile.write(b" " * 4096)
            handler.close_connection = True
            return
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def changes(self):
        """Of the requests that were confirmed, in their order."""
        with self.lock:
            return [change for _, how, _, body in self.requests if how in ("200", "204", "endless")
                    for change in json.loads(body)["data"]["changes"]]

    def forget(self, *plan):
        with self.lock:
            self.requests.clear()
            self.plan = list(plan)


def signatures(secret, headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def check_requests(receiver, secrets):
    """What holds of every request, whatever became of it."""
    for _, _, headers, body in receiver.requests:
        headers = {name.lower(): value for name, value in headers.items()}
        expect("content type", headers["content-type"], "application/json")
        expect("the clock", abs(int(headers["webhook-timestamp"]) - time.time()) < 120)
        expect("signatures", headers["webhook-signature"].split(" "),
               [signatures(secret, headers, body) for secret in secrets])
        if other_receiver:
            other_receiver.verify(secrets, headers, body)
        document = json.loads(body)
        expect("members", list(document), ["type", "timestamp", "data"])
        expect("type", document["type"], "batch")
        expect("timestamp", bool(TIME.fullmatch(document["timestamp"])))
        expect("data", list(document["data"]), ["changes"])
        expect("size", 1 <= len(document["data"]["changes"]) <= BATCH_MAX)
    ids = {}
    for _, _, headers, body in receiver.requests:
        expect("one body for an id", ids.setdefault(headers["webhook-id"], body), body)


class OtherReceiver:
    """npm's standardwebhooks, in a process of its own."""

    def __init__(self, program):
        self.process = subprocess.Popen(["node", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.verified = 0

    def ask(self, secret, headers, body):
        print(json.dumps({"secret": secret, "headers": headers, "body": body.decode()}), file=self.process.stdin, flush=True)
        return self.process.stdout.readline().rstrip("\n")

    def verify(self, secrets, headers, body):
        """With each secret that signed it; and not with another body."""
        for secret in secrets:
            expect("standardwebhooks", self.ask(secret, headers, body), "ok")
            expect("a forged body", self.ask(secret, headers, body + b" "), "No matching signature found")
            self.verified += 1

    def end(self):
        self.process.stdin.close()
        expect("node's exit status", self.process.wait(10), 0)
        expect("some were verified", self.verified > 0)
        print(f"standardwebhooks verified {self.verified} signatures")


other_receiver = OtherReceiver(os.environ["WEBHOOK_RECEIVER"]) if "WEBHOOK_RECEIVER" in os.environ else None


class Relay:
    """with Relay(servers, settings): it runs; at the end it is told to, and must end well unless it has."""

    def __init__(self, servers, settings):
        self.servers, (self.port,) = servers, free_ports(1)
        self.environment = servers.environment(settings | {"ADMIN_PORT": str(self.port)})

    def __enter__(self):
        self.servers.spawn("relay", [self.servers.binary, "relay"], env=self.environment)
        return self

    def __exit__(self, kind, *_):
        if "relay" in self.servers.children:
            status = self.servers.stop("relay", signal.SIGTERM)
            if kind is None:
                expect("exit status", status, 0)

    def wait(self):
        return self.servers.children.pop("relay").wait(60)

    def is_ready(self):
        with contextlib.suppress(OSError):
            return send(self.port, "GET", "/readyz").status == 200
        return False

    def reload(self):
        """Returns what is logged of it, once it has read its files again."""
        before = self.servers.log("relay")
        self.servers.children["relay"].send_signal(signal.SIGHUP)
        return until("the reload", lambda: [said for said in [self.servers.log("relay")[len(before):]]
                                            if '"message":"reloaded"' in said])[0]

    def metric(self, name):
        return float(re.search(rf"^{re.escape(name)} (\S+)$", send(self.port, "GET", "/metrics").body.decode(), re.M)[1])


def rsvp(servers, user, event="e"):
    expect("status", send(servers.port, "POST", f"/v1/events/{event}/rsvp?user_id={user}").status in (200, 201))


def confirmed(servers):
    """Whether PostgreSQL has been told that all is safe so far."""
    return servers.sql("SELECT bool_and(confirmed_flush_lsn >= pg_current_wal_lsn()) FROM pg_replication_slots").strip() == "t"


def check_batches(servers, receiver, settings):
    """More than a batch in one transaction goes out in several, over one connection; ids are in order."""
    servers.sql("INSERT INTO rsvps (event_id, user_id) SELECT 'big', 'u' || i FROM generate_series(1, 25) AS i")
    with Relay(servers, settings):
        until("all changes", lambda: len(receiver.changes()) == 25)
        until("the position of the slot", lambda: confirmed(servers))
    expect("batches", [len(json.loads(body)["data"]["changes"]) for *_, body in receiver.requests], [10, 10, 5])
    changes = receiver.changes()
    expect("members", list(changes[0]), ["id", "type", "event_id", "user_id", "committed_at"])
    expect("numbers", [int(change["id"].split("/")[2]) for change in changes], list(range(1, 26)))
    expect("one transaction", len({change["id"].rsplit("/", 1)[0] for change in changes}), 1)
    expect("connections", receiver.connections, 1)
    check_requests(receiver, SECRETS[:1])


def check_failures(servers, receiver, settings):
    """Whatever a target does, the same batch comes again, and nothing is confirmed meanwhile."""
    receiver.forget("hang up", "500", "307", "204")
    rsvp(servers, "patient")
    with Relay(servers, settings) as relay:
        until("the batch", lambda: len(receiver.changes()) == 1)
        expect("attempts", [how for _, how, _, _ in receiver.requests], ["hang up", "500", "307", "204"])
        expect("ids", len({headers["webhook-id"] for _, _, headers, _ in receiver.requests}), 1)
        times = [at for at, *_ in receiver.requests]
        pauses = [after - before for before, after in zip(times, times[1:])]
        expect("pauses", all(pause >= 0.9 * 2 ** i for i, pause in enumerate(pauses)))
        until("metrics", lambda: relay.metric('rsvpd_relay_deliveries_total{outcome="failed"}') == 3)
        until("the position of the slot", lambda: confirmed(servers))
    check_requests(receiver, SECRETS[:1])


def check_retry_after(servers, receiver, settings):
    receiver.forget("503 3", "429 1")
    rsvp(servers, "after")
    with Relay(servers, settings):
        until("the batch", lambda: len(receiver.changes()) == 1)
    first, second, third = (at for at, *_ in receiver.requests)
    expect("3 s are waited", second - first >= 3)
    expect("1 s is waited", third - second >= 1)


def check_silence(servers, receiver, settings):
    """While a target hangs, PostgreSQL hears of the relay; at the end the batch is not confirmed, and comes again."""
    servers.sql("ALTER SYSTEM SET wal_sender_timeout = '2s'")
    servers.sql("SELECT pg_reload_conf()")
    receiver.forget("silent")
    rsvp(servers, "silent")
    with Relay(servers, settings) as relay:
        until("the request", lambda: len(receiver.requests) == 1)
        for i in range(3 * BATCH_MAX):  # more than it takes in
            rsvp(servers, f"behind-{i}")
        time_out = time.monotonic() + 5  # more than two time-outs of PostgreSQL
        until("some time", lambda: time.monotonic() > time_out)
        expect("attempts to connect", relay.metric("rsvpd_relay_connects_total"), 1.0)
        expect("nothing is confirmed", relay.metric("rsvpd_relay_deliveries_total{outcome=\"confirmed\"}"), 0.0)
        expect("the lag", relay.metric("rsvpd_relay_lag_seconds") > 4)
        expect("alive", send(relay.port, "GET", "/readyz").status, 200)
    receiver.let_go.set()
    receiver.forget()
    with Relay(servers, settings):
        until("all changes", lambda: len(receiver.changes()) == 1 + 3 * BATCH_MAX)
        until("the position of the slot", lambda: confirmed(servers))  # or the last comes again in the next test
    expect("the first", receiver.changes()[0]["user_id"], "silent")
    servers.sql("ALTER SYSTEM RESET wal_sender_timeout")
    servers.sql("SELECT pg_reload_conf()")


def check_endless(servers, receiver, settings):
    """An answer that does not end has a status all the same."""
    receiver.forget("endless")
    rsvp(servers, "endless")
    with Relay(servers, settings):
        until("the position of the slot", lambda: receiver.requests and confirmed(servers))
    expect("attempts", len(receiver.requests), 1)


def check_secrets(servers, receiver, settings):
    """Two secrets sign each request; the file is read again."""
    path = f"{servers.directory}/secret"
    write(path, " ".join(SECRETS[:2]) + "\n")
    settings = {name: value for name, value in settings.items() if name != "RELAY_SECRET"}
    receiver.forget()
    with Relay(servers, settings | {"RELAY_SECRET_FILE": path}):
        rsvp(servers, "both")
        until("a batch", lambda: len(receiver.requests) == 1)
        check_requests(receiver, SECRETS[:2])
        write(path, SECRETS[2])
        receiver.forget()
        rsvp(servers, "new")
        until("a batch", lambda: len(receiver.requests) == 1)
        check_requests(receiver, SECRETS[2:])


def write(path, text):
    """The whole file at once."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


def check_bad_secrets(servers, receiver, settings):
    """A file that holds no secret changes nothing, and the log says so without what it holds."""
    path = f"{servers.directory}/secret"
    write(path, SECRETS[0])
    settings = {name: value for name, value in settings.items() if name != "RELAY_SECRET"}
    receiver.forget()
    with Relay(servers, settings | {"RELAY_SECRET_FILE": path}) as relay:
        until("the relay", relay.is_ready)
        for i, spoil in enumerate((lambda: write(path, ""), lambda: write(path, "whsec_sesame"),
                                   lambda: write(path, " ".join(SECRETS) + " sesame"),
                                   lambda: write(path, SECRETS[1] + "\0"), lambda: write(path, "x" * 10000),
                                   lambda: os.unlink(path), lambda: os.mkdir(path), lambda: os.rmdir(path),
                                   lambda: os.mkfifo(path))):
            spoil()
            said = relay.reload()
            if i not in (2, 4):  # what was wrong before still is: that is said once
                expect(f"the log of step {i}: {said}", '"cannot reload a variable: the last good value stays"' in said
                       and '"variable":"RELAY_SECRET"' in said)
            expect("the content is not logged", "sesame" not in said and "whsec_" not in said)
            rsvp(servers, f"bad-{i}")
            until("a batch", lambda: len(receiver.changes()) == i + 1)
        os.unlink(path)
        write(path, SECRETS[2])
        check_requests(receiver, SECRETS[:1])
        receiver.forget()
        rsvp(servers, "good")
        until("a batch", lambda: len(receiver.changes()) == 1)
        check_requests(receiver, SECRETS[2:])


def check_target_file(servers, receiver, settings):
    """A target whose certificate nobody vouches for gets nothing. SIGHUP reads the next one, which is asked at once; no log
    and no `rsvpd config` tells more than its host."""
    path, certificate = f"{servers.directory}/target", f"{servers.directory}/certificate"
    servers.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", certificate, "-out", certificate + ".pem"])
    with open(certificate, "a", encoding="ascii") as file, open(certificate + ".pem", encoding="ascii") as more:
        file.write(more.read())
    stranger = Receiver(certificate)
    write(path, stranger.url + "\n")
    settings = {name: value for name, value in settings.items() if name != "RELAY_TARGET"} | {"RELAY_TARGET_FILE": path}
    shown = servers.run([servers.binary, "config"], env=servers.environment(settings))
    expect("rsvpd config", f"\nRELAY_TARGET={stranger.url.removesuffix('/hooks/sesame')}/<redacted>\n" in shown)
    receiver.forget()
    rsvp(servers, "careful")
    with Relay(servers, settings) as relay:
        until("the relay", relay.is_ready)
        failed = 'rsvpd_relay_deliveries_total{outcome="failed"}'
        until("two attempts", lambda: relay.metric(failed) == 2)
        expect("nothing is confirmed", confirmed(servers), False)
        for wrong in ("-", "ftp://127.0.0.1/sesame", "http://example.org/sesame", "https://sesame:sesame@example.org/"):
            write(path, wrong)
            relay.reload()
        expect("the target stays", '"variable":"RELAY_TARGET"' in servers.log("relay"))
        write(path, receiver.url)
        relay.reload()
        until("the batch", lambda: [change["user_id"] for change in receiver.changes()] == ["careful"])
        check_requests(receiver, SECRETS[:1])
        said = servers.log("relay")
        expect("the reason", "certificate" in said)
        expect("the target in the log", f'"target":"{stranger.url.removesuffix("/hooks/sesame")}"' in said)
        expect("the rest is not logged", "sesame" not in said and "sesame" not in shown)
    expect("requests of the stranger", len(stranger.requests), 0)


def check_gone(servers, receiver, settings):
    """410 ends the relay; the batch stays unconfirmed."""
    receiver.forget("410")
    rsvp(servers, "gone")
    with Relay(servers, settings) as relay:
        expect("exit status", relay.wait(), 1)
    expect("attempts", len(receiver.requests), 1)
    receiver.forget()
    with Relay(servers, settings):
        until("the batch", lambda: [change["user_id"] for change in receiver.changes()] == ["gone"])


def main():
    receiver = Receiver()
    settings = {"RELAY_TARGET": receiver.url, "RELAY_SECRET": SECRETS[0], "RELAY_BATCH_MAX": str(BATCH_MAX)}
    with Servers(os.environ["RSVPD_BINARY"]) as servers:
        servers.command("relay", "--create")
        check_batches(servers, receiver, settings)
        check_failures(servers, receiver, settings)
        check_retry_after(servers, receiver, settings)
        check_silence(servers, receiver, settings)
        check_endless(servers, receiver, settings)
        check_secrets(servers, receiver, settings)
        check_bad_secrets(servers, receiver, settings)
        check_target_file(servers, receiver, settings)
        check_gone(servers, receiver, settings)
    if other_receiver:
        other_receiver.end()
    print("webhooks arrive as they should")


main()
