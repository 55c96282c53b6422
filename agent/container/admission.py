"""Admission: a module's bytes become a program, a few milliseconds at a time."""

from ..errors import LocalError
from . import load, machine
from .decode import Decoder
from .instance import Instance
from .limits import Limits, Refused
from .mode import machine_mode
from .room import check
from .wasi import HOSTS


def engines():
    """The names of the engines usable here, the best one last."""
    return ("translated", "machine") if machine.load() else ("translated",)


class Program:
    """An admitted program: its module and the code that an engine made of it."""

    def __init__(self, module, mode, code, entry):
        self.module = module
        self.mode = mode
        self.code = code
        self.entry = entry
        self.instance = None
        self.engine = code.engine

    def start(self, stdin, args, fuel, output_cap, pages, deterministic, seed, clock_ns=None):
        """Make it ready for one run; Instance.

        stdin: bytes.  args: list of str, after the program's own name.  fuel: the
        allowance.  output_cap: bytes of stdout; a write beyond it is a trap.  pages:
        64 KiB pages its memory may grow to.  deterministic: fixed clock, canonical
        NaNs.  seed: bytes, all its randomness.  clock_ns: a function giving
        nanoseconds, asked only when not deterministic.

        Only the last instance started of a program can run.
        """
        self.code.reset()
        self.instance = Instance(self, stdin, args, fuel, output_cap, pages, deterministic, seed, clock_ns)
        return self.instance


class Admission:
    """Decodes, validates and lowers `data` (bytes); raises Refused.

    `step()` does a few milliseconds of work and is True when `program` is ready.
    With `command` false the module need not be a WASI command, and `hosts` may
    name other imports.  `engine` is a name out of `engines()`; None takes the best.
    """

    def __init__(self, data, limits=None, command=True, mode=None, engine=None, hosts=HOSTS):
        self.limits = limits or Limits()
        self.mode = mode or machine_mode()
        self.command = command
        self.engine = engine
        self.program = None
        self.decoder = Decoder(data, self.limits, hosts)
        self.chosen = None  # the engine's name
        self.lowering = None

    def step(self):
        """Do a few milliseconds of work; True when `program` is ready.  Raises Refused."""
        if self.program:
            return True
        if self.decoder:
            if self.decoder.step():
                self.begin()
            return False
        try:
            code = self.lowering.step() if self.lowering else self.prepare()
        except machine.Unsuitable:
            if self.engine == "machine":
                raise
            self.chosen, self.lowering = "translated", None
            return False
        if code is None:
            return False
        self.program = Program(self.module, self.mode, code, self.entry)
        self.lowering = None
        return True

    def begin(self):
        """The sections are decoded: choose the engine that was asked for, or the best one that is loaded."""
        self.module = self.decoder.module
        self.decoder = None
        self.entry = self.find_entry() if self.command else -1
        if self.engine == "machine" and not machine.load():
            raise LocalError("there is no machine for this processor: engines() says what there is")
        self.chosen = self.engine or ("machine" if machine.loaded() else "translated")

    def prepare(self):
        """Load the chosen engine, then begin to lower the functions with it."""
        if load(self.chosen):
            check(self.module, self.chosen == "translated")
            self.lowering = self.lower()

    def lower(self):
        """The chosen engine's lowering."""
        if self.chosen == "machine":
            from .machine.code import Lowering as MachineLowering

            return MachineLowering(self.module, self.limits, machine.loaded(), self.engine == "machine")
        from .translated.code import Lowering

        return Lowering(self.module, self.mode, self.limits)

    def find_entry(self):
        """Index of the function that runs the command."""
        m = self.module
        kind, i = m.exports.get("_start", (1, 0))
        if kind:
            raise Refused("it exports no function _start: build it as a WASI command (clang --target=wasm32-wasi)")
        if m.types[m.functions[i]] != ((), ()):
            raise Refused("its _start takes or gives values: build it as a WASI command")
        return i
