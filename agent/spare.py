"""Spare time: who has no work of his own left runs copies of his neighbours' last tasks.

A slow box holds up all that wait for its last tasks.  So a holder that has been idle
for a while takes tasks of the seats after its own, one at a time, of the nearest
seat first, and of more seats the longer it is idle.  Nobody is asked: each looks at
the progress that the ring tells anyway.  (After, not before: a task that has to be
done once more goes to a seat further round, whose box must not have done it.)

A holder runs its tasks in their order.  A helper therefore begins at the other end,
the nearest neighbour with the last, the next one with the last but one: so they meet
in the middle, and few tasks run twice.  The first of them, which its holder must be
at, is copied only if it stays the first for as long as a task may take.

Whoever says that a task is done may lie.  A holder that has found nothing to do for
long enough runs those of its own tasks of which it only heard that they are done:
so a liar puts work off, and never away.  Where the owner has asked again it waits
less: what he asks for was not settled.

Copies count by the box that ran them, as all replicas do: a task of which this box
holds another replica is left alone.  This module is loaded by who is idle first.
"""

from .compat import const
from .placement import seat_of
from .ring import NEIGHBOURS

# Work of one look: some 3 ms on a slow box.  An open task costs a hash, one that is done little.
LOOK_STEP = const(256)
OPEN_COST = const(8)
# A task may take so many times as long as the longest of ours did.
PATIENCE = const(2)
PATIENCE_LEAST_MS = const(10000)
# How long a holder has nothing to do before it doubts what it heard: most owners have
# what they want by then, and end the workload.
DOUBT_MS = const(120000)
# In a version that asks again.  Half of what an owner waits at least until the next one
# (operator/repetition.py): a round of his must not pass in vain.
DOUBT_AGAIN_MS = const(15000)
# For who never had one.
PATIENCE_UNKNOWN_MS = const(30000)


class Spare:
    """What one idle box looks at.  longest_ms: how long the longest of our tasks took, 0 if unknown."""

    def __init__(self, node, longest_ms):
        self._node = node
        self._since_ms = node.now_ms
        self._patience_ms = max(PATIENCE_LEAST_MS, PATIENCE * longest_ms) if longest_ms else PATIENCE_UNKNOWN_MS
        self._copy = None  # (workload, task, bit), until it is done
        self._workload = None
        self._task = 0
        self._ends = []  # for each distance, as far as we have looked: (first open bit, [last open bits])
        self._first = {}  # (workload id, distance): (first open bit, since when)

    def reach(self):
        """How many seats after ours are helped now."""
        return min(NEIGHBOURS, (self._node.now_ms - self._since_ms) // self._patience_ms)

    def chosen(self, workloads):
        """(workload, task, bit) to run a copy of, of these live Workloads (a list), or None; takes a step of looking."""
        if self._copy and (self._copy[0] not in workloads or self._copy[0].done.get(self._copy[2])):
            self._copy = None
        self._copy = self._copy or self._look(workloads)
        return self._copy

    def doubted(self, workloads, idle_ms):
        """(workload, task, bit) of a task of ours of which we only heard that it is done, or None.

        idle_ms: how long there has been nothing to do but such tasks.
        """
        for workload in workloads:
            if idle_ms < (DOUBT_AGAIN_MS if workload.first else DOUBT_MS):
                continue
            mine, done = workload.mine.data, workload.done.data
            for index in range(len(mine)):
                heard = mine[index] & done[index] & ~(workload.ran.data[index] if workload.ran else 0)
                for bit in range(8 * index, 8 * index + 8) if heard else ():
                    if heard >> (bit & 7) & 1 and workload.asks(bit // workload.replicas):
                        return workload, bit // workload.replicas, bit
        return None

    def _look(self, workloads):
        if not workloads or not self.reach():
            return None
        if self._workload not in workloads:
            self._begin(workloads[0])
        workload = self._workload
        left = LOOK_STEP
        while self._task < workload.tasks and left > 0:
            left -= self._note(workload, self._task)
            self._task += 1
        if self._task < workload.tasks:
            return None
        bit = self._last(workload)
        self._begin(workloads[(workloads.index(workload) + 1) % len(workloads)])
        return None if bit is None else (workload, bit // workload.replicas, bit)

    def _begin(self, workload):
        self._workload, self._task = workload, 0
        self._ends = [(None, []) for _ in range(self.reach())]

    def _note(self, workload, task):
        """Put a task down if it is open and of a seat that we help; the cost of it."""
        replicas = workload.replicas
        bits = range(task * replicas, (task + 1) * replicas)
        mine, open_bits = False, []
        for bit in bits:
            mine = mine or workload.mine.get(bit)
            if not workload.done.get(bit):
                open_bits.append(bit)
        if mine or not open_bits or not workload.asks(task) or workload.place is None:
            return 1
        seat, _, seats, step, first, count = workload.place
        home = seat_of(workload.manifest.id, task, count) + workload.first
        for bit in open_bits:
            distance = (first + (home + bit % replicas) % count - seat) % seats
            # Of our own region, where seats are kept for some: the next one, and so on.
            distance = distance // step if not distance % step else 0
            if 1 <= distance <= len(self._ends):
                lowest, last = self._ends[distance - 1]
                last.append(bit)
                if len(last) > NEIGHBOURS + 1:
                    last.pop(0)
                self._ends[distance - 1] = (bit if lowest is None else lowest, last)
                break
        return OPEN_COST

    def _last(self, workload):
        """The bit to run a copy of, after a whole look at a workload, or None."""
        now_ms = self._node.now_ms
        chosen = None
        for distance in range(1, len(self._ends) + 1):
            lowest, last = self._ends[distance - 1]
            key = (workload.manifest.id, distance)
            if self._first.get(key, (None, 0))[0] != lowest:
                self._first[key] = (lowest, now_ms)
            if lowest is None or chosen is not None:
                continue
            if len(last) > distance:
                chosen = last[-distance]
            elif now_ms - self._first[key][1] >= self._patience_ms:
                chosen = lowest
        return chosen
