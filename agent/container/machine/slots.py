"""Operand stack and code output of the machine's lowering.

An entry is (type, kind, value).  A value on the operand stack stands in a slot of its
own, behind the function's locals (SLOT), or not yet: it is still a local's (LOCAL) or a
known number (CONST) and is moved only when something needs it to be.  A float's number
is its bits.
"""

from ...compat import const
from ..reader import F64, I32, I64
from ..validate import Validator

CONST = const(0)
SLOT = const(1)
LOCAL = const(2)

SLOT_BYTES = const(8)


def wide(t):
    """Does a value of type `t` need both words of its slot?"""
    return t == I64 or t == F64


class Slots(Validator):
    """Values, and the instructions that move them.  `words` is the code: an array of i32."""

    UNKNOWN = (0, CONST, 0)

    def __init__(self, module, limits, words, numbers):
        Validator.__init__(self, module, limits)
        self.words = words
        self.numbers = numbers  # {name: (number, words)}
        self.instructions = 0
        self.slow_ones = 0

    def begin(self, index, pos, end):
        """Take up function `index`, whose body is data[pos:end]."""
        Validator.begin(self, index, pos, end)
        self.target = -1  # where the last instruction says what slot it fills
        self.deepest = 0

    # Instructions.

    def put(self, name, *operands):
        """Write an instruction, unless it could not be reached."""
        if not self.dead:
            words = self.words
            words.append(self.numbers[name][0])
            for operand in operands:
                words.append(operand)
            self.target = -1
            self.instructions += 1

    def put_to(self, name, slot, *operands):
        """Write an instruction that fills `slot`."""
        if not self.dead:
            at = len(self.words) + 1
            self.put(name, slot, *operands)
            self.target = at

    def here(self):
        """The place of the next instruction; branches may come to it."""
        self.target = -1
        return len(self.words) * 4

    # Values.

    def slot(self, depth):
        """The slot of the operand at `depth`."""
        return (len(self.locals) + depth) * SLOT_BYTES

    def push(self, entry):
        stack = self.stack
        stack.append(entry)
        if len(stack) > self.deepest:
            self.deepest = len(stack)
            self.check_height()

    def push_slot(self, t):
        """Push a value of type `t` that stands in its own slot, and give the slot."""
        slot = self.slot(len(self.stack))
        self.push((t, SLOT, slot))
        return slot

    def load(self, slot, entry):
        """Write what brings an entry into `slot`."""
        t, kind, value = entry
        if kind == CONST:
            if wide(t):
                self.put_to("const64", slot, _word(value), _word(value >> 32))
            else:
                self.put_to("const", slot, _word(value))
        elif value != slot:
            self.put_to("move64" if wide(t) else "move", slot, value)

    def settle(self, at):
        """Bring the entry at depth `at` into its own slot."""
        entry = self.stack[at]
        slot = self.slot(at)
        if entry[1] != SLOT:
            self.load(slot, entry)
            self.stack[at] = (entry[0], SLOT, slot)

    def settle_local(self, slot):
        """Before a local changes: move the entries that are still in it."""
        stack = self.stack
        for i in range(len(stack)):
            if stack[i][1] == LOCAL and stack[i][2] == slot:
                self.settle(i)

    def settle_locals(self):
        """Before code that may or may not run: no entry stays a local's."""
        stack = self.stack
        for i in range(len(stack)):
            if stack[i][1] == LOCAL:
                self.settle(i)

    def settle_from(self, at):
        """Bring the entries from depth `at` on into their slots."""
        for i in range(at, len(self.stack)):
            self.settle(i)

    def pop_slot(self, want):
        """Pop a value; the slot it stands in."""
        t, kind, value = self.pop(want)
        if kind == CONST:
            slot = self.slot(len(self.stack))
            self.load(slot, (t or want, kind, value))
            return slot
        return value

    # Comparisons that a branch may take up: `waiting` is (name, operands), not yet written.

    def compare(self, name, *operands):
        """Push a comparison's result, to be written when it is not a branch that wants it."""
        if self.dead:
            self.push((I32, CONST, 0))
            return
        self.push_slot(I32)
        self.waiting = (name, operands)

    def write_comparison(self):
        """Something else wants the comparison's result: write it into its slot."""
        name, operands = self.waiting
        self.waiting = None
        slot = self.slot(len(self.stack) - 1)
        if name == "z":
            self.put_to("eqz", slot, operands[0])
            return
        if name == "nz":
            name, operands = "nei", (operands[0], 0)
        if name[-1] == "i":
            # Only branches take a number; the slot above may be the other operand's.
            above = slot + 2 * SLOT_BYTES
            self.load(above, (I32, CONST, operands[1]))
            name, operands = name[:-1], (operands[0], above)
            if name[0] == "g":
                # a > b is b < a, a >= b is b <= a.
                name = ("lt" if name[1] == "t" else "le") + name[2]
                operands = above, operands[0]
        self.put_to(name, slot, *operands)

    def turned(self):
        """Turn the waiting comparison into its opposite."""
        name, operands = self.waiting
        if name in ("z", "nz"):
            self.waiting = ("nz" if name == "z" else "z"), operands
            return
        opposite = _OPPOSITES[name[:3] if name[0] in "lg" else name[:2]]
        number = name[-1] == "i"
        if not number and opposite[0] == "g":
            opposite, operands = ("lt" if opposite[1] == "t" else "le") + opposite[2], (operands[1], operands[0])
        self.waiting = opposite + ("i" if number else ""), operands


_OPPOSITES = {
    "eq": "ne", "ne": "eq",
    "lts": "ges", "les": "gts", "gts": "les", "ges": "lts",
    "ltu": "geu", "leu": "gtu", "gtu": "leu", "geu": "ltu",
}  # fmt: skip


def _word(value):
    """The low 32 bits, signed."""
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
