#!/usr/bin/env python3
"""Golden tests of provider plugins, against the built libraries and without the gateway.

  run.py [--build DIR] [--only ID[/CASE]] [--bench]

A case is a directory Fixtures/providers/<id>/<case>/ with

  request.json    the client's body, sent as these bytes (may be missing: no body)
  case.json       optional: endpoint (chat_completions), method (POST), path (by endpoint), headers, status (200) of the
                  provider's answer, answer_headers, key (sk-test; null: the target has none), description: another one
  target.json     optional: the target's options
  upstream.json   what must go out: method, url, headers, body ("client": the client's bytes, or JSON), passthrough,
                  dropped; or answer {status, content_type, chunk, delay, body | events}; or deny, fail, refused
  upstream.body   optional: the body that must go out, to the byte
  answer.json|sse what the provider says (case.json has the status); expected.json|sse what the client gets.
                  No expected file: the plugin must have asked for pass-through. Of an error, expected.json is the
                  failure; {"invalid": true} means the plugin must not recognise the answer.

In expected values a string "$int", "$number", "$string" or "$any" stands for any such value, "$name:x" binds the first
value it meets and must meet the same one everywhere. Streams are played whole, by line, in 7s and byte by byte, with
each kind of line end. Standard library only; the driver is compiled with cc.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PATHS = {"chat_completions": "/v1/chat/completions", "completions": "/v1/completions", "embeddings": "/v1/embeddings",
         "messages": "/v1/messages", "proxy": "/v1/models"}
SPLITS, NEWLINES = ("whole", "line", "7", "1"), (b"\n", b"\r\n", b"\r")
VERDICTS = ("continue", "deny", "answer", "retry", "pending", "fail")
FLAGS = {1: "retryable", 2: "final", 4: "transport"}


class Driver:
    """The C program on the other end of a pipe."""

    def __init__(self, program, library):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.id, self.version = [f.decode() for f in self.ask("load", library)[1]]

    def ask(self, name, *fields):
        frame = b"%s %d\n" % (name.encode(), len(fields))
        for f in fields:
            f = f.encode() if isinstance(f, str) else f
            frame += b"-1\n\n" if f is None else b"%d\n%b\n" % (len(f), f)
        self.process.stdin.write(frame)
        self.process.stdin.flush()
        head = self.process.stdout.readline().split()
        if not head:
            raise RuntimeError(f"the driver ended with {self.process.wait()} at {name}")
        answer = []
        for _ in range(int(head[1])):
            length = int(self.process.stdout.readline())
            answer.append(None if length < 0 else self.process.stdout.read(length))
            self.process.stdout.readline()
        return head[0].decode(), answer

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def text(b):
    return None if b is None else b.decode()


def match(want, got, names, at=""):
    """Where got differs from want, or None."""
    if isinstance(want, str) and want.startswith("$"):
        kind, _, name = want[1:].partition(":")
        if name:
            if names.setdefault(name, got) != got:
                return f"{at}: {got!r} is not {names[name]!r} as before"
        ok = {"any": True, "name": True, "string": isinstance(got, str), "number": isinstance(got, (int, float)),
              "int": isinstance(got, int) and not isinstance(got, bool)}.get(kind)
        return None if ok else f"{at}: {got!r} is no {kind}"
    if type(want) is not type(got) and not (type(want) in (int, float) and type(got) in (int, float)):
        return f"{at or '/'}: {got!r} instead of {want!r}"
    if isinstance(want, dict):
        for k in want:
            if k not in got:
                return f"{at}/{k}: missing"
            if d := match(want[k], got[k], names, f"{at}/{k}"):
                return d
        extra = [k for k in got if k not in want]
        return f"{at}/{extra[0]}: {got[extra[0]]!r} is too much" if extra else None
    if isinstance(want, list):
        if len(want) != len(got):
            return f"{at}: {len(got)} elements instead of {len(want)}: {json.dumps(got)[:300]}"
        for i, (w, g) in enumerate(zip(want, got)):
            if d := match(w, g, names, f"{at}/{i}"):
                return d
        return None
    return None if want == got else f"{at or '/'}: {got!r} instead of {want!r}"


def events(data):
    """The (name, value) pairs of an event stream; value is parsed JSON or the bare text."""
    found = []
    for block in re.split(r"\r?\n\r?\n", data):
        name, lines = None, []
        for line in re.split(r"\r?\n", block):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                lines.append(line[5:].removeprefix(" "))
        if lines:
            found.append([name, value("\n".join(lines))])
    return found


def value(s):
    try:
        return json.loads(s)
    except ValueError:
        return s


def pairs(fields):
    return list(zip(map(text, fields[0::2]), fields[1::2]))


class Case:
    def __init__(self, directory, plugins):
        self.directory = directory
        self.name = "/".join(directory.split(os.sep)[-2:])
        self.provider = self.name.split("/")[0]
        self.facts = self.read_json("case.json", {})
        self.plugin, self.description = plugins.find(self.facts.get("description", self.provider))

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name):
        try:
            with open(self.path(name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def read_json(self, name, default=None):
        data = self.read(name)
        try:
            return default if data is None else json.loads(data)
        except ValueError as e:
            raise ValueError(f"{name}: {e}")

    def run(self, driver, bench):
        """None, or what is wrong."""
        facts, endpoint = self.facts, self.facts.get("endpoint", "chat_completions")
        body = self.read("request.json")
        request = value(body.decode()) if body else None
        request = request if isinstance(request, dict) else {}
        config = json.dumps({"description": self.description, "target": self.read_json("target.json", {})})
        kind, answer = driver.ask("create", self.provider, config, facts.get("key", "sk-test"))
        want = self.read_json("upstream.json", {})
        if kind == "refused":
            got = [list(map(text, answer[i:i + 2])) for i in range(0, len(answer), 2)]
            return match(want.get("refused", "an instance"), got, {})
        if "refused" in want:
            return f"created, but must be refused with {want['refused']}"
        exchange = ["endpoint", endpoint, "method", facts.get("method", "POST"),
                    "path", facts.get("path", PATHS[endpoint]), "provider", self.provider, "model", request.get("model"),
                    "stream", "true" if request.get("stream") is True else "false", "body", body]
        for k, v in facts.get("headers", {}).items():
            exchange += ["header:" + k, v]
        driver.ask("exchange", *exchange)
        _, built = driver.ask("build")
        if bench:
            print(f"{self.name:48} {int(driver.ask('bench', '20000')[1][0]):6d} ns")
        if wrong := self.check_build(built, want, body):
            return "upstream: " + wrong
        if {"deny", "fail", "answer"} & want.keys():
            return None
        if "answer.sse" in os.listdir(self.directory):
            return self.check_stream(driver, want)
        return self.check_answer(driver, want)

    def check_build(self, built, want, body):
        verdict = VERDICTS[int(built[0])]
        if verdict != "continue":
            got = {verdict: {"status": int(built[1]), "code": text(built[2]), "message": text(built[3])}}
            return match(want, got, {})
        got = {"headers": {}}
        said = dict(pairs(built[4:]))
        for k, v in pairs(built[4:]):
            if k.startswith("header:"):
                got["headers"][k[7:]] = text(v)
            elif k == "dropped":
                got.setdefault("dropped", []).append(text(v))
            elif k in ("method", "url"):
                got[k] = text(v)
            elif k == "body":
                got[k] = "client" if v == body else value(v.decode())
                exact = self.read("upstream.body")
                if exact is not None:
                    got[k] = "exact" if v == exact else v.decode()
                    want["body"] = "exact"
        got.setdefault("body", "client" if body is not None else None)
        got["passthrough"] = said.get("passthrough") == b"true"
        if "answer:status" in said:
            return self.check_double(said, want)
        want = {"headers": {}, "passthrough": False, **want}
        want.setdefault("body", "client" if body is not None else None)
        if isinstance(want["body"], str) and want["body"] != "client":
            want["body"] = value(want["body"])
        return match(want, got, {})

    @staticmethod
    def check_double(said, want):
        content = said["answer:body"].decode()
        if not said.get("url", b"").startswith(b"mock:"):
            return f"an answer of its own needs a mock: URL, not {said.get('url')}"
        got = {"status": int(said["answer:status"]), "content_type": text(said["answer:type"]),
               "chunk": int(said["answer:chunk"]), "delay": int(said["answer:delay"])}
        double = dict(want["answer"])
        got = {k: v for k, v in got.items() if k in double}
        if "events" in double:
            got["events"] = events(content)
        elif "body" in double:
            got["body"] = value(content)
        return match(double, got, {})

    def check_answer(self, driver, want):
        answer, status = self.read("answer.json"), self.facts.get("status", 200)
        if answer is None:
            return None
        headers = [x for k, v in self.facts.get("answer_headers", {}).items() for x in (k, v)]
        if status >= 300:
            return self.check_error(driver, answer, status, headers)
        expected = self.read_json("expected.json")
        if want.get("passthrough"):
            return "an expected answer makes no sense with pass-through" if expected is not None else None
        _, got = driver.ask("answer", str(status), answer, *headers)
        if int(got[0]) != 0:
            return None if expected == {"invalid": True} else f"map_response says {int(got[0])}"
        return match(expected, value(got[1].decode()), {})

    def check_error(self, driver, answer, status, headers):
        _, got = driver.ask("error", str(status), answer, *headers)
        expected = self.read_json("expected.json")
        if int(got[0]) != 0:
            return match(expected, {"invalid": True}, {})
        failure = {k: text(v) for k, v in zip(("type", "code", "param", "message"), got[4:])}
        failure["status"] = int(got[1])
        failure |= {word: True for bit, word in FLAGS.items() if int(got[2]) & bit}
        if int(got[3]):
            failure["retry_after_ms"] = int(got[3])
        return match({"type": None, "code": None, "param": None, "status": status, **expected}, failure, {})

    def check_stream(self, driver, want):
        played = self.read("answer.sse")
        if want.get("passthrough"):
            return None
        expected = self.read("expected.sse").decode()
        broken = self.facts.get("cut", False)
        for split in SPLITS:
            for newline in NEWLINES:
                _, got = driver.ask("stream", split, newline, played)
                if (int(got[0]) != 0) != broken:
                    return f"stream ended with {int(got[0])}"
                emitted = [[text(got[i]), value(got[i + 1].decode())] for i in range(1, len(got), 2)]
                if wrong := match(events(expected), emitted, {}):
                    return f"split {split}, line end {newline!r}: {wrong}"
        driver.ask("drop", played)
        return None


class Plugins:
    """Which library serves a provider id, and its description: as the host reads manifests and descriptions."""

    def __init__(self, folder):
        self.providers = {}
        for plugin in sorted(os.listdir(folder)):
            try:
                with open(os.path.join(folder, plugin, "plugin.json")) as f:
                    manifest = json.load(f)
            except (FileNotFoundError, NotADirectoryError):
                continue
            library = manifest.get("library", {}).get("linux-x86_64")
            for id, description in manifest.get("providers", {}).items():
                self.providers[id] = library, description
            place = os.path.join(folder, plugin, manifest.get("descriptions", ""))
            for file in sorted(os.listdir(place)) if manifest.get("descriptions") else []:
                with open(os.path.join(place, file)) as f:
                    description = json.load(f)
                if file != description["id"] + ".json":
                    raise ValueError(f"{file} describes {description['id']}")
                self.providers[description["id"]] = library, description

    def find(self, description):
        if isinstance(description, dict):
            return self.providers["openai"][0], description
        return self.providers[description]


def main(arguments):
    build = arguments[arguments.index("--build") + 1] if "--build" in arguments else os.path.join(ROOT, ".build/debug")
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else ""
    fixtures = os.path.join(ROOT, "Tests/Fixtures/providers")
    plugins, drivers, tested = Plugins(os.path.join(ROOT, "Plugins")), {}, set()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as place:
        program = os.path.join(place, "driver")
        subprocess.run(["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "include"),
                        os.path.join(HERE, "driver.c"), "-ldl", "-o", program], check=True)
        for directory, _, files in sorted(os.walk(fixtures)):
            if "upstream.json" not in files or only not in "/".join(directory.split(os.sep)[-2:]):
                continue
            name = "/".join(directory.split(os.sep)[-2:])
            try:
                case = Case(directory, plugins)
                if case.plugin not in drivers:
                    drivers[case.plugin] = Driver(program, os.path.join(build, case.plugin))
                wrong = case.run(drivers[case.plugin], "--bench" in arguments)
                tested.add(case.provider)
            except (ValueError, KeyError, RuntimeError) as e:
                wrong = f"{type(e).__name__}: {e}"
                drivers = {k: d for k, d in drivers.items() if d.process.poll() is None}
            passed, failed = passed + (wrong is None), failed + (wrong is not None)
            if wrong:
                print(f"FAIL {name}: {wrong}")
        for library, driver in drivers.items():
            if code := driver.close():
                print(f"FAIL {library}: the driver ended with {code}")
                failed += 1
    if not only:
        for id, (_, description) in plugins.providers.items():
            if description.get("status") == "tested" and id not in tested:
                print(f"FAIL {id}: its description says tested, and it has no case")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
