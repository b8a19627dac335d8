"""A client that runs beside a drill, in a thread of its own."""
import threading


class Beside:
    """with Beside(...) as one: go() runs until self.ends is set. The stack is asked through HAProxy."""

    def __init__(self, stack):
        self.stack = stack
        self.headers = stack.headers()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.go)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()

    def go(self):
        raise NotImplementedError
