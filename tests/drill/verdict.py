"""What a drill has seen, held against what it promises: a line a check, and a report in Markdown."""
import time


class Verdict:
    def __init__(self):
        self.failed = 0
        self.lines = []
        self.started = time.time()

    def note(self, text):
        """What happens now."""
        line = f"[{time.time() - self.started:6.0f} s] {text}"
        print(line, flush=True)

    def check(self, holds, promise, seen=""):
        """holds: None where this run is too short to tell."""
        self.failed += holds is False
        result = {True: "ok", False: "FAILED", None: "not judged"}[holds]
        line = f"{result}: {promise}{f': {seen}' if seen else ''}"
        print(line, flush=True)
        self.lines.append(f"* {line}")

    def table(self, title, header, rows):
        lines = [f"## {title}", "", "| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |",
                 *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]
        print("\n".join(["", *lines]), flush=True)
        self.lines += ["", *lines]

    def end(self):
        """Returns whether all held."""
        line = f"{self.failed} promises did not hold" if self.failed else "all promises held"
        print(line, flush=True)
        self.lines.append(f"\n{line}")
        return not self.failed
