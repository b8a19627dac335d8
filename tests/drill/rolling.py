"""A hundred rolling restarts: two processes in turn, under load, with clients that pipeline and thousands of streams.

An orchestrator's way: SIGTERM, the drain that the compose file has, and a new process at a new address, one at a time. The crowd
asks through HAProxy by HTTP/2; pipeline.py's clients by HTTP/1.1, through HAProxy and directly; watchers.c's streams come back
wherever they end.
"""
import collections
import os
import re
import signal
import statistics
import time

from compose import PROCESSES, ComposeStack
from crowd import Crowd
from pipeline import Pipeliners
from scenario import KINDS, Scenario, Step, limit_events
from servers import until
from watchers import Watchers

RESTARTS = 100
BRIEF_RESTARTS = 6
CROWD_RATE_PER_S, CROWD_CLIENTS = 2500, 100
PIPELINERS, PIPELINER_RATE_PER_S = 4, 63  # of each kind: some 500 a second in all
STREAMS, BRIEF_STREAMS = 2000, 400
STEADY_S = 30
STARTS_MAX = 5
HAPROXY_CONNECTIONS = 2000  # it keeps two descriptors for each, and a stream of HTTP/2 takes one

STEADY = Step("steady", "nothing happens")
ROLLING = Step("restarts", "one process after the other is restarted")


class RollingDrill(Scenario):
    steps = (STEADY, ROLLING)

    def __init__(self, stack, crowd, verdict, brief, pipeliners, watchers):
        super().__init__(stack, crowd, verdict, brief)
        self.pipeliners, self.watchers = pipeliners, watchers
        self.drains_s, self.restarts_s = [], []  # from SIGTERM to the end; until HAProxy has both again
        self.statuses = []
        self.started_again = 0

    def run(self):
        """Returns the figures of the crowd, of the streams, and by how much HAProxy's counters grew."""
        self.begin(STEADY)
        self.wait(STEADY_S)
        self.begin(ROLLING)
        before = self.balancer_counters()
        for number in range(BRIEF_RESTARTS if self.brief else RESTARTS):
            self.restart(PROCESSES[number % len(PROCESSES)])
            if (number + 1) % 10 == 0:
                self.verdict.note(f"{number + 1} restarts")
        self.wait(3)  # what was asked last
        after = self.balancer_counters()
        self.lasted_s = time.time() - self.started[ROLLING]
        self.pipeliners.stop()
        figures = self.crowd.stop()
        return figures, self.watchers.stop(), {name: after[name] - before[name] for name in after}

    def restart(self, name):
        began = time.monotonic()
        self.statuses.append(self.stack.stop_process(name, signal.SIGTERM))
        self.drains_s.append(time.monotonic() - began)
        self.start(name)

        def both_serve():
            self.crowd.check()
            self.watchers.check()
            return len(self.stack.server_states("ready")["UP"]) == len(PROCESSES)
        until("both in HAProxy", both_serve)
        self.restarts_s.append(time.monotonic() - began)

    def start(self, name):
        """Again where it ends before it is ready, as `restart: unless-stopped` has it: on a machine that stands still."""
        for _ in range(STARTS_MAX - 1):
            try:
                self.stack.start_process(name)
                return
            except RuntimeError as error:
                self.verdict.note(str(error))
                self.started_again += 1
        self.stack.start_process(name)

    def balancer_counters(self):
        """What HAProxy did that its clients do not see, and what it counts as wrong."""
        return {name: int(value) for name, value in re.findall(
            r'^haproxy_backend_(\w+_(?:warnings|errors)_total){proxy="ready"} (\d+)$', self.stack.haproxy_metrics(), re.MULTILINE)}

    # ---- judging ----

    def judge_all(self, figures, streams, counters):
        self.judge_restarts(figures)
        self.judge(figures, self.started[ROLLING] + self.lasted_s)
        self.judge_streams(streams)
        self.verdict.table("What HAProxy counts of the processes", ("counter", "during the restarts"), sorted(counters.items()))

    def judge_availability(self, ended):
        """Not by Prometheus: it scrapes a process that lives for some ten seconds once or twice."""
        self.judge_by_balancer()

    def judge_data(self):
        """Of those who pipeline first: the crowd's ledger knows nothing of them."""
        self.judge_pipeliners()
        self.pipeliners.forget()
        super().judge_data()

    def judge_restarts(self, figures):
        self.verdict.check(set(self.statuses) == {0}, f"each of {len(self.statuses)} processes ends with status 0", set(self.statuses))
        asked = sum(sum(figures[ROLLING.name][kind][what] for what in ("acknowledged", "refused", "unknown", "stale"))
                    for kind in KINDS)
        piped = sum(client.figures["answered"] for client in self.pipeliners.all())
        whole = time.time() - self.started[STEADY]
        self.verdict.table("Restarts", ("figure", "value"), (
            ("restarts", len(self.statuses)), ("processes that ended before they were ready", self.started_again),
            ("requests a second of the crowd", f"{asked / self.lasted_s:.0f}"),
            ("of the clients that pipeline", f"{piped / whole:.0f}"),
            ("from SIGTERM to the end of the process, median / longest", median_and_max(self.drains_s)),
            ("until HAProxy has both again", median_and_max(self.restarts_s)),
            ("load average of the last 15 minutes", f"{os.getloadavg()[2]:.1f}")))
        failed = collections.Counter()
        for kind in KINDS:
            failed.update({answer: count for answer, count in figures[ROLLING.name][kind]["answers"].items() if answer[0] not in "24"})
        self.verdict.check(not failed, "no answer to the crowd says that something failed", dict(failed))

    def judge_pipeliners(self):
        rows = []
        for group, clients in self.pipeliners.groups.items():
            figures = sum((client.figures for client in clients), start=type(clients[0].figures)())
            failures = [failure for client in clients for failure in client.failures]
            self.verdict.check(not failures, f"no request of clients that pipeline {group} fails",
                               f"{len(failures)} of {figures['answered']} {failures[:3] or ''}")
            rows.append((group, *(figures[name] for name in ("answered", "connections", "closed", "sent again", "crossed", "reset",
                                                             "left open", "not connected"))))
        wrong = list(self.pipeliners.wrong_members())
        self.verdict.check(not wrong, "no write of clients that pipeline is lost, or done twice", wrong)
        self.verdict.table("Clients that pipeline", ("which", "answered", "connections", "closed by an answer", "sent again behind it",
                                                     "crossed by an end", "reset", "left open", "not connected"), rows)

    def judge_streams(self, streams):
        wrong = self.watchers.wrong()
        self.verdict.check(not wrong, "no stream tells a count that never was, or goes back, and each ends at the last", wrong)
        if wrong:
            return
        self.verdict.check(streams["cut"] == streams["refused"] == 0, "every stream ends as it should, and comes back at once",
                           f"{streams['cut']} cut, {streams['refused']} refused {streams['failure']}")
        away = streams["away_ms"]
        self.verdict.table("Streams", ("figure", "value"), (
            ("begun", streams["opened"]), ("ended by a process that left", streams["ended"]),
            ("away, with the pause that `retry` asks for: median / 99 % / longest", f"{away['p50']} / {away['p99']} / {away['max']} ms"),
            ("events", streams["events"]), ("that said `stale`", streams["stale"]),
            ("that told a version before the one that their reader knew from another process", streams["older"]),
            ("that told what their stream had told last", streams["repeated"]),
            ("longest silence", f"{streams['silence_ms'] / 1000:.1f} s"),
            ("from the last write until all knew the last count", f"{streams['last_ms'] / 1000:.1f} s")))


def median_and_max(times_s):
    return f"{statistics.median(times_s):.2f} / {max(times_s):.2f} s"


def run(settings, verdict):
    verdict.note("starting HAProxy, two rsvpd, PostgreSQL with a synchronous standby, Redis and Prometheus")
    streams = BRIEF_STREAMS if settings.brief else STREAMS
    with ComposeStack(settings.binary, HAPROXY_CONNECTIONS) as stack:
        limit_events(stack)
        verdict.note(f"opening {streams} streams")
        with (Watchers(settings.watchers, stack, streams, CROWD_CLIENTS) as watchers,
              Crowd(settings.crowd, stack, CROWD_RATE_PER_S, CROWD_CLIENTS) as crowd,
              Pipeliners(stack, PIPELINERS, PIPELINER_RATE_PER_S) as pipeliners):
            drill = RollingDrill(stack, crowd, verdict, settings.brief, pipeliners, watchers)
            drill.judge_all(*drill.run())
