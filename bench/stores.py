"""PostgreSQL as the benchmark needs it: databases for the contestants, the rows that a work starts from, and the
check that what was acknowledged is there."""
import os
import subprocess
import time

OWNER = "rsvpd"  # of all databases; the contestants but for rsvpd are this role
SERVICE = "service"  # the role that rsvpd serves as, with no more rights than it needs
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EVENTS = 1000  # of the works that spread over a few events
HOT_EVENT = "hot"
HOT_CAPACITY = 1_000_000_000
COUNT_MEMBERS = 100  # of each event whose count is asked for

# Statements that fill an empty schema. Rows come in the order of the primary key, which makes its index quick to build.
COUNTERS = "INSERT INTO rsvp_counters (event_id, count, version) SELECT event_id, count(*), 1 FROM rsvps GROUP BY event_id"
MEMBERS = ("INSERT INTO rsvps (event_id, user_id) SELECT e::text, u::text FROM generate_series(0, {events} - 1) AS e, "
           "generate_series(e::bigint * {members}, e::bigint * {members} + {members} - 1) AS u")
CANCELLED = ("INSERT INTO rsvps (event_id, user_id) SELECT (i % {events})::text, ({run}::bigint * {users_per_run} + i)::text "
             "FROM generate_series(0, {rows} - 1) AS i")


class Postgres:
    """The server that scripts/bench has started; everything here is done as its superuser."""

    def __init__(self, programs, socket_directory):
        self.programs, self.socket_directory = programs, socket_directory

    def sql(self, database, *statements, stdin=subprocess.DEVNULL):
        """Each statement in a transaction of its own; answers what they printed. COPY FROM STDIN reads `stdin`."""
        command = [f"{self.programs}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.socket_directory,
                   "-U", "postgres", "-d", database]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE, text=True).stdout.strip()

    def url(self, database, role=OWNER):
        return f"postgresql:///{database}?host={self.socket_directory}&port=5432&user={role}"

    def create(self, database, template="template0"):
        self.sql("postgres", f"CREATE DATABASE {database} OWNER {OWNER} TEMPLATE {template}")

    def drop(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def migrate(self, database, rsvpd, source=SOURCE):
        """By an rsvpd that was built of this source."""
        environment = os.environ | {"DATABASE_URL": self.url(database)}
        subprocess.run([rsvpd, "migrate"], check=True, env=environment, stdout=subprocess.DEVNULL)
        self.grant(database, source)

    def grant(self, database, source=SOURCE):
        """The service's rights on the tables that are there."""
        subprocess.run([f"{self.programs}/psql", "-X", "-h", self.socket_directory, "-U", "postgres", "-d", database,
                        "-v", f"role={SERVICE}", "-f", f"{source}/sql/roles/service_role.sql"],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def fill(self, database, events, members):
        """The users e*members .. e*members+members-1 are members of event e."""
        self.sql(database, MEMBERS.format(events=events, members=members), COUNTERS, "VACUUM (ANALYZE)", "CHECKPOINT")

    def empty(self, database):
        self.sql(database, "TRUNCATE rsvps, rsvp_counters, events, waitlist")

    def admit(self, database, event, capacity):
        """The row that a transaction with SELECT ... FOR UPDATE takes its capacity from."""
        self.sql(database, f"INSERT INTO events (event_id, capacity, waitlist) VALUES ('{event}', {capacity}, false)",
                 f"INSERT INTO rsvp_counters (event_id, count, version, managed) VALUES ('{event}', 0, 0, true)")

    def fill_to_cancel(self, database, run, rows, users_per_run):
        self.sql(database, CANCELLED.format(events=EVENTS, run=run, users_per_run=users_per_run, rows=rows), COUNTERS,
                 "ANALYZE")

    def settle(self, database):
        """Leaves no dirty pages."""
        self.sql(database, "CHECKPOINT")

    def last_checkpoint(self):
        """Where in the write-ahead log it began."""
        return self.sql("postgres", "SELECT redo_lsn FROM pg_control_checkpoint()")

    def rows_and_counts(self, database):
        """(rows, sum of all counters), once nothing changes them any more: the load generator leaves with requests
        under way, which the service still does."""
        query = ("SELECT (SELECT count(*) FROM rsvps) || ' ' || (SELECT coalesce(sum(count), 0) FROM rsvp_counters)")
        before = None
        for _ in range(100):
            now = self.sql(database, query)
            if now == before:
                break
            before = now
            time.sleep(0.1)
        return tuple(map(int, now.split()))

    def settings(self):
        names = ("server_version", "fsync", "full_page_writes", "synchronous_commit", "wal_sync_method", "shared_buffers",
                 "max_wal_size", "max_connections")
        return {name: self.sql("postgres", f"SHOW {name}") for name in names}
