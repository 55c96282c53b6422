"""An image on its way into a slot: from peers, part by part, checked whole.

The index blob names the parts; each part is a blob, fetched as blobs are (chunks.py)
and written at its place in the slot's file.  Which part comes from whom is agreed on
before (parts.py): one box after another (seek.py) is asked whether it has one that we
lack.

What an interruption left in the slot is found again: each part's place is hashed before
anything is fetched.  At the end the file is brought to the medium, read back, and its
SHA-256 compared with the signed one.

Nothing here touches the record of the slots: until update.py writes it, the slot's
content means nothing, whatever happens on the way.
"""

from .bitmap import Bitmap
from .compat import const
from .limits import UPDATE_FETCHES, UPDATE_HINTS
from .parts import every, parts_of, spare
from .pieces import Copy, Scan
from .seek import Seek
from .slots import BROKEN, DISK, NAMES, Reading
from .wire.messages import SEEK
from .wire.suit import PART_BYTES

# An index that no source had is asked for again: after so long, doubling, half of it random.
AGAIN_MS = const(500)
AGAIN_DOUBLINGS = const(9)
# Nothing is due; what comes makes it sooner.
LOOK_MS = const(300000)
# A queue of work without a place is looked at again this much later.
BUSY_MS = const(500)
# An answer to a question for a part is waited for.
SEEK_MS = const(1000)
# What is on its way without a chunk for so long, or a part after so long at all, comes from
# elsewhere, and a part's sender is left alone for a while.
STALLED_MS = const(3000)
SLOW_MS = const(12000)
AVOIDED_MS = const(60000)

# Where a download stands.
INDEX = "index"
CHECKING = "checking"  # what the slot holds already
PARTS = "parts"
READING = "reading back"
OVER = "over"


class Download:
    """One image for one slot.

    row: the slots.Row that the slot is to hold; manifest: of the firmware; done(why,
    text) is called once at the end: why is None if the slot holds the image, durably,
    else DISK or BROKEN, and text says what is wrong.  wake(at_ms) is called when tick()
    wants to be called earlier than was said.  seeds: [(id, address)] of boxes that may
    have the image, besides those of the view.
    """

    def __init__(self, node, slot, row, manifest, done, wake, seeds=()):
        self._node = node
        self.slot = slot
        self.name = NAMES[slot]
        self._row = row
        self._index = manifest.fields["index"]
        self.key = manifest.digest[:8]
        self._done = done
        self._wake = wake
        count = parts_of(row.size)
        self.have = Bitmap(count)  # written
        self.taken = Bitmap(count)  # written, or on their way
        self.here = []  # numbers of those that the store has, or that a broker is to send
        self._coming = {}  # number: [digest, id of its sender, since when]
        self._asked = None  # (id, address, until when an answer is waited for)
        self._seek = Seek(node, seeds)
        self._pinned = self._began = False
        self._failures = 0
        self._again_ms = 0
        self.state = INDEX
        self.due = node.now_ms

    def status(self):
        """dict, JSON-able: where it stands."""
        return {
            "sequence": self._row.sequence, "state": self.state,
            "parts": self.have.length, "written": self.have.count(),
        }

    def tick(self, now_ms):
        """Go on: fetch what is missing, write what is there."""
        self.due = now_ms + LOOK_MS
        if self.state == INDEX and now_ms < self._again_ms:
            self._at(self._again_ms)
        elif self.state == INDEX:
            self._want_index()
        elif self.state == CHECKING and not self._began:
            self._began = self._work(Scan(self, self._node.store, self._index), self._checked)
        elif self.state == PARTS:
            self._want_parts(now_ms)
        elif self.state == READING and not self._began:
            self._read_back()

    def cancel(self):
        """Give up; done() is not called."""
        self._end()

    def _at(self, at_ms):
        if at_ms < self.due:
            self.due = at_ms
            self._wake(at_ms)

    def _work(self, computation, done):
        if self._node.work.add(computation, done):
            return True
        self._at(self._node.now_ms + BUSY_MS)
        return False

    def _to(self, state):
        self.state = state
        self._began = False
        self._at(self._node.now_ms)

    # -- the index, and what is here already

    def _want_index(self):
        store, count = self._node.store, self.have.length
        size = store.size(self._index)
        if size < 0:
            self._fetch_index()
        elif size != 32 * count:
            self._finish(BROKEN, "its index has %d bytes for %d parts" % (size, count))
        elif self._cut():
            store.pin(self._index)
            self._pinned = True
            self._to(CHECKING)

    def _fetch_index(self):
        node = self._node
        if node.door and node.door.want(self._index):
            # What the broker sends is in the store one day, without a word.
            self._at(node.now_ms + BUSY_MS)
            return
        fetch = node.chunks.fetches.get(self._index)
        if fetch and node.now_ms - fetch.progress_ms <= STALLED_MS:
            self._at(node.now_ms + BUSY_MS)
            return
        if fetch:
            node.chunks.cancel(self._index)

        def done(digest, whole):
            if self.state == INDEX:
                if whole:
                    self._at(self._node.now_ms)
                else:
                    self._later()

        if node.chunks.fetch(self._index, None, self._seek.sources(), done):
            self._at(node.now_ms + BUSY_MS)
        else:
            self._later()

    def _later(self):
        wait_ms = AGAIN_MS << min(self._failures, AGAIN_DOUBLINGS)
        self._failures += 1
        self._again_ms = self._node.now_ms + wait_ms // 2 + self._node.rng.below(wait_ms // 2)
        self._at(self._again_ms)

    def _cut(self):
        """True unless a longer image in the slot could not be removed; that ends the download."""
        disk = self._node.store.disk
        try:
            if disk.size(self.name) > self._row.size:
                disk.remove(self.name)
            return True
        except OSError as problem:
            self._refused(problem)
            return False

    def _checked(self, scan, error):
        if self.state == CHECKING:
            if error:  # memory ran out
                self._began = False
                self._at(self._node.now_ms + AGAIN_MS)
            else:
                self._to(PARTS)

    # -- parts

    def _want_parts(self, now_ms):
        self._look(now_ms)
        if self._asked and now_ms >= self._asked[2]:
            self._node.counters.bump("parts_silent")
            self._asked = None
            self._seek.fruitless()
        if self.have.count() == self.have.length:
            self._to(READING)
            return
        coming = len(self._coming)
        for number in list(self.here):
            if self.taken.get(number):  # another box was faster than the broker
                self.here.remove(number)
            elif coming < UPDATE_FETCHES + 1 and self.state == PARTS:
                digest = self._digest(number)
                if digest and self._node.store.has(digest) and self._copy(number, digest):
                    self.here.remove(number)
                    coming += 1
        if self._asked:
            self._at(self._asked[2])
        elif coming < UPDATE_FETCHES and self.state == PARTS and self.taken.count() < self.have.length:
            if now_ms >= self._seek.due:
                self._ask(now_ms)
            else:
                self._at(self._seek.due)
        if self._coming or self.here:
            self._at(now_ms + BUSY_MS)

    def _look(self, now_ms):
        """Give up parts that do not come."""
        chunks = self._node.chunks
        for number in list(self._coming):
            digest, id, since_ms = self._coming[number]
            fetch = chunks.fetches.get(digest)
            if fetch and (now_ms - fetch.progress_ms > STALLED_MS or now_ms - since_ms > SLOW_MS):
                self._node.counters.bump("parts_stalled")
                chunks.cancel(digest)
                chunks.shun(id, AVOIDED_MS)
                self._lost(number)

    def _lost(self, number):
        self._coming.pop(number, None)
        self.taken.clear_bit(number)
        self._seek.due = self._node.now_ms
        self._at(self._node.now_ms)

    def _digest(self, number):
        """The part's hash; None if the store's disk failed, and then the index is fetched anew."""
        digest = self._node.store.read(self._index, 32 * number, 32)
        if digest is None or len(digest) != 32:
            self._unpin()
            self._forget()
            self._to(INDEX)
            return None
        return digest

    def _forget(self):
        """Nothing is on its way any more, and only what is written is here."""
        for row in self._coming.values():
            self._node.chunks.cancel(row[0])
        self._coming, self.here, self._asked = {}, [], None
        self.taken.data = bytearray(self.have.data)

    def _ask(self, now_ms):
        """Ask the next box for a part."""
        source, last = self._seek.next(now_ms)
        if source is None:
            if last:
                self._of_broker()
            self._at(self._seek.due)
            return
        id, addr = source
        self._asked = (id, addr, now_ms + SEEK_MS)
        self._at(now_ms + SEEK_MS)
        self._node.counters.bump("parts_sought")
        self._node.send(id, addr, SEEK, self.key, last, bytes(self.taken.data))

    def _of_broker(self):
        """We are a door, and no box has anything: the broker is to send one part."""
        count = self.have.length
        number = spare(every(count), self.taken.data, self._node.rng.below(count))
        if number >= 0 and number not in self.here:
            digest = self._digest(number)
            if digest and self._node.door.want(digest):
                self.here = self.here[-UPDATE_HINTS:] + [number]
        self._at(self._node.now_ms + BUSY_MS)

    def hint(self, peer, theirs):
        """A box asks for parts of this image: if it has what we lack, it is asked next."""
        if self.state == PARTS and spare(theirs, self.taken.data, 0) >= 0:
            self._seek.hint(peer.id, peer.addr)
            self._at(self._seek.due)

    def on_spare(self, peer, message):
        """A box has the part with this number for us, or none."""
        _, key, number = message
        if self.state != PARTS or key != self.key or not self._asked or self._asked[0] != peer.id:
            return
        source, self._asked = self._asked[:2], None
        if number >= self.have.length or self.taken.get(number):
            self._seek.fruitless()
            self._at(self._seek.due)
            return
        digest = self._digest(number)
        if digest is None:
            return
        if self._node.store.has(digest):
            self.here.append(number)
        elif self._fetch(number, digest, source):
            self._seek.promised()
        else:
            self._seek.fruitless()
        self._at(self._seek.due)

    def _fetch(self, number, digest, source):
        def done(digest, whole):
            if number in self._coming and self.state == PARTS:
                if not whole:
                    self._lost(number)
                    return
                self._seek.served(source)
                if not self._copy(number, digest):
                    self._lost(number)
                    self.here.append(number)

        # How long the last one is its sender says: if that is wrong, so is the image, not the sender.
        size = PART_BYTES if number + 1 < self.have.length else None
        self.taken.set(number)
        self._coming[number] = [digest, source[0], self._node.now_ms]
        if self._node.chunks.fetch(digest, size, [source], done):
            return True
        # It is on its way for another part that is the same, or there is no room now.
        del self._coming[number]
        self.taken.clear_bit(number)
        return False

    def _copy(self, number, digest):
        """Queue the writing of a part that is in the store; False if that cannot be now."""
        store = self._node.store
        size = store.size(digest)
        if size != min(PART_BYTES, self._row.size - number * PART_BYTES):
            self._finish(BROKEN, "its part %d has %d bytes" % (number, size))
            return False

        def done(copy, error):
            store.unpin(digest)
            if self.state != PARTS:
                return
            self._coming.pop(number, None)
            if copy.refused:
                self._refused(copy.refused)
            elif copy.lost or error:
                self._lost(number)
            else:
                store.forget(digest)  # from here on it is read from the slot
                self.have.set(number)
                self._at(self._node.now_ms)

        store.pin(digest)
        if not self._work(Copy(store, digest, self.name, number * PART_BYTES), done):
            store.unpin(digest)
            return False
        self.taken.set(number)
        self._coming[number] = [digest, None, self._node.now_ms]
        return True

    # -- the end

    def _read_back(self):
        disk = self._node.store.disk
        try:
            disk.sync(self.name)
        except OSError as problem:
            self._refused(problem)
            return
        self._began = self._work(Reading(disk, self.slot, self._row), self._read)

    def _read(self, reading, error):
        if self.state == READING:
            if error:  # memory ran out: nothing is known of the image
                self._began = False
                self._at(self._node.now_ms + AGAIN_MS)
            elif reading.whole:
                self._finish(None, "")
            else:
                self._finish(BROKEN, "the image is not what was signed")

    def _refused(self, problem):
        self._finish(DISK, "the disk refused the slot: error %s" % problem.errno)

    def _unpin(self):
        if self._pinned:
            self._node.store.unpin(self._index)
            self._pinned = False

    def _end(self):
        self.state = OVER
        self._unpin()
        self._forget()

    def _finish(self, why, text):
        self._end()
        self._done(why, text)
