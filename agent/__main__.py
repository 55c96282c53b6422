"""`-m backfence.agent --home DIR`: the agent of one box."""

import gc
import sys

# Garbage left lying between live objects is what breaks a small heap up, not its
# amount: collect after so many bytes, rather than when the heap is full.
COLLECT_BYTES = 65536
if hasattr(gc, "threshold"):  # MicroPython; before the imports, whose garbage is the worst
    gc.threshold(COLLECT_BYTES)


def start():
    """Load and run the agent; its exit code."""
    try:
        from .edge.main import main

        return main(sys.argv[1:])
    except MemoryError:
        sys.stderr.write("Error: the heap is too small; start with -X heapsize=1wM or more\n")
        return 1


if __name__ == "__main__":
    sys.exit(start())
