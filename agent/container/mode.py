"""How this interpreter holds integers, and what its arrays do."""

import sys
from array import array

_MICROPYTHON = sys.implementation.name == "micropython"


class Mode:
    """The integer mode and what this interpreter's arrays do."""

    def __init__(self, signed, words, truncates):
        self.signed = signed  # i32 as -2^31..2^31-1, not 0..2^32-1
        self.words = words  # the memory has a view of little-endian words
        self.truncates = truncates  # array stores drop high bits by themselves
        self.lo = -0x80000000 if signed else 0
        self.hi = 0x7FFFFFFF if signed else 0xFFFFFFFF
        # Beyond this an integer is a heap object in MicroPython.
        self.small = 0x3FFFFFFF if signed else 0x3FFFFFFFFFFFFFFF
        # Longer bodies are translated to less code, which is slower: the signed
        # mode's usual code is long.
        self.compact_bytes = 3072 if signed else 7424


def _truncates():
    """Do array stores drop an integer's high bits?  MicroPython's do."""
    cell = array("I", [0])
    try:
        cell[0] = (1 << 70) + 5
        byte = bytearray(1)
        byte[0] = 0x105
        return cell[0] == 5 and byte[0] == 5
    except (OverflowError, ValueError, TypeError):
        return False


def machine_mode():
    """The integer mode of this interpreter."""
    words = sys.byteorder == "little" and array("I", [0]) is not None
    if _MICROPYTHON:
        try:
            import uctypes

            words = words and hasattr(uctypes, "bytearray_at")
        except ImportError:
            words = False
    return Mode(sys.maxsize < 1 << 32 and _truncates(), words, _truncates())
