"""An append-only file of records, whole or absent after a kill, a full disk or a power cut.

A record is its length, 4 bytes big-endian, the first 8 bytes of its SHA-256, and
itself.  A record is kept once `sync` has returned.  A tail that a kill left behind
is not a record: readers stop before it, and the next writer cuts it off.
"""

import hashlib
import os

from . import files
from .errors import OperatorError

_HEAD_BYTES = 12
# Of one record: a result with the largest output, and room for what stands beside it.
RECORD_BYTES = 1 << 16


class Journal:
    """The records of one file; it need not exist yet.

        journal = Journal(path)
        place = journal.append(b"...")
        journal.sync()
        journal.read(place)
        for place, record in journal: ...

    One process may append at a time: the first `append` locks the file, and
    OperatorError says that another holds it.  Reading needs no lock.
    """

    def __init__(self, path):
        self.path = path
        self._file = None  # open to write, and locked
        self._reader = None
        self._end = 0
        self._lock = None

    def __iter__(self):
        """Yields (place, record) of every whole record, in the order in which they were appended."""
        place = 0
        while (record := self._record(place)) is not None:
            yield place, record
            place += _HEAD_BYTES + len(record)

    def read(self, place):
        """Returns the record at a place; OperatorError if the file was changed by something else."""
        record = self._record(place)
        if record is None:
            raise OperatorError(f"{self.path} is damaged at byte {place:,}", "Restore that file from a backup.")
        return record

    def _record(self, place):
        if self._reader is None:
            try:
                self._reader = open(self.path, "rb", buffering=0)
            except FileNotFoundError:
                return None
        number = self._reader.fileno()
        head = os.pread(number, _HEAD_BYTES, place)
        size = int.from_bytes(head[:4], "big")
        if len(head) < _HEAD_BYTES or size > RECORD_BYTES:
            return None
        record = os.pread(number, size, place + _HEAD_BYTES)
        return record if hashlib.sha256(record).digest()[:8] == head[4:] else None

    def begin(self):
        """Locks the file for writing and cuts off a tail that is no record."""
        if self._file is not None:
            return
        lock = files.Lock(self.path + ".lock", wait_s=0)
        lock.__enter__()
        file = None
        try:
            file = open(self.path, "ab", buffering=0)
            self._end = self._whole()
            file.truncate(self._end)
            files.sync_directory(os.path.dirname(self.path))
        except BaseException:
            if file:
                file.close()
            lock.__exit__()
            raise
        self._file, self._lock = file, lock

    def _whole(self):
        end = 0
        for place, record in self:
            end = place + _HEAD_BYTES + len(record)
        return end

    def append(self, record):
        """Writes a record behind the others; returns its place.  OSError leaves the file as it was."""
        if len(record) > RECORD_BYTES:
            raise ValueError("a record of %d bytes" % len(record))
        self.begin()
        place = self._end
        data = len(record).to_bytes(4, "big") + hashlib.sha256(record).digest()[:8] + record
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view):]
        except OSError:
            self._file.truncate(place)
            raise
        self._end = place + len(data)
        return place

    def sync(self):
        """Returns when everything appended is on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self):
        """Lets go of the file and its lock."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._file is not None:
            self._file.close()
            self._file = None
            self._lock.__exit__()
