"""Redis behind sentinels: its primary is killed, stands still, or hands over, and comes back empty.

A primary, two replicas and three sentinels, in the place of the one Redis of the compose stack. The crowd's ledger holds
counts to their bound.
"""
import contextlib
import os
import re
import signal
import time
from pathlib import Path

from compose import ComposeStack
from crowd import Crowd
from scenario import KINDS, Scenario, Step, limit_events
from servers import until

RATE_PER_S = 300
TIMES = 3
STEADY_S = 20
FAILOVER_LIMIT_S = 60
SHARED_LIMIT_S = 5  # after the promotion: up to 2 s until the next attempt, and 1 s for one that comes to nothing
NAME = "counts"
NODES = {f"redis-{i}": f"127.0.1.{10 + i}" for i in (1, 2, 3)}
SENTINELS = {f"sentinel-{i}": f"127.0.1.{20 + i}" for i in (1, 2, 3)}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

KILLED, STOPPED, HANDED_OVER = "the primary is killed", "the primary stands still, and goes on later", "SENTINEL FAILOVER"
WARM = Step("before", "nothing happens")
EMPTY = Step("rebuilt", "all three are killed, and started again, empty")


class SentinelStack(ComposeStack):
    def make_secrets(self):
        """With the rights that replicas, sentinels and ROLE need."""
        super().make_secrets()
        users = Path(self.secrets, "redis_users")
        users.write_text(users.read_text().replace("+time", "+time +role") + """\
user replica on >replicate resetkeys resetchannels -@all +psync +replconf +ping
user sentinel on >watch resetkeys allchannels -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish \
+info +client|setname +client|kill +script|kill
user admin on >admin ~* &* +@all
""")
        url = Path(self.secrets, "redis_url")
        user = re.match(r"redis://(.*)@", url.read_text())[1]
        self.sentinel_port = self.redis_port + 1
        hosts = ",".join(f"{address}:{self.sentinel_port}" for address in SENTINELS.values())
        url.write_text(f"redis+sentinel://{user}@{hosts}/{NAME}/0\n")

    def start_redis(self):
        for name in NODES:
            self.start_redis_node(name, next(iter(NODES)))
        for name, address in SENTINELS.items():
            file = Path(self.directory, f"{name}.conf")
            file.write_text(f"port {self.sentinel_port}\nbind {address}\ndir {self.directory}\n"
                            f"sentinel announce-ip {address}\n"
                            f"sentinel monitor {NAME} {next(iter(NODES.values()))} {self.redis_port} 2\n"
                            f"sentinel auth-user {NAME} sentinel\nsentinel auth-pass {NAME} watch\n"
                            f"sentinel down-after-milliseconds {NAME} 2000\nsentinel failover-timeout {NAME} 6000\n")
            self.spawn(name, ["redis-server", str(file), "--sentinel"])
        self.await_well()

    def start_redis_node(self, name, primary):
        settings = ["redis-server", "--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru",
                    "--aclfile", f"{self.secrets}/redis_users", "--dir", self.directory, "--masteruser", "replica", "--masterauth",
                    "replicate", "--repl-diskless-sync-delay", "0", "--replica-announce-ip", NODES[name],
                    "--bind", NODES[name], "--port", str(self.redis_port)]
        self.spawn(name, settings + (["--replicaof", f"{NODES[primary]} {self.redis_port}"] if name != primary else []))

    def sentinel(self, *words):
        """What the first of them answers, a line a value."""
        return self.run(["redis-cli", "-h", next(iter(SENTINELS.values())), "-p", str(self.sentinel_port), "SENTINEL", *words])

    def redis_primary(self):
        with contextlib.suppress(RuntimeError):
            address = self.sentinel("GET-MASTER-ADDR-BY-NAME", NAME).splitlines()[0]
            return next((name for name in NODES if NODES[name] == address), None)
        return None

    def is_well(self):
        with contextlib.suppress(RuntimeError):
            answer = self.sentinel("REPLICAS", NAME)
            in_step = answer.count("master-link-status\nok\n") == answer.count("flags\nslave\n") == len(NODES) - 1
            return in_step and self.sentinel("CKQUORUM", NAME).startswith("OK 3")
        return False

    def await_well(self):
        until("the primary, two replicas and three sentinels", self.is_well)

    def shares_counts(self):
        """Whether every worker of both processes uses Redis."""
        for address in self.addresses.values():
            try:
                answer = self.run(["curl", "-s", "--max-time", "1", f"http://{address}:{self.admin_port}/readyz"])
            except RuntimeError:
                return False
            if '"ready"' not in answer:
                return False
        return True

    def database_load(self):
        """Transactions, rows read, and processor time in seconds of the primary, so far."""
        transactions, rows = map(int, self.admin(
            "SELECT xact_commit, tup_fetched FROM pg_stat_database WHERE datname = 'rsvpd'").split("|"))
        postmaster = self.children[self.primary].pid
        pids = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        ticks = 0
        for pid in pids:
            with contextlib.suppress(FileNotFoundError):
                ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        return transactions, rows, ticks / TICKS_PER_S


class SentinelDrill(Scenario):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.times = 1 if self.brief else TIMES
        self.failovers = []
        self.loads = []
        kinds = ((KILLED, self.kill), (STOPPED, self.stand_still), (HANDED_OVER, self.hand_over))
        self.plan = [(Step(f"{what} ({number})", what), act) for what, act in kinds for number in range(1, self.times + 1)]
        self.steps = (WARM, *(step for step, _ in self.plan), EMPTY)

    def run(self):
        self.begin(WARM)
        self.measure_load(WARM)
        for step, act in self.plan:
            self.begin(step)
            act(step)
        self.begin(EMPTY)
        for name in NODES:
            self.stack.stop(name, signal.SIGKILL)
        primary = self.stack.redis_primary()
        for name in NODES:
            self.stack.start_redis_node(name, primary)
        self.await_shared("counts to be shared by the rebuilt Redis")
        self.measure_load(EMPTY)
        return self.crowd.stop()

    def measure_load(self, step):
        before, began = self.stack.database_load(), time.monotonic()
        self.wait(STEADY_S)
        lasted = time.monotonic() - began
        self.loads.append((step.name, *((now - then) / lasted for now, then in zip(self.stack.database_load(), before))))

    # ---- failovers ----

    def kill(self, step):
        former = self.stack.redis_primary()
        self.stack.stop(former, signal.SIGKILL)
        self.follow(step, former)
        self.stack.start_redis_node(former, self.stack.redis_primary())
        self.stack.await_well()

    def stand_still(self, step):
        former = self.stack.redis_primary()
        self.stack.children[former].send_signal(signal.SIGSTOP)
        self.follow(step, former)
        self.stack.children[former].send_signal(signal.SIGCONT)
        self.stack.await_well()

    def hand_over(self, step):
        former = self.stack.redis_primary()
        self.stack.sentinel("FAILOVER", NAME)
        self.follow(step, former)
        self.stack.await_well()

    def await_shared(self, what):
        def is_so():
            self.crowd.check()
            return self.stack.shares_counts()
        until(what, is_so, FAILOVER_LIMIT_S)

    def follow(self, step, former):
        began = time.monotonic()

        def is_promoted():
            self.crowd.check()
            return self.stack.redis_primary() not in (former, None)
        until("a promotion", is_promoted, FAILOVER_LIMIT_S)
        promoted = time.monotonic()
        self.await_shared("counts to be shared again")
        shared = time.monotonic()
        self.failovers.append((step.happens, promoted - began, shared - promoted))
        self.wait(5)

    # ---- judging ----

    def judge(self, figures, ended):
        self.judge_requests(figures)
        self.judge_data()
        rows = []
        for what in dict.fromkeys(what for what, *_ in self.failovers):
            times = [(promoted, shared) for kind, promoted, shared in self.failovers if kind == what]
            rows.append((what, len(times), *(f"{middle(column):.1f} / {max(column):.1f}" for column in zip(*times))))
        self.verdict.table("Failovers, median / longest",
                           ("what", "times", "s to the promotion", "s from there until counts are shared"), rows)
        longest = max(shared for _, _, shared in self.failovers)
        self.verdict.check(longest <= SHARED_LIMIT_S, f"counts are shared again at most {SHARED_LIMIT_S} s after a promotion",
                           f"{longest:.2f} s")
        self.verdict.table("PostgreSQL, a second", ("step", "transactions", "rows read", "processor time, s"), [
            (name, f"{transactions:.0f}", f"{rows:.0f}", f"{seconds:.3f}") for name, transactions, rows, seconds in self.loads])
        stale = sum(figures[step.name][kind]["stale"] for step in self.steps for kind in KINDS)
        self.verdict.check(stale == 0, "no count is stale", f"{stale}")


def middle(values):
    return sorted(values)[len(values) // 2]


def run(settings, verdict):
    verdict.note("starting HAProxy, two rsvpd, PostgreSQL with a synchronous standby, three Redis and three sentinels")
    with SentinelStack(settings.binary) as stack:
        limit_events(stack)
        with Crowd(settings.crowd, stack, RATE_PER_S) as crowd:
            drill = SentinelDrill(stack, crowd, verdict, settings.brief)
            drill.judge(drill.run(), time.time())
