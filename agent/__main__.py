"""`-m backfence.agent --home DIR`: the agent of one box."""

import gc
import sys

# Garbage left lying between live objects is what breaks a small heap up, not its
# amount: collect after so many bytes, rather than when the heap is full.
COLLECT_BYTES = 65536
if hasattr(gc, "threshold"):  # MicroPython; before the imports, whose garbage is the worst
    gc.threshold(COLLECT_BYTES)


def _prepare():
    """main.prepare(), whose module is forgotten: what only the start needs takes no heap for weeks."""
    from . import edge
    from .edge.main import prepare

    prepared = prepare(sys.argv[1:])
    del sys.modules[edge.__name__ + ".main"], edge.main
    return prepared


def start():
    """Load and run the agent; its exit code."""
    from .errors import LocalError

    try:
        loop = _prepare()
        if isinstance(loop, int):
            return loop
        loop.run()
        return loop.code
    except LocalError as problem:
        sys.stderr.write("Error: %s\n" % problem)
        return 1
    except MemoryError:
        sys.stderr.write("Error: the heap is too small; start with -X heapsize=1wM or more\n")
        return 1


if __name__ == "__main__":
    sys.exit(start())
