"""Many clients that watch counts (rsvpd_watchers), as a child of a drill."""
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
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def check(self):
        """Raises what a stream has told wrongly, if one has."""
        if self.child.poll() not in (None, 0):
            raise AssertionError(f"a stream told what cannot be true:\n{self.output.read_text()}")

    def await_word(self, word, limit_s):
        def is_said():
            self.check()
            return f"{word}\n" in self.output.read_text()
        until(f"that all streams are {word}", is_said, limit_s)

    def stop(self):
        """Once counts change no more: holds what was told against the history. Returns the figures."""
        self.check()
        self.child.stdin.write("stop\n")
        self.child.stdin.flush()
        self.await_word("stopped", STOP_S)
        return json.loads(self.report.read_text())
