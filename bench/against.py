"""Measures rsvpd beside an earlier rsvpd, in turn, each on a database of its own. Started by scripts/bench --against, which has
built both, and has PostgreSQL and Redis up."""
import argparse
import dataclasses
import json
import statistics
import sys

import contestants
import environment
import machine
import main as bench_main
import report
import works
from environment import say

WORKS = (*works.WORKS, works.LISTS)
ENOUGH = 0.98  # of the earlier one's throughput: less than this is slower, and no noise of many rounds
ROUNDS = {False: 12, True: 2}  # by whether the run is a quick one


class Earlier(contestants.Rsvpd):
    name = "earlier"

    @property
    def program(self):
        return self.bench.earlier

    @property
    def source(self):
        return self.bench.earlier_source


class Bench(bench_main.Bench):
    def __init__(self, options):
        super().__init__(options)
        self.earlier, self.earlier_source = options.earlier, options.earlier_source
        self.migrator = (self.earlier, self.earlier_source)  # of what both get a copy of
        self.scale = dataclasses.replace(self.scale, rounds=ROUNDS[options.quick], measure_s=min(self.scale.measure_s, 4))


class Measurement(bench_main.Measurement):
    def prepare_database(self, runner):
        """Each has its own schema: an earlier one does not serve on one that it does not know."""
        self.copy_fixture(runner)
        self.bench.postgres.migrate(runner.database, runner.program, runner.source)

    def rounds(self):
        """The results of all rounds. Who begins changes from round to round, for the machine may warm up or tire."""
        results = {runner.name: [] for runner in self.runners}
        for number in range(self.bench.scale.rounds):
            for runner in self.runners if number % 2 == 0 else reversed(self.runners):
                results[runner.name].append(
                    self.measure(runner, bench_main.CLIENTS, self.bench.scale.measure_s, self.bench.scale.warmup_s))
        return results


def run_work(bench, work):
    say(f"{work.name}: {work.title}")
    work = dataclasses.replace(work, contestants=(contestants.Rsvpd, Earlier))
    with Measurement(bench, work) as measurement:
        results = measurement.rounds()
    return {"title": work.title, "rounds": results, "ratios": bench_main.ratios(results, {Earlier.name: ENOUGH})[Earlier.name]}


def processor_time(results, name):
    """Microseconds a request of the service and of PostgreSQL: the median of the rounds."""
    each = [result["cpu_us_per_request"] for result in results[name]]
    return [report.number(statistics.median(spent[group] for spent in each)) for group in ("service", "postgres")]


HEAD = ("workload", "now /s", "earlier /s", "ratio", "range over rounds", "reached", "service µs now", "PostgreSQL µs",
        "service µs earlier", "PostgreSQL µs")


def rows(results):
    for work in results["works"].values():
        ratio, each = work["ratios"], work["rounds"]
        yield [work["title"], *(report.number(bench_main.median_throughput(each[name])) for name in ("rsvpd", Earlier.name)),
               f"{ratio['median']:.3f}", f"{ratio['min']:.2f} to {ratio['max']:.2f}", report.yes(ratio["median"] >= ENOUGH),
               *processor_time(each, "rsvpd"), *processor_time(each, Earlier.name)]


def faults(results):
    return [f"{work['title']}: {name}: {fault}" for work in results["works"].values()
            for name, each in work["rounds"].items() for fault in bench_main.faults_of(*each)]


def tables(results):
    count = results["scale"]["rounds"]
    return (("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
            (f"Now and earlier (medians of {count} rounds in turn; the ratio is taken in each round; {ENOUGH} is to be reached)",
             HEAD, list(rows(results))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--openloop", required=True)
    parser.add_argument("--earlier", required=True)
    parser.add_argument("--earlier-source", required=True)
    options = environment.parse_options(parser, WORKS)
    bench = Bench(options)
    results = {"machine": machine.describe(bench), "quick": options.quick, "scale": vars(bench.scale), "works": {}}
    for work in WORKS:
        if work.name in options.only:
            results["works"][work.name] = run_work(bench, work)
            text = report.save(results, f"{options.out}/against", tables(results), faults(results))
    print(text)
    say(f"against.txt, against.md and against.json are in {options.out}")
    return 1 if faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
