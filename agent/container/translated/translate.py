"""A function body, validated and translated to one Python function.

`out` holds the source that `exec` gets.  The generated code uses only names of a fixed vocabulary,
because MicroPython never frees an interned name:

  f0.. functions   l0.. locals   s0.. stack slots   g0.. globals   d call depth
  F fuel until the next checkpoint, T the checkpoint, X call depth exceeded
  x what F is while a loop runs that calls nothing, V its checkpoint
  M W m w the memory's views, N its pages, G grow, E address out of bounds
  b p control flow, t u temporaries, K float constants, I the table
  Z Y wrap an i32, an i64; a an address held signed; and the other helpers of names.py
"""

from .access import Access
from .alignment import FOLLOWED
from ..limits import CALL_DEPTH
from ..reader import F32, F64, I32, I64
from ..arithmetic import float_from_bytes
from .stack import ALIGNED, EFFECT, Source, aligned
from .structure import decide

_ZERO = {I32: "0", I64: "0", F32: "0.0", F64: "0.0"}


class Translator(Access):
    """Translates the functions of one module, one at a time."""

    def __init__(self, module, mode, limits, constants):
        Access.__init__(self, module, mode, Source(limits.source_bytes), limits)
        self.constants = constants  # float constants, shared by all functions
        memory = module.memory
        # memory.grow is 0x40 0x00; finding the bytes elsewhere costs only speed.
        self.grows = memory is not None and memory[0] != memory[1] and bytes(self.data).find(b"\x40\x00") >= 0
        self.mutable = ""
        for i in range(len(module.globals)):
            if module.globals[i][1]:
                self.mutable += ",g%d" % i

    def enter(self, signature, shape):
        """The head of the Python function: fuel, depth, views of the memory, locals."""
        if not shape.flat:
            decide(shape)
        params = len(signature[0])
        self.follow_alignment(params, shape)
        self.indent = 0
        self.emit("def f%d(d%s):" % (self.index, "".join([",l%d" % i for i in range(params)])))
        self.indent = 1
        self.emit("global F%s" % self.mutable)
        self.emit("if d>%d:X()" % CALL_DEPTH)
        self.fuel(shape.costs[0])
        if self.module.memory is not None and shape.memory:
            self.emit("m=M;w=W" if self.mode.words else "m=M")
        if shape.branches and not shape.flat:
            self.emit("b=99")
        self.zero_locals(params)
        self.begin_control(shape, signature)
        if shape.flat:
            self.flat_start()

    def zero_locals(self, params):
        """Locals begin as zero."""
        types = self.locals
        for zero in ("0", "0.0"):
            line = ""
            for i in range(params, len(types)):
                if _ZERO[types[i]] == zero:
                    line += "l%d=" % i
                if len(line) > 100 or i == len(types) - 1 and line:
                    self.emit(line + zero)
                    line = ""

    # Constants, variables, drop and select.

    def constant(self, op):
        """Push a constant."""
        if op == 0x41:
            value = self.signed(32)
            if value < 0 and not self.mode.signed:
                value += 0x100000000
            self.push((I32, "%d" % value, value, value, 0))
        elif op == 0x42:
            value = self.signed(64)
            self.push((I64, "%d" % value, value, value, 0))
        else:
            t, size = (F32, 4) if op == 0x43 else (F64, 8)
            self.push((t, self.float_text(self.take(size)), 0, 0, 0))

    def float_text(self, raw):
        """A float constant: a literal if it is a small integer, else kept in K.

        The parsers of floats differ in the last bit from one interpreter to the next.
        """
        value = float_from_bytes(raw)
        if 0.0 <= value < 65536.0 and value == int(value) and not raw[-1] & 128:
            return "%d.0" % int(value)
        constants = self.constants
        for i in range(len(constants)):
            if constants[i][0] == raw:
                return "K[%d]" % i
        constants.append((raw, value))
        return "K[%d]" % (len(constants) - 1)

    def local_variable(self, op):
        """local.get, local.set and local.tee."""
        i = self.local()
        t = self.locals[i]
        name = "l%d" % i
        if op == 0x20:
            known = self.ranges.get(i)
            flags = ALIGNED if i < FOLLOWED and self.aligned >> i & 1 else 0
            if known:
                self.push((t, name, known[0], known[1], flags))
            else:
                self.push_full(t, name, flags)
            return
        entry = self.clean(self.number(self.pop(t)))
        if entry[4] & EFFECT:
            self.settle_effects()
        self.settle_users(name)
        if entry[1] != name:
            self.emit("%s=%s" % (name, entry[1]))
        if t == I32 and (entry[2] > self.mode.lo or entry[3] < self.mode.hi):
            self.ranges[i] = (entry[2], entry[3])
        elif i in self.ranges:
            del self.ranges[i]
        if i < FOLLOWED:
            self.aligned = self.aligned | 1 << i if t == I32 and aligned(entry) else self.aligned & ~(1 << i)
        if op == 0x22:
            self.push((t, name, entry[2], entry[3], entry[4] & ALIGNED))

    def global_variable(self, op):
        """global.get and global.set."""
        i, t = self.global_type(op == 0x24)
        if op == 0x23:
            self.push_full(t, "g%d" % i, EFFECT)
            return
        value = self.value(t)
        self.settle_effects()
        self.emit("g%d=%s" % (i, value))

    def drop(self):
        """drop: an effect stays."""
        entry = self.pop(0)
        if entry[4] & EFFECT:
            self.settle_effects()
            self.emit(entry[1])

    def select(self, op):
        """select, with a type or without."""
        t = self.select_type(op)
        condition = self.pop(I32)
        b = self.clean(self.pop(t))
        a = self.clean(self.pop(t))
        t = self.check_select(t, a, b)
        if self.dead:
            self.push((t, "0", 0, 0, 0))
            return
        # Both are computed, whichever is taken; they may trap.
        at = len(self.stack)
        self.stack.append(a)
        self.stack.append(b)
        self.stack.append(condition)
        if (a[4] | b[4]) & EFFECT:
            for i in range(at, at + 2):
                if self.stack[i][4] & EFFECT:
                    self.settle(i)
        text = self.condition()
        b = self.stack.pop()
        a = self.stack.pop()
        text = "(%s if %s else %s)" % (a[1], text, b[1])
        self.push((t, text, min(a[2], b[2]), max(a[3], b[3]), condition[4] & EFFECT))

    # Calls, and the bulk memory instructions.

    def arguments(self, types):
        texts = [self.value(t) for t in reversed(types)]
        texts.reverse()
        return "".join(["," + text for text in texts])

    def results(self, call, types):
        """Write the call; its results stand in their places."""
        self.settle_effects()
        at = len(self.stack)
        # A value waiting below may have swallowed what stood in these locals.
        for i in range(len(types)):
            self.settle_users("s%d" % (at + i))
        targets = ",".join(["s%d" % (at + i) for i in range(len(types))])
        self.emit("%s=%s" % (targets, call) if targets else call)
        for i in range(len(types)):
            self.push_full(types[i], "s%d" % (at + i))
        self.refresh_if_used()

    def refresh_if_used(self):
        if self.shape.memory:
            self.refresh()

    def call(self):
        i, (params, results) = self.function_type()
        self.results("f%d(d+1%s)" % (i, self.arguments(params)), results)

    def call_indirect(self):
        """call_indirect: the table and the type are looked at when it runs."""
        i, (params, results) = self.indirect_type()
        # The table is looked at before Python evaluates the arguments.
        self.settle_effects()
        index = self.value(I32)
        arguments = self.arguments(params)
        self.results("I(%s,%d)(d+1%s)" % (index, self.module.canon[i], arguments), results)

    def trap(self):
        """unreachable."""
        self.settle_effects()
        self.emit("U()")

    def bulk(self, name):
        """memory.copy and memory.fill."""
        n = self.unsigned_value()
        second = self.unsigned_value()
        first = self.unsigned_value()
        self.settle_effects()
        self.emit("m%s(%s,%s,%s)" % (name, first, second, n))

    def unsigned_value(self):
        return self.unsigned(self.clean(self.number(self.pop(I32))))


__all__ = ("Translator",)
