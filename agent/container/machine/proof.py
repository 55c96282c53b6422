"""The machine's self-test, before any job: what this interpreter made of it must compute.

An emitter that is wrong in one instruction would be wrong in a job's result, and
one that is wrong in a check would let a job out.  So each kind of instruction is run
once on numbers that show signs, carries and bounds, and each check is seen to hold.
"""

import uctypes
from array import array

from .words import (
    BOUNDS, DEPTH, DONE, FUEL, S_CP, S_FUEL, S_IP, S_LIMIT, S_RB, S_SIZE, S_TABLE, S_WORDS, STORED,
)  # fmt: skip

# Two numbers with the sign bit, one small: as unsigned words.
_A, _B, _C = 0x89ABCDEF, 0xFEDCBA98, 13

# name, operands, the low word (and the high word) that must come out.
_CASES = (
    ("add", _A, _B, 0x88888887), ("sub", _C, _A, 0x7654321E), ("mul", _A, _B, _A * _B),
    ("and", _A, _B, _A & _B), ("or", _A, _B, _A | _B), ("xor", _A, _B, _A ^ _B),
    ("shl", _A, _C, _A << 13 & 0xFFFFFFFF), ("shru", _A, _C, _A >> 13), ("shrs", _A, _C, _A >> 13 | 0xFFF80000),
    ("rotl", _A, _C, (_A << 13 | _A >> 19) & 0xFFFFFFFF), ("rotl", _A, 32, _A), ("divu", 1000, _C, 76),
    ("remu", 1000, _C, 12), ("divs", 1000, _C, 76), ("rems", 1000, _C, 12),
    ("eq", _A, _A, 1), ("eq", _A, _B, 0), ("ne", _A, _B, 1), ("lts", _A, _C, 1), ("lts", _C, _A, 0),
    ("ltu", _A, _C, 0), ("ltu", _C, _A, 1), ("les", _C, _C, 1), ("les", _C, _A, 0), ("leu", _A, _C, 0), ("leu", _A, _A, 1),
)  # fmt: skip


class Bench:
    """A register file and a code of a few words, to run one instruction on."""

    def __init__(self, machine):
        self.machine = machine
        self.frame = (S_WORDS + 40) * 4
        self.registers = array("i", bytes(self.frame + 160))
        self.memory = bytearray(65536)
        self.slow_calls = []

    def slow(self, *words):
        self.slow_calls.append(words)
        return 1

    def run(self, name, *operands):
        """The status after one instruction, or after the end that stands behind it."""
        numbers, registers = self.machine.numbers, self.registers
        code = array("i", [numbers[name][0]])
        for operand in operands:
            code.append(_signed(operand))
        code.append(numbers["done"][0])
        registers[S_IP] = 0
        registers[S_RB] = self.frame
        registers[S_CP] = S_WORDS * 4 + 16
        registers[S_LIMIT] = S_WORDS * 4 + 64
        registers[S_TABLE] = S_WORDS * 4
        registers[S_SIZE] = 65536
        return self.machine.run(
            uctypes.addressof(code), uctypes.addressof(registers), 0, uctypes.addressof(self.memory), self.slow
        )

    def set(self, slot, value):
        """A slot's two words, from an integer of 64 bits."""
        at = self.frame // 4 + slot // 4
        self.registers[at] = _signed(value)
        self.registers[at + 1] = _signed(value >> 32)

    def get(self, slot):
        """The low word of a slot, unsigned."""
        return self.registers[self.frame // 4 + slot // 4] & 0xFFFFFFFF


def works(machine):
    """Does every check hold and every kind of instruction compute?"""
    bench = Bench(machine)
    return _computes(bench) and _longs(bench) and _branches(bench) and _stays_inside(bench) and _stops(bench)


def _computes(bench):
    for name, a, b, want in _CASES:
        bench.set(8, a)
        bench.set(16, b)
        if bench.run(name, 0, 8, 16) != DONE or bench.get(0) != want & 0xFFFFFFFF:
            return False
    return True


def _longs(bench):
    a, b = 0x89ABCDEF01234567, 0xFEDCBA9876543210
    whole = 0xFFFFFFFFFFFFFFFF
    for name, want in (
        ("add64", a + b), ("sub64", a - b), ("mul64", a * b), ("and64", a & b), ("or64", a | b), ("xor64", a ^ b),
        ("shl64", a << 16), ("shru64", a >> 16), ("shrs64", a >> 16 | 0xFFFF << 48), ("rotl64", a << 16 | a >> 48),
        ("lts64", 1), ("ltu64", 1), ("les64", 1), ("leu64", 1), ("eq64", 0), ("ne64", 1),
    ):  # fmt: skip
        bench.set(8, a)
        bench.set(16, b)
        bench.set(0, 0)
        if bench.run(name, 0, 8, 16) != DONE or bench.get(0) | bench.get(4) << 32 != want & whole:
            return False
    return True


def _branches(bench):
    """Taken, a branch leads to the end; not taken, to an instruction that fails."""
    numbers = bench.machine.numbers
    trap = numbers["trap"][0]
    for name, a, b, taken in (
        ("breq", _A, _A, 1), ("brne", _A, _A, 0), ("brlts", _A, _C, 1), ("brltu", _A, _C, 0), ("brles", _C, _A, 0),
        ("brleu", _C, _A, 1),
    ):  # fmt: skip
        bench.set(8, a)
        bench.set(16, b)
        if bench.run(name, 8, 16, 24, trap, 77) != (DONE if taken else 77):
            return False
    bench.set(8, _A)
    for name, number, taken in (("breqi", _A, 1), ("brltsi", 0, 1), ("brltui", 9, 0), ("brgesi", 0, 0), ("brgeui", 9, 1)):
        if bench.run(name, 8, number, 24, trap, 77) != (DONE if taken else 77):
            return False
    return True


def _stays_inside(bench):
    """Every access works at the memory's last bytes and traps one byte further, and far outside."""
    for name, size in (
        ("load8u", 1), ("load8s", 1), ("load16u", 2), ("load16s", 2), ("load32", 4), ("load64", 8),
        ("store8", 1), ("store16", 2), ("store32", 4), ("store64", 8),
    ):  # fmt: skip
        for base, offset, inside in (
            (65536 - size, 0, 1), (0, 65536 - size, 1), (1, 0, 1), (65537 - size, 0, 0), (65536 - size, 1, 0),
            (0, 0x3FFFFFFF, 0), (0xFFFFFFFF, 0, 0), (0xFFFFFFFF, 1, 0), (0x80000000, 0x3FFFFFFF, 0), (0xFFFFFFF8, 16, 0),
        ):  # fmt: skip
            bench.set(8, base)
            if bench.run(name, 0, 8, offset) != (DONE if inside else BOUNDS):
                return False
    bench.memory[5:9] = b"\x01\x82\x03\x84"
    bench.set(8, 5)
    return bench.run("load32", 0, 8, 0) == DONE and bench.get(0) == 0x84038201


def _stops(bench):
    """Fuel, depth, and the slow path's refusal end the run."""
    bench.registers[S_FUEL] = 10
    if bench.run("fuel", 10) != DONE or bench.run("fuel", 1) != FUEL or bench.registers[S_FUEL] != -1:
        return False
    # A counter below 0 stays below it.
    if bench.run("fuel", 1) != FUEL or bench.registers[S_FUEL] != -2:
        return False
    if bench.run("slow", 7, 0, 8, 16) != STORED or len(bench.slow_calls) != 1:
        return False
    if bench.slow_calls[0] != (7, bench.frame, bench.frame + 8, bench.frame + 16):
        return False
    return _deep(bench)


def _deep(bench):
    """A call beyond the limit stops at the called function's head."""
    machine, registers = bench.machine, bench.registers
    numbers = machine.numbers
    code = array("i", [numbers["call"][0], 12, 8, numbers["enter"][0], 0, 0, 0, numbers["done"][0]])
    for limit, want in ((S_WORDS * 4 + 24, DONE), (S_WORDS * 4 + 16, DEPTH)):
        registers[S_FUEL] = 5
        registers[S_IP] = 0
        registers[S_RB] = bench.frame
        registers[S_CP] = S_WORDS * 4 + 16
        registers[S_LIMIT] = limit
        run = machine.run(uctypes.addressof(code), uctypes.addressof(registers), 0, 0, bench.slow)
        if run != want:
            return False
    return True


def _signed(value):
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
