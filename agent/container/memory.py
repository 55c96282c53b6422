"""A job's linear memory, and the accesses that are not one index."""

from . import arena
from .limits import PAGE_BYTES
from .trap import out_of_bounds

# memory.copy and memory.fill go in pieces, with a checkpoint before each; a multiple
# of what 1 fuel pays for.
PIECE_BYTES = 4096


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
        self.set(*arena.memory(pages * PAGE_BYTES, mode))

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
            found = arena.part(size, old * PAGE_BYTES)
            if found is None:
                # A MemoryError here ends the job, with the outcome "memory".
                found = arena.allocate(size, self.mode)
                _move(found[0], 0, self.bytes, 0, self.size)
            self.pages = old + more
            self.set(*found)
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
