#!/usr/bin/python3
"""Tests the instrument: that openloop counts a stall against every request it delays, that nothing which goes wrong is
taken for a good figure, that populations are what they are said to be, and that streams, tables and plots say what they
were given. $OPENLOOP, $POPULATION and $TOKENS are the programs."""
import argparse
import collections
import itertools
import json
import mmap
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import xml.dom.minidom

import against
import auth
import contestants
import cores
import machine
import memory
import partition_stores
import partitions
import plot
import population
import report
import retention
import scale
import scale_report
import scale_stores
import scale_works
import streams

OPENLOOP = os.environ["OPENLOOP"]
POPULATION = os.environ["POPULATION"]
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


class Populations(unittest.TestCase):
    ROWS = 200_000

    def setUp(self):
        self.people = population.Population(POPULATION, self.ROWS)

    def test_all_members_differ_and_none_is_missing(self):
        members = self.people.sample(0, self.ROWS)
        self.assertEqual((len(members), len(set(members))), (self.ROWS, self.ROWS))
        self.assertEqual({int(event) for event, _ in members}, set(range(self.people.events)))
        users = [int(user) for _, user in members]
        self.assertTrue(0 <= min(users) and max(users) < population.USERS)
        self.assertAlmostEqual(sum(users) / len(users) / population.USERS, 0.5, delta=0.01)

    def test_events_follow_zipfs_law_past_the_first(self):
        """Ranks far from the first: ten times the rank, a tenth of the members; the sizes fall; the first has its share."""
        counted = collections.Counter(int(event) for event, _ in self.people.sample(0, self.ROWS))
        sizes = [counted[rank] for rank in range(self.people.events)]
        self.assertEqual(sizes[population.LARGEST_EVENT], self.ROWS // population.LARGEST_SHARE)
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        # C / (rank + q), by two ranks; the law must give the others.
        q = (sizes[1000] * 1000 - sizes[100] * 100) / (sizes[100] - sizes[1000])
        for rank in (0, 10, 30, 300, 1999):
            self.assertAlmostEqual(sizes[rank] * (rank + q) / (sizes[100] * (100 + q)), 1, delta=0.1)

    def test_members_that_are_missing_are_no_population(self):
        with self.people.lines(0, 2) as lines:
            self.assertEqual(len(lines.readlines()), 1 + 2)
        with self.assertRaisesRegex(RuntimeError, "population ended with 2"):
            with self.people.lines(0, self.ROWS + 1) as lines:
                lines.read()

    def test_a_key_is_an_order_of_the_same_members(self):
        one, other = self.people.sample(1, self.ROWS), self.people.sample(2, self.ROWS)
        self.assertEqual(sorted(one), sorted(other))
        self.assertNotEqual(one, other)
        self.assertEqual(self.people.sample(1, 1000), one[:1000])
        # No order that an index knows: of neighbouring lines as many fall as rise.
        rises = sum(before < after for before, after in itertools.pairwise(one))
        self.assertAlmostEqual(rises / len(one), 0.5, delta=0.01)

    def test_bad_arguments(self):
        for arguments in ([], ["200000", "0"], ["19900", "0", "1"], ["200001", "0", "1"], ["200000", "0", "200001"],
                          ["200000", "-", "1"]):
            done = subprocess.run([POPULATION, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)

    def test_works_ask_about_members_and_can_be_undone(self):
        members = set(self.people.sample(0, self.ROWS))
        for work in scale_works.WORKS:
            made = work.requests(self.people, scale_works.Sizes(requests=4000, writes=2000, asked_events=1000))
            methods = collections.Counter(record.split()[0] for record in made.records)
            self.assertEqual(len(made.added), methods["POST"], work.name)
            self.assertEqual(len(made.cancelled), methods["DELETE"], work.name)
            self.assertEqual(len(set(made.added)), len(made.added), work.name)
            self.assertTrue(set(made.cancelled) <= members, work.name)
            self.assertFalse({user for _, user in made.added} & {user for _, user in members}, work.name)
            if work.changes:
                self.assertEqual(len(made.records), len(getattr(made, work.changes)), work.name)

    def test_half_of_the_look_ups_hit(self):
        members = set(self.people.sample(0, self.ROWS))
        made = scale_works.look_up(self.people, scale_works.Sizes(requests=4000, writes=1, asked_events=1))
        asked = [tuple(record.split()[1].split("/")[3::2]) for record in made.records]
        self.assertAlmostEqual(sum(pair in members for pair in asked) / len(asked), 0.5, delta=0.05)


class Memory(unittest.TestCase):
    @staticmethod
    def samples(kib_of):
        return [(second, kib_of(second)) for second in range(0, 600, 10)]

    def test_growth_past_the_warm_up(self):
        steady = memory.growth(self.samples(lambda second: 20000 if second < 60 else 200_000), 60)
        self.assertFalse(steady["grows"])
        self.assertEqual((steady["first_kib"], steady["last_kib"], steady["slope_kib_per_hour"]), (200_000, 200_000, 0))
        leak = memory.growth(self.samples(lambda second: 200_000 + 10 * second), 60)
        self.assertTrue(leak["grows"])
        self.assertAlmostEqual(leak["slope_kib_per_hour"], 36000)
        self.assertFalse(memory.growth(self.samples(lambda second: 20000 + second), 60)["grows"])  # below 1 MiB
        self.assertTrue(memory.growth([(1, 1)], 0)["faults"])

    def test_idle_connections(self):
        """Each makes its request and is held; none is missed that was closed or refused."""
        request = streams.find(0, 0).encode()
        with Stub(lambda _: ANSWER) as stub:
            result = memory.of_idle_connections(os.getpid(), stub.port, 50, request)
        self.assertEqual((result["connections"], result["faults"]), (50, []))
        for behave, error in ((lambda number: ANSWER if number < 50 else None, OSError), (lambda _: REFUSAL, RuntimeError)):
            with Stub(behave) as stub, self.assertRaises(error):
                memory.of_idle_connections(os.getpid(), stub.port, 50, request)


class Scale(unittest.TestCase):
    def results(self):
        def result(throughput, *faults):
            return {"throughput_per_s": throughput, "faults": list(faults),
                    "cpu_us_per_request": {"load": 1, "service": 2, "postgres": 3, "redis": 4}}

        def database(*faults):
            return {"import": {"seconds": 10.0, "lines_per_s": 100_000, "faults": []},
                    "storage": {"table": 2 ** 20, "indexes": 2 ** 21, "counters": 2 ** 10, "bytes_per_row": 150},
                    "plans": {"faults": list(faults)}, "verify": {"faults": []}}

        return {"machine": {"cores": 2}, "quick": False, "seconds": 1, "plan": {"rounds": 2, "rows": [100_000, 200_000]},
                "databases": {"100000": database(), "200000": database("a scan")},
                "works": {"w": {"title": "a work", "sizes": {"100000": [result(1000), result(2000)],
                                                             "200000": [result(700), result(1300, "broke")]},
                                "ratio": {"median": 0.675, "min": 0.65, "max": 0.7, "target": 0.8}}},
                "idle": {"connections": 10, "kib_per_connection": {"rss": 20.5, "pss": 20}, "target_kib": 20,
                         "kernel_kib_per_connection": {"slab": 1, "buffers": 2}, "faults": []},
                "memory": {"rows": 200_000, "minutes": 10, "first_kib": 1024, "last_kib": 2048, "first_third_kib": 1024,
                           "last_third_kib": 2048, "slope_kib_per_hour": 10, "grows": False, "faults": []}}

    def test_tables(self):
        results = self.results()
        self.assertEqual(list(scale_report.throughput_rows(results)),
                         [["a work", "1,500", "1,000", "0.68", "0.65 to 0.70", "0.8", "no"]])
        self.assertEqual([row[-1] for row in scale_report.database_rows(results)], ["yes", "no"])
        self.assertEqual([row[-1] for row in scale_report.memory_rows(results)], ["no", "", "", "", "yes"])
        self.assertEqual(len(scale_report.faults(results)), 2)
        for text in (scale_report.as_text(results), scale_report.as_markdown(results)):
            self.assertIn("INVALID: 200,000 rows: plans: a scan", text)
            self.assertIn("INVALID: a work: 200,000 rows: broke", text)

    def test_tables_of_a_run_that_was_stopped(self):
        results = self.results() | {"works": {}}
        for part in ("idle", "memory", "databases"):
            del results[part]
        self.assertIn("Took 1 s.", scale_report.as_text(results))

    def test_what_an_import_says(self):
        said = scale_stores.read_summary("import rsvp: 20 lines, 18 added, 1 already there, 1 bad, 0.5 s, 40 lines/s\n")
        self.assertEqual(said, {"lines": 20, "added": 18, "there": 1, "bad": 1, "seconds": 0.5, "lines_per_s": 40})
        self.assertRaises(RuntimeError, scale_stores.read_summary, "")

    def test_sizes(self):
        self.assertEqual(scale.parse_rows("100000,200000"), (100_000, 200_000))
        for wrong in ("200000,100000", "100000,100000", "1000", "100001"):
            self.assertRaises(argparse.ArgumentTypeError, scale.parse_rows, wrong)


class Partitions(unittest.TestCase):
    @staticmethod
    def result(throughput, *faults):
        return {"throughput_per_s": throughput, "faults": list(faults),
                "cpu_us_per_request": {"load": 1, "service": 2, "postgres": 3, "redis": 4}}

    def test_statements(self):
        table, indexes = partition_stores.statements(0)
        self.assertFalse([statement for statement in table + indexes if "PARTITION" in statement])
        table, _ = partition_stores.statements(16)
        self.assertEqual(sum("MODULUS 16" in statement for statement in table), 16)

    def test_a_list_is_of_members(self):
        people = population.Population(POPULATION, 100_000)
        made = partitions.user_list(people, scale_works.Sizes(requests=1, writes=500, asked_events=1))
        users = {user for _, user in people.sample(0, people.rows)}
        self.assertEqual(len(made.records), 500)
        self.assertTrue({record.split()[1].split("/")[3] for record in made.records} <= users)

    def test_tables(self):
        upkeep = {"changed": 1000, "log_bytes": 20, "checkpoint_s": 3, "checkpoint_mib": 4, "vacuum_s": 5}
        storage = {"table": 2 ** 20, "indexes": 2 ** 21, "bytes_per_row": 150, "key_levels": 3, "user_levels": 3}
        results = {"machine": {"cores": 2}, "quick": False, "seconds": 1, "plan": {"rounds": 2, "upkeeps": 1}, "sizes": {"100000": {
            "storage": {"0": storage, "16": storage}, "upkeep": {"0": [upkeep], "16": [upkeep | {"vacuum_s": 7}]},
            "works": {"has_rsvped": {"0": [self.result(1000), self.result(2000)],
                                     "16": [self.result(900), self.result(1000, "broke")]}}, "faults": ["a fault"]}}}
        self.assertEqual([row[3:6] for row in partitions.work_rows(results)],
                         [["1,500", "1.00", "1.00 to 1.00"], ["950", "0.70", "0.50 to 0.90"]])
        self.assertEqual([row[-1] for row in partitions.upkeep_rows(results)], ["5 (5 to 5)", "7 (7 to 7)"])
        self.assertEqual(partitions.faults(results), ["has_rsvped, 100,000 rows, 16 partitions: broke", "a fault"])
        self.assertIn("16 partitions", report.markdown_document(partitions.tables(results), []))

    def test_tables_of_retention(self):
        def step(seconds):
            return {"seconds": seconds, "log_mib": 1, "postgres_s": 0.5}

        results = {"machine": {}, "plan": {"rounds": 2, "rows": 120_000}, "pruned": [10_000, 10_000],
                   "ends": {"one": [{"prune": step(1)}, {"prune": step(3)}]}}
        self.assertEqual([row[2:] for row in retention.end_rows(results)], [["2", "1 to 3", "5,000", "105", "50"]])
        self.assertEqual(retention.faults(results), [])
        self.assertEqual(len(retention.faults(results | {"pruned": [5_000]})), 1)


class Cores(unittest.TestCase):
    def test_prediction(self):
        spent_us = {"load": 10, "service": 10, "postgres": 8, "redis": 2}
        self.assertAlmostEqual(cores.predict(spent_us, 4, False), 200_000)
        self.assertAlmostEqual(cores.predict(spent_us, 4, True), 125_000)  # PostgreSQL has one core's time

    def test_the_fullest_core_is_the_limit(self):
        spent_us = {"load": 10, "service": 20, "postgres": 50, "redis": 20}
        self.assertEqual([round(cores.allowed_per_s(place, spent_us)) for place in cores.PLACES.values()],
                         [10_000, 20_000, 11_111, 12_500, 20_000])

    def test_tables(self):
        result = Partitions.result
        places = {name: [result(1000 if name == cores.ONE else 1600)] * 3 for name in cores.PLACES}
        inside = {"waits": {"runs": 3, "Lock: tuple": 1}, "batches_per_s": 10, "operations_per_batch": 5, "faults": []}
        results = {"machine": {}, "plan": {"rounds": 3}, "listeners": {"2": [1, 1.1, 1.2]},
                   "works": {"w": {"title": "a work", "places": places, "inside": inside}}}
        row, = cores.predicted_rows(results)
        self.assertEqual(row[1:4], ["9", "1.60 (1.60 to 1.60)", "202,020 to 222,222"])
        self.assertEqual(list(cores.wait_rows(results))[0][-1], "runs 75%, Lock: tuple 25%")
        self.assertEqual(list(cores.listener_rows(results)), [["2", "1.10", "1.00 to 1.20"]])
        self.assertEqual(len(list(cores.place_rows(results))), len(cores.PLACES))
        self.assertEqual(cores.faults(results), [])

    def test_one_listener_gets_all(self):
        self.assertEqual(set(cores.fullest(1, 2)), {1.0})
        self.assertTrue(all(1 <= times <= 2 for times in cores.fullest(2, 2)))


class Auth(unittest.TestCase):
    def test_a_spoilt_token_is_as_long_and_another(self):
        for token in ("a.b.0123456789", "a.b.0AAAAAAAA9"):
            spoilt = auth.spoilt(token)
            self.assertEqual(len(spoilt), len(token))
            self.assertNotEqual(spoilt, token)
            self.assertEqual(spoilt[:4], token[:4])

    def test_tokens(self):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([os.environ["TOKENS"], directory, "ES256:3", "HS256:2"], check=True)
            for name, count in (("ES256", 3), ("HS256", 2)):
                with open(f"{directory}/{name}.tokens", encoding="ascii") as file:
                    tokens = file.read().split()
                self.assertEqual(len(set(tokens)), count)
                self.assertTrue(all(token.count(".") == 2 for token in tokens))
            with open(f"{directory}/jwks.json", encoding="ascii") as file:
                self.assertEqual([key["kid"] for key in json.load(file)["keys"]], ["ES256"])

    def test_tables(self):
        def result(throughput, *faults):
            return {"throughput_per_s": throughput, "faults": list(faults), "cpu_us_per_request": {"service": 2}}

        slower = auth.compare([[result(1000), result(800)], [result(1000), result(950, "broke")]], 0.9)
        flood = {"median": 2.5, "min": 1, "max": 4, "target_most": 2, "base_us": 1000, "other_us": 2500, "faults": []}
        results = {"machine": {"cores": 2}, "quick": False, "seconds": 1, "rounds": 2,
                   "works": {"w": {"look-ups": slower}, "flood": {"p95": flood}}}
        self.assertEqual([row[3:7] for row in auth.rows(results)],
                         [["0.88", "0.80 to 0.95", "0.9", "no"], ["2.50", "1.00 to 4.00", "at most 2", "no"]])
        self.assertEqual(auth.faults(results), ["look-ups: broke"])
        self.assertIn("with tokens", report.text_document(auth.tables(results), []))


class Machine(unittest.TestCase):
    def test_pages_of_the_largest_mapping(self):
        with mmap.mmap(-1, 2 ** 30):
            self.assertEqual(machine.largest_mapping_page_kib(os.getpid()) * 1024, mmap.PAGESIZE)


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

        return {"machine": {"cores": 2}, "scale": {"rounds": 1, "latency_rounds": 2}, "quick": False, "seconds": 1, "works": {"w": {
            "title": "a work", "contestants": {
                "rsvpd": {"setup": {}, "median_per_s": 1500, "rounds": [result(1500)], "faults": []},
                "pgbench": {"setup": {"clients": 16}, "median_per_s": 1000, "rounds": [result(1000)], "faults": ["broke"]}},
            "ratios": {"pgbench": {"rounds": [1.5], "median": 1.5, "min": 1.5, "max": 1.5, "target": 2}},
            "latency": {"latency_us": {"p50": 1, "p95": 4999, "p99": 3, "p99.9": 4}, "rate_per_s": 1050, "p95_target_ms": 5,
                        "rounds": [{"latency_us": {"p95": 4000}}, {"latency_us": {"p95": 5998}}], "faults": []},
            "curve": {"rsvpd": [result(10), result(0, "broke")], "pgbench": [result(20)]}}}}

    def test_tables(self):
        results = self.results()
        self.assertEqual(list(report.throughput_rows(results)),
                         [["a work", "1,500", "pgbench, 16 clients", "1,000", "1.50", "1.50 to 1.50", "2", "no"]])
        self.assertEqual(list(report.latency_rows(results))[0][-3:], ["4 to 6", "5", "yes"])
        self.assertEqual(len(report.faults(results)), 2)
        for text in (report.as_text(results), report.as_markdown(results)):
            self.assertIn("INVALID: a work: pgbench: broke", text)

    def test_now_and_earlier(self):
        def result(throughput, *faults):
            return {"throughput_per_s": throughput, "faults": list(faults),
                    "cpu_us_per_request": {"load": 1, "service": 2, "postgres": 3, "redis": 4}}

        rounds = {"rsvpd": [result(970), result(1940)], "earlier": [result(1000), result(2000, "broke")]}
        results = {"works": {"w": {"title": "a work", "rounds": rounds,
                                   "ratios": against.bench_main.ratios(rounds, {})["earlier"]}}}
        self.assertEqual(list(against.rows(results)),
                         [["a work", "1,455", "1,500", "0.970", "0.97 to 0.97", "no", "2", "3", "2", "3"]])
        self.assertEqual(against.faults(results), ["a work: earlier: broke"])

    def test_plots(self):
        for draw in (plot.throughput, plot.latency):
            picture = xml.dom.minidom.parseString(draw(self.results()))
            self.assertEqual(len(picture.getElementsByTagName("polyline")), 2 if draw is plot.throughput else 4)
        self.assertEqual(plot.Linear([3, 42]).ticks, [0, 10, 20, 30, 40, 50])
        self.assertEqual(plot.Log([1, 256], 4).ticks, [1, 4, 16, 64, 256])


if __name__ == "__main__":
    unittest.main()
