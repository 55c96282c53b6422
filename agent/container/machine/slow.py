"""Instructions that the machine leaves to Python: floats, conversions, rare integers.

`perform(opcode, to, a, b)` works on slots of the register file, named by their offset.  The saturating conversions are 0x100 and up.
"""

import struct

from ..arithmetic import (
    ceil, clz, copysign, copysign_canonical, ctz, divs, fdiv, floor, fmax, fmin, ftoi, itod, itof, near, popcnt, rems,
    rotl, sat, single, sqrt, trunc,
)  # fmt: skip
from ..trap import trap


def _divu(a, b):
    if not b:
        trap("integer divide by zero")
    return a // b


def _remu(a, b):
    if not b:
        trap("integer divide by zero")
    return a % b


def _add(a, b):
    return a + b


def _sub(a, b):
    return a - b


def _mul(a, b):
    return a * b


def _neg(a):
    return -a


_UNARY = (abs, _neg, ceil, floor, trunc, near, sqrt)
_BINARY = (_add, _sub, _mul, fdiv, fmin, fmax)
# By their place in the opcodes: clz 0, div_u 7, rotl 16, rotr 17.
_INTEGERS = {0: clz, 1: ctz, 2: popcnt, 7: _divu, 9: _remu}


class Slow:
    """The slow path of one run, over the bytes of its register file."""

    def __init__(self, registers, canonical):
        self.registers = registers  # bytearray
        self.copysign = copysign_canonical if canonical else copysign
        self.fault = None

    def perform(self, opcode, to, a, b):
        """Do it; 1 if it ended the run, and `fault` says how."""
        try:
            self.do(opcode, to, a, b)
            return 0
        except Exception as e:
            self.fault = e
            return 1

    def get(self, kind, slot):
        return struct.unpack_from(kind, self.registers, slot)[0]

    def do(self, opcode, to, a, b):
        """The opcode's group decides how its slots are read."""
        if opcode >= 0x8B:
            if opcode < 0xA7:
                self.arithmetic(opcode, to, a, b)
            else:
                self.convert(opcode, to, a)
        elif opcode >= 0x67:
            self.integer(opcode, to, a, b)
        else:
            self.compare(opcode, to, a, b)

    def compare(self, opcode, to, a, b):
        """Float comparisons: 0x5B.. of f32, 0x61.. of f64."""
        kind, which = ("<f", opcode - 0x5B) if opcode < 0x61 else ("<d", opcode - 0x61)
        x = self.get(kind, a)
        y = self.get(kind, b)
        if which < 2:
            result = (x == y) if which == 0 else (x != y)
        elif which < 4:
            result = (x < y) if which == 2 else (x > y)
        else:
            result = (x <= y) if which == 4 else (x >= y)
        struct.pack_into("<i", self.registers, to, 1 if result else 0)

    def integer(self, opcode, to, a, b):
        """clz ctz popcnt, division, rotr."""
        bits, which = (32, opcode - 0x67) if opcode < 0x79 else (64, opcode - 0x79)
        signed = which == 6 or which == 8
        kind = ("<i" if signed else "<I") if bits == 32 else ("<q" if signed else "<Q")
        x = self.get(kind, a)
        if which < 3:
            value = _INTEGERS[which](x, bits)
        else:
            y = self.get(kind, b)
            if which == 6:
                value = divs(x, y, (1 << bits - 1) - 1)
            elif which == 8:
                value = rems(x, y)
            elif which > 15:
                # rotr turns the other way.
                value = rotl(x, y if which == 16 else -y, bits)
            else:
                value = _INTEGERS[which](x, y)
        mask = 0xFFFFFFFF if bits == 32 else 0xFFFFFFFFFFFFFFFF
        struct.pack_into("<I" if bits == 32 else "<Q", self.registers, to, value & mask)

    def arithmetic(self, opcode, to, a, b):
        """Floats: 0x8B.. of f32, 0x99.. of f64; double arithmetic, then one rounding."""
        kind, which = ("<f", opcode - 0x8B) if opcode < 0x99 else ("<d", opcode - 0x99)
        value = self.get(kind, a)
        if which < 7:
            value = _UNARY[which](value)
        elif which < 13:
            value = _BINARY[which - 7](value, self.get(kind, b))
        else:
            value = self.copysign(value, self.get(kind, b))
        self.put_float(kind, to, value)

    def put_float(self, kind, to, value):
        struct.pack_into(kind, self.registers, to, single(value) if kind == "<f" else value)

    def convert(self, opcode, to, a):
        """Conversions between integers and floats, and of f32 and f64."""
        if opcode >= 0x100:
            self.truncate(sat, opcode & 4, opcode & 2, opcode & 1, to, a)
        elif opcode < 0xAC:
            self.truncate(ftoi, 0, opcode > 0xA9, opcode & 1, to, a)
        elif 0xAE <= opcode < 0xB2:
            self.truncate(ftoi, 4, opcode > 0xAF, opcode & 1, to, a)
        elif opcode == 0xB6:
            self.put_float("<f", to, self.get("<d", a))
        elif opcode == 0xBB:
            self.put_float("<d", to, self.get("<f", a))
        else:
            kind, which = ("<f", opcode - 0xB2) if opcode < 0xB6 else ("<d", opcode - 0xB7)
            value = self.get(("<i", "<I", "<q", "<Q")[which], a)
            if which < 2:
                value = float(value)
            else:
                value = itof(value) if kind == "<f" else itod(value)
            self.put_float(kind, to, value)

    def truncate(self, helper, long, double, unsigned, to, a):
        """A float to an integer."""
        bits = 64 if long else 32
        lo, hi = (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)
        value = helper(self.get("<d" if double else "<f", a), lo, hi)
        struct.pack_into("<q" if long else "<i", self.registers, to, _signed(value, bits))


def _signed(value, bits):
    half = 1 << bits - 1
    return (value & half * 2 - 1 ^ half) - half
