"""A box's launcher in the world: it judges the record of the slots before each start.

The judging is the agent's own (agent/edge/launch.py), over the box's disk in memory.
What an image does is told by its first word, since all run the same nodes: CRASH ends
soon after its start, HANG stops turning after an hour and is killed by the watchdog, LEAK
runs out of memory after 40 minutes, MUTE is never heard of, any other is a good one.
"""

from ..agent.edge import launch
from ..agent.errors import RemoteError
from ..agent.slots import NAMES, PACKAGED
from ..agent.update import ANY_PROCESSOR, Running

CRASH = b"crash "
HANG = b"hang "
LEAK = b"leak "
MUTE = b"mute "
# The word is looked for in so many bytes.
WORD_BYTES = 8
# A bad image runs for so long before it ends, and so long is waited after it.
LIFE_MS = {CRASH: 500, LEAK: 2_400_000, HANG: 3_600_000}
PAUSE_MS = 30_000
# And so long a silence before the launcher kills what hangs.
SILENT_MS = 120_000
KILLED = 137


class Launcher:
    """components: what the box can run; packaged: sequence of the agent in its ROM."""

    def __init__(self, components=(ANY_PROCESSOR,), packaged=0):
        self.components = components
        self.packaged = packaged
        # Slot numbers, in the order of the starts.
        self.history = []

    def running(self, disk, ended):
        """update.Running for the start to come; ended: the last exit code, None after the power was off."""
        try:
            slot, _ = launch.judge(disk, ended, self.packaged)
        except (OSError, RemoteError):
            slot = PACKAGED
        self.history.append(slot)
        return Running(slot, self.components, self.packaged)

    def behaviour(self, disk, slot):
        """The first word of what runs, b"" of the packaged agent."""
        return disk.read(NAMES[slot], 0, WORD_BYTES) if slot else b""
