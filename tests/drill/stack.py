"""The compose stack through what happens to it: a rolling upgrade, Redis gone, a process gone, a failover of PostgreSQL.

Prometheus, with the rules of docker/prometheus as they are, tells which alerts fired when and how much of the requests was
answered. The crowd tells what clients got, and its ledger what was lost.
"""
import signal
import time

from compose import ComposeStack
from crowd import Crowd
from scenario import SCRAPE_S, Scenario, Step, limit_events

RATE_PER_S = 300
IN_FLIGHT_S = 3  # longer than the deadline: what was asked in the step before is answered then
MINUTE_S = 60

STEADY = Step("steady", "nothing happens")
UPGRADE = Step("upgrade", "both processes are replaced, from one image to another")
REDIS_GONE = Step("redis gone", "Redis is killed")
NODE_GONE = Step("node gone", "a process is killed while Redis is away", ("RsvpdRedisAway", "RsvpdNotRedundant"))
NODE_BACK = Step("node back", "the process is started again")
REDIS_BACK = Step("redis back", "Redis is started again, empty")
FAILOVER = Step("failover", "the primary is killed, its standby is promoted, and the former primary becomes the standby",
                ("RsvpdPrimaryChanged",), may_fail=True)


class StackDrill(Scenario):
    steps = (STEADY, UPGRADE, REDIS_GONE, NODE_GONE, NODE_BACK, REDIS_BACK, FAILOVER)

    def run(self):
        """Returns the figures of the crowd."""
        self.begin(STEADY)
        self.wait(MINUTE_S)
        self.begin(UPGRADE)
        for name in self.stack.upgrade():
            self.verdict.note(f"{name} is new")
            self.wait(2 * SCRAPE_S)
        self.wait(MINUTE_S)
        self.begin(REDIS_GONE)
        self.stack.stop("redis", signal.SIGKILL)
        self.wait(MINUTE_S)
        self.begin(NODE_GONE)
        self.stack.stop_process("rsvpd-1", signal.SIGKILL)
        self.wait(SCRAPE_S)
        for alert in NODE_GONE.must_fire:
            self.await_alert(alert)
        self.begin(NODE_BACK)
        self.stack.start_process("rsvpd-1")
        self.await_alert("RsvpdNotRedundant", fires=False)
        self.wait(MINUTE_S)
        self.begin(REDIS_BACK)
        self.stack.start_redis()
        self.await_alert("RsvpdRedisAway", fires=False)
        self.wait(MINUTE_S)
        self.begin(FAILOVER)
        self.fail_over()
        self.wait(2 * MINUTE_S)
        return self.crowd.stop()

    def fail_over(self):
        self.wait(IN_FLIGHT_S)
        began = time.monotonic()
        self.stack.kill_primary()
        self.stack.promote()
        self.verdict.note(f"promoted {time.monotonic() - began:.2f} s after the primary was killed")
        self.await_alert("RsvpdPrimaryChanged")
        self.stack.renew_standby()
        self.verdict.note(f"{self.stack.standby} is the synchronous standby")


def run(settings, verdict):
    verdict.note("starting HAProxy, two rsvpd, PostgreSQL with a synchronous standby, Redis and Prometheus")
    with ComposeStack(settings.binary) as stack:
        limit_events(stack)
        with Crowd(settings.crowd, stack, RATE_PER_S) as crowd:
            drill = StackDrill(stack, crowd, verdict, settings.brief)
            figures = drill.run()
            drill.judge(figures, time.time())
