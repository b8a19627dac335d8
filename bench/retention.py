"""Measures two ways to be rid of old events: `rsvpd prune`, and dropping a partition of rsvps by age, which rsvpd itself refuses to
work on. Started by scripts/bench --retention; docs/results/scaling.md has the results."""
import argparse
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import environment
import machine
import partition_stores
import population
import processes
import report
import scale_stores
import stores
from environment import say

MONTHS = 12  # in each a twelfth of the events ends
MONTH = "timestamptz '2025-01-01 00:00:00+00' + (event_id::bigint % {months} + {more}) * interval '1 month'"
LAYOUTS = {"one": "one table", "by_age": f"{MONTHS} partitions by age"}


@dataclass(frozen=True)
class Plan:
    """As in scale.py."""

    rows: int
    rounds: int  # each a month


FULL = Plan(rows=1_200_000, rounds=5)
QUICK = Plan(rows=120_000, rounds=2)


class Aged(scale_stores.Database):
    """All RSVPs of an event are of its month, in which it ends: nothing is better for partitions by age."""

    def __init__(self, bench, people, name):
        super().__init__(bench, people)
        self.name, self.title = name, LAYOUTS[name]

    def statements(self):
        if self.name == "one":
            return partition_stores.statements(0)
        months = [f"'2025-01-01 00:00:00+00'::timestamptz + {month} * interval '1 month'" for month in range(MONTHS + 1)]
        table, indexes = partition_stores.statements(0)
        table[1] += " PARTITION BY RANGE (created_at)"
        table += [f"CREATE TABLE rsvps_p{month} PARTITION OF rsvps FOR VALUES FROM ({months[month]}) TO ({months[month + 1]})"
                  for month in range(MONTHS)]
        # A key of such a table has to hold what it is partitioned by.
        return table + ["CREATE TABLE rsvps_rest PARTITION OF rsvps DEFAULT"], [
            indexes[0].replace("user_id)", "user_id, created_at)"), indexes[1]]

    def fill(self, key):
        say(f"filling {self.title}")
        self.postgres.create(self.name)
        self.postgres.migrate(self.name, self.bench.rsvpd)
        table, indexes = self.statements()
        began = MONTH.format(months=MONTHS, more=0)
        with self.people.lines(key, self.rows) as lines:
            self.postgres.sql(
                self.name, f"SET ROLE {stores.OWNER}", *table, "CREATE TEMPORARY TABLE listed (event_id text, user_id text)",
                "COPY listed FROM STDIN WITH (FORMAT csv, HEADER)",
                f"INSERT INTO rsvps (event_id, user_id, created_at) SELECT event_id, user_id, {began} FROM listed",
                *indexes, stores.COUNTERS, "UPDATE rsvp_counters SET managed = true",
                f"INSERT INTO events (event_id, waitlist, closes_at) SELECT event_id, false, "
                f"{MONTH.format(months=MONTHS, more=1)} FROM rsvp_counters", stdin=lines)
        self.postgres.grant(self.name)
        self.vacuum("ANALYZE")
        self.postgres.settle(self.name)

    def be_rid_of(self, month):
        """Of what ended in that month; answers the costs of each step."""
        steps = {"one": [("prune", self.prune), ("VACUUM", self.vacuum)],
                 "by_age": [("drop the partition", self.drop_partition), ("the same events' counters", self.clear_counters)]}
        return {name: self.measured(step, month) for name, step in steps[self.name]}

    def measured(self, step, month):
        self.postgres.settle(self.name)
        pid = self.bench.server_pids["postgres"]
        log, used_s, began = self.log_bytes(), processes.processor_time_s(pid), time.monotonic()
        step(*(() if step == self.vacuum else (month,)))
        return {"seconds": time.monotonic() - began, "log_mib": (self.log_bytes() - log) / 2 ** 20,
                "postgres_s": processes.processor_time_s(pid) - used_s}

    def log_bytes(self):
        return int(self.sql("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def prune(self, month):
        before = f"{2025 + (month + 1) // MONTHS}-{(month + 1) % MONTHS + 1:02}-01T00:00:01Z"
        done = subprocess.run([self.bench.rsvpd, "prune", "--relation", "rsvp", "--closed-before", before], text=True, check=True,
                              env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              preexec_fn=processes.end_with_parent)
        self.bench.pruned.append(int(re.search(r"(\d+) rsvps,", done.stdout)[1]))

    def drop_partition(self, month):
        self.sql(f"DROP TABLE rsvps_p{month}")

    def clear_counters(self, month):
        """What a drop leaves behind: prune does this as well."""
        self.sql(f"""WITH gone AS (DELETE FROM events WHERE event_id::bigint % {MONTHS} = {month} RETURNING event_id)
            UPDATE rsvp_counters AS c SET count = 0, version = version + 1, managed = false FROM gone AS g
            WHERE c.event_id = g.event_id""")


class Bench(environment.Environment):
    def __init__(self, options):
        super().__init__(options)
        self.plan = QUICK if options.quick else FULL
        people = population.Population(options.population, self.plan.rows)
        self.databases = [Aged(self, people, name) for name in LAYOUTS]
        self.pruned = []  # rows, of each round


def measure_ends(bench):
    results = {name: [] for name in LAYOUTS}
    for month in range(bench.plan.rounds):
        for database in bench.databases:
            results[database.name].append(database.be_rid_of(month))
            say(f"{database.title}: {results[database.name][-1]}")
    return results


# ---- tables ----

def end_rows(results):
    rows = statistics.median(results["pruned"]) if results["pruned"] else 1
    for name, rounds in results.get("ends", {}).items():
        for step in rounds[0]:
            seconds = sorted(each[step]["seconds"] for each in rounds)
            log, used = (statistics.median(each[step][what] for each in rounds) for what in ("log_mib", "postgres_s"))
            yield [LAYOUTS[name], step, f"{statistics.median(seconds):.3g}", f"{seconds[0]:.3g} to {seconds[-1]:.3g}",
                   report.number(rows / statistics.median(seconds)), report.number(log * 2 ** 20 / rows),
                   report.number(used * 1e6 / rows)]


END_HEAD = ("rsvps is", "step", "s", "range over rounds", "rows /s", "log, bytes a row", "PostgreSQL µs a row")


def tables(results):
    plan, pruned = results["plan"], results["pruned"] or [0]
    return (
        ("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
        (f"A month of events goes, some {statistics.median(pruned):,.0f} of {plan['rows']:,} RSVPs (medians of {plan['rounds']} "
         "months)", END_HEAD, list(end_rows(results))),
    )


def faults(results):
    """A month has a twelfth of the events, and of the rows as good as that."""
    expected = results["plan"]["rows"] / MONTHS
    return [f"{rows} rows pruned, not some {expected:.0f}" for rows in results["pruned"] if not 0.8 < rows / expected < 1.2]


def save(results, directory):
    return report.save(results, f"{directory}/retention", tables(results), faults(results))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--population", required=True)
    options = environment.parse_options(parser, ())
    bench = Bench(options)
    results = {"machine": machine.describe(bench), "quick": options.quick, "plan": asdict(bench.plan), "pruned": bench.pruned}
    for database in bench.databases:
        database.fill(population.ORDER_OF_IMPORT)
    results["ends"] = measure_ends(bench)
    print(save(results, options.out))
    say(f"retention.txt, retention.md and retention.json are in {options.out}")
    return 1 if faults(results) else 0


if __name__ == "__main__":
    sys.exit(main())
