"""HAProxy with docker/haproxy/haproxy.cfg as it is, and the name server that it asks for the processes behind it."""
import collections
import contextlib
import http.client
import os
import re
import signal
import ssl
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "openapi"))
from servers import ENVIRONMENT, REQUEST_S, SOURCE, Servers, free_ports, send  # noqa: E402

DIRECTORY = f"{SOURCE}/docker/haproxy"


class Balanced(Servers):
    """Servers behind a HAProxy. Addresses, names and the certificate come by the variables that the configuration has."""

    def start_names(self, addresses):
        [self.dns] = free_ports(1)
        self.set_names(addresses)
        os.chmod(self.directory, 0o755)
        self.spawn("names", ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
                             "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={self.dns}", "--log-facility=-",
                             f"--addn-hosts={self.directory}/hosts", *(["--user=root"] if os.geteuid() == 0 else [])])

    def set_names(self, addresses):
        """Where the processes are from now on."""
        with open(f"{self.directory}/hosts", "w", encoding="utf-8") as hosts:
            hosts.writelines(f"{address} rsvpd.test\n" for address in addresses)
        if "names" in self.children:
            self.children["names"].send_signal(signal.SIGHUP)

    def start_haproxy(self, port, connections=500):
        """port: of all processes behind it."""
        self.https, self.plain, self.metrics = free_ports(3)
        self.certificate = f"{self.directory}/site.crt"
        self.run([f"{DIRECTORY}/make-certificate", self.directory, "rsvpd.test"])
        env = ENVIRONMENT | {
            "HTTPS_BIND": f"127.0.0.1:{self.https}", "HTTP_BIND": f"127.0.0.1:{self.plain}", "HTTPS_PORT": str(self.https),
            "METRICS_BIND": f"127.0.0.1:{self.metrics}", "CERTIFICATE": f"{self.directory}/site.pem",
            "NAMESERVER": f"127.0.0.1:{self.dns}", "RSVPD": f"rsvpd.test:{port}", "MAXCONN": str(connections)}
        haproxy = ["haproxy", "-f", f"{DIRECTORY}/haproxy.cfg"]
        env["PATH"] += ":/usr/sbin"
        said = self.run([*haproxy, "-c"], env=env)
        if "WARNING" in said:
            raise AssertionError(said)
        self.spawn("haproxy", [*haproxy, "-db"], env=env)

    def haproxy_metrics(self):
        """As text; empty where HAProxy does not answer."""
        with contextlib.suppress(OSError):
            return send(self.metrics, "GET", "/metrics").body.decode()
        return ""

    def server_states(self, backend):
        """The names of servers by their state, as HAProxy's metrics have them."""
        states = collections.defaultdict(set)
        for name, state in re.findall(rf'^haproxy_server_status{{proxy="{backend}",server="(\w+)",state="(\w+)"}} 1$',
                                      self.haproxy_metrics(), re.MULTILINE):
            states[state].add(name)
        return states

    def connect(self, client="127.0.0.1"):
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.https, timeout=REQUEST_S, context=context, source_address=(client, 0))

    def ask(self, method, target, body=None, client="127.0.0.1", headers=None):
        """(status, header fields, body) of an answer that came through HAProxy."""
        with contextlib.closing(self.connect(client)) as connection:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
