"""Dissemination at its caps and from many seeds: too much for emulated processors."""

import sys
from pathlib import Path

import pytest

from backfence.agent.limits import MANIFESTS, RUMOUR_LEAST

sys.path.insert(0, str(Path(__file__).parent))
from lan import WALL_S, Lan  # noqa: E402
from proto_rumour_spread import alike, edge, fleet, halves, has, push, total  # noqa: E402


@pytest.mark.parametrize("tenths", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_all_get_it_under_loss(seed, tenths):
    lan = fleet(10, seed)
    lan.drop = lambda data, source, target: lan.rng.below(10) < tenths
    for i in range(3):
        push(lan, edge("a%d" % i), i)
    lan.run_until(lambda: len(has(lan, 0)) == 3 and alike(lan), 12000)


def test_a_late_joiner_gets_all_that_may_live_and_tells_hardly_anybody():
    lan = Lan(6, 4, busy_round_ms=200, round_ms=20000)
    lan.down.append(5)
    for i in range(5):
        lan.nodes[i].membership.join([lan.descriptor(0 if i else 1)])
    lan.run(3000)
    for i in range(MANIFESTS):
        push(lan, edge("s%d" % i), i % 5)
        lan.run(100)
    lan.run_until(lambda: alike(lan, range(5)), 10000)
    lan.run(30000)
    lan.down = []
    late = lan.nodes[5]
    lan.restart(5)
    late = lan.nodes[5]
    late.membership.join([lan.descriptor(0)])
    assert lan.run_until(lambda: alike(lan), 4000) <= 3000 and len(has(lan, 5)) == MANIFESTS
    assert late.counters["rumours_told"] <= MANIFESTS * RUMOUR_LEAST
    assert late.counters["chunks_in"] == MANIFESTS


def test_two_halves_that_hold_too_many_together_choose_alike():
    lan = halves(8)
    for i in range(MANIFESTS - 4):
        push(lan, edge("old%d" % i, issued=WALL_S - 100))
        lan.run(30)
    lan.drop = None
    lan.run_until(lambda: len(has(lan, 0)) == MANIFESTS - 4 and alike(lan), 30000)
    lan.drop = lambda data, source, target: source % 2 != target % 2
    for i in range(4):
        push(lan, edge("even%d" % i, issued=WALL_S - i), 0)
        push(lan, edge("odd%d" % i, issued=WALL_S - i), 1)
    lan.run(4000)
    assert len(has(lan, 0)) == len(has(lan, 1)) == MANIFESTS
    lan.drop = None
    lan.run_until(lambda: alike(lan), 40000)
    names = has(lan, 5)
    assert len(names) == MANIFESTS and len([name for name in names if name[:3] == "old"]) == MANIFESTS - 4
    # The earliest issued stayed.
    assert "even3" in names and "odd3" in names and "even0" not in names and "odd0" not in names
    chunks = total(lan, "chunks_in")
    lan.run(45000)
    assert total(lan, "chunks_in") == chunks
