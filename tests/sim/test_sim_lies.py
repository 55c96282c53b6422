"""What swarms of enrolled liars get stays within its bound, in small: `bench liars` has the sizes that count.

A mend that is lost must show here: each test names what it would show.
"""

import pytest

from backfence.sim import lies
from backfence.sim.lab import Lab
from backfence.sim.lies import view


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
