"""Runs the real binary of a staged tree, and reads what it says.

GATEHOUSE_STAGE names the tree (bin/gatehouse, lib/gatehouse/plugins/<id>/…). Each gateway listens on a port that the system
chooses, and dies with the test process.
"""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
from typing import Any, Callable

# For everything that has to happen soon; generous, since machines may be slow. Nothing waits so long when all is well.
SOON = 20.0


def stage() -> pathlib.Path:
    text = os.environ.get("GATEHOUSE_STAGE")
    if not text:
        raise RuntimeError("GATEHOUSE_STAGE must name a staged tree, as `make stage CONFIG=debug` makes it")
    return pathlib.Path(text).absolute()


def binary() -> str:
    return str(stage() / "bin" / "gatehouse")


def plugin_directory() -> str:
    return str(stage() / "lib" / "gatehouse" / "plugins")


def until(condition: Callable[[], Any], what: str = "it", timeout: float = SOON) -> Any:
    """Polls until the condition is true, and gives its value."""
    deadline = time.monotonic() + timeout
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(0.01)


def command(*arguments: str, timeout: float = 60, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a subcommand to its end."""
    return subprocess.run(
        [binary(), *arguments], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})})


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Gateway:
    """One running gateway. `config` is written to a file; where it listens is filled in."""

    def __init__(
        self, config: dict[str, Any], *, arguments: tuple[str, ...] = (), env: dict[str, str] | None = None, file: str = "gatehouse.json",
        may_stall: bool = False,
    ):
        self.directory = tempfile.TemporaryDirectory(prefix="gatehouse-test-")
        self.path = pathlib.Path(self.directory.name)
        self.config_file = self.path / file
        self.config = config
        self.arguments = arguments
        self.env = env or {}
        self.may_stall = may_stall
        self.lines: list[str] = []
        self.arrived = threading.Condition()
        self.write(config)

    def complete(self, config: dict[str, Any]) -> dict[str, Any]:
        """The config with what every test needs: a free port, the staged plugins, a directory for their copies."""
        whole = {"listen": {"address": "127.0.0.1", "port": 0}, "plugins": {}} | config
        whole["listen"] = {"address": "127.0.0.1", "port": 0} | whole["listen"]
        whole["plugins"] = {"directories": [plugin_directory()], "state_directory": str(self.path / "state")} | whole["plugins"]
        return whole

    def write(self, config: dict[str, Any]) -> None:
        """Writes a config, complete, in one step."""
        self.write_text(json.dumps(self.complete(config)))

    def reload(self, config: dict[str, Any]) -> None:
        """Writes a config and tells the gateway, which would notice within a second."""
        self.write(config)
        self.signal(signal.SIGHUP)

    def write_text(self, text: str) -> None:
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.config_file)

    def __enter__(self) -> "Gateway":
        # A proxy of the environment has no part in these tests.
        env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.process = subprocess.Popen(
            [binary(), "serve", "--config", str(self.config_file), *self.arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.path, env=env | self.env, preexec_fn=_die_with_parent)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        line = self.wait_for_line(lambda line: line.get("message") == "listening" or "exited" in line, "listening", 3 * SOON)
        if "exited" in line:
            raise AssertionError("the gateway did not start:\n" + "\n".join(self.lines))
        self.url = line["address"]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            status = self.stop()
        finally:
            self.directory.cleanup()
        if kind is None:
            assert status == 0, f"the gateway ended with {status}:\n" + "\n".join(self.lines[-20:])
            assert self.may_stall or not self.stalls(), f"hooks stalled a loop: {self.stalls()}"

    def stalls(self) -> list[dict[str, Any]]:
        """Hooks that took too long on their loop. Only debug builds can tell: they count the thread's own time."""
        self.reader.join(SOON)
        return [line for line in self.log() if line.get("message") == "a hook stalled its event loop" and line.get("clock") == "thread"]

    def stop(self, timeout: float = SOON) -> int:
        """Tells it to stop, kills it when it does not, and gives its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the gateway did not stop:\n" + "\n".join(self.lines[-20:]))

    # MARK: The log

    def _read(self) -> None:
        for line in self.process.stderr:
            with self.arrived:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.lines.append('{"exited":true}')
            self.arrived.notify_all()

    def log(self) -> list[dict[str, Any]]:
        """The lines so far; what is no JSON comes as {"text": …}."""
        with self.arrived:
            lines = list(self.lines)
        return [_parsed(line) for line in lines]

    def wait_for_line(self, wanted: Callable[[dict[str, Any]], bool], what: str = "a log line", timeout: float = SOON) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        seen = 0
        with self.arrived:
            while True:
                for line in self.lines[seen:]:
                    seen += 1
                    if wanted(parsed := _parsed(line)):
                        return parsed
                left = deadline - time.monotonic()
                if left <= 0 or not self.arrived.wait(left):
                    raise AssertionError(f"{what}: no such line within {timeout} s:\n" + "\n".join(self.lines[-20:]))

    def access_line(self, trace_id: str) -> dict[str, Any]:
        """The access line of one exchange."""
        return self.wait_for_line(lambda line: line.get("trace_id") == trace_id and "status" in line, f"access line of {trace_id}")

    # MARK: The process

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def rss(self) -> int:
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process is gone")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {"text": line}
    return value if isinstance(value, dict) else {"text": line}
