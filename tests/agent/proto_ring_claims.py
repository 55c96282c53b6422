"""What others say about seats: hearsay, forged claims, and how much is remembered."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.limits import NEIGHBOURS, RING_TOLD, TOMBSTONES
from backfence.agent.seat import TERM_MOST, SeatEntry, pack_entries
from backfence.agent.wire import messages
from lan import Lan
from proto_node import holders
from proto_ring import closed

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")


def probe(lan, liar, target, seat, term, entries=None):
    """Box liar says to hold a seat."""
    own = SeatEntry(seat, term, lan.descriptor(liar), lan.now_ms)
    packed = pack_entries([own] + (entries or []), lan.now_ms)
    slice_id = lan.nodes[target].rumours.get("slice", "edge").id
    lan.nodes[liar].send(
        lan.nodes[target].id, lan.address(target), messages.PROBE, 1, slice_id, seat, term, packed, 0, 0)


def test_hearsay_of_a_rival_moves_nobody():
    lan = closed(6, 3, seed=8)
    seats = holders(lan, "edge")
    free = [i for i in range(6) if i not in seats.values()][0]
    ghost = SeatEntry(1, 1000, Descriptor(b"g" * 16, lan.address(99)), lan.now_ms)
    probe(lan, free, seats[1], 2, 1, [ghost])
    lan.run(10000)
    assert holders(lan, "edge")[1] == seats[1]


def test_the_highest_term_of_all_breaks_nothing():
    lan = closed(5, 3, seed=9)
    victim = lan.nodes[0]
    slice = victim.slicing.slices[victim.rumours.get("slice", "edge").id]
    ghost = SeatEntry(2, TERM_MOST, Descriptor(b"g" * 16, lan.address(99)), lan.now_ms)
    for node in lan.nodes:
        node.slicing.hear_seat(node.slicing.slices[slice.manifest.id], ghost)
    # All holders leave, and the slice must begin again with that term in mind.
    for node in lan.nodes:
        node.ring.leave()
        node.slicing.slices[slice.manifest.id].seats = {}  # as if their time was over
    lan.run(15000)
    assert 0 in holders(lan, "edge")
    for node in lan.nodes:
        assert node.ring.term <= TERM_MOST
        node.slicing.tell()


def test_malformed_claims_and_grants_are_refused_whole():
    lan = closed(5, 3, seed=10)
    seats = holders(lan, "edge")
    free = [i for i in range(5) if i not in seats.values()]
    target, liar = free[0], free[1]
    node = lan.nodes[target]
    id = node.rumours.get("slice", "edge").id
    own = pack_entries([SeatEntry(1, 9, lan.descriptor(liar), lan.now_ms)], lan.now_ms)
    other = pack_entries([SeatEntry(1, 9, lan.descriptor(seats[0]), lan.now_ms)], lan.now_ms)
    bad = node.counters["messages_bad"]
    send = lan.nodes[liar].send
    for entries in (b"", other, own[:-1], own * (RING_TOLD + 1), own + b"x"):
        send(node.id, lan.address(target), messages.GRANT, 7, id, 1, 1, 99, entries)
        lan.run(50)
    assert node.counters["messages_bad"] == bad + 5 and node.ring.seat is None
    # Not of this slice's seats, and not of the manifest we know.
    send(node.id, lan.address(target), messages.GRANT, 7, id, 1, 3, 99, own)
    send(node.id, lan.address(target), messages.GRANT, 7, id, 2, 1, 99, own)
    send(node.id, lan.address(target), messages.GRANT, 7, bytes(16), 1, 1, 99, own)
    lan.run(50)
    assert node.ring.seat is None
    holder = lan.nodes[seats[1]]
    bad = holder.counters["messages_bad"]
    near = sorted(holder.ring.near)
    for seat, term, entries in ((2, 9, own), (1, 8, own), (1, 9, b""), (1, 9, other), (1, 9, own * (RING_TOLD + 1))):
        send(holder.id, lan.address(seats[1]), messages.PROBE, 1, id, seat, term, entries, 0, 0)
        lan.run(50)
    assert holder.counters["messages_bad"] == bad + 5 and holder.ring.seat == 1 and sorted(holder.ring.near) == near


def test_the_neighbours_kept_are_the_nearest_and_few():
    lan = closed(2, 1, seed=14)
    ring = lan.nodes[holders(lan, "edge")[0]].ring
    ring.manifest.fields["seats"] = 4096
    now = lan.now_ms
    entries = [SeatEntry(i * 17 % 4096, i, Descriptor(b"%16d" % i, lan.address(50)), now) for i in range(1, 60)]
    ring.merge(entries)
    near = sorted([entry.seat for entry in ring.near.values()])
    every = sorted([entry.seat for entry in entries])
    assert near == every[:NEIGHBOURS] + every[-NEIGHBOURS:]
    for i in range(1, 60):
        ring.lose(b"%16d" % i, i)
    assert not ring.near and len(ring._gone) == TOMBSTONES


def test_boxes_remembered_as_dead_are_few():
    lan = Lan(1)
    node = lan.nodes[0]
    for i in range(TOMBSTONES + 5):
        node.now_ms += 1
        node.dead(b"%16d" % i)
    assert len(node.tombstones.until) == TOMBSTONES
    assert not node.is_tombstoned(b"%16d" % 4) and node.is_tombstoned(b"%16d" % 5)
    node.now_ms += 30000
    assert not node.is_tombstoned(b"%16d" % 20)
    lan.now_ms = node.now_ms
    node.dead(b"%16d" % 99)
    lan.run(6000)
    assert list(node.tombstones.until) == [b"%16d" % 99], "a round lifts those whose time is over"
