"""Functions drawn at random that walk through memory by locals, and the digests of what they do.

What they try is what an engine believes of a local: that it is a multiple of four, that it
is not zero, that it is below another.  Loops, blocks and branches make such beliefs wrong.
"""

import hashlib

from modules import END, I32, function, get, i32, load, module, put, u

PARAMS, WALKERS, COUNTERS = 2, 4, 3
LOCALS = PARAMS + WALKERS
# A local beyond them and the counters: a digest of what was read.
SEEN = LOCALS + COUNTERS
ARGUMENTS = ((0, 0), (8, 3), (-4, 0x7FFFFFFF))
# The digest of so many seeds; `python test_pointers.py` prints wasmtime's.
SEEDS = {True: 60, False: 8}
DIGESTS = {
    True: "e7bb7a9d9f35cf3bd66827b48d4780caa7220330bff1e2b864ba0115848995ca",
    False: "03dd8096baad32e34ef4fe57af74084fee4ca21dcae53ea222633ced2a052a83",
}

BLOCK, LOOP, IF, ELSE = b"\x02\x40", b"\x03\x40", b"\x04\x40", b"\x05"
ADD, SUB, MUL, AND, OR, XOR, SHL = (bytes([op]) for op in (0x6A, 0x6B, 0x6C, 0x71, 0x72, 0x73, 0x74))
ORDERS = tuple(bytes([op]) for op in range(0x46, 0x50))


class Draw:
    """Numbers that are the same on every interpreter."""

    def __init__(self, seed):
        self.state = seed * 2654435761 + 12345 & 0x3FFFFFFF

    def below(self, n):
        """0 <= number < n."""
        self.state = (self.state * 1103515 + 12345) & 0x3FFFFFFF
        return (self.state >> 8) % n


class Body:
    """Statements in WebAssembly's binary form, drawn by `draw`."""

    def __init__(self, draw):
        self.draw = draw
        self.labels = []  # around what is written: a loop's counter, -1 for a block
        self.loops = 0
        self.left = 36  # statements that may still be drawn

    def local(self):
        return self.draw.below(LOCALS)

    def constant(self):
        """Mostly small multiples of four, as addresses are."""
        below = self.draw.below
        n = below(48) * 4
        which = below(10)
        return i32(n if which < 6 else n + 1 + below(3) if which < 8 else -n if which < 9 else 0x7FFFFFF0 + below(16))

    def value(self, depth=2):
        """An expression that gives an i32."""
        which = self.draw.below(14) if depth else self.draw.below(6)
        if which < 3:
            return get(self.local())
        if which < 6:
            return self.constant()
        if which < 11:
            op = (ADD, ADD, ADD, SUB, MUL, AND, OR, XOR)[self.draw.below(8)]
            return self.value(depth - 1) + (self.constant() if which < 9 else self.value(depth - 1)) + op
        if which == 11:
            return self.value(depth - 1) + i32(self.draw.below(5)) + SHL
        if which == 12:
            return self.value(depth - 1) + b"\x22" + u(self.walker())
        return self.look(depth - 1) + i32(0x1FC) + AND

    def look(self, depth):
        """A load, mostly of a word."""
        return self.address(depth) + load((0x28, 0x28, 0x28, 0x2D, 0x2F)[self.draw.below(5)], self.offset())

    def offset(self):
        return (0, 0, 0, 4, 8, 2, 1)[self.draw.below(7)]

    def walker(self):
        """A local that statements set; the counters of loops are others."""
        return self.draw.below(LOCALS)

    def address(self, depth):
        """Mostly inside the memory; sometimes whatever comes."""
        value = self.value(depth)
        which = self.draw.below(6)
        if which < 3:
            return get(self.local())
        return value if which == 3 else value + i32((0xFFC, 0xFFF)[which & 1]) + AND

    def condition(self):
        which = self.draw.below(6)
        if which < 2:
            return get(self.local()) + (b"\x45" if which else b"")
        right = get(self.local()) if which < 4 else self.constant()
        return get(self.local()) + right + ORDERS[self.draw.below(10)] + (b"\x45" if which == 5 else b"")

    def statements(self):
        out = b""
        for _ in range(1 + self.draw.below(4)):
            if self.left:
                self.left -= 1
                out += self.statement()
        return out

    def statement(self):
        which = self.draw.below(16)
        if which < 3:
            return self.value() + put(self.walker())
        if which < 6 or len(self.labels) > 5:
            return get(SEEN) + i32(31) + MUL + self.look(1) + ADD + put(SEEN)
        if which < 8:
            return self.address(1) + self.value() + load((0x36, 0x36, 0x3A, 0x3B)[self.draw.below(4)], self.offset())
        if which < 11 and self.labels:
            return self.branch(self.draw.below(len(self.labels)))
        if which < 13 and self.loops < COUNTERS:
            return self.loop()
        self.labels.append(-1)
        if which < 14:
            out = BLOCK + self.statements()
        else:
            out = self.condition() + IF + self.statements()
            if which == 14:
                out += ELSE + self.statements()
        self.labels.pop()
        return out + END

    def branch(self, label):
        """A br_if; one that repeats a loop counts, too, so that it ends."""
        counter = self.labels[-1 - label]
        if counter < 0:
            return self.condition() + b"\x0d" + u(label)
        return get(counter) + i32(1) + SUB + b"\x22" + u(counter) + i32(0) + b"\x4a\x0d" + u(label)

    def loop(self):
        """A loop of a few rounds, counted by a local of its own."""
        counter = LOCALS + self.loops
        self.loops += 1
        self.labels.append(counter)
        out = i32(2 + self.draw.below(4)) + put(counter) + LOOP + self.statements()
        if self.draw.below(2):
            # So that some walk on from round to round.
            walker = self.walker()
            out += get(walker) + i32((4, 4, 8, 1, -4)[self.draw.below(5)]) + ADD + put(walker)
        out += self.branch(0) + END
        self.labels.pop()
        return out


def program(seed):
    """A module whose f0(i32, i32) does what the seed says; it gives all locals in one number."""
    body = Body(Draw(seed))
    code = b""
    while body.left:
        code += body.statements()
    code += get(SEEN)
    for i in range(LOCALS):
        code += i32(31) + MUL + get(i) + ADD
    data = bytes([i * 37 + (i >> 5) & 255 for i in range(2048)])
    locals = [I32] * (WALKERS + COUNTERS + 1)
    return module([function((I32, I32), (I32,), code, locals)], memory=(1, 1), data=[(0, data)])


def digest(seeds, begin):
    """SHA-256 of what `seeds` programs do; begin(data) gives call(arguments) -> text."""
    whole = hashlib.sha256()
    for seed in range(seeds):
        call = begin(program(seed))
        for arguments in ARGUMENTS:
            whole.update(bytes("%d %s\n" % (seed, call(arguments)), "utf-8"))
    return "".join(["%02x" % byte for byte in whole.digest()])
