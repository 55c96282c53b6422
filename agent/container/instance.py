"""One run of an admitted program: memory, meter, outcome."""

from ..errors import LocalError
from .arithmetic import (
    ODD_NAN, copysign, copysign_canonical, dbits, dbits_canonical, fbits, fbits_canonical,
    float_from_bytes, wrap32,
)  # fmt: skip
from .decode import most_pages
from .limits import TICK_FUEL
from .memory import Memory
from .reader import I32
from .trap import Unwind, trap
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
        self.ready = False
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
        try:
            kind, code, reason = self.guarded(self.execute, ())[:3]
        finally:
            pages = self.memory.pages if self.memory else 0
            used = self.used()
            self.release()
        if kind == "exit":
            reason = self.stderr_line()
        return Outcome(kind, code, reason, bytes(self.wasi.output), used, pages)

    def invoke(self, name, args, tick):
        """Call an exported function; (kind, code, reason, what it returned).

        For tests and for modules that are not commands: the instance keeps its
        memory, so a `run` may not follow.  i32 and i64 are signed on the way in and out.
        """
        module = self.program.module
        kind, index = module.exports[name]
        if kind:
            raise LocalError("the export %s is no function" % name)
        self.tick = tick
        params, results = module.types[module.functions[index]]
        args = [self.held(t, a) for t, a in zip(params, args)]
        outcome = self.guarded(self.call, (index, args))
        values = outcome[3]
        if outcome[0] == "ok":
            values = () if not results else values if len(results) > 1 else (values,)
            values = tuple([wrap32(v) if t == I32 else v for t, v in zip(results, values)])
        return outcome[:3] + (values,)

    def guarded(self, action, args):
        """Do it, with what ends a run told apart from our own errors."""
        try:
            if not self.ready:
                self.prepare()
                self.ready = True
            return "ok", 0, "", action(*args)
        except Unwind as e:
            kind = "ok" if e.kind == "exit" and not e.code else e.kind
            return kind, e.code, e.reason, None
        except (ArithmeticError, LookupError, RuntimeError, ValueError, MemoryError) as e:
            if e is self.fault or e is self.wasi.fault:
                raise
            kind, reason = _name_trap(e)
            return kind, 0, reason, None

    def call(self, index, args):
        return self.names["f%d" % index](0, *args)

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
        canonical = self.deterministic or ODD_NAN
        if module.memory is not None:
            if module.memory[0] > self.pages_cap:
                raise Unwind("memory", 0, "it needs %d pages, its limit is %d" % (module.memory[0], self.pages_cap))
            self.memory = Memory(program.mode, module.memory[0], most_pages(module, self.pages_cap), names)
            self.memory.canonical_stores(canonical)
            self.wasi.memory = self.memory
        names["csign"] = copysign_canonical if canonical else copysign
        names["fbits"] = fbits_canonical if canonical else fbits
        names["dbits"] = dbits_canonical if canonical else dbits
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
        if module.start >= 0:
            self.call(module.start, ())

    def initial(self, t, mutable, value):
        """A global's initial value; floats are decoded as bytes."""
        if isinstance(value, bytes):
            return float_from_bytes(value)
        return self.held(t, value)

    def held(self, t, value):
        """A signed integer as generated code holds it."""
        if t == I32 and value < 0 and not self.program.mode.signed:
            return value + 0x100000000
        return value

    def execute(self):
        if self.program.entry >= 0:
            self.call(self.program.entry, ())

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
