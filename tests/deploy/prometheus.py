"""A real Prometheus, and its answers."""
import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "openapi"))
from servers import free_ports, until  # noqa: E402


class Prometheus:
    """Runs in the directory of the servers, as their child."""

    def __init__(self, servers, configuration, rules):
        [self.port] = free_ports(1)
        for name, content in (("rules.yaml", rules), ("prometheus.yaml", configuration)):
            Path(servers.directory, name).write_text(yaml.safe_dump(content))
        servers.spawn("prometheus", ["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=prometheus",
                                     f"--web.listen-address=127.0.0.1:{self.port}"])
        until("Prometheus", self.is_ready)

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{query}", timeout=30) as answer:
            return answer.read()

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.get("/-/ready") is not None
        return False

    def query(self, expression):
        """The samples; a string that says what is wrong with the expression."""
        try:
            return json.loads(self.get("/api/v1/query", query=expression))["data"]["result"]
        except urllib.error.HTTPError as error:
            return json.loads(error.read())["error"]

    def query_range(self, expression, start, end, step):
        """Series with their values between two moments of Unix time, every step seconds."""
        return json.loads(self.get("/api/v1/query_range", query=expression, start=start, end=end, step=step))["data"]["result"]

    def names(self):
        return set(json.loads(self.get("/api/v1/label/__name__/values"))["data"])
