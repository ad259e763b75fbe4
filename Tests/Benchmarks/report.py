"""Turns run.py's figures into tables and judges the requirements.

Figures are medians over the rounds; what compares two targets ("added", ratios) is taken within each round first, so
that a slow minute of the machine hits both alike."""

from dataclasses import dataclass
from statistics import median

BODIES = ("1 KB", "32 KB")
CONNECTIONS = (1, 16, 64)
TARGETS = ("direct", "nginx", "gatehouse bare", "gatehouse default", "gatehouse guards", "gatehouse pii",
           "gatehouse everything")
NONE = "-"

# Threads of the default mode with one loop. Busy is one with over 5 % of the process's CPU: the loop, and the access
# log's writer. More would mean that requests have left the loop for a thread pool.
MOST_THREADS, MOST_BUSY_THREADS = 16, 2


DISTURBED = 0.1  # share of the CPUs that others used during a measurement


@dataclass
class Requirement:
    name: str
    figure: float | None
    unit: str
    bound: float
    aim: float | None = None
    spread: tuple | None = None  # least and most of the rounds
    digits: int = 1


def table(title, header, rows) -> str:
    rows = [header] + rows
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [title]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  " + "  ".join(cells).rstrip())
        if number == 0:
            lines.append("  " + "  ".join("-" * width for width in widths))
    return "\n".join(lines) + "\n"


def number(value, digits=1) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


class Figures:
    def __init__(self, results):
        self.results = results

    def request_rounds(self, target, body, connections, key):
        return [run[key] for run in self.results["requests"].get(f"{target}/{body}/{connections}", [])]

    def stream_rounds(self, target, shape, *keys):
        values = self.results["streams"].get(f"{target}/{shape}", [])
        for key in keys:
            values = [value[key] for value in values]
        return values

    def process(self, target, key):
        return self.results["processes"].get(target, {}).get(key)


def middle(values):
    return median(values) if values else None


def paired(operation, left, right):
    return [operation(a, b) for a, b in zip(left, right)]


def differences(left, right):
    return paired(lambda a, b: a - b, left, right)


def ratios(left, right):
    return paired(lambda a, b: a / b, left, right)


def request_table(figures, targets, body) -> str:
    header = [""] + [f"CPU us @{c}" for c in CONNECTIONS] + [f"req/s @{c}" for c in CONNECTIONS]
    header += [f"p50/p99 us @{c}" for c in CONNECTIONS] + ["CPU % @64"]
    rows = []
    for target in targets:
        row = [target]
        for connections in CONNECTIONS:
            row.append(NONE if target == "direct" else
                       number(middle(figures.request_rounds(target, body, connections, "cpu_us"))))
        for connections in CONNECTIONS:
            row.append(number(middle(figures.request_rounds(target, body, connections, "per_second")), 0))
        for connections in CONNECTIONS:
            cells = []
            for key in ("p50_us", "p99_us"):
                values = figures.request_rounds(target, body, connections, key)
                if target != "direct":
                    values = differences(values, figures.request_rounds("direct", body, connections, key))
                cells.append(number(middle(values), 0))
            row.append(" / ".join(cells))
        share = middle(figures.request_rounds(target, body, 64, "cpu_share"))
        row.append(NONE if target == "direct" else number(100 * share, 0))
        rows.append(row)
    return table(
        f"Requests with a body of {body} (@ = connections; latency: direct is absolute, the others are added to it)",
        header, rows)


def stream_table(figures, targets) -> str:
    header = ["", "CPU us/chunk", "chunks/s", "TTFB p50/p99 us", "chunk late p50/p99 us", "gap p50/p99 ms"]
    shapes = {"64 at 5 ms": "64 streams, a chunk every 5 ms", "16 at 2 ms": "16 streams, a chunk every 2 ms"}
    parts = []
    for shape, title in shapes.items():
        rows = []
        for target in targets:
            if not figures.stream_rounds(target, shape):
                continue
            row = [target]
            row.append(NONE if target == "direct" else number(middle(figures.stream_rounds(target, shape, "cpu_us"))))
            row.append(number(middle(figures.stream_rounds(target, shape, "per_second")), 0))
            for kind, scale, digits in (("first_byte", 1, 0), ("event", 1, 0), ("gap", 1000, 2)):
                row.append(" / ".join(
                    number(middle(figures.stream_rounds(target, shape, kind, key)) / scale, digits)
                    for key in ("p50", "p99")))
            rows.append(row)
        parts.append(table(
            f"SSE: {title} (latencies are absolute; late: from the upstream's send to the client's read)", header,
            rows))
    rows = []
    for target in targets:
        row = [target]
        for key in ("p50", "p99"):
            values = figures.stream_rounds(target, "single", "first_byte", key)
            if target != "direct":
                values = differences(values, figures.stream_rounds("direct", "single", "first_byte", key))
            row.append(number(middle(values), 0))
        if values:
            rows.append(row)
    parts.append(table("SSE: time to first byte of a single stream (direct: absolute; the others: added)",
                       ["", "p50 us", "p99 us"], rows))
    return "\n".join(parts)


def guard_table(figures) -> str:
    rows = [[check, number(cost["us_1_kb"]), number(cost["mb_per_second"], 0)]
            for check, cost in sorted(figures.results["guards"].items())]
    return table("Checks by themselves, on prose in which nothing is found (those that ask others are left out)",
                 ["", "us, 1 KB", "MB/s, 32 KB"], rows) if rows else ""


def process_tables(figures) -> str:
    names = [name for name in ("nginx", "gatehouse") if name in figures.results["processes"]]
    rows = []
    for name in names:
        start_ups = figures.process(name, "start_up_ms")
        row = ["nginx (master + worker)" if name == "nginx" else "gatehouse default",
               f"{median(start_ups):.0f} / {max(start_ups):.0f}"]
        for key in ("at_start", "after_load", "with_idle", "after_rounds"):
            row.append(number(figures.process(name, f"resident_{key}_mb")))
        row.append(" / ".join(str(figures.process(name, f"threads_{key}")) for key in ("at_start", "at_most", "busy")))
        rows.append(row)
    tables = table("Processes (start-up: exec until the first request is served; resident: VmRSS)", [
        "", "start-up ms p50/max", "MB at start", "MB after load", "MB, 1,000 idle", "MB after all rounds",
        "threads start/most/busy"], rows)

    rows = [[name, number(requests, 0), number(connections, 0), number(1000 * connections / requests, 3)]
            for name, (requests, connections) in figures.results["upstream_connections"].items()]
    tables += "\n" + table(
        "Upstream connections, from the first request on (client connections: 1 to 64, always new ones)",
        ["", "requests", "opened", "per 1,000"], rows)
    return tables


def scaling_table(figures) -> str:
    rows, shared = [], False
    for name, runs in figures.results["scaling"].items():
        one, two = (middle([run["per_second"] for run in runs[key]]) for key in ("one", "two"))
        # With two CPUs for everything, the CPU that one request costs all processes together is the limit.
        whole = middle([run["cpu_us"] + run["mock_cpu_us"] + run["load_cpu_us"] for run in runs["one"]])
        shared = runs["shared_cpus"]
        possible = min(2.0, 2e6 / whole / one) if shared else 2.0
        growth = middle(ratios([run["per_second"] for run in runs["two"]], [run["per_second"] for run in runs["one"]]))
        rows.append([name, number(one, 0), number(two, 0), number(growth, 2), number(possible, 2)])
    remark = "; upstream and load share the two CPUs, hence what is possible" if shared else ""
    return table(f"One event loop and two (64 connections, 1 KB{remark})",
                 ["", "req/s, one", "req/s, two", "growth", "possible"], rows)


def cross_check_table(figures, targets) -> str:
    rows = []
    for target in targets:
        if target in figures.results["wrk"]:
            ours = middle(figures.request_rounds(target, "1 KB", 64, "per_second"))
            rows.append([target, number(figures.results["wrk"][target], 0), number(ours, 0)])
    return table("Cross-check: req/s as wrk counts them (64 connections, 1 KB; wrk itself costs more than load.c)",
                 ["", "wrk", "load.c"], rows) if rows else ""


def requirements(figures) -> list[Requirement]:
    default, guards = "gatehouse default", "gatehouse guards"
    requests, streams, process = figures.request_rounds, figures.stream_rounds, figures.process
    listed = []

    def add(name, values, *more, **options):
        spread = (min(values), max(values)) if len(values) > 1 else None
        listed.append(Requirement(name, middle(values), *more, spread=spread, **options))

    for body in BODIES:
        add(f"CPU per request over nginx's, {body}, 64 connections",
            ratios(requests(default, body, 64, "cpu_us"), requests("nginx", body, 64, "cpu_us")),
            "x", 3.0, 2.5, digits=2)
    add("CPU per request with everything on over nginx's, 1 KB, 64 connections",
        ratios(requests("gatehouse everything", "1 KB", 64, "cpu_us"), requests("nginx", "1 KB", 64, "cpu_us")),
        "x", 4.0, 3.0, digits=2)
    listed.append(Requirement("rows that the request log lost", figures.results.get("rows", {}).get("lost"), "", 0.0, digits=0))
    add("CPU per relayed SSE chunk over nginx's",
        ratios(streams(default, "64 at 5 ms", "cpu_us"), streams("nginx", "64 at 5 ms", "cpu_us")),
        "x", 1.5, 1.3, digits=2)
    add("CPU per SSE chunk with pii in windows over nginx's",
        ratios(streams("gatehouse pii", "64 at 5 ms", "cpu_us"), streams("nginx", "64 at 5 ms", "cpu_us")),
        "x", 2.5, 2.0, digits=2)
    for body in BODIES:
        add(f"CPU of three guards, {body}, 64 connections",
            differences(requests(guards, body, 64, "cpu_us"), requests(default, body, 64, "cpu_us")), "us", 15.0)
    add("p50 at one connection over nginx's, 1 KB",
        differences(requests(default, "1 KB", 1, "p50_us"), requests("nginx", "1 KB", 1, "p50_us")),
        "us", 60.0, digits=0)
    resident = [process("gatehouse", f"resident_{key}_mb") for key in ("after_load", "after_rounds")]
    listed.append(Requirement("resident after load", max(resident), "MB", 50.0, 40.0))
    add("start until the first request is served", process("gatehouse", "start_up_ms"), "ms", 300.0, digits=0)
    for name, key, bound in (("threads at most", "threads_at_most", MOST_THREADS),
                             ("threads that do the work, one loop", "threads_busy", MOST_BUSY_THREADS)):
        listed.append(Requirement(name, process("gatehouse", key), "", bound, digits=0))
    return listed


def requirement_table(figures) -> str:
    rows = []
    for item in requirements(figures):
        def shown(value):
            return NONE if value is None else f"{number(value, item.digits)} {item.unit}".rstrip()

        if item.figure is None:
            verdict = "not measured"
        elif item.figure > item.bound:
            verdict = "MISSED"
        else:
            verdict = "ok" if item.aim is None else "ok, aim met" if item.figure <= item.aim else "ok, aim not met"
        spread = " .. ".join(number(value, item.digits) for value in item.spread) if item.spread else NONE
        rows.append([item.name, shown(item.figure), spread, shown(item.bound), shown(item.aim), verdict])
    return table("Requirements (default mode)", ["", "figure", "rounds", "at most", "aim", "verdict"], rows)


def render(results) -> str:
    figures = Figures(results)
    targets = [target for target in TARGETS if f"{target}/1 KB/64" in results["requests"]]
    streamed = [target for target in TARGETS if f"{target}/64 at 5 ms" in results["streams"]]
    shares = results["foreign_shares"]
    disturbed = sum(1 for share in shares if share > DISTURBED)
    conditions = (
        f"Machine: {results['machine']}. {'Quick' if results['quick'] else 'Full'} run of {results['seconds']:.0f} s.\n"
        f"Others used {100 * median(shares):.0f} % of the CPUs during the median measurement; "
        f"{disturbed} of {len(shares)} measurements were disturbed (over 10 %).")
    if disturbed > len(shares) / 10:
        conditions += "\nTHE MACHINE WAS BUSY: take the figures for an indication, and run again when it is quiet."
    parts = [conditions + "\n"]
    parts += [request_table(figures, targets, body) for body in BODIES]
    parts += [stream_table(figures, streamed), guard_table(figures), process_tables(figures), scaling_table(figures),
              cross_check_table(figures, targets)]
    if rows := results.get("rows"):
        rates = figures.request_rounds("gatehouse everything", "1 KB", 64, "per_second")
        parts.append(
            f"Request log: {rows['written']:.0f} rows written, {rows['lost']:.0f} lost, "
            f"{number(middle(rates), 0)} rows a second at 64 connections and 1 KB.\n")
    if results["notes"]:
        parts.append("Notes\n" + "".join(f"  - {note}\n" for note in results["notes"]))
    if results["gatehouse"]:
        parts.append(requirement_table(figures))
    else:
        parts.append("Requirements: not judged, no gatehouse was given (--gatehouse or --stage).\n")
    return "\n" + "\n".join(part for part in parts if part)
