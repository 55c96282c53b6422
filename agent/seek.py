"""Whom a download asks for the next part, and when.

Who served us last comes first, then who asked us and has what we lack; else a box of the
view, or of the wave before ours.  After some who had nothing a door is asked, which may
have the broker send it.  The more boxes in a row have nothing, the later the next one is
asked: an image that nobody has costs two small datagrams a minute.
"""

from .compat import const
from .limits import UPDATE_HINTS, UPDATE_SOURCES

# The next box is asked so soon after one that had nothing; twice as late after each
# TRIED of them in a row, up to the doublings: a minute.
PAUSE_MS = const(100)
TRIED = const(8)
PAUSE_DOUBLINGS = const(9)
# Boxes in a row with nothing after which a door is asked, and until it is asked again,
# doubling as above.
FRUITLESS = const(6)
DOOR_MS = const(1000)
DOOR_DOUBLINGS = const(5)


class Seek:
    """seeds: [(id, address)] of boxes that may have the image, besides those of the view."""

    def __init__(self, node, seeds):
        self._node = node
        self._seeds = list(seeds)
        self._hints = []  # [(id, address)] of boxes that have something for us
        self._tried = self._doors_tried = 0
        self._door_ms = node.now_ms
        self.due = node.now_ms  # when next() may be called

    def next(self, now_ms):
        """((id, address), 1 if it may ask a broker) of the next box; (None, 1) if we are the door to do so, else (None, 0)."""
        found, last = self._choose(now_ms)
        if found and (found[0] == self._node.id or self._node.chunks.shunned(found[0])):
            found, last = None, 0
        if found is None:
            self.fruitless()
        return found, last

    def _choose(self, now_ms):
        node = self._node
        if self._hints:
            return self._hints.pop(0), 0
        if self._tried >= FRUITLESS and now_ms >= self._door_ms:
            self._door_ms = now_ms + node.rng.jitter(DOOR_MS << min(self._doors_tried, DOOR_DOUBLINGS))
            self._doors_tried += 1
            if node.is_door():
                return None, 1
            doors = node.membership.door_list()
            if doors:
                door = node.rng.choice(doors)
                return (door.id, door.addr), 1
        if self._seeds and node.rng.below(2):
            return node.rng.choice(self._seeds), 0
        for box in node.membership.some(1):
            return (box.id, box.addr), 0
        return None, 0

    def fruitless(self):
        """Whoever was asked has nothing: the next one, ever later."""
        self.due = self._node.now_ms + self._node.rng.jitter(PAUSE_MS << min(self._tried // TRIED, PAUSE_DOUBLINGS))
        self._tried += 1

    def promised(self):
        """Whoever was asked has something: the next one at once."""
        self._tried = self._doors_tried = 0
        self.due = self._node.now_ms

    def served(self, source):
        """A box sent a part: it may have another."""
        self._hints = [source] + self._hints[: UPDATE_HINTS - 1]
        self.due = self._node.now_ms

    def hint(self, id, addr):
        """A box has what we lack."""
        if len(self._hints) < UPDATE_HINTS and not any(known == id for known, _ in self._hints):
            self._hints.append((id, addr))
            self.due = self._node.now_ms

    def sources(self):
        """Boxes to ask for the index: some that have it, those of the view, which wanted the same image, and then a door."""
        membership = self._node.membership
        sources = self._node.rng.sample(self._seeds, UPDATE_SOURCES // 2)
        sources += [(box.id, box.addr) for box in membership.some(UPDATE_SOURCES - len(sources))]
        doors = [(door.id, door.addr) for door in membership.door_list()]
        self._node.rng.shuffle(doors)
        return [source for source in sources if source not in doors[:1]] + doors[:1]
