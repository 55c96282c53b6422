"""A job's linear memory, and the accesses that are not one index.

The bytes are the truth.  Where the interpreter can alias them as words
(`words`), generated code indexes those: CPython by memoryview.cast, little-endian
MicroPython by a bytearray laid over an array.  (An array over uctypes would not
check negative indices; a bytearray does.)
"""

import struct
import sys
from array import array

from .limits import PAGE_BYTES
from .mode import machine_mode
from .trap import out_of_bounds

_MICROPYTHON = sys.implementation.name == "micropython"

# memory.copy and memory.fill go in pieces, with a checkpoint before each; a multiple
# of what 1 fuel pays for.
PIECE_BYTES = 4096

# The arena that `reserve` set aside: (bytes, words), both views, or None.
_arena = None


def reserve(pages):
    """Set memory for jobs aside once, when the agent starts and its heap is whole.

    Jobs of up to `pages` pages then need no large allocation; larger ones try the heap.
    """
    global _arena
    raw, words = _allocate(pages * PAGE_BYTES, machine_mode())
    _arena = memoryview(raw), words if words is None else memoryview(words)


def reserved():
    """Bytes that `reserve` set aside."""
    return len(_arena[0]) if _arena else 0


def _allocate(size, mode):
    """(bytes, words) over one zeroed memory; words is None where there is no such view."""
    if not mode.words:
        return bytearray(size), None
    if not _MICROPYTHON:
        raw = bytearray(size)
        return raw, memoryview(raw).cast("I")
    import uctypes

    # Grown in place, mostly: array(kind, bytes(size)) would need the size twice.
    kind = "i" if mode.signed else "I"
    words = array(kind)
    # To grow takes time by the size that is there: few pieces for a large memory.
    step = max(1024, size >> 8)
    piece = array(kind, bytes(step))
    for _ in range(size // step):
        words.extend(piece)
    return uctypes.bytearray_at(uctypes.addressof(words), size), words


def allocate(size, mode):
    """Zeroed memory of one job, in the arena if it fits there; `_allocate` says what it gives."""
    if _arena is None or size > len(_arena[0]):
        return _allocate(size, mode)
    raw, words = _arena
    _zero(raw, 0, size)
    return raw[:size], words if words is None else words[: size >> 2]


def _zero(raw, at, end):
    piece = bytes(1024)
    while at < end:
        raw[at : at + 1024] = piece
        at += 1024


def _move(to_bytes, to, from_bytes, at, size):
    """Copy forward in pieces; bytes() because slices of one memory may overlap."""
    for i in range(0, size, 1024):
        n = min(1024, size - i)
        to_bytes[to + i : to + i + n] = bytes(from_bytes[at + i : at + i + n])


class Memory:
    """Pages of one instance; `code` is what runs on it."""

    def __init__(self, mode, pages, most, code):
        self.mode = mode
        self.most = most
        self.code = code
        self.pages = pages
        self.set(*allocate(pages * PAGE_BYTES, mode))

    def set(self, raw, words):
        """The memory is these bytes now; `words` are the same as words, or None."""
        self.bytes = raw
        self.words = words
        self.size = len(raw)
        self.code.attach(self)

    def grow(self, more):
        """memory.grow: the old size in pages, or -1 where the cap forbids it."""
        old = self.pages
        if old + more > self.most:
            return -1
        if more:
            size = (old + more) * PAGE_BYTES
            if _arena is not None and size <= len(_arena[0]):
                _zero(_arena[0], old * PAGE_BYTES, size)
                raw, words = _arena
                raw = raw[:size]
                words = words if words is None else words[: size >> 2]
            else:
                # A MemoryError here ends the job, with the outcome "memory".
                raw, words = _allocate(size, self.mode)
                _move(raw, 0, self.bytes, 0, self.size)
            self.pages = old + more
            self.set(raw, words)
        return old

    def check(self, at, size):
        if at < 0 or at + size > self.size:
            out_of_bounds()

    def charge(self, size):
        """Fuel for bytes moved by one instruction."""
        self.code.charge(size >> 6)

    def copy(self, to, at, size):
        """memory.copy; `at` and `to` may overlap."""
        self.check(at, size)
        self.check(to, size)
        window = memoryview(self.bytes)
        # In pieces, from the end that the move does not overwrite first; within one,
        # both interpreters move as if by way of a copy.
        done = 0
        while done < size:
            n = min(PIECE_BYTES, size - done)
            self.charge(n)
            i = size - done - n if to > at else done
            window[to + i : to + i + n][:] = window[at + i : at + i + n]
            done += n

    def fill(self, at, value, size):
        """memory.fill with the low byte of `value`."""
        self.check(at, size)
        window = memoryview(self.bytes)
        piece = bytes([value & 255]) * min(size, PIECE_BYTES)
        end = at + size
        while at < end:
            n = min(PIECE_BYTES, end - at)
            self.charge(n)
            window[at : at + n][:] = piece if n == len(piece) else piece[:n]
            at += n
