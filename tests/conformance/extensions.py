"""Tests of what the specification took up after its first version.

Debian's copy of its tests is older than multi-value, sign extension, saturating
conversion, memory.copy and memory.fill.  The calls are made here; what they must give,
and which modules are invalid, wasmtime says while the files are written.
"""

import hashlib
import struct
from pathlib import Path

import convert
import wasmtime

HERE = Path(__file__).resolve().parent
# The modules, and the calls to each: see extensions/*.wat.
FOLDER = HERE / "extensions"

INTEGERS = {
    "i32": (
        0, 1, 0x7E, 0x7F, 0x80, 0x81, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x12345600, 0xFEDCBA80,
        0x7FFFFFFF, 0x80000000, 0xFFFFFF80, 0xFFFFFFFF,
    ),
    "i64": (
        0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000,
        0x0123456789ABCD80, 0xFEDCBA9876548000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF,
    ),
}  # fmt: skip
# Around each limit of the integers, and what is no number at all.
REALS = (
    0.0, 5e-324, 1e-40, 0.5, 0.9999999, 1.0, 1.5, 1.9, 2.0, 2147483520.0, 2147483647.0, 2147483648.0, 2147483649.0,
    4294967040.0, 4294967295.0, 4294967295.9, 4294967296.0, 9007199254740993.0, 9.223371487098962e18,
    9.223372036854775e18, 9223372036854775808.0, 1.8446742974197924e19, 1.844674407370955e19,
    18446744073709551616.0, 1e30, float("inf"), float("nan"),
)  # fmt: skip


def values(t):
    """Bits of a value of each sort of type `t`, both signs."""
    if t in INTEGERS:
        return INTEGERS[t]
    size, code = (4, "<f") if t == "f32" else (8, "<d")
    return [int.from_bytes(struct.pack(code, sign * x), "little") for x in REALS for sign in (1, -1)]


class Oracle:
    """One module in wasmtime."""

    def __init__(self, data):
        self.engine = wasmtime.Engine()
        self.store = wasmtime.Store(self.engine)
        module = wasmtime.Module(self.engine, data)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)

    def types(self, name):
        """(parameters, results) of a function, as their names."""
        kind = self.exports[name].type(self.store)
        return [str(t) for t in kind.params], [str(t) for t in kind.results]

    def call(self, name, bits):
        """["assert_return", bits of each result] or ["assert_trap", why]."""
        params, results = self.types(name)
        args = [_value(t, b) for t, b in zip(params, bits)]
        try:
            found = self.exports[name](self.store, *args)
        except wasmtime.Trap as trap:
            words = ("out of bounds memory access", "integer divide by zero", "unreachable", "undefined element",
                     "indirect call type mismatch")  # fmt: skip
            return "assert_trap", next(text for text in words if text in str(trap))
        found = found if len(results) > 1 else [found] if results else []
        return "assert_return", [[t, _bits(t, v)] for t, v in zip(results, found)]


def _value(t, bits):
    if t in INTEGERS:
        size = int(t[1:])
        return bits - (1 << size) if bits >> size - 1 else bits
    return struct.unpack("<f" if t == "f32" else "<d", bits.to_bytes(int(t[1:]) // 8, "little"))[0]


def _bits(t, value):
    if t in INTEGERS:
        return value & (1 << int(t[1:])) - 1
    return int.from_bytes(struct.pack("<f" if t == "f32" else "<d", value), "little")


def calls(text, oracle):
    """(name, bits of the arguments) of each call a .wat file asks for.

    A line `;; call NAME 1 2` is one; `;; each NAME` calls a function of one parameter
    with every value of `values`.
    """
    for line in text.splitlines():
        words = line.split()
        if words[:2] == [";;", "call"]:
            yield words[2], [int(word, 0) for word in words[3:]]
        elif words[:2] == [";;", "each"]:
            (t,), _ = oracle.types(words[2])
            for bits in values(t):
                yield words[2], [bits]


def write(source, path):
    """Make the .cmd file of a .wat file.  What follows `;; invalid` are modules to refuse."""
    whole, *invalid = source.read_text().split(";; invalid\n")
    writer = convert.Writer()
    data = wasmtime.wat2wasm(whole)
    writer.command(1, "module", None, *writer.module(data))
    oracle = Oracle(data)
    for number, (name, bits) in enumerate(calls(whole, oracle), 2):
        args = [[t, b] for t, b in zip(oracle.types(name)[0], bits, strict=True)]
        kind, expected = oracle.call(name, bits)
        writer.command(number, kind, None, name, args, expected)
    for number, text in enumerate(invalid, 1000):
        data = wasmtime.wat2wasm(text)
        try:
            wasmtime.Module.validate(oracle.engine, data)
        except wasmtime.WasmtimeError:
            writer.command(number, "assert_invalid", *writer.module(data), "invalid")
        else:
            raise convert.ConvertError(f"{source.name}: wasmtime finds nothing wrong with: {text}")
    writer.save(path)


def prepared(folder):
    """The .cmd files of all extensions in `folder`, made if they are not there yet."""
    found = []
    for source in sorted(FOLDER.glob("*.wat")):
        made_of = hashlib.sha256(source.read_bytes() + Path(__file__).read_bytes() + b"%d" % convert.FORM)
        path = folder / f"{source.stem}-{made_of.hexdigest()[:12]}.cmd"
        if not path.exists():
            write(source, path)
        found.append(path)
    return found
