"""Boxes whose owners use them: what an edge reads twice a second of it, and what the world knows of who is busy."""

import functools

# As agent/edge/loop.py.
LOOK_MS = 500
# Load averages in hundredths of a box that its household uses, and of one that it does not.
HIGH, LOW = 900, 10
# A task may run so long on a box that has turned busy.
WITHIN_MS = 1_000


class Guests:
    """The edges' looks at all boxes of a lab, from now on."""

    def __init__(self, lab):
        self._world = lab.world
        # Box number -> [[from, until], ...] in which it was busy, until None: still.
        self.busy = {box.number: [] for box in self._world.boxes}
        rng = self._world.stream("guests")
        for box in self._world.boxes:
            box.cell.runs = []
            box.cell.look = functools.partial(self._read, box)
            self._world.after(rng.randrange(LOOK_MS), self._look, box)

    def is_busy(self, box):
        """Whether its household uses the box now."""
        spans = self.busy[box.number]
        return bool(spans) and spans[-1][1] is None

    def turn(self, box, busy):
        """The household begins or ceases to use the box."""
        if busy and not self.is_busy(box):
            self.busy[box.number].append([self._world.now_ms, None])
        elif not busy and self.is_busy(box):
            self.busy[box.number][-1][1] = self._world.now_ms

    def _read(self, box):
        """The edge tells the node what it reads; True if the box is busy."""
        guest = box.node.tasks.guest
        guest.look(HIGH if self.is_busy(box) else LOW, 0, 0, box.clock())
        return guest.reason is not None

    def _look(self, box):
        if box.live and box.node.tasks.guest is not None:
            box.cell.park(self._read(box))
            box.tell(lambda: None)
        self._world.after(LOOK_MS, self._look, box)

    def polite(self):
        """Nothing runs on a box that has been busy for longer than WITHIN_MS.

        Reads: when each cell ran a job, and when each household used its box.
        """
        now_ms = self._world.now_ms
        for box in self._world.boxes:
            for begun, ended in self.busy[box.number]:
                for since, until in box.cell.runs:
                    late = min(until or now_ms, ended or now_ms) - max(since, begun + WITHIN_MS)
                    if late > 0:
                        return "box %d ran a job for %d ms of its busy time" % (box.number, late)
        return ""
