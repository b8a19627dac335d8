"""What it costs to ask who sends a request: rsvpd with AUTH_MODE=none beside rsvpd with tokens, in turn on one machine in one
run. Started by scripts/bench --auth.

Users come in turn, each with a token of its own. Who comes again is remembered; the works "first time" begin each round with
a service that has seen none, which its own counter of checks must confirm.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import contestants
import environment
import machine
import processes
import report
import streams
from environment import say

CLIENTS = 256
USERS = 10_000  # whose tokens a worker can remember
SECRET_TOKENS_MIN = 120_000  # of HS256: they are checked almost as fast as requests are answered
MEMBERS_EVENT = "e"  # of the look-ups
FLOOD_PER_S = 10_000
FLOOD_CLIENTS = 64
GOOD_PER_S = 5_000
CHECKED_SHARE_MIN = 0.95  # of requests in the works "first time": some connections end with a request under way


@dataclass(frozen=True)
class Scale:
    rounds: int
    measure_s: int
    warmup_s: int
    first_time: int  # tokens of each algorithm but HS256: more than a second can show
    passes: int  # of all users, over one hot event each


FULL = Scale(rounds=5, measure_s=4, warmup_s=3, first_time=60_000, passes=40)
QUICK = Scale(rounds=2, measure_s=1, warmup_s=3, first_time=30_000, passes=12)

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "HS256")
RATE_LIMIT = "600/60"  # is not reached: users come some 3 times a second. What they did is told through Redis all the same


@dataclass(frozen=True)
class Work:
    name: str
    title: str


WORKS = (
    Work("look_ups", "has_rsvped, 10,000 users in turn"),
    Work("first_time", "has_rsvped, every token seen for the first time"),
    Work("rsvp_hot", "RSVP, 10,000 users in turn, one event after the other"),
    Work("flood", "has_rsvped beside a flood of bad tokens"),
)


class Rsvpd(contestants.RsvpdOfRun):
    def check(self):
        """Whoever asks for tokens refuses a request without one; the answers themselves are checked by the other bench."""
        status, _, _ = processes.ask(self.port, "GET", f"/v1/events/{MEMBERS_EVENT}/users/0")
        expected = 401 if self.environment.get("AUTH_MODE") == "token" else 200
        if status != expected:
            raise RuntimeError(f"{self.name}: {status} without a token, not {expected}")

    def tokens_checked(self):
        _, _, text = processes.ask(self.admin_port, "GET", "/metrics")
        return int(re.search(r"^rsvpd_tokens_checked_total (\d+)", text, re.M)[1])


class Bench(environment.Environment):
    def __init__(self, options):
        super().__init__(options)
        self.scale = QUICK if options.quick else FULL
        self.openloop = options.openloop
        self.database = "auth"
        self.postgres.create(self.database)
        self.postgres.migrate(self.database, self.rsvpd)
        self.tokens = self.make_tokens(options.tokens)

    def make_tokens(self, program):
        counts = dict.fromkeys(ALGORITHMS, self.scale.first_time)
        counts["HS256"] = max(self.scale.first_time, SECRET_TOKENS_MIN)
        say(f"making {sum(counts.values()):,} tokens")
        subprocess.run([program, self.directory, *(f"{name}:{count}" for name, count in counts.items())], check=True)
        tokens = {}
        for name in ALGORITHMS:
            with open(f"{self.directory}/{name}.tokens", encoding="ascii") as file:
                tokens[name] = file.read().split()
        return tokens

    def open_to_all(self):
        return Rsvpd(self, "none")

    def with_keys(self, name="token", **environment):
        return Rsvpd(self, name, AUTH_MODE="token", AUTH_JWKS_FILE=f"{self.directory}/jwks.json",
                     AUTH_JWT_ALGORITHMS="RS256,PS256,ES256,EdDSA", **environment)

    def with_secret(self):
        return Rsvpd(self, "secret", AUTH_MODE="token", AUTH_JWT_SECRET_FILE=f"{self.directory}/secret")

    def write_stream(self, name, requests):
        path = f"{self.memory_directory}/{name}.stream"
        with open(path, "wb") as file:
            file.write(streams.pack(requests))
        return path

    def measure(self, service, seconds, stream, must_last=False):
        result = self.load(Load(service, must_last), CLIENTS, seconds, stream)
        faults = "".join(f" INVALID: {fault}" for fault in result["faults"])
        say(f"{service.name}: {result['throughput_per_s']:,.0f}/s{faults}")
        return result

    def run_openloop(self, service, clients, rate, seconds, stream):
        return [self.openloop, str(service.port), str(clients), f"{rate:.1f}", "1000", str(seconds * 1000), stream, "again"]


class Load:
    """A service as Environment.load() takes it."""

    def __init__(self, service, must_last):
        self.service, self.must_last, self.child = service, must_last, service.child

    def load(self, clients, seconds, stream):
        return contestants.run_wrk(self.service.port, clients, seconds, stream, self.must_last)


def compare(rounds, target):
    """The second against the first, round by round."""
    each = [other["throughput_per_s"] / max(base["throughput_per_s"], 1) for base, other in rounds]
    return {"median": statistics.median(each), "min": min(each), "max": max(each), "target": target,
            "base_per_s": statistics.median(base["throughput_per_s"] for base, _ in rounds),
            "other_per_s": statistics.median(other["throughput_per_s"] for _, other in rounds),
            "base_cpu_us": statistics.median(base["cpu_us_per_request"]["service"] for base, _ in rounds),
            "other_cpu_us": statistics.median(other["cpu_us_per_request"]["service"] for _, other in rounds),
            "faults": sorted({fault for pair in rounds for result in pair for fault in result["faults"]})}


def look_ups(bench):
    users = range(USERS)
    plain = bench.write_stream("plain", (streams.find(MEMBERS_EVENT, user) for user in users))
    shown = bench.write_stream("shown", (streams.find(MEMBERS_EVENT, user, streams.bearer(bench.tokens["RS256"][user]))
                                         for user in users))
    with bench.open_to_all() as base, bench.with_keys() as other:
        pairs = ((base, plain), (other, shown))
        for service, stream in pairs:
            bench.measure(service, bench.scale.warmup_s, stream)
        rounds = [[bench.measure(service, bench.scale.measure_s, stream) for service, stream in pairs]
                  for _ in range(bench.scale.rounds)]
    return {"has_rsvped, RS256, remembered": compare(rounds, 0.9)}


def first_time_of(bench, base, plain, algorithm):
    stream = bench.write_stream(algorithm, (streams.find(MEMBERS_EVENT, user, streams.bearer(token))
                                            for user, token in enumerate(bench.tokens[algorithm])))
    rounds = []
    for _ in range(bench.scale.rounds):
        pair = [bench.measure(base, 1, plain)]
        with bench.with_secret() if algorithm == "HS256" else bench.with_keys() as service:
            pair.append(bench.measure(service, 1, stream, must_last=True))
            checked = service.tokens_checked()
        if checked < CHECKED_SHARE_MIN * pair[1]["requests"]:
            pair[1]["faults"].append(f"{pair[1]['requests']} requests, but {checked} tokens checked")
        rounds.append(pair)
    os.unlink(stream)
    return compare(rounds, None)


def first_time(bench):
    plain = bench.write_stream("plain", (streams.find(MEMBERS_EVENT, user) for user in range(USERS)))
    results = {}
    with bench.open_to_all() as base:
        bench.measure(base, bench.scale.warmup_s, plain)
        for algorithm in ALGORITHMS:
            results[f"has_rsvped, {algorithm}, first time"] = first_time_of(bench, base, plain, algorithm)
    return results


def rsvp_hot(bench):
    def requests(fields):
        return (streams.post(f"hot{number}", user, fields(user)) for number in range(bench.scale.passes) for user in range(USERS))

    plain = bench.write_stream("plain_hot", requests(lambda _: ""))
    shown = bench.write_stream("shown_hot", requests(lambda user: streams.bearer(bench.tokens["RS256"][user])))
    looked = bench.write_stream("looked", (streams.find(MEMBERS_EVENT, user, streams.bearer(bench.tokens["RS256"][user]))
                                           for user in range(USERS)))
    results = {}
    limits = {"and limits of users": {"RATE_LIMIT_USER": RATE_LIMIT}, "alone": {}}
    for what, limit in limits.items():
        with bench.open_to_all() as base, bench.with_keys(**limit) as other:
            pairs = ((base, plain), (other, shown))
            rounds = []
            bench.measure(other, bench.scale.warmup_s, looked)  # so that every worker remembers every token
            for number in range(bench.scale.rounds + 1):
                pair = []
                for service, stream in pairs:
                    bench.postgres.empty(bench.database)
                    bench.forget_counts()
                    bench.postgres.settle(bench.database)
                    pair.append(bench.measure(service, bench.scale.measure_s, stream, must_last=True))
                if number > 0:
                    rounds.append(pair)  # the first one warms up
        results[f"RSVP, RS256 {what}"] = compare(rounds, 0.85 if limit else None)
    for stream in (plain, shown, looked):
        os.unlink(stream)
    return results


def spoilt(token):
    """The same with another signature."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{signature[:-9]}{'AAAAAAAA' if signature[-9:-1] != 'AAAAAAAA' else 'BBBBBBBB'}{signature[-1]}"


def p95_of_good(bench, service, good, bad):
    """Microseconds, on schedule; `bad`: a stream for the flood beside it, or None."""
    seconds = bench.scale.measure_s
    flood = None
    if bad:
        flood = subprocess.Popen(bench.run_openloop(service, FLOOD_CLIENTS, FLOOD_PER_S, seconds + 2, bad), text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=processes.end_with_parent)
        time.sleep(0.5)
    output, _ = processes.run_load(bench.run_openloop(service, FLOOD_CLIENTS, GOOD_PER_S, seconds, good), seconds + 60)
    result = json.loads(output)
    faults = [f"{result[kind]} {kind}" for kind in ("other_status", "failed", "unanswered") if result[kind]]
    if flood:
        refused = json.loads(flood.communicate(timeout=seconds + 60)[0])
        if refused["good"] or refused["failed"] or refused["unanswered"]:
            faults.append(f"the flood was not refused whole: {refused}")
    p95_us = result["latency_us"]["p95"]
    say(f"{service.name}: {'beside the flood' if bad else 'alone'}: p95 {p95_us} us {faults or ''}")
    return {"p95_us": p95_us, "faults": faults}


def flood(bench):
    tokens = bench.tokens["RS256"][:USERS]
    good = bench.write_stream("good", (streams.find(MEMBERS_EVENT, user, streams.bearer(token))
                                       for user, token in enumerate(tokens)))
    bad = bench.write_stream("bad", (streams.find(MEMBERS_EVENT, user, streams.bearer(spoilt(token)))
                                     for user, token in enumerate(tokens)))
    with bench.with_keys() as service:
        bench.measure(service, bench.scale.warmup_s, good)
        rounds = [[p95_of_good(bench, service, good, stream) for stream in (None, bad)] for _ in range(bench.scale.rounds)]
    each = [beside["p95_us"] / max(alone["p95_us"], 1) for alone, beside in rounds]
    return {"p95 of has_rsvped beside 10,000 bad tokens a second": {
        "median": statistics.median(each), "min": min(each), "max": max(each), "target_most": 2,
        "base_us": statistics.median(alone["p95_us"] for alone, _ in rounds),
        "other_us": statistics.median(beside["p95_us"] for _, beside in rounds),
        "faults": sorted({fault for pair in rounds for result in pair for fault in result["faults"]})}}


RUNS = {"look_ups": look_ups, "first_time": first_time, "rsvp_hot": rsvp_hot, "flood": flood}
assert list(RUNS) == [work.name for work in WORKS]

HEAD = ("workload", "AUTH_MODE=none", "with tokens", "ratio", "range over rounds", "target", "reached",
        "service µs without", "with")


def row_of(title, result):
    ratio = f"{result['median']:.2f}", f"{result['min']:.2f} to {result['max']:.2f}"
    if "target_most" in result:
        return [title, f"{result['base_us'] / 1000:.3g} ms", f"{result['other_us'] / 1000:.3g} ms", *ratio,
                f"at most {result['target_most']}", report.yes(result["median"] <= result["target_most"]), "", ""]
    target = result["target"]
    return [title, f"{report.number(result['base_per_s'])}/s", f"{report.number(result['other_per_s'])}/s", *ratio,
            "" if target is None else f"{target:g}", "" if target is None else report.yes(result["median"] >= target),
            report.number(result["base_cpu_us"]), report.number(result["other_cpu_us"])]


def rows(results):
    return [row_of(title, result) for work in results["works"].values() for title, result in work.items()]


def faults(results):
    return [f"{title}: {fault}" for work in results["works"].values() for title, result in work.items()
            for fault in result["faults"]]


def tables(results):
    return (("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
            (f"Tokens (medians of {results['rounds']} rounds; the ratio is taken in each round)", HEAD, rows(results)))


def save(results, directory):
    return report.save(results, f"{directory}/auth", tables(results), faults(results))


def main():
    parser = argparse.ArgumentParser()
    for name in ("openloop", "tokens"):
        parser.add_argument(f"--{name}", required=True)
    options = environment.parse_options(parser, WORKS)
    bench = Bench(options)
    results = {"machine": machine.describe(bench), "quick": options.quick, "rounds": bench.scale.rounds, "works": {}}
    for work in WORKS:
        if work.name in options.only:
            say(f"{work.name}: {work.title}")
            results["works"][work.name] = RUNS[work.name](bench)
            text = save(results, options.out)
    print(text)
    say(f"auth.txt, auth.md and auth.json are in {options.out}")
    return 1 if faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
