"""Offers: the candidates that this box has heard of for one slice.

    candidate    age in seconds 2 | descriptor 25 or 37, with a porter 41 or 53

Above the flags of a descriptor stands the number of the box's region in the slice.
"""

from .compat import const
from .descriptor import KNOWN_FLAGS, unpack_at
from .errors import RemoteError
from .limits import CANDIDATES, CANDIDATES_BYTES, CANDIDATES_TOLD, REGIONS
from .seat import rank

# How far above the flags.
_REGION = const(4)


class Offer:
    """A box that offers itself: box (Descriptor), heard_ms, rank in the slice."""

    def __init__(self, box, heard_ms, rank):
        self.box = box
        self.heard_ms = heard_ms
        self.rank = rank


class Offers:
    """At most CANDIDATES offers: the least by rank, for the election, and the freshest."""

    def __init__(self, slice_id):
        self._slice_id = slice_id
        self.table = {}  # identity: Offer

    def hear(self, box, heard_ms):
        """Take an offer (Descriptor, when it was made); False if another had to go for it."""
        known = self.table.get(box.id)
        if known:
            if heard_ms > known.heard_ms:
                known.box, known.heard_ms = box, heard_ms
            return True
        self.table[box.id] = Offer(box, heard_ms, rank(self._slice_id, box.id))
        if len(self.table) <= CANDIDATES:
            return True
        least = self.least()
        rest = [offer for offer in self.table.values() if offer.rank != least]
        # Of the same region, or few of another one would never be heard of.
        same = [offer for offer in rest if not (offer.box.flags ^ box.flags) >> _REGION]
        del self.table[min(same if len(same) > 1 else rest, key=lambda offer: offer.heard_ms).box.id]
        return False

    def drop(self, id):
        """Forget a candidate."""
        self.table.pop(id, None)

    def expire(self, limit_ms):
        """Forget those not heard of since."""
        for id in list(self.table):
            if self.table[id].heard_ms < limit_ms:
                del self.table[id]

    def least(self):
        """The least rank of all candidates, None without any."""
        return min([offer.rank for offer in self.table.values()]) if self.table else None

    def fresh(self):
        """[(number of its region, Descriptor)] of all candidates, those heard of last first."""
        found = []
        for offer in sorted(self.table.values(), key=lambda offer: -offer.heard_ms):
            box = offer.box.copy()
            box.flags &= KNOWN_FLAGS
            found.append((offer.box.flags >> _REGION, box))
        return found

    def tell(self, node, own):
        """Bytes of some offers: our own first, the least by rank, and others by lot.

        own: the number of our region, None if we do not offer ourselves.
        """
        offers = list(self.table.values())
        least = self.least()
        told = [offer for offer in offers if offer.rank == least]
        told += node.rng.sample([offer for offer in offers if offer.rank != least], CANDIDATES_TOLD - len(told))
        rows = [(offer.box, offer.heard_ms) for offer in told]
        if own is not None:
            box = node.located()
            box.flags |= own << _REGION
            rows.insert(0, (box, node.now_ms))
        out = b""
        for box, heard_ms in rows[:CANDIDATES_TOLD]:
            packed = min(65535, (node.now_ms - heard_ms + 999) // 1000).to_bytes(2, "big") + box.pack()
            if len(out) + len(packed) <= CANDIDATES_BYTES:
                out += packed
        return out


def unpack_offers(data, most, now_ms, seen):
    """List of at most `most` (Descriptor, heard_ms) that fill data; RemoteError otherwise.  seen: as for unpack_at."""
    out = []
    start = 0
    while start < len(data):
        if len(out) == most or len(data) - start < 2:
            raise RemoteError("candidates")
        age = data[start] << 8 | data[start + 1]
        box, start = unpack_at(data, start + 2, seen, KNOWN_FLAGS | (REGIONS - 1) << _REGION)
        out.append((box, now_ms - 1000 * age))
    return out
