"""Who has died, who is only suspected, and who begins when nobody is left (whole rings, on CPython alone)."""

import sys
from pathlib import Path

from backfence.agent.descriptor import Descriptor
from backfence.agent.seat import TERM_JUMP, TERM_MOST, SeatEntry

sys.path.insert(0, str(Path(__file__).parent))
from lan import Lan  # noqa: E402
from proto_node import holders, ring_closed  # noqa: E402
from proto_ring import closed, slice_  # noqa: E402
from proto_ring_claims import probe  # noqa: E402


def knows(lan, id):
    """The live boxes that have a box among their ring neighbours."""
    return [i for i in range(len(lan.nodes)) if i not in lan.down and id in lan.nodes[i].ring.near]


def linked(lan, before, after):
    """True if two holders are next to each other, as both see it."""
    one, other = lan.nodes[before].ring, lan.nodes[after].ring
    return one.successor().id == lan.nodes[after].id and other.predecessor().id == lan.nodes[before].id


def test_every_neighbour_knows_of_a_death_within_nine_probes():
    lan = closed(11, 11, seed=21)
    lan.run(15000)
    seats = holders(lan, "edge")
    victim = lan.nodes[seats[4]].id
    assert len(knows(lan, victim)) == 8
    lan.down = [seats[4]]
    took = lan.run_until(lambda: not knows(lan, victim), 9000)
    assert took > 3000


def test_three_in_a_row_are_found_in_the_time_of_one():
    lan = closed(11, 11, seed=22)
    lan.run(15000)
    seats = holders(lan, "edge")
    lan.down = [seats[4], seats[5], seats[6]]
    lan.run_until(lambda: linked(lan, seats[3], seats[7]), 9000)


def test_two_that_do_not_hear_each_other_bury_nobody():
    lan = closed(9, 9, seed=23)
    lan.run(12000)
    seats = holders(lan, "edge")
    pair = (seats[3], seats[4])
    lan.drop = lambda data, source, target: source in pair and target in pair
    lan.run(25000)
    assert holders(lan, "edge") == seats
    assert sum([node.counters["ring_suspects"] for node in lan.nodes]) > 0
    assert sum([node.counters["ring_deaths"] for node in lan.nodes]) == 0


def test_one_lie_about_a_term_freezes_nothing():
    lan = closed(7, 3, seed=25)
    lan.run(3000)
    seats = holders(lan, "edge")
    liar = [i for i in range(7) if i not in seats.values()][0]
    ghost = SeatEntry(2, TERM_MOST, Descriptor(b"g" * 16, lan.address(99)), lan.now_ms)
    for seat in range(3):
        refused = lan.nodes[seats[seat]].counters["terms_refused"]
        probe(lan, liar, seats[seat], 9, 1, [ghost])
        probe(lan, liar, seats[seat], seat, TERM_MOST)
        probe(lan, liar, seats[seat], 9, lan.nodes[seats[seat]].ring.high_term + TERM_JUMP + 1)
        lan.run(50)
        assert lan.nodes[seats[seat]].counters["terms_refused"] == refused + 3
    assert holders(lan, "edge") == seats
    lan.push(0, slice_(6, 2))
    lan.run_until(lambda: ring_closed(lan, "edge", 6), 30000)
    assert max([node.ring.term for node in lan.nodes]) < 100


def test_who_begins_by_mistake_yields_to_the_ring_that_stands():
    lan = closed(6, 3, seed=26)
    lan.run(3000)
    seats = holders(lan, "edge")
    node = lan.nodes[[i for i in range(6) if i not in seats.values()][0]]
    slicing, slice = node.slicing, node.slicing.by_name("edge")
    slice.seats, slice.heard, slice.offers.table = {}, 99, {}
    slice.lonely_ms = node.now_ms - 99000
    slicing._consider_beginning(slice, node.now_ms)
    assert node.ring.seat == 0 and node.ring.term < lan.nodes[seats[0]].ring.high_term
    lan.run(10000)
    assert holders(lan, "edge") == seats and node.counters["seats_lost"] == 1


def test_one_box_begins_though_the_fleet_is_still_greeting():
    for seed in range(28, 31):
        lan = Lan(10, seed=seed)
        lan.join_all()
        # All have the manifest, and for six seconds no greeting comes through.
        for i in range(10):
            lan.push(i, slice_(4))
        lan.drop = lambda data, source, target: lan.now_ms < 7000
        begun = []
        for node in lan.nodes:
            take = node.ring.take

            def noted(manifest, seat, term, entries, take=take, id=node.id):
                if not entries:
                    begun.append(id)
                take(manifest, seat, term, entries)

            node.ring.take = noted
        lan.run_until(lambda: ring_closed(lan, "edge", 4), 30000)
        assert len(begun) == 1
