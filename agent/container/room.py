"""Is there heap for a job?  Asked when its module is decoded, before anything is lowered.

An estimate, from the module alone.  The factors are those that the largest programs
of the examples and CoreMark needed on MicroPython, rounded up.
"""

import gc
import sys

from .arena import reserved
from .limits import PAGE_BYTES, NoRoom

# Heap that the code of one byte of a body keeps.
KEPT = 8
# Heap that compiling the largest body takes for each of its bytes, and gives back, by the word's bits.
COMPILING = {32: 40, 64: 64}
# Beside the code: the module's tables, an instance, buffers.
_FIXED = 8192


def needed(module, compiles):
    """Bytes of heap that a decoded module's program will need, as an estimate.

    compiles: its functions become Python source, which the interpreter compiles.
    """
    sizes = [end - start for start, end in module.bodies] or [0]
    word = 32 if sys.maxsize < 1 << 32 else 64
    memory = 0
    if module.memory is not None:
        memory = module.memory[0] * PAGE_BYTES
        if memory <= reserved():
            memory = 0
    return _FIXED + memory + sum(sizes) * KEPT + (max(sizes) * COMPILING[word] if compiles else 0)


def free():
    """Bytes of heap that are free; None where the interpreter has no bound of its own."""
    if not hasattr(gc, "mem_free"):
        return None
    gc.collect()
    return gc.mem_free()


def check(module, compiles):
    """NoRoom if the heap is too small for a decoded module."""
    have = free()
    need = needed(module, compiles)
    if have is not None and need > have:
        raise NoRoom(
            "it needs about %d KiB of memory, %d KiB more than this box has free: "
            "split its largest function, build with -Oz" % (_kib(need), _kib(need - have))
        )


def _kib(size):
    return (size + 1023) // 1024
