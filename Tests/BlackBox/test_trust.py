"""Who made a plugin, and what it may see and reach: asked for by manifests, granted by the operator, enforced by the host."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess

import pytest

import upstream as u
from client import ask, chat
from gateway import Gateway, command, plugin_directory
from tester import do, guarded, install, library, manifest, marked, put, said, serve


def config_file(tmp_path, **config):
    file = tmp_path / "gatehouse.json"
    file.write_text(json.dumps({
        "plugins": {"directories": [str(tmp_path / "plugins")], "state_directory": str(tmp_path / "state")} | config.pop("plugins", {})
    } | config))
    return str(file)


# MARK: Signatures

@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two keys: (file, public key, id)."""
    directory = tmp_path_factory.mktemp("keys")
    made = []
    for name in ("one", "two"):
        told = command("plugin", "keygen", str(directory / name))
        assert told.returncode == 0, told
        words = dict(line.split(":") for line in told.stdout.splitlines())
        made.append((directory / name, words["public key"].strip(), words["key id"].strip()))
    return made


def sign(folder, key):
    told = command("plugin", "sign", "--key", str(key), str(folder))
    assert told.returncode == 0, told


def test_keys_are_private_and_never_overwritten(keys):
    file, public, name = keys[0]
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(public) == 64 and len(name) == 16
    content = file.read_bytes()
    again = command("plugin", "keygen", str(file))
    assert again.returncode == 1 and "exists already" in again.stderr
    assert file.read_bytes() == content


def load(tmp_path, **plugins):
    """What a gateway with these settings loads and refuses of tmp_path/plugins."""
    settings = {"directories": [str(tmp_path / "plugins")]} | plugins
    with Gateway({"plugins": settings}) as gateway:
        gateway.wait_for_line(lambda line: line.get("message") in ("plugin loaded", "plugin refused"))
        log = gateway.log()
    return {line["id"]: line["trust"] for line in log if line.get("message") == "plugin loaded"}, [
        (line["file"], line["reason"]) for line in log if line.get("message") == "plugin refused"]


def test_a_signed_plugin_is_known_by_its_key(tmp_path, keys):
    (one, public, name), _ = keys
    folder = install(tmp_path / "plugins")
    sign(folder, one)
    trusted = {"trusted_keys": {"builds": public}, "allow_unsigned": False}
    assert load(tmp_path, **trusted) == ({"tester": f"signed by builds ({name})"}, [])
    listed = command("plugin", "list", "--config", config_file(tmp_path, plugins=trusted))
    assert listed.returncode == 0 and f"signed by builds ({name})" in listed.stdout


def test_unsigned_plugins_load_unless_the_operator_says_otherwise(tmp_path, keys):
    folder = install(tmp_path / "plugins")
    assert load(tmp_path) == ({"tester": "unsigned"}, [])
    loaded, ((file, reason),) = load(tmp_path, allow_unsigned=False)
    assert not loaded and file == str(folder / "plugin.sig") and "allow_unsigned is false" in reason


def test_a_key_that_nobody_trusts(tmp_path, keys):
    (one, _, name), (_, other, _) = keys
    folder = install(tmp_path / "plugins")
    sign(folder, one)
    loaded, ((file, reason),) = load(tmp_path, trusted_keys={"builds": other}, allow_unsigned=False)
    assert not loaded and file == str(folder / "plugin.sig") and name in reason and "does not list" in reason
    loaded, refused = load(tmp_path, trusted_keys={"builds": other})
    assert not refused and name in loaded["tester"] and "does not list" in loaded["tester"]


@pytest.mark.parametrize("allow_unsigned", [True, False])
@pytest.mark.parametrize("change", ["library", "manifest", "signature", "key", "digest", "garbage", "not listed"])
def test_whatever_was_changed_after_signing_is_refused(tmp_path, keys, change, allow_unsigned):
    (one, public, name), (_, _, other) = keys
    folder = install(tmp_path / "plugins")
    sign(folder, one)
    signature = folder / "plugin.sig"
    text = signature.read_text()
    file = signature
    match change:
        case "library":
            file = folder / "tester.so"
            put(file, marked(1))
        case "manifest":
            file = folder / "plugin.json"
            put(file, manifest(name="Another"))
        case "signature":
            last = text.rstrip()[-1]
            put(signature, text.rstrip()[:-1] + ("0" if last != "0" else "1") + "\n")
        case "key":
            # Another's name under what this key signed; or its own, which is no better.
            put(signature, text.replace(name, other))
        case "digest":
            # The list agrees with the new file, but the key did not sign that list.
            put(folder / "tester.so", marked(1))
            put(signature, text.replace(hashlib.sha256(library()).hexdigest(), hashlib.sha256(marked(1)).hexdigest()))
        case "garbage":
            put(signature, "hello\n")
        case "not listed":
            file = folder / "tester.so"
            put(signature, "".join(line for line in text.splitlines(True) if "tester.so" not in line))
    settings = {"trusted_keys": {"builds": public, "others": keys[1][1]}, "allow_unsigned": allow_unsigned}
    loaded, ((refused, reason),) = load(tmp_path, **settings)
    assert not loaded and refused == str(file), reason
    if change in ("library", "manifest", "not listed", "signature", "digest"):
        assert name in reason and "builds" in reason


def test_descriptions_of_providers_are_signed_too(tmp_path, keys):
    (one, public, _), _ = keys
    folder = tmp_path / "plugins" / "openai"
    source = next(path for path in os.scandir(plugin_directory()) if json.load(open(path.path + "/plugin.json"))["id"] == "openai")
    shutil.copytree(source.path, folder)
    trusted = {"trusted_keys": {"builds": public}, "allow_unsigned": False}
    sign(folder, one)
    loaded, refused = load(tmp_path, **trusted)
    assert "openai" in loaded and not refused
    description = next((folder / json.loads((folder / "plugin.json").read_text())["descriptions"]).glob("*.json"))
    put(description, description.read_text().replace("https://", "https://elsewhere."))
    loaded, ((file, reason),) = load(tmp_path, **trusted)
    assert not loaded and file == str(description) and "its SHA-256 is" in reason


def test_openssl_reads_our_keys_and_we_read_its(tmp_path, keys):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    (one, public, _), _ = keys
    told = subprocess.run(["openssl", "pkey", "-in", one, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
    assert told[-32:].hex() == public
    theirs = tmp_path / "theirs"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", theirs], check=True)
    theirs.chmod(0o600)
    folder = install(tmp_path / "plugins")
    sign(folder, theirs)
    key = subprocess.run(["openssl", "pkey", "-in", theirs, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout[-32:].hex()
    loaded, refused = load(tmp_path, trusted_keys={"theirs": key}, allow_unsigned=False)
    assert not refused and loaded["tester"].startswith("signed by theirs")
    # The signature is one over the lines before it.
    text = (folder / "plugin.sig").read_text()
    signed, _, value = text.rpartition("signature ")
    (tmp_path / "signed").write_text(signed)
    (tmp_path / "value").write_bytes(bytes.fromhex(value.strip()))
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-rawin", "-inkey", theirs, "-in", tmp_path / "signed", "-sigfile", tmp_path / "value"],
        check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("content", ["", "no key", "rsa"])
def test_a_key_file_that_is_none(tmp_path, content):
    folder = install(tmp_path / "plugins")
    file = tmp_path / "key"
    if content == "rsa":
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl here")
        subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", file], check=True, stderr=subprocess.DEVNULL)
    else:
        file.write_text(content)
    file.chmod(0o600)
    told = command("plugin", "sign", "--key", str(file), str(folder))
    assert told.returncode == 1 and "is no Ed25519 private key" in told.stderr
    assert not (folder / "plugin.sig").exists()


def test_a_trusted_key_of_the_wrong_form_is_an_error_of_the_config(tmp_path):
    told = command("check", config_file(tmp_path, plugins={"directories": [], "trusted_keys": {"builds": "abc"}}))
    assert told.returncode == 1 and "/plugins/trusted_keys/builds" in told.stdout and "Ed25519" in told.stdout


def test_a_pin_that_does_not_match_refuses(tmp_path):
    folder = install(tmp_path / "plugins")
    loaded, ((file, reason),) = load(tmp_path, pins={"tester": "0" * 64})
    assert not loaded and file == str(folder / "tester.so") and "the configuration pins 0000" in reason


# MARK: Grants: a plugin that tries

SENT = {"x-team": "blue", "x-other": "green", "cookie": "a=b", "x-api-key": "sk-client-key"}


def looked(tmp_path, upstream, grants, settings, names="x-team,x-other,cookie,x-api-key,authorization"):
    """What the plugin saw."""
    install(tmp_path, **({} if grants is None else {"grants": grants}))
    with serve(tmp_path, {"settings": {"tester": settings}}) as gateway:
        words = said(guarded(gateway, upstream.base, do("look", names), headers=SENT | {"authorization": "Bearer sk-secret"}))
    return dict(word.split("=", 1) for word in words.replace("Bearer ", "Bearer_").split())


def test_credentials_are_invisible_even_to_who_asks(tmp_path, upstream):
    saw = looked(tmp_path, upstream, {"headers": ["x-team", "cookie", "authorization", "x-api-key"]}, {})
    assert saw["x-team"] == "blue"
    assert saw["cookie"] == saw["x-api-key"] == saw["authorization"] == "absent"
    assert saw["x-other"] == "absent", "a manifest that lists headers gets those, and no more"


def test_without_a_list_all_headers_but_credentials_are_visible(tmp_path, upstream):
    saw = looked(tmp_path, upstream, None, {})
    assert saw["x-team"] == "blue" and saw["x-other"] == "green"
    assert saw["cookie"] == saw["x-api-key"] == saw["authorization"] == "absent"


def test_the_operator_grants_headers_by_name(tmp_path, upstream):
    saw = looked(tmp_path, upstream, {"headers": []}, {"headers": ["Cookie", "x-other"]})
    assert saw["cookie"] == "a=b" and saw["x-other"] == "green"
    assert saw["x-team"] == saw["x-api-key"] == saw["authorization"] == "absent"


@pytest.mark.parametrize(("grants", "settings"), [({"text": False}, {}), ({}, {"text": False}), ({"text": False}, {"text": True})])
def test_text_is_withheld(tmp_path, upstream, grants, settings):
    saw = looked(tmp_path, upstream, grants, settings)
    unsupported = "-3"
    assert (saw["segments"], saw["segment"], saw["body"], saw["json"]) == ("0", unsupported, "absent", "absent")


def test_text_is_there_otherwise(tmp_path, upstream):
    saw = looked(tmp_path, upstream, {}, {})
    assert (saw["segments"], saw["segment"], saw["body"], saw["json"]) == ("1", "0", "there", "there")


def test_a_manifest_that_wants_streams_without_text_is_refused(tmp_path):
    folder = install(tmp_path / "plugins", check={"hooks": {"on_request": {}, "on_stream": {}}}, grants={"text": False})
    loaded, ((file, reason),) = load(tmp_path)
    assert not loaded and file == str(folder / "plugin.json") and "/grants" in reason and "on_stream" in reason


def test_egress_to_a_private_address_needs_the_operator(tmp_path, upstream):
    install(tmp_path, grants={"egress": ["127.0.0.1"]})
    base = upstream.script(u.says("hello"))
    # With keys the gateway is not its user's own: then loopback is an address like others.
    config = {
        "keys": [{"name": "k", "key": "a-key-of-the-gateway"}],
        "providers": {"main": {"provider": "openai", "base_url": upstream.base, "api_key": "k"}},
        "defaults": {"provider": "main", "input_guardrails": [do("fetch", base + "/hello")]}}
    with serve(tmp_path, **config) as gateway:
        told = said(chat(gateway, {"x-portkey-api-key": "a-key-of-the-gateway"}))
        assert told.startswith("status 0 ") and "plugins.settings.tester.egress" in told
        assert not upstream.requests
    with serve(tmp_path, {"settings": {"tester": {"egress": ["127.0.0.1"]}}}, **config) as gateway:
        assert said(chat(gateway, {"x-portkey-api-key": "a-key-of-the-gateway"})).startswith("status 200")


def secret_config(upstream, guard, **plugins):
    provider = {"main": {"provider": "openai", "base_url": upstream.base, "api_key": "k"}}
    return {
        "providers": provider, "secrets": {"word": {"env": "GATEHOUSE_TEST_WORD"}, "plain": "plain-secret"},
        "defaults": {"provider": "main", "input_guardrails": [guard]}, "plugins": plugins}


def test_a_secret_is_resolved_for_whom_it_is_granted_to(tmp_path, upstream):
    install(tmp_path, grants={"secrets": ["word"]})
    config = secret_config(
        upstream, do("text", "<${secret:word}|${secret:plain}>"), directories=[plugin_directory(), str(tmp_path)],
        settings={"tester": {"secrets": ["word", "plain"]}})
    with Gateway(config, env={"GATEHOUSE_TEST_WORD": "hush-hush"}) as gateway:
        answer = ask(gateway, "POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        assert said(answer) == "<hush-hush|plain-secret>"
        # A client's config names it in vain.
        refused = guarded(gateway, upstream.base, do("text", "${secret:word}"))
        assert refused.status == 400 and "gateway's own configuration file only" in refused.text
        assert "hush-hush" not in refused.text
    assert not any("hush-hush" in line for line in gateway.lines)


def test_a_secret_that_is_not_granted_is_refused(tmp_path, upstream):
    install(tmp_path / "plugins", grants={"secrets": ["plain"]})
    config = secret_config(upstream, do("text", "${secret:plain}"), settings={"tester": {"secrets": []}})
    config["secrets"].pop("word")
    told = command("check", config_file(tmp_path, **config))
    assert told.returncode == 1
    assert "the secret plain is not granted to tester" in told.stdout and "plugins.settings.tester.secrets" in told.stdout
    assert "plain-secret" not in told.stdout
    config["plugins"]["settings"]["tester"]["secrets"] = ["other"]
    told = command("check", config_file(tmp_path, **config))
    assert told.returncode == 1 and "/plugins/settings/tester/secrets/0" in told.stdout and 'no secret "other"' in told.stdout


def test_the_list_shows_what_is_asked_for_and_granted(tmp_path):
    install(tmp_path / "plugins", grants={"egress": ["10.0.0.1"], "secrets": ["key"], "headers": ["authorization"], "text": False})
    settings = {"egress": [], "secrets": ["other"], "headers": ["authorization"]}
    listed = command("plugin", "list", "--config", config_file(tmp_path, secrets={"other": "x"}, plugins={"settings": {"tester": settings}}))
    assert listed.returncode == 0, listed
    for line in [
        "egress: 10.0.0.1 asked for, nothing granted", "secrets: key asked for, other granted",
        "headers: authorization asked for, authorization granted", "text: not asked for, withheld", "unsigned",
    ]:
        assert line in listed.stdout, listed.stdout
