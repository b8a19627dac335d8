#!/usr/bin/python3
"""Tests docs/design/capacity.py: that formulas are computed as they stand, that markers hold what they should, that a number
without a formula, a page that says something else, and a later run are found, and that errors say what is wrong."""
import contextlib
import datetime
import io
import math
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "docs", "design"))
import capacity  # noqa: E402

FILES = {
    "assumptions": '[users]\nvalue = 100\nunit = ""\nmeans = "users"\nreason = "a guess"\nrange = [1, 1000]\n'
                   '[price]\nvalue = 2\nunit = "USD"\nmeans = "price"\nreason = "a guess"\n',
    "measured": '[size]\nvalue = 2500\nunit = "B"\nmeans = "size"\ndate = 2026-11-20\ncommand = "run"\npage = "page.md"\n'
                'row = ["a", "x"]\ncolumn = "KB"\ntimes = 1000\n',
    "prices": "",
    "derived": '[all]\ntotal = ["B", "users * size", "bytes of all"]\ncost = ["USD", "total / 1e3 * price", "cost"]\n',
    "tables": '[steps]\nkind = "steps"\nrows = ["total"]\n[scales]\nkind = "scales"\nrows = ["total"]\n'
              '[grid]\nkind = "grid"\nhead = ["a", "b"]\nrows = [["x", "=users / 3"]]\n'
              '[assumed]\nkind = "inputs"\nof = "assumptions"\ncolumns = ["reason"]\n',
}
PAGE = "| date | 20 November 2026 |\n\n## T\n\n| w | k | KB |\n| --- | --- | --- |\n| a | y | 9 |\n| a | x | 2.5 |\n\n## U\n\nIt is 7.5 KB now.\n"


class Tree(unittest.TestCase):
    """A calculator of its own in a directory, with a page of results."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = holder.name
        for name, text in FILES.items():
            self.put(f"{name}.toml", text)
        self.put("page.md", PAGE)

    def put(self, name, text):
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as file:
            file.write(text)

    def get(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8") as file:
            return file.read()

    def model(self):
        return capacity.Model(self.root)

    def tables(self):
        return capacity.Tables(self.model(), self.root)

    def faults(self):
        os.remove(os.path.join(self.root, "page.md"))  # it is a page of results, not of the design
        try:
            return [fault for fault in capacity.check(self.tables(), self.root) if "page.md" not in fault]
        finally:
            self.put("page.md", PAGE)

    def assert_fault(self, part, call, *arguments):
        with self.assertRaises(capacity.Fault) as raised:
            call(*arguments)
        self.assertIn(part, str(raised.exception))


class Formulas(Tree):
    def test_computes_what_stands_there(self):
        for formula, value in (("1 + 2 * 3", 7), ("2 ** 10 / 4", 256), ("-(3 - 5)", 2), ("max(1, ceil(2.1))", 3), ("a * a", 49)):
            self.assertEqual(capacity.evaluate(formula, {"a": 7}.__getitem__), value)

    def test_refuses_what_is_no_formula(self):
        for formula, part in (("1 +", "is no formula"), ("__import__('os')", "may not stand"), ("(1).real", "may not stand"),
                              ("open(1)", "may not stand"), ("'a'", "may not stand"), ("1 / 0", "division by zero"),
                              ("True", "may not stand"), ("[1]", "may not stand"), ("a if a else a", "may not stand")):
            self.assert_fault(part, capacity.evaluate, formula, {"a": 1}.__getitem__)

    def test_steps_of_a_price(self):
        self.assertEqual(capacity.tiered(5, 10, 2, 1), 10)
        self.assertEqual(capacity.tiered(15, 10, 2, 20, 1, 0.5), 25)
        self.assertEqual(capacity.tiered(40, 10, 2, 20, 1, 0.5), 40)

    def test_sizes_that_are_sold(self):
        self.assertEqual([capacity.size_up(count) for count in (1, 2, 3, 4, 4.1, 33, 64, 192)], [2, 2, 4, 4, 8, 48, 64, 192])
        self.assert_fault("no machine has 193 processors", capacity.size_up, 193)

    def test_harmonic_is_the_sum(self):
        for exponent in (0.8, 1, 1.2):
            exact = sum(k ** -exponent for k in range(1, 50_001))
            self.assertTrue(math.isclose(capacity.harmonic(50_000, exponent), exact, rel_tol=1e-6))

    def test_shares_of_zipf(self):
        self.assertEqual(capacity.zipf_share(10, 10, 1), 1)
        self.assertAlmostEqual(capacity.zipf_share(1, 2, 1), 2 / 3)
        self.assertAlmostEqual(capacity.zipf_share(25, 100, 0), 0.25)

    def test_what_a_cache_keeps(self):
        """One thing alone: of r requests a second, one in (r * s + 1) goes to the store."""
        self.assertAlmostEqual(capacity.zipf_kept(99, 1, 1, 1), 0.99)
        self.assertAlmostEqual(capacity.zipf_kept(200, 1, 2, 0), 100 / 101)
        exact = 0
        total = sum(1 / k for k in range(1, 2001))
        for k in range(1, 2001):
            asked = 1000 * 2.5 / k / total
            exact += 1 / k / total * asked / (asked + 1)
        self.assertAlmostEqual(capacity.zipf_kept(1000, 2.5, 2000, 1), exact, places=4)


class Values(Tree):
    def test_derived_from_inputs(self):
        self.assertEqual(self.model().values(), {"users": 100, "price": 2, "size": 2500, "total": 250_000, "cost": 500})

    def test_overrides_reach_what_depends_on_them(self):
        values = self.model().values({"users": 200})
        self.assertEqual((values["total"], values["cost"]), (500_000, 1000))
        values = self.model().values({"total": 1000})
        self.assertEqual((values["users"], values["cost"]), (100, 2))

    def test_scales_leave_the_range(self):
        self.put("assumptions.toml", FILES["assumptions"] + '[spike_users]\nvalue = 1\nunit = ""\nmeans = "x"\nreason = "x"\n')
        self.assertEqual(self.model().scaled(100)["total"], 25_000_000)

    def test_errors(self):
        model = self.model()
        self.assert_fault("there is no quantity 'usres'", model.values, {"usres": 1})
        self.assert_fault("there are users", model.values, {"users_day": 1})
        self.assert_fault("users=0 is out of range: 1 to 1000", model.values, {"users": 0})
        self.assert_fault("total=-1 is out of range", model.values, {"total": -1})

    def test_faulty_files(self):
        for name, text, part in (
                ("derived", '[a]\nx = ["", "y", ""]\ny = ["", "x", ""]\n', "round in a circle: x -> y -> x"),
                ("derived", '[a]\nx = ["", "nobody + 1", ""]\n', "the formula of x: there is no quantity 'nobody'"),
                ("derived", '[a]\nusers = ["", "1 + 1", ""]\n', "users is in assumptions.toml and in derived.toml"),
                ("assumptions", '[a]\nvalue = 1\nunit = ""\nmeans = "a"\n', "a lacks 'reason'"),
                ("prices", '[a]\nvalue = 1\nunit = ""\nmeans = "a"\nsource = "b"\n', "a lacks 'date'"),
                ("measured", "[", "measured.toml")):
            self.put(f"{name}.toml", text)
            self.assert_fault(part, lambda: self.model().values())
            self.put(f"{name}.toml", FILES[name])


class Shown(unittest.TestCase):
    def test_values(self):
        for value, unit, text in (
                (5928, "", "5,930"), (29641.2, "/s", "29,600"), (20e6, "", "20 million"), (1.8e9, "", "1.8 billion"), (0, "", "0"),
                (0.0377, "", "0.0377"), (173.4e9, "B", "173 GB"), (999.9e6, "B", "1 GB"), (84, "B", "84 bytes"), (0.517, "%", "51.7 %"),
                (0.99999734, "%", "99.9997 %"), (1, "%", "100 %"), (1.106, "%", "111 %"),
                (1210.4, "USD", "$1,210"), (63.568, "USD", "$63.57"), (0.000379, "USD", "$0.000379"), (2.5e6, "USD", "$2.5 million"),
                (3.08e9, "bit/s", "3.08 Gbit/s"), (22.1, "s", "22.1 s"), (99.99, "", "100"), (1e6, "", "1 million"), (2, "", "2")):
            self.assertEqual(capacity.show(value, unit), text)


class Documents(Tree):
    def test_write_fills_markers_and_check_finds_what_differs(self):
        self.put("01.md", "In <!--=total-->?<!--/-->, <!--=users * 2-->?<!--/-->.\n\n<!-- capacity: grid -->\nold\n<!-- /capacity -->\n")
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(len(self.faults()), 3)
            capacity.write(self.tables())
        self.assertEqual(self.get("01.md"), "In <!--=total-->250 KB<!--/-->, <!--=users * 2-->200<!--/-->.\n\n<!-- capacity: grid -->\n\n"
                                            "| a | b |\n| --- | --- |\n| x | 33.3 |\n\n<!-- /capacity -->\n")
        self.assertEqual(self.faults(), [])
        self.put("01.md", self.get("01.md").replace("250 KB", "251 KB").replace("33.3", "34"))
        self.assertEqual([fault.split(": ")[0] for fault in self.faults()], ["01.md:1", "01.md:3"])

    def test_markers_that_nobody_can_fill(self):
        for text, part in (("<!--=nobody-->1<!--/-->", "there is no quantity 'nobody'"), ("<!--=5-->5<!--/-->", "a number alone is no formula"),
                           ("<!--=users-->100", "a marker is not closed"), ("<!-- capacity: x -->\n<!-- /capacity -->\n", "no table 'x'"),
                           ("<!-- capacity: grid -->\n", "a marker is not closed")):
            self.put("01.md", text)
            faults = self.faults()
            self.assertEqual(len(faults), 1, faults)
            self.assertIn(part, faults[0])

    def test_numbers_without_a_formula(self):
        strict = capacity.STRICT
        good = ("# 02 Capacity\n\n## Step 2: x\n\nOn 22 November 2026 the p95 of `42` was [x](y2.md), <!--=users-->100<!--/-->.\n\n"
                "1. One\n\n```sh\nx 5\n```\n\n<!-- capacity: grid -->\n\n| a | b |\n| --- | --- |\n| x | 33.3 |\n\n<!-- /capacity -->\n")
        self.put(strict, good)
        self.assertEqual(self.faults(), [])
        self.put("01.md", "Other documents may have 17 of them.\n")
        self.assertEqual(self.faults(), [])
        for number in ("17", "1,000", "2.5", "99.9"):
            self.put(strict, good + f"And {number} more.\n")
            self.assertEqual(self.faults(), [f"{strict}:20: {number} has no formula: put it between markers"])

    def test_inputs_that_nothing_needs(self):
        self.put("prices.toml", '[lost]\nvalue = 1\nunit = ""\nmeans = "a"\nsource = "b"\ndate = 2026-01-01\n')
        self.assertEqual(self.faults(), ["prices.toml: no formula uses lost"])

    def test_tables(self):
        tables = self.tables()
        self.assertIn("| bytes of all | `total` | `users * size` | 250 KB |", tables.text("steps"))
        self.assertIn("| price | `price` | $2.00 | a guess |", tables.text("assumed"))
        self.assertIn("| bytes of all | 250 KB | 2.5 MB | 25 MB |", tables.text("scales"))


class Measured(Tree):
    def faults_of(self, **more):
        quantity = self.model().quantities["size"]
        return list(capacity.measured_faults(quantity._replace(more=quantity.more | more), self.root))

    def test_the_page_says_the_same(self):
        self.assertEqual(self.faults_of(), [])
        self.assertEqual(self.faults_of(section="T"), [])
        self.assertEqual(self.faults_of(quote="It is 7.5 KB", value=7500), [])

    def test_the_page_says_something_else(self):
        for more, part in (({"value": 2600}, "the page says 2500, and here is 2600"), ({"row": ["a", "z"]}, "no table has a row"),
                           ({"column": "MB"}, "no table has a row"), ({"section": "V"}, "no heading"), ({"section": "U"}, "no table"),
                           ({"quote": "It is 8 KB"}, "does not say"), ({"page": "gone.md"}, "No such file")):
            self.assertIn(part, "".join(self.faults_of(**more)))

    def test_a_later_run(self):
        self.put("page.md", PAGE.replace("20 November", "21 November"))
        self.assertIn("measured on 2026-11-20, and the last published run is of 2026-11-21", "".join(self.faults_of()))
        self.assertEqual(self.faults_of(date=datetime.date(2026, 11, 21)), [])

    def test_reads_the_pages_again(self):
        self.put("page.md", PAGE.replace("20 November", "21 November").replace("2.5", "1,002.75"))
        capacity.read_pages(self.model(), self.root, self.root)
        more = self.model().quantities["size"].more
        self.assertEqual((more["value"], more["date"], more["times"]), (1_002_750, datetime.date(2026, 11, 21), 1000))
        self.assertEqual(self.faults_of(), [])
        kept = self.get("measured.toml")
        capacity.read_pages(self.model(), self.root, self.root)
        self.assertEqual(self.get("measured.toml"), kept)


class Commands(unittest.TestCase):
    def run_main(self, *arguments):
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            status = capacity.main(list(arguments))
        return status, out.getvalue(), errors.getvalue()

    def test_names(self):
        status, out, _ = self.run_main("--names")
        self.assertEqual(status, 0)
        self.assertIn("\n    users * daily_share\n", out)

    def test_what_if(self):
        status, out, _ = self.run_main("--what-if", "dau=40e6", "peak_factor=10")
        self.assertEqual(status, 0)
        self.assertIn("| `dau` | users who come on a day (DAU) | 20 million | 40 million | 2× |", out)
        self.assertIn("4×", next(line for line in out.splitlines() if line.startswith("| `rsvps_peak`")))
        self.assertNotIn("`users`", out)

    def test_errors_say_what_to_do(self):
        for arguments, part in ((["dua=1"], "there is no quantity 'dua'"), (["dau"], "write NAME=NUMBER"), (["dau=x"], "write NAME=NUMBER"),
                                (["dau=nan"], "write NAME=NUMBER"), (["daily_share=2"], "daily_share=2 is out of range: 0 to 1")):
            status, out, errors = self.run_main("--what-if", *arguments)
            self.assertEqual((status, out), (2, ""))
            self.assertIn(part, errors)


if __name__ == "__main__":
    unittest.main()
