"""Averaged cells that begin anywhere: each box adds a key, the least keys stay.

COUNT by averaging (Jelasity, Montresor, Babaoglu, TOCS 2005) needs some cells
that hold 1 on one box and 0 on all others: their average is 1/N.  The paper
elects leaders by lot, for which the size must be known already.  Here every box
begins a cell of its own under a key drawn by hash, and only the `most` least
keys are kept.  The least keys of the whole fleet are never dropped anywhere, so
their mass stays exact; all others vanish everywhere.  A key that a box does not
have counts as 0 there.

Cells move by differences: the answerer computes half the difference, takes it
off its own cell and sends it; the asker adds it, whatever happened to its cell
meanwhile.  So exchanges may overlap and the sum over the fleet does not change.
"""

import struct

from .errors import RemoteError

KEY_BYTES = 4
# A cell is a share of 1; overlapping exchanges may take one a little below 0.
CELL_LEAST = -1.0
CELL_MOST = 2.0
# What averages add up to may be any number where somebody lies; what is told of it
# must be one that every reader of a census can hold.
WHOLE_MOST = 1 << 53


def whole(value):
    """The nearest int from -WHOLE_MOST to WHOLE_MOST."""
    value = max(-WHOLE_MOST, min(WHOLE_MOST, value))
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)


def part(value):
    """A share as it can be, 0 to 1, whatever liars made of it."""
    return max(0.0, min(1.0, value))


def floats(data, start, count):
    """(list of count numbers, end offset) read from 32-bit floats; RemoteError."""
    end = start + 4 * count
    if end > len(data):
        raise RemoteError("short numbers")
    return list(struct.unpack(">%df" % count, data[start:end])), end


def cells(data, start, count):
    """Like floats, each within CELL_LEAST..CELL_MOST (and no NaN)."""
    values, end = floats(data, start, count)
    for value in values:
        if not CELL_LEAST <= value <= CELL_MOST:
            raise RemoteError("cell out of range")
    return values, end


def pack_floats(values):
    """Bytes of numbers as 32-bit floats, big-endian."""
    return struct.pack(">%df" % len(values), *values)


def halves(ours, theirs):
    """Bytes of the differences that bring two lists to their mean, and the list.

    The list is what the bytes say after rounding: both sides apply the same.
    """
    data = pack_floats([(mine - value) / 2 for mine, value in zip(ours, theirs)])
    return data, list(struct.unpack(">%df" % len(ours), data))


class Pool:
    """{key (4 bytes): cell}, the `most` least keys."""

    def __init__(self, most):
        self._most = most
        self.cells = {}

    def begin(self, key):
        """Start anew with our own cell; key: 4 bytes, or None for none."""
        self.cells = {key: 1.0} if key else {}

    def pack(self):
        """(bytes, keys): count, then key and cell of each."""
        keys = sorted(self.cells)
        out = bytearray((len(keys),))
        for key in keys:
            out += key
        out += pack_floats([self.cells[key] for key in keys])
        return bytes(out), keys

    def parse(self, data, start):
        """((keys, cells), end offset) of what a peer packed; RemoteError."""
        if start >= len(data) or data[start] > self._most:
            raise RemoteError("pool")
        count = data[start]
        at = start + 1 + KEY_BYTES * count
        if at > len(data):
            raise RemoteError("short pool")
        keys = [bytes(data[i : i + KEY_BYTES]) for i in range(start + 1, at, KEY_BYTES)]
        for i in range(1, count):
            if keys[i - 1] >= keys[i]:
                raise RemoteError("pool order")
        values, end = cells(data, at, count)
        return (keys, values), end

    def answer(self, theirs):
        """Average with a parsed pool; bytes of the differences for the asker.

        First one per key it sent, then the keys that only we have.
        """
        keys, values = theirs
        sent = dict(zip(keys, values))
        kept = sorted(set(self.cells) | set(keys))[: self._most]
        stays = set(kept)
        extra = [key for key in kept if key not in sent]
        ours = [self.cells.get(key, 0.0) if key in stays else sent[key] for key in keys]
        data, moved = halves(ours + [self.cells[key] for key in extra], values + [0.0] * len(extra))
        after = {}
        for key, change in zip(keys + extra, moved):
            if key in stays:
                after[key] = self.cells.get(key, 0.0) - change
        self.cells = after
        return bytes((len(extra),)) + b"".join(extra) + data

    def parse_answer(self, data, start, keys):
        """(changes by key, end offset) of an answer to `keys`; RemoteError."""
        if start >= len(data) or data[start] > self._most:
            raise RemoteError("pool answer")
        count = data[start]
        at = start + 1 + KEY_BYTES * count
        if at > len(data):
            raise RemoteError("short pool answer")
        extra = [bytes(data[i : i + KEY_BYTES]) for i in range(start + 1, at, KEY_BYTES)]
        values, end = cells(data, at, len(keys) + count)
        return list(zip(list(keys) + extra, values)), end

    def apply(self, changes):
        """Take a parsed answer."""
        for key, change in changes:
            self.cells[key] = self.cells.get(key, 0.0) + change
        if len(self.cells) > self._most:
            for key in sorted(self.cells)[self._most :]:
                del self.cells[key]
