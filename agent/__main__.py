"""`-m backfence.agent --home DIR`: the agent of one box."""

import sys


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
