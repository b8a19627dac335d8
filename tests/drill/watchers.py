"""Many clients that watch counts (rsvpd_watchers), as a child of a drill."""
import contextlib
import json
import subprocess
from pathlib import Path

from servers import ENVIRONMENT, end_with_parent, until

OPEN_S = 150
STOP_S = 120


class Watchers:
    """with Watchers(...) as watchers: so many streams of what a crowd changes are open, and come back wherever they end."""

    def __init__(self, program, stack, streams, crowd):
        self.report = Path(stack.directory, "watchers.json")
        self.output = Path(stack.directory, "watchers.log")
        with open(self.output, "wb") as output:
            self.child = subprocess.Popen(
                [program, str(stack.https), stack.certificate, str(streams), str(crowd), str(self.report)], stdin=subprocess.PIPE,
                stdout=output, stderr=output, text=True, preexec_fn=end_with_parent(),
                env=ENVIRONMENT | {"HEADER": stack.bearer(), "DATABASE_URL": stack.secret("owner_database_url")})

    def __enter__(self):
        try:
            self.await_word("opened", OPEN_S)
            self.check()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def wrong(self):
        """What a stream has told that cannot be true, so far; an empty text where none has."""
        return "" if self.child.poll() in (None, 0) else self.output.read_text()

    def check(self):
        """Raises what a stream has told wrongly, if one has: while it goes on, so that no time is lost."""
        if wrong := self.wrong():
            raise AssertionError(f"a stream told what cannot be true:\n{wrong}")

    def await_word(self, word, limit_s):
        until(f"that all streams are {word}", lambda: f"{word}\n" in self.output.read_text() or self.wrong(), limit_s)

    def stop(self):
        """Once counts change no more: holds what was told against the history. Returns the figures; none where it was wrong."""
        with contextlib.suppress(BrokenPipeError):  # it ends where something is wrong
            self.child.stdin.write("stop\n")
            self.child.stdin.flush()
        self.await_word("stopped", STOP_S)
        self.child.wait(STOP_S)
        return None if self.wrong() else json.loads(self.report.read_text())
