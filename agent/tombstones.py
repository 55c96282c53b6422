"""Boxes found dead a short while ago, so that gossip does not bring them back."""

from .compat import const
from .limits import TOMBSTONES

# A box found dead is not taken back by hearsay for this long.
TOMBSTONE_MS = const(30000)


def drop_past(now_ms, *tables):
    """Drop of each {key: until} what is over."""
    for table in tables:
        for key in list(table):
            if table[key] <= now_ms:
                del table[key]


class Tombstones:
    """{identity: until}, at most TOMBSTONES; the first to be over makes room."""

    def __init__(self):
        self.until = {}

    def bury(self, id, now_ms):
        """A box was found dead."""
        self.until[id] = now_ms + TOMBSTONE_MS
        if len(self.until) > TOMBSTONES:
            del self.until[min(self.until, key=lambda id: self.until[id])]

    def lift(self, id):
        """A box has spoken itself."""
        self.until.pop(id, None)

    def holds(self, id, now_ms):
        """True for a box found dead a short while ago."""
        return self.until.get(id, now_ms) > now_ms

    def sweep(self, now_ms):
        """Forget the burials that are over."""
        drop_past(now_ms, self.until)
