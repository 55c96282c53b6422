"""The polite guest: while its box has better to do, a task waits; if that lasts, it is handed on.

BOINC's preferences are the model: hours in which nothing is computed, load, memory, heat,
bytes a day.  The edge tells what it reads (edge/readings.py) twice a second while this box
has work, and parks the job for as long as there is a reason.  No task begins meanwhile, and
the box offers itself to no slice.  After PATIENCE_MS it stands up from its seat, if tasks
are open there: the ring grants the seat to another box, which computes the same tasks.

A bound must be kept better than it was broken before the box counts as free, and for
CALM_MS.  This module is loaded with the first workload of our slice.
"""

from .compat import const
from .errors import RemoteError
from .wire import cbor
from .wire.messages import holds

PATIENCE_MS = const(60000)
CALM_MS = const(30000)
# Degrees below the bound at which a hot box is cool again.
COOL = const(5)
# Of a day's bytes, written ahead of their use: a restart costs at most as much of the
# budget, never gives a new one, and flash is written some 17 times a day.
PARTS = const(16)


class Guest:
    """Whether this box is busy.  node: config, counters, store, ring, tasks, now_ms, wall_s()."""

    def __init__(self, node):
        self._node = node
        self.reason = None  # a word that says why the box is busy, None while it is not
        self._since_ms = None  # when it turned so, None before the first look
        self._reason_ms = 0  # when there last was a reason
        self._chunks = self._moved()
        self._day, self._used_kb = self._load()
        self._written_kb = self._used_kb

    def _local_s(self):
        return self._node.wall_s() + 60 * self._node.config.utc_offset

    def _moved(self):
        """Chunks of blobs moved since the start, 1 KiB each: inputs, programs, outputs, what others fetch here."""
        return self._node.counters["chunks_in"] + self._node.counters["chunks_out"]

    # -- what the edge reads

    def look(self, load, free_bytes, heat, now_ms):
        """Take the box's load in hundredths, bytes of free memory, hottest part in degrees Celsius (0: not known)."""
        node = self._node
        self._count()
        reason = self._why(load, free_bytes, heat)
        if reason:
            self._reason_ms = now_ms
            if self.reason is None:
                # A box that is busy as it comes to work has begun nothing that is worth a wait.
                self._since_ms = now_ms if self._since_ms is not None else now_ms - PATIENCE_MS
                node.tasks.due = now_ms
                if node.tasks.job:
                    node.counters.bump("tasks_parked")
            self.reason = reason
        elif self._since_ms is None:
            self._since_ms = now_ms
        elif self.reason and now_ms - self._reason_ms >= CALM_MS:
            self.reason = None
            node.tasks.due = now_ms
        node.available = self.reason is None

    def _why(self, load, free_bytes, heat):
        config = self._node.config
        eased = self.reason is not None
        hours = config.quiet_hours
        if hours:
            minute = self._local_s() % 86400 // 60
            begin, end = hours
            if begin <= minute < end or end < begin and not end <= minute < begin:
                return "hours"
        if config.daily_mb and self._used_kb >= 1024 * config.daily_mb:
            return "bytes"
        if self._node.tasks.job and not eased:
            load -= config.cpu_percent  # what our own job makes of it
        if config.busy_load and load > (config.busy_load * 3 // 4 if eased else config.busy_load):
            return "load"
        least = config.busy_free_kb * (5 if eased else 4) * 256
        if free_bytes and free_bytes < least:
            return "memory"
        if config.busy_heat and heat > (config.busy_heat - COOL if eased else config.busy_heat):
            return "heat"
        return None

    # -- handing on

    def tick(self, now_ms):
        """Stand up from a seat with open tasks once the box has been busy for long."""
        node = self._node
        if self.reason and now_ms - self._since_ms >= PATIENCE_MS and node.ring.seat is not None and node.tasks.at_work():
            node.log("info", "busy: " + self.reason)
            node.ring.leave("seats_handed_on")

    # -- the day's bytes

    def _count(self):
        moved, self._chunks = self._moved() - self._chunks, self._moved()
        day = self._local_s() // 86400
        if day > self._day:
            self._used_kb = self._written_kb = 0
        self._day = day
        self._used_kb += moved
        if self._used_kb > self._written_kb and self._node.config.daily_mb:
            self._save(self._used_kb + 1024 * self._node.config.daily_mb // PARTS)

    def save(self):
        """Write what was used, before the end."""
        if self._written_kb > self._used_kb:
            self._save(self._used_kb)

    def _save(self, used_kb):
        # Also where the disk refuses: it is asked again a part later.
        self._written_kb = used_kb
        self._node.store.save_state("guest", cbor.encode([self._day, used_kb]))

    def _load(self):
        """(day, KiB used in it).  A clock that was set back gives no new budget."""
        day = self._local_s() // 86400
        data = self._node.store.load_state("guest")
        try:
            row = cbor.decode(data, 2, 3) if data else [day, 0]
            if not holds(("U", "U"), row):
                raise RemoteError("guest state")
            return day, row[1] if row[0] >= day else 0
        except RemoteError:
            self._node.counters.bump("store_errors")
            return day, 0
