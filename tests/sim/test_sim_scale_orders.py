"""Ordered slicing and T-Man rings on the scale model, beside the published figures."""

import numpy as np

from backfence.sim.scale import rings, slicing, tasks


def test_ordering_and_ranking_fall_as_published():
    """At 10,000 boxes; ordering with a seed whose lots are about as even as the published ones, which end at 0.183."""
    ordering = tasks.slices(10_000, 11, "ordering", 40)
    ranking = tasks.slices(10_000, 1, "ranking", 20)
    assert 0.17 < ordering["floor"] < 0.19
    assert abs(ordering["0"] / 33.2 - 1) < 0.02 and abs(ranking["0"] / 33.2 - 1) < 0.02
    assert abs(ranking["10"] / 3.22 - 1) < 0.06 and abs(ranking["20"] / 2.51 - 1) < 0.06
    assert abs(ordering["10"] / 1.14 - 1) < 0.06 and abs(ordering["20"] / 0.578 - 1) < 0.06 and abs(ordering["40"] / 0.327 - 1) < 0.08


def test_lots_are_swapped_and_never_made():
    model = slicing.Slices(300, 1)
    before = np.sort(model.lots)
    for _ in range(10):
        model.cycle()
    assert np.array_equal(np.sort(model.lots), before)
    order = np.corrcoef(model.attributes, model.lots)[0, 1]
    assert order > 0.99


def test_a_ring_closes_in_no_more_cycles_than_published(monkeypatch):
    found = rings.cycles_to(rings.Ring(1_024, 1))
    assert found[0.99] <= 10 and found[0.999] <= 12 and found[1.0] <= 13
    ring = rings.Ring(256, 1)
    assert ring.right() < 0.2
    ring.views[:] = (np.arange(256)[:, None] + np.r_[-10:0, 1:11]) % 256
    assert ring.right() == 1.0
