"""The results of scripts/bench --scale as tables: text for a terminal, Markdown for docs/results/scale.md."""
import statistics

from report import markdown_document, notes, number, text_document, yes


def rows_of(size):
    return f"{int(size):,}"


def database_rows(results):
    for size, database in results.get("databases", {}).items():
        filled, storage = database["import"], database["storage"]
        yield [rows_of(size), number(filled["seconds"]), number(filled["lines_per_s"]),
               *(number(storage[name] / 2 ** 20) for name in ("table", "indexes", "counters")),
               number(storage["bytes_per_row"]), yes(not database["plans"]["faults"])]


DATABASE_HEAD = ("rows", "import s", "import rows /s", "table MiB", "indexes MiB", "counters MiB", "bytes per RSVP in all",
                 "all plans look keys up")


def median_per_s(rounds):
    return statistics.median(result["throughput_per_s"] for result in rounds)


def throughput_rows(results):
    for work in results["works"].values():
        ratio = work["ratio"]
        yield [work["title"], *(number(median_per_s(rounds)) for rounds in work["sizes"].values()), f"{ratio['median']:.2f}",
               f"{ratio['min']:.2f} to {ratio['max']:.2f}", f"{ratio['target']:g}", yes(ratio["median"] >= ratio["target"])]


def throughput_head(results):
    return ("workload", *(f"/s at {rows_of(size)}" for size in results["plan"]["rows"]), "ratio", "range over rounds", "target",
            "reached")


def cost_rows(results):
    """Where the processor's time went, the median round of each size."""
    for work in results["works"].values():
        for size, rounds in work["sizes"].items():
            middle = sorted(rounds, key=lambda result: result["throughput_per_s"])[len(rounds) // 2]
            spent = middle["cpu_us_per_request"]
            yield [work["title"], rows_of(size), *(number(spent[group]) for group in ("load", "service", "postgres", "redis"))]


COST_HEAD = ("workload", "rows", "load generator µs", "service µs", "PostgreSQL µs", "Redis µs")


def memory_rows(results):
    idle, grown = results.get("idle"), results.get("memory")
    if idle:
        each, target = idle["kib_per_connection"], idle["target_kib"]
        kernel = idle["kernel_kib_per_connection"]
        what = f"of each of {idle['connections']:,} idle connections"
        yield [f"resident, {what}", f"{each['rss']:.1f} KiB", f"{target} KiB", yes(each["rss"] <= target)]
        yield [f"proportional, {what}", f"{each['pss']:.1f} KiB", "", ""]
        yield [f"of the kernel, {what}, both ends", f"{kernel['slab']:.1f} KiB, and {kernel['buffers']:.1f} KiB in buffers", "", ""]
    if grown and "grows" in grown:
        what = f"resident, {grown['minutes']:g} minutes of the mix on {grown['rows']:,} rows"
        yield [f"{what}, first to last", f"{grown['first_kib'] / 1024:.1f} to {grown['last_kib'] / 1024:.1f} MiB", "", ""]
        yield [f"{what}, medians of the first and last third",
               f"{grown['first_third_kib'] / 1024:.1f} and {grown['last_third_kib'] / 1024:.1f} MiB, "
               f"{grown['slope_kib_per_hour'] / 1024:+.2f} MiB an hour", "no growth past 1 % or 1 MiB", yes(not grown["grows"])]


MEMORY_HEAD = ("memory", "measured", "target", "reached")


def faults(results):
    """Each thing that makes a figure invalid, one line each."""
    lines = []
    for size, database in results.get("databases", {}).items():
        lines += [f"{rows_of(size)} rows: {part}: {fault}" for part in ("import", "plans", "verify")
                  for fault in database.get(part, {"faults": []})["faults"]]
    for work in results["works"].values():
        lines += [f"{work['title']}: {rows_of(size)} rows: {fault}" for size, rounds in work["sizes"].items()
                  for fault in sorted({fault for result in rounds for fault in result["faults"]})]
    for part in ("idle", "memory"):
        lines += [f"{part}: {fault}" for fault in results.get(part, {"faults": []})["faults"]]
    return lines


def tables(results):
    """(title, head, rows) of each."""
    rounds = results["plan"]["rounds"]
    return (
        ("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
        ("Import and storage", DATABASE_HEAD, list(database_rows(results))),
        (f"Throughput by the number of rows (medians of {rounds} rounds; ratio of the largest to the smallest)",
         throughput_head(results), list(throughput_rows(results))),
        ("Processor time per request", COST_HEAD, list(cost_rows(results))),
        ("Memory", MEMORY_HEAD, list(memory_rows(results))),
    )


def as_text(results):
    return text_document(tables(results), notes(faults(results), results))


def as_markdown(results):
    return markdown_document(tables(results), notes(faults(results), results))
