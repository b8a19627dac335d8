#!/usr/bin/python3
"""Calculates the capacity and the cost of this system, and writes every number that the design documents derive.

usage: capacity.py --names                       every quantity: name, value, formula, meaning
       capacity.py --write                       fills the markers of the documents
       capacity.py --check                       1 if a document and this calculator disagree
       capacity.py --what-if NAME=VALUE ...      what changes, as a table
       capacity.py --read-pages                  takes what docs/results say now into measured.toml

assumptions.toml, measured.toml and prices.toml are the inputs, derived.toml has a formula for everything else, and tables.toml
says which tables show them. A formula is computed as it stands there, and shown as it stands there. In a document a value
stands between <!--=FORMULA--> and <!--/-->, a table between <!-- capacity: NAME --> and <!-- /capacity -->.
"""
import argparse
import ast
import collections
import datetime
import glob
import math
import operator
import os
import re
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INPUTS = ("assumptions", "measured", "prices")
STRICT = "02-capacity-estimation.md"  # here no number stands outside of markers
SCALES = (1, 10, 100)

# value: a number. formula: None for an input. source: the file it comes from. more: what else an input says of itself.
Quantity = collections.namedtuple("Quantity", "name unit formula meaning source more")


class Fault(Exception):
    """What is wrong, for who called."""


# -- formulas ---------------------------------------------------------------------------------------


def zipf_share(top, all_, exponent):
    """The share of what Zipf's law gives to `all_` things that goes to the `top` most popular ones."""
    return harmonic(min(top, all_), exponent) / harmonic(all_, exponent)


def harmonic(count, exponent):
    """The sum of k^-exponent up to count: the first terms one by one, the others by the integral between their middles."""
    exact = int(min(count, 1000))
    head = sum(k ** -exponent for k in range(1, exact + 1))
    low, high = exact + 0.5, count + 0.5
    if high <= low:
        return head
    if exponent == 1:
        return head + math.log(high / low)
    return head + (high ** (1 - exponent) - low ** (1 - exponent)) / (1 - exponent)


def zipf_kept(rate, seconds, all_, exponent):
    """The share of requests that find what another request asked for within `seconds` before, where `rate` requests a second
    go to `all_` things by Zipf's law: a cache that holds each answer for that long. A thing that is asked for r times a
    second is asked of the store once in (seconds + 1/r)."""
    total = harmonic(all_, exponent)
    kept, rank = 0.0, 1
    while rank <= all_:  # things of like rank together: the width grows with the rank
        width = min(max(1, rank // 50), all_ - rank + 1)
        share = width and (rank + (width - 1) / 2) ** -exponent / total
        asked = rate * share * seconds
        kept += width * share * asked / (asked + 1)
        rank += width
    return kept


def tiered(amount, *steps):
    """What an amount costs by steps: up to, price, up to, price, ..., and the price of what is beyond."""
    cost, below = 0.0, 0.0
    for limit, price in zip(steps[::2], steps[1::2]):
        cost += max(0.0, min(amount, limit) - below) * price
        below = limit
    return cost + max(0.0, amount - below) * steps[-1]


SIZES = (2, 4, 8, 16, 32, 48, 64, 96, 128, 192)  # processors of the machines that are sold


def size_up(count):
    """The smallest machine with so many processors."""
    if count > SIZES[-1]:
        raise Fault(f"no machine has {digits(count)} processors")
    return next(size for size in SIZES if size >= count)


FUNCTIONS = {"ceil": math.ceil, "min": min, "max": max, "log2": math.log2, "size_up": size_up, "zipf_share": zipf_share,
             "zipf_kept": zipf_kept, "tiered": tiered}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
             ast.Pow: operator.pow}


def parse(formula):
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except SyntaxError as error:
        raise Fault(f"{formula!r} is no formula: {error.msg}") from error


def names_in(formula):
    """The quantities that a formula needs."""
    return [node.id for node in ast.walk(parse(formula)) if isinstance(node, ast.Name) and node.id not in FUNCTIONS]


def evaluate(formula, look_up):
    """The value of a formula; look_up answers the value of a name."""
    def value(node):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.Name):
            return look_up(node.id)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords:
            return FUNCTIONS[node.func.id](*map(value, node.args))
        raise Fault(f"{formula!r}: {ast.unparse(node)!r} may not stand in a formula")

    try:
        return value(parse(formula))
    except (ZeroDivisionError, OverflowError) as error:
        raise Fault(f"{formula!r}: {error}") from error


# -- the model --------------------------------------------------------------------------------------


def read_toml(directory, name):
    path = os.path.join(directory, f"{name}.toml")
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Fault(f"{path}: {error}") from error


NEEDS = {"assumptions": ("reason",), "measured": ("date", "command", "page"), "prices": ("source", "date")}


def input_quantity(source, name, entry):
    for member in ("value", "unit", "means", *NEEDS[source]):
        if member not in entry:
            raise Fault(f"{source}.toml: {name} lacks {member!r}")
    return Quantity(name, entry["unit"], None, entry["means"], source, entry)


class Model:
    """All quantities, in their order, and their values with some of them overridden."""

    def __init__(self, directory=HERE):
        self.quantities = {}
        for source in INPUTS:
            for name, entry in read_toml(directory, source).items():
                self.add(input_quantity(source, name, entry))
        for group in read_toml(directory, "derived").values():
            for name, (unit, formula, meaning) in group.items():
                self.add(Quantity(name, unit, formula, meaning, "derived", {}))
        for quantity in self.quantities.values():
            for used in names_in(quantity.formula) if quantity.formula else ():
                self.get(used, f"the formula of {quantity.name}")
        self.used = {used for quantity in self.quantities.values() if quantity.formula for used in names_in(quantity.formula)}

    def add(self, quantity):
        if quantity.name in self.quantities:
            raise Fault(f"{quantity.name} is in {self.quantities[quantity.name].source}.toml and in {quantity.source}.toml")
        self.quantities[quantity.name] = quantity

    def get(self, name, where):
        if name not in self.quantities:
            near = [other for other in self.quantities if name.split("_")[0] in other][:5]
            raise Fault(f"{where}: there is no quantity {name!r}" + (f"; there are {', '.join(near)}" if near else ""))
        return self.quantities[name]

    def check_range(self, name, value):
        quantity = self.get(name, "--what-if")
        low, high = quantity.more.get("range", (0, math.inf))
        if not low <= value <= high:
            raise Fault(f"{name}={value:g} is out of range: {low:g} to {high:g} {quantity.unit}".rstrip())

    def values(self, overrides=None):
        """name -> value, of everything."""
        found = dict(overrides or {})
        for name, value in found.items():
            self.check_range(name, value)
        under_way = []

        def look_up(name):
            if name in under_way:
                raise Fault(f"formulas go round in a circle: {' -> '.join([*under_way, name])}")
            if name not in found:
                quantity = self.get(name, under_way[-1] if under_way else "the model")
                under_way.append(name)
                found[name] = evaluate(quantity.formula, look_up) if quantity.formula else quantity.more["value"]
                under_way.pop()
            return found[name]

        for name in self.quantities:
            look_up(name)
        return {name: found[name] for name in self.quantities}

    def scaled(self, factor, overrides=None):
        """The values at so many times the users. The crowd of one event stays: its stadium does not grow with the product."""
        overrides = dict(overrides or {})
        overrides["users"] = self.values(overrides)["users"] * factor
        return self.values_unbounded(overrides)

    def values_unbounded(self, overrides):
        """Scaling may leave the range that an assumption has as one."""
        check, self.check_range = self.check_range, lambda *_: None
        try:
            return self.values(overrides)
        finally:
            self.check_range = check


# -- how values are shown ---------------------------------------------------------------------------

LARGE = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))
BYTES = ((1e15, " PB"), (1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " KB"))


def digits(value):
    """Three digits of what matters."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    text = f"{rounded:,.{min(places, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stepped(value, steps, last=""):
    for size, name in steps:
        if abs(value) >= size * 0.9995:
            return digits(value / size) + name
    return digits(value) + last


def show(value, unit):
    """A value with its unit, where the unit is not a thing that the text names."""
    if unit == "B":
        return stepped(value, BYTES, " bytes")
    if unit == "bit/s":
        return stepped(value, ((1e9, " Gbit/s"), (1e6, " Mbit/s"), (1e3, " kbit/s")), " bit/s")
    if unit == "%":
        return show_share(value) + " %"
    if unit == "USD":
        return show_money(value)
    if unit in ("s", "ms", "µs", "IOPS"):
        return f"{digits(value)} {unit}"
    return stepped(value, LARGE)


def show_share(value):
    """In hundredths. What is nearly all is not shown as all: the digit that differs is."""
    text = digits(value * 100)
    return f"{100 - 100 * float(f'{1 - value:.1g}'):.10g}" if text == "100" and value < 1 else text


def show_money(value):
    if value >= 1e6:
        return "$" + stepped(value, LARGE)
    return f"${value:,.2f}" if 0.1 <= value < 100 else f"${digits(value)}"


def table(head, rows):
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rows))


# -- tables of the documents -------------------------------------------------------------------------


class Tables:
    """What stands between the markers of the documents."""

    def __init__(self, model, directory=HERE):
        self.model, self.values = model, model.values()
        self.specs = read_toml(directory, "tables")
        self.directory = directory

    def shown(self, name, values=None):
        return show((values or self.values)[name], self.model.get(name, "tables.toml").unit)

    def text(self, name):
        if name not in self.specs:
            raise Fault(f"tables.toml has no table {name!r}")
        spec = self.specs[name]
        makers = {"steps": self.steps, "scales": self.scales, "grid": self.grid, "inputs": self.inputs}
        if spec.get("kind") not in makers:
            raise Fault(f"tables.toml: {name}: kind is one of {', '.join(makers)}")
        return makers[spec["kind"]](spec)

    def steps(self, spec):
        """One quantity a line, with its formula."""
        rows = []
        for name in spec["rows"]:
            quantity = self.model.get(name, "tables.toml")
            rows.append([quantity.meaning, f"`{name}`", f"`{quantity.formula or quantity.source}`", self.shown(name)])
        return table(["what", "name", "formula", "value"], rows)

    def scales(self, spec):
        """One quantity a line, at each size of the load."""
        columns = [self.model.scaled(factor) for factor in SCALES]
        rows = [[self.model.get(name, "tables.toml").meaning, *(self.shown(name, values) for values in columns)]
                for name in spec["rows"]]
        return table([spec.get("head", "what"), *(f"{factor}×" for factor in SCALES)], rows)

    def grid(self, spec):
        """Cells as they are, and those that begin with = computed."""
        return table(spec["head"], [[self.cell(cell) for cell in row] for row in spec["rows"]])

    def cell(self, cell):
        return computed(cell[1:], self.model, self.values) if cell.startswith("=") else cell

    def inputs(self, spec):
        """An input file whole, or one group of it."""
        rows = []
        for quantity in self.model.quantities.values():
            if quantity.source != spec["of"]:
                continue
            more = quantity.more
            value = f"{show(more['value'], quantity.unit)}" + ("" if quantity.unit in UNITS_SHOWN else f" {quantity.unit}")
            rows.append([quantity.meaning, f"`{quantity.name}`", value.strip(), *(text_of(more[column]) for column in spec["columns"])])
        return table(["what", "name", "value", *spec["columns"]], rows)


UNITS_SHOWN = ("B", "bit/s", "%", "USD", "s", "ms", "µs", "IOPS", "")


def text_of(value):
    if isinstance(value, datetime.date):
        return f"{value.day} {value:%B %Y}"
    if re.match(r"https://", value):
        return f"<{value}>"
    return f"[{os.path.basename(value)}]({os.path.relpath(os.path.join(ROOT, value), HERE)})" if value.startswith("docs/") else value


def computed(formula, model, values):
    """The text of a formula's value; of a name alone, with its unit."""
    formula = formula.strip()
    for name in names_in(formula):
        model.get(name, f"={formula}")
    if isinstance(parse(formula), ast.Constant):
        raise Fault(f"={formula}: a number alone is no formula")
    unit = model.quantities[formula].unit if formula in model.quantities else ""
    return show(evaluate(formula, values.__getitem__), unit)


# -- documents --------------------------------------------------------------------------------------

INLINE = re.compile(r"<!--=(.*?)-->(.*?)<!--/-->", re.DOTALL)
BLOCK = re.compile(r"(<!-- capacity: ([\w-]+) -->\n)(.*?)(<!-- /capacity -->)", re.DOTALL)
OPENED = re.compile(r"<!--=|<!-- capacity:")


def filled(text, tables):
    """The document with its markers filled."""
    text = BLOCK.sub(lambda found: f"{found[1]}\n{tables.text(found[2])}\n{found[4]}", text)
    return INLINE.sub(lambda found: f"<!--={found[1]}-->{computed(found[1], tables.model, tables.values)}<!--/-->", text)


def differences(page, text, tables):
    """(line, what is wrong) of each marker that does not hold what it should."""
    if len(OPENED.findall(text)) != len(INLINE.findall(text)) + len(BLOCK.findall(text)):
        yield 1, "a marker is not closed"
    for pattern in (INLINE, BLOCK):
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            try:
                right = filled(found[0], tables)
            except Fault as fault:
                yield line, str(fault)
                continue
            if found[0] != right:
                what = found[2] if pattern is BLOCK else f"={found[1]} shows {found[2]!r}, and is {INLINE.match(right)[2]!r}"
                yield line, f"{what}: run docs/design/capacity.py --write"


# What may have digits outside of markers: code, links, dates, headings with the numbers of files and steps. A digit behind a
# letter (p95) belongs to a name.
FREE = (re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE), re.compile(r"`[^`\n]*`"), re.compile(r"\]\([^)]*\)"),
        re.compile(r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4}\b"),
        re.compile(r"^#{1,4} .*$", re.MULTILINE), re.compile(r"^\d+\. ", re.MULTILINE))
NUMBER = re.compile(r"(?<![A-Za-z\d_])\d[\d.,]*")


def blank(found):
    """As many lines, and nothing on them."""
    return "\n" * found[0].count("\n")


def loose_numbers(text):
    """(line, number) of each number that no formula stands behind."""
    for pattern in (BLOCK, *FREE[:1], INLINE, *FREE[1:]):
        text = pattern.sub(blank, text)
    for found in NUMBER.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[0]


# -- measured inputs ---------------------------------------------------------------------------------

MONTHS = {name: number for number, name in enumerate(
    "January February March April May June July August September October November December".split(), 1)}
RUN_DATE = re.compile(r"^\| date \| (\d{1,2}) (\w+) (\d{4}) \|", re.MULTILINE)


def last_run(text):
    """The date of the last run that a page has; None where it has none."""
    dates = [datetime.date(int(year), MONTHS[month], int(day)) for day, month, year in RUN_DATE.findall(text)]
    return max(dates, default=None)


def section_of(text, heading):
    """The part of a page under a heading."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    if not found:
        raise Fault(f"there is no heading {heading!r}")
    rest = text[found.end():]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[:end.start()] if end else rest


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def published(text, row, column):
    """The cell of a page's tables in the row that begins with these cells, under that column."""
    head = None
    for line in text.splitlines():
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells(line)
        elif column in head and cells(line)[:len(row)] == row:
            return cells(line)[head.index(column)]
    raise Fault(f"no table has a row {row} and a column {column!r}")


def number_in(text):
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    if not found:
        raise Fault(f"{text!r} has no number")
    return float(found[0].replace(",", ""))


def read_page(more, root):
    """(value, date of the last run or None) as the page of a measured input has them."""
    with open(os.path.join(root, more["page"]), encoding="utf-8") as file:
        page = file.read()
    part = section_of(page, more["section"]) if "section" in more else page
    if "quote" in more:
        if " ".join(more["quote"].split()) not in " ".join(part.split()):
            raise Fault(f"the page does not say {more['quote']!r}")
        said = number_in(more["quote"])
    else:
        said = number_in(published(part, more["row"], more["column"]))
    return said * more.get("times", 1), last_run(part) or last_run(page)


def measured_faults(quantity, root=ROOT):
    """What is wrong with a measured input: its page says something else, or has had a later run."""
    more = quantity.more
    try:
        said, ran = read_page(more, root)
        if not math.isclose(said, more["value"], rel_tol=1e-6):
            yield f"the page says {said:g}, and here is {more['value']:g}"
        if ran and ran > more["date"]:
            yield f"measured on {more['date']}, and the last published run is of {ran}"
    except (OSError, Fault) as error:
        yield str(error)


def read_pages(model, directory=HERE, root=ROOT):
    """Writes into measured.toml what the pages say now, where they had a later run."""
    path = os.path.join(directory, "measured.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for quantity in model.quantities.values():
        if quantity.source == "measured":
            said, ran = read_page(quantity.more, root)
            date = max(filter(None, (ran, quantity.more["date"])))
            text = re.sub(rf"^\[{quantity.name}\]\nvalue = .*((?:\n.+)*?)\ndate = .*$",
                          lambda found: f"[{quantity.name}]\nvalue = {said:.15g}{found[1]}\ndate = {date}", text, flags=re.MULTILINE)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# -- commands ---------------------------------------------------------------------------------------


def documents(directory=HERE):
    for path in sorted(glob.glob(os.path.join(directory, "*.md"))):
        with open(path, encoding="utf-8") as file:
            yield path, file.read()


def write(tables):
    for path, text in documents(tables.directory):
        new = filled(text, tables)
        if new != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)
            print(f"{os.path.relpath(path, ROOT)}: written")


def check(tables, root=ROOT):
    faults = []
    for path, text in documents(tables.directory):
        page = os.path.relpath(path, root)
        faults += [f"{page}:{line}: {what}" for line, what in differences(page, text, tables)]
        if os.path.basename(path) == STRICT:
            faults += [f"{page}:{line}: {number} has no formula: put it between markers"
                       for line, number in loose_numbers(text)]
    for quantity in tables.model.quantities.values():
        if quantity.source == "measured":
            faults += [f"measured.toml: {quantity.name}: {quantity.more['page']}: {what}" for what in measured_faults(quantity, root)]
        if quantity.source != "derived" and quantity.name not in tables.model.used:
            faults.append(f"{quantity.source}.toml: no formula uses {quantity.name}")
    return faults


def list_names(model):
    values = model.values()
    for quantity in model.quantities.values():
        print(f"{quantity.name} = {show(values[quantity.name], quantity.unit)} {'' if quantity.unit in UNITS_SHOWN else quantity.unit}"
              f"\n    {quantity.meaning}\n    {quantity.formula or quantity.source + '.toml'}")


def parse_change(text):
    name, sign, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not sign or not math.isfinite(number):
        raise Fault(f"--what-if {text}: write NAME=NUMBER, such as users=500e6")
    return name, number


def what_if(model, changes):
    """The quantities that differ, as a table."""
    before, after = model.values(), model.values(dict(map(parse_change, changes)))
    rows = [[f"`{name}`", quantity.meaning, show(before[name], quantity.unit), show(after[name], quantity.unit),
             digits(after[name] / before[name]) + "×" if before[name] else ""]
            for name, quantity in model.quantities.items() if before[name] != after[name]]
    return table(["name", "what", "now", "then", "factor"], rows)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--names", action="store_true")
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", action="store_true")
    what.add_argument("--read-pages", action="store_true")
    what.add_argument("--what-if", nargs="+", metavar="NAME=VALUE")
    chosen = parser.parse_args(arguments)
    try:
        model = Model()
        if chosen.names:
            list_names(model)
        elif chosen.what_if:
            print(what_if(model, chosen.what_if), end="")
        elif chosen.read_pages:
            read_pages(model)
        elif chosen.write:
            write(Tables(model))
        else:
            faults = check(Tables(model))
            print("".join(f"{fault}\n" for fault in faults), end="")
            return 1 if faults else 0
    except Fault as fault:
        print(f"capacity.py: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
