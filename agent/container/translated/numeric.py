"""Numeric instructions: integer arithmetic with known ranges, floats by helpers."""

from ..opcodes import CONVERSIONS
from ..reader import F32, F64, I32, I64
from .conditions import Conditions
from .stack import ALIGNED, BOOL, EFFECT, aligned, known, simple

_FLOAT_COMPARE = ("==", "!=", "<", ">", "<=", ">=")
# Float instructions from `abs` on: text for one or two operands.  R rounds to f32.
_FLOAT_UNARY = ("abs(%s)", "(-%s)", "ceil(%s)", "floor(%s)", "trunc(%s)", "near(%s)", "sqrt(%s)")
_FLOAT_BINARY = ("(%s+%s)", "(%s-%s)", "(%s*%s)", "fdiv(%s,%s)", "fmin(%s,%s)", "fmax(%s,%s)", "csign(%s,%s)")
# Values that may stay unwrapped: sums of them are still small integers on 64 bits.
_LOOSE32 = 1 << 60
_LOOSE64 = 1 << 68


def _bits_bound(lo, hi):
    """Least 2^n-1 with -2^n <= lo and hi < 2^n, coarsely."""
    most = max(hi, -lo - 1)
    for bound in (1, 0xFF, 0xFFFF, 0x3FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 62) - 1):
        if most <= bound:
            return bound
    bound = (1 << 63) - 1
    while most > bound:
        bound = bound * 2 + 1
    return bound


class Numeric(Conditions):
    """Instructions 0x45..0xC4 and the saturating conversions."""

    def numeric(self, op):
        """Translate one numeric instruction."""
        if op < 0x5B:
            if op < 0x50:
                t, first = I32, 0x45
            else:
                t, first = I64, 0x50
            if op == first:
                self.is_zero(t)
            else:
                self.compare(t, op - first - 1)
        elif op < 0x67:
            t, first = (F32, 0x5B) if op < 0x61 else (F64, 0x61)
            b = self.pop(t)
            a = self.pop(t)
            text = "(%s%s%s)" % (a[1], _FLOAT_COMPARE[op - first], b[1])
            self.push((I32, text, 0, 1, (a[4] | b[4]) & EFFECT | BOOL))
        elif op < 0x8B:
            if op < 0x79:
                self.integer(I32, op - 0x67)
            else:
                self.integer(I64, op - 0x79)
        elif op < 0xA7:
            self.float(op)
        elif op < 0xC0:
            self.convert(op)
        else:
            self.extend(op)

    # Integer arithmetic.

    def integer(self, t, which):
        """which: clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr."""
        if which < 3:
            e = self.clean(self.pop(t))
            bits = 32 if t == I32 else 64
            text = "%s(%s,%d)" % (("clz", "ctz", "popcnt")[which], self.unsigned(e), bits)
            self.push((t, text, 0, bits, e[4] & EFFECT))
            return
        b = self.number(self.pop(t))
        a = self.number(self.pop(t))
        if which < 6:
            self.sum(t, which, a, b)
        elif which < 10:
            self.divide(t, which - 6, self.clean(a), self.clean(b))
        elif which < 13:
            self.bitwise(t, which, a, b)
        else:
            self.shift(t, which - 13, a, self.clean(b))

    def sum(self, t, which, a, b):
        """add, sub and mul: wrap as late as possible."""
        loose = _LOOSE32 if t == I32 else _LOOSE64
        lo, hi = _sum_range(which, a, b)
        if lo < -loose or hi > loose:
            a = self.clean(a)
            b = self.clean(b)
            if which == 5 and t == I32 and b[3] > 0x7FFFFFFF:
                # A negative factor, held unsigned, would make a product beyond the small integers.
                b = (t, self.as_signed(b), b[2] - 0x100000000 if known(b) else -0x80000000,
                     b[3] - 0x100000000 if known(b) else 0x7FFFFFFF, b[4])  # fmt: skip
            lo, hi = _sum_range(which, a, b)
        flags = (a[4] | b[4]) & EFFECT
        if which == 3 and t == I32 and known(b) and b[2] > 0x7FFFFFFF:
            # Adding 2^32-k is subtracting k.
            k = 0x100000000 - b[2]
            entry = (t, "(%s-%d)" % (a[1], k), a[2] - k, a[3] - k, flags)
            b = (t, "%d" % -k, -k, -k, 0)
        else:
            entry = (t, "(%s%s%s)" % (a[1], "+-*"[which - 3], b[1]), lo, hi, flags)
        if t == I32:
            entry = self.sum_aligned(which, a, b, entry)
        if lo < -loose or hi > loose:
            entry = self.clean(entry)
        self.push(entry)

    def sum_aligned(self, which, a, b, entry):
        """The entry of a sum or product, marked if it is a multiple of four."""
        if which == 5:
            if not (aligned(a) or aligned(b)):
                return entry
            quarters = None
            for x, y in ((a, b), (b, a)):
                quarter = self.quarter(x) if aligned(x) else None
                if quarter:
                    quarters = "(%s*%s)" % (quarter, y[1])
                    break
        else:
            if not (aligned(a) and aligned(b)):
                return entry
            x, y = self.quarter(a), self.quarter(b)
            quarters = None
            if x or y:
                quarters = "(%s%s%s)" % (x or "(%s>>2)" % a[1], "+-"[which - 3], y or "(%s>>2)" % b[1])
        if quarters:
            self.note_quarter(entry[1], quarters)
        return entry[:4] + (entry[4] | ALIGNED,)

    def divide(self, t, which, a, b):
        """div_s, div_u, rem_s, rem_u."""
        flags = (a[4] | b[4]) & EFFECT
        if b[2] <= 0 <= b[3] or which == 0 and b[2] <= -1 <= b[3]:
            flags |= EFFECT
        held_signed = t == I64 or self.mode.signed
        top = (0x7FFFFFFF if t == I32 else 0x7FFFFFFFFFFFFFFF) if which & 1 == 0 or held_signed else 0xFFFFFFFF
        if a[2] >= 0 and b[2] >= 0 and a[3] <= top and b[3] <= top:
            # Python's floor division is right where both are not negative.
            if which < 2:
                self.push((t, "(%s//%s)" % (a[1], b[1]), 0, a[3], flags))
            else:
                self.push((t, "(%s%%%s)" % (a[1], b[1]), 0, min(a[3], max(b[3] - 1, 0)), flags))
            return
        if which & 1:
            mask = 0xFFFFFFFF if t == I32 else 0xFFFFFFFFFFFFFFFF
            text = "(%s%s%s)" % (self.unsigned(a), "//" if which == 1 else "%", self.unsigned(b))
            self.push((t, text, 0, mask, flags | EFFECT))
            return
        lo, hi = _signed_range(t)
        if which == 0:
            text = "divs(%s,%s,%d)" % (self.as_signed(a), self.as_signed(b), hi)
        else:
            text = "rems(%s,%s)" % (self.as_signed(a), self.as_signed(b))
        self.push((t, text, lo, hi, flags))

    def bitwise(self, t, which, a, b):
        """and, or, xor: right on values that have not wrapped, too."""
        flags = (a[4] | b[4]) & EFFECT
        text = "(%s%s%s)" % (a[1], "&|^"[which - 10], b[1])
        if which == 10:
            # A mask cleans: the bits above it are gone.
            if t == I32 and (aligned(a) or aligned(b)):
                flags |= ALIGNED
            highs = [e[3] for e in (a, b) if e[2] >= 0]
            if highs:
                self.push((t, text, 0, min(highs), flags))
                return
        lo = min(a[2], b[2])
        bound = _bits_bound(lo, max(a[3], b[3]))
        self.push((t, text, -bound - 1 if lo < 0 else 0, bound, flags))

    def shift(self, t, which, a, b):
        """shl, shr_s, shr_u, rotl, rotr."""
        bits = 32 if t == I32 else 64
        flags = (a[4] | b[4]) & EFFECT
        if known(b):
            k = b[2] & bits - 1
            if k == 0:
                self.push(a)
            elif which < 3:
                self.shift_by(t, which, a, k, bits)
            else:
                self.rotate_by(t, a, k if which == 3 else bits - k, bits)
            return
        a = self.clean(a)
        by = b[1] if 0 <= b[2] and b[3] < bits else "(%s&%d)" % (b[1], bits - 1)
        if which == 0:
            most = bits - 1 if b[3] >= bits or b[2] < 0 else b[3]
            if t == I64 and not (a[2] >= 0 and a[3] << most < 1 << 62):
                self.push((t, "shl(%s,%s)" % (a[1], by)) + _signed_range(t) + (flags,))
            else:
                self.push((t, "(%s<<%s)" % (a[1], by), min(0, a[2] << most), a[3] << most, flags))
        elif which == 1:
            lo, hi = _signed_range(t)
            if a[3] <= hi:
                lo, hi = min(0, a[2]), max(0, a[3])
            self.push((t, "(%s>>%s)" % (self.as_signed(a), by), lo, hi, flags))
        elif which == 2:
            hi = 0xFFFFFFFF if t == I32 else 0xFFFFFFFFFFFFFFFF
            if a[2] >= 0:
                hi = a[3]
            self.push((t, "(%s>>%s)" % (self.unsigned(a), by), 0, hi, flags))
        else:
            if which == 4:
                by = "-" + by
            hi = 0xFFFFFFFF if t == I32 else 0xFFFFFFFFFFFFFFFF
            self.push((t, "rotl(%s,%s,%d)" % (self.unsigned(a), by, bits), 0, hi, flags))

    def shift_by(self, t, which, a, k, bits):
        """Shift by a constant 0 < k < bits."""
        flags = a[4] & EFFECT
        if which == 0:
            if k > 1 and t == I32:
                flags |= ALIGNED
            most = 1 << 60 >> k
            if a[2] < -most or a[3] >= most:
                # Drop the bits that will fall out first, so that the rest stays small.
                if t == I32 and not self.mode.signed:
                    keep = (1 << bits - k) - 1
                    a = (t, "(%s&%d)" % (a[1], keep), 0, keep, a[4])
                else:
                    a = self.clean(a)
            text = "(%s<<%d)" % (a[1], k)
            if flags & ALIGNED:
                self.note_quarter(text, a[1] if k == 2 else "(%s<<%d)" % (a[1], k - 2))
            self.push((t, text, a[2] << k, a[3] << k, flags))
            return
        a = self.clean(a)
        if which == 1:
            lo, hi = _signed_range(t)
            if a[3] <= hi:
                lo, hi = a[2], a[3]
            self.push((t, "(%s>>%d)" % (self.as_signed(a), k), lo >> k, hi >> k, flags))
        elif a[2] >= 0:
            self.push((t, "(%s>>%d)" % (a[1], k), a[2] >> k, a[3] >> k, flags))
        else:
            keep = (1 << bits - k) - 1
            self.push((t, "(%s>>%d&%d)" % (a[1], k, keep), 0, keep, flags))

    def rotate_by(self, t, a, k, bits):
        """Rotate left by a constant."""
        a = self.clean(a)
        if t == I32 and not self.mode.signed and simple(a[1]):
            text = "(%s<<%d|%s>>%d)" % (a[1], k, a[1], bits - k)
            self.push((t, text, 0, (1 << 32 + k) - 1, a[4] & EFFECT))
            return
        hi = 0xFFFFFFFF if t == I32 else 0xFFFFFFFFFFFFFFFF
        self.push((t, "rotl(%s,%d,%d)" % (self.unsigned(a), k, bits), 0, hi, a[4] & EFFECT))

    def unsigned(self, e):
        """Text of a clean integer's unsigned value."""
        if e[2] >= 0:
            return e[1]
        return "(%s&%d)" % (e[1], 0xFFFFFFFF if e[0] == I32 else 0xFFFFFFFFFFFFFFFF)

    def as_signed(self, e):
        """Text of a clean integer's signed value."""
        if e[0] == I32 and e[3] > 0x7FFFFFFF:
            if known(e):
                return "%d" % (e[2] - 0x100000000)
            return "((%s^2147483648)-2147483648)" % e[1]
        return e[1]

    # Floats and conversions.

    def float(self, op):
        """Float arithmetic: 0x8B.. of f32, 0x99.. of f64."""
        t, which = (F32, op - 0x8B) if op < 0x99 else (F64, op - 0x99)
        if which < 7:
            a = self.pop(t)
            text = _FLOAT_UNARY[which] % a[1]
            flags = a[4]
        else:
            b = self.pop(t)
            a = self.pop(t)
            text = _FLOAT_BINARY[which - 7] % (a[1], b[1])
            flags = a[4] | b[4]
        # Double arithmetic then one rounding is exact f32 arithmetic (53 >= 2*24+2 bits).
        if t == F32 and 6 <= which < 11:
            text = "R(%s)" % text
        self.push((t, text, 0, 0, flags))

    def convert(self, op):
        """Conversions 0xA7..0xBF."""
        source, target = CONVERSIONS[op - 0xA7]
        e = self.number(self.pop(source))
        flags = e[4] & EFFECT
        if op == 0xA7:  # i32.wrap_i64
            self.push((I32,) + e[1:])
        elif op == 0xAC or op == 0xAD:  # i64.extend_i32
            e = self.clean(e)
            if op == 0xAC:
                lo, hi = (e[2], e[3]) if e[3] <= 0x7FFFFFFF else _signed_range(I32)
                self.push((I64, self.as_signed(e), lo, hi, flags))
            elif e[2] >= 0:
                self.push((I64,) + e[1:])
            else:
                self.push((I64, self.unsigned(e), 0, 0xFFFFFFFF, flags))
        elif source in (F32, F64) and target in (I32, I64) and op < 0xBC:
            self.truncate(e, target, (op - 0xA8 if target == I32 else op - 0xAE) & 1, "ftoi")
        elif op < 0xBC:
            self.to_float(op, e, source, target, flags)
        else:
            self.reinterpret(op, e, flags)

    def truncate(self, e, target, unsigned, helper):
        lo, hi = _signed_range(target)
        if unsigned:
            lo, hi = 0, hi * 2 + 1
        self.push((target, "%s(%s,%d,%d)" % (helper, e[1], lo, hi), lo, hi, e[4] | EFFECT))

    def saturate(self, which):
        """0xFC 0..7: i32 from f32 s, u, f64 s, u; then i64."""
        e = self.pop(F64 if which & 2 else F32)
        self.truncate(e, I64 if which & 4 else I32, which & 1, "sat")

    def to_float(self, op, e, source, target, flags):
        """Integers to floats, demote and promote."""
        if op == 0xB6:
            text = "R(%s)" % e[1]
        elif op == 0xBB:
            text = e[1]
        else:
            e = self.clean(e)
            unsigned = (op - 0xB2 if target == F32 else op - 0xB7) & 1
            text = self.unsigned(e) if unsigned else self.as_signed(e)
            if source == I64:
                text = ("itof(%s)" if target == F32 else "itod(%s)") % text
            else:
                text = ("R(float(%s))" if target == F32 else "float(%s)") % text
        self.push((target, text, 0, 0, flags))

    def reinterpret(self, op, e, flags):
        """Bits of a float as an integer and back."""
        e = self.clean(e)
        lo, hi = _signed_range(I32 if op == 0xBC else I64)
        if op == 0xBC:
            self.push((I32, "fbits(%s)" % e[1], lo, hi, flags))
        elif op == 0xBD:
            self.push((I64, "dbits(%s)" % e[1], lo, hi, flags))
        elif op == 0xBE:
            self.push((F32, "bitsf(%s)" % self.unsigned(e), 0, 0, flags))
        else:
            self.push((F64, "bitsd(%s)" % e[1], 0, 0, flags))

    def extend(self, op):
        """Sign extension 0xC0..0xC4."""
        t = I32 if op < 0xC2 else I64
        e = self.number(self.pop(t))
        bits = (8, 16, 8, 16, 32)[op - 0xC0]
        half = 1 << bits - 1
        if e[2] < -half or e[3] >= half:
            text = "((%s&%d^%d)-%d)" % (e[1], half * 2 - 1, half, half)
            e = (t, text, -half, half - 1, e[4])
        self.push(e)


def _signed_range(t):
    if t == I32:
        return (-0x80000000, 0x7FFFFFFF)
    return (-0x8000000000000000, 0x7FFFFFFFFFFFFFFF)


def _sum_range(which, a, b):
    if which == 3:
        return a[2] + b[2], a[3] + b[3]
    if which == 4:
        return a[2] - b[3], a[3] - b[2]
    products = (a[2] * b[2], a[2] * b[3], a[3] * b[2], a[3] * b[3])
    return min(products), max(products)
