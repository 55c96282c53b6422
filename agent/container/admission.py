"""Admission: a module's bytes become a program, a few milliseconds at a time."""

from .decode import Decoder
from .instance import Instance
from .limits import Limits, Refused
from .mode import machine_mode
from .translated.names import names
from .translated.translate import Translator
from .wasi import HOSTS

# Opcodes translated in one step: about 5 ms on a PC's MicroPython.
STEP_OPCODES = 100


class Program:
    """An admitted program: its module and its functions as Python functions."""

    def __init__(self, module, mode, namespace, entry):
        self.module = module
        self.mode = mode
        self.names = namespace
        self.entry = entry
        self.instance = None

    def start(self, stdin, args, fuel, output_cap, pages, deterministic, seed, clock_ns=None):
        """Make it ready for one run; Instance.

        stdin: bytes.  args: list of str, after the program's own name.  fuel: the
        allowance.  output_cap: bytes of stdout; a write beyond it is a trap.  pages:
        64 KiB pages its memory may grow to.  deterministic: fixed clock, canonical
        NaNs.  seed: bytes, all its randomness.  clock_ns: a function giving
        nanoseconds, asked only when not deterministic.

        Only the last instance started of a program can run.
        """
        self.names["F"] = 0
        self.instance = Instance(self, stdin, args, fuel, output_cap, pages, deterministic, seed, clock_ns)
        return self.instance


class Admission:
    """Decodes, validates and translates `data` (bytes); raises Refused.

    `step()` does a few milliseconds of work and is True when `program` is ready.
    With `command` false the module need not be a WASI command, and `hosts` may
    name other imports.
    """

    def __init__(self, data, limits=None, command=True, mode=None):
        self.limits = limits or Limits()
        self.mode = mode or machine_mode()
        self.command = command
        self.program = None
        self.decoder = Decoder(data, self.limits, HOSTS)
        self.translator = None
        self.next = 0
        self.busy = False
        self.names = None
        self.constants = []

    def step(self):
        """Do a few milliseconds of work; True when `program` is ready.  Raises Refused."""
        if self.program:
            return True
        if self.decoder:
            if self.decoder.step():
                self.begin()
            return False
        translator = self.translator
        if self.next == len(self.module.bodies):
            self.finish()
            return True
        if not self.busy:
            translator.start(self.next)
            self.busy = True
        elif translator.step(STEP_OPCODES):
            self.compile(translator.out.take())
            self.busy = False
            self.next += 1
        return False

    def begin(self):
        """The sections are decoded: prepare to translate."""
        self.module = self.decoder.module
        self.decoder = None
        self.entry = -1
        if self.command:
            self.entry = self.find_entry()
        self.names = names(self.mode)
        self.translator = Translator(self.module, self.mode, self.limits, self.constants)

    def find_entry(self):
        """Index of the function that runs the command."""
        m = self.module
        kind, i = m.exports.get("_start", (1, 0))
        if kind:
            raise Refused("it exports no function _start: build it as a WASI command (clang --target=wasm32-wasi)")
        if m.types[m.functions[i]] != ((), ()):
            raise Refused("its _start takes or gives values: build it as a WASI command")
        return i

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

    def finish(self):
        # Sorted by first use already: K[i] is the i-th constant.
        self.names["K"] = [value for _, value in self.constants]
        self.program = Program(self.module, self.mode, self.names, self.entry)
        self.translator = None
        self.names = None
