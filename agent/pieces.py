"""What a download computes, a few ms at a time: what lies in a slot already, and a part's way into it."""

import hashlib

from .slots import READ_BYTES
from .wire.suit import PART_BYTES


class Scan:
    """What of an image lies in a slot or in the store already, part by part, a few ms at a time."""

    def __init__(self, download, store, index):
        self._download = download
        self._store = store
        self._index = index
        self._number = self._done = 0
        self._hash = hashlib.sha256()

    def step(self):
        """One piece; True when done."""
        download, number = self._download, self._number
        if number >= download.have.length:
            return True
        data = b""
        try:
            most = min(READ_BYTES, PART_BYTES - self._done)
            data = self._store.disk.read(download.name, number * PART_BYTES + self._done, most)
        except OSError:
            pass  # there is no file yet
        self._hash.update(data)
        self._done += len(data)
        if data and self._done < PART_BYTES:
            return False
        digest = self._store.read(self._index, 32 * number, 32)
        if self._hash.digest() == digest:
            download.have.set(number)
            download.taken.set(number)
        elif digest and self._store.has(digest):
            download.here.append(number)
        self._number, self._done, self._hash = number + 1, 0, hashlib.sha256()
        return False


class Copy:
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
