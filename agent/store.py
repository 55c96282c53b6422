"""A bounded store of blobs and of small state, over a disk given as an argument.

Heap holds the index only: hash, size, use.  A blob's name is its SHA-256, so a
blob is right or it is not there.  Fetched blobs grow in a part file and are
renamed when their hash holds.  State files are the only ones on flash.
"""

import hashlib

from .compat import const
from .limits import BLOB_BYTES, CHUNK_BYTES

# Blobs in the index: bounds the heap it takes (about 100 bytes each).
BLOBS = const(512)
# The blob without bytes is always here: a broker keeps no message that is empty.
EMPTY = hashlib.sha256(b"").digest()


def _name(kind, digest):
    return kind + "-" + digest.hex()


class Store:
    """Blobs by SHA-256 within capacity_bytes, least recently used dropped first.

    disk: an object with read, write, write_at, size, rename, remove, names.
    counters: a Counters.  Pinned blobs are never dropped.
    """

    def __init__(self, disk, capacity_bytes, counters):
        self.disk = disk
        self.capacity = capacity_bytes
        self.counters = counters
        self.used = 0
        self._clock = 0
        self._blobs = {}  # digest: [size, last use, pins]
        self._parts = {}  # digest: size reserved
        self._recover()

    def _recover(self):
        for name in self.disk.names("part-"):
            self._quietly_remove(name)
        for name in self.disk.names("blob-"):
            size = self.disk.size(name)
            fits = 0 <= size <= BLOB_BYTES and self.used + size <= self.capacity and len(self._blobs) < BLOBS
            # A power cut may have torn what was written and not yet flushed.
            if not fits or self._digest_of(name, size).hex() != name[5:]:
                self._quietly_remove(name)
                continue
            self._blobs[bytes.fromhex(name[5:])] = [size, 0, 0]
            self.used += size

    def _digest_of(self, name, size):
        """SHA-256 of a file of the store, read chunk by chunk; b"" if it cannot be read."""
        check = hashlib.sha256()
        try:
            for offset in range(0, size, CHUNK_BYTES):
                check.update(self.disk.read(name, offset, min(CHUNK_BYTES, size - offset)))
        except OSError:
            self.counters.bump("store_errors")
            return b""
        return check.digest()

    def __len__(self):
        return len(self._blobs)

    def has(self, digest):
        """True if the blob is here, whole."""
        return digest in self._blobs or digest == EMPTY

    def size(self, digest):
        """Bytes of a blob, -1 if it is not here."""
        entry = self._blobs.get(digest)
        return entry[0] if entry else 0 if digest == EMPTY else -1

    def read(self, digest, offset, count):
        """Up to count bytes of a blob from offset; None if it is not here."""
        entry = self._blobs.get(digest)
        if not entry:
            return b"" if digest == EMPTY else None
        self._clock += 1
        entry[1] = self._clock
        try:
            return self.disk.read(_name("blob", digest), offset, count)
        except OSError:
            self.counters.bump("store_errors")
            self._drop(digest)
            return None

    def get(self, digest):
        """A whole blob, None if it is not here."""
        return self.read(digest, 0, BLOB_BYTES)

    def put(self, data, pin=False):
        """Keep data (bytes, at most BLOB_BYTES); its digest, or None without room."""
        digest = hashlib.sha256(data).digest()
        if not self.has(digest):
            if len(data) > BLOB_BYTES or not self._room(len(data)):
                self.counters.bump("store_full")
                return None
            # The same blob may be coming in chunks, of which some may be wrong.
            self._quietly_remove(_name("part", digest))
            try:
                self.disk.write_at(_name("part", digest), 0, data)
                self.disk.rename(_name("part", digest), _name("blob", digest))
            except OSError:
                self.counters.bump("store_errors")
                self._quietly_remove(_name("part", digest))
                return None
            self._add(digest, len(data))
        if pin:
            self.pin(digest)
        return digest

    def pin(self, digest):
        """Keep a blob until as many unpins."""
        entry = self._blobs.get(digest)
        if entry:
            entry[2] += 1

    def unpin(self, digest):
        """Take one pin off a blob; without pins it may be dropped for room."""
        entry = self._blobs.get(digest)
        if entry and entry[2]:
            entry[2] -= 1

    def forget(self, *digests):
        """Remove blobs now, but for those that are pinned."""
        for digest in digests:
            entry = self._blobs.get(digest)
            if entry and not entry[2]:
                self._drop(digest)

    def begin(self, digest, size):
        """Reserve room for a blob that comes in chunks; False without room."""
        if size > BLOB_BYTES or not self._room(size):
            self.counters.bump("store_full")
            return False
        self._parts[digest] = size
        self.used += size
        return True

    def write(self, digest, offset, data):
        """One chunk of a begun blob; False if the disk refuses."""
        try:
            self.disk.write_at(_name("part", digest), offset, data)
            return True
        except OSError:
            self.counters.bump("store_errors")
            return False

    def finish(self, digest):
        """Check the hash of a begun blob and keep it.

        False if it does not hold, None if the disk refuses.
        """
        if digest in self._blobs:  # put meanwhile, from elsewhere
            self.abandon(digest)
            return True
        part = _name("part", digest)
        found = self._digest_of(part, self._parts[digest])
        whole = found == digest if found else None
        if whole:
            try:
                self.disk.rename(part, _name("blob", digest))
            except OSError:
                self.counters.bump("store_errors")
                whole = None
        if not whole:
            self.abandon(digest)
            return whole
        size = self._parts.pop(digest)
        self.used -= size
        self._add(digest, size)
        return True

    def abandon(self, digest):
        """Give a begun blob's room back."""
        size = self._parts.pop(digest, None)
        if size is not None:
            self.used -= size
            self._quietly_remove(_name("part", digest))

    def load_state(self, name):
        """Bytes of a state file, None if there is none or the disk refuses."""
        size = self.disk.size("state-" + name)
        if size < 0:
            return None
        try:
            return self.disk.read("state-" + name, 0, size)
        except OSError:
            self.counters.bump("store_errors")
            return None

    def save_state(self, name, data):
        """Replace a state file, whole or not at all; False if the disk refuses."""
        try:
            self.disk.write("state-" + name, data)
        except OSError:
            self.counters.bump("store_errors")
            return False
        self.counters.bump("state_bytes", len(data))
        return True

    def _add(self, digest, size):
        self._clock += 1
        self._blobs[digest] = [size, self._clock, 0]
        self.used += size

    def _room(self, size):
        while self.used + size > self.capacity or len(self._blobs) >= BLOBS:
            victim = None
            for digest in self._blobs:
                entry = self._blobs[digest]
                if not entry[2] and (victim is None or entry[1] < self._blobs[victim][1]):
                    victim = digest
            if victim is None:
                return False
            self.counters.bump("store_evicted")
            self._drop(victim)
        return True

    def _drop(self, digest):
        self.used -= self._blobs.pop(digest)[0]
        self._quietly_remove(_name("blob", digest))

    def _quietly_remove(self, name):
        try:
            self.disk.remove(name)
        except OSError:
            self.counters.bump("store_errors")
