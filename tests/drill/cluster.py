"""Three machines of a PostgreSQL that Patroni manages, each with an address of loopback: etcd, Patroni, PostgreSQL.

All that belongs to a machine runs with a group of its own: that is how its processes are found, and its packets cut off.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import yaml
from compose import HOSTS, PROCESSES, ComposeStack
from servers import ENVIRONMENT, free_ports, until

NODES = {"db-1": "127.0.2.1", "db-2": "127.0.2.2", "db-3": "127.0.2.3"}
GROUPS = {node: 61001 + number for number, node in enumerate(NODES)}
PG_PORT, API_PORT, ETCD_PORT, PEER_PORT = 5432, 8008, 2379, 2380
TTL_S = 20  # the least that Patroni takes
HEALTHY_S = 180
ASK_S = 2
# retry_timeout: as long as ttl allows, so that an election of etcd does not cost the primary its place.
DCS = {"ttl": TTL_S, "loop_wait": 2, "retry_timeout": 8, "maximum_lag_on_failover": 1 << 20, "synchronous_mode": True}
PARAMETERS = {
    "wal_retrieve_retry_interval": "250ms", "wal_sender_timeout": "5s", "wal_receiver_timeout": "5s", "tcp_user_timeout": "5s",
    "max_connections": 100, "shared_buffers": "256MB", "checkpoint_timeout": "30min", "max_wal_size": "2GB",
    "wal_keep_size": "512MB", "wal_log_hints": "on", "log_line_prefix": "%m [%p] ", "log_timezone": "UTC"}
# Of the machines: pg_rewind waits for whoever was cut off from it until these end the connection.
KEEPALIVE = {"tcp_keepalive_time": 10, "tcp_keepalive_intvl": 2, "tcp_keepalive_probes": 5}
READY = re.compile(r"^(\S+ \S+) UTC \[\d+\] LOG:  database system is ready to accept connections$", re.MULTILINE)


def nft(commands):
    subprocess.run(["nft", "-f", "-"], input=commands, text=True, check=True)


class Cluster(ComposeStack):
    """The compose stack with these in the place of its two hosts, and without Prometheus."""

    def __exit__(self, *_):
        for node in NODES:
            self.signal_node(node, signal.SIGKILL, all_of_it=True)
        super().__exit__()

    # ---- the start ----

    def start_postgres(self):
        os.chmod(self.directory, 0o755)
        self.pg_port = PG_PORT
        [self.redis_port] = free_ports(1)
        self.find_programs()
        self.make_secrets()
        self.set_keepalive()
        self.make_rules()
        for node in NODES:
            directory = Path(self.directory, node)
            directory.mkdir()
            os.chown(directory, self.owner["user"], GROUPS[node])
            self.start_etcd(node)
        until("etcd", self.etcd_leader)
        for node in NODES:
            self.start_patroni(node)
            until(f"{node} to run", lambda node=node: self.api(node, "health") is not None, HEALTHY_S)
        self.await_healthy()
        self.make_roles()

    def make_secrets(self):
        super().make_secrets()
        for name in ("database_url", "owner_database_url", "pg_services"):
            file = Path(self.secrets, name)
            port = "" if name == "pg_services" else f":{PG_PORT}"
            file.write_text(file.read_text().replace(f"{HOSTS['db-1']}{port},{HOSTS['db-2']}{port}",
                                                     ",".join(f"{address}{port}" for address in NODES.values())))
        self.administrator = self.secret("replication_password")[::-1]

    def make_roles(self):
        def password(role):
            return self.secret(f"{role}_password")
        self.admin(f"CREATE ROLE rsvpd_owner LOGIN REPLICATION PASSWORD '{password('owner')}'",
                   f"CREATE ROLE rsvpd LOGIN PASSWORD '{password('service')}'",
                   "CREATE DATABASE rsvpd OWNER rsvpd_owner ENCODING 'UTF8' TEMPLATE template0",
                   "CREATE TABLE late (round text PRIMARY KEY)")

    def as_node(self, node):
        return self.owner | {"group": GROUPS[node]}

    def start_etcd(self, node):
        def url(address, port):
            return f"http://{address}:{port}"
        client, peer = url(NODES[node], ETCD_PORT), url(NODES[node], PEER_PORT)
        self.spawn(f"etcd-{node}", [
            "etcd", "--enable-v2", f"--name={node}", f"--data-dir={self.directory}/{node}/etcd", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            "--initial-cluster=" + ",".join(f"{name}={url(address, PEER_PORT)}" for name, address in NODES.items())],
            **self.as_node(node))

    def start_patroni(self, node):
        address, directory = NODES[node], f"{self.directory}/{node}"
        settings = {
            "scope": "rsvpd", "name": node,
            "restapi": {"listen": f"{address}:{API_PORT}", "connect_address": f"{address}:{API_PORT}"},
            # Not "etcd3": Patroni up to 3.0.2 takes the lock from whoever has it by now, after its own has run out.
            "etcd": {"hosts": [f"{host}:{ETCD_PORT}" for host in NODES.values()]},
            "bootstrap": {"dcs": DCS | {"postgresql": {"use_pg_rewind": True, "parameters": PARAMETERS}},
                          "initdb": [{"encoding": "UTF8"}, {"locale": "C"}]},
            "postgresql": {
                "listen": f"{address}:{PG_PORT}", "connect_address": f"{address}:{PG_PORT}", "data_dir": f"{directory}/cluster",
                "bin_dir": self.programs, "pgpass": f"{directory}/pgpass", "use_unix_socket": True,
                "remove_data_directory_on_rewind_failure": True, "remove_data_directory_on_diverged_timelines": True,
                "parameters": {"unix_socket_directories": directory},
                "authentication": {"superuser": {"username": "postgres", "password": self.administrator},
                                   "replication": {"username": "replication", "password": self.secret("replication_password")}},
                "pg_hba": ["local all postgres peer", "host all postgres samenet scram-sha-256",
                           "host replication replication samenet scram-sha-256",
                           "host rsvpd rsvpd,rsvpd_owner samenet scram-sha-256"]}}
        file = Path(directory, "patroni.yml")
        file.write_text(yaml.safe_dump(settings))
        os.chown(file, self.owner["user"], GROUPS[node])
        file.chmod(0o600)
        self.spawn(node, ["patroni", str(file)], **self.as_node(node))

    def process_environment(self, name, address):
        """A line of log for each request would fill the disk."""
        return super().process_environment(name, address) | {"ACCESS_LOG_EVERY": "0"}

    def start_rsvpd(self, settings=None, ready=200):
        self.port, self.admin_port = free_ports(2)
        self.migrate()
        self.start_names([])
        self.start_haproxy(self.port)
        for name in PROCESSES:
            self.start_process(name)
        until("both in HAProxy", lambda: len(self.server_states("ready")["UP"]) == len(PROCESSES))

    # ---- what it says of itself ----

    def api(self, node, path, port=API_PORT, body=None):
        """What Patroni, or etcd, says there; None: it does not, or says no."""
        with contextlib.suppress(OSError, urllib.error.HTTPError, ValueError):
            with urllib.request.urlopen(f"http://{NODES[node]}:{port}/{path}", body, ASK_S) as answer:
                return json.loads(answer.read() or b"{}")
        return None

    def leader(self):
        leaders = [node for node in NODES if self.api(node, "leader") is not None]
        return leaders[0] if len(leaders) == 1 else None

    def synchronous(self):
        """The standby that a leader's place can go to without a loss."""
        found = [node for node in NODES if self.api(node, "synchronous") is not None]
        return found[0] if found else None

    def etcd_leader(self):
        """Only where all are there."""
        states = {node: self.api(node, "v3/maintenance/status", ETCD_PORT, b"{}") for node in NODES}
        leaders = [node for node, state in states.items() if state and state.get("leader") == state["header"]["member_id"]]
        return leaders[0] if len(leaders) == 1 and all(states.values()) else None

    def is_healthy(self):
        leader = self.leader()
        if not leader or not self.synchronous() or not self.etcd_leader():
            return False
        with contextlib.suppress(RuntimeError):
            return self.admin("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", node=leader) == str(len(NODES) - 1)
        return False

    def await_healthy(self):
        until("a cluster with two standbys, one of them synchronous", self.is_healthy, HEALTHY_S)

    def await_steady(self, rest_s):
        """Healthy for so long: a former primary may stream for a moment, until it is rewound."""
        since = time.monotonic()

        def is_steady():
            nonlocal since
            if not self.is_healthy():
                since = time.monotonic()
            return time.monotonic() - since > rest_s
        until(f"a cluster that stays healthy for {rest_s} s", is_steady, HEALTHY_S)

    def admin(self, *statements, node=None):
        return super().admin(*statements, node=node or until("a leader", self.leader))

    def promotions(self, since):
        """Pairs of Unix time and node: when one began to take writes."""
        found = []
        for node in NODES:
            for text in READY.findall(self.log(node)):
                moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc).timestamp()
                if moment > since:
                    found.append((moment, node))
        return sorted(found)

    # ---- what happens to it ----

    def switch_over(self):
        leader, candidate = self.leader(), self.synchronous()
        self.run(["patronictl", "-c", f"{self.directory}/{leader}/patroni.yml", "switchover", "rsvpd", "--master", leader,
                  "--candidate", candidate, "--force"], env=ENVIRONMENT | {"LC_ALL": "C.UTF-8"})

    def processes(self, node, all_of_it=False):
        """Of Patroni and PostgreSQL, and, with all_of_it, of etcd."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                text = status.read_text()
                if f"\nGid:\t{GROUPS[node]}\t" in text and (all_of_it or not text.startswith("Name:\tetcd\n")):
                    yield int(status.parent.name)

    def signal_node(self, node, how, all_of_it=False):
        """Twice, for what was being started."""
        for _ in range(2):
            for pid in self.processes(node, all_of_it):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)

    def kill_node(self, node):
        self.signal_node(node, signal.SIGKILL)
        self.children.pop(node).wait()

    def postmaster(self, node):
        return int(Path(self.directory, node, "cluster", "postmaster.pid").read_text().split()[0])

    @staticmethod
    def set_keepalive():
        """Of this network alone: see apart.py."""
        for name, value in KEEPALIVE.items():
            Path("/proc/sys/net/ipv4", name).write_text(str(value))

    def make_rules(self):
        """Notes with each connection which machines it joins, so that both of its directions can be cut."""
        rules = "".join(
            f"ct state new meta skgid {GROUPS[node]} ip daddr != {address} ct mark set ct mark | {1 << number}\n"
            f"ct state new meta skgid != {GROUPS[node]} ip daddr {address} ct mark set ct mark | {1 << number}\n"
            for number, (node, address) in enumerate(NODES.items()))
        nft("table ip drill {\nchain machines { type filter hook output priority -10;\n" + rules +
            "}\nchain cut { type filter hook output priority 0; }\n}\n")

    def cut_off(self, node):
        """Nothing goes between it and the others any more, nor is anything refused."""
        bit = 1 << list(NODES).index(node)
        nft(f"add rule ip drill cut ct mark & {bit} == {bit} drop\n")

    def heal(self):
        nft("flush chain ip drill cut\n")
