"""The module outside its function bodies: sections, types, imports, limits.

Everything is checked here as the specification's module validation says
(chapter 3.4), but nothing is copied that can stay in the module's own bytes:
code and data are kept as positions.
"""

from .limits import PAGE_BYTES, Refused
from .reader import F32, F64, I32, I64, Reader

SECTIONS = (
    "custom", "type", "import", "function", "table", "memory", "global",
    "export", "start", "element", "code", "data", "data count",
)  # fmt: skip
# The data count section stands between the element and the code section.
ORDER = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10)
# Of a foreign name in a refusal.
_SHOWN_CHARS = 60


class Module:
    """What a decoded module says about itself."""

    def __init__(self, data):
        self.data = data
        self.types = []  # (params, results), each a tuple of value types
        self.canon = []  # for each type, the index of the first equal one
        self.imports = []  # (module, name, type index): functions only
        self.functions = []  # type index of every function, imports first
        self.bodies = []  # (start, end) of every defined function's body
        self.table = -1  # entries, or -1: no table
        self.memory = None  # (pages, most pages or -1), or None: no memory
        self.globals = []  # (type, mutable, initial value)
        self.exports = {}  # name -> (kind, index)
        self.start = -1
        self.elements = []  # (offset value or global index as ~i, [function index])
        self.data_segments = []  # (offset, start, end)
        self.data_count = -1


class Decoder(Reader):
    """Decodes the sections of `data`, one a step."""

    def __init__(self, data, limits, hosts):
        Reader.__init__(self, data, 0, len(data))
        self.limits = limits
        self.hosts = hosts  # {module name: {name: (params, results)}}
        self.module = Module(data)
        self.last = 0
        self.section = "header"
        if len(data) > limits.module_bytes:
            raise Refused(
                "the module has %d bytes, the cap is %d: build with -Oz and strip it"
                % (len(data), limits.module_bytes)
            )
        if self.end < 8 or bytes(data[:4]) != b"\0asm":
            raise Refused("not a WebAssembly module: it does not begin with \\0asm")
        if bytes(data[4:8]) != b"\1\0\0\0":
            raise Refused("not a WebAssembly module of version 1")
        self.pos = 8

    def where(self):
        return "%s section, byte %d" % (self.section, self.pos)

    def step(self):
        """Decode one section; True when all are done."""
        if self.pos == self.end:
            self.finish()
            return True
        ident = self.byte()
        if ident >= len(SECTIONS):
            self.bad("malformed section id %d" % ident)
        self.section = SECTIONS[ident]
        size = self.size()
        whole_end, self.end = self.end, self.pos + size
        if ident == 0:
            self.name()
            self.pos = self.end
        else:
            if ORDER[ident] <= self.last:
                self.bad("unexpected section: twice or out of order")
            self.last = ORDER[ident]
            getattr(self, SECTIONS[ident].replace(" ", "_") + "_section")()
        if self.pos != self.end:
            self.bad("section size mismatch")
        self.end = whole_end
        return False

    def finish(self):
        m = self.module
        self.section = "whole module"
        if len(m.functions) - len(m.imports) != len(m.bodies):
            self.bad("function and code sections have different lengths")
        if m.data_count >= 0 and m.data_count != len(m.data_segments):
            self.bad("data count and data sections differ")

    def capped(self, what, count, cap):
        if count > cap:
            raise Refused("%d %s, the cap is %d: make the program smaller" % (count, what, cap))

    def count(self, what, cap):
        n = self.u32()
        if n > self.end - self.pos:
            self.bad("length out of bounds")
        self.capped(what, n, cap)
        return n

    def type_section(self):
        """Function types; equal ones are found for call_indirect."""
        m = self.module
        for _ in range(self.count("types", self.limits.types)):
            if self.byte() != 0x60:
                self.bad("malformed function type")
            params = tuple([self.value_type() for _ in range(self.count("parameters", self.limits.params))])
            results = tuple([self.value_type() for _ in range(self.count("results", self.limits.results))])
            signature = (params, results)
            same = len(m.types)
            for i in range(same):
                if m.types[i] == signature:
                    same = i
                    break
            m.canon.append(same)
            m.types.append(signature)

    def type_index(self):
        i = self.u32()
        if i >= len(self.module.types):
            self.bad("unknown type %d" % i)
        return i

    def import_section(self):
        """Imports: only functions that a host offers, with its types."""
        m = self.module
        for _ in range(self.count("imports", self.limits.imports)):
            space = self.name()
            name = self.name()
            kind = self.byte()
            if kind > 3:
                self.bad("malformed import kind")
            host = self.hosts.get(space)
            if kind or host is None or name not in host:
                raise Refused(
                    "it imports %s %s.%s: a job may import only these functions of WASI preview 1: %s"
                    % (
                        ("function", "table", "memory", "global")[kind], _shown(space), _shown(name),
                        " ".join(sorted(self.hosts.get("wasi_snapshot_preview1", ()))),
                    )
                )  # fmt: skip
            ti = self.type_index()
            if m.types[ti] != host[name]:
                raise Refused("it imports %s with another type than WASI preview 1 gives it" % name)
            m.imports.append((space, name, ti))
            m.functions.append(ti)

    def function_section(self):
        m = self.module
        for _ in range(self.count("functions", self.limits.functions)):
            m.functions.append(self.type_index())
        self.capped("functions", len(m.functions), self.limits.functions)

    def range(self, cap):
        """Limits: (least, most or -1)."""
        flag = self.byte()
        if flag > 1:
            self.bad("malformed limits flags (shared and 64-bit memories are not supported)")
        least = self.u32()
        most = self.u32() if flag else -1
        if cap and (least > cap or most > cap):
            self.bad("memory size must be at most 65536 pages")
        if flag and most < least:
            self.bad("size minimum must not be greater than maximum")
        return least, most

    def one(self, what):
        n = self.u32()
        if n > 1:
            self.bad("multiple %s" % what)
        return n

    def table_section(self):
        if self.one("tables"):
            if self.byte() != 0x70:
                self.bad("malformed reference type: tables of anything but funcref are not supported")
            self.module.table = self.range(0)[0]
            self.capped("table entries", self.module.table, self.limits.table)

    def memory_section(self):
        """At most one memory, within the cap of pages."""
        if self.one("memories"):
            self.module.memory = pages = self.range(65536)
            if pages[0] > self.limits.pages:
                raise Refused(
                    "it asks for %d pages (64 KiB each) of memory, the cap is %d: "
                    "link with a smaller stack or less static data" % (pages[0], self.limits.pages)
                )

    def global_section(self):
        """Globals with their initial values."""
        m = self.module
        for _ in range(self.count("globals", self.limits.globals)):
            t = self.value_type()
            mutable = self.byte()
            if mutable > 1:
                self.bad("malformed mutability")
            m.globals.append((t, mutable, self.constant(t)))

    def constant(self, want):
        """A constant expression of type `want`; gives its value (floats as bytes)."""
        op = self.byte()
        if op == 0x41:
            got, value = I32, self.signed(32)
        elif op == 0x42:
            got, value = I64, self.signed(64)
        elif op == 0x43:
            got, value = F32, self.take(4)
        elif op == 0x44:
            got, value = F64, self.take(8)
        elif op == 0x23:
            # Only imported globals may be named here, and a job imports none.
            self.bad("unknown global %d in a constant expression" % self.u32())
        elif op == 0x0B:
            self.bad("type mismatch: empty constant expression")
        else:
            self.bad("constant expression required")
        if self.byte() != 0x0B:
            self.bad("constant expression required: one constant, then end")
        if got != want:
            self.bad("type mismatch in a constant expression")
        return value

    def function_index(self):
        i = self.u32()
        if i >= len(self.module.functions):
            self.bad("unknown function %d" % i)
        return i

    def export_section(self):
        """Exports, each name once."""
        m = self.module
        for _ in range(self.count("exports", self.limits.exports)):
            name = self.name()
            kind = self.byte()
            if kind > 3:
                self.bad("malformed export kind")
            i = self.u32()
            have = (
                len(m.functions),
                0 if m.table < 0 else 1,
                0 if m.memory is None else 1,
                len(m.globals),
            )[kind]
            if i >= have:
                self.bad("unknown %s %d" % (("function", "table", "memory", "global")[kind], i))
            if name in m.exports:
                self.bad("duplicate export name")
            m.exports[name] = (kind, i)

    def start_section(self):
        m = self.module
        m.start = self.function_index()
        if m.types[m.functions[m.start]] != ((), ()):
            self.bad("the start function must take and give nothing")

    def element_section(self):
        """What the table begins with."""
        m = self.module
        total = 0
        for _ in range(self.count("element segments", self.limits.segments)):
            if self.u32():
                self.bad("only active element segments of table 0 are supported")
            if m.table < 0:
                self.bad("unknown table 0")
            offset = self.constant(I32) & 0xFFFFFFFF
            n = self.u32()
            total += n
            self.capped("table elements", total, self.limits.table)
            m.elements.append((offset, [self.function_index() for _ in range(n)]))

    def data_count_section(self):
        self.module.data_count = self.u32()

    def code_section(self):
        """Where the function bodies stand; they are checked one by one later."""
        m = self.module
        n = self.u32()
        if n != len(m.functions) - len(m.imports):
            self.bad("function and code sections have different lengths")
        for _ in range(n):
            size = self.size()
            if size > self.limits.function_bytes:
                raise Refused(
                    "function %d has %d bytes, the cap is %d: split it, avoid printf, build with -Oz"
                    % (len(m.imports) + len(m.bodies), size, self.limits.function_bytes)
                )
            m.bodies.append((self.pos, self.pos + size))
            self.pos += size

    def data_section(self):
        """What the memory begins with, kept as positions."""
        m = self.module
        for _ in range(self.count("data segments", self.limits.segments)):
            if self.u32():
                self.bad("only active data segments of memory 0 are supported")
            if m.memory is None:
                self.bad("unknown memory 0")
            offset = self.constant(I32) & 0xFFFFFFFF
            size = self.size()
            m.data_segments.append((offset, self.pos, self.pos + size))
            self.pos += size


def _shown(name):
    """A foreign name fit for a line of text: short, and nothing that a terminal would obey."""
    return "".join([c if " " <= c <= "~" else "?" for c in name[:_SHOWN_CHARS]])


def most_pages(module, cap):
    """Pages the memory may reach: the module's own maximum or the cap."""
    if module.memory is None:
        return 0
    most = module.memory[1]
    return cap if most < 0 or most > cap else most


__all__ = ("Decoder", "Module", "most_pages", "PAGE_BYTES", "F32", "F64")
