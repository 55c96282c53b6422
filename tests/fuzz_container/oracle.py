"""What wasmtime says of a case, in the words of device.py's records.

A case: {"data": module, "calls": [[exported function, [argument]]], "fuel", "pages",
"stdin"}; arguments and results are signed integers, floats by their bits, any NaN "nan".
"""

import ctypes
import hashlib
import struct

import wasmtime
from rewrite import F32, F64, I32, PREFIX, WHY_DEPTH, WHY_FUEL, Rewritten, pages
from wasmtime import TrapCode

from backfence.agent.container.trap import Unwind
from backfence.agent.container.wasi import Wasi

TRAPS = {
    TrapCode.MEMORY_OUT_OF_BOUNDS: "out of bounds memory access",
    TrapCode.TABLE_OUT_OF_BOUNDS: "undefined element",
    TrapCode.INDIRECT_CALL_TO_NULL: "uninitialized element",
    TrapCode.BAD_SIGNATURE: "indirect call type mismatch",
    TrapCode.INTEGER_OVERFLOW: "integer overflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "integer divide by zero",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "invalid conversion to integer",
    TrapCode.UNREACHABLE: "unreachable executed",
}
# What the container refuses though it is valid WebAssembly to wasmtime as configured here:
# reference types (the interface cannot switch them off), passive segments and memory.init
# (not without memory.copy and memory.fill), imports, and the caps.  Parts of the refusals' texts.
BEYOND = (
    "supported", "the cap is", "too large or too deep", "translates to more than", "values on the operand stack",
    "nest deeper", "more than", "it imports", "constant expression", "register file", "multiple tables",
)  # fmt: skip
FIXED_CLOCK_NS = 1000000000 * 1000000000
OUTPUT_CAP = 1000
SEED = b"s" * 32


def config():
    """wasmtime with what the container accepts and as little else as its interface allows."""
    c = wasmtime.Config()
    c.cranelift_opt_level = "none"
    for name in (
        "relaxed_simd", "multi_memory", "memory64", "threads", "tail_call",
        "function_references", "gc", "exceptions", "wide_arithmetic", "custom_page_sizes", "stack_switching",
        "simd",
    ):  # fmt: skip
        setattr(c, "wasm_" + name, False)
    return c


ENGINE = wasmtime.Engine(config())


def valid(data):
    """Why wasmtime finds the module invalid, or "" if it is valid."""
    try:
        wasmtime.Module.validate(ENGINE, data)
    except wasmtime.WasmtimeError as e:
        return str(e).strip().splitlines()[-1] or "invalid"
    return ""


class HostMemory:
    """wasmtime's memory with the face that Wasi wants."""

    def __init__(self, run):
        self.run = run

    @property
    def size(self):
        return self.run.memory.data_len(self.run.store)

    @property
    def bytes(self):
        pointer = self.run.memory.data_ptr(self.run.store)
        array = (ctypes.c_ubyte * self.size).from_address(ctypes.addressof(pointer.contents))
        return memoryview(array).cast("B")


class Run:
    """One case in wasmtime."""

    def __init__(self, case):
        self.case = case
        self.module = Rewritten(case["data"], case["fuel"])
        self.store = wasmtime.Store(ENGINE)
        self.store.set_limits(memory_size=case["pages"] * 65536)
        compiled = wasmtime.Module(ENGINE, self.module.data)
        self.memory = None
        self.wasi = Wasi(
            HostMemory(self) if self.module.has_memory else None,
            case.get("stdin", b""), case.get("args", []), OUTPUT_CAP, SEED, FIXED_CLOCK_NS,
        )  # fmt: skip
        self.wasi.meter = self.charge
        imports = [self.host(item) for item in compiled.imports]
        self.exports = wasmtime.Instance(self.store, compiled, imports).exports(self.store)
        if self.module.has_memory:
            self.memory = self.hidden("memory")

    def hidden(self, name):
        return self.exports[PREFIX + name]

    def host(self, item):
        call = self.wasi.bind(item.name)
        return wasmtime.Func(self.store, item.type, lambda *args: _signed(call(0, *args)))

    def charge(self, cost):
        """Take fuel for what the host did."""
        fuel = self.hidden("fuel")
        left = fuel.value(self.store) - cost
        fuel.set_value(self.store, wasmtime.Val.i64(left))
        if left < 0:
            raise Unwind("fuel", 0, "")

    def call(self, name, args):
        """[kind, ...] of one call."""
        self.hidden("depth").set_value(self.store, wasmtime.Val.i32(0))
        self.hidden("why").set_value(self.store, wasmtime.Val.i32(0))
        function = self.exports[name]
        kind = function.type(self.store)
        try:
            values = function(self.store, *[_given(str(t), a) for t, a in zip(kind.params, args)])
        except Unwind as e:
            return [e.kind, e.code] if e.kind == "exit" else [e.kind, e.reason] if e.kind == "trap" else [e.kind]
        except wasmtime.Trap as e:
            why = self.hidden("why").value(self.store)
            if why == WHY_FUEL:
                return ["fuel"]
            if why == WHY_DEPTH:
                return ["trap", "call depth exceeded"]
            return ["trap", TRAPS[e.trap_code]]
        if not kind.results:
            values = []
        elif len(kind.results) == 1:
            values = [values]
        return ["ok", [_taken(str(t), v) for t, v in zip(kind.results, values)]]

    def fuel(self):
        left = self.hidden("fuel").value(self.store)
        return min(self.case["fuel"], self.case["fuel"] - left)


def record(case):
    """The record of a case that wasmtime accepts."""
    if pages(case["data"]) > case["pages"]:
        return {"calls": [["memory"]], "fuel": 0}
    try:
        run = Run(case)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as e:
        text = str(e)
        what = "table" if "table" in text else "memory"
        if "out of bounds" not in text:
            raise
        return {"calls": [["trap", "out of bounds %s access" % what]], "fuel": 0}
    calls = []
    if run.module.has_start:
        calls.append(run.call(PREFIX + "start", []))
        if calls[0][0] == "ok":
            calls = []
    if not calls:
        for name, args in case["calls"]:
            calls.append(run.call(name, args))
            if calls[-1][0] not in ("ok", "trap"):
                break
    out = {"calls": calls, "fuel": run.fuel(), "output": bytes(run.wasi.output).hex()}
    if run.memory:
        size = run.memory.data_len(run.store)
        out["memory"] = [size >> 16, hashlib.sha256(HostMemory(run).bytes).hexdigest()]
    return out


def _signed(value):
    return value if value is None or value < 0x80000000 else value - 0x100000000


def _given(t, value):
    if t == "f32":
        return struct.unpack("<f", struct.pack("<i", value))[0]
    if t == "f64":
        return struct.unpack("<d", struct.pack("<q", value))[0]
    return value


def _taken(t, value):
    if t in ("f32", "f64"):
        if value != value:
            return "nan"
        return struct.unpack("<i", struct.pack("<f", value))[0] if t == "f32" else struct.unpack("<q", struct.pack("<d", value))[0]
    return value


__all__ = ("BEYOND", "F32", "F64", "I32", "record", "valid")
