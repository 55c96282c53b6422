"""The container's own rules written into a module, so that wasmtime keeps them too.

Fuel, the cap on call depth and canonical NaNs are no part of WebAssembly.  `rewrite`
puts them into the module as instructions, by what docs and docstrings say of them and
not by the agent's code: two globals count depth and fuel, a third says which
of the two ran out; what stores a float, or looks at its bits, makes a NaN canonical first.
The start function is exported instead, so that what it leaves can be looked at.
"""

from binary import CODE, EXPORT, FUNCTION, GLOBAL, MEMORY, TYPE, Cursor, Parts, instructions, locals_end
from modules import END, F32, F64, I32, get, s, u

DEPTH = 60
WHY_DEPTH, WHY_FUEL = 1, 2
NAN = {F32: b"\x43\0\0\xc0\x7f", F64: b"\x44\0\0\0\0\0\0\xf8\x7f"}
PREFIX = "\0oracle "


class Rewritten:
    """The new module; `data` its bytes, `start` whether it had a start function."""

    def __init__(self, data, fuel):
        self.parts = parts = Parts(data)
        self.has_start = parts.start is not None
        self.has_memory = bool(parts[MEMORY])
        self.functions = len(parts.imported()) + len(parts[FUNCTION])
        g = len(parts[GLOBAL])
        self.depth, self.fuel, self.why = u(g), u(g + 1), u(g + 2)
        self.helpers = {}
        bodies = [self.body(body) for body in parts[CODE]]
        parts[CODE][:] = bodies
        parts[GLOBAL].extend([b"\x7f\1" + b"\x41\0" + END, b"\x7e\1\x42" + s(fuel) + END, b"\x7f\1\x41\0" + END])
        for name, index in (("depth", g), ("fuel", g + 1), ("why", g + 2)):
            self.export(name, 3, index)
        if self.has_memory:
            self.export("memory", 2, 0)
        if self.has_start:
            self.export("start", 0, parts.start)
            parts.start = None
        for name in sorted(self.helpers, key=self.helpers.get):
            params, results, body = self.helper_body(name)
            parts[TYPE].append(b"\x60" + u(len(params)) + bytes(params) + u(len(results)) + bytes(results))
            parts[FUNCTION].append(u(len(parts[TYPE]) - 1))
            parts[CODE].append(b"\0" + body + END)
        self.data = parts.join()

    def export(self, name, kind, index):
        raw = (PREFIX + name).encode()
        self.parts[EXPORT].append(u(len(raw)) + raw + bytes([kind]) + u(index))

    def helper(self, name):
        """The call of a helper function, which is made if it is new."""
        if name not in self.helpers:
            self.helpers[name] = self.functions + len(self.helpers)
        return b"\x10" + u(self.helpers[name])

    def stop(self, why):
        """if: end the run."""
        return b"\x04\x40\x41" + u(why) + b"\x24" + self.why + b"\0" + END

    def charge(self, amount):
        """Code that takes fuel; `amount` is code that gives an i64."""
        get_fuel = b"\x23" + self.fuel
        code = get_fuel + amount + b"\x7d\x24" + self.fuel
        return code + get_fuel + b"\x42\0\x53" + self.stop(WHY_FUEL)

    def body(self, body):
        """A body with its costs written in."""
        begin = locals_end(body)
        listing = instructions(body, begin)
        costs = _costs(listing)
        out = bytearray(body[:begin])
        out += b"\x23" + self.depth + b"\x41" + s(DEPTH) + b"\x4b" + self.stop(WHY_DEPTH)
        out += self.charge(b"\x42" + s(costs[-1]))
        deeper, back = [
            b"\x23" + self.depth + b"\x41\1" + op + b"\x24" + self.depth for op in (b"\x6a", b"\x6b")
        ]
        for number, (op, start, end) in enumerate(listing):
            code = body[start:end]
            if op in (0x10, 0x11):
                out += deeper + code + back
            elif op == 0x03:
                out += code
                if costs[number]:
                    out += self.charge(b"\x42" + s(costs[number]))
            elif op in _SINKS:
                out += self.helper(_SINKS[op]) + code
            elif op in _REPLACED:
                out += self.helper(_REPLACED[op])
            else:
                out += code
        return bytes(out)

    def helper_body(self, name):
        """(params, results, code) of a helper."""
        if name.startswith("nan"):
            t = F32 if name == "nan32" else F64
            equal = b"\x5b" if t == F32 else b"\x61"
            return [t], [t], get(0) + NAN[t] + get(0) + get(0) + equal + b"\x1b"
        if name.startswith("sign"):
            # copysign does not show the sign of a NaN.
            t = F32 if name == "sign32" else F64
            equal, copysign, magnitude = (b"\x5b", b"\x98", b"\x8b") if t == F32 else (b"\x61", b"\xa6", b"\x99")
            code = get(0) + get(1) + copysign + get(0) + magnitude + get(1) + get(1) + equal + b"\x1b"
            return [t, t], [t], code
        # memory.copy and memory.fill: within bounds, then paid for, then done.
        op = b"\xfc\x0a\0\0" if name == "copy" else b"\xfc\x0b\0"
        do = get(0) + get(1) + get(2) + op
        code = b""
        for i in (0, 1) if name == "copy" else (0,):
            reach = get(i) + b"\xad" + get(2) + b"\xad\x7c"
            size = b"\x3f\0\xad\x42\x10\x86"
            code += reach + size + b"\x56\x04\x40" + do + b"\0" + END
        return [I32] * 3, [], code + self.charge(get(2) + b"\xad\x42\6\x88") + do


# Floats whose bits are about to be seen, by the opcode that sees them.
_SINKS = {0x38: "nan32", 0x39: "nan64", 0xBC: "nan32", 0xBD: "nan64"}
_REPLACED = {0x98: "sign32", 0xA6: "sign64", 0xFC0A: "copy", 0xFC0B: "fill"}
_FREE = (0x01, 0x02, 0x03, 0x05, 0x0B)


def _costs(listing):
    """{number of a loop's instruction: its round's fuel}, and at -1 the fuel of the function's entry."""
    costs = {-1: 1}
    open_ = [-1]
    for number, (op, _, _) in enumerate(listing):
        if op not in _FREE:
            costs[open_[-1]] += 1
        if op == 0x03:
            costs[number] = 0
            open_.append(number)
        elif op in (0x02, 0x04):
            open_.append(open_[-1])
        elif op == 0x0B:
            open_.pop()
    return costs


def pages(data):
    """Pages a module's memory begins with; 0 without one."""
    items = Parts(data)[MEMORY]
    if not items:
        return 0
    cursor = Cursor(items[0])
    cursor.byte()
    return cursor.u()
