"""What can be said of a program without running it: sizes, names, the least and the most fuel."""

import dataclasses

from ...agent import limits
from ...agent.container.admission import Admission, Limits
from ...agent.container.mode import Mode
from ...agent.container.translated.translate import Translator

LOOP = 3
CUSTOM = 0
FUNCTION_NAMES = 1  # subsection of the custom section "name"
# Calls that charge by the bytes they move: what they cost, their input says.
CHARGING = ("fd_read", "fd_write", "random_get", "poll_oneoff")


@dataclasses.dataclass
class Function:
    """A function as the fuel sees it.

    size: bytes of its body.  cost: fuel when it is entered.  calls: index of each
    function that a call instruction names, as often as one does.
    """

    index: int
    size: int
    cost: int = 0
    loops: int = 0
    indirect: bool = False  # it calls by way of the table
    bulk: bool = False  # it copies or fills memory
    grows: bool = False
    calls: list = dataclasses.field(default_factory=list)


class Surveyor(Translator):
    """Reads function bodies as a box does, and notes what fuel depends on."""

    def survey(self, index):
        """The Function of defined function `index`."""
        begin, end = self.module.bodies[index]
        self.found = Function(index + len(self.module.imports), end - begin)
        self.start(index)
        self.found.cost = self.shape.costs[0]
        while not self.step(1000):
            pass
        self.out.take()
        return self.found

    def begin_block(self, kind):
        self.found.loops += kind == LOOP
        super().begin_block(kind)

    def call(self):
        at = self.pos
        self.found.calls.append(self.u32())
        self.pos = at
        super().call()

    def call_indirect(self):
        self.found.indirect = True
        super().call_indirect()

    def prefixed(self):
        self.found.bulk |= self.data[self.pos] in (10, 11)
        super().prefixed()

    def access(self, op):
        self.found.grows |= op == 0x40
        super().access(op)


class Survey:
    """A program that was read through, as boxes of both word sizes read it.

    module: decode.Module.  functions: [Function], in order.  limits: container.limits.Limits.
    names: {index: str}.  stripped: its "name" section is gone.
    """

    def __init__(self, data):
        """data: bytes of a .wasm.  Raises container.limits.Refused with a box's own reason."""
        self.limits = Limits(module_bytes=limits.BLOB_BYTES)
        admission = Admission(data, self.limits)
        while admission.decoder:
            admission.step()
        self.module = admission.module
        for signed in (False, True):
            # What a translated function may be in length depends on the integer mode.
            surveyor = Surveyor(self.module, Mode(signed, True, True), self.limits, [])
            self.functions = [surveyor.survey(i) for i in range(len(self.module.bodies))]
        self.entries = [i for i in (self.module.start, admission.entry) if i >= 0]
        self.names = function_names(data, self.module)
        self.stripped = not _name_section(data)

    def largest(self):
        """The Function with the longest body, or None."""
        return max(self.functions, key=lambda one: one.size, default=None)

    def fuel(self):
        """What any run takes: {"least": int, "most": int, or None if it depends on the input, and why:
        "loops": [index], "recursion", "indirect", "moves": bool, of the "functions" that may be called}."""
        reached, recursion = self._reached()
        defined = [self._function(i) for i in reached if i >= len(self.module.imports)]
        calls = [self.module.imports[i][1] for i in reached if i < len(self.module.imports)]
        loops = [one.index for one in defined if one.loops]
        indirect = any(one.indirect for one in defined)
        moves = any(one.bulk for one in defined) or any(name in CHARGING for name in calls)
        bounded = not (loops or recursion or indirect or moves)
        return {
            "least": sum(self._cost(i) for i in self.entries),
            "most": sum(self._most(i, {}) for i in self.entries) if bounded else None,
            "functions": len(defined), "loops": loops, "recursion": recursion, "indirect": indirect, "moves": moves,
        }

    def _function(self, index):
        return self.functions[index - len(self.module.imports)]

    def _cost(self, index):
        return self._function(index).cost if index >= len(self.module.imports) else 0

    def _most(self, index, known):
        if index < len(self.module.imports):
            return 0
        if index not in known:
            one = self._function(index)
            known[index] = one.cost + sum(self._most(i, known) for i in one.calls)
        return known[index]

    def _reached(self):
        """(functions that a run may call, whether one of them may call itself again)."""
        done, recursion = {}, False

        def children(index):
            if index < len(self.module.imports):
                return iter(())
            one = self._function(index)
            table = [i for _, functions in self.module.elements for i in functions] if one.indirect else []
            return iter([*one.calls, *table])

        for entry in self.entries:
            path = [(entry, children(entry))]
            done.setdefault(entry, False)
            while path:
                index, rest = path[-1]
                for child in rest:
                    if child not in done:
                        done[child] = False
                        path.append((child, children(child)))
                        break
                    recursion |= not done[child]
                else:
                    done[index] = True
                    path.pop()
        return sorted(done), recursion


def function_names(data, module):
    """{index: name}: of the "name" section, else of imports and exports."""
    names = {index: name for name, (kind, index) in module.exports.items() if kind == 0}
    names.update({i: name for i, (_, name, _) in enumerate(module.imports)})
    names.update(dict(_name_section(data)))
    return names


def _name_section(data):
    """[(index, name)] of the custom section "name"; what is broken in it is left out, as it harms nobody."""
    found = []
    try:
        for ident, begin, end in _sections(data, 8, len(data)):
            size, at = _leb(data, begin)
            if ident != CUSTOM or data[at : at + size] != b"name":
                continue
            for part, begin, _ in _sections(data, at + size, end):
                if part == FUNCTION_NAMES:
                    _read_names(data, begin, found)
    except (IndexError, UnicodeDecodeError):
        pass
    return found


def _read_names(data, at, found):
    count, at = _leb(data, at)
    for _ in range(count):
        index, at = _leb(data, at)
        size, at = _leb(data, at)
        name, at = data[at : at + size], at + size
        if len(name) < size:
            raise IndexError
        found.append((index, name.decode()))


def _sections(data, at, end):
    while at < end:
        size, begin = _leb(data, at + 1)
        yield data[at], begin, begin + size
        at = begin + size


def _leb(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


# What to do about a refusal whose own words do not say it: (words of the reason, what to do).
FIXES = (
    ("does not begin with", "Name a .wasm file; docs/programs.md says how to make one."),
    ("of version 1", "It is a component or of a later format: build a core module, for wasm32-wasip1."),
    ("vector and reference values", "Build without -msimd128 and -mreference-types."),
    ("malformed limits flags", "Build without -pthread and for wasm32, not wasm64."),
    ("opcode 0x06", "Build without exceptions (-fno-exceptions, panic=abort)."),
    ("opcode", "Build with -mcpu=mvp, and with the sign-ext, bulk-memory and nontrapping-fptoint features at most."),
    ("it imports", "A job has stdin, stdout, arguments, a clock and random bytes: docs/programs.md lists the calls."),
    ("too large or too deep for this interpreter", "Build with -Oz -fno-inline, or mark what was inlined noinline."),
    ("the cap is", "docs/programs.md says how to make a program small: -Oz, --strip-all, no stdio."),
    ("not valid WebAssembly", "The file is damaged, or its compiler is at fault: `wasm-validate` of wabt says more."),
)


def fix(reason):
    """What a person can do about a refusal for this reason, one line."""
    for words, remedy in FIXES:
        if words in reason:
            return remedy
    return "docs/programs.md says what boxes run."
