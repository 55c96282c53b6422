"""Seats: liars claim the seats of honest holders, under a higher term, again and again.

Each liar really sits down where it says, answers as a holder does, and goes on to
the next seat after a while.  It tells the holder and all around of its claim.
"""

from ...agent.descriptor import Descriptor
from ...agent.seat import SeatEntry
from ...agent.wire.messages import PING
from .. import seats
from . import Figure
from .colluders import Colluders, mean

NAME = "edge"
SETTLE_S, LYING_S = 60, 180
CLAIM_MS = 5_000


def leave(lab, liars):
    """Who sits already goes, all at once: holders that lose many neighbours are easier to talk out."""
    for box in liars.boxes:
        box.tell(box.node.ring.leave)


def measure(lab, share, say, going=leave):
    """Honest holders and seats that stay, while liars claim them."""
    before, now, _, held = play(lab, share, say, going)
    return [
        Figure("honest holders still in their seats after %d s, %%" % LYING_S, 100 * staying(before, now), ">= 100"),
        # What liars held may be theirs.
        Figure("seats with an honest holder, %% of those that had one, mean of %d s" % LYING_S, 100 * held, ">= 100"),
    ]


def staying(before, now, seats=None):
    """The share of holders, of all or of some seats, who sit where they sat; 1 of none."""
    seats = before if seats is None else seats
    return sum(now.get(seat) == before[seat] for seat in seats) / len(seats) if seats else 1.0


def play(lab, share, say, going):
    """({seat: honest holder} before the claims, and after them; {seat: liars among its holder's neighbours}
    before; honest seats in their mean, of as many as were before).

    going(lab, liars): how liars give up the seats that they hold.
    """
    count = max(6, lab.nodes // 3)
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=1, contacts=4, spread_ms=3_000)
    lab.go(5_000)
    lab.operator.push_slice(NAME, count)
    lab.until("ring closed", lab.ring(NAME, count), 300)
    lab.go(SETTLE_S * 1000)
    liars = Colluders(lab, share)
    before = _honest(lab)
    near = {seat: len(liars.ids & set(lab.world.boxes[number].node.ring.near)) for seat, number in before.items()}
    going(lab, liars)
    liars.every(CLAIM_MS, lambda box: _claim(lab, liars, box))
    held = []
    for second in range(LYING_S):
        lab.world.run_for(1_000)
        now = _honest(lab)
        held.append(len(now) / len(before))
        if second % 60 == 59:
            say("seats: %d s of claims: %.0f %% of the holders sit, %.0f %% as many seats are honest as were" % (
                second + 1, 100 * staying(before, now), 100 * held[-1]))
    return before, now, near, mean(held)


def _honest(lab):
    """{seat: number of the honest box in it}."""
    held = seats.held(lab.world, NAME)
    found = {}
    for seat, numbers in held.items():
        honest = [number for number in numbers if not lab.world.boxes[number].liar]
        if honest:
            found[seat] = honest[-1]
    return found


def _claim(lab, liars, box):
    victims = _honest(lab)
    if not victims:
        return
    seat = liars.rng.choice(sorted(victims))
    victim = lab.world.boxes[victims[seat]].node
    slice = box.node.slicing.by_name(NAME)
    if slice is None:
        return
    around = victim.ring.successors()
    entries = [SeatEntry(entry.seat, entry.term, entry.box.copy(), box.node.now_ms) for entry in around]
    box.tell(_sit, box.node, slice.manifest, seat, victim.ring.term + 1, entries, Descriptor(victim.id, victim.address))


def _sit(node, manifest, seat, term, entries, victim):
    node.ring.take(manifest, seat, term, entries)
    for other in [victim] + [entry.box for entry in entries]:
        exchange = int.from_bytes(node.rng.bytes(4), "big")
        node.send(other.id, other.addr, PING, exchange, manifest.id, seat, term)
