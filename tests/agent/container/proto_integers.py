"""Every integer instruction over edge values gives what wasmtime gives."""

# First: on 32-bit processors MicroPython's stack holds few imports inside each other.
from modules import start, tick

import edges
from emulated import fewer

SHARE = fewer(1, edges.SHARE)


def check(group):
    ops = edges.groups()[group]
    program = start(edges.program(ops), fuel=1 << 30, deterministic=False)

    def invoke(name, args):
        kind, _, _, values = program.invoke(name, args, tick)
        return values[0] if kind == "ok" else None

    assert edges.digest(ops, invoke, SHARE) == edges.DIGESTS[SHARE][group]


def test_i32():
    check("i32")


def test_i32_unary():
    check("i32 unary")


def test_i64():
    check("i64")


def test_i64_unary():
    check("i64 unary")
