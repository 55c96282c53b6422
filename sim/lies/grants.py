"""Grants: liars offer themselves as the freshest candidates, and grant seats that are not theirs to give.

First a ring fills while every offer that a liar passes on is of a liar; then the
liars, most of which hold no seat, grant seats of that ring to free honest boxes.
"""

from ...agent.claims import SENIOR_PROBES
from ...agent.seat import SeatEntry, pack_entries
from ...agent.wire.messages import GRANT
from .. import seats
from . import Figure
from .colluders import Colluders, descriptor, mean

NAME = "edge"
SETTLE_S, LYING_S = 60, 120
GRANT_MS = 4_000
# Who sits by a false grant leaves at the word of an honest neighbour: three cycles where all are honest,
# as many times longer as words of liars come between.
LEAVE_S = 3


def measure(lab, share, say):
    """Liars' share of a ring that fills, and what false grants do to one that stands."""
    count = max(6, lab.nodes // 5)
    liars = Colluders.of_fresh(lab, share)
    lab.operator.push_slice(NAME, count)
    liars.every(1_000, lambda box: _offer(liars, box))
    lab.until("seats are held", lambda: _filled(lab, count), 300)
    lab.go(SETTLE_S * 1000)
    held = seats.holders(lab.world, NAME)
    mine = mean(lab.world.boxes[number].liar for number in held.values()) * len(lab.world.boxes) / len(liars.boxes)
    say("grants: liars hold %.1f times their share of the seats" % mine)
    most = lab.nodes / count
    before = {seat: number for seat, number in held.items() if not lab.world.boxes[number].liar}
    lab.operator.push_slice(NAME, count)
    liars.every(GRANT_MS, lambda box: _grant(liars, box, count))
    spans, kept = _false(lab, before)
    say("grants: %.0f %% of holders sit; %d boxes sat where nobody needed them, %.1f s on average, %d s at most" % (
        100 * kept, len(spans), mean(spans), max(spans, default=0)))
    return [
        # Each sits once.
        Figure("liars' share of seats, times their share of the fleet", mine, "<= %.4g" % most),
        Figure("honest holders still in their seats after %d s of false grants, %%" % LYING_S, 100 * kept, ">= 100"),
        Figure("seconds that an honest box sits by a false grant, mean", mean(spans),
               "<= %.3g" % (LEAVE_S / (1 - share))),
        Figure("the same, the longest", max(spans, default=0), "< %d" % SENIOR_PROBES),
    ]


def _false(lab, before):
    """([seconds that honest boxes sat in seats whose holders `before` sat too], share of those who sit in the end)."""
    spans, since = [], {}
    for second in range(LYING_S):
        lab.world.run_for(1_000)
        now, sitting = seats.held(lab.world, NAME), set()
        for seat in before:
            numbers = now.get(seat, ())
            if before[seat] in numbers:
                sitting |= {(seat, number) for number in numbers if number != before[seat] and not lab.world.boxes[number].liar}
        spans += [second - since.pop(place) for place in set(since) - sitting]
        for place in sitting:
            since.setdefault(place, second)
    spans += [LYING_S - begun for begun in since.values()]
    return spans, mean(before[seat] in now.get(seat, ()) for seat in before)


def _filled(lab, count):
    held = seats.holders(lab.world, NAME)
    return "" if len(held) == count else "%d of %d" % (len(held), count)


def _offer(liars, box):
    """Who hears of candidates from a liar hears of liars, all fresh."""
    slice = box.node.slicing.by_name(NAME)
    if slice is None:
        return
    slice.offers.table.clear()
    for friend in liars.friends(4, box):
        other = next(other for other in liars.boxes if other.node.id == friend.id)
        if other.node.ring.seat is None:
            slice.offers.hear(friend, box.node.now_ms)


def _grant(liars, box, count):
    slice = box.node.slicing.by_name(NAME)
    free = [other for other in liars.honest if other.node.ring.seat is None]
    if slice is None or not free:
        return
    node, other = box.node, liars.rng.choice(free)
    seat, term = liars.rng.randrange(count), max(box.node.ring.high_term for box in liars.honest) + 2
    entries = [SeatEntry((seat - 1) % count, term, descriptor(box), node.now_ms)]
    exchange = int.from_bytes(node.rng.bytes(4), "big")
    manifest = slice.manifest
    box.tell(node.send, other.node.id, other.address, GRANT, exchange, manifest.id, manifest.seq, seat, term,
             pack_entries(entries, node.now_ms), 0)
