"""Seats, silent: as seats, but liars that sit fall silent at first, as if cut off, instead of saying that they go.

A holder doubts itself when a third of its neighbours fell silent at once, and
yields then: three of eight.  Who had fewer liars near must stay.
"""

from ...agent.claims import MANY
from ...agent.limits import NEIGHBOURS
from ...agent.wire.messages import PING, PROBE
from . import Figure, seats

# The claim rests on the share: at a tenth few have three liars near, at three tenths nearly half.
SHARES = (0.1, 0.15, 0.2, 0.3)
SILENT_S = 12
NEAR = 2 * NEIGHBOURS
ENOUGH = -(-NEAR // MANY)


def measure(lab, share, say):
    """Holders who stay, of those with few liars near and of all."""
    before, now, near, _ = seats.play(lab, share, say, _silent)
    few = [seat for seat in before if near[seat] < ENOUGH]
    return [
        Figure("holders with fewer than %d liars near who sit, %%" % ENOUGH, 100 * seats.staying(before, now, few), ">= 100"),
        Figure("holders with fewer than %d liars near, %%" % ENOUGH, 100 * len(few) / len(before), None, 100 * spared(share)),
        Figure("honest holders still in their seats, %", 100 * seats.staying(before, now)),
    ]


def spared(share):
    """The chance that fewer than ENOUGH of a holder's neighbours lie, where they sit by lot (binomial)."""
    chance, out = (1 - share) ** NEAR, 0.0
    for liars in range(ENOUGH):
        out += chance
        chance *= (NEAR - liars) / (liars + 1) * share / (1 - share)
    return out


def _silent(lab, liars):
    kept = {box: {kind: box.node._handlers[kind] for kind in (PING, PROBE)} for box in liars.boxes}
    for box in liars.boxes:
        for kind in kept[box]:
            box.node._handlers[kind] = lambda peer, message: None
        box.node.ring.seat = None
        box.node.ring.links.clear()
    lab.go(SILENT_S * 1000)
    for box in liars.boxes:
        box.node._handlers.update(kept[box])
