"""A database whose table rsvps is one or is hash partitions by event: filled, brought into memory, and looked after."""
import os
import time

import scale_stores
import stores
from environment import say

FILL = 70  # per cent of an index page: what insertions in random order leave on average
CHURN_MAX, CHURN_SHARE = 100_000, 0.01  # rows that go and come back before a checkpoint and a VACUUM
CHURN_KEY = 6  # of the sample of them
TABLES = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relname ~ '^rsvps(_p[0-9]+)?$'"
WARM = ("SELECT count(pg_prewarm(oid::regclass)) FROM pg_class WHERE relkind IN ('r', 'i') "
        "AND relnamespace = 'public'::regnamespace")
LEVELS = ("SELECT max(level) + 1 FROM pg_index AS i, bt_metap(i.indexrelid::regclass::text) "
          f"WHERE i.indrelid IN ({TABLES}) AND i.indisprimary = {{primary}}")


def name_of(count):
    return {0: "one table", 1: "1 partition"}.get(count, f"{count} partitions")


def statements(count):
    """That put an empty table in the place of rsvps, and those that make its indexes; 0 partitions: a plain table."""
    by = " PARTITION BY HASH (event_id)" if count else ""
    return (["ALTER TABLE rsvps RENAME TO original", f"CREATE TABLE rsvps (LIKE original INCLUDING DEFAULTS){by}",
             "DROP TABLE original",
             *(f"CREATE TABLE rsvps_p{part} PARTITION OF rsvps FOR VALUES WITH (MODULUS {count}, REMAINDER {part})"
               for part in range(count))],
            [f"ALTER TABLE rsvps ADD PRIMARY KEY (event_id, user_id) WITH (fillfactor = {FILL})",
             f"CREATE INDEX rsvps_by_user ON rsvps (user_id, event_id) WITH (fillfactor = {FILL})"])


class Layout(scale_stores.Database):
    def __init__(self, bench, people, count):
        super().__init__(bench, people)
        self.count = count
        self.name, self.title = f"{self.name}_{count}", f"{self.rows:,} rows, {name_of(count)}"

    def fill(self, key):
        """In one transaction, so that rows and indexes go to their files and not to the log."""
        say(f"filling {self.title}")
        began = time.monotonic()
        self.postgres.create(self.name)
        self.postgres.migrate(self.name, self.bench.rsvpd)
        table, indexes = statements(self.count)
        with self.people.lines(key, self.rows) as lines:
            self.postgres.sql(self.name, f"SET ROLE {stores.OWNER}", "SET maintenance_work_mem = '1GB'", "BEGIN", *table,
                              "COPY rsvps (event_id, user_id) FROM STDIN WITH (FORMAT csv, HEADER)", *indexes, stores.COUNTERS,
                              "COMMIT", stdin=lines)
        self.postgres.grant(self.name)
        self.sql("CREATE EXTENSION pageinspect", "CREATE EXTENSION pg_prewarm")
        self.vacuum("ANALYZE")
        self.postgres.settle(self.name)
        self.storage = self.measure_storage()
        say(f"{time.monotonic() - began:.0f} s, {self.storage['bytes_per_row']:.0f} bytes a row")

    def measure_storage(self):
        table, indexes, counters = map(int, self.sql(
            "SELECT (SELECT sum(pg_table_size(oid)) || ' ' || sum(pg_indexes_size(oid)) "
            f"FROM ({TABLES}) AS t) || ' ' || pg_total_relation_size('rsvp_counters')").split())
        return {"table": table, "indexes": indexes, "bytes_per_row": (table + indexes + counters) / self.rows,
                "key_levels": int(self.sql(LEVELS.format(primary="true"))),
                "user_levels": int(self.sql(LEVELS.format(primary="false")))}

    def warm(self):
        """Into PostgreSQL's memory, where other layouts were meanwhile: what came first may have gone when the last came."""
        self.sql(WARM, WARM)

    def written(self):
        """(bytes of the log, buffers that checkpoints have written)"""
        return tuple(map(int, self.sql("SELECT pg_current_wal_insert_lsn() - '0/0' || ' ' || buffers_checkpoint "
                                       "FROM pg_stat_bgwriter").split()))

    def churn(self):
        """Rows go and come back, after a checkpoint; answers how many."""
        count = min(CHURN_MAX, int(self.rows * CHURN_SHARE))
        path = f"{self.bench.memory_directory}/churn"
        scale_stores.write_pairs(path, self.people.sample(CHURN_KEY, count))
        self.remove(path)
        self.import_from(path)
        os.unlink(path)
        return count

    def upkeep(self):
        """What a checkpoint writes and a VACUUM takes after the same changes."""
        self.warm()
        self.vacuum()
        self.postgres.settle(self.name)
        log, _ = self.written()
        changed = self.churn()
        logged, buffers = self.written()
        checkpoint_s = self.timed("CHECKPOINT")
        _, now = self.written()
        return {"changed": changed, "log_bytes": (logged - log) / changed, "checkpoint_s": checkpoint_s,
                "checkpoint_mib": (now - buffers) * 8192 / 2 ** 20, "vacuum_s": self.timed("VACUUM rsvps")}

    def timed(self, statement):
        began = time.monotonic()
        self.sql(statement)
        return time.monotonic() - began
