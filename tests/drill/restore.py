"""The machine of PostgreSQL is lost with its disk, under load: what a restore brings back, and how soon the service goes on.

Twice: with the archive of the log alone, and with a receiver of the log that commits wait for. The service is left alone. Where
writes are lost, the crowd's ledger is taken back to the restored moment, and from there on nothing may differ.
"""
import signal
import time

from backed_up import ARCHIVE_TIMEOUT_S, SEGMENT_BYTES, BackedUpStack
from crowd import Crowd
from probe import POST, Probe
from scenario import KINDS, limit_events
from servers import until
from watcher import Watcher

RATE_PER_S = 500
BEFORE_S = 60
AFTER_S = 30
BRIEF_S = 8
SLACK_S = 0.1  # between the time that a commit carries and its place in the log
GO_ON_S = 60  # for the service, once the database takes writes
GO_ON_PROMISED_S = 10
COUNT_S = 5  # how old a count can be
WORST_S = 0.8  # of the archive's timeout: what the archive lacks is nearly the most that it may lack
RPO_SLACK_S = 10  # what a push takes
VERIFY_S = 3600


class Loss:
    """One loss, and the way back. Moments are Unix time."""

    def __init__(self, stack, crowd, probe, verdict):
        self.stack, self.crowd, self.probe, self.verdict = stack, crowd, probe, verdict
        self.lost = time.time()
        stack.lose_primary()
        verdict.note("PostgreSQL is killed, and its data directory is deleted")
        until("both processes to notice", lambda: not any(stack.ready()))
        self.noticed = time.time()

    def restore(self):
        self.restoring_s = self.stack.restore()
        self.verdict.note(f"restored in {self.restoring_s:.1f} s")
        self.restored = time.time()
        self.stack.start_node(self.stack.primary)
        self.stack.await_recovery()
        self.recovered = time.time()
        if self.stack.received:
            self.stack.start_receiver()
        self.moment = self.stack.restored_moment()
        self.verdict.note(f"recovered in {self.recovered - self.restored:.1f} s")

    def await_writes(self):
        """By itself: nobody tells the service."""
        write = until("the service to write again", lambda: self.probe.first(self.recovered), GO_ON_S)
        self.written = write.answered
        self.verdict.check(self.written - self.recovered <= GO_ON_PROMISED_S,
                           f"the service writes again by itself within {GO_ON_PROMISED_S} s of the recovery",
                           f"{self.written - self.recovered:.2f} s")

    def row(self, name):
        return (name, *(f"{seconds:.1f}" for seconds in (
            self.noticed - self.lost, self.restored - self.noticed, self.recovered - self.restored,
            self.written - self.recovered, self.written - self.lost)))


class Keys:
    """Writes under idempotency keys: one that a backup has, and one that is lost."""

    def __init__(self, stack):
        self.stack = stack
        self.headers = stack.headers()

    def like(self, key):
        """Whether it is answered as a repetition."""
        status, headers, body = self.stack.ask("POST", "/v1/posts/swarm-keys/like", f'{{"user_id":"keyed-{key}"}}',
                                               headers=self.headers | {"Idempotency-Key": key})
        if status not in (200, 201):
            raise RuntimeError(f"a write under a key: {status} {body}")
        return headers.get("Idempotency-Replayed") == "true"

    def erase(self, key):
        self.stack.ask("DELETE", f"/v1/users/keyed-{key}", headers=self.headers)


class RestoreDrill:
    def __init__(self, settings, stack, crowd, probe, verdict):
        self.rows, self.brief = settings.rows, settings.brief
        self.stack, self.crowd, self.probe, self.verdict = stack, crowd, probe, verdict
        self.times = []  # of the two losses
        self.backups = []
        self.keys = Keys(stack)

    def wait(self, seconds):
        self.crowd.watch(min(seconds, BRIEF_S) if self.brief else seconds)

    def back_up(self, kind):
        seconds = self.stack.back_up(kind)
        self.note_backup(kind, seconds)

    def note_backup(self, kind, seconds):
        newest = self.stack.backups()[-1]["info"]
        self.backups.append((kind, f"{newest['size'] / 1e6:.0f}", f"{newest['delta'] / 1e6:.0f}",
                             f"{newest['repository']['delta'] / 1e6:.0f}", f"{seconds:.1f}"))
        self.verdict.note(f"{kind} backup in {seconds:.1f} s")

    def run(self):
        self.crowd.begin_step("before")
        self.wait(BEFORE_S)
        self.keys.like("kept")
        self.back_up("incr")
        self.stack.start_relay()
        self.wait(BEFORE_S)
        self.lose_with_the_archive_alone()
        self.crowd.begin_step("after the first loss")
        self.wait(AFTER_S)
        self.judge_verified("the first restore")
        self.stack.start_receiver()
        self.stack.wait_for_receiver()
        self.back_up("incr")
        self.wait(BEFORE_S)
        self.crowd.begin_step("the second loss, and after it")
        self.lose_with_a_receiver()
        self.wait(AFTER_S)
        return self.crowd.stop()

    def await_worst_moment(self):
        """When the archive lacks nearly as much as it ever does."""
        def is_here():
            self.crowd.check()
            age, size = self.stack.unarchived()
            return age > WORST_S * ARCHIVE_TIMEOUT_S or size > 0.95 * SEGMENT_BYTES
        if not self.brief:
            until("the archive to lack much", is_here, 2 * ARCHIVE_TIMEOUT_S)

    def lose_with_the_archive_alone(self):
        self.await_worst_moment()
        self.keys.like("lost")
        loss = Loss(self.stack, self.crowd, self.probe, self.verdict)
        last = self.crowd.pause()
        with Watcher(self.stack, f"/v1/posts/{POST}/like_count/stream") as watcher:
            loss.restore()
            lost = self.crowd.rewind(loss.moment, loss.moment + SLACK_S)
            self.crowd.resume()
            loss.await_writes()
            self.judge_stream(watcher, loss)
        self.judge_keys()
        self.judge_relay()
        self.times.append(loss.row("archive alone"))
        self.verdict.check(last - loss.moment <= ARCHIVE_TIMEOUT_S + RPO_SLACK_S,
                           f"the archive alone loses at most the last {ARCHIVE_TIMEOUT_S + RPO_SLACK_S} s",
                           f"{lost} acknowledged writes in the last {last - loss.moment:.1f} s")

    def judge_stream(self, watcher, loss):
        """The database has older versions than the stream has told."""
        until("the stream to go on", lambda: watcher.first_fresh(loss.recovered), GO_ON_S)
        seconds = max(0, watcher.first_fresh(loss.recovered) - loss.written)
        self.verdict.check(seconds <= COUNT_S, f"a stream is told fresh counts within {COUNT_S} s of the first write",
                           f"{seconds:.1f} s, connected {watcher.connected} times")

    def judge_keys(self):
        self.verdict.check(self.keys.like("kept"), "an idempotency key that was restored still answers")
        self.verdict.check(not self.keys.like("lost"), "a write whose key was lost with it is done again when it is repeated")
        for key in ("kept", "lost"):
            self.keys.erase(key)

    def judge_relay(self):
        """Backups have no slots."""
        relay = self.stack.children["relay"]
        until("the relay to end", lambda: relay.poll() is not None, GO_ON_S)
        self.verdict.check(relay.returncode == 1 and "is not there" in self.stack.log("relay"),
                           "the relay ends, because its slot is not there any more", f"exit status {relay.returncode}")
        del self.stack.children["relay"]
        self.stack.start_relay()
        self.wait(BRIEF_S)
        self.verdict.check(self.stack.children["relay"].poll() is None, "with a new slot, it goes on")
        self.stack.stop("relay", signal.SIGTERM)

    def lose_with_a_receiver(self):
        """The crowd goes on: its ledger finds each acknowledged write that is not there any more, as soon as it is looked up."""
        loss = Loss(self.stack, self.crowd, self.probe, self.verdict)
        loss.restore()
        loss.await_writes()
        self.times.append(loss.row("with the receiver"))

    def judge_verified(self, when):
        began = time.monotonic()
        wrong = self.stack.verify(VERIFY_S)
        self.verdict.check(not wrong, f"no counter is wrong after {when}: rsvpd verify finds no difference",
                           wrong or f"in {time.monotonic() - began:.1f} s")

    def judge(self, figures):
        self.verdict.table("Backups", ("backup", "database, MB", "copied, MB", "in the repository, MB", "s"), self.backups)
        self.verdict.table("From the loss to the first write, s", (
            "loss", "until noticed", "restored", "recovered", "a write is acknowledged", "together"), self.times)
        self.verdict.table("What the crowd got", ("step", "kind", "acknowledged", "refused", "unknown", "stale"), [
            (step, kind, *(figures[step][kind][field] for field in ("acknowledged", "refused", "unknown", "stale")))
            for step in figures for kind in KINDS])
        wrong = self.crowd.compare()
        self.verdict.check(not wrong, "what differs is what was written after the restored moment, and nothing else: the database "
                                      "agrees with the ledger", wrong)
        self.judge_verified("the second restore")
        rows = int(self.stack.sql("SELECT count(*) FROM rsvps WHERE event_id LIKE 'stored-%'"))
        self.verdict.check(rows == self.rows, "all that was stored before is there", f"{rows} of {self.rows}")


def run(settings, verdict):
    verdict.note("starting HAProxy, two rsvpd, PostgreSQL, Redis and Prometheus")
    with BackedUpStack(settings.binary) as stack:
        limit_events(stack)
        stack.fill(settings.rows)
        verdict.note(f"{settings.rows} RSVPs, {stack.size_bytes() / 1e6:.0f} MB")
        seconds = stack.back_up_from_now_on()
        with Crowd(settings.crowd, stack, RATE_PER_S) as crowd, Probe(stack) as probe:
            drill = RestoreDrill(settings, stack, crowd, probe, verdict)
            drill.note_backup("full", seconds)
            drill.judge(drill.run())
