"""What docker/compose.yaml starts, on this machine: by the distribution's packages, with the compose file's own settings.

Each container is a process with an address of loopback of its own. What cannot be the same is named where it is set.
"""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "deploy"))
from balancer import Balanced  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from servers import ENVIRONMENT, START_S, free_ports, until  # noqa: E402

HOSTS = {"db-1": "127.0.1.1", "db-2": "127.0.1.2", "redis": "127.0.1.3"}
PROCESSES = ("rsvpd-1", "rsvpd-2")
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]


def expanded(value):
    """With the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


def token(secret, claims):
    """A JWT of HS256."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return b".".join((signed, encode(hmac.digest(secret, signed, hashlib.sha256)))).decode()


class ComposeStack(Balanced):
    """binary is what runs first; upgrade() has what the processes are replaced with. connections: how many HAProxy takes."""

    def __init__(self, binary, connections=500):
        super().__init__(binary)
        self.connections = connections
        self.addresses = {}  # of the processes that run, by name
        self.started = 0
        self.primary, self.standby = "db-1", "db-2"
        self.node_settings = ()  # arguments for `postgres` besides
        self.image = self.make_image("old")

    def make_image(self, name):
        """A copy of the service: what an image holds."""
        directory = Path(self.directory, name)
        directory.mkdir()
        return shutil.copy(self.binary, directory / "rsvpd")

    # ---- the stores ----

    def prepare_stores(self):
        os.chmod(self.directory, 0o755)
        self.pg_port, self.redis_port = free_ports(2)
        self.find_programs()
        self.make_secrets()

    def owners(self, name):
        """A directory that PostgreSQL's user owns."""
        directory = Path(self.directory, name)
        directory.mkdir(exist_ok=True)
        if self.owner:
            os.chown(directory, self.owner["user"], self.owner["group"])
        return directory

    def start_postgres(self):
        self.prepare_stores()
        for node in ("db-1", "db-2"):
            self.start_node(node)
            self.await_node(node)
        self.await_standby()

    def make_secrets(self):
        """By the program that makes those of the compose file, with addresses in the place of names."""
        shutil.copy(ROOT / "docker" / "make-secrets", self.directory)
        self.run([f"{self.directory}/make-secrets"])
        self.secrets = f"{self.directory}/secrets"
        os.chmod(self.secrets, 0o755)
        ports = {"db-1": self.pg_port, "db-2": self.pg_port, "redis": self.redis_port}
        for name in ("database_url", "owner_database_url", "redis_url", "pg_services"):
            file = Path(self.secrets, name)
            file.chmod(0o644)
            in_url = name != "pg_services"
            file.write_text(re.sub(r"(?<![\w/])(db-1|db-2|redis)(?![\w:])", lambda match, in_url=in_url: HOSTS[match[1]] + (
                f":{ports[match[1]]}" if in_url else ""), file.read_text()))

    def secret(self, name):
        return Path(self.secrets, name).read_text().strip()

    def node_environment(self, node):
        peer = "db-2" if node == "db-1" else "db-1"
        return ENVIRONMENT | {
            "PATH": f"{self.programs}:{ENVIRONMENT['PATH']}", "PGPORT": str(self.pg_port), "SECRETS": self.secrets, "NODE": node,
            "PGDATA": f"{self.directory}/{node}/cluster", "PEER": HOSTS[peer],
            "PRIMARY": node if node == self.primary else HOSTS[self.primary]}

    def start_node(self, node):
        directory = self.owners(node)
        self.spawn(node, [str(ROOT / "docker" / "postgres" / "start"), *COMPOSE[node]["entrypoint"][1:],
                          "-c", f"listen_addresses={HOSTS[node]}", "-c", f"unix_socket_directories={directory}", *self.node_settings],
                   signal.SIGQUIT, env=self.node_environment(node), **self.owner)

    def await_node(self, node):
        def answers():
            if self.children[node].poll() is not None:
                raise RuntimeError(f"{node} ended\n{self.log(node)}")
            with contextlib.suppress(RuntimeError):
                return self.run([f"{self.programs}/pg_isready", "-q", "-h", HOSTS[node], "-p", str(self.pg_port)]) == ""
            return False
        until(node, answers)

    def admin(self, *statements, node=None, database="postgres", limit_s=START_S):
        """What the administrator of a PostgreSQL is answered: docker compose exec db-1 psql --username=postgres."""
        commands = [word for statement in statements for word in ("-c", statement)]
        return self.run([f"{self.programs}/psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", f"{self.directory}/{node or self.primary}",
                         "-p", str(self.pg_port), "-U", "postgres", "-d", database, *commands],
                        limit_s=limit_s, **self.owner).strip()

    def await_standby(self):
        until("a synchronous standby", lambda: self.admin("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1")

    def kill_primary(self):
        """All its processes at once, as if its machine had lost power."""
        postmaster = self.children[self.primary].pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        self.stop(self.primary, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def promote(self):
        """docker/README.md, "Fail over to the standby"."""
        self.admin("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()", "SELECT pg_promote()",
                   node=self.standby)
        self.primary, self.standby = self.standby, self.primary

    def renew_standby(self):
        """The rest of that section: the former primary becomes a standby."""
        shutil.rmtree(f"{self.directory}/{self.standby}")
        self.start_node(self.standby)
        self.await_node(self.standby)
        self.admin("""ALTER SYSTEM SET synchronous_standby_names = '"db-1", "db-2"'""", "SELECT pg_reload_conf()")
        self.await_standby()

    def await_idle(self):
        """Until no transaction of the service goes on."""
        until("the end of all transactions", lambda: self.admin(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'rsvpd' AND state <> 'idle'") == "0")

    def start_redis(self):
        settings = [re.sub("^/run/secrets", self.secrets, word) for word in COMPOSE["redis"]["entrypoint"]]
        settings[settings.index("--dir") + 1] = self.directory
        self.spawn("redis", [*settings, "--bind", HOSTS["redis"], "--port", str(self.redis_port)])
        self.await_redis()

    def await_redis(self):
        ask = ["redis-cli", "-h", HOSTS["redis"], "-p", str(self.redis_port), *COMPOSE["redis"]["healthcheck"]["test"][2:]]

        def answers():
            with contextlib.suppress(RuntimeError):
                return "PONG" in self.run(ask)
            return False
        until("Redis", answers)

    # ---- the service ----

    def start_rsvpd(self, settings=None, ready=200):
        self.port, self.admin_port = free_ports(2)
        self.migrate()
        for name in PROCESSES:
            self.start_process(name)
        self.start_names(self.addresses.values())
        self.start_haproxy(self.port, self.connections)
        until("both in HAProxy", lambda: len(self.server_states("ready")["UP"]) == len(PROCESSES))
        self.prometheus = self.start_prometheus()

    def set_names(self, addresses):
        addresses = list(addresses)
        super().set_names(addresses)
        targets = Path(self.directory, "targets.json")
        new = targets.with_suffix(".new")
        new.write_text(json.dumps([{"targets": [f"{address}:{self.admin_port}" for address in addresses]}]))
        new.rename(targets)

    def owner_environment(self):
        return ENVIRONMENT | {"DATABASE_URL_FILE": f"{self.secrets}/owner_database_url"}

    def migrate(self):
        """The jobs migrate and rights."""
        self.run([self.image, "migrate"], env=self.owner_environment())
        self.run([f"{self.programs}/psql", "--no-psqlrc", "--set=role=rsvpd", f"--file={ROOT}/sql/roles/service_role.sql",
                  "service=owner"], env=ENVIRONMENT | {"PGSERVICEFILE": f"{self.secrets}/pg_services", "PGPORT": str(self.pg_port)})

    def process_environment(self, name, address):
        """The compose file's. All of the crowd comes from one address, so that is given more."""
        settings = {key: re.sub("^/run/secrets", self.secrets, expanded(value))
                    for key, value in COMPOSE[name]["environment"].items()}
        return ENVIRONMENT | settings | {
            "BIND_ADDRESS": address, "PORT": str(self.port), "ADMIN_BIND_ADDRESS": address,
            "ADMIN_PORT": str(self.admin_port), "TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT_ADDRESS": "600000/60"}

    def start_process(self, name):
        """At a new address, as containers have it, and told to HAProxy by its name. Returns when it is ready."""
        self.started += 1
        address = f"127.0.3.{self.started}"
        environment = self.process_environment(name, address)
        self.spawn(name, [self.image, "serve"], env=environment)
        self.addresses[name] = address
        self.set_names(self.addresses.values())

        def is_ready():
            if (status := self.children[name].poll()) is not None:
                raise RuntimeError(f"{name} ended with status {status}\n{self.log(name)[-2000:]}")
            with contextlib.suppress(RuntimeError):
                return self.run([self.image, "health", "--ready"], env=environment)
            return False
        until(f"{name} to be ready", is_ready)

    def stop_process(self, name, how):
        status = self.stop(name, how)
        del self.addresses[name]
        self.set_names(self.addresses.values())
        return status

    def upgrade(self):
        """docker/README.md, "Upgrade": from an image to another one. Yields where HAProxy is waited for."""
        self.image = self.make_image("new")
        self.migrate()
        for name in PROCESSES:
            if (status := self.stop_process(name, signal.SIGTERM)) != 0:
                raise RuntimeError(f"{name} ended with status {status} on SIGTERM\n{self.log(name)[-2000:]}")
            self.start_process(name)
            yield name

    def start_prometheus(self):
        """The compose file's; rules and intervals are as they are. Names are those of a file, because Prometheus asks the name
        servers of its machine alone."""
        directory = ROOT / "docker" / "prometheus"
        configuration = yaml.safe_load((directory / "prometheus.yaml").read_text())
        jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
        configuration["scrape_configs"].remove(jobs["relay"])  # there is none
        [names] = jobs["rsvpd"].pop("dns_sd_configs")
        jobs["rsvpd"]["file_sd_configs"] = [{"files": ["targets.json"], "refresh_interval": names["refresh_interval"]}]
        jobs["haproxy"]["static_configs"] = [{"targets": [f"127.0.0.1:{self.metrics}"]}]
        return Prometheus(self, configuration, yaml.safe_load((directory / "rules.yaml").read_text()))

    def verify(self, limit_s=START_S):
        """What rsvpd verify finds wrong; empty: nothing."""
        try:
            self.run([self.image, "verify"], env=self.owner_environment(), limit_s=limit_s)
            return ""
        except RuntimeError as error:
            return str(error)

    def bearer(self):
        """What the crowd shows: it acts for everybody."""
        claims = {"sub": "crowd", "scope": "rsvp:admin", "exp": int(time.time()) + 4 * 3600}
        return f"Authorization: Bearer {token(self.secret('jwt_secret').encode(), claims)}"

    def headers(self):
        """Of a request that the bearer may make, with a body in JSON or none."""
        field, value = self.bearer().split(": ", 1)
        return {field: value, "Content-Type": "application/json"}
