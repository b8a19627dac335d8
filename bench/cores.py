"""Measures what each part takes of a processor where it has a core of its own, what PostgreSQL's sessions wait for, and how evenly
the kernel spreads connections over workers; predicts what more cores do. Started by scripts/bench --cores;
docs/results/scaling.md has the results."""
import argparse
import collections
import contextlib
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass

import environment
import machine
import partition_stores
import population
import processes
import report
import scale
import scale_works
from environment import say

GROUPS = ("load", "service", "postgres", "redis")
FIRST, SECOND = 0, 1  # of the cores that this may use
# Who has a core of its own: {group: cores}; the others share the second.
PLACES = {"all on one core": dict.fromkeys(GROUPS, {FIRST}), "all on two cores": dict.fromkeys(GROUPS, {FIRST, SECOND})} | {
    f"{name} on a core of its own": dict.fromkeys(GROUPS, {SECOND}) | {group: {FIRST}}
    for group, name in (("load", "load generator"), ("service", "service"), ("postgres", "PostgreSQL"))}
ONE, TWO = list(PLACES)[:2]
PREDICTED = (2, 4, 8, 16)  # cores for service, PostgreSQL and Redis; the load comes from elsewhere
WAITS = """SELECT coalesce(wait_event_type || ': ' || wait_event, 'runs'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid() GROUP BY 1"""
WAITS_EVERY_S = 0.02
CONNECTIONS = 256
LISTENERS = (2, 4, 8, 16)
TRIALS = 40


@dataclass(frozen=True)
class Plan:
    """As in scale.py."""

    rows: int
    rounds: int
    warmup_s: int
    measure_s: int
    requests: int
    writes: int


FULL = Plan(rows=1_000_000, rounds=3, warmup_s=1, measure_s=3, requests=600_000, writes=250_000)
QUICK = Plan(rows=100_000, rounds=1, warmup_s=1, measure_s=1, requests=200_000, writes=100_000)
NAMES = ("rsvp_spread", "rsvp_hot", "rsvp_capacity", "has_rsvped", "rsvp_count")
WORKS = tuple(work for work in scale_works.WORKS if work.name in NAMES)


class Bench(environment.Environment):
    def __init__(self, options):
        super().__init__(options)
        self.plan = QUICK if options.quick else FULL
        self.cores = sorted(os.sched_getaffinity(0))
        self.databases = [partition_stores.Layout(self, population.Population(options.population, self.plan.rows), 0)]

    def place(self, place, service=None):
        """Puts every thread of each group on its cores. The load generator is a child of this process."""
        pids = self.server_pids | {"load": os.getpid()} | ({"service": service.child.pid} if service else {})
        for group, pid in pids.items():
            cores = {self.cores[number] for number in place[group]}
            for thread in threads_of(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread, cores)


def threads_of(pid):
    for one in (pid, *processes.descendants(pid)):
        with contextlib.suppress(OSError):
            yield from map(int, os.listdir(f"/proc/{one}/task"))


class Service(scale.Service):
    """With as many workers as it has cores, and all in their places from then on."""

    def __init__(self, bench, database, work, place):
        super().__init__(bench, database, work)
        self.place = place

    def __enter__(self):
        self.bench.workers = len(self.place["service"])
        super().__enter__()
        self.bench.place(self.place, self)
        return self

    def batches(self):
        """(operations, batches) of writes and look-ups."""
        text = processes.ask(self.admin_port, "GET", "/metrics")[2]
        return [sum(float(value) for value in re.findall(rf'^rsvpd_batch_size_{what}{{kind="(?:writes|lookups)"}} (\S+)', text, re.M))
                for what in ("sum", "count")]


class Case(scale.Case):
    place = PLACES[TWO]

    def service(self):
        return Service(self.bench, self.database, self.work, self.place)

    def measure_in(self, name):
        self.place = PLACES[name]
        result = self.measure()
        self.bench.place(PLACES[TWO])
        return result

    def look_inside(self):
        """What sessions wait for, and how many operations share a batch, in a run that is not timed."""
        self.place = PLACES[TWO]
        with self.service() as service:
            self.run(service, self.bench.plan.warmup_s)
            operations, batches = service.batches()
            with Waits(self.bench.postgres, self.database.name) as waits:
                result = self.run(service, self.bench.plan.measure_s)
            now = service.batches()
            if self.work.capacity:
                service.release(population.LARGEST_EVENT)
        batches = now[1] - batches
        return {"waits": waits.counts, "batches_per_s": batches / self.bench.plan.measure_s,
                "operations_per_batch": (now[0] - operations) / max(batches, 1), "faults": result["faults"]}


class Waits:
    """Samples, in a session of psql, what sessions that work wait for."""

    def __init__(self, postgres, database):
        self.command = [f"{postgres.programs}/psql", "-X", "-q", "-A", "-t", "-h", postgres.socket_directory, "-U", "postgres",
                        "-d", database]
        self.counts = collections.Counter()

    def __enter__(self):
        self.child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      text=True, preexec_fn=processes.end_with_parent)
        self.child.stdin.write(f"{WAITS} \\watch {WAITS_EVERY_S}\n")
        self.child.stdin.flush()
        return self

    def __exit__(self, *_):
        self.child.terminate()
        for line in self.child.communicate()[0].splitlines():
            name, _, count = line.rpartition("|")
            if name:
                self.counts[name] += int(count)


def fullest(listeners, trials=TRIALS):
    """How many times its share the fullest of so many listeners of one port (SO_REUSEPORT) gets: each trial's."""
    found = []
    for _ in range(trials):
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as ready:
            port = 0
            for _ in range(listeners):
                one = stack.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                one.bind(("127.0.0.1", port))
                one.listen(CONNECTIONS)
                one.setblocking(False)
                port = one.getsockname()[1]
                ready.register(one, selectors.EVENT_READ)
            for _ in range(CONNECTIONS):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            counts = collections.Counter()
            while counts.total() < CONNECTIONS:
                for key, _ in ready.select():
                    stack.enter_context(key.fileobj.accept()[0])
                    counts[key.fd] += 1
        found.append(max(counts.values()) * listeners / CONNECTIONS)
    return sorted(found)


def run_work(bench, work):
    say(f"{work.name}: {work.title}")
    case = Case(bench, bench.databases[0], work)
    places = {name: [] for name in PLACES}
    for _ in range(bench.plan.rounds):
        for name, results in places.items():
            results.append(case.measure_in(name))
            say(f"  {name}")
    inside = case.look_inside()
    case.close()
    return {"title": work.title, "places": places, "inside": inside}


# ---- tables ----

def median_per_s(results):
    return statistics.median(result["throughput_per_s"] for result in results)


def median_us(results, group):
    return statistics.median(result["cpu_us_per_request"][group] for result in results)


def allowed_per_s(place, spent_us):
    """What the fullest core has time for, where each group takes so long for a request on the cores of its place."""
    busy = collections.Counter()
    for group, used in place.items():
        busy.update({core: spent_us[group] / len(used) for core in used})
    return 1e6 / max(busy.values())


def place_rows(results):
    for work in results["works"].values():
        for name, rounds in work["places"].items():
            each = [result["throughput_per_s"] for result in rounds]
            spent_us = {group: median_us(rounds, group) for group in GROUPS}
            yield [work["title"], name, report.number(median_per_s(rounds)), f"{report.number(min(each))} to {report.number(max(each))}",
                   f"{median_per_s(rounds) / allowed_per_s(PLACES[name], spent_us):.0%}",
                   *(report.number(spent_us[group]) for group in GROUPS)]


PLACE_HEAD = ("workload", "where", "/s", "range over rounds", "of what processor time allows", "load generator µs", "service µs", "PostgreSQL µs", "Redis µs")


def speed_up(work):
    """(median, min, max) of two cores to one, round by round."""
    each = [two["throughput_per_s"] / max(one["throughput_per_s"], 1) for one, two in zip(work["places"][ONE], work["places"][TWO])]
    return statistics.median(each), min(each), max(each)


def predict(spent_us, cores, one_at_a_time, uneven=1):
    """Requests a second that so many cores serve, with the load elsewhere, until the fullest worker is full. Batches for an event with a capacity hold its counter
    from their first statement on: PostgreSQL does them one after the other, and so on one core."""
    serving_us = sum(spent_us[group] for group in GROUPS if group != "load")
    most = cores * 1e6 / serving_us / uneven
    return min(most, 1e6 / spent_us["postgres"]) if one_at_a_time else most


def predicted_rows(results):
    """From the fullest worker being full, and the others waiting for work, to all cores being full."""
    fullest_of = {int(number): statistics.median(found) for number, found in results.get("listeners", {}).items()}
    limited = {work.name for work in WORKS if work.capacity}
    for name, work in results["works"].items():
        spent_us = {group: median_us(work["places"][TWO], group) for group in GROUPS}
        speed, slowest, fastest = speed_up(work)
        rates = [[predict(spent_us, cores, name in limited, uneven) for uneven in (fullest_of.get(cores, 1), 1)]
                 for cores in PREDICTED]
        yield [work["title"], f"{sum(spent_us.values()) - spent_us['load']:.3g}", f"{speed:.2f} ({slowest:.2f} to {fastest:.2f})",
               *(f"{report.number(least)} to {report.number(most)}" for least, most in rates)]


PREDICTED_HEAD = ("workload", "µs without the load", "two cores to one, measured", *(f"/s with {cores} cores" for cores in PREDICTED))


def wait_rows(results):
    for work in results["works"].values():
        inside = work["inside"]
        total = sum(inside["waits"].values())
        most = sorted(inside["waits"].items(), key=lambda item: -item[1])[:5]
        yield [work["title"], report.number(inside["batches_per_s"]), report.number(inside["operations_per_batch"]),
               ", ".join(f"{name} {count / total:.0%}" for name, count in most)]


WAIT_HEAD = ("workload", "batches /s", "operations a batch", "what busy sessions do, of all samples")


def listener_rows(results):
    for listeners, found in results.get("listeners", {}).items():
        yield [str(listeners), f"{statistics.median(found):.2f}", f"{found[0]:.2f} to {found[-1]:.2f}"]


LISTENER_HEAD = ("workers", "connections of the fullest, times its share", "range over trials")


def tables(results):
    rounds = results["plan"]["rounds"]
    return (
        ("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
        (f"Each part on its core (medians of {rounds} rounds)", PLACE_HEAD, list(place_rows(results))),
        ("Predicted from processor time, with the load elsewhere", PREDICTED_HEAD, list(predicted_rows(results))),
        ("What sessions wait for", WAIT_HEAD, list(wait_rows(results))),
        (f"{CONNECTIONS} connections over workers ({TRIALS} trials)", LISTENER_HEAD, list(listener_rows(results))),
    )


def faults(results):
    return sorted({f"{work['title']}: {fault}" for work in results["works"].values()
                   for rounds in (*work["places"].values(), [work["inside"]]) for result in rounds for fault in result["faults"]})


def save(results, directory):
    return report.save(results, f"{directory}/cores", tables(results), faults(results))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--population", required=True)
    options = environment.parse_options(parser, WORKS)
    bench = Bench(options)
    if len(bench.cores) < 2:
        sys.exit("bench: --cores needs two cores")
    results = {"machine": machine.describe(bench), "quick": options.quick, "plan": asdict(bench.plan), "works": {},
               "listeners": {str(number): fullest(number) for number in LISTENERS}}
    for database in bench.databases:
        database.fill(population.ORDER_OF_IMPORT)
    bench.whole_pages("off")
    for work in WORKS:
        if work.name in options.only:
            results["works"][work.name] = run_work(bench, work)
            text = save(results, options.out)
    print(text)
    say(f"cores.txt, cores.md and cores.json are in {options.out}")
    return 1 if faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
