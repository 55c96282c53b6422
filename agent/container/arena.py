"""Where jobs' memory lies: set aside while the heap is whole, or taken from it.

The bytes are the truth.  Where the interpreter can alias them as words, generated
code indexes those: CPython by memoryview.cast, little-endian MicroPython by a
bytearray laid over an array.  (An array over uctypes would not check negative
indices; a bytearray does.)
"""

import gc
import sys
from array import array

from .mode import machine_mode

_MICROPYTHON = sys.implementation.name == "micropython"

# Pages set aside at the start, and the part of the heap they may take.
_PAGE_BYTES = 65536
_PAGES = 2
_PART = 5

# What `reserve` set aside: (bytes, words), both views, or None.
_arena = None


def set_aside():
    """Reserve what suits the heap, once: when the agent starts, before it is loaded.

    Later no large piece may be left.  And it must lie lowest: MicroPython looks for room
    from the heap's beginning, and passes over what is large and stays, block by block, at
    nearly every allocation and many a call; that was a quarter of what an idle box did.
    """
    gc.collect()
    if hasattr(gc, "mem_free"):
        pages = min(_PAGES, gc.mem_free() // _PART // _PAGE_BYTES)
        if pages:
            reserve(pages * _PAGE_BYTES)


def reserve(size):
    """Set `size` bytes (whole pages) aside for jobs once, when the agent starts and its heap is whole.

    Jobs of that much memory then need no large allocation; larger ones try the heap.
    """
    global _arena
    raw, words = allocate(size, machine_mode())
    _arena = memoryview(raw), words if words is None else memoryview(words)


def reserved():
    """Bytes that `reserve` set aside."""
    return len(_arena[0]) if _arena else 0


def untouched():
    """The bytes that `reserve` set aside, None without; zeros until the first job."""
    return _arena and _arena[0]


def part(size, used):
    """(bytes, words) of the arena's first `size` bytes, zeroed from `used` on; None if it has fewer."""
    if _arena is None or size > len(_arena[0]):
        return None
    raw, words = _arena
    _zero(raw, used, size)
    return raw[:size], words if words is None else words[: size >> 2]


def memory(size, mode):
    """Zeroed memory of one job: (bytes, words), in the arena if it fits there."""
    return part(size, 0) or allocate(size, mode)


def allocate(size, mode):
    """(bytes, words) over zeroed memory of its own; words is None where there is no such view."""
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


def _zero(raw, at, end):
    piece = bytes(1024)
    while at < end:
        raw[at : at + 1024] = piece
        at += 1024
