"""`backfence map`: a program over files, over a real mosquitto; the boxes are played by the test."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

import backfence
from backfence.bootstrap.operator import cli, cli_map, fleet as fleets, manifests, results
from backfence.bootstrap.operator.errors import OperatorError

from fleets import FleetHands, make_fleet, mosquitto, retained

WORDS = os.path.join(os.path.dirname(os.path.abspath(backfence.__file__)), "examples", "words.wasm")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = make_fleet(tmp_path_factory.mktemp("fleet") / "fleet")
    fleet.sign(manifests.slice_manifest(fleet, "edge", 3))
    return fleet


@pytest.fixture
def files(tmp_path):
    """Ten inputs in a directory, and their paths."""
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{number}.txt" for number in range(10)]
    for number, path in enumerate(paths):
        path.write_text(f"input {number}\n")
    return paths


def upper(_payload, _task, data, _replica=0):
    return data.upper()


def call(fleet, broker, *arguments):
    return CliRunner().invoke(
        cli.main, ["map", "--fleet", fleet.directory, "--broker", broker, WORDS, *map(str, arguments)])


def test_outputs_go_to_stdout_in_the_order_of_the_inputs(fleet, broker, files):
    with FleetHands(fleet, broker, upper):
        done = call(fleet, broker, *files)
    assert done.exit_code == 0, done.output
    assert done.stdout == "".join(f"INPUT {number}\n" for number in range(10))
    assert done.stderr.splitlines()[-1] == "10/10 SUCCEEDED"
    # It is over, and nothing is left at the broker but the word that it is.
    left = retained(broker, fleet.topic("#"))
    assert [topic for topic in left if "/blob/" in topic] == []
    assert manifests.read(left[fleet.topic("manifest", "workload-map-words")], fleet.keys)["end"] is True


def test_outputs_go_into_a_directory_under_their_inputs_names(fleet, broker, files, tmp_path):
    with FleetHands(fleet, broker, upper):
        done = call(fleet, broker, *files, "--out", tmp_path / "out", "--format", "json", "--slice", "edge")
    assert done.exit_code == 0, done.output
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        path.name: path.read_text().upper() for path in files}
    assert json.loads(done.stdout)["state"] == "SUCCEEDED"


def test_a_line_a_task(fleet, broker, tmp_path):
    (tmp_path / "lines").write_text("one\ntwo\nthree")
    seen = []

    def work(_payload, task, data, _replica):
        seen.append((task, data))
        return data + b"!"

    with FleetHands(fleet, broker, work):
        done = call(fleet, broker, tmp_path / "lines", "--split", "line", "--out", tmp_path / "out")
    assert done.exit_code == 0 and sorted(seen) == [(0, b"one\n"), (1, b"two\n"), (2, b"three")]
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        "lines.0": "one\n!", "lines.1": "two\n!", "lines.2": "three!"}


def test_some_that_fail_are_counted_and_the_others_written(fleet, broker, files):
    def work(_payload, task, data, _replica):
        return {"outcome": "trap", "reason": "unreachable"} if task == 3 else data.upper()

    with FleetHands(fleet, broker, work):
        done = call(fleet, broker, *files)
    assert done.exit_code == 1
    assert done.stdout == "".join(f"INPUT {number}\n" for number in range(10) if number != 3)
    assert done.stderr.splitlines()[-3:] == [
        "9/10 SUCCEEDED, 1 FAILED", "task 3: FAILED: unreachable", "Error: 9 of 10 tasks succeeded"]


def begin(fleet, broker, *arguments):
    return subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "backfence"), "map", "--fleet", fleet.directory,
         "--broker", broker, WORDS, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition, what, most_s=30):
    give_up = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


def settled(fleet, name):
    try:
        return results.Work.newest(fleet, name).settlement.counts()["SUCCEEDED"]
    except OperatorError:
        return 0


def test_killed_in_the_midst_the_same_command_ends_exact(fleet, broker, files):
    """Boxes go on while the owner's machine is off; what they bring waits at the broker."""
    more, ran = threading.Event(), []

    def work(_payload, task, data, _replica):
        if task >= 4 and not more.is_set():
            return None
        ran.append(task)
        return data.upper()

    with FleetHands(fleet, broker, work) as hands:
        process = begin(fleet, broker, *files, "--name", "killed")
        until(lambda: settled(fleet, "killed") == 4, "four results")
        process.kill()
        process.wait()
        more.set()
        hands.poke()
        until(lambda: len(ran) == 10, "the boxes go on")
        signatures = fleet.signer.remaining()
        again = begin(fleet, broker, *files, "--name", "killed")
        out, err = again.communicate(timeout=30)
    assert again.returncode == 0, err
    assert out == "".join(f"INPUT {number}\n" for number in range(10))
    assert "10 tasks, going on where it was" in err
    # Nothing was pushed or run again: one signature for the end.
    assert sorted(ran) == list(range(10)) and fleet.signer.remaining() == signatures - 1


def test_killed_before_it_was_pushed_the_same_command_pushes(fleet, broker, files):
    manifest = manifests.workload_manifest(
        fleet, "early", "edge", open(WORDS, "rb").read(), cli_map.pieces([str(path) for path in files], "whole", 1)[0])
    results.Work.create(fleet, manifest, fleet.sign(manifest)).close()
    said = CliRunner().invoke(cli.main, ["results", "--fleet", fleet.directory, "--offline", "early"])
    assert said.exit_code == 1 and "Warning: early was not pushed whole" in said.stderr
    with FleetHands(fleet, broker, upper):
        done = call(fleet, broker, *files, "--name", "early")
    assert done.exit_code == 0 and "going on where it was" in done.stderr


def test_ctrl_c_ends_the_workload_on_the_boxes(fleet, broker, files):
    def work(_payload, task, data, _replica):
        return data.upper() if task < 4 else None

    with FleetHands(fleet, broker, work) as hands:
        process = begin(fleet, broker, *files, "--name", "stopped")
        until(lambda: settled(fleet, "stopped") == 4, "four results")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        until(lambda: hands.plans["workload-stopped"].get("end"), "the boxes hear of it")
    assert process.returncode == 1 and out == "".join(f"INPUT {number}\n" for number in range(4))
    assert err.splitlines()[-1] == "Error: interrupted; the workload was ended: 4 of 10 tasks succeeded"
    assert results.Work.newest(fleet, "stopped").settlement.counts()["CANCELED"] == 6


def test_a_cancel_from_elsewhere_ends_it(fleet, broker, files):
    with FleetHands(fleet, broker, lambda *_: None):
        process = begin(fleet, broker, *files, "--name", "elsewhere")
        until(lambda: results.runs(fleet, "elsewhere"), "a run")
        until(lambda: results.Work.newest(fleet, "elsewhere").plan["pushed"], "the push")
        second = call(fleet, broker, *files, "--name", "elsewhere")
        assert second.exit_code == 1 and "another process collects the workload elsewhere" in second.output
        done = CliRunner().invoke(cli.main, ["cancel", "--fleet", fleet.directory, "--broker", broker, "elsewhere"])
        assert done.exit_code == 0, done.output
        signatures = fleet.signer.remaining()
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1 and "0/10 SUCCEEDED, 10 CANCELED" in err
    assert fleet.signer.remaining() == signatures  # it did not end it once more


def test_what_is_wrong_is_said_before_anything_is_signed(fleet, broker, files, tmp_path):
    (tmp_path / "big").write_bytes(bytes(32769))
    (tmp_path / "other").mkdir()
    shutil.copy(files[0], tmp_path / "other")
    signatures = fleet.signer.remaining()
    for arguments, said, code in [
        ([tmp_path / "big"], "has 32,769 bytes and a task takes 32,768", 1),
        ([files[0], tmp_path / "other" / "0.txt", "--out", tmp_path / "out"], "two inputs are called 0.txt", 1),
        ([files[0], "--out", tmp_path / "in"], "would go beside the input", 1),
        ([files[0], "--format", "json"], "--format json needs --out", 2),
        ([tmp_path / "none"], "does not exist", 2),
        ([], "Missing argument 'INPUT...'", 2),
        ([files[0], "--deadline", "soon"], "is not a duration", 1),
    ]:
        done = call(fleet, broker, *arguments)
        assert done.exit_code == code and said in done.output, (arguments, done.output)
    assert fleet.signer.remaining() == signatures


def test_without_a_slice_it_is_the_only_one(tmp_path):
    fleet = fleets.create(str(tmp_path / "fleet"), width=4)
    with pytest.raises(OperatorError, match="no slice yet"):
        cli_map.only_slice(fleet)
    first = manifests.slice_manifest(fleet, "edge", 3)
    fleet.sign(first)
    assert cli_map.only_slice(fleet) == "edge"
    fleet.sign(manifests.slice_manifest(fleet, "core", 3))
    with pytest.raises(OperatorError, match="the slices core, edge"):
        cli_map.only_slice(fleet)
    fleet.sign(manifests.end_manifest(fleet, first.payload))
    assert cli_map.only_slice(fleet) == "core"


@pytest.mark.parametrize("path, name", [("a/Words_2.wasm", "map-words-2"), ("x" * 60 + ".wasm", "map-" + "x" * 28)])
def test_a_name_follows_from_the_program(path, name):
    assert cli_map.default_name(path) == name and manifests.NAME.fullmatch(name)
