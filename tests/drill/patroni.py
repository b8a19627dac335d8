"""A PostgreSQL that Patroni manages: switchovers, and machines that die, stand still or are cut off.

Two rsvpd behind HAProxy, three machines with etcd, Patroni and PostgreSQL each, in synchronous mode.
"""
import contextlib
import dataclasses
import os
import shutil
import signal
import statistics
import threading
import time
from pathlib import Path

import psycopg2
from cluster import NODES, PG_PORT, TTL_S, Cluster
from crowd import Crowd
from scenario import KINDS, limit_events
from servers import until

APART = True  # see apart.py: it cuts networks
RATE_PER_S = 2000
CLIENTS = 128
ROUNDS = 10
STEADY_S = 20
REST_S = 5  # in good health, before something happens
LATE_S = 6  # how long after a promotion the former primary comes back
CUT_S = 15  # longer than a standby that is cut off holds up writes
AFTER_PROMOTION_S = 2.0
PROMOTION_S = 3 * TTL_S


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    happens: str
    promotes: bool = True  # somebody takes writes anew
    may_fail: bool = True  # requests may be refused, or end without an answer


SWITCHOVER = Kind("switchover", "patronictl switchover to the synchronous standby")
POSTGRES_KILLED = Kind("postgres killed", "kill -9 of the primary's postmaster; Patroni starts it again")
NODE_KILLED = Kind("machine killed", "kill -9 of the primary and its Patroni, which are started again after the failover")
NODE_STOPPED = Kind("machine stopped", "SIGSTOP of the primary and its Patroni, and SIGCONT after the failover")
NODE_CUT = Kind("machine cut off", "the network between the primary's machine and all others is cut, and healed after the failover")
STANDBY_CUT = Kind("standby cut off", "the network of the synchronous standby is cut, and healed", promotes=False)
ETCD_LOST = Kind("etcd leader lost", "kill -9 of the leader of etcd, which is started again", promotes=False, may_fail=False)


class LateWrite:
    """A write that waits in a connection of a primary that stands still."""

    def __init__(self, cluster, node, name):
        self.cluster, self.name, self.outcome = cluster, name, "none"
        self.session = psycopg2.connect(host=NODES[node], port=PG_PORT, dbname="postgres", user="postgres",
                                        password=cluster.administrator, connect_timeout=2)
        self.session.autocommit = True
        self.thread = threading.Thread(target=self.write, daemon=True)

    def write(self):
        try:
            self.session.cursor().execute("INSERT INTO late VALUES (%s)", (self.name,))
            self.outcome = "acknowledged"
        except psycopg2.Error as error:
            self.outcome = str(error).strip().splitlines()[0] or type(error).__name__

    def is_undone(self):
        """Neither acknowledged nor there."""
        self.thread.join(TTL_S)
        with contextlib.suppress(psycopg2.Error):
            self.session.close()
        return self.outcome not in ("none", "acknowledged") and self.cluster.admin(
            f"SELECT count(*) FROM late WHERE round = '{self.name}'") == "0"


@dataclasses.dataclass
class Round:
    kind: Kind
    step: str
    began: float
    promotions: list = dataclasses.field(default_factory=list)
    recovered_s: float = 0  # until all three are as they were


class PatroniDrill:
    def __init__(self, cluster, crowd, verdict):
        self.cluster, self.crowd, self.verdict = cluster, crowd, verdict
        self.rounds = []
        self.late = []

    def await_promotion(self, began):
        def is_promoted():
            self.crowd.check()
            return self.cluster.promotions(began)
        return until("a promotion", is_promoted, PROMOTION_S)

    # ---- what happens ----

    def switchover(self, began):
        self.cluster.switch_over()
        self.await_promotion(began)

    def postgres_killed(self, began):
        os.kill(self.cluster.postmaster(self.cluster.leader()), signal.SIGKILL)
        self.await_promotion(began)

    def node_killed(self, began):
        node = self.cluster.leader()
        self.cluster.kill_node(node)
        self.await_promotion(began)
        self.crowd.watch(LATE_S)
        self.cluster.start_patroni(node)

    def node_stopped(self, began):
        node = self.cluster.leader()
        late = LateWrite(self.cluster, node, self.rounds[-1].step)
        self.cluster.signal_node(node, signal.SIGSTOP)
        late.thread.start()
        try:
            self.await_promotion(began)
            self.crowd.watch(LATE_S)
        finally:
            self.cluster.signal_node(node, signal.SIGCONT)
        self.late.append(late)

    def node_cut(self, began):
        self.cluster.cut_off(self.cluster.leader())
        self.await_promotion(began)
        self.crowd.watch(LATE_S)
        self.cluster.heal()

    def standby_cut(self, _):
        self.cluster.cut_off(self.cluster.synchronous())
        self.crowd.watch(CUT_S)
        self.cluster.heal()

    def etcd_lost(self, _):
        node = self.cluster.etcd_leader()
        self.cluster.stop(f"etcd-{node}", signal.SIGKILL)
        self.crowd.watch(CUT_S)
        self.cluster.start_etcd(node)

    kinds = {SWITCHOVER: switchover, POSTGRES_KILLED: postgres_killed, NODE_KILLED: node_killed, NODE_STOPPED: node_stopped,
             NODE_CUT: node_cut, STANDBY_CUT: standby_cut, ETCD_LOST: etcd_lost}

    def play(self, kind, number):
        self.cluster.await_steady(REST_S)
        step = f"{kind.name} {number}"
        self.verdict.note(f"{step}: {kind.happens}")
        self.crowd.begin_step(step)
        began = time.time()
        self.rounds.append(Round(kind, step, began))
        self.kinds[kind](self, began)
        self.cluster.await_healthy()
        this = self.rounds[-1]
        this.recovered_s = time.time() - began
        this.promotions = self.cluster.promotions(began)
        told = ", ".join(f"{node} after {moment - began:.1f} s" for moment, node in this.promotions)
        self.verdict.note(f"  promoted: {told or 'none'}; healthy after {this.recovered_s:.0f} s")
        for late in self.late[-1:] if kind is NODE_STOPPED else ():
            self.verdict.note(f"  the late write: undone: {late.is_undone()}, {late.outcome}")

    def run(self, rounds):
        """Returns the figures of the crowd."""
        self.crowd.begin_step("steady")
        self.crowd.watch(STEADY_S)
        for number in range(1, rounds + 1):
            for kind in self.kinds:
                self.play(kind, number)
        self.crowd.watch(REST_S)
        return self.crowd.stop()

    # ---- judging ----

    def judge(self, figures):
        for kind in self.kinds:
            self.judge_kind(kind, figures, [this for this in self.rounds if this.kind == kind])
        self.tell(figures)
        undone = [late.is_undone() for late in self.late]
        self.verdict.check(all(undone), "a write that waits in a primary past its time is never done",
                           f"{sum(undone)} of {len(undone)}")
        self.judge_data()

    def judge_kind(self, kind, figures, rounds):
        expected = [len(this.promotions) == kind.promotes for this in rounds]
        self.verdict.check(all(expected), f"{kind.name}: {'one promotion' if kind.promotes else 'no promotion'} each time",
                           ", ".join(str(len(this.promotions)) for this in rounds))
        if kind.promotes:
            late = [seconds for this in rounds if (seconds := after_promotion(this, figures)) is not None]
            self.verdict.check(len(late) == len(rounds) and max(late) <= AFTER_PROMOTION_S,
                               f"{kind.name}: the first write is acknowledged within {AFTER_PROMOTION_S:.0f} s of the promotion",
                               ", ".join(f"{seconds:.2f}" for seconds in late))
        if not kind.may_fail:
            failed = sum(failures(figures[this.step]) for this in rounds)
            self.verdict.check(failed == 0, f"{kind.name}: no request of a client fails", str(failed))

    def tell(self, figures):
        def both(values):
            return f"{statistics.median(values):.2f} / {max(values):.2f}" if values else "-"
        rows = []
        for kind in self.kinds:
            rounds = [this for this in self.rounds if this.kind == kind]
            steps = [figures[this.step] for this in rounds]
            rows.append((
                kind.name, len(rounds), both([silence_s(step) for step in steps]),
                both([this.promotions[0][0] - this.began for this in rounds if this.promotions]),
                both([seconds for this in rounds if (seconds := after_promotion(this, figures)) is not None]),
                both([this.recovered_s for this in rounds]), sum(failures(step) for step in steps),
                sum(step["count"]["stale"] for step in steps)))
        self.verdict.table("Seconds, median / worst", (
            "kind", "rounds", "without writes", "promoted after", "first write after promotion",
            "all healthy after", "failed requests", "stale counts"), rows)
        self.verdict.table("What clients were told", ("kind", *KINDS), [
            (kind.name, *(codes(figures, [this.step for this in self.rounds if this.kind == kind], of) for of in KINDS))
            for kind in self.kinds])
        steady = figures["steady"]
        self.verdict.table("Steady", ("kind of request", "answers", "p50 ms", "p99 ms"), [
            (of, sum(steady[of]["answers"].values()), steady[of]["p50_us"] / 1000, steady[of]["p99_us"] / 1000) for of in KINDS])

    def judge_data(self):
        self.cluster.await_healthy()
        wrong = self.crowd.compare()
        self.verdict.check(not wrong, "no acknowledged write is lost or doubled: the database agrees with the ledger", wrong)
        wrong = self.cluster.verify()
        self.verdict.check(not wrong, "no counter is wrong: rsvpd verify finds no difference", wrong)


def silence_s(step):
    return (step["silence"]["until_ms"] - step["silence"]["from_ms"]) / 1000


def failures(step):
    return sum(step[of]["refused"] + step[of]["unknown"] * (of != "erasure") for of in KINDS)


def after_promotion(this, figures):
    """From the promotion to the end of the silence that it falls into; 0 where writes went on before."""
    silence = figures[this.step]["silence"]
    return max(0, silence["until_ms"] / 1000 - this.promotions[0][0]) if this.promotions else None


def codes(figures, steps, of):
    counts = {}
    for step in steps:
        for name, count in figures[step][of]["answers"].items():
            counts[name] = counts.get(name, 0) + count
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def keep_logs(cluster, reports):
    """What all of them said, for whoever wants to know why."""
    if reports:
        kept = reports / "patroni"
        kept.mkdir(exist_ok=True)
        for log in Path(cluster.directory).glob("*.log"):
            shutil.copy(log, kept)


def run(settings, verdict):
    verdict.note("starting three machines with etcd, Patroni and PostgreSQL, Redis, two rsvpd and HAProxy")
    with Cluster(settings.binary) as cluster:
        limit_events(cluster)
        try:
            with Crowd(settings.crowd, cluster, RATE_PER_S, CLIENTS) as crowd:
                drill = PatroniDrill(cluster, crowd, verdict)
                drill.judge(drill.run(1 if settings.brief else ROUNDS))
        finally:
            keep_logs(cluster, settings.reports)
