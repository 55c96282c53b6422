"""The porter of a box behind a NAT: who passes on what others have for it (ways.py).

While it offers itself to a slice or sits in one, such a box knocks at a box that
can be reached often enough for its NAT to keep the way in open.  Its offers and seat
entries name that way.  A porter that does not answer is replaced by another one of
the view.  Only hidden boxes load this module.
"""

from .compat import const
from .descriptor import ADDRESS_MOST
from .sessions import MOVED_UNANSWERED
from .wire.messages import KNOCK

# Home routers forget a conversation after 30 s of silence; a knock may be lost.
KNOCK_MS = const(20000)
# Unanswered knocks, a busy round apart, after which another porter is looked for.
KNOCK_TRIES = const(4)
# While no slice wants us no porter is kept.
IDLE_MS = const(5000)


class Porter:
    """way: packed, as in ways.py, while a porter answers; else None."""

    def __init__(self, node):
        self._node = node
        self._box = None  # Descriptor of whom we knock at
        self._tries = 0
        self._knock_ms = 0
        self.way = None
        self.due = node.now_ms

    @property
    def id(self):
        """Identity of the box at which we knock, else None."""
        return self._box.id if self._box else None

    def tick(self, now_ms):
        """Knock when it is time; look for another porter when this one is silent."""
        node = self._node
        if not self._wanted():
            self._box = self.way = None
            self.due = now_ms + IDLE_MS
            return
        self.due = now_ms + node.config.busy_round_ms
        if self._box and self._tries >= KNOCK_TRIES:
            node.counters.bump("porters_lost")
            node.membership.drop(self._box.id)
            self._box = self.way = None
        if self._box is None:
            boxes = node.membership.some(1)
            if not boxes:
                return
            self._box, self._tries, self._knock_ms = boxes[0], 0, now_ms
        peer = node.peers.table.get(self._box.id)
        silent = peer is not None and peer.unanswered >= MOVED_UNANSWERED
        if self._tries or silent or now_ms >= self._knock_ms:
            self._tries += 1
            node.send(self._box.id, self._box.addr, KNOCK, 1)

    def _wanted(self):
        node = self._node
        if node.ring.seat is not None:
            return True
        for slice in node.slicing.slices.values():
            if node.slicing.offers(slice):
                return True
        return False

    def answered(self, peer):
        """A box that we knocked at answers."""
        if self._box is None or peer.id != self._box.id or len(peer.addr) > ADDRESS_MOST:
            return
        self._tries = 0
        self._knock_ms = self._node.now_ms + KNOCK_MS
        way = peer.addr + peer.id + self._node.id
        if way != self.way:
            self.way = way
            # Who is to grant us a seat hears of the way by gossip.
            self._node.hurry()
