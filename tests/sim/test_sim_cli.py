"""`python -m backfence.sim`: what it prints, its exit codes, and the report of a failed run."""

import json
import os
import pathlib
import subprocess
import sys
import types

import pytest
from click.testing import CliRunner
from toy_node import address_of, make_toy, read_toy

from backfence.sim import __main__ as cli
from backfence.sim import checkers
from backfence.sim import run as runs

FOLDER = pathlib.Path(runs.__file__).parent / "scenarios"
NAMES = sorted(file.stem.replace("_", "-") for file in FOLDER.glob("*.py") if file.stem != "__init__")


def toy_run(play, count=4):
    """Performs play(run) with toys in place of the agent's nodes."""
    run = runs.Run("toy", count, 5, make_toy, read=read_toy)
    for number in range(count):
        run.world.add_box(address_of(number)).start()
    return runs.perform(run, play)


def test_lists_every_scenario_with_its_claim():
    found = json.loads(CliRunner().invoke(cli.main, ["list", "--format", "json"]).stdout)
    assert sorted(found) == NAMES and len(NAMES) >= 14
    assert all(claim.endswith(".") for claim in found.values())
    text = CliRunner().invoke(cli.main, ["list"]).stdout
    assert all(name in text for name in NAMES)


def test_a_run_that_holds_reports_its_checks_figures_and_hash():
    def play(run):
        run.go(5_000)
        run.until("connected", lambda: checkers.connected(run.states()), 60)

    report = toy_run(play)
    assert report["ok"] and report["checks"]["connected"]["ok"] and len(report["trace_hash"]) == 64
    assert report["metrics"]["nodes"] == 4 and report["metrics"]["datagrams"] > 0


def test_a_check_that_never_holds_fails_the_run():
    report = toy_run(lambda run: run.until("never", lambda: "not yet", 10))
    assert not report["ok"] and report["failure"] == "never: after 10 s not yet"
    assert report["checks"]["never"] == {"ok": False, "kind": "within 10 s", "detail": "not yet"}
    assert report["repeat"] == "python -m backfence.sim run toy --nodes 4 --seed 5"
    assert report["last_events"]


def test_a_rule_broken_for_a_moment_fails_the_run_then():
    def play(run):
        run.always("never two", lambda: "two" if 3_000 <= run.world.now_ms < 5_000 else "")
        run.go(60_000)

    report = toy_run(play)
    assert not report["ok"] and report["checks"]["never two"]["at_s"] == 3.0


def test_a_requirement_is_looked_at_once():
    report = toy_run(lambda run: run.require("now", lambda: "no"))
    assert report["failure"] == "now: no"


def test_a_node_that_raises_is_reported_with_its_traceback():
    def play(run):
        run.world.boxes[2].node.broken = True
        run.go(60_000)

    report = toy_run(play)
    assert not report["ok"] and "broken on purpose" in report["failure"]
    assert "Traceback" in report["checks"]["no node raises"]["detail"]


def test_every_run_looks_at_caps_and_spinning():
    def play(run):
        for number in range(20):
            run.world.boxes[1].node.view[b"%6d" % number] = 0
        run.look()

    assert "over the cap" in toy_run(play)["failure"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_failed_run_prints_its_seed_and_the_command_that_repeats_it(monkeypatch, form):
    module = types.SimpleNamespace(NODES=2, play=lambda lab: lab.require("reason", lambda: "it is Monday"))
    monkeypatch.setattr(runs, "load", lambda name: module)
    monkeypatch.setattr(runs, "names", lambda: {"join": "x"})
    result = CliRunner().invoke(cli.main, ["run", "join", "--seed", "77", "--format", form])
    assert result.exit_code == 1
    assert "Error: reason: it is Monday" in result.stderr
    assert "python -m backfence.sim run join --nodes 2 --seed 77" in result.stderr
    if form == "json":
        assert json.loads(result.stdout)["ok"] is False


@pytest.mark.parametrize("words", [["run", "nonsense"], ["run", "join", "--nodes", "1"], ["run"], ["dance"]])
def test_what_cannot_be_understood_exits_with_2(words):
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 2 and "Error:" in result.stderr


def test_a_seed_repeats_a_run_whatever_the_hash_seed():
    found = []
    for hash_seed in ("1", "99"):
        command = [sys.executable, "-m", "backfence.sim", "run", "job", "--nodes", "8", "--seed", "4", "--format", "json"]
        env = dict(os.environ, PYTHONHASHSEED=hash_seed)
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["trace_hash"])
    assert found[0] == found[1]
