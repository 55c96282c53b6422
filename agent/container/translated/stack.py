"""The operand stack of a function under translation.

Validation and translation are one walk: the entries carry types, as the
specification's algorithm (appendix "Validation Algorithm") needs, and the
Python expression that will compute them.  An expression stays pending until
something uses it; then it becomes part of a larger one.  It is written down,
into the local named after its depth (s0, s1, ...), when waiting would change its value
or the order of effects.

An entry is (type, text, lo, hi, flags).  lo and hi bound an integer's value as
the text computes it.  A value is *clean* when it lies in the range its type has
in this mode; it may stay outside (a sum that has not wrapped yet) as long as
only its low bits are used.

Two integer modes: on 64-bit interpreters an i32 is held as 0..2^32-1 and wrapped
by a mask; on 32-bit MicroPython it is held as -2^31..2^31-1, because most values
then are small integers.  An i64 is always held signed.
"""

from ...compat import const
from ..limits import Refused
from ..reader import F32, F64, I32, I64
from ..validate import Validator

# Flags of an entry.
EFFECT = const(1)  # reads memory or a global, or may trap: order matters
BOOL = const(2)  # a Python bool: a comparison not yet used as a number
ALIGNED = const(4)  # an i32 whose low two bits are zero

# Longer expressions are written down: the compiler's parse tree costs heap.
TEXT_CAP = const(160)


class Source:
    """The one buffer that generated source is written to, a function at a time."""

    def __init__(self, cap):
        self.buffer = bytearray(4096)
        self.size = 0
        self.cap = cap

    def write(self, indent, text):
        line = b"%s%s\n" % (b" " * indent, bytes(text, "utf-8"))
        size = self.size + len(line)
        while size > len(self.buffer):
            self.buffer.extend(bytes(4096))
        self.buffer[self.size : size] = line
        self.size = size

    def take(self):
        """The source written so far; the buffer is free again."""
        size, self.size = self.size, 0
        return memoryview(self.buffer)[:size]


def simple(text):
    """Is it a name or an integer, free to be used twice?"""
    return text[-1] not in ")]"


def aligned(entry):
    """Is it a multiple of four?"""
    return entry[4] & ALIGNED or entry[2] == entry[3] and not entry[2] & 3


def known(entry):
    """Is its value a known integer, and may its text go unevaluated?"""
    return entry[2] == entry[3] and not entry[4] & EFFECT


class Stack(Validator):
    """Operand stack and source output; the base of the translator."""

    UNKNOWN = (0, "0", 0, 0, 0)

    def __init__(self, module, mode, source, limits):
        Validator.__init__(self, module, limits)
        self.mode = mode
        self.out = source

    def begin(self, index, pos, end):
        """Take up function `index`, whose body is data[pos:end]."""
        Validator.begin(self, index, pos, end)
        # MicroPython's jumps reach 16 KiB of bytecode: long functions are written short.
        self.compact = end - pos > self.mode.compact_bytes
        self.indent = 1
        self.quiet = False  # fuel is counted in x here
        self.ranges = {}  # local -> (lo, hi), where known to be narrower than its type
        self.aligned = 0  # locals that are multiples of four here, as bits
        self.facts = {}  # text of a condition -> what holds where it does, and where not
        self.quarters = {}  # text of a multiple of four -> text of a quarter of it

    def emit(self, text):
        """Write a line of source, unless it could not be reached."""
        if not self.dead:
            out = self.out
            out.write(self.indent, text)
            if out.size > out.cap:
                raise Refused(
                    "function %d translates to more than %d bytes: split it, build with -Oz"
                    % (self.index, out.cap)
                )

    # The types' side.

    def push(self, entry):
        """Push an entry; a long expression is written down at once."""
        stack = self.stack
        stack.append(entry)
        self.check_height()
        if len(entry[1]) > TEXT_CAP:
            self.settle(len(stack) - 1)

    def push_full(self, t, text, flags=0):
        """Push a value of which only the type is known."""
        if t == I32:
            self.push((t, text, self.mode.lo, self.mode.hi, flags))
        elif t == I64:
            self.push((t, text, -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, flags))
        else:
            self.push((t, text, 0, 0, flags))

    # The source's side.

    def note_quarter(self, text, quarter):
        """Note the text of a quarter of what `text` computes; few wait at once."""
        if len(self.quarters) == 32:
            self.quarters.clear()
        self.quarters[text] = quarter

    def quarter(self, entry):
        """Text of a quarter of a multiple of four, if there is one without a shift; else None."""
        if known(entry):
            return "%d" % (entry[2] >> 2)
        return self.quarters.get(entry[1])

    def number(self, entry):
        """The entry with a bool made a number."""
        if entry[4] & BOOL:
            return (I32, "(+%s)" % entry[1], 0, 1, entry[4] & EFFECT)
        return entry

    def clean(self, entry):
        """The entry with its integer wrapped into its type's range."""
        t, text, lo, hi, flags = entry
        if flags & BOOL:
            return self.number(entry)
        if t == I32:
            mode = self.mode
            if lo >= mode.lo and hi <= mode.hi:
                return entry
            if not mode.signed:
                return (t, "(%s&4294967295)" % text, 0, 0xFFFFFFFF, flags)
            if self.compact:
                return (t, "Z(%s)" % text, mode.lo, mode.hi, flags)
            return (t, self.wrap(text, lo < mode.lo, hi > mode.hi, mode.small, "Z"), mode.lo, mode.hi, flags)
        if t == I64:
            if lo >= -0x8000000000000000 and hi <= 0x7FFFFFFFFFFFFFFF:
                return entry
            small = self.mode.small
            if self.compact:
                return (t, "Y(%s)" % text, -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, flags)
            low, high = lo < -0x8000000000000000, hi > 0x7FFFFFFFFFFFFFFF
            return (
                t, self.wrap(text, low, high, small, "Y"), -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, flags,
            )  # fmt: skip
        return entry

    @staticmethod
    def wrap(text, low, high, small, helper):
        """Text that wraps `text` by the helper, unless it is a small integer.

        It can only leave its type below if `low`, above if `high`: one test is cheaper
        than two.  What is not small and still in its type, the helper leaves as it is.
        """
        if low and high:
            return "(t if -%d<=(t:=%s)<=%d else %s(t))" % (small, text, small, helper)
        if low:
            return "(t if (t:=%s)>=-%d else %s(t))" % (text, small, helper)
        return "(t if (t:=%s)<=%d else %s(t))" % (text, small, helper)

    def settle(self, at):
        """Write the entry at depth `at` down into its local."""
        stack = self.stack
        entry = stack[at]
        name = "s%d" % at
        if entry[1] == name:
            return
        if entry[4] & EFFECT:
            # Traps come in the order of the program, so that every engine names the same.
            for lower in range(at):
                if stack[lower][4] & EFFECT:
                    self.settle(lower)
        entry = self.clean(entry)
        # An entry below may have swallowed the value that stood in this local.
        for lower in range(at):
            if name in stack[lower][1] and stack[lower][1] != "s%d" % lower:
                self.settle(lower)
        self.emit("%s=%s" % (name, entry[1]))
        stack[at] = (entry[0], name, entry[2], entry[3], entry[4] & ALIGNED)

    def settle_effects(self):
        """Before an effect or a branch: write down what reads state or may trap."""
        stack = self.stack
        for i in range(len(stack)):
            if stack[i][4] & EFFECT:
                self.settle(i)

    def settle_users(self, name):
        """Before `name` changes: write down what would read it."""
        stack = self.stack
        for i in range(len(stack)):
            if name in stack[i][1]:
                self.settle(i)

    def settle_all(self):
        """Before a block: everything but constants."""
        stack = self.stack
        for i in range(len(stack)):
            text = stack[i][1]
            if not text.isdigit():
                self.settle(i)

    def pop_simple(self, want):
        """Pop a clean value whose text may be used twice."""
        entry = self.clean(self.pop(want))
        if simple(entry[1]):
            return entry
        stack = self.stack
        stack.append(entry)
        self.settle(len(stack) - 1)
        return stack.pop()

    def condition(self):
        """Pop an i32; its text as a condition."""
        entry = self.pop(I32)
        if entry[4] & BOOL:
            return entry[1]
        return self.clean(entry)[1]

    def value(self, want):
        """Pop a value; its text, clean."""
        return self.clean(self.pop(want))[1]


__all__ = ("ALIGNED", "BOOL", "aligned", "EFFECT", "Source", "Stack", "known", "simple", "F32", "F64", "I64")
