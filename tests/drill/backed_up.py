"""The compose stack with one PostgreSQL that pgBackRest backs up, and whose log it archives; and what becomes of it when the
machine of that PostgreSQL is lost."""
import contextlib
import datetime
import json
import re
import shutil
import signal
import time
from pathlib import Path

from compose import HOSTS, ComposeStack
from servers import ENVIRONMENT, free_ports, until

ARCHIVE_TIMEOUT_S = 60  # the most that the archive alone loses, and the time that a push takes
STANZA = "rsvpd"
RECEIVER = "receiver"  # the name and the slot of pg_receivewal
LONG_S = 3600
STORED_EVENT_ROWS = 1000
FILL_ROWS = 1000000  # in one transaction
SEGMENT_BYTES = 16 << 20


class BackedUpStack(ComposeStack):
    def __init__(self, binary):
        super().__init__(binary)
        # Without a backup there is nothing to archive for: back_up_from_now_on() sets what archives.
        self.node_settings = ("-c", "archive_mode=on", "-c", "archive_command=/bin/true")
        self.receivers = 0  # how many there have been
        self.received = None  # where the last one writes

    def start_postgres(self):
        self.prepare_stores()
        self.start_node(self.primary)
        self.await_node(self.primary)
        self.admin("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")

    @property
    def cluster(self):
        return Path(self.directory, self.primary, "cluster")

    def sql(self, *statements, **options):
        """As the administrator, in the service's database."""
        return self.admin(*statements, database="rsvpd", limit_s=LONG_S, **options)

    def fill(self, rows):
        """With RSVPs of other events than the crowd's, and their counters."""
        event = f"'stored-' || lpad((i / {STORED_EVENT_ROWS})::text, 6, '0')"
        for first in range(0, rows, FILL_ROWS):
            numbers = f"generate_series({first}, {min(first + FILL_ROWS, rows) - 1}) AS i"
            self.sql("BEGIN",
                     f"INSERT INTO rsvps (event_id, user_id) SELECT {event}, 'u' || lpad(i::text, 9, '0') FROM {numbers}",
                     f"INSERT INTO rsvp_counters (event_id, count, version) SELECT {event}, count(*), 1 FROM {numbers} GROUP BY 1",
                     "COMMIT")
        self.sql("VACUUM ANALYZE rsvps, rsvp_counters")

    def repair(self, limit_s):
        """rsvpd verify --repair ends with status 1 where it mended something."""
        with contextlib.suppress(RuntimeError):
            self.run([self.image, "verify", "--repair"], env=self.owner_environment(), limit_s=limit_s)

    # ---- backups ----

    def pgbackrest(self, *arguments):
        return self.run(["pgbackrest", f"--config={self.directory}/pgbackrest.conf", f"--stanza={STANZA}", *arguments],
                        limit_s=LONG_S, **self.owner)

    def back_up_from_now_on(self):
        """docs/how-to/back-up-and-restore.md. Returns how long the full backup took."""
        directories = {name: self.owners(f"pgbackrest-{name}") for name in ("repository", "log", "lock", "spool")}
        Path(self.directory, "pgbackrest.conf").write_text(f"""[global]
repo1-path={directories["repository"]}
repo1-retention-full=2
compress-type=zst
process-max=2
start-fast=y
log-level-console=error
log-level-file=off
log-path={directories["log"]}
lock-path={directories["lock"]}
spool-path={directories["spool"]}

[{STANZA}]
pg1-path={self.cluster}
pg1-socket-path={self.directory}/{self.primary}
pg1-port={self.pg_port}
pg1-user=postgres
""")
        push = f"pgbackrest --config={self.directory}/pgbackrest.conf --stanza={STANZA} archive-push %p"
        self.node_settings = ("-c", "archive_mode=on", "-c", f"archive_command={push}",
                              "-c", f"archive_timeout={ARCHIVE_TIMEOUT_S}")
        self.stop(self.primary, signal.SIGINT)
        self.start_node(self.primary)
        self.await_node(self.primary)
        self.pgbackrest("stanza-create")
        return self.back_up("full")

    def back_up(self, kind):
        """Returns how long it took."""
        began = time.monotonic()
        self.pgbackrest("backup", f"--type={kind}")
        return time.monotonic() - began

    def backups(self):
        """What pgBackRest says of each, the oldest first."""
        [stanza] = json.loads(self.pgbackrest("info", "--output=json"))
        return stanza["backup"]

    def size_bytes(self):
        return int(self.sql("SELECT pg_database_size('rsvpd')"))

    def unarchived(self):
        """Of the log: how old the last segment that was archived is, and how many bytes the one that is written has."""
        age, size = self.admin(f"""SELECT extract(epoch FROM now() - coalesce(last_archived_time, now())),
            (pg_current_wal_lsn() - '0/0') % {SEGMENT_BYTES} FROM pg_stat_archiver""").split("|")
        return float(age), float(size)

    # ---- the receiver of the log ----

    def start_receiver(self):
        """Commits wait for it. Each one has a directory of its own: the log of a restored server begins anew."""
        self.receivers += 1
        self.received = self.owners(f"received-{self.receivers}")
        connect = ["--dbname", f"service=replication host={HOSTS[self.primary]} port={self.pg_port} application_name={RECEIVER}",
                   "--directory", str(self.received), f"--slot={RECEIVER}"]
        options = {"env": ENVIRONMENT | {"PGSERVICEFILE": f"{self.secrets}/pg_services"}, **self.owner}
        self.run([f"{self.programs}/pg_receivewal", *connect, "--create-slot", "--if-not-exists"], **options)
        self.spawn(RECEIVER, [f"{self.programs}/pg_receivewal", *connect, "--synchronous"], **options)

    def wait_for_receiver(self):
        """From now on commits do."""
        self.admin(f"ALTER SYSTEM SET synchronous_standby_names = '{RECEIVER}'", "SELECT pg_reload_conf()")
        self.await_standby()

    # ---- the relay ----

    def start_relay(self):
        """With a slot, as the owner of the tables."""
        [port] = free_ports(1)
        environment = self.owner_environment() | {"ADMIN_PORT": str(port), "ADMIN_BIND_ADDRESS": "127.0.0.1"}
        self.run([self.image, "relay", "--create"], env=environment)
        self.spawn("relay", [self.image, "relay"], env=environment)

    # ---- the loss, and the way back ----

    def lose_primary(self):
        """Its machine with its disk."""
        self.kill_primary()
        shutil.rmtree(self.cluster)
        if RECEIVER in self.children:
            self.stop(RECEIVER, signal.SIGTERM)

    def restore(self, *options):
        """To the end of the log that there is, or to what the options say. Returns how long it took."""
        began = time.monotonic()
        if self.received:
            get = f"pgbackrest --config={self.directory}/pgbackrest.conf --stanza={STANZA} archive-get %f %p"
            options = (*options, "--recovery-option=restore_command="
                       f"{get} || cp {self.received}/%f %p 2>/dev/null || cp {self.received}/%f.partial %p 2>/dev/null")
        self.pgbackrest("restore", *options)
        return time.monotonic() - began

    def await_recovery(self):
        """Until the restored server takes writes."""
        def has_recovered():
            if self.children[self.primary].poll() is not None:
                raise RuntimeError(f"{self.primary} ended\n{self.log(self.primary)[-3000:]}")
            with contextlib.suppress(RuntimeError):
                return self.admin("SELECT pg_is_in_recovery()") == "f"
            return False
        until("the end of the recovery", has_recovered, LONG_S)

    def restored_moment(self):
        """When the last transaction of what was restored committed, in Unix time."""
        moment = re.findall(r"last completed transaction was at log time (\S+ \S+)$", self.log(self.primary), re.MULTILINE)[-1]
        return datetime.datetime.fromisoformat(moment).timestamp()

    def ready(self):
        """Whether /readyz of each process is 200."""
        def is_ready(name):
            with contextlib.suppress(RuntimeError):
                self.run([self.image, "health", "--ready"], env=self.process_environment(name, self.addresses[name]))
                return True
            return False
        return [is_ready(name) for name in self.addresses]
