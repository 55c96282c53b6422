"""Rings under loss, from many seeds, and a fleet that is split."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lan import Lan  # noqa: E402
from proto_node import holders, ring_closed  # noqa: E402
from proto_ring import closed, slice_  # noqa: E402


def close_under_loss(seed):
    """Every fifth datagram is lost; the ring closes, and stays or closes again."""
    lan = Lan(7, seed=seed)
    lan.drop = lambda data, source, target: lan.rng.below(5) == 0
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_(4))
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 60000)
    lan.run(10000)
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 30000)


def test_a_partition_with_seats_on_both_sides_heals_to_one_ring():
    lan = closed(8, 3, seed=2, round_ms=1500)
    seats = holders(lan, "edge")
    here = [seats[0], seats[1]] + [i for i in range(8) if i not in seats.values()][:2]
    lan.drop = lambda data, source, target: (source in here) != (target in here)

    def side(inside):
        out = {}
        for i in range(8):
            ring = lan.nodes[i].ring
            if (i in here) == inside and ring.seat is not None:
                out[ring.seat] = i
        return out

    lan.run_until(lambda: len(side(True)) == len(side(False)) == 3, 90000)
    lan.drop = None
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 120000)
    lan.run(20000)
    assert ring_closed(lan, "edge", 3)
    assert sum([node.counters["seats_lost"] for node in lan.nodes]) >= 3


@pytest.mark.parametrize("seed", range(100, 112))
def test_every_fifth_datagram_lost(seed):
    close_under_loss(seed)
