"""The control plane when things break: kill -9 at any moment, a store that is locked or cannot grow."""

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import upstream as u
from control import OWNER, Control
from gateway import command, until

PRICES = {"models": {"openai/m": {"input": 0, "output": 1000}}}
HUNDRED = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110}


def test_killed_under_load(upstream):
    """What was answered with success is there; the file is sound; spend is short by what the flush interval allows at most."""
    base = upstream.script(u.answer(u.completion(usage=HUNDRED)))
    control = Control({"prices": PRICES, "control": {"flush_ms": 200}})
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    kept: list[str] = []
    with control:
        control.virtual_key("v", base)
        id, key = control.key(usage_limits={"credit_limit": 1_000_000})
        rounds = 6
        spent_before = 0
        for n in range(rounds):
            answered: list[float] = []
            stop = threading.Event()

            def administrate():
                for m in range(10_000):
                    if stop.is_set():
                        return
                    name = f"r{n}-{m}"
                    try:
                        if control.raw_call("POST", "/admin/workspaces", {"name": name, "slug": name}).status == 200:
                            kept.append(name)
                    except (OSError, EOFError):
                        return

            def spend():
                while not stop.is_set():
                    try:
                        if control.chat(key, {"x-portkey-virtual-key": "v"}, max_tokens=100).status == 200:
                            answered.append(time.monotonic())
                    except (OSError, EOFError):
                        return

            threads = [threading.Thread(target=job) for job in (administrate, spend, spend)]
            for thread in threads:
                thread.start()
            time.sleep(0.3 + dice.random())
            killed = time.monotonic()
            control.process.send_signal(signal.SIGKILL)
            control.process.wait()
            stop.set()
            for thread in threads:
                thread.join()
            report = command("store", "check", str(control.store))
            assert report.returncode == 0, f"seed {seed}: {report.stdout}{report.stderr}"
            assert "is sound" in command("audit", "verify", "--config", str(control.config_file)).stdout
            control.lines.clear()
            control.__enter__()
            there = {row["slug"] for row in control.call("GET", "/admin/workspaces?page_size=1000")["data"]}
            assert set(kept) <= there, f"seed {seed}"
            # Ten cents each, as whole cents.
            spent = round(control.call("GET", f"/api-keys/{id}")["usage"][0]["spent"] * 10)
            certain = sum(1 for moment in answered if moment < killed - 1)
            assert certain <= spent - spent_before <= len(answered) + 2, f"seed {seed}: {certain} {spent - spent_before} {len(answered)}"
            spent_before = spent


def test_a_locked_store_refuses_changes_and_serves_requests(upstream):
    base = upstream.script(u.answer(u.completion(usage=HUNDRED)))
    with Control({"prices": PRICES}) as control:
        control.virtual_key("v", base)
        id, key = control.key(usage_limits={"credit_limit": 100})
        holder = sqlite3.connect(control.store, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            answer = control.call("POST", "/admin/workspaces", {"name": "late", "slug": "late"}, status=None)
            assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
            assert control.chat(key, {"x-portkey-virtual-key": "v"}, max_tokens=100).status == 200
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        assert control.call("GET", "/admin/workspaces")["total"] == 1
        # What was spent meanwhile is not lost.
        def stored():
            with sqlite3.connect(control.store) as store:
                return store.execute("SELECT sum(amount) FROM counters WHERE counter LIKE ?", (f"key/{id}/%",)).fetchone()[0]
        until(lambda: stored() == 100_000_000_000)
        control.workspace("late")


def test_a_file_that_cannot_grow(upstream):
    """As on a full disk: changes are refused with a reason, nothing is half-written, requests go on."""
    control = Control({"prices": PRICES})
    with control:
        control.virtual_key("v", upstream.base)
        _, key = control.key()
        limit = max(os.path.getsize(file) for file in control.path.glob("gatehouse.db*")) + 40_960
        resource.prlimit(control.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        made, refused = [], None
        for n in range(400):
            body = {"name": f"big{n}", "slug": f"big{n}", "config": {"virtual_key": "v", "override_params": {"user": 3_000 * "x"}}}
            answer = control.call("POST", "/configs", body, status=None)
            if answer.status != 200:
                refused = answer
                break
            made.append(f"big{n}")
        assert refused is not None and refused.status in (500, 503) and refused.error["message"].endswith("nothing was changed")
        assert control.chat(key, {"x-portkey-virtual-key": "v"}).status == 200
        assert {row["slug"] for row in control.call("GET", "/configs?page_size=1000")["data"]} == set(made)
        control.process.kill()
        control.process.wait()
        assert command("store", "check", str(control.store)).returncode == 0
        control.lines.clear()
        control.__enter__()
        assert {row["slug"] for row in control.call("GET", "/configs?page_size=1000")["data"]} == set(made)


def test_a_newer_store_ends_the_start(upstream):
    control = Control()
    with control:
        control.stop()
        with sqlite3.connect(control.store) as store:
            store.execute("PRAGMA user_version = 99")
        store.close()
        done = command("serve", "--config", str(control.config_file))
        assert done.returncode == 1 and "newer version" in done.stderr
        with sqlite3.connect(control.store) as store:
            store.execute("PRAGMA user_version = 6")
        store.close()
        control.lines.clear()
        control.__enter__()


def test_a_clock_that_jumps_back_is_no_matter_for_keys(upstream):
    # Times are compared with the wall clock when a key is used; what was stored later than now is simply newer.
    control = Control()
    with control:
        control.virtual_key("v", upstream.base)
        _, key = control.key()
        control.stop()
        with sqlite3.connect(control.store) as store:
            store.execute("UPDATE objects SET created_at = created_at + 86400000000000, updated_at = updated_at + 86400000000000")
            store.execute("UPDATE counters SET window = window + 86400")
        store.close()
        control.lines.clear()
        control.__enter__()
        assert control.chat(key, {"x-portkey-virtual-key": "v"}).status == 200
        control.workspace("later")
