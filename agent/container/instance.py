"""One run of an admitted program: memory, meter, outcome."""

from ..errors import LocalError
from .decode import most_pages
from .limits import TICK_FUEL
from .memory import Memory
from .runtime import (
    Unwind, bitsd, bitsf, copysign, copysign_canonical, dbits, dbits_canonical, fbits, fbits_canonical,
    float_from_bytes, trap,
)  # fmt: skip
from .wasi import Wasi

# The clock a deterministic job sees: 2001-09-09T01:46:40Z.
FIXED_CLOCK_NS = 1000000000 * 1000000000

# Characters of a job's stderr that go into the reason of its exit.
_REASON_CHARS = 120


class Outcome:
    """How a run ended.

    kind: "ok" (exit code 0), "exit" (another code), "trap", "fuel", "memory",
    "cancelled"; also "refused" for an input that admission refused.  code: the exit code.  reason: one short line,
    for "exit" the first line the job wrote to stderr.  output: stdout, also when the run
    ended badly.  fuel: what it used, never above its allowance.  pages: its
    memory's peak, in 64 KiB pages.  ms is left to the caller.
    """

    def __init__(self, kind, code, reason, output, fuel, pages):
        self.kind = kind
        self.code = code
        self.reason = reason
        self.output = output
        self.fuel = fuel
        self.pages = pages
        self.ms = 0


class Instance:
    """A program's globals filled in for one run."""

    def __init__(self, program, stdin, args, fuel, output_cap, pages, deterministic, seed, clock_ns):
        self.program = program
        self.names = program.names
        self.allowance = fuel
        self.left = fuel  # not yet granted to the generated code's counter
        self.granted = 0
        self.tick = None
        self.fault = None
        self.ran = False
        self.memory = None
        # A wrong size here is found by `run`: starting never fails half-way.
        self.pages_cap = pages
        self.deterministic = deterministic
        clock = FIXED_CLOCK_NS if deterministic or clock_ns is None else clock_ns
        self.wasi = Wasi(None, stdin, args, output_cap, bytes(seed), clock)

    def run(self, tick):
        """Run to the end; Outcome.

        `tick()` is called about every TICK_FUEL of fuel: True goes on, False cancels.
        What it raises is raised here.
        """
        if self.ran or self.program.instance is not self:
            raise LocalError("an instance runs once, and before its program is started again")
        self.ran = True
        self.tick = tick
        kind, code, reason = "ok", 0, ""
        try:
            self.prepare()
            self.execute()
        except Unwind as e:
            kind, code, reason = e.kind, e.code, e.reason
            if kind == "exit" and not code:
                kind = "ok"
        except (ArithmeticError, LookupError, RuntimeError, ValueError, MemoryError) as e:
            if e is self.fault or e is self.wasi.fault:
                raise
            kind, reason = _name_trap(e)
        finally:
            pages = self.memory.pages if self.memory else 0
            used = self.used()
            self.release()
        if kind == "exit":
            reason = self.stderr_line()
        output = bytes(self.wasi.output)
        return Outcome(kind, code, reason, output, used, pages)

    def used(self):
        used = self.allowance - self.left - self.names["F"]
        return min(max(used, 0), self.allowance)

    def stderr_line(self):
        raw = bytes(self.wasi.errors).split(b"\n")[0][:_REASON_CHARS]
        return "".join([chr(c) if 32 <= c < 127 else "?" for c in raw])

    def prepare(self):
        """Memory, table, globals and segments, as instantiation orders them."""
        program, names = self.program, self.names
        module = program.module
        self.grant()
        if module.memory is not None:
            if module.memory[0] > self.pages_cap:
                raise Unwind("memory", 0, "it needs %d pages, its limit is %d" % (module.memory[0], self.pages_cap))
            self.memory = Memory(program.mode, module.memory[0], most_pages(module, self.pages_cap), names)
            self.memory.canonical_stores(self.deterministic)
            self.wasi.memory = self.memory
        det = self.deterministic
        names["csign"] = copysign_canonical if det else copysign
        names["fbits"] = fbits_canonical if det else fbits
        names["dbits"] = dbits_canonical if det else dbits
        names["T"] = self.checkpoint
        names["I"] = self.indirect
        for i in range(len(module.globals)):
            names["g%d" % i] = self.initial(*module.globals[i])
        for i in range(len(module.imports)):
            names["f%d" % i] = self.wasi.bind(module.imports[i][1])
        self.table = [-1] * max(module.table, 0)
        for offset, functions in module.elements:
            if offset + len(functions) > len(self.table):
                trap("out of bounds table access")
            self.table[offset : offset + len(functions)] = functions
        for offset, start, end in module.data_segments:
            if offset + end - start > self.memory.size:
                trap("out of bounds memory access")
            self.memory.bytes[offset : offset + end - start] = module.data[start:end]

    def initial(self, t, mutable, value):
        if not isinstance(value, int):
            return float_from_bytes(value)
        if t == 0x7F and value < 0 and not self.program.mode.signed:
            return value + 0x100000000
        return value

    def execute(self):
        module, names = self.program.module, self.names
        if module.start >= 0:
            names["f%d" % module.start](0)
        if self.program.entry >= 0:
            names["f%d" % self.program.entry](0)

    def release(self):
        """Let go of the memory: the program keeps only its code."""
        names = self.names
        names["M"] = names["W"] = None
        for name in ("G", "lw", "sw", "lq", "sq", "lf", "ld", "sf", "sd", "mcopy", "mfill", "T", "I"):
            names[name] = None
        for i in range(len(self.program.module.imports)):
            names["f%d" % i] = None
        self.wasi.memory = None
        self.memory = None

    # Called by generated code.

    def grant(self):
        """Move fuel from the allowance to the counter that generated code lowers."""
        n = min(self.left, TICK_FUEL)
        self.left -= n
        self.names["F"] += n

    def checkpoint(self):
        """The counter fell below 0."""
        while self.names["F"] < 0:
            if not self.left:
                raise Unwind("fuel", 0, "out of fuel after %d" % self.allowance)
            self.grant()
        try:
            going = self.tick()
        except BaseException as e:
            self.fault = e
            raise
        if not going:
            raise Unwind("cancelled", 0, "cancelled")

    def indirect(self, index, canon):
        """The function for call_indirect."""
        index &= 0xFFFFFFFF
        if index >= len(self.table):
            trap("undefined element")
        function = self.table[index]
        if function < 0:
            trap("uninitialized element")
        module = self.program.module
        if module.canon[module.functions[function]] != canon:
            trap("indirect call type mismatch")
        return self.names["f%d" % function]


def _name_trap(e):
    """What an exception out of generated code means."""
    if isinstance(e, MemoryError):
        return "memory", "the box has no memory left for it"
    if isinstance(e, ZeroDivisionError):
        return "trap", "integer divide by zero"
    if isinstance(e, (IndexError, OverflowError)):
        return "trap", "out of bounds memory access"
    if isinstance(e, RuntimeError):
        return "trap", "call depth exceeded"
    raise e
