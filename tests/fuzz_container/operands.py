"""The operand stack of a body that is being written: what stands there, and values to push."""

from modules import I32, s, u
from odd import BY_RESULT, FAR, LOADS, OFFSETS, TRAPPING, constant


class Frame:
    """A construct that is open: what its label takes, where its stack begins."""

    def __init__(self, label, results, height, loop=False):
        self.label = label
        self.results = results
        self.height = height
        self.dead = False
        self.loop = loop


class Operands:
    """Pushes values and takes them; `code`, `left`, `stack`, `frames`, `locals`, `plan`, `rnd` are Body's."""

    def emit(self, code):
        self.code += code
        self.left -= 1

    @property
    def frame(self):
        return self.frames[-1]

    def standing(self):
        return len(self.stack) - self.frame.height

    def need(self, types, depth=1):
        """Have `types` on top of the stack: what stands there already, or new values."""
        most = 0
        for k in range(1, min(len(types), self.standing()) + 1):
            top = self.stack[len(self.stack) - k :]
            if all(have is None or have == want for have, want in zip(top, types[:k])):
                most = k
        if most and self.rnd.random() < 0.2:
            most = 0
        if self.frame.dead and not self.standing() and self.rnd.random() < 0.7:
            # A polymorphic stack gives whatever is asked for; only what is above it is written.
            most = self.rnd.randrange(len(types) + 1)
            self.stack.extend(types[:most])
        for t in types[most:]:
            self.value(t, depth)

    def take(self, types, depth=1):
        self.need(types, depth)
        if types:
            del self.stack[-len(types) :]

    def give(self, types):
        self.stack.extend(types)

    def value(self, t, depth):
        """Push one value of type `t`."""
        r = self.rnd.random()
        locals_ = [i for i, have in enumerate(self.locals) if have == t]
        globals_ = [i for i, (have, _) in enumerate(self.plan.globals) if have == t]
        if locals_ and r < 0.4:
            self.emit(b"\x20" + u(self.rnd.choice(locals_)))
        elif globals_ and r < 0.5:
            self.emit(b"\x23" + u(self.rnd.choice(globals_)))
        elif depth > 0 and self.left > 0 and r < 0.75:
            self.operate_to(t, depth - 1)
            return
        elif depth > 0 and self.plan.pages is not None and r < 0.85:
            ops = [op for op, (have, _) in LOADS.items() if have == t]
            self.address(depth - 1)
            self.stack.pop()
            self.emit(self.access(self.rnd.choice(ops), LOADS))
        else:
            self.emit(constant(self.rnd, t))
        self.stack.append(t)

    def operate_to(self, t, depth):
        op = self.rnd.choice(BY_RESULT[t])
        if op[0] in TRAPPING and self.rnd.random() < 0.7:
            op = self.rnd.choice(BY_RESULT[t])
        for p in op[1]:
            self.value(p, depth)
        del self.stack[-len(op[1]) :]
        self.emit(op[3])
        self.stack.append(t)

    def address(self, depth):
        """Push an address: mostly one within the memory, sometimes far off."""
        pages = self.plan.pages
        r = self.rnd.random()
        if r < 0.35:
            edge = pages * 65536 - self.rnd.randrange(1, 17)
            near = self.rnd.choice((self.rnd.randrange(0, 64), 0, 8, max(edge, 0), max(edge, 0)))
            self.emit(b"\x41" + s(near))
            self.stack.append(I32)
        elif r < 0.95:
            self.value(I32, depth)
            mask = self.rnd.choice((0xFF, 0xFFFC, 0xFFF0, 0x7FFF, 0xFFFF))
            self.emit(b"\x41" + s(mask) + b"\x71")
        else:
            self.value(I32, depth)

    def access(self, op, table):
        size = table[op][1]
        align = self.rnd.randrange({1: 1, 2: 2, 4: 3, 8: 4}[size])
        offset = self.rnd.choice(FAR if self.rnd.random() < 0.03 else OFFSETS)
        return bytes([op]) + u(align) + u(offset)
