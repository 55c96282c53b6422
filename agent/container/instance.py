"""One run of an admitted program: memory, meter, outcome."""

from ..errors import LocalError
from .arithmetic import ODD_NAN, wrap32
from .decode import most_pages
from .limits import TICK_FUEL
from .memory import Memory
from .outcome import Outcome
from .reader import I32
from .trap import Unwind, trap
from .wasi import Wasi

# The clock a deterministic job sees: 2001-09-09T01:46:40Z.
FIXED_CLOCK_NS = 1000000000 * 1000000000

# Characters of a job's stderr that go into the reason of its exit.
_REASON_CHARS = 120


class Instance:
    """A program's globals filled in for one run."""

    def __init__(self, program, stdin, args, fuel, output_cap, pages, deterministic, seed, clock_ns):
        self.program = program
        self.code = program.code
        self.allowance = fuel
        self.left = fuel  # not yet granted to the code's counter
        self.quantum = TICK_FUEL  # fuel until the next tick
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

        `tick()` is called about every `quantum` of fuel, TICK_FUEL unless somebody
        changes it: True goes on, False cancels.  What it raises is raised here.
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
            kind, reason = ("exit", self.stderr_line()) if code else ("ok", "")
        return Outcome(kind, code, reason, bytes(self.wasi.output), used, pages)

    def invoke(self, name, args, tick):
        """Call an exported function; (kind, code, reason, what it returned).

        "exit" with code 0 is a proc_exit; "ok" is a function that returned.
        For tests and for modules that are not commands: the instance keeps its
        memory, so a `run` may not follow.  i32 and i64 are signed on the way in and out.
        """
        module = self.program.module
        kind, index = module.exports[name]
        if kind:
            raise LocalError("the export %s is no function" % name)
        self.tick = tick
        results = module.types[module.functions[index]][1]
        outcome = self.guarded(self.code.call, (index, args))
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
            return e.kind, e.code, e.reason, None
        except (ArithmeticError, LookupError, RuntimeError, ValueError, MemoryError) as e:
            if e is self.fault or e is self.wasi.fault:
                raise
            kind, reason = _name_trap(e)
            return kind, 0, reason, None

    def used(self):
        used = self.allowance - self.left - self.code.left()
        return min(max(used, 0), self.allowance)

    def stderr_line(self):
        raw = bytes(self.wasi.errors).split(b"\n")[0][:_REASON_CHARS]
        return "".join([chr(c) if 32 <= c < 127 else "?" for c in raw])

    def prepare(self):
        """Memory, table, globals and segments, as instantiation orders them."""
        program, code = self.program, self.code
        module = program.module
        self.grant()
        code.begin(self, self.deterministic or ODD_NAN)
        self.wasi.meter = code.charge
        if module.memory is not None:
            if module.memory[0] > self.pages_cap:
                raise Unwind("memory", 0, "it needs %d pages, its limit is %d" % (module.memory[0], self.pages_cap))
            self.memory = Memory(program.mode, module.memory[0], most_pages(module, self.pages_cap), code)
            self.wasi.memory = self.memory
        table = [-1] * max(module.table, 0)
        for offset, functions in module.elements:
            if offset + len(functions) > len(table):
                trap("out of bounds table access")
            table[offset : offset + len(functions)] = functions
        code.fill_table(table)
        for offset, start, end in module.data_segments:
            if offset + end - start > self.memory.size:
                trap("out of bounds memory access")
            self.memory.bytes[offset : offset + end - start] = module.data[start:end]
        if module.start >= 0:
            code.call(module.start, ())

    def execute(self):
        if self.program.entry >= 0:
            self.code.call(self.program.entry, ())

    def release(self):
        """Let go of the memory: the program keeps only its code."""
        self.code.end()
        self.wasi.memory = None
        self.memory = None

    # Called by the code that runs.

    def grant(self):
        """Move fuel from the allowance to the counter that the code lowers."""
        n = min(self.left, self.quantum)
        self.left -= n
        self.code.grant(n)

    def checkpoint(self):
        """The counter fell below 0."""
        while self.code.left() < 0:
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
