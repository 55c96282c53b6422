"""Loads and stores, lowered to indexing of the memory's views.

`m` holds the memory's bytes, `w` the same bytes as little-endian words where the
interpreter can have both.  An index beyond the view raises IndexError, which is
the trap; a negative index would not, so in the signed mode a base that may be
negative is tested (E raises the trap).  Multi-byte stores write the highest byte
first, so that a store that traps has written nothing.
"""

from .branches import Branches
from ..opcodes import ACCESS
from ..reader import F32, F64, I32, I64
from .stack import EFFECT, aligned, known, simple


class Access(Branches):
    """Instructions 0x28..0x40."""

    def __init__(self, module, mode, source, limits):
        Branches.__init__(self, module, mode, source, limits)
        # From here to -1 a number stands for an address beyond all that the memory may become.
        self.least = (module.memory[1] << 16) - 0x100000000 if module.memory else 0

    def access(self, op):
        """Translate load, store, memory.size or memory.grow."""
        if op >= 0x3F:
            self.need_memory()
            self.zero_bytes(1)
            if op == 0x3F:
                self.push((I32, "N", 0, 65536, EFFECT))
            else:
                self.grow()
            return
        t, size, signed = ACCESS[op - 0x28]
        offset = self.access_offset(size)
        if op < 0x36:
            self.load(t, size, signed, offset)
        else:
            self.store(t, size, offset)

    def grow(self):
        pages = self.clean(self.pop(I32))
        self.settle_effects()
        at = len(self.stack)
        self.emit("s%d=G(%s)" % (at, self.unsigned(pages)))
        self.refresh()
        self.push_full(I32, "s%d" % at)

    def refresh(self):
        """After what may have moved the memory."""
        if self.grows:
            self.emit("m=M")
            if self.mode.words:
                self.emit("w=W")

    def address(self, base, offset):
        """Where an access goes, by the entry of its base.

        Gives (text, number, test): the effective address as text to be used once, the
        number if it is known, else -1, and the test that the base is not negative, if it
        needs one; a tested base is `t` or a name by the time the text is evaluated.
        """
        # Held signed, a base beyond its type need not be wrapped: below 0 it is as large an
        # address as the wrapped one, and that is beyond the memory either way.
        if not self.mode.signed or base[2] < self.least or base[3] > 0xFFFFFFFF:
            base = self.clean(base)
        text, lo = base[1], base[2]
        if known(base):
            number = (lo & 0xFFFFFFFF) + offset
            return "%d" % number, number, None
        test = None
        if lo < 0:
            if self.compact:
                return "a(%s,%d)" % (text, offset), -1, None
            if simple(text):
                test = "%s>=0" % text
            else:
                test = "(t:=%s)>=0" % text
                text = "t"
        if offset:
            text = "%s+%d" % (text, offset)
        return text, -1, test

    def word(self, base, offset):
        """Text of the index in `w` of a base that is a multiple of four, else None.

        Modulo 2^30 it is right whether the base has wrapped or not.
        """
        if offset & 3 or not self.mode.words or known(base) or not aligned(base):
            return None
        index = self.quarter(base) or base[1] + ">>2"
        if base[2] < 0 or base[3] > 0xFFFFFFFF:
            index += "&1073741823"
        return "(%s)+%d" % (index, offset >> 2) if offset else index

    def load(self, t, size, signed, offset):
        """Pop a base; push what stands there."""
        base = self.number(self.pop(I32))
        mode = self.mode
        index = self.word(base, offset) if size == 4 and t == I32 else None
        if index:
            self.push((I32, "w[%s]" % index, mode.lo, mode.hi, EFFECT))
            return
        text, number, test = self.address(base, offset)
        lo, hi = 0, (1 << 8 * size) - 1
        if t == F32:
            value = "lf(%s)" % text
        elif t == F64:
            value = "ld(%s)" % text
        elif size == 1:
            value = "m[%s]" % text
        elif size == 2:
            value = self.load_two(text, number)
        elif size == 4:
            value = self.load_word(text, number)
            if mode.signed:
                lo, hi = -0x80000000, 0x7FFFFFFF
        else:
            value = "lq(%s)" % text
            lo, hi = -0x8000000000000000, 0x7FFFFFFFFFFFFFFF
        if test:
            value = "(%s if %s else E())" % (value, test)
        half = 1 << 8 * size - 1
        if t in (F32, F64):
            lo = hi = 0
        elif signed and lo == 0:
            value = "((%s^%d)-%d)" % (value, half, half)
            lo, hi = -half, half - 1
        elif t == I64 and size == 4 and not signed and lo < 0:
            value = "(%s&4294967295)" % value
            lo, hi = 0, 0xFFFFFFFF
        self.push((t, value, lo, hi, EFFECT))

    def load_two(self, text, number):
        if number >= 0:
            return "(m[%d]|m[%d]<<8)" % (number, number + 1)
        if simple(text) and "+" not in text:
            return "(m[%s]|m[%s+1]<<8)" % (text, text)
        return "(m[(t:=%s)]|m[t+1]<<8)" % text

    def load_word(self, text, number):
        """Text of a 32-bit load, signed in the signed mode."""
        if not self.mode.words:
            return "lw(%s)" % text
        if number >= 0:
            return "lw(%d)" % number if number & 3 else "w[%d]" % (number >> 2)
        if self.compact:
            return "lw(%s)" % text
        if simple(text) and "+" not in text:
            return "(w[%s>>2] if not %s&3 else lw(%s))" % (text, text, text)
        return "(w[t>>2] if not (t:=%s)&3 else lw(t))" % text

    def stored(self, t, size):
        """Pop the value to store: (text, bits that may be set above its size)."""
        entry = self.number(self.pop(t))
        if size == 8 or t in (F32, F64):
            return self.clean(entry)[1]
        if self.mode.truncates:
            return entry[1]
        if entry[2] < 0 or entry[3] >> 8 * size:
            return "(%s&%d)" % (entry[1], (1 << 8 * size) - 1)
        return entry[1]

    def store(self, t, size, offset):
        """Pop a value and a base; write the store."""
        stack = self.stack
        if len(stack) > 1 and stack[-1][4] & stack[-2][4] & EFFECT:
            # Python evaluates the value before the address.
            self.settle(len(stack) - 2)
        value = self.stored(t, size)
        base = self.number(self.pop(I32))
        index = self.word(base, offset) if size == 4 and t != F32 else None
        if index:
            self.settle_effects()
            self.emit("w[%s]=%s" % (index, value))
            return
        text, number, test = self.address(base, offset)
        self.settle_effects()
        checked = test or text[:2] == "a("
        if number < 0 and (checked or size in (2, 4)):
            # The value is evaluated first: it may trap, use `t` itself, or stand twice.
            if not simple(value) and (checked or size == 2 or "t" in value or len(value) > 40):
                self.emit("u=%s" % value)
                value = "u"
            if test:
                self.emit("if not %s:E()" % test)
        if t == F32:
            self.emit("sf(%s,%s)" % (text, value))
        elif t == F64:
            self.emit("sd(%s,%s)" % (text, value))
        elif size == 1:
            self.emit("m[%s]=%s" % (text, value))
        elif size == 2:
            self.store_two(text, number, value)
        elif size == 4:
            self.store_word(text, number, value)
        else:
            self.emit("sq(%s,%s)" % (text, value))

    def store_two(self, text, number, value):
        """A 16-bit store of `value` at address `text`, or at `number` if known."""
        if value.isdigit():
            value, high_value = "%d" % (int(value) & 255), "%d" % (int(value) >> 8 & 255)
        else:
            if not simple(value):
                self.emit("u=%s" % value)
                value = "u"
            high_value = value + ">>8"
            if not self.mode.truncates:
                value += "&255"
        if number >= 0:
            low, high = text, "%d" % (number + 1)
        else:
            if not simple(text) or "+" in text:
                self.emit("t=%s" % text)
                text = "t"
            low, high = text, text + "+1"
        self.emit("m[%s]=%s" % (high, high_value))
        self.emit("m[%s]=%s" % (low, value))

    def store_word(self, text, number, value):
        """A 32-bit store of `value` at address `text`, or at `number` if known."""
        if not self.mode.words or number & 3 and number >= 0:
            self.emit("sw(%s,%s)" % (text, value))
            return
        if number >= 0:
            self.emit("w[%d]=%s" % (number >> 2, value))
            return
        if self.compact:
            self.emit("sw(%s,%s)" % (text, value))
            return
        if not simple(text) or "+" in text:
            self.emit("t=%s" % text)
            text = "t"
        self.emit("if %s&3:sw(%s,%s)" % (text, text, value))
        self.emit("else:w[%s>>2]=%s" % (text, value))
