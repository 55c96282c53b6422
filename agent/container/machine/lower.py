"""A function body, validated and lowered to the machine's instructions.

The machine has few instructions for i64 and none for floats: what it lacks goes by
`slow`, which calls arithmetic written in Python with the opcode and three slots.
"""

from ..opcodes import ACCESS, CONVERSIONS
from ..reader import F32, F64, I32, I64
from .control import Control
from .words import BOUNDS
from .slots import CONST, LOCAL, SLOT, SLOT_BYTES

# Instructions of two operands, by opcode; "" has none.
_INT32 = ("add", "sub", "mul", "divs", "divu", "rems", "remu", "and", "or", "xor", "shl", "shrs", "shru", "rotl", "")
_INT64 = ("add64", "sub64", "mul64", "", "", "", "", "and64", "or64", "xor64", "shl64", "shrs64", "shru64", "rotl64", "")
# With a number for the second operand.
_NUMBER = {"add": "addi", "mul": "muli", "and": "andi", "or": "ori", "xor": "xori", "shl": "shli",
           "shrs": "shrsi", "shru": "shrui", "rotl": "rotli"}  # fmt: skip
_COMMUTES = ("add", "mul", "and", "or", "xor")
# eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u: the instruction, and whether its operands change places.
_COMPARE = (
    ("eq", 0), ("ne", 0), ("lts", 0), ("ltu", 0), ("lts", 1), ("ltu", 1), ("les", 0), ("leu", 0), ("les", 1), ("leu", 1),
)  # fmt: skip
_NUMBERED = ("eqi", "nei", "ltsi", "ltui", "gtsi", "gtui", "lesi", "leui", "gesi", "geui")
_TURNED = (0, 1, 4, 5, 2, 3, 8, 9, 6, 7)  # with the operands in each other's places
# Loads and stores, from 0x28 on; those that float values and narrow i64s are made of, too.
_LOADS = ("load32", "load64", "load32", "load64", "load8s", "load8u", "load16s", "load16u",
          "load8s", "load8u", "load16s", "load16u", "load32", "load32")  # fmt: skip
_STORES = ("store32", "store64", "store32", "store64", "store8", "store16", "store8", "store16", "store32")
# The machine's checks hold for offsets of up to 30 bits; beyond a memory's most bytes all trap.
_OFFSET = 1 << 30


class Lowerer(Control):
    """Lowers the functions of one module, one at a time.

    `calls` collects the words that hold a called function's index instead of its place.
    """

    def __init__(self, module, limits, words, numbers, globals_at):
        Control.__init__(self, module, limits, words, numbers)
        self.globals_at = globals_at
        self.calls = []

    def enter(self, signature, shape):
        """Write the head of a function, whose locals are known."""
        params = len(signature[0])
        self.put("enter", shape.costs[0], params * SLOT_BYTES, (len(self.locals) - params) * SLOT_BYTES)
        self.begin_control(shape, signature)

    # Constants, variables, drop and select.

    def constant(self, op):
        """Push a constant; a float as its bits."""
        if op == 0x41:
            self.push((I32, CONST, self.signed(32)))
        elif op == 0x42:
            self.push((I64, CONST, self.signed(64)))
        else:
            raw = self.take(4 if op == 0x43 else 8)
            self.push((F32 if op == 0x43 else F64, CONST, int.from_bytes(raw, "little")))

    def local_variable(self, op):
        """local.get, local.set and local.tee."""
        i = self.local()
        t = self.locals[i]
        slot = i * SLOT_BYTES
        if op == 0x20:
            self.push((t, LOCAL, slot))
            return
        entry = self.pop(t)
        self.settle_local(slot)
        at = self.target
        if entry[1] == SLOT and at >= 0 and self.words[at] == entry[2] and not self.dead:
            # What made the value puts it into the local.
            self.words[at] = slot
            self.target = -1
        else:
            self.load(slot, (t,) + entry[1:])
        if op == 0x22:
            self.push((t, LOCAL, slot))

    def global_variable(self, op):
        """global.get and global.set."""
        i, t = self.global_type(op == 0x24)
        at = self.globals_at + i * SLOT_BYTES
        long = t == I64 or t == F64
        if op == 0x23:
            self.put_to("gget64" if long else "gget", self.push_slot(t), at)
        else:
            self.put("gset64" if long else "gset", self.pop_slot(t), at)

    def drop(self):
        """drop."""
        self.pop(0)

    def select(self, op):
        """select, with a type or without."""
        t = self.select_type(op)
        condition = self.pop_slot(I32)
        b = self.pop(t)
        a = self.pop(t)
        t = self.check_select(t, a, b)
        if self.dead:
            self.push_slot(t)
            return
        depth = len(self.stack)
        operands = []
        for i, entry in ((0, a), (1, b)):
            if entry[1] == CONST:
                self.load(self.slot(depth + i), entry)
                entry = (t, SLOT, self.slot(depth + i))
            operands.append(entry[2])
        long = t == I64 or t == F64
        self.put_to("select64" if long else "select", self.push_slot(t), operands[0], operands[1], condition)

    # Memory.

    def access(self, op):
        """Loads, stores, memory.size and memory.grow."""
        if op >= 0x3F:
            self.need_memory()
            self.zero_bytes(1)
            if op == 0x3F:
                self.put_to("size", self.push_slot(I32))
            else:
                pages = self.pop_slot(I32)
                self.put("grow", self.push_slot(I32), pages)
            return
        t, size, signed = ACCESS[op - 0x28]
        offset = self.access_offset(size)
        if op < 0x36:
            self.load_from(op, t, size, signed, offset)
        else:
            self.store_to(op, t, size, offset)

    def address(self, offset, size):
        """Pop a base: (its slot, offset, -1), or (0, 0, n) for a word at the known, safe address n."""
        base = self.pop(I32)
        if base[1] == CONST and not self.dead:
            number = (base[2] & 0xFFFFFFFF) + offset
            if size == 4 and not number & 3 and number + 4 <= self.module.memory[0] << 16:
                return 0, 0, number
        if offset >= _OFFSET:
            self.put("trap", BOUNDS)
            offset = 0
        if base[1] == CONST:
            slot = self.slot(len(self.stack))
            self.load(slot, (I32,) + base[1:])
            return slot, offset, -1
        return base[2], offset, -1

    def load_from(self, op, t, size, signed, offset):
        """A load; i64s of less bytes are widened behind it."""
        base, offset, number = self.address(offset, size)
        slot = self.push_slot(t)
        if number >= 0:
            self.put_to("loadk", slot, number)
        else:
            self.put_to(_LOADS[op - 0x28], slot, base, offset)
        if t == I64 and size < 8:
            self.put_to("longs" if signed else "longu", slot, slot)

    def store_to(self, op, t, size, offset):
        """A store; a float's NaN is made canonical before it, where runs must agree."""
        value = self.pop_slot(t)
        # A known value stands one slot higher than a base will that is known too.
        base, offset, number = self.address(offset, size)
        if t == F32 or t == F64:
            free = self.slot(len(self.stack) + 1)
            self.put("nan32" if t == F32 else "nan64", free, value)
            value = free
        if number >= 0:
            self.put("storek", value, number)
        else:
            self.put(_STORES[op - 0x36], value, base, offset)

    def bulk(self, name):
        """memory.copy and memory.fill."""
        n = self.pop_slot(I32)
        second = self.pop_slot(I32)
        first = self.pop_slot(I32)
        self.put(name, first, second, n)

    # Numbers.

    def slow(self, opcode, types, t):
        """An instruction that is written in Python."""
        slots = [self.pop_slot(want) for want in reversed(types)]
        slots.reverse()
        slot = self.push_slot(t)
        self.put("slow", opcode, slot, slots[0], slots[-1])
        if not self.dead:
            self.slow_ones += 1
            self.target = len(self.words) - 3

    def saturate(self, op):
        """A saturating conversion."""
        self.slow(0x100 + op, (F64 if op & 2 else F32,), I64 if op & 4 else I32)

    def numeric(self, op):
        """One numeric instruction."""
        if op < 0x5B:
            if op == 0x45:
                self.is_zero()
            elif op == 0x50:
                self.unary("eqz64", I64, I32)
            elif op < 0x50:
                self.compare32(op - 0x46)
            else:
                self.compare64(op - 0x51)
        elif op < 0x67:
            t = F32 if op < 0x61 else F64
            self.slow(op, (t, t), I32)
        elif op < 0x8B:
            t, which = (I32, op - 0x67) if op < 0x79 else (I64, op - 0x79)
            if which < 3:
                self.slow(op, (t,), t)
            else:
                self.integer(op, t, which - 3)
        elif op < 0xA7:
            t, which = (F32, op - 0x8B) if op < 0x99 else (F64, op - 0x99)
            self.slow(op, (t,) if which < 7 else (t, t), t)
        elif op < 0xC0:
            self.convert(op)
        elif op < 0xC2:
            self.unary("ext8" if op == 0xC0 else "ext16", I32, I32)
        else:
            # An i64's low word, narrowed as an i32, then widened.
            if op < 0xC4:
                self.unary("ext8" if op == 0xC2 else "ext16", I64, I64)
            self.unary("longs", I64, I64)

    def unary(self, name, source, t):
        slot = self.pop_slot(source)
        self.put_to(name, self.push_slot(t), slot)

    def binary(self, name, t, result):
        b = self.pop_slot(t)
        a = self.pop_slot(t)
        self.put_to(name, self.push_slot(result), a, b)

    def is_zero(self):
        """i32.eqz: of a comparison its opposite."""
        if self.waiting is not None:
            # Type and place stay as they are.
            self.stack.append(self.pop(I32))
            self.turned()
        else:
            self.compare("z", self.pop_slot(I32))

    def compare32(self, which):
        """A comparison of i32, which a branch behind it takes up."""
        b = self.pop(I32)
        a = self.pop(I32)
        if a[1] == CONST and b[1] != CONST:
            a, b = b, a
            which = _TURNED[which]
        depth = len(self.stack)
        if a[1] == CONST:
            self.load(self.slot(depth), (I32,) + a[1:])
            a = (I32, SLOT, self.slot(depth))
        if b[1] == CONST:
            self.compare(_NUMBERED[which], a[2], b[2])
            return
        name, turned = _COMPARE[which]
        if turned:
            a, b = b, a
        self.compare(name, a[2], b[2])

    def compare64(self, which):
        name, turned = _COMPARE[which]
        b = self.pop_slot(I64)
        a = self.pop_slot(I64)
        if turned:
            a, b = b, a
        self.put_to(name + "64", self.push_slot(I32), a, b)

    def integer(self, op, t, which):
        """add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr."""
        if t == I64:
            if _INT64[which]:
                self.binary(_INT64[which], I64, I64)
            else:
                self.slow(op, (I64, I64), I64)
            return
        b = self.pop(I32)
        a = self.pop(I32)
        name = _INT32[which]
        if a[1] == CONST and name in _COMMUTES:
            a, b = b, a
        if b[1] == CONST:
            if name == "sub":
                name, b = "add", (I32, CONST, -b[2])
            elif which > 9:
                if not name:
                    name, b = "rotl", (I32, CONST, -b[2])
                b = (I32, CONST, b[2] & 31)
        depth = len(self.stack)
        if a[1] == CONST:
            self.load(self.slot(depth), (I32,) + a[1:])
            a = (I32, SLOT, self.slot(depth))
        if b[1] == CONST:
            if name in _NUMBER:
                self.by_number(name, a, b[2])
                return
            self.load(self.slot(depth + 1), (I32,) + b[1:])
            b = (I32, SLOT, self.slot(depth + 1))
        if name:
            self.put_to(name, self.push_slot(I32), a[2], b[2])
        else:
            self.push((I32,) + a[1:])
            self.push((I32,) + b[1:])
            self.slow(op, (I32, I32), I32)

    def by_number(self, name, a, number):
        """An operation with a number; without effect it is none."""
        if not number and name not in ("mul", "and"):
            slot = self.push_slot(I32)
            self.load(slot, (I32,) + a[1:])
        else:
            number = (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
            self.put_to(_NUMBER[name], self.push_slot(I32), a[2], number)

    def convert(self, op):
        """Conversions 0xA7..0xBF."""
        source, target = CONVERSIONS[op - 0xA7]
        if op == 0xA7:  # i32.wrap_i64: the low word
            entry = self.pop(I64)
            self.push((I32, entry[1], _signed32(entry[2]) if entry[1] == CONST else entry[2]))
        elif op == 0xAC or op == 0xAD:
            self.unary("longs" if op == 0xAC else "longu", I32, I64)
        elif op < 0xBC:
            self.slow(op, (source,), target)
        elif op < 0xBE:
            self.unary("nan32" if op == 0xBC else "nan64", source, target)
        else:
            entry = self.pop(source)
            self.push((target,) + entry[1:])


def _signed32(value):
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


__all__ = ("Lowerer",)
