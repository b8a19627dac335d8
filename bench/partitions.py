"""Measures whether hash partitions of rsvps by event pay: the same works and the same upkeep on tables of several layouts and
sizes, in turn. Started by scripts/bench --partitions; docs/results/scaling.md has the results."""
import argparse
import statistics
import sys
from dataclasses import asdict, dataclass

import environment
import machine
import partition_stores
import population
import report
import scale
import scale_works
import streams
from environment import say
from scale_works import Work


@dataclass(frozen=True)
class Plan:
    """As in scale.py."""

    rows: tuple
    counts: tuple  # of partitions; the first is what the others are compared with
    rounds: int
    upkeeps: int  # rounds of checkpoint and VACUUM
    warmup_s: int
    measure_s: int
    requests: int
    writes: int


FULL = Plan(rows=(1_000_000, 10_000_000), counts=(0, 1, 16, 64), rounds=3, upkeeps=3, warmup_s=1, measure_s=4,
            requests=1_000_000, writes=200_000)
QUICK = Plan(rows=(100_000,), counts=(0, 16), rounds=2, upkeeps=1, warmup_s=1, measure_s=1, requests=200_000, writes=100_000)


def user_list(people, sizes):
    """The first page of what random members are in."""
    return scale_works.Requests([streams.events_of(user)
                                 for _, user in people.sample(scale_works.SEED, min(people.rows, sizes.writes))])


WORKS = (
    *(work for work in scale_works.WORKS if work.name in ("rsvp_spread", "has_rsvped")),
    Work("user_list", "a user's list, random members", user_list, new_users=False),
)
UPKEEP = {"log_bytes": "log, bytes a changed row", "checkpoint_s": "CHECKPOINT, s", "checkpoint_mib": "it wrote, MiB",
          "vacuum_s": "VACUUM, s"}


class Bench(environment.Environment):
    def __init__(self, options):
        super().__init__(options)
        self.plan = Plan(**asdict(QUICK if options.quick else FULL) | {
            name: value for name in ("rows", "counts") if (value := getattr(options, name)) is not None})
        self.program = options.population
        self.databases = []  # the layouts of the size that is measured

    def fill(self, rows):
        people = population.Population(self.program, rows)
        self.databases = [partition_stores.Layout(self, people, count) for count in self.plan.counts]
        for layout in self.databases:
            layout.fill(population.ORDER_OF_IMPORT)

    def drop(self):
        for layout in self.databases:
            self.postgres.drop(layout.name)


def measure_works(bench, works, results, keep):
    """Puts {work: {count: results of all rounds}} there, the layouts taking turns, and keeps what there is after each round."""
    layouts = bench.databases
    cases = [scale.Case(bench, layouts[0], work) for work in works]
    results.update({work.name: {str(layout.count): [] for layout in layouts} for work in works})
    bench.whole_pages("off")
    for _ in range(bench.plan.rounds):
        for layout in layouts:
            layout.warm()
            for case in cases:
                case.database = layout
                results[case.work.name][str(layout.count)].append(case.measure())
        keep()
    bench.whole_pages("on")
    for case in cases:
        case.close()


def measure_upkeep(bench, results, keep):
    results.update({str(layout.count): [] for layout in bench.databases})
    for _ in range(bench.plan.upkeeps):
        for layout in bench.databases:
            done = layout.upkeep()
            say(f"{layout.title}: {', '.join(f'{UPKEEP[name]} {done[name]:.4g}' for name in UPKEEP)}")
            results[str(layout.count)].append(done)
        keep()


# ---- tables ----

def size_of(rows, count):
    return [f"{int(rows):,}", partition_stores.name_of(int(count))]


def storage_rows(results):
    for rows, size in results["sizes"].items():
        for count, storage in size["storage"].items():
            yield [*size_of(rows, count), *(report.number(storage[name] / 2 ** 20) for name in ("table", "indexes")),
                   report.number(storage["bytes_per_row"]), str(storage["key_levels"]), str(storage["user_levels"])]


STORAGE_HEAD = ("rows", "rsvps is", "table MiB", "indexes MiB", "bytes per RSVP in all", "levels of the key's index",
                "of the index by user")


def compare(base, other):
    """(median, min, max) of the ratios, round by round."""
    each = [one["throughput_per_s"] / max(first["throughput_per_s"], 1) for first, one in zip(base, other)]
    return statistics.median(each), min(each), max(each)


def work_rows(results):
    for rows, size in results["sizes"].items():
        for work in WORKS:
            counts = size.get("works", {}).get(work.name, {})
            for count, rounds in ((count, rounds) for count, rounds in counts.items() if rounds):
                median, least, most = compare(next(iter(counts.values())), rounds)
                costs = (report.number(statistics.median(result["cpu_us_per_request"][group] for result in rounds))
                         for group in ("service", "postgres"))
                yield [work.title, *size_of(rows, count),
                       report.number(statistics.median(result["throughput_per_s"] for result in rounds)),
                       f"{median:.2f}", f"{least:.2f} to {most:.2f}", *costs]


WORK_HEAD = ("workload", "rows", "rsvps is", "/s", "ratio to the first", "range over rounds", "service µs", "PostgreSQL µs")


def upkeep_rows(results):
    for rows, size in results["sizes"].items():
        for count, rounds in ((count, rounds) for count, rounds in size.get("upkeep", {}).items() if rounds):
            cells = []
            for name in UPKEEP:
                values = [done[name] for done in rounds]
                cells.append(f"{report.number(statistics.median(values))} ({report.number(min(values))} to "
                             f"{report.number(max(values))})")
            yield [*size_of(rows, count), f"{rounds[0]['changed']:,}", *cells]


UPKEEP_HEAD = ("rows", "rsvps is", "rows changed", *UPKEEP.values())


def faults(results):
    return [f"{name}, {int(rows):,} rows, {partition_stores.name_of(int(count))}: {fault}"
            for rows, size in results["sizes"].items() for name, counts in size.get("works", {}).items()
            for count, rounds in counts.items() for fault in sorted({fault for result in rounds for fault in result["faults"]})
            ] + [fault for size in results["sizes"].values() for fault in size.get("faults", [])]


def tables(results):
    plan = results["plan"]
    return (
        ("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
        ("Storage", STORAGE_HEAD, list(storage_rows(results))),
        (f"Works (medians of {plan['rounds']} rounds; the ratio is taken in each round)", WORK_HEAD, list(work_rows(results))),
        (f"Upkeep (medians of {plan['upkeeps']} rounds, and ranges)", UPKEEP_HEAD, list(upkeep_rows(results))),
    )


def save(results, directory):
    return report.save(results, f"{directory}/partitions", tables(results), faults(results))


def run(bench, options):
    """Writes the results after every part, so that a run which is stopped leaves what it has."""
    results = {"machine": machine.describe(bench), "quick": options.quick, "plan": asdict(bench.plan), "sizes": {}}
    works = [work for work in WORKS if work.name in options.only]
    for rows in bench.plan.rows:
        bench.fill(rows)
        size = results["sizes"][str(rows)] = {
            "storage": {str(layout.count): layout.storage for layout in bench.databases}}
        save(results, options.out)
        measure_works(bench, works, size.setdefault("works", {}), lambda: save(results, options.out))
        measure_upkeep(bench, size.setdefault("upkeep", {}), lambda: save(results, options.out))
        size["faults"] = [f"{layout.title}: {fault}" for layout in bench.databases for fault in layout.verify()]
        save(results, options.out)
        bench.drop()
    return results


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=scale.parse_rows)
    parser.add_argument("--counts", type=environment.parse_numbers)
    parser.add_argument("--population", required=True)
    return environment.parse_options(parser, WORKS)


def main():
    options = parse_options()
    results = run(Bench(options), options)
    print(save(results, options.out))
    say(f"partitions.txt, partitions.md and partitions.json are in {options.out}")
    return 1 if faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
