"""Random programs do what wasmtime does; mutated modules are never more welcome here than there."""

import random
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

import edges
import programs
from modules import F32, F64
from backfence.agent.container import Admission, Limits, Refused
from backfence.agent.container.mode import Mode

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TRAPS = {
    "integer divide by zero": "integer divide by zero",
    "integer overflow": "integer overflow",
    "out of bounds memory access": "out of bounds memory access",
    "invalid conversion to integer": "invalid conversion to integer",
}
BYTES_READ = 65536


def config():
    """wasmtime with what the container accepts and nothing newer."""
    c = wasmtime.Config()
    c.wasm_simd = False
    c.wasm_relaxed_simd = False
    c.wasm_multi_memory = False
    c.wasm_memory64 = False
    return c


def bits(t, pattern):
    """A Python number for wasmtime or our `invoke` from an edge value."""
    if t in (F32, F64):
        import struct

        return struct.unpack("<f" if t == F32 else "<d", struct.pack("<i" if t == F32 else "<q", pattern))[0]
    return pattern


def admit(data, mode=None):
    admission = Admission(data, Limits(), False, mode)
    while not admission.step():
        pass
    return admission.program


def ours(data, calls, mode=None):
    """[value or trap reason of each call], and the memory."""
    instance = admit(data, mode).start(b"", [], 1 << 26, 0, 2, False, b"")
    out = []
    for args in calls:
        kind, _, reason, values = instance.invoke("f4", args, lambda: True)
        out.append(values[0] if kind == "ok" else reason)
    return out, bytes(instance.memory.bytes[:BYTES_READ])


def theirs(data, calls):
    engine = wasmtime.Engine(config())
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, data), []).exports(store)
    out = []
    for args in calls:
        try:
            out.append(exports["f4"](store, *args))
        except wasmtime.Trap as e:
            out.append(next((ours for text, ours in TRAPS.items() if text in str(e)), str(e)))
    words = [exports["f5"](store, at) & (1 << 64) - 1 for at in range(0, BYTES_READ, 8)]
    return out, b"".join(word.to_bytes(8, "little") for word in words)


def arguments(rnd):
    return [bits(t, rnd.choice(edges.values(t))) for t in programs.PARAMS]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**64))
def test_random_programs(seed):
    rnd = random.Random(seed)
    data = programs.program(rnd)
    calls = [arguments(rnd) for _ in range(4)]
    assert ours(data, calls) == theirs(data, calls)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**64))
def test_random_programs_without_a_view_of_words(seed):
    """As on a big-endian box."""
    rnd = random.Random(seed)
    data = programs.program(rnd)
    calls = [arguments(rnd) for _ in range(2)]
    assert ours(data, calls, Mode(False, False, False)) == theirs(data, calls)


@pytest.mark.parametrize("name", ["words", "trap", "nbody", "random"])
def test_mutated_modules(name):
    """A few hundred mutations each: what wasmtime refuses is refused here, and in a Refused."""
    rnd = random.Random(name)
    engine = wasmtime.Engine(config())
    accepted = refused = 0
    for n in range(150):
        if name == "random":
            original = programs.program(rnd, 1, 3)
        else:
            original = (EXAMPLES / f"{name}.wasm").read_bytes()
        data = bytearray(original)
        for _ in range(rnd.choice((1, 1, 1, 2, 5))):
            mutate(rnd, data)
        try:
            admit(bytes(data))
            accepted += 1
        except Refused:
            refused += 1
            continue
        wasmtime.Module.validate(engine, bytes(data))
    assert refused > 20 and accepted > 5, (accepted, refused)


def mutate(rnd, data):
    """One change near anywhere, but in the code more often than in what follows it."""
    at = rnd.randrange(8, len(data))
    how = rnd.randrange(4)
    if how == 0:
        data[at] = rnd.randrange(256)
    elif how == 1:
        data[at] ^= 1 << rnd.randrange(8)
    elif how == 2 and at + 1 < len(data):
        data[at], data[at + 1] = data[at + 1], data[at]
    else:
        data[at] = rnd.choice((0x0B, 0x1A, 0x20, 0x41, 0x6A, 0x7F, 0x7E, 0x7C, 0x40, 0x00, 0x01, 0x0C, 0x0D, 0x0F))
