"""A client that writes again and again, and keeps when each write was sent, answered, and how."""
import contextlib
import dataclasses
import http.client
import json
import time

from beside import Beside

PAUSE_S = 0.05
POST = "swarm-probe"  # the crowd's ledger leaves what begins like this alone
TARGET = f"/v1/posts/{POST}/like"


@dataclasses.dataclass(frozen=True)
class Try:
    sent: float  # in Unix time
    answered: float
    done: bool


class Probe(Beside):
    """with Probe(stack) as probe: it likes a post and unlikes it, through HAProxy."""

    def __init__(self, stack):
        super().__init__(stack)
        self.headers["Content-Type"] = "application/json"
        self.tries = []

    def go(self):
        connection = self.stack.connect()
        likes = True
        while not self.ends.wait(PAUSE_S):
            sent = time.time()
            done = False
            try:
                if likes:
                    connection.request("POST", TARGET, json.dumps({"user_id": "probe"}), self.headers)
                else:
                    connection.request("DELETE", f"{TARGET}?user_id=probe", headers=self.headers)
                answer = connection.getresponse()
                answer.read()
                done = answer.status in (200, 201)
            except (OSError, http.client.HTTPException):
                with contextlib.suppress(OSError):
                    connection.close()
                connection = self.stack.connect()
            self.tries.append(Try(sent, time.time(), done))
            likes = likes != done

        connection.close()

    def first(self, since, done=True):
        """The first write that was sent since then and was done, or was not; None: there is none yet."""
        return next((write for write in list(self.tries) if write.sent >= since and write.done == done), None)
