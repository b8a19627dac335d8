#!/usr/bin/python3
"""Tests the instrument: that openloop counts a stall against every request it delays, that nothing which goes wrong is
taken for a good figure, and that streams, tables and plots say what they were given. $OPENLOOP is the program."""
import json
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import xml.dom.minidom

import contestants
import plot
import report
import streams

OPENLOOP = os.environ["OPENLOOP"]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


class Stub:
    """A server on one thread that answers each request by what `behave` says to it."""

    def __init__(self, behave):
        self.behave = behave

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.serve()
            finally:
                os._exit(1)
        return self

    def __exit__(self, *_):
        self.listener.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def serve(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        number = 0
        while True:
            for key, _ in selector.select():
                if key.fileobj is self.listener:
                    selector.register(self.listener.accept()[0], selectors.EVENT_READ)
                    continue
                if not key.fileobj.recv(65536):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    continue
                number += 1
                answer = self.behave(number)
                if answer is None:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                else:
                    key.fileobj.sendall(answer)


class OpenLoop(unittest.TestCase):
    def run_openloop(self, behave, connections, rate, duration_ms, records=None, again=False, warmup_ms=0):
        total = int(rate * (warmup_ms + duration_ms) / 1000) if records is None else records
        with tempfile.NamedTemporaryFile() as file, Stub(behave) as stub:
            file.write(streams.pack(streams.count(number) for number in range(total)))
            file.flush()
            return subprocess.run(
                [OPENLOOP, str(stub.port), str(connections), str(rate), str(warmup_ms), str(duration_ms), file.name] + ["again"] * again,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    def result(self, *arguments, **more):
        done = self.run_openloop(*arguments, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_all_requests_of_the_schedule_are_sent_and_counted(self):
        result = self.result(lambda _: ANSWER, 16, 1000, 1000)
        self.assertEqual((result["good"], result["other_status"], result["failed"], result["unanswered"]), (1000, 0, 0, 0))
        self.assertGreater(result["latency_us"]["p50"], 0)

    def test_the_warm_up_is_not_in_the_figures(self):
        result = self.result(lambda number: REFUSAL if number <= 100 else ANSWER, 1, 500, 400, warmup_ms=400)
        self.assertEqual((result["warmup_good"], result["good"], result["other_status"]), (100, 200, 0))

    def test_a_stall_counts_against_every_request_that_it_delays(self):
        """200 ms at 500 requests a second delay 100 of 1,000, by 100 ms on average; a closed loop on one connection
        would have seen one of them."""

        def stall_once(number):
            if number == 500:
                time.sleep(0.2)
            return ANSWER

        for connections in (1, 64):
            latency_us = self.result(stall_once, connections, 500, 2000)["latency_us"]
            self.assertGreaterEqual(latency_us["p95"], 90_000)
            self.assertGreaterEqual(latency_us["p99"], 170_000)
            self.assertGreaterEqual(latency_us["p99.9"], 190_000)
            self.assertLess(latency_us["p50"], latency_us["p95"])

    def test_a_refusal_is_no_good_answer(self):
        result = self.result(lambda number: REFUSAL if number % 2 else ANSWER, 4, 500, 400)
        self.assertEqual((result["good"], result["other_status"]), (100, 100))

    def test_a_connection_that_breaks_is_a_failed_request(self):
        result = self.result(lambda number: None if number == 50 else ANSWER, 4, 500, 400)
        self.assertEqual((result["good"], result["failed"], result["lost_connections"]), (199, 1, 1))

    def test_what_is_never_answered_is_said(self):
        result = self.result(lambda number: b"" if number == 50 else ANSWER, 4, 500, 400)
        self.assertEqual((result["good"], result["unanswered"]), (199, 1))
        self.assertGreaterEqual(result["latency_us"]["max"], 10_000_000)

    def test_a_stream_begins_again_only_where_that_is_wanted(self):
        self.assertEqual(self.run_openloop(lambda _: ANSWER, 1, 500, 400, records=100).returncode, 1)
        self.assertEqual(self.result(lambda _: ANSWER, 1, 500, 400, records=100, again=True)["good"], 200)


class Streams(unittest.TestCase):
    def test_records_come_out_as_they_went_in(self):
        requests = [streams.post("e", "1"), streams.delete("e", "22"), streams.find("e", "333"), streams.count("e")]
        self.assertEqual(streams.unpack(streams.pack(requests)), [request.encode() for request in requests])

    def test_each_run_has_users_of_its_own(self):
        data = streams.pack(streams.post(number, streams.new_user(number)) for number in range(100))
        seen = set()
        for run in (streams.RUN_MIN, streams.RUN_MAX):
            records = streams.unpack(streams.for_run(data, run))
            for record in records:
                head, body = record.split(b"\r\n\r\n")
                self.assertIn(b"Content-Length: %d" % len(body), head)
                seen.add(json.loads(body)["user_id"])
        self.assertEqual(len(seen), 200)

    def test_zipf(self):
        draws = streams.zipf(1000, 20000, 1)
        self.assertAlmostEqual(draws.count(0) / draws.count(9), 10, delta=3)
        self.assertLess(max(draws), 1000)


class Results(unittest.TestCase):
    def test_what_pgbench_says(self):
        output = "number of transactions actually processed: 40\nnumber of failed transactions: 0 (0.000%)\ntps = 20.5 (x)\n"
        pgbench = contestants.Pgbench(None, None)
        self.assertEqual(pgbench.result(output, 4, {}, 0)["throughput_per_s"], 20.5)
        self.assertEqual(pgbench.result(output, 4, {}, 0)["faults"], [])
        self.assertEqual(pgbench.result("", 4, {}, 0)["faults"], ["no transaction was done"])
        failed = output.replace("failed transactions: 0", "failed transactions: 3")
        self.assertEqual(pgbench.result(failed, 4, {}, 0)["faults"], ["3 failed transactions"])

    def results(self):
        def result(throughput, *faults):
            return {"throughput_per_s": throughput, "clients": 4, "latency_us": {"p50": 100, "p99": 900}, "faults": list(faults),
                    "cpu_us_per_request": {"load": 1, "service": 2, "postgres": 3, "redis": 4}}

        return {"machine": {"cores": 2}, "scale": {"rounds": 1}, "quick": False, "seconds": 1, "works": {"w": {
            "title": "a work", "contestants": {
                "rsvpd": {"setup": {}, "median_per_s": 1500, "rounds": [result(1500)], "faults": []},
                "pgbench": {"setup": {"clients": 16}, "median_per_s": 1000, "rounds": [result(1000)], "faults": ["broke"]}},
            "ratios": {"pgbench": {"rounds": [1.5], "median": 1.5, "min": 1.5, "max": 1.5, "target": 2}},
            "latency": {"latency_us": {"p50": 1, "p95": 4999, "p99": 3, "p99.9": 4}, "rate_per_s": 1050, "p95_target_ms": 5,
                        "faults": []},
            "curve": {"rsvpd": [result(10), result(0, "broke")], "pgbench": [result(20)]}}}}

    def test_tables(self):
        results = self.results()
        self.assertEqual(list(report.throughput_rows(results)),
                         [["a work", "1,500", "pgbench, 16 clients", "1,000", "1.50", "1.50 to 1.50", "2", "no"]])
        self.assertEqual(list(report.latency_rows(results))[0][-2:], ["5", "yes"])
        self.assertEqual(len(report.faults(results)), 2)
        for text in (report.as_text(results), report.as_markdown(results)):
            self.assertIn("INVALID: a work: pgbench: broke", text)

    def test_plots(self):
        for draw in (plot.throughput, plot.latency):
            picture = xml.dom.minidom.parseString(draw(self.results()))
            self.assertEqual(len(picture.getElementsByTagName("polyline")), 2 if draw is plot.throughput else 4)
        self.assertEqual(plot.Linear([3, 42]).ticks, [0, 10, 20, 30, 40, 50])
        self.assertEqual(plot.Log([1, 256], 4).ticks, [1, 4, 16, 64, 256])


if __name__ == "__main__":
    unittest.main()
