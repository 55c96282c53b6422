"""What others say about seats: hearsay, forged claims, and how much is remembered."""

from backfence.agent.claims import AT_ONCE_PROBES, PAUSE_MS, SENIOR_PROBES, SHAKEN_MS, YIELD_MS, Claims
from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.descriptor import Descriptor
from backfence.agent.limits import NEIGHBOURS, RING_TOLD, TOMBSTONES
from backfence.agent.seat import TERM_MOST, SeatEntry, pack_entries
from backfence.agent.wire import messages
from lan import Lan
from proto_node import holders, ring_closed
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
        send(node.id, lan.address(target), messages.GRANT, 7, id, 1, 1, 99, entries, 0)
        lan.run(50)
    send(node.id, lan.address(target), messages.GRANT, 7, id, 1, 1, 99, own, 2)
    lan.run(50)
    assert node.counters["messages_bad"] == bad + 6 and node.ring.seat is None
    # Not of this slice's seats, and not of the manifest we know.
    send(node.id, lan.address(target), messages.GRANT, 7, id, 1, 3, 99, own, 0)
    send(node.id, lan.address(target), messages.GRANT, 7, id, 2, 1, 99, own, 0)
    send(node.id, lan.address(target), messages.GRANT, 7, bytes(16), 1, 1, 99, own, 0)
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


def test_a_holder_of_long_standing_stays_and_its_neighbours_believe_it():
    lan = closed(6, 3, seed=8)
    seats = holders(lan, "edge")
    node, near = lan.nodes[seats[1]], lan.nodes[seats[0]]
    lan.run((SENIOR_PROBES + 4) * node.config.probe_ms)
    free = [i for i in range(6) if i not in seats.values()][0]
    term = node.ring.term
    probe(lan, free, seats[1], 1, term + 5)
    probe(lan, free, seats[0], 1, term + 5)
    lan.run(100)
    # Its term is above the claim's: an honest rival that hears it yields.
    assert holders(lan, "edge") == seats and node.ring.term == term + 6
    assert node.id in near.ring.near and lan.nodes[free].id not in near.ring.near
    assert node.counters["claims_refused"] == 1 == near.counters["claims_refused"]
    # Who has just sat down may have been granted what another was granted too.
    node.ring.claims.sat()
    probe(lan, free, seats[1], 1, term + 9)
    lan.run(100)
    assert node.ring.seat is None and node.counters["seats_lost"] == 1


def test_neighbours_that_say_that_they_go_make_no_holder_yield_and_silent_ones_do():
    for word in (True, False):
        lan = closed(6, 3, seed=8)
        seats = holders(lan, "edge")
        node = lan.nodes[seats[1]]
        lan.run((SENIOR_PROBES + 4) * node.config.probe_ms)
        for i in (seats[0], seats[2]):
            if word:
                lan.nodes[i].ring.leave()
            else:
                node.dead(lan.nodes[i].id)
        lan.run(200)
        assert node.ring.claims.stays(node.ring.term + 5) is word


class Holder:
    """As much of a node as Claims asks."""

    def __init__(self):
        self.now_ms = 0
        self.config = Config()
        self.counters = Counters()
        self.ring = self
        self.claims = Claims(self)
        self.now_ms = SENIOR_PROBES * self.config.probe_ms

    def lose(self, count, left):
        """So many neighbours of long standing go at once."""
        for i in range(count):
            self.claims.lost(SeatEntry(i, 1, None, 0), left + count - 1 - i)


def test_who_lost_a_third_of_its_neighbours_at_once_yields_for_a_day():
    for count, left, shaken in ((2, 6, False), (3, 5, True), (1, 3, False), (2, 2, True), (1, 1, True)):
        holder = Holder()
        holder.lose(count, left)
        assert holder.claims.stays(5) is not shaken and holder.claims.stands(SeatEntry(1, 1, None, 0)) is not shaken
        holder.now_ms += SHAKEN_MS
        assert holder.claims.stays(7)
    holder = Holder()
    for i in range(50):
        holder.lose(1, 8)
        holder.now_ms += AT_ONCE_PROBES * holder.config.probe_ms // 2 + 1
    # Never more than two at once; and of many at once few are remembered.
    assert holder.claims.stays(9)
    holder.lose(50, 8)
    assert len(holder.claims._lost) == 2 * NEIGHBOURS and not holder.claims.stays(11)


def test_newcomers_count_for_nothing_and_claims_that_are_kept_up_win_in_the_end():
    holder = Holder()
    young = SeatEntry(1, 1, None, 0)
    young.since_ms = holder.now_ms
    for _ in range(8):
        holder.claims.lost(young, 0)
    assert not holder.claims.stands(young) and holder.claims.stays(5)
    # While we are new ourselves all are.
    fresh = Holder()
    fresh.claims.sat()
    fresh.claims.lost(young, 0)
    fresh.now_ms += SENIOR_PROBES * fresh.config.probe_ms
    assert not fresh.claims.stays(5)
    begun = holder.now_ms
    while holder.claims.stays(6):
        holder.now_ms += PAUSE_MS
    assert holder.now_ms - begun == YIELD_MS
    holder.now_ms += PAUSE_MS + 1
    assert holder.claims.stays(TERM_MOST - 1) and not holder.claims.stays(TERM_MOST)


def test_who_was_granted_a_seat_by_one_that_was_cut_off_yields():
    for shaken in (False, True):
        lan = closed(6, 2, seed=9)
        seats = holders(lan, "edge")
        granter = lan.nodes[seats[1]]  # after whom the new seats lie
        if shaken:
            granter.ring.claims.shake()
        lan.push(0, {"kind": "slice", "name": "edge", "seats": 4, "seq": 2})
        lan.run_until(lambda: ring_closed(lan, "edge", 4), 40000)
        lan.run((SENIOR_PROBES + 4) * granter.config.probe_ms)
        given = [i for i in holders(lan, "edge").values() if i not in seats.values()]
        assert any([lan.nodes[i].ring.claims.shaken() for i in given]) is shaken
        for i in given:
            claims = lan.nodes[i].ring.claims
            assert claims.stays(lan.nodes[i].ring.term + 5) is not claims.shaken()
