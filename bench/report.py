"""The results as tables: text for a terminal, Markdown for docs/results/benchmarks.md."""
import json
import time

from environment import START, write

LATENCIES = ("p50", "p95", "p99", "p99.9")


def number(value):
    """Three digits of what matters."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def yes(reached):
    return "yes" if reached else "no"


def throughput_rows(results):
    for name, work in results["works"].items():
        rsvpd = work["contestants"]["rsvpd"]
        if not work["ratios"]:
            yield [work["title"], number(rsvpd["median_per_s"]), "", "", "", "", "", ""]
        for other, ratio in work["ratios"].items():
            contestant = work["contestants"][other]
            target = ratio["target"]
            reached = "" if target is None else yes(ratio["median"] >= target)
            yield [work["title"], number(rsvpd["median_per_s"]), setup_of(other, contestant["setup"]),
                   number(contestant["median_per_s"]), f"{ratio['median']:.2f}", f"{ratio['min']:.2f} to {ratio['max']:.2f}",
                   "" if target is None else f"{target:g}", reached]


THROUGHPUT_HEAD = ("workload", "rsvpd /s", "compared with", "their /s", "ratio", "range over rounds", "target", "reached")


def setup_of(name, setup):
    if name == "pgbench":
        return f"pgbench, {setup['clients']} clients"
    if name == "fastify":
        return f"Fastify, {setup['processes']} processes, pools of {setup['pool_size']}"
    return f"{name}, {setup['worker_processes']} workers"


def latency_rows(results):
    for work in results["works"].values():
        latency = work["latency"]
        target = latency["p95_target_ms"]
        figures = [number(latency["latency_us"][name] / 1000) for name in LATENCIES]
        each = [result["latency_us"]["p95"] / 1000 for result in latency["rounds"]]
        figures.append(f"{number(min(each))} to {number(max(each))}")
        reached = "" if target is None else yes(latency["latency_us"]["p95"] < target * 1000)
        yield [work["title"], number(latency["rate_per_s"]), *figures, "" if target is None else f"{target:g}", reached]


LATENCY_HEAD = ("workload", "requests /s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "p95, range over rounds", "p95 target ms",
                "reached")


def cost_rows(results):
    """Where the processor's time went, the median round of each contestant."""
    for work in results["works"].values():
        for name, contestant in work["contestants"].items():
            middle = sorted(contestant["rounds"], key=lambda result: result["throughput_per_s"])[len(contestant["rounds"]) // 2]
            spent = middle["cpu_us_per_request"]
            yield [work["title"], name, *(number(spent[group]) for group in ("load", "service", "postgres", "redis"))]


COST_HEAD = ("workload", "contestant", "load generator µs", "service µs", "PostgreSQL µs", "Redis µs")


def faults(results):
    """Each thing that makes a figure invalid, one line each."""
    lines = []
    for work in results["works"].values():
        for name, contestant in work["contestants"].items():
            lines += [f"{work['title']}: {name}: {fault}" for fault in contestant["faults"]]
        lines += [f"{work['title']}: latency: {fault}" for fault in work["latency"]["faults"]]
        for name, points in work["curve"].items():
            lines += [f"{work['title']}: {name}, {point['clients']} clients: {fault}"
                      for point in points for fault in point["faults"]]
    return lines


def text_table(head, rows):
    lines = [list(head), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() + "\n" for line in lines)


def markdown_table(head, rows):
    lines = [list(head), ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables(results):
    """(title, head, rows) of each."""
    rounds, latency_rounds = results["scale"]["rounds"], results["scale"]["latency_rounds"]
    return (
        ("Machine", ("what", "is"), [[name, str(value)] for name, value in results["machine"].items()]),
        (f"Throughput (medians of {rounds} rounds; the ratio is taken in each round)", THROUGHPUT_HEAD,
         list(throughput_rows(results))),
        (f"Latency of rsvpd at 70 % of its peak, open loop (medians of {latency_rounds} rounds)",
         LATENCY_HEAD,
         list(latency_rows(results))),
        ("Processor time per request", COST_HEAD, list(cost_rows(results))),
    )


def notes(invalid, results):
    """What stands below the tables."""
    quick = ["A quick run: too short for figures to keep."] if results["quick"] else []
    return [f"INVALID: {line}" for line in invalid] + quick + [f"Took {results['seconds']} s."]


def text_document(parts, lines):
    """Of tables, each with its title and head, and lines below."""
    shown = [f"{title}\n\n{text_table(head, rows)}" for title, head, rows in parts]
    return "\n".join(shown) + "\n" + "\n".join(lines) + "\n"


def markdown_document(parts, lines):
    shown = [f"## {title}\n\n{markdown_table(head, rows)}" for title, head, rows in parts]
    return "\n".join(shown) + "\n" + "\n\n".join(lines) + "\n"


def save(results, path, parts, invalid):
    """As path.json, path.txt and path.md, with how long it took so far; answers the text."""
    results["seconds"] = round(time.monotonic() - START)
    lines = notes(invalid, results)
    text = text_document(parts, lines)
    write(f"{path}.json", json.dumps(results, indent=1) + "\n")
    write(f"{path}.txt", text)
    write(f"{path}.md", markdown_document(parts, lines))
    return text


def as_text(results):
    return text_document(tables(results), notes(faults(results), results))


def as_markdown(results):
    return markdown_document(tables(results), notes(faults(results), results))
