#!/usr/bin/python3
"""Runs a real Prometheus against a real service, and evaluates all that docker/ asks of it.

What a panel shows or a rule records must give data, but for what has not happened here (NOT_HERE). An alert must be
understood, and name no metric of the service or of HAProxy that they do not have. Streams are open, a relay reads the changes,
and HAProxy is in front.
RSVPD_BINARY (build/rsvpd) is the service.
"""
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "openapi"))
from balancer import Balanced  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from servers import REQUEST_S, free_ports, send, until  # noqa: E402

DASHBOARD = ROOT / "docker" / "grafana" / "rsvpd.json"
RULES = ROOT / "docker" / "prometheus" / "rules.yaml"
BINARY = os.environ.get("RSVPD_BINARY", str(ROOT / "build" / "rsvpd"))
VARIABLES = {"$job": ".*", "$instance": ".*", "$__rate_interval": "1m"}
SERIES_WAIT_S = 60
# What comes with its first event: nothing fails here, no key set is fetched, nothing is traced.
NOT_HERE = re.compile(r'rsvpd_token_keys_fetches_total|status="409"|route="/v1/events/{event_id}/waitlist"')


class Load:
    """Asks the service for everything that the dashboard shows, again and again."""

    def __init__(self, port):
        self.port, self.ended = port, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for i in itertools.count():
            if self.ended.wait(0.02):
                return
            user = f"u{i % 50}"
            for method, target in (("POST", f"/v1/events/hot/rsvp?user_id={user}"),
                                   ("GET", f"/v1/events/hot/users/{user}"),
                                   ("GET", "/v1/events/hot/rsvp_count?max_stale_ms=0"),
                                   ("GET", "/v1/events/hot/rsvp_count"),
                                   ("POST", f"/v1/events/small/rsvp?user_id={user}"),
                                   ("DELETE", f"/v1/events/hot/rsvp?user_id={user}"),
                                   ("POST", f"/v1/posts/p/like?user_id={user}"),
                                   ("DELETE", f"/v1/posts/p/like?user_id={user}")):
                with contextlib.suppress(OSError):
                    send(self.port, method, target)
            with contextlib.suppress(OSError):
                send(self.port, "PUT", "/v1/events/small", {"Content-Type": "application/json"},
                     '{"capacity":1,"waitlist":true}')

    def end(self):
        self.ended.set()
        self.thread.join()


class Streams:
    """Open one of each relation, and take what comes."""

    def __init__(self, port):
        self.readers = []
        for target in ("/v1/events/hot/rsvp_count/stream", "/v1/posts/p/like_count/stream"):
            reader = socket.create_connection(("127.0.0.1", port), REQUEST_S)
            reader.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            thread = threading.Thread(target=self.run, args=(reader,), daemon=True)
            thread.start()
            self.readers.append((reader, thread))

    @staticmethod
    def run(reader):
        with contextlib.suppress(OSError):
            while reader.recv(4096):
                pass

    def end(self):
        for reader, thread in self.readers:
            reader.shutdown(socket.SHUT_RDWR)
            thread.join()
            reader.close()


def start_relay(servers):
    """Returns its admin port."""
    [port] = free_ports(1)
    servers.command("relay", "--create")
    servers.spawn("relay", [servers.binary, "relay"], env=servers.environment({"ADMIN_PORT": str(port)}))
    return port


def start_haproxy(servers):
    """Returns the port of its metrics."""
    servers.start_names(["127.0.0.1"])
    servers.start_haproxy(servers.port)
    until("the process in HAProxy", lambda: servers.server_states("ready")["UP"])
    return servers.metrics


def start_prometheus(servers, **others):
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
    return Prometheus(servers, {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                           for name, port in {"rsvpd": servers.admin_port, **others}.items()]}, rules)


def as_grafana_sends(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def shown():
    """Of the panels, and what rules record: where it stands, and the expression."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}, {target['legendFormat']}", as_grafana_sends(target["expr"])
    yield from rules("record")


def rules(kind):
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            if kind in rule:
                yield f"{kind} {rule[kind]}", rule["expr"]


def empty(prometheus):
    """Those that show nothing yet, though they should."""
    return [f"{where}: no data: {expression}" for where, expression in shown()
            if not NOT_HERE.search(expression) and prometheus.query(expression) == []]


def misunderstood(prometheus):
    for where, expression in itertools.chain(shown(), rules("alert")):
        if isinstance(result := prometheus.query(expression), str):
            yield f"{where}: {result}: {expression}"


def unknown_metrics(prometheus):
    names = prometheus.names()
    for where, expression in itertools.chain(shown(), rules("alert")):
        used = set(re.findall(r"(?<![:\w])(?:rsvpd|process|haproxy)_[a-z_]+", expression))
        yield from (f"{where}: there is no metric {name}" for name in sorted(used - names)
                    if not NOT_HERE.search(name) and not name.startswith("rsvpd_verify_"))


def main():
    with Balanced(BINARY) as servers:
        prometheus = start_prometheus(servers, relay=start_relay(servers), haproxy=start_haproxy(servers))
        load, streams = Load(servers.port), Streams(servers.port)
        try:
            with contextlib.suppress(TimeoutError):
                until("data everywhere", lambda: not empty(prometheus), SERIES_WAIT_S)
            wrong = [*empty(prometheus), *misunderstood(prometheus), *unknown_metrics(prometheus)]
        finally:
            load.end()
            streams.end()
            servers.stop("prometheus", signal.SIGTERM)
    for message in wrong:
        print(f"wrong: {message}")
    total = len(list(shown())) + len(list(rules("alert")))
    print(f"{max(total - len(wrong), 0)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
