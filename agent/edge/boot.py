"""The start of the agent from an archive in a slot, by the packaged agent.

    micropython -X heapsize=SIZE -m backfence.agent.edge.boot PATH --home DIR

The archive goes before everything else on the path, and what was loaded of the
packaged agent is forgotten: from then on all modules are the archive's.
"""

import os
import sys

from ..errors import RemoteError
from . import started
from .archive import Archive

PLACE = "/backfence-image"
USAGE = "usage: backfence.agent.edge.boot ARCHIVE --home DIR"


def mount(path):
    """Put the archive before the path.  OSError, RemoteError."""
    os.mount(Archive(path), PLACE, readonly=True)
    sys.path.insert(0, PLACE)
    if started.is_frozen():
        # The archive's modules are not: they learn from here what else this program can run.
        os.putenv(started.FROZEN, "1")
    for name in list(sys.modules):
        if name == "backfence" or name.startswith("backfence."):
            del sys.modules[name]


def main(argv):
    """Start the agent in the archive argv[0] with the rest of argv; its exit code."""
    if not argv:
        sys.stderr.write("Error: which archive?\n%s\n" % USAGE)
        return 2
    try:
        mount(argv[0])
    except (OSError, RemoteError) as problem:
        sys.stderr.write("Error: cannot start %s: %s\n" % (argv[0], problem))
        return 1
    del sys.argv[1]
    from ..__main__ import start

    return start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
