"""Merging and splitting: holders move to seats of another slice, once.

A manifest that absorbs another slice makes its holders holders of the new one,
at first + seat; a manifest split off one makes the holders from a seat on its
own.  Each holder works that out alone, from the manifest; it keeps its term,
its neighbours that move alike, and what it runs.  Nobody is granted a seat in a
range that others are moving to or from until a grace is over.
"""

from .compat import const
from .limits import SEATS
from .wire.messages import HAVE

# What is being merged or split settles in this time, before vacancies are filled.
RESHAPE_MS = const(20000)


def follow(node, manifest):
    """Move, if a manifest merges our slice into its own or splits us off ours; True if it does."""
    ring = node.ring
    if ring.seat is None or manifest.id == ring.manifest.id or manifest.end:
        return False
    name = ring.manifest.name
    fields = manifest.fields
    for row in fields.get("absorbs", ()):
        if row[0] == name and node.slicing.absorber(name):
            if ring.seat < row[2]:
                _move(node, manifest, row[1], 0, row[2])
            else:
                ring.leave()
            return True
    row = fields.get("from")
    if row and row[0] == name and 0 <= ring.seat - row[1] < fields.get("seats", SEATS):
        _move(node, manifest, -row[1], row[1], row[1] + fields.get("seats", SEATS))
        return True
    return False


def _move(node, manifest, shift, low, high):
    from .move import move  # it happens rarely

    move(node, manifest, shift, low, high)


def held(slicing, slice, now_ms):
    """[(low, high)]: seats of a Slice that others are moving to or from just now."""
    out = []
    recent = now_ms - RESHAPE_MS
    if slice.changed_ms > recent:
        for row in slice.manifest.fields.get("absorbs", ()):
            out.append((row[1], row[1] + row[2]))
    for other in slicing.slices.values():
        row = other.manifest.fields.get("from")
        if row and row[0] == slice.manifest.name and other.changed_ms > recent:
            out.append((row[1], SEATS))
    return out


def point(node, id, addr, manifest):
    """Tell a box of a manifest that concerns it now: it asks for it at once."""
    node.send(id, addr, HAVE, [[manifest.id, manifest.seq, manifest.digest, manifest.size]])


def redirect(node, peer, slice_id):
    """A box takes us for a holder of a slice that we have left by a move; True if it will move too."""
    ring = node.ring
    slice = node.slicing.slices.get(slice_id)
    if ring.seat is None or slice is None:
        return False
    name = slice.manifest.name
    fields = ring.manifest.fields
    if name in [row[0] for row in fields.get("absorbs", ())]:
        point(node, peer.id, peer.addr, ring.manifest)
        return True
    if name == fields.get("from", [None])[0]:
        point(node, peer.id, peer.addr, ring.manifest)
    return False
