#!/usr/bin/python3
"""Runs a real Prometheus against a real service, and evaluates all that docker/ asks of it.

What a panel shows or a rule records must give data, but for what has not happened here (NOT_HERE). An alert must be
understood, and name no metric of the service that it does not have. RSVPD_BINARY (build/rsvpd) is the service.
"""
import contextlib
import itertools
import json
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "openapi"))
from servers import Servers, free_ports, send, until  # noqa: E402

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


class Prometheus:
    def __init__(self, servers):
        [self.port] = free_ports(1)
        rules = yaml.safe_load(RULES.read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
        configuration = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yaml"],
                         "scrape_configs": [{"job_name": "rsvpd", "static_configs": [
                             {"targets": [f"127.0.0.1:{servers.admin_port}"]}]}]}
        for name, content in (("rules.yaml", rules), ("prometheus.yaml", configuration)):
            Path(servers.directory, name).write_text(yaml.safe_dump(content))
        servers.spawn("prometheus", ["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=prometheus",
                                     f"--web.listen-address=127.0.0.1:{self.port}"])
        until("Prometheus", self.is_ready)

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{query}", timeout=30) as answer:
            return answer.read()

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.get("/-/ready") is not None
        return False

    def query(self, expression):
        """The samples; a string that says what is wrong with the expression."""
        try:
            return json.loads(self.get("/api/v1/query", query=expression))["data"]["result"]
        except urllib.error.HTTPError as error:
            return json.loads(error.read())["error"]

    def names(self):
        return set(json.loads(self.get("/api/v1/label/__name__/values"))["data"])


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
        used = set(re.findall(r"(?<![:\w])(?:rsvpd|process)_[a-z_]+", expression))
        yield from (f"{where}: there is no metric {name}" for name in sorted(used - names)
                    if not NOT_HERE.search(name) and not name.startswith("rsvpd_verify_"))


def main():
    with Servers(BINARY) as servers:
        prometheus, load = Prometheus(servers), Load(servers.port)
        try:
            with contextlib.suppress(TimeoutError):
                until("data everywhere", lambda: not empty(prometheus), SERIES_WAIT_S)
            wrong = [*empty(prometheus), *misunderstood(prometheus), *unknown_metrics(prometheus)]
        finally:
            load.end()
            servers.stop("prometheus", signal.SIGTERM)
    for message in wrong:
        print(f"wrong: {message}")
    total = len(list(shown())) + len(list(rules("alert")))
    print(f"{max(total - len(wrong), 0)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
