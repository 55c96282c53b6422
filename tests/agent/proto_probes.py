"""Who has died, who is only suspected, and who begins when nobody is left."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.errors import RemoteError
from backfence.agent.probes import DEAD_MISSES
from backfence.agent.seat import HEARSAY, SILENT_PROBES, SeatEntry
from backfence.agent.wire import messages
from lan import Lan
from proto_node import holders
from proto_ring import closed, slice_


def test_a_suspicion_and_a_sign_of_life_count_from_neighbours_only():
    lan = closed(6, 4, seed=24)
    lan.run(3000)
    seats = holders(lan, "edge")
    holder = lan.nodes[seats[0]]
    suspect = lan.nodes[seats[1]]
    stranger = [i for i in range(6) if i not in seats.values()][0]
    id = lan.nodes[0].rumours.get("slice", "edge").id
    entry = holder.ring.near[suspect.id]
    probes = holder.ring.probes

    def suspected(number, ago_ms):
        entry.heard_ms, entry.misses = holder.now_ms - ago_ms, 0
        probes.on_suspect(lan.descriptor(number), [messages.SUSPECT, id, suspect.id])
        return entry.misses

    assert suspected(stranger, 5000) == 0 and suspected(seats[2], 500) == 0 and suspected(seats[2], 5000) == 2
    entry.misses, entry.heard_ms = 3, holder.now_ms - 9000

    def lives(number, packed):
        try:
            probes.on_lives(holder.peers.table[lan.nodes[number].id], [messages.LIVES, id, packed])
        except RemoteError:
            return "refused"
        return entry.misses

    now = holder.now_ms
    said = SeatEntry(entry.seat, entry.term, entry.box, now)
    old = SeatEntry(entry.seat, entry.term, entry.box, now - 6000)
    assert lives(stranger, said.pack(now)) == 3 == lives(seats[2], old.pack(now)) == lives(seats[2], b"")
    assert lives(seats[2], said.pack(now) * 2) == "refused" and entry.misses == 3
    assert lives(seats[2], said.pack(now)) == 2


def vouched_for(silent):
    lan = closed(6, 4, seed=24)
    lan.run(3000)
    seats = holders(lan, "edge")
    holder, dead = lan.nodes[seats[0]], lan.nodes[seats[1]]
    ring, missed, box, term = holder.ring, 0, lan.descriptor(seats[1]), dead.ring.term
    ring.near[dead.id].silent = silent
    while dead.id in ring.near and missed < 2 * SILENT_PROBES:
        # Hearsay at every miss, under ever higher terms and now and then of another seat.
        ring.probes._missed(dead.id)
        missed += 1
        term += 1
        ring.merge([SeatEntry(1 if missed % 7 else 5, term, box, holder.now_ms + missed)])
    assert SILENT_PROBES - silent < missed <= SILENT_PROBES - silent + DEAD_MISSES
    holder.tombstones.until.clear()
    ring.merge([SeatEntry(1, term + 1, box, holder.now_ms)])
    assert dead.id not in ring.near
    ring.hear_direct(holder.peers.table[dead.id], 1, term + 1)
    assert ring.near[dead.id].silent == 0


def test_vouching_keeps_the_dead_no_longer_than_a_minute_and_they_come_back_by_their_own_word_alone():
    vouched_for(0)


def test_who_is_new_in_the_ring_does_not_believe_in_the_dead_for_as_long_again():
    assert SeatEntry(0, 0, None, 0).silent == HEARSAY
    vouched_for(HEARSAY)


def test_a_word_of_its_own_begins_the_minute_anew():
    lan = closed(6, 4, seed=24)
    lan.run(3000)
    seats = holders(lan, "edge")
    holder, other = lan.nodes[seats[0]], lan.nodes[seats[1]]
    ring, entry = holder.ring, holder.ring.near[other.id]
    for missed in range(3 * SILENT_PROBES):
        ring.probes._missed(other.id)
        ring.merge([SeatEntry(1, entry.term, entry.box, holder.now_ms + missed)])
        if missed % (SILENT_PROBES - 1) == 0:
            ring.hear_direct(holder.peers.table[other.id], 1, entry.term)
    assert ring.near[other.id] is entry


def test_who_answers_nonsense_has_not_answered():
    lan = closed(5, 4, seed=25)
    lan.run(3000)
    seats = holders(lan, "edge")
    holder, other = lan.nodes[seats[0]], lan.nodes[seats[1]]
    ring, slice_id = holder.ring, holder.ring.slice_id
    near = ring.near[other.id]
    peer = holder.peers.table[other.id]
    own = SeatEntry(near.seat, near.term, near.box, holder.now_ms).pack(holder.now_ms)
    far = (1 << 32) - 1
    cases = [
        (ring.probes.on_ack, [messages.ACK, 7, slice_id, near.seat, near.term, packed, 0, 0])
        for packed in (b"", b"x", own[:-1], own + b"x", own.replace(other.id, b"x" * 16))
    ]
    cases.append((ring.probes.on_ack, [messages.ACK, 7, slice_id, near.seat, far, own[:2] + far.to_bytes(4, "big") + own[6:], 0, 0]))
    cases.append((ring.probes.on_pong, [messages.PONG, 7, slice_id, near.seat, far]))
    cases.append((ring.probes.on_pong, [messages.PONG, 7, slice_id, 1 << 20, near.term]))
    for handler, message in cases:
        ring.probes._asked = {7: other.id}
        near.misses = 2
        try:
            handler(peer, message)
            assert False, message
        except RemoteError:
            pass
        assert ring.probes._asked == {7: other.id} and near.misses == 2 and ring.high_term < far
    ring.probes.on_ack(peer, [messages.ACK, 7, slice_id, near.seat, near.term, own, 0, 0])
    assert not ring.probes._asked and near.misses == 0


def test_a_slice_whose_holders_all_died_begins_anew():
    lan = Lan(1, round_ms=60000)
    lan.push(0, slice_(3))
    lan.run(100)
    node = lan.nodes[0]
    slice = node.slicing.by_name("edge")
    ghost = SeatEntry(0, 7, Descriptor(b"g" * 16, lan.address(99)), node.now_ms)
    node.slicing.hear_seat(slice, ghost)
    # The seat heard of is kept for 20 slow rounds; who is to begin looks for the ring sooner.
    node.now_ms = lan.now_ms = lan.now_ms + 310000
    lan.run(1000)
    assert node.lookup.asking and 0 in slice.seats and node.ring.seat is None
    lan.run(12000)
    assert not slice.seats
    node.slicing.hear_seat(slice, ghost)
    assert not slice.seats  # what is known to be over is not believed again
    lan.run_until(lambda: node.ring.seat == 0, 60000)
