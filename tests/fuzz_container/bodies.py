"""Random function bodies.

A body is written as a stack machine's: each instruction takes what happens to stand
on the operand stack, or what is pushed for it, so that values wait below others,
blocks take and give several, and dead code has the stacks that only dead code has.
Nothing need end: the fuel of the case ends it.
"""

from modules import END, F64, I32, s, u
from odd import ALL, LOADS, STORES, TRAPPING, TYPES
from operands import Frame, Operands


class Body(Operands):
    """Writes one function body."""

    def __init__(self, rnd, plan, signature, size):
        self.rnd = rnd
        self.plan = plan
        self.left = size  # instructions still to write, about
        self.code = bytearray()
        self.stack = []  # types; None where dead code made one of any type
        self.params, self.results = signature
        count = rnd.choice((0, 1, 2, 4, 8)) if rnd.random() < 0.97 else 150
        self.locals = list(self.params) + [rnd.choice(TYPES) for _ in range(count)]
        self.frames = [Frame(self.results, self.results, 0)]
        self.ops = [
            (30, self.operate), (14, self.set_local), (8, self.set_global), (12, self.load), (24, self.store),
            (1, self.drop), (4, self.select), (6, self.block), (1, self.tower), (4, self.branch_if), (1.5, self.branch),
            (1.5, self.branch_table), (0.7, self.leave), (8, self.call), (4, self.call_indirect), (6, self.memory),
            (3, self.bulk), (6, self.push_any), (2, self.counted), (0.3, self.unreachable), (3, self.compare_branch),
        ]  # fmt: skip
        self.weights = [w * rnd.choice((0.2, 1, 1, 1, 4)) for w, _ in self.ops]
        if rnd.random() < 0.5:  # a function mostly of one kind
            self.weights[rnd.randrange(len(self.ops))] += 100

    def write(self):
        """(type, code) of the function, as `module` takes it."""
        for _ in range(self.rnd.choice((0, 1, 2, 4, 8, 16))):
            self.sequence()
        self.finish(self.frames[0])
        runs = self.locals[len(self.params) :]
        groups = []
        for t in runs:
            if groups and groups[-1][1] == t and self.rnd.random() < 0.8:
                groups[-1][0] += 1
            else:
                groups.append([1, t])
        if self.rnd.random() < 0.05:
            groups.append([0, F64])
        kind = b"\x60" + u(len(self.params)) + bytes(self.params) + u(len(self.results)) + bytes(self.results)
        code = u(len(groups)) + b"".join([u(n) + bytes([t]) for n, t in groups]) + bytes(self.code) + END
        return kind, u(len(code)) + code

    # Instructions.

    def operate(self):
        """A numeric instruction on what stands there."""
        top = self.stack[-1] if self.standing() else None
        ops = [op for op in ALL if op[1][-1] == top] or ALL
        op = self.rnd.choice(ops)
        if op[0] in TRAPPING:
            op = self.rnd.choice(ops)
        self.take(list(op[1]))
        self.emit(op[3])
        self.give([op[2]])

    def push_any(self):
        self.value(self.rnd.choice(TYPES), 3)

    def set_local(self):
        if self.locals:
            i = self.rnd.randrange(len(self.locals))
            self.take([self.locals[i]])
            tee = self.rnd.random() < 0.3
            self.emit((b"\x22" if tee else b"\x21") + u(i))
            self.give([self.locals[i]] if tee else [])

    def set_global(self):
        mutable = [i for i, (_, m) in enumerate(self.plan.globals) if m]
        if mutable:
            i = self.rnd.choice(mutable)
            self.take([self.plan.globals[i][0]])
            self.emit(b"\x24" + u(i))

    def drop(self):
        if self.standing():
            self.stack.pop()
            self.emit(b"\x1a")

    def select(self):
        t = self.rnd.choice(TYPES)
        self.take([t, t, I32])
        self.emit(b"\x1b" if self.rnd.random() < 0.8 else b"\x1c\1" + bytes([t]))
        self.give([t])

    def load(self):
        if self.plan.pages is not None:
            op = self.rnd.choice(list(LOADS))
            self.address(2)
            self.stack.pop()
            self.emit(self.access(op, LOADS))
            self.give([LOADS[op][0]])

    def store(self):
        if self.plan.pages is not None:
            op = self.rnd.choice(list(STORES))
            self.address(1)
            self.take([I32, STORES[op][0]]) if self.rnd.random() < 0.1 else self.plain_value(STORES[op][0])
            self.emit(self.access(op, STORES))

    def plain_value(self, t):
        """The value to store, over the address that is there."""
        self.value(t, 1)
        del self.stack[-2:]

    def memory(self):
        if self.plan.pages is not None:
            if self.rnd.random() < 0.3:
                self.emit(b"\x3f\0")
            else:
                # Mostly little; anything at times.
                if self.rnd.random() < 0.9:
                    self.emit(b"\x41" + s(self.rnd.choice((0, 1, 1, 1, 1, 2, 65535, 65536, -1))))
                else:
                    self.take([I32])
                self.emit(b"\x40\0")
            self.give([I32])

    def bulk(self):
        if self.plan.pages is not None:
            copy = self.rnd.random() < 0.5
            self.address(1)
            if copy:
                self.address(1)
            else:
                self.value(I32, 1)
            self.emit(b"\x41" + s(self.rnd.choice((0, 1, 5, 64, 1023, 1024, 1025, 3000, 40000, 65536, -1))))
            del self.stack[-2:]
            self.emit(b"\xfc\x0a\0\0" if copy else b"\xfc\x0b\0")

    def call(self):
        index = self.rnd.randrange(len(self.plan.signatures))
        params, results = self.plan.signatures[index]
        if self.plan.imports and index < len(self.plan.imports):
            self.host_call(index, params, results)
            return
        self.take(list(params), 1)
        self.emit(b"\x10" + u(index))
        self.give(results)

    def host_call(self, index, params, results):
        """A call of WASI with pointers that often are good."""
        if self.plan.imports[index][0] == b"proc_exit" and self.rnd.random() < 0.9:
            return
        for p in params:
            if p == I32 and self.rnd.random() < 0.9:
                self.emit(b"\x41" + s(self.rnd.choice((0, 0, 1, 1, 2, 8, 16, 40, 65532))))
                self.stack.append(I32)
            else:
                self.value(p, 1)
        if params:
            del self.stack[-len(params) :]
        self.emit(b"\x10" + u(index))
        self.give(results)

    def call_indirect(self):
        if self.plan.table is None:
            return
        index = self.rnd.randrange(len(self.plan.signatures))
        params, results = self.plan.signatures[index]
        self.take(list(params), 1)
        slots = [i for i, f in self.plan.slots.items() if f == index]
        if slots and self.rnd.random() < 0.8:
            self.emit(b"\x41" + s(self.rnd.choice(slots)))
        else:
            self.value(I32, 1)
            if self.rnd.random() < 0.8:
                self.emit(b"\x41\7\x71")
            self.stack.pop()
        self.emit(b"\x11" + u(self.plan.type_of(index)) + b"\0")
        self.give(results)

    def unreachable(self):
        self.emit(b"\0")
        self.die()

    # Control.

    def die(self):
        del self.stack[self.frame.height :]
        self.frame.dead = True

    def leave(self):
        if len(self.frames) > 1 or self.rnd.random() < 0.2:
            self.take(list(self.results), 1)
            self.emit(b"\x0f")
            self.die()

    def label(self):
        depth = min(self.rnd.choice((0, 0, 0, 1, 1, 2, 3, 9)), len(self.frames) - 1)
        return depth, self.frames[-1 - depth]

    def branch(self):
        depth, frame = self.label()
        if len(self.frames) > 1:
            self.take(list(frame.label), 1)
            self.emit(b"\x0c" + u(depth))
            self.die()

    def branch_if(self):
        depth, frame = self.label()
        types = list(frame.label)
        self.take(types + [I32], 2)
        self.emit(b"\x0d" + u(depth))
        self.give(types)

    def compare_branch(self):
        """br_if on a comparison, as compilers write it."""
        depth, frame = self.label()
        if not frame.label:
            op = self.rnd.choice([op for op in ALL if op[2] == I32 and len(op[1]) == 2 and 0x45 <= op[3][0] <= 0x66])
            self.take(list(op[1]))
            self.emit(op[3])
            self.emit(b"\x0d" + u(depth))

    def branch_table(self):
        _, frame = self.label()
        types = list(frame.label)
        same = [i for i, other in enumerate(reversed(self.frames)) if list(other.label) == types]
        count = self.rnd.choice((0, 1, 2, 3, 5, 8, 40))
        self.take(types + [I32], 2)
        targets = [self.rnd.choice(same) for _ in range(count + 1)]
        self.emit(b"\x0e" + u(count) + b"".join([u(t) for t in targets]))
        self.die()

    def block_type(self):
        """(params, results, encoding): none, one result, or a type of the module."""
        r = self.rnd.random()
        if r < 0.45:
            return (), (), b"\x40"
        if r < 0.75:
            t = self.rnd.choice(TYPES)
            return (), (t,), bytes([t])
        index = self.rnd.randrange(len(self.plan.signatures))
        params, results = self.plan.signatures[index]
        return params, results, s(self.plan.type_of(index))

    def block(self, inside=None):
        if self.left < 4 or len(self.frames) > 100:
            return
        kind = self.rnd.choice((2, 2, 3, 4, 4))
        params, results, encoding = self.block_type()
        self.take(list(params) + ([I32] if kind == 4 else []), 2)
        self.emit(bytes([kind]) + encoding)
        height = len(self.stack)
        self.give(params)
        frame = Frame(params if kind == 3 else results, results, height, kind == 3)
        self.frames.append(frame)
        (inside or self.sequence)()
        self.finish(frame)
        if kind == 4 and (params != results or self.rnd.random() < 0.6):
            self.emit(b"\x05")
            frame.dead = False
            self.stack[height:] = params
            self.sequence()
            self.finish(frame)
        self.frames.pop()
        self.emit(END)
        self.stack[height:] = results

    def tower(self):
        """Many constructs inside each other, and branches from the innermost."""
        if len(self.frames) > 3:
            return
        deep = self.rnd.choice((3, 5, 10, 17, 19, 25, 62, 90))
        self.left += 3 * deep

        def inner():
            if len(self.frames) < deep:
                self.block(inner)
                self.some(self.rnd.randrange(2))
            else:
                self.some(6)

        inner()

    def some(self, count):
        for _ in range(count):
            self.rnd.choices(self.ops, self.weights)[0][1]()

    def counted(self):
        """A loop of some rounds, counted in a local."""
        counters = [i for i, t in enumerate(self.locals) if t == I32]
        if not counters or self.left < 12:
            return
        i = u(self.rnd.choice(counters))
        self.emit(b"\x41" + s(self.rnd.choice((1, 2, 3, 17))) + b"\x21" + i + b"\x03\x40")
        self.frames.append(Frame((), (), len(self.stack), True))
        self.sequence()
        self.finish(self.frame)
        self.frames.pop()
        self.emit(b"\x20" + i + b"\x41\x7f\x6a\x22" + i + b"\x41\0\x4a\x0d\0" + END)

    def sequence(self):
        """Some instructions of the construct that is open."""
        count = self.rnd.choice((0, 1, 2, 4, 8, 16))
        while count and self.left > 0 and len(self.code) < 5000 and len(self.stack) < 150:
            count -= 1
            if self.rnd.random() < 0.02:
                self.emit(b"\x01")
            self.some(1)

    def use(self, types):
        """Take values off the stack so that they show: into locals, where there are any."""
        for t in reversed(types):
            places = [i for i, have in enumerate(self.locals) if have == t]
            if places and self.rnd.random() < 0.8:
                self.code += b"\x21" + u(self.rnd.choice(places))
            else:
                self.code += b"\x1a"

    def finish(self, frame):
        """Make the stack what the construct gives: drop what is over, push what lacks."""
        results = list(frame.results)
        standing = self.stack[frame.height :]
        if frame.dead and not standing and self.rnd.random() < 0.7:
            return
        if all(have is None or have == want for have, want in zip(standing, results)) and len(standing) <= len(results):
            missing = results[len(standing) :]
        else:
            self.use(standing)
            missing = results
        del self.stack[frame.height :]
        for t in missing:
            self.value(t, 1)
