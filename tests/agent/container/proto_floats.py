"""Every float instruction over edge values gives what wasmtime gives."""

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


def test_f32():
    check("f32")


def test_f32_unary():
    check("f32 unary")


def test_f64():
    check("f64")


def test_f64_unary():
    check("f64 unary")
