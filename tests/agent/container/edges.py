"""Every numeric instruction over edge values, as one module, and a digest of all answers."""

import struct
from hashlib import sha256

from modules import F32, F64, I32, I64, function, get, module

INTS = {
    I32: (0, 1, -1, 2, 3, 7, 31, 32, 33, -2, -7, 255, 256, 32768, 65535, 0x3FFFFFFF, 0x40000000, -0x40000000,
          -0x40000001, 0x7FFFFFFF, -0x7FFFFFFF, -0x80000000, 0x12345678, -0x12345678),
    I64: (0, 1, -1, 3, 63, 64, 65, -7, 0x7FFFFFFF, 0x80000000, -0x80000000, 0xFFFFFFFF, 0x100000000,
          0x3FFFFFFFFFFFFFFF, 0x4000000000000000, -0x4000000000000000, -0x4000000000000001,
          0x7FFFFFFFFFFFFFFF, -0x8000000000000000, 0x123456789ABCDEF0, -0x123456789ABCDEF0,
          (1 << 53) + 1, -(1 << 53) - 1, (1 << 24) + 1, 0x7FFFFF4000000001),
}  # fmt: skip
# Floats by their bits, so that no interpreter's parser has a say.
FLOATS = {
    F32: (0, 0x80000000, 0x3F800000, 0xBF800000, 1, 0x80000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF,
          0x7F800000, 0xFF800000, 0x7FC00000, 0x3F000000, 0xBF000000, 0x3FC00000, 0xC0200000, 0x3EFFFFFF, 0x4B000001,
          0x4EFFFFFF, 0x4F000000, 0xCF000000, 0x4F7FFFFF, 0x4F800000, 0x5EFFFFFF, 0x5F000000, 0x5F800000, 0x40490FDB),
    F64: (0, 1 << 63, 0x3FF0000000000000, 0xBFF0000000000000, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000,
          0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0x3FE0000000000000,
          0xBFE0000000000000, 0x3FF8000000000000, 0xC004000000000000, 0x3FDFFFFFFFFFFFFF, 0x4330000000000001,
          0x41DFFFFFFFC00000, 0x41E0000000000000, 0xC1E0000000000000, 0xC1E0000000200000, 0x41EFFFFFFFE00000,
          0x41F0000000000000, 0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0xC3E0000000000000, 0x43F0000000000000,
          0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x36A0000000000000, 0x3FB999999999999A, 0x400921FB54442D18),
}  # fmt: skip


def operations():
    """[(name, parameter types, result type, code)] of 0x45..0xC4 and 0xFC 0..7."""
    out = []

    def add(first, last, params, result):
        for op in range(first, last + 1):
            out.append(("op%02x" % op, params, result, bytes([op])))

    add(0x45, 0x45, (I32,), I32)
    add(0x46, 0x4F, (I32, I32), I32)
    add(0x50, 0x50, (I64,), I32)
    add(0x51, 0x5A, (I64, I64), I32)
    add(0x5B, 0x60, (F32, F32), I32)
    add(0x61, 0x66, (F64, F64), I32)
    for first, t in ((0x67, I32), (0x79, I64)):
        add(first, first + 2, (t,), t)
        add(first + 3, first + 17, (t, t), t)
    for first, t in ((0x8B, F32), (0x99, F64)):
        add(first, first + 6, (t,), t)
        add(first + 7, first + 13, (t, t), t)
    conversions = "7E7F 7D7F 7D7F 7C7F 7C7F 7F7E 7F7E 7D7E 7D7E 7C7E 7C7E 7F7D 7F7D 7E7D 7E7D 7C7D 7F7C 7F7C 7E7C 7E7C 7D7C"
    conversions += " 7D7F 7C7E 7F7D 7E7C 7F7F 7F7F 7E7E 7E7E 7E7E"
    for i, pair in enumerate(conversions.split()):
        add(0xA7 + i, 0xA7 + i, (int(pair[:2], 16),), int(pair[2:], 16))
    for i in range(8):
        out.append(("sat%d" % i, (F64 if i & 2 else F32,), I64 if i & 4 else I32, b"\xfc" + bytes([i])))
    return out


def wrapped(params, result, code):
    """A function of integers only: floats go in and out as bits, NaNs as one NaN."""
    kinds = [_as_int(t) for t in params]
    body = b""
    for i in range(len(params)):
        body += get(i) + {F32: b"\xbe", F64: b"\xbf"}.get(params[i], b"")
    body += code
    if result in (F32, F64):
        at = len(params)
        again = b"\x22" + bytes([at])
        nan = b"\x43\0\0\xc0\x7f" if result == F32 else b"\x44\0\0\0\0\0\0\xf8\x7f"
        test = get(at) + get(at) + (b"\x5b" if result == F32 else b"\x61")
        body += again + nan + test + b"\x1b" + (b"\xbc" if result == F32 else b"\xbd")
        return function(kinds, (_as_int(result),), body, [result])
    return function(kinds, (result,), body)


def _as_int(t):
    return {F32: I32, F64: I64}.get(t, t)


def values(t):
    """Edge values of a type, floats as signed bits."""
    if t in INTS:
        return INTS[t]
    top = 1 << (31 if t == F32 else 63)
    return [bits - 2 * top if bits >= top else bits for bits in FLOATS[t]]


def arguments(params, share=1, turn=0):
    """All combinations of edge values; of pairs one in `share`, by turns, with each value on both sides."""
    if len(params) == 1:
        return [(a,) for a in values(params[0])]
    left, right = values(params[0]), values(params[1])
    return [
        (left[i], right[j]) for i in range(len(left)) for j in range(len(right)) if (2 * i + j + turn) % share == 0
    ]  # fmt: skip


def program(ops):
    """One module with a function for each operation, exported by its name."""
    functions = [wrapped(params, result, code) for _, params, result, code in ops]
    return module(functions, exports={op[0]: i for i, op in enumerate(ops)})


def digest(ops, invoke, share=1):
    """SHA-256's head over the answers; invoke(name, args) gives an integer or None for a trap."""
    hash = sha256()
    for turn, (name, params, _, _) in enumerate(ops):
        for args in arguments(params, share, turn):
            value = invoke(name, args)
            hash.update(b"T" if value is None else struct.pack("<q", value))
    return "".join(["%02x" % b for b in hash.digest()[:12]])


def groups():
    """{name: operations}: parts small enough for an emulated processor."""
    ops = operations()
    out = {}
    for op in ops:
        kind = {I32: "i32", I64: "i64", F32: "f32", F64: "f64"}[op[1][0]]
        if len(op[1]) == 1:
            kind += " unary"
        out.setdefault(kind, []).append(op)
    return out


# Of pairs of operands an emulated processor tries one in so many.
SHARE = 5
# What wasmtime answers, to all pairs and to those; test_numbers.py computes them anew.
DIGESTS = {
    1: {
        "f32": "b3a2738788389d7ddb5724d6",
        "f32 unary": "da62c5b4b9858fe547364f5e",
        "f64": "e2c15df4c6871b8d780ab6ea",
        "f64 unary": "9d9464400eb2a18ac4ead13f",
        "i32": "365803c2924d02d82abcfe9c",
        "i32 unary": "c56d2de1794235b61d54264a",
        "i64": "a72be3177d1671a6eab32445",
        "i64 unary": "cf7fb12e2eec02e3fef7740f",
    },
    SHARE: {
        "f32": "66e1cf046a33574948ed7b1d",
        "f32 unary": "da62c5b4b9858fe547364f5e",
        "f64": "8afcfa1b3e576203367d34c3",
        "f64 unary": "9d9464400eb2a18ac4ead13f",
        "i32": "a3fffdfba6ff6d017f7f39d9",
        "i32 unary": "c56d2de1794235b61d54264a",
        "i64": "cc84ae8a13c888e42217f324",
        "i64 unary": "cf7fb12e2eec02e3fef7740f",
    },
}
