"""What swarms of enrolled liars get stays within its bound, in small: `bench liars` has the sizes that count.

A mend that is lost must show here: each test names what it would show.
"""

import pytest

from backfence.sim import bench, lies
from backfence.sim.bench import liars
from backfence.sim.lab import Lab
from backfence.sim.lies import view

# Lies with few boxes, and what makes them shorter.
SMALL = {
    "count": (14, 0.2, {}),
    "means": (14, 0.2, {}),
    "seats": (24, 0.3, {"SETTLE_S": 35, "LYING_S": 30}),
    "seats_silent": (24, 0.15, {"SETTLE_S": 35, "LYING_S": 30}),
    "grants": (24, 0.2, {"SETTLE_S": 35, "LYING_S": 30}),
    "vacancies": (20, 0.1, {"FILLING_S": 60}),
    "suspicion": (20, 0.3, {"CALLING_S": 20}),
    "progress": (14, 0.2, {}),
    "chunks": (20, 0.3, {}),
    "manifests": (20, 0.3, {}),
}


def measured(name, nodes, share, seed=1):
    """{figure's name: Figure} of a lie."""
    lab = Lab("liars-" + name, nodes, seed, speech="plain")
    return {figure.name: figure for figure in lies.load(name).measure(lab, share, lambda text: None)}


@pytest.mark.parametrize("name", ["view", "view_old", "view_invented"])
def test_liars_fill_views_and_hardly_more_than_their_share_of_whom_boxes_ask(name, monkeypatch):
    # With partners drawn from links: 1.5 to 6 times.
    monkeypatch.setattr(view, "HONEST", 25)
    monkeypatch.setattr(view, "LYING", 30)
    monkeypatch.setattr(view, "TAKEN", 15)
    found = measured(name, 80, 0.2)
    asked = [figure.ours for name, figure in found.items() if name.startswith("liars' share of the boxes that are asked")]
    assert 0.3 < asked[0] < 1.4
    assert found["honest boxes that ask liars alone, %"].ours == 0
    assert found["the same of views"].ours > 1.4, "they lie"


@pytest.mark.parametrize("name", SMALL)
def test_what_liars_get_stays_within_its_bound(name, monkeypatch):
    nodes, share, shorter = SMALL[name]
    for constant, value in shorter.items():
        monkeypatch.setattr(lies.load("seats" if name == "seats_silent" else name), constant, value)
    found = measured(name, nodes, share)
    bounded = [figure for figure in found.values() if figure.bound]
    missed = ["%s: %g, not %s" % (figure.name, figure.ours, figure.bound) for figure in bounded if not bench.holds(figure.bound, figure.ours)]
    assert bounded and not missed


def test_every_lie_is_played_here():
    assert sorted(lies.NAMES) == sorted([*SMALL, "view", "view_old", "view_invented"])


def test_how_many_have_fewer_than_three_liars_near_is_the_binomial():
    spared = lies.load("seats_silent").spared
    assert [round(spared(share), 3) for share in (0.1, 0.2, 0.3)] == [0.962, 0.797, 0.552]
    assert spared(0.5) == (1 + 8 + 28) / 256


def test_the_table_is_the_worst_over_the_seeds_and_of_what_was_chosen(monkeypatch):
    def play(lab, share, say):
        return [lies.Figure("most", int(lab.seed), "<= 6"), lies.Figure("least", int(lab.seed), ">= 6", 7)]

    monkeypatch.setattr(lies.load("chunks"), "measure", play)
    rows = list(liars.rows(5, 5, lambda text: None, ["chunks-30"]))
    assert [(row["ours"], bench.judge(row)["held"], row["nodes"], row["reference"]) for row in rows] == [(7, False, 5, None), (5, False, 5, 7)]
    assert rows[0]["figure"] == "chunks, 30 %: most (5 to 7)"
