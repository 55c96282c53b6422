"""Long computations in steps of at most 5 ms, taken between datagrams.

A ladder or a signature check would otherwise keep the box from gossiping while
it thinks.  Work waits in a bounded queue; the first is finished first, so that
nobody waits longer for sharing.
"""

from .errors import RemoteError
from .limits import WORK


# Made beforehand: when it is needed there may be no memory for it.
NO_MEMORY = RemoteError("no memory left for it")


class Work:
    """A bounded first-in, first-out queue of computations with a step() method."""

    def __init__(self, counters):
        self._queue = []
        self._counters = counters

    def __len__(self):
        return len(self._queue)

    def full(self):
        """True if add() would refuse."""
        return len(self._queue) >= WORK

    def add(self, computation, done):
        """Queue a computation; False if the queue is full.

        computation.step() returns True when it has finished, or raises
        RemoteError.  Then done(computation, error) is called, error None or
        the RemoteError.  A step that runs out of memory is not repeated, for it may
        have been half done: that computation ends with NO_MEMORY.
        """
        if self.full():
            self._counters.bump("work_full")
            return False
        self._queue.append([computation, done, None])
        return True

    def step(self):
        """One step of the first computation; True if more work waits."""
        if self._queue:
            row = self._queue[0]
            try:
                finished = row[2] or row[0].step()
            except RemoteError as problem:
                finished, row[2] = True, problem
            except MemoryError:
                row[2] = NO_MEMORY
                raise
            if finished:
                self._queue.pop(0)
                try:
                    row[1](row[0], row[2])
                except MemoryError:
                    # Who waits for it must hear of it, or waits for ever.
                    self._queue.insert(0, row)
                    row[2] = row[2] or NO_MEMORY
                    raise
        return bool(self._queue)
