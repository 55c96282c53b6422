"""The container's caps, and the refusal that names the one exceeded."""

from ..errors import RemoteError

PAGE_BYTES = 65536


class Refused(RemoteError):
    """A program this box will not run; the text is one line: what, where, what to do."""


class NoRoom(Refused):
    """The heap is too small for a program as things stand; the text says by how much."""


class Limits:
    """What one program may be.  Every cap is refused by name at admission."""

    def __init__(
        self,
        # A program travels as one blob.
        module_bytes=32768,
        # wasi-libc's malloc, which any main with arguments brings, has 7,046.  It takes
        # about 300 KiB of heap to compile: a small box should set less.  Where
        # MicroPython's 16-bit jumps end (about here) depends on the code.
        function_bytes=8192,
        # Compilation takes about six times the source in heap.
        source_bytes=98304,
        # One 64 KiB page is a small box's whole spare heap; a manifest may ask for up to 16.
        pages=16,
        # MicroPython interns the names f0..f511, l0..l199 and s0..s199 for ever: 15 KiB at most.
        functions=512,
        locals=200,
        stack=200,
        # Deep nesting costs translation time squared; clang's largest switch here had 60.
        nesting=256,
        types=128,
        params=32,
        results=8,
        imports=32,
        globals=64,
        exports=64,
        segments=256,
        table=1024,
    ):
        self.module_bytes = module_bytes
        self.function_bytes = function_bytes
        self.source_bytes = source_bytes
        self.pages = pages
        self.functions = functions
        self.locals = locals
        self.stack = stack
        self.nesting = nesting
        self.types = types
        self.params = params
        self.results = results
        self.imports = imports
        self.globals = globals
        self.exports = exports
        self.segments = segments
        self.table = table


# Part of the meter, so equal on every box, not a knob: which call traps must not
# depend on the C stack.  142 plain frames fit 32-bit MicroPython; `tick` needs some.
CALL_DEPTH = 60

# Fuel between two calls of `tick`: 0.2 to 1 ms on a PC, some 30 times that on a 600 MHz MIPS box.
TICK_FUEL = 20000
