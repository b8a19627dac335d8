"""A database of one size: filled by `rsvpd import`, measured, brought back to what it was after each run, and checked."""
import os
import re
import subprocess
import time

import processes
from environment import say
from stores import SOURCE

BYTES_PER_ROW = 250  # of disk, with all indexes and what autovacuum and updates leave free
LOG_BYTES_PER_ROW, LOG_BYTES_MAX = 2000, 40 * 10 ** 9  # of write-ahead log before a checkpoint
VACUUM_SHARE = 0.01  # of the rows have changed
# Of the rows, by chance, so that 95 in 100 pages of the table, and more of the indexes, have one: a page of the table has 150.
LOGGED_SHARE = 0.02
SAMPLE_LOGGED = 5  # a key

# The pairs of a file, where they are there, and their counters: what an import is the reverse of.
REMOVE = """WITH gone AS (
    DELETE FROM rsvps AS r USING listed AS l WHERE r.event_id = l.event_id AND r.user_id = l.user_id RETURNING r.event_id
), counted AS (
    UPDATE rsvp_counters AS c SET count = c.count - g.count, version = c.version + 1
    FROM (SELECT event_id, count(*) FROM gone GROUP BY event_id) AS g WHERE c.event_id = g.event_id
)
SELECT count(*) FROM gone"""
BUSY = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' "
        "AND state <> 'idle' AND pid <> pg_backend_pid()")


def disk_needed(sizes):
    """Bytes that databases of these numbers of rows take, with the log of filling them."""
    return sum(sizes) * BYTES_PER_ROW + min(max(sizes) * LOG_BYTES_PER_ROW, LOG_BYTES_MAX)


def write_pairs(path, pairs):
    with open(path, "w", encoding="ascii") as file:
        file.write("event_id,user_id\n")
        file.writelines(f"{event},{user}\n" for event, user in pairs)


def read_summary(output):
    """What `rsvpd import` says at its end."""
    found = re.search(r"(\d+) lines, (\d+) added, (\d+) already there, (\d+) bad, ([\d.]+) s, (\d+) lines/s", output)
    if not found:
        raise RuntimeError(f"rsvpd import said {output!r}")
    return {"lines": int(found[1]), "added": int(found[2]), "there": int(found[3]), "bad": int(found[4]),
            "seconds": float(found[5]), "lines_per_s": int(found[6])}


class Database:
    def __init__(self, bench, people):
        self.bench, self.people, self.rows = bench, people, people.rows
        self.postgres = bench.postgres
        self.name, self.title = f"rows_{self.rows}", f"{self.rows:,} rows"
        self.changed = 0  # rows since the last VACUUM
        self.imported = self.storage = None

    def environment(self):
        return os.environ | {"DATABASE_URL": self.postgres.url(self.name)}

    def sql(self, *statements):
        return self.postgres.sql(self.name, *statements)

    def fill(self, key):
        """The members in the order of that key, down a pipe. Progress goes to standard error."""
        say(f"importing {self.rows:,} rows into {self.name}")
        self.postgres.create(self.name)
        self.postgres.migrate(self.name, self.bench.rsvpd)
        with self.people.lines(key, self.rows) as lines:
            self.imported = self.import_from("-", stdin=lines)
        self.imported["faults"] = self.faults_of_import()
        self.vacuum("ANALYZE")
        self.postgres.settle(self.name)
        self.storage = self.measure_storage()
        say(f"{self.imported['lines_per_s']:,} rows/s, {self.storage['bytes_per_row']:.0f} bytes a row")

    def import_from(self, path, stdin=subprocess.DEVNULL):
        done = subprocess.run([self.bench.rsvpd, "import", "--relation", "rsvp", path], env=self.environment(), stdin=stdin,
                              stdout=subprocess.PIPE, text=True, check=True, preexec_fn=processes.end_with_parent)
        return read_summary(done.stdout)

    def faults_of_import(self):
        if (self.imported["added"], self.imported["bad"]) == (self.rows, 0):
            return []
        return [f"{self.imported['added']} of {self.rows} rows were added, {self.imported['bad']} lines bad"]

    def measure_storage(self):
        """Bytes of the tables, of their indexes, and of both per row."""
        table, indexes, counters = map(int, self.sql(
            "SELECT pg_table_size('rsvps') || ' ' || pg_indexes_size('rsvps') || ' ' || pg_total_relation_size('rsvp_counters')"
        ).split())
        return {"table": table, "indexes": indexes, "counters": counters,
                "bytes_per_row": (table + indexes + counters) / self.rows}

    def vacuum(self, *options):
        self.sql(f"VACUUM ({', '.join(options)}) rsvps, rsvp_counters" if options else "VACUUM rsvps, rsvp_counters")
        self.changed = 0

    def wait_until_idle(self):
        """The load generator leaves with requests under way, which the service still does, a few batches one after the
        other: twice in a row there must be none."""
        before = None
        for _ in range(100):
            now = self.sql(BUSY)
            if now == before == "0":
                return
            before = now
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} is still at work")

    def remove(self, path):
        """The pairs of the file; answers how many were there."""
        return int(self.sql('CREATE TEMPORARY TABLE listed (event_id text COLLATE "C", user_id text COLLATE "C")',
                            f"\\copy listed FROM '{path}' WITH (FORMAT csv, HEADER)", "ANALYZE listed",
                            "SET enable_hashjoin = off", "SET enable_mergejoin = off", REMOVE))

    def restore(self, added, cancelled):
        """Takes away what is in the one file and puts back what is in the other, if there is one; answers how many it was
        of each."""
        self.wait_until_idle()
        done = {"added": self.remove(added) if added else 0,
                "cancelled": self.import_from(cancelled)["added"] if cancelled else 0}
        self.changed += sum(done.values())
        if self.changed > VACUUM_SHARE * self.rows:
            self.vacuum()
        return done

    def log_pages(self):
        """Changes nearly every page, as the hours do to a server that is in use: a page goes whole into the write-ahead log
        when it is changed for the first time after a checkpoint. Afterwards the database is what it was."""
        say(f"changing a row in nearly every page of {self.name}")
        path = f"{self.bench.memory_directory}/logged.{self.rows}"
        write_pairs(path, self.people.sample(SAMPLE_LOGGED, int(self.rows * LOGGED_SHARE)))
        self.remove(path)
        self.import_from(path)
        os.unlink(path)
        self.vacuum()

    def verify(self):
        """The faults that `rsvpd verify` finds: counters that are not the number of rows."""
        done = subprocess.run([self.bench.rsvpd, "verify"], env=self.environment(), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        rows = int(self.sql("SELECT sum(count) FROM rsvp_counters"))
        faults = [] if done.returncode == 0 else [f"verify: {done.stdout[-300:].strip()}"]
        return faults + ([] if rows == self.rows else [f"{rows} rows at the end, not {self.rows}"])

    def examine_plans(self):
        """The faults that test_plans.c finds in the plans of all queries on this database."""
        environment = os.environ | {"RSVPD_PLANS_DATABASE": self.postgres.url(self.name), "RSVPD_SOURCE_DIR": SOURCE}
        done = subprocess.run([self.bench.plans], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        said = [line for line in done.stdout.splitlines() if line.startswith("/")]
        return [] if done.returncode == 0 else said or [done.stdout[-1000:].strip()]
