"""Wall time: the system's, but never below a floor that only signed words raise.

A wrong system clock leaves no trace: the floor is written to flash, rarely, and
ticks move it on.  The count of starts is written with it: our incarnation.
"""

from .compat import const
from .errors import RemoteError
from .wire import cbor
from .wire.messages import holds

SAVE_MS = const(6 * 3600 * 1000)
# After the disk has refused.
AGAIN_MS = const(60000)


class Wall:
    """node gives now_ms, store and counters; wall_s: unix seconds as the system
    has it.  incarnation: how often this box has started."""

    def __init__(self, node, wall_s):
        self._node = node
        self._system = (wall_s, node.now_ms)
        self._floor = (0, node.now_ms)
        self.incarnation = self._load()
        self.save()

    def _since(self, point):
        return point[0] + (self._node.now_ms - point[1]) // 1000

    def now_s(self):
        """Unix seconds, as far as this box knows."""
        return max(self._since(self._system), self._since(self._floor))

    def set(self, wall_s):
        """The system's clock says wall_s; it may have been set back."""
        self._system = (wall_s, self._node.now_ms)

    def raise_floor(self, wall_s):
        """A signed time stamp says that it is wall_s or later."""
        if wall_s > self._since(self._floor):
            self._floor = (wall_s, self._node.now_ms)

    def rewind(self, wall_s):
        """The root says that signed time stamps before it may have lied: it is wall_s or later."""
        self._floor = (wall_s, self._node.now_ms)
        self.save()

    def system_s(self):
        """Unix seconds by the system's clock, which no signed word moves: not even that of a thief of the operator's key."""
        return self._since(self._system)

    def _load(self):
        data = self._node.store.load_state("clock")
        if data is None:
            return 0
        try:
            row = cbor.decode(data, 2, 4)
            if not holds(("U", "u"), row):
                raise RemoteError("clock state")
            self.raise_floor(row[0])
            return row[1] + 1 & 0xFFFFFFFF
        except RemoteError:
            self._node.counters.bump("store_errors")
            return 0

    def save(self):
        """Write the floor."""
        row = cbor.encode([self._since(self._floor), self.incarnation])
        self.due = self._node.now_ms + (SAVE_MS if self._node.store.save_state("clock", row) else AGAIN_MS)

    def tick(self, now_ms):
        """Write the floor now and then."""
        self.save()
