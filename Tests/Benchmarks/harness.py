"""Processes, CPU readings and the state of the machine: what run.py measures with. Linux, standard library only."""

import ctypes
import json
import os
import random
import resource
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """The run is worthless: something did not start, answered wrongly or not at all."""


def free_port() -> int:
    # Below the ephemeral range, so that no outgoing connection takes the port before its server does.
    for _ in range(1000):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Broken("no free port between 20000 and 32000")


@dataclass
class CPUReading:
    threads: dict  # (pid, tid) -> nanoseconds on a CPU, from schedstat
    ticks_ns: int  # utime + stime, which also has the threads that have ended; in steps of 10 ms


def cpu_between(before: CPUReading, after: CPUReading) -> int:
    """Nanoseconds of CPU. schedstat is exact, but forgets a thread when it ends: the ticks then know better."""
    exact = sum(value - before.threads.get(thread, 0) for thread, value in after.threads.items())
    ticks = after.ticks_ns - before.ticks_ns
    forgotten = before.threads.keys() - after.threads.keys() or ticks > exact + 5 * TICK_NS
    return ticks if forgotten else exact


class Process:
    """A child on given CPUs, in its own session; it ends with us whatever happens to us."""

    running: list["Process"] = []

    def __init__(self, name, command, cpus, directory: Path):
        self.name = name
        self.log = directory / f"{name.replace(' ', '-')}.log"

        def before_exec():
            os.setsid()
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, cpus)

        with open(self.log, "wb") as log:
            self.started = time.monotonic()
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=before_exec)
        self.pid = self.child.pid
        Process.running.append(self)

    def pids(self) -> list[int]:
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    queue += [int(word) for word in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
            except FileNotFoundError:
                pass
        return found

    def cpu(self) -> CPUReading:
        threads, ticks = {}, 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
                for task in os.listdir(f"/proc/{pid}/task"):
                    threads[pid, task] = int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
            except FileNotFoundError:
                continue
        return CPUReading(threads, ticks * TICK_NS)

    def status(self, field: str) -> int:
        """Sum over the process and its children; in kB where the kernel says kB."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
        return total

    def resident_mb(self) -> float:
        return self.status("VmRSS") / 1024

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-12:]) or "    (it wrote nothing)"

    def check_alive(self):
        if self.child.poll() is not None:
            raise Broken(f"{self.name} ended with status {self.child.returncode}; its last words:\n{self.last_words()}")

    def stop(self):
        if self in Process.running:
            Process.running.remove(self)
        for stop_signal, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            if self.child.poll() is not None:
                break
            self.signal_group(stop_signal)
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.signal_group(signal.SIGKILL)  # workers that outlived their parent

    def signal_group(self, number):
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    @classmethod
    def stop_all(cls):
        for process in list(cls.running):
            process.stop()


class Machine:
    """Which CPUs there are, and how busy others keep them."""

    def __init__(self, patience: float, patience_in_all: float):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise Broken("the benchmark needs two CPUs: one for the proxies, one for upstream and load")
        self.all_cpus = set(cpus)
        self.proxy_cpus, self.load_cpus = {cpus[0]}, {cpus[1]}
        self.patience, self.patience_left = patience, patience_in_all
        self.load_cpu_ns = 0  # what ended load generators have used
        os.sched_setaffinity(0, self.load_cpus)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))

    def busy_ns(self) -> int:
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle, waiting = fields[3], fields[4]
        return (sum(fields) - idle - waiting) * TICK_NS

    def wait_until_quiet(self, share=1.0):
        """Waits for 0.2 s in which the CPUs were idle. Nothing of ours runs at that time."""
        limit = time.monotonic() + min(self.patience * share, self.patience_left)
        while True:
            busy, begin = self.busy_ns(), time.monotonic()
            time.sleep(0.2)
            elapsed = time.monotonic() - begin
            if (self.busy_ns() - busy) / 1e9 / elapsed / len(self.all_cpus) < 0.08:
                return
            self.patience_left -= elapsed
            if time.monotonic() >= limit:
                return

    def own_ns(self) -> int:
        own = sum(process.cpu().ticks_ns for process in Process.running)
        times = os.times()
        return own + self.load_cpu_ns + int((times.user + times.system) * 1e9)

    def foreign_reading(self):
        return self.busy_ns(), self.own_ns(), time.monotonic()

    def foreign_share(self, before) -> float:
        """The share of all CPUs that others have used since the reading `before`."""
        busy, own, moment = (after - then for after, then in zip(self.foreign_reading(), before))
        return max(0.0, (busy - own) / 1e9 / moment / len(self.all_cpus))

    def run_load(self, command, cpus=None, watch=None) -> str:
        """Runs a load generator to its end and returns what it printed. `watch` is called every 100 ms meanwhile."""
        cpus = cpus or self.load_cpus

        def before_exec():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, cpus)

        load = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, preexec_fn=before_exec)
        try:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            deadline = time.monotonic() + 60
            while True:
                try:
                    output, errors = load.communicate(timeout=0.1 if watch else 60)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        raise Broken(f"{command[0]} did not end") from None
                    if watch:
                        watch()
        finally:
            if load.poll() is None:
                load.kill()
                load.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.last_load_ns = int((after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime) * 1e9)
        self.load_cpu_ns += self.last_load_ns
        if load.returncode != 0:
            raise Broken(f"{Path(command[0]).name} ended with status {load.returncode}: {errors.strip()[:2000]}")
        return output


class Client:
    """One kept connection for requests that are not measured: the mock's controls, probes, start-up."""

    def __init__(self, port: int, timeout: float = 5):
        self.connection = HTTPConnection("127.0.0.1", port, timeout=timeout)

    def request(self, method, target, body=None, headers=None) -> tuple[int, bytes]:
        self.connection.request(method, target, body=body, headers=headers or {})
        response = self.connection.getresponse()
        return response.status, response.read()

    def get_json(self, target) -> dict:
        status, body = self.request("GET", target)
        if status != 200:
            raise Broken(f"GET {target} gave {status}")
        return json.loads(body)

    def close(self):
        self.connection.close()
