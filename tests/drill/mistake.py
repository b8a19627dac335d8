"""An operator deletes what belongs to two events by hand: what a restore beside the running service brings back.

docs/how-to/undo-a-mistake.md, step by step. Of one event the RSVPs are gone, of the other all rows. Users have cancelled and joined
since: they keep what they did, but for those whom nothing tells from who was deleted. The crowd goes on beside, and its ledger
finds what the repair changes of others.
"""
import json
import signal
import time
from pathlib import Path

from backed_up import LONG_S, BackedUpStack
from compose import COMPOSE
from crowd import Crowd
from scenario import AVAILABILITY_MIN, limit_events
from servers import ENVIRONMENT, until

RATE_PER_S = 200
COUNT_S = 5  # how old a count can be
UNDONE_PROMISED_S = 900
OPEN, LIMITED = "stored-000003", "stored-gala"  # the events; the ledger leaves such names alone
SEATS, WAITING = 50, 20
EACH = 5  # users who do each of these since


class Copy:
    """A PostgreSQL of what was true at a moment, that nobody but its owner reaches."""

    def __init__(self, stack, moment):
        self.stack, self.port = stack, stack.pg_port
        self.directory = stack.owners("copy")
        stack.pgbackrest("restore", f"--pg1-path={self.directory}/cluster", "--type=time", f"--target={moment}",
                         "--target-action=promote", "--archive-mode=off")
        stack.spawn("copy", [f"{stack.programs}/postgres", "-D", f"{self.directory}/cluster",
                             *COMPOSE[stack.primary]["entrypoint"][1:],  # a recovery wants no less of some settings
                             "-k", str(self.directory), "-p", str(self.port), "-c", "listen_addresses=",
                             "-c", "synchronous_standby_names="],
                    signal.SIGQUIT, **stack.owner)
        until("the copy", self.has_recovered, LONG_S)
        self.url = f"postgresql:///rsvpd?host={self.directory}&port={self.port}&user=postgres"

    def has_recovered(self):
        if self.stack.children["copy"].poll() is not None:
            raise RuntimeError(f"the copy ended\n{self.stack.log('copy')[-3000:]}")
        try:
            return self.stack.admin("SELECT pg_is_in_recovery()", node="copy") == "f"
        except RuntimeError:
            return False

    def export(self, relation, event):
        """The lines of the event, and the header. The file has all events."""
        whole = self.directory / f"{relation}.csv"
        self.stack.run([self.stack.image, "export", "--relation", relation, str(whole)], limit_s=LONG_S, **self.stack.owner,
                       env=ENVIRONMENT | {"DATABASE_URL": self.url})
        with open(whole, encoding="ascii") as lines:
            return [next(lines), *(line for line in lines if line.split(",", 1)[0] == event)]


class MistakeDrill:
    def __init__(self, stack, crowd, verdict):
        self.stack, self.crowd, self.verdict = stack, crowd, verdict
        self.headers = stack.headers()

    # ---- what users do ----

    def ask(self, method, target, body=None, key=None):
        """Again, where it was not done or not completely, as every client does."""
        headers = self.headers | ({"Idempotency-Key": key} if key else {})

        def done():
            status, _, answer = self.stack.ask(method, target, body and json.dumps(body), headers=headers)
            if status not in (200, 201, 202, 503, 504):
                raise RuntimeError(f"{method} {target}: {status} {answer}")
            said = json.loads(answer)
            return said if status < 300 and said.get("complete", True) else None
        return until(f"{method} {target}", done)

    def join(self, event, user):
        return self.ask("POST", f"/v1/events/{event}/rsvp", {"user_id": user})

    def cancel(self, event, user, key=None):
        return self.ask("DELETE", f"/v1/events/{event}/rsvp?user_id={user}", key=key)

    def members(self, event, table="rsvps"):
        order = "user_id" if table == "rsvps" else "ticket"
        return self.stack.sql(f"SELECT user_id FROM {table} WHERE event_id = '{event}' ORDER BY {order}").split()

    # ---- the story ----

    def run(self):
        self.crowd.begin_step("all of it")
        self.make_limited_event()
        before = {event: self.members(event) for event in (OPEN, LIMITED)}
        waiting = self.members(LIMITED, "waitlist")
        moment = self.make_the_mistake()
        since = {event: self.live_on(event, before[event]) for event in (OPEN, LIMITED)}
        began = time.monotonic()
        self.undo(moment)
        self.verdict.check(time.monotonic() - began <= UNDONE_PROMISED_S, f"it is undone within {UNDONE_PROMISED_S} s",
                           f"{time.monotonic() - began:.1f} s")
        for event in (OPEN, LIMITED):
            self.judge(event, before[event], since[event])
        self.verdict.check(self.members(LIMITED, "waitlist") == waiting, "all who waited wait again, in their order")
        settings = self.ask("GET", f"/v1/events/{LIMITED}")
        self.verdict.check((settings["capacity"], settings["waitlist"]) == (SEATS, True), "the settings are there again")

    def make_limited_event(self):
        self.ask("PUT", f"/v1/events/{LIMITED}", {"capacity": SEATS, "waitlist": True})
        for number in range(SEATS + WAITING):
            self.join(LIMITED, f"g{number:05}")

    def make_the_mistake(self):
        """Returns a moment before it."""
        moment = self.stack.sql("SELECT clock_timestamp()")
        self.stack.sql(f"DELETE FROM rsvps WHERE event_id = '{OPEN}'",
                       *(f"DELETE FROM {table} WHERE event_id = '{LIMITED}'"
                         for table in ("rsvps", "waitlist", "events", "rsvp_counters")))
        self.verdict.note("an operator has deleted the RSVPs of one event, and all rows of another")
        return moment

    def live_on(self, event, before):
        """What users do before anybody notices: pairs of what, and who."""
        groups = {what: before[EACH * i:EACH * (i + 1)] for i, what in enumerate(("again", "keyed", "unkeyed"))}
        groups["new"] = [f"{event}-new{number}" for number in range(EACH)]
        for user in groups["again"] + groups["new"]:
            self.join(event, user)
        for user in groups["keyed"]:
            self.cancel(event, user, key=f"{user}-cancels")
        for user in groups["unkeyed"]:
            self.cancel(event, user)
        return groups

    # ---- the repair ----

    def undo(self, moment):
        stack = self.stack
        stack.admin("SELECT pg_switch_wal()")  # so that the moment's log is in the archive
        copy = self.step("restored beside", lambda: Copy(stack, moment))
        self.step("imported", lambda: self.bring_back(copy, moment))
        stack.stop("copy", signal.SIGINT)
        self.step("repaired", lambda: stack.repair(LONG_S))
        wrong = self.step("verified", lambda: stack.verify(LONG_S))
        self.verdict.check(not wrong, "no counter is wrong: rsvpd verify finds no difference", wrong)

    def step(self, name, work):
        began = time.monotonic()
        result = work()
        self.verdict.note(f"{name} in {time.monotonic() - began:.1f} s")
        return result

    def bring_back(self, copy, moment):
        """Settings first, and those who wait last: nobody moves up meanwhile."""
        self.put_in("settings", copy.export("settings", LIMITED))
        for event in (OPEN, LIMITED):
            gone = set(self.stack.sql(f"""SELECT user_id FROM idempotency_keys
                WHERE entity_id = '{event}' AND action = 'DELETE rsvp' AND expires_at > timestamptz '{moment}' + interval '24 hours'""").split())
            lines = copy.export("rsvp", event)
            self.put_in("rsvp", [line for line in lines if line.split(",")[1] not in gone], "--past-capacity")
        self.put_in("waitlist", copy.export("waitlist", LIMITED))

    def put_in(self, relation, lines, *options):
        file = Path(self.stack.directory, f"{relation}.csv")
        file.write_text("".join(lines))
        said = self.stack.run([self.stack.image, "import", "--relation", relation, *options, str(file)],
                              env=self.stack.owner_environment(), limit_s=LONG_S)
        self.verdict.note(said.strip().splitlines()[-1])

    # ---- judging ----

    def judge(self, event, before, since):
        now = set(self.members(event))
        kept = set(before) - set(since["keyed"]) - set(since["unkeyed"])
        self.verdict.check(kept <= now, f"{event}: all are in again who were, and did not cancel",
                           f"{len(kept - now)} of {len(kept)} are not")
        self.verdict.check(set(since["new"]) <= now, f"{event}: who joined since is in")
        self.verdict.check(not set(since["keyed"]) & now, f"{event}: who cancelled since, with an idempotency key, is not in")
        self.verdict.check(now <= kept | set(since["new"]) | set(since["unkeyed"]), f"{event}: nobody else is in")
        self.verdict.note(f"{event}: {len(set(since['unkeyed']) & now)} of {len(since['unkeyed'])} are in again who cancelled "
                          "since without a key: nothing tells them from who was deleted")

        def is_right():
            return self.ask("GET", f"/v1/events/{event}/rsvp_count")["rsvp_count"] == len(now)
        began = time.monotonic()
        until("the count", is_right)
        seconds = time.monotonic() - began
        self.verdict.check(seconds <= COUNT_S, f"{event}: its count is right within {COUNT_S} s of the repair", f"{seconds:.1f} s")
        for user in since["keyed"]:  # their kept answers are none of the ledger's
            self.ask("DELETE", f"/v1/users/{user}")


def judge_others(figures, verdict):
    """The users of other events."""
    kinds = ("write", "look-up", "count")
    failed = sum(figures[kind]["refused"] + figures[kind]["unknown"] for kind in kinds)
    total = failed + sum(figures[kind]["acknowledged"] + figures[kind]["stale"] for kind in kinds)
    verdict.check(failed / total <= 1 - AVAILABILITY_MIN, f"{AVAILABILITY_MIN:.1%} of the requests of others succeed meanwhile",
                  f"{failed} of {total} failed")


def run(settings, verdict):
    verdict.note("starting HAProxy, two rsvpd, PostgreSQL, Redis and Prometheus")
    with BackedUpStack(settings.binary) as stack:
        limit_events(stack)
        stack.fill(settings.rows)
        verdict.note(f"{settings.rows} RSVPs")
        stack.back_up_from_now_on()
        with Crowd(settings.crowd, stack, RATE_PER_S) as crowd:
            MistakeDrill(stack, crowd, verdict).run()
            judge_others(crowd.stop()["all of it"], verdict)
            wrong = crowd.compare()
            verdict.check(not wrong, "nothing else has changed: the database agrees with the ledger", wrong)
