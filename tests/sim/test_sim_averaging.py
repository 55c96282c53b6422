"""Averages over seeds: figures that a broken exchange does not reach."""

import pytest

from backfence.agent import aggregate as service
from backfence.sim import checkers
from backfence.sim.averaging import Averaging

NODES = 50


def world(seed, **settings):
    """A fleet in which one box in ten has nearly all."""
    return Averaging(NODES, seed, lambda number: 1_000 if number % 10 == 0 else number, **settings)


def factor(fleet, cycles=8):
    """The mean factor by which a cycle shrinks the variance."""
    fleet.until_epoch(1)
    begun = fleet.variance(1)
    for _ in range(cycles):
        fleet.cycle()
    return (fleet.variance(1) / begun) ** (1 / cycles)


@pytest.mark.parametrize("seed", [1, 2])
def test_variance_falls_as_on_a_random_overlay(seed):
    fleet = world(seed)
    assert factor(fleet) < 0.34
    fleet.until_complete(1)
    assert set(fleet.sizes[1].values()) == {NODES}
    found = fleet.query(fleet.world.live()[5].node).result
    values = [1_000 if number % 10 == 0 else number for number in range(NODES)]
    assert abs(found.mean - sum(values) / NODES) < 0.01


@pytest.mark.parametrize("seed", [3])
def test_at_a_fifth_lost_no_mass_is_lost_and_the_size_is_right(seed):
    fleet = world(seed, loss=0.2)
    fleet.until_complete(1)
    assert max(abs(mass - 1) for mass in fleet.masses(1)) < 1e-6
    assert all(abs(size - NODES) <= 0.02 * NODES for size in fleet.sizes[1].values())


def test_at_one_percent_replaced_a_cycle_the_size_is_that_of_the_start():
    fleet = world(5, churn=0.01, cycles=60)
    fleet.until_complete(1)
    mean, least, most = fleet.counts(1)
    assert abs(mean - 1) < 0.03 and abs(least - 1) < 0.05 and abs(most - 1) < 0.05


def test_an_exchange_that_is_not_repeated_exactly_is_seen(monkeypatch):
    """The check itself: a box that answers a repeated question afresh loses mass."""
    monkeypatch.setattr(service, "AVERAGES_KEPT", 0)
    fleet = world(3, loss=0.2)
    fleet.until_complete(1)
    assert max(abs(mass - 1) for mass in fleet.masses(1)) > 1e-3


def test_the_checkers_see_lost_mass_wrong_sizes_and_stragglers():
    class State:
        def __init__(self, number, epoch, cells):
            self.number, self.epoch, self.cells = number, epoch, cells

    good = [State(0, (2, 2, 3), {b"a": 0.4}), State(1, (2, 2, 3), {b"a": 0.6})]
    assert not checkers.mass_whole(good) and not checkers.size_known(good, 3, 0) and not checkers.epoch_complete(good, 2)
    assert "0.900000" in checkers.mass_whole([good[0], State(1, (2, 2, 3), {b"a": 0.5})])
    assert checkers.mass_whole([]) and checkers.epoch_complete([], 1)
    assert "1: 9" in checkers.size_known([good[0], State(1, (2, 2, 9), {})], 3, 0.5)
    assert checkers.size_known([State(0, (0, 0, None), {})], 1, 0.5)
    assert "1 boxes" in checkers.epoch_complete([good[0], State(1, (2, 1, 3), {})], 2)
