"""Measures rsvpd beside pgbench, nginx and a service on Fastify, on one machine and in one run. Started by scripts/bench,
which has PostgreSQL and Redis up; docs/explanation/performance.md explains the method.

One work after the other: start its contestants, each on a fresh database; find what number of connections suits each
best; rounds with the contestants in turn; latency of rsvpd under an open-loop load; throughput by the number of clients.
"""
import argparse
import json
import os
import statistics
import sys

import contestants
import environment
import machine
import plot
import processes
import report
import stores
import streams
import works
from environment import say, write

CLIENTS = 256
LATENCY_SHARE_OF_PEAK = 0.7


class Bench(environment.Environment):
    """What all works share."""

    def __init__(self, options):
        super().__init__(options)
        self.scale = works.QUICK if options.quick else works.FULL
        self.openloop = options.openloop
        self.migrator = (options.rsvpd, stores.SOURCE)
        self.sample_answer = None
        self.fixtures = set()  # the databases that are there to be copied
        self.last_run = streams.RUN_MIN

    def next_run(self):
        self.last_run += 1
        return self.last_run

    def fixture(self, name):
        """A database that is filled once; see works.fixture_size."""
        if name not in self.fixtures:
            say(f"making the database {name}")
            self.postgres.create(name)
            self.postgres.migrate(name, *self.migrator)
            events, members = works.fixture_size(name, self.scale)
            if events:
                self.postgres.fill(name, events, members)
            self.fixtures.add(name)
        return name


class Measurement:
    """One work under way: its streams, its contestants and their databases."""

    def __init__(self, bench, work):
        self.bench, self.work = bench, work
        self.stream = streams.pack(work.stream(bench.scale))
        self.path = f"{bench.memory_directory}/{work.name}.stream"
        self.runners = [contestant(bench, work) for contestant in work.contestants]
        self.run = bench.next_run()

    def __enter__(self):
        try:
            for runner in self.runners:
                self.start(runner)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for runner in self.runners:
            runner.stop()
            if runner.database and runner.database != self.work.fixture:
                self.bench.postgres.drop(runner.database)
        if os.path.exists(self.path):
            os.unlink(self.path)

    def copy_fixture(self, runner):
        runner.database = f"{self.work.name}_{runner.name}"
        self.bench.postgres.create(runner.database, self.bench.fixture(self.work.fixture))

    def prepare_database(self, runner):
        """One of its own, or where nobody writes, one for all."""
        if self.work.new_users:
            self.copy_fixture(runner)
        else:
            runner.database = self.bench.fixture(self.work.fixture)

    def start(self, runner):
        self.prepare_database(runner)
        self.bench.forget_counts()
        runner.start()
        if isinstance(runner, contestants.Rsvpd) and self.work.name == "rsvp_count":
            self.bench.sample_answer = processes.ask(runner.port, "GET", "/v1/events/100/rsvp_count")

    def write_stream(self, path):
        """Gives the users who must be new the number of a new run, where the tables do not begin empty."""
        if self.work.new_users and not self.work.starts_empty:
            self.run = self.bench.next_run()
        elif os.path.exists(path):
            return
        with open(path, "wb") as file:
            file.write(streams.for_run(self.stream, self.run))

    def reset(self, runner):
        """The state from which every measurement of the work begins."""
        postgres = self.bench.postgres
        if self.work.starts_empty:
            postgres.empty(runner.database)
        if self.work.name == "rsvp_capacity":
            if isinstance(runner, contestants.Rsvpd):
                runner.admit()
            else:
                postgres.admit(runner.database, stores.HOT_EVENT, stores.HOT_CAPACITY)
        if self.work.name == "cancel":
            postgres.fill_to_cancel(runner.database, self.run, self.bench.scale.cancel_requests, streams.USERS_PER_RUN)
        postgres.settle(runner.database)

    def warm_up(self, runner, seconds):
        self.write_stream(self.path)
        self.reset(runner)
        runner.load(self.clients_of(runner), seconds, self.path)
        self.contents(runner)

    def contents(self, runner):
        """What is in the tables of a work that writes, once what a load generator left under way is done."""
        return self.bench.postgres.rows_and_counts(runner.database) if self.work.new_users else None

    def begin(self, runner, warmup_s):
        """Warms up, resets, and answers what is in the tables then."""
        if warmup_s:
            self.warm_up(runner, warmup_s)
        self.write_stream(self.path)
        self.reset(runner)
        return self.contents(runner)

    def verify(self, runner, before, acknowledged):
        """The faults of what is in the tables after a run; none where nobody writes."""
        if before is None:
            return []
        rows, counts = self.contents(runner)
        faults = [] if rows == counts else [f"{rows} rows, but the counters say {counts}"]
        changed = abs(rows - before[0])
        # What was under way at the end was not counted by the load generator, and yet done.
        if self.work.starts_empty and not acknowledged <= changed <= acknowledged + CLIENTS:
            faults.append(f"{acknowledged} acknowledged, but {changed} rows changed")
        return faults

    def measure(self, runner, clients, seconds, warmup_s):
        before = self.begin(runner, warmup_s)
        result = self.bench.load(runner, clients, seconds, self.path)
        result["faults"] += self.verify(runner, before, result["requests"])
        self.tell(runner.name, f"{clients} clients", result)
        return result

    def tell(self, name, what, result):
        faults = "".join(f" INVALID: {fault}" for fault in result["faults"])
        say(f"{self.work.name}: {name}, {what}: {result['throughput_per_s']:,.0f}/s{faults}")

    def clients_of(self, runner):
        return runner.clients if runner.name == "pgbench" else CLIENTS

    def choose(self, runner, choice):
        runner.choose(choice)
        self.warm_up_after_start(runner)

    def warm_up_after_start(self, runner):
        if runner.compiles_itself:
            self.warm_up(runner, self.bench.scale.start_warmup_s)

    def try_choice(self, runner, choice):
        self.choose(runner, choice)
        return self.measure(runner, self.clients_of(runner), self.bench.scale.calibrate_s, 0)["throughput_per_s"]

    def calibrate(self):
        """Each that has connections to PostgreSQL to choose gets the number that suits it best."""
        for runner in self.runners:
            if not hasattr(runner, "choices") or not self.work.asks_postgres:
                self.warm_up_after_start(runner)
                continue
            choices = runner.choices(self.bench.scale.calibrate)
            tried = {choice: self.try_choice(runner, choice) for choice in choices} if len(choices) > 1 else {choices[0]: 0}
            self.choose(runner, max(tried, key=tried.get))
            runner.setup["tried"] = {str(choice): round(value) for choice, value in tried.items()}

    def rounds(self):
        """Per contestant the results of all rounds, the contestants taking turns."""
        scale = self.bench.scale
        results = {runner.name: [] for runner in self.runners}
        for number in range(scale.rounds):
            warmup_s = scale.warmup_s if number < scale.warm_rounds else 0
            for runner in self.runners:
                results[runner.name].append(self.measure(runner, self.clients_of(runner), scale.measure_s, warmup_s))
        return results

    def latencies(self, rate):
        """The results of all rounds of rsvpd, asked on schedule so many times a second."""
        return [self.latency(rate) for _ in range(self.bench.scale.latency_rounds)]

    def latency(self, rate):
        runner, scale = self.runners[0], self.bench.scale
        before = self.begin(runner, 0)
        command = [self.bench.openloop, str(runner.port), str(CLIENTS), f"{rate:.1f}", "1000", str(scale.latency_s * 1000),
                   self.path] + ([] if self.work.new_users else ["again"])
        output, _ = processes.run_load(command, scale.latency_s + 60)
        result = json.loads(output)
        faults = [f"{result[kind]} {kind}" for kind in ("other_status", "failed", "unanswered") if result[kind]]
        faults += self.verify(runner, before, result["good"] + result["warmup_good"])
        result |= {"faults": faults, "throughput_per_s": result["good"] / scale.latency_s}
        self.tell(runner.name, f"open loop at {rate:,.0f}/s", result)
        return result

    def curve(self):
        """Throughput and latency of everybody by the number of clients."""
        return {runner.name: [self.measure(runner, clients, self.bench.scale.curve_s, 0) for clients in self.bench.scale.curve]
                for runner in self.runners}


def ratios(results, targets):
    """rsvpd against each contestant, round by round."""
    mine = [result["throughput_per_s"] for result in results["rsvpd"]]
    table = {}
    for name, others in results.items():
        if name == "rsvpd":
            continue
        each = [one / max(other["throughput_per_s"], 1) for one, other in zip(mine, others)]
        table[name] = {"rounds": each, "median": statistics.median(each), "min": min(each), "max": max(each),
                       "target": targets.get(name)}
    return table


def median_throughput(results):
    return statistics.median(result["throughput_per_s"] for result in results)


def median_latency(results):
    """Of each quantile: a neighbour of the machine may stop it in any one round."""
    return {name: statistics.median(result["latency_us"][name] for result in results) for name in results[0]["latency_us"]}


def faults_of(*results):
    return sorted({fault for result in results for fault in result["faults"]})


def run_work(bench, work):
    say(f"{work.name}: {work.title}")
    with Measurement(bench, work) as measurement:
        measurement.calibrate()
        results = measurement.rounds()
        rate = LATENCY_SHARE_OF_PEAK * median_throughput(results["rsvpd"])
        latencies = measurement.latencies(rate)
        curve = measurement.curve()
        setups = {runner.name: runner.setup for runner in measurement.runners}
    return {
        "title": work.title,
        "contestants": {name: {"setup": setups[name], "median_per_s": median_throughput(rounds), "rounds": rounds,
                               "faults": faults_of(*rounds)} for name, rounds in results.items()},
        "ratios": ratios(results, work.targets),
        "latency": {"rate_per_s": rate, "rounds": latencies, "latency_us": median_latency(latencies),
                    "faults": faults_of(*latencies), "p95_target_ms": work.p95_target_ms},
        "curve": curve,
    }


def write_results(results, directory):
    """After every work, so that a run which is stopped leaves what it has."""
    text = report.save(results, f"{directory}/results", report.tables(results), report.faults(results))
    write(f"{directory}/throughput.svg", plot.throughput(results))
    write(f"{directory}/latency.svg", plot.latency(results))
    return text


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--openloop", required=True)
    return environment.parse_options(parser, works.WORKS)


def main():
    options = parse_options()
    bench = Bench(options)
    results = {"machine": machine.describe(bench) | machine.describe_peers(bench), "quick": options.quick, "scale": vars(bench.scale), "works": {}}
    for work in works.WORKS:
        if work.name in options.only:
            results["works"][work.name] = run_work(bench, work)
            text = write_results(results, options.out)
    print(text)
    say(f"results.txt, results.md, results.json, throughput.svg and latency.svg are in {options.out}")
    return 1 if report.faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
