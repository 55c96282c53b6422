"""Availability: the share of time this box has been up, kept across restarts.

The state is (time watched, time up), in seconds; both are halved whenever the
watched time passes WINDOW_S, so that old behaviour fades.  It is written rarely,
to spare the flash.  After a clean stop the gap until the next start was down
time; after a power cut the time since the last writing is taken as half up.

Many gateways start with a wrong clock and hear the time a little later: what the
wall clock jumps ahead soon after a start is counted as down time then.
"""

from .compat import const
from .errors import RemoteError
from .limits import PPM
from .wire import cbor
from .wire.messages import holds

WINDOW_S = const(30 * 86400)
SAVE_MS = const(6 * 3600 * 1000)
UPDATE_MS = const(300 * 1000)
# A jump of the wall clock this soon after a start tells how long we were away.
SETTLE_MS = const(3600 * 1000)
# Longer gaps are a wrong clock, not an absence.
GAP_S = const(400 * 86400)
# The two clocks tick at different moments.
JITTER_S = const(5)


class Availability:
    """node gives wall_s(), now_ms, store and attributes; ours are `availability`
    (parts per million of the time watched) and `uptime_s`."""

    def __init__(self, node):
        self._node = node
        self._watched_s = 0
        self._up_s = 0
        self._started_ms = node.now_ms
        self._last_ms = node.now_ms
        self._last_wall_s = node.wall_s()
        self._uncertain_s = 0  # of the next gap, how much may have been up
        self._save_ms = node.now_ms + SAVE_MS
        self._load()
        self.due = node.now_ms

    def ppm(self):
        """Parts per million of the time watched; a box never watched was always up."""
        return PPM * self._up_s // self._watched_s if self._watched_s else PPM

    def tick(self, now_ms):
        """Count the time since the last tick; write the state now and then."""
        node = self._node
        passed_s = (now_ms - self._last_ms) // 1000
        self._last_ms += 1000 * passed_s
        wall_s = node.wall_s()
        away_s = wall_s - self._last_wall_s - passed_s
        self._last_wall_s = wall_s
        if not JITTER_S < away_s <= GAP_S or now_ms - self._started_ms > SETTLE_MS:
            away_s = 0
        half_s = min(away_s, self._uncertain_s) // 2
        self._uncertain_s -= 2 * half_s
        self._watched_s += passed_s + away_s
        self._up_s += passed_s + half_s
        if self._watched_s > WINDOW_S:
            self._watched_s //= 2
            self._up_s //= 2
        node.attributes["availability"] = self.ppm()
        node.attributes["uptime_s"] = (now_ms - self._started_ms) // 1000
        if now_ms >= self._save_ms:
            self.save(False)
        self.due = now_ms + UPDATE_MS

    def save(self, clean):
        """Write the state; clean: we are about to stop in good order."""
        row = [self._watched_s, self._up_s, self._last_wall_s, 0 if clean else SAVE_MS // 1000]
        # Where the disk refuses, at the next look again.
        written = self._node.store.save_state("uptime", cbor.encode(row))
        self._save_ms = self._node.now_ms + (SAVE_MS if written else 0)

    def _load(self):
        data = self._node.store.load_state("uptime")
        if data is None:
            self.save(False)
            return
        try:
            row = cbor.decode(data, 2, 5)
            if not holds(("U", "U", "U", "u"), row) or row[1] > row[0]:
                raise RemoteError("uptime state")
            self._watched_s, self._up_s, self._last_wall_s, self._uncertain_s = row
        except RemoteError:
            self._node.counters.bump("store_errors")
