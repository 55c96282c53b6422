"""What every engine's walk over a function body shares: operand types, constructs, labels.

Validation follows the specification's algorithm (appendix "Validation Algorithm").
An engine's stack entries are tuples that begin with the value's type; it lowers in
the same walk, so nothing is kept of a body but what the engine made of it.  `start`
begins a function and `step` does a bounded number of opcodes: an engine has the
methods that they call, one for an instruction or for a group of alike ones.
"""

from ..compat import const
from .limits import Refused
from .reader import TYPE_NAMES, VALUE_TYPES, Reader
from .scan import scan

BLOCK = const(2)
LOOP = const(3)
IF = const(4)
FUNCTION = const(0)


class Frame:
    """A construct being lowered."""

    def __init__(self, kind, params, results, height, number):
        self.kind = kind
        self.params = params
        self.results = results
        self.height = height
        self.number = number  # its place in the scan's lists
        self.unreachable = False  # by validation's rules: the stack is polymorphic
        self.born_dead = False
        self.reached = False  # a branch that can happen goes to its label
        self.has_else = False


class Validator(Reader):
    """Operand stack and constructs of one function of `module`; the base of every engine's walk."""

    # What a stack gives that is empty in unreachable code: of any type.
    UNKNOWN = (0,)

    def __init__(self, module, limits):
        Reader.__init__(self, module.data, 0, 0)
        self.module = module
        self.limits = limits
        self.index = 0

    def start(self, index):
        """Begin defined function `index` (0 is the first that is not imported)."""
        module = self.module
        pos, end = module.bodies[index]
        index += len(module.imports)
        self.begin(index, pos, end)
        signature = module.types[module.functions[index]]
        self.locals = self.local_types(signature[0])
        self.enter(signature, scan(self.data, self.pos, end, self.limits.nesting, "function %d" % index))

    def begin(self, index, pos, end):
        """Take up function `index`, whose body is data[pos:end]."""
        self.index = index
        self.pos = pos
        self.end = end
        self.stack = []
        self.frames = []
        self.dead = False  # this code cannot be reached: check it, write nothing
        self.waiting = None  # a comparison that br_if, if and i32.eqz may take up, and nothing else

    # The instructions, by opcode.  Those that are none are refused by the scan.

    def step(self, count):
        """Lower up to `count` opcodes; True at the function's end."""
        while count > 0:
            count -= 1
            op = self.byte()
            if self.waiting is not None and op != 0x0D and op != 0x04 and op != 0x45:
                self.write_comparison()
            if op >= 0x45:
                if op == 0xFC:
                    self.prefixed()
                else:
                    self.numeric(op)
            elif op >= 0x41:
                self.constant(op)
            elif op >= 0x28:
                self.access(op)
            elif op >= 0x23:
                self.global_variable(op)
            elif op >= 0x20:
                self.local_variable(op)
            elif op >= 0x1B:
                self.select(op)
            elif op == 0x1A:
                self.drop()
            elif op != 0x0B:
                self.control(op)
            elif self.end_block():
                if self.pos != self.end:
                    self.bad("bytes after the function's end")
                return True
        return False

    def control(self, op):
        """Blocks, branches, calls."""
        if 2 <= op <= 4:
            self.begin_block(op)
        elif op == 0x0D:
            self.branch_if()
        elif op == 0x0C:
            self.branch()
        elif op == 0x05:
            self.begin_else()
        elif op == 0x0E:
            self.branch_table()
        elif op == 0x0F:
            self.leave()
            self.set_unreachable()
        elif op == 0x10:
            self.call()
        elif op == 0x11:
            self.call_indirect()
        elif op == 0:
            self.trap()
            self.set_unreachable()

    def prefixed(self):
        """0xFC: saturating conversions, memory.copy, memory.fill."""
        op = self.u32()
        if op < 8:
            self.saturate(op)
        else:
            self.need_memory()
            self.zero_bytes(2 if op == 10 else 1)
            self.bulk("copy" if op == 10 else "fill")

    # What several instructions need.

    def where(self):
        return "function %d, byte %d" % (self.index, self.pos)

    def local_types(self, params):
        """Types of parameters and locals."""
        types = list(params)
        cap = self.limits.locals
        for _ in range(self.u32()):
            n = self.u32()
            t = self.value_type()
            if n > cap or len(types) + n > cap:
                raise Refused("function %d has more than %d locals: split it" % (self.index, cap))
            types.extend([t] * n)
        return types

    def block_type(self):
        """(params, results) of a block."""
        b = self.byte()
        if b == 0x40:
            return (), ()
        if b in VALUE_TYPES:
            return (), (b,)
        self.pos -= 1
        i = self.signed(33)
        if not 0 <= i < len(self.module.types):
            self.bad("unknown type in a block")
        return self.module.types[i]

    def pop(self, want):
        """Pop an entry of type `want` (0: any)."""
        frame = self.frames[-1]
        stack = self.stack
        if len(stack) == frame.height:
            if frame.unreachable:
                return self.UNKNOWN
            self.bad("type mismatch: the operand stack is empty, %s is needed" % TYPE_NAMES[want])
        entry = stack.pop()
        t = entry[0]
        if t != want and t and want:
            self.bad("type mismatch: %s is given, %s is needed" % (TYPE_NAMES[t], TYPE_NAMES[want]))
        return entry

    def pop_all(self, types):
        """Pop entries of `types`; they come in the order of the types."""
        entries = [self.pop(t) for t in reversed(types)]
        entries.reverse()
        return entries

    def check_height(self):
        """The operand stack's cap."""
        if len(self.stack) > self.limits.stack:
            raise Refused(
                "function %d has more than %d values on the operand stack: simplify it"
                % (self.index, self.limits.stack)
            )

    def check_empty(self, frame):
        """All that a construct may leave has been taken from the stack."""
        if len(self.stack) != frame.height:
            self.bad("type mismatch: values left over at the end of a block")

    def check_else(self):
        """The `if` whose other side begins."""
        frame = self.frames[-1]
        if frame.kind != IF or frame.has_else:
            self.bad("else without if")
        return frame

    def check_end(self):
        """The construct that ends."""
        frame = self.frames[-1]
        if frame.kind == IF and not frame.has_else and frame.params != frame.results:
            self.bad("type mismatch: if without else must give what it takes")
        return frame

    def set_unreachable(self):
        """What follows cannot be reached."""
        frame = self.frames[-1]
        del self.stack[frame.height :]
        frame.unreachable = True
        self.dead = True

    def label(self):
        """The construct that a branch names."""
        depth = self.u32()
        if depth >= len(self.frames):
            self.bad("unknown label %d" % depth)
        return self.frames[-1 - depth]

    def label_types(self, frame):
        """What a branch to the label takes."""
        return frame.params if frame.kind == LOOP else frame.results

    def table_labels(self):
        """The constructs that br_table names, the default last; pops nothing."""
        n = self.u32()
        if n > self.end - self.pos:
            self.bad("unexpected end")
        return [self.label() for _ in range(n + 1)]

    def check_table(self, frames):
        """Each label of br_table finds its types on the stack; as many for all."""
        arity = len(self.label_types(frames[-1]))
        for frame in frames:
            others = self.label_types(frame)
            if len(others) != arity:
                self.bad("type mismatch: the labels of br_table take different values")
            # In unreachable code each label's types are checked on their own.
            self.stack.extend(self.pop_all(others))
        return arity

    def function_type(self):
        """Index and type of the function that a call names."""
        i = self.u32()
        if i >= len(self.module.functions):
            self.bad("unknown function %d" % i)
        return i, self.module.types[self.module.functions[i]]

    def indirect_type(self):
        """Index and type that a call_indirect names."""
        i = self.u32()
        if self.byte():
            self.bad("zero byte expected")
        if self.module.table < 0:
            self.bad("unknown table 0")
        if i >= len(self.module.types):
            self.bad("unknown type %d" % i)
        return i, self.module.types[i]

    def local(self):
        """Index of the local that is named, in self.locals."""
        i = self.u32()
        if i >= len(self.locals):
            self.bad("unknown local %d" % i)
        return i

    def global_type(self, written):
        """Index and type of the global that is named; `written`: it must be mutable."""
        i = self.u32()
        if i >= len(self.module.globals):
            self.bad("unknown global %d" % i)
        t, mutable, _ = self.module.globals[i]
        if written and not mutable:
            self.bad("global %d is immutable" % i)
        return i, t

    def need_memory(self):
        """The module must have a memory."""
        if self.module.memory is None:
            self.bad("unknown memory 0")

    def access_offset(self, size):
        """Alignment and offset of a load or store of `size` bytes; the offset."""
        self.need_memory()
        align = self.u32()
        if align > 3 or 1 << align > size:
            self.bad("alignment must not be larger than natural")
        return self.u32()

    def zero_bytes(self, count):
        """The reserved bytes behind an opcode."""
        for _ in range(count):
            if self.byte():
                self.bad("zero byte expected")

    def select_type(self, op):
        """The type that a select names; 0 if it names none."""
        if op == 0x1B:
            return 0
        if self.u32() != 1:
            self.bad("invalid result arity of select")
        return self.value_type()

    def check_select(self, t, a, b):
        """The type of what select gives."""
        if a[0] and b[0] and a[0] != b[0]:
            self.bad("type mismatch: select of two types")
        return t or a[0] or b[0]
