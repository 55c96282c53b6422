"""The record of the two slots: what is confirmed, what is tried, what failed.

Theory of operation.  Three agents may lie on a box: the packaged one in ROM, and
one in each slot, a and b.  The record says which of them starts.  Two programs
write it: the launcher, before each start, and the agent that runs.

- An update goes into the slot that is neither confirmed nor running, and becomes
  the trial.  The launcher counts each start of a trial before it happens; a trial
  that was started TRIAL_STARTS times without being confirmed has failed.
- A trial that proves itself is confirmed.  The other slot stays good: it is what
  comes before the packaged agent if the confirmed one crashes CRASHES times in a row.
- The packaged agent is always the last resort, and the first choice when it is
  newer than a slot.

So every path ends in an agent that starts, and nothing older than the floor is
ever installed; an older one runs only from a slot that once proved itself.

This is logic alone: edge/launch.py and update.py read and write the file.
"""

import hashlib

from .compat import const
from .errors import RemoteError
from .wire import cbor
from .wire.messages import holds

# Why an image did not come into its slot; counters have the same names.
DISK = "updates_unwritten"
BROKEN = "updates_broken"

PACKAGED = const(0)
SLOT_A = const(1)
SLOT_B = const(2)
# The slots' names on the disk, by number.
NAMES = ("", "slot-a", "slot-b")
# The record's name among state files.
STATE = "slots"

# Kinds of image.
ARCHIVE = const(1)
EXECUTABLE = const(2)

# Starts of a trial: two power cuts by chance must not fail a good one.
TRIAL_STARTS = const(3)
# Crashes in a row after which what was confirmed is given up.
CRASHES = const(5)
# Failed sequence numbers remembered; the lowest is dropped, for a floor or a newer
# manifest keeps it out as well.
FAILED = const(4)
# One record: two rows of 60 bytes, four numbers of nine, and the rest.
RECORD_BYTES = const(256)

# Read at a time when a slot is hashed: some 2 ms on a slow box.
READ_BYTES = const(4096)

# Exit codes of an agent that the launcher tells from a crash.
STOPPED = const(0)
ANEW = const(75)
UNPROVEN = const(76)

_VERSION = const(1)


class Row:
    """An image in a slot: kind, size in bytes, SHA-256, sequence; good: was confirmed once."""

    def __init__(self, kind, size, digest, sequence, good=False):
        self.kind = kind
        self.size = size
        self.digest = digest
        self.sequence = sequence
        self.good = good


class Record:
    """What encode() writes.  rows: [None, Row or None for a, the same for b].

    confirmed, trial: slot numbers, PACKAGED for none; starts: of the trial;
    crashes: of the confirmed one, in a row; floor: highest sequence ever confirmed;
    failed: sequences whose trial failed; peered: the box had peers when the trial
    was installed.
    """

    def __init__(self):
        self.confirmed = PACKAGED
        self.trial = PACKAGED
        self.starts = 0
        self.crashes = 0
        self.floor = 0
        self.failed = []
        self.rows = [None, None, None]
        self.peered = False


def encode(record):
    """Bytes of a Record."""
    rows = []
    for row in record.rows[1:]:
        rows.append([row.kind, row.size, row.digest, row.sequence, row.good] if row else [])
    return cbor.encode([
        _VERSION, record.confirmed, record.trial, record.starts, record.crashes, record.floor,
        list(record.failed), rows, record.peered,
    ])


def decode(data):
    """Record of bytes that encode() made.  RemoteError for any other."""
    if len(data) > RECORD_BYTES:
        raise RemoteError("the slots' record is too long")
    fields = cbor.decode(data, 3, 32)
    if not isinstance(fields, list) or len(fields) != 9 or not holds(("u",) * 5 + ("U", "l", "l"), fields[:8]):
        raise RemoteError("the form of the slots' record")
    record = Record()
    version, record.confirmed, record.trial, record.starts, record.crashes, record.floor, failed, rows, peered = fields
    if version != _VERSION or not isinstance(peered, bool) or len(rows) != 2:
        raise RemoteError("the form of the slots' record")
    if len(failed) > FAILED or not holds(("U",) * len(failed), failed):
        raise RemoteError("the failed sequences of the slots' record")
    record.failed = failed
    record.peered = peered
    for slot in (SLOT_A, SLOT_B):
        record.rows[slot] = _row(rows[slot - 1])
    if record.starts > TRIAL_STARTS or record.crashes > CRASHES:
        raise RemoteError("the counts of the slots' record")
    for slot in (record.confirmed, record.trial):
        if slot > SLOT_B or slot and not record.rows[slot]:
            raise RemoteError("the slots' record names an empty slot")
    if record.confirmed and (record.trial == record.confirmed or not record.rows[record.confirmed].good):
        raise RemoteError("what the slots' record calls confirmed")
    return record


def _row(fields):
    if fields == []:
        return None
    if not isinstance(fields, list) or len(fields) != 5 or not holds(("u", "u", "s", "U"), fields[:4]):
        raise RemoteError("a row of the slots' record")
    if fields[0] not in (ARCHIVE, EXECUTABLE) or not isinstance(fields[4], bool):
        raise RemoteError("a row of the slots' record")
    return Row(fields[0], fields[1], fields[2], fields[3], fields[4])


class Reading:
    """A slot's file read back and hashed, in steps; .whole says whether it is the image.

    disk: an object with read and size; row: the Row that the file should be.
    """

    def __init__(self, disk, slot, row):
        self._disk = disk
        self._name = NAMES[slot]
        self._row = row
        self._offset = 0
        self._hash = hashlib.sha256()
        self.whole = False

    def step(self):
        """One piece; True when done.  A file that cannot be read is not whole."""
        size = self._row.size
        try:
            if self._offset == 0 and self._disk.size(self._name) != size:
                return True
            data = self._disk.read(self._name, self._offset, min(READ_BYTES, size - self._offset))
        except OSError:
            return True
        self._hash.update(data)
        self._offset += len(data)
        if data and self._offset < size:
            return False
        self.whole = self._offset == size and self._hash.digest() == self._row.digest
        return True


# -- the launcher's side


def ended(record, code):
    """What the launcher started has ended with this exit code (int)."""
    if code in (STOPPED, ANEW):
        return
    if record.trial and record.starts:
        # A trial's crashes are its starts.
        if code == UNPROVEN:
            fail(record)
    elif record.confirmed:
        record.crashes = min(record.crashes + 1, CRASHES)


def choose(record, packaged, whole):
    """The slot to start now, PACKAGED for the one in ROM; the record says so afterwards.

    packaged: the packaged agent's sequence.  whole(slot): True if the slot's file
    has the size and the hash of its row.  The record must be durable before the start.
    """
    for slot in (SLOT_A, SLOT_B):
        if record.rows[slot] and record.rows[slot].sequence < packaged:
            _empty(record, slot)
    if record.trial:
        if record.starts < TRIAL_STARTS and whole(record.trial):
            record.starts += 1
            return record.trial
        fail(record)
    while record.confirmed:
        slot = record.confirmed
        is_whole = whole(slot)
        if is_whole and record.crashes < CRASHES:
            return slot
        record.rows[slot].good = False
        record.crashes = 0
        other = SLOT_A + SLOT_B - slot
        record.confirmed = other if record.rows[other] and record.rows[other].good else PACKAGED
        if not is_whole:
            record.rows[slot] = None
    return PACKAGED


def fail(record):
    """The trial has failed: it is never tried again."""
    record.failed = sorted(record.failed + [record.rows[record.trial].sequence])[-FAILED:]
    _empty(record, record.trial)


def _empty(record, slot):
    record.rows[slot] = None
    if record.trial == slot:
        record.trial = PACKAGED
        record.starts = 0
    if record.confirmed == slot:
        record.confirmed = PACKAGED
        record.crashes = 0


# -- the agent's side


def spare(record, runs):
    """The slot for the next image: neither running (runs: slot number) nor confirmed.

    If both are free, an empty one, else the older.
    """
    free = [slot for slot in (SLOT_A, SLOT_B) if slot not in (runs, record.confirmed)]
    return min(free, key=lambda slot: record.rows[slot].sequence if record.rows[slot] else -1)


def refusal(record, sequence):
    """Why an image with this sequence is not to be installed, None if it may be."""
    if sequence <= record.floor:
        return "its sequence is not above that of what was confirmed"
    if sequence in record.failed:
        return "its trial failed on this box"
    return None


def begin_trial(record, slot, row, peered):
    """The slot holds a new image (a Row), whole and durable: try it at the next start.

    A trial that was never started gives way.
    """
    if record.trial and record.trial != slot:
        _empty(record, record.trial)
    row.good = False
    record.rows[slot] = row
    record.trial = slot
    record.starts = 0
    record.peered = peered


def confirm(record):
    """The trial has proved itself."""
    row = record.rows[record.trial]
    row.good = True
    record.floor = max(record.floor, row.sequence)
    record.confirmed = record.trial
    record.trial = PACKAGED
    record.starts = record.crashes = 0
