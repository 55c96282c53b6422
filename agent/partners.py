"""Partners: a random sample of all boxes that ever were named to us, which are asked in turn.

Each place keeps, of the boxes that were named and have answered, the one whose keyed
hash is least: Brahms's sampler (Bortnikov, Gurevich, Keidar, Kliot, Shraer, 2009).  The
key is secret, and another one once the box in that place is gone.  So who is named a
thousand times has no more of them than who is named once: liars get their share of the
boxes there are, however they fill views.  Names of boxes that do not exist get nothing,
for they do not answer.  Besides, a greeting costs more than a swap, and partners have
been greeted.
"""

from array import array

from .compat import const
from .descriptor import REACHABLE
from .limits import PARTNERS
from .question import PARTNER, TRIAL
from .wire.hashes import sha256

# Rounds between two trials of a box that was named and belongs in a place.
TRIAL_ROUNDS = const(2)
# Different boxes among the partners from which on they are relied on.
ENOUGH = const(8)
_LAST = const(65535)


class Partners:
    """PARTNERS places of the sample, and whose turn it is."""

    def __init__(self, rng):
        self._rng = rng
        self._secret = rng.bytes(8)
        self._places = [None] * PARTNERS  # Descriptors that have answered
        self._ranks = array("H", [_LAST] * PARTNERS)
        self._masks = array("H", [0] * PARTNERS)
        self._turn = self._rounds = 0
        self._trial = None  # of those named since the last trial, the one of least rank
        self._trial_rank = _LAST

    def __len__(self):
        return len({box.id for box in self._places if box})

    def __contains__(self, id):
        for box in self._places:
            if box and box.id == id:
                return True
        return False

    def enough(self):
        """True if they are many enough to be a sample, and not the first few boxes met."""
        return len(self) >= ENOUGH

    def ready(self):
        """True if there is somebody to ask: enough partners, or one to be tried."""
        return self._trial is not None or self.enough()

    def hear(self, box):
        """A box was named to us (Descriptor): it may be the next one tried."""
        if box.flags & REACHABLE:
            rank = self._rank(box, False)
            if rank < self._trial_rank:
                self._trial, self._trial_rank = box.copy(), rank

    def keep(self, box):
        """A box answered (Descriptor): it takes the places in which it comes first."""
        self._rank(box, True)

    def _rank(self, box, takes):
        """The least rank with which a box comes first in a place, else _LAST."""
        digest = sha256(self._secret, box.id)
        least = _LAST
        for i in range(PARTNERS):
            rank = (digest[2 * i] << 8 | digest[2 * i + 1]) ^ self._masks[i]
            if rank < self._ranks[i]:
                least = min(least, rank)
            if takes and rank <= self._ranks[i]:  # the same box again: its address may be another
                self._places[i], self._ranks[i] = box, rank
        return least

    def whom(self):
        """(Descriptor to be asked in this round, how): one to be tried, else the partner whose turn it is; None without any."""
        self._rounds += 1
        trial = None
        if self._rounds % TRIAL_ROUNDS == 0 or not self.enough():
            trial, self._trial, self._trial_rank = self._trial, None, _LAST
        return (trial, TRIAL) if trial else (self.next(), PARTNER)

    def next(self):
        """The Descriptor whose turn it is, else None."""
        for _ in range(PARTNERS):
            self._turn = (self._turn + 1) % PARTNERS
            if self._places[self._turn]:
                return self._places[self._turn]
        return None

    def some(self, count):
        """Up to `count` Descriptors by lot."""
        return self._rng.sample([box for box in self._places if box], count)

    def drop(self, id):
        """Forget a box that does not answer."""
        if self._trial and self._trial.id == id:
            self._trial, self._trial_rank = None, _LAST
        for i in range(PARTNERS):
            box = self._places[i]
            if box and box.id == id:
                self._places[i], self._ranks[i] = None, _LAST
                self._masks[i] = int.from_bytes(self._rng.bytes(2), "big")
