"""Curves of the scale model, held against recordings of the agent's own classes; `make validate` has all, at all sizes."""

import pathlib
import re

import pytest

from backfence.sim.scale import curves, filling, jit, validate

SEEDS = 4
NODES = {"rumour": 1_000, "rollout": 1_000, "filling": 1_000, "image": 256}


def failed(kind, **wrong):
    """Figures of a kind in which the model differs from the recordings."""
    recordings = validate.observed(kind, NODES[kind])
    models = [curves.KINDS[kind].model(real, 1_000 * number + seed, **wrong)
              for number, real in enumerate(recordings) for seed in range(1, SEEDS + 1)]
    return [row[0] for row in curves.compare(kind, recordings, models) if not row[1]]


@pytest.mark.parametrize("kind", list(NODES))
def test_the_model_has_the_curve_of_the_agents_classes(kind):
    assert failed(kind) == []


@pytest.mark.parametrize("kind, wrong", [
    ("rumour", {"fanout": 4}), ("rollout", {"part": 2}), ("filling", {"overtakes": 0.5}), ("image", {"lent": 1})])
def test_a_wrong_model_is_seen(kind, wrong):
    assert wrong in curves.KINDS[kind].wrong.values()
    assert failed(kind, **wrong)


def test_seats_are_held_once_and_only_by_those_that_match():
    fleet = filling.Filling(300, 1, 20, match=0.1, loss=0.05)
    assert fleet.go()[-1] == 20
    seat, may = fleet.seats_of()
    assert sorted(seat[seat >= 0]) == list(range(20)) and may[seat >= 0].all()


def test_what_kernels_are_made_of_is_known_to_their_cache():
    here = pathlib.Path(jit.__file__).parent
    users = [path for path in sorted(here.glob("*.py")) if re.search(r"from \.jit import .*kernel", path.read_text())]
    assert len(users) > 5
    for path in users:
        text = path.read_text()
        models = set(re.findall(r"^from \.(\w+) import", text, re.M)) - {"errors"}
        models |= {name for line in re.findall(r"^from \. import (.*)", text, re.M) for name in line.split(", ")}
        agent = set(re.findall(r"^from \.\.\.agent\.(\w+) import", text, re.M))
        agent |= {name for line in re.findall(r"^from \.\.\.agent import (.*)", text, re.M) for name in line.split(", ")}
        assert {path.stem} | models <= set(jit.MODELS) and agent <= set(jit.AGENT), path
    assert all(path.exists() for path in jit.sources())
