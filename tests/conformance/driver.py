"""Carries out the commands of WebAssembly's tests, on CPython and on MicroPython alike.

    driver.py ENGINE FILE ...

FILE is a `.cmd` file that convert.py made: one command a line, as a JSON list; the
modules' bytes stand beside it in a file `.mod`.  Prints, tab-separated, for each
command: its line in the test, its kind, a verdict, the fuel it used, and words:

  ok       as the test demands
  FAIL     not so
  imports  its module was refused, or hangs on one that was, for an import that a job cannot have
  caps     likewise, for a cap of the container
"""

import gc
import json
import struct
import sys

from backfence.agent.container.limits import Limits, Refused
from backfence.agent.container.admission import Admission, engines
from backfence.agent.container.reader import F32, F64, I32, I64
from backfence.agent.container.trap import Unwind

TYPES = {"i32": I32, "i64": I64, "f32": F32, "f64": F64}
FUEL = 1 << 40
# 20 MiB; the 803 pages of memory_grow.wast take minutes under emulation.
PAGES = 320
# What a test of the specification says of a trap, where our words differ.
WORDS = {
    "unreachable": "unreachable executed",
    "call stack exhausted": "call depth exceeded",
    "undefined": "undefined element",
    "uninitialized": "uninitialized element",
    "indirect call": "indirect call type mismatch",
    "indirect call signature mismatch": "indirect call type mismatch",
    "integer divide": "integer divide by zero",
    "data segment does not fit": "out of bounds memory access",
    "elements segment does not fit": "out of bounds table access",
}
# What a refusal says that names a cap.
CAPS = ("the cap is", "more than", "deeper than", "too large or too deep", "register file")
# The functions of the tests' own module "spectest", which print.
PRINTS = {
    "print": "", "print_i32": "i", "print_i64": "I", "print_f32": "f", "print_f64": "d",
    "print_i32_f32": "if", "print_f64_f64": "dd",
}  # fmt: skip
LETTERS = {"i": I32, "I": I64, "f": F32, "d": F64}


def limits():
    """Caps so high that no test but those of caps meets one."""
    found = Limits()
    for name in (
        "module_bytes", "function_bytes", "source_bytes", "pages", "functions", "locals", "stack",
        "types", "params", "results", "imports", "globals", "exports", "segments", "table",
    ):  # fmt: skip
        setattr(found, name, 1 << 20)
    return found


def signed(value, bits):
    """An unsigned integer of `bits` bits as a signed one."""
    return value - (1 << bits) if value >> bits - 1 else value


def from_bits(t, bits):
    """A value of type `t`, given as its bits, as `invoke` takes it."""
    if t == "i32":
        return signed(bits, 32)
    if t == "i64":
        return signed(bits, 64)
    return struct.unpack("<f" if t == "f32" else "<d", bits.to_bytes(4 if t == "f32" else 8, "little"))[0]


def to_bits(t, value):
    """The bits of what `invoke` returned."""
    if t == "i32":
        return value & 0xFFFFFFFF
    if t == "i64":
        return value & 0xFFFFFFFFFFFFFFFF
    return int.from_bytes(struct.pack("<f" if t == "f32" else "<d", value), "little")


def fits(t, want, bits):
    """Are these the bits that a test wants: bits, or the name of a set of NaNs?"""
    if not isinstance(want, str):
        return want == bits
    sign, quiet = (1 << 31, 0x7FC00000) if t == "f32" else (1 << 63, 0x7FF8000000000000)
    if want == "nan:canonical":
        return bits & ~sign == quiet
    return want == "nan:arithmetic" and bits & quiet == quiet


def tick():
    """The job goes on."""
    return True


class Unmet(Exception):
    """A command cannot be carried out: its verdict and why."""


class Refusal:
    """Stands where a module would, that was refused."""

    def __init__(self, verdict, reason):
        self.verdict = verdict
        self.reason = reason


def refusal(error):
    """The Refusal for a Refused."""
    text = str(error)
    if text.startswith("it imports"):
        return Refusal("imports", text)
    if any([words in text for words in CAPS]):
        return Refusal("caps", text)
    return Refusal("FAIL", text)


class Hosts:
    """Binds a module's imports, in their order, to "spectest" and to registered modules."""

    def __init__(self, module, registered):
        self.module = module
        self.registered = registered
        self.at = 0

    def bind(self, _):
        """The next import as a function of (depth, arguments...)."""
        space, name, _ = self.module.imports[self.at]
        self.at += 1
        if space == "spectest":
            return _print
        other = self.registered[space]
        _, index = other.program.module.exports[name]
        module = other.program.module
        params = module.types[module.functions[index]][0]

        def call(depth, *args):
            args = [signed(a & 0xFFFFFFFF, 32) if t == I32 else a for t, a in zip(params, args)]
            kind, code, reason, values = other.invoke(name, args, tick)
            if kind != "ok":
                raise Unwind(kind, code, reason)
            return None if not values else values[0] if len(values) == 1 else values

        return call


def _print(*args):
    return None


class Driver:
    """The modules of one test and what its commands do to them."""

    def __init__(self, engine, modules, out):
        self.engine = engine
        self.modules = modules  # the file of all modules' bytes
        self.out = out
        self.registered = {}
        self.named = {}
        self.last = Refusal("FAIL", "no module yet")
        self.fuel = 0

    def hosts(self):
        """{module: {function: type}} of all that may be imported."""
        found = {"spectest": {name: (tuple([LETTERS[c] for c in PRINTS[name]]), ()) for name in PRINTS}}
        for space, instance in self.registered.items():
            if isinstance(instance, Refusal):
                continue
            module = instance.program.module
            functions = found[space] = {}
            for name, (kind, index) in module.exports.items():
                if not kind:
                    functions[name] = module.types[module.functions[index]]
        return found

    def admit(self, at, size):
        """The Program of a module; raises Refused."""
        self.modules.seek(at)
        data = self.modules.read(size)
        found = Admission(data, limits(), False, None, self.engine, self.hosts())
        while not found.step():
            pass
        return found.program

    def instantiate(self, at, size):
        """An instance that has begun, and how that ended: (kind, code, reason, None)."""
        program = self.admit(at, size)
        instance = program.start(b"", [], FUEL, 0, PAGES, False, bytes(32))
        instance.wasi.bind = Hosts(program.module, self.registered).bind
        instance.tick = tick
        outcome = instance.guarded(_print, ())
        self.fuel = instance.used()
        return instance, outcome

    def instance(self, name):
        """A named module, or the last one."""
        found = self.named[name] if name else self.last
        if isinstance(found, Refusal):
            raise Unmet(found.verdict, found.reason)
        return found

    def invoke(self, name, field, args):
        """(kind, code, reason, bits of the results, their types)."""
        instance = self.instance(name)
        module = instance.program.module
        results = module.types[module.functions[module.exports[field][1]]][1]
        before = instance.used()
        kind, code, reason, values = instance.invoke(field, [from_bits(t, bits) for t, bits in args], tick)
        self.fuel = instance.used() - before
        if kind == "trap" and "call depth" in reason:
            self.fuel = 0  # unwound from a depth, not from a place in the program
        return kind, reason, zip(results, values or ())

    # The commands, by their names in convert.py.  Each returns words, "" if all is well.

    def module(self, name, at, size):
        """Instantiate; later commands mean this one."""
        try:
            self.last, outcome = self.instantiate(at, size)
            if outcome[0] != "ok":
                self.last = Refusal("FAIL", outcome[2])
        except Refused as error:
            self.last = refusal(error)
        if name:
            self.named[name] = self.last
        self.instance(None)
        return ""

    def register(self, space, name):
        """Let others import from this module."""
        self.registered[space] = self.named[name] if name else self.last
        self.instance(name)
        return ""

    def action(self, name, field, args):
        """Call; only the effect counts."""
        kind, reason, _ = self.invoke(name, field, args)
        return "" if kind == "ok" else reason

    def assert_return(self, name, field, args, expected):
        """Call; the results are these, bit by bit."""
        kind, reason, results = self.invoke(name, field, args)
        if kind != "ok":
            return reason
        names = {TYPES[t]: t for t in TYPES}
        got = [(names[t], to_bits(names[t], value)) for t, value in results]
        if len(got) == len(expected):
            if all([t == u and fits(t, want, bits) for (t, want), (u, bits) in zip(expected, got)]):
                return ""
        return "got " + " ".join(["%s %d" % pair for pair in got])

    def assert_get(self, name, field, expected):
        """An exported global has this value."""
        instance = self.instance(name)
        _, index = instance.program.module.exports[field]
        ((t, want),) = expected
        code = instance.code
        if self.engine == "machine":
            value = code.get(TYPES[t], code.globals_at + 8 * index)
        else:
            value = code.names["g%d" % index]
        bits = to_bits(t, value)
        return "" if fits(t, want, bits) else "got %s %d" % (t, bits)

    def assert_trap(self, name, field, args, text):
        """Call; it traps, for this reason."""
        return self.trapped(text, *self.invoke(name, field, args)[:2])

    def assert_exhaustion(self, name, field, args, text):
        """Call; it runs out of stack."""
        return self.trapped(text, *self.invoke(name, field, args)[:2])

    def trapped(self, text, kind, reason):
        if kind != "trap":
            return "got %s %s" % (kind, reason)
        return "" if WORDS.get(text, text) in reason else "trapped otherwise: " + reason

    def assert_invalid(self, at, size, text):
        """The module is refused, before anything of it runs."""
        try:
            self.admit(at, size)
        except Refused:
            return ""
        return "admitted"

    assert_malformed = assert_invalid

    def assert_unlinkable(self, at, size, text):
        """The module does not become an instance."""
        try:
            _, (kind, _, reason, _) = self.instantiate(at, size)
        except Refused:
            return ""
        return "" if kind == "trap" else "instantiated"

    def assert_uninstantiable(self, at, size, text):
        """Likewise, for this reason."""
        try:
            _, (kind, _, reason, _) = self.instantiate(at, size)
        except Refused as error:
            found = refusal(error)
            raise Unmet(found.verdict, found.reason)
        return self.trapped(text, kind, reason)

    def run(self, line, kind, *rest):
        """Carry out one command and print its line."""
        self.fuel = 0
        try:
            words = getattr(self, kind)(*rest)
            verdict = "FAIL" if words else "ok"
        except Unmet as unmet:
            verdict, words = unmet.args
        except Refused as error:
            verdict, words = "FAIL", str(error)
        except Exception as error:
            # Whatever else comes out of the container is a bug, and this test's result.
            verdict, words = "FAIL", "raised " + repr(error)
        self.out("%d\t%s\t%s\t%d\t%s" % (line, kind, verdict, self.fuel, words.replace("\n", " ")))


def main(engine, paths):
    """Run the commands of some files; a line `# path` before each, `= path` behind."""
    # engines() makes the machine, which takes a while.
    if engine != "translated" and engine not in engines():
        print("there is no engine " + engine)
        sys.exit(1)
    for path in paths:
        gc.collect()
        print("# " + path)
        with open(path) as commands, open(path[:-3] + "mod", "rb") as modules:
            driver = Driver(engine, modules, print)
            for text in commands:
                driver.run(*json.loads(text))
        print("= " + path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
