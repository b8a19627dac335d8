"""What streams of counts cost, and what they cost others: a service of one worker with as many streams as there may be, a writer
on another process, and look-ups or RSVPs beside them. Started by scripts/bench --streams."""
import argparse
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass

import contestants
import environment
import machine
import processes
import streams
from environment import say, write

CLIENTS = 64  # of the load beside
CONNECTIONS_MAX = 1000  # so that descriptors are left for the streams
WRITES_PER_S_MAX = 60_000


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    events: int  # 0: as many as streams
    writes_per_s: float


@dataclass(frozen=True)
class Scale:
    streams: int
    seconds: int
    beside_s: int


FULL = Scale(streams=10_000, seconds=30, beside_s=10)
QUICK = Scale(streams=1_000, seconds=5, beside_s=2)
WORKS = (
    Work("hot", "one hot event, a change a second", 1, 1),
    Work("spread", "an event for each stream, 500 changes a second", 0, 500),
)


class Rsvpd(contestants.RsvpdOfRun):
    """One of the two processes."""

    def __init__(self, bench, name):
        super().__init__(bench, name, MAX_STREAMS=str(bench.scale.streams), MAX_CONNECTIONS=str(CONNECTIONS_MAX))

    def resident_kib(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class Bench(environment.Environment):
    def __init__(self, options):
        super().__init__(options)
        self.scale = QUICK if options.quick else FULL
        self.watchers = options.watchers
        self.workers = 1  # so that it is one core's
        self.database = "streams"
        self.postgres.create(self.database)
        self.postgres.migrate(self.database, self.rsvpd)
        self.last_run = streams.RUN_MIN
        self.look_ups = self.write_stream("look-ups", streams.pack([streams.find("e", "u")]))
        self.rsvps = streams.pack(streams.post("beside", streams.new_user(number))
                                  for number in range(WRITES_PER_S_MAX * self.scale.beside_s))

    def watch(self, service, writer, work, during):
        """Opens the streams and lets counts change; the watchers' result, with what the service used while during() ran."""
        scale = self.scale
        command = [self.watchers, service.port, writer.port, scale.streams, work.events or scale.streams, work.writes_per_s,
                   scale.seconds, f"{work.name}-{time.monotonic_ns()}"]
        before_kib = service.resident_kib()
        with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=processes.end_with_parent) as child:
            try:
                if child.stderr.readline() != "opened\n":
                    raise RuntimeError(f"the streams of {work.name} were not opened: {child.stderr.read()}")
                used_s, begun_s = processes.processor_time_s(service.child.pid), time.monotonic()
                kib = (service.resident_kib() - before_kib) / scale.streams
                during()
                output, _ = child.communicate(timeout=scale.seconds + 60)
            finally:
                child.kill()
        if child.returncode != 0:
            raise RuntimeError(f"watchers: exit status {child.returncode}")
        used_s = processes.processor_time_s(service.child.pid) - used_s
        return json.loads(output) | {"processor_percent": round(100 * used_s / (time.monotonic() - begun_s), 1),
                                     "kib_a_stream": round(kib, 1)}

    def write_stream(self, name, data):
        path = f"{self.memory_directory}/{name}.stream"
        with open(path, "wb") as file:
            file.write(data)
        return path

    def look_up(self, service):
        return self.press(service, self.look_ups, False)

    def rsvp(self, service):
        """By users who are new, for an event that nobody watches."""
        self.last_run += 1
        stream = self.write_stream("rsvps", streams.for_run(self.rsvps, self.last_run))
        return self.press(service, stream, True)

    def press(self, service, stream, must_last):
        """Requests a second, and the microseconds of processor time that the service takes for each."""
        used_s = processes.processor_time_s(service.child.pid)
        # One thread, as the service has: on two cores, more would compete with those who watch.
        result = contestants.run_wrk(service.port, CLIENTS, self.scale.beside_s, stream, must_last, threads=1)
        used_s = processes.processor_time_s(service.child.pid) - used_s
        if result["faults"]:
            raise RuntimeError(f"{service.name}: {', '.join(result['faults'])}")
        return result["throughput_per_s"], 1e6 * used_s / result["requests"]

    def measure(self, work):
        result = {"title": work.title}
        with Rsvpd(self, "watched") as service, Rsvpd(self, "writer") as writer:
            say(f"{work.name}: streams")
            result |= self.watch(service, writer, work, lambda: None)
            for name, load in (("look_ups", self.look_up), ("rsvps", self.rsvp)):
                say(f"{work.name}: {name} beside them")
                result[name] = self.beside(service, writer, work, load)
        return result

    def beside(self, service, writer, work, load):
        """This load with the streams, against the mean of before and after, without them."""
        during = []
        before = load(service)
        thread = threading.Thread(target=lambda: during.append(load(service)))
        self.watch(service, writer, work, lambda: (thread.start(), thread.join()))
        rate, cost_us = (sum(pair) / 2 for pair in zip(before, load(service)))
        [(rate_beside, cost_beside_us)] = during
        return {"per_s": round(rate), "ratio": round(rate_beside / rate, 2), "us": round(cost_us, 1),
                "beside_us": round(cost_beside_us, 1)}


def table(results):
    lines = ["| streams of | processor, % of one core | KiB a stream | lag p50, ms | p99 | look-ups beside them | "
             "processor time of one, µs | RSVPs beside them | of one, µs |", "| --- " * 9 + "|"]
    for one in results:
        beside = (f"{part['ratio']} of {part['per_s']:,} /s | {part['beside_us']}, alone {part['us']}"
                  for part in (one["look_ups"], one["rsvps"]))
        lines.append(f"| {one['title']} | {one['processor_percent']} | {one['kib_a_stream']} | {one['lag_ms']['p50']} | "
                     f"{one['lag_ms']['p99']} | {' | '.join(beside)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--watchers", required=True)
    options = environment.parse_options(parser, WORKS)
    bench = Bench(options)
    results = [bench.measure(work) for work in WORKS if work.name in options.only]
    write(os.path.join(options.out, "watching.json"), json.dumps({"machine": machine.describe(bench), "works": results}, indent=1) + "\n")
    write(os.path.join(options.out, "watching.md"), table(results))
    print(table(results), end="")


main()
