"""Opcode tables: immediates, and the types of the numeric instructions.

Binary opcodes: WebAssembly core specification, chapter 5.4.
"""

from .reader import F32, F64, I32, I64

# How each opcode's immediates are skipped by the scan.
NONE, INDEX, TWO, BLOCK, ELSE, END, BR, TABLE, FOUR, EIGHT, ONE, PREFIX, TYPED, NOP = range(14)
ILLEGAL = 255


def _immediates():
    kinds = bytearray([ILLEGAL] * 256)

    def put(kind, first, last):
        for op in range(first, last + 1):
            kinds[op] = kind

    put(NONE, 0x00, 0x00)  # unreachable
    put(NOP, 0x01, 0x01)
    put(BLOCK, 0x02, 0x04)  # block loop if
    put(ELSE, 0x05, 0x05)
    put(END, 0x0B, 0x0B)
    put(BR, 0x0C, 0x0D)  # br br_if
    put(TABLE, 0x0E, 0x0E)
    put(NONE, 0x0F, 0x0F)  # return
    put(INDEX, 0x10, 0x10)  # call
    put(TWO, 0x11, 0x11)  # call_indirect
    put(NONE, 0x1A, 0x1B)  # drop select
    put(TYPED, 0x1C, 0x1C)  # select t*
    put(INDEX, 0x20, 0x24)  # local and global
    put(TWO, 0x28, 0x3E)  # loads and stores
    put(ONE, 0x3F, 0x40)  # memory.size memory.grow
    put(INDEX, 0x41, 0x42)  # i32.const i64.const
    put(FOUR, 0x43, 0x43)
    put(EIGHT, 0x44, 0x44)
    put(NONE, 0x45, 0xC4)
    put(PREFIX, 0xFC, 0xFC)
    return bytes(kinds)


IMMEDIATES = _immediates()

# What a conversion (0xA7..0xBF) takes and gives.
CONVERSIONS = (
    (I64, I32), (F32, I32), (F32, I32), (F64, I32), (F64, I32),
    (I32, I64), (I32, I64), (F32, I64), (F32, I64), (F64, I64), (F64, I64),
    (I32, F32), (I32, F32), (I64, F32), (I64, F32), (F64, F32),
    (I32, F64), (I32, F64), (I64, F64), (I64, F64), (F32, F64),
    (F32, I32), (F64, I64), (I32, F32), (I64, F64),
)  # fmt: skip

# Loads and stores 0x28..0x3E: type, bytes, signed.
ACCESS = (
    (I32, 4, 0), (I64, 8, 0), (F32, 4, 0), (F64, 8, 0),
    (I32, 1, 1), (I32, 1, 0), (I32, 2, 1), (I32, 2, 0),
    (I64, 1, 1), (I64, 1, 0), (I64, 2, 1), (I64, 2, 0), (I64, 4, 1), (I64, 4, 0),
    (I32, 4, 0), (I64, 8, 0), (F32, 4, 0), (F64, 8, 0),
    (I32, 1, 0), (I32, 2, 0), (I64, 1, 0), (I64, 2, 0), (I64, 4, 0),
)  # fmt: skip
