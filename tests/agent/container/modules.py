"""A small assembler of WebAssembly modules for the portable tests."""

from backfence.agent.container.limits import Limits
from backfence.agent.container.admission import Admission, engines

I32, I64, F32, F64 = 0x7F, 0x7E, 0x7D, 0x7C
END = b"\x0b"


def u(n):
    """Unsigned LEB128."""
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def s(n):
    """Signed LEB128."""
    out = bytearray()
    while not -64 <= n < 64:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n & 127)
    return bytes(out)


def i32(n):
    """i32.const."""
    return b"\x41" + s(n)


def i64(n):
    """i64.const."""
    return b"\x42" + s(n)


def get(i):
    """local.get."""
    return b"\x20" + u(i)


def put(i):
    """local.set."""
    return b"\x21" + u(i)


def load(op, offset=0, align=0):
    """A load or store instruction."""
    return bytes([op]) + u(align) + u(offset)


def vector(items):
    """A WebAssembly vector of encoded items."""
    return u(len(items)) + b"".join(items)


def section(ident, body):
    """A section, or nothing when it is empty."""
    return bytes([ident]) + u(len(body)) + body if body else b""


def function(params, results, body, locals=()):
    """(type, code) of a function; `end` is added."""
    kind = b"\x60" + u(len(params)) + bytes(params) + u(len(results)) + bytes(results)
    code = vector([u(1) + bytes([t]) for t in locals]) + body + END
    return kind, u(len(code)) + code


def module(functions, memory=None, table=None, imports=(), exports=None, globals=(), data=(), elements=(), start=-1):
    """A module.

    functions: what `function` gives; memory: (least, most or None); imports: (module,
    name, type) of functions; exports: {name: index}, by default function i is named
    f<i> (imports count); globals: (type, mutable, constant code); data: (offset,
    bytes); elements: (offset, [index]).
    """
    types = [t for _, _, t in imports] + [t for t, _ in functions]
    count = len(imports)
    if exports is None:
        exports = {"f%d" % i: i for i in range(count, len(types))}
    parts = [
        b"\0asm\1\0\0\0",
        section(1, vector(types)),
        section(2, vector([u(len(m)) + m + u(len(n)) + n + b"\0" + u(i) for i, (m, n, _) in enumerate(imports)]))
        if imports else b"",
        section(3, vector([u(count + i) for i in range(len(functions))])),
        section(4, b"\1\x70\0" + u(table)) if table is not None else b"",
        section(5, b"\1" + (b"\0" + u(memory[0]) if memory[1] is None else b"\1" + u(memory[0]) + u(memory[1])))
        if memory else b"",
        section(6, vector([bytes([t, m]) + c + END for t, m, c in globals])) if globals else b"",
        section(7, vector([u(len(bytes(n, "utf-8"))) + bytes(n, "utf-8") + b"\0" + u(exports[n]) for n in sorted(exports)])),
        section(8, u(start)) if start >= 0 else b"",
        section(9, vector([b"\0" + i32(o) + END + vector([u(f) for f in fs]) for o, fs in elements]))
        if elements else b"",
        section(10, vector([code for _, code in functions])),
        section(11, vector([b"\0" + i32(o) + END + u(len(d)) + d for o, d in data])) if data else b"",
    ]  # fmt: skip
    return b"".join(parts)


def command(body, **options):
    """A module whose _start is this body, with a page of memory."""
    options.setdefault("memory", (1, 1))
    functions = options.pop("functions", [])
    imports = options.pop("imports", ())
    functions = functions + [function((), (), body, options.pop("locals", ()))]
    return module(functions, imports=imports, exports={"_start": len(imports) + len(functions) - 1}, **options)


def admit(data, limits=None, is_command=True, engine="translated"):
    """The Program of a module."""
    admission = Admission(data, limits or Limits(), is_command, engine=engine)
    while not admission.step():
        pass
    assert admission.program.engine == engine
    return admission.program


def tick():
    """A tick that lets the job go on."""
    return True


class Each:
    """One module started on every engine there is: what they do must be the same."""

    def __init__(self, data, is_command, engine, *setting):
        self.instances = []
        self.engines = (engine,) if engine else engines()
        for engine in self.engines:
            self.instances.append(admit(data, None, is_command, engine).start(*setting))
        # For looking inside: the engine that is everywhere.
        self.memory = self.wasi = None

    def same(self, results):
        first = results[0]
        for i in range(len(results)):
            # Bits of floats: NaN is not itself.
            assert results[i] == first or repr(results[i]) == repr(first), (self.engines[i], results[i], first)
        self.memory, self.wasi = self.instances[-1].memory, self.instances[-1].wasi
        return first

    def invoke(self, name, args, tick):
        """Instance.invoke on each; its result."""
        result = self.same([instance.invoke(name, args, tick) for instance in self.instances])
        # Without `same`, whose repr of 64 KiB takes seconds on an emulated processor.
        memories = [i.memory.bytes if i.memory else b"" for i in self.instances]
        for i in range(len(memories)):
            assert memories[i] == memories[0], self.engines[i]
        self.used()
        return result

    def used(self):
        """Instance.used of each."""
        return self.same([instance.used() for instance in self.instances])

    def run(self, tick):
        """Instance.run on each; the Outcome."""
        outcomes = [instance.run(tick) for instance in self.instances]
        self.same([(o.kind, o.code, o.reason, o.output, o.fuel, o.pages) for o in outcomes])
        return outcomes[0]


def start(data, fuel=1000000, pages=4, stdin=b"", args=(), output=1000, deterministic=True):
    """A module that need not be a command, started on every engine."""
    return Each(data, False, None, stdin, list(args), fuel, output, pages, deterministic, b"s" * 32)


def run(data, fuel=1000000, pages=4, stdin=b"", args=(), output=1000, tick=tick, deterministic=True, engine=None):
    """The Outcome of a command, the same on every engine, or on one (a `tick` that counts needs that)."""
    return Each(data, True, engine, stdin, list(args), fuel, output, pages, deterministic, b"s" * 32).run(tick)


def call(data, name, *args):
    """What an exported function returns, or (kind, reason) when it does not."""
    kind, _, reason, values = start(data).invoke(name, args, tick)
    if kind != "ok":
        return kind, reason
    return values[0] if len(values) == 1 else values
