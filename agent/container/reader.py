"""Reading WebAssembly's binary encoding: bytes, LEB128 numbers, names, types.

Binary format: WebAssembly core specification, chapter 5.
"""

from ..compat import const
from .limits import Refused

I32 = const(0x7F)
I64 = const(0x7E)
F32 = const(0x7D)
F64 = const(0x7C)
VALUE_TYPES = (I32, I64, F32, F64)
TYPE_NAMES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0: "any"}


class Reader:
    """A cursor over `data` from `pos` to `end`; `bad(text)` says where it stands."""

    def __init__(self, data, pos, end):
        self.data = data
        self.pos = pos
        self.end = end

    def where(self):
        return "byte %d" % self.pos

    def bad(self, what):
        """Raise the refusal of a module that breaks the specification."""
        raise Refused("not valid WebAssembly: %s (%s)" % (what, self.where()))

    def byte(self):
        pos = self.pos
        if pos >= self.end:
            self.bad("unexpected end")
        self.pos = pos + 1
        return self.data[pos]

    def u32(self):
        """An unsigned LEB128 number of 32 bits."""
        value = self.byte()
        if value < 128:
            return value
        value &= 127
        for shift in (7, 14, 21, 28):
            b = self.byte()
            value |= (b & 127) << shift
            if b < 128:
                if shift == 28 and b > 15:
                    self.bad("integer too large")
                return value
        self.bad("integer representation too long")

    def signed(self, bits):
        """A signed LEB128 number of `bits` bits."""
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                break
            if shift >= bits:
                self.bad("integer representation too long")
        if b & 64:
            value -= 1 << shift
        if shift > bits and not -(1 << bits - 1) <= value < 1 << bits - 1:
            self.bad("integer too large")
        return value

    def value_type(self):
        t = self.byte()
        if t not in VALUE_TYPES:
            if t in (0x7B, 0x70, 0x6F):
                self.bad("vector and reference values are not supported: build for the MVP")
            self.bad("unknown value type 0x%02x" % t)
        return t

    def size(self):
        """A byte count that must fit what is left."""
        n = self.u32()
        if n > self.end - self.pos:
            self.bad("length out of bounds")
        return n

    def take(self, n):
        if n > self.end - self.pos:
            self.bad("unexpected end")
        self.pos += n
        return bytes(self.data[self.pos - n : self.pos])

    def name(self):
        raw = self.take(self.size())
        if not _is_utf8(raw):
            self.bad("malformed UTF-8 encoding in a name")
        return str(raw, "utf-8")


def _is_utf8(raw):
    """Strictly: MicroPython's decoder lets overlong forms and surrogates pass."""
    i = 0
    while i < len(raw):
        first = raw[i]
        i += 1
        if first < 0x80:
            continue
        n = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
        if not 0xC2 <= first <= 0xF4 or i + n > len(raw):
            return False
        code = first & (0x3F >> n)
        for b in raw[i : i + n]:
            if b & 0xC0 != 0x80:
                return False
            code = code << 6 | b & 0x3F
        i += n
        if n == 2 and (code < 0x800 or 0xD800 <= code < 0xE000):
            return False
        if n == 3 and not 0x10000 <= code <= 0x10FFFF:
            return False
    return True
