"""Random valid modules, drawn toward the odd corners; bodies.py writes their functions."""

from bodies import Body
from modules import END, module, u
from odd import IMPORTS, TYPES, WASI, constant


class Plan:
    """What a module will have, decided before its bodies are written."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.pages = rnd.choice((None, 0, 1, 1, 1, 1, 2))
        self.most = rnd.choice((None, None, 0, 3, 3, 65536)) if self.pages is not None else None
        if self.most is not None:
            self.most = max(self.pages, self.most)
        self.globals = [(rnd.choice(TYPES), rnd.random() < 0.85) for _ in range(rnd.choice((0, 1, 3, 6)))]
        self.imports = rnd.sample(IMPORTS, rnd.choice((0, 0, 0, 1, 4)))
        self.signatures = [(params, results) for _, params, results in self.imports]
        self.own = rnd.choice((1, 2, 3, 5))
        self.signatures += [self.signature() for _ in range(self.own)]
        self.has_start = rnd.random() < 0.15
        if self.has_start:
            self.signatures[-1] = ((), ())
        self.table = rnd.choice((None, 0, 1, 7, 8, 12))
        self.slots = {}
        self.elements = []
        if self.table:
            for _ in range(rnd.choice((1, 1, 2))):
                at = rnd.randrange(self.table)
                count = rnd.randrange(self.table - at + 1)
                functions = [rnd.randrange(len(self.signatures)) for _ in range(count)]
                self.elements.append((at, functions))
                self.slots.update({at + i: f for i, f in enumerate(functions)})
            if rnd.random() < 0.02:
                self.elements.append((rnd.choice((self.table, -1)), [0]))

    def signature(self):
        """Parameters and results: few mostly, many at times."""
        most = self.rnd.choice((0, 1, 2, 4, 12))
        params = tuple([self.rnd.choice(TYPES) for _ in range(self.rnd.randrange(most + 1))])
        results = tuple([self.rnd.choice(TYPES) for _ in range(self.rnd.choice((0, 1, 1, 1, 2, 4)))])
        if self.rnd.random() < 0.2:
            params = results
        return params, results

    def type_of(self, function):
        """`module` gives every function a type of its own."""
        return function

    def data(self):
        """Data segments: at the start, at the edge, now and then beyond."""
        if self.pages is None:
            return []
        size = self.pages * 65536
        out = []
        for _ in range(self.rnd.choice((0, 1, 2))):
            raw = bytes([self.rnd.choice((0, 1, 0x7F, 0x80, 0xFF, 0xC0)) for _ in range(self.rnd.choice((0, 1, 8, 100)))])
            out.append((max(0, self.rnd.choice((0, 3, size - len(raw), size // 2))), raw))
        out = [(at, raw) for at, raw in out if at + len(raw) <= size]
        if self.rnd.random() < 0.02:
            out.append((self.rnd.choice((size, size - 1, -1)), b"ab"))
        return out


def generate(rnd, size=100):
    """A valid module's bytes; about `size` instructions a function."""
    plan = Plan(rnd)
    first = len(plan.imports)
    functions = [Body(rnd, plan, signature, rnd.choice((3, size, 2 * size))).write() for signature in plan.signatures[first:]]
    kinds = []
    for _, params, results in plan.imports:
        kinds.append(b"\x60" + u(len(params)) + bytes(params) + u(len(results)) + bytes(results))
    exports = {"f%d" % i: i for i in range(first, len(plan.signatures))}
    for i, (t, _) in enumerate(plan.globals):
        exports["g%d" % i] = first + len(functions)
        functions.append((b"\x60\0\1" + bytes([t]), b"\4\0\x23" + u(i) + END))
    return module(
        functions, memory=None if plan.pages is None else (plan.pages, plan.most), table=plan.table,
        imports=[(WASI, name, kind) for (name, _, _), kind in zip(plan.imports, kinds)], exports=exports,
        globals=[(t, int(m), constant(rnd, t)) for t, m in plan.globals], data=plan.data(), elements=plan.elements,
        start=len(plan.signatures) - 1 if plan.has_start else -1,
    )  # fmt: skip
