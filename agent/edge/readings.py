"""What a box with work reads twice a second: is it busy?

Kept apart from system.py, which every box has: this is loaded with the first workload.
Paths are bytes, made once: for every new str MicroPython looks through all its names.
"""

from ..compat import const
from . import system
from .disk import read_file

# Of the kernel's thermal zones, the first ones.
ZONES = const(8)
# Zones without a sensor tell what cannot be.
HEAT_MOST = const(150)


class Readings:
    """root: bytes before /proc and /sys.  What the kernel does not tell is 0."""

    def __init__(self, root):
        self._load = root + b"/proc/loadavg"
        self._memory = root + b"/proc/meminfo"
        self._zones = []
        for zone in range(ZONES):
            path = root + b"/sys/class/thermal/thermal_zone%d/temp" % zone
            try:
                read_file(path, 16)
                self._zones.append(path)
            except OSError:
                pass

    def load(self):
        """The load average in hundredths."""
        return system.load(self._load)

    def free(self):
        """Bytes of memory that the box has to spare."""
        return system.memory(self._memory)[1]

    def heat(self):
        """Degrees Celsius of the hottest part."""
        hottest = 0
        for path in self._zones:
            try:
                heat = int(read_file(path, 16)) // 1000
                if hottest < heat < HEAT_MOST:
                    hottest = heat
            except (OSError, ValueError):
                pass
        return hottest
