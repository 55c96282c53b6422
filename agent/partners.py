"""Boxes greeted before, to be asked again in turn: a greeting costs more than a swap."""

from .compat import const
from .limits import PARTNERS

# Times that a box once greeted is asked again, on average: drawn from 1 to
# 2 * REUSES - 1, so that all do not leave, and others are not greeted, at once.
REUSES = const(3)


class Partners:
    """A queue of Descriptors with the times that each may still be asked."""

    def __init__(self, rng):
        self._rng = rng
        self._rows = []  # (Descriptor, uses left), the next first

    def __len__(self):
        return len(self._rows)

    def __contains__(self, id):
        for partner, _ in self._rows:
            if partner.id == id:
                return True
        return False

    def full(self):
        """True if there are enough to take turns."""
        return len(self._rows) >= PARTNERS

    def keep(self, descriptor):
        """A box answered after it was greeted; the first in the queue makes room."""
        if descriptor.id not in self:
            self._rows.append((descriptor, 1 + self._rng.below(2 * REUSES - 1)))
            if len(self._rows) > PARTNERS:
                self._rows.pop(0)

    def next(self):
        """The Descriptor whose turn it is, else None."""
        if not self._rows:
            return None
        partner, uses = self._rows.pop(0)
        if uses > 1:
            self._rows.append((partner, uses - 1))
        return partner

    def drop(self, id):
        """Forget a box that does not answer."""
        self._rows = [row for row in self._rows if row[0].id != id]
