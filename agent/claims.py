"""Claims to a seat that is held: when its holder yields, and when it stays.

Of two claims the higher term stands (seat.py), and a term costs nothing to claim.
But a seat is granted anew only when its holder's neighbours have found it dead; and
who is cut off from its neighbours finds them dead likewise, several at a time.  So a
holder that has sat for a while, and from whom no large part of its neighbourhood
fell silent at once, was replaced by nobody.  It stays, under a term above the claim's, so
that an honest rival yields.

Two rings of one slice that began apart and never were one have no such mark.  So
that they become one, a holder yields to claims that are kept up for YIELD_MS.
"""

from .compat import const
from .limits import NEIGHBOURS
from .seat import TERM_MOST

# Probes for which a new holder yields to any higher term: its grant may have been
# repeated to another box.
SENIOR_PROBES = const(30)
# Neighbours that go within so many probes went at once; a third of them are many.
AT_ONCE_PROBES = const(15)
MANY = const(3)
# How long that is remembered: a longer partition leaves seats held twice for YIELD_MS.
SHAKEN_MS = const(86400000)
# Claims are kept up if no pause is longer than this.
PAUSE_MS = const(60000)
YIELD_MS = const(3600000)


class Claims:
    """The standing of this box as a holder."""

    def __init__(self, node):
        self._node = node
        self.sat()

    def sat(self):
        """We have sat down."""
        self._sat_ms = self._node.now_ms
        self._lost = []  # when neighbours went, of late
        self._shaken_ms = self._since_ms = self._last_ms = None

    def _senior(self, since_ms):
        return self._node.now_ms - since_ms >= SENIOR_PROBES * self._node.config.probe_ms

    def shaken(self):
        """True if many neighbours went at once of late, ours or those of who granted us the seat."""
        return self._shaken_ms is not None and self._node.now_ms - self._shaken_ms < SHAKEN_MS

    def lost(self, entry, left):
        """A neighbour (SeatEntry) is silent for good; `left` of them are left.  Who says that it goes cuts nobody off."""
        # A liar can be a neighbour and gone again as often as it likes.
        if self._senior(self._sat_ms) and not self._senior(entry.since_ms):
            return
        now_ms = self._node.now_ms
        late = now_ms - AT_ONCE_PROBES * self._node.config.probe_ms
        self._lost = [ms for ms in self._lost if ms >= late][1 - 2 * NEIGHBOURS :] + [now_ms]
        if MANY * len(self._lost) >= min(2 * NEIGHBOURS, left + len(self._lost)):
            self.shake()

    def shake(self):
        """We may have been replaced, or replace somebody who is there."""
        self._shaken_ms = self._node.now_ms

    def stands(self, entry):
        """True if a neighbour (SeatEntry) of long standing keeps its seat against another's claim under a higher term."""
        if entry.misses or self.shaken() or not self._senior(entry.since_ms):
            return False
        self._node.counters.bump("claims_refused")
        return True

    def stays(self, term):
        """True if we keep our seat against a holder's claim to it, under this higher term."""
        node = self._node
        now_ms = node.now_ms
        if self.shaken() or not self._senior(self._sat_ms) or term >= TERM_MOST:
            return False
        if self._since_ms is None or now_ms - self._last_ms > PAUSE_MS:
            self._since_ms = now_ms
        self._last_ms = now_ms
        if now_ms - self._since_ms >= YIELD_MS:
            return False
        node.counters.bump("claims_refused")
        node.ring.term = node.ring.high_term = term + 1
        return True
