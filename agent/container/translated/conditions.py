"""Comparisons, and what a branch on one tells of the locals in it.

Behind `br_if (i32.eqz (local.get 5))` local 5 is not 0, so what is 1 less need not be
wrapped.  A fact is (local, lo, hi): bounds of an i32 as this mode holds it.
"""

from ..reader import I32
from .stack import BOOL, EFFECT, Stack, known

_COMPARE = ("==", "!=", "<", "<", ">", ">", "<=", "<=", ">=", ">=")
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


def local_of(text):
    """Number of the local that a text names, else -1."""
    return int(text[1:]) if text[0] == "l" and text[1:].isdigit() else -1


class Conditions(Stack):
    """Instructions 0x45..0x5A."""

    def is_zero(self, t):
        e = self.pop(t)
        e = e if e[4] & BOOL else self.clean(e)
        text = "(not %s)" % e[1]
        self.note_facts(text, self.facts_of(e[1], False), self.facts_of(e[1], True), t)
        self.push((I32, text, 0, 1, e[4] & EFFECT | BOOL))

    def compare(self, t, which):
        """eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u, by `which` from 0."""
        b = self.clean(self.pop(t))
        a = self.clean(self.pop(t))
        operator = _COMPARE[which]
        flags = (a[4] | b[4]) & EFFECT | BOOL
        unsigned_op = which > 1 and which & 1
        text = None
        if which > 1:
            if t == I32 and not self.mode.signed:
                if not unsigned_op and (a[3] > 0x7FFFFFFF or b[3] > 0x7FFFFFFF):
                    text = "(%s%s%s)" % (self.flipped(a), operator, self.flipped(b))
            elif unsigned_op and (a[2] < 0 or b[2] < 0):
                self.unsigned_compare(t, which, a, b)
                return
        if text is None:
            text = "(%s%s%s)" % (a[1], operator, b[1])
            self.note_order(t, text, a, operator, b)
        self.push((I32, text, 0, 1, flags))

    def flipped(self, e):
        """Text of an i32 held unsigned, its sign bit flipped: orders as signed."""
        if known(e):
            return "%d" % (e[2] ^ 0x80000000)
        return "(%s^2147483648)" % e[1]

    def unsigned_compare(self, t, which, a, b):
        """Unsigned order of two integers held signed."""
        flags = (a[4] | b[4]) & EFFECT | BOOL
        if known(b) and b[2] >= 0:
            text = ("(0<=%s<%s)", "(not 0<=%s<=%s)", "(0<=%s<=%s)", "(not 0<=%s<%s)")[(which - 3) >> 1]
            text = text % (a[1], b[1])
            below = order_facts((t, a[1], 0, b[3], 0), "<" if which in (3, 9) else "<=", b)
            self.note_facts(text, below if which in (3, 7) else (), () if which in (3, 7) else below, t)
        else:
            # Both are used twice, so both must be names.
            self.push(a)
            self.push(b)
            b = self.pop_simple(t)
            a = self.pop_simple(t)
            flags = (a[4] | b[4]) & EFFECT | BOOL
            if which in (5, 7):  # gt, le
                x, y = b[1], a[1]
            else:
                x, y = a[1], b[1]
            text = "(%s<%s if (%s^%s)>=0 else %s<0)" % (x, y, x, y, y)
            if which > 5:
                text = "(not %s)" % text
        self.push((I32, text, 0, 1, flags))

    # What they tell.

    def note_facts(self, text, true, false, t=I32):
        """Note, or forget, what holds where the condition `text` does, and where it does not."""
        if t == I32 and (true or false):
            if len(self.facts) == 32:
                self.facts.clear()
            self.facts[text] = true, false
        elif text in self.facts:
            # The same text of another time may have said more.
            del self.facts[text]

    def note_order(self, t, text, a, operator, b):
        """Note what the comparison of two clean integers tells of each."""
        true = order_facts(a, operator, b) + order_facts(b, _MIRRORED[operator], a)
        operator = _OPPOSITE[operator]
        self.note_facts(text, true, order_facts(a, operator, b) + order_facts(b, _MIRRORED[operator], a), t)

    def facts_of(self, text, truth):
        """Facts that hold where `text`, a condition, is true or not."""
        local = local_of(text)
        if local < 0:
            return self.facts.get(text, ((), ()))[not truth]
        if not truth:
            return ((local, 0, 0),)
        return () if self.mode.signed else ((local, 1, 0xFFFFFFFF),)

    def rely_on(self, facts):
        """From here on these facts hold."""
        mode = self.mode
        for i, lo, hi in facts:
            if self.locals[i] == I32:
                old = self.ranges.get(i, (mode.lo, mode.hi))
                lo, hi = max(lo, old[0]), min(hi, old[1])
                if lo <= hi:
                    self.ranges[i] = (lo, hi)


def order_facts(a, operator, b):
    """What `a operator b` tells of a, if that is a local: () or one fact."""
    local = local_of(a[1])
    if local < 0 or operator == "!=":
        return ()
    lo, hi = a[2], a[3]
    if operator == "==":
        lo, hi = b[2], b[3]
    elif operator[0] == "<":
        hi = b[3] - (operator == "<")
    else:
        lo = b[2] + (operator == ">")
    return ((local, lo, hi),)
