#!/usr/bin/env python3
"""Plays a draft of the JSON Schema Test Suite (github.com/json-schema-org/JSON-Schema-Test-Suite) to the plugin `schema`.

    run.py --stage .build-stage-debug SUITE/tests/draft7
    run.py --stage .build-stage-debug --draft 2020-12 SUITE/tests/draft2020-12

Starts the gateway of an installed tree with the mock provider, whose model `echo` answers with what it is told, and an
output guardrail default.jsonSchema: a valid instance passes with 200, another one ends as 446. Tests that need documents
from elsewhere are left out, since nothing is ever fetched: the files refRemote and vocabulary, and schemas that name the
suite's server. Standard library only; exit status 1 when a test fails.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

REMOTE = ("refRemote.json", "vocabulary.json")
SERVER = "localhost:1234"


def cases(directory):
    """(file, description, schema, test) of each required test, and how many were left out."""
    kept, remote = [], 0
    for path in sorted(directory.glob("*.json")):
        for group in json.loads(path.read_text()):
            for test in group["tests"]:
                if path.name in REMOTE or SERVER in json.dumps(group["schema"]):
                    remote += 1
                else:
                    name = f"{group['description']}: {test['description']}"
                    kept.append((path.name, name, group["schema"], test))
    return kept, remote


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(port, gateway):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if gateway.poll() is not None:
            sys.exit(f"the gateway ended with status {gateway.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the gateway does not listen")


def judge(port, draft, schema, instance):
    """The status that the instance ends with."""
    parameters = {"schema": schema, "draft": draft}
    config = {"provider": "mock", "output_guardrails": [{"deny": True, "default.jsonSchema": parameters}]}
    body = {"model": "echo", "messages": [{"role": "user", "content": json.dumps(instance)}]}
    headers = {"content-type": "application/json", "x-portkey-config": json.dumps(config)}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, help="the draft's files")
    parser.add_argument("--stage", type=pathlib.Path, required=True, help="an installed tree")
    parser.add_argument("--draft", choices=["draft-07", "2020-12"], default="draft-07")
    arguments = parser.parse_args()
    tests, remote = cases(arguments.directory)
    if not tests:
        sys.exit(f"{arguments.directory} has no tests")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "gatehouse.yaml")
        with open(config, "w") as file:
            file.write(f"listen: {{address: 127.0.0.1, port: {port}}}\nlog: {{level: error, access: false}}\n")
        gateway = subprocess.Popen([arguments.stage / "bin" / "gatehouse", "serve", "--config", config])
        try:
            wait_until_up(port, gateway)
            with ThreadPoolExecutor(4) as pool:
                statuses = list(pool.map(lambda case: judge(port, arguments.draft, case[2], case[3]["data"]), tests))
        finally:
            gateway.terminate()
            gateway.wait()
    failures = collections.Counter()
    for (file, name, _, test), status in zip(tests, statuses):
        if status != (200 if test["valid"] else 446):
            failures[file] += 1
            print(f"{file}: {name}: {status}, valid is {test['valid']}")
    failed = sum(failures.values())
    print(f"{arguments.draft}: {len(tests) - failed} passed, {failed} failed, {remote} left out: they need other documents")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
