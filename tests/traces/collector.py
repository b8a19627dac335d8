"""A collector of traces that takes OTLP in JSON over HTTP, on loopback."""
import contextlib
import http.server
import json
import threading


class Collector:
    """On loopback; `status` is what it answers, None: nothing, until it is let go."""

    def __init__(self):
        self.status, self.retry_after, self.endless = 200, None, False
        self.lock, self.posts, self.headers = threading.Lock(), [], []
        self.let_go = threading.Event()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802: the name is the module's
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with collector.lock:
                    collector.headers.append((self.path, dict(self.headers)))
                    status = collector.status
                    collector.posts.append((status, document))
                if status is None:
                    collector.let_go.wait()
                    return
                if collector.endless:
                    self.send_response(status)
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        while True:
                            self.wfile.write(b" " * 4096)
                    self.close_connection = True
                    return
                self.send_response(status)
                if collector.retry_after:
                    self.send_header("Retry-After", collector.retry_after)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answered(self, status):
        with self.lock:
            return sum(one == status for one, _ in self.posts)

    def spans(self):
        """Those that it took."""
        with self.lock:
            return [span for status, document in self.posts if status == 200 for resource in document["resourceSpans"]
                    for scope in resource["scopeSpans"] for span in scope["spans"]]

    def resources(self):
        with self.lock:
            return [attributes(resource["resource"]) for _, document in self.posts
                    for resource in document["resourceSpans"]]


def attributes(of):
    return {one["key"]: next(iter(one["value"].values())) for one in of["attributes"]}
