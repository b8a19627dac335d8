"""Measures what the number of rows does to rsvpd: the same works on databases of several sizes, in turn; and the memory that
connections and time take. Started by scripts/bench --scale; docs/explanation/performance.md explains the method.
"""
import argparse
import os
import shutil
import statistics
import sys
import time
from dataclasses import asdict, dataclass

import contestants
import environment
import machine
import memory
import population
import report
import scale_report
import scale_stores
import scale_works
import streams
from environment import say

CLIENTS = 256
RATIO_TARGET = 0.8  # of the throughput at the largest size to that at the smallest
KIB_PER_CONNECTION_TARGET = 20


@dataclass(frozen=True)
class Plan:
    """How much of everything: one for a full run, one for a quick one."""

    rows: tuple
    rounds: int
    warmup_s: int
    measure_s: int
    requests: int  # in a stream; see scale_works.Sizes
    writes: int
    minutes: float  # of the mix for memory over time
    segment_s: int  # as long as the mix's stream has new users, up to 100,000 requests a second
    memory_warmup_s: int
    sample_every_s: int
    connections: int


FULL = Plan(rows=(1_000_000, 10_000_000, 100_000_000), rounds=3, warmup_s=2, measure_s=6, requests=1_500_000,
            writes=400_000, minutes=10, segment_s=15, memory_warmup_s=60, sample_every_s=10, connections=10_000)
QUICK = Plan(rows=(100_000, 200_000, 300_000), rounds=2, warmup_s=1, measure_s=1, requests=200_000, writes=100_000,
             minutes=0.5, segment_s=2, memory_warmup_s=5, sample_every_s=1, connections=1000)


class Bench(environment.Environment):
    def __init__(self, options):
        super().__init__(options)
        self.plans = options.plans
        self.plan = Plan(**asdict(QUICK if options.quick else FULL) | {
            name: value for name in ("rows", "minutes") if (value := getattr(options, name)) is not None})
        self.databases = [scale_stores.Database(self, population.Population(options.population, rows))
                          for rows in self.plan.rows]

    def check_disk(self):
        free, needed = shutil.disk_usage(self.directory).free, scale_stores.disk_needed(self.plan.rows)
        if free < needed:
            sys.exit(f"bench: {self.directory} has {free / 1e9:.0f} GB free; {max(self.plan.rows):,} rows and the smaller "
                     f"databases need {needed / 1e9:.0f} GB: give another directory with --out, or fewer rows with --rows")

    def log_pages(self):
        """So that measurements are those of between two checkpoints, not of right after one."""
        self.checkpoint = self.postgres.last_checkpoint()
        for database in self.databases:
            database.log_pages()


class Service(contestants.Rsvpd):
    """rsvpd on one of the databases, started anew for each measurement, since Redis has room for the counts of one."""

    def __init__(self, bench, database, work, **settings):
        super().__init__(bench, work)
        self.database, self.settings = database.name, settings

    def __enter__(self):
        self.bench.forget_counts()
        self.start(**self.settings)
        if self.work.capacity:
            self.admit(population.LARGEST_EVENT)
        return self

    def __exit__(self, *_):
        self.stop()


class Case:
    """A work on one database: its stream and what undoes it, in files."""

    def __init__(self, bench, database, work):
        self.bench, self.database, self.work = bench, database, work
        base = f"{bench.memory_directory}/{work.name}.{database.rows}"
        sizes = scale_works.Sizes(bench.plan.requests, bench.plan.writes, bench.databases[0].people.events)
        made = work.requests(database.people, sizes)
        self.stream = f"{base}.stream"
        with open(self.stream, "wb") as file:
            file.write(streams.pack(made.records))
        self.added = self.write_pairs(f"{base}.added", made.added)
        self.cancelled = self.write_pairs(f"{base}.cancelled", made.cancelled)

    def close(self):
        for path in (self.stream, self.added, self.cancelled):
            if path:
                os.unlink(path)

    @staticmethod
    def write_pairs(path, pairs):
        if not pairs:
            return None
        scale_stores.write_pairs(path, pairs)
        return path

    def restore(self):
        return self.database.restore(self.added, self.cancelled)

    def run(self, service, seconds):
        """One load, after which the database is what it was."""
        result = self.bench.load(service, CLIENTS, seconds, self.stream)
        done = self.restore()
        if self.work.changes:
            changed = done[self.work.changes]
            # What was under way at the end was not counted by the load generator, and yet done.
            if not result["requests"] <= changed <= result["requests"] + CLIENTS:
                result["faults"].append(f"{result['requests']} acknowledged, but {changed} rows changed")
        return result

    def service(self):
        return Service(self.bench, self.database, self.work)

    def measure(self):
        plan = self.bench.plan
        with self.service() as service:
            self.run(service, plan.warmup_s)
            result = self.run(service, plan.measure_s)
            if self.work.capacity:
                service.release(population.LARGEST_EVENT)
        if self.bench.postgres.last_checkpoint() != self.bench.checkpoint:
            result["faults"].append("there was a checkpoint, after which whole pages went into the write-ahead log")
        faults = "".join(f" INVALID: {fault}" for fault in result["faults"])
        say(f"{self.work.name}: {self.database.title}: {result['throughput_per_s']:,.0f}/s{faults}")
        return result


def run_work(bench, work):
    """Per size the results of all rounds, the sizes taking turns; and the largest against the smallest."""
    say(f"{work.name}: {work.title}")
    cases = [Case(bench, database, work) for database in bench.databases]
    rounds = [[case.measure() for case in cases] for _ in range(bench.plan.rounds)]
    for case in cases:
        case.close()
    each = [results[-1]["throughput_per_s"] / max(results[0]["throughput_per_s"], 1) for results in rounds]
    return {
        "title": work.title,
        "sizes": {str(case.database.rows): list(results) for case, results in zip(cases, zip(*rounds))},
        "ratio": {"rounds": each, "median": statistics.median(each), "min": min(each), "max": max(each), "target": RATIO_TARGET},
    }


def measure_idle_connections(bench):
    count = bench.plan.connections
    say(f"{count:,} idle connections")
    look_up = next(work for work in scale_works.WORKS if work.name == "has_rsvped")
    # Room for those that ask meanwhile.
    with Service(bench, bench.databases[0], look_up, MAX_CONNECTIONS=str(count + 100)) as service:
        result = memory.of_idle_connections(service.child.pid, service.port, count, streams.find(0, 0).encode())
    say(f"{result['kib_per_connection']['rss']:.1f} KiB resident per connection")
    return result | {"target_kib": KIB_PER_CONNECTION_TARGET}


def measure_memory_over_time(bench):
    """The mix on the largest database, a segment after the other, on one service."""
    plan, database = bench.plan, bench.databases[-1]
    say(f"resident memory over {plan.minutes:g} minutes of the mix, {database.rows:,} rows")
    mix = next(work for work in scale_works.WORKS if work.name == "mix")
    case = Case(bench, database, mix)
    results, end = [], time.monotonic() + plan.minutes * 60
    with Service(bench, database, mix) as service, memory.Sampler(service.child.pid, plan.sample_every_s) as sampler:
        while time.monotonic() < end:
            results.append(case.run(service, plan.segment_s))
    case.close()
    grown = memory.growth(sampler.samples, plan.memory_warmup_s)
    grown["faults"] += sorted({fault for result in results for fault in result["faults"]})
    return grown | {"rows": database.rows, "minutes": plan.minutes, "requests": sum(result["requests"] for result in results)}


def describe_databases(bench):
    return {str(database.rows): {"import": database.imported, "storage": database.storage,
                                 "plans": {"faults": database.examine_plans()}} for database in bench.databases}


def run(bench, options):
    """Writes the results after every part, so that a run which is stopped leaves what it has."""
    bench.check_disk()
    results = {"machine": machine.describe(bench), "quick": options.quick, "plan": asdict(bench.plan), "works": {}}

    def save(**more):
        results.update(more)
        report.save(results, f"{options.out}/scale", scale_report.tables(results), scale_report.faults(results))

    for database in bench.databases:
        database.fill(population.ORDER_OF_IMPORT)
    save(databases=describe_databases(bench))
    save(idle=measure_idle_connections(bench))
    bench.log_pages()
    for work in scale_works.WORKS:
        if work.name in options.only:
            results["works"][work.name] = run_work(bench, work)
            save()
    save(memory=measure_memory_over_time(bench))
    for database in bench.databases:
        say(f"verifying {database.name}")
        results["databases"][str(database.rows)]["verify"] = {"faults": database.verify()}
    save()
    return results


def parse_rows(text):
    rows = environment.parse_numbers(text)
    wrong = [size for size in rows if size < population.ROWS_MIN or size % population.ROWS_PER_EVENT]
    if wrong or sorted(set(rows)) != list(rows):
        raise argparse.ArgumentTypeError(f"sizes grow, from {population.ROWS_MIN}, and are hundreds")
    return rows


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=parse_rows)
    parser.add_argument("--minutes", type=float)
    for name in ("population", "plans"):
        parser.add_argument(f"--{name}", required=True)
    return environment.parse_options(parser, scale_works.WORKS)


def main():
    options = parse_options()
    results = run(Bench(options), options)
    print(scale_report.as_text(results))
    say(f"scale.txt, scale.md and scale.json are in {options.out}")
    return 1 if scale_report.faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
