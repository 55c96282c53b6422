"""The node's randomness: a seeded source, given as an argument.

SHA-256 in counter mode, so that one seed gives the same stream on every
interpreter, byte order and word size; unpredictable when the seed is.
"""

import hashlib

from .errors import LocalError


class Rng:
    """A deterministic random source.

    seed: bytes; 32 from the system's randomness on a box, anything in a test.
    """

    def __init__(self, seed):
        self._key = hashlib.sha256(b"backfence rng" + seed).digest()
        self._counter = 0
        self._pool = b""
        self._used = 0

    def bytes(self, count):
        """count fresh random bytes."""
        if self._used + count > len(self._pool):
            self._fill(count)
        out = self._pool[self._used : self._used + count]
        self._used += count
        return out

    def _fill(self, count):
        pool = self._pool[self._used :]
        while len(pool) < count:
            pool += hashlib.sha256(self._key + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
        self._pool = pool
        self._used = 0

    def below(self, bound):
        """An int in [0, bound); bias below 2^-12 for bounds up to 4,096."""
        if bound < 1:
            raise LocalError("bound must be positive")
        width = 3 if bound <= 4096 else 7
        return int.from_bytes(self.bytes(width), "big") % bound

    def jitter(self, span_ms):
        """span_ms (int) moved by at most an eighth either way."""
        eighth = span_ms // 8
        return span_ms if not eighth else span_ms - eighth + self.below(2 * eighth + 1)

    def choice(self, items):
        """One of a non-empty list."""
        return items[self.below(len(items))]

    def sample(self, items, count):
        """Up to count different members of a list, in random order."""
        pool = list(items)
        size = len(pool)
        count = min(count, size)
        if size > 4096:
            raise LocalError("too long a list to sample")
        # As below() draws, for all at once.
        raw = self.bytes(3 * count)
        for i in range(count):
            j = i + int.from_bytes(raw[3 * i : 3 * i + 3], "big") % (size - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def shuffle(self, items):
        """Shuffle a list in place (Fisher and Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
