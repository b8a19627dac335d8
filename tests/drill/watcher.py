"""A client of a stream of counts, who keeps what it is told and when."""
import contextlib
import http.client
import json
import time

from beside import Beside

AGAIN_S = 0.2


class Watcher(Beside):
    """with Watcher(stack, target) as watcher: it reads that stream through HAProxy, and comes back when it ends."""

    def __init__(self, stack, target):
        super().__init__(stack)
        self.target = target
        self.told = []  # (when, the count's body)
        self.connected = 0  # how often

    def go(self):
        while not self.ends.wait(AGAIN_S):
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(self.stack.connect()) as connection:
                self.read(connection)

    def read(self, connection):
        """A stream has a line every ten seconds at least."""
        connection.request("GET", self.target, headers=self.headers)
        answer = connection.getresponse()
        self.connected += answer.status == 200
        while not self.ends.is_set() and (line := answer.readline()):
            if line.startswith(b"data: "):
                self.told.append((time.time(), json.loads(line[len(b"data: "):])))

    def first_fresh(self, since):
        """When it was first told a count that does not say stale, since then; None: not yet."""
        return next((moment for moment, count in list(self.told) if moment >= since and not count["stale"]), None)
