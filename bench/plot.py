"""Draws throughput and latency by the number of clients as SVG: one panel for each work, one line for each contestant."""
import math
from xml.sax.saxutils import escape

PANEL_WIDTH, PANEL_HEIGHT = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 40  # of a panel, around the axes
COLUMNS = 3
HEAD = 66  # title and legend
STYLES = {  # colours that the colour-blind tell apart, and a shape as well
    "rsvpd": ("#0072b2", "circle"),
    "pgbench": ("#d55e00", "square"),
    "nginx": ("#009e73", "triangle"),
    "fastify": ("#7b4fa3", "diamond"),
}


def nice_step(span):
    """A step of 1, 2 or 5 times a power of ten that divides the span into at most five."""
    power = 10 ** math.floor(math.log10(span / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 5)


def short(value):
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


class Linear:
    """An axis from 0."""

    def __init__(self, values):
        step = nice_step(max(values))
        self.top = step * math.ceil(max(values) / step)
        self.ticks = [step * number for number in range(round(self.top / step) + 1)]

    def share(self, value):
        return value / self.top


class Log:
    """A logarithmic axis with a tick at each power of the base, from the one below all values to the one above."""

    def __init__(self, values, base=10):
        self.low = math.floor(math.log(min(values), base) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log(max(values), base) - 1e-9))
        self.base = base
        self.ticks = [float(base) ** power for power in range(self.low, self.high + 1)]

    def share(self, value):
        return (math.log(value, self.base) - self.low) / (self.high - self.low)


def line(x1, y1, x2, y2, colour, width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def text(x, y, content, anchor="middle", size=12, weight="normal", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="#222"{more}>{escape(content)}</text>')


def marker(shape, x, y, colour):
    points = {"square": ((-4, -4), (4, -4), (4, 4), (-4, 4)), "triangle": ((0, -5), (4.5, 3.5), (-4.5, 3.5)),
              "diamond": ((0, -5.5), (5, 0), (0, 5.5), (-5, 0))}
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    corners = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in points[shape])
    return f'<polygon points="{corners}" fill="{colour}"/>'


class Panel:
    """One work; series are (contestant, dashed, [(clients, value)])."""

    def __init__(self, left, top, title, series, axis):
        self.title, self.series = title, series
        self.x0, self.x1 = left + LEFT, left + PANEL_WIDTH - RIGHT
        self.y0, self.y1 = top + PANEL_HEIGHT - BOTTOM, top + TOP
        points = [point for _, _, line_points in series for point in line_points]
        self.x_axis = Log([clients for clients, _ in points], 4)
        self.y_axis = axis([value for _, value in points])

    def x(self, clients):
        return self.x0 + (self.x1 - self.x0) * self.x_axis.share(clients)

    def y(self, value):
        return self.y0 + (self.y1 - self.y0) * self.y_axis.share(value)

    def frame(self):
        yield text(self.x0, self.y1 - 12, self.title, "start", 13, "bold")
        for tick in self.y_axis.ticks:
            yield line(self.x0, self.y(tick), self.x1, self.y(tick), "#ddd")
            yield text(self.x0 - 7, self.y(tick) + 4, short(tick), "end")
        for tick in self.x_axis.ticks:
            yield line(self.x(tick), self.y0, self.x(tick), self.y0 + 4, "#555")
            yield text(self.x(tick), self.y0 + 18, short(tick))
        yield line(self.x0, self.y0, self.x1, self.y0, "#555")
        yield text((self.x0 + self.x1) / 2, self.y0 + 33, "clients", size=11)

    def lines(self):
        for name, dashed, points in self.series:
            colour, shape = STYLES[name]
            path = " ".join(f"{self.x(clients):.1f},{self.y(value):.1f}" for clients, value in points)
            dashes = ' stroke-dasharray="5 4"' if dashed else ""
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
            for clients, value in points:
                yield marker(shape, self.x(clients), self.y(value), colour)


def legend(names, note):
    x = 20
    for name in names:
        colour, shape = STYLES[name]
        yield line(x, 46, x + 26, 46, colour, 2)
        yield marker(shape, x + 13, 46, colour)
        yield text(x + 33, 50, name, "start")
        x += 110
    yield text(x + 10, 50, note, "start", 12)


def draw(title, note, panels, axis):
    """panels: [(title, series)]"""
    columns = min(COLUMNS, max(1, len(panels)))
    width, height = columns * PANEL_WIDTH, HEAD + math.ceil(len(panels) / columns) * PANEL_HEIGHT + 10
    width = max(width, 2 * PANEL_WIDTH)  # room for the legend
    names = [name for name in STYLES if any(name == entry[0] for _, series in panels for entry in series)]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="Helvetica, Arial, sans-serif">', '<rect width="100%" height="100%" fill="white"/>',
             text(20, 26, title, "start", 17, "bold"), *legend(names, note)]
    for place, (name, series) in enumerate(panels):
        panel = Panel(place % columns * PANEL_WIDTH, HEAD + place // columns * PANEL_HEIGHT, name, series, axis)
        parts += [*panel.frame(), *panel.lines()]
    return "\n".join(parts) + "\n</svg>\n"


def panels_of(results, lines_of):
    """lines_of gives (dashed, points) for each line of a contestant. A point with a fault is no measurement."""
    panels = []
    for work in results["works"].values():
        series = [(name, dashed, points) for name, measured in work["curve"].items() for dashed, points in lines_of(measured)]
        if series := [entry for entry in series if entry[2]]:
            panels.append((work["title"], series))
    return panels


def throughput(results):
    def points_of(points):
        return [(point["clients"], point["throughput_per_s"]) for point in points if not point["faults"]]

    panels = panels_of(results, lambda points: ((False, points_of(points)),))
    return draw("Throughput by the number of clients", "requests (pgbench: transactions) per second", panels, Linear)


def latency(results):
    def points_of(points, quantile):
        """A run too short for a sampled latency has none. Half a microsecond stands for 0, which has no logarithm."""
        return [(point["clients"], max(point["latency_us"][quantile], 0.5) / 1000) for point in points
                if point["latency_us"] and not point["faults"]]

    panels = panels_of(results, lambda points: ((False, points_of(points, "p50")), (True, points_of(points, "p99"))))
    return draw("Latency by the number of clients, closed loop", "milliseconds: solid line median, dashed p99", panels, Log)
