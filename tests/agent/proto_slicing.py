"""Gossip about slices: bounded, fresh, and without weight against what is known."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.limits import CANDIDATES, SEAT_HINTS, SEATS_TOLD, SLICES_TOLD
from backfence.agent.seat import SeatEntry, rank, unpack_entries
from emulated import fewer
from lan import Lan
from proto_node import holders

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")

ADDR = bytes((10, 8, 8, 8, 1, 1))


def world(seats=100, count=1, **rest):
    """A Lan, node 0, and its Slice "edge", in which it may not sit."""
    lan = Lan(count)
    lan.push(0, dict(rest, kind="slice", name="edge", seats=seats, where=["==", "never", 1]))
    lan.run(100)
    node = lan.nodes[0]
    return lan, node, node.slicing.by_name("edge")


def entry(node, seat, term=1, age_ms=0, id=None):
    return SeatEntry(seat, term, Descriptor(id or b"%16d" % seat, ADDR), node.now_ms - age_ms)


def test_seats_heard_of_are_few_and_the_stalest_goes():
    _, node, slice = world()
    for i in range(SEAT_HINTS + 4):
        node.slicing.hear_seat(slice, entry(node, i, 1, 5000 - i))
    assert sorted(slice.seats) == list(range(4, SEAT_HINTS + 4)) and node.counters["hints_dropped"] == 4


def test_of_a_seat_the_higher_term_and_the_fresher_word_stay():
    _, node, slice = world()
    for term, age_ms, id, stays in (
        (5, 1000, b"a" * 16, True), (4, 0, b"b" * 16, False), (5, 2000, b"c" * 16, False),
        (5, 500, b"a" * 16, True), (6, 9000, b"d" * 16, True),
    ):
        node.slicing.hear_seat(slice, entry(node, 3, term, age_ms, id))
        assert (slice.seats[3].term == term and slice.seats[3].id == id) == stays
    assert slice.high_term == 6


def test_old_dead_and_impossible_seats_are_dropped():
    _, node, slice = world()
    node.dead(b"d" * 16)
    for seat, age_ms, id in ((100, 0, None), (4095, 0, None), (1, 200000, None), (2, 0, b"d" * 16)):
        node.slicing.hear_seat(slice, entry(node, seat, 9, age_ms, id))
    assert not slice.seats and slice.high_term == 0 and node.counters["hints_dropped"] == 4
    node.slicing.hear_seat(slice, entry(node, 5, 2, 0, node.id))
    assert not slice.seats and slice.high_term == 2


def test_candidates_are_few_and_the_least_hash_stays():
    _, node, slice = world()
    ids = [b"%16d" % i for i in range(CANDIDATES + 5)]
    least = min(ids, key=lambda id: rank(slice.manifest.id, id))
    ids.remove(least)
    node.slicing._hear_candidate(slice, Descriptor(least, ADDR), node.now_ms - 9000)
    for i in range(len(ids)):
        node.slicing._hear_candidate(slice, Descriptor(ids[i], ADDR), node.now_ms - 100 + i)
    assert len(slice.candidates) == CANDIDATES and least in slice.candidates and ids[0] not in slice.candidates
    assert node.counters["hints_dropped"] == 5 and node.slicing.candidates(slice.manifest.id)[0][1].id == ids[-1]
    assert node.slicing.candidates(bytes(16)) == []
    for id in ids:
        node.slicing.spent(slice.manifest.id, id)
    assert list(slice.candidates) == [least]
    node.slicing.forget(least)
    assert not slice.candidates


def test_what_is_told_fits_its_caps_and_is_heard():
    lan, node, slice = world()
    for name in ("a", "b", "c"):
        lan.push(0, {"kind": "slice", "name": name, "seats": 3})
    lan.run(100)
    for i in range(30):
        node.slicing.hear_seat(slice, entry(node, i, i))
        node.slicing._hear_candidate(slice, Descriptor(b"c%15d" % i, ADDR), node.now_ms)
    seen = set()
    for _ in range(4):
        told = node.slicing.tell()
        assert len(told) == SLICES_TOLD
        for id, seats, _, _, _ in told:
            seen.add(id)
            entries = unpack_entries(seats, SEATS_TOLD, node.now_ms)
            assert len({e.seat for e in entries}) == len(entries)
            if id == slice.manifest.id:
                assert len(entries) == SEATS_TOLD and min(slice.seats) in [e.seat for e in entries]
        node.slicing.hear(told, ADDR)
    assert len(seen) == 4


def test_hints_and_slices_go_when_their_time_is_over():
    lan, node, slice = world()
    node.slicing.hear_seat(slice, entry(node, 1))
    node.slicing._hear_candidate(slice, Descriptor(b"c" * 16, ADDR), node.now_ms)
    lan.run(120000)
    assert not slice.seats and not slice.candidates
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 100, "seq": 2, "end": True})
    lan.run(100)
    assert not node.slicing.slices and node.slicing.by_name("edge") is None


def test_only_who_matches_and_is_available_sits():
    lan = Lan(5, seed=2)
    for i in range(5):
        lan.nodes[i].attributes = {"mem": i}
        lan.nodes[i].available = i != 4
    lan.join_all()
    lan.run(2000)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 4, "where": [">", "mem", 1]})
    lan.run(fewer(30000, 12000))
    assert sorted(holders(lan, "edge").values()) == [2, 3]


def test_a_later_and_smaller_hash_moves_nothing():
    lan = Lan(6, seed=3)
    lan.join_all()
    lan.down = [1, 2, 3]
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 1})
    lan.run_until(lambda: 0 in holders(lan, "edge"), 90000)
    first = holders(lan, "edge")[0]
    lan.down = []
    lan.run(fewer(60000, 20000))
    assert holders(lan, "edge") == {0: first}
