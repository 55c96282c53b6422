"""An image on its way into a slot: from peers, part by part, checked whole.

The index blob names the parts; each part is a blob, fetched as blobs are (chunks.py)
and written at its place in the slot's file.  Parts come in random order, so that
boxes that begin together have something for each other.  At the end the file is
brought to the medium, read back, and its SHA-256 compared with the signed one.

Nothing here touches the record of the slots: until update.py writes it, the slot's
content means nothing, whatever happens on the way.
"""

from .compat import const
from .limits import UPDATE_FETCHES, UPDATE_SOURCES
from .slots import BROKEN, DISK, NAMES, READ_BYTES, Reading
from .wire.suit import PART_BYTES

# What no source had is asked for again: after so long, doubling, half of it random.
AGAIN_MS = const(2000)
AGAIN_DOUBLINGS = const(7)
# Nothing is due; what comes makes it sooner.
LOOK_MS = const(300000)
# A queue of work without a place is looked at again this much later.
BUSY_MS = const(500)

# Where a download stands.
CHECKING = "checking"  # what the slot holds already
INDEX = "index"
PARTS = "parts"
READING = "reading back"
OVER = "over"

_TODO, _COMING, _WRITTEN = 0, 1, 2


class _Copy:
    """A blob's way from the store into the slot, a few ms at a time."""

    def __init__(self, store, digest, name, offset):
        self.digest = digest
        self._store = store
        self._name = name
        self._offset = offset
        self._done = 0
        self.lost = False  # the store has it no more
        self.refused = None  # the OSError of the disk

    def step(self):
        """One piece; True when done."""
        data = self._store.read(self.digest, self._done, READ_BYTES)
        if not data:
            self.lost = data is None
            return True
        try:
            self._store.disk.write_at(self._name, self._offset + self._done, data)
        except OSError as problem:
            self.refused = problem
            return True
        self._store.counters.bump("slot_bytes", len(data))
        self._done += len(data)
        return len(data) < READ_BYTES


class Download:
    """One image for one slot.

    row: the slots.Row that the slot is to hold; index: SHA-256 of the blob with the
    parts' hashes; done(why, text) is called once at the end: why is None if the slot
    holds the image, durably, else DISK or BROKEN, and text says what is wrong.
    wake(at_ms) is called when tick() wants to be called earlier than was said.  seeds:
    [(id, address)] of boxes that may have the image, besides those of the view.
    """

    def __init__(self, node, slot, row, index, done, wake, seeds=()):
        self._node = node
        self._seeds = list(seeds)
        self._slot = slot
        self._name = NAMES[slot]
        self._row = row
        self._index = index
        self._done = done
        self._wake = wake
        self._parts = bytearray((row.size + PART_BYTES - 1) // PART_BYTES)
        self._pinned = False
        self._failures = 0
        self._again_ms = 0
        self.state = CHECKING
        self.due = node.now_ms
        self._began = False

    def progress(self):
        """(parts written, parts)."""
        return sum(1 for part in self._parts if part == _WRITTEN), len(self._parts)

    def tick(self, now_ms):
        """Go on: fetch what is missing, write what is there."""
        self.due = now_ms + LOOK_MS
        if self.state == CHECKING and not self._began:
            # A power cut after the last write leaves an image that only the record lacks.
            self._began = self._work(Reading(self._node.store.disk, self._slot, self._row), self._checked)
        elif self.state == INDEX and now_ms >= self._again_ms:
            self._want_index()
        elif self.state == PARTS:
            self._want_parts(now_ms)
        elif self.state == READING and not self._began:
            self._read_back()

    def cancel(self):
        """Give up; done() is not called.  Fetches go on and are of no use here."""
        self._end()

    def _at(self, at_ms):
        if at_ms < self.due:
            self.due = at_ms
            self._wake(at_ms)

    # -- the steps, one after the other

    def _work(self, computation, done):
        if self._node.work.add(computation, done):
            return True
        self._at(self._node.now_ms + BUSY_MS)
        return False

    def _checked(self, reading, error):
        if self.state != CHECKING:
            return
        if reading.whole and self._synced():
            self._finish(None, "")
        elif self.state == CHECKING:
            self._to(INDEX)

    def _to(self, state):
        self.state = state
        self._began = False
        self._at(self._node.now_ms)

    def _want_index(self):
        store = self._node.store
        size = store.size(self._index)
        if size < 0:
            self._fetch(self._index)
        elif size != 32 * len(self._parts):
            self._finish(BROKEN, "its index has %d bytes for %d parts" % (size, len(self._parts)))
        elif self._emptied():
            store.pin(self._index)
            self._pinned = True
            self._to(PARTS)

    def _emptied(self):
        """True when nothing of an older, maybe longer image is in the slot; ends the download otherwise."""
        if not any(self._parts):
            try:
                self._node.store.disk.remove(self._name)
            except OSError as problem:
                self._finish(DISK, "the disk refused the slot: error %s" % problem.errno)
                return False
        return True

    def _want_parts(self, now_ms):
        coming = sum(1 for part in self._parts if part == _COMING)
        todo = [number for number in range(len(self._parts)) if self._parts[number] == _TODO]
        if not todo and not coming:
            self._to(READING)
            return
        self._node.rng.shuffle(todo)
        for number in todo:
            if coming >= UPDATE_FETCHES or self.state != PARTS:
                return
            digest = self._node.store.read(self._index, 32 * number, 32)
            if digest is None or len(digest) != 32:  # the store's disk failed
                self._unpin()
                self._to(INDEX)
                return
            if self._node.store.has(digest):
                if not self._copy(number, digest):
                    return
            elif now_ms < self._again_ms:
                self._at(self._again_ms)
                continue
            elif self._node.chunks.wants(digest):  # for another part that is the same
                self._at(now_ms + AGAIN_MS)
                continue
            elif not self._fetch(digest, number):
                return
            coming += 1

    def _copy(self, number, digest):
        """Queue the writing of a part that is in the store."""
        store = self._node.store
        size = store.size(digest)
        if size != min(PART_BYTES, self._row.size - number * PART_BYTES):
            self._finish(BROKEN, "its part %d has %d bytes" % (number, size))
            return False

        def done(copy, error):
            store.unpin(digest)
            if self.state != PARTS:
                return
            if copy.refused:
                self._finish(DISK, "the disk refused the slot: error %s" % copy.refused.errno)
                return
            self._parts[number] = _TODO if copy.lost or error else _WRITTEN
            self._at(self._node.now_ms + (BUSY_MS if error else 0))

        store.pin(digest)
        if not self._work(_Copy(store, digest, self._name, number * PART_BYTES), done):
            store.unpin(digest)
            return False
        self._parts[number] = _COMING
        return True

    def _read_back(self):
        if self._synced():
            self._began = self._work(Reading(self._node.store.disk, self._slot, self._row), self._read)

    def _read(self, reading, error):
        if self.state == READING:
            if error:  # memory ran out: nothing is known of the image
                self._began = False
                self._at(self._node.now_ms + AGAIN_MS)
            elif reading.whole:
                self._finish(None, "")
            else:
                self._finish(BROKEN, "the image is not what was signed")

    def _synced(self):
        """True when the slot is on the medium; ends the download otherwise."""
        try:
            self._node.store.disk.sync(self._name)
            return True
        except OSError as problem:
            self._finish(DISK, "the disk refused the slot: error %s" % problem.errno)
            return False

    # -- fetching

    def _fetch(self, digest, number=None):
        """Ask for a blob; False, and later again, if nobody can be asked now."""
        node = self._node
        if node.door and node.door.want(digest):
            # What the broker sends is in the store one day, without a word.
            self._at(node.now_ms + AGAIN_MS)
            return True

        def done(digest, whole):
            if self.state not in (INDEX, PARTS):
                return
            if number is not None and self._parts[number] == _COMING:
                self._parts[number] = _TODO
            if whole:
                self._failures = 0
                self._again_ms = 0
                self._at(self._node.now_ms)
            else:
                self._later()

        if not node.chunks.fetch(digest, None, self._sources(), done):
            self._later()
            return False
        if number is not None:
            self._parts[number] = _COMING
        return True

    def _later(self):
        wait_ms = AGAIN_MS << min(self._failures, AGAIN_DOUBLINGS)
        self._failures += 1
        self._again_ms = self._node.now_ms + wait_ms // 2 + self._node.rng.below(wait_ms // 2)
        self._at(self._again_ms)

    def _sources(self):
        """Boxes to ask: some that have it, those of the view, which wanted the same image, and then a door."""
        membership = self._node.membership
        sources = self._node.rng.sample(self._seeds, UPDATE_SOURCES // 2)
        sources += [(box.id, box.addr) for box in membership.some(UPDATE_SOURCES - len(sources))]
        doors = [(door.id, door.addr) for door in membership.door_list()]
        self._node.rng.shuffle(doors)
        return [source for source in sources if source not in doors[:1]] + doors[:1]

    # -- the end

    def _unpin(self):
        if self._pinned:
            self._node.store.unpin(self._index)
            self._pinned = False

    def _end(self):
        self.state = OVER
        self._unpin()

    def _finish(self, why, text):
        self._end()
        self._done(why, text)
