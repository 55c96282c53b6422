"""Odd values, and what instructions there are to draw from."""

import edges
from modules import F32, F64, I32, I64, s

TYPES = (I32, I64, F32, F64)
LOADS = {0x28: (I32, 4), 0x29: (I64, 8), 0x2A: (F32, 4), 0x2B: (F64, 8), 0x2C: (I32, 1), 0x2D: (I32, 1),
         0x2E: (I32, 2), 0x2F: (I32, 2), 0x30: (I64, 1), 0x31: (I64, 1), 0x32: (I64, 2), 0x33: (I64, 2),
         0x34: (I64, 4), 0x35: (I64, 4)}  # fmt: skip
STORES = {0x36: (I32, 4), 0x37: (I64, 8), 0x38: (F32, 4), 0x39: (F64, 8), 0x3A: (I32, 1), 0x3B: (I32, 2),
          0x3C: (I64, 1), 0x3D: (I64, 2), 0x3E: (I64, 4)}  # fmt: skip
ALL = edges.operations()
BY_RESULT = {t: [op for op in ALL if op[2] == t] for t in TYPES}
# Those that trap easily are drawn less often.
TRAPPING = {"op%02x" % op for op in (0x6D, 0x6E, 0x6F, 0x70, 0x7F, 0x80, 0x81, 0x82, *range(0xA8, 0xAC), *range(0xAE, 0xB2))}
NANS = {F32: (0x7FC00000, 0x7F800001, -0x400000, -0x7FFFFF, 0x7FFFFFFF),
        F64: (0x7FF8 << 48, (0x7FF << 52) + 1, -(8 << 48), -1)}  # fmt: skip
OFFSETS = (0, 0, 0, 1, 2, 3, 4, 7, 8, 100, 4096, 65500)
FAR = (65528, 65535, 65536, 131072, 0x7FFFFFFF, 0x80000000, 0xFFFF0000, 0xFFFFFFF8, 0xFFFFFFFF)
WASI = b"wasi_snapshot_preview1"
IMPORTS = (
    (b"fd_write", (I32,) * 4, (I32,)), (b"fd_read", (I32,) * 4, (I32,)), (b"random_get", (I32, I32), (I32,)),
    (b"clock_time_get", (I32, I64, I32), (I32,)), (b"args_get", (I32, I32), (I32,)),
    (b"args_sizes_get", (I32, I32), (I32,)), (b"fd_fdstat_get", (I32, I32), (I32,)), (b"fd_close", (I32,), (I32,)),
    (b"environ_sizes_get", (I32, I32), (I32,)), (b"fd_seek", (I32, I64, I32, I32), (I32,)),
    (b"sched_yield", (), (I32,)), (b"proc_exit", (I32,), ()),
)  # fmt: skip


def constant_bits(rnd, t):
    """An edge value, a power of two nearly, or any bits; signed."""
    bits = 32 if t in (I32, F32) else 64
    r = rnd.random()
    if r < 0.5:
        return rnd.choice(edges.values(t))
    if r < 0.6 and t in NANS:
        return rnd.choice(NANS[t])
    if r < 0.75:
        value = (1 << rnd.randrange(bits)) + rnd.choice((-1, 0, 1))
    elif r < 0.9:
        value = rnd.randrange(-70, 70)
    else:
        value = rnd.getrandbits(bits)
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def constant(rnd, t):
    """The instruction that gives a constant."""
    value = constant_bits(rnd, t)
    if t in (I32, I64):
        return (b"\x41" if t == I32 else b"\x42") + s(value)
    return (b"\x43" if t == F32 else b"\x44") + value.to_bytes(4 if t == F32 else 8, "little", signed=True)
