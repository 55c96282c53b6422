"""How this agent was started, as its launcher says, and the beat that the launcher listens for.

The launcher speaks by the environment, which an agent that knows nothing of it
ignores:

    BACKFENCE_RUNS    what runs: packaged, a or b
    BACKFENCE_BEAT_S  the beat is looked at every so many seconds
    BACKFENCE_FROZEN  set for an archive: the program that runs it is an executable
                      with an agent inside
"""

import os
import sys

from ..update import ANY_PROCESSOR, Running
from .system import arch

RUNS = "BACKFENCE_RUNS"
BEAT = "BACKFENCE_BEAT_S"
FROZEN = "BACKFENCE_FROZEN"

_SLOTS = {"packaged": 0, "a": 1, "b": 2}
# The bytecode that archives hold.
_MPY_VERSION = 6
# Debian's names of processors, where the kernel's differ.
_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "arm": "armhf"}


def is_frozen():
    """True if this very module is a part of the interpreter's program."""
    if sys.implementation.name != "micropython":
        return False
    try:
        os.stat(__file__)
        return False
    except OSError:
        return True


def components():
    """Names of the firmware components that this box can run."""
    found = []
    if getattr(sys.implementation, "_mpy", 0) & 0xFF == _MPY_VERSION:
        found.append(ANY_PROCESSOR)
    if is_frozen() or os.getenv(FROZEN):
        found.append(_PROCESSORS.get(arch(), arch()))
    return found


def running():
    """update.Running as the launcher says, None if there is none."""
    slot = _SLOTS.get(os.getenv(RUNS))
    return None if slot is None else Running(slot, components())


def launched():
    """True if a launcher watches this agent, and stops it by the file."""
    return (os.getenv(BEAT) or "").isdigit()


class Beat:
    """A rising number in a file, as a sign of life; nothing without a launcher.

    path: of the file.
    """

    def __init__(self, path):
        self._path = path
        wanted = os.getenv(BEAT) or ""
        self._pause_ms = int(wanted) * 1000 if wanted.isdigit() else 0
        self.due = 0

    def beat(self, now_ms):
        """Write the number if it is time; False if the disk refuses."""
        if not self._pause_ms or now_ms < self.due:
            return True
        self.due = now_ms + self._pause_ms
        try:
            # In place: a full disk has no room for another file, and must not count as a hang.
            file = open(self._path, "r+b")
            try:
                file.write(("%016d\n" % now_ms).encode())
            finally:
                file.close()
        except OSError:
            return False
        return True
