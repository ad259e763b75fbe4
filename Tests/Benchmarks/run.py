#!/usr/bin/env python3
"""Measures Gatehouse against nginx's proxy_pass, both in front of a cheap upstream. README.md says how to read it.

run.sh compiles mock.c and load.c and then runs this. Exits with 0 whether or not the requirements are met, with 1 when
a measurement is worthless (an answer other than the expected one, a process that ended), with 2 on wrong arguments.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import report
from harness import Broken, Client, Machine, Process, cpu_between, free_port

HERE = Path(__file__).resolve().parent
ENDPOINT = "/v1/chat/completions"
ANSWER_BYTES = 800
BODIES = {"1 KB": 1024, "32 KB": 32 * 1024}
CONNECTIONS = (1, 16, 64)
IDLE_CONNECTIONS = 1000
CHUNKS = 200

# Every target gets the same headers, so that nobody is charged for reading more of them. Only the guards' runs name
# another config.
PLAIN = "x-portkey-config: plain"
GUARDED = "x-portkey-config: guarded"
REDACTED = "x-portkey-config: redacted"
OWNER = "owner-key-of-the-benchmark-0123456789"
METADATA = 'x-portkey-metadata: {"team":"bench"}'


@dataclass
class Plan:
    """How long everything takes. Seconds."""

    rounds: int
    request_seconds: float
    stream_seconds: float  # 64 streams; the other stream runs are shorter in proportion
    start_ups: int
    scaling_rounds: int
    patience: float  # for a quiet machine, per measurement ...
    patience_in_all: float  # ... and over the whole run
    repeats: float  # for measuring again what others have disturbed
    rounds_end: float  # no new round after this


FULL = Plan(4, 2.0, 3.0, 7, 3, 4.0, 80.0, 80.0, 580.0)
QUICK = Plan(1, 0.8, 1.5, 3, 1, 1.0, 10.0, 10.0, 70.0)


@dataclass
class StreamShape:
    name: str
    connections: int
    chunks: int
    interval_us: int
    share: float  # of the plan's stream_seconds
    warm_up: float


STREAMS = [
    StreamShape("64 at 5 ms", 64, CHUNKS, 5000, 1.0, 0.5),
    StreamShape("16 at 2 ms", 16, CHUNKS, 2000, 0.67, 0.4),
    StreamShape("single", 1, 5, 2000, 0.5, 0.2),
]


@dataclass
class Target:
    """What the load is sent to: the upstream itself, or a proxy in front of it."""

    name: str
    port: int
    process: Process | None = None
    config_header: str = PLAIN
    requests: bool = True
    streams: bool = True
    answer_bytes: dict = field(default_factory=dict)  # body name -> what load.c is to accept
    key: str = ""  # of the gateway

    @property
    def headers(self):
        return [self.config_header, METADATA] + ([f"x-portkey-api-key: {self.key}"] if self.key else [])


def chat_body(size: int, stream: bool) -> bytes:
    """A chat request of exactly `size` bytes, with several turns when it is long. No guard fires on it."""
    text = ('She asked: "what does the gateway do?"\nIt checks, routes and meters; café, naïve, 100 %. '
            "A long conversation makes a long body, and most of it is plain prose like this. ")

    def encode(turns, filler):
        messages = [{"role": "system", "content": "You are a helpful assistant. Answer briefly."}]
        for turn in range(turns):
            messages.append({"role": "assistant" if turn % 2 else "user", "content": text * 5})
        messages.append({"role": "user", "content": "And now? " + "x" * filler})
        request = {"model": "gpt-4o-mini", **({"stream": True} if stream else {}), "temperature": 0.7,
                   "max_tokens": 256, "messages": messages, "user": "bench"}
        return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()

    turns = 0
    while len(encode(turns + 1, 0)) <= size:
        turns += 1
    return encode(turns, size - len(encode(turns, 0)))


class Bench:
    def __init__(self, arguments, directory: Path):
        self.arguments, self.directory = arguments, directory
        self.plan = QUICK if arguments.quick else FULL
        self.started = time.monotonic()
        self.machine = Machine(self.plan.patience, self.plan.patience_in_all)
        self.load_program = arguments.build_dir / "load"
        self.results = {"requests": {}, "streams": {}, "processes": {}, "scaling": {}, "wrk": {}, "guards": {},
                        "notes": []}
        self.repeats_left, self.foreign_shares = self.plan.repeats, []
        self.upstream = {}  # process name -> [requests, upstream connections opened]

        self.body_files = {}
        for name, size in BODIES.items():
            self.body_files[name] = self.write(f"body-{size}.json", chat_body(size, stream=False))
        self.stream_body_file = self.write("body-stream.json", chat_body(BODIES["1 KB"], stream=True))

        port = free_port()
        self.mock = Process(
            "mock", [arguments.build_dir / "mock", "--port", port, "--answer-bytes", ANSWER_BYTES],
            self.machine.load_cpus, directory)
        self.direct = Target("direct", port)
        self.wait_for(self.mock, lambda: Client(port).get_json("/__stats"))
        self.mock_client = Client(port)  # kept open, so that asking does not count as a connection

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def say(self, text: str):
        if not self.arguments.silent:
            print(f"[{time.monotonic() - self.started:5.0f} s] {text}", file=sys.stderr, flush=True)

    def note(self, text: str):
        if text not in self.results["notes"]:
            self.results["notes"].append(text)

    # Starting

    def render(self, template: str, name: str, values: dict) -> Path:
        text = (HERE / template).read_text()
        return self.write(name, re.sub(r"@([A-Z_]+)@", lambda match: str(values[match[1]]), text).encode())

    @staticmethod
    def wait_for(process: Process, attempt, limit: float = 10.0, pause: float = 0.02):
        """Repeats `attempt` until it neither raises nor returns False."""
        deadline = process.started + limit
        reason = "not ready"
        while True:
            process.check_alive()
            try:
                if attempt() is not False:
                    return
            except (OSError, HTTPException, Broken) as error:
                reason = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                raise Broken(
                    f"{process.name} after {limit:.0f} s: {reason}; its last words:\n{process.last_words()}")
            time.sleep(pause)

    def start_nginx(self, name="nginx", workers=1, cpus=None, wait=True) -> Target:
        port = free_port()
        directory = self.directory / f"{name}-{port}".replace(" ", "-")
        directory.mkdir()
        config = self.render("nginx.conf.in", f"{directory.name}/nginx.conf", {
            "USER": "user root;" if os.geteuid() == 0 else "", "WORKERS": workers, "DIRECTORY": directory, "PORT": port,
            "MOCK_PORT": self.direct.port})
        process = Process(
            name, [self.arguments.nginx, "-e", directory / "nginx.log", "-p", directory, "-c", config],
            cpus or self.machine.proxy_cpus, self.directory)
        if wait:
            self.wait_for(process, lambda: Client(port).request("GET", "/__stats"))
        return Target(name, port, process)

    def start_gatehouse(self, name, mode="default", loops=1, cpus=None, wait=True) -> Target:
        port = free_port()
        switch = "false" if mode == "bare" else "true"
        config = self.render("gatehouse.yaml.in", f"gatehouse-{port}.yaml", {
            "PORT": port, "LOOPS": loops, "STAGE": self.arguments.stage, "ACCESS": switch, "METRICS": switch,
            "MOCK_PORT": self.direct.port, "MORE": self.everything(port) if mode == "everything" else ""})
        process = Process(
            name, [self.arguments.gatehouse, "serve", "--config", config], cpus or self.machine.proxy_cpus,
            self.directory)
        if wait:
            self.wait_for(process, lambda: Client(port).request("GET", "/readyz")[0] == 200)
        return Target(name, port, process, key=self.make_key(port) if mode == "everything" else "")

    def everything(self, port) -> str:
        return f"""store:
  path: {self.directory / f"store-{port}.db"}
control:
  enabled: true
  owner_key: {OWNER}
"""

    @staticmethod
    def make_key(port) -> str:
        """A key with limits that nobody reaches: what is measured is the counting."""
        body = json.dumps({
            "name": "bench", "rate_limits": [{"type": "requests", "unit": "rpm", "value": 1_000_000_000}],
            "usage_limits": {"credit_limit": 1_000_000, "periodic_reset": "monthly"}})
        status, answer = Client(port).request(
            "POST", "/v1/api-keys/workspace/service", body.encode(),
            {"Content-Type": "application/json", "x-portkey-api-key": OWNER})
        if status != 200:
            raise Broken(f"no key was made: {status} {answer[:300]!r}")
        return json.loads(answer)["key"]

    def count_rows(self, target):
        """What the request log has written and lost, once all rows are in."""
        def figures():
            status, text = Client(target.port).request("GET", "/metrics", None, {"x-portkey-api-key": target.key})
            if status != 200:
                raise Broken(f"{target.name}: /metrics answered {status}")
            return {name: float(re.search(rf"^gatehouse_store_{name} (\S+)$", text.decode(), re.MULTILINE)[1])
                    for name in ("rows_written_total", "rows_lost_total", "queue_rows")}
        self.wait_for(target.process, lambda: figures()["queue_rows"] == 0, limit=600)
        last = figures()
        self.results["rows"] = {"written": last["rows_written_total"], "lost": last["rows_lost_total"]}

    # Requests that are not measured

    def ask(self, client: Client, target: Target, body_name: str) -> bytes:
        headers = dict(line.split(": ", 1) for line in target.headers)
        headers |= {"Content-Type": "application/json", "Authorization": "Bearer sk-client-0123456789"}
        status, answer = client.request("POST", ENDPOINT, self.body_files[body_name].read_bytes(), headers)
        if status != 200:
            raise Broken(f"{target.name} answered {status}: {answer[:500].decode(errors='replace')}")
        return answer

    def probe(self, target: Target):
        """Learns how long a right answer is. Only guards may add to the upstream's (a report of what they found)."""
        for body_name in BODIES:
            client = Client(target.port)
            answer = self.ask(client, target, body_name)
            client.close()
            try:
                said = json.loads(answer)["choices"][0]["message"]["content"]
            except (ValueError, KeyError, IndexError, TypeError):
                said = ""
            if not said.startswith("The quick brown fox"):
                raise Broken(f"{target.name} did not relay the upstream's answer: {answer[:500]!r}")
            if len(answer) == ANSWER_BYTES:
                target.answer_bytes[body_name] = f"{ANSWER_BYTES}"
            elif target.config_header == GUARDED:
                # Times and the like in the report may vary in length.
                target.answer_bytes[body_name] = f"{ANSWER_BYTES}-{len(answer) + 64}"
                self.note(f"{target.name}: the answer is {len(answer)} bytes, the upstream's is {ANSWER_BYTES}")
            else:
                raise Broken(f"{target.name} answered {len(answer)} bytes instead of {ANSWER_BYTES}")

    # Measurements

    def load_command(self, mode, target, body_file, connections, seconds, warm_up, *more):
        command = [self.load_program, mode, "--port", target.port, "--body", body_file, "--connections", connections,
                   "--seconds", seconds, "--warm-up", warm_up, *more]
        for header in target.headers:
            command += ["--header", header]
        return command

    def check_mock(self, stats):
        if stats["bad"]:
            raise Broken(f"the upstream counted {stats['bad']} requests that it could not read or answer")

    def measure_requests(self, target, body_name, connections, seconds, cpus=None, watch=None, warming=False) -> dict:
        if not warming:
            self.machine.wait_until_quiet()
        upstream_before = self.mock_client.get_json("/__stats")
        mock_before = self.mock.cpu()
        foreign = self.machine.foreign_reading()
        before = target.process.cpu() if target.process else None
        begin = time.monotonic()
        output = json.loads(self.machine.run_load(
            self.load_command("requests", target, self.body_files[body_name], connections, seconds, 0.2,
                              "--answer-bytes", target.answer_bytes[body_name]), cpus, watch))
        elapsed = time.monotonic() - begin
        cpu_ns = 0
        if target.process:
            target.process.check_alive()
            cpu_ns = cpu_between(before, target.process.cpu())
        foreign_share = self.machine.foreign_share(foreign)
        upstream = self.mock_client.get_json("/__stats")
        self.check_mock(upstream)

        requests = output["requests"]
        seen = upstream["requests"] - upstream_before["requests"]
        body_bytes = upstream["body_bytes"] - upstream_before["body_bytes"]
        if seen != requests:
            raise Broken(f"{target.name}: {requests} requests were answered, the upstream saw {seen}")
        if body_bytes != requests * BODIES[body_name]:
            raise Broken(
                f"{target.name}: the upstream got {body_bytes / seen:.1f} bytes per body of {BODIES[body_name]}")
        if output["reconnects"] > requests / 100:
            self.note(f"{target.name} closed client connections: {output['reconnects']} in {requests} requests")
        counters = self.upstream.setdefault(target.process.name if target.process else target.name, [0, 0])
        counters[0] += requests
        counters[1] += upstream["connections"] - upstream_before["connections"]
        return {
            "foreign_share": foreign_share, "requests": requests,
            "cpu_us": cpu_ns / 1000 / requests, "cpu_share": cpu_ns / 1e9 / elapsed,
            "per_second": output["requests_per_second"], "p50_us": output["answer_us"]["p50"],
            "p99_us": output["answer_us"]["p99"], "load_cpu_us": self.machine.last_load_ns / 1000 / requests,
            "mock_cpu_us": cpu_between(mock_before, self.mock.cpu()) / 1000 / requests,
        }

    def measure_streams(self, target, shape: StreamShape, seconds) -> dict:
        self.mock_client.get_json(f"/__pace?chunks={shape.chunks}&interval_us={shape.interval_us}")
        self.machine.wait_until_quiet()
        foreign = self.machine.foreign_reading()
        before = target.process.cpu() if target.process else None
        output = json.loads(self.machine.run_load(
            self.load_command("streams", target, self.stream_body_file, shape.connections, seconds, shape.warm_up,
                              "--chunks", shape.chunks)))
        cpu_ns = 0
        if target.process:
            target.process.check_alive()
            cpu_ns = cpu_between(before, target.process.cpu())
        foreign_share = self.machine.foreign_share(foreign)
        self.wait_for_cancelled_streams(target)
        if output["requests"] < shape.connections / 2 or "gap_us" not in output or "first_byte_us" not in output:
            raise Broken(f"{target.name}: of {shape.connections} streams at a time only {output['requests']} came to "
                         f"their end in {seconds:.1f} s")
        return {
            "foreign_share": foreign_share, "events": output["events"], "cpu_us": cpu_ns / 1000 / output["events"],
            "per_second": output["events_per_second"], "first_byte": output["first_byte_us"],
            "event": output["event_us"], "gap": output["gap_us"],
        }

    def wait_for_cancelled_streams(self, target):
        """The load hangs up in the middle of its streams; what goes on upstream would disturb the next measurement."""
        deadline = time.monotonic() + 2
        while True:
            stats = self.mock_client.get_json("/__stats")
            self.check_mock(stats)
            if stats["open_streams"] == 0:
                return
            if time.monotonic() > deadline:
                self.note(f"{target.name}: {stats['open_streams']} upstream streams went on "
                          "2 s after the clients had gone")
                return
            time.sleep(0.02)

    def keep(self, rounds: list, measure):
        """Adds a measurement to its rounds. One that others have disturbed is repeated once; the better one is kept."""
        figures = measure()
        if figures["foreign_share"] > report.DISTURBED and self.repeats_left > 0:
            begin = time.monotonic()
            figures = min(figures, measure(), key=lambda candidate: candidate["foreign_share"])
            self.repeats_left -= time.monotonic() - begin
        rounds.append(figures)
        self.foreign_shares.append(figures["foreign_share"])

    def run_rounds(self, targets):
        self.say("warming up: " + ", ".join(target.name for target in targets))
        for target in targets:
            if not target.requests:
                continue
            self.probe(target)
            for body_name in BODIES:
                self.measure_requests(target, body_name, max(CONNECTIONS), 0.1, warming=True)
        longest = 0.0
        for number in range(self.plan.rounds):
            begin = time.monotonic()
            if number and begin - self.started + longest > self.plan.rounds_end:
                self.note(f"{number} of {self.plan.rounds} rounds: the machine was too slow or too busy for more")
                break
            self.say(f"round {number + 1} of {self.plan.rounds}")
            turn = number % len(targets)
            in_turn = targets[turn:] + targets[:turn]  # nobody always comes after the same one
            for body_name in BODIES:
                for connections in CONNECTIONS:
                    for target in (target for target in in_turn if target.requests):
                        self.keep(
                            self.results["requests"].setdefault(f"{target.name}/{body_name}/{connections}", []),
                            lambda: self.measure_requests(target, body_name, connections, self.plan.request_seconds))
            for shape in STREAMS:
                for target in in_turn:
                    if target.streams:
                        self.keep(
                            self.results["streams"].setdefault(f"{target.name}/{shape.name}", []),
                            lambda: self.measure_streams(target, shape, self.plan.stream_seconds * shape.share))
            longest = max(longest, time.monotonic() - begin)

    def measure_start_up(self, name, start):
        """From exec until the first request has been served, in milliseconds."""
        times = []
        for _ in range(self.plan.start_ups):
            self.machine.wait_until_quiet(share=0.25)
            target = start()

            def first_request():
                client = Client(target.port)
                try:
                    self.ask(client, target, "1 KB")
                finally:
                    client.close()
                times.append((time.monotonic() - target.process.started) * 1000)

            self.wait_for(target.process, first_request, pause=0.001)
            target.process.stop()
        self.results["processes"].setdefault(name, {})["start_up_ms"] = times
        self.say(f"start-up of {name}: " + ", ".join(f"{value:.0f}" for value in times) + " ms")

    def measure_memory_and_threads(self, name, target):
        self.say(f"memory and threads of {name}")
        process, figures = target.process, self.results["processes"].setdefault(name, {})
        self.probe(target)
        figures["resident_at_start_mb"] = process.resident_mb()
        figures["threads_at_start"] = figures["threads_at_most"] = process.status("Threads")

        def watch():
            figures["threads_at_most"] = max(figures["threads_at_most"], process.status("Threads"))

        before = process.cpu()
        for body_name in BODIES:
            self.measure_requests(target, body_name, 64, self.plan.request_seconds, watch=watch)
        self.measure_streams(target, STREAMS[0], self.plan.stream_seconds)
        after = process.cpu()
        watch()
        spent = [value - before.threads.get(thread, 0) for thread, value in after.threads.items()]
        figures["threads_busy"] = sum(1 for value in spent if value > 0.05 * sum(spent))
        figures["resident_after_load_mb"] = process.resident_mb()

        clients = []
        try:
            for _ in range(IDLE_CONNECTIONS):
                clients.append(Client(target.port))
                self.ask(clients[-1], target, "1 KB")
            time.sleep(0.5)
            figures["resident_with_idle_mb"] = process.resident_mb()
            for client in clients[::50]:  # were they kept?
                self.ask(client, target, "1 KB")
        finally:
            for client in clients:
                client.close()
        process.stop()

    def measure_scaling(self, name, start):
        """Throughput with one and with two loops. With fewer than four CPUs, upstream and load share the two."""
        cpus = sorted(self.machine.all_cpus)
        shared = len(cpus) < 4
        proxy_cpus = set(cpus[:2])
        mock_cpus, load_cpus = (proxy_cpus, proxy_cpus) if shared else ({cpus[2]}, {cpus[3]})
        os.sched_setaffinity(self.mock.pid, mock_cpus)
        targets = {loops: start(loops, proxy_cpus) for loops in (1, 2)}
        runs = {1: [], 2: []}
        for target in targets.values():
            self.probe(target)
        for _ in range(self.plan.scaling_rounds):
            for loops, target in targets.items():
                self.keep(runs[loops], lambda: self.measure_requests(
                    target, "1 KB", 64, self.plan.request_seconds, load_cpus))
        for target in targets.values():
            target.process.stop()
        os.sched_setaffinity(self.mock.pid, self.machine.load_cpus)
        self.results["scaling"][name] = {"one": runs[1], "two": runs[2], "shared_cpus": shared}
        self.say(f"scaling of {name}: " + ", ".join(
            f"{loops} x {run['per_second']:.0f}/s" for loops in runs for run in runs[loops]))

    def measure_guards(self):
        """What each check of the plugins costs by itself, as `gatehouse plugin test --bench` has it: on the CPU of the proxies."""
        self.machine.wait_until_quiet()
        for source in sorted((HERE.parent.parent / "Plugins").glob("*/plugin.json")):
            plugin = json.loads(source.read_text())["id"]
            libraries = list((self.arguments.stage / "lib/gatehouse/plugins" / plugin).glob("*.so"))
            if len(libraries) != 1:
                continue
            command = [self.arguments.gatehouse, "plugin", "test", source.parent, "--library", libraries[0], "--bench"]
            done = subprocess.run(
                ["taskset", "-c", ",".join(map(str, sorted(self.machine.proxy_cpus))), *command], capture_output=True,
                text=True, timeout=120)
            if done.returncode:
                raise Broken(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
            for check, small, large in re.findall(r"^(\S+)  1 KB (\S+) us  32 KB (\S+) MB/s$", done.stdout, re.MULTILINE):
                self.results["guards"][check] = {"us_1_kb": float(small), "mb_per_second": float(large)}
        self.say(f"{len(self.results['guards'])} checks by themselves")

    def cross_check(self, target):
        """wrk's own count of requests per second, beside load.c's."""
        seconds = max(1, round(self.plan.request_seconds))
        self.machine.wait_until_quiet()
        output = self.machine.run_load([
            self.arguments.wrk, "-t1", "-c64", f"-d{seconds}s", "-s", HERE / "cross_check.lua",
            f"http://127.0.0.1:{target.port}{ENDPOINT}", "--", self.body_files["1 KB"], *target.headers])
        figures = json.loads(re.search(r"^JSON (.*)$", output, re.MULTILINE)[1])
        if figures["broken"] or figures["bytes"] < figures["requests"] * ANSWER_BYTES:
            raise Broken(f"wrk against {target.name}: {figures}")
        self.results["wrk"][target.name] = figures["requests"] / figures["seconds"]

    def run(self):
        gatehouse = self.arguments.gatehouse is not None
        self.measure_start_up("nginx", lambda: self.start_nginx("nginx at start", wait=False))
        if gatehouse:
            self.measure_start_up("gatehouse", lambda: self.start_gatehouse("gatehouse at start", wait=False))

        targets = [self.direct, self.start_nginx()]
        if gatehouse:
            bare = self.start_gatehouse("gatehouse bare", mode="bare")
            default = self.start_gatehouse("gatehouse default")
            guards = Target("gatehouse guards", default.port, default.process, GUARDED, streams=False)
            redacts = Target("gatehouse pii", default.port, default.process, REDACTED, requests=False)
            everything = self.start_gatehouse("gatehouse everything", mode="everything")
            everything.streams = False
            targets += [bare, default, guards, redacts, everything]
        self.run_rounds(targets)
        if gatehouse:
            self.measure_guards()
            self.count_rows(everything)
            self.results["processes"]["gatehouse"]["resident_after_rounds_mb"] = default.process.resident_mb()
        if self.arguments.wrk:
            for target in targets:
                if target.requests:
                    self.cross_check(target)
        else:
            self.note("wrk is not installed: no cross-check of the throughput")
        for target in targets:
            if target.process:
                target.process.stop()

        self.measure_memory_and_threads("nginx", self.start_nginx("nginx for memory"))
        if gatehouse:
            self.measure_memory_and_threads("gatehouse", self.start_gatehouse("gatehouse for memory"))
        self.measure_scaling(
            "nginx", lambda workers, cpus: self.start_nginx(f"nginx with {workers} workers", workers, cpus))
        if gatehouse:
            self.measure_scaling("gatehouse default", lambda loops, cpus: self.start_gatehouse(
                f"gatehouse with {loops} loops", loops=loops, cpus=cpus))

        self.results["upstream_connections"] = {
            target.process.name: self.upstream[target.process.name] for target in targets if target.process}
        self.results |= {
            "gatehouse": gatehouse, "quick": self.arguments.quick, "foreign_shares": self.foreign_shares,
            "seconds": time.monotonic() - self.started, "machine": describe_machine(self.arguments, self.machine)}
        return self.results


def describe_machine(arguments, machine) -> str:
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    version = subprocess.run([arguments.nginx, "-v"], capture_output=True, text=True).stderr.strip()
    return (f"{len(machine.all_cpus)} CPUs ({model[1] if model else platform.machine()}), Linux {platform.release()}, "
            f"{version.removeprefix('nginx version: ')}")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatehouse", type=Path, help="the gateway's binary; default: STAGE/bin/gatehouse")
    parser.add_argument("--stage", type=Path, help="the installed tree, for its plugins; default: the binary's")
    parser.add_argument("--quick", action="store_true", help="one short round: under two minutes, less to be trusted")
    parser.add_argument("--silent", action="store_true", help="no progress on stderr")
    parser.add_argument("--build-dir", type=Path, required=True, help="where run.sh has put mock and load")
    arguments = parser.parse_args()
    if arguments.stage and not arguments.gatehouse:
        arguments.gatehouse = arguments.stage / "bin" / "gatehouse"
    if arguments.gatehouse:
        arguments.gatehouse = arguments.gatehouse.resolve()
        if not os.access(arguments.gatehouse, os.X_OK) or arguments.gatehouse.is_dir():
            parser.error(f"{arguments.gatehouse} is not a program")
        arguments.stage = (arguments.stage or arguments.gatehouse.parent.parent).resolve()
    search_path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    arguments.nginx = shutil.which("nginx", path=search_path)
    arguments.wrk = shutil.which("wrk", path=search_path)
    if not arguments.nginx:
        parser.error("nginx is not installed")
    return arguments


def end_on_signals():
    """Turns the signals that would kill us into an exception, so that the children are stopped."""

    def end(number, _frame):
        for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(other, signal.SIG_IGN)  # the clean-up is not to be interrupted
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)


def main():
    arguments = read_arguments()
    end_on_signals()
    directory = Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    try:
        results = Bench(arguments, directory).run()
        (arguments.build_dir / "results.json").write_text(json.dumps(results, indent=1))
        print(report.render(results))
        if not arguments.silent:
            print(f"all figures: {arguments.build_dir / 'results.json'}", file=sys.stderr)
        return 0
    except Broken as reason:
        print(f"bench: broken run: {reason}", file=sys.stderr)
        return 1
    finally:
        Process.stop_all()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
