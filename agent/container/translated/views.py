"""A memory as generated code sees it: the names it indexes, and the accesses that are no index."""

import struct


class Views:
    """The memory's part of the generated code's globals, `names`.

    With `canonical` every NaN that is stored has the same bits.
    """

    def __init__(self, names, mode, canonical):
        self.names = names
        self.mode = mode
        self.memory = None
        names["G"] = self.grow
        names["lw"] = self.load4 if mode.signed else self.load4_unsigned
        names["sw"] = self.store4
        names["lq"] = self.load8
        names["sq"] = self.store8
        names["lf"] = self.load_single
        names["ld"] = self.load_double
        names["sf"] = self.store_single_canonical if canonical else self.store_single
        names["sd"] = self.store_double_canonical if canonical else self.store_double

    def show(self, memory):
        """Let generated code see `memory` as it is now."""
        names = self.names
        self.memory = memory
        names["M"] = memory.bytes
        names["W"] = memory.words
        names["N"] = memory.pages
        names["mcopy"] = memory.copy
        names["mfill"] = memory.fill

    def hide(self):
        """Let go of the memory."""
        for name in ("M", "W", "G", "lw", "sw", "lq", "sq", "lf", "ld", "sf", "sd", "mcopy", "mfill"):
            self.names[name] = None
        self.memory = None

    def grow(self, more):
        """memory.grow, its result held as an i32 is."""
        old = self.memory.grow(more)
        return 0xFFFFFFFF if old < 0 and not self.mode.signed else old

    # `at` may be any integer of up to 34 bits, never negative.

    def load4(self, at):
        self.memory.check(at, 4)
        return struct.unpack_from("<i", self.memory.bytes, at)[0]

    def load4_unsigned(self, at):
        self.memory.check(at, 4)
        return struct.unpack_from("<I", self.memory.bytes, at)[0]

    def store4(self, at, value):
        self.memory.check(at, 4)
        m = self.memory.bytes
        m[at] = value & 255
        m[at + 1] = value >> 8 & 255
        m[at + 2] = value >> 16 & 255
        m[at + 3] = value >> 24 & 255

    def load8(self, at):
        self.memory.check(at, 8)
        return struct.unpack_from("<q", self.memory.bytes, at)[0]

    def store8(self, at, value):
        self.memory.check(at, 8)
        struct.pack_into("<q", self.memory.bytes, at, value)

    def load_single(self, at):
        self.memory.check(at, 4)
        return struct.unpack_from("<f", self.memory.bytes, at)[0]

    def load_double(self, at):
        self.memory.check(at, 8)
        return struct.unpack_from("<d", self.memory.bytes, at)[0]

    def store_single(self, at, value):
        self.memory.check(at, 4)
        struct.pack_into("<f", self.memory.bytes, at, value)

    def store_double(self, at, value):
        self.memory.check(at, 8)
        struct.pack_into("<d", self.memory.bytes, at, value)

    def store_single_canonical(self, at, value):
        self.memory.check(at, 4)
        if value == value:
            struct.pack_into("<f", self.memory.bytes, at, value)
        else:
            self.memory.bytes[at : at + 4] = b"\0\0\xc0\x7f"

    def store_double_canonical(self, at, value):
        self.memory.check(at, 8)
        if value == value:
            struct.pack_into("<d", self.memory.bytes, at, value)
        else:
            self.memory.bytes[at : at + 8] = b"\0\0\0\0\0\0\xf8\x7f"
