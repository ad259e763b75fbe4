"""gatehouse admin, audit and store rekey: on the store of a gateway that runs, and on one that does not."""

import json
import os
import sqlite3
import stat
import subprocess

import pytest

from control import Control
from gateway import Gateway, binary, command, until


@pytest.fixture(scope="module")
def control():
    with Control() as control:
        yield control


def admin(control, *arguments, input=None, status=0, of="admin"):
    words = [binary(), of, *arguments, "--config", str(control.config_file)]
    done = subprocess.run(words, input=input or "", capture_output=True, text=True, timeout=60)
    assert done.returncode == status, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout if status == 0 else done.stderr


def test_what_it_changes_reaches_a_running_gateway_within_a_second(control, upstream):
    assert admin(control, "workspaces", "create", "Shop", "--slug", "shop").strip() == "shop"
    slug = admin(
        control, "virtual-keys", "create", "Main", "--slug", "main", "--provider", "openai", "--workspace", "shop", "--base-url",
        upstream.base, input="sk-from-stdin\n").strip()
    key = admin(control, "keys", "create", "app", "--workspace", "shop", "--rate", "10000/rpm", "--budget", "5/monthly").strip()
    answer = until(lambda: (a := control.chat(key, {"x-portkey-virtual-key": slug})).status == 200 and a)
    assert upstream.requests[-1].header("authorization") == "Bearer sk-from-stdin"
    assert answer.header("x-ratelimit-limit-requests") == "10000"
    id = next(row["id"] for row in json.loads(admin(control, "keys", "list", "--json", "--workspace", "shop"))["data"])
    admin(control, "virtual-keys", "disable", "main")
    until(lambda: control.chat(key, {"x-portkey-virtual-key": slug}).status == 403)
    admin(control, "virtual-keys", "enable", "main")
    admin(control, "virtual-keys", "rotate", "main", input="sk-second\n")
    until(lambda: control.chat(key, {"x-portkey-virtual-key": slug}).status == 200 and upstream.requests[-1].header("authorization") == "Bearer sk-second")
    new = admin(control, "keys", "rotate", id).strip()
    until(lambda: control.chat(new, {"x-portkey-virtual-key": slug}).status == 200)
    admin(control, "keys", "delete", id)
    # Whoever has asked too often with a key that is none is told that instead.
    refused = ("invalid_api_key", "too_many_failures")
    until(lambda: (a := control.chat(new, {"x-portkey-virtual-key": slug})).status != 200 and a.error["code"] in refused)


def test_tables(control):
    table = admin(control, "workspaces", "list")
    assert table.splitlines()[0].split() == ["SLUG", "NAME", "STATUS", "CREATED", "AT"] and "default" in table
    assert "ghk-" not in admin(control, "keys", "list")
    assert "command line" in admin(control, "list", of="audit")


def test_configs_and_the_rest(control, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"cache": {"mode": "simple"}}')
    assert admin(control, "configs", "create", "C", "--slug", "pc-c", "--file", str(file)).strip() == "pc-c"
    file.write_text('{"retry": {"attempts": 2}}')
    admin(control, "configs", "update", "pc-c", "--file", str(file))
    assert json.loads(admin(control, "configs", "show", "pc-c")) == {"retry": {"attempts": 2}}
    assert json.loads(admin(control, "call", "GET", "/configs/pc-c/versions"))["total"] == 2
    admin(control, "configs", "delete", "pc-c")
    assert "there is no config" in admin(control, "configs", "show", "pc-c", status=1)
    file.write_text("{")
    admin(control, "configs", "create", "C", "--file", str(file), status=64)


@pytest.mark.parametrize("arguments, says", [
    (("keys", "create", "x", "--budget", "much"), "expected an amount"),
    (("keys", "create", "x", "--rate", "10"), "a number and a unit"),
    (("keys", "create", "x", "--scopes", "flying"), "no scope flying"),
    (("virtual-keys", "create", "x", "--provider", "openai"), "standard input"),
    (("workspaces", "delete", "default"), "cannot be deleted"),
])
def test_errors(control, arguments, says):
    words = [binary(), "admin", *arguments, "--config", str(control.config_file)]
    done = subprocess.run(words, input="", capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and says in done.stderr


def test_without_a_control_plane(tmp_path):
    file = tmp_path / "c.json"
    file.write_text("{}")
    done = command("admin", "workspaces", "list", "--config", str(file))
    assert done.returncode != 0 and "control.enabled" in done.stderr


# MARK: The audit log

def tampered(control, sql):
    with sqlite3.connect(control.store) as store:
        store.execute("PRAGMA trusted_schema = ON")
        store.executescript(sql)


def test_the_audit_log_finds_what_was_done_to_it():
    with Control() as control:
        for n in range(5):
            control.workspace(f"w{n}")
        head = admin(control, "head", of="audit").strip()
        control.workspace("w5")
        assert "is sound" in admin(control, "verify", "--head", head, of="audit")
        control.stop()
        copy = control.path / "copy.db"
        with sqlite3.connect(control.store) as store:
            store.execute(f"VACUUM INTO '{copy}'")
        for sql in (
            "UPDATE audit SET actor_name = 'somebody else' WHERE sequence = 3",
            "UPDATE audit SET detail = '{}', at = at + 1 WHERE sequence = 4",
            "DELETE FROM audit WHERE sequence = 4",
            "DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)",
            "DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit); DELETE FROM audit_head",
            "UPDATE audit SET sequence = -1 WHERE sequence = 3; UPDATE audit SET sequence = 3 WHERE sequence = 4; UPDATE audit SET sequence = 4 WHERE sequence = -1",
            "UPDATE audit_head SET sequence = sequence + 1",
        ):
            for side in control.path.glob("gatehouse.db*"):
                if not side.name.endswith("master-key"):
                    side.unlink()
            control.store.write_bytes(copy.read_bytes())
            control.store.chmod(0o600)
            tampered(control, sql)
            assert "not sound" in admin(control, "verify", of="audit", status=1), sql
        # Cut off with its head put back: only a head from elsewhere tells.
        control.store.write_bytes(copy.read_bytes())
        assert "does not have the head" in admin(control, "verify", "--head", "2:" + 64 * "a", of="audit", status=1)
        control.lines.clear()
        with control:
            pass


# MARK: The master key

def test_the_first_start_makes_a_master_key_and_an_owner_key(upstream):
    control = Control({"control": {"owner_key": None}})
    with control:
        printed = [line for line in control.lines if "ghk-" in line]
        assert len(printed) == 1
        owner = printed[0].strip()
        assert control.call("GET", "/admin/workspaces", key=owner)["total"] == 1
        file = control.path / "gatehouse.db.master-key"
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        assert any("master key was made" in line for line in control.lines)
        control.stop()
        control.lines.clear()
        with control:
            # Shown once.
            assert not any("ghk-" in line for line in control.lines)
            assert control.call("GET", "/admin/workspaces", key=owner)["total"] == 1


def test_a_wrong_master_key_ends_the_start(upstream):
    with Control() as control:
        control.virtual_key("v", upstream.base)
    # The directory is gone with the gateway: again, by hand.
    control = Control()
    with control:
        control.virtual_key("v", upstream.base)
        control.stop()
        key = control.path / "gatehouse.db.master-key"
        right = key.read_text()
        key.write_text(64 * "0" + "\n")
        done = command("serve", "--config", str(control.config_file))
        assert done.returncode == 1 and "not the one that this store was made with" in done.stderr and right.strip() not in done.stderr
        key.write_text(right)
        key.chmod(0o644)
        assert "chmod 600" in command("serve", "--config", str(control.config_file)).stderr
        key.chmod(0o600)
        key.unlink()
        done = command("serve", "--config", str(control.config_file))
        assert done.returncode == 1 and "master-key" in done.stderr
        key.write_text(right)
        key.chmod(0o600)
        control.lines.clear()
        with control:
            pass


def test_another_master_key(upstream):
    control = Control()
    with control:
        control.virtual_key("v", upstream.base)
        _, key = control.key()
        control.stop()
        new = control.path / "new.key"
        assert "new.key" in admin(control, "rekey", "--new-key-file", str(new), of="store")
        done = command("serve", "--config", str(control.config_file))
        assert done.returncode == 1 and "master key" in done.stderr
        control.config["control"]["master_key"] = {"file": str(new)}
        control.write(control.config)
        control.lines.clear()
        with control:
            assert control.chat(key, {"x-portkey-virtual-key": "v"}).status == 200


@pytest.mark.parametrize("way", ["env", "command"])
def test_where_a_master_key_may_come_from(way, upstream):
    master = 32 * "5a"
    settings = {"env": {"master_key": {"env": "TEST_MASTER"}}, "command": {"master_key_command": f"echo {master}"}}[way]
    with Control({"control": settings}, env={"TEST_MASTER": master}) as control:
        control.virtual_key("v", upstream.base)
        assert not (control.path / "gatehouse.db.master-key").exists()
        assert not any(master in line for line in control.lines)


def test_a_backup_has_no_master_key_and_is_no_use_without_it(control, tmp_path, upstream):
    control.virtual_key("backed-up", upstream.base, key="sk-in-the-backup")
    copy = tmp_path / "copy.db"
    assert command("store", "backup", str(control.store), str(copy)).returncode == 0
    assert b"sk-in-the-backup" not in copy.read_bytes() and stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    with sqlite3.connect(copy) as store:
        assert store.execute("SELECT count(*) FROM credentials").fetchone()[0] > 0
    assert list(tmp_path.iterdir()) == [copy]


def test_a_row_in_anothers_place_opens_nothing(upstream):
    control = Control()
    with control:
        for slug in ("one", "two"):
            control.virtual_key(slug, upstream.base)
        _, key = control.key()
        control.stop()
        with sqlite3.connect(control.store) as store:
            store.execute("""UPDATE credentials SET sealed = (SELECT c.sealed FROM credentials c JOIN objects o ON o.id = c.object WHERE o.slug = 'one')
                WHERE object = (SELECT id FROM objects WHERE slug = 'two' AND kind = 'virtual-key')""")
        store.close()
        control.lines.clear()
        with control:
            assert control.chat(key, {"x-portkey-virtual-key": "one"}).status == 200
            assert control.chat(key, {"x-portkey-virtual-key": "two"}).status == 400
            assert any("cannot be read" in line for line in control.lines)


def test_local_access_needs_loopback(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"listen": {"address": "0.0.0.0"}, "store": {"path": "s.db"}, "control": {"enabled": True, "access": "local"}}))
    assert "loopback" in command("check", str(file)).stderr + command("check", str(file)).stdout
    with Control({"control": {"owner_key": None}}, access="local") as control:
        assert control.call("GET", "/admin/workspaces", key="")["total"] == 1
