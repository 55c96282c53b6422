"""Seats, silent: as seats, but liars that sit fall silent at first, as if cut off, instead of saying that they go."""

from ...agent.wire.messages import PING, PROBE
from . import seats

SILENT_S = 12


def measure(lab, share, say):
    """As seats.measure."""
    return seats.measure(lab, share, say, _silent)


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
