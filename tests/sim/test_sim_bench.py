"""The bench harness: rows judged, reports written, aims that are missed exit with 1."""

import json
import types

import pytest
from click.testing import CliRunner

from backfence.sim import __main__ as cli
from backfence.sim import bench


def row(ours, aim="<= 2", reference=4, **other):
    return dict({
        "figure": "in-degree sd", "nodes": 10, "ours": ours, "reference": reference,
        "reference_of": "somebody", "aim": aim}, **other)


@pytest.fixture
def benches(monkeypatch):
    """Puts benches in place of the real ones: benches(name=function of (nodes, seed))."""

    def put(**functions):
        modules = {
            name: types.SimpleNamespace(TITLE="title of " + name, rows=lambda nodes, seed, say, f=f: f(nodes, seed))
            for name, f in functions.items()}
        monkeypatch.setattr(bench, "load", lambda name: modules[name])
        monkeypatch.setattr(bench, "names", lambda: {name: modules[name].TITLE for name in modules})
    return put


def run(tmp_path, *words):
    return CliRunner().invoke(cli.main, ["bench", "--out", str(tmp_path)] + list(words))


@pytest.mark.parametrize("aim, ours, held", [
    ("<= 2", 2, True), ("<= 2", 2.01, False), ("< 2", 2, False), (">= 15000", 15000, True), ("> 1", 1, False),
    ("== 0", 0, True), (None, 7, None)])
def test_an_aim_is_held_or_not(aim, ours, held):
    assert bench.holds(aim, ours) is held


@pytest.mark.parametrize("wrong", ["2", "about 2", "<=2", "<= two"])
def test_what_is_no_aim_is_refused(wrong):
    with pytest.raises(ValueError):
        bench.holds(wrong, 1)


def test_a_row_gets_its_ratio_and_a_wrong_row_is_refused():
    assert bench.judge(row(1))["ratio"] == 0.25 and bench.judge(row(1))["held"] is True
    assert bench.judge(row(1, reference=None))["ratio"] is None
    with pytest.raises(ValueError):
        bench.judge(row(1, unit="ms"))


def test_a_report_repeats_by_seed_and_size_and_is_written(benches, tmp_path):
    benches(sampling=lambda nodes, seed: [row(nodes / 10 + seed, nodes=nodes, aim="<= 100")])
    result = run(tmp_path, "sampling", "--nodes", "10,20", "--seed", "3")
    assert result.exit_code == 0, result.stderr
    written = json.loads((tmp_path / "sampling.json").read_text())
    assert [(r["nodes"], r["ours"], r["ratio"], r["held"]) for r in written["rows"]] == [(10, 4, 1, True), (20, 5, 1.25, True)]
    assert written["command"] == "python -m backfence.sim bench sampling --nodes 10,20 --seed 3"
    assert written["held"] is True and written["seed"] == 3 and "failure" not in written
    assert "in-degree sd" in result.stdout and "somebody" in result.stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_missed_aim_exits_with_1_and_says_how_to_repeat(benches, tmp_path, form):
    benches(ring=lambda nodes, seed: [row(3), row(1)])
    result = run(tmp_path, "ring", "--nodes", "10", "--format", form)
    assert result.exit_code == 1
    assert "Error: aims were missed by: ring" in result.stderr
    assert "python -m backfence.sim bench ring --nodes 10 --seed 1" in result.stderr
    if form == "json":
        (report,) = json.loads(result.stdout)
        assert [r["held"] for r in report["rows"]] == [False, True]
    else:
        assert result.stdout.count("MISSED") == 1


def test_a_bench_that_raises_has_missed(benches, tmp_path):
    benches(ring=lambda nodes, seed: 1 // 0)
    result = run(tmp_path, "ring", "--nodes", "10")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in json.loads((tmp_path / "ring.json").read_text())["failure"]


def test_plays_are_named_of_one_bench_that_has_them(tmp_path, monkeypatch):
    def rows(nodes, seed, say, chosen=("calm", "storm")):
        return [row(1, figure=name) for name in chosen]

    monkeypatch.setattr(bench, "load", lambda name: types.SimpleNamespace(TITLE=name, rows=rows, PLAYS=("calm", "storm")))
    monkeypatch.setattr(bench, "names", lambda: {"ring": "title"})
    assert run(tmp_path, "ring", "--nodes", "10", "--plays", "storm").exit_code == 0
    written = json.loads((tmp_path / "ring.json").read_text())
    assert [r["figure"] for r in written["rows"]] == ["storm"]
    assert written["command"].endswith("bench ring --nodes 10 --seed 1 --plays storm")
    result = run(tmp_path, "ring", "--nodes", "10", "--plays", "storm,rain")
    assert result.exit_code == 2 and "'rain'" in result.stderr and "calm, storm" in result.stderr


@pytest.mark.parametrize("words", [["nonsense"], ["speed", "--plays", "calm"], ["--plays", "crash"], ["speed", "--nodes", "1"], ["speed", "--nodes", "ten"]])
def test_what_cannot_be_understood_exits_with_2(words, tmp_path):
    result = run(tmp_path, *words)
    assert result.exit_code == 2 and "Error:" in result.stderr


def test_two_benches_run_side_by_side(tmp_path, monkeypatch):
    reports = list(bench.perform_all(["speed", "speed"], (20,), 1, str(tmp_path)))
    assert [len(report["rows"]) for report in reports] == [7, 7]


def test_every_bench_has_a_title():
    found = bench.names()
    assert "speed" in found and all(found.values())
