"""The command line: what people type, what they get, and what they are told."""

import json
import os
import re
import shutil
import subprocess
import sys

import paho.mqtt.publish
import pytest
from click.testing import CliRunner

import backfence
from backfence.agent.wire import x25519
from backfence.bootstrap.operator import cli, fleet as fleets, files, manifests, push, register

from fleets import FleetHands, count_words, free_port, make_fleet, mosquitto

ROOT = os.path.dirname(os.path.abspath(backfence.__file__))
WORDS = os.path.join(ROOT, "examples", "words.wasm")


def call(*arguments):
    """Runs a command in this process; returns click's Result."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A fleet of four boxes, for commands that do not mind each other."""
    directory = tmp_path_factory.mktemp("fleet") / "fleet"
    make_fleet(directory)
    return str(directory)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def sources(tmp_path):
    """TOML files of a slice and of a workload, with its program and input."""
    (tmp_path / "slice.toml").write_text('kind = "slice"\nname = "edge"\nseats = 3\n')
    (tmp_path / "words.toml").write_text(
        'kind = "workload"\nname = "words"\nslice = "edge"\nprogram = "words.wasm"\ninput = "text.txt"\n'
        'task_bytes = 8\nmerge = "sum"\ndeadline = "30s"\n'
    )
    (tmp_path / "text.txt").write_text("a b a c\nb b a\n")
    shutil.copy(WORDS, tmp_path / "words.wasm")
    return tmp_path


def test_the_whole_way_by_hand(tmp_path, sources, broker):
    """init, enrol, seeds, push, run, results, describe: one fleet from nothing."""
    home, out = str(tmp_path / "mine"), str(tmp_path / "out.txt")
    made = call("init", home, "--width", "4", "--broker", broker)
    assert made.exit_code == 0 and "1,024 signatures" in made.output
    enrolled = call("enrol", "--fleet", home, "--make", 3, "--base-port", 7400, "--format", "json")
    addresses = [row["address"] for row in json.loads(enrolled.output)["made"]]
    assert addresses == [f"127.0.0.1:{port}" for port in (7400, 7401, 7402)]
    signed = call("seeds", "--fleet", home, "-o", tmp_path / "seeds.cose")
    assert signed.exit_code == 0 and "3 first contacts" in signed.output
    pushed = call("push", "--fleet", home, sources / "slice.toml", "--wait", 0.1, "--format", "json")
    assert json.loads(pushed.output)["manifest"] == "slice-edge"
    fleet = fleets.Fleet.open(home)
    with FleetHands(fleet, broker, count_words):
        done = call("run", "--fleet", home, sources / "words.toml", "-o", out, "--each", tmp_path / "each")
    assert done.exit_code == 0, done.output
    assert "2/2 SUCCEEDED" in done.output
    assert (tmp_path / "out.txt").read_bytes() == b"a 3\nb 3\nc 1\n"
    assert sorted(os.listdir(tmp_path / "each")) == ["0.out", "1.out", "receipts.json", "summary.json"]
    receipts = json.loads((tmp_path / "each" / "receipts.json").read_text())
    assert len(receipts) == 2 and all(bytes.fromhex(row["box"]) in fleet.boxes() for row in receipts)
    again = call("results", "--fleet", home, "words", "--offline", "--format", "json")
    assert again.exit_code == 0 and json.loads(again.output)["succeeded"] == 2
    seen = json.loads(call("describe", "fleet", "--fleet", home, "--format", "json").output)
    assert seen["boxes"] == 3 and [row["name"] for row in seen["slices"]] == ["edge"]
    assert seen["workloads"][0]["states"]["SUCCEEDED"] == 2 and seen["workloads"][0]["ended"]


def test_partial_success_is_a_failure(home, sources, broker, tmp_path):
    def work(_payload, task, data, _replica):
        return {"outcome": "trap", "reason": "unreachable\x1b[1m"} if task == 1 else count_words(None, task, data)

    with FleetHands(fleets.Fleet.open(home), broker, work):
        done = call("run", "--fleet", home, "--broker", broker, sources / "words.toml", "--name", "partial",
                    "-o", tmp_path / "out.txt", "--each", tmp_path / "each")
    assert done.exit_code == 1
    assert "Error: 1 of 2 tasks succeeded" in done.output and "task 1: FAILED: unreachable?[1m" in done.output
    assert not os.path.exists(tmp_path / "out.txt")
    assert sorted(os.listdir(tmp_path / "each")) == ["0.out", "receipts.json", "summary.json"]


def test_silence_is_timed_out(home, sources, broker):
    options = ("--name", "silent", "--deadline", "1s")
    done = call("run", "--fleet", home, "--broker", broker, sources / "words.toml", *options)
    assert done.exit_code == 1 and "2 TIMED_OUT" in done.output


def test_what_was_pushed_is_collected_later(home, sources, broker):
    pushed = call("push", "--fleet", home, "--broker", broker, sources / "words.toml", "--name", "later", "--wait", 0.1)
    assert pushed.exit_code == 0
    early = call("results", "--fleet", home, "--broker", broker, "later", "--wait", 0.2)
    assert early.exit_code == 1 and "0/2 SUCCEEDED, 2 QUEUED" in early.output
    with FleetHands(fleets.Fleet.open(home), broker, count_words):
        done = call("results", "--fleet", home, "--broker", broker, "later", "--wait", 10)
    assert done.exit_code == 0 and "2/2 SUCCEEDED" in done.output and "fuel" in done.output


def test_a_stock_client_does_what_push_does(home, sources, broker, tmp_path):
    """The commands that `sign` prints, done by paho's own publisher."""
    out = tmp_path / "words.cose"
    signed = call("sign", "--fleet", home, sources / "words.toml", "--name", "stock", "-o", out)
    assert signed.exit_code == 0
    lines = signed.output.strip().splitlines()
    topic, path = re.search(r"-t (\S+/manifest/workload-stock) -f (\S+)", lines[-1]).groups()
    prefix = re.search(r"-t (\S+/blob)/", lines[1])[1]
    host, port = broker.split(":")
    for name in os.listdir(f"{out}.blobs"):
        paho.mqtt.publish.single(
            f"{prefix}/{name}", (tmp_path / "words.cose.blobs" / name).read_bytes(), 1, True, host, int(port)
        )
    call("results", "--fleet", home, "--broker", broker, "stock", "--wait", 0.1)
    paho.mqtt.publish.single(topic, open(path, "rb").read(), 1, True, host, int(port))
    with FleetHands(fleets.Fleet.open(home), broker, count_words):
        assert call("results", "--fleet", home, "--broker", broker, "stock", "--wait", 10).exit_code == 0
    # And push takes the same file.
    again = call("push", "--fleet", home, "--broker", broker, out, "--wait", 0.1)
    assert again.exit_code == 0 and "workload-stock 1: 5 publications" in again.output


def test_cancel_and_end(home, sources, broker):
    for arguments in (["words.toml", "--name", "stopped"], ["slice.toml", "--name", "gone"]):
        call("push", "--fleet", home, "--broker", broker, sources / arguments[0], *arguments[1:], "--wait", 0.1)
    assert "ended" in call("cancel", "--fleet", home, "--broker", broker, "stopped").output
    assert "ended" in call("end", "--fleet", home, "--broker", broker, "gone").output
    shown = call("describe", "workload", "stopped", "--fleet", home, "--broker", broker, "--format", "json")
    assert json.loads(shown.output)["states"]["CANCELED"] == 2
    shown = call("describe", "slice", "gone", "--fleet", home, "--broker", broker, "--format", "json")
    assert json.loads(shown.output)["ended"] is True


def test_watch_prints_lines_where_there_is_no_terminal(home, broker):
    shown = call("watch", "--fleet", home, "--broker", broker, "--seconds", 1)
    assert shown.exit_code == 0 and shown.output.startswith("doors 0/0")
    shown = call("watch", "--fleet", home, "--broker", broker, "--seconds", 1, "--format", "json")
    assert json.loads(shown.output.splitlines()[0])["fleet"] == fleets.Fleet.open(home).id.hex()


def test_boxes_own_keys_are_imported(home, tmp_path):
    publics = [x25519.public(bytes([number]) * 32) for number in (7, 8)]
    (tmp_path / "keys").write_text("# two boxes\npublic_key\n" + "\n".join(key.hex() for key in publics) + "\n")
    done = call("enrol", "--fleet", home, "--keys", tmp_path / "keys", "--out", tmp_path / "out")
    assert done.exit_code == 0 and "2 boxes enrolled" in done.output
    assert sorted(os.listdir(tmp_path / "out")) == sorted(register.box_id(key).hex() for key in publics)


def test_the_nearing_end_of_the_key_is_said(tmp_path, sources):
    fleet = make_fleet(tmp_path / "fleet", boxes=0)
    state = fleet.signer._read_state()
    fleet.signer._write_state({**state, "root_next": 30})
    done = call("sign", "--fleet", fleet.directory, sources / "slice.toml", "-o", tmp_path / "x.cose")
    assert done.exit_code == 0 and "Warning: 63 of the signing key's 1024 signatures are left" in done.output


@pytest.mark.parametrize("arguments, code, problem, hint", [
    (["push", "--fleet", "/no/such", "slice.toml"], 1, "/no/such is not a fleet's directory", "backfence init"),
    (["push", "no.toml"], 2, "'no.toml' does not exist", ""),
    (["init", "HOME"], 1, "holds a fleet already", "another directory"),
    (["init", "new", "--heights", "5"], 1, "tree heights", "5, 10 and 15"),
    (["init", "new", "--heights", "a,b"], 2, "two numbers", ""),
    (["init", "new", "--width", "16"], 2, "'16' is not one of", ""),
    (["enrol"], 2, "either --make N or --keys FILE", ""),
    (["enrol", "--make", "2", "--out", "o"], 2, "--out goes with --keys", ""),
    (["enrol", "--keys", "text.txt"], 1, "text.txt: row 1: not a public key: 64 hexadecimal digits", "Nobody was enrolled"),
    (["proof", "--out", "o"], 2, "name boxes, or give --all", ""),
    (["proof", "HB2-4711", "--out", "o"], 1, "no box HB2-4711 is enrolled", "32 hexadecimal"),
    (["enrol", "--make", "2", "--base-port", "7000"], 1, "exists already", "other ports"),
    (["enrol", "--make", "2", "--base-port", "7500", "--set", "colour"], 2, "KEY=VALUE", ""),
    (["enrol", "--make", "2", "--base-port", "7500", "--set", "colour=red"], 1, "unknown key 'colour'", ""),
    (["seeds", "--contact", "here"], 1, "'here' is not a contact", "ID@HOST:PORT"),
    (["seeds", "--contact", "00@127.0.0.1:1"], 1, "no box 00 is enrolled", ""),
    (["seeds", "-o", "/no/such/seeds"], 1, "No such file or directory: /no/such/seeds", ""),
    (["push", "text.txt"], 1, "not a signed manifest", "backfence sign"),
    (["push", "broken.toml"], 1, "is not TOML", ""),
    (["push", "kindless.toml"], 1, 'kind must be "slice", "query" or "workload"', ""),
    (["push", "unknown.toml"], 1, "a slice has no key 'seat'", "seats"),
    (["push", "typed.toml"], 1, "seats must be a number or a share of the fleet, not '3'", "10 %"),
    (["push", "short.toml"], 1, "seats is missing", ""),
    (["push", "slice.toml", "--seats", "0"], 1, "seats is 0", ""),
    (["push", "slice.toml", "--where", "arch = 3"], 1, "column 6", ""),
    (["push", "slice.toml", "--replicas", "2"], 1, "--replicas does not go with a slice", ""),
    (["push", "slice.toml", "--name", "Edge"], 1, "'Edge' is not a name", "small letters"),
    (["push", "slice.toml", "--broker", "nowhere"], 1, "'nowhere' is not a broker", "host:port"),
    (["run", "slice.toml"], 1, "is a slice", "backfence push"),
    (["run", "words.toml", "--format", "json"], 2, "needs -o", ""),
    (["push", "words.toml", "--program", "text.txt"], 1, "a box would refuse the program", "docs/programs.md"),
    (["push", "words.toml", "--input", "nothing"], 1, "the input nothing cannot be read", ""),
    (["push", "words.toml", "--split", "letters"], 1, "'letters'", "words"),
    (["push", "words.toml", "--deadline", "soon"], 1, "'soon' is not a duration", "15m"),
    (["push", "words.toml", "--quorum", "2"], 1, "quorum is 2", ""),
    (["results", "nothing"], 1, "never ran a workload 'nothing'", "backfence describe"),
    (["results", "../.."], 1, "never ran a workload", ""),
    (["cancel", "nothing"], 1, "never signed a workload 'nothing'", ""),
    (["end", "nothing"], 1, "never signed a slice or query 'nothing'", "describe"),
    (["describe", "slice", "nothing", "--offline"], 1, "never signed a slice 'nothing'", ""),
    (["nonsense"], 2, "No such command 'nonsense'", ""),
], ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "")
def test_mistakes_are_told_in_one_line_with_a_hint(
    home, broker, sources, monkeypatch, arguments, code, problem, hint
):
    monkeypatch.chdir(sources)
    monkeypatch.setenv("BACKFENCE_FLEET", home)
    monkeypatch.setenv("BACKFENCE_BROKER", broker)
    for name, text in {
        "broken.toml": "kind = ", "kindless.toml": 'kind = "ring"',
        "unknown.toml": 'kind = "slice"\nname = "a"\nseats = 1\nseat = 2',
        "typed.toml": 'kind = "slice"\nname = "a"\nseats = "3"', "short.toml": 'kind = "slice"\nname = "a"',
    }.items():
        (sources / name).write_text(text)
    done = call(*[home if argument == "HOME" else argument for argument in arguments])
    assert done.exit_code == code, done.output
    assert problem in done.stderr and "Error: " in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout
    assert ("Hint: " in done.stderr) == bool(hint) or code == 2 or not hint
    assert hint in done.stderr


def test_a_tampered_or_expired_file_is_not_pushed(home, sources, broker, tmp_path):
    fleet = fleets.Fleet.open(home)
    good = fleet.sign(manifests.slice_manifest(fleet, "edge", 3))
    old = fleet.sign(manifests.slice_manifest(fleet, "edge", 3, valid_s=1, issued=1))
    for name, data, problem in (
        ("tampered", good.replace(b"edge", b"edgy"), "signature does not hold"),
        ("truncated", good[:-7], "not a signed manifest"),
        ("expired", old, "has expired"),
    ):
        files.write_whole(str(tmp_path / name), data)
        done = call("push", "--fleet", home, "--broker", broker, tmp_path / name)
        assert done.exit_code == 1 and problem in done.stderr, name


def test_a_changed_blob_is_not_pushed(home, sources, broker, tmp_path):
    out = tmp_path / "words.cose"
    call("sign", "--fleet", home, sources / "words.toml", "-o", out)
    name = os.listdir(f"{out}.blobs")[0]
    files.write_whole(f"{out}.blobs/{name}", b"changed")
    done = call("push", "--fleet", home, "--broker", broker, out)
    assert done.exit_code == 1 and "is not what its name says" in done.stderr
    shutil.rmtree(f"{out}.blobs")
    done = call("push", "--fleet", home, "--broker", broker, out)
    assert done.exit_code == 1 and "--blobs" in done.stderr


def test_nothing_is_signed_while_the_broker_is_away(home, sources):
    fleet = fleets.Fleet.open(home)
    before = fleet.signer.remaining()
    for verb, name in (("push", "slice.toml"), ("push", "words.toml"), ("run", "words.toml")):
        done = call(verb, "--fleet", home, "--broker", f"127.0.0.1:{free_port()}", sources / name)
        assert done.exit_code == 1 and "does not answer" in done.stderr
    assert fleet.signer.remaining() == before


def test_a_doors_refusal_fails_the_push(home, sources, broker):
    import threading

    import cbor2

    fleet = fleets.Fleet.open(home)
    body = cbor2.dumps({"what": "manifest/slice-edge", "why": "sequence too low"}, canonical=True)

    def door():
        with push.Session(broker) as session:
            session._client.publish(fleet.topic("refused", "cd" * 16), body, qos=1).wait_for_publish(5)

    timer = threading.Timer(1.0, door)
    timer.start()
    done = call("push", "--fleet", home, "--broker", broker, sources / "slice.toml", "--wait", 4)
    timer.join()
    assert done.exit_code == 1 and "refused by cdcdcdcd: manifest/slice-edge: sequence too low" in done.output


def test_the_command_is_installed(tmp_path):
    command = os.path.join(os.path.dirname(sys.executable), "backfence")
    command = [command, "describe", "fleet", "--fleet", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and "\nHint: " in done.stderr


def commands(group=cli.main, path=("backfence",)):
    """Every command that can be typed, with its click object."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_is_in_the_docs():
    text = open(os.path.join(ROOT, "docs", "cli.md")).read()
    for name in [*dict(commands()), *(f"backfence {name}" for name in cli.main.LAZY)]:
        assert f"`{name}" in text, f"{name} is not in docs/cli.md"


def test_every_option_is_in_the_docs():
    text = open(os.path.join(ROOT, "docs", "cli.md")).read()
    for name, command in commands():
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option not in ("--out",):
                    assert option in text, f"{name} {option} is not in docs/cli.md"


def test_the_docs_name_no_command_that_is_not():
    text = open(os.path.join(ROOT, "docs", "cli.md")).read() + open(os.path.join(ROOT, "docs", "topics.md")).read()
    known = {name.split(" ")[1] for name in dict(commands())} | set(cli.main.LAZY)
    assert set(re.findall(r"`backfence ([a-z]+)", text)) <= known


def test_the_documented_topics_are_the_ones_used(home):
    text = open(os.path.join(ROOT, "docs", "topics.md")).read()
    fleet = fleets.Fleet.open(home)
    for part in ("manifest", "blob", "result", "refused", "census", "door"):
        assert fleet.topic(part).replace(fleet.id.hex(), "F") in text


@pytest.mark.parametrize("name", ["slice.toml", "query.toml", "words.toml"])
def test_the_examples_are_taken(home, tmp_path, name):
    done = call("sign", "--fleet", home, os.path.join(ROOT, "examples", name), "-o", tmp_path / "x.cose")
    assert done.exit_code == 0, done.output
