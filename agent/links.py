"""Whom a holder remembers of its ring: the nearest on both sides, and some far away.

T-Man (Jelasity, Montresor, Babaoglu, "T-Man: gossip-based fast overlay topology
construction", 2009): a node tells its partner what is nearest to the *partner*,
and keeps what is nearest to itself.  Besides, one holder for each power of two
of distance, so that a lookup halves its way with every hop.
"""

from .compat import const
from .descriptor import ADDRESS_MOST
from .limits import LONG_LINKS, NEIGHBOURS
from .seat import CIRCLE, ahead

# Classes of distance: 2^2 to 2^14, on each side.
FIRST_CLASS = const(2)
CLASSES = LONG_LINKS // 2


def nearest(entries, seat, count):
    """Of SeatEntry, `count` next clockwise and `count` next the other way, in clockwise order."""
    order = sorted(entries, key=lambda entry: (entry.seat - seat) % CIRCLE)
    if len(order) <= 2 * count:
        return order
    return order[:count] + order[-count:]


def for_partner(entries, seat, id, most):
    """At most `most` SeatEntry of those that a holder of `seat` called `id` would keep."""
    wanted = []
    seen = set()
    for entry in entries:
        if entry.id != id and entry.id not in seen:
            seen.add(entry.id)
            wanted.append(entry)
    return nearest(wanted, seat, most // 2)


def class_of(seat, other):
    """Which long link another seat may be: an int, None if too near or too far."""
    way = ahead(seat, other)
    side = 0
    if way > CIRCLE // 2:
        way = CIRCLE - way
        side = CLASSES
    width = -1
    while way:
        way >>= 1
        width += 1
    if not FIRST_CLASS <= width < FIRST_CLASS + CLASSES:
        return None
    return width - FIRST_CLASS + side


class Links:
    """near: {identity: SeatEntry}, at most 2 * NEIGHBOURS; far: {class: SeatEntry}."""

    def __init__(self):
        self.near = {}
        self.far = {}
        self.changed_ms = 0

    def clear(self):
        """Forget all."""
        self.near = {}
        self.far = {}

    def all(self):
        """List of every SeatEntry."""
        return list(self.near.values()) + list(self.far.values())

    def straight(self):
        """List of the near SeatEntry that need no porter: those carry no blobs."""
        return [entry for entry in self.near.values() if len(entry.box.addr) <= ADDRESS_MOST]

    def keep(self, entry, seat, stale_ms):
        """Make a SeatEntry that is not near a long link, if its place is free or stale."""
        place = class_of(seat, entry.seat)
        if place is None or entry.heard_ms < stale_ms:
            return
        known = self.far.get(place)
        if known is None or known.heard_ms < stale_ms or known.id == entry.id and known.heard_ms <= entry.heard_ms:
            self.far[place] = entry

    def trim(self, seat, stale_ms):
        """Keep the nearest near; what falls out may be a long link."""
        if len(self.near) <= 2 * NEIGHBOURS:
            return
        kept = {}
        for entry in nearest(list(self.near.values()), seat, NEIGHBOURS):
            kept[entry.id] = entry
        for entry in self.near.values():
            if entry.id not in kept:
                self.keep(entry, seat, stale_ms)
        self.near = kept

    def drop_far(self, id):
        """Forget a box as a long link."""
        for place in list(self.far):
            if self.far[place].id == id:
                del self.far[place]
