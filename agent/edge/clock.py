"""Time: milliseconds that only rise, and seconds of the wall.

MicroPython's ticks_ms wraps, every 2^30 ms (12.4 days) on a 32-bit box; the
loop asks far more often than that, so that each wrap is seen.
"""

import time


class Clock:
    """The box's clock.

    ticks: callable giving a counter in ms.  mask: 2^k - 1 if it wraps at 2^k,
    0 if it never does.  system_s: callable giving Unix seconds.  All three are
    the machine's own when left out.
    """

    def __init__(self, ticks=None, mask=0, system_s=None):
        if ticks is None:
            if hasattr(time, "ticks_ms"):
                # ticks_add wraps as ticks_ms does: -1 is its largest value.
                ticks, mask = time.ticks_ms, time.ticks_add(0, -1)
            else:
                ticks = _monotonic_ms
        self._ticks = ticks
        self._mask = mask
        self._system_s = system_s or _system_s
        self._last = ticks()
        self._now_ms = 1

    def now(self):
        """Milliseconds since the start, never falling (int; 1 at the start)."""
        ticks = self._ticks()
        passed = ticks - self._last
        if self._mask:
            passed &= self._mask
            # More than half a period ahead is a step back.
            if passed > self._mask >> 1:
                passed = 0
        if passed > 0:
            self._now_ms += passed
        self._last = ticks
        return self._now_ms

    def wall(self):
        """Unix seconds (int) as the system has them; the node knows better."""
        return self._system_s()


def _monotonic_ms():
    return time.monotonic_ns() // 1000000


def _system_s():
    # time.time() is a float, of too few digits on some boxes.
    return time.time_ns() // 1000000000
