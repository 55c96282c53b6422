"""A holder's one move, when its slice is merged or split (reshape.py).  Loaded only then."""

from .reshape import RESHAPE_MS, point
from .seat import SeatEntry


def move(node, manifest, shift, low, high):
    """Change to seat + shift of another slice; those of seats low..high-1 move alike."""
    ring = node.ring
    kept = [entry for entry in ring.links.all() if low <= entry.seat < high]
    for entry in ring.near.values():
        point(node, entry.id, entry.box.addr, manifest)
    ring.tell_leave([entry for entry in ring.near.values() if not low <= entry.seat < high])
    before = (ring.seat, ring.manifest.name, ring.seat + shift, manifest.name)
    node.log("info", "seat %d of %s is seat %d of %s now" % before)
    ring.sit(manifest, ring.seat + shift)
    ring.moved_ms = node.now_ms
    ring.refill_ms = node.now_ms + RESHAPE_MS
    ring.merge([SeatEntry(entry.seat + shift, entry.term, entry.box, entry.heard_ms) for entry in kept])
    node.counters.bump("seats_moved")
    node.tasks.on_seat()
    node.news()
