"""Which locals of a function hold multiples of four, where.

A word access through such a local, or through a sum of such values, needs no test of its
address's low bits.  One pass over the body, before a line is written, with a short
abstract stack, notes for each local.set what its value leans on; an instruction that the
pass does not follow makes it forget what was on the stack, which costs speed, never truth.

The walk then carries the set of locals that are multiples of four.  What holds before a
block and is kept by every local.set inside, with what those lean on, holds throughout.
"""

from array import array

from ..opcodes import BLOCK, BR, EIGHT, ELSE, END, FOUR, IMMEDIATES, NONE, NOP, ONE, PREFIX, TABLE, TYPED
from ..reader import I32
from ..scan import number

# What is known of a value: nothing, or the locals it leans on, as bits.
UNKNOWN = -1
# Locals beyond these are not followed: so many bits are a small integer everywhere.
FOLLOWED = 30
# Rounds of looking for what a block keeps; a chain that needs more keeps nothing it sets.
_ROUNDS = 6


class Alignment:
    """What the pass found in one body."""

    def __init__(self, params, types):
        """The function's first `params` locals are its parameters; `types` are all locals' types."""
        self.integers = 0  # locals that are followed, as bits
        self.zeros = 0  # those of them that begin as zero
        for i in range(min(FOLLOWED, len(types))):
            if types[i] == I32:
                self.integers |= 1 << i
                if i >= params:
                    self.zeros |= 1 << i
        self.locals = bytearray()  # what each local.set and local.tee sets, in order
        self.leans = array("i")  # and what its value leans on
        self.first = array("H", (0,))  # construct -> its first local.set
        self.last = array("H", (0,))  # construct -> behind its last

    def kept(self, construct, good):
        """Those of the locals `good` that stay multiples of four throughout a construct."""
        first, last = self.first[construct], self.last[construct]
        for _ in range(_ROUNDS):
            before = good
            for k in range(first, last):
                bit = 1 << self.locals[k]
                if good & bit and (self.leans[k] == UNKNOWN or self.leans[k] & ~good):
                    good &= ~bit
            if good == before:
                return good
        for k in range(first, last):
            good &= ~(1 << self.locals[k])
        return good

    def note(self, local, leans):
        """A local is set to a value that leans on these."""
        if local < FOLLOWED and self.integers >> local & 1:
            self.locals.append(local)
            self.leans.append(leans)


def follow(data, pos, end, params, types):
    """The Alignment of a body without its locals, data[pos:end], that `scan` went through."""
    found = Alignment(params, types)
    open_ = [0]
    stack = []
    constant = None  # the value on top, if the last instruction was an i32.const
    while pos < end:
        op = data[pos]
        pos += 1
        last, constant = constant, None
        if 0x20 <= op <= 0x22:
            i, pos = number(data, pos)
            if op == 0x20:
                stack.append(1 << i if i < FOLLOWED and found.integers >> i & 1 else UNKNOWN)
            else:
                found.note(i, stack[-1] if stack else UNKNOWN)
                if op == 0x21 and stack:
                    stack.pop()
        elif op == 0x41:
            constant, pos = number(data, pos)
            stack.append(UNKNOWN if constant & 3 else 0)
        elif 0x6A <= op <= 0x74 and not 0x6D <= op <= 0x70 and len(stack) > 1:
            b = stack.pop()
            stack[-1] = _result(op, stack[-1], b, last)
        else:
            kind = IMMEDIATES[op]
            pos = _skip(data, pos, kind)
            if kind == BLOCK:
                open_.append(len(found.first))
                found.first.append(len(found.locals))
                found.last.append(0)
            elif kind == END:
                found.last[open_.pop()] = len(found.locals)
            _forget(stack, op)
    return found


def _forget(stack, op):
    """An instruction takes values and gives one, or none, of which nothing is known."""
    if 0x28 <= op <= 0x35 or op in (0x45, 0x50) or 0x67 <= op <= 0x69:
        _apply(stack, 1)
    elif 0x46 <= op <= 0x78:
        _apply(stack, 2)
    elif 0x36 <= op <= 0x3E:
        _apply(stack, 2)
        stack.pop()
    elif op == 0x1A:
        _apply(stack, 1)
        stack.pop()
    elif op != 1:
        del stack[:]


def _apply(stack, takes):
    """An instruction takes so many values and gives one of which nothing is known."""
    if len(stack) >= takes:
        del stack[len(stack) - takes :]
    else:
        del stack[:]
    stack.append(UNKNOWN)


def _both(a, b):
    return UNKNOWN if a == UNKNOWN or b == UNKNOWN else a | b


def _result(op, a, b, constant):
    """What add, sub, mul, and, or, xor or shl gives; `constant`: the right operand, if it is one."""
    if op == 0x74:
        return 0 if constant is not None and constant & 31 > 1 else a
    if op == 0x6C or op == 0x71:
        # One multiple of four is enough.
        return a if b == UNKNOWN else b
    return _both(a, b)


def _skip(data, pos, kind):
    """Behind the immediates of an opcode of that kind."""
    lebs = 1
    if kind == NONE or kind == NOP or kind == ELSE or kind == END:
        return pos
    if kind == FOUR or kind == EIGHT or kind == ONE:
        return pos + (4 if kind == FOUR else 8 if kind == EIGHT else 1)
    if kind == TABLE:
        n, pos = number(data, pos)
        lebs = n + 1
    elif kind == TYPED:
        lebs, pos = number(data, pos)
    elif kind == PREFIX:
        op, pos = number(data, pos)
        return pos + (0 if op < 8 else 2 if op == 10 else 1)
    elif kind != BLOCK and kind != BR and kind != 1:
        lebs = 2
    for _ in range(lebs):
        while data[pos] & 128:
            pos += 1
        pos += 1
    return pos
