"""Plays of a bench: done side by side from one beginning, kept when done, done again only when the code has changed."""

import json
import os

import pytest

from backfence.sim import plays


def make(nodes, seed, say):
    """What all begin with; and whose process made it."""
    say("made")
    return {"sum": nodes + seed, "makers": [os.getpid()]}


def toy(begin, name, say):
    """A play that changes what it was given, and says which process played it."""
    say("under way")
    if name == "broken":
        raise RuntimeError("no such world")
    begin["makers"].append(name)
    return dict(begin, process=os.getpid())


def perform(folder, *names):
    return plays.perform(make, toy, names, 10, 3, folder, "toy")


def test_plays_come_in_the_order_asked_for_each_from_the_same_beginning(tmp_path, capfd):
    found = perform(tmp_path, "c", "b", "a")
    assert list(found) == ["c", "b", "a"] and {row["sum"] for row in found.values()} == {13}
    assert [row["makers"] for row in found.values()] == [[os.getpid(), name] for name in found]
    assert len({row["process"] for row in found.values()} | {os.getpid()}) == 4
    assert capfd.readouterr().err.count("made") == 1


def test_a_play_that_is_kept_is_not_played_again(tmp_path, capfd):
    first = perform(tmp_path, "a")
    both = perform(tmp_path, "a", "b")
    assert both["a"] == first["a"] and both["b"]["makers"][1] == "b"
    assert perform(tmp_path, "b", "a") == both
    assert capfd.readouterr().err.count("a: under way") == 1


def test_one_of_other_code_is_played_again_and_so_is_one_cut_short(tmp_path, monkeypatch, capfd):
    perform(tmp_path, "a")
    monkeypatch.setattr(plays, "code", lambda: "other")
    perform(tmp_path, "a")
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:20])
    perform(tmp_path, "a")
    assert capfd.readouterr().err.count("a: under way") == 3
    assert json.loads(path.read_text())["code"] == "other"


def test_what_fails_is_not_kept(tmp_path):
    with pytest.raises(RuntimeError, match="failed: broken"):
        perform(tmp_path, "broken", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["toy-10-3-a.json"]


def test_code_is_of_the_files_as_they_are(tmp_path, monkeypatch):
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "one.py").write_text("1\n")
    monkeypatch.setattr(plays, "ROOT", tmp_path)
    before = plays.code()
    assert before == plays.code()
    (tmp_path / "agent" / "one.py").write_text("2\n")
    assert plays.code() != before
