#!/usr/bin/python3
"""Opens the pages of docs/how-to/show-live-counts.md in Chromium, and looks at what their EventSource is told.

RSVPD_BINARY is the service. The pages are the document's own, served from another origin; only the service's address is
put into them, and at their end what reports all that the stream does.
"""
import http.server
import json
import os
import re
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "openapi"))
from servers import SOURCE, Servers, send, until  # noqa: E402

DOCUMENT = "docs/how-to/show-live-counts.md"
LIMIT_S = 300  # of what is waited for: on a busy machine a browser needs long to start
CONNECTING, CLOSED = 0, 2  # of EventSource.readyState
REPORT = """
const seen = [];
const report = (what) => {
  seen.push(what);
  fetch(location.pathname, { method: "POST", body: JSON.stringify(seen) });
};
stream.addEventListener("open", () => report({ what: "open" }));
stream.addEventListener("error", () => report({ what: "error", state: stream.readyState }));
stream.addEventListener("rsvp_count", (event) => report(
  { what: "told", id: event.lastEventId, data: JSON.parse(event.data), page: document.body.innerText.trim() }));
"""


def expect(what, got, wanted=True):
    if got != wanted:
        sys.exit(f"{what}: {got!r}, expected {wanted!r}")


def example(language):
    """The one example of the document in this language."""
    with open(f"{SOURCE}/{DOCUMENT}", encoding="utf-8") as file:
        found = re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)
    expect(f"examples in {language} in {DOCUMENT}", len(found), 1)
    return found[0]


def with_origin(script, origin):
    """As the document tells pages of another origin to have it: the stream's URL is a whole one."""
    script, replaced = re.subn(r'(new EventSource\(["`])/', rf"\g<1>{origin}/", script)
    expect("streams in the example", replaced, 1)
    return script


def make_pages(origin):
    return {
        "/": '<iframe src="/one"></iframe><iframe src="/several"></iframe>',
        "/one": with_origin(example("html"), origin).replace("</script>", f"{REPORT}</script>"),
        "/several": f'<p id="101a"></p><p id="102b"></p><script>{with_origin(example("js"), origin)}{REPORT}</script>',
    }


class Site:
    """Where the pages come from, and what they report."""

    def __init__(self):
        self.pages, self.reports = {}, {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, body=b""):
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):  # noqa: N802: the name is the module's
                page = site.pages.get(self.path)
                self.answer(404 if page is None else 200, f"<!doctype html>\n{page}".encode())

            def do_POST(self):  # noqa: N802
                seen = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                # Each has all those before it, and they may overtake each other.
                site.reports[self.path] = max(site.seen(self.path), seen, key=len)
                self.answer(204)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def seen(self, page, what=None):
        return [one for one in self.reports.get(page, []) if what in (None, one["what"])]

    def counts(self, page, event="101a"):
        return [told["data"]["rsvp_count"] for told in self.seen(page, "told") if told["data"]["event_id"] == event]

    def wait(self, what, probe):
        """Until it is true; if it does not become so, says what the pages have seen."""
        try:
            until(what, probe, LIMIT_S)
        except TimeoutError as late:
            sys.exit(f"{late}; the pages saw {json.dumps(self.reports, ensure_ascii=False)}")


class Chromium:
    """with Chromium(servers, url): it has the page open. Its profile goes with the directory of the servers."""

    def __init__(self, servers, url):
        self.servers, self.url = servers, url

    def __enter__(self):
        profile = f"{self.servers.directory}/profile"
        self.servers.spawn("chromium", [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={profile}", self.url],
            signal.SIGTERM, env={"PATH": os.environ["PATH"], "HOME": profile})

    def __exit__(self, kind, *_):
        self.servers.stop("chromium", signal.SIGTERM)
        if kind is not None:
            print(self.servers.log("chromium")[-4000:], file=sys.stderr)


def rsvp(servers, user, event="101a"):
    expect("status", send(servers.port, "POST", f"/v1/events/{event}/rsvp?user_id={user}").status, 201)


def drain(servers):
    expect("exit status of rsvpd", servers.stop("rsvpd", signal.SIGTERM), 0)


def check_not_let_in(servers, site):
    """Without CORS_ORIGINS the pages are told nothing, and their streams are closed for good."""
    site.pages = make_pages(f"http://127.0.0.1:{servers.port}")
    with Chromium(servers, site.origin):
        site.wait("errors", lambda: site.seen("/one") and site.seen("/several"))
        for page in ("/one", "/several"):
            expect(f"what {page} saw without CORS_ORIGINS", site.seen(page), [{"what": "error", "state": CLOSED}])
    site.reports.clear()


def check_first_and_later(servers, site):
    site.wait("the first counts", lambda: site.counts("/one") == [1] and site.counts("/several") == [1]
              and site.counts("/several", "102b") == [0])
    rsvp(servers, "bob")
    site.wait("the later count", lambda: site.counts("/one") == [1, 2] and site.counts("/several") == [1, 2])


def check_restart(servers, site, settings):
    """The version that the browser has is not told it again; the stream of several, which has none, is told all."""
    drain(servers)
    servers.start_rsvpd(settings, ports=(servers.port, servers.admin_port))
    site.wait("the streams", lambda: b"\nrsvpd_streams 2\n" in send(servers.admin_port, "GET", "/metrics").body)
    site.wait("all counts again", lambda: site.counts("/several")[2:] and site.counts("/several", "102b")[1:])
    rsvp(servers, "carl")
    site.wait("the next count", lambda: 3 in site.counts("/one") and 3 in site.counts("/several"))
    expect("counts over a restart", site.counts("/one"), [1, 2, 3])


def check_change_meanwhile(servers, site, settings):
    """What another process committed while the pages' own was away."""
    ports = (servers.port, servers.admin_port)
    drain(servers)
    servers.start_rsvpd(settings)
    rsvp(servers, "dora")
    drain(servers)
    servers.start_rsvpd(settings, ports=ports)
    site.wait("the newest count", lambda: 4 in site.counts("/one") and 4 in site.counts("/several"))
    expect("counts over both restarts", site.counts("/one"), [1, 2, 3, 4])


def check_reports(site):
    """What holds of all that the pages saw."""
    told = site.seen("/one", "told")
    expect("ids", [int(one["id"]) for one in told], sorted({int(one["id"]) for one in told}))
    expect("what the page shows", [one["page"] for one in told], [f"{count} are going" for count in (1, 2, 3, 4)])
    expect("what the page of several shows", site.seen("/several", "told")[-1]["page"].split(), ["4", "0"])
    expect("ids of several", {one["id"] for one in site.seen("/several", "told")}, {""})
    for page in ("/one", "/several"):
        expect(f"errors of {page}", {one["state"] for one in site.seen(page, "error")}, {CONNECTING})
    return sum(len(site.seen(page, "open")) for page in ("/one", "/several"))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped as well
    site = Site()
    # One worker: where one stream is told a count, the other one would be too.
    settings = {"CORS_ORIGINS": site.origin, "WORKERS": "1", "REQUEST_DEADLINE_MS": "5000"}
    with Servers(os.path.abspath(os.environ["RSVPD_BINARY"])) as servers:
        check_not_let_in(servers, site)
        servers.restart_rsvpd(settings)
        site.pages = make_pages(f"http://127.0.0.1:{servers.port}")
        rsvp(servers, "ann")
        with Chromium(servers, site.origin):
            check_first_and_later(servers, site)
            check_restart(servers, site, settings)
            check_change_meanwhile(servers, site, settings)
        opened = check_reports(site)
    print(f"Chromium opened {opened} streams, and its pages were told each count once, the newest at last")


if __name__ == "__main__":
    main()
