"""The engine for processors with a native emitter: one fixed machine over flat words.

It is written once, in viper, and runs predecoded functions; nothing native is ever
made per job.  Viper checks nothing, so what may reach it is decided elsewhere: only
lowering writes its code (lower.py), from validated functions, and only addresses
into a job's memory are left to be checked as it runs (instructions.py).
"""

import gc
import sys

from ..limits import Refused

# Processors by their number in sys.implementation._mpy; those with a native emitter
# that is used here: x86, x64, ARM and Thumb of all kinds, RV32.
_X86, _X64 = 1, 2
_EMITTERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)
# These read words at any address.
_LENIENT = (_X86, _X64)

# More than the machine's source has.
SOURCE_BYTES = 24576

_machine = None


class Unsuitable(Refused):
    """The machine is the wrong engine for this program; the other one takes it."""


class Machine:
    """The compiled machine: `run`, and the `numbers` of its instructions."""

    def __init__(self, run, numbers):
        self.run = run
        self.numbers = numbers


class Text:
    """A buffer of fixed size for source; IndexError when it is full."""

    def __init__(self, size):
        self.bytes = bytearray(size)
        self.size = 0

    def write(self, text):
        """Append a str."""
        end = self.size + len(text)
        if end > len(self.bytes):
            raise IndexError("source over %d bytes" % len(self.bytes))
        self.bytes[self.size : end] = bytes(text, "utf-8")
        self.size = end


def processor():
    """This interpreter's processor as sys.implementation._mpy numbers it; 0: none, or no emitter."""
    if sys.implementation.name != "micropython" or sys.byteorder != "little":
        return 0
    number = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
    return number if number in _EMITTERS else 0


def load():
    """The Machine, compiled and tested the first time; None where there can be none.

    Takes some 500 ms and 150 KiB of heap that is free again: call it when the agent starts.
    """
    global _machine
    if _machine is None:
        _machine = _compile() or False
    return _machine or None


def loaded():
    """The Machine if `load` has made it, else None."""
    return _machine or None


def _compile():
    number = processor()
    if not number:
        return None
    wide = sys.maxsize > 0x7FFFFFFF
    lenient = number in _LENIENT
    try:
        import uctypes  # the machine is told addresses  # noqa: F401

        from .proof import works
        from .source import source

        # Into one piece of memory: pieces kept for a join would lie all over a small heap.
        gc.collect()
        text = Text(SOURCE_BYTES)
        numbers = source(wide, lenient, text.write)
        names = {}
        exec(memoryview(text.bytes)[: text.size], names)
        text = None
        machine = Machine(names["run"], numbers)
    except (ImportError, MemoryError, SyntaxError, TypeError):
        # Whatever keeps an interpreter from making it, the other engine needs none of it.
        return None
    good = works(machine)
    _forget(("proof", "source", "instructions"))
    return machine if good else None


def _forget(names):
    """What made the machine is not needed again."""
    for name in names:
        sys.modules.pop(__name__ + "." + name, None)
        globals().pop(name, None)
    gc.collect()
