"""Parts of an image for others: who asks is lent one that he lacks and we have.

A box that wants an image asks one box at a time, SEEK with a bitmap of what it has, and
is told a number, SPARE: it fetches that part from there as any blob is fetched
(chunks.py), which here comes from the slot's file.  So nobody looks for one certain part
among boxes that lack it, and nobody is served by a box that has its hands full: a few
parts at once, each soon whole and with others, spread far faster than many at a crawl.

The next part lent is the one after the last, so that what we have leaves us in turn, and
a door gives the whole image to the fleet before it gives anything twice.  A part is
hashed before it is lent: what the flash has lost is not passed on.

Loaded by the first SEEK, so not on boxes of a quiet fleet.
"""

import hashlib

from .compat import const
from .errors import RemoteError
from .limits import CHUNK_BYTES, PARTS_LENT
from .slots import NAMES, READ_BYTES, SLOT_A, SLOT_B
from .wire.messages import SPARE
from .wire.suit import PART_BYTES

# In place of a part's number: we have nothing for you; or no time, or not yet.
NOTHING = const(65535)
BUSY = const(65534)
# A place is free again when a part's last chunk was asked for, or so long after any; chunks that
# were lost may be asked for as long.
HELD_MS = const(1000)
# Parts lent and not forgotten yet: nine a second is more than any line of ours carries.  Who comes
# beyond that is refused as above.
KNOWN = const(9)
# A part that takes longer shows that our line is slow, or full: one fewer at once; else one more.
SLOW_MS = const(2000)
# So many parts are looked for in the store: what lacks then, a door asks the broker for.
LOOKED = const(16)
# And asks for so many at once.
AHEAD = const(4)


def parts_of(size):
    """Parts of an image of so many bytes."""
    return (size + PART_BYTES - 1) // PART_BYTES


def every(count):
    """The bitmap, bytes, of all parts of an image of so many: none beyond the last."""
    whole = b"\xff" * (count // 8)
    return whole + bytes(((1 << count % 8) - 1,)) if count % 8 else whole


def spare(mine, theirs, start):
    """The first number from start on, and round, that is set in mine and not in theirs (bytes); -1 if none is."""
    length = len(mine)
    for i in range(length + 1 if length else 0):
        at = (start // 8 + i) % length
        free = mine[at] & ~theirs[at]
        if i == 0:
            free &= 0xFF << start % 8
        for bit in range(8 if free else 0):
            if free >> bit & 1:
                return 8 * at + bit
    return -1


class Lent:
    """A part that a box may pull, read from a slot's file or (name None) from the store."""

    def __init__(self, store, name, offset, bytes):
        self._store = store
        self._name = name
        self._offset = offset
        self._bytes = bytes
        self._done = 0
        self._hash = hashlib.sha256()
        self.digest = None
        self.since_ms = self.until = 0
        self.over = False  # its last chunk was asked for; some may be again

    def step(self):
        """Hash a piece; True when the digest is known, or None as the disk refuses."""
        data = self.read(None, self._done, READ_BYTES)
        if not data:
            return True
        self._hash.update(data)
        self._done += len(data)
        if self._done < self._bytes:
            return False
        self.digest = self._hash.digest()
        return True

    def size(self, digest):
        """Its bytes."""
        return self._bytes

    def read(self, digest, offset, count):
        """Up to count bytes from offset; None if it is gone."""
        if self._name is None:
            return self._store.read(digest, offset, count)
        try:
            return self._store.disk.read(self._name, self._offset + offset, min(count, self._bytes - offset))
        except OSError:
            self._store.counters.bump("store_errors")
            return None


class Parts:
    """What is lent to whom, of the images that lie here."""

    def __init__(self, node):
        self._node = node
        self._lent = {}  # id: Lent, KNOWN at most, of which PARTS_LENT under way
        self._places = PARTS_LENT
        self._turn = node.rng.below(1 << 16)
        # Of a door: the index of the image that it gives, the next part of its share, and how far they lie apart.
        self._key = self._given = self._step = None

    def lent(self, id, digest, offset):
        """The Lent that a box pulls from, None if it is another blob that it wants."""
        lent = self._lent.get(id)
        if lent is None or lent.digest != digest:
            return None
        lent.until = self._node.now_ms + HELD_MS
        if not lent.over and lent.size(None) - offset <= CHUNK_BYTES:
            lent.over = True
            took_ms = self._node.now_ms - lent.since_ms
            self._places = max(self._places - 1, 1) if took_ms > SLOW_MS else min(self._places + 1, PARTS_LENT)
        return lent

    def on_seek(self, peer, message):
        """A box asks for a part of an image; what it has, we may want."""
        _, key, last, theirs = message
        node = self._node
        for manifest in node.rumours.of_kind("firmware"):
            if manifest.digest[:8] == key:
                if len(theirs) != (parts_of(manifest.fields["size"]) + 7) // 8:
                    raise RemoteError("seek: the bitmap's length")
                if node.update.download and node.update.download.key == key:
                    node.update.download.hint(peer, theirs)
                self._lend(manifest, peer, theirs, last)
                return
        node.send(peer.id, peer.addr, SPARE, key, NOTHING)

    def _say(self, peer, manifest, number):
        self._node.send(peer.id, peer.addr, SPARE, manifest.digest[:8], number)

    def _lend(self, manifest, peer, theirs, last):
        node = self._node
        for id in list(self._lent):
            if node.now_ms >= self._lent[id].until:
                del self._lent[id]
        lent = self._lent.get(peer.id)
        places = self._places - sum(1 for lent in self._lent.values() if not lent.over)
        if lent and not lent.over or places < 1 or len(self._lent) >= KNOWN:
            node.counters.bump("parts_refused")
            self._say(peer, manifest, BUSY)
            return
        number, lent = self._choose(manifest, theirs, last)
        if lent is None:
            self._say(peer, manifest, number)
            return
        lent.since_ms, lent.until = node.now_ms, node.now_ms + HELD_MS
        self._lent[peer.id] = lent
        node.counters.bump("parts_lent")

        def hashed(lent, error):
            self._say(peer, manifest, number if lent.digest else BUSY)

        if lent.digest:
            self._say(peer, manifest, number)
        elif not node.work.add(lent, hashed):
            del self._lent[peer.id]
            self._say(peer, manifest, BUSY)

    def _choose(self, manifest, theirs, last):
        """(number, Lent) of the next part that he lacks; (NOTHING or BUSY, None) without."""
        fields = manifest.fields
        count = parts_of(fields["size"])
        slot, mine = self._have(manifest)
        if self._node.door:
            return self._of_door(manifest, count, slot, mine, theirs, last)
        number = spare(mine, theirs, self._turn % count)
        if number < 0:
            return self._of_store(fields["index"], count, theirs)
        self._turn = number + 1
        return number, self._of_slot(fields["size"], slot, number)

    def _of_store(self, index, count, theirs):
        """As _choose() for a box that has parts as blobs: what was fetched and not installed, or laid there."""
        store, number = self._node.store, self._turn
        for _ in range(LOOKED if store.size(index) == 32 * count else 0):
            number = spare(every(count), theirs, number % count)
            if number < 0:
                break
            lent = self._blob(store.read(index, 32 * number, 32))
            self._turn = number + 1
            if lent:
                return number, lent
            number += 1
        return NOTHING, None

    def _blob(self, digest):
        """The Lent of a part that the store has, else None."""
        if not digest or not self._node.store.has(digest):
            return None
        lent = Lent(self._node.store, None, 0, self._node.store.size(digest))
        lent.digest = digest
        return lent

    def _of_slot(self, size, slot, number):
        offset = number * PART_BYTES
        return Lent(self._node.store, NAMES[slot], offset, min(PART_BYTES, size - offset))

    def _have(self, manifest):
        """(slot, bitmap) of the parts of an image that lie here, (None, b"") without any."""
        update, size = self._node.update, manifest.fields["size"]
        if update.download and update.download.key == manifest.digest[:8]:
            return update.download.slot, update.download.have.data
        for slot in (SLOT_A, SLOT_B):
            row = update.record.rows[slot]
            if row and row.digest == manifest.fields["image"]:
                return slot, every(parts_of(size))
        return None, b""

    def _of_door(self, manifest, count, slot, mine, theirs, last):
        """As _choose() for a door: what is not here, the broker is asked for.

        The doors give each part once, each its share of them, whoever asks; beyond
        that the broker is asked only for who has found nobody else.
        """
        store, door, fields = self._node.store, self._node.door, manifest.fields
        if store.size(fields["index"]) != 32 * count:
            return BUSY if door.want(fields["index"]) else NOTHING, None
        if self._key != fields["index"]:
            doors = sorted([self._node.id] + [box.id for box in self._node.membership.door_list()])
            self._key, self._step, self._given = fields["index"], len(doors), doors.index(self._node.id)
        while self._given < count and theirs[self._given >> 3] >> (self._given & 7) & 1:
            self._given += self._step  # it is among the boxes already
        missing, start = [], self._turn % count
        # Our share; what else he lacks; what lies in the slot, wherever.
        numbers = list(range(self._given, count, self._step))[:AHEAD]
        ours = len(numbers)
        lacked = every(count)
        for i in range(LOOKED):
            numbers.append(spare(lacked, theirs, (numbers[-1] + 1 if i else start) % count))
        numbers.append(spare(mine, theirs, start))
        for i in range(len(numbers)):
            number = numbers[i]
            if not 0 <= number < count or theirs[number >> 3] >> (number & 7) & 1:
                continue
            digest = store.read(fields["index"], 32 * number, 32)
            if mine and mine[number >> 3] >> (number & 7) & 1:
                lent = self._of_slot(fields["size"], slot, number)
            else:
                lent = self._blob(digest)
            if lent:
                if i < ours:
                    self._given = number + self._step
                elif not missing:
                    self._turn = number + 1
                return number, lent
            if digest and (i < ours or last) and digest not in missing and len(missing) < AHEAD:
                missing.append(digest)
                door.want(digest)
        return BUSY if missing else NOTHING, None
