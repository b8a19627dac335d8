"""The crowd of the fault suite with its ledger (rsvpd_crowd), as a child of a drill."""
import collections
import json
import re
import subprocess
import time
from pathlib import Path

from servers import ENVIRONMENT, end_with_parent, until

STOP_S = 60
COMPARE_S = 120


class Crowd:
    """with Crowd(...) as crowd: it asks rate times a second, through HAProxy, until stop().

    A client waits for its answer before it asks again: more clients are wanted for higher rates, or where answers take long.
    """

    def __init__(self, program, stack, rate, clients=48):
        self.stack = stack
        self.report = Path(stack.directory, "crowd.json")
        self.steps = []
        self.said = collections.Counter()  # by word, how often it was awaited
        self.output = Path(stack.directory, "crowd.log")
        with open(self.output, "wb") as output:
            self.child = subprocess.Popen(
                [program, str(stack.https), stack.certificate, str(rate), str(clients), str(self.report)], stdin=subprocess.PIPE, stdout=output,
                stderr=output, text=True, env=ENVIRONMENT | {"HEADER": stack.bearer()}, preexec_fn=end_with_parent())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def check(self):
        """Raises what a client has found wrong, if one has."""
        if self.child.poll() is not None:
            raise AssertionError(f"the crowd found a violation:\n{self.output.read_text()}")

    def watch(self, seconds):
        """Goes on for so long as nothing is wrong."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            time.sleep(0.1)

    def order(self, line):
        self.check()
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()

    def begin_step(self, name):
        """What is asked from now on belongs to it."""
        if self.steps:
            self.order("step")
        self.steps.append(name)

    def await_word(self, word):
        """The numbers that it says behind that."""
        def said():
            self.check()
            return re.findall(rf"^{word}((?: \d+)*)\n", self.output.read_text(), re.MULTILINE)[self.said[word]:]
        [numbers] = until(f"the crowd to say \"{word}\"", said, STOP_S)
        self.said[word] += 1
        return [int(number) for number in numbers.split()]

    def pause(self):
        """Nothing is on its way then. Returns when the last write was acknowledged, in Unix time."""
        self.order("pause")
        [last_us] = self.await_word("paused")
        return last_us / 1e6

    def rewind(self, first, last):
        """While it pauses: the database was restored to a moment between the two. Returns how many writes were acknowledged
        after the first."""
        self.order(f"rewind {first * 1e6:.0f} {last * 1e6:.0f}")
        [lost] = self.await_word("rewound")
        return lost

    def resume(self):
        self.order("resume")

    def stop(self):
        """Lets what is on its way end. Returns the figures of each step by its name: those that tests/drill/main.c lists."""
        self.order("stop")
        self.await_word("stopped")
        return dict(zip(self.steps, json.loads(self.report.read_text())["steps"]))

    def compare(self):
        """What the ledger says of the database once it rests: an empty text, or what is wrong."""
        self.stack.await_idle()
        self.order(f"compare {self.stack.secret('owner_database_url')}")
        return "" if self.child.wait(COMPARE_S) == 0 else self.output.read_text()
