"""The swarm draws from its master seed, keeps what failed, and says how to repeat it."""

import itertools
import json
import sys

import pytest
from click.testing import CliRunner

from backfence.sim import __main__ as cli
from backfence.sim import run as runs
from backfence.sim import swarm as swarms

# Stands for a run: fails for odd sizes, as a run would.
SOMETIMES = """
import sys
nodes = int(sys.argv[sys.argv.index("--nodes") + 1])
if nodes % 2:
    print("Error: it is odd")
    sys.exit(1)
"""


def swarm(tmp_path, script, master=1):
    said = []
    return swarms.Swarm(master, tmp_path, said.append, command=(sys.executable, "-c", script)), said


def test_one_master_seed_draws_the_same_and_another_does_not():
    first, second, other = (list(itertools.islice(swarms.draws(seed), 60)) for seed in (1, 1, 2))
    assert first == second != other


def test_every_scenario_is_drawn_in_each_lap_at_sizes_it_may_have():
    lap = list(itertools.islice(swarms.draws(7), len(runs.names())))
    assert sorted(name for name, _, _, _ in lap) == sorted(runs.names())
    assert all(10 <= nodes <= max(10, 1.5 * runs.load(name).NODES) for name, nodes, _, _ in lap)
    speeches = {speech for _, _, _, speech in itertools.islice(swarms.draws(7), 100)}
    assert speeches == {"sealed", "plain"}


def test_what_failed_is_kept_with_its_command_and_what_held_is_not(tmp_path):
    found, said = swarm(tmp_path, SOMETIMES)
    assert not found.go(9, most=8)
    assert found.failed and found.passed and len(found.failed) + sum(found.passed.values()) == 8
    for failed in found.failed:
        assert failed["why"] == "it is odd"
        name, nodes = failed["repeat"].split()[4], int(failed["repeat"].split()[6])
        assert nodes % 2 and failed["repeat"].startswith("python -m backfence.sim run %s --nodes" % name)
    assert len(list(tmp_path.glob("*.log"))) == len(found.failed)
    assert any("repeat with: python -m backfence.sim run" in text for text in said)
    assert "master seed 1" in (tmp_path / "log.txt").read_text()


def test_a_run_that_hangs_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(swarms, "RUN_S", 0.5)
    found, _ = swarm(tmp_path, "import time; time.sleep(60)")
    assert not found.go(9, most=2)
    assert {failed["why"] for failed in found.failed} == {"took over 0 s"}


def test_what_has_not_ended_when_time_is_over_is_cut_off_and_has_not_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(swarms, "GRACE_S", 0.2)
    found, _ = swarm(tmp_path, "import time; time.sleep(60)")
    assert found.go(0.005)
    assert found.cut_off == swarms.PROCESSES and not list(tmp_path.glob("*.log"))


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_prints_its_master_seed_and_exits_with_1_if_any_failed(tmp_path, monkeypatch, form):
    monkeypatch.setattr(swarms.Swarm.__init__, "__defaults__", ((sys.executable, "-c", SOMETIMES),))
    result = CliRunner().invoke(cli.main, [
        "swarm", "--minutes", "9", "--runs", "8", "--seed", "1", "--out", str(tmp_path), "--format", form])
    assert result.exit_code == 1 and "repeat with: python -m backfence.sim run" in result.stderr
    assert json.loads(result.stdout)["seed"] == 1 if form == "json" else "master seed 1: " in result.stdout


@pytest.mark.parametrize("words", [["--minutes", "0"], ["--minutes", "soon"], []])
def test_what_cannot_be_understood_exits_with_2(words):
    assert CliRunner().invoke(cli.main, ["swarm"] + words).exit_code == 2
