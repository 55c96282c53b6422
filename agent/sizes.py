"""Sizes of slices: exact by manifest, or a share of the fleet as it grows and shrinks.

The holder of seat 0 reckons the size of a slice with a share from the counted
size of the fleet, and changes it only when it is off by a twentieth.  The size
travels with the slice's gossip and probes under a version, the unix time of the
decision, and the highest version holds.  What claims to come from the future,
or is twice or half of what this box would reckon, is not believed.
"""

from .compat import const
from .limits import SEATS

# A decision may be dated so far ahead of our own clock, seconds.
FUTURE_S = const(3600)
# The size is left alone while it is off by less than one part in this many.
HYSTERESIS = const(20)
# How far another's size may be from what we would reckon.
PLAUSIBLE = const(2)


class Sizes:
    """The sizes of the slices that this box has heard of."""

    def __init__(self, node, slicing):
        self._node = node
        self._slicing = slicing

    def size(self, slice):
        """Seats that a Slice (or None) has now; a share not yet reckoned is 1."""
        if slice is None:
            return 1
        fields = slice.manifest.fields
        return fields["seats"] if "seats" in fields else slice.size

    def most(self, slice):
        """Seats that a Slice may have: a share's size may change any time."""
        return slice.manifest.fields.get("seats", SEATS)

    def _reckon(self, slice):
        """Seats that the counted fleet gives a Slice with a share; None while it is not counted."""
        fleet = self._node.aggregate.size()
        if fleet is None:
            return None
        return max(1, min(SEATS, (int(fleet) * slice.manifest.fields["share"] + 500) // 1000))

    def told(self, slice):
        """(version, size) to tell of a Slice, (0, 0) if there is nothing to tell."""
        if slice is None or "share" not in slice.manifest.fields or not slice.version:
            return 0, 0
        return slice.version, slice.size

    def hear(self, slice, version, size):
        """Take what another says, if it is newer and may be true."""
        if slice is None or "share" not in slice.manifest.fields or version <= slice.version:
            return
        reckoned = self._reckon(slice)
        odd = reckoned is not None and not reckoned <= PLAUSIBLE * size <= PLAUSIBLE * PLAUSIBLE * reckoned
        if odd or not 1 <= size <= SEATS or version > self._node.wall_s() + FUTURE_S:
            self._node.counters.bump("sizes_refused")
            return
        self._set(slice, version, size)

    def decide(self, slice):
        """Reckon the size anew, if it is ours to do so."""
        ring = self._node.ring
        if "share" not in slice.manifest.fields or ring.slice_id != slice.manifest.id or ring.seat != 0:
            return
        size = self._reckon(slice)
        if size is None or slice.version and abs(size - slice.size) * HYSTERESIS < slice.size:
            return
        if size != slice.size or not slice.version:
            self._set(slice, max(slice.version + 1, self._node.wall_s()), size)

    def _set(self, slice, version, size):
        slice.version = version
        if size != slice.size:
            slice.size = size
            if self._node.ring.slice_id == slice.manifest.id:
                self._node.news()
                self._node.tasks.on_seat()
