"""What portable tests see of the heap: that a path takes none, or how much.

On MicroPython an allocation under heap_lock() raises MemoryError; CPython only runs the
path.  A call with more than eleven words of state asks for heap, and does without.
"""

import gc

try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = gc.collect


def takes_none(name, work):
    """AssertionError if work() takes heap."""
    took = False
    heap_lock()
    try:
        work()
    except MemoryError:
        took = True
    finally:
        heap_unlock()
    assert not took, name + " takes heap"


def taken(work):
    """Bytes of heap that work() takes, garbage and all; 0 where the interpreter does not say."""
    if not hasattr(gc, "mem_alloc"):
        work()
        return 0
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    work()
    took = gc.mem_alloc() - before
    gc.enable()
    return took
