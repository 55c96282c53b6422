"""Random WebAssembly functions, for comparison with wasmtime."""

import edges
from modules import END, F32, F64, I32, I64, function, get, i32, i64, load, module, u

TYPES = (I32, I64, F32, F64)
# Parameters, then one more local of each type, one spare of each, loop counters.
PARAMS = (I32, I64, F32, F64)
LOOPS = 3
LOCALS = PARAMS + TYPES + TYPES + (I32,) * LOOPS
SPARE = {t: 8 + i for i, t in enumerate(TYPES)}
COUNTER = 12
LOADS = {I32: (0x28, 0x2C, 0x2D, 0x2E, 0x2F), I64: (0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35), F32: (0x2A,), F64: (0x2B,)}
STORES = {I32: (0x36, 0x3A, 0x3B), I64: (0x37, 0x3C, 0x3D, 0x3E), F32: (0x38,), F64: (0x39,)}
BY_RESULT = {t: [op for op in edges.operations() if op[2] == t] for t in TYPES}


class Writer:
    """Writes random code, drawing choices from a random.Random."""

    def __init__(self, random):
        self.random = random
        self.labels = []  # result type of each open block, or None; loops are never branched to at random

    def constant(self, t):
        value = self.random.choice(edges.values(t))
        if t == I32:
            return i32(value)
        if t == I64:
            return i64(value)
        raw = (value & ((1 << 32) - 1 if t == F32 else (1 << 64) - 1)).to_bytes(4 if t == F32 else 8, "little")
        return (b"\x43" if t == F32 else b"\x44") + raw

    def local(self, t):
        return self.random.choice([i for i in range(8) if LOCALS[i] == t])

    def number(self, t, code):
        """`code`, with a NaN made 0: the bits of a NaN are nobody's promise."""
        if t not in (F32, F64):
            return code
        i = SPARE[t]
        zero = b"\x43" + bytes(4) if t == F32 else b"\x44" + bytes(8)
        return code + b"\x22" + u(i) + zero + get(i) + get(i) + (b"\x5b" if t == F32 else b"\x61") + b"\x1b"

    def address(self, depth):
        code = self.expression(I32, depth - 1)
        if self.random.random() < 0.95:
            code += i32(self.random.choice((0xFF, 0xFFFC, 0xFFF0))) + b"\x71"
        return code

    def expression(self, t, depth):
        r = self.random.random()
        if depth <= 0 or r < 0.12:
            return self.constant(t) if self.random.random() < 0.4 else get(self.local(t))
        if r < 0.62:
            _, params, result, code = self.random.choice(BY_RESULT[t])
            parts = [self.number(p, self.expression(p, depth - 1)) for p in params]
            return b"".join(parts) + code
        if r < 0.72:
            return self.address(depth) + load(self.random.choice(LOADS[t]), self.random.choice((0, 1, 4, 7, 65000)))
        if r < 0.78:
            choice = self.expression(t, depth - 1) + self.expression(t, depth - 1) + self.expression(I32, depth - 2)
            return choice + b"\x1b"
        if r < 0.84:
            return self.expression(t, depth - 1) + b"\x22" + u(self.local(t))
        if r < 0.92:
            return self.block(t, depth)
        if r < 0.96:
            code = self.expression(I32, depth - 1) + b"\x04" + bytes([t])
            self.labels.append(t)
            code += self.body(t, depth - 1) + b"\x05" + self.body(t, depth - 1) + END
            self.labels.pop()
            return code
        return b"".join([self.expression(p, depth - 2) for p in PARAMS]) + b"\x10" + u(TYPES.index(t))

    def body(self, t, depth):
        return b"".join([self.statement(depth) for _ in range(self.random.randrange(2))]) + self.expression(t, depth)

    def block(self, t, depth):
        self.labels.append(t)
        code = b"\x02" + bytes([t]) + self.body(t, depth - 1)
        if self.random.random() < 0.5:
            code += self.expression(I32, depth - 1) + b"\x0d\0" + b"\x1a" + self.expression(t, depth - 1)
        code += END
        self.labels.pop()
        return code

    def statement(self, depth):
        r = self.random.random()
        t = self.random.choice(TYPES)
        if depth <= 0 or r < 0.4:
            return self.expression(t, depth) + b"\x21" + u(self.local(t))
        if r < 0.6:
            value = self.number(t, self.expression(t, depth - 1))
            return self.address(depth) + value + load(self.random.choice(STORES[t]), self.random.choice((0, 2, 5, 64)))
        if r < 0.68:
            return self.expression(t, depth) + b"\x1a"
        if r < 0.74:
            return self.number(t, self.expression(t, depth - 1)) + b"\x24" + u(TYPES.index(t))
        if r < 0.84:
            return self.outward(depth)
        if r < 0.9:
            code = self.expression(I32, depth - 1) + b"\x04\x40"
            self.labels.append(None)
            code += self.statement(depth - 1) + (b"\x05" + self.statement(depth - 1) if r < 0.87 else b"") + END
            self.labels.pop()
            return code
        if r < 0.94:
            return self.loop(depth)
        self.labels.append(None)
        code = b"\x02\x40" + b"".join([self.statement(depth - 1) for _ in range(self.random.randrange(4))]) + END
        self.labels.pop()
        return code

    def outward(self, depth):
        """A conditional branch or table to blocks that take nothing."""
        open_ = [i for i, t in enumerate(reversed(self.labels)) if t is None]
        if not open_:
            return b""
        if self.random.random() < 0.7:
            return self.expression(I32, depth - 1) + b"\x0d" + u(self.random.choice(open_))
        targets = [self.random.choice(open_) for _ in range(self.random.randrange(1, 6))]
        index = self.expression(I32, depth - 1) + i32(7) + b"\x71"
        # In a block of its own, so that what follows is reached by the first label at times.
        self_exit = [0] + [t + 1 for t in targets]
        return b"\x02\x40" + index + b"\x0e" + u(len(targets)) + b"".join([u(t) for t in self_exit]) + END

    def loop(self, depth):
        """At most three rounds, counted in a local that only this depth of loops uses, so that all end."""
        nested = self.labels.count("loop")
        if nested == LOOPS:
            return self.statement(0)
        counter = u(COUNTER + nested)
        code = i32(3) + b"\x21" + counter + b"\x02\x40\x03\x40"
        self.labels += [None, "loop"]
        code += self.statement(depth - 1) + self.statement(depth - 1)
        self.labels = self.labels[:-2]
        code += b"\x20" + counter + i32(1) + b"\x6b\x22" + counter + i32(0) + b"\x4a\x0d\0" + END + END
        return code


def program(random, size=4, depth=4):
    """A module: callees 0..3 of each result type, then f4(i32, i64, f32, f64) -> i64, a memory, globals."""
    functions = []
    for t in TYPES:
        writer = Writer(random)
        functions.append(function(PARAMS, (t,), _leaf(writer, t), LOCALS[4:]))
    writer = Writer(random)
    body = b"".join([writer.statement(depth) for _ in range(size)])
    mix = b"".join(
        [get(i) + code + b"\x85" for i, code in ((1, b""), (4, b"\xad"), (5, b""))]
    )
    body += i64(0x1234567) + mix
    for t, bits in ((F32, b"\xbc\xad"), (F64, b"\xbd")):
        for i in range(8):
            if LOCALS[i] == t:
                body += writer.number(t, get(i)) + bits + b"\x85"
    functions.append(function(PARAMS, (I64,), body, LOCALS[4:]))
    globals_ = [(t, 1, writer.constant(t)) for t in TYPES]
    # The memory is read back a word at a time.
    functions.append(function((I32,), (I64,), get(0) + load(0x29)))
    return module(functions, memory=(1, 2), globals=globals_, data=[(0, bytes(range(256)) * 2), (65400, b"\xff" * 136)])


def _leaf(writer, t):
    """A body without calls: cut calls by giving the writer no depth for them."""
    kinds = [op for op in BY_RESULT[t] if len(op[1]) == 2] or BY_RESULT[t]
    _, params, _, code = writer.random.choice(kinds)
    return b"".join([writer.number(p, get(PARAMS.index(p))) for p in params]) + code
