"""A fixed-length bitmap; bit i is bit i % 8 of byte i // 8."""


class Bitmap:
    """length bits, all 0."""

    def __init__(self, length):
        self.length = length
        self.data = bytearray((length + 7) // 8)

    def get(self, index):
        """True if the bit is 1."""
        return bool(self.data[index >> 3] >> (index & 7) & 1)

    def set(self, index):
        """Make a bit 1."""
        self.data[index >> 3] |= 1 << (index & 7)

    def clear_bit(self, index):
        """Make a bit 0."""
        self.data[index >> 3] &= ~(1 << (index & 7))

    def merge(self, other):
        """OR bytes of the same length in; True if any bit changed."""
        changed = False
        for i in range(len(self.data)):
            new = self.data[i] | other[i]
            if new != self.data[i]:
                self.data[i] = new
                changed = True
        return changed

    def clear(self):
        """Make all bits 0."""
        for i in range(len(self.data)):
            self.data[i] = 0

    def count(self):
        """Number of bits that are 1."""
        total = 0
        for byte in self.data:
            while byte:
                total += byte & 1
                byte >>= 1
        return total
