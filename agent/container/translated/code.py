"""Translated functions as one program's code: what an instance runs and how it is bound."""

from ..arithmetic import (
    copysign, copysign_canonical, dbits, dbits_canonical, fbits, fbits_canonical, float_from_bytes,
)  # fmt: skip
from ..limits import Refused
from ..reader import I32
from ..trap import trap
from .names import names
from .translate import Translator
from .views import Views

# Opcodes translated in one step: about 5 ms on a PC's MicroPython.
STEP_OPCODES = 100


class Lowering:
    """Makes the code of `module` function by function; `step` raises Refused."""

    def __init__(self, module, mode, limits):
        self.module = module
        self.names = names(mode)
        self.mode = mode
        self.constants = []
        self.translator = Translator(module, mode, limits, self.constants)
        self.next = 0
        self.busy = False

    def step(self):
        """A few milliseconds of work; the Code when all functions are done, else None."""
        if self.next == len(self.module.bodies):
            # Sorted by first use already: K[i] is the i-th constant.
            self.names["K"] = [value for _, value in self.constants]
            return Code(self.module, self.mode, self.names)
        if not self.busy:
            self.translator.start(self.next)
            self.busy = True
        elif self.translator.step(STEP_OPCODES):
            self.compile(self.translator.out.take())
            self.busy = False
            self.next += 1
        return None

    def compile(self, source):
        """Make one function runnable; its source is bytes.  Raises Refused."""
        try:
            exec(source, self.names)
        except (RuntimeError, SyntaxError, OverflowError) as e:
            # MicroPython's jumps are 16 bits; CPython's parser has its own depth.
            raise Refused(
                "function %d is too large or too deep for this interpreter (%s): split it"
                % (self.translator.index, e)
            )


class Code:
    """A program's functions as Python functions, and the globals they share."""

    engine = "translated"

    def __init__(self, module, mode, namespace):
        self.module = module
        self.mode = mode
        self.names = namespace
        self.table = None
        self.views = None
        self.instance = None

    # The meter: F is what is left until the next checkpoint, below 0 when it is due.

    def left(self):
        """Fuel granted and not used."""
        return self.names["F"]

    def grant(self, fuel):
        """Allow so much more."""
        self.names["F"] += fuel

    def charge(self, fuel):
        """Take fuel for what one instruction did, with a checkpoint when it is due."""
        names = self.names
        names["F"] -= fuel
        if names["F"] < 0:
            names["T"]()

    def refill(self, left):
        """A checkpoint where fuel is counted in a local, which is below 0; what it becomes."""
        names, instance = self.names, self.instance
        names["F"] = left
        try:
            names["T"]()
        except BaseException:
            # The generated code will set F to `left`, so what was granted goes back.
            instance.left += names["F"] - left
            raise
        return names["F"]

    # A run.

    def reset(self):
        """Forget the last run's meter."""
        self.names["F"] = 0

    def begin(self, instance, canonical):
        """Bind globals and imports for one run; `canonical`: NaNs show no bits of their own."""
        module, names = self.module, self.names
        self.canonical = canonical
        self.instance = instance
        names["csign"] = copysign_canonical if canonical else copysign
        names["fbits"] = fbits_canonical if canonical else fbits
        names["dbits"] = dbits_canonical if canonical else dbits
        names["T"] = instance.checkpoint
        names["V"] = self.refill
        names["I"] = self.indirect
        for i in range(len(module.globals)):
            names["g%d" % i] = self.initial(*module.globals[i])
        for i in range(len(module.imports)):
            names["f%d" % i] = instance.wasi.bind(module.imports[i][1])

    def initial(self, t, mutable, value):
        """A global's initial value; floats are decoded as bytes."""
        if isinstance(value, bytes):
            return float_from_bytes(value)
        return self.held(t, value)

    def held(self, t, value):
        """A signed integer as generated code holds it."""
        if t == I32 and value < 0 and not self.mode.signed:
            return value + 0x100000000
        return value

    def fill_table(self, table):
        """The table's functions, by index; -1 for none."""
        self.table = table

    def attach(self, memory):
        """The instance's memory is there, or has moved."""
        if self.views is None:
            self.views = Views(self.names, self.mode, self.canonical)
        self.views.show(memory)

    def call(self, index, args):
        """Call function `index`; what it returns: None, a value, or a tuple."""
        types = self.module.types[self.module.functions[index]][0]
        return self.names["f%d" % index](0, *[self.held(t, a) for t, a in zip(types, args)])

    def indirect(self, index, canon):
        """The function for call_indirect; a trap if it is not of the type `canon`."""
        index &= 0xFFFFFFFF
        if index >= len(self.table):
            trap("undefined element")
        function = self.table[index]
        if function < 0:
            trap("uninitialized element")
        if self.module.canon[self.module.functions[function]] != canon:
            trap("indirect call type mismatch")
        return self.names["f%d" % function]

    def end(self):
        """Let go of the run: only the code is kept."""
        names = self.names
        if self.views is not None:
            self.views.hide()
            self.views = None
        names["T"] = names["V"] = names["I"] = None
        for i in range(len(self.module.imports)):
            names["f%d" % i] = None
        self.table = None
