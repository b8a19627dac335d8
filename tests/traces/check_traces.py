#!/usr/bin/python3
"""Runs the service in front of a collector of traces, and looks at what arrives there.

RSVPD_BINARY is the service. The collector answers as a test tells it to: with a status, or not at all.
"""
import collections
import json
import os
import re
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "openapi"))
from servers import Servers, send, until  # noqa: E402
from collector import Collector, attributes  # noqa: E402

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, INTERNAL, CLIENT = 2, 1, 3
CROWD = 40
END_S = 10  # far more than the service gives a collector at its end; without a bound it would wait for ever


def expect(what, found, wanted=True):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r}, not {wanted!r}")


def parent(trace=TRACE, flags="01", span=SPAN):
    return {"traceparent": f"00-{trace}-{span}-{flags}"}


def counted(servers, outcome):
    metrics = send(servers.admin_port, "GET", "/metrics").body.decode()
    return int(re.search(rf'rsvpd_spans_total{{outcome="{outcome}"}} (\d+)', metrics)[1])


def of_trace(collector, trace, name):
    return [span for span in collector.spans() if span["traceId"] == trace and span["name"].startswith(name)]


def check_write(servers, collector):
    """A request, its wait and its share of a batch are one trace, below the caller's span."""
    answer = send(servers.port, "POST", "/v1/events/secret-event/rsvp?user_id=secret-user", parent())
    expect("status", answer.status, 201)
    until("the request's span", lambda: of_trace(collector, TRACE, "POST"))
    (request,) = of_trace(collector, TRACE, "POST")
    (queue,) = of_trace(collector, TRACE, "queue")
    (share,) = of_trace(collector, TRACE, "write")
    batch = next(span for span in collector.spans() if span["spanId"] == share["links"][0]["spanId"])
    expect("name", request["name"], "POST /v1/events/{event_id}/rsvp")
    expect("parents", (request["parentSpanId"], queue["parentSpanId"], share["parentSpanId"]),
           (SPAN, request["spanId"], request["spanId"]))
    expect("kinds", [one["kind"] for one in (request, queue, share, batch)], [SERVER, INTERNAL, CLIENT, CLIENT])
    expect("the link", share["links"][0]["traceId"], batch["traceId"])
    expect("a trace of its own", batch["traceId"] != TRACE and "parentSpanId" not in batch)
    found = attributes(request)
    expect("attributes", {name: found.get(name) for name in (
        "http.request.method", "http.route", "http.response.status_code", "url.scheme", "server.address")}, {
            "http.request.method": "POST", "http.route": "/v1/events/{event_id}/rsvp",
            "http.response.status_code": "201", "url.scheme": "http", "server.address": "127.0.0.1"})
    found = attributes(share)
    expect("attributes of the share", (found["db.system.name"], found["db.collection.name"]), ("postgresql", "rsvps"))
    times = [int(one[end]) for one, end in ((request, "startTimeUnixNano"), (queue, "startTimeUnixNano"),
                                            (queue, "endTimeUnixNano"), (share, "endTimeUnixNano"),
                                            (request, "endTimeUnixNano"))]
    expect("times in order", times, sorted(times))
    expect("the clock", abs(times[0] / 1e9 - time.time()) < 3600)
    lines = [json.loads(line) for line in servers.log("rsvpd").splitlines() if TRACE in line]
    expect("trace_id in the log", [line["trace_id"] for line in lines], [TRACE])


def check_crowd(servers, collector):
    """Those who share a batch link to one span, which tells how many they are."""
    trace = "1" * 32
    with servers.locked_tables():
        threads = [threading.Thread(target=send, args=(
            servers.port, "POST", f"/v1/events/crowd/rsvp?user_id=u{i}", parent(trace))) for i in range(CROWD)]
        for thread in threads:
            thread.start()
        until("a queue", lambda: waiting(servers) >= CROWD // 2)
    for thread in threads:
        thread.join()
    until("all their spans", lambda: len(of_trace(collector, trace, "POST")) == CROWD)
    shares = [span for span in collector.spans() if span["traceId"] == trace and "links" in span]
    links = collections.Counter(share["links"][0]["spanId"] for share in shares)
    batches = {span["spanId"]: span for span in collector.spans() if span["spanId"] in links}
    expect("each batch has a span", set(batches), set(links))
    shared, requests = links.most_common(1)[0]
    expect("a batch is shared", requests > 1)
    expect("its size", int(attributes(batches[shared])["db.operation.batch.size"]), requests)


def waiting(servers):
    metrics = send(servers.admin_port, "GET", "/metrics").body.decode()
    return int(re.search(r'rsvpd_queue_depth{queue="writes"} (\d+)', metrics)[1])


def check_decision(servers, collector):
    """A caller that does not sample is obeyed, though every other request is traced; rubbish is no caller."""
    for trace, headers in (("2" * 32, parent("2" * 32, "00")), ("3" * 32, parent("3" * 32))):
        expect("status", send(servers.port, "GET", "/v1/posts/p/like_count", headers).status, 200)
        expect(trace, send(servers.port, "GET", "/v1/posts/p/like_count", {"traceparent": "rubbish"}).status, 200)
    until("the span that is wanted", lambda: of_trace(collector, "3" * 32, "GET"))
    until("those without a caller", lambda: sum(
        span["name"] == "GET /v1/posts/{post_id}/like_count" and "parentSpanId" not in span
        for span in collector.spans()) >= 2)
    expect("spans that are not wanted", of_trace(collector, "2" * 32, ""), [])


def check_privacy(collector):
    with collector.lock:
        expect("ids of users or events", "secret" in json.dumps(collector.posts), False)


def check_resource(collector):
    found = collector.resources()[0]
    expect("resource", (found["service.name"], found["deployment.environment.name"]), ("likes", "a b"))
    path, headers = collector.headers[0]
    expect("the request", (path, headers["Content-Type"], headers["X-Secret"]), ("/v1/traces", "application/json", "s t"))


def check_refusals(servers, collector):
    """307 and 400 are final; 429 and 503 are tried again, and then given up."""
    for status, trace in ((307, "b" * 32), (400, "4" * 32)):
        failed, collector.status = counted(servers, "failed"), status
        send(servers.port, "GET", "/v1/posts/p/like_count", parent(trace))
        until("spans that failed", lambda before=failed: counted(servers, "failed") > before)
        expect(f"tries after {status}", collector.answered(status), 1)
    for status, trace in ((429, "7" * 32), (503, "8" * 32)):
        collector.retry_after, collector.status = "1", status
        send(servers.port, "GET", "/v1/posts/p/like_count", parent(trace))
        until(f"{status}", lambda code=status: collector.answered(code) >= 1)
        collector.retry_after, collector.status = None, 200
        until("the same span again", lambda of=trace: len(of_trace(collector, of, "GET")) == 1)
    log = servers.log("rsvpd")
    expect("events", ("cannot send traces" in log, "traces are sent again" in log), (True, True))
    expect("the reason", "status 307: redirects are not followed" in log)


def check_endless_answer(servers, collector):
    """What matters of an answer is its status: one without an end is cut short, and nothing is sent again."""
    exported, collector.endless = counted(servers, "exported"), True
    send(servers.port, "GET", "/v1/posts/p/like_count", parent("9" * 32))
    until("spans that are exported", lambda: counted(servers, "exported") > exported)
    collector.endless = False
    expect("spans", len(of_trace(collector, "9" * 32, "GET")), 1)


def check_silence(servers, collector):
    """A collector that does not answer keeps neither requests nor the end."""
    collector.status = None
    send(servers.port, "GET", "/v1/posts/p/like_count", parent("5" * 32))
    until("a transfer under way", lambda: collector.answered(None) >= 1)
    for i in range(50):
        answer = send(servers.port, "POST", f"/v1/posts/p/like?user_id=s{i}", parent("5" * 32))
        expect("status", answer.status, 201)
    began = time.monotonic()
    expect("exit status", servers.stop("rsvpd", signal.SIGTERM), 0)
    expect("the end is in time", time.monotonic() - began < END_S)
    collector.let_go.set()


def check_absence(servers, settings):
    """Nobody listens at all: requests are answered, spans are lost and counted, the process ends."""
    servers.start_rsvpd(settings | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    expect("status", send(servers.port, "GET", "/v1/posts/p/like_count").status, 200)
    until("spans that failed", lambda: counted(servers, "failed") > 0)
    expect("exit status", servers.stop("rsvpd", signal.SIGTERM), 0)


def check_end(servers, collector, settings):
    """What is left is sent at an ordinary end."""
    collector.status = 200
    servers.start_rsvpd(settings)
    expect("status", send(servers.port, "GET", "/v1/posts/p/like_count", parent("6" * 32)).status, 200)
    expect("exit status", servers.stop("rsvpd", signal.SIGTERM), 0)
    expect("the last span", len(of_trace(collector, "6" * 32, "GET")), 1)


def main():
    collector = Collector()
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/", "OTEL_SERVICE_NAME": "likes", "TRACE_SAMPLE": "1",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a%20b", "SHUTDOWN_DRAIN_MS": "0",
                "OTEL_EXPORTER_OTLP_HEADERS": "X-Secret=s%20t", "MAX_CONNECTIONS": "100",
                "REQUEST_DEADLINE_MS": "20000"}
    with Servers(os.environ["RSVPD_BINARY"]) as servers:
        servers.restart_rsvpd(settings)
        check_write(servers, collector)
        check_crowd(servers, collector)
        check_decision(servers, collector)
        check_privacy(collector)
        check_resource(collector)
        check_refusals(servers, collector)
        check_endless_answer(servers, collector)
        check_silence(servers, collector)
        check_end(servers, collector, settings)
        check_absence(servers, settings)
    print("traces arrive as they should")


main()
