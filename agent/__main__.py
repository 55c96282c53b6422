"""`-m backfence.agent --home DIR`: the agent of one box."""

import gc
import sys

# Garbage left lying between live objects is what breaks a small heap up, not its
# amount: collect after so many bytes, rather than when the heap is full.  More often
# while the agent is loaded: between what is loaded then stay few holes, which each search
# for room would look into again.  Loaded, it makes less that lasts, and each collection
# looks at all that does: then COLLECT_BYTES, or that part of what is free.
LOADING_BYTES = 16384
COLLECT_BYTES = 131072
COLLECT_PART = 4
if hasattr(gc, "threshold"):  # MicroPython
    gc.threshold(LOADING_BYTES)


def _prepare():
    """What main.prepare() gives; what only it needs is forgotten."""
    from .container import arena

    arena.set_aside()
    from .edge import pages
    from .edge.main import prepare

    prepared = prepare(sys.argv[1:])
    pages.give_back(arena.untouched())
    forget()
    return prepared


def forget():
    """Let go of the modules that only the start needs, to take no heap for weeks; who asks again loads them again.

    The caps are small integers: whoever took one has it.
    """
    from . import edge

    package = sys.modules[edge.__name__[:-5]]
    for above, names in ((edge, ("main", "address", "files", "pages")), (package, ("config", "limits", "trust_file", "root"))):
        for name in names:
            if sys.modules.pop(above.__name__ + "." + name, None):
                delattr(above, name)


def collect_less():
    """The agent is loaded."""
    if hasattr(gc, "threshold"):
        gc.collect()
        gc.threshold(min(COLLECT_BYTES, gc.mem_free() // COLLECT_PART))


def start():
    """Load and run the agent; its exit code."""
    from .errors import LocalError

    try:
        loop = _prepare()
        if isinstance(loop, int):
            return loop
        collect_less()
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
