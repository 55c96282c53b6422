"""Lookups along the ring: found in few hops, past the dead, and bounded (whole rings, on CPython alone)."""

import sys
from pathlib import Path

from backfence.agent.limits import LOOKUPS

sys.path.insert(0, str(Path(__file__).parent))
from proto_node import holders  # noqa: E402
from proto_ring import closed  # noqa: E402


def find(lan, number, seat, slice_id=None, most_ms=12000):
    """(seat found or None, hops) of a lookup begun at a box."""
    out = []
    assert lan.nodes[number].lookup.find(seat, lambda entry, hops: out.append((entry and entry.seat, hops)), slice_id)
    lan.run_until(lambda: out, most_ms)
    assert len(out) == 1
    return out[0]


def test_every_seat_is_found_from_every_other():
    lan = closed(13, 12, seed=3)
    lan.run(3000)
    seats = holders(lan, "edge")
    for seat in range(12):
        for source in (0, 5):
            found, hops = find(lan, seats[source], seat)
            assert found == seat and hops <= 3
    outside = [i for i in range(13) if i not in seats.values()][0]
    id = lan.nodes[0].rumours.get("slice", "edge").id
    lan.run_until(lambda: lan.nodes[outside].slicing.slices[id].seats, 20000)
    assert find(lan, outside, 7, id)[0] == 7


def test_a_vacant_seat_gives_its_neighbour_and_the_dead_are_passed_by():
    lan = closed(12, 12, seed=4)
    lan.run(3000)
    seats = holders(lan, "edge")
    lan.down = [seats[4], seats[6], seats[7]]
    lan.nodes[seats[0]].ring.links.far = {}
    # Seat 4 would be next, and is dead; sooner than the asker would ask again.
    assert find(lan, seats[0], 5, None, 2800)[0] == 5
    lan.run(12000)
    assert find(lan, seats[0], 6)[0] in (5, 8)


def test_nobody_answers_and_too_many_ask():
    lan = closed(3, 2, seed=5)
    seats = holders(lan, "edge")
    node = lan.nodes[[i for i in range(3) if i not in seats.values()][0]]
    lan.down = list(seats.values())
    id = node.rumours.get("slice", "edge").id
    out = []
    node.available = False  # or it would ask too, and begin anew
    for _ in range(LOOKUPS):
        assert node.lookup.find(1, lambda entry, hops: out.append(entry), id)
    assert not node.lookup.find(1, None, id) and node.counters["lookups_dropped"] == 1
    assert len(node.lookup.asking) == LOOKUPS
    lan.run(12000)
    assert out == [None] * LOOKUPS
